/*
 * activation.c
 *	  Names of activations, and an activation by itself.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/activation.h"

#include <string.h>

#include "base/threads.h"
#include "tensor/kernels.h"

#define ACTIVATE_ITEM 16384 /* elements of one item */

bool
op_activation_from_name(const char *name, op_activation *activation)
{
	static const struct
	{
		const char *name;
		op_activation activation;
	} names[] = {
		{"gelu", ACTIVATION_GELU},
		{"gelu_accurate", ACTIVATION_GELU_TANH},
		{"gelu_fast", ACTIVATION_GELU_TANH},
		{"gelu_new", ACTIVATION_GELU_TANH},
		{"gelu_python", ACTIVATION_GELU},
		{"gelu_python_tanh", ACTIVATION_GELU_TANH},
		{"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
		{"linear", ACTIVATION_NONE},
		{"mish", ACTIVATION_MISH},
		{"quick_gelu", ACTIVATION_QUICK_GELU},
		{"relu", ACTIVATION_RELU},
		{"relu2", ACTIVATION_RELU2},
		{"relu6", ACTIVATION_RELU6},
		{"sigmoid", ACTIVATION_SIGMOID},
		{"silu", ACTIVATION_SILU},
		{"swish", ACTIVATION_SILU},
		{"tanh", ACTIVATION_TANH},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, name) == 0)
		{
			*activation = names[i].activation;
			return true;
		}
	return false;
}

typedef struct activate_call
{
	const kernels *table;
	op_activation activation;
	const float *x;
	float *y;
	int64_t count;
} activate_call;

static void
activate_item(void *argument, int64_t item, int thread)
{
	const activate_call *call = argument;
	int64_t first = item * ACTIVATE_ITEM, count = call->count - first;

	(void) thread;
	call->table->activate(call->activation, call->x + first, call->y + first,
						  count < ACTIVATE_ITEM ? count : ACTIVATE_ITEM);
}

bool
op_activate(tfm_context *context, op_activation activation, const float *x, float *y, int64_t count)
{
	activate_call call = {cpu_kernels(context), activation, x, y, count};

	if (tfm_failed(context))
		return false;
	return threads_run(context, activate_item, &call, (count + ACTIVATE_ITEM - 1) / ACTIVATE_ITEM);
}
