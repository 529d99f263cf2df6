/*
 * registry.h
 *	  From the name of a model to the model, opened in this backend.
 *
 * A name is, in this order: a foreign server of the wrapper "tfm" (a registered model), an absolute
 * path of a checkpoint (for those who may read server files), or an id such as "org/name" under one of the directories of tfm.model_path.  The precision is that of the server's
 * options; of the others it is "auto".
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_REGISTRY_H
#define TFM_PG_REGISTRY_H

#include "postgres.h"

#include "fmgr.h"
#include "runtime/precision.h"

/*
 * A caller's hold on a model.  The model stays open as long as the handle's memory context lives,
 * or until the handle is used for another model.
 */
typedef struct registry_handle
{
	const run_model *model;
	const char *name; /* as the user gave it, in the database's encoding */
	bool registered;  /* the name is a server's; else a path or an id */
	struct registry_private *private;
} registry_handle;

/*
 * The model called model, or, where model is NULL, the one that the setting called setting (such as
 * "tfm.embed_model") names.  The handle is kept in fn_extra, which must be used for nothing else;
 * the same name again in the same statement costs a comparison.  Valid until the next registry_use
 * of the same function.
 *
 * Checked once in a statement: that the current user has USAGE on the server, and that the
 * checkpoint is the one that was registered.  The image is compiled if it is not there.
 * Errors: undefined_object, insufficient_privilege, object_not_in_prerequisite_state (the
 * checkpoint has changed), and those of run_compile and run_model_open.
 */
extern const registry_handle *registry_use(FunctionCallInfo fcinfo, const text *model,
										   const char *setting);

/*
 * As registry_use, for callers whose fn_extra is taken: *handle (NULL at first) is kept by the
 * caller and lives in owner.
 */
extern const registry_handle *registry_get(registry_handle **handle, MemoryContext owner,
										   const text *model, const char *setting);

/*
 * What generation with a held model uses, made at first use and kept as long as the model is open; of
 * the settings tfm.cache_type, tfm.max_memory and tfm.prefix_cache as they are now.  NULL with the
 * error in context.
 */
struct generator;
extern struct generator *registry_generator(tfm_context *context, const registry_handle *handle);

/*
 * Parameters of the model that a name meant in the session's last statement, of the same user; 0 if it
 * meant none.  For estimates: nothing is checked.
 */
extern int64 registry_known_parameters(const char *name);

/* Models that this session has open. */
extern int registry_count_open(void);

/*
 * The image of a held model, as a path relative to the data directory, and the arithmetic that is
 * asked for: what another process on this machine needs to open the same.  palloc'ed.
 */
extern const char *registry_image(const registry_handle *handle, tfm_compute *compute);

/*
 * For those who manage models: open the model of content, making its image from the checkpoint in
 * directory (NULL: that stored in the database) if it is not there.  NULL with the error in context.  Not held: to be looked at at once.
 */
extern const run_model *registry_prepare(tfm_context *context, const char *directory,
										 const char *content, run_precision precision);

/*
 * What is known of a registered model, without compiling it or asking for privileges; NULL where it
 * has no image or is in error.  *state says how it stands: "ready", "not compiled", or, with the
 * error in context, "not pinned", "changed", "error".
 */
struct server_model;
extern const run_model_info *
registry_inspect(tfm_context *context, const struct server_model *server, const char **state);

#endif
