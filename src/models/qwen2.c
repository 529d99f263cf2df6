/*
 * qwen2.c
 *	  Qwen2 (Yang et al. 2024): as LLaMA, with biases of queries, keys and values; Qwen3 (Yang et al.
 *	  2025), with norms of queries and keys instead; and of both with experts, Qwen2's with one that all
 *	  tokens pass.
 *	  Follows transformers/models/qwen2/modeling_qwen2.py, qwen3/, qwen2_moe/ and qwen3_moe/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const nn_variant variants[] = {
	{"qwen2", "Qwen2", "model"},
	{"qwen3", "Qwen3", "model"},
	{"qwen2_moe", "Qwen2Moe", "model"},
	{"qwen3_moe", "Qwen3Moe", "model"},
	{0},
};

enum
{
	QWEN2,
	QWEN3,
	QWEN2_MOE,
	QWEN3_MOE
};

#define QWEN_DEFAULTS                                                                              \
	.vocab_size = 151936, .max_positions = 32768, .norm_eps = 1e-6, .pad_token_id = -1
#define DENSE_SIZES                                                                                \
	.sizes = {.hidden = 4096, .intermediate = 22016, .layers = 32, .heads = 32, .kv_heads = 32}

static const decoder_defaults defaults[] = {
	[QWEN2] = {QWEN_DEFAULTS, DENSE_SIZES},
	[QWEN3] = {QWEN_DEFAULTS, DENSE_SIZES, .head_dim = 128},
	[QWEN2_MOE] =
		{
			QWEN_DEFAULTS,
			.sizes =
				{.hidden = 2048, .intermediate = 5632, .layers = 24, .heads = 16, .kv_heads = 16},
		},
	[QWEN3_MOE] =
		{
			QWEN_DEFAULTS,
			.sizes =
				{.hidden = 2048, .intermediate = 6144, .layers = 24, .heads = 32, .kv_heads = 4},
		},
};

static const decoder_names shared_names = {
	.gate = "mlp.shared_expert.gate_proj",
	.up = "mlp.shared_expert.up_proj",
	.down = "mlp.shared_expert.down_proj",
};

static int64_t
read_window_layers(tfm_context *context, json file)
{
	return json_int(context, file, "max_window_layers", 28, 0, INT32_MAX);
}

/* The last layers slide, from max_window_layers on. */
static bool
is_late(tfm_context *context, json file, int layer)
{
	return layer >= read_window_layers(context, file);
}

/* Every other of the first max_window_layers. */
static bool
is_early_and_even(tfm_context *context, json file, int layer)
{
	return layer % 2 == 0 && layer < read_window_layers(context, file);
}

static void
read_experts(tfm_context *context, json file, bool qwen2, decoder_config *c)
{
	c->moe = (moe) {MOE_LLAMA_EXPERTS};
	c->moe.intermediate_size =
		json_int(context, file, "moe_intermediate_size", qwen2 ? 1408 : 768, 1, NN_MAX_SIZE);
	c->moe.norm_power = json_bool(context, file, "norm_topk_prob", false);
	if (qwen2)
	{
		c->shared_expert = &shared_names;
		c->shared_expert_gate = "mlp.shared_expert_gate";
		c->shared_intermediate_size =
			json_int(context, file, "shared_expert_intermediate_size", 5632, 1, NN_MAX_SIZE);
	}
	decoder_read_experts(context, file, "num_experts", qwen2 ? 60 : 128, "num_experts_per_tok",
						 qwen2 ? 4 : 8, c);
	decoder_read_dense_layers(context, file, c);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	int which = nn_which_variant(file, variants);
	bool head_norms = which == QWEN3 || which == QWEN3_MOE;
	decoder_config *c = config;

	decoder_read_llama(context, file, head_norms ? &decoder_normed_names : &decoder_llama_names,
					   &defaults[which], c);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	if (json_bool(context, file, "use_sliding_window", false))
	{
		if (which == QWEN3_MOE)
			decoder_read_window(context, file, 4096, c);
		else
			decoder_read_layer_types(context, file, 4096,
									 which == QWEN2_MOE ? is_early_and_even : is_late, c);
	}
	if (which == QWEN2_MOE || which == QWEN3_MOE)
		read_experts(context, file, which == QWEN2_MOE, c);
}

const nn_family family_qwen2 = {
	.name = "qwen2",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
