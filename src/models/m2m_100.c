/*
 * m2m_100.c
 *	  M2M100 (Fan et al. 2020) and NLLB: as mBART, with fairseq's sinusoids for positions.
 *	  Follows transformers/models/m2m_100/modeling_m2m_100.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/bart.h"
#include "nn/encoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	bart_config *c = config;

	*c = (bart_config) {
		.seq2seq = {.common = {.vocab_size = 128112,
							   .hidden_size = 1024,
							   .max_positions = 1024,
							   .pad_token_id = 1},
					.eos_token_id = 2,
					.decoder_start_token_id = 2},
		.encoder = BART_PART,
		.decoder = BART_PART,
		.scale_embedding = true,
		.positions = BART_FAIRSEQ,
		.pre_norm = true,
	};
	bart_read_config(context, file, "relu", c);
	c->seq2seq.common.any_position = true;
}

static void
make_positions(const void *config, const int32_t *ids, const uint8_t *mask, int64_t count,
			   int32_t *positions)
{
	const bart_config *c = config;

	(void) mask;
	encoder_positions_after_padding(c->seq2seq.common.pad_token_id, ids, count, positions);
}

static const nn_variant variants[] = {{"m2m_100", "M2M100", "model"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{0},
};

const nn_family family_m2m_100 = {
	.name = "m2m_100",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(bart_config),
	.read_config = read_config,
	.make_positions = make_positions,
	.cache_layers = bart_cache_layers,
	.memory_layers = bart_cache_layers,
	.remember = bart_remember,
	.hidden_states = seq2seq_hidden_states,
};
