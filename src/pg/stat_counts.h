/*
 * stat_counts.h
 *	  The counters behind the view tfm_stat_models.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_STAT_COUNTS_H
#define TFM_PG_STAT_COUNTS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "pg/shared.h"

/* Bytes of names, the zero at their end included; longer ones are cut. */
#define STAT_MODEL_SIZE 256
#define STAT_KIND_SIZE 32

/* What is counted together.  Compared byte by byte: to be zeroed before it is filled. */
typedef struct stat_key
{
	Oid database;
	bool registered; /* model is a server's name; else an id or a path */
	char kind[STAT_KIND_SIZE];
	char model[STAT_MODEL_SIZE]; /* in the database's encoding */
} stat_key;

typedef struct stat_counters
{
	int64 calls;
	int64 rows;
	int64 passes;
	int64 tokens;
	int64 reused;
	int64 made;
	int64 errors;
	double total_time; /* milliseconds */
	double max_time;
	int64 peak_bytes;  /* the most that a call took */
	int64 image_bytes; /* of the image that was used last */
	TimestampTz since;
	TimestampTz last_used;
} stat_counters;

typedef struct stat_count
{
	stat_key key;
	stat_counters counters;
} stat_count;

/* Keys that are counted; beyond them the one that was not used for the longest time gives way. */
#define STAT_COUNTS_MAX 256

/* Add to the counters of a key; since and last_used are of this function's making. */
extern void stat_counts_add(const stat_key *key, const stat_counters *more);

/* A copy of all counters, palloc'ed; how many there are. */
extern int stat_counts_copy(stat_count **counts);

/* Forget the counters of a model of this database, or, where it is NULL, all. */
extern void stat_counts_reset(const char *model);

/* Whether the counters are those of all sessions. */
extern bool stat_counts_shared(void);

extern const shared_part stat_counts_part;

#endif
