/*
 * embed_trigger.c
 *	  The trigger function tfm_embed_trigger, which keeps a column of embeddings current.
 *
 *		CREATE TRIGGER embed BEFORE INSERT OR UPDATE OF body ON docs FOR EACH ROW
 *			EXECUTE FUNCTION tfm_embed_trigger('body', 'embedding', 'minilm');
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/embed.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* What a trigger needs for each row of a statement; kept in fn_extra. */
typedef struct embed_trigger
{
	int source;				 /* column of the text */
	int target;				 /* column of the embedding */
	text *model;			 /* NULL: the setting's */
	registry_handle *handle; /* NULL before the first text */
	ExprState *to_text;		 /* from the source's type */
	ExprState *to_target;	 /* from tfm_vector to the target's type */
	ExprContext *econtext;	 /* of both */
} embed_trigger;

static void
check_arguments(const Trigger *trigger)
{
	if (trigger->tgnargs != 2 && trigger->tgnargs != 3)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("trigger \"%s\" must have two or three arguments, not %d", trigger->tgname,
						trigger->tgnargs),
				 errdetail("They are the column of the text, the column of the embedding, and the "
						   "model if it is not that of the setting \"%s\".",
						   EMBED_SETTING)));
}

static void
check_call(FunctionCallInfo fcinfo)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("tfm_embed_trigger can only be called by a trigger")));
	if (!TRIGGER_FIRED_BEFORE(data->tg_event) || !TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("trigger \"%s\" must be BEFORE and FOR EACH ROW",
							   data->tg_trigger->tgname)));
	if (!TRIGGER_FIRED_BY_INSERT(data->tg_event) && !TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" must be for INSERT or UPDATE", data->tg_trigger->tgname)));
}

/* The number of a column that can be read and written before its row is stored. */
static int
find_column(Relation relation, const char *name)
{
	int column = SPI_fnumber(RelationGetDescr(relation), name);

	if (column <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of relation \"%s\" does not exist", name,
							   RelationGetRelationName(relation))));
	if (TupleDescAttr(RelationGetDescr(relation), column - 1)->attgenerated != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("column \"%s\" of relation \"%s\" is a generated column", name,
						RelationGetRelationName(relation)),
				 errdetail("Generated columns are computed after BEFORE triggers have run.")));
	return column;
}

/*
 * An expression that casts econtext's value from a type to that of a column, as an assignment would
 * do it.  To types of others than the server's that no cast leads to, such as pgvector's without
 * tfm_pgvector, it goes by way of the text form.
 */
static ExprState *
prepare_cast(Oid from, Oid to, int32 to_typmod, const char *column)
{
	CaseTestExpr *value = makeNode(CaseTestExpr);
	Node *expression;

	value->typeId = from;
	value->typeMod = -1;
	value->collation = get_typcollation(from);
	expression = coerce_to_target_type(NULL, (Node *) value, from, to, to_typmod,
									   COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (expression == NULL && TypeCategory(to) == TYPCATEGORY_USER)
	{
		CoerceViaIO *convert = makeNode(CoerceViaIO);

		convert->arg = (Expr *) value;
		convert->resulttype = to;
		convert->coerceformat = COERCE_IMPLICIT_CAST;
		convert->location = -1;
		expression = coerce_to_target_type(NULL, (Node *) convert, to, to, to_typmod,
										   COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	}
	if (expression == NULL)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("column \"%s\" is of type %s, to which %s cannot be assigned",
							   column, format_type_be(to), format_type_be(from))));
	return ExecInitExpr(expression_planner((Expr *) expression), NULL);
}

static ExprState *
prepare_source(Relation relation, int column)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), column - 1);

	if (TypeCategory(attribute->atttypid) != TYPCATEGORY_STRING)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("column \"%s\" of relation \"%s\" is not of a character type",
							   NameStr(attribute->attname), RelationGetRelationName(relation))));
	return prepare_cast(attribute->atttypid, TEXTOID, -1, NameStr(attribute->attname));
}

/* tfm_vector lives in the schema of the extension, where the trigger's function is. */
static ExprState *
prepare_target(FunctionCallInfo fcinfo, Relation relation, int column)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), column - 1);
	Oid schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	Oid type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("tfm_vector"),
							   ObjectIdGetDatum(schema));

	return prepare_cast(type, attribute->atttypid, attribute->atttypmod,
						NameStr(attribute->attname));
}

/* The trigger's state, made at the first row of a statement. */
static embed_trigger *
find_state(FunctionCallInfo fcinfo)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	char **arguments = data->tg_trigger->tgargs;
	MemoryContext caller;
	embed_trigger *state;

	if (fcinfo->flinfo->fn_extra != NULL)
		return fcinfo->flinfo->fn_extra;

	check_arguments(data->tg_trigger);
	caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	state = palloc0(sizeof(embed_trigger));
	state->source = find_column(data->tg_relation, arguments[0]);
	state->target = find_column(data->tg_relation, arguments[1]);
	if (data->tg_trigger->tgnargs == 3)
		state->model = cstring_to_text(arguments[2]);
	state->to_text = prepare_source(data->tg_relation, state->source);
	state->to_target = prepare_target(fcinfo, data->tg_relation, state->target);
	state->econtext = CreateStandaloneExprContext();
	MemoryContextSwitchTo(caller);
	fcinfo->flinfo->fn_extra = state;
	return state;
}

static Datum
cast_value(embed_trigger *state, ExprState *cast, Datum value)
{
	bool null;

	state->econtext->caseValue_datum = value;
	state->econtext->caseValue_isNull = false;
	return ExecEvalExpr(cast, state->econtext, &null);
}

/* Whether an UPDATE leaves the text as it was, and the row has an embedding. */
static bool
is_current(const embed_trigger *state, const TriggerData *data)
{
	TupleDesc descriptor = RelationGetDescr(data->tg_relation);
	Form_pg_attribute source = TupleDescAttr(descriptor, state->source - 1);
	bool old_null;
	bool new_null;
	bool target_null;
	Datum old_text;
	Datum new_text;

	if (!TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		return false;
	heap_getattr(data->tg_newtuple, state->target, descriptor, &target_null);
	old_text = heap_getattr(data->tg_trigtuple, state->source, descriptor, &old_null);
	new_text = heap_getattr(data->tg_newtuple, state->source, descriptor, &new_null);
	return !target_null && !old_null && !new_null &&
		   datum_image_eq(old_text, new_text, source->attbyval, source->attlen);
}

static Datum
embed_source(FunctionCallInfo fcinfo, embed_trigger *state, Datum source)
{
	Datum input = cast_value(state, state->to_text, source);
	const registry_handle *model =
		registry_get(&state->handle, fcinfo->flinfo->fn_mcxt, state->model, EMBED_SETTING);
	TfmVector *embedding = embed_text(model, DatumGetTextPP(input));

	return cast_value(state, state->to_target, PointerGetDatum(embedding));
}

/* Arguments of the trigger: source column, target column, and model where it is not the setting's. */
PG_FUNCTION_INFO_V1(tfm_embed_trigger);
Datum
tfm_embed_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	TupleDesc descriptor;
	embed_trigger *state;
	HeapTuple row;
	Datum value;
	bool null;

	check_call(fcinfo);
	state = find_state(fcinfo);
	descriptor = RelationGetDescr(data->tg_relation);
	row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple;
	if (is_current(state, data))
		return PointerGetDatum(row);

	value = heap_getattr(row, state->source, descriptor, &null);
	if (!null)
		value = embed_source(fcinfo, state, value);
	row = heap_modify_tuple_by_cols(row, descriptor, 1, &state->target, &value, &null);
	return PointerGetDatum(row);
}
