/*
 * gguf_split.c
 *	  The pre-tokenizers that tokenizer.ggml.pre names.
 *
 * The names and patterns are Transformers' (GGUF_PRE_TOKENIZER_SPLITS), and for architectures that it
 * does not know llama.cpp's (llama-vocab.cpp), as the models' own tokenizer.json has them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/gguf_writer.h"

#include <string.h>

#include "base/json.h"

#define PATTERNS_MAX 4
#define NAMES_MAX 16

#define ENDINGS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define WORDS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define SYMBOLS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASES(ending)                                                                              \
	"[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" ending "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER  \
	"*" ending
#define LLAMA3 ENDINGS "|" WORDS "|\\p{N}{1,3}" SYMBOLS SPACES
#define QWEN2 ENDINGS "|" WORDS "|\\p{N}" SYMBOLS SPACES
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define CHINESE_JAPANESE                                                                           \
	"[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-\xE3\x83\xBF]+"
#define DEEPSEEK_V3                                                                                \
	"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?"           \
	"[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*" SPACES
#define CHINESE_KOREAN                                                                             \
	"[\xE4\xB8\x80-\xE9\xBE\xA5\xE0\xA0\x80-\xE4\xB8\x80\xEA\xB0\x80-\xED\x9F\xBF]+"

typedef struct split
{
	bool known; /* to Transformers */
	const char *names[NAMES_MAX];
	const char *patterns[PATTERNS_MAX];
} split;

static const split splits[] = {
	{true,
	 {"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
	  "jina-v5-nano", "dbrx", "smaug-bpe"},
	 {LLAMA3}},
	{true, {"tekken"}, {CASES("") "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" SPACES}},
	{true, {"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez"}, {QWEN2}},
	{true,
	 {"qwen35"},
	 {ENDINGS
	  "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" SPACES}},
	{true,
	 {"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"},
	 {CASES(ENDINGS "?") "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" SPACES}},

	{false, {"glm4", "chatglm-bpe"}, {LLAMA3}},
	{false, {"stablelm2", "hunyuan", "solar-open", "grok-2"}, {QWEN2}},
	{false,
	 {"gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0",
	  "mellum", "modern-bert", "jina-v1-en", "jina-v2-code", "roberta-bpe", "mpt", "olmo", "jais"},
	 {GPT2}},
	{false, {"exaone4", "trillion", "granite-docling"}, {GPT2}},
	{false,
	 {"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"},
	 {"\\p{N}", GPT2}},
	{false, {"falcon"}, {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}},
	{false,
	 {"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"},
	 {"\\p{N}{1,3}", CHINESE_JAPANESE, DEEPSEEK_V3}},
	{false, {"deepseek-coder"}, {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CHINESE_KOREAN}},
	{false,
	 {"bailingmoe", "bailingmoe2", "llada-moe"},
	 {"'(?i:[sdmt]|ll|ve|re)|" WORDS "|\\p{N}" SYMBOLS "|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
	{false, {"seed-coder"}, {ENDINGS "|" WORDS "|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+" SPACES}},
	{false,
	 {"exaone-moe"},
	 {ENDINGS "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}"
			  "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
	{false, {"", "default"}, {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
};

static const split *
find_split(tfm_text name, bool known)
{
	for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++)
		for (int n = 0; n < NAMES_MAX && splits[i].names[n] != NULL; n++)
			if ((splits[i].known || !known) && tok_text_is(name, splits[i].names[n]))
				return &splits[i];
	return NULL;
}

bool
tok_write_gguf_split(tok_gguf_writer *w)
{
	bool known = tok_gguf_is_known(w->gguf);
	const split *s = find_split(w->gguf->pre, known);

	if (s == NULL && known)
		return tok_gguf_append(w, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
								  "\"trim_offsets\":true,\"use_regex\":true}");
	if (s == NULL)
		return tfm_fail(w->context, TFM_UNSUPPORTED,
						"\"%s\": pre-tokenizer \"%.*s\" is not supported", w->gguf->source,
						(int) w->gguf->pre.length, w->gguf->pre.data);
	tok_gguf_append(w, "{\"type\":\"Sequence\",\"pretokenizers\":[");
	for (int i = 0; i < PATTERNS_MAX && s->patterns[i] != NULL; i++)
	{
		tok_gguf_append(w, "{\"type\":\"Split\",\"pattern\":{\"Regex\":");
		json_append_string(w->context, w->out, s->patterns[i], strlen(s->patterns[i]));
		tok_gguf_append(w, "},\"behavior\":\"Isolated\",\"invert\":false},");
	}
	return tok_gguf_append(w, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
							  "\"trim_offsets\":true,\"use_regex\":false}]}");
}
