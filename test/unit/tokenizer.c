/*
 * tokenizer.c
 *	  Tokenizers against the "tokenizers" library (test/oracle/tokenizer.py makes the golden
 *	  data), and what is wrong with files, compiled tokenizers, texts and options.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/tokenizer.h"

#include "base/json.h"
#include "base/sha256.h"
#include "oom.h"
#include "scratch.h"
#include "text/pipeline.h"

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

static tfm_text
text_of(const char *string)
{
	return (tfm_text) {.data = string, .length = strlen(string)};
}

static const tok_tokenizer *
open_text(tfm_context *context, tfm_text tokenizer)
{
	buffer *blob = buffer_create(context);

	if (blob == NULL ||
		!tok_compile_json(context, tokenizer, "tokenizer.json", (tfm_text) {NULL, 0}, "none", blob))
		return NULL;
	return tok_open(context, blob->data, blob->length);
}

static const tok_tokenizer *
open_small(scratch *s)
{
	const tok_tokenizer *tokenizer = open_text(&s->context, text_of(small));

	assert_good(&s->context);
	return tokenizer;
}

/*
 * Golden data
 */

typedef struct golden_file
{
	char *text;
	size_t length;
	size_t position;
	int line;
	const char *path;
} golden_file;

static golden_file
open_golden(tfm_context *context, const char *name)
{
	const char *directory = getenv("TFM_GOLDEN");
	golden_file f = {.path = NULL};

	f.path = tfm_sprintf(context, "%s/tokenizer/%s",
						 directory != NULL && *directory != '\0' ? directory : "test/golden", name);
	f.text = file_read(context, f.path, 1 << 24, &f.length);
	assert_good(context);
	return f;
}

/* The next line, as it is; empty at the end. */
static tfm_text
next_line(golden_file *f)
{
	tfm_text line = {.data = f->text + f->position};
	const char *end = memchr(line.data, '\n', f->length - f->position);

	if (end == NULL)
		return line;
	line.length = (size_t) (end - line.data);
	f->position += line.length + 1;
	f->line++;
	return line;
}

static json
next_row(tfm_context *context, golden_file *f)
{
	tfm_text line = next_line(f);

	if (line.length == 0)
		return (json) {.node = NULL};
	return json_parse(context, line.data, line.length, f->path);
}

static void
check_numbers(json row, const char *key, const int32_t *found, size_t count, const char *where)
{
	json list = json_member(row, key);
	size_t i = 0;

	if (!json_present(list))
		return;
	if (json_size(list) != count)
		fail_msg("%s: %zu %s, not %zu", where, count, key, json_size(list));
	for (json item = json_first(list); json_present(item); item = json_next(item), i++)
		if ((int32_t) json_as_number(item) != found[i])
			fail_msg("%s: %s[%zu] is %d, not %d", where, key, i, found[i],
					 (int32_t) json_as_number(item));
}

/* Tokens that the row leaves out are those of the ids. */
static void
check_tokens(const tok_tokenizer *tokenizer, json row, const tok_encoding *e, const char *where)
{
	json item = json_first(json_member(row, "tokens"));

	for (size_t i = 0; i < e->count; i++, item = json_next(item))
	{
		const char *token =
			json_present(item) ? json_as_string(item) : tok_id_to_token(tokenizer, e->ids[i]);

		if (strlen(token) != e->tokens[i].length ||
			memcmp(token, e->tokens[i].data, e->tokens[i].length) != 0)
			fail_msg("%s: token %zu is \"%.*s\", not \"%s\"", where, i, (int) e->tokens[i].length,
					 e->tokens[i].data, token);
	}
}

static void
check_encoding(tfm_context *context, const tok_tokenizer *tokenizer, json row,
			   const tok_encoding *e, const char *where)
{
	int32_t *special = tfm_alloc_array(context, e->count, sizeof(int32_t));
	int32_t *sequences = tfm_alloc_array(context, e->count, sizeof(int32_t));
	json overflowing = json_member(row, "overflowing");
	size_t i = 0;

	for (i = 0; i < e->count; i++)
	{
		special[i] = e->special_mask[i];
		sequences[i] = e->sequences[i];
	}
	check_numbers(row, "ids", e->ids, e->count, where);
	check_numbers(row, "starts", e->starts, e->count, where);
	check_numbers(row, "ends", e->ends, e->count, where);
	check_numbers(row, "words", e->words, e->count, where);
	check_numbers(row, "type_ids", e->type_ids, e->count, where);
	check_numbers(row, "special", special, e->count, where);
	check_numbers(row, "sequences", sequences, e->count, where);
	check_tokens(tokenizer, row, e, where);
	if (json_size(overflowing) != e->overflowing_count)
		fail_msg("%s: %zu overflowing pieces, not %zu", where, e->overflowing_count,
				 json_size(overflowing));
	i = 0;
	for (json item = json_first(overflowing); json_present(item); item = json_next(item))
		check_encoding(context, tokenizer, item, &e->overflowing[i++], where);
}

static void
check_decoded(tfm_context *context, const tok_tokenizer *tokenizer, json row, bool skip,
			  const tok_encoding *e, const char *where)
{
	const char *wanted = json_string(context, row, "decoded", "");
	tfm_text found;

	if (!tok_decode(context, tokenizer, e->ids, e->count, skip, &found))
		fail_msg("%s: %s", where, context->error.message);
	if (strlen(wanted) != found.length || memcmp(wanted, found.data, found.length) != 0)
		fail_msg("%s: decoded \"%.*s\", not \"%s\"", where, (int) found.length, found.data, wanted);
}

/* The options of a row; true if it has any. */
static bool
read_options(tfm_context *context, json row, tok_encode_options *options)
{
	const char *strategy = json_string(context, row, "strategy", "longest_first");

	*options = TOK_ENCODE_DEFAULTS;
	options->want = WANT_ALL;
	options->add_special_tokens = json_bool(context, row, "add", true);
	options->max_length = (int32_t) json_int(context, row, "max_length", 0, 0, 1000);
	options->stride = (int32_t) json_int(context, row, "stride", 0, 0, 1000);
	if (strcmp(strategy, "only_first") == 0)
		options->truncation = TOK_ONLY_FIRST;
	else if (strcmp(strategy, "only_second") == 0)
		options->truncation = TOK_ONLY_SECOND;
	if (strcmp(json_string(context, row, "direction", "right"), "left") == 0)
		options->direction = TOK_TRUNCATE_LEFT;
	return options->max_length > 0 || !options->add_special_tokens;
}

static void
check_row(tfm_context *context, const tok_tokenizer *tokenizer, json row, const char *where)
{
	tfm_text text = text_of(json_require_string(context, row, "text"));
	tfm_text pair = text_of(json_string(context, row, "pair", ""));
	const tfm_text *second = json_present(json_member(row, "pair")) ? &pair : NULL;
	tok_encode_options options;
	bool has_options = read_options(context, row, &options);
	bool good;
	tok_encoding e, fast;

	assert_good(context);
	good = tok_encode(context, tokenizer, text, second, &options, &e);
	if (json_present(json_member(row, "error")))
	{
		assert_false(good);
		tfm_clear_error(context);
		return;
	}
	if (!good)
		fail_msg("%s: %s", where, context->error.message);
	check_encoding(context, tokenizer, row, &e, where);
	check_decoded(context, tokenizer, row, has_options, &e, where);
	options.want = 0;
	assert_true(tok_encode(context, tokenizer, text, second, &options, &fast));
	check_numbers(row, "ids", fast.ids, fast.count, where);
}

static void
texts_are_tokenized_as_in_the_library(void **state)
{
	scratch *s = *state;
	golden_file f = open_golden(&s->context, "cases.jsonl");
	const tok_tokenizer *tokenizer = NULL;
	const char *name = "";
	char where[100];
	json row;
	int rows = 0;

	while (json_present(row = next_row(&s->context, &f)))
	{
		if (json_present(json_member(row, "name")))
		{
			name = json_require_string(&s->context, row, "name");
			tokenizer = open_text(&s->context, next_line(&f));
			assert_good(&s->context);
			continue;
		}
		snprintf(where, sizeof(where), "%s, line %d", name, f.line);
		check_row(&s->context, tokenizer, row, where);
		rows++;
	}
	assert_good(&s->context);
	assert_true(rows > 100);
}

/* Write the files of a row into the directory, and remove what another row has left there. */
static void
write_files(scratch *s, json files)
{
	static const char *const names[] = {"vocab.txt", "config.json", "tokenizer_config.json",
										"special_tokens_map.json"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(scratch_path(s, names[i]));
	for (json item = json_first(files); json_present(item); item = json_next(item))
	{
		char *text = json_is_string(item) ? tfm_strdup(&s->context, json_as_string(item))
										  : cJSON_PrintUnformatted(item.node);

		scratch_write_text(s, json_key(item), text);
		if (!json_is_string(item))
			free(text);
	}
}

static const tok_tokenizer *
open_directory(scratch *s)
{
	buffer *blob = buffer_create(&s->context);

	tok_compile(&s->context, s->directory, false, blob);
	assert_good(&s->context);
	return tok_open(&s->context, blob->data, blob->length);
}

static void
directories_are_read_as_by_transformers(void **state)
{
	scratch *s = *state;
	golden_file f = open_golden(&s->context, "directories.jsonl");
	const tok_tokenizer *tokenizer = NULL;
	int32_t special[TOK_SPECIAL_COUNT];
	char where[100];
	json row;
	int rows = 0;

	while (json_present(row = next_row(&s->context, &f)))
	{
		snprintf(where, sizeof(where), "directories, line %d", f.line);
		if (!json_present(json_member(row, "files")))
		{
			check_row(&s->context, tokenizer, row, where);
			rows++;
			continue;
		}
		write_files(s, json_member(row, "files"));
		tokenizer = open_directory(s);
		assert_int_equal(tok_vocabulary_size(tokenizer),
						 json_require_int(&s->context, row, "vocabulary_size", 0, 1000));
		assert_int_equal(tok_model_max_length(tokenizer),
						 json_require_int(&s->context, row, "model_max_length", 0, 1000));
		for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
			special[i] = tok_special_id(tokenizer, (tok_special) i);
		check_numbers(row, "special", special, TOK_SPECIAL_COUNT, where);
	}
	assert_good(&s->context);
	assert_true(rows > 30);
}

/* The text that test/oracle/tokenizer.py's block_text makes. */
static void
append_block(tfm_context *context, buffer *b, uint32_t first, uint32_t count)
{
	for (uint32_t c = first; c < first + count; c++)
	{
		char character[5] = "";

		if (c == 0 || (c >= 0xD800 && c < 0xE000))
			continue;
		character[utf8_encode(c, character)] = '\0';
		buffer_printf(context, b,
					  "%s a%sb e\xcc\x81%s\xcc\xa3\xcd\x85x \xe1\x84\x80%s\xe1\x86\xa8\n",
					  character, character, character, character);
	}
}

/* The text normalised, and where there is a pre-tokenizer its parts with | between. */
static void
run_stages(tfm_context *context, const tok_tokenizer *tokenizer, const buffer *text, buffer *out)
{
	tok_work work = {.tokenizer = tokenizer};

	assert_true(tok_work_begin(&work, context));
	assert_true(tok_reserve_string(&work, &work.string, text->length));
	memcpy(work.string.bytes, text->data, text->length);
	work.string.length = text->length;
	assert_true(tok_normalize(&work, &tokenizer->normalizers));
	assert_true(tok_append_span(&work, &work.spans, 0, work.string.length, -1));
	for (size_t i = 0; i < tokenizer->pre_tokenizers.count; i++)
		assert_true(tokenizer->pre_tokenizers.items[i].type.pre_tokenizer->run(
			&work, tokenizer->pre_tokenizers.items[i].payload));
	for (size_t i = 0; i < work.spans.count; i++)
	{
		tok_span span = work.spans.items[i];

		if (i > 0)
			buffer_append(context, out, "|", 1);
		buffer_append(context, out, work.string.bytes + span.start, span.end - span.start);
	}
	tok_work_end(&work);
}

static void
check_block(tfm_context *context, const tok_tokenizer *tokenizer, json digest, const char *name)
{
	uint32_t first = (uint32_t) strtoul(json_key(digest), NULL, 10);
	buffer *text = buffer_create(context), *out = buffer_create(context);
	sha256 *hash = sha256_create(context);
	char hex[SHA256_HEX_LENGTH + 1];

	append_block(context, text, first, 4096);
	if (text->length > 0)
		run_stages(context, tokenizer, text, out);
	sha256_update(context, hash, out->length == 0 ? "" : out->data, out->length);
	sha256_finish(context, hash, hex);
	assert_good(context);
	if (strncmp(hex, json_as_string(digest), 8) != 0)
		fail_msg("%s: U+%04X to U+%04X", name, first, first + 4095);
}

/* Every character there is, by a digest for each block of 4096. */
static void
characters_are_treated_as_in_the_library(void **state)
{
	scratch *s = *state;
	golden_file f = open_golden(&s->context, "characters.jsonl");
	json row;
	int blocks = 0;

	while (json_present(row = next_row(&s->context, &f)))
	{
		const char *name = json_require_string(&s->context, row, "name");
		const tok_tokenizer *tokenizer = open_text(&s->context, next_line(&f));
		json digest = json_first(json_member(row, "digests"));

		assert_good(&s->context);
		for (; json_present(digest); digest = json_next(digest), blocks++)
		{
			arena_mark mark = arena_save(s->context.arena);

			check_block(&s->context, tokenizer, digest, name);
			arena_restore(s->context.arena, mark);
		}
	}
	assert_true(blocks > 300);
}

/*
 * What is wrong with a tokenizer.json
 */

static const struct
{
	const char *text;
	tfm_error_kind kind;
	const char *says;
} wrong[] = {
	{"{", TFM_CORRUPTED, "not valid JSON"},
	{"[]", TFM_CORRUPTED, "must be an object"},
	{"{}", TFM_CORRUPTED, "\"model\" is missing"},
	{"{\"model\":{\"type\":\"BPE\"}}", TFM_UNSUPPORTED, "model \"BPE\""},
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
	{TOKENIZER("", "{\"type\":\"Nmt\"}", BERT, PROCESSOR, DECODER, MODEL), TFM_UNSUPPORTED,
	 "normalizer \"Nmt\""},
	{TOKENIZER("", "{\"type\":\"BertNormalizer\"}", BERT, PROCESSOR, DECODER, MODEL), TFM_CORRUPTED,
	 "\"clean_text\" is missing"},
	{TOKENIZER("", "\"NFC\"", BERT, PROCESSOR, DECODER, MODEL), TFM_CORRUPTED,
	 "the normalizer must be an object"},
	{TOKENIZER("", "{\"type\":\"Sequence\"}", BERT, PROCESSOR, DECODER, MODEL), TFM_CORRUPTED,
	 "\"normalizers\" of a normalizer"},
	{TOKENIZER("", NORMALIZER, "{\"type\":\"ByteLevel\"}", PROCESSOR, DECODER, MODEL),
	 TFM_UNSUPPORTED, "pre-tokenizer \"ByteLevel\""},
	{TOKENIZER("", NORMALIZER, BERT, "{\"type\":\"ByteLevel\"}", DECODER, MODEL), TFM_UNSUPPORTED,
	 "post-processor \"ByteLevel\""},
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
			   "{\"type\":\"Sequence\",\"processors\":[" PROCESSOR "," PROCESSOR "]}", DECODER,
			   MODEL),
	 TFM_UNSUPPORTED, "several post-processors"},
	{TOKENIZER("", NORMALIZER, BERT, PROCESSOR, "{\"type\":\"CTC\"}", MODEL), TFM_UNSUPPORTED,
	 "decoder \"CTC\""},
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
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "neither tokenizer.json nor vocab.txt");
	assert_false(tok_compile(&s->context, "/nowhere", false, blob));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "/nowhere");
	scratch_write_text(s, "vocab.txt", "[UNK]\n\xff\n");
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_CORRUPTED, "not valid UTF-8");
	scratch_write_text(s, "vocab.txt", "[UNK]\n");
	scratch_write_text(s, "added_tokens.json", "{\"x\":1}");
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_UNSUPPORTED, "added_tokens.json");
	scratch_write_text(s, "tokenizer.json", "{\"model\":{\"type\":\"Unigram\"}}");
	assert_false(tok_compile(&s->context, s->directory, false, blob));
	assert_failed(&s->context, TFM_UNSUPPORTED, "/tokenizer.json\": model \"Unigram\"");
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
		scratch_test(texts_are_tokenized_as_in_the_library),
		scratch_test(directories_are_read_as_by_transformers),
		scratch_test(characters_are_treated_as_in_the_library),
		scratch_test(wrong_files_are_refused),
		scratch_test(wrong_directories_are_refused),
		scratch_test(tokens_and_ids_are_found),
		scratch_test(other_bytes_are_not_opened),
		scratch_test(damage_does_no_harm),
		cmocka_unit_test(lack_of_memory_is_an_error),
		scratch_test(wrong_texts_are_refused),
		scratch_test(a_vocabulary_may_have_no_unknown_token),
		scratch_test(long_texts_are_tokenized_and_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
