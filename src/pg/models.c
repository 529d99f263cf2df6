/*
 * models.c
 *	  SQL functions that register, pin, drop and describe models.
 *
 * A model is registered by CREATE SERVER, which these functions issue through SPI as anybody could,
 * so that privileges, event triggers and logging are those of the command.  The event trigger
 * tfm_pin adds the option content to a server that was made without it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "executor/spi.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "pg/backend.h"
#include "pg/border.h"
#include "pg/events.h"
#include "pg/images.h"
#include "pg/locate.h"
#include "pg/models.h"
#include "pg/registry.h"
#include "pg/server.h"
#include "pg/stat.h"
#include "pg/stored.h"

PG_FUNCTION_INFO_V1(tfm_load_model);
PG_FUNCTION_INFO_V1(tfm_drop_model);
PG_FUNCTION_INFO_V1(tfm_refresh_model);
PG_FUNCTION_INFO_V1(tfm_pin);
PG_FUNCTION_INFO_V1(tfm_forget);
PG_FUNCTION_INFO_V1(tfm_model_info);
PG_FUNCTION_INFO_V1(tfm_prune_images);

#define INFO_COLUMNS 14

/* ---- Commands ---- */

static void
run_command(const char *command)
{
	SPI_connect();
	if (SPI_execute(command, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not execute \"%s\"", command);
	SPI_finish();
}

/* Append an element of OPTIONS (...) that takes an option from its old to its new value; NULL: none. */
static void
append_option(StringInfo command, const char *name, const char *old, const char *new)
{
	const char *separator = command->data[command->len - 1] == '(' ? "" : ", ";

	if (new != NULL)
		appendStringInfo(command, "%s%s %s %s", separator, old != NULL ? "SET" : "ADD", name,
						 quote_literal_cstr(new));
	else if (old != NULL)
		appendStringInfo(command, "%sDROP %s", separator, name);
}

static void
alter_server(const server_model *old, const server_model *new)
{
	StringInfoData command;

	initStringInfo(&command);
	appendStringInfo(&command, "ALTER SERVER %s OPTIONS (", quote_identifier(old->name));
	append_option(&command, "path", old->path, new->path);
	append_option(&command, "stored", old->stored ? "true" : NULL, new->stored ? "true" : NULL);
	append_option(&command, "dtype", old->dtype, new->dtype);
	append_option(&command, "compute", old->compute, new->compute);
	append_option(&command, "content", old->content, new->content);
	appendStringInfoChar(&command, ')');
	run_command(command.data);
}

static void
create_server(const server_model *model)
{
	StringInfoData command;

	initStringInfo(&command);
	appendStringInfo(&command, "CREATE SERVER %s FOREIGN DATA WRAPPER %s OPTIONS (%s %s",
					 quote_identifier(model->name), SERVER_WRAPPER,
					 model->stored ? "stored" : "path",
					 quote_literal_cstr(model->stored ? "true" : model->path));
	if (model->dtype != NULL)
		appendStringInfo(&command, ", dtype %s", quote_literal_cstr(model->dtype));
	if (model->compute != NULL)
		appendStringInfo(&command, ", compute %s", quote_literal_cstr(model->compute));
	appendStringInfo(&command, ", content %s)", quote_literal_cstr(model->content));
	run_command(command.data);
}

void
models_register(const server_model *old, const server_model *model)
{
	if (old != NULL)
		alter_server(old, model);
	else
		create_server(model);
}

/* ---- Loading ---- */

const char *
models_locate(const char *path)
{
	const char *directory = locate_checkpoint(path);

	if (directory == NULL)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_FILE),
				errmsg("checkpoint \"%s\" is not under tfm.model_path", path),
				errhint("Give the absolute path of its directory, or set tfm.model_path."));
	return directory;
}

/* Say of a model that has no weights why, so that nobody finds out at the first embedding. */
static void
report_no_weights(const run_model *model, const char *name)
{
	const tfm_error *why = run_model_no_weights(model);

	if (why == NULL)
		return;
	ereport(NOTICE, errmsg("only the tokenizer of model \"%s\" can be used", name),
			why->kind == TFM_FILE_NOT_FOUND ? errdetail("%s", border_message(why->detail))
											: errdetail("%s.", border_message(why->message)),
			why->hint[0] == '\0' ? 0 : errhint("%s", border_message(why->hint)));
}

void
models_prepare(const server_model *model, const char *directory)
{
	run_precision precision = server_precision(model);
	tfm_context *context = border_begin(model->name);
	const run_model *prepared;

	stat_set_model(model->name, true);
	prepared = registry_prepare(context, directory, model->content, precision);
	border_check(context);
	report_no_weights(prepared, model->name);
	border_end(context);
}

/* Where the checkpoint of a model is; NULL if it is stored. */
static const char *
locate_model(const server_model *model)
{
	return model->stored ? NULL : models_locate(model->path);
}

/* Compile and open the checkpoint of a model as it is now, and make that its content. */
static void
pin_checkpoint(server_model *model)
{
	const char *directory = locate_model(model);

	if (directory != NULL)
	{
		char *content = palloc(sizeof(image_content));
		tfm_context *context = border_begin(model->name);

		stat_set_model(model->name, true);
		images_fingerprint(context, directory, true, content);
		border_end(context);
		model->content = content;
	}
	models_prepare(model, directory);
}

static void
check_name(const char *name)
{
	if (name[0] == '\0' || strlen(name) >= NAMEDATALEN)
		ereport(ERROR, errcode(name[0] == '\0' ? ERRCODE_INVALID_NAME : ERRCODE_NAME_TOO_LONG),
				errmsg("name of a model must have 1 to %d bytes", NAMEDATALEN - 1));
}

bool
models_find_replaced(const char *name, bool replace, server_model *old)
{
	check_name(name);
	if (!OidIsValid(get_foreign_server_oid(name, true)))
		return false;
	if (!server_find(name, old))
		ereport(ERROR, errcode(ERRCODE_DUPLICATE_OBJECT),
				errmsg("server \"%s\" exists and is not a model", name));
	if (!replace)
		ereport(ERROR, errcode(ERRCODE_DUPLICATE_OBJECT),
				errmsg("model \"%s\" already exists", name),
				errhint("Replace it with replace => true."));
	server_check_owner(old);
	return true;
}

const char *
models_precision_argument(const text *argument)
{
	const char *value = text_to_cstring(argument);

	return strcmp(value, "auto") == 0 ? NULL : value;
}

/* tfm_load_model(name text, path text, dtype text, compute text, replace boolean) returns text */
Datum
tfm_load_model(PG_FUNCTION_ARGS)
{
	server_model model = {
		.name = text_to_cstring(PG_GETARG_TEXT_PP(0)),
		.path = text_to_cstring(PG_GETARG_TEXT_PP(1)),
		.dtype = models_precision_argument(PG_GETARG_TEXT_PP(2)),
		.compute = models_precision_argument(PG_GETARG_TEXT_PP(3)),
	};
	server_model old;
	bool replaced;

	server_check_files("load a model");
	server_check_options(&model);
	replaced = models_find_replaced(model.name, PG_GETARG_BOOL(4), &old);
	pin_checkpoint(&model);
	models_register(replaced ? &old : NULL, &model);
	PG_RETURN_TEXT_P(cstring_to_text(model.name));
}

/* Pin a server to its checkpoint as it is now; whether it was another one before. */
static bool
pin_server(const server_model *old)
{
	server_model new = *old;

	pin_checkpoint(&new);
	if (old->content != NULL && strcmp(old->content, new.content) == 0)
		return false;
	alter_server(old, &new);
	return true;
}

/* Make the image of an unchanged model anew, and have it opened at the next use. */
static void
remake_image(const server_model *model)
{
	const char *directory = locate_model(model);
	tfm_dtype dtype = server_precision(model).dtype;
	tfm_context *context = border_begin(model->name);

	stat_set_model(model->name, true);
	images_remake(context, directory, model->content, dtype);
	border_end(context);
	tfm_backend.generation++;
}

/* tfm_refresh_model(name text) returns boolean */
Datum
tfm_refresh_model(PG_FUNCTION_ARGS)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	server_model model;

	if (!server_find(name, &model))
		server_throw_unknown(name);
	server_check_owner(&model);
	if (!model.stored)
		server_check_files("refresh a model");
	if (pin_server(&model))
		PG_RETURN_BOOL(true);
	remake_image(&model);
	PG_RETURN_BOOL(false);
}

/* tfm_drop_model(name text, if_exists boolean) returns void */
Datum
tfm_drop_model(PG_FUNCTION_ARGS)
{
	const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	server_model model;

	if (server_find(name, &model))
		run_command(psprintf("DROP SERVER %s", quote_identifier(name)));
	else if (PG_GETARG_BOOL(1))
		ereport(NOTICE, errmsg("model \"%s\" does not exist, skipping", name));
	else
		server_throw_unknown(name);
	PG_RETURN_VOID();
}

/* ---- Event triggers ---- */

/* OIDs of the servers among the objects of the event, a set-returning function of event triggers. */
static List *
list_servers(const char *objects)
{
	MemoryContext caller = CurrentMemoryContext;
	List *servers = NIL;

	SPI_connect();
	if (SPI_execute(psprintf("SELECT objid FROM pg_catalog.%s()"
							 " WHERE classid OPERATOR(pg_catalog.=) "
							 "'pg_catalog.pg_foreign_server'::pg_catalog.regclass",
							 objects),
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not list the servers of a command");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool is_null;
		Datum server = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null);
		MemoryContext spi = MemoryContextSwitchTo(caller);

		servers = lappend_oid(servers, DatumGetObjectId(server));
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	return servers;
}

/* tfm_pin() returns event_trigger: for servers that a command has made or changed */
Datum
tfm_pin(PG_FUNCTION_ARGS)
{
	List *servers;
	ListCell *cell;

	events_check_call(fcinfo, "tfm_pin");
	servers = list_servers("pg_event_trigger_ddl_commands");
	foreach (cell, servers)
	{
		server_model model;

		if (server_find_oid(lfirst_oid(cell), &model) && model.content == NULL)
			pin_server(&model);
		stored_forget(lfirst_oid(cell));
	}
	PG_RETURN_VOID();
}

/* tfm_forget() returns event_trigger: for servers that a command has dropped */
Datum
tfm_forget(PG_FUNCTION_ARGS)
{
	List *servers;
	ListCell *cell;

	events_check_call(fcinfo, "tfm_forget");
	servers = list_servers("pg_event_trigger_dropped_objects");
	foreach (cell, servers)
		stored_forget(lfirst_oid(cell));
	PG_RETURN_VOID();
}

/* ---- Describing ---- */

static void
set_text(Datum *values, bool *nulls, int column, const char *utf8)
{
	nulls[column] = utf8 == NULL;
	if (utf8 != NULL)
		values[column] = CStringGetTextDatum(border_message(utf8));
}

static void
set_info(Datum *values, bool *nulls, const run_model_info *info)
{
	set_text(values, nulls, 0, info->family);
	set_text(values, nulls, 1, info->model_type);
	set_text(values, nulls, 2, info->architecture);
	set_text(values, nulls, 3, info->task);
	values[4] = Int64GetDatum(info->parameters);
	values[5] = Int32GetDatum(info->dimensions);
	values[6] = Int32GetDatum(info->max_tokens);
	set_text(values, nulls, 7, info->dtype);
	set_text(values, nulls, 8, info->compute);
	values[9] = Int64GetDatum(info->image_bytes);
	values[10] = Int64GetDatum(info->memory_bytes);
	values[11] = Float8GetDatum(info->compile_seconds);
	nulls[9] = nulls[11] = false;
	nulls[4] = nulls[10] = info->family == NULL;
	nulls[5] = info->dimensions == 0;
	nulls[6] = info->max_tokens == 0;
}

/*
 * tfm_model_info(server oid) returns record: what the view tfm_models tells of a model beyond its
 * server; no error of the model is an error here.
 */
Datum
tfm_model_info(PG_FUNCTION_ARGS)
{
	Datum values[INFO_COLUMNS] = {0};
	bool nulls[INFO_COLUMNS];
	const run_model_info *info;
	const char *state;
	server_model model;
	TupleDesc descriptor;
	tfm_context *context;
	tfm_error error;

	if (!server_find_oid(PG_GETARG_OID(0), &model) || !server_is_usable(model.server))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(nulls, true, sizeof(nulls));
	stat_set_model(model.name, true);
	context = border_begin(model.name);
	info = registry_inspect(context, &model, &state);
	if (info != NULL)
		set_info(values, nulls, info);
	error = context->error;
	if (error.kind != TFM_CANCELLED)
		tfm_clear_error(context);
	border_end(context);
	set_text(values, nulls, 12, state);
	set_text(values, nulls, 13, error.kind != TFM_OK ? error.message : NULL);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

/* tfm_prune_images(unused_for interval) returns bigint */
Datum
tfm_prune_images(PG_FUNCTION_ARGS)
{
	Datum now = TimestampTzGetDatum(GetCurrentTimestamp());
	TimestampTz since =
		DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval, now, PG_GETARG_DATUM(0)));
	List *kept = server_pinned_images();
	tfm_context *context = border_begin(NULL);
	int64 freed = images_prune(context, (time_t) timestamptz_to_time_t(since), kept);

	border_end(context);
	PG_RETURN_INT64(freed);
}
