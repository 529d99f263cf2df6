/*
 * gpt.c
 *	  The configurations of GPT-2's kin.
 *	  Follows transformers/models/gpt2/configuration_gpt2.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/gpt.h"

static const char *
or_key(const char *own, const char *key)
{
	return own == NULL ? key : own;
}

void
gpt_read_sizes(tfm_context *context, json file, const decoder_defaults *defaults, decoder_config *c)
{
	decoder_defaults d = *defaults;

	d.hidden_size_key = or_key(d.hidden_size_key, "n_embd");
	d.layers_key = or_key(d.layers_key, "n_layer");
	d.heads_key = or_key(d.heads_key, "n_head");
	d.intermediate_size_key = or_key(d.intermediate_size_key, "");
	d.max_positions_key = or_key(d.max_positions_key, "n_positions");
	d.activation_key = or_key(d.activation_key, "activation_function");
	d.norm_eps_key = or_key(d.norm_eps_key, "layer_norm_epsilon");
	decoder_read_config(context, file, &d, c);
	if (defaults->intermediate_size_key == NULL)
		c->intermediate_size =
			json_int(context, file, "n_inner", 4 * c->common.hidden_size, 1, NN_MAX_SIZE);
}

void
gpt_read_config(tfm_context *context, json file, const decoder_names *names,
				const decoder_defaults *defaults, decoder_config *c)
{
	*c = (decoder_config) {
		.names = names,
		.embedding = {.words = "wte", .positions = "wpe", .types_are_words = true},
	};
	gpt_read_sizes(context, file, defaults, c);
}
