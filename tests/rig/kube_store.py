"""What kube_server.py and kube_state.py share: the file with the objects, and merge patches.

Each object that is stored gets the next resourceVersion of the file, as etcd does it.
"""
import contextlib
import fcntl
import json
import os

FIRST_VERSION = 1900


def merge(target, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


class Store:
    def __init__(self, path):
        self.path = path

    def read(self):
        try:
            with open(self.path, encoding="utf-8") as source:
                return json.load(source)
        except FileNotFoundError:
            return {"nodes": {}, "pods": {}}

    @contextlib.contextmanager
    def change(self):
        """The state, to be changed by one program at a time; stored at the end unless it fails."""
        with open(self.path + ".lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.read()
            yield state
            # Who reads is not kept out: replaced in one step.
            with open(self.path + ".new", "w", encoding="utf-8") as out:
                json.dump(state, out, indent=1)
            os.replace(self.path + ".new", self.path)


def put(state, kind, key, item):
    """Store one object: "pods", "shop/web", the object."""
    state["version"] = state.get("version", FIRST_VERSION) + 1
    item["metadata"]["resourceVersion"] = str(state["version"])
    state.setdefault(kind, {})[key] = item
