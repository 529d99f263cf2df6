/*
 * inputs.h
 *	  What families make of the inputs that only some have (nn_family.inputs): boxes, tags, cells.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_INPUTS_H
#define TFM_NN_INPUTS_H

#include "nn/model.h"

/* Input number index of the family's table; NULL: the caller gives none, or this is a dry run. */
extern const nn_input *given_input(const nn_model *m, int index);

/*
 * Column number column of input index, whole numbers [tokens, width] -> [tokens]; NULL, which to
 * look_up are zeros, where there is no such input, or after an error.
 */
extern const int32_t *input_column(nn_model *m, int index, int64_t column);

/*
 * The rows of "<name>.weight" [count, columns] that ids [tokens] tell (NULL: the first of all) ->
 * [tokens, columns].  An id outside the table is INVALID_ARGUMENT.
 */
extern tensor look_up(nn_model *m, const char *name, int64_t count, int64_t columns,
					  const int32_t *ids);

/* x [tokens, columns] plus these rows, in the place of x. */
extern tensor add_looked_up(nn_model *m, tensor x, const char *name, int64_t count,
							const int32_t *ids);

/* Put part [tokens, n] into the columns of x [tokens, more] from first on. */
extern void put_columns(nn_model *m, tensor x, tensor part, int64_t first);

/* What is known of a box on a page, whose columns are left, upper, right and lower. */
typedef enum box_measure
{
	BOX_LEFT,
	BOX_UPPER,
	BOX_RIGHT,
	BOX_LOWER,
	BOX_HEIGHT,
	BOX_WIDTH,
	BOX_MEASURES
} box_measure;

/* It, of input index, boxes [tokens, 4], as input_column has columns. */
extern const int32_t *input_box(nn_model *m, int index, box_measure measure);

#endif
