# A heap dump into a bucket with the identity of a CI system, whose tokens end in the middle of the capture.
load lib
# shellcheck source=tests/rig/google.sh
. "$RIG/google.sh"

SUBJECT=canary-subject-4711
AUDIENCE=//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/ci/providers/rig

setup_file() {
	rig_up
	pod_up web
	google_certificates "$RIG_RUN"
	server_stop bucket
	bucket_up --google "$RIG_RUN/server.pem"
	google_names "$RIG_RUN" "$RIG_RUN/bucket/data"
}
teardown_file() { rig_down; }

setup() {
	URL=http://127.0.0.1:$(<"$RIG_RUN/bucket/port")
	JDIAG_EXEC="$RIG/with-google $RIG_RUN/bucket/data"
	JDIAG_EXTRA_ENV=(STORAGE_EMULATOR_HOST= "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE=$URL"
		"GOOGLE_APPLICATION_CREDENTIALS=$RIG_RUN/cred.json")
	printf '%s' "$SUBJECT" >"$RIG_RUN/subject"
	printf '{"type":"external_account","audience":"%s","subject_token_type":"urn:ietf:params:oauth:token-type:jwt",%s}' "$AUDIENCE" \
		'"token_url":"https://sts.googleapis.com/v1/token","credential_source":{"file":"'"$RIG_RUN/subject"'"}' >"$RIG_RUN/cred.json"
	control identities '{"providers":{"'"$AUDIENCE"'":{"type":"urn:ietf:params:oauth:token-type:jwt","subject":["'"$SUBJECT"'"]}}}'
}

teardown() {
	untouched web || return 1
	run ! grep -F -e canary-subject -e ya29. "$RIG_RUN/out/all"
}

control() { curl -sS --noproxy '*' -d "$2" "$URL/control/$1"; }

@test "tokens and the session end in the middle of a capture: a new token, a new session, one dump" {
	control faults '[{"on":"start","skip":1,"status":401},{"on":"final","expire":410,"revoke":true}]'
	run_jdiag -s 0 heapdump web -n shop -y --to gs://dumps/ci/web.hprof.gz -v=4
	says gs://dumps/ci/web.hprof.gz
	dump_is_good "$RIG_RUN/bucket/data/objects/dumps/ci%2Fweb.hprof.gz" live
	curl -sS --noproxy '*' "$URL/control/log" | python3 -c '
import json, sys
log = json.load(sys.stdin)
kinds = [(e.get("kind"), e["status"]) for e in log]
assert kinds.count(("start", 200)) == 2, kinds
assert ("final", 410) in kinds and ("final", 200) in kinds, kinds
assert sum(kind == "sts" for kind, _ in kinds) >= 2, kinds
assert not any(e["authorized"] for e in log if e.get("kind") in ("put", "final")), log'
}
