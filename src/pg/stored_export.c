/*
 * stored_export.c
 *	  What is stored of a model, as files on the server, as a list, and as bytes.
 *
 * To use a model is not to have it: its files are for its owner.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "pg/border.h"
#include "pg/locate.h"
#include "pg/server.h"
#include "pg/stored.h"

PG_FUNCTION_INFO_V1(tfm_export_model);
PG_FUNCTION_INFO_V1(tfm_model_files);
PG_FUNCTION_INFO_V1(tfm_model_file);

/* The stored model of a name. */
static server_model
find_stored(const text *argument)
{
	const char *name = text_to_cstring(argument);
	server_model model;

	if (!server_find(name, &model))
		server_throw_unknown(name);
	return model;
}

static void
check_stored(const server_model *model)
{
	if (!model->stored)
		ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("model \"%s\" is not stored in the database", model->name),
				errhint("Store it with tfm_import_model(..., replace => true)."));
}

static void
check_directory(const char *directory)
{
	if (!has_privs_of_role(GetUserId(), ROLE_PG_WRITE_SERVER_FILES))
		ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied to export a model"),
				errdetail("Only roles with privileges of the \"%s\" role may export a model.",
						  "pg_write_server_files"));
	if (!locate_is_absolute(directory) || strlen(directory) >= MAXPGPATH / 2)
		ereport(ERROR, errcode(ERRCODE_INVALID_NAME),
				errmsg("\"%s\" is not an absolute path of a directory", directory));
}

/* tfm_export_model(name text, directory text) returns text */
Datum
tfm_export_model(PG_FUNCTION_ARGS)
{
	const char *directory = text_to_cstring(PG_GETARG_TEXT_PP(1));
	server_model model = find_stored(PG_GETARG_TEXT_PP(0));
	tfm_context *context;
	const char *checkpoint;
	text *result;

	server_check_owner(&model);
	check_directory(directory);
	check_stored(&model);
	context = border_begin(model.name);
	checkpoint = stored_unpack(context, model.content, directory, true);
	border_check(context);
	result = border_to_text(checkpoint, strlen(checkpoint));
	border_end(context);
	PG_RETURN_TEXT_P(result);
}

/* tfm_model_files(name text) returns setof (file text, size bigint, sha256 text) */
Datum
tfm_model_files(PG_FUNCTION_ARGS)
{
	server_model model = find_stored(PG_GETARG_TEXT_PP(0));
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	stored_file *files;
	int count;

	server_check_usage(&model);
	check_stored(&model);
	InitMaterializedSRF(fcinfo, 0);
	files = stored_list(model.content, &count);
	for (int i = 0; i < count; i++)
	{
		Datum values[3] = {CStringGetTextDatum(files[i].name), Int64GetDatum(files[i].size),
						   CStringGetTextDatum(files[i].sha256)};
		bool nulls[3] = {false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The number of a file of a model, and what is known of it. */
static int
find_file(const server_model *model, const char *name, stored_file *file)
{
	int count;
	stored_file *files = stored_list(model->content, &count);

	for (int i = 0; i < count; i++)
		if (strcmp(files[i].name, name) == 0)
		{
			*file = files[i];
			return i;
		}
	ereport(ERROR, errcode(ERRCODE_UNDEFINED_FILE),
			errmsg("model \"%s\" has no file \"%s\"", model->name, name));
}

/* length bytes of a file beginning with start, all of which are there. */
static bytea *
read_part(const char *content, int file, int64 start, int64 length)
{
	bytea *part = palloc(VARHDRSZ + length);
	stored_reader *reader = stored_open(content, file, start / STORED_CHUNK);
	int64 skip = start % STORED_CHUNK, filled = 0;
	const char *bytes;
	size_t size;

	SET_VARSIZE(part, VARHDRSZ + length);
	while (filled < length && stored_read(reader, &bytes, &size))
	{
		int64 taken = Min((int64) size - skip, length - filled);

		if (taken <= 0)
			break;
		memcpy(VARDATA(part) + filled, bytes + skip, taken);
		filled += taken;
		skip = 0;
	}
	stored_close(reader);
	if (filled < length)
		ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("a chunk of a stored file is missing"));
	return part;
}

/* tfm_model_file(name text, file text, start bigint, length bigint) returns bytea */
Datum
tfm_model_file(PG_FUNCTION_ARGS)
{
	server_model model;
	stored_file file;
	int64 start, length;
	int number;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	model = find_stored(PG_GETARG_TEXT_PP(0));
	server_check_owner(&model);
	check_stored(&model);
	number = find_file(&model, text_to_cstring(PG_GETARG_TEXT_PP(1)), &file);
	start = PG_GETARG_INT64(2);
	if (start < 0 || (!PG_ARGISNULL(3) && PG_GETARG_INT64(3) < 0))
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("start and length must not be negative"));
	length = start < file.size ? file.size - start : 0;
	if (!PG_ARGISNULL(3))
		length = Min(length, PG_GETARG_INT64(3));
	if (length > (int64) (MaxAllocSize - VARHDRSZ))
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("file \"%s\" is too large for one value", file.name),
				errhint("Read it in parts by start and length."));
	PG_RETURN_BYTEA_P(read_part(model.content, number, start, length));
}
