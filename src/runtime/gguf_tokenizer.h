/*
 * gguf_tokenizer.h
 *	  The tokenizer that is in a GGUF file.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_RUNTIME_GGUF_TOKENIZER_H
#define TFM_RUNTIME_GGUF_TOKENIZER_H

#include "base/buffer.h"

/*
 * Compile the tokenizer of the GGUF file at path and append it to the blob, as tok_compile does for a
 * directory.  Errors: those of ckpt_open_gguf and tok_compile_gguf; FILE_NOT_FOUND for a file without
 * a tokenizer.
 */
extern bool run_compile_gguf_tokenizer(tfm_context *context, const char *path, buffer *blob);

#endif
