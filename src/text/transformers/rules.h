/*
 * rules.h
 *	  What the rows of classes are written with: components as templates, and rules that are code.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_TRANSFORMERS_RULES_H
#define TFM_TEXT_TRANSFORMERS_RULES_H

#include "text/transformers/class.h"

#define BYTE_LEVEL(prefix, regex)                                                                  \
	"{\"type\":\"ByteLevel\",\"add_prefix_space\":" prefix                                         \
	",\"trim_offsets\":true,\"use_regex\":" regex "}"
#define BYTE_LEVEL_DECODER BYTE_LEVEL("true", "true")
#define SPLIT(pattern, behavior, invert)                                                           \
	"{\"type\":\"Split\",\"pattern\":" pattern ",\"behavior\":\"" behavior "\",\"invert\":" invert \
	"}"
#define SEQUENCE(list, items) "{\"type\":\"Sequence\",\"" list "\":[" items "]}"
#define TYPE(type) "{\"type\":\"" type "\"}"
#define REPLACE(pattern, content)                                                                  \
	"{\"type\":\"Replace\",\"pattern\":{" pattern "},\"content\":\"" content "\"}"
#define METASPACE(scheme, split)                                                                   \
	"{\"type\":\"Metaspace\",\"replacement\":\"▁\",\"prepend_scheme\":\"" scheme                   \
	"\",\"split\":" split "}"

/* From ▁ and bytes back to text, but for a space at the beginning. */
#define UNSPACE REPLACE("\"String\":\"▁\"", " ") "," TYPE("ByteFallback") "," TYPE("Fuse")
#define STRIP_LEFT "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}"
#define PRECOMPILED "{\"type\":\"Precompiled\",\"precompiled_charsmap\":$charsmap}"

#define ROBERTA_TOKENS                                                                             \
	"\"bos_token\":\"<s>\",\"eos_token\":\"</s>\",\"sep_token\":\"</s>\","                         \
	"\"cls_token\":\"<s>\",\"unk_token\":\"<unk>\",\"pad_token\":\"<pad>\""

/* Whisper: language, task and timestamps before the text; OpenAI's own files of ranks. */
extern bool tok_write_whisper_post(tok_builder *builder);
extern bool tok_take_whisper_ranks(tok_builder *builder, tfm_text file, const char *source);

/* The further special tokens of classes. */
extern bool tok_list_nllb_languages(tok_builder *builder);
extern bool tok_list_mbart_languages(tok_builder *builder);
extern bool tok_list_mbart50_languages(tok_builder *builder);
extern bool tok_list_extra_ids(tok_builder *builder);
extern bool tok_list_pegasus_masks(tok_builder *builder);

/* Their vocabularies where they come from SentencePiece models. */
extern bool tok_change_nllb_units(tok_builder *builder, tok_sentencepiece_options *options);
extern bool tok_change_seamless_units(tok_builder *builder, tok_sentencepiece_options *options);
extern bool tok_change_fairseq_units(tok_builder *builder, tok_sentencepiece_options *options);
extern bool tok_change_mbart_units(tok_builder *builder, tok_sentencepiece_options *options);
extern bool tok_change_mbart50_units(tok_builder *builder, tok_sentencepiece_options *options);
extern bool tok_change_camembert_units(tok_builder *builder, tok_sentencepiece_options *options);
extern bool tok_change_pegasus_units(tok_builder *builder, tok_sentencepiece_options *options);
extern bool tok_change_t5_units(tok_builder *builder, tok_sentencepiece_options *options);

#endif
