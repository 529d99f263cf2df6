/*
 * windows.h
 *	  Longformer's attention (Beltagy et al. 2020): a token sees a window around itself and the global
 *	  tokens, which see all, by queries, keys and values of their own.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_WINDOWS_H
#define TFM_NN_WINDOWS_H

#include "nn/family.h"
#include "nn/layers.h"

typedef struct windows
{
	const int32_t *sizes; /* [layers] tokens on both sides together, even */
	int global; /* the input that tells which tokens are: its number in nn_family.inputs */
	const char *projections[3]; /* of global tokens: queries, keys, values */
} windows;

/* The input that tells which tokens are global, for nn_family.inputs. */
#define WINDOWS_INPUT                                                                              \
	{                                                                                              \
		.name = "global_attention_mask", .per_token = true, .width = 1                             \
	}

/* Read attention_window, a number or one for each layer; fallback without. */
extern void read_windows(tfm_context *context, json file, int layers, int64_t fallback, windows *w);

/*
 * As attend, in its place in a family; its_windows is a windows, x is what qkv are of, and the layer's
 * number is how->layer.
 */
extern tensor attend_in_windows(nn_model *m, const void *its_windows, const attention *how,
								tensor x, const tensor qkv[3]);

#endif
