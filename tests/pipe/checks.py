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
from first import first
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


def until(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, "did not come true: " + what)
        time.sleep(0.002)


def ends(process, seconds=20):
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


def place_of(pid, id):
    """Our directory in the container."""
    return "/proc/%d/root/tmp/.jdiag-%s" % (pid, id)


def spool_of(h, id):
    found = [s for s in h.call("spools")["spools"] if s["id"] == id]
    return found[0] if found else None


def phase_is(h, id, *phases):
    spool = spool_of(h, id)
    return spool and spool["state"] and spool["state"]["phase"] in phases


def gone(h, id, pid):
    """Nothing is left of it, on the node and in the container."""
    until(lambda: not spool_of(h, id), "no spool")
    expect(not os.path.exists(place_of(pid, id)) and not mounts_of(pid), "left in the container")


def process_of(h, id):
    """The capture process."""
    with open(spool_of(h, id)["path"] + "/lock") as f:
        return int(f.read().split()[0])


def children_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        children = [int(child) for child in f.read().split()]
    names = {}
    for child in children:
        with contextlib.suppress(OSError), open("/proc/%d/comm" % child) as f:
            names[f.read().strip()] = child
    return names


def stopped_drain_of(h, id):
    """Stopped as soon as there is one: it touches its memory then, the JVM has not been asked yet."""
    capture = process_of(h, id)
    with first():
        until(lambda: "jdiag-drain" in children_of(capture), "a drain")
        drain = children_of(capture)["jdiag-drain"]
        os.kill(drain, signal.SIGSTOP)
    return drain


def files_of(pid):
    return [os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)]


def fails_with(h, id, code, *words):
    """Its own error, by `watch` and by `fetch`."""
    e = refused(h, h.request("watch", id=id), code, *words)
    refused(h, h.request("fetch", id=id), code, *words)
    return e


@contextlib.contextmanager
def half_way(h, pid, id):
    """The JVM is in the middle of the dump, and stays there: its reader is stopped. Yields the
    process ids of capture, drain and guard. The JVM is held, while the drain touches its memory,
    until it has been asked; so the drain is stopped before the JVM begins."""
    capture = process_of(h, id)
    with first():
        until(lambda: "jdiag-drain" in children_of(capture), "a drain")
        os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: phase_is(h, id, "dump"), "the dump", 30)
        children = children_of(capture)
        drain = children["jdiag-drain"]
        os.kill(drain, signal.SIGSTOP)
    finally:
        os.kill(pid, signal.SIGCONT)
    try:
        expect(phase_is(h, id, "dump") and spool_of(h, id)["state"]["raw"] == 0, "half way")
        until(lambda: has_it_open(pid), "the JVM writes")
        yield capture, drain, children["jdiag-guard"]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(drain, signal.SIGCONT)


def has_it_open(pid):
    for fd in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(OSError):
            if "/.jdiag-" in os.readlink("/proc/%d/fd/%s" % (pid, fd)):
                return True
    return False


def check_clean_up():
    """Behind a test that failed: the next one shall not find what it left."""
    with wire.Helper() as h:
        for spool in h.call("spools")["spools"]:
            with contextlib.suppress(RemoteError):
                h.call("remove", id=spool["id"])
        h.call("tidy", finished=True)


def ticks(log):
    with open(log) as f:
        return sum(line.startswith("tick") for line in f)


def runs_on(log):
    """The JVM works again, without anybody's doing: its counter goes on."""
    before = ticks(log)
    until(lambda: ticks(log) > before, "the JVM goes on", 20)


def no_tick(log, seconds):
    before = ticks(log)
    time.sleep(seconds)
    return ticks(log) == before


def stands_still(log):
    """It has opened its file, a moment before all its threads stop."""
    until(lambda: no_tick(log, 0.4), "the JVM stands still")  # four ticks long
    expect(no_tick(log, 0.6), "the JVM should stand still")


# ---- the connection ----

def check_hello():
    with wire.Helper() as h:
        hello = h.hello
        expect(hello["min"] <= 1 <= hello["max"], "versions")
        expect(hello["program"] == "jdiag-helper" and hello["version"], "names")
        expect(hello["euid"] == os.geteuid() and hello["pid"] == h.process.pid, "ids")
        expect(hello["arch"] == os.uname().machine and hello["kernel"] == os.uname().release, "uname")
        expect(set(hello["capabilities"]) == {"ps", "inspect", "begin", "watch", "fetch", "stop", "remove",
                                              "spools", "upload", "tidy", "ask", "survey", "connect", "place",
                                              "unplace"},
               "capabilities")
        expect(h.close() == (0, ""), "status")


HOSTILE = {
    "type 0": (frame(0), "unknown type 0"),
    "type 10": (frame(10), "unknown type 10"),
    "type 255": (frame(255, 7, b"x"), "unknown type 255"),
    "to the client": (frame(RESULT, 1, {}), "unexpected RESULT"),
    "data of nothing": (frame(DATA, 1, bytes(16)), "never sent"),
    "data of request 0": (frame(DATA, 0, bytes(16)), "never sent"),
    "data without data": (frame(DATA, 1, bytes(8)), "without data"),
    "too much data": (struct.pack(">IBI", (256 << 10) + 9, DATA, 1), "at most 262152"),
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
                ("fetch", {"id": "0123456789abcdef"}, "target", "no capture"),
                ("fetch", {"id": "0123456789abcdef", "offset": -1}, "failed", "not a non-negative integer"),
                ("begin", {}, "failed", "no id"),
                ("begin", {"id": "0123456789abcdef"}, "failed", "names no process"),
                ("begin", {"id": "0123456789abcdef", "pid": 1 << 40}, "failed", "names no process"),
                ("inspect", {"pid": "1"}, "failed", "'pid' is not a number"),
                ("inspect", {"pid": 1, "start_time": 1}, "target", "another process"),
                ("inspect", {"pid": 4194305}, "target", "has ended"),
                ("inspect", {"pid": os.getpid()}, "target", "JVM"),
                ("tidy", {"dry_run": 1}, "failed", "not a boolean")):
            refused(h, h.request(op, **params), code, words)
        h.cancel(1)  # has ended: ignored
        expect(h.call("ps", containers=[])["jvms"] == [], "it goes on")


def check_ping():
    start = time.monotonic()
    with wire.Helper() as h:
        for _ in range(4):  # one of them comes when nothing else wants the CPU
            kind, request, body = h.next(pings=True)
            expect(kind == PING and request == 0 and body == b"", "a ping")
            took, start = time.monotonic() - start, time.monotonic()
            if 4 < took < 9:
                return
        expect(False, "after about 5 s, not %g" % took)


def check_reader_gone():
    """Our reading end is closed, the writing end stays: the helper notices all the same."""
    h = wire.Helper()
    h.process.stdout.close()
    with contextlib.suppress(BrokenPipeError):  # it may have noticed before
        h.send(REQUEST, 1, {"op": "ps"})
    expect(ends(h.process) == 0, "status")
    with contextlib.suppress(BrokenPipeError):
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
    ring = inspect(h, pid, spool=False)
    expect(ring["budget"]["ring"] >= 64 << 20 and ring["strategy"] in ("", "fifo"), "ring %r" % ring)
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
        expect(0 < look["attach_ms"] < 20000, "attached")
        expect(look["heap"]["source"] == "heap_info", "source")
        expect(0 < look["heap"]["used"] <= look["heap"]["capacity"] < 1 << 34, "heap %r" % look["heap"])
        names = [s["name"] for s in look["strategies"]]
        expect(names == ["fifo", "segments", "growing-file", "container-file"], "strategies %r" % names)
        release = int(look["jvm"]["version"].replace("1.8", "8").split(".")[0])
        expect(look["strategy"] == ("growing-file" if release < 11 else "fifo" if release < 22 else "segments"),
               "the choice: %r" % look)
        for s in look["strategies"]:
            expect(s["usable"] == (s["reason"] == ""), "reason of %r" % s)
            expect(not s["usable"] or (s["free"] > 0 and s["where"]), "place of %r" % s)
        check_budget(h, pid, look)
        refused(h, h.request("inspect", pid=pid, container="f" * 64), "target", "not in container")
        refused(h, h.request("inspect", pid=pid, strategy="magic"), "usage", "unknown strategy")


# ---- captures ----

def digest_of(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def check_capture(pid, out="", strategy="", format="hprof", want=""):
    """Begin, watch and fetch, remove: the digest is that of the file that arrived."""
    with wire.Helper() as h, tempfile.TemporaryDirectory() as d:
        path = out or d + "/dump"
        state = h.dump(pid, path, strategy=strategy, format=format, owner="ana", label="{}")
        expect(state["strategy"] == (want or strategy or state["strategy"]), "strategy %r" % state["strategy"])
        expect(state["received"] == state["stored"] == os.path.getsize(path), "length")
        expect(state["sha256"] == digest_of(path), "digest")
        expect("Heap dump file created" in state["text"], "text")
        expect(state["phase"] == "complete" and state["format"] == format, "state %r" % state)
        expect(state["owner"] == "ana" and state["pid"] == pid, "whose")
        expect(all(p["final"] for p in state["parts"]) and state["notice"] == "", "parts %r" % state)
        expect(state["raw"] > 1000000 and state["records"] > 1000, "size")
        expect(state["elapsed_ms"] < 60000 and state["pause_ms"] <= state["elapsed_ms"], "times")
        phases = [p["phase"] for p in state["progress"]]
        order = ["starting", "attach", "dump", "spool", "complete"]
        expect(phases == sorted(phases, key=order.index), "phases %r" % phases)
        gone(h, state["id"], pid)
        expect(h.close() == (0, ""), "status")


def check_later(pid, log):
    """The connection goes in the middle of the dump; another helper fetches the rest."""
    a = wire.Helper()
    id = a.begin(pid, owner="ana", label="what the client wants to know later")
    a.request("watch", id=id)
    a.request("fetch", id=id)
    with wire.Helper() as b, tempfile.TemporaryFile() as out:
        with half_way(b, pid, id):
            stands_still(log)
            a.process.kill()
            a.process.communicate()
            state = spool_of(b, id)
            expect(state["alive"] and state["state"]["label"].startswith("what"), "it goes on: %r" % state)
        first, _, end = b.fetch(id, 0, out)
        expect(first == end["length"], "all of it")
        out.seek(0)
        expect(hashlib.file_digest(out, "sha256").hexdigest() == end["sha256"], "digest")
        # As often as one likes, from any offset, and without anything in the container.
        expect(not os.path.exists(place_of(pid, id)) and not mounts_of(pid), "left in the container")
        for offset in (1, first // 2, first):
            n, _, again = b.fetch(id, offset)
            expect(n == first - offset and again == end, "offset %d" % offset)
        refused(b, b.request("fetch", id=id, offset=first + 1), "failed", "has only")
        # The same id again starts nothing.
        again = b.call("begin", pid=pid, start_time=wire.start_time(pid), id=id)
        expect(again == {"id": id, "exists": True}, "exists")
        expect(b.call("watch", id=id)["sha256"] == end["sha256"], "still the same")
        refused(b, b.request("stop", id=id), "failed", "complete")
        capture = process_of(b, id)
        expect(not [f for f in files_of(capture) if "cgroup" in f or "/dump" in f], "the keeper holds %r" % files_of(capture))
        b.call("remove", id=id)
        gone(b, id, pid)
        until(lambda: not os.path.exists("/proc/%d" % capture), "the keeper ends")
        refused(b, b.request("watch", id=id), "target", "no capture")


def check_bad_begin(pid):
    with wire.Helper() as h:
        good = {"pid": pid, "start_time": wire.start_time(pid), "id": "0123456789abcdef", "live": False}
        for change, code, words in (
                ({"id": "../../etc"}, "failed", "no id"), ({"id": "0123456789ABCDEF"}, "failed", "no id"),
                ({"strategy": "magic"}, "usage", "unknown strategy"), ({"format": "zip"}, "usage", "format"),
                ({"redact": "all"}, "usage", "redaction"), ({"parallel": 33}, "usage", "at most"),
                ({"buffer_percent": 101}, "usage", "101"), ({"live": 1}, "failed", "not a boolean"),
                ({"label": "x" * 70000}, "failed", "label"), ({"start_time": 1}, "target", "another process"),
                ({"container": "f" * 64}, "target", "not in container"),
                ({"dir": "/nonexistent"}, "node", "/nonexistent"), ({"dir": "relative"}, "usage", "absolute")):
            refused(h, h.request("begin", **dict(good, **change)), code, words)
        expect(not spool_of(h, good["id"]), "nothing was made")


def check_fallback(pid):
    """Where the first way does not work, the next one does, and says so; a forced one does not."""
    with wire.Helper() as h:
        fails_with(h, h.begin(pid, strategy="segments"), "capture", "segments", "before JDK 22")
        fails_with(h, h.begin(pid, strategy="growing-file", spool=False), "capture", "without a spool")
        for spool in h.call("spools")["spools"]:
            expect(spool["state"]["phase"] == "failed", "phase")
            until(lambda path=spool["path"]: "data.0" not in os.listdir(path), "its data are removed")
            h.call("remove", id=spool["id"])
            gone(h, spool["id"], pid)


def check_two_helpers(pid):
    a, b = wire.Helper(), wire.Helper()
    with held(pid):
        id = a.begin(pid, owner="ana@bastion")
        until(lambda: os.path.exists(place_of(pid, id)), "it attaches")
        e = refused(b, b.request("begin", pid=pid, start_time=wire.start_time(pid), id="0" * 16),
                    "refused", "another capture", id, "ana@bastion")
        expect(id in e.hint, "hint")
        attach = b.request("inspect", pid=pid, start_time=wire.start_time(pid), attach=True)
        refused(b, attach, "refused", "another capture", id, "ana@bastion")
        kept = b.call("tidy", dry_run=False)
        expect(os.path.exists(place_of(pid, id)), "the directory of a capture under way")
        expect(any("running helper" in k["reason"] for k in kept["kept"]), "kept %r" % kept)
    a.call("remove", id=a.follow(id)["id"])
    b.dump(pid)  # free again
    a.close()
    b.close()


def check_stop(pid, log):
    """In the middle of the dump, and before it."""
    with wire.Helper() as h:
        id = h.begin(pid)
        watch = h.request("watch", id=id)
        with wire.Helper() as other, half_way(other, pid, id) as (capture, _, guard):
            stands_still(log)
            other.call("stop", id=id)
            runs_on(log)
            gone(other, id, pid)
            for process in (capture, guard):
                until(lambda p=process: not os.path.exists("/proc/%d" % p), "its processes end")
        try:
            h.wait(watch)
            expect(False, "it was stopped")
        except RemoteError as e:
            expect("stopped" in e.message, e.message)
        with held(pid):
            id = h.begin(pid)
            until(lambda: os.path.exists(place_of(pid, id)), "it attaches")
            h.call("remove", id=id)
            gone(h, id, pid)


def check_buffer_stop(pid):
    """While much memory is touched."""
    with wire.Helper() as h:
        id = h.begin(pid, buffer=1 << 30)
        stopped_drain_of(h, id)
        h.call("stop", id=id)
        gone(h, id, pid)


def check_cancel(pid):
    """CANCEL ends a request, and not the capture."""
    with wire.Helper() as h:
        with held(pid):
            id = h.begin(pid)
            watch, fetch = h.request("watch", id=id), h.request("fetch", id=id)
            h.cancel(watch)
            h.cancel(fetch)
            errors = {}
            while len(errors) < 2:
                kind, request, body = h.next()
                if kind == ERROR:
                    errors[request] = body
            expect(errors[watch]["code"] == errors[fetch]["code"] == "interrupted", "errors %r" % errors)
        h.call("remove", id=h.follow(id)["id"])


def check_killed_drain(pid, log):
    """The JVM's reader dies in the middle of the dump."""
    with wire.Helper() as h:
        id = h.begin(pid)
        with half_way(h, pid, id) as (_, drain, _):
            stands_still(log)
            os.kill(drain, signal.SIGKILL)
            runs_on(log)
        fails_with(h, id, "capture", "the process that reads the dump was killed")
        until(lambda: not os.path.exists(place_of(pid, id)) and not mounts_of(pid), "undone")
        spool = spool_of(h, id)
        until(lambda: sorted(os.listdir(spool["path"])) == ["lock", "state"], "its data are removed")
        expect(spool["alive"] and spool["state"]["expires"] - time.time() < 700, "kept for a while")
        h.call("remove", id=id)
        gone(h, id, pid)
        h.dump(pid)


def check_killed_capture(pid, log):
    """SIGKILL for the capture process, and with it for its drain; then tidy."""
    with wire.Helper() as h:
        id = h.begin(pid)
        with half_way(h, pid, id) as (capture, _, guard):
            stands_still(log)
            os.kill(capture, signal.SIGKILL)
            runs_on(log)
        fails_with(h, id, "capture", "the capture process was killed")
        until(lambda: not os.path.exists("/proc/%d" % guard), "the guard ends")
        tidy_up(h, pid, "mount on")
        gone(h, id, pid)


def check_left(pid):
    """Our directory cannot be removed: the dump is good, its state says what is left, tidy removes it."""
    tmp = "/proc/%d/root/tmp" % pid
    mode = os.stat(tmp).st_mode & 0o7777
    with wire.Helper() as h:
        id = h.begin(pid)
        with half_way(h, pid, id):
            os.chmod(tmp, 0o555)
        try:
            state = h.follow(id)
        finally:
            os.chmod(tmp, mode)
        expect("left in the container" in state["notice"], "notice %r" % state["notice"])
        h.call("remove", id=id)
        until(lambda: not spool_of(h, id), "no spool")
        tidy_up(h, pid, "directory")
        gone(h, id, pid)


def tidy_up(h, pid, *words):
    """What tidy would do, and does: something with each of these words, of this JVM."""
    what = "in the container of process %d" % pid
    would = [x for x in h.call("tidy", dry_run=True)["removed"] if what in x]
    removed = [x for x in h.call("tidy")["removed"] if what in x]
    expect(removed == would, "removed %r, announced %r" % (removed, would))
    for word in words:
        expect(any(word in x for x in removed), "removed %r" % removed)


def check_killed_all(pid, log):
    """All processes of a capture at once: tidy lets the JVM go."""
    with wire.Helper() as h:
        id = h.begin(pid)
        with half_way(h, pid, id) as (capture, _, guard):
            os.kill(guard, signal.SIGKILL)
            os.kill(capture, signal.SIGKILL)
            until(lambda: not spool_of(h, id)["alive"], "it dies")
        h.call("tidy")
        runs_on(log)
        gone(h, id, pid)
        h.dump(pid)


def check_full_disk(pid, log, small):
    """ENOSPC in the middle of the dump."""
    with wire.Helper() as h:
        id = h.begin(pid, dir=small)
        fails_with(h, id, "capture", "No space left")
        runs_on(log)
        spool = spool_of(h, id)
        expect(spool["path"].startswith(small), "where")
        until(lambda: sorted(os.listdir(spool["path"])) == ["lock", "state"], "its data are removed")
        h.call("remove", id=id)
        gone(h, id, pid)
        expect(os.listdir(small) == [], "nothing is left")


@contextlib.contextmanager
def user_of(pid):
    """With the rights of the container's user."""
    uid = os.stat("/proc/%d" % pid).st_uid
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


def replace(path, pid):
    fd = os.open(os.path.dirname(path), os.O_PATH)
    try:
        with user_of(pid):
            os.unlink(os.path.basename(path), dir_fd=fd)
            os.close(os.open(os.path.basename(path), os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fd))
    finally:
        os.close(fd)


def check_replaced(pid, log):
    """The container's user puts a file in the place of the FIFO: before the JVM is asked (while the
    memory is touched), and in the middle."""
    with wire.Helper() as h:
        id = h.begin(pid, buffer=256 << 20)
        drain = stopped_drain_of(h, id)
        replace(place_of(pid, id) + "/h.hprof", pid)
        os.kill(drain, signal.SIGCONT)
        fails_with(h, id, "capture", "replaced in the container")
        h.call("remove", id=id)
        id = h.begin(pid)
        with half_way(h, pid, id):
            stands_still(log)
            replace(place_of(pid, id) + "/h.hprof", pid)
        fails_with(h, id, "capture", "replaced in the container")
        runs_on(log)
        h.call("remove", id=id)
        gone(h, id, pid)


def check_jvm_exits(pid, log):
    """In the middle of the dump."""
    with wire.Helper() as h:
        id = h.begin(pid)
        with half_way(h, pid, id):
            os.kill(pid, signal.SIGKILL)
        fails_with(h, id, "capture", "the JVM has ended in the middle of the dump")
        h.call("remove", id=id)


def check_oom(pid, log, memory):
    """The kernel kills it for memory: its cgroup is filled until it does."""
    with open("/proc/%d/oom_score_adj" % pid, "w") as f:
        f.write("1000")
    hog = "import os, sys\n" \
        "open(sys.argv[1] + '/cgroup.procs', 'w').write(str(os.getpid()))\nkeep = []\n" \
        "while os.path.exists('/proc/' + sys.argv[2] + '/exe'):\n keep.append(b'x' * (1 << 20))\n"
    with wire.Helper() as h:
        id = h.begin(pid)
        with half_way(h, pid, id):
            # The kernel may take the hog as well, while the JVM's memory is being freed.
            for _ in range(10):
                subprocess.run([sys.executable, "-c", hog, memory, str(pid)], timeout=30, check=False)
                if not os.path.exists("/proc/%d/exe" % pid):
                    break
        fails_with(h, id, "capture", "the JVM has ended in the middle of the dump", "OOM")
        h.call("remove", id=id)


def check_ring(pid, log):
    """Without a spool: in memory, and it ends with its connection."""
    with wire.Helper() as h:
        state = h.dump(pid, spool=False)
        expect(state["ring"] and state["strategy"] == "fifo" and state["stored"] == state["received"], "ring")
        gone(h, state["id"], pid)
        a = wire.Helper()
        id = a.begin(pid, spool=False)
        with half_way(h, pid, id):
            stands_still(log)
            expect(spool_of(h, id)["path"].startswith("/run/"), "where")
            a.process.kill()
            a.process.communicate()
            runs_on(log)
            gone(h, id, pid)


def check_ttl(pid):
    """Nobody fetches it: it goes by itself, with its process."""
    with wire.Helper() as h:
        with held(pid):
            id = h.begin(pid, ttl=6, sync=True)
            capture = process_of(h, id)
            watch = h.request("watch", id=id)
            h.next()  # it is being watched before its time begins
        h.wait(watch)
        gone(h, id, pid)
        until(lambda: not os.path.exists("/proc/%d" % capture), "the keeper ends")


def check_keeper_ends(pid):
    """What is complete stays when its keeper is told to end (a node that goes down). It has kept no
    mounts: of the helper's own namespace nothing is left."""
    with wire.Helper(argv=["unshare", "--mount", os.environ["JDIAG_HELPER"]]) as h:
        id = h.begin(pid)
        capture = process_of(h, id)
        end = h.call("watch", id=id)
    until(lambda: os.readlink("/proc/%d/ns/mnt" % capture) == os.readlink("/proc/self/ns/mnt"),
          "the keeper is in the node's namespace")
    with wire.Helper() as h:
        os.kill(capture, signal.SIGTERM)
        until(lambda: not os.path.exists("/proc/%d" % capture), "the keeper ends")
        expect(h.call("tidy")["removed"] == [], "tidy keeps it")
        expect(h.fetch(id)[1] == end["sha256"], "it can be fetched")
        h.call("remove", id=id)


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


def check_five_requests(*pids):
    """The targets answer nobody, so that all requests stay open."""
    h = wire.Helper()
    for pid in pids + pids[:1]:
        h.request("inspect", pid=pid, attach=True)
    broken(h, "more than 4 open requests")


def check_deadline(pid):
    with wire.Helper() as h, held(pid):
        id = h.begin(pid, deadline=1000)
        fails_with(h, id, "capture", "in time")
        expect(not os.path.exists(place_of(pid, id)) and not mounts_of(pid), "undone")
        h.call("remove", id=id)


def check_helper_ends(pid):
    """However the helper ends, the capture goes on."""
    for how in (lambda h: h.process.stdin.close(), lambda h: h.process.terminate(),
                lambda h: h.process.send_signal(signal.SIGHUP), lambda h: h.process.kill()):
        h = wire.Helper()
        with held(pid):
            id = h.begin(pid)
            h.request("fetch", id=id)
            until(lambda: os.path.exists(place_of(pid, id)), "it attaches")
            how(h)
            ends(h.process)
            # No process of the capture has its pipes: they end with it.
            h.process.stdout.read()
            expect(h.process.stderr.read() == b"", "stderr")
            for f in (h.process.stdout, h.process.stderr):
                f.close()
        with wire.Helper() as n:
            state = n.follow(id)
            expect(state["phase"] == "complete", "it went on")
            n.call("remove", id=id)


def check_begin_alone(pid):
    """The connection goes before `begin` was answered: then nothing was begun, or it can be
    followed; sent again it is the same. One that was about to give up, because nobody listened,
    may still be there when it is sent again."""
    for ms in range(0, 40, 5):
        id = os.urandom(8).hex()
        h = wire.Helper()
        h.request("begin", pid=pid, start_time=wire.start_time(pid), id=id, live=False)
        time.sleep(ms / 1000)
        h.process.kill()
        h.process.communicate()
        with wire.Helper() as n:
            n.begin(pid, id=id)
            try:
                state = n.follow(id)
            except wire.RemoteError as e:
                expect("was stopped or removed" in e.message or "there is no capture" in e.message, e.message)
                state = None
        # Anew: the other request of the two that follow it may not have its answer yet.
        with wire.Helper() as n:
            if not state:
                until(lambda: not spool_of(n, id), "it is gone")
                n.begin(pid, id=id)
                state = n.follow(id)
            expect(state["phase"] == "complete", "it went on")
            n.call("remove", id=id)


def check_killed(pid):
    """SIGKILL while it attaches; the next run's tidy removes what is left."""
    with wire.Helper() as h:
        with held(pid):
            id = h.begin(pid)
            until(lambda: os.path.exists(place_of(pid, id)), "it attaches")
            os.kill(process_of(h, id), signal.SIGKILL)
            until(lambda: not spool_of(h, id)["alive"], "it dies")
            tidy_up(h, pid, "directory")
        gone(h, id, pid)


def check_killed_then_capture(pid):
    """The same, and the next capture sweeps by itself."""
    with wire.Helper() as h:
        id = h.begin(pid)
        with half_way(h, pid, id) as (capture, _, _):
            os.kill(capture, signal.SIGKILL)
        until(lambda: not spool_of(h, id)["alive"], "it dies")
        h.dump(pid)
        gone(h, id, pid)


def check_cut_while_attaching(pid, how):
    """A JVM that was signalled must find its trigger, or it never listens again: stopped or killed
    at any moment of the attaching, the next run works."""
    for ms in range(0, 60, 4):
        with wire.Helper() as h:
            id = h.begin(pid)
            time.sleep(ms / 1000)
            if how == "kill":
                os.kill(process_of(h, id), signal.SIGKILL)
                until(lambda: not spool_of(h, id)["alive"], "it dies")
            else:
                h.call("remove", id=id)
    with wire.Helper() as h:
        h.dump(pid)
        h.call("tidy", finished=True)  # one that was fast enough had finished before it was killed
    expect(not mounts_of(pid), "mounts are gone")


def check_eof_when_deaf(pid):
    """The JVM does not react to the signal, and the connection goes."""
    trigger = "/proc/%d/root/tmp/.attach_pid%d" % (pid, ns_pid(pid))
    took = 99
    for _ in range(4):  # once when nothing else wants the CPU
        h = wire.Helper()
        h.request("inspect", pid=pid, attach=True)
        until(lambda: os.path.exists(trigger), "the trigger")
        start = time.monotonic()
        h.process.stdin.close()
        h.process.stdin = None
        expect(ends(h.process) == 0, "status")
        took = min(took, time.monotonic() - start)
        h.process.communicate()
        expect(not os.path.exists(trigger), "removed")
        if took < 5:
            break
    expect(took < 5, "it took %g s" % took)


# ---- hostile containers: a program that says it is a JVM, or a JVM with a strange /tmp ----

def fails(pid, code, words, op="inspect", **params):
    with wire.Helper() as h:
        if op == "begin":
            id = h.begin(pid, **params)
            e = fails_with(h, id, code, *words.split("|"))
            h.call("remove", id=id)
            gone(h, id, pid)
        else:
            params.update(pid=pid, start_time=wire.start_time(pid))
            e = refused(h, h.request(op, **params), code, *words.split("|"))
        expect(all(c >= " " for c in e.message), "no control characters")
        expect(h.close() == (0, ""), "status")


def check_fails(pid, op, code, words, strategy=""):
    fails(pid, code, words, op, strategy=strategy, **({"attach": True} if op == "inspect" else {}))


def check_silent(pid):
    fails(pid, "capture", "in time", "begin", deadline=1500)


def check_foreign_socket(pid):
    """Something listens on the attach socket that is not the JVM."""
    path = "/proc/%d/root/tmp/.java_pid1" % pid
    uid = os.stat("/proc/%d" % pid).st_uid
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        try:
            s.listen(5)
            os.chown(path, uid, uid)
            fails(pid, "attach", "served by process %d" % os.getpid(), "begin")
            os.chown(path, uid + 1, uid + 1)
            fails(pid, "attach", "socket", "begin")
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
