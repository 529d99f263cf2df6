/*
 * layers.h
 *	  The layers of which blocks and families are made.
 *
 * linear, layer_norm, attend and embed are what a family's file is written in;
 * optional arguments are designated initialisers:
 *
 *		x = linear(m, a, "attention.output.dense", .residual = x);
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_LAYERS_H
#define TFM_NN_LAYERS_H

#include "nn/model.h"
#include "tensor/linear.h"

typedef struct linear_options
{
	op_activation activation; /* of the sum; none by default */
	tensor residual;		  /* [rows, n], added after the activation; none if empty */
	bool replace;			  /* the result takes the place of residual */
	int64_t x_stride;		  /* elements from one row of x to the next; 0: its columns */
	bool transposed;		  /* the checkpoint has the weight as [k, n] */
	const char *tied;		  /* "<tied>.weight" is taken if "<name>.weight" is absent */
	const char *bias;		  /* whole name of the bias to take if "<name>.bias" is absent */
	int64_t columns;		  /* n, as the configuration says; 0: as x has */
	const char *norm;		  /* layer norm of the result, as layer_norm has it; NULL: none */
	double norm_eps;
	bool coarse; /* x may be rounded to 8 bits where the weight is in blocks; else to 16 */
} linear_options;

/*
 * x [rows, k] times "<name>.weight" [n, k], plus "<name>.bias" [n] if there is one -> [rows, n].
 */
#define linear(m, x, name, ...) nn_linear((m), (x), (name), &(linear_options) {__VA_ARGS__})
extern tensor nn_linear(nn_model *m, tensor x, const char *name, const linear_options *options);

/*
 * The same of groups of columns, each with a weight of its own: "<name>.weight" [columns, k / groups],
 * the groups' rows one after the other, or transposed [groups, k / groups, columns / groups].  Of the
 * options columns, activation and transposed count.
 */
#define linear_groups(m, x, name, groups, ...)                                                     \
	nn_linear_groups((m), (x), (name), (groups), &(linear_options) {__VA_ARGS__})
extern tensor nn_linear_groups(nn_model *m, tensor x, const char *name, int groups,
							   const linear_options *options);

/*
 * The same of one x with count (1 .. LINEAR_MAX_PARTS) weights [n, k] that only differ in name:
 * results[i] [rows, n], n as x has columns.  Faster than one after the other.
 */
extern void linear_parts(nn_model *m, tensor x, int count, const char *const *names,
						 tensor *results);

/*
 * One x with weights of different sizes, the results side by side.  Weights and biases are found as
 * linear finds them.
 */
typedef struct linear_row
{
	int count; /* 1 .. LINEAR_MAX_PARTS */
	const char *names[LINEAR_MAX_PARTS];
	int64_t columns[LINEAR_MAX_PARTS]; /* of each */
	int64_t x_stride;				   /* as in linear_options */
	bool transposed;				   /* and this */
	bool coarse;					   /* and this */
	tensor into;					   /* [rows, sum of columns]; empty: a new matrix */
} linear_row;

/* x [rows, k] -> [rows, sum of columns] */
extern tensor linear_side_by_side(nn_model *m, tensor x, const linear_row *row);

/* activation(first) * second of two products alike: x [rows, k] -> [rows, columns of each] */
extern tensor linear_gated(nn_model *m, tensor x, const linear_row *row, op_activation activation);

/*
 * Some columns of x [rows, n], from first on: a tensor in place, whose rows are x.shape[1] elements
 * apart, for those that take a stride.
 */
extern tensor take_columns(tensor x, int64_t first, int64_t count);

/* A norm of rows of n elements. */
typedef struct normalization
{
	bool rms;	  /* RMS norm, which has no bias; else layer norm */
	bool no_bias; /* a layer norm of "<name>.weight" [n] alone, without "<name>.bias" */
	bool bare;	  /* without weight and bias */
	double eps;
	double weight_offset; /* added to the weight */
} normalization;

/* Norm of the rows of x [rows, n] -> [rows, n]. */
extern tensor normalize(nn_model *m, tensor x, const char *name, const normalization *how);

/* The same, in the place of x. */
extern void normalize_in_place(nn_model *m, tensor x, const char *name, const normalization *how);

/*
 * The same of each head of x [rows, heads * n] in place, whose rows are stride elements apart (0: side
 * by side).  The heads have one weight [n], or own weights [heads, n].
 */
extern void normalize_heads(nn_model *m, tensor x, int64_t stride, int heads, bool own,
							const char *name, const normalization *how);

/*
 * activation(gate) * up of n columns, in the place of gate; rows of both are stride elements apart
 * (0: n).
 */
extern void gate(nn_model *m, tensor gates, tensor up, int64_t n, int64_t stride,
				 op_activation activation);

/* The activation of x, in its place. */
extern void activate(nn_model *m, tensor x, op_activation activation);

/* x + factor * y, in the place of x. */
extern tensor add(nn_model *m, tensor x, tensor y, double factor);

/* factor * x, within a soft cap unless that is 0 (cap tanh(. / cap)), in the place of x. */
extern tensor scale(nn_model *m, tensor x, double factor, double cap);

/* Layer norm of the rows of x [rows, n] with "<name>.weight" and "<name>.bias" [n] -> [rows, n]. */
extern tensor layer_norm(nn_model *m, tensor x, const char *name, double eps);

/* What varies; see op_attend_options for what each does. */
typedef struct attention
{
	int heads;
	int kv_heads;		  /* 0: heads */
	int64_t stride;		  /* elements from one row of k and v to the next; 0: their columns */
	int64_t q_stride;	  /* of q; 0: stride */
	int layer;			  /* of the batch's cache */
	bool cross;			  /* the tokens look at the batch's memory */
	bool causal;		  /* a token sees itself and those before it */
	int64_t window;		  /* of those the last so many; 0: all */
	double scale;		  /* of the scores; 0: 1 / sqrt(head size) */
	double soft_cap;	  /* 0: none */
	tensor position_bias; /* [heads, 2 * span - 1], added to the scores by distance; or empty */
	const float *slopes;  /* ALiBi [heads]; NULL: none */
	const float *sinks;	  /* [heads]; NULL: none */
} attention;

/*
 * Attention within each sequence of the batch, and to what its cache has of it; q [tokens, heads *
 * head size], k [tokens, kv_heads * head size], v [tokens, kv_heads * value size], heads side by side
 * -> [tokens, heads * value size].  Across, k and v are of the memory's tokens, or both empty where
 * its cache has them all.
 */
extern tensor attend(nn_model *m, tensor q, tensor k, tensor v, const attention *a);

typedef struct embedding
{
	int64_t hidden_size;
	const char *words; /* "<words>.weight" [word_count, hidden_size], by batch->ids */
	bool tied;		   /* the head has the same weight: it is kept once, as linear wants it */
	int64_t word_count;
	double word_scale;	   /* of the words' rows, in the type of their table; 0: 1 */
	const char *positions; /* by batch->positions; NULL: none */
	int64_t position_count;
	int64_t first_position; /* row of position 0 */
	const char *types;		/* by batch->types; NULL: none */
	int64_t type_count;
	bool types_are_words; /* types, where the batch has any, are rows of the words' table */
	const char *norm;	  /* layer norm of the sum; NULL: none */
	double norm_eps;
} embedding;

/*
 * The sum of the embeddings of each token, normed -> [tokens, hidden].  An id outside its table is
 * INVALID_ARGUMENT.
 */
extern tensor embed(nn_model *m, const embedding *e);

/* The rows of some tokens: x [tokens, n] -> [count, n]. */
extern tensor take_rows(nn_model *m, tensor x, const int32_t *rows, int64_t count);

/* Rows first .. first + count - 1 of x [rows, n], in their place. */
extern tensor some_rows(tensor x, int64_t first, int64_t count);

/* The row of the first token of each sequence: x [tokens, n] -> [sequences, n]. */
extern tensor first_tokens(nn_model *m, tensor x);

/* Zeros in the rows of x [tokens, n] that are hidden, as nn_batch marks them; NULL: none. */
extern void clear_tokens(nn_model *m, tensor x, const uint8_t *hidden);

/* Column number of x [rows, n] -> [rows]. */
extern tensor take_column(nn_model *m, tensor x, int64_t column);

/*
 * Emit columns 0 and 1 of logits [tokens, n] as "start_logits" and "end_logits": of beginning and ending
 * what is asked for.
 */
extern void emit_spans(nn_model *m, nn_axis per, tensor logits);

/* Transformers' name of an activation (ACT2FN); UNSUPPORTED is recorded for one that is not there. */
extern op_activation nn_activation(tfm_context *context, const char *name);

#endif
