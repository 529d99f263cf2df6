/*
 * batch_plan.c
 *	  Putting the batching scan into plans.
 *
 * What the planner has made is walked from the leaves up.  Where a node evaluates calls of models
 * (batch_hoist.c), a scan is put
 *
 * - above it, for its target list and filter: the node then gives the columns that these are made
 *   of, and keeps the part of the filter that comes before the first call; or
 * - below it, for what it does with rows that it takes in (arguments of aggregates, window functions
 *   and set-returning functions): the scan then passes the child's columns on and adds its own
 *   (batch_place.c for both, batch_join.c for joins and what is appended).
 *
 * All else stays as the planner has made it; whatever is not known here is left alone, and computes
 * row by row.
 *
 * A session that has not preloaded the library loads it while it plans its first statement with one
 * of our functions, which are asked what they cost.  Then it is too late for the planner's hook, so
 * that the statements of that moment get their scans where their execution starts.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/batch_place.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/clauses.h"
#include "optimizer/planmain.h"
#include "optimizer/planner.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"

#include "pg/backend.h"

/* ---- Walking plans ---- */

static bool
is_constant(Node *expression, const List *subplans)
{
	return expression == NULL ||
		   (!contain_subplans(expression) && !batch_contains_volatile(expression, subplans));
}

static batch_demand
demand_of_limit(const batch_rewriter *to, const Limit *limit, const batch_demand *asked)
{
	batch_demand child = {.parallel = asked->parallel};
	const List *subplans = to->statement->subplans;

	if (limit->limitCount == NULL)
		child.all = asked->all;
	else if (limit->limitOption == LIMIT_OPTION_COUNT && is_constant(limit->limitCount, subplans) &&
			 is_constant(limit->limitOffset, subplans))
	{
		child.count = limit->limitCount;
		child.offset = limit->limitOffset;
	}
	return child;
}

/* What a node asks of its child, or of all its children alike. */
static batch_demand
demand_on_child(const batch_rewriter *to, Plan *plan, const batch_demand *asked)
{
	batch_demand some = {.parallel = asked->parallel}, all = some, same = *asked;

	all.all = true;
	same.count = same.offset = NULL;
	switch (nodeTag(plan))
	{
		case T_Limit:
			return demand_of_limit(to, (Limit *) plan, asked);
		case T_Sort:
		case T_Hash:
		case T_ModifyTable:
			return all;
		case T_Agg:
			return ((Agg *) plan)->aggstrategy == AGG_SORTED ? same : all;
		case T_Result:
		case T_SubqueryScan:
			return plan->qual == NIL ? *asked : same;
		case T_Gather:
		case T_GatherMerge:
			same = *asked;
			same.parallel = true;
			return same;
		case T_Append:
		case T_MergeAppend:
		case T_Material:
			return *asked;
		case T_ProjectSet:
		case T_WindowAgg:
		case T_Unique:
		case T_LockRows:
		case T_Group:
		case T_IncrementalSort:
		case T_RecursiveUnion:
		case T_NestLoop: /* its outer side */
			return same;
		default:
			return some;
	}
}

static Plan *rewrite_plan(batch_rewriter *to, Plan *plan, batch_demand asked);

static void
rewrite_list(batch_rewriter *to, List *plans, batch_demand asked)
{
	ListCell *cell;

	foreach (cell, plans)
		lfirst(cell) = rewrite_plan(to, lfirst(cell), asked);
}

static Plan *
materialize(batch_rewriter *to, Plan *plan)
{
	Plan *material = materialize_finished_plan(plan);

	material->plan_node_id = ++to->last_node_id;
	return material;
}

/* The inner side of a join, which may be read again and again, to any point. */
static void
rewrite_inner(batch_rewriter *to, Plan *plan, bool parallel)
{
	batch_demand asked = {.parallel = parallel, .all = IsA(plan->righttree, Hash)};
	int last_node_id = to->last_node_id;

	plan->righttree = rewrite_plan(to, plan->righttree, asked);
	if (IsA(plan, MergeJoin) && !((MergeJoin *) plan)->skip_mark_restore &&
		to->last_node_id != last_node_id && !IsA(plan->righttree, Sort) &&
		!IsA(plan->righttree, Material))
		plan->righttree = materialize(to, plan->righttree);
}

static void
rewrite_children(batch_rewriter *to, Plan *plan, const batch_demand *asked)
{
	batch_demand child = demand_on_child(to, plan, asked);

	if (plan->lefttree != NULL)
		plan->lefttree = rewrite_plan(to, plan->lefttree, child);
	if (plan->righttree != NULL)
		rewrite_inner(to, plan, asked->parallel);
	if (IsA(plan, Append))
		rewrite_list(to, ((Append *) plan)->appendplans, child);
	else if (IsA(plan, MergeAppend))
		rewrite_list(to, ((MergeAppend *) plan)->mergeplans, child);
	else if (IsA(plan, SubqueryScan))
		((SubqueryScan *) plan)->subplan =
			rewrite_plan(to, ((SubqueryScan *) plan)->subplan, child);
}

/* Put scans into a plan; returns what takes its place. */
static Plan *
rewrite_plan(batch_rewriter *to, Plan *plan, batch_demand asked)
{
	batch_demand child;

	check_stack_depth();
	if (IsA(plan, CustomScan) ||
		(IsA(plan, ForeignScan) && ((ForeignScan *) plan)->operation != CMD_SELECT))
		return plan; /* what is below is known to its owner alone */
	rewrite_children(to, plan, &asked);
	switch (nodeTag(plan))
	{
		case T_Agg:
		case T_WindowAgg:
			child = demand_on_child(to, plan, &asked);
			batch_scan_below(to, plan, &child);
			return batch_scan_above(to, plan, asked);
		case T_ProjectSet:
			child = demand_on_child(to, plan, &asked);
			batch_scan_below(to, plan, &child);
			return plan;
		case T_Append:
			return batch_lift_scans((Append *) plan);
		case T_NestLoop:
		case T_HashJoin:
			batch_scan_beside(to, plan, false, asked.parallel);
			batch_scan_beside(to, plan, true, asked.parallel);
			return batch_scan_above(to, plan, asked);
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_SubqueryScan:
		case T_FunctionScan:
		case T_ValuesScan:
		case T_TableFuncScan:
		case T_CteScan:
		case T_NamedTuplestoreScan:
		case T_WorkTableScan:
		case T_ForeignScan:
		case T_MergeJoin:
		case T_Group:
		case T_Gather:
		case T_GatherMerge:
		case T_Result:
			return batch_scan_above(to, plan, asked);
		default:
			return plan;
	}
}

static int
find_last_node_id(Plan *plan)
{
	int last = plan->plan_node_id;
	ListCell *cell;

	check_stack_depth();
	foreach (cell, batch_child_plans(plan))
		last = Max(last, find_last_node_id(lfirst(cell)));
	return last;
}

bool
batch_rewrite_plan(PlannedStmt *statement)
{
	batch_rewriter to = {.statement = statement};
	batch_demand asked = {0};
	ListCell *cell;
	int last_node_id;

	if (statement->planTree == NULL)
		return false;
	to.last_node_id = find_last_node_id(statement->planTree);
	foreach (cell, statement->subplans)
		if (lfirst(cell) != NULL)
			to.last_node_id = Max(to.last_node_id, find_last_node_id(lfirst(cell)));
	last_node_id = to.last_node_id;
	foreach (cell, statement->subplans)
		if (lfirst(cell) != NULL)
			lfirst(cell) = rewrite_plan(&to, lfirst(cell), asked);
	statement->planTree = rewrite_plan(&to, statement->planTree, asked);
	return to.last_node_id != last_node_id;
}

/* ---- Hooks ---- */

static planner_hook_type next_planner;
static ExecutorStart_hook_type next_executor_start;

/* The start of the statement that has loaded the library. */
static TimestampTz loaded_by;

/*
 * A cursor that could go backward before must do so still.  The option FAST_PLAN is what tells a
 * cursor's plan from others.
 */
static void
keep_backward_scan(PlannedStmt *statement, bool backward, int options)
{
	batch_rewriter to = {.statement = statement};

	if (!backward || ExecSupportsBackwardScan(statement->planTree))
		return;
	if ((options & CURSOR_OPT_SCROLL) ||
		((options & CURSOR_OPT_FAST_PLAN) && !(options & CURSOR_OPT_NO_SCROLL)))
	{
		to.last_node_id = find_last_node_id(statement->planTree);
		statement->planTree = materialize(&to, statement->planTree);
	}
}

static PlannedStmt *
plan_statement(Query *query, const char *text, int options, ParamListInfo parameters)
{
	PlannedStmt *statement;
	bool backward;

	if (tfm_backend.batching)
		batch_fold_values(query, parameters);
	statement = next_planner != NULL ? next_planner(query, text, options, parameters)
									 : standard_planner(query, text, options, parameters);
	if (!tfm_backend.batching || statement->planTree == NULL)
		return statement;
	backward = ExecSupportsBackwardScan(statement->planTree);
	batch_rewrite_plan(statement);
	keep_backward_scan(statement, backward, options);
	return statement;
}

/*
 * Statements that were being planned when the library was loaded; those that the planner's hook has
 * seen do not change any more.  Plans that are kept for later are made anew then.  A cursor that may
 * go backward stays as it is: it is too late to change its mind.
 */
static void
start_executor(QueryDesc *query, int flags)
{
	if (loaded_by != 0 && loaded_by == GetCurrentStatementStartTimestamp() &&
		tfm_backend.batching && !IsParallelWorker() && !(flags & EXEC_FLAG_BACKWARD))
	{
		PlannedStmt *copy = copyObject(query->plannedstmt);

		if (batch_rewrite_plan(copy))
		{
			query->plannedstmt = copy;
			ResetPlanCache();
		}
	}
	if (next_executor_start != NULL)
		next_executor_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

void
batch_install(void)
{
	RegisterCustomScanMethods(&batch_scan_methods);
	next_planner = planner_hook;
	planner_hook = plan_statement;
	if (process_shared_preload_libraries_in_progress)
		return;
	loaded_by = GetCurrentStatementStartTimestamp();
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
}
