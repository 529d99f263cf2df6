/*
 * server.c
 *	  Models as foreign servers: the wrapper "tfm", its options, finding a server.
 *
 * A server has these options: path (a directory, or an id under tfm.model_path) or stored (its files
 * are in the database), dtype and compute (how its weights are kept, and multiplied), and content, the
 * fingerprint of the checkpoint that the name stands for.  The validator sees all options of a server
 * at every CREATE and ALTER and cannot tell which have changed; as path or stored is always among them,
 * setting any option takes the right to read the server's files.  Who has none may make a server of
 * stored files only through tfm_import_model, that is, who has the files: options are public, and
 * knowing a content must not be enough to use it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "commands/defrem.h"
#include "catalog/indexing.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

#include "checkpoint/fingerprint.h"
#include "pg/backend.h"
#include "pg/border.h"
#include "pg/images.h"
#include "pg/locate.h"
#include "pg/server.h"
#include "pg/stored.h"

/* The most edits between a name and one that is offered in its place, and how many are offered. */
#define NEAR_DISTANCE 3
#define NEAR_NAMES 3

PG_FUNCTION_INFO_V1(tfm_fdw_handler);
PG_FUNCTION_INFO_V1(tfm_fdw_validator);

/* ---- The wrapper ---- */

static void
refuse_table(PlannerInfo *root, RelOptInfo *relation, Oid table)
{
	ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			errmsg("foreign-data wrapper \"%s\" has no tables", SERVER_WRAPPER));
}

/* What is left out needs refuse_table to succeed first. */
Datum
tfm_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = refuse_table;
	PG_RETURN_POINTER(routine);
}

/* ---- Options ---- */

static void
check_path(const char *value)
{
	if (!(locate_is_absolute(value) || locate_is_id(value)) || strlen(value) >= MAXPGPATH)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid value for option \"path\": \"%s\"", value),
				errhint("A path is an absolute directory, or an id such as org/name under a "
						"directory of tfm.model_path."));
}

static void
check_dtype(const char *value)
{
	tfm_dtype dtype;

	if (!run_dtype_from_name(value, &dtype))
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid value for option \"dtype\": \"%s\"", value),
				errhint("Valid values are: %s.", RUN_DTYPE_NAMES));
}

static void
check_compute(const char *value)
{
	tfm_compute compute;

	if (!run_compute_from_name(value, &compute))
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid value for option \"compute\": \"%s\"", value),
				errhint("Valid values are: %s.", RUN_COMPUTE_NAMES));
}

static void
check_content(const char *value)
{
	if (!images_is_content(value))
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid value for option \"content\": \"%s\"", value),
				errdetail("The content is a SHA-256 in hexadecimal, set by tfm_load_model and "
						  "tfm_refresh_model."));
}

static void
check_stored(const char *value)
{
	bool stored;

	if (!parse_bool(value, &stored) || !stored)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid value for option \"stored\": \"%s\"", value),
				errhint("The only value is true; a model that is not stored has a path."));
}

static const struct
{
	const char *name;
	void (*check)(const char *value);
} options[] = {
	{"path", check_path},		{"stored", check_stored},	{"dtype", check_dtype},
	{"compute", check_compute}, {"content", check_content},
};

run_precision
server_precision(const server_model *model)
{
	run_precision precision = {0};
	tfm_context *context;

	if (model->dtype != NULL)
	{
		check_dtype(model->dtype);
		run_dtype_from_name(model->dtype, &precision.dtype);
	}
	if (model->compute != NULL)
	{
		check_compute(model->compute);
		run_compute_from_name(model->compute, &precision.compute);
	}
	/* What a GGUF file keeps in blocks is known when it has been read; stored files may be one. */
	if (precision.dtype == 0 &&
		(model->stored || (model->path != NULL && ckpt_is_gguf_name(model->path))))
		return precision;
	context = border_begin(NULL);
	run_check_precision(context, precision);
	border_end(context);
	return precision;
}

void
server_check_options(const server_model *model)
{
	if (!model->stored)
		check_path(model->path);
	(void) server_precision(model);
}

static void
check_option(DefElem *definition, Oid catalog)
{
	bool of_server = catalog == ForeignServerRelationId;

	for (size_t i = 0; of_server && i < lengthof(options); i++)
		if (strcmp(definition->defname, options[i].name) == 0)
		{
			options[i].check(defGetString(definition));
			return;
		}
	ereport(ERROR, errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			errmsg("invalid option \"%s\"", definition->defname),
			of_server ? errhint("Valid options are: path, stored, dtype, compute, content.")
					  : errhint("There are no valid options in this context."));
}

static const char *
find_option(List *definitions, const char *name)
{
	ListCell *cell;

	foreach (cell, definitions)
	{
		DefElem *definition = lfirst_node(DefElem, cell);

		if (strcmp(definition->defname, name) == 0)
			return defGetString(definition);
	}
	return NULL;
}

static void
read_options(List *definitions, server_model *model)
{
	model->path = find_option(definitions, "path");
	model->stored = find_option(definitions, "stored") != NULL;
	model->dtype = find_option(definitions, "dtype");
	model->compute = find_option(definitions, "compute");
	model->content = find_option(definitions, "content");
}

/* A model is in one place, and stored files are found by their content. */
static void
check_place(const server_model *model)
{
	if (model->path == NULL && !model->stored)
		ereport(ERROR, errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				errmsg("option \"path\" is required for a model"));
	if (model->path != NULL && model->stored)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("options \"path\" and \"stored\" exclude each other"));
	if (model->stored && model->content == NULL)
		ereport(ERROR, errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				errmsg("option \"content\" is required for a model that is stored"),
				errhint("Import a model with tfm_import_model."));
	if (model->stored)
		stored_lock(model->content);
}

Datum
tfm_fdw_validator(PG_FUNCTION_ARGS)
{
	List *definitions = untransformRelOptions(PG_GETARG_DATUM(0));
	server_model model;
	Oid catalog = PG_GETARG_OID(1);
	ListCell *cell;

	if (catalog == ForeignTableRelationId)
		refuse_table(NULL, NULL, InvalidOid);
	foreach (cell, definitions)
		check_option(lfirst_node(DefElem, cell), catalog);
	if (catalog != ForeignServerRelationId)
		PG_RETURN_VOID();
	read_options(definitions, &model);
	check_place(&model);
	(void) server_precision(&model);
	if (!model.stored)
		server_check_files("set the path of a model");
	else if (tfm_backend.importing == NULL || strcmp(tfm_backend.importing, model.content) != 0)
		server_check_files("make a model of stored files");
	PG_RETURN_VOID();
}

/* ---- Finding a server ---- */

bool
server_find_oid(Oid server, server_model *model)
{
	ForeignServer *found = GetForeignServerExtended(server, FSV_MISSING_OK);
	Oid wrapper = get_foreign_data_wrapper_oid(SERVER_WRAPPER, true);

	if (found == NULL || !OidIsValid(wrapper) || found->fdwid != wrapper)
		return false;
	model->server = server;
	model->name = found->servername;
	read_options(found->options, model);
	return model->path != NULL || model->stored;
}

bool
server_find(const char *name, server_model *model)
{
	Oid server = get_foreign_server_oid(name, true);

	return OidIsValid(server) && server_find_oid(server, model);
}

/* ---- Privileges ---- */

bool
server_is_usable(Oid server)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ForeignServerRelationId, server, GetUserId(), ACL_USAGE) == ACLCHECK_OK;
#else
	return pg_foreign_server_aclcheck(server, GetUserId(), ACL_USAGE) == ACLCHECK_OK;
#endif
}

void
server_check_creation(void)
{
	Oid wrapper = get_foreign_data_wrapper_oid(SERVER_WRAPPER, false);
#if PG_VERSION_NUM >= 160000
	AclResult result =
		object_aclcheck(ForeignDataWrapperRelationId, wrapper, GetUserId(), ACL_USAGE);
#else
	AclResult result = pg_foreign_data_wrapper_aclcheck(wrapper, GetUserId(), ACL_USAGE);
#endif

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FDW, SERVER_WRAPPER);
}

static bool
is_owner(Oid server)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(ForeignServerRelationId, server, GetUserId());
#else
	return pg_foreign_server_ownercheck(server, GetUserId());
#endif
}

void
server_check_usage(const server_model *model)
{
	if (!server_is_usable(model->server))
		ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied for model \"%s\"", model->name),
				errhint("Its owner can GRANT USAGE ON FOREIGN SERVER %s.",
						quote_identifier(model->name)));
}

void
server_check_owner(const server_model *model)
{
	if (!is_owner(model->server))
		ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("must be owner of model \"%s\"", model->name));
}

void
server_check_files(const char *what)
{
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied to %s", what),
				errdetail("Only roles with privileges of the \"%s\" role may %s.",
						  "pg_read_server_files", what));
}

/* ---- All servers ---- */

/* Call visit for each server of our wrapper. */
static void
visit_servers(void (*visit)(const char *name, List *definitions, void *argument, Oid server),
			  void *argument)
{
	Oid wrapper = get_foreign_data_wrapper_oid(SERVER_WRAPPER, true);
	Relation relation = table_open(ForeignServerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_foreign_server form = (Form_pg_foreign_server) GETSTRUCT(tuple);
		bool is_null;
		Datum datum;

		if (form->srvfdw != wrapper)
			continue;
		datum = heap_getattr(tuple, Anum_pg_foreign_server_srvoptions, RelationGetDescr(relation),
							 &is_null);
		visit(NameStr(form->srvname), is_null ? NIL : untransformRelOptions(datum), argument,
			  form->oid);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
}

static void
add_image(const char *name, List *definitions, void *argument, Oid server)
{
	List **images = argument;
	server_model model;

	read_options(definitions, &model);
	if (model.content != NULL)
		*images = lappend(*images, images_name(model.content, server_precision(&model).dtype));
}

List *
server_pinned_images(void)
{
	List *images = NIL;

	visit_servers(add_image, &images);
	return images;
}

typedef struct pointing
{
	const char *content;
	bool found;
} pointing;

static void
note_pointing(const char *name, List *definitions, void *argument, Oid server)
{
	pointing *p = argument;
	server_model model;

	read_options(definitions, &model);
	if (model.stored && model.content != NULL && strcmp(model.content, p->content) == 0)
		p->found = true;
}

bool
server_points_to(const char *content)
{
	pointing p = {.content = content};

	visit_servers(note_pointing, &p);
	return p.found;
}

/* What an option list said stays in the catalog until vacuum, and no vacuum passes by this transaction. */
List *
server_former_contents(Oid server)
{
	Relation relation = table_open(ForeignServerRelationId, AccessShareLock);
	List *contents = NIL;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_foreign_server_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(server));
	scan = systable_beginscan(relation, ForeignServerOidIndexId, true, SnapshotAny, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		server_model model;
		bool is_null;
		Datum datum = heap_getattr(tuple, Anum_pg_foreign_server_srvoptions,
								   RelationGetDescr(relation), &is_null);

		read_options(is_null ? NIL : untransformRelOptions(datum), &model);
		if (model.stored && model.content != NULL)
			contents = lappend(contents, pstrdup(model.content));
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return contents;
}

typedef struct near_names
{
	const char *wanted;
	StringInfoData names; /* quoted, separated by commas */
	int count;
} near_names;

static void
add_near_name(const char *name, List *definitions, void *argument, Oid server)
{
	near_names *near = argument;
	int length = (int) strlen(near->wanted);
	int distance;

	if (near->count == NEAR_NAMES || !server_is_usable(server))
		return;
	distance = varstr_levenshtein_less_equal(near->wanted, length, name, (int) strlen(name), 1, 1,
											 1, NEAR_DISTANCE, true);
	if (distance > NEAR_DISTANCE || distance > length / 2)
		return;
	appendStringInfo(&near->names, near->count++ > 0 ? ", \"%s\"" : "\"%s\"", name);
}

void
server_throw_unknown(const char *name)
{
	near_names near = {.wanted = name};

	initStringInfo(&near.names);
	if (strlen(name) < NAMEDATALEN)
		visit_servers(add_near_name, &near);
	ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("model \"%s\" does not exist", name),
			near.count > 0
				? errhint("Models of similar names: %s.", near.names.data)
				: errhint("Register a checkpoint with tfm_load_model, or put it under a directory "
						  "of tfm.model_path."));
	pg_unreachable();
}
