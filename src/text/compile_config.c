/*
 * compile_config.c
 *	  What the configuration says of a tokenizer, for the blob.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/compile.h"

#include <string.h>

#include "text/transformers/class.h"

static const char *const names[TOK_SPECIAL_COUNT] = {
	[TOK_PAD] = "pad_token", [TOK_UNK] = "unk_token",	[TOK_CLS] = "cls_token",
	[TOK_SEP] = "sep_token", [TOK_MASK] = "mask_token", [TOK_BOS] = "bos_token",
	[TOK_EOS] = "eos_token",
};

/* The named special tokens as an object, and the ids of those that have a place in the settings. */
static bool
compile_named(tok_compiler *compiler)
{
	const tok_config *config = compiler->config;
	tfm_context *context = compiler->context;
	buffer *out = compiler->sections[TOK_SECTION_SPECIAL_TOKENS];

	buffer_append_string(context, out, "{");
	for (size_t i = 0; i < config->named_count; i++)
	{
		const char *name = config->named[i].name, *content = config->named[i].token.content;

		if (content == NULL)
			continue;
		buffer_append_string(context, out, out->length > 1 ? "," : "");
		json_append_string(context, out, name, strlen(name));
		buffer_append_string(context, out, ":");
		json_append_string(context, out, content, strlen(content));
		for (int s = 0; s < TOK_SPECIAL_COUNT; s++)
			if (strcmp(name, names[s]) == 0)
				compiler->settings.special_ids[s] = tok_compiled_id(compiler, content);
	}
	buffer_append_string(context, out, "}");
	return !tfm_failed(context);
}

bool
tok_compile_config(tok_compiler *compiler)
{
	const tok_config *config = compiler->config;
	tok_settings *settings = &compiler->settings;

	settings->model_max_length = config->model_max_length;
	settings->decode_flags = config->decode_flags;
	settings->sides = (config->pads_left ? TOK_SIDE_PADS_LEFT : 0) |
					  (config->truncates_left ? TOK_SIDE_TRUNCATES_LEFT : 0);
	settings->traits |= config->traits;
	return compile_named(compiler);
}
