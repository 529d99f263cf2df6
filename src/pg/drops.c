/*
 * drops.c
 *	  What DROP EXTENSION takes along: the images that no other database uses.
 *
 * An event trigger of type sql_drop would be gone with the extension before it could run.  The hook
 * on objects that are dropped sees it, also under DROP SCHEMA and DROP OWNED; all that the event
 * trigger tfm_watch_drops has to do, before such a command, is to have the library loaded.
 *
 * Files go when the transaction has committed, where nothing may fail any more: what to remove is
 * listed before, under a lock that is held to the end.  After PREPARE TRANSACTION nothing is removed,
 * nor where a standby replays the drop.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <stdio.h>

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_foreign_server.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "utils/memutils.h"

#include "pg/backend.h"
#include "pg/claims.h"
#include "pg/drops.h"
#include "pg/events.h"
#include "pg/images.h"
#include "pg/server.h"

PG_FUNCTION_INFO_V1(tfm_watch_drops);

#define EXTENSION "tfm"

static object_access_hook_type next_hook;

/*
 * A model goes: its image is one that this database has used, though perhaps never opened here since
 * it was restored or copied.
 */
static void
note_server(Oid server)
{
	server_model model;
	tfm_dtype dtype = 0;

	if (server_find_oid(server, &model) && model.content != NULL &&
		(model.dtype == NULL || run_dtype_from_name(model.dtype, &dtype)))
		claims_add(images_name(model.content, dtype));
}

static void
note_extension(Oid extension)
{
	const char *name = get_extension_name(extension);

	if (name != NULL && strcmp(name, EXTENSION) == 0)
		tfm_backend.drop_level = GetCurrentTransactionNestLevel();
}

static void
note_drop(ObjectAccessType access, Oid class, Oid object, int part, void *argument)
{
	if (next_hook != NULL)
		next_hook(access, class, object, part, argument);
	if (access != OAT_DROP)
		return;
	if (class == ForeignServerRelationId)
		note_server(object);
	else if (class == ExtensionRelationId)
		note_extension(object);
}

/* Before the commit: list what is to be removed, unless the extension has come back. */
static void
list_files(void)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);

	claims_lock(ExclusiveLock);
	tfm_backend.dropped_files = images_list_dropped(server_pinned_images());
	MemoryContextSwitchTo(caller);
}

/* After it: nothing here may throw. */
static void
remove_files(void)
{
	ListCell *cell;

	foreach (cell, tfm_backend.dropped_files)
		(void) remove(lfirst(cell));
}

static void
forget_drop(void)
{
	tfm_backend.drop_level = 0;
	tfm_backend.dropped_files = NIL;
}

static void
end_transaction(XactEvent event, void *argument)
{
	if (tfm_backend.drop_level == 0)
		return;
	if (event == XACT_EVENT_PRE_COMMIT)
		list_files();
	else
	{
		if (event == XACT_EVENT_COMMIT)
			remove_files();
		if (event != XACT_EVENT_PRE_PREPARE)
			forget_drop();
	}
}

/* What a subtransaction has dropped is its parent's, or was not dropped. */
static void
end_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent,
				   void *argument)
{
	int level = GetCurrentTransactionNestLevel();

	if (tfm_backend.drop_level < level)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget_drop();
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		tfm_backend.drop_level = level - 1;
}

void
drops_install(void)
{
	next_hook = object_access_hook;
	object_access_hook = note_drop;
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}

/* tfm_watch_drops() returns event_trigger */
Datum
tfm_watch_drops(PG_FUNCTION_ARGS)
{
	events_check_call(fcinfo, "tfm_watch_drops");
	PG_RETURN_VOID();
}
