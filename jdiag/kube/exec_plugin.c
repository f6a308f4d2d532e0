#include "jdiag/kube/exec_plugin.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "jdiag/crypto/crypto.h"
#include "jdiag/json.h"
#include "jdiag/kube/read_file.h"
#include "jdiag/kube/resolve.h"
#include "jdiag/process.h"
#include "remote/base/limits.h"
#include "remote/base/log.h"
#include "remote/base/str.h"

#define MAX_PLUGIN_ARGS 256
#define PLUGIN_TIMEOUT_MS (5 * 60 * 1000ul) /* people log in with a browser */

extern char **environ;

struct exec_plugin {
	const struct kube_config *config;
	const char *api_version; /* borrowed from config, as is install_hint */
	const char *install_hint;
	char *command;
	char **argv, **envp; /* owned, NULL-terminated */
	bool interactive;
	struct exec_credential kept;
	bool has_kept;
};

static int bad(const struct kube_config *c, struct error *err, const char *why)
{
	return error_set(err, ERR_USAGE, "user '%s': its exec entry %s", c->user, why);
}

static const char *api_version(const struct kube_config *c, struct error *err)
{
	static const char *const known[] = {"client.authentication.k8s.io/v1",
					    "client.authentication.k8s.io/v1beta1"};
	const char *v = json_str_at(c->exec, "apiVersion", "");

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(v, known[i]) == 0)
			return known[i];
	error_set(err, ERR_USAGE,
		  "user '%s': its exec entry has apiVersion '%s', which is not known", c->user, v);
	error_hint(err, "it is %s or %s: update the plugin and get a new kubeconfig", known[0],
		   known[1]);
	return NULL;
}

/* May it use our terminal? v1 has to say, v1beta1 may. */
static int set_interactive(struct exec_plugin *p, bool no_input, struct error *err)
{
	const char *mode = json_str_at(p->config->exec, "interactiveMode", NULL);
	bool can = !no_input && isatty(STDIN_FILENO);

	if (!mode && str_ends(p->api_version, "/v1"))
		return bad(p->config, err, "has no interactiveMode");
	if (!mode || strcmp(mode, "IfAvailable") == 0)
		p->interactive = can;
	else if (strcmp(mode, "Always") == 0)
		p->interactive = true;
	else if (strcmp(mode, "Never") != 0)
		return bad(p->config, err, "has an interactiveMode that is not known");
	if (p->interactive && !can)
		return bad(p->config, err, "needs a terminal to ask on (interactiveMode Always)");
	return 0;
}

/* As client-go: with a '/', relative to the kubeconfig; else looked up in PATH. */
static int set_argv(struct exec_plugin *p, struct error *err)
{
	const struct kube_config *c = p->config;
	const char *command = json_str_at(c->exec, "command", "");
	const json_t *args = json_object_get(c->exec, "args");
	size_t i, n = json_array_size(args);
	json_t *arg;

	if (!*command)
		return bad(c, err, "has no command");
	if ((args && !json_is_array(args) && !json_is_null(args)) || n > MAX_PLUGIN_ARGS)
		return bad(c, err, "has args that are not a list of texts");
	p->command = strchr(command, '/') ? path_from(c->exec_dir, command) : xstrdup(command);
	p->argv = xcalloc(n + 2, sizeof(*p->argv));
	p->argv[0] = xstrdup(p->command);
	json_array_foreach (args, i, arg) {
		if (!json_is_string(arg))
			return bad(c, err, "has args that are not a list of texts");
		p->argv[i + 1] = xstrdup(json_string_value(arg));
	}
	return 0;
}

static void set_member(json_t *o, const char *name, const char *value)
{
	if (value)
		json_object_set_new(o, name, json_string(value));
}

/* spec.cluster, for plugins that ask for it (provideClusterInfo). */
static json_t *cluster_info(const struct kube_config *c)
{
	json_t *o = json_object();
	auto_buf struct buf ca = BUF_INIT(2 * MAX_CREDENTIAL_FILE);

	set_member(o, "server", c->server);
	set_member(o, "tls-server-name", c->server_name);
	set_member(o, "proxy-url", c->proxy);
	if (c->insecure)
		json_object_set_new(o, "insecure-skip-tls-verify", json_true());
	if (c->ca_pem) {
		base64_encode(&ca, c->ca_pem, strlen(c->ca_pem), false);
		set_member(o, "certificate-authority-data", buf_str(&ca));
	}
	if (c->exec_extension)
		json_object_set(o, "config", c->exec_extension);
	return o;
}

/* KUBERNETES_EXEC_INFO, by which the plugin knows what is wanted. */
static char *exec_info(const struct exec_plugin *p)
{
	const struct kube_config *c = p->config;
	auto_json json_t *root =
		json_pack("{s:s, s:s, s:{s:b}}", "kind", "ExecCredential", "apiVersion",
			  p->api_version, "spec", "interactive", p->interactive);
	auto_free char *line = NULL;

	if (json_bool_at(c->exec, "provideClusterInfo", false))
		json_object_set_new(json_object_get(root, "spec"), "cluster", cluster_info(c));
	line = json_to_line(root);
	return xasprintf("KUBERNETES_EXEC_INFO=%s", line);
}

static void env_set(char **env, size_t *n, char *assignment)
{
	size_t name = strcspn(assignment, "=") + 1;

	for (size_t i = 0; i < *n; i++) {
		if (strncmp(env[i], assignment, name) == 0) {
			free(env[i]);
			env[i] = assignment;
			return;
		}
	}
	env[(*n)++] = assignment;
}

/* Ours, then the entry's env, then what the protocol asks for. */
static int set_env(struct exec_plugin *p, struct error *err)
{
	const json_t *list = json_object_get(p->config->exec, "env");
	size_t i, n = 0, own = 0;
	json_t *item;

	if (json_array_size(list) > MAX_PLUGIN_ARGS)
		return bad(p->config, err, "has too many env entries");
	while (environ[own])
		own++;
	p->envp = xcalloc(own + json_array_size(list) + 2, sizeof(*p->envp));
	for (i = 0; i < own; i++)
		p->envp[n++] = xstrdup(environ[i]);
	json_array_foreach (list, i, item) {
		const char *name = json_str_at(item, "name", "");
		const char *value = json_str_at(item, "value", "");

		if (!*name || strchr(name, '='))
			return bad(p->config, err, "has an env entry without a usable name");
		env_set(p->envp, &n, xasprintf("%s=%s", name, value));
	}
	env_set(p->envp, &n, exec_info(p));
	return 0;
}

struct exec_plugin *exec_plugin_new(const struct kube_config *c, bool no_input, struct error *err)
{
	struct exec_plugin *p = xcalloc(1, sizeof(*p));

	p->config = c;
	p->install_hint = json_str_at(c->exec, "installHint", "");
	p->api_version = api_version(c, err);
	if (p->api_version && set_interactive(p, no_input, err) == 0 && set_argv(p, err) == 0 &&
	    set_env(p, err) == 0)
		return p;
	exec_plugin_free(p);
	return NULL;
}

static void free_list(char **list)
{
	for (char **s = list; s && *s; s++)
		free(*s);
	free(list);
}

void exec_plugin_free(struct exec_plugin *p)
{
	if (!p)
		return;
	exec_credential_release(&p->kept);
	free(p->command);
	free_list(p->argv);
	free_list(p->envp);
	free(p);
}

const char *exec_plugin_command(const struct exec_plugin *p)
{
	return p->command;
}

/* Does the name of an argument say that its value is secret? */
static bool names_secret(const char *arg, size_t len)
{
	static const char *const words[] = {"secret", "token", "pass", "key", "cred"};

	for (size_t w = 0; w < ARRAY_SIZE(words); w++) {
		size_t n = strlen(words[w]);

		for (size_t i = 0; i + n <= len; i++)
			if (strncasecmp(arg + i, words[w], n) == 0)
				return true;
	}
	return false;
}

/* The command as a person can type it again, without what looks secret. */
static void command_line(const struct exec_plugin *p, struct buf *out)
{
	bool hide_next = false;

	for (char **a = p->argv; *a; a++) {
		size_t name = strcspn(*a, "=");
		bool is_name = (*a)[0] == '-' && names_secret(*a, name);

		if (a != p->argv)
			buf_adds(out, " ");
		if (hide_next)
			buf_adds(out, "...");
		else if (is_name && (*a)[name])
			buf_addf(out, "%.*s=...", (int)name, *a);
		else
			buf_adds(out, *a);
		hide_next = !hide_next && is_name && !(*a)[name];
	}
}

static int explain(const struct exec_plugin *p, struct error *err)
{
	auto_buf struct buf line = BUF_INIT(400);
	bool missing = err && err->sys == ENOENT;

	if (!err || err->code == ERR_INTERRUPTED)
		return -1;
	error_prefix(err, "credential plugin '%s' of user '%s'", p->command, p->config->user);
	command_line(p, &line);
	if (missing && *p->install_hint)
		return error_hint(err, "the kubeconfig says how to install it:\n%s",
				  p->install_hint);
	if (missing)
		return error_hint(err, "install '%s', or put its directory into PATH", p->command);
	return error_hint(err, "see what this says: %s", buf_str(&line));
}

static int run(struct exec_plugin *p, struct error *err)
{
	auto_free char *what = xasprintf("'%s'", p->command);
	const struct process_run r = {.what = what,
				      .program = p->command,
				      .argv = p->argv,
				      .envp = p->envp,
				      .interactive = p->interactive,
				      .timeout_ms = PLUGIN_TIMEOUT_MS,
				      .code = ERR_API};
	struct buf out = BUF_INIT(MAX_PLUGIN_OUTPUT);
	struct exec_credential fresh = {0};
	int rc;

	log_at(LOG_STEP, "running credential plugin '%s'", p->command);
	rc = process_run(&r, &out, err);
	if (rc == 0)
		rc = exec_credential_parse(buf_str(&out), out.len, p->api_version, &fresh, err);
	secret_wipe(out.data, out.cap);
	buf_release(&out);
	if (rc != 0) {
		exec_credential_release(&fresh);
		return explain(p, err);
	}
	exec_credential_release(&p->kept);
	p->kept = fresh;
	p->has_kept = true;
	return 0;
}

int exec_plugin_get(struct exec_plugin *p, bool again, const struct exec_credential **ret,
		    struct error *err)
{
	bool expired = p->kept.expires && p->kept.expires <= (int64_t)time(NULL);

	if ((!p->has_kept || expired || again) && run(p, err) != 0)
		return -1;
	*ret = &p->kept;
	return 0;
}
