"""Google's services that exchange tokens, for the rig: the Security Token Service (RFC 8693), the
tokens of users of other identity providers, and IAM's generateAccessToken. Strict about every field.
What they know is JSON:

    {"providers": {AUDIENCE: {"type": SUBJECT-TOKEN-TYPE, "subject": [TOKEN...], "client": "ID:SECRET",
                              "project": USER-PROJECT, "once": true}},
     "users": {REFRESH-TOKEN: "ID:SECRET"}, "rotate": NEXT-REFRESH-TOKEN,
     "accounts": {EMAIL: {"callers": [WHO...], "delegates": [EMAIL...], "lifetime": "3600s"}},
     "issuer": {PATH: {"headers": {NAME: VALUE}, "body": TEXT}}}

WHO is an audience, the address of a service account, "user:CLIENT-ID", "external:REFRESH-TOKEN".
"""

import base64
import datetime
import json

from gcs_auth import PLATFORM
from gcs_store import Refused

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
SERVICES = ("sts.googleapis.com", "iamcredentials.googleapis.com", "oauth2.googleapis.com")


class Exchange:
    def __init__(self, tokens):
        self.tokens = tokens
        self.known = {}

    def load(self, known):
        self.known = known

    def sts(self, form, headers):
        """POST https://sts.googleapis.com/v1/token"""
        provider = self.known.get("providers", {}).get(form.get("audience"))
        if not provider:
            raise Refused(400, "invalid_target: The target service indicated by the \"audience\" "
                          "parameters is invalid.")
        want = {"grant_type": EXCHANGE, "audience": form["audience"], "scope": form.get("scope"),
                "requested_token_type": ACCESS_TOKEN, "subject_token_type": provider["type"],
                "subject_token": form.get("subject_token")}
        options = {"userProject": provider["project"]} if provider.get("project") else None
        got = dict(form)
        if json.loads(got.pop("options", "null")) != options or got != want:
            raise Refused(400, "invalid_request: fields %s" % sorted(form))
        check_client(headers, provider.get("client"))
        if form["subject_token"] not in provider["subject"]:
            raise Refused(400, "invalid_grant: ID Token issued at 1 is stale to sign-in.")
        if provider.get("once"):
            provider["subject"].remove(form["subject_token"])
        answer = self.tokens.mint(form["audience"], form["scope"])
        return dict(answer, issued_token_type=ACCESS_TOKEN)

    def refresh(self, form, headers):
        """POST https://sts.googleapis.com/v1/oauthtoken"""
        users = self.known.get("users", {})
        if set(form) != {"grant_type", "refresh_token"} or form["grant_type"] != "refresh_token":
            raise Refused(400, "invalid_request: fields %s" % sorted(form))
        if form["refresh_token"] not in users:
            raise Refused(400, "invalid_grant: Bad refresh token")
        check_client(headers, users[form["refresh_token"]])
        answer = self.tokens.mint("external:" + form["refresh_token"], PLATFORM)
        if self.known.get("rotate"):
            answer["refresh_token"] = self.known["rotate"]
            users[self.known["rotate"]] = users.pop(form["refresh_token"])
        return answer

    def generate(self, path, body, headers):
        """POST https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/EMAIL:generateAccessToken"""
        email = path.removeprefix("/v1/projects/-/serviceAccounts/").removesuffix(":generateAccessToken")
        account = self.known.get("accounts", {}).get(email)
        whose, scope = self.tokens.minted.get(bearer(headers), (None, None))
        if whose is None:
            raise Refused(401, "Request had invalid authentication credentials.")
        if scope != PLATFORM:
            raise Refused(403, "Request had insufficient authentication scopes.")
        if not account:
            raise Refused(404, "Requested entity was not found.")
        delegates = ["projects/-/serviceAccounts/" + d for d in account.get("delegates", [])]
        want = {"scope", "lifetime"} | ({"delegates"} if delegates else set())
        if set(body) != want or not isinstance(body["scope"], list) or len(body["scope"]) != 1:
            raise Refused(400, "Invalid JSON payload received: %s" % sorted(body))
        if body["lifetime"] != account.get("lifetime", "3600s"):
            raise Refused(400, "lifetime")
        if whose not in account["callers"] or body.get("delegates", []) != delegates:
            raise Refused(403, "Permission 'iam.serviceAccounts.getAccessToken' denied on resource "
                          "(or it may not exist).")
        token = self.tokens.mint(email, body["scope"][0])
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(
            seconds=self.tokens.life)
        return {"accessToken": token["access_token"],
                "expireTime": end.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def subject(self, path, headers):
        """What a CI system answers when a job asks for its token."""
        known = self.known.get("issuer", {}).get(path)
        if not known:
            raise Refused(404, "Not Found")
        if any(headers.get(k) != v for k, v in known.get("headers", {}).items()):
            raise Refused(401, "Unauthorized")
        return known["body"]


def bearer(headers):
    return (headers.get("Authorization") or "").removeprefix("Bearer ")


def check_client(headers, want):
    got = headers.get("Authorization")
    expected = want and "Basic " + base64.b64encode(want.encode()).decode()
    if got != expected:
        raise Refused(401, "invalid_client: The OAuth client was not found.")
