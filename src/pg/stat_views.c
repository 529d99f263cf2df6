/*
 * stat_views.c
 *	  The SQL functions behind the views tfm_stat_models and tfm_stat_activity, and the reset.
 *
 * A user sees what was computed in this database with models that the user may use, and what roles
 * compute whose privileges the user has; those with the privileges of pg_read_all_stats see all.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "pg/locate.h"
#include "pg/server.h"
#include "pg/stat_activity.h"
#include "pg/stat_counts.h"

PG_FUNCTION_INFO_V1(tfm_stat_models_rows);
PG_FUNCTION_INFO_V1(tfm_stat_activity_rows);
PG_FUNCTION_INFO_V1(tfm_stat_reset);

#define MODELS_COLUMNS 17
#define ACTIVITY_COLUMNS 13

static const char *const phase_names[] = {
	[STAT_IDLE] = "idle",
	[STAT_READING] = "reading checkpoint",
	[STAT_COMPILING] = "compiling image",
	[STAT_OPENING] = "opening image",
	[STAT_WAITING] = "waiting for worker",
	[STAT_COMPUTING] = "computing",
};

/* ---- Who sees what ---- */

static bool
may_see_all(void)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

/* Whether the current user may use what a name stood for when it was counted. */
static bool
may_use(const char *model, bool registered)
{
	server_model server;

	if (registered)
		return server_find(model, &server) && server_is_usable(server.server);
	return !locate_is_absolute(model) || has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES);
}

/* A name, which another database may have in another encoding. */
static Datum
name_datum(const char *name)
{
	char *copy = pstrdup(name);

	if (!pg_verifymbstr(copy, (int) strlen(copy), true))
		for (char *c = copy; *c != '\0'; c++)
			if (IS_HIGHBIT_SET(*c))
				*c = '?';
	return CStringGetTextDatum(copy);
}

/* ---- tfm_stat_models ---- */

static void
put_counters(ReturnSetInfo *result, const stat_count *count)
{
	const stat_counters *c = &count->counters;
	bool nulls[MODELS_COLUMNS] = {false};
	Datum values[MODELS_COLUMNS] = {
		ObjectIdGetDatum(count->key.database),
		name_datum(count->key.model),
		BoolGetDatum(count->key.registered),
		CStringGetTextDatum(count->key.kind),
		Int64GetDatum(c->calls),
		Int64GetDatum(c->rows),
		Int64GetDatum(c->passes),
		Int64GetDatum(c->tokens),
		Int64GetDatum(c->reused),
		Int64GetDatum(c->made),
		Int64GetDatum(c->errors),
		Float8GetDatum(c->total_time),
		Float8GetDatum(c->max_time),
		Int64GetDatum(c->peak_bytes),
		Int64GetDatum(c->image_bytes),
		TimestampTzGetDatum(c->since),
		TimestampTzGetDatum(c->last_used),
	};

	nulls[14] = c->image_bytes == 0;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* tfm_stat_models_rows() returns setof record */
Datum
tfm_stat_models_rows(PG_FUNCTION_ARGS)
{
	bool all = may_see_all();
	stat_count *counts;
	int count;

	InitMaterializedSRF(fcinfo, 0);
	count = stat_counts_copy(&counts);
	for (int i = 0; i < count; i++)
	{
		const stat_key *key = &counts[i].key;

		if (all || (key->database == MyDatabaseId && may_use(key->model, key->registered)))
			put_counters((ReturnSetInfo *) fcinfo->resultinfo, &counts[i]);
	}
	return (Datum) 0;
}

/* ---- tfm_stat_activity ---- */

static void
put_slot(ReturnSetInfo *result, const stat_slot *slot)
{
	bool is_work_on_image = slot->phase != STAT_COMPUTING && slot->phase != STAT_WAITING;
	bool nulls[ACTIVITY_COLUMNS] = {false};
	Datum values[ACTIVITY_COLUMNS] = {
		Int32GetDatum(slot->pid),
		ObjectIdGetDatum(slot->database),
		ObjectIdGetDatum(slot->user),
		name_datum(slot->model),
		CStringGetTextDatum(phase_names[slot->phase]),
		CStringGetTextDatum(slot->kind),
		Int64GetDatum(slot->rows),
		Int64GetDatum(slot->rows_done),
		Int64GetDatum(slot->tokens),
		Int64GetDatum(slot->made),
		Int64GetDatum(slot->bytes_total),
		Int64GetDatum(slot->bytes_done),
		TimestampTzGetDatum(slot->started),
	};

	nulls[5] = nulls[6] = nulls[7] = nulls[8] = nulls[9] = is_work_on_image;
	nulls[10] = nulls[11] = slot->bytes_total == 0;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* tfm_stat_activity_rows() returns setof record */
Datum
tfm_stat_activity_rows(PG_FUNCTION_ARGS)
{
	bool all = may_see_all();
	stat_slot *slots;
	int count;

	InitMaterializedSRF(fcinfo, 0);
	count = stat_slots_copy(&slots);
	for (int i = 0; i < count; i++)
		if (all || has_privs_of_role(GetUserId(), slots[i].user))
			put_slot((ReturnSetInfo *) fcinfo->resultinfo, &slots[i]);
	return (Datum) 0;
}

/* ---- Reset ---- */

/* tfm_stat_reset(model text) returns void */
Datum
tfm_stat_reset(PG_FUNCTION_ARGS)
{
	stat_counts_reset(PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}
