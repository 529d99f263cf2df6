/*
 * rope.c
 *	  Rotary position embeddings: angles of some tokens, then the turn of all their heads.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/rope.h"

#include "base/threads.h"
#include "tensor/kernels.h"

#define ITEM_TOKENS 16
#define ALONE 16384 /* elements up to which threads are not worth their start */

typedef struct rope_call
{
	const kernels *table;
	op_rope_options o; /* defaults filled in */
	float *scratch;	   /* [threads][2][rotary_dim / 2] */
} rope_call;

static void
turn_tokens(const rope_call *call, int64_t first, int64_t end, int thread)
{
	const op_rope_options *o = &call->o;
	rope_turn turn = {.heads = o->heads, .head_dim = o->head_dim, .pairs = o->rotary_dim / 2};
	float *cosines = call->scratch + (int64_t) thread * 2 * turn.pairs;

	turn.interleaved = o->interleaved;
	turn.cosines = cosines;
	turn.sines = cosines + turn.pairs;
	for (int64_t t = first; t < end; t++)
	{
		if (t == first || o->positions[t] != o->positions[t - 1])
			call->table->rope_angles(turn.pairs, (float) o->positions[t], o->frequencies, o->factor,
									 cosines, cosines + turn.pairs);
		call->table->rope_turn(&turn, o->x + t * o->x_stride);
	}
}

static void
rope_item(void *argument, int64_t item, int thread)
{
	const rope_call *call = argument;
	int64_t end = (item + 1) * ITEM_TOKENS;

	turn_tokens(call, item * ITEM_TOKENS, end < call->o.tokens ? end : call->o.tokens, thread);
}

static bool
check_options(tfm_context *context, const op_rope_options *o)
{
	if (o->tokens < 0 || o->heads < 1 || o->head_dim < 1 || o->rotary_dim < 2 ||
		o->rotary_dim % 2 != 0 || o->rotary_dim > o->head_dim)
		return tfm_fail(context, TFM_INTERNAL,
						"a turn of %d columns of %d heads of %d is impossible", o->rotary_dim,
						o->heads, o->head_dim);
	return true;
}

bool
op_rope(tfm_context *context, const op_rope_options *options)
{
	rope_call call = {.table = cpu_kernels(context), .o = *options};
	int64_t width = (int64_t) options->heads * options->head_dim;
	bool alone = options->tokens * width <= ALONE, done = false;
	arena_mark mark;

	if (tfm_failed(context) || !check_options(context, options))
		return false;
	if (call.o.x_stride == 0)
		call.o.x_stride = width;
	if (call.o.factor == 0.0f)
		call.o.factor = 1.0f;
	mark = arena_save(context->arena);
	call.scratch = tfm_alloc_array(context, alone ? 1 : (size_t) cpu_threads(context),
								   (size_t) options->rotary_dim * sizeof(float));
	if (call.scratch != NULL && alone)
	{
		turn_tokens(&call, 0, options->tokens, 0);
		done = true;
	}
	else if (call.scratch != NULL)
		done = threads_run(context, rope_item, &call,
						   (options->tokens + ITEM_TOKENS - 1) / ITEM_TOKENS);
	arena_restore(context->arena, mark);
	return done;
}
