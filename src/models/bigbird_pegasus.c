/*
 * bigbird_pegasus.c
 *	  BigBird-Pegasus (Zaheer et al. 2020): PEGASUS whose encoder has BigBird's attention, and whose
 *	  positions are learned.
 *	  Follows transformers/models/bigbird_pegasus/modeling_bigbird_pegasus.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/bart.h"
#include "nn/block_sparse.h"

typedef struct bigbird_pegasus_config
{
	bart_config bart;
	block_sparse blocks;
} bigbird_pegasus_config;

static const bart_attention_names encoder_names = {
	.projections = {"self_attn.self.query", "self_attn.self.key", "self_attn.self.value"},
	.output = "self_attn.output",
	.norm = "self_attn_layer_norm",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	bigbird_pegasus_config *c = config;
	bart_config *b = &c->bart;

	*b = bart_large;
	b->seq2seq.common.vocab_size = 96103;
	b->seq2seq.common.max_positions = 4096;
	b->seq2seq.common.pad_token_id = 0;
	b->seq2seq.eos_token_id = 1;
	b->encoder.layers = b->decoder.layers = 16;
	b->scale_embedding = true;
	b->pre_norm = true;
	b->final_norm = "layernorm_embedding";
	b->attend_encoder = attend_in_blocks;
	b->encoder_attends_by = &c->blocks;
	b->encoder_self = &encoder_names;
	bart_read_config(context, file, "gelu_new", b);
	read_block_sparse(context, file, &c->blocks);
}

static const nn_variant variants[] = {{"bigbird_pegasus", "BigBirdPegasus", "model"}, {0}};

const nn_family family_bigbird_pegasus = {
	.name = "bigbird_pegasus",
	.variants = variants,
	.heads = bart_heads,
	.config_size = sizeof(bigbird_pegasus_config),
	.read_config = read_config,
	.make_decoder_ids = seq2seq_shift_right,
	.keeps_masked = true,
	BART_FUNCTIONS,
};
