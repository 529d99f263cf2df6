/*
 * claims.c
 *	  Which databases use which images.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>
#include <utime.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/syscache.h"

#include "base/file.h"
#include "pg/claims.h"
#include "pg/images.h"
#include "pg/locks.h"

#define CLAIMS IMAGES_DIRECTORY "/claims"

static LOCKTAG
lock_tag(void)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, InvalidOid, 0, 0, LOCK_CLAIMS);
	return tag;
}

void
claims_lock(LOCKMODE mode)
{
	LOCKTAG tag = lock_tag();

	(void) LockAcquire(&tag, mode, false, false);
}

void
claims_unlock(LOCKMODE mode)
{
	LOCKTAG tag = lock_tag();

	LockRelease(&tag, mode, false);
}

char *
claims_directory(void)
{
	return psprintf("%s/%u", CLAIMS, MyDatabaseId);
}

void
claims_add(const char *image)
{
	char *directory = claims_directory();
	char *claim = psprintf("%s/%s", directory, image);
	int descriptor;

	if (!OidIsValid(MyDatabaseId) || utime(claim, NULL) == 0)
		return;
	(void) MakePGDirectory(CLAIMS);
	(void) MakePGDirectory(directory);
	descriptor = OpenTransientFile(claim, O_CREAT | O_WRONLY);
	if (descriptor >= 0)
		CloseTransientFile(descriptor);
}

List *
claims_list_names(const char *path)
{
	DIR *directory = AllocateDir(path);
	struct dirent *entry;
	List *names = NIL;

	if (directory == NULL && errno == ENOENT)
		return NIL;
	while ((entry = ReadDir(directory, path)) != NULL)
		if (entry->d_name[0] != '.')
			names = lappend(names, pstrdup(entry->d_name));
	FreeDir(directory);
	return names;
}

List *
claims_list(void)
{
	return claims_list_names(claims_directory());
}

static bool
database_exists(const char *oid)
{
	return SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum((Oid) strtoul(oid, NULL, 10)));
}

bool
claims_of_others(const char *image)
{
	List *databases = claims_list_names(CLAIMS);
	ListCell *cell;

	foreach (cell, databases)
	{
		const char *oid = lfirst(cell);

		if (strtoul(oid, NULL, 10) != MyDatabaseId &&
			file_exists(psprintf("%s/%s/%s", CLAIMS, oid, image)) && database_exists(oid))
			return true;
	}
	return false;
}

static void
remove_directory(const char *path)
{
	List *names = claims_list_names(path);
	ListCell *cell;

	foreach (cell, names)
		(void) unlink(psprintf("%s/%s", path, (char *) lfirst(cell)));
	(void) rmdir(path);
}

void
claims_forget_dropped(void)
{
	List *databases = claims_list_names(CLAIMS);
	ListCell *cell;

	foreach (cell, databases)
		if (!database_exists(lfirst(cell)))
			remove_directory(psprintf("%s/%s", CLAIMS, (char *) lfirst(cell)));
}
