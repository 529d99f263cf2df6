/*
 * mamba.h
 *	  Mamba's mixer, as the part of a layer that stands in the place of attention.
 *	  Follows MambaMixer in transformers/models/mamba/modeling_mamba.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_MAMBA_H
#define TFM_NN_MAMBA_H

#include "nn/decoder.h"
#include "nn/recurrent.h"

typedef struct mamba_mixer
{
	int64_t inner;	   /* channels */
	int64_t state;	   /* numbers that each keeps */
	int64_t step_rank; /* columns that steps are made from */
	int conv_width;
	op_activation activation; /* after the convolution */

	/* Norms of what steps are made from, of b and of c; NULL: none. */
	const normalization *norm;
	const char *step_norm, *b_norm, *c_norm; /* "" where the norm is bare */
} mamba_mixer;

/*
 * Begin *c as a decoder whose layers are a norm and a mixer and no more, by its sizes; what attends is
 * for the family to say.
 */
extern void mamba_read_decoder(tfm_context *context, json file, const decoder_defaults *defaults,
							   decoder_config *c);

/* A configuration's keys of these sizes, and its defaults. */
typedef struct mamba_keys
{
	const char *expand, *state, *step_rank, *conv_width;
	const char *inner; /* the channels themselves, before hidden size times expand; "": no key */
} mamba_keys;

/* Read them for so many hidden columns.  Checks that a state is not too large. */
extern void mamba_read_config(tfm_context *context, json file, const mamba_keys *keys,
							  int64_t hidden, mamba_mixer *c);

/* Floats that a layer keeps of a sequence. */
extern int64_t mamba_state(const mamba_mixer *c);

/* The mixer of the scope's names: x [tokens, hidden], which may be changed -> [tokens, hidden]. */
extern tensor mamba_mix(nn_model *m, tensor x, const mamba_mixer *c, int layer);

#endif
