/*
 * dpr.c
 *	  Dense Passage Retrieval (Karpukhin et al. 2020): BERT as the encoder of questions or
 *	  of passages, or as the reader of passages.
 *	  Follows transformers/models/dpr/modeling_dpr.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

typedef struct dpr_config
{
	encoder_config encoder;
	int64_t projection; /* columns of what stands for a text; 0: as they are */
} dpr_config;

/* Which of the three the checkpoint is. */
static const char *
find_part(nn_model *m)
{
	static const char *const parts[] = {"question_encoder", "ctx_encoder"};

	for (int i = 0; i < 2; i++)
	{
		char word[NN_NAME_MAX];
		size_t length = 0;

		nn_append_name(word, &length, parts[i]);
		nn_append_name(word, &length, ".bert_model.embeddings.word_embeddings.weight");
		if (nn_has_weight(m, word))
			return parts[i];
	}
	return "span_predictor.encoder";
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	tensor x = nn_matrix(m, m->batch->tokens, ((const nn_config *) config)->hidden_size);
	nn_scope part = nn_enter(m, "%s.bert_model", find_part(m));

	return nn_leave(m, part, x, encoder_hidden_states(m, config));
}

static void
read_config(tfm_context *context, json file, void *config)
{
	dpr_config *c = config;

	c->encoder = encoder_bert;
	c->encoder.hidden_states = hidden_states;
	encoder_read_config(context, file, &c->encoder, 0);
	c->projection = json_int(context, file, "projection_dim", 0, 0, NN_MAX_SIZE);
}

static tensor
project(nn_model *m, const dpr_config *c, tensor x, const char *part)
{
	char name[NN_NAME_MAX];
	size_t length = 0;

	if (c->projection == 0)
		return x;
	nn_append_name(name, &length, part);
	nn_append_name(name, &length, ".encode_proj");
	return linear(m, x, name, .columns = c->projection);
}

static void
encode_text(nn_model *m, const void *config)
{
	tensor x = first_tokens(m, hidden_states(m, config));

	nn_emit(m, "pooler_output", NN_PER_SEQUENCE, project(m, config, x, find_part(m)));
}

/* Starts and ends of answers, and whether the passage has one. */
static void
read_passages(nn_model *m, const void *config)
{
	const nn_batch *batch = m->batch;
	nn_batch untyped = *batch; /* types of tokens are not passed on */
	tensor x, logits, relevance;

	untyped.types = NULL;
	m->batch = &untyped;
	x = hidden_states(m, config);
	m->batch = batch;
	logits = linear(m, x, "span_predictor.qa_outputs", .columns = 2);
	relevance = linear(m, first_tokens(m, x), "span_predictor.qa_classifier", .columns = 1);

	emit_spans(m, NN_PER_TOKEN, logits);
	nn_emit(m, "relevance_logits", NN_PER_SEQUENCE, take_column(m, relevance, 0));
}

static const nn_variant variants[] = {{"dpr", "DPR", "bert_model"}, {0}};

static const nn_head heads[] = {
	{"QuestionEncoder", "feature-extraction", encode_text},
	{"ContextEncoder", "feature-extraction", encode_text},
	{"Reader", "question-answering", read_passages},
	{0},
};

const nn_family family_dpr = {
	.name = "dpr",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(dpr_config),
	.read_config = read_config,
	.hidden_states = hidden_states,
};
