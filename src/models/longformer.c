/*
 * longformer.c
 *	  Longformer (Beltagy et al. 2020): RoBERTa with attention in windows, and to global tokens, which
 *	  the caller marks or the head chooses.
 *	  Follows transformers/models/longformer/modeling_longformer.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"
#include "nn/windows.h"

typedef struct longformer_config
{
	encoder_config encoder;
	windows windows;
	int32_t sep_token_id;
} longformer_config;

static void
read_config(tfm_context *context, json file, void *config)
{
	longformer_config *c = config;

	c->encoder = encoder_roberta;
	c->encoder.common.vocab_size = 30522;
	c->encoder.attend = attend_in_windows;
	c->encoder.attends_by = &c->windows;
	encoder_read_roberta_config(context, file, &c->encoder);
	c->encoder.attention.causal = false;
	c->sep_token_id = (int32_t) json_int(context, file, "sep_token_id", 2, -1, NN_MAX_SIZE);
	c->windows =
		(windows) {.projections = {"attention.self.query_global", "attention.self.key_global",
								   "attention.self.value_global"}};
	read_windows(context, file, c->encoder.layers, 512, &c->windows);
}

/* ---- Heads ---- */

/* The column of a row's first separator; -1 if it has none. */
static int64_t
find_separator(const nn_batch *batch, int64_t row, int32_t separator)
{
	for (int64_t t = batch->offsets[row]; t < batch->offsets[row + 1]; t++)
		if (batch->ids[t] == separator)
			return batch->columns[t];
	return -1;
}

/*
 * Run a head with tokens that it makes global where the caller marks none: first of the row, before
 * its first separator, or after the two that stand in its middle.
 */
typedef enum global_tokens
{
	GLOBAL_FIRST,
	GLOBAL_BEFORE,
	GLOBAL_AFTER
} global_tokens;

static const int32_t *
mark_tokens(nn_model *m, const longformer_config *c, global_tokens which)
{
	const nn_batch *batch = m->batch;
	int32_t *marks = tfm_alloc_zero(m->context, (size_t) batch->tokens * sizeof(int32_t));

	for (int64_t i = 0; marks != NULL && i < batch->sequences; i++)
	{
		int64_t separator = find_separator(batch, i, c->sep_token_id);

		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
		{
			int64_t column = batch->columns[t];

			marks[t] = which == GLOBAL_FIRST	? column == 0
					   : which == GLOBAL_BEFORE ? column < separator
												: separator >= 0 && column > separator + 1;
		}
	}
	return marks;
}

static void
run_with(nn_model *m, const void *config, global_tokens which,
		 void (*head)(nn_model *m, const void *config))
{
	const nn_batch *batch = m->batch;
	nn_batch marked = *batch;
	nn_input input = {.rank = 2, .shape = {batch->tokens, 1}};
	bool given = batch->inputs != NULL && batch->inputs[0].rank > 0;

	if (nn_live(m) && !given && (batch->embeds == NULL || which == GLOBAL_FIRST))
	{
		input.ints = mark_tokens(m, config, which);
		marked.inputs = &input;
	}
	m->batch = &marked;
	head(m, config);
	m->batch = batch;
}

static void
sequence_classification(nn_model *m, const void *config)
{
	run_with(m, config, GLOBAL_FIRST, encoder_first_token_classification);
}

static void
question_answering(nn_model *m, const void *config)
{
	run_with(m, config, GLOBAL_BEFORE, encoder_question_answering);
}

static void
multiple_choice(nn_model *m, const void *config)
{
	run_with(m, config, GLOBAL_AFTER, encoder_multiple_choice);
}

static const nn_variant variants[] = {{"longformer", "Longformer", "longformer"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", sequence_classification},
	{"ForMultipleChoice", "multiple-choice", multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", question_answering},
	{0},
};

static const nn_input_kind inputs[] = {WINDOWS_INPUT, {0}};

const nn_family family_longformer = {
	.name = "longformer",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(longformer_config),
	.read_config = read_config,
	.make_positions = encoder_make_positions,
	.inputs = inputs,
	.hidden_states = encoder_hidden_states,
};
