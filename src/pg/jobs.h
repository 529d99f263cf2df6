/*
 * jobs.h
 *	  Asynchronous columns: jobs that keep embeddings of a column's texts current.
 *
 * Triggers (jobs_trigger.c) put the keys of changed rows into the queue (jobs_queue.c), in the same
 * transaction.  A runner (jobs_runner.c), which is a background worker (jobs_worker.c) or a session
 * that calls tfm_run_embedding_job, takes a batch of them, reads the texts, and ends its transaction
 * before the model computes (jobs_run.c, jobs_compute.c); then it writes the embeddings of the rows
 * that still have the same text (jobs_write.c) and removes their keys.  Whoever dies in between leaves
 * entries that are taken by a runner that is no more; the next one gives them free.
 *
 * Catalog and queue belong to the extension's owner, the "keeper"; all that may run code of the
 * table's owner (triggers, types, expressions of indexes) runs as that owner, in a context in which
 * neither role nor session can be changed.
 *
 * The order of locks is: the user's row, then its entry in the queue.  Runners never wait for either.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_JOBS_H
#define TFM_PG_JOBS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/lock.h"
#include "utils/elog.h"

/* What keeps the rows of an embedding job current; all in one memory context. */
typedef struct job
{
	int id;
	char *name;
	Oid relation;
	Oid owner; /* of the relation; who the job acts as */
	List *key; /* names of columns, char * */
	char *source;
	char *destination; /* column, of the relation or of chunk_table */
	Oid chunk_table;   /* InvalidOid: no chunks */
	char *model;
	int chunk; /* tokens of a chunk at most; 0: no chunks */
	int overlap;
	char *pooling; /* NULL: the model's */
	int normalize; /* -1: the model's */
	int dimensions;
	char *prompt;
	int batch_size;
	int max_attempts;
	bool paused;
	char *fill;		 /* which existing rows are still to be queued; NULL: none */
	char *filled;	 /* key of the last one that is */
	char *made_with; /* NULL: not known */
} job;

/* ---- jobs_catalog.c ---- */

/* Who the backend was before job_become. */
typedef struct job_identity
{
	Oid user;
	int context;
	int nest;
} job_identity;

/*
 * Act as user with a safe search_path, and settings under which values have one text form, until
 * job_return; an error of the (sub)transaction ends it, too.
 */
extern void job_become(Oid user, job_identity *before);
extern void job_return(const job_identity *before);

/* Who owns the extension and its tables; InvalidOid where the extension is not (any more) there. */
extern Oid job_keeper(void);

/* The schema of the extension; throws where it is not there. */
extern const char *job_schema(void);

/*
 * SPI: execute a command as the current user, and throw if that fails.  "@." in it is the schema of
 * the extension.  types are of the values; nulls may be NULL.  The number of rows.
 */
extern uint64 job_execute(const char *command, int count, const Oid *types, const Datum *values,
						  const char *nulls);

/* The same of a command without arguments and rows. */
extern void job_run_command(const char *command);

/* As job_execute, as the keeper, and prepared once: command is a static string. */
extern uint64 job_execute_kept(const char *command, int count, const Oid *types,
							   const Datum *values, const char *nulls);

/* count strings (char *) of a list from cell first on as text[], and all numbers of one as int4[]. */
extern Datum job_text_array(const List *strings, int first, int count);
extern Datum job_int_array(const List *numbers);

/* Read a job, in the current memory context (SPI is connected); NULL if there is none. */
extern job *job_load(int id);

/* As job_load, keeping others from altering it, and from reading it so, or only from the former. */
extern job *job_load_for_update(int id);
extern job *job_load_for_share(int id);

/* Whether embeddings of a job are the same when it is as a and as b. */
extern bool job_same_options(const job *a, const job *b);

extern job *job_load_named(const char *name);

/* As job_load_named; throws for one that is not there, or whose table is not the current user's. */
extern job *job_load_owned(const char *name);

/* Column n (from 1) of a row that SPI has given, as text in the caller's context; NULL for NULL. */
extern char *job_column(MemoryContext memory, int row, int n);

/* Throw undefined_table or undefined_column where what a job works on is not there; its owner. */
extern void job_check_table(job *j);

/* Owner of a relation; InvalidOid if it is not there. */
extern Oid job_relation_owner(Oid relation);

/* Forget a job and all that is queued for it.  The triggers are the caller's. */
extern void job_forget(int id);

/* ---- jobs_trigger.c ---- */

/* Throw undefined_object where the relation of a job lacks any of its triggers. */
extern void job_check_triggers(const job *j);

/* Give the relation of a job and its partitions the triggers that they lack; whether they lacked any. */
extern bool job_create_triggers(const job *j);

/* Drop them, from wherever they are. */
extern void job_drop_triggers(int id);

/* ---- jobs_queue.c ---- */

/* An entry that a runner has taken. */
typedef struct job_entry
{
	char *key; /* text form of tfm_job_queue.key */
	int64 version;
	int attempts;
	TimestampTz due;
	bool done; /* the row's embedding is written, or the row is no more */
} job_entry;

/*
 * Queue rows that have changed, given by the text form of their keys (char *); wakes a worker when
 * the transaction commits.
 */
extern void job_enqueue(int id, const List *keys);

/*
 * The same of rows that have not changed, but for those that tfm_job_made tells to be of
 * unless_made_with (NULL: of nothing).
 */
extern void job_enqueue_existing(int id, const List *keys, const char *unless_made_with);

/* A number for a runner, and the lock that says that it lives; held until job_end_runner. */
extern int64 job_begin_runner(void);
extern void job_end_runner(int64 runner);

/*
 * Give free what runners that are no more had taken, and what this runner still has; the latter is
 * due after a delay in seconds.
 */
extern void job_release_dead(void);
extern void job_release(int64 runner, double delay);

/*
 * Take up to count entries that are due; a List of job_entry * in the current context.  Those that are
 * due from *from (DT_NOBEGIN at first) on are taken first, and *from is moved on, so that what is long
 * done but not yet vacuumed is not looked at again and again.
 */
extern List *job_take(int id, int64 runner, int count, TimestampTz *from);

/* Whether any entry is due. */
extern bool job_has_due(int id);

/* Entries are done with: remove them unless their rows have changed since they were taken. */
extern void job_finish(int id, int64 runner, const List *entries);

/* Entries are left to another batch, after a delay in seconds. */
extern void job_untake(int id, int64 runner, const List *entries, double delay);

/* An entry's row has failed: try it again later, or set it aside. */
extern void job_fail(const job *j, int64 runner, const job_entry *entry, const ErrorData *error);

/* Count rows that are done, in a batch of so many seconds, or have failed; the former ends an error. */
extern void job_note_done(const job *j, int rows, double seconds);
extern void job_note_failed_rows(const job *j, int rows);

/* A job as a whole has failed, and is tried again later; or may be tried at once. */
extern void job_note_error(int id, const ErrorData *error);
extern void job_clear_error(int id);

/* Rows have been made with another content of the model than job.made_with. */
extern void job_note_made(int id, const List *entries, const char *made_with);

/* The next job after the last one that may work and is none of those that are idle; 0: none. */
extern int job_next_turn(int last, const List *idle);

/* Rows that have failed, or were set aside, are due as if they were new; how many. */
extern uint64 job_retry_rows(int id);

/* When something is due next, as microseconds from now, 0: something is; -1: nothing is at all. */
extern int64 job_next_due(void);

/* ---- jobs_table.c ---- */

/* A row of a job's relation. */
typedef struct job_row
{
	job_entry *entry;
	char *source; /* NULL: is NULL, or there is no row */
	bool found;
	bool current; /* is locked, with the same text */
	int chunks;	  /* results: 1 without chunks, 0 for a NULL */
	struct job_chunk *results;
	ErrorData *error; /* of computing it */
} job_row;

/* A chunk, or a row's whole text. */
typedef struct job_chunk
{
	char *content; /* NULL without chunks */
	int start, end;
	struct TfmVector *embedding;
} job_chunk;

/* Read the texts of rows, as the owner; how many were read before the batch had enough bytes. */
extern int job_read_rows(const job *j, job_row *rows, int count);

/* Keys of the next count existing rows behind j->filled, as the owner; a List of char *. */
extern List *job_next_keys(const job *j, int count, bool only_missing);

/* The text form of a key: that of an array of the values' text forms. */
extern char *job_key_text(char **values, int count);

/* ---- jobs_write.c ---- */

/*
 * Write what was computed of rows that still have the same text; as the owner.  Entries to be
 * finished are those of the rows written and of rows that are no more: a List of job_entry *.
 */
extern List *job_write_rows(const job *j, job_row *rows, int count);

/*
 * Write nothing, as the owner, to find out whether it can work; with an embedding (NULL: none) also
 * whether that fits the column.
 */
extern void job_check_write(const job *j, const struct TfmVector *embedding);

/* ---- jobs_chunks.c ---- */

/* Clear the table of chunks of those whose rows were truncated. */
extern void job_truncate_chunks(const job *j, bool all);

/* Make the table of chunks, as the owner; its OID.  Or drop it. */
extern Oid job_create_chunks(const job *j, const char *name);
extern void job_drop_chunks(const job *j);

/* ---- jobs_compute.c ---- */

/* The model of a job, bound in a transaction of the owner and used outside of any. */
struct registry_handle;

/* What its content is called in job.made_with; in the current memory context. */
extern char *job_made_with(const job *j, const struct registry_handle *model);

/*
 * Compute rows first to first + count - 1 that have a text.  Where that fails, halves are tried, so
 * that at the end single rows have an error; one that is not of a row is returned.  No transaction
 * needs to be open.  Results are in the current memory context.
 */
extern ErrorData *job_compute(const job *j, const struct registry_handle *model, job_row *rows,
							  int first, int count);

/* ---- jobs_runner.c, jobs_run.c ---- */

typedef enum job_outcome
{
	JOB_IDLE,	/* nothing is due */
	JOB_WORKED, /* there may be more */
	JOB_FAILED	/* as a whole, and said so */
} job_outcome;

/* What a runner keeps. */
typedef struct job_runner
{
	int64 number;
	bool nonatomic;			   /* a procedure's: SPI is connected, and commits */
	MemoryContext memory;	   /* of a batch */
	MemoryContext models;	   /* of handles */
	struct job_model *handles; /* a model for each job */
	int turn;				   /* the job that had the last one */
	bool full;				   /* the last batch was: there may be as much again */
	List *idle;				   /* jobs that had nothing due, */
	TimestampTz idle_since;	   /* since the first of them was looked at */
} job_runner;

/* A runner, in the current memory context; ended by job_end_runner(runner->number). */
extern job_runner *job_create_runner(bool nonatomic);

/* One batch of a job. */
extern job_outcome job_run_batch(job_runner *runner, int id);

/* One batch of the job whose turn it is; JOB_IDLE if none has anything that is due. */
extern job_outcome job_run_turn(job_runner *runner);

/* Do something in a transaction of its own; the error if it fails, in runner->memory. */
extern ErrorData *job_run_step(job_runner *runner, void (*step)(void *), void *argument);

/* ---- jobs_worker.c ---- */

/* Have the worker of this database started or woken when the transaction commits. */
extern void job_wake_at_commit(void);

/* Start a worker in a slot of a database; false if the server has no place for one. */
extern bool job_launch(Oid database, int slot);

/* ---- jobs_launcher.c ---- */

/* For tfm.c: the launcher, where the library is preloaded. */
extern void job_install(void);

#endif
