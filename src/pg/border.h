/*
 * border.h
 *	  The border between PostgreSQL and the engine: contexts, errors, interrupts, text.
 *
 * Every call of the engine stands between border_begin and border_end:
 *
 *		const registry_handle *m = registry_use(fcinfo, PG_GETARG_TEXT_PP(0), NULL);
 *		tfm_context *context = border_begin(m->name);
 *		tfm_text	text = border_text(context, PG_GETARG_TEXT_PP(1));
 *
 *		task_embed(context, m->model, &text, 1, &options, &dimensions, &embeddings);
 *		border_check(context);
 *		result = ... copied out of the context's arena into palloc'ed memory ...
 *		border_end(context);
 *
 * An ereport in between needs no care: the call hangs on the memory context that was current at
 * border_begin and ends with it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_BORDER_H
#define TFM_PG_BORDER_H

#include "postgres.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h" /* once a part of postgres.h */
#endif

#include "base/context.h"

/*
 * Begin a call of the engine.  The context has the backend's scratch arena (limited by
 * tfm.max_memory), its threads (tfm.threads) and its interrupts.  Calls may nest.  model (may be
 * NULL) is named in the error's context; it is copied.
 */
extern tfm_context *border_begin(const char *model);

/* Throw what has gone wrong, if anything has: one ereport, with the SQLSTATE of the error's kind. */
extern void border_check(tfm_context *context);

/* border_check, then end the call: what lies in its arena is gone. */
extern void border_end(tfm_context *context);

/* End the call without throwing; for callers that look at context->error themselves. */
extern void border_abandon(tfm_context *context);

/* border_abandon where an error that was thrown may have ended the call already; for PG_CATCH. */
extern void border_close(tfm_context *context);

/*
 * A text value in UTF-8, valid until the call ends; not copied where the database's encoding is
 * UTF-8.  value must not be compressed or out of line (PG_GETARG_TEXT_PP).  Errors are PostgreSQL's
 * own (untranslatable_character, character_not_in_repertoire).
 */
extern tfm_text border_text(tfm_context *context, const text *value);

/* As border_text, for length bytes in the database's encoding. */
extern tfm_text border_string(tfm_context *context, const char *string, size_t length);

/* A jsonb value as the engine's JSON, likewise. */
extern tfm_text border_jsonb(tfm_context *context, Datum value);

/* UTF-8 of the engine as a palloc'ed text in the database's encoding; errors as above. */
extern text *border_to_text(const char *utf8, size_t length);

/* As border_to_text, zero-terminated. */
extern char *border_to_cstring(const char *utf8, size_t length);

/* A message of the engine in the database's encoding; what cannot be converted is a question mark. */
extern char *border_message(const char *utf8);

#endif
