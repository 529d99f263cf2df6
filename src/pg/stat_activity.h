/*
 * stat_activity.h
 *	  What each backend computes now: the slots behind the view tfm_stat_activity.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_STAT_ACTIVITY_H
#define TFM_PG_STAT_ACTIVITY_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "pg/shared.h"
#include "pg/stat.h"
#include "pg/stat_counts.h"

/*
 * A backend's slot, written by it alone, in shared memory where there is some.  Its changes are
 * counted before and after each: a reader that sees an odd number, or another one after copying than
 * before, reads again.
 */
typedef struct stat_slot
{
	uint32 changes;
	int pid; /* 0: nobody's */
	Oid database;
	Oid user; /* of the session */
	stat_phase phase;
	bool registered; /* see stat_key */
	char model[STAT_MODEL_SIZE];
	char kind[STAT_KIND_SIZE]; /* empty: work on the image */
	int64 rows;				   /* of this call */
	int64 rows_done;		   /* of earlier calls of the statement */
	int64 tokens;			   /* of this call, so far */
	int64 made;
	int64 bytes_done; /* of work on the image */
	int64 bytes_total;
	TimestampTz started;
	TimestampTz statement; /* that rows_done is of */
} stat_slot;

/* This backend's slot; made at first use. */
extern stat_slot *stat_slot_own(void);

/* A change of the own slot stands between these two; nothing in between may throw. */
extern void stat_slot_begin_change(stat_slot *slot);
extern void stat_slot_end_change(stat_slot *slot);

/* Copies of the slots of backends that do something, palloc'ed; how many there are. */
extern int stat_slots_copy(stat_slot **slots);

extern const shared_part stat_activity_part;

#endif
