/*
 * jobs_launcher.c
 *	  Where the library is preloaded: starts a worker of embedding jobs for each database when the
 *	  server starts, is promoted, or has recovered from a crash.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "pg/backend.h"
#include "pg/settings.h"
#include "pg/stat.h"

/* Between two tries to start a worker where there is no place for one; in ms. */
#define PAUSE 1000

extern PGDLLEXPORT void tfm_job_launcher_main(Datum argument);

/* The databases that take connections, in TopMemoryContext. */
static List *
list_databases(void)
{
	List *databases = NIL;
	Relation catalog;
	TableScanDesc scan;
	HeapTuple tuple;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	catalog = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(catalog, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext caller;

		if (!form->datallowconn || form->datistemplate)
			continue;
		caller = MemoryContextSwitchTo(TopMemoryContext);
		databases = lappend_oid(databases, form->oid);
		MemoryContextSwitchTo(caller);
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return databases;
}

static void
wait_or_end(long milliseconds)
{
	(void) WaitLatch(MyLatch,
					 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (milliseconds >= 0 ? WL_TIMEOUT : 0),
					 milliseconds, stat_wait_event(STAT_WAIT_JOBS));
	ResetLatch(MyLatch);
	if (ShutdownRequestPending)
		proc_exit(1); /* 0 would say that it is not wanted again */
	CHECK_FOR_INTERRUPTS();
	settings_reload();
}

/* Workers of databases without jobs end at once.  When all are started, it waits for the server's end. */
void
tfm_job_launcher_main(Datum argument)
{
	List *databases;
	ListCell *cell;

	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	databases = list_databases();
	foreach (cell, databases)
		while (tfm_backend.job_workers > 0 && !job_launch(lfirst_oid(cell), 0))
			wait_or_end(PAUSE);
	for (;;)
		wait_or_end(-1);
}

void
job_install(void)
{
	BackgroundWorker launcher = {
		.bgw_name = "tfm job launcher",
		.bgw_type = "tfm job launcher",
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = 10,
		.bgw_library_name = "tfm",
		.bgw_function_name = "tfm_job_launcher_main",
	};

	if (process_shared_preload_libraries_in_progress)
		RegisterBackgroundWorker(&launcher);
}
