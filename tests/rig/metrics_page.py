#!/usr/bin/env python3
"""A page of metrics, for a Prometheus to scrape.

usage: metrics_page.py [--address IP] [--port N] [PATH=NAME ...]      (default /metrics=rig)

At PATH it says that the gauge rig_page{page="NAME"} is 1. The port is on stdout when it listens.
"""
import argparse
import http.server
import sys


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("page", nargs="*", default=["/metrics=rig"])
    options = parser.parse_args()
    pages = dict(page.split("=", 1) for page in options.page)

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            name = pages.get(self.path)
            body = b"no such page\n"
            if name is not None:
                body = b'# TYPE rig_page gauge\nrig_page{page="%s"} 1\n' % name.encode()
            self.send_response(404 if name is None else 200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer((options.address, options.port), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
