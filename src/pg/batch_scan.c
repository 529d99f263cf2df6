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

#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "common/int.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "pg/backend.h"
#include "pg/call.h"

/* Rows of a batch, at most: more of the shortest texts fill no pass better. */
#define ROWS_MAX 1024

/* Of the first batch, at most, under a LIMIT: it is likely that all are wanted. */
#define LIMITED_ROWS 32

/* ---- Batches ---- */

static int64
evaluate_limit(batch_state *state, ExprState *limit, int64 fallback)
{
	bool is_null;
	Datum value;

	value = ExecEvalExprSwitchContext(limit, state->scan.ss.ps.ps_ExprContext, &is_null);
	return is_null ? fallback : DatumGetInt64(value);
}

/*
 * How many rows a LIMIT above asks for; it has checked its numbers itself.  With a filter more may be
 * needed, and not fewer.
 */
static void
start_scan(batch_state *state)
{
	int64 count = evaluate_limit(state, state->limit_count, -1);
	int64 offset = evaluate_limit(state, state->limit_offset, 0);
	int64 rows = -1;

	if (count < 0 || offset < 0 || pg_add_s64_overflow(count, offset, &rows))
		rows = -1;
	if (rows > 0)
		state->size = Max(state->size, (int) Min(rows, LIMITED_ROWS));
	state->started = true;
	state->wanted = state->scan.ss.ps.qual == NULL ? rows : -1;
	ExecSetTupleBound(state->wanted, outerPlanState(state));
}

/* A row of the child joins the batch; returns how many bytes it takes. */
static Size
add_row(batch_state *state, TupleTableSlot *slot, int64 *tokens, int64 *most_tokens)
{
	MemoryContext caller = MemoryContextSwitchTo(state->context->ecxt_per_tuple_memory);
	batch_row *row = &state->rows[state->row_count++];
	Size bytes = batch_keep_row(state, slot, row);

	*most_tokens = batch_prepare_row(state, row, tokens);
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
	state->singly = !batch_compute_rows(state, state->rows, state->row_count, state->row_count > 1);
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
			batch_compute_rows(state, row, 1, false);
		if (!row->alive)
			continue;
		ResetExprContext(context);
		context->ecxt_scantuple = batch_load_row(state, row);
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
