/*
 * tokenizing.h
 *	  The inputs of pipelines over encoders: parameters of Transformers' tokenizers, texts to items.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_TOKENIZING_H
#define TFM_TASK_TOKENIZING_H

#include "task/items.h"
#include "task/pipeline.h"

/* The names of those parameters, for a pipeline's list. */
#define TASK_TOKENIZER_PARAMETERS                                                                  \
	"truncation", "max_length", "padding", "add_special_tokens", "stride", "padding_side",         \
		"pad_to_multiple_of", "return_token_type_ids", "return_attention_mask", "verbose"

/* Parameters that every pipeline takes and that change nothing here. */
#define TASK_PIPELINE_PARAMETERS "batch_size", "num_workers"

/* What they come to. */
typedef struct tokenizing
{
	tokenize_plan plan;
	bool types; /* the model is given type ids */
} tokenizing;

/*
 * Read the parameters as Transformers' tokenizers do; want is TOK_WANT_...  Errors: INVALID_ARGUMENT;
 * UNSUPPORTED for a model without a tokenizer.
 */
extern bool task_read_tokenizing(tfm_context *context, const pipeline_call *call, int want,
								 tokenizing *result);

/* Tokenize texts or pairs -> items by length; as task_tokenize and task_order_encodings. */
extern task_item *task_tokenize_items(tfm_context *context, const run_model *model,
									  const tokenizing *how, const tokenize_input *inputs,
									  size_t count);

#endif
