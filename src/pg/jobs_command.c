/*
 * jobs_command.c
 *	  Commands about rows of a job's relation, which are given by the text form of their keys.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs_command.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

Oid
job_key_type(Oid relation, const char *column)
{
	AttrNumber number = get_attnum(relation, column);

	if (number <= 0)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_COLUMN),
				errmsg("column \"%s\" of relation \"%s\" does not exist", column,
					   get_rel_name(relation)));
	return get_atttype(relation, number);
}

Oid
job_order_operator(Oid type, int which)
{
	TypeCacheEntry *cache = lookup_type_cache(type, which);
	Oid operator= which == TYPECACHE_EQ_OPR ? cache->eq_opr : cache->gt_opr;

	if (!OidIsValid(operator))
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_FUNCTION),
				errmsg("type %s has no order", format_type_be(type)));
	return operator;
}

char *
job_relation_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}

char *
job_source_table(const job *j)
{
	return psprintf("%s%s",
					get_rel_relkind(j->relation) == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ",
					job_relation_name(j->relation));
}

char *
job_column_of(const char *alias, const char *column)
{
	return psprintf("%s.%s", alias, quote_identifier(column));
}

int
job_add_argument(job_command *c, Oid type, Datum value)
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

void
job_begin_command(job_command *c, const job *j, char **keys, int count)
{
	ListCell *cell;
	int number = 0;

	initStringInfo(&c->text);
	c->count = 0;
	foreach (cell, j->key)
	{
		Oid type = getBaseType(job_key_type(j->relation, lfirst(cell)));

		job_add_argument(c, get_array_type(type), key_values(type, number++, keys, count));
	}
}

void
job_append_keys(job_command *c, const job *j, const char *more, const char *columns)
{
	appendStringInfoString(&c->text, "ROWS FROM (");
	for (int i = 1; i <= list_length(j->key); i++)
		appendStringInfo(&c->text, "%spg_catalog.unnest($%d)", i == 1 ? "" : ", ", i);
	appendStringInfo(&c->text, "%s) WITH ORDINALITY AS k (", more);
	for (int i = 1; i <= list_length(j->key); i++)
		appendStringInfo(&c->text, "k%d, ", i);
	appendStringInfo(&c->text, "%sn)", columns);
}

void
job_append_match(job_command *c, const job *j, const char *alias, Oid relation)
{
	ListCell *cell;
	int i = 0;

	foreach (cell, j->key)
	{
		Oid type = job_key_type(relation, lfirst(cell));

		i++;
		appendStringInfoString(&c->text, i == 1 ? "" : " AND ");
		generate_operator_clause(&c->text, job_column_of(alias, lfirst(cell)), type,
								 job_order_operator(type, TYPECACHE_EQ_OPR), psprintf("k.k%d", i),
								 getBaseType(type));
	}
}

uint64
job_execute_command(job_command *c)
{
	return job_execute(c->text.data, c->count, c->types, c->values, NULL);
}

char **
job_row_keys(const job_row *rows, int count)
{
	char **keys = palloc(sizeof(char *) * Max(count, 1));

	for (int i = 0; i < count; i++)
		keys[i] = rows[i].entry->key;
	return keys;
}

job_row *
job_numbered_row(job_row *rows, int count, const SPITupleTable *table, uint64 i)
{
	bool null;
	int64 n = DatumGetInt64(SPI_getbinval(table->vals[i], table->tupdesc, 1, &null));

	if (null || n < 1 || n > count)
		elog(ERROR, "unexpected row number");
	return &rows[n - 1];
}
