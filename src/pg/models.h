/*
 * models.h
 *	  Registering models: what tfm_load_model and tfm_import_model share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_MODELS_H
#define TFM_PG_MODELS_H

#include "postgres.h"

#include "pg/server.h"

/*
 * Whether a name is that of a model that may be replaced, which is then *old.  Throws if the name
 * cannot be a model's, if the server of that name is no model, may not be replaced, or is another's.
 */
extern bool models_find_replaced(const char *name, bool replace, server_model *old);

/* The directory or file of a path or an id, as locate_checkpoint; throws if there is none. */
extern const char *models_locate(const char *path);

/* Value of the option for an argument "dtype" or "compute"; NULL for "auto", its absence. */
extern const char *models_precision_argument(const text *argument);

/*
 * Compile, unless that has been done, and open the checkpoint of a model whose content is known, so
 * that what is wrong with it shows now; a notice if it has no weights.  directory is as in
 * registry_prepare.
 */
extern void models_prepare(const server_model *model, const char *directory);

/* Make the server of a model, or, where old is not NULL, make that server the model. */
extern void models_register(const server_model *old, const server_model *model);

#endif
