/*
 * tokenizer_golden.c
 *	  Tokenizers against the libraries that are the truth (test/oracle/tokenizer*.py makes the data).
 *
 * Every file of test/golden/tokenizer is a row of lines, each a JSON object:
 *
 *		{"name":...}		the next line is a tokenizer.json, for the texts after it
 *		{"files":{...}}		a directory; a file's content is a string, a JSON object that is written as
 *							it is, {"base64":...}, or true: as the row before had it.  Beside it may stand what the tokenizer is then to
 *							say of itself: vocabulary_size, model_max_length, special
 *		{"text":...}		a text with options, and what becomes of it
 *		{"digests":{...}}	after a name: digests of blocks of 4096 characters
 *
 * TFM_TOKENIZER=bpe runs bpe.jsonl alone.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/tokenizer.h"

#include <cjson/cJSON.h>
#include <dirent.h>

#include "base/json.h"
#include "base/sha256.h"
#include "runtime/gguf_tokenizer.h"
#include "scratch.h"
#include "tokenizers.h"
#include "text/pipeline.h"

#define WANT_ALL                                                                                   \
	(TOK_WANT_TYPE_IDS | TOK_WANT_OFFSETS | TOK_WANT_WORDS | TOK_WANT_SPECIAL_MASK |               \
	 TOK_WANT_SEQUENCES | TOK_WANT_OVERFLOWING | TOK_WANT_TOKENS)

typedef struct golden_file
{
	char *text;
	size_t length;
	size_t position;
	int line;
	const char *path;
} golden_file;

static const char *
golden_directory(tfm_context *context)
{
	const char *directory = getenv("TFM_GOLDEN");

	return tfm_sprintf(context, "%s/tokenizer",
					   directory != NULL && *directory != '\0' ? directory : "test/golden");
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
	int32_t *attention = tfm_alloc_array(context, e->count, sizeof(int32_t));
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
	for (i = 0; e->attention_mask != NULL && i < e->count; i++)
		attention[i] = e->attention_mask[i];
	check_numbers(row, "attention", attention, e->count, where);
	check_numbers(row, "special", special, e->count, where);
	check_numbers(row, "sequences", sequences, e->count, where);
	check_tokens(tokenizer, row, e, where);
	/* Python's tokenizers tell ids alone, and cut off no pieces. */
	if (!json_present(json_member(row, "starts")))
		return;
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
	const char *wanted = json_string(context, row, "decoded", NULL);
	tfm_text found;

	if (wanted == NULL)
		return;
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

/* Pad as the row says, if it does. */
static void
pad(tfm_context *context, json row, tok_encoding *e)
{
	json settings = json_member(row, "padding");
	bool left = strcmp(json_string(context, settings, "direction", "right"), "left") == 0;
	tok_padding padding = {
		.length = (int32_t) json_int(context, settings, "length", 0, 0, 1000),
		.multiple = (int32_t) json_int(context, settings, "pad_to_multiple_of", 0, 0, 1000),
		.side = left ? TOK_PADDING_LEFT : TOK_PADDING_RIGHT,
		.id = (int32_t) json_int(context, settings, "pad_id", 0, 0, 1000),
		.type_id = (int32_t) json_int(context, settings, "pad_type_id", 0, 0, 1000),
		.token = text_of(json_string(context, settings, "pad_token", "[PAD]")),
	};

	if (json_present(settings))
		assert_true(tok_pad(context, e, 1, &padding));
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
	pad(context, row, &e);
	check_encoding(context, tokenizer, row, &e, where);
	check_decoded(context, tokenizer, row, has_options, &e, where);
	options.want = 0;
	assert_true(tok_encode(context, tokenizer, text, second, &options, &fast));
	pad(context, row, &fast);
	check_numbers(row, "ids", fast.ids, fast.count, where);
}

/* The bytes of a file that is given as text of base 64 (RFC 4648, without line breaks). */
static size_t
decode_base64(const char *text, unsigned char *bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	size_t length = 0;
	int count = 0;

	for (; *text != '\0' && *text != '='; text++)
	{
		const char *digit = strchr(digits, *text);

		assert_non_null(digit);
		bits = bits << 6 | (uint32_t) (digit - digits);
		count += 6;
		if (count >= 8)
			bytes[length++] = (unsigned char) (bits >> (count -= 8));
	}
	return length;
}

static void
write_file(scratch *s, json content)
{
	json base64 = json_member(content, "base64");

	if (json_is_string(content))
		scratch_write_text(s, json_key(content), json_as_string(content));
	else if (json_is_string(base64))
	{
		const char *text = json_as_string(base64);
		unsigned char *bytes = tfm_alloc(&s->context, strlen(text) + 1);

		scratch_write(s, json_key(content), bytes, decode_base64(text, bytes));
	}
	else
	{
		char *text = cJSON_PrintUnformatted(content.node);

		scratch_write_text(s, json_key(content), text);
		free(text);
	}
}

/* Write the files of a row into the directory, and remove what another row has left there. */
static void
write_files(scratch *s, json files)
{
	DIR *directory = opendir(s->directory);
	struct dirent *entry;

	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.' && !json_is_bool(json_member(files, entry->d_name)))
			unlink(scratch_path(s, entry->d_name));
	closedir(directory);
	for (json item = json_first(files); json_present(item); item = json_next(item))
		if (!json_is_bool(item))
			write_file(s, item);
}

/* A directory, or the GGUF file that is in it. */
static const tok_tokenizer *
open_directory(scratch *s, const char *where)
{
	buffer *blob = buffer_create(&s->context);
	char *gguf = scratch_path(s, "model.gguf");

	if (file_exists(gguf) ? !run_compile_gguf_tokenizer(&s->context, gguf, blob)
						  : !tok_compile(&s->context, s->directory, false, blob))
		fail_msg("%s: %s", where, s->context.error.message);
	return tok_open(&s->context, blob->data, blob->length);
}

/* The special tokens with names, in their order. */
static void
check_named(json named, tfm_text found, const char *where)
{
	char *text;

	if (!json_present(named))
		return;
	text = cJSON_PrintUnformatted(named.node);
	if (strlen(text) != found.length || memcmp(text, found.data, found.length) != 0)
		fail_msg("%s: special tokens %.*s, not %s", where, (int) found.length, found.data, text);
	free(text);
}

/* Open the directory of a row, and check what the row says of it. */
static const tok_tokenizer *
open_files(scratch *s, json row, const char *where)
{
	const tok_tokenizer *tokenizer;
	int32_t special[TOK_SPECIAL_COUNT];
	int64_t size, length;

	write_files(s, json_member(row, "files"));
	tokenizer = open_directory(s, where);
	size =
		json_int(&s->context, row, "vocabulary_size", tok_vocabulary_size(tokenizer), 0, INT32_MAX);
	length = json_int(&s->context, row, "model_max_length", tok_model_max_length(tokenizer), 0,
					  INT64_MAX);
	if (tok_vocabulary_size(tokenizer) != size || tok_model_max_length(tokenizer) != length)
		fail_msg("%s: %d tokens and length %d, not %d and %d", where,
				 tok_vocabulary_size(tokenizer), (int) tok_model_max_length(tokenizer), (int) size,
				 (int) length);
	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
		special[i] = tok_special_id(tokenizer, (tok_special) i);
	check_numbers(row, "special", special, TOK_SPECIAL_COUNT, where);
	check_named(json_member(row, "named"), tok_special_tokens_json(tokenizer), where);
	return tokenizer;
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

static void
check_digests(tfm_context *context, const tok_tokenizer *tokenizer, json digests, const char *name)
{
	for (json digest = json_first(digests); json_present(digest); digest = json_next(digest))
	{
		arena_mark mark = arena_save(context->arena);

		check_block(context, tokenizer, digest, name);
		arena_restore(context->arena, mark);
	}
}

/* All rows of a file; returns how many say what is to come out. */
static int
check_file(scratch *s, golden_file *f)
{
	tfm_context *context = &s->context;
	const tok_tokenizer *tokenizer = NULL;
	const char *name = "";
	char where[300];
	json row;
	int rows = 0;

	while (json_present(row = next_row(context, f)))
	{
		snprintf(where, sizeof(where), "%s, line %d %s", f->path, f->line, name);
		if (json_present(json_member(row, "name")))
		{
			name = json_require_string(context, row, "name");
			tokenizer = open_text(context, next_line(f));
			if (tokenizer == NULL)
				fail_msg("%s: %s", where, context->error.message);
			check_digests(context, tokenizer, json_member(row, "digests"), name);
			rows += json_present(json_member(row, "digests"));
		}
		else if (json_present(json_member(row, "files")))
		{
			name = "";
			tokenizer = open_files(s, row, where);
		}
		else
		{
			check_row(context, tokenizer, row, where);
			rows++;
		}
	}
	assert_good(context);
	return rows;
}

static void
tokenizers_do_as_the_libraries(void **state)
{
	scratch *s = *state;
	const char *wanted = getenv("TFM_TOKENIZER");
	const char *path = golden_directory(&s->context);
	DIR *directory = opendir(path);
	struct dirent *entry;
	int files = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL)
	{
		arena_mark mark = arena_save(s->context.arena);
		char *dot = strrchr(entry->d_name, '.');
		golden_file f = {.path = tfm_sprintf(&s->context, "%s/%s", path, entry->d_name)};

		if (dot == NULL || strcmp(dot, ".jsonl") != 0)
			continue;
		*dot = '\0';
		if (wanted != NULL && *wanted != '\0' && strcmp(wanted, entry->d_name) != 0)
			continue;
		f.text = file_read(&s->context, f.path, 1 << 26, &f.length);
		assert_good(&s->context);
		if (check_file(s, &f) == 0)
			fail_msg("%s has no rows to check", f.path);
		files++;
		arena_restore(s->context.arena, mark);
	}
	closedir(directory);
	assert_true(files > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(tokenizers_do_as_the_libraries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
