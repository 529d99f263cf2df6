/*
 * embed_agg.c
 *	  The aggregate tfm_embed_agg: the average of the embeddings of a group's texts.
 *
 * It is avg(tfm_embed(model, input)) with many texts to a call of the engine: a group collects its
 * texts until they are a batch, and keeps only the sum of their embeddings.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/embed.h"

#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pg/call.h"

/* A group's texts are embedded when there are so many of them, or so many bytes. */
#define PENDING_BYTES (256 * 1024)

/* A group; all it points to lives in memory. */
typedef struct embed_state
{
	MemoryContext memory; /* the aggregate's */
	text *model;		  /* of the pending texts; NULL: the setting's */
	text **pending;		  /* texts that are not embedded yet */
	int count;			  /* of them */
	int allocated;		  /* room for so many */
	size_t bytes;		  /* they have together */
	int64 rows;			  /* embedded */
	int dim;			  /* of the embeddings; 0 before the first */
	double *sums;		  /* of each element */
} embed_state;

static embed_state *
new_state(MemoryContext memory)
{
	embed_state *state = MemoryContextAllocZero(memory, sizeof(embed_state));

	state->memory = memory;
	return state;
}

/* Give the sums their length, or check that they have it. */
static void
set_dim(embed_state *state, int dim)
{
	if (state->dim == 0)
	{
		state->sums = MemoryContextAllocZero(state->memory, sizeof(double) * dim);
		state->dim = dim;
	}
	if (state->dim != dim)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("expected %d dimensions, not %d", state->dim, dim)));
}

static void
add_embedding(void *argument, int row, const float *embedding, int dimensions)
{
	embed_state *state = argument;

	set_dim(state, dimensions);
	state->rows++;
	for (int i = 0; i < dimensions; i++)
		state->sums[i] += embedding[i];
}

/* Embed the pending texts. */
static void
flush_pending(FunctionCallInfo fcinfo, embed_state *state)
{
	if (state->count == 0)
		return;
	embed_texts(registry_use(fcinfo, state->model, EMBED_SETTING), state->pending, state->count,
				NULL, add_embedding, state);
	for (int i = 0; i < state->count; i++)
		pfree(state->pending[i]);
	state->count = 0;
	state->bytes = 0;
}

/* The texts that follow are for this model. */
static void
set_model(FunctionCallInfo fcinfo, embed_state *state, const text *model)
{
	if (embed_is_same_text(state->model, model))
		return;
	flush_pending(fcinfo, state);
	if (state->model != NULL)
		pfree(state->model);
	state->model = embed_copy_text(state->memory, model);
}

static void
add_pending(FunctionCallInfo fcinfo, embed_state *state, const text *input)
{
	if (state->pending == NULL)
	{
		state->allocated = 4;
		state->pending = MemoryContextAlloc(state->memory, sizeof(text *) * state->allocated);
	}
	if (state->count == state->allocated)
	{
		state->allocated *= 2;
		state->pending = repalloc(state->pending, sizeof(text *) * state->allocated);
	}
	state->pending[state->count++] = embed_copy_text(state->memory, input);
	state->bytes += VARSIZE_ANY(input);
	if (state->count >= CALL_PORTION || state->bytes >= PENDING_BYTES)
		flush_pending(fcinfo, state);
}

static MemoryContext
aggregate_memory(FunctionCallInfo fcinfo)
{
	MemoryContext memory;

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "aggregate function called in non-aggregate context");
	return memory;
}

/* Arguments: state, then model and input, or input alone.  A row with a NULL adds nothing. */
PG_FUNCTION_INFO_V1(tfm_embed_agg_accum);
Datum
tfm_embed_agg_accum(PG_FUNCTION_ARGS)
{
	MemoryContext memory = aggregate_memory(fcinfo);
	embed_state *state = PG_ARGISNULL(0) ? NULL : (embed_state *) PG_GETARG_POINTER(0);
	int input = PG_NARGS() - 1;

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(input))
	{
		if (state == NULL)
			state = new_state(memory);
		set_model(fcinfo, state, input == 1 ? NULL : PG_GETARG_TEXT_PP(1));
		add_pending(fcinfo, state, PG_GETARG_TEXT_PP(input));
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(tfm_embed_agg_combine);
Datum
tfm_embed_agg_combine(PG_FUNCTION_ARGS)
{
	MemoryContext memory = aggregate_memory(fcinfo);
	embed_state *state = PG_ARGISNULL(0) ? NULL : (embed_state *) PG_GETARG_POINTER(0);
	embed_state *other = PG_ARGISNULL(1) ? NULL : (embed_state *) PG_GETARG_POINTER(1);

	if (other != NULL)
	{
		flush_pending(fcinfo, other);
		if (state == NULL)
			state = new_state(memory);
		set_dim(state, other->dim);
		state->rows += other->rows;
		for (int i = 0; i < other->dim; i++)
			state->sums[i] += other->sums[i];
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

/* What a parallel worker hands over: int64 rows, int32 dimensions, float8 sums. */
PG_FUNCTION_INFO_V1(tfm_embed_agg_serialize);
Datum
tfm_embed_agg_serialize(PG_FUNCTION_ARGS)
{
	embed_state *state = (embed_state *) PG_GETARG_POINTER(0);
	StringInfoData message;

	aggregate_memory(fcinfo);
	flush_pending(fcinfo, state);
	pq_begintypsend(&message);
	pq_sendint64(&message, state->rows);
	pq_sendint32(&message, state->dim);
	for (int i = 0; i < state->dim; i++)
		pq_sendfloat8(&message, state->sums[i]);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

PG_FUNCTION_INFO_V1(tfm_embed_agg_deserialize);
Datum
tfm_embed_agg_deserialize(PG_FUNCTION_ARGS)
{
	bytea *bytes = PG_GETARG_BYTEA_PP(0);
	embed_state *state = new_state(CurrentMemoryContext);
	StringInfoData message;

	aggregate_memory(fcinfo);
	initStringInfo(&message);
	appendBinaryStringInfo(&message, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	state->rows = pq_getmsgint64(&message);
	set_dim(state, pq_getmsgint(&message, sizeof(int32)));
	for (int i = 0; i < state->dim; i++)
		state->sums[i] = pq_getmsgfloat8(&message);
	pq_getmsgend(&message);
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(tfm_embed_agg_average);
Datum
tfm_embed_agg_average(PG_FUNCTION_ARGS)
{
	embed_state *state;
	TfmVector *average;

	aggregate_memory(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (embed_state *) PG_GETARG_POINTER(0);
	flush_pending(fcinfo, state);
	average = vector_new(state->dim);
	for (int i = 0; i < state->dim; i++)
		average->x[i] = (float) (state->sums[i] / state->rows);
	PG_RETURN_VECTOR_P(average);
}
