/*
 * sentencepiece.c
 *	  SentencePiece models, put together field by field: what is read, written, and refused.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/sentencepiece.h"

#include "oom.h"
#include "scratch.h"
#include "text/tokenizer.h"

#define META "\xE2\x96\x81"
#define METASPACE                                                                                  \
	"{\"type\":\"Metaspace\",\"replacement\":\"" META "\",\"prepend_scheme\":\"always\"}"

static buffer *
start(scratch *s)
{
	buffer *b = buffer_create(&s->context);

	assert_non_null(b);
	return b;
}

static void
put_byte(scratch *s, buffer *b, unsigned value)
{
	unsigned char byte = (unsigned char) value;

	assert_true(buffer_append(&s->context, b, &byte, 1));
}

static void
put_varint(scratch *s, buffer *b, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		put_byte(s, b, (unsigned) (value & 0x7F) | 0x80);
	put_byte(s, b, (unsigned) value);
}

static void
put_number(scratch *s, buffer *b, unsigned field, uint64_t value)
{
	put_varint(s, b, field << 3);
	put_varint(s, b, value);
}

static void
put_bytes(scratch *s, buffer *b, unsigned field, const void *bytes, size_t length)
{
	put_varint(s, b, field << 3 | 2);
	put_varint(s, b, length);
	assert_true(buffer_append(&s->context, b, bytes, length));
}

static void
put_unit(scratch *s, buffer *b, const char *text, float score, int type)
{
	buffer *unit = start(s);

	put_bytes(s, unit, 1, text, strlen(text));
	put_byte(s, unit, 2 << 3 | 5);
	assert_true(buffer_append(&s->context, unit, &score, sizeof(score)));
	if (type != 0)
		put_number(s, unit, 3, (uint64_t) type);
	put_bytes(s, b, 1, unit->data, unit->length);
}

static tfm_text
text_of(const buffer *b)
{
	return (tfm_text) {.data = b->data == NULL ? "" : b->data, .length = b->length};
}

/* A model of a few units; every kind of field that is read. */
static buffer *
make_model(scratch *s, tok_sentencepiece_type type)
{
	buffer *b = start(s), *trainer = start(s), *normalizer = start(s);

	put_unit(s, b, "<unk>", 0, TOK_UNIT_UNKNOWN);
	put_unit(s, b, "<s>", 0, TOK_UNIT_CONTROL);
	put_number(s, trainer, 3, type);
	put_number(s, trainer, 35, 1);
	put_bytes(s, b, 2, trainer->data, trainer->length);
	put_unit(s, b, META, -4, 0);
	put_unit(s, b, "a", -1.5f, TOK_UNIT_NORMAL);
	put_unit(s, b, "b", -2, 77);
	put_unit(s, b, "ab", -2.25f, 0);
	put_unit(s, b, "\xC3\xA9", -3, 0);
	put_unit(s, b, "a\xC3\xA9", -3, 0);
	put_unit(s, b, "ab\xC3\xA9", -3, 0);
	put_unit(s, b, "ab", -2.5f, 0);
	put_unit(s, b, "<sep>", 0, TOK_UNIT_USER_DEFINED);
	put_number(s, normalizer, 3, 0);
	put_bytes(s, normalizer, 1, "nmt_nfkc", 8);
	put_bytes(s, normalizer, 2, "\0\0\0\0", 4);
	put_bytes(s, b, 3, normalizer->data, normalizer->length);
	trainer->length = 0;
	put_number(s, trainer, 40, 0);
	put_number(s, trainer, 43, (uint64_t) (int64_t) -1);
	put_bytes(s, trainer, 46, "<s>", 3);
	put_number(s, trainer, 99, 5);
	put_bytes(s, b, 2, trainer->data, trainer->length);
	return b;
}

static void
fields_are_read(void **state)
{
	scratch *s = *state;
	const tok_sentencepiece *m =
		tok_read_sentencepiece(&s->context, text_of(make_model(s, TOK_SENTENCEPIECE_BPE)), "x");

	assert_non_null(m);
	assert_int_equal(m->count, 11);
	assert_string_equal(m->units[5].text, "ab");
	assert_true(m->units[3].score == -1.5f);
	assert_int_equal(m->units[1].type, TOK_UNIT_CONTROL);
	assert_int_equal(m->units[4].type, TOK_UNIT_NORMAL);
	assert_int_equal(m->type, TOK_SENTENCEPIECE_BPE);
	assert_true(m->byte_fallback && !m->add_dummy_prefix && m->escape_whitespaces);
	assert_int_equal(m->unk_id, 0);
	assert_int_equal(m->eos_id, 2);
	assert_int_equal(m->pad_id, -1);
	assert_string_equal(m->eos_piece, "</s>");
	assert_string_equal(m->normalizer, "nmt_nfkc");
	assert_int_equal(m->charsmap.length, 4);
}

static const char *
write_model(scratch *s, tok_sentencepiece_type type, const tok_sentencepiece_options *options)
{
	const tok_sentencepiece *m =
		tok_read_sentencepiece(&s->context, text_of(make_model(s, type)), "x");
	buffer *out = start(s);

	assert_non_null(m);
	assert_true(tok_write_units(&s->context, m, options, out));
	return buffer_text(&s->context, out);
}

static void
merges_are_those_that_make_units(void **state)
{
	scratch *s = *state;
	tok_sentencepiece_options options = {.byte_fallback = -1};
	static const tok_extra_unit extra[] = {{"ab", 0}, {"<pad>", 0}};
	const char *text = write_model(s, TOK_SENTENCEPIECE_BPE, &options);

	assert_non_null(strstr(text, "\"byte_fallback\":false"));
	assert_non_null(strstr(text, "\"unk_token\":\"<unk>\""));
	assert_non_null(strstr(text, "\"merges\":[[\"a\",\"\xC3\xA9\"],[\"ab\",\"\xC3\xA9\"],"
								 "[\"a\",\"b\"]]"));
	options = (tok_sentencepiece_options) {
		.distinct = true, .first = extra, .first_count = 2, .unk_token = ""};
	text = write_model(s, TOK_SENTENCEPIECE_BPE, &options);
	assert_non_null(strstr(text, "{\"ab\":0,\"<pad>\":1,\"<unk>\":2,"));
	assert_non_null(strstr(text, "\"unk_token\":null"));
	assert_null(strstr(text, "\"ab\":11"));
}

static void
options_change_the_vocabulary(void **state)
{
	scratch *s = *state;
	static const tok_extra_unit first[] = {{"<pad>", 0}}, last[] = {{"<mask>", -7.5}};
	const tok_sentencepiece_options options = {
		.skip = 9,
		.first = first,
		.first_count = 1,
		.last = last,
		.last_count = 1,
		.has_unk_id = true,
		.unk_id = -1,
	};
	const char *text = write_model(s, TOK_SENTENCEPIECE_UNIGRAM, &options);

	assert_non_null(strstr(text, "\"unk_id\":null"));
	assert_non_null(strstr(text, "\"vocab\":[[\"<pad>\",0],[\"ab\",-2.5],[\"<sep>\",0],"
								 "[\"<mask>\",-7.5]]"));
}

static void
a_model_tokenizes(void **state)
{
	scratch *s = *state;
	const tok_sentencepiece_options options = {
		.normalizer = "%charsmap%",
		.pre_tokenizer = METASPACE,
		.decoder = METASPACE,
	};
	const int32_t wanted[] = {2, 8, 10, 2, 9, 0};
	const tok_sentencepiece *m =
		tok_read_sentencepiece(&s->context, text_of(make_model(s, TOK_SENTENCEPIECE_UNIGRAM)), "x");
	buffer *json = start(s), *blob = start(s);
	tok_encode_options encode = TOK_ENCODE_DEFAULTS;
	tok_encoding e;

	assert_true(tok_write_sentencepiece(&s->context, m, &options, json));
	assert_true(tok_compile_json(&s->context, text_of(json), "x", (tfm_text) {NULL, 0}, "c", blob));
	assert_true(tok_encode(&s->context, tok_open(&s->context, blob->data, blob->length),
						   (tfm_text) {"ab\xC3\xA9<sep> abz", 13}, NULL, &encode, &e));
	assert_int_equal(e.count, 6);
	assert_memory_equal(e.ids, wanted, sizeof(wanted));
}

/* A file that ends or goes astray anywhere is refused, or read without harm. */
static void
damage_is_told(void **state)
{
	scratch *s = *state;
	buffer *model = make_model(s, TOK_SENTENCEPIECE_UNIGRAM), *b;
	float nan = (float) strtod("nan", NULL);

	for (size_t length = 0; length < model->length; length++)
	{
		char *copy = tfm_strndup(&s->context, model->data, length);

		tok_read_sentencepiece(&s->context, (tfm_text) {copy, length}, "x");
		tfm_clear_error(&s->context);
	}
	assert_null(tok_read_sentencepiece(&s->context, (tfm_text) {"", 0}, "x"));
	assert_string_equal(s->context.error.message, "\"x\": field \"pieces\" is missing");
	tfm_clear_error(&s->context);
	assert_null(tok_read_sentencepiece(&s->context, (tfm_text) {"hello", 5}, "x"));
	assert_string_equal(s->context.error.message, "\"x\" is not a SentencePiece model");
	for (int i = 0; i < 4; i++)
	{
		static const char *const names[] = {"pieces", "pieces", "trainer_spec", "unk_piece"};
		buffer *trainer = start(s);

		tfm_clear_error(&s->context);
		b = start(s);
		put_unit(s, b, i == 0 ? "\xC3" : "a", i == 1 ? nan : 0, 0);
		if (i == 3)
			put_bytes(s, trainer, 45, "a\0b", 3);
		put_bytes(s, b, 2,
				  i == 2				  ? "\x1A\x09"
				  : trainer->data == NULL ? ""
										  : trainer->data,
				  i == 2 ? 2 : trainer->length);
		assert_null(tok_read_sentencepiece(&s->context, text_of(b), "x"));
		assert_int_equal(s->context.error.kind, TFM_CORRUPTED);
		assert_non_null(strstr(s->context.error.message, names[i]));
	}
}

static bool
read_and_write(tfm_context *context, void *argument)
{
	const tok_sentencepiece *m = tok_read_sentencepiece(context, *(tfm_text *) argument, "x");
	buffer *json = buffer_create(context), *blob = buffer_create(context);
	const tok_sentencepiece_options options = {
		.normalizer = "%charsmap%",
		.pre_tokenizer = METASPACE,
		.decoder = METASPACE,
	};

	return m != NULL && json != NULL && blob != NULL &&
		   tok_write_sentencepiece(context, m, &options, json) &&
		   (m->type == TOK_SENTENCEPIECE_BPE ||
			tok_compile_json(context, text_of(json), "x", (tfm_text) {NULL, 0}, "c", blob)) &&
		   !tfm_failed(context);
}

static void
memory_may_run_out(void **state)
{
	scratch *s = *state;
	tfm_text unigram = text_of(make_model(s, TOK_SENTENCEPIECE_UNIGRAM));
	tfm_text bpe = text_of(make_model(s, TOK_SENTENCEPIECE_BPE));

	assert_int_equal(oom_run_all(read_and_write, &unigram), TFM_OK);
	assert_int_equal(oom_run_all(read_and_write, &bpe), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(fields_are_read),
		scratch_test(merges_are_those_that_make_units),
		scratch_test(options_change_the_vocabulary),
		scratch_test(a_model_tokenizes),
		scratch_test(damage_is_told),
		scratch_test(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
