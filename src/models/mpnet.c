/*
 * mpnet.c
 *	  MPNet (Song et al. 2020): as RoBERTa, without token types, and with T5's
 *	  relative position bias, shared by all layers.
 *	  Follows transformers/models/mpnet/modeling_mpnet.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

#include "nn/position_bias.h"

/* Fixed in MPNetEmbeddings, whatever the configuration says. */
#define PADDING_ID 1

/* Fixed in MPNetEncoder.compute_position_bias, whatever relative_attention_num_buckets says. */
#define BUCKETS 32
#define MAX_DISTANCE 128

static const encoder_names names = {
	.layer = "encoder.layer.%d",
	.query = "attention.attn.q",
	.key = "attention.attn.k",
	.value = "attention.attn.v",
	.attention_output = "attention.attn.o",
	.attention_norm = "attention.LayerNorm",
	.intermediate = "intermediate.dense",
	.output = "output.dense",
	.output_norm = "output.LayerNorm",
};

static tensor
hidden_states(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	attention a = c->attention;

	a.position_bias = position_bias(m, "encoder.relative_attention_bias",
									&(position_buckets) {.heads = a.heads,
														 .buckets = BUCKETS,
														 .max_distance = MAX_DISTANCE,
														 .bidirectional = true});
	return encode(m, embed(m, &c->embedding), c, &a);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	c->common = (nn_config) {
		.vocab_size = json_int(context, file, "vocab_size", 30527, 1, NN_MAX_SIZE),
		.hidden_size = json_int(context, file, "hidden_size", 768, 1, NN_MAX_SIZE),
		.max_positions =
			json_int(context, file, "max_position_embeddings", 512, PADDING_ID + 2, NN_MAX_SIZE) -
			PADDING_ID - 1,
		.num_labels = nn_read_num_labels(context, file),
		.tie_word_embeddings = json_bool(context, file, "tie_word_embeddings", true),
	};
	c->names = &names;
	c->layers = (int) json_int(context, file, "num_hidden_layers", 12, 0, NN_MAX_LAYERS);
	c->intermediate_size = json_int(context, file, "intermediate_size", 3072, 1, NN_MAX_SIZE);
	c->activation = nn_activation(context, json_string(context, file, "hidden_act", "gelu"));
	c->norm_eps = json_double(context, file, "layer_norm_eps", 1e-12);
	c->attention.heads = (int) json_int(context, file, "num_attention_heads", 12, 1, NN_MAX_HEADS);
	c->embedding = (embedding) {
		.hidden_size = c->common.hidden_size,
		.words = "embeddings.word_embeddings",
		.word_count = c->common.vocab_size,
		.positions = "embeddings.position_embeddings",
		.position_count = c->common.max_positions + PADDING_ID + 1,
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
	c->hidden_states = hidden_states;
}

static void
make_positions(const void *config, const int32_t *ids, int64_t count, int32_t *positions)
{
	(void) config;
	encoder_positions_after_padding(PADDING_ID, ids, count, positions);
}

static const nn_variant variants[] = {{"mpnet", "MPNet", "mpnet"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", encoder_first_token_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_mpnet = {
	.name = "mpnet",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.make_positions = make_positions,
	.hidden_states = hidden_states,
};
