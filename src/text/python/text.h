/*
 * text.h
 *	  A text as characters, to be rewritten in passes as Python's str methods and re.sub do.
 *
 * A pass reads the characters of the text and appends to the next; tok_python_turn makes that the
 * text.  Each character keeps the original one that it stems from.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_PYTHON_TEXT_H
#define TFM_TEXT_PYTHON_TEXT_H

#include <uchar.h>

#include "text/pipeline.h"

typedef struct tok_python_row
{
	uint32_t *characters;
	int32_t *sources;
	size_t length;
	size_t capacity;
} tok_python_row;

/* Kept in the work from one part of a text to the next. */
typedef struct tok_python_text
{
	tok_work *work;
	tok_python_row row;	 /* the text */
	tok_python_row next; /* what a pass makes of it */
} tok_python_text;

/* Bytes start..end of the work's string as a text; NULL on failure. */
extern tok_python_text *tok_python_load(tok_work *work, size_t start, size_t end);

/* Append the text to work->next. */
extern bool tok_python_store(tok_python_text *text);

/* Append to the next text (the second: all of a zero-terminated string, with one source). */
extern bool tok_python_grow(tok_python_text *text);
extern bool tok_python_append_all(tok_python_text *text, const char32_t *characters,
								  int32_t source);

static inline bool
tok_python_append(tok_python_text *text, uint32_t character, int32_t source)
{
	tok_python_row *next = &text->next;

	if (next->length == next->capacity && !tok_python_grow(text))
		return false;
	next->characters[next->length] = character;
	next->sources[next->length++] = source;
	return true;
}

/* Append the text's own character i. */
static inline bool
tok_python_copy(tok_python_text *text, size_t i)
{
	return tok_python_append(text, text->row.characters[i], text->row.sources[i]);
}

/* The end of a pass: the next text becomes the text; false if the call must stop. */
extern bool tok_python_turn(tok_python_text *text);

/* Passes; each ends with tok_python_turn. */
extern bool tok_python_pass_lower(tok_python_text *text);
extern bool tok_python_pass_upper(tok_python_text *text);
extern bool tok_python_pass_normalize(tok_python_text *text, bool compatible, bool compose);
extern bool tok_python_pass_remove(tok_python_text *text, bool (*removed)(uint32_t));
extern bool tok_python_pass_strip(tok_python_text *text);
extern bool tok_python_pass_replace(tok_python_text *text, const char32_t *from,
									const char32_t *to);

/* bytes.decode("utf-8", "replace", or else "ignore"), appended to the text. */
extern bool tok_python_decode_utf8(tfm_context *context, const buffer *bytes, bool replaces,
								   buffer *text);

/* moses_punctuation.c: replace_unicode_punct, and sacremoses' MosesPunctNormalizer(lang). */
extern bool tok_python_pass_unicode_punctuation(tok_python_text *text);
extern bool tok_python_pass_moses_punctuation(tok_python_text *text, const char *language);

/* moses_tokenize.c: sacremoses' MosesTokenizer(lang).tokenize; words stand one space apart. */
#define TOK_MOSES_AGGRESSIVE 1u /* aggressive_dash_splits */
#define TOK_MOSES_ESCAPE 2u
extern bool tok_python_pass_moses(tok_python_text *text, const char *language, uint32_t flags);

#endif
