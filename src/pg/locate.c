/*
 * locate.c
 *	  Where on disk a checkpoint is.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "storage/fd.h"

#include "base/file.h"
#include "checkpoint/fingerprint.h"
#include "pg/backend.h"
#include "pg/locate.h"

bool
locate_is_absolute(const char *name)
{
	return name[0] == '/';
}

bool
locate_is_id(const char *name)
{
	for (const char *part = name;; part++)
	{
		size_t length = strcspn(part, "/");

		if (length == 0 || part[0] == '.')
			return false;
		part += length;
		if (*part == '\0')
			return true;
	}
}

/* Whether path is a GGUF file, or a directory with a file of a checkpoint in it. */
static bool
is_checkpoint(const char *path)
{
	DIR *directory;
	struct dirent *entry;
	bool found = false;

	if (ckpt_is_gguf(path))
		return true;
	directory = AllocateDir(path);
	if (directory == NULL)
		return false;
	while (!found && (entry = ReadDirExtended(directory, path, DEBUG1)) != NULL)
		found = ckpt_is_file_name(entry->d_name);
	FreeDir(directory);
	return found;
}

/* The commit in refs/main of a cached model; NULL if there is none. */
static char *
read_main_reference(const char *repository)
{
	char commit[128];
	int descriptor =
		OpenTransientFile(psprintf("%s/refs/main", repository), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	ssize_t length;

	if (descriptor < 0)
		return NULL;
	length = read(descriptor, commit, sizeof(commit) - 1);
	CloseTransientFile(descriptor);
	if (length <= 0)
		return NULL;
	commit[length] = '\0';
	commit[strcspn(commit, "\r\n")] = '\0';
	/* What is no hash has been put there by somebody else, and may show in an error. */
	return commit[0] != '\0' && commit[strspn(commit, "0123456789abcdef")] == '\0' ? pstrdup(commit)
																				   : NULL;
}

/* The name of the only directory in snapshots; NULL if there is none or more than one. */
static char *
find_only_snapshot(const char *snapshots)
{
	DIR *directory = AllocateDir(snapshots);
	struct dirent *entry;
	char *found = NULL;
	int count = 0;

	if (directory == NULL)
		return NULL;
	while ((entry = ReadDirExtended(directory, snapshots, DEBUG1)) != NULL)
	{
		if (entry->d_name[0] == '.')
			continue;
		found = pstrdup(entry->d_name);
		count++;
	}
	FreeDir(directory);
	return count == 1 ? found : NULL;
}

/* The snapshot of a model in a Hugging Face cache, if the directory is one; else NULL. */
static char *
find_snapshot(const char *repository)
{
	char *snapshots = psprintf("%s/snapshots", repository);
	char *commit;

	if (!file_exists(snapshots))
		return NULL;
	commit = read_main_reference(repository);
	if (commit == NULL)
		commit = find_only_snapshot(snapshots);
	return commit != NULL ? psprintf("%s/%s", snapshots, commit) : NULL;
}

/* The directory of a cached model's name: "models--org--name". */
static char *
cache_name(const char *id)
{
	StringInfoData name;

	initStringInfo(&name);
	appendStringInfoString(&name, "models--");
	for (const char *c = id; *c != '\0'; c++)
		if (*c == '/')
			appendStringInfoString(&name, "--");
		else
			appendStringInfoChar(&name, *c);
	return name.data;
}

/* The checkpoint of an id under one directory; NULL if it is not there. */
static char *
find_id(const char *root, const char *id)
{
	char *directory = psprintf("%s/%s", root, id);
	char *snapshot;

	if (is_checkpoint(directory))
		return directory;
	snapshot = find_snapshot(psprintf("%s/%s", root, cache_name(id)));
	return snapshot != NULL && is_checkpoint(snapshot) ? snapshot : NULL;
}

static char *
search_model_path(const char *id)
{
	const char *root = tfm_backend.model_path;

	while (root != NULL && *root != '\0')
	{
		size_t length = strcspn(root, ":");
		char *found = root[0] == '/' ? find_id(pnstrdup(root, length), id) : NULL;

		if (found != NULL)
			return found;
		root += length;
		if (*root == ':')
			root++;
	}
	return NULL;
}

char *
locate_checkpoint(const char *path)
{
	char *snapshot;

	if (!locate_is_absolute(path))
		return locate_is_id(path) ? search_model_path(path) : NULL;
	snapshot = is_checkpoint(path) ? NULL : find_snapshot(path);
	return snapshot != NULL ? snapshot : pstrdup(path);
}
