/*
 * work.c
 *	  The growing arrays that one encoding works with.
 *
 * They lie in the scratch of the context's arena, so that a text leaves nothing behind but its
 * tokens, and the next one finds the memory there.  An array that grows is copied; what it was stays
 * until the end of the encoding, and is less than what it becomes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/pipeline.h"

#include <string.h>

#include "base/size.h"

/* Spans count bytes in 32 bits. */
#define STRING_MAX ((size_t) INT32_MAX)

bool
tok_work_begin(tok_work *work, tfm_context *context)
{
	work->context = context;
	work->scratch = arena_scratch(context->arena);
	if (work->scratch == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory while tokenizing");
	work->mark = arena_save(work->scratch);
	return true;
}

void
tok_work_end(tok_work *work)
{
	arena_restore(work->scratch, work->mark);
}

void *
tok_work_alloc(tok_work *work, size_t size)
{
	void *p = arena_alloc(work->scratch, size);

	if (p == NULL)
		tfm_fail(work->context, TFM_OUT_OF_MEMORY, "out of memory while tokenizing (%zu bytes)",
				 size);
	return p;
}

void *
tok_work_room(tok_work *work, size_t size)
{
	size_t room = size > 2 * work->room_size ? size : 2 * work->room_size;

	if (size <= work->room_size)
		return work->room;
	work->room_size = 0;
	work->room = tok_work_alloc(work, room);
	if (work->room != NULL)
		work->room_size = room;
	return work->room;
}

/* Bytes that are copied, and spans that are appended, between two looks at whether to stop. */
#define COPIED_AT_ONCE ((size_t) 4 << 20)
#define SPANS_AT_ONCE 0x10000

bool
tok_work_copy(tok_work *work, void *to, const void *from, size_t size)
{
	for (size_t done = 0; done < size; done += COPIED_AT_ONCE)
	{
		size_t portion = size - done < COPIED_AT_ONCE ? size - done : COPIED_AT_ONCE;

		if (done > 0 && tfm_stopped(work->context))
			return false;
		memcpy((char *) to + done, (const char *) from + done, portion);
	}
	return true;
}

/* Grow an array of items; on success it has room for more than *capacity was. */
static bool
grow(tok_work *work, void *items, size_t *capacity, size_t wanted, size_t item_size)
{
	void **array = items;
	size_t room = *capacity < 64 ? 64 : *capacity * 2;
	size_t bytes;
	void *larger;

	if (room < wanted)
		room = wanted;
	if (!size_multiply(room, item_size, &bytes))
		return tfm_fail(work->context, TFM_OUT_OF_MEMORY, "out of memory");
	larger = tok_work_alloc(work, bytes);
	if (larger == NULL || !tok_work_copy(work, larger, *array, *capacity * item_size))
		return false;
	*array = larger;
	*capacity = room;
	return true;
}

bool
tok_reserve_string(tok_work *work, tok_string *string, size_t more)
{
	size_t wanted = string->length + more;
	size_t capacity = string->capacity;

	if (wanted <= string->capacity)
		return true;
	if (wanted > STRING_MAX || (work->string_max > 0 && wanted > work->string_max))
		return tfm_fail(work->context, TFM_LIMIT_EXCEEDED, "the text is too long to tokenize");
	if (string->keeps_sources)
	{
		if (!grow(work, &string->sources, &capacity, wanted, sizeof(int32_t)))
			return false;
		capacity = string->capacity;
	}
	if (!grow(work, &string->bytes, &capacity, wanted, 1))
		return false;
	string->capacity = capacity;
	return true;
}

bool
tok_reserve_spans(tok_work *work, tok_spans *spans, size_t more)
{
	return spans->count + more <= spans->capacity ||
		   grow(work, &spans->items, &spans->capacity, spans->count + more, sizeof(tok_span));
}

bool
tok_reserve_pieces(tok_work *work, size_t more)
{
	tok_pieces *pieces = &work->pieces;

	return pieces->count + more <= pieces->capacity ||
		   grow(work, &pieces->items, &pieces->capacity, pieces->count + more, sizeof(tok_piece));
}

bool
tok_append_mark(tok_work *work, tok_marks *marks, tok_mark mark)
{
	if (marks->count == marks->capacity &&
		!grow(work, &marks->items, &marks->capacity, marks->count + 1, sizeof(tok_mark)))
		return false;
	marks->items[marks->count++] = mark;
	return true;
}

bool
tok_append_span(tok_work *work, tok_spans *spans, size_t start, size_t end, int32_t added)
{
	if (!tok_reserve_spans(work, spans, 1) ||
		(spans->count % SPANS_AT_ONCE == SPANS_AT_ONCE - 1 && tfm_stopped(work->context)))
		return false;
	spans->items[spans->count++] =
		(tok_span) {.start = (uint32_t) start, .end = (uint32_t) end, .added = added};
	return true;
}

char *
tok_copy_string(tok_work *work)
{
	const char *bytes = work->string.length == 0 ? "" : work->string.bytes;

	return tfm_strndup(work->context, bytes, work->string.length);
}

void
tok_swap_strings(tok_work *work)
{
	tok_string swapped = work->string;

	work->string = work->next;
	work->next = swapped;
	work->next.length = 0;
}

void
tok_swap_spans(tok_work *work)
{
	tok_spans swapped = work->spans;

	work->spans = work->next_spans;
	work->next_spans = swapped;
	work->next_spans.count = 0;
}

bool
tok_normalize(tok_work *work, const tok_components *normalizers)
{
	for (size_t i = 0; i < normalizers->count; i++)
	{
		const tok_component *component = &normalizers->items[i];

		if (!component->type.normalizer->run(work, component->payload) ||
			tfm_stopped(work->context))
			return false;
	}
	return true;
}

void
tok_push_piece(tok_work *work, int32_t id, size_t start, size_t end, int32_t word)
{
	tok_piece *piece = &work->pieces.items[work->pieces.count++];

	piece->id = id;
	piece->word = word;
	piece->text = NULL;
	if (work->offsets && end > start)
	{
		int32_t first = work->string.sources[start], last = work->string.sources[end - 1];

		piece->start = first < 0 ? TOK_BEFORE(first) : first;
		piece->end = last < 0 ? TOK_BEFORE(last) : last + 1;
	}
	else
		piece->start = piece->end = 0;
}
