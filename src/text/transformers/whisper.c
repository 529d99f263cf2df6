/*
 * whisper.c
 *	  Whisper's language, task and timestamp tokens.
 *
 * Follows transformers/models/whisper/tokenization_whisper.py; and for OpenAI's own vocabularies
 * (multilingual.tiktoken, gpt2.tiktoken) whisper/tokenizer.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/transformers/rules.h"

#include <string.h>
#include <strings.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LANGUAGES 100 /* in the order of their ids; the rest are other names */
#define OPENAI_LANGUAGES 99
#define TIMESTAMPS 1501 /* each 20 ms of 30 s */

static const struct
{
	const char *code, *name;
} languages[] = {
	{"en", "english"},
	{"zh", "chinese"},
	{"de", "german"},
	{"es", "spanish"},
	{"ru", "russian"},
	{"ko", "korean"},
	{"fr", "french"},
	{"ja", "japanese"},
	{"pt", "portuguese"},
	{"tr", "turkish"},
	{"pl", "polish"},
	{"ca", "catalan"},
	{"nl", "dutch"},
	{"ar", "arabic"},
	{"sv", "swedish"},
	{"it", "italian"},
	{"id", "indonesian"},
	{"hi", "hindi"},
	{"fi", "finnish"},
	{"vi", "vietnamese"},
	{"he", "hebrew"},
	{"uk", "ukrainian"},
	{"el", "greek"},
	{"ms", "malay"},
	{"cs", "czech"},
	{"ro", "romanian"},
	{"da", "danish"},
	{"hu", "hungarian"},
	{"ta", "tamil"},
	{"no", "norwegian"},
	{"th", "thai"},
	{"ur", "urdu"},
	{"hr", "croatian"},
	{"bg", "bulgarian"},
	{"lt", "lithuanian"},
	{"la", "latin"},
	{"mi", "maori"},
	{"ml", "malayalam"},
	{"cy", "welsh"},
	{"sk", "slovak"},
	{"te", "telugu"},
	{"fa", "persian"},
	{"lv", "latvian"},
	{"bn", "bengali"},
	{"sr", "serbian"},
	{"az", "azerbaijani"},
	{"sl", "slovenian"},
	{"kn", "kannada"},
	{"et", "estonian"},
	{"mk", "macedonian"},
	{"br", "breton"},
	{"eu", "basque"},
	{"is", "icelandic"},
	{"hy", "armenian"},
	{"ne", "nepali"},
	{"mn", "mongolian"},
	{"bs", "bosnian"},
	{"kk", "kazakh"},
	{"sq", "albanian"},
	{"sw", "swahili"},
	{"gl", "galician"},
	{"mr", "marathi"},
	{"pa", "punjabi"},
	{"si", "sinhala"},
	{"km", "khmer"},
	{"sn", "shona"},
	{"yo", "yoruba"},
	{"so", "somali"},
	{"af", "afrikaans"},
	{"oc", "occitan"},
	{"ka", "georgian"},
	{"be", "belarusian"},
	{"tg", "tajik"},
	{"sd", "sindhi"},
	{"gu", "gujarati"},
	{"am", "amharic"},
	{"yi", "yiddish"},
	{"lo", "lao"},
	{"uz", "uzbek"},
	{"fo", "faroese"},
	{"ht", "haitian creole"},
	{"ps", "pashto"},
	{"tk", "turkmen"},
	{"nn", "nynorsk"},
	{"mt", "maltese"},
	{"sa", "sanskrit"},
	{"lb", "luxembourgish"},
	{"my", "myanmar"},
	{"bo", "tibetan"},
	{"tl", "tagalog"},
	{"mg", "malagasy"},
	{"as", "assamese"},
	{"tt", "tatar"},
	{"haw", "hawaiian"},
	{"ln", "lingala"},
	{"ha", "hausa"},
	{"ba", "bashkir"},
	{"jw", "javanese"},
	{"su", "sundanese"},
	{"yue", "cantonese"},
	/* Other names. */
	{"my", "burmese"},
	{"ca", "valencian"},
	{"nl", "flemish"},
	{"ht", "haitian"},
	{"lb", "letzeburgesch"},
	{"ps", "pushto"},
	{"pa", "panjabi"},
	{"ro", "moldavian"},
	{"ro", "moldovan"},
	{"si", "sinhalese"},
	{"es", "castilian"},
	{"zh", "mandarin"},
};

/* Append 'token' to a layout, or the unknown token if the vocabulary does not have it. */
static bool
append_piece(tok_builder *builder, buffer *layout, const char *token)
{
	return buffer_printf(builder->context, layout,
						 tok_knows_token(builder, token) ? "'%s' " : "unk ", token);
}

static const char *
find_language(const char *name)
{
	for (size_t i = 0; i < COUNT(languages); i++)
		if (strcasecmp(languages[i].name, name) == 0 || strcasecmp(languages[i].code, name) == 0)
			return languages[i].code;
	return NULL;
}

static bool
append_language(tok_builder *builder, buffer *layout)
{
	const char *name = tok_string_option(builder, "language"), *code;

	if (name == NULL)
		return true;
	code = find_language(name);
	if (code == NULL)
		return tfm_fail(builder->context, TFM_CORRUPTED, "\"%s\": language \"%s\" is not Whisper's",
						builder->files->config.source, name);
	return append_piece(builder, layout, tfm_sprintf(builder->context, "<|%s|>", code));
}

static bool
append_task(tok_builder *builder, buffer *layout)
{
	const char *task = tok_string_option(builder, "task");

	if (task == NULL)
		return true;
	if (strcmp(task, "translate") != 0 && strcmp(task, "transcribe") != 0)
		return tfm_fail(builder->context, TFM_CORRUPTED, "\"%s\": task \"%s\" is not Whisper's",
						builder->files->config.source, task);
	return append_piece(builder, layout, tfm_sprintf(builder->context, "<|%s|>", task));
}

bool
tok_write_whisper_post(tok_builder *builder)
{
	tfm_context *context = builder->context;
	buffer *layout = buffer_create(context);
	const char *prefix, *single, *pair;

	if (layout == NULL || !append_piece(builder, layout, "<|startoftranscript|>") ||
		!append_language(builder, layout) || !append_task(builder, layout))
		return false;
	if (!tok_bool_option(builder, "predict_timestamps", false))
		append_piece(builder, layout, "<|notimestamps|>");
	prefix = buffer_text(context, layout);
	single = tfm_sprintf(context, "%sA eos", prefix);
	pair = tfm_sprintf(context, "%sA B:1 eos:1", prefix);
	return !tfm_failed(context) && tok_write_layouts(builder, single, pair);
}

static bool
append_special(tok_builder *builder, const char *content)
{
	tok_token token = {.content = content, .flags = TOK_ADDED_SPECIAL};

	return tok_append_token(builder, &builder->listed, token);
}

/* OpenAI's special tokens, which lie behind the ranks in this order. */
static bool
append_specials(tok_builder *builder)
{
	static const char *const tasks[] = {
		"<|translate|>",   "<|transcribe|>", "<|startoflm|>",
		"<|startofprev|>", "<|nospeech|>",	 "<|notimestamps|>",
	};
	tfm_context *context = builder->context;

	if (!append_special(builder, "<|endoftext|>") ||
		!append_special(builder, "<|startoftranscript|>"))
		return false;
	for (size_t i = 0; i < OPENAI_LANGUAGES; i++)
		if (!append_special(builder, tfm_sprintf(context, "<|%s|>", languages[i].code)))
			return false;
	for (size_t i = 0; i < COUNT(tasks); i++)
		if (!append_special(builder, tasks[i]))
			return false;
	for (int i = 0; i < TIMESTAMPS; i++)
		if (!append_special(builder, tfm_sprintf(context, "<|%d.%02d|>", i / 50, i % 50 * 2)))
			return false;
	return true;
}

bool
tok_take_whisper_ranks(tok_builder *builder, tfm_text file, const char *source)
{
	buffer *out = buffer_create(builder->context);
	json root;

	if (out == NULL || !tok_write_ranks(builder, file, source, out))
		return false;
	root = json_parse(builder->context, out->data, out->length, source);
	builder->vocabulary = json_member(root, "vocab");
	builder->merges = json_member(root, "merges");
	return !tfm_failed(builder->context) && (builder->listed.count > 0 || append_specials(builder));
}
