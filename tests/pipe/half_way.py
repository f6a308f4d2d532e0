#!/usr/bin/env python3
"""Stop a capture in the middle of the dump: wait for one of that JVM, and leave its drain stopped when
the JVM writes and stands still.

usage: half_way.py PID      prints "watching", then the process ids of capture, drain and guard

The JVM is held while the drain touches its memory and until it has been asked, so that the drain is
stopped before the first byte. That is a moment: this runs before everything else that wants a CPU.
"""
import contextlib
import glob
import json
import os
import signal
import sys
import time

from first import first

SECONDS = 60


def until(look, what):
    end = time.monotonic() + SECONDS
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            sys.exit("did not come true: " + what)
        time.sleep(0.002)


def comm(pid):
    with contextlib.suppress(OSError), open("/proc/%s/comm" % pid) as f:
        return f.read().strip()


def links(pid):
    """Where its descriptors lead to."""
    for fd in glob.glob("/proc/%s/fd/*" % pid):
        with contextlib.suppress(OSError):
            yield os.readlink(fd)


def state(capture):
    """Of the spool whose lock it holds; the spool may be in a mount namespace of its own."""
    for path in links(capture):
        if path.endswith("/lock") and "/.jdiag-" in path:
            with contextlib.suppress(OSError, ValueError):
                with open("/proc/%s/root%s/state" % (capture, os.path.dirname(path))) as f:
                    return json.load(f)
    return {}


def children(pid):
    with contextlib.suppress(OSError), open("/proc/%s/task/%s/children" % (pid, pid)) as f:
        return {comm(child): int(child) for child in f.read().split()}
    return {}


def find(jvm):
    """(capture, drain), when there are both."""
    for path in glob.glob("/proc/[0-9]*"):
        pid = os.path.basename(path)
        if comm(pid) == "jdiag-capture":
            drain = children(pid).get("jdiag-drain")
            if drain and state(pid).get("pid") == jvm:
                return int(pid), drain
    return None


def main():
    jvm = int(sys.argv[1])
    with first():
        print("watching", flush=True)
        capture, drain = until(lambda: find(jvm), "a capture of process %d" % jvm)
        os.kill(jvm, signal.SIGSTOP)
    try:
        until(lambda: state(capture).get("phase") == "dump", "the dump")
        os.kill(drain, signal.SIGSTOP)
        if state(capture).get("raw"):
            os.kill(drain, signal.SIGCONT)
            sys.exit("too late: the JVM has written already")
    finally:
        os.kill(jvm, signal.SIGCONT)
    until(lambda: any("/.jdiag-" in path for path in links(jvm)), "the JVM writes")
    print(capture, drain, children(capture).get("jdiag-guard", 0))


if __name__ == "__main__":
    main()
