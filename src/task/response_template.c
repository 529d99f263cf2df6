/*
 * response_template.c
 *	  Reading a response by the template of its tokenizer.
 *
 * Follows transformers/utils/chat_parsing/response_parser.py and content_parsers.py for a whole
 * response: at each place the first anchor opens or closes a region, whose text its field's parser makes
 * a value of.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/response_template.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "task/call_formats.h"
#include "text/regex.h"

#define FIELDS_MAX 32
#define SOURCE "response_template"

/* What a region begins or ends with: one of some texts, or a pattern. */
typedef struct anchor
{
	json literals; /* a text or an array of texts */
	tok_regex *regex;
} anchor;

typedef struct field
{
	json spec;
	const char *name;
	anchor open, close;
	bool has_open, has_close, repeats;
	const char *join;
	buffer
		*value;	  /* JSON; of a field that repeats its elements; of one that joins the plain text */
	size_t count; /* values so far */
} field;

typedef struct parser
{
	tfm_context *context;
	field fields[FIELDS_MAX];
	size_t count;
	field *implicit; /* what stands outside of all others; NULL: it is left out */
	field *order[FIELDS_MAX];
	size_t seen;
} parser;

typedef struct match
{
	field *field;
	bool opens;
	size_t start, end;
} match;

static bool
refuse(parser *p, tfm_error_kind kind, const char *name, const char *what)
{
	return tfm_fail(p->context, kind, "%s: field \"%s\" %s", SOURCE, name, what);
}

/* ---- Anchors ---- */

static bool
compile_pattern(parser *p, const char *name, json pattern, anchor *a)
{
	buffer *program = buffer_create(p->context);
	arena *scratch = arena_scratch(p->context->arena);
	const char *text;
	tok_pattern dotted = {.source = SOURCE};
	size_t offset;

	if (strstr(json_as_string(pattern), "(?P<") != NULL)
		return refuse(p, TFM_UNSUPPORTED, name,
					  "has a pattern with named groups, which are not supported");
	text = tfm_sprintf(p->context, "(?m:%s)", json_as_string(pattern));
	a->regex = tfm_alloc(p->context, sizeof(tok_regex));
	if (program == NULL || text == NULL || a->regex == NULL || scratch == NULL)
		return tfm_fail(p->context, TFM_OUT_OF_MEMORY, "out of memory");
	dotted.text = text;
	dotted.length = strlen(text);
	if (!tok_regex_compile(p->context, &dotted, program, &offset))
		return false;
	return tok_regex_open(a->regex, p->context, scratch, program->data + offset,
						  program->length - offset);
}

static bool
read_anchor(parser *p, json spec, const char *name, const char *literal, const char *pattern,
			anchor *a, bool *found)
{
	json literals = json_member(spec, literal), patterns = json_member(spec, pattern);

	*a = (anchor) {.literals = literals};
	*found = json_present(literals) || json_present(patterns);
	if (json_present(literals) && json_present(patterns))
		return refuse(p, TFM_INVALID_ARGUMENT, name, "has both an anchor and a pattern for it");
	if (json_is_string(patterns))
		return compile_pattern(p, name, patterns, a);
	if (*found && !json_is_string(literals) && json_size(literals) == 0)
		return refuse(p, TFM_INVALID_ARGUMENT, name, "has an anchor that is no text");
	return true;
}

/* The first place of one literal, the longer one if two are there. */
static void
find_literal(json literal, tfm_text text, size_t at, bool *found, size_t *start, size_t *end)
{
	size_t length = strlen(json_as_string(literal)), place;

	if (length == 0)
		return;
	place = at + call_format_find((tfm_text) {text.data + at, text.length - at},
								  json_as_string(literal));
	if (place == text.length ||
		(*found && (place > *start || (place == *start && place + length <= *end))))
		return;
	*found = true;
	*start = place;
	*end = place + length;
}

static bool
find_anchor(const anchor *a, tfm_text text, size_t at, size_t *start, size_t *end)
{
	bool found = false;

	if (a->regex != NULL)
	{
		tok_regex_forget(a->regex);
		return tok_regex_find(a->regex, text.data, text.length, at, start, end);
	}
	if (json_is_string(a->literals))
		find_literal(a->literals, text, at, &found, start, end);
	for (json child = json_first(a->literals); json_present(child); child = json_next(child))
		find_literal(child, text, at, &found, start, end);
	return found;
}

/* ---- Reading the template ---- */

static bool
read_field(parser *p, json spec)
{
	field *f = &p->fields[p->count];

	if (p->count == FIELDS_MAX)
		return tfm_fail(p->context, TFM_LIMIT_EXCEEDED, "%s has too many fields", SOURCE);
	*f = (field) {
		.spec = spec,
		.name = json_key(spec),
		.repeats = json_bool(p->context, spec, "repeats", false),
		.join = json_string(p->context, spec, "join", NULL),
		.value = buffer_create(p->context),
	};
	if (tfm_failed(p->context) ||
		!read_anchor(p, spec, f->name, "open", "open_pattern", &f->open, &f->has_open) ||
		!read_anchor(p, spec, f->name, "close", "close_pattern", &f->close, &f->has_close))
		return false;
	if (!f->has_open && p->implicit != NULL)
		return refuse(p, TFM_INVALID_ARGUMENT, f->name, "is the second without \"open\"");
	if (!f->has_open)
		p->implicit = f;
	p->count++;
	return true;
}

/* ---- Values ---- */

static bool
append_string(parser *p, buffer *out, tfm_text text)
{
	return json_append_string(p->context, out, text.length == 0 ? "" : text.data, text.length);
}

/* The content of a region as JSON. */
static bool
parse_content(parser *p, const field *f, tfm_text text, buffer *out)
{
	tfm_context *context = p->context;
	const char *kind = json_string(context, f->spec, "content", "text");
	json arguments = json_member(f->spec, "content_args"), value;
	tfm_text bare = json_bool(context, arguments, "strip", true) ? call_trim(text) : text;

	if (tfm_failed(context))
		return false;
	if (strcmp(kind, "text") == 0)
		return append_string(p, out, bare);
	if (strcmp(kind, "bool") == 0)
	{
		bool is_true = (bare.length == 1 && bare.data[0] == '1') ||
					   (bare.length == 4 && strncasecmp(bare.data, "true", 4) == 0);

		return buffer_append_string(context, out, json_truth(is_true));
	}
	if (json_present(json_member(arguments, "string_delims")) ||
		json_bool(context, arguments, "unquoted_keys", false) ||
		(strcmp(kind, "json") != 0 && strcmp(kind, "int") != 0 && strcmp(kind, "float") != 0))
		return refuse(p, TFM_UNSUPPORTED, f->name, "has a content parser that is not supported");
	value = call_json(context, call_trim(text));
	if (json_present(value) && (strcmp(kind, "json") == 0 || json_is_number(value)))
		return json_append(context, out, value);
	if (!tfm_failed(context) && json_bool(context, arguments, "allow_non_json", false))
		return append_string(p, out, bare);
	return tfm_failed(context)
			   ? false
			   : refuse(p, TFM_INVALID_ARGUMENT, f->name, "has content that cannot be read");
}

/* The value that "{content.key}" names; the first name is "content" or a key of each. */
static bool
append_placeholder(parser *p, const field *f, const char *path, json content, json each,
				   buffer *out)
{
	char name[128];
	json value = {.node = NULL};
	bool first = true;

	while (*path != '}')
	{
		size_t length = strcspn(path, ".}");

		if (length >= sizeof(name))
			return refuse(p, TFM_INVALID_ARGUMENT, f->name, "has too long a placeholder");
		memcpy(name, path, length);
		name[length] = '\0';
		if (!first)
			value = json_member(value, name);
		else
			value = json_present(each)			   ? json_member(each, name)
					: strcmp(name, "content") == 0 ? content
												   : value;
		first = false;
		if (!json_present(value))
			return refuse(p, TFM_INVALID_ARGUMENT, f->name,
						  "has a placeholder for what is not there");
		path += length + (path[length] == '.');
	}
	return json_append(p->context, out, value);
}

static bool
is_placeholder(const char *text)
{
	size_t length = strlen(text);

	return length > 2 && text[0] == '{' && text[length - 1] == '}' &&
		   strspn(text + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") ==
			   length - 2;
}

static bool
transform(parser *p, const field *f, json form, json content, json each, buffer *out)
{
	tfm_context *context = p->context;
	bool keys = json_is_object(form), first = true;

	if (json_is_string(form) && is_placeholder(json_as_string(form)))
		return append_placeholder(p, f, json_as_string(form) + 1, content, each, out);
	if (!keys && !json_is_array(form))
		return json_append(context, out, form);
	if (!buffer_append_string(context, out, keys ? "{" : "["))
		return false;
	for (json child = json_first(form); json_present(child); child = json_next(child))
	{
		if ((!first && !buffer_append_string(context, out, ", ")) ||
			(keys && (!json_append_string(context, out, json_key(child), strlen(json_key(child))) ||
					  !buffer_append_string(context, out, ": "))) ||
			!transform(p, f, child, content, each, out))
			return false;
		first = false;
	}
	return buffer_append_string(context, out, keys ? "}" : "]");
}

static bool
transform_each(parser *p, const field *f, json form, json content, buffer *out)
{
	bool first = true;

	if (!json_is_array(content))
		return refuse(p, TFM_INVALID_ARGUMENT, f->name, "has content that is no list");
	if (!buffer_append_string(p->context, out, "["))
		return false;
	for (json item = json_first(content); json_present(item); item = json_next(item))
	{
		if ((!first && !buffer_append_string(p->context, out, ", ")) ||
			!transform(p, f, form, content, item, out))
			return false;
		first = false;
	}
	return buffer_append_string(p->context, out, "]");
}

/* The value of a region's text, as JSON. */
static buffer *
make_value(parser *p, const field *f, tfm_text text)
{
	buffer *parsed = buffer_create(p->context), *out = buffer_create(p->context);
	json form = json_member(f->spec, "transform"), content;

	if (parsed == NULL || out == NULL || !parse_content(p, f, text, parsed))
		return NULL;
	if (!json_present(form))
		return parsed;
	content = call_json(p->context, (tfm_text) {parsed->data, parsed->length});
	if (json_bool(p->context, f->spec, "transform_each", false)
			? !transform_each(p, f, form, content, out)
			: !transform(p, f, form, content, (json) {.node = NULL}, out))
		return NULL;
	return out;
}

/* A region has ended: its value becomes, or is added to, that of its field. */
static bool
close_region(parser *p, field *f, tfm_text text)
{
	tfm_context *context = p->context;
	buffer *value = make_value(p, f, text);
	json string;

	if (value == NULL)
		return false;
	if (f->count++ == 0)
		p->order[p->seen++] = f;
	if (f->join != NULL)
	{
		string = call_json(context, (tfm_text) {value->data, value->length});
		if (!json_is_string(string))
			return refuse(p, TFM_INVALID_ARGUMENT, f->name, "joins what is no text");
		return (f->count == 1 || buffer_append_string(context, f->value, f->join)) &&
			   buffer_append_string(context, f->value, json_as_string(string));
	}
	if (!f->repeats)
		f->value->length = 0;
	return (!f->repeats || f->count == 1 || buffer_append_string(context, f->value, ", ")) &&
		   buffer_append(context, f->value, value->data, value->length);
}

/* ---- Regions ---- */

static void
consider(match *best, bool *found, field *f, bool opens, size_t start, size_t end)
{
	if (*found && (start > best->start || (start == best->start && end <= best->end)))
		return;
	*found = true;
	*best = (match) {f, opens, start, end};
}

/* The first anchor that counts where a field, or none, is open. */
static bool
find_next(parser *p, field *current, tfm_text text, size_t at, match *best)
{
	bool found = false;
	size_t start = 0, end = 0;

	if (current != NULL && current != p->implicit)
	{
		if (current->has_close && find_anchor(&current->close, text, at, &start, &end))
			consider(best, &found, current, false, start, end);
		return found;
	}
	for (size_t i = 0; i < p->count; i++)
		if (p->fields[i].has_open && find_anchor(&p->fields[i].open, text, at, &start, &end))
			consider(best, &found, &p->fields[i], true, start, end);
	if (p->implicit != NULL && p->implicit->has_close &&
		find_anchor(&p->implicit->close, text, at, &start, &end))
		consider(best, &found, p->implicit, false, start, end);
	return found;
}

static bool
read_regions(parser *p, tfm_text text)
{
	field *current = p->implicit;
	size_t begin = 0;
	bool opened = false;
	match next = {.field = NULL};

	while (find_next(p, current, text, begin, &next))
	{
		bool has_content = opened || next.start > begin;

		if (tfm_stopped(p->context))
			return false;
		if (current != NULL && has_content &&
			!close_region(p, current, (tfm_text) {text.data + begin, next.start - begin}))
			return false;
		if (!has_content && next.start == next.end && !next.opens)
			break;
		current = next.opens ? next.field : p->implicit;
		opened = next.opens;
		begin = next.end;
	}
	if (tfm_failed(p->context) || current == NULL || (!opened && begin == text.length))
		return !tfm_failed(p->context);
	return close_region(p, current, (tfm_text) {text.data + begin, text.length - begin});
}

/* ---- The message ---- */

static bool
is_empty(const field *f)
{
	tfm_text value = {f->value->data, f->value->length};

	if (f->join != NULL || f->repeats)
		return value.length == 0;
	return (value.length == 2 &&
			(memcmp(value.data, "\"\"", 2) == 0 || memcmp(value.data, "[]", 2) == 0 ||
			 memcmp(value.data, "{}", 2) == 0)) ||
		   (value.length == 4 && memcmp(value.data, "null", 4) == 0);
}

static bool
write_key(parser *p, buffer *out, const char *key, bool *first)
{
	bool good = *first || buffer_append_string(p->context, out, ", ");

	*first = false;
	return good && json_append_string(p->context, out, key, strlen(key)) &&
		   buffer_append_string(p->context, out, ": ");
}

static bool
write_field(parser *p, const field *f, buffer *out)
{
	tfm_context *context = p->context;

	if (f->join != NULL)
		return append_string(p, out, (tfm_text) {f->value->data, f->value->length});
	return (!f->repeats || buffer_append_string(context, out, "[")) &&
		   buffer_append(context, out, f->value->data, f->value->length) &&
		   (!f->repeats || buffer_append_string(context, out, "]"));
}

/* Whether an object has a member, be it null. */
static bool
has_member(json object, const char *key)
{
	json child = json_first(object);

	while (json_present(child) && strcmp(json_key(child), key) != 0)
		child = json_next(child);
	return json_present(child);
}

static const field *
find_seen(const parser *p, const char *name)
{
	for (size_t i = 0; i < p->seen; i++)
		if (strcmp(p->order[i]->name, name) == 0)
			return p->order[i];
	return NULL;
}

/* The defaults, with what came instead, and then the other fields in the order in which they came. */
static bool
write_message(parser *p, json defaults, buffer *out)
{
	bool first = true;

	if (!buffer_append_string(p->context, out, "{"))
		return false;
	for (json child = json_first(defaults); json_present(child); child = json_next(child))
	{
		const field *f = find_seen(p, json_key(child));

		if (!write_key(p, out, json_key(child), &first) ||
			!(f != NULL ? write_field(p, f, out) : json_append(p->context, out, child)))
			return false;
	}
	for (size_t i = 0; i < p->seen; i++)
	{
		const field *f = p->order[i];

		if (has_member(defaults, f->name) || is_empty(f))
			continue;
		if (!write_key(p, out, f->name, &first) || !write_field(p, f, out))
			return false;
	}
	return buffer_append_string(p->context, out, "}");
}

/* What of the prompt belongs to the message: from after the last start anchor on. */
static bool
cut_prompt(parser *p, json template, tfm_text prompt, tfm_text *begun)
{
	anchor a;
	bool found;
	size_t at = 0, start, end, last = 0;

	if (!read_anchor(p, template, "start_anchor", "start_anchor", "start_anchor_pattern", &a,
					 &found))
		return false;
	if (!found)
		return refuse(p, TFM_INVALID_ARGUMENT, "start_anchor", "is missing");
	while (at < prompt.length && find_anchor(&a, prompt, at, &start, &end))
	{
		last = end;
		at = end > start ? end : end + 1;
	}
	*begun = (tfm_text) {prompt.data + last, prompt.length - last};
	return !tfm_failed(p->context);
}

static bool
check_required(parser *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (!json_bool(p->context, p->fields[i].spec, "optional", true) && p->fields[i].count == 0)
			return refuse(p, TFM_INVALID_ARGUMENT, p->fields[i].name, "is not in the response");
	return !tfm_failed(p->context);
}

static bool
parse(parser *p, const message_request *request, buffer *out)
{
	json template = request->response_template, fields = json_member(template, "fields");
	buffer *text = buffer_create(p->context);
	tfm_text begun = {.data = NULL};

	if (text == NULL)
		return false;
	if (json_size(fields) == 0)
		return tfm_fail(p->context, TFM_INVALID_ARGUMENT, "%s has no fields", SOURCE);
	for (json child = json_first(fields); json_present(child); child = json_next(child))
		if (!read_field(p, child))
			return false;
	return cut_prompt(p, template, request->prompt, &begun) &&
		   buffer_append(p->context, text, begun.data, begun.length) &&
		   buffer_append(p->context, text, request->response.data, request->response.length) &&
		   read_regions(p, (tfm_text) {text->data, text->length}) && check_required(p) &&
		   write_message(p, json_member(template, "defaults"), out);
}

bool
task_parse_by_template(tfm_context *context, const message_request *request, buffer *message)
{
	arena *scratch = arena_scratch(context->arena);
	parser *p = tfm_alloc_zero(context, sizeof(parser));
	arena_mark mark;
	bool good;

	if (p == NULL || scratch == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	p->context = context;
	mark = arena_save(scratch);
	good = parse(p, request, message);
	arena_restore(scratch, mark);
	return good;
}
