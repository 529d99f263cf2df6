/*
 * cpmant.c
 *	  CPM-Ant (OpenBMB 2022): a prompt of learned tokens stands before each row, and all tokens see
 *	  each other, by their distance or by their segments where these differ.
 *	  Follows transformers/models/cpmant/modeling_cpmant.py.
 *
 * Rows of a batch become longer by the prompt, which is taken off the results.  Tokens of one segment
 * have places that are apart from those of others by more than the table of distances has, so that its
 * ends are what is added to scores between segments.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "nn/decoder.h"
#include "nn/position_bias.h"
#include "nn/recurrent.h"

#define PAD 0		   /* id of tokens that are none */
#define TEXT_SEGMENT 2 /* of the others; padding and the prompt are of segment 0 */
#define PROMPT_KIND 2  /* whose tokens the prompt is of */

typedef struct cpmant_config
{
	decoder_config decoder;
	position_buckets buckets;
	int64_t prompt_length, segments;
} cpmant_config;

static const decoder_names names = {
	.layer = "encoder.layers.%d",
	.attention_norm = "self_att.layernorm_before_attention",
	.query = "self_att.self_attention.project_q",
	.key = "self_att.self_attention.project_k",
	.value = "self_att.self_attention.project_v",
	.attention_output = "self_att.self_attention.attention_out",
	.mlp_norm = "ffn.layernorm_before_ffn",
	.gate = "ffn.ffn.w_in.w_0",
	.up = "ffn.ffn.w_in.w_1",
	.down = "ffn.ffn.w_out",
	.final_norm = "encoder.output_layernorm",
	.lm_head = "lm_head",
};

/* Hidden tokens see nothing, either. */
static tensor
attend_visible(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	tensor y = decoder_attend(m, x, c, layer);

	if (!tfm_failed(m->context))
		clear_hidden(m, y, y.shape[1]);
	return y;
}

/* ---- Rows with their prompts ---- */

typedef struct long_rows
{
	nn_batch batch;
	int32_t *offsets, *ids, *types, *columns, *own; /* own: where the batch's tokens are */
	uint8_t *hidden;
	int64_t longest;
} long_rows;

static bool
allocate_rows(tfm_context *context, long_rows *r, const nn_batch *batch, int64_t tokens)
{
	size_t n = (size_t) tokens;

	r->offsets = tfm_alloc_array(context, (size_t) batch->sequences + 1, sizeof(int32_t));
	r->ids = tfm_alloc_array(context, n, sizeof(int32_t));
	r->types = tfm_alloc_array(context, n, sizeof(int32_t));
	r->columns = tfm_alloc_array(context, n, sizeof(int32_t));
	r->own = tfm_alloc_array(context, n, sizeof(int32_t));
	r->hidden = tfm_alloc_zero(context, n);
	return !tfm_failed(context);
}

/* Row i, from the token at on: as many of its last tokens are seen as are no padding. */
static void
fill_row(const cpmant_config *c, const nn_batch *batch, int64_t i, long_rows *r, int32_t at)
{
	int32_t first = batch->offsets[i], count = batch->offsets[i + 1] - first, seen = 0;

	r->offsets[i] = at;
	for (int32_t p = 0; p < c->prompt_length; p++, at++)
	{
		r->ids[at] = (int32_t) (c->decoder.common.vocab_size + PROMPT_KIND * c->prompt_length) + p;
		r->types[at] = 0;
		r->columns[at] = p;
	}
	for (int32_t t = 0; t < count; t++)
		seen += batch->ids[first + t] != PAD;
	for (int32_t t = 0; t < count; t++, at++)
	{
		r->ids[at] = batch->ids[first + t];
		r->types[at] = r->ids[at] == PAD ? 0 : TEXT_SEGMENT;
		r->columns[at] = (int32_t) c->prompt_length + t;
		r->own[first + t] = at;
		r->hidden[at] = t < count - seen;
	}
	if (c->prompt_length + count > r->longest)
		r->longest = c->prompt_length + count;
}

static bool
make_rows(tfm_context *context, const cpmant_config *c, const nn_batch *batch, long_rows *r)
{
	int64_t tokens = batch->tokens + batch->sequences * c->prompt_length;

	*r = (long_rows) {.longest = 1};
	if (batch->embeds != NULL)
		return tfm_fail(context, TFM_UNSUPPORTED, "embeddings cannot be given to this model");
	if (tokens > INT32_MAX / 4)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED, "a batch has too many tokens");
	if (!allocate_rows(context, r, batch, tokens))
		return false;
	for (int64_t i = 0; i < batch->sequences; i++)
		fill_row(c, batch, i, r, batch->offsets[i] + (int32_t) (i * c->prompt_length));
	r->offsets[batch->sequences] = (int32_t) tokens;
	for (int64_t t = 0; t < tokens; t++)
		r->columns[t] += r->types[t] == 0 ? 0 : (int32_t) (2 * r->longest + 2);
	r->batch = *batch;
	r->batch.tokens = tokens;
	r->batch.offsets = r->offsets;
	r->batch.ids = r->ids;
	r->batch.types = r->types;
	r->batch.positions = r->batch.columns = r->columns;
	r->batch.hidden = r->hidden;
	return true;
}

/* Scores by distance, and at the ends those between segments: [heads, 2 * span - 1]. */
static tensor
make_bias(nn_model *m, const cpmant_config *c, int64_t longest)
{
	int64_t span = longest + 1, heads = c->decoder.attention.heads;
	const weight *w = nn_weight(m, "position_bias.relative_attention_bias", LAYOUT_PLAIN,
								c->segments * c->segments + c->buckets.buckets, heads);
	tensor bias = nn_matrix(m, heads, 2 * span - 1);

	for (int64_t d = 1 - span; nn_live(m) && d < span; d++)
	{
		int64_t row = position_bucket(d, &c->buckets);

		if (d == 1 - span) /* the key is of the prompt */
			row = c->buckets.buckets + TEXT_SEGMENT * c->segments;
		if (d == span - 1)
			row = c->buckets.buckets + TEXT_SEGMENT;
		for (int64_t h = 0; h < heads; h++)
			((float *) bias.data)[h * (2 * span - 1) + d + span - 1] =
				((const float *) w->data)[row * heads + h];
	}
	return bias;
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	cpmant_config c = *(const cpmant_config *) config;
	const nn_batch *batch = m->batch;
	long_rows rows = {.batch = *batch, .longest = batch->tokens + c.prompt_length};
	tensor x;

	rows.batch.tokens = batch->tokens + batch->sequences * c.prompt_length;
	if (nn_live(m) && !make_rows(m->context, &c, batch, &rows))
		return (tensor) {0};
	c.decoder.attention.position_bias = make_bias(m, &c, rows.longest);
	m->batch = &rows.batch;
	x = decoder_hidden_states(m, &c);
	m->batch = batch;
	for (nn_output *o = m->outputs; o != NULL && !tfm_failed(m->context); o = o->next)
		o->value = take_rows(m, o->value, rows.own, batch->tokens);
	return take_rows(m, x, rows.own, batch->tokens);
}

/* ---- Heads ---- */

static void
base_model(nn_model *m, const void *config)
{
	nn_emit(m, "last_hidden_state", NN_PER_TOKEN, hidden_states(m, config));
}

static void
causal_lm(nn_model *m, const void *config)
{
	nn_emit(m, "logits", NN_PER_TOKEN, decoder_predict_words(m, config, hidden_states(m, config)));
}

static const decoder_defaults defaults = {
	.intermediate_size_key = "dim_ff",
	.max_positions_key = "position_bias_max_distance",
	.norm_eps_key = "eps",
	.vocab_size = 30720,
	.sizes = {.hidden = 4096, .intermediate = 10240, .layers = 48, .heads = 32},
	.max_positions = 2048,
	.activation = "gelu",
	.norm_eps = 1e-6,
	.pad_token_id = -1,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	cpmant_config *c = config;
	decoder_config *d = &c->decoder;
	int64_t kinds = json_int(context, file, "prompt_types", 32, PROMPT_KIND + 1, 1 << 16);

	*d = (decoder_config) {
		.names = &names,
		.embedding = {.words = "input_embedding", .types = "segment_embedding"},
		.norm = {.rms = true},
		.bidirectional = true,
		.attend = attend_visible,
	};
	decoder_read_config(context, file, &defaults, d);
	d->head_dim = (int) json_int(context, file, "dim_head", 128, 1, 1 << 16);
	d->activation = ACTIVATION_GELU;
	d->common.any_position = true;
	d->common.tie_word_embeddings = d->embedding.tied = false; /* whatever the file says */
	c->prompt_length = json_int(context, file, "prompt_length", 32, 0, 1 << 12);
	c->segments = json_int(context, file, "segment_types", 32, TEXT_SEGMENT + 1, 1 << 12);
	c->buckets = (position_buckets) {
		.heads = d->attention.heads,
		.buckets = (int) json_int(context, file, "position_bias_num_buckets", 512, 4, 1 << 16),
		.max_distance = (int) d->common.max_positions,
		.bidirectional = true,
	};
	if (c->buckets.max_distance <= c->buckets.buckets / 4)
		tfm_fail(context, TFM_CORRUPTED, "%s: %d buckets are too many for a distance of %d",
				 file.source, c->buckets.buckets, c->buckets.max_distance);
	d->embedding.word_count = d->common.vocab_size + kinds * c->prompt_length;
	d->embedding.type_count = c->segments;
}

static const nn_variant variants[] = {{"cpmant", "CpmAnt", "cpmant"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", base_model},
	{"ForCausalLM", "text-generation", causal_lm},
	{0},
};

const nn_family family_cpmant = {
	.name = "cpmant",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(cpmant_config),
	.read_config = read_config,
	.keeps_masked = true,
	.hidden_states = hidden_states,
};
