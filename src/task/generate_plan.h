/*
 * generate_plan.h
 *	  What the options of a generation come to; for the files of generate.h.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_GENERATE_PLAN_H
#define TFM_TASK_GENERATE_PLAN_H

#include "task/generate.h"

/* Constraints of the last calls: what each finds out in use serves the next call, too. */
#define KEPT_CONSTRAINTS 4

struct generator
{
	run_session *session;
	const gen_decoder *decoder; /* instead of the session; NULL: the session itself */
	generator *owner;			/* of what follows: this one, or the one that it was shared from */
	arena *arena;
	gen_vocabulary *vocabulary;							   /* NULL until it is needed */
	struct kept_constraint *constraints[KEPT_CONSTRAINTS]; /* the last used first; NULL: none */
};

typedef struct generate_plan
{
	run_session *session;
	run_session *assistant;		/* NULL: none */
	const gen_decoder *decoder; /* instead of the session; NULL: none */
	const gen_decoder *draft_decoder;
	const run_model *model;
	const tok_tokenizer *tokenizer; /* NULL: only ids */
	gen_config config;
	bool says_length; /* files or caller give max_length or max_new_tokens */
	const gen_constraint *constraint;
	const gen_vocabulary *vocabulary;
	bool truncates;
	bool add_special_tokens;
	bool skip_special_tokens;
	bool return_full_text;
	bool return_dict;
} generate_plan;

/* Both objects of a request; absent where empty. */
typedef struct generate_sources
{
	json arguments, options;
} generate_sources;

/* A JSON object of the caller's; absent where the text is empty. */
extern json generate_plan_parse(tfm_context *context, tfm_text text, const char *name);

/* An option of ours; absent if nobody gives it. */
extern json generate_plan_option(const generate_sources *sources, const char *key);

/* The constraint that the request asks for, if any, as the plan's; sources are its options. */
extern bool generate_plan_constrain(tfm_context *context, const generate_request *request,
									const generate_sources *sources, generate_plan *plan);

/* Give up the constraints that a generator keeps. */
extern void generate_plan_forget(generator *g);

/*
 * A plan of the request's models with Transformers' own defaults; files and options are still to be
 * read.  texts: a tokenizer is needed.
 */
extern bool generate_plan_start(tfm_context *context, const generate_request *request, bool texts,
								generate_plan *plan);

/*
 * What the model's own files say, over the plan's configuration: generation_config.json (*is_own), or
 * without one the keys of config.json, those of a decoder in it first, as
 * GenerationConfig.from_model_config has them.  Returns the file.
 */
extern json generate_plan_read_file(tfm_context *context, generate_plan *plan, bool *is_own);

/* Defaults from the model's files, then the request's.  texts: a tokenizer is needed. */
extern bool generate_plan_make(tfm_context *context, const generate_request *request, bool texts,
							   generate_plan *plan);

/*
 * A text as a prompt of the plan: its ids, cut where the plan truncates.  special: whether the
 * tokenizer adds its own.  Sets the number of new tokens where nobody says it.
 */
extern bool generate_plan_encode(tfm_context *context, const generate_plan *plan, tfm_text text,
								 bool special, gen_ids *ids);

/*
 * An instruction and a text as a prompt: a user's message where the model has a chat template, else
 * one after the other.
 */
extern bool generate_plan_prompt(tfm_context *context, const generate_plan *plan,
								 tfm_text instruction, tfm_text text, gen_ids *ids);

/* As task_generate_over, by a plan: prefix stands before the texts as it is. */
extern bool generate_plan_over(tfm_context *context, const generate_plan *plan, tfm_text prefix,
							   const tfm_text *texts, size_t count, tfm_text *answer);

/* A text behind another one, in the context's arena. */
extern bool generate_plan_join(tfm_context *context, tfm_text before, tfm_text text,
							   tfm_text *joined);

/* The vocabulary for constraints, made at first use; NULL on error. */
extern gen_vocabulary *generate_plan_vocabulary(tfm_context *context, generator *g);

/* What the plan decodes with. */
extern gen_decoder generate_plan_decoder(const generate_plan *plan);

/* The request for gen_begin. */
extern gen_request generate_plan_request(const generate_plan *plan, const gen_ids *prompts,
										 int64_t count);

/* The new text of a sequence: what it adds to the prompt's. */
extern bool generate_plan_decode(tfm_context *context, const generate_plan *plan, gen_ids prompt,
								 const gen_sequence *sequence, tfm_text *text);

#endif
