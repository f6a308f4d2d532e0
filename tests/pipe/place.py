#!/usr/bin/env python3
"""Checks of the helper's place and unplace over a pipe, each against a process that pretends to be a
JVM, with a /tmp of its own: `place.py CHECK`. JDIAG_HELPER names the helper."""

import contextlib
import hashlib
import os
import stat
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire  # noqa: E402
from wire import DATA, ERROR, RESULT, RemoteError  # noqa: E402

UID = 23456
DIR = "/tmp/.jdiag-agents"
JAR = bytes(range(256)) * 4000  # 1 MB


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


# A mapped libjvm.so and a handler for SIGQUIT are what the helper looks for. Not in a file: /tmp is
# another one where it runs.
PRETEND = """
import mmap, os, signal, sys
with open("/tmp/libjvm.so", "wb+") as f:
    f.write(bytes(4096))
    f.flush()
    keep = mmap.mmap(f.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
os.unlink("/tmp/libjvm.so")
signal.signal(signal.SIGQUIT, lambda *_: None)
os.setgid(%d)
os.setuid(%d)
print("ready", flush=True)
sys.stdin.read()
""" % (UID, UID)


class Jvm:
    """In a mount namespace whose /tmp, /var/tmp and /dev/shm are its own."""

    def __init__(self):
        mounts = 'for d in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o mode=1777 t $d || exit; done; exec "$@"'
        self.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", mounts, "sh", sys.executable, "-c", PRETEND],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", env=dict(os.environ, HOME="/nowhere"))
        self.pid = self.process.pid
        expect(self.process.stdout.readline() == b"ready\n", "it pretends")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def path(self, path):
        return "/proc/%d/root%s" % (self.pid, path)

    def read(self, path):
        with open(self.path(path), "rb") as f:
            return f.read()

    def nothing(self):
        """Nothing of ours is in it."""
        for place in ("/tmp", "/var/tmp", "/dev/shm"):
            left = [name for name in os.listdir(self.path(place)) if name.startswith(".jdiag")]
            expect(not left, "left in %s: %r" % (place, left))


def refused(code, words, call, *args, **params):
    try:
        got = call(*args, **params)
    except RemoteError as e:
        expect(e.code == code and words in e.message, "%s: %s" % (e.code, e.message))
        return e
    raise AssertionError("no error but %r" % got)


def unplace(h, pid, path):
    return h.call("unplace", pid=pid, start_time=wire.start_time(pid), container="", path=path)


def check_pieces():
    for piece in (262144, 100000, 4096, 77):
        data = JAR[:piece * 300]
        with Jvm() as jvm, wire.Helper() as h:
            got = h.place(jvm.pid, "agent.jar", data, piece=piece)
            expect(got == {"path": DIR + "/agent.jar", "how": "directory", "why": "", "existed": False}, repr(got))
            expect(jvm.read(got["path"]) == data, "content")
            st = os.lstat(jvm.path(got["path"]))
            expect(st.st_uid == UID and stat.S_IMODE(st.st_mode) == 0o400, "owner and mode")
            again = h.place(jvm.pid, "agent.jar", data, piece=piece)
            expect(again == dict(got, existed=True), repr(again))
            expect(unplace(h, jvm.pid, got["path"]) == {"removed": True}, "removed")
            expect(unplace(h, jvm.pid, got["path"]) == {"removed": False}, "once")
            jvm.nothing()
            expect(h.close() == (0, ""), "status")


def check_largest():
    data = bytes(64 << 20)
    with Jvm() as jvm, wire.Helper() as h:
        got = h.place(jvm.pid, "large.jar", data, piece=262144)
        expect(os.path.getsize(jvm.path(got["path"])) == len(data), "size")
        refused("usage", "can be placed", h.wait, h.request(
            "place", pid=jvm.pid, start_time=wire.start_time(jvm.pid), container="", name="x",
            size=len(data) + 1, sha256="0" * 64))


def check_bad_requests():
    good = {"name": "a.jar", "size": 3, "sha256": "0" * 64}
    with Jvm() as jvm, wire.Helper() as h:
        reference = {"pid": jvm.pid, "start_time": wire.start_time(jvm.pid), "container": ""}
        for name, value in (("name", ""), ("name", "../a"), ("name", "a" * 101), ("name", ".a"), ("name", "a/b"),
                            ("name", "a b"), ("size", 0), ("size", 1 << 40), ("sha256", ""), ("sha256", "z" * 64),
                            ("path", "/etc/passwd"), ("path", "a.jar"), ("path", "/a.jar"),
                            ("path", "/tmp/.jdiag-agents/b.jar")):
            params = dict(dict(good, **reference), **{name: value})
            code = "failed" if len(str(value)) > 100 else "usage"
            refused(code, "", h.wait, h.request("place", **params))
        for path in ("", "a.jar", "/a.jar", "/tmp/.jdiag-agents/", "/tmp/.jdiag-agents/..", "/tmp/x/.hidden"):
            refused("usage", "nothing that was placed", unplace, h, jvm.pid, path)
        for path in ("/etc/passwd", "/tmp/.jdiag-agents/a.jar", "/tmp/../etc/.jdiag-agents/a"):
            with contextlib.suppress(RemoteError):
                expect(unplace(h, jvm.pid, path) == {"removed": False}, path)
        expect(os.path.exists("/etc/passwd"), "it is still there")
        wrong = dict(dict(good, **reference), start_time=1)
        refused("target", "", h.wait, h.request("place", **wrong))
        wrong = dict(dict(good, **reference), container="0" * 64)
        refused("target", "not in container", h.wait, h.request("place", **wrong))
        jvm.nothing()


def check_other_content():
    with Jvm() as jvm, wire.Helper() as h:
        refused("capture", "did not arrive", h.place, jvm.pid, "a.jar", JAR, sha256="0" * 64)
        refused("capture", "longer than", h.place, jvm.pid, "a.jar", JAR, size=len(JAR) - 1,
                sha256=hashlib.sha256(b"").hexdigest())
        jvm.nothing()
        h.place(jvm.pid, "a.jar", JAR)


def check_late_data():
    """A request that has ended while its bytes were under way."""
    with Jvm() as jvm, wire.Helper() as h:
        for _ in range(3):
            refused("usage", "no name", h.place, jvm.pid, ".hidden", JAR)
        h.send(DATA, 1, struct.pack(">Q", 5) + b"anything")
        h.call("ps", pid=jvm.pid)
        jvm.nothing()


def broken(h, words):
    """The connection is over, and the helper says why."""
    kind, request, body = h.next()
    expect(kind == ERROR and request == 0 and words in body["message"], repr(body))
    expect(h.process.wait(30) == 1, "status")


def check_order():
    for offset in (0, 99999, 100001, 1 << 63):
        with Jvm() as jvm:
            h = wire.Helper()
            request = h.request("place", pid=jvm.pid, start_time=wire.start_time(jvm.pid), container="",
                                name="a", size=len(JAR), sha256=hashlib.sha256(JAR).hexdigest())
            h.send(DATA, request, struct.pack(">Q", 0) + JAR[:100000])
            h.send(DATA, request, struct.pack(">Q", offset) + JAR[:100000])
            broken(h, "instead of 100000")
            jvm.nothing()
            h.process.communicate()


def check_not_for_data():
    with Jvm() as jvm:
        h = wire.Helper()
        request = h.request("inspect", pid=jvm.pid, start_time=wire.start_time(jvm.pid), attach=True)
        h.send(DATA, request, struct.pack(">Q", 0) + b"x")
        broken(h, "takes no DATA")
        h.process.communicate()


def check_cancel():
    with Jvm() as jvm, wire.Helper() as h:
        for sent in (0, 1, 500000, len(JAR) - 1):
            request = h.request("place", pid=jvm.pid, start_time=wire.start_time(jvm.pid), container="",
                                name="a", size=len(JAR), sha256=hashlib.sha256(JAR).hexdigest())
            if sent:
                for at in range(0, sent, 250000):
                    h.send(DATA, request, struct.pack(">Q", at) + JAR[at:min(at + 250000, sent)])
            h.cancel(request)
            refused("interrupted", "cancelled", h.wait, request)
            jvm.nothing()
        # when it is whole: it was faster, or nothing is left
        for delay in range(8):
            request = h.place(jvm.pid, "a.jar", JAR, wait=False)
            time.sleep(delay / 1000)
            h.cancel(request)
            try:
                unplace(h, jvm.pid, h.wait(request)["path"])
            except RemoteError as e:
                expect(e.code == "interrupted", e.code)
            jvm.nothing()


def check_lost():
    """The connection ends, at any moment."""
    with Jvm() as jvm:
        for delay in range(10):
            h = wire.Helper()
            h.place(jvm.pid, "a.jar", JAR, wait=False)
            time.sleep(delay / 1000)
            h.process.stdin.close()
            h.process.stdin = None
            placed = False
            with contextlib.suppress(EOFError):
                while True:
                    placed = h.next()[0] == RESULT or placed
            expect(h.process.wait(30) == 0, "status")
            h.process.communicate()
            if placed:
                with wire.Helper() as other:
                    unplace(other, jvm.pid, DIR + "/a.jar")
            jvm.nothing()


def check_killed():
    """A helper that is killed leaves at most what the next one takes away."""
    with Jvm() as jvm:
        for delay in range(10):
            h = wire.Helper()
            h.place(jvm.pid, "a.jar", JAR, wait=False)
            time.sleep(delay / 1000)
            h.process.kill()
            h.process.communicate()
            directory = jvm.path(DIR)
            if not os.path.isdir(directory):
                continue
            for name in os.listdir(directory):
                expect(name == "a.jar" or name.startswith(".new-"), name)
                if name != "a.jar":
                    os.utime(os.path.join(directory, name), (1, 1))
                else:
                    expect(jvm.read(DIR + "/a.jar") == JAR, "whole")
            with wire.Helper() as other:
                other.call("tidy")
                unplace(other, jvm.pid, DIR + "/a.jar")
                other.call("tidy")
            jvm.nothing()


def check_ended():
    """The JVM ends on the way."""
    with Jvm() as jvm, wire.Helper() as h:
        request = h.request("place", pid=jvm.pid, start_time=wire.start_time(jvm.pid), container="",
                            name="a", size=5, sha256=hashlib.sha256(b"hello").hexdigest())
        h.send(DATA, request, struct.pack(">Q", 0) + b"hell")
        h.call("spools")  # the request before has begun
        jvm.process.kill()
        jvm.process.wait()
        h.send(DATA, request, struct.pack(">Q", 4) + b"o")
        refused("target", "has ended", h.wait, request)


def check_tidy():
    with Jvm() as jvm, wire.Helper() as h:
        h.place(jvm.pid, "a.jar", JAR)
        for dry in (True, False):
            told = h.call("tidy", dry_run=dry)
            ours = [k for k in told["kept"] if k["what"].endswith("of process %d" % jvm.pid)]
            expect(len(ours) == 1 and ours[0]["stays"] is True and DIR in ours[0]["what"] and
                   "as long as the container" in ours[0]["reason"], repr(told))
        expect(jvm.read(DIR + "/a.jar") == JAR, "it stays")


def check_replace():
    """Whoever reads meanwhile sees the old or the new, whole."""
    with Jvm() as jvm, wire.Helper() as h:
        path = h.place(jvm.pid, "jmx.yaml", b"a" * 5000)["path"]
        last = os.stat(jvm.path(path)).st_mtime
        fd = os.open(jvm.path(path), os.O_RDONLY)
        for letter in b"bcdef":
            request = h.place(jvm.pid, "jmx.yaml", bytes([letter]) * 5000, path=path, wait=False)
            for _ in range(50):
                seen = jvm.read(path)
                expect(len(seen) == 5000 and len(set(seen)) == 1, "whole")
            expect(h.wait(request) == {"path": path, "how": "directory", "why": "", "existed": False}, "where it was")
            now = os.stat(jvm.path(path))
            expect(now.st_mtime > last and now.st_mtime_ns % 10**9 == 0, "the time")
            last = now.st_mtime
        expect(os.read(fd, 9999) == b"a" * 5000, "who has the old one open keeps it")
        os.close(fd)
        expect(jvm.read(path) == b"f" * 5000, "the last one")


def main():
    globals()["check_" + sys.argv[1].replace("-", "_")]()


if __name__ == "__main__":
    main()
