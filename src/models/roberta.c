/*
 * roberta.c
 *	  RoBERTa (Liu et al. 2019) and XLM-RoBERTa (Conneau et al. 2019): as BERT, but
 *	  positions count from padding_idx + 1 over the tokens that are not padding, and
 *	  the heads differ.
 *	  Follows transformers/models/roberta/modeling_roberta.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	c->common = (nn_config) {
		.vocab_size = json_int(context, file, "vocab_size", 50265, 1, NN_MAX_SIZE),
		.hidden_size = json_int(context, file, "hidden_size", 768, 1, NN_MAX_SIZE),
		.pad_token_id = json_int(context, file, "pad_token_id", 1, 0, NN_MAX_SIZE),
		.num_labels = nn_read_num_labels(context, file),
		.tie_word_embeddings = json_bool(context, file, "tie_word_embeddings", true),
	};
	/* The table's first rows, up to that of padding, stand for no position. */
	c->common.max_positions = json_int(context, file, "max_position_embeddings", 512,
									   c->common.pad_token_id + 2, NN_MAX_SIZE) -
							  c->common.pad_token_id - 1;
	c->names = &encoder_bert_names;
	c->layers = (int) json_int(context, file, "num_hidden_layers", 12, 0, NN_MAX_LAYERS);
	c->intermediate_size = json_int(context, file, "intermediate_size", 3072, 1, NN_MAX_SIZE);
	c->activation = nn_activation(context, json_string(context, file, "hidden_act", "gelu"));
	c->norm_eps = json_double(context, file, "layer_norm_eps", 1e-12);
	c->attention = (attention) {
		.heads = (int) json_int(context, file, "num_attention_heads", 12, 1, NN_MAX_HEADS),
		.causal = json_bool(context, file, "is_decoder", false),
	};
	c->embedding = (embedding) {
		.hidden_size = c->common.hidden_size,
		.words = "embeddings.word_embeddings",
		.word_count = c->common.vocab_size,
		.positions = "embeddings.position_embeddings",
		.position_count = c->common.max_positions + c->common.pad_token_id + 1,
		.types = "embeddings.token_type_embeddings",
		.type_count = json_int(context, file, "type_vocab_size", 2, 0, NN_MAX_SIZE),
		.norm = "embeddings.LayerNorm",
		.norm_eps = c->norm_eps,
	};
	c->lm_head = (lm_head) {
		.dense = "lm_head.dense",
		.norm = "lm_head.layer_norm",
		.decoder = "lm_head.decoder",
		.decoder_bias = "lm_head.bias",
		.activation = ACTIVATION_GELU,
	};
	c->hidden_states = encoder_hidden_states;
}

static void
make_positions(const void *config, const int32_t *ids, int64_t count, int32_t *positions)
{
	const encoder_config *c = config;

	encoder_positions_after_padding(c->common.pad_token_id, ids, count, positions);
}

static const nn_variant variants[] = {
	{"roberta", "Roberta", "roberta"},
	{"xlm-roberta", "XLMRoberta", "roberta"},
	{0},
};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForCausalLM", "text-generation", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", encoder_first_token_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_roberta = {
	.name = "roberta",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.make_positions = make_positions,
	.hidden_states = encoder_hidden_states,
};
