#!/usr/bin/env python3
"""Checks of the helper's survey and connect, each against a process that pretends to be a JVM in a
network namespace of its own (pod.py): `podnet.py CHECK`. JDIAG_HELPER names the helper."""

import errno
import os
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pod  # noqa: E402
import wire  # noqa: E402

CREDIT = 256 << 10
PIECE = 128 << 10  # the last 64 KiB may stay unconfirmed


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def reference(pid):
    return {"pid": pid, "start_time": wire.start_time(pid), "container": ""}


class Connection:
    """One `connect`, from PROGRESS "connected" on."""

    def __init__(self, h, pid, port, **more):
        self.h, self.sent, self.got, self.taken = h, 0, 0, 0
        self.data = bytearray()
        self.id = h.request("connect", port=port, **reference(pid), **more)
        self.address = self.take()["connected"]

    def take(self):
        """The next frame: a PROGRESS's body, bytes, or ("end", body)."""
        kind, request, body = self.h.next()
        expect(request == self.id or (kind == wire.ERROR and not request), "another request")
        if kind == wire.ERROR:
            raise wire.RemoteError(body)
        if kind == wire.END:
            expect(body["length"] == self.got, "length %s, not %d" % (body, self.got))
            return "end", body
        if kind == wire.DATA:
            expect(struct.unpack(">Q", body[:8])[0] == self.got, "DATA out of order")
            self.got += len(body) - 8
            return body[8:]
        if "taken" in body:
            expect(self.taken < body["taken"] <= self.sent, "taken: %s" % body)
            self.taken = body["taken"]
        return body

    def send(self, data):
        for at in range(0, len(data), PIECE):
            piece = data[at:at + PIECE]
            while self.sent + len(piece) - self.taken > CREDIT:
                got = self.take()
                if isinstance(got, bytes):
                    self.data += got
            self.h.send(wire.DATA, self.id, struct.pack(">Q", self.sent) + piece)
            self.sent += len(piece)

    def receive(self, n):
        while len(self.data) < n:
            got = self.take()
            if isinstance(got, bytes):
                self.data += got
        taken = bytes(self.data[:n])
        del self.data[:n]
        return taken

    def cancel(self):
        self.h.cancel(self.id)
        try:
            while True:
                self.take()
        except wire.RemoteError as e:
            expect(e.code == "interrupted", str(e))


def fails(call, code, number, *words):
    try:
        call()
    except wire.RemoteError as e:
        expect(e.code == code and (number is None or e.errno == number), "%s, %s" % (e, e.errno))
        for word in words:
            expect(word in e.message, "no %r in %s" % (word, e))
        return
    raise AssertionError("it did not fail")


# ---- survey ----

def check_survey():
    with pod.Pod("echo") as p, wire.Helper() as h:
        s = h.call("survey", **reference(p.pid))
        expect([(x["address"], x["port"]) for x in s["listening"]] == [("127.0.0.1", p.port)],
               "another namespace's sockets: %s" % s["listening"])
        expect(s["own"] == [p.port], "own: %s" % s["own"])
        expect(not s["jars"] and not s["agents"] and not s["security_manager"], str(s))
        expect(not s["truncated"] and not s["crowded"], "truncated")
    with pod.Pod("v6") as p, wire.Helper() as h:
        s = h.call("survey", **reference(p.pid))
        expect([(x["address"], x["port"]) for x in s["listening"]] == [("::1", p.port)], str(s))


def check_not_its_own():
    """A port of the namespace that another process has."""
    with pod.Pod("nobody") as p, wire.Helper() as h:
        other = subprocess.Popen(
            ["nsenter", "--net=/proc/%d/ns/net" % p.pid, sys.executable, "-c",
             "import socket, sys; s = socket.socket(); s.bind(('0.0.0.0', 0)); s.listen(); "
             "print(s.getsockname()[1], flush=True); sys.stdin.read()"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        port = int(other.stdout.readline())
        try:
            s = h.call("survey", **reference(p.pid))
            expect([(x["address"], x["port"]) for x in s["listening"]] == [("0.0.0.0", port)],
                   str(s))
            expect(s["own"] == [], str(s))
        finally:
            other.stdin.close()
            other.wait()


def check_bind():
    """What is in the way of a listener and is no listener itself: a connection's own end."""
    with pod.Pod("nobody") as p, wire.Helper() as h:
        other = subprocess.Popen(
            ["nsenter", "--net=/proc/%d/ns/net" % p.pid, sys.executable, "-c",
             "import socket, sys; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); "
             "c = socket.create_connection(s.getsockname()); "
             "print(c.getsockname()[1], flush=True); sys.stdin.read()"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        port = int(other.stdout.readline())
        try:
            s = h.call("survey", port=port, **reference(p.pid))
            expect(port not in [x["port"] for x in s["listening"]], str(s))
            expect(s["bind"] == errno.EADDRINUSE, str(s))
            fails(lambda: h.call("ask", command="jcmd", unless_port=port, **reference(p.pid)),
                  "refused", errno.EADDRINUSE, "cannot listen on port %d" % port)
        finally:
            other.stdin.close()
            other.wait()
        s = h.call("survey", port=p.port, variable="PATH", **reference(p.pid))
        expect(s["bind"] == 0 and s["variable"], str(s))
        s = h.call("survey", variable="PAT", **reference(p.pid))
        expect("bind" not in s and not s["variable"], str(s))
        fails(lambda: h.call("survey", port=65536, **reference(p.pid)), "failed", None, "port")


def check_not_asked():
    """Whatever is in the way before the JVM is asked: the error says that it was told nothing."""
    with pod.Pod("nobody") as p, wire.Helper() as h:
        def ask(code, **more):
            fails(lambda: h.call("ask", **dict(reference(p.pid), command="load", **more)), code,
                  errno.ENOTCONN)

        ask("target", start_time=wire.start_time(p.pid) + 1)
        ask("target", container="0" * 64)
        ask("target", pid=os.getpid(), start_time=1)
        ask("target", pid=os.getpid(), start_time=wire.start_time(os.getpid()))
        ask("failed", unless_port=65536)
        ask("failed", needs="x")
        ask("failed", args=["1", "2", "3", "4"])
        fails(lambda: h.call("ask", command="load", needs="/nowhere", **reference(p.pid)),
              "refused", errno.ENOENT, "could not read '/nowhere'")


def check_unanswered():
    """Who was told to take a port and has not answered may yet take it: as long as the helper lives
    that was asked to tell it, nobody else is told."""
    with pod.Pod("attached", "0\nok", "", "", "0\nok") as p:
        try:
            def load(h, port, timeout):
                return h.ask(p.pid, "load", timeout=timeout, container="", unless_port=port)

            with wire.Helper() as h, wire.Helper() as other:
                load(h, p.port, 20000)  # answered: the port is given back
                fails(lambda: load(h, p.port, 6000), "attach", errno.ETIMEDOUT)
                for who in h, other:
                    fails(lambda: load(who, p.port, 20000), "refused", errno.EADDRINUSE,
                          "port %d is about to be another JVM's" % p.port)
                fails(lambda: load(other, p.port + 1, 6000), "attach", errno.ETIMEDOUT)
            with wire.Helper() as h:
                load(h, p.port, 20000)
        finally:
            os.unlink("/tmp/.java_pid%d" % p.pid)


def check_files():
    with tempfile.TemporaryDirectory() as d:
        names = [os.path.join(d, n) for n in ("gone.jar", "a b\n.jar", "x.txt", "jar")]
        with pod.Pod("files", *names) as p, wire.Helper() as h:
            s = h.call("survey", **reference(p.pid))
            expect(sorted(s["jars"]) == sorted(names[:2]), "jars: %s" % s["jars"])


def check_options():
    env = {"JAVA_TOOL_OPTIONS": "-javaagent:'/x y/a.jar=SECRET' -agentpath:/l.so=SECRET",
           "_JAVA_OPTIONS": "-Djava.security.manager=allow"}
    with pod.Pod("echo", "-javaagent:/b.jar=9404:SECRET", "-Djava.security.manager",
                 env=env) as p, wire.Helper() as h:
        s = h.call("survey", **reference(p.pid))
        expect(s["agents"] == ["/x y/a.jar", "/l.so", "/b.jar"], str(s["agents"]))
        expect(not s["security_manager"], "the last option counts")
        expect("SECRET" not in str(s), "a secret")
    with pod.Pod("echo", env={"JDK_JAVA_OPTIONS": "-Djava.security.manager"}) as p:
        with wire.Helper() as h:
            expect(h.call("survey", **reference(p.pid))["security_manager"], "no manager")


def check_crowd():
    """65535 sockets: bounded, said, and soon."""
    with pod.Pod("crowd", "65535") as p, wire.Helper() as h:
        before = time.monotonic()
        s = h.call("survey", **reference(p.pid))
        expect(len(s["listening"]) == 4096, "%d" % len(s["listening"]))
        expect(s["crowded"] and s["truncated"], "not said")
        expect(0 < len(s["own"]) <= 4096, "own: %d" % len(s["own"]))
        expect(time.monotonic() - before < 25, "it took too long")


def check_wrong_process():
    with pod.Pod("echo") as p, wire.Helper() as h:
        for op, more in (("survey", {}), ("connect", {"port": p.port})):
            r = reference(p.pid)
            r["start_time"] += 1
            fails(lambda: h.call(op, **r, **more), "target", None)
            fails(lambda: h.call(op, pid=0, start_time=1, container="", **more), "failed", None)
            fails(lambda: h.call(op, **dict(reference(p.pid), container="0" * 64), **more),
                  "target", None, "is not in container")


# ---- connect ----

def check_echo():
    with pod.Pod("echo") as p, wire.Helper() as h:
        c = Connection(h, p.pid, p.port)
        expect(c.address == "127.0.0.1", c.address)
        c.send(b"hello")
        expect(c.receive(5) == b"hello", "echo")
        data = os.urandom(3 << 20)
        c.send(data)
        expect(c.receive(len(data)) == data, "what came back differs")
        c.cancel()
        # another one on the same helper, and the rest of it works
        c = Connection(h, p.pid, p.port)
        h.call("survey", **reference(p.pid))
        c.cancel()


def check_addresses():
    with pod.Pod("v6") as p, wire.Helper() as h:
        expect(Connection(h, p.pid, p.port).address == "::1", "not ::1")
        fails(lambda: Connection(h, p.pid, p.port, address="127.0.0.1"), "failed",
              errno.ECONNREFUSED)
        expect(Connection(h, p.pid, p.port, address="::1").address == "::1", "not ::1")
    with pod.Pod("interface") as p, wire.Helper() as h:
        expect(Connection(h, p.pid, p.port, address="10.1.2.3").address == "10.1.2.3", "not d0")
        fails(lambda: Connection(h, p.pid, p.port), "failed", errno.ECONNREFUSED)
        for address in ("10.1.2.4", "8.8.8.8", "0.0.0.0", "::", "fe80::1", "224.0.0.1"):
            fails(lambda: Connection(h, p.pid, p.port, address=address), "failed",
                  errno.EADDRNOTAVAIL, address)
        for address in ("localhost", "::ffff:10.1.2.3", "10.1.2.3 ", "1" * 45, "127.1"):
            fails(lambda: Connection(h, p.pid, p.port, address=address), "usage", None, address)
        fails(lambda: Connection(h, p.pid, p.port, address="1" * 99), "failed", None)
        for port in (0, 65536):
            fails(lambda: Connection(h, p.pid, port), "usage", None, "port")


def check_refused():
    with pod.Pod("nobody") as p, wire.Helper() as h:
        fails(lambda: Connection(h, p.pid, p.port), "failed", errno.ECONNREFUSED, str(p.port),
              "refused")


def check_busy():
    with pod.Pod("busy") as p, wire.Helper() as h:
        before = time.monotonic()
        fails(lambda: Connection(h, p.pid, p.port, address="127.0.0.1"), "failed",
              errno.ETIMEDOUT)
        expect(9 < time.monotonic() - before < 28, "not after 10 s")


def check_ends():
    with pod.Pod("close") as p, wire.Helper() as h:
        expect(Connection(h, p.pid, p.port).take()[0] == "end", "no end")
    with pod.Pod("reset") as p, wire.Helper() as h:
        def until_reset():  # which may come before we have seen that we are connected
            c = Connection(h, p.pid, p.port)
            while True:
                c.take()
        for _ in range(10):
            fails(until_reset, "failed", errno.ECONNRESET)
    with pod.Pod("hang") as p, wire.Helper() as h:
        c = Connection(h, p.pid, p.port)
        c.cancel()
    with pod.Pod("hang") as p, wire.Helper() as h:
        Connection(h, p.pid, p.port)  # the helper ends with it open
    with pod.Pod("hang") as p, wire.Helper() as h:
        c = Connection(h, p.pid, p.port)
        p.process.kill()
        p.process.wait()
        try:
            expect(c.take()[0] == "end", "no end")
        except wire.RemoteError as e:
            expect(e.errno == errno.ECONNRESET, str(e))


def check_flood():
    """1 GiB, of which we take a part; the helper does not keep what we do not read."""
    with pod.Pod("flood") as p, wire.Helper() as h:
        c = Connection(h, p.pid, p.port)
        c.receive(64 << 20)
        time.sleep(1)
        with open("/proc/%d/status" % h.process.pid) as f:
            rss = next(int(x.split()[1]) for x in f if x.startswith("VmRSS"))
        expect(rss < 64 << 10, "the helper has %d KiB" % rss)
        c.cancel()
        expect(c.got < 256 << 20, "it went on for %d bytes" % c.got)


def check_slow_reader():
    """What the other side does not take stays with us: the credit holds, and all of it arrives."""
    with pod.Pod("slow") as p, wire.Helper() as h:
        c = Connection(h, p.pid, p.port)
        c.send(b"y" * (4 << 20))
        expect(c.receive(7) == b"4194304", "not all arrived")
        expect(c.take()[0] == "end", "no end")


def check_credit():
    """A client that sends more than it may is told so; the helper goes on."""
    with pod.Pod("hang") as p, wire.Helper() as h:
        c = Connection(h, p.pid, p.port)
        piece = b"z" * CREDIT

        def flood():
            for i in range(64):  # more than any socket buffer
                h.send(wire.DATA, c.id, struct.pack(">Q", i * CREDIT) + piece)
                c.sent += CREDIT
            while True:
                c.take()

        fails(flood, "failed", None, "on the way")
        h.call("survey", **reference(p.pid))


def check_no_leftovers():
    """However a connection ends, descriptors and children of the helper go with it."""
    with pod.Pod("echo") as p, wire.Helper() as h:
        def held():
            return (sorted(os.listdir("/proc/%d/fd" % h.process.pid)),
                    os.readlink("/proc/%d/fd/0" % h.process.pid),
                    open("/proc/%d/task/%d/children" % (h.process.pid, h.process.pid)).read())
        h.call("survey", **reference(p.pid))
        before = held()
        for _ in range(20):
            Connection(h, p.pid, p.port).cancel()
            Connection(h, p.pid, p.port, address="127.0.0.1").cancel()
            id = h.request("connect", port=p.port, **reference(p.pid))
            h.cancel(id)
            try:
                h.wait(id)
            except wire.RemoteError:
                pass
            fails(lambda: Connection(h, p.pid, 1), "failed", errno.ECONNREFUSED)
        end = time.monotonic() + 20
        while held() != before:
            expect(time.monotonic() < end, "%s, not %s" % (held(), before))
            time.sleep(0.05)
        h.call("survey", **reference(p.pid))


def main():
    globals()["check_" + sys.argv[1].replace("-", "_")]()


if __name__ == "__main__":
    main()
