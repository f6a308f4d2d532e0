#!/usr/bin/env python3
"""A distance on loopback: relay.py PORT_FILE TARGET_PORT MS

Passes connections on to 127.0.0.1:TARGET_PORT and holds each direction's bytes for MS milliseconds (the
kernels of test machines have no netem)."""
import collections
import os
import socket
import sys
import threading
import time

target, delay = int(sys.argv[2]), float(sys.argv[3]) / 1000


def deliver(queue, news, out):
    while True:
        with news:
            while not queue:
                news.wait()
            due, data = queue.popleft()
        time.sleep(max(0, due - time.monotonic()))
        try:
            out.sendall(data) if data else out.shutdown(socket.SHUT_WR)
        except OSError:
            return
        if not data:
            return


def carry(source, out):
    queue, news = collections.deque(), threading.Condition()
    threading.Thread(target=deliver, args=(queue, news, out), daemon=True).start()
    data = True
    while data:
        try:
            data = source.recv(1 << 18)
        except OSError:
            data = b""
        with news:
            queue.append((time.monotonic() + delay, data))
            news.notify()


server = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1] + ".new", "w") as f:
    f.write("%d\n" % server.getsockname()[1])
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    client, _ = server.accept()
    node = socket.create_connection(("127.0.0.1", target))
    for end, other in ((client, node), (node, client)):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=carry, args=(end, other), daemon=True).start()
