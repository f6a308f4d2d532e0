#!/usr/bin/env python3
"""A connection that breaks at a message: the ForceCommand of an sshd.

    cut_frames.py HELPER_SIZE RULES KEEP

Runs the command that was asked for and passes the frames on (remote/wire/PROTOCOL.md). Each connection takes
the first line of the file RULES, if there is one, and breaks, by the end of its sshd:

    OPERATION asked       when a request for it comes: the helper does not get it
    OPERATION answered    when the helper has answered it: the client does not get that
    TYPE N before         when the helper sends its Nth frame of this type (HELLO, PROGRESS, RESULT, ERROR,
    TYPE N half           DATA, END, any): before it, in the middle of it, behind it
    TYPE N after

What a `remove` is about to take away is copied before: KEEP/ID is the artifact as the node has it.
"""
import array
import fcntl
import glob
import json
import os
import re
import signal
import stat
import struct
import subprocess
import sys
import termios
import threading
import time

MAGIC = b"\0JDIAG-WIRE\r\n\x1a\n\0"
TYPES = ("", "HELLO", "REQUEST", "PROGRESS", "RESULT", "ERROR", "DATA", "END", "CANCEL", "PING")
SIZE, RULES, KEEP = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def take_rule():
    """The first line, and no other connection gets it; [] when there is none."""
    try:
        with open(RULES, "r+", encoding="utf-8") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            lines = f.read().splitlines()
            f.seek(0)
            f.truncate()
            f.write("".join(line + "\n" for line in lines[1:]))
            return lines[0].split() if lines else []
    except FileNotFoundError:
        return []


def parts(name):
    return int(re.search(r"\d+$", name)[0])


def keep(capture):
    """Beside and renamed: one that is there is whole."""
    if not re.fullmatch("[0-9a-f]{16}", capture):
        return
    for base in ("/var/lib", "/var/tmp", "/run"):
        files = sorted(glob.glob("%s/.jdiag-%s/data.*" % (base, capture)), key=parts)
        if not files:
            continue
        with open("%s/%s.new" % (KEEP, capture), "wb") as out:
            for name in files:
                with open(name, "rb") as part:
                    out.write(part.read())
        os.rename("%s/%s.new" % (KEEP, capture), "%s/%s" % (KEEP, capture))


def exactly(stream, n):
    data = stream.read(n)
    if len(data) < n:
        raise EOFError
    return data


def unread(fd):
    """Bytes that were written and that sshd has not taken yet."""
    answer = array.array("i", [0])
    is_socket = stat.S_ISSOCK(os.fstat(fd).st_mode)
    fcntl.ioctl(fd, termios.TIOCOUTQ if is_socket else termios.FIONREAD, answer)
    return answer[0]


class Cut(Exception):
    pass


class Line:
    def __init__(self, command, rule):
        self.rule = rule
        self.asked = {}  # request -> operation
        self.seen = 0  # frames of the type of the rule
        self.helper = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def cut(self):
        limit = time.monotonic() + 5
        while unread(1) and time.monotonic() < limit:
            time.sleep(0.005)
        time.sleep(0.02)  # sshd has it, and sends it; if it does not, another byte is the last one
        os.kill(os.getppid(), signal.SIGKILL)
        raise Cut

    def up(self):
        source, out = sys.stdin.buffer, self.helper.stdin
        left = SIZE
        while left:
            data = source.read1(min(left, 1 << 16))
            if not data:
                raise EOFError
            out.write(data)
            out.flush()
            left -= len(data)
        while True:
            head = exactly(source, 9)
            length, kind, request = struct.unpack(">IBI", head)
            body = exactly(source, length)
            if TYPES[kind] == "REQUEST":
                parameters = json.loads(body)
                self.asked[request] = parameters["op"]
                if self.rule == [parameters["op"], "asked"]:
                    self.cut()
                if parameters["op"] == "remove":
                    keep(parameters.get("id", ""))
            out.write(head + body)
            out.flush()

    def down(self):
        source, out = self.helper.stdout, sys.stdout.buffer
        noise = b""
        while not noise.endswith(MAGIC):
            noise += exactly(source, 1)
        out.write(noise)
        while True:
            head = exactly(source, 9)
            length, kind, request = struct.unpack(">IBI", head)
            self.pass_frame(out, TYPES[kind], request, head + exactly(source, length))

    def pass_frame(self, out, kind, request, data):
        if kind in ("RESULT", "ERROR") and self.rule == [self.asked.get(request), "answered"]:
            self.cut()
        self.seen += self.rule[:1] in ([kind], ["any"])
        place = self.rule[2] if self.rule[1:2] == [str(self.seen)] and self.rule[0] in (kind, "any") else ""
        out.write({"before": b"", "half": data[:len(data) // 2]}.get(place, data))
        out.flush()
        if place:
            self.cut()

    def run(self, work, at_end):
        try:
            work()
        except (EOFError, OSError, ValueError):
            at_end()
        except Cut:
            os._exit(1)  # and the helper's streams end

    def close_helper(self):
        try:
            self.helper.stdin.close()
        except OSError:
            pass

    def serve(self):
        threading.Thread(target=self.run, args=(self.up, self.close_helper), daemon=True).start()
        self.run(self.down, lambda: None)
        return self.helper.wait()


def main():
    command = os.environ.get("SSH_ORIGINAL_COMMAND", "true")
    status = Line(command, take_rule()).serve()
    sys.stdout.flush()
    os._exit(status & 255 if status >= 0 else 128)


main()
