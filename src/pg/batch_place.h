/*
 * batch_place.h
 *	  Where a batching scan can be put into a plan.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_BATCH_PLACE_H
#define TFM_PG_BATCH_PLACE_H

#include "pg/batch.h"

/* How many of a node's rows are asked for. */
typedef struct batch_demand
{
	bool all;	 /* all of them, come what may */
	Node *count; /* at most this many after those skipped, as a LIMIT says; NULL: any number */
	Node *offset;
	bool parallel; /* by each worker of a parallel query */
} batch_demand;

typedef struct batch_rewriter
{
	PlannedStmt *statement;
	int last_node_id;
} batch_rewriter;

/*
 * Put a scan above a node if its target list or filter calls models; returns what takes the node's
 * place.
 */
extern Plan *batch_scan_above(batch_rewriter *to, Plan *plan, batch_demand asked);

/* Put a scan below a node if what it does with rows that it takes in calls models. */
extern void batch_scan_below(batch_rewriter *to, Plan *plan, const batch_demand *asked);

/*
 * Put a scan on a side of a join if calls are a part of what it compares there: computed for each
 * row, not for each pair.
 */
extern void batch_scan_beside(batch_rewriter *to, Plan *join, bool inner, bool parallel);

/*
 * Scans below an Append, such as those of partitions, become one above it: batches are larger, and
 * foreign tables are read at the same time as before.  Returns what takes the Append's place.
 */
extern Plan *batch_lift_scans(Append *append);

/* ---- What these share ---- */

/* A scan over child; its target list and filter are the caller's. */
extern Plan *batch_make_scan(batch_rewriter *to, Plan *child, const batch_hoist *hoist,
							 const batch_demand *asked);

/* Let a scan give the columns of its child and those of the calls. */
extern void batch_add_columns(Plan *scan, Plan *child, const batch_hoist *hoist);

/* Whether a plan must not give its rows earlier than each is asked for. */
extern bool batch_must_not_hurry(const batch_rewriter *to, Plan *plan, const batch_demand *asked,
								 bool among_volatile);

/* The columns that a child with such a target list gives the node above it, as that refers to them. */
extern List *batch_child_columns(const List *targets);

/* A target list of expressions, without names. */
extern List *batch_make_targets(const List *expressions);

#endif
