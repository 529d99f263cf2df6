/*
 * models.c
 *	  The models that an engine process has open.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve/models.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define CACHE_TYPES 5 /* that a cache may have, with auto */

typedef struct cached_generator
{
	tfm_dtype cache_type;
	run_session_options options;
	generator *generator; /* NULL: none */
} cached_generator;

struct serve_model
{
	const run_model *model;
	arena *arena; /* of all there is of it, this included */
	const char *image;
	tfm_compute compute;
	int isa;
	cached_generator generators[CACHE_TYPES];
	int users;
	uint64_t used; /* when it was closed last */
	serve_model *next;
};

struct serve_models
{
	serve_models_options options;
	serve_model *first;
	uint64_t clock;
};

serve_models *
serve_models_create(const serve_models_options *options)
{
	serve_models *models = calloc(1, sizeof(serve_models));

	if (models != NULL)
		models->options = *options;
	return models;
}

void
serve_models_destroy(serve_models *models)
{
	if (models == NULL)
		return;
	for (serve_model *m = models->first, *next; m != NULL; m = next)
	{
		next = m->next;
		arena_destroy(m->arena);
	}
	free(models);
}

/* ---- Opening ---- */

static serve_model *
find_model(const serve_models *models, const char *image, tfm_compute compute, int isa)
{
	for (serve_model *m = models->first; m != NULL; m = m->next)
		if (m->compute == compute && m->isa == isa && strcmp(m->image, image) == 0)
			return m;
	return NULL;
}

/* A model with an arena of its own, all of which is gone on error. */
static serve_model *
open_model(tfm_context *context, const char *image, tfm_compute compute)
{
	tfm_context own = *context;
	serve_model *m;

	own.arena = arena_create(0);
	if (own.arena == NULL)
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	m = tfm_alloc_zero(&own, sizeof(serve_model));
	if (m != NULL)
	{
		m->arena = own.arena;
		m->compute = compute;
		m->isa = context->isa;
		m->image = tfm_strdup(&own, image);
		if (m->image != NULL)
			m->model = run_model_open(&own, image, compute);
	}
	context->error = own.error;
	if (!tfm_failed(context))
		return m;
	arena_destroy(own.arena);
	return NULL;
}

serve_model *
serve_models_open(tfm_context *context, serve_models *models, const char *image,
				  tfm_compute compute)
{
	serve_model *m;

	if (tfm_failed(context))
		return NULL;
	m = find_model(models, image, compute, context->isa);
	if (m == NULL)
	{
		m = open_model(context, image, compute);
		if (m == NULL)
			return NULL;
		m->next = models->first;
		models->first = m;
	}
	m->users++;
	return m;
}

const run_model *
serve_model_get(const serve_model *model)
{
	return model->model;
}

/* ---- Closing ---- */

static void
remove_model(serve_models *models, serve_model *model)
{
	serve_model **link = &models->first;

	while (*link != model)
		link = &(*link)->next;
	*link = model->next;
	arena_destroy(model->arena);
}

/* Close the one that was used longest ago, if more are unused than are kept. */
static void
close_oldest(serve_models *models)
{
	serve_model *oldest = NULL;
	int unused = 0;

	for (serve_model *m = models->first; m != NULL; m = m->next)
		if (m->users == 0)
		{
			unused++;
			if (oldest == NULL || m->used < oldest->used)
				oldest = m;
		}
	if (unused > models->options.kept)
		remove_model(models, oldest);
}

void
serve_models_close(serve_models *models, serve_model *model)
{
	if (model == NULL || --model->users > 0)
		return;
	model->used = ++models->clock;
	close_oldest(models);
}

void
serve_models_forget(serve_models *models)
{
	for (serve_model *m = models->first, *next; m != NULL; m = next)
	{
		next = m->next;
		if (m->users == 0 && !file_exists(m->image))
			remove_model(models, m);
	}
}

/* ---- Generators ---- */

/* The place of a cache type: its own, or a free one. */
static cached_generator *
find_generator(serve_model *model, tfm_dtype cache_type)
{
	for (int i = 0; i < CACHE_TYPES; i++)
	{
		cached_generator *g = &model->generators[i];

		if (g->generator == NULL || g->cache_type == cache_type)
			return g;
	}
	return NULL;
}

static bool
create_generator(tfm_context *context, serve_model *model, cached_generator *g)
{
	tfm_context own = *context;

	own.arena = model->arena;
	g->generator = task_generator_create(&own, model->model, &g->options);
	context->error = own.error;
	return g->generator != NULL;
}

generator *
serve_model_generator(tfm_context *context, serve_models *models, serve_model *model,
					  tfm_dtype cache_type, size_t keep)
{
	cached_generator *g = find_generator(model, cache_type);

	if (g == NULL)
	{
		tfm_fail(context, TFM_INTERNAL, "there is no cache of type %d", (int) cache_type);
		return NULL;
	}
	if (g->generator == NULL)
	{
		g->cache_type = cache_type;
		g->options = (run_session_options) {.cache_dtype = cache_type,
											.cache_limit = models->options.cache_limit};
		if (!create_generator(context, model, g))
			return NULL;
	}
	if (keep > g->options.keep_limit)
	{
		g->options.keep_limit = keep;
		task_generator_set_limits(g->generator, &g->options);
	}
	return g->generator;
}

/* ---- Figures ---- */

int
serve_models_count(const serve_models *models)
{
	int count = 0;

	for (const serve_model *m = models->first; m != NULL; m = m->next)
		count++;
	return count;
}

size_t
serve_models_bytes(const serve_models *models)
{
	size_t bytes = 0;

	for (const serve_model *m = models->first; m != NULL; m = m->next)
	{
		bytes += arena_held(m->arena);
		for (int i = 0; i < CACHE_TYPES; i++)
			if (m->generators[i].generator != NULL)
				bytes += task_generator_bytes(m->generators[i].generator);
	}
	return bytes;
}
