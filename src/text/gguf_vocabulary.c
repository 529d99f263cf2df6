/*
 * gguf_vocabulary.c
 *	  The tokenizer.json that stands for the tokenizer of a GGUF file.
 *
 * Follows transformers/integrations/gguf/gguf_tokenizer_mapping.py, the classes of tokenizers that it
 * hands the vocabulary to, and TokenizersBackend.update_post_processor.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/gguf_vocabulary.h"

#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "text/gguf_writer.h"

#define TOKEN_MAX 65535

#define META "\xE2\x96\x81"
#define REPLACE(from, to)                                                                          \
	"{\"type\":\"Replace\",\"pattern\":{\"String\":\"" from "\"},\"content\":\"" to "\"}"
#define FROM_BYTES REPLACE(META, " ") ",{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}"
#define DECODERS(list) "{\"type\":\"Sequence\",\"decoders\":[" list "]}"
#define STRIP ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}"
#define BYTE_LEVEL(regex)                                                                          \
	"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_"              \
	"regex\":" regex "}"
#define METASPACE(scheme, split)                                                                   \
	"{\"type\":\"Metaspace\",\"replacement\":\"" META "\",\"prepend_scheme\":\"" scheme            \
	"\",\"split\":" split "}"

/* Architectures of which Transformers reads the tokenizer. */
static const char *const known_architectures[] = {
	"llama",  "mistral",  "qwen2",	   "qwen2moe",	 "qwen2_moe",  "gpt-oss",	"gpt_oss", "lfm2",
	"qwen3",  "qwen3moe", "qwen3_moe", "qwen35",	 "qwen35moe",  "falcon",	"phi3",	   "bloom",
	"t5",	  "stablelm", "gpt2",	   "starcoder2", "mamba",	   "nemotron",	"gemma2",  "gemma3",
	"gemma4", "umt5",	  "deci",	   "minimax-m2", "minimax_m2", "t5encoder",
};

bool
tok_gguf_is_known(const tok_gguf *gguf)
{
	for (size_t i = 0; i < sizeof(known_architectures) / sizeof(known_architectures[0]); i++)
		if (tok_text_is(gguf->architecture, known_architectures[i]))
			return true;
	return gguf->architecture.length == 0;
}

/* ---- The alphabet of bytes ---- */

static bool
is_printed(uint32_t c)
{
	return (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255);
}

bool
tok_is_byte_spelled(tfm_text text)
{
	int width;

	for (size_t i = 0; i < text.length; i += (size_t) width)
	{
		uint32_t c = utf8_decode(text.data + i, &width);

		if (!is_printed(c) && (c < 256 || c > 323))
			return false;
	}
	return true;
}

/* bytes_to_unicode: a byte that is not printed is the next character from 256 on. */
static uint32_t
spell_byte(unsigned char byte)
{
	if (is_printed(byte))
		return byte;
	return 256 + (byte <= 32 ? byte : byte < 173 ? (uint32_t) byte - 127 + 33 : 67u);
}

bool
tok_spell_bytes(tfm_context *context, tfm_text *text)
{
	char *spelled = tfm_alloc(context, text->length * 2 + 1);
	size_t length = 0;

	if (spelled == NULL)
		return false;
	for (size_t i = 0; i < text->length; i++)
		length += (size_t) utf8_encode(spell_byte((unsigned char) text->data[i]), spelled + length);
	*text = (tfm_text) {.data = spelled, .length = length};
	return true;
}

/* ---- Tokens as the vocabulary has them ---- */

static bool
is_named(const tok_gguf *gguf, size_t id)
{
	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
		if (gguf->ids[i] >= 0 && (size_t) gguf->ids[i] == id)
			return true;
	return false;
}

/* Gemma's tokens of several spaces. */
static bool
respell_spaces(tfm_context *context, tfm_text *text)
{
	char *spelled;

	for (size_t i = 0; i < text->length; i++)
		if (text->data[i] != ' ')
			return true;
	if (text->length == 0)
		return true;
	spelled = tfm_alloc(context, text->length * 3);
	if (spelled == NULL)
		return false;
	for (size_t i = 0; i < text->length; i++)
		memcpy(spelled + i * 3, META, 3);
	*text = (tfm_text) {.data = spelled, .length = text->length * 3};
	return true;
}

/* [PAD32000] and those after it, of which T5 calls the first 100 <extra_id_99> to <extra_id_0>. */
static bool
respell_blank(tfm_context *context, int *blanks, tfm_text *text)
{
	if (*blanks == 100 || text->length < 6 || memcmp(text->data, "[PAD", 4) != 0 ||
		text->data[text->length - 1] != ']')
		return true;
	for (size_t i = 4; i + 1 < text->length; i++)
		if (text->data[i] < '0' || text->data[i] > '9')
			return true;
	text->data = tfm_sprintf(context, "<extra_id_%d>", 99 - (*blanks)++);
	if (text->data == NULL)
		return false;
	text->length = strlen(text->data);
	return true;
}

/* WordPiece: where a word begins, a token has a mark; elsewhere it gets ##. */
static bool
respell_piece(tok_gguf_writer *w, size_t id)
{
	tfm_text *text = &w->tokens[id];
	const int32_t *types = w->gguf->types;
	char *spelled;

	if (text->length >= 3 && memcmp(text->data, META, 3) == 0)
	{
		*text = (tfm_text) {.data = text->data + 3, .length = text->length - 3};
		return true;
	}
	if (is_named(w->gguf, id) || (types != NULL && types[id] != TOK_GGUF_NORMAL) ||
		(text->length > 2 && text->data[0] == '[' && text->data[text->length - 1] == ']'))
		return true;
	spelled = tfm_sprintf(w->context, "##%.*s", (int) text->length, text->data);
	if (spelled == NULL)
		return false;
	*text = (tfm_text) {.data = spelled, .length = text->length + 2};
	return true;
}

/* Whether the words of a WordPiece vocabulary are marked; else it is as in vocab.txt. */
static bool
has_marks(const tok_gguf *gguf)
{
	for (size_t i = 0; i < gguf->count; i++)
		if (gguf->tokens[i].length > 3 && memcmp(gguf->tokens[i].data, META, 3) == 0)
			return true;
	return false;
}

/* RWKV's tokens are bytes, with escapes: \t, \n, \r, \xFF, and \ before any other character. */
static bool
respell_escapes(tfm_context *context, tfm_text *text)
{
	static const char letters[] = "tnr", meanings[] = "\t\n\r", digits[] = "0123456789abcdef";
	char *bytes = tfm_alloc(context, text->length + 1);
	size_t length = 0;

	if (bytes == NULL)
		return false;
	for (size_t i = 0; i < text->length; i++)
	{
		char c = text->data[i];

		if (c == '\\' && i + 1 < text->length)
		{
			c = text->data[++i];
			if (c == 'x' && i + 2 < text->length)
			{
				const char *high = strchr(digits, text->data[i + 1] | 0x20);
				const char *low = strchr(digits, text->data[i + 2] | 0x20);

				if (high != NULL && low != NULL)
					c = (char) ((high - digits) << 4 | (low - digits));
				i += 2;
			}
			else if (strchr(letters, c) != NULL)
				c = meanings[strchr(letters, c) - letters];
		}
		bytes[length++] = c;
	}
	*text = (tfm_text) {.data = bytes, .length = length};
	return tok_spell_bytes(context, text);
}

static bool
respell_token(tok_gguf_writer *w, size_t id, bool marked, int *blanks)
{
	tfm_text *text = &w->tokens[id];

	switch (w->kind)
	{
		case TOK_GGUF_BYTE_LEVEL:
			/* One with a name must be found in texts as it is. */
			return tok_is_byte_spelled(*text) || is_named(w->gguf, id) ||
				   tok_spell_bytes(w->context, text);
		case TOK_GGUF_GEMMA:
			return respell_spaces(w->context, text);
		case TOK_GGUF_UNIGRAM:
			return respell_blank(w->context, blanks, text);
		case TOK_GGUF_RWKV:
			return respell_escapes(w->context, text);
		case TOK_GGUF_BERT:
			return !marked || respell_piece(w, id);
		default:
			return true;
	}
}

static bool
respell_tokens(tok_gguf_writer *w)
{
	const tok_gguf *g = w->gguf;
	bool marked = w->kind == TOK_GGUF_BERT && has_marks(g);
	int blanks = 0;

	w->tokens = tfm_alloc_array(w->context, g->count, sizeof(tfm_text));
	if (w->tokens == NULL)
		return false;
	for (size_t i = 0; i < g->count; i++)
	{
		w->tokens[i] = g->tokens[i];
		if (g->tokens[i].length > TOKEN_MAX)
			return tfm_fail(w->context, TFM_LIMIT_EXCEEDED,
							"\"%s\": token %zu is longer than %d bytes", g->source, i, TOKEN_MAX);
		if (g->tokens[i].length > 0 && memchr(g->tokens[i].data, '\0', g->tokens[i].length) != NULL)
			return tfm_fail(w->context, TFM_CORRUPTED, "\"%s\": token %zu has a NUL character",
							g->source, i);
		if (!respell_token(w, i, marked, &blanks) ||
			((i & 0xFFFF) == 0xFFFF && tfm_stopped(w->context)))
			return false;
	}
	return true;
}

/* ---- Special tokens around texts ---- */

/* The token of a name that is to be added; empty: it is not. */
static tfm_text
added_token(const tok_gguf_writer *w, tok_special which, int flag, bool by_default)
{
	int32_t id = w->gguf->ids[which];

	if (id < 0 || !(flag < 0 ? by_default : flag > 0))
		return (tfm_text) {.data = NULL};
	return w->tokens[id];
}

static void
write_special(tok_gguf_writer *w, tfm_text token, int type_id, const char *before)
{
	tok_gguf_append(w, before);
	tok_gguf_append(w, "{\"SpecialToken\":{\"id\":");
	tok_write_gguf_text(w, token);
	buffer_printf(w->context, w->out, ",\"type_id\":%d}}", type_id);
}

static void
write_sequence(tok_gguf_writer *w, tfm_text first, tfm_text last, int type_id, int number)
{
	if (first.length > 0)
		write_special(w, first, type_id, "");
	buffer_printf(w->context, w->out, "%s{\"Sequence\":{\"id\":\"%c\",\"type_id\":%d}}",
				  first.length > 0 ? "," : "", number == 0 ? 'A' : 'B', type_id);
	if (last.length > 0)
		write_special(w, last, type_id, ",");
}

static void
write_special_entry(tok_gguf_writer *w, tfm_text token, int32_t id, const char *before)
{
	tok_gguf_append(w, before);
	tok_write_gguf_text(w, token);
	tok_gguf_append(w, ":{\"id\":");
	tok_write_gguf_text(w, token);
	buffer_printf(w->context, w->out, ",\"ids\":[%d],\"tokens\":[", id);
	tok_write_gguf_text(w, token);
	tok_gguf_append(w, "]}");
}

static bool
write_processor(tok_gguf_writer *w)
{
	bool bert = w->kind == TOK_GGUF_BERT, t5 = w->kind == TOK_GGUF_UNIGRAM;
	int add_bos = w->gguf->add_bos, add_eos = w->gguf->add_eos;
	tok_special begin = bert ? TOK_CLS : TOK_BOS, end = bert ? TOK_SEP : TOK_EOS;
	tfm_text first, last;
	int pair_type = t5 ? 0 : 1;

	if (w->kind == TOK_GGUF_GEMMA4)
		add_bos = 0;
	if (bert)
		add_bos = add_eos = 1;
	if (t5 && (tok_text_is(w->gguf->architecture, "t5") || (add_bos < 0 && add_eos < 0)))
	{
		add_bos = 0;
		add_eos = 1;
	}
	else
		pair_type = 1;
	first = added_token(w, begin, add_bos,
						w->kind == TOK_GGUF_LLAMA || w->kind == TOK_GGUF_PHI3 ||
							w->kind == TOK_GGUF_GEMMA);
	last = added_token(w, end, add_eos, false);
	tok_gguf_append(w, "{\"type\":\"TemplateProcessing\",\"single\":[");
	write_sequence(w, first, last, 0, 0);
	tok_gguf_append(w, "],\"pair\":[");
	write_sequence(w, first, last, 0, 0);
	tok_gguf_append(w, ",");
	write_sequence(w, bert ? (tfm_text) {.data = NULL} : first, last, pair_type, 1);
	tok_gguf_append(w, "],\"special_tokens\":{");
	if (first.length > 0)
		write_special_entry(w, first, w->gguf->ids[begin], "");
	if (last.length > 0 && !(first.length > 0 && w->gguf->ids[begin] == w->gguf->ids[end]))
		write_special_entry(w, last, w->gguf->ids[end], first.length > 0 ? "," : "");
	return tok_gguf_append(w, "}}");
}

/* ---- Components ---- */

/* What differs between the kinds, as JSON; NULL: it is written by code. */
typedef struct kind_parts
{
	const char *normalizer, *pre_tokenizer, *decoder, *model;
} kind_parts;

#define BPE(settings) "{\"type\":\"BPE\",\"dropout\":null,\"ignore_merges\":false," settings ","
#define LLAMA_BPE(unk)                                                                             \
	BPE("\"unk_token\":" unk ",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"    \
		"\"fuse_unk\":true,\"byte_fallback\":true")
#define GEMMA                                                                                      \
	{                                                                                              \
		REPLACE(" ", META),                                                                        \
			"{\"type\":\"Split\",\"pattern\":{\"String\":\" \"},"                                  \
			"\"behavior\":\"MergedWithPrevious\",\"invert\":false}",                               \
			DECODERS(FROM_BYTES), LLAMA_BPE("\"<unk>\"")                                           \
	}

static const kind_parts parts[] = {
	[TOK_GGUF_BYTE_LEVEL] = {"null", NULL,
							 "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
							 "\"trim_offsets\":true,\"use_regex\":true}",
							 BPE("\"unk_token\":null,\"continuing_subword_prefix\":\"\","
								 "\"end_of_word_suffix\":\"\",\"fuse_unk\":false,"
								 "\"byte_fallback\":false")},
	[TOK_GGUF_LLAMA] = {"null", METASPACE("first", "false"), DECODERS(FROM_BYTES STRIP),
						LLAMA_BPE("null")},
	[TOK_GGUF_PHI3] = {"{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\","
					   "\"prepend\":\"" META "\"}," REPLACE(" ", META) "]}",
					   "null", DECODERS(FROM_BYTES STRIP), LLAMA_BPE("null")},
	[TOK_GGUF_GEMMA] = GEMMA,
	[TOK_GGUF_GEMMA4] = GEMMA,
	[TOK_GGUF_UNIGRAM] =
		{"null",
		 "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"}," METASPACE(
			 "always", "true") "]}",
		 METASPACE("always", "true"), NULL},
	[TOK_GGUF_BERT] = {"{\"type\":\"BertNormalizer\",\"clean_text\":true,"
					   "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true}",
					   "{\"type\":\"BertPreTokenizer\"}",
					   "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}", NULL},
	[TOK_GGUF_RWKV] = {"null", BYTE_LEVEL("false"), BYTE_LEVEL("true"), NULL},
};

static bool
write_unigram(tok_gguf_writer *w)
{
	const tok_gguf *g = w->gguf;

	if (g->scores == NULL)
		return tfm_fail(w->context, TFM_CORRUPTED, "\"%s\" has no scores of tokens", g->source);
	tok_gguf_append(w, "{\"type\":\"Unigram\",\"exact_scores\":true,\"byte_fallback\":false,"
					   "\"unk_id\":2,\"vocab\":[");
	for (size_t i = 0; i < g->count; i++)
	{
		tok_gguf_append(w, i == 0 ? "[" : ",[");
		tok_write_gguf_text(w, w->tokens[i]);
		if (!buffer_printf(w->context, w->out, ",%.17g]", (double) g->scores[i]) ||
			((i & 0xFFFF) == 0xFFFF && tfm_stopped(w->context)))
			return false;
	}
	return tok_gguf_append(w, "]}");
}

static bool
write_wordpiece(tok_gguf_writer *w)
{
	int32_t unknown = w->gguf->ids[TOK_UNK];

	tok_gguf_append(w, "{\"type\":\"WordPiece\",\"continuing_subword_prefix\":\"##\","
					   "\"max_input_chars_per_word\":100,\"unk_token\":");
	if (unknown < 0)
		tok_gguf_append(w, "\"[UNK]\"");
	else
		tok_write_gguf_text(w, w->tokens[unknown]);
	return tok_gguf_append(w, ",") && tok_write_gguf_vocabulary(w) && tok_gguf_append(w, "}");
}

static bool
write_rwkv(tok_gguf_writer *w)
{
	tok_gguf_append(w, "{\"type\":\"Greedy\",");
	if (w->gguf->ids[TOK_UNK] >= 0)
		buffer_printf(w->context, w->out, "\"unk_id\":%d,", w->gguf->ids[TOK_UNK]);
	return tok_write_gguf_vocabulary(w) && tok_gguf_append(w, "}");
}

static bool
write_model(tok_gguf_writer *w)
{
	switch (w->kind)
	{
		case TOK_GGUF_UNIGRAM:
			return write_unigram(w);
		case TOK_GGUF_BERT:
			return write_wordpiece(w);
		case TOK_GGUF_RWKV:
			return write_rwkv(w);
		default:
			return tok_gguf_append(w, parts[w->kind].model) && tok_write_gguf_vocabulary(w) &&
				   tok_gguf_append(w, ",") && tok_write_gguf_merges(w) && tok_gguf_append(w, "}");
	}
}

static bool
write_tokenizer(tok_gguf_writer *w)
{
	const kind_parts *p = &parts[w->kind];

	if (!tok_gguf_append(w, "{") || !tok_write_gguf_added(w))
		return false;
	tok_gguf_append(w, ",\"normalizer\":");
	tok_gguf_append(w, p->normalizer);
	tok_gguf_append(w, ",\"pre_tokenizer\":");
	if (p->pre_tokenizer != NULL ? !tok_gguf_append(w, p->pre_tokenizer) : !tok_write_gguf_split(w))
		return false;
	tok_gguf_append(w, ",\"post_processor\":");
	if (!write_processor(w))
		return false;
	tok_gguf_append(w, ",\"decoder\":");
	tok_gguf_append(w, p->decoder);
	return tok_gguf_append(w, ",\"model\":") && write_model(w) && tok_gguf_append(w, "}");
}

/* tokenizer_config.json: the special tokens by their names. */
static bool
write_config(tok_gguf_writer *w)
{
	static const char *const names[TOK_SPECIAL_COUNT] = {
		[TOK_PAD] = "pad_token", [TOK_UNK] = "unk_token",	[TOK_CLS] = "cls_token",
		[TOK_SEP] = "sep_token", [TOK_MASK] = "mask_token", [TOK_BOS] = "bos_token",
		[TOK_EOS] = "eos_token",
	};
	tok_gguf_append(w, "{\"tokenizer_class\":\"PreTrainedTokenizerFast\"");
	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
	{
		if (w->gguf->ids[i] < 0)
			continue;
		buffer_printf(w->context, w->out, ",\"%s\":", names[i]);
		tok_write_gguf_text(w, w->tokens[w->gguf->ids[i]]);
	}
	if (w->kind == TOK_GGUF_GEMMA && w->gguf->ids[TOK_MASK] < 0)
		tok_gguf_append(w, ",\"mask_token\":\"<mask>\"");
	return tok_gguf_append(w, "}");
}

/* ---- The whole ---- */

static bool
find_kind(tok_gguf_writer *w)
{
	static const struct
	{
		const char *model, *architecture; /* NULL: any */
		tok_gguf_kind kind;
	} kinds[] = {
		{"llama", "gemma", TOK_GGUF_GEMMA},
		{"llama", "gemma2", TOK_GGUF_GEMMA},
		{"llama", "gemma3", TOK_GGUF_GEMMA},
		{"llama", "gemma3n", TOK_GGUF_GEMMA},
		{"llama", "gemma-embedding", TOK_GGUF_GEMMA},
		{"llama", "phi3", TOK_GGUF_PHI3},
		{"llama", NULL, TOK_GGUF_LLAMA},
		{"gpt2", NULL, TOK_GGUF_BYTE_LEVEL},
		{"gemma4", NULL, TOK_GGUF_GEMMA4},
		{"t5", NULL, TOK_GGUF_UNIGRAM},
		{"bert", NULL, TOK_GGUF_BERT},
		{"rwkv", NULL, TOK_GGUF_RWKV},
	};
	const tok_gguf *g = w->gguf;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (tok_text_is(g->model, kinds[i].model) &&
			(kinds[i].architecture == NULL || tok_text_is(g->architecture, kinds[i].architecture)))
		{
			w->kind = kinds[i].kind;
			return true;
		}
	return tfm_fail(w->context, TFM_UNSUPPORTED,
					"\"%s\": tokenizer model \"%.*s\" is not supported", g->source,
					(int) g->model.length, g->model.data);
}

static bool
check_ids(tfm_context *context, const tok_gguf *gguf)
{
	if (gguf->count > INT32_MAX / 2)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED, "\"%s\" has too many tokens", gguf->source);
	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
		if (gguf->ids[i] >= 0 && (size_t) gguf->ids[i] >= gguf->count)
			return tfm_fail(context, TFM_CORRUPTED, "\"%s\": special token %d is not a token",
							gguf->source, gguf->ids[i]);
	return !tfm_failed(context);
}

bool
tok_write_gguf(tfm_context *context, const tok_gguf *gguf, buffer *tokenizer, buffer *config)
{
	tok_gguf_writer w = {.context = context, .gguf = gguf, .out = tokenizer};

	if (!check_ids(context, gguf) || !find_kind(&w) || !respell_tokens(&w) || !write_tokenizer(&w))
		return false;
	w.out = config;
	return write_config(&w);
}

bool
tok_compile_gguf(tfm_context *context, const tok_gguf *gguf, buffer *blob)
{
	buffer *tokenizer = buffer_create(context), *config = buffer_create(context);

	return tokenizer != NULL && config != NULL &&
		   tok_write_gguf(context, gguf, tokenizer, config) &&
		   tok_compile_json(context, (tfm_text) {tokenizer->data, tokenizer->length}, gguf->source,
							(tfm_text) {config->data, config->length}, gguf->source, blob) &&
		   !tfm_failed(context);
}
