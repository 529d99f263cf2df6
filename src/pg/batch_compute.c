/*
 * batch_compute.c
 *	  The rows of a batch, and the calls that are computed for them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/batch.h"

#include "access/relscan.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/clock.h"
#include "pg/backend.h"

/* ---- Rows ---- */

TupleTableSlot *
batch_load_row(batch_state *state, const batch_row *row)
{
	TupleTableSlot *slot = state->scan.ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, row->values, sizeof(Datum) * (Size) state->width);
	memcpy(slot->tts_isnull, row->nulls, sizeof(bool) * (Size) state->width);
	ExecStoreVirtualTuple(slot);
	slot->tts_tid = row->place;
	slot->tts_tableOid = row->table;
	return slot;
}

/* Where the child's tuple is stored, if the child scans a table. */
static void
note_place(const batch_state *state, batch_row *row)
{
	Relation table = state->scan.ss.ss_currentRelation;
	PlanState *child = outerPlanState(state);

	ItemPointerSetInvalid(&row->place);
	row->table = table != NULL ? RelationGetRelid(table) : InvalidOid;
	if (table == NULL)
		return;
	if (!IsA(child, IndexOnlyScanState))
		row->place = ((ScanState *) child)->ss_ScanTupleSlot->tts_tid;
	else if (((IndexOnlyScanState *) child)->ioss_ScanDesc != NULL)
		row->place = ((IndexOnlyScanState *) child)->ioss_ScanDesc->xs_heaptid;
}

Size
batch_keep_row(batch_state *state, TupleTableSlot *slot, batch_row *row)
{
	MinimalTuple tuple = ExecCopySlotMinimalTuple(slot);

	row->values = palloc0(sizeof(Datum) * (Size) state->width);
	row->nulls = palloc(sizeof(bool) * (Size) state->width);
	row->arguments = palloc0(sizeof(NullableDatum *) * (Size) state->call_count);
	row->alive = true;
	note_place(state, row);
	memset(row->nulls, true, (Size) state->width);
	ExecStoreMinimalTuple(tuple, state->minimal, false);
	slot_getallattrs(state->minimal);
	memcpy(row->values, state->minimal->tts_values, sizeof(Datum) * (Size) state->columns);
	memcpy(row->nulls, state->minimal->tts_isnull, sizeof(bool) * (Size) state->columns);
	ExecClearTuple(state->minimal);
	return tuple->t_len;
}

/* ---- Computing ---- */

static NullableDatum
evaluate_argument(const batch_argument *argument, ExprContext *context)
{
	NullableDatum value;

	value.value = ExecEvalExprSwitchContext(argument->expression, context, &value.isnull);
	if (argument->passing && !value.isnull && !argument->by_value)
	{
		MemoryContext caller = MemoryContextSwitchTo(context->ecxt_per_tuple_memory);

		value.value = datumCopy(value.value, false, argument->length);
		MemoryContextSwitchTo(caller);
	}
	return value;
}

/* The arguments of a call for a row, NULL where it is not wanted or NULL anyway. */
static NullableDatum *
evaluate_arguments(batch_state *state, const batch_call *call, const batch_row *row)
{
	ExprContext *context = state->context;
	NullableDatum *values;
	bool is_null;

	context->ecxt_scantuple = batch_load_row(state, row);
	if (call->guard != NULL &&
		(!DatumGetBool(ExecEvalExprSwitchContext(call->guard, context, &is_null)) || is_null))
		return NULL;
	values = MemoryContextAlloc(context->ecxt_per_tuple_memory,
								sizeof(NullableDatum) * (Size) call->argument_count);
	for (int i = 0; i < call->argument_count; i++)
	{
		values[i] = evaluate_argument(&call->arguments[i], context);
		if (values[i].isnull && call->strict)
			return NULL;
	}
	return values;
}

/* What a batch has to compute of a call: rows with the same arguments have one computation. */
typedef struct portion
{
	batch_row **rows; /* [row_count] */
	int *numbers;	  /* [row_count] of the row's computation */
	int row_count;
	call_arguments *arguments; /* [count] */
	NullableDatum *results;	   /* [count] */
	int count;
	int *table; /* computations by the hash of their arguments, from 1; 0: free */
	uint32 table_mask;
} portion;

static portion
make_portion(int rows)
{
	uint32 size = pg_nextpower2_32((uint32) rows * 2);

	return (portion) {
		.rows = palloc(sizeof(batch_row *) * (Size) rows),
		.numbers = palloc(sizeof(int) * (Size) rows),
		.arguments = palloc(sizeof(call_arguments) * (Size) rows),
		.results = palloc(sizeof(NullableDatum) * (Size) rows),
		.table = palloc0(sizeof(int) * size),
		.table_mask = size - 1,
	};
}

static uint32
hash_arguments(const batch_call *call, const NullableDatum *values)
{
	uint32 hash = 0;

	for (int i = 0; i < call->argument_count; i++)
	{
		const batch_argument *argument = &call->arguments[i];

		hash = hash_combine(
			hash, values[i].isnull
					  ? 1
					  : datum_image_hash(values[i].value, argument->by_value, argument->length));
	}
	return hash;
}

static bool
same_arguments(const batch_call *call, const NullableDatum *a, const NullableDatum *b)
{
	for (int i = 0; i < call->argument_count; i++)
	{
		const batch_argument *argument = &call->arguments[i];

		if (a[i].isnull != b[i].isnull ||
			(!a[i].isnull &&
			 !datum_image_eq(a[i].value, b[i].value, argument->by_value, argument->length)))
			return false;
	}
	return true;
}

/* The computation of these arguments, a new one if there is none. */
static int
find_computation(portion *todo, const batch_call *call, const NullableDatum *values)
{
	uint32 place = hash_arguments(call, values) & todo->table_mask;

	for (; todo->table[place] != 0; place = (place + 1) & todo->table_mask)
		if (same_arguments(call, todo->arguments[todo->table[place] - 1].values, values))
			return todo->table[place] - 1;
	todo->arguments[todo->count] = (call_arguments) {values, call->argument_count};
	todo->table[place] = ++todo->count;
	return todo->count - 1;
}

static portion
collect_rows(batch_state *state, const batch_call *call, batch_row *rows, int count)
{
	portion todo = make_portion(count);

	for (int i = 0; i < count; i++)
	{
		NullableDatum *values;

		if (!rows[i].alive)
			continue;
		values = call->early ? rows[i].arguments[call - state->calls]
							 : evaluate_arguments(state, call, &rows[i]);
		if (values == NULL)
			continue;
		todo.rows[todo.row_count] = &rows[i];
		todo.numbers[todo.row_count++] = find_computation(&todo, call, values);
	}
	return todo;
}

/* The number of rows from first on that have tokens for one computation; at least one. */
static int
count_affordable(const batch_call *call, const portion *todo, int first)
{
	int64 tokens = 0;
	int i = first;

	while (i < todo->count && (i == first || tokens < tfm_backend.batch_tokens))
		tokens += call_estimate_tokens(call->function, &todo->arguments[i++]);
	return i - first;
}

static bool
call_model(batch_state *state, const batch_call *call, const portion *todo, int first, int count,
		   bool lenient)
{
	int64 tokens = call->site->usage.tokens;
	double started = clock_now();
	bool computed;

	computed =
		call_rows(call->site, todo->arguments + first, count, lenient, todo->results + first);
	state->counts.milliseconds += 1000 * (clock_now() - started);
	state->counts.tokens += call->site->usage.tokens - tokens;
	if (computed)
		state->counts.rows += count;
	return computed;
}

/* Compute the column of a call. */
static bool
compute_call(batch_state *state, const batch_call *call, batch_row *rows, int count, bool lenient)
{
	portion todo = collect_rows(state, call, rows, count);

	for (int first = 0, some; first < todo.count; first += some)
	{
		some = count_affordable(call, &todo, first);
		if (!call_model(state, call, &todo, first, some, lenient))
			return false;
	}
	for (int i = 0; i < todo.row_count; i++)
	{
		todo.rows[i]->values[call->column] = todo.results[todo.numbers[i]].value;
		todo.rows[i]->nulls[call->column] = todo.results[todo.numbers[i]].isnull;
	}
	return true;
}

static void
filter_rows(batch_state *state, ExprState *filter, batch_row *rows, int count)
{
	ExprContext *context = state->scan.ss.ps.ps_ExprContext;

	for (int i = 0; i < count; i++)
	{
		if (!rows[i].alive)
			continue;
		CHECK_FOR_INTERRUPTS();
		ResetExprContext(context);
		context->ecxt_scantuple = batch_load_row(state, &rows[i]);
		rows[i].alive = ExecQual(filter, context);
		if (!rows[i].alive)
			InstrCountFiltered1(state, 1);
	}
	ResetExprContext(context);
}

bool
batch_compute_rows(batch_state *state, batch_row *rows, int count, bool lenient)
{
	MemoryContext caller = MemoryContextSwitchTo(state->context->ecxt_per_tuple_memory);
	bool good = true;
	int call = 0;

	for (int i = 0; i < state->stage_count && good; i++)
	{
		const batch_stage *stage = &state->stages[i];

		for (; call < stage->calls_end && good; call++)
			good = compute_call(state, &state->calls[call], rows, count, lenient);
		if (good && stage->filter != NULL)
			filter_rows(state, stage->filter, rows, count);
	}
	MemoryContextSwitchTo(caller);
	state->counts.memory =
		Max(state->counts.memory,
			MemoryContextMemAllocated(state->context->ecxt_per_tuple_memory, true));
	batch_share_counts(state);
	return good;
}

int64
batch_prepare_row(batch_state *state, batch_row *row, int64 *tokens)
{
	int64 most = 0;

	for (int i = 0; i < state->call_count; i++)
	{
		const batch_call *call = &state->calls[i];

		if (!call->early)
			continue;
		row->arguments[i] = evaluate_arguments(state, call, row);
		if (row->arguments[i] != NULL)
		{
			call_arguments arguments = {row->arguments[i], call->argument_count};

			tokens[i] += call_estimate_tokens(call->function, &arguments);
		}
		most = Max(most, tokens[i]);
	}
	return most;
}
