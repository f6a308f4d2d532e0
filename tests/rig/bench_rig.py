"""What the rows of the bench work with: JVMs in containers, jdiag, the bucket, relays, samples.

bench.sh has started sshd, the cluster API and the bucket server below $RIG_RUN."""
import contextlib
import glob
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.dont_write_bytecode = True
from relay import ask  # noqa: E402

RIG = os.environ["RIG_SRC"]
RUN = os.environ["RIG_RUN"]
BUILD = os.environ["JDIAG_BUILD"]
NODE = "gke-rig-pool-1"
MB = 1 << 20
# where a helper may put a spool (remote/nodedir.h)
SPOOLS = [base + "/.jdiag-*" for base in ("/var/lib", "/var/tmp", "/tmp", "/run", "/mnt/disks/*")]


class Broken(Exception):
    """No figure: the bench itself, or what it measures, did not work."""


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read().strip()


def output(*argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken("%s: %s" % (" ".join(argv), done.stderr.strip()))
    return done.stdout.strip()


def container(*args):
    return output(RIG + "/container.sh", *args)


def kube_state(*args):
    output(RIG + "/kube_state.py", RUN + "/kube/state.json", *args)


# --- JVMs -------------------------------------------------------------------------------------------

class Jvm:
    """A pod's container with a JVM (Mixed.java) that holds so many megabytes; its /tmp is a directory
    of the container's own overlay, on the disk."""

    def __init__(self, image, megabytes, main="Mixed", name=None):
        self.name = name or "m%s" % image
        heap = "-Xmx%dm" % (megabytes * 7 // 4 + 128)
        container("start", "--image", str(image), "--main", main, "--tmp", "image", "--java", heap, self.name,
                  "fill=%d" % megabytes)
        self.pid = int(container("pid", self.name))
        self.id = container("id", self.name)
        self.root = container("root", self.name)
        self.log = container("log", self.name)
        kube_state("pod", "shop/" + self.name, "--node", NODE, "--uid", container("pod", self.name),
                   "--container", "app=" + self.id)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        container("stop", self.name)

    def disk(self):
        """Bytes of the pod's own storage that are in use."""
        return disk_usage(os.path.dirname(self.log) + "/upper")

    def attach(self, *command):
        return output(RIG + "/attach.py", str(self.pid), *command)

    @contextlib.contextmanager
    def paused(self):
        """A list that has, at the end, the longest gap between two ticks of the program in seconds."""
        start, found = os.path.getsize(self.log), []
        yield found
        end, text = time.monotonic() + 10, ""
        while text.count("tick ") < 3:  # it runs again, and the ticker has told
            if time.monotonic() > end:
                raise Broken("the JVM does not count on")
            time.sleep(0.05)
            with open(self.log, encoding="utf-8") as f:
                f.seek(start)
                text = f.read()
        found.append(max([float(ms) for ms in re.findall(r"^gap ([0-9.]+)$", text, re.M)], default=0.0) / 1000)

    def dump(self, path, options=""):
        """GC.heap_dump by the attach client that is not ours: a Pause."""
        with self.paused() as gap:
            start = time.monotonic()
            text = self.attach("GC.heap_dump -all -overwrite %s %s" % (options, path))
            elapsed = time.monotonic() - start
        match = re.search(r"\[(\d+) bytes in ([0-9.]+) secs\]", text)
        if not match:
            raise Broken("no dump: " + text)
        return Pause(gap[0], float(match[2]), int(match[1]), elapsed)


class Pause:
    """ticker: seconds as the application saw it; said: as the JVM said it (0: unknown); size of the dump;
    elapsed: from the command to its answer."""

    def __init__(self, ticker, said, size, elapsed):
        self.ticker, self.said, self.size, self.elapsed = ticker, said, size, elapsed


# --- the bucket and the disk --------------------------------------------------------------------------

BUCKET = "http://127.0.0.1:" + read(RUN, "bucket.port")


class Patience:
    """How long to wait for a machine where nothing else runs, before each measurement; how often in vain."""
    seconds = 5.0
    enough = 0.15  # processors' worth of work
    asked = vain = 0


def others(seconds):
    """Processors' worth of work that went on without us, over so many seconds."""
    def busy():
        values = [int(n) for n in read("/proc/stat").split("\n")[0].split()[1:9]]
        return sum(values) - values[3] - values[4]
    before, start = busy(), time.monotonic()
    time.sleep(seconds)
    return (busy() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - start)


def quiet():
    """The bytes of the run before must not be written during the next one; nothing else should run."""
    urllib.request.urlopen(urllib.request.Request(BUCKET + "/control/reset", b"", method="POST")).read()
    os.sync()
    end = time.monotonic() + Patience.seconds
    Patience.asked += 1
    while others(0.4) > Patience.enough:
        if time.monotonic() > end:
            Patience.vain += 1
            return


def object_size(kind):
    """Of the one dump that must lie in the bucket now."""
    with urllib.request.urlopen(BUCKET + "/storage/v1/b/dumps/o") as answer:
        sizes = [int(o["size"]) for o in json.load(answer).get("items", []) if o["name"].endswith(kind)]
    if len(sizes) != 1 or not sizes[0]:
        raise Broken("not one %s in the bucket: %r" % (kind, sizes))
    return sizes[0]


def disk_usage(path):
    total = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir(path):
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    total += disk_usage(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


@contextlib.contextmanager
def dirty_limit(size):
    """How many bytes may wait to be written before writers have to wait; as before at the end."""
    names = ("dirty_background_bytes", "dirty_background_ratio", "dirty_bytes", "dirty_ratio")
    before = {name: read("/proc/sys/vm", name) for name in names}

    def put(name, value):
        with open("/proc/sys/vm/" + name, "w", encoding="utf-8") as f:
            f.write(str(value))
    try:
        put("dirty_background_bytes", size // 2)
        put("dirty_bytes", size)
        yield
    finally:
        for name in names:  # of each pair one is 0 and the other counts
            if before[name] != "0":
                put(name, before[name])


# --- relays -------------------------------------------------------------------------------------------

class Relay:
    """Between jdiag (or ssh) and the node's sshd."""

    def __init__(self, *options):
        self.dir = tempfile.TemporaryDirectory(dir=RUN)
        self.control = self.dir.name + "/control"
        port_file = self.dir.name + "/port"
        self.process = subprocess.Popen([RIG + "/relay.py", *options, "--control", self.control, port_file,
                                         read(RUN, "ssh/port")])
        for _ in range(200):
            if os.path.exists(port_file):
                break
            time.sleep(0.05)
        self.port = read(port_file)
        with open(RUN + "/ssh/known_hosts", "r+", encoding="utf-8") as f:
            lines = [line for line in f.read().splitlines() if "]:%s " % read(RUN, "ssh/port") in line]
            f.write("".join(re.sub(r"\]:\d+ ", "]:%s " % self.port, line) + "\n" for line in lines))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.dir.cleanup()

    def arrived(self):
        return ask(self.control, ["stats"])["down"]


class Rate:
    """How fast bytes come down a relay while something runs."""

    def __init__(self, relay):
        self.relay = relay
        self.points = []  # (time, bytes)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.stop.wait(0.02):
            self.points.append((time.monotonic(), self.relay.arrived()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def bytes_per_second(self):
        """Of the middle: without login and pause, without the last words."""
        low, high = self.points[0][1], self.points[-1][1]
        inner = [(t, n) for t, n in self.points if 0.05 < (n - low) / max(1, high - low) < 0.95]
        if len(inner) < 3:
            raise Broken("too few bytes to measure a rate")
        return (inner[-1][1] - inner[0][1]) / (inner[-1][0] - inner[0][0])


# --- jdiag --------------------------------------------------------------------------------------------

def environment(port=None):
    return {"PATH": os.environ["PATH"], "HOME": RUN + "/home", "LANG": "C.UTF-8",
            "KUBECONFIG": RUN + "/kube/kubeconfig", "STORAGE_EMULATOR_HOST": BUCKET,
            "JDIAG_SSH_USER": "root", "JDIAG_SSH_CONFIG": "/dev/null", "JDIAG_SSH_PORT": port or read(RUN, "ssh/port"),
            "JDIAG_IDENTITY": RUN + "/ssh/client", "JDIAG_KNOWN_HOSTS": RUN + "/ssh/known_hosts"}


class Run:
    """`jdiag heapdump` of a Mixed JVM, to its end: seconds (fork to exit), result (what it printed), pause
    (Pause), object (bytes delivered). `sampler` is entered while it runs, and told its pid."""

    def __init__(self, jvm, *options, to="gs://dumps/bench/", port=None, sampler=None, mixed=True):
        argv = [BUILD + "/jdiag", "heapdump", jvm.name, "-n", "shop", "--all-objects", "--to", to, "-o", "json",
                "--progress", "plain", *options]
        with contextlib.ExitStack() as stack:
            gap = stack.enter_context(jvm.paused()) if mixed else [0.0]
            with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
                start = time.monotonic()
                child = subprocess.Popen(argv, env=environment(port), stdin=subprocess.DEVNULL, stdout=out, stderr=err)
                if sampler:
                    sampler.jdiag = child.pid
                with sampler or contextlib.nullcontext():
                    child.wait()
                self.seconds = time.monotonic() - start
                out.seek(0)
                err.seek(0)
                self.said = err.read().decode()
                if child.returncode:
                    raise Broken("%s: %d\n%s" % (" ".join(argv), child.returncode, self.said))
                self.result = json.loads(out.read())
        self.object = self.result["size"]
        self.strategy = self.capture("strategy")
        self.pause = Pause(gap[0], (self.capture("pauseMs") or 0) / 1000, self.capture("rawSize", "size"), self.seconds)

    def capture(self, *names):
        """A value of the result, by the first name that it has there or in "capture"."""
        for name in names:
            for place in (self.result["capture"], self.result):
                if name in place:
                    return place[name]
        return None

    def used(self, strategy):
        if self.strategy != strategy:
            raise Broken("jdiag used %s, not %s" % (self.strategy, strategy))
        return self


# --- samples while something runs -----------------------------------------------------------------------

class Sampler:
    """Calls sample() all the time, in a thread."""
    every = 0.05

    def __enter__(self):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def work(self):
        while not self.stop.wait(self.every):
            self.sample()


def spools_of(jvm):
    """(path, state) of each spool of a capture of this JVM."""
    for pattern in SPOOLS:
        for path in glob.glob(pattern):
            with contextlib.suppress(OSError, ValueError):
                state = json.loads(read(path, "state"))
                if state.get("pid") == jvm.pid:
                    yield path, state


class Disks(Sampler):
    """The most bytes that lay in a spool, and in the pod beyond what was there; raw overflow seen."""

    def __init__(self, jvm):
        self.jvm = jvm
        self.before = jvm.disk()
        self.spool = self.pod = 0
        self.overflow = False

    def sample(self):
        spools = [path for path, _ in spools_of(self.jvm)]
        self.spool = max(self.spool, sum(map(disk_usage, spools)))
        self.overflow |= any(glob.glob(path + "/raw.*") for path in spools)
        self.pod = max(self.pod, self.jvm.disk() - self.before)


def helpers():
    """Processes of the helper that came in by our sshd; their environment tells."""
    ours = re.compile(rb"(^|\0)SSH_CONNECTION=[^\0]* %s(\0|$)" % read(RUN, "ssh/port").encode())
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if read("/proc", pid, "comm").startswith("jdiag-"):
                with open("/proc/%s/environ" % pid, "rb") as f:
                    if ours.search(f.read()):
                        yield pid


def memory_of(pid):
    """Proportional set size in bytes: of all mappings, and of the largest."""
    sizes = [int(kb) * 1024 for kb in re.findall(r"^Pss:\s+(\d+) kB", read("/proc", pid, "smaps"), re.M)]
    return sum(sizes), max(sizes, default=0)


class Memory(Sampler):
    """The most memory of all processes of the helper together, with and without the buffer, and of jdiag
    (the kernel's own peak; that of wait4 would begin with ours, which the child has until its exec)."""
    every = 0.1

    def __init__(self, jvm):
        self.jvm = jvm
        self.buffer = self.count = self.peak = 0
        self.sizes = []  # (all of the processes, the largest mapping)

    def sample(self):
        with contextlib.suppress(OSError):
            found = re.search(r"^VmHWM:\s+(\d+) kB", read("/proc/%d/status" % self.jdiag), re.M)
            self.peak = int(found[1]) * 1024 if found else self.peak
        whole, largest, count = 0, 0, 0
        for pid in helpers():
            with contextlib.suppress(OSError, ValueError):
                size, part = memory_of(pid)
                whole, largest, count = whole + size, max(largest, part), count + 1
        self.sizes.append((whole, largest))
        self.count = max(self.count, count)
        self.buffer = max([self.buffer] + [state.get("buffer", 0) for _, state in spools_of(self.jvm)])

    def whole(self):
        return max(whole for whole, _ in self.sizes)

    def rest(self):
        """The buffer is one mapping; the state tells its size only when it has been touched."""
        return max(whole - min(largest, self.buffer) for whole, largest in self.sizes)


# --- figures --------------------------------------------------------------------------------------------

def median(values):
    return statistics.median(values)


def spread(values, unit="s", digits=2):
    return "%.*f (%.*f-%.*f) %s" % (digits, median(values), digits, min(values), digits, max(values), unit)
