/*
 * models.h
 *	  The models that an engine process has open.
 *
 * A model is its image's path, an arithmetic and an instruction set.  Images are named by their
 * content, so that what a path means never changes; one whose file is gone is closed as soon as
 * nobody uses it.  Of the others that nobody uses a few are kept open.
 *
 * One thread at a time.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_SERVE_MODELS_H
#define TFM_SERVE_MODELS_H

#include "task/call.h"

typedef struct serve_models serve_models;
typedef struct serve_model serve_model;

typedef struct serve_models_options
{
	int kept;			/* models that stay open while nobody uses them */
	size_t cache_limit; /* bytes of the caches of a model that generates; 0: no limit */
} serve_models_options;

/* NULL if memory is out. */
extern serve_models *serve_models_create(const serve_models_options *options);
extern void serve_models_destroy(serve_models *models);

/*
 * Open a model, or the one there is, until serve_models_close.  The context says the instruction set.
 * NULL on error: those of run_model_open.
 */
extern serve_model *serve_models_open(tfm_context *context, serve_models *models, const char *image,
									  tfm_compute compute);
extern void serve_models_close(serve_models *models, serve_model *model);

extern const run_model *serve_model_get(const serve_model *model);

/*
 * The model's generator with caches of a type, made at its first use.  keep: bytes of closed
 * sequences that the caller would like to find again; the most that anybody asks for is kept.
 */
extern generator *serve_model_generator(tfm_context *context, serve_models *models,
										serve_model *model, tfm_dtype cache_type, size_t keep);

/* Close those that nobody uses and whose image is gone. */
extern void serve_models_forget(serve_models *models);

/* How many are open, and bytes of all they take beside their images. */
extern int serve_models_count(const serve_models *models);
extern size_t serve_models_bytes(const serve_models *models);

#endif
