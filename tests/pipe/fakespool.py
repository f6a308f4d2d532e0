"""A capture that is none: a spool directory with state and data that grow (remote/spool/spool.h).

    with Spool() as s:
        s.save("dump")
        s.append(b"bytes")
        s.complete()

The lock is held by this process, or by one of its own (Captor), which can be killed.
"""
import fcntl
import hashlib
import json
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import time

BASE = "/var/lib"
KEPT = 16 << 20


def start_time(pid):
    with open("/proc/%d/stat" % pid) as f:
        return int(f.read().rsplit(")", 1)[1].split()[19])


class Spool:
    def __init__(self, base=BASE, **fields):
        self.id = "%016x" % random.getrandbits(64)
        self.path = "%s/.jdiag-%s" % (base, self.id)
        os.mkdir(self.path, 0o700)
        os.mkdir(self.path + "/dump")
        self.lock = os.open(self.path + "/unlocked", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        os.rename(self.path + "/unlocked", self.path + "/lock")
        self.parts = []
        self.hash = hashlib.sha256()
        now = int(time.time())
        self.state = dict(
            version=1, program="fake 1", id=self.id, phase="starting", ring=False, owner="ana@b",
            container="", pid=1, start_time=1, created=now, expires=now + 1000, strategy="fifo",
            format="hprof", redact="none", buffer=0, expected=0, raw=0, stored=0, overflow=0,
            stalled_ms=0, pause_ms=0, elapsed_ms=0, written_ms=0, records=0, sha256="", crc32c=0,
            text="", notice="", label="a label")
        self.state.update(fields)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unlock()
        shutil.rmtree(self.path, ignore_errors=True)

    def unlock(self):
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def note_pid(self):
        os.pwrite(self.lock, b"%d %d\n" % (os.getpid(), start_time(os.getpid())), 0)

    def save(self, phase=None, **fields):
        self.state.update(fields)
        if phase:
            self.state["phase"] = phase
        self.state["stored"] = sum(size for size, _ in self.parts)
        self.state["parts"] = [{"bytes": size, "final": final} for size, final in self.parts]
        with open(self.path + "/state.new", "w") as f:
            json.dump(self.state, f)
        os.rename(self.path + "/state.new", self.path + "/state")

    def write(self, data, part=0):
        """Into a part, which is not known before the next save."""
        while len(self.parts) <= part:
            self.parts.append((0, False))
        with open("%s/data.%d" % (self.path, part), "ab") as f:
            f.write(data)
        self.parts[part] = (self.parts[part][0] + len(data), False)

    def end_part(self, part=0):
        self.parts[part] = (self.parts[part][0], True)

    def append(self, data, part=0):
        self.write(data, part)
        self.save()

    def content(self):
        data = b""
        for i in range(len(self.parts)):
            with open("%s/data.%d" % (self.path, i), "rb") as f:
                data += f.read()
        return data

    def complete(self, sha256=None):
        self.parts = [(size, True) for size, _ in self.parts]
        self.save("complete", sha256=sha256 or hashlib.sha256(self.content()).hexdigest(),
                  crc32c=4711)


class Ring(Spool):
    """Gives back what lies more than KEPT behind the reader, and is never more than size ahead."""

    def __init__(self, size, **fields):
        super().__init__(base="/run", ring=True, **fields)
        self.size = size
        with open(self.path + "/read", "wb+") as f:
            f.truncate(8)
            self.map = mmap.mmap(f.fileno(), 8)
        self.punched = 0
        self.save("dump")

    def read_position(self):
        return struct.unpack("=Q", self.map[:8])[0]

    def has_room(self, n):
        return not self.parts or self.parts[0][0] + n - self.read_position() <= self.size

    def give_back(self):
        """As a hole punched would: what is there reads as zeros."""
        to = self.read_position() - KEPT
        if to <= self.punched:
            return
        with open(self.path + "/data.0", "r+b") as f:
            f.seek(self.punched)
            f.write(bytes(to - self.punched))
        self.punched = to


class Captor:
    """A process that holds a spool: run(spool) in a child, which has noted its pid."""

    def __init__(self, run, **fields):
        self.spool = Spool(**fields)
        ready, told = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            status = 1
            try:
                self.spool.note_pid()
                os.write(told, b"x")
                run(self.spool)
                status = 0
            except BaseException as e:  # the child must not go on as a copy of the test
                print("captor: %r" % e, file=sys.stderr)
            finally:
                os._exit(status)
        os.close(told)
        self.spool.unlock()
        os.read(ready, 1)
        os.close(ready)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.spool.__exit__()

    def kill(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None

    def wait(self):
        """Its exit status."""
        status = os.waitpid(self.pid, 0)[1]
        self.pid = None
        return os.waitstatus_to_exitcode(status)
