/*
 * tokenize.h
 *	  Texts to tokens and back.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_TOKENIZE_H
#define TFM_TASK_TOKENIZE_H

#include "runtime/model.h"
#include "text/tokenizer.h"

/* Start with TOKENIZE_DEFAULTS: special tokens, all of the text. */
typedef struct tokenize_options
{
	bool add_special_tokens;
	int max_length;				 /* most tokens, special ones included; 0: no limit */
	int stride;					 /* tokens that a piece shares with the one before; -1: no pieces */
	const char *truncation;		 /* NULL: "longest_first"; "only_first", "only_second" */
	const char *truncation_side; /* "right", "left"; NULL: the tokenizer's own */
	const char *padding;		 /* NULL or "do_not_pad"; "longest", "max_length" */
	int pad_to_multiple_of;		 /* 0: not */
	const char *padding_side;	 /* "right", "left"; NULL: the tokenizer's own */
} tokenize_options;

#define TOKENIZE_DEFAULTS ((tokenize_options) {.add_special_tokens = true, .stride = -1})

/* What the options come to. */
typedef struct tokenize_plan
{
	tok_encode_options encode;
	bool pads;
	tok_padding padding;
} tokenize_plan;

/* A text, or a pair of texts. */
typedef struct tokenize_input
{
	tfm_text text;
	tfm_text pair;
	bool has_pair;
} tokenize_input;

/*
 * What the options come to; want is TOK_WANT_...  Errors: INVALID_ARGUMENT; UNSUPPORTED for a model
 * without a tokenizer.
 */
extern bool task_tokenize_plan(tfm_context *context, const run_model *model,
							   const tokenize_options *options, int want, tokenize_plan *plan);

/* Tokenize count inputs, on several threads; *encodings is [count], in the context's arena. */
extern bool task_tokenize(tfm_context *context, const run_model *model,
						  const tokenize_input *inputs, size_t count, const tokenize_plan *plan,
						  tok_encoding **encodings);

/* Tokenize a text, or a pair, that is split into words: see tok_encode_words. */
extern bool task_tokenize_words(tfm_context *context, const run_model *model, tok_words words,
								const tok_words *pair, const tokenize_plan *plan,
								tok_encoding *encoding);

/* The text of ids as Transformers' decode(ids, skip_special_tokens) gives it; unknown ids are an error. */
extern bool task_detokenize(tfm_context *context, const run_model *model, const int32_t *ids,
							size_t count, bool skip_special_tokens, tfm_text *text);

#endif
