/*
 * tokenize.c
 *	  Texts to tokens and back.
 *
 * Several texts are shared out to the threads.  Each thread but the caller's has a context and an
 * arena of its own, which ends with the caller's.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/tokenize.h"

#include <stdatomic.h>
#include <string.h>

#include "base/threads.h"
#include "runtime/loaded.h"

/* Fewer bytes of text are not worth waking a thread for. */
#define SHARED_BYTES 8192

/* ---- Options ---- */

static bool
read_truncation(tfm_context *context, const char *name, tok_truncation *truncation)
{
	static const char *const names[] = {
		[TOK_LONGEST_FIRST] = "longest_first",
		[TOK_ONLY_FIRST] = "only_first",
		[TOK_ONLY_SECOND] = "only_second",
	};

	for (size_t i = 0; name != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
		{
			*truncation = (tok_truncation) i;
			return true;
		}
	if (name == NULL)
		return true;
	tfm_fail(context, TFM_INVALID_ARGUMENT, "truncation \"%.64s\" is not known", name);
	return tfm_hint(context, "Use longest_first, only_first or only_second.");
}

/* Whether a side is the left one; that of the tokenizer if it is not named. */
static bool
read_side(tfm_context *context, const char *option, const char *name, bool own, bool *left)
{
	*left = name == NULL ? own : strcmp(name, "left") == 0;
	return name == NULL || *left || strcmp(name, "right") == 0 ||
		   tfm_fail(context, TFM_INVALID_ARGUMENT,
					"%s must be \"left\" or \"right\", not \"%.64s\"", option, name);
}

/* To max_length, or where that is not given the tokenizer's own; without either, not at all. */
static void
plan_padding_length(const tok_tokenizer *tokenizer, int max_length, tokenize_plan *plan)
{
	int64_t length = max_length > 0 ? max_length : tok_model_max_length(tokenizer);

	plan->pads = length > 0 && length <= INT32_MAX;
	plan->padding.length = (int32_t) length;
}

static bool
plan_padding(tfm_context *context, const tok_tokenizer *tokenizer, const tokenize_options *options,
			 tokenize_plan *plan)
{
	const char *name = options->padding;
	bool left;

	if (!read_side(context, "padding_side", options->padding_side, tok_pads_left(tokenizer), &left))
		return false;
	if (name == NULL || strcmp(name, "do_not_pad") == 0)
		return true;
	plan->pads = true;
	plan->padding = (tok_padding) {
		.multiple = options->pad_to_multiple_of,
		.side = left ? TOK_PADDING_LEFT : TOK_PADDING_RIGHT,
		.id = tok_special_id(tokenizer, TOK_PAD),
	};
	if (strcmp(name, "max_length") == 0)
		plan_padding_length(tokenizer, options->max_length, plan);
	else if (strcmp(name, "longest") != 0)
	{
		tfm_fail(context, TFM_INVALID_ARGUMENT, "padding \"%.64s\" is not known", name);
		return tfm_hint(context, "Use longest, max_length or do_not_pad.");
	}
	if (plan->padding.id < 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "the tokenizer has no padding token");
	plan->padding.token.data = tok_id_to_token(tokenizer, plan->padding.id);
	if (plan->padding.token.data != NULL)
		plan->padding.token.length = strlen(plan->padding.token.data);
	return true;
}

bool
task_tokenize_plan(tfm_context *context, const run_model *model, const tokenize_options *options,
				   int want, tokenize_plan *plan)
{
	const tok_tokenizer *tokenizer = run_tokenizer(context, model);
	bool left;

	*plan = (tokenize_plan) {
		.encode = {.add_special_tokens = options->add_special_tokens,
				   .want = want,
				   .max_length = options->max_length},
	};
	if (tokenizer == NULL)
		return false;
	if (options->max_length < 0 || options->stride < -1 || options->pad_to_multiple_of < 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"max_length, stride and pad_to_multiple_of must not be negative");
	if (options->stride >= 0)
	{
		plan->encode.stride = options->stride;
		plan->encode.want |= TOK_WANT_OVERFLOWING;
	}
	if (!read_truncation(context, options->truncation, &plan->encode.truncation) ||
		!read_side(context, "truncation_side", options->truncation_side,
				   tok_truncates_left(tokenizer), &left))
		return false;
	plan->encode.direction = left ? TOK_TRUNCATE_LEFT : TOK_TRUNCATE_RIGHT;
	return plan_padding(context, tokenizer, options, plan);
}

/* ---- Several texts ---- */

/* A thread's own; the caller's works in the context that it was called with. */
typedef struct worker
{
	tfm_context own;
	tfm_context *context;
	int64_t failed; /* item at which the context failed */
} worker;

typedef struct work
{
	const tok_tokenizer *tokenizer;
	const tokenize_input *inputs;
	const tok_encode_options *options;
	tok_encoding *encodings;
	worker *workers;
	_Atomic int64_t failed; /* the first item that has failed anywhere; later ones are left */
} work;

static bool
is_stopping(void *pool)
{
	return threads_stopping(pool);
}

static void
release_arena(void *own)
{
	arena_destroy(own);
}

/* Give every thread what it works with; the limit on memory holds for all together, roughly. */
static worker *
make_workers(tfm_context *context, int threads)
{
	worker *workers = tfm_alloc_array(context, (size_t) threads, sizeof(worker));
	size_t limit = arena_limit(context->arena);

	for (int i = 0; workers != NULL && i < threads; i++)
	{
		worker *w = &workers[i];

		memset(w, 0, sizeof(*w));
		w->failed = INT64_MAX;
		w->context = context;
		if (i == 0)
			continue;
		w->context = &w->own;
		w->own.interrupted = is_stopping;
		w->own.interrupted_argument = context->pool;
		w->own.arena = arena_create(limit / (size_t) threads);
		if (w->own.arena == NULL || !arena_on_release(context->arena, release_arena, w->own.arena))
		{
			arena_destroy(w->own.arena);
			tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory while tokenizing");
			return NULL;
		}
	}
	return workers;
}

static void
note_failure(work *w, worker *self, int64_t item)
{
	int64_t first = atomic_load(&w->failed);

	self->failed = item;
	while (item < first && !atomic_compare_exchange_weak(&w->failed, &first, item))
		;
}

static void
tokenize_item(void *argument, int64_t item, int thread)
{
	work *w = argument;
	worker *self = &w->workers[thread];
	const tokenize_input *input = &w->inputs[item];

	if (item > atomic_load_explicit(&w->failed, memory_order_relaxed) || tfm_failed(self->context))
		return;
	if (!tok_encode(self->context, w->tokenizer, input->text, input->has_pair ? &input->pair : NULL,
					w->options, &w->encodings[item]))
		note_failure(w, self, item);
}

/* The error of the first item that has one, whichever thread had it. */
static void
report_failure(tfm_context *context, const work *w, int threads)
{
	const worker *first = &w->workers[0];

	if (context->error.kind == TFM_CANCELLED)
		return;
	for (int i = 1; i < threads; i++)
		if (w->workers[i].failed < first->failed && w->workers[i].own.error.kind != TFM_CANCELLED)
			first = &w->workers[i];
	context->error = first->context->error;
}

static int
count_threads(const tfm_context *context, const tokenize_input *inputs, size_t count)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count && bytes < SHARED_BYTES; i++)
		bytes += inputs[i].text.length + inputs[i].pair.length;
	if (context->pool == NULL || count < 2 || bytes < SHARED_BYTES)
		return 1;
	return (size_t) context->threads < count ? context->threads : (int) count;
}

static void
tokenize_alone(tfm_context *context, const work *w, size_t count)
{
	for (size_t i = 0; i < count && !tfm_stopped(context); i++)
		tok_encode(context, w->tokenizer, w->inputs[i].text,
				   w->inputs[i].has_pair ? &w->inputs[i].pair : NULL, w->options, &w->encodings[i]);
}

bool
task_tokenize(tfm_context *context, const run_model *model, const tokenize_input *inputs,
			  size_t count, const tokenize_plan *plan, tok_encoding **encodings)
{
	int threads = count_threads(context, inputs, count);
	work w = {
		.tokenizer = run_tokenizer(context, model),
		.inputs = inputs,
		.options = &plan->encode,
		.encodings = tfm_alloc_array(context, count, sizeof(tok_encoding)),
		.failed = INT64_MAX,
	};

	*encodings = w.encodings;
	if (tfm_failed(context))
		return false;
	if (threads < 2)
		tokenize_alone(context, &w, count);
	else if ((w.workers = make_workers(context, threads)) != NULL)
	{
		threads_run(context, tokenize_item, &w, (int64_t) count);
		report_failure(context, &w, threads);
	}
	return !tfm_failed(context) &&
		   (!plan->pads || tok_pad(context, w.encodings, count, &plan->padding));
}

bool
task_tokenize_words(tfm_context *context, const run_model *model, tok_words words,
					const tok_words *pair, const tokenize_plan *plan, tok_encoding *encoding)
{
	const tok_tokenizer *tokenizer = run_tokenizer(context, model);

	return tokenizer != NULL &&
		   tok_encode_words(context, tokenizer, words, pair, &plan->encode, encoding) &&
		   (!plan->pads || tok_pad(context, encoding, 1, &plan->padding));
}

/* ---- Back ---- */

bool
task_detokenize(tfm_context *context, const run_model *model, const int32_t *ids, size_t count,
				bool skip_special_tokens, tfm_text *text)
{
	const tok_tokenizer *tokenizer = run_tokenizer(context, model);

	return tokenizer != NULL &&
		   tok_decode(context, tokenizer, ids, count, skip_special_tokens, text);
}
