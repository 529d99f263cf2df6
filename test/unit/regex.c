/*
 * regex.c
 *	  Regular expressions, and the scanners that stand for some of them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/regex.h"

#include "oom.h"
#include "scratch.h"
#include "text/character_class.h"
#include "text/regex_program.h"
#include "text/scan.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool
compile(tfm_context *context, const char *pattern, buffer *program)
{
	const tok_pattern source = {"test", pattern, strlen(pattern)};
	size_t offset;

	program->length = 0;
	return tok_regex_compile(context, &source, program, &offset);
}

/* All matches of a text, each followed by "|"; empty ones are "". */
static bool
list_matches(tfm_context *context, const buffer *program, const char *text, buffer *out)
{
	arena *memory = arena_scratch(context->arena);
	arena_mark mark;
	tok_regex regex;
	size_t start, end;

	if (memory == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	mark = arena_save(memory);
	if (tok_regex_open(&regex, context, memory, program->data, program->length))
	{
		tok_matches matches = {tok_regex_find, &regex, text, strlen(text), 0, 0, false};

		while (tok_next_match(&matches, &start, &end) &&
			   buffer_append(context, out, text + start, end - start) &&
			   buffer_append_string(context, out, "|"))
			;
	}
	arena_restore(memory, mark);
	return !tfm_failed(context);
}

static void
patterns_match_as_in_oniguruma(void **state)
{
	static const char *const rows[][3] = {
		{"a|ab|c", "abc", "a|c|"},
		{"(?:a|ab)(?:c|bcd)", "abcd", "abcd|"},
		{"a{2}?", "aaab", "aa|||"},
		{"a{1,3}+b", "aaaab", "aaaab|"},
		{"a{,2}", "aaa", "aa|a|"},
		{"a{,}", "a{,}", "a{,}|"},
		{"a*", "baab", "|aa||"},
		{"(?:|a)*", "aa", "|||"},
		{"(?:a|)*", "aab", "aa||"},
		{"a+?", "aa", "a|a|"},
		{"a++a|b", "aab", "b|"},
		{"(?>a|ab)c|b", "abc", "b|"},
		{"\\w+(?=!)", "ab! cd", "ab|"},
		{"(?=(\\d{3})+(?!\\d))..", "12345678", "34|67|"},
		{"(?<=a|bc)x", "ax bcx cx", "x|x|"},
		{"(?<!ab*)x", "abx cx x", "x|x|"},
		{"(?<=\\w+)!", "! a!", "!|"},
		{"^.|.$", "ab\ncd\n", "a|b|c|d|"},
		{"\\A.|.\\z|.\\Z", "ab\n", "a|b|"},
		{"\\bx\\B", "xx x", "x|"},
		{"[a-c&&[^b]]+", "abcac", "a|cac|"},
		{"[^[^a]x]", "ax", "a|"},
		{"[]a]+", "a]b", "a]|"},
		{"[[:alpha:]-]+", "a-b1", "a-b|"},
		{"\\p{^L}\\P{^Lu}", "1Aa", "1A|"},
		{"(?i)stra\xc3\x9f"
		 "e",
		 "STRASSE Stra\xc3\x9f"
		 "e",
		 "STRASSE|Stra\xc3\x9f"
		 "e|"},
		{"(?i:k)k", "Kk \xe2\x84\xaa\x6b kK", "Kk|\xe2\x84\xaak|"},
		{"(?i)[a[^b]]", "aB", "a|B|"},
		{"(?i)[s\xc3\x9f]t", "sst st", "sst|st|"},
		{"(?<=(?i)ss)x", "\xc3\x9fx ssx", "x|"},
		{"a(?i)b|c", "aB aC C", "aB|aC|"},
		{"(?m:.)|x", "\n", "\n|"},
		{"(?x) a b # no", "ab", "ab|"},
		{"\\R", "\r\n\n\r", "\r\n|\n|\r|"},
		{"\\x{41}\\u0042\\103\\x44", "ABCD", "ABCD|"},
		{"", "\xc3\xa9", "||"},
		{"\\Ga", "aab a", "a|a|"},
	};
	scratch *s = *state;
	buffer *program = buffer_create(&s->context), *out = buffer_create(&s->context);

	for (size_t i = 0; i < COUNT(rows); i++)
	{
		out->length = 0;
		if (!compile(&s->context, rows[i][0], program) ||
			!list_matches(&s->context, program, rows[i][1], out))
			fail_msg("%s: %s", rows[i][0], s->context.error.message);
		if (strcmp(buffer_text(&s->context, out), rows[i][2]) != 0)
			fail_msg("%s in \"%s\": \"%s\"", rows[i][0], rows[i][1], out->data);
	}
}

static void
wrong_patterns_are_refused(void **state)
{
	static const struct
	{
		const char *pattern;
		tfm_error_kind kind;
		const char *message;
	} rows[] = {
		{"(", TFM_CORRUPTED, "regular expression \"(\" has a group without an end before byte 1"},
		{")", TFM_CORRUPTED, "unmatched"},
		{"*a", TFM_CORRUPTED, "nothing to repeat"},
		{"a|{2}", TFM_CORRUPTED, "nothing to repeat"},
		{"^*", TFM_CORRUPTED, "cannot be repeated"},
		{"[", TFM_CORRUPTED, "class without an end"},
		{"[]", TFM_CORRUPTED, "empty class"},
		{"[b-a]", TFM_CORRUPTED, "empty range"},
		{"[\\d-a]", TFM_CORRUPTED, "begins with a set"},
		{"[[:no:]]", TFM_CORRUPTED, "POSIX"},
		{"\\", TFM_CORRUPTED, "backslash"},
		{"\\x{110000}", TFM_CORRUPTED, "too big"},
		{"a{100001}", TFM_CORRUPTED, "too big"},
		{"(?q)", TFM_CORRUPTED, "group option"},
		{"\\p{Nothing}", TFM_UNSUPPORTED, "property"},
		{"(a)\\1", TFM_UNSUPPORTED, "back reference"},
		{"(?<n>a)\\k<n>", TFM_UNSUPPORTED, "reference"},
		{"\\X", TFM_UNSUPPORTED, "text segment"},
		{"(?~a)", TFM_UNSUPPORTED, "absence"},
		{"(?:(?:(?:a{99}b?){99}){99}){99}", TFM_LIMIT_EXCEEDED, "too large"},
	};
	scratch *s = *state;
	buffer *program = buffer_create(&s->context), *deep = buffer_create(&s->context);

	for (size_t i = 0; i < COUNT(rows); i++)
	{
		assert_false(compile(&s->context, rows[i].pattern, program));
		if (s->context.error.kind != rows[i].kind ||
			strstr(s->context.error.message, rows[i].message) == NULL)
			fail_msg("%s: %s", rows[i].pattern, s->context.error.message);
		tfm_clear_error(&s->context);
	}
	for (int i = 0; i < 10000; i++)
		buffer_append_string(&s->context, deep, i % 2 == 0 ? "(?:a*" : "(?=[");
	assert_false(compile(&s->context, buffer_text(&s->context, deep), program));
	assert_int_equal(s->context.error.kind, TFM_LIMIT_EXCEEDED);
}

static uint32_t
draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (uint32_t) ((uint64_t) (*seed >> 8) * below >> 24);
}

/* What is apt to be split in a wrong place, and characters at random. */
static void
append_random(tfm_context *context, buffer *text, uint32_t *seed)
{
	static const char *const parts[] = {
		"'",
		"s",
		"S",
		"\xc5\xbf",
		"t",
		"re",
		"VE",
		"ll",
		"d",
		"'ll",
		"'S",
		"a",
		"B",
		"Zo\xc3\xab",
		"\xc7\x85",
		"\xca\xb0",
		"\xc2\xaa",
		"\xe4\xb8\xad",
		"\xe3\x81\xae",
		"\xe3\x83\xbc",
		"\xed\x95\x9c",
		"\xcc\x81",
		"e\xcc\x81",
		"\xe2\x83\x9d",
		"1",
		"23",
		"4567",
		"\xc2\xbd",
		"\xe2\x85\xa7",
		" ",
		" ",
		"  ",
		"\t",
		"\n",
		"\r\n",
		"\xc2\x85",
		"\xc2\xa0",
		"\xe3\x80\x80",
		"\xe2\x80\x8b",
		"!",
		"...",
		"/",
		"(",
		"|",
		"[",
		"\\",
		"~",
		"\xe2\x80\xa6",
		"\xef\xbc\x8c",
		"\xd8\x8c",
		"\xf0\x9f\xa6\x8a",
		"\x01",
		"\x7f",
		"\xf0\xa0\x80\x80",
		"-",
		"_",
		"x y",
	};
	char bytes[4];
	uint32_t character;

	if (draw(seed, 8) > 0)
	{
		buffer_append_string(context, text, parts[draw(seed, COUNT(parts))]);
		return;
	}
	character = 1 + draw(seed, draw(seed, 2) == 0 ? 0x3000 : 0x20000);
	if ((character & ~0x7FFu) != 0xD800)
		buffer_append(context, text, bytes, (size_t) utf8_encode(character, bytes));
}

/* Fails unless the scanner finds in a text just what the regular expression does. */
static void
compare(const tok_scanner *scanner, tok_regex *regex, const char *text, size_t length)
{
	tok_matches matches = {tok_regex_find, regex, text, length, 0, 0, false};
	tok_matches scanned = {tok_find_scanned, (void *) scanner, text, length, 0, 0, false};
	size_t start, end, start2, end2;

	tok_regex_forget(regex);
	while (tok_next_match(&matches, &start, &end))
	{
		bool found = tok_next_match(&scanned, &start2, &end2);

		if (!found || start != start2 || end != end2 ||
			(scanner->covers && scanner->scan(text, length, start) != end))
			fail_msg("%s in \"%.*s\": %zu to %zu, not %zu to %zu", scanner->pattern, (int) length,
					 text, found ? start2 : 0, found ? end2 : 0, start, end);
	}
	assert_int_equal(regex->context->error.kind, TFM_OK);
	assert_false(tok_next_match(&scanned, &start, &end));
}

static void
scanners_do_as_the_patterns(void **state)
{
	scratch *s = *state;
	buffer *program = buffer_create(&s->context), *text = buffer_create(&s->context);
	uint32_t seed = 1;
	const tok_scanner *scanner;

	for (uint32_t i = 0; (scanner = tok_scanner_at(i)) != NULL; i++)
	{
		arena *memory = arena_scratch(s->context.arena);
		arena_mark mark = arena_save(memory);
		tok_regex regex;

		assert_int_equal(tok_find_scanner(scanner->pattern), (int) i);
		assert_true(compile(&s->context, scanner->pattern, program));
		assert_true(tok_regex_open(&regex, &s->context, memory, program->data, program->length));
		for (int round = 0; round < 1000; round++)
		{
			text->length = 0;
			for (uint32_t parts = draw(&seed, 14); parts > 0; parts--)
				append_random(&s->context, text, &seed);
			if (text->length > 0)
				compare(scanner, &regex, text->data, text->length);
		}
		arena_restore(memory, mark);
	}
	assert_int_equal(tok_find_scanner("\\p{L}"), -1);
}

static bool
stop(void *argument)
{
	return --*(int *) argument < 0;
}

/* A million bytes, in steps that grow with the length, even where backtracking is exponential. */
static void
long_texts_take_linear_time(void **state)
{
	static const char *const patterns[] = {
		"\\s+$",	   "(a+)+$",
		"(?:a|a)*b",   "(?:a+b?)+c",
		".*?x",		   "(?=(a{3})+(?!a))",
		"(?=\\w*x)",   "(?<=a)\\s+b",
		"(?>a+b|a+c)", "((a{1,3}){1,3}){1,3}b",
	};
	scratch *s = *state;
	buffer *program = buffer_create(&s->context), *out = buffer_create(&s->context);
	char *text = tfm_alloc(&s->context, 1000001);
	int polls = 1;

	for (size_t i = 0; i < COUNT(patterns); i++)
	{
		memset(text, i == 0 ? ' ' : 'a', 1000000);
		text[999999] = '!';
		text[1000000] = '\0';
		assert_true(compile(&s->context, patterns[i], program));
		if (!list_matches(&s->context, program, text, out))
			fail_msg("%s: %s", patterns[i], s->context.error.message);
	}
	assert_true(compile(&s->context, "(a*)*b", program));
	assert_false(list_matches(&s->context, program, text, out));
	assert_int_equal(s->context.error.kind, TFM_LIMIT_EXCEEDED);
	tfm_clear_error(&s->context);
	s->context.interrupted = stop;
	s->context.interrupted_argument = &polls;
	assert_false(list_matches(&s->context, program, text, out));
	assert_int_equal(s->context.error.kind, TFM_CANCELLED);
}

static const char *const damaged_pattern = "(?:a+(?=b|c)|(?<=x)y*?|[\\p{L}\xe4\xb8\xad]{2,}+\\b)+z";

/* Any byte of a program may be anything. */
static void
damaged_programs_do_no_harm(void **state)
{
	scratch *s = *state;
	buffer *program = buffer_create(&s->context), *out = buffer_create(&s->context);
	uint32_t seed = 7;
	int opened = 0;

	assert_true(compile(&s->context, damaged_pattern, program));
	for (int round = 0; round < 2000; round++)
	{
		size_t at = draw(&seed, (uint32_t) program->length);
		char *copy = malloc(program->length);

		memcpy(copy, program->data, program->length);
		copy[at] = (char) draw(&seed, draw(&seed, 2) == 0 ? 4 : 256);
		out->length = 0;
		opened += list_matches(&s->context, &(buffer) {copy, program->length, program->length},
							   "aab xy\xe4\xb8\xad\xe4\xb8\xadz aacz", out);
		tfm_clear_error(&s->context);
		free(copy);
	}
	assert_in_range(opened, 500, 1999);
	for (size_t length = 0; length < program->length; length += 8)
	{
		assert_false(
			list_matches(&s->context, &(buffer) {program->data, length, length}, "a", out));
		assert_int_equal(s->context.error.kind, TFM_CORRUPTED);
		tfm_clear_error(&s->context);
	}
}

static bool
compile_and_match(tfm_context *context, void *argument)
{
	buffer *program = buffer_create(context), *out = buffer_create(context);

	return program != NULL && out != NULL &&
		   compile(context, "(?i)(?:ss|\xc3\x9f|[a-z&&[^x]])+(?=(?:a|b)+\\p{Lu})|\\w", program) &&
		   list_matches(context, program, argument, out);
}

static void
lack_of_memory_is_an_error(void **state)
{
	char text[3000];

	(void) state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(oom_run_all(compile_and_match, text), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(patterns_match_as_in_oniguruma), scratch_test(wrong_patterns_are_refused),
		scratch_test(scanners_do_as_the_patterns),	  scratch_test(long_texts_take_linear_time),
		scratch_test(damaged_programs_do_no_harm),	  cmocka_unit_test(lack_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
