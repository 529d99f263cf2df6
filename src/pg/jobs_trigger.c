/*
 * jobs_trigger.c
 *	  The triggers that queue the rows of embedding jobs.
 *
 * A statement queues what it has changed, from its transition tables: an UPDATE only rows whose text
 * or key is another one.  What a subscription applies fires no triggers of statements, so there is a
 * trigger for rows as well, which fires for replicas only.  TRUNCATE is seen in both.
 *
 * The transition tables of a partitioned table have what was changed by way of it.  For statements
 * that name a partition, each partition has the same triggers of its own; those for rows PostgreSQL
 * clones itself.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs_command.h"

#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

/* Keys that are queued at once. */
#define PORTION 10000

/* The columns that matter, in rows of the relation that has the trigger. */
typedef struct row_columns
{
	TupleDesc descriptor;
	int source; /* 0: is not there, so that any change may be one of it */
	int key_count;
	int keys[INDEX_MAX_KEYS];
	FmgrInfo outputs[INDEX_MAX_KEYS];
} row_columns;

/* ---- Keys of rows ---- */

/* Whether the relation has the job's key; without it nothing can be queued. */
static bool
find_columns(const job *j, Relation relation, row_columns *columns)
{
	ListCell *cell;

	columns->descriptor = RelationGetDescr(relation);
	columns->source = Max(0, SPI_fnumber(columns->descriptor, j->source));
	columns->key_count = 0;
	foreach (cell, j->key)
	{
		int column = SPI_fnumber(columns->descriptor, lfirst(cell));
		bool varlena;
		Oid output;

		if (column <= 0)
			return false;
		getTypeOutputInfo(TupleDescAttr(columns->descriptor, column - 1)->atttypid, &output,
						  &varlena);
		fmgr_info(output, &columns->outputs[columns->key_count]);
		columns->keys[columns->key_count++] = column;
	}
	return true;
}

static char *
key_of(row_columns *columns, TupleTableSlot *slot)
{
	char *values[INDEX_MAX_KEYS];

	for (int i = 0; i < columns->key_count; i++)
	{
		bool null;
		Datum value = slot_getattr(slot, columns->keys[i], &null);

		values[i] = null ? NULL : OutputFunctionCall(&columns->outputs[i], value);
	}
	return job_key_text(values, columns->key_count);
}

static bool
same_source(const row_columns *columns, TupleTableSlot *old, TupleTableSlot *new)
{
	Form_pg_attribute attribute;
	bool old_null, new_null;
	Datum old_value, new_value;

	if (columns->source == 0)
		return false;
	attribute = TupleDescAttr(columns->descriptor, columns->source - 1);
	old_value = slot_getattr(old, columns->source, &old_null);
	new_value = slot_getattr(new, columns->source, &new_null);
	if (old_null || new_null)
		return old_null == new_null;
	return datum_image_eq(old_value, new_value, attribute->attbyval, attribute->attlen);
}

/* The keys that a change of a row queues; either slot may be NULL. */
static List *
add_keys(List *keys, row_columns *columns, TupleTableSlot *old, TupleTableSlot *new)
{
	char *old_key = old != NULL ? key_of(columns, old) : NULL;
	char *new_key = new != NULL ? key_of(columns, new) : NULL;

	if (old_key != NULL && new_key != NULL && strcmp(old_key, new_key) == 0)
	{
		pfree(old_key);
		if (same_source(columns, old, new))
		{
			pfree(new_key);
			return keys;
		}
		return lappend(keys, new_key);
	}
	if (old_key != NULL)
		keys = lappend(keys, old_key);
	return new_key != NULL ? lappend(keys, new_key) : keys;
}

/* ---- Transition tables ---- */

static void
begin_table(Tuplestorestate *table)
{
	int pointer;

	if (table == NULL)
		return;
	pointer = tuplestore_alloc_read_pointer(table, EXEC_FLAG_REWIND);
	tuplestore_select_read_pointer(table, pointer);
	tuplestore_rescan(table);
}

/* The next row, or NULL. */
static TupleTableSlot *
next_row(Tuplestorestate *table, TupleTableSlot *slot)
{
	return table != NULL && tuplestore_gettupleslot(table, true, false, slot) ? slot : NULL;
}

/* The transition tables of a statement, on the way through them. */
typedef struct changes
{
	const TriggerData *data;
	row_columns *columns;
	TupleTableSlot *old_slot;
	TupleTableSlot *new_slot;
	bool ended;
} changes;

static changes
begin_changes(const TriggerData *data, row_columns *columns)
{
	begin_table(data->tg_oldtable);
	begin_table(data->tg_newtable);
	return (changes) {
		.data = data,
		.columns = columns,
		.old_slot = MakeSingleTupleTableSlot(columns->descriptor, &TTSOpsMinimalTuple),
		.new_slot = MakeSingleTupleTableSlot(columns->descriptor, &TTSOpsMinimalTuple),
	};
}

static void
end_changes(changes *c)
{
	ExecDropSingleTupleTableSlot(c->old_slot);
	ExecDropSingleTupleTableSlot(c->new_slot);
}

/*
 * Some of the keys.  Both tables of an UPDATE have its rows in the same order; where they had not,
 * keys would differ, and be queued.
 */
static List *
next_keys(changes *c)
{
	List *keys = NIL;

	while (!c->ended && list_length(keys) < PORTION)
	{
		TupleTableSlot *old = next_row(c->data->tg_oldtable, c->old_slot);
		TupleTableSlot *new = next_row(c->data->tg_newtable, c->new_slot);

		c->ended = old == NULL && new == NULL;
		keys = add_keys(keys, c->columns, old, new);
		CHECK_FOR_INTERRUPTS();
	}
	ExecClearTuple(c->old_slot); /* a row that was read back is in the portion's memory */
	ExecClearTuple(c->new_slot);
	return keys;
}

/* Queue a portion; the output functions of types run as who changes the rows, who could call them. */
static void
queue_portion(const job *j, changes *c)
{
	job_identity before;
	List *keys;

	job_become(GetUserId(), &before);
	keys = next_keys(c);
	job_return(&before);
	job_enqueue(j->id, keys);
}

static void
queue_statement(const job *j, const TriggerData *data, row_columns *columns)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext portion =
		AllocSetContextCreate(caller, "tfm job changes", ALLOCSET_DEFAULT_SIZES);
	changes c = begin_changes(data, columns);

	while (!c.ended)
	{
		MemoryContextSwitchTo(portion);
		queue_portion(j, &c);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(portion);
	}
	end_changes(&c);
	MemoryContextDelete(portion);
}

static List *
row_keys(const TriggerData *data, row_columns *columns)
{
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		return add_keys(NIL, columns, data->tg_trigslot, data->tg_newslot);
	if (TRIGGER_FIRED_BY_DELETE(data->tg_event))
		return add_keys(NIL, columns, data->tg_trigslot, NULL);
	return add_keys(NIL, columns, NULL, data->tg_trigslot);
}

/* ---- The trigger ---- */

static void
check_call(FunctionCallInfo fcinfo)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("tfm_job_trigger can only be called by a trigger"));
	if (data->tg_trigger->tgnargs != 1)
		ereport(ERROR, errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("trigger \"%s\" must have the number of an embedding job as its argument",
					   data->tg_trigger->tgname));
}

/* Whether the relation is that of the job, or a partition of it (and not one that was detached). */
static bool
belongs_to(Relation relation, const job *j)
{
	return RelationGetRelid(relation) == j->relation ||
		   (relation->rd_rel->relispartition &&
			list_member_oid(get_partition_ancestors(RelationGetRelid(relation)), j->relation));
}

static void
queue_row(const job *j, const TriggerData *data, row_columns *columns)
{
	job_identity before;
	List *keys;

	job_become(GetUserId(), &before);
	keys = row_keys(data, columns);
	job_return(&before);
	job_enqueue(j->id, keys);
}

static void
queue_changes(const job *j, const TriggerData *data)
{
	row_columns columns;

	if (!find_columns(j, data->tg_relation, &columns))
		return;
	if (TRIGGER_FIRED_FOR_ROW(data->tg_event))
		queue_row(j, data, &columns);
	else
		queue_statement(j, data, &columns);
}

static void
note_truncate(const job *j, Relation relation)
{
	bool all = RelationGetRelid(relation) == j->relation;
	Oid type = INT4OID;
	Datum value = Int32GetDatum(j->id);

	if (all)
		(void) job_execute_kept("DELETE FROM @.tfm_job_queue WHERE job = $1", 1, &type, &value,
								NULL);
	if (j->chunk > 0)
		job_truncate_chunks(j, all);
}

/* Argument of the trigger: the number of the job. */
PG_FUNCTION_INFO_V1(tfm_job_trigger);
Datum
tfm_job_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	int id;
	job *j;

	check_call(fcinfo);
	id = pg_strtoint32(data->tg_trigger->tgargs[0]);
	SPI_connect();
	j = job_load(id);
	if (j != NULL && OidIsValid(j->owner) && belongs_to(data->tg_relation, j))
	{
		if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
			note_truncate(j, data->tg_relation);
		else
			queue_changes(j, data);
	}
	SPI_finish();
	return PointerGetDatum(NULL);
}

/* ---- Making and dropping triggers ---- */

static const struct
{
	const char *event;	/* also the end of the trigger's name, unless it is the replica's */
	const char *tables; /* transition tables */
	bool is_replica;	/* for rows that a subscription applies */
	const char *enable; /* NULL: fires for sessions only */
} triggers[] = {
	{"insert", "REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT", false, NULL},
	{"update", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT", false,
	 NULL},
	{"delete", "REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT", false, NULL},
	{"truncate", "FOR EACH STATEMENT", false, "ALWAYS"},
	{"insert OR update OR delete", "FOR EACH ROW", true, "REPLICA"},
};

static void
create_trigger(const job *j, Oid relation, int i)
{
	const char *event = triggers[i].is_replica ? "replica" : triggers[i].event;
	char *name = psprintf("tfm_job_%d_%s", j->id, event), *table = job_relation_name(relation);

	if (OidIsValid(get_trigger_oid(relation, name, true)))
		return;
	job_run_command(
		psprintf("CREATE TRIGGER %s AFTER %s ON %s %s EXECUTE FUNCTION @.tfm_job_trigger('%d')",
				 name, triggers[i].event, table, triggers[i].tables, j->id));
	if (triggers[i].enable != NULL)
		job_run_command(
			psprintf("ALTER TABLE %s ENABLE %s TRIGGER %s", table, triggers[i].enable, name));
}

/* The names of a job's triggers. */
#define TRIGGER_NAMES                                                                              \
	"(SELECT 'tfm_job_' || $1 || '_' || e FROM "                                                   \
	"unnest(ARRAY['insert', 'update', 'delete', 'truncate', 'replica']) e)"

/* A job's relation ($2) and its partitions that lack triggers; those that are foreign have none. */
#define SELECT_LACKING                                                                             \
	"SELECT c.oid, c.relowner FROM (SELECT $2 AS relid UNION SELECT relid::oid FROM "              \
	"pg_partition_tree($2::regclass)) t JOIN pg_class c ON c.oid = t.relid "                       \
	"WHERE c.relkind IN ('r', 'p') AND 5 > (SELECT count(*) FROM pg_trigger g "                    \
	"WHERE g.tgrelid = c.oid AND g.tgname IN " TRIGGER_NAMES ")"

static Oid
oid_value(const SPITupleTable *table, uint64 row, int n)
{
	bool null;

	return DatumGetObjectId(SPI_getbinval(table->vals[row], table->tupdesc, n, &null));
}

static void
create_all_triggers(const job *j, Oid relation, Oid owner)
{
	job_identity before;

	job_become(owner, &before);
	for (int i = 0; i < (int) lengthof(triggers); i++)
		if (!triggers[i].is_replica || relation == j->relation)
			create_trigger(j, relation, i);
	job_return(&before);
}

bool
job_create_triggers(const job *j)
{
	Oid types[] = {INT4OID, OIDOID};
	Datum values[] = {Int32GetDatum(j->id), ObjectIdGetDatum(j->relation)};
	uint64 rows = job_execute_kept(SELECT_LACKING, 2, types, values, NULL);
	SPITupleTable *found = SPI_tuptable;

	for (uint64 i = 0; i < rows; i++)
		create_all_triggers(j, oid_value(found, i, 1), oid_value(found, i, 2));
	return rows > 0;
}

/* Partitions are not looked at: this is for each batch. */
void
job_check_triggers(const job *j)
{
	Relation relation = table_open(j->relation, AccessShareLock);
	const TriggerDesc *description = relation->trigdesc;
	char *id = psprintf("%d", j->id);
	int count = 0;

	for (int i = 0; description != NULL && i < description->numtriggers; i++)
	{
		const Trigger *t = &description->triggers[i];

		count += strncmp(t->tgname, "tfm_job_", 8) == 0 && t->tgnargs == 1 &&
				 strcmp(t->tgargs[0], id) == 0;
	}
	table_close(relation, AccessShareLock);
	if (count < (int) lengthof(triggers))
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("embedding job \"%s\" lacks triggers", j->name));
}

void
job_drop_triggers(int id)
{
	Oid type = INT4OID;
	Datum value = Int32GetDatum(id);
	uint64 rows = job_execute_kept(
		"SELECT g.tgname, c.oid, c.relowner FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid "
		"JOIN pg_proc p ON p.oid = g.tgfoid AND p.proname = 'tfm_job_trigger' "
		"WHERE g.tgparentid = 0 AND g.tgname IN " TRIGGER_NAMES,
		1, &type, &value, NULL);
	SPITupleTable *found = SPI_tuptable;

	for (uint64 i = 0; i < rows; i++)
	{
		job_identity before;

		job_become(oid_value(found, i, 3), &before);
		job_run_command(psprintf("DROP TRIGGER %s ON %s",
								 quote_identifier(SPI_getvalue(found->vals[i], found->tupdesc, 1)),
								 job_relation_name(oid_value(found, i, 2))));
		job_return(&before);
	}
}
