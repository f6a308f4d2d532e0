#!/usr/bin/env python3
"""Does jdiag judge a page of metrics as a real Prometheus does?

    prometheus_judge.py PROM_CHECK [PAGES [SEED]]

To be run in a network namespace of its own (it takes a fixed port). Makes pages out of good ones by
small changes, lets a Prometheus scrape them all, and compares which it took with what
tests/tools/prom-check says. Prints each difference; status 1 if there is one, or when one of the two
took everything or nothing.
"""

import http.server
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

PORT = 9090

TEXT = [
    '# HELP a_total Some \\n help\n# TYPE a_total counter\na_total{b="c",d="e\\"\\\\",} 1.5E7\n'
    # too old a sample would be dropped before its labels are looked at
    'a_total{b="",d="\u00e4"} +Inf %d\n' % (time.time() * 1000),
    '# TYPE jvm_memory_bytes_used gauge\njvm_memory_bytes_used{area="heap",} 1.0\n\n# comment\n'
    '#\nx  { y = "z" , } -2.5e-3  \nz NaN',
    '# TYPE h histogram\nh_bucket{le="0.1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n'
    '# TYPE s summary\ns{quantile="0.5"} 4\n',
    'java_lang:x 1\n# HELP java_lang:x\n# TYPE java_lang:x untyped\na-1\n',
]
OPENMETRICS = [
    '# TYPE a counter\n# HELP a help \u00e4\n# UNIT a \na_total{b="c",d="e"} 1 1.5\na_created 1e9\n'
    '# EOF\n',
    '# TYPE t_seconds histogram\n# UNIT t_seconds seconds\n'
    't_seconds_bucket{le="0.1"} 1 # {trace="x",y="z"} 0.07 1.5\n'
    't_seconds_bucket{le="+Inf"} 1 12.5 # {} 0.07\nt_seconds_count 1\n# EOF\n',
    '# TYPE i info\ni_info{version="1.0.1"} 1\n# TYPE s stateset\ns{s="on"} 1\ng NaN\n# EOF',
]
WORDS = ["\n", " ", "\t", "#", "# ", "{", "}", '"', "\\", ",", "=", "a", "1", "-", ".", "e", "+", "_",
         ":", "\r", "NaN", "Inf", "0x1p2", "# EOF", "# EOF\n", "# TYPE a gauge\n", "# HELP x y\n",
         'b="c"', ',b="d"', " 1", " 1.5", " # {} 1", "\u00e4", "\n\n", "untyped", "gauge", "1e999", "'"]


def change(r, page):
    at = r.randrange(len(page) + 1)
    kind = r.randrange(4)
    if kind == 0:
        return page[:at] + page[at + 1:]
    if kind == 1:
        return page[:at] + r.choice(WORDS) + page[at:]
    if kind == 2:
        return page[:at] + r.choice(WORDS) + page[at + 1:]
    end = min(len(page), at + r.randrange(1, 30))
    return page[:at] + page[end:]


def make_pages(n, seed):
    r = random.Random(seed)
    pages = [(p, ".txt") for p in TEXT] + [(p, ".om") for p in OPENMETRICS]
    while len(pages) < n:
        om = r.random() < 0.5
        page = r.choice(OPENMETRICS if om else TEXT)
        for _ in range(r.choice((1, 1, 1, 2))):
            page = change(r, page)
        pages.append((page, ".om" if om else ".txt"))
    bad = b'a{b="\xff"} 1\n'
    return [(p.encode(), kind) for p, kind in pages] + [(bad, ".txt"), (bad + b"# EOF\n", ".om")]


def ours(program, pages, directory):
    names = []
    for i, (page, kind) in enumerate(pages):
        names.append(os.path.join(directory, "%d%s" % (i, kind)))
        with open(names[-1], "wb") as f:
            f.write(page)
    said = subprocess.run([program, *names], stdout=subprocess.PIPE, check=True, timeout=60).stdout
    return said.decode().splitlines()


def serve(pages):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            page, kind = pages[int(self.path[1:])]
            self.send_response(200)
            self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0" if kind == ".om"
                             else "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 1024  # a scrape that finds no room there has to wait for seconds

    server = Server(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # of connections that end when Prometheus does
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def start_prometheus(directory, port, n):
    jobs = [{"targets": ["127.0.0.1:%d" % port], "labels": {"__metrics_path__": "/%d" % i, "page": str(i)}}
            for i in range(n)]
    config = os.path.join(directory, "prometheus.yml")
    with open(config, "w") as f:
        json.dump({"global": {"scrape_interval": "4s", "scrape_timeout": "4s"},
                   "scrape_configs": [{"job_name": "pages", "static_configs": jobs}]}, f)
    process = subprocess.Popen(
        ["prometheus", "--config.file", config, "--storage.tsdb.path", os.path.join(directory, "data"),
         "--web.listen-address", "127.0.0.1:%d" % PORT], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            targets()
            return process
        except OSError:
            time.sleep(0.1)
    process.kill()
    process.wait()
    sys.exit("no Prometheus")


def targets():
    with urllib.request.urlopen("http://127.0.0.1:%d/api/v1/targets" % PORT, timeout=5) as answer:
        return json.load(answer)["data"]["activeTargets"]


def has_read(target):
    """A page that did not come in time, on a busy machine, is asked for again."""
    return target["health"] != "unknown" and "deadline exceeded" not in target["lastError"]


def theirs(pages, directory):
    server = serve(pages)
    process = start_prometheus(directory, server.server_address[1], len(pages))
    try:
        deadline = time.monotonic() + 80
        while time.monotonic() < deadline:
            try:
                found = targets()
            except OSError:  # it is busy
                continue
            if len(found) == len(pages) and all(has_read(t) for t in found):
                return {int(t["labels"]["page"]): t["lastError"] for t in found}
            time.sleep(0.2)
        sys.exit("Prometheus has not scraped all in time")
    finally:
        process.kill()
        process.wait()
        server.shutdown()


def main():
    program = sys.argv[1]
    pages = make_pages(int(sys.argv[2]) if len(sys.argv) > 2 else 400,
                       int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    with tempfile.TemporaryDirectory() as directory:
        we = ours(program, pages, directory)
        they = theirs(pages, directory)
    differ = 0
    for i, (page, kind) in enumerate(pages):
        if we[i].startswith("ok ") != (they[i] == ""):
            differ += 1
            print("%s %r\n  jdiag: %s\n  Prometheus: %s" % (kind, page, we[i], they[i] or "ok"))
    good = sum(1 for line in we if line.startswith("ok "))
    print("%d pages, %d of them good, %d differences" % (len(pages), good, differ))
    sys.exit(differ > 0 or good == 0 or good == len(pages))


if __name__ == "__main__":
    main()
