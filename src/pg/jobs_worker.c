/*
 * jobs_worker.c
 *	  The background workers of embedding jobs: starting, waking and ending them.
 *
 * A database has up to tfm.job_workers workers, each of which holds the advisory lock of a slot.  Who
 * commits a transaction that has queued rows looks whether somebody holds slot 0: if so, that one's
 * latch is set; if not, a worker is started.  A worker that has nothing to do lets go of its slot,
 * looks into the queue once more, and ends: so either it sees a commit, or the committer sees that
 * the slot is free.  No shared memory is needed, and no preloading.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs.h"

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/backend.h"
#include "pg/locks.h"
#include "pg/settings.h"
#include "pg/stat.h"

/* A waiting worker looks this often whether somebody wants to drop the database; in ms. */
#define TICK 1000

/* Between two tries at what could not be done; in ms. */
#define PAUSE 200

/*
 * How long a worker waits for a lock: on slot 0, which committers hold for a moment to look at it, and
 * on a table that somebody alters.  Less than deadlock_timeout is by default, so that no session is
 * ever told of a deadlock with a worker.
 */
#define LOCK_PATIENCE "300ms"

extern PGDLLEXPORT void tfm_job_worker_main(Datum argument);

/* ---- Slots ---- */

static LOCKTAG
slot_lock(int slot)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, (uint32) slot, LOCK_JOB_SLOT);
	return tag;
}

static bool
is_free(int slot)
{
	LOCKTAG tag = slot_lock(slot);

	return locks_is_available(&tag, ShareLock);
}

/* The process that holds slot 0; 0 if nobody does. */
static int
find_worker(void)
{
	LOCKTAG tag = slot_lock(0);
	LockData *locks = GetLockStatusData();

	for (int i = 0; i < locks->nelements; i++)
		if (memcmp(&locks->locks[i].locktag, &tag, sizeof(tag)) == 0 &&
			(locks->locks[i].holdMask & LOCKBIT_ON(ExclusiveLock)) != 0)
			return locks->locks[i].pid;
	return 0;
}

/* ---- Starting and waking ---- */

bool
job_launch(Oid database, int slot)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_main_arg = ObjectIdGetDatum(database),
	};

	snprintf(worker.bgw_name, BGW_MAXLEN, "tfm job worker for database %u", database);
	snprintf(worker.bgw_type, BGW_MAXLEN, "tfm job worker");
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "tfm");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "tfm_job_worker_main");
	memcpy(worker.bgw_extra, &slot, sizeof(slot));
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

/* Set the latch of the worker, which was seen before or is looked for; false if it is not found. */
static bool
wake_worker(void)
{
	for (int attempt = 0; attempt < 2; attempt++)
	{
		PGPROC *process =
			tfm_backend.job_worker != 0 ? BackendPidGetProc(tfm_backend.job_worker) : NULL;

		if (process != NULL && process->databaseId == MyDatabaseId)
		{
			SetLatch(&process->procLatch);
			return true;
		}
		tfm_backend.job_worker = find_worker();
	}
	return false;
}

static bool
start_or_wake(void)
{
	if (tfm_backend.job_workers == 0 || tfm_backend.job_worker == MyProcPid)
		return tfm_backend.job_worker == MyProcPid;
	return is_free(0) ? job_launch(MyDatabaseId, 0) : wake_worker();
}

/* The transaction has ended: nothing may be thrown any more, and rows are queued all the same. */
static void
wake_quietly(void)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		(void) start_or_wake();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		FlushErrorState();
	}
	PG_END_TRY();
}

static void
watch_transaction(XactEvent event, void *argument)
{
	bool queued = tfm_backend.job_queued;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	tfm_backend.job_queued = false;
	if (queued && event == XACT_EVENT_COMMIT)
		wake_quietly();
}

void
job_wake_at_commit(void)
{
	if (!tfm_backend.job_watches)
		RegisterXactCallback(watch_transaction, NULL);
	tfm_backend.job_watches = true;
	tfm_backend.job_queued = true;
}

PG_FUNCTION_INFO_V1(tfm_start_job_worker);
Datum
tfm_start_job_worker(PG_FUNCTION_ARGS)
{
	PreventCommandDuringRecovery("tfm_start_job_worker");
	PG_RETURN_BOOL(start_or_wake());
}

/* ---- The worker ---- */

/* Settings of a worker, whatever those of the database and its owner are. */
static void
set_settings(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"synchronous_commit", "off"},
		{"statement_timeout", "0"},
		{"lock_timeout", LOCK_PATIENCE},
		{"idle_in_transaction_session_timeout", "0"},
		{"session_replication_role", "origin"},
	};

	for (size_t i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

/* A worker's state between its turns. */
typedef struct worker
{
	job_runner *runner;
	int slot;
	bool installed;		   /* the extension is there */
	int64 due;			   /* as of job_next_due */
	bool worked;		   /* has had something to do */
	TimestampTz idle_from; /* has had nothing since */
	TimestampTz helped;	   /* when others were last asked to help */
} worker;

static void
take_slot(void *argument)
{
	worker *w = argument;
	LOCKTAG tag = slot_lock(w->slot);

	(void) LockAcquire(&tag, ExclusiveLock, true, false);
}

static void
look(void *argument)
{
	worker *w = argument;

	w->installed = OidIsValid(job_keeper());
	w->due = -1;
	if (!w->installed)
		return;
	job_release_dead();
	w->due = job_next_due();
}

/* Whether somebody wants the database for himself: to drop, rename or copy it. */
static bool
is_database_wanted(void)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	return !locks_is_available(&tag, RowExclusiveLock);
}

static void
wait_for_latch(int64 milliseconds)
{
	pgstat_report_activity(STATE_IDLE, NULL);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 (long) Min(milliseconds, TICK), stat_wait_event(STAT_WAIT_JOBS));
}

/* Start further workers, where there is work for more than one batch. */
static void
ask_for_help(worker *w)
{
	TimestampTz now = GetCurrentTimestamp();

	if (w->slot > 0 || !w->runner->full || !TimestampDifferenceExceeds(w->helped, now, PAUSE))
		return;
	w->helped = now;
	for (int slot = 1; slot < tfm_backend.job_workers; slot++)
		if (is_free(slot))
			(void) job_launch(MyDatabaseId, slot);
}

static job_outcome
take_turn(worker *w)
{
	job_outcome outcome;

	pgstat_report_activity(STATE_RUNNING, "looking for embedding jobs");
	outcome = job_run_turn(w->runner);
	pgstat_report_stat(false);
	if (outcome == JOB_IDLE)
		return outcome;
	w->worked = true;
	w->idle_from = 0;
	return outcome;
}

/* Nothing is due: wait for it, or for the latch.  False if the worker is to end. */
static bool
wait_for_work(worker *w)
{
	ErrorData *error = job_run_step(w->runner, look, w);

	if (error != NULL)
	{
		ereport(LOG, errcode(error->sqlerrcode),
				errmsg("embedding jobs cannot be looked at: %s", error->message));
		wait_for_latch(TICK);
		return true;
	}
	if (!w->installed || w->slot > 0)
		return false;
	if (w->due >= 0)
	{
		wait_for_latch(Max(w->due / 1000, PAUSE));
		return true;
	}
	if (w->idle_from == 0)
		w->idle_from = GetCurrentTimestamp();
	if (!w->worked ||
		TimestampDifferenceExceeds(w->idle_from, GetCurrentTimestamp(), tfm_backend.job_idle_time))
		return false;
	wait_for_latch(tfm_backend.job_idle_time);
	return true;
}

/* Let go of the slot, and see whether a commit came just before: then take it again. */
static bool
leave(worker *w)
{
	LOCKTAG tag = slot_lock(w->slot);

	LockRelease(&tag, ExclusiveLock, true);
	if (job_run_step(w->runner, look, w) != NULL || !w->installed || w->slot > 0 || w->due < 0)
		return true;
	return job_run_step(w->runner, take_slot, w) != NULL;
}

/* Until there is nothing more to do. */
static void
work(worker *w)
{
	for (;;)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		settings_reload();
		if (is_database_wanted() || tfm_backend.job_workers <= w->slot)
			return;
		if (take_turn(w) != JOB_IDLE)
			ask_for_help(w);
		else if (!wait_for_work(w) && leave(w))
			return;
	}
}

void
tfm_job_worker_main(Datum argument)
{
	worker w = {0};

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), InvalidOid, 0);
	memcpy(&w.slot, MyBgworkerEntry->bgw_extra, sizeof(w.slot));
	set_settings();
	MemoryContextSwitchTo(TopMemoryContext);
	w.runner = job_create_runner(false);
	tfm_backend.job_worker = MyProcPid;
	if (job_run_step(w.runner, take_slot, &w) == NULL)
		work(&w);
	proc_exit(0);
}
