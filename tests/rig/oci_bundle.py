#!/usr/bin/env python3
"""Write the config.json of an OCI bundle in the shape that a kubelet asks its runtime for.

usage: oci_bundle.py [options] BUNDLE_DIR -- ARGV...
"""
import argparse
import json
import os

DEFAULT_CAPS = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
                "SETPCAP", "SETUID", "SYS_CHROOT"]
USERNS_FIRST, USERNS_SIZE = 100000, 65536


def mounts(options):
    flags = ["nosuid", "noexec", "nodev"]
    result = [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": flags},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
         "options": flags + ["mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": flags},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": flags + ["ro"]},
    ]
    if options.tmp == "tmpfs":
        result.append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
                       "options": ["nosuid", "nodev", "mode=1777", "size=" + options.tmp_size]})
    for bind in options.bind:
        source, destination = bind.split(":", 1)
        result.append({"destination": destination, "type": "bind", "source": source, "options": ["rbind", "rw"]})
    return result


def linux(options):
    namespaces = [{"type": name} for name in ("mount", "ipc", "uts")]
    namespaces.append({"type": "network", **({"path": options.net} if options.net else {})})
    if options.pid_ns != "host":
        namespaces.append({"type": "pid", **({"path": options.pid_ns} if options.pid_ns else {})})
    result = {
        "namespaces": namespaces,
        "cgroupsPath": options.cgroup,
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    }
    if options.memory:
        result["resources"]["memory"] = {"limit": options.memory}
    if options.cpus:
        result["resources"]["cpu"] = {"quota": int(options.cpus * 100000), "period": 100000}
    if options.userns:
        namespaces.append({"type": "user"})
        mapping = [{"containerID": 0, "hostID": USERNS_FIRST, "size": USERNS_SIZE}]
        result["uidMappings"] = result["gidMappings"] = mapping
    return result


def config(options):
    caps = [] if options.caps == "none" else ["CAP_" + name for name in DEFAULT_CAPS]
    effective = caps if options.user == 0 else []
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": options.user, "gid": options.group},
            "args": options.argv,
            "env": ["PATH=/usr/bin:/bin", "HOSTNAME=" + options.hostname] + options.env,
            "cwd": options.cwd,
            "noNewPrivileges": options.caps == "none",
            "capabilities": {"bounding": caps, "permitted": effective, "effective": effective},
        },
        "root": {"path": "rootfs", "readonly": options.read_only},
        "hostname": options.hostname,
        "mounts": mounts(options),
        "linux": linux(options),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cgroup", required=True)
    parser.add_argument("--user", type=int, default=1000)
    parser.add_argument("--group", type=int, default=None)
    parser.add_argument("--userns", action="store_true")
    parser.add_argument("--pid-ns", default="", help="'host', or the path of another container's; else a new one")
    parser.add_argument("--net", default="", help="the path of another container's network; else a new one")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--tmp", choices=("tmpfs", "image"), default="tmpfs")
    parser.add_argument("--tmp-size", default="256m")
    parser.add_argument("--caps", choices=("none", "default"), default="none")
    parser.add_argument("--memory", type=int, default=0, help="limit in bytes")
    parser.add_argument("--cpus", type=float, default=0, help="limit in CPUs")
    parser.add_argument("--hostname", default="rig")
    parser.add_argument("--cwd", default="/")
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--bind", action="append", default=[], help="SOURCE:DESTINATION, writable")
    parser.add_argument("bundle")
    parser.add_argument("argv", nargs="+")
    options = parser.parse_args()
    if options.group is None:
        options.group = options.user
    with open(os.path.join(options.bundle, "config.json"), "w", encoding="utf-8") as out:
        json.dump(config(options), out, indent=1)


if __name__ == "__main__":
    main()
