/*
 * Exec credential plugins, client.authentication.k8s.io/v1 and v1beta1 (client-go,
 * plugin/pkg/client/auth/exec/exec.go). What a plugin gave is kept in memory until it expires.
 */
#ifndef JDIAG_KUBE_EXEC_PLUGIN_H
#define JDIAG_KUBE_EXEC_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jdiag/secret.h"
#include "remote/base/error.h"

struct json_t;
struct kube_config;
struct exec_plugin;

/* What a plugin answered. */
struct exec_credential {
	struct secret token;
	struct secret cert_pem, key_pem; /* both or neither */
	int64_t expires;		 /* Unix time; 0: when the server refuses it */
};

void exec_credential_release(struct exec_credential *c);

/* Take the plugin's output apart; api_version is what was asked for. Errors (ERR_API) say what is
 * wrong with it without quoting it. ret starts zeroed. */
int exec_credential_parse(const char *text, size_t len, const char *api_version,
			  struct exec_credential *ret, struct error *err) must_check;

/* Check the exec entry of c->exec; nothing runs yet. no_input: the plugin may not ask. NULL with
 * ERR_USAGE. c outlives it. */
struct exec_plugin *exec_plugin_new(const struct kube_config *c, bool no_input,
				    struct error *err) must_check;
void exec_plugin_free(struct exec_plugin *p);

/* The credential: the kept one unless it has expired or `again` (the server refused it), else of a
 * new run. *ret is borrowed until the next call. ERR_API. */
int exec_plugin_get(struct exec_plugin *p, bool again, const struct exec_credential **ret,
		    struct error *err) must_check;

/* The command, for messages. */
const char *exec_plugin_command(const struct exec_plugin *p);

#endif
