/*
 * jobs_runner.c
 *	  Runners of embedding jobs: their transactions, whose turn it is, and the procedure
 *	  tfm_run_embedding_job, which is one.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

job_runner *
job_create_runner(bool nonatomic)
{
	job_runner *runner = palloc0(sizeof(job_runner));

	runner->nonatomic = nonatomic;
	runner->memory =
		AllocSetContextCreate(CurrentMemoryContext, "tfm job batch", ALLOCSET_DEFAULT_SIZES);
	runner->models =
		AllocSetContextCreate(CurrentMemoryContext, "tfm job models", ALLOCSET_SMALL_SIZES);
	runner->number = job_begin_runner();
	return runner;
}

/* ---- Steps ---- */

static void
begin_step(const job_runner *runner)
{
	if (runner->nonatomic)
		return;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
}

static void
end_step(const job_runner *runner)
{
	if (runner->nonatomic)
		SPI_commit();
	else
	{
		SPI_finish();
		CommitTransactionCommand();
	}
	MemoryContextSwitchTo(runner->memory);
}

/* What no step may swallow: the session is to end, or a user has cancelled it. */
static bool
must_end(const job_runner *runner, const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
		   (runner->nonatomic && error->sqlerrcode == ERRCODE_QUERY_CANCELED);
}

ErrorData *
job_run_step(job_runner *runner, void (*step)(void *), void *argument)
{
	ErrorData *volatile error = NULL;
	ResourceOwner owner;

	begin_step(runner);
	owner = CurrentResourceOwner;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		MemoryContextSwitchTo(runner->memory);
		PushActiveSnapshot(GetTransactionSnapshot());
		step(argument);
		PopActiveSnapshot();
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(runner->memory);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	CurrentResourceOwner = owner;
	end_step(runner);
	if (error != NULL && must_end(runner, error))
		ReThrowError(error);
	return error;
}

/* ---- Turns ---- */

/* A job that was idle is looked at again after so many ms, though others have work. */
#define IDLE_TIME 200

static void
choose_turn(void *argument)
{
	job_runner *runner = argument;
	int last = runner->turn;

	runner->turn = 0;
	if (OidIsValid(job_keeper()))
		runner->turn = job_next_turn(last, runner->idle);
}

static void
forget_idle(job_runner *runner)
{
	list_free(runner->idle);
	runner->idle = NIL;
	runner->idle_since = GetCurrentTimestamp();
}

static void
note_idle(job_runner *runner, int id)
{
	MemoryContext caller = MemoryContextSwitchTo(runner->models);

	runner->idle = lappend_int(runner->idle, id);
	MemoryContextSwitchTo(caller);
}

/* Jobs that have been idle are passed over for a while, and all are looked at before it is JOB_IDLE. */
job_outcome
job_run_turn(job_runner *runner)
{
	if (TimestampDifferenceExceeds(runner->idle_since, GetCurrentTimestamp(), IDLE_TIME))
		forget_idle(runner);
	for (;;)
	{
		ErrorData *error = job_run_step(runner, choose_turn, runner);
		job_outcome outcome;

		if (error != NULL || runner->turn == 0)
			break;
		outcome = job_run_batch(runner, runner->turn);
		if (outcome != JOB_IDLE)
			return outcome;
		note_idle(runner, runner->turn);
		CHECK_FOR_INTERRUPTS();
	}
	forget_idle(runner);
	return JOB_IDLE;
}

/* ---- The procedure ---- */

static void
release_dead(void *argument)
{
	job_release_dead();
}

static void
run_job(job_runner *runner, int id, int batches)
{
	(void) job_run_step(runner, release_dead, NULL);
	while (batches-- != 0 && job_run_batch(runner, id) == JOB_WORKED)
		CHECK_FOR_INTERRUPTS();
}

/* tfm_run_embedding_job(job name, batches integer) */
PG_FUNCTION_INFO_V1(tfm_run_embedding_job);
Datum
tfm_run_embedding_job(PG_FUNCTION_ARGS)
{
	CallContext *context = (CallContext *) fcinfo->context;
	int batches = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT32(1);
	job_runner *runner;
	job *j;

	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR, errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				errmsg("tfm_run_embedding_job cannot be called within a transaction block"),
				errdetail("It commits each batch."));
	if (PG_ARGISNULL(0))
		ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("job must not be NULL"));
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	j = job_load_owned(NameStr(*PG_GETARG_NAME(0)));
	runner = job_create_runner(true);
	PG_TRY();
	{
		run_job(runner, j->id, batches);
	}
	PG_FINALLY();
	{
		job_end_runner(runner->number);
	}
	PG_END_TRY();
	SPI_finish();
	PG_RETURN_NULL();
}
