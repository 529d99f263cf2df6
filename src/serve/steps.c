/*
 * steps.c
 *	  The steps of sequences that wait, in one pass.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "serve/sequence.h"

/* Steps of so few tokens are never kept waiting: all of a pass. */
#define SHORT_STEP 32

/*
 * What the others share, in their order: prompts.  Enough tokens to read the weights once for many, and
 * beside short steps few enough that these, whose texts are read as they come, do not wait long.
 */
#define PASS_TOKENS 512
#define PASS_TOKENS_BESIDE 128

/* Tokens of a sequence's step that the pass computes. */
typedef struct piece
{
	serve_step *owner;
	int64_t before; /* length of the sequence before the pass */
} piece;

typedef struct pass
{
	serve_device *device;
	serve_sequence **sequences; /* [count] those that take part */
	size_t count;
	run_step *steps; /* [step_count] */
	piece *pieces;	 /* [step_count] */
	int64_t step_count;
	bool wants_states;
} pass;

/* ---- Who takes part ---- */

/* Whether a sequence that waits is not to go on, for whatever reason is in its context then. */
static bool
has_stopped(serve_sequence *s)
{
	if (tfm_stopped(s->step.context))
		s->step.over = true;
	return s->step.over;
}

/* Put those that take part at the end, the others before them; how many there are. */
static size_t
select_sequences(serve_sequence **sequences, size_t count, serve_sequence **chosen)
{
	const run_session *session = sequences[0]->step.session;
	size_t kept = 0, n = 0;

	for (size_t i = 0; i < count; i++)
		if (sequences[i]->step.session == session)
			chosen[n++] = sequences[i];
		else
			sequences[kept++] = sequences[i];
	memcpy(sequences + kept, chosen, n * sizeof(serve_sequence *));
	return n;
}

/* ---- Pieces ---- */

/* How many of count tokens of a step, from offset on, are among the last that are wanted. */
static int64_t
count_wanted(const run_step *step, int64_t offset, int64_t count)
{
	int64_t first = step->count - step->wanted;

	first = first > offset ? first : offset;
	return offset + count > first ? offset + count - first : 0;
}

/* Up to limit tokens of a sequence's step join the pass. */
static void
add_pieces(pass *p, serve_step *step, int64_t limit)
{
	int64_t offset = step->offset;

	for (int64_t i = step->step; i < step->count && limit > 0; i++, offset = 0)
	{
		const run_step *whole = &step->steps[i];
		int64_t count = whole->count - offset < limit ? whole->count - offset : limit;

		p->pieces[p->step_count] =
			(piece) {.owner = step, .before = run_session_length(step->session, whole->sequence)};
		p->steps[p->step_count++] = (run_step) {
			.sequence = whole->sequence,
			.ids = whole->ids + offset,
			.count = count,
			.wanted = count_wanted(whole, offset, count),
		};
		limit -= count;
	}
	p->wants_states |= step->states != NULL;
}

/* Short steps wholly, and as much of long ones as there is room for. */
static void
fill_pass(pass *p)
{
	int64_t left;

	for (size_t i = 0; i < p->count; i++)
		if (p->sequences[i]->step.left <= SHORT_STEP)
			add_pieces(p, &p->sequences[i]->step, SHORT_STEP);
	left = p->step_count > 0 ? PASS_TOKENS_BESIDE : PASS_TOKENS;
	for (size_t i = 0; i < p->count && left > 0; i++)
		if (p->sequences[i]->step.left > SHORT_STEP)
		{
			add_pieces(p, &p->sequences[i]->step, left);
			left -= p->sequences[i]->step.left;
		}
}

/* Room for all pieces that there may be. */
static bool
allocate_pieces(tfm_context *context, pass *p)
{
	size_t most = 0;

	for (size_t i = 0; i < p->count; i++)
		most += (size_t) p->sequences[i]->step.count;
	p->steps = tfm_alloc_array(context, most, sizeof(run_step));
	p->pieces = tfm_alloc_array(context, most, sizeof(piece));
	return !tfm_failed(context);
}

/* ---- Results ---- */

/* A piece has been computed: its rows, and how far its step has come. */
static void
take_piece(const run_step *done, serve_step *step, const float *logits, const float *states,
		   const gen_decoder *sizes)
{
	size_t rows = (size_t) done->wanted;

	if (rows > 0)
		memcpy(step->logits + step->rows * sizes->vocabulary, logits,
			   rows * (size_t) sizes->vocabulary * sizeof(float));
	if (rows > 0 && step->states != NULL)
		memcpy(step->states + step->rows * sizes->state_size, states,
			   rows * (size_t) sizes->state_size * sizeof(float));
	step->rows += done->wanted;
	step->left -= done->count;
	step->offset += done->count;
	if (step->offset == step->steps[step->step].count)
	{
		step->step++;
		step->offset = 0;
	}
	step->over = step->left == 0;
	step->context->usage.tokens += done->count;
}

static void
take_results(const pass *p, int64_t first, int64_t count, const float *logits, const float *states)
{
	gen_decoder sizes = gen_decoder_of(p->pieces[first].owner->session);

	for (int64_t i = first; i < first + count; i++)
	{
		const run_step *done = &p->steps[i];

		take_piece(done, p->pieces[i].owner, logits, states, &sizes);
		logits += done->wanted * sizes.vocabulary;
		if (states != NULL)
			states += done->wanted * sizes.state_size;
	}
}

/* ---- The pass ---- */

/* Whether nobody wants the pass any more. */
static bool
is_unwanted(void *argument)
{
	const pass *p = argument;

	if (atomic_load_explicit(p->device->stop, memory_order_relaxed))
		return true;
	for (size_t i = 0; i < p->count; i++)
		if (!serve_call_cancelled(p->sequences[i]->call))
			return false;
	return true;
}

/* Compute some of the pieces; memory of results is the context's. */
static bool
run_pieces(tfm_context *context, const pass *p, int64_t first, int64_t count)
{
	run_session *session = p->pieces[first].owner->session;
	float *logits, *states = NULL;
	tfm_usage before = context->usage;
	bool done = run_session_step(context, session, p->steps + first, count, &logits,
								 p->wants_states ? &states : NULL);

	p->device->passes += context->usage.passes - before.passes;
	p->pieces[first].owner->context->usage.passes += context->usage.passes - before.passes;
	if (done)
		take_results(p, first, count, logits, states);
	return done;
}

/* Take back what a pass that failed may have given the sequences; the error if that cannot be. */
static bool
take_back(tfm_context *context, const pass *p, int64_t first, int64_t count)
{
	for (int64_t i = first; i < first + count; i++)
		run_session_truncate(context, p->pieces[i].owner->session, p->steps[i].sequence,
							 p->pieces[i].before);
	return !tfm_failed(context);
}

/* Whether a step would have more tokens than the model has positions for, in whatever company. */
static bool
is_too_long(const serve_step *step)
{
	int64_t given = step->offset;

	for (int64_t i = step->step; i < step->count; i++, given = 0)
		if (run_session_length(step->session, step->steps[i].sequence) >
			run_session_max_length(step->session) - (step->steps[i].count - given))
			return true;
	return false;
}

/* Whether an error is one that others have caused, who have the memory that is wanted. */
static bool
is_crowded(const serve_step *step, const tfm_error *error)
{
	return error->kind == TFM_OUT_OF_MEMORY ||
		   (error->kind == TFM_LIMIT_EXCEEDED && !is_too_long(step));
}

/* The sequence of a step. */
static serve_sequence *
find_sequence(const pass *p, const serve_step *step)
{
	size_t i = 0;

	while (&p->sequences[i]->step != step)
		i++;
	return p->sequences[i];
}

/* The pieces of one sequence alone, with an error that is its own. */
static void
run_alone(const pass *p, int64_t first, int64_t count)
{
	serve_step *step = p->pieces[first].owner;
	serve_sequence *s = find_sequence(p, step);
	tfm_context own = *step->context;
	arena_mark mark;

	own.arena = p->device->scratch;
	mark = arena_save(own.arena);
	own.usage = (tfm_usage) {0};
	if (take_back(&own, p, first, count) && !run_pieces(&own, p, first, count))
	{
		tfm_context again = {0};

		take_back(&again, p, first, count);
		s->crowded = is_crowded(step, &own.error);
	}
	arena_restore(own.arena, mark);
	if (tfm_failed(&own))
	{
		step->context->error = own.error;
		step->over = true;
	}
}

/* All as one; where that fails each on its own. */
static void
run_pass(tfm_context *context, pass *p)
{
	if (run_pieces(context, p, 0, p->step_count))
		return;
	tfm_clear_error(context);
	for (int64_t i = 0; i < p->step_count;)
	{
		int64_t first = i;

		while (i < p->step_count && p->pieces[i].owner == p->pieces[first].owner)
			i++;
		run_alone(p, first, i - first);
	}
}

/* Note how many calls are computed together. */
static void
count_company(const pass *p)
{
	int calls = 0;

	for (size_t i = 0; i < p->count; i++)
	{
		size_t j = 0;

		while (p->sequences[j]->call != p->sequences[i]->call)
			j++;
		calls += j == i;
	}
	for (size_t i = 0; i < p->count; i++)
		if (p->sequences[i]->company < calls - 1)
			p->sequences[i]->company = calls - 1;
}

/* Nothing can be done: an error for all. */
static void
fail_all(const pass *p, const tfm_error *error)
{
	for (size_t i = 0; i < p->count; i++)
	{
		p->sequences[i]->step.context->error = *error;
		p->sequences[i]->step.over = true;
	}
}

void
serve_sequences_step(serve_device *device, serve_sequence **sequences, size_t count)
{
	arena_mark mark = arena_save(device->scratch);
	tfm_context context = {
		.arena = device->scratch, .pool = device->pool, .threads = device->threads};
	pass p = {.device = device};
	serve_sequence **chosen;
	size_t chosen_count, n = 0;

	arena_set_limit(device->scratch, 0);
	context.isa = sequences[0]->call->request.isa;
	context.interrupted = is_unwanted;
	context.interrupted_argument = &p;
	chosen = tfm_alloc_array(&context, count, sizeof(serve_sequence *));
	if (chosen == NULL)
	{
		p.sequences = sequences;
		p.count = count;
		fail_all(&p, &context.error);
		arena_restore(device->scratch, mark);
		return;
	}
	chosen_count = select_sequences(sequences, count, chosen);
	for (size_t i = 0; i < chosen_count; i++)
		if (!has_stopped(chosen[i]))
			chosen[n++] = chosen[i];
	p.sequences = chosen;
	p.count = n;
	count_company(&p);
	if (n > 0 && !allocate_pieces(&context, &p))
		fail_all(&p, &context.error);
	else if (n > 0)
	{
		fill_pass(&p);
		run_pass(&context, &p);
	}
	arena_restore(device->scratch, mark);
}
