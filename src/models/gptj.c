/*
 * gptj.c
 *	  GPT-J (Wang and Komatsuzaki 2021): rotary positions in a part of each head, attention and
 *	  feed-forward part side by side.  CodeGen (Nijkamp et al. 2022) has queries, values and keys in
 *	  one weight, in four groups, as it was spread over four processors.
 *	  Follows transformers/models/gptj/modeling_gptj.py and codegen/modeling_codegen.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/gpt.h"

static const nn_variant variants[] = {
	{"gptj", "GPTJ", "transformer"},
	{"codegen", "CodeGen", "transformer"},
	{0},
};

#define CODEGEN_GROUPS 4

#define NAMES                                                                                      \
	GPT_LAYER, .attention_output = "attn.out_proj", .up = "mlp.fc_in", .down = "mlp.fc_out",       \
			   .final_norm = "ln_f"

static const decoder_names gptj_names = {
	NAMES,
	.query = "attn.q_proj",
	.key = "attn.k_proj",
	.value = "attn.v_proj",
};

static const decoder_names codegen_names = {NAMES, .qkv = "attn.qkv_proj"};

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

static const decoder_defaults defaults = {
	.vocab_size = 50400,
	.sizes = {.hidden = 4096, .layers = 28, .heads = 16},
	.max_positions = 2048,
	.activation = "gelu_new",
	.norm_eps = 1e-5,
	.pad_token_id = -1,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	bool codegen = nn_which_variant(file, variants) == 1;
	decoder_config *c = config;

	gpt_read_config(context, file, codegen ? &codegen_names : &gptj_names, &defaults, c);
	c->embedding.positions = NULL;
	c->parallel = true;
	c->qkv_groups = CODEGEN_GROUPS;
	c->value_before_key = true;
	if (codegen && c->attention.heads % CODEGEN_GROUPS != 0)
		tfm_fail(context, TFM_CORRUPTED, "%s: %d heads do not fall into %d groups", file.source,
				 c->attention.heads, CODEGEN_GROUPS);
	read_rope(context, file, c);
}

const nn_family family_gptj = {
	.name = "gptj",
	.variants = variants,
	.heads = decoder_heads_of_answers,
	.read_config = read_config,
	DECODER_FAMILY,
};
