/*
 * weights.c
 *	  Tensors of a checkpoint as weights of an image.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/weights.h"

#include <math.h>

#include "runtime/precision.h"
#include "tensor/pack.h"

/* Elements in memory at a time, unless a panel has more. */
#define COPY_ELEMENTS ((int64_t) 256 * 1024)

/* A magnitude from which on a finite value would be kept as infinity. */
static float
overflow_of(tfm_dtype dtype)
{
	switch (dtype)
	{
		case DTYPE_F16:
			return 65520.0f;
		case DTYPE_BF16:
			return 0x1.ffp127f;
		default:
			return INFINITY;
	}
}

/* Whether all values can be kept in the type of the weight; those of I8 must be numbers. */
static bool
check_values(tfm_context *context, const weight *w, const float *values, int64_t count)
{
	float overflow = overflow_of(w->dtype);

	for (int64_t i = 0; i < count; i++)
	{
		float magnitude = fabsf(values[i]);

		if (magnitude < overflow || (w->dtype != DTYPE_I8 && !isfinite(magnitude)))
			continue;
		tfm_fail(context, TFM_LIMIT_EXCEEDED, "tensor \"%s\" holds %g, which \"%s\" cannot hold",
				 w->name, (double) values[i], run_dtype_name(w->dtype));
		return tfm_hint(context, w->dtype == DTYPE_F16 ? "Use the dtype \"bf16\" or \"f32\"."
													   : "Use the dtype \"f32\".");
	}
	return true;
}

static bool
fail_size(tfm_context *context, const weight *w)
{
	if (w->dtype != DTYPE_I8 || w->rank != 2 || w->shape[1] <= PACK_I8_MAX_K)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED, "tensor \"%s\" is too large", w->name);
	tfm_fail(context, TFM_LIMIT_EXCEEDED,
			 "tensor \"%s\" has rows of %lld elements, but \"int8\" takes at most %d", w->name,
			 (long long) w->shape[1], PACK_I8_MAX_K);
	return tfm_hint(context, "Use the dtype \"bf16\" or \"f32\".");
}

/* Rows row .. row + rows - 1 of the weight, of k elements each, from the tensor or its transpose. */
static bool
read_rows(tfm_context *context, const ckpt_tensor *from, bool transposed, int64_t row, int64_t rows,
		  int64_t k, float *values)
{
	float *part;

	if (!transposed)
		return ckpt_read_part_f32(context, from, row * k, rows * k, values);
	part = tfm_alloc_array(context, (size_t) rows, sizeof(float));
	for (int64_t i = 0; part != NULL && i < k; i++)
	{
		if (!ckpt_read_part_f32(context, from, i * from->shape[1] + row, rows, part))
			return false;
		for (int64_t r = 0; r < rows; r++)
			values[r * k + i] = part[r];
	}
	return part != NULL;
}

/*
 * Write the elements of a weight as its layout has them, some rows at a time; so many that a panel
 * is never cut.  A plain weight has rows of one element.
 */
static bool
write_elements(tfm_context *context, image_writer *writer, const ckpt_tensor *from, const weight *w,
			   bool transposed)
{
	int64_t count = (int64_t) (from->length / dtype_size(from->dtype));
	int64_t k = w->layout == LAYOUT_PLAIN ? 1 : w->shape[1];
	int64_t step = COPY_ELEMENTS / PANEL_COLUMNS / k * PANEL_COLUMNS;
	size_t size;
	float *values;
	void *packed;

	if (step < PANEL_COLUMNS)
		step = PANEL_COLUMNS;
	if (step > count / k)
		step = count / k;
	weight_size(w->dtype, w->layout, 2, (int64_t[]) {step, k}, &size);
	values = tfm_alloc_array(context, (size_t) step, (size_t) k * sizeof(float));
	packed = tfm_alloc(context, size);
	for (int64_t row = 0; !tfm_failed(context) && row < count / k; row += step)
	{
		int64_t rows = count / k - row < step ? count / k - row : step;

		if (!read_rows(context, from, transposed, row, rows, k, values) ||
			!check_values(context, w, values, rows * k))
			return false;
		pack_weight(w->dtype, w->layout, values, rows, k, packed);
		weight_size(w->dtype, w->layout, 2, (int64_t[]) {rows, k}, &size);
		image_write(writer, packed, size);
	}
	return !tfm_failed(context);
}

bool
run_write_weight(tfm_context *context, image_writer *writer, const ckpt_tensor *from,
				 const weight *w, bool transposed)
{
	size_t size;

	if (!weight_size(w->dtype, w->layout, w->rank, w->shape, &size))
		return fail_size(context, w);
	return image_begin_weight(writer, w) && write_elements(context, writer, from, w, transposed) &&
		   image_end_weight(writer);
}
