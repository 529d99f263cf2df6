/*
 * class.h
 *	  The tokenizer classes of Transformers, and what it takes to do what their __init__ does.
 *
 * AutoTokenizer finds a class for a directory (resolve.c).  Most classes build their pipeline anew
 * around the vocabulary that they find, and change it by what tokenizer_config.json says; some take
 * tokenizer.json as it is.  A class is a row (classes_*.c) of templates and a few rules, from which
 * build.c makes the tokenizer.json that stands for the result.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_TRANSFORMERS_CLASS_H
#define TFM_TEXT_TRANSFORMERS_CLASS_H

#include "text/compile.h"
#include "text/sentencepiece.h"

/* The files of a directory, read; absent where there are none. */
typedef struct tok_files
{
	const char *directory; /* NULL: the texts were given */
	json tokenizer;		   /* tokenizer.json */
	json config;		   /* tokenizer_config.json */
	json special_tokens_map;
	json added_tokens;
	json model_config;	 /* config.json */
	tfm_text vocabulary; /* vocab.txt, where it was given */
	const char *vocabulary_name;
} tok_files;

/* A special token as Python has it: a string, or an AddedToken with flags. */
typedef struct tok_token
{
	const char *content; /* NULL: None */
	bool plain;			 /* a string */
	unsigned flags;		 /* TOK_ADDED_... of an AddedToken */
} tok_token;

typedef struct tok_named_token
{
	const char *name; /* such as "bos_token" */
	tok_token token;
} tok_named_token;

typedef struct tok_token_list
{
	tok_token *items;
	size_t count;
	size_t capacity;
	uint32_t *slots; /* tokens.c's: places by content */
} tok_token_list;

struct tok_builder;

/* What else a class does. */
enum
{
	TOK_CLASS_PYTHON = 1 << 0,		 /* is not made of the library's parts */
	TOK_CLASS_AS_IS = 1 << 1,		 /* takes tokenizer.json as it is, but for what the row says */
	TOK_CLASS_PADS_LEFT = 1 << 2,	 /* by default */
	TOK_CLASS_ADDS_AGAIN = 1 << 3,	 /* all special tokens once more, as strings */
	TOK_CLASS_POST_INIT = 1 << 4,	 /* all special tokens once more, as they are */
	TOK_CLASS_UPDATES_POST = 1 << 5, /* always lays out by add_bos_token and add_eos_token */
	TOK_CLASS_EXTRAS_FIRST = 1 << 6, /* its own special tokens come before those of the files */
	TOK_CLASS_EXTRAS_REPLACE = 1 << 7, /* its own come only where the files have none */
	TOK_CLASS_CLEANS_BPE = 1 << 8,	   /* clean_up_tokenization_spaces counts for BPE too */
	TOK_CLASS_POST_BEFORE = 1 << 11,   /* its post-processor gives way to that of tokenizer.json */
	TOK_CLASS_POST_FOR_POST = 1 << 12, /* its post-processor counts only in place of another */
	TOK_CLASS_EXTRAS_ALWAYS = 1 << 9,  /* its own come after all that the files have */
	TOK_CLASS_WRAPS_LANGUAGES = 1 << 10, /* eng is __eng__ */
	TOK_CLASS_TYPES = 1 << 13,			 /* model_input_names has token_type_ids */
	TOK_CLASS_TYPES_BEFORE = 1 << 14	 /* it had in Transformers 4 */
};

/* How Unigram's unk_id is found; else it is the row's number. */
typedef enum tok_unk_rule
{
	TOK_UNK_FIXED,
	TOK_UNK_BY_TOKEN, /* the place of unk_token */
	TOK_UNK_BY_SCORE, /* the place of unk_token with score 0 */
	TOK_UNK_BY_ENTRY, /* likewise, else the option unk_id */
	TOK_UNK_BY_OPTION /* the option unk_id */
} tok_unk_rule;

/*
 * A class.  Templates are text with $name for an option as JSON (a special token: its content), and
 * $?name(yes$|no$) for one of two texts by a true or false option; $charsmap is SentencePiece's
 * precompiled character map.  Layouts are words: A, B, a special token without "_token", an option
 * that names a language, 'a literal'; each may end in :type_id.
 */
typedef struct tok_class
{
	const char *name;		   /* without "Fast" */
	const char *model;		   /* "BPE", "Unigram", "WordPiece"; NULL: as the files have it */
	const char *vocabulary;	   /* file name: of a vocabulary, or of a SentencePiece model */
	const char *options;	   /* object: the defaults of __init__'s arguments */
	const char *model_options; /* template: members of the model beside type, vocab and merges */
	const char *normalizer;	   /* templates; NULL: none */
	const char *pre_tokenizer;
	const char *decoder;
	const char *single, *pair;	/* layouts; NULL: the file's, or by add_bos_token, add_eos_token */
	const char *post_processor; /* template of one that is not a layout */
	const char *extras;			/* list: the class's own further special tokens */
	bool (*list_extras)(struct tok_builder *builder); /* or a function that adds them to extras */
	/* What the class makes of a SentencePiece vocabulary; NULL: nothing. */
	bool (*change_units)(struct tok_builder *builder, tok_sentencepiece_options *options);
	bool (*write_post)(struct tok_builder *builder); /* a post-processor that needs code */
	/* What the class makes of a *.tiktoken file; NULL: as the backend does. */
	bool (*take_ranks)(struct tok_builder *builder, tfm_text file, const char *source);
	const char *fixed_vocabulary; /* object: the class has this one, whatever the files say */
	int unk_id;
	tok_unk_rule unk_rule;
	unsigned flags;
	uint32_t decode_flags; /* TOK_DECODE_... */
} tok_class;

/* The rows, each table ended by a row without name. */
extern const tok_class tok_classes_bpe[];
extern const tok_class tok_classes_unigram[];
extern const tok_class tok_classes_wordpiece[];

/* Where one tokenizer is made. */
typedef struct tok_builder
{
	tfm_context *context;
	const tok_class *class;
	const tok_files *files;
	json defaults;	/* the row's options */
	int64_t unk_id; /* that a SentencePiece model gives; -1: none */
	tok_named_token *named;
	size_t named_count;
	size_t named_capacity;
	tok_token_list listed; /* added_tokens_decoder, in the order of the ids */
	tok_token_list extras; /* extra_special_tokens */
	tok_token_list given;  /* additional_special_tokens, where the class sees them */
	bool has_given;
	bool has_extras; /* the files list extra_special_tokens: the class's do not count */
	/* What there is to build from; absent where there is none. */
	json vocabulary, merges;
	json charsmap; /* a string */
	json post_processor;
	json whole; /* a tokenizer.json made from other files, which replaces what the row says */
	buffer *out;
	buffer *scratch; /* of whoever needs bytes for a moment */
} tok_builder;

/* resolve.c: the class that AutoTokenizer takes; NULL, with UNSUPPORTED, for one that is not here. */
extern const tok_class *tok_resolve_class(tfm_context *context, const tok_files *files);

/* An option: what the files say (null counts as nothing), else the class's default. */
extern json tok_option(const tok_builder *builder, const char *name);
extern bool tok_bool_option(const tok_builder *builder, const char *name, bool fallback);
extern const char *tok_string_option(const tok_builder *builder, const char *name);

/* tokens.c: find named, listed and further special tokens; write "added_tokens". */
extern bool tok_find_tokens(tok_builder *builder);
extern bool tok_find_extras(tok_builder *builder);
extern bool tok_write_added(tok_builder *builder);
extern bool tok_append_token(tok_builder *builder, tok_token_list *list, tok_token token);
extern bool tok_append_plain(tok_builder *builder, tok_token_list *list, const char *content);
extern bool tok_has_token(const tok_token_list *list, const char *content);
extern const char *tok_named_content(const tok_builder *builder, const char *name);
/* A special token that the files name, or another where they do not. */
extern const char *tok_content_or(const tok_builder *builder, const char *name,
								  const char *fallback);

extern bool tok_name_default(tok_builder *builder, const char *name, const char *content);

/* Whether the vocabulary or an added token has this content. */
extern bool tok_knows_token(const tok_builder *builder, const char *content);

/* template.c: append what a template stands for; a post-processor from layouts. */
extern bool tok_expand(tok_builder *builder, const char *template);
extern bool tok_write_layouts(tok_builder *builder, const char *single, const char *pair);
extern bool tok_append_quoted(tok_builder *builder, const char *text);

/* vocabulary.c: find vocabulary and merges. */
extern bool tok_find_vocabulary(tok_builder *builder);

/* tiktoken.c: a tokenizer.json from ranks of byte strings: Tiktoken's files, Mistral's tekken.json. */
extern bool tok_write_tiktoken(tok_builder *builder, tfm_text file, const char *source,
							   buffer *out);
/* The ranks' vocabulary and merges alone, as an object. */
extern bool tok_write_ranks(tok_builder *builder, tfm_text file, const char *source, buffer *out);
extern bool tok_write_tekken(tok_builder *builder, json tekken, buffer *out);

/*
 * build.c: the tokenizer.json that stands for what Transformers makes of the files, and what else
 * there is to know of it.  The result may point into files.
 */
extern bool tok_build(tfm_context *context, const tok_files *files, tok_config *config,
					  json *tokenizer);

#endif
