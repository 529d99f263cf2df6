/*
 * rwkv.c
 *	  RWKV-4 (Peng et al. 2023): each token is mixed with the one before it, and what attention would
 *	  give is a running mean whose weights fade.
 *	  Follows transformers/models/rwkv/modeling_rwkv.py.
 *
 * A layer's state is, side by side, the last token that the feed-forward part was given, the last that
 * the mean was given, and of each channel of the mean its numerator, denominator and the largest
 * exponent, by which both are divided.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "nn/decoder.h"
#include "nn/recurrent.h"

typedef struct rwkv_config
{
	decoder_config decoder;
	int64_t channels;	   /* of the mean */
	int64_t rescale_every; /* layers, after which all is halved; 0: never */
} rwkv_config;

static const decoder_names names = {
	.layer = "blocks.%d",
	.attention_norm = "ln1",
	.mlp_norm = "ln2",
	.final_norm = "ln_out",
	.lm_head = "head",
};

/* ---- The token before ---- */

typedef struct shift_call
{
	const float *x;
	float *y;
	int64_t n;
} shift_call;

static void
shift_piece(const void *argument, const recurrent_piece *p)
{
	const shift_call *call = argument;
	size_t size = (size_t) (p->last_channel - p->channel) * sizeof(float);

	for (int64_t t = p->first; t < p->end; t++)
	{
		memcpy(call->y + t * call->n + p->channel, p->state + p->channel, size);
		memcpy(p->state + p->channel, call->x + t * call->n + p->channel, size);
	}
}

/* The token before each, zeros before the first: x [tokens, hidden] -> [tokens, hidden]. */
static tensor
shift_tokens(nn_model *m, tensor x, int layer, int64_t offset)
{
	tensor y = nn_matrix(m, x.shape[0], x.shape[1]);

	recur(m, layer, offset, x.shape[1], x.shape[1], shift_piece,
		  &(shift_call) {.x = x.data, .y = y.data, .n = x.shape[1]});
	return y;
}

/* Each column of x and of the tokens before, by the share that the weight gives to x. */
static tensor
mix(nn_model *m, tensor x, tensor before, const char *name)
{
	const weight *share = nn_weight(m, name, LAYOUT_PLAIN, 0, x.shape[1]);
	tensor y = nn_matrix(m, x.shape[0], x.shape[1]);

	for (int64_t i = 0; nn_live(m) && i < tensor_count(&x); i++)
	{
		float own = ((const float *) share->data)[i % x.shape[1]];

		((float *) y.data)[i] =
			((const float *) x.data)[i] * own + ((const float *) before.data)[i] * (1 - own);
	}
	return y;
}

/* ---- The mean ---- */

typedef struct mean_call
{
	const float *keys, *values; /* [tokens, n] */
	const float *decay, *first; /* [n] */
	float *y;					/* [tokens, n] */
	int64_t n;
} mean_call;

/* A channel takes a value in; returns the mean of those before and, by first, of it. */
static float
mean_step(float *numerator, float *denominator, float *most, float key, float value, float decay,
		  float first)
{
	float largest = fmaxf(*most, key + first);
	float old = expf(*most - largest), new = expf(key + first - largest);
	float mean = (old * *numerator + new *value) / (old * *denominator + new);

	largest = fmaxf(*most + decay, key);
	old = expf(*most + decay - largest);
	new = expf(key - largest);
	*numerator = old * *numerator + new *value;
	*denominator = old * *denominator + new;
	*most = largest;
	return mean;
}

static void
mean_piece(const void *argument, const recurrent_piece *p)
{
	const mean_call *call = argument;
	float *denominators = p->state + call->n, *most = denominators + call->n;

	for (int64_t i = p->channel; p->fresh && i < p->last_channel; i++)
		most[i] = -1e38f;
	for (int64_t t = p->first; t < p->end; t++)
		for (int64_t i = p->channel; i < p->last_channel; i++)
		{
			int64_t at = t * call->n + i;

			call->y[at] = mean_step(&p->state[i], &denominators[i], &most[i], call->keys[at],
									call->values[at], -expf(call->decay[i]), call->first[i]);
		}
}

static tensor
average(nn_model *m, tensor keys, tensor values, int layer, int64_t offset)
{
	int64_t n = keys.shape[1];
	const weight *decay = nn_weight(m, "attention.time_decay", LAYOUT_PLAIN, 0, n);
	const weight *first = nn_weight(m, "attention.time_first", LAYOUT_PLAIN, 0, n);
	tensor y = nn_matrix(m, keys.shape[0], n);

	if (nn_live(m))
		recur(m, layer, offset, 3 * n, n, mean_piece,
			  &(mean_call) {.keys = keys.data,
							.values = values.data,
							.decay = decay->data,
							.first = first->data,
							.y = y.data,
							.n = n});
	return y;
}

/* ---- Layers ---- */

/* What the products at the end of a layer's parts are multiplied by, as all before was halved. */
static double
get_scale(const decoder_config *c, int layer)
{
	int64_t every = ((const rwkv_config *) c)->rescale_every;

	return every == 0 ? 1 : ldexp(1, -(int) (layer / every));
}

static void
end_layer(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	int64_t every = ((const rwkv_config *) c)->rescale_every;

	if (every > 0 && (layer + 1) % every == 0)
		scale(m, x, 0.5, 0);
}

static tensor
mix_time(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	int64_t n = ((const rwkv_config *) c)->channels, hidden = c->common.hidden_size;
	tensor before = shift_tokens(m, x, layer, hidden);
	tensor keys =
		linear(m, mix(m, x, before, "attention.time_mix_key"), "attention.key", .columns = n);
	tensor values =
		linear(m, mix(m, x, before, "attention.time_mix_value"), "attention.value", .columns = n);
	tensor y = linear(m, mix(m, x, before, "attention.time_mix_receptance"), "attention.receptance",
					  .columns = n, .activation = ACTIVATION_SIGMOID);

	if (tfm_failed(m->context))
		return (tensor) {0};
	gate(m, y, average(m, keys, values, layer, 2 * hidden), n, n, ACTIVATION_NONE);
	y = linear(m, y, "attention.output", .columns = hidden);
	return scale(m, y, get_scale(c, layer), 0);
}

static tensor
mix_channels(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	int64_t hidden = c->common.hidden_size;
	tensor before = shift_tokens(m, x, layer, 0);
	tensor keys = linear(m, mix(m, x, before, "feed_forward.time_mix_key"), "feed_forward.key",
						 .columns = c->intermediate_size, .activation = ACTIVATION_RELU2);
	tensor y = linear(m, mix(m, x, before, "feed_forward.time_mix_receptance"),
					  "feed_forward.receptance", .activation = ACTIVATION_SIGMOID);

	gate(m, y, linear(m, keys, "feed_forward.value", .columns = hidden), hidden, hidden,
		 ACTIVATION_NONE);
	return scale(m, y, get_scale(c, layer), 0);
}

static tensor
embed_normed(nn_model *m, const decoder_config *c)
{
	return normalize(m, decoder_embed(m, c), "blocks.0.pre_ln", &c->norm);
}

static const decoder_defaults defaults = {
	.heads_key = "",
	.max_positions_key = "",
	.norm_eps_key = "layer_norm_epsilon",
	.vocab_size = 50277,
	.sizes = {.hidden = 4096, .layers = 32, .heads = 1},
	.max_positions = DECODER_ANY_LENGTH,
	.activation = "relu",
	.norm_eps = 1e-5,
	.pad_token_id = -1,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	rwkv_config *c = config;
	decoder_config *d = &c->decoder;

	*d = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embeddings"},
		.embed = embed_normed,
		.attend = mix_time,
		.feed_forward = mix_channels,
		.end_layer = end_layer,
		.states_after = true,
	};
	decoder_read_config(context, file, &defaults, d);
	d->final_norm_eps = 1e-5; /* whatever the others have */
	c->channels =
		json_int(context, file, "attention_hidden_size", d->common.hidden_size, 1, NN_MAX_SIZE);
	c->rescale_every = json_int(context, file, "rescale_every", 6, INT32_MIN, INT32_MAX);
	if (c->rescale_every < 0)
		c->rescale_every = 0;
	decoder_keep_states(context, d, 2 * d->common.hidden_size + 3 * c->channels);
}

static const nn_variant variants[] = {{"rwkv", "Rwkv", "rwkv"}, {0}};

const nn_family family_rwkv = {
	.name = "rwkv",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(rwkv_config),
	.read_config = read_config,
	.keeps_masked = true,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
