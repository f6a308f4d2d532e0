"""Token endpoint and metadata server of the rig: who gets an access token, by the rules of OAuth
2.0 for service accounts (signed claims) and users (refresh token)."""

import json
import secrets
import subprocess
import tempfile
import time

from gcs_store import Refused, b64url

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
PLATFORM = "https://www.googleapis.com/auth/cloud-platform"


class Tokens:
    def __init__(self, fixed, accounts, users, life):
        self.fixed = set(fixed)  # always good
        self.minted = {}  # token -> (whose, scope)
        self.denied = set()  # good, but without permission
        self.accounts = accounts  # email -> path of a public key
        self.users = users  # client_id -> (secret, refresh token)
        self.life = life

    def mint(self, whose="", scope=SCOPE):
        token = "ya29.minted-" + secrets.token_urlsafe(24)
        self.minted[token] = (whose, scope)
        return {"access_token": token, "expires_in": self.life, "token_type": "Bearer"}

    def revoke(self):
        self.minted.clear()

    def is_denied(self, header):
        return (header or "").removeprefix("Bearer ") in self.denied

    def check(self, header):
        token = (header or "").removeprefix("Bearer ")
        if not header or token not in self.fixed | set(self.minted) | self.denied:
            raise Refused(401, "Invalid Credentials")
        if token in self.minted and self.minted[token][1] not in (SCOPE, PLATFORM):
            raise Refused(403, "Request had insufficient authentication scopes.")
        if token in self.denied:
            raise Refused(403, "test@example.com does not have storage.objects.create access to "
                          "the Google Cloud Storage object. Permission 'storage.objects.create' "
                          "denied on resource (or it may not exist).")

    def exchange(self, form, own_url):
        grant = form.get("grant_type")
        if grant == JWT_GRANT:
            return self.mint(*self.check_assertion(form.get("assertion", ""), own_url))
        elif grant == "refresh_token":
            if self.users.get(form.get("client_id")) != (form.get("client_secret"),
                                                         form.get("refresh_token")):
                raise Refused(400, "invalid_grant: Token has been expired or revoked.")
        else:
            raise Refused(400, "unsupported_grant_type: %s" % grant)
        return self.mint("user:" + form["client_id"], PLATFORM)

    def check_assertion(self, assertion, own_url):
        try:
            signed, _, signature = assertion.rpartition(".")
            header, claims = (json.loads(b64url(p)) for p in signed.split("."))
        except ValueError:
            raise Refused(400, "invalid_grant: Malformed assertion")
        now = time.time()
        key = self.accounts.get(claims.get("iss"))
        if header.get("alg") != "RS256" or header.get("typ") != "JWT" or not header.get("kid"):
            raise Refused(400, "invalid_grant: Bad header")
        if not key:
            raise Refused(400, "invalid_grant: Invalid grant: account not found")
        if claims.get("aud") != own_url or claims.get("scope") not in (SCOPE, PLATFORM):
            raise Refused(400, "invalid_grant: Bad audience or scope")
        if not (now - 300 <= claims["iat"] <= now + 300 and
                claims["iat"] < claims["exp"] <= claims["iat"] + 3600):
            raise Refused(400, "invalid_grant: Invalid JWT: Token must be a short-lived token")
        if not verify(key, signed.encode(), b64url(signature)):
            raise Refused(400, "invalid_grant: Invalid JWT Signature.")
        return claims["iss"], claims["scope"]


def verify(public_key, data, signature):
    with tempfile.NamedTemporaryFile() as f:
        f.write(signature)
        f.flush()
        return subprocess.run(["openssl", "dgst", "-sha256", "-verify", public_key, "-signature",
                               f.name], input=data, capture_output=True).returncode == 0
