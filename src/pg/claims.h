/*
 * claims.h
 *	  Which databases use which images.
 *
 *		tfm/claims/<oid of the database>/<name of the image>	an empty file, as old as the last use
 *
 * All databases of a cluster share images, and cannot read each other's catalogs.  So each claims
 * the images that it opens, until it prunes them or drops the extension; an image goes when no
 * database that is still there claims it.  A standby has the claims of what was used there.
 *
 * What looks at claims in order to remove an image holds the lock exclusively, what opens and claims
 * one shares it: an image that is being opened does not go.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_CLAIMS_H
#define TFM_PG_CLAIMS_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "storage/lock.h"

/* The lock on all claims: ShareLock or ExclusiveLock, until unlocked or the transaction's end. */
extern void claims_lock(LOCKMODE mode);
extern void claims_unlock(LOCKMODE mode);

/* Claim an image, by the name of its file.  A failure is none: the image can be made again. */
extern void claims_add(const char *image);

/* The directory of this database's claims, palloc'ed; it need not exist. */
extern char *claims_directory(void);

/* The names of the images that this database claims. */
extern List *claims_list(void);

/* The names of what is in a directory, hidden ones aside; none if it is not there. */
extern List *claims_list_names(const char *path);

/* Whether another database that still exists claims an image. */
extern bool claims_of_others(const char *image);

/* Forget the claims of databases that are gone. */
extern void claims_forget_dropped(void);

#endif
