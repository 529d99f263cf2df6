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

#include "nn/moe.h"
#include "nn/seq2seq.h"

typedef enum bart_positions
{
	BART_LEARNED,	/* a table; its first position_offset rows stand for no position */
	BART_SINUSOIDS, /* computed, unless the checkpoint has them */
	BART_FAIRSEQ, /* other sinusoids, of positions that count from pad_token_id + 1; 0 for padding */
	BART_FAIRSEQ_FROM_ZERO /* the same of positions that count from 0 */
} bart_positions;

/* Encoder or decoder. */
typedef struct bart_part
{
	int layers;
	int heads;
	int64_t intermediate_size;
	int sparse_step; /* every so many layers one has experts in place of fc1 and fc2; 0: none */
} bart_part;

/* What the weights of an attention are called, within the layer. */
typedef struct bart_attention_names
{
	const char *projections[3]; /* of queries, keys, values */
	const char *output;
	const char *norm;
} bart_attention_names;

/* What the weights of a part are called. */
typedef struct bart_names
{
	const char *positions; /* within the part: "embed_positions" */
	const char *embedding_norm;
	bart_attention_names self, memory;
	const char *fc1, *fc2, *feed_forward_norm;
} bart_names;

typedef struct bart_config
{
	seq2seq_config seq2seq;
	bart_part encoder, decoder;
	op_activation activation;
	bool scale_embedding; /* words are multiplied by sqrt(hidden size) */
	moe experts;		  /* of sparse layers */

	/* What a family is; not in its config.json. */
	const bart_names *names; /* NULL: BART's */
	bart_positions positions;
	int position_offset;
	int64_t decoder_positions; /* of its table; 0: common.max_positions */
	bool pre_norm;			   /* norms come before their parts, and one after the last layer */
	bool embedding_norm;	   /* a norm of the embeddings */
	bool decoder_norms_words;  /* of the decoder's before positions are added */
	bool encoder_scales_input; /* given embeddings too, where words are scaled */
	bool decoder_scales_input; /* the same */
	bool decoder_keeps_words;  /* they are not scaled in the decoder */
	bool last_comes_first;	/* the decoder begins with the last id of the encoder's, a language's */
	const char *final_norm; /* after the last layer; NULL: "layer_norm" */

	/*
	 * Self-attention of the encoder that is a family's own, in the place of attend: of h, which goes
	 * into it, and its queries, keys and values, all [tokens, hidden] -> [tokens, hidden], with its
	 * weights' names.  NULL: BART's.
	 */
	tensor (*attend_encoder)(nn_model *m, const void *config, const attention *how, tensor h,
							 const tensor qkv[3]);
	const void *encoder_attends_by; /* what it has as its config; NULL: the family's */
	const bart_attention_names *encoder_self;
	bool sees_ahead; /* tokens of a decoder that is given all at once see those after them */
} bart_config;

/* The defaults of BART and most of its kin: sizes, special tokens; for families to begin with. */
extern const bart_config bart_large;

/* What an nn_family of these has of its functions. */
#define BART_FUNCTIONS                                                                             \
	.cache_layers = bart_cache_layers, .memory_layers = bart_cache_layers,                         \
	.remember = bart_remember, .hidden_states = seq2seq_hidden_states

/* The heads of BART, and of those that have but the model and its generation. */
extern const nn_head bart_heads[];
extern const nn_head bart_generation_heads[];

/*
 * Read config.json with what is in c as the defaults; activation is the name of the default
 * activation.
 */
extern void bart_read_config(tfm_context *context, json file, const char *activation,
							 bart_config *c);

/*
 * A part (encoder or decoder), by its name: words are names of its table, the first that is there,
 * word_count its rows -> [tokens, hidden].  Embeddings, and all layers after them.
 */
extern tensor bart_embed(nn_model *m, const bart_config *c, const char *part,
						 const char *const *words, int64_t word_count);
extern tensor bart_run_layers(nn_model *m, tensor x, const bart_config *c, const bart_part *part,
							  const char *name, bool causal);

/* For nn_family: positions as fairseq counts them, the decoder's ids of a row, what the caches have for each layer, and what fills that of the memory. */
extern void bart_make_positions(const void *config, const int32_t *ids, const uint8_t *mask,
								int64_t count, int32_t *positions);
extern void bart_make_decoder_ids(const void *config, const int32_t *ids, int64_t count,
								  int32_t *decoder_ids);
extern int bart_cache_layers(const void *config, kv_layer *layers);
extern void bart_remember(nn_model *m, const void *config);

#endif
