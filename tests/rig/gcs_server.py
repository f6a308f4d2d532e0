#!/usr/bin/env python3
"""A strict bucket server: the JSON upload protocol of Google Cloud Storage, its token endpoint and
the metadata server, on one loopback port, with scripted faults. Standard library only.

    gcs_server.py DIR [--bucket NAME]... [--token TOKEN]...

With --google PEM-FILE it is also sts., iamcredentials. and oauth2.googleapis.com and the token issuer
of a CI system, by TLS on port 443 of a loopback address of its own, which it leaves in DIR/address;
POST /control/identities says whom they know (gcs_sts.py).

Prints its port on standard output when it is ready, and leaves it in DIR/port. Objects lie below
DIR/objects/BUCKET/NAME (percent-encoded) with NAME.meta beside. Without --bucket there is one,
"dumps"; without any option that makes tokens good, nobody has to show one.

Faults are a JSON list (--faults FILE, or POST /control/faults). Each entry is used for the first
`times` (1) requests of its kind `on` after `skip` (0) of them:
  on: start put final status delete small object download permissions token metadata sts refresh
      generate subject (put: a chunk of unknown total)
  status, retry_after   answer with that status, before anything is done
  reset_at, status_at   take N bytes of the body, then cut the connection / answer `status`; what
                        arrived is stored up to the last whole 256 KiB
  store                 keep only N bytes of all, and say so
  lose_answer           do everything, then cut the connection
  expire                forget the session, answer with this status (404, 410)
  corrupt               flip a bit of what is stored
  rate                  take so many bytes a second
  wait                  take none before other faults are set
  hold                  do everything, then answer when other faults are set
  revoke                minted tokens are bad from now on
  answer                do everything, then send {status, headers, body} instead
GET /control/log: what was asked, one JSON object a request, without secrets. POST /control/revoke:
minted tokens are bad from now on. GET /control/sessions: open sessions; /control/waiting: how many
requests do. POST /control/reset: no objects, no sessions, no faults, no log.
"""

import argparse
import http.server
import json
import os
import random
import re
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gcs_auth import Tokens  # noqa: E402
from gcs_sts import SERVICES, Exchange  # noqa: E402
from gcs_store import Range, Refused, Store, corrupt, part_of_multipart  # noqa: E402

BLOCK = 1 << 20
BUILD = os.environ.get("JDIAG_BUILD", os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                   "..", "..", "build"))


class Cut(Exception):
    """The connection is to be reset."""


class Faults:
    def __init__(self, script):
        self.lock = threading.Lock()
        self.waiting = 0
        self.load(script)

    def wait(self, fault):
        """As long as it is in force."""
        with self.lock:
            self.waiting += 1
        while any(f is fault for f in self.script):
            time.sleep(0.02)
        with self.lock:
            self.waiting -= 1

    def load(self, script):
        self.script = [dict(f, skip=f.get("skip", 0), times=f.get("times", 1)) for f in script]

    def take(self, kind):
        with self.lock:
            for f in self.script:
                if f["on"] != kind or not f["times"]:
                    continue
                if f["skip"]:
                    f["skip"] -= 1
                    return {}
                f["times"] -= 1
                return f
        return {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    rbufsize = BLOCK
    timeout = 120
    disable_nagle_algorithm = True
    wbufsize = 65536

    def log_message(self, *args):
        pass

    # --- framing

    def handle_one(self):
        self.entry = {"method": self.command, "path": self.path.split("?")[0],
                      "authorized": "Authorization" in self.headers,
                      "length": int(self.headers.get("Content-Length") or 0)}
        for name in ("Content-Range", "x-goog-hash", "Content-Type"):
            if name in self.headers:
                self.entry[name.lower()] = self.headers[name]
        self.left, self.fault, self.noted = self.entry["length"], {}, self.path.startswith("/control/")
        try:
            if "Transfer-Encoding" in self.headers:
                raise Refused(411, "Length required")
            self.route()
        except Refused as e:
            self.refuse(e)
        except (Cut, ConnectionError):
            self.entry["status"] = 0
            self.cut()
        finally:
            self.note()

    def note(self):
        """Before the answer: who has got it finds its request in the log, in the right order."""
        if not self.noted:
            self.noted = True
            self.server.log.append(self.entry)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_one

    def cut(self):
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RD)
        except OSError:
            pass
        self.wfile = open(os.devnull, "wb")
        self.connection.close()

    def refuse(self, e):
        headers = {}
        if self.fault.get("retry_after") is not None:
            headers["Retry-After"] = str(self.fault["retry_after"])
        if e.text:
            self.reply(e.status, e.message.encode(), "text/plain", headers)
        elif self.path in ("/token", "/v1/token", "/v1/oauthtoken"):
            error, _, text = e.message.partition(": ")
            self.reply(e.status, json.dumps({"error": error, "error_description": text}).encode(),
                       headers=headers)
        else:
            self.reply(e.status, json.dumps({"error": {"code": e.status, "message": e.message}})
                       .encode(), headers=headers)

    def reply(self, status, body=b"", kind="application/json; charset=UTF-8", headers=None):
        if "hold" in self.fault:
            self.server.faults.wait(self.fault)
        if "lose_answer" in self.fault:
            raise Cut
        if "answer" in self.fault:
            a = self.fault["answer"]
            status, body = a.get("status", status), a.get("body", body.decode()).encode()
            headers = a.get("headers", headers)
        self.entry["status"] = status
        self.note()
        self.send_response_only(status, "Resume Incomplete" if status == 308 else None)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.left:  # the rest of the body is not wanted
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if self.left:
            self.discard()

    def discard(self):
        """Closing with unread bytes would reset the connection before the answer is read."""
        try:
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(5)
            while self.connection.recv(BLOCK):
                pass
        except OSError:
            pass

    def reply_json(self, value, headers=None):
        self.reply(200, json.dumps(value).encode(), headers=headers)

    def body(self, stop=None):
        """The body in blocks; stop: end after so many bytes."""
        block = memoryview(bytearray(BLOCK))
        if "wait" in self.fault:
            self.server.faults.wait(self.fault)
        while self.left and stop != 0:
            n = self.rfile.readinto(block[:min(BLOCK, self.left, stop or BLOCK)])
            if not n:
                raise Cut
            self.left -= n
            if stop is not None:
                stop -= n
            if "rate" in self.fault:
                time.sleep(n / self.fault["rate"])
            yield block[:n]

    def whole_body(self):
        if self.left > 8 << 20:
            raise Refused(413, "Too large")
        return b"".join(bytes(b) for b in self.body())

    def take_fault(self, kind):
        self.entry["kind"] = kind
        self.fault = self.server.faults.take(kind)
        if "revoke" in self.fault:
            self.server.tokens.revoke()
        if "reset_at" in self.fault and kind not in ("put", "final"):
            raise Cut
        if "status" in self.fault and "status_at" not in self.fault:
            raise Refused(self.fault["status"], self.fault.get("message", "Backend Error"))

    # --- routes

    def route(self):
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        parts = [urllib.parse.unquote(p) for p in url.path.split("/")[1:]]
        if parts[0] == "control":
            self.control(parts[1])
        elif self.server.google:
            self.google(self.headers.get("Host"), url.path)
        elif url.path.startswith("/issuer/"):
            self.subject("plain")
        elif url.path == "/token" and self.command == "POST":
            self.token()
        elif url.path == "/computeMetadata/v1/instance/service-accounts/default/token":
            self.metadata_server()
        elif parts[:4] == ["upload", "storage", "v1", "b"] and parts[5:] == ["o"]:
            self.upload(parts[4])
        elif parts[:3] == ["storage", "v1", "b"] and parts[4:] == ["iam", "testPermissions"]:
            self.test_permissions(parts[3])
        elif parts[:3] == ["storage", "v1", "b"] and parts[4:5] == ["o"]:
            self.objects(parts[3], parts[5] if len(parts) > 5 else None)
        else:
            raise Refused(404, "Not Found")

    def control(self, what):
        s = self.server
        if what == "faults":
            s.faults.load(json.loads(self.whole_body()))
        elif what == "revoke":
            s.tokens.revoke()
        elif what == "identities":
            s.exchange.load(json.loads(self.whole_body()))
        elif what == "reset":
            s.faults.load([])
            s.store.clear()
            s.log.clear()
        sessions = [x.name for x in s.store.sessions.values() if x.state == "open"]
        self.reply_json({"log": s.log, "waiting": s.faults.waiting, "sessions": sessions}.get(what, {}))

    def token(self):
        self.take_fault("token")
        form = dict(urllib.parse.parse_qsl(self.whole_body().decode()))
        self.reply_json(self.server.tokens.exchange(form, self.server.url + "/token"))

    def google(self, host, path):
        """One of the services that are told apart by their names."""
        exchange = self.server.exchange
        if (host, path, self.command) == ("sts.googleapis.com", "/v1/token", "POST"):
            self.take_fault("sts")
            self.reply_json(exchange.sts(self.form(), self.headers))
        elif (host, path, self.command) == ("sts.googleapis.com", "/v1/oauthtoken", "POST"):
            self.take_fault("refresh")
            self.reply_json(exchange.refresh(self.form(), self.headers))
        elif (host, path, self.command) == ("oauth2.googleapis.com", "/token", "POST"):
            self.take_fault("token")
            self.reply_json(self.server.tokens.exchange(self.form(), "https://%s%s" % (host, path)))
        elif host == "iamcredentials.googleapis.com" and path.endswith(":generateAccessToken"):
            self.take_fault("generate")
            if self.headers.get("Content-Type") != "application/json" or self.command != "POST":
                raise Refused(400, "Bad Request")
            self.reply_json(exchange.generate(path, json.loads(self.whole_body()), self.headers))
        elif host not in SERVICES and self.command == "GET":
            self.subject(host)
        else:
            raise Refused(404, "Not Found")

    def subject(self, host):
        self.take_fault("subject")
        self.reply(200, self.server.exchange.subject(host + self.path, self.headers).encode(),
                   "text/plain")

    def form(self):
        if self.headers.get("Content-Type") != "application/x-www-form-urlencoded":
            raise Refused(400, "invalid_request: Content-Type")
        pairs = urllib.parse.parse_qsl(self.whole_body().decode(), keep_blank_values=True,
                                       strict_parsing=True)
        if len(dict(pairs)) != len(pairs):
            raise Refused(400, "invalid_request: a field twice")
        return dict(pairs)

    def metadata_server(self):
        self.take_fault("metadata")
        if self.headers.get("Metadata-Flavor") != "Google":
            raise Refused(403, "Missing Metadata-Flavor:Google header.")
        self.reply_json(self.server.tokens.mint(), {"Metadata-Flavor": "Google"})

    def authorize(self, bucket):
        if self.server.auth:
            self.server.tokens.check(self.headers.get("Authorization"))
        if bucket not in self.server.store.buckets:
            raise Refused(404, "The specified bucket does not exist.")

    def test_permissions(self, bucket):
        """Those of the asked ones that are granted; without any the service leaves the list out."""
        self.take_fault("permissions")
        names = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["permissions"]
        header = self.headers.get("Authorization")
        if bucket in self.server.public and not header:
            names = [n for n in names if n == "storage.objects.get"]
        elif self.server.tokens.is_denied(header):
            names = []
        else:
            self.authorize(bucket)
        answer = {"kind": "storage#testIamPermissionsResponse"}
        if names:
            answer["permissions"] = names
        self.reply_json(answer)

    def objects(self, bucket, name):
        self.take_fault("object")
        self.authorize(bucket)
        store = self.server.store
        if not name:
            return self.reply_json({"kind": "storage#objects", "items": store.names(bucket)})
        meta = store.lookup(bucket, name)
        if not meta:
            raise Refused(404, "No such object: %s/%s" % (bucket, name))
        if self.query.get("generation", meta["generation"]) != meta["generation"]:
            raise Refused(404, "No such object: %s/%s" % (bucket, name))
        if self.query.get("alt") != "media":
            return self.reply_json(meta)
        self.media(store.path(bucket, name), meta)

    def media(self, path, meta):
        """The bytes, or the range of them that was asked for; a fault `reset_at` cuts them."""
        fault = self.server.faults.take("download")
        if "status" in fault:
            raise Refused(fault["status"], "Backend Error")
        size = int(meta["size"])
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        first, last = (int(asked[1]), min(int(asked[2]), size - 1)) if asked else (0, size - 1)
        if asked and first > last:
            raise Refused(416, "The requested range cannot be satisfied.")
        status = 206 if asked else 200
        with open(path, "rb") as f:
            self.entry["status"] = status
            self.send_response_only(status)
            self.send_header("Content-Length", str(last - first + 1))
            self.send_header("x-goog-hash", "crc32c=" + meta["crc32c"])
            if asked:
                self.send_header("Content-Range", "bytes %d-%d/%d" % (first, last, size))
            self.end_headers()
            self.wfile.flush()
            count = min(last - first + 1, fault.get("reset_at", size))
            if count:
                self.connection.sendfile(f, first, count)
        if "reset_at" in fault:
            raise Cut

    def upload(self, bucket):
        if "upload_id" in self.query:
            return self.session()
        if self.command != "POST":
            raise Refused(405, "Method not allowed")
        kind = self.query.get("uploadType")
        self.take_fault("start" if kind == "resumable" else "small")
        self.authorize(bucket)
        must_be_new = self.query.get("ifGenerationMatch") == "0"
        if kind == "resumable":
            self.start(bucket, must_be_new)
        else:
            self.small(bucket, kind, must_be_new)

    def start(self, bucket, must_be_new):
        meta = json.loads(self.whole_body() or b"{}")
        name = self.query.get("name") or meta.get("name")
        if not name:
            raise Refused(400, "Required")
        s = self.server.store.start(bucket, name, meta, must_be_new)
        self.reply(200, headers={"Location": "%s/upload/storage/v1/b/%s/o?uploadType=resumable&"
                                 "upload_id=%s" % (self.server.url, bucket, s.id)})

    def small(self, bucket, kind, must_be_new):
        store, declared = self.server.store, self.headers.get("x-goog-hash")
        meta = {"name": self.query.get("name"), "contentType": self.headers.get("Content-Type")}
        if kind == "multipart":
            meta, data = part_of_multipart(self.headers.get("Content-Type"), self.whole_body())
            blocks = [data]
        elif kind == "media":
            blocks = self.body()
        else:
            raise Refused(400, "Unknown uploadType")
        path = store.temp()
        try:
            with open(path, "wb") as f:
                for block in blocks:
                    f.write(block)
            result = store.finalise(bucket, meta["name"], meta, must_be_new, path,
                                    declared and declared.removeprefix("crc32c="))
        finally:
            if os.path.exists(path):
                os.unlink(path)
        self.reply_json(result)

    # --- sessions: whoever has the address may use them

    def session(self):
        store = self.server.store
        if self.command == "DELETE":
            self.take_fault("delete")
            store.drop(store.session(self.query["upload_id"]), "cancelled")
            raise Refused(499, "Upload cancelled.")
        if self.command != "PUT":
            raise Refused(405, "Method not allowed")
        r = Range(self.headers.get("Content-Range"), self.left)
        self.take_fault_of_put(r)
        s = store.session(self.query["upload_id"])
        with s.lock:
            self.put(s, r)

    def take_fault_of_put(self, r):
        self.take_fault("status" if r.is_status else "final" if r.is_final else "put")
        if "expire" in self.fault:
            self.server.store.drop(self.server.store.session(self.query["upload_id"]), "gone")
            raise Refused(self.fault["expire"], "Not Found")

    def put(self, s, r):
        store = self.server.store
        if s.state == "done":
            if r.is_status or (r.is_final and r.total == s.total):
                for _ in self.body():
                    pass
                return self.reply_json(s.result)
            raise Refused(400, "The upload is finished.")
        store.check_put(s, r)
        if r.first is not None:
            self.receive(s, r)
        if s.total is not None and s.stored == s.total:
            if "corrupt" in self.fault:
                corrupt(s.path)
            declared = self.headers.get("x-goog-hash")
            return self.reply_json(store.complete(s, declared and
                                                  declared.removeprefix("crc32c=")))
        self.reply(308, headers={"Range": "bytes=0-%d" % (s.stored - 1)} if s.stored else None)

    def receive(self, s, r):
        f, before = self.fault, s.stored
        stop = f.get("reset_at", f.get("status_at"))
        try:
            self.server.store.receive(s, r, self.body(stop), f.get("store"))
        except (Cut, ConnectionError):
            self.server.store.trim(s, before)
            raise
        if stop is not None:
            self.server.store.trim(s, before)
            if "reset_at" in f:
                raise Cut
            raise Refused(f.get("status", 503), "Backend Error")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    google = False

    def __init__(self, o):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server_port
        if not os.access(o.crc32c, os.X_OK):
            sys.exit("gcs_server.py: no program '%s': build it with make" % o.crc32c)
        self.store = Store(o.dir, o.crc32c, o.bucket or ["dumps"])
        self.auth = bool(o.token or o.denied_token or o.service_account or o.user or o.metadata)
        self.tokens = Tokens(o.token, dict(a.split("=", 1) for a in o.service_account),
                             {u.split(":")[0]: tuple(u.split(":")[1:]) for u in o.user},
                             o.token_life)
        self.tokens.denied.update(o.denied_token)
        self.exchange = Exchange(self.tokens)
        self.public = set(o.public_bucket)
        self.store.buckets |= self.public
        self.faults = Faults(json.load(open(o.faults)) if o.faults else [])
        self.log = []

    def handle_error(self, request, address):
        kind = sys.exc_info()[0]
        if not issubclass(kind, (ConnectionError, TimeoutError)):
            super().handle_error(request, address)


class Google(Server):
    """The same state, behind TLS and Google's names. A connection's handshake is its thread's."""
    google = True

    def __init__(self, other, pem):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem)
        for name in ("url", "store", "auth", "tokens", "exchange", "public", "faults", "log"):
            setattr(self, name, getattr(other, name))
        for _ in range(100):
            try:
                address = "127.%d.%d.%d" % tuple(random.randint(1, 254) for _ in range(3))
                return http.server.ThreadingHTTPServer.__init__(self, (address, 443), Handler)
            except OSError as e:
                error = e
        raise error

    def finish_request(self, request, address):
        try:
            request = self.context.wrap_socket(request, server_side=True)
        except OSError:
            return
        super().finish_request(request, address)


def main():
    p = argparse.ArgumentParser(description="a strict bucket server for tests")
    p.add_argument("dir")
    p.add_argument("--crc32c", default=os.path.join(BUILD, "tools", "crc32c"),
                   help="program that prints a file's CRC32C")
    p.add_argument("--bucket", action="append", default=[])
    p.add_argument("--public-bucket", action="append", default=[], help="all may read it")
    p.add_argument("--faults")
    p.add_argument("--token", action="append", default=[], help="good; with none, all may write")
    p.add_argument("--denied-token", action="append", default=[], help="known, but not permitted")
    p.add_argument("--service-account", action="append", default=[], help="EMAIL=PUBLIC-KEY-FILE")
    p.add_argument("--user", action="append", default=[], help="CLIENT-ID:SECRET:REFRESH-TOKEN")
    p.add_argument("--metadata", action="store_true", help="its tokens are wanted")
    p.add_argument("--token-life", type=int, default=3600)
    p.add_argument("--google", metavar="PEM-FILE", help="be Google's token services too")
    o = p.parse_args()
    if not os.access(o.crc32c, os.X_OK):
        p.error("%s is missing: make it first" % o.crc32c)
    server = Server(o)
    if o.google:
        server.auth = True
        google = Google(server, o.google)
        with open(os.path.join(o.dir, "address"), "w") as f:
            print(google.server_address[0], file=f)
        threading.Thread(target=google.serve_forever, daemon=True).start()
    with open(os.path.join(o.dir, "port.new"), "w") as f:
        print(server.server_port, file=f)
    os.rename(os.path.join(o.dir, "port.new"), os.path.join(o.dir, "port"))
    print(server.server_port, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
