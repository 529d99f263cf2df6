/*
 * recurrent_gemma.c
 *	  RecurrentGemma (De et al. 2024, Griffin): linear recurrences with gates, and attention within a
 *	  window in every third layer.
 *	  Follows transformers/models/recurrent_gemma/modeling_recurrent_gemma.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/decoder.h"
#include "nn/recurrent.h"
#include "tensor/float16.h"

typedef struct griffin_config
{
	decoder_config decoder;
	causal_conv conv; /* its channels are the recurrence's */
} griffin_config;

static const decoder_names names = {
	.layer = "layers.%d",
	.attention_norm = "temporal_pre_norm",
	.query = "temporal_block.q_proj",
	.key = "temporal_block.k_proj",
	.value = "temporal_block.v_proj",
	.mlp_norm = "channel_pre_norm",
	.gate = "mlp_block.gate_proj",
	.up = "mlp_block.up_proj",
	.down = "mlp_block.down_proj",
	.final_norm = "final_norm",
	.lm_head = "lm_head",
};

/* A gate of the channels of one head: x [tokens, channels] -> [tokens, channels / heads]. */
static tensor
make_gate(nn_model *m, tensor x, const char *name, int head, int heads)
{
	char weight_name[NN_NAME_MAX], bias_name[NN_NAME_MAX];
	int64_t n = x.shape[1] / heads, stride = x.shape[1];

	snprintf(weight_name, sizeof(weight_name), "rg_lru.%s_weight[%d/%d]", name, head, heads);
	snprintf(bias_name, sizeof(bias_name), "rg_lru.%s_bias[%d/%d]", name, head, heads);
	return linear(m, take_columns(x, head * n, n), weight_name, .columns = n, .x_stride = stride,
				  .transposed = true, .bias = bias_name, .activation = ACTIVATION_SIGMOID);
}

/*
 * What remains of a channel's state, and what is added to it, by the gates of one head: x becomes the
 * latter.  At position 0 all begins anew.
 */
static void
gate_head(nn_model *m, tensor x, tensor remain, int head, int heads, const float *rates)
{
	int64_t n = x.shape[1] / heads, at = head * n;
	tensor in = make_gate(m, x, "input_gate", head, heads);
	tensor back = make_gate(m, x, "recurrent_gate", head, heads);

	for (int64_t t = 0; nn_live(m) && t < x.shape[0]; t++)
	{
		bool begins = m->batch->positions[t] == 0;
		float *value = (float *) x.data + t * x.shape[1] + at;
		float *share = (float *) remain.data + t * x.shape[1] + at;

		for (int64_t i = 0; i < n; i++)
		{
			float fade = -8 * ((const float *) back.data)[t * n + i] * rates[at + i];

			value[i] *= ((const float *) in.data)[t * n + i];
			value[i] *= begins ? 1 : sqrtf(1 - expf(2 * fade));
			share[i] = begins ? 0 : expf(fade);
		}
	}
}

typedef struct recurrence
{
	float *x; /* [tokens, channels], what is added, and then the state */
	const float *remain;
	int64_t channels;
} recurrence;

static void
run_recurrence(const void *argument, const recurrent_piece *p)
{
	const recurrence *r = argument;

	for (int64_t t = p->first; t < p->end; t++)
		for (int64_t i = p->channel; i < p->last_channel; i++)
		{
			int64_t at = t * r->channels + i;

			p->state[i] = r->x[at] += r->remain[at] * p->state[i];
		}
}

/* RG-LRU, in the place of x [tokens, channels]. */
static void
recur_gated(nn_model *m, tensor x, const decoder_config *c, int layer, int64_t offset)
{
	const weight *w = nn_weight(m, "rg_lru.recurrent_param", LAYOUT_PLAIN, 0, x.shape[1]);
	tensor rates = nn_matrix(m, 1, x.shape[1]), remain = nn_matrix(m, x.shape[0], x.shape[1]);

	if (tfm_failed(m->context))
		return;
	if (nn_live(m))
		memcpy(rates.data, w->data, (size_t) x.shape[1] * sizeof(float));
	soften_steps(m, rates, x.shape[1], NULL, 0, INFINITY);
	for (int i = 0; i < c->attention.heads; i++)
		gate_head(m, x, remain, i, c->attention.heads, rates.data);
	recur(m, layer, offset, x.shape[1], x.shape[1], run_recurrence,
		  &(recurrence) {.x = x.data, .remain = remain.data, .channels = x.shape[1]});
}

static tensor
run_temporal(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	const causal_conv *conv = &((const griffin_config *) c)->conv;
	int64_t n = conv->channels, hidden = c->common.hidden_size;
	nn_scope scope;
	tensor y, part;

	if (c->each[layer].state == 0)
		return linear(m, decoder_attend(m, x, c, layer), "temporal_block.o_proj",
					  .columns = hidden);
	scope = nn_enter(m, "temporal_block");
	y = linear(m, x, "linear_y", .columns = n, .activation = c->activation);
	part = convolve(m, linear(m, x, "linear_x", .columns = n), conv, layer, 0);
	recur_gated(m, part, c, layer, causal_conv_state(conv));
	gate(m, y, part, n, n, ACTIVATION_NONE);
	return nn_leave(m, scope, x, linear(m, y, "linear_out", .columns = hidden));
}

/* Kinds of layers, which repeat until all have one. */
static void
read_layers(tfm_context *context, json file, griffin_config *c)
{
	decoder_config *d = &c->decoder;
	json kinds = json_member(file, "block_types"), kind = json_first(kinds);
	int64_t window = json_int(context, file, "attention_window_size", 2048, 1, DECODER_ANY_LENGTH);
	decoder_layer *each = decoder_make_layers(context, d);

	for (int i = 0; each != NULL && i < d->layers; i++, kind = json_next(kind))
	{
		bool recurs = i % 3 != 2;

		if (json_is_array(kinds) && !json_present(kind))
			kind = json_first(kinds);
		if (json_is_string(kind))
			recurs = strcmp(json_as_string(kind), "recurrent") == 0;
		each[i].window = window;
		if (recurs)
			each[i].state = causal_conv_state(&c->conv) + c->conv.channels;
	}
}

static void
read_recurrence(tfm_context *context, json file, griffin_config *c)
{
	const decoder_config *d = &c->decoder;

	c->conv = (causal_conv) {
		.name = "conv_1d",
		.channels = json_int(context, file, "lru_width", d->common.hidden_size, 1, NN_MAX_SIZE),
		.width = (int) json_int(context, file, "conv1d_width", 4, 1, CAUSAL_CONV_MAX),
	};
	if (!tfm_failed(context) && c->conv.channels % d->attention.heads != 0)
		tfm_fail(context, TFM_CORRUPTED, "%s: %d heads cannot share %lld channels", file.source,
				 d->attention.heads, (long long) c->conv.channels);
}

static const decoder_defaults defaults = {
	.max_positions_key = "",
	.activation_key = "hidden_activation",
	.vocab_size = 256000,
	.sizes = {.hidden = 2560, .intermediate = 7680, .layers = 26, .heads = 10},
	.max_positions = DECODER_ANY_LENGTH,
	.activation = "gelu_pytorch_tanh",
	.norm_eps = 1e-6,
	.pad_token_id = 0,
	.tie_word_embeddings = true,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	griffin_config *c = config;
	decoder_config *d = &c->decoder;

	*d = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true, .weight_offset = 1},
		.attend = run_temporal,
	};
	decoder_read_config(context, file, &defaults, d);
	d->intermediate_size /= 2;
	d->embedding_scale =
		(double) bf16_to_f32(f32_to_bf16((float) sqrt((double) d->common.hidden_size)));
	d->logit_soft_cap = json_double(context, file, "logits_soft_cap", 30);
	decoder_read_rope(context, file, &(rope_defaults) {.partial_factor = 0.5}, d);
	read_recurrence(context, file, c);
	read_layers(context, file, c);
}

static const nn_variant variants[] = {{"recurrent_gemma", "RecurrentGemma", "model"}, {0}};

const nn_family family_recurrent_gemma = {
	.name = "recurrent_gemma",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(griffin_config),
	.read_config = read_config,
	.keeps_masked = true,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
