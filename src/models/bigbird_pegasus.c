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

static tensor
attend_by_config(nn_model *m, const void *config, const attention *how, tensor h,
				 const tensor qkv[3])
{
	const bigbird_pegasus_config *c = config;

	(void) h;
	return attend_in_blocks(m, qkv, how, &c->blocks);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	bigbird_pegasus_config *c = config;

	*c = (bigbird_pegasus_config) {
		.bart = {.seq2seq = {.common = {.vocab_size = 96103,
										.hidden_size = 1024,
										.max_positions = 4096,
										.pad_token_id = 0},
							 .eos_token_id = 1,
							 .decoder_start_token_id = 2},
				 .encoder = {.layers = 16, .heads = 16, .intermediate_size = 4096},
				 .decoder = {.layers = 16, .heads = 16, .intermediate_size = 4096},
				 .scale_embedding = true,
				 .positions = BART_LEARNED,
				 .pre_norm = true,
				 .final_norm = "layernorm_embedding",
				 .attend_encoder = attend_by_config,
				 .encoder_self = &encoder_names},
	};
	bart_read_config(context, file, "gelu_new", &c->bart);
	read_block_sparse(context, file, &c->blocks);
}

static const nn_variant variants[] = {{"bigbird_pegasus", "BigBirdPegasus", "model"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{"ForSequenceClassification", "text-classification", seq2seq_sequence_classification},
	{"ForQuestionAnswering", "question-answering", seq2seq_question_answering},
	{"ForCausalLM", "text-generation", seq2seq_causal_lm},
	{0},
};

const nn_family family_bigbird_pegasus = {
	.name = "bigbird_pegasus",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(bigbird_pegasus_config),
	.read_config = read_config,
	.make_decoder_ids = seq2seq_shift_right,
	.keeps_masked = true,
	.cache_layers = bart_cache_layers,
	.memory_layers = bart_cache_layers,
	.remember = bart_remember,
	.hidden_states = seq2seq_hidden_states,
};
