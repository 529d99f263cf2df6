/*
 * led.c
 *	  LED (Beltagy et al. 2020): BART whose encoder has Longformer's attention.
 *	  Follows transformers/models/led/modeling_led.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/bart.h"
#include "nn/windows.h"

typedef struct led_config
{
	bart_config bart;
	windows windows;
} led_config;

static const bart_attention_names encoder_names = {
	.projections = {"self_attn.longformer_self_attn.query", "self_attn.longformer_self_attn.key",
					"self_attn.longformer_self_attn.value"},
	.output = "self_attn.output",
	.norm = "self_attn_layer_norm",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	led_config *c = config;
	nn_config *common = &c->bart.seq2seq.common;

	*c = (led_config) {
		.bart = bart_large,
		.windows = {.projections = {"self_attn.longformer_self_attn.query_global",
									"self_attn.longformer_self_attn.key_global",
									"self_attn.longformer_self_attn.value_global"}},
	};
	c->bart.embedding_norm = true;
	c->bart.attend_encoder = attend_in_windows;
	c->bart.encoder_attends_by = &c->windows;
	c->bart.encoder_self = &encoder_names;
	bart_read_config(context, file, "gelu", &c->bart);
	common->max_positions =
		json_int(context, file, "max_encoder_position_embeddings", 16384, 1, NN_MAX_SIZE);
	c->bart.decoder_positions =
		json_int(context, file, "max_decoder_position_embeddings", 1024, 1, NN_MAX_SIZE);
	read_windows(context, file, c->bart.encoder.layers, 512, &c->windows);
}

static const nn_variant variants[] = {{"led", "LED", "led"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{"ForSequenceClassification", "text-classification", seq2seq_sequence_classification},
	{"ForQuestionAnswering", "question-answering", seq2seq_question_answering},
	{0},
};

static const nn_input_kind inputs[] = {WINDOWS_INPUT, {0}};

const nn_family family_led = {
	.name = "led",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(led_config),
	.read_config = read_config,
	.make_decoder_ids = seq2seq_shift_right,
	.inputs = inputs,
	BART_FUNCTIONS,
};
