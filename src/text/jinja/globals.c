/*
 * globals.c
 *	  What every template can call: range, dict, namespace, cycler, joiner, raise_exception,
 *	  strftime_now.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <locale.h>
#include <string.h>

#include "text/jinja/number.h"
#include "text/jinja/program.h"
#include "text/jinja/text.h"

#define MAX_RANGE 100000 /* jinja2.sandbox.MAX_RANGE */

static bool
get_integer(jinja_state *s, jinja_value value, int64_t *integer)
{
	return jinja_get_index(s, value, integer);
}

static jinja_value
global_range(jinja_state *s, const jinja_value *a)
{
	bool one = a[1].type == JINJA_MISSING;
	int64_t start = 0, stop, step = 1;
	uint64_t distance, count;
	jinja_range *range;

	if (!get_integer(s, a[one ? 0 : 1], &stop) || (!one && !get_integer(s, a[0], &start)) ||
		(a[2].type != JINJA_MISSING && !get_integer(s, a[2], &step)))
		return jinja_none();
	if (step == 0)
		return jinja_raise(s, "range() arg 3 must not be zero");
	distance = step > 0 ? (uint64_t) stop - (uint64_t) start : (uint64_t) start - (uint64_t) stop;
	if (step > 0 ? stop <= start : start <= stop)
		count = 0;
	else
		count = (distance - 1) / (step > 0 ? (uint64_t) step : 0 - (uint64_t) step) + 1;
	if (count > MAX_RANGE)
		return jinja_raise(
			s, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", MAX_RANGE);
	range = jinja_alloc(s, sizeof(*range));
	if (range == NULL)
		return jinja_none();
	*range = (jinja_range) {.start = start, .stop = stop, .step = step, .count = (int64_t) count};
	return jinja_object(JINJA_RANGE, range);
}

/* ---- dict, namespace ---- */

static bool
put_pairs(jinja_state *s, jinja_dict *dict, jinja_value pairs)
{
	jinja_iterator *iterator = jinja_iterate(s, pairs);
	jinja_value pair;

	for (size_t i = 0; iterator != NULL && jinja_next(s, iterator, &pair); i++)
	{
		jinja_list *both;

		if (!jinja_is_iterable(pair))
		{
			jinja_raise(s, "cannot convert dictionary update sequence element #%zu to a sequence",
						i);
			return false;
		}
		both = jinja_to_list(s, pair);
		if (both == NULL)
			return false;
		if (both->count != 2)
		{
			jinja_raise(s, "dictionary update sequence element #%zu has length %zu; 2 is required",
						i, both->count);
			return false;
		}
		if (!jinja_put(s, dict, both->items[0], both->items[1]))
			return false;
	}
	return !tfm_failed(s->context);
}

static bool
put_entries(jinja_state *s, jinja_dict *dict, const jinja_dict *from)
{
	for (size_t i = 0; i < from->count; i++)
		if (!jinja_put(s, dict, from->entries[i].key, from->entries[i].value))
			return false;
	return true;
}

/* Python's dict(*args, **kwargs). */
static jinja_dict *
make_dict(jinja_state *s, const jinja_call *call)
{
	jinja_dict *dict = jinja_dict_create(s);
	jinja_value from;

	if (dict == NULL)
		return NULL;
	if (call->positional.count > 1)
		jinja_raise(s, "dict expected at most 1 argument, got %zu", call->positional.count);
	else if (call->positional.count == 1)
	{
		from = call->positional.items[0];
		if (from.type == JINJA_UNDEFINED)
			jinja_raise_undefined(s, from.undefined);
		else if (from.type == JINJA_DICT)
			put_entries(s, dict, from.dict);
		else
			put_pairs(s, dict, from);
	}
	if (call->named != NULL && !tfm_failed(s->context))
		put_entries(s, dict, call->named);
	return tfm_failed(s->context) ? NULL : dict;
}

static jinja_value
global_dict(jinja_state *s, jinja_value self, const jinja_call *call)
{
	(void) self;
	return jinja_object(JINJA_DICT, make_dict(s, call));
}

static jinja_value
global_namespace(jinja_state *s, jinja_value self, const jinja_call *call)
{
	jinja_dict *attributes = make_dict(s, call);
	jinja_namespace *names = jinja_alloc(s, sizeof(*names));

	(void) self;
	if (attributes == NULL || names == NULL)
		return jinja_none();
	for (size_t i = 0; i < attributes->count; i++)
	{
		jinja_value key = attributes->entries[i].key;
		const jinja_string *text;

		if (key.type != JINJA_STRING || key.string->bytes == 0 || key.string->data[0] != '_')
			continue;
		text = jinja_repr(s, key);
		if (text == NULL)
			return jinja_none();
		return jinja_raise(s,
						   "Chat templates cannot store underscore-prefixed attributes on a"
						   " namespace, but got %.*s. Please rename the attribute.",
						   JINJA_TEXT(text));
	}
	names->attributes = attributes;
	return jinja_object(JINJA_NAMESPACE, names);
}

/* ---- cycler, joiner ---- */

static jinja_value
global_cycler(jinja_state *s, jinja_value self, const jinja_call *call)
{
	jinja_cycler *cycler = jinja_alloc_zero(s, sizeof(*cycler));
	jinja_list *items = jinja_list_create(s, call->positional.count);

	(void) self;
	if (cycler == NULL || items == NULL)
		return jinja_none();
	if (call->positional.count == 0)
		return jinja_raise(s, "at least one item has to be provided");
	for (size_t i = 0; i < call->positional.count; i++)
		jinja_append(s, items, call->positional.items[i]);
	cycler->items = items;
	return tfm_failed(s->context) ? jinja_none() : jinja_object(JINJA_CYCLER, cycler);
}

static jinja_value
global_joiner(jinja_state *s, const jinja_value *a)
{
	jinja_joiner *joiner = jinja_alloc_zero(s, sizeof(*joiner));
	jinja_value *separator = jinja_alloc(s, sizeof(*separator));

	if (joiner == NULL || separator == NULL)
		return jinja_none();
	*separator = a[0].type == JINJA_MISSING ? jinja_string_of(s, ", ") : a[0];
	joiner->separator = separator;
	return jinja_object(JINJA_JOINER, joiner);
}

/* ---- Others ---- */

static jinja_value
global_lipsum(jinja_state *s, jinja_value self, const jinja_call *call)
{
	(void) self;
	(void) call;
	jinja_fail(s, TFM_UNSUPPORTED, s->line,
			   "the function \"lipsum\" is not supported: a rendering must be repeatable");
	return jinja_none();
}

static jinja_value
global_raise_exception(jinja_state *s, const jinja_value *a)
{
	const jinja_string *message = jinja_str(s, a[0]);

	return message != NULL ? jinja_raise(s, "%.*s", JINJA_TEXT(message)) : jinja_none();
}

/* One directive of strftime, from its percent sign; returns what is behind it. */
static const char *
write_time(jinja_state *s, jinja_output *output, locale_t locale, const char *p, const char *end)
{
	char format[16], text[256];
	size_t length = 1;

	format[0] = *p++;
	while (p < end && length < sizeof(format) - 2 && *p != '\0' && strchr("_-0^#EO", *p) != NULL)
		format[length++] = *p++;
	if (p == end || *p == '\0' || (unsigned char) *p >= 0x80 || strchr("123456789", *p) != NULL)
	{
		jinja_write(s, output, format, length);
		return p;
	}
	format[length++] = *p;
	format[length] = '\0';
	if (*p == 'f')
		jinja_write_text(s, output, "000000");
	else if (*p == 's')
		jinja_write_text(s, output, "%s");
	else if (*p != 'z' && *p != 'Z')
	{
		length = strftime_l(text, sizeof(text), format, s->now, locale);
		jinja_write(s, output, text, length);
	}
	return p + 1;
}

static jinja_value
global_strftime_now(jinja_state *s, const jinja_value *a)
{
	locale_t locale;
	jinja_output output = {0};
	const char *p, *end;

	if (a[0].type != JINJA_STRING)
		return jinja_raise(s, "strftime() argument 1 must be str, not %s", jinja_type_name(a[0]));
	if (s->now == NULL)
	{
		jinja_fail(s, TFM_UNSUPPORTED, s->line, "strftime_now is not available: no time was given");
		return jinja_none();
	}
	locale = newlocale(LC_ALL_MASK, "C", (locale_t) 0);
	if (locale == (locale_t) 0)
	{
		tfm_fail(s->context, TFM_OUT_OF_MEMORY, "out of memory");
		return jinja_none();
	}
	p = a[0].string->data;
	end = p + a[0].string->bytes;
	while (p < end && !tfm_failed(s->context))
	{
		const char *percent = memchr(p, '%', (size_t) (end - p));
		const char *plain = percent != NULL ? percent : end;

		jinja_write(s, &output, p, (size_t) (plain - p));
		p = percent != NULL ? write_time(s, &output, locale, percent, end) : end;
	}
	freelocale(locale);
	return jinja_written(s, &output);
}

static const jinja_function globals[] = {
	{"range", "start stop step", 1, global_range, NULL},
	{"dict", NULL, 0, NULL, global_dict},
	{"lipsum", NULL, 0, NULL, global_lipsum},
	{"cycler", NULL, 0, NULL, global_cycler},
	{"joiner", "sep", 0, global_joiner, NULL},
	{"namespace", NULL, 0, NULL, global_namespace},
	{"raise_exception", "message", 1, global_raise_exception, NULL},
	{"strftime_now", "format", 1, global_strftime_now, NULL},
};

bool
jinja_add_globals(jinja_state *s)
{
	for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++)
		if (!jinja_put_name(s, s->variables, globals[i].name,
							jinja_object(JINJA_FUNCTION, &globals[i])))
			return false;
	return true;
}
