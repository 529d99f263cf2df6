/*
 * batch_values.c
 *	  Calls of models in rows of VALUES, computed together while the statement is planned.
 *
 * The planner computes calls of immutable functions with constant arguments while it plans, one
 * after the other: of INSERT INTO t VALUES ('a', tfm_embed('m', 'a')), ('b', tfm_embed('m', 'b')),
 * all.  Before it does, they are computed here.  What cannot be computed, for whatever reason, is
 * left to it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/batch.h"

#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "pg/call.h"

/* Calls of one function. */
typedef struct value_group
{
	Oid function_oid;
	Oid collation;
	List *arguments; /* for each call a List of Const */
	List *results;	 /* for each call the Const that takes its place */
} value_group;

typedef struct value_search
{
	PlannerInfo *root; /* knows the values of parameters, and nothing else */
	List *groups;
} value_search;

static PlannerInfo *
make_root(ParamListInfo parameters)
{
	PlannerInfo *root = makeNode(PlannerInfo);

	root->glob = makeNode(PlannerGlobal);
	root->glob->boundParams = parameters;
	return root;
}

/* All arguments of a call, those by default included, as constants; NIL if some are none. */
static List *
find_constants(const value_search *search, FuncExpr *call)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->funcid));
	List *arguments, *constants = NIL;
	ListCell *cell;

	if (!HeapTupleIsValid(tuple))
		return NIL;
	arguments =
		expand_function_arguments(copyObject(call->args), false, call->funcresulttype, tuple);
	ReleaseSysCache(tuple);
	foreach (cell, arguments)
	{
		Node *argument = lfirst(cell);

		if (batch_contains_call(argument))
			return NIL;
		argument = eval_const_expressions(search->root, argument);
		if (!IsA(argument, Const))
			return NIL;
		constants = lappend(constants, argument);
	}
	return constants;
}

static value_group *
find_group(value_search *search, const FuncExpr *call)
{
	value_group *group;
	ListCell *cell;

	foreach (cell, search->groups)
	{
		group = lfirst(cell);
		if (group->function_oid == call->funcid && group->collation == call->funccollid)
			return group;
	}
	group = palloc0(sizeof(value_group));
	group->function_oid = call->funcid;
	group->collation = call->funccollid;
	search->groups = lappend(search->groups, group);
	return group;
}

/* Calls become constants whose values are not known yet. */
static Node *
take_calls_mutator(Node *node, void *context)
{
	value_search *search = context;

	if (node == NULL)
		return NULL;
	if (batch_is_call(node))
	{
		FuncExpr *call = (FuncExpr *) node;
		List *constants = NIL;
		value_group *group;

		if (call->funcresulttype != RECORDOID &&
			func_volatile(call->funcid) == PROVOLATILE_IMMUTABLE)
			constants = find_constants(search, call);
		if (constants == NIL)
			return node;
		group = find_group(search, call);
		group->arguments = lappend(group->arguments, constants);
		group->results =
			lappend(group->results, makeNullConst(call->funcresulttype, -1, call->funccollid));
		return llast(group->results);
	}
	switch (nodeTag(node))
	{
		case T_List: /* and what evaluates all that is in it */
		case T_FuncExpr:
		case T_OpExpr:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_CollateExpr:
		case T_ArrayExpr:
		case T_RowExpr:
			return expression_tree_mutator(node, take_calls_mutator, context);
		default:
			return node;
	}
}

static call_arguments
to_arguments(const List *constants)
{
	NullableDatum *values = palloc(sizeof(NullableDatum) * (Size) list_length(constants));
	ListCell *cell;

	foreach (cell, constants)
	{
		const Const *constant = lfirst_node(Const, cell);

		values[foreach_current_index(cell)] = (NullableDatum) {
			.value = constant->constvalue,
			.isnull = constant->constisnull,
		};
	}
	return (call_arguments) {values, list_length(constants)};
}

static bool
has_null(const List *constants)
{
	ListCell *cell;

	foreach (cell, constants)
		if (lfirst_node(Const, cell)->constisnull)
			return true;
	return false;
}

/* Compute the calls of a group; false if one of them cannot be computed. */
static bool
compute_group(const value_group *group)
{
	int most = list_length(group->arguments), count = 0;
	call_site *site =
		call_site_create(CurrentMemoryContext, call_find(group->function_oid), group->function_oid);
	call_arguments *rows = palloc(sizeof(call_arguments) * (Size) most);
	NullableDatum *results = palloc(sizeof(NullableDatum) * (Size) most);
	Const **places = palloc(sizeof(Const *) * (Size) most);
	bool strict = func_strict(group->function_oid);

	for (int i = 0; i < most; i++)
	{
		const List *constants = list_nth(group->arguments, i);

		if (strict && has_null(constants))
			continue;
		places[count] = list_nth(group->results, i);
		rows[count++] = to_arguments(constants);
	}
	if (!call_rows(site, rows, count, true, results))
		return false;
	for (int i = 0; i < count; i++)
	{
		places[i]->constvalue = results[i].value;
		places[i]->constisnull = results[i].isnull;
	}
	return true;
}

static bool
may_execute(Oid function_oid)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function_oid, GetUserId(), ACL_EXECUTE) ==
		   ACLCHECK_OK;
#else
	return pg_proc_aclcheck(function_oid, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

static void
fold_lists(RangeTblEntry *values, ParamListInfo parameters)
{
	value_search search = {.root = make_root(parameters)};
	List *lists = (List *) take_calls_mutator((Node *) values->values_lists, &search);
	ListCell *cell;

	if (search.groups == NIL)
		return;
	foreach (cell, search.groups)
	{
		const value_group *group = lfirst(cell);

		if (!may_execute(group->function_oid) || !compute_group(group))
			return;
	}
	values->values_lists = lists;
}

void
batch_fold_values(Query *query, ParamListInfo parameters)
{
	ListCell *cell;

	check_stack_depth();
	foreach (cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_VALUES && list_length(entry->values_lists) > 1)
			fold_lists(entry, parameters);
		else if (entry->rtekind == RTE_SUBQUERY && entry->subquery != NULL)
			batch_fold_values(entry->subquery, parameters);
	}
	foreach (cell, query->cteList)
		batch_fold_values((Query *) lfirst_node(CommonTableExpr, cell)->ctequery, parameters);
}
