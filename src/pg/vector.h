/*
 * vector.h
 *	  The type tfm_vector: float4 elements in pgvector's binary layout.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_VECTOR_H
#define TFM_PG_VECTOR_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/nodes.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#define VECTOR_MAX_DIM 16000

/*
 * The layout is fixed: the extension tfm_pgvector declares it binary-coercible to pgvector's
 * vector.  No element is NaN or infinite, and there is at least one.
 */
typedef struct TfmVector
{
	int32 vl_len_; /* varlena header; do not touch directly */
	int16 dim;
	int16 unused; /* always zero */
	float x[FLEXIBLE_ARRAY_MEMBER];
} TfmVector;

#define VECTOR_SIZE(dim) (offsetof(TfmVector, x) + sizeof(float) * (dim))

#define DatumGetVectorP(datum) ((TfmVector *) PG_DETOAST_DATUM(datum))
#define PG_GETARG_VECTOR_P(n) DatumGetVectorP(PG_GETARG_DATUM(n))
#define PG_RETURN_VECTOR_P(vector) PG_RETURN_POINTER(vector)

/* Soft errors came with PostgreSQL 16; before, an error of an input function is thrown. */
#if PG_VERSION_NUM < 160000
#define ereturn(escontext, value, ...) ereport(ERROR, __VA_ARGS__)
#endif

/*
 * A zeroed vector, palloc'd.  Throws data_exception for less than one dimension and
 * program_limit_exceeded for more than VECTOR_MAX_DIM.
 */
extern TfmVector *vector_new(int64 dim);

/* A vector of dim floats; throws as vector_new does, and for NaN and infinite elements. */
extern TfmVector *vector_from_floats(const float *x, int64 dim);

/* Throw data_exception unless the element is finite; false if escontext took the error. */
extern bool vector_check_element(float x, Node *escontext);

/* Throw data_exception unless dim is what the type modifier says; -1 allows any. */
extern bool vector_check_typmod(int dim, int32 typmod, Node *escontext);

/* Throw data_exception unless both have the same number of dimensions. */
extern void vector_check_same_dim(const TfmVector *a, const TfmVector *b);

/* The text form, "[1,2,3]", with the fewest digits that give the same floats again; palloc'd. */
extern char *vector_to_cstring(const TfmVector *vector);

/*
 * The float that a decimal number at the start of string says, and where it ends.  Throws
 * numeric_value_out_of_range; false if escontext took the error.  No number: *end is string.
 */
extern bool vector_parse_float(const char *string, char **end, float *x, Node *escontext);

/* Cosine of the angle between two arrays of dim floats, -1 to 1; NaN where one is zero. */
extern double vector_cosine_similarity(const float *a, const float *b, int dim);

#endif
