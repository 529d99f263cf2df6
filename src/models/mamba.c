/*
 * mamba.c
 *	  Mamba (Gu and Dao 2023), and FalconMamba (2024), which norms what its scan is made from: layers of
 *	  one mixer each.
 *	  Follows transformers/models/mamba/modeling_mamba.py and falcon_mamba/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/mamba.h"

typedef struct mamba_config
{
	decoder_config decoder;
	mamba_mixer mixer;
	normalization mixer_norm;
} mamba_config;

static tensor
mix(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	nn_scope scope = nn_enter(m, "mixer");

	return nn_leave(m, scope, x, mamba_mix(m, x, &((const mamba_config *) c)->mixer, layer));
}

static const nn_variant variants[] = {
	{"mamba", "Mamba", "backbone"},
	{"falcon_mamba", "FalconMamba", "backbone"},
	{0},
};

static const decoder_defaults defaults = {
	.vocab_size = 50280,
	.sizes = {.hidden = 768, .layers = 32},
	.norm_eps = 1e-5,
	.pad_token_id = 0,
	.tie_word_embeddings = true,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	static const mamba_keys keys = {"expand", "state_size", "time_step_rank", "conv_kernel",
									"intermediate_size"};
	mamba_config *c = config;

	mamba_read_decoder(context, file, &defaults, &c->decoder);
	c->decoder.attend = mix;
	mamba_read_config(context, file, &keys, c->decoder.common.hidden_size, &c->mixer);
	c->mixer.activation = c->decoder.activation;
	if (nn_which_variant(file, variants) == 1)
	{
		c->mixer_norm = (normalization) {
			.rms = true, .bare = true, .eps = json_double(context, file, "mixer_rms_eps", 1e-6)};
		c->mixer.norm = &c->mixer_norm;
	}
	decoder_keep_states(context, &c->decoder, mamba_state(&c->mixer));
}

const nn_family family_mamba = {
	.name = "mamba",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(mamba_config),
	.read_config = read_config,
	.keeps_masked = true,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
