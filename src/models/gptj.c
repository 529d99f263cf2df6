/*
 * gptj.c
 *	  GPT-J (Wang and Komatsuzaki 2021): rotary positions in a part of each head, attention and
 *	  feed-forward part side by side.  CodeGen (Nijkamp et al. 2022) has queries, values and keys in
 *	  one weight, in four groups, as it was spread over four processors.
 *	  Follows transformers/models/gptj/modeling_gptj.py and codegen/modeling_codegen.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "nn/decoder.h"

#define CODEGEN_GROUPS 4

static const decoder_names gptj_names = {
	.layer = "h.%d",
	.attention_norm = "ln_1",
	.query = "attn.q_proj",
	.key = "attn.k_proj",
	.value = "attn.v_proj",
	.attention_output = "attn.out_proj",
	.up = "mlp.fc_in",
	.down = "mlp.fc_out",
	.final_norm = "ln_f",
	.lm_head = "lm_head",
};

static const decoder_names codegen_names = {
	.layer = "h.%d",
	.attention_norm = "ln_1",
	.qkv = "attn.qkv_proj",
	.attention_output = "attn.out_proj",
	.up = "mlp.fc_in",
	.down = "mlp.fc_out",
	.final_norm = "ln_f",
	.lm_head = "lm_head",
};

/* The first "rotary_dim" elements of a head turn. */
static void
read_rope(tfm_context *context, json file, decoder_config *c)
{
	int64_t dim = json_int(context, file, "rotary_dim", 64, 2, NN_MAX_SIZE);

	if (!tfm_failed(context) && (dim > c->head_dim || dim % 2 != 0))
		tfm_fail(context, TFM_CORRUPTED, "%s: \"rotary_dim\" does not fit heads of %d", file.source,
				 c->head_dim);
	if (tfm_failed(context))
		return;
	/* Half an element more, so that the part of the head is not rounded to one less. */
	decoder_read_rope(context, file,
					  &(rope_defaults) {.partial_factor = dim == c->head_dim
															  ? 1
															  : ((double) dim + 0.5) / c->head_dim,
										.interleaved = true},
					  c);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	static const decoder_defaults defaults = {
		.hidden_size_key = "n_embd",
		.layers_key = "n_layer",
		.heads_key = "n_head",
		.max_positions_key = "n_positions",
		.activation_key = "activation_function",
		.norm_eps_key = "layer_norm_epsilon",
		.vocab_size = 50400,
		.hidden_size = 4096,
		.layers = 28,
		.heads = 16,
		.max_positions = 2048,
		.activation = "gelu_new",
		.norm_eps = 1e-5,
		.pad_token_id = -1,
	};
	bool codegen = strcmp(json_string(context, file, "model_type", ""), "codegen") == 0;
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = codegen ? &codegen_names : &gptj_names,
		.embedding = {.words = "wte", .types_are_words = true},
		.parallel = true,
		.qkv_groups = CODEGEN_GROUPS,
		.value_before_key = true,
	};
	decoder_read_config(context, file, &defaults, c);
	c->intermediate_size =
		json_int(context, file, "n_inner", 4 * c->common.hidden_size, 1, NN_MAX_SIZE);
	if (codegen && c->attention.heads % CODEGEN_GROUPS != 0)
		tfm_fail(context, TFM_CORRUPTED, "%s: %d heads do not fall into %d groups", file.source,
				 c->attention.heads, CODEGEN_GROUPS);
	read_rope(context, file, c);
}

static const nn_variant variants[] = {
	{"gptj", "GPTJ", "transformer"},
	{"codegen", "CodeGen", "transformer"},
	{0},
};

static const nn_head heads[] = {
	{"Model", "feature-extraction", decoder_base_model},
	{"ForCausalLM", "text-generation", decoder_causal_lm},
	{"ForSequenceClassification", "text-classification", decoder_sequence_classification},
	{"ForQuestionAnswering", "question-answering", decoder_question_answering},
	{0},
};

const nn_family family_gptj = {
	.name = "gptj",
	.variants = variants,
	.heads = heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
