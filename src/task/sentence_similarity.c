/*
 * sentence_similarity.c
 *	  The task "sentence-similarity" of Hugging Face's inference API: how alike sentences are to
 *	  one, by the cosine of their embeddings.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "task/pipeline.h"

static const char *const parameters[] = {"pooling", "prompt", "batch_size", "num_workers", NULL};

/* An object of source_sentence and sentences: the texts, the source first. */
static tfm_text *
read_texts(tfm_context *context, json input, size_t *count)
{
	json source = json_member(input, "source_sentence");
	json sentences = json_member(input, "sentences");
	tfm_text *texts = tfm_alloc_array(context, json_size(sentences) + 1, sizeof(tfm_text));

	if (texts == NULL)
		return NULL;
	*count = 0;
	if (!json_is_string(source) || !json_is_array(sentences))
	{
		tfm_fail(context, TFM_INVALID_ARGUMENT,
				 "an input is no object with the text \"source_sentence\" and the list "
				 "\"sentences\"");
		return NULL;
	}
	texts[(*count)++] = (tfm_text) {json_as_string(source), strlen(json_as_string(source))};
	for (json s = json_first(sentences); json_present(s); s = json_next(s))
	{
		if (!json_is_string(s))
		{
			tfm_fail(context, TFM_INVALID_ARGUMENT, "\"sentences\" has something that is no text");
			return NULL;
		}
		texts[(*count)++] = (tfm_text) {json_as_string(s), strlen(json_as_string(s))};
	}
	return texts;
}

static double
cosine(const float *a, const float *b, int columns)
{
	double dot = 0, aa = 0, bb = 0;

	for (int i = 0; i < columns; i++)
	{
		dot += (double) a[i] * b[i];
		aa += (double) a[i] * a[i];
		bb += (double) b[i] * b[i];
	}
	return aa == 0 || bb == 0 ? 0 : dot / sqrt(aa * bb);
}

static bool
compare_input(tfm_context *context, const pipeline_call *call, const embed_options *options,
			  json input, tfm_text *result)
{
	size_t count;
	tfm_text *texts = read_texts(context, input, &count);
	buffer *b = buffer_create(context);
	float *rows;
	int columns;

	if (texts == NULL || b == NULL ||
		!task_embed(context, call->models->model, texts, count, options, &columns, &rows))
		return false;
	buffer_append_string(context, b, "[");
	for (size_t i = 1; i < count; i++)
	{
		if (i > 1)
			buffer_append_string(context, b, ",");
		task_append_float(context, b, (float) cosine(rows, rows + i * (size_t) columns, columns));
	}
	buffer_append_string(context, b, "]");
	*result = (tfm_text) {b->data, b->length};
	return !tfm_failed(context);
}

static bool
run_sentence_similarity(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	embed_options options = EMBED_DEFAULTS;

	options.pooling = task_string_parameter(context, call, "pooling", NULL);
	options.prompt = task_string_parameter(context, call, "prompt", NULL);
	for (size_t i = 0; i < call->count; i++)
		if (tfm_failed(context) ||
			!compare_input(context, call, &options, call->inputs[i].value, &results[i]))
			return false;
	return true;
}

static const char *const names[] = {"sentence-similarity", NULL};

const pipeline_task task_sentence_similarity = {
	.names = names,
	.parameters = parameters,
	.run = run_sentence_similarity,
};
