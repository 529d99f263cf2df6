/*
 * safetensors_header.h
 *	  The header of a safetensors file: a JSON object that says where each tensor lies.
 *
 * The format: https://huggingface.co/docs/safetensors, "Format".
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_CHECKPOINT_SAFETENSORS_HEADER_H
#define TFM_CHECKPOINT_SAFETENSORS_HEADER_H

#include "base/file.h"
#include "tensor/tensor.h"

/* How the rows of a tensor lie in its file. */
typedef enum ckpt_row_order
{
	CKPT_ROWS_IN_ORDER,
	/* Of each of heads heads, rows 0, half, 1, half + 1, ...: llama.cpp's for rotary positions. */
	CKPT_ROWS_INTERLEAVED,
	/*
	 * Queries of all heads, then keys, then values, head_size rows of each; the tensor itself has
	 * the queries that belong to one of heads keys together with it and its value.
	 */
	CKPT_ROWS_APART
} ckpt_row_order;

/* A tensor in a file of the checkpoint; what it points to lives in the arena of who opened it. */
typedef struct ckpt_tensor
{
	const char *name;
	const char *stored_name; /* as in the file */
	tfm_dtype dtype;		 /* 0: a type that we do not read, such as F8_E4M3 */
	const char *stored_type; /* as in the file: "BF16" */
	int rank;
	int64_t shape[TENSOR_MAX_RANK];
	const file *file; /* NULL for a header that was parsed from memory */
	size_t offset;	  /* of the first byte, from the start of the file */
	size_t length;	  /* in bytes; count of elements times size of one, or of whole blocks */

	/* Of a GGUF file: what has been done to the tensor since it was a checkpoint's. */
	bool turned; /* a matrix that was transposed, and is not to be transposed again */
	ckpt_row_order order;
	int64_t heads, head_size;
	float added; /* to all elements */
} ckpt_tensor;

/* The tensors of one file, sorted by name (strcmp), no name twice. */
typedef struct ckpt_header
{
	ckpt_tensor *tensors;
	size_t count;
} ckpt_header;

/*
 * Parse and check the header text[length] of a file that has data_length bytes of tensors from byte
 * data_offset on; source names the file in messages and must outlive the result.  Each tensor must
 * lie within the data and be as long as its type and shape say, and together they must cover the
 * data without overlap or hole.  Errors: CORRUPTED; UNSUPPORTED for a rank above TENSOR_MAX_RANK.
 */
extern bool ckpt_parse_header(tfm_context *context, const char *text, size_t length,
							  const char *source, size_t data_offset, size_t data_length,
							  ckpt_header *header);

/* Read, parse and check the header of an open file. */
extern bool ckpt_read_header(tfm_context *context, const file *f, ckpt_header *header);

/* Sort tensors by name; CORRUPTED if a name is there twice. */
extern bool ckpt_sort_header(tfm_context *context, ckpt_header *header, const char *source);

/* The tensor of that name, NULL if there is none. */
extern const ckpt_tensor *ckpt_search_header(const ckpt_header *header, const char *name);

#endif
