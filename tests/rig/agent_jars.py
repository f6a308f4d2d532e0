#!/usr/bin/env python3
"""Write the jars of agents.sh, good ones and broken ones.

usage: agent_jars.py OUT_DIR CLASSES_8 CLASSES_11

The same bytes every time: entries have no dates of their own."""
import os
import sys
import zipfile

NAUGHTY = ["rig/Naughty.class", "rig/Naughty$Page.class"]
POSING = NAUGHTY + ["io/prometheus/jmx/JavaAgent.class"]
EXPORTER = {"Agent-Class": "io.prometheus.jmx.JavaAgent", "Premain-Class": "io.prometheus.jmx.JavaAgent",
            "Implementation-Title": "jmx_prometheus_javaagent", "Implementation-Version": "1.0.1"}
DEEDS = {"return": "return", "throw": "throw", "error": "error", "exit": "exit=7", "halt": "halt=9", "crash": "crash",
         "hang": "hang"}
PAGES = ("good", "hang", "stall", "drip", "huge", "lies", "junk", "html", "empty", "error", "other", "redirect",
         "failing", "refuses", "close")


def manifest(attributes):
    lines = ["Manifest-Version: 1.0"] + ["%s: %s" % pair for pair in attributes.items()]
    return "".join(line + "\r\n" for line in lines + [""])


def jar(path, entries):
    """entries: (name, bytes or text); None: a directory."""
    with zipfile.ZipFile(path, "w") as out:
        for name, data in entries:
            out.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data or b"",
                         zipfile.ZIP_DEFLATED if data else zipfile.ZIP_STORED)


def read(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def agent(path, classes, names, attributes, deed=None):
    entries = [("META-INF/", None)]
    if attributes is not None:
        entries.append(("META-INF/MANIFEST.MF", manifest(attributes)))
    if deed:
        entries.append(("META-INF/deed", deed))
    jar(path, entries + [(name, read(classes, name)) for name in names])


def bomb(path):
    """1 GB of zeros beside a good agent."""
    info = zipfile.ZipInfo("zeros", (2026, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "a") as out:
        with out.open(info, "w") as entry:
            for _ in range(1024):
                entry.write(bytes(1 << 20))


def flipped(data):
    """One bit of the compressed bytes of the last class is another one."""
    at = data.rfind(b"PK\x03\x04")  # its local header: 30 bytes, the name, the bytes
    at += 30 + int.from_bytes(data[at + 26:at + 28], "little") + 40
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]


def broken(out, classes, newer):
    plain = {"Agent-Class": "rig.Naughty"}
    agent(out + "/no-agent-class.jar", classes, NAUGHTY, {"Premain-Class": "rig.Naughty"})
    agent(out + "/no-manifest.jar", classes, NAUGHTY, None)
    agent(out + "/no-class.jar", classes, NAUGHTY, {"Agent-Class": "rig.Missing"})
    agent(out + "/no-agentmain.jar", classes, NAUGHTY, {"Agent-Class": "rig.Naughty$Page"})
    agent(out + "/java11.jar", newer, NAUGHTY, plain)
    agent(out + "/exporter-java11.jar", newer, POSING, EXPORTER, "serve=0,good")
    good = read(out, "naughty.jar")
    write(out + "/truncated.jar", good[:len(good) * 6 // 10])
    write(out + "/flipped.jar", flipped(good))
    write(out + "/text.jar", b"this is not a jar\n" * 200)
    write(out + "/empty.jar", b"")
    write(out + "/bomb.jar", good)
    bomb(out + "/bomb.jar")


def main():
    out, classes, newer = sys.argv[1:]
    agent(out + "/naughty.jar", classes, NAUGHTY, {"Agent-Class": "rig.Naughty", "Premain-Class": "rig.Naughty"})
    for name, deed in DEEDS.items():
        agent("%s/exporter-%s.jar" % (out, name), classes, POSING, EXPORTER, deed)
    for page in PAGES:
        agent("%s/exporter-page-%s.jar" % (out, page), classes, POSING, EXPORTER, "serve=0," + page)
    broken(out, classes, newer)


if __name__ == "__main__":
    main()
