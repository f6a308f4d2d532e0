#!/usr/bin/env python3
"""The table of the bench; bench.sh starts the servers and calls this."""
import argparse
import json
import os
import platform
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench_rig import MB, NODE, Broken, Patience, kube_state, read  # noqa: E402
import bench_exporter  # noqa: E402
import bench_reach  # noqa: E402
import bench_rows  # noqa: E402

ROWS = bench_rows.ROWS + bench_reach.ROWS + bench_exporter.ROWS


class Table:
    """Prints each figure as it comes and keeps it for the JSON."""
    FORMAT = "%-38s %10s %10s  %-7s %s"

    def __init__(self):
        self.figures = []
        self.row = ""
        print(self.FORMAT % ("FIGURE", "MEASURED", "LIMIT", "RESULT", "DETAILS"), flush=True)

    def add(self, name, value, limit, result, unit, details, samples):
        self.figures.append({"row": self.row, "name": name.strip(), "value": value, "limit": limit, "unit": unit.strip(),
                             "result": result, "details": details, "samples": samples})
        print((self.FORMAT % (name, "-" if value is None else "%.2f%s" % (value, unit), limit or "-", result,
                              details)).rstrip(), flush=True)

    def at_most(self, name, value, limit, unit, details="", **samples):
        self.add(name, value, "<= %g%s" % (limit, unit), "ok" if value <= limit else "MISSED", unit, details, samples)

    def at_least(self, name, value, limit, unit, details="", **samples):
        self.add(name, value, ">= %g%s" % (limit, unit), "ok" if value >= limit else "MISSED", unit, details, samples)

    def note(self, name, value, unit, details="", **samples):
        """A figure without a limit."""
        self.add(name, value, None, "", unit, details, samples)

    def missing(self, name, why):
        """Not measured is not reached."""
        self.add(name, None, None, "BROKEN", "", why.splitlines()[0] if why else "", {})

    def count(self, result):
        return sum(f["result"] == result for f in self.figures)


def machine():
    available = next(int(line.split()[1]) for line in read("/proc/meminfo").splitlines() if line.startswith("MemAvail"))
    return {"cpus": len(os.sched_getaffinity(0)), "kernel": platform.release(), "available_mb": available * 1024 // MB,
            "load": read("/proc/loadavg").split()[0], "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def run_row(table, row, options):
    table.row = row.__name__
    start, Patience.asked, Patience.vain = time.monotonic(), 0, 0
    try:
        row(table, options)
    except Broken as e:
        table.missing(row.__name__, str(e))
        print(str(e), file=sys.stderr)
    note = "%s: %.0f s" % (row.__name__, time.monotonic() - start)
    if Patience.vain:
        note += ", the machine was BUSY before %d of %d measurements" % (Patience.vain, Patience.asked)
    print("bench: " + note, file=sys.stderr, flush=True)
    return {"seconds": time.monotonic() - start, "measurements": Patience.asked, "busy": Patience.vain}


def main():
    rows = "".join("  %-9s %s\n" % (row.__name__, " ".join(row.__doc__.split())) for row in ROWS)
    p = argparse.ArgumentParser(prog="bench.sh", formatter_class=argparse.RawDescriptionHelpFormatter,
                                epilog="rows:\n" + rows)
    p.add_argument("--only", action="append", metavar="ROW", choices=[row.__name__ for row in ROWS],
                   help="this row; can be repeated")
    p.add_argument("--heap-mb", type=int, default=1024, help="live objects in the JVMs (1024)")
    p.add_argument("--runs", type=int, default=5, help="that count, of each way (5; where runs are long at most 3)")
    p.add_argument("--sizes", default="64,512,2048", help="heaps of the row memory")
    p.add_argument("--pods", type=int, default=20, help="at once, in the row exporter (20)")
    p.add_argument("--patience", type=float, default=5, metavar="S",
                   help="wait so long for a quiet machine, before each measurement (5)")
    p.add_argument("--json", metavar="FILE", help="the figures with all samples")
    options = p.parse_args()
    Patience.seconds = options.patience
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # what was changed is changed back
    kube_state("node", NODE)
    before = machine()
    print("bench: %(cpus)d CPUs, Linux %(kernel)s, %(available_mb)d MB available, load %(load)s" % before,
          file=sys.stderr)
    table, notes = Table(), {}
    for row in ROWS:
        if not options.only or row.__name__ in options.only:
            notes[row.__name__] = run_row(table, row, options)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump({"machine": before, "heap_mb": options.heap_mb, "rows": notes, "figures": table.figures}, f, indent=1)
            f.write("\n")
    missed, broken = table.count("MISSED"), table.count("BROKEN")
    print("%d figures, %d missed, %d not measured" % (len(table.figures), missed, broken))
    return 2 if broken else 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
