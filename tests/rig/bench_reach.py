"""Rows of the bench about the way to a node: what it costs until the helper says hello."""
import os
import re
import subprocess
import time

from bench_rig import BUILD, RUN, Broken, Relay, ask, environment, median, quiet, spread
from bench_rows import rounds, timed

SSH = ("-F", "none", "-i", RUN + "/ssh/client", "-o", "UserKnownHostsFile=" + RUN + "/ssh/known_hosts")
PLACE = RUN + "/copied-helper"
HELPER = BUILD + "/jdiag-helper-" + os.uname().machine


def to_hello(relay, way="libssh2"):
    """Seconds from the start of jdiag to the hello of the helper, by the moment at which -v=2 tells it."""
    start = time.monotonic()
    with subprocess.Popen([BUILD + "/jdiag", "ps", "ssh://root@127.0.0.1:" + relay.port, "--ssh", way, "-v=2"],
                          env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as process:
        said, hello = "", None
        for line in process.stderr:
            said += line
            if re.search(r"helper started in \d+ ms", line):
                hello = time.monotonic() - start
    if hello is None:
        raise Broken("no hello from the helper:\n" + said)
    return hello


def copied(relay):
    """Seconds of what one would do by hand, until the same helper has said its version."""
    port = ("-P", relay.port)
    seconds = timed("scp", "-q", *SSH, *port, HELPER, "root@127.0.0.1:" + PLACE)
    seconds += timed("ssh", *SSH, "-p", relay.port, "root@127.0.0.1", PLACE + " --version")
    os.unlink(PLACE)
    return seconds


def round_trips(relay, way, count):
    """The slope of time over delay. (The relay takes connections itself: one more, for that, is added.)"""
    def at(delay):
        ask(relay.control, ["delay", str(delay)])
        return to_hello(relay, way)
    near, far = [], []
    for _ in range(count):
        quiet()
        near.append(at(0))
        far.append(at(100))
    return 1 + (median(far) - median(near)) / 0.2


def bootstrap(table, options):
    """30 ms away (by a relay), from the start of jdiag to the helper's hello
    / `scp helper node: && ssh node helper`: at most 0.5; round trips until then, by each way to speak SSH"""
    count = min(3, options.runs)
    with Relay("--delay", "0") as relay:
        for way in ("libssh2", "openssh"):
            table.at_most("  round trips to hello, %s" % way, round_trips(relay, way, count), 13, "")
        ask(relay.control, ["delay", "15"])
        ours, theirs = rounds(options.runs, lambda: to_hello(relay), lambda: copied(relay))
    table.at_most("30 ms away, hello / scp and ssh", median(ours) / median(theirs), 0.5, "",
                  "%s / %s" % (spread(ours), spread(theirs)), ours=ours, theirs=theirs)


ROWS = (bootstrap,)
