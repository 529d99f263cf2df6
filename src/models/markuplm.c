/*
 * markuplm.c
 *	  MarkupLM (Li et al. 2021): RoBERTa, whose tokens have paths of tags and subscripts in a tree.
 *	  Follows transformers/models/markuplm/modeling_markuplm.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>

#include "nn/encoder.h"
#include "nn/inputs.h"

#define MAX_DEPTH 4096

/* The two halves of a path, which are the family's own inputs. */
enum
{
	TAGS,
	SUBSCRIPTS
};

typedef struct markuplm_config
{
	encoder_config encoder;
	int depth;			/* steps of a path */
	int64_t unit_size;	/* columns of a step */
	int64_t counts[2];	/* rows of the tables of a step */
	int64_t padding[2]; /* of tokens without a path */
} markuplm_config;

/* One half of a step of all paths; padding where none are given. */
static const int32_t *
take_step(nn_model *m, const markuplm_config *c, int half, int step)
{
	const nn_input *given = given_input(m, half);
	int64_t tokens = m->batch->tokens;
	int32_t *ids;

	if (given != NULL && given->shape[1] != c->depth)
		tfm_fail(m->context, TFM_INVALID_ARGUMENT, "the paths of tokens must have %d steps",
				 c->depth);
	if (given != NULL || !nn_live(m))
		return input_column(m, half, step);
	ids = tfm_alloc_array(m->context, (size_t) tokens, sizeof(int32_t));
	for (int64_t t = 0; ids != NULL && t < tokens; t++)
		ids[t] = (int32_t) c->padding[half];
	return ids;
}

/* The embeddings of the tokens' paths -> [tokens, hidden]. */
static tensor
embed_paths(nn_model *m, const markuplm_config *c)
{
	static const char *const tables[2] = {"embeddings.xpath_embeddings.xpath_tag_sub_embeddings",
										  "embeddings.xpath_embeddings.xpath_subs_sub_embeddings"};
	int64_t hidden = c->encoder.common.hidden_size, tokens = m->batch->tokens;
	tensor x = nn_matrix(m, tokens, c->depth * c->unit_size);

	for (int step = 0; step < c->depth && !tfm_failed(m->context); step++)
	{
		tensor sum = {0};

		for (int half = 0; half < 2; half++)
		{
			char name[NN_NAME_MAX];
			const int32_t *ids = take_step(m, c, half, step);

			snprintf(name, sizeof(name), "%s.%d", tables[half], step);
			sum = half == 0 ? look_up(m, name, c->counts[half], c->unit_size, ids)
							: add_looked_up(m, sum, name, c->counts[half], ids);
		}
		put_columns(m, x, sum, step * c->unit_size);
	}
	x = linear(m, x, "embeddings.xpath_embeddings.xpath_unitseq2_inner", .columns = 4 * hidden,
			   .activation = ACTIVATION_RELU);
	return linear(m, x, "embeddings.xpath_embeddings.inner2emb", .columns = hidden);
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	const markuplm_config *c = config;
	const encoder_config *e = &c->encoder;
	tensor x = add(m, encoder_embed(m, e), embed_paths(m, c), 1.0);

	return encode(m, layer_norm(m, x, "embeddings.LayerNorm", e->norm_eps), e, &e->attention);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	markuplm_config *c = config;
	nn_config *common = &c->encoder.common;

	*c = (markuplm_config) {.encoder = encoder_bert};
	common->pad_token_id = json_int(context, file, "pad_token_id", 0, 0, NN_MAX_SIZE);
	c->encoder.embedding.norm = NULL;
	c->encoder.hidden_states = hidden_states;
	encoder_read_config(context, file, &c->encoder, common->pad_token_id + 1);
	c->depth = (int) json_int(context, file, "max_depth", 50, 1, MAX_DEPTH);
	c->unit_size = json_int(context, file, "xpath_unit_hidden_size", 32, 1, NN_MAX_SIZE);
	c->counts[TAGS] = json_int(context, file, "max_xpath_tag_unit_embeddings", 256, 1, NN_MAX_SIZE);
	c->counts[SUBSCRIPTS] =
		json_int(context, file, "max_xpath_subs_unit_embeddings", 1024, 1, NN_MAX_SIZE);
	c->padding[TAGS] = json_int(context, file, "tag_pad_id", 216, 0, NN_MAX_SIZE);
	c->padding[SUBSCRIPTS] = json_int(context, file, "subs_pad_id", 1001, 0, NN_MAX_SIZE);
}

static const nn_variant variants[] = {{"markuplm", "MarkupLM", "markuplm"}, {0}};

static const nn_input_kind inputs[] = {
	[TAGS] = {"xpath_tags_seq", .per_token = true},
	[SUBSCRIPTS] = {"xpath_subs_seq", .per_token = true},
	{0},
};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForSequenceClassification", "text-classification", encoder_sequence_classification},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_markuplm = {
	.name = "markuplm",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(markuplm_config),
	.read_config = read_config,
	.make_positions = encoder_make_positions,
	.inputs = inputs,
	.hidden_states = hidden_states,
};
