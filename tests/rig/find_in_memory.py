#!/usr/bin/env python3
"""Which secrets of java/Secrets.java are in the memory of some processes: find_in_memory.py PID...
A line for each kind. Every mapping that can be read is searched, but for a sanitizer's shadow, which has
no bytes of the program in it, and terabytes of others; a process that has ended has none."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from find_secrets import KINDS, letters  # noqa: E402

BLOCK = 16 << 20
OVERLAP = 256
SHADOW = 256 << 20  # the smaller part of it; what is searched here has no mapping as large as that


def blocks(pid):
    try:
        with open("/proc/%s/maps" % pid) as maps, open("/proc/%s/mem" % pid, "rb", buffering=0) as mem:
            for line in maps:
                ends, mode, *_ = line.split()
                start, end = (int(n, 16) for n in ends.split("-"))
                while mode[0] == "r" and start < end and end - start < SHADOW:
                    try:
                        mem.seek(start)
                        yield mem.read(min(BLOCK, end - start))
                    except (OSError, ValueError, OverflowError):  # [vvar], [vsyscall]
                        pass
                    start += BLOCK - OVERLAP
    except (FileNotFoundError, ProcessLookupError):
        pass


def main():
    wanted = {kind: [letters(seed, count).encode(code) for code in ("latin-1", "utf-16-le", "utf-16-be")]
              for kind, seed, count in KINDS}
    found = set()
    for pid in sys.argv[1:]:
        for data in blocks(pid):
            found.update(kind for kind, texts in wanted.items() if any(text in data for text in texts))
    print("\n".join(kind for kind, _, _ in KINDS if kind in found))


if __name__ == "__main__":
    main()
