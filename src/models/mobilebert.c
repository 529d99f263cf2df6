/*
 * mobilebert.c
 *	  MobileBERT (Sun et al. 2020): BERT whose layers are narrow between wide states, with
 *	  several feed forward networks each, scales in place of norms, and embeddings made of
 *	  three words side by side.
 *	  Follows transformers/models/mobilebert/modeling_mobilebert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

#include <stdio.h>
#include <string.h>

/* PyTorch's, in the norms that are not told another. */
#define DEFAULT_EPS 1e-5

typedef struct mobilebert_config
{
	encoder_config encoder;
	int64_t word_size;	/* columns of the words' rows */
	int64_t inner_size; /* columns inside a layer */
	bool trigrams;
	bool bottleneck;
	bool bottleneck_attention; /* all of the attention takes the bottleneck's output */
	bool shared_bottleneck;	   /* queries and keys have a bottleneck of their own */
	bool layer_norms;		   /* they are norms; else weights and biases alone */
	int networks;			   /* feed forward, in a layer */
} mobilebert_config;

/* x times the norm's weight plus its bias, in the place of x, or its norm. */
static tensor
norm(nn_model *m, tensor x, const mobilebert_config *c, const char *name, double eps)
{
	char weight_name[NN_NAME_MAX], bias_name[NN_NAME_MAX];
	const weight *w, *b;

	if (c->layer_norms)
	{
		normalize_in_place(m, x, name, &(normalization) {.eps = eps});
		return x;
	}
	snprintf(weight_name, sizeof(weight_name), "%s.weight", name);
	snprintf(bias_name, sizeof(bias_name), "%s.bias", name);
	w = nn_weight(m, weight_name, LAYOUT_PLAIN, 0, x.shape[1]);
	b = nn_weight(m, bias_name, LAYOUT_PLAIN, 0, x.shape[1]);
	for (int64_t t = 0; nn_live(m) && t < x.shape[0]; t++)
	{
		float *row = (float *) x.data + t * x.shape[1];

		for (int64_t i = 0; i < x.shape[1]; i++)
			row[i] = row[i] * ((const float *) w->data)[i] + ((const float *) b->data)[i];
	}
	return x;
}

/* "<name>.dense", plus residual unless that is empty, and "<name>.LayerNorm". */
static tensor
dense_and_norm(nn_model *m, tensor x, const mobilebert_config *c, const char *name, int64_t columns,
			   tensor residual, double eps)
{
	char dense[NN_NAME_MAX], norm_name[NN_NAME_MAX];

	snprintf(dense, sizeof(dense), "%s.dense", name);
	snprintf(norm_name, sizeof(norm_name), "%s.LayerNorm", name);
	x = linear(m, x, dense, .columns = columns, .residual = residual);
	return norm(m, x, c, norm_name, eps);
}

/* A feed forward network within the scope: "intermediate" and "output". */
static tensor
feed_forward(nn_model *m, tensor x, const mobilebert_config *c, double eps)
{
	const encoder_config *e = &c->encoder;
	tensor a = linear(m, x, "intermediate.dense", .columns = e->intermediate_size,
					  .activation = e->activation);

	return dense_and_norm(m, a, c, "output", c->inner_size, x, eps);
}

static tensor
attend_to_self(nn_model *m, tensor x, const mobilebert_config *c)
{
	double eps = c->encoder.norm_eps;
	tensor input = x, query = x, value = x, q, k, v;

	if (c->bottleneck)
		input = dense_and_norm(m, x, c, "bottleneck.input", c->inner_size, (tensor) {0}, eps);
	if (c->bottleneck && c->bottleneck_attention)
		query = value = input;
	else if (c->bottleneck && c->shared_bottleneck)
		query = dense_and_norm(m, x, c, "bottleneck.attention", c->inner_size, (tensor) {0}, eps);
	q = linear(m, query, "attention.self.query", .columns = c->inner_size);
	k = linear(m, query, "attention.self.key", .columns = c->inner_size);
	v = linear(m, value, "attention.self.value", .columns = c->inner_size);
	return dense_and_norm(m, attend(m, q, k, v, &c->encoder.attention), c, "attention.output",
						  c->inner_size, input, eps);
}

static tensor
run_layer(nn_model *m, tensor x, const mobilebert_config *c)
{
	tensor a = attend_to_self(m, x, c);

	for (int i = 0; i + 1 < c->networks && !tfm_failed(m->context); i++)
	{
		nn_scope network = nn_enter(m, "ffn.%d", i);

		a = nn_leave(m, network, a, feed_forward(m, a, c, c->encoder.norm_eps));
	}
	a = feed_forward(m, a, c, DEFAULT_EPS);
	return c->bottleneck ? dense_and_norm(m, a, c, "output.bottleneck",
										  c->encoder.common.hidden_size, x, c->encoder.norm_eps)
						 : a;
}

/* Each token's row between those of the next and of the last one, zeros where there is none. */
static tensor
make_trigrams(nn_model *m, tensor x)
{
	const int32_t *offsets = m->batch->offsets;
	int64_t n = x.shape[1];
	tensor y = nn_matrix(m, x.shape[0], 3 * n);

	for (int64_t s = 0; nn_live(m) && s < m->batch->sequences; s++)
		for (int32_t t = offsets[s]; t < offsets[s + 1]; t++)
			for (int i = 0; i < 3; i++)
			{
				int32_t from = t + 1 - i;
				float *to = (float *) y.data + (3 * t + i) * n;

				if (from < offsets[s] || from >= offsets[s + 1])
					memset(to, 0, (size_t) n * sizeof(float));
				else
					memcpy(to, (const float *) x.data + from * n, (size_t) n * sizeof(float));
			}
	return y;
}

static tensor
embed_words(nn_model *m, const mobilebert_config *c)
{
	const embedding *e = &c->encoder.embedding;
	embedding words = {.hidden_size = c->word_size, .words = e->words, .word_count = e->word_count};
	tensor x = embed(m, &words);

	if (c->trigrams)
		x = make_trigrams(m, x);
	if (c->trigrams || c->word_size != e->hidden_size)
		x = linear(m, x, "embeddings.embedding_transformation", .columns = e->hidden_size);
	return norm(m, encoder_embed_states(m, e, x), c, "embeddings.LayerNorm", DEFAULT_EPS);
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	const mobilebert_config *c = config;
	tensor x = embed_words(m, c);

	nn_emit_hidden_state(m, 0, x);
	for (int i = 0; i < c->encoder.layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer = nn_enter(m, "encoder.layer.%d", i);

		x = nn_leave(m, layer, x, run_layer(m, x, c));
		nn_emit_hidden_state(m, i + 1, x);
	}
	return x;
}

/* By the words' rows, and by those of another table for the columns that these have not. */
static tensor
predict_words(nn_model *m, const void *config, tensor x)
{
	const mobilebert_config *c = config;
	const encoder_config *e = &c->encoder;
	const lm_head *head = &e->lm_head;
	int64_t hidden = e->common.hidden_size, words = e->common.vocab_size;
	tensor logits = {0};

	x = linear(m, x, head->dense, .activation = head->activation);
	x = layer_norm(m, x, head->norm, e->norm_eps);
	if (hidden > c->word_size)
		logits =
			linear(m, take_columns(x, c->word_size, hidden - c->word_size), "cls.predictions.dense",
				   .x_stride = hidden, .columns = words, .transposed = true);
	return linear(m, take_columns(x, 0, c->word_size), head->decoder, .x_stride = hidden,
				  .columns = words, .bias = head->decoder_bias, .residual = logits,
				  .tied = e->common.tie_word_embeddings ? e->embedding.words : NULL);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	mobilebert_config *c = config;
	encoder_config *e = &c->encoder;
	const char *kind = json_string(context, file, "normalization_type", "no_norm");

	*e = encoder_bert;
	e->common.hidden_size = 512;
	e->layers = 24;
	e->attention.heads = 4;
	e->intermediate_size = 512;
	e->activation = ACTIVATION_RELU;
	e->embedding.norm = NULL;
	e->hidden_states = hidden_states;
	e->predict_words = predict_words;
	encoder_read_config(context, file, e, 0);
	e->attention.causal = false; /* there is no decoder, whatever is_decoder says */
	if (!json_bool(context, file, "classifier_activation", true))
		e->pooler = "";
	c->word_size = json_int(context, file, "embedding_size", 128, 1, e->common.hidden_size);
	e->common.embedding_size = c->word_size;
	c->trigrams = json_bool(context, file, "trigram_input", true);
	c->bottleneck = json_bool(context, file, "use_bottleneck", true);
	c->bottleneck_attention = json_bool(context, file, "use_bottleneck_attention", false);
	c->shared_bottleneck = json_bool(context, file, "key_query_shared_bottleneck", true);
	c->inner_size = c->bottleneck
						? json_int(context, file, "intra_bottleneck_size", 128, 1, NN_MAX_SIZE)
						: e->common.hidden_size;
	c->networks = (int) json_int(context, file, "num_feedforward_networks", 4, 1, NN_MAX_LAYERS);
	c->layer_norms = strcmp(kind, "layer_norm") == 0;
}

static const nn_variant variants[] = {{"mobilebert", "MobileBert", "mobilebert"}, {0}};

const nn_family family_mobilebert = {
	.name = "mobilebert",
	.variants = variants,
	.heads = encoder_bert_heads,
	.config_size = sizeof(mobilebert_config),
	.read_config = read_config,
	.keeps_masked = true, /* neighbours of tokens that are seen */
	.hidden_states = hidden_states,
};
