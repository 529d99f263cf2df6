/*
 * jobs_catalog.c
 *	  The tables of embedding jobs: who may touch them, and reading a job.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/compare.h"
#include "pg/backend.h"

#define EXTENSION "tfm"

/* ---- Who acts ---- */

/* Read owner and schema of the extension, of which there are none where it is not there. */
static void
read_extension(void)
{
	Relation extensions = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(EXTENSION));
	scan = systable_beginscan(extensions, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	tfm_backend.job_keeper = InvalidOid;
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_extension form = (Form_pg_extension) GETSTRUCT(tuple);
		char *schema = get_namespace_name(form->extnamespace);

		tfm_backend.job_keeper = form->extowner;
		strlcpy(tfm_backend.job_schema, schema != NULL ? schema : "", NAMEDATALEN);
	}
	systable_endscan(scan);
	table_close(extensions, AccessShareLock);
}

/* Look for the extension, at most once in a statement; false where it is not there. */
static bool
find_extension(void)
{
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (tfm_backend.job_statement != statement)
		read_extension();
	tfm_backend.job_statement = statement;
	return OidIsValid(tfm_backend.job_keeper);
}

Oid
job_keeper(void)
{
	return find_extension() ? tfm_backend.job_keeper : InvalidOid;
}

/*
 * What names mean, how values are written, and how the queue is looked at: by index, since plans that
 * are kept may be of a time when it was empty.
 */
static const struct
{
	const char *name;
	const char *value;
	bool of_keeper; /* for its commands, else for those of others */
} safe_settings[] = {
	{"search_path", "pg_catalog, pg_temp", true}, /* the first is for all */
	{"enable_seqscan", "off", true},
	{"enable_bitmapscan", "off", true},
	{"enable_sort", "off", true},
	{"jit", "off", true}, /* what is turned off above costs so much that plans would be compiled */
	{"jit", "off", false},
	{"DateStyle", "ISO", false},
	{"IntervalStyle", "postgres", false},
	{"TimeZone", "UTC", false},
	{"extra_float_digits", "1", false},
	{"bytea_output", "hex", false},
	{"row_security", "off", false},
};

static void
become(Oid user, bool is_keeper, job_identity *before)
{
	GetUserIdAndSecContext(&before->user, &before->context);
	SetUserIdAndSecContext(user, before->context | SECURITY_LOCAL_USERID_CHANGE |
									 SECURITY_RESTRICTED_OPERATION);
	before->nest = NewGUCNestLevel();
	for (size_t i = 0; i < lengthof(safe_settings); i++)
		if (safe_settings[i].of_keeper == is_keeper || i == 0)
			(void) set_config_option(safe_settings[i].name, safe_settings[i].value, PGC_USERSET,
									 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void
job_become(Oid user, job_identity *before)
{
	become(user, false, before);
}

void
job_return(const job_identity *before)
{
	AtEOXact_GUC(false, before->nest);
	SetUserIdAndSecContext(before->user, before->context);
}

/* ---- Commands ---- */

const char *
job_schema(void)
{
	if (!find_extension())
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("extension \"%s\" does not exist", EXTENSION));
	return tfm_backend.job_schema;
}

/* A command with the schema in place of each "@". */
static char *
name_schema(const char *command)
{
	const char *name = quote_identifier(job_schema());
	StringInfoData named;

	initStringInfo(&named);
	for (const char *c = command; *c != '\0'; c++)
		if (c[0] == '@' && c[1] == '.')
			appendStringInfoString(&named, name);
		else
			appendStringInfoChar(&named, *c);
	return named.data;
}

uint64
job_execute(const char *command, int count, const Oid *types, const Datum *values,
			const char *nulls)
{
	MemoryContext caller = CurrentMemoryContext;
	char *named = name_schema(command);
	int result = SPI_execute_with_args(named, count, unconstify(Oid *, types),
									   unconstify(Datum *, values), nulls, false, 0);

	MemoryContextSwitchTo(caller); /* SPI leaves us in its own */
	if (result < 0)
		elog(ERROR, "%s: %s", named, SPI_result_code_string(result));
	pfree(named);
	return SPI_processed;
}

void
job_run_command(const char *command)
{
	(void) job_execute(command, 0, NULL, NULL, NULL);
}

/* A command of the keeper that has been prepared. */
typedef struct job_plan
{
	struct job_plan *next;
	const char *command; /* static */
	SPIPlanPtr plan;
} job_plan;

static void
forget_plans(void)
{
	while (tfm_backend.job_plans != NULL)
	{
		job_plan *p = tfm_backend.job_plans;

		tfm_backend.job_plans = p->next;
		SPI_freeplan(p->plan);
		pfree(p);
	}
}

static SPIPlanPtr
prepare(const char *command, int count, const Oid *types)
{
	SPIPlanPtr plan = SPI_prepare_cursor(name_schema(command), count, unconstify(Oid *, types),
										 CURSOR_OPT_GENERIC_PLAN);
	job_plan *p;

	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "%s: %s", command, SPI_result_code_string(SPI_result));
	p = MemoryContextAlloc(TopMemoryContext, sizeof(job_plan));
	p->command = command;
	p->plan = plan;
	p->next = tfm_backend.job_plans;
	tfm_backend.job_plans = p;
	return plan;
}

/* The plan of a command, which is known by its address. */
static SPIPlanPtr
find_plan(const char *command, int count, const Oid *types)
{
	if (strcmp(tfm_backend.job_plans_schema, job_schema()) != 0)
		forget_plans();
	strlcpy(tfm_backend.job_plans_schema, job_schema(), NAMEDATALEN);
	for (job_plan *p = tfm_backend.job_plans; p != NULL; p = p->next)
		if (p->command == command)
			return p->plan;
	return prepare(command, count, types);
}

uint64
job_execute_kept(const char *command, int count, const Oid *types, const Datum *values,
				 const char *nulls)
{
	MemoryContext caller = CurrentMemoryContext;
	job_identity before;
	SPIPlanPtr plan;
	int result;

	become(job_keeper(), true, &before);
	plan = find_plan(command, count, types);
	result = SPI_execute_plan(plan, unconstify(Datum *, values), nulls, false, 0);
	MemoryContextSwitchTo(caller); /* SPI leaves us in its own */
	if (result < 0)
		elog(ERROR, "%s: %s", command, SPI_result_code_string(result));
	job_return(&before);
	return SPI_processed;
}

/* ---- Values ---- */

Datum
job_text_array(const List *strings, int first, int count)
{
	Datum *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		elements[i] = CStringGetTextDatum(list_nth(strings, first + i));
	return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum
job_int_array(const List *numbers)
{
	int count = list_length(numbers);
	Datum *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		elements[i] = Int32GetDatum(list_nth_int(numbers, i));
	return PointerGetDatum(
		construct_array(elements, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

/* ---- Jobs ---- */

char *
job_column(MemoryContext memory, int row, int n)
{
	char *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, n);

	return value == NULL ? NULL : MemoryContextStrdup(memory, value);
}

static int
int_column(int n, int fallback)
{
	bool null;
	Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, n, &null);

	return null ? fallback : DatumGetInt32(value);
}

static int
bool_column(int n, int fallback)
{
	bool null;
	Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, n, &null);

	return null ? fallback : DatumGetBool(value);
}

static Oid
oid_column(int n)
{
	return (Oid) int_column(n, InvalidOid);
}

/* The elements of name[], copied. */
static List *
name_list(MemoryContext memory, int n)
{
	MemoryContext caller = MemoryContextSwitchTo(memory);
	List *names = NIL;
	Datum *elements;
	bool null;
	int count;
	Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, n, &null);

	deconstruct_array(DatumGetArrayTypeP(value), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &elements, NULL, &count);
	for (int i = 0; i < count; i++)
		names = lappend(names, pstrdup(NameStr(*DatumGetName(elements[i]))));
	MemoryContextSwitchTo(caller);
	return names;
}

Oid
job_relation_owner(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/* The job in the only row that SPI has given. */
static job *
read_job(MemoryContext memory)
{
	job *j = MemoryContextAllocZero(memory, sizeof(job));

	j->id = int_column(1, 0);
	j->name = job_column(memory, 0, 2);
	j->relation = oid_column(3);
	j->owner = job_relation_owner(j->relation);
	j->key = name_list(memory, 4);
	j->source = job_column(memory, 0, 5);
	j->destination = job_column(memory, 0, 6);
	j->chunk_table = oid_column(7);
	j->model = job_column(memory, 0, 8);
	j->chunk = int_column(9, 0);
	j->overlap = int_column(10, 0);
	j->pooling = job_column(memory, 0, 11);
	j->normalize = bool_column(12, -1);
	j->dimensions = int_column(13, 0);
	j->prompt = job_column(memory, 0, 14);
	j->batch_size = int_column(15, 1);
	j->max_attempts = int_column(16, 1);
	j->paused = bool_column(17, false);
	j->fill = job_column(memory, 0, 18);
	j->filled = job_column(memory, 0, 19);
	j->made_with = job_column(memory, 0, 20);
	return j;
}

#define SELECT_JOB                                                                                 \
	"SELECT id, job, relation, key, source, destination, chunk_table, model, chunk, overlap, "     \
	"pooling, \"normalize\", dimensions, prompt, batch_size, max_attempts, paused, fill, filled, " \
	"made_with FROM @.tfm_job WHERE "

static job *
load(const char *command, Oid type, Datum value)
{
	MemoryContext memory = CurrentMemoryContext;
	job *j = NULL;

	if (job_execute_kept(command, 1, &type, &value, NULL) > 0)
		j = read_job(memory);
	SPI_freetuptable(SPI_tuptable);
	return j;
}

job *
job_load(int id)
{
	return load(SELECT_JOB "id = $1", INT4OID, Int32GetDatum(id));
}

job *
job_load_for_update(int id)
{
	return load(SELECT_JOB "id = $1 FOR UPDATE", INT4OID, Int32GetDatum(id));
}

job *
job_load_for_share(int id)
{
	return load(SELECT_JOB "id = $1 FOR SHARE", INT4OID, Int32GetDatum(id));
}

bool
job_same_options(const job *a, const job *b)
{
	return strcmp(a->model, b->model) == 0 && strcmp(a->source, b->source) == 0 &&
		   strcmp(a->destination, b->destination) == 0 && a->chunk == b->chunk &&
		   a->overlap == b->overlap && a->normalize == b->normalize &&
		   a->dimensions == b->dimensions && tfm_same_string(a->pooling, b->pooling) &&
		   tfm_same_string(a->prompt, b->prompt);
}

job *
job_load_named(const char *name)
{
	return load(SELECT_JOB "job = $1", NAMEOID, CStringGetDatum(name));
}

job *
job_load_owned(const char *name)
{
	NameData copy;
	job *j;

	namestrcpy(&copy, name);
	j = job_load_named(NameStr(copy));
	if (j == NULL)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("embedding job \"%s\" does not exist", name));
	if (!OidIsValid(j->owner) ? !superuser() : !has_privs_of_role(GetUserId(), j->owner))
		ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("must be owner of the table of embedding job \"%s\"", j->name));
	return j;
}

static void
check_column(Oid relation, const char *name)
{
	if (get_attnum(relation, name) <= 0)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("column \"%s\" of relation \"%s\" does not exist", name,
					   get_rel_name(relation)));
}

void
job_check_table(job *j)
{
	ListCell *cell;

	if (!OidIsValid(j->owner))
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("the table of embedding job \"%s\" does not exist", j->name));
	if (j->chunk > 0 && get_rel_name(j->chunk_table) == NULL)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("the table of chunks of embedding job \"%s\" does not exist", j->name));
	foreach (cell, j->key)
		check_column(j->relation, lfirst(cell));
	check_column(j->relation, j->source);
	check_column(j->chunk > 0 ? j->chunk_table : j->relation, j->destination);
}

void
job_forget(int id)
{
	static const char *const commands[] = {
		"DELETE FROM @.tfm_job WHERE id = $1",
		"DELETE FROM @.tfm_job_queue WHERE job = $1",
		"DELETE FROM @.tfm_job_made WHERE job = $1",
		"DELETE FROM @.tfm_job_progress WHERE job = $1",
	};
	Oid type = INT4OID;
	Datum value = Int32GetDatum(id);

	for (size_t i = 0; i < lengthof(commands); i++)
		(void) job_execute_kept(commands[i], 1, &type, &value, NULL);
}
