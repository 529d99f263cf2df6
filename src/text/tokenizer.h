/*
 * tokenizer.h
 *	  Text to token ids and back, with ids, tokens and offsets as Hugging Face's "tokenizers" gives.
 *
 * A tokenizer is compiled once, from the files of a checkpoint, to a blob that holds its vocabulary,
 * tries and settings in a form that is used where it lies: in a mapped image file.  Opening a blob
 * resolves the kinds of its components to functions and builds no table.
 *
 *		text -> added tokens | normalizer -> pre-tokenizer -> model -> truncation -> post-processor
 *		ids -> tokens -> decoder -> text
 *
 * The truncation and padding stored in tokenizer.json are ignored, as Transformers does.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_TOKENIZER_H
#define TFM_TEXT_TOKENIZER_H

#include "base/buffer.h"
#include "base/context.h"

/* A tokenizer: read-only, may be used by several threads at once, each with its own context. */
typedef struct tok_tokenizer tok_tokenizer;

typedef enum tok_truncation
{
	TOK_LONGEST_FIRST,
	TOK_ONLY_FIRST,
	TOK_ONLY_SECOND
} tok_truncation;

typedef enum tok_direction
{
	TOK_TRUNCATE_RIGHT, /* keep the beginning */
	TOK_TRUNCATE_LEFT	/* keep the end */
} tok_direction;

/* What to compute beside the ids. */
enum
{
	TOK_WANT_TYPE_IDS = 1 << 0,
	TOK_WANT_OFFSETS = 1 << 1,
	TOK_WANT_WORDS = 1 << 2,
	TOK_WANT_SPECIAL_MASK = 1 << 3,
	TOK_WANT_SEQUENCES = 1 << 4,
	TOK_WANT_OVERFLOWING = 1 << 5,
	TOK_WANT_TOKENS = 1 << 6
};

/* Start with TOK_ENCODE_DEFAULTS: special tokens, no truncation, ids alone. */
typedef struct tok_encode_options
{
	bool add_special_tokens;
	int want; /* TOK_WANT_... */
	/* 0: no truncation; else the most tokens, special ones included.  As in the library, one below
	 * the number of special tokens does nothing. */
	int32_t max_length;
	int32_t stride; /* tokens that an overflowing piece shares with the one before */
	tok_truncation truncation;
	tok_direction direction;
} tok_encode_options;

#define TOK_ENCODE_DEFAULTS ((tok_encode_options) {.add_special_tokens = true})

/*
 * The tokens of a text or a pair.  Arrays of count in the arena of the context given to tok_encode;
 * NULL where not wanted (ids never; all may be NULL where count is 0).
 */
typedef struct tok_encoding
{
	size_t count;
	int32_t *ids;
	int32_t *type_ids;
	int32_t *starts; /* first character (code point) of its text that the token covers, from 0 */
	int32_t *ends;	 /* one past the last; an added special token has 0, 0 */
	int32_t
		*words; /* number of the word in its text, from 0; -1 for what the post-processor adds */
	uint8_t *special_mask;	 /* 1 for what the post-processor adds */
	int8_t *sequences;		 /* 0 first text, 1 second, -1 neither */
	int8_t padding_sequence; /* what tok_pad puts there */
	uint8_t *attention_mask; /* NULL, or after tok_pad 0 for padding */
	tfm_text *tokens;		 /* as the library's Encoding.tokens; may point into the texts given */
	struct tok_encoding *overflowing; /* pieces that truncation cut off, in the library's order */
	size_t overflowing_count;
} tok_encoding;

/*
 * Compile the tokenizer of a checkpoint directory, as Transformers' AutoTokenizer makes it of the
 * files there (tokenizer.json; else vocab.txt, vocab.json and merges.txt, a SentencePiece model,
 * Tiktoken's ranks, tekken.json; and tokenizer_config.json, special_tokens_map.json,
 * added_tokens.json, config.json), and append it to the blob, whose length is first padded to a
 * multiple of 8.  The blob is position-independent and little endian; put it in memory at an address
 * that is a multiple of 8.  lower_case puts a Lowercase before the normalizers unless they have one,
 * as sentence-transformers' do_lower_case does.
 * Errors: FILE_NOT_FOUND (no tokenizer in the directory), CORRUPTED, UNSUPPORTED (names the component
 * or the class, and the file), LIMIT_EXCEEDED.
 */
extern bool tok_compile(tfm_context *context, const char *directory, bool lower_case, buffer *blob);

/*
 * The same from memory: tokenizer.json's text, and tokenizer_config.json's or {NULL, 0}; without one
 * the tokenizer is the library's.  The names
 * are used in messages and must outlive the context.
 */
extern bool tok_compile_json(tfm_context *context, tfm_text tokenizer, const char *tokenizer_name,
							 tfm_text config, const char *config_name, buffer *blob);

/* And from vocab.txt's text, for the class that the configuration names, or BertTokenizer. */
extern bool tok_compile_vocabulary(tfm_context *context, tfm_text vocabulary,
								   const char *vocabulary_name, tfm_text config,
								   const char *config_name, buffer *blob);

/*
 * Open a compiled tokenizer that stays where it is, unchanged, as long as the result is used.  The
 * result lives in the context's arena.  Takes microseconds: sections are checked here, what is in
 * them when it is used, so that a damaged blob is an error or a wrong answer, never a crash.
 * NULL on error: CORRUPTED (damaged, or made by another version: compile it again).
 */
extern const tok_tokenizer *tok_open(tfm_context *context, const void *blob, size_t length);

/*
 * Tokenize a text, or a pair if second is not NULL.  Texts are UTF-8 (checked).
 * Errors: INVALID_ARGUMENT (not UTF-8; truncation that cannot be done: a stride that leaves no
 * progress, TOK_ONLY_FIRST with too short a first text), CORRUPTED (an unknown word where the
 * vocabulary has no unknown token), LIMIT_EXCEEDED (a text of more than 256 MB, a million
 * overflowing pieces), CANCELLED, OUT_OF_MEMORY.
 */
extern bool tok_encode(tfm_context *context, const tok_tokenizer *tokenizer, tfm_text first,
					   const tfm_text *second, const tok_encode_options *options,
					   tok_encoding *encoding);

typedef enum tok_padding_side
{
	TOK_PADDING_RIGHT,
	TOK_PADDING_LEFT
} tok_padding_side;

/* How to pad: by Transformers' padding = 'longest' (length 0) or 'max_length'. */
typedef struct tok_padding
{
	int32_t length;	  /* tokens to pad to; 0: as many as the longest of the encodings has */
	int32_t multiple; /* then rounded up to a multiple of this; 0: not */
	tok_padding_side side;
	int32_t id; /* of the padding's tokens */
	int32_t type_id;
	tfm_text token; /* its text, which must outlive the encodings */
} tok_padding;

/*
 * Pad encodings, with their overflowing pieces; those that are longer stay as they are.  All get an
 * attention_mask.  New arrays are in the context's arena.  INVALID_ARGUMENT for a negative length or
 * multiple, LIMIT_EXCEEDED for a length of more than 2^31.
 */
extern bool tok_pad(tfm_context *context, tok_encoding *encodings, size_t count,
					const tok_padding *padding);

/* A text that is split into words already. */
typedef struct tok_words
{
	const tfm_text *items;
	size_t count;
} tok_words;

/*
 * The same for texts that are split into words (is_split_into_words): each word is treated as a text
 * of its own, characters are counted from its start, and its number is the word of its tokens.
 */
extern bool tok_encode_words(tfm_context *context, const tok_tokenizer *tokenizer, tok_words first,
							 const tok_words *second, const tok_encode_options *options,
							 tok_encoding *encoding);

/*
 * The text of ids as Transformers' decode(ids, skip_special_tokens) gives it: the library's, and then
 * what the tokenizer's class or clean_up_tokenization_spaces makes of it.  In the context's arena.  INVALID_ARGUMENT for an id that is no token's.
 */
extern bool tok_decode(tfm_context *context, const tok_tokenizer *tokenizer, const int32_t *ids,
					   size_t count, bool skip_special_tokens, tfm_text *text);

/* Whether decoded text is cleaned up (clean_up_tokenization_spaces). */
typedef enum tok_cleaning
{
	TOK_CLEAN_BY_FILES, /* as tokenizer_config.json says */
	TOK_CLEAN_NEVER,
	TOK_CLEAN_ALWAYS
} tok_cleaning;

/* The same, with the caller's word on cleaning. */
extern bool tok_decode_cleaned(tfm_context *context, const tok_tokenizer *tokenizer,
							   const int32_t *ids, size_t count, bool skip_special_tokens,
							   tok_cleaning cleaning, tfm_text *text);

/*
 * The text of tokens as Transformers' convert_tokens_to_string gives it: what the decoders make of
 * them, whatever they are.  In the context's arena.
 */
extern bool tok_join_tokens(tfm_context *context, const tok_tokenizer *tokenizer,
							const tfm_text *tokens, size_t count, tfm_text *text);

/*
 * The bytes that each of the tokens 0 to count - 1 adds to a text in whose middle it comes, appended one
 * after the other: those of id are bytes ends[id - 1] (0 for the first) to ends[id].  They may be a part
 * of a character.  Special tokens, and ids that are no token's, add none.  UNSUPPORTED, naming
 * the decoder, where what a token adds depends on those beside it.
 */
extern bool tok_token_bytes(tfm_context *context, const tok_tokenizer *tokenizer, int32_t count,
							buffer *bytes, uint32_t *ends);

/* The token of an id, zero-terminated, inside the blob; NULL if there is none. */
extern const char *tok_id_to_token(const tok_tokenizer *tokenizer, int32_t id);

/* The id of a token; -1 if there is none. */
extern int32_t tok_token_to_id(const tok_tokenizer *tokenizer, tfm_text token);

/* Number of tokens, added ones included, and one more than the largest id: rows an embedding needs. */
extern int32_t tok_vocabulary_size(const tok_tokenizer *tokenizer);
extern int32_t tok_id_limit(const tok_tokenizer *tokenizer);

typedef enum tok_special
{
	TOK_PAD,
	TOK_UNK,
	TOK_CLS,
	TOK_SEP,
	TOK_MASK,
	TOK_BOS,
	TOK_EOS,
	TOK_SPECIAL_COUNT
} tok_special;

/* The id of a special token that the files declare; -1 if they do not. */
extern int32_t tok_special_id(const tok_tokenizer *tokenizer, tok_special which);

/*
 * The named special tokens, as Transformers' special_tokens_map has them: JSON text of an object such
 * as {"bos_token":"<s>","image_token":"<image>"}, in Transformers' order, {} where there are none.
 * Lies inside the blob.
 */
extern tfm_text tok_special_tokens_json(const tok_tokenizer *tokenizer);

/* Whether the id is that of a token marked special among the added tokens. */
extern bool tok_is_special(const tok_tokenizer *tokenizer, int32_t id);

/* Special tokens that the post-processor adds to a text (a pair). */
extern int32_t tok_added_count(const tok_tokenizer *tokenizer, bool pair);

/*
 * Whether Transformers gives the model the type ids of this tokenizer, by its model_input_names; and
 * whether its release 4 did, whose defaults were others.
 */
extern bool tok_gives_type_ids(const tok_tokenizer *tokenizer);
extern bool tok_gave_type_ids(const tok_tokenizer *tokenizer);

/* Whether it is one of those that Transformers has in Python alone, without offsets. */
extern bool tok_is_python(const tok_tokenizer *tokenizer);

/* Whether its model is BPE. */
extern bool tok_is_bpe(const tok_tokenizer *tokenizer);

/* Whether tokens within a word begin with a prefix, as WordPiece's ##: offsets then tell words apart. */
extern bool tok_marks_subwords(const tok_tokenizer *tokenizer);

/* padding_side and truncation_side: whether they are "left". */
extern bool tok_pads_left(const tok_tokenizer *tokenizer);
extern bool tok_truncates_left(const tok_tokenizer *tokenizer);

/* model_max_length of tokenizer_config.json; 0 if it is absent or Transformers' "very large". */
extern int64_t tok_model_max_length(const tok_tokenizer *tokenizer);

#endif
