/*
 * jobs.c
 *	  The SQL functions that make, change and drop embedding jobs.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "pg/registry.h"
#include "pg/vector.h"

#define BATCH_SIZE_MAX 10000
#define ATTEMPTS_MAX 1000

/* ---- The table of a job ---- */

static void
check_relation(Relation relation)
{
	const char *name = RelationGetRelationName(relation);
	char kind = relation->rd_rel->relkind;

	if (!has_privs_of_role(GetUserId(), relation->rd_rel->relowner))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, name);
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a table", name));
	if (relation->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("table \"%s\" is temporary", name),
				errdetail("Other sessions, and so workers, cannot see it."));
}

/* Whether an index is a key: unique at once and for all rows, over columns that are never NULL. */
static bool
is_key(Relation relation, Form_pg_index index, HeapTuple tuple)
{
	if (!index->indisunique || !index->indimmediate || !index->indisvalid ||
		!heap_attisnull(tuple, Anum_pg_index_indpred, NULL))
		return false;
	for (int i = 0; i < index->indnkeyatts; i++)
		if (index->indkey.values[i] <= 0 ||
			!TupleDescAttr(RelationGetDescr(relation), index->indkey.values[i] - 1)->attnotnull)
			return false;
	return true;
}

static List *
index_columns(Relation relation, Form_pg_index index)
{
	List *names = NIL;

	for (int i = 0; i < index->indnkeyatts; i++)
		names = lappend(
			names,
			pstrdup(NameStr(
				TupleDescAttr(RelationGetDescr(relation), index->indkey.values[i] - 1)->attname)));
	return names;
}

/* The columns of the primary key, else of another key. */
static List *
find_key(Relation relation)
{
	List *indexes = RelationGetIndexList(relation), *names = NIL;
	ListCell *cell;

	foreach (cell, indexes)
	{
		HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index index;

		if (!HeapTupleIsValid(tuple))
			continue;
		index = (Form_pg_index) GETSTRUCT(tuple);
		if (is_key(relation, index, tuple) && (names == NIL || index->indisprimary))
			names = index_columns(relation, index);
		ReleaseSysCache(tuple);
	}
	if (names == NIL)
		ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("table \"%s\" has no key", RelationGetRelationName(relation)),
				errhint("An embedding job needs a primary key, or a unique index over columns that "
						"are NOT NULL."));
	return names;
}

static void
check_source(const job *j)
{
	Oid type = get_atttype(j->relation, get_attnum(j->relation, j->source));

	if (TypeCategory(type) != TYPCATEGORY_STRING)
		ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("column \"%s\" of relation \"%s\" is not of a character type", j->source,
					   get_rel_name(j->relation)));
}

/* The embedding of a short text: whether model and options go together, and what they make. */
static const TfmVector *
try_model(const job *j, const registry_handle *model)
{
	job_row row = {.source = "a"};
	ErrorData *error = job_compute(j, model, &row, 0, 1);

	if (error == NULL)
		error = row.error;
	if (error != NULL)
		ReThrowError(error);
	return row.chunks > 0 ? row.results[0].embedding : NULL;
}

/* Throw what would keep the job from working: its table, its model, the write. */
static void
check_job(job *j)
{
	registry_handle *handle = NULL;
	job_identity before;

	job_check_table(j);
	check_source(j);
	job_become(j->owner, &before);
	(void) registry_get(&handle, CurrentMemoryContext, cstring_to_text(j->model), NULL);
	job_check_write(j, NULL);
	job_check_write(j, try_model(j, handle));
	job_return(&before);
}

/* ---- Arguments ---- */

static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static char *
name_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(n)));
}

static int
int_argument(FunctionCallInfo fcinfo, int n, int fallback)
{
	return PG_ARGISNULL(n) ? fallback : PG_GETARG_INT32(n);
}

static void
check_present(FunctionCallInfo fcinfo, int count, const char *const *names)
{
	for (int i = 0; i < count; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("%s must not be NULL", names[i]));
}

static void
check_range(const char *name, int value, int first, int last)
{
	if (value < first || value > last)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s must be between %d and %d, not %d", name, first, last, value));
}

static void
check_options(const job *j)
{
	check_range("chunk", j->chunk, 0, PG_INT16_MAX);
	check_range("overlap", j->overlap, 0, Max(j->chunk - 1, 0));
	check_range("dimensions", j->dimensions, 0, PG_INT16_MAX);
	check_range("batch_size", j->batch_size, 1, BATCH_SIZE_MAX);
	check_range("max_attempts", j->max_attempts, 1, ATTEMPTS_MAX);
	if (j->fill != NULL && strcmp(j->fill, "missing") != 0 && strcmp(j->fill, "all") != 0)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid value for fill: \"%s\"", j->fill),
				errhint("Valid values are: missing, all, none."));
}

/* ---- Keeping a job ---- */

static Datum
name_array(const List *names)
{
	int count = list_length(names);
	Datum *values = palloc(sizeof(Datum) * (Size) count);

	for (int i = 0; i < count; i++)
		values[i] = DirectFunctionCall1(namein, CStringGetDatum(list_nth(names, i)));
	return PointerGetDatum(
		construct_array(values, count, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR));
}

static Datum
name_value(const char *name)
{
	return DirectFunctionCall1(namein, CStringGetDatum(name));
}

static Datum
text_value(const char *string, char *null)
{
	*null = string == NULL ? 'n' : ' ';
	return string == NULL ? (Datum) 0 : CStringGetTextDatum(string);
}

#define SET_COLUMNS                                                                                \
	"(job, relation, key, source, destination, chunk_table, model, chunk, overlap, pooling, "      \
	"\"normalize\", dimensions, prompt, batch_size, max_attempts, fill)"
#define SET_COUNT 16

/* Execute a command with all that a user says of a job as its arguments, then the job's number. */
static void
execute_job(const char *command, const job *j)
{
	Oid types[] = {NAMEOID, OIDOID,	 NAMEARRAYOID, NAMEOID, NAMEOID, OIDOID,
				   TEXTOID, INT4OID, INT4OID,	   TEXTOID, BOOLOID, INT4OID,
				   TEXTOID, INT4OID, INT4OID,	   TEXTOID, INT4OID};
	char nulls[lengthof(types) + 1] = "                 ";
	Datum values[lengthof(types)] = {
		name_value(j->name),
		ObjectIdGetDatum(j->relation),
		name_array(j->key),
		name_value(j->source),
		name_value(j->destination),
		ObjectIdGetDatum(j->chunk_table),
		CStringGetTextDatum(j->model),
		Int32GetDatum(j->chunk),
		Int32GetDatum(j->overlap),
		text_value(j->pooling, &nulls[9]),
		BoolGetDatum(j->normalize > 0),
		Int32GetDatum(j->dimensions),
		text_value(j->prompt, &nulls[12]),
		Int32GetDatum(j->batch_size),
		Int32GetDatum(j->max_attempts),
		text_value(j->fill, &nulls[15]),
		Int32GetDatum(j->id),
	};

	nulls[5] = OidIsValid(j->chunk_table) ? ' ' : 'n';
	nulls[7] = j->chunk > 0 ? ' ' : 'n';
	nulls[10] = j->normalize >= 0 ? ' ' : 'n';
	nulls[11] = j->dimensions > 0 ? ' ' : 'n';
	(void) job_execute_kept(command, lengthof(types), types, values, nulls);
}

static void
insert_job(job *j)
{
	job *inserted;

	if (job_load_named(j->name) != NULL)
		ereport(ERROR, errcode(ERRCODE_DUPLICATE_OBJECT),
				errmsg("embedding job \"%s\" already exists", j->name));
	execute_job("INSERT INTO @.tfm_job " SET_COLUMNS " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, "
				"$10, $11, $12, $13, $14, $15, $16 WHERE $17 = 0",
				j);
	inserted = job_load_named(j->name);
	j->id = inserted->id;
}

/* ---- Creating ---- */

static job *
read_arguments(FunctionCallInfo fcinfo)
{
	static const char *const names[] = {"relation", "source", "destination", "model"};
	job *j = palloc0(sizeof(job));
	char *fill = PG_ARGISNULL(13) ? "none" : text_argument(fcinfo, 13);

	check_present(fcinfo, lengthof(names), names);
	j->relation = PG_GETARG_OID(0);
	j->source = name_argument(fcinfo, 1);
	j->destination = name_argument(fcinfo, 2);
	j->model = text_argument(fcinfo, 3);
	j->name = name_argument(fcinfo, 4);
	j->chunk = int_argument(fcinfo, 5, 0);
	j->overlap = int_argument(fcinfo, 6, 0);
	j->pooling = text_argument(fcinfo, 7);
	j->normalize = PG_ARGISNULL(8) ? -1 : PG_GETARG_BOOL(8);
	j->dimensions = int_argument(fcinfo, 9, 0);
	j->prompt = text_argument(fcinfo, 10);
	j->batch_size = int_argument(fcinfo, 11, 128);
	j->max_attempts = int_argument(fcinfo, 12, 5);
	j->fill = strcmp(fill, "none") == 0 ? NULL : fill;
	check_options(j);
	return j;
}

/* What the table says; it stays locked against writers. */
static void
describe_table(job *j)
{
	Relation relation = table_open(j->relation, ShareRowExclusiveLock);

	check_relation(relation);
	j->owner = relation->rd_rel->relowner;
	j->key = find_key(relation);
	if (j->name == NULL)
		j->name = makeObjectName(RelationGetRelationName(relation), j->destination, NULL);
	if (get_attnum(j->relation, j->source) <= 0)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("column \"%s\" of relation \"%s\" does not exist", j->source,
					   RelationGetRelationName(relation)));
	table_close(relation, NoLock);
}

static void
create_job(job *j)
{
	job_identity before;

	describe_table(j);
	if (j->chunk > 0)
	{
		char *name = j->destination;

		j->destination = "embedding";
		job_become(j->owner, &before);
		j->chunk_table = job_create_chunks(j, name);
		job_return(&before);
	}
	insert_job(j);
	check_job(j);
	(void) job_create_triggers(j);
}

PG_FUNCTION_INFO_V1(tfm_create_embedding_job);
Datum
tfm_create_embedding_job(PG_FUNCTION_ARGS)
{
	Name name = palloc(sizeof(NameData));
	job *j = read_arguments(fcinfo);

	if (get_rel_name(j->relation) == NULL)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation with OID %u does not exist", j->relation));
	if (!has_privs_of_role(GetUserId(), job_relation_owner(j->relation)))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(j->relation));
	SPI_connect();
	create_job(j);
	SPI_finish();
	job_wake_at_commit();
	namestrcpy(name, j->name);
	PG_RETURN_NAME(name);
}

/* ---- Altering ---- */

static void
set_string(char **string, char *value)
{
	if (value != NULL)
		*string = value[0] == '\0' ? NULL : value;
}

/* Take over what is given; whether embeddings depend on any of it. */
static bool
change_job(FunctionCallInfo fcinfo, job *j)
{
	bool again = false;

	for (int i = 1; i <= 9; i++)
		again = again || !PG_ARGISNULL(i);
	if (!PG_ARGISNULL(4) && j->chunk == 0)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("embedding job \"%s\" has no table of chunks", j->name));
	if (!PG_ARGISNULL(4))
		check_range("chunk", PG_GETARG_INT32(4), 1, PG_INT16_MAX);
	set_string(&j->model, text_argument(fcinfo, 1));
	set_string(&j->source, name_argument(fcinfo, 2));
	set_string(&j->destination, name_argument(fcinfo, 3));
	j->chunk = int_argument(fcinfo, 4, j->chunk);
	j->overlap = int_argument(fcinfo, 5, j->overlap);
	set_string(&j->pooling, text_argument(fcinfo, 6));
	j->normalize = PG_ARGISNULL(7) ? j->normalize : PG_GETARG_BOOL(7);
	j->dimensions = int_argument(fcinfo, 8, j->dimensions);
	j->prompt = PG_ARGISNULL(9) ? j->prompt : text_argument(fcinfo, 9); /* "" is no prompt */
	j->batch_size = int_argument(fcinfo, 10, j->batch_size);
	j->max_attempts = int_argument(fcinfo, 11, j->max_attempts);
	set_string(&j->name, name_argument(fcinfo, 12));
	if (j->model == NULL || j->source == NULL || j->destination == NULL || j->name == NULL)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("names must not be empty"));
	return again;
}

/* Queue all existing rows, or those that are stale, from the first on. */
static void
fill_again(const job *j, const char *which)
{
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(j->id), CStringGetTextDatum(which)};

	(void) job_execute_kept("UPDATE @.tfm_job SET fill = $2, filled = NULL WHERE id = $1", 2, types,
							values, NULL);
	(void) job_retry_rows(j->id);
	job_wake_at_commit();
}

PG_FUNCTION_INFO_V1(tfm_alter_embedding_job);
Datum
tfm_alter_embedding_job(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"job"};
	bool again;
	job *j;

	check_present(fcinfo, lengthof(names), names);
	SPI_connect();
	j = job_load_owned(NameStr(*PG_GETARG_NAME(0)));
	again = change_job(fcinfo, j);
	check_options(j);
	check_job(j);
	execute_job("UPDATE @.tfm_job SET " SET_COLUMNS " = ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
				"$11, $12, $13, $14, $15, $16) WHERE id = $17",
				j);
	if (again)
		fill_again(j, "all");
	job_clear_error(j->id);
	SPI_finish();
	job_wake_at_commit();
	PG_RETURN_VOID();
}

/* ---- What else is done with jobs ---- */

static void
set_paused(const char *name, bool paused)
{
	Oid types[] = {INT4OID, BOOLOID};
	Datum values[2];
	job *j;

	SPI_connect();
	j = job_load_owned(name);
	values[0] = Int32GetDatum(j->id);
	values[1] = BoolGetDatum(paused);
	(void) job_execute_kept("UPDATE @.tfm_job SET paused = $2 WHERE id = $1", 2, types, values,
							NULL);
	if (!paused)
	{
		if (OidIsValid(j->owner))
			(void) job_create_triggers(j);
		job_clear_error(j->id);
		job_wake_at_commit();
	}
	SPI_finish();
}

PG_FUNCTION_INFO_V1(tfm_pause_embedding_job);
Datum
tfm_pause_embedding_job(PG_FUNCTION_ARGS)
{
	set_paused(NameStr(*PG_GETARG_NAME(0)), true);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(tfm_resume_embedding_job);
Datum
tfm_resume_embedding_job(PG_FUNCTION_ARGS)
{
	set_paused(NameStr(*PG_GETARG_NAME(0)), false);
	PG_RETURN_VOID();
}

/* tfm_drop_embedding_job(job name, drop_chunks boolean) */
PG_FUNCTION_INFO_V1(tfm_drop_embedding_job);
Datum
tfm_drop_embedding_job(PG_FUNCTION_ARGS)
{
	job *j;

	SPI_connect();
	j = job_load_owned(NameStr(*PG_GETARG_NAME(0)));
	job_forget(j->id);
	job_drop_triggers(j->id);
	if (PG_GETARG_BOOL(1) && j->chunk > 0)
		job_drop_chunks(j);
	SPI_finish();
	PG_RETURN_VOID();
}

/* tfm_reembed(job name, only_stale boolean) */
PG_FUNCTION_INFO_V1(tfm_reembed);
Datum
tfm_reembed(PG_FUNCTION_ARGS)
{
	job *j;

	SPI_connect();
	j = job_load_owned(NameStr(*PG_GETARG_NAME(0)));
	fill_again(j, PG_GETARG_BOOL(1) ? "stale" : "all");
	SPI_finish();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(tfm_retry_embedding_job);
Datum
tfm_retry_embedding_job(PG_FUNCTION_ARGS)
{
	uint64 rows;
	job *j;

	SPI_connect();
	j = job_load_owned(NameStr(*PG_GETARG_NAME(0)));
	rows = job_retry_rows(j->id);
	job_clear_error(j->id);
	SPI_finish();
	job_wake_at_commit();
	PG_RETURN_INT64((int64) rows);
}
