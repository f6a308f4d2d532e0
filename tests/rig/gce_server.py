#!/usr/bin/env python3
"""A strict Compute Engine API for tests: instances, read only, with the token endpoint of a user's
credentials and the metadata server, on one loopback port.

    gce_server.py DIR [--token TOKEN] [--denied-token TOKEN] [--page-size N] [--token-life SECONDS]

Its port is on stdout when it listens. Good are TOKEN and what its own endpoints hand out: POST /token to
client "client" with secret "secret-of-the-client" and refresh token "refresh-4711"; the metadata server to
who asks for the scope compute.readonly.
DIR/instances/PROJECT/ZONE/NAME.json: {"status", "internal", "external", "labels", "interfaces", ...}, read
at each request; what is missing is filled in as in answers of the service (API reference, 2026).
DIR/requests: one line for each request. DIR/revoked: minted tokens that are in it are bad.
DIR/faults.json: [{"path": REGULAR EXPRESSION of path and query, "times": N (always), "status": CODE,
"headers": {}, "body": TEXT or an object}]: that answer; without "status" the body is merged into the answer.

The parameter `fields` is obeyed, and refused when it names what instances do not have. Of filters it
understands conditions of name, status and labels with = or :, joined by AND; everything else is a 400.
"""
import argparse
import http.server
import json
import os
import re
import secrets
import sys
import threading
import urllib.parse

SCOPE = "https://www.googleapis.com/auth/compute.readonly"
BASE = "https://www.googleapis.com/compute/v1/projects"
KNOWN = {"id", "name", "status", "zone", "creationTimestamp", "machineType", "labels", "networkInterfaces",
         "networkIP", "ipv6Address", "accessConfigs", "natIP", "ipv6AccessConfigs", "externalIpv6", "items",
         "instances", "nextPageToken", "unreachables", "*"}


class Refused(Exception):
    def __init__(self, status, message, reason="invalid"):
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": status, "message": message,
                               "errors": [{"message": message, "domain": "global", "reason": reason}]}}


# --- partial answers -----------------------------------------------------------------------------

def parse_fields(text):
    """`a,b(c,d/e)` as {"a": None, "b": {"c": None, "d": {"e": None}}}; None is all of it."""
    tokens = re.findall(r"[A-Za-z0-9*]+|[(),/]", text)
    if "".join(tokens) != text:
        raise Refused(400, "Invalid field selection " + text)

    def group(end):
        result = {}
        while True:
            at = result
            while True:
                name = tokens.pop(0) if tokens else ""
                if name not in KNOWN:
                    raise Refused(400, "Invalid field selection " + name)
                if not tokens or tokens[0] != "/":
                    break
                tokens.pop(0)
                at = at.setdefault(name, {})
            at[name] = None
            if tokens and tokens[0] == "(":
                tokens.pop(0)
                at[name] = group(")")
            separator = tokens.pop(0) if tokens else ""
            if separator == end:
                return result
            if separator != ",":
                raise Refused(400, "Invalid field selection " + text)
    return group("")


def masked(value, mask):
    if mask is None:
        return value
    if isinstance(value, list):
        return [masked(one, mask) for one in value]
    if not isinstance(value, dict):
        return value
    if "*" in mask:
        return {key: masked(one, mask["*"]) for key, one in value.items()}
    return {key: masked(one, mask[key]) for key, one in value.items() if key in mask}


# --- instances -------------------------------------------------------------------------------------

def interface(internal, external):
    result = {"kind": "compute#networkInterface", "name": "nic0", "stackType": "IPV4_ONLY",
              "network": BASE + "/p/global/networks/default"}
    if internal:
        result["networkIP"] = internal
    if external is not None:
        config = {"kind": "compute#accessConfig", "type": "ONE_TO_ONE_NAT", "name": "External NAT",
                  "networkTier": "PREMIUM"}
        if external:
            config["natIP"] = external
        result["accessConfigs"] = [config]
    return result


def instance(project, zone, name, facts):
    result = {
        "kind": "compute#instance", "id": "4711000000000000001", "name": name,
        "creationTimestamp": "2026-11-20T10:00:00.000-08:00", "tags": {"fingerprint": "42WmSpB8rSM="},
        "machineType": "%s/%s/zones/%s/machineTypes/e2-standard-4" % (BASE, project, zone),
        "status": facts.get("status", "RUNNING"), "zone": "%s/%s/zones/%s" % (BASE, project, zone),
        "networkInterfaces": [interface(facts.get("internal"), facts.get("external"))],
        "metadata": {"items": [{"key": "startup-script", "value": "canary-metadata " * 5000}]},
        "labels": facts.get("labels", {}), "cpuPlatform": "Intel Broadwell"}
    if "interfaces" in facts:
        result["networkInterfaces"] = facts["interfaces"]
    result.update(facts.get("raw", {}))
    return result


class Instances:
    def __init__(self, directory):
        self.root = os.path.join(directory, "instances")

    def zones(self, project):
        path = os.path.join(self.root, project)
        if not os.path.isdir(path):
            raise Refused(404, "The resource 'projects/%s' was not found" % project, "notFound")
        return sorted(os.listdir(path))

    def of_zone(self, project, zone):
        if zone not in self.zones(project):
            raise Refused(404, "The resource 'projects/%s/zones/%s' was not found" % (project, zone), "notFound")
        path = os.path.join(self.root, project, zone)
        result = []
        for name in sorted(os.listdir(path)):
            with open(os.path.join(path, name), encoding="utf-8") as source:
                result.append(instance(project, zone, name.removesuffix(".json"), json.load(source)))
        return result

    def get(self, project, zone, name):
        for one in self.of_zone(project, zone):
            if one["name"] == name:
                return one
        raise Refused(404, "The resource 'projects/%s/zones/%s/instances/%s' was not found" % (project, zone, name),
                      "notFound")


def fits(filter_text, one):
    for condition in re.split(r"\s+AND\s+", filter_text):
        match = re.fullmatch(r'(name|status|labels\.[a-z0-9_-]+)\s*([:=])\s*"?([A-Za-z0-9_*-]+)"?', condition)
        if not match:
            raise Refused(400, "Invalid value for field 'filter': '%s'. Invalid list filter expression." % filter_text)
        field, _, value = match.groups()
        have = one["labels"].get(field[7:]) if field.startswith("labels.") else one[field]
        if value == "*" and match.group(2) == ":":
            if have is None:
                return False
        elif have != value:
            return False
    return True


class Api:
    PATH = re.compile(r"/compute/v1/projects/([a-z0-9.:-]+)/(?:zones/([a-z0-9-]+)/instances(?:/([a-z0-9-]+))?"
                      r"|aggregated/instances)")

    def __init__(self, options):
        self.directory, self.instances = options.dir, Instances(options.dir)
        self.page_size, self.life = options.page_size, options.token_life
        self.fixed, self.denied, self.minted = options.token, options.denied_token, set()

    def mint(self):
        token = "ya29.minted-" + secrets.token_urlsafe(24)
        self.minted.add(token)
        return {"access_token": token, "expires_in": self.life, "token_type": "Bearer"}

    def revoked(self):
        try:
            with open(os.path.join(self.directory, "revoked"), encoding="utf-8"):
                return True
        except FileNotFoundError:
            return False

    def check(self, header, project):
        token = (header or "").removeprefix("Bearer ")
        if self.revoked():
            os.unlink(os.path.join(self.directory, "revoked"))
            self.minted.clear()
        if token == self.denied and token:
            raise Refused(403, "Required 'compute.instances.list' permission for 'projects/%s'" % project,
                          "forbidden")
        if not token or (token != self.fixed and token not in self.minted):
            raise Refused(401, "Request had invalid authentication credentials.", "authError")

    def page(self, items, query):
        start = 0
        if "pageToken" in query:
            match = re.fullmatch(r"page==(\d+)&", query["pageToken"])
            if not match:
                raise Refused(400, "Invalid value for field 'pageToken': '%s'." % query["pageToken"])
            start = int(match.group(1))
        size = min(int(query.get("maxResults", "500")), self.page_size)
        end = start + size
        return items[start:end], ("page==%d&" % end if end < len(items) else None)

    def listing(self, project, zone, query):
        zones = [zone] if zone else self.instances.zones(project)
        everything = [(z, one) for z in zones for one in self.instances.of_zone(project, z)]
        if "filter" in query:
            everything = [(z, one) for z, one in everything if fits(query["filter"], one)]
        some, following = self.page(everything, query)
        answer = {"kind": "compute#instanceList", "id": "projects/%s" % project}
        if zone:
            answer["items"] = [one for _, one in some]
        else:
            answer["items"] = {"zones/" + z: {"warning": {"code": "NO_RESULTS_ON_PAGE"}} for z in zones}
            for z, one in some:
                scope = answer["items"]["zones/" + z]
                scope.pop("warning", None)
                scope.setdefault("instances", []).append(one)
        if following:
            answer["nextPageToken"] = following
        return answer

    def answer(self, path, query, authorization):
        match = self.PATH.fullmatch(path)
        if not match:
            raise Refused(404, "Not Found", "notFound")
        project, zone, name = match.groups()
        self.check(authorization, project)
        for key in query:
            if key not in ("fields", "filter", "maxResults", "pageToken", "returnPartialSuccess"):
                raise Refused(400, "Unknown name \"%s\"" % key)
        mask = parse_fields(query["fields"]) if "fields" in query else None
        answer = self.instances.get(project, zone, name) if name else self.listing(project, zone, query)
        return masked(answer, mask)


# --- the server ------------------------------------------------------------------------------------

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "rig", ""

    def log_message(self, *args):
        pass

    def note(self, text):
        with self.server.lock, open(os.path.join(self.server.api.directory, "requests"), "a",
                                    encoding="utf-8") as out:
            out.write(text + "\n")

    def send(self, status, body, headers=None):
        data = body.encode() if isinstance(body, str) else json.dumps(body, indent=1).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def fault(self):
        try:
            with open(os.path.join(self.server.api.directory, "faults.json"), encoding="utf-8") as source:
                faults = json.load(source)
        except FileNotFoundError:
            return None
        for fault in faults:
            if re.search(fault["path"], self.path):
                key = json.dumps(fault, sort_keys=True)
                with self.server.lock:
                    count = self.server.seen[key] = self.server.seen.get(key, 0) + 1
                if count <= fault.get("times", 1 << 30):
                    return fault
        return None

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True, strict_parsing=True)) if url.query else {}
        self.note("GET " + self.path)
        try:
            if url.path == "/computeMetadata/v1/instance/service-accounts/default/token":
                if self.headers.get("Metadata-Flavor") != "Google" or query.get("scopes") != SCOPE:
                    raise Refused(403, "not asked as it should be")
                self.send(200, self.server.api.mint())
                return
            fault = self.fault()
            if fault and "status" in fault:
                self.send(fault["status"], fault.get("body", {}), fault.get("headers"))
                return
            answer = self.server.api.answer(url.path, query, self.headers.get("Authorization"))
            if fault:
                answer.update(fault["body"])
            self.send(200, answer)
        except Refused as refused:
            self.send(refused.status, refused.body)

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        form = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode()))
        self.note("POST " + self.path)
        if self.path != "/token":
            self.send(405, {})
        elif (form.get("grant_type"), form.get("client_id"), form.get("client_secret"), form.get("refresh_token")) \
                != ("refresh_token", "client", "secret-of-the-client", "refresh-4711"):
            self.send(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
        else:
            self.send(200, self.server.api.mint())


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, options):
        super().__init__(("127.0.0.1", 0), Handler)
        self.api, self.lock, self.seen = Api(options), threading.Lock(), {}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dir")
    parser.add_argument("--token")
    parser.add_argument("--denied-token")
    parser.add_argument("--page-size", type=int, default=500)
    parser.add_argument("--token-life", type=int, default=3600)
    options = parser.parse_args()
    os.makedirs(os.path.join(options.dir, "instances"), exist_ok=True)
    server = Server(options)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
