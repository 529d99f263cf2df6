/*
 * esm.c
 *	  ESM (Rives et al. 2019, Lin et al. 2022), of proteins: norms come first, positions turn or are a
 *	  table, and what masks take from the embeddings is made up for.
 *	  Follows transformers/models/esm/modeling_esm.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "nn/encoder.h"

/* Tokens that were masked in training, of which most were masks. */
#define TRAINED_RATIO (0.15 * 0.8)

typedef struct esm_config
{
	encoder_config encoder;
	bool drops_masks; /* "token_dropout" */
	int64_t mask_id;
} esm_config;

static const encoder_names names = {
	.layer = "encoder.layer.%d",
	.query = "attention.self.query",
	.key = "attention.self.key",
	.value = "attention.self.value",
	.attention_output = "attention.output.dense",
	.attention_norm = "attention.LayerNorm",
	.intermediate = "intermediate.dense",
	.output = "output.dense",
	.output_norm = "LayerNorm",
};

static tensor hidden_states(nn_model *m, const void *config);

static void
read_config(tfm_context *context, json file, void *config)
{
	esm_config *c = config;
	encoder_config *e = &c->encoder;
	const char *positions = json_string(context, file, "position_embedding_type", "absolute");

	*c = (esm_config) {
		.encoder = encoder_roberta,
		.drops_masks = json_bool(context, file, "token_dropout", false),
		.mask_id = json_int(context, file, "mask_token_id", -1, -1, NN_MAX_SIZE),
	};
	e->names = &names;
	e->hidden_states = hidden_states;
	e->pre_norm = true;
	e->final_norm = "encoder.emb_layer_norm_after";
	e->common.vocab_size = 33;
	e->common.pad_token_id = json_int(context, file, "pad_token_id", 1, 0, NN_MAX_SIZE);
	e->embedding.position_count = 1026;
	e->embedding.types = NULL;
	e->embedding.norm = NULL;
	encoder_read_config(context, file, e, 0);
	e->activation = ACTIVATION_GELU; /* whatever hidden_act says */
	if (strcmp(positions, "absolute") != 0)
		e->embedding.positions = NULL;
	if (json_bool(context, file, "emb_layer_norm_before", false))
		e->embedding.norm = "embeddings.layer_norm";
	if (strcmp(positions, "rotary") == 0)
		rope_read(context, file, NULL,
				  &(rope_defaults) {.head_dim = e->common.hidden_size / e->attention.heads,
									.theta = 10000},
				  &e->rope);
	e->common.any_position = e->embedding.positions == NULL;
}

/* Positions of a table count tokens that are not padding; those by which heads turn, all. */
static void
make_positions(const void *config, const int32_t *ids, const uint8_t *mask, int64_t count,
			   int32_t *positions)
{
	const esm_config *c = config;

	if (c->encoder.embedding.positions != NULL)
		encoder_make_positions(config, ids, mask, count, positions);
	else
		for (int64_t i = 0; i < count; i++)
			positions[i] = (int32_t) i;
}

/* Masks become zeros, and the other words of a sequence larger, as many masks as it has. */
static void
drop_masks(nn_model *m, tensor x, int64_t mask_id)
{
	const nn_batch *batch = m->batch;

	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
	{
		int64_t masks = 0, seen = 0;
		float factor;

		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
		{
			masks += batch->ids[t] == mask_id;
			seen += batch->hidden == NULL || batch->hidden[t] == 0;
		}
		factor = 1.0f / (1.0f - (float) masks / (float) seen);
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
			for (int64_t j = 0; j < x.shape[1]; j++)
				((float *) x.data)[t * x.shape[1] + j] *=
					batch->ids[t] == mask_id ? 0.0f : (float) (1.0 - TRAINED_RATIO) * factor;
	}
}

/* What the caller gives in place of words' embeddings stands for all of them. */
static tensor
embed_tokens(nn_model *m, const esm_config *c)
{
	embedding words = c->encoder.embedding;
	tensor x;

	words.positions = words.norm = NULL;
	x = embed(m, &words);
	if (m->batch->embeds != NULL)
		return x;
	if (c->drops_masks)
		drop_masks(m, x, c->mask_id);
	x = encoder_embed_states(m, &c->encoder.embedding, x);
	clear_tokens(m, x, m->batch->hidden);
	return x;
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	const esm_config *c = config;

	return encode(m, embed_tokens(m, c), &c->encoder, &c->encoder.attention);
}

static const nn_variant variants[] = {{"esm", "Esm", "esm"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", encoder_first_token_classification},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{0},
};

const nn_family family_esm = {
	.name = "esm",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(esm_config),
	.read_config = read_config,
	.make_positions = make_positions,
	.hidden_states = hidden_states,
};
