/*
 * normalizer_bert.c
 *	  BertNormalizer: clean text, put spaces around Chinese characters, strip accents, lowercase.
 *
 * The library makes four passes; here a character goes through all of them at once, and ASCII through
 * a table.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"
#include "text/normalize.h"

#include "base/utf8.h"
#include "text/compile.h"
#include "text/unicode.h"

#define CLEAN_TEXT 1u
#define CHINESE 2u
#define STRIP_ACCENTS 4u
#define LOWERCASE 8u

typedef struct bert_payload
{
	uint32_t flags;
	uint32_t padding;
	unsigned char ascii[128]; /* what becomes of an ASCII character; 0: it is removed */
} bert_payload;

/* A normalization under way. */
typedef struct bert_run
{
	tok_work *work;
	uint32_t flags;
	tok_decomposer decomposer;
} bert_run;

/* What becomes of an ASCII character; 0: it is removed. */
static unsigned char
map_ascii(uint32_t flags, unsigned char c)
{
	if ((flags & CLEAN_TEXT) != 0)
	{
		if (c == '\t' || c == '\n' || c == '\r')
			return ' ';
		if (c < 0x20 || c == 0x7F)
			return 0;
	}
	if ((flags & LOWERCASE) != 0 && c >= 'A' && c <= 'Z')
		return (unsigned char) (c + ('a' - 'A'));
	return c;
}

static bool
compile_bert(tok_compiler *compiler, json spec, buffer *payload)
{
	tfm_context *context = compiler->context;
	bool clean_text = tok_require_bool(compiler, spec, "clean_text");
	bool chinese = tok_require_bool(compiler, spec, "handle_chinese_chars");
	bool lowercase = tok_require_bool(compiler, spec, "lowercase");
	bert_payload bert = {.flags = clean_text ? CLEAN_TEXT : 0};

	if (chinese)
		bert.flags |= CHINESE;
	if (json_bool(context, spec, "strip_accents", lowercase))
		bert.flags |= STRIP_ACCENTS;
	if (lowercase)
		bert.flags |= LOWERCASE;
	for (int c = 0; c < 128; c++)
		bert.ascii[c] = map_ascii(bert.flags, (unsigned char) c);
	return !tfm_failed(context) && buffer_append(context, payload, &bert, sizeof(bert));
}

/* The ranges of the library's is_chinese_char. */
static bool
is_chinese(uint32_t c)
{
	return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
		   (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
		   (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
		   (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/* The last steps: what decomposition has made. */
static bool
emit(void *argument, uint32_t character, int change, int32_t source)
{
	bert_run *run = argument;
	uint32_t lower[2];
	int count;

	(void) change;
	if ((run->flags & STRIP_ACCENTS) != 0 && tok_is_nonspacing_mark(character))
		return true;
	if ((run->flags & LOWERCASE) == 0)
		return tok_append_character(run->work, &run->work->next, character, source);
	count = tok_lowercase(character, lower);
	for (int i = 0; i < count; i++)
		if (!tok_append_character(run->work, &run->work->next, lower[i], source))
			return false;
	return true;
}

static bool
decompose(bert_run *run, uint32_t character, int32_t source)
{
	if ((run->flags & STRIP_ACCENTS) != 0)
		return tok_decomposer_feed(&run->decomposer, character, source);
	return emit(run, character, 0, source);
}

/*
 * The ideographs that have always been: nothing happens to them but spaces, and nothing is kept in
 * order across them.
 */
static bool
is_ideograph(uint32_t character)
{
	return character >= 0x4E00 && character <= 0x9FA5;
}

static bool
append_ideograph(bert_run *run, uint32_t character, int32_t source)
{
	tok_work *work = run->work;

	if (!tok_decomposer_flush(&run->decomposer) || !tok_reserve_string(work, &work->next, 5))
		return false;
	run->decomposer.last_source = source;
	if ((run->flags & CHINESE) == 0)
		return tok_append_character(work, &work->next, character, source);
	return tok_append_character(work, &work->next, ' ', source) &&
		   tok_append_character(work, &work->next, character, source) &&
		   tok_append_character(work, &work->next, ' ', source);
}

/* A character beyond ASCII, through all steps. */
static bool
normalize_character(bert_run *run, uint32_t character, int32_t source)
{
	if (is_ideograph(character))
		return append_ideograph(run, character, source);
	if ((run->flags & CLEAN_TEXT) != 0)
	{
		if (character == 0xFFFD || tok_is_other(character))
			return true;
		if (tok_is_space(character))
			character = ' ';
	}
	if ((run->flags & CHINESE) != 0 && is_chinese(character))
		return decompose(run, ' ', source) && decompose(run, character, source) &&
			   decompose(run, ' ', source);
	return decompose(run, character, source);
}

/* ASCII from byte i on, to the first byte that is not; the string written to has room. */
static size_t
normalize_ascii(tok_work *work, const unsigned char map[128], size_t i)
{
	const tok_string *from = &work->string;
	tok_string *to = &work->next;
	size_t length = to->length;

	for (; i < from->length && (unsigned char) from->bytes[i] < 0x80; i++)
	{
		unsigned char mapped = map[(unsigned char) from->bytes[i]];

		to->bytes[length] = (char) mapped;
		if (to->keeps_sources)
			to->sources[length] = from->sources[i];
		length += mapped != 0;
	}
	to->length = length;
	return i;
}

static bool
run_bert(tok_work *work, tok_payload payload)
{
	const bert_payload *bert = payload.bytes;
	const tok_string *string = &work->string;
	bert_run run = {.work = work};
	uint32_t polled = 0;

	if (payload.length < sizeof(*bert))
		return tok_fail_damaged(work->context);
	run.flags = bert->flags;
	run.decomposer = (tok_decomposer) {.work = work, .emit = emit, .argument = &run};
	for (size_t i = 0; i < string->length;)
	{
		int width;
		uint32_t character;

		if ((unsigned char) string->bytes[i] < 0x80)
		{
			/* What is removed does not keep the marks around it apart. */
			if (bert->ascii[(unsigned char) string->bytes[i]] == 0)
			{
				i++;
				continue;
			}
			if (!tok_decomposer_flush(&run.decomposer) ||
				!tok_reserve_string(work, &work->next, string->length - i))
				return false;
			i = normalize_ascii(work, bert->ascii, i);
			run.decomposer.last_source = tok_source(&work->next, work->next.length - 1);
			continue;
		}
		character = utf8_decode(string->bytes + i, &width);
		if (!normalize_character(&run, character, tok_source(string, i)))
			return false;
		i += (size_t) width;
		if ((++polled & 0xFFFF) == 0 && tfm_stopped(work->context))
			return false;
	}
	if (!tok_decomposer_flush(&run.decomposer))
		return false;
	tok_swap_strings(work);
	return true;
}

const tok_normalizer tok_normalizer_bert = {
	.row = {"BertNormalizer", compile_bert},
	.run = run_bert,
};
