/*
 * gpt.h
 *	  What GPT-2 and the decoders after it have in common: the keys of config.json, the names of the
 *	  weights.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_GPT_H
#define TFM_NN_GPT_H

#include "nn/decoder.h"

/* Names of a layer's norms and feed-forward part, and of the attention, all of one weight. */
#define GPT_LAYER .layer = "h.%d", .attention_norm = "ln_1", .lm_head = "lm_head"
#define GPT_MLP .mlp_norm = "ln_2", .up = "mlp.c_fc", .down = "mlp.c_proj"
#define GPT_ATTENTION .qkv = "attn.c_attn", .attention_output = "attn.c_proj"
#define GPT_END .final_norm = "ln_f", .token_score = "classifier"

/* Defaults that GPT-2 and those nearest to it have. */
#define GPT_DEFAULTS .norm_eps = 1e-5, .pad_token_id = -1, .tie_word_embeddings = true

/*
 * As decoder_read_config, but keys that defaults leaves out are GPT-2's: "n_embd", "n_layer", "n_head",
 * "n_positions", "n_inner" (four times the hidden size where it is absent or null),
 * "activation_function", "layer_norm_epsilon".
 */
extern void gpt_read_sizes(tfm_context *context, json file, const decoder_defaults *defaults,
						   decoder_config *c);

/*
 * Begin *c as GPT-2 has it but for the layers' names: words in "wte", to which types belong, too, and
 * positions in "wpe"; and read the same.
 */
extern void gpt_read_config(tfm_context *context, json file, const decoder_names *names,
							const decoder_defaults *defaults, decoder_config *c);

#endif
