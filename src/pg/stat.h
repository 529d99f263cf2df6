/*
 * stat.h
 *	  What models have computed (tfm_stat_models), and what sessions compute now (tfm_stat_activity).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_STAT_H
#define TFM_PG_STAT_H

#include "postgres.h"

#include "portability/instr_time.h"

#include "base/context.h"
#include "pg/registry.h"

/* What a backend is seen to do. */
typedef enum stat_phase
{
	STAT_IDLE,
	STAT_READING,	/* a checkpoint, for its fingerprint */
	STAT_COMPILING, /* an image */
	STAT_OPENING,	/* an image */
	STAT_WAITING,	/* for a worker */
	STAT_COMPUTING
} stat_phase;

/* A piece of work that is under way, on the caller's stack between stat_begin and stat_end. */
typedef struct stat_work
{
	instr_time started;
	tfm_usage before; /* the context's */
	stat_phase outer; /* what the backend did before */
} stat_work;

/* Begin to compute rows inputs with a model, as kind (a task's name, static). */
extern stat_work stat_begin(tfm_context *context, const registry_handle *model, const char *kind,
							int64 rows);

/* It has ended, well or with the error in context; what it took is counted. */
extern void stat_end(tfm_context *context, const registry_handle *model, const stat_work *work,
					 const char *kind, int64 rows);

/* Another phase, of the model of that name (may be NULL); returns the one before. */
extern stat_phase stat_set_phase(stat_phase phase, const char *model);

/* For who starts the extension (tfm.c). */
extern void stat_install(void);

#endif
