/*
 * ernie_m.c
 *	  ERNIE-M (Ouyang et al. 2020): BERT without token types, whose positions begin with 2, and which
 *	  does not see padding even where no mask says so.
 *	  Follows models/ernie_m/modeling_ernie_m.py of Transformers 4.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

static const encoder_names names = {
	.layer = "encoder.layers.%d",
	.query = "self_attn.self_attn.q_proj",
	.key = "self_attn.self_attn.k_proj",
	.value = "self_attn.self_attn.v_proj",
	.attention_output = "self_attn.out_proj",
	.attention_norm = "norm1",
	.intermediate = "linear1",
	.output = "linear2",
	.output_norm = "norm2",
};

static tensor
hidden_states(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	const nn_batch *batch = m->batch;
	nn_batch padded = *batch;
	uint8_t *hidden = NULL;
	tensor x;

	if (nn_live(m) && batch->hidden == NULL && batch->embeds == NULL)
		hidden = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(uint8_t));
	for (int64_t t = 0; hidden != NULL && t < batch->tokens; t++)
		hidden[t] = batch->ids[t] == c->common.pad_token_id;
	if (hidden != NULL)
		padded.hidden = hidden;
	m->batch = &padded;
	x = encoder_hidden_states(m, config);
	m->batch = batch;
	return x;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	*c = encoder_bert;
	c->names = &names;
	c->hidden_states = hidden_states;
	c->common.vocab_size = 250002;
	c->common.pad_token_id = json_int(context, file, "pad_token_id", 1, 0, NN_MAX_SIZE);
	c->norm_eps = 1e-5;
	c->embedding.position_count = 514;
	c->embedding.first_position = 2;
	c->embedding.types = NULL;
	c->embedding.norm = "embeddings.layer_norm";
	encoder_read_config(context, file, c, 2);
	c->attention.causal = false;
}

/* Each token's score of being where what is asked for begins, or ends. */
static void
information_extraction(nn_model *m, const void *config)
{
	tensor x = hidden_states(m, config);

	nn_emit(m, "start_logits", NN_PER_TOKEN,
			take_column(m, linear(m, x, "linear_start", .columns = 1), 0));
	nn_emit(m, "end_logits", NN_PER_TOKEN,
			take_column(m, linear(m, x, "linear_end", .columns = 1), 0));
}

static const nn_variant variants[] = {{"ernie_m", "ErnieM", "ernie_m"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForSequenceClassification", "text-classification", encoder_sequence_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{"ForInformationExtraction", "information-extraction", information_extraction},
	{0},
};

const nn_family family_ernie_m = {
	.name = "ernie_m",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.hidden_states = hidden_states,
};
