/*
 * linear.c
 *	  Linear layers: what they are asked for is checked, and their parts go to where products of
 *	  their kind are made.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/linear.h"

#include "tensor/block_forms.h"
#include "tensor/linear_parts.h"
#include "tensor/norm.h"

/* Rows whose gate is worked on at a time. */
#define GATE_ROWS 16

/* How a part is multiplied. */
typedef enum part_kind
{
	PART_WIDE,	/* in COMPUTE_F32 or COMPUTE_BF16 */
	PART_BYTES, /* I8 in COMPUTE_INT8 */
	PART_BLOCKS /* blocks in COMPUTE_INT8 */
} part_kind;

static part_kind
kind_of(const op_linear_options *o, const op_linear_part *part)
{
	if (o->compute != COMPUTE_INT8)
		return PART_WIDE;
	return block_is_type(part->dtype) ? PART_BLOCKS
		   : part->dtype == DTYPE_I8  ? PART_BYTES
									  : PART_WIDE;
}

/* ---- What is asked for ---- */

static void
fill_defaults(op_linear_options *o)
{
	o->x_stride = o->x_stride == 0 ? o->k : o->x_stride;
	for (int i = 0; i < LINEAR_MAX_PARTS && o->parts[i].panels != NULL; i++)
	{
		op_linear_part *part = &o->parts[i];

		part->dtype = part->dtype == 0 ? DTYPE_F32 : part->dtype;
		part->y_stride = part->y_stride == 0 ? part->n : part->y_stride;
	}
	o->residual_stride = o->residual_stride == 0 ? o->parts[0].n : o->residual_stride;
}

static bool
check_part(tfm_context *context, const op_linear_options *o, const op_linear_part *part)
{
	size_t size;

	if (!weight_size(part->dtype, LAYOUT_PANELS, 2, (int64_t[]) {part->n, o->k}, &size) ||
		part->y_stride < part->n)
		return tfm_fail(context, TFM_INTERNAL,
						"linear layer of type \"%s\" of %lld columns from %lld is impossible",
						dtype_name(part->dtype), (long long) part->n, (long long) o->k);
	return true;
}

/* A gate has two parts alike, and nothing is done to their product. */
static bool
has_good_gate(const op_linear_options *o)
{
	return !o->gate || (o->parts[1].panels != NULL && o->parts[2].panels == NULL &&
						o->parts[0].n == o->parts[1].n && o->residual == NULL);
}

static bool
check_options(tfm_context *context, const op_linear_options *o)
{
	bool single = o->parts[1].panels == NULL;

	if (o->rows < 0 || o->k < 1 || o->x_stride < o->k || o->parts[0].panels == NULL ||
		(!single && (o->residual != NULL || o->norm_weight != NULL)) ||
		(o->residual != NULL && o->residual_stride < o->parts[0].n) || !has_good_gate(o))
		return tfm_fail(context, TFM_INTERNAL, "linear layer of %lld rows from %lld is impossible",
						(long long) o->rows, (long long) o->k);
	for (int i = 0; i < LINEAR_MAX_PARTS && o->parts[i].panels != NULL; i++)
		if (!check_part(context, o, &o->parts[i]))
			return false;
	return true;
}

/* ---- Kinds, and what comes after ---- */

/* The norm of y, which products of blocks leave undone. */
static bool
norm_rows_of_y(tfm_context *context, const op_linear_options *o)
{
	norm_rows norm = {
		.n = o->parts[0].n,
		.weight = o->norm_weight,
		.bias = o->norm_bias,
		.eps = o->norm_eps,
	};

	for (int64_t row = 0; row < o->rows && !tfm_failed(context); row++)
	{
		float *y = o->parts[0].y + row * o->parts[0].y_stride;

		cpu_kernels(context)->layer_norm(&norm, y, NULL, y);
		if (row % 64 == 0)
			tfm_stopped(context);
	}
	return !tfm_failed(context);
}

static bool
run_kind(tfm_context *context, const op_linear_options *o, part_kind kind)
{
	op_linear_options wide = *o;

	if (kind == PART_BLOCKS)
		return linear_run_blocks(context, o) &&
			   (o->norm_weight == NULL || norm_rows_of_y(context, o));
	if (kind == PART_WIDE && o->compute == COMPUTE_INT8)
		wide.compute = COMPUTE_F32;
	return linear_run_panels(context, &wide);
}

/* The parts of each kind in one run. */
static bool
run_kinds(tfm_context *context, const op_linear_options *o)
{
	for (part_kind kind = PART_WIDE; kind <= PART_BLOCKS; kind++)
	{
		op_linear_options some = *o;
		int count = 0;

		for (int i = 0; i < LINEAR_MAX_PARTS; i++)
			some.parts[i].panels = NULL;
		for (int i = 0; i < LINEAR_MAX_PARTS && o->parts[i].panels != NULL; i++)
			if (kind_of(o, &o->parts[i]) == kind)
				some.parts[count++] = o->parts[i];
		if (count > 0 && !run_kind(context, &some, kind))
			return false;
	}
	return true;
}

/* ---- Gates ---- */

typedef struct gate_call
{
	const kernels *table;
	const op_linear_options *o;
	bool coarse;
	const op_linear_part *up; /* [rows, n], in working memory */
} gate_call;

static void
gate_item(void *argument, int64_t item, int thread)
{
	const gate_call *call = argument;
	const op_linear_part *part = &call->o->parts[0];
	int64_t first = item * GATE_ROWS;
	int64_t end = first + GATE_ROWS < call->o->rows ? first + GATE_ROWS : call->o->rows;

	(void) thread;
	for (int64_t row = first; row < end; row++)
	{
		float *y = part->y + row * part->y_stride;

		call->table->gate(call->o->activation, call->coarse, y,
						  call->up->y + row * call->up->y_stride, y, part->n);
	}
}

/* Both parts apart, then their product: where they are not both of blocks. */
static bool
run_gate(tfm_context *context, const op_linear_options *o)
{
	op_linear_options apart = *o;
	arena_mark mark = arena_save(context->arena);
	gate_call call = {
		.table = cpu_kernels(context),
		.o = o,
		.coarse = o->compute == COMPUTE_BF16 || kind_of(o, &o->parts[0]) != PART_WIDE,
	};
	bool done;

	if (apart.parts[1].y == NULL)
	{
		apart.parts[1].y = tfm_alloc_array(context, (size_t) o->rows,
										   (size_t) apart.parts[1].y_stride * sizeof(float));
		if (apart.parts[1].y == NULL)
			return false;
	}
	call.up = &apart.parts[1];
	apart.activation = ACTIVATION_NONE;
	apart.gate = false;
	done = run_kinds(context, &apart) &&
		   threads_run(context, gate_item, &call, divide_up(o->rows, GATE_ROWS));
	arena_restore(context->arena, mark);
	return done;
}

bool
op_linear(tfm_context *context, const op_linear_options *options)
{
	op_linear_options o = *options;

	if (tfm_failed(context))
		return false;
	fill_defaults(&o);
	if (!check_options(context, &o))
		return false;
	if (o.gate &&
		(kind_of(&o, &o.parts[0]) != PART_BLOCKS || kind_of(&o, &o.parts[1]) != PART_BLOCKS))
		return run_gate(context, &o);
	return run_kinds(context, &o);
}
