/*
 * xlm.c
 *	  XLM (Lample & Conneau 2019) and FlauBERT (Le et al. 2019): as BERT, but each token may have a
 *	  language, token types are words, hidden tokens are zeros after each layer, and the parts of layers
 *	  lie in lists of their own.
 *	  Follows transformers/models/xlm/modeling_xlm.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"
#include "nn/inputs.h"
#include "nn/summary.h"
#include "nn/squad_head.h"

typedef struct xlm_config
{
	encoder_config encoder;
	int64_t languages; /* 0: their embeddings are not used */
	summary summary;
	squad_head answers;
} xlm_config;

enum
{
	INPUT_LANGUAGES,
	INPUT_PLACES,
	INPUT_NO_ANSWERS
};

static const nn_input_kind inputs[] = {
	[INPUT_LANGUAGES] = {"langs", true, 1, false},
	[INPUT_PLACES] = {"cls_index", false, 1, false},
	[INPUT_NO_ANSWERS] = {"p_mask", true, 1, true},
	{0},
};

static tensor hidden_states(nn_model *m, const void *config);

/* XLM's names of keys, before those that all configurations have. */
static void
read_sizes(tfm_context *context, json file, encoder_config *e)
{
	int64_t layers = json_int(context, file, "num_hidden_layers", 12, 0, NN_MAX_LAYERS);
	int64_t heads = json_int(context, file, "num_attention_heads", 16, 1, NN_MAX_HEADS);
	int64_t size = json_int(context, file, "hidden_size", 2048, 1, NN_MAX_SIZE);

	e->common.pad_token_id =
		json_int(context, file, "pad_token_id",
				 json_int(context, file, "pad_index", 2, 0, NN_MAX_SIZE), 0, NN_MAX_SIZE);
	e->common.vocab_size = json_int(context, file, "n_words", 30145, 1, NN_MAX_SIZE);
	e->common.hidden_size = json_int(context, file, "emb_dim", size, 1, NN_MAX_SIZE);
	encoder_read_config(context, file, e, 0);
	e->common.hidden_size = json_int(context, file, "emb_dim", size, 1, NN_MAX_SIZE);
	e->layers = (int) json_int(context, file, "n_layers", layers, 0, NN_MAX_LAYERS);
	e->attention.heads = (int) json_int(context, file, "n_heads", heads, 1, NN_MAX_HEADS);
	e->attention.causal = json_bool(context, file, "causal", false);
	e->intermediate_size = 4 * e->common.hidden_size;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	xlm_config *c = config;
	bool gelu = json_bool(context, file, "gelu_activation", true);

	*c = (xlm_config) {
		.encoder = {.embedding = {.words = "embeddings",
								  .positions = "position_embeddings",
								  .types_are_words = true},
					.lm_head = {.decoder = "pred_layer.proj"},
					.activation = gelu ? ACTIVATION_GELU : ACTIVATION_RELU,
					.pre_norm = json_bool(context, file, "pre_norm", false),
					.hidden_states = hidden_states},
		.languages = json_int(context, file, "n_langs", 1, 0, NN_MAX_SIZE),
		.answers = {.scope = "qa_outputs"},
	};
	read_sizes(context, file, &c->encoder);
	if (c->languages < 2 || !json_bool(context, file, "use_lang_emb", true))
		c->languages = 0;
	if (json_bool(context, file, "asm", false))
		tfm_fail(context, TFM_UNSUPPORTED, "%s: \"asm\" is not supported", file.source);
	summary_read_config(context, file, &c->encoder.common,
						&(summary_defaults) {.type = "first", .to_labels = true}, &c->summary);
	squad_read_config(context, file, &c->answers);
	c->answers.norm_eps = c->encoder.norm_eps;
}

/* ---- The pass ---- */

static tensor
embed_tokens(nn_model *m, const xlm_config *c)
{
	const encoder_config *e = &c->encoder;
	tensor x = embed(m, &e->embedding);

	if (c->languages > 0 && (m->dry || given_input(m, INPUT_LANGUAGES) != NULL))
		add_looked_up(m, x, "lang_embeddings", c->languages, input_column(m, INPUT_LANGUAGES, 0));
	normalize_in_place(m, x, "layer_norm_emb", &(normalization) {.eps = e->norm_eps});
	return x;
}

/* A layer's parts are in lists: its number stands within the names of its weights. */
static encoder_names
name_layer(tfm_context *context, int number)
{
	return (encoder_names) {
		.query = tfm_sprintf(context, "attentions.%d.q_lin", number),
		.key = tfm_sprintf(context, "attentions.%d.k_lin", number),
		.value = tfm_sprintf(context, "attentions.%d.v_lin", number),
		.attention_output = tfm_sprintf(context, "attentions.%d.out_lin", number),
		.attention_norm = tfm_sprintf(context, "layer_norm1.%d", number),
		.intermediate = tfm_sprintf(context, "ffns.%d.lin1", number),
		.output = tfm_sprintf(context, "ffns.%d.lin2", number),
		.output_norm = tfm_sprintf(context, "layer_norm2.%d", number),
	};
}

static tensor
run_layers(nn_model *m, tensor x, const encoder_config *config, const uint8_t *hidden)
{
	encoder_config c = *config;

	for (int i = 0; i < c.layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer = nn_begin(m);
		encoder_names names = name_layer(m->context, i);

		nn_emit_hidden_state(m, i, x);
		c.names = &names;
		if (!tfm_failed(m->context))
			x = nn_leave(m, layer, x, encoder_layer(m, x, &c, &c.attention));
		clear_tokens(m, x, hidden);
	}
	nn_emit_hidden_state(m, c.layers, x);
	return x;
}

/* Without a mask a text is as long as it has tokens that are not padding; NULL: none is hidden. */
static const uint8_t *
find_hidden(nn_model *m, int64_t padding_id)
{
	const nn_batch *batch = m->batch;
	uint8_t *hidden = NULL;

	if (!nn_live(m) || batch->hidden != NULL || batch->embeds != NULL)
		return batch->hidden;
	hidden = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(uint8_t));
	for (int64_t i = 0; hidden != NULL && i < batch->sequences; i++)
	{
		int64_t length = 0;

		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
			length += batch->ids[t] != padding_id;
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
			hidden[t] = t - batch->offsets[i] >= length;
	}
	return hidden;
}

/* Masked tokens are zeros, which those that only look back see nevertheless. */
static tensor
hidden_states(nn_model *m, const void *config)
{
	const xlm_config *c = config;
	const nn_batch *batch = m->batch;
	const uint8_t *hidden = find_hidden(m, c->encoder.common.pad_token_id);
	nn_batch all = *batch;
	tensor x = embed_tokens(m, c);

	clear_tokens(m, x, hidden);
	all.hidden = c->encoder.attention.causal ? NULL : hidden;
	m->batch = &all;
	x = run_layers(m, x, &c->encoder, hidden);
	m->batch = batch;
	return x;
}

/* ---- Heads ---- */

static tensor
sum_up(nn_model *m, const xlm_config *c)
{
	return summarize(m, hidden_states(m, c), "sequence_summary", &c->summary);
}

static void
sequence_classification(nn_model *m, const void *config)
{
	nn_emit(m, "logits", NN_PER_SEQUENCE, sum_up(m, config));
}

static void
multiple_choice(nn_model *m, const void *config)
{
	nn_emit(m, "logits", NN_PER_CHOICE, linear(m, sum_up(m, config), "logits_proj", .columns = 1));
}

static void
question_answering(nn_model *m, const void *config)
{
	const xlm_config *c = config;

	find_answers(m, hidden_states(m, c), &c->answers, given_input(m, INPUT_PLACES),
				 given_input(m, INPUT_NO_ANSWERS));
}

static const nn_variant variants[] = {
	{"xlm", "XLM", "transformer"},
	{"flaubert", "Flaubert", "transformer"},
	{0},
};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"WithLMHeadModel", "fill-mask", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", sequence_classification},
	{"ForMultipleChoice", "multiple-choice", multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnsweringSimple", "question-answering", encoder_question_answering},
	{"ForQuestionAnswering", "question-answering", question_answering},
	{0},
};

const nn_family family_xlm = {
	.name = "xlm",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(xlm_config),
	.read_config = read_config,
	.inputs = inputs,
	.keeps_masked = true,
	.hidden_states = hidden_states,
};
