/*
 * writer.h
 *	  Writing the specification, in the manner of tokenizer.json, of a tokenizer that Transformers has
 *	  in Python alone.
 *
 * A class of Transformers is a row: how its vocabulary is read, and what components it is made of.
 * What all have in common (special and added tokens, their ids, what is put around a text) is
 * writer.c's.  Beside tokenizer.json's keys the specification has
 *
 *		"python"			true; says that the text is split at added tokens, truncated and numbered as
 *							tokenization_python.py does
 *		"early"				true: the first normalizer runs before added tokens are looked for
 *		"cuts"				strings that cut the text, and are no added tokens
 *		"target_vocab"		tokens and ids to decode with
 *		"vocabulary_size"
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_PYTHON_WRITER_H
#define TFM_TEXT_PYTHON_WRITER_H

#include "text/transformers/class.h"

/* An added token. */
typedef struct tok_python_added
{
	int64_t id;
	const char *content; /* "" stands for the NUL character */
	uint32_t flags;		 /* TOK_ADDED_...; SPECIAL: one of all_special_tokens */
} tok_python_added;

struct tok_python_class;

typedef struct tok_python_writer
{
	tfm_context *context;
	const tok_files *files;
	const struct tok_python_class *class;
	buffer *out;

	json vocabulary;		/* an object of tokens and ids; absent where there is none */
	trie index;				/* of the vocabulary */
	int64_t offset, ranged; /* ids offset.. are those of chr(0) to chr(ranged - 1) */
	int64_t base_size;		/* tokens of the vocabulary */

	const char *specials[TOK_SPECIAL_COUNT]; /* NULL: none */
	const char **all_special;				 /* all_special_tokens, but those that follow unk */
	size_t all_special_count;
	tok_python_added *added;
	size_t added_count;
	int64_t size;  /* of the vocabulary with added tokens */
	bool no_extra; /* the class's extra tokens are switched off */

	/* SentencePiece models, as they lie in their files. */
	tfm_text model;
	tfm_text target_model; /* to decode with; absent: the same */
	const char *unknown;   /* the model's unknown piece, where that counts */
	bool has_legacy;	   /* "legacy" counts */
	const char *prefix;	   /* a token before the text (p in the layout) */
	int64_t prefix_id;
} tok_python_writer;

typedef struct tok_python_class
{
	const char *name; /* of the class in Transformers */
	const char *specials[TOK_SPECIAL_COUNT];
	const char *layout; /* around a text and a pair, see writer.c */
	bool (*load)(tok_python_writer *w);
	bool (*write)(tok_python_writer *w);
	bool (*finish)(tok_python_writer *w); /* NULL, or adds to the added tokens last of all */
	const char *const *extra;			  /* default of extra_special_tokens, ended by NULL */
	const char *unnamed;	  /* keys that end with _token and are none, each between spaces */
	const char *named;		  /* a special token of a name of its own: "x_sep_token=[X_SEP]" */
	int64_t model_max_length; /* the class's default; 0: none */
	bool has_initial;		  /* begins with added tokens of its own: pad 0, ... (bytes.c) */
	bool adds_long;			  /* tokens of several characters are added, with space around them */
	bool hides_known;		  /* added tokens of the vocabulary are not looked for in the text */
	bool cleans_up;			  /* clean_up_tokenization_spaces is true by default */
} tok_python_class;

/* The rows, ended by a row without name; in the files of their kinds. */
extern const tok_python_class tok_python_byte_classes[];
extern const tok_python_class tok_python_character_classes[];
extern const tok_python_class tok_python_bpe_classes[];
extern const tok_python_class tok_python_bert_classes[];
extern const tok_python_class tok_python_piece_classes[];
extern const tok_python_class tok_python_fairseq_classes[];

/* The initial added tokens of a class that has them. */
extern bool tok_python_add_initial(tok_python_writer *w);
extern bool tok_python_add(tok_python_writer *w, int64_t id, const char *content, uint32_t flags);

/* One that is not looked for in the text, unless it is there already. */
#define TOK_PYTHON_HIDDEN (1u << 31)
extern bool tok_python_add_hidden(tok_python_writer *w, int64_t id, const char *content);

/*
 * Readers of files in the directory: an object of tokens and ids; lines that are tokens, without
 * white space at the end (stripped) or without the line feed alone; false if the file is absent.
 */
extern bool tok_python_read_json(tok_python_writer *w, const char *name, json *value);
extern bool tok_python_read_text(tok_python_writer *w, const char *name, tfm_text *text);
extern bool tok_python_load_json(tok_python_writer *w);	 /* vocab.json */
extern bool tok_python_load_lines(tok_python_writer *w); /* vocab.txt */
extern bool tok_python_load_stripped(tok_python_writer *w);
extern bool tok_python_load_lines_of(tok_python_writer *w, const char *name, bool strips);
extern bool tok_python_set_vocabulary(tok_python_writer *w, json vocabulary);

/* A SentencePiece model as it lies in its file; and the components of a class that uses w->model. */
extern bool tok_python_load_model(tok_python_writer *w, const char *name, tfm_text *bytes);
extern bool tok_python_write_units(tok_python_writer *w);

/* The next line of a text, without its end; false at the end. */
extern bool tok_python_next_line(tfm_text *rest, tfm_text *line);

/* The id of a token in the vocabulary (without added tokens); -1 if it has none. */
extern int64_t tok_python_base_id(const tok_python_writer *w, const char *token);

/* The content of a token, which is a string or an object; NULL if it is neither. */
extern const char *tok_python_content(json token);

/* Members of tokenizer_config.json. */
extern bool tok_python_flag(const tok_python_writer *w, const char *key, bool fallback);
extern const char *tok_python_string(const tok_python_writer *w, const char *key,
									 const char *fallback);

/* Writing: text as it is (printf), a quoted string, the vocabulary with its key and a comma. */
#define tok_python_print(w, ...) buffer_printf((w)->context, (w)->out, __VA_ARGS__)
extern bool tok_python_quote(tok_python_writer *w, const char *string);
extern bool tok_python_write_vocabulary(tok_python_writer *w);
extern bool tok_python_write_specials(tok_python_writer *w); /* a list: all_special_tokens */
extern bool tok_python_write_unknown(tok_python_writer *w);	 /* ,"unk_token":... if there is one */

/* ,"target_vocab":{...} of a file: what ids are decoded with, where it is not the vocabulary. */
extern bool tok_python_write_target(tok_python_writer *w, const char *name);

/* Refuse a class or an option of it. */
extern bool tok_python_refuse(const tok_python_writer *w, const char *what);

#endif
