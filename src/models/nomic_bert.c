/*
 * nomic_bert.c
 *	  Nomic Embed (Nussbaum et al. 2024), GTE (Zhang et al. 2024) and Jina Embeddings v3 (Sturua et al.
 *	  2024): a decoder's layers that see both sides, whose queries and keys turn with their places, and
 *	  BERT's or RoBERTa's heads.
 *	  Follows transformers/models/nomic_bert/modeling_nomic_bert.py, gte/ and jina_embeddings_v3/; names
 *	  are those of the files, which Transformers changes when it reads and when it writes them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"
#include "nn/encoder.h"

typedef struct nomic_config
{
	encoder_config encoder; /* what heads and embeddings need of it */
	decoder_config layers;
} nomic_config;

static const nn_variant variants[] = {
	{"nomic_bert", "NomicBert", "nomic_bert"},
	{"gte", "Gte", "gte"},
	{"jina_embeddings_v3", "JinaEmbeddingsV3", "roberta"},
	{0},
};

enum
{
	NOMIC,
	GTE,
	JINA
};

static const decoder_names names[] = {
	[NOMIC] = {.layer = "encoder.layers.%d",
			   .qkv = "attn.Wqkv",
			   .attention_output = "attn.out_proj",
			   .attention_norm = "norm1",
			   .gate = "mlp.fc12",
			   .up = "mlp.fc11",
			   .down = "mlp.fc2",
			   .mlp_norm = "norm2"},
	[GTE] = {.layer = "encoder.layer.%d",
			 .qkv = "attention.qkv_proj",
			 .attention_output = "attention.o_proj",
			 .attention_norm = "attn_ln",
			 .mlp_norm = "mlp_ln"},
	[JINA] = {.layer = "encoder.layers.%d",
			  .qkv = "mixer.Wqkv",
			  .attention_output = "mixer.out_proj",
			  .attention_norm = "norm1",
			  .up = "mlp.fc1",
			  .down = "mlp.fc2",
			  .mlp_norm = "norm2"},
};

#define BERTS .norm_eps_key = "layer_norm_eps", .tie_word_embeddings = true

static const decoder_defaults defaults[] = {
	[NOMIC] =
		{
			BERTS,
			.vocab_size = 30528,
			.sizes = {.hidden = 768, .intermediate = 3072, .layers = 12, .heads = 12},
			.max_positions = 2048,
			.norm_eps = 1e-12,
			.pad_token_id = 0,
		},
	[GTE] =
		{
			BERTS,
			.vocab_size = 250048,
			.sizes = {.hidden = 768, .intermediate = 3072, .layers = 12, .heads = 12},
			.max_positions = 8192,
			.activation = "gelu",
			.norm_eps = 1e-12,
			.pad_token_id = 1,
		},
	[JINA] =
		{
			BERTS,
			.vocab_size = 250002,
			.sizes = {.hidden = 1024, .intermediate = 4096, .layers = 24, .heads = 16},
			.max_positions = 8194,
			.activation = "gelu",
			.norm_eps = 1e-5,
			.pad_token_id = 1,
		},
};

static const double thetas[] = {[NOMIC] = 1000, [GTE] = 160000, [JINA] = 20000};

static const lm_head lm_heads[] = {
	[NOMIC] = {.dense = "cls.predictions.transform.dense",
			   .norm = "cls.predictions.transform.layer_norm",
			   .decoder = "cls.predictions.decoder",
			   .decoder_bias = "cls.predictions.bias"},
	[GTE] = {.dense = "lm_head.dense", .norm = "lm_head.norm", .decoder = "lm_head.decoder"},
	[JINA] = {.dense = "lm_head.dense",
			  .norm = "lm_head.layer_norm",
			  .decoder = "lm_head.decoder",
			  .decoder_bias = "lm_head.bias"},
};

/* GTE's, whose gate stands after what it gates. */
static tensor
feed_forward(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	int64_t n = c->intermediate_size;
	tensor y = linear(m, x, "mlp.up_gate_proj", .columns = 2 * n, .coarse = true);

	(void) layer;
	if (tfm_failed(m->context))
		return (tensor) {0};
	gate(m, take_columns(y, n, n), y, n, 2 * n, c->activation);
	return linear(m, take_columns(y, n, n), "mlp.down_proj", .columns = c->common.hidden_size,
				  .x_stride = 2 * n, .coarse = true);
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	return decoder_hidden_states(m, &((const nomic_config *) config)->layers);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	int which = nn_which_variant(file, variants);
	nomic_config *n = config;
	decoder_config *c = &n->layers;
	encoder_config *e = &n->encoder;

	*n = (nomic_config) {
		.layers = {.names = &names[which],
				   .embedding = {.words = "embeddings.word_embeddings",
								 .norm = which == GTE ? "embeddings.LayerNorm" : "emb_ln"},
				   .bidirectional = true,
				   .norm_after = true,
				   .feed_forward = which == GTE ? feed_forward : NULL},
		.encoder = {.hidden_states = hidden_states, .lm_head = lm_heads[which]},
	};
	decoder_read_config(context, file, &defaults[which], c);
	decoder_read_rope(context, file, &(rope_defaults) {.theta = thetas[which]}, c);
	c->embedding.norm_eps = c->norm.eps;
	c->embedding.type_count =
		json_int(context, file, "type_vocab_size", which == NOMIC ? 2 : 1, 0, NN_MAX_SIZE);
	if (c->embedding.type_count > 0)
		c->embedding.types = "embeddings.token_type_embeddings";
	e->common = c->common;
	e->embedding = c->embedding;
	e->norm_eps = c->norm.eps;
	e->lm_head.activation = which == NOMIC ? c->activation : ACTIVATION_GELU;
}

/* Jina's, as RoBERTa, of the first token; the others of the pooler. */
static void
sequence_classification(nn_model *m, const void *config)
{
	const nomic_config *n = config;

	if (n->layers.names == &names[JINA])
		encoder_first_token_classification(m, config);
	else
		encoder_sequence_classification(m, config);
}

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", sequence_classification},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_nomic_bert = {
	.name = "nomic_bert",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(nomic_config),
	.read_config = read_config,
	.hidden_states = hidden_states,
};
