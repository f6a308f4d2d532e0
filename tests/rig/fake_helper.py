#!/usr/bin/env python3
"""A helper for tests of the way to it: pushed in place of the real one (ssh-probe -H), it says hello
and answers a few operations that ask what became of it on the node."""
import json
import os
import struct
import sys

MAGIC = b"\0JDIAG-WIRE\r\n\x1a\n\0"
HELLO, REQUEST, PROGRESS, RESULT, ERROR, DATA, END, CANCEL, PING = range(1, 10)
out, inp = sys.stdout.buffer, sys.stdin.buffer


def send(kind, request, body=b""):
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    out.write(struct.pack(">IBI", len(body), kind, request) + body)
    out.flush()


def receive():
    head = inp.read(9)
    if len(head) < 9:
        sys.exit(0)
    length, kind, request = struct.unpack(">IBI", head)
    return kind, request, inp.read(length)


def answer(request, op):
    if op == "where":
        me = os.path.dirname(sys.argv[0])
        with open("/proc/self/mountinfo") as f:
            mounts = [line.split() for line in f]
        mine = [m for m in mounts if m[4] == me]
        send(RESULT, request, {"path": sys.argv[0], "euid": os.geteuid(), "mounts": mine,
                               "namespace": os.readlink("/proc/self/ns/mnt")})
    elif op == "write-self":
        try:
            open(sys.argv[0], "r+b").close()
            send(RESULT, request, {"writable": True})
        except OSError as e:
            send(RESULT, request, {"writable": False, "error": e.strerror})
    elif op == "stream":
        chunk = bytes(262144)
        for i in range(400):
            send(DATA, request, struct.pack(">Q", i * len(chunk)) + chunk)
        send(END, request, {"length": 400 * len(chunk), "sha256": ""})
    elif op == "die":
        print("about to die", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)
    elif op == "wait":
        pass
    else:
        send(ERROR, request, {"code": "refused", "errno": 0, "message": "no such \x1b[31mop",
                              "hint": "none"})


send_hello = {"min": 1, "max": 1, "program": "fake", "version": "0", "capabilities": [],
              "arch": "x86_64", "kernel": "", "euid": os.geteuid(), "pid": os.getpid()}
out.write(MAGIC)
send(HELLO, 0, send_hello)
while True:
    kind, request, body = receive()
    if kind == REQUEST:
        answer(request, json.loads(body)["op"])
