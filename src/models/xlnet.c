/*
 * xlnet.c
 *	  XLNet (Yang et al. 2019): attention by content and distance, with a second stream of queries that
 *	  know where they are and not what stands there.
 *	  Follows transformers/models/xlnet/modeling_xlnet.py.
 *
 * What a token does not see has so little added to its scores that where it sees nothing at all, it
 * sees everything alike.  The second stream is there where target_mapping says which tokens each of its
 * rows stands for.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "nn/family.h"
#include "nn/inputs.h"
#include "nn/layers.h"
#include "nn/position_bias.h"
#include "nn/relative_attention.h"
#include "nn/sinusoid.h"
#include "nn/squad_head.h"
#include "nn/summary.h"
#include "tensor/elementwise.h"

#define UNSEEN -1e30f

typedef struct xlnet_config
{
	nn_config common;
	int layers, heads;
	int64_t inner;
	op_activation activation;
	double norm_eps;
	bool one_way; /* attn_type "uni": a token sees those before it */
	bool same_length;
	int64_t clamp; /* farther ones are as far as this; 0: none is */
	summary summary;
	squad_head answers;
} xlnet_config;

enum
{
	PERM_MASK,
	TARGET_MAPPING,
	INPUT_MASK,
	CLS_INDEX,
	P_MASK
};

static const nn_input_kind inputs[] = {
	{"perm_mask", false, 0, true}, {"target_mapping", false, 0, true},
	{"input_mask", true, 1, true}, {"cls_index", false, 0, false},
	{"p_mask", true, 1, true},	   {0},
};

/* ---- What is seen ---- */

typedef struct sight
{
	const nn_batch *batch;
	const xlnet_config *config;
	const float *unseen;	 /* perm_mask [sequences, length, length]; or NULL */
	const float *input_mask; /* [tokens], not 0 for hidden ones; or NULL */
	int64_t length;			 /* of all rows, where there is a perm_mask */
	const int32_t *rows;	 /* [tokens] the sequence of each */
	bool itself;			 /* each token sees itself in any case */
} sight;

static bool
is_seen(const sight *s, int64_t query, int64_t key)
{
	const int32_t *columns = s->batch->columns;
	int64_t i = columns[query], j = columns[key];

	if (s->itself && query == key)
		return true;
	if (s->config->one_way && (j > i || (s->config->same_length && j < i)))
		return false;
	if (s->input_mask != NULL && s->input_mask[key] > 0)
		return false;
	if (s->input_mask == NULL && s->batch->hidden != NULL && s->batch->hidden[key])
		return false;
	return s->unseen == NULL || !(s->unseen[(s->rows[query] * s->length + i) * s->length + j] > 0);
}

static void
hide_unseen(const void *argument, int64_t query, int queries, int64_t key, float *scores)
{
	const sight *s = argument;

	for (int i = 0; i < queries; i++)
		if (!is_seen(s, query + i, key))
			scores[i] += UNSEEN;
}

/* Whether anything is hidden. */
static bool
make_sight(nn_model *m, const xlnet_config *c, sight *s)
{
	const nn_batch *batch = m->batch;
	const nn_input *unseen = given_input(m, PERM_MASK), *mask = given_input(m, INPUT_MASK);
	int32_t *rows;

	*s = (sight) {.batch = batch, .config = c};
	if (!nn_live(m) || (unseen == NULL && mask == NULL && batch->hidden == NULL && !c->one_way))
		return false;
	rows = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(int32_t));
	for (int64_t i = 0; rows != NULL && i < batch->sequences; i++)
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
			rows[t] = (int32_t) i;
	s->rows = rows;
	s->input_mask = mask == NULL ? NULL : mask->floats;
	if (unseen == NULL || rows == NULL)
		return rows != NULL;
	s->unseen = unseen->floats;
	s->length = batch->tokens / batch->sequences;
	if (unseen->rank == 3 && unseen->shape[0] == batch->sequences &&
		unseen->shape[1] == s->length && unseen->shape[2] == s->length)
		return true;
	return tfm_fail(m->context, TFM_INVALID_ARGUMENT,
					"\"perm_mask\" must have %lld rows and columns for each sequence",
					(long long) s->length);
}

/* ---- Layers ---- */

/* What all layers of a pass share. */
typedef struct pass
{
	const xlnet_config *config;
	relative_attention how; /* of content; of queries, with the other sight */
	tensor distances;
	bool any_hidden;
	sight content, query;
	const nn_input *targets; /* [sequences, predictions, length]; NULL: there is no second stream */
} pass;

/* x [rows, hidden] times "rel_attn.<name>" [hidden, heads, head size]. */
static tensor
project(nn_model *m, const pass *p, tensor x, const char *name)
{
	return linear(m, x, name, .columns = p->config->common.hidden_size, .transposed = true);
}

static tensor
attend_stream(nn_model *m, const pass *p, tensor q, tensor k, tensor v, const sight *s)
{
	int64_t n = p->config->common.hidden_size;
	relative_attention how = p->how;

	how.position_keys = project(m, p, p->distances, "rel_attn.r[0/1]");
	how.position_x = add_head_bias(m, q, "rel_attn.r_r_bias", p->config->heads);
	if (m->dry || m->batch->types != NULL)
	{
		const weight *w = nn_weight(m, "rel_attn.seg_embed", LAYOUT_PLAIN, 2, n);

		how.type_keys = (tensor) {.data = w == NULL ? NULL : (void *) w->data,
								  .dtype = DTYPE_F32,
								  .rank = 2,
								  .shape = {2, n}};
		how.type_x = add_head_bias(m, q, "rel_attn.r_s_bias", p->config->heads);
	}
	if (p->any_hidden)
	{
		how.more = hide_unseen;
		how.more_argument = s;
	}
	return attend_relative(m, add_head_bias(m, q, "rel_attn.r_w_bias", p->config->heads), k, v,
						   &how);
}

/* What a part gives, added to its input and normed: y [rows, k] -> x's shape. */
static tensor
end_part(nn_model *m, const pass *p, tensor x, tensor y, const char *name, const char *norm)
{
	return linear(m, y, name, .columns = p->config->common.hidden_size, .residual = x, .norm = norm,
				  .norm_eps = p->config->norm_eps);
}

/* The rest of a layer after the attention of a stream: x and attended [rows, hidden] -> [rows, hidden]. */
static tensor
end_stream(nn_model *m, const pass *p, tensor x, tensor attended)
{
	const xlnet_config *c = p->config;
	tensor y = end_part(m, p, x, attended, "rel_attn.o[0/1]", "rel_attn.layer_norm");
	tensor inner = linear(m, y, "ff.layer_1", .columns = c->inner, .activation = c->activation);

	return end_part(m, p, y, inner, "ff.layer_2", "ff.layer_norm");
}

/*
 * Rows of predictions [sequences * predictions, hidden] at the tokens that they stand for [tokens,
 * hidden], and back.
 */
static tensor
map_targets(nn_model *m, const pass *p, tensor x, bool back)
{
	const nn_batch *batch = m->batch;
	int64_t predictions = p->targets->shape[1], length = p->targets->shape[2], n = x.shape[1];
	tensor y = nn_matrix(m, back ? batch->sequences * predictions : batch->tokens, n);

	if (!nn_live(m))
		return y;
	memset(y.data, 0, (size_t) tensor_count(&y) * sizeof(float));
	for (int64_t i = 0; i < batch->sequences * predictions * length && nn_live(m); i++)
	{
		int64_t prediction = i / length;
		int64_t token = prediction / predictions * length + i % length;
		const float *from = (const float *) x.data + (back ? token : prediction) * n;

		if (p->targets->floats[i] != 0)
			op_add(m->context, (float *) y.data + (back ? prediction : token) * n, from,
				   p->targets->floats[i], n);
	}
	return y;
}

/* One layer of both streams, in the place of h [tokens, hidden] and g, the second one, or empty. */
static tensor
run_layer(nn_model *m, const pass *p, tensor h, tensor g)
{
	tensor q = project(m, p, h, "rel_attn.q[0/1]"), k = project(m, p, h, "rel_attn.k[0/1]");
	tensor v = project(m, p, h, "rel_attn.v[0/1]");
	tensor y = end_stream(m, p, h, attend_stream(m, p, q, k, v, &p->content)), second;

	if (g.rank == 0 || tfm_failed(m->context))
		return y;
	q = map_targets(m, p, project(m, p, g, "rel_attn.q[0/1]"), false);
	second = map_targets(m, p, attend_stream(m, p, q, k, v, &p->query), true);
	second = end_stream(m, p, g, second);
	if (nn_live(m))
		memcpy(g.data, second.data, (size_t) tensor_count(&g) * sizeof(float));
	return y;
}

/* ---- The pass ---- */

static const nn_input *
find_targets(nn_model *m)
{
	const nn_input *targets = given_input(m, TARGET_MAPPING);

	if (targets == NULL || !nn_live(m))
		return NULL;
	if (targets->rank == 3 && targets->shape[0] == m->batch->sequences &&
		targets->shape[2] * m->batch->sequences == m->batch->tokens)
		return targets;
	tfm_fail(m->context, TFM_INVALID_ARGUMENT,
			 "\"target_mapping\" must have a column for each token of a sequence");
	return NULL;
}

static pass
begin_pass(nn_model *m, const xlnet_config *c)
{
	int64_t span = position_span(m->batch);
	int32_t *rows;
	pass p = {.config = c, .targets = find_targets(m)};

	if (c->clamp > 0 && span > c->clamp + 1)
		span = c->clamp + 1;
	/* rows of the distances from 1 - span on */
	p.distances = make_sinusoids(m, 1 - span, 2 * span - 1, c->common.hidden_size);
	rows = nn_live(m) ? tfm_alloc_array(m->context, (size_t) (2 * span), sizeof(int32_t)) : NULL;
	for (int64_t i = 0; rows != NULL && i < 2 * span; i++)
		rows[i] = (int32_t) i;
	p.how = (relative_attention) {.heads = c->heads, .rows = rows, .span = span, .any_type = -1};
	/* without what is hidden: that is not all that is unseen */
	p.how.keys = (relative_tokens) {
		.offsets = m->batch->offsets, .places = m->batch->columns, .types = m->batch->types};
	p.any_hidden = make_sight(m, c, &p.content);
	p.query = p.content;
	p.content.itself = true;
	return p;
}

/* The vector that all rows of the second stream begin with -> [sequences * predictions, hidden]. */
static tensor
begin_queries(nn_model *m, const pass *p)
{
	int64_t n = p->config->common.hidden_size;
	const weight *w = nn_weight(m, "mask_emb", LAYOUT_PLAIN, 0, n);
	tensor g;

	if (p->targets == NULL)
		return (tensor) {0};
	g = nn_matrix(m, m->batch->sequences * p->targets->shape[1], n);
	for (int64_t i = 0; nn_live(m) && i < tensor_count(&g); i++)
		((float *) g.data)[i] = ((const float *) w->data)[i % n];
	return g;
}

static const embedding *
describe_words(const xlnet_config *c, embedding *e)
{
	*e = (embedding) {.hidden_size = c->common.hidden_size,
					  .words = "word_embedding",
					  .tied = c->common.tie_word_embeddings,
					  .word_count = c->common.vocab_size};
	return e;
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	const xlnet_config *c = config;
	pass p = begin_pass(m, c);
	embedding words;
	tensor h = embed(m, describe_words(c, &words)), g = begin_queries(m, &p);

	for (int i = 0; i < c->layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer;

		nn_emit_hidden_state(m, i, h);
		layer = nn_enter(m, "layer.%d", i);
		h = nn_leave(m, layer, h, run_layer(m, &p, h, g));
	}
	nn_emit_hidden_state(m, c->layers, h);
	return g.rank == 0 ? h : g;
}

/* ---- Heads ---- */

/* Of tokens, or of the rows of the second stream. */
static void
emit_rows(nn_model *m, const char *name, tensor x)
{
	const nn_input *targets = given_input(m, TARGET_MAPPING);

	if (targets == NULL || tfm_failed(m->context))
	{
		nn_emit(m, name, NN_PER_TOKEN, x);
		return;
	}
	x.rank = 3;
	x.shape[2] = x.shape[1];
	x.shape[0] = m->batch->sequences;
	x.shape[1] = targets->shape[1];
	nn_emit(m, name, NN_AS_SHAPED, x);
}

/* States of tokens, which heads other than the language model's want. */
static tensor
token_states(nn_model *m, const void *config)
{
	if (given_input(m, TARGET_MAPPING) != NULL)
		tfm_fail(m->context, TFM_UNSUPPORTED,
				 "\"target_mapping\" is not supported by this class of model");
	return hidden_states(m, config);
}

static void
base_model(nn_model *m, const void *config)
{
	emit_rows(m, "last_hidden_state", hidden_states(m, config));
}

static void
language_model(nn_model *m, const void *config)
{
	const xlnet_config *c = config;

	emit_rows(m, "logits",
			  linear(m, hidden_states(m, config), "lm_loss", .columns = c->common.vocab_size,
					 .tied = c->common.tie_word_embeddings ? "word_embedding" : NULL));
}

static tensor
summarize_states(nn_model *m, const xlnet_config *c)
{
	return summarize(m, token_states(m, c), "sequence_summary", &c->summary);
}

static void
sequence_classification(nn_model *m, const void *config)
{
	const xlnet_config *c = config;

	nn_emit(m, "logits", NN_PER_SEQUENCE,
			linear(m, summarize_states(m, c), "logits_proj", .columns = c->common.num_labels));
}

static void
multiple_choice(nn_model *m, const void *config)
{
	nn_emit(m, "logits", NN_PER_CHOICE,
			linear(m, summarize_states(m, config), "logits_proj", .columns = 1));
}

static void
token_classification(nn_model *m, const void *config)
{
	const xlnet_config *c = config;

	nn_emit(m, "logits", NN_PER_TOKEN,
			linear(m, token_states(m, config), "classifier", .columns = c->common.num_labels));
}

static void
simple_question_answering(nn_model *m, const void *config)
{
	tensor logits = linear(m, token_states(m, config), "qa_outputs", .columns = 2);

	emit_spans(m, NN_PER_TOKEN, logits);
}

static void
question_answering(nn_model *m, const void *config)
{
	const xlnet_config *c = config;

	find_answers(m, token_states(m, config), &c->answers, given_input(m, CLS_INDEX),
				 given_input(m, P_MASK));
}

/* ---- Configuration ---- */

/* A size under XLNet's own key, or the usual one. */
static int64_t
read_size(tfm_context *context, json file, const char *own, const char *usual, int64_t fallback,
		  int64_t most)
{
	return json_int(context, file, json_present(json_member(file, own)) ? own : usual, fallback, 1,
					most);
}

static void
read_attention(tfm_context *context, json file, xlnet_config *c)
{
	const char *type = json_string(context, file, "attn_type", "bi");

	c->one_way = strcmp(type, "uni") == 0;
	c->same_length = json_bool(context, file, "same_length", false);
	c->clamp = json_int(context, file, "clamp_len", -1, INT32_MIN, INT32_MAX);
	if (!c->one_way && strcmp(type, "bi") != 0)
		tfm_fail(context, TFM_UNSUPPORTED, "%s: \"attn_type\" \"%.32s\" is not supported",
				 file.source, type);
	if (json_bool(context, file, "bi_data", false))
		tfm_fail(context, TFM_UNSUPPORTED, "%s: \"bi_data\" is not supported", file.source);
	if (!tfm_failed(context) &&
		(c->common.hidden_size % c->heads != 0 || c->common.hidden_size % 2 != 0))
		tfm_fail(context, TFM_CORRUPTED, "%s: %d heads cannot share %lld columns", file.source,
				 c->heads, (long long) c->common.hidden_size);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	xlnet_config *c = config;

	c->common = (nn_config) {
		.vocab_size = read_size(context, file, "vocab_size", "n_token", 32000, NN_MAX_SIZE),
		.hidden_size = read_size(context, file, "d_model", "hidden_size", 1024, NN_MAX_SIZE),
		.max_positions = 1 << 20,
		.any_position = true,
		.num_labels = nn_read_num_labels(context, file),
		.pad_token_id = json_int(context, file, "pad_token_id", 5, -1, NN_MAX_SIZE),
		.tie_word_embeddings = json_bool(context, file, "tie_word_embeddings", true),
	};
	c->layers = (int) read_size(context, file, "n_layer", "num_hidden_layers", 24, NN_MAX_LAYERS);
	c->heads = (int) read_size(context, file, "n_head", "num_attention_heads", 16, NN_MAX_HEADS);
	c->inner = json_int(context, file, "d_inner", 4096, 1, NN_MAX_SIZE);
	c->activation = nn_activation(context, json_string(context, file, "ff_activation", "gelu"));
	c->norm_eps = json_double(context, file, "layer_norm_eps", 1e-12);
	summary_read_config(context, file, &c->common,
						&(summary_defaults) {.type = "last", .activation = "tanh"}, &c->summary);
	squad_read_config(context, file, &c->answers);
	c->answers.norm_eps = c->norm_eps;
	read_attention(context, file, c);
}

static const nn_variant variants[] = {{"xlnet", "XLNet", "transformer"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", base_model},
	{"LMHeadModel", "text-generation", language_model},
	{"ForSequenceClassification", "text-classification", sequence_classification},
	{"ForTokenClassification", "token-classification", token_classification},
	{"ForMultipleChoice", "multiple-choice", multiple_choice},
	{"ForQuestionAnswering", "question-answering", question_answering},
	{"ForQuestionAnsweringSimple", "question-answering", simple_question_answering},
	{0},
};

const nn_family family_xlnet = {
	.name = "xlnet",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(xlnet_config),
	.read_config = read_config,
	.inputs = inputs,
	.keeps_masked = true,
	.hidden_states = hidden_states,
};
