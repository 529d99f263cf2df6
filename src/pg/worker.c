/*
 * worker.c
 *	  The supervisor of an engine process, a background worker.
 *
 * Its loop sleeps until a signal, a change of settings or a session wakes it; only while there is work
 * does it look now and then, for what pg_stat_activity shows.  What its engine process dies of is
 * logged; the next one is started at once, and later and later where they cannot start.  A change of
 * settings lets the engine process finish what it computes before the next one is started, so that no
 * session notices it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <signal.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/backend.h"
#include "pg/connection.h"
#include "pg/stat.h"
#include "pg/worker.h"

/*
 * The next engine process comes at once, but never sooner after the one before than this.  Where they
 * do not even get ready, the pause doubles, until it is the longest one.  In milliseconds.
 */
#define SHORTEST_LIFE 100
#define LONGEST_PAUSE 30000

/* How long a program may take to answer, and sessions to finish before settings change. */
#define HELLO_TIMEOUT 60000
#define DRAIN_TIMEOUT 60000

/* How often the state is shown while there is work, in milliseconds. */
#define SHOW_PAUSE 500

/* Seconds until the postmaster starts a supervisor again that has ended. */
#define SUPERVISOR_PAUSE 1

typedef struct supervisor
{
	int worker;
	worker_slot *slot;
	worker_process process;
	char *arguments;	   /* that follow from settings, of the process */
	int failures;		   /* engine processes in a row that did not get ready */
	TimestampTz started;   /* the process */
	TimestampTz next;	   /* when to start one, where none runs */
	TimestampTz drain_end; /* when draining has lasted too long; 0: it does not drain */
} supervisor;

extern PGDLLEXPORT void tfm_worker_main(Datum argument);

/* ---- How it stands ---- */

static void
set_state(supervisor *s, worker_state state)
{
	LWLockAcquire(&worker_memory->lock, LW_EXCLUSIVE);
	s->slot->state = state;
	s->slot->engine = s->process.pid;
	LWLockRelease(&worker_memory->lock);
	ConditionVariableBroadcast(&worker_memory->changed);
}

/* Show it in pg_stat_activity; returns whether there is work. */
static bool
show_state(supervisor *s)
{
	worker_slot slot;
	char text[128];

	LWLockAcquire(&worker_memory->lock, LW_EXCLUSIVE);
	slot = *s->slot;
	s->slot->idle = slot.running == 0;
	LWLockRelease(&worker_memory->lock);
	if (slot.engine == 0)
		snprintf(text, sizeof(text), "no engine process: %s", worker_state_name(slot.state));
	else if (slot.state == WORKER_READY)
		snprintf(text, sizeof(text), "engine process %d: %d running, %d waiting", (int) slot.engine,
				 slot.running, slot.waiting);
	else
		snprintf(text, sizeof(text), "engine process %d: %s", (int) slot.engine,
				 worker_state_name(slot.state));
	pgstat_report_activity(slot.running > 0 ? STATE_RUNNING : STATE_IDLE, text);
	return slot.running > 0;
}

/* ---- Its engine process ---- */

static TimestampTz
time_after(int milliseconds)
{
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), milliseconds);
}

/* When to start the next one, after one that did not start or has ended. */
static void
plan_next(supervisor *s)
{
	TimestampTz now = GetCurrentTimestamp();
	int pause = 0;

	if (s->failures > 0)
		pause = Min(LONGEST_PAUSE, SHORTEST_LIFE << Min(s->failures - 1, 16));
	else if (!TimestampDifferenceExceeds(s->started, now, SHORTEST_LIFE))
		pause = SHORTEST_LIFE;
	s->next = TimestampTzPlusMilliseconds(now, pause);
	set_state(s, WORKER_WAITING);
	if (pause > 0)
		ereport(LOG, (errmsg("worker %d starts its next engine process in %d ms", s->worker + 1,
							 pause)));
}

/* A new generation begins. */
static void
note_start(supervisor *s)
{
	s->started = GetCurrentTimestamp();
	LWLockAcquire(&worker_memory->lock, LW_EXCLUSIVE);
	s->slot->generation++;
	s->slot->started = s->started;
	s->slot->lost_now = 0;
	LWLockRelease(&worker_memory->lock);
	set_state(s, WORKER_STARTING);
}

/* Whether the process says hello; if not it ends, or is ended here. */
static bool
wait_for_hello(supervisor *s)
{
	connection *c = connection_get(s->worker);
	bool answered;

	c->supervisor = true;
	answered = connection_open(c, s->slot->generation, time_after(HELLO_TIMEOUT));
	connection_close(c);
	return answered;
}

/* Log how the process ended, and what that cost. */
static void
log_end(supervisor *s, pid_t pid, int status)
{
	int64 lost = worker_count_lost(s->worker);

	ereport(LOG, (errmsg("engine process (PID %d) of worker %d %s", (int) pid, s->worker + 1,
						 worker_describe_exit(status)),
				  lost > 0 ? errdetail_plural("%lld call that it was computing has failed.",
											  "%lld calls that it was computing have failed.",
											  (unsigned long) lost, (long long) lost)
						   : 0));
}

/* Take note of a process that has ended. */
static void
check_process(supervisor *s)
{
	pid_t pid = s->process.pid;
	int status;

	if (pid == 0 || !worker_has_ended(&s->process, &status))
		return;
	log_end(s, pid, status);
	LWLockAcquire(&worker_memory->lock, LW_EXCLUSIVE);
	s->slot->restarts++;
	LWLockRelease(&worker_memory->lock);
	s->drain_end = 0;
	plan_next(s);
}

static void
start_process(supervisor *s)
{
	if (s->arguments != NULL)
		pfree(s->arguments);
	s->arguments = MemoryContextStrdup(TopMemoryContext, worker_program_arguments());
	s->failures++;
	if (!worker_start_process(s->worker, &s->process))
	{
		plan_next(s);
		return;
	}
	note_start(s);
	show_state(s);
	if (wait_for_hello(s))
	{
		s->failures = 0;
		set_state(s, WORKER_READY);
		ereport(LOG, (errmsg("worker %d is ready, its engine process has PID %d", s->worker + 1,
							 (int) s->process.pid)));
	}
	else if (!ShutdownRequestPending)
		kill(s->process.pid, SIGKILL); /* it has ended, or hangs */
}

/* Settings have changed: let the process finish, and start another. */
static void
check_settings(supervisor *s)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	if (s->process.pid == 0 || s->drain_end != 0 ||
		strcmp(s->arguments, worker_program_arguments()) == 0)
		return;
	s->drain_end = time_after(DRAIN_TIMEOUT);
	set_state(s, WORKER_DRAINING);
}

/* End a process that has finished what it computed. */
static void
check_draining(supervisor *s)
{
	if (s->drain_end == 0)
		return;
	if (worker_look(s->worker).running > 0 && GetCurrentTimestamp() < s->drain_end)
		return;
	ereport(LOG, (errmsg("worker %d starts its engine process again for changed settings",
						 s->worker + 1)));
	worker_end_process(&s->process);
	s->drain_end = 0;
	s->next = GetCurrentTimestamp();
	set_state(s, WORKER_WAITING);
}

/* ---- The background worker ---- */

static void
wake(SIGNAL_ARGS)
{
	int saved_errno = errno;

	SetLatch(MyLatch);
	errno = saved_errno;
}

/* The supervisor ends, however. */
static void
leave(int code, Datum argument)
{
	supervisor *s = (supervisor *) DatumGetPointer(argument);

	char path[WORKER_PATH_SIZE];

	worker_end_process(&s->process);
	worker_socket_path(s->worker, path);
	unlink(path);
	set_state(s, WORKER_STOPPED);
	LWLockAcquire(&worker_memory->lock, LW_EXCLUSIVE);
	s->slot->supervisor = 0;
	s->slot->latch = NULL;
	LWLockRelease(&worker_memory->lock);
}

static void
enter(supervisor *s, int worker)
{
	s->worker = worker;
	s->slot = &worker_memory->slots[worker];
	before_shmem_exit(leave, PointerGetDatum(s));
	LWLockAcquire(&worker_memory->lock, LW_EXCLUSIVE);
	s->slot->supervisor = MyProcPid;
	s->slot->latch = &MyProc->procLatch;
	LWLockRelease(&worker_memory->lock);
	s->next = GetCurrentTimestamp();
	set_state(s, WORKER_WAITING);
}

/* Sleep until something happens. */
static void
rest(supervisor *s, bool busy)
{
	long timeout = busy ? SHOW_PAUSE : -1;
	int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	if (s->process.pid == 0)
		timeout = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), s->next);
	else if (s->drain_end != 0)
		timeout = Min(SHOW_PAUSE, DRAIN_TIMEOUT);
	if (timeout >= 0)
		events |= WL_TIMEOUT;
	(void) WaitLatch(MyLatch, events, timeout, stat_wait_event(STAT_WAIT_SUPERVISOR));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static void
supervise(supervisor *s)
{
	while (!ShutdownRequestPending)
	{
		check_settings(s);
		check_draining(s);
		check_process(s);
		if (s->process.pid == 0 && GetCurrentTimestamp() >= s->next)
			start_process(s);
		rest(s, show_state(s));
	}
}

/* Argument: the worker's number, from 0. */
void
tfm_worker_main(Datum argument)
{
	supervisor *s;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGCHLD, wake);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	if (worker_memory == NULL || DatumGetInt32(argument) >= worker_memory->workers)
		proc_exit(0);
	s = MemoryContextAllocZero(TopMemoryContext, sizeof(supervisor));
	enter(s, DatumGetInt32(argument));
	supervise(s);
	proc_exit(1); /* with 0 it would not be started again */
}

void
worker_install(void)
{
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	for (int i = 0; i < tfm_backend.workers; i++)
	{
		BackgroundWorker worker = {
			.bgw_type = "tfm worker",
			.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
			.bgw_start_time = BgWorkerStart_ConsistentState,
			.bgw_restart_time = SUPERVISOR_PAUSE,
			.bgw_library_name = "tfm",
			.bgw_function_name = "tfm_worker_main",
			.bgw_main_arg = Int32GetDatum(i),
		};

		snprintf(worker.bgw_name, sizeof(worker.bgw_name), "tfm worker %d", i + 1);
		RegisterBackgroundWorker(&worker);
	}
}
