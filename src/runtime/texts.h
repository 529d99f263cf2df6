/*
 * texts.h
 *	  What a checkpoint has for texts, in an image: its tokenizer and its chat templates.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_RUNTIME_TEXTS_H
#define TFM_RUNTIME_TEXTS_H

#include "runtime/loaded.h"

/*
 * Compile the tokenizer of the checkpoint at path into the image; lower_case as of tok_compile.  One
 * of a kind that is not supported, or none, leaves *tokenizer NULL and in *why what there is to say
 * about it, and is no error: the image gets the message in place of the tokenizer.  So does one that
 * the checkpoint says nothing of, but its model type stands for (bytes need no files), where it has ids
 * from words on.
 */
extern bool run_write_tokenizer(tfm_context *context, image_writer *writer, const char *path,
								bool lower_case, int64_t words, const tok_tokenizer **tokenizer,
								tfm_error *why);

/* Copy the chat templates of the checkpoint at path into the image. */
extern bool run_write_templates(tfm_context *context, image_writer *writer, const char *path);

/* Find both in model->image; a tokenizer that is not there leaves tokenizer_error. */
extern bool run_open_texts(tfm_context *context, run_model *model);

#endif
