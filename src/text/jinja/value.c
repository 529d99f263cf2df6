/*
 * value.c
 *	  Making values; errors, limits and memory of a rendering.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/value.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/utf8.h"

#define CHUNK ((size_t) 64 << 10)
#define ALIGNMENT 16
#define POLL_STEPS 1024
#define SMALL_STRING 256 /* shorter ones are not worth a region */

/* ---- Errors and limits ---- */

static bool
record(jinja_state *s, tfm_error_kind kind, int line, const char *format, va_list arguments)
{
	char message[sizeof(((tfm_error *) NULL)->message)];

	vsnprintf(message, sizeof(message), format, arguments);
	if (s->name != NULL)
		return tfm_fail(s->context, kind, "template \"%s\", line %d: %s", s->name, line, message);
	return tfm_fail(s->context, kind, "line %d: %s", line, message);
}

jinja_value
jinja_raise(jinja_state *s, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	record(s, TFM_INVALID_ARGUMENT, s->line, format, arguments);
	va_end(arguments);
	return jinja_none();
}

bool
jinja_fail(jinja_state *s, tfm_error_kind kind, int line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	record(s, kind, line, format, arguments);
	va_end(arguments);
	return false;
}

bool
jinja_step(jinja_state *s, size_t work)
{
	s->steps += work;
	if (s->steps < s->poll)
		return !tfm_failed(s->context);
	s->poll = s->steps + POLL_STEPS;
	if (s->steps > s->limits.steps)
		return jinja_fail(s, TFM_LIMIT_EXCEEDED, s->line, "the template takes too many steps");
	return !tfm_stopped(s->context);
}

bool
jinja_enter(jinja_state *s)
{
	s->depth++;
	if (s->depth > s->limits.depth)
		jinja_fail(s, TFM_LIMIT_EXCEEDED, s->line, "maximum recursion depth exceeded");
	return jinja_step(s, 1);
}

/* ---- Memory ---- */

static void *
new_chunk(jinja_state *s, size_t size)
{
	size_t chunk = size > CHUNK / 4 ? size : CHUNK;
	char *memory = arena_alloc(s->arena, chunk);

	if (memory == NULL)
	{
		tfm_fail(s->context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	if (chunk != size)
	{
		s->free = memory + size;
		s->left = chunk - size;
	}
	return memory;
}

void *
jinja_alloc(jinja_state *s, size_t size)
{
	void *memory = s->free;

	if (size > s->limits.memory || s->memory > s->limits.memory - size)
	{
		jinja_fail(s, TFM_LIMIT_EXCEEDED, s->line, "the template needs too much memory");
		return NULL;
	}
	size = size_round_up(size > 0 ? size : 1, ALIGNMENT);
	s->memory += size;
	if (size > s->left)
		return new_chunk(s, size);
	s->free += size;
	s->left -= size;
	return memory;
}

void *
jinja_alloc_zero(jinja_state *s, size_t size)
{
	void *memory = jinja_alloc(s, size);

	if (memory != NULL)
		memset(memory, 0, size);
	return memory;
}

/* ---- Strings ---- */

jinja_value
jinja_text_kept(jinja_state *s, const char *bytes, size_t length)
{
	jinja_string *string = jinja_alloc_zero(s, sizeof(*string));

	if (string == NULL || !jinja_step(s, length / 64))
		return jinja_none();
	string->data = bytes;
	string->bytes = length;
	string->count = utf8_count(bytes, length);
	return jinja_object(JINJA_STRING, string);
}

jinja_value
jinja_text(jinja_state *s, const char *bytes, size_t length)
{
	char *copy = jinja_alloc(s, length);

	if (copy == NULL)
		return jinja_none();
	if (length > 0)
		memcpy(copy, bytes, length);
	return jinja_text_kept(s, copy, length);
}

jinja_value
jinja_string_of(jinja_state *s, const char *text)
{
	return jinja_text_kept(s, text, strlen(text));
}

jinja_value
jinja_format(jinja_state *s, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length < 0)
		length = 0;
	if ((size_t) length >= sizeof(text))
		length = (int) utf8_clip(text, sizeof(text) - 1);
	return jinja_text(s, text, (size_t) length);
}

/* A string of the two in a region with room to grow; NULL with an error. */
static jinja_region *
new_region(jinja_state *s, const jinja_string *a, const jinja_string *b)
{
	size_t length = a->bytes + b->bytes;
	jinja_region *region = jinja_alloc(s, sizeof(*region));

	if (region == NULL)
		return NULL;
	region->capacity = length < SMALL_STRING ? length : length * 2;
	region->used = length;
	region->data = jinja_alloc(s, region->capacity);
	if (region->data == NULL || !jinja_step(s, length / 64))
		return NULL;
	if (a->bytes > 0)
		memcpy(region->data, a->data, a->bytes);
	if (b->bytes > 0)
		memcpy(region->data + a->bytes, b->data, b->bytes);
	return region;
}

jinja_value
jinja_concat(jinja_state *s, const jinja_string *a, const jinja_string *b)
{
	jinja_string *result = jinja_alloc_zero(s, sizeof(*result));
	jinja_region *region = a->region;

	if (result == NULL)
		return jinja_none();
	if (region != NULL && a->data + a->bytes == region->data + region->used &&
		region->capacity - region->used >= b->bytes)
	{
		if (b->bytes > 0)
			memcpy(region->data + region->used, b->data, b->bytes);
		region->used += b->bytes;
		result->data = a->data;
	}
	else
	{
		region = new_region(s, a, b);
		if (region == NULL)
			return jinja_none();
		result->data = region->data;
	}
	result->region = region;
	result->bytes = a->bytes + b->bytes;
	result->count = a->count + b->count;
	result->markup = a->markup;
	jinja_step(s, b->bytes / 64);
	return jinja_object(JINJA_STRING, result);
}

jinja_value
jinja_marked(jinja_state *s, const jinja_string *string, bool markup)
{
	jinja_string *copy;

	if (string == NULL || string->markup == markup)
		return jinja_object(JINJA_STRING, string);
	copy = jinja_alloc(s, sizeof(*copy));
	if (copy == NULL)
		return jinja_none();
	*copy = *string;
	copy->markup = markup;
	return jinja_object(JINJA_STRING, copy);
}

size_t
jinja_offset(const jinja_string *string, size_t character)
{
	size_t offset = 0;

	if (string->count == string->bytes)
		return character;
	if (character >= string->count)
		return string->bytes;
	while (character-- > 0)
	{
		int width;

		utf8_decode(string->data + offset, &width);
		offset += (size_t) width;
	}
	return offset;
}

jinja_value
jinja_substring(jinja_state *s, const jinja_string *string, size_t from, size_t to)
{
	jinja_string *part = jinja_alloc_zero(s, sizeof(*part));
	size_t start, end;

	if (part == NULL)
		return jinja_none();
	if (from > to)
		from = to;
	start = jinja_offset(string, from);
	end = string->count == string->bytes
			  ? to
			  : start + jinja_offset(&(jinja_string) {.data = string->data + start,
													  .bytes = string->bytes - start,
													  .count = string->count - from},
									 to - from);
	part->data = string->data + start;
	part->bytes = end - start;
	part->count = to - from;
	part->markup = string->markup;
	if (string->count != string->bytes)
		jinja_step(s, end / 64);
	return jinja_object(JINJA_STRING, part);
}

/* ---- Lists ---- */

jinja_list *
jinja_list_create(jinja_state *s, size_t capacity)
{
	jinja_list *list = jinja_alloc_zero(s, sizeof(*list));

	if (list != NULL && capacity > 0)
	{
		size_t size;

		if (!size_multiply(capacity, sizeof(jinja_value), &size))
			size = SIZE_MAX / 2;
		list->items = jinja_alloc(s, size);
		if (list->items == NULL)
			return NULL;
		list->capacity = capacity;
	}
	return list;
}

bool
jinja_append(jinja_state *s, jinja_list *list, jinja_value value)
{
	if (list == NULL || !jinja_step(s, 1))
		return false;
	if (list->count == list->capacity)
	{
		size_t capacity = list->capacity > 0 ? list->capacity * 2 : 4;
		jinja_value *items = jinja_alloc(s, capacity * sizeof(*items));

		if (items == NULL)
			return false;
		if (list->count > 0)
			memcpy(items, list->items, list->count * sizeof(*items));
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = value;
	return true;
}

jinja_value
jinja_pair(jinja_state *s, jinja_value first, jinja_value second)
{
	jinja_list *pair = jinja_list_create(s, 2);

	if (pair == NULL)
		return jinja_none();
	pair->items[0] = first;
	pair->items[1] = second;
	pair->count = 2;
	return jinja_object(JINJA_TUPLE, pair);
}

/* ---- Undefined ---- */

jinja_value
jinja_undefined_name(jinja_state *s, const jinja_string *name)
{
	jinja_undefined *undefined = jinja_alloc_zero(s, sizeof(*undefined));

	if (undefined != NULL)
		undefined->name = name;
	return jinja_object(JINJA_UNDEFINED, undefined);
}

jinja_value
jinja_undefined_hint(jinja_state *s, const char *format, ...)
{
	jinja_undefined *undefined = jinja_alloc_zero(s, sizeof(*undefined));
	char text[1024];
	va_list arguments;
	jinja_value hint;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	hint = jinja_text(s, text, utf8_clip(text, strlen(text)));
	if (undefined == NULL || hint.type != JINJA_STRING)
		return jinja_none();
	undefined->hint = hint.string;
	return jinja_object(JINJA_UNDEFINED, undefined);
}

jinja_value
jinja_undefined_member(jinja_state *s, jinja_value object, jinja_value member)
{
	jinja_undefined *undefined = jinja_alloc_zero(s, sizeof(*undefined));
	jinja_value *both = jinja_alloc(s, 2 * sizeof(*both));

	if (undefined == NULL || both == NULL)
		return jinja_none();
	both[0] = object;
	both[1] = member;
	undefined->object = &both[0];
	if (member.type == JINJA_STRING)
		undefined->name = member.string;
	else
		undefined->index = &both[1];
	return jinja_object(JINJA_UNDEFINED, undefined);
}

/* object_type_repr() of jinja2. */
static const char *
describe(jinja_state *s, jinja_value object)
{
	static const char *const modules[] = {
		[JINJA_UNDEFINED] = "jinja2.runtime.",
		[JINJA_NAMESPACE] = "transformers.utils.chat_template_utils.",
		[JINJA_MACRO] = "jinja2.runtime.",
		[JINJA_LOOP] = "jinja2.runtime.",
		[JINJA_CYCLER] = "jinja2.utils.",
		[JINJA_JOINER] = "jinja2.utils.",
		[JINJA_TEMPLATE] = "jinja2.runtime.",
		[JINJA_BLOCK] = "jinja2.runtime.",
	};
	const char *module = "", *text;
	jinja_value made;

	if (object.type == JINJA_NONE)
		return "None";
	if (object.type < sizeof(modules) / sizeof(modules[0]) && modules[object.type] != NULL)
		module = modules[object.type];
	else if (object.type == JINJA_STRING && object.string->markup)
		module = "markupsafe.";
	else if (object.type == JINJA_TUPLE && object.list->group)
		module = "jinja2.filters.";
	made = jinja_format(s, "%s%s object%c", module, jinja_type_name(object), 0);
	text = made.type == JINJA_STRING ? made.string->data : "";
	return text;
}

jinja_value
jinja_raise_undefined(jinja_state *s, const jinja_undefined *undefined)
{
	const jinja_string *text;

	if (undefined->hint != NULL)
		return jinja_raise(s, "%.*s", JINJA_TEXT(undefined->hint));
	if (undefined->index != NULL)
	{
		text = jinja_repr(s, *undefined->index);
		if (text == NULL)
			return jinja_none();
		return jinja_raise(s, "%s has no element %.*s", describe(s, *undefined->object),
						   JINJA_TEXT(text));
	}
	text = jinja_repr(s, jinja_object(JINJA_STRING, undefined->name));
	if (text == NULL)
		return jinja_none();
	if (undefined->object == NULL)
		return jinja_raise(s, "%.*s is undefined", JINJA_TEXT(text));
	return jinja_raise(s, "'%s' has no attribute %.*s", describe(s, *undefined->object),
					   JINJA_TEXT(text));
}
