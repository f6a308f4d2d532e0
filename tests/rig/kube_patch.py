"""A merge patch of a pod, as strict as a real API server 1.34 is (recorded in 2026-11): the preconditions
uid and resourceVersion, the rules for annotations. More than annotations nobody here may patch.
"""
import json
import re

import kube_store

MERGE_PATCH = "application/merge-patch+json"
MAX_ANNOTATIONS = 256 << 10
PREFIX = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
NAME = re.compile(r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")


class Invalid(Exception):
    """(code, reason, message, details)"""


def invalid(name, field, value):
    """422 as recorded: each cause is there twice."""
    text = 'Invalid value: %s' % value
    cause = {"reason": "FieldValueInvalid", "message": text, "field": field}
    return Invalid(422, "Invalid", 'Pod "%s" is invalid: %s: %s' % (name, field, text),
                   {"name": name, "kind": "Pod", "causes": [cause, cause]})


def parse(content_type, body):
    if content_type != MERGE_PATCH:
        raise Invalid(415, "UnsupportedMediaType", "the body of the request was in an unknown format - accepted "
                      "media types include: application/json-patch+json, application/merge-patch+json, "
                      "application/strategic-merge-patch+json, application/apply-patch+yaml", None)
    try:
        patch = json.loads(body)
    except ValueError as error:
        raise Invalid(400, "BadRequest", "error decoding patch: %s" % error, None) from error
    if not isinstance(patch, dict) or not isinstance(patch.get("metadata"), dict):
        raise Invalid(400, "BadRequest", "error decoding patch: json: cannot unmarshal into a map", None)
    return patch


def check_annotations(name, annotations):
    for key, value in annotations.items():
        prefix, slash, rest = key.rpartition("/")
        if not NAME.match(rest) or (slash and (len(prefix) > 253 or not PREFIX.match(prefix))):
            raise invalid(name, "metadata.annotations", '"%s": name part must consist of alphanumeric characters, '
                          "'-', '_' or '.'" % key)
        if not isinstance(value, str):
            raise invalid(name, "patch", "json: cannot unmarshal into Go struct field "
                          "ObjectMeta.metadata.annotations of type string")
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > MAX_ANNOTATIONS:
        text = "Too long: may not be more than %d bytes" % MAX_ANNOTATIONS
        cause = {"reason": "FieldValueTooLong", "message": text, "field": "metadata.annotations"}
        raise Invalid(422, "Invalid", 'Pod "%s" is invalid: metadata.annotations: %s' % (name, text),
                      {"name": name, "kind": "Pod", "causes": [cause]})


def check_fields(name, patch):
    strange = set(patch) - {"metadata"} | set(patch["metadata"]) - {"uid", "resourceVersion", "annotations"}
    if strange:
        raise Invalid(422, "Invalid", 'Pod "%s" is invalid: spec: Forbidden: pod updates may not change fields '
                      "other than ... (%s)" % (name, ", ".join(sorted(strange))), {"name": name, "kind": "Pod"})


def check_preconditions(pod, metadata):
    """A real server compares the version first."""
    name = pod["metadata"]["name"]
    if metadata.get("resourceVersion") not in (None, pod["metadata"]["resourceVersion"]):
        raise Invalid(409, "Conflict", 'Operation cannot be fulfilled on pods "%s": the object has been modified; '
                      "please apply your changes to the latest version and try again" % name,
                      {"name": name, "kind": "pods"})
    if metadata.get("uid") not in (None, pod["metadata"]["uid"]):
        raise invalid(name, "metadata.uid", '"%s": field is immutable' % metadata["uid"])


def apply(state, key, patch):
    """The pod as it is then, stored in the state if it has changed."""
    pod = state["pods"][key]
    name = pod["metadata"]["name"]
    check_fields(name, patch)
    check_preconditions(pod, patch["metadata"])
    before = pod["metadata"].get("annotations", {})
    after = kube_store.merge(before, patch["metadata"].get("annotations", {}))
    check_annotations(name, after)
    if after != before:
        pod["metadata"]["annotations"] = after
        if not after:
            del pod["metadata"]["annotations"]
        kube_store.put(state, "pods", key, pod)
    return pod
