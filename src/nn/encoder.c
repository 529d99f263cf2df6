/*
 * encoder.c
 *	  The encoder of BERT (Devlin et al. 2018): its configuration and its layers.
 *	  Follows transformers/models/bert/modeling_bert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

const encoder_names encoder_bert_names = {
	.layer = "encoder.layer.%d",
	.query = "attention.self.query",
	.key = "attention.self.key",
	.value = "attention.self.value",
	.attention_output = "attention.output.dense",
	.attention_norm = "attention.output.LayerNorm",
	.intermediate = "intermediate.dense",
	.output = "output.dense",
	.output_norm = "output.LayerNorm",
};

#define BERT_EMBEDDINGS                                                                            \
	{                                                                                              \
		.words = "embeddings.word_embeddings", .positions = "embeddings.position_embeddings",      \
		.types = "embeddings.token_type_embeddings", .norm = "embeddings.LayerNorm"                \
	}

const encoder_config encoder_bert = {
	.common = {.vocab_size = 30522},
	.names = &encoder_bert_names,
	.embedding = BERT_EMBEDDINGS,
	.lm_head = {.dense = "cls.predictions.transform.dense",
				.norm = "cls.predictions.transform.LayerNorm",
				.decoder = "cls.predictions.decoder",
				.decoder_bias = "cls.predictions.bias"},
	.hidden_states = encoder_hidden_states,
};

const encoder_config encoder_roberta = {
	.common = {.vocab_size = 50265},
	.names = &encoder_bert_names,
	.embedding = BERT_EMBEDDINGS,
	.lm_head = {.dense = "lm_head.dense",
				.norm = "lm_head.layer_norm",
				.decoder = "lm_head.decoder",
				.decoder_bias = "lm_head.bias",
				.activation = ACTIVATION_GELU},
	.hidden_states = encoder_hidden_states,
};

/* ---- Configuration ---- */

static int64_t
either(int64_t value, int64_t fallback)
{
	return value != 0 ? value : fallback;
}

static void
read_layers(tfm_context *context, json file, encoder_config *c)
{
	const char *activation = json_string(context, file, "hidden_act", NULL);

	c->layers =
		(int) json_int(context, file, "num_hidden_layers", either(c->layers, 12), 0, NN_MAX_LAYERS);
	c->intermediate_size = json_int(context, file, "intermediate_size",
									either(c->intermediate_size, 3072), 1, NN_MAX_SIZE);
	if (activation != NULL)
		c->activation = nn_activation(context, activation);
	else if (c->activation == ACTIVATION_NONE)
		c->activation = ACTIVATION_GELU;
	c->norm_eps =
		json_double(context, file, "layer_norm_eps", c->norm_eps == 0 ? 1e-12 : c->norm_eps);
	c->attention.heads = (int) json_int(context, file, "num_attention_heads",
										either(c->attention.heads, 12), 1, NN_MAX_HEADS);
	c->attention.causal = json_bool(context, file, "is_decoder", false);
	c->crosses = c->attention.causal && json_bool(context, file, "add_cross_attention", false);
}

void
encoder_read_config(tfm_context *context, json file, encoder_config *c, int64_t position_offset)
{
	nn_config *common = &c->common;
	embedding *e = &c->embedding;

	common->vocab_size = json_int(context, file, "vocab_size", common->vocab_size, 1, NN_MAX_SIZE);
	common->hidden_size =
		json_int(context, file, "hidden_size", either(common->hidden_size, 768), 1, NN_MAX_SIZE);
	common->num_labels = nn_read_num_labels(context, file);
	common->tie_word_embeddings = json_bool(context, file, "tie_word_embeddings", true);
	read_layers(context, file, c);
	e->position_count = json_int(context, file, "max_position_embeddings",
								 either(e->position_count, 512), position_offset + 1, NN_MAX_SIZE);
	if (e->types != NULL)
		e->type_count =
			json_int(context, file, "type_vocab_size", either(e->type_count, 2), 0, NN_MAX_SIZE);
	encoder_finish_config(c, position_offset);
}

void
encoder_read_roberta_config(tfm_context *context, json file, encoder_config *c)
{
	c->common.pad_token_id = json_int(context, file, "pad_token_id", 1, 0, NN_MAX_SIZE);
	encoder_read_config(context, file, c, c->common.pad_token_id + 1);
}

void
encoder_finish_config(encoder_config *c, int64_t position_offset)
{
	embedding *e = &c->embedding;

	c->common.max_positions = e->position_count - position_offset;
	if (e->hidden_size == 0)
		e->hidden_size = c->common.hidden_size;
	c->common.embedding_size = e->hidden_size;
	e->word_count = c->common.vocab_size;
	e->norm_eps = c->norm_eps;
	if (c->lm_head.columns == 0)
		c->lm_head.columns = e->hidden_size;
	if (c->lm_head.activation == ACTIVATION_NONE)
		c->lm_head.activation = c->activation;
}

/* ---- Layers ---- */

static const char *
attention_norm(const encoder_config *c)
{
	return c->attention_norm == NULL ? c->names->attention_norm : c->attention_norm;
}

static const char *
output_norm(const encoder_config *c)
{
	return c->output_norm == NULL ? c->names->output_norm : c->output_norm;
}

/* What a part of a layer begins with. */
static tensor
norm_before(nn_model *m, tensor x, const encoder_config *c, const char *norm)
{
	return c->pre_norm ? layer_norm(m, x, norm, c->norm_eps) : x;
}

/* What it ends with: the product, the residual connection and the norm after it. */
static tensor
finish_part(nn_model *m, tensor x, tensor a, const encoder_config *c, const char *name,
			const char *norm)
{
	return linear(m, a, name, .columns = c->common.hidden_size, .residual = x, .replace = true,
				  .norm = c->pre_norm ? NULL : norm, .norm_eps = c->norm_eps);
}

static tensor
attend_to_self(nn_model *m, tensor x, const encoder_config *c, const attention *how)
{
	const encoder_names *names = c->names;
	const char *const projections[] = {names->query, names->key, names->value};
	tensor h = norm_before(m, x, c, attention_norm(c));
	tensor qkv[3] = {{0}}, a;

	if (!c->attends_alone)
		linear_parts(m, h, 3, projections, qkv);
	for (int i = 0; c->rope.kind != ROPE_NONE && i < (c->rotates_values ? 3 : 2); i++)
		rotate(m, &c->rope, qkv[i], 0, how->heads);
	if (c->attend != NULL)
		a = c->attend(m, c->attends_by == NULL ? c : c->attends_by, how, h, qkv);
	else
		a = attend(m, qkv[0], qkv[1], qkv[2], how);
	return finish_part(m, x, a, c, names->attention_output, attention_norm(c));
}

/* What a weight of the cross attention is called, which is another's name with "cross" before. */
static const char *
cross_name(char text[NN_NAME_MAX], const char *name)
{
	size_t length = 0;

	text[0] = '\0';
	if (nn_append_name(text, &length, "cross"))
		nn_append_name(text, &length, name);
	return text;
}

/* Keys and values of the memory's states; both empty where the cache has them. */
static void
project_memory(nn_model *m, const encoder_names *names, tensor kv[2])
{
	tensor states = m->batch->memory->states;
	char key[NN_NAME_MAX], value[NN_NAME_MAX];
	const char *const projections[] = {cross_name(key, names->key),
									   cross_name(value, names->value)};

	kv[0] = kv[1] = (tensor) {0};
	if (states.rank != 0)
		linear_parts(m, states, 2, projections, kv);
}

static tensor
attend_to_memory(nn_model *m, tensor x, const encoder_config *c, const attention *how)
{
	const encoder_names *names = c->names;
	char query[NN_NAME_MAX], output[NN_NAME_MAX], norm[NN_NAME_MAX];
	tensor q, kv[2], a;

	cross_name(norm, attention_norm(c));
	q = linear(m, norm_before(m, x, c, norm), cross_name(query, names->query));
	project_memory(m, names, kv);
	a = attend(m, q, kv[0], kv[1],
			   &(attention) {.heads = how->heads, .layer = how->layer, .cross = true});
	return finish_part(m, x, a, c, cross_name(output, names->attention_output), norm);
}

tensor
encoder_attend(nn_model *m, tensor x, const encoder_config *c, const attention *a)
{
	nn_scope part = nn_begin(m);
	tensor y;

	y = c->self_attention != NULL ? c->self_attention(m, x, c) : attend_to_self(m, x, c, a);
	x = nn_leave(m, part, x, y);
	if (m->batch->memory == NULL)
		return x;
	part = nn_begin(m);
	return nn_leave(m, part, x, attend_to_memory(m, x, c, a));
}

static tensor
feed_forward(nn_model *m, tensor x, const encoder_config *c)
{
	const encoder_names *names = c->names;
	tensor a = linear(m, norm_before(m, x, c, output_norm(c)), names->intermediate,
					  .columns = c->intermediate_size, .activation = c->activation);

	return finish_part(m, x, a, c, names->output, output_norm(c));
}

tensor
encoder_feed_forward(nn_model *m, tensor x, const encoder_config *c)
{
	nn_scope part = nn_begin(m);
	tensor y = c->feed_forward != NULL ? c->feed_forward(m, x, c) : feed_forward(m, x, c);

	return nn_leave(m, part, x, y);
}

/* Each half ends what it allocated: a batch's memory is that of the larger one. */
tensor
encoder_layer(nn_model *m, tensor x, const encoder_config *c, const attention *a)
{
	return encoder_feed_forward(m, encoder_attend(m, x, c, a), c);
}

static tensor
run_layers(nn_model *m, tensor x, const encoder_config *c, const attention *a)
{
	attention how = *a;

	for (int i = 0; i < c->layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer;

		nn_emit_hidden_state(m, i, x);
		layer = nn_enter(m, c->names->layer, i);
		how.layer = i;
		x = nn_leave(m, layer, x, encoder_layer(m, x, c, &how));
	}
	if (c->final_norm != NULL)
		normalize_in_place(m, x, c->final_norm, &(normalization) {.eps = c->norm_eps});
	nn_emit_hidden_state(m, c->layers, x);
	return x;
}

tensor
encode(nn_model *m, tensor x, const encoder_config *c, const attention *a)
{
	const nn_batch *kept = m->batch;
	nn_batch batch = *kept;
	nn_memory memory;

	if (c->crosses && kept->memory == NULL && encoder_take_memory(m, c, &memory))
	{
		batch.memory = &memory;
		m->batch = &batch;
	}
	x = run_layers(m, x, c, a);
	m->batch = kept;
	return x;
}

/* ---- Embeddings ---- */

tensor
encoder_embed(nn_model *m, const encoder_config *c)
{
	tensor x = embed(m, &c->embedding);

	return c->projection == NULL ? x
								 : linear(m, x, c->projection, .columns = c->common.hidden_size);
}

tensor
encoder_embed_states(nn_model *m, const embedding *e, tensor states)
{
	const nn_batch *batch = m->batch;
	nn_batch other = *batch;
	embedding rest = *e;
	tensor x;

	other.embeds = states.data;
	rest.words = NULL;
	m->batch = &other;
	x = embed(m, &rest);
	m->batch = batch;
	return x;
}

tensor
encoder_hidden_states(nn_model *m, const void *config)
{
	const encoder_config *c = config;

	return encode(m, encoder_embed(m, c), c, &c->attention);
}

/* ---- Caches ---- */

int
encoder_cache_layers(const void *config, kv_layer *layers)
{
	const encoder_config *c = config;
	int size = (int) (c->common.hidden_size / c->attention.heads);

	if (!c->attention.causal)
		return -1;
	for (int i = 0; layers != NULL && i < c->layers; i++)
		layers[i] = (kv_layer) {.heads = c->attention.heads, .key_dim = size, .value_dim = size};
	return c->layers;
}

void
encoder_remember(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor states = m->batch->memory->states;
	tensor nothing = {.dtype = DTYPE_F32, .rank = 2, .shape = {0, c->common.hidden_size}};

	for (int i = 0; i < c->layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer = nn_enter(m, c->names->layer, i);
		tensor kv[2];

		/* of no queries at all */
		project_memory(m, c->names, kv);
		attend(m, nothing, kv[0], kv[1],
			   &(attention) {.heads = c->attention.heads, .layer = i, .cross = true});
		nn_leave(m, layer, states, states);
	}
}

/* ---- Positions ---- */

void
encoder_positions_after_padding(int64_t padding_id, const int32_t *ids, int64_t count,
								int32_t *positions)
{
	int32_t seen = 0;

	for (int64_t i = 0; i < count; i++)
		positions[i] = (int32_t) padding_id + (ids != NULL && ids[i] == padding_id ? 0 : ++seen);
}

void
encoder_make_positions(const void *config, const int32_t *ids, const uint8_t *mask, int64_t count,
					   int32_t *positions)
{
	const encoder_config *c = config;

	(void) mask;
	encoder_positions_after_padding(c->common.pad_token_id, ids, count, positions);
}
