/*
 * locks.h
 *	  The classes of the extension's advisory locks.
 *
 * They are the last field of a lock's tag (SET_LOCKTAG_ADVISORY), where those of SQL's functions have
 * 1 or 2.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_LOCKS_H
#define TFM_PG_LOCKS_H

#include "postgres.h"

#include "storage/lock.h"

enum lock_class
{
	LOCK_IMAGE = 3,	 /* by the hash of its path: it is being made (images.c) */
	LOCK_CLAIMS,	 /* who uses which images (claims.c) */
	LOCK_CONTENT,	 /* by its hash: its stored files come or go (stored.c) */
	LOCK_MODEL_NAME, /* by its hash: it is being imported (stored_import.c) */
	LOCK_JOB_SLOT,	 /* by its number: a worker of jobs is there (jobs_worker.c) */
	LOCK_JOB_RUNNER	 /* by its number: a runner of jobs lives (jobs_queue.c) */
};

/* Whether a lock could be had now, without waiting; in a transaction or just after its end. */
static inline bool
locks_is_available(const LOCKTAG *tag, LOCKMODE mode)
{
	if (LockAcquire(tag, mode, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	LockRelease(tag, mode, true);
	return true;
}

#endif
