/*
 * border.c
 *	  The border between PostgreSQL and the engine: contexts, errors, interrupts, text.
 *
 * A call is a memory context with one border_call in it.  All calls of a backend share one scratch
 * arena: each remembers where it stood and rolls it back at its end, so that a query over many rows
 * allocates nothing after its first.  A call ends by border_end or by the end of its memory
 * context, whichever comes first, and ends the calls nested in it that an error has left open.
 *
 * PostgreSQL never jumps out of the engine's frames: what an interrupt throws while the engine runs
 * is caught, the engine is told to stop, and border_check throws it again.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <malloc.h>

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "base/threads.h"
#include "base/utf8.h"
#include "pg/backend.h"
#include "pg/border.h"
#include "pg/settings.h"
#include "pg/stat.h"

/*
 * Scratch memory that a backend keeps between calls: what a batch of an encoder of 384 columns takes
 * and, beside it, a text that is tokenized.  Little beside the weights that sessions share, even when
 * there are a hundred of them.
 */
#define SCRATCH_RESERVED ((size_t) 7 * 1024 * 1024)
#define SCRATCH_KEPT ((size_t) 8 * 1024 * 1024)

typedef struct border_call
{
	tfm_context context; /* first, so that the engine's context is the call */
	struct border_call *outer;
	MemoryContext memory; /* the call itself and texts converted for it */
	MemoryContextCallback callback;
	arena_mark mark;   /* where the scratch arena stood */
	bool open;		   /* in tfm_backend.calls */
	ErrorData *caught; /* thrown while the engine ran; in the memory context around the call */
	const char *model; /* for the error's context, or NULL */
} border_call;

/* SQLSTATE of each kind of error. */
static const int sqlstates[] = {
	[TFM_OUT_OF_MEMORY] = ERRCODE_OUT_OF_MEMORY,
	[TFM_CANCELLED] = ERRCODE_QUERY_CANCELED,
	[TFM_INVALID_ARGUMENT] = ERRCODE_INVALID_PARAMETER_VALUE,
	[TFM_UNDEFINED] = ERRCODE_UNDEFINED_OBJECT,
	[TFM_CORRUPTED] = ERRCODE_DATA_CORRUPTED,
	[TFM_UNSUPPORTED] = ERRCODE_FEATURE_NOT_SUPPORTED,
	[TFM_LIMIT_EXCEEDED] = ERRCODE_PROGRAM_LIMIT_EXCEEDED,
	[TFM_FILE_NOT_FOUND] = ERRCODE_UNDEFINED_FILE,
	[TFM_PERMISSION_DENIED] = ERRCODE_INSUFFICIENT_PRIVILEGE,
	[TFM_DISK_FULL] = ERRCODE_DISK_FULL,
	[TFM_IO] = ERRCODE_IO_ERROR,
	[TFM_CHANGED] = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
	[TFM_INTERNAL] = ERRCODE_INTERNAL_ERROR,
};

/* ---- Interrupts and messages, called by the engine ---- */

/* Keep the error being handled for border_check; for PG_CATCH. */
static void
keep_error(border_call *call)
{
	MemoryContextSwitchTo(MemoryContextGetParent(call->memory));
	call->caught = CopyErrorData();
	FlushErrorState();
}

static bool
must_stop(void *argument)
{
	border_call *call = argument;
	MemoryContext caller = CurrentMemoryContext;

	stat_poll(&call->context);
	if (likely(!InterruptPending) || !INTERRUPTS_CAN_BE_PROCESSED())
		return false;
	if (call->caught != NULL || QueryCancelPending || ProcDiePending)
		return true;
	PG_TRY();
	{
		CHECK_FOR_INTERRUPTS();
	}
	PG_CATCH();
	{
		keep_error(call);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	return call->caught != NULL;
}

static void
log_message(void *argument, tfm_log_level level, const char *message)
{
	border_call *call = argument;
	MemoryContext caller = CurrentMemoryContext;

	if (call->caught != NULL)
		return;
	PG_TRY();
	{
		MemoryContextSwitchTo(call->memory);
		ereport(level == TFM_LOG_WARNING ? WARNING : DEBUG1, errmsg("%s", border_message(message)));
	}
	PG_CATCH();
	{
		keep_error(call);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
}

/* ---- Calls ---- */

static void
destroy_pool(int code, Datum argument)
{
	threads_destroy(tfm_backend.pool);
	tfm_backend.pool = NULL;
}

/* The pool of this backend, which serves any number of threads; NULL if memory is out. */
static struct thread_pool *
backend_pool(void)
{
	if (tfm_backend.pool == NULL)
	{
		tfm_backend.pool = threads_create(THREADS_MAX);
		if (tfm_backend.pool != NULL)
			on_proc_exit(destroy_pool, (Datum) 0);
	}
	return tfm_backend.pool;
}

static arena *
scratch_arena(void)
{
	if (tfm_backend.scratch == NULL)
	{
		arena *scratch = arena_create(0);

		/* In one block from the start, nothing is lost at the ends of smaller ones. */
		if (scratch != NULL && !arena_reserve(scratch, SCRATCH_RESERVED))
		{
			arena_destroy(scratch);
			scratch = NULL;
		}
		tfm_backend.scratch = scratch;
	}
	if (tfm_backend.scratch == NULL)
		ereport(ERROR, errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"));
	arena_set_limit(tfm_backend.scratch, settings_max_memory());
	return tfm_backend.scratch;
}

/* Give what a large computation took back to the system. */
static void
trim_scratch(void)
{
	if (arena_held(tfm_backend.scratch) <= SCRATCH_KEPT)
		return;
	arena_trim(tfm_backend.scratch, SCRATCH_KEPT);
#ifdef __GLIBC__
	malloc_trim(0); /* free alone keeps blocks of this size */
#endif
}

/* End a call and those nested in it; does nothing if it has ended. */
static void
close_call(void *argument)
{
	border_call *call = argument;

	while (call->open)
	{
		border_call *inner = tfm_backend.calls;

		inner->open = false;
		tfm_backend.calls = inner->outer;
		arena_restore(tfm_backend.scratch, inner->mark);
	}
	if (tfm_backend.calls == NULL)
	{
		stat_rest();
		trim_scratch();
	}
}

tfm_context *
border_begin(const char *model)
{
	arena *scratch = scratch_arena();
	int threads = settings_threads();
	MemoryContext memory =
		AllocSetContextCreate(CurrentMemoryContext, "tfm call", ALLOCSET_DEFAULT_SIZES);
	border_call *call = MemoryContextAlloc(memory, sizeof(border_call));

	call->context = (tfm_context) {
		.arena = scratch,
		.interrupted = must_stop,
		.interrupted_argument = call,
		.log = log_message,
		.log_argument = call,
		.pool = threads > 1 ? backend_pool() : NULL,
		.threads = threads,
		.isa = tfm_backend.cpu_isa,
	};
	call->memory = memory;
	call->caught = NULL;
	call->model = model != NULL ? MemoryContextStrdup(memory, model) : NULL;
	call->mark = arena_save(scratch);
	call->outer = tfm_backend.calls;
	call->open = true;
	tfm_backend.calls = call;
	call->callback = (MemoryContextCallback) {.func = close_call, .arg = call};
	MemoryContextRegisterResetCallback(memory, &call->callback);
	return &call->context;
}

void
border_abandon(tfm_context *context)
{
	MemoryContextDelete(((border_call *) context)->memory);
}

void
border_close(tfm_context *context)
{
	for (border_call *call = tfm_backend.calls; call != NULL; call = call->outer)
		if (&call->context == context)
		{
			border_abandon(context);
			return;
		}
}

/* Throw what was caught while the engine ran, or what interrupts it now. */
static void
throw_interrupt(border_call *call)
{
	ErrorData *caught = call->caught;

	border_abandon(&call->context);
	if (caught != NULL)
		ReThrowError(caught);
	CHECK_FOR_INTERRUPTS();
	ereport(ERROR, errcode(ERRCODE_QUERY_CANCELED), errmsg("the computation was cancelled"));
}

/* One ereport for an error; the call has ended. */
static void
throw_error(const tfm_error *error, const char *model)
{
	const char *detail = border_message(error->detail);
	const char *hint = border_message(error->hint);

	if (error->kind == TFM_OUT_OF_MEMORY && hint[0] == '\0' && tfm_backend.max_memory > 0)
		hint = "The setting tfm.max_memory limits the memory of a computation.";
	ereport(ERROR, errcode(sqlstates[error->kind]), errmsg("%s", border_message(error->message)),
			detail[0] != '\0' ? errdetail("%s", detail) : 0,
			hint[0] != '\0' ? errhint("%s", hint) : 0,
			model != NULL ? errcontext("model \"%s\"", model) : 0);
}

void
border_check(tfm_context *context)
{
	border_call *call = (border_call *) context;
	tfm_error error;
	char *model;

	if (likely(!tfm_failed(context) && call->caught == NULL))
		return;
	if (call->caught != NULL || context->error.kind == TFM_CANCELLED)
		throw_interrupt(call);
	error = context->error;
	model = call->model != NULL ? pstrdup(call->model) : NULL;
	border_abandon(context);
	throw_error(&error, model);
}

void
border_end(tfm_context *context)
{
	border_check(context);
	border_abandon(context);
}

/* ---- Text ---- */

tfm_text
border_string(tfm_context *context, const char *string, size_t length)
{
	border_call *call = (border_call *) context;
	MemoryContext caller = MemoryContextSwitchTo(call->memory);
	char *utf8 = pg_server_to_any(string, (int) length, PG_UTF8);

	MemoryContextSwitchTo(caller);
	return (tfm_text) {.data = utf8, .length = utf8 == string ? length : strlen(utf8)};
}

tfm_text
border_text(tfm_context *context, const text *value)
{
	return border_string(context, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

tfm_text
border_jsonb(tfm_context *context, Datum value)
{
	Jsonb *document = DatumGetJsonbP(value);
	char *json = JsonbToCString(NULL, &document->root, VARSIZE(document));

	return border_string(context, json, strlen(json));
}

/* Texts of PostgreSQL are limited to 1 GB. */
static int
check_length(size_t length)
{
	if (length > MaxAllocSize - VARHDRSZ - 1)
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("result of %zu bytes is too large for a value", length));
	return (int) length;
}

text *
border_to_text(const char *utf8, size_t length)
{
	char *string = pg_any_to_server(utf8, check_length(length), PG_UTF8);

	return cstring_to_text_with_len(string, string == utf8 ? (int) length : (int) strlen(string));
}

char *
border_to_cstring(const char *utf8, size_t length)
{
	char *string = pg_any_to_server(utf8, check_length(length), PG_UTF8);

	return string == utf8 ? pnstrdup(utf8, length) : string;
}

/* A copy in which every byte that is not UTF-8 (names of files may have any) is a question mark. */
static char *
replace_invalid(const char *utf8)
{
	char *copy = pstrdup(utf8);
	size_t length = strlen(copy);

	for (size_t i = 0, width; i < length; i += width)
	{
		width = (size_t) pg_utf_mblen((unsigned char *) copy + i);
		if (width > length - i || !utf8_valid(copy + i, width))
		{
			copy[i] = '?';
			width = 1;
		}
	}
	return copy;
}

char *
border_message(const char *utf8)
{
	char *source = replace_invalid(utf8);
	int length = (int) strlen(source);
	int encoding = GetDatabaseEncoding();
	Oid procedure;
	char *result, *end;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return source;
	procedure = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(procedure))
		return source;
	result = end = palloc((size_t) length * MAX_CONVERSION_GROWTH + 1);
	*end = '\0';
	while (length > 0)
	{
		int room = length * MAX_CONVERSION_GROWTH + 1;
		int done =
			pg_do_encoding_conversion_buf(procedure, PG_UTF8, encoding, (unsigned char *) source,
										  length, (unsigned char *) end, room, true);

		end += strlen(end);
		source += done;
		length -= done;
		if (length > 0)
		{
			int width = pg_utf_mblen((unsigned char *) source);

			*end++ = '?';
			*end = '\0';
			source += width;
			length -= width;
		}
	}
	return result;
}
