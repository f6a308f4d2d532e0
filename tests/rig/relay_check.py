#!/usr/bin/env python3
"""Does relay.py do what it says? relay_check.py NAME: one of the functions below."""
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
RIG = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, RIG)
from relay import ask  # noqa: E402

DEADLINE = 20


class Echo:
    """A target that sends back what it gets, and keeps it."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.got = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            end, _ = self.server.accept()
            kept = bytearray()
            self.got.append(kept)
            threading.Thread(target=self.echo, args=(end, kept), daemon=True).start()

    @staticmethod
    def echo(end, kept):
        with end, contextlib.suppress(OSError):
            while data := end.recv(65536):
                kept += data
                end.sendall(data)


class Relay:
    def __init__(self, target, *options):
        self.dir = tempfile.TemporaryDirectory()
        self.path = self.dir.name + "/control"
        self.process = subprocess.Popen([RIG + "/relay.py", "--control", self.path, "--log", self.dir.name + "/log",
                                         *options, self.dir.name + "/port", str(target.port)])
        until(lambda: os.path.exists(self.dir.name + "/port"))
        with open(self.dir.name + "/port", encoding="utf-8") as f:
            self.port = int(f.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.dir.cleanup()

    def connect(self):
        end = socket.create_connection(("127.0.0.1", self.port))
        end.settimeout(DEADLINE)
        return end

    def ask(self, *words):
        return ask(self.path, words)

    def log(self):
        with open(self.dir.name + "/log", encoding="utf-8") as f:
            return [json.loads(line) for line in f]


def until(true):
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "did not come true"
        time.sleep(0.01)


def same(found, wanted):
    assert found == wanted, "%.200r instead of %.200r" % (found, wanted)


def read_to_end(end):
    """What comes until the end, and how it ends: "eof", "reset"."""
    got = bytearray()
    try:
        while data := end.recv(65536):
            got += data
        return got, "eof"
    except ConnectionResetError:
        return got, "reset"


def talk(relay, data):
    """Send it all in one connection, read the echo; what arrived, and how it ended."""
    with relay.connect() as end:
        answer = []
        reader = threading.Thread(target=lambda: answer.append(read_to_end(end)))
        reader.start()
        ending = None
        try:
            end.sendall(data)
            end.shutdown(socket.SHUT_WR)
        except OSError:
            ending = "reset"  # the kernel tells it to one of us only
        reader.join(DEADLINE)
        return answer[0][0], ending or answer[0][1]


def pattern(size):
    return random.Random(size).randbytes(size)


def passes_everything():
    target = Echo()
    data = pattern(5_000_000)
    with Relay(target) as relay:
        same(talk(relay, data), (data, "eof"))
        until(lambda: relay.ask("stats")["open"] == 0)
        stats = relay.ask("stats")
        same((stats["up"], stats["down"], stats["cuts"]), (len(data), len(data), 0))
        same([e["event"] for e in relay.log()], ["open", "close"])


def cuts_at_the_byte():
    target = Echo()
    data = pattern(1_000_000)
    for how, ending in (("reset", "reset"), ("close", "eof")):
        for offset in (1, 4096, 300_001, 999_999):
            with Relay(target, "--cut", "down:%d" % offset, "--how", how) as relay:
                same(talk(relay, data), (data[:offset], ending))
                same(relay.log()[1]["down"], offset)
                same(talk(relay, data), (data, "eof"))  # once
                same(relay.ask("stats")["cuts"], 1)


def cuts_the_way_up():
    target = Echo()
    data = pattern(500_000)
    with Relay(target, "--each", "up:123456") as relay:
        for n in range(3):
            same(talk(relay, data)[1], "reset")
            until(lambda n=n: len(target.got) == n + 1 and len(target.got[n]) == 123456)
        relay.ask("clear")
        same(talk(relay, data), (data, "eof"))
    same([len(kept) for kept in target.got], [123456] * 3 + [len(data)])


def cuts_one_after_the_other():
    target = Echo()
    data = pattern(200_000)
    with Relay(target, "--cut", "down:70000", "--cut", "down:10", "--each", "down:100000") as relay:
        same([len(talk(relay, data)[0]) for _ in range(4)], [70000, 10, 100000, 100000])
        same(relay.ask("stats")["pending"], 0)


def cuts_at_nothing():
    with Relay(Echo(), "--cut", "down:0") as relay:
        same(talk(relay, b"x"), (b"", "reset"))
        same(talk(relay, b"x"), (b"x", "eof"))


def cuts_on_command():
    target = Echo()
    with Relay(target) as relay, relay.connect() as first, relay.connect() as second:
        for end in (first, second):
            end.sendall(b"hello")
            same(end.recv(5), b"hello")
        relay.ask("cut", "down:6")
        first.sendall(b"123")
        same(read_to_end(first), (b"1", "reset"))
        second.sendall(b"5")
        same(second.recv(1), b"5")
        same(relay.ask("cut")["cuts"], 2)
        same(read_to_end(second), (b"", "reset"))
        relay.ask("refuse")
        try:
            with relay.connect() as refused:
                same(read_to_end(refused), (b"", "reset"))
        except ConnectionResetError:
            pass
        relay.ask("accept")
        same(talk(relay, b"again"), (b"again", "eof"))
        assert "error" in relay.ask("cut", "sideways:1") and "error" in relay.ask("dance")


def breaks_what_is_beyond():
    with Relay(Echo()) as relay, relay.connect() as end:
        end.sendall(b"hello")
        same(end.recv(5), b"hello")
        relay.ask("cut", "up:3")
        same(read_to_end(end), (b"", "reset"))
        same(relay.ask("stats")["pending"], 0)


def stalls():
    with Relay(Echo(), "--how", "stall", "--cut", "down:3") as relay, relay.connect() as end:
        end.sendall(b"hello")
        got = b""
        while len(got) < 3:
            got += end.recv(5)
        same(got, b"hel")
        end.settimeout(0.5)
        try:
            same(end.recv(5), "nothing")
        except TimeoutError:
            pass
        same(talk(relay, b"another"), (b"another", "eof"))


def is_far_away():
    with Relay(Echo(), "--delay", "50") as relay, relay.connect() as end:
        times = []
        for _ in range(5):
            start = time.monotonic()
            end.sendall(b"x")
            same(end.recv(1), b"x")
            times.append(time.monotonic() - start)
        # A lower bound only: how late a busy machine is, nobody knows.
        assert min(times) >= 0.1, times
        relay.ask("delay", "0")


def is_narrow():
    data = pattern(1_000_000)
    with Relay(Echo(), "--rate", "16") as relay:
        start = time.monotonic()
        same(talk(relay, data), (data, "eof"))
        took = time.monotonic() - start
        assert took >= 0.5 * 0.95, took  # 2 MB/s, both ways at once


def ends_with_an_end():
    """A client that resets, a target that is not there."""
    target = Echo()
    with Relay(target) as relay:
        end = relay.connect()
        end.sendall(b"hello")
        same(end.recv(5), b"hello")
        end.close()
        until(lambda: relay.ask("stats")["open"] == 0)
        target.server.close()
    with socket.create_server(("127.0.0.1", 0)) as unused:
        target.port = unused.getsockname()[1]
    with Relay(target) as relay:
        same(talk(relay, b"x")[1], "reset")
        same(relay.log()[0]["event"], "refused")


if __name__ == "__main__":
    globals()[sys.argv[1]]()
