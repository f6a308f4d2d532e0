#!/usr/bin/env python3
"""What bench.sh measures; it starts the servers and calls this.

memory   jdiag to the bucket, one dump of each size. Of jdiag the peak resident memory that the kernel
         counts (wait4), of the helper the largest VmHWM of any process of that name below the rig's
         sshd, read every 20 ms while it runs.
attach   from fork and exec of jdiag to its progress line of phase "attach" (--progress json). That one
         comes after a command has gone to the JVM over its attach socket and was answered (the first
         time in a fresh JVM: with trigger file and signal), and with the upload session open.
whole    from fork and exec to the end, dump in the bucket. jdiag: `jdiag heapdump POD --to gs://`,
         which asks the cluster API first and verifies everything. Script: one ssh login that runs jmap
         in the container (which has a JDK), cats the file to the client and removes it; one curl
         upload (uploadType=media); the local copy removed.
"""
import argparse
import json
import os
import re
import select
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request

RIG = os.environ["RIG_SRC"]
RUN = os.environ["RIG_RUN"]
BUILD = os.environ["JDIAG_BUILD"]
MB = 1 << 20
SAMPLE_SECONDS = 0.02

LIMIT_HELPER = 16  # MB
LIMIT_JDIAG = 32
LIMIT_ATTACH = 0.7  # seconds
LIMIT_RATIO = 1.0


def fail(text):
    """No figure: the bench itself did not work."""
    print("bench: " + text, file=sys.stderr)
    sys.exit(2)


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read().strip()


PORT = read(RUN, "ssh/port")
BUCKET = "http://127.0.0.1:" + read(RUN, "bucket.port")
ENV = {"PATH": os.environ["PATH"], "HOME": RUN + "/home", "LANG": "C.UTF-8",
       "KUBECONFIG": RUN + "/kube/kubeconfig", "STORAGE_EMULATOR_HOST": BUCKET,
       "JDIAG_SSH_USER": "root", "JDIAG_SSH_PORT": PORT, "JDIAG_IDENTITY": RUN + "/ssh/client",
       "JDIAG_KNOWN_HOSTS": RUN + "/ssh/known_hosts"}
NODE = "gke-rig-pool-1"


# --- the rig ----------------------------------------------------------------------------------------

def container(*args):
    return subprocess.run([RIG + "/container.sh", *args], check=True, capture_output=True,
                          text=True).stdout.strip()


def kube_state(*args):
    subprocess.run([RIG + "/kube_state.py", RUN + "/kube/state.json", *args], check=True)


class Jvm:
    """A pod's container with a JVM that holds so many megabytes; its /tmp lies on the disk."""

    def __init__(self, name, megabytes):
        self.name = name
        heap = "-XX:+UseSerialGC -Xmx%dm" % (megabytes * 3 // 2 + 64)
        container("start", "--image", "jdk", "--tmp", "image", "--java", heap, name,
                  "fill=%d" % megabytes)
        self.id = container("id", name)
        kube_state("pod", "shop/" + name, "--node", NODE, "--uid", container("pod", name),
                   "--container", "app=" + self.id)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        container("stop", self.name)


def quiet_disk():
    """The bytes of the run before must not be written during the next one."""
    urllib.request.urlopen(urllib.request.Request(BUCKET + "/control/reset", b"", method="POST")).read()
    os.sync()


def objects():
    with urllib.request.urlopen(BUCKET + "/storage/v1/b/dumps/o") as answer:
        return {o["name"]: int(o["size"]) for o in json.load(answer).get("items", [])}


def size_of_dump():
    """The dump that must lie in the bucket now."""
    sizes = [size for name, size in objects().items() if name.endswith(".hprof")]
    if len(sizes) != 1 or not sizes[0]:
        fail("no dump in the bucket: %r" % objects())
    return sizes[0]


# --- processes --------------------------------------------------------------------------------------

def parent_of(pid):
    return int(read("/proc", pid, "stat").rpartition(")")[2].split()[1])


def is_below(pid, ancestor):
    while pid > 1:
        if pid == ancestor:
            return True
        pid = parent_of(str(pid))
    return False


def helper_peak(sshd):
    """Bytes: the largest VmHWM among the helpers below this sshd; 0 when there is none."""
    peak = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if read("/proc", pid, "comm") == "jdiag-helper" and is_below(int(pid), sshd):
                found = re.search(r"^VmHWM:\s+(\d+) kB", read("/proc", pid, "status"), re.M)
                peak = max(peak, int(found[1]) * 1024 if found else 0)
        except (OSError, ValueError):
            pass  # ended meanwhile
    return peak


class Run:
    """One run of jdiag to its end: seconds, attached (seconds), jdiag and helper (bytes)."""

    def __init__(self, jvm, sample):
        argv = [BUILD + "/jdiag", "heapdump", jvm.name, "-n", "shop", "--to", "gs://dumps/bench/",
                "--progress", "json"]
        self.attached = None
        self.helper = 0
        self.said = ""
        start = time.monotonic()
        child = subprocess.Popen(argv, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE)
        self.follow(child.stderr.fileno(), start, int(read(RUN, "ssh/pid")) if sample else 0)
        _, status, usage = os.wait4(child.pid, 0)
        self.seconds = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        child.stderr.close()
        if child.returncode:
            fail("jdiag ended with %d:\n%s" % (child.returncode, self.said))
        self.jdiag = usage.ru_maxrss * 1024

    def follow(self, fd, start, sshd):
        while True:
            if select.select([fd], [], [], SAMPLE_SECONDS if sshd else None)[0]:
                data = os.read(fd, 65536)
                if not data:
                    return
                self.said += data.decode()
                if self.attached is None and '"phase":"attach"' in self.said:
                    self.attached = time.monotonic() - start
            if sshd:
                self.helper = max(self.helper, helper_peak(sshd))


def script_way(jvm):
    """Seconds for what a good shell script does."""
    local = RUN + "/heap.hprof"
    runc = "runc --root %s/runc" % RUN
    remote = ("set -e; %s exec %s /usr/lib/jvm/java/bin/jmap -dump:live,format=b,file=/tmp/heap.hprof 1 >&2; "
              "cat %s/tmp/heap.hprof; rm %s/tmp/heap.hprof"
              % (runc, jvm.id, container("root", jvm.name), container("root", jvm.name)))
    script = """set -e
        ssh -F none -p "$1" -i "$2" -o UserKnownHostsFile="$3" root@127.0.0.1 "$4" >"$5"
        curl -sS --fail -o "$5.answer" -X POST -T "$5" -H "Content-Type: application/octet-stream" \\
            "$6/upload/storage/v1/b/dumps/o?uploadType=media&name=script.hprof"
        rm "$5" "$5.answer"
        """
    start = time.monotonic()
    done = subprocess.run(["sh", "-c", script, "sh", PORT, RUN + "/ssh/client", RUN + "/ssh/known_hosts",
                           remote, local, BUCKET], env=ENV, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    seconds = time.monotonic() - start
    if done.returncode:
        fail("the script failed:\n" + done.stdout)
    return seconds


# --- the figures --------------------------------------------------------------------------------------

class Table:
    FORMAT = "%-34s %9s %9s  %-7s %s"

    def __init__(self):
        self.missed = 0
        print(self.FORMAT % ("FIGURE", "MEASURED", "LIMIT", "RESULT", "DETAILS"), flush=True)

    def add(self, name, value, limit, unit, details=""):
        ok = value <= limit
        self.missed += not ok
        print((self.FORMAT % (name, "%.2f%s" % (value, unit), "%g%s" % (limit, unit),
                              "ok" if ok else "MISSED", details)).rstrip(), flush=True)


def memory(table, megabytes):
    with Jvm("memory", megabytes) as jvm:
        quiet_disk()
        run = Run(jvm, sample=True)
    dump = "dump of %d MB" % (size_of_dump() // MB)
    if not run.helper:
        fail("the helper was never seen")
    table.add("jdiag peak RSS, heap %d MB" % megabytes, run.jdiag / MB, LIMIT_JDIAG, " MB", dump)
    table.add("helper peak RSS, heap %d MB" % megabytes, run.helper / MB, LIMIT_HELPER, " MB", dump)


def pairs(jvm, count):
    """One pair more than counted: the first one warms the caches of both."""
    runs, scripts, sizes = [], [], set()
    for i in range(count + 1):
        quiet_disk()
        run = Run(jvm, sample=False)
        sizes.add(size_of_dump())
        quiet_disk()
        script = script_way(jvm)
        sizes.add(size_of_dump())
        if i:
            runs.append(run)
            scripts.append(script)
    # the same heap: only what the JVM itself allocates differs
    if max(sizes) - min(sizes) > max(sizes) // 20:
        fail("the dumps are not alike: %r" % sizes)
    return runs, scripts


def spread(values):
    return "%.2f (%.2f to %.2f) s" % (statistics.median(values), min(values), max(values))


def whole_job(table, megabytes, count):
    with Jvm("whole", megabytes) as jvm:
        runs, scripts = pairs(jvm, count)
    times = [r.seconds for r in runs]
    table.add("whole job, jdiag / script, %d MB" % megabytes,
              statistics.median(times) / statistics.median(scripts), LIMIT_RATIO, "x",
              "%d pairs, jdiag %s, script %s" % (count, spread(times), spread(scripts)))
    return [r.attached for r in runs]


def fresh_attach(count):
    """In JVMs that nobody has attached to before."""
    attached = []
    for i in range(count):
        with Jvm("fresh%d" % i, 16) as jvm:
            quiet_disk()
            attached.append(Run(jvm, sample=False).attached)
    return attached


def main():
    p = argparse.ArgumentParser(prog="bench.sh")
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--heap", type=int, default=512, help="MB of the whole job")
    p.add_argument("--sizes", default="64,512,2048", help="MB of the memory figures")
    p.add_argument("--quick", action="store_true")
    o = p.parse_args()
    if o.quick:
        o.pairs, o.sizes = 2, "64"
    if shutil.which("curl") is None or shutil.which("ssh") is None:
        fail("needs curl and ssh")
    kube_state("node", NODE)
    table = Table()
    fresh = fresh_attach(o.pairs)
    table.add("start to attached, fresh JVM", statistics.median(fresh), LIMIT_ATTACH, " s",
              "%d runs, %s" % (len(fresh), spread(fresh)))
    again = whole_job(table, o.heap, o.pairs)
    table.add("start to attached, listening JVM", statistics.median(again), LIMIT_ATTACH, " s",
              "%d runs, %s" % (len(again), spread(again)))
    for size in o.sizes.split(","):
        memory(table, int(size))
    if table.missed:
        print("%d figures missed" % table.missed)
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
