#!/usr/bin/env python3
"""Texts for comparing jdiag's checks with Java's own: always the same ones for a seed.

exporter_corpus.py regex|object-name|replacement COUNT   one a line
exporter_corpus.py yaml COUNT DIRECTORY FILE...          FILEs with small changes, as DIRECTORY/N.yaml
exporter_corpus.py cases DIRECTORY FILE                  the cases of a file of fixtures, as DIRECTORY/NAME.yaml
"""
import os
import random
import re
import sys

SEEDS = {
    "regex": [
        r"kafka.(\w+)<type=(.+), name=(.+)PerSec\w*, (.+)=(.+)><>Count", r"java.lang<type=(.*)><>(\w+):",
        r'Catalina<type=GlobalRequestProcessor, name=\"(\w+-\w+)-(\d+)\"><>(\w+):', r"(?i)a(?:b|c)*+d{2,3}?[^\w\s.-]",
        r"(?<name>[a-zA-Z]+)\1(?!x)(?=y)(?<=[ab]c|d)(?<!e)(?>f+)", r"\Qx.y\E\bfoo\B\x41\u0041\p{Alpha}\P{L}^a$",
        r"org.apache.cassandra.metrics<type=(Connection|Streaming), scope=(\S*), name=(\S*)><>(Count|Value)",
        r"(?s-i:a.b)(?m)(c|)()((d))\2", r"[\]\[^-][-a][a-][+--][{(*+?.&|$]", r"a]b}c<>\<\>\-\_\/\t\n\r\f\A\z\Z",
    ],
    "object-name": [
        "java.lang:type=Memory", "*:*", "kafka.*:type=app-info,*", "java.lang:*,type=GarbageCollector",
        'Catalina:type=Manager,host="local,host\\"\\n\\*:=",context=/', "d:k=v w,a.b-c=1,x=?",
    ],
    "replacement": ["x_$1_$2", "$0$10", "${name}", r"costs \$5 \\ ok", "a${name}b$3", "$$", "$12\\", "${1}"],
}
ATOMS = {
    "regex": list("abzZ09.^$|?*+()[]{}\\-:=!<>,&#/_ dDwWsSbBQEpPxuikKnRhHvVG'\"") + [
        "(?", "(?:", "(?=", "(?!", "(?<", "(?<=", "(?<!", "(?>", "(?i)", "(?x)", "(?-i)", "[^", "[[", "&&", "\\d", "\\w",
        "\\Q", "\\E", "\\1", "\\2", "\\0", "{2}", "{2,}", "{1,3}", "{,2}", "*?", "*+", "++", "??", "\\p{L}", "\\p{Alpha}",
        "\\k<a>", "(?<a>", "\\x4", "\\u00e9", "\\b", "[a-z]", "[z-a]", "[\\d-a]", "|", "()", "(|a)", "\\\\", "\\]", "-]"],
    "object-name": list("abc*?:=,\"\\n ./") + ["k=v", ",*", "*,", '"x"', '\\"', "\\*", ":", "=", ",k=w"],
    "replacement": list("$\\{}0123name ") + ["${", "$1", "\\$", "${name}", "${na}", "\\\\"],
    "yaml": list(" \t-:#[]{},&*!|>'\"%@`?~\\\n\r") + [
        "\n- ", "\n  ", ": ", "- ", " #", "<<: *a", "&a ", "*a", "!!str ", "!x ", "---\n", "...\n", "null", "yes", "5", "0x1",
        "1:30", "2001-01-01", "~", "|\n", ">-\n", "\\/", "\\x41", "''", '""', "{}", "[]", ", ", "? ", "=", "\xe9", "\x07"],
}
COUNT_OF_EDITS = (0, 1, 1, 1, 2, 2, 3, 4)


def edit(rng, text, atoms):
    for _ in range(rng.choice(COUNT_OF_EDITS)):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            text = text[:at] + rng.choice(atoms) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + rng.randrange(1, 4):]
        elif kind == 2:
            text = text[:at] + rng.choice(atoms) + text[at + 1:]
        else:
            end = min(len(text), at + rng.randrange(1, 12))
            to = rng.randrange(len(text) + 1)
            text = text[:to] + text[at:end] + text[to:]
    return text


def lines(what, count):
    rng = random.Random(what)
    for _ in range(count):
        if rng.randrange(3):
            text = edit(rng, rng.choice(SEEDS[what]), ATOMS[what])
        else:
            text = "".join(rng.choice(ATOMS[what]) for _ in range(rng.randrange(1, 9)))
        print(text.replace("\n", " ").replace("\r", " "))


def write(directory, name, text):
    with open(os.path.join(directory, name + ".yaml"), "w", encoding="utf-8", newline="") as f:
        f.write(text)


def yaml(count, directory, files):
    rng = random.Random("yaml")
    texts = []
    for name in files:
        with open(name, encoding="utf-8", newline="") as f:
            texts.append(f.read())
    for i in range(count):
        write(directory, "%05d" % i, edit(rng, rng.choice(texts), ATOMS["yaml"]))


def cases(directory, name):
    with open(name, encoding="utf-8") as f:
        for case in re.split(r"^=== ", f.read(), flags=re.M)[1:]:
            head, text = case.split("\n", 1)
            write(directory, head.split()[0], text)


def main():
    what = sys.argv[1]
    if what == "yaml":
        yaml(int(sys.argv[2]), sys.argv[3], sys.argv[4:])
    elif what == "cases":
        cases(sys.argv[2], sys.argv[3])
    else:
        lines(what, int(sys.argv[2]))


if __name__ == "__main__":
    main()
