/*
 * gguf_maker.c
 *	  Reading the keys of a GGUF file that begin with its architecture, and writing JSON of them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/gguf_maker.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

/* ---- Reading ---- */

/* The whole name of a key, in text[GGUF_KEY_MAX]. */
const char *
ckpt_maker_key(const ckpt_maker *m, const char *key, char *text)
{
	snprintf(text, GGUF_KEY_MAX, "%s.%s", m->architecture, key);
	return text;
}

const ckpt_gguf_value *
ckpt_maker_value(const ckpt_maker *m, const char *key)
{
	char name[GGUF_KEY_MAX];

	return ckpt_gguf_find(m->gguf->first, ckpt_maker_key(m, key, name));
}

/*
 * A value, or the one that all layers have: an array of equal ones.  False if the key is absent, or
 * with an error if layers differ.
 */
static bool
read_uniform(const ckpt_maker *m, const char *key, ckpt_gguf_value *value)
{
	const ckpt_gguf_value *found = ckpt_maker_value(m, key);
	ckpt_gguf_value item;
	size_t position = 0;

	if (found == NULL)
		return false;
	*value = *found;
	if (found->type != GGUF_ARRAY)
		return true;
	if (!ckpt_gguf_next(found, &position, value))
		return false;
	while (ckpt_gguf_next(found, &position, &item))
		if (item.length != value->length || memcmp(item.bytes, value->bytes, item.length) != 0)
			return tfm_fail(m->context, TFM_UNSUPPORTED,
							"\"%s\": key \"%s.%s\" differs from layer to layer, which is not "
							"supported",
							m->gguf->first->file->path, m->architecture, key);
	return true;
}

/* A size or count; fallback if the key is absent. */
int64_t
ckpt_maker_size(const ckpt_maker *m, const char *key, int64_t fallback)
{
	ckpt_gguf_value value;
	int64_t number;

	if (!read_uniform(m, key, &value))
		return fallback;
	number = ckpt_gguf_as_int(&value);
	if (ckpt_gguf_is_int(value.type) && number >= 0 && number <= GGUF_SIZE_MOST)
		return number;
	tfm_fail(m->context, TFM_CORRUPTED, "\"%s\": key \"%s.%s\" must be a whole number from 0 to %d",
			 m->gguf->first->file->path, m->architecture, key, GGUF_SIZE_MOST);
	return fallback;
}

double
ckpt_maker_number(const ckpt_maker *m, const char *key, double fallback)
{
	char name[GGUF_KEY_MAX];
	double number =
		ckpt_gguf_double(m->context, m->gguf->first, ckpt_maker_key(m, key, name), fallback);

	return isfinite(number) ? number : fallback;
}

bool
ckpt_maker_has_tensor(const ckpt_maker *m, const char *name)
{
	return ckpt_gguf_parts_find(m->gguf, name) != NULL;
}

/* A dimension of a tensor in ggml's order; 0 if there is none. */
int64_t
ckpt_maker_tensor_size(const ckpt_maker *m, const char *name, int dimension)
{
	const ckpt_gguf_tensor *t = ckpt_gguf_parts_find(m->gguf, name);

	return t == NULL || dimension >= t->rank ? 0 : t->shape[dimension];
}

/* Elements of a head. */
int64_t
ckpt_maker_head_size(const ckpt_maker *m)
{
	int64_t heads = ckpt_maker_size(m, "attention.head_count", 0);

	return ckpt_maker_size(m, "attention.key_length",
						   heads == 0 ? 0 : ckpt_maker_size(m, "embedding_length", 0) / heads);
}

/* ---- Writing ---- */

void
ckpt_put_name(ckpt_maker *m, const char *name)
{
	buffer_printf(m->context, m->out, "%s\"%s\": ",
				  m->out->length > 0 && m->out->data[m->out->length - 1] != '{' ? ", " : "", name);
}

void
ckpt_put_int(ckpt_maker *m, const char *name, int64_t number)
{
	ckpt_put_name(m, name);
	buffer_printf(m->context, m->out, "%lld", (long long) number);
}

/* A number that JSON can have; any other is left out. */
void
ckpt_put_number(ckpt_maker *m, const char *name, double number)
{
	if (!isfinite(number))
		return;
	ckpt_put_name(m, name);
	buffer_printf(m->context, m->out, "%.17g", number);
}

void
ckpt_put_bool(ckpt_maker *m, const char *name, bool value)
{
	ckpt_put_name(m, name);
	buffer_append_string(m->context, m->out, json_truth(value));
}

void
ckpt_put_string(ckpt_maker *m, const char *name, const char *text)
{
	ckpt_put_name(m, name);
	json_append_string(m->context, m->out, text, strlen(text));
}

void
ckpt_begin_object(ckpt_maker *m, const char *name)
{
	ckpt_put_name(m, name);
	buffer_append_string(m->context, m->out, "{");
}

void
ckpt_end_object(ckpt_maker *m)
{
	buffer_append_string(m->context, m->out, "}");
}

/* A key's number or truth value under its name in config.json, if the file has it. */
void
ckpt_put_key(ckpt_maker *m, const char *key, const char *name)
{
	ckpt_gguf_value value;

	if (!read_uniform(m, key, &value))
		return;
	if (value.type == GGUF_BOOL)
		ckpt_put_bool(m, name, value.bytes[0] != 0);
	else if (ckpt_gguf_is_int(value.type))
		ckpt_put_int(m, name, ckpt_gguf_as_int(&value));
	else if (value.type == GGUF_FLOAT32 || value.type == GGUF_FLOAT64)
		ckpt_put_number(m, name, ckpt_gguf_as_double(&value));
	else
		tfm_fail(m->context, TFM_CORRUPTED, "\"%s\": key \"%s.%s\" must be a number",
				 m->gguf->first->file->path, m->architecture, key);
}

void
ckpt_put_keys(ckpt_maker *m, const ckpt_config_key *keys)
{
	for (; keys != NULL && keys->key != NULL; keys++)
		ckpt_put_key(m, keys->key, keys->name);
}

/* An id of the tokenizer; -1 if there is none. */
int64_t
ckpt_maker_id(const ckpt_maker *m, const char *key)
{
	int64_t id = ckpt_gguf_int(m->context, m->gguf->first, key, -1, INT32_MIN, UINT32_MAX);

	return id > INT32_MAX ? -1 : id;
}
