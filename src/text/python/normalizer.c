/*
 * normalizer.c
 *	  PythonText: what the Python tokenizers do to a text before they look at words, step by step.
 *
 * {"type": "PythonText", "steps": [["replace", "``", "\""], ["normalize", "NFC"], ["lower"],
 * ["moses", "en", "escape"]]}: a step is its name and up to three strings.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "base/size.h"
#include "base/utf8.h"
#include "text/compile.h"
#include "text/python/text.h"
#include "text/python/unicode.h"
#include "text/unicode.h"

#define STRINGS_MAX 3  /* of a step */
#define STRING_SIZE 56 /* of each, with its end */
#define CHARACTERS_MAX STRING_SIZE

typedef struct step
{
	uint64_t number; /* in the table of steps */
	char strings[STRINGS_MAX][STRING_SIZE];
} step;

typedef bool (*run_function)(tok_python_text *text, const step *s);

static bool
run_lower(tok_python_text *text, const step *s)
{
	(void) s;
	return tok_python_pass_lower(text);
}

static bool
run_upper(tok_python_text *text, const step *s)
{
	(void) s;
	return tok_python_pass_upper(text);
}

static bool
run_strip(tok_python_text *text, const step *s)
{
	(void) s;
	return tok_python_pass_strip(text);
}

/* NFC, NFD, NFKC, NFKD */
static bool
run_normalize(tok_python_text *text, const step *s)
{
	const char *form = s->strings[0];

	return tok_python_pass_normalize(text, strchr(form, 'K') != NULL, strchr(form, 'C') != NULL);
}

static bool
run_remove_marks(tok_python_text *text, const step *s)
{
	(void) s;
	return tok_python_pass_remove(text, tok_python_is_nonspacing_mark);
}

static bool
run_remove_other(tok_python_text *text, const step *s)
{
	(void) s;
	return tok_python_pass_remove(text, tok_python_is_other);
}

/* string.punctuation */
static bool
is_ascii_punctuation(uint32_t c)
{
	return c < 0x80 && tok_python_is_punctuation(c);
}

static bool
run_remove_punctuation(tok_python_text *text, const step *s)
{
	(void) s;
	return tok_python_pass_remove(text, is_ascii_punctuation);
}

/* \s+ to one space */
static bool
run_join_spaces(tok_python_text *text, const step *s)
{
	const tok_python_row *row = &text->row;

	(void) s;
	for (size_t i = 0; i < row->length; i++)
	{
		bool space = tok_python_is_space(row->characters[i]);

		if (space && i > 0 && tok_python_is_space(row->characters[i - 1]))
			continue;
		if (!tok_python_append(text, space ? ' ' : row->characters[i], row->sources[i]))
			return false;
	}
	return tok_python_turn(text);
}

/* Spaces of other kinds are spaces, and what is not printed goes: preprocess_text of GPT-SW3. */
static bool
run_gpt_sw3(tok_python_text *text, const step *s)
{
	static const uint32_t spaces[] = {0x2002, 0x2003, 0x2005, 0x2008, 0x2009,
									  0x200A, 0x202F, 0x3000, 0xFFFC};

	(void) s;
	for (size_t i = 0; i < text->row.length; i++)
	{
		uint32_t c = text->row.characters[i];

		if (c < 9 || (c >= 11 && c < 32) || (c >= 127 && c <= 160) || c == 173 || c == 8203)
			continue;
		for (size_t j = 0; j < sizeof(spaces) / sizeof(spaces[0]); j++)
			if (c == spaces[j])
				c = ' ';
		if (!tok_python_append(text, c, text->row.sources[i]))
			return false;
	}
	return tok_python_turn(text);
}

/*
 * The words of BlenderbotSmall's bpe(): \S+\n? in turn, with spaces before .,!?() and around ', then
 * "\s{2,}" as one space, and a line feed as " __newln__"; with spaces between.
 */
static bool
append_blenderbot(tok_python_text *text, size_t start, size_t end)
{
	const tok_python_row *row = &text->row;

	for (size_t i = start; i < end; i++)
	{
		uint32_t c = row->characters[i];
		bool before = c != 0 && c < 0x80 && strchr(".,!?()'", (int) c) != NULL;
		bool line = c == '\n';

		/* The line feed is lost in the space that an apostrophe before it got. */
		if (line && i > start && row->characters[i - 1] == '\'')
			break;
		if ((before && !tok_python_append(text, ' ', row->sources[i])) ||
			(line ? !tok_python_append_all(text, U" __newln__", row->sources[i])
				  : !tok_python_copy(text, i)) ||
			(c == '\'' && !tok_python_append(text, ' ', row->sources[i])))
			return false;
	}
	return true;
}

static bool
run_blenderbot(tok_python_text *text, const step *s)
{
	const tok_python_row *row = &text->row;

	(void) s;
	for (size_t i = 0; i < row->length;)
	{
		size_t end = i;

		while (end < row->length && !tok_is_space(row->characters[end]))
			end++;
		if (end > i && end < row->length && row->characters[end] == '\n')
			end++;
		if (end > i && (!append_blenderbot(text, i, end) ||
						!tok_python_append(text, ' ', row->sources[end - 1])))
			return false;
		i = end > i ? end : i + 1;
	}
	return tok_python_turn(text);
}

/* The characters from i on that are a token: of several the one with the lowest id; 0: none. */
static size_t
find_token(const tok_python_text *text, size_t i, const trie *tokens)
{
	uint32_t node = TRIE_ROOT, lowest = TRIE_NONE;
	size_t found = 0;

	for (size_t at = i; tokens->count > 0 && at < text->row.length; at++)
	{
		char bytes[4];
		int width = utf8_encode(text->row.characters[at], bytes);

		node = tok_trie_walk(tokens, node, bytes, (size_t) width);
		if (node == TRIE_NONE)
			break;
		if (trie_value(tokens, node) < lowest)
		{
			lowest = trie_value(tokens, node);
			found = at + 1 - i;
		}
	}
	return found;
}

/* Small letters, but for tokens of the vocabulary and added ones: normalize_text of VITS. */
static bool
run_lower_unknown(tok_python_text *text, const step *s)
{
	const tok_tokenizer *t = text->work->tokenizer;
	size_t kept = 0; /* characters of a token that are still to come */

	(void) s;
	for (size_t i = 0; i < text->row.length; i++)
	{
		uint32_t character = text->row.characters[i], lower[3] = {character};
		int count = 1;

		if (kept == 0)
			kept = find_token(text, i, &t->vocabulary);
		if (kept == 0)
			kept = find_token(text, i, &t->raw.keys);
		if (kept > 0)
			kept--;
		else
			count = tok_python_lower(character, lower);
		for (int j = 0; j < count; j++)
			if (!tok_python_append(text, lower[j], text->row.sources[i]))
				return false;
	}
	return tok_python_turn(text);
}

/* Without characters that are no tokens. */
static bool
run_keep_known(tok_python_text *text, const step *s)
{
	const trie *tokens = &text->work->tokenizer->vocabulary;

	(void) s;
	for (size_t i = 0; i < text->row.length; i++)
	{
		char bytes[4];
		int width = utf8_encode(text->row.characters[i], bytes);

		if (tok_trie_find(tokens, bytes, (size_t) width) != TRIE_NONE && !tok_python_copy(text, i))
			return false;
	}
	return tok_python_turn(text);
}

static void
decode_string(const char *string, char32_t characters[CHARACTERS_MAX])
{
	size_t count = 0;
	int width;

	for (; *string != '\0'; string += width)
		characters[count++] = utf8_decode(string, &width);
	characters[count] = 0;
}

static bool
run_replace(tok_python_text *text, const step *s)
{
	char32_t from[CHARACTERS_MAX], to[CHARACTERS_MAX];

	decode_string(s->strings[0], from);
	decode_string(s->strings[1], to);
	return tok_python_pass_replace(text, from, to);
}

static bool
run_prepend(tok_python_text *text, const step *s)
{
	char32_t characters[CHARACTERS_MAX];

	decode_string(s->strings[0], characters);
	if (!tok_python_append_all(text, characters, 0))
		return false;
	for (size_t i = 0; i < text->row.length; i++)
		if (!tok_python_copy(text, i))
			return false;
	return tok_python_turn(text);
}

static bool
run_unicode_punctuation(tok_python_text *text, const step *s)
{
	(void) s;
	return tok_python_pass_unicode_punctuation(text);
}

static bool
run_moses_punctuation(tok_python_text *text, const step *s)
{
	return tok_python_pass_moses_punctuation(text, s->strings[0]);
}

static bool
run_moses(tok_python_text *text, const step *s)
{
	uint32_t flags = 0;

	for (int i = 1; i < STRINGS_MAX; i++)
	{
		if (strcmp(s->strings[i], "aggressive") == 0)
			flags |= TOK_MOSES_AGGRESSIVE;
		if (strcmp(s->strings[i], "escape") == 0)
			flags |= TOK_MOSES_ESCAPE;
	}
	return tok_python_pass_moses(text, s->strings[0], flags);
}

static const struct
{
	const char *name;
	run_function run;
} steps[] = {
	{"lower", run_lower},
	{"upper", run_upper},
	{"strip", run_strip},
	{"normalize", run_normalize},
	{"remove_marks", run_remove_marks},
	{"remove_other", run_remove_other},
	{"remove_punctuation", run_remove_punctuation},
	{"join_spaces", run_join_spaces},
	{"blenderbot", run_blenderbot},
	{"gpt_sw3", run_gpt_sw3},
	{"replace", run_replace},
	{"prepend", run_prepend},
	{"lower_unknown", run_lower_unknown},
	{"keep_known", run_keep_known},
	{"unicode_punctuation", run_unicode_punctuation},
	{"moses_punctuation", run_moses_punctuation},
	{"moses", run_moses},
};
#define STEP_COUNT (sizeof(steps) / sizeof(steps[0]))

static bool
compile_step(tok_compiler *compiler, json spec, buffer *payload)
{
	step s = {.number = 0};
	json item = json_first(spec);
	const char *name = json_is_string(item) ? json_as_string(item) : "";

	while (s.number < STEP_COUNT && strcmp(steps[s.number].name, name) != 0)
		s.number++;
	for (int i = -1; json_present(item); item = json_next(item), i++)
	{
		const char *string = json_is_string(item) ? json_as_string(item) : NULL;

		if (string == NULL || i >= STRINGS_MAX || strlen(string) >= STRING_SIZE)
			s.number = STEP_COUNT;
		else if (i >= 0)
			memcpy(s.strings[i], string, strlen(string));
	}
	if (s.number >= STEP_COUNT)
		return tfm_fail(compiler->context, TFM_CORRUPTED,
						"\"%s\": step \"%s\" is not as it must be", compiler->source, name);
	return buffer_append(compiler->context, payload, &s, sizeof(s));
}

static bool
compile_text(tok_compiler *compiler, json spec, buffer *payload)
{
	for (json item = json_first(json_member(spec, "steps")); json_present(item);
		 item = json_next(item))
		if (!compile_step(compiler, item, payload))
			return false;
	return true;
}

static bool
is_damaged(const step *s)
{
	bool damaged = s->number >= STEP_COUNT;

	for (int i = 0; i < STRINGS_MAX; i++)
	{
		const char *end = memchr(s->strings[i], '\0', STRING_SIZE);

		damaged =
			damaged || end == NULL || !utf8_valid(s->strings[i], (size_t) (end - s->strings[i]));
	}
	return damaged;
}

static bool
run_text(tok_work *work, tok_payload payload)
{
	const step *s = payload.bytes;
	tok_python_text *text = tok_python_load(work, 0, work->string.length);

	if (text == NULL)
		return false;
	for (size_t i = 0; i < payload.length / sizeof(step); i++)
	{
		if (is_damaged(&s[i]))
			return tok_fail_damaged(work->context);
		if (!steps[s[i].number].run(text, &s[i]))
			return false;
	}
	work->next.length = 0;
	if (!tok_python_store(text))
		return false;
	tok_swap_strings(work);
	return true;
}

const tok_normalizer tok_normalizer_python_text = {
	.row = {"PythonText", compile_text},
	.run = run_text,
};
