/*
 * activation.h
 *	  The functions that follow a linear layer, by Transformers' names.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_ACTIVATION_H
#define TFM_TENSOR_ACTIVATION_H

#include "base/context.h"

typedef enum op_activation
{
	ACTIVATION_NONE = 0,
	ACTIVATION_GELU,	   /* x Phi(x), by erf */
	ACTIVATION_GELU_TANH,  /* the tanh approximation */
	ACTIVATION_QUICK_GELU, /* x sigmoid(1.702 x) */
	ACTIVATION_RELU,
	ACTIVATION_RELU2, /* relu(x) squared */
	ACTIVATION_RELU6, /* min(relu(x), 6) */
	ACTIVATION_SILU,  /* x sigmoid(x) */
	ACTIVATION_MISH,  /* x tanh(log(1 + e^x)) */
	ACTIVATION_TANH,
	ACTIVATION_SIGMOID
} op_activation;

/*
 * The activation of a name in Transformers' ACT2FN ("gelu", "gelu_new", "silu", ...); false, and
 * nothing else, if there is none here.
 */
extern bool op_activation_from_name(const char *name, op_activation *activation);

/*
 * y[i] = activation(x[i]) for i of 0..count-1; y may be x.  Each element's bits depend on its value
 * alone.  False if the context has failed.
 */
extern bool op_activate(tfm_context *context, op_activation activation, const float *x, float *y,
						int64_t count);

#endif
