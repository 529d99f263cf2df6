/*
 * jobs_run.c
 *	  A batch of an embedding job, from the queue to the column.
 *
 * These are its steps, each in a transaction of its own but for the third, which needs none:
 *
 *	1. look at the job, and bind its model as the owner of its table;
 *	2. take entries from the queue, and read the texts of their rows; or, as long as there are
 *	   existing rows to queue, queue some;
 *	3. compute;
 *	4. lock the rows that still have the same text, write the embeddings, remove the entries.
 *
 * A step that fails leaves nothing but its error, which is then noted in a transaction of its own:
 * with the job where the job is at fault, else with the single rows that are, found by halving.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs.h"

#include "catalog/pg_type.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "pg/registry.h"

/* Existing rows that are queued in one transaction. */
#define FILL_PORTION 10000

/* Seconds until rows are tried again that somebody had locked or changed while they were computed. */
#define BUSY_DELAY 1.0

/*
 * So many batches later, entries are looked for from the beginning: a transaction may have committed
 * that had queued them long before.
 */
#define LOOK_BACK 64

/* The model of a job, held as long as the runner lives. */
typedef struct job_model
{
	struct job_model *next;
	int id;
	registry_handle *handle;
	bool full;		  /* its last batch was */
	TimestampTz from; /* see job_take */
	int takes;
} job_model;

typedef struct batch
{
	job_runner *runner;
	int id;
	job *job; /* NULL: is gone or paused */
	job_model *model;
	const char *made_with;
	bool filled; /* existing rows were queued */
	List *entries;
	List *finished; /* of them, by the last write */
	job_row *rows;
	int count;
	double started; /* as of clock_now */

	/* of the write that is under way */
	int first;
	int portion;
	const ErrorData *error; /* to be noted */
} batch;

/* ---- 1. The job and its model ---- */

static job_model *
find_model(job_runner *runner, int id)
{
	job_model *m = runner->handles;

	while (m != NULL && m->id != id)
		m = m->next;
	if (m == NULL)
	{
		m = MemoryContextAllocZero(runner->models, sizeof(job_model));
		m->id = id;
		m->from = DT_NOBEGIN;
		m->next = runner->handles;
		runner->handles = m;
	}
	return m;
}

static void
prepare(void *argument)
{
	batch *b = argument;
	job *j = job_load(b->id);
	job_identity before;

	b->model = find_model(b->runner, b->id);
	if (j == NULL || j->paused)
		return;
	job_check_table(j);
	job_check_triggers(j);
	if (j->fill == NULL && !b->model->full && !job_has_due(b->id))
		return;
	if (!b->runner->nonatomic)
		pgstat_report_activity(STATE_RUNNING, psprintf("embedding job %s", j->name));
	job_become(j->owner, &before);
	(void) registry_get(&b->model->handle, b->runner->models, cstring_to_text(j->model), NULL);
	b->made_with = job_made_with(j, b->model->handle);
	job_return(&before);
	b->job = j;
}

/* ---- 2. Filling and taking ---- */

/* All existing rows are queued: what was made with anything else is in the queue now. */
static void
end_fill(const job *j, const char *made_with)
{
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(j->id), CStringGetTextDatum(made_with)};
	bool all = strcmp(j->fill, "missing") != 0 || j->made_with == NULL;

	(void) job_execute_kept("UPDATE @.tfm_job SET fill = NULL, filled = NULL WHERE id = $1", 1,
							types, values, NULL);
	if (!all)
		return;
	(void) job_execute_kept("UPDATE @.tfm_job SET made_with = $2 WHERE id = $1", 2, types, values,
							NULL);
	(void) job_execute_kept("DELETE FROM @.tfm_job_made WHERE job = $1", 1, types, values, NULL);
}

static void
move_fill(const job *j, const char *key)
{
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(j->id), CStringGetTextDatum(key)};

	(void) job_execute_kept("UPDATE @.tfm_job SET filled = $2::text[] WHERE id = $1", 2, types,
							values, NULL);
}

static void
fill(void *argument)
{
	batch *b = argument;
	job *j = job_load_for_update(b->id);
	job_identity before;
	List *keys;

	if (j == NULL || j->fill == NULL || j->paused || !job_same_options(j, b->job))
		return;
	job_become(j->owner, &before);
	keys = job_next_keys(j, FILL_PORTION, strcmp(j->fill, "missing") == 0);
	job_return(&before);
	job_enqueue_existing(j->id, keys, strcmp(j->fill, "stale") == 0 ? b->made_with : NULL);
	if (list_length(keys) < FILL_PORTION)
		end_fill(j, b->made_with);
	else
		move_fill(j, llast(keys));
	b->filled = true;
}

static void
take(void *argument)
{
	batch *b = argument;
	job_identity before;
	ListCell *cell;
	int i = 0;

	LockRelationOid(b->job->relation, AccessShareLock); /* not to wait with entries taken */
	if (b->model->takes++ % LOOK_BACK == 0)
		b->model->from = DT_NOBEGIN;
	b->entries = job_take(b->id, b->runner->number, b->job->batch_size, &b->model->from);
	b->runner->full = b->model->full = list_length(b->entries) == b->job->batch_size;
	b->rows = palloc0(sizeof(job_row) * Max(list_length(b->entries), 1));
	foreach (cell, b->entries)
		b->rows[i++].entry = lfirst(cell);
	job_become(b->job->owner, &before);
	b->count = job_read_rows(b->job, b->rows, list_length(b->entries));
	job_return(&before);
}

/* ---- 4. Writing ---- */

/* Of the portion, rows that have no error. */
static int
sound_rows(const batch *b, job_row *sound)
{
	int count = 0;

	for (int i = b->first; i < b->first + b->portion; i++)
		if (b->rows[i].error == NULL)
			sound[count++] = b->rows[i];
	return count;
}

static void
write_portion(void *argument)
{
	batch *b = argument;
	job_row *rows = palloc(sizeof(job_row) * Max(b->portion, 1));
	int count = sound_rows(b, rows);
	job *now = job_load_for_share(b->id);
	job_identity before;

	b->finished = NIL;
	/* Altered meanwhile: what was computed is of no use, and the entries stay. */
	if (now == NULL || now->paused || count == 0 || !job_same_options(now, b->job) ||
		strcmp(job_made_with(now, b->model->handle), b->made_with) != 0)
		return;
	job_become(now->owner, &before);
	b->finished = job_write_rows(now, rows, count);
	job_return(&before);
	if (now->made_with == NULL || strcmp(now->made_with, b->made_with) != 0)
		job_note_made(b->id, b->finished, b->made_with);
	job_finish(b->id, b->runner->number, b->finished);
	job_note_done(now, list_length(b->finished), clock_now() - b->started);
}

static void
write_nothing(void *argument)
{
	batch *b = argument;
	job_identity before;

	job_check_table(b->job);
	job_become(b->job->owner, &before);
	job_check_write(b->job, NULL);
	job_return(&before);
}

/* Errors of two transactions that met; the rows are not at fault. */
static bool
is_conflict(int sqlstate)
{
	return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TO_CATEGORY(ERRCODE_T_R_DEADLOCK_DETECTED) ||
		   sqlstate == ERRCODE_LOCK_NOT_AVAILABLE;
}

/* Write rows, by halves where that fails; an error that is none of a single row. */
static ErrorData *
write_rows(batch *b, int first, int count)
{
	ErrorData *error;
	ListCell *cell;

	b->first = first;
	b->portion = count;
	error = job_run_step(b->runner, write_portion, b);
	if (error == NULL)
		foreach (cell, b->finished)
			((job_entry *) lfirst(cell))->done = true;
	if (error == NULL || is_conflict(error->sqlerrcode))
		return error;
	if (count == 1)
	{
		b->rows[first].error = error;
		return NULL;
	}
	error = job_run_step(b->runner, write_nothing, b);
	if (error == NULL)
		error = write_rows(b, first, count / 2);
	if (error == NULL)
		error = write_rows(b, first + count / 2, count - count / 2);
	return error;
}

/* ---- What failed ---- */

static void
note_error(void *argument)
{
	batch *b = argument;

	job_release(b->runner->number, 0);
	job_note_error(b->id, b->error);
}

static void
release_later(void *argument)
{
	batch *b = argument;

	job_release(b->runner->number, BUSY_DELAY);
}

/* The job is at fault; or nobody is, and it is tried again. */
static job_outcome
fail_job(batch *b, const ErrorData *error)
{
	b->error = error;
	if (is_conflict(error->sqlerrcode) && !b->runner->nonatomic)
	{
		(void) job_run_step(b->runner, release_later, b);
		return JOB_WORKED;
	}
	ereport(LOG, errcode(error->sqlerrcode),
			errmsg("embedding job %d failed: %s", b->id, error->message));
	(void) job_run_step(b->runner, note_error, b);
	return JOB_FAILED;
}

/* Note the rows that failed, give free what is left. */
static void
clean_up(void *argument)
{
	batch *b = argument;
	List *left = NIL;
	int failed = 0;

	for (int i = 0; i < b->count; i++)
		if (b->rows[i].error != NULL)
		{
			job_fail(b->job, b->runner->number, b->rows[i].entry, b->rows[i].error);
			failed++;
		}
		else if (!b->rows[i].entry->done)
			left = lappend(left, b->rows[i].entry);
	if (failed > 0)
		job_note_failed_rows(b->job, failed);
	if (left != NIL)
		job_untake(b->id, b->runner->number, left, BUSY_DELAY);
}

/* Rows of the batch that were not read, because the others have so much text. */
static void
release_unread(void *argument)
{
	batch *b = argument;
	List *unread = NIL;

	for (int i = b->count; i < list_length(b->entries); i++)
		unread = lappend(unread, b->rows[i].entry);
	job_untake(b->id, b->runner->number, unread, 0);
}

/* ---- A batch ---- */

static job_outcome
run_taken(batch *b)
{
	ErrorData *error = NULL;

	if (b->count < list_length(b->entries))
		error = job_run_step(b->runner, release_unread, b);
	if (error == NULL)
		error = job_compute(b->job, b->model->handle, b->rows, 0, b->count);
	if (error == NULL)
		error = write_rows(b, 0, b->count);
	if (error != NULL)
		return fail_job(b, error);
	error = job_run_step(b->runner, clean_up, b);
	return error != NULL ? fail_job(b, error) : JOB_WORKED;
}

job_outcome
job_run_batch(job_runner *runner, int id)
{
	MemoryContext caller = CurrentMemoryContext;
	batch b = {.runner = runner, .id = id, .started = clock_now()};
	job_outcome outcome = JOB_IDLE;
	ErrorData *error;

	MemoryContextReset(runner->memory);
	runner->full = false;
	error = job_run_step(runner, prepare, &b);
	if (error == NULL && b.job != NULL && b.job->fill != NULL)
		error = job_run_step(runner, fill, &b);
	if (error == NULL && b.job != NULL)
		error = job_run_step(runner, take, &b);
	if (error != NULL)
		outcome = fail_job(&b, error);
	else if (b.entries != NIL)
		outcome = run_taken(&b);
	else if (b.filled)
		outcome = JOB_WORKED;
	MemoryContextSwitchTo(caller);
	return outcome;
}
