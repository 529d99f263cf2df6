/*
 * fnet.c
 *	  FNet (Lee-Thorp et al. 2021): BERT with a Fourier transform of each text, over its tokens and their
 *	  columns, in the place of attention.  All tokens are mixed, masked ones too.
 *	  Follows transformers/models/fnet/modeling_fnet.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "nn/encoder.h"
#include "tensor/linear.h"
#include "tensor/pack.h"

/* Rows of a transform that are there at a time. */
#define BLOCK 256

/* Cosine and sine of the n-th parts of a turn: [2, n]; NULL after an error. */
static float *
make_turns(nn_model *m, int64_t n)
{
	float *turns = nn_live(m) ? nn_matrix(m, 2, n).data : NULL;

	for (int64_t i = 0; turns != NULL && i < n; i++)
	{
		turns[i] = (float) cos(2.0 * M_PI * (double) i / (double) n);
		turns[n + i] = (float) sin(2.0 * M_PI * (double) i / (double) n);
	}
	return turns;
}

/* w [columns, k] as op_linear takes it; NULL after an error. */
static const void *
pack(nn_model *m, const float *w, int64_t columns, int64_t k)
{
	size_t size = 0;
	void *panels;

	if (w == NULL || !weight_size(DTYPE_F32, LAYOUT_PANELS, 2, (int64_t[]) {columns, k}, &size))
		return NULL;
	panels = tfm_alloc(m->context, size);
	if (panels != NULL)
		pack_weight(DTYPE_F32, LAYOUT_PANELS, w, columns, k, panels);
	return panels;
}

/* Cosines and sines [n, n] of a transform of n columns. */
static void
make_transforms(nn_model *m, int64_t n, const void *transforms[2])
{
	const float *turns = make_turns(m, n);

	for (int part = 0; part < 2; part++)
	{
		float *w = turns == NULL ? NULL : nn_matrix(m, n, n).data;

		for (int64_t i = 0; w != NULL && i < n * n; i++)
			w[i] = turns[part * n + i / n * (i % n) % n];
		transforms[part] = pack(m, w, n, n);
	}
}

/* Of a text's tokens the cosine parts, then the sine parts of their columns: [n, 2 * tokens]. */
static const void *
pack_tokens(nn_model *m, const float *cosines, const float *sines, int64_t tokens, int64_t n)
{
	float *w = nn_matrix(m, n, 2 * tokens).data;

	for (int64_t i = 0; w != NULL && i < n; i++)
		for (int64_t t = 0; t < tokens; t++)
		{
			w[i * 2 * tokens + t] = cosines[t * n + i];
			w[i * 2 * tokens + tokens + t] = sines[t * n + i];
		}
	return pack(m, w, n, 2 * tokens);
}

/* Add to y [tokens, n] what the tokens of one text become. */
static void
mix_tokens(nn_model *m, const void *panels, int64_t tokens, int64_t n, float *y)
{
	const float *turns = make_turns(m, tokens);
	float *x = nn_matrix(m, tokens < BLOCK ? tokens : BLOCK, 2 * tokens).data;

	for (int64_t first = 0; first < tokens && nn_live(m); first += BLOCK)
	{
		int64_t rows = tokens - first < BLOCK ? tokens - first : BLOCK;

		for (int64_t i = 0; i < rows * tokens; i++)
		{
			int64_t at = i / tokens * 2 * tokens + i % tokens;
			int64_t place = (first + i / tokens) * (i % tokens) % tokens;

			x[at] = turns[place];
			x[at + tokens] = -turns[tokens + place];
		}
		op_linear(m->context, &(op_linear_options) {
								  .x = x,
								  .rows = rows,
								  .k = 2 * tokens,
								  .parts = {{.panels = panels, .n = n, .y = y + first * n}},
								  .residual = y + first * n,
							  });
	}
}

/* x and its transform: the real part of that over columns, then tokens -> x, in its place. */
static tensor
add_transform(nn_model *m, tensor x, const void *const columns[2])
{
	const nn_batch *batch = m->batch;
	int64_t n = x.shape[1];
	tensor cosines = nn_matrix(m, x.shape[0], n), sines = nn_matrix(m, x.shape[0], n);

	if (nn_live(m))
		op_linear(m->context, &(op_linear_options) {
								  .x = x.data,
								  .rows = x.shape[0],
								  .k = n,
								  .parts = {{.panels = columns[0], .n = n, .y = cosines.data},
											{.panels = columns[1], .n = n, .y = sines.data}},
							  });
	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
	{
		int64_t first = batch->offsets[i], tokens = batch->offsets[i + 1] - first;
		nn_scope text = nn_begin(m);

		mix_tokens(m,
				   pack_tokens(m, (const float *) cosines.data + first * n,
							   (const float *) sines.data + first * n, tokens, n),
				   tokens, n, (float *) x.data + first * n);
		nn_leave(m, text, x, x);
	}
	return x;
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	const void *columns[2];
	tensor x = encoder_embed(m, c);

	make_transforms(m, c->common.hidden_size, columns);
	for (int i = 0; i < c->layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer;

		nn_emit_hidden_state(m, i, x);
		layer = nn_enter(m, c->names->layer, i);
		x = add_transform(m, x, columns);
		normalize_in_place(m, x, "fourier.output.LayerNorm", &(normalization) {.eps = c->norm_eps});
		x = nn_leave(m, layer, x, encoder_feed_forward(m, x, c));
	}
	nn_emit_hidden_state(m, c->layers, x);
	return x;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	*c = encoder_bert;
	c->common.vocab_size = 32000;
	c->activation = ACTIVATION_GELU_TANH;
	c->projection = "embeddings.projection";
	c->embedding.type_count = 4;
	c->hidden_states = hidden_states;
	encoder_read_config(context, file, c, 0);
}

static const nn_variant variants[] = {{"fnet", "FNet", "fnet"}, {0}};

const nn_family family_fnet = {
	.name = "fnet",
	.variants = variants,
	.heads = encoder_bert_heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.keeps_masked = true,
	.hidden_states = hidden_states,
};
