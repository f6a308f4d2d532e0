#!/usr/bin/env python3
"""Which secrets of java/Secrets.java are in some bytes:

    find_secrets.py FILE...     "-" is standard input; a line for each kind that was found

Text is searched for in ISO-8859-1 and in both byte orders of UTF-16.
"""
import sys

# kind, seed, letters; the first seven are text, which `strings` removes.
KINDS = [
    ("field-text", 3, 24), ("field-wide", 4, 24), ("static-text", 5, 24), ("static-wide", 6, 24),
    ("char-array", 9, 24), ("byte-array", 10, 24), ("map-key", 13, 24),
    ("inherited-long", 1, 8), ("field-double", 2, 8), ("static-long", 7, 8), ("static-double", 8, 8),
    ("long-array", 11, 8), ("int-array", 12, 8), ("boxed-long", 14, 8),
]


def letters(seed, count):
    text = ""
    for _ in range(count):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        text += chr(ord("a") + (seed >> 16) % 26)
    return text


def main():
    found = set()
    for name in sys.argv[1:]:
        with open(0 if name == "-" else name, "rb") as file:
            data = file.read()
        for kind, seed, count in KINDS:
            text = letters(seed, count)
            if any(text.encode(code) in data for code in ("latin-1", "utf-16-le", "utf-16-be")):
                found.add(kind)
    for kind, _, _ in KINDS:
        if kind in found:
            print(kind)


if __name__ == "__main__":
    main()
