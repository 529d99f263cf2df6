/*
 * falcon.c
 *	  Falcon (Almazrouei et al. 2023) in its three shapes: one key and value for all heads and one norm
 *	  for both parts (7B), groups of heads and two norms (40B), ALiBi and parts one after the other
 *	  (RW).
 *	  Follows transformers/models/falcon/modeling_falcon.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "nn/alibi.h"
#include "nn/gpt.h"
#include "tensor/float16.h"

#define NAMES(norm, second_norm)                                                                   \
	{                                                                                              \
		.layer = "h.%d", .attention_norm = norm, .qkv = "self_attention.query_key_value",          \
		.attention_output = "self_attention.dense", .mlp_norm = second_norm,                       \
		.up = "mlp.dense_h_to_4h", .down = "mlp.dense_4h_to_h", .final_norm = "ln_f",              \
		.lm_head = "lm_head", .token_score = "classifier",                                         \
	}

static const decoder_names sequential = NAMES("input_layernorm", "post_attention_layernorm");
static const decoder_names one_norm = NAMES("input_layernorm", NULL);
static const decoder_names two_norms = NAMES("ln_attn", "ln_mlp");

/* The norms and the order of a layer's parts. */
static void
read_layout(tfm_context *context, json file, bool new_architecture, decoder_config *c)
{
	int64_t norms =
		json_int(context, file, "num_ln_in_parallel_attn", new_architecture ? 2 : 1, 1, 2);

	c->parallel = json_bool(context, file, "parallel_attn", true);
	if (!c->parallel)
		c->names = &sequential;
	else
		c->names = new_architecture && norms == 2 ? &two_norms : &one_norm;
}

static void
read_heads(tfm_context *context, json file, bool new_architecture, decoder_config *c)
{
	int heads = c->attention.heads;
	bool multi_query = json_bool(context, file, "multi_query", true);

	if (new_architecture)
		c->qkv_groups = c->attention.kv_heads;
	else
	{
		c->attention.kv_heads = multi_query ? 1 : heads;
		c->qkv_groups = multi_query ? 1 : heads;
	}
}

/*
 * Slopes are rounded to bf16, and scaled as the scores are.  They count once, as in training and in
 * Transformers' default attention; its eager one adds them twice.
 */
static void
read_alibi(tfm_context *context, decoder_config *c)
{
	float *slopes = alibi_slopes(context, c->attention.heads);

	for (int i = 0; slopes != NULL && i < c->attention.heads; i++)
		slopes[i] = bf16_to_f32(f32_to_bf16(slopes[i])) / sqrtf((float) c->head_dim);
	c->attention.slopes = slopes;
	c->common.any_position = true;
}

static const decoder_defaults defaults = {
	GPT_DEFAULTS,
	.hidden_size_key = "n_embed",
	.kv_heads_key = "num_kv_heads",
	.intermediate_size_key = "ffn_hidden_size",
	.activation_key = "activation",
	.vocab_size = 65024,
	.sizes = {.hidden = 4544, .layers = 32, .heads = 71},
	.max_positions = 2048,
	.activation = "gelu",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	bool new_architecture = json_bool(context, file, "new_decoder_architecture", false);
	decoder_config *c = config;

	*c = (decoder_config) {.embedding = {.words = "word_embeddings"}};
	read_layout(context, file, new_architecture, c);
	gpt_read_sizes(context, file, &defaults, c);
	if (tfm_failed(context))
		return;
	read_heads(context, file, new_architecture, c);
	if (json_bool(context, file, "alibi", false))
		read_alibi(context, c);
	else
		decoder_read_rope(context, file, &(rope_defaults) {0}, c);
}

static const nn_variant variants[] = {{"falcon", "Falcon", "transformer"}, {0}};

const nn_family family_falcon = {
	.name = "falcon",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
