/*
 * gguf_vocabulary.h
 *	  The tokenizer that a GGUF file describes, and the tokenizer.json that stands for it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_GGUF_VOCABULARY_H
#define TFM_TEXT_GGUF_VOCABULARY_H

#include "base/buffer.h"
#include "text/tokenizer.h"

/* Types of tokens, as in tokenizer.ggml.token_type. */
enum
{
	TOK_GGUF_NORMAL = 1,
	TOK_GGUF_UNKNOWN = 2,
	TOK_GGUF_CONTROL = 3,
	TOK_GGUF_USER_DEFINED = 4,
	TOK_GGUF_UNUSED = 5,
	TOK_GGUF_BYTE = 6
};

/* What is known from the keys tokenizer.ggml.*; texts are valid UTF-8. */
typedef struct tok_gguf
{
	const char *source;	   /* file, for messages */
	tfm_text architecture; /* general.architecture; empty: unknown */
	tfm_text model;		   /* "llama", "gpt2", "bert", "t5", "rwkv", "gemma4" */
	tfm_text pre;		   /* name of the pre-tokenizer; empty: none */
	const tfm_text *tokens;
	size_t count;
	const float *scores;	/* count of them, or NULL */
	const int32_t *types;	/* count of them, or NULL */
	const tfm_text *merges; /* NULL: none */
	size_t merge_count;
	int32_t ids[TOK_SPECIAL_COUNT]; /* special tokens; -1: none */
	int add_bos, add_eos;			/* 1, 0; -1: the file does not say */
} tok_gguf;

/*
 * Compile the tokenizer and append it to the blob, as tok_compile does.  It is what Transformers makes
 * of the file, if it knows the architecture, else what llama.cpp does.  Errors: CORRUPTED, UNSUPPORTED
 * (the model; names it), LIMIT_EXCEEDED.
 */
extern bool tok_compile_gguf(tfm_context *context, const tok_gguf *gguf, buffer *blob);

/* The tokenizer.json itself, and the tokenizer_config.json that goes with it. */
extern bool tok_write_gguf(tfm_context *context, const tok_gguf *gguf, buffer *tokenizer,
						   buffer *config);

#endif
