/*
 * decoder_config.c
 *	  What the configurations of decoders have in common, and what their caches hold.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "nn/decoder.h"

/* An integer under the family's own key, or under LLaMA's; an own key "" stands for no key. */
static int64_t
read_size(tfm_context *context, json file, const char *own, const char *key, int64_t fallback,
		  int64_t minimum, int64_t maximum)
{
	if (own != NULL && (own[0] == '\0' || json_present(json_member(file, own))))
		key = own;
	return json_int(context, file, key, fallback, minimum, maximum);
}

/* Heads, and that they fit each other. */
static void
read_heads(tfm_context *context, json file, const decoder_defaults *d, decoder_config *c)
{
	int64_t heads = read_size(context, file, d->heads_key, "num_attention_heads", d->sizes.heads, 1,
							  NN_MAX_HEADS);
	bool same = d->sizes.kv_heads == 0 || nn_is_null(file, "num_key_value_heads");
	int64_t fallback = same ? heads : d->sizes.kv_heads;
	int64_t kv_heads =
		read_size(context, file, d->kv_heads_key, "num_key_value_heads", fallback, 1, NN_MAX_HEADS);
	int64_t head_dim = d->head_dim == 0 || nn_is_null(file, "head_dim")
						   ? c->common.hidden_size / heads
						   : d->head_dim;

	c->attention.heads = (int) heads;
	c->attention.kv_heads = (int) kv_heads;
	c->head_dim = (int) json_int(context, file, "head_dim", head_dim, 1, NN_MAX_SIZE / heads);
	if (c->head_dim < 1)
		tfm_fail(context, TFM_CORRUPTED, "%s: %lld heads are too many for a hidden size of %lld",
				 file.source, (long long) heads, (long long) c->common.hidden_size);
	if (heads % kv_heads != 0)
		tfm_fail(context, TFM_CORRUPTED, "%s: %lld heads cannot share keys of %lld", file.source,
				 (long long) heads, (long long) kv_heads);
}

void
decoder_read_config(tfm_context *context, json file, const decoder_defaults *d, decoder_config *c)
{
	nn_config *common = &c->common;
	const char *key = d->activation_key;
	int64_t positions;

	common->vocab_size = json_int(context, file, "vocab_size", d->vocab_size, 1, NN_MAX_SIZE);
	common->hidden_size = read_size(context, file, d->hidden_size_key, "hidden_size",
									d->sizes.hidden, 1, NN_MAX_SIZE);
	positions = read_size(context, file, d->max_positions_key, "max_position_embeddings",
						  d->max_positions, 1, INT32_MAX);
	common->max_positions = positions;
	common->num_labels = nn_read_num_labels(context, file);
	common->pad_token_id =
		json_int(context, file, "pad_token_id",
				 nn_is_null(file, "pad_token_id") ? -1 : d->pad_token_id, -1, NN_MAX_SIZE);
	common->tie_word_embeddings =
		json_bool(context, file, "tie_word_embeddings", d->tie_word_embeddings);
	c->layers = (int) read_size(context, file, d->layers_key, "num_hidden_layers", d->sizes.layers,
								0, NN_MAX_LAYERS);
	c->intermediate_size =
		read_size(context, file, d->intermediate_size_key, "intermediate_size",
				  d->sizes.intermediate == 0 ? 4 * common->hidden_size : d->sizes.intermediate, 1,
				  NN_MAX_SIZE);
	if (key == NULL || !json_present(json_member(file, key)))
		key = "hidden_act";
	c->activation = nn_activation(
		context, json_string(context, file, key, d->activation == NULL ? "silu" : d->activation));
	key = d->norm_eps_key == NULL ? "rms_norm_eps" : d->norm_eps_key;
	c->norm.eps = json_double(context, file, key, d->norm_eps);
	read_heads(context, file, d, c);
	c->embedding.hidden_size = common->hidden_size;
	c->embedding.word_count = common->vocab_size;
	c->embedding.tied = common->tie_word_embeddings;
	c->embedding.position_count = positions + c->embedding.first_position;
}

void
decoder_read_llama(tfm_context *context, json file, const decoder_names *names,
				   const decoder_defaults *defaults, decoder_config *c)
{
	*c = (decoder_config) {
		.names = names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true},
		.head_norm = {.rms = true},
	};
	decoder_read_config(context, file, defaults, c);
	c->head_norm.eps = c->norm.eps;
}

void
decoder_read_rope(tfm_context *context, json file, const rope_defaults *defaults, decoder_config *c)
{
	rope_defaults d = *defaults;

	if (tfm_failed(context))
		return;
	d.head_dim = d.head_dim == 0 ? c->head_dim : d.head_dim;
	d.theta = d.theta == 0 ? 10000 : d.theta;
	d.max_positions = c->common.max_positions;
	rope_read(context, file, NULL, &d, &c->ropes[0]);
	c->common.any_position = true;
}

decoder_layer *
decoder_make_layers(tfm_context *context, decoder_config *c)
{
	decoder_layer *each;

	if (tfm_failed(context))
		return NULL;
	each = tfm_alloc_array(context, (size_t) c->layers, sizeof(decoder_layer));
	if (each != NULL && c->layers > 0)
		memset(each, 0, (size_t) c->layers * sizeof(decoder_layer));
	c->each = each;
	return each;
}

/* The layers of c, to be changed. */
static decoder_layer *
get_layers(tfm_context *context, decoder_config *c)
{
	return c->each == NULL ? decoder_make_layers(context, c) : (decoder_layer *) c->each;
}

static int64_t
read_window(tfm_context *context, json file, int64_t window)
{
	if (nn_is_null(file, "sliding_window"))
		return 0;
	return json_int(context, file, "sliding_window", window, 0, INT32_MAX);
}

void
decoder_read_window(tfm_context *context, json file, int64_t window, decoder_config *c)
{
	decoder_layer *each;

	window = read_window(context, file, window);
	each = window == 0 ? NULL : get_layers(context, c);
	for (int i = 0; each != NULL && i < c->layers; i++)
		each[i].window = window;
}

void
decoder_read_layer_types(tfm_context *context, json file, int64_t window,
						 bool (*is_sliding)(tfm_context *context, json file, int layer),
						 decoder_config *c)
{
	json types = json_member(file, "layer_types"), type = json_first(types);
	decoder_layer *each = get_layers(context, c);

	window = read_window(context, file, window);
	for (int i = 0; each != NULL && i < c->layers; i++, type = json_next(type))
	{
		bool sliding =
			json_is_array(types)
				? json_is_string(type) && strcmp(json_as_string(type), "sliding_attention") == 0
				: is_sliding(context, file, i);

		each[i].window = sliding ? window : 0;
	}
}

void
decoder_read_two_ropes(tfm_context *context, json file, double theta, double sliding_theta,
					   decoder_config *c)
{
	rope_defaults d = {
		.head_dim = c->head_dim, .theta = theta, .max_positions = c->common.max_positions};
	json ropes = json_member(file, "rope_parameters");
	decoder_layer *each = (decoder_layer *) c->each;

	if (tfm_failed(context))
		return;
	rope_read(context, file, "full_attention", &d, &c->ropes[0]);
	d.theta = sliding_theta;
	rope_read_parameters(context, ropes, json_member(ropes, "sliding_attention"), &d, &c->ropes[1]);
	for (int i = 0; i < c->layers; i++)
		each[i].rope = each[i].window != 0;
	c->common.any_position = true;
}

void
decoder_turn_with_windows(decoder_config *c)
{
	decoder_layer *each = (decoder_layer *) c->each;

	for (int i = 0; each != NULL && i < c->layers; i++)
		each[i].rope = each[i].window == 0 ? -1 : 0;
}

bool
decoder_slides_by_pattern(tfm_context *context, json file, int layer, int64_t fallback)
{
	int64_t pattern = json_int(context, file, "sliding_window_pattern", fallback, 1, NN_MAX_LAYERS);

	return (layer + 1) % pattern != 0;
}

void
decoder_keep_states(tfm_context *context, decoder_config *c, int64_t state)
{
	decoder_layer *each = get_layers(context, c);

	for (int i = 0; each != NULL && i < c->layers; i++)
		each[i].state = state;
	c->common.any_position = true;
}

void
decoder_read_experts(tfm_context *context, json file, const char *experts_key, int64_t experts,
					 const char *chosen_key, int64_t chosen, decoder_config *c)
{
	decoder_layer *each = get_layers(context, c);

	/* Transformers takes either key for the other. */
	experts = json_int(context, file, "num_experts", experts, 1, MOE_MAX_EXPERTS);
	experts = json_int(context, file, "num_local_experts", experts, 1, MOE_MAX_EXPERTS);
	experts = json_int(context, file, experts_key, experts, 1, MOE_MAX_EXPERTS);
	c->moe.experts = (int) experts;
	c->moe.chosen = (int) json_int(context, file, chosen_key, chosen, 1,
								   experts < MOE_MAX_CHOSEN ? experts : MOE_MAX_CHOSEN);
	c->moe.activation = c->activation;
	if (c->moe.intermediate_size == 0)
		c->moe.intermediate_size = c->intermediate_size;
	for (int i = 0; each != NULL && i < c->layers; i++)
		each[i].mixture = true;
}

void
decoder_read_dense_layers(tfm_context *context, json file, decoder_config *c)
{
	int64_t step = json_int(context, file, "decoder_sparse_step", 1, 1, NN_MAX_LAYERS);
	decoder_layer *each = (decoder_layer *) c->each;
	json dense = json_member(file, "mlp_only_layers");
	int64_t layer;

	for (int i = 0; each != NULL && i < c->layers; i++)
		each[i].mixture = (i + 1) % step == 0;
	for (json e = json_first(dense); each != NULL && json_present(e); e = json_next(e))
		if (json_to_int(e, 0, c->layers - 1, &layer))
			each[layer].mixture = false;
}

void
decoder_read_choice(tfm_context *context, json file, decoder_config *c)
{
	nn_config one = c->common;

	one.num_labels = 1;
	summary_read_config(context, file, &one,
						&(summary_defaults) {.type = "cls_index", .to_labels = true}, &c->choice);
}

int
decoder_cache_layers(const void *config, kv_layer *layers)
{
	const decoder_config *c = config;

	for (int i = 0; layers != NULL && i < c->layers; i++)
	{
		layers[i] = (kv_layer) {
			.heads = c->attention.kv_heads == 0 ? c->attention.heads : c->attention.kv_heads,
			.key_dim = c->head_dim,
			.value_dim = c->head_dim,
			.window = c->each == NULL ? 0 : c->each[i].window,
		};
		if (c->each != NULL && c->each[i].state > 0)
			layers[i] = (kv_layer) {.state = c->each[i].state};
	}
	return c->layers;
}
