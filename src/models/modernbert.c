/*
 * modernbert.c
 *	  ModernBERT (Warner et al. 2024): a decoder's layers, seeing both sides, most of them within windows
 *	  and with a rotation of their own.
 *	  Follows transformers/models/modernbert/modeling_modernbert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "nn/decoder.h"

typedef struct modernbert_config
{
	decoder_config decoder;
	bool mean; /* classifiers look at the mean of all tokens; else at the first */
	op_activation classifier_activation;
} modernbert_config;

static const decoder_names names = {
	.layer = "layers.%d",
	.attention_norm = "attn_norm",
	.qkv = "attn.Wqkv",
	.attention_output = "attn.Wo",
	.mlp_norm = "mlp_norm",
	.gate_up = "mlp.Wi",
	.down = "mlp.Wo",
	.final_norm = "final_norm",
	.lm_head = "decoder",
};

static tensor
embed_words(nn_model *m, const decoder_config *c)
{
	tensor x = decoder_embed(m, c);

	normalize_in_place(m, x, "embeddings.norm", &c->norm);
	return x;
}

/* Every so manieth layer sees all. */
static bool
is_sliding(tfm_context *context, json file, int layer)
{
	return layer % json_int(context, file, "global_attn_every_n_layers", 3, 1, NN_MAX_LAYERS) != 0;
}

static void
read_ropes(tfm_context *context, json file, decoder_config *c)
{
	json sliding = json_member(json_member(file, "rope_parameters"), "sliding_attention");
	rope_defaults d = {.head_dim = c->head_dim, .max_positions = c->common.max_positions};
	decoder_layer *each = (decoder_layer *) c->each;

	if (tfm_failed(context))
		return;
	d.theta = json_double(context, file, "global_rope_theta", 160000);
	rope_read(context, file, "full_attention", &d, &c->ropes[0]);
	if (!json_is_object(sliding))
		sliding = json_member(file, "rope_scaling");
	d.theta = json_double(context, file, "local_rope_theta", 10000);
	rope_read_parameters(context, file, sliding, &d, &c->ropes[1]);
	for (int i = 0; i < c->layers; i++)
		each[i].rope = each[i].window != 0;
	if (c->layers > 0)
		each[0].no_attention_norm = true;
}

static const decoder_defaults defaults = {
	.activation_key = "hidden_activation",
	.norm_eps_key = "norm_eps",
	.vocab_size = 50368,
	.sizes = {.hidden = 768, .intermediate = 1152, .layers = 22, .heads = 12},
	.max_positions = 8192,
	.activation = "gelu",
	.norm_eps = 1e-5,
	.pad_token_id = 50283,
	.tie_word_embeddings = true,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	modernbert_config *b = config;
	decoder_config *c = &b->decoder;
	const char *pooling = json_string(context, file, "classifier_pooling", "cls");

	*b = (modernbert_config) {
		.decoder = {.names = &names,
					.embedding = {.words = "embeddings.tok_embeddings"},
					.embed = embed_words,
					.norm = {.no_bias = !json_bool(context, file, "norm_bias", false)},
					.bidirectional = true},
		.mean = strcmp(pooling, "mean") == 0,
		.classifier_activation =
			nn_activation(context, json_string(context, file, "classifier_activation", "gelu")),
	};
	decoder_read_config(context, file, &defaults, c);
	c->common.any_position = true;
	/* half of it lies before a token, half after */
	decoder_read_layer_types(
		context, file, json_int(context, file, "local_attention", 128, 0, NN_MAX_SIZE) / 2 + 1,
		is_sliding, c);
	read_ropes(context, file, c);
}

/* ---- Heads ---- */

static tensor
transform(nn_model *m, const modernbert_config *c, tensor x)
{
	x = linear(m, x, "head.dense", .activation = c->classifier_activation);
	normalize_in_place(m, x, "head.norm", &c->decoder.norm);
	return x;
}

/* The mean of the tokens that are not hidden. */
static tensor
mean_of_seen(nn_model *m, tensor x)
{
	const nn_batch *batch = m->batch;
	int64_t n = x.shape[1];
	tensor y = nn_matrix(m, batch->sequences, n);

	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
	{
		float *mean = (float *) y.data + i * n;
		int64_t seen = 0;

		memset(mean, 0, (size_t) n * sizeof(float));
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
			if (batch->hidden == NULL || batch->hidden[t] == 0)
			{
				for (int64_t j = 0; j < n; j++)
					mean[j] += ((const float *) x.data)[t * n + j];
				seen++;
			}
		for (int64_t j = 0; j < n && seen > 0; j++)
			mean[j] /= (float) seen;
	}
	return y;
}

/* The first token that is not hidden, which is the row's first or comes after it. */
static tensor
first_seen(nn_model *m, tensor x)
{
	const nn_batch *batch = m->batch;
	int32_t *tokens = NULL;

	if (nn_live(m))
		tokens = tfm_alloc_array(m->context, (size_t) batch->sequences, sizeof(int32_t));
	for (int64_t i = 0; tokens != NULL && i < batch->sequences; i++)
	{
		int32_t t = batch->offsets[i];

		tokens[i] = t;
		if (batch->hidden != NULL && batch->hidden[t] != 0 && t + 1 < batch->offsets[i + 1])
			tokens[i] = t + 1;
	}
	return take_rows(m, x, tokens, batch->sequences);
}

static void
masked_lm(nn_model *m, const void *config)
{
	tensor x = transform(m, config, decoder_hidden_states(m, config));

	nn_emit(m, "logits", NN_PER_TOKEN, decoder_predict_words(m, config, x));
}

static void
sequence_classification(nn_model *m, const void *config)
{
	const modernbert_config *c = config;
	tensor x = decoder_hidden_states(m, config);

	x = transform(m, c, c->mean ? mean_of_seen(m, x) : first_tokens(m, x));
	nn_emit(m, "logits", NN_PER_SEQUENCE,
			linear(m, x, "classifier", .columns = c->decoder.common.num_labels));
}

static void
multiple_choice(nn_model *m, const void *config)
{
	const modernbert_config *c = config;
	tensor x = decoder_hidden_states(m, config);

	x = transform(m, c, c->mean ? mean_of_seen(m, x) : first_seen(m, x));
	nn_emit(m, "logits", NN_PER_CHOICE, linear(m, x, "classifier", .columns = 1));
}

/* Scores of each token's labels. */
static tensor
classify_tokens(nn_model *m, const void *config)
{
	const modernbert_config *c = config;

	return linear(m, transform(m, c, decoder_hidden_states(m, config)), "classifier",
				  .columns = c->decoder.common.num_labels);
}

static void
token_classification(nn_model *m, const void *config)
{
	nn_emit(m, "logits", NN_PER_TOKEN, classify_tokens(m, config));
}

static void
question_answering(nn_model *m, const void *config)
{
	tensor logits = classify_tokens(m, config);

	emit_spans(m, NN_PER_TOKEN, logits);
}

static const nn_variant variants[] = {{"modernbert", "ModernBert", "model"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", decoder_base_model},
	{"ForMaskedLM", "fill-mask", masked_lm},
	{"ForSequenceClassification", "text-classification", sequence_classification},
	{"ForMultipleChoice", "multiple-choice", multiple_choice},
	{"ForTokenClassification", "token-classification", token_classification},
	{"ForQuestionAnswering", "question-answering", question_answering},
	{0},
};

const nn_family family_modernbert = {
	.name = "modernbert",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(modernbert_config),
	.read_config = read_config,
	.hidden_states = decoder_hidden_states,
};
