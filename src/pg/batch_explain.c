/*
 * batch_explain.c
 *	  What EXPLAIN shows of the batching scan.
 *
 * Under a parallel query each worker counts into the query's shared memory, and the leader adds
 * that up before the memory goes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/batch.h"

#include "access/parallel.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/ruleutils.h"

#include "pg/backend.h"
#include "pg/call.h"

/* ---- Counts of workers ---- */

Size
batch_estimate_shared(CustomScanState *node, ParallelContext *parallel)
{
	return offsetof(batch_shared, counts) + sizeof(batch_counts) * (Size) parallel->nworkers;
}

void
batch_begin_shared(CustomScanState *node, ParallelContext *parallel, void *memory)
{
	batch_state *state = (batch_state *) node;

	state->shared = memory;
	memset(memory, 0, batch_estimate_shared(node, parallel));
	state->shared->workers = parallel->nworkers;
}

/* Workers of another round go on where those before them stopped. */
void
batch_rescan_shared(CustomScanState *node, ParallelContext *parallel, void *memory)
{
}

void
batch_join_shared(CustomScanState *node, shm_toc *contents, void *memory)
{
	batch_state *state = (batch_state *) node;
	batch_shared *shared = memory;

	if (ParallelWorkerNumber >= shared->workers)
		return;
	state->worker_shared = &shared->counts[ParallelWorkerNumber];
	state->counts = *state->worker_shared; /* of the same worker's last round */
}

static void
add_counts(batch_counts *sum, const batch_counts *counts)
{
	sum->batches += counts->batches;
	sum->rows += counts->rows;
	sum->tokens += counts->tokens;
	sum->milliseconds += counts->milliseconds;
	sum->memory = Max(sum->memory, counts->memory);
}

void
batch_end_shared(CustomScanState *node)
{
	batch_state *state = (batch_state *) node;

	if (state->shared == NULL)
		return;
	for (int i = 0; i < state->shared->workers; i++)
		add_counts(&state->worker_counts, &state->shared->counts[i]);
	state->shared = NULL;
}

void
batch_share_counts(batch_state *state)
{
	if (state->worker_shared != NULL)
		*state->worker_shared = state->counts;
}

/* ---- EXPLAIN ---- */

static List *
find_calls(const batch_state *state)
{
	const CustomScan *plan = (CustomScan *) state->scan.ss.ps.plan;
	List *calls = NIL;
	ListCell *cell;

	for_each_from(cell, plan->custom_scan_tlist, state->columns) calls =
		lappend(calls, lfirst_node(TargetEntry, cell)->expr);
	return calls;
}

/* Without the options at its end that are not given. */
static FuncExpr *
shorten(const FuncExpr *call)
{
	FuncExpr *copy = copyObject((FuncExpr *) call);

	while (copy->args != NIL && IsA(llast(copy->args), Const) &&
		   llast_node(Const, copy->args)->constisnull)
		copy->args = list_truncate(copy->args, list_length(copy->args) - 1);
	return copy;
}

/* The model of a call as far as it is known before it is run; else NULL. */
static const char *
name_model(const FuncExpr *call)
{
	const call_function *function = call_find(call->funcid);
	const Const *argument;

	if (function == NULL)
		return NULL;
	if (function->setting != NULL)
		return GetConfigOption(function->setting, true, false);
	argument = list_nth(call->args, function->model);
	return IsA(argument, Const) && !argument->constisnull
			   ? TextDatumGetCString(argument->constvalue)
			   : NULL;
}

static void
explain_calls(const batch_state *state, List *ancestors, ExplainState *es)
{
	List *context = set_deparse_context_plan(es->deparse_cxt, state->scan.ss.ps.plan, ancestors);
	bool prefix = list_length(es->rtable) > 1 || es->verbose;
	List *names = NIL, *models = NIL;
	ListCell *cell;

	foreach (cell, find_calls(state))
	{
		const FuncExpr *call = lfirst_node(FuncExpr, cell);
		const char *model = name_model(call);

		names = lappend(names, deparse_expression((Node *) shorten(call), context, prefix, false));
		if (model != NULL && model[0] != '\0')
			models = list_append_unique(models, makeString(pstrdup(model)));
	}
	ExplainPropertyList("Calls", names, es);
	foreach (cell, models)
		lfirst(cell) = strVal(lfirst(cell));
	if (models != NIL)
		ExplainPropertyList("Models", models, es);
}

static void
explain_counts(const batch_counts *counts, ExplainState *es)
{
	int64 kilobytes = (int64) (counts->memory + 1023) / 1024;

	if (es->format != EXPLAIN_FORMAT_TEXT)
	{
		ExplainPropertyInteger("Batches", NULL, counts->batches, es);
		ExplainPropertyInteger("Computed", NULL, counts->rows, es);
		ExplainPropertyInteger("Tokens", NULL, counts->tokens, es);
		if (es->timing)
			ExplainPropertyFloat("Model Time", "ms", counts->milliseconds, 3, es);
		ExplainPropertyInteger("Peak Memory Usage", "kB", kilobytes, es);
		return;
	}
	appendStringInfoSpaces(es->str, es->indent * 2);
	appendStringInfo(es->str,
					 "Batches: " INT64_FORMAT "  Computed: " INT64_FORMAT "  Tokens: " INT64_FORMAT,
					 counts->batches, counts->rows, counts->tokens);
	if (es->timing)
		appendStringInfo(es->str, "  Model Time: %.3f ms", counts->milliseconds);
	appendStringInfo(es->str, "  Memory Usage: " INT64_FORMAT "kB\n", kilobytes);
}

void
batch_explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	const batch_state *state = (batch_state *) node;
	batch_counts counts = state->counts;

	explain_calls(state, ancestors, es);
	ExplainPropertyInteger("Batch Tokens", NULL, tfm_backend.batch_tokens, es);
	if (!es->analyze)
		return;
	add_counts(&counts, &state->worker_counts);
	explain_counts(&counts, es);
}
