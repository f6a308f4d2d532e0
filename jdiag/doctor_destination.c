/* Where the artifact would go. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jdiag/doctor.h"
#include "jdiag/gcs/permissions.h"
#include "jdiag/sink/sink.h"
#include "remote/base/str.h"

static const struct gcs_permission create = {"storage.objects.create",
					     "roles/storage.objectCreator", false};
static const struct gcs_permission get = {"storage.objects.get", "roles/storage.objectViewer",
					  false};

/* As far as the size of a dump is known. */
static int check_room(struct doctor *d, uint64_t free_bytes, struct error *err)
{
	d->preflight.sink_free = free_bytes;
	return d->estimated ? preflight_check_topic(&d->preflight, PREFLIGHT_DESTINATION, err) : 0;
}

/* The file is made and removed again: nothing else says for sure that it can be. */
static int local(struct doctor *d, struct doctor_line *l, struct error *err)
{
	auto_free char *name = xasprintf("jdiag-doctor-%d", (int)getpid());
	const struct sink_options o = {.to = d->o->to ? d->o->to : "./", .name = name};
	struct sink *sink;
	uint64_t free_bytes;
	char size[16];

	if (sink_open(&sink, &o, err) < 0)
		return -1;
	free_bytes = sink_free_bytes(sink);
	sink_abort(sink);
	if (check_room(d, free_bytes, err) < 0)
		return -1;
	if (free_bytes == UINT64_MAX)
		doctor_say(l, "'%s' can be written to", o.to);
	else
		doctor_say(l, "'%s' can be written to, %s are free", o.to,
			   str_format_size(size, free_bytes));
	return 0;
}

static int bucket(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const struct gcs_options o = {.token_command = d->o->token_command};
	struct gcs_permission asked[] = {create, get};
	const char *at = d->o->to + strlen("gs://");
	auto_free char *whose = NULL;

	d->bucket = xstrndup(at, strcspn(at, "/"));
	if (gcs_open(&d->gcs, &o, err) < 0 ||
	    gcs_test_permissions(d->gcs, d->bucket, asked, ARRAY_SIZE(asked), err) < 0)
		return -1;
	d->readable = asked[1].granted;
	if (!asked[0].granted)
		return gcs_permission_error(d->gcs, d->bucket, &asked[0], err);
	whose = gcs_credentials_text(d->gcs);
	if (gcs_is_public(d->gcs, d->bucket))
		doctor_warn(l, "choose another bucket, or take allUsers out of its policy",
			    "everybody can read the objects of bucket '%s', and a heap dump holds "
			    "what the program knows",
			    d->bucket);
	else
		doctor_say(l, "objects can be made in 'gs://%s' with the credentials of %s",
			   d->bucket, whose);
	return 0;
}

int doctor_destination(struct doctor *d, struct doctor_line *l, struct error *err)
{
	const char *to = d->o->to;

	if (to && strcmp(to, "-") == 0) {
		doctor_say(l, "standard output");
		return 0;
	}
	return to && str_starts(to, "gs://") ? bucket(d, l, err) : local(d, l, err);
}

int doctor_bucket_read(struct doctor *d, struct doctor_line *l, struct error *err)
{
	if (!d->readable)
		return gcs_permission_error(d->gcs, d->bucket, &get, err);
	doctor_say(l, "'check' and 'top' can read the objects");
	return 0;
}
