#include "jdiag/encoders.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_THREADS 8

/* A block's way: filled by the caller, encoded by a thread, taken by the caller. */
struct slot {
	unsigned char *in, *out; /* owned */
	struct codec_sizes sizes;
	bool encoded;
};

/* Numbers of blocks only grow; block n lies in slot n modulo n_slots. */
struct encoders {
	enum codec codec;
	pthread_t threads[MAX_THREADS];
	size_t n_threads, n_slots;
	struct slot slots[2 * MAX_THREADS];
	pthread_mutex_t lock; /* over all that follows, and encoded */
	pthread_cond_t given, encoded;
	size_t n_given, n_claimed, n_taken;
	bool end;
};

static struct slot *slot(struct encoders *e, size_t n)
{
	return &e->slots[n % e->n_slots];
}

/* The number of a block to encode; false at the end. */
static bool claim(struct encoders *e, size_t *ret)
{
	bool any;

	pthread_mutex_lock(&e->lock);
	while (e->n_claimed == e->n_given && !e->end)
		pthread_cond_wait(&e->given, &e->lock);
	any = e->n_claimed < e->n_given;
	if (any)
		*ret = e->n_claimed++;
	pthread_mutex_unlock(&e->lock);
	return any;
}

static void *work(void *arg)
{
	struct encoders *e = arg;
	struct codec_encoder *encoder = codec_encoder_new(e->codec);
	size_t n;

	while (claim(e, &n)) {
		struct slot *s = slot(e, n);

		s->sizes.stored =
			(uint32_t)codec_encode(encoder, n == 0, s->in, s->sizes.raw, s->out);
		pthread_mutex_lock(&e->lock);
		s->encoded = true;
		pthread_cond_signal(&e->encoded);
		pthread_mutex_unlock(&e->lock);
	}
	codec_encoder_free(encoder);
	return NULL;
}

/* The signals are the main thread's. */
static void start_threads(struct encoders *e, size_t most)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (e->n_threads < most && pthread_create(&e->threads[e->n_threads], NULL, work, e) == 0)
		e->n_threads++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!e->n_threads)
		die_oom();
}

struct encoders *encoders_new(enum codec c)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t most = cpus < 1 ? 1 : cpus > MAX_THREADS ? MAX_THREADS : (size_t)cpus;
	struct encoders *e = xcalloc(1, sizeof(*e));

	e->codec = c;
	e->n_slots = 2 * most;
	for (size_t i = 0; i < e->n_slots; i++) {
		e->slots[i].in = xmalloc(CODEC_BLOCK);
		e->slots[i].out = xmalloc(codec_bound(c));
	}
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->given, NULL);
	pthread_cond_init(&e->encoded, NULL);
	start_threads(e, most);
	return e;
}

void encoders_free(struct encoders *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	e->end = true;
	pthread_cond_broadcast(&e->given);
	pthread_mutex_unlock(&e->lock);
	for (size_t i = 0; i < e->n_threads; i++)
		pthread_join(e->threads[i], NULL);
	pthread_cond_destroy(&e->encoded);
	pthread_cond_destroy(&e->given);
	pthread_mutex_destroy(&e->lock);
	for (size_t i = 0; i < e->n_slots; i++) {
		free(e->slots[i].in);
		free(e->slots[i].out);
	}
	free(e);
}

unsigned char *encoders_room(struct encoders *e)
{
	return e->n_given - e->n_taken < e->n_slots ? slot(e, e->n_given)->in : NULL;
}

void encoders_give(struct encoders *e, size_t len)
{
	struct slot *s = slot(e, e->n_given);

	s->sizes.raw = (uint32_t)len;
	s->encoded = false;
	pthread_mutex_lock(&e->lock);
	e->n_given++;
	pthread_cond_signal(&e->given);
	pthread_mutex_unlock(&e->lock);
}

bool encoders_take(struct encoders *e, struct encoded *ret)
{
	struct slot *s = slot(e, e->n_taken);

	if (e->n_taken == e->n_given)
		return false;
	pthread_mutex_lock(&e->lock);
	while (!s->encoded)
		pthread_cond_wait(&e->encoded, &e->lock);
	pthread_mutex_unlock(&e->lock);
	*ret = (struct encoded){.data = s->out, .sizes = s->sizes};
	return true;
}

void encoders_done(struct encoders *e)
{
	e->n_taken++;
}
