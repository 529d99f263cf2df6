/*
 * tokenizer.c
 *	  What is wrong with the files of tokenizers, compiled tokenizers, texts and options.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/tokenizer.h"

#include "oom.h"
#include "scratch.h"
#include "tokenizers.h"

#define WANT_ALL                                                                                   \
	(TOK_WANT_TYPE_IDS | TOK_WANT_OFFSETS | TOK_WANT_WORDS | TOK_WANT_SPECIAL_MASK |               \
	 TOK_WANT_SEQUENCES | TOK_WANT_OVERFLOWING | TOK_WANT_TOKENS)

/* A small tokenizer, in parts that tests put others between. */
#define ADDED(content, flags)                                                                      \
	"{\"id\":0,\"content\":\"" content "\",\"single_word\":false,\"lstrip\":false,"                \
	"\"rstrip\":false," flags "}"
#define SPECIAL "\"normalized\":false,\"special\":true"
#define NORMALIZER                                                                                 \
	"{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"              \
	"\"strip_accents\":null,\"lowercase\":true}"
#define MODEL                                                                                      \
	"{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","        \
	"\"max_input_chars_per_word\":100,\"vocab\":{\"[UNK]\":0,\"a\":1,\"##b\":2,\"[CLS]\":3,"       \
	"\"[SEP]\":4}}"
#define PROCESSOR "{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",4],\"cls\":[\"[CLS]\",3]}"
#define TOKENIZER(added, normalizer, pre_tokenizer, processor, decoder, model)                     \
	"{\"version\":\"1.0\",\"added_tokens\":[" added "],\"normalizer\":" normalizer                 \
	",\"pre_tokenizer\":" pre_tokenizer ",\"post_processor\":" processor ",\"decoder\":" decoder   \
	",\"model\":" model "}"
#define BERT "{\"type\":\"BertPreTokenizer\"}"
#define DECODER "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}"

static const char small[] =
	TOKENIZER(ADDED("[UNK]", SPECIAL) "," ADDED("Foo", "\"normalized\":true,"
													   "\"special\":false"),
			  NORMALIZER, BERT, PROCESSOR, DECODER, MODEL);

static const tok_tokenizer *
open_small(scratch *s)
{
	const tok_tokenizer *tokenizer = open_text(&s->context, text_of(small));

	assert_good(&s->context);
	return tokenizer;
}

/*
 * What is wrong with a tokenizer.json
 */

#define TEMPLATE                                                                                   \
	"{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}}" \
	","                                                                                            \
	"{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}}]" \
	","                                                                                            \
	"\"pair\":[],\"special_tokens\":{\"x\":{\"id\":\"x\",\"ids\":[1],\"tokens\":[\"x\"]}}}"

static const struct
{
	const char *text;
	tfm_error_kind kind;
	const char *says;
} wrong[] = {
	{"{", TFM_CORRUPTED, "not valid JSON"},
	{"[]", TFM_CORRUPTED, "must be an object"},
	{"{}", TFM_CORRUPTED, "\"model\" is missing"},
	{"{\"model\":{\"type\":\"Bigram\"}}", TFM_UNSUPPORTED, "model \"Bigram\""},
	{"{\"model\":{\"vocab\":{}}}", TFM_CORRUPTED, "\"type\" is missing"},
	{"{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"u\",\"continuing_subword_prefix\":\"\","
	 "\"max_input_chars_per_word\":-1,\"vocab\":{}}}",
	 TFM_CORRUPTED, "max_input_chars_per_word"},
	{"{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"u\",\"continuing_subword_prefix\":\"\","
	 "\"max_input_chars_per_word\":1,\"vocab\":[]}}",
	 TFM_CORRUPTED, "\"vocab\" must be an object"},
	{"{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"u\",\"continuing_subword_prefix\":\"\","
	 "\"max_input_chars_per_word\":1,\"vocab\":{\"a\":\"b\"}}}",
	 TFM_CORRUPTED, "id of token \"a\""},
	{"{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"u\",\"continuing_subword_prefix\":\"\","
	 "\"max_input_chars_per_word\":1,\"vocab\":{\"a\":2000000000}}}",
	 TFM_LIMIT_EXCEEDED, "2000000000 is out of range"},
	{TOKENIZER("", "{\"type\":\"Fold\"}", BERT, PROCESSOR, DECODER, MODEL), TFM_UNSUPPORTED,
	 "normalizer \"Fold\""},
	{TOKENIZER("", "{\"type\":\"BertNormalizer\"}", BERT, PROCESSOR, DECODER, MODEL), TFM_CORRUPTED,
	 "\"clean_text\" is missing"},
	{TOKENIZER("", "\"NFC\"", BERT, PROCESSOR, DECODER, MODEL), TFM_CORRUPTED,
	 "the normalizer must be an object"},
	{TOKENIZER("", "{\"type\":\"Sequence\"}", BERT, PROCESSOR, DECODER, MODEL), TFM_CORRUPTED,
	 "\"normalizers\" of a normalizer"},
	{TOKENIZER("", NORMALIZER, "{\"type\":\"Bytes\"}", PROCESSOR, DECODER, MODEL), TFM_UNSUPPORTED,
	 "pre-tokenizer \"Bytes\""},
	{TOKENIZER("", NORMALIZER, BERT, "{\"type\":\"Unknown\"}", DECODER, MODEL), TFM_UNSUPPORTED,
	 "post-processor \"Unknown\""},
	{TOKENIZER("", NORMALIZER, BERT, "{\"type\":\"BertProcessing\",\"sep\":[\"a\"]}", DECODER,
			   MODEL),
	 TFM_CORRUPTED, "\"cls\" of the post-processor"},
	{TOKENIZER("", NORMALIZER, BERT,
			   "{\"type\":\"BertProcessing\",\"sep\":[\"a\",1],\"cls\":[\"b\",-1]}", DECODER,
			   MODEL),
	 TFM_CORRUPTED, "\"cls\" of the post-processor"},
	{TOKENIZER("", NORMALIZER, BERT,
			   "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\","
			   "\"type_id\":0}}],\"pair\":[],\"special_tokens\":{}}",
			   DECODER, MODEL),
	 TFM_CORRUPTED, "special token \"x\""},
	{TOKENIZER("", NORMALIZER, BERT,
			   "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"B\","
			   "\"type_id\":0}}],\"pair\":[],\"special_tokens\":{}}",
			   DECODER, MODEL),
	 TFM_CORRUPTED, "unknown sequence \"B\""},
	{TOKENIZER("", NORMALIZER, BERT,
			   "{\"type\":\"Sequence\",\"processors\":[" TEMPLATE "," TEMPLATE "]}", DECODER,
			   MODEL),
	 TFM_UNSUPPORTED, "a template after another one"},
	{TOKENIZER("", NORMALIZER, BERT, PROCESSOR, "{\"type\":\"Unknown\"}", MODEL), TFM_UNSUPPORTED,
	 "decoder \"Unknown\""},
	{TOKENIZER("", "{\"type\":\"Strip\",\"strip_left\":true}", BERT, PROCESSOR, DECODER, MODEL),
	 TFM_CORRUPTED, "\"strip_right\" is missing"},
	{TOKENIZER("", NORMALIZER, "{\"type\":\"Punctuation\",\"behavior\":\"x\"}", PROCESSOR, DECODER,
			   MODEL),
	 TFM_CORRUPTED, "no way to split"},
	{TOKENIZER("", NORMALIZER, "{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"ab\"}", PROCESSOR,
			   DECODER, MODEL),
	 TFM_CORRUPTED, "\"delimiter\" must be one character"},
	{TOKENIZER("", NORMALIZER, "{\"type\":\"FixedLength\",\"length\":0}", PROCESSOR, DECODER,
			   MODEL),
	 TFM_CORRUPTED, "\"length\""},
	{TOKENIZER("{\"content\":\"x\"}", NORMALIZER, BERT, PROCESSOR, DECODER, MODEL), TFM_CORRUPTED,
	 "\"single_word\" is missing"},
	{TOKENIZER("7", NORMALIZER, BERT, PROCESSOR, DECODER, MODEL), TFM_CORRUPTED,
	 "\"content\" is missing"},
};

static void
wrong_files_are_refused(void **state)
{
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
	{
		assert_null(open_text(&s->context, text_of(wrong[i].text)));
		assert_failed(&s->context, wrong[i].kind, wrong[i].says);
	}
}

static void
wrong_directories_are_refused(void **state)
{
	scratch *s = *state;
	buffer *blob = buffer_create(&s->context);

	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "no file that a tokenizer could be made of");
	assert_false(tok_compile(&s->context, "/nowhere", false, blob));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "/nowhere");
	scratch_write_text(s, "config.json", "{\"model_type\":\"gpt2\"}");
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "nor vocab.json, which GPT2Tokenizer needs");
	scratch_write_text(s, "vocab.json", "{\"a\":0,\"b\":1,\"ab\":2}");
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "not merges.txt");
	scratch_write_text(s, "merges.txt", "#version: 0.2\na b\na  b\n");
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_CORRUPTED, "merges.txt\": line 3 is not two tokens");
	scratch_write_text(s, "tiktoken.model", "YQ== 0\n\nYg= 1\n");
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_CORRUPTED, "tiktoken.model\": line 3 is not a token");
	scratch_write_text(s, "tekken.json", "{\"config\":{\"pattern\":\"a\"},\"vocab\":[{}]}");
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_CORRUPTED, "\"token_bytes\" is missing");
	scratch_write_text(s, "config.json", "{\"model_type\":\"bert\"}");
	scratch_write_text(s, "tekken.json", "{}");
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_CORRUPTED, "\"pattern\" is missing");
	unlink(scratch_path(s, "tekken.json"));
	unlink(scratch_path(s, "tiktoken.model"));
	scratch_write_text(s, "vocab.txt", "[UNK]\n\xff\n");
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_CORRUPTED, "not valid UTF-8");
	scratch_write_text(s, "config.json", "{\"model_type\":\"t5\"}");
	scratch_write_text(s, "tokenizer.json", "{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}");
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_CORRUPTED, "T5Tokenizer needs a Unigram model");
	scratch_write_text(s, "config.json", "{\"model_type\":\"marian\"}");
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "MarianTokenizer needs");
	scratch_write_text(s, "tokenizer.json", small);
	scratch_write_text(s, "tokenizer_config.json",
					   "{\"do_lower_case\":1,"
					   "\"tokenizer_class\":\"BertTokenizer\"}");
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_CORRUPTED, "do_lower_case");
}

/*
 * Compiled tokenizers, whole and damaged
 */

static void
tokens_and_ids_are_found(void **state)
{
	scratch *s = *state;
	const tok_tokenizer *t = open_small(s);

	assert_int_equal(tok_vocabulary_size(t), 6);
	assert_int_equal(tok_id_limit(t), 6);
	assert_string_equal(tok_id_to_token(t, 2), "##b");
	assert_string_equal(tok_id_to_token(t, 5), "foo");
	assert_null(tok_id_to_token(t, 6));
	assert_null(tok_id_to_token(t, -1));
	assert_int_equal(tok_token_to_id(t, text_of("##b")), 2);
	assert_int_equal(tok_token_to_id(t, text_of("Foo")), 5);
	assert_int_equal(tok_token_to_id(t, text_of("b")), -1);
	assert_int_equal(tok_token_to_id(t, text_of("")), -1);
	assert_true(tok_is_special(t, 0));
	assert_false(tok_is_special(t, 5));
	assert_false(tok_is_special(t, 100));
	assert_int_equal(tok_added_count(t, false), 2);
	assert_int_equal(tok_added_count(t, true), 3);
}

static void
other_bytes_are_not_opened(void **state)
{
	scratch *s = *state;
	buffer *blob = buffer_create(&s->context);

	assert_true(tok_compile_json(&s->context, text_of(small), "tokenizer.json",
								 (tfm_text) {NULL, 0}, "none", blob));
	for (size_t length = 0; length < blob->length; length += 7)
	{
		char *copy = malloc(length + 1); /* of just that size, for the sanitizer */

		memcpy(copy, blob->data, length);
		assert_null(tok_open(&s->context, copy, length));
		assert_failed(&s->context, TFM_CORRUPTED, "damaged");
		free(copy);
	}
	blob->data[8]++;
	assert_null(tok_open(&s->context, blob->data, blob->length));
	assert_failed(&s->context, TFM_CORRUPTED, "compile it again");
	blob->data[8]--;
	blob->data[0]++;
	assert_null(tok_open(&s->context, blob->data, blob->length));
	assert_failed(&s->context, TFM_CORRUPTED, "damaged");
}

/* Each byte in turn is another; the answer may be wrong, but nothing is read outside. */
static void
damage_does_no_harm(void **state)
{
	scratch *s = *state;
	buffer *blob = buffer_create(&s->context);
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	tok_encoding e;
	tfm_text decoded;
	char *copy;

	assert_true(tok_compile_json(&s->context, text_of(small), "tokenizer.json",
								 (tfm_text) {NULL, 0}, "none", blob));
	copy = malloc(blob->length);
	memcpy(copy, blob->data, blob->length);
	options.want = WANT_ALL;
	for (size_t i = 0; i < blob->length; i++)
		for (int change = 1; change < 256; change *= 11)
		{
			arena_mark mark = arena_save(s->context.arena);
			const tok_tokenizer *t;

			copy[i] = (char) (copy[i] ^ change);
			t = tok_open(&s->context, copy, blob->length);
			if (t != NULL &&
				tok_encode(&s->context, t, text_of("ab FOO [UNK] \xc3\xa9"), NULL, &options, &e))
				tok_decode(&s->context, t, e.ids, e.count, true, &decoded);
			assert_int_not_equal(s->context.error.kind, TFM_INTERNAL);
			tfm_clear_error(&s->context);
			arena_restore(s->context.arena, mark);
			copy[i] = blob->data[i];
		}
	free(copy);
}

/* SentencePiece's: a character map (an empty one), a pattern, Unigram. */
static const char pieces[] =
	TOKENIZER("", "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAAAA==\"}",
			  "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{L}+(?!x)|o\"},\"invert\":false,"
			  "\"behavior\":\"Isolated\"}",
			  "null", "{\"type\":\"Metaspace\",\"replacement\":\"_\"}",
			  "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"?\",0],[\"a\",-1],[\"ab\",-1.5]]}");

/* Compile, open, encode a pair with all there is, decode. */
static bool
use_small(tfm_context *context, void *argument)
{
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	tfm_text second = text_of("e\xcc\x81\xcc\xa3 FOO ab ab");
	const tok_tokenizer *t = open_text(context, text_of(argument));
	tok_encoding e;
	tfm_text decoded;

	options.want = WANT_ALL;
	options.max_length = 7;
	return t != NULL && tok_encode(context, t, text_of("ab foo ab"), &second, &options, &e) &&
		   tok_decode(context, t, e.ids, e.count, false, &decoded);
}

static void
lack_of_memory_is_an_error(void **state)
{
	(void) state;
	assert_int_equal(oom_run_all(use_small, (void *) (uintptr_t) small), TFM_OK);
	assert_int_equal(oom_run_all(use_small, (void *) (uintptr_t) pieces), TFM_OK);
}

/* A few lines of a file that ask for more text, or tokens, than there is memory. */
static void
growth_is_limited(void **state)
{
#define DOUBLE "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"aa\"}"
#define TWICE(x) x "," x
#define MANY TWICE(TWICE(TWICE(TWICE(TWICE(DOUBLE)))))
#define TEXT "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"
	static const char *const texts[] = {
		TOKENIZER("", "{\"type\":\"Sequence\",\"normalizers\":[" MANY "]}", BERT, "null", "null",
				  MODEL),
		TOKENIZER("", "null", BERT, "null", "{\"type\":\"Sequence\",\"decoders\":[" MANY "]}",
				  MODEL),
	};
	static const char templates[] =
		TOKENIZER("", "null", BERT,
				  "{\"type\":\"TemplateProcessing\",\"single\":[" TWICE(
					  TWICE(TWICE(TWICE(TWICE(TEXT))))) "],\"pair\":[],\"special_tokens\":{}}",
				  "null", MODEL);
	scratch *s = *state;
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	const int32_t ids[] = {1, 1};
	tok_encoding e;
	tfm_text decoded;

	assert_false(tok_encode(&s->context, open_text(&s->context, text_of(texts[0])), text_of("a"),
							NULL, &options, &e));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "too long to tokenize");
	assert_false(tok_decode(&s->context, open_text(&s->context, text_of(texts[1])), ids, 2, false,
							&decoded));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "decoders make too long a text");
	assert_null(open_text(&s->context, text_of(templates)));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "add too many tokens");
}

static bool
use_directory(tfm_context *context, void *argument)
{
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	tfm_text second = text_of(" ab 12 b");
	buffer *blob = buffer_create(context);
	const tok_tokenizer *t;
	tok_encoding e;
	tfm_text decoded;

	options.want = WANT_ALL;
	options.max_length = 4;
	return blob != NULL && tok_compile(context, argument, false, blob) &&
		   (t = tok_open(context, blob->data, blob->length)) != NULL &&
		   tok_encode(context, t, text_of("ab<e> ba"), &second, &options, &e) &&
		   tok_decode(context, t, e.ids, e.count, true, &decoded);
}

/* Classes that are built from a vocabulary and merges. */
static void
lack_of_memory_in_building_is_an_error(void **state)
{
	static const char *const classes[] = {"Qwen2Tokenizer", "RobertaTokenizer"};
	scratch *s = *state;

	scratch_write_text(s, "vocab.json", "{\"a\":0,\"b\":1,\"ab\":2,\"<unk>\":3,\"1\":4}");
	scratch_write_text(s, "merges.txt", "#version: 0.2\na b\n");
	scratch_write_text(s, "special_tokens_map.json", "{\"eos_token\":\"<e>\"}");
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
	{
		char config[100];

		snprintf(config, sizeof(config), "{\"tokenizer_class\":\"%s\"}", classes[i]);
		scratch_write_text(s, "tokenizer_config.json", config);
		assert_int_equal(oom_run_all(use_directory, s->directory), TFM_OK);
	}
}

/*
 * Texts and options
 */

static void
wrong_texts_are_refused(void **state)
{
	scratch *s = *state;
	const tok_tokenizer *t = open_small(s);
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	int32_t ids[2] = {1, 6};
	tok_encoding e;
	tfm_text decoded;

	assert_false(tok_encode(&s->context, t, text_of("a\xff"), NULL, &options, &e));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "not valid UTF-8");
	assert_false(tok_decode(&s->context, t, ids, 2, false, &decoded));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "no token with id 6");
	ids[1] = -1;
	assert_false(tok_decode(&s->context, t, ids, 2, false, &decoded));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "no token with id -1");
	options.max_length = 4;
	options.stride = 2;
	options.want = TOK_WANT_OVERFLOWING;
	assert_false(tok_encode(&s->context, t, text_of("a a a"), NULL, &options, &e));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "stride");
	options.stride = -1;
	assert_false(tok_encode(&s->context, t, text_of("a a a"), NULL, &options, &e));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "negative");
	options.stride = 0;
	options.truncation = TOK_ONLY_SECOND;
	assert_false(tok_encode(&s->context, t, text_of("a a a"), NULL, &options, &e));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "no second text");
}

static void
a_vocabulary_may_have_no_unknown_token(void **state)
{
	scratch *s = *state;
	const tok_tokenizer *t = open_text(
		&s->context, text_of("{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"u\","
							 "\"continuing_subword_prefix\":\"\",\"max_input_chars_per_word\":9,"
							 "\"vocab\":{\"a\":0}}}"));
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	tok_encoding e;

	assert_good(&s->context);
	assert_true(tok_encode(&s->context, t, text_of("aaa"), NULL, &options, &e));
	assert_int_equal(e.count, 3);
	assert_false(tok_encode(&s->context, t, text_of("b"), NULL, &options, &e));
	assert_failed(&s->context, TFM_CORRUPTED, "no unknown token");
}

static bool
stop_after(void *argument)
{
	return --*(int *) argument < 0;
}

/* A million bytes of each, in time that grows with the length: twice the text, not four times. */
static void
long_texts_are_tokenized_and_stopped(void **state)
{
	static const char *const parts[] = {
		"a", " ", "[UNK]", "!", "foo ", "a\xcc\x81\xcc\xa3", "\xcc\x81", "\xe4\xb8\xad"};
	scratch *s = *state;
	const tok_tokenizer *t = open_small(s);
	tok_encode_options options = TOK_ENCODE_DEFAULTS;

	options.want = TOK_WANT_OFFSETS;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
	{
		arena_mark mark = arena_save(s->context.arena);
		buffer *text = buffer_create(&s->context);
		tok_encoding e;
		int polls = 1;

		while (text->length < 1000000)
			buffer_append_string(&s->context, text, parts[i]);
		assert_true(
			tok_encode(&s->context, t, (tfm_text) {text->data, text->length}, NULL, &options, &e));
		s->context.interrupted = stop_after;
		s->context.interrupted_argument = &polls;
		if (e.count > 10)
		{
			assert_false(tok_encode(&s->context, t, (tfm_text) {text->data, text->length}, NULL,
									&options, &e));
			assert_failed(&s->context, TFM_CANCELLED, "");
		}
		s->context.interrupted = NULL;
		arena_restore(s->context.arena, mark);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(wrong_files_are_refused),
		scratch_test(wrong_directories_are_refused),
		scratch_test(tokens_and_ids_are_found),
		scratch_test(other_bytes_are_not_opened),
		scratch_test(damage_does_no_harm),
		cmocka_unit_test(lack_of_memory_is_an_error),
		scratch_test(lack_of_memory_in_building_is_an_error),
		scratch_test(growth_is_limited),
		scratch_test(wrong_texts_are_refused),
		scratch_test(a_vocabulary_may_have_no_unknown_token),
		scratch_test(long_texts_are_tokenized_and_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
