/*
 * biogpt.c
 *	  BioGPT (Luo et al. 2022): learned positions; and XGLM (Lin et al. 2022), of the same layout, with
 *	  sinusoids in their place.
 *	  Follows transformers/models/biogpt/modeling_biogpt.py and xglm/modeling_xglm.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "nn/decoder.h"
#include "nn/sinusoid.h"

static const nn_variant variants[] = {
	{"biogpt", "BioGpt", "biogpt"},
	{"xglm", "XGLM", "model"},
	{0},
};

/* The number of position 0 in both kinds of tables. */
#define POSITION_OFFSET 2

#define NAMES(head)                                                                                \
	{                                                                                              \
		.layer = "layers.%d", .attention_norm = "self_attn_layer_norm",                            \
		.query = "self_attn.q_proj", .key = "self_attn.k_proj", .value = "self_attn.v_proj",       \
		.attention_output = "self_attn.out_proj", .mlp_norm = "final_layer_norm", .up = "fc1",     \
		.down = "fc2", .final_norm = "layer_norm", .lm_head = head, .token_score = "classifier",   \
	}

static const decoder_names biogpt_names = NAMES("output_projection");
static const decoder_names xglm_names = NAMES("lm_head");

#define DEFAULTS                                                                                   \
	.sizes = {.hidden = 1024, .intermediate = 4096, .layers = 24, .heads = 16},                    \
	.activation = "gelu", .pad_token_id = 1, .tie_word_embeddings = true

static const decoder_defaults biogpt_defaults = {
	DEFAULTS,
	.vocab_size = 42384,
	.max_positions = 1024,
};

static const decoder_defaults xglm_defaults = {
	DEFAULTS,
	.hidden_size_key = "d_model",
	.layers_key = "num_layers",
	.heads_key = "attention_heads",
	.intermediate_size_key = "ffn_dim",
	.activation_key = "activation_function",
	.vocab_size = 256008,
	.max_positions = 2048,
};

/* The row that has the number of the padding token is zeros. */
static tensor
embed_xglm(nn_model *m, const decoder_config *c)
{
	return add_sinusoids(m, decoder_embed(m, c),
						 &(sinusoids) {.step = sinusoid_step(c->common.hidden_size),
									   .first = POSITION_OFFSET,
									   .zero = c->common.pad_token_id});
}

static void
read_config(tfm_context *context, json file, void *config)
{
	bool xglm = nn_which_variant(file, variants) == 1;
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = xglm ? &xglm_names : &biogpt_names,
		.embedding = {.words = "embed_tokens",
					  .positions = xglm ? NULL : "embed_positions",
					  .first_position = POSITION_OFFSET},
		.embed = xglm ? embed_xglm : NULL,
	};
	decoder_read_config(context, file, xglm ? &xglm_defaults : &biogpt_defaults, c);
	c->norm.eps = 1e-5;
	c->common.any_position = xglm;
	if (json_bool(context, file, "scale_embedding", true))
		c->embedding.word_scale = sqrt((double) c->common.hidden_size);
}

const nn_family family_biogpt = {
	.name = "biogpt",
	.variants = variants,
	.heads = decoder_heads_of_tokens,
	.read_config = read_config,
	DECODER_FAMILY,
};
