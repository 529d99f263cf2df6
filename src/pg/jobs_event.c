/*
 * jobs_event.c
 *	  Embedding jobs when their tables are dropped or get partitions.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"

#include "pg/events.h"

/* The jobs that a query gives by their numbers. */
static List *
list_jobs(const char *query)
{
	MemoryContext memory = CurrentMemoryContext, caller;
	uint64 rows = job_execute_kept(query, 0, NULL, NULL, NULL);
	List *ids = NIL;

	caller = MemoryContextSwitchTo(memory);
	for (uint64 i = 0; i < rows; i++)
	{
		bool null;

		ids = lappend_int(ids, DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i],
														   SPI_tuptable->tupdesc, 1, &null)));
	}
	MemoryContextSwitchTo(caller);
	SPI_freetuptable(SPI_tuptable);
	return ids;
}

/* A column is the third part of an address. */
#define SELECT_DROPPED                                                                             \
	"SELECT DISTINCT j.id FROM pg_event_trigger_dropped_objects() d JOIN @.tfm_job j ON "          \
	"(d.objid = j.relation AND (d.objsubid = 0 OR d.address_names[3] = j.source "                  \
	"OR d.address_names[3] = ANY (j.key::text[]) "                                                 \
	"OR (j.chunk IS NULL AND d.address_names[3] = j.destination))) "                               \
	"OR (d.objid = j.chunk_table AND (d.objsubid = 0 OR d.address_names[3] = j.destination)) "     \
	"WHERE d.classid = 'pg_class'::regclass"

/* Triggers of jobs that go on to be there, of tables that belong to them. */
#define SELECT_BEREFT                                                                              \
	"SELECT DISTINCT j.id FROM pg_event_trigger_dropped_objects() d JOIN @.tfm_job j "             \
	"ON starts_with(d.address_names[3], 'tfm_job_' || j.id || '_') "                               \
	"WHERE d.original AND d.object_type = 'trigger' AND EXISTS (SELECT FROM "                      \
	"(SELECT j.relation AS relid UNION SELECT relid FROM pg_partition_tree(j.relation)) t "        \
	"JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace "            \
	"WHERE c.relname = d.address_names[2] AND n.nspname = d.address_names[1])"

/* Without its triggers a job misses changes.  Not an error: pg_restore --clean drops them, too. */
static void
warn_bereft(void)
{
	List *ids = list_jobs(SELECT_BEREFT);
	ListCell *cell;

	foreach (cell, ids)
	{
		job *j = job_load(lfirst_int(cell));

		if (j != NULL)
			ereport(WARNING, errmsg("embedding job \"%s\" does not see changes any more", j->name),
					errhint("Drop the job with tfm_drop_embedding_job, or have its triggers made "
							"again with tfm_resume_embedding_job."));
	}
}

PG_FUNCTION_INFO_V1(tfm_job_dropped);
Datum
tfm_job_dropped(PG_FUNCTION_ARGS)
{
	List *ids;
	ListCell *cell;

	events_check_call(fcinfo, "tfm_job_dropped");
	if (!OidIsValid(job_keeper()))
		PG_RETURN_NULL();
	SPI_connect();
	ids = list_jobs(SELECT_DROPPED);
	foreach (cell, ids)
	{
		job *j = job_load(lfirst_int(cell));

		if (j == NULL)
			continue;
		ereport(NOTICE, errmsg("embedding job \"%s\" is dropped", j->name));
		job_forget(j->id);
		job_drop_triggers(j->id);
	}
	warn_bereft();
	SPI_finish();
	PG_RETURN_NULL();
}

/* Jobs of which a table was made or changed that is theirs or a partition of it; their triggers are there. */
#define SELECT_ALTERED                                                                             \
	"SELECT DISTINCT j.id FROM pg_event_trigger_ddl_commands() d JOIN @.tfm_job j ON "             \
	"j.relation = d.objid OR j.relation IN (SELECT relid FROM pg_partition_ancestors(d.objid)) "   \
	"WHERE d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_trigger t "                 \
	"WHERE t.tgrelid = j.relation AND t.tgname = 'tfm_job_' || j.id || '_insert')"

/* Whether a command makes or attaches a partition; any other is no business of ours. */
static bool
adds_partition(Node *command, bool *attaches)
{
	ListCell *cell;

	*attaches = false;
	if (IsA(command, CreateStmt))
		return ((CreateStmt *) command)->partbound != NULL;
	if (IsA(command, AlterTableStmt))
		foreach (cell, ((AlterTableStmt *) command)->cmds)
			*attaches =
				*attaches || ((AlterTableCmd *) lfirst(cell))->subtype == AT_AttachPartition;
	return *attaches;
}

/* Rows of a partition that was attached are still to be queued. */
static void
queue_attached(const job *j)
{
	Oid type = INT4OID;
	Datum value = Int32GetDatum(j->id);

	(void) job_execute_kept("UPDATE @.tfm_job SET fill = coalesce(fill, 'missing'), filled = NULL "
							"WHERE id = $1",
							1, &type, &value, NULL);
	job_wake_at_commit();
}

PG_FUNCTION_INFO_V1(tfm_job_altered);
Datum
tfm_job_altered(PG_FUNCTION_ARGS)
{
	EventTriggerData *data = (EventTriggerData *) fcinfo->context;
	ListCell *cell;
	bool attaches;
	List *ids;

	events_check_call(fcinfo, "tfm_job_altered");
	if (!adds_partition(data->parsetree, &attaches) || !OidIsValid(job_keeper()))
		PG_RETURN_NULL();
	SPI_connect();
	ids = list_jobs(SELECT_ALTERED);
	foreach (cell, ids)
	{
		job *j = job_load(lfirst_int(cell));

		if (j != NULL && OidIsValid(j->owner) && job_create_triggers(j) && attaches)
			queue_attached(j);
	}
	SPI_finish();
	PG_RETURN_NULL();
}
