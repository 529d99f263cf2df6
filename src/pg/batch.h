/*
 * batch.h
 *	  Transparent batching: a scan that computes calls of models for many rows at once.
 *
 * batch_plan.c puts the scan into finished plans, batch_hoist.c takes the calls out of their
 * expressions (batch_look.c finds them), batch_scan.c runs it, batch_explain.c shows it.  Settings: tfm.batching,
 * tfm.batch_tokens.
 *
 * The scan has one child.  Its scan tuple is the child's columns and a column for each call, in an
 * order in which they can be computed; its target list and its filter refer to these columns.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_BATCH_H
#define TFM_PG_BATCH_H

#include "postgres.h"

#include "access/parallel.h"
#include "commands/explain.h"
#include "nodes/execnodes.h"
#include "nodes/extensible.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"

#include "pg/call.h"

/* ---- The plan node ---- */

/*
 * custom_scan_tlist: the child's columns, then the calls, whose arguments are columns before them.
 * custom_exprs: a guard for each call, under which alone it is computed (the constant true: always);
 * then the count and the offset of a LIMIT that asks for the rows (null constants: none).
 * custom_private: integers, by these numbers; then for each call how many members of the filter,
 * which is the node's qual, must be true before it is computed.
 */
enum batch_private
{
	BATCH_COLUMNS, /* of the child */
	BATCH_EAGER,   /* whether all rows will be asked for, come what may */
	BATCH_PRIVATE  /* their number */
};

/* What EXPLAIN calls the node. */
#define BATCH_NAME "TfmBatch"

extern const CustomScanMethods batch_scan_methods;

/* ---- Planning ---- */

/* Register the scan, and hook into the planner; for tfm.c. */
extern void batch_install(void);

/* Put scans into a finished plan, in place (batch_plan.c); whether there was a place for one. */
extern bool batch_rewrite_plan(PlannedStmt *statement);

/*
 * Compute the calls of models with constant arguments that are in rows of VALUES (batch_values.c);
 * they become constants.
 */
extern void batch_fold_values(Query *query, ParamListInfo parameters);

/* What is taken out of the expressions of a node. */
typedef struct batch_hoist
{
	const List *subplans; /* of the statement */
	int columns;		  /* those before the calls' */
	Index column_varno;	  /* the varno by which the expressions refer to columns */
	List *calls;		  /* FuncExpr; its arguments and guards refer to columns by INDEX_VAR */
	List *guards;		  /* Expr; NULL: always */
	List *after;		  /* int: members of the filter that come first */
} batch_hoist;

/*
 * A copy of an expression in which calls are Vars of their columns, as far as computing them for
 * many rows ahead changes nothing.  It is evaluated under conditions (a List of expressions that
 * must be true; taken out of before) and after the first `after` members of the filter.
 */
extern Node *batch_hoist_calls(batch_hoist *hoist, Node *expression, List *conditions, int after);

/* Whether a node is a call of a model. */
extern bool batch_is_call(Node *node);

/* Whether one stands in an expression or a list of them. */
extern bool batch_contains_call(Node *expression);

/* Whether something volatile stands in an expression or in the subplans that it runs. */
extern bool batch_contains_volatile(Node *expression, const List *subplans);

/*
 * Whether it is seen from outside that a plan gives its rows earlier than they are asked for: it
 * locks rows, or has volatile functions.  With harmless, such as random() do not count, of which
 * nobody sees when they are called.
 */
extern bool batch_is_volatile_plan(Plan *plan, const List *subplans, bool harmless);

/* The plans directly below one, in a new list. */
extern List *batch_child_plans(Plan *plan);

/* ---- Running ---- */

/* What a scan has done, for EXPLAIN ANALYZE. */
typedef struct batch_counts
{
	int64 batches;
	int64 rows;	  /* results of calls */
	int64 tokens; /* that went through models */
	double milliseconds;
	Size memory; /* most of a batch, in bytes */
} batch_counts;

/* Those of the workers of a parallel query, in its shared memory. */
typedef struct batch_shared
{
	int workers;
	batch_counts counts[FLEXIBLE_ARRAY_MEMBER];
} batch_shared;

/* An argument of a call. */
typedef struct batch_argument
{
	ExprState *expression;
	bool passing; /* a subplan gives it, which forgets it when it is evaluated again */
	int16 length;
	bool by_value;
} batch_argument;

/* A call, computed into a column. */
typedef struct batch_call
{
	const call_function *function;
	call_site *site;
	bool strict;			   /* the function is NULL if any argument is */
	int column;				   /* from 0 */
	ExprState *guard;		   /* NULL: always computed */
	batch_argument *arguments; /* [argument_count] */
	int argument_count;
	bool early; /* neither guard nor arguments wait for other calls or the filter */
} batch_call;

/* Some calls, and a part of the filter after them. */
typedef struct batch_stage
{
	int calls_end;	   /* they begin where the stage before ends */
	ExprState *filter; /* NULL: all rows pass */
} batch_stage;

/* A row of the child that waits. */
typedef struct batch_row
{
	Datum *values; /* [width] */
	bool *nulls;
	NullableDatum **arguments; /* [call_count] of early calls; NULL: the call is not wanted */
	bool alive;				   /* the filter has not refused it */
	ItemPointerData place;	   /* of the child's tuple, for WHERE CURRENT OF */
	Oid table;
} batch_row;

typedef struct batch_state
{
	CustomScanState scan;

	/* of the plan */
	int columns;
	int width; /* columns and calls */
	bool eager;
	batch_call *calls;
	int call_count;
	batch_stage *stages;
	int stage_count;
	ExprState *limit_count, *limit_offset;

	/* of a scan */
	bool started;
	bool ended;	  /* the child has no more rows */
	int64 wanted; /* rows that a LIMIT still asks for; -1: any number */
	int size;	  /* rows of the next batch, at most */

	/* of a batch */
	ExprContext *context; /* whose memory lasts as long as the batch */
	batch_row *rows;
	int row_count;
	int next;	 /* the row to be handed out */
	bool singly; /* rows are computed one by one, when they are asked for */

	TupleTableSlot *minimal; /* to take apart the rows that are kept */
	batch_counts counts;
	batch_counts worker_counts;	 /* of all workers */
	batch_shared *shared;		 /* NULL: not under a parallel query */
	batch_counts *worker_shared; /* in a worker: its own there */
} batch_state;

/* Keep a row of the child in the memory of the batch; returns its size in bytes. */
extern Size batch_keep_row(batch_state *state, TupleTableSlot *slot, batch_row *row);

/*
 * Evaluate the arguments of calls that need nothing but the row, and add their tokens, about, to
 * tokens [call_count]; returns the most tokens that a call has.
 */
extern int64 batch_prepare_row(batch_state *state, batch_row *row, int64 *tokens);

/* All stages for some rows; false, without having thrown it, if one of them has an error. */
extern bool batch_compute_rows(batch_state *state, batch_row *rows, int count, bool lenient);

/* Make a row the scan's tuple. */
extern TupleTableSlot *batch_load_row(batch_state *state, const batch_row *row);

/* What EXPLAIN shows, and how the counts of workers come to the leader (batch_explain.c). */
extern void batch_explain(CustomScanState *node, List *ancestors, ExplainState *es);
extern void batch_share_counts(batch_state *state);
extern Size batch_estimate_shared(CustomScanState *node, ParallelContext *parallel);
extern void batch_begin_shared(CustomScanState *node, ParallelContext *parallel, void *memory);
extern void batch_rescan_shared(CustomScanState *node, ParallelContext *parallel, void *memory);
extern void batch_join_shared(CustomScanState *node, shm_toc *contents, void *memory);
extern void batch_end_shared(CustomScanState *node);

#endif
