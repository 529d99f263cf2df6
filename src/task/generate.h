/*
 * generate.h
 *	  Texts that go on: prompts through tokenizer, generate() and back, as Transformers' pipeline
 *	  "text-generation" does it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_GENERATE_H
#define TFM_TASK_GENERATE_H

#include "base/buffer.h"
#include "generate/generate.h"
#include "task/chat.h"

/* New tokens of a text where neither files nor caller say how many, as in Transformers' pipelines. */
#define GENERATE_NEW_TOKENS 256

/*
 * What generation keeps of a model between calls: a session, and the vocabulary that constraints
 * need.  It lives in the context's arena, which the model must outlive.
 */
typedef struct generator generator;

extern generator *task_generator_create(tfm_context *context, const run_model *model,
										const run_session_options *options);

/* Other limits than those that it was created with. */
extern void task_generator_set_limits(generator *g, const run_session_options *options);

/* Bytes of its caches. */
extern size_t task_generator_bytes(const generator *g);

/*
 * A generator of the context's arena that decodes by another decoder, of the same model, and for all
 * else is g, which must outlive it.
 */
extern generator *task_generator_share(tfm_context *context, generator *g,
									   const gen_decoder *decoder);

/* The session that it decodes with. */
extern run_session *task_generator_session(const generator *g);

/*
 * What is asked for, beside the prompts.  Both texts are JSON objects, or empty: the keys of
 * GenerationConfig and these of ours; what arguments have comes before options.
 *
 *		json_schema, grammar, regex, choices	what the text must match; one of them
 *		seed									of sampling, 0 by default
 *		truncation								true: the prompt's first tokens are left out where the
 *												model has no positions for all; false: an error
 *		add_special_tokens						of the tokenizer, true but for chats
 *		skip_special_tokens						of the result, true
 *		return_full_text						the prompt, too; false
 */
typedef struct generate_request
{
	generator *generator;
	generator *assistant; /* drafts; NULL: none */
	tfm_text options;
	tfm_text arguments;
	/*
	 * What is to be done with the texts, put before each: in a user's message where the model has a
	 * chat template.  Empty: texts are prompts as they are.
	 */
	tfm_text instruction;
} generate_request;

/* One generated text, in the context's arena. */
typedef struct generate_result
{
	int64_t prompt; /* its number */
	tfm_text text;
	gen_sequence sequence;
} generate_result;

/*
 * Generate for count prompts in one batch; results num_return_sequences of each, one after the
 * other.  Errors: INVALID_ARGUMENT (options), LIMIT_EXCEEDED (positions, memory), UNSUPPORTED (a
 * model that does not generate, has no tokenizer), CANCELLED.
 */
extern bool task_generate(tfm_context *context, const generate_request *request,
						  const tfm_text *prompts, size_t count, generate_result **results,
						  size_t *result_count);

/*
 * generate() for experts: prompts is a JSON array of arrays of ids, options GenerationConfig's.  Appends the
 * array of sequences that Transformers returns: decoders' with the prompt, padded with pad_token_id,
 * on the left before prompts of different length and on the right; or with return_dict_in_generate
 * an object of "sequences", "sequences_scores", "transition_scores", "logits" as far as asked for.
 */
extern bool task_generate_ids(tfm_context *context, const generate_request *request,
							  tfm_text prompts, buffer *output);

/* A text that is handed out while it grows; in the arena of the context that it began with. */
typedef struct generate_stream generate_stream;

extern generate_stream *task_generate_begin(tfm_context *context, const generate_request *request,
											tfm_text prompt);

/*
 * The next piece of the text, whole characters, in context's arena; *done where there is none, the
 * sequence is closed then.
 */
extern bool task_generate_next(tfm_context *context, generate_stream *stream, tfm_text *piece,
							   bool *done);

/*
 * What the assistant says next in each of count conversations (JSON arrays of messages), as messages:
 * JSON of "role", "content", "tool_calls", ...  chat has what the conversations have in common; its
 * messages and add_generation_prompt are set here.
 */
extern bool task_chat(tfm_context *context, const generate_request *request,
					  const chat_request *chat, const tfm_text *conversations, size_t count,
					  tfm_text *messages);

/*
 * One answer to instruction over any number of texts: in one prompt where that fits, else by parts,
 * whose answers are texts in turn.
 */
extern bool task_generate_over(tfm_context *context, const generate_request *request,
							   tfm_text instruction, const tfm_text *texts, size_t count,
							   tfm_text *answer);

/*
 * How probable the model finds each label as what a text is, or by the request's instruction:
 * scores[count, label_count], each row of sum 1.
 */
extern bool task_choose_labels(tfm_context *context, const generate_request *request,
							   const tfm_text *texts, size_t count, const tfm_text *labels,
							   size_t label_count, double *scores);

#endif
