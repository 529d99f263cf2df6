/*
 * jobs_table.c
 *	  Reading the rows of a job's relation; as its owner.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs_command.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* About as many bytes of text, some 4 million tokens, are a batch, however few rows have them. */
#define BATCH_BYTES (16 * 1024 * 1024)

/* Rows that are read at once. */
#define FETCH 64

/* ---- Reading ---- */

/* Keep what a fetch has given; how many bytes that is. */
static size_t
keep_texts(MemoryContext memory, job_row *rows, int count)
{
	size_t bytes = 0;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		job_row *row = job_numbered_row(rows, count, SPI_tuptable, i);

		row->found = true;
		row->source = job_column(memory, (int) i, 2);
		if (row->source != NULL)
			bytes += strlen(row->source);
	}
	return bytes;
}

/* Rows whose texts are short come in any order; those behind a long one wait for the next batch. */
int
job_read_rows(const job *j, job_row *rows, int count)
{
	MemoryContext memory = CurrentMemoryContext;
	int done = 0;
	size_t bytes = 0;

	while (done < count && bytes < BATCH_BYTES)
	{
		int portion = Min(count - done, FETCH);
		job_command c;

		job_begin_command(&c, j, job_row_keys(rows + done, portion), portion);
		appendStringInfo(&c.text, "SELECT k.n, %s::pg_catalog.text FROM ",
						 job_column_of("r", j->source));
		job_append_keys(&c, j, "", "");
		appendStringInfo(&c.text, " JOIN %s r ON ", job_source_table(j));
		job_append_match(&c, j, "r", j->relation);
		(void) job_execute_command(&c);
		bytes += keep_texts(memory, rows + done, portion);
		SPI_freetuptable(SPI_tuptable);
		done += portion;
	}
	return done;
}

/* ---- Existing rows ---- */

/* "(id1 > $1) OR (id1 = $1 AND id2 > $2)", and id1 >= $1 in a form that an index can use. */
static void
append_behind(job_command *c, const job *j)
{
	int parts = list_length(j->key);

	for (int i = 0; i < parts; i++)
	{
		appendStringInfoString(&c->text, i == 0 ? "(" : " OR ");
		for (int k = 0; k <= i; k++)
		{
			Oid type = job_key_type(j->relation, list_nth(j->key, k));

			appendStringInfoString(&c->text, k == 0 ? "(" : " AND ");
			generate_operator_clause(
				&c->text, job_column_of("r", list_nth(j->key, k)), type,
				job_order_operator(type, k == i ? TYPECACHE_GT_OPR : TYPECACHE_EQ_OPR),
				psprintf("($%d)[1]", k + 1), getBaseType(type));
		}
		appendStringInfoString(&c->text, ")");
	}
	appendStringInfoString(&c->text, ")");
}

/* A row's key, from the key columns that SPI has given. */
static char *
key_text(int row, int parts)
{
	char **values = palloc(sizeof(char *) * (Size) parts);

	for (int i = 0; i < parts; i++)
		values[i] = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, i + 1);
	return job_key_text(values, parts);
}

List *
job_next_keys(const job *j, int count, bool only_missing)
{
	MemoryContext memory = CurrentMemoryContext, caller;
	char *last = j->filled;
	List *keys = NIL;
	StringInfoData columns;
	ListCell *cell;
	uint64 rows;
	job_command c;

	job_begin_command(&c, j, &last, last != NULL ? 1 : 0);
	initStringInfo(&columns);
	foreach (cell, j->key)
		appendStringInfo(&columns, "%s%s", columns.len == 0 ? "" : ", ",
						 job_column_of("r", lfirst(cell)));
	appendStringInfo(&c.text, "SELECT %s FROM %s r WHERE ", columns.data, job_source_table(j));
	if (only_missing && j->chunk == 0)
		appendStringInfo(&c.text, "r.%s IS NULL AND ", quote_identifier(j->destination));
	if (only_missing)
		appendStringInfo(&c.text, "r.%s IS NOT NULL AND ", quote_identifier(j->source));
	if (j->filled != NULL)
		append_behind(&c, j);
	else
		appendStringInfoString(&c.text, "true");
	appendStringInfo(&c.text, " ORDER BY %s LIMIT %d", columns.data, count);
	rows = job_execute_command(&c);
	caller = MemoryContextSwitchTo(memory);
	for (uint64 i = 0; i < rows; i++)
		keys = lappend(keys, key_text((int) i, list_length(j->key)));
	MemoryContextSwitchTo(caller);
	SPI_freetuptable(SPI_tuptable);
	return keys;
}

char *
job_key_text(char **values, int count)
{
	Datum elements[INDEX_MAX_KEYS];
	bool nulls[INDEX_MAX_KEYS];
	int bounds[] = {1}, size[] = {count};

	for (int i = 0; i < count; i++)
	{
		nulls[i] = values[i] == NULL;
		elements[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(values[i]);
	}
	return OidOutputFunctionCall(
		F_ARRAY_OUT, PointerGetDatum(construct_md_array(elements, nulls, 1, size, bounds, TEXTOID,
														-1, false, TYPALIGN_INT)));
}
