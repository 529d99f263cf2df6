/*
 * kernels.h
 *	  The inner loops of the ops: one table of functions per instruction set.
 *
 * cpu/kernels.c is compiled once for each set; ops reach it through this table only, so that another
 * backend is another table.  Which set is used is the context's "isa", as far as the processor and
 * the operating system have it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_KERNELS_H
#define TFM_TENSOR_KERNELS_H

#include "base/size.h"
#include "base/threads.h"
#include "tensor/activation.h"
#include "tensor/tensor.h"

typedef enum isa
{
	ISA_BEST = 0,
	ISA_PORTABLE,
	ISA_AVX2,
	ISA_AVX512,		 /* F, BW, VL, DQ */
	ISA_AVX512_VNNI, /* and products of bytes */
	ISA_AVX512_BF16	 /* and products of bf16 */
} isa;

#define ISA_LAST ISA_AVX512_BF16

#define KERNEL_MAX_ROWS 16 /* "rows" is at most this in every table */
#define KERNEL_COLUMNS 32  /* columns of a panel, as in linear.h */

/*
 * Rows so many floats apart share a few sets of the first level cache and drive each other out: ops
 * copy them instead of reading them where they lie.
 */
#define COLLIDING_STRIDE 1024

/* What is done to a tile of sums of a linear layer. */
typedef struct linear_finish
{
	op_activation activation;
	bool coarse;		   /* whether the activation may be off by 2e-4 */
	const float *residual; /* at the tile's first element, or NULL */
	int64_t residual_stride;
	float *y; /* at the tile's first element; may be residual */
	int64_t y_stride;
} linear_finish;

/* Rows of bytes: x is about (byte - zero) * scale. */
typedef struct quantized_rows
{
	const float *scales; /* [rows] */
	const int32_t *zeros;
} quantized_rows;

/* What belongs to the columns of a panel of I8. */
typedef struct quantized_columns
{
	const float *scales; /* [32] */
	const int32_t *sums;
} quantized_columns;

/*
 * Rows of whole numbers in groups of 32.  Of 16 bits they are two signed bytes, and x is about
 * (256 * high + low) * scale; of 8 bits low is NULL, and x is about high * scale.  Arrays are those of the first row;
 * in each of them the next row is stride bytes further.
 */
typedef struct grouped_rows
{
	int8_t *high, *low;		 /* [k] */
	float *scales;			 /* [k / 32] */
	int32_t *sums;			 /* of the numbers: [k / 32] */
	int32_t *half_sums;		 /* [k / 16] */
	float *scaled_sums;		 /* the same times the scale: [k / 32] */
	float *scaled_half_sums; /* [k / 16] */
	int64_t stride;
} grouped_rows;

/* A part of a panel of blocks, the offset still in its codes. */
typedef struct unpacked_blocks
{
	uint8_t *codes; /* [k / 4][32][4] */
	float *scales;	/* [groups][32] */
	float *minima;	/* the same, of types that have them */
	/* What is unpacked next: so many bytes of it are fetched with each group that is multiplied. */
	const char *ahead, *ahead_end;
	int ahead_step;
} unpacked_blocks;

/* The rows of one normalisation, as in norm.h. */
typedef struct norm_rows
{
	int64_t n;
	const float *weight; /* NULL: ones */
	const float *bias;	 /* NULL: zeros */
	float weight_offset;
	float eps;
} norm_rows;

/* How q, k, v and probabilities are multiplied. */
typedef enum attend_form
{
	ATTEND_F32,
	ATTEND_ROUNDED, /* floats that were rounded to bf16 */
	ATTEND_PAIRS	/* pairs of bf16 in the place of a float, where there is multiply_bf16 */
} attend_form;

/*
 * Some queries of a head and a block of keys on their way through a running softmax.  A row of q and
 * k has head_dim steps, or in pairs half as many, rounded up.  Scores, and what is added to them, are
 * of base 2.
 */
typedef struct attend_tile
{
	attend_form form;
	int queries; /* 1 .. KERNEL_COLUMNS; what is [32] is one for each query */
	int64_t keys;
	int64_t head_dim, value_dim;
	const float *q; /* [steps][32], by pack_attend_queries */
	/*
	 * By pack_attend_keys, or of F32 as they were; or by load_page_keys, a page k_page elements after
	 * the other (else 0).  Rows and steps lie so many elements apart.
	 */
	const float *k;
	int64_t k_row, k_step, k_page;
	const float *v; /* [keys, or pairs of them][value_dim in whole 16], by pack_attend_values */
	int64_t v_stride;
	float *scores; /* [keys][32], overwritten */
	float soft_cap;
	const float
		*bias; /* NULL, or added to scores: [keys][32], a key's at bias + key * bias_stride */
	int64_t bias_stride;
	float slope;		   /* times the key's place, counted from the query's, is added */
	const uint8_t *hidden; /* NULL, or [keys]: not 0 where no query sees the key */
	bool causal;		   /* query i sees keys up to diagonal + i + after */
	int64_t after;
	int64_t window; /* if it is not 0, from diagonal + i - window + 1 on */
	int64_t diagonal;
	bool first;		/* of the queries' blocks of keys: maximum, sum, result have nothing yet */
	float *maximum; /* [32] of all blocks so far */
	float *sum;		/* [32] */
	float *result;	/* [queries][value_dim in whole 16], sums of values */
	int64_t result_stride;
	/* Rows of head_dim that are read soon, which the processor is told; rows 0: none. */
	const float *ahead[3];
	int64_t ahead_stride[3];
	int64_t ahead_rows;
	float *y; /* NULL, or instead of result after the last block: [queries][value_dim], the means */
	int64_t y_stride;
	float sink; /* a score that has a share of the mean and no value; -INFINITY: none */
} attend_tile;

/* What rows of queries have of the keys so far. */
typedef struct attend_state
{
	float *maximum, *sum; /* [KERNEL_COLUMNS] */
	float *result;		  /* [rows][stride] */
	int64_t stride;		  /* value_dim in whole 16 */
} attend_state;

/*
 * Some queries, each a row with a head, a place and a window of its own, and a block of keys in pages
 * of one of the cache's heads.  The result is a state of this block alone.
 */
typedef struct attend_rows
{
	attend_form form;
	int rows; /* 1 .. KERNEL_COLUMNS */
	int64_t head_dim, value_dim;
	const float *q; /* [rows][q_stride], times the scale, in the form of keys */
	int64_t q_stride;
	tfm_dtype storage;
	void *const *pages;
	size_t keys_at, values_at;	/* the head's in a page */
	int64_t keys;				/* of the block, from the first page on */
	float *key_page;			/* [steps][KV_PAGE] */
	float *value_page;			/* [KV_PAGE][value_dim in whole 16] */
	float *scores;				/* [rows][scores_stride] */
	int64_t scores_stride;		/* keys in whole pages, or more */
	const int32_t *first, *end; /* [rows]: keys that are seen, in the block */
	float soft_cap;
	const float *bias;		/* [rows][scores_stride]; NULL: none */
	const float *slopes;	/* [rows]; NULL: none */
	const float *distances; /* [rows] from the query to the first key; for slopes */
	const uint8_t *hidden;	/* [keys]; NULL: none */
	const void *next;		/* keys that are read after this block; NULL: unknown */
	attend_state state;
} attend_rows;

/* The turn of a token's heads. */
typedef struct rope_turn
{
	int heads;
	int64_t head_dim;
	int64_t pairs;
	bool interleaved;
	const float *cosines, *sines; /* [pairs] */
} rope_turn;

typedef struct kernels
{
	isa set;
	int rows;		/* most rows of a tile */
	int block_rows; /* and of one of multiply_unpacked */

	/*
	 * c[rows, 32] = start[32] + a[rows, k] panel[k, 32], and c as well if it is added to: each element
	 * is one chain of additions from start (NULL: 0) and k = 0 up, to which c is added, whatever the
	 * number of rows (1 .. kernels->rows).
	 */
	void (*multiply)(int rows, int64_t k, const float *a, int64_t a_stride, const float *panel,
					 const float *start, bool add, float *c, int64_t c_stride);

	/*
	 * One row of the same, bit for bit, with a panel of F16 or BF16, which is not unpacked for it;
	 * panel is that of an even k.
	 */
	void (*multiply_halves)(tfm_dtype dtype, int64_t k, const float *a, const void *panel,
							const float *start, bool add, float *c);

	/*
	 * The same of bf16, two of k at a time, or NULL where there is no such instruction:
	 * a[rows, k] with k even, panel[k / 2][32][2], strides in elements.
	 */
	void (*multiply_bf16)(int rows, int64_t k, const uint16_t *a, int64_t a_stride,
						  const uint16_t *panel, const float *start, bool add, float *c,
						  int64_t c_stride);

	/*
	 * The same of bytes, four of k at a time, exact: a[rows, k] with k a multiple of 4 and at most
	 * PACK_I8_MAX_K, panel[k / 4][32][4].  Nothing is added to.
	 */
	void (*multiply_i8)(int rows, int64_t k, const uint8_t *a, int64_t a_stride,
						const int8_t *panel, int32_t *c, int64_t c_stride);

	/* to[count][32] = the rows first .. first + count - 1 of k of a packed panel; first is a multiple of 4. */
	void (*unpack)(tfm_dtype dtype, const void *panel, int64_t k, int64_t first, int64_t count,
				   float *to);

	/* panel[count / 2][32][2] of panel[count][32], rounded; count is even. */
	void (*pack_bf16)(int64_t count, const float *from, uint16_t *panel);

	/* x rounded to bf16, as such and as floats; y may be x. */
	void (*to_bf16)(const float *x, uint16_t *y, int64_t count);
	void (*round_bf16)(const float *x, float *y, int64_t count);

	/*
	 * Products with blocks (tensor/blocks.h): c[32] of one row, and c[rows, 32] of 1 .. block_rows
	 * with what was unpacked, are added to; both give the same bits, whatever k is cut into.
	 */
	void (*multiply_blocks)(tfm_dtype dtype, int64_t k, const grouped_rows *x, const void *panel,
							float *c);
	void (*multiply_unpacked)(int rows, tfm_dtype dtype, int64_t k, const grouped_rows *x,
							  unpacked_blocks *w, float *c, int64_t c_stride);

	/* The rows first .. first + count - 1 of k of a panel of blocks, multiples of 32. */
	void (*unpack_blocks)(tfm_dtype dtype, const void *panel, int64_t first, int64_t count,
						  const unpacked_blocks *to);

	/* A row rounded to numbers in groups, k being a multiple of 32. */
	void (*quantize_groups)(const float *x, int64_t k, const grouped_rows *to);

	/* y = activation(gate) * up, coarse as in linear_finish. */
	void (*gate)(op_activation activation, bool coarse, const float *gate, const float *up,
				 float *y, int64_t count);

	/* A row rounded to bytes, padded to whole fours; see linear.h. */
	void (*quantize)(const float *x, int64_t count, uint8_t *y, float *scale, int32_t *zero);

	/*
	 * A panel from rows: panel[i][j] = from[j * stride + i] for i < k, j < columns, 1 .. 32; other
	 * columns are zero.
	 */
	void (*pack)(int64_t k, int columns, const float *from, int64_t stride, float *panel);

	/* y = activation(tile) + residual; tile[rows][32], columns 1 .. 32. */
	void (*finish_linear)(const linear_finish *finish, int rows, int columns, const float *tile);

	/* The same of the sums of bytes, start[32] (NULL: zeros) added to the tile. */
	void (*finish_linear_i8)(const linear_finish *finish, int rows, int columns,
							 const quantized_rows *x, const quantized_columns *w,
							 const float *start, const int32_t *tile);

	/* y[i] = activation(x[i]) */
	void (*activate)(op_activation activation, const float *x, float *y, int64_t count);

	/* y = the row of LAYOUT_ROWS times factor, or y + it. */
	void (*take_row)(tfm_dtype dtype, const void *row, int64_t n, float factor, bool add, float *y);

	/* One row; residual may be NULL, y may be x or residual. */
	void (*layer_norm)(const norm_rows *norm, const float *x, const float *residual, float *y);
	void (*rms_norm)(const norm_rows *norm, const float *x, const float *residual, float *y);

	/* Scores are of base 2: queries are packed with log2(e) in their factor, biases have it too. */
	void (*attend)(const attend_tile *tile);

	/* What is packed has n columns; factor is what queries are multiplied by. */
	void (*pack_attend_queries)(attend_form form, int queries, int64_t n, float factor,
								const float *from, int64_t stride, float *panel);
	void (*pack_attend_keys)(attend_form form, int64_t keys, int64_t n, const float *from,
							 int64_t stride, float *to, int64_t to_stride);
	void (*pack_attend_values)(attend_form form, int64_t keys, int64_t n, const float *from,
							   int64_t stride, float *to, int64_t to_stride);

	/*
	 * A head's keys of a page, [steps][KV_PAGE], and the values of its first tokens, [tokens, or pairs
	 * of them][columns in whole 16], as they are multiplied, while what is next is fetched (NULL:
	 * nothing); and into it, count tokens from number slot on.
	 */
	void (*load_page_keys)(attend_form form, tfm_dtype storage, const void *part, int64_t columns,
						   const void *next, float *to);
	void (*load_page_values)(attend_form form, tfm_dtype storage, const void *part, int64_t tokens,
							 int64_t columns, const void *next, float *to);
	void (*store_page_keys)(tfm_dtype storage, int slot, int count, int64_t n, const float *from,
							int64_t stride, void *part);
	void (*store_page_values)(tfm_dtype storage, int slot, int count, int64_t n, const float *from,
							  int64_t stride, void *part);

	/* A query in the form of keys, written to whole 16 floats. */
	void (*pack_attend_row)(attend_form form, int64_t n, float factor, const float *from,
							float *to);

	/* A block; one after the other; the mean, a row's at y[row], sinks[32] as a tile's. */
	void (*attend_rows)(const attend_rows *rows);
	void (*merge_rows)(int rows, const attend_state *before, const attend_state *own);
	void (*finish_rows)(int rows, int64_t value_dim, const attend_state *state, const float *sinks,
						float *const *y);

	/* Within 1e-6 of cosine and sine of position times frequency, times factor. */
	void (*rope_angles)(int pairs, float position, const float *frequencies, float factor,
						float *cosines, float *sines);
	void (*rope_turn)(const rope_turn *turn, float *x);
} kernels;

/* The tables that cpu/kernels.c is compiled to. */
extern const kernels kernels_portable;
#ifdef __x86_64__
extern const kernels kernels_avx2;
extern const kernels kernels_avx512;
extern const kernels kernels_avx512_vnni;
extern const kernels kernels_avx512_bf16;
#endif

/* Threads that threads_run uses at most: how many scratches an op needs. */
static inline int
cpu_threads(const tfm_context *context)
{
	if (context->pool == NULL || context->threads < 1)
		return 1;
	return context->threads < THREADS_MAX ? context->threads : THREADS_MAX;
}

/*
 * The next bytes of a thread's scratch, aligned as an arena's: from base, of which *used are taken.
 * base may be NULL, to count what a scratch takes.
 */
static inline void *
scratch_take(char *base, size_t *used, size_t bytes)
{
	char *p = base == NULL ? NULL : base + *used;

	*used += size_round_up(bytes, ARENA_ALIGNMENT);
	return p;
}

/* The table for context->isa; the best below it where the processor lacks it. */
extern const kernels *cpu_kernels(const tfm_context *context);

/* Whether this build and this machine have an instruction set. */
extern bool cpu_has_isa(isa set);

/* Whether the context's instruction set multiplies bf16. */
extern bool cpu_has_bf16(const tfm_context *context);

/* "portable", "avx2", "avx512", "avx512_vnni", "avx512_bf16" */
extern const char *isa_name(isa set);

#endif
