/*
 * batch_place.c
 *	  Putting batching scans above and below nodes of a plan.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/batch_place.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* What a filter that calls a model is thought to let pass. */
#define SELECTIVITY 0.333

/* ---- Making scans ---- */

/* The columns of a plan, and those of the calls behind them. */
static List *
make_scan_tuple(const List *targets, const batch_hoist *hoist)
{
	return batch_make_targets(list_concat(batch_child_columns(targets), hoist->calls));
}

static Node *
or_null(Node *expression)
{
	return expression != NULL ? copyObject(expression)
							  : (Node *) makeNullConst(INT8OID, -1, InvalidOid);
}

static List *
make_scan_expressions(const batch_hoist *hoist, Node *count, Node *offset)
{
	List *expressions = NIL;
	ListCell *cell;

	foreach (cell, hoist->guards)
		expressions =
			lappend(expressions, lfirst(cell) != NULL ? lfirst(cell) : makeBoolConst(true, false));
	return list_concat(expressions, list_make2(or_null(count), or_null(offset)));
}

static void
set_scan_tuple(Plan *scan, const Plan *child, const batch_hoist *hoist)
{
	((CustomScan *) scan)->custom_scan_tlist = make_scan_tuple(child->targetlist, hoist);
}

Plan *
batch_make_scan(batch_rewriter *to, Plan *child, const batch_hoist *hoist,
				const batch_demand *asked)
{
	CustomScan *scan = makeNode(CustomScan);
	Plan *plan = &scan->scan.plan;

	scan->methods = &batch_scan_methods;
	set_scan_tuple(plan, child, hoist);
	scan->custom_exprs = make_scan_expressions(hoist, asked->count, asked->offset);
	scan->custom_private =
		list_concat(list_make2_int(hoist->columns, asked->all), list_copy(hoist->after));
	plan->lefttree = child;
	plan->plan_node_id = ++to->last_node_id;
	plan->parallel_aware = asked->parallel; /* for the counts of workers */
	plan->parallel_safe = child->parallel_safe;
	plan->extParam = bms_copy(child->extParam);
	plan->allParam = bms_copy(child->allParam);
	plan->startup_cost = child->startup_cost;
	plan->total_cost = child->total_cost;
	plan->plan_rows = child->plan_rows;
	plan->plan_width = child->plan_width;
	return plan;
}

/* What the calls cost: those of a filter of so many members for all rows, the others for some. */
static Cost
cost_of_calls(const batch_hoist *hoist, int filter, double rows, double passing)
{
	Cost sum = 0;
	ListCell *cell;

	foreach (cell, hoist->calls)
	{
		QualCost cost;

		cost_qual_eval_node(&cost, lfirst(cell), NULL);
		sum += cost.per_tuple *
			   (list_nth_int(hoist->after, foreach_current_index(cell)) < filter ? rows : passing);
	}
	return sum;
}

static int
width_of_targets(const List *targets)
{
	int64 width = 0;
	ListCell *cell;

	foreach (cell, targets)
	{
		Node *expression = (Node *) lfirst_node(TargetEntry, cell)->expr;

		width += get_typavgwidth(exprType(expression), exprTypmod(expression));
	}
	return (int) Min(width, (int64) MaxAllocSize);
}

bool
batch_must_not_hurry(const batch_rewriter *to, Plan *plan, const batch_demand *asked,
					 bool among_volatile)
{
	const List *subplans = to->statement->subplans;

	if (among_volatile)
		return batch_is_volatile_plan(plan, subplans, false);
	return !asked->all && batch_is_volatile_plan(plan, subplans, true);
}

/* ---- Above a node ---- */

/* What of a node's expressions only the node itself can evaluate. */
typedef struct unit_search
{
	List *units;   /* as targets of the node */
	bool changing; /* a subplan gives parameters their values as a side effect */
} unit_search;

static bool
is_unit(Node *node)
{
	return IsA(node, Var) || IsA(node, Aggref) || IsA(node, WindowFunc) || IsA(node, GroupingFunc);
}

static bool
same_unit(Node *a, Node *b)
{
	if (IsA(a, Var) && IsA(b, Var))
		return ((Var *) a)->varno == ((Var *) b)->varno &&
			   ((Var *) a)->varattno == ((Var *) b)->varattno;
	return equal(a, b);
}

static AttrNumber
number_of_unit(unit_search *search, Node *unit)
{
	ListCell *cell;

	foreach (cell, search->units)
		if (same_unit(lfirst(cell), unit))
			return (AttrNumber) (foreach_current_index(cell) + 1);
	search->units = lappend(search->units, copyObject(unit));
	return (AttrNumber) list_length(search->units);
}

/* Units become columns of the scan. */
static Node *
replace_units_mutator(Node *node, void *context)
{
	unit_search *search = context;

	if (node == NULL)
		return NULL;
	if (is_unit(node))
		return (Node *) makeVar(INDEX_VAR, number_of_unit(search, node), exprType(node),
								exprTypmod(node), exprCollation(node), 0);
	if (IsA(node, SubPlan) && ((SubPlan *) node)->subLinkType == MULTIEXPR_SUBLINK)
		search->changing = true;
	return expression_tree_mutator(node, replace_units_mutator, context);
}

/* The number of members of a filter before the first that calls a model. */
static int
count_cheap(const List *filter)
{
	ListCell *cell;

	foreach (cell, filter)
		if (batch_contains_call(lfirst(cell)))
			return foreach_current_index(cell);
	return list_length(filter);
}

/* The filter of a join whose rows can be tested after it as well as by it; else NULL. */
static List **
find_join_filter(Plan *plan)
{
	Join *join = (Join *) plan;

	if (!IsA(plan, NestLoop) && !IsA(plan, MergeJoin) && !IsA(plan, HashJoin))
		return NULL;
	if (join->jointype != JOIN_INNER || plan->qual != NIL ||
		(IsA(plan, MergeJoin) && ((MergeJoin *) plan)->skip_mark_restore))
		return NULL;
	return &join->joinqual;
}

/* Hoist calls from the filter, member by member, and then from the target list. */
static void
hoist_lists(batch_hoist *hoist, List **filter, List **targets)
{
	List *hoisted = NIL;
	ListCell *cell;

	foreach (cell, *filter)
		hoisted = lappend(hoisted,
						  batch_hoist_calls(hoist, lfirst(cell), NIL, foreach_current_index(cell)));
	*filter = hoisted;
	*targets = (List *) batch_hoist_calls(hoist, (Node *) *targets, NIL, list_length(hoisted));
}

List *
batch_child_columns(const List *targets)
{
	List *columns = NIL;
	ListCell *cell;

	foreach (cell, targets)
		columns =
			lappend(columns, makeVarFromTargetEntry(OUTER_VAR, lfirst_node(TargetEntry, cell)));
	return columns;
}

List *
batch_make_targets(const List *expressions)
{
	List *targets = NIL;
	ListCell *cell;

	foreach (cell, expressions)
		targets =
			lappend(targets, makeTargetEntry(lfirst(cell), (AttrNumber) (list_length(targets) + 1),
											 NULL, false));
	return targets;
}

/* What is left to a node whose calls are computed above it, behind a filter of so many members. */
static void
reduce_estimates(Plan *plan, const batch_hoist *hoist, int filter)
{
	double passing = plan->plan_rows;

	if (filter > 0)
		plan->plan_rows = clamp_row_est(plan->plan_rows / SELECTIVITY);
	plan->plan_width = width_of_targets(plan->targetlist);
	plan->total_cost =
		Max(plan->total_cost - cost_of_calls(hoist, filter, plan->plan_rows, passing),
			plan->startup_cost);
}

/* Whether a node does nothing but what the scan above it does as well. */
static bool
is_superfluous(Plan *plan)
{
	return IsA(plan, Result) && plan->lefttree != NULL && plan->qual == NIL &&
		   ((Result *) plan)->resconstantqual == NULL;
}

/*
 * Leave a node the units alone and the first members of its filter.  False, and it is as before, if
 * it must not give rows before they are asked for.
 */
static bool
reduce_node(const batch_rewriter *to, Plan *plan, List *units, List **filter, int cheap,
			const batch_demand *asked, bool among_volatile)
{
	List *old_targets = plan->targetlist, *old_filter = *filter;

	plan->targetlist = batch_make_targets(units);
	*filter = list_truncate(list_copy(*filter), cheap);
	if (!batch_must_not_hurry(to, plan, asked, among_volatile))
		return true;
	plan->targetlist = old_targets;
	*filter = old_filter;
	return false;
}

Plan *
batch_scan_above(batch_rewriter *to, Plan *plan, batch_demand asked)
{
	List **filter = find_join_filter(plan);
	unit_search search = {
		.units = is_superfluous(plan) ? batch_child_columns(plan->lefttree->targetlist) : NIL};
	batch_hoist hoist = {.subplans = to->statement->subplans, .column_varno = INDEX_VAR};
	List *targets, *moved;
	Plan *above;
	int cheap;

	if (filter == NULL)
		filter = &plan->qual;
	cheap = count_cheap(*filter);
	moved = list_copy_tail(*filter, cheap);
	if ((moved == NIL && !batch_contains_call((Node *) plan->targetlist)) ||
		batch_contains_volatile((Node *) moved, hoist.subplans))
		return plan;
	moved = (List *) replace_units_mutator((Node *) moved, &search);
	targets = (List *) replace_units_mutator((Node *) plan->targetlist, &search);
	hoist.columns = list_length(search.units);
	hoist_lists(&hoist, &moved, &targets);
	if (hoist.calls == NIL || search.changing ||
		!reduce_node(to, plan, search.units, filter, cheap, &asked,
					 batch_contains_volatile((Node *) targets, hoist.subplans)))
		return plan;
	if (filter != &plan->qual)
		((Join *) plan)->inner_unique = false; /* it may have been so by the filter alone */
	above = batch_make_scan(to, is_superfluous(plan) ? plan->lefttree : plan, &hoist, &asked);
	above->plan_width = plan->plan_width;
	above->plan_rows = plan->plan_rows;
	above->total_cost = plan->total_cost;
	above->targetlist = targets;
	above->qual = moved;
	above->initPlan = list_concat(above->initPlan, plan->initPlan);
	plan->initPlan = NIL;
	reduce_estimates(plan, &hoist, list_length(moved));
	return above;
}

/* ---- Below a node ---- */

/* Hoist calls out of an aggregate's FILTER, and out of its arguments as far as that lets them be computed. */
static void
hoist_filtered(batch_hoist *hoist, Expr **filter, List **arguments)
{
	List *conditions;

	*filter = (Expr *) batch_hoist_calls(hoist, (Node *) *filter, NIL, 0);
	conditions = *filter != NULL ? list_make1(*filter) : NIL;
	*arguments = (List *) batch_hoist_calls(hoist, (Node *) *arguments, conditions, 0);
}

/* Hoist calls out of the arguments of aggregates and window functions. */
static Node *
hoist_arguments_mutator(Node *node, void *context)
{
	batch_hoist *hoist = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Aggref))
	{
		Aggref *copy = copyObject((Aggref *) node);

		hoist_filtered(hoist, &copy->aggfilter, &copy->args);
		return (Node *) copy;
	}
	if (IsA(node, WindowFunc))
	{
		WindowFunc *copy = copyObject((WindowFunc *) node);

		hoist_filtered(hoist, &copy->aggfilter, &copy->args);
		return (Node *) copy;
	}
	return expression_tree_mutator(node, hoist_arguments_mutator, context);
}

/* All columns of a scan, as they are. */
static List *
pass_columns(const CustomScan *scan, const List *named)
{
	List *targets = NIL;
	ListCell *cell;

	foreach (cell, scan->custom_scan_tlist)
	{
		int number = foreach_current_index(cell);
		TargetEntry *target = flatCopyTargetEntry(lfirst_node(TargetEntry, cell));
		Node *expression = (Node *) target->expr;

		if (number < list_length(named))
			target->resname = list_nth_node(TargetEntry, named, number)->resname;
		target->expr = (Expr *) makeVar(INDEX_VAR, target->resno, exprType(expression),
										exprTypmod(expression), exprCollation(expression), 0);
		targets = lappend(targets, target);
	}
	return targets;
}

void
batch_add_columns(Plan *scan, Plan *child, const batch_hoist *hoist)
{
	scan->targetlist = pass_columns((CustomScan *) scan, child->targetlist);
	scan->total_cost += cost_of_calls(hoist, 0, 0, scan->plan_rows);
	scan->plan_width = width_of_targets(scan->targetlist);
	scan->initPlan = child->initPlan;
	child->initPlan = NIL;
}

void
batch_scan_below(batch_rewriter *to, Plan *plan, const batch_demand *asked)
{
	Plan *child = plan->lefttree, *scan;
	batch_hoist hoist = {.subplans = to->statement->subplans,
						 .columns = list_length(child->targetlist),
						 .column_varno = OUTER_VAR};
	List *targets, *filter;

	if (!batch_contains_call((Node *) plan->targetlist) &&
		!batch_contains_call((Node *) plan->qual))
		return;
	if (IsA(plan, ProjectSet))
		targets = (List *) batch_hoist_calls(&hoist, (Node *) plan->targetlist, NIL, 0);
	else
		targets = (List *) hoist_arguments_mutator((Node *) plan->targetlist, &hoist);
	filter = (List *) hoist_arguments_mutator((Node *) plan->qual, &hoist);
	if (hoist.calls == NIL ||
		batch_must_not_hurry(to, child, asked,
							 batch_contains_volatile((Node *) targets, hoist.subplans)))
		return;
	scan = batch_make_scan(to, child, &hoist, asked);
	batch_add_columns(scan, child, &hoist);
	plan->lefttree = scan;
	plan->targetlist = targets;
	plan->qual = filter;
}
