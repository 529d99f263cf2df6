/*
 * jobs_chunks.c
 *	  The table of chunks that an embedding job may have: making, clearing and dropping it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs_command.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "lib/stringinfo.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* Columns that are not of the key. */
static const char *const own_columns[] = {"chunk", "content", "start", "end", "embedding"};

static char *
collation_name(Oid collation)
{
	HeapTuple tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
	Form_pg_collation form;
	char *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for collation %u", collation);
	form = (Form_pg_collation) GETSTRUCT(tuple);
	name = quote_qualified_identifier(get_namespace_name(form->collnamespace),
									  NameStr(form->collname));
	ReleaseSysCache(tuple);
	return name;
}

static void
append_key_column(StringInfo command, const job *j, const char *column)
{
	Oid type, collation;
	int32 typmod;

	for (size_t i = 0; i < lengthof(own_columns); i++)
		if (strcmp(column, own_columns[i]) == 0)
			ereport(ERROR, errcode(ERRCODE_DUPLICATE_COLUMN),
					errmsg("a table of chunks has a column \"%s\" of its own", column),
					errdetail("A column of the key of \"%s\" is called so, too.",
							  get_rel_name(j->relation)));
	get_atttypetypmodcoll(j->relation, get_attnum(j->relation, column), &type, &typmod, &collation);
	appendStringInfo(
		command, "%s %s", quote_identifier(column),
		format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	if (OidIsValid(collation))
		appendStringInfo(command, " COLLATE %s", collation_name(collation));
	appendStringInfoString(command, ", ");
}

Oid
job_create_chunks(const job *j, const char *name)
{
	Oid schema = get_rel_namespace(j->relation);
	StringInfoData command, key;
	ListCell *cell;

	initStringInfo(&command);
	initStringInfo(&key);
	appendStringInfo(&command, "CREATE TABLE %s (",
					 quote_qualified_identifier(get_namespace_name(schema), name));
	foreach (cell, j->key)
	{
		append_key_column(&command, j, lfirst(cell));
		appendStringInfo(&key, "%s, ", quote_identifier(lfirst(cell)));
	}
	appendStringInfo(&command,
					 "chunk integer, content text NOT NULL, start integer NOT NULL, "
					 "\"end\" integer NOT NULL, embedding @.tfm_vector NOT NULL, "
					 "PRIMARY KEY (%schunk))",
					 key.data);
	job_run_command(command.data);
	return get_relname_relid(name, schema);
}

void
job_drop_chunks(const job *j)
{
	job_identity before;
	Oid owner = job_relation_owner(j->chunk_table);

	if (!OidIsValid(owner))
		return;
	job_become(j->owner, &before);
	job_run_command(psprintf("DROP TABLE %s", job_relation_name(j->chunk_table)));
	job_return(&before);
}

void
job_truncate_chunks(const job *j, bool all)
{
	char *chunks = job_relation_name(j->chunk_table), *source = job_relation_name(j->relation);
	StringInfoData command;
	job_identity before;
	ListCell *cell;

	job_become(j->owner, &before);
	initStringInfo(&command);
	if (all)
		appendStringInfo(&command, "TRUNCATE %s", chunks);
	else
	{
		appendStringInfo(&command, "DELETE FROM %s c WHERE ", chunks);
		appendStringInfo(&command, "NOT EXISTS (SELECT FROM %s r WHERE ", source);
		foreach (cell, j->key)
		{
			const char *column = quote_identifier(lfirst(cell));
			Oid type = get_atttype(j->relation, get_attnum(j->relation, lfirst(cell)));

			appendStringInfoString(&command, cell == list_head(j->key) ? "" : " AND ");
			generate_operator_clause(&command, psprintf("c.%s", column), type,
									 job_order_operator(type, TYPECACHE_EQ_OPR),
									 psprintf("r.%s", column), type);
		}
		appendStringInfoString(&command, ")");
	}
	job_run_command(command.data);
	job_return(&before);
}
