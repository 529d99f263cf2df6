/*
 * components.h
 *	  The tables of component types, and the rows in them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_COMPONENTS_H
#define TFM_TEXT_COMPONENTS_H

#include "text/pipeline.h"

/* The tables, each ended by NULL; only components.c knows the types. */
extern const tok_normalizer *const tok_normalizers[];
extern const tok_pre_tokenizer *const tok_pre_tokenizers[];
extern const tok_model *const tok_models[];
extern const tok_post_processor *const tok_post_processors[];
extern const tok_decoder *const tok_decoders[];

/* The rows, each in the file that implements it. */
extern const tok_normalizer tok_normalizer_bert;
extern const tok_normalizer tok_normalizer_byte_level;
extern const tok_normalizer tok_normalizer_lowercase;
extern const tok_normalizer tok_normalizer_nfc;
extern const tok_normalizer tok_normalizer_nfd;
extern const tok_normalizer tok_normalizer_nfkc;
extern const tok_normalizer tok_normalizer_nfkd;
extern const tok_normalizer tok_normalizer_nmt;
extern const tok_normalizer tok_normalizer_precompiled;
extern const tok_normalizer tok_normalizer_prepend;
extern const tok_normalizer tok_normalizer_python_text;
extern const tok_normalizer tok_normalizer_replace;
extern const tok_normalizer tok_normalizer_strip;
extern const tok_normalizer tok_normalizer_strip_accents;

extern const tok_pre_tokenizer tok_pre_tokenizer_bert;
extern const tok_pre_tokenizer tok_pre_tokenizer_byte_level;
extern const tok_pre_tokenizer tok_pre_tokenizer_delimiter;
extern const tok_pre_tokenizer tok_pre_tokenizer_digits;
extern const tok_pre_tokenizer tok_pre_tokenizer_length;
extern const tok_pre_tokenizer tok_pre_tokenizer_metaspace;
extern const tok_pre_tokenizer tok_pre_tokenizer_punctuation;
extern const tok_pre_tokenizer tok_pre_tokenizer_python_basic;
extern const tok_pre_tokenizer tok_pre_tokenizer_python_normalize_words;
extern const tok_pre_tokenizer tok_pre_tokenizer_python_split;
extern const tok_pre_tokenizer tok_pre_tokenizer_scripts;
extern const tok_pre_tokenizer tok_pre_tokenizer_split;
extern const tok_pre_tokenizer tok_pre_tokenizer_whitespace;
extern const tok_pre_tokenizer tok_pre_tokenizer_whitespace_split;

extern const tok_model tok_model_bpe;
extern const tok_model tok_model_greedy;
extern const tok_model tok_model_python_bpe;
extern const tok_model tok_model_python_bytes;
extern const tok_model tok_model_python_characters;
extern const tok_model tok_model_python_code_points;
extern const tok_model tok_model_python_rewriter;
extern const tok_model tok_model_python_sentencepiece;
extern const tok_model tok_model_python_words;
extern const tok_model tok_model_unigram;
extern const tok_model tok_model_wordlevel;
extern const tok_model tok_model_wordpiece;

extern const tok_post_processor tok_post_processor_bert;
extern const tok_post_processor tok_post_processor_byte_level;
extern const tok_post_processor tok_post_processor_roberta;
extern const tok_post_processor tok_post_processor_template;

extern const tok_decoder tok_decoder_bpe;
extern const tok_decoder tok_decoder_byte_fallback;
extern const tok_decoder tok_decoder_byte_level;
extern const tok_decoder tok_decoder_ctc;
extern const tok_decoder tok_decoder_fuse;
extern const tok_decoder tok_decoder_metaspace;
extern const tok_decoder tok_decoder_moses;
extern const tok_decoder tok_decoder_python_bytes;
extern const tok_decoder tok_decoder_python_ctc;
extern const tok_decoder tok_decoder_python_join;
extern const tok_decoder tok_decoder_python_rewriter;
extern const tok_decoder tok_decoder_python_sentencepiece;
extern const tok_decoder tok_decoder_replace;
extern const tok_decoder tok_decoder_strip;
extern const tok_decoder tok_decoder_wordpiece;

#endif
