/*
 * forward.h
 *	  The raw forward pass, for experts and tests.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_FORWARD_H
#define TFM_TASK_FORWARD_H

#include "base/buffer.h"
#include "runtime/model.h"

/*
 * Run the architecture that config.json names.  inputs is a JSON object of Transformers' argument
 * names; a tensor is {"dtype", "shape", "data"} (data flat, row-major) or nested arrays.  Appends to
 * outputs a JSON object of Transformers' ModelOutput names with tensors in the first form; positions
 * that attention_mask leaves out are zeros.
 * Errors: INVALID_ARGUMENT with the argument at fault, UNSUPPORTED, CANCELLED, OUT_OF_MEMORY.
 */
extern bool task_forward(tfm_context *context, const run_model *model, tfm_text inputs,
						 buffer *outputs);

#endif
