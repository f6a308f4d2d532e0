#!/usr/bin/env python3
"""HotSpot's attach protocol for the benchmarks, written apart from jdiag's: attach.py PID COMMAND...

PID is the JVM's on this machine; it may be in a container. COMMAND is a diagnostic command as jcmd takes
it ("GC.heap_dump -all -overwrite /dev/null"); its answer goes to standard output. Needs root.
"""
import os
import re
import signal
import socket
import sys
import time

DEADLINE = 40  # seconds for the JVM to open its socket


def status(pid, field):
    with open("/proc/%d/status" % pid, encoding="utf-8") as f:
        return re.search(r"^%s:\s+(.*)$" % field, f.read(), re.M)[1].split()


def wake(pid, name):
    """No socket yet: a file tells the JVM that the signal means one."""
    trigger = ".attach_pid" + name
    os.close(os.open(trigger, os.O_CREAT | os.O_WRONLY, 0o600))
    try:
        os.kill(pid, signal.SIGQUIT)
        end = time.monotonic() + DEADLINE
        while not os.path.exists(".java_pid" + name):
            if time.monotonic() > end:
                raise TimeoutError("the JVM does not open its socket")
            time.sleep(0.01)
    finally:
        os.unlink(trigger)


def ask(pid, words):
    """As the JVM's user, in the JVM's /tmp."""
    name = status(pid, "NSpid")[-1]
    if not os.path.exists(".java_pid" + name):
        wake(pid, name)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(".java_pid" + name)
        s.sendall(b"".join(part.encode() + b"\0" for part in ("1", "jcmd", " ".join(words), "", "")))
        while data := s.recv(65536):
            os.write(1, data)


def main():
    pid = int(sys.argv[1])
    uid, gid = int(status(pid, "Uid")[1]), int(status(pid, "Gid")[1])
    os.chdir("/proc/%d/root/tmp" % pid)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    ask(pid, sys.argv[2:])


if __name__ == "__main__":
    main()
