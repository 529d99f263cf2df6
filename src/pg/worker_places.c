/*
 * worker_places.c
 *	  Shared memory of the workers: how they stand, and whose turn it is.
 *
 * A session asks an engine process for a call at a time, and only when it has a place there.  As long
 * as there are fewer texts in it than tfm.worker_queue, a place is had at once, and the engine process
 * chooses what it computes together.  Beyond that sessions wait here, first come, first served: texts
 * that wait in sessions cost the engine process no memory, and no session is passed over.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "pg/backend.h"
#include "pg/stat.h"
#include "pg/worker.h"

worker_shared *worker_memory;

/* ---- Shared memory ---- */

/* Processes that compute: all but auxiliary ones, whose numbers come after these. */
static Size
memory_size(void)
{
	return add_size(offsetof(worker_shared, places), mul_size(MaxBackends, sizeof(worker_place)));
}

static void
initialize_memory(void *memory)
{
	worker_shared *shared = memory;

	LWLockInitialize(&shared->lock, LWLockNewTrancheId());
	LWLockRegisterTranche(shared->lock.tranche, "tfm_workers"); /* for all that are forked */
	ConditionVariableInit(&shared->changed);
	shared->workers = tfm_backend.workers;
	for (int i = 0; i < MaxBackends; i++)
		shared->places[i].worker = -1;
}

const shared_part worker_part = {
	.name = "tfm workers",
	.size = memory_size,
	.initialize = initialize_memory,
	.pointer = (void **) &worker_memory,
};

const char *
worker_state_name(worker_state state)
{
	static const char *const names[] = {
		[WORKER_STOPPED] = "stopped",	[WORKER_WAITING] = "waiting to restart",
		[WORKER_STARTING] = "starting", [WORKER_READY] = "ready",
		[WORKER_DRAINING] = "draining",
	};

	return names[state];
}

bool
worker_exist(void)
{
	return worker_memory != NULL && worker_memory->workers > 0;
}

bool
worker_is_ready(void)
{
	if (worker_memory == NULL)
		return false;
	for (int i = 0; i < worker_memory->workers; i++)
		if (*(volatile worker_state *) &worker_memory->slots[i].state == WORKER_READY)
			return true;
	return false;
}

worker_slot
worker_look(int worker)
{
	worker_slot slot;

	LWLockAcquire(&worker_memory->lock, LW_SHARED);
	slot = worker_memory->slots[worker];
	LWLockRelease(&worker_memory->lock);
	return slot;
}

/* ---- Places ---- */

static worker_place *
my_place(void)
{
	return &worker_memory->places[MyProc - ProcGlobal->allProcs];
}

/* Count a place, or its absence (sign -1), in its worker. */
static void
count_place(const worker_place *p, int sign)
{
	worker_slot *slot = &worker_memory->slots[p->worker];

	*(p->running ? &slot->running : &slot->waiting) += sign;
	*(p->running ? &slot->running_texts : &slot->waiting_texts) += sign * p->texts;
}

/* Want nothing any more.  Whether somebody has to be told; under the lock. */
static bool
clear_place(worker_place *p)
{
	worker_slot *slot;

	if (p->worker < 0)
		return false;
	slot = &worker_memory->slots[p->worker];
	count_place(p, -1);
	p->worker = -1;
	p->asked = 0;
	if (slot->state == WORKER_DRAINING && slot->running == 0 && slot->latch != NULL)
		SetLatch(slot->latch);
	return slot->waiting > 0;
}

/* Want a place in a worker; under the lock. */
static void
set_place(worker_place *p, int worker, bool running)
{
	if (p->worker >= 0)
		count_place(p, -1);
	p->worker = worker;
	p->running = running;
	count_place(p, 1);
}

/* The ready worker that has least to do, -1: none.  Of equal ones the first, whose caches are warm. */
static int
choose_worker(const worker_place *mine)
{
	int64 least = PG_INT64_MAX;
	int chosen = -1;

	for (int i = 0; i < worker_memory->workers; i++)
	{
		const worker_slot *slot = &worker_memory->slots[i];
		int64 texts =
			slot->running_texts + slot->waiting_texts - (mine->worker == i ? mine->texts : 0);

		if (slot->state == WORKER_READY && texts < least)
		{
			chosen = i;
			least = texts;
		}
	}
	return chosen;
}

/* Whether somebody else waits for a worker who came before. */
static bool
is_behind(const worker_place *mine, int worker)
{
	int others = worker_memory->slots[worker].waiting - (mine->worker == worker);

	if (others == 0)
		return false;
	for (int i = 0; i < MaxBackends; i++)
	{
		const worker_place *p = &worker_memory->places[i];

		if (p->worker == worker && !p->running && p->ticket < mine->ticket)
			return true;
	}
	return false;
}

/* More texts than the limit are computed when there are no others. */
static bool
has_room(const worker_slot *slot, int texts)
{
	return slot->running == 0 || slot->running_texts + texts <= tfm_backend.worker_queue;
}

/* Move on as far as one can now; under the lock.  The worker, or -1: none is ready. */
static int
advance(worker_place *mine)
{
	int worker = choose_worker(mine);
	worker_slot *slot;

	if (worker < 0)
	{
		clear_place(mine);
		return -1;
	}
	slot = &worker_memory->slots[worker];
	set_place(mine, worker, !is_behind(mine, worker) && has_room(slot, mine->texts));
	if (mine->running && slot->idle && slot->latch != NULL)
	{
		slot->idle = false;
		SetLatch(slot->latch);
	}
	return worker;
}

/* The same, with the lock; *running: whether the place is had. */
static int
try_place(worker_place *mine, bool *running, int64 *generation)
{
	bool waiters = false;
	int worker;

	LWLockAcquire(&worker_memory->lock, LW_EXCLUSIVE);
	worker = advance(mine);
	*running = worker >= 0 && mine->running;
	if (worker >= 0)
	{
		*generation = worker_memory->slots[worker].generation;
		waiters = *running && worker_memory->slots[worker].waiting > 0;
	}
	LWLockRelease(&worker_memory->lock);
	if (waiters) /* who came next may have room, too */
		ConditionVariableBroadcast(&worker_memory->changed);
	return worker;
}

static void
give_back_at_exit(int code, Datum argument)
{
	worker_give_place_back(false);
}

/* A ticket for a call; what an earlier call may have left is given back. */
static worker_place *
draw_ticket(int texts)
{
	worker_place *mine = my_place();

	if (!tfm_backend.worker_exit_registered)
	{
		before_shmem_exit(give_back_at_exit, (Datum) 0);
		tfm_backend.worker_exit_registered = true;
	}
	LWLockAcquire(&worker_memory->lock, LW_EXCLUSIVE);
	clear_place(mine);
	mine->texts = texts;
	mine->ticket = ++worker_memory->tickets;
	LWLockRelease(&worker_memory->lock);
	return mine;
}

int
worker_take_place(int texts, int64 *generation)
{
	worker_place *mine = draw_ticket(texts);
	bool running;
	int worker = try_place(mine, &running, generation);

	if (worker < 0 || running)
		return worker;
	ConditionVariablePrepareToSleep(&worker_memory->changed);
	while ((worker = try_place(mine, &running, generation)) >= 0 && !running)
		ConditionVariableSleep(&worker_memory->changed, stat_wait_event(STAT_WAIT_QUEUE));
	ConditionVariableCancelSleep();
	return worker;
}

void
worker_give_place_back(bool lost)
{
	worker_place *mine = my_place();
	bool waiters;

	ConditionVariableCancelSleep();
	LWLockAcquire(&worker_memory->lock, LW_EXCLUSIVE);
	if (lost && mine->worker >= 0)
	{
		worker_slot *slot = &worker_memory->slots[mine->worker];

		slot->lost++;
		slot->lost_now += mine->asked == slot->generation;
	}
	waiters = clear_place(mine);
	LWLockRelease(&worker_memory->lock);
	if (waiters)
		ConditionVariableBroadcast(&worker_memory->changed);
}

void
worker_note_asked(int64 generation)
{
	my_place()->asked = generation; /* nobody else writes to it */
}

int64
worker_count_lost(int worker)
{
	const worker_slot *slot = &worker_memory->slots[worker];
	int64 lost;

	LWLockAcquire(&worker_memory->lock, LW_SHARED);
	lost = slot->lost_now;
	for (int i = 0; i < MaxBackends; i++)
		if (worker_memory->places[i].worker == worker &&
			worker_memory->places[i].asked == slot->generation)
			lost++;
	LWLockRelease(&worker_memory->lock);
	return lost;
}

bool
worker_wait_ready(int worker, int64 generation, TimestampTz until)
{
	bool found = false;
	long timeout;

	ConditionVariablePrepareToSleep(&worker_memory->changed);
	while ((timeout = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < worker_memory->workers && !found; i++)
		{
			worker_slot slot = worker_look(i);

			found = slot.state == WORKER_READY && (i != worker || slot.generation != generation);
		}
		if (found)
			break;
		ConditionVariableTimedSleep(&worker_memory->changed, timeout,
									stat_wait_event(STAT_WAIT_WORKER));
	}
	ConditionVariableCancelSleep();
	return found;
}
