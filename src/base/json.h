/*
 * json.h
 *	  Reading JSON (parsed by cJSON) with errors that name file and key.
 *
 * A json is a small value: a node and the file that it came from.  A member that
 * is absent is a json whose node is NULL; JSON's null counts as absent, as it
 * does in Transformers' configurations.
 *
 * The typed readers return their default for an absent member.  A member of the
 * wrong type or range records TFM_CORRUPTED and gives the default too, so that a
 * reader of twenty keys checks the context once, at its end.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_JSON_H
#define TFM_BASE_JSON_H

#include "base/context.h"

struct cJSON;

typedef struct json
{
	const struct cJSON *node; /* NULL: absent */
	const char *source;		  /* file (or argument) for messages */
} json;

/*
 * Parse a text of length bytes; source names it in messages and must outlive the value.  The tree
 * is freed with the context's arena.  Absent, with TFM_CORRUPTED and the offset, if the text is not
 * JSON, is nested too deeply, or holds a NUL character.
 */
extern json json_parse(tfm_context *context, const char *text, size_t length, const char *source);

/* Read and parse a file of at most limit bytes. */
extern json json_read(tfm_context *context, const char *path, size_t limit);

/* The member called key of an object; absent if there is none, it is null, or this is no object. */
extern json json_member(json object, const char *key);

/* The first child of an array or object, and the next after it; absent at the end.  In order. */
extern json json_first(json parent);
extern json json_next(json child);

/* The key under which a child of an object stands. */
extern const char *json_key(json child);

/* Number of children. */
extern size_t json_size(json parent);

static inline bool
json_present(json value)
{
	return value.node != NULL;
}

extern bool json_is_object(json value);
extern bool json_is_array(json value);
extern bool json_is_string(json value);
extern bool json_is_number(json value);
extern bool json_is_bool(json value);

/* The value itself; only for a value of that type. */
extern const char *json_as_string(json value);
extern double json_as_number(json value);
extern bool json_as_bool(json value);

/* Members by type, with a default.  Integers must be whole and within minimum..maximum. */
extern int64_t json_int(tfm_context *context, json object, const char *key, int64_t fallback,
						int64_t minimum, int64_t maximum);
extern double json_double(tfm_context *context, json object, const char *key, double fallback);
extern bool json_bool(tfm_context *context, json object, const char *key, bool fallback);
extern const char *json_string(tfm_context *context, json object, const char *key,
							   const char *fallback);

/* As json_int, but an absent member is TFM_CORRUPTED: "file: key "k" is missing". */
extern int64_t json_require_int(tfm_context *context, json object, const char *key, int64_t minimum,
								int64_t maximum);
extern const char *json_require_string(tfm_context *context, json object, const char *key);

/* The value as a whole number within minimum..maximum; false, without an error, if it is not. */
extern bool json_to_int(json value, int64_t minimum, int64_t maximum, int64_t *result);

/*
 * Make value a member of object as well, under key.  Nothing is copied: the tree of value must live
 * as long as that of object.
 */
extern bool json_graft(tfm_context *context, json object, const char *key, json value);

/*
 * Append text as a JSON string with quotes; text must be valid UTF-8.  A NUL character, which neither
 * our own reader nor jsonb takes, becomes U+FFFD.
 */
struct buffer;
extern bool json_append_string(tfm_context *context, struct buffer *b, const char *text,
							   size_t length);

/* Append a value with all that is in it, as Python's json.dumps writes it. */
extern bool json_append(tfm_context *context, struct buffer *b, json value);

/* A truth value as JSON has it; static. */
static inline const char *
json_truth(bool value)
{
	return value ? "true" : "false";
}

#endif
