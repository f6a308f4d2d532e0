#!/usr/bin/env python3
"""Edit the state of kube_server.py: a JSON file {"nodes": {NAME: object}, "pods": {"NS/NAME": object},
"configmaps": {"NS/NAME": object}, "workloads": {"RESOURCE/NS/NAME": object}}; RESOURCE as in a path of the
API ("deployments").

usage: kube_state.py FILE node NAME [--address IP] [--external IP] [--provider-id ID] [--instance-id N] [--merge JSON]
       kube_state.py FILE pod NS/NAME --node N [--uid U]
                     --container NAME=ID[,restarts=N][,state=REASON][,exit=N][,reason=REASON] ...
                     [--label K=V]... [--phase P] [--probe NAME=PERIOD,FAILURES] [--memory NAME=BYTES]
                     [--runtime-class C] [--deleting] [--runtime containerd] [--host-ip IP]
                     [--owner KIND/NAME/UID] [--created TIME] [--not-ready] [--pod-ip IP] [--annotation K=V]...
                     [--port NAME=N]... [--host-network] [--merge JSON]
       kube_state.py FILE workload RESOURCE/NS/NAME --select K=V... [--select-in K=V,V]... [--uid U]
       kube_state.py FILE configmap NS/NAME [--data K=TEXT]... [--file K=PATH]... [--binary K=PATH]...
       kube_state.py FILE restart NS/NAME CONTAINER --id ID [--exit N] [--reason REASON]
                     as the kubelet tells it: another id, one restart more, how the one before has ended
       kube_state.py FILE annotate NS/NAME K=V|K-...
       kube_state.py FILE annotations NS/NAME [K]      print them, as K=V, or one of them (status 1: it is not there)
       kube_state.py FILE remove NS/NAME|NODE|configmap/NS/NAME
       kube_state.py FILE each                         each line of stdin is one of these that change: VERB NAME ...

exit and reason: of the container's lastState.terminated. --merge: JSON, merged into the object.

The objects have the shape of those that a real API server 1.34 sends (recorded in 2026-11).
"""
import argparse
import base64
import json
import shlex
import sys
import uuid

sys.dont_write_bytecode = True
from kube_store import Store, merge, put  # noqa: E402

CREATED = "2026-11-21T03:59:56Z"
STARTED = "2026-11-21T03:59:57Z"


def node_object(options):
    addresses = [{"type": "InternalIP", "address": options.address}]
    if options.external:
        addresses.append({"type": "ExternalIP", "address": options.external})
    addresses.append({"type": "Hostname", "address": options.name})
    return {
        "kind": "Node", "apiVersion": "v1",
        "metadata": {"name": options.name, "uid": str(uuid.uuid4()),
                     "creationTimestamp": CREATED,
                     "labels": {"kubernetes.io/arch": "amd64", "kubernetes.io/hostname": options.name,
                                "kubernetes.io/os": "linux"},
                     "annotations": {"node.alpha.kubernetes.io/ttl": "0", **(
                         {"container.googleapis.com/instance_id": options.instance_id} if options.instance_id else {})}},
        "spec": {"providerID": options.provider_id or "gce://rig-project/europe-west1-b/" + options.name},
        "status": {"capacity": {"cpu": "2", "memory": "24684092Ki", "pods": "110"},
                   "allocatable": {"cpu": "2", "memory": "24684092Ki", "pods": "110"},
                   "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady",
                                   "lastHeartbeatTime": CREATED, "lastTransitionTime": CREATED,
                                   "message": "kubelet is posting ready status"}],
                   "addresses": addresses,
                   "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
                   "nodeInfo": {"architecture": "amd64", "operatingSystem": "linux",
                                "containerRuntimeVersion": "containerd://1.6.20",
                                "kernelVersion": "6.1.0-18-cloud-amd64",
                                "osImage": "Container-Optimized OS from Google",
                                "kubeletVersion": "v1.34.0"}},
    }


def split_container(text):
    """NAME=ID,restarts=2,state=CrashLoopBackOff -> (name, id, {"restarts": ..., "state": ...})"""
    head, *rest = text.split(",")
    name, _, cid = head.partition("=")
    return name, cid, dict(item.split("=", 1) for item in rest)


def terminated(code, reason=None):
    return {"exitCode": code, "reason": reason or ("Completed" if code == 0 else "Error"),
            "startedAt": STARTED, "finishedAt": STARTED}


def container_status(name, cid, facts, runtime):
    reason = facts.get("state")
    if reason is None:
        state = {"running": {"startedAt": STARTED}}
    elif reason in ("Completed", "OOMKilled", "Error"):
        state = {"terminated": terminated(0 if reason == "Completed" else 137, reason)}
    else:
        state = {"waiting": {"reason": reason, "message": "back-off 10s restarting failed container"}}
    last = {"terminated": terminated(int(facts["exit"]), facts.get("reason"))} if "exit" in facts else {}
    result = {"name": name, "state": state, "lastState": last, "ready": reason is None,
              "restartCount": int(facts.get("restarts", 0)), "image": "localhost/checkout:1",
              "imageID": "sha256:" + "1c" * 32, "started": reason is None}
    if cid:
        result["containerID"] = runtime + "://" + cid
    return result


def container_spec(name, options):
    spec = {"name": name, "image": "localhost/checkout:1", "resources": {},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "imagePullPolicy": "Never",
            "securityContext": {"capabilities": {"drop": ["ALL"]}, "runAsUser": 1000, "runAsNonRoot": True,
                                "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False}}
    for probe in options.probe:
        target, _, numbers = probe.partition("=")
        if target == name:
            period, failures = numbers.split(",")
            spec["livenessProbe"] = {"httpGet": {"path": "/", "port": 8080, "scheme": "HTTP"},
                                     "timeoutSeconds": 1, "periodSeconds": int(period),
                                     "successThreshold": 1, "failureThreshold": int(failures)}
    for memory in options.memory:
        target, _, amount = memory.partition("=")
        if target == name:
            spec["resources"] = {"limits": {"memory": amount}, "requests": {"memory": amount}}
    for port in options.port:
        target, _, number = port.partition("=")
        if target == name:
            spec.setdefault("ports", []).append({"containerPort": int(number), "protocol": "TCP"})
    return spec


def pod_object(options):
    namespace, name = options.name.split("/", 1)
    containers = [split_container(text) for text in options.container]
    pod = {
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "uid": options.uid or str(uuid.uuid4()),
                     "generation": 1, "creationTimestamp": CREATED,
                     "labels": dict(label.split("=", 1) for label in options.label)},
        "spec": {"volumes": [{"name": "tmp", "emptyDir": {}}],
                 "containers": [container_spec(name, options) for name, _, _ in containers],
                 "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "securityContext": {},
                 "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 1},
        "status": {"observedGeneration": 1, "phase": options.phase, "qosClass": "Burstable",
                   "conditions": [{"type": "Ready", "status": "True" if options.phase == "Running" else "False",
                                   "lastProbeTime": None, "lastTransitionTime": STARTED}]},
    }
    if options.annotation:
        pod["metadata"]["annotations"] = dict(text.split("=", 1) for text in options.annotation)
    if options.host_network:
        pod["spec"]["hostNetwork"] = True
    if options.runtime_class:
        pod["spec"]["runtimeClassName"] = options.runtime_class
    if options.owner:
        kind, owner, uid = options.owner.split("/")
        pod["metadata"]["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": uid,
                                               "controller": True, "blockOwnerDeletion": True}]
    if options.created:
        pod["metadata"]["creationTimestamp"] = options.created
    if options.not_ready:
        pod["status"]["conditions"][0]["status"] = "False"
    if options.deleting:
        pod["metadata"]["deletionTimestamp"] = STARTED
        pod["metadata"]["deletionGracePeriodSeconds"] = 30
    if options.node:
        pod["spec"]["nodeName"] = options.node
        pod["status"].update({
            "hostIP": options.host_ip, "hostIPs": [{"ip": options.host_ip}], "podIP": options.pod_ip,
            "podIPs": [{"ip": options.pod_ip}], "startTime": CREATED,
            "containerStatuses": [container_status(*facts, options.runtime) for facts in containers]})
    return merge(pod, json.loads(options.merge))


def restart(pod, options):
    for status in pod["status"]["containerStatuses"]:
        if status["name"] == options.container:
            last = terminated(options.exit, options.reason)
            last["containerID"] = status["containerID"]
            runtime = status["containerID"].split("://")[0]
            status.update({"containerID": runtime + "://" + options.id, "lastState": {"terminated": last},
                           "restartCount": status["restartCount"] + 1, "state": {"running": {"startedAt": STARTED}},
                           "ready": True, "started": True})
            return
    sys.exit("no container '%s'" % options.container)


def annotate(pod, changes):
    annotations = pod["metadata"].setdefault("annotations", {})
    for change in changes:
        key, equals, value = change.partition("=")
        if equals:
            annotations[key] = value
        else:
            annotations.pop(key[:-1], None)


def print_annotations(pod, key):
    annotations = pod["metadata"].get("annotations", {})
    if key is None:
        for name in sorted(annotations):
            print("%s=%s" % (name, annotations[name]))
    elif key in annotations:
        print(annotations[key])
    else:
        sys.exit(1)


def configmap_object(options):
    namespace, name = options.name.split("/")
    result = {"kind": "ConfigMap", "apiVersion": "v1",
              "metadata": {"name": name, "namespace": namespace, "uid": str(uuid.uuid4()),
                           "creationTimestamp": CREATED}}
    for text in options.data_of:
        key, _, value = text.partition("=")
        result.setdefault("data", {})[key] = value
    for part, texts in (("data", options.file_of), ("binaryData", options.binary_of)):
        for text in texts:
            key, _, path = text.partition("=")
            with open(path, "rb") as source:
                content = source.read()
            result.setdefault(part, {})[key] = (
                base64.b64encode(content).decode() if part == "binaryData" else content.decode())
    return result


def workload_object(options):
    resource, namespace, name = options.name.split("/")
    kind = {"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet",
            "replicasets": "ReplicaSet", "jobs": "Job"}[resource]
    selector = {"matchLabels": dict(label.split("=", 1) for label in options.select)}
    if options.select_in:
        selector["matchExpressions"] = [{"key": key, "operator": "In", "values": values.split(",")}
                                        for key, values in (text.split("=", 1) for text in options.select_in)]
    return {"kind": kind, "apiVersion": "batch/v1" if resource == "jobs" else "apps/v1",
            "metadata": {"name": name, "namespace": namespace, "uid": options.uid or str(uuid.uuid4()),
                         "generation": 1, "creationTimestamp": CREATED},
            "spec": {"selector": selector, "template": {"metadata": {"labels": selector["matchLabels"]}}}}


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file")
    verbs = parser.add_subparsers(dest="verb", required=True)
    node = verbs.add_parser("node")
    node.add_argument("name")
    node.add_argument("--address", default="127.0.0.1")
    node.add_argument("--external")
    node.add_argument("--provider-id")
    node.add_argument("--instance-id")
    node.add_argument("--merge", default="{}", help="JSON, merged into the object (RFC 7396)")
    pod = verbs.add_parser("pod")
    pod.add_argument("name")
    for option in ("--node", "--uid", "--runtime-class"):
        pod.add_argument(option)
    pod.add_argument("--host-ip", default="127.0.0.1")
    pod.add_argument("--pod-ip", default="10.244.0.15")
    pod.add_argument("--phase", default="Running")
    pod.add_argument("--runtime", default="containerd")
    pod.add_argument("--deleting", action="store_true")
    pod.add_argument("--owner")
    pod.add_argument("--created")
    pod.add_argument("--not-ready", action="store_true")
    pod.add_argument("--host-network", action="store_true")
    pod.add_argument("--merge", default="{}")
    for option in ("--container", "--label", "--probe", "--memory", "--annotation", "--port"):
        pod.add_argument(option, action="append", default=[])
    workload = verbs.add_parser("workload")
    workload.add_argument("name")
    workload.add_argument("--uid")
    for option in ("--select", "--select-in"):
        workload.add_argument(option, action="append", default=[])
    configmap = verbs.add_parser("configmap")
    configmap.add_argument("name")
    for option in ("data", "file", "binary"):
        configmap.add_argument("--" + option, dest=option + "_of", action="append", default=[])
    again = verbs.add_parser("restart")
    again.add_argument("name")
    again.add_argument("container")
    again.add_argument("--id", required=True)
    again.add_argument("--exit", type=int, default=1)
    again.add_argument("--reason")
    change = verbs.add_parser("annotate")
    change.add_argument("name")
    change.add_argument("changes", nargs="+")
    show = verbs.add_parser("annotations")
    show.add_argument("name")
    show.add_argument("key", nargs="?")
    verbs.add_parser("remove").add_argument("name")
    verbs.add_parser("each")
    return parser.parse_args(arguments)


def remove(state, name):
    if name.startswith("configmap/"):
        del state["configmaps"][name.partition("/")[2]]
    else:
        del state["pods" if "/" in name else "nodes"][name]


def edit(state, options):
    if options.verb == "node":
        put(state, "nodes", options.name, merge(node_object(options), json.loads(options.merge)))
    elif options.verb == "pod":
        put(state, "pods", options.name, pod_object(options))
    elif options.verb == "workload":
        put(state, "workloads", options.name, workload_object(options))
    elif options.verb == "configmap":
        put(state, "configmaps", options.name, configmap_object(options))
    elif options.verb == "remove":
        remove(state, options.name)
    else:
        pod = state["pods"][options.name]
        if options.verb == "restart":
            restart(pod, options)
        else:
            annotate(pod, options.changes)
        put(state, "pods", options.name, pod)


def main():
    options = parse()
    store = Store(options.file)
    if options.verb == "annotations":
        print_annotations(store.read()["pods"][options.name], options.key)
        return
    changes = [options]
    if options.verb == "each":
        changes = [parse([options.file, *shlex.split(line)]) for line in sys.stdin]
    with store.change() as state:
        for change in changes:
            edit(state, change)


if __name__ == "__main__":
    main()
