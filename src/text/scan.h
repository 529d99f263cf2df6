/*
 * scan.h
 *	  Hand-written scanners for the regular expressions that most tokenizers split by.
 *
 * They give what the regular expression engine (regex.h) gives for the same pattern, and are many
 * times faster.  A pattern is recognised by its very text when a tokenizer is compiled.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_SCAN_H
#define TFM_TEXT_SCAN_H

#include <stddef.h>

#include "text/split.h"

/*
 * The end of the match that begins at byte from, which is below length; from itself if none begins
 * there.  The text is valid UTF-8 and begins and ends where the span being split does.
 */
typedef size_t (*tok_scan_function)(const char *text, size_t length, size_t from);

/* A scanner and the pattern that it stands for. */
typedef struct tok_scanner
{
	const char *pattern;
	tok_scan_function scan;
	bool covers; /* there is a match at every byte: matches follow each other without a gap */
} tok_scanner;

/* The pattern of ByteLevel's use_regex; covers. */
extern size_t tok_scan_gpt2(const char *text, size_t length, size_t from);

/* The number of a pattern's scanner, as payloads hold it, -1 if it has none; and the scanner of a
 * number, NULL if there is none (a damaged payload). */
extern int tok_find_scanner(const char *pattern);
extern const tok_scanner *tok_scanner_at(uint32_t number);

/* A tok_find_function whose argument is a scanner. */
extern bool tok_find_scanned(void *scanner, const char *text, size_t length, size_t from,
							 size_t *start, size_t *end);

/* Split the spans of the work by a scanner, as tok_split_spans does by the pattern. */
extern bool tok_split_scanned(tok_work *work, tok_behavior behavior, bool inverted,
							  const tok_scanner *scanner);

#endif
