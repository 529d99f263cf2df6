/*
 * compile.c
 *	  tokenizer.json to a blob: the stages in turn, then the sections put together.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/compile.h"

#include <string.h>

#include "base/file.h"
#include "base/size.h"
#include "text/blob.h"
#include "text/components.h"
#include "text/layouts.h"
#include "text/python/python.h"
#include "text/transformers/class.h"
#include "text/unicode.h"

#define FILE_MAX ((size_t) 512 * 1024 * 1024)
#define CONFIG_MAX ((size_t) 16 * 1024 * 1024)

/* A stage of the pipeline, for what is compiled alike in all. */
typedef struct stage
{
	const char *what; /* "normalizer", for messages */
	const char *list; /* key of the list in a Sequence */
	tok_section section;
	const void *const *types; /* pointers to rows, which begin with a tok_row; ended by NULL */
} stage;

bool
tok_require_bool(tok_compiler *compiler, json object, const char *key)
{
	if (!json_present(json_member(object, key)))
		return tfm_fail(compiler->context, TFM_CORRUPTED, "\"%s\": key \"%s\" is missing",
						compiler->source, key);
	return json_bool(compiler->context, object, key, false);
}

bool
tok_require_character(tok_compiler *compiler, json object, const char *key, uint32_t *character)
{
	const char *text = json_require_string(compiler->context, object, key);
	int width = 0;

	if (tfm_failed(compiler->context))
		return false;
	*character = utf8_decode(text, &width);
	if (*text == '\0' || strlen(text) != (size_t) width)
		return tfm_fail(compiler->context, TFM_CORRUPTED,
						"\"%s\": key \"%s\" must be one character", compiler->source, key);
	return true;
}

static const tok_row *
find_type(const stage *s, const char *type)
{
	for (const void *const *item = s->types; *item != NULL; item++)
	{
		const tok_row *row = *item;

		if (strcmp(row->type, type) == 0)
			return row;
	}
	return NULL;
}

/* One component: a record with the payload that its type makes of the spec. */
static bool
compile_component(tok_compiler *compiler, const stage *s, json spec, const char *type)
{
	tfm_context *context = compiler->context;
	const tok_row *row = find_type(s, type);
	buffer *section, *payload;
	blob_record record = {.length = 0};

	if (row == NULL)
		return tfm_fail(context, TFM_UNSUPPORTED, "\"%s\": %s \"%s\" is not supported",
						compiler->source, s->what, type);
	payload = buffer_create(context);
	if (payload == NULL || (row->compile != NULL && !row->compile(compiler, spec, payload)))
		return false;
	if (s->section == TOK_SECTION_COUNT)
		return true;
	section = compiler->sections[s->section];
	strncpy(record.type, row->type, sizeof(record.type) - 1);
	record.length = payload->length;
	return buffer_append(context, section, &record, sizeof(record)) &&
		   buffer_append(context, section, payload->data, payload->length) &&
		   buffer_append_zeros(context, section,
							   size_round_up(payload->length, 8) - payload->length);
}

/* A stage: nothing, one component, or (nested) sequences of them, which are laid out flat. */
static bool
compile_stage(tok_compiler *compiler, const stage *s, json spec, int depth)
{
	const char *type;

	if (!json_present(spec))
		return true;
	if (!json_is_object(spec))
		return tfm_fail(compiler->context, TFM_CORRUPTED, "\"%s\": the %s must be an object",
						compiler->source, s->what);
	type = json_require_string(compiler->context, spec, "type");
	if (tfm_failed(compiler->context))
		return false;
	if (strcmp(type, "Sequence") != 0)
		return compile_component(compiler, s, spec, type);
	if (depth > 8 || !json_is_array(json_member(spec, s->list)))
		return tfm_fail(compiler->context, TFM_CORRUPTED,
						"\"%s\": key \"%s\" of a %s must be a list, not too deep", compiler->source,
						s->list, s->what);
	for (json item = json_first(json_member(spec, s->list)); json_present(item);
		 item = json_next(item))
		if (!compile_stage(compiler, s, item, depth + 1))
			return false;
	return true;
}

/* Old files have no type for the model; its keys tell. */
static const char *
model_type(tok_compiler *compiler, json model)
{
	if (!json_present(json_member(model, "type")) &&
		json_present(json_member(model, "continuing_subword_prefix")) &&
		json_present(json_member(model, "max_input_chars_per_word")))
		return "WordPiece";
	if (!json_present(json_member(model, "type")) && json_is_object(json_member(model, "vocab")))
	{
		if (json_present(json_member(model, "merges")))
			return "BPE";
		if (json_present(json_member(model, "unk_token")))
			return "WordLevel";
	}
	return json_require_string(compiler->context, model, "type");
}

static bool
compile_model(tok_compiler *compiler, json model)
{
	const stage s = {
		.what = "model", .section = TOK_SECTION_MODEL, .types = (const void *const *) tok_models};
	const char *type;

	if (!json_is_object(model))
		return tfm_fail(compiler->context, TFM_CORRUPTED, "\"%s\": key \"model\" is missing",
						compiler->source);
	type = model_type(compiler, model);
	if (*json_string(compiler->context, model, "continuing_subword_prefix", "") != '\0')
		compiler->settings.traits |= TOK_TRAIT_SUBWORDS;
	return !tfm_failed(compiler->context) && compile_component(compiler, &s, model, type);
}

/* Follows sentence-transformers' _has_lowercase, which looks at one level of a Sequence. */
static bool
has_lowercase(json normalizer)
{
	json list = json_member(normalizer, "normalizers");

	if (strcmp(json_as_string(json_member(normalizer, "type")), "Lowercase") == 0)
		return true;
	for (json item = json_first(list); json_present(item); item = json_next(item))
		if (strcmp(json_as_string(json_member(item, "type")), "Lowercase") == 0)
			return true;
	return false;
}

static bool
compile_stages(tok_compiler *compiler, json root)
{
	const stage normalizers = {"normalizer", "normalizers", TOK_SECTION_NORMALIZERS,
							   (const void *const *) tok_normalizers};
	const stage pre_tokenizers = {"pre-tokenizer", "pretokenizers", TOK_SECTION_PRE_TOKENIZERS,
								  (const void *const *) tok_pre_tokenizers};
	const stage decoders = {"decoder", "decoders", TOK_SECTION_DECODERS,
							(const void *const *) tok_decoders};

	/* A post-processor has no section of its own: it changes the layouts. */
	const stage post_processors = {"post-processor", "processors", TOK_SECTION_COUNT,
								   (const void *const *) tok_post_processors};

	if (compiler->config->lower_case && !has_lowercase(json_member(root, "normalizer")) &&
		!compile_component(compiler, &normalizers, (json) {.source = root.source}, "Lowercase"))
		return false;
	return compile_stage(compiler, &normalizers, json_member(root, "normalizer"), 0) &&
		   compile_stage(compiler, &pre_tokenizers, json_member(root, "pre_tokenizer"), 0) &&
		   compile_stage(compiler, &decoders, json_member(root, "decoder"), 0) &&
		   compile_model(compiler, json_member(root, "model")) &&
		   (json_present(json_member(root, "python"))
				? tok_compile_python(compiler, root)
				: tok_compile_added(compiler, json_member(root, "added_tokens"))) &&
		   tok_begin_layouts(compiler, json_present(json_member(root, "post_processor"))) &&
		   compile_stage(compiler, &post_processors, json_member(root, "post_processor"), 0) &&
		   (compiler->settings.python == 0 || tok_clear_python_types(compiler)) &&
		   tok_finish_layouts(compiler);
}

/* Fill tables over all ids up to the limit, which is known only now. */
static bool
finish_ids(tok_compiler *compiler)
{
	buffer *tokens = compiler->sections[TOK_SECTION_TOKENS];
	buffer *flags = compiler->sections[TOK_SECTION_ID_FLAGS];
	size_t limit = (size_t) compiler->settings.id_limit;
	size_t known = tokens->length / sizeof(uint32_t);

	for (size_t i = known; i < limit; i++)
	{
		uint32_t none = UINT32_MAX;

		if (!buffer_append(compiler->context, tokens, &none, sizeof(none)))
			return false;
	}
	return flags->length >= limit ||
		   buffer_append_zeros(compiler->context, flags, limit - flags->length);
}

static bool
assemble(tok_compiler *compiler, buffer *blob)
{
	tfm_context *context = compiler->context;
	blob_header header = {.version = BLOB_VERSION, .section_count = TOK_SECTION_COUNT};
	size_t start;

	if (!buffer_append(context, compiler->sections[TOK_SECTION_SETTINGS], &compiler->settings,
					   sizeof(tok_settings)) ||
		!buffer_append_zeros(context, blob, size_round_up(blob->length, 8) - blob->length))
		return false;
	start = blob->length;
	memcpy(header.magic, BLOB_MAGIC, sizeof(header.magic));
	header.length = sizeof(header);
	for (int i = 0; i < TOK_SECTION_COUNT; i++)
	{
		header.sections[i].offset = header.length;
		header.sections[i].length = compiler->sections[i]->length;
		header.length += size_round_up(compiler->sections[i]->length, 8);
	}
	if (!buffer_reserve(context, blob, header.length) ||
		!buffer_append(context, blob, &header, sizeof(header)))
		return false;
	for (int i = 0; i < TOK_SECTION_COUNT; i++)
	{
		const buffer *section = compiler->sections[i];

		if (!buffer_append(context, blob, section->data, section->length) ||
			!buffer_append_zeros(context, blob,
								 start + header.sections[i].offset +
									 size_round_up(section->length, 8) - blob->length))
			return false;
	}
	return true;
}

static bool
compile_tree(tfm_context *context, json root, const tok_config *config, buffer *blob)
{
	tok_compiler compiler = {.context = context, .source = root.source, .config = config};

	for (int i = 0; i < TOK_SECTION_COUNT; i++)
	{
		compiler.sections[i] = buffer_create(context);
		if (compiler.sections[i] == NULL)
			return false;
	}
	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
		compiler.settings.special_ids[i] = -1;
	return compile_stages(&compiler, root) && tok_compile_config(&compiler) &&
		   finish_ids(&compiler) && assemble(&compiler, blob);
}

/* The files, by way of the one tokenizer.json that stands for them. */
static bool
compile_files(tfm_context *context, const tok_files *files, bool lower_case, buffer *blob)
{
	tok_config config = {.lower_case = lower_case};
	json root;

	if (tfm_failed(context) || !tok_unicode_load(context))
		return false;
	if (json_present(files->tokenizer) && !json_is_object(files->tokenizer))
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\" must be an object",
						files->tokenizer.source);
	return tok_build(context, files, &config, &root) && compile_tree(context, root, &config, blob);
}

/* A value of its own for an optional JSON text. */
static json
parse_optional(tfm_context *context, tfm_text text, const char *name)
{
	if (text.data == NULL)
		return (json) {.node = NULL, .source = name};
	return json_parse(context, text.data, text.length, name);
}

bool
tok_compile_json(tfm_context *context, tfm_text tokenizer, const char *tokenizer_name,
				 tfm_text config, const char *config_name, buffer *blob)
{
	const tok_files files = {
		.tokenizer = json_parse(context, tokenizer.data, tokenizer.length, tokenizer_name),
		.config = parse_optional(context, config, config_name),
	};

	return compile_files(context, &files, false, blob);
}

bool
tok_compile_vocabulary(tfm_context *context, tfm_text vocabulary, const char *vocabulary_name,
					   tfm_text config, const char *config_name, buffer *blob)
{
	const tok_files files = {
		.config = parse_optional(context, config, config_name),
		.vocabulary = vocabulary,
		.vocabulary_name = vocabulary_name,
	};

	return compile_files(context, &files, false, blob);
}

/* Leave \u0000 out of the strings of a JSON text: CANINE's padding token is that character. */
static void
drop_nul_escapes(char *text, size_t *length)
{
	size_t kept = 0;

	for (size_t i = 0; i < *length;)
	{
		if (text[i] == '\\' && *length - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
		{
			i += 6;
			continue;
		}
		if (text[i] == '\\' && i + 1 < *length)
			text[kept++] = text[i++];
		text[kept++] = text[i++];
	}
	*length = kept;
}

/* A JSON file of the directory; absent if there is none. */
static json
read_optional(tfm_context *context, const char *directory, const char *name, size_t limit)
{
	char *path = file_join(context, directory, name);
	tfm_text text = {.data = NULL};
	char *bytes = path == NULL ? NULL : file_read_optional(context, path, limit, &text.length);

	if (bytes != NULL && limit == CONFIG_MAX)
		drop_nul_escapes(bytes, &text.length);
	text.data = bytes;
	return parse_optional(context, text, path);
}

bool
tok_compile(tfm_context *context, const char *directory, bool lower_case, buffer *blob)
{
	tok_files files = {
		.directory = directory,
		.tokenizer = read_optional(context, directory, "tokenizer.json", FILE_MAX),
		.config = read_optional(context, directory, "tokenizer_config.json", CONFIG_MAX),
		.model_config = read_optional(context, directory, "config.json", CONFIG_MAX),
	};

	/* Transformers reads the old files only where the new one does not list the tokens. */
	if (!json_present(json_member(files.config, "added_tokens_decoder")))
	{
		files.special_tokens_map =
			read_optional(context, directory, "special_tokens_map.json", CONFIG_MAX);
		files.added_tokens = read_optional(context, directory, "added_tokens.json", CONFIG_MAX);
	}
	return compile_files(context, &files, lower_case, blob);
}
