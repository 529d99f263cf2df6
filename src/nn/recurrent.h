/*
 * recurrent.h
 *	  Layers whose tokens follow from what the tokens before them have left: a state of fixed size.
 *
 * With a cache the state is the cache's (kv_layer.state floats for each sequence), so that a sequence
 * goes on where it ended, token by token; without one it begins as zeros and is forgotten.  Channels
 * do not see each other, so that threads share them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_RECURRENT_H
#define TFM_NN_RECURRENT_H

#include "nn/layers.h"

/* Some channels of some tokens of one sequence, to be computed in their order. */
typedef struct recurrent_piece
{
	int64_t first, end;			   /* rows of the batch */
	int64_t channel, last_channel; /* the last is not among them */
	float *state; /* of the sequence, all channels; carries over to the next piece */
	bool fresh;	  /* the sequence begins here: state is zeros */
} recurrent_piece;

typedef void (*recurrent_work)(const void *argument, const recurrent_piece *piece);

/*
 * Compute channels 0 .. channels - 1 of all sequences; the state is size floats from offset on of what
 * the layer has.
 */
extern void recur(nn_model *m, int layer, int64_t offset, int64_t size, int64_t channels,
				  recurrent_work work, const void *argument);

#define CAUSAL_CONV_MAX 1024 /* width that a configuration may say */

/* A convolution over time, each channel by itself, that looks back only. */
typedef struct causal_conv
{
	const char *name; /* "<name>.weight" [channels, 1, width] and, if it is there, "<name>.bias" */
	int64_t channels;
	int width;		  /* tokens that are seen, the token itself included */
	int64_t x_stride; /* elements from one row of x to the next; 0: its columns */
	op_activation activation;
} causal_conv;

/* Floats of the state: the inputs that the next token still sees. */
extern int64_t causal_conv_state(const causal_conv *c);

/* x [tokens, channels] -> [tokens, channels]; its state begins at offset of what the layer has. */
extern tensor convolve(nn_model *m, tensor x, const causal_conv *c, int layer, int64_t offset);

/*
 * The selective scan of Mamba: of each channel of a head h
 *
 *		state[n] = exp(step[h] * decay[n]) * state[n] + step[h] * b[n] * x
 *		y = sum of c[n] * state[n] + skip[h] * x
 *
 * Follows mamba_selective_scan and mamba2_chunk_scan in transformers/models/mamba*.
 */
typedef struct selective_scan
{
	int64_t heads, head_dim; /* channels are heads * head_dim */
	int64_t groups;			 /* of heads that share b and c */
	int64_t state;			 /* n */
	bool own_decay;			 /* a head has one for each n: decay [heads, state], else [heads] */
	const char *decay;		 /* name of the logarithm of what is negative */
	const char *skip;		 /* [heads] */
	tensor steps;			 /* [tokens, heads], positive */
	tensor x;				 /* [tokens, heads * head_dim] */
	tensor b, c;			 /* [tokens, groups * state] */
	int64_t steps_stride, x_stride, b_stride; /* that of c is that of b */
	tensor y; /* [tokens, heads * head_dim], may be x, y_stride elements from row to row */
	int64_t y_stride;
} selective_scan;

/* Floats of its state. */
extern int64_t selective_scan_state(const selective_scan *s);

/* Into s->y; its state begins at offset of what the layer has. */
extern void scan_selectively(nn_model *m, const selective_scan *s, int layer, int64_t offset);

/*
 * log(1 + exp(x + bias)), within limits, in the place of x [tokens, n], whose rows are stride elements
 * apart; bias is the name of a weight [n], or NULL.
 */
extern void soften_steps(nn_model *m, tensor x, int64_t stride, const char *bias, double least,
						 double most);

/* Rows of hidden tokens become zeros, as if they were not there; rows of x are stride apart. */
extern void clear_hidden(nn_model *m, tensor x, int64_t stride);

#endif
