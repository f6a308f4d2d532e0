"""Objects and resumable sessions of the rig's bucket server: the rules of the real service, as
strict as it is. Files on disk, never a whole object in memory."""

import base64
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import threading
import urllib.parse

QUANTUM = 256 * 1024


class Refused(Exception):
    """An answer that is not success: status, message, and the type of its body."""

    def __init__(self, status, message, text=False):
        super().__init__(message)
        self.status, self.message, self.text = status, message, text


class Session:
    def __init__(self, bucket, name, meta, must_be_new, path):
        self.id = secrets.token_urlsafe(32)
        self.bucket, self.name, self.meta = bucket, name, meta
        self.must_be_new, self.path = must_be_new, path
        self.stored = 0
        self.total = None
        self.state = "open"  # done, cancelled, gone
        self.result = None
        self.lock = threading.Lock()


class Range:
    """A Content-Range: first and last (None where '*'), total (None where '*')."""

    PATTERN = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)$")

    def __init__(self, text, length):
        m = self.PATTERN.match(text or "")
        if not m:
            raise Refused(400, "Invalid Content-Range: %r" % text)
        self.first, self.last = (int(m[1]), int(m[2])) if m[1] else (None, None)
        self.total = None if m[3] == "*" else int(m[3])
        want = 0 if self.first is None else self.last - self.first + 1
        if want != length or (self.first is not None and want <= 0):
            raise Refused(400, "Content-Length %d does not agree with %r" % (length, text))
        if self.total is not None and self.last is not None and self.last >= self.total:
            raise Refused(400, "Content-Range goes beyond its total")

    @property
    def is_status(self):
        return self.first is None and self.total is None

    @property
    def is_final(self):
        return self.total is not None and (self.last is None or self.last + 1 == self.total)


class Store:
    def __init__(self, directory, crc_tool, buckets):
        self.dir, self.crc_tool, self.buckets = directory, crc_tool, set(buckets)
        self.sessions = {}
        self.lock = threading.Lock()
        for sub in ("objects", "sessions"):
            os.makedirs(os.path.join(directory, sub), exist_ok=True)

    # --- objects

    def path(self, bucket, name):
        quoted = urllib.parse.quote(name, safe="")
        if len(quoted) > 200:
            quoted = quoted[:100] + hashlib.sha256(name.encode()).hexdigest()
        return os.path.join(self.dir, "objects", bucket, quoted)

    def lookup(self, bucket, name):
        try:
            with open(self.path(bucket, name) + ".meta") as f:
                return json.load(f)
        except FileNotFoundError:
            return None

    def names(self, bucket):
        directory = os.path.join(self.dir, "objects", bucket)
        metas = sorted(f for f in os.listdir(directory) if f.endswith(".meta")) \
            if os.path.isdir(directory) else []
        return [json.load(open(os.path.join(directory, f))) for f in metas]

    def crc32c(self, path):
        return subprocess.run([self.crc_tool, path], check=True, capture_output=True,
                              text=True).stdout.strip()

    def finalise(self, bucket, name, meta, must_be_new, source, declared):
        """source becomes the object, unless the checksum or the precondition says no."""
        crc = self.crc32c(source)
        for said in filter(None, (declared, meta.get("crc32c"))):
            if said != crc:
                raise Refused(400, "Provided CRC32C \"%s\" doesn't match calculated CRC32C "
                              "\"%s\"." % (said, crc))
        with self.lock:
            if must_be_new and self.lookup(bucket, name):
                raise Refused(412, "At least one of the pre-conditions you specified did not hold.")
            path = self.path(bucket, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            result = {"kind": "storage#object", "bucket": bucket, "name": name,
                      "size": str(os.path.getsize(source)), "crc32c": crc, "generation": "1",
                      "contentType": meta.get("contentType", "application/octet-stream")}
            if "metadata" in meta:
                result["metadata"] = meta["metadata"]
            os.rename(source, path)
            with open(path + ".meta", "w") as f:
                json.dump(result, f)
        return result

    def temp(self):
        return os.path.join(self.dir, "sessions", secrets.token_hex(8))

    def clear(self):
        for s in self.sessions.values():
            self.drop(s, "gone")
        shutil.rmtree(os.path.join(self.dir, "objects"))
        os.mkdir(os.path.join(self.dir, "objects"))

    # --- sessions

    def start(self, bucket, name, meta, must_be_new):
        s = Session(bucket, name, meta, must_be_new, self.temp())
        open(s.path, "wb").close()
        self.sessions[s.id] = s
        return s

    def session(self, ident):
        s = self.sessions.get(ident)
        if not s or s.state == "gone":
            raise Refused(404, "No such upload session.")
        if s.state == "cancelled":
            raise Refused(499, "Upload cancelled.")
        return s

    def drop(self, s, state):
        s.state = state
        if os.path.exists(s.path):
            os.unlink(s.path)

    def check_put(self, s, r):
        """Before a byte of the body is taken."""
        if r.first is not None and r.first > s.stored:
            raise Refused(503, "Invalid request. According to the Content-Range header, the upload"
                          " offset is %d byte(s), which exceeds already uploaded size of %d "
                          "byte(s)." % (r.first, s.stored), text=True)
        if r.total is not None:
            if s.total not in (None, r.total) or s.stored > r.total:
                raise Refused(400, "The total size changed.")
            s.total = r.total
        if r.first is not None and not r.is_final and (r.last - r.first + 1) % QUANTUM:
            raise Refused(400, "Chunks must be a multiple of %d bytes." % QUANTUM)

    def receive(self, s, r, body, most):
        """Take the body (chunks), ignore what is stored already, keep at most `most` bytes."""
        at = r.first
        with open(s.path, "r+b") as f:
            f.seek(s.stored)
            for chunk in body:
                skip = min(max(s.stored - at, 0), len(chunk))
                at += len(chunk)
                keep = chunk[skip:]
                if most is not None:
                    keep = keep[:max(0, most - s.stored)]
                f.write(keep)
                s.stored += len(keep)

    def trim(self, s, to):
        """A body that broke: what arrived since the last whole quantum is lost."""
        s.stored = max(to, s.stored // QUANTUM * QUANTUM)
        if s.state == "open":
            os.truncate(s.path, s.stored)

    def complete(self, s, declared):
        """All bytes of a known total are here: the object's JSON."""
        try:
            s.result = self.finalise(s.bucket, s.name, s.meta, s.must_be_new, s.path, declared)
        except Refused:
            self.drop(s, "gone")
            raise
        s.state = "done"
        return s.result


def corrupt(path):
    """Flip one bit, as a bad memory chip would."""
    with open(path, "r+b") as f:
        first = f.read(1)
        f.seek(0)
        f.write(bytes([first[0] ^ 1]) if first else b"x")


def part_of_multipart(content_type, body):
    """The JSON and the data of a multipart/related upload."""
    m = re.search(r'boundary="?([^";]+)"?', content_type or "")
    parts = body.split(b"--" + m[1].encode()) if m else []
    if len(parts) != 4 or parts[3].strip() != b"--":
        raise Refused(400, "Malformed multipart body.")
    (_, meta), (head, data) = (p[2:-2].split(b"\r\n\r\n", 1) for p in parts[1:3])
    return json.loads(meta), data


def b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
