/*
 * layoutlm.c
 *	  LayoutLM (Xu et al. 2019): BERT, whose tokens have boxes on a page.
 *	  Follows transformers/models/layoutlm/modeling_layoutlm.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"
#include "nn/inputs.h"

typedef struct layoutlm_config
{
	encoder_config encoder;
	int64_t page_positions; /* rows of the tables of places on a page */
} layoutlm_config;

static tensor
hidden_states(nn_model *m, const void *config)
{
	static const char *const tables[BOX_MEASURES] = {
		[BOX_LEFT] = "embeddings.x_position_embeddings",
		[BOX_UPPER] = "embeddings.y_position_embeddings",
		[BOX_RIGHT] = "embeddings.x_position_embeddings",
		[BOX_LOWER] = "embeddings.y_position_embeddings",
		[BOX_HEIGHT] = "embeddings.h_position_embeddings",
		[BOX_WIDTH] = "embeddings.w_position_embeddings",
	};
	const layoutlm_config *c = config;
	const encoder_config *e = &c->encoder;
	tensor x = encoder_embed(m, e);

	for (int i = 0; i < BOX_MEASURES; i++)
		x = add_looked_up(m, x, tables[i], c->page_positions, input_box(m, 0, (box_measure) i));
	return encode(m, layer_norm(m, x, "embeddings.LayerNorm", e->norm_eps), e, &e->attention);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	layoutlm_config *c = config;

	*c = (layoutlm_config) {.encoder = encoder_bert};
	c->encoder.embedding.norm = NULL;
	c->encoder.hidden_states = hidden_states;
	encoder_read_config(context, file, &c->encoder, 0);
	c->page_positions = json_int(context, file, "max_2d_position_embeddings", 1024, 1, NN_MAX_SIZE);
}

static const nn_variant variants[] = {{"layoutlm", "LayoutLM", "layoutlm"}, {0}};

static const nn_input_kind inputs[] = {{"bbox", .per_token = true, .width = 4}, {0}};

const nn_family family_layoutlm = {
	.name = "layoutlm",
	.variants = variants,
	.heads = encoder_bert_heads,
	.config_size = sizeof(layoutlm_config),
	.read_config = read_config,
	.inputs = inputs,
	.hidden_states = hidden_states,
};
