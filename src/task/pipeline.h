/*
 * pipeline.h
 *	  Transformers' pipelines: a task by name, inputs and parameters as JSON, and the JSON that
 *	  transformers.pipeline gives for them.
 *
 * Each pipeline is a file of this folder with a pipeline_task, which pipeline.c lists.  What reads
 * inputs and writes results is here once; a pipeline's own is what it makes of one after the other.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_PIPELINE_H
#define TFM_TASK_PIPELINE_H

#include "base/buffer.h"
#include "base/json.h"
#include "task/call.h"

/* One input: texts, from a SQL function with arguments of its own, or a value, as Transformers'. */
typedef struct pipeline_input
{
	tfm_text text;
	tfm_text second;
	bool has_second;
	json value;	  /* absent: the texts are it */
	bool in_list; /* it is one of a list */
} pipeline_input;

/* A call with the inputs of all its rows. */
typedef struct pipeline_call
{
	const task_models *models;
	const char *task; /* the name that was given: "ner", "translation_en_to_fr" */
	json arguments;	  /* objects of parameters by Transformers' names, either may be absent: */
	json options;	  /* what arguments have comes before options */
	const pipeline_input *inputs; /* [count] */
	size_t count;
} pipeline_call;

/* What the inputs of a row are, and what its result is made of. */
typedef enum pipeline_shape
{
	PIPELINE_ONE,			  /* one input, and its result as it is */
	PIPELINE_ONE_IN_LIST,	  /* one input, its result in a list */
	PIPELINE_LIST,			  /* a list of inputs, a list of their results */
	PIPELINE_LIST_BUT_FOR_ONE /* likewise, but the result of a single one as it is */
} pipeline_shape;

typedef struct pipeline_task
{
	const char *const *names; /* the task's, then its other names; a last * stands for any end */
	const char *const *heads; /* tasks of nn_heads that it runs; NULL: any */
	bool generates;			  /* it needs a generator */
	bool may_do_without;	  /* but for models that do not generate */
	const char *const *parameters; /* names that it knows; NULL: run looks at them itself */

	/* Whether inputs are a list of inputs, each with a result of its own; NULL: any array is. */
	bool (*is_list)(json inputs);

	/* What they are where parameters have a say in it; NULL: as is_list and list_of_one tell. */
	pipeline_shape (*shape)(const pipeline_call *call, json inputs);

	/* results[i], JSON in the context's arena, is what the pipeline gives for inputs[i]. */
	bool (*run)(tfm_context *context, const pipeline_call *call, tfm_text *results);

	bool list_of_one; /* the result of an input that stands alone is put into a list */
} pipeline_task;

/* The pipeline of a name, NULL if there is none. */
extern const pipeline_task *task_find_pipeline(const char *task);

/* Each in the file of its name. */
extern const pipeline_task task_fill_mask;
extern const pipeline_task task_multiple_choice;
extern const pipeline_task task_next_sentence_prediction;
extern const pipeline_task task_question_answering;
extern const pipeline_task task_feature_extraction;
extern const pipeline_task task_sentence_similarity;
extern const pipeline_task task_rag;
extern const pipeline_task task_table_question_answering;
extern const pipeline_task task_text_generation;
extern const pipeline_task task_text_classification;
extern const pipeline_task task_token_classification;
extern const pipeline_task task_zero_shot_classification;
extern const pipeline_task task_text2text_generation;
extern const pipeline_task task_summarization;
extern const pipeline_task task_translation;

/* All pipelines, ended by NULL. */
extern const pipeline_task *const task_pipelines[];

/*
 * Run a task_call of TASK_PIPELINE: texts[i] is the JSON of inputs[i], [count] in the context's arena.
 * Errors: UNDEFINED (no such task), INVALID_ARGUMENT (inputs, parameters), UNSUPPORTED (a model with
 * another head), those of the task.
 */
extern bool task_run_pipeline(tfm_context *context, const task_models *models,
							  const task_call *call, tfm_text *texts);

/* A parameter by its name, absent if it was not given. */
extern json task_parameter(const pipeline_call *call, const char *name);

/* Whether it was given, be it null. */
extern bool task_has_parameter(const pipeline_call *call, const char *name);

/* Parameters by type, with a default; INVALID_ARGUMENT for one of another type or out of range. */
extern int64_t task_int_parameter(tfm_context *context, const pipeline_call *call, const char *name,
								  int64_t fallback, int64_t minimum, int64_t maximum);
extern bool task_bool_parameter(tfm_context *context, const pipeline_call *call, const char *name,
								bool fallback);
extern const char *task_string_parameter(tfm_context *context, const pipeline_call *call,
										 const char *name, const char *fallback);

/* The text that is an input, or its member called key; false with INVALID_ARGUMENT without one. */
extern bool task_input_text(tfm_context *context, const pipeline_input *input, const char *key,
							tfm_text *text);

/* The second text, or the member called key; false, without an error, if the input has none. */
extern bool task_input_second(const pipeline_input *input, const char *key, tfm_text *text);

/* A score as JSON, so that it is the same when it is read as the type it was computed in. */
extern bool task_append_float(tfm_context *context, buffer *b, float score);
extern bool task_append_double(tfm_context *context, buffer *b, double score);

#endif
