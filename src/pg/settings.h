/*
 * settings.h
 *	  The settings tfm.*
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_SETTINGS_H
#define TFM_PG_SETTINGS_H

#include "postgres.h"

/* The setting that names the model of embedding and tokenizing functions called without one. */
#define EMBED_SETTING "tfm.embed_model"

/* The one for generating functions. */
#define GENERATE_SETTING "tfm.generate_model"

/* The one for functions that classify by a model's own labels. */
#define CLASSIFY_SETTING "tfm.classify_model"

/* The one for reranking functions. */
#define RERANK_SETTING "tfm.rerank_model"

/* Define the settings; for _PG_init. */
extern void settings_define(void);

/* Take over a configuration that has changed; for the loops of background workers. */
extern void settings_reload(void);

/* Threads that a computation may use now, the backend's own included: tfm.threads, or its default. */
extern int settings_threads(void);

/* Processors that this process might run on when it was first asked: asking takes longer than a token. */
extern int settings_processors(void);

/* The values of tfm.cpu_isa that this processor has, separated by commas; palloc'ed. */
extern char *settings_instruction_sets(void);

/* Threads of an engine process: tfm.worker_threads, or one for each processor. */
extern int settings_worker_threads(void);

/* tfm.max_memory in bytes; 0: no limit. */
extern size_t settings_max_memory(void);

/* tfm.prefix_cache in bytes: what generation keeps of prompts for those that begin alike. */
extern size_t settings_prefix_cache(void);

/*
 * The model named by a setting such as EMBED_SETTING, for functions called without one.  An
 * empty one is an error (undefined_object) that tells how to set it.
 */
extern const char *settings_default_model(const char *setting);

#endif
