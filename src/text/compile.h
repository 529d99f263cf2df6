/*
 * compile.h
 *	  What the compile functions of components work with.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_COMPILE_H
#define TFM_TEXT_COMPILE_H

#include "text/pipeline.h"

/* Bytes of a token: far more than any has, few enough that looking for one is quick. */
#define TOK_TOKEN_MAX 65535

struct tok_named_token;

/* What a directory says of its tokenizer beside tokenizer.json. */
typedef struct tok_config
{
	const struct tok_named_token
		*named; /* special tokens with names, as Transformers resolves them */
	size_t named_count;
	int64_t model_max_length;  /* 0: none */
	uint32_t decode_flags;	   /* TOK_DECODE_... */
	bool split_special_tokens; /* special tokens are not looked for in texts */
	bool pads_left;
	bool truncates_left;
	uint32_t traits; /* TOK_TRAIT_... */
	bool lower_case; /* a Lowercase comes first, if there is none */
	/* Scores of Unigram are what they are, not what the library's JSON parser makes of them. */
	bool exact_scores;
} tok_config;

struct tok_layouts;

/* A tokenizer being compiled; everything lives in the context's arena. */
typedef struct tok_compiler
{
	tfm_context *context;
	const char *source; /* file, for messages */
	const tok_config *config;
	buffer *sections[TOK_SECTION_COUNT];
	tok_settings settings;
	int32_t model_size; /* tokens of the model's vocabulary */
	struct tok_layouts *layouts;
} tok_compiler;

/* A member that must be there and true or false; false, with TFM_CORRUPTED, if it is not. */
extern bool tok_require_bool(tok_compiler *compiler, json object, const char *key);

/* A member that must be a string of one character; false, with TFM_CORRUPTED, if it is not. */
extern bool tok_require_character(tok_compiler *compiler, json object, const char *key,
								  uint32_t *character);

/* Append a string to the section of strings. */
extern bool tok_compile_string(tok_compiler *compiler, const char *text, size_t length,
							   uint32_t *offset);

/* Note that an id is used, and (the second) what its token is shown as; fails if it is out of range. */
extern bool tok_compile_id(tok_compiler *compiler, int64_t id);
extern bool tok_compile_token(tok_compiler *compiler, int64_t id, const char *token);

/* Whether a token's length is within TOK_TOKEN_MAX; records an error if not. */
extern bool tok_check_token(tok_compiler *compiler, const char *token);

/* The model's vocabulary: an object of tokens and their ids. */
extern bool tok_compile_token_map(tok_compiler *compiler, json vocabulary);

/* A trie that has been compiled; valid until its section grows. */
extern trie tok_compiled_trie(const tok_compiler *compiler, tok_section section);

/* The added tokens; needs the model and the normalizers. */
extern bool tok_compile_added(tok_compiler *compiler, json added_tokens);

/* The id that token_to_id gives: of an added token, else of the model's; -1 if there is none. */
extern int32_t tok_compiled_id(const tok_compiler *compiler, const char *token);

/* compile_config.c: the settings that come from the configuration; needs the added tokens. */
extern bool tok_compile_config(tok_compiler *compiler);

/* "is damaged" as an error of tok_open and of what runs on its result. */
extern bool tok_fail_damaged(tfm_context *context);

#endif
