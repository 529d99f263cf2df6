/*
 * gpt_bigcode.c
 *	  GPT-BigCode (SantaCoder, StarCoder; Allal et al. 2023): GPT-2 whose heads share one key and
 *	  value.
 *	  Follows transformers/models/gpt_bigcode/modeling_gpt_bigcode.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const decoder_names names = {
	.layer = "h.%d",
	.attention_norm = "ln_1",
	.qkv = "attn.c_attn",
	.attention_output = "attn.c_proj",
	.mlp_norm = "ln_2",
	.up = "mlp.c_fc",
	.down = "mlp.c_proj",
	.final_norm = "ln_f",
	.lm_head = "lm_head",
	.token_score = "classifier",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	static const decoder_defaults defaults = {
		.hidden_size_key = "n_embd",
		.layers_key = "n_layer",
		.heads_key = "n_head",
		.kv_heads_key = "",
		.max_positions_key = "n_positions",
		.activation_key = "activation_function",
		.norm_eps_key = "layer_norm_epsilon",
		.vocab_size = 50257,
		.hidden_size = 768,
		.layers = 12,
		.heads = 12,
		.max_positions = 1024,
		.activation = "gelu_pytorch_tanh",
		.norm_eps = 1e-5,
		.pad_token_id = -1,
		.tie_word_embeddings = true,
	};
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "wte", .positions = "wpe", .types_are_words = true},
	};
	decoder_read_config(context, file, &defaults, c);
	c->intermediate_size =
		json_int(context, file, "n_inner", 4 * c->common.hidden_size, 1, NN_MAX_SIZE);
	if (!json_bool(context, file, "scale_attn_weights", true))
		c->attention.scale = 1;
	c->attention.kv_heads = 1;
	if (!json_bool(context, file, "multi_query", true))
		c->attention.kv_heads = c->qkv_groups = c->attention.heads;
}

static const nn_variant variants[] = {{"gpt_bigcode", "GPTBigCode", "transformer"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", decoder_base_model},
	{"ForCausalLM", "text-generation", decoder_causal_lm},
	{"ForSequenceClassification", "text-classification", decoder_sequence_classification},
	{"ForTokenClassification", "token-classification", decoder_token_classification},
	{0},
};

const nn_family family_gpt_bigcode = {
	.name = "gpt_bigcode",
	.variants = variants,
	.heads = heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
