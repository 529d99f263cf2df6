/*
 * stored_import.c
 *	  tfm_import_model: a checkpoint from files, bytea values or large objects goes into the tables.
 *
 * The sources are read twice: for the content, under which the files are stored if they are not yet,
 * and to store them.  Then the image is compiled from what is stored, and the server made.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "libpq/libpq-fs.h"
#include "miscadmin.h"
#include "storage/large_object.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"

#include "base/file.h"
#include "base/sha256.h"
#include "checkpoint/fingerprint.h"
#include "pg/backend.h"
#include "pg/border.h"
#include "pg/images.h"
#include "pg/locate.h"
#include "pg/locks.h"
#include "pg/models.h"
#include "pg/server.h"
#include "pg/stat.h"
#include "pg/stored.h"

PG_FUNCTION_INFO_V1(tfm_import_model_path);
PG_FUNCTION_INFO_V1(tfm_import_model_bytes);
PG_FUNCTION_INFO_V1(tfm_import_model_objects);

#define MAX_FILES 10000

/* A file of a checkpoint, wherever it is. */
typedef struct source_file
{
	const char *name; /* in UTF-8 */
	int64 size;
	const char *path; /* on the server */
	Datum value;	  /* bytea, or OID of a large object */
} source_file;

typedef struct source
{
	tfm_context *context;
	const char *path; /* of the checkpoint; NULL: the files are not on the server */
	char signature[CKPT_HEX_LENGTH + 1]; /* of that */
	source_file *files;					 /* by bytes of their names */
	int count;
	/* Copy length bytes at offset, which are there; errors are thrown or in the context. */
	void (*read)(struct source *s, const source_file *f, int64 offset, char *bytes, size_t length);
	char *chunk;		   /* [STORED_CHUNK] */
	file *open;			   /* the file being read */
	const source_file *of; /* what open is of */
} source;

/* ---- Files on the server ---- */

static void
read_path(source *s, const source_file *f, int64 offset, char *bytes, size_t length)
{
	if (s->of != f)
		s->open = file_open(s->context, f->path);
	s->of = f;
	if (s->open != NULL)
		file_read_at(s->context, s->open, (size_t) offset, bytes, length);
}

static void
list_path(source *s, const char *path)
{
	ckpt_files listed = {0};

	/* A link must not bring a file into the tables that is none of the checkpoint's. */
	if (ckpt_check_path(s->context, path) && ckpt_confine(s->context, path) &&
		ckpt_signature(s->context, path, s->signature))
		ckpt_list_files(s->context, path, &listed);
	border_check(s->context);
	s->files = palloc0(Max(listed.count, 1) * sizeof(source_file));
	s->count = (int) listed.count;
	for (int i = 0; i < s->count; i++)
	{
		s->files[i].name = listed.items[i].name;
		s->files[i].path = listed.items[i].path;
		s->files[i].size = (int64) listed.items[i].status.st_size;
	}
	s->read = read_path;
	s->path = path;
}

/* ---- Values and large objects ---- */

static void
read_bytes(source *s, const source_file *f, int64 offset, char *bytes, size_t length)
{
	memcpy(bytes, VARDATA_ANY(DatumGetPointer(f->value)) + offset, length);
}

static int64
size_of_bytes(Datum value)
{
	return (int64) VARSIZE_ANY_EXHDR(DatumGetPointer(value));
}

/* PostgreSQL's own functions check privileges, and close the object if something is thrown. */
static void
read_object(source *s, const source_file *f, int64 offset, char *bytes, size_t length)
{
	bytea *piece = DatumGetByteaPP(DirectFunctionCall3(
		be_lo_get_fragment, f->value, Int64GetDatum(offset), Int32GetDatum((int32) length)));

	if (VARSIZE_ANY_EXHDR(piece) != length)
		ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("large object %u has become shorter", DatumGetObjectId(f->value)));
	memcpy(bytes, VARDATA_ANY(piece), length);
	pfree(piece);
}

static int64
size_of_object(Datum value)
{
	Datum descriptor = DirectFunctionCall2(be_lo_open, value, Int32GetDatum(INV_READ));
	Datum size =
		DirectFunctionCall3(be_lo_lseek64, descriptor, Int64GetDatum(0), Int32GetDatum(SEEK_END));

	DirectFunctionCall1(be_lo_close, descriptor);
	return DatumGetInt64(size);
}

static Datum *
array_elements(ArrayType *array, Oid type, int *count)
{
	Datum *elements;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				errmsg("files of a model must be given in one-dimensional arrays"));
	if (array_contains_nulls(array))
		ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("files of a model must not be NULL"));
	deconstruct_array(array, type, type == OIDOID ? (int) sizeof(Oid) : -1, type == OIDOID,
					  TYPALIGN_INT, &elements, NULL, count);
	return elements;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const source_file *) a)->name, ((const source_file *) b)->name);
}

static void
check_names(const source *s)
{
	for (int i = 0; i < s->count; i++)
	{
		const char *shown = border_message(s->files[i].name);

		if (!ckpt_is_relative_name(s->files[i].name))
			ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("\"%s\" is not the name of a file of a checkpoint", shown),
					errdetail("Names are those in the checkpoint's directory, such as config.json, "
							  "model.safetensors, tokenizer.json, 1_Pooling/config.json, or of "
							  "GGUF files."));
		if (i > 0 && strcmp(s->files[i - 1].name, s->files[i].name) == 0)
			ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("file \"%s\" is given more than once", shown));
	}
}

/* Files by their names and what holds their contents. */
static void
list_values(source *s, ArrayType *names, ArrayType *values, Oid type, int64 (*size)(Datum value))
{
	int count, value_count;
	Datum *name = array_elements(names, TEXTOID, &count);
	Datum *value = array_elements(values, type, &value_count);

	if (count != value_count)
		ereport(ERROR, errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				errmsg("there are %d names of files and %d contents", count, value_count));
	if (count > MAX_FILES)
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("a model has at most %d files", MAX_FILES));
	s->files = palloc0(Max(count, 1) * sizeof(source_file));
	s->count = count;
	for (int i = 0; i < count; i++)
	{
		const char *own = TextDatumGetCString(name[i]);

		s->files[i].name = border_string(s->context, own, strlen(own)).data;
		s->files[i].value = value[i];
		s->files[i].size = size(value[i]);
	}
	qsort(s->files, count, sizeof(source_file), compare_names);
	check_names(s);
}

/* ---- Storing ---- */

/* A pass over the files. */
typedef struct pass
{
	source *source;
	sha256 *all;		   /* as ckpt_fingerprint hashes them */
	stored_writer *writer; /* NULL: only hash them */
} pass;

static void
pass_chunks(pass *p, int number, sha256 *own)
{
	source *s = p->source;
	const source_file *f = &s->files[number];

	for (int64 offset = 0; offset < f->size; offset += STORED_CHUNK)
	{
		size_t length = (size_t) Min(f->size - offset, STORED_CHUNK);

		if (!tfm_stopped(s->context))
			s->read(s, f, offset, s->chunk, length);
		border_check(s->context);
		s->context->progress.done += (int64_t) length;
		sha256_update(s->context, p->all, s->chunk, length);
		if (p->writer == NULL)
			continue;
		sha256_update(s->context, own, s->chunk, length);
		stored_write_chunk(p->writer, number, offset / STORED_CHUNK, s->chunk, length);
	}
}

static void
pass_file(pass *p, int number)
{
	source *s = p->source;
	const source_file *f = &s->files[number];
	arena_mark mark = arena_save(s->context->arena);
	sha256 *own = sha256_create(s->context);
	image_content hex;
	stored_file row = {
		.name = border_to_cstring(f->name, strlen(f->name)), .size = f->size, .sha256 = hex};

	ckpt_hash_heading(s->context, p->all, f->name, (uint64) f->size);
	border_check(s->context);
	pass_chunks(p, number, own);
	sha256_finish(s->context, own, hex);
	border_check(s->context);
	if (p->writer != NULL)
		stored_write_file(p->writer, number, &row);
	arena_restore(s->context->arena, mark);
	s->open = NULL;
	s->of = NULL;
}

/* Hash all files, and store them where there is a writer. */
static void
pass_files(source *s, stored_writer *writer, image_content content)
{
	pass p = {.source = s, .all = sha256_create(s->context), .writer = writer};

	border_check(s->context);
	for (int i = 0; i < s->count; i++)
		pass_file(&p, i);
	sha256_finish(s->context, p.all, content);
	border_check(s->context);
}

static void
throw_changed(void)
{
	ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("the checkpoint changed while it was read"));
}

/* Whether files on the server are still those that were listed. */
static void
check_unchanged(source *s)
{
	char signature[CKPT_HEX_LENGTH + 1];

	if (s->path == NULL)
		return;
	ckpt_signature(s->context, s->path, signature);
	border_check(s->context);
	if (strcmp(signature, s->signature) != 0)
		throw_changed();
}

/* Store the files, unless they are; their content, palloc'ed. */
static char *
store_source(source *s)
{
	char *content = palloc(sizeof(image_content));
	image_content again;
	stored_writer *writer;

	if (s->count == 0)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_FILE), errmsg("there are no files of a model"));
	s->chunk = palloc(STORED_CHUNK);
	pass_files(s, NULL, content);
	check_unchanged(s);
	stored_lock(content);
	if (stored_exists(content))
		return content;
	writer = stored_create(content);
	pass_files(s, writer, again);
	stored_finish(writer);
	if (strcmp(content, again) != 0)
		throw_changed();
	return content;
}

/* ---- The functions ---- */

/* Keep others from importing a model of that name until the end of the transaction. */
static void
lock_name(const char *name)
{
	uint32 hash = hash_bytes((const unsigned char *) name, (int) strlen(name));
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, hash, LOCK_MODEL_NAME);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	AcceptInvalidationMessages();
}

/* What may be said before any file is read; whether the model replaces one. */
static bool
begin_import(FunctionCallInfo fcinfo, int first_option, server_model *model, server_model *old)
{
	bool replaced;

	PreventCommandIfReadOnly("tfm_import_model()");
	PreventCommandIfParallelMode("tfm_import_model()");
	*model = (server_model) {
		.name = text_to_cstring(PG_GETARG_TEXT_PP(0)),
		.dtype = models_precision_argument(PG_GETARG_TEXT_PP(first_option)),
		.compute = models_precision_argument(PG_GETARG_TEXT_PP(first_option + 1)),
		.stored = true,
	};
	server_check_options(model);
	lock_name(model->name);
	replaced = models_find_replaced(model->name, PG_GETARG_BOOL(first_option + 2), old);
	if (!replaced)
		server_check_creation();
	return replaced;
}

/* Make the server as the user, who may do so with files that he has given, whatever his roles. */
static void
register_import(const server_model *old, const server_model *model)
{
	tfm_backend.importing = model->content;
	PG_TRY();
	{
		models_register(old, model);
	}
	PG_FINALLY();
	{
		tfm_backend.importing = NULL;
	}
	PG_END_TRY();
}

/* Store, compile, register. */
static Datum
import_source(source *s, server_model *model, const server_model *old)
{
	stat_work work;

	stat_set_model(model->name, true);
	work = stat_begin_image(s->context, STAT_READING);
	/* Two passes, if they are not stored yet. */
	for (int i = 0; i < s->count; i++)
		s->context->progress.total += 2 * s->files[i].size;
	model->content = store_source(s);
	stat_end_image(s->context, &work, "import", 0);
	border_end(s->context);
	models_prepare(model, NULL);
	register_import(old, model);
	return PointerGetDatum(cstring_to_text(model->name));
}

/* tfm_import_model(name text, path text, dtype text, compute text, replace boolean) returns text */
Datum
tfm_import_model_path(PG_FUNCTION_ARGS)
{
	const char *path = text_to_cstring(PG_GETARG_TEXT_PP(1));
	server_model model, old;
	source s = {0};
	const char *checkpoint;
	bool replaced;

	server_check_files("import a model");
	replaced = begin_import(fcinfo, 2, &model, &old);
	checkpoint = models_locate(path);
	s.context = border_begin(model.name);
	list_path(&s, checkpoint);
	PG_RETURN_DATUM(import_source(&s, &model, replaced ? &old : NULL));
}

static Datum
import_values(FunctionCallInfo fcinfo, source *s, Oid type, int64 (*size)(Datum value))
{
	server_model model, old;
	bool replaced = begin_import(fcinfo, 3, &model, &old);

	s->context = border_begin(model.name);
	list_values(s, PG_GETARG_ARRAYTYPE_P(1), PG_GETARG_ARRAYTYPE_P(2), type, size);
	return import_source(s, &model, replaced ? &old : NULL);
}

/*
 * tfm_import_model(name text, files text[], contents bytea[], dtype text, compute text,
 * replace boolean) returns text
 */
Datum
tfm_import_model_bytes(PG_FUNCTION_ARGS)
{
	source s = {.read = read_bytes};

	return import_values(fcinfo, &s, BYTEAOID, size_of_bytes);
}

/*
 * tfm_import_model(name text, files text[], large_objects oid[], dtype text, compute text,
 * replace boolean) returns text
 */
Datum
tfm_import_model_objects(PG_FUNCTION_ARGS)
{
	source s = {.read = read_object};

	return import_values(fcinfo, &s, OIDOID, size_of_object);
}
