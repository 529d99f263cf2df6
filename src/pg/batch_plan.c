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
 *   and set-returning functions): the scan then passes the child's columns on and adds its own.
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
#include "pg/batch.h"

#include "access/parallel.h"
#include "catalog/pg_type.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/planmain.h"
#include "optimizer/planner.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/timestamp.h"

#include "pg/backend.h"

/* How many of a node's rows are asked for. */
typedef struct demand
{
	bool all;	 /* all of them, come what may */
	Node *count; /* at most this many after those skipped, as a LIMIT says; NULL: any number */
	Node *offset;
	bool parallel; /* by each worker of a parallel query */
} demand;

typedef struct rewriter
{
	PlannedStmt *statement;
	int last_node_id;
} rewriter;

/* What a filter that calls a model is thought to let pass. */
#define SELECTIVITY 0.333

/* ---- Making scans ---- */

/* The columns of a plan, and those of the calls behind them. */
static List *
make_scan_tuple(const List *targets, const batch_hoist *hoist)
{
	List *tuple = NIL;
	ListCell *cell;

	foreach (cell, targets)
	{
		Var *column = makeVarFromTargetEntry(OUTER_VAR, lfirst_node(TargetEntry, cell));

		tuple = lappend(tuple, makeTargetEntry((Expr *) column,
											   (AttrNumber) (list_length(tuple) + 1), NULL, false));
	}
	foreach (cell, hoist->calls)
		tuple = lappend(tuple, makeTargetEntry(lfirst(cell), (AttrNumber) (list_length(tuple) + 1),
											   NULL, false));
	return tuple;
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

/* A scan over child; its target list and filter are the caller's. */
static Plan *
make_scan(rewriter *to, Plan *child, const batch_hoist *hoist, const demand *asked)
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

/* Whether a plan must not give its rows earlier than each is asked for. */
static bool
must_not_hurry(const rewriter *to, Plan *plan, const demand *asked, bool among_volatile)
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

static List *
make_targets(const List *expressions)
{
	List *targets = NIL;
	ListCell *cell;

	foreach (cell, expressions)
		targets =
			lappend(targets, makeTargetEntry(lfirst(cell), (AttrNumber) (list_length(targets) + 1),
											 NULL, false));
	return targets;
}

/* Those that an Append passes on. */
static List *
pass_child_columns(const List *targets)
{
	List *columns = NIL;
	ListCell *cell;

	foreach (cell, targets)
		columns =
			lappend(columns, makeVarFromTargetEntry(OUTER_VAR, lfirst_node(TargetEntry, cell)));
	return make_targets(columns);
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

/* The columns of the child of a superfluous node as units, so that the scan can stand on it. */
static List *
child_columns(Plan *plan)
{
	List *units = NIL;
	ListCell *cell;

	foreach (cell, plan->lefttree->targetlist)
		units = lappend(units, makeVarFromTargetEntry(OUTER_VAR, lfirst_node(TargetEntry, cell)));
	return units;
}

/*
 * Leave a node the units alone and the first members of its filter.  False, and it is as before, if
 * it must not give rows before they are asked for.
 */
static bool
reduce_node(const rewriter *to, Plan *plan, List *units, List **filter, int cheap,
			const demand *asked, bool among_volatile)
{
	List *old_targets = plan->targetlist, *old_filter = *filter;

	plan->targetlist = make_targets(units);
	*filter = list_truncate(list_copy(*filter), cheap);
	if (!must_not_hurry(to, plan, asked, among_volatile))
		return true;
	plan->targetlist = old_targets;
	*filter = old_filter;
	return false;
}

/* Put a scan above a node if its target list or filter calls models; the scan takes its place. */
static Plan *
scan_above(rewriter *to, Plan *plan, demand asked)
{
	List **filter = find_join_filter(plan);
	unit_search search = {.units = is_superfluous(plan) ? child_columns(plan) : NIL};
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
	if (moved != NIL)
		asked.count = asked.offset = NULL;
	if (filter != &plan->qual)
		((Join *) plan)->inner_unique = false; /* it may have been so by the filter alone */
	above = make_scan(to, is_superfluous(plan) ? plan->lefttree : plan, &hoist, &asked);
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
		List *conditions;

		copy->aggfilter = (Expr *) batch_hoist_calls(hoist, (Node *) copy->aggfilter, NIL, 0);
		conditions = copy->aggfilter != NULL ? list_make1(copy->aggfilter) : NIL;
		copy->args = (List *) batch_hoist_calls(hoist, (Node *) copy->args, conditions, 0);
		return (Node *) copy;
	}
	if (IsA(node, WindowFunc))
	{
		WindowFunc *copy = copyObject((WindowFunc *) node);
		List *conditions;

		copy->aggfilter = (Expr *) batch_hoist_calls(hoist, (Node *) copy->aggfilter, NIL, 0);
		conditions = copy->aggfilter != NULL ? list_make1(copy->aggfilter) : NIL;
		copy->args = (List *) batch_hoist_calls(hoist, (Node *) copy->args, conditions, 0);
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

/* Let a scan give the columns of its child and those of the calls. */
static void
add_columns(Plan *scan, Plan *child, const batch_hoist *hoist)
{
	scan->targetlist = pass_columns((CustomScan *) scan, child->targetlist);
	scan->total_cost += cost_of_calls(hoist, 0, 0, scan->plan_rows);
	scan->plan_width = width_of_targets(scan->targetlist);
	scan->initPlan = child->initPlan;
	child->initPlan = NIL;
}

/* Put a scan below a node if what it does with rows that it takes in calls models. */
static void
scan_below(rewriter *to, Plan *plan, const demand *asked)
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
		must_not_hurry(to, child, asked, batch_contains_volatile((Node *) targets, hoist.subplans)))
		return;
	scan = make_scan(to, child, &hoist, asked);
	add_columns(scan, child, &hoist);
	plan->lefttree = scan;
	plan->targetlist = targets;
	plan->qual = filter;
}

/* ---- Above an Append ---- */

static bool
is_scan(const Plan *plan)
{
	return IsA(plan, CustomScan) && ((CustomScan *) plan)->methods == &batch_scan_methods;
}

/* Whether two scans compute the same of columns of the same types. */
static bool
same_scan(const CustomScan *a, const CustomScan *b)
{
	int columns = linitial_int(a->custom_private);
	ListCell *one, *other;

	if (!equal(a->custom_private, b->custom_private) || !equal(a->custom_exprs, b->custom_exprs) ||
		list_length(a->custom_scan_tlist) != list_length(b->custom_scan_tlist) ||
		list_length(a->scan.plan.targetlist) != list_length(b->scan.plan.targetlist))
		return false;
	forboth(one, a->custom_scan_tlist, other, b->custom_scan_tlist)
	{
		Node *x = (Node *) lfirst_node(TargetEntry, one)->expr;
		Node *y = (Node *) lfirst_node(TargetEntry, other)->expr;

		if (foreach_current_index(one) >= columns
				? !equal(x, y)
				: exprType(x) != exprType(y) || exprTypmod(x) != exprTypmod(y) ||
					  exprCollation(x) != exprCollation(y))
			return false;
	}
	forboth(
		one, a->scan.plan.targetlist, other,
		b->scan.plan.targetlist) if (!equal(lfirst_node(TargetEntry, one)->expr,
											lfirst_node(TargetEntry, other)->expr)) return false;
	return true;
}

/* Whether all that is appended comes from scans that could as well be one. */
static bool
are_alike(const List *plans)
{
	ListCell *cell;

	foreach (cell, plans)
	{
		Plan *plan = lfirst(cell);

		if (!is_scan(plan) || plan->qual != NIL || plan->initPlan != NIL ||
			list_length(plan->lefttree->targetlist) !=
				linitial_int(((CustomScan *) plan)->custom_private) ||
			!same_scan(linitial(plans), (CustomScan *) plan))
			return false;
	}
	return list_length(plans) > 1;
}

/* A scan reads its child one row after the other. */
static void
wait_for_children(List *plans)
{
	ListCell *cell;

	foreach (cell, plans)
		if (is_scan(lfirst(cell)))
			((Plan *) lfirst(cell))->lefttree->async_capable = false;
}

/* Targets are called as others are: nodes above find what they need by names. */
static void
copy_names(List *targets, const List *others)
{
	ListCell *one, *other;

	forboth(one, targets, other, others)
	{
		TargetEntry *to = lfirst_node(TargetEntry, one);
		Expr *expression = to->expr;

		*to = *lfirst_node(TargetEntry, other);
		to->expr = expression;
	}
}

/*
 * Scans below an Append, such as those of partitions, become one above it: batches are larger, and
 * foreign tables are read at the same time as before.
 */
static Plan *
lift_scans(Append *append)
{
	List *plans = append->appendplans;
	Plan *scan, *below = &append->plan;
	double rows = below->plan_rows;
	ListCell *cell;

	if (!are_alike(plans))
	{
		wait_for_children(plans);
		return below;
	}
	scan = linitial(plans);
	copy_names(scan->targetlist, below->targetlist);
	scan->startup_cost = below->startup_cost;
	scan->total_cost = below->total_cost;
	scan->plan_rows = rows;
	scan->plan_width = below->plan_width;
	scan->parallel_safe = below->parallel_safe;
	scan->extParam = bms_copy(below->extParam);
	scan->allParam = bms_copy(below->allParam);
	scan->initPlan = below->initPlan;
	below->initPlan = NIL;
	below->total_cost = below->startup_cost;
	foreach (cell, plans)
	{
		Plan *child = ((Plan *) lfirst(cell))->lefttree;

		below->total_cost += child->total_cost;
		lfirst(cell) = child;
	}
	below->targetlist = pass_child_columns(((Plan *) linitial(plans))->targetlist);
	below->plan_width = ((Plan *) linitial(plans))->plan_width;
	scan->lefttree = below;
	return scan;
}

/* ---- Beside a join ---- */

/*
 * Where a scan can stand on a side of a join.  Nodes in between, which pass on what they get, are
 * listed.
 */
static Plan **
find_side(Plan *join, bool inner, List **between)
{
	Plan **side = inner ? &join->righttree : &join->lefttree;

	*between = NIL;
	while (IsA(*side, Hash) || IsA(*side, Material) || IsA(*side, Sort))
	{
		*between = lappend(*between, *side);
		side = &(*side)->lefttree;
	}
	return side;
}

/* Nodes between a scan and a join pass the scan's columns on as well. */
static void
extend_targets(List *between, const Plan *scan)
{
	ListCell *cell;

	foreach (cell, between)
	{
		Plan *plan = lfirst(cell);
		int known = list_length(plan->targetlist);

		for (int i = known; i < list_length(scan->targetlist); i++)
		{
			TargetEntry *target = list_nth_node(TargetEntry, scan->targetlist, i);
			Var *column = makeVarFromTargetEntry(OUTER_VAR, target);

			plan->targetlist = lappend(
				plan->targetlist, makeTargetEntry((Expr *) column, target->resno, NULL, false));
		}
	}
}

/* An expression of a join over the rows of one side. */
typedef struct side_expression
{
	List **place; /* NULL: there is none */
	Index varno;  /* by which it refers to that side */
} side_expression;

/* What a join evaluates for each row of a side, whatever rows the other has. */
static void
find_side_expressions(Plan *join, bool inner, side_expression found[2])
{
	Index varno = inner ? INNER_VAR : OUTER_VAR;

	if (IsA(join, HashJoin))
	{
		HashJoin *hash_join = (HashJoin *) join;

		found[0] = inner ? (side_expression) {&((Hash *) join->righttree)->hashkeys, OUTER_VAR}
						 : (side_expression) {&hash_join->hashkeys, OUTER_VAR};
		found[1] = (side_expression) {&hash_join->hashclauses, varno};
	}
	else if (IsA(join, NestLoop) && ((NestLoop *) join)->nestParams == NIL)
		found[0] = (side_expression) {&((Join *) join)->joinqual, varno};
}

/* Hoist calls out of an expression of a join; of a filter only out of its first member. */
static List *
hoist_side(batch_hoist *hoist, Plan *join, const side_expression *expression)
{
	List *copy = list_copy(*expression->place);

	hoist->column_varno = expression->varno;
	if (!IsA(join, NestLoop))
		return (List *) batch_hoist_calls(hoist, (Node *) copy, NIL, 0);
	linitial(copy) = batch_hoist_calls(hoist, linitial(copy), NIL, 0);
	return copy;
}

/*
 * Put a scan on a side of a join if calls are a part of what it compares there: computed for each
 * row, not for each pair.
 */
static void
scan_beside(rewriter *to, Plan *join, bool inner, bool parallel)
{
	List *between, *hoisted[2] = {NIL};
	Plan **side = find_side(join, inner, &between), *scan;
	side_expression expressions[2] = {{NULL, 0}, {NULL, 0}};
	demand asked = {.parallel = parallel, .all = inner && IsA(join, HashJoin)};
	batch_hoist hoist = {.subplans = to->statement->subplans,
						 .columns = list_length((*side)->targetlist)};

	find_side_expressions(join, inner, expressions);
	for (size_t i = 0; i < lengthof(expressions); i++)
		if (expressions[i].place != NULL && batch_contains_call((Node *) *expressions[i].place))
			hoisted[i] = hoist_side(&hoist, join, &expressions[i]);
	if (hoist.calls == NIL || must_not_hurry(to, *side, &asked, false))
		return;
	scan = make_scan(to, *side, &hoist, &asked);
	add_columns(scan, *side, &hoist);
	*side = scan;
	extend_targets(between, scan);
	for (size_t i = 0; i < lengthof(expressions); i++)
		if (hoisted[i] != NIL)
			*expressions[i].place = hoisted[i];
}

/* ---- Walking plans ---- */

static bool
is_constant(Node *expression, const List *subplans)
{
	return expression == NULL ||
		   (!contain_subplans(expression) && !batch_contains_volatile(expression, subplans));
}

static demand
demand_of_limit(const rewriter *to, const Limit *limit, const demand *asked)
{
	demand child = {.parallel = asked->parallel};
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
static demand
demand_on_child(const rewriter *to, Plan *plan, const demand *asked)
{
	demand some = {.parallel = asked->parallel}, all = some, same = *asked;

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

static Plan *rewrite_plan(rewriter *to, Plan *plan, demand asked);

static void
rewrite_list(rewriter *to, List *plans, demand asked)
{
	ListCell *cell;

	foreach (cell, plans)
		lfirst(cell) = rewrite_plan(to, lfirst(cell), asked);
}

static Plan *
materialize(rewriter *to, Plan *plan)
{
	Plan *material = materialize_finished_plan(plan);

	material->plan_node_id = ++to->last_node_id;
	return material;
}

/* The inner side of a join, which may be read again and again, to any point. */
static void
rewrite_inner(rewriter *to, Plan *plan, bool parallel)
{
	demand asked = {.parallel = parallel, .all = IsA(plan->righttree, Hash)};
	int last_node_id = to->last_node_id;

	plan->righttree = rewrite_plan(to, plan->righttree, asked);
	if (IsA(plan, MergeJoin) && !((MergeJoin *) plan)->skip_mark_restore &&
		to->last_node_id != last_node_id && !IsA(plan->righttree, Sort) &&
		!IsA(plan->righttree, Material))
		plan->righttree = materialize(to, plan->righttree);
}

static void
rewrite_children(rewriter *to, Plan *plan, const demand *asked)
{
	demand child = demand_on_child(to, plan, asked);

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
rewrite_plan(rewriter *to, Plan *plan, demand asked)
{
	demand child;

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
			scan_below(to, plan, &child);
			return scan_above(to, plan, asked);
		case T_ProjectSet:
			child = demand_on_child(to, plan, &asked);
			scan_below(to, plan, &child);
			return plan;
		case T_Append:
			return lift_scans((Append *) plan);
		case T_NestLoop:
		case T_HashJoin:
			scan_beside(to, plan, false, asked.parallel);
			scan_beside(to, plan, true, asked.parallel);
			return scan_above(to, plan, asked);
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
			return scan_above(to, plan, asked);
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
	rewriter to = {.statement = statement};
	demand asked = {0};
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
	rewriter to = {.statement = statement};

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
	PlannedStmt *statement = next_planner != NULL
								 ? next_planner(query, text, options, parameters)
								 : standard_planner(query, text, options, parameters);
	bool backward;

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
