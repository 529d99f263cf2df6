/*
 * retribert.c
 *	  RetriBERT (Jernite 2020): a small BERT as the encoder of questions, and the same or
 *	  another as that of answers; both are projected to fewer columns.
 *	  Follows transformers/models/deprecated/retribert/modeling_retribert.py of Transformers
 *	  4.57, whose outputs are those of embed_questions and embed_answers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

typedef struct retribert_config
{
	encoder_config encoder;
	bool shared; /* one encoder for both */
	int64_t projection;
} retribert_config;

static void
read_config(tfm_context *context, json file, void *config)
{
	retribert_config *c = config;

	c->encoder = encoder_bert;
	c->encoder.layers = 8;
	encoder_read_config(context, file, &c->encoder, 0);
	c->encoder.attention.causal = false; /* there is no decoder, whatever is_decoder says */
	c->shared = json_bool(context, file, "share_encoders", true);
	c->projection = json_int(context, file, "projection_dim", 128, 1, NN_MAX_SIZE);
}

/* The states of one of the encoders -> [tokens, hidden], and what it pools -> [sequences, hidden]. */
static tensor
encode_text(nn_model *m, const retribert_config *c, const char *encoder, tensor *pooled)
{
	int64_t hidden = c->encoder.common.hidden_size;
	tensor x = nn_matrix(m, m->batch->tokens, hidden), first;
	nn_scope scope;

	*pooled = nn_matrix(m, m->batch->sequences, hidden);
	scope = nn_enter(m, "%s", encoder);
	first = encoder_hidden_states(m, c);
	nn_leave(m, nn_begin(m), *pooled, encoder_pool(m, first));
	return nn_leave(m, scope, x, first);
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	tensor pooled;

	return encode_text(m, config, "bert_query", &pooled);
}

static void
embed_text(nn_model *m, const void *config)
{
	const retribert_config *c = config;
	tensor pooled;

	encode_text(m, c, "bert_query", &pooled);
	nn_emit(m, "question_embeds", NN_PER_SEQUENCE,
			linear(m, pooled, "project_query", .columns = c->projection));
	if (!c->shared)
		encode_text(m, c, "bert_doc", &pooled);
	nn_emit(m, "answer_embeds", NN_PER_SEQUENCE,
			linear(m, pooled, "project_doc", .columns = c->projection));
}

static const nn_variant variants[] = {{"retribert", "RetriBert", "retribert"}, {0}};

static const nn_head heads[] = {{"Model", "feature-extraction", embed_text}, {0}};

const nn_family family_retribert = {
	.name = "retribert",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(retribert_config),
	.read_config = read_config,
	.hidden_states = hidden_states,
};
