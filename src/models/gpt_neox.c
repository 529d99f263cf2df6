/*
 * gpt_neox.c
 *	  GPT-NeoX (Black et al. 2022; Pythia): rotary positions in a part of each head, attention and
 *	  feed-forward part of two norms side by side.
 *	  GPT-NeoX Japanese (Abeja 2022) has them one after the other, and a bias in its last attention alone.
 *	  Follows transformers/models/gpt_neox/modeling_gpt_neox.py and gpt_neox_japanese/.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

#define NAMES(output)                                                                              \
	{                                                                                              \
		.layer = "layers.%d", .attention_norm = "input_layernorm",                                 \
		.qkv = "attention.query_key_value", .attention_output = output,                            \
		.mlp_norm = "post_attention_layernorm", .up = "mlp.dense_h_to_4h",                         \
		.down = "mlp.dense_4h_to_h", .final_norm = "final_layer_norm", .lm_head = "lm_head",       \
		.token_score = "classifier",                                                               \
	}

static const decoder_names names = NAMES("attention.dense");
static const decoder_names japanese_names = NAMES(NULL);

/* The last layer's bias has a name of its own. */
static tensor
attend_japanese(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	return linear(m, decoder_attend(m, x, c, layer), "attention.dense",
				  .columns = c->common.hidden_size,
				  .bias = layer == c->layers - 1 ? "attention.dense_bias" : NULL);
}

/* The head that Transformers called embed_out before version 5. */
static void
causal_lm(nn_model *m, const void *config)
{
	decoder_config c = *(const decoder_config *) config;
	decoder_names old = *c.names;

	old.lm_head = "embed_out";
	if (nn_has_weight(m, "embed_out.weight"))
		c.names = &old;
	decoder_causal_lm(m, &c);
}

#define DEFAULTS                                                                                   \
	.norm_eps_key = "layer_norm_eps", .max_positions = 2048, .activation = "gelu",                 \
	.norm_eps = 1e-5, .pad_token_id = -1

static const decoder_defaults gpt_neox_defaults = {
	DEFAULTS,
	.vocab_size = 50432,
	.sizes = {.hidden = 6144, .intermediate = 24576, .layers = 44, .heads = 64},
};

static const decoder_defaults japanese_defaults = {
	DEFAULTS,
	.intermediate_size_key = "",
	.vocab_size = 32000,
	.sizes = {.hidden = 2560, .layers = 32, .heads = 32},
	.tie_word_embeddings = true,
};

static void
read_japanese(tfm_context *context, json file, decoder_config *c)
{
	c->names = &japanese_names;
	c->attend = attend_japanese;
	c->parallel = false;
	decoder_read_config(context, file, &japanese_defaults, c);
	c->intermediate_size =
		c->common.hidden_size * json_int(context, file, "intermediate_multiple_size", 4, 1, 1024);
}

static const nn_variant variants[] = {
	{"gpt_neox", "GPTNeoX", "gpt_neox"},
	{"gpt_neox_japanese", "GPTNeoXJapanese", "gpt_neox_japanese"},
	{0},
};

static void
read_config(tfm_context *context, json file, void *config)
{
	bool japanese = nn_which_variant(file, variants) == 1;
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embed_in"},
		.parallel = json_bool(context, file, "use_parallel_residual", true),
	};
	if (japanese)
		read_japanese(context, file, c);
	else
		decoder_read_config(context, file, &gpt_neox_defaults, c);
	c->attention.kv_heads = c->qkv_groups = c->attention.heads;
	decoder_read_rope(
		context, file,
		&(rope_defaults) {.theta = json_double(context, file, "rotary_emb_base", 10000),
						  .partial_factor =
							  json_double(context, file, "rotary_pct", japanese ? 1 : 0.25)},
		c);
}

static const nn_head heads[] = {
	{"Model", "feature-extraction", decoder_base_model},
	{"ForCausalLM", "text-generation", causal_lm},
	{"ForSequenceClassification", "text-classification", decoder_sequence_classification},
	{"ForTokenClassification", "token-classification", decoder_token_classification},
	{"ForQuestionAnswering", "question-answering", decoder_question_answering},
	{0},
};

const nn_family family_gpt_neox = {
	.name = "gpt_neox",
	.variants = variants,
	.heads = heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
