/* Whether a pod, and which of its containers, can be worked on. */
#include <string.h>
#include <strings.h>

#include "jdiag/kube/pod.h"
#include "remote/base/buf.h"

/* Runtimes whose containers are virtual machines or user-space kernels: their processes are not
 * processes of the node. */
static const char *sandbox(const char *runtime_class)
{
	static const struct {
		const char *part, *name;
	} known[] = {{"gvisor", "gVisor"}, {"runsc", "gVisor"}, {"kata", "Kata Containers"}};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcasestr(runtime_class, known[i].part))
			return known[i].name;
	return NULL;
}

/* "app (waiting: CrashLoopBackOff), proxy (running)" */
static void list_states(const struct pod *p, struct buf *out)
{
	for (unsigned int i = 0; i < p->n_containers; i++)
		buf_addf(out, "%s%s (%s)", i ? ", " : "", p->containers[i].name,
			 p->containers[i].state);
}

/* A pod is Pending as long as its init containers are at work. */
static bool any_init_runs(const struct pod *p)
{
	for (unsigned int i = 0; i < p->n_containers; i++)
		if (p->containers[i].init && p->containers[i].running)
			return true;
	return false;
}

static int check_phase(const struct pod *p, struct error *err)
{
	auto_buf struct buf states = BUF_INIT(900);
	const char *why = *p->reason ? p->reason : NULL;

	if (strcmp(p->phase, "Running") == 0 ||
	    (strcmp(p->phase, "Pending") == 0 && any_init_runs(p)))
		return 0;
	list_states(p, &states);
	if (strcmp(p->phase, "Succeeded") == 0 || strcmp(p->phase, "Failed") == 0) {
		error_set(err, ERR_TARGET, "pod '%s' has ended: it is %s%s%s%s", p->name, p->phase,
			  why ? " (" : "", why ? why : "", why ? ")" : "");
		return error_hint(err, "its processes are gone: choose a pod that is Running");
	}
	error_set(err, ERR_TARGET, "pod '%s' does not run yet: it is %s%s", p->name,
		  *p->phase ? p->phase : "without a phase", *p->node ? "" : ", and has no node");
	return error_hint(err, "containers: %s\nsee why: kubectl describe pod %s -n %s",
			  buf_str(&states), p->name, p->ns);
}

int pod_check_reachable(const struct pod *p, struct error *err)
{
	const char *kind = sandbox(p->runtime_class);

	if (p->deleting)
		return error_set(err, ERR_TARGET, "pod '%s' is being deleted", p->name);
	if (check_phase(p, err) != 0)
		return -1;
	if (!*p->node)
		return error_set(err, ERR_TARGET, "pod '%s' has no node", p->name);
	if (strcasecmp(p->os, "windows") == 0)
		return error_set(err, ERR_TARGET, "pod '%s' runs on Windows, where jdiag cannot go",
				 p->name);
	if (!kind)
		return 0;
	error_set(err, ERR_TARGET, "pod '%s' runs under %s (runtimeClassName '%s')", p->name, kind,
		  p->runtime_class);
	return error_hint(err, "its JVM is no process of the node, so it cannot be attached to "
			       "from there");
}

static const struct pod_container *find(const struct pod *p, const char *name)
{
	for (unsigned int i = 0; i < p->n_containers; i++)
		if (strcmp(p->containers[i].name, name) == 0)
			return &p->containers[i];
	return NULL;
}

static const struct pod_container *pick_named(const struct pod *p, const char *name,
					      struct error *err)
{
	const struct pod_container *c = find(p, name);
	auto_buf struct buf states = BUF_INIT(900);

	list_states(p, &states);
	if (!c) {
		error_set(err, ERR_TARGET, "pod '%s' has no container '%s'", p->name, name);
		error_hint(err, "containers: %s", buf_str(&states));
	} else if (!c->running) {
		error_set(err, ERR_TARGET, "container '%s' of pod '%s' does not run: %s", name,
			  p->name, c->state);
		error_hint(err, "containers: %s", buf_str(&states));
		c = NULL;
	}
	return c;
}

const struct pod_container *pod_pick_container(const struct pod *p, const char *name,
					       struct error *err)
{
	const struct pod_container *only = NULL;
	auto_buf struct buf states = BUF_INIT(900);
	unsigned int running = 0;

	if (name && *name)
		return pick_named(p, name, err);
	for (unsigned int i = 0; i < p->n_containers; i++) {
		if (p->containers[i].running) {
			only = &p->containers[i];
			running++;
		}
	}
	if (running == 1)
		return only;
	list_states(p, &states);
	if (running) {
		error_set(err, ERR_TARGET, "pod '%s' has %u containers that run", p->name, running);
		error_hint(err, "choose one with -c: %s", buf_str(&states));
	} else {
		error_set(err, ERR_TARGET, "no container of pod '%s' runs", p->name);
		error_hint(err, "containers: %s", buf_str(&states));
	}
	return NULL;
}

static int changed(const struct pod *p, const char *what, struct error *err)
{
	error_set(err, ERR_TARGET, "pod '%s' has changed meanwhile: %s", p->name, what);
	return error_hint(err, "nothing was done to it: look at it again, then start over");
}

int pod_check_unchanged(const struct pod *before, const struct pod *now, const char *container,
			struct error *err)
{
	const struct pod_container *a = find(before, container), *b = find(now, container);

	if (strcmp(before->uid, now->uid) != 0)
		return changed(now, "it is another pod of the same name", err);
	if (now->deleting && !before->deleting)
		return changed(now, "it is being deleted", err);
	if (strcmp(before->node, now->node) != 0 || strcmp(before->host_ip, now->host_ip) != 0)
		return changed(now, "it is on another node", err);
	if (!a || !b || !b->running)
		return changed(now, "its container does not run any more", err);
	if (strcmp(a->id, b->id) != 0 || a->restarts != b->restarts)
		return changed(now, "its container has restarted", err);
	return 0;
}
