/*
 * gemma.c
 *	  What the configurations of Gemma's versions have in common.
 *	  Follows transformers/models/gemma2/modeling_gemma2.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/gemma.h"

#include <math.h>

void
gemma_read_config(tfm_context *context, json file, const decoder_names *names,
				  const decoder_defaults *defaults, decoder_config *c)
{
	*c = (decoder_config) {
		.names = names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true, .weight_offset = 1},
		.head_norm = {.rms = true, .weight_offset = 1},
	};
	decoder_read_config(context, file, defaults, c);
	c->head_norm.eps = c->norm.eps;
	c->embedding.word_scale = sqrt((double) c->common.hidden_size);
}

double
gemma_read_cap(tfm_context *context, json file, const char *key, double fallback)
{
	return nn_is_null(file, key) ? 0 : json_double(context, file, key, fallback);
}

void
gemma_read_scores(tfm_context *context, json file, double logit_cap, decoder_config *c)
{
	c->attention.scale = 1 / sqrt(json_double(context, file, "query_pre_attn_scalar", 256));
	c->logit_soft_cap = gemma_read_cap(context, file, "final_logit_softcapping", logit_cap);
}
