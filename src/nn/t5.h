/*
 * t5.h
 *	  The encoder and the decoder of T5 (Raffel et al. 2019), and of those with its layout: norms
 *	  without mean before the parts of a layer, attention that is not scaled, and a bias of its scores
 *	  by distance in place of positions.
 *
 * A family fills a t5_config, as the first member of its own: what differs in its code is a field,
 * what config.json may say is a default.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_T5_H
#define TFM_NN_T5_H

#include "nn/moe.h"
#include "nn/seq2seq.h"

typedef struct t5_config
{
	seq2seq_config seq2seq;
	int layers, decoder_layers;
	int heads;
	int64_t head_size; /* of queries, keys and values; heads of them need not be hidden_size */
	int64_t intermediate_size;
	op_activation activation;
	bool gated;
	double norm_eps;
	int buckets, max_distance; /* of the bias by distance */
	bool bias_in_each_layer;   /* else all layers have the first one's */
	bool scale_outputs;		   /* the decoder's, by 1 / sqrt(hidden_size), before the scores */

	const char *feed_forward; /* "DenseReluDense": what its weights' names begin with */
	/*
	 * Of so many layers the second (of one each) has experts, in place of wi and wo, in the encoder
	 * and in the decoder; 0: none.
	 */
	int sparse_step, decoder_sparse_step;
	moe experts;
} t5_config;

/*
 * Read config.json with what is in c as the defaults; projection is that of feed_forward_proj, NULL
 * where the family has no such key.
 */
extern void t5_read_config(tfm_context *context, json file, const char *projection, t5_config *c);

/* RMS norm of x [rows, hidden] -> [rows, hidden]. */
extern tensor t5_norm(nn_model *m, tensor x, const t5_config *c, const char *name);

/* The embeddings of a part's words, "encoder" or "decoder" -> [tokens, hidden]. */
extern tensor t5_embed(nn_model *m, const t5_config *c, const char *part);

/* The last part of a layer, within whose scope m is: x [tokens, hidden] is overwritten and returned. */
extern tensor t5_feed_forward(nn_model *m, tensor x, const t5_config *c, int layer,
							  int sparse_step);

/* What an nn_family of these has of its functions. */
#define T5_FUNCTIONS                                                                               \
	.make_decoder_ids = seq2seq_shift_right, .cache_layers = t5_cache_layers,                      \
	.memory_layers = t5_cache_layers, .remember = t5_remember,                                     \
	.hidden_states = seq2seq_hidden_states

/* The heads that all of them have. */
extern const nn_head t5_heads[];

/* For nn_family: what the caches have for each layer, and what fills that of the memory. */
extern int t5_cache_layers(const void *config, kv_layer *layers);
extern void t5_remember(nn_model *m, const void *config);

#endif
