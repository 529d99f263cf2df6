/*
 * pipeline_generation.h
 *	  Decoding as the pipelines that generate ask for it: their defaults, the rows of ids that
 *	  generate() gives, and what they are as text.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_PIPELINE_GENERATION_H
#define TFM_TASK_PIPELINE_GENERATION_H

#include "task/generate_plan.h"
#include "task/pipeline.h"

typedef struct pipeline_generation
{
	generate_plan plan;
	tfm_text prefix;	/* of inputs, by the model's files; may be empty */
	int64_t batch_size; /* inputs that are padded to one length; 1: none is */
} pipeline_generation;

/*
 * The plan of a call whose parameters are those of own (ended by NULL) and GenerationConfig's, by the
 * rules of Transformers 5, and by those of 4.57 for the pipelines that ended with it, where task is
 * the one that task_specific_params of config.json are looked up for.  INVALID_ARGUMENT for a
 * parameter that is neither.  samples: do_sample is true where nobody says it.
 */
extern bool task_plan_generation(tfm_context *context, const pipeline_call *call,
								 const char *const *own, bool samples, pipeline_generation *g);
extern bool task_plan_text2text(tfm_context *context, const pipeline_call *call,
								const char *const *own, const char *task, pipeline_generation *g);

/* The parameters of config.json for a task; absent if there are none. */
extern json task_specific_params(tfm_context *context, const run_model *model, const char *task);

/* A row of what generate() returns: prompt, or start token, and what follows, padded to its batch. */
typedef struct pipeline_row
{
	const int32_t *ids; /* [count] */
	size_t count;
	size_t prompt; /* so many of them are the prompt with its padding; 0: it had no tokens */
} pipeline_row;

/*
 * num_return_sequences rows for each of count prompts, one after the other, in the context's arena;
 * NULL on error.  A prompt without tokens is begun by bos_token_id.
 */
extern pipeline_row *task_generate_rows(tfm_context *context, const pipeline_generation *g,
										const gen_ids *prompts, size_t count);

/* The parameter clean_up_tokenization_spaces; fallback where it is not given. */
extern tok_cleaning task_cleaning(tfm_context *context, const pipeline_call *call,
								  tok_cleaning fallback);

/* The parameter truncation, as tokenizers take it: whether there is any. */
extern bool task_truncates(tfm_context *context, json truncation);

/* A list of ids as JSON: [1,2]. */
extern void task_append_ids(tfm_context *context, buffer *b, const int32_t *ids, size_t count);

/*
 * One summary of any number of texts, by parts where they are too long for one.  An encoder-decoder
 * makes it as the pipeline "summarization" does, with options as its parameters; another model is asked
 * for it.
 */
extern bool task_summarize_over(tfm_context *context, const task_models *models, tfm_text options,
								const tfm_text *texts, size_t count, tfm_text *summary);

#endif
