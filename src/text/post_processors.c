/*
 * post_processors.c
 *	  TemplateProcessing, BertProcessing and RobertaProcessing, compiled to one form: segments.
 *
 * What a post-processor does to a text (a pair) is a row of segments, each a special token or the
 * tokens of a text with a type id; without special tokens those are simply left out.  layout.c puts
 * them together.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/compile.h"
#include "text/components.h"

#include <string.h>

/* A special token of a post-processor. */
typedef struct special
{
	const char *text;
	int64_t id;
} special;

static bool
append_segment(tok_compiler *compiler, tok_segment segment, bool pair)
{
	if (pair)
		compiler->settings.pair_segments++;
	else
		compiler->settings.single_segments++;
	return buffer_append(compiler->context, compiler->sections[TOK_SECTION_SEGMENTS], &segment,
						 sizeof(segment));
}

static bool
append_text(tok_compiler *compiler, int sequence, int32_t type_id, int32_t overflowing_type_id,
			bool pair)
{
	tok_segment segment = {
		.sequence = sequence,
		.type_id = type_id,
		.overflowing_type_id = overflowing_type_id,
		.id = -1,
	};

	return append_segment(compiler, segment, pair);
}

static bool
append_special(tok_compiler *compiler, special token, int32_t type_id, bool pair)
{
	tok_segment segment = {
		.sequence = -1,
		.type_id = type_id,
		.overflowing_type_id = type_id,
		.id = (int32_t) token.id,
	};

	return tok_compile_id(compiler, token.id) &&
		   tok_compile_string(compiler, token.text, strlen(token.text), &segment.text) &&
		   append_segment(compiler, segment, pair);
}

/* A second layout in a sequence of post-processors would be laid around the first: nobody does. */
static bool
begin_layout(tok_compiler *compiler)
{
	if ((compiler->settings.layout_flags & TOK_LAYOUT_PRESENT) != 0)
		return tfm_fail(compiler->context, TFM_UNSUPPORTED,
						"\"%s\": several post-processors that add tokens are not supported",
						compiler->source);
	compiler->settings.layout_flags |= TOK_LAYOUT_PRESENT;
	return true;
}

/* ["[SEP]", 102]; where we write the file ourselves, the id is left to be found. */
static bool
read_special(tok_compiler *compiler, json spec, const char *key, special *token)
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

/* cls A sep, and cls A sep B sep */
static bool
compile_bert(tok_compiler *compiler, json spec, buffer *payload)
{
	special sep, cls;

	(void) payload;
	if (!begin_layout(compiler) || !read_special(compiler, spec, "sep", &sep) ||
		!read_special(compiler, spec, "cls", &cls))
		return false;
	for (int pair = 0; pair < 2; pair++)
		if (!append_special(compiler, cls, 0, pair) || !append_text(compiler, 0, 0, 0, pair) ||
			!append_special(compiler, sep, 0, pair))
			return false;
	return append_text(compiler, 1, 1, 1, true) && append_special(compiler, sep, 1, true);
}

/* cls A sep, and cls A sep sep B sep, all of type 0 */
static bool
compile_roberta(tok_compiler *compiler, json spec, buffer *payload)
{
	special sep, cls;

	(void) payload;
	if (!begin_layout(compiler) || !read_special(compiler, spec, "sep", &sep) ||
		!read_special(compiler, spec, "cls", &cls))
		return false;
	if (tok_require_bool(compiler, spec, "trim_offsets"))
		compiler->settings.layout_flags |= TOK_LAYOUT_TRIM;
	if (tok_require_bool(compiler, spec, "add_prefix_space"))
		compiler->settings.layout_flags |= TOK_LAYOUT_PREFIX_SPACE;
	for (int pair = 0; pair < 2; pair++)
		if (!append_special(compiler, cls, 0, pair) || !append_text(compiler, 0, 0, 0, pair) ||
			!append_special(compiler, sep, 0, pair))
			return false;
	return append_special(compiler, sep, 0, true) && append_text(compiler, 1, 0, 0, true) &&
		   append_special(compiler, sep, 0, true) && !tfm_failed(compiler->context);
}

/* The ids and tokens that stand for a special token of a template. */
static bool
append_template_special(tok_compiler *compiler, json specials, json piece, bool pair)
{
	tfm_context *context = compiler->context;
	const char *name = json_require_string(context, piece, "id");
	int32_t type_id = (int32_t) json_require_int(context, piece, "type_id", 0, INT32_MAX);
	json entry = tfm_failed(context) ? piece : json_member(specials, name);
	json id = json_first(json_member(entry, "ids"));
	json token = json_first(json_member(entry, "tokens"));

	if (!tfm_failed(context) && !json_is_object(entry))
		tfm_fail(context, TFM_CORRUPTED, "\"%s\": special token \"%s\" of the template is missing",
				 compiler->source, name);
	for (; !tfm_failed(context) && json_present(id); id = json_next(id), token = json_next(token))
	{
		special one = {.text = json_as_string(token)};

		if (!json_is_string(token) || !json_to_int(id, 0, INT32_MAX - 1, &one.id))
			tfm_fail(context, TFM_CORRUPTED,
					 "\"%s\": special token \"%s\" of the template must have ids and tokens",
					 compiler->source, name);
		else
			append_special(compiler, one, type_id, pair);
	}
	return !tfm_failed(context);
}

static bool
append_template_text(tok_compiler *compiler, json piece, bool pair)
{
	tfm_context *context = compiler->context;
	const char *name = json_require_string(context, piece, "id");
	int32_t type_id = (int32_t) json_require_int(context, piece, "type_id", 0, INT32_MAX);
	int sequence = strcmp(name, "B") == 0;

	if (!tfm_failed(context) && strcmp(name, "A") != 0 && !(sequence == 1 && pair))
		tfm_fail(context, TFM_CORRUPTED, "\"%s\": the template uses an unknown sequence \"%s\"",
				 compiler->source, name);
	return !tfm_failed(context) && append_text(compiler, sequence, type_id, sequence, pair);
}

static bool
compile_template_list(tok_compiler *compiler, json spec, const char *key, bool pair)
{
	json specials = json_member(spec, "special_tokens");
	json list = json_member(spec, key);

	if (!json_is_array(list))
		return tfm_fail(compiler->context, TFM_CORRUPTED,
						"\"%s\": key \"%s\" of the post-processor must be a list", compiler->source,
						key);
	for (json piece = json_first(list); json_present(piece); piece = json_next(piece))
	{
		json text = json_member(piece, "Sequence");
		bool ok = json_present(text)
					  ? append_template_text(compiler, text, pair)
					  : append_template_special(compiler, specials,
												json_member(piece, "SpecialToken"), pair);

		if (!ok)
			return false;
	}
	return true;
}

static bool
compile_template(tok_compiler *compiler, json spec, buffer *payload)
{
	(void) payload;
	return begin_layout(compiler) && compile_template_list(compiler, spec, "single", false) &&
		   compile_template_list(compiler, spec, "pair", true);
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
