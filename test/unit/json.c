/*
 * json.c
 *	  What is JSON and what is not, and reading members with their types.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/json.h"

#include "base/buffer.h"
#include "base/json_check.h"
#include "oom.h"
#include "scratch.h"

static const char *const good[] = {
	"{}",
	"[]",
	" \t\r\n[ 1 , -0 , 0.5 , 1e9 , 1E+9 , 2e-3 ]\n",
	"\"\"",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"",
	"true",
	"null",
	"{\"a\":{\"b\":[{}]},\"\":false}",
	"\"\x7f\xc3\xa9\"",
	"0.1000000000000000055511151231257827021181583404541015625",
};

static const struct
{
	const char *text;
	const char *says;
	size_t offset;
} bad[] = {
	{"", "no value", 0},
	{" ", "no value", 1},
	{"{", "no string", 1},
	{"[", "no value", 1},
	{"[1", "no comma", 2},
	{"[1,]", "no value", 3},
	{"[1 2]", "no comma", 3},
	{"{\"a\"}", "no colon", 4},
	{"{\"a\":}", "no value", 5},
	{"{\"a\":1,}", "no string", 7},
	{"{a:1}", "no string", 1},
	{"{'a':1}", "no string", 1},
	{"[}", "no value", 1},
	{"[]]", "more after", 2},
	{"1 2", "more after", 2},
	{"01", "more after", 1},
	{"-", "no value", 1},
	{"+1", "no value", 0},
	{".5", "no value", 0},
	{"1.", "after its point", 2},
	{"1e", "exponent", 2},
	{"1e+", "exponent", 3},
	{"0x1", "more after", 1},
	{"NaN", "no value", 0},
	{"-Infinity", "no value", 1},
	{"nul", "no value", 0},
	{"truer", "more after", 4},
	{"\"", "without an end", 1},
	{"\"\\", "unknown escape", 2},
	{"\"\\x\"", "unknown escape", 2},
	{"\"\\u12\"", "four digits", 5},
	{"\"\\u0000\"", "NUL", 7},
	{"\"\\ud800\"", "surrogate", 7},
	{"\"\\udc00\"", "surrogate", 7},
	{"\"\\ud800\\ud800\"", "surrogate", 13},
	{"\"\n\"", "control character", 2},
	{"\xef\xbb\xbf{}", "no value", 0},
	{"1111111111111111111111111111111111111111111111111111111111111", "too many digits", 61},
};

static void
syntax_is_checked(void **state)
{
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		assert_true(json_present(json_parse(&s->context, good[i], strlen(good[i]), "good")));
		assert_good(&s->context);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		size_t offset;
		const char *wrong = json_check(bad[i].text, strlen(bad[i].text), &offset);

		assert_non_null(wrong);
		assert_non_null(strstr(wrong, bad[i].says));
		assert_int_equal(offset, bad[i].offset);
		assert_false(json_present(json_parse(&s->context, bad[i].text, strlen(bad[i].text), "x")));
		assert_failed(&s->context, TFM_CORRUPTED, "\"x\" is not valid JSON");
	}
}

/* Each prefix of a text ends exactly where its memory does, for the sanitizer to see. */
static void
prefixes_are_refused(void **state)
{
	static const char text[] =
		"{\"a\":[1.5e+3,true,false,null,\"\\u00e9\\ud83d\\ude00\\n\"],\"b\":{}}";
	scratch *s = *state;

	for (size_t n = 0; n < sizeof(text) - 1; n++)
	{
		char *copy = malloc(n + 1);

		assert_non_null(copy);
		memcpy(copy + 1, text, n);
		assert_false(json_present(json_parse(&s->context, copy + 1, n, "x")));
		assert_failed(&s->context, TFM_CORRUPTED, "not valid JSON");
		free(copy);
	}
}

static void
odd_bytes_and_depth_are_refused(void **state)
{
	scratch *s = *state;
	char text[402];

	json_parse(&s->context, "[1\0]", 4, "x");
	assert_failed(&s->context, TFM_CORRUPTED, "");
	json_parse(&s->context, "\"\0\"", 3, "x");
	assert_failed(&s->context, TFM_CORRUPTED, "NUL");
	json_parse(&s->context, "\"\xff\"", 3, "x");
	assert_failed(&s->context, TFM_CORRUPTED, "UTF-8");
	memset(text, ']', sizeof(text));
	memset(text, '[', 200);
	assert_true(json_present(json_parse(&s->context, text, 400, "x")));
	memset(text, '[', 201);
	json_parse(&s->context, text, 402, "x");
	assert_failed(&s->context, TFM_CORRUPTED, "too many levels");
}

static const char members[] =
	"{\"i\":3,\"big\":9007199254740993,\"half\":0.5,\"t\":true,\"s\":\"text\",\"n\":null,"
	"\"list\":[1,2,3],\"huge\":1e400,\"o\":{\"x\":1}}";

static void
members_are_read_by_type(void **state)
{
	scratch *s = *state;
	tfm_context *c = &s->context;
	json o = json_parse(c, members, strlen(members), "file.json");
	int64_t number;

	assert_int_equal(json_int(c, o, "i", 7, 0, 10), 3);
	assert_int_equal(json_int(c, o, "absent", 7, 0, 10), 7);
	assert_int_equal(json_int(c, o, "n", 7, 0, 10), 7);
	assert_true(json_double(c, o, "half", 0) == 0.5);
	assert_true(json_bool(c, o, "t", false));
	assert_string_equal(json_string(c, o, "s", ""), "text");
	assert_string_equal(json_string(c, o, "absent", "else"), "else");
	assert_int_equal(json_require_int(c, o, "i", 0, 10), 3);
	assert_int_equal(json_size(json_member(o, "list")), 3);
	assert_string_equal(json_key(json_next(json_first(o))), "big");
	assert_false(json_present(json_member(json_member(o, "i"), "x")));
	assert_false(json_present(json_first(json_member(o, "s"))));
	assert_false(json_to_int(json_member(o, "big"), 0, INT64_MAX, &number));
	assert_false(json_to_int(json_member(o, "huge"), 0, INT64_MAX, &number));
	assert_good(c);
}

static void
wrong_members_are_errors(void **state)
{
	scratch *s = *state;
	tfm_context *c = &s->context;
	json o = json_parse(c, members, strlen(members), "file.json");

#define WRONG(call, says)                                                                          \
	do                                                                                             \
	{                                                                                              \
		(void) (call);                                                                             \
		assert_failed(c, TFM_CORRUPTED, "\"file.json\": key " says);                               \
	} while (0)
	WRONG(json_int(c, o, "i", 0, 4, 10), "\"i\" must be a whole number from 4 to 10");
	WRONG(json_int(c, o, "half", 0, 0, 10), "\"half\" must be a whole number");
	WRONG(json_int(c, o, "s", 0, 0, 10), "\"s\" must be a whole number");
	WRONG(json_double(c, o, "t", 0), "\"t\" must be a number");
	WRONG(json_bool(c, o, "i", true), "\"i\" must be true or false");
	WRONG(json_string(c, o, "i", ""), "\"i\" must be a string");
	WRONG(json_require_int(c, o, "n", 0, 1), "\"n\" is missing");
	WRONG(json_require_string(c, o, "absent"), "\"absent\" is missing");
#undef WRONG
}

/* What is written as a string is read as the same string. */
static void
strings_survive(void **state)
{
	scratch *s = *state;
	char text[200];
	size_t length = 0;
	buffer *b = buffer_create(&s->context);

	for (int c = 1; c < 128; c++)
		text[length++] = (char) c;
	length += (size_t) sprintf(text + length, "é漢😀");
	assert_true(json_append_string(&s->context, b, text, length));
	assert_string_equal(json_as_string(json_parse(&s->context, b->data, b->length, "x")), text);
	assert_good(&s->context);
	b->length = 0;
	assert_true(json_append_string(&s->context, b, "a\0b", 3));
	assert_string_equal(json_as_string(json_parse(&s->context, b->data, b->length, "x")),
						"a\xEF\xBF\xBD"
						"b");
	assert_good(&s->context);
}

static void
files_are_read(void **state)
{
	scratch *s = *state;
	char *path = scratch_write_text(s, "x.json", "{\"a\":1}");

	assert_int_equal(json_int(&s->context, json_read(&s->context, path, 7), "a", 0, 0, 9), 1);
	assert_good(&s->context);
	assert_false(json_present(json_read(&s->context, path, 6)));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "x.json");
	json_read(&s->context, scratch_path(s, "absent.json"), 100);
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "absent.json");
}

static bool
read_file(tfm_context *context, void *path)
{
	json o = json_read(context, path, 1000);
	buffer *b = buffer_create(context);

	json_string(context, o, "s", "");
	return b != NULL && !tfm_failed(context) && json_append_string(context, b, members, 100);
}

static void
memory_may_run_out(void **state)
{
	scratch *s = *state;

	assert_int_equal(oom_run_all(read_file, scratch_write_text(s, "x.json", members)), TFM_OK);
	assert_int_equal(oom_run(20, read_file, scratch_path(s, "x.json")), TFM_OUT_OF_MEMORY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(syntax_is_checked),
		scratch_test(prefixes_are_refused),
		scratch_test(odd_bytes_and_depth_are_refused),
		scratch_test(members_are_read_by_type),
		scratch_test(wrong_members_are_errors),
		scratch_test(strings_survive),
		scratch_test(files_are_read),
		scratch_test(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
