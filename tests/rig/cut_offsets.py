#!/usr/bin/env python3
"""Where links break: cut_offsets.py SEED NUMBER HELPER_SIZE

Prints NUMBER places for relay.py, always the same for a SEED: bytes of key exchange, login and greeting, both
ways, of the helper on its way up, of an artifact on its way down, spread evenly in each. Every second one lies in
the artifact, so that each try after a break that brought nothing brings something.
"""
import random
import sys

LOGIN = 4000  # bytes of key exchange, login and greeting, about
BLOCK = 600000  # of the artifact


def main():
    seed, number, size = map(int, sys.argv[1:])
    at = random.Random(seed)
    start = [lambda: "down:%d" % at.randrange(LOGIN), lambda: "up:%d" % at.randrange(LOGIN + size)]
    for i in range(number):
        print(start[i // 2 % 2]() if i % 2 == 0 else "down:%d" % at.randrange(LOGIN, BLOCK))


main()
