/*
 * qdqbert.c
 *	  QDQBERT (Wu et al. 2020): BERT in whose layers what goes into products and sums is
 *	  rounded to 8 bits.
 *	  Follows transformers/models/deprecated/qdqbert/modeling_qdqbert.py of Transformers 4.57.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "nn/encoder.h"
#include "nn/fake_quantize.h"
#include "nn/heads.h"

/* Attention while it runs: its shares are rounded to limit; 0: their largest is looked for. */
typedef struct shares
{
	bool causal;
	float limit;
} shares;

/* A row of scores [tokens] becomes the keys' shares as query number query sees them. */
static void
take_shares(const head *h, const shares *c, int64_t query, float *scores)
{
	float scale = sqrtf((float) h->size), most = -INFINITY, sum = 0;

	for (int64_t j = 0; j < h->tokens; j++)
	{
		bool seen = (h->hidden == NULL || h->hidden[j] == 0) && (!c->causal || j <= query);

		scores[j] = seen ? scores[j] / scale : -INFINITY;
		most = fmaxf(most, scores[j]);
	}
	for (int64_t j = 0; j < h->tokens; j++)
		sum += scores[j] = most == -INFINITY ? 1 : expf(scores[j] - most);
	for (int64_t j = 0; j < h->tokens; j++)
		scores[j] /= sum;
}

/* Without a limit the head's result has the largest share as its first number. */
static bool
round_shares(const head *h, int64_t first, int64_t count, float *scores)
{
	const shares *c = h->config;

	for (int64_t i = 0; i < count; i++)
		take_shares(h, c, first + i, scores + i * h->tokens);
	if (c->limit == 0)
		h->y[0] = fmaxf(h->y[0], largest_magnitude(scores, count * h->tokens));
	else
		round_to_limit(scores, count * h->tokens, c->limit, scores);
	return c->limit != 0;
}

static void
run_head(const head *h)
{
	head_attend(h, round_shares);
}

static tensor
attend_rounded(nn_model *m, const tensor qkv[3], const attention *how)
{
	shares c = {.causal = how->causal,
				.limit = fake_quantizer_limit(m, "attention.self.matmul_a_input_quantizer")};
	head_plan plan = {
		.heads = how->heads, .config = &c, .run = run_head, .scratch = head_scratch_of_queries};
	tensor y;

	if (c.limit == 0)
	{
		y = run_heads(m, qkv, &plan);
		if (nn_live(m))
			c.limit = largest_magnitude(y.data, tensor_count(&y));
	}
	return run_heads(m, qkv, &plan);
}

/* The product, and the norm of its sum with x, both rounded. */
static tensor
add_rounded(nn_model *m, tensor x, tensor a, const encoder_config *c, const char *part)
{
	char dense[NN_NAME_MAX] = "", local[NN_NAME_MAX] = "", residual[NN_NAME_MAX] = "",
		 norm[NN_NAME_MAX] = "";
	const char *const ends[] = {"dense", "add_local_input_quantizer",
								"add_residual_input_quantizer", "LayerNorm"};
	char *const names[] = {dense, local, residual, norm};
	tensor y;

	for (int i = 0; i < 4; i++)
	{
		size_t length = 0;

		nn_append_name(names[i], &length, part);
		nn_append_name(names[i], &length, ends[i]);
	}
	y = fake_quantized_linear(m, a, dense, c->common.hidden_size, ACTIVATION_NONE);
	y = fake_quantize(m, y, local);
	return layer_norm(m, add(m, y, fake_quantize(m, x, residual), 1), norm, c->norm_eps);
}

static tensor
attend_to_self(nn_model *m, tensor x, const void *config)
{
	const encoder_config *c = config;
	static const char *const names[3][2] = {
		{"attention.self.query", "attention.self.matmul_q_input_quantizer"},
		{"attention.self.key", "attention.self.matmul_k_input_quantizer"},
		{"attention.self.value", "attention.self.matmul_v_input_quantizer"},
	};
	tensor qkv[3];

	for (int i = 0; i < 3; i++)
	{
		qkv[i] = fake_quantized_linear(m, x, names[i][0], c->common.hidden_size, ACTIVATION_NONE);
		qkv[i] = fake_quantize(m, qkv[i], names[i][1]);
	}
	return add_rounded(m, x, attend_rounded(m, qkv, &c->attention), c, "attention.output.");
}

static tensor
feed_forward(nn_model *m, tensor x, const void *config)
{
	const encoder_config *c = config;
	tensor a =
		fake_quantized_linear(m, x, "intermediate.dense", c->intermediate_size, c->activation);

	return add_rounded(m, x, a, c, "output.");
}

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;
	const char *positions = json_string(context, file, "position_embedding_type", "absolute");

	*c = encoder_bert;
	c->self_attention = attend_to_self;
	c->feed_forward = feed_forward;
	encoder_read_config(context, file, c, 0);
	c->crosses = false;
	if (strcmp(positions, "absolute") != 0)
		tfm_fail(context, TFM_UNSUPPORTED, "\"position_embedding_type\" \"%.32s\" is not supported",
				 positions);
}

static const nn_variant variants[] = {{"qdqbert", "QDQBert", "bert"}, {0}};

const nn_family family_qdqbert = {
	.name = "qdqbert",
	.variants = variants,
	.heads = encoder_bert_heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.keeps_masked = true, /* they count where the largest of a tensor is looked for */
	.hidden_states = encoder_hidden_states,
};
