/*
 * batch_hoist.c
 *	  Taking calls of models out of expressions.
 *
 * A call becomes a column, which the batching scan computes before the expression is evaluated.  It
 * is computed for the same rows as it would be in its place: what decides whether its place is
 * reached (CASE, COALESCE, AND, OR, FILTER) becomes its guard.  Left in place is what would be
 * another query then: calls of volatile arguments, in places that are reached several times for a
 * row, or in nodes that this file does not know.  So are calls that are the same for all rows.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/batch.h"

#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"

/* Where in an expression we are. */
typedef struct place
{
	batch_hoist *hoist;
	List *conditions;	  /* under which the place is reached */
	bool blocked;		  /* it cannot be said under which */
	Bitmapset *unsettled; /* parameters that change while the expression is evaluated */
	int after;
} place;

typedef struct bound_search
{
	const place *at;
	bool in_case; /* the CASE that gives a CaseTestExpr its value is a part of the expression */
} bound_search;

static bool is_bound_walker(Node *node, void *context);

/* Those of a CASE expression; its argument is outside of it. */
static bool
is_bound_case(CaseExpr *expression, bound_search *search)
{
	bound_search inner = {.at = search->at, .in_case = true};
	ListCell *cell;

	if (expression->arg == NULL)
		return expression_tree_walker((Node *) expression, is_bound_walker, search);
	foreach (cell, expression->args)
	{
		CaseWhen *when = lfirst_node(CaseWhen, cell);

		if (is_bound_walker((Node *) when->expr, &inner) ||
			is_bound_walker((Node *) when->result, &inner))
			return true;
	}
	return is_bound_walker((Node *) expression->arg, search) ||
		   is_bound_walker((Node *) expression->defresult, &inner);
}

/* Whether a node has another value, or none, when it is evaluated elsewhere. */
static bool
is_bound_walker(Node *node, void *context)
{
	bound_search *search = context;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
			return ((Var *) node)->varno != (int) search->at->hoist->column_varno;
		case T_Param:
			return ((Param *) node)->paramkind == PARAM_EXEC &&
				   bms_is_member(((Param *) node)->paramid, search->at->unsettled);
		case T_CaseExpr:
			return is_bound_case((CaseExpr *) node, search);
		case T_CaseTestExpr:
			return !search->in_case;
		case T_SubPlan:
			if (((SubPlan *) node)->subLinkType == MULTIEXPR_SUBLINK)
				return true;
			break;
		case T_FuncExpr:
			if (((FuncExpr *) node)->funcretset)
				return true;
			break;
		case T_OpExpr:
			if (((OpExpr *) node)->opretset)
				return true;
			break;
		case T_Aggref:
		case T_WindowFunc:
		case T_GroupingFunc:
		case T_CoerceToDomainValue:
		case T_CurrentOfExpr:
		case T_SetToDefault:
		case T_NextValueExpr:
			return true;
		case T_ArrayCoerceExpr: /* its element expression has a CaseTestExpr of its own */
			return is_bound_walker((Node *) ((ArrayCoerceExpr *) node)->arg, context);
		default:
			break;
	}
	return expression_tree_walker(node, is_bound_walker, context);
}

static bool
is_bound(Node *node, const place *at)
{
	bound_search search = {.at = at};

	return is_bound_walker(node, &search);
}

/* Whether an expression may be evaluated one time more than before, for all rows of a batch. */
static bool
is_repeatable(Node *node, place *at)
{
	return !is_bound(node, at) && !batch_contains_volatile(node, at->hoist->subplans) &&
		   !contain_subplans(node) && !batch_contains_call(node);
}

/* From here on the place is reached only where a condition is true. */
static void
add_condition(place *at, Expr *condition)
{
	if (!at->blocked && is_repeatable((Node *) condition, at))
		at->conditions = lappend(list_copy(at->conditions), condition);
	else
		at->blocked = true;
}

static Expr *
test_boolean(Node *argument, BoolTestType type)
{
	BooleanTest *test = makeNode(BooleanTest);

	test->arg = copyObject((Expr *) argument);
	test->booltesttype = type;
	test->location = -1;
	return (Expr *) test;
}

static Expr *
test_null(Node *argument)
{
	NullTest *test = makeNode(NullTest);

	test->arg = copyObject((Expr *) argument);
	test->nulltesttype = IS_NULL;
	test->argisrow = false; /* as COALESCE has it */
	test->location = -1;
	return (Expr *) test;
}

/* Expressions of the scan refer to all columns by INDEX_VAR. */
static Node *
to_scan_mutator(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var *copy = copyObject((Var *) node);

		copy->varno = INDEX_VAR;
		return (Node *) copy;
	}
	return expression_tree_mutator(node, to_scan_mutator, context);
}

/* The number of a column that has the value of a call wherever this place is reached; or -1. */
static int
find_column(const place *at, Node *call, Node *guard)
{
	const batch_hoist *hoist = at->hoist;

	for (int i = 0; i < list_length(hoist->calls); i++)
	{
		Node *other = list_nth(hoist->guards, i);

		if (equal(list_nth(hoist->calls, i), call) && (other == NULL || equal(other, guard)) &&
			list_nth_int(hoist->after, i) <= at->after)
			return i;
	}
	return -1;
}

static Node *
hoist_call(FuncExpr *call, place *at)
{
	batch_hoist *hoist = at->hoist;
	Node *moved, *guard;
	int number;

	if (at->blocked || is_bound((Node *) call, at) || !contain_var_clause((Node *) call) ||
		batch_contains_volatile((Node *) call, hoist->subplans))
		return (Node *) call;
	moved = to_scan_mutator((Node *) call, NULL);
	guard = at->conditions == NIL
				? NULL
				: to_scan_mutator((Node *) make_ands_explicit(at->conditions), NULL);
	number = find_column(at, moved, guard);
	if (number < 0)
	{
		number = list_length(hoist->calls);
		hoist->calls = lappend(hoist->calls, moved);
		hoist->guards = lappend(hoist->guards, guard);
		hoist->after = lappend_int(hoist->after, at->after);
	}
	return (Node *) makeVar((int) hoist->column_varno, (AttrNumber) (hoist->columns + number + 1),
							call->funcresulttype, -1, call->funccollid, 0);
}

static Node *hoist_mutator(Node *node, void *context);

/* AND and OR: an argument is reached if those before it leave the result open. */
static Node *
hoist_boolean(BoolExpr *expression, const place *at)
{
	BoolExpr *copy = makeNode(BoolExpr);
	place inner = *at;
	ListCell *cell;

	*copy = *expression;
	copy->args = NIL;
	foreach (cell, expression->args)
	{
		Node *argument = hoist_mutator(lfirst(cell), &inner);

		copy->args = lappend(copy->args, argument);
		if (expression->boolop == AND_EXPR)
			add_condition(&inner, test_boolean(argument, IS_NOT_FALSE));
		else if (expression->boolop == OR_EXPR)
			add_condition(&inner, test_boolean(argument, IS_NOT_TRUE));
	}
	return (Node *) copy;
}

static Node *
hoist_coalesce(CoalesceExpr *expression, const place *at)
{
	CoalesceExpr *copy = makeNode(CoalesceExpr);
	place inner = *at;
	ListCell *cell;

	*copy = *expression;
	copy->args = NIL;
	foreach (cell, expression->args)
	{
		Node *argument = hoist_mutator(lfirst(cell), &inner);

		copy->args = lappend(copy->args, argument);
		add_condition(&inner, test_null(argument));
	}
	return (Node *) copy;
}

/* Put the argument of a CASE into its conditions, in place of what stands for it. */
static Node *
fill_case_mutator(Node *node, void *argument)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, CaseTestExpr))
		return copyObject((Node *) argument);
	if (IsA(node, CaseExpr) && ((CaseExpr *) node)->arg != NULL)
		return copyObject(node); /* those inside are its own, and make the condition unusable */
	if (IsA(node, ArrayCoerceExpr))
		return copyObject(node);
	return expression_tree_mutator(node, fill_case_mutator, argument);
}

static Node *
hoist_case(CaseExpr *expression, const place *at)
{
	CaseExpr *copy = makeNode(CaseExpr);
	place inner = *at;
	ListCell *cell;

	*copy = *expression;
	copy->arg = (Expr *) hoist_mutator((Node *) expression->arg, &inner);
	copy->args = NIL;
	foreach (cell, expression->args)
	{
		CaseWhen *when = copyObject(lfirst_node(CaseWhen, cell));
		Node *condition;
		place result;

		when->expr = (Expr *) hoist_mutator((Node *) when->expr, &inner);
		condition = copy->arg == NULL ? (Node *) when->expr
									  : fill_case_mutator((Node *) when->expr, copy->arg);
		result = inner;
		add_condition(&result, test_boolean(condition, IS_TRUE));
		when->result = (Expr *) hoist_mutator((Node *) when->result, &result);
		copy->args = lappend(copy->args, when);
		add_condition(&inner, test_boolean(condition, IS_NOT_TRUE));
	}
	copy->defresult = (Expr *) hoist_mutator((Node *) expression->defresult, &inner);
	return (Node *) copy;
}

/* The arguments of a subplan; its parameters get their values while it is evaluated. */
static Node *
hoist_subplan(SubPlan *subplan, const place *at)
{
	place inner = *at;
	ListCell *cell;

	foreach (cell, subplan->paramIds)
		inner.unsettled = bms_add_member(bms_copy(inner.unsettled), lfirst_int(cell));
	return expression_tree_mutator((Node *) subplan, hoist_mutator, &inner);
}

static Node *
hoist_mutator(Node *node, void *context)
{
	place *at = context;

	if (node == NULL)
		return NULL;
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			if (batch_is_call(node))
				return hoist_call(
					(FuncExpr *) expression_tree_mutator(node, hoist_mutator, context), at);
			break;
		case T_BoolExpr:
			return hoist_boolean((BoolExpr *) node, at);
		case T_CoalesceExpr:
			return hoist_coalesce((CoalesceExpr *) node, at);
		case T_CaseExpr:
			return hoist_case((CaseExpr *) node, at);
		case T_SubPlan:
			return hoist_subplan((SubPlan *) node, at);
		case T_List: /* and those whose arguments are all evaluated, once */
		case T_TargetEntry:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_ConvertRowtypeExpr:
		case T_CollateExpr:
		case T_FieldSelect:
		case T_FieldStore:
		case T_RowExpr:
		case T_ArrayExpr:
		case T_MinMaxExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_CoerceToDomain:
			break;
		default:
			return copyObject(node);
	}
	return expression_tree_mutator(node, hoist_mutator, context);
}

Node *
batch_hoist_calls(batch_hoist *hoist, Node *expression, List *conditions, int after)
{
	place at = {.hoist = hoist, .after = after};
	ListCell *cell;

	foreach (cell, conditions)
		add_condition(&at, test_boolean(lfirst(cell), IS_TRUE));
	return hoist_mutator(expression, &at);
}
