/*
 * linear_parts.h
 *	  What the ways to multiply of linear.c share: parts and their panels.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_LINEAR_PARTS_H
#define TFM_TENSOR_LINEAR_PARTS_H

#include "tensor/kernels.h"
#include "tensor/linear.h"
#include "tensor/pack.h"

/* A panel of all parts: its part, its number in it, where it lies. */
typedef struct panel_place
{
	const op_linear_part *part;
	int64_t number;
	const char *data;
	size_t size;
} panel_place;

static inline int64_t
divide_up(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

static inline int64_t
part_panels(const op_linear_part *part)
{
	return divide_up(part->n, PANEL_COLUMNS);
}

/* Panels of all parts. */
static inline int64_t
count_panels(const op_linear_options *o)
{
	int64_t panels = 0;

	for (int i = 0; i < LINEAR_MAX_PARTS && o->parts[i].panels != NULL; i++)
		panels += part_panels(&o->parts[i]);
	return panels;
}

static inline panel_place
place_panel(const op_linear_part *part, int64_t number, int64_t k)
{
	size_t size = pack_panel_size(part->dtype, k);

	return (panel_place) {
		.part = part,
		.number = number,
		.size = size,
		.data = (const char *) part->panels + (size_t) number * size,
	};
}

/* Panel number panel of all parts. */
static inline panel_place
find_panel(const op_linear_options *o, int64_t panel)
{
	const op_linear_part *part = o->parts;

	for (; panel >= part_panels(part); part++)
		panel -= part_panels(part);
	return place_panel(part, panel, o->k);
}

/* Columns of a panel that are columns of the result. */
static inline int
panel_columns(const panel_place *place)
{
	int64_t left = place->part->n - place->number * PANEL_COLUMNS;

	return left < PANEL_COLUMNS ? (int) left : PANEL_COLUMNS;
}

/* The bias of a panel's columns, in start where the last are missing; NULL if there is none. */
static inline const float *
panel_start(const panel_place *place, float start[PANEL_COLUMNS])
{
	const op_linear_part *part = place->part;
	int64_t column = place->number * PANEL_COLUMNS;

	if (part->bias == NULL || column + PANEL_COLUMNS <= part->n)
		return part->bias == NULL ? NULL : part->bias + column;
	for (int64_t i = 0; i < PANEL_COLUMNS; i++)
		start[i] = column + i < part->n ? part->bias[column + i] : 0.0f;
	return start;
}

/* Weights of any type as floats or rounded to bf16, or I8 as bytes: linear_panels.c. */
extern bool linear_run_panels(tfm_context *context, const op_linear_options *o);

/* Blocks times bytes in groups: linear_blocks.c.  Takes a gate, but no norm. */
extern bool linear_run_blocks(tfm_context *context, const op_linear_options *o);

#endif
