/*
 * canine.c
 *	  CANINE (Clark et al. 2021): a text's characters, hashed instead of looked up, are encoded within
 *	  chunks, some at a time become a molecule, molecules go through BERT's layers, and characters with
 *	  their molecules through a last one.  Masked characters are parts of molecules, too.
 *	  Follows transformers/models/canine/modeling_canine.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "nn/convolution.h"
#include "nn/encoder.h"
#include "nn/inputs.h"

#define MAX_HASHES 16
#define CHARACTERS 1114112 /* of Unicode, which ids are */

typedef struct canine_config
{
	encoder_config encoder;
	int hashes;
	int64_t buckets;  /* of each hash */
	int64_t rate;	  /* characters of a molecule */
	int64_t chunk;	  /* characters that see each other first */
	convolution last; /* of characters with their molecules */
} canine_config;

/* ---- Characters ---- */

static tensor
hash_characters(nn_model *m, const canine_config *c)
{
	static const int32_t primes[MAX_HASHES] = {31,	43,	 59,  61,  73,	97,	 103, 113,
											   137, 149, 157, 173, 181, 193, 211, 223};
	const nn_batch *batch = m->batch;
	int64_t columns = c->encoder.common.hidden_size / c->hashes;
	tensor x = nn_matrix(m, batch->tokens, c->encoder.common.hidden_size);
	int32_t *ids = NULL;
	char name[NN_NAME_MAX];

	if (nn_live(m))
		ids = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(int32_t));
	for (int h = 0; h < c->hashes && !tfm_failed(m->context); h++)
	{
		for (int64_t t = 0; ids != NULL && t < batch->tokens; t++)
			ids[t] = (int32_t) (((int64_t) batch->ids[t] + 1) * primes[h] % c->buckets);
		snprintf(name, sizeof(name), "char_embeddings.HashBucketCodepointEmbedder_%d", h);
		put_columns(m, x, look_up(m, name, c->buckets, columns, ids), h * columns);
	}
	return x;
}

static tensor
embed_characters(nn_model *m, const canine_config *c)
{
	tensor x;

	if (m->batch->embeds != NULL)
		return embed(m, &c->encoder.embedding);
	x = hash_characters(m, c);
	return encoder_embed_states(m, &c->encoder.embedding, x);
}

/* ---- Parts ---- */

/* Who sees but masked tokens sees all of them alike. */
static tensor
attend_or_average(nn_model *m, const void *config, const attention *how, tensor x,
				  const tensor qkv[3])
{
	const nn_batch *batch = m->batch;
	int64_t n = x.shape[1];
	tensor y = attend(m, qkv[0], qkv[1], qkv[2], how);

	(void) config;
	for (int64_t i = 0; nn_live(m) && batch->hidden != NULL && i < batch->sequences; i++)
	{
		int64_t first = batch->offsets[i], count = batch->offsets[i + 1] - first;
		float *mean = (float *) y.data + first * n;

		if (count == 0 || memchr(batch->hidden + first, 0, (size_t) count) != NULL)
			continue;
		memset(mean, 0, (size_t) n * sizeof(float));
		for (int64_t t = 0; t < count; t++)
			for (int64_t j = 0; j < n; j++)
				mean[j] += ((const float *) qkv[2].data)[(first + t) * n + j] / (float) count;
		for (int64_t t = 1; t < count; t++)
			memcpy(mean + t * n, mean, (size_t) n * sizeof(float));
	}
	return y;
}

/* A batch of parts of each sequence, of which one has so many; each has so many tokens, the last fewer. */
static bool
cut_batch(nn_model *m, int64_t size, nn_batch *cut)
{
	const nn_batch *batch = m->batch;
	int64_t parts = 0;
	int32_t *offsets;

	*cut = *batch;
	if (!nn_live(m))
		return true;
	for (int64_t i = 0; i < batch->sequences; i++)
		parts += (batch->offsets[i + 1] - batch->offsets[i] + size - 1) / size;
	offsets = tfm_alloc_array(m->context, (size_t) parts + 1, sizeof(int32_t));
	if (offsets == NULL)
		return false;
	cut->offsets = offsets;
	cut->sequences = parts;
	for (int64_t i = 0; i < batch->sequences; i++)
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t += size)
			*offsets++ = (int32_t) t;
	*offsets = (int32_t) batch->tokens;
	return true;
}

/* A batch of molecules, of so many whole characters each; one is masked if all of its characters are. */
static bool
make_molecules(nn_model *m, int64_t rate, nn_batch *molecules)
{
	const nn_batch *batch = m->batch;
	int32_t *offsets;
	uint8_t *hidden;

	*molecules = (nn_batch) {.sequences = batch->sequences, .tokens = batch->tokens, .choices = 1};
	if (!nn_live(m))
		return true;
	offsets = tfm_alloc_array(m->context, (size_t) batch->sequences + 1, sizeof(int32_t));
	hidden = tfm_alloc_zero(m->context, (size_t) batch->tokens);
	if (offsets == NULL || hidden == NULL)
		return false;
	offsets[0] = 0;
	for (int64_t i = 0; i < batch->sequences; i++)
	{
		int64_t first = batch->offsets[i], count = (batch->offsets[i + 1] - first) / rate;

		if (count == 0)
			return tfm_fail(m->context, TFM_INVALID_ARGUMENT,
							"row %lld of the input has fewer than %lld characters", (long long) i,
							(long long) rate);
		offsets[i + 1] = offsets[i] + (int32_t) count;
		for (int64_t k = 0; batch->hidden != NULL && k < count; k++)
			hidden[offsets[i] + k] =
				memchr(batch->hidden + first + k * rate, 0, (size_t) rate) == NULL;
	}
	molecules->tokens = offsets[batch->sequences];
	molecules->offsets = offsets;
	molecules->hidden = hidden;
	return true;
}

/* Each row is the first character, then the molecules but for the last: x [characters, n]. */
static tensor
join_characters(nn_model *m, tensor x, const nn_batch *molecules, const canine_config *c)
{
	const encoder_config *e = &c->encoder;
	const nn_batch *batch = m->batch;
	int64_t n = x.shape[1];
	tensor joined = nn_matrix(m, molecules->tokens, n * c->rate), y, z;

	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
		for (int64_t k = molecules->offsets[i]; k < molecules->offsets[i + 1]; k++)
			for (int64_t j = 0; j < n * c->rate; j++)
				((float *) joined.data)[k * n * c->rate + j] = ((const float *) x.data)
					[(batch->offsets[i] + (k - molecules->offsets[i]) * c->rate + j % c->rate) * n +
					 j / c->rate];
	y = linear(m, joined, "chars_to_molecules.conv", .columns = n, .activation = e->activation);
	z = nn_matrix(m, molecules->tokens, n);
	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
	{
		int64_t first = molecules->offsets[i], count = molecules->offsets[i + 1] - first;

		memcpy((float *) z.data + first * n, (const float *) x.data + batch->offsets[i] * n,
			   (size_t) n * sizeof(float));
		memcpy((float *) z.data + (first + 1) * n, (const float *) y.data + first * n,
			   (size_t) ((count - 1) * n) * sizeof(float));
	}
	return layer_norm(m, z, "chars_to_molecules.LayerNorm", e->norm_eps);
}

/* Each character beside a molecule: the one after its own, as the first of a row is none. */
static tensor
split_molecules(nn_model *m, tensor x, tensor y, const nn_batch *molecules, const canine_config *c)
{
	const nn_batch *batch = m->batch;
	int64_t n = x.shape[1];
	tensor both = nn_matrix(m, x.shape[0], 2 * n);

	put_columns(m, both, x, 0);
	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
		{
			int64_t k = molecules->offsets[i] + (t - batch->offsets[i]) / c->rate + 1;

			k = k < molecules->offsets[i + 1] ? k : molecules->offsets[i + 1] - 1;
			memcpy((float *) both.data + t * 2 * n + n, (const float *) y.data + k * n,
				   (size_t) n * sizeof(float));
		}
	y = convolve_around(m, both, "projection.conv", &c->last);
	activate(m, y, c->encoder.activation);
	normalize_in_place(m, y, "projection.LayerNorm", &(normalization) {.eps = c->encoder.norm_eps});
	return y;
}

/* ---- The pass ---- */

static void
emit_state(nn_model *m, int number, tensor x, bool characters)
{
	if (characters)
		nn_emit_hidden_state(m, number, x);
	else
		nn_emit_other_state(m, number, x);
}

/* Layers of an encoder over the tokens of a batch, and their states, counted from *states on. */
static tensor
run_encoder(nn_model *m, const char *name, int layers, tensor x, const nn_batch *tokens,
			const canine_config *c, int *states)
{
	const nn_batch *batch = m->batch;
	bool characters = tokens->tokens == batch->tokens && tokens->ids != NULL;
	nn_scope scope;

	emit_state(m, (*states)++, x, characters);
	for (int i = 0; i < layers && !tfm_failed(m->context); i++)
	{
		scope = nn_enter(m, "%s.layer.%d", name, i);
		m->batch = tokens;
		x = encoder_layer(m, x, &c->encoder, &c->encoder.attention);
		m->batch = batch;
		x = nn_leave(m, scope, x, x);
		emit_state(m, (*states)++, x, characters);
	}
	return x;
}

/* The last characters' states [tokens, hidden], and the molecules before them. */
static tensor
encode_text(nn_model *m, const canine_config *c, nn_batch *molecules, tensor *molecule_states)
{
	nn_batch chunks;
	int states = 0;
	tensor x = embed_characters(m, c), y;

	if (!cut_batch(m, c->chunk, &chunks) || !make_molecules(m, c->rate, molecules))
		return (tensor) {0};
	x = run_encoder(m, "initial_char_encoder", 1, x, &chunks, c, &states);
	y = join_characters(m, x, molecules, c);
	y = run_encoder(m, "encoder", c->encoder.layers, y, molecules, c, &states);
	x = split_molecules(m, x, y, molecules, c);
	*molecule_states = y;
	return run_encoder(m, "final_char_encoder", 1, x, m->batch, c, &states);
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	nn_batch molecules;
	tensor states;

	return encode_text(m, config, &molecules, &states);
}

/* The first molecule of each text. */
static tensor
pool(nn_model *m, const nn_batch *molecules, tensor states)
{
	return linear(m, take_rows(m, states, molecules->offsets, m->batch->sequences), "pooler.dense",
				  .activation = ACTIVATION_TANH);
}

static tensor
classify(nn_model *m, const void *config, int64_t columns)
{
	nn_batch molecules;
	tensor states;

	encode_text(m, config, &molecules, &states);
	return linear(m, pool(m, &molecules, states), "classifier", .columns = columns);
}

/* ---- The family ---- */

static void
read_config(tfm_context *context, json file, void *config)
{
	canine_config *c = config;
	encoder_config *e = &c->encoder;

	*c = (canine_config) {
		.encoder = encoder_bert,
		.hashes = (int) json_int(context, file, "num_hash_functions", 8, 1, MAX_HASHES),
		.buckets = json_int(context, file, "num_hash_buckets", 16384, 1, NN_MAX_SIZE),
		.rate = json_int(context, file, "downsampling_rate", 4, 1, NN_MAX_HEADS),
		.chunk = json_int(context, file, "local_transformer_stride", 128, 1, NN_MAX_SIZE),
		.last = {.width = json_int(context, file, "upsampling_kernel_size", 4, 1, NN_MAX_HEADS)},
	};
	e->common.vocab_size = CHARACTERS;
	e->attend = attend_or_average;
	e->hidden_states = hidden_states;
	e->classify = classify;
	e->embedding = (embedding) {.positions = "char_embeddings.char_position_embeddings",
								.position_count = 16384,
								.types = "char_embeddings.token_type_embeddings",
								.type_count = 16,
								.norm = "char_embeddings.LayerNorm"};
	encoder_read_config(context, file, e, 0);
	e->common.vocab_size = CHARACTERS;
	e->attention.causal = false;
	/* the table of positions has a row for each bucket */
	e->embedding.position_count = c->buckets;
	if (e->common.max_positions > c->buckets)
		e->common.max_positions = c->buckets;
	c->last.channels = e->common.hidden_size;
	if (e->common.hidden_size % c->hashes != 0)
		tfm_fail(context, TFM_CORRUPTED,
				 "%s: \"hidden_size\" is not a multiple of \"num_hash_functions\"", file.source);
}

static void
base_model(nn_model *m, const void *config)
{
	nn_batch molecules;
	tensor states, x = encode_text(m, config, &molecules, &states);

	nn_emit(m, "last_hidden_state", NN_PER_TOKEN, x);
	if (nn_has_weight(m, "pooler.dense.weight"))
		nn_emit(m, "pooler_output", NN_PER_SEQUENCE, pool(m, &molecules, states));
}

static const nn_variant variants[] = {{"canine", "Canine", "canine"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", base_model},
	{"ForSequenceClassification", "text-classification", encoder_sequence_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_canine = {
	.name = "canine",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(canine_config),
	.read_config = read_config,
	.keeps_masked = true,
	.hidden_states = hidden_states,
};
