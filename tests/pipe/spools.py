#!/usr/bin/env python3
"""Checks of the helper's side of spools over a pipe, with captures that are none, for
tests/bats/spool-pipe.bats.

usage: spools.py CHECK      with JDIAG_HELPER in the environment, as root
"""
import hashlib
import os
import random
import select
import shutil
import signal
import struct
import sys
import time

import wire
from fakespool import KEPT, Captor, Ring, Spool
from wire import DATA, ERROR, PROGRESS, RESULT, RemoteError

MiB = 1 << 20


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def refused(code, words, call, *args, **params):
    try:
        result = call(*args, **params)
    except RemoteError as e:
        expect(e.code == code, "%s instead of %s: %s" % (e.code, code, e.message))
        expect(words in e.message, "'%s' is not in '%s'" % (words, e.message))
        return e
    raise AssertionError("no error but %r" % result)


def ready(h):
    return bool(h.buffer) or bool(select.select([h.out], [], [], 0)[0])


def noise(n, seed=1):
    return random.Random(seed).randbytes(n)


def fetched(h, id, offset=0):
    got = []
    end = h.each_piece(id, lambda at, data: got.append(data), offset)
    return b"".join(got), end


# --- fetch ------------------------------------------------------------------------------------------

def check_fetch_finished():
    """From anywhere, over three parts, whether a process keeps it or not."""
    data = noise(3 * MiB + 7)
    with Spool() as s, wire.Helper() as h:
        for i, (start, stop) in enumerate(((0, 1), (1, MiB + 5), (MiB + 5, len(data)))):
            s.write(data[start:stop], i)
        s.complete()
        for offset in (0, 1, 2, 5000, MiB + 4, MiB + 5, len(data) - 1, len(data)):
            got, end = fetched(h, s.id, offset)
            expect(got == data[offset:], "bytes from %d on" % offset)
            expect(end == {"length": len(data), "sha256": hashlib.sha256(data).hexdigest(),
                           "crc32c": 4711}, end)
        refused("failed", "has only", fetched, h, s.id, len(data) + 1)
        s.unlock()
        expect(fetched(h, s.id)[0] == data, "without its keeper")


def check_fetch_while_it_grows():
    """Two connections, two requests of one of them, one that starts later and further on."""
    data = noise(2 * MiB, 2)
    with Spool() as s, wire.Helper() as a, wire.Helper() as b:
        s.save("spool")
        requests = [(a, a.request("fetch", id=s.id, offset=0), 0)]
        requests.append((a, a.request("fetch", id=s.id, offset=100), 100))
        for i in range(0, len(data), 64 << 10):
            s.append(data[i:i + (64 << 10)], i // MiB)
            if i + (64 << 10) == MiB:
                s.end_part()
                requests.append((b, b.request("fetch", id=s.id, offset=MiB - 9), MiB - 9))
            time.sleep(0.01)
        s.complete()
        for h in (a, b):
            take_all(h, {r: offset for helper, r, offset in requests if helper is h}, data)


def take_all(h, open_requests, data):
    at = dict(open_requests)
    while open_requests:
        kind, request, body = h.next()
        if kind == wire.END:
            expect(at[request] == len(data), "END at %d" % at[request])
            del open_requests[request]
            continue
        expect(kind == DATA, "frame %d: %r" % (kind, body))
        offset = struct.unpack(">Q", body[:8])[0]
        expect(offset == at[request], "in order")
        expect(data[offset:offset + len(body) - 8] == body[8:], "bytes at %d" % offset)
        at[request] += len(body) - 8


def check_fetch_before_the_first_byte():
    with Spool() as s, wire.Helper() as h:
        request = h.request("fetch", id=s.id, offset=0)
        h.call("spools")
        s.save("attach")
        s.append(b"hello")
        s.complete()
        take_all(h, {request: 0}, b"hello")


def check_fetch_holds_back():
    """With few processors nothing is sent while the JVM stands still; of a ring always."""
    few = os.sysconf("SC_NPROCESSORS_ONLN") < 4
    with Spool() as s, wire.Helper() as h:
        s.save("dump")
        s.append(b"x" * 1000)
        request = h.request("fetch", id=s.id, offset=0)
        if few:
            time.sleep(0.3)
            expect(not ready(h), "it was sent")
        else:
            until(lambda: ready(h), "it is sent")
        s.save("spool")
        kind, got, body = h.next()
        expect((kind, got, len(body)) == (DATA, request, 1008), "the bytes, then")
        h.cancel(request)
    with Ring(MiB) as s, wire.Helper() as h:
        s.append(b"x" * 1000)
        request = h.request("fetch", id=s.id, offset=0)
        expect(h.next()[0] == DATA, "of a ring at once")
        h.cancel(request)


def check_fetch_of_a_ring():
    """More bytes than the ring has room for; a little can be read again, the rest is gone."""
    blocks = [noise(MiB, i) for i in range(60)]
    data = b"".join(blocks)
    got = bytearray()
    with Ring(20 * MiB) as s, wire.Helper() as h:
        for block in blocks[:20]:
            s.write(block)
        blocks = blocks[20:]
        s.save()

        def take(at, piece):
            got.extend(piece)
            while blocks and s.has_room(MiB):
                s.give_back()
                s.append(blocks.pop(0))
            if not blocks and s.state["phase"] != "complete":
                s.complete(hashlib.sha256(data).hexdigest())

        # The last room comes free only when the helper says that it has gone on.
        end = h.each_piece(s.id, take)
        expect(bytes(got) == data, "bytes")
        expect(end["length"] == len(data), "length")
        expect(s.read_position() == len(data), "position %d" % s.read_position())
        again = fetched(h, s.id, len(data) - KEPT)[0]
        expect(again == data[-KEPT:], "a little again")
        e = refused("upload", "no longer in memory", fetched, h, s.id, len(data) - KEPT - 1)
        expect(e.hint, "hint")


def check_fetch_cancelled():
    with Spool() as s, wire.Helper() as h:
        s.write(noise(20 * MiB))
        s.complete()
        body = h.each_piece(s.id, lambda at, data: at > MiB)
        expect(body.get("code") == "interrupted", body)
        refused("failed", "has only", fetched, h, s.id, 1 << 62)


# --- watch ------------------------------------------------------------------------------------------

def in_time(look):
    """Once, when nothing else wants the CPU."""
    said = []
    while len(said) < 5:
        problem = look()
        if not problem:
            return
        said.append(problem)
    expect(False, ", ".join(said))


def watch_changes(h, s):
    start = time.monotonic()
    raw = s.state["raw"]
    while time.monotonic() - start < 1.5:
        s.state["raw"] += 1
        s.save("dump")
        time.sleep(0.01)
    n, changes = 0, 0
    while ready(h):
        kind, _, body = h.next()
        expect(kind == PROGRESS and body["raw"] >= raw, body)
        changes += body["raw"] > raw
        raw = body["raw"]
        n += 1
    took = time.monotonic() - start
    start = time.monotonic()
    while raw != s.state["raw"]:
        raw = h.next()[2]["raw"]
    # those of before that were read late, and one more each second
    expect(changes <= 5 * took + 2, "%d changes in %g s" % (changes, took))
    if n < 4 or n > 8 or time.monotonic() - start >= 1:
        return "%d in %g s, the last change after %g" % (n, took, time.monotonic() - start)
    return None


def watch_silence(h):
    h.next()
    start = time.monotonic()
    h.next()
    took = time.monotonic() - start
    return None if 0.5 < took < 1.5 else "one after %g s of silence" % took


def watch_end(h):
    with Spool() as s:
        s.save("dump")
        request = h.request("watch", id=s.id)
        h.next()
        s.append(b"x")
        s.complete()
        start = time.monotonic()
        result = h.wait(request)
        took = time.monotonic() - start
        expect(result["phase"] == "complete" and result["sha256"] and "label" not in result, result)
        expect(result["parts"] == [{"bytes": 1, "final": True}], result)
        expect(h.call("watch", id=s.id) == result, "of a complete one")
    return None if took < 0.5 else "RESULT after %g s" % took


def check_watch():
    """At once, on change at most five a second, at least one a second, RESULT in the end."""
    with Spool() as s, wire.Helper() as h:
        s.save("attach")
        request = h.request("watch", id=s.id)
        kind, _, body = h.next()
        expect(kind == PROGRESS and body["phase"] == "attach" and body["id"] == s.id, body)
        expect("label" not in body and body["owner"] == "ana@b", body)
        in_time(lambda: watch_changes(h, s))
        in_time(lambda: watch_silence(h))
        s.append(b"x")
        s.complete()
        h.wait(request)
        in_time(lambda: watch_end(h))


def check_failed():
    error = {"code": "node", "errno": 28, "message": "no space", "hint": "make room"}
    with Spool() as s, wire.Helper() as h:
        s.save("dump")
        watch, fetch = h.request("watch", id=s.id), h.request("fetch", id=s.id, offset=0)
        s.save("failed", error=error)
        ended = {}
        while len(ended) < 2:
            kind, request, body = h.next()
            if kind != PROGRESS:
                ended[request] = (kind, body)
        expect(ended == {watch: (ERROR, error), fetch: (ERROR, error)}, ended)
        s.unlock()
        expect(refused("node", "no space", h.call, "watch", id=s.id).errno == 28, "errno")


def check_killed():
    for phase in (None, "attach", "dump", "spool"):
        with Captor(lambda s: signal.pause()) as c, wire.Helper() as h:
            if phase:
                c.spool.save(phase)
            requests = [h.request("watch", id=c.spool.id),
                        h.request("fetch", id=c.spool.id, offset=0)]
            if not phase:
                h.call("spools")  # the others have begun
            c.kill()
            while requests:
                kind, request, body = h.next()
                if kind == PROGRESS:
                    continue
                expect(kind == ERROR and body["code"] == "capture", body)
                expect("was killed" in body["message"] and "tidy" in body["hint"], body)
                requests.remove(request)
            # The next one sweeps it away.
            expect(h.call("tidy")["removed"].count(c.spool.path) == 1, "tidy")
            expect(not os.path.exists(c.spool.path), "gone")


def check_removed_meanwhile():
    with Spool() as s, wire.Helper() as h:
        s.save("dump")
        requests = h.request("fetch", id=s.id, offset=0), h.request("watch", id=s.id)
        expect(h.next()[0] == PROGRESS, "progress")  # both have begun
        shutil.rmtree(s.path)
        ended = []
        while len(ended) < 2:
            kind, request, body = h.next()
            if kind != PROGRESS:
                expect(kind == ERROR and "stopped or removed" in body["message"], body)
                ended.append(request)
        expect(sorted(ended) == sorted(requests), ended)


# --- stop, remove -----------------------------------------------------------------------------------

def obedient(spool):
    spool.save("dump")
    signal.sigwait([signal.SIGTERM])
    time.sleep(0.3)
    shutil.rmtree(spool.path)


def careless(spool):
    """Ends without undoing anything."""
    spool.save("dump")
    signal.sigwait([signal.SIGTERM])


def stubborn(spool):
    spool.save("dump")
    while True:
        time.sleep(10)


def until(condition, what):
    end = time.monotonic() + 30
    while not condition():
        expect(time.monotonic() < end, "did not come true: " + what)
        time.sleep(0.01)


def check_stop():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    with wire.Helper() as h:
        for op in ("stop", "remove"):
            for run in (obedient, careless):
                with Captor(run) as c:
                    until(lambda: os.path.exists(c.spool.path + "/state"), "a state")
                    expect(h.call(op, id=c.spool.id) == {}, op)
                    expect(not os.path.exists(c.spool.path), "gone")
                    expect(c.wait() == 0, "its own end")
                    refused("target", "no capture", h.call, op, id=c.spool.id)


def check_stop_in_vain():
    """It gives up in time, and other requests are served meanwhile."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    with Captor(stubborn) as c, wire.Helper() as h:
        until(lambda: os.path.exists(c.spool.path + "/state"), "a state")
        start = time.monotonic()
        request = h.request("remove", id=c.spool.id)
        listed = h.call("spools")
        expect([s["alive"] for s in listed["spools"] if s["id"] == c.spool.id] == [True], listed)
        expect(time.monotonic() - start < 12, "served meanwhile")
        refused("node", "did not stop", h.wait, request)
        expect(14 < time.monotonic() - start < 28, "in time")
        expect(os.path.exists(c.spool.path), "kept")


def check_remove_finished():
    with wire.Helper() as h:
        for keeper in (True, False):
            with Spool() as s:
                s.append(b"x")
                s.complete()
                if not keeper:
                    s.unlock()
                refused("failed", "is complete", h.call, "stop", id=s.id)
                expect(h.call("remove", id=s.id) == {}, "remove")
                expect(not os.path.exists(s.path), "gone")


# --- spools, tidy -----------------------------------------------------------------------------------

def mine(h, *ids):
    return {s["id"]: s for s in h.call("spools")["spools"] if s["id"] in ids}


def check_spools():
    with Spool() as a, Spool(base="/run") as b, Spool(version=2) as c, wire.Helper() as h:
        a.save("dump", label="l\u00e4bel\n")
        c.save("complete")
        c.unlock()
        got = mine(h, a.id, b.id, c.id)
        expect(abs(h.call("spools")["now"] - time.time()) < 30, "now")
        expect(got[a.id]["state"] == a.state and got[a.id]["alive"], got[a.id])
        expect(got[a.id]["path"] == a.path and got[a.id]["error"] == "", got[a.id])
        expect(got[b.id]["state"] is None and "state of capture" in got[b.id]["error"], got[b.id])
        expect(got[c.id]["state"] is None and "version 2" in got[c.id]["error"], got[c.id])
        expect(not got[c.id]["alive"], got[c.id])
        e = refused("node", "version 2", h.call, "watch", id=c.id)
        expect("'fake 1'" in e.message, e.message)
        refused("node", "version 2", fetched, h, c.id)
        refused("target", "no capture", h.call, "watch", id="0" * 16)
        refused("usage", "not the id", h.call, "watch", id="../../etc")
        expect(h.call("remove", id=c.id) == {}, "of another version")


def check_many_spools():
    """More than one answer can hold."""
    spools = [Spool(label="\x01" * (64 << 10)) for _ in range(5)]
    try:
        for s in spools:
            s.save("dump")
        with wire.Helper() as h:
            answer = h.call("spools")
            ids = {s["id"] for s in answer["spools"]}
            expect(answer["truncated"], "truncated")
            expect(0 < len(ids & {s.id for s in spools}) < 5, "some of them")
    finally:
        for s in spools:
            s.__exit__()


def check_tidy():
    now = int(time.time())
    with Spool() as live, Spool() as done, Spool(expires=now - 1) as old, Spool() as dead, \
            Spool(version=2) as other, wire.Helper() as h:
        live.save("dump")
        for s in (done, old, other):
            s.append(b"x")
            s.complete()
        dead.save("dump")
        for s in (old, dead, other):
            s.unlock()

        def tidy(*removed, **params):
            answer = h.call("tidy", **params)
            paths = {s.path for s in (live, done, old, dead, other)}
            expect(paths & set(answer["removed"]) == {s.path for s in removed}, answer)
            return {k["what"]: k["reason"] for k in answer["kept"] if k["what"] in paths}

        kept = tidy(old, dead, dry_run=True)
        expect(os.path.exists(old.path) and os.path.exists(dead.path), "dry")
        expect(tidy(old, dead) == kept, "as announced")
        expect("in use" in kept[live.path] and "jdiag resume" in kept[done.path], kept)
        expect("another version" in kept[other.path], kept)
        expect(not os.path.exists(old.path) and not os.path.exists(dead.path), "gone")
        expect(list(tidy(done, other, finished=True)) == [live.path], "finished ones too")
        expect(not os.path.exists(done.path), "gone")


def check_fifo_is_let_go():
    """A JVM that hangs in opening its FIFO, because the reader was killed, goes on after a tidy."""
    with Spool() as s, wire.Helper() as h:
        fifo = s.path + "/dump/h.hprof"
        os.mkfifo(fifo)
        s.save("dump")
        pid = os.fork()
        if not pid:
            signal.alarm(60)
            status = 1
            try:
                s.unlock()  # this copy of it
                fd = os.open(fifo, os.O_WRONLY)
                while True:
                    os.write(fd, b"x")
            except BrokenPipeError:
                status = 0
            finally:
                os._exit(status)

        def hangs():
            with open("/proc/%d/wchan" % pid) as w, open("/proc/%d/stat" % pid) as st:
                return "partner" in w.read() or st.read().rsplit(")", 1)[1].split()[0] == "S"

        until(hangs, "it hangs")
        s.unlock()
        expect(s.path in h.call("tidy")["removed"], "removed")
        expect(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "it goes on")


def main():
    globals()["check_" + sys.argv[1].replace("-", "_")]()


if __name__ == "__main__":
    main()
