/*
 * olmo2.c
 *	  OLMo 2 (Walsh et al. 2024): norms after the parts of a layer, and of whole queries and keys; and
 *	  OLMo 3 (2025), three of four of whose layers have windows.
 *	  Follows transformers/models/olmo2/modeling_olmo2.py and olmo3/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const decoder_names names = {
	.layer = "layers.%d",
	.attention_post_norm = "post_attention_layernorm",
	.query = "self_attn.q_proj",
	.key = "self_attn.k_proj",
	.value = "self_attn.v_proj",
	.query_norm = "self_attn.q_norm",
	.key_norm = "self_attn.k_norm",
	.attention_output = "self_attn.o_proj",
	.mlp_post_norm = "post_feedforward_layernorm",
	.gate = "mlp.gate_proj",
	.up = "mlp.up_proj",
	.down = "mlp.down_proj",
	.final_norm = "norm",
	.lm_head = "lm_head",
};

static const nn_variant variants[] = {
	{"olmo2", "Olmo2", "model"},
	{"olmo3", "Olmo3", "model"},
	{0},
};

static bool
is_sliding(tfm_context *context, json file, int layer)
{
	(void) context;
	(void) file;
	return (layer + 1) % 4 != 0;
}

/*
 * OLMo 3's layers with windows turn by ropes[1].  The base and the scaling of older files are of the
 * others alone, since Transformers takes them out of the file when it comes to these.
 */
static void
read_layers(tfm_context *context, json file, decoder_config *c)
{
	json ropes = json_member(file, "rope_parameters");
	rope_defaults d = {
		.head_dim = c->head_dim, .theta = 500000, .max_positions = c->common.max_positions};

	decoder_read_layer_types(context, file, 4096, is_sliding, c);
	if (tfm_failed(context))
		return;
	rope_read(context, file, "full_attention", &d, &c->ropes[0]);
	rope_read_parameters(context, ropes, json_member(ropes, "sliding_attention"), &d, &c->ropes[1]);
	for (int i = 0; i < c->layers; i++)
		((decoder_layer *) c->each)[i].rope = c->each[i].window != 0;
	c->common.any_position = true;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true},
		.head_norm_of = HEADS_WHOLE,
		.head_norm = {.rms = true},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.vocab_size = 50304,
											 .hidden_size = 4096,
											 .intermediate_size = 11008,
											 .layers = 32,
											 .heads = 32,
											 .max_positions = 2048,
											 .activation = "silu",
											 .norm_eps = 1e-5,
											 .pad_token_id = 1},
						c);
	c->head_norm.eps = c->norm.eps;
	if (nn_which_variant(file, variants) == 0)
		decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	else
		read_layers(context, file, c);
}

const nn_family family_olmo2 = {
	.name = "olmo2",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
