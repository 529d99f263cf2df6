/*
 * opt.c
 *	  OPT (Zhang et al. 2022): learned positions that count the tokens that are seen; the smallest
 *	  models but one have narrow embeddings and norms after the parts.
 *	  Follows transformers/models/opt/modeling_opt.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

/* Rows of the table of positions before that of position 0. */
#define POSITION_OFFSET 2

#define NAMES(final)                                                                               \
	{                                                                                              \
		.layer = "decoder.layers.%d", .attention_norm = "self_attn_layer_norm",                    \
		.query = "self_attn.q_proj", .key = "self_attn.k_proj", .value = "self_attn.v_proj",       \
		.attention_output = "self_attn.out_proj", .mlp_norm = "final_layer_norm", .up = "fc1",     \
		.down = "fc2", .final_norm = final, .project_in = "decoder.project_in",                    \
		.project_out = "decoder.project_out", .lm_head = "lm_head",                                \
	}

static const decoder_names names = NAMES("decoder.final_layer_norm");
static const decoder_names names_without_final_norm = NAMES(NULL);

/* The projection is of the words alone, before positions are added. */
static tensor
embed_projected(nn_model *m, const decoder_config *c)
{
	embedding words = c->embedding, positions = c->embedding;
	tensor x;

	if (words.hidden_size == c->common.hidden_size)
		return decoder_embed(m, c);
	if (m->batch->embeds != NULL)
		tfm_fail(m->context, TFM_UNSUPPORTED,
				 "embeddings cannot be given to a model that projects them");
	words.positions = NULL;
	positions.words = NULL;
	positions.hidden_size = c->common.hidden_size;
	x = embed(m, &words);
	return linear(m, x, c->names->project_in, .columns = c->common.hidden_size,
				  .residual = embed(m, &positions), .replace = true);
}

static const decoder_defaults defaults = {
	.intermediate_size_key = "ffn_dim",
	.activation_key = "activation_function",
	.vocab_size = 50272,
	.sizes = {.hidden = 768, .intermediate = 3072, .layers = 12, .heads = 12},
	.max_positions = 2048,
	.activation = "relu",
	.pad_token_id = 1,
	.tie_word_embeddings = true,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	bool norm_before = json_bool(context, file, "do_layer_norm_before", true);
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = norm_before && !json_bool(context, file, "_remove_final_layer_norm", false)
					 ? &names
					 : &names_without_final_norm,
		.embedding = {.words = "decoder.embed_tokens",
					  .positions = "decoder.embed_positions",
					  .first_position = POSITION_OFFSET},
		.norm_after = !norm_before,
		.embed = embed_projected,
	};
	decoder_read_config(context, file, &defaults, c);
	c->norm.eps = 1e-5;
	c->norm.bare = !json_bool(context, file, "layer_norm_elementwise_affine", true);
	c->embedding.hidden_size =
		json_int(context, file, "word_embed_proj_dim", c->common.hidden_size, 1, NN_MAX_SIZE);
}

/* Tokens that are not seen do not count, and stand before position 0. */
static void
make_positions(const void *config, const int32_t *ids, const uint8_t *mask, int64_t count,
			   int32_t *positions)
{
	int32_t seen = 0;

	(void) config;
	(void) ids;
	for (int64_t i = 0; i < count; i++)
		positions[i] = mask == NULL || mask[i] != 0 ? seen++ : -1;
}

static const nn_variant variants[] = {{"opt", "OPT", "model"}, {0}};

const nn_family family_opt = {
	.name = "opt",
	.variants = variants,
	.heads = decoder_heads_of_answers,
	.read_config = read_config,
	.make_positions = make_positions,
	DECODER_FAMILY,
};
