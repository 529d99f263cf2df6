/*
 * session.c
 *	  Sequences that grow by tokens, over the caches of one model.
 *
 * A sequence remembers the ids that it was given.  One that is closed to be kept stays, and one that
 * is opened takes over what has the longest beginning in common with it: wholly where it goes on at
 * the end (the next turn of a chat), else a copy up to where they part, which shares its pages.
 *
 * A step is cut into passes of so many tokens, so that the memory of a long prompt is bounded.  What
 * a token gives does not depend on the cut.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "runtime/loaded.h"
#include "tensor/kernels.h"

#define PASS_TOKENS 512	  /* of a pass, at most */
#define KEPT_SEQUENCES 64 /* at most */
#define SHORTEST_REUSE 4  /* fewer tokens in common are not worth a copy */

typedef enum sequence_state
{
	SEQUENCE_FREE,
	SEQUENCE_OPEN,
	SEQUENCE_KEPT
} sequence_state;

typedef struct sequence
{
	sequence_state state;
	bool broken;	/* a pass over it has failed: what the cache has is not what ids say */
	int32_t cached; /* its number in the cache */
	int32_t memory; /* and in that of what an encoder's decoder looks back at; -1: none */
	int32_t *ids;	/* [length] malloc'ed */
	int64_t length, capacity;
	uint64_t used; /* when it was closed */
} sequence;

struct run_session
{
	const run_model *model;
	run_session_options options;
	tfm_dtype cache_dtype;
	kv_layer *layers;
	int layer_count;
	kv_cache *cache;
	bool keeps_states;	 /* what sequences have in common is theirs from where they are, only */
	kv_cache *memory;	 /* of an encoder-decoder, else NULL */
	sequence *sequences; /* [count] malloc'ed */
	int32_t count;
	uint64_t clock;
};

/* ---- Sequences ---- */

static sequence *
find_sequence(run_session *session, int32_t number)
{
	if (number < 0 || number >= session->count || session->sequences[number].state != SEQUENCE_OPEN)
		return NULL;
	return &session->sequences[number];
}

static bool
fail_no_sequence(tfm_context *context, int32_t number)
{
	return tfm_fail(context, TFM_INTERNAL, "there is no open sequence %d", number);
}

static void
free_sequence(run_session *session, sequence *s)
{
	if (s->state == SEQUENCE_FREE)
		return;
	kv_close(session->cache, s->cached);
	if (s->memory >= 0)
		kv_close(session->memory, s->memory);
	free(s->ids);
	*s = (sequence) {.state = SEQUENCE_FREE};
}

/* Give up the sequence that was kept longest ago; false if there is none. */
static bool
forget_oldest(run_session *session)
{
	sequence *oldest = NULL;

	for (int32_t i = 0; i < session->count; i++)
	{
		sequence *s = &session->sequences[i];

		if (s->state == SEQUENCE_KEPT && (oldest == NULL || s->used < oldest->used))
			oldest = s;
	}
	if (oldest != NULL)
		free_sequence(session, oldest);
	return oldest != NULL;
}

static int32_t
count_state(const run_session *session, sequence_state state)
{
	int32_t count = 0;

	for (int32_t i = 0; i < session->count; i++)
		count += session->sequences[i].state == state;
	return count;
}

/* A number that no sequence has; -1 with an error if memory is out. */
static int32_t
take_number(tfm_context *context, run_session *session)
{
	int32_t more;
	sequence *grown;

	for (int32_t i = 0; i < session->count; i++)
		if (session->sequences[i].state == SEQUENCE_FREE)
			return i;
	more = session->count == 0 ? 8 : session->count * 2;
	grown = realloc(session->sequences, (size_t) more * sizeof(sequence));
	if (grown == NULL)
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return -1;
	}
	memset(grown + session->count, 0, (size_t) (more - session->count) * sizeof(sequence));
	session->sequences = grown;
	session->count = more;
	return more / 2 < 8 ? 0 : more / 2;
}

/* Room for more ids. */
static bool
reserve_ids(tfm_context *context, sequence *s, int64_t more)
{
	int64_t capacity = s->capacity == 0 ? 64 : s->capacity;
	int32_t *grown;

	if (more <= s->capacity - s->length)
		return true;
	while (capacity < s->length + more)
		capacity *= 2;
	grown = realloc(s->ids, (size_t) capacity * sizeof(int32_t));
	if (grown == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	s->ids = grown;
	s->capacity = capacity;
	return true;
}

static int32_t
open_empty(tfm_context *context, run_session *session)
{
	int32_t number = take_number(context, session);
	int32_t cached = number < 0 ? -1 : kv_open(context, session->cache);

	if (cached < 0)
		return -1;
	session->sequences[number] =
		(sequence) {.state = SEQUENCE_OPEN, .cached = cached, .memory = -1};
	return number;
}

/* What a copy of a sequence has beside its number in the cache. */
static bool
copy_parts(tfm_context *context, run_session *session, const sequence *from, sequence *to)
{
	if (!reserve_ids(context, to, from->length))
		return false;
	to->length = from->length;
	if (to->length > 0)
		memcpy(to->ids, from->ids, (size_t) to->length * sizeof(int32_t));
	to->broken = from->broken;
	if (from->memory >= 0)
		to->memory = kv_fork(context, session->memory, from->memory);
	return !tfm_failed(context);
}

/* A copy of a sequence, as open. */
static int32_t
copy_sequence(tfm_context *context, run_session *session, int32_t from)
{
	int32_t number = take_number(context, session);
	int32_t cached;
	sequence *s;

	if (number < 0)
		return -1;
	cached = kv_fork(context, session->cache, session->sequences[from].cached);
	if (cached < 0)
		return -1;
	s = &session->sequences[number];
	*s = (sequence) {.state = SEQUENCE_OPEN, .cached = cached, .memory = -1};
	if (!copy_parts(context, session, &session->sequences[from], s))
	{
		free_sequence(session, s);
		return -1;
	}
	return number;
}

/* ---- The session ---- */

static void
release_session(void *argument)
{
	run_session *session = argument;

	/* the cache's own cleanup gives its pages back */
	for (int32_t i = 0; i < session->count; i++)
		free(session->sequences[i].ids);
	free(session->sequences);
	session->sequences = NULL;
	session->count = 0;
}

static bool
check_generates(tfm_context *context, const run_model *model)
{
	if (!run_check_weights(context, model))
		return false;
	if (model->head_error != NULL)
		return tfm_fail(context, TFM_CORRUPTED, "%s", model->head_error);
	if (model->class.family->cache_layers != NULL &&
		strcmp(model->class.head->task,
			   run_has_encoder(model) ? "text2text-generation" : "text-generation") == 0)
		return model->class.family->cache_layers(model->config, NULL) >= 0 ||
			   tfm_fail(
				   context, TFM_UNSUPPORTED,
				   "the model does not generate text: \"is_decoder\" of its config.json is false");
	tfm_fail(context, TFM_UNSUPPORTED, "a model of architecture \"%s\" does not generate text",
			 model->info.architecture);
	if (strcmp(model->class.head->task, "text-generation") == 0)
		return tfm_hint(context, "Of its family there is the forward pass alone, as yet.");
	return tfm_hint(context, "Its task is \"%s\".", model->class.head->task);
}

/*
 * What the cache keeps: exact where the arithmetic is; in bf16 where attention rounds to that anyway.
 */
static tfm_dtype
choose_cache_dtype(const tfm_context *context, const run_model *model, tfm_dtype asked)
{
	if (asked != 0)
		return asked;
	if (run_choose_compute(context, model->precision) == COMPUTE_F32)
		return DTYPE_F32;
	return cpu_has_bf16(context) ? DTYPE_BF16 : DTYPE_F16;
}

/* A cache of the layers that count says. */
static kv_cache *
create_cache(tfm_context *context, run_session *session, int (*layers_of)(const void *, kv_layer *))
{
	const void *config = session->model->config;
	int count = layers_of(config, NULL);
	kv_layer *layers = tfm_alloc_array(context, (size_t) count, sizeof(kv_layer));

	if (layers == NULL)
		return NULL;
	layers_of(config, layers);
	session->layers = layers;
	session->layer_count = count;
	return kv_create(context, count, layers, session->cache_dtype, session->options.cache_limit);
}

run_session *
run_session_create(tfm_context *context, const run_model *model, const run_session_options *options)
{
	const nn_family *family = model->class.family;
	run_session *session;

	if (!check_generates(context, model))
		return NULL;
	session = tfm_alloc_zero(context, sizeof(run_session));
	if (session == NULL)
		return NULL;
	session->model = model;
	session->options = *options;
	session->cache_dtype = choose_cache_dtype(context, model, options->cache_dtype);
	if (run_has_encoder(model))
		session->memory = create_cache(context, session, family->memory_layers);
	if (!tfm_failed(context))
		session->cache = create_cache(context, session, family->cache_layers);
	if (tfm_failed(context))
		return NULL;
	session->keeps_states = kv_has_states(session->cache);
	if (!arena_on_release(context->arena, release_session, session))
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	return session;
}

void
run_session_set_limits(run_session *session, size_t cache_limit, size_t keep_limit)
{
	session->options.cache_limit = cache_limit;
	session->options.keep_limit = keep_limit;
	kv_set_limit(session->cache, cache_limit);
	if (session->memory != NULL)
		kv_set_limit(session->memory, cache_limit);
}

const run_model *
run_session_model(const run_session *session)
{
	return session->model;
}

int64_t
run_session_vocabulary(const run_session *session)
{
	return nn_output_words(run_config(session->model));
}

int64_t
run_session_max_length(const run_session *session)
{
	const nn_config *c = run_config(session->model);

	return c->any_position && session->memory != NULL ? INT64_MAX : c->max_positions;
}

bool
run_session_keeps_states(const run_session *session)
{
	return session->keeps_states;
}

bool
run_session_has_encoder(const run_session *session)
{
	return session->memory != NULL;
}

size_t
run_session_bytes(const run_session *session)
{
	return kv_used(session->cache) + (session->memory == NULL ? 0 : kv_used(session->memory));
}

bool
run_session_check_room(tfm_context *context, const run_session *session, int64_t count,
					   int64_t tokens)
{
	size_t each = kv_bytes(session->layer_count, session->layers, session->cache_dtype, tokens);
	size_t all, limit = session->options.cache_limit;

	if (limit == 0 || (size_multiply(each, (size_t) count, &all) && all <= limit))
		return true;
	tfm_fail(
		context, TFM_LIMIT_EXCEEDED,
		"%lld sequences of %lld tokens take %zu MB of cache each, more than the limit of %zu MB",
		(long long) count, (long long) tokens, (each >> 20) + 1, limit >> 20);
	return false;
}

/* ---- Opening and closing ---- */

static int64_t
count_common(const sequence *s, const int32_t *ids, int64_t count)
{
	int64_t most = s->length < count ? s->length : count, n = 0;

	while (n < most && s->ids[n] == ids[n])
		n++;
	return n;
}

/* The sequence, kept or open, that has the most of ids; -1 if none has enough. */
static int32_t
find_beginning(const run_session *session, const int32_t *ids, int64_t count, int64_t *common)
{
	int32_t best = -1;

	*common = SHORTEST_REUSE - 1;
	for (int32_t i = 0; i < session->count; i++)
	{
		const sequence *s = &session->sequences[i];
		int64_t n;

		if (s->state == SEQUENCE_FREE || s->broken)
			continue;
		n = count_common(s, ids, count);
		if (n > *common && (n == s->length || !session->keeps_states))
		{
			best = i;
			*common = n;
		}
	}
	return best;
}

/*
 * Cut a sequence to length; false, and nothing has changed, if it cannot be: its windows have moved
 * on, or its states have seen what is to be dropped.
 */
static bool
cut_sequence(run_session *session, sequence *s, int64_t length)
{
	if (!kv_may_truncate(session->cache, s->cached, length))
		return false;
	kv_truncate(session->cache, s->cached, length);
	s->length = length;
	return true;
}

/* Go on from what another sequence has of ids; -1 if there is none or it cannot be. */
static int32_t
open_beginning(tfm_context *context, run_session *session, const int32_t *ids, int64_t count)
{
	int64_t common;
	int32_t from = find_beginning(session, ids, count - 1, &common);
	sequence *s = from < 0 ? NULL : &session->sequences[from];
	int32_t number = from;

	if (s == NULL)
		return -1;
	if (s->state == SEQUENCE_KEPT && s->length == common)
		s->state = SEQUENCE_OPEN;
	else
		number = copy_sequence(context, session, from);
	if (number < 0)
		return -1;
	if (cut_sequence(session, &session->sequences[number], common))
		return number;
	free_sequence(session, &session->sequences[number]);
	return -1;
}

int32_t
run_session_open(tfm_context *context, run_session *session, const int32_t *ids, int64_t count,
				 int64_t *reused)
{
	int32_t number = -1;

	if (tfm_failed(context))
		return -1;
	if (ids != NULL && count > SHORTEST_REUSE)
		number = open_beginning(context, session, ids, count);
	if (number < 0 && !tfm_failed(context))
		number = open_empty(context, session);
	if (reused != NULL)
		*reused = number < 0 ? 0 : session->sequences[number].length;
	if (number >= 0)
		context->usage.reused += session->sequences[number].length;
	return number;
}

int32_t
run_session_fork(tfm_context *context, run_session *session, int32_t number)
{
	if (tfm_failed(context))
		return -1;
	if (find_sequence(session, number) == NULL)
	{
		fail_no_sequence(context, number);
		return -1;
	}
	return copy_sequence(context, session, number);
}

bool
run_session_truncate(tfm_context *context, run_session *session, int32_t number, int64_t length)
{
	sequence *s = find_sequence(session, number);

	if (s == NULL)
		return fail_no_sequence(context, number);
	if (length < 0 || length > s->length)
		return tfm_fail(context, TFM_INTERNAL, "a sequence of %lld tokens cannot be cut to %lld",
						(long long) s->length, (long long) length);
	if (cut_sequence(session, s, length))
		return true;
	return tfm_fail(context, TFM_UNSUPPORTED,
					"the model cannot go back from %lld tokens of a text to %lld, as its layers do "
					"not keep them all",
					(long long) s->length, (long long) length);
}

int64_t
run_session_length(const run_session *session, int32_t number)
{
	const sequence *s = find_sequence((run_session *) session, number);

	return s == NULL ? 0 : s->length;
}

static void
trim_caches(run_session *session)
{
	kv_trim(session->cache);
	if (session->memory != NULL)
		kv_trim(session->memory);
}

/* Bytes of the sequences that are kept, those that they share counted with each. */
static size_t
kept_bytes(const run_session *session)
{
	size_t bytes = 0;

	for (int32_t i = 0; i < session->count; i++)
		if (session->sequences[i].state == SEQUENCE_KEPT)
			bytes += kv_bytes(session->layer_count, session->layers, session->cache_dtype,
							  session->sequences[i].length);
	return bytes;
}

/*
 * Give up what has been kept longest, beyond what may be: also while others are open, of which there
 * is no end where many generate.
 */
static void
forget_surplus(run_session *session)
{
	while ((count_state(session, SEQUENCE_KEPT) > KEPT_SEQUENCES ||
			kept_bytes(session) > session->options.keep_limit) &&
		   forget_oldest(session))
		;
}

void
run_session_close(run_session *session, int32_t number, bool keep)
{
	sequence *s = find_sequence(session, number);

	if (s == NULL)
		return;
	if (!keep || s->broken || s->memory >= 0 || session->options.keep_limit == 0)
		free_sequence(session, s);
	else
	{
		s->state = SEQUENCE_KEPT;
		s->used = ++session->clock;
	}
	forget_surplus(session);
	if (count_state(session, SEQUENCE_OPEN) > 0)
		return;
	while (kv_used(session->cache) > session->options.keep_limit && forget_oldest(session))
		;
	trim_caches(session);
}

void
run_session_reset(run_session *session)
{
	for (int32_t i = 0; i < session->count; i++)
		free_sequence(session, &session->sequences[i]);
	trim_caches(session);
}

/* ---- Encoding ---- */

/* Open a decoder's sequence for each input, and what it looks back at. */
static bool
open_decoders(tfm_context *context, run_session *session, int64_t count, int32_t *memory,
			  int32_t *sequences)
{
	for (int64_t i = 0; i < count; i++)
	{
		memory[i] = kv_open(context, session->memory);
		sequences[i] = memory[i] < 0 ? -1 : open_empty(context, session);
		if (sequences[i] < 0)
		{
			kv_close(session->memory, memory[i]);
			return false;
		}
		session->sequences[sequences[i]].memory = memory[i];
	}
	return true;
}

bool
run_session_encode(tfm_context *context, run_session *session, const run_sequence *inputs,
				   int64_t count, int32_t *sequences)
{
	int32_t *memory = tfm_alloc_array(context, (size_t) count, sizeof(int32_t));
	arena_mark mark = arena_save(context->arena);
	nn_batch batch;
	bool done;

	for (int64_t i = 0; i < count; i++)
		sequences[i] = -1;
	if (memory == NULL)
		return false;
	done = run_make_batch(context, session->model, inputs, count, &batch) &&
		   open_decoders(context, session, count, memory, sequences) &&
		   run_encode(context, session->model, &batch, session->memory, memory, NULL);
	arena_restore(context->arena, mark);
	for (int64_t i = 0; !done && i < count; i++)
		run_session_close(session, sequences[i], false);
	return done;
}

/* ---- Steps ---- */

/* Where a step is on its way through its passes. */
typedef struct progress
{
	const run_step *steps;
	int64_t count;
	int64_t step;	/* the first that is not done */
	int64_t offset; /* its tokens that are done */
	float *logits;	/* where the next wanted scores go */
	float *states;	/* NULL: not wanted */
} progress;

/* The arrays of a pass. */
typedef struct pass
{
	int32_t *offsets, *cached, *memory, *ids, *positions, *columns, *wanted;
	int32_t *made; /* positions of a whole sequence */
	int64_t sequences, tokens, wanted_count;
} pass;

static bool
check_step(tfm_context *context, run_session *session, const run_step *step)
{
	const int64_t words = run_session_vocabulary(session);
	const sequence *s = find_sequence(session, step->sequence);

	if (s == NULL)
		return fail_no_sequence(context, step->sequence);
	if (step->count < 1 || step->wanted < 0 || step->wanted > step->count)
		return tfm_fail(context, TFM_INTERNAL, "a step of %lld tokens is impossible",
						(long long) step->count);
	for (int64_t i = 0; i < step->count; i++)
		if (step->ids[i] < 0 || step->ids[i] >= words)
			return tfm_fail(context, TFM_INVALID_ARGUMENT,
							"token id %d is outside the model's vocabulary of %lld", step->ids[i],
							(long long) words);
	if (step->count <= run_session_max_length(session) - s->length)
		return true;
	tfm_fail(context, TFM_LIMIT_EXCEEDED,
			 "the text would have %lld tokens, but the model has positions for %lld",
			 (long long) (s->length + step->count), (long long) run_session_max_length(session));
	return tfm_hint(context, "Shorten the prompt, or ask for fewer new tokens.");
}

/* Room in the cache, for which sequences that are kept are given up. */
static bool
extend_cache(tfm_context *context, run_session *session, sequence *s, int64_t tokens)
{
	while (!kv_extend(context, session->cache, s->cached, tokens))
	{
		tfm_error_kind kind = context->error.kind;

		if ((kind != TFM_LIMIT_EXCEEDED && kind != TFM_OUT_OF_MEMORY) || !forget_oldest(session))
			return false;
		tfm_clear_error(context);
	}
	return true;
}

/* The positions of a sequence's last count tokens, as the family counts them. */
static void
fill_positions(const run_session *session, const sequence *s, int64_t count, const pass *p)
{
	const nn_family *family = session->model->class.family;
	int64_t first = s->length - count;

	if (family->make_positions != NULL)
		run_make_positions(session->model, session->memory != NULL,
						   &(run_sequence) {.ids = s->ids, .count = s->length}, p->made);
	for (int64_t i = 0; i < count; i++)
	{
		p->columns[p->tokens + i] = (int32_t) (first + i);
		p->positions[p->tokens + i] =
			family->make_positions == NULL ? (int32_t) (first + i) : p->made[first + i];
	}
}

/* Put tokens of a step into the pass: those from offset on, count of them. */
static bool
add_tokens(tfm_context *context, run_session *session, const run_step *step, int64_t offset,
		   int64_t count, pass *p)
{
	sequence *s = &session->sequences[step->sequence];
	int64_t first_wanted = step->count - step->wanted;

	if (!reserve_ids(context, s, count))
		return false;
	s->broken = true;
	if (!extend_cache(context, session, s, count))
		return false;
	memcpy(s->ids + s->length, step->ids + offset, (size_t) count * sizeof(int32_t));
	memcpy(p->ids + p->tokens, step->ids + offset, (size_t) count * sizeof(int32_t));
	s->length += count;
	fill_positions(session, s, count, p);
	for (int64_t i = 0; i < count; i++)
		if (offset + i >= first_wanted)
			p->wanted[p->wanted_count++] = (int32_t) (p->tokens + i);
	p->memory[p->sequences] = s->memory;
	p->cached[p->sequences++] = s->cached;
	p->tokens += count;
	p->offsets[p->sequences] = (int32_t) p->tokens;
	return true;
}

static bool
allocate_pass(tfm_context *context, const run_session *session, const progress *at, pass *p)
{
	const int64_t most = PASS_TOKENS;
	int64_t longest = 0;

	for (int64_t i = at->step; i < at->count; i++)
	{
		const sequence *s = &session->sequences[at->steps[i].sequence];

		if (s->length + at->steps[i].count > longest)
			longest = s->length + at->steps[i].count;
	}
	*p = (pass) {
		.offsets = tfm_alloc_array(context, (size_t) most + 1, sizeof(int32_t)),
		.cached = tfm_alloc_array(context, (size_t) most, sizeof(int32_t)),
		.memory = tfm_alloc_array(context, (size_t) most, sizeof(int32_t)),
		.ids = tfm_alloc_array(context, (size_t) most, sizeof(int32_t)),
		.positions = tfm_alloc_array(context, (size_t) most, sizeof(int32_t)),
		.columns = tfm_alloc_array(context, (size_t) most, sizeof(int32_t)),
		.wanted = tfm_alloc_array(context, (size_t) most, sizeof(int32_t)),
	};
	if (session->model->class.family->make_positions != NULL)
		p->made = tfm_alloc_array(context, (size_t) longest, sizeof(int32_t));
	if (tfm_failed(context))
		return false;
	p->offsets[0] = 0;
	return true;
}

/* Fill a pass with what comes next. */
static bool
fill_pass(tfm_context *context, run_session *session, progress *at, pass *p)
{
	while (at->step < at->count && p->tokens < PASS_TOKENS)
	{
		const run_step *step = &at->steps[at->step];
		int64_t count = step->count - at->offset;

		if (count > PASS_TOKENS - p->tokens)
			count = PASS_TOKENS - p->tokens;
		if (!add_tokens(context, session, step, at->offset, count, p))
			return false;
		at->offset += count;
		if (at->offset == step->count)
		{
			at->step++;
			at->offset = 0;
		}
	}
	return true;
}

static const nn_output *
find_output(const nn_output *first, const char *name)
{
	while (first != NULL && strcmp(first->name, name) != 0)
		first = first->next;
	return first;
}

/* The hidden states that the head has seen: the last that were output. */
static const nn_output *
find_last_state(const nn_output *first)
{
	const nn_output *last = NULL;

	for (; first != NULL; first = first->next)
		if (strncmp(first->name, "hidden_states.", strlen("hidden_states.")) == 0)
			last = first;
	return last;
}

/* Rows of states that are wanted. */
static void
copy_states(const pass *p, const tensor *states, progress *at)
{
	int64_t n = states->shape[1];

	for (int64_t i = 0; i < p->wanted_count; i++, at->states += n)
		memcpy(at->states, (const float *) states->data + p->wanted[i] * n,
			   (size_t) n * sizeof(float));
}

/* What the head gives goes to where the step's results are. */
static bool
take_results(tfm_context *context, const nn_model *m, const pass *p, progress *at)
{
	const nn_output *logits = find_output(m->outputs, "logits");
	const nn_output *states = at->states == NULL ? NULL : find_last_state(m->outputs);

	if (logits == NULL || logits->value.shape[0] != p->wanted_count ||
		(at->states != NULL && states == NULL))
		return tfm_fail(context, TFM_INTERNAL, "the head gives no scores of tokens");
	memcpy(at->logits, logits->value.data, (size_t) tensor_count(&logits->value) * sizeof(float));
	at->logits += tensor_count(&logits->value);
	if (states != NULL)
		copy_states(p, &states->value, at);
	return true;
}

/* Compute a pass. */
static bool
run_pass(tfm_context *context, run_session *session, const pass *p, progress *at)
{
	const run_model *model = session->model;
	nn_memory memory = {.cache = session->memory, .cached = p->memory};
	nn_batch batch = {
		.sequences = p->sequences,
		.tokens = p->tokens,
		.offsets = p->offsets,
		.ids = p->ids,
		.positions = p->positions,
		.columns = p->columns,
		.choices = 1,
		.output_hidden_states = at->states != NULL,
		.cache = session->cache,
		.cached = p->cached,
		.wanted = p->wanted,
		.wanted_count = p->wanted_count,
		.memory = session->memory == NULL ? NULL : &memory,
	};
	nn_model m = run_begin_pass(context, model, &batch);

	if (p->wanted_count == 0)
	{
		model->class.family->hidden_states(&m, model->config);
		return !tfm_failed(context);
	}
	model->class.head->forward(&m, model->config);
	return !tfm_failed(context) && take_results(context, &m, p, at);
}

static void
mark_whole(run_session *session, const run_step *steps, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		session->sequences[steps[i].sequence].broken = false;
}

/* Results of a step, before anything is computed. */
static bool
allocate_results(tfm_context *context, const run_session *session, progress *at, float **logits,
				 float **states)
{
	const nn_config *c = run_config(session->model);
	size_t wanted = 0, columns = (size_t) nn_output_words(c) * sizeof(float);

	for (int64_t i = 0; i < at->count; i++)
		wanted += (size_t) at->steps[i].wanted;
	*logits = at->logits = tfm_alloc_array(context, wanted, columns);
	if (states != NULL)
		*states = at->states =
			tfm_alloc_array(context, wanted, (size_t) c->hidden_size * sizeof(float));
	return !tfm_failed(context);
}

bool
run_session_step(tfm_context *context, run_session *session, const run_step *steps, int64_t count,
				 float **logits, float **states)
{
	progress at = {.steps = steps, .count = count};

	if (tfm_failed(context))
		return false;
	for (int64_t i = 0; i < count; i++)
		if (!check_step(context, session, &steps[i]))
			return false;
	if (!allocate_results(context, session, &at, logits, states))
		return false;
	while (at.step < count && !tfm_stopped(context))
	{
		arena_mark mark = arena_save(context->arena);
		pass p;
		bool done = allocate_pass(context, session, &at, &p) &&
					fill_pass(context, session, &at, &p) && run_pass(context, session, &p, &at);

		arena_restore(context->arena, mark);
		if (!done)
			return false;
	}
	if (tfm_failed(context))
		return false;
	mark_whole(session, steps, count);
	return true;
}
