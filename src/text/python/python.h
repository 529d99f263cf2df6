/*
 * python.h
 *	  Tokenizers that Transformers has in Python alone: no tokenizer.json stands for them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_PYTHON_PYTHON_H
#define TFM_TEXT_PYTHON_PYTHON_H

#include "text/transformers/class.h"

/*
 * The specification that stands for the tokenizer files of a directory, as tokenizer.json with some
 * keys of our own (writer.h), and what else is to be known, for a class of Transformers.  Errors:
 * UNSUPPORTED (a class without a row here; what needs MeCab, jieba, phonemizer and their like),
 * FILE_NOT_FOUND (a vocabulary), CORRUPTED, LIMIT_EXCEEDED.
 */
extern bool tok_build_python(tfm_context *context, const tok_files *files, const char *class_name,
							 tok_config *config, json *specification);

/* Added tokens and settings of such a specification; in place of tok_compile_added. */
extern bool tok_compile_python(tok_compiler *compiler, json root);

/* Without special tokens all types are 0; to be called after the post-processor. */
extern bool tok_clear_python_types(tok_compiler *compiler);

#endif
