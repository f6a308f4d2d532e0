#!/usr/bin/env python3
"""A strict Kubernetes API server for tests, over TLS with a CA of its own: pods, nodes, what makes pods and
ConfigMaps are read; of pods the annotations may be changed by a merge patch (kube_patch.py).

usage: kube_server.py DIR [--token TOKEN] [--certificate good|other-ca|other-name|expired]

Everything lies in DIR. Written at start: `ca.crt`, `kubeconfig` (with the token), `kubeconfig-cert`
(with a client certificate) and then `requests`, one line for each request. Its port is on stdout when it listens.
Read at each request, all optional: `state.json` (see kube_state.py), `faults.json`, `users.json`.

Answers are modelled on those of a real API server 1.34, recorded in 2026-11: the Status objects of 401,
403 (also for an anonymous request), 404, 400, the pages of a list.

users.json: {TOKEN: {"name": USER, "deny": ["get nodes", "list pods", ...]}}; the CN of a client
certificate is looked up as "cert:CN". A user that is not in the file may read everything. The same rules
answer the reviews of oneself (who am I, may I?), which "deny" may forbid too ("create selfsubjectreviews",
"create selfsubjectaccessreviews"); /version is for everybody, also without credentials.

faults.json: [{"path": REGULAR EXPRESSION of path and query, "method": METHOD (any), "from": N, "times": N,
"do": ACTION, ...}]. The first that matches, counted from its own request number "from" (1), "times" times (always):
  status    "code", "reason", "message", "headers": that answer
  redirect  "location"
  flood     a JSON answer that never ends        nest      JSON nested "depth" deep
  hang      no answer at all                     cut       half of the answer, then the end
  garbage   "body": that, as JSON                html      a login page, as a captive portal sends it
  merge     "patch": the answer, changed by this merge patch
  drop      the connection ends without an answer
  change    "patch": before it is answered, somebody else has changed the pod like this (another uid: replaced it)
  remove    before it is answered, somebody has deleted the pod
A PATCH takes effect first where its answer is lost or spoilt (cut, drop, garbage, html, flood, nest); with "status",
"redirect" and "hang" it does so if "after" is true.
"""
import argparse
import base64
import http.server
import json
import os
import re
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
import kube_patch  # noqa: E402
from kube_store import Store, merge, put  # noqa: E402

FLOOD_MAX = 4 << 30
HANG_SECONDS = 300


class Refused(Exception):
    """An answer that is not 200."""

    def __init__(self, code, reason, message, details=None, headers=None):
        super().__init__(message)
        self.code, self.headers = code, headers or {}
        self.status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                       "message": message, "reason": reason}
        if details:
            self.status["details"] = details
        self.status["code"] = code


# --- certificates -----------------------------------------------------------------------------------

def openssl(*arguments):
    subprocess.run(("openssl",) + arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def make_ca(directory, name):
    base = os.path.join(directory, name)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=" + name, "-keyout", base + ".key", "-out", base + ".crt",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")


def make_certificate(directory, ca, name, subject, extensions, days="2"):
    base, issuer = os.path.join(directory, name), os.path.join(directory, ca)
    with open(base + ".ext", "w", encoding="utf-8") as out:
        out.write(extensions)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
            "-keyout", base + ".key", "-out", base + ".csr")
    openssl("x509", "-req", "-in", base + ".csr", "-CA", issuer + ".crt", "-CAkey", issuer + ".key",
            "-CAcreateserial", "-days", days, "-extfile", base + ".ext", "-out", base + ".crt")


def make_certificates(directory, kind):
    make_ca(directory, "ca")
    issuer = "ca"
    if kind == "other-ca":
        make_ca(directory, "other")
        issuer = "other"
    names = "DNS:elsewhere.example" if kind == "other-name" else "IP:127.0.0.1,DNS:localhost"
    make_certificate(directory, issuer, "server", "/CN=kube-apiserver",
                     "subjectAltName=%s\nextendedKeyUsage=serverAuth\n" % names,
                     "0" if kind == "expired" else "2")
    make_certificate(directory, "ca", "client", "/O=system:masters/CN=cert-user",
                     "extendedKeyUsage=clientAuth\n")


def tls_context(directory):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(directory, "server.crt"), os.path.join(directory, "server.key"))
    context.load_verify_locations(os.path.join(directory, "ca.crt"))
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def inline(directory, name):
    with open(os.path.join(directory, name), "rb") as source:
        return base64.b64encode(source.read()).decode()


def write_kubeconfig(directory, name, port, user):
    text = """apiVersion: v1
kind: Config
current-context: rig
clusters:
- name: rig
  cluster:
    server: https://127.0.0.1:%d
    certificate-authority-data: %s
contexts:
- name: rig
  context: {cluster: rig, user: rig, namespace: default}
users:
- name: rig
  user:
%s
""" % (port, inline(directory, "ca.crt"), user)
    path = os.path.join(directory, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)


# --- selectors --------------------------------------------------------------------------------------

SET = re.compile(r"^([\w./-]+)\s+(in|notin)\s*\(([^()]*)\)$")
EQUALITY = re.compile(r"^([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)$")
EXISTS = re.compile(r"^(!?)\s*([\w./-]+)$")


def label_requirement(text, labels):
    match = SET.match(text)
    if match:
        values = [value.strip() for value in match.group(3).split(",")]
        return (labels.get(match.group(1)) in values) == (match.group(2) == "in")
    match = EQUALITY.match(text)
    if match:
        return (labels.get(match.group(1)) == match.group(3)) == (match.group(2) != "!=")
    match = EXISTS.match(text)
    if match:
        return (match.group(2) in labels) == (match.group(1) == "")
    raise Refused(400, "BadRequest", "unable to parse requirement: found '%s', expected: identifier" % text)


def labels_match(selector, labels):
    return all(label_requirement(part.strip(), labels)
               for part in re.split(r",(?![^()]*\))", selector) if part.strip())


def fields_match(selector, pod):
    known = {"metadata.name": pod["metadata"]["name"], "metadata.namespace": pod["metadata"]["namespace"],
             "spec.nodeName": pod["spec"].get("nodeName", ""), "status.phase": pod["status"]["phase"]}
    for part in filter(None, selector.split(",")):
        match = re.match(r"^([\w.]+)(==|=|!=)(.*)$", part)
        if not match:
            raise Refused(400, "BadRequest", "invalid selector: '%s'; can't understand '%s'" % (selector, part))
        if match.group(1) not in known:
            raise Refused(400, "BadRequest", "field label not supported: " + match.group(1))
        if (known[match.group(1)] == match.group(3)) != (match.group(2) != "!="):
            return False
    return True


# --- the API ----------------------------------------------------------------------------------------

def read_json(directory, name, default):
    try:
        with open(os.path.join(directory, name), encoding="utf-8") as source:
            return json.load(source)
    except FileNotFoundError:
        return default


def not_found(resource, name):
    return Refused(404, "NotFound", '%s "%s" not found' % (resource, name), {"name": name, "kind": resource})


def page(items, query):
    """The items of this page and the metadata of the list."""
    metadata = {"resourceVersion": "1889"}
    start = 0
    if query.get("continue"):
        try:
            start = json.loads(base64.urlsafe_b64decode(query["continue"]))["start"]
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(400, "BadRequest", "invalid continue token: continue key is not valid: %s" % error)
    limit = int(query.get("limit") or 0)
    end = start + limit if limit else len(items)
    if end < len(items):
        token = json.dumps({"v": "meta.k8s.io/v1", "rv": 1889, "start": end}).encode()
        metadata["continue"] = base64.urlsafe_b64encode(token).decode()
        metadata["remainingItemCount"] = len(items) - end
    return items[start:end], metadata


def list_of(kind, items, query):
    items, metadata = page(items, query)
    # Objects in a list have neither kind nor apiVersion.
    bare = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in items]
    return {"kind": kind, "apiVersion": "v1", "metadata": metadata, "items": bare}


class Api:
    """Routes of the paths that jdiag uses; everything else is an unknown path."""

    ROUTES = (
        (re.compile(r"^/api/v1/namespaces/([^/]+)/pods/([^/]+)$"), "get", "pods"),
        (re.compile(r"^/api/v1/namespaces/([^/]+)/pods$"), "list", "pods"),
        (re.compile(r"^/api/v1/pods$"), "list", "pods"),
        (re.compile(r"^/api/v1/namespaces/([^/]+)/configmaps/([^/]+)$"), "get", "configmaps"),
        (re.compile(r"^/api/v1/nodes/([^/]+)$"), "get", "nodes"),
        (re.compile(r"^/api/v1/nodes$"), "list", "nodes"),
    )
    WORKLOAD = re.compile(r"^/apis/(apps|batch)/v1/namespaces/([^/]+)/"
                          r"(deployments|statefulsets|daemonsets|replicasets|jobs)/([^/]+)$")

    def __init__(self, directory, token):
        self.directory, self.token = directory, token
        self.store = Store(os.path.join(directory, "state.json"))

    def user(self, authorization, certificate):
        """The name of who asks, and what is denied; a token wins over nothing, as in the real one."""
        users = read_json(self.directory, "users.json", {})
        if authorization is not None:
            token = authorization[len("Bearer "):] if authorization.startswith("Bearer ") else None
            if token is None or (token != self.token and token not in users):
                raise Refused(401, "Unauthorized", "Unauthorized")
            entry = users.get(token, {})
            return entry.get("name", "rig-user"), entry.get("deny", [])
        if certificate:
            name = dict(pair[0] for pair in certificate["subject"])["commonName"]
            return name, users.get("cert:" + name, {}).get("deny", [])
        return "system:anonymous", ["*"]

    @staticmethod
    def authorize(user, verb, resource, namespace, name, group=""):
        who, deny = user
        if "*" not in deny and "%s %s" % (verb, resource) not in deny:
            return
        scope = 'in the namespace "%s"' % namespace if namespace else "at the cluster scope"
        subject = '%s "%s"' % (resource, name) if name else resource
        details = {"name": name, "kind": resource} if name else {"kind": resource}
        raise Refused(403, "Forbidden", '%s is forbidden: User "%s" cannot %s resource "%s" in API group "%s" %s'
                      % (subject, who, verb, resource, group, scope), details)

    def workload(self, match, user):
        group, namespace, resource, name = match.groups()
        self.authorize(user, "get", resource, namespace, name, group)
        state = self.store.read()
        key = "%s/%s/%s" % (resource, namespace, name)
        if (group == "batch") != (resource == "jobs") or key not in state.get("workloads", {}):
            raise not_found("%s.%s" % (resource, group), name)
        return state["workloads"][key]

    REVIEWS = {
        "/apis/authentication.k8s.io/v1/selfsubjectreviews": "selfsubjectreviews",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": "selfsubjectaccessreviews",
    }

    def review(self, path, question, user):
        """What is asked about oneself: a POST that makes nothing."""
        resource = self.REVIEWS[path]
        who, deny = user
        if "*" in deny or "create " + resource in deny:
            group = path.split("/")[2]
            raise Refused(403, "Forbidden", '%s.%s is forbidden: User "%s" cannot create resource "%s" in API '
                          'group "%s" at the cluster scope' % (resource, group, who, resource, group),
                          {"group": group, "kind": resource})
        answer = {"kind": question["kind"], "apiVersion": question["apiVersion"],
                  "metadata": {"creationTimestamp": None}}
        if resource == "selfsubjectreviews":
            answer["status"] = {"userInfo": {"username": who, "groups": ["system:authenticated"]}}
            return answer
        asked = question["spec"]["resourceAttributes"]
        answer["spec"] = question["spec"]
        answer["status"] = {"allowed": "%s %s" % (asked["verb"], asked["resource"]) not in deny}
        return answer

    def answer(self, path, query, user):
        if path == "/version":
            return {"major": "1", "minor": "34", "gitVersion": "v1.34.0", "platform": "linux/amd64"}
        match = self.WORKLOAD.match(path)
        if match:
            return self.workload(match, user)
        for pattern, verb, resource in self.ROUTES:
            match = pattern.match(path)
            if match:
                break
        else:
            return None
        names = [urllib.parse.unquote(name) for name in match.groups()]
        name = names[-1] if verb == "get" else None
        namespace = names[0] if resource != "nodes" and names else None
        self.authorize(user, verb, resource, namespace, name)
        state = self.store.read()
        if verb == "get":
            key = "%s/%s" % (namespace, name) if namespace else name
            if key not in state.get(resource, {}):
                raise not_found(resource, name)
            return state[resource][key]
        items = [state[resource][key] for key in sorted(state[resource])]
        if resource == "nodes":
            return list_of("NodeList", items, query)
        items = [pod for pod in items if namespace in (None, pod["metadata"]["namespace"])
                 and labels_match(query.get("labelSelector", ""), pod["metadata"].get("labels", {}))
                 and fields_match(query.get("fieldSelector", ""), pod)]
        return list_of("PodList", items, query)


    POD = ROUTES[0][0]

    def patch(self, match, user, content_type, body):
        """The pod as it is then."""
        namespace, name = match.groups()
        self.authorize(user, "patch", "pods", namespace, name)
        try:
            patch = kube_patch.parse(content_type, body)
            with self.store.change() as state:
                if namespace + "/" + name not in state["pods"]:
                    raise not_found("pods", name)
                return kube_patch.apply(state, namespace + "/" + name, patch)
        except kube_patch.Invalid as error:
            raise Refused(*error.args) from error

    def meanwhile(self, match, fault):
        """Somebody else was here first."""
        key = "/".join(match.groups())
        with self.store.change() as state:
            if fault["do"] == "remove":
                state["pods"].pop(key, None)
            elif key in state["pods"]:
                put(state, "pods", key, merge(state["pods"][key], fault["patch"]))


class Faults:
    """faults.json, with a count of requests for each entry."""

    def __init__(self, directory):
        self.directory, self.lock, self.seen = directory, threading.Lock(), {}

    def pick(self, method, target):
        for fault in read_json(self.directory, "faults.json", []):
            if not re.search(fault.get("path", "."), target) or fault.get("method", method) != method:
                continue
            key = json.dumps(fault, sort_keys=True)
            with self.lock:
                count = self.seen[key] = self.seen.get(key, 0) + 1
            first = fault.get("from", 1)
            if first <= count < first + fault.get("times", 1 << 30):
                return fault
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "rig", ""

    def setup(self):
        # The handshake belongs to the connection's own thread: a client that is silent blocks nobody.
        self.request.settimeout(60)
        # As every server in Go does; else each answer in two packets takes 40 ms more.
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def log_message(self, *args):
        pass

    def note(self, text):
        with self.server.lock, open(os.path.join(self.server.api.directory, "requests"), "a",
                                    encoding="utf-8") as out:
            out.write(text + "\n")

    def send(self, code, body, headers=None, kind="application/json", length=None):
        self.send_response(code)
        self.send_header("Cache-Control", "no-cache, private")
        self.send_header("Content-Type", kind)
        if length != -1:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if length == -1:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def flood(self):
        self.send(200, b'{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[', length=-1)
        block = b'{"metadata":{"name":"x"}},' * 2500
        sent = 0
        while sent < FLOOD_MAX:
            self.wfile.write(block)
            sent += len(block)

    def hang(self):
        self.close_connection = True
        end = time.monotonic() + HANG_SECONDS
        self.request.settimeout(1)
        while time.monotonic() < end:
            try:
                if self.request.recv(1) == b"":
                    return
            except TimeoutError:
                pass

    def fault(self, fault, answer):
        """Answer as the fault says; False when it only changes the answer."""
        action = fault["do"]
        if action == "status":
            refused = Refused(fault["code"], fault.get("reason", ""), fault.get("message", "fault"))
            self.send(refused.code, json.dumps(refused.status).encode(), fault.get("headers"))
        elif action == "redirect":
            self.send(302, b"", {"Location": fault["location"]})
        elif action == "flood":
            self.flood()
        elif action == "nest":
            depth = fault.get("depth", 100000)
            self.send(200, b'{"metadata":' + b"[" * depth + b"]" * depth + b"}")
        elif action == "hang":
            self.hang()
        elif action == "cut":
            body = json.dumps(answer).encode()
            self.send(200, body[:len(body) // 2], length=len(body))
            self.close_connection = True
        elif action == "garbage":
            self.send(200, fault.get("body", "\x00\x01not json").encode())
        elif action == "html":
            self.send(200, b"<html><body>Please log in</body></html>", kind="text/html")
        elif action == "drop":
            self.close_connection = True
            self.request.shutdown(socket.SHUT_RDWR)
        else:
            raise ValueError(action)

    def pick_fault(self, path):
        """The fault for this request, but what it says happened meanwhile is done already."""
        fault = self.server.faults.pick(self.command, self.path)
        match = self.server.api.POD.match(path)
        if fault and fault["do"] in ("change", "remove"):
            if match:
                self.server.api.meanwhile(match, fault)
            return None
        return fault

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        try:
            user = self.server.api.user(self.headers.get("Authorization"), self.request.getpeercert())
            self.note("GET %s %s %s" % (self.path, user[0], self.headers.get("User-Agent", "-")))
            fault = self.pick_fault(url.path)
            if self.headers.get("Host") is None or self.headers.get("Content-Length", "0") != "0":
                raise Refused(400, "BadRequest", "a GET has a Host and no body")
            answer = self.server.api.answer(url.path, query, user)
            if fault and fault["do"] == "merge":
                answer = merge(answer, fault["patch"])
            elif fault:
                self.fault(fault, answer)
                return
            if answer is None:
                self.send(404, b"404 page not found\n", kind="text/plain; charset=utf-8")
            else:
                self.send(200, json.dumps(answer, indent=2).encode())
        except Refused as refused:
            if refused.code == 401:
                self.note("GET %s - unauthorized" % self.path)
            self.send(refused.code, json.dumps(refused.status, indent=2).encode(), refused.headers)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def do_POST(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path not in self.server.api.REVIEWS:
            self.refuse_method()
            return
        try:
            user = self.server.api.user(self.headers.get("Authorization"), self.request.getpeercert())
            self.note("POST %s %s %s" % (self.path, user[0], self.headers.get("User-Agent", "-")))
            if self.headers.get("Content-Type") != "application/json":
                raise Refused(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fault = self.pick_fault(url.path)
            answer = self.server.api.review(url.path, question, user)
            self.reply(201, fault, answer)
        except Refused as refused:
            self.send(refused.code, json.dumps(refused.status, indent=2).encode(), refused.headers)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def reply(self, code, fault, answer):
        """An object; a fault changes it, or comes in its place."""
        if fault and fault["do"] == "merge":
            answer = merge(answer, fault["patch"])
        elif fault:
            self.fault(fault, answer)
            return
        self.send(code, json.dumps(answer, indent=2).encode())

    def do_PATCH(self):
        url = urllib.parse.urlsplit(self.path)
        match = self.server.api.POD.match(url.path)
        if not match:
            self.refuse_method()
            return
        try:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            user = self.server.api.user(self.headers.get("Authorization"), self.request.getpeercert())
            self.note("PATCH %s %s %s %s" % (self.path, user[0], self.headers.get("User-Agent", "-"),
                                             body.decode(errors="replace")))
            fault = self.pick_fault(url.path)
            if fault and fault["do"] in ("status", "redirect", "hang") and not fault.get("after"):
                self.fault(fault, None)
                return
            answer = self.server.api.patch(match, user, self.headers.get("Content-Type"), body)
            self.reply(200, fault, answer)
        except Refused as refused:
            self.send(refused.code, json.dumps(refused.status, indent=2).encode(), refused.headers)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def refuse_method(self):
        self.note("%s %s - method" % (self.command, self.path))
        self.close_connection = True
        self.send(405, b"", {"Allow": "GET"})

    do_PUT = do_DELETE = do_HEAD = refuse_method


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128  # five connections at once are soon there, and the next has to wait for seconds

    def __init__(self, directory, token):
        super().__init__(("127.0.0.1", 0), Handler)
        self.api, self.faults = Api(directory, token), Faults(directory)
        self.lock, self.tls = threading.Lock(), tls_context(directory)

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (OSError, ssl.SSLError)):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--token", default="rig-token")
    parser.add_argument("--certificate", choices=("good", "other-ca", "other-name", "expired"), default="good")
    options = parser.parse_args()
    directory = os.path.abspath(options.directory)
    os.makedirs(directory, exist_ok=True)
    make_certificates(directory, options.certificate)
    server = Server(directory, options.token)
    port = server.server_address[1]
    write_kubeconfig(directory, "kubeconfig", port, "    token: " + options.token)
    write_kubeconfig(directory, "kubeconfig-cert", port,
                     "    client-certificate-data: %s\n    client-key-data: %s"
                     % (inline(directory, "client.crt"), inline(directory, "client.key")))
    print(port, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main()
