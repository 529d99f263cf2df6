/*
 * fsmt.c
 *	  fairseq's translators of WMT19 (Ng et al. 2019): as BART, with fairseq's sinusoids for
 *	  positions, and words of its own in each part.
 *	  Follows transformers/models/fsmt/modeling_fsmt.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/bart.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	bart_config *c = config;

	*c = bart_large;
	c->scale_embedding = true;
	c->encoder_scales_input = c->decoder_scales_input = true;
	c->positions = BART_FAIRSEQ;
	c->seq2seq.common.any_position = true;
	/* Transformers leaves the causal mask to generation, unless the configuration has no cache */
	c->sees_ahead = json_bool(context, file, "use_cache", true);
	c->seq2seq.common.vocab_size = json_int(context, file, "src_vocab_size", 42024, 1, NN_MAX_SIZE);
	c->seq2seq.common.decoder_vocab_size =
		json_int(context, file, "tgt_vocab_size", 42024, 1, NN_MAX_SIZE);
	bart_read_config(context, file, "relu", c);
}

/* What Transformers calls the last hidden state are the scores. */
static void
base_model(nn_model *m, const void *config)
{
	tensor encoded;
	tensor x = seq2seq_run_parts(m, config, &encoded);

	nn_emit(m, "last_hidden_state", NN_PER_DECODER_TOKEN, seq2seq_predict_wanted(m, config, x));
	seq2seq_emit_encoded(m, encoded);
}

static const nn_variant variants[] = {{"fsmt", "FSMT", "model"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{0},
};

const nn_family family_fsmt = {
	.name = "fsmt",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(bart_config),
	.read_config = read_config,
	.make_positions = bart_make_positions,
	BART_FUNCTIONS,
};
