"""Speak the wire protocol (remote/wire/PROTOCOL.md) to a helper over a pipe.

    with wire.Helper(path) as h:
        result = h.call("ps")
        state = h.dump(pid, "out.hprof", format="hprof")

Standard library only. Every wait has a deadline; what goes wrong raises an exception:
RemoteError for an ERROR frame of a request, ProtocolError for everything else.
"""

import hashlib
import json
import os
import select
import struct
import subprocess
import time

MAGIC = b"\0JDIAG-WIRE\r\n\x1a\n\0"
HELLO, REQUEST, PROGRESS, RESULT, ERROR, DATA, END, CANCEL, PING = range(1, 10)
ENDING = (RESULT, ERROR, END)


class ProtocolError(Exception):
    pass


class RemoteError(Exception):
    def __init__(self, body):
        super().__init__("%s: %s" % (body.get("code"), body.get("message")))
        self.code = body.get("code")
        self.errno = body.get("errno")
        self.message = body.get("message", "")
        self.hint = body.get("hint", "")


def frame(kind, request=0, body=b""):
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    return struct.pack(">IBI", len(body), kind, request) + body


def start_time(pid):
    """Field 22 of /proc/PID/stat."""
    with open("/proc/%d/stat" % pid) as f:
        return int(f.read().rsplit(")", 1)[1].split()[19])


class Helper:
    """One helper process. hello=False: send nothing before the caller does."""

    def __init__(self, path=None, hello=True, argv=None, timeout=30):
        argv = argv or [path or os.environ["JDIAG_HELPER"]]
        self.timeout = timeout
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, bufsize=0, close_fds=True)
        self.out = self.process.stdout.fileno()
        self.buffer = bytearray()
        self.last_id = 0
        self.hello = None
        if self._read(len(MAGIC)) != MAGIC:
            raise ProtocolError("no magic")
        kind, request, body = self.next()
        if kind != HELLO or request:
            raise ProtocolError("no HELLO")
        self.hello = body
        if hello:
            self.send(HELLO, 0, {"min": 1, "max": 1, "program": "test", "version": "0"})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close its input, expect it to end by itself within 5 s; (status, stderr)."""
        if self.process.stdin:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
            self.process.stdin = None
        try:
            _, err = self.process.communicate(timeout=max(10, self.timeout))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise ProtocolError("the helper did not end")
        return self.process.returncode, err.decode(errors="replace")

    def raw(self, data):
        self.process.stdin.write(data)

    def send(self, kind, request=0, body=b""):
        self.raw(frame(kind, request, body))

    def request(self, op, **params):
        self.last_id += 1
        self.send(REQUEST, self.last_id, dict(params, op=op))
        return self.last_id

    def cancel(self, request):
        self.send(CANCEL, request)

    def _read(self, n):
        deadline = time.monotonic() + self.timeout
        while len(self.buffer) < n:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.out], [], [], left)[0]:
                raise ProtocolError("nothing came within %g s" % self.timeout)
            got = os.read(self.out, 1 << 20)
            if not got:
                raise EOFError
            self.buffer += got
        taken = bytes(memoryview(self.buffer)[:n])
        del self.buffer[:n]
        return taken

    def next(self, pings=False):
        """The next frame: (type, request, body); body is bytes for DATA, else parsed."""
        while True:
            length, kind, request = struct.unpack(">IBI", self._read(9))
            if not HELLO <= kind <= PING or length > (1 << 20) + 8:
                raise ProtocolError("bad frame: type %d, %d bytes" % (kind, length))
            body = self._read(length)
            if kind == PING and not pings:
                continue
            if kind not in (DATA, PING):
                body = json.loads(body)
            return kind, request, body

    def wait(self, request, on_progress=None):
        """Frames until this request ends; its RESULT or END."""
        while True:
            kind, got, body = self.next()
            if kind == ERROR and got in (0, request):
                raise RemoteError(body)
            if got != request:
                raise ProtocolError("frame of request %d" % got)
            if kind == PROGRESS and on_progress:
                on_progress(body)
            if kind in (RESULT, END):
                return body

    def call(self, op, **params):
        return self.wait(self.request(op, **params))

    def begin(self, pid, start=None, id=None, **params):
        """`begin` with an id of its own; the id."""
        params.setdefault("live", False)
        id = id or os.urandom(8).hex()
        self.call("begin", pid=pid, start_time=start or start_time(pid), id=id, **params)
        return id

    def fetch(self, id, offset=0, out=None, others=None):
        """Send `fetch` and take it to its END: (bytes received, digest of them, END's body).
        others: dict of request -> list, which collects the frames of other requests."""
        request = self.request("fetch", id=id, offset=offset)
        digest = hashlib.sha256()
        at = offset
        while True:
            kind, got, body = self.next()
            if got != request:
                if others is None or got not in others:
                    raise ProtocolError("frame of request %d" % got)
                others[got].append((kind, body))
                continue
            if kind == ERROR:
                raise RemoteError(body)
            if kind == END:
                return at - offset, digest.hexdigest(), body
            if kind != DATA or struct.unpack(">Q", body[:8])[0] != at:
                raise ProtocolError("DATA out of order")
            digest.update(body[8:])
            at += len(body) - 8
            if out:
                out.write(body[8:])

    def ask(self, pid, command, *args, **params):
        """A command of the JVM's attach protocol: {"code", "text"}."""
        params.setdefault("start_time", start_time(pid))
        request = self.request("ask", pid=pid, command=command, args=list(args), **params)
        text = b""
        while True:
            kind, got, body = self.next()
            if got != request:
                raise ProtocolError("frame of request %d" % got)
            if kind == ERROR:
                raise RemoteError(body)
            if kind == END:
                break
            if kind != DATA or struct.unpack(">Q", body[:8])[0] != len(text):
                raise ProtocolError("DATA out of order")
            text += body[8:]
        if body["length"] != len(text) or body["sha256"] != hashlib.sha256(text).hexdigest():
            raise ProtocolError("digest or length differ: %r, got %d bytes" % (body, len(text)))
        return {"code": body["code"], "text": text.decode(errors="replace")}

    def each_piece(self, id, on_data, offset=0):
        """Fetch an artifact from an offset on; on_data(offset, bytes) for each frame. END's body,
        or, when on_data said that this is enough (true), the error of the cancelled request."""
        request = self.request("fetch", id=id, offset=offset)
        enough = False
        while True:
            kind, got, body = self.next()
            if got != request:
                raise ProtocolError("frame of request %d" % got)
            if kind == ERROR and not enough:
                raise RemoteError(body)
            if kind in (END, ERROR):
                return body
            if kind != DATA or struct.unpack(">Q", body[:8])[0] != offset:
                raise ProtocolError("DATA out of order")
            if not enough and on_data(offset, body[8:]):
                self.cancel(request)
                enough = True
            offset += len(body) - 8

    def follow(self, id, path=None):
        """Watch it and fetch it side by side to the end: `watch`'s RESULT with `received`,
        `progress` (the states on the way) and, of the bytes that came, `got` (SHA-256) added."""
        watch = self.request("watch", id=id)
        others = {watch: []}
        out = open(path, "wb") if path else None
        try:
            received, digest, end = self.fetch(id, 0, out, others)
        except RemoteError:
            for kind, body in others[watch]:
                if kind == ERROR:
                    raise RemoteError(body)
            raise
        finally:
            if out:
                out.close()
        while not others[watch] or others[watch][-1][0] not in ENDING:
            kind, got, body = self.next()
            others.setdefault(got, []).append((kind, body))
        kind, result = others[watch][-1]
        if kind == ERROR:
            raise RemoteError(result)
        if end["sha256"] != digest or end["length"] != received or result["sha256"] != digest:
            raise ProtocolError("digest or length differ: %r and %r, got %s %d"
                                % (end, result, digest, received))
        return dict(result, received=received, got=digest,
                    progress=[b for k, b in others[watch] if k == PROGRESS])

    def place(self, pid, name, data, piece=100000, wait=True, **params):
        """Place bytes in the container of a process: RESULT, or the request's number at once."""
        request = self.request("place", **dict(dict(pid=pid, start_time=start_time(pid), container="",
                                                    name=name, size=len(data), exec=False,
                                                    sha256=hashlib.sha256(data).hexdigest()), **params))
        for at in range(0, len(data), piece):
            self.send(DATA, request, struct.pack(">Q", at) + data[at:at + piece])
        return self.wait(request) if wait else request

    def dump(self, pid, path=None, remove=True, **params):
        """begin, watch and fetch, remove."""
        id = self.begin(pid, **params)
        result = self.follow(id, path)
        if remove:
            self.call("remove", id=id)
        return dict(result, id=id)
