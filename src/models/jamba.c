/*
 * jamba.c
 *	  Jamba (Lieber et al. 2024): Mamba's mixers with attention in some layers, which know no
 *	  positions, and experts in others.
 *	  Follows transformers/models/jamba/modeling_jamba.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/mamba.h"

typedef struct jamba_config
{
	decoder_config decoder;
	mamba_mixer mixer;
} jamba_config;

static const decoder_names names = {
	.layer = "layers.%d",
	.attention_norm = "input_layernorm",
	.query = "self_attn.q_proj",
	.key = "self_attn.k_proj",
	.value = "self_attn.v_proj",
	.mlp_norm = "pre_ff_layernorm",
	.gate = "feed_forward.gate_proj",
	.up = "feed_forward.up_proj",
	.down = "feed_forward.down_proj",
	.final_norm = "final_layernorm",
	.lm_head = "lm_head",
};

static const moe_names expert_names[] = {
	{.gate = "feed_forward.experts.%.gate_proj",
	 .up = "feed_forward.experts.%.up_proj",
	 .down = "feed_forward.experts.%.down_proj"},
	{.gate_up = "feed_forward.experts.gate_up_proj", .down = "feed_forward.experts.down_proj"},
	{0},
};

static tensor
attend_or_mix(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	nn_scope scope;

	if (c->each[layer].state == 0)
		return linear(m, decoder_attend(m, x, c, layer), "self_attn.o_proj",
					  .columns = c->common.hidden_size);
	scope = nn_enter(m, "mamba");
	return nn_leave(m, scope, x, mamba_mix(m, x, &((const jamba_config *) c)->mixer, layer));
}

/* Whether layers of a period, from an offset on, are of a kind. */
typedef struct schedule
{
	int64_t period, offset;
} schedule;

static schedule
read_schedule(tfm_context *context, json file, const char *period, int64_t every,
			  const char *offset, int64_t first)
{
	return (schedule) {.period = json_int(context, file, period, every, 1, NN_MAX_LAYERS),
					   .offset = json_int(context, file, offset, first, 0, NN_MAX_LAYERS)};
}

static void
read_layers(tfm_context *context, json file, jamba_config *c)
{
	decoder_config *d = &c->decoder;
	schedule attends = read_schedule(context, file, "attn_layer_period", 8, "attn_layer_offset", 4);
	schedule mixes =
		read_schedule(context, file, "expert_layer_period", 2, "expert_layer_offset", 1);
	int64_t experts = json_int(context, file, "num_experts", 16, 1, MOE_MAX_EXPERTS);
	decoder_layer *each = decoder_make_layers(context, d);

	/* One expert is none; how many are chosen does not matter then. */
	if (experts > 1)
		decoder_read_experts(context, file, "num_experts", 16, "num_experts_per_tok", 2, d);
	for (int i = 0; each != NULL && i < d->layers; i++)
	{
		each[i].rope = -1;
		each[i].mixture = experts > 1 && i % mixes.period == mixes.offset;
		each[i].state = i % attends.period == attends.offset ? 0 : mamba_state(&c->mixer);
	}
}

static const decoder_defaults defaults = {
	.vocab_size = 65536,
	.sizes = {.hidden = 4096, .intermediate = 14336, .layers = 32, .heads = 32, .kv_heads = 8},
	.max_positions = 262144,
	.norm_eps = 1e-6,
	.pad_token_id = 0,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	static const mamba_keys keys = {"mamba_expand", "mamba_d_state", "mamba_dt_rank",
									"mamba_d_conv", ""};
	jamba_config *c = config;
	decoder_config *d = &c->decoder;

	*d = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true},
		.attend = attend_or_mix,
		.moe = {.router = "feed_forward.router",
				.scoring = MOE_SOFTMAX,
				.names = expert_names,
				.gated = true},
	};
	decoder_read_config(context, file, &defaults, d);
	d->common.any_position = true;
	mamba_read_config(context, file, &keys, d->common.hidden_size, &c->mixer);
	c->mixer.activation = d->activation;
	c->mixer.norm = &d->norm;
	c->mixer.step_norm = "dt_layernorm";
	c->mixer.b_norm = "b_layernorm";
	c->mixer.c_norm = "c_layernorm";
	read_layers(context, file, c);
}

static const nn_variant variants[] = {{"jamba", "Jamba", "model"}, {0}};

const nn_family family_jamba = {
	.name = "jamba",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(jamba_config),
	.read_config = read_config,
	.keeps_masked = true,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
