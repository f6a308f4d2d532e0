#!/usr/bin/env python3
"""Edit the state of kube_server.py: a JSON file {"nodes": {NAME: object}, "pods": {"NS/NAME": object},
"workloads": {"RESOURCE/NS/NAME": object}}; RESOURCE as in a path of the API ("deployments").

usage: kube_state.py FILE node NAME [--address IP] [--external IP] [--provider-id ID] [--instance-id N] [--merge JSON]
       kube_state.py FILE pod NS/NAME --node N [--uid U] --container NAME=ID[,restarts=N][,state=REASON] ...
                     [--label K=V]... [--phase P] [--probe NAME=PERIOD,FAILURES] [--memory NAME=BYTES]
                     [--runtime-class C] [--deleting] [--runtime containerd] [--host-ip IP]
                     [--owner KIND/NAME/UID] [--created TIME] [--not-ready] [--pod-ip IP] [--annotation K=V]...
       kube_state.py FILE workload RESOURCE/NS/NAME --select K=V... [--select-in K=V,V]... [--uid U]
       kube_state.py FILE remove NS/NAME|NODE

The objects have the shape of those that a real API server 1.34 sends (recorded in 2026-11).
"""
import argparse
import json
import os
import uuid

CREATED = "2026-11-21T03:59:56Z"
STARTED = "2026-11-21T03:59:57Z"


def node_object(options):
    addresses = [{"type": "InternalIP", "address": options.address}]
    if options.external:
        addresses.append({"type": "ExternalIP", "address": options.external})
    addresses.append({"type": "Hostname", "address": options.name})
    return {
        "kind": "Node", "apiVersion": "v1",
        "metadata": {"name": options.name, "uid": str(uuid.uuid4()), "resourceVersion": "1868",
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


def container_status(name, cid, facts, runtime):
    reason = facts.get("state")
    if reason is None:
        state = {"running": {"startedAt": STARTED}}
    elif reason in ("Completed", "OOMKilled", "Error"):
        state = {"terminated": {"exitCode": 0 if reason == "Completed" else 137, "reason": reason,
                                "startedAt": STARTED, "finishedAt": STARTED}}
    else:
        state = {"waiting": {"reason": reason, "message": "back-off 10s restarting failed container"}}
    result = {"name": name, "state": state, "lastState": {}, "ready": reason is None,
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
    return spec


def pod_object(options):
    namespace, name = options.name.split("/", 1)
    containers = [split_container(text) for text in options.container]
    pod = {
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "uid": options.uid or str(uuid.uuid4()),
                     "resourceVersion": "1104", "generation": 1, "creationTimestamp": CREATED,
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
    return pod


def merge(target, patch):
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
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
                         "resourceVersion": "1104", "generation": 1, "creationTimestamp": CREATED},
            "spec": {"selector": selector, "template": {"metadata": {"labels": selector["matchLabels"]}}}}


def parse():
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
    for option in ("--container", "--label", "--probe", "--memory", "--annotation"):
        pod.add_argument(option, action="append", default=[])
    workload = verbs.add_parser("workload")
    workload.add_argument("name")
    workload.add_argument("--uid")
    for option in ("--select", "--select-in"):
        workload.add_argument(option, action="append", default=[])
    verbs.add_parser("remove").add_argument("name")
    return parser.parse_args()


def main():
    options = parse()
    state = {"nodes": {}, "pods": {}}
    if os.path.exists(options.file):
        with open(options.file, encoding="utf-8") as source:
            state = json.load(source)
    if options.verb == "node":
        state["nodes"][options.name] = merge(node_object(options), json.loads(options.merge))
    elif options.verb == "pod":
        state["pods"][options.name] = pod_object(options)
    elif options.verb == "workload":
        state.setdefault("workloads", {})[options.name] = workload_object(options)
    else:
        del state["pods" if "/" in options.name else "nodes"][options.name]
    # The server may be reading: replaced in one step.
    with open(options.file + ".new", "w", encoding="utf-8") as out:
        json.dump(state, out, indent=1)
    os.replace(options.file + ".new", options.file)


if __name__ == "__main__":
    main()
