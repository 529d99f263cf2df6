/*
 * jobs_command.h
 *	  Commands about rows of a job's relation, which are given by the text form of their keys.
 *
 * Such a command takes one array for each key column, of the column's own type, as its first
 * arguments, and joins them, as k, with the relation or the table of chunks.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_JOBS_COMMAND_H
#define TFM_PG_JOBS_COMMAND_H

#include "pg/jobs.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"

/* A command under way, with its arguments: first the keys. */
typedef struct job_command
{
	StringInfoData text;
	int count;
	Oid types[INDEX_MAX_KEYS + 8];
	Datum values[INDEX_MAX_KEYS + 8];
} job_command;

/* The type of a column; throws undefined_column. */
extern Oid job_key_type(Oid relation, const char *column);

/* An operator, TYPECACHE_EQ_OPR or TYPECACHE_GT_OPR, of a type's default B-tree order. */
extern Oid job_order_operator(Oid type, int which);

/* The qualified name of a relation; that of "alias.column".  Quoted where needed. */
extern char *job_relation_name(Oid relation);
extern char *job_column_of(const char *alias, const char *column);

/* The relation of a job in FROM: with its partitions, but not with tables that inherit from it. */
extern char *job_source_table(const job *j);

/* Begin a command with keys as its first arguments; add another argument, and have its number. */
extern void job_begin_command(job_command *c, const job *j, char **keys, int count);
extern int job_add_argument(job_command *c, Oid type, Datum value);

/* "ROWS FROM (unnest($1), unnest($2), more) WITH ORDINALITY AS k (k1, k2, columns, n)" */
extern void job_append_keys(job_command *c, const job *j, const char *more, const char *columns);

/* "alias.id = k.k1 AND ...", whatever the search_path. */
extern void job_append_match(job_command *c, const job *j, const char *alias, Oid relation);

/* The number of rows, as job_execute. */
extern uint64 job_execute_command(job_command *c);

/* The keys of rows, and the row that a result's first column is the number (k.n) of. */
extern char **job_row_keys(const job_row *rows, int count);
extern job_row *job_numbered_row(job_row *rows, int count, const SPITupleTable *table, uint64 i);

#endif
