/*
 * xmod.c
 *	  X-MOD (Pfeiffer et al. 2022): as RoBERTa, with an adapter for each language in each
 *	  layer.
 *	  Follows transformers/models/xmod/modeling_xmod.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"
#include "nn/inputs.h"

#include <string.h>

typedef struct xmod_config
{
	encoder_config encoder;
	const char **languages;
	int language_count;
	int default_language; /* -1: none */
	int64_t adapter_size; /* columns inside an adapter */
	bool own_norm;		  /* adapters have a norm of their own */
	bool reuse_norm;	  /* else they have that of the layer's output, if this is set */
	bool norm_first;	  /* the residual connection around them is of what is normed */
} xmod_config;

static const nn_input_kind inputs[] = {{"lang_ids", false, 0, false}, {0}};

/* Which tokens are of which language: those of one after the other. */
typedef struct language_rows
{
	int32_t *rows;	 /* [tokens] */
	int64_t *counts; /* [languages] */
} language_rows;

/* The language of a token of a sequence, which the caller may give for all of a row, or for each. */
static int32_t
language_of(const nn_model *m, const xmod_config *c, int64_t sequence, int32_t token)
{
	const nn_input *given = given_input(m, 0);

	if (given == NULL)
		return c->default_language;
	if (given->rank == 1)
		return given->ints[sequence];
	return given->ints[sequence * given->shape[1] + m->batch->columns[token]];
}

static bool
check_languages(nn_model *m, const xmod_config *c)
{
	const nn_input *given = given_input(m, 0);

	if (given == NULL)
		return c->default_language >= 0 ||
			   tfm_fail(m->context, TFM_INVALID_ARGUMENT,
						"the model has no default language, and \"lang_ids\" does not say one");
	if (given->rank > 2 || given->shape[0] != m->batch->sequences)
		return tfm_fail(m->context, TFM_INVALID_ARGUMENT,
						"\"lang_ids\" must have a row for each row of \"input_ids\"");
	return true;
}

static language_rows
sort_by_language(nn_model *m, const xmod_config *c)
{
	const nn_batch *batch = m->batch;
	language_rows l = {0};
	int64_t used = 0;

	if (!nn_live(m) || !check_languages(m, c))
		return l;
	l.rows = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(int32_t));
	l.counts = tfm_alloc_zero(m->context, (size_t) c->language_count * sizeof(int64_t));
	for (int32_t i = 0; i < c->language_count && !tfm_failed(m->context); i++)
		for (int64_t s = 0; s < batch->sequences; s++)
			for (int32_t t = batch->offsets[s]; t < batch->offsets[s + 1]; t++)
				if (language_of(m, c, s, t) == i)
				{
					l.rows[used++] = t;
					l.counts[i]++;
				}
	return l;
}

/* Put rows of x [count, n] where they belong in y. */
static void
put_rows(nn_model *m, tensor y, tensor x, const int32_t *rows)
{
	int64_t n = x.shape[1];

	for (int64_t i = 0; nn_live(m) && i < x.shape[0]; i++)
		memcpy((float *) y.data + rows[i] * n, (const float *) x.data + i * n,
			   (size_t) n * sizeof(float));
}

/* The adapters' results of x [tokens, hidden], zeros for tokens of no language. */
static tensor
adapt(nn_model *m, tensor x, const xmod_config *c, const language_rows *l)
{
	tensor y = nn_matrix(m, x.shape[0], x.shape[1]);
	int64_t first = 0;

	if (nn_live(m))
		memset(y.data, 0, (size_t) tensor_count(&y) * sizeof(float));
	for (int i = 0; i < c->language_count && !tfm_failed(m->context); i++)
	{
		int64_t count = m->dry ? x.shape[0] : l->counts[i];
		const int32_t *rows = m->dry ? NULL : l->rows + first;
		nn_scope adapter;
		tensor a;

		if (count == 0)
			continue;
		adapter = nn_enter(m, "output.adapter_modules.%s", c->languages[i]);
		a = linear(m, take_rows(m, x, rows, count), "dense1", .columns = c->adapter_size,
				   .activation = c->encoder.activation);
		a = linear(m, a, "dense2", .columns = x.shape[1]);
		put_rows(m, y, a, rows);
		y = nn_leave(m, adapter, y, y);
		first += count;
	}
	return y;
}

/* The feed forward network, the adapters, and the norms around them. */
static tensor
feed_forward(nn_model *m, tensor x, const xmod_config *c, const language_rows *l)
{
	const encoder_config *e = &c->encoder;
	const char *norm = e->names->output_norm;
	tensor h = e->pre_norm ? layer_norm(m, x, norm, e->norm_eps) : x, residual;

	h = linear(m, h, e->names->intermediate, .columns = e->intermediate_size,
			   .activation = e->activation);
	h = linear(m, h, e->names->output, .columns = e->common.hidden_size, .residual = x);
	residual = h;
	if (c->own_norm)
		h = layer_norm(m, h, "output.adapter_layer_norm", e->norm_eps);
	else if (c->reuse_norm)
		h = layer_norm(m, h, norm, e->norm_eps);
	if (c->norm_first)
		residual = h;
	h = add(m, adapt(m, h, c, l), residual, 1);
	return e->pre_norm ? h : layer_norm(m, h, norm, e->norm_eps);
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	const xmod_config *c = config;
	const encoder_config *e = &c->encoder;
	language_rows l = sort_by_language(m, c);
	attention how = e->attention;
	tensor x = encoder_embed(m, e);

	for (int i = 0; i < e->layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer;

		nn_emit_hidden_state(m, i, x);
		layer = nn_enter(m, e->names->layer, i);
		how.layer = i;
		x = encoder_attend(m, x, e, &how);
		x = nn_leave(m, layer, x, feed_forward(m, x, c, &l));
	}
	if (e->final_norm != NULL)
		normalize_in_place(m, x, e->final_norm, &(normalization) {.eps = e->norm_eps});
	nn_emit_hidden_state(m, e->layers, x);
	return x;
}

static void
read_languages(tfm_context *context, json file, xmod_config *c)
{
	json languages = json_member(file, "languages");
	const char *chosen = json_string(context, file, "default_language", NULL);

	c->default_language = -1;
	c->languages = tfm_alloc_array(context, json_size(languages) + 1, sizeof(c->languages[0]));
	if (c->languages == NULL)
		return;
	if (!json_is_array(languages))
		c->languages[c->language_count++] = "en_XX";
	for (json e = json_first(languages); json_is_array(languages) && json_is_string(e);
		 e = json_next(e))
		c->languages[c->language_count++] = tfm_strdup(context, json_as_string(e));
	for (int i = 0; chosen != NULL && i < c->language_count && !tfm_failed(context); i++)
		if (strcmp(c->languages[i], chosen) == 0)
			c->default_language = i;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	xmod_config *c = config;
	encoder_config *e = &c->encoder;
	int64_t factor = json_int(context, file, "adapter_reduction_factor", 2, 1, NN_MAX_SIZE);

	*e = encoder_roberta;
	e->common.vocab_size = 30522;
	e->hidden_states = hidden_states;
	e->pre_norm = json_bool(context, file, "pre_norm", false);
	if (e->pre_norm)
		e->final_norm = "encoder.LayerNorm";
	encoder_read_roberta_config(context, file, e);
	c->adapter_size = e->common.hidden_size / factor;
	if (c->adapter_size == 0)
		tfm_fail(context, TFM_CORRUPTED, "\"adapter_reduction_factor\" is above hidden_size");
	c->own_norm = json_bool(context, file, "adapter_layer_norm", false);
	c->reuse_norm = json_bool(context, file, "adapter_reuse_layer_norm", true);
	c->norm_first = json_bool(context, file, "ln_before_adapter", true);
	read_languages(context, file, c);
}

static const nn_variant variants[] = {{"xmod", "Xmod", "roberta"}, {0}};

const nn_family family_xmod = {
	.name = "xmod",
	.variants = variants,
	.heads = encoder_roberta_heads,
	.config_size = sizeof(xmod_config),
	.read_config = read_config,
	.make_positions = encoder_make_positions,
	.inputs = inputs,
	.cache_layers = encoder_cache_layers,
	.remember = encoder_remember,
	.hidden_states = hidden_states,
};
