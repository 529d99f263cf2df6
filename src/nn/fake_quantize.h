/*
 * fake_quantize.h
 *	  Tensors rounded to what 8 bits can hold, and kept in floats: what NVIDIA's pytorch_quantization
 *	  does to a model that is to be run in 8 bits.
 *
 * A quantizer has the largest magnitude that it can hold, which calibration leaves in the checkpoint
 * as "_amax".  One that was not calibrated takes the largest of the tensor at hand.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_FAKE_QUANTIZE_H
#define TFM_NN_FAKE_QUANTIZE_H

#include "nn/layers.h"

/*
 * The largest magnitude of the quantizer called name, of one that is for whole tensors; 0: the
 * checkpoint does not say.
 */
extern float fake_quantizer_limit(nn_model *m, const char *name);

/* The largest magnitude of count elements. */
extern float largest_magnitude(const float *x, int64_t count);

/* to[i] = x[i] within limit, rounded to one of 255 steps of it; to may be x. */
extern void round_to_limit(const float *x, int64_t count, float limit, float *to);

/*
 * x [rows, k] times rows [n, k], which were made in this pass, plus bias [n] unless that is NULL ->
 * [rows, n].  Not of a dry run, which has none: n is what the result has there.
 */
extern tensor multiply_made(nn_model *m, tensor x, const float *rows, int64_t n, const float *bias,
							op_activation activation);

/* x as the quantizer called name leaves it, in a new tensor. */
extern tensor fake_quantize(nn_model *m, tensor x, const char *name);

/*
 * linear of x [rows, k] and "<name>.weight" [columns, k], both rounded: by "<name>._input_quantizer",
 * and by "<name>._weight_quantizer" row by row.
 */
extern tensor fake_quantized_linear(nn_model *m, tensor x, const char *name, int64_t columns,
									op_activation activation);

#endif
