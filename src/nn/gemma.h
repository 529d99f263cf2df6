/*
 * gemma.h
 *	  What Gemma's versions have in common: norms about 1, before and since the second one also after
 *	  each part of a layer, words that are scaled, soft caps.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_GEMMA_H
#define TFM_NN_GEMMA_H

#include "nn/decoder.h"

/* Names since Gemma 2. */
#define GEMMA_NAMES                                                                                \
	DECODER_LLAMA_ATTENTION, DECODER_LLAMA_MLP,                                                    \
		.attention_norm = "input_layernorm", .attention_post_norm = "post_attention_layernorm",    \
		.mlp_norm = "pre_feedforward_layernorm", .mlp_post_norm = "post_feedforward_layernorm"

/* Defaults of Gemma 2 and 3. */
#define GEMMA_DEFAULTS                                                                             \
	.activation_key = "hidden_activation",                                                         \
	.sizes = {.hidden = 2304, .intermediate = 9216, .layers = 26, .heads = 8, .kv_heads = 4},      \
	.head_dim = 256, .activation = "gelu_pytorch_tanh", .norm_eps = 1e-6, .pad_token_id = 0,       \
	.tie_word_embeddings = true

/* Begin *c by the family's names and defaults: sizes, norms, and the words' scale. */
extern void gemma_read_config(tfm_context *context, json file, const decoder_names *names,
							  const decoder_defaults *defaults, decoder_config *c);

/* Since Gemma 2: the scale of scores, and the logits' soft cap. */
extern void gemma_read_scores(tfm_context *context, json file, double logit_cap, decoder_config *c);

/* A soft cap, which null turns off: 0. */
extern double gemma_read_cap(tfm_context *context, json file, const char *key, double fallback);

#endif
