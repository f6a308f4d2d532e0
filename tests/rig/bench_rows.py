"""The rows of the bench: each measures in its own JVM, alternating, and gives figures to the table.
What is compared, and what the limits are, stands in the functions' first lines (`--help` prints them)."""
import ctypes
import functools
import mmap
import os
import re
import shutil
import subprocess
import time

from bench_fleet import fleet
from bench_rig import (BUCKET, BUILD, MB, RIG, RUN, Broken, Disks, Jvm, Memory, Rate, Relay, Run, dirty_limit,
                       environment, median, object_size, quiet, read, spread)

RATES = {}  # bytes a second that a JVM's writers reached in this run


def rounds(count, *ways):
    """Runs the ways in turn; the first round warms up and does not count. A list for each way."""
    found = [[] for _ in ways]
    for i in range(count + 1):
        for way, results in zip(ways, found):
            quiet()
            result = way()
            if i:
                results.append(result)
    return found


def ratio(ours, theirs):
    return median(ours) / median(theirs)


def ticker(pauses):
    return [p.ticker for p in pauses]


def said(pauses):
    return [p.said for p in pauses]


def note_rate(name, pauses):
    RATES[name] = median([p.size / p.ticker for p in pauses])


def compare_pauses(table, name, ours, theirs, limit, details):
    """The ticker decides; what the JVM itself said is printed next to it."""
    also = ""
    if all(said(ours)) and all(said(theirs)):
        also = "; by the JVMs' own text %.2f" % ratio(said(ours), said(theirs))
    table.at_most(name, ratio(ticker(ours), ticker(theirs)), limit, "", "%s, dump of %d MB%s"
                  % (details % (spread(ticker(ours)), spread(ticker(theirs))), theirs[-1].size // MB, also),
                  ours=ticker(ours), theirs=ticker(theirs))


def fifo(table, options, image):
    with Jvm(image, options.heap_mb) as jvm:
        ours, limit = rounds(options.runs, lambda: Run(jvm).used("fifo").pause, lambda: jvm.dump("/dev/null"))
    note_rate("JDK %d, one writer" % image, limit)
    compare_pauses(table, "pause, fifo on %d / to /dev/null" % image, ours, limit, 1.15, "%s / %s")


def pause17(table, options):
    """fifo on 17: the pause / that of the same dump to /dev/null, the JVM's own limit: at most 1.15"""
    fifo(table, options, 17)


def pause21(table, options):
    """the same on 21"""
    fifo(table, options, 21)


def jmap(table, options):
    """fifo on 17: the pause / that of a dump to a file in the container, as jmap has it, with a
    dirty-page limit of a quarter of the dump (for both): at most 0.8"""
    with Jvm(17, options.heap_mb) as jvm:
        def to_file():
            pause = jvm.dump("/tmp/heap.hprof")
            os.unlink(jvm.root + "/tmp/heap.hprof")
            return pause
        with dirty_limit(options.heap_mb * MB // 4):
            ours, theirs = rounds(min(3, options.runs), lambda: Run(jvm).used("fifo").pause, to_file)
    compare_pauses(table, "pause, fifo on 17 / to a file", ours, theirs, 0.8, "%s / %s")


def segments(table, options):
    """segments on 25: the pause / that of the same dump to files, -parallel=2 in both: at most 1.0;
    bytes of it that came to the disks, besides the finished artifact: 0"""
    with Jvm(25, options.heap_mb) as jvm:
        def to_file():
            pause = jvm.dump("/tmp/heap.hprof", "-parallel=2")
            os.unlink(jvm.root + "/tmp/heap.hprof")
            return pause

        def single():
            pause = jvm.dump("/tmp/heap.hprof", "-parallel=1")
            os.unlink(jvm.root + "/tmp/heap.hprof")
            return pause
        runs, theirs = rounds(options.runs, lambda: Run(jvm, "--parallel", "2").used("segments"), to_file)
        quiet()
        disks = Disks(jvm)
        run = Run(jvm, "--parallel", "2", sampler=disks).used("segments")
        _, one = rounds(2, quiet, single)
    ours = [run.pause for run in runs]
    note_rate("JDK 25, two writers", theirs)
    note_rate("JDK 25, one writer", one)
    compare_pauses(table, "pause, segments on 25 / to files", ours, theirs, 1.0, "%s / %s")
    raw = max(0, disks.spool - run.object * 103 // 100)
    table.at_most("  raw bytes on the node's disk", raw / MB, 0, " MB", "spool %d MB at most, object %d MB%s" % (
        disks.spool // MB, run.object // MB, ", raw overflow seen" if disks.overflow else ""))
    table.at_most("  bytes on the pod's disk", disks.pod / MB, 0, " MB")


def whole(table, options):
    """pod name -> verified object / the JVM's own dump to /dev/null, 17, bucket on the same machine:
    at most 2.2 compressed (the default), 1.6 with --format hprof; for comparison, sent by the node itself"""
    ways = (("hprof.gz", (), 2.2), ("hprof", ("--format", "hprof"), 1.6),
            ("hprof.gz, by the node", ("--upload-from", "node"), None),
            ("hprof, by the node", ("--format", "hprof", "--upload-from", "node"), None))
    with Jvm(17, options.heap_mb) as jvm:
        limit, *found = rounds(options.runs, lambda: jvm.dump("/dev/null"),
                               *[functools.partial(Run, jvm, *words) for _, words, _ in ways])
    base = ticker(limit)
    for (name, _, most), runs in zip(ways, found):
        times = [run.seconds for run in runs]
        details = "%s / %s, object of %d MB, pause %.2f s" % (
            spread(times), spread(base), runs[-1].object // MB, median(ticker(run.pause for run in runs)))
        if most:
            table.at_most("whole job, %s / to /dev/null" % name, ratio(times, base), most, "", details, ours=times,
                          theirs=base)
        else:
            table.note("  %s" % name, ratio(times, base), "", details, ours=times)


SCRIPT = """set -e
ssh -F none -p "$1" -i "$2" -o UserKnownHostsFile="$3" root@127.0.0.1 "$4" >"$5"
curl -sS --fail -o "$5.answer" -X POST -T "$5" -H "Content-Type: application/octet-stream" \\
    "$6/upload/storage/v1/b/dumps/o?uploadType=media&name=script.hprof"
rm "$5" "$5.answer"
"""


def script_way(jvm, port):
    """Seconds for what a good shell script does: one ssh login that runs jmap in the container (which has
    a JDK), cats the file to the client and removes it; one upload by curl; the local copy removed."""
    remote = ("set -e; runc --root %s/runc exec %s /usr/lib/jvm/java/bin/jmap -dump:format=b,file=/tmp/heap.hprof 1 >&2; "
              "cat %s/tmp/heap.hprof; rm %s/tmp/heap.hprof" % (RUN, jvm.id, jvm.root, jvm.root))
    start = time.monotonic()
    done = subprocess.run(["sh", "-c", SCRIPT, "sh", port, RUN + "/ssh/client", RUN + "/ssh/known_hosts", remote,
                           RUN + "/heap.hprof", BUCKET], env=environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    seconds = time.monotonic() - start
    if done.returncode:
        raise Broken("the script failed:\n" + done.stdout)
    object_size(".hprof")
    return seconds


def against_script(table, name, least, megabytes, runs, port):
    with Jvm("jdk", megabytes) as jvm:
        ours, theirs = rounds(runs, lambda: Run(jvm, port=port).seconds, lambda: script_way(jvm, port))
    table.at_least(name, ratio(theirs, ours), least, "x", "script %s, jdiag %s, heap of %d MB" % (
        spread(theirs), spread(ours), megabytes), ours=ours, theirs=theirs)


def loopback(table, options):
    """pod name -> verified object: how many times faster than a script (jmap, copy out, upload raw)
    on loopback: at least 1.5"""
    against_script(table, "speed against a script, loopback", 1.5, options.heap_mb, min(3, options.runs),
                   read(RUN, "ssh/port"))


def narrow(table, options):
    """the same with 100 Mbit/s between bastion and node (the upload stays local for both): at least 2.5"""
    with Relay("--rate", "100") as relay:
        against_script(table, "speed against a script, 100 Mbit/s", 2.5, options.heap_mb // 2, min(3, options.runs),
                       relay.port)


def gzip_of_all(path, level=1):
    """How large libdeflate makes the whole file, as one stream: what the codec gives at best."""
    lib = ctypes.CDLL("libdeflate.so.0")
    lib.libdeflate_alloc_compressor.restype = ctypes.c_void_p
    lib.libdeflate_gzip_compress.restype = lib.libdeflate_gzip_compress_bound.restype = ctypes.c_size_t
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ | mmap.PROT_WRITE,
                                          flags=mmap.MAP_PRIVATE) as data:
        packer = ctypes.c_void_p(lib.libdeflate_alloc_compressor(level))
        size = ctypes.c_size_t(len(data))
        room = ctypes.create_string_buffer(lib.libdeflate_gzip_compress_bound(packer, size))
        view = (ctypes.c_char * len(data)).from_buffer(data)
        packed = lib.libdeflate_gzip_compress(packer, view, size, room, ctypes.c_size_t(len(room)))
        lib.libdeflate_free_compressor(packer)
        del view
    return packed


def disk(table, options):
    """bytes on the node's disk: the spool at its largest / the same dump packed by libdeflate as one
    stream: at most 1.03; in the pod: 0"""
    path = RUN + "/disk.hprof.gz"
    with Jvm(17, options.heap_mb) as jvm:
        disks = Disks(jvm)
        run = Run(jvm, to=path, sampler=disks)
    quiet()
    with open(path + ".raw", "wb") as raw:
        subprocess.run(["gzip", "-dc", path], stdout=raw, check=True)
    size, packed = os.path.getsize(path + ".raw"), gzip_of_all(path + ".raw")
    for suffix in ("", ".raw", ".manifest.json"):
        os.unlink(path + suffix)
    table.at_most("node's disk / the codec on the whole", disks.spool / packed, 1.03, "",
                  "spool %d MB, codec %d MB, object %d MB, dump %d MB%s" % (
                      disks.spool // MB, packed // MB, run.object // MB, size // MB,
                      ", raw overflow seen" if disks.overflow else ""))
    table.at_most("pod's disk", disks.pod / MB, 0, " MB")


def memory(table, options):
    """memory of all processes of the helper together without the buffer: at most 32 MB; of jdiag:
    at most 48 MB; with heaps of --sizes"""
    for size in map(int, options.sizes.split(",")):
        with Jvm(17, size) as jvm:
            quiet()
            sampler = Memory(jvm)
            run = Run(jvm, sampler=sampler)
        if not sampler.count:
            raise Broken("no helper was seen")
        table.at_most("helper without buffer, heap %d MB" % size, sampler.rest() / MB, 32, " MB",
                      "%d processes, with the buffer %d MB, object %d MB" % (
                          sampler.count, sampler.whole() // MB, run.object // MB))
        table.at_most("jdiag, heap %d MB" % size, sampler.peak / MB, 48, " MB")


def one_core(*argv):
    return ["taskset", "-c", str(max(os.sched_getaffinity(0))), *argv]


def timed(*argv):
    start = time.monotonic()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken("%s: %s" % (" ".join(argv), done.stderr))
    return time.monotonic() - start


def parser_speeds(path):
    """GB/s of our parser on one core, by tests/tools/hprof-bench: checking, and each way to redact."""
    done = subprocess.run(one_core(BUILD + "/tools/hprof-bench", path, "1"), capture_output=True, text=True, check=False)
    found = dict(re.findall(r"^(none|strings|primitives)_gb_s=([0-9.]+)$", done.stdout, re.M))
    if done.returncode or len(found) != 3:
        raise Broken("hprof-bench: " + done.stdout + done.stderr)
    return {name: float(speed) for name, speed in found.items()}


def check(table, options):
    """check and redact on one core: at least 1.5 GB/s, at least a JVM's writer; and hprof-slurp, of others"""
    path = RUN + "/check.hprof"
    with Jvm(17, options.heap_mb) as jvm:
        limit = jvm.dump("/dev/null")
        RATES.setdefault("JDK 17, one writer", limit.size / limit.ticker)
        jvm.dump("/tmp/heap.hprof")
        shutil.move(jvm.root + "/tmp/heap.hprof", path)
    size = os.path.getsize(path)
    peer = subprocess.run([RIG + "/peers.sh", "hprof-slurp"], capture_output=True, text=True, check=False)
    ways = [lambda: parser_speeds(path)]
    if peer.returncode == 0:
        ways.append(lambda: size / 1e9 / timed(*one_core(peer.stdout.strip(), path)))
    found = rounds(max(3, options.runs), *ways)
    ours = {name: [speeds[name] for speeds in found[0]] for name in ("none", "strings", "primitives")}
    os.unlink(path)
    table.at_least("check, one core", median(ours["none"]), 1.5, " GB/s", spread(ours["none"], "GB/s"), ours=ours)
    if peer.returncode == 0:
        table.note("  against hprof-slurp, one core", ratio(ours["none"], found[1]), "x",
                   "hprof-slurp %s" % spread(found[1], "GB/s"), theirs=found[1])
    else:
        table.missing("  against hprof-slurp, one core", "the peer is not there: " + peer.stderr.strip())
    writer, rate = max(((n, r) for n, r in RATES.items() if "one writer" in n), key=lambda item: item[1])
    for name in ("strings", "primitives"):
        table.at_least("redact %s / %s" % (name, writer), median(ours[name]) / (rate / 1e9), 1.0, "",
                       "%s / %.2f GB/s" % (spread(ours[name], "GB/s"), rate / 1e9))


def distance(table, options):
    """bytes a second over a relay that holds them 50 ms each way, of a dump in format hprof,
    / that of `ssh node cat` of the same bytes: at least 4"""
    path = RUN + "/far.hprof"
    ours, theirs, whole_ours, whole_theirs = [], [], [], []
    with Relay("--delay", "50") as relay, Jvm(17, options.heap_mb // 2) as jvm:
        for i in range(min(3, options.runs) + 1):
            quiet()
            with Rate(relay) as rate:
                run = Run(jvm, "--format", "hprof", to=path, port=relay.port)
            with Rate(relay) as other:
                seconds = timed("sh", "-c", 'exec ssh -F none -p "$1" -i "$2" -o UserKnownHostsFile="$3" root@127.0.0.1 '
                                'cat "$4" >"$4.copy"', "sh", relay.port, RUN + "/ssh/client",
                                RUN + "/ssh/known_hosts", path)
            size = os.path.getsize(path)
            for name in (path, path + ".copy", path + ".manifest.json"):
                os.unlink(name)
            if i:
                ours.append(rate.bytes_per_second() / 1e6)
                theirs.append(other.bytes_per_second() / 1e6)
                whole_ours.append(run.seconds)
                whole_theirs.append(seconds)
    table.at_least("100 ms away, speed against ssh cat", ratio(ours, theirs), 4, "x",
                   "%s against %s, %d MB; whole job %s, ssh cat alone %s" % (
                       spread(ours, "MB/s", 0), spread(theirs, "MB/s", 0), size // MB, spread(whole_ours),
                       spread(whole_theirs)), ours=ours, theirs=theirs)


ROWS = (pause17, pause21, jmap, segments, whole, loopback, narrow, disk, memory, check, distance, fleet)
