#!/usr/bin/env python3
"""Checks of the helper over a pipe, for tests/bats/helper-pipe.bats.

usage: checks.py CHECK [ARGUMENT...]      with JDIAG_HELPER in the environment
"""
import contextlib
import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import wire
from wire import CANCEL, DATA, END, ERROR, HELLO, PING, PROGRESS, REQUEST, RESULT, RemoteError, frame

GREETING = {"min": 1, "max": 1}


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def refused(h, request, code, *words):
    """The request ends with that error."""
    try:
        body = h.wait(request)
    except RemoteError as e:
        expect(e.code == code, "%s instead of %s: %s" % (e.code, code, e.message))
        for word in words:
            expect(word in e.message, "'%s' is not in '%s'" % (word, e.message))
        return e
    raise AssertionError("no error but %r" % body)


@contextlib.contextmanager
def held(pid):
    """A JVM that answers nobody: its listener has one thread, and a silent client has it."""
    with wire.Helper() as h:
        inspect(h, pid, attach=True)  # now it listens
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("/proc/%d/root/tmp/.java_pid%d" % (pid, ns_pid(pid)))
        yield


def ns_pid(pid):
    with open("/proc/%d/status" % pid) as f:
        return int([line for line in f if line.startswith("NSpid")][0].split()[-1])


def until(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, "did not come true: " + what)
        time.sleep(0.01)


def ends(process, seconds=6):
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError("the helper did not end within %d s" % seconds)
    return process.returncode


def mounts_of(pid):
    with open("/proc/%d/mountinfo" % pid) as f:
        return [line for line in f if "/.jdiag-" in line or " jdiag-tmp " in line]


def inspect(h, pid, **more):
    return h.call("inspect", pid=pid, start_time=wire.start_time(pid), **more)


def begin_capture(h, pid, **more):
    return h.request("capture", pid=pid, start_time=wire.start_time(pid), live=False, **more)


def wait_until_mounted(pid):
    until(lambda: mounts_of(pid), "a mount in the container")


# ---- the connection ----

def check_hello():
    with wire.Helper() as h:
        hello = h.hello
        expect(hello["min"] <= 1 <= hello["max"], "versions")
        expect(hello["program"] == "jdiag-helper" and hello["version"], "names")
        expect(hello["euid"] == os.geteuid() and hello["pid"] == h.process.pid, "ids")
        expect(hello["arch"] == os.uname().machine and hello["kernel"] == os.uname().release, "uname")
        expect(set(hello["capabilities"]) >= {"ps", "inspect", "watch", "fetch", "stop", "remove", "spools", "upload", "tidy"},
               "capabilities")
        expect(h.close() == (0, ""), "status")


HOSTILE = {
    "type 0": (frame(0), "unknown type 0"),
    "type 10": (frame(10), "unknown type 10"),
    "type 255": (frame(255, 7, b"x"), "unknown type 255"),
    "to the client": (frame(RESULT, 1, {}), "unexpected RESULT"),
    "data to the helper": (frame(DATA, 1, b"x" * 16), "unexpected DATA"),
    "too long": (struct.pack(">IBI", (1 << 20) + 1, REQUEST, 1), "at most 1048576"),
    "4 GiB": (struct.pack(">IBI", 0xffffffff, REQUEST, 1), "at most 1048576"),
    "ping with a body": (struct.pack(">IBI", 1, PING, 0) + b"x", "at most 0"),
    "ping with a number": (frame(PING, 3), "PING with a request number"),
    "second hello": (frame(HELLO, 0, GREETING), "unexpected HELLO"),
    "no JSON": (frame(REQUEST, 1, b"not json"), "not a JSON object"),
    "an array": (frame(REQUEST, 1, []), "not a JSON object"),
    "empty": (frame(REQUEST, 1, b""), "not a JSON object"),
    "cut JSON": (frame(REQUEST, 1, b'{"op":"ps"'), "not a JSON object"),
    "two objects": (frame(REQUEST, 1, b'{}{}'), "behind the JSON object"),
    "deep": (frame(REQUEST, 1, b'{"a":' + b"[" * 40 + b"]" * 40 + b"}"), "not a JSON object"),
    "very deep": (frame(REQUEST, 1, b'{"a":' * 100000), "not a JSON object"),
    "op no string": (frame(REQUEST, 1, {"op": 1}), "'op' is not a string"),
    "op too long": (frame(REQUEST, 1, {"op": "x" * 100}), "'op' is too long"),
    "request 0": (frame(REQUEST, 0, {"op": "ps"}), "request 0"),
    "a number again": (frame(REQUEST, 1, {"op": "ps"}) * 2, "request 1 after 1"),
    "cancel of nothing": (frame(CANCEL, 9), "never sent"),
}


def check_sigchld():
    """Whoever starts it may ignore SIGCHLD: its children would be reaped behind its back."""
    start = ("import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN);"
             "os.execv(sys.argv[1], sys.argv[1:])")
    with wire.Helper(argv=[sys.executable, "-c", start, os.environ["JDIAG_HELPER"]]) as h:
        with open("/proc/%d/status" % h.process.pid) as f:
            ignored = [int(line.split()[1], 16) for line in f if line.startswith("SigIgn")]
        expect(not ignored[0] & 1 << signal.SIGCHLD - 1, "SIGCHLD is ignored")


def broken(h, words):
    """ERROR with request 0, then the end with status 1."""
    while True:
        kind, request, body = h.next()
        if kind == ERROR and request == 0:
            break
    expect(words in body["message"], "'%s' is not in '%s'" % (words, body["message"]))
    expect(h.process.wait(10) == 1, "status")


def check_hostile():
    for name, (data, words) in HOSTILE.items():
        print("  " + name)
        h = wire.Helper()
        h.raw(data)
        broken(h, words)


def check_hostile_hello():
    for hello, words in (({"min": 2, "max": 9}, "no common protocol version"),
                         ({"min": 1}, "no common"), ({"min": "x", "max": 1}, "not a number"),
                         ({"min": -1, "max": 1}, "not a non-negative"), ([], "not a JSON object")):
        h = wire.Helper(hello=False)
        h.send(HELLO, 0, hello)
        broken(h, words)
    h = wire.Helper(hello=False)
    h.send(REQUEST, 1, {"op": "ps"})
    broken(h, "REQUEST frame before HELLO")


def check_byte_by_byte():
    h = wire.Helper(hello=False)
    for byte in frame(HELLO, 0, GREETING) + frame(REQUEST, 1, {"op": "ps", "containers": []}):
        h.raw(bytes([byte]))
    expect(h.wait(1)["jvms"] == [], "answer")
    h.close()


def check_cut_anywhere():
    """Whatever was sent last, the end of input ends it in peace."""
    data = frame(HELLO, 0, GREETING) + frame(REQUEST, 1, {"op": "ps", "containers": []})
    for n in range(0, len(data), 3):
        h = wire.Helper(hello=False)
        h.raw(data[:n])
        expect(h.close() == (0, ""), "status after %d bytes" % n)


def check_bad_requests():
    with wire.Helper() as h:
        for op, params, code, words in (
                ("nonsense", {}, "failed", "unknown operation 'nonsense'"),
                ("", {}, "failed", "unknown operation"),
                ("read", {}, "failed", "no capture"),
                ("read", {"offset": -1}, "failed", "not a non-negative integer"),
                ("release", {}, "failed", "no capture"),
                ("capture", {}, "failed", "names no process"),
                ("capture", {"pid": 1 << 40}, "failed", "names no process"),
                ("inspect", {"pid": "1"}, "failed", "'pid' is not a number"),
                ("inspect", {"pid": 1, "start_time": 1}, "target", "another process"),
                ("inspect", {"pid": 4194305}, "target", "has ended"),
                ("inspect", {"pid": os.getpid()}, "target", "JVM"),
                ("tidy", {"dry_run": 1}, "failed", "not a boolean")):
            refused(h, h.request(op, **params), code, words)
        h.cancel(1)  # has ended: ignored
        expect(h.call("ps", containers=[])["jvms"] == [], "it goes on")


def check_ping():
    with wire.Helper() as h:
        start = time.monotonic()
        kind, request, body = h.next(pings=True)
        expect(kind == PING and request == 0 and body == b"", "a ping")
        expect(4 < time.monotonic() - start < 9, "after about 5 s")


def check_reader_gone():
    """Our reading end is closed, the writing end stays: the helper notices all the same."""
    h = wire.Helper()
    h.process.stdout.close()
    h.send(REQUEST, 1, {"op": "ps"})
    expect(ends(h.process) == 0, "status")
    h.process.stdin.close()
    h.process.stderr.close()


def check_flood():
    """Requests without end and nobody who reads the answers: memory stays bounded."""
    h = wire.Helper(hello=False)
    os.set_blocking(h.process.stdin.fileno(), False)
    data = frame(HELLO, 0, GREETING)
    data += b"".join(frame(REQUEST, i, {"op": "\x01" * 60}) for i in range(1, 200000))
    sent = 0
    end = time.monotonic() + 20
    while sent < len(data) and h.process.poll() is None and time.monotonic() < end:
        try:
            n = h.process.stdin.write(data[sent:sent + 65536])
        except BrokenPipeError:
            break
        sent += n or 0
        if h.process.poll() is None:
            with open("/proc/%d/status" % h.process.pid) as f:
                rss = [int(line.split()[1]) for line in f if line.startswith("VmHWM")]
            limit = 400000 if "asan" in os.environ["JDIAG_HELPER"] else 16384
            expect(not rss or rss[0] < limit, "RSS %r kB" % rss)
        if not n:
            time.sleep(0.001)
    expect(ends(h.process) == 0, "status")
    h.process.communicate()


# ---- a JVM ----

def check_ps(pid):
    with wire.Helper() as h:
        jvms = h.call("ps", pid=pid)["jvms"]
        expect(len(jvms) == 1 and jvms[0]["pid"] == pid, "one JVM")
        jvm = jvms[0]
        expect(jvm["start_time"] == wire.start_time(pid), "start time")
        expect(jvm["main"] == "Checkout" and jvm["vm"] == "hotspot", "what it is")
        expect(jvm["attachable"] and jvm["reason"] == "", "attachable")
        expect(pid in [j["pid"] for j in h.call("ps")["jvms"]], "among all")
        expect(jvm["container"] == "" or h.call("ps", containers=[jvm["container"]])["jvms"], "by container")


def check_budget(h, pid, look):
    """What a capture would take of this node."""
    b = look["budget"]
    expect(b["base"] and b["error"] == "" and b["max_bytes"] < b["disk_free"] <= b["disk_size"], "disk %r" % b)
    expect(1 <= b["jvm_cpus"] <= b["cpus"], "cpus %r" % b)
    expect(b["buffer"] >= look["heap"]["used"] or b["why"], "buffer %r" % b)
    expect(50 < look["rate"]["cpu_mbps"] < 100000, "rate %r" % look["rate"])
    expect(" -D" not in " " + look["flags"], "flags %r" % look["flags"])
    b = inspect(h, pid, expected=1 << 50, buffer=100 << 20)["budget"]
    expect(b["buffer"] in (0, 100 << 20) and b["why"] and b["ring"] == 0, "asked for %r" % b)
    expect(inspect(h, pid, buffer=1)["budget"]["buffer"] == 0, "raw to disk")
    expect(inspect(h, pid, spool=False)["budget"]["ring"] >= 64 << 20, "ring")
    b = inspect(h, pid, dir="/nonexistent")["budget"]
    expect(b["base"] == "" and "/nonexistent" in b["error"], "no place %r" % b)
    refused(h, h.request("inspect", pid=pid, start_time=wire.start_time(pid), buffer_percent=101), "usage",
            "buffer_percent")


def check_version(pid):
    """Nothing in the container tells the version: the JVM does."""
    with wire.Helper() as h:
        expect(inspect(h, pid)["jvm"]["version"] == "", "not known before")
        look = inspect(h, pid, attach=True)
        expect(look["jvm"]["version"].startswith("21."), "version %r" % look["jvm"])
        expect(look["collector"] == "Shenandoah" and look["heap"]["source"] == "heap_info", "collector")


def check_inspect(pid):
    with wire.Helper() as h:
        look = inspect(h, pid)
        expect(look["attach_ms"] == 0 and look["heap"]["source"] in ("hsperfdata", "rss"), "no attach")
        look = inspect(h, pid, attach=True)
        expect(0 < look["attach_ms"] < 5000, "attached")
        expect(look["heap"]["source"] == "heap_info", "source")
        expect(0 < look["heap"]["used"] <= look["heap"]["capacity"] < 1 << 34, "heap %r" % look["heap"])
        names = [s["name"] for s in look["strategies"]]
        expect(names[:1] == ["growing-file"] and names[-1] == "container-file", "strategies")
        for s in look["strategies"]:
            expect(s["usable"] == (s["reason"] == ""), "reason of %r" % s)
            expect(not s["usable"] or (s["free"] > 0 and s["where"]), "place of %r" % s)
        check_budget(h, pid, look)
        refused(h, h.request("inspect", pid=pid, container="f" * 64), "target", "not in container")
        refused(h, h.request("inspect", pid=pid, strategy="magic"), "usage", "unknown strategy")


def digest_of(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def check_capture(pid, strategy="", out=""):
    """Dump, read while it grows; the digest is that of the file that arrived."""
    with wire.Helper() as h, tempfile.TemporaryDirectory() as d:
        path = out or d + "/dump"
        result = h.dump(pid, path, strategy=strategy)
        expect(result["strategy"] == (strategy or "growing-file"), "strategy")
        expect(result["received"] == result["bytes"] == os.path.getsize(path), "length")
        expect(result["sha256"] == digest_of(path), "digest")
        expect("Heap dump file created" in result["text"], "text")
        expect(result["progress"][-1] == {"phase": "written", "bytes": result["bytes"], "final": True},
               "progress")
        with open(path, "rb") as f:
            expect(f.read(18) == b"JAVA PROFILE 1.0.2", "header")
        expect(not mounts_of(pid), "mounts are gone")
        expect(h.close() == (0, ""), "status")


def check_resume(pid):
    """Reading again at other offsets, with the digest of the whole each time."""
    h = wire.Helper()
    result = h.wait(begin_capture(h, pid))
    size = result["bytes"]
    # Nothing is left in the container and on the node from here on.
    expect(not mounts_of(pid), "mounts are gone")
    expect(not os.path.exists(result["where"]), "node directory is gone")
    _, _, late = h.read_all(size - 10)
    n, digest, end = h.read_all(0)
    expect(n == size == end["length"] and digest == end["sha256"] == late["sha256"], "digest")
    for offset in (1, size // 2, size):
        n, _, end = h.read_all(offset)
        expect(n == size - offset and end["sha256"] == digest, "offset %d" % offset)
    refused(h, h.request("read", offset=size + 1), "failed", "has only")
    refused(h, begin_capture(h, pid), "refused", "open already")
    h.call("release")
    refused(h, h.request("release"), "failed", "no capture")
    expect(h.dump(pid)["bytes"] > 0, "another one")
    h.close()


def check_fallback(pid):
    """Where the first way does not work, the next one does."""
    with wire.Helper() as h:
        look = inspect(h, pid, dir="/nonexistent")
        expect(not look["strategies"][0]["usable"] and "/nonexistent" in look["strategies"][0]["reason"],
               "reason")
        expect(look["strategy"] == "container-file", "choice")
        expect(h.dump(pid, dir="/nonexistent")["strategy"] == "container-file", "strategy")
        result = h.dump(pid, dir="/var/tmp")
        expect(result["where"].startswith("/var/tmp/.jdiag-"), "where")
        refused(h, begin_capture(h, pid, dir="/nonexistent", strategy="growing-file"), "node",
                "/nonexistent")
        refused(h, begin_capture(h, pid, dir="relative", strategy="growing-file"), "usage", "absolute")


def check_old_trigger(pid):
    """An attach trigger that a killed helper left."""
    path = "/proc/%d/root/tmp/.attach_pid%d" % (pid, ns_pid(pid))
    uid = os.stat("/proc/%d" % pid).st_uid
    with open(path, "w"):
        os.chown(path, uid, uid)
    with wire.Helper() as h:
        h.call("tidy")
        expect(os.path.exists(path), "a young one may be somebody's")
        os.utime(path, (1, 1))
        expect(any(path[path.index("/tmp"):] in x for x in h.call("tidy")["removed"]), "told")
        expect(not os.path.exists(path), "removed")


def check_two_helpers(pid):
    a, b = wire.Helper(), wire.Helper()
    with held(pid):
        first = begin_capture(a, pid)
        wait_until_mounted(pid)
        refused(b, begin_capture(b, pid), "refused", "another capture")
        attach = b.request("inspect", pid=pid, start_time=wire.start_time(pid), attach=True)
        refused(b, attach, "refused", "another capture")
        kept = b.call("tidy", dry_run=False)
        expect(mounts_of(pid), "the mount of a running helper")
        expect(any("running helper" in k["reason"] for k in kept["kept"]), "kept %r" % kept)
    a.wait(first)
    expect(b.dump(pid)["bytes"] > 0, "free again")
    a.close()
    b.close()


def check_cancel(pid):
    with wire.Helper() as h:
        with held(pid):
            capture = begin_capture(h, pid)
            read = h.request("read", offset=0)
            wait_until_mounted(pid)
            h.cancel(capture)
            errors = {}
            while len(errors) < 2:
                kind, request, body = h.next()
                if kind == ERROR:
                    errors[request] = body
            expect(errors[capture]["code"] == errors[read]["code"] == "interrupted", "errors %r" % errors)
            expect(not mounts_of(pid), "mounts are gone")
        expect(h.dump(pid)["bytes"] > 0, "it works again")
        read = h.request("read", offset=0)
        refused(h, read, "failed", "no capture")


def check_five_requests(*pids):
    """The targets answer nobody, so that all requests stay open."""
    h = wire.Helper()
    for pid in pids + pids[:1]:
        h.request("inspect", pid=pid, attach=True)
    broken(h, "more than 4 open requests")


def check_deadline(pid):
    with wire.Helper() as h, held(pid):
        refused(h, begin_capture(h, pid, deadline=1000), "capture", "in time")
        expect(not mounts_of(pid), "mounts are gone")


def during_capture(pid, how):
    """End the helper while a capture waits for the JVM: nothing is left within 5 s."""
    h = wire.Helper()
    with held(pid):
        begin_capture(h, pid)
        h.request("read", offset=0)
        wait_until_mounted(pid)
        start = time.monotonic()
        how(h)
        expect(ends(h.process) == 0, "status")
        expect(time.monotonic() - start < 5, "within 5 s")
        expect(not mounts_of(pid), "mounts are gone")
    for f in (h.process.stdout, h.process.stderr):
        f.close()


def check_eof(pid):
    during_capture(pid, lambda h: h.process.stdin.close())


def check_signals(pid):
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        during_capture(pid, lambda h, s=sig: h.process.send_signal(s))


def check_killed(pid):
    """SIGKILL leaves things; the next run's tidy removes them."""
    h = wire.Helper()
    with held(pid):
        begin_capture(h, pid)
        wait_until_mounted(pid)
        h.process.kill()
        h.process.communicate()
        expect(mounts_of(pid), "a mount that was left")
        with wire.Helper() as t:
            # Other helpers on this machine may sweep the node's directories, not this mount.
            what = ["mount on", "in the container of process %d" % pid]
            would = [x for x in t.call("tidy", dry_run=True)["removed"] if all(w in x for w in what)]
            expect(mounts_of(pid), "dry run")
            removed = [x for x in t.call("tidy")["removed"] if all(w in x for w in what)]
            expect(removed and removed == would, "removed %r, announced %r" % (removed, would))
            expect(not mounts_of(pid), "mounts are gone")


def check_killed_then_capture(pid):
    """The same, and the next capture sweeps by itself."""
    h = wire.Helper()
    with held(pid):
        begin_capture(h, pid)
        wait_until_mounted(pid)
        h.process.kill()
        h.process.communicate()
    with wire.Helper() as n:
        expect(n.dump(pid)["bytes"] > 0, "dump")
    expect(not mounts_of(pid), "mounts are gone")


def check_cut_while_attaching(pid, how):
    """A JVM that was signalled must find its trigger, or it never listens again: stopped or killed
    at any moment of the attaching, the next run works."""
    for ms in range(0, 60, 4):
        h = wire.Helper()
        begin_capture(h, pid)
        h.request("read", offset=0)
        time.sleep(ms / 1000)
        if how == "kill":
            h.process.kill()
        else:
            h.process.stdin.close()
            h.process.stdin = None
        h.process.communicate(timeout=6)
    with wire.Helper() as h:
        expect(h.dump(pid)["bytes"] > 0, "dump")
    expect(not mounts_of(pid), "mounts are gone")


def check_eof_when_deaf(pid):
    """The JVM does not react to the signal, and the connection goes."""
    trigger = "/proc/%d/root/tmp/.attach_pid%d" % (pid, ns_pid(pid))
    h = wire.Helper()
    h.request("inspect", pid=pid, attach=True)
    until(lambda: os.path.exists(trigger), "the trigger")
    h.process.stdin.close()
    h.process.stdin = None
    expect(ends(h.process, 5) == 0, "status")
    h.process.communicate()
    expect(not os.path.exists(trigger), "removed")


def check_jvm_exits(pid):
    with wire.Helper() as h:
        with held(pid):
            capture = begin_capture(h, pid)
            wait_until_mounted(pid)
            os.kill(pid, signal.SIGKILL)
        try:
            h.wait(capture)
            expect(False, "a capture of a JVM that is gone")
        except wire.RemoteError as e:
            # The mount is seen a moment before the helper goes on: it may not have begun to attach.
            expect((e.code, "exited" in e.message) == ("attach", True) or
                   (e.code, "has ended" in e.message) == ("target", True), "%s: %s" % (e.code, e.message))


# ---- hostile containers: a program that says it is a JVM, or a JVM with a strange /tmp ----

def fails(pid, code, words, op="capture", **params):
    with wire.Helper() as h:
        params.update(pid=pid, start_time=wire.start_time(pid))
        e = refused(h, h.request(op, **params), code, *words.split("|"))
        expect(all(c >= " " for c in e.message), "no control characters")
        expect(h.close() == (0, ""), "status")


def check_fails(pid, op, code, words, strategy=""):
    fails(pid, code, words, op, strategy=strategy, attach=True)


def check_silent(pid):
    fails(pid, "capture", "in time", deadline=1500)


def check_foreign_socket(pid):
    """Something listens on the attach socket that is not the JVM."""
    path = "/proc/%d/root/tmp/.java_pid1" % pid
    uid = os.stat("/proc/%d" % pid).st_uid
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        try:
            s.listen(5)
            os.chown(path, uid, uid)
            fails(pid, "attach", "served by process %d" % os.getpid())
            os.chown(path, uid + 1, uid + 1)
            fails(pid, "attach", "socket")
        finally:
            os.unlink(path)


def check_stale_socket(pid):
    """A socket file that nobody serves any more: the JVM is triggered, and replaces it."""
    path = "/proc/%d/root/tmp/.java_pid1" % pid
    uid = os.stat("/proc/%d" % pid).st_uid
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        os.chown(path, uid, uid)
    check_inspect(pid)


def main():
    check, *args = sys.argv[1:]
    globals()["check_" + check.replace("-", "_")](*[int(a) if a.isdigit() else a for a in args])


if __name__ == "__main__":
    main()
