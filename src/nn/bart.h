/*
 * bart.h
 *	  The encoder and the decoder of BART (Lewis et al. 2019), and of those with its layout.
 *
 * A family fills a bart_config, as the first member of its own: what differs in its code is a field,
 * what config.json may say is a default.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_BART_H
#define TFM_NN_BART_H

#include "nn/seq2seq.h"

typedef enum bart_positions
{
	BART_LEARNED,	/* a table; its first position_offset rows stand for no position */
	BART_SINUSOIDS, /* computed, unless the checkpoint has them */
	BART_FAIRSEQ /* other sinusoids, of positions that count from pad_token_id + 1; 0 for padding */
} bart_positions;

/* Encoder or decoder. */
typedef struct bart_part
{
	int layers;
	int heads;
	int64_t intermediate_size;
} bart_part;

typedef struct bart_config
{
	seq2seq_config seq2seq;
	bart_part encoder, decoder;
	op_activation activation;
	bool scale_embedding; /* words are multiplied by sqrt(hidden size) */

	/* What a family is; not in its config.json. */
	bart_positions positions;
	int position_offset;
	bool pre_norm;			   /* norms come before their parts, and one after the last layer */
	bool embedding_norm;	   /* a norm of the embeddings */
	bool decoder_norms_words;  /* of the decoder's before positions are added */
	bool decoder_scales_input; /* given embeddings too, where words are scaled */
	bool decoder_keeps_words;  /* they are not scaled in the decoder */
} bart_config;

/* Transformers' defaults that most of these families have. */
#define BART_PART                                                                                  \
	{                                                                                              \
		.layers = 12, .heads = 16, .intermediate_size = 4096                                       \
	}

/*
 * Read config.json with what is in c as the defaults; activation is the name of the default
 * activation.
 */
extern void bart_read_config(tfm_context *context, json file, const char *activation,
							 bart_config *c);

/* For nn_family: what the caches have for each layer, and what fills that of the memory. */
extern int bart_cache_layers(const void *config, kv_layer *layers);
extern void bart_remember(nn_model *m, const void *config);

#endif
