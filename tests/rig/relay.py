#!/usr/bin/env python3
"""A distance on loopback, and a link that breaks (the kernels of test machines have no netem).

    relay.py [OPTION...] PORT_FILE TARGET_PORT [MS]

Listens on a free port of 127.0.0.1, writes it to PORT_FILE and passes each connection on to
127.0.0.1:TARGET_PORT. "up" is from the client to the target, "down" the other way.

    MS, --delay MS     hold each direction's bytes so long (a round trip takes twice that)
    --rate MBIT        a link of so many Mbit/s in each direction, shared by all connections
    --cut DIR:N        break the connection when exactly N bytes have been delivered in direction DIR
                       (up, down; counted for each connection), once. Repeated: one after the other,
                       the second one is for when the first has happened
    --each DIR:N       the same on every connection that gets there (after the --cuts)
    --how HOW          what a break is. reset: both ends get a TCP reset (the default); close: both get
                       an orderly end; stall: nothing is passed on any more and nobody is told
    --log FILE         JSON lines: {"event": "open"|"cut"|"close"|"refused", "connection": from 1,
                       "up", "down": bytes delivered so far, "why", "time": seconds since the epoch}
    --control SOCKET   a unix socket that takes commands

    relay.py --ask SOCKET COMMAND...    sends one command, prints the answer (JSON), 1 on an error

Commands: `cut` (every open connection, now), `cut DIR:N`, `each DIR:N` (as the options; a connection
that is beyond N already breaks at once), `how HOW`, `clear` (no cuts any more), `refuse` (new
connections are reset), `accept`, `delay MS`, `rate MBIT` (0: none), `stats`. Each answers with the
stats: {"connections": so far, "open", "cuts", "up", "down": bytes delivered in all,
"pending": cuts that have not happened}. New connections are taken after each break. SIGTERM ends it.
"""
import argparse
import collections
import fcntl
import json
import os
import socket
import struct
import sys
import termios
import threading
import time

BLOCK = 1 << 18
WAKE = 0.05  # how long a thread may not notice a cut
OTHER = {"up": "down", "down": "up"}


def parse_place(text):
    direction, _, offset = text.partition(":")
    if direction not in OTHER or not offset.isdigit():
        raise ValueError("not DIR:N: " + text)
    return direction, int(offset)


class Link:
    """What all connections share: the rules, the rate, the counters."""

    def __init__(self, options):
        self.lock = threading.RLock()
        self.delay = options.delay / 1000
        self.rate = options.rate * 1e6 / 8  # bytes a second; 0: none
        self.cuts = [parse_place(text) for text in options.cut]
        self.each = [parse_place(text) for text in options.each]
        self.how = options.how
        self.refusing = False
        self.free = {"up": 0.0, "down": 0.0}  # when the link has sent what it took
        self.total = {"up": 0, "down": 0}
        self.connections = {}
        self.count = self.cut_count = 0
        self.log_file = open(options.log, "a", encoding="utf-8") if options.log else None

    def log(self, event, number=0, done=None, why=""):
        if self.log_file:
            entry = {"event": event, "connection": number, **(done or {}), "why": why, "time": time.time()}
            with self.lock:
                self.log_file.write(json.dumps(entry) + "\n")
                self.log_file.flush()

    def due(self, direction, size):
        """When so many bytes that go in now come out."""
        with self.lock:
            start = max(time.monotonic(), self.free[direction])
            self.free[direction] = start + (size / self.rate if self.rate else 0)
            return self.free[direction] + self.delay

    def queue_limit(self):
        """A router's memory: what is under way and a tenth of a second more."""
        return self.rate * (self.delay + 0.1) if self.rate else 64 << 20

    def block(self):
        """Small enough that a slow link is even."""
        return max(2048, min(BLOCK, int(self.rate / 100))) if self.rate else BLOCK

    def room(self, connection, direction):
        """Bytes until the connection breaks, and the rule; None: never."""
        rules = (self.cuts[:1] or self.each)
        found = [max(0, n - connection.done[d]) for d, n in rules if d == direction]
        return min(found, default=None)

    def spent(self, direction):
        if self.cuts and self.cuts[0][0] == direction:
            del self.cuts[0]

    def check(self):
        """Rules have changed: what is beyond one already breaks."""
        for connection in list(self.connections.values()):
            for direction in OTHER:
                if connection.open and self.room(connection, direction) == 0:
                    self.spent(direction)
                    connection.cut("rule")

    def stats(self):
        return {"connections": self.count, "open": len(self.connections), "cuts": self.cut_count,
                "pending": len(self.cuts), **self.total}

    def command(self, words):
        with self.lock:
            name, values = words[0], words[1:]
            if name == "cut" and not values:
                for connection in list(self.connections.values()):
                    connection.cut("command")
            elif name in ("cut", "each"):
                (self.cuts if name == "cut" else self.each).extend(map(parse_place, values))
                self.check()
            elif name == "how" and values[0] in ("reset", "close", "stall"):
                self.how = values[0]
            elif name == "clear":
                self.cuts, self.each = [], []
            elif name in ("refuse", "accept"):
                self.refusing = name == "refuse"
            elif name == "delay":
                self.delay = float(values[0]) / 1000
            elif name == "rate":
                self.rate = float(values[0]) * 1e6 / 8
            elif name != "stats":
                raise ValueError("no such command: " + " ".join(words))
            return self.stats()


class Connection:
    """One client and its target: four threads, a reader and a writer for each direction."""

    def __init__(self, link, number, client, target):
        self.link, self.number = link, number
        self.ends = {"up": (client, target), "down": (target, client)}
        self.done = {"up": 0, "down": 0}
        self.open = True
        self.how = None  # once it is cut
        self.threads = 4
        link.log("open", number, self.done)
        for end in (client, target):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.settimeout(WAKE)
        for direction in OTHER:
            queue = Queue(link)
            for work in (self.take, self.deliver):
                threading.Thread(target=self.run, args=(work, direction, queue), daemon=True).start()

    def run(self, work, direction, queue):
        try:
            work(direction, queue)
        except OSError:
            self.open = False  # an end is gone: so is the other
        with self.link.lock:
            self.threads -= 1
            last = self.threads == 0
        if last:
            self.finish()

    def take(self, direction, queue):
        source = self.ends[direction][0]
        while self.open:
            try:
                data = source.recv(self.link.block())
            except TimeoutError:
                continue
            queue.put(self.link.due(direction, len(data)), data, lambda: self.open)
            if not data:
                return

    def deliver(self, direction, queue):
        out = self.ends[direction][1]
        while self.open:
            due, data = queue.get()
            if data is None:
                continue
            while self.open and time.monotonic() < due:
                time.sleep(min(WAKE, max(0, due - time.monotonic())))
            if not data:
                if self.open:
                    out.shutdown(socket.SHUT_WR)
                return
            self.send(out, direction, memoryview(data))

    def send(self, out, direction, data):
        while len(data) and self.open:
            with self.link.lock:
                room = self.link.room(self, direction)
            try:
                sent = out.send(data[:room] if room is not None else data)
            except TimeoutError:
                continue
            data = data[sent:]
            with self.link.lock:
                self.done[direction] += sent
                self.link.total[direction] += sent
                # a rule that came while the bytes were on their way counts as well
                if self.open and self.link.room(self, direction) == 0:
                    self.link.spent(direction)
                    self.cut("%s:%d" % (direction, self.done[direction]))

    def cut(self, why):
        """With the link's lock held."""
        if self.open:
            self.open, self.how = False, self.link.how
            self.link.cut_count += 1
            self.link.log("cut", self.number, self.done, why)

    def finish(self):
        ends = self.ends["up"]
        if self.how == "stall":
            return  # stays open, silent, until we end; still counted as open
        if self.how == "reset" or self.how is None and not self.open:
            for end in ends:
                wait_delivered(end)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif self.how == "close":
            end_orderly(ends)
        for end in ends:
            end.close()
        with self.link.lock:
            self.link.log("close", self.number, self.done)
            del self.link.connections[self.number]


class Queue:
    """Bytes under way in one direction, at most what a router would hold."""

    def __init__(self, link):
        self.link = link
        self.items = collections.deque()
        self.size = 0
        self.news = threading.Condition()

    def put(self, due, data, still):
        with self.news:
            while self.size > self.link.queue_limit() and still():
                self.news.wait(WAKE)
            self.items.append((due, data))
            self.size += len(data)
            self.news.notify_all()

    def get(self):
        with self.news:
            if not self.items:
                self.news.wait(WAKE)
            if not self.items:
                return 0, None
            due, data = self.items.popleft()
            self.size -= len(data)
            self.news.notify_all()
            return due, data


def wait_delivered(end):
    """A reset throws away what the peer has not acknowledged: until it has, or for 10 seconds."""
    limit = time.monotonic() + 10
    try:
        while time.monotonic() < limit:
            answer = fcntl.ioctl(end.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
            if struct.unpack("i", answer)[0] == 0:
                return
            time.sleep(0.002)
    except OSError:
        pass  # gone already


def end_orderly(ends):
    """Closing with bytes unread would be a reset: take them, until both have ended or for 15 seconds."""
    limit = time.monotonic() + 15
    left = list(ends)
    for end in ends:
        try:
            end.shutdown(socket.SHUT_WR)
        except OSError:
            left.remove(end)
    while left and time.monotonic() < limit:
        for end in list(left):
            try:
                if not end.recv(BLOCK):
                    left.remove(end)
            except TimeoutError:
                pass
            except OSError:
                left.remove(end)


def reset(end):
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def serve(link, server, target_port):
    while True:
        client, _ = server.accept()
        if link.refusing:
            link.log("refused")
            reset(client)
            continue
        try:
            target = socket.create_connection(("127.0.0.1", target_port))
        except OSError as e:
            link.log("refused", why=str(e))
            reset(client)
            continue
        with link.lock:
            link.count += 1
            link.connections[link.count] = Connection(link, link.count, client, target)
            link.check()


def serve_commands(link, server):
    while True:
        asker, _ = server.accept()
        with asker, asker.makefile("rw", encoding="utf-8") as stream:
            try:
                answer = link.command(stream.readline().split())
            except (ValueError, IndexError) as e:
                answer = {"error": str(e)}
            try:
                stream.write(json.dumps(answer) + "\n")
                stream.flush()
            except OSError:
                pass  # did not wait for it


def ask(path, words):
    """The answer to one command; other Python programs use it, too."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall((" ".join(words) + "\n").encode())
        return json.loads(s.makefile(encoding="utf-8").readline())


def main():
    if sys.argv[1:2] == ["--ask"]:
        answer = ask(sys.argv[2], sys.argv[3:])
        print(json.dumps(answer))
        return 1 if "error" in answer else 0
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--delay", type=float, default=0)
    p.add_argument("--rate", type=float, default=0)
    p.add_argument("--cut", action="append", default=[])
    p.add_argument("--each", action="append", default=[])
    p.add_argument("--how", choices=("reset", "close", "stall"), default="reset")
    p.add_argument("--log")
    p.add_argument("--control")
    p.add_argument("port_file")
    p.add_argument("target_port", type=int)
    p.add_argument("ms", type=float, nargs="?")
    options = p.parse_args()
    if options.ms is not None:
        options.delay = options.ms
    link = Link(options)
    server = socket.create_server(("127.0.0.1", 0), backlog=128)
    if options.control:
        if os.path.exists(options.control):
            os.unlink(options.control)
        control = socket.socket(socket.AF_UNIX)
        control.bind(options.control)
        control.listen(16)
        threading.Thread(target=serve_commands, args=(link, control), daemon=True).start()
    with open(options.port_file + ".new", "w", encoding="utf-8") as f:
        f.write("%d\n" % server.getsockname()[1])
    os.rename(options.port_file + ".new", options.port_file)
    serve(link, server, options.target_port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
