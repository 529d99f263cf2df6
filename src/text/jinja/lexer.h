/*
 * lexer.h
 *	  The tokens of a template, one by one: jinja2's lexer.py with trim_blocks and lstrip_blocks.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_JINJA_LEXER_H
#define TFM_TEXT_JINJA_LEXER_H

#include "text/jinja/value.h"

typedef enum jinja_token_type
{
	TOKEN_EOF,
	TOKEN_DATA,
	TOKEN_VARIABLE_BEGIN,
	TOKEN_VARIABLE_END,
	TOKEN_BLOCK_BEGIN,
	TOKEN_BLOCK_END,
	TOKEN_NAME,
	TOKEN_STRING,
	TOKEN_INTEGER,
	TOKEN_FLOAT,
	TOKEN_ADD,
	TOKEN_SUB,
	TOKEN_DIV,
	TOKEN_FLOORDIV,
	TOKEN_MUL,
	TOKEN_MOD,
	TOKEN_POW,
	TOKEN_TILDE,
	TOKEN_LBRACKET,
	TOKEN_RBRACKET,
	TOKEN_LPAREN,
	TOKEN_RPAREN,
	TOKEN_LBRACE,
	TOKEN_RBRACE,
	TOKEN_EQ,
	TOKEN_NE,
	TOKEN_GT,
	TOKEN_GTEQ,
	TOKEN_LT,
	TOKEN_LTEQ,
	TOKEN_ASSIGN,
	TOKEN_DOT,
	TOKEN_COLON,
	TOKEN_PIPE,
	TOKEN_COMMA,
	TOKEN_SEMICOLON
} jinja_token_type;

typedef struct jinja_token
{
	jinja_token_type type;
	int line;
	jinja_value value; /* of a name, a literal, data */
} jinja_token;

typedef struct jinja_lexer
{
	jinja_state *s;
	const char *source; /* newlines are \n, and the last one is gone */
	size_t length;
	size_t position;
	int line;
	enum
	{
		LEXER_ROOT,
		LEXER_BLOCK,
		LEXER_VARIABLE
	} state;
	bool line_starting;
	char *open; /* the brackets that are open, one closing character each */
	size_t open_count, open_capacity;
	jinja_token waiting; /* the begin of a block or variable, after the data before it */
	bool has_waiting;
} jinja_lexer;

/* Begin with a source, which must be valid UTF-8. */
extern bool jinja_lexer_start(jinja_state *s, jinja_lexer *lexer, tfm_text source);

/* The next token; at the end, and after an error, it is TOKEN_EOF. */
extern jinja_token jinja_lexer_next(jinja_lexer *lexer);

/* What a message calls a type of token, or this token. */
extern const char *jinja_describe_type(jinja_token_type type);

/* The value of a string literal without its quotes; NULL with a syntax error. */
extern const jinja_string *jinja_unescape(jinja_state *s, int line, const char *text,
										  size_t length);

#endif
