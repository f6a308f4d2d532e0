#!/usr/bin/env python3
"""Write an image as an OCI archive, for `ctr images import`: without a daemon, without a registry.

usage: oci_archive.py FILE NAME ENTRYPOINT -- DIRECTORY...

Each directory becomes a layer. Owners are root; times are left out, so that the same files make the same image.
"""
import hashlib
import io
import json
import os
import sys
import tarfile

MEDIA = "application/vnd.oci.image."


def layer(directory):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for top, directories, files in os.walk(directory):
            directories.sort()
            for name in sorted(files + directories):
                path = os.path.join(top, name)
                entry = tar.gettarinfo(path, os.path.relpath(path, directory))
                entry.uid = entry.gid = entry.mtime = 0
                entry.uname = entry.gname = ""
                if entry.isreg():
                    with open(path, "rb") as data:
                        tar.addfile(entry, data)
                else:
                    tar.addfile(entry)
    return out.getvalue()


def add(tar, name, data):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    tar.addfile(entry, io.BytesIO(data))


def blob(tar, media, data):
    digest = hashlib.sha256(data).hexdigest()
    add(tar, "blobs/sha256/" + digest, data)
    return {"mediaType": MEDIA + media, "digest": "sha256:" + digest, "size": len(data)}


def main():
    path, name, entrypoint, dashes, *directories = sys.argv[1:]
    assert dashes == "--" and directories, __doc__
    with tarfile.open(path, "w") as tar:
        add(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        layers = [blob(tar, "layer.v1.tar", layer(directory)) for directory in directories]
        config = {"architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine], "os": "linux",
                  "config": {"Entrypoint": [entrypoint]},
                  # Not packed: a layer's digest is that of its contents.
                  "rootfs": {"type": "layers", "diff_ids": [each["digest"] for each in layers]}}
        manifest = {"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json",
                    "config": blob(tar, "config.v1+json", json.dumps(config).encode()), "layers": layers}
        listed = blob(tar, "manifest.v1+json", json.dumps(manifest).encode())
        listed["annotations"] = {"io.containerd.image.name": name}
        add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [listed]}).encode())


main()
