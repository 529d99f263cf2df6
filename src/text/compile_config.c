/*
 * compile_config.c
 *	  What stands beside the vocabulary: tokenizer_config.json, and Transformers' defaults.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/compile.h"

#include <string.h>

#define MODEL_MAX_LENGTH_SENTINEL 1e9 /* Transformers writes 1e30 for "no limit" */

/* Keys of the special tokens, and the defaults of BertTokenizer and MPNetTokenizer; NULL: none. */
static const struct
{
	const char *key, *bert, *mpnet;
} specials[TOK_SPECIAL_COUNT] = {
	[TOK_PAD] = {"pad_token", "[PAD]", "<pad>"},	 [TOK_UNK] = {"unk_token", "[UNK]", "[UNK]"},
	[TOK_CLS] = {"cls_token", "[CLS]", "<s>"},		 [TOK_SEP] = {"sep_token", "[SEP]", "</s>"},
	[TOK_MASK] = {"mask_token", "[MASK]", "<mask>"}, [TOK_BOS] = {"bos_token", NULL, "<s>"},
	[TOK_EOS] = {"eos_token", NULL, "</s>"},
};

/* Classes of Transformers, without "Fast", and the model types that get them. */
static const struct
{
	const char *name, *model_type;
	tok_class class;
} classes[] = {
	{"BertTokenizer", "bert", TOK_CLASS_BERT},
	{"DistilBertTokenizer", "distilbert", TOK_CLASS_BERT},
	{"ElectraTokenizer", "electra", TOK_CLASS_BERT},
	{"MobileBertTokenizer", "mobilebert", TOK_CLASS_BERT},
	{"MPNetTokenizer", "mpnet", TOK_CLASS_MPNET},
};

void
tok_find_class(tfm_context *context, tok_config *config, const char *model_type)
{
	const char *name = json_string(context, config->config, "tokenizer_class", NULL);
	size_t length = name == NULL ? 0 : strlen(name);

	config->class = TOK_CLASS_OTHER;
	if (length > 4 && strcmp(name + length - 4, "Fast") == 0)
		length -= 4;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
	{
		bool found =
			name == NULL
				? model_type != NULL && strcmp(model_type, classes[i].model_type) == 0
				: strlen(classes[i].name) == length && strncmp(name, classes[i].name, length) == 0;

		if (found)
			config->class = classes[i].class;
	}
}

const char *
tok_token_content(json value)
{
	if (json_is_object(value))
		value = json_member(value, "content");
	return json_is_string(value) ? json_as_string(value) : NULL;
}

json
tok_special_value(const tok_config *config, tok_special which)
{
	json value = json_member(config->special_tokens_map, specials[which].key);

	return json_present(value) ? value : json_member(config->config, specials[which].key);
}

const char *
tok_special_content(const tok_config *config, tok_special which)
{
	const char *content = tok_token_content(tok_special_value(config, which));

	if (content == NULL && config->class == TOK_CLASS_BERT)
		content = specials[which].bert;
	if (content == NULL && config->class == TOK_CLASS_MPNET)
		content = specials[which].mpnet;
	return content;
}

/* The named special tokens as an object, in the order of Transformers' SPECIAL_TOKENS_ATTRIBUTES. */
static bool
write_special_tokens(tok_compiler *compiler)
{
	static const tok_special order[TOK_SPECIAL_COUNT] = {TOK_BOS, TOK_EOS, TOK_UNK, TOK_SEP,
														 TOK_PAD, TOK_CLS, TOK_MASK};
	tfm_context *context = compiler->context;
	buffer *out = compiler->sections[TOK_SECTION_SPECIAL_TOKENS];

	buffer_append_string(context, out, "{");
	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
	{
		const char *content = tok_special_content(compiler->config, order[i]);

		if (content == NULL)
			continue;
		buffer_append_string(context, out, out->length > 1 ? "," : "");
		buffer_printf(context, out, "\"%s\":", specials[order[i]].key);
		json_append_string(context, out, content, strlen(content));
	}
	return buffer_append_string(context, out, "}");
}

void
tok_compile_config(tok_compiler *compiler)
{
	tok_settings *settings = &compiler->settings;
	json length = json_member(compiler->config->config, "model_max_length");

	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
	{
		const char *content = tok_special_content(compiler->config, (tok_special) i);

		if (content != NULL)
			settings->special_ids[i] = tok_compiled_id(compiler, content);
	}
	if (json_is_number(length) && json_as_number(length) >= 1 &&
		json_as_number(length) < MODEL_MAX_LENGTH_SENTINEL)
		settings->model_max_length = (int64_t) json_as_number(length);
	write_special_tokens(compiler);
}
