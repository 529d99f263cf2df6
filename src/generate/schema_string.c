/*
 * schema_string.c
 *	  Strings and keys.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/schema.h"

#include <string.h>

#include "base/utf8.h"
#include "generate/regex.h"

#define YEAR "[1-9]\\d{3}"
#define DATE                                                                                       \
	YEAR "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|"    \
		 "02-(?:0[1-9]|1\\d|2[0-8]))"
#define TIME                                                                                       \
	"(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
#define OCTET "(?:25[0-5]|2[0-4]\\d|1\\d{2}|[1-9]?\\d)"
#define LABEL "[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"
#define HOST LABEL "(?:\\." LABEL "){0,4}"
#define PATH "(?:/[A-Za-z0-9._~-]{0,40}){0,10}"
#define QUERY "(?:\\?[A-Za-z0-9._~=&-]{0,60})?(?:#[A-Za-z0-9._~-]{0,40})?"

/* Formats, as patterns that match some of what they allow. */
static const struct
{
	const char *name, *pattern;
} formats[] = {
	{"date", DATE},
	{"time", TIME},
	{"date-time", DATE "T" TIME},
	{"duration", "P(?:[1-9]\\d{0,3}W|[1-9]\\d{0,3}D(?:T[1-9]\\d{0,3}H)?|"
				 "T[1-9]\\d{0,3}(?:H(?:[1-9]\\d{0,3}M)?|M|S))"},
	{"email",
	 "[a-zA-Z0-9_+-]{1,20}(?:\\.[a-zA-Z0-9_+-]{1,20}){0,2}@" LABEL "(?:\\." LABEL "){1,3}"},
	{"idn-email",
	 "[a-zA-Z0-9_+-]{1,20}(?:\\.[a-zA-Z0-9_+-]{1,20}){0,2}@" LABEL "(?:\\." LABEL "){1,3}"},
	{"hostname", HOST},
	{"idn-hostname", HOST},
	{"ipv4", OCTET "(?:\\." OCTET "){3}"},
	{"ipv6", "[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){7}|::1"},
	{"uri", "https?://" HOST "(?::[1-9]\\d{1,3})?" PATH QUERY},
	{"url", "https?://" HOST "(?::[1-9]\\d{1,3})?" PATH QUERY},
	{"iri", "https?://" HOST PATH QUERY},
	{"uri-reference", "(?:https?://" HOST ")?" PATH QUERY},
	{"iri-reference", "(?:https?://" HOST ")?" PATH QUERY},
	{"uuid", "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"},
	{"json-pointer", "(?:/[A-Za-z0-9_-]{0,40}){0,10}"},
	{"relative-json-pointer", "(?:0|[1-9]\\d{0,2})(?:#|(?:/[A-Za-z0-9_-]{0,40}){0,10})"},
	{"regex", "\\^[A-Za-z0-9]{0,20}(?:\\[a-z\\][*+])?[A-Za-z0-9]{0,20}\\$"},
	{"byte", "(?:[A-Za-z0-9+/]{4}){0,250}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"},
};

/* Formats that say nothing of a string. */
static const char *const mere_names[] = {"int32",	"int64",	"float",  "double",
										 "decimal", "password", "binary", "string",
										 "text",	"integer",	"number"};

gen_expression
schema_escape(schema_compiler *s)
{
	static const char *const patterns[] = {
		"\\\\[\"\\\\/bfnrt]",
		"\\\\u(?:000[1-9a-fA-F]|00[1-9a-fA-F][0-9a-fA-F]|0[1-9a-fA-F][0-9a-fA-F]{2}|"
		"[1-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2})",
	};
	gen_expression parts[2];

	for (size_t i = 0; i < 2; i++)
	{
		gen_regex regex = {
			.pattern = {patterns[i], strlen(patterns[i])}, .source = "escape", .maximum = 100};

		parts[i] = gen_regular(s->g, &regex);
	}
	return gen_either(s->g, parts, 2);
}

static gen_expression
quote(schema_compiler *s, gen_expression inside)
{
	return gen_all_of(s->g, gen_string(s->g, "\""), inside, gen_string(s->g, "\""));
}

/* Characters that need no escape. */
static bool
add_plain(schema_compiler *s, tok_set *set)
{
	return tok_set_add(s->context, set, 0x20, 0x21) && tok_set_add(s->context, set, 0x23, 0x5B) &&
		   tok_set_add(s->context, set, 0x5D, TOK_LAST_CHARACTER);
}

/* ---- Keys ---- */

gen_expression
schema_key(schema_compiler *s, const char *key)
{
	buffer *text = buffer_create(s->context);

	if (text == NULL || !json_append_string(s->context, text, key, strlen(key)))
		return 0;
	return gen_all_of(s->g, gen_literal(s->g, text->data, text->length), s->colon);
}

/*
 * What may follow the first bytes of a key, which those of the taken keys (sorted) that are left begin
 * with: no byte that leads to one of them and then anything, or one that does and so on.
 */
static gen_expression
avoid(schema_compiler *s, const tfm_text *taken, size_t count, size_t from, gen_expression anything,
	  int depth)
{
	gen_grammar *g = s->g;
	gen_list list = {0};
	tok_set set = {0}, plain = {0};
	size_t next;

	if (!add_plain(s, &plain))
		return 0;
	if (from > 0 && taken[0].length > from)
		gen_list_add(g, &list, gen_string(g, ""));
	for (size_t i = 0; i < count; i = next)
	{
		int width;
		uint32_t character;

		next = i + 1;
		if (taken[i].length == from)
			continue;
		character = utf8_decode(taken[i].data + from, &width);
		while (next < count && taken[next].length >= from + (size_t) width &&
			   memcmp(taken[next].data + from, taken[i].data + from, (size_t) width) == 0)
			next++;
		if (!tok_set_add(s->context, &set, character, character))
			return 0;
		/* Keys that are too alike, or need escapes, are kept away from altogether. */
		tok_set_sort(&plain);
		if (depth > 0 && tok_set_has(&plain, character) &&
			!gen_list_add(g, &list,
						  gen_all_of(g, gen_literal(g, taken[i].data + from, (size_t) width),
									 avoid(s, taken + i, next - i, from + (size_t) width, anything,
										   depth - 1))))
			return 0;
	}
	if (!tok_set_invert(s->context, &set) || !tok_set_intersect(s->context, &set, &plain) ||
		!gen_list_add(g, &list, gen_all_of(g, gen_characters(g, &set, 1, 1, 0), anything)))
		return 0;
	return gen_either(g, list.items, list.count);
}

static void
sort_keys(tfm_text *keys, size_t count)
{
	for (size_t i = 1; i < count; i++)
		for (size_t k = i; k > 0; k--)
		{
			size_t shorter =
				keys[k].length < keys[k - 1].length ? keys[k].length : keys[k - 1].length;
			int order = shorter == 0 ? 0 : memcmp(keys[k].data, keys[k - 1].data, shorter);
			tfm_text swapped = keys[k];

			if (order > 0 || (order == 0 && keys[k].length >= keys[k - 1].length))
				break;
			keys[k] = keys[k - 1];
			keys[k - 1] = swapped;
		}
}

/* Keys are written without escapes, so that none is another one that is taken. */
gen_expression
schema_free_key(schema_compiler *s, tfm_text *taken, size_t count)
{
	tok_set plain = {0};
	gen_expression anything;

	if (!add_plain(s, &plain))
		return 0;
	if (count == 0)
		return gen_all_of(s->g, quote(s, gen_characters(s->g, &plain, 0, GEN_UNBOUNDED, s->escape)),
						  s->colon);
	anything = gen_characters(s->g, &plain, 0, GEN_UNBOUNDED, 0);
	sort_keys(taken, count);
	return gen_all_of(s->g, quote(s, avoid(s, taken, count, 0, anything, 60)), s->colon);
}

/* ---- Values ---- */

gen_expression
schema_pattern(schema_compiler *s, tfm_text pattern, uint32_t least, uint32_t most)
{
	gen_regex regex = {.pattern = pattern,
					   .source = s->root.source,
					   .is_json = true,
					   .minimum = least,
					   .maximum = most};

	return quote(s, gen_regular(s->g, &regex));
}

const char *
schema_format(schema_compiler *s, json format)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, json_as_string(format)) == 0)
			return formats[i].pattern;
	for (size_t i = 0; i < sizeof(mere_names) / sizeof(mere_names[0]); i++)
		if (strcmp(mere_names[i], json_as_string(format)) == 0)
			return NULL;
	tfm_fail(s->context, TFM_UNSUPPORTED, "%s: format \"%.100s\" is not supported", s->root.source,
			 json_as_string(format));
	return NULL;
}

/* The one pattern that the schemas have; *found is NULL if there is none. */
static bool
find_pattern(schema_compiler *s, const schema_set *set, const char **found)
{
	*found = NULL;
	for (size_t i = 0; i < set->count; i++)
	{
		json pattern = schema_member(set->items[i].schema, "pattern");
		json format = schema_member(set->items[i].schema, "format");
		const char *texts[] = {NULL, NULL};

		if ((set->items[i].flags & (SCHEMA_NEGATED | SCHEMA_NEGATED_PROPERTY)) != 0)
			continue;
		if (json_present(pattern) && !json_is_string(pattern))
			return schema_fail(s, TFM_INVALID_ARGUMENT, "pattern", "is no text") != 0;
		texts[0] = json_present(pattern) ? json_as_string(pattern) : NULL;
		texts[1] = json_present(format) ? schema_format(s, format) : NULL;
		for (size_t k = 0; k < 2; k++)
		{
			if (texts[k] != NULL && *found != NULL && strcmp(texts[k], *found) != 0)
				return schema_fail(s, TFM_UNSUPPORTED, "pattern",
								   "is not supported together with another or with a format") != 0;
			*found = texts[k] != NULL ? texts[k] : *found;
		}
	}
	return !tfm_failed(s->context);
}

gen_expression
schema_string(schema_compiler *s, const schema_set *set)
{
	uint32_t least = 0, most = GEN_UNBOUNDED;
	const char *pattern;
	tok_set plain = {0};

	if (!schema_least(s, set, "minLength", &least) || !schema_most(s, set, "maxLength", &most) ||
		!find_pattern(s, set, &pattern))
		return 0;
	if (least > most)
		return gen_either(s->g, NULL, 0);
	if (pattern != NULL)
		return schema_pattern(s, (tfm_text) {pattern, strlen(pattern)}, least, most);
	if (!add_plain(s, &plain))
		return 0;
	return quote(s, gen_characters(s->g, &plain, least, most, s->escape));
}
