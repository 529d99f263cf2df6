/*
 * jobs_table.c
 *	  Reading the texts of a job's relation, and writing the embeddings.
 *
 * All here runs as the owner of the relation.  Keys of rows come and go in the text form of the
 * queue; commands take one array a key column, of the column's own type.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "pg/vector.h"

/* About as many bytes of text, some 4 million tokens, are a batch, however few rows have them. */
#define BATCH_BYTES (16 * 1024 * 1024)

/* Rows that are read at once. */
#define FETCH 64

/* ---- Commands about keys ---- */

/* A command under way, with its arguments: first the keys. */
typedef struct command
{
	StringInfoData text;
	int count;
	Oid types[INDEX_MAX_KEYS + 8];
	Datum values[INDEX_MAX_KEYS + 8];
} command;

static Oid
key_type(Oid relation, const char *column)
{
	AttrNumber number = get_attnum(relation, column);

	if (number <= 0)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("column \"%s\" of relation \"%s\" does not exist", column,
					   get_rel_name(relation)));
	return get_atttype(relation, number);
}

/* An operator, TYPECACHE_EQ_OPR or TYPECACHE_GT_OPR, of a type's default B-tree order. */
static Oid
order_operator(Oid type, int which)
{
	TypeCacheEntry *cache = lookup_type_cache(type, which);
	Oid operator= which == TYPECACHE_EQ_OPR ? cache->eq_opr : cache->gt_opr;

	if (!OidIsValid(operator))
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_FUNCTION),
				errmsg("type %s has no order", format_type_be(type)));
	return operator;
}

static char *
relation_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}

/* The relation of a job in FROM: with its partitions, but not with tables that inherit from it. */
static char *
source_table(const job *j)
{
	return psprintf("%s%s",
					get_rel_relkind(j->relation) == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ",
					relation_name(j->relation));
}

static char *
column_of(const char *alias, const char *column)
{
	return psprintf("%s.%s", alias, quote_identifier(column));
}

/* Add an argument; its number. */
static int
add_argument(command *c, Oid type, Datum value)
{
	c->types[c->count] = type;
	c->values[c->count] = value;
	return ++c->count;
}

/* The values of key column number, of the text forms of count keys, as an array of its type. */
static Datum
key_values(Oid type, int number, char **keys, int count)
{
	Datum *values = palloc(sizeof(Datum) * Max(count, 1));
	Oid input, parameter;
	int16 length;
	bool by_value;
	char align;

	getTypeInputInfo(type, &input, &parameter);
	get_typlenbyvalalign(type, &length, &by_value, &align);
	for (int i = 0; i < count; i++)
	{
		Datum *elements;
		int parts;
		Datum array = OidInputFunctionCall(F_ARRAY_IN, keys[i], TEXTOID, -1);

		deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements,
						  NULL, &parts);
		if (number >= parts)
			ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED), errmsg("key %s is too short", keys[i]));
		values[i] =
			OidInputFunctionCall(input, TextDatumGetCString(elements[number]), parameter, -1);
	}
	return PointerGetDatum(construct_array(values, count, type, length, by_value, align));
}

/* Begin a command with the keys as its first arguments. */
static void
begin_command(command *c, const job *j, char **keys, int count)
{
	ListCell *cell;
	int number = 0;

	initStringInfo(&c->text);
	c->count = 0;
	foreach (cell, j->key)
	{
		Oid type = getBaseType(key_type(j->relation, lfirst(cell)));

		add_argument(c, get_array_type(type), key_values(type, number++, keys, count));
	}
}

/* "ROWS FROM (unnest($1), unnest($2), more) WITH ORDINALITY AS k (k1, k2, columns, n)" */
static void
append_keys(command *c, const job *j, const char *more, const char *columns)
{
	appendStringInfoString(&c->text, "ROWS FROM (");
	for (int i = 1; i <= list_length(j->key); i++)
		appendStringInfo(&c->text, "%spg_catalog.unnest($%d)", i == 1 ? "" : ", ", i);
	appendStringInfo(&c->text, "%s) WITH ORDINALITY AS k (", more);
	for (int i = 1; i <= list_length(j->key); i++)
		appendStringInfo(&c->text, "k%d, ", i);
	appendStringInfo(&c->text, "%sn)", columns);
}

/* "r.id = k.k1 AND ...", whatever the search_path. */
static void
append_match(command *c, const job *j, const char *alias, Oid relation)
{
	ListCell *cell;
	int i = 0;

	foreach (cell, j->key)
	{
		Oid type = key_type(relation, lfirst(cell));

		i++;
		appendStringInfoString(&c->text, i == 1 ? "" : " AND ");
		generate_operator_clause(&c->text, column_of(alias, lfirst(cell)), type,
								 order_operator(type, TYPECACHE_EQ_OPR), psprintf("k.k%d", i),
								 getBaseType(type));
	}
}

static uint64
execute(command *c)
{
	return job_execute(c->text.data, c->count, c->types, c->values, NULL);
}

static char **
row_keys(const job_row *rows, int count)
{
	char **keys = palloc(sizeof(char *) * Max(count, 1));

	for (int i = 0; i < count; i++)
		keys[i] = rows[i].entry->key;
	return keys;
}

/* The row that a result is about: the number of its key. */
static job_row *
numbered_row(job_row *rows, int count, const SPITupleTable *table, uint64 i)
{
	bool null;
	int64 n = DatumGetInt64(SPI_getbinval(table->vals[i], table->tupdesc, 1, &null));

	if (null || n < 1 || n > count)
		elog(ERROR, "unexpected row number");
	return &rows[n - 1];
}

/* ---- Reading ---- */

/* Keep what a fetch has given; how many bytes that is. */
static size_t
keep_texts(MemoryContext memory, job_row *rows, int count)
{
	size_t bytes = 0;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		job_row *row = numbered_row(rows, count, SPI_tuptable, i);

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
		command c;

		begin_command(&c, j, row_keys(rows + done, portion), portion);
		appendStringInfo(&c.text, "SELECT k.n, %s::pg_catalog.text FROM ",
						 column_of("r", j->source));
		append_keys(&c, j, "", "");
		appendStringInfo(&c.text, " JOIN %s r ON ", source_table(j));
		append_match(&c, j, "r", j->relation);
		(void) execute(&c);
		bytes += keep_texts(memory, rows + done, portion);
		SPI_freetuptable(SPI_tuptable);
		done += portion;
	}
	return done;
}

/* ---- Existing rows ---- */

/* "(id1 > $1) OR (id1 = $1 AND id2 > $2)", and id1 >= $1 in a form that an index can use. */
static void
append_behind(command *c, const job *j)
{
	int parts = list_length(j->key);

	for (int i = 0; i < parts; i++)
	{
		appendStringInfoString(&c->text, i == 0 ? "(" : " OR ");
		for (int k = 0; k <= i; k++)
		{
			Oid type = key_type(j->relation, list_nth(j->key, k));

			appendStringInfoString(&c->text, k == 0 ? "(" : " AND ");
			generate_operator_clause(
				&c->text, column_of("r", list_nth(j->key, k)), type,
				order_operator(type, k == i ? TYPECACHE_GT_OPR : TYPECACHE_EQ_OPR),
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
	command c;

	begin_command(&c, j, &last, last != NULL ? 1 : 0);
	initStringInfo(&columns);
	foreach (cell, j->key)
		appendStringInfo(&columns, "%s%s", columns.len == 0 ? "" : ", ",
						 column_of("r", lfirst(cell)));
	appendStringInfo(&c.text, "SELECT %s FROM %s r WHERE ", columns.data, source_table(j));
	if (only_missing && j->chunk == 0)
		appendStringInfo(&c.text, "r.%s IS NULL AND ", quote_identifier(j->destination));
	if (only_missing)
		appendStringInfo(&c.text, "r.%s IS NOT NULL AND ", quote_identifier(j->source));
	if (j->filled != NULL)
		append_behind(&c, j);
	else
		appendStringInfoString(&c.text, "true");
	appendStringInfo(&c.text, " ORDER BY %s LIMIT %d", columns.data, count);
	rows = execute(&c);
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

/* ---- Writing ---- */

/* Mark the rows that still have the text that was computed, and lock them; others are left. */
static void
lock_current(const job *j, job_row *rows, int count)
{
	command c;
	uint64 found;

	begin_command(&c, j, row_keys(rows, count), count);
	appendStringInfo(&c.text, "SELECT k.n, %s::pg_catalog.text FROM ", column_of("r", j->source));
	append_keys(&c, j, "", "");
	appendStringInfo(&c.text, " JOIN %s r ON ", source_table(j));
	append_match(&c, j, "r", j->relation);
	appendStringInfoString(&c.text, " FOR NO KEY UPDATE OF r SKIP LOCKED");
	found = execute(&c);
	for (int i = 0; i < count; i++)
		rows[i].current = false;
	for (uint64 i = 0; i < found; i++)
	{
		job_row *row = numbered_row(rows, count, SPI_tuptable, i);
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
	command c;
	uint64 found;
	int left = 0;

	for (int i = 0; i < count; i++)
		left += !rows[i].current;
	if (left == 0)
		return;
	begin_command(&c, j, row_keys(rows, count), count);
	appendStringInfoString(&c.text, "SELECT k.n FROM ");
	append_keys(&c, j, "", "");
	appendStringInfo(&c.text, " JOIN %s r ON ", source_table(j));
	append_match(&c, j, "r", j->relation);
	found = execute(&c);
	for (int i = 0; i < count; i++)
		rows[i].found = false;
	for (uint64 i = 0; i < found; i++)
		numbered_row(rows, count, SPI_tuptable, i)->found = true;
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
	Oid type = key_type(relation, column);
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
	char *column = column_of("r", j->destination);
	int argument;
	command c;

	begin_command(&c, j, w->keys, w->count);
	argument = add_argument(&c, get_array_type(vector), embedding_array(w->embeddings, vector));
	appendStringInfo(&c.text, "UPDATE %s r SET %s = %s FROM ", source_table(j),
					 quote_identifier(j->destination),
					 embedding_expression(j->relation, j->destination));
	append_keys(&c, j, psprintf(", pg_catalog.unnest($%d)", argument), "embedding, ");
	appendStringInfoString(&c.text, " WHERE ");
	append_match(&c, j, "r", j->relation);
	appendStringInfo(&c.text, " AND (k.embedding IS NOT NULL OR %s IS NOT NULL)", column);
	(void) execute(&c);
}

static void
delete_chunks(const job *j, char **keys, int count)
{
	command c;

	begin_command(&c, j, keys, count);
	appendStringInfo(&c.text, "DELETE FROM %s c USING ", relation_name(j->chunk_table));
	append_keys(&c, j, "", "");
	appendStringInfoString(&c.text, " WHERE ");
	append_match(&c, j, "c", j->chunk_table);
	(void) execute(&c);
}

static Datum
int_array(const List *numbers)
{
	int count = list_length(numbers);
	Datum *values = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		values[i] = Int32GetDatum(list_nth_int(numbers, i));
	return PointerGetDatum(
		construct_array(values, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

static Datum
content_array(const List *contents)
{
	int count = list_length(contents);
	Datum *values = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		values[i] = CStringGetTextDatum(list_nth(contents, i));
	return PointerGetDatum(construct_array(values, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
insert_chunks(const job *j, const written *w)
{
	Oid vector = vector_type();
	StringInfoData more;
	ListCell *cell;
	command c;
	int i = 0;

	begin_command(&c, j, w->keys, w->count);
	initStringInfo(&more);
	appendStringInfo(&more, ", pg_catalog.unnest($%d)",
					 add_argument(&c, INT4ARRAYOID, int_array(w->numbers)));
	appendStringInfo(&more, ", pg_catalog.unnest($%d)",
					 add_argument(&c, TEXTARRAYOID, content_array(w->contents)));
	appendStringInfo(&more, ", pg_catalog.unnest($%d)",
					 add_argument(&c, INT4ARRAYOID, int_array(w->starts)));
	appendStringInfo(&more, ", pg_catalog.unnest($%d)",
					 add_argument(&c, INT4ARRAYOID, int_array(w->ends)));
	appendStringInfo(
		&more, ", pg_catalog.unnest($%d)",
		add_argument(&c, get_array_type(vector), embedding_array(w->embeddings, vector)));
	appendStringInfo(&c.text, "INSERT INTO %s (", relation_name(j->chunk_table));
	foreach (cell, j->key)
		appendStringInfo(&c.text, "%s, ", quote_identifier(lfirst(cell)));
	appendStringInfo(&c.text, "chunk, content, start, \"end\", %s) SELECT ",
					 quote_identifier(j->destination));
	foreach (cell, j->key)
		appendStringInfo(&c.text, "k.k%d, ", ++i);
	appendStringInfo(&c.text, "k.chunk, k.content, k.first, k.past, %s FROM ",
					 embedding_expression(j->chunk_table, j->destination));
	append_keys(&c, j, more.data, "chunk, content, first, past, embedding, ");
	(void) execute(&c);
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
