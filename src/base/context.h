/*
 * context.h
 *	  What every entry of the engine is given: where to put an error, where to
 *	  allocate, whether to stop, how many threads to use.
 *
 * An error is a value.  The first one that is recorded in a context stays; all
 * later calls see it with tfm_failed() and return at once, so that code between
 * the cause and the border needs no error handling of its own.  Nothing in the
 * engine calls exit, abort or longjmp.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_CONTEXT_H
#define TFM_BASE_CONTEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define TFM_PRINTF(string, first) __attribute__((format(printf, string, first)))

/* What went wrong; src/pg/border.c maps each kind to one SQLSTATE. */
typedef enum tfm_error_kind
{
	TFM_OK = 0,
	TFM_OUT_OF_MEMORY,	   /* the system, or the context's arena limit, gave no memory */
	TFM_CANCELLED,		   /* the interrupt callback said stop */
	TFM_INVALID_ARGUMENT,  /* an argument of the caller is wrong */
	TFM_UNDEFINED,		   /* a thing named by the caller does not exist */
	TFM_CORRUPTED,		   /* a checkpoint, tokenizer or image is damaged or inconsistent */
	TFM_UNSUPPORTED,	   /* well-formed, but not implemented */
	TFM_LIMIT_EXCEEDED,	   /* larger than this build or the model allows */
	TFM_FILE_NOT_FOUND,	   /* a file or directory is absent */
	TFM_PERMISSION_DENIED, /* the operating system refused access */
	TFM_DISK_FULL,		   /* no space left while writing */
	TFM_IO,				   /* any other failure of the operating system */
	TFM_CHANGED,		   /* a checkpoint is not the one that was registered */
	TFM_INTERNAL		   /* an invariant of the engine does not hold */
} tfm_error_kind;

/* An error; texts are UTF-8, zero-terminated, empty when there is nothing to say. */
typedef struct tfm_error
{
	tfm_error_kind kind;
	char message[1024]; /* PostgreSQL's style: lower case, no full stop, names quoted */
	char detail[1024];
	char hint[512];
} tfm_error;

typedef enum tfm_log_level
{
	TFM_LOG_DEBUG,
	TFM_LOG_INFO,
	TFM_LOG_WARNING
} tfm_log_level;

/* What a call has computed. */
typedef struct tfm_usage
{
	int64_t passes; /* through a model */
	int64_t tokens; /* in them */
	int64_t reused; /* tokens that a cache had already */
	int64_t made;	/* tokens that were generated */
} tfm_usage;

/* How far a long piece of work on files is, in bytes; total is 0 where it is not known. */
typedef struct tfm_progress
{
	int64_t done;
	int64_t total;
} tfm_progress;

/* Add what another call has computed. */
static inline void
tfm_add_usage(tfm_usage *sum, const tfm_usage *usage)
{
	sum->passes += usage->passes;
	sum->tokens += usage->tokens;
	sum->reused += usage->reused;
	sum->made += usage->made;
}

/*
 * The context of a call.  The caller owns it and everything it points to.  All
 * callbacks are called on the caller's own thread only, never on a worker.
 */
typedef struct tfm_context
{
	tfm_error error;			 /* the first error of the call */
	arena *arena;				 /* what the call allocates lives here */
	bool (*interrupted)(void *); /* NULL, or says whether to stop; cheap, polled per tile */
	void *interrupted_argument;	 /* handed to interrupted */
	void (*log)(void *, tfm_log_level, const char *); /* NULL, or takes a message */
	void *log_argument;								  /* handed to log */
	struct thread_pool *pool; /* NULL, or the threads that help; see base/threads.h */
	int threads;			  /* threads a computation may use, the caller's included; 0 is 1 */
	int isa;		 /* instruction set of the kernels (tensor/kernels.h); 0 is the best there is */
	tfm_usage usage; /* grows; counted where passes are begun */
	tfm_progress progress; /* of what is compiled or read now; the caller may look while polled */

	/*
	 * NULL, or the real path, without a slash at its end, of the directory that files which are opened
	 * must lie in, whatever links lead to them.
	 */
	const char *root;
} tfm_context;

/* Bytes that somebody else owns; not zero-terminated.  Text is valid UTF-8. */
typedef struct tfm_text
{
	const char *data;
	size_t length;
} tfm_text;

/* Whether an error has been recorded. */
static inline bool
tfm_failed(const tfm_context *context)
{
	return context->error.kind != TFM_OK;
}

/*
 * Record an error, unless one is there already.  The message is formatted as by
 * printf; too long a text is cut at a character's end.  Always returns false, so
 * that "return tfm_fail(...)" ends a function that returns success.
 */
extern bool tfm_fail(tfm_context *context, tfm_error_kind kind, const char *format, ...)
	TFM_PRINTF(3, 4);

/*
 * Add a detail or a hint to the error just recorded.  Both do nothing where no error is recorded
 * or one has a detail (hint) already, and return false.
 */
extern bool tfm_detail(tfm_context *context, const char *format, ...) TFM_PRINTF(2, 3);
extern bool tfm_hint(tfm_context *context, const char *format, ...) TFM_PRINTF(2, 3);

/* Forget the error, to use the context again. */
extern void tfm_clear_error(tfm_context *context);

/* Record TFM_CANCELLED if the interrupt callback says stop; true if the call must end (any error). */
extern bool tfm_stopped(tfm_context *context);

/* Hand a message to the log callback, if there is one. */
extern void tfm_log(tfm_context *context, tfm_log_level level, const char *format, ...)
	TFM_PRINTF(3, 4);

/*
 * Allocate from the context's arena: uninitialised, zeroed, an array of count items of item_size
 * bytes each (uninitialised; overflow of the product is TFM_OUT_OF_MEMORY), a copy of a string (of
 * its first length bytes), a formatted string.  NULL with TFM_OUT_OF_MEMORY recorded on failure.
 * Aligned to 64 bytes.  Freed with the arena.
 */
extern void *tfm_alloc(tfm_context *context, size_t size);
extern void *tfm_alloc_zero(tfm_context *context, size_t size);
extern void *tfm_alloc_array(tfm_context *context, size_t count, size_t item_size);
extern char *tfm_strdup(tfm_context *context, const char *string);
extern char *tfm_strndup(tfm_context *context, const char *string, size_t length);
extern char *tfm_sprintf(tfm_context *context, const char *format, ...) TFM_PRINTF(2, 3);

#endif
