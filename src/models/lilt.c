/*
 * lilt.c
 *	  LiLT (Wang et al. 2022): RoBERTa beside a smaller encoder of the tokens' boxes.  Each of the two
 *	  attends by the sum of both's scores.
 *	  Follows transformers/models/lilt/modeling_lilt.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "nn/encoder.h"
#include "nn/inputs.h"

typedef struct lilt_config
{
	encoder_config encoder;
	int64_t shrink;			/* the boxes' encoder has so many times fewer columns */
	int64_t page_positions; /* rows of the tables of places on a page */
} lilt_config;

/* What the weights of a layer are called, of the text and of the boxes. */
static const char *const flow_names[2][8] = {
	{"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
	 "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"},
	{"attention.self.layout_query", "attention.self.layout_key", "attention.self.layout_value",
	 "attention.layout_output.dense", "attention.layout_output.LayerNorm",
	 "layout_intermediate.dense", "layout_output.dense", "layout_output.LayerNorm"},
};

/* ---- Embeddings ---- */

static tensor
embed_boxes(nn_model *m, const lilt_config *c)
{
	static const char *const tables[BOX_MEASURES] = {
		[BOX_LEFT] = "layout_embeddings.x_position_embeddings",
		[BOX_UPPER] = "layout_embeddings.y_position_embeddings",
		[BOX_RIGHT] = "layout_embeddings.x_position_embeddings",
		[BOX_LOWER] = "layout_embeddings.y_position_embeddings",
		[BOX_HEIGHT] = "layout_embeddings.h_position_embeddings",
		[BOX_WIDTH] = "layout_embeddings.w_position_embeddings",
	};
	const encoder_config *e = &c->encoder;
	int64_t columns = e->common.hidden_size / BOX_MEASURES;
	tensor x = nn_matrix(m, m->batch->tokens, columns * BOX_MEASURES);

	for (int i = 0; i < BOX_MEASURES; i++)
		put_columns(
			m, x,
			look_up(m, tables[i], c->page_positions, columns, input_box(m, 0, (box_measure) i)),
			i * columns);
	x = linear(m, x, "layout_embeddings.box_linear_embeddings",
			   .columns = e->common.hidden_size / c->shrink);
	x = add_looked_up(m, x, "layout_embeddings.box_position_embeddings",
					  e->embedding.position_count, m->batch->positions);
	return layer_norm(m, x, "layout_embeddings.LayerNorm", e->norm_eps);
}

/* ---- Layers ---- */

/* The heads of both flows [tokens, heads * size], one after the other -> [tokens, sum of columns]. */
static tensor
join_heads(nn_model *m, tensor text, tensor boxes, int heads, bool scaled)
{
	int64_t sizes[2] = {text.shape[1] / heads, boxes.shape[1] / heads};
	const tensor parts[2] = {text, boxes};
	tensor y = nn_matrix(m, text.shape[0], text.shape[1] + boxes.shape[1]);

	for (int64_t i = 0; nn_live(m) && i < y.shape[0] * heads; i++)
		for (int part = 0; part < 2; part++)
		{
			const float *from = (const float *) parts[part].data + i * sizes[part];
			float *to = (float *) y.data + i * (sizes[0] + sizes[1]) + (part == 0 ? 0 : sizes[0]);
			float factor = scaled ? (float) (1 / sqrt((double) sizes[part])) : 1.0f;

			for (int64_t j = 0; j < sizes[part]; j++)
				to[j] = factor * from[j];
		}
	return y;
}

/* One flow's part of what was attended to, [tokens, heads * size]. */
static tensor
split_heads(nn_model *m, tensor x, int heads, int64_t first, int64_t size)
{
	int64_t width = x.shape[1] / heads;
	tensor y = nn_matrix(m, x.shape[0], heads * size);

	for (int64_t i = 0; nn_live(m) && i < x.shape[0] * heads; i++)
		memcpy((float *) y.data + i * size, (const float *) x.data + i * width + first,
			   (size_t) size * sizeof(float));
	return y;
}

/* Attention of both flows, [tokens, columns], which are overwritten. */
static void
attend_together(nn_model *m, const lilt_config *c, tensor flows[2])
{
	int heads = c->encoder.attention.heads;
	tensor qkv[2][3], joined[3], a;
	int64_t first = 0;

	for (int i = 0; i < 2; i++)
		linear_parts(m, flows[i], 3, flow_names[i], qkv[i]);
	for (int i = 0; i < 3; i++)
		joined[i] = join_heads(m, qkv[0][i], qkv[1][i], heads, i == 0);
	a = attend(m, joined[0], joined[1], joined[2], &(attention) {.heads = heads, .scale = 1.0});
	for (int i = 0; i < 2; i++)
	{
		int64_t size = flows[i].shape[1] / heads;

		flows[i] =
			linear(m, split_heads(m, a, heads, first, size), flow_names[i][3], .residual = flows[i],
				   .replace = true, .norm = flow_names[i][4], .norm_eps = c->encoder.norm_eps);
		first += size;
	}
}

static void
feed_forward(nn_model *m, const lilt_config *c, tensor flows[2])
{
	const encoder_config *e = &c->encoder;

	for (int i = 0; i < 2; i++)
	{
		int64_t inner = e->intermediate_size / (i == 0 ? 1 : c->shrink);
		tensor a =
			linear(m, flows[i], flow_names[i][5], .columns = inner, .activation = e->activation);

		flows[i] =
			linear(m, a, flow_names[i][6], .columns = flows[i].shape[1], .residual = flows[i],
				   .replace = true, .norm = flow_names[i][7], .norm_eps = e->norm_eps);
	}
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	const lilt_config *c = config;
	const encoder_config *e = &c->encoder;
	tensor flows[2] = {encoder_embed(m, e), embed_boxes(m, c)};

	nn_emit_hidden_state(m, 0, flows[0]);
	for (int i = 0; i < e->layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer = nn_enter(m, e->names->layer, i);

		attend_together(m, c, flows);
		feed_forward(m, c, flows);
		nn_leave(m, layer, flows[0], flows[0]);
		nn_emit_hidden_state(m, i + 1, flows[0]);
	}
	return flows[0];
}

static void
read_config(tfm_context *context, json file, void *config)
{
	lilt_config *c = config;
	nn_config *common = &c->encoder.common;

	*c = (lilt_config) {.encoder = encoder_roberta};
	common->vocab_size = 30522;
	common->pad_token_id = json_int(context, file, "pad_token_id", 0, 0, NN_MAX_SIZE);
	c->encoder.hidden_states = hidden_states;
	encoder_read_config(context, file, &c->encoder, common->pad_token_id + 1);
	c->shrink = json_int(context, file, "channel_shrink_ratio", 4, 1, common->hidden_size);
	c->page_positions = json_int(context, file, "max_2d_position_embeddings", 1024, 1, NN_MAX_SIZE);
	if (common->hidden_size % (c->shrink * c->encoder.attention.heads) != 0 ||
		common->hidden_size % BOX_MEASURES != 0)
		tfm_fail(context, TFM_CORRUPTED,
				 "\"%s\": key \"hidden_size\" does not fit the heads and the boxes", file.source);
}

static const nn_variant variants[] = {{"lilt", "Lilt", "lilt"}, {0}};

static const nn_input_kind inputs[] = {{"bbox", .per_token = true, .width = 4}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForSequenceClassification", "text-classification", encoder_first_token_classification},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_lilt = {
	.name = "lilt",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(lilt_config),
	.read_config = read_config,
	.make_positions = encoder_make_positions,
	.inputs = inputs,
	.hidden_states = hidden_states,
};
