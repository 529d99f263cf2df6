/*
 * post_processors.c
 *	  TemplateProcessing, BertProcessing, RobertaProcessing and ByteLevel, as work on layouts.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"
#include "text/layouts.h"

#include <string.h>

/* ["[SEP]", 102]; where we write the file ourselves, the id is left to be found. */
static bool
read_special(tok_compiler *compiler, json spec, const char *key, tok_special_token *token)
{
	json text = json_first(json_member(spec, key));
	json id = json_next(text);

	token->text = json_as_string(text);
	if (json_is_string(text) && !json_present(id))
		token->id = tok_compiled_id(compiler, token->text);
	else if (!json_is_string(text) || !json_to_int(id, 0, INT32_MAX - 1, &token->id))
		token->id = -1;
	if (token->id < 0)
		return tfm_fail(compiler->context, TFM_CORRUPTED,
						"\"%s\": key \"%s\" of the post-processor must be a token and its id",
						compiler->source, key);
	return true;
}

#define ADDED_MAX 100000
#define TEXTS_MAX 16	/* that a template lays out */
#define WRAPPED_MAX 100 /* parts that are still wrapped */

static bool
fail_many(tok_compiler *compiler)
{
	return tfm_fail(compiler->context, TFM_LIMIT_EXCEEDED,
					"\"%s\": the post-processors add too many tokens", compiler->source);
}

/* Count tokens that a post-processor says it adds to a text and to a pair. */
static bool
count_added(tok_compiler *compiler, size_t single, size_t pair)
{
	int32_t *added = compiler->settings.added_tokens;

	if (single > ADDED_MAX || pair > ADDED_MAX || (size_t) added[0] + single > ADDED_MAX ||
		(size_t) added[1] + pair > ADDED_MAX)
		return fail_many(compiler);
	added[0] += (int32_t) single;
	added[1] += (int32_t) pair;
	return true;
}

/* ---- BertProcessing and RobertaProcessing ---- */

/* cls A sep, and what inner puts before each part after the first, B sep */
static bool
wrap_parts(tok_compiler *compiler, const tok_special_token *cls, const tok_special_token *inner,
		   const tok_special_token *sep, int32_t later_type_id)
{
	for (int i = 0; i < TOK_LAYOUT_PLAIN; i++)
	{
		tok_layout *layout = &compiler->layouts->all[i];

		if (layout->count > WRAPPED_MAX)
			return fail_many(compiler);
		for (size_t p = 0; p < layout->count; p++)
			if (!tok_wrap_part(compiler, &layout->parts[p], p == 0 ? cls : inner, sep,
							   p == 0 ? 0 : later_type_id, p > 0))
				return false;
	}
	return true;
}

static bool
compile_bert(tok_compiler *compiler, json spec, buffer *payload)
{
	tok_special_token sep, cls;

	(void) payload;
	return count_added(compiler, 2, 3) && read_special(compiler, spec, "sep", &sep) &&
		   read_special(compiler, spec, "cls", &cls) && wrap_parts(compiler, &cls, NULL, &sep, 1);
}

/* All tokens are of type 0; of overflowing pieces, only where they get special tokens. */
static void
clear_types(tok_compiler *compiler)
{
	for (int i = 0; i < TOK_LAYOUT_COUNT; i++)
	{
		tok_layout *layout = &compiler->layouts->all[i];

		for (size_t p = 0; p < layout->count; p++)
		{
			tok_set_part_type(&layout->parts[p], false, 0);
			if ((i & TOK_LAYOUT_PLAIN) == 0)
				tok_set_part_type(&layout->parts[p], true, 0);
		}
	}
}

static bool
compile_roberta(tok_compiler *compiler, json spec, buffer *payload)
{
	tok_special_token sep, cls;
	bool trims = tok_require_bool(compiler, spec, "trim_offsets");
	bool add_prefix_space = tok_require_bool(compiler, spec, "add_prefix_space");

	(void) payload;
	if (tfm_failed(compiler->context) || !count_added(compiler, 2, 4) ||
		!read_special(compiler, spec, "sep", &sep) || !read_special(compiler, spec, "cls", &cls) ||
		(trims && !tok_trim_layouts(compiler, add_prefix_space)))
		return false;
	clear_types(compiler);
	return wrap_parts(compiler, &cls, &sep, &sep, 0);
}

/* ---- ByteLevel ---- */

static bool
compile_byte_level(tok_compiler *compiler, json spec, buffer *payload)
{
	bool add_prefix_space = tok_require_bool(compiler, spec, "add_prefix_space");
	bool trims = tok_require_bool(compiler, spec, "trim_offsets");

	(void) payload;
	if (tfm_failed(compiler->context) || (trims && !tok_trim_layouts(compiler, add_prefix_space)))
		return false;
	for (int i = 0; i < TOK_LAYOUT_COUNT; i++)
		for (size_t p = 0; p < compiler->layouts->all[i].count; p++)
			tok_set_part_range(&compiler->layouts->all[i].parts[p], p);
	return true;
}

/* ---- TemplateProcessing ---- */

/* A template being applied to a layout. */
typedef struct template
{
	json specials;
	tok_layout *before, after;
	bool plain; /* special tokens are left out */
	int texts;	/* so far */
}
template;

/* The ids and tokens that stand for a special token of a template: a part. */
static bool
append_template_special(tok_compiler *compiler, template *t, json piece)
{
	tfm_context *context = compiler->context;
	const char *name = json_require_string(context, piece, "id");
	int32_t type_id = (int32_t) json_require_int(context, piece, "type_id", 0, INT32_MAX);
	json entry = tfm_failed(context) ? piece : json_member(t->specials, name);
	json id = json_first(json_member(entry, "ids"));
	json token = json_first(json_member(entry, "tokens"));
	tok_layout_part part = {.count = 0};

	if (!tfm_failed(context) && !json_is_object(entry))
		tfm_fail(context, TFM_CORRUPTED, "\"%s\": special token \"%s\" of the template is missing",
				 compiler->source, name);
	part.segments =
		tfm_alloc_array(context, json_size(json_member(entry, "ids")), sizeof(tok_segment));
	for (; !tfm_failed(context) && json_present(id); id = json_next(id), token = json_next(token))
	{
		tok_special_token one = {.text = json_as_string(token)};

		/* -1, in what we write ourselves, leaves the id to be found. */
		if (json_to_int(id, -1, -1, &one.id))
			one.id = tok_compiled_id(compiler, one.text);
		else if (!json_to_int(id, 0, INT32_MAX - 1, &one.id))
			one.id = -1;
		if (!json_is_string(token) || one.id < 0)
			tfm_fail(context, TFM_CORRUPTED,
					 "\"%s\": special token \"%s\" of the template must have ids and tokens",
					 compiler->source, name);
		else
		{
			tok_segment *segment = &part.segments[part.count++];

			if (tok_special_segment(compiler, one, type_id, segment) &&
				json_bool(context, piece, "once", false))
				segment->flags |= TOK_SEGMENT_ONCE;
		}
	}
	if (!t->plain)
		t->after.parts[t->after.count++] = part;
	return !tfm_failed(context);
}

/* A part that was there before, as it then is. */
static bool
append_template_text(tok_compiler *compiler, template *t, json piece)
{
	tfm_context *context = compiler->context;
	const char *name = json_require_string(context, piece, "id");
	int32_t type_id = (int32_t) json_require_int(context, piece, "type_id", 0, INT32_MAX);
	size_t sequence = strcmp(name, "B") == 0;
	tok_layout_part *part, *copy = &t->after.parts[t->after.count++];

	if (++t->texts > TEXTS_MAX)
		return fail_many(compiler);
	if (!tfm_failed(context) &&
		((sequence == 0 && strcmp(name, "A") != 0) || sequence >= t->before->count))
		tfm_fail(context, TFM_CORRUPTED, "\"%s\": the template uses an unknown sequence \"%s\"",
				 compiler->source, name);
	if (tfm_failed(context))
		return false;
	part = &t->before->parts[sequence];
	tok_set_part_type(part, false, type_id);
	tok_set_part_range(part, sequence);
	copy->count = part->count;
	copy->segments = tfm_alloc_array(context, part->count, sizeof(tok_segment));
	if (copy->segments == NULL)
		return false;
	if (part->count > 0)
		memcpy(copy->segments, part->segments, part->count * sizeof(tok_segment));
	return true;
}

static bool
apply_template(tok_compiler *compiler, json spec, int number)
{
	tok_layout *layout = &compiler->layouts->all[number];
	json list = json_member(spec, layout->count == 2 ? "pair" : "single");
	template t = {
		.specials = json_member(spec, "special_tokens"),
		.before = layout,
		.plain = (number & TOK_LAYOUT_PLAIN) != 0,
	};

	/* The library panics, when it encodes. */
	if (layout->count != 1 && layout->count != 2)
		return tfm_fail(compiler->context, TFM_UNSUPPORTED,
						"\"%s\": a template after another one that adds tokens is not supported",
						compiler->source);
	t.after.parts = tfm_alloc_array(compiler->context, json_size(list), sizeof(tok_layout_part));
	if (t.after.parts == NULL)
		return false;
	for (json piece = json_first(list); json_present(piece); piece = json_next(piece))
	{
		json text = json_member(piece, "Sequence");

		if (json_present(text)
				? !append_template_text(compiler, &t, text)
				: !append_template_special(compiler, &t, json_member(piece, "SpecialToken")))
			return false;
	}
	*layout = t.after;
	return true;
}

/* The tokens that a template adds, as the library counts them. */
static size_t
count_template(json spec, const char *key)
{
	json specials = json_member(spec, "special_tokens");
	size_t count = 0;

	for (json piece = json_first(json_member(spec, key)); json_present(piece);
		 piece = json_next(piece))
	{
		json name = json_member(json_member(piece, "SpecialToken"), "id");

		if (json_is_string(name))
			count += json_size(json_member(json_member(specials, json_as_string(name)), "ids"));
	}
	return count;
}

static bool
compile_template(tok_compiler *compiler, json spec, buffer *payload)
{
	static const char *const keys[] = {"single", "pair"};

	(void) payload;
	for (int i = 0; i < 2; i++)
		if (!json_is_array(json_member(spec, keys[i])))
			return tfm_fail(compiler->context, TFM_CORRUPTED,
							"\"%s\": key \"%s\" of the post-processor must be a list",
							compiler->source, keys[i]);
	if (!count_added(compiler, count_template(spec, keys[0]), count_template(spec, keys[1])))
		return false;
	for (int i = 0; i < TOK_LAYOUT_COUNT; i++)
		if (!apply_template(compiler, spec, i))
			return false;
	return true;
}

const tok_post_processor tok_post_processor_template = {
	.row = {"TemplateProcessing", compile_template},
};
const tok_post_processor tok_post_processor_bert = {
	.row = {"BertProcessing", compile_bert},
};
const tok_post_processor tok_post_processor_roberta = {
	.row = {"RobertaProcessing", compile_roberta},
};
const tok_post_processor tok_post_processor_byte_level = {
	.row = {"ByteLevel", compile_byte_level},
};
