/*
 * alibi.h
 *	  Slopes of ALiBi (Press et al. 2022): scores fall linearly with the distance, in each head at its
 *	  own rate.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_ALIBI_H
#define TFM_NN_ALIBI_H

#include "nn/model.h"

/*
 * The slopes of heads heads, [heads] in the context's arena; NULL on error.  Follows
 * _get_alibi_slopes of transformers/models/bloom/modeling_bloom.py.
 */
extern float *alibi_slopes(tfm_context *context, int heads);

#endif
