/*
 * gguf_tokenizer.c
 *	  Tokenizers of GGUF files: what no other library is the truth for, and what is wrong with one.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/gguf_vocabulary.h"

#include "oom.h"
#include "scratch.h"
#include "tokenizers.h"

/* A file's keys with these tokens, up to a NULL. */
static tok_gguf
describe(scratch *s, const char *model, const char *architecture, const char *const *tokens)
{
	tok_gguf gguf = {
		.source = "x.gguf",
		.model = text_of(model),
		.architecture = text_of(architecture),
		.pre = text_of(""),
		.ids = {-1, -1, -1, -1, -1, -1, -1},
		.add_bos = -1,
		.add_eos = -1,
	};
	tfm_text *texts;

	while (tokens[gguf.count] != NULL)
		gguf.count++;
	texts = tfm_alloc_array(&s->context, gguf.count, sizeof(tfm_text));
	for (size_t i = 0; i < gguf.count; i++)
		texts[i] = text_of(tokens[i]);
	gguf.tokens = texts;
	return gguf;
}

/* The text's ids are these, up to -1, and its tokens decode to what they came from. */
static void
check(scratch *s, const tok_gguf *gguf, const char *text, const int32_t *ids, const char *decoded)
{
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	buffer *blob = buffer_create(&s->context);
	const tok_tokenizer *tokenizer;
	tok_encoding e;
	tfm_text found;

	if (!tok_compile_gguf(&s->context, gguf, blob))
		assert_good(&s->context);
	tokenizer = tok_open(&s->context, blob->data, blob->length);
	options.want = TOK_WANT_OFFSETS;
	assert_true(tok_encode(&s->context, tokenizer, text_of(text), NULL, &options, &e));
	for (size_t i = 0; i < e.count; i++)
		assert_int_equal(e.ids[i], ids[i]);
	assert_int_equal(ids[e.count], -1);
	assert_true(tok_decode(&s->context, tokenizer, e.ids, e.count, true, &found));
	assert_int_equal(found.length, strlen(decoded));
	assert_memory_equal(found.data, decoded, found.length);
}

/* The longest token first, and bytes that are not whole characters. */
static void
rwkv_takes_the_longest_token(void **state)
{
	static const char *const tokens[] = {"<s>",	  "a",	  "ab",	   "abcd",	   "bc", "\\n", "\\xc3",
										 "\\xa9", "\\\\", "\\x00", "\xC3\xA9", " d", NULL};
	scratch *s = *state;
	tok_gguf gguf = describe(s, "rwkv", "rwkv7", tokens);

	gguf.ids[TOK_UNK] = 0;
	check(s, &gguf, "ab abcd\n\\\xC3\xA9 d\xC3\xA8",
		  (const int32_t[]) {2, 0, 3, 5, 8, 10, 11, 6, 0, -1}, "ababcd\n\\\xC3\xA9 d\xEF\xBF\xBD");
	gguf.ids[TOK_UNK] = -1;
	gguf.ids[TOK_BOS] = 0;
	gguf.add_bos = 1;
	check(s, &gguf, "bcab<s>a", (const int32_t[]) {0, 4, 2, 0, 1, -1}, "bcaba");
}

/* Words are marked where they begin, not where they go on. */
static void
bert_has_marked_words(void **state)
{
	static const char *const tokens[] = {
		"[PAD]", "[UNK]",		  "[CLS]",	"[SEP]", "\xE2\x96\x81hello",
		"s",	 "\xE2\x96\x81.", "[MASK]", NULL};
	scratch *s = *state;
	tok_gguf gguf = describe(s, "bert", "bert", tokens);

	gguf.ids[TOK_UNK] = 1;
	gguf.ids[TOK_CLS] = 2;
	gguf.ids[TOK_SEP] = 3;
	gguf.ids[TOK_MASK] = 7;
	check(s, &gguf, "Hellos. what [MASK]", (const int32_t[]) {2, 4, 5, 6, 1, 7, 3, -1}, "hellos.");
}

/* An architecture that Transformers does not know is split as llama.cpp does. */
static void
patterns_go_by_their_names(void **state)
{
	static const char *const tokens[] = {"1", "2", "12", "a", "1a", "\xC4\xA0", NULL};
	scratch *s = *state;
	tfm_text merges[] = {text_of("1 2"), text_of("1 a")};
	tok_gguf gguf = describe(s, "gpt2", "deepseek2", tokens);

	gguf.merges = merges;
	gguf.merge_count = 2;
	gguf.pre = text_of("starcoder");
	check(s, &gguf, "12 1a", (const int32_t[]) {0, 1, 5, 0, 3, -1}, "12 1a");
	gguf.pre = text_of("deepseek-v3");
	check(s, &gguf, "12 1a", (const int32_t[]) {2, 5, 0, 3, -1}, "12 1a");
	gguf.pre = text_of("another");
	assert_false(tok_compile_gguf(&s->context, &gguf, buffer_create(&s->context)));
	assert_failed(&s->context, TFM_UNSUPPORTED, "pre-tokenizer \"another\" is not supported");
}

static void
refuse(scratch *s, const tok_gguf *gguf, tfm_error_kind kind, const char *says)
{
	assert_false(tok_compile_gguf(&s->context, gguf, buffer_create(&s->context)));
	assert_failed(&s->context, kind, says);
}

static void
wrong_ones_are_refused(void **state)
{
	static const char *const tokens[] = {"a", "b", NULL};
	scratch *s = *state;
	tok_gguf gguf = describe(s, "plamo2", "plamo2", tokens);
	tfm_text merge = text_of("ab"), nul = {.data = "\0", .length = 1};

	refuse(s, &gguf, TFM_UNSUPPORTED, "model \"plamo2\" is not supported");
	gguf = describe(s, "t5", "t5", tokens);
	refuse(s, &gguf, TFM_CORRUPTED, "no scores");
	gguf = describe(s, "llama", "llama", tokens);
	refuse(s, &gguf, TFM_CORRUPTED, "neither merges nor scores");
	gguf.merges = &merge;
	gguf.merge_count = 1;
	refuse(s, &gguf, TFM_CORRUPTED, "merge 0 is not two tokens");
	gguf.ids[TOK_EOS] = 2;
	refuse(s, &gguf, TFM_CORRUPTED, "special token 2 is not a token");
	gguf.ids[TOK_EOS] = -1;
	gguf.tokens = &nul;
	gguf.count = 1;
	refuse(s, &gguf, TFM_CORRUPTED, "token 0 has a NUL");
}

static bool
compile(tfm_context *context, void *gguf)
{
	buffer *blob = buffer_create(context);

	return blob != NULL && tok_compile_gguf(context, gguf, blob);
}

static void
lack_of_memory_is_an_error(void **state)
{
	static const char *const tokens[] = {"<unk>", "<s>", "</s>", "a", "b", "ab", "aba", "  ", NULL};
	static const float scores[] = {0, 0, 0, -1, -1, -2, -3, -4};
	scratch *s = *state;
	tok_gguf gguf = describe(s, "llama", "gemma3", tokens);

	gguf.scores = scores;
	assert_int_equal(oom_run_all(compile, &gguf), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(rwkv_takes_the_longest_token), scratch_test(bert_has_marked_words),
		scratch_test(patterns_go_by_their_names),	scratch_test(wrong_ones_are_refused),
		scratch_test(lack_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
