/*
 * gguf_maker.h
 *	  Reading the keys of a GGUF file that begin with its architecture, and writing JSON of them; for
 *	  gguf_config.c.
 *
 * Keys are named without their architecture.  Errors are recorded in the maker's context.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_CHECKPOINT_GGUF_MAKER_H
#define TFM_CHECKPOINT_GGUF_MAKER_H

#include "base/buffer.h"
#include "checkpoint/gguf_parts.h"

#define GGUF_ARCHITECTURE_MAX 64
#define GGUF_KEY_MAX 192
#define GGUF_SIZE_MOST (1 << 24) /* of any size or count */

/* A file of JSON in the making. */
typedef struct ckpt_maker
{
	tfm_context *context;
	const ckpt_gguf_parts *gguf;
	char architecture[GGUF_ARCHITECTURE_MAX];
	buffer *out;
} ckpt_maker;

/* A key, without its architecture, and its name in the JSON. */
typedef struct ckpt_config_key
{
	const char *key;
	const char *name;
} ckpt_config_key;

/* ---- Reading ---- */

/* The whole name of a key, in text[GGUF_KEY_MAX]. */
extern const char *ckpt_maker_key(const ckpt_maker *m, const char *key, char *text);

/* The value of a key; NULL if there is none. */
extern const ckpt_gguf_value *ckpt_maker_value(const ckpt_maker *m, const char *key);

/*
 * A size or count, 0 .. GGUF_SIZE_MOST, and a number; fallback if the key is absent.  A key may have a
 * value for each layer, which must be equal (UNSUPPORTED).
 */
extern int64_t ckpt_maker_size(const ckpt_maker *m, const char *key, int64_t fallback);
extern double ckpt_maker_number(const ckpt_maker *m, const char *key, double fallback);

/* An id of the tokenizer, by the whole name of its key; -1 if there is none. */
extern int64_t ckpt_maker_id(const ckpt_maker *m, const char *key);

/* Elements of a head. */
extern int64_t ckpt_maker_head_size(const ckpt_maker *m);

/* Whether there is a tensor; a dimension of it in ggml's order, 0 if there is none. */
extern bool ckpt_maker_has_tensor(const ckpt_maker *m, const char *name);
extern int64_t ckpt_maker_tensor_size(const ckpt_maker *m, const char *name, int dimension);

/* ---- Writing ---- */

/* Begin a member; add one whole.  A number that JSON does not have is left out. */
extern void ckpt_put_name(ckpt_maker *m, const char *name);
extern void ckpt_put_int(ckpt_maker *m, const char *name, int64_t number);
extern void ckpt_put_number(ckpt_maker *m, const char *name, double number);
extern void ckpt_put_bool(ckpt_maker *m, const char *name, bool value);
extern void ckpt_put_string(ckpt_maker *m, const char *name, const char *text);

/* Begin a member that is an object; end it. */
extern void ckpt_begin_object(ckpt_maker *m, const char *name);
extern void ckpt_end_object(ckpt_maker *m);

/* A key's number or truth value under its name in the JSON, if the file has it; those of a list. */
extern void ckpt_put_key(ckpt_maker *m, const char *key, const char *name);
extern void ckpt_put_keys(ckpt_maker *m, const ckpt_config_key *keys);

#endif
