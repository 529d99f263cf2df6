/*
 * tensors.c
 *	  Reading the tensors of a checkpoint, whatever file they are in.
 *
 * What can be read is counted in units: elements, or whole rows where a row is made of blocks or the
 * rows lie in another order than the tensor has them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/safetensors.h"
#include "tensor/blocks.h"
#include "tensor/float16.h"

#define READ_PIECE ((size_t) 8 * 1024 * 1024)
#define CONVERT_PIECE ((int64_t) 32 * 1024) /* elements; stays in the second-level cache */

/* The smallest part of a tensor that can be read. */
typedef struct unit
{
	int64_t elements;
	size_t bytes;
} unit;

int64_t
ckpt_count_elements(const ckpt_tensor *t)
{
	int64_t count = 1;

	/* A size of 0 makes all of it 0, and the others may be anything. */
	for (int i = 0; i < t->rank; i++)
		if (t->shape[i] == 0)
			return 0;
	for (int i = 0; i < t->rank; i++)
		count *= t->shape[i];
	return count;
}

static bool
is_blocks(tfm_dtype dtype)
{
	return dtype >= DTYPE_Q4_0 && dtype <= DTYPE_LAST;
}

/* Elements of a row: the last dimension, or of a list one, unless blocks hold it together. */
static int64_t
row_length(const ckpt_tensor *t)
{
	if (t->rank >= 2)
		return t->shape[t->rank - 1];
	return is_blocks(t->dtype) ? ckpt_count_elements(t) : 1;
}

static unit
unit_of(const ckpt_tensor *t)
{
	unit u = {.elements = 1, .bytes = dtype_size(t->dtype)};

	if (!is_blocks(t->dtype) && t->order == CKPT_ROWS_IN_ORDER)
		return u;
	u.elements = row_length(t);
	u.bytes =
		is_blocks(t->dtype) ? block_row_size(t->dtype, u.elements) : (size_t) u.elements * u.bytes;
	return u;
}

int64_t
ckpt_unit_elements(const ckpt_tensor *t)
{
	return unit_of(t).elements;
}

static bool
fail_type(tfm_context *context, const ckpt_tensor *t)
{
	return tfm_fail(context, TFM_UNSUPPORTED,
					"\"%s\": tensor \"%s\" is of type %s, which is not %s", t->file->path,
					t->stored_name, t->stored_type,
					t->dtype == 0 ? "supported" : "a floating-point type");
}

/* Whether the elements first .. first + count - 1 may be read. */
static bool
check_part(tfm_context *context, const ckpt_tensor *t, int64_t first, int64_t count)
{
	int64_t elements = ckpt_count_elements(t);
	unit u;

	if (tfm_failed(context))
		return false;
	if (t->dtype == 0)
		return fail_type(context, t);
	u = unit_of(t);
	if (first < 0 || count < 0 || first > elements || count > elements - first ||
		(count > 0 && (u.elements < 1 || first % u.elements != 0 || count % u.elements != 0)))
		return tfm_fail(context, TFM_INTERNAL,
						"elements %lld to %lld of tensor \"%s\" were asked for, which has %lld",
						(long long) first, (long long) first + count, t->name,
						(long long) elements);
	return true;
}

/* ---- Rows ---- */

/* Where in the file row number row of the tensor lies. */
static int64_t
stored_row(const ckpt_tensor *t, int64_t row)
{
	int64_t size = t->head_size, half = size / 2;
	int64_t all, queries, group, part;

	if (t->order == CKPT_ROWS_INTERLEAVED)
		return row / size * size + row % half * 2 + row % size / half;
	/* A group is a key's queries, the key and the value; all is how many heads it has. */
	all = t->shape[0] / (t->heads * size);
	queries = all - 2;
	group = row / (all * size);
	part = row / size % all;
	if (part < queries)
		part += group * queries;
	else
		part = t->heads * (part == queries ? queries : queries + 1) + group;
	return part * size + row % size;
}

static bool
read_bytes(tfm_context *context, const file *f, size_t offset, char *bytes, size_t length)
{
	while (length > 0 && !tfm_stopped(context))
	{
		size_t n = length < READ_PIECE ? length : READ_PIECE;

		if (!file_read_at(context, f, offset, bytes, n))
			return false;
		bytes += n;
		offset += n;
		length -= n;
	}
	return !tfm_failed(context);
}

/* Rows that lie in another order: as many at a time as lie together. */
static bool
read_rows(tfm_context *context, const ckpt_tensor *t, int64_t row, int64_t count, size_t row_bytes,
		  char *bytes)
{
	while (count > 0)
	{
		int64_t from = stored_row(t, row), run = 1;

		while (run < count && stored_row(t, row + run) == from + run)
			run++;
		if (!read_bytes(context, t->file, t->offset + (size_t) from * row_bytes, bytes,
						(size_t) run * row_bytes))
			return false;
		row += run;
		count -= run;
		bytes += (size_t) run * row_bytes;
	}
	return true;
}

bool
ckpt_read_part(tfm_context *context, const ckpt_tensor *t, int64_t first, int64_t count,
			   void *bytes)
{
	unit u;

	if (!check_part(context, t, first, count))
		return false;
	if (count == 0)
		return true;
	u = unit_of(t);
	if (t->order != CKPT_ROWS_IN_ORDER)
		return read_rows(context, t, first / u.elements, count / u.elements, u.bytes, bytes);
	return read_bytes(context, t->file, t->offset + (size_t) (first / u.elements) * u.bytes, bytes,
					  (size_t) (count / u.elements) * u.bytes);
}

bool
ckpt_read(tfm_context *context, const ckpt_tensor *t, void *bytes)
{
	return ckpt_read_part(context, t, 0, ckpt_count_elements(t), bytes);
}

/* ---- As floats ---- */

static void
convert_to_f32(const ckpt_tensor *t, const void *stored, int64_t count, float *values)
{
	unit u = unit_of(t);

	if (is_blocks(t->dtype))
		for (int64_t i = 0; i < count / u.elements; i++)
			block_decode(t->dtype, (const char *) stored + (size_t) i * u.bytes, u.elements,
						 values + i * u.elements);
	else if (t->dtype == DTYPE_F16)
		for (int64_t i = 0; i < count; i++)
			values[i] = f16_to_f32(((const uint16_t *) stored)[i]);
	else if (t->dtype == DTYPE_BF16)
		for (int64_t i = 0; i < count; i++)
			values[i] = bf16_to_f32(((const uint16_t *) stored)[i]);
	else
		for (int64_t i = 0; i < count; i++)
			values[i] = (float) ((const double *) stored)[i];
}

static bool
read_converted(tfm_context *context, const ckpt_tensor *t, int64_t first, int64_t count,
			   float *values)
{
	arena_mark mark = arena_save(context->arena);
	unit u = unit_of(t);
	int64_t step = u.elements < CONVERT_PIECE ? CONVERT_PIECE / u.elements : 1;
	void *piece = tfm_alloc_array(context, (size_t) step, u.bytes);

	step *= u.elements;
	while (count > 0 && !tfm_failed(context))
	{
		int64_t n = count < step ? count : step;

		if (!ckpt_read_part(context, t, first, n, piece))
			break;
		convert_to_f32(t, piece, n, values);
		first += n;
		count -= n;
		values += n;
	}
	arena_restore(context->arena, mark);
	return !tfm_failed(context);
}

bool
ckpt_read_part_f32(tfm_context *context, const ckpt_tensor *t, int64_t first, int64_t count,
				   float *values)
{
	if (!check_part(context, t, first, count))
		return false;
	if (!ckpt_is_float(t->dtype))
		return fail_type(context, t);
	if (count > 0 && !(t->dtype == DTYPE_F32 ? ckpt_read_part(context, t, first, count, values)
											 : read_converted(context, t, first, count, values)))
		return false;
	for (int64_t i = 0; t->added != 0.0f && i < count; i++)
		values[i] -= t->added;
	return true;
}

bool
ckpt_read_f32(tfm_context *context, const ckpt_tensor *t, float *values)
{
	return ckpt_read_part_f32(context, t, 0, ckpt_count_elements(t), values);
}

bool
ckpt_is_float(tfm_dtype dtype)
{
	return dtype == DTYPE_F32 || dtype == DTYPE_F16 || dtype == DTYPE_BF16 || dtype == DTYPE_F64 ||
		   is_blocks(dtype);
}
