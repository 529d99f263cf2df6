/*
 * gptsan-japanese.c
 *	  GPTSAN-japanese (Sakamoto 2022): each token goes to one expert and to a bypass, norms come after
 *	  the parts, and tokens of a prefix are seen by those before them, too.
 *	  Follows transformers/models/deprecated/gptsan_japanese/ of Transformers 4.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"
#include "nn/inputs.h"
#include "nn/relative_attention.h"

#define UNSEEN -1e30f

typedef struct gptsan_config
{
	decoder_config decoder;
	int switch_layers; /* with experts; the others come after them */
	int64_t outer_size;
} gptsan_config;

static const decoder_names names = {
	.layer = "blocks.%d",
	.query = "self_attn.self_attn.q_proj",
	.key = "self_attn.self_attn.k_proj",
	.value = "self_attn.self_attn.v_proj",
	.attention_output = "self_attn.self_attn.out_proj",
	.attention_post_norm = "self_attn.norm",
	.mlp_post_norm = "feed_forward.norm",
	.lm_head = "lm_head",
	.lm_head_bias = "final_logits_bias",
};

static const moe_names expert_names[] = {
	{.up = "feed_forward.mlp.experts.expert_%.wi", .down = "feed_forward.mlp.experts.expert_%.wo"},
	{0},
};

/* ---- Attention ---- */

/* A token sees those before it, and all of type 1. */
static void
hide_later(const void *argument, int64_t query, int queries, int64_t key, float *scores)
{
	const nn_batch *batch = argument;

	for (int i = 0; i < queries; i++)
		if (key > query + i && batch->types[key] != 1)
			scores[i] += UNSEEN;
}

static tensor
attend_prefix(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	int64_t n = c->common.hidden_size;
	tensor q, k, v;

	if (m->batch->types == NULL || m->batch->cache != NULL)
		return decoder_attend(m, x, c, layer);
	q = linear(m, x, names.query, .columns = n);
	k = linear(m, x, names.key, .columns = n);
	v = linear(m, x, names.value, .columns = n);
	return attend_relative(m, q, k, v,
						   &(relative_attention) {.heads = c->attention.heads,
												  .more = hide_later,
												  .more_argument = m->batch});
}

/* ---- Layers ---- */

static tensor
feed_forward(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	const gptsan_config *own = (const gptsan_config *) c;
	int64_t n = c->common.hidden_size;

	if (layer < own->switch_layers)
		return add(m, mixture(m, x, &c->moe),
				   linear(m, x, "feed_forward.soft_bypass_mlp", .columns = n,
						  .activation = ACTIVATION_TANH),
				   1);
	x = linear(m, x, "feed_forward.mlp.wi", .columns = own->outer_size,
			   .activation = ACTIVATION_SILU);
	return linear(m, x, "feed_forward.mlp.wo", .columns = n);
}

/* Layers without experts, if there are any, begin with positions of their own. */
static void
add_outer_positions(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	if (layer + 1 == ((const gptsan_config *) c)->switch_layers && layer + 1 < c->layers)
		add_looked_up(m, x, "extra_position_embeddings", c->common.max_positions,
					  m->batch->positions);
}

static tensor
embed_all(nn_model *m, const decoder_config *c)
{
	tensor x = decoder_embed(m, c);

	if (m->batch->embeds != NULL)
		tfm_fail(m->context, TFM_UNSUPPORTED, "embeddings cannot be given to this model");
	add_outer_positions(m, x, c, -1);
	return x;
}

static tensor
project_last(nn_model *m, tensor x, const decoder_config *c)
{
	return linear(m, x, "last_project", .columns = c->common.hidden_size,
				  .activation = ACTIVATION_SILU);
}

/* ---- Configuration ---- */

/* From the first token that is not masked on; those beyond the table are at its end. */
static void
make_positions(const void *config, const int32_t *ids, const uint8_t *mask, int64_t count,
			   int32_t *positions)
{
	int64_t last = ((const nn_config *) config)->max_positions - 1, first = 0;

	(void) ids;
	while (mask != NULL && first < count && mask[first] == 0)
		first++;
	if (first == count)
		first = 0;
	for (int64_t i = 0; i < count; i++)
		positions[i] = (int32_t) (i < first ? 0 : i - first > last ? last : i - first);
}

static const decoder_defaults defaults = {
	.hidden_size_key = "d_model",
	.layers_key = "",
	.heads_key = "num_heads",
	.intermediate_size_key = "d_ff",
	.norm_eps_key = "layer_norm_epsilon",
	.vocab_size = 36000,
	.sizes = {.hidden = 1024, .intermediate = 8192, .layers = 1, .heads = 16},
	.max_positions = 1280,
	.activation = "relu",
	.norm_eps = 1e-5,
	.pad_token_id = 35995,
	.tie_word_embeddings = true,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	gptsan_config *c = config;
	decoder_config *d = &c->decoder;
	int64_t inner = json_int(context, file, "num_switch_layers", 10, 0, NN_MAX_LAYERS / 2);
	int64_t outer = json_int(context, file, "num_ext_layers", 0, 0, NN_MAX_LAYERS / 2);

	*d = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embed_tokens", .positions = "position_embeddings"},
		.embed = embed_all,
		.attend = attend_prefix,
		.feed_forward = feed_forward,
		.end_layer = add_outer_positions,
		.finish = project_last,
		.states_after = true,
		.moe = {.router = "feed_forward.mlp.router.classifier",
				.scoring = MOE_SOFTMAX,
				.keeps_rest = true,
				.names = expert_names},
	};
	decoder_read_config(context, file, &defaults, d);
	d->layers = (int) (inner + outer);
	d->common.any_position = true;
	d->common.tie_word_embeddings = d->embedding.tied = true; /* whatever the file says */
	c->switch_layers = (int) inner;
	c->outer_size = json_int(context, file, "d_ext", 4096, 1, NN_MAX_SIZE);
	d->moe.experts = (int) json_int(context, file, "num_experts", 16, 1, MOE_MAX_EXPERTS);
	d->moe.chosen = 1;
	d->moe.capacity = json_int(context, file, "expert_capacity", 128, 1, NN_MAX_SIZE);
	d->moe.activation = ACTIVATION_RELU;
	d->moe.intermediate_size = d->intermediate_size;
}

static const nn_variant variants[] = {{"gptsan-japanese", "GPTSanJapanese", "model"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", decoder_base_model},
	{"ForConditionalGeneration", "text-generation", decoder_causal_lm},
	{0},
};

const nn_family family_gptsan_japanese = {
	.name = "gptsan-japanese",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(gptsan_config),
	.read_config = read_config,
	.make_positions = make_positions,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
