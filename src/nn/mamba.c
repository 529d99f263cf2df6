/*
 * mamba.c
 *	  Mamba's mixer: a projection, a short convolution, the selective scan, a gate.
 *	  Follows MambaMixer in transformers/models/mamba/modeling_mamba.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/mamba.h"

#include <math.h>

#define MAX_STATE ((int64_t) 1 << 30) /* floats of a layer */

static const decoder_names names = {
	.layer = "layers.%d",
	.attention_norm = "norm",
	.final_norm = "norm_f",
	.lm_head = "lm_head",
};

void
mamba_read_decoder(tfm_context *context, json file, const decoder_defaults *defaults,
				   decoder_config *c)
{
	decoder_defaults d = *defaults;

	d.heads_key = d.max_positions_key = "";
	d.sizes.heads = 1;
	d.max_positions = DECODER_ANY_LENGTH;
	d.norm_eps_key = "layer_norm_epsilon";
	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embeddings"},
		.norm = {.rms = true},
		.states_after = true,
	};
	decoder_read_config(context, file, &d, c);
}

static causal_conv
get_conv(const mamba_mixer *c)
{
	return (causal_conv) {.name = "conv1d",
						  .channels = c->inner,
						  .width = c->conv_width,
						  .x_stride = 2 * c->inner,
						  .activation = c->activation};
}

void
mamba_read_config(tfm_context *context, json file, const mamba_keys *keys, int64_t hidden,
				  mamba_mixer *c)
{
	json rank = json_member(file, keys->step_rank);
	double expand = json_double(context, file, keys->expand, 2);

	if (!(expand > 0 && expand * (double) hidden < NN_MAX_SIZE))
		expand = 1;
	c->inner =
		json_int(context, file, keys->inner, (int64_t) (expand * (double) hidden), 1, NN_MAX_SIZE);
	c->state = json_int(context, file, keys->state, 16, 1, NN_MAX_SIZE);
	c->conv_width = (int) json_int(context, file, keys->conv_width, 4, 1, CAUSAL_CONV_MAX);
	c->step_rank = (hidden + 15) / 16;
	if (!json_is_string(rank))
		c->step_rank = json_int(context, file, keys->step_rank, c->step_rank, 1, NN_MAX_SIZE);
	if (c->inner < 1 || mamba_state(c) > MAX_STATE)
		tfm_fail(context, TFM_CORRUPTED, "%s: a state of %lld channels is impossible", file.source,
				 (long long) c->inner);
}

int64_t
mamba_state(const mamba_mixer *c)
{
	const causal_conv conv = get_conv(c);

	return causal_conv_state(&conv) + c->inner * c->state;
}

/* Some columns of what the steps and b and c are made from, normed if they are. */
static tensor
take_normed(nn_model *m, tensor x, int64_t first, int64_t count, const mamba_mixer *c,
			const char *name)
{
	tensor y = take_columns(x, first, count);

	if (c->norm != NULL)
		normalize_heads(m, y, x.shape[1], 1, false, name, c->norm);
	return y;
}

tensor
mamba_mix(nn_model *m, tensor x, const mamba_mixer *c, int layer)
{
	const causal_conv conv = get_conv(c);
	int64_t n = c->inner, hidden = x.shape[1], columns = c->step_rank + 2 * c->state;
	tensor both, mixed, chosen, steps, b, state_c;

	clear_hidden(m, x, hidden);
	both = linear(m, x, "in_proj", .columns = 2 * n);
	mixed = convolve(m, take_columns(both, 0, n), &conv, layer, 0);
	clear_hidden(m, mixed, n);
	chosen = linear(m, mixed, "x_proj", .columns = columns);
	if (tfm_failed(m->context))
		return (tensor) {0};
	steps = take_normed(m, chosen, 0, c->step_rank, c, c->step_norm);
	b = take_normed(m, chosen, c->step_rank, c->state, c, c->b_norm);
	state_c = take_normed(m, chosen, c->step_rank + c->state, c->state, c, c->c_norm);
	steps = linear(m, steps, "dt_proj", .columns = n, .x_stride = columns);
	soften_steps(m, steps, n, NULL, 0, INFINITY);
	scan_selectively(m,
					 &(selective_scan) {.heads = n,
										.head_dim = 1,
										.groups = 1,
										.state = c->state,
										.own_decay = true,
										.decay = "A_log",
										.skip = "D",
										.steps = steps,
										.x = mixed,
										.b = b,
										.c = state_c,
										.steps_stride = n,
										.x_stride = n,
										.b_stride = columns,
										.y = both,
										.y_stride = 2 * n},
					 layer, causal_conv_state(&conv));
	gate(m, take_columns(both, n, n), both, n, 2 * n, ACTIVATION_SILU);
	return linear(m, take_columns(both, n, n), "out_proj", .columns = hidden, .x_stride = 2 * n);
}
