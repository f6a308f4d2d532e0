#!/usr/bin/env python3
"""What Prometheus's kubernetes_sd, role pod, makes of the pods at the rig's API: as file_sd, which each build of
Prometheus can read. The labels are those of its discovery/kubernetes/pod.go.

usage: kubernetes_sd.py STATE      (the file of kube_server.py; JSON on stdout)
"""
import json
import re
import sys

META = "__meta_kubernetes_"


def labels_of(kind, values):
    """Of each key, with what a label cannot have replaced, its value and that it is there."""
    result = {}
    for key, value in (values or {}).items():
        name = re.sub("[^a-zA-Z0-9_]", "_", key)
        result["%spod_%s_%s" % (META, kind, name)] = value
        result["%spod_%spresent_%s" % (META, kind, name)] = "true"
    return result


def of_pod(pod):
    metadata, status = pod["metadata"], pod["status"]
    ready = [c["status"] for c in status.get("conditions", []) if c["type"] == "Ready"]
    return {META + "namespace": metadata["namespace"],
            META + "pod_name": metadata["name"],
            META + "pod_uid": metadata["uid"],
            META + "pod_ip": status["podIP"],
            META + "pod_host_ip": status.get("hostIP", ""),
            META + "pod_node_name": pod["spec"].get("nodeName", ""),
            META + "pod_phase": status["phase"],
            META + "pod_ready": (ready or ["unknown"])[0].lower(),
            **labels_of("label", metadata.get("labels")),
            **labels_of("annotation", metadata.get("annotations"))}


def groups_of(pod):
    """A target for each port of each container; one without ports is one, too."""
    ip = pod["status"]["podIP"]
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or [None]:
            labels = {**of_pod(pod), META + "pod_container_name": container["name"], META + "pod_container_init": "false"}
            address = ip
            if port:
                address = ("[%s]:%d" if ":" in ip else "%s:%d") % (ip, port["containerPort"])
                labels[META + "pod_container_port_name"] = port.get("name", "")
                labels[META + "pod_container_port_number"] = str(port["containerPort"])
                labels[META + "pod_container_port_protocol"] = port["protocol"]
            yield {"targets": [address], "labels": labels}


def main():
    with open(sys.argv[1], encoding="utf-8") as source:
        pods = json.load(source)["pods"]
    json.dump([group for pod in pods.values() if pod["status"].get("podIP") for group in groups_of(pod)],
              sys.stdout, indent=1)


if __name__ == "__main__":
    main()
