#!/usr/bin/env python3
"""Run $PEAK_OF with our arguments; write its peak resident memory in KiB to $PEAK_TO. Same status.

The program stays in our process group, so that signals from `timeout` reach it."""
import os
import resource
import signal
import sys

pid = os.fork()
if pid == 0:
    os.execv(os.environ["PEAK_OF"], [os.environ["PEAK_OF"]] + sys.argv[1:])
signal.signal(signal.SIGTERM, lambda number, frame: os.kill(pid, number))
signal.signal(signal.SIGINT, signal.SIG_IGN)
_, raw = os.waitpid(pid, 0)
with open(os.environ["PEAK_TO"], "w", encoding="utf-8") as out:
    out.write("%d\n" % resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
status = os.waitstatus_to_exitcode(raw)
sys.exit(status if status >= 0 else 128 - status)
