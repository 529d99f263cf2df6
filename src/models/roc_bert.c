/*
 * roc_bert.c
 *	  RoCBert (Su et al. 2022): as BERT, with embeddings of how Chinese characters look
 *	  and sound beside those of words.
 *	  Follows transformers/models/roc_bert/modeling_roc_bert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"
#include "nn/inputs.h"

/* Shape and pronunciation: a table, and how it is looked up. */
typedef struct feature
{
	const char *table;
	bool enabled;
	int64_t rows, columns;
} feature;

#define FEATURES 2

typedef struct roc_bert_config
{
	encoder_config encoder;
	feature features[FEATURES]; /* in the order of the inputs */
	bool concatenates; /* and projects; else they are added to the embeddings, and averaged */
} roc_bert_config;

static const nn_input_kind inputs[] = {
	{"input_shape_ids", true, 1, false},
	{"input_pronunciation_ids", true, 1, false},
	{0},
};

static tensor
look_up_feature(nn_model *m, const roc_bert_config *c, int i)
{
	const feature *f = &c->features[i];

	return look_up(m, f->table, f->rows, f->columns, input_column(m, i, 0));
}

/* The words' rows and the features' side by side, mapped to states to which the rest is added. */
static tensor
concatenate(nn_model *m, const roc_bert_config *c)
{
	const embedding *e = &c->encoder.embedding;
	embedding words = {
		.hidden_size = e->hidden_size, .words = e->words, .word_count = e->word_count};
	int64_t width = e->hidden_size, used = e->hidden_size;
	tensor all;

	for (int i = 0; i < FEATURES; i++)
		width += c->features[i].enabled ? c->features[i].columns : 0;
	all = nn_matrix(m, m->batch->tokens, width);
	put_columns(m, all, embed(m, &words), 0);
	for (int i = 0; i < FEATURES; i++)
		if (c->features[i].enabled)
		{
			put_columns(m, all, look_up_feature(m, c, i), used);
			used += c->features[i].columns;
		}
	all = linear(m, all, "embeddings.map_inputs_layer", .columns = e->hidden_size);
	return encoder_embed_states(m, e, all);
}

/* The mean of the embeddings and of those features that are given. */
static tensor
average(nn_model *m, const roc_bert_config *c)
{
	tensor x = embed(m, &c->encoder.embedding);
	int summands = 1;

	for (int i = 0; i < FEATURES; i++)
	{
		if (!c->features[i].enabled || (!m->dry && given_input(m, i) == NULL))
			continue;
		add(m, x, look_up_feature(m, c, i), 1);
		summands++;
	}
	return scale(m, x, 1.0 / summands, 0);
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	const roc_bert_config *c = config;
	tensor x = c->concatenates ? concatenate(m, c) : average(m, c);

	return encode(m, x, &c->encoder, &c->encoder.attention);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	roc_bert_config *c = config;
	int64_t hidden;

	c->encoder = encoder_bert;
	c->encoder.hidden_states = hidden_states;
	encoder_read_config(context, file, &c->encoder, 0);
	hidden = c->encoder.common.hidden_size;
	c->concatenates = json_bool(context, file, "concat_input", true);
	c->features[0] =
		(feature) {"embeddings.shape_embed", json_bool(context, file, "enable_shape", true),
				   json_int(context, file, "shape_vocab_size", 24858, 1, NN_MAX_SIZE),
				   json_int(context, file, "shape_embed_dim", 512, 1, NN_MAX_SIZE)};
	c->features[1] = (feature) {
		"embeddings.pronunciation_embed", json_bool(context, file, "enable_pronunciation", true),
		json_int(context, file, "pronunciation_vocab_size", 910, 1, NN_MAX_SIZE),
		json_int(context, file, "pronunciation_embed_dim", 768, 1, NN_MAX_SIZE)};
	for (int i = 0; i < FEATURES; i++)
		if (!c->concatenates && c->features[i].enabled && c->features[i].columns != hidden)
			tfm_fail(context, TFM_UNSUPPORTED,
					 "embeddings of shapes and pronunciations that are not concatenated must be as "
					 "wide as hidden_size");
}

/* Words alone; the rest of the loss is of other inputs. */
static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForPreTraining", "fill-mask", encoder_masked_lm},
	{"ForCausalLM", "text-generation", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", encoder_sequence_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

static const nn_variant variants[] = {{"roc_bert", "RoCBert", "roc_bert"}, {0}};

const nn_family family_roc_bert = {
	.name = "roc_bert",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(roc_bert_config),
	.read_config = read_config,
	.inputs = inputs,
	.cache_layers = encoder_cache_layers,
	.remember = encoder_remember,
	.hidden_states = hidden_states,
};
