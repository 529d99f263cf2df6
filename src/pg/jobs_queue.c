/*
 * jobs_queue.c
 *	  The queue of embedding jobs.
 *
 * An entry stands for a row whatever has happened to it, and however often.  Queueing a row that is
 * there already does nothing but lock the entry until the end of the transaction, so that no runner
 * takes it before the change is seen; if a runner has taken it, its version is counted up, and the
 * runner will leave it in the queue.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "pg/backend.h"
#include "pg/locks.h"

/* Keys that go into one command. */
#define PORTION 10000

/* Seconds before a row or job that has failed is tried again: doubled each time, up to the last. */
#define FIRST_DELAY 1.0
#define LAST_DELAY 300.0

/* ---- Filling ---- */

/* Execute a command that queues keys ($2) of a job ($1), some at a time; $3 is a text. */
static void
execute_keys(const char *command, int id, const List *keys, const char *argument)
{
	for (int first = 0; first < list_length(keys); first += PORTION)
	{
		int count = Min(list_length(keys) - first, PORTION);
		Oid types[] = {INT4OID, TEXTARRAYOID, TEXTOID};
		Datum values[] = {
			Int32GetDatum(id),
			job_text_array(keys, first, count),
			CStringGetTextDatum(argument != NULL ? argument : ""),
		};

		(void) job_execute_kept(command, 3, types, values, NULL);
	}
	if (keys != NIL)
		job_wake_at_commit();
}

void
job_enqueue(int id, const List *keys)
{
	execute_keys("INSERT INTO @.tfm_job_queue AS q (job, key) "
				 "SELECT DISTINCT $1, k::text[] FROM unnest($2) k WHERE $3 = '' ORDER BY 2 "
				 "ON CONFLICT (job, key) DO UPDATE SET version = q.version + 1, attempts = 0, "
				 "due = clock_timestamp(), set_aside = false, sqlstate = NULL, error = NULL, "
				 "failed_at = NULL WHERE q.taken_by IS NOT NULL OR q.attempts > 0",
				 id, keys, NULL);
}

/*
 * An entry that is there is left alone: if a runner has taken it, it will write what is true at that
 * time, or nothing.  Locking it would only keep the runner from removing it.
 */
void
job_enqueue_existing(int id, const List *keys, const char *unless_made_with)
{
	execute_keys("INSERT INTO @.tfm_job_queue AS q (job, key) "
				 "SELECT $1, k::text[] FROM unnest($2) k WHERE $3 = '' OR NOT EXISTS "
				 "(SELECT FROM @.tfm_job_made m WHERE m.job = $1 AND m.key = k::text[] "
				 "AND m.made_with = $3) ON CONFLICT (job, key) DO NOTHING",
				 id, keys, unless_made_with);
}

/* ---- Runners ---- */

static LOCKTAG
runner_lock(int64 runner)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) ((uint64) runner >> 32), (uint32) runner,
						 LOCK_JOB_RUNNER);
	return tag;
}

int64
job_begin_runner(void)
{
	int64 runner;
	LOCKTAG tag;

	if (!pg_strong_random(&runner, sizeof(runner)))
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values"));
	tag = runner_lock(runner);
	(void) LockAcquire(&tag, ExclusiveLock, true, false);
	return runner;
}

void
job_end_runner(int64 runner)
{
	LOCKTAG tag = runner_lock(runner);

	LockRelease(&tag, ExclusiveLock, true);
}

void
job_release(int64 runner, double delay)
{
	Oid types[] = {INT8OID, FLOAT8OID};
	Datum values[] = {Int64GetDatum(runner), Float8GetDatum(delay)};

	(void) job_execute_kept(
		"UPDATE @.tfm_job_queue SET taken_by = NULL, due = CASE WHEN $2 > 0 THEN "
		"clock_timestamp() + $2 * interval '1 second' ELSE due END WHERE ctid = ANY (ARRAY("
		"SELECT ctid FROM @.tfm_job_queue WHERE taken_by = $1 FOR UPDATE SKIP LOCKED))",
		2, types, values, NULL);
}

/* Whether nobody holds the lock of a runner. */
static bool
is_dead(int64 runner)
{
	LOCKTAG tag = runner_lock(runner);

	return locks_is_available(&tag, ShareLock);
}

void
job_release_dead(void)
{
	uint64 count = job_execute_kept("SELECT DISTINCT taken_by FROM @.tfm_job_queue "
									"WHERE taken_by IS NOT NULL",
									0, NULL, NULL, NULL);
	int64 *runners = palloc(sizeof(int64) * Max(count, 1));
	bool null;

	for (uint64 i = 0; i < count; i++)
		runners[i] =
			DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	for (uint64 i = 0; i < count; i++)
		if (is_dead(runners[i]))
			job_release(runners[i], 0);
	pfree(runners);
}

/* ---- Taking and giving back ---- */

static job_entry *
read_entry(MemoryContext memory, int row)
{
	job_entry *entry = MemoryContextAlloc(memory, sizeof(job_entry));
	HeapTuple tuple = SPI_tuptable->vals[row];
	bool null;

	entry->key = job_column(memory, row, 1);
	entry->version = DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &null));
	entry->attempts = DatumGetInt32(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 3, &null));
	entry->due = DatumGetTimestampTz(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 4, &null));
	entry->done = false;
	return entry;
}

/* Take entries that are due from one time on, but not yet at another. */
static List *
take_between(int id, int64 runner, int count, TimestampTz first, TimestampTz last)
{
	MemoryContext memory = CurrentMemoryContext;
	Oid types[] = {INT4OID, INT8OID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum values[] = {Int32GetDatum(id), Int64GetDatum(runner), Int32GetDatum(count),
					  TimestampTzGetDatum(first), TimestampTzGetDatum(last)};
	uint64 rows = job_execute_kept(
		"UPDATE @.tfm_job_queue SET taken_by = $2 WHERE ctid = ANY (ARRAY("
		"SELECT ctid FROM @.tfm_job_queue WHERE job = $1 AND taken_by IS NULL AND NOT set_aside "
		"AND due >= $4 AND due < $5 ORDER BY due LIMIT $3 FOR UPDATE SKIP LOCKED)) "
		"RETURNING key, version, attempts, due",
		lengthof(types), types, values, NULL);
	List *entries = NIL;

	for (uint64 i = 0; i < rows; i++)
		entries = lappend(entries, read_entry(memory, (int) i));
	SPI_freetuptable(SPI_tuptable);
	return entries;
}

List *
job_take(int id, int64 runner, int count, TimestampTz *from)
{
	TimestampTz start = *from;
	List *entries = take_between(id, runner, count, start, GetCurrentTimestamp() + 1);
	ListCell *cell;

	foreach (cell, entries)
		*from = Max(*from, ((job_entry *) lfirst(cell))->due);
	if (list_length(entries) < count && start > DT_NOBEGIN)
		entries = list_concat(
			entries, take_between(id, runner, count - list_length(entries), DT_NOBEGIN, start));
	return entries;
}

bool
job_has_due(int id)
{
	Oid types[] = {INT4OID, TIMESTAMPTZOID};
	Datum values[] = {Int32GetDatum(id), TimestampTzGetDatum(GetCurrentTimestamp())};
	uint64 rows = job_execute_kept(
		"SELECT FROM @.tfm_job_queue WHERE job = $1 AND taken_by IS NULL AND NOT set_aside "
		"AND due <= $2 ORDER BY due LIMIT 1",
		lengthof(types), types, values, NULL);

	SPI_freetuptable(SPI_tuptable);
	return rows > 0;
}

/* Execute a command about entries: $3 are keys, $4 versions. */
static void
execute_entries(const char *command, int id, int64 runner, const List *entries, double delay)
{
	Oid types[] = {INT4OID, INT8OID, TEXTARRAYOID, INT8ARRAYOID, FLOAT8OID};
	int count = list_length(entries);
	Datum *versions = palloc(sizeof(Datum) * Max(count, 1));
	List *keys = NIL;
	Datum values[5] = {Int32GetDatum(id), Int64GetDatum(runner)};

	for (int i = 0; i < count; i++)
	{
		job_entry *entry = list_nth(entries, i);

		keys = lappend(keys, entry->key);
		versions[i] = Int64GetDatum(entry->version);
	}
	values[2] = job_text_array(keys, 0, count);
	values[3] = PointerGetDatum(
		construct_array(versions, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[4] = Float8GetDatum(delay);
	(void) job_execute_kept(command, 5, types, values, NULL);
}

/*
 * The entries that a runner has taken, each found by its key, and locked.  By their places, since a
 * plan that joins them could be one that is only good for an empty queue.  IS NOT DISTINCT FROM keeps
 * the planner from the index over taken_by, in which all that this runner ever took stays until the
 * next vacuum.
 */
#define TAKEN                                                                                      \
	"ctid = ANY (ARRAY(SELECT l.ctid FROM ROWS FROM (unnest($3), unnest($4)) AS e (key, version) " \
	"CROSS JOIN LATERAL (SELECT q.ctid, q.version FROM @.tfm_job_queue q WHERE q.job = $1 "        \
	"AND q.key = e.key::text[] AND q.taken_by IS NOT DISTINCT FROM $2 FOR UPDATE SKIP LOCKED) l "

void
job_finish(int id, int64 runner, const List *entries)
{
	execute_entries("DELETE FROM @.tfm_job_queue WHERE " TAKEN
					"WHERE l.version = e.version AND $5 = 0))",
					id, runner, entries, 0);
}

void
job_untake(int id, int64 runner, const List *entries, double delay)
{
	execute_entries("UPDATE @.tfm_job_queue SET taken_by = NULL, due = CASE WHEN $5 > 0 "
					"THEN clock_timestamp() + $5 * interval '1 second' ELSE due END WHERE " TAKEN
					"))",
					id, runner, entries, delay);
}

void
job_fail(const job *j, int64 runner, const job_entry *entry, const ErrorData *error)
{
	Oid types[] = {INT4OID, INT8OID, TEXTOID, INT8OID, TEXTOID, TEXTOID, FLOAT8OID, INT4OID};
	double delay = Min(LAST_DELAY, FIRST_DELAY * pow(2, Min(entry->attempts, 30)));
	Datum values[] = {
		Int32GetDatum(j->id),
		Int64GetDatum(runner),
		CStringGetTextDatum(entry->key),
		Int64GetDatum(entry->version),
		CStringGetTextDatum(unpack_sql_state(error->sqlerrcode)),
		CStringGetTextDatum(error->message != NULL ? error->message : ""),
		Float8GetDatum(delay),
		Int32GetDatum(j->max_attempts),
	};

	(void) job_execute_kept(
		"UPDATE @.tfm_job_queue SET taken_by = NULL, attempts = attempts + 1, "
		"set_aside = attempts + 1 >= $8, sqlstate = $5, error = $6, "
		"failed_at = clock_timestamp(), "
		"due = clock_timestamp() + $7 * interval '1 second' "
		"WHERE job = $1 AND key = $3::text[] AND version = $4 AND taken_by IS NOT DISTINCT FROM $2",
		lengthof(types), types, values, NULL);
}

/* ---- Progress of jobs ---- */

void
job_note_done(const job *j, int rows, double seconds)
{
	Oid types[] = {INT4OID, INT4OID, FLOAT8OID};
	Datum values[] = {Int32GetDatum(j->id), Int32GetDatum(rows),
					  Float8GetDatum(rows / Max(seconds, 1e-6))};

	(void) job_execute_kept(
		"INSERT INTO @.tfm_job_progress AS p (job, done, rate, last_done) "
		"VALUES ($1, $2, $3, clock_timestamp()) ON CONFLICT (job) DO UPDATE SET "
		"done = p.done + $2, rate = coalesce(0.8 * p.rate + 0.2 * $3, $3), "
		"last_done = clock_timestamp(), "
		"failures = 0, sqlstate = NULL, error = NULL, failed_at = NULL, retry_at = NULL",
		lengthof(types), types, values, NULL);
}

void
job_note_failed_rows(const job *j, int rows)
{
	Oid types[] = {INT4OID, INT4OID};
	Datum values[] = {Int32GetDatum(j->id), Int32GetDatum(rows)};

	(void) job_execute_kept("INSERT INTO @.tfm_job_progress AS p (job, failed) VALUES ($1, $2) "
							"ON CONFLICT (job) DO UPDATE SET failed = p.failed + $2",
							lengthof(types), types, values, NULL);
}

void
job_note_error(int id, const ErrorData *error)
{
	Oid types[] = {INT4OID, TEXTOID, TEXTOID, FLOAT8OID, FLOAT8OID};
	Datum values[] = {
		Int32GetDatum(id),
		CStringGetTextDatum(unpack_sql_state(error->sqlerrcode)),
		CStringGetTextDatum(error->message != NULL ? error->message : ""),
		Float8GetDatum(FIRST_DELAY),
		Float8GetDatum(LAST_DELAY),
	};

	(void) job_execute_kept(
		"INSERT INTO @.tfm_job_progress AS p (job, failures, sqlstate, error, failed_at, retry_at) "
		"SELECT $1, 1, $2, $3, clock_timestamp(), clock_timestamp() + $4 * interval '1 second' "
		"WHERE EXISTS (SELECT FROM @.tfm_job WHERE id = $1) "
		"ON CONFLICT (job) DO UPDATE SET failures = p.failures + 1, sqlstate = $2, error = $3, "
		"failed_at = clock_timestamp(), retry_at = clock_timestamp() + "
		"least($4 * 2 ^ least(p.failures, 30), $5) * interval '1 second'",
		lengthof(types), types, values, NULL);
}

void
job_clear_error(int id)
{
	Oid type = INT4OID;
	Datum value = Int32GetDatum(id);

	(void) job_execute_kept("UPDATE @.tfm_job_progress SET failures = 0, sqlstate = NULL, "
							"error = NULL, failed_at = NULL, retry_at = NULL "
							"WHERE job = $1 AND error IS NOT NULL",
							1, &type, &value, NULL);
}

void
job_note_made(int id, const List *entries, const char *made_with)
{
	Oid types[] = {INT4OID, TEXTARRAYOID, TEXTOID};
	List *keys = NIL;
	Datum values[3];
	ListCell *cell;

	foreach (cell, entries)
		keys = lappend(keys, ((job_entry *) lfirst(cell))->key);
	values[0] = Int32GetDatum(id);
	values[1] = job_text_array(keys, 0, list_length(keys));
	values[2] = CStringGetTextDatum(made_with);
	(void) job_execute_kept("INSERT INTO @.tfm_job_made (job, key, made_with) "
							"SELECT $1, k::text[], $3 FROM unnest($2) k "
							"ON CONFLICT (job, key) DO UPDATE SET made_with = $3",
							lengthof(types), types, values, NULL);
}

/* ---- Whose turn it is ---- */

int
job_next_turn(int last, const List *idle)
{
	Oid types[] = {INT4OID, INT4ARRAYOID};
	Datum values[] = {Int32GetDatum(last), job_int_array(idle)};
	uint64 rows;
	bool null;
	int id = 0;

	rows = job_execute_kept(
		"SELECT j.id FROM @.tfm_job j LEFT JOIN @.tfm_job_progress p ON p.job = j.id "
		"WHERE NOT j.paused AND (p.retry_at IS NULL OR p.retry_at <= clock_timestamp()) "
		"AND j.id <> ALL ($2) ORDER BY j.id <= $1, j.id LIMIT 1",
		lengthof(types), types, values, NULL);
	if (rows > 0)
		id = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	return id;
}

uint64
job_retry_rows(int id)
{
	Oid type = INT4OID;
	Datum value = Int32GetDatum(id);

	return job_execute_kept(
		"UPDATE @.tfm_job_queue SET set_aside = false, attempts = 0, due = clock_timestamp(), "
		"sqlstate = NULL, error = NULL, failed_at = NULL WHERE job = $1 AND attempts > 0",
		1, &type, &value, NULL);
}

int64
job_next_due(void)
{
	uint64 rows = job_execute_kept(
		"SELECT min(greatest(CASE WHEN j.fill IS NOT NULL THEN '-infinity' ELSE q.due END, "
		"p.retry_at)) FROM @.tfm_job j LEFT JOIN @.tfm_job_progress p ON p.job = j.id "
		"LEFT JOIN LATERAL (SELECT min(due) AS due FROM @.tfm_job_queue q WHERE q.job = j.id "
		"AND taken_by IS NULL AND NOT set_aside) q ON true "
		"WHERE NOT j.paused AND (j.fill IS NOT NULL OR q.due IS NOT NULL)",
		0, NULL, NULL, NULL);
	int64 wait = -1;
	bool null = true;
	Datum due = 0;

	if (rows > 0)
		due = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
	if (!null)
		wait = Max(0, TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(due))
						  ? 0
						  : DatumGetTimestampTz(due) - GetCurrentTimestamp());
	SPI_freetuptable(SPI_tuptable);
	return wait;
}
