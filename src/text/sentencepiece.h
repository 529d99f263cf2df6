/*
 * sentencepiece.h
 *	  SentencePiece's model files (*.model), and the tokenizer.json that stands for one.
 *
 * Reading gives the file as it is; what Transformers makes of it depends on the class of the
 * tokenizer, which the options of writing say.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_SENTENCEPIECE_H
#define TFM_TEXT_SENTENCEPIECE_H

#include "base/buffer.h"
#include "base/context.h"

/* Numbers as in sentencepiece_model.proto. */
typedef enum tok_sentencepiece_type
{
	TOK_SENTENCEPIECE_UNIGRAM = 1,
	TOK_SENTENCEPIECE_BPE = 2,
	TOK_SENTENCEPIECE_WORD = 3,
	TOK_SENTENCEPIECE_CHAR = 4
} tok_sentencepiece_type;

typedef enum tok_unit_type
{
	TOK_UNIT_NORMAL = 1,
	TOK_UNIT_UNKNOWN = 2,
	TOK_UNIT_CONTROL = 3,
	TOK_UNIT_USER_DEFINED = 4,
	TOK_UNIT_UNUSED = 5,
	TOK_UNIT_BYTE = 6
} tok_unit_type;

/* A piece of the vocabulary; its id is its place. */
typedef struct tok_unit
{
	const char *text; /* UTF-8, zero-terminated */
	float score;
	tok_unit_type type;
} tok_unit;

/* A model file.  Absent fields have the defaults of the format. */
typedef struct tok_sentencepiece
{
	const char *source; /* file, for messages */
	const tok_unit *units;
	size_t count;
	tok_sentencepiece_type type;
	bool byte_fallback;
	bool treat_whitespace_as_suffix;
	int32_t unk_id, bos_id, eos_id, pad_id; /* -1: none */
	const char *unk_piece, *bos_piece, *eos_piece, *pad_piece;
	const char *normalizer; /* its name, such as "nmt_nfkc" */
	tfm_text charsmap;		/* precompiled_charsmap; length 0: none */
	bool add_dummy_prefix;
	bool remove_extra_whitespaces;
	bool escape_whitespaces;
	tfm_text denormalizer_charsmap;
} tok_sentencepiece;

/*
 * Read a model file.  The texts are in the context's arena; file need not stay.  NULL on error:
 * CORRUPTED, naming the field, if it is no such file or damaged; LIMIT_EXCEEDED.
 */
extern const tok_sentencepiece *tok_read_sentencepiece(tfm_context *context, tfm_text file,
													   const char *source);

/* A token that a class of Transformers puts into the vocabulary. */
typedef struct tok_extra_unit
{
	const char *text;
	double score;
} tok_extra_unit;

/*
 * How the tokenizer.json is written.  Zeroes give what Transformers makes for a class that it has no
 * rules for (SpmConverter.build_tokenizer_from_spm_proto).  The vocabulary is first, the model's
 * units without the first skip ones, then last.
 */
typedef struct tok_sentencepiece_options
{
	tok_sentencepiece_type type; /* UNIGRAM or BPE, as the class's "model"; 0: the file's */
	size_t skip;
	const tok_extra_unit *first, *last;
	size_t first_count, last_count;
	bool distinct;				/* of BPE: units that are there already are left out (NLLB) */
	const char *unk_token;		/* of BPE; NULL: the file's, "": none */
	bool has_unk_id;			/* unk_id counts; else the file's */
	int32_t unk_id;				/* of Unigram; -1: none */
	int byte_fallback;			/* 1, -1: yes, no; 0: as the file says */
	bool exact_scores;			/* as for a class that builds the model itself; see tok_config */
	const char *normalizer;		/* JSON, with %charsmap% for the Precompiled; NULL: the default */
	const char *pre_tokenizer;	/* JSON; NULL: the default, which is none */
	const char *decoder;		/* JSON; NULL: the default */
	const char *post_processor; /* JSON; NULL: none */
	const char *added_tokens;	/* JSON list; NULL: as tok_write_special_units */
} tok_sentencepiece_options;

/*
 * Append the tokenizer.json.  Merges of BPE are generated from the model's units as Transformers'
 * generate_merges does.  Where the file has no charsmap, %charsmap% is null, or nothing if a comma
 * follows, which goes with it.
 */
extern bool tok_write_sentencepiece(tfm_context *context, const tok_sentencepiece *model,
									const tok_sentencepiece_options *options, buffer *out);

/*
 * For who writes the file himself: the model's object, of which the options above count that concern
 * it; the Precompiled normalizer ("null" without a charsmap); the list of added tokens: the unknown
 * one, control units, which are special, and user-defined ones, none of them normalized.
 */
extern bool tok_write_units(tfm_context *context, const tok_sentencepiece *model,
							const tok_sentencepiece_options *options, buffer *out);
extern bool tok_write_charsmap(tfm_context *context, const tok_sentencepiece *model, buffer *out);
extern bool tok_write_special_units(tfm_context *context, const tok_sentencepiece *model,
									buffer *out);

#endif
