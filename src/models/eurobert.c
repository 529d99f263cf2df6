/*
 * eurobert.c
 *	  EuroBERT (Boizard et al. 2025): LLaMA's layers, seeing both sides, as an encoder.
 *	  Follows transformers/models/eurobert/modeling_eurobert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "nn/decoder.h"
#include "tensor/pool.h"

typedef struct eurobert_config
{
	decoder_config decoder;
	op_pooling pooling; /* of what the classifier is given, or gives */
	bool late;			/* each token is classified, and the scores are pooled */
} eurobert_config;

static const decoder_defaults defaults = {
	.vocab_size = 128256,
	.sizes = {.hidden = 768, .intermediate = 3072, .layers = 12, .heads = 12},
	.max_positions = 8192,
	.norm_eps = 1e-5,
	.pad_token_id = 128001,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	const char *pooling = json_string(context, file, "classifier_pooling", "late");
	eurobert_config *e = config;
	decoder_config *c = &e->decoder;

	*e = (eurobert_config) {
		.decoder = {.names = &decoder_llama_names,
					.embedding = {.words = "embed_tokens"},
					.norm = {.rms = true},
					.bidirectional = true},
		.pooling = strcmp(pooling, "bos") == 0 ? POOLING_CLS : POOLING_MEAN,
		.late = strcmp(pooling, "late") == 0,
	};
	if (!e->late && strcmp(pooling, "bos") != 0 && strcmp(pooling, "mean") != 0)
		tfm_fail(context, TFM_UNSUPPORTED, "\"classifier_pooling\" \"%.32s\" is not supported",
				 pooling);
	decoder_read_config(context, file, &defaults, c);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
}

static void
masked_lm(nn_model *m, const void *config)
{
	nn_emit(m, "logits", NN_PER_TOKEN,
			decoder_predict_words(m, config, decoder_hidden_states(m, config)));
}

/* One row for each sequence: x [tokens, n] -> [sequences, n]. */
static tensor
pool(nn_model *m, const eurobert_config *e, tensor x)
{
	tensor y = nn_matrix(m, m->batch->sequences, x.shape[1]);

	if (nn_live(m))
		op_pool(m->context, &(op_pool_options) {.pooling = e->pooling,
												.x = x.data,
												.n = x.shape[1],
												.offsets = m->batch->offsets,
												.batch = m->batch->sequences,
												.y = y.data});
	return y;
}

static void
sequence_classification(nn_model *m, const void *config)
{
	const eurobert_config *e = config;
	const nn_config *c = &e->decoder.common;
	tensor x = decoder_hidden_states(m, config);

	x = e->late ? x : pool(m, e, x);
	x = linear(m, x, "dense", .columns = c->hidden_size, .activation = ACTIVATION_GELU);
	x = linear(m, x, "classifier", .columns = c->num_labels);
	nn_emit(m, "logits", NN_PER_SEQUENCE, e->late ? pool(m, e, x) : x);
}

static void
token_classification(nn_model *m, const void *config)
{
	const nn_config *c = config;

	nn_emit(m, "logits", NN_PER_TOKEN,
			linear(m, decoder_hidden_states(m, config), "classifier", .columns = c->num_labels));
}

static const nn_variant variants[] = {{"eurobert", "EuroBert", "model"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", decoder_base_model},
	{"ForMaskedLM", "fill-mask", masked_lm},
	{"ForSequenceClassification", "text-classification", sequence_classification},
	{"ForTokenClassification", "token-classification", token_classification},
	{0},
};

const nn_family family_eurobert = {
	.name = "eurobert",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(eurobert_config),
	.read_config = read_config,
	.hidden_states = decoder_hidden_states,
};
