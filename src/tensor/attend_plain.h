/*
 * attend_plain.h
 *	  Attention query by query, with all that op_attend knows.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_ATTEND_PLAIN_H
#define TFM_TENSOR_ATTEND_PLAIN_H

#include "tensor/attend.h"

/* op_attend of checked options whose defaults are filled in. */
extern bool attend_plain(tfm_context *context, const op_attend_options *o);

#endif
