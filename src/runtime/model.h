/*
 * model.h
 *	  A checkpoint compiled to an image, and an image opened as a model: Transformers' AutoClass.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_RUNTIME_MODEL_H
#define TFM_RUNTIME_MODEL_H

#include "tensor/tensor.h"

/* A loaded model: read-only, shared by all calls of a process. */
typedef struct run_model run_model;

/*
 * What is known of a model; the strings live as long as it does, or for ever ("static").  A model
 * without weights has no family, dtype and compute (NULL), and 0 for what counts them.
 */
typedef struct run_model_info
{
	const char *family;		  /* the file under models/ that runs it: "bert" */
	const char *model_type;	  /* of config.json: "bert"; NULL if there is none */
	const char *architecture; /* of config.json, or the base model's class: "BertModel"; or NULL */
	const char *task;		  /* "feature-extraction", ...; "tokenizer" without weights */
	const char *dtype;		  /* of the weights, of most if they differ: "float32" */
	tfm_dtype asked_dtype;	  /* which of run_compile_options it was compiled with; 0: auto */
	const char *compute;	  /* the arithmetic of a pass where it was opened: "f32"; static */
	int64_t parameters;		/* number of weights' elements in the checkpoint that the model uses */
	int64_t image_bytes;	/* size of the image */
	int64_t memory_bytes;	/* memory that the tensors of one longest input take */
	double compile_seconds; /* time it took to make the image */
	int dimensions;			/* of an embedding, after all modules; 0 if it makes none */
	int max_tokens;			/* longest input in tokens, special ones included; 0: not known */
	const char *content;	/* SHA-256 of the checkpoint, as ckpt_fingerprint gives it */
} run_model_info;

typedef struct run_compile_options
{
	/*
	 * Which checkpoint the directory is expected to hold, as ckpt_fingerprint gives it; NULL: any.
	 * Where its signature is still the one given, the files are not hashed again.
	 */
	const char *content;
	const char *signature; /* as ckpt_signature gave it for that content; NULL: not known */

	/*
	 * How matrices and tables are kept: F32, F16, BF16, I8; 0: as the checkpoint has each, F64 as
	 * F32.  Other weights (biases, norms) are always kept in F32.
	 */
	tfm_dtype dtype;
} run_compile_options;

/*
 * Compile the checkpoint in a directory, or in a GGUF file, into the image file at image_path.  The file appears whole
 * or not at all (write, fsync, rename); an existing one is replaced by an equal one.  The content
 * hash of what was read is stored in the image.  options may be NULL.
 *
 * A checkpoint whose tokenizer can be used and whose weights cannot, because there are none, or no
 * config.json, or because of a model type or architecture that is not supported, makes an image with
 * the tokenizer alone.
 * Errors: FILE_NOT_FOUND, CORRUPTED, UNSUPPORTED, DISK_FULL, CANCELLED, CHANGED (the content is not
 * the expected one, or changes meanwhile), LIMIT_EXCEEDED (a tensor that the type asked for cannot
 * hold: values beyond its range, rows too long for I8), INVALID_ARGUMENT (no such type), ...
 */
extern bool run_compile(tfm_context *context, const char *directory, const char *image_path,
						const run_compile_options *options);

/*
 * Open an image.  The model lives in the context's arena, which must outlive all its uses, and maps
 * the file until then.  NULL on error: FILE_NOT_FOUND; CORRUPTED for a file that is damaged or from
 * another version (compile it again); INVALID_ARGUMENT for COMPUTE_INT8 of weights that were not asked for in I8.
 */
extern run_model *run_model_open(tfm_context *context, const char *image_path, tfm_compute compute);

extern const run_model_info *run_model_describe(const run_model *model);

/* Why the model cannot compute: the error of who tries; NULL if it can. */
extern const tfm_error *run_model_no_weights(const run_model *model);

#endif
