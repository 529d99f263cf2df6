/*
 * batch_scan.c
 *	  The scan that computes calls of models for many rows at once.
 *
 * It reads rows of its child until their calls have tfm.batch_tokens tokens, or they take work_mem,
 * or no more are asked for; computes the calls, each for all rows together (call.h); and hands the
 * rows out in their order.  Batches grow from one row, so that who wants one row waits for one, save
 * where it is known that all are wanted.
 *
 * The filter is applied as soon as its calls are known, so that what comes after it is computed for
 * the rows that it lets pass.  An error of a call is thrown when its row is handed out: a batch that
 * cannot be computed together is computed row by row.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/batch.h"

#include "access/relscan.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "common/hashfn.h"
#include "common/int.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "port/pg_bitutils.h"
#include "utils/acl.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "pg/backend.h"
#include "pg/call.h"

/* Rows of a batch, at most: more of the shortest texts fill no pass better. */
#define ROWS_MAX 1024

/* Of the first batch, at most, under a LIMIT: it is likely that all are wanted. */
#define LIMITED_ROWS 32

/* An argument of a call. */
typedef struct batch_argument
{
	ExprState *expression;
	bool passing; /* a subplan gives it, which forgets it when it is evaluated again */
	int16 length;
	bool by_value;
} batch_argument;

/* A call, computed into a column. */
struct batch_call
{
	const call_function *function;
	call_site *site;
	bool strict;			   /* the function is NULL if any argument is */
	int column;				   /* from 0 */
	ExprState *guard;		   /* NULL: always computed */
	batch_argument *arguments; /* [argument_count] */
	int argument_count;
	bool early; /* neither guard nor arguments wait for other calls or the filter */
};

/* Some calls, and a part of the filter after them. */
struct batch_stage
{
	int calls_end;	   /* they begin where the stage before ends */
	ExprState *filter; /* NULL: all rows pass */
};

/* A row of the child that waits. */
struct batch_row
{
	Datum *values; /* [width] */
	bool *nulls;
	NullableDatum **arguments; /* [call_count] of early calls; NULL: the call is not wanted */
	bool alive;				   /* the filter has not refused it */
	ItemPointerData place;	   /* of the child's tuple, for WHERE CURRENT OF */
	Oid table;
};

/* ---- Rows ---- */

/* Make a row the scan's tuple. */
static TupleTableSlot *
load_row(batch_state *state, const batch_row *row)
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
	if (IsA(child, IndexOnlyScanState))
		row->place = ((IndexOnlyScanState *) child)->ioss_ScanDesc->xs_heaptid;
	else
		row->place = ((ScanState *) child)->ss_ScanTupleSlot->tts_tid;
}

/* Keep a row of the child in the memory of the batch; returns its size. */
static Size
keep_row(batch_state *state, TupleTableSlot *slot, batch_row *row)
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

	context->ecxt_scantuple = load_row(state, row);
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
	instr_time started, ended;
	bool computed;

	INSTR_TIME_SET_CURRENT(started);
	computed =
		call_rows(call->site, todo->arguments + first, count, lenient, todo->results + first);
	INSTR_TIME_SET_CURRENT(ended);
	INSTR_TIME_SUBTRACT(ended, started);
	state->counts.milliseconds += INSTR_TIME_GET_MILLISEC(ended);
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
		context->ecxt_scantuple = load_row(state, &rows[i]);
		rows[i].alive = ExecQual(filter, context);
		if (!rows[i].alive)
			InstrCountFiltered1(state, 1);
	}
	ResetExprContext(context);
}

/* All stages for some rows; false, without having thrown it, if one of them has an error. */
static bool
compute_rows(batch_state *state, batch_row *rows, int count, bool lenient)
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

/* ---- Batches ---- */

static int64
evaluate_limit(batch_state *state, ExprState *limit, int64 fallback)
{
	bool is_null;
	Datum value;

	value = ExecEvalExprSwitchContext(limit, state->scan.ss.ps.ps_ExprContext, &is_null);
	return is_null ? fallback : DatumGetInt64(value);
}

/* How many rows a LIMIT above asks for; it has checked its numbers itself. */
static void
start_scan(batch_state *state)
{
	int64 count = evaluate_limit(state, state->limit_count, -1);
	int64 offset = evaluate_limit(state, state->limit_offset, 0);

	state->started = true;
	state->wanted = -1;
	if (count < 0 || offset < 0 || pg_add_s64_overflow(count, offset, &state->wanted))
		state->wanted = -1;
	if (state->wanted > 0)
		state->size = Max(state->size, (int) Min(state->wanted, LIMITED_ROWS));
	ExecSetTupleBound(state->wanted, outerPlanState(state));
}

/* The arguments of calls that need nothing but the row; returns the most tokens of a call. */
static int64
prepare_row(batch_state *state, batch_row *row, int64 *tokens)
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

/* A row of the child joins the batch; returns how many bytes it takes. */
static Size
add_row(batch_state *state, TupleTableSlot *slot, int64 *tokens, int64 *most_tokens)
{
	MemoryContext caller = MemoryContextSwitchTo(state->context->ecxt_per_tuple_memory);
	batch_row *row = &state->rows[state->row_count++];
	Size bytes = keep_row(state, slot, row);

	*most_tokens = prepare_row(state, row, tokens);
	MemoryContextSwitchTo(caller);
	return bytes;
}

/*
 * Read rows of the child, as many as are worth to be computed together.  The child runs in the
 * caller's memory, since it may keep some.
 */
static void
read_rows(batch_state *state)
{
	MemoryContext memory = state->context->ecxt_per_tuple_memory;
	int64 *tokens = MemoryContextAllocZero(memory, sizeof(int64) * (Size) state->call_count);
	int most = state->wanted >= 0 ? (int) Min(state->size, state->wanted) : state->size;
	int64 most_tokens = 0;
	Size bytes = 0;

	state->rows = MemoryContextAlloc(memory, sizeof(batch_row) * (Size) most);
	while (state->row_count < most && most_tokens < tfm_backend.batch_tokens &&
		   bytes < (Size) work_mem * 1024)
	{
		TupleTableSlot *slot = ExecProcNode(outerPlanState(state));

		if (TupIsNull(slot))
		{
			state->ended = true;
			break;
		}
		bytes += add_row(state, slot, tokens, &most_tokens);
	}
	if (state->wanted >= 0)
		state->wanted -= state->row_count;
	state->size = Min(state->size * 2, ROWS_MAX);
}

/* The next batch; false if there are no more rows. */
static bool
next_batch(batch_state *state)
{
	ResetExprContext(state->context);
	state->row_count = state->next = 0;
	if (!state->started)
		start_scan(state);
	if (state->ended || state->wanted == 0)
		return false;
	read_rows(state);
	if (state->row_count == 0)
		return false;
	state->singly = !compute_rows(state, state->rows, state->row_count, state->row_count > 1);
	state->counts.batches++;
	return true;
}

static TupleTableSlot *
scan_next(CustomScanState *node)
{
	batch_state *state = (batch_state *) node;
	ExprContext *context = node->ss.ps.ps_ExprContext;

	for (;;)
	{
		batch_row *row;

		if (state->next >= state->row_count)
		{
			if (!next_batch(state))
				return ExecClearTuple(node->ss.ss_ScanTupleSlot);
			continue;
		}
		row = &state->rows[state->next++];
		if (row->alive && state->singly)
			compute_rows(state, row, 1, false);
		if (!row->alive)
			continue;
		ResetExprContext(context);
		context->ecxt_scantuple = load_row(state, row);
		return node->ss.ps.ps_ProjInfo != NULL ? ExecProject(node->ss.ps.ps_ProjInfo)
											   : context->ecxt_scantuple;
	}
}

/* ---- Beginning and ending ---- */

static void
check_permission(Oid function_oid)
{
#if PG_VERSION_NUM >= 160000
	AclResult result = object_aclcheck(ProcedureRelationId, function_oid, GetUserId(), ACL_EXECUTE);
#else
	AclResult result = pg_proc_aclcheck(function_oid, GetUserId(), ACL_EXECUTE);
#endif

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FUNCTION, get_func_name(function_oid));
	InvokeFunctionExecuteHook(function_oid);
}

/* Whether an expression refers to no column of a call. */
static bool
refers_to_child(Node *expression, int columns)
{
	List *variables = pull_var_clause(expression, 0);
	ListCell *cell;

	foreach (cell, variables)
		if (lfirst_node(Var, cell)->varattno > columns)
			return false;
	return true;
}

static batch_call
begin_call(batch_state *state, const FuncExpr *expression, Expr *guard, int column, int after)
{
	PlanState *parent = &state->scan.ss.ps;
	bool always = IsA(guard, Const) && DatumGetBool(((Const *) guard)->constvalue);
	batch_call call = {
		.function = call_find(expression->funcid),
		.strict = func_strict(expression->funcid),
		.column = column,
		.guard = always ? NULL : ExecInitExpr(guard, parent),
		.argument_count = list_length(expression->args),
		.early = after == 0 && refers_to_child((Node *) guard, state->columns) &&
				 refers_to_child((Node *) expression->args, state->columns),
	};
	ListCell *cell;

	if (call.function == NULL)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_FUNCTION),
				errmsg("function with OID %u is no longer one of a model", expression->funcid));
	check_permission(expression->funcid);
	call.site = call_site_create(CurrentMemoryContext, call.function, expression->funcid);
	call.arguments = palloc(sizeof(batch_argument) * (Size) Max(call.argument_count, 1));
	foreach (cell, expression->args)
	{
		batch_argument *argument = &call.arguments[foreach_current_index(cell)];

		argument->expression = ExecInitExpr(lfirst(cell), parent);
		argument->passing = contain_subplans(lfirst(cell));
		get_typlenbyval(exprType(lfirst(cell)), &argument->length, &argument->by_value);
	}
	return call;
}

static void
begin_calls(batch_state *state, const CustomScan *plan)
{
	state->call_count = list_length(plan->custom_scan_tlist) - state->columns;
	state->calls = palloc(sizeof(batch_call) * (Size) state->call_count);
	for (int i = 0; i < state->call_count; i++)
	{
		TargetEntry *target =
			list_nth_node(TargetEntry, plan->custom_scan_tlist, state->columns + i);

		state->calls[i] =
			begin_call(state, (FuncExpr *) target->expr, list_nth(plan->custom_exprs, i),
					   state->columns + i, list_nth_int(plan->custom_private, BATCH_PRIVATE + i));
	}
}

/* The part of the filter between two of its members. */
static ExprState *
begin_filter(batch_state *state, List *filter, int from, int to)
{
	if (from == to)
		return NULL;
	if (to - from == list_length(filter))
		return state->scan.ss.ps.qual;
	return ExecInitQual(list_truncate(list_copy_tail(filter, from), to - from), &state->scan.ss.ps);
}

/* Stages begin where calls wait for more of the filter than those before them. */
static void
begin_stages(batch_state *state, const CustomScan *plan)
{
	List *filter = plan->scan.plan.qual;
	int done = 0;

	state->stages = palloc(sizeof(batch_stage) * (Size) (state->call_count + 1));
	for (int i = 0; i <= state->call_count; i++)
	{
		int after = i < state->call_count ? list_nth_int(plan->custom_private, BATCH_PRIVATE + i)
										  : list_length(filter);

		if (i < state->call_count && after == done)
			continue;
		state->stages[state->stage_count++] =
			(batch_stage) {.calls_end = i, .filter = begin_filter(state, filter, done, after)};
		done = after;
	}
	if (state->stages[state->stage_count - 1].calls_end < state->call_count)
		state->stages[state->stage_count++] = (batch_stage) {.calls_end = state->call_count};
}

/* The table that the child scans, if it is a plain scan: as WHERE CURRENT OF looks for it. */
static Relation
find_table(PlanState *child)
{
	switch (nodeTag(child))
	{
		case T_SeqScanState:
		case T_SampleScanState:
		case T_IndexScanState:
		case T_IndexOnlyScanState:
		case T_BitmapHeapScanState:
		case T_TidScanState:
		case T_TidRangeScanState:
			return ((ScanState *) child)->ss_currentRelation;
		default:
			return NULL;
	}
}

static void
begin_scan(CustomScanState *node, EState *estate, int flags)
{
	batch_state *state = (batch_state *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	int calls;

	/* The child need not go backward, nor be marked: this node cannot either. */
	outerPlanState(node) =
		ExecInitNode(outerPlan(plan), estate, flags & ~(EXEC_FLAG_BACKWARD | EXEC_FLAG_MARK));
	state->columns = list_nth_int(plan->custom_private, BATCH_COLUMNS);
	state->width = list_length(plan->custom_scan_tlist);
	state->eager = list_nth_int(plan->custom_private, BATCH_EAGER);
	state->size = state->eager ? ROWS_MAX : 1;
	state->minimal = ExecInitExtraTupleSlot(estate, ExecGetResultType(outerPlanState(node)),
											&TTSOpsMinimalTuple);
	state->context = CreateExprContext(estate);
	node->ss.ss_currentRelation = find_table(outerPlanState(node));
	begin_calls(state, plan);
	begin_stages(state, plan);
	calls = state->call_count;
	state->limit_count = ExecInitExpr(list_nth(plan->custom_exprs, calls), &node->ss.ps);
	state->limit_offset = ExecInitExpr(list_nth(plan->custom_exprs, calls + 1), &node->ss.ps);
}

static void
rescan(CustomScanState *node)
{
	batch_state *state = (batch_state *) node;

	ReScanExprContext(state->context);
	ExecClearTuple(node->ss.ss_ScanTupleSlot);
	state->row_count = state->next = 0;
	/* Who has read all rows once is likely to do so again. */
	if (!state->ended && !state->eager)
		state->size = 1;
	state->started = state->ended = false;
	if (outerPlanState(node)->chgParam == NULL)
		ExecReScan(outerPlanState(node));
}

static void
end_scan(CustomScanState *node)
{
	ExecEndNode(outerPlanState(node));
}

/* ---- Methods ---- */

static const CustomExecMethods execution = {
	.CustomName = BATCH_NAME,
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = scan_next,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.EstimateDSMCustomScan = batch_estimate_shared,
	.InitializeDSMCustomScan = batch_begin_shared,
	.ReInitializeDSMCustomScan = batch_rescan_shared,
	.InitializeWorkerCustomScan = batch_join_shared,
	.ShutdownCustomScan = batch_end_shared,
	.ExplainCustomScan = batch_explain,
};

static Node *
create_state(CustomScan *plan)
{
	batch_state *state = (batch_state *) newNode(sizeof(batch_state), T_CustomScanState);

	state->scan.methods = &execution;
	return (Node *) state;
}

const CustomScanMethods batch_scan_methods = {
	.CustomName = BATCH_NAME,
	.CreateCustomScanState = create_state,
};
