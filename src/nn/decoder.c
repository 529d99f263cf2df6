/*
 * decoder.c
 *	  The decoder that most language models share: the pass and its heads.
 *	  Follows transformers/models/llama/modeling_llama.py, and modeling_layers.py for the heads.
 *
 * Each half of a layer ends what it allocated: a pass takes the memory of the larger one.  The sums
 * that run through the layers stay in one place.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

#include <stdio.h>
#include <string.h>

#include "nn/inputs.h"
#include "tensor/elementwise.h"

const decoder_names decoder_llama_names = {
	DECODER_LLAMA_ATTENTION,
	DECODER_LLAMA_NORMS,
	DECODER_LLAMA_MLP,
};

const decoder_names decoder_ungated_names = {
	DECODER_LLAMA_ATTENTION,
	DECODER_LLAMA_NORMS,
	.up = "mlp.up_proj",
	.down = "mlp.down_proj",
};

const decoder_names decoder_normed_names = {
	DECODER_LLAMA_ATTENTION,
	DECODER_LLAMA_NORMS,
	DECODER_LLAMA_MLP,
	DECODER_HEAD_NORMS,
};

static double
or_one(double factor)
{
	return factor == 0 ? 1.0 : factor;
}

static int
count_kv_heads(const decoder_config *c)
{
	return c->attention.kv_heads == 0 ? c->attention.heads : c->attention.kv_heads;
}

static decoder_layer
get_layer(const decoder_config *c, int layer)
{
	return c->each == NULL ? (decoder_layer) {0} : c->each[layer];
}

/* ---- Queries, keys and values ---- */

/* Copy columns of each row of from to each row of to; both are matrices. */
static void
copy_columns(tensor from, int64_t from_column, tensor to, int64_t to_column, int64_t count)
{
	for (int64_t i = 0; i < from.shape[0]; i++)
		memcpy((float *) to.data + i * to.shape[1] + to_column,
			   (const float *) from.data + i * from.shape[1] + from_column,
			   (size_t) count * sizeof(float));
}

/* Rows whose heads stand in groups, with all queries first, then keys, then values. */
static tensor
ungroup_heads(nn_model *m, tensor x, const decoder_config *c)
{
	int64_t groups = c->qkv_groups;
	int64_t q = (int64_t) c->attention.heads * c->head_dim / groups;
	int64_t k = (int64_t) count_kv_heads(c) * c->head_dim / groups;
	int64_t key_at = q + (c->value_before_key ? k : 0),
			value_at = q + (c->value_before_key ? 0 : k);
	tensor y = nn_matrix(m, x.shape[0], x.shape[1]);

	for (int64_t g = 0; g < groups && nn_live(m); g++)
	{
		int64_t from = g * (q + 2 * k);

		copy_columns(x, from, y, g * q, q);
		copy_columns(x, from + key_at, y, groups * q + g * k, k);
		copy_columns(x, from + value_at, y, groups * (q + k) + g * k, k);
	}
	return y;
}

/* Queries, keys and values of x [tokens, hidden], side by side. */
static tensor
project_heads(nn_model *m, tensor x, const decoder_config *c)
{
	int64_t q = (int64_t) c->attention.heads * c->head_dim;
	int64_t k = (int64_t) count_kv_heads(c) * c->head_dim;
	const decoder_names *names = c->names;
	tensor y;

	if (names->qkv == NULL)
		return linear_side_by_side(m, x,
								   &(linear_row) {.count = 3,
												  .names = {names->query, names->key, names->value},
												  .columns = {q, k, k},
												  .transposed = c->transposed});
	y = linear(m, x, names->qkv, .columns = q + 2 * k, .transposed = c->transposed);
	return c->qkv_groups > 1 || c->value_before_key ? ungroup_heads(m, y, c) : y;
}

/* Each head by a norm of its own, "<name>.norms.<head>". */
static void
normalize_listed(nn_model *m, const decoder_config *c, tensor x, int64_t stride, int heads,
				 const char *name)
{
	for (int i = 0; i < heads; i++)
	{
		char own[NN_NAME_MAX];

		snprintf(own, sizeof(own), "%s.norms.%d", name, i);
		normalize_heads(m, take_columns(x, (int64_t) i * c->head_dim, c->head_dim), stride, 1,
						false, own, &c->head_norm);
	}
}

static void
normalize_projection(nn_model *m, const decoder_config *c, tensor x, int64_t stride, int heads,
					 const char *name)
{
	if (name == NULL)
		return;
	if (c->head_norm_of == HEADS_LISTED)
		normalize_listed(m, c, x, stride, heads, name);
	else
		normalize_heads(m, x, stride, c->head_norm_of == HEADS_WHOLE ? 1 : heads,
						c->head_norm_of == HEADS_OWN, name, &c->head_norm);
}

/* Queries and keys as they are compared, at the start of rows of qkv. */
static void
place_heads(nn_model *m, const decoder_config *c, int layer, tensor qkv)
{
	int heads = c->attention.heads, kv_heads = count_kv_heads(c);
	int64_t q = (int64_t) heads * c->head_dim, k = (int64_t) kv_heads * c->head_dim;
	int64_t stride = qkv.shape[1];
	tensor both = take_columns(qkv, 0, q + k);

	if (c->norm_after_rope)
		decoder_rotate(m, c, layer, both, stride, heads + kv_heads);
	normalize_projection(m, c, take_columns(qkv, 0, q), stride, heads, c->names->query_norm);
	normalize_projection(m, c, take_columns(qkv, q, k), stride, kv_heads, c->names->key_norm);
	if (c->clip_qkv != 0 && nn_live(m))
		op_clip(m->context, qkv.data, qkv.shape[0], stride, stride, (float) c->clip_qkv);
	if (!c->norm_after_rope)
		decoder_rotate(m, c, layer, both, stride, heads + kv_heads);
}

void
decoder_rotate(nn_model *m, const decoder_config *c, int layer, tensor x, int64_t stride, int heads)
{
	int which = get_layer(c, layer).rope;

	if (which >= 0)
		rotate(m, &c->ropes[which], x, stride, heads);
}

attention
decoder_attention(const decoder_config *c, int layer)
{
	attention a = c->attention;

	a.causal = !c->bidirectional;
	a.layer = layer;
	a.window = get_layer(c, layer).window;
	return a;
}

tensor
decoder_attend(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	int64_t q = (int64_t) c->attention.heads * c->head_dim;
	int64_t k = (int64_t) count_kv_heads(c) * c->head_dim;
	attention a = decoder_attention(c, layer);
	tensor qkv = project_heads(m, x, c);

	a.stride = qkv.shape[1];
	place_heads(m, c, layer, qkv);
	return attend(m, take_columns(qkv, 0, q), take_columns(qkv, q, k), take_columns(qkv, q + k, k),
				  &a);
}

/* ---- Feed-forward parts ---- */

/* Up to the last product: [tokens, n], or wider, of which the first n columns count. */
/*
 * Where weights are in blocks, x is rounded to 8 bits here and to 16 everywhere else.  With 8 bits
 * everywhere the best token would be another one in some 3 % of the steps; the feed-forward parts
 * have most of the products and the smallest share in that.
 */
static tensor
enter_feed_forward(nn_model *m, tensor x, const decoder_config *c, const decoder_names *names,
				   int64_t n)
{
	tensor y;

	if (names->gate == NULL && names->gate_up == NULL)
		return linear(m, x, names->up, .columns = n, .activation = c->activation,
					  .transposed = c->transposed, .coarse = true);
	if (names->gate_up == NULL)
		return linear_gated(m, x,
							&(linear_row) {.count = 2,
										   .names = {names->gate, names->up},
										   .columns = {n, n},
										   .transposed = c->transposed,
										   .coarse = true},
							c->activation);
	y = linear(m, x, names->gate_up, .columns = 2 * n, .transposed = c->transposed, .coarse = true);
	gate(m, y, take_columns(y, n, n), n, 2 * n, c->activation);
	return y;
}

tensor
decoder_feed_forward(nn_model *m, tensor x, const decoder_config *c, const decoder_names *names,
					 int64_t n, tensor residual)
{
	tensor y = enter_feed_forward(m, x, c, names, n);

	if (tfm_failed(m->context))
		return (tensor) {0};
	return linear(m, take_columns(y, 0, n), names->down, .columns = c->common.hidden_size,
				  .x_stride = y.shape[1], .transposed = c->transposed, .residual = residual,
				  .replace = residual.rank != 0, .coarse = true);
}

/* y += share * part, each row by its own share [rows, 1]. */
static void
add_shares(nn_model *m, tensor y, tensor part, tensor share)
{
	int64_t n = y.shape[1];

	for (int64_t i = 0; nn_live(m) && i < y.shape[0]; i++)
		op_add(m->context, (float *) y.data + i * n, (const float *) part.data + i * n,
			   ((const float *) share.data)[i], n);
}

/* Mixture of experts, and the part that all tokens pass beside it. */
static tensor
run_mixture(nn_model *m, tensor x, const decoder_config *c)
{
	tensor y = mixture(m, x, &c->moe), part;

	if (c->shared_expert == NULL)
		return y;
	if (c->shared_expert_gate == NULL)
		return decoder_feed_forward(m, x, c, c->shared_expert, c->shared_intermediate_size, y);
	part =
		decoder_feed_forward(m, x, c, c->shared_expert, c->shared_intermediate_size, (tensor) {0});
	add_shares(m, y, part,
			   linear(m, x, c->shared_expert_gate, .columns = 1, .activation = ACTIVATION_SIGMOID));
	return y;
}

/* ---- Layers ---- */

/* x += residual_scale * norm(y), in the place of x. */
static tensor
add_part(nn_model *m, tensor x, tensor y, const decoder_config *c, const char *post_norm)
{
	if (post_norm != NULL)
		normalize_in_place(m, y, post_norm, &c->norm);
	return add(m, x, y, or_one(c->residual_scale));
}

/* Whether a part's last product can be added to x as it is made. */
static bool
adds_directly(const decoder_config *c, const char *post_norm)
{
	return post_norm == NULL && or_one(c->residual_scale) == 1.0;
}

/* x plus attention to what norm [tokens, hidden] says of it. */
static tensor
add_attention(nn_model *m, tensor x, tensor norm, const decoder_config *c, int layer)
{
	const char *post_norm = c->names->attention_post_norm;
	bool direct = adds_directly(c, post_norm) && c->names->attention_output != NULL;
	tensor y = c->attend == NULL ? decoder_attend(m, norm, c, layer) : c->attend(m, norm, c, layer);

	if (direct)
		return linear(m, y, c->names->attention_output, .columns = c->common.hidden_size,
					  .transposed = c->transposed, .residual = x, .replace = true);
	if (c->names->attention_output != NULL)
		y = linear(m, y, c->names->attention_output, .columns = c->common.hidden_size,
				   .transposed = c->transposed);
	return add_part(m, x, y, c, post_norm);
}

static tensor
add_feed_forward(nn_model *m, tensor x, tensor norm, const decoder_config *c, int layer)
{
	const char *post_norm = c->names->mlp_post_norm;
	decoder_layer each = get_layer(c, layer);
	int64_t n = each.intermediate_size == 0 ? c->intermediate_size : each.intermediate_size;
	bool direct = adds_directly(c, post_norm);
	tensor y;

	if (c->feed_forward != NULL)
		return add_part(m, x, c->feed_forward(m, norm, c, layer), c, post_norm);
	if (each.mixture)
		return add_part(m, x, run_mixture(m, norm, c), c, post_norm);
	y = decoder_feed_forward(m, norm, c, c->names, n, direct ? x : (tensor) {0});
	return direct ? y : add_part(m, x, y, c, post_norm);
}

static bool
has_feed_forward(const decoder_config *c, int layer)
{
	return c->feed_forward != NULL || c->names->down != NULL || get_layer(c, layer).mixture;
}

/* What a part is given: a norm of x, or x. */
static tensor
norm_before(nn_model *m, tensor x, const decoder_config *c, const char *name)
{
	return name == NULL || c->norm_after ? x : normalize(m, x, name, &c->norm);
}

static void
norm_after(nn_model *m, tensor x, const decoder_config *c, const char *name)
{
	if (name != NULL && c->norm_after)
		normalize_in_place(m, x, name, &c->norm);
}

static tensor
run_layer(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	const decoder_names *names = c->names;
	const char *norm = get_layer(c, layer).no_attention_norm ? NULL : names->attention_norm;
	nn_scope half = nn_begin(m);

	x = nn_leave(m, half, x, add_attention(m, x, norm_before(m, x, c, norm), c, layer));
	norm_after(m, x, c, names->attention_norm);
	if (c->look_back != NULL)
		x = c->look_back(m, x, c, layer);
	if (!has_feed_forward(c, layer))
		return x;
	half = nn_begin(m);
	x = nn_leave(m, half, x,
				 add_feed_forward(m, x, norm_before(m, x, c, names->mlp_norm), c, layer));
	norm_after(m, x, c, names->mlp_norm);
	return x;
}

/* Attention and feed-forward part of one x; without mlp_norm, of one norm. */
static tensor
run_parallel_layer(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	const decoder_names *names = c->names;
	tensor first = norm_before(m, x, c, names->attention_norm);
	tensor second = names->mlp_norm == NULL ? first : norm_before(m, x, c, names->mlp_norm);
	nn_scope half = nn_begin(m);

	x = nn_leave(m, half, x, add_attention(m, x, first, c, layer));
	half = nn_begin(m);
	return nn_leave(m, half, x, add_feed_forward(m, x, second, c, layer));
}

/* ---- The whole ---- */

tensor
decoder_embed(nn_model *m, const decoder_config *c)
{
	tensor x = embed(m, &c->embedding);

	if (c->names->project_in != NULL && c->embedding.hidden_size != c->common.hidden_size)
		x = linear(m, x, c->names->project_in, .columns = c->common.hidden_size);
	return x;
}

static tensor
run_layers(nn_model *m, tensor x, const decoder_config *c)
{
	for (int i = 0; i < c->layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer;

		if (!c->states_after)
			nn_emit_hidden_state(m, i, x);
		layer = nn_enter(m, c->names->layer, i);
		x = nn_leave(m, layer, x,
					 c->parallel ? run_parallel_layer(m, x, c, i) : run_layer(m, x, c, i));
		if (c->end_layer != NULL)
			c->end_layer(m, x, c, i);
		if (c->states_after)
			nn_emit_hidden_state(m, i, x);
	}
	return x;
}

tensor
decoder_hidden_states(nn_model *m, const void *config)
{
	const decoder_config *c = config;
	normalization final = c->norm;
	tensor x = c->embed == NULL ? decoder_embed(m, c) : c->embed(m, c);

	x = scale(m, x, or_one(c->embedding_scale), 0);
	x = run_layers(m, x, c);
	if (c->final_norm_eps != 0)
		final.eps = c->final_norm_eps;
	if (c->names->final_norm != NULL)
		normalize_in_place(m, x, c->names->final_norm, &final);
	if (c->names->project_out != NULL && c->embedding.hidden_size != c->common.hidden_size)
		x = linear(m, x, c->names->project_out, .columns = c->embedding.hidden_size);
	if (c->finish != NULL)
		x = c->finish(m, x, c);
	nn_emit_hidden_state(m, c->layers, x);
	return x;
}

/* ---- Heads ---- */

tensor
decoder_predict_words(nn_model *m, const decoder_config *c, tensor x)
{
	tensor logits = linear(m, x, c->names->lm_head, .columns = c->common.vocab_size,
						   .bias = c->names->lm_head_bias,
						   .tied = c->common.tie_word_embeddings ? c->embedding.words : NULL);

	return scale(m, logits, or_one(c->logit_scale), c->logit_soft_cap);
}

/*
 * The rows of the tokens that sequences are classified by: the last that is not padding, as
 * Transformers picks it; x [tokens, n] -> [sequences, n].
 */
static tensor
take_last_tokens(nn_model *m, const decoder_config *c, tensor x)
{
	const nn_batch *batch = m->batch;
	bool look = c->common.pad_token_id >= 0 && batch->embeds == NULL;
	int32_t *last;

	if (!nn_live(m))
		return take_rows(m, x, NULL, batch->sequences);
	last = tfm_alloc_array(m->context, (size_t) batch->sequences, sizeof(int32_t));
	for (int64_t i = 0; last != NULL && i < batch->sequences; i++)
	{
		int32_t first = batch->offsets[i], t = batch->offsets[i + 1] - 1;

		while (look && t > first && batch->ids[t] == c->common.pad_token_id)
			t--;
		last[i] = t;
	}
	return take_rows(m, x, last, batch->sequences);
}

void
decoder_base_model(nn_model *m, const void *config)
{
	nn_emit(m, "last_hidden_state", NN_PER_TOKEN, decoder_hidden_states(m, config));
}

void
decoder_causal_lm(nn_model *m, const void *config)
{
	const decoder_config *c = config;
	tensor x = decoder_hidden_states(m, config);

	if (m->batch->wanted == NULL)
	{
		nn_emit(m, "logits", NN_PER_TOKEN, decoder_predict_words(m, c, x));
		return;
	}
	x = take_rows(m, x, m->batch->wanted, m->batch->wanted_count);
	nn_emit(m, "logits", NN_PER_TOKEN, decoder_predict_words(m, c, x));
	nn_emit(m, "last_hidden_state", NN_PER_TOKEN, x);
}

static const char *
score_name(const decoder_config *c)
{
	return c->names->score == NULL ? "score" : c->names->score;
}

void
decoder_sequence_classification(nn_model *m, const void *config)
{
	const decoder_config *c = config;
	tensor x = take_last_tokens(m, c, decoder_hidden_states(m, config));

	nn_emit(m, "logits", NN_PER_SEQUENCE,
			linear(m, x, score_name(c), .columns = c->common.num_labels));
}

void
decoder_token_classification(nn_model *m, const void *config)
{
	const decoder_config *c = config;
	const char *name = c->names->token_score == NULL ? score_name(c) : c->names->token_score;
	tensor x = decoder_hidden_states(m, config);

	nn_emit(m, "logits", NN_PER_TOKEN, linear(m, x, name, .columns = c->common.num_labels));
}

void
decoder_question_answering(nn_model *m, const void *config)
{
	tensor x = decoder_hidden_states(m, config);
	tensor logits = linear(m, x, "qa_outputs", .columns = 2);

	nn_emit(m, "start_logits", NN_PER_TOKEN, take_column(m, logits, 0));
	nn_emit(m, "end_logits", NN_PER_TOKEN, take_column(m, logits, 1));
}

const nn_input_kind decoder_choice_inputs[] = {{"mc_token_ids", false, 0, false}, {0}};

/* Rows of tokens [tokens, n] as [examples, choices, columns, n], zeros where there is none. */
static tensor
spread_choices(nn_model *m, tensor x)
{
	const nn_batch *batch = m->batch;
	int64_t columns = 1, n = x.shape[1];
	tensor y;

	for (int64_t t = 0; nn_live(m) && t < batch->tokens; t++)
		columns = batch->columns[t] >= columns ? batch->columns[t] + 1 : columns;
	y = nn_matrix(m, batch->sequences * columns, n);
	if (!nn_live(m))
		return y;
	memset(y.data, 0, (size_t) tensor_count(&y) * sizeof(float));
	for (int64_t i = 0; i < batch->sequences; i++)
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
			if (batch->hidden == NULL || !batch->hidden[t])
				memcpy((float *) y.data + (i * columns + batch->columns[t]) * n,
					   (const float *) x.data + t * n, (size_t) n * sizeof(float));
	y.rank = 4;
	y.shape[0] = batch->sequences / batch->choices;
	y.shape[1] = batch->choices;
	y.shape[2] = columns;
	y.shape[3] = n;
	return y;
}

void
decoder_double_heads(nn_model *m, const void *config)
{
	const decoder_config *c = config;
	const nn_input *given = given_input(m, 0);
	nn_input places = given == NULL ? (nn_input) {0} : *given;
	tensor x = decoder_hidden_states(m, config), logits = decoder_predict_words(m, c, x), choice;

	if (places.rank == 2)
		places.shape[0] *= places.shape[1];
	choice = summarize_chosen(m, x, "multiple_choice_head", &c->choice, &places);
	if (tfm_failed(m->context))
		return;
	if (m->batch->choices > 1)
		nn_emit(m, "logits", NN_AS_SHAPED, spread_choices(m, logits));
	else
		nn_emit(m, "logits", NN_PER_TOKEN, logits);
	if (choice.shape[1] == 1 && m->batch->choices > 1)
		nn_emit(m, "mc_logits", NN_PER_CHOICE, choice);
	else
		nn_emit(m, "mc_logits", NN_PER_SEQUENCE,
				choice.shape[1] == 1 ? take_column(m, choice, 0) : choice);
}

const nn_head decoder_heads[] = {
	{"Model", "feature-extraction", decoder_base_model},
	{"ForCausalLM", "text-generation", decoder_causal_lm},
	{"ForSequenceClassification", "text-classification", decoder_sequence_classification},
	{"ForTokenClassification", "token-classification", decoder_token_classification},
	{"ForQuestionAnswering", "question-answering", decoder_question_answering},
	{0},
};

const nn_head decoder_heads_of_tokens[] = {
	{"Model", "feature-extraction", decoder_base_model},
	{"ForCausalLM", "text-generation", decoder_causal_lm},
	{"ForSequenceClassification", "text-classification", decoder_sequence_classification},
	{"ForTokenClassification", "token-classification", decoder_token_classification},
	{0},
};

const nn_head decoder_heads_of_answers[] = {
	{"Model", "feature-extraction", decoder_base_model},
	{"ForCausalLM", "text-generation", decoder_causal_lm},
	{"ForSequenceClassification", "text-classification", decoder_sequence_classification},
	{"ForQuestionAnswering", "question-answering", decoder_question_answering},
	{0},
};
