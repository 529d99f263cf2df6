/*
 * tfm.c
 *	  The module: what happens when it is loaded, and the state of a backend.
 *
 * Loading it in shared_preload_libraries saves each session the time to load it, and starts workers;
 * nothing needs it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "fmgr.h"

#include "pg/backend.h"
#include "pg/batch.h"
#include "pg/drops.h"
#include "pg/jobs.h"
#include "pg/settings.h"
#include "pg/shared.h"
#include "pg/worker.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

backend_state tfm_backend;

void
_PG_init(void)
{
	settings_define();
	drops_install();
	shared_install();
	worker_install();
	batch_install();
	job_install();
}
