# What with-google needs. Source it; bash.
#
#	google_certificates DIR		a CA (ca.pem), another one (other.pem), and server.pem for Google's names
#	google_names DIR SERVER		hosts and trusted.pem for the bucket server that runs in SERVER with --google

google_certificates() {
	(
		cd "$1"
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=rig
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -out other.pem -days 2 -subj /CN=other
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=server
		openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.crt \
			-extfile <(echo "subjectAltName=DNS:*.googleapis.com,DNS:token.ci.example")
		cat server.crt server.key >server.pem
	) 2>"$1/openssl.log" || { cat "$1/openssl.log" && return 1; }
}

google_names() {
	printf '127.0.0.1 localhost\n%s %s\n' "$(<"$2/address")" \
		"sts.googleapis.com iamcredentials.googleapis.com oauth2.googleapis.com token.ci.example" >"$2/hosts"
	cp "$1/ca.pem" "$2/trusted.pem"
}
