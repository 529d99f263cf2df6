/*
 * components.c
 *	  The tables of component types: the only place that knows them all.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

/* clang-format off */
const tok_normalizer *const tok_normalizers[] = {
	&tok_normalizer_bert,
	&tok_normalizer_byte_level,
	&tok_normalizer_lowercase,
	&tok_normalizer_nfc,
	&tok_normalizer_nfd,
	&tok_normalizer_nfkc,
	&tok_normalizer_nfkd,
	&tok_normalizer_nmt,
	&tok_normalizer_precompiled,
	&tok_normalizer_prepend,
	&tok_normalizer_python_text,
	&tok_normalizer_replace,
	&tok_normalizer_strip,
	&tok_normalizer_strip_accents,
	NULL,
};

const tok_pre_tokenizer *const tok_pre_tokenizers[] = {
	&tok_pre_tokenizer_bert,
	&tok_pre_tokenizer_byte_level,
	&tok_pre_tokenizer_delimiter,
	&tok_pre_tokenizer_digits,
	&tok_pre_tokenizer_length,
	&tok_pre_tokenizer_metaspace,
	&tok_pre_tokenizer_punctuation,
	&tok_pre_tokenizer_python_basic,
	&tok_pre_tokenizer_python_normalize_words,
	&tok_pre_tokenizer_python_split,
	&tok_pre_tokenizer_scripts,
	&tok_pre_tokenizer_split,
	&tok_pre_tokenizer_whitespace,
	&tok_pre_tokenizer_whitespace_split,
	NULL,
};

const tok_model *const tok_models[] = {
	&tok_model_bpe,
	&tok_model_greedy,
	&tok_model_python_bpe,
	&tok_model_python_bytes,
	&tok_model_python_characters,
	&tok_model_python_code_points,
	&tok_model_python_rewriter,
	&tok_model_python_sentencepiece,
	&tok_model_python_words,
	&tok_model_unigram,
	&tok_model_wordlevel,
	&tok_model_wordpiece,
	NULL,
};

const tok_post_processor *const tok_post_processors[] = {
	&tok_post_processor_bert,
	&tok_post_processor_byte_level,
	&tok_post_processor_roberta,
	&tok_post_processor_template,
	NULL,
};

const tok_decoder *const tok_decoders[] = {
	&tok_decoder_bpe,
	&tok_decoder_byte_fallback,
	&tok_decoder_byte_level,
	&tok_decoder_ctc,
	&tok_decoder_fuse,
	&tok_decoder_metaspace,
	&tok_decoder_moses,
	&tok_decoder_python_bytes,
	&tok_decoder_python_ctc,
	&tok_decoder_python_join,
	&tok_decoder_python_rewriter,
	&tok_decoder_python_sentencepiece,
	&tok_decoder_replace,
	&tok_decoder_strip,
	&tok_decoder_wordpiece,
	NULL,
};
/* clang-format on */
