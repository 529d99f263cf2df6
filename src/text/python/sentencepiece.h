/*
 * sentencepiece.h
 *	  Handing a SentencePiece model to components, as text of a specification.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_PYTHON_SENTENCEPIECE_H
#define TFM_TEXT_PYTHON_SENTENCEPIECE_H

#include "text/compile.h"
#include "text/sentencepiece.h"

/* The model whose bytes stand in a member as hexadecimal digits; NULL on error. */
extern const tok_sentencepiece *tok_python_read_model(tok_compiler *compiler, json spec);

#endif
