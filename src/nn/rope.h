/*
 * rope.h
 *	  Rotary position embeddings as configurations describe them, with all scalings that
 *	  Transformers has.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_ROPE_H
#define TFM_NN_ROPE_H

#include "base/json.h"
#include "nn/model.h"

/* Frequencies that are the same for all sequences, or depend on how long they are. */
typedef enum rope_kind
{
	ROPE_NONE,
	ROPE_FIXED,
	ROPE_DYNAMIC, /* the base grows beyond max_positions */
	ROPE_LONG	  /* other frequencies beyond original_positions */
} rope_kind;

/* How queries and keys turn. */
typedef struct rope
{
	rope_kind kind;
	int head_dim;
	int dim;		  /* the first so many elements of a head turn, in pairs */
	int exponent_dim; /* what exponents are fractions of */
	bool interleaved; /* pairs lie side by side; else half of dim apart */
	double theta;
	double factor;				/* of ROPE_DYNAMIC */
	int64_t max_positions;		/* of ROPE_DYNAMIC */
	int64_t original_positions; /* of ROPE_LONG */
	double attention_factor;	/* of cosine and sine */
	const float *frequencies;	/* [dim / 2] angle of one position */
	const float *long_frequencies;
} rope;

/* What a family takes where its configuration says nothing. */
typedef struct rope_defaults
{
	int64_t head_dim;
	double theta;
	/*
	 * The part of a head that turns.  0: all of it, and "partial_rotary_factor" counts for scalings
	 * alone, as in families whose own default does not look at it.
	 */
	double partial_factor;
	int64_t max_positions;
	int64_t original_positions; /* 0: max_positions */
	bool interleaved;
} rope_defaults;

/*
 * Read "rope_parameters", or of older files "rope_scaling", "rope_theta", "partial_rotary_factor";
 * layer_type is the part of it that is meant where layers differ ("full_attention"), or NULL.
 * Follows transformers/modeling_rope_utils.py.  What it points to lives in the context's arena.
 */
extern void rope_read(tfm_context *context, json file, const char *layer_type,
					  const rope_defaults *defaults, rope *r);

/* The same of an object of such parameters, absent for none, beside theta and a part of the head. */
extern void rope_read_parameters(tfm_context *context, json file, json parameters,
								 const rope_defaults *defaults, rope *r);

/*
 * Turn heads of x [tokens, heads * head size] in place by batch->positions; rows are stride elements
 * apart (0: side by side).
 */
extern void rotate(nn_model *m, const rope *r, tensor x, int64_t stride, int heads);

#endif
