#!/usr/bin/env python3
"""A node whose root means no good: what its sshd runs in place of every command. It takes the helper that
jdiag pushes, throws it away and speaks the protocol (remote/wire/PROTOCOL.md) as the mode says.

    hostile_helper.py HELPER_SIZE MODE_FILE     as a ForceCommand; MODE_FILE holds the mode's name

A mode is the name of a class below, each of which changes one thing of Good. What Good knows of its captures
lies in MODE_FILE.captures, a directory: other connections see it, and so do the tests (ID: the parameters of
its `begin`; log: the operations, one a line).
"""
import hashlib
import json
import os
import struct
import sys
import time

MAGIC = b"\0JDIAG-WIRE\r\n\x1a\n\0"
HELLO, REQUEST, PROGRESS, RESULT, ERROR, DATA, END, CANCEL, PING = range(1, 10)
ESCAPES = "\x1b]0;owned\x07\x1b[2J\r\u009b31m\u202eevil\n::set-env name=X::y"
out, inp = sys.stdout.buffer, sys.stdin.buffer


def frame(kind, request, body=b"", length=None):
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    return struct.pack(">IBI", len(body) if length is None else length, kind, request) + body


def send(*arguments, **options):
    out.write(frame(*arguments, **options))
    out.flush()


def receive():
    head = inp.read(9)
    if len(head) < 9:
        sys.exit(0)
    length, kind, request = struct.unpack(">IBI", head)
    return kind, request, inp.read(length)


def dump_bytes():
    """A small HPROF: header, one segment, the end."""
    return (b"JAVA PROFILE 1.0.2\0" + struct.pack(">IQ", 8, 0) +
            b"\x1c" + struct.pack(">II", 0, 200000) + bytes(200000) + b"\x2c" + struct.pack(">II", 0, 0))


class Good:
    """Answers like a helper whose node has one JVM."""

    captures = sys.argv[2] + ".captures"

    def __init__(self):
        self.dump = dump_bytes()
        os.makedirs(self.captures, exist_ok=True)

    def hello(self):
        return {"min": 1, "max": 1, "program": "jdiag-helper", "version": "0", "arch": "x86_64", "kernel": "6",
                "capabilities": ["ps", "inspect", "begin", "watch", "fetch", "stop", "remove", "spools", "tidy"],
                "euid": 0, "pid": 1}

    def jvm(self, container):
        return {"pid": 4711, "ns_pid": 1, "start_time": 99, "started": 1795243000, "container": container,
                "uid": 1000, "gid": 1000, "vm": "hotspot", "version": "17.0.1", "main": "Checkout",
                "libjvm": "/libjvm.so", "attachable": True, "reason": "", "listening": False}

    def ps(self, body):
        asked = body.get("containers") or ["f" * 64]
        return {"jvms": [self.jvm(asked[0])], "truncated": False,
                "containers": [{"id": name, "processes": 1} for name in asked]}

    def inspect(self, body):
        return {"jvm": self.jvm(body.get("container", "")), "collector": "G1", "attach_ms": 1,
                "heap": {"used": 1 << 20, "capacity": 1 << 21, "max": 1 << 22, "source": "heap_info"},
                "memory": {"limit": 0, "usage": 0}, "strategy": "growing-file",
                "strategies": [{"name": "growing-file", "usable": True, "reason": "", "where": "/var/lib/x",
                                "free": 1 << 40, "memory": False}],
                "budget": {"available": 1 << 32, "buffer": 1 << 26, "ring": 0, "why": "", "base": "/var/lib",
                           "disk_free": 1 << 40, "disk_size": 1 << 41, "max_bytes": 1 << 40, "cpus": 2, "jvm_cpus": 2,
                           "jvm_millicpus": 0, "error": ""},
                "rate": {"cpu_mbps": 0}}

    # --- captures: each is complete as soon as it is watched

    def path(self, capture):
        return os.path.join(self.captures, os.path.basename(capture))

    def log(self, line):
        with open(self.path("log"), "a", encoding="utf-8") as f:
            f.write(line + "\n")

    def parameters(self, capture):
        try:
            with open(self.path(capture), encoding="utf-8") as f:
                return json.load(f)
        except OSError:
            return None

    def state(self, body, phase):
        size = len(self.dump)
        return {"version": 1, "program": "jdiag-helper 0", "id": body["id"], "phase": phase, "ring": not body["spool"],
                "owner": body["owner"], "container": body.get("container", ""), "pid": body["pid"],
                "start_time": 99, "created": 1795243000, "expires": 1795243000 + body["ttl"],
                "strategy": "growing-file", "format": body["format"], "redact": body["redact"], "buffer": 0,
                "expected": body["expected"], "raw": size, "stored": size, "overflow": 0, "stalled_ms": 0,
                "pause_ms": 5, "elapsed_ms": 6, "written_ms": 4, "parts": [{"bytes": size, "final": True}],
                "records": 2, "sha256": hashlib.sha256(self.dump).hexdigest(), "crc32c": 0,
                "text": "Heap dump file created", "notice": "", "error": None}

    def begin(self, request, body):
        exists = self.parameters(body["id"]) is not None
        if not exists:
            with open(self.path(body["id"]), "w", encoding="utf-8") as f:
                json.dump(body, f)
        send(RESULT, request, {"id": body["id"], "exists": exists})

    def progress(self, request, body):
        send(PROGRESS, request, self.state(body, "dump"))

    def watch(self, request, body):
        self.progress(request, body)
        send(RESULT, request, self.state(body, "complete"))

    def data(self, request, offset):
        for at in range(offset, len(self.dump), 65536):
            send(DATA, request, struct.pack(">Q", at) + self.dump[at:at + 65536])

    def end(self, request):
        send(END, request, {"length": len(self.dump), "sha256": hashlib.sha256(self.dump).hexdigest()})

    def fetch(self, request, offset):
        self.data(request, offset)
        self.end(request)

    def spools(self):
        found = [self.parameters(name) for name in sorted(os.listdir(self.captures)) if name != "log"]
        return {"now": 1795243600, "spools": [
            {"id": body["id"], "path": "/var/lib/.jdiag-" + body["id"], "alive": True, "error": "",
             "state": dict(self.state(body, "complete"), label=body["label"])} for body in found]}

    def capture_operation(self, request, body):
        """Those that name a capture which exists."""
        parameters = self.parameters(body.get("id", ""))
        if parameters is None:
            send(ERROR, request, {"code": "target", "errno": 0, "message": "no such capture", "hint": ""})
        elif body["op"] == "watch":
            self.watch(request, parameters)
        elif body["op"] == "fetch":
            self.fetch(request, body["offset"])
        else:  # stop, remove
            os.unlink(self.path(body["id"]))
            send(RESULT, request, {})

    def answer(self, request, body):
        self.log(" ".join(str(body[name]) for name in ("op", "id", "offset") if name in body))
        if body["op"] == "ps":
            send(RESULT, request, self.ps(body))
        elif body["op"] == "inspect":
            send(RESULT, request, self.inspect(body))
        elif body["op"] == "begin":
            self.begin(request, body)
        elif body["op"] == "spools":
            send(RESULT, request, self.spools())
        elif body["op"] in ("watch", "fetch", "stop", "remove"):
            self.capture_operation(request, body)
        else:
            send(RESULT, request, {})

    def start(self):
        out.write(MAGIC)
        send(HELLO, 0, self.hello())

    def run(self):
        self.start()
        while True:
            kind, request, body = receive()
            if kind == REQUEST:
                self.answer(request, json.loads(body))


class WrongMagic(Good):
    def start(self):
        out.write(b"\0JDIAG-WIRE\n\x1a\n\0\0")
        send(HELLO, 0, self.hello())
        sys.exit(0)


class Noise(Good):
    def start(self):
        while True:
            out.write(ESCAPES.encode() * 1000)
            out.flush()


class Versions(Good):
    def hello(self):
        return dict(super().hello(), min=7, max=9, version=ESCAPES)


class HelloIsNoObject(Good):
    def hello(self):
        return ["hello"]


class GiantFrame(Good):
    def answer(self, request, body):
        send(RESULT, request, b"{", length=0xffffffff)
        while True:
            out.write(b" " * 65536)


class GiantJson(Good):
    """The largest frame that is allowed, full of small values."""

    def ps(self, body):
        return {"jvms": [[]] * 250000}


class DeepJson(Good):
    def answer(self, request, body):
        send(RESULT, request, b'{"jvms":' + b"[" * 500000 + b"]" * 500000 + b"}")


class NotJson(Good):
    def answer(self, request, body):
        send(RESULT, request, ESCAPES.encode() + b"\xff\xfe")


class NoObject(Good):
    def answer(self, request, body):
        send(RESULT, request, [1, 2])


class WrongTypes(Good):
    def ps(self, body):
        return {"jvms": [{"pid": "4711", "ns_pid": -1, "start_time": None, "container": 5, "main": {}, "uid": []},
                         7, None, "x", {}], "containers": "many", "truncated": "yes"}


class NoHeap(Good):
    def inspect(self, body):
        return {"strategy": 5, "strategies": {"a": 1}, "heap": [], "jvm": None}


class OtherRequest(Good):
    def answer(self, request, body):
        send(RESULT, request + 7, {})


class DataForPs(Good):
    def answer(self, request, body):
        send(DATA, request, bytes(8) + b"x")


class OutOfOrder(Good):
    def data(self, request, offset):
        send(DATA, request, struct.pack(">Q", 65536) + self.dump[65536:131072])


class EmptyData(Good):
    def data(self, request, offset):
        send(DATA, request, bytes(8))


class WrongDigest(Good):
    def end(self, request):
        send(END, request, {"length": len(self.dump), "sha256": "0" * 64})


class NoDigest(Good):
    def end(self, request):
        send(END, request, {"length": len(self.dump), "sha256": ["x"]})


class LongDigest(Good):
    def end(self, request):
        send(END, request, {"length": len(self.dump), "sha256": "a" * 100000})


class WrongCrc(Good):
    def end(self, request):
        send(END, request, {"length": len(self.dump), "sha256": hashlib.sha256(self.dump).hexdigest(), "crc32c": 1})


class Shorter(Good):
    def state(self, body, phase):
        return dict(super().state(body, phase), stored=len(self.dump) - 1)


class Huge(Good):
    def progress(self, request, body):
        send(PROGRESS, request, dict(self.state(body, "dump"), stored=(1 << 63) - 1,
                                     parts=[{"bytes": (1 << 63) - 1, "final": True}]))


class NoState(Good):
    def progress(self, request, body):
        send(PROGRESS, request, {"phase": ["dump"], "stored": {}, "parts": 5})


class EarlyResult(Good):
    """Says that it has ended before it has."""

    def watch(self, request, body):
        send(RESULT, request, self.state(body, "dump"))


class LosesCapture(Good):
    """It began, and then there never was one."""

    def watch(self, request, body):
        send(ERROR, request, {"code": "target", "errno": 0, "message": "no such capture", "hint": ""})

    def spools(self):
        return {"now": 1795243600, "spools": []}


class WatchFails(Good):
    """The capture is well, the helper is not."""

    def watch(self, request, body):
        self.progress(request, body)
        send(ERROR, request, {"code": "node", "errno": 24, "message": "cannot read the state", "hint": ""})


class CaptureFails(Good):
    def spools(self):
        answer = super().spools()
        for entry in answer["spools"]:
            entry["alive"] = False
            entry["state"]["phase"] = "failed"
        return answer

    def watch(self, request, body):
        self.progress(request, body)
        send(ERROR, request, {"code": "capture", "errno": 28, "message": "no room for the spool", "hint": "make room"})


class CutData(Good):
    """Each connection brings a part of the artifact and breaks."""

    def data(self, request, offset):
        end = min(offset + 70000, len(self.dump))
        send(DATA, request, struct.pack(">Q", offset) + self.dump[offset:end])
        if end < len(self.dump):
            os.kill(os.getpid(), 9)


class CutBegin(Good):
    """The first connection breaks after the capture has begun, before the answer."""

    def begin(self, request, body):
        if self.parameters(body["id"]) is None:
            with open(self.path(body["id"]), "w", encoding="utf-8") as f:
                json.dump(body, f)
            os.kill(os.getpid(), 9)
        super().begin(request, body)


class CutBeforeBegin(Good):
    """The first connection breaks and the capture has not begun."""

    def begin(self, request, body):
        first = self.path("log") + ".first"
        if not os.path.exists(first):
            open(first, "w", encoding="utf-8").close()
            os.kill(os.getpid(), 9)
        os.unlink(first)
        super().begin(request, body)


class CutWatch(Good):
    """The first connection breaks while the JVM stands still."""

    def watch(self, request, body):
        first = self.path("log") + ".first"
        if not os.path.exists(first):
            open(first, "w", encoding="utf-8").close()
            self.progress(request, body)
            os.kill(os.getpid(), 9)
        os.unlink(first)
        super().watch(request, body)


class Paused(Good):
    """The JVM stands still and does not go on."""

    def watch(self, request, body):
        self.progress(request, body)

    def fetch(self, request, offset):
        pass


class Spooling(Paused):
    """The JVM goes on, and the node has not finished."""

    def progress(self, request, body):
        send(PROGRESS, request, self.state(body, "spool"))


class HostileLabel(Good):
    """Tells another label than the one that it was given."""

    def spools(self):
        answer = super().spools()
        for entry in answer["spools"]:
            entry["state"]["label"] = json.dumps({"name": "../../etc/cron.d/x", "manifest": {},
                                                  "destination": "/etc/cron.d/x"})
        return answer


class HostileDestination(Good):
    def spools(self):
        answer = super().spools()
        for entry in answer["spools"]:
            entry["state"]["label"] = json.dumps({"name": "x.hprof", "manifest": {"target": [ESCAPES], "jvm": 5},
                                                  "destination": "/etc/cron.d/x", "format": 7})
        return answer


class ShellDestination(Good):
    """A name for those who paste it into a shell."""

    def spools(self):
        answer = super().spools()
        for entry in answer["spools"]:
            entry["state"]["label"] = json.dumps({"name": "x.hprof", "manifest": {}, "format": "hprof.zst",
                                                  "destination": "gs://dumps/a $(touch pasted)/it's.hprof"})
        return answer


class OtherVersion(Good):
    def spools(self):
        return {"now": 1795243600, "spools": [
            {"id": "0123456789abcdef", "path": "/var/lib/.jdiag-0123456789abcdef", "alive": False, "state": None,
             "error": "it was written by jdiag-helper 9.9"}]}


class Restarts(Good):
    """The kubelet restarts the container in the middle of the dump."""

    def watch(self, request, body):
        path = os.path.join(os.path.dirname(sys.argv[2]), "kube/state.json")
        with open(path, encoding="utf-8") as f:
            cluster = json.load(f)
        cluster["pods"]["shop/web"]["status"]["containerStatuses"][0]["restartCount"] += 1
        with open(path + ".new", "w", encoding="utf-8") as f:
            json.dump(cluster, f)
        os.rename(path + ".new", path)
        super().watch(request, body)


class EndlessData(Good):
    """A dump that is good as far as it goes, and goes on."""

    def watch(self, request, body):
        self.progress(request, body)

    def data(self, request, offset):
        record = b"\x1c" + struct.pack(">II", 0, 262135) + bytes(262135)
        at = 31
        send(DATA, request, bytes(8) + self.dump[:31])
        while True:
            send(DATA, request, struct.pack(">Q", at) + record)
            at += len(record)
            time.sleep(0.01)


class EndlessProgress(Good):
    def answer(self, request, body):
        if body["op"] == "inspect":
            while True:
                send(PROGRESS, request, {"phase": "attach", "bytes": 0, "final": False})
        super().answer(request, body)


class EndlessPings(Good):
    def answer(self, request, body):
        while True:
            send(PING, 0)


class Silent(Good):
    def answer(self, request, body):
        time.sleep(3600)


class Dies(Good):
    """At the same place each time."""

    def data(self, request, offset):
        if not offset:
            send(DATA, request, bytes(8) + self.dump[:1000])
        sys.stderr.write(ESCAPES + "\n")
        sys.stderr.flush()
        os.kill(os.getpid(), 9)


class TalksOnStderr(Good):
    def answer(self, request, body):
        while True:
            sys.stderr.write(ESCAPES * 1000)


class Names(Good):
    """Escape sequences in every text."""

    def hello(self):
        return dict(super().hello(), version=ESCAPES, kernel=ESCAPES, arch=ESCAPES, program=ESCAPES,
                    capabilities=[ESCAPES])

    def jvm(self, container):
        return dict(super().jvm(container), version=ESCAPES, main=ESCAPES, libjvm=ESCAPES, vm=ESCAPES,
                    reason=ESCAPES, attachable=False)


class Answers(Names):
    """The same, and the capture goes on."""

    def jvm(self, container):
        return dict(super().jvm(container), attachable=True)

    def inspect(self, body):
        answer = super().inspect(body)
        entry = dict(answer["strategies"][0], where="/tmp/" + ESCAPES, reason=ESCAPES)
        return dict(answer, collector=ESCAPES, heap=dict(answer["heap"], source=ESCAPES),
                    strategies=[dict(entry, name=ESCAPES, usable=False), entry])

    def state(self, body, phase):
        return dict(super().state(body, phase), text=ESCAPES, program=ESCAPES, strategy=ESCAPES, owner=ESCAPES,
                    notice=ESCAPES, format=ESCAPES, redact=ESCAPES)


class Refuses(Good):
    def inspect(self, body):
        return dict(super().inspect(body), strategy="",
                    strategies=[{"name": ESCAPES + "x" * 500, "usable": False, "reason": ESCAPES * 100}] * 100)


class ErrorText(Good):
    def answer(self, request, body):
        send(ERROR, request, {"code": "attach", "errno": -5, "message": ESCAPES + "\njdiag: all is well\n",
                              "hint": ESCAPES + "\nnext line\r\n\n\n" + "y" * 100000})


class ErrorCode(Good):
    """Codes that are none of a helper's business."""

    def answer(self, request, body):
        send(ERROR, request, {"code": "ok", "errno": 1 << 40, "message": 7, "hint": []})


class OtherContainers(Good):
    """JVMs that nobody asked for."""

    def ps(self, body):
        return dict(super().ps(body), jvms=[self.jvm("e" * 64)])


class ManyJvms(Good):
    def ps(self, body):
        asked = (body.get("containers") or ["f" * 64])[0]
        return {"jvms": [dict(self.jvm(asked), pid=100 + i, main="x" * 300) for i in range(1000)],
                "truncated": False, "containers": [{"id": asked, "processes": 1000}]}


def main():
    left = int(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as source:
        mode = source.read().strip()
    while left:
        got = inp.read(min(left, 1 << 16))
        if not got:
            sys.exit(1)
        left -= len(got)
    try:
        globals()[mode]().run()
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
