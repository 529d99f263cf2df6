/*
 * chunk.c
 *	  Where texts may be broken, and that chunks cover a text and fit, whatever it is.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/chunk.h"

#include "oom.h"
#include "scratch.h"
#include "task/tokenize.h"
#include "text/breaks.h"

#define TEXT(literal) ((tfm_text) {literal, sizeof(literal) - 1})

/* ---- Breaks ---- */

/* Texts, and below each byte the first letter of what may be broken before it. */
static const struct
{
	const char *text, *breaks; /* None, Character, Word, Line, Sentence, Paragraph */
} broken[] = {
	{"", "P"},
	{"a", "PP"},
	{"ab c", "PCCLP"},
	{"a, b", "PWCLP"},
	{"a.  B", "PWCCSP"},
	{"a\nb", "PCSP"},
	{"a\r\nb", "PCNSP"},
	{"a\n\nb", "PCCPP"},
	{"a\r\n \r\nb", "PCNCCNPP"},
	{"a\n \nb", "PCCCPP"},
	{" a", "PLP"},
	{"  ", "PCP"},
	{"a\r", "PCP"},
	{"x-y", "PWLP"},
	{"e\xCC\x81.", "PNNWP"},
	{"a\xE2\x80\xA9\x62", "PCNNPP"},
	{"\xE5\x8C\x97\xE4\xBA\xAC\xE5\xA4\xA7", "PNNCNNLNNP"},
};

static void
places_are_rated(void **state)
{
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
	{
		const char *text = broken[i].text;
		size_t length = strlen(text);
		uint8_t breaks[64];
		char letters[64] = "";

		assert_int_equal(strlen(broken[i].breaks), length + 1);
		assert_true(tok_find_breaks(&s->context, (tfm_text) {text, length}, breaks));
		for (size_t n = 0; n <= length; n++)
			letters[n] = "NCWLSP"[breaks[n]];
		if (strcmp(letters, broken[i].breaks) != 0)
			fail_msg("\"%s\": %s, not %s", text, letters, broken[i].breaks);
	}
}

/* ---- Chunks ---- */

static const run_model *
open_golden(scratch *s)
{
	const char *golden = getenv("TFM_GOLDEN");
	char *image = scratch_path(s, "image");
	const run_model *model;

	assert_true(run_compile(
		&s->context,
		tfm_sprintf(&s->context, "%s/sentence/mean", golden == NULL ? "test/golden" : golden),
		image, NULL));
	model = run_model_open(&s->context, image, COMPUTE_AUTO);
	assert_non_null(model);
	return model;
}

static const char *const parts[] = {
	"the cat ",
	"sat",
	". ",
	"\n",
	"\n\n",
	"\r\n",
	" ",
	"!",
	"catmatcatmatcatmat",
	"\t",
	"[SEP]",
	"1,234.5",
	"\xE2\x80\xA9",
	"e\xCC\x81\xCC\x82",
	"\xE6\x88\x91\xE4\xBB\xAC",
	"\xF0\x9F\x99\x82",
	"\xE0\xB8\xAA\xE0\xB8\xA7\xE0\xB8\xB1\xE0\xB8\xAA",
	"\"Quote,\" he said. ",
	"\x01",
	"-",
};

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

static int
count_tokens(scratch *s, const run_model *model, tfm_text text)
{
	const tokenize_plan plan = {.encode = TOK_ENCODE_DEFAULTS};
	const tokenize_input input = {.text = text};
	tok_encoding *tokens;

	assert_true(task_tokenize(&s->context, model, &input, 1, &plan, &tokens));
	return (int) tokens->count;
}

static void
check_chunks(scratch *s, const run_model *model, tfm_text text, int max_tokens, int overlap)
{
	task_chunks chunks;
	size_t end = 0;

	assert_true(task_chunk_text(&s->context, model, text, max_tokens, overlap, &chunks));
	for (size_t i = 0; i < chunks.count; i++)
	{
		const task_chunk *c = &chunks.items[i];

		assert_true(overlap == 0 ? c->start == end : c->start <= end);
		assert_true(i == 0 ? c->start == 0 : c->start > chunks.items[i - 1].start);
		assert_true(c->end > end && c->end <= text.length);
		assert_true(c->tokens <= max_tokens);
		assert_int_equal(
			c->tokens,
			count_tokens(s, model, (tfm_text) {text.data + c->start, c->end - c->start}));
		end = c->end;
	}
	assert_int_equal(end, text.length);
}

static void
chunks_cover_and_fit(void **state)
{
	static const int sizes[][2] = {{3, 0}, {5, 2}, {9, 0}, {9, 4}, {40, 37}, {300, 0}};
	scratch *s = *state;
	const run_model *model = open_golden(s);
	uint32_t seed = 7;

	for (int round = 0; round < 300; round++)
	{
		arena_mark mark = arena_save(s->context.arena);
		buffer *text = buffer_create(&s->context);
		int length = (int) (next_random(&seed) % 120);
		const int *size = sizes[round % 6];

		for (int i = 0; i < length; i++)
			buffer_append_string(&s->context, text,
								 parts[next_random(&seed) % (sizeof(parts) / sizeof(parts[0]))]);
		check_chunks(s, model, (tfm_text) {text->data, text->length}, size[0], size[1]);
		arena_restore(s->context.arena, mark);
	}
}

static void
arguments_are_checked(void **state)
{
	scratch *s = *state;
	const run_model *model = open_golden(s);
	task_chunks chunks;

	assert_false(task_chunk_text(&s->context, model, TEXT("a"), 2, 0, &chunks));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "max_tokens must be more than the 2");
	assert_false(task_chunk_text(&s->context, model, TEXT("a"), 9, 7, &chunks));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "overlap must be from 0 to 6");
	assert_false(task_chunk_text(&s->context, model, TEXT("a\xFF"), 9, 0, &chunks));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "not valid UTF-8");
}

static bool
always(void *argument)
{
	(void) argument;
	return true;
}

static void
chunking_can_be_cancelled(void **state)
{
	scratch *s = *state;
	const run_model *model = open_golden(s);
	task_chunks chunks;

	s->context.interrupted = always;
	assert_false(task_chunk_text(&s->context, model, TEXT("the cat sat"), 4, 0, &chunks));
	assert_failed(&s->context, TFM_CANCELLED, "");
}

static bool
chunk_once(tfm_context *context, void *model)
{
	task_chunks chunks;

	return task_chunk_text(context, model, TEXT("the cat sat. on the mat"), 5, 1, &chunks);
}

static void
memory_may_run_out(void **state)
{
	scratch *s = *state;

	assert_int_equal(oom_run_all(chunk_once, (void *) open_golden(s)), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(places_are_rated),		 scratch_test(chunks_cover_and_fit),
		scratch_test(arguments_are_checked), scratch_test(chunking_can_be_cancelled),
		scratch_test(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
