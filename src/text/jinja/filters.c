/*
 * filters.c
 *	  The table of filters, and those that are a few lines.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/filters.h"

#include "text/jinja/json_value.h"
#include "text/jinja/number.h"

static jinja_value
filter_attr(jinja_state *s, const jinja_value *a)
{
	jinja_value value;

	if (a[0].type == JINJA_UNDEFINED)
		return jinja_undefined_member(s, a[0], a[1]);
	if (a[1].type != JINJA_STRING)
		return jinja_raise(s, "attribute name must be string, not '%s'", jinja_type_name(a[1]));
	value = jinja_attribute_only(s, a[0], a[1].string);
	return value.type == JINJA_MISSING ? jinja_undefined_member(s, a[0], a[1]) : value;
}

static jinja_value
filter_default(jinja_state *s, const jinja_value *a)
{
	bool boolean = jinja_flag(s, a[2], false);

	if (a[0].type != JINJA_UNDEFINED && (!boolean || jinja_truth(s, a[0])))
		return a[0];
	return a[1].type != JINJA_MISSING ? a[1] : jinja_text_kept(s, "", 0);
}

static jinja_value
filter_pprint(jinja_state *s, const jinja_value *a)
{
	return jinja_pprint(s, a[0]);
}

static jinja_value
filter_random(jinja_state *s, const jinja_value *a)
{
	(void) a;
	jinja_fail(s, TFM_UNSUPPORTED, s->line,
			   "the filter \"random\" is not supported: a rendering must be repeatable");
	return jinja_none();
}

/* The indent of a level: as many spaces as a number says, or a text. */
static bool
json_indent(jinja_state *s, jinja_value value, const jinja_string **indent)
{
	jinja_value text;
	int64_t width;

	*indent = NULL;
	if (value.type == JINJA_MISSING || value.type == JINJA_NONE)
		return true;
	if (value.type == JINJA_STRING)
		*indent = value.string;
	else
	{
		if (!jinja_get_index(s, value, &width))
			return false;
		text = jinja_text_kept(s, "", 0);
		if (text.type != JINJA_STRING)
			return false;
		text = jinja_pad(s, text.string, width, ' ', '<');
		if (text.type != JINJA_STRING)
			return false;
		*indent = text.string;
	}
	return true;
}

static bool
json_separators(jinja_state *s, jinja_value value, jinja_json_style *style)
{
	jinja_list *both;

	if (value.type == JINJA_MISSING || value.type == JINJA_NONE)
		return true;
	both = jinja_to_list(s, value);
	if (both == NULL)
		return false;
	if (both->count != 2 || both->items[0].type != JINJA_STRING ||
		both->items[1].type != JINJA_STRING)
	{
		jinja_raise(s, "separators must be two strings");
		return false;
	}
	style->item_separator = both->items[0].string;
	style->key_separator = both->items[1].string;
	return true;
}

static jinja_value
filter_tojson(jinja_state *s, const jinja_value *a)
{
	jinja_json_style style = {.ensure_ascii = jinja_flag(s, a[1], false),
							  .sort_keys = jinja_flag(s, a[4], false)};
	jinja_output output = {0};

	if (!json_indent(s, a[2], &style.indent) || !json_separators(s, a[3], &style) ||
		!jinja_json_write(s, &output, a[0], &style))
		return jinja_none();
	return jinja_written(s, &output);
}

static const jinja_function filters[] = {
	{"abs", "value", 1, jinja_filter_abs, NULL},
	{"attr", "obj name", 2, filter_attr, NULL},
	{"batch", "value linecount fill_with", 2, jinja_filter_batch, NULL},
	{"capitalize", "s", 1, jinja_filter_capitalize, NULL},
	{"center", "value width", 1, jinja_filter_center, NULL},
	{"count", "value", 1, jinja_filter_length, NULL},
	{"d", "value default_value boolean", 1, filter_default, NULL},
	{"default", "value default_value boolean", 1, filter_default, NULL},
	{"dictsort", "value case_sensitive by reverse", 1, jinja_filter_dictsort, NULL},
	{"e", "s", 1, jinja_filter_escape, NULL},
	{"escape", "s", 1, jinja_filter_escape, NULL},
	{"filesizeformat", "value binary", 1, jinja_filter_filesizeformat, NULL},
	{"first", "seq", 1, jinja_filter_first, NULL},
	{"float", "value default", 1, jinja_filter_float, NULL},
	{"forceescape", "value", 1, jinja_filter_forceescape, NULL},
	{"format", NULL, 0, NULL, jinja_filter_format},
	{"groupby", "value attribute default case_sensitive", 2, jinja_filter_groupby, NULL},
	{"indent", "s width first blank", 1, jinja_filter_indent, NULL},
	{"int", "value default base", 1, jinja_filter_int, NULL},
	{"items", "value", 1, jinja_filter_items, NULL},
	{"join", "value d attribute", 1, jinja_filter_join, NULL},
	{"last", "seq", 1, jinja_filter_last, NULL},
	{"length", "value", 1, jinja_filter_length, NULL},
	{"list", "value", 1, jinja_filter_list, NULL},
	{"lower", "s", 1, jinja_filter_lower, NULL},
	{"map", NULL, 0, NULL, jinja_filter_map},
	{"max", "value case_sensitive attribute", 1, jinja_filter_max, NULL},
	{"min", "value case_sensitive attribute", 1, jinja_filter_min, NULL},
	{"pprint", "value", 1, filter_pprint, NULL},
	{"random", "seq", 1, filter_random, NULL},
	{"reject", NULL, 0, NULL, jinja_filter_reject},
	{"rejectattr", NULL, 0, NULL, jinja_filter_rejectattr},
	{"replace", "s old new count", 3, jinja_filter_replace, NULL},
	{"reverse", "value", 1, jinja_filter_reverse, NULL},
	{"round", "value precision method", 1, jinja_filter_round, NULL},
	{"safe", "value", 1, jinja_filter_safe, NULL},
	{"select", NULL, 0, NULL, jinja_filter_select},
	{"selectattr", NULL, 0, NULL, jinja_filter_selectattr},
	{"slice", "value slices fill_with", 2, jinja_filter_slice, NULL},
	{"sort", "value reverse case_sensitive attribute", 1, jinja_filter_sort, NULL},
	{"string", "object", 1, jinja_filter_string, NULL},
	{"striptags", "value", 1, jinja_filter_striptags, NULL},
	{"sum", "iterable attribute start", 1, jinja_filter_sum, NULL},
	{"title", "s", 1, jinja_filter_title, NULL},
	{"tojson", "x ensure_ascii indent separators sort_keys", 1, filter_tojson, NULL},
	{"trim", "value chars", 1, jinja_filter_trim, NULL},
	{"truncate", "s length killwords end leeway", 1, jinja_filter_truncate, NULL},
	{"unique", "value case_sensitive attribute", 1, jinja_filter_unique, NULL},
	{"upper", "s", 1, jinja_filter_upper, NULL},
	{"urlencode", "value", 1, jinja_filter_urlencode, NULL},
	{"urlize", "value trim_url_limit nofollow target rel extra_schemes", 1, jinja_filter_urlize,
	 NULL},
	{"wordcount", "s", 1, jinja_filter_wordcount, NULL},
	{"wordwrap", "s width break_long_words wrapstring break_on_hyphens", 1, jinja_filter_wordwrap,
	 NULL},
	{"xmlattr", "d autospace", 1, jinja_filter_xmlattr, NULL},
};

const jinja_function *
jinja_find_filter(const jinja_string *name)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (jinja_is_text(name, filters[i].name))
			return &filters[i];
	return NULL;
}
