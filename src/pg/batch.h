/*
 * batch.h
 *	  Transparent batching: a scan that computes calls of models for many rows at once.
 *
 * batch_plan.c puts the scan into finished plans, batch_scan.c runs it.  Settings: tfm.batching,
 * tfm.batch_tokens.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_BATCH_H
#define TFM_PG_BATCH_H

#include "postgres.h"

#include "nodes/extensible.h"
#include "nodes/plannodes.h"

/* Register the scan, and hook into the planner; for tfm.c. */
extern void batch_install(void);

/* Put scans into a finished plan, in place (batch_plan.c). */
extern void batch_rewrite_plan(PlannedStmt *statement);

extern const CustomScanMethods batch_scan_methods;

#endif
