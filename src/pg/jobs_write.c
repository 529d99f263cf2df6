/*
 * jobs_write.c
 *	  Writing the embeddings of a job, to the column or the table of chunks; as the relation's owner.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs_command.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "pg/vector.h"

/* ---- Which rows ---- */

/* Mark the rows that still have the text that was computed, and lock them; others are left. */
static void
lock_current(const job *j, job_row *rows, int count)
{
	job_command c;
	uint64 found;

	job_begin_command(&c, j, job_row_keys(rows, count), count);
	appendStringInfo(&c.text, "SELECT k.n, %s::pg_catalog.text FROM ",
					 job_column_of("r", j->source));
	job_append_keys(&c, j, "", "");
	appendStringInfo(&c.text, " JOIN %s r ON ", job_source_table(j));
	job_append_match(&c, j, "r", j->relation);
	appendStringInfoString(&c.text, " FOR NO KEY UPDATE OF r SKIP LOCKED");
	found = job_execute_command(&c);
	for (int i = 0; i < count; i++)
		rows[i].current = false;
	for (uint64 i = 0; i < found; i++)
	{
		job_row *row = job_numbered_row(rows, count, SPI_tuptable, i);
		char *now = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2);

		row->current =
			row->found && (now == NULL || row->source == NULL ? now == row->source
															  : strcmp(now, row->source) == 0);
		row->found = true;
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Find out which of the rows are there, locked by others or not. */
static void
find_present(const job *j, job_row *rows, int count)
{
	job_command c;
	uint64 found;
	int left = 0;

	for (int i = 0; i < count; i++)
		left += !rows[i].current;
	if (left == 0)
		return;
	job_begin_command(&c, j, job_row_keys(rows, count), count);
	appendStringInfoString(&c.text, "SELECT k.n FROM ");
	job_append_keys(&c, j, "", "");
	appendStringInfo(&c.text, " JOIN %s r ON ", job_source_table(j));
	job_append_match(&c, j, "r", j->relation);
	found = job_execute_command(&c);
	for (int i = 0; i < count; i++)
		rows[i].found = false;
	for (uint64 i = 0; i < found; i++)
		job_numbered_row(rows, count, SPI_tuptable, i)->found = true;
	SPI_freetuptable(SPI_tuptable);
}

/* tfm_vector, which lives in the schema of the extension. */
static Oid
vector_type(void)
{
	Oid namespace = get_namespace_oid(job_schema(), false);

	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("tfm_vector"),
						   ObjectIdGetDatum(namespace));
}

/*
 * The embedding as an expression that can be assigned to the column: as it is, or, to types of
 * others than the server's that no cast leads to, such as pgvector's without tfm_pgvector, by way
 * of the text form.
 */
static char *
embedding_expression(Oid relation, const char *column)
{
	Oid type = job_key_type(relation, column);
	CoercionPathType path;
	Oid function;

	if (get_attgenerated(relation, get_attnum(relation, column)) != '\0')
		ereport(ERROR, errcode(ERRCODE_GENERATED_ALWAYS),
				errmsg("column \"%s\" of relation \"%s\" is a generated column", column,
					   get_rel_name(relation)));
	path = find_coercion_pathway(type, vector_type(), COERCION_ASSIGNMENT, &function);
	if (path == COERCION_PATH_NONE && TypeCategory(type) == TYPCATEGORY_USER)
		return psprintf("k.embedding::pg_catalog.text::%s", format_type_be_qualified(type));
	if (path == COERCION_PATH_NONE)
		ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("column \"%s\" is of type %s, to which tfm_vector cannot be assigned",
					   column, format_type_be(type)));
	return pstrdup("k.embedding");
}

static Datum
embedding_array(const List *embeddings, Oid vector)
{
	int count = list_length(embeddings);
	Datum *values = palloc(sizeof(Datum) * Max(count, 1));
	bool *nulls = palloc(sizeof(bool) * Max(count, 1));
	int bounds[] = {1}, size[] = {count};

	for (int i = 0; i < count; i++)
	{
		values[i] = PointerGetDatum(list_nth(embeddings, i));
		nulls[i] = list_nth(embeddings, i) == NULL;
	}
	if (count == 0)
		return PointerGetDatum(construct_empty_array(vector));
	return PointerGetDatum(
		construct_md_array(values, nulls, 1, size, bounds, vector, -1, false, TYPALIGN_INT));
}

/* What is written, a key for each embedding. */
typedef struct written
{
	char **keys;
	int count;
	List *embeddings; /* TfmVector *, NULL for a NULL */
	List *numbers;	  /* of chunks, from 1 */
	List *contents;	  /* char * */
	List *starts;
	List *ends;
} written;

static void
update_column(const job *j, const written *w)
{
	Oid vector = vector_type();
	char *column = job_column_of("r", j->destination);
	int argument;
	job_command c;

	job_begin_command(&c, j, w->keys, w->count);
	argument = job_add_argument(&c, get_array_type(vector), embedding_array(w->embeddings, vector));
	appendStringInfo(&c.text, "UPDATE %s r SET %s = %s FROM ", job_source_table(j),
					 quote_identifier(j->destination),
					 embedding_expression(j->relation, j->destination));
	job_append_keys(&c, j, psprintf(", pg_catalog.unnest($%d)", argument), "embedding, ");
	appendStringInfoString(&c.text, " WHERE ");
	job_append_match(&c, j, "r", j->relation);
	appendStringInfo(&c.text, " AND (k.embedding IS NOT NULL OR %s IS NOT NULL)", column);
	(void) job_execute_command(&c);
}

static void
delete_chunks(const job *j, char **keys, int count)
{
	job_command c;

	job_begin_command(&c, j, keys, count);
	appendStringInfo(&c.text, "DELETE FROM %s c USING ", job_relation_name(j->chunk_table));
	job_append_keys(&c, j, "", "");
	appendStringInfoString(&c.text, " WHERE ");
	job_append_match(&c, j, "c", j->chunk_table);
	(void) job_execute_command(&c);
}

static void
insert_chunks(const job *j, const written *w)
{
	Oid vector = vector_type();
	StringInfoData more;
	ListCell *cell;
	job_command c;
	int i = 0;

	job_begin_command(&c, j, w->keys, w->count);
	initStringInfo(&more);
	appendStringInfo(&more, ", pg_catalog.unnest($%d)",
					 job_add_argument(&c, INT4ARRAYOID, job_int_array(w->numbers)));
	appendStringInfo(&more, ", pg_catalog.unnest($%d)",
					 job_add_argument(&c, TEXTARRAYOID,
									  job_text_array(w->contents, 0, list_length(w->contents))));
	appendStringInfo(&more, ", pg_catalog.unnest($%d)",
					 job_add_argument(&c, INT4ARRAYOID, job_int_array(w->starts)));
	appendStringInfo(&more, ", pg_catalog.unnest($%d)",
					 job_add_argument(&c, INT4ARRAYOID, job_int_array(w->ends)));
	appendStringInfo(
		&more, ", pg_catalog.unnest($%d)",
		job_add_argument(&c, get_array_type(vector), embedding_array(w->embeddings, vector)));
	appendStringInfo(&c.text, "INSERT INTO %s (", job_relation_name(j->chunk_table));
	foreach (cell, j->key)
		appendStringInfo(&c.text, "%s, ", quote_identifier(lfirst(cell)));
	appendStringInfo(&c.text, "chunk, content, start, \"end\", %s) SELECT ",
					 quote_identifier(j->destination));
	foreach (cell, j->key)
		appendStringInfo(&c.text, "k.k%d, ", ++i);
	appendStringInfo(&c.text, "k.chunk, k.content, k.first, k.past, %s FROM ",
					 embedding_expression(j->chunk_table, j->destination));
	job_append_keys(&c, j, more.data, "chunk, content, first, past, embedding, ");
	(void) job_execute_command(&c);
}

static void
add_result(written *w, const job_row *row, int number)
{
	const job_chunk *result = number > 0 ? &row->results[number - 1] : NULL;

	w->keys[w->count++] = row->entry->key;
	w->embeddings = lappend(w->embeddings, result != NULL ? result->embedding : NULL);
	if (result == NULL || result->content == NULL)
		return;
	w->numbers = lappend_int(w->numbers, number);
	w->contents = lappend(w->contents, result->content);
	w->starts = lappend_int(w->starts, result->start);
	w->ends = lappend_int(w->ends, result->end);
}

/* The results of the rows that are current. */
static written
collect_results(const job *j, const job_row *rows, int count)
{
	written w = {0};
	int most = 0;

	for (int i = 0; i < count; i++)
		most += Max(rows[i].chunks, 1);
	w.keys = palloc(sizeof(char *) * Max(most, 1));
	for (int i = 0; i < count; i++)
	{
		if (!rows[i].current)
			continue;
		if (rows[i].chunks == 0 && j->chunk == 0)
			add_result(&w, &rows[i], 0);
		for (int number = 1; number <= rows[i].chunks; number++)
			add_result(&w, &rows[i], number);
	}
	return w;
}

/* The entries whose rows are current, or are no more. */
static List *
finished_entries(const job_row *rows, int count)
{
	List *entries = NIL;

	for (int i = 0; i < count; i++)
		if (rows[i].current || !rows[i].found)
			entries = lappend(entries, rows[i].entry);
	return entries;
}

List *
job_write_rows(const job *j, job_row *rows, int count)
{
	List *finished;
	written w;

	lock_current(j, rows, count);
	find_present(j, rows, count);
	finished = finished_entries(rows, count);
	w = collect_results(j, rows, count);
	if (j->chunk > 0)
	{
		char **keys = palloc(sizeof(char *) * Max(list_length(finished), 1));
		ListCell *cell;
		int done = 0;

		foreach (cell, finished)
			keys[done++] = ((job_entry *) lfirst(cell))->key;
		delete_chunks(j, keys, done);
		insert_chunks(j, &w);
	}
	else
		update_column(j, &w);
	return finished;
}

/* The embedding, cast to the type of the column, whose dimensions it may not have. */
static void
check_value(const job *j, const TfmVector *embedding)
{
	Oid relation = j->chunk > 0 ? j->chunk_table : j->relation;
	Oid type, collation, vector = vector_type();
	int32 typmod;
	Datum value = PointerGetDatum(embedding);

	get_atttypetypmodcoll(relation, get_attnum(relation, j->destination), &type, &typmod,
						  &collation);
	(void) job_execute(
		psprintf("SELECT CAST(%s AS %s) FROM (SELECT $1 AS embedding) k",
				 embedding_expression(relation, j->destination),
				 format_type_extended(type, typmod,
									  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY)),
		1, &vector, &value, NULL);
	SPI_freetuptable(SPI_tuptable);
}

void
job_check_write(const job *j, const TfmVector *embedding)
{
	written none = {0};

	if (embedding != NULL)
		check_value(j, embedding);
	if (j->chunk > 0)
		insert_chunks(j, &none);
	else
		update_column(j, &none);
}
