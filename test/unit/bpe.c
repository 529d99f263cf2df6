/*
 * bpe.c
 *	  BPE against the plainest way to do it, what is wrong with its files, and words without end.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/tokenizer.h"

#include "base/json.h"
#include "oom.h"
#include "scratch.h"
#include "text/byte_level.h"

#define TOKENIZER(pre_tokenizer, model)                                                            \
	"{\"added_tokens\":[],\"normalizer\":null,\"pre_tokenizer\":" pre_tokenizer                    \
	",\"post_processor\":null,\"decoder\":null,\"model\":" model "}"
#define BPE(options, vocabulary, merges)                                                           \
	"{\"type\":\"BPE\"," options "\"vocab\":{" vocabulary "},\"merges\":[" merges "]}"
#define BYTE_LEVEL                                                                                 \
	"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":"      \
	"false}"
#define ABC "\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"abc\":4,\"<unk>\":5"

static const tok_tokenizer *
open_text(tfm_context *context, const char *text, buffer **compiled)
{
	buffer *blob = buffer_create(context);

	if (compiled != NULL)
		*compiled = blob;
	if (blob == NULL || !tok_compile_json(context, (tfm_text) {text, strlen(text)},
										  "tokenizer.json", (tfm_text) {NULL, 0}, "none", blob))
		return NULL;
	return tok_open(context, blob->data, blob->length);
}

/*
 * Random models
 */

#define TOKENS_MAX 400
#define MERGES_MAX 120
#define WORD_MAX 300

/* A model of up to 256 symbols (of bytes, or of characters) and merges of them. */
typedef struct plain_model
{
	bool bytes;
	int symbols;
	int tokens;
	char texts[TOKENS_MAX][64]; /* as in the vocabulary */
	int merges;
	int merge[MERGES_MAX][3]; /* left, right, both */
} plain_model;

/* A generator of its own, so that every machine sees the same models. */
static uint32_t
draw(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % below;
}

static void
make_model(plain_model *m, bool bytes, uint32_t *state)
{
	static const char *const characters[] = {"a",		 "b",			"c", "\xE2\x96\x81",
											 "\xC3\xA9", "\xE4\xB8\xAD"};

	*m = (plain_model) {.bytes = bytes, .symbols = bytes ? 256 : 6};
	for (int i = 0; i < m->symbols; i++)
	{
		if (bytes)
			m->texts[i][utf8_encode(tok_byte_character((unsigned char) i), m->texts[i])] = '\0';
		else
			strcpy(m->texts[i], characters[i]);
	}
	m->tokens = m->symbols;
	for (int tries = 0; tries < 200 && m->merges < MERGES_MAX; tries++)
	{
		int first = bytes ? 'a' : 0, span = bytes ? 5 : 6;
		int pool = span + m->tokens - m->symbols;
		int left = (int) draw(state, (uint32_t) pool), right = (int) draw(state, (uint32_t) pool);
		int both = 0;
		char text[128];

		left = left < span ? first + left : m->symbols + left - span;
		right = right < span ? first + right : m->symbols + right - span;
		snprintf(text, sizeof(text), "%s%s", m->texts[left], m->texts[right]);
		while (both < m->tokens && strcmp(m->texts[both], text) != 0)
			both++;
		for (int i = 0; i < m->merges; i++)
			if (m->merge[i][0] == left && m->merge[i][1] == right)
				text[0] = '\0';
		if (text[0] == '\0' || strlen(text) >= 24)
			continue;
		if (both == m->tokens)
			strcpy(m->texts[m->tokens++], text);
		memcpy(m->merge[m->merges++], (int[]) {left, right, both}, sizeof(m->merge[0]));
	}
}

static const tok_tokenizer *
open_model(tfm_context *context, const plain_model *m)
{
	buffer *text = buffer_create(context);

	buffer_printf(context, text,
				  "{\"pre_tokenizer\":%s,\"model\":{\"type\":\"BPE\",\"unk_token\":\"a\","
				  "\"vocab\":{",
				  m->bytes ? BYTE_LEVEL : "null");
	for (int i = 0; i < m->tokens; i++)
	{
		json_append_string(context, text, m->texts[i], strlen(m->texts[i]));
		buffer_printf(context, text, ":%d%s", i, i + 1 < m->tokens ? "," : "},\"merges\":[");
	}
	for (int i = 0; i < m->merges; i++)
	{
		const char *left = m->texts[m->merge[i][0]], *right = m->texts[m->merge[i][1]];

		buffer_append_string(context, text, i == 0 ? "[" : ",[");
		json_append_string(context, text, left, strlen(left));
		buffer_append_string(context, text, ",");
		json_append_string(context, text, right, strlen(right));
		buffer_append_string(context, text, "]");
	}
	buffer_append_string(context, text, "]}}");
	return open_text(context, buffer_text(context, text), NULL);
}

/* Again and again, the first merge of the list that there is, at its first place. */
static int
merge_plainly(const plain_model *m, int *ids, int count)
{
	for (int rank = 0; rank < m->merges; rank++)
		for (int i = 0; i + 1 < count; i++)
			if (ids[i] == m->merge[rank][0] && ids[i + 1] == m->merge[rank][1])
			{
				ids[i] = m->merge[rank][2];
				memmove(ids + i + 1, ids + i + 2, (size_t) (count - i - 2) * sizeof(int));
				count--;
				rank = -1;
				break;
			}
	return count;
}

static void
check_word(tfm_context *context, const tok_tokenizer *t, const plain_model *m, uint32_t *state)
{
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	int ids[WORD_MAX], count = 1 + (int) draw(state, draw(state, 4) == 0 ? WORD_MAX - 1 : 20);
	char word[4 * WORD_MAX + 1] = "";
	size_t length = 0;
	tok_encoding e;

	for (int i = 0; i < count; i++)
	{
		ids[i] = m->bytes ? 'a' + (int) draw(state, 6) : (int) draw(state, 6);
		if (m->bytes)
			word[length++] = (char) ids[i];
		else
			length += (size_t) sprintf(word + length, "%s", m->texts[ids[i]]);
	}
	count = merge_plainly(m, ids, count);
	assert_true(tok_encode(context, t, (tfm_text) {word, length}, NULL, &options, &e));
	assert_int_equal(e.count, count);
	for (int i = 0; i < count; i++)
		if (e.ids[i] != ids[i])
			fail_msg("\"%.*s\": token %d is %d, not %d", (int) length, word, i, e.ids[i], ids[i]);
}

static void
merges_are_made_in_their_order(void **state)
{
	scratch *s = *state;
	plain_model *m = malloc(sizeof(plain_model));
	uint32_t generator = 1;

	assert_non_null(m);
	for (int models = 0; models < 60; models++)
	{
		arena_mark mark = arena_save(s->context.arena);
		const tok_tokenizer *t;

		make_model(m, models % 2 == 0, &generator);
		t = open_model(&s->context, m);
		assert_non_null(t);
		for (int words = 0; words < 60; words++)
			check_word(&s->context, t, m, &generator);
		arena_restore(s->context.arena, mark);
	}
	free(m);
}

/*
 * Files
 */

static void
wrong_models_are_refused(void **state)
{
	static const struct
	{
		const char *text;
		tfm_error_kind kind;
		const char *part;
	} cases[] = {
		{TOKENIZER("null", BPE("", ABC, "\"a d\"")), TFM_CORRUPTED, "merge 0"},
		{TOKENIZER("null", BPE("", ABC, "\"a b\",\"a c\"")), TFM_CORRUPTED, "merge 1"},
		{TOKENIZER("null", BPE("", ABC, "\"a  b\"")), TFM_CORRUPTED, "merge 0"},
		{TOKENIZER("null", BPE("", ABC, "\"ab\"")), TFM_CORRUPTED, "merge 0"},
		{TOKENIZER("null", BPE("", ABC, "\"a b\",[\"ab\",\"c\"]")), TFM_CORRUPTED, "merge 1"},
		{TOKENIZER("null", BPE("", ABC, "[\"a\",\"b\",\"c\"]")), TFM_CORRUPTED, "merge 0"},
		{TOKENIZER("null", BPE("\"continuing_subword_prefix\":\"##\",", ABC, "\"a b\"")),
		 TFM_CORRUPTED, "merge 0"},
		{TOKENIZER("null", "{\"type\":\"BPE\",\"vocab\":{}}"), TFM_CORRUPTED, "\"merges\""},
		{TOKENIZER("null", "{\"type\":\"BPE\",\"merges\":[]}"), TFM_CORRUPTED, "\"vocab\""},
		{TOKENIZER("null", BPE("\"dropout\":0.1,", ABC, "")), TFM_UNSUPPORTED, "\"dropout\""},
		{TOKENIZER("null", BPE("\"unk_token\":1,", ABC, "")), TFM_CORRUPTED, "\"unk_token\""},
		{TOKENIZER("null", BPE("\"fuse_unk\":1,", ABC, "")), TFM_CORRUPTED, "\"fuse_unk\""},
		{TOKENIZER("null", BPE("\"end_of_word_suffix\":\""
							   "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
							   "\",",
							   ABC, "")),
		 TFM_LIMIT_EXCEEDED, "\"end_of_word_suffix\""},
		{TOKENIZER("null", "{\"type\":\"WordLevel\",\"vocab\":{}}"), TFM_CORRUPTED,
		 "\"unk_token\""},
		{TOKENIZER("{\"type\":\"ByteLevel\"}", BPE("", ABC, "")), TFM_CORRUPTED,
		 "\"add_prefix_space\""},
	};

	scratch *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		assert_null(open_text(&s->context, cases[i].text, NULL));
		assert_failed(&s->context, cases[i].kind, cases[i].part);
	}
}

static void
types_of_models_are_known_by_their_keys(void **state)
{
	scratch *s = *state;

	assert_non_null(
		open_text(&s->context, "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}}", NULL));
	assert_non_null(
		open_text(&s->context, "{\"model\":{\"vocab\":{\"a\":0},\"unk_token\":\"a\"}}", NULL));
}

static void
an_unknown_token_must_be_known(void **state)
{
	static const char *const models[] = {
		TOKENIZER("null", BPE("\"unk_token\":\"no\",", ABC, "")),
		TOKENIZER("null", "{\"type\":\"WordLevel\",\"unk_token\":\"no\",\"vocab\":{\"a\":0}}"),
	};
	scratch *s = *state;
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	tok_encoding e;

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
	{
		const tok_tokenizer *t = open_text(&s->context, models[i], NULL);

		assert_good(&s->context);
		assert_true(tok_encode(&s->context, t, (tfm_text) {"a", 1}, NULL, &options, &e));
		assert_false(tok_encode(&s->context, t, (tfm_text) {"z", 1}, NULL, &options, &e));
		assert_failed(&s->context, TFM_CORRUPTED, "unknown token");
	}
}

/*
 * Damage and want
 */

static const char *const byte_fallback =
	TOKENIZER(BYTE_LEVEL, BPE("\"unk_token\":\"<unk>\",\"byte_fallback\":true,\"fuse_unk\":true,",
							  ABC, "\"a b\",\"ab c\""));
static const char *const suffixed = TOKENIZER(
	"null", BPE("\"end_of_word_suffix\":\"c\",\"continuing_subword_prefix\":\"b\",", ABC, ""));

static bool
use_text(tfm_context *context, void *argument)
{
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	const tok_tokenizer *t = open_text(context, argument, NULL);
	char word[500];
	tok_encoding e;

	memset(word, 'a', sizeof(word));
	memcpy(word + 100, "abc\xC3\xA9\xC3\xA9", 7);
	options.want = TOK_WANT_OFFSETS | TOK_WANT_TOKENS;
	return t != NULL && tok_encode(context, t, (tfm_text) {word, sizeof(word)}, NULL, &options, &e);
}

static void
lack_of_memory_is_an_error(void **state)
{
	(void) state;
	assert_int_equal(oom_run_all(use_text, (void *) (uintptr_t) byte_fallback), TFM_OK);
	assert_int_equal(oom_run_all(use_text, (void *) (uintptr_t) suffixed), TFM_OK);
}

/* Whatever a byte of the compiled tokenizer becomes, nothing worse than an error or other tokens. */
static void
damage_model(tfm_context *context, const char *text)
{
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	buffer *blob;
	uint32_t generator = 7;
	tok_encoding e;

	assert_non_null(open_text(context, text, &blob));
	for (size_t at = 0; at < blob->length; at += 1 + draw(&generator, at < 20000 ? 9 : 4000))
	{
		arena_mark mark = arena_save(context->arena);
		char kept = blob->data[at];
		const tok_tokenizer *t;

		blob->data[at] = (char) (kept ^ (1 << draw(&generator, 8)));
		t = tok_open(context, blob->data, blob->length);
		options.want = TOK_WANT_OFFSETS | TOK_WANT_TOKENS;
		if (t != NULL)
			tok_encode(context, t, (tfm_text) {"abcab cccc\xC3\xA9 abc", 16}, NULL, &options, &e);
		tfm_clear_error(context);
		blob->data[at] = kept;
		arena_restore(context->arena, mark);
	}
}

static void
damage_does_no_harm(void **state)
{
	scratch *s = *state;

	damage_model(&s->context, byte_fallback);
	damage_model(&s->context, suffixed);
}

/*
 * A word without end
 */

static bool
stop_after(void *argument)
{
	return --*(int *) argument < 0;
}

static void
long_words_are_merged_and_stopped(void **state)
{
	scratch *s = *state;
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	const size_t length = 1 << 20;
	char *word = malloc(length);
	plain_model *m = calloc(1, sizeof(plain_model));
	int polls = 3;
	const tok_tokenizer *t;
	tok_encoding e;

	/* Each token of a power of two is merged of two halves. */
	assert_true(word != NULL && m != NULL);
	m->symbols = m->tokens = 1;
	strcpy(m->texts[0], "a");
	for (int i = 0; i < 5; i++)
	{
		snprintf(m->texts[m->tokens], sizeof(m->texts[0]), "%s%s", m->texts[i], m->texts[i]);
		memcpy(m->merge[m->merges++], (int[]) {i, i, m->tokens++}, sizeof(m->merge[0]));
	}
	t = open_model(&s->context, m);
	assert_non_null(t);
	memset(word, 'a', length);
	assert_true(tok_encode(&s->context, t, (tfm_text) {word, length}, NULL, &options, &e));
	assert_int_equal(e.count, length / 32);
	s->context.interrupted = stop_after;
	s->context.interrupted_argument = &polls;
	assert_false(tok_encode(&s->context, t, (tfm_text) {word, length}, NULL, &options, &e));
	assert_failed(&s->context, TFM_CANCELLED, "");
	free(word);
	free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(merges_are_made_in_their_order),
		scratch_test(wrong_models_are_refused),
		scratch_test(types_of_models_are_known_by_their_keys),
		scratch_test(an_unknown_token_must_be_known),
		scratch_test(lack_of_memory_is_an_error),
		scratch_test(damage_does_no_harm),
		scratch_test(long_words_are_merged_and_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
