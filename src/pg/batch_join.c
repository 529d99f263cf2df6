/*
 * batch_join.c
 *	  Putting batching scans where rows of several plans come together: joins and Append.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/batch_place.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"

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
	forboth(one, a->scan.plan.targetlist, other, b->scan.plan.targetlist)
	{
		if (!equal(lfirst_node(TargetEntry, one)->expr, lfirst_node(TargetEntry, other)->expr))
			return false;
	}
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

Plan *
batch_lift_scans(Append *append)
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
	below->targetlist =
		batch_make_targets(batch_child_columns(((Plan *) linitial(plans))->targetlist));
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

void
batch_scan_beside(batch_rewriter *to, Plan *join, bool inner, bool parallel)
{
	List *between, *hoisted[2] = {NIL};
	Plan **side = find_side(join, inner, &between), *scan;
	side_expression expressions[2] = {{NULL, 0}, {NULL, 0}};
	batch_demand asked = {.parallel = parallel, .all = inner && IsA(join, HashJoin)};
	batch_hoist hoist = {.subplans = to->statement->subplans,
						 .columns = list_length((*side)->targetlist)};

	find_side_expressions(join, inner, expressions);
	for (size_t i = 0; i < lengthof(expressions); i++)
		if (expressions[i].place != NULL && batch_contains_call((Node *) *expressions[i].place))
			hoisted[i] = hoist_side(&hoist, join, &expressions[i]);
	if (hoist.calls == NIL || batch_must_not_hurry(to, *side, &asked, false))
		return;
	scan = batch_make_scan(to, *side, &hoist, &asked);
	batch_add_columns(scan, *side, &hoist);
	*side = scan;
	extend_targets(between, scan);
	for (size_t i = 0; i < lengthof(expressions); i++)
		if (hoisted[i] != NIL)
			*expressions[i].place = hoisted[i];
}
