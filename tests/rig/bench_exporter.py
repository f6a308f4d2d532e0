"""The row `exporter` of the bench: the Prometheus JMX exporter, loaded into JVMs that run.

What is compared is the way that operators of that kind went: an exec into the container for each step - jps finds
the JVM, the jar, the configuration and a loader go in by tar, a second JVM is started there and attaches to the
first -, then the page is fetched. Here each exec is an ssh login to the node and `runc exec`; of several pods all are
worked on at once. It needs tar and a JDK in the image, which the containers have for it; it looks at nothing before it
loads, and annotates nothing. Each JVM is new: an agent cannot be unloaded.

A part of the time is the JVM's own, whoever asks it: the start of the exporter and its first page."""
import concurrent.futures
import contextlib
import os
import shutil
import subprocess
import tempfile
import time

from bench_rig import (BUILD, RIG, RUN, Broken, Jvm, Sampler, container, environment, median, output, quiet, read,
                       spread)

IMAGE = "17"
PORT = "9404"
CONFIG = "lowercaseOutputName: true\nrules:\n- pattern: '.*'\n"
FILES = ("exporter.jar", "jmx.yaml", "Load.class")


class Parts:
    """A directory with what goes into the containers, and the JVM that is started there."""

    def __init__(self):
        self.dir = RUN + "/exporter"
        os.makedirs(self.dir, exist_ok=True)
        shutil.copy(output(RIG + "/exporter.sh", "1.0.1"), self.dir + "/exporter.jar")
        with open(self.dir + "/jmx.yaml", "w", encoding="utf-8") as f:
            f.write(CONFIG)
        output("javac", "--release", "17", "--add-modules", "jdk.attach", "-d", self.dir, RIG + "/java/Load.java")
        self.java = output(RIG + "/jvm.sh", "java-home", IMAGE) + "/bin/java"
        self.busybox = shutil.which("busybox")
        if not self.busybox:
            raise Broken("no busybox: install busybox-static")


class Pods:
    """So many pods with a JVM each, which are all at work; the older way finds its tar there."""

    def __init__(self, parts, count):
        self.parts, self.count = parts, count

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        try:
            with concurrent.futures.ThreadPoolExecutor(2 * os.cpu_count()) as pool:
                self.jvms = list(pool.map(self.start, ["exporter-%d" % i for i in range(self.count)]))
        except BaseException:
            self.stack.close()
            raise
        return self

    def start(self, name):
        jvm = self.stack.enter_context(Jvm(IMAGE, 16, "Checkout", name))
        shutil.copy(self.parts.busybox, jvm.root + "/app/busybox")
        return jvm

    def __exit__(self, *error):
        return self.stack.__exit__(*error)


class Processes(Sampler):
    """The most JVMs that ran in one container at the same time."""
    every = 0.02

    def __init__(self, pods):
        self.files = [self.processes_of(jvm) for jvm in pods.jvms]
        self.most = 0

    @staticmethod
    def processes_of(jvm):
        group = container("cgroup", jvm.name)
        for line in read("/proc/mounts").splitlines():
            path = line.split()[1] + group + "/cgroup.procs"
            if line.split()[2] in ("cgroup", "cgroup2") and os.path.exists(path) and read(path):
                return path
        raise Broken("no cgroup of " + jvm.name)

    def sample(self):
        for path in self.files:
            count = 0
            with contextlib.suppress(OSError):
                for pid in read(path).split():
                    with contextlib.suppress(OSError):
                        count += os.path.basename(os.readlink("/proc/%s/exe" % pid)) == "java"
            self.most = max(self.most, count)


def page_of(jvm):
    """The command that prints its metrics page, on the node: the second one, since what 1.0 says about a scrape is on
    the page after it."""
    url = "http://127.0.0.1:%s/metrics" % PORT
    return "nsenter -n -t %d curl -sSf -o /dev/null %s %s" % (jvm.pid, url, url)


def verified(page, who):
    if "\njmx_scrape_error 0.0\n" not in page or "\njvm_" not in page:
        raise Broken("%s: no metrics page: %s" % (who, page[:300]))


def on_node(command, **options):
    argv = ["ssh", "-F", "none", "-p", read(RUN, "ssh/port"), "-i", RUN + "/ssh/client", "-o", "BatchMode=yes", "-o",
            "UserKnownHostsFile=" + RUN + "/ssh/known_hosts", "root@127.0.0.1", command]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), check=False, **options)
    if done.returncode:
        raise Broken("%s: %d\n%s" % (command, done.returncode, (done.stdout + done.stderr).decode(errors="replace")))
    return done.stdout.decode()


def older_way(parts, jvm, one_login):
    """For one pod, with a login for each step, or one for all of them."""
    enter = "runc --root %s/runc exec %s " % (RUN, jvm.id)
    steps = [enter + "/app/busybox tar -C /tmp -xf -",
             enter + parts.java + " -m jdk.jcmd/sun.tools.jps.Jps",
             enter + "%s -cp /tmp Load 1 /tmp/exporter.jar %s:/tmp/jmx.yaml" % (parts.java, PORT),
             page_of(jvm)]
    with tempfile.TemporaryFile() as tar:
        subprocess.run(["tar", "-C", parts.dir, "-cf", "-", *FILES], stdout=tar, check=True)
        tar.seek(0)
        if one_login:
            page = on_node(" && ".join(steps), stdin=tar)
        else:
            on_node(steps[0], stdin=tar)
            for step in steps[1:]:
                page = on_node(step, stdin=subprocess.DEVNULL)
    verified(page, jvm.name)


def by_older_way(parts, pods, one_login=False):
    """All of them at once."""
    with concurrent.futures.ThreadPoolExecutor(len(pods.jvms)) as pool:
        for done in [pool.submit(older_way, parts, jvm, one_login) for jvm in pods.jvms]:
            done.result()


def in_one_login(parts, pods):
    by_older_way(parts, pods, True)


def by_itself(parts, pods):
    """The JVM's own part: the files are there, an attach client asks it at once, the page is fetched."""
    for jvm in pods.jvms:
        for name in FILES:
            shutil.copy(os.path.join(parts.dir, name), jvm.root + "/tmp")
        reply = jvm.attach("JVMTI.agent_load /tmp/exporter.jar %s:/tmp/jmx.yaml" % PORT)
        if "return code: 0" not in reply:
            raise Broken("%s: %s" % (jvm.name, reply))
        verified(output(*page_of(jvm).split()), jvm.name)


def by_jdiag(parts, pods):
    argv = [BUILD + "/jdiag", "exporter", "inject", *(jvm.name for jvm in pods.jvms), "-n", "shop", "--port", PORT,
            "--jar", parts.dir + "/exporter.jar", "--config", parts.dir + "/jmx.yaml"]
    done = subprocess.run(argv, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken("%s: %d\n%s%s" % (" ".join(argv), done.returncode, done.stdout, done.stderr))


def measure(parts, count, way):
    """Seconds, and how many JVMs there were in a container beside its own; the pages are there afterwards."""
    with Pods(parts, count) as pods:
        quiet()
        with Processes(pods) as seen:
            start = time.monotonic()
            way(parts, pods)
            seconds = time.monotonic() - start
        for jvm in pods.jvms:
            verified(output(*page_of(jvm).split()), jvm.name)
    return seconds, seen.most - 1


def compared(parts, count, runs, *ways):
    """As `rounds`: in turn, and the first round does not count. ([seconds], JVMs beside) of each way."""
    found = [([], []) for _ in ways]
    for i in range(runs + 1):
        for way, (times, beside) in zip(ways, found):
            seconds, extra = measure(parts, count, way)
            beside.append(extra)
            if i:
                times.append(seconds)
    return [(times, max(beside)) for times, beside in found]


def exporter(table, options):
    """from the command to the first verified scrape of the JMX exporter, one pod and --pods (20) at once: how many times
    faster than an exec for each step and a loader JVM in the container: at least 3; JVMs that it starts there: 0"""
    parts = Parts()
    (one, extra), (theirs, theirs_extra), (login, _), (own, _) = compared(
        parts, 1, options.runs, by_jdiag, by_older_way, in_one_login, by_itself)
    table.at_least("exporter, one pod", median(theirs) / median(one), 3, "x", "exec and loader %s, jdiag %s" % (
        spread(theirs), spread(one)), ours=one, theirs=theirs)
    table.note("  against all steps in one login", median(login) / median(one), "x", spread(login), theirs=login)
    table.note("  the JVM's own part", median(own), " s", spread(own), own=own)
    (many, also), (theirs, _) = compared(parts, options.pods, min(2, options.runs), by_jdiag, by_older_way)
    table.at_least("exporter, %d pods at once" % options.pods, median(theirs) / median(many), 3, "x",
                   "exec and loader %s, jdiag %s" % (spread(theirs), spread(many)), ours=many, theirs=theirs)
    table.at_most("  JVMs beside the pod's own", max(extra, also), 0, "", "exec and loader: %d" % theirs_extra)


ROWS = (exporter,)
