/*
 * shared.c
 *	  Shared memory of the extension, where it is in shared_preload_libraries.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/shared.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "pg/stat_activity.h"
#include "pg/stat_counts.h"
#include "pg/worker.h"

/* The parts; each is declared by its file's header. */
static const shared_part *const parts[] = {
	&stat_counts_part,
	&stat_activity_part,
	&worker_part,
	NULL,
};

static shmem_request_hook_type next_request;
static shmem_startup_hook_type next_startup;

static void
request_memory(void)
{
	if (next_request != NULL)
		next_request();
	for (size_t i = 0; parts[i] != NULL; i++)
		RequestAddinShmemSpace(MAXALIGN(parts[i]->size()));
}

static void
attach_memory(void)
{
	if (next_startup != NULL)
		next_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (size_t i = 0; parts[i] != NULL; i++)
	{
		const shared_part *part = parts[i];
		Size size = part->size();
		bool found;

		*part->pointer = ShmemInitStruct(part->name, size, &found);
		if (found)
			continue;
		memset(*part->pointer, 0, size);
		if (part->initialize != NULL)
			part->initialize(*part->pointer);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
shared_install(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	next_request = shmem_request_hook;
	shmem_request_hook = request_memory;
	next_startup = shmem_startup_hook;
	shmem_startup_hook = attach_memory;
}
