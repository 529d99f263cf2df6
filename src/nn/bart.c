/*
 * bart.c
 *	  BART's encoder and decoder: embeddings, layers, scores of words.
 *	  Follows transformers/models/bart/modeling_bart.py, and mbart for norms that come first.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/bart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/encoder.h"
#include "nn/sinusoid.h"
#include "tensor/embed.h"

/* Fixed in all its layer norms. */
#define NORM_EPS 1e-5

const bart_config bart_large = {
	.seq2seq = {.common = {.vocab_size = 50265,
						   .hidden_size = 1024,
						   .max_positions = 1024,
						   .pad_token_id = 1},
				.eos_token_id = 2,
				.decoder_start_token_id = 2},
	.encoder = {.layers = 12, .heads = 16, .intermediate_size = 4096},
	.decoder = {.layers = 12, .heads = 16, .intermediate_size = 4096},
};

const nn_head bart_heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{"ForSequenceClassification", "text-classification", seq2seq_sequence_classification},
	{"ForQuestionAnswering", "question-answering", seq2seq_question_answering},
	{"ForCausalLM", "text-generation", seq2seq_causal_lm},
	{0},
};

const nn_head bart_generation_heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{"ForCausalLM", "text-generation", seq2seq_causal_lm},
	{0},
};

/* ---- Names ---- */

static const bart_names own_names = {
	.positions = "embed_positions",
	.embedding_norm = "layernorm_embedding",
	.self = {.projections = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
			 .output = "self_attn.out_proj",
			 .norm = "self_attn_layer_norm"},
	.memory = {.projections = {"encoder_attn.q_proj", "encoder_attn.k_proj", "encoder_attn.v_proj"},
			   .output = "encoder_attn.out_proj",
			   .norm = "encoder_attn_layer_norm"},
	.fc1 = "fc1",
	.fc2 = "fc2",
	.feed_forward_norm = "final_layer_norm",
};

static const bart_names *
names_of(const bart_config *c)
{
	return c->names == NULL ? &own_names : c->names;
}

/* ---- Configuration ---- */

static tensor encode_batch(nn_model *m, const void *config);
static tensor decode_batch(nn_model *m, const void *config);
static tensor predict_words(nn_model *m, const void *config, tensor x);

static void
read_part(tfm_context *context, json file, const char *name, bart_part *part)
{
	char key[64];

	snprintf(key, sizeof(key), "%s_layers", name);
	part->layers = (int) json_int(context, file, key, part->layers, 0, NN_MAX_LAYERS);
	snprintf(key, sizeof(key), "%s_attention_heads", name);
	part->heads = (int) json_int(context, file, key, part->heads, 1, NN_MAX_HEADS);
	snprintf(key, sizeof(key), "%s_ffn_dim", name);
	part->intermediate_size = json_int(context, file, key, part->intermediate_size, 1, NN_MAX_SIZE);
}

void
bart_read_config(tfm_context *context, json file, const char *activation, bart_config *c)
{
	nn_config *common = &c->seq2seq.common;
	int64_t hidden = json_int(context, file, "hidden_size", common->hidden_size, 1, NN_MAX_SIZE);
	int64_t layers = c->encoder.layers, heads = c->encoder.heads;

	c->encoder.layers =
		(int) json_int(context, file, "num_hidden_layers", layers, 0, NN_MAX_LAYERS);
	c->encoder.heads = (int) json_int(context, file, "num_attention_heads", heads, 1, NN_MAX_HEADS);
	read_part(context, file, "encoder", &c->encoder);
	read_part(context, file, "decoder", &c->decoder);
	common->hidden_size = json_int(context, file, "d_model", hidden, 1, NN_MAX_SIZE);
	common->vocab_size = json_int(context, file, "vocab_size", common->vocab_size, 1, NN_MAX_SIZE);
	common->max_positions =
		json_int(context, file, "max_position_embeddings", common->max_positions, 1, NN_MAX_SIZE);
	c->activation =
		nn_activation(context, json_string(context, file, "activation_function", activation));
	c->scale_embedding = json_bool(context, file, "scale_embedding", c->scale_embedding);
	seq2seq_read_config(context, file, &c->seq2seq);
	c->seq2seq.encode = encode_batch;
	c->seq2seq.decode = decode_batch;
	c->seq2seq.predict_words = predict_words;
}

/* ---- Embeddings ---- */

/* x [tokens, hidden] and the rows of "<name>.weight" for the positions; x is overwritten. */
static tensor
add_learned(nn_model *m, tensor x, const bart_config *c, const char *name, int64_t positions)
{
	const nn_batch *batch = m->batch;
	int64_t count = positions + c->position_offset;
	const weight *w = nn_weight(m, name, LAYOUT_ROWS, count, x.shape[1]);
	tensor rows = nn_matrix(m, x.shape[0], x.shape[1]);
	int32_t *ids;

	if (w == NULL || !nn_live(m))
		return x;
	ids = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(int32_t));
	for (int64_t t = 0; ids != NULL && t < batch->tokens; t++)
		if (__builtin_add_overflow(batch->positions[t], c->position_offset, &ids[t]))
			ids[t] = -1;
	if (ids != NULL)
		op_embed(m->context, &(op_embed_options) {.tables[0] = {.table = w->data,
																.dtype = w->dtype,
																.count = w->shape[0],
																.ids = ids},
												  .tokens = batch->tokens,
												  .n = x.shape[1],
												  .y = rows.data});
	return add(m, x, rows, 1.0);
}

/*
 * Positions as M2M100's generation counts them: of what came before, all tokens, though a whole row
 * is counted without its padding.
 */
static tensor
add_fairseq_positions(nn_model *m, tensor x, const bart_config *c)
{
	const nn_batch *batch = m->batch;
	const int64_t padding = c->seq2seq.common.pad_token_id;
	const sinusoids how = {.step = sinusoid_step(c->seq2seq.common.hidden_size), .zero = padding};
	nn_batch counted = *batch;
	int32_t *positions;

	if (batch->cache == NULL || !nn_live(m))
		return add_sinusoids(m, x, &how);
	positions = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(int32_t));
	for (int64_t t = 0; positions != NULL && t < batch->tokens; t++)
		positions[t] =
			(int32_t) (batch->ids[t] == padding ? padding : padding + 1 + batch->columns[t]);
	counted.positions = positions;
	m->batch = &counted;
	x = add_sinusoids(m, x, &how);
	m->batch = batch;
	return x;
}

static tensor
add_positions(nn_model *m, tensor x, const bart_config *c, const char *part)
{
	const nn_config *common = &c->seq2seq.common;
	char name[NN_NAME_MAX];

	snprintf(name, sizeof(name), "%s.%s.weight", part, names_of(c)->positions);
	if (c->positions == BART_FAIRSEQ)
		return add_fairseq_positions(m, x, c);
	if (c->positions == BART_FAIRSEQ_FROM_ZERO)
		return add_sinusoids(m, x,
							 &(sinusoids) {.step = sinusoid_step(common->hidden_size), .zero = -1});
	if (c->positions == BART_SINUSOIDS && !nn_has_weight(m, name))
		return add_sinusoids(
			m, x,
			&(sinusoids) {
				.base = 10000, .zero = -1, .limit = common->max_positions, .precise = true});
	if (c->decoder_positions != 0 && strcmp(part, "decoder") == 0)
		return add_learned(m, x, c, name, c->decoder_positions);
	return add_learned(m, x, c, name, common->max_positions);
}

static tensor
norm_embeddings(nn_model *m, tensor x, const bart_config *c, const char *part)
{
	char name[NN_NAME_MAX];

	snprintf(name, sizeof(name), "%s.%s", part, names_of(c)->embedding_norm);
	return c->embedding_norm ? layer_norm(m, x, name, NORM_EPS) : x;
}

tensor
bart_embed(nn_model *m, const bart_config *c, const char *part, const char *const *words,
		   int64_t word_count)
{
	bool decoder = strcmp(part, "decoder") == 0, given = m->batch->embeds != NULL;
	tensor x = embed(m, &(embedding) {.hidden_size = c->seq2seq.common.hidden_size,
									  .words = seq2seq_find_words(m, words),
									  .word_count = word_count});

	if (c->scale_embedding && !(decoder && c->decoder_keeps_words) &&
		(!given || (decoder ? c->decoder_scales_input : c->encoder_scales_input)))
		x = scale(m, x, sqrt((double) c->seq2seq.common.hidden_size), 0.0);
	if (decoder && c->decoder_norms_words)
		return add_positions(m, norm_embeddings(m, x, c, part), c, part);
	return norm_embeddings(m, add_positions(m, x, c, part), c, part);
}

/* ---- Layers ---- */

/* What a part of a layer begins with. */
static tensor
norm_before(nn_model *m, tensor x, const bart_config *c, const char *norm)
{
	return c->pre_norm ? layer_norm(m, x, norm, NORM_EPS) : x;
}

/* What it ends with: the product, the residual connection and the norm after it. */
static tensor
finish_part(nn_model *m, tensor x, tensor a, const bart_config *c, const char *name,
			const char *norm)
{
	return linear(m, a, name, .columns = c->seq2seq.common.hidden_size, .residual = x,
				  .replace = true, .norm = c->pre_norm ? NULL : norm, .norm_eps = NORM_EPS);
}

static tensor
attend_to_self(nn_model *m, tensor x, const bart_config *c, const attention *how)
{
	bool own = c->attend_encoder != NULL && !how->causal;
	const bart_attention_names *names = own ? c->encoder_self : &names_of(c)->self;
	tensor h = norm_before(m, x, c, names->norm);
	tensor qkv[3], a;

	linear_parts(m, h, 3, names->projections, qkv);
	if (own)
		a = c->attend_encoder(m, c->encoder_attends_by == NULL ? c : c->encoder_attends_by, how, h,
							  qkv);
	else
		a = attend(m, qkv[0], qkv[1], qkv[2], how);
	return finish_part(m, x, a, c, names->output, names->norm);
}

static tensor
attend_to_memory(nn_model *m, tensor x, const bart_config *c, const attention *how)
{
	const bart_attention_names *names = &names_of(c)->memory;
	const nn_memory *memory = m->batch->memory;
	tensor h = norm_before(m, x, c, names->norm);
	tensor q = linear(m, h, names->projections[0]);
	tensor kv[2] = {{0}}, a;

	if (memory->states.rank != 0)
		linear_parts(m, memory->states, 2, names->projections + 1, kv);
	a = attend(m, q, kv[0], kv[1], how);
	return finish_part(m, x, a, c, names->output, names->norm);
}

static tensor
feed_forward(nn_model *m, tensor x, const bart_config *c, const bart_part *part, int layer)
{
	const bart_names *names = names_of(c);
	tensor h = norm_before(m, x, c, names->feed_forward_norm);

	if (part->sparse_step > 0 && (layer + 1) % part->sparse_step == 0)
	{
		moe experts = c->experts;

		experts.intermediate_size = part->intermediate_size;
		x = add(m, x, mixture(m, h, &experts), 1.0);
		return c->pre_norm ? x : layer_norm(m, x, names->feed_forward_norm, NORM_EPS);
	}
	h = linear(m, h, names->fc1, .columns = part->intermediate_size, .activation = c->activation);
	return finish_part(m, x, h, c, names->fc2, names->feed_forward_norm);
}

/* Each part of a layer ends what it allocated. */
static tensor
run_layer(nn_model *m, tensor x, const bart_config *c, const bart_part *part, const attention *how)
{
	nn_scope scope = nn_begin(m);

	x = nn_leave(m, scope, x, attend_to_self(m, x, c, how));
	if (m->batch->memory != NULL)
	{
		attention memory = {.heads = how->heads, .layer = how->layer, .cross = true};

		scope = nn_begin(m);
		x = nn_leave(m, scope, x, attend_to_memory(m, x, c, &memory));
	}
	scope = nn_begin(m);
	return nn_leave(m, scope, x, feed_forward(m, x, c, part, how->layer));
}

tensor
bart_run_layers(nn_model *m, tensor x, const bart_config *c, const bart_part *part,
				const char *name, bool causal)
{
	char norm[NN_NAME_MAX];

	for (int i = 0; i < part->layers && !tfm_failed(m->context); i++)
	{
		attention how = {.heads = part->heads, .layer = i, .causal = causal};
		nn_scope layer;

		nn_emit_hidden_state(m, i, x);
		layer = nn_enter(m, "%s.layers.%d", name, i);
		x = nn_leave(m, layer, x, run_layer(m, x, c, part, &how));
	}
	snprintf(norm, sizeof(norm), "%s.%s", name,
			 c->final_norm == NULL ? "layer_norm" : c->final_norm);
	x = norm_before(m, x, c, norm);
	nn_emit_hidden_state(m, part->layers, x);
	return x;
}

static tensor
encode_batch(nn_model *m, const void *config)
{
	static const char *const words[] = {"encoder.embed_tokens", "shared", "decoder.embed_tokens",
										NULL};
	const bart_config *c = config;
	tensor x = bart_embed(m, c, "encoder", words, c->seq2seq.common.vocab_size);

	return bart_run_layers(m, x, c, &c->encoder, "encoder", false);
}

static tensor
decode_batch(nn_model *m, const void *config)
{
	static const char *const words[] = {"decoder.embed_tokens", "shared", "encoder.embed_tokens",
										NULL};
	const bart_config *c = config;
	tensor x = bart_embed(m, c, "decoder", words, nn_output_words(&c->seq2seq.common));

	return bart_run_layers(m, x, c, &c->decoder, "decoder",
						   !c->sees_ahead || m->batch->cache != NULL);
}

/* Words' rows are what scores are made with, where there is no weight of their own. */
static tensor
predict_words(nn_model *m, const void *config, tensor x)
{
	static const char *const words[] = {"lm_head",
										"decoder.output_projection",
										"shared",
										"decoder.embed_tokens",
										"encoder.embed_tokens",
										NULL};

	return linear(m, x, seq2seq_find_words(m, words), .columns = nn_output_words(config),
				  .bias = "final_logits_bias");
}

/* ---- Generation ---- */

void
bart_make_positions(const void *config, const int32_t *ids, const uint8_t *mask, int64_t count,
					int32_t *positions)
{
	const bart_config *c = config;

	(void) mask;
	encoder_positions_after_padding(c->seq2seq.common.pad_token_id, ids, count, positions);
}

void
bart_make_decoder_ids(const void *config, const int32_t *ids, int64_t count, int32_t *decoder_ids)
{
	const bart_config *c = config;
	int64_t kept = 0;

	seq2seq_shift_right(config, ids, count, decoder_ids);
	if (!c->last_comes_first)
		return;
	for (int64_t i = 0; i < count; i++)
		kept += ids[i] != c->seq2seq.common.pad_token_id;
	decoder_ids[0] = ids[kept == 0 ? count - 1 : kept - 1];
}

int
bart_cache_layers(const void *config, kv_layer *layers)
{
	const bart_config *c = config;
	int size = (int) (c->seq2seq.common.hidden_size / c->decoder.heads);

	for (int i = 0; layers != NULL && i < c->decoder.layers; i++)
		layers[i] = (kv_layer) {.heads = c->decoder.heads, .key_dim = size, .value_dim = size};
	return c->decoder.layers;
}

void
bart_remember(nn_model *m, const void *config)
{
	const bart_config *c = config;

	for (int i = 0; i < c->decoder.layers && !tfm_failed(m->context); i++)
	{
		tensor states = m->batch->memory->states;
		nn_scope layer = nn_enter(m, "decoder.layers.%d", i);
		tensor nothing = {.dtype = DTYPE_F32, .rank = 2, .shape = {0, states.shape[1]}};
		tensor kv[2];

		/* of no queries at all */
		linear_parts(m, states, 2, names_of(c)->memory.projections + 1, kv);
		attend(m, nothing, kv[0], kv[1],
			   &(attention) {.heads = c->decoder.heads, .layer = i, .cross = true});
		nn_leave(m, layer, states, states);
	}
}
