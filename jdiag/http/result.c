/* What a finished transfer means: the response, or an error in words a person can use. */
#include <curl/curl.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "jdiag/http/internal.h"
#include "remote/base/io.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

/* A CA of the same name but another key (clusters made twice: kubeadm's are all "kubernetes"): the
 * signature check leaves OpenSSL 3.0's own errors in front, which curl 7.88 does not know as a
 * verification failure. */
static bool is_signature_failure(const struct transfer *t)
{
	return strstr(t->curl_text, "asn1 encoding routines") ||
	       strstr(t->curl_text, "rsa routines") || strstr(t->curl_text, "Provider routines");
}

/* Of the server: an expired one of ours is refused by the server, in an alert. */
static bool is_out_of_date(const struct transfer *t)
{
	return strstr(t->curl_text, "certificate has expired") ||
	       strstr(t->curl_text, "certificate is not yet valid");
}

static int sys_of(CURLcode code, const struct transfer *t)
{
	long os = 0;

	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os);
		return os ? (int)os : ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return ETIMEDOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
		return is_out_of_date(t) ? EKEYEXPIRED : EKEYREJECTED;
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return EINVAL;
	case CURLE_RECV_ERROR:
		/* the proxy answered, and said no */
		return strstr(t->curl_text, "CONNECT tunnel failed") ? EPROTO : ECONNRESET;
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_SEND_FAIL_REWIND:
		return ECONNRESET;
	case CURLE_SSL_CONNECT_ERROR:
		return is_signature_failure(t) ? EKEYREJECTED : EPROTO;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return EPROTO;
	case CURLE_WRITE_ERROR:
		return t->too_large ? EFBIG : EIO;
	default:
		return EIO;
	}
}

/* "Could", not "SSL" or "OpenSSL/3.0". */
static bool is_plain_word(const char *s)
{
	size_t n = strcspn(s, " ");

	for (size_t i = 0; i < n; i++)
		if (!isalpha((unsigned char)s[i]) || !isupper((unsigned char)s[i]) != (i > 0))
			return false;
	return n > 0;
}

/* curl's own words, as the middle of a sentence. */
static void curl_words(const struct transfer *t, char *dst, size_t size)
{
	const char *s = *t->curl_text ? t->curl_text : curl_easy_strerror((CURLcode)t->result);

	if (strstr(s, "HTTP/0.9")) /* what is no HTTP at all looks like that to curl */
		s = "it does not speak HTTP";
	str_escape(dst, size, s, strlen(s), "");
	if (is_plain_word(dst))
		dst[0] = (char)tolower((unsigned char)dst[0]);
	for (size_t n = strlen(dst); n && (dst[n - 1] == '.' || dst[n - 1] == ' '); n--)
		dst[n - 1] = '\0';
}

static int explain(struct transfer *t, struct error *err)
{
	enum err_code code = t->client->code;
	int sys = sys_of((CURLcode)t->result, t);
	char words[300], took[16];

	curl_words(t, words, sizeof(words));
	switch (sys) {
	case ETIMEDOUT:
		error_set(err, code, "no answer from '%s' after %s", t->shown,
			  str_format_ms(took, now_ms() - t->started));
		break;
	case EFBIG:
		error_set(err, code, "answer of '%s' is larger than %zu bytes", t->shown,
			  t->response.headers.overflow ? t->response.headers.max
						       : t->response.body.max);
		break;
	case EKEYREJECTED:
	case EKEYEXPIRED:
		error_set(err, code, "certificate of '%s' is not trusted: %s", t->shown,
			  is_signature_failure(t) ? "another CA of the same name signed it"
						  : words);
		break;
	case EINVAL:
		error_set(err, code, "certificates for '%s' cannot be used: %s", t->shown, words);
		break;
	case ECONNRESET:
		error_set(err, code, "connection to '%s' broke: %s", t->shown, words);
		break;
	case EPROTO:
		error_set(err, code, "cannot talk to '%s': %s", t->shown, words);
		break;
	default:
		if (t->result == CURLE_COULDNT_CONNECT)
			error_set(err, code, "cannot reach '%s': %s", t->shown, strerror(sys));
		else
			error_set(err, code, "cannot reach '%s': %s", t->shown, words);
	}
	if (err)
		err->sys = sys;
	return -1;
}

int transfer_result(struct transfer *t, struct http_response *ret, struct error *err)
{
	uint64_t took = now_ms() - t->started;

	if (t->result != CURLE_OK) {
		log_at(LOG_DEBUG, "%s %s: failed in %llu ms", t->method, t->shown,
		       (unsigned long long)took);
		return explain(t, err);
	}
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->response.status);
	log_at(LOG_DEBUG, "%s %s: %ld in %llu ms", t->method, t->shown, t->response.status,
	       (unsigned long long)took);
	*ret = t->response;
	t->response = (struct http_response){0};
	return 0;
}
