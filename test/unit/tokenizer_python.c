/*
 * tokenizer_python.c
 *	  Tokenizers that Transformers has in Python alone: what is refused, damage, lack of memory.
 *
 * What they make of texts is compared in tokenizer_golden.c.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/tokenizer.h"

#include "oom.h"
#include "scratch.h"
#include "tokenizers.h"
#include "text/pipeline.h"

#define CLASS(name) "{\"tokenizer_class\":\"" name "\""
#define TEXT                                                                                       \
	"Mr. X isn't <s> at\xc2\xa0"                                                                   \
	"5 %, \xce\x91\xce\xa3\xe2\x80\xa6 e\xcc\x81 \"hi\" a-b"

/* A class and the files that it needs; names and contents in turn. */
typedef struct directory
{
	const char *config;
	const char *files[6];
} directory;

#define MERGES "a t</w>\ni s\nis n</w>\n"
#define PIECES "{\"<s>\":0,\"</s>\":1,\"<pad>\":2,\"<unk>\":3,\"a\":4,\"at</w>\":5,\"isn</w>\":6}"

static const directory directories[] = {
	{CLASS("ByT5Tokenizer") "}", {NULL}},
	{CLASS("Wav2Vec2CTCTokenizer") ",\"do_lower_case\":true}",
	 {"vocab.json", "{\"<pad>\":0,\"<s>\":1,\"</s>\":2,\"<unk>\":3,\"|\":4,\"A\":5,\"IS\":6}"}},
	{CLASS("EsmTokenizer") "}", {"vocab.txt", "<cls>\n<pad>\n<eos>\n<unk>\na\nat\n<mask>\n"}},
	{CLASS("XLMTokenizer") "}", {"vocab.json", PIECES, "merges.txt", MERGES}},
	{CLASS("FSMTTokenizer") ",\"langs\":[\"de\",\"en\"]}",
	 {"vocab-src.json", PIECES, "vocab-tgt.json", PIECES, "merges.txt", MERGES}},
	{CLASS("CTRLTokenizer") "}",
	 {"vocab.json", "{\"<unk>\":0,\"at\":1,\"a@@\":2}", "merges.txt", "#\n" MERGES}},
	{CLASS("BertJapaneseTokenizer") ",\"subword_tokenizer_type\":\"character\"}",
	 {"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ni\n"}},
	{CLASS("TapasTokenizer") "}",
	 {"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n[EMPTY]\na\ni\n##s\n"}},
	{CLASS("MyT5Tokenizer") "}",
	 {"byte_maps.json",
	  "{\"decompose_map\":{\"58\":\"20 78\"},\"merge_map\":{\"69 73\":\"81 82\"}}"}},
	{CLASS("VitsTokenizer") ",\"phonemize\":false}",
	 {"vocab.json", "{\"<pad>\":0,\"a\":1,\"i\":2,\"t\":3,\" \":4}"}},
	{CLASS("SiglipTokenizer") "}", {NULL}},
	{CLASS("PLBartTokenizer") ",\"legacy\":false,\"language_codes\":\"multi\"}", {NULL}},
	{CLASS("BartphoTokenizer") "}", {"dict.txt", "a 1\nat 2\n"}},
	{CLASS("SpeechT5Tokenizer") "}", {NULL}},
	{CLASS("MarianTokenizer") "}", {"vocab.json", PIECES}},
};
#define COUNT (sizeof(directories) / sizeof(directories[0]))

/* A model file: pieces with a score and a type (1 normal, 2 unknown, 3 control). */
static void
write_model(scratch *s, const char *name)
{
	static const struct
	{
		const char *text;
		int type;
	} pieces[] = {{"<unk>", 2},		   {"<s>", 3}, {"</s>", 3}, {"<pad>", 3},
				  {"\xe2\x96\x81", 1}, {"a", 1},   {"i", 1},	{"at", 1}};
	char bytes[512];
	size_t length = 0;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
	{
		size_t width = strlen(pieces[i].text);

		bytes[length++] = 0x0A;
		bytes[length++] = (char) (2 + width + 5 + 2);
		bytes[length++] = 0x0A;
		bytes[length++] = (char) width;
		memcpy(bytes + length, pieces[i].text, width);
		length += width;
		memcpy(bytes + length, "\x15\0\0\x80\xbf\x18", 6); /* -1 */
		length += 6;
		bytes[length++] = (char) pieces[i].type;
	}
	scratch_write(s, name, bytes, length);
}

static void
write_directory(scratch *s, const directory *d)
{
	scratch_write_text(s, "tokenizer_config.json", d->config);
	for (int i = 0; i < 6 && d->files[i] != NULL; i += 2)
		scratch_write_text(s, d->files[i], d->files[i + 1]);
	write_model(s, "spm_char.model");
	write_model(s, "source.spm");
	write_model(s, "spiece.model");
	write_model(s, "sentencepiece.bpe.model");
}

typedef struct use
{
	const char *directory;
} use;

static bool
use_tokenizer(tfm_context *context, const tok_tokenizer *t)
{
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	tfm_text second = text_of("n/a at isn");
	tok_encoding e;
	tfm_text decoded;

	options.want = TOK_WANT_OFFSETS | TOK_WANT_TOKENS | TOK_WANT_TYPE_IDS;
	options.max_length = 20;
	return tok_encode(context, t, text_of(TEXT), &second, &options, &e) &&
		   tok_decode(context, t, e.ids, e.count, true, &decoded);
}

static bool
use_directory(tfm_context *context, void *argument)
{
	const use *u = argument;
	buffer *blob = buffer_create(context);
	const tok_tokenizer *t;

	if (blob == NULL || !tok_compile(context, u->directory, false, blob))
		return false;
	t = tok_open(context, blob->data, blob->length);
	return t != NULL && use_tokenizer(context, t);
}

static void
lack_of_memory_is_an_error(void **state)
{
	scratch *s = *state;
	use u = {.directory = s->directory};

	for (size_t i = 0; i < COUNT; i++)
	{
		write_directory(s, &directories[i]);
		assert_int_equal(oom_run_all(use_directory, &u), TFM_OK);
	}
}

/* Bytes here and there are others; the answer may be wrong, but nothing is read outside. */
static void
damage_does_no_harm(void **state)
{
	scratch *s = *state;

	for (size_t d = 0; d < COUNT; d++)
	{
		buffer *blob = buffer_create(&s->context);
		char *copy;

		write_directory(s, &directories[d]);
		assert_true(tok_compile(&s->context, s->directory, false, blob));
		copy = malloc(blob->length);
		memcpy(copy, blob->data, blob->length);
		for (size_t i = 0; i < blob->length; i += blob->data[i] == 0 ? 13 : 1)
		{
			arena_mark mark = arena_save(s->context.arena);
			const tok_tokenizer *t;

			copy[i] = (char) (copy[i] ^ (i % 3 == 0 ? 0x80 : 1 + (int) (i % 7)));
			t = tok_open(&s->context, copy, blob->length);
			if (t != NULL)
				use_tokenizer(&s->context, t);
			assert_int_not_equal(s->context.error.kind, TFM_INTERNAL);
			tfm_clear_error(&s->context);
			arena_restore(s->context.arena, mark);
			copy[i] = blob->data[i];
		}
		free(copy);
	}
}

static void
refuse(scratch *s, const char *config, tfm_error_kind kind, const char *message)
{
	buffer *blob = buffer_create(&s->context);

	scratch_write_text(s, "tokenizer_config.json", config);
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, kind, message);
}

static void
what_is_not_there_is_said(void **state)
{
	scratch *s = *state;

	refuse(s, CLASS("BertJapaneseTokenizer") ",\"word_tokenizer_type\":\"mecab\"}", TFM_UNSUPPORTED,
		   "MeCab");
	refuse(s, CLASS("Wav2Vec2PhonemeCTCTokenizer") "}", TFM_UNSUPPORTED, "phonemizer");
	refuse(s, CLASS("CpmAntTokenizer") "}", TFM_UNSUPPORTED, "CpmAntTokenizer");
	refuse(s, CLASS("CTRLTokenizer") "}", TFM_FILE_NOT_FOUND, "vocab.json");
	refuse(s, CLASS("MarianTokenizer") "}", TFM_FILE_NOT_FOUND, "source.spm");
	scratch_write_text(s, "vocab.json", "{\"a\":-1}");
	refuse(s, CLASS("CTRLTokenizer") "}", TFM_CORRUPTED, "vocab.json");
	scratch_write_text(s, "vocab.json", "{\"a\":0,\"<unk>\":1}");
	refuse(s, CLASS("XLMTokenizer") "}", TFM_FILE_NOT_FOUND, "merges.txt");
	scratch_write_text(s, "vocab-src.json", "{\"a\":0}");
	refuse(s, CLASS("FSMTTokenizer") "}", TFM_CORRUPTED, "langs");
}

/* A word of a million characters, whose merges are many, in a moment. */
static void
long_words_are_quick(void **state)
{
	scratch *s = *state;
	buffer *blob = buffer_create(&s->context);
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	size_t length = 1000000;
	char *word = malloc(length + 1);
	const tok_tokenizer *t;
	tok_encoding e;

	scratch_write_text(s, "tokenizer_config.json", CLASS("CTRLTokenizer") "}");
	scratch_write_text(s, "vocab.json", "{\"<unk>\":0,\"aaaa@@\":1,\"aaaa\":2}");
	scratch_write_text(s, "merges.txt", "#\na a\naa aa\na a</w>\naa aa</w>\n");
	assert_true(tok_compile(&s->context, s->directory, false, blob));
	t = tok_open(&s->context, blob->data, blob->length);
	memset(word, 'a', length);
	assert_true(tok_encode(&s->context, t, (tfm_text) {word, length}, NULL, &options, &e));
	assert_int_equal(e.count, length / 4);
	assert_int_equal(e.ids[0], 1);
	free(word);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(what_is_not_there_is_said),
		scratch_test(long_words_are_quick),
		scratch_test(damage_does_no_harm),
		scratch_test(lack_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
