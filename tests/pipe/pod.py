#!/usr/bin/env python3
"""Pretends to be a JVM that serves TCP, in a network namespace of its own, for the tests of survey
and connect: `pod.py MODE [ARGUMENT]`. It says "ready PORT" and lives until its standard input ends.

    with pod.Pod("echo") as p: ... p.pid, p.port
"""

import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PIECE = b"x" * 65536


class Pod:
    def __init__(self, mode, *arguments, env=None):
        serve = 'ip link set lo up; exec "$@"'
        self.process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", serve, "sh", sys.executable, os.path.abspath(__file__),
             mode, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ, **(env or {})))
        self.pid = self.process.pid
        line = self.process.stdout.readline().split()
        if line[:1] != [b"ready"]:
            raise Exception("the pod did not start")
        self.port = int(line[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


# ---- inside ----

def look_like_a_jvm():
    """A mapped libjvm.so and a handler for SIGQUIT are what the helper looks for."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "libjvm.so")
        with open(path, "wb+") as f:
            f.write(b"\0" * 4096)
            f.flush()
            keep = mmap.mmap(f.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
    signal.signal(signal.SIGQUIT, lambda *_: None)
    return keep


def echo(c):
    while True:
        data = c.recv(65536)
        if not data:
            return
        c.sendall(data)


def flood(c):
    for _ in range(16384):  # 1 GiB
        c.sendall(PIECE)


def garbage(c):
    c.sendall(bytes(range(256)) * 4096)


def hang(_):
    time.sleep(3600)


def close(_):
    pass


def reset(c):
    c.sendall(b"before the end")
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def slow(c):
    """Takes nothing until it is told to, then says how much that was."""
    time.sleep(1)
    got = 0
    while True:
        data = c.recv(1 << 20)
        got += len(data)
        if not data or got >= 4 << 20:
            break
    c.sendall(b"%d" % got)


def attached(s, answers, keep):
    """"": it says nothing and keeps the connection."""
    for answer in answers:
        keep.append(s.accept()[0])
        if answer:
            keep[-1].recv(65536)
            keep.pop().sendall(answer.encode())


def page(body, kind="text/plain; version=0.0.4"):
    head = "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
    return head.encode() + body


def metrics(c):
    c.recv(65536)
    c.sendall(page(b"# TYPE jmx_scrape_error gauge\njmx_scrape_error 0.0\njvm_x 1\n"))


def gigabyte(c):
    c.recv(65536)
    c.sendall(page(b"jvm_x 1\n").replace(b"Content-Length: 8", b"Content-Length: 1073741824"))
    flood(c)


def headers(c):
    c.recv(65536)
    c.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        c.sendall(b"X: " + PIECE[:1000] + b"\r\n")


def html(c):
    c.recv(65536)
    c.sendall(page(b"<html>hello</html>", "text/html"))


def openmetrics(c):
    """As the exporter does: by what is asked for."""
    asked = c.recv(65536)
    body = b"# TYPE jmx_x counter\njmx_x_total 1\n# EOF\n"
    if b"\r\nAccept: application/openmetrics-text;version=1.0.0," in asked:
        c.sendall(page(body, "application/openmetrics-text; version=1.0.0"))


def drip(c):
    """A byte now and then: nothing that is silent, and no end."""
    c.recv(65536)
    for byte in page(b"# " + PIECE):
        c.sendall(bytes([byte]))
        time.sleep(0.2)


def large(c):
    """As many samples as an application server has."""
    c.recv(65536)
    c.sendall(page(b"".join(b'jvm_x{a="%d"} %d\n' % (i, i) for i in range(100000))))


SERVERS = {f.__name__: f for f in (
    echo, flood, garbage, hang, close, reset, slow, metrics, gigabyte, headers, html, openmetrics, drip,
    large)}


def serve(listener, server):
    while True:
        c, _ = listener.accept()

        def run(c=c):
            with c:
                try:
                    server(c)
                except OSError:
                    pass

        threading.Thread(target=run, daemon=True).start()


def listen(family=socket.AF_INET, address="127.0.0.1", port=0, backlog=128):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(backlog)
    return s


def crowd(n):
    """So many listening sockets: of processes beside this one, as many as a process may have. They take turns at
    the ports, as the kernel lists those in runs that begin anywhere."""
    keep = []
    processes = n // 15000 + 1
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for turn in range(processes):
        ready, told = os.pipe()
        ports = range(turn + 1, n + 1, processes)
        if turn == 0:
            keep.extend(listen(port=port) for port in ports)
        elif os.fork() == 0:
            for s in keep:
                s.close()
            keep = [listen(port=port) for port in ports]
            os.write(told, b"x")
            os.read(0, 1)
            os._exit(0)
        else:
            os.read(ready, 1)
    return keep


def main():
    mode, *arguments = sys.argv[1:]
    keep = [look_like_a_jvm()]
    port = 0
    if mode == "crowd":
        keep.append(crowd(int(arguments[0])))
        port = int(arguments[0])
    elif mode == "nobody":
        s = listen()
        port = s.getsockname()[1]
        s.close()
    elif mode == "late":  # a second from now
        s = listen()
        port = s.getsockname()[1]
        s.close()
        threading.Timer(1, lambda: serve(listen(port=port), metrics)).start()
    elif mode == "busy":  # its queue is full: what comes is not answered
        keep.append(listen(backlog=0))
        port = keep[-1].getsockname()[1]
        for _ in range(2):
            c = socket.socket()
            c.setblocking(False)
            c.connect_ex(("127.0.0.1", port))
            keep.append(c)
    elif mode == "attached":  # commands of the attach protocol: the n-th gets the n-th answer
        path = "/tmp/.java_pid%d" % os.getpid()
        if os.path.exists(path):  # of one that was killed: in a pid namespace of its own numbers come again
            os.unlink(path)
        s = socket.socket(socket.AF_UNIX)
        s.bind(path)
        s.listen()
        keep.append(s)
        threading.Thread(target=attached, args=(s, arguments, keep), daemon=True).start()
        s = listen()
        port = s.getsockname()[1]
        s.close()
    elif mode in ("v6", "interface", "interface-metrics"):
        if mode != "v6":
            subprocess.run(["ip", "addr", "add", "10.1.2.3/24", "dev", "lo"], check=True)
            s = listen(address="10.1.2.3")
        else:
            s = listen(socket.AF_INET6, "::1")
        port = s.getsockname()[1]
        server = metrics if mode == "interface-metrics" else echo
        threading.Thread(target=serve, args=(s, server), daemon=True).start()
    elif mode == "files":
        keep.extend(open(path, "w") for path in arguments)
        os.unlink(arguments[0])
    else:
        s = listen()
        port = s.getsockname()[1]
        threading.Thread(target=serve, args=(s, SERVERS[mode]), daemon=True).start()
    print("ready", port, os.getpid(), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
