/*
 * gguf.h
 *	  A GGUF file (version 2 or 3, little endian): its metadata and where its tensors lie.
 *
 *		magic, version, counts | keys and values | names, shapes and offsets of tensors | tensors
 *
 * What comes before the tensors is read into memory, once, and used there: strings and arrays are
 * never copied.  The file is not mapped, since whoever owns it may truncate it while we read; for the
 * same reason tensors are read with file_read_at.  Everything that the file says is checked when it
 * is opened.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_CHECKPOINT_GGUF_H
#define TFM_CHECKPOINT_GGUF_H

#include "base/file.h"

/* Types of values, as they stand in the file. */
typedef enum ckpt_gguf_type
{
	GGUF_UINT8,
	GGUF_INT8,
	GGUF_UINT16,
	GGUF_INT16,
	GGUF_UINT32,
	GGUF_INT32,
	GGUF_FLOAT32,
	GGUF_BOOL,
	GGUF_STRING,
	GGUF_ARRAY,
	GGUF_UINT64,
	GGUF_INT64,
	GGUF_FLOAT64,
	GGUF_TYPE_COUNT
} ckpt_gguf_type;

/*
 * A value, used where it lies.  bytes is: of a number, its little-endian bytes; of a string, its
 * text; of an array, its items one after the other (see ckpt_gguf_next).
 */
typedef struct ckpt_gguf_value
{
	ckpt_gguf_type type;
	ckpt_gguf_type item_type; /* of an array */
	uint64_t count;			  /* items of an array */
	const char *bytes;
	size_t length;
} ckpt_gguf_value;

/* A key, valid UTF-8, and its value. */
typedef struct ckpt_gguf_entry
{
	tfm_text key;
	ckpt_gguf_value value;
} ckpt_gguf_entry;

/* Types of tensors, by ggml's numbers. */
typedef enum ckpt_ggml_type
{
	GGML_F32 = 0,
	GGML_F16 = 1,
	GGML_Q4_0 = 2,
	GGML_Q4_1 = 3,
	GGML_Q5_0 = 6,
	GGML_Q5_1 = 7,
	GGML_Q8_0 = 8,
	GGML_Q8_1 = 9,
	GGML_Q2_K = 10,
	GGML_Q3_K = 11,
	GGML_Q4_K = 12,
	GGML_Q5_K = 13,
	GGML_Q6_K = 14,
	GGML_Q8_K = 15,
	GGML_IQ2_XXS = 16,
	GGML_IQ2_XS = 17,
	GGML_IQ3_XXS = 18,
	GGML_IQ1_S = 19,
	GGML_IQ4_NL = 20,
	GGML_IQ3_S = 21,
	GGML_IQ2_S = 22,
	GGML_IQ4_XS = 23,
	GGML_I8 = 24,
	GGML_I16 = 25,
	GGML_I32 = 26,
	GGML_I64 = 27,
	GGML_F64 = 28,
	GGML_IQ1_M = 29,
	GGML_BF16 = 30,
	GGML_TQ1_0 = 34,
	GGML_TQ2_0 = 35,
	GGML_MXFP4 = 39,
	GGML_NVFP4 = 40,
	GGML_Q1_0 = 41
} ckpt_ggml_type;

/* How a type is stored: blocks of so many elements in so many bytes. */
typedef struct ckpt_ggml_layout
{
	const char *name; /* "Q4_K" */
	uint32_t block_elements;
	uint32_t block_bytes;
} ckpt_ggml_layout;

/* The layout of a type; NULL for one that we do not know. */
extern const ckpt_ggml_layout *ckpt_ggml_layout_of(uint32_t type);

#define GGUF_MAX_RANK 4

typedef struct ckpt_gguf_tensor
{
	tfm_text name; /* valid UTF-8 */
	uint32_t type; /* a ckpt_ggml_type, or another, with length 0 */
	int rank;
	int64_t shape[GGUF_MAX_RANK]; /* in ggml's order: the first dimension is contiguous */
	size_t offset;				  /* bytes from the beginning of the file */
	size_t length;				  /* bytes */
} ckpt_gguf_tensor;

/* An opened file, read-only, in the arena of the context that opened it. */
typedef struct ckpt_gguf
{
	const file *file;
	uint32_t version;
	size_t alignment;
	ckpt_gguf_entry *entries; /* sorted by key */
	size_t entry_count;
	ckpt_gguf_tensor *tensors; /* in the order of the file */
	const ckpt_gguf_tensor **by_name;
	size_t tensor_count;
} ckpt_gguf;

/*
 * Open a file.  NULL on error: CORRUPTED names the key or tensor at fault; UNSUPPORTED for version 1,
 * big-endian files and tensors of more than four dimensions; LIMIT_EXCEEDED for metadata of more than
 * 1 GB.
 */
extern ckpt_gguf *ckpt_open_gguf(tfm_context *context, const char *path);

/* The value of a key; NULL if there is none (not an error). */
extern const ckpt_gguf_value *ckpt_gguf_find(const ckpt_gguf *gguf, const char *key);

/*
 * The value of a key by type, with a default for one that is absent; one of another type or out of
 * range is CORRUPTED and gives the default, too.  Integers may be of any width, floats too.  A string
 * must be valid UTF-8.
 */
extern int64_t ckpt_gguf_int(tfm_context *context, const ckpt_gguf *gguf, const char *key,
							 int64_t fallback, int64_t minimum, int64_t maximum);
extern double ckpt_gguf_double(tfm_context *context, const ckpt_gguf *gguf, const char *key,
							   double fallback);
extern bool ckpt_gguf_bool(tfm_context *context, const ckpt_gguf *gguf, const char *key,
						   bool fallback);
extern tfm_text ckpt_gguf_string(tfm_context *context, const ckpt_gguf *gguf, const char *key,
								 const char *fallback);

/*
 * Walk over the items of an array: start with *position 0; false at the end.  Items that are arrays
 * are walked over likewise.
 */
extern bool ckpt_gguf_next(const ckpt_gguf_value *array, size_t *position, ckpt_gguf_value *item);

/* A number of any type as an integer (one that does not fit is clipped) or a double. */
extern int64_t ckpt_gguf_as_int(const ckpt_gguf_value *value);
extern double ckpt_gguf_as_double(const ckpt_gguf_value *value);
extern bool ckpt_gguf_is_int(ckpt_gguf_type type);

/*
 * The items of an array of strings, of numbers as integers, as floats: one allocation in the arena
 * (the strings' bytes stay in the file's), *count items.  NULL without an error if the key is absent,
 * NULL with CORRUPTED if it is not such an array, or an integer does not fit; strings must be valid
 * UTF-8.
 */
extern tfm_text *ckpt_gguf_strings(tfm_context *context, const ckpt_gguf *gguf, const char *key,
								   size_t *count);
extern int32_t *ckpt_gguf_ints(tfm_context *context, const ckpt_gguf *gguf, const char *key,
							   size_t *count);
extern float *ckpt_gguf_floats(tfm_context *context, const ckpt_gguf *gguf, const char *key,
							   size_t *count);

/* The tensor of that name; NULL if there is none (not an error). */
extern const ckpt_gguf_tensor *ckpt_gguf_find_tensor(const ckpt_gguf *gguf, const char *name);

#endif
