/*
 * regex_parse.h
 *	  The tree that a regular expression is parsed to.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_REGEX_PARSE_H
#define TFM_TEXT_REGEX_PARSE_H

#include "text/regex_set.h"

#define TOK_UNBOUNDED UINT32_MAX

typedef enum tok_node_kind
{
	TOK_NODE_EMPTY,
	TOK_NODE_CHARACTER,
	TOK_NODE_SET,
	TOK_NODE_SEQUENCE,	   /* children, one after the other */
	TOK_NODE_ALTERNATIVES, /* children, the first that leads to a match */
	TOK_NODE_REPEAT,	   /* one child */
	TOK_NODE_ATOMIC,	   /* one child, which is not gone back into */
	TOK_NODE_LOOK_AHEAD,
	TOK_NODE_LOOK_BEHIND,
	TOK_NODE_ASSERT
} tok_node_kind;

typedef enum tok_assertion
{
	TOK_LINE_START,
	TOK_LINE_END,
	TOK_TEXT_START,
	TOK_TEXT_END,
	TOK_LAST_LINE_END, /* the end, or before the line end there */
	TOK_WORD_BOUND,
	TOK_NO_WORD_BOUND,
	TOK_SEARCH_START,
	TOK_ASSERTION_COUNT
} tok_assertion;

typedef enum tok_greed
{
	TOK_GREEDY,
	TOK_LAZY,
	TOK_POSSESSIVE
} tok_greed;

/* A node, in the context's arena. */
typedef struct tok_node
{
	tok_node_kind kind;
	uint32_t character;
	uint32_t folded;		   /* of a literal whose case does not count, what it folds to; or 0 */
	uint32_t minimum, maximum; /* of a repeat; TOK_UNBOUNDED */
	tok_greed greed;
	bool negated; /* a look around */
	tok_assertion assertion;
	tok_set *set; /* sorted */
	struct tok_node *child, *next;
} tok_node;

/* A regular expression, and the file that it comes from, for messages. */
typedef struct tok_pattern
{
	const char *source;
	const char *text;
	size_t length;
} tok_pattern;

/* How a pattern is to be read. */
typedef enum tok_dialect
{
	TOK_ONIGURUMA,
	/*
	 * What the common dialects (Python's, ECMAScript's) agree on, to make texts that match in all: classes
	 * do not nest, \d, \w and \s are as small as one of them has it, or, in what is negated, as large.
	 */
	TOK_COMMON
} tok_dialect;

extern tok_node *tok_regex_parse_dialect(tfm_context *context, const tok_pattern *pattern,
										 tok_dialect dialect);

/*
 * The tree of a pattern in Oniguruma's own syntax, which "tokenizers" uses; NULL with an error:
 * CORRUPTED (bad syntax), UNSUPPORTED (back references, calls, \X, ...), LIMIT_EXCEEDED.
 */
extern tok_node *tok_regex_parse(tfm_context *context, const tok_pattern *pattern);

/* A new node; NULL if memory is out. */
extern tok_node *tok_new_node(tfm_context *context, tok_node_kind kind);

/* Record an error of a pattern; what says what it is: "... is not supported", and so on. */
extern bool tok_fail_pattern(tfm_context *context, tfm_error_kind kind, const tok_pattern *pattern,
							 const char *what);

/* What the parts of the parser share. */
typedef struct tok_regex_parser
{
	tfm_context *context;
	const tok_pattern *pattern;
	const char *text;
	size_t length;
	size_t at;
	uint32_t options;
	int depth;
	int groups;
	int sets;				 /* that took time to make */
	int nesting;			 /* of classes */
	bool common;			 /* the dialect is TOK_COMMON */
	bool negates;			 /* in a class that is negated */
	bool folds_singly;		 /* a character never stands for several, nor several for one */
	struct tok_folds *folds; /* characters that fold to several; NULL: not asked for yet */
} tok_regex_parser;

#define TOK_REGEX_IGNORE_CASE 1u
#define TOK_REGEX_DOT_ALL 2u
#define TOK_REGEX_EXTENDED 4u
#define TOK_REGEX_DEPTH_MAX 100
#define TOK_REGEX_SETS_MAX 1000

/* An escape, or the name in \p{}, that stands for a set of characters. */
typedef enum tok_escape
{
	TOK_ESCAPE_CHARACTER, /* no set: character is what it stands for */
	TOK_ESCAPE_SET,
	TOK_ESCAPE_OTHER, /* neither; at is where it was before the backslash */
	TOK_ESCAPE_FAILED
} tok_escape;

/*
 * regex_class.c: what follows a backslash at the parser's place, inside or outside of brackets, that
 * stands for a character or for characters; and a class from after its "[" to after its "]".
 */
extern tok_escape tok_parse_escape(tok_regex_parser *parser, bool inside, uint32_t *character,
								   tok_set *set);
extern bool tok_parse_class(tok_regex_parser *parser, tok_set *set, bool *negated);

/*
 * regex_fold.c: a literal and a class (not negated) of a pattern where case does not count, and
 * what becomes of a sequence in which several literals together may be one character; NULL (false) with an error.
 */
extern tok_node *tok_new_folded(tok_regex_parser *parser, uint32_t character);
extern tok_node *tok_new_folded_class(tok_regex_parser *parser, const tok_set *set);
extern bool tok_join_folded(tok_regex_parser *parser, tok_node *sequence);

/* A node of a set, which is copied and sorted. */
extern tok_node *tok_new_set_node(tfm_context *context, const tok_set *set);

/* Count a set that takes time to make; false if the pattern has too many, or was cancelled. */
extern bool tok_count_set(tok_regex_parser *parser);

/* Record an error at the parser's place; false. */
extern bool tok_fail_parse(tok_regex_parser *parser, tfm_error_kind kind, const char *what);

#endif
