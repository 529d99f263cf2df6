/*
 * loaded.h
 *	  What a loaded model is made of; for this folder and the tasks.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_RUNTIME_LOADED_H
#define TFM_RUNTIME_LOADED_H

#include "checkpoint/image.h"
#include "runtime/family.h"
#include "runtime/forward.h"
#include "runtime/precision.h"
#include "runtime/sentence.h"
#include "runtime/templates.h"
#include "text/tokenizer.h"

/* Sections of an image.  Files of the checkpoint stand under IMAGE_FILES and their name. */
#define IMAGE_INFO "info.json"
#define IMAGE_TOKENIZER "tokenizer"
#define IMAGE_TOKENIZER_ERROR "tokenizer.error" /* why there is no tokenizer */
#define IMAGE_TEMPLATES "templates"				/* as run_templates has them */
#define IMAGE_HEAD_ERROR "head.error"			/* why the head cannot run */
#define IMAGE_FILES "files/"

struct run_model
{
	const image *image; /* while compiling: NULL */

	/* What computes; of a model that has texts alone, and none of these, the reason. */
	const tfm_error *no_weights; /* NULL: the model can compute */
	run_class class;
	const void *config; /* the family's; starts with an nn_config */
	run_sentence sentence;

	/* What it has for texts. */
	const tok_tokenizer *tokenizer; /* NULL: tokenizer_error says why */
	const char *tokenizer_error;
	run_templates templates;
	const char *head_error; /* NULL: the head can run */
	run_model_info info;
	run_precision precision; /* as asked for */
};

/* What every configuration has; not of a model without weights. */
static inline const nn_config *
run_config(const run_model *model)
{
	return model->config;
}

/*
 * Read config.json and sentence-transformers' files into model->class, config and sentence.  Where
 * there is no config.json (FILE_NOT_FOUND) or nothing here runs what it names (UNSUPPORTED), the
 * class is left empty.
 */
extern bool run_read_config(tfm_context *context, const run_files *files, run_model *model);

/* A pass over the weights of an image. */
extern nn_model run_begin_pass(tfm_context *context, const run_model *model, const nn_batch *batch);

/* The passes themselves, over weights from anywhere; m->batch is set. */
extern tensor run_embedding_pass(nn_model *m, const run_model *model,
								 const run_embedding_options *options);
extern void run_head_pass(nn_model *m, const run_model *model);

/* A JSON file of the checkpoint, of those that images have; absent if there is none. */
extern json run_model_json(tfm_context *context, const run_model *model, const char *name);

/* The model's tokenizer; NULL with an error that says why there is none. */
extern const tok_tokenizer *run_tokenizer(tfm_context *context, const run_model *model);

/* Whether the model can compute; if not, the error that says why. */
extern bool run_check_weights(tfm_context *context, const run_model *model);

#endif
