#!/usr/bin/env bats
# The upload to a bucket, by tests/tools/sink-probe against the strict server of the rig: failures of the
# kinds S1 to S7 of Google's conformance tests for retries, broken protocols, credentials, secrets.

bats_require_minimum_version 1.5.0

RIG=$BATS_TEST_DIRNAME/../rig
: "${JDIAG_BUILD:=$BATS_TEST_DIRNAME/../../build}"
export JDIAG_BUILD
TOOLS=$JDIAG_BUILD/tools
load bucket
CANARY=ya29.canary-token-4711
DENIED=ya29.canary-denied-4711
REFRESH=canary-refresh-4711
SECRET=canary-secret-4711
QUANTUM=262144

setup_file() {
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-gcs.XXXXXX")
	export DIR
	openssl genrsa -out "$DIR/key.pem" 2048 2>/dev/null
	openssl rsa -in "$DIR/key.pem" -pubout -out "$DIR/public.pem" 2>/dev/null
	mkdir "$DIR/home"
	server open
	server auth --token "$CANARY" --denied-token "$DENIED" --user "client:$SECRET:$REFRESH" --metadata --public-bucket open-data \
		--service-account "dumper@example.iam.gserviceaccount.com=$DIR/public.pem"
	server short --metadata --token-life 100 # not worth to be kept
	: >"$DIR/said"
}

teardown_file() {
	stop_servers
	rm -rf "$DIR"
}

setup() { use open; }

# What any command of this file printed at the highest verbosity holds no secret.
teardown() {
	local secret
	for secret in "$CANARY" "$DENIED" "$REFRESH" "$SECRET" ya29. upload_id PRIVATE; do
		run ! grep -F -e "$secret" "$DIR/said"
	done
}

# use NAME: the server that the next commands talk to, as good as new.
use() {
	HERE=$DIR/$1
	URL=http://127.0.0.1:$(<"$HERE/port")
	ENVIRONMENT=("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE=$URL")
	[[ $1 != open ]] || ENVIRONMENT=("STORAGE_EMULATOR_HOST=$URL")
	control reset -X POST >/dev/null
}

# probe STATUS ARGUMENT...: the uploader, with its end status and all it says.
probe() {
	local want=$1
	shift
	run env -i PATH="$PATH" HOME="$DIR/home" ${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} \
		"${ENVIRONMENT[@]}" timeout -k 5 60 "$TOOLS/sink-probe" -v9 "$@"
	echo "$output"
	echo "$output" >>"$DIR/said"
	[[ $status == "$want" ]] || { echo "status $status instead of $want" && return 1; }
}

@test "a known size goes out in one PUT and a tail with the checksum" {
	probe 0 30M gs://dumps/d/
	[[ $output == *gs://dumps/d/probe.hprof* ]]
	good 30M
	asked "len(of('put')) == 1 and len(of('final')) == 1 and len(of('status')) == 0"
	asked "of('put')[0]['length'] % $QUANTUM == 0 and of('final')[0]['length'] == $QUANTUM"
	asked "of('final')[0]['x-goog-hash'].startswith('crc32c=') and not of('put')[0].get('x-goog-hash')"
}

@test "every size around the quantum arrives" {
	local size
	for size in 0 1 $((QUANTUM - 1)) $QUANTUM $((QUANTUM + 1)) $((2 * QUANTUM)) $((8 * QUANTUM + 7)); do
		probe 0 -n "x$size" "$size" gs://dumps/d/
		good "$size" "x$size"
	done
}

@test "a source that grows goes out in whole quanta, and not in tiny ones" {
	probe 0 -g 3000000 40000001 gs://dumps/d/
	good 40000001
	asked "all(e['length'] % $QUANTUM == 0 for e in of('put')) and len(of('put')) <= 6"
	asked "min(e['length'] for e in of('put')[:-1]) >= 8 << 20"
}

@test "a source that stops growing at a whole quantum is finished with an empty PUT or its tail" {
	probe 0 -g 8M 16M gs://dumps/d/
	good 16M
}

@test "the manifest lies beside, with its own checksum" {
	probe 0 -m 1M gs://dumps/d/
	grep -q probe "$HERE/objects/dumps/d%2Fprobe.hprof.manifest.json"
	grep -q '"jdiag-pod": "probe"' "$HERE/objects/dumps/d%2Fprobe.hprof.meta"
}

@test "a name is percent-encoded" {
	probe 0 -n 'a b%?#&+ü.hprof' 1000 gs://dumps/d/
	good 1000 'a%20b%25%3F%23%26%2B%C3%BC.hprof'
}

@test "S1 S2: the start survives 503 twice, and reset then 503" {
	faults '[{"on":"start","status":503,"times":2}]'
	probe 0 1000 gs://dumps/d/
	good 1000
	faults '[{"on":"start","reset_at":0},{"on":"start","status":503}]'
	probe 0 -n second 1000 gs://dumps/d/
	good 1000 second
}

@test "S5: 400 and 401 fail at once" {
	local code
	for code in 400 401; do
		control reset -X POST >/dev/null
		faults "[{\"on\":\"start\",\"status\":$code,\"times\":9}]"
		probe 9 1000 gs://dumps/d/
		asked "len(of('start')) == 1"
	done
	nothing
}

@test "S6: 503 then 400, reset then 401: one retry, then failure" {
	faults '[{"on":"start","status":503},{"on":"start","status":400,"times":9}]'
	probe 9 1000 gs://dumps/d/
	asked "len(of('start')) == 2"
	control reset -X POST >/dev/null
	faults '[{"on":"start","reset_at":0},{"on":"start","status":401,"times":9}]'
	probe 9 1000 gs://dumps/d/
	asked "len(of('start')) == 2"
	nothing
}

@test "S7: the PUT survives reset and 503" {
	faults '[{"on":"put","reset_at":5000000},{"on":"put","status":503}]'
	probe 0 30M gs://dumps/d/
	good 30M
	says "rewind 4980736"
}

@test "S7: the PUT survives 408" {
	faults '[{"on":"put","status":408},{"on":"status","status":408}]'
	probe 0 30M gs://dumps/d/
	good 30M
}

@test "S7: the PUT survives 503 after 256 KiB" {
	faults '[{"on":"put","status_at":262144}]'
	probe 0 30M gs://dumps/d/
	good 30M
	says "rewind 262144"
}

@test "S7: the PUT survives 503 after 8 MiB and 408" {
	faults '[{"on":"put","status_at":8388608},{"on":"put","status":408}]'
	probe 0 30M gs://dumps/d/
	good 30M
	says "rewind 8388608"
}

@test "a reset at awkward bytes loses nothing" {
	local at
	for at in 0 1 262143 262145 12345678; do
		faults "[{\"on\":\"put\",\"reset_at\":$at}]"
		probe 0 -n "x$at" -g 5M 20000000 gs://dumps/d/
		good 20000000 "x$at"
	done
}

@test "fewer bytes kept than sent: the offset comes from Range" {
	faults '[{"on":"put","store":1048576},{"on":"put","store":1048576},{"on":"put","store":2097152}]'
	probe 0 20M gs://dumps/d/
	good 20M
	says "rewind 1048576"
	says "rewind 2097152"
}

@test "308 without Range: nothing is stored" {
	faults '[{"on":"put","store":0}]'
	probe 0 20M gs://dumps/d/
	good 20M
	says "rewind 0"
}

@test "Retry-After is obeyed" {
	local start=$SECONDS
	faults '[{"on":"put","status":429,"retry_after":3}]'
	probe 0 1M gs://dumps/d/
	good 1M
	((SECONDS - start >= 3))
}

@test "progress resets the count of tries" {
	faults '[{"on":"put","status_at":1048576,"times":9}]'
	probe 0 20M gs://dumps/d/
	good 20M
	asked "len(of('put')) == 10"
}

@test "the final PUT survives 503, a reset, and a lost answer" {
	faults '[{"on":"final","status":503}]'
	probe 0 -n one 1000000 gs://dumps/d/
	good 1000000 one
	faults '[{"on":"final","reset_at":1000}]'
	probe 0 -n two 1000000 gs://dumps/d/
	good 1000000 two
	faults '[{"on":"final","lose_answer":true}]'
	probe 0 -n three 1000000 gs://dumps/d/
	good 1000000 three
	asked "len(of('final')) == 5"
}

@test "a lost session is started again once, from byte 0" {
	local code
	for code in 404 410; do
		faults "[{\"on\":\"put\",\"skip\":1,\"expire\":$code}]"
		probe 0 -n "x$code" -g 9M 30M gs://dumps/d/
		says "rewind 0"
		good 30M "x$code"
	done
	faults '[{"on":"put","expire":410,"times":2}]'
	probe 9 30M gs://dumps/d/
	says "lost the upload twice"
}

@test "a session lost after the last answer was: the object is found to be ours" {
	faults '[{"on":"final","lose_answer":true},{"on":"status","expire":410}]'
	probe 0 1000000 gs://dumps/d/
	good 1000000
}

@test "collision: an object of that name is never overwritten" {
	probe 0 1000 gs://dumps/d/probe.hprof
	probe 9 2000 gs://dumps/d/probe.hprof
	says "an object of this name exists already"
	good 1000
	# by a generated name it shows at the end
	probe 9 2000 gs://dumps/d/
	says "an object of this name exists already"
	good 1000
}

@test "bytes changed on the way: the object is not created" {
	faults '[{"on":"final","corrupt":true}]'
	probe 9 1000000 gs://dumps/d/
	says "doesn't match calculated CRC32C"
	says "changed on the way"
	nothing
}

@test "an answer that disagrees with what was sent is an error" {
	local body
	for body in '' '{' '{}' '{"name":"d/other","size":"1000","crc32c":"AAAAAA=="}' \
		'{"name":"d/probe.hprof","size":"999","crc32c":"AAAAAA=="}' \
		'{"name":"d/probe.hprof","size":"1000","crc32c":"AAAAAA=="}'; do
		faults "[{\"on\":\"final\",\"answer\":{\"body\":$(python3 -c 'import json,sys; print(json.dumps(sys.argv[1]))' "$body")}}]"
		probe 9 1000 gs://dumps/d/
		rm -rf "$HERE"/objects/*
	done
	says "was corrupted"
}

@test "broken protocol: 200 in the middle, 308 at the end, impossible ranges, unknown statuses" {
	faults '[{"on":"put","answer":{"status":200}}]'
	probe 9 20M gs://dumps/d/
	says "finished the object before its end"
	faults '[{"on":"final","answer":{"status":308,"headers":{"Range":"bytes=0-999999"}}}]'
	probe 9 1000000 gs://dumps/d/
	says "has all bytes and does not finish"
	rm -rf "$HERE"/objects/*
	faults '[{"on":"put","answer":{"status":308,"headers":{"Range":"bytes=0-99999999"}}}]'
	probe 9 20M gs://dumps/d/
	says "claims bytes that were never sent"
	for range in 5-10 0-x 0--1 0-99999999999999999999 ' 0-5' "0-5$(printf '%080d' 0)"; do
		faults "[{\"on\":\"put\",\"answer\":{\"status\":308,\"headers\":{\"Range\":\"bytes=$range\"}}}]"
		probe 9 20M gs://dumps/d/
		says "Range that is not one"
	done
	faults '[{"on":"put","answer":{"status":302,"headers":{"Location":"http://127.0.0.1:1/"}}}]'
	probe 9 20M gs://dumps/d/
	says "answered with status 302"
	nothing
}

@test "a session elsewhere is not believed" {
	local uri
	for uri in "http://127.0.0.1:1/x?upload_id=1" "https://127.0.0.1:${URL##*:}/x" "http://evil.example/x" \
		"http://user@127.0.0.1:${URL##*:}/x" "ftp://127.0.0.1/" "" "nonsense"; do
		faults "[{\"on\":\"start\",\"answer\":{\"headers\":{\"Location\":\"$uri\"}}}]"
		probe 9 1000 gs://dumps/d/
	done
	says "no valid address"
	faults '[{"on":"start","answer":{"headers":{}}}]'
	probe 9 1000 gs://dumps/d/
	says "no Location"
}

@test "no bucket" {
	probe 9 1000 gs://nowhere/d/
	says "bucket 'nowhere' does not exist"
	says "gcloud storage buckets create gs://nowhere"
}

@test "names that cannot be" {
	local to
	for to in gs:// gs:///x gs://B/ gs://a/ 'gs://a b/' gs://dumps/.. gs://dumps/$'a\nb'; do
		probe 2 1000 "$to"
	done
	probe 2 -n "$(printf '%01100d' 1)" 1000 gs://dumps/d/
}

@test "an abort, and a signal, cancel the session" {
	probe 1 -a 10M 30M gs://dumps/d/
	nothing
	asked "of('delete')[0]['status'] == 499"
	use open
	env -i PATH="$PATH" "${ENVIRONMENT[@]}" "$TOOLS/sink-probe" -v9 -w 10M 30M gs://dumps/d/ 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	wait_for grep -qs waiting "$BATS_TEST_TMPDIR/err"
	kill -INT $!
	status=0
	wait $! || status=$?
	cat "$BATS_TEST_TMPDIR/err" >>"$DIR/said"
	[[ $status == 130 ]]
	nothing
	asked "[e['status'] for e in of('delete')] == [499]"
}

@test "a signal ends a PUT" {
	faults '[{"on":"put","rate":500000}]'
	env -i PATH="$PATH" "${ENVIRONMENT[@]}" "$TOOLS/sink-probe" -v9 30M gs://dumps/d/ 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	wait_for grep -qs Content-Range "$BATS_TEST_TMPDIR/err"
	kill -HUP $!
	status=0
	wait $! || status=$?
	cat "$BATS_TEST_TMPDIR/err" >>"$DIR/said"
	[[ $status == 130 ]]
	grep -x 'jdiag: interrupted' "$BATS_TEST_TMPDIR/err"
	wait_for nothing
	asked "[e['status'] for e in of('delete')] == [499]"
}

@test "a signal ends the wait before the next try" {
	local start
	faults '[{"on":"put","status":503,"retry_after":60,"times":9}]'
	env -i PATH="$PATH" "${ENVIRONMENT[@]}" "$TOOLS/sink-probe" -v9 30M gs://dumps/d/ 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	wait_for grep -qs waiting "$BATS_TEST_TMPDIR/err"
	start=$SECONDS
	kill -TERM $!
	status=0
	wait $! || status=$?
	cat "$BATS_TEST_TMPDIR/err" >>"$DIR/said"
	[[ $status == 130 ]]
	((SECONDS - start < 25))
	nothing
}

@test "nothing listens" {
	ENVIRONMENT=(STORAGE_EMULATOR_HOST=127.0.0.1:1)
	probe 9 1000 gs://dumps/d/
	says "Connection refused"
}

@test "the emulator's address in all its forms; credentials are not even looked for" {
	local form
	for form in "127.0.0.1:${URL##*:}" "$URL/" "$URL/storage/v1/"; do
		ENVIRONMENT=(STORAGE_EMULATOR_HOST="$form" GOOGLE_APPLICATION_CREDENTIALS=/nowhere)
		probe 0 1000 gs://dumps/d/
		rm -rf "$HERE"/objects/*
	done
	asked "not any(e['authorized'] for e in log)"
	ENVIRONMENT=(STORAGE_EMULATOR_HOST="http://u@x/")
	probe 2 1000 gs://dumps/d/
	says "STORAGE_EMULATOR_HOST"
}

# --- credentials

service_account() {
	python3 -c 'import json, sys
account = {"type": "service_account", "client_email": "dumper@example.iam.gserviceaccount.com",
           "private_key_id": "key1", "private_key": open(sys.argv[1] + "/key.pem").read(),
           "token_uri": sys.argv[2]}
print(json.dumps(account))' "$DIR" "${1:-$URL/token}" >"$DIR/sa.json"
	ENVIRONMENT+=(GOOGLE_APPLICATION_CREDENTIALS="$DIR/sa.json")
}

@test "service account: a signed claim, a token, and no token on the session" {
	use auth
	service_account
	probe 0 -m 1M gs://dumps/d/
	good 1M
	asked "len(of('token')) == 1"
	asked "all(e['authorized'] for e in of('start') + of('small'))"
	asked "not any(e['authorized'] for e in of('put') + of('final'))"
}

@test "service account: refused by the token endpoint" {
	use auth
	service_account
	sed -i s/dumper/nobody/ "$DIR/sa.json"
	probe 9 1000 gs://dumps/d/
	says "no access token for account 'nobody@example.iam.gserviceaccount.com'"
	says "account not found"
	asked "len(of('token')) == 1 and not of('start')"
}

@test "service account: the token endpoint is tried again after 503" {
	use auth
	service_account
	faults '[{"on":"token","status":503,"times":2}]'
	probe 0 1000 gs://dumps/d/
	good 1000
}

@test "a credential file that sends secrets elsewhere is refused" {
	local uri
	use auth
	for uri in https://evil.example/token http://oauth2.googleapis.com/token https://evilgoogleapis.com/ \
		https://googleapis.com.evil.example/ https://x@googleapis.com/ https://127.0.0.1.evil.example/; do
		ENVIRONMENT=("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE=$URL")
		service_account "$uri"
		probe 2 1000 gs://dumps/d/
		says "is not an address of Google"
	done
	ENVIRONMENT=(CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE=https://evil.example)
	probe 2 1000 gs://dumps/d/
	says "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE"
	asked "log == []"
}

@test "authorized user: a refresh token, from gcloud's own place" {
	use auth
	printf '{"type":"authorized_user","client_id":"client","client_secret":"%s","refresh_token":"%s","token_uri":"%s"}' \
		"$SECRET" "$REFRESH" "$URL/token" >"$DIR/user.json"
	mkdir -p "$DIR/home/.config/gcloud"
	ln -s "$DIR/user.json" "$DIR/home/.config/gcloud/application_default_credentials.json"
	probe 0 1000 gs://dumps/d/
	good 1000
	sed -i "s/$REFRESH/old/" "$DIR/user.json"
	probe 9 1000 gs://dumps/d/
	rm -r "$DIR/home/.config"
	says "gcloud auth application-default login"
}

@test "a token endpoint that repeats a secret in its answer does not make us print it" {
	use auth
	printf '{"type":"authorized_user","client_id":"client","client_secret":"%s","refresh_token":"%s","token_uri":"%s"}' \
		"$SECRET" "$REFRESH" "$URL/token" >"$DIR/user.json"
	ENVIRONMENT+=(GOOGLE_APPLICATION_CREDENTIALS="$DIR/user.json")
	local secret
	for secret in "$SECRET" "$REFRESH"; do
		faults "[{\"on\":\"token\",\"status\":400,\"message\":\"invalid_grant: bad $secret\"}]"
		probe 9 1000 gs://dumps/d/
		says "status 400, invalid_grant"
	done
}

@test "metadata server: its token; absent: how to get credentials" {
	use auth
	ENVIRONMENT+=(GCE_METADATA_HOST="${URL#http://}")
	probe 0 1000 gs://dumps/d/
	good 1000
	use auth
	ENVIRONMENT+=(GCE_METADATA_HOST=127.0.0.1:1)
	probe 9 1000 gs://dumps/d/
	says "no Google credentials"
	says "--token-command"
}

@test "a token is renewed by its age, before it is refused" {
	use short
	ENVIRONMENT+=(GCE_METADATA_HOST="${URL#http://}")
	probe 0 -m 1M gs://dumps/d/
	asked "len(of('metadata')) == 2"
	asked "not any(e['status'] == 401 for e in of('start') + of('small'))"
}

@test "a token that was good and is not any more is replaced once" {
	use auth
	ENVIRONMENT+=(GCE_METADATA_HOST="${URL#http://}")
	faults '[{"on":"small","status":401}]'
	probe 0 -m 1000 gs://dumps/d/
	asked "len(of('metadata')) == 2 and len(of('small')) == 2"
	faults '[{"on":"small","status":401,"times":9}]'
	probe 9 -n again -m 1000 gs://dumps/d/
	asked "len(of('small')) == 4"
}

@test "token command: its token, its failures" {
	use auth
	probe 0 -c "echo '  $CANARY'; echo talk >&2" 1000 gs://dumps/d/
	good 1000
	says talk
	probe 9 -c "exit 3" 1000 gs://dumps/d/
	says "the token command ended with status 3"
	probe 9 -c "true" 1000 gs://dumps/d/
	says "token command printed nothing"
	probe 9 -c "kill -9 \$\$" 1000 gs://dumps/d/
	says "ended by signal 9"
	probe 9 -c "yes | head -c 1000000" 1000 gs://dumps/d/
	says "the token command writes more than"
	probe 9 -c "printf 'a\001b'" 1000 gs://dumps/d/
	says "something else than a token"
	asked "len(of('start')) == 1"
}

@test "a bucket that everybody can read is warned of" {
	use auth
	local try
	for try in 1 2 3; do # it does not wait for long to know that
		probe 0 -c "echo $CANARY" -n "x$try" 1000 gs://open-data/d/
		[[ $output != *warning* ]] || break
	done
	says "warning: everybody can read the objects of bucket 'open-data'"
	asked "not any(e['authorized'] for e in of('permissions'))"
	probe 0 -c "echo $CANARY" 1000 gs://dumps/d/
	[[ $output != *warning* ]]
}

@test "a service that is down" {
	faults '[{"on":"start","status":503,"times":9}]'
	probe 9 1000 gs://dumps/d/
	says "the service answered with status 503"
	says "try again later"
	asked "len(of('start')) == 4"
}

@test "a token that is not good, and one that is not permitted" {
	use auth
	probe 9 -c "echo wrong" 1000 gs://dumps/d/
	says "the credentials were not accepted"
	asked "len(of('start')) == 1"
	probe 9 -c "echo $DENIED" 1000 gs://dumps/d/
	says "not permitted"
	says "storage.objects.create on bucket 'dumps'"
	asked "len(of('start')) == 2"
}

@test "a service that repeats the token in its answer does not make us print it" {
	use auth
	faults "[{\"on\":\"start\",\"status\":403,\"message\":\"bad token $CANARY\"}]"
	probe 9 -c "echo $CANARY" 1000 gs://dumps/d/
	says "not permitted"
}

@test "bad credential files" {
	local i=0 want text
	use auth
	ENVIRONMENT+=(GOOGLE_APPLICATION_CREDENTIALS="$DIR/bad.json")
	rm -f "$DIR/bad.json"
	probe 2 1000 gs://dumps/d/
	says "bad.json': No such file"
	mkdir "$DIR/bad.json"
	probe 2 1000 gs://dumps/d/
	rmdir "$DIR/bad.json"
	while IFS='|' read -r want text; do
		printf '%s' "$text" >"$DIR/bad.json"
		probe 2 1000 gs://dumps/d/
		says "bad.json'"
		says "$want"
	done <<-'END'
		is not JSON|
		is not JSON|{"type":
		'type' is missing|{}
		'type' is missing|{"type":7}
		'audience' is missing|{"type":"external_account"}
		'source_credentials' is missing|{"type":"impersonated_service_account"}
		'client_email' is missing|{"type":"service_account"}
		'private_key' is missing|{"type":"service_account","client_email":"a@b"}
		not readable as unencrypted PEM|{"type":"service_account","client_email":"a@b","private_key":"x"}
		'client_secret' is missing|{"type":"authorized_user","client_id":"x"}
	END
	asked "log == []"
}
