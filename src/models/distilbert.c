/*
 * distilbert.c
 *	  DistilBERT (Sanh et al. 2019): as BERT, without token types and pooler.
 *	  Follows transformers/models/distilbert/modeling_distilbert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

/* Fixed in all its layer norms. */
#define NORM_EPS 1e-12

static const encoder_names names = {
	.layer = "transformer.layer.%d",
	.query = "attention.q_lin",
	.key = "attention.k_lin",
	.value = "attention.v_lin",
	.attention_output = "attention.out_lin",
	.attention_norm = "sa_layer_norm",
	.intermediate = "ffn.lin1",
	.output = "ffn.lin2",
	.output_norm = "output_layer_norm",
};

static tensor
classify(nn_model *m, const void *config, int64_t columns)
{
	tensor x = first_tokens(m, encoder_hidden_states(m, config));

	x = linear(m, x, "pre_classifier", .activation = ACTIVATION_RELU);
	return linear(m, x, "classifier", .columns = columns);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;
	int64_t dim = json_int(context, file, "hidden_size", 768, 1, NN_MAX_SIZE);
	int64_t layers = json_int(context, file, "num_hidden_layers", 6, 0, NN_MAX_LAYERS);
	int64_t heads = json_int(context, file, "num_attention_heads", 12, 1, NN_MAX_HEADS);

	*c = (encoder_config) {
		.common = {.vocab_size = json_int(context, file, "vocab_size", 30522, 1, NN_MAX_SIZE),
				   .hidden_size = json_int(context, file, "dim", dim, 1, NN_MAX_SIZE),
				   .num_labels = nn_read_num_labels(context, file),
				   .tie_word_embeddings = json_bool(context, file, "tie_word_embeddings", true)},
		.names = &names,
		.layers = (int) json_int(context, file, "n_layers", layers, 0, NN_MAX_LAYERS),
		.intermediate_size = json_int(context, file, "hidden_dim", 3072, 1, NN_MAX_SIZE),
		.activation = nn_activation(context, json_string(context, file, "activation", "gelu")),
		.norm_eps = NORM_EPS,
		.attention = {.heads = (int) json_int(context, file, "n_heads", heads, 1, NN_MAX_HEADS)},
		.embedding = {.words = "embeddings.word_embeddings",
					  .positions = "embeddings.position_embeddings",
					  .position_count =
						  json_int(context, file, "max_position_embeddings", 512, 1, NN_MAX_SIZE),
					  .norm = "embeddings.LayerNorm"},
		.lm_head = {.dense = "vocab_transform",
					.norm = "vocab_layer_norm",
					.decoder = "vocab_projector"},
		.hidden_states = encoder_hidden_states,
		.classify = classify,
	};
	encoder_finish_config(c, 0);
}

static const nn_variant variants[] = {{"distilbert", "DistilBert", "distilbert"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", encoder_sequence_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_distilbert = {
	.name = "distilbert",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.hidden_states = encoder_hidden_states,
};
