#!/usr/bin/env bats
# Credentials of CI systems and other identities: external accounts, impersonation, what gcloud writes.
# The token services are those of the rig, behind TLS and Google's own names (tests/rig/with-google), so
# that the allow-list is the one that users get.

bats_require_minimum_version 1.5.0

RIG=$BATS_TEST_DIRNAME/../rig
: "${JDIAG_BUILD:=$BATS_TEST_DIRNAME/../../build}"
export JDIAG_BUILD
TOOLS=$JDIAG_BUILD/tools
load bucket
# shellcheck source=tests/rig/google.sh
. "$RIG/google.sh"
SUBJECT=canary-subject-4711
REFRESH=canary-refresh-4711
SECRET=canary-secret-4711
HEADER=canary-header-4711
AUDIENCE=//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/ci/providers/rig
WORKFORCE=//iam.googleapis.com/locations/global/workforcePools/people/providers/rig
ACCOUNT=dumper@example.iam.gserviceaccount.com
ACT_AS=https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/$ACCOUNT:generateAccessToken
JWT=urn:ietf:params:oauth:token-type:jwt
ALLOW=GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1

setup_file() {
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/jdiag-cred.XXXXXX")
	export DIR
	mkdir "$DIR/home"
	openssl genrsa -out "$DIR/key.pem" 2048 2>/dev/null
	openssl rsa -in "$DIR/key.pem" -pubout -out "$DIR/public.pem" 2>/dev/null
	google_certificates "$DIR"
	server good --google "$DIR/server.pem" --user "client:$SECRET:$REFRESH" \
		--service-account "robot@example.iam.gserviceaccount.com=$DIR/public.pem"
	server short --google "$DIR/server.pem" --token-life 100
	for name in good short; do
		google_names "$DIR" "$DIR/$name"
	done
	: >"$DIR/said"
}

teardown_file() {
	stop_servers
	rm -rf "$DIR"
}

setup() { use good; }

# What any command of this file printed at the highest verbosity holds no secret.
teardown() {
	local secret
	for secret in canary- ya29. upload_id PRIVATE; do
		run ! grep -F -e "$secret" "$DIR/said"
	done
}

use() {
	HERE=$DIR/$1
	URL=http://127.0.0.1:$(<"$HERE/port")
	ENVIRONMENT=("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE=$URL" "GOOGLE_APPLICATION_CREDENTIALS=$DIR/cred.json")
	control reset -X POST >/dev/null
	printf '%s' "$SUBJECT" >"$DIR/subject"
	knows
}

# knows [JSON]: whom the token services know, more than usual.
knows() {
	local more=${1:-}
	python3 - "${more:-"{}"}" <<-END | control identities -d @- >/dev/null
		import json, sys
		known = {
		    "providers": {"$AUDIENCE": {"type": "$JWT", "subject": ["$SUBJECT", "$SUBJECT-2"]},
		                  "$WORKFORCE": {"type": "$JWT", "subject": ["$SUBJECT"], "project": "p1"}},
		    "accounts": {"$ACCOUNT": {"callers": ["$AUDIENCE", "robot@example.iam.gserviceaccount.com",
		                                          "user:client", "external:$REFRESH"]}},
		    "users": {"$REFRESH": "client:$SECRET"},
		    "issuer": {"token.ci.example/_apis/token?audience=x":
		                   {"headers": {"Authorization": "Bearer $HEADER", "X-More": "y"},
		                    "body": json.dumps({"value": "$SUBJECT", "count": 1})},
		               "plain/issuer/text": {"body": " $SUBJECT\n"}},
		}
		for key, value in json.loads(sys.argv[1]).items():
		    known[key] = {**known[key], **value} if isinstance(value, dict) else value
		print(json.dumps(known))
	END
}

# probe STATUS ARGUMENT...: the uploader, with its end status and all it says.
probe() {
	local want=$1
	shift
	run "$RIG/with-google" "$HERE" env -i PATH="$PATH" HOME="$DIR/home" ${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} \
		"${ENVIRONMENT[@]}" timeout -k 5 60 "$TOOLS/sink-probe" -v9 "$@"
	echo "$output"
	echo "$output" >>"$DIR/said"
	[[ $status == "$want" ]] || { echo "status $status instead of $want" && return 1; }
}

# external SOURCE [MORE]: a credential file of an external account.
external() {
	local start='{"type":"external_account","audience":"%s","subject_token_type":"%s","token_url":"https://sts.googleapis.com/v1/token"'
	# shellcheck disable=SC2059 # a format
	printf "$start"',"credential_source":%s%s}' "$AUDIENCE" "$JWT" "$1" "${2:+,$2}" >"$DIR/cred.json"
}

# impersonated SOURCE [MORE]
impersonated() {
	printf '{"type":"impersonated_service_account","service_account_impersonation_url":"%s","source_credentials":%s%s}' \
		"$ACT_AS" "$1" "${2:+,$2}" >"$DIR/cred.json"
}

user() { printf '{"type":"authorized_user","client_id":"client","client_secret":"%s","refresh_token":"%s"}' "$SECRET" "$REFRESH"; }

robot() {
	python3 -c 'import json, sys
print(json.dumps({"type": "service_account", "client_email": "robot@example.iam.gserviceaccount.com",
                  "private_key_id": "key1", "private_key": open(sys.argv[1]).read()}))' "$DIR/key.pem"
}

# program TEXT [MORE]: a shell script that gives subject tokens, within $MILLIS.
program() {
	printf '#!/bin/sh\n%s\n' "$1" >"$DIR/program"
	chmod +x "$DIR/program"
	external '{"executable":{"command":"'"$DIR"'/program  give\ttoken","timeout_millis":'"${MILLIS:-60000}"'}}' "${2:-}"
	ENVIRONMENT+=("$ALLOW")
}

answer() { printf 'echo '\''{"version":1,"success":true,"token_type":"%s","id_token":"%s","expiration_time":%s}'\' "$JWT" "$SUBJECT" "${1:-$(($(date +%s) + 600))}"; }

uploads() {
	probe 0 "$@" 1000 gs://dumps/d/
	good 1000
	rm -rf "$HERE"/objects/*
}

@test "external account: a subject token from a file, as text and as JSON" {
	external '{"file":"'"$DIR/subject"'"}'
	printf '%s\n' "$SUBJECT" >"$DIR/subject"
	uploads -m
	asked "len(of('sts')) == 1 and all(e['authorized'] for e in of('start') + of('small'))"
	asked "not any(e['authorized'] for e in of('put') + of('final') + of('sts'))"
	external '{"file":"'"$DIR/subject"'","format":{"type":"json","subject_token_field_name":"id"}}'
	printf '{"id":"%s","other":[1]}' "$SUBJECT" >"$DIR/subject"
	uploads
	# a mounted secret is a link
	mv "$DIR/subject" "$DIR/..data"
	ln -s ..data "$DIR/subject"
	uploads
	rm "$DIR/subject" "$DIR/..data"
}

@test "external account: a subject token from a URL, as GitHub and Azure give it" {
	external '{"url":"https://token.ci.example/_apis/token?audience=x","headers":{"Authorization":"Bearer '"$HEADER"'","X-More":"y"},
		"format":{"type":"json","subject_token_field_name":"value"}}'
	uploads
	asked "len(of('subject')) == 1"
	external '{"url":"'"$URL"'/issuer/text"}'
	uploads
	external '{"url":"'"$URL"'/issuer/text"}'
	faults '[{"on":"subject","status":503}]'
	uploads
	asked "len(of('subject')) == 4"
}

@test "external account: a subject token from a program" {
	program '[ "$*" = "give token" ] || exit 9
		env | grep GOOGLE_EXTERNAL >'"$DIR/environment"'
		echo '"$SUBJECT"' >&2
		'"$(answer)" '"service_account_impersonation_url":"'"$ACT_AS"'"'
	uploads
	sort "$DIR/environment" >"$DIR/sorted"
	diff - "$DIR/sorted" <<-END
		GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1
		GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=$AUDIENCE
		GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL=$ACCOUNT
		GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE=0
		GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE=$JWT
	END
}

@test "external account: a program's last answer is used while it is good" {
	program "echo run >>$DIR/runs; $(answer) | tee $DIR/kept"
	sed -i 's|"timeout_millis"|"output_file":"'"$DIR/kept"'","timeout_millis"|' "$DIR/cred.json"
	rm -f "$DIR/runs" "$DIR/kept"
	uploads
	uploads
	[[ $(wc -l <"$DIR/runs") == 1 ]]
	sh -c "$(answer 1000)" >"$DIR/kept"
	uploads
	[[ $(wc -l <"$DIR/runs") == 2 ]]
	echo "$SUBJECT" >"$DIR/kept"
	probe 9 1000 gs://dumps/d/
	says "kept' (executable.output_file of '$DIR/cred.json'): its answer is not a JSON object"
	[[ $(wc -l <"$DIR/runs") == 2 ]]
}

@test "external account: then a service account, by impersonation" {
	external '{"file":"'"$DIR/subject"'"}' '"service_account_impersonation_url":"'"$ACT_AS"'"'
	uploads
	asked "[e['kind'] for e in log[:2]] == ['sts', 'generate'] and of('generate')[0]['authorized']"
	knows '{"accounts":{"'"$ACCOUNT"'":{"callers":["'"$AUDIENCE"'"],"lifetime":"2800s"}}}'
	external '{"file":"'"$DIR/subject"'"}' \
		'"service_account_impersonation_url":"'"$ACT_AS"'","service_account_impersonation":{"token_lifetime_seconds":2800}'
	uploads
}

@test "external account: a workforce pool has a project, some providers a client" {
	external '{"file":"'"$DIR/subject"'"}' '"workforce_pool_user_project":"p1"'
	sed -i "s|$AUDIENCE|$WORKFORCE|" "$DIR/cred.json"
	uploads
	knows '{"providers":{"'"$AUDIENCE"'":{"type":"'"$JWT"'","subject":["'"$SUBJECT"'"],"client":"client:'"$SECRET"'"}}}'
	external '{"file":"'"$DIR/subject"'"}' '"client_id":"client","client_secret":"'"$SECRET"'"'
	uploads
	external '{"file":"'"$DIR/subject"'"}' '"workforce_pool_user_project":"p1"'
	probe 2 1000 gs://dumps/d/
	says "'workforce_pool_user_project' does not go with an audience that is no workforce pool"
}

@test "external account: a user who has logged in; the refresh token may be replaced" {
	printf '{"type":"external_account_authorized_user","audience":"%s","client_id":"client","client_secret":"%s","refresh_token":"%s",
		"token_url":"https://sts.googleapis.com/v1/oauthtoken"}' "$WORKFORCE" "$SECRET" "$REFRESH" >"$DIR/cred.json"
	uploads
	use short
	knows '{"rotate":"'"$REFRESH"'-next"}'
	uploads -m
	asked "len(of('refresh')) == 2 and all(e['status'] == 200 for e in of('refresh'))"
	probe 9 1000 gs://dumps/d/
	says "status 400, invalid_grant: Bad refresh token"
	says "gcloud auth application-default login --login-config="
}

@test "impersonated service account: around each kind of credentials" {
	impersonated "$(robot)"
	uploads
	asked "[e['kind'] for e in log[:2]] == ['token', 'generate']"
	impersonated "$(user)" '"delegates":[]'
	uploads
	external '{"file":"'"$DIR/subject"'"}'
	impersonated "$(<"$DIR/cred.json")"
	uploads
	knows '{"accounts":{"'"$ACCOUNT"'":{"callers":["user:client"],"delegates":["a@x.example","b@x.example"]}}}'
	impersonated "$(user)" '"delegates":["a@x.example","projects/-/serviceAccounts/b@x.example"]'
	uploads
}

@test "what gcloud has written is found in its own places" {
	ENVIRONMENT=("${ENVIRONMENT[0]}")
	impersonated "$(user)"
	mkdir -p "$DIR/home/.config/gcloud" "$DIR/cloudsdk"
	mv "$DIR/cred.json" "$DIR/home/.config/gcloud/application_default_credentials.json"
	uploads
	rm -r "$DIR/home/.config"
	user >"$DIR/cloudsdk/application_default_credentials.json"
	ENVIRONMENT+=("CLOUDSDK_CONFIG=$DIR/cloudsdk")
	uploads
	asked "len(of('generate')) == 1 and len(of('token')) == 2"
}

@test "not permitted to act as the service account: the role is said" {
	knows '{"accounts":{"'"$ACCOUNT"'":{"callers":[]}}}'
	external '{"file":"'"$DIR/subject"'"}' '"service_account_impersonation_url":"'"$ACT_AS"'"'
	probe 9 1000 gs://dumps/d/
	says "cannot act as service account '$ACCOUNT': not permitted, status 403: Permission 'iam.serviceAccounts.getAccessToken' denied"
	says "--role=roles/iam.serviceAccountTokenCreator --member='principalSet://iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/ci/*'"
	impersonated "$(robot)"
	probe 9 1000 gs://dumps/d/
	says "--member=serviceAccount:robot@example.iam.gserviceaccount.com"
	sed -i "s/dumper@/nobody@/" "$DIR/cred.json"
	probe 9 1000 gs://dumps/d/
	says "status 404"
	asked "not of('start') and len(of('generate')) == 3"
}

@test "refused by the token service: why, and nothing of the token" {
	external '{"file":"'"$DIR/subject"'"}'
	echo "$SUBJECT-old" >"$DIR/subject"
	probe 9 1000 gs://dumps/d/
	says "no access token for credentials from '$DIR/cred.json': status 400, invalid_grant: ID Token issued at 1 is stale"
	says "the provider '$AUDIENCE' has to know the issuer"
	faults '[{"on":"sts","status":400,"message":"invalid_grant: bad token '"$SUBJECT-old"'"}]'
	probe 9 1000 gs://dumps/d/
	says "status 400, invalid_grant"
	faults '[{"on":"generate","status":403,"message":"not for ya29."},{"on":"sts","answer":{"body":"{\"access_token\":\"ya29.\",\"token_type\":\"N_A\"}"}}]'
	external '{"file":"'"$DIR/subject"'"}' '"service_account_impersonation_url":"'"$ACT_AS"'"'
	echo "$SUBJECT" >"$DIR/subject"
	probe 9 1000 gs://dumps/d/
	says "a token that is not a bearer token"
	asked "not of('start')"
}

@test "answers of the token services that are wrong" {
	local body
	external '{"file":"'"$DIR/subject"'"}' '"service_account_impersonation_url":"'"$ACT_AS"'"'
	for body in '' '[]' '{' '{\"access_token\":7}' '{\"access_token\":\"a b\"}' '{\"access_token\":\"a\\r\\nX: y\"}' \
		'{\"access_token\":\"a\",\"issued_token_type\":\"urn:ietf:params:oauth:token-type:jwt\"}'; do
		faults '[{"on":"sts","answer":{"body":"'"$body"'"}}]'
		probe 9 1000 gs://dumps/d/
	done
	says "exchanged for a token of type"
	for body in '{}' '{\"accessToken\":\"a\"}' '{\"accessToken\":\"a\",\"expireTime\":\"soon\"}' '{\"accessToken\":\"a b\",\"expireTime\":\"2999-01-01T00:00:00Z\"}'; do
		faults '[{"on":"generate","answer":{"body":"'"$body"'"}}]'
		probe 9 1000 gs://dumps/d/
	done
	says "no usable access token"
	asked "not of('start')"
}

@test "a token service whose certificate is not trusted gets nothing" {
	external '{"file":"'"$DIR/subject"'"}'
	cp "$DIR/other.pem" "$HERE/trusted.pem"
	probe 9 1000 gs://dumps/d/
	cp "$DIR/ca.pem" "$HERE/trusted.pem"
	says "certificate of 'https://sts.googleapis.com/v1/token' is not trusted"
	asked "log == []"
}

@test "credentials go nowhere but to Google: addresses elsewhere are refused before anything is sent" {
	local url
	for url in http://sts.googleapis.com/v1/token https://sts.googleapis.com:8443/v1/token https://evil.example/v1/token \
		"https://sts.googleapis.com@evil.example/" https://sts.googleapis.com.evil.example/ https://evilsts.googleapis.com/v1/token \
		https://storage.googleapis.com/upload/storage/v1/b/evil/o https://a.b.sts.googleapis.com/ "$URL/v1/token" \
		'https://evil.example\\\\.sts.googleapis.com/' https://sts.evil.googleapis.com.example/; do
		external '{"file":"'"$DIR/subject"'"}'
		sed -i "s|https://sts.googleapis.com/v1/token|$url|" "$DIR/cred.json"
		probe 2 1000 gs://dumps/d/
		says "cred.json': field 'token_url'"
	done
	for url in "${ACT_AS/https/http}" "${ACT_AS/iamcredentials/storage}" "${ACT_AS/googleapis.com/evil.example}" "$ACT_AS?x=y" \
		"${ACT_AS/generateAccessToken/signBlob}" "${ACT_AS/dumper@/../}" "$URL/v1/projects/-/serviceAccounts/$ACCOUNT:generateAccessToken"; do
		external '{"file":"'"$DIR/subject"'"}' '"service_account_impersonation_url":"'"$url"'"'
		probe 2 1000 gs://dumps/d/
		says "cred.json': field 'service_account_impersonation_url'"
	done
	for url in http://evil.example/token http://10.0.0.1/token http://metadata.google.internal/ ftp://127.0.0.1/ file:///etc/passwd; do
		external '{"url":"'"$url"'"}'
		probe 2 1000 gs://dumps/d/
		says "cred.json': field 'credential_source.url'"
	done
	asked "log == []"
}

@test "bad credential files: which file and which field, never what is in it" {
	local want text
	while IFS='|' read -r want text; do
		printf '%s' "$text" >"$DIR/cred.json"
		probe 2 1000 gs://dumps/d/
		says "cred.json"
		says "$want"
	done <<-END
		'audience' is missing|{"type":"external_account"}
		'credential_source' has none|{"type":"external_account","audience":"a","subject_token_type":"t","token_url":"https://sts.googleapis.com/v1/token"}
		'credential_source' has more than one|$(external '{"file":"f","url":"https://x.example"}' && cat "$DIR/cred.json")
		'credential_source.file' is not a string|$(external '{"file":["canary-1"]}' && cat "$DIR/cred.json")
		'credential_source.environment_id' asks for AWS|$(external '{"environment_id":"aws1"}' && cat "$DIR/cred.json")
		'credential_source.certificate' asks for|$(external '{"certificate":{}}' && cat "$DIR/cred.json")
		'credential_source.format.type' 'xml' is neither|$(external '{"file":"f","format":{"type":"xml"}}' && cat "$DIR/cred.json")
		subject_token_field_name' is missing|$(external '{"file":"f","format":{"type":"json"}}' && cat "$DIR/cred.json")
		'credential_source.headers' has an entry|$(external '{"url":"https://x.example","headers":{"A":"canary-1\r\nB: c"}}' && cat "$DIR/cred.json")
		'credential_source.headers' has an entry|$(external '{"url":"https://x.example","headers":{"A b":"canary-1"}}' && cat "$DIR/cred.json")
		'credential_source.headers' is not an object|$(external '{"url":"https://x.example","headers":"canary-1"}' && cat "$DIR/cred.json")
		token_lifetime_seconds' is not a number from 600 to 43200|$(external '{"file":"f"}' '"service_account_impersonation_url":"'"$ACT_AS"'","service_account_impersonation":{"token_lifetime_seconds":599}' && cat "$DIR/cred.json")
		'client_secret' is missing|$(external '{"file":"f"}' '"client_id":"canary-1"' && cat "$DIR/cred.json")
		'universe_domain' 'evil.example' is not supported|$(external '{"file":"f"}' '"universe_domain":"evil.example"' && cat "$DIR/cred.json")
		'source_credentials' is missing|$(impersonated null && cat "$DIR/cred.json")
		'source_credentials' impersonates once more|$(impersonated '{"type":"impersonated_service_account"}' && cat "$DIR/cred.json")
		cred.json#source_credentials': field 'client_secret' is missing|$(impersonated '{"type":"authorized_user","client_id":"canary-1"}' && cat "$DIR/cred.json")
		'delegates' has an entry|$(impersonated "$(user)" '"delegates":["canary-1/x"]' && cat "$DIR/cred.json")
		'delegates' is not a list|$(impersonated "$(user)" '"delegates":"canary-1"' && cat "$DIR/cred.json")
		'refresh_token' is missing|{"type":"external_account_authorized_user","client_secret":"canary-1"}
		'type' 'gdch_service_account' is not supported|{"type":"gdch_service_account"}
		nested too deep|{"type":$(printf '[%.0s' {1..80})
	END
	head -c 2000000 /dev/zero | tr '\0' ' ' >"$DIR/cred.json"
	probe 2 1000 gs://dumps/d/
	says "File too large"
	asked "log == []"
}

@test "bad subject tokens: a file that is none, too large, too deep, of another shape" {
	external '{"file":"'"$DIR/subject"'"}'
	rm "$DIR/subject"
	probe 9 1000 gs://dumps/d/
	says "subject token '$DIR/subject' (credential_source.file of '$DIR/cred.json'): it cannot be read: No such file"
	mkfifo "$DIR/subject"
	probe 9 1000 gs://dumps/d/
	says "it is not a plain file"
	rm "$DIR/subject"
	head -c 1000000 /dev/zero | tr '\0' x >"$DIR/subject"
	probe 9 1000 gs://dumps/d/
	says "File too large"
	printf ' \n' >"$DIR/subject"
	probe 9 1000 gs://dumps/d/
	says "it is empty"
	printf 'canary-1\0canary-2' >"$DIR/subject"
	probe 9 1000 gs://dumps/d/
	says "its content is not text"
	external '{"file":"'"$DIR/subject"'","format":{"type":"json","subject_token_field_name":"id"}}'
	local text
	for text in canary-1 '{"id":["canary-1"]}' '{"other":"canary-1"}' "{\"id\":$(printf '[%.0s' {1..80})" '[]' ''; do
		printf '%s' "$text" >"$DIR/subject"
		probe 9 1000 gs://dumps/d/
		says "its content has no text 'id'"
	done
	asked "log == []"
}

@test "bad subject tokens: a URL that refuses, redirects, floods" {
	external '{"url":"https://token.ci.example/_apis/token?audience=x&key='"$HEADER"'"}'
	probe 9 1000 gs://dumps/d/
	says "subject token from 'token.ci.example' (credential_source.url of '$DIR/cred.json'): it answered with status 404"
	faults '[{"on":"subject","answer":{"status":302,"headers":{"Location":"'"$URL"'/issuer/text"}}}]'
	external '{"url":"'"$URL"'/issuer/text"}'
	probe 9 1000 gs://dumps/d/
	says "it answered with status 302"
	faults '[{"on":"subject","answer":{"body":"'"$(printf '%0200000d' 1)"'"}}]'
	probe 9 1000 gs://dumps/d/
	says "is larger than 131072 bytes"
	external '{"url":"http://127.0.0.1:1/"}'
	probe 9 1000 gs://dumps/d/
	says "Connection refused"
	asked "not of('sts') and not of('start')"
}

@test "a program that was not allowed does not run" {
	local value
	program "touch $DIR/ran; $(answer)"
	for value in '' 0 true; do
		ENVIRONMENT[2]=GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=$value
		probe 2 1000 gs://dumps/d/
		says "'credential_source.executable.command' wants to run '$DIR/program', which is not allowed"
		says "export GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1"
	done
	[[ ! -e $DIR/ran ]]
	program "touch $DIR/ran"
	sed -i 's/60000/4999/' "$DIR/cred.json"
	probe 2 1000 gs://dumps/d/
	says "timeout_millis' is not a number from 5000 to 120000"
	[[ ! -e $DIR/ran ]]
}

@test "a program that fails, prints something else, or secrets" {
	local want text
	while IFS='|' read -r want text; do
		program "echo canary-stderr >&2; $text"
		probe 9 1000 gs://dumps/d/
		says "$want"
		says "executable of '$DIR/cred.json'"
	done <<-END
		'$DIR/program' ended with status 3|echo canary-1; exit 3
		'$DIR/program' was ended by signal 9|kill -9 \$\$
		writes more than 1048576 bytes|yes canary-1
		its answer is not a JSON object|true
		its answer is not a JSON object|echo canary-1
		its answer is not a JSON object|echo '["canary-1"]'
		no version or no success|echo '{"id_token":"canary-1"}'
		of version 2, which is not known|echo '{"version":2,"success":true,"id_token":"canary-1"}'
		it has no token: 401: log in first|echo '{"version":1,"success":false,"code":"401","message":"log in first"}'
		token_type that is not known|echo '{"version":1,"success":true,"token_type":"x","id_token":"canary-1"}'
		its answer has no id_token|echo '{"version":1,"success":true,"token_type":"$JWT","saml_response":"canary-1"}'
		expired already|$(answer 1000)
		expiration_time that is not a number|echo '{"version":1,"success":true,"token_type":"$JWT","id_token":"canary-1","expiration_time":"x"}'
	END
	rm "$DIR/program"
	probe 9 1000 gs://dumps/d/
	says "cannot run '$DIR/program': No such file"
	asked "log == []"
}

@test "a program that hangs is ended, and all that it has started" {
	MILLIS=5000 program "sleep 4711 & echo \$! >$DIR/left; trap '' TERM; sleep 4712"
	probe 9 1000 gs://dumps/d/
	says "'$DIR/program' did not end within 5.0s"
	wait_for bash -c '! kill -0 "$(<"$DIR/left")" 2>/dev/null'
}

@test "an expired token in the middle: the session needs none, a new session a fresh one" {
	external '{"file":"'"$DIR/subject"'"}' '"service_account_impersonation_url":"'"$ACT_AS"'"'
	# all tokens end while the bytes go out: the upload goes on
	faults '[{"on":"put","revoke":true},{"on":"final","revoke":true}]'
	probe 0 -g 9M 30M gs://dumps/d/
	good 30M
	asked "len(of('sts')) == 1 and not any(e['authorized'] for e in of('put') + of('final'))"
	rm -rf "$HERE"/objects/*
	# the session is lost as well
	control reset -X POST >/dev/null
	faults '[{"on":"put","skip":1,"expire":410,"revoke":true}]'
	probe 0 -g 9M 30M gs://dumps/d/
	good 30M
	says "rewind 0"
	asked "len(of('sts')) == 2 and len(of('generate')) == 2 and [e['status'] for e in of('start')] == [200, 401, 200]"
}

@test "an expired token in the middle: the CI system is asked for its own token again" {
	# each is good for one exchange
	knows '{"providers":{"'"$AUDIENCE"'":{"type":"'"$JWT"'","subject":["'"$SUBJECT"'","'"$SUBJECT"'-2"],"once":true}}}'
	rm -f "$DIR/asked"
	program "$(answer) | if [ -e $DIR/asked ]; then sed s/$SUBJECT/$SUBJECT-2/; else cat; fi; touch $DIR/asked"
	faults '[{"on":"put","skip":1,"expire":410,"revoke":true}]'
	probe 0 -g 9M 30M gs://dumps/d/
	good 30M
	asked "[e['status'] for e in of('sts')] == [200, 200]"
}

@test "tokens are renewed by their age, and once when they are refused" {
	use short
	external '{"file":"'"$DIR/subject"'"}' '"service_account_impersonation_url":"'"$ACT_AS"'"'
	uploads -m
	asked "len(of('sts')) == 2 and len(of('generate')) == 2 and not any(e['status'] == 401 for e in of('small'))"
	use good
	faults '[{"on":"small","status":401}]'
	uploads -m
	asked "len(of('sts')) == 2 and len(of('small')) == 2"
	faults '[{"on":"sts","status":503},{"on":"generate","status":503}]'
	uploads
	asked "len(of('sts')) == 4 and len(of('generate')) == 4"
}
