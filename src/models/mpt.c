/*
 * mpt.c
 *	  MPT (MosaicML 2023): ALiBi, no biases anywhere.
 *	  Follows transformers/models/mpt/modeling_mpt.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "nn/gpt.h"

/* As Transformers has it, whatever "alibi_bias_max" says. */
#define ALIBI_BIAS_MAX 8

static const decoder_names names = {
	.layer = "blocks.%d",
	.attention_norm = "norm_1",
	.qkv = "attn.Wqkv",
	.attention_output = "attn.out_proj",
	.mlp_norm = "norm_2",
	.up = "ffn.up_proj",
	.down = "ffn.down_proj",
	.final_norm = "norm_f",
	.lm_head = "lm_head",
	.token_score = "classifier",
};

/*
 * A geometric series for the next power of two; of it, first those of odd number, then the others.
 * Follows build_mpt_alibi_tensor.
 */
static const float *
make_slopes(tfm_context *context, int heads)
{
	float *slopes = tfm_alloc_array(context, (size_t) heads, sizeof(float));
	int power = 1;

	while (power < heads)
		power *= 2;
	for (int i = 0; slopes != NULL && i < heads; i++)
	{
		int step = i < power / 2 ? 2 * i + 2 : 2 * (i - power / 2) + 1;
		float number = (float) (power == heads ? i + 1 : step);

		slopes[i] = 1 / exp2f(number * (float) ((double) ALIBI_BIAS_MAX / power));
	}
	return slopes;
}

static const decoder_defaults defaults = {
	GPT_DEFAULTS,
	.hidden_size_key = "d_model",
	.layers_key = "n_layers",
	.heads_key = "n_heads",
	.max_positions_key = "max_seq_len",
	.intermediate_size_key = "",
	.vocab_size = 50368,
	.sizes = {.hidden = 2048, .layers = 24, .heads = 16},
	.max_positions = 2048,
	.activation = "gelu",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	json keys = json_member(file, "attn_config");
	decoder_config *c = config;

	keys.source = file.source;
	*c = (decoder_config) {.names = &names, .embedding = {.words = "wte"}};
	gpt_read_sizes(context, file, &defaults, c);
	c->common.any_position = true;
	c->norm.no_bias = true;
	c->activation = ACTIVATION_GELU;
	c->attention.kv_heads = c->attention.heads;
	c->attention.scale = json_double(context, keys, "softmax_scale", 0);
	c->clip_qkv = json_double(context, keys, "clip_qkv", 0);
	c->attention.slopes = make_slopes(context, c->attention.heads);
}

static const nn_variant variants[] = {{"mpt", "Mpt", "transformer"}, {0}};

const nn_family family_mpt = {
	.name = "mpt",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
