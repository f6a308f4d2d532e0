/* docker: config.v2.json of each container in the data root (moby, daemon/container). */
#include <stdio.h>
#include <string.h>

#include "remote/base/limits.h"
#include "remote/runtime/inside.h"

bool runtime_parse_docker(const struct jsonr *doc, const char *id, struct runtime_names *ret)
{
	struct jsonr config, labels;
	struct error ignored;
	char text[256];

	runtime_text(doc, "ID", text, sizeof(text));
	if (strcmp(text, id) != 0)
		return false;
	snprintf(ret->runtime, sizeof(ret->runtime), "docker");
	runtime_text(doc, "Name", text, sizeof(text));
	snprintf(ret->name, sizeof(ret->name), "%s", text + (text[0] == '/'));
	if (jsonr_object(doc, "Config", &config, &ignored) < 0 ||
	    jsonr_object(&config, "Labels", &labels, &ignored) < 0)
		return true;
	/* of a kubelet's (dockershim, cri-dockerd): k8s_CONTAINER_POD_NS_UID_N says less well */
	runtime_text(&labels, "io.kubernetes.pod.name", ret->pod, sizeof(ret->pod));
	runtime_text(&labels, "io.kubernetes.pod.namespace", ret->ns, sizeof(ret->ns));
	runtime_text(&labels, "io.kubernetes.container.name", text, sizeof(text));
	if (*text)
		memcpy(ret->name, text, sizeof(text));
	return true;
}

bool runtime_docker(const struct runtime_look *l, const char *root, struct runtime_names *ret)
{
	auto_buf struct buf b = BUF_INIT(MAX_RUNTIME_FILE);
	char rest[CONTAINER_ID_SIZE + 32];
	struct jsonr doc;

	snprintf(rest, sizeof(rest), "containers/%s/config.v2.json", l->id);
	return runtime_read(l, root, rest, &b, &doc) && runtime_parse_docker(&doc, l->id, ret);
}
