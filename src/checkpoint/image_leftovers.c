/*
 * image_leftovers.c
 *	  Removing the temporary files and folders of writers that were killed.
 *
 * The name tells the process that writes it (image_writer.c: "image.PID.N.tmp").  A folder is that
 * of a checkpoint: files, and folders of files.
 * A number that another process has by now keeps the file until a later time.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

/* Folders within folders that are removed. */
#define MAX_DEPTH 2

/* Step back over ".DIGITS" that end at end; the new end, or NULL.  At most nine digits are read. */
static const char *
skip_number(const char *name, const char *end, long *number)
{
	const char *p = end;
	long scale = 1;

	*number = 0;
	while (p > name && end - p < 9 && p[-1] >= '0' && p[-1] <= '9')
	{
		*number += (*--p - '0') * scale;
		scale *= 10;
	}
	return p == end || p == name || p[-1] != '.' ? NULL : p - 1;
}

/* Whether a file is a temporary one whose writer no longer lives. */
static bool
is_leftover(const char *name)
{
	static const char suffix[] = ".tmp";
	size_t length = strlen(name);
	const char *end;
	long number, pid;

	if (length < strlen(suffix) || strcmp(name + length - strlen(suffix), suffix) != 0)
		return false;
	end = skip_number(name, name + length - strlen(suffix), &number);
	if (end != NULL)
		end = skip_number(name, end, &pid);
	return end != NULL && end > name && pid > 0 && pid != (long) getpid() &&
		   kill((pid_t) pid, 0) != 0 && errno == ESRCH;
}

/* Empty an open folder, which is closed, of files and of folders so deep. */
static void
empty_folder(int descriptor, int depth)
{
	DIR *entries = fdopendir(descriptor);
	struct dirent *entry;

	if (entries == NULL)
	{
		close(descriptor);
		return;
	}
	while ((entry = readdir(entries)) != NULL)
	{
		int inner;

		if (!file_name_is_plain(entry->d_name) || unlinkat(descriptor, entry->d_name, 0) == 0 ||
			depth == 0)
			continue;
		inner = openat(descriptor, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (inner < 0)
			continue;
		empty_folder(inner, depth - 1);
		unlinkat(descriptor, entry->d_name, AT_REMOVEDIR);
	}
	closedir(entries);
}

bool
image_remove_folder(const char *path)
{
	int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (descriptor >= 0)
		empty_folder(descriptor, MAX_DEPTH);
	return rmdir(path) == 0;
}

bool
image_remove_leftovers(tfm_context *context, const char *directory)
{
	DIR *entries = opendir(directory);
	struct dirent *entry;

	if (entries == NULL)
		return file_fail(context, errno, "open", directory);
	while (!tfm_stopped(context) && (entry = readdir(entries)) != NULL)
	{
		arena_mark mark = arena_save(context->arena);
		char *path =
			is_leftover(entry->d_name) ? file_join(context, directory, entry->d_name) : NULL;

		if (path != NULL && (unlink(path) == 0 || image_remove_folder(path)))
			tfm_log(context, TFM_LOG_DEBUG, "removed \"%s\", left by a process that is gone", path);
		arena_restore(context->arena, mark);
	}
	closedir(entries);
	return !tfm_failed(context);
}
