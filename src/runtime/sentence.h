/*
 * sentence.h
 *	  What sentence-transformers' files say of a model: how token embeddings become one.
 *
 * Read strictly: a module, key or value that we do not know is an error, since a guess
 * would give plausible but wrong embeddings.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_RUNTIME_SENTENCE_H
#define TFM_RUNTIME_SENTENCE_H

#include "base/json.h"
#include "tensor/activation.h"
#include "tensor/pool.h"

#define SENTENCE_MAX_POOLINGS 6

typedef enum run_module_kind
{
	MODULE_DENSE,
	MODULE_NORMALIZE
} run_module_kind;

/* A step after pooling. */
typedef struct run_module
{
	run_module_kind kind;
	const char *path;		  /* its directory, "2_Dense"; prefix of its weights */
	int64_t in_features;	  /* dense */
	int64_t out_features;	  /* dense */
	op_activation activation; /* dense */
	bool residual;			  /* dense: the input, or "residual" times it, is added */
} run_module;

typedef struct run_sentence
{
	bool present; /* there is a modules.json; else sentence-transformers' defaults: mean pooling */
	op_pooling poolings[SENTENCE_MAX_POOLINGS]; /* their results side by side */
	int pooling_count;
	bool include_prompt; /* the prompt's tokens take part in pooling */
	run_module *modules;
	size_t module_count;
	const char **paths; /* directories that the modules name, plain names */
	size_t path_count;
	int64_t max_seq_length;		/* 0: not said */
	bool lower_case;			/* texts are lower-cased before the tokenizer's own normalizer */
	json prompts;				/* object of texts by name, or absent */
	const char *default_prompt; /* text, or NULL */
	const char
		*score_activation; /* class of torch.nn that a cross-encoder's logits go through; or NULL */
} run_sentence;

/* How a file of the checkpoint is read: its text in the context's arena, NULL if there is none. */
typedef struct run_files
{
	const char *(*read)(tfm_context *context, const void *source, const char *name, size_t *length);
	const void *source;
	const char *prefix; /* of names in messages */
} run_files;

/* A file as JSON; absent if there is no such file.  CORRUPTED if it is neither object nor array. */
extern json run_read_json(tfm_context *context, const run_files *files, const char *name);

/* Read all of it.  Errors: CORRUPTED, UNSUPPORTED with file and key. */
extern bool run_read_sentence(tfm_context *context, const run_files *files, run_sentence *sentence);

/* Columns of the pooled token embeddings after all modules, of a model with hidden columns. */
extern int64_t run_sentence_dimensions(const run_sentence *sentence, int64_t hidden);

#endif
