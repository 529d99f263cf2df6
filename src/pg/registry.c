/*
 * registry.c
 *	  From the name of a model to the model, opened in this backend.
 *
 * Three things are kept.  An open model is a mapped image, found by its content and precision,
 * whatever the names that lead to it.  A binding says what a name means to a user; it holds for one statement, and no
 * longer than until a server or a setting changes.  A handle is a caller's hold on an open model:
 * only models that no handle holds are closed.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "pg/backend.h"
#include "pg/border.h"
#include "pg/images.h"
#include "pg/locate.h"
#include "pg/registry.h"
#include "pg/server.h"
#include "pg/settings.h"
#include "pg/stat.h"
#include "pg/stored.h"
#include "task/generate.h"

/* Models that nobody holds are closed when this many are open. */
#define MODELS_KEPT 16

typedef struct open_model
{
	struct open_model *next;
	image_content content;
	run_precision precision;
	run_model *model;
	arena *arena; /* what the model lives in */
	int holds;	  /* handles that hold it */
	struct open_generator *generators;
} open_model;

/* What generates with an open model, for one type of cache. */
typedef struct open_generator
{
	struct open_generator *next;
	tfm_dtype cache_type;
	generator *generator;
	arena *arena; /* what it lives in */
} open_generator;

typedef struct binding
{
	struct binding *next;
	Oid user;
	open_model *model;
	bool registered;
	char name[FLEXIBLE_ARRAY_MEMBER];
} binding;

struct registry_private
{
	registry_handle handle;
	MemoryContext owner;
	MemoryContextCallback callback;
	open_model *held; /* NULL: nothing */
	Oid user;
	TimestampTz statement;
	uint64 generation;
};

/* ---- Open models ---- */

static void
forget_bindings(void)
{
	MemoryContextReset(tfm_backend.bindings_memory);
	tfm_backend.bindings = NULL;
}

static void
close_generators(open_model *m)
{
	while (m->generators != NULL)
	{
		open_generator *g = m->generators;

		m->generators = g->next;
		arena_destroy(g->arena);
		pfree(g);
	}
}

/* Close the models that no handle holds. */
static void
close_idle_models(void)
{
	open_model **link = &tfm_backend.models;

	forget_bindings();
	while (*link != NULL)
	{
		open_model *m = *link;

		if (m->holds > 0)
		{
			link = &m->next;
			continue;
		}
		*link = m->next;
		elog(DEBUG1, "closed the model of content %s", m->content);
		close_generators(m);
		arena_destroy(m->arena);
		pfree(m);
	}
}

static open_model *
find_open_model(const char *content, run_precision precision)
{
	for (open_model *m = tfm_backend.models; m != NULL; m = m->next)
		if (m->precision.dtype == precision.dtype && m->precision.compute == precision.compute &&
			strcmp(m->content, content) == 0)
			return m;
	return NULL;
}

int
registry_count_open(void)
{
	int count = 0;

	for (open_model *m = tfm_backend.models; m != NULL; m = m->next)
		count++;
	return count;
}

/* Open the image of content in an arena of its own; NULL with the error in context. */
static open_model *
open_image(tfm_context *context, const char *content, run_precision precision)
{
	arena *scratch = context->arena;
	open_model *m;

	if (registry_count_open() >= MODELS_KEPT)
		close_idle_models();
	m = MemoryContextAllocZero(tfm_backend.registry, sizeof(open_model));
	strlcpy(m->content, content, sizeof(m->content));
	m->precision = precision;
	m->arena = context->arena = arena_create(0);
	if (m->arena != NULL)
		m->model = images_open(context, content, precision);
	else
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	context->arena = scratch;
	if (m->model == NULL)
	{
		arena_destroy(m->arena);
		pfree(m);
		return NULL;
	}
	m->next = tfm_backend.models;
	tfm_backend.models = m;
	return m;
}

/*
 * The open model of content; if compile is set, its image is made from the checkpoint in directory
 * (NULL: that stored in the database) if it is not there.  NULL with the error in context.
 */
static open_model *
open_content(tfm_context *context, const char *directory, const char *content,
			 run_precision precision, bool compile)
{
	open_model *m = find_open_model(content, precision);

	if (m == NULL)
		m = open_image(context, content, precision);
	if (m != NULL || !compile || context->error.kind != TFM_FILE_NOT_FOUND)
		return m;
	tfm_clear_error(context);
	if (!images_make(context, directory, content, precision.dtype))
		return NULL;
	return open_image(context, content, precision);
}

/* ---- What a name means ---- */

/* A server has changed: its name may now mean another checkpoint, or nothing. */
static void
note_server_change(Datum argument, int cache, uint32 hash)
{
	tfm_backend.generation++;
}

static void
initialize(void)
{
	if (tfm_backend.registry != NULL)
		return;
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, note_server_change, (Datum) 0);
	tfm_backend.bindings_memory =
		AllocSetContextCreate(TopMemoryContext, "tfm names of models", ALLOCSET_SMALL_SIZES);
	tfm_backend.registry =
		AllocSetContextCreate(TopMemoryContext, "tfm models", ALLOCSET_SMALL_SIZES);
}

/* Whether the files are out of reach, so that the image stands for them. */
static bool
is_out_of_reach(tfm_error_kind kind)
{
	return kind == TFM_FILE_NOT_FOUND || kind == TFM_PERMISSION_DENIED;
}

/* A string of the database for the engine's messages. */
static const char *
utf8(tfm_context *context, const char *string)
{
	return border_string(context, string, strlen(string)).data;
}

static bool
fail_unpinned(tfm_context *context, const server_model *server)
{
	const char *name = utf8(context, server->name);

	tfm_fail(context, TFM_CHANGED, "model \"%s\" is not pinned to a checkpoint", name);
	return tfm_hint(context, "Pin it with SELECT tfm_refresh_model(%s).", quote_literal_cstr(name));
}

static bool
has_image(const server_model *server)
{
	return images_exist(server->content, server_precision(server).dtype);
}

/* Whether the checkpoint of a server, if there, is the one that was registered. */
static bool
check_source(tfm_context *context, const server_model *server, const char *directory)
{
	const char *name = utf8(context, server->name);
	image_content content;

	if (!images_fingerprint(context, directory, false, content))
	{
		if (!is_out_of_reach(context->error.kind) || !has_image(server))
			return false;
		tfm_clear_error(context);
		return true;
	}
	if (strcmp(content, server->content) == 0)
		return true;
	tfm_fail(context, TFM_CHANGED, "the checkpoint of model \"%s\" has changed", name);
	tfm_detail(context, "Registered content is %s, that of \"%s\" is %s.", server->content,
			   directory, content);
	return tfm_hint(context, "Accept the new one with SELECT tfm_refresh_model(%s).",
					quote_literal_cstr(name));
}

/* The model of a server; its image is made if compile says so. */
static open_model *
open_server(tfm_context *context, const server_model *server, bool compile)
{
	const char *directory = server->stored ? NULL : locate_checkpoint(server->path);

	if (server->content == NULL)
	{
		fail_unpinned(context, server);
		return NULL;
	}
	if (directory == NULL && !server->stored && !has_image(server))
	{
		tfm_fail(context, TFM_FILE_NOT_FOUND, "checkpoint \"%s\" is not under tfm.model_path",
				 server->path);
		return NULL;
	}
	if (directory != NULL && !check_source(context, server, directory))
		return NULL;
	return open_content(context, directory, server->content, server_precision(server),
						compile && (directory != NULL || server->stored));
}

/* The directory of a name that is no server; throws if it is none at all. */
static const char *
locate_unregistered(const char *name)
{
	const char *directory = NULL;

	if (locate_is_absolute(name))
		server_check_files("use a directory as a model");
	if (strlen(name) < MAXPGPATH)
		directory = locate_checkpoint(name);
	if (directory == NULL)
		server_throw_unknown(name);
	return directory;
}

static open_model *
open_directory(tfm_context *context, const char *directory)
{
	image_content content;

	if (!images_fingerprint(context, directory, false, content))
		return NULL;
	return open_content(context, directory, content, (run_precision) {0}, true);
}

/* The model of a name, with all checks; whether the name is a server's. */
static open_model *
open_name(const char *name, bool *is_server)
{
	server_model server;
	bool registered = server_find(name, &server);
	const char *directory = NULL;
	tfm_context *context;
	open_model *m;

	if (registered)
		server_check_usage(&server);
	else
		directory = locate_unregistered(name);
	*is_server = registered;
	stat_set_model(name, registered);
	context = border_begin(name);
	m = registered ? open_server(context, &server, true) : open_directory(context, directory);
	border_end(context);
	return m;
}

/* Forget bindings of an earlier statement, and all idle models where a server has changed. */
static void
refresh_bindings(void)
{
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	initialize();
	if (tfm_backend.bindings_generation != tfm_backend.generation)
		close_idle_models();
	else if (tfm_backend.statement != statement)
		forget_bindings();
	tfm_backend.bindings_generation = tfm_backend.generation;
	tfm_backend.statement = statement;
}

static const binding *
bind_name(const char *name)
{
	bool registered;
	open_model *m;
	binding *b;

	refresh_bindings();
	for (b = tfm_backend.bindings; b != NULL; b = b->next)
		if (b->user == GetUserId() && strcmp(b->name, name) == 0)
			return b;
	m = open_name(name, &registered);
	b = MemoryContextAlloc(tfm_backend.bindings_memory, offsetof(binding, name) + strlen(name) + 1);
	b->user = GetUserId();
	b->model = m;
	b->registered = registered;
	strcpy(b->name, name);
	b->next = tfm_backend.bindings;
	tfm_backend.bindings = b;
	return b;
}

/* ---- Handles ---- */

static void
release_hold(void *argument)
{
	struct registry_private *p = argument;

	if (p->held != NULL)
		p->held->holds--;
	p->held = NULL;
}

static registry_handle *
create_handle(MemoryContext owner)
{
	struct registry_private *p = MemoryContextAllocZero(owner, sizeof(*p));

	p->handle.private = p;
	p->owner = owner;
	p->callback = (MemoryContextCallback) {.func = release_hold, .arg = p};
	MemoryContextRegisterResetCallback(owner, &p->callback);
	return &p->handle;
}

static bool
is_current(const struct registry_private *p, const char *name, size_t length)
{
	return p->held != NULL && p->generation == tfm_backend.generation &&
		   p->statement == GetCurrentStatementStartTimestamp() && p->user == GetUserId() &&
		   strncmp(p->handle.name, name, length) == 0 && p->handle.name[length] == '\0';
}

/* Make a handle hold the model of a name. */
static void
hold_name(struct registry_private *p, char *name)
{
	const binding *b = bind_name(name);
	open_model *m = b->model;

	m->holds++;
	release_hold(p);
	p->held = m;
	p->handle.model = m->model;
	p->handle.registered = b->registered;
	if (p->handle.name != NULL)
		pfree(unconstify(char *, p->handle.name));
	p->handle.name = MemoryContextStrdup(p->owner, name);
	p->user = GetUserId();
	p->statement = tfm_backend.statement;
	p->generation = tfm_backend.bindings_generation;
}

const registry_handle *
registry_get(registry_handle **handle, MemoryContext owner, const text *model, const char *setting)
{
	const char *name = model != NULL ? VARDATA_ANY(model) : settings_default_model(setting);
	size_t length = model != NULL ? VARSIZE_ANY_EXHDR(model) : strlen(name);

	if (*handle == NULL)
		*handle = create_handle(owner);
	if (!is_current((*handle)->private, name, length))
		hold_name((*handle)->private, pnstrdup(name, length));
	return *handle;
}

const registry_handle *
registry_use(FunctionCallInfo fcinfo, const text *model, const char *setting)
{
	registry_handle *fresh = NULL;

	if (fcinfo->flinfo == NULL)
		return registry_get(&fresh, CurrentMemoryContext, model, setting);
	return registry_get((registry_handle **) &fcinfo->flinfo->fn_extra, fcinfo->flinfo->fn_mcxt,
						model, setting);
}

/* ---- Generation ---- */

static open_generator *
find_generator(const open_model *m, tfm_dtype cache_type)
{
	open_generator *g = m->generators;

	while (g != NULL && g->cache_type != cache_type)
		g = g->next;
	return g;
}

static open_generator *
open_new_generator(tfm_context *context, open_model *m, const run_session_options *options)
{
	arena *scratch = context->arena;
	open_generator *g = MemoryContextAllocZero(tfm_backend.registry, sizeof(open_generator));

	g->cache_type = options->cache_dtype;
	g->arena = context->arena = arena_create(0);
	if (g->arena != NULL)
		g->generator = task_generator_create(context, m->model, options);
	else
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	context->arena = scratch;
	if (g->generator == NULL)
	{
		arena_destroy(g->arena);
		pfree(g);
		return NULL;
	}
	g->next = m->generators;
	m->generators = g;
	return g;
}

generator *
registry_generator(tfm_context *context, const registry_handle *handle)
{
	open_model *m = handle->private->held;
	run_session_options options = {
		.cache_dtype = (tfm_dtype) tfm_backend.cache_type,
		.cache_limit = settings_max_memory(),
		.keep_limit = settings_prefix_cache(),
	};
	open_generator *g = find_generator(m, options.cache_dtype);

	if (g == NULL)
		g = open_new_generator(context, m, &options);
	else
		task_generator_set_limits(g->generator, &options);
	return g == NULL ? NULL : g->generator;
}

/* ---- For workers ---- */

const char *
registry_image(const registry_handle *handle, tfm_compute *compute)
{
	const open_model *m = handle->private->held;

	*compute = m->precision.compute;
	return images_path(m->content, m->precision.dtype);
}

/* ---- For those who manage models ---- */

int64
registry_known_parameters(const char *name)
{
	for (const binding *b = tfm_backend.bindings; b != NULL; b = b->next)
		if (b->user == GetUserId() && strcmp(b->name, name) == 0)
			return run_model_describe(b->model->model)->parameters;
	return 0;
}

const run_model *
registry_prepare(tfm_context *context, const char *directory, const char *content,
				 run_precision precision)
{
	open_model *m;

	refresh_bindings();
	m = open_content(context, directory, content, precision, true);
	return m != NULL ? m->model : NULL;
}

const run_model_info *
registry_inspect(tfm_context *context, const server_model *server, const char **state)
{
	open_model *m;

	refresh_bindings();
	if (server->content == NULL)
	{
		*state = "not pinned";
		fail_unpinned(context, server);
		return NULL;
	}
	*state = "not compiled";
	if (!has_image(server))
	{
		if (server->stored && !stored_exists(server->content))
		{
			*state = "error";
			tfm_fail(context, TFM_FILE_NOT_FOUND, "the files of the model are not in the database");
		}
		return NULL;
	}
	*state = "ready";
	m = open_server(context, server, false);
	if (m == NULL)
		*state = context->error.kind == TFM_CHANGED ? "changed" : "error";
	return m != NULL ? run_model_describe(m->model) : NULL;
}
