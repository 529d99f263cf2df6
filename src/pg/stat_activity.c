/*
 * stat_activity.c
 *	  What each backend computes now: a slot for each in shared memory.
 *
 * Without shared memory a backend has a slot of its own, which nobody else sees.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/stat_activity.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/memutils.h"

#include "pg/backend.h"

static Size
slots_size(void)
{
	return mul_size((Size) MaxBackends, sizeof(stat_slot));
}

const shared_part stat_activity_part = {
	.name = "tfm activity",
	.size = slots_size,
	.pointer = (void **) &tfm_backend.stat_slots,
};

void
stat_slot_begin_change(stat_slot *slot)
{
	((volatile stat_slot *) slot)->changes++;
	pg_write_barrier();
}

void
stat_slot_end_change(stat_slot *slot)
{
	pg_write_barrier();
	((volatile stat_slot *) slot)->changes++;
}

/* ---- The own slot ---- */

/* This process's number among those that can run queries, from 0; below 0 for others. */
static int
backend_number(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProcNumber;
#else
	return MyBackendId - 1;
#endif
}

static void
release_slot(int code, Datum argument)
{
	stat_slot *slot = tfm_backend.stat_slot;

	tfm_backend.stat_slot = NULL;
	stat_slot_begin_change(slot);
	slot->pid = 0;
	slot->phase = STAT_IDLE;
	stat_slot_end_change(slot);
}

/* Another process may have left anything in it but an odd number of changes. */
static void
take_slot(stat_slot *slot)
{
	stat_slot_begin_change(slot);
	memset((char *) slot + offsetof(stat_slot, pid), 0, sizeof(*slot) - offsetof(stat_slot, pid));
	slot->pid = MyProcPid;
	slot->database = MyDatabaseId;
	slot->user = GetSessionUserId();
	stat_slot_end_change(slot);
	tfm_backend.stat_slot = slot;
}

stat_slot *
stat_slot_own(void)
{
	int number = backend_number();

	if (tfm_backend.stat_slot != NULL)
		return tfm_backend.stat_slot;
	if (tfm_backend.stat_slots != NULL && number >= 0 && number < MaxBackends)
	{
		take_slot(&tfm_backend.stat_slots[number]);
		on_shmem_exit(release_slot, (Datum) 0);
	}
	else
		take_slot(MemoryContextAllocZero(TopMemoryContext, sizeof(stat_slot)));
	return tfm_backend.stat_slot;
}

/* ---- The slots of all ---- */

/* Copy a slot as it stood at one moment. */
static void
copy_slot(const stat_slot *slot, stat_slot *copy)
{
	const volatile stat_slot *changing = slot;
	uint32 before, after;

	do
	{
		CHECK_FOR_INTERRUPTS();
		before = changing->changes;
		pg_read_barrier();
		memcpy(copy, slot, sizeof(*copy));
		pg_read_barrier();
		after = changing->changes;
	} while (before != after || before % 2 != 0);
}

int
stat_slots_copy(stat_slot **slots)
{
	int most = tfm_backend.stat_slots != NULL ? MaxBackends : 1;
	const stat_slot *first = tfm_backend.stat_slots;
	int count = 0;

	if (first == NULL)
		first = stat_slot_own();
	*slots = palloc(sizeof(stat_slot) * (Size) most);
	for (int i = 0; i < most; i++)
	{
		stat_slot *copy = &(*slots)[count];

		if (first[i].pid == 0)
			continue;
		copy_slot(&first[i], copy);
		if (copy->pid != 0 && copy->phase != STAT_IDLE)
			count++;
	}
	return count;
}
