/*
 * batch_look.c
 *	  Looking at expressions and plans: for calls of models, and for what is volatile.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/batch.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "pg/call.h"

/* ---- Looking at expressions ---- */

/* Whether a function is called as it is: not as another user, nor with settings of its own. */
static bool
is_plain_function(Oid function_oid)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function_oid));
	bool plain;

	if (!HeapTupleIsValid(tuple))
		return false;
	plain = !((Form_pg_proc) GETSTRUCT(tuple))->prosecdef &&
			heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL);
	ReleaseSysCache(tuple);
	return plain;
}

bool
batch_is_call(Node *node)
{
	return IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid >= FirstNormalObjectId &&
		   !((FuncExpr *) node)->funcretset && call_find(((FuncExpr *) node)->funcid) != NULL &&
		   is_plain_function(((FuncExpr *) node)->funcid);
}

static bool
contains_call_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return batch_is_call(node) || expression_tree_walker(node, contains_call_walker, context);
}

bool
batch_contains_call(Node *expression)
{
	return contains_call_walker(expression, NULL);
}

/* Whether nobody sees when a volatile function is called. */
static bool
is_harmless(Oid function_oid)
{
	static const char *const names[] = {"random", "random_normal", "clock_timestamp", "timeofday",
										"gen_random_uuid"};
	char *name = function_oid < FirstNormalObjectId ? get_func_name(function_oid) : NULL;

	for (size_t i = 0; name != NULL && i < lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

typedef struct volatile_search
{
	const List *subplans;
	bool harmless; /* harmless functions do not count */
} volatile_search;

static bool
is_volatile_function(Oid function_oid, void *context)
{
	const volatile_search *search = context;

	return func_volatile(function_oid) == PROVOLATILE_VOLATILE &&
		   !(search->harmless && is_harmless(function_oid));
}

static bool
contains_volatile_walker(Node *node, void *context)
{
	volatile_search *search = context;

	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_volatile_function, context) || IsA(node, NextValueExpr))
		return true;
	if (IsA(node, SubPlan))
	{
		Plan *plan = list_nth(search->subplans, ((SubPlan *) node)->plan_id - 1);

		if (batch_is_volatile_plan(plan, search->subplans, search->harmless))
			return true;
	}
	return expression_tree_walker(node, contains_volatile_walker, context);
}

bool
batch_contains_volatile(Node *expression, const List *subplans)
{
	volatile_search search = {.subplans = subplans};

	return contains_volatile_walker(expression, &search);
}

/* ---- Looking at plans ---- */

/* What a node evaluates beside its target list and filter; false for a node that is not known. */
static bool
find_expressions(Plan *plan, List **found)
{
	Node *more[3] = {NULL};

	switch (nodeTag(plan))
	{
		case T_Append:
		case T_MergeAppend:
		case T_RecursiveUnion:
		case T_BitmapAnd:
		case T_BitmapOr:
		case T_SeqScan:
		case T_SubqueryScan:
		case T_CteScan:
		case T_NamedTuplestoreScan:
		case T_WorkTableScan:
		case T_Material:
		case T_Memoize:
		case T_Sort:
		case T_IncrementalSort:
		case T_Group:
		case T_Agg:
		case T_Unique:
		case T_Gather:
		case T_GatherMerge:
		case T_Hash:
		case T_SetOp:
		case T_ProjectSet:
		case T_SampleScan:
			break;
		case T_Result:
			more[0] = ((Result *) plan)->resconstantqual;
			break;
		case T_IndexScan:
			more[0] = (Node *) ((IndexScan *) plan)->indexqual;
			more[1] = (Node *) ((IndexScan *) plan)->indexorderby;
			break;
		case T_IndexOnlyScan:
			more[0] = (Node *) ((IndexOnlyScan *) plan)->indexqual;
			more[1] = (Node *) ((IndexOnlyScan *) plan)->indexorderby;
			break;
		case T_BitmapIndexScan:
			more[0] = (Node *) ((BitmapIndexScan *) plan)->indexqual;
			break;
		case T_BitmapHeapScan:
			more[0] = (Node *) ((BitmapHeapScan *) plan)->bitmapqualorig;
			break;
		case T_TidScan:
			more[0] = (Node *) ((TidScan *) plan)->tidquals;
			break;
		case T_TidRangeScan:
			more[0] = (Node *) ((TidRangeScan *) plan)->tidrangequals;
			break;
		case T_FunctionScan:
			more[0] = (Node *) ((FunctionScan *) plan)->functions;
			break;
		case T_TableFuncScan:
			more[0] = (Node *) ((TableFuncScan *) plan)->tablefunc;
			break;
		case T_ValuesScan:
			more[0] = (Node *) ((ValuesScan *) plan)->values_lists;
			break;
		case T_ForeignScan:
			more[0] = (Node *) ((ForeignScan *) plan)->fdw_exprs;
			break;
		case T_CustomScan:
			more[0] = (Node *) ((CustomScan *) plan)->custom_exprs;
			break;
		case T_NestLoop:
			more[0] = (Node *) ((Join *) plan)->joinqual;
			break;
		case T_MergeJoin:
			more[0] = (Node *) ((Join *) plan)->joinqual;
			more[1] = (Node *) ((MergeJoin *) plan)->mergeclauses;
			break;
		case T_HashJoin:
			more[0] = (Node *) ((Join *) plan)->joinqual;
			more[1] = (Node *) ((HashJoin *) plan)->hashclauses;
			break;
		case T_WindowAgg:
			more[0] = ((WindowAgg *) plan)->startOffset;
			more[1] = ((WindowAgg *) plan)->endOffset;
			break;
		case T_Limit:
			more[0] = ((Limit *) plan)->limitOffset;
			more[1] = ((Limit *) plan)->limitCount;
			break;
		default: /* ModifyTable and LockRows change something */
			return false;
	}
	*found = list_make2(plan->targetlist, plan->qual);
	for (size_t i = 0; i < lengthof(more); i++)
		if (more[i] != NULL)
			*found = lappend(*found, more[i]);
	return true;
}

List *
batch_child_plans(Plan *plan)
{
	List *children = NIL;

	if (plan->lefttree != NULL)
		children = lappend(children, plan->lefttree);
	if (plan->righttree != NULL)
		children = lappend(children, plan->righttree);
	if (IsA(plan, Append))
		return list_concat(children, ((Append *) plan)->appendplans);
	if (IsA(plan, MergeAppend))
		return list_concat(children, ((MergeAppend *) plan)->mergeplans);
	if (IsA(plan, BitmapAnd))
		return list_concat(children, ((BitmapAnd *) plan)->bitmapplans);
	if (IsA(plan, BitmapOr))
		return list_concat(children, ((BitmapOr *) plan)->bitmapplans);
	if (IsA(plan, CustomScan))
		return list_concat(children, ((CustomScan *) plan)->custom_plans);
	if (IsA(plan, SubqueryScan))
		return lappend(children, ((SubqueryScan *) plan)->subplan);
	return children;
}

bool
batch_is_volatile_plan(Plan *plan, const List *subplans, bool harmless)
{
	volatile_search search = {.subplans = subplans, .harmless = harmless};
	List *expressions;
	ListCell *cell;

	check_stack_depth();
	if (!find_expressions(plan, &expressions) ||
		contains_volatile_walker((Node *) expressions, &search))
		return true;
	foreach (cell, batch_child_plans(plan))
		if (batch_is_volatile_plan(lfirst(cell), subplans, harmless))
			return true;
	return false;
}
