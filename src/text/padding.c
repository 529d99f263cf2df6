/*
 * padding.c
 *	  Padding encodings to one length, as pad_encodings of the library.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/tokenizer.h"

#include <string.h>

/* An encoding's new arrays: count tokens, which lie from first on, where padding may be before them. */
typedef struct padded
{
	tfm_context *context;
	const tok_padding *padding;
	size_t old_count, count, first;
} padded;

/* Put what there is into a longer array and fill the rest; an array that is not there stays so. */
static void *
pad_array(const padded *p, const void *old, size_t item_size, const void *filler)
{
	char *array;

	if (old == NULL && p->old_count > 0)
		return NULL;
	array = tfm_alloc_array(p->context, p->count, item_size);
	if (array == NULL)
		return NULL;
	for (size_t i = 0; i < p->first; i++)
		memcpy(array + i * item_size, filler, item_size);
	if (p->old_count > 0)
		memcpy(array + p->first * item_size, old, p->old_count * item_size);
	for (size_t i = p->first + p->old_count; i < p->count; i++)
		memcpy(array + i * item_size, filler, item_size);
	return array;
}

static void
pad_arrays(const padded *p, tok_encoding *e)
{
	static const int32_t zero = 0, none = -1;
	static const uint8_t one = 1;
	const tok_padding *padding = p->padding;

	e->ids = pad_array(p, e->ids, sizeof(int32_t), &padding->id);
	e->type_ids = pad_array(p, e->type_ids, sizeof(int32_t), &padding->type_id);
	e->starts = pad_array(p, e->starts, sizeof(int32_t), &zero);
	e->ends = pad_array(p, e->ends, sizeof(int32_t), &zero);
	e->words = pad_array(p, e->words, sizeof(int32_t), &none);
	e->special_mask = pad_array(p, e->special_mask, sizeof(uint8_t), &one);
	e->sequences = pad_array(p, e->sequences, sizeof(int8_t), &e->padding_sequence);
	e->tokens = pad_array(p, e->tokens, sizeof(tfm_text), &padding->token);
	e->count = p->count;
}

static bool
pad_encoding(tfm_context *context, const tok_padding *padding, size_t length, tok_encoding *e)
{
	padded p = {
		.context = context,
		.padding = padding,
		.old_count = e->count,
		.count = e->count < length ? length : e->count,
	};

	if (tfm_stopped(context))
		return false;
	if (padding->side == TOK_PADDING_LEFT)
		p.first = p.count - p.old_count;
	e->attention_mask = tfm_alloc_array(context, p.count, sizeof(uint8_t));
	if (e->attention_mask == NULL)
		return false;
	memset(e->attention_mask, 0, p.count);
	memset(e->attention_mask + p.first, 1, p.old_count);
	if (p.count > p.old_count)
		pad_arrays(&p, e);
	for (size_t i = 0; i < e->overflowing_count; i++)
		if (!pad_encoding(context, padding, length, &e->overflowing[i]))
			return false;
	return !tfm_failed(context);
}

bool
tok_pad(tfm_context *context, tok_encoding *encodings, size_t count, const tok_padding *padding)
{
	size_t length = (size_t) padding->length, multiple = (size_t) padding->multiple;

	if (padding->length < 0 || padding->multiple < 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"the length to pad to and its multiple must not be negative");
	for (size_t i = 0; padding->length == 0 && i < count; i++)
		if (encodings[i].count > length)
			length = encodings[i].count;
	if (multiple > 0 && length % multiple > 0)
		length += multiple - length % multiple;
	if (length > INT32_MAX)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED, "%zu tokens are too many to pad to", length);
	for (size_t i = 0; i < count; i++)
		if (!pad_encoding(context, padding, length, &encodings[i]))
			return false;
	return true;
}
