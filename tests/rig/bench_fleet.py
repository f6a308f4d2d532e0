"""The row `fleet` of the bench: many nodes, and nearly nothing to do on each.

What is compared is the way to a node and back. pssh and ansible log in and start `true`. jdiag has no command
that does less than `ps ssh://HOST --pid PID`: it logs in, sends the helper and starts it, and has it look at
one JVM; so it does more than the others. The nodes are addresses of 127/8 of one sshd, so
that all work of both ends is that of this machine; most of it is sshd's, and the same for all three."""
import os
import shutil
import subprocess
import time

from bench_rig import BUILD, RUN, Broken, Jvm, environment, median, quiet, read, spread

NODES, WINDOW = 200, 32
HOSTS = ["127.0.1.%d" % i for i in range(1, NODES + 1)]


def packages():
    """pssh and ansible of Debian, installed where they are missing."""
    if not (shutil.which("parallel-ssh") and shutil.which("ansible")):
        argv = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "pssh", "ansible-core"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Broken("pssh and ansible-core cannot be installed: " + done.stderr.strip())


class Nodes:
    """An sshd that listens on all of 127/8, with its known_hosts and the lists of hosts."""

    def __init__(self, jvm):
        self.jvm = jvm
        self.dir, self.port = RUN + "/fleet", str(int(read(RUN, "ssh/port")) + 1)
        os.makedirs(self.dir, exist_ok=True)
        config = read(RUN, "ssh/sshd_config").splitlines()
        config = [line for line in config if line.split()[0] not in ("Port", "ListenAddress", "PidFile")]
        self.write("sshd_config", ["Port " + self.port, "ListenAddress 0.0.0.0", "PidFile none", *config])
        keys = [read(RUN, "ssh/host_%s.pub" % kind).split()[:2] for kind in ("ed25519", "ecdsa", "rsa")]
        self.write("known_hosts", ["[127.0.1.*]:%s %s %s" % (self.port, *key) for key in keys])
        self.write("hosts", ["root@%s:%s" % (host, self.port) for host in HOSTS])
        self.write("inventory", ["%s ansible_port=%s ansible_user=root ansible_python_interpreter=/usr/bin/python3"
                                 % (host, self.port) for host in HOSTS])
        self.options = ["-F", "none", "-i", RUN + "/ssh/client", "-o", "UserKnownHostsFile=" + self.dir + "/known_hosts",
                        "-o", "BatchMode=yes"]

    def write(self, name, lines):
        with open(os.path.join(self.dir, name), "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")

    def __enter__(self):
        with open(self.dir + "/sshd.log", "w", encoding="utf-8") as log:
            self.sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", self.dir + "/sshd_config"],
                                         stdin=subprocess.DEVNULL, stderr=log)
        end = time.monotonic() + 10
        while "Server listening" not in read(self.dir, "sshd.log"):
            if time.monotonic() > end or self.sshd.poll() is not None:
                raise Broken("no sshd for the fleet: " + read(self.dir, "sshd.log"))
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.sshd.terminate()
        self.sshd.wait()

    def timed(self, argv, env, expected):
        """Seconds; expected: how often a text stands in the output, in (text, count)."""
        start = time.monotonic()
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - start
        text, count = expected
        if done.returncode or (done.stdout + done.stderr).count(text) != count:
            raise Broken("%s: status %d\n%s%s" % (argv[0], done.returncode, done.stdout[-1000:], done.stderr[-1000:]))
        return seconds

    def jdiag(self):
        env = dict(environment(self.port), JDIAG_KNOWN_HOSTS=self.dir + "/known_hosts")
        argv = [BUILD + "/jdiag", "ps", *("ssh://" + host for host in HOSTS), "--pid", str(self.jvm.pid), "--connections",
                str(WINDOW), "--jobs", str(WINDOW)]
        return self.timed(argv, env, ("%d done" % NODES, 1))

    def pssh(self):
        # it takes options of ssh apart by blanks
        argv = ["parallel-ssh", "-h", self.dir + "/hosts", "-p", str(WINDOW), "-t", "300", "-x", " ".join(self.options),
                "true"]
        return self.timed(argv, dict(os.environ), ("[SUCCESS]", NODES))

    def ansible(self):
        env = dict(os.environ, HOME=RUN + "/home", ANSIBLE_LOCAL_TEMP=self.dir + "/tmp", ANSIBLE_NOCOLOR="1",
                   ANSIBLE_REMOTE_TEMP=self.dir + "/remote", LC_ALL="C.UTF-8")
        argv = ["ansible", "all", "-i", self.dir + "/inventory", "-f", str(WINDOW), "-T", "120", "--ssh-common-args",
                " ".join(self.options), "-a", "true"]
        return self.timed(argv, env, ("| CHANGED", NODES))


def fleet(table, options):
    """200 nodes: jdiag ps --pid, which starts the helper on each, against `true` by ansible (5 times faster at least)
    and by pssh (not slower), all with 32 at the same time"""
    packages()
    ours, pssh, ansible = [], [], []
    with Jvm(17, 16) as jvm, Nodes(jvm) as nodes:
        for i in range(min(3, options.runs) + 1):
            for way, results in ((nodes.jdiag, ours), (nodes.pssh, pssh)):
                quiet()
                seconds = way()
                if i:
                    results.append(seconds)
        quiet()
        ansible.append(nodes.ansible())
    table.at_least("%d nodes: ansible / jdiag" % NODES, median(ansible) / median(ours), 5, "x",
                   "%s against %s" % (spread(ansible), spread(ours)), ours=ours, theirs=ansible)
    table.at_least("%d nodes: pssh / jdiag" % NODES, median(pssh) / median(ours), 1, "x",
                   "%s against %s" % (spread(pssh), spread(ours)), ours=ours, theirs=pssh)
