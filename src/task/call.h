/*
 * call.h
 *	  A call of a task as a value: computed here, together with others of its kind, or by another
 *	  process.
 *
 * What SQL functions compute for a text goes through here, whoever computes it: a session for one
 * row, a session for a batch of rows, or a worker for many sessions.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_CALL_H
#define TFM_TASK_CALL_H

#include "base/buffer.h"
#include "task/embed.h"
#include "task/generate.h"
#include "task/tokenize.h"

typedef enum task_kind
{
	TASK_EMBED = 1, /* texts -> values [count, columns]: task_embed */
	TASK_GENERATE,	/* prompts -> texts: the first that task_generate gives for each */
	TASK_LABEL,		/* texts -> scores [count, columns]: task_choose_labels over labels */
	TASK_TOKENIZE,	/* texts or pairs -> ids: task_tokenize; computed where it is called */
	TASK_CHAT,		/* conversations, JSON -> texts: task_chat; computed where it is called */
	TASK_RERANK,	/* pairs -> scores [count, 1]: how well seconds[i] answers inputs[i] */
	TASK_PIPELINE, /* texts, pairs or JSON -> texts, JSON: task_run_pipeline of the pipeline named task */
	TASK_SCORE_LABELS, /* texts -> scores [count, columns]: labels by a classifier, for pairs of texts
						  or for multiple choice; arguments may have multi_label and
						  hypothesis_template */
	TASK_KINDS
} task_kind;

/* A call over any number of inputs; all it points to is the caller's. */
typedef struct task_call
{
	task_kind kind;

	/* What calls that are put together have in common; each kind has some of these. */
	embed_options embed; /* TASK_EMBED */
	const char *task;	 /* TASK_PIPELINE: its name */
	bool is_json;		 /* TASK_PIPELINE: inputs are JSON, lists of inputs among them */
	tfm_text options;	 /* JSON objects as of generate_request, or a pipeline's parameters */
	tfm_text arguments;	 /* likewise */
	tfm_text
		instruction; /* likewise: what is to be done with the inputs; empty: they are prompts */
	const tfm_text *labels; /* [label_count] TASK_LABEL */
	size_t label_count;
	const chat_request *chat;  /* TASK_CHAT */
	tokenize_options tokenize; /* TASK_TOKENIZE */

	/* What they differ in. */
	size_t count;
	const tfm_text *inputs;	 /* [count] */
	const tfm_text *seconds; /* [count], of pairs; NULL: there are none */
} task_call;

typedef struct task_answer
{
	int columns;	 /* of values or scores */
	float *values;	 /* [count, columns] or NULL */
	double *scores;	 /* [count, columns] or NULL */
	tfm_text *texts; /* [count] or NULL */
	gen_ids *ids;	 /* [count] or NULL */
} task_answer;

/* What computes: the model, and where the kind generates its generator (else NULL). */
typedef struct task_models
{
	const run_model *model;
	generator *generator;
	generator *assistant; /* drafts; NULL: none */
} task_models;

/*
 * The name of what a call computes, in statistics and in EXPLAIN: "embed", "token-classification";
 * static.  task is that of a pipeline, else NULL.  NULL for what is none.
 */
extern const char *task_kind_name(task_kind kind, const char *task);

/* Whether calls of a kind need a generator; task as above. */
extern bool task_kind_generates(task_kind kind, const char *task);

/* Whether a call of a kind that does needs one of this model. */
extern bool task_needs_generator(const task_call *call, const run_model *model);

/* Whether they may go to another process: what takes no pass through the model is done sooner. */
extern bool task_kind_is_sent(task_kind kind);

/*
 * Compute a call; *answer is in the context's arena.  The part of an input does not depend on the
 * others, bit by bit.  Errors: those of the task.
 */
extern bool task_call_run(tfm_context *context, const task_models *models, const task_call *call,
						  task_answer *answer);

/* Whether two calls of the same model may be put together: they differ in nothing but their inputs. */
extern bool task_call_same(const task_call *a, const task_call *b);

/*
 * Calls and answers as bytes, for another process on the same machine (call_wire.c).  Reading checks
 * every length; what is read points into data.  Errors: CORRUPTED, OUT_OF_MEMORY.
 */
extern bool task_call_write(tfm_context *context, buffer *to, const task_call *call);
extern bool task_call_read(tfm_context *context, tfm_text data, task_call *call);
extern bool task_answer_write(tfm_context *context, buffer *to, const task_answer *answer,
							  size_t count);
extern bool task_answer_read(tfm_context *context, tfm_text data, task_answer *answer,
							 size_t count);

#endif
