#!/usr/bin/env python3
"""A TCP server that takes connections and plays dead: silent_server.py PORT_FILE [TEXT [ADDRESS PORT]]

It sends TEXT (backslash escapes are understood) to each connection, if any, and nothing else."""
import os
import socket
import sys

text = sys.argv[2].encode().decode("unicode_escape").encode("latin-1") if len(sys.argv) > 2 else b""
server = socket.create_server((sys.argv[3], int(sys.argv[4])) if len(sys.argv) > 3 else ("127.0.0.1", 0))
with open(sys.argv[1] + ".new", "w") as f:
    f.write("%d\n" % server.getsockname()[1])
os.rename(sys.argv[1] + ".new", sys.argv[1])
kept = []
while True:
    connection, _ = server.accept()
    connection.sendall(text)
    kept.append(connection)
