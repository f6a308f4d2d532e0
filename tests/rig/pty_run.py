#!/usr/bin/env python3
"""Run a program on a terminal of its own and type for it.

    pty_run.py [--type TEXT]... [--signal NAME] [--before COMMAND] [--timeout S] -- PROGRAM ARGUMENT...

Each --type waits for a prompt (": " at the end of what is shown, echo off; with --prompt TEXT: that, echo
or not) and types TEXT and Enter.
--before runs a command of the shell at the first prompt, and types when it has ended.
--signal sends a signal at the prompt instead. What the terminal showed goes to stdout, then a line
"echo is on" or "echo is off", as the program left it. The status is the program's (128 + signal).
"""
import argparse
import fcntl
import os
import select
import signal
import subprocess
import sys
import termios
import time

parser = argparse.ArgumentParser()
parser.add_argument("--type", action="append", default=[])
parser.add_argument("--prompt")
parser.add_argument("--signal")
parser.add_argument("--before")
parser.add_argument("--timeout", type=float, default=60)
parser.add_argument("argv", nargs="+")
args = parser.parse_args()

# The slave stays open here, too, so that the terminal's state can be read after the program has ended.
master, slave = os.openpty()
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in 0, 1, 2:
        os.dup2(slave, fd)
    os.execvp(args.argv[0], args.argv)


def echo_on():
    return bool(termios.tcgetattr(slave)[3] & termios.ECHO)


def prompted():
    if args.prompt:
        return shown[seen:].endswith(args.prompt.encode())
    return shown[seen:].endswith(b": ") and not echo_on()


shown = b""
seen = 0
answers = list(args.type)
deadline = time.monotonic() + args.timeout
status = None
while True:
    readable, _, _ = select.select([master], [], [], 0.02)
    if readable:
        shown += os.read(master, 65536)
        continue
    if status is not None:
        break
    done, raw = os.waitpid(pid, os.WNOHANG)
    if done:
        status = os.waitstatus_to_exitcode(raw)
        continue
    if prompted():
        seen = len(shown)
        if args.before:
            subprocess.run(args.before, shell=True, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
            args.before = None
        if args.signal:
            os.kill(pid, getattr(signal, args.signal))
            args.signal = None
        elif answers:
            os.write(master, answers.pop(0).encode() + b"\n")
    if time.monotonic() > deadline:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        sys.stdout.buffer.write(shown)
        print("\ntimed out")
        sys.exit(124)
sys.stdout.buffer.write(shown.replace(b"\r\n", b"\n"))
print("echo is on" if echo_on() else "echo is off")
sys.exit(status if status >= 0 else 128 - status)
