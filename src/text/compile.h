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

/* Transformers' classes whose defaults we know. */
typedef enum tok_class
{
	TOK_CLASS_OTHER,
	TOK_CLASS_BERT,
	TOK_CLASS_MPNET
} tok_class;

/* The files beside the vocabulary. */
typedef struct tok_config
{
	json config;			 /* tokenizer_config.json, or absent */
	json special_tokens_map; /* special_tokens_map.json, where it counts, or absent */
	tok_class class;
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

/*
 * compile_config.c: find the class that Transformers would use, by tokenizer_class or else by
 * config.json's model_type (NULL: unknown); a special token's value (absent: none), and its content
 * or the class's default (NULL: none); the content of a value, which is a string or an object; and
 * the settings that come from the configuration.
 */
extern void tok_find_class(tfm_context *context, tok_config *config, const char *model_type);
extern json tok_special_value(const tok_config *config, tok_special which);
extern const char *tok_special_content(const tok_config *config, tok_special which);
extern const char *tok_token_content(json value);
extern void tok_compile_config(tok_compiler *compiler);

/* Write the tokenizer.json that stands for a vocab.txt. */
extern bool tok_write_vocabulary(tfm_context *context, tfm_text vocabulary, const char *source,
								 const tok_config *config, buffer *out);

/* "is damaged" as an error of tok_open and of what runs on its result. */
extern bool tok_fail_damaged(tfm_context *context);

#endif
