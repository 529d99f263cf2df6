/*
 * indexed_text.c
 *	  A text whose characters are found by number.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/indexed_text.h"

#include "base/utf8.h"

bool
task_index_text(tfm_context *context, tfm_text text, indexed_text *indexed)
{
	size_t count = utf8_count(text.data, text.length), n = 0;

	if (count > INT32_MAX - 1)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED, "a text has too many characters");
	*indexed = (indexed_text) {.text = text, .count = (int32_t) count};
	indexed->starts = tfm_alloc_array(context, count + 1, sizeof(size_t));
	if (indexed->starts == NULL)
		return false;
	for (size_t i = 0; i < text.length; i++)
		if (((unsigned char) text.data[i] & 0xC0) != 0x80)
			indexed->starts[n++] = i;
	indexed->starts[n] = text.length;
	return true;
}

static int32_t
clip(const indexed_text *indexed, int32_t character)
{
	return character < 0 ? 0 : character > indexed->count ? indexed->count : character;
}

int32_t
task_slice_length(const indexed_text *indexed, int32_t start, int32_t end)
{
	int32_t length = clip(indexed, end) - clip(indexed, start);

	return length < 0 ? 0 : length;
}

tfm_text
task_slice(const indexed_text *indexed, int32_t start, int32_t end)
{
	int32_t first = clip(indexed, start);
	size_t from = indexed->starts[first];
	size_t to = indexed->starts[first + task_slice_length(indexed, start, end)];

	return (tfm_text) {indexed->text.data + from, to - from};
}
