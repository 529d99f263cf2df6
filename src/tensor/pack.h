/*
 * pack.h
 *	  How the weights of an image lie in memory, and packing them.
 *
 * LAYOUT_PANELS: a panel holds PANEL_COLUMNS columns of the result, which are so many rows of
 * W[n, k]; those that the last panel lacks are zero.  The form depends on the type of the elements,
 * so that what a product instruction takes at once lies together, and not on the instruction set:
 *
 *		F32		[panels][k][32]
 *		F16		[panels][k][32]
 *		BF16	[panels][ceil(k / 2)][32][2]
 *		I8		[panels] of [ceil(k / 4)][32][4], f32 scales[32], int32 sums[32]
 *
 * A row of W in I8 is w / scale, rounded to the nearest, with scale = max |w| / 127; sums are of the
 * rounded ones.
 *
 * Blocks (tensor/blocks.h), of which a row has whole ones, keep their scales and codes bit by bit,
 * but in another order: a span holds one block of each column,
 *
 *		uint16 scales[32] (MXFP4: uint8), uint16 minima[32],
 *		uint8 scales of groups[groups][32], uint8 minima of groups[groups][32],
 *		codes[elements / 32]
 *
 * each where the type has it (block_forms.h).  The codes of 32 elements are eight fours of bytes for
 * each column, [8][32][4], of which bits lie side by side: a plane of n bits has so many times
 * [32][4] bytes, and each of these the bits of 8 / n consecutive fours, from the lowest up.  The
 * lower bits of a code have a plane, and the higher ones behind it another.
 *
 * LAYOUT_ROWS: rows one after the other, elements as they are; in I8 a row is its f32 scale and the
 * elements w / scale, rounded, and the next row starts at a multiple of 4 bytes; blocks as in files.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_PACK_H
#define TFM_TENSOR_PACK_H

#include "tensor/tensor.h"

#define PANEL_COLUMNS 32

/* The largest magnitude of an I8 weight. */
#define I8_MOST 127

/* So long a sum of products of bytes, 255 * 127 each, stays within int32. */
#define PACK_I8_MAX_K 65536

/*
 * Lay W[rows, k], row-major, out in to (weight_size bytes, aligned to 64 for panels).  Large weights
 * may be packed in parts: of a multiple of PANEL_COLUMNS rows but for the last, one after the other.
 * Of types of blocks, those that block_can_encode.
 */
extern void pack_weight(tfm_dtype dtype, weight_layout layout, const float *w, int64_t rows,
						int64_t k, void *to);

/*
 * The same of a type of blocks, from rows as a GGUF file has them: of block_row_size bytes, one after
 * the other, aligned to nothing.
 */
extern void pack_blocks(tfm_dtype dtype, weight_layout layout, const void *w, int64_t rows,
						int64_t k, void *to);

/*
 * Row number row of W[rows, k] in floats, exactly as it is kept, out of panels or rows; of any type
 * that weight_size knows.
 */
extern void pack_read_row(tfm_dtype dtype, weight_layout layout, const void *w, int64_t row,
						  int64_t k, float *to);

/* Bytes of one panel, or of one row of LAYOUT_ROWS; weight_size must have accepted the sizes. */
extern size_t pack_panel_size(tfm_dtype dtype, int64_t k);
extern size_t pack_row_size(tfm_dtype dtype, int64_t n);

#endif
