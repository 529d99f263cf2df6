/*
 * languages.c
 *	  How tokenizers of models for many languages are told which to translate from and to.
 *
 * Follows _build_translation_inputs and set_src_lang_special_tokens of tokenization_mbart_fast.py,
 * _mbart50_fast.py, _nllb_fast.py, _m2m_100.py and _plbart.py of Transformers 4.57.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/languages.h"

#include <string.h>

#include "runtime/loaded.h"

typedef enum language_place
{
	SOURCE_FIRST,
	SOURCE_LAST,
	SOURCE_BY_FILE /* last with legacy_behaviour */
} language_place;

typedef enum language_name
{
	NAME_AS_IS,
	NAME_WRAPPED, /* en is __en__ */
	NAME_OF_CODE  /* en_XX and programming languages are wrapped, what else there is as it is */
} language_name;

typedef struct language_rule
{
	const char *class;		/* of the tokenizer, without "Fast" */
	const char *model_type; /* of config.json, where no class is named */
	language_place place;
	language_name name;
} language_rule;

static const language_rule rules[] = {
	{"MBartTokenizer", "mbart", SOURCE_LAST, NAME_AS_IS},
	{"MBart50Tokenizer", "mbart50", SOURCE_FIRST, NAME_AS_IS},
	{"NllbTokenizer", "nllb-moe", SOURCE_BY_FILE, NAME_AS_IS},
	{"M2M100Tokenizer", "m2m_100", SOURCE_FIRST, NAME_WRAPPED},
	{"PLBartTokenizer", "plbart", SOURCE_LAST, NAME_OF_CODE},
};

/* PLBart's FAIRSEQ_LANGUAGE_CODES_MAP. */
static const char *const code_names[] = {"java", "python", "en_XX", "javascript",
										 "php",	 "ruby",   "go"};

static bool
names_class(const char *name, const char *class)
{
	size_t length = strlen(class);

	return strncmp(name, class, length) == 0 &&
		   (name[length] == '\0' || strcmp(name + length, "Fast") == 0);
}

static const language_rule *
find_rule(const char *class, const char *model_type)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (class != NULL ? names_class(class, rules[i].class)
						  : model_type != NULL && strcmp(rules[i].model_type, model_type) == 0)
			return &rules[i];
	return NULL;
}

static bool
is_wrapped(const language_rule *rule, const char *language)
{
	if (rule->name != NAME_OF_CODE)
		return rule->name == NAME_WRAPPED;
	for (size_t i = 0; i < sizeof(code_names) / sizeof(code_names[0]); i++)
		if (strcmp(code_names[i], language) == 0)
			return true;
	return false;
}

static bool
find_language(tfm_context *context, const run_model *model, const language_rule *rule,
			  const char *language, int32_t *id)
{
	const char *token = language;

	if (is_wrapped(rule, language))
		token = tfm_sprintf(context, "__%s__", language);
	if (token == NULL)
		return false;
	*id = tok_token_to_id(model->tokenizer, (tfm_text) {token, strlen(token)});
	if (*id >= 0)
		return true;
	tfm_fail(context, TFM_INVALID_ARGUMENT, "the model does not know the language \"%.64s\"",
			 language);
	return tfm_hint(context, "Languages are named as the model's tokenizer names them, such as %s.",
					rule->name == NAME_WRAPPED		? "\"en\""
					: rule->place == SOURCE_BY_FILE ? "\"eng_Latn\""
													: "\"en_XX\"");
}

bool
task_read_languages(tfm_context *context, const run_model *model, const char *source,
					const char *target, task_languages *languages)
{
	json file = run_model_json(context, model, "tokenizer_config.json");
	const char *class = json_string(context, file, "tokenizer_class", NULL);
	const language_rule *rule = find_rule(class, model->info.model_type);

	*languages = (task_languages) {.by_tokens = rule != NULL};
	if (rule == NULL || tfm_failed(context))
		return !tfm_failed(context);
	if (source == NULL || target == NULL)
	{
		tfm_fail(context, TFM_INVALID_ARGUMENT,
				 "the model translates between many languages, and \"%s\" is not given",
				 source == NULL ? "src_lang" : "tgt_lang");
		return tfm_hint(context, "Set both src_lang and tgt_lang.");
	}
	languages->source_last =
		rule->place == SOURCE_LAST ||
		(rule->place == SOURCE_BY_FILE && json_bool(context, file, "legacy_behaviour", false));
	return find_language(context, model, rule, source, &languages->source) &&
		   find_language(context, model, rule, target, &languages->target) && !tfm_failed(context);
}

/* Source and end around the ids of a text. */
static bool
wrap_ids(tfm_context *context, const task_languages *languages, int32_t end,
		 const tok_encoding *text, gen_ids *ids)
{
	int32_t *all = tfm_alloc_array(context, text->count + 2, sizeof(int32_t)), *next = all;

	if (all == NULL)
		return false;
	if (!languages->source_last)
		*next++ = languages->source;
	if (text->count > 0)
		memcpy(next, text->ids, text->count * sizeof(int32_t));
	next += text->count;
	*next++ = end;
	if (languages->source_last)
		*next = languages->source;
	*ids = (gen_ids) {.ids = all, .count = text->count + 2};
	return true;
}

bool
task_encode_language(tfm_context *context, const run_model *model, const task_languages *languages,
					 tfm_text text, bool truncates, gen_ids *ids)
{
	const tok_tokenizer *tokenizer = model->tokenizer;
	tok_encode_options options = {.add_special_tokens = !languages->by_tokens};
	int64_t longest = truncates ? tok_model_max_length(tokenizer) : 0;
	int32_t end = tok_special_id(tokenizer, TOK_EOS);
	tok_encoding encoding;

	if (longest > 0 && longest < INT32_MAX)
		options.max_length = (int32_t) longest;
	if (tok_truncates_left(tokenizer))
		options.direction = TOK_TRUNCATE_LEFT;
	if (languages->by_tokens && options.max_length > 0)
		options.max_length = options.max_length > 3 ? options.max_length - 2 : 1;
	if (languages->by_tokens && end < 0)
		return tfm_fail(context, TFM_CORRUPTED, "the tokenizer has no token that ends a text");
	if (!tok_encode(context, tokenizer, text, NULL, &options, &encoding))
		return false;
	if (languages->by_tokens)
		return wrap_ids(context, languages, end, &encoding, ids);
	*ids = (gen_ids) {.ids = encoding.ids, .count = encoding.count};
	return true;
}
