/*
 * mamba2.c
 *	  Mamba 2 (Dao and Gu 2024): heads whose channels decay alike, and a gated norm after the scan.
 *	  Follows transformers/models/mamba2/modeling_mamba2.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "nn/mamba.h"

typedef struct mamba2_config
{
	decoder_config decoder;
	int64_t inner;
	selective_scan scan; /* sizes and names */
	causal_conv conv;
	double least_step, most_step;
} mamba2_config;

/* The norm of groups of columns, whose weights lie one after the other: x [tokens, inner], in place. */
static void
normalize_groups(nn_model *m, tensor x, int64_t stride, const mamba2_config *c)
{
	normalization bare = {.rms = true, .bare = true, .eps = c->decoder.norm.eps};
	const weight *w = nn_weight(m, "norm.weight", LAYOUT_PLAIN, 0, c->inner);

	normalize_heads(m, x, stride, (int) c->scan.groups, false, "norm", &bare);
	for (int64_t t = 0; nn_live(m) && t < x.shape[0]; t++)
		for (int64_t i = 0; i < c->inner; i++)
			((float *) x.data)[t * stride + i] *= ((const float *) w->data)[i];
}

/* x [tokens, hidden] -> [tokens, hidden] */
static tensor
run_mixer(nn_model *m, tensor x, const mamba2_config *c, int layer)
{
	int64_t n = c->inner, group = c->scan.groups * c->scan.state;
	int64_t width = n + c->conv.channels + c->scan.heads;
	causal_conv conv = c->conv;
	selective_scan scan = c->scan;
	tensor all, mixed;

	clear_hidden(m, x, x.shape[1]);
	all = linear(m, x, "in_proj", .columns = width);
	conv.x_stride = width;
	mixed = convolve(m, take_columns(all, n, conv.channels), &conv, layer, 0);
	clear_hidden(m, mixed, conv.channels);
	scan.steps = take_columns(all, n + conv.channels, scan.heads);
	scan.steps_stride = scan.y_stride = width;
	soften_steps(m, scan.steps, width, "dt_bias", c->least_step, c->most_step);
	scan.x = mixed;
	scan.b = take_columns(mixed, n, group);
	scan.c = take_columns(mixed, n + group, group);
	scan.x_stride = scan.b_stride = conv.channels;
	scan.y = take_columns(all, n, n); /* what the convolution was of */
	scan_selectively(m, &scan, layer, causal_conv_state(&conv));
	gate(m, all, scan.y, n, width, ACTIVATION_SILU);
	normalize_groups(m, take_columns(all, 0, n), width, c);
	return linear(m, take_columns(all, 0, n), "out_proj", .columns = x.shape[1], .x_stride = width);
}

static tensor
mix(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	nn_scope scope = nn_enter(m, "mixer");

	return nn_leave(m, scope, x, run_mixer(m, x, (const mamba2_config *) c, layer));
}

/* A bound of steps, which may be written as infinity in any way. */
static double
read_limit(json limit, double fallback)
{
	return json_is_number(limit) ? json_as_number(limit) : fallback;
}

static void
read_mixer(tfm_context *context, json file, mamba2_config *c)
{
	int64_t hidden = c->decoder.common.hidden_size;
	int64_t expand = json_int(context, file, "expand", 2, 1, 1024);
	json limits = json_first(json_member(file, "time_step_limit"));
	selective_scan *s = &c->scan;

	c->inner = hidden * expand;
	*s = (selective_scan) {
		.heads = json_int(context, file, "num_heads", 128, 1, NN_MAX_HEADS),
		.head_dim = json_int(context, file, "head_dim", 64, 1, NN_MAX_SIZE),
		.groups = json_int(context, file, "n_groups", 8, 1, NN_MAX_HEADS),
		.state = json_int(context, file, "state_size", 128, 1, 1 << 16),
		.decay = "A_log",
		.skip = "D",
	};
	if (s->heads * s->head_dim != c->inner || s->heads % s->groups != 0)
		tfm_fail(context, TFM_CORRUPTED,
				 "%s: %lld heads of %lld columns in %lld groups are not %lld columns", file.source,
				 (long long) s->heads, (long long) s->head_dim, (long long) s->groups,
				 (long long) c->inner);
	c->conv = (causal_conv) {
		.name = "conv1d",
		.channels = c->inner + 2 * s->groups * s->state,
		.width = (int) json_int(context, file, "conv_kernel", 4, 1, CAUSAL_CONV_MAX),
		.activation = c->decoder.activation,
	};
	c->least_step = read_limit(limits, 0);
	c->most_step = read_limit(json_next(limits), INFINITY);
	decoder_keep_states(context, &c->decoder,
						causal_conv_state(&c->conv) + selective_scan_state(s));
}

static const decoder_defaults defaults = {
	.vocab_size = 32768,
	.sizes = {.hidden = 4096, .layers = 64},
	.norm_eps = 1e-5,
	.pad_token_id = 1,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	mamba2_config *c = config;

	mamba_read_decoder(context, file, &defaults, &c->decoder);
	c->decoder.attend = mix;
	read_mixer(context, file, c);
}

static const nn_variant variants[] = {{"mamba2", "Mamba2", "backbone"}, {0}};

const nn_family family_mamba2 = {
	.name = "mamba2",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(mamba2_config),
	.read_config = read_config,
	.keeps_masked = true,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
