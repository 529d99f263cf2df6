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

/* Whether a type has infinities. */
static bool
has_infinities(tfm_dtype dtype)
{
	return dtype == DTYPE_F32 || dtype == DTYPE_F16 || dtype == DTYPE_BF16;
}

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
		case DTYPE_F32:
		case DTYPE_I8:
			return INFINITY;
		default:
			return 65504.0f; /* scales of blocks are F16 */
	}
}

/* Whether all values can be kept in the type of the weight; types of integers must have numbers. */
static bool
check_values(tfm_context *context, const weight *w, const float *values, int64_t count)
{
	float overflow = overflow_of(w->dtype);

	for (int64_t i = 0; i < count; i++)
	{
		float magnitude = fabsf(values[i]);

		if (magnitude < overflow || (has_infinities(w->dtype) && !isfinite(magnitude)))
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

/* Whether the weight is of blocks that the tensor has already. */
static bool
keeps_blocks(const ckpt_tensor *from, const weight *w, bool transposed)
{
	return from->dtype == w->dtype && dtype_size(w->dtype) == 0 && from->added == 0 && !transposed;
}

/*
 * Write the elements of a weight as its layout has them, some rows at a time; so many that a panel
 * is never cut.  A plain weight has the smallest rows that can be read.
 */
static bool
write_elements(tfm_context *context, image_writer *writer, const ckpt_tensor *from, const weight *w,
			   bool transposed)
{
	int64_t count = ckpt_count_elements(from);
	int64_t k = w->layout == LAYOUT_PLAIN ? ckpt_unit_elements(from) : w->shape[1];
	bool blocks = keeps_blocks(from, w, transposed);
	int64_t step;
	size_t size;
	float *values;
	void *packed;

	if (count == 0)
		return true;
	step = COPY_ELEMENTS / PANEL_COLUMNS / k * PANEL_COLUMNS;
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

		if (blocks ? !ckpt_read_part(context, from, row * k, rows * k, values)
				   : !read_rows(context, from, transposed, row, rows, k, values) ||
						 !check_values(context, w, values, rows * k))
			return false;
		if (blocks)
			pack_blocks(w->dtype, w->layout, values, rows, k, packed);
		else
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
