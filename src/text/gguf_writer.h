/*
 * gguf_writer.h
 *	  What the parts that write a GGUF file's tokenizer.json share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_GGUF_WRITER_H
#define TFM_TEXT_GGUF_WRITER_H

#include "text/gguf_vocabulary.h"

/* How a kind of model is written. */
typedef enum tok_gguf_kind
{
	TOK_GGUF_BYTE_LEVEL,
	TOK_GGUF_LLAMA,
	TOK_GGUF_PHI3,
	TOK_GGUF_GEMMA,
	TOK_GGUF_GEMMA4,
	TOK_GGUF_UNIGRAM,
	TOK_GGUF_BERT,
	TOK_GGUF_RWKV
} tok_gguf_kind;

typedef struct tok_gguf_writer
{
	tfm_context *context;
	const tok_gguf *gguf;
	tok_gguf_kind kind;
	tfm_text *tokens; /* as they stand in the vocabulary */
	buffer *out;
} tok_gguf_writer;

/* The members "vocab" and "merges" of a BPE model: merges of the file, or those that it implies. */
extern bool tok_write_gguf_vocabulary(tok_gguf_writer *w);
extern bool tok_write_gguf_merges(tok_gguf_writer *w);

/* The list of added tokens. */
extern bool tok_write_gguf_added(tok_gguf_writer *w);

/* The pre-tokenizer of byte-level BPE. */
extern bool tok_write_gguf_split(tok_gguf_writer *w);

/* Whether Transformers knows the architecture, so that its rules hold. */
extern bool tok_gguf_is_known(const tok_gguf *gguf);

/* A text as a JSON string. */
extern bool tok_write_gguf_text(tok_gguf_writer *w, tfm_text text);

static inline bool
tok_gguf_append(tok_gguf_writer *w, const char *text)
{
	return buffer_append_string(w->context, w->out, text);
}

/* Whether all characters are of the alphabet that stands for bytes; a text spelled with it. */
extern bool tok_is_byte_spelled(tfm_text text);
extern bool tok_spell_bytes(tfm_context *context, tfm_text *text);

/* Whether a text is this string. */
extern bool tok_text_is(tfm_text text, const char *string);

#endif
