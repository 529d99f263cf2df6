/*
 * image_leftovers.c
 *	  Removing the temporary files of writers that were killed.
 *
 * The name tells the process that writes it (image_writer.c: "image.PID.N.tmp").
 * A number that another process has by now keeps the file until a later time.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/image.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

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

		if (path != NULL && unlink(path) == 0)
			tfm_log(context, TFM_LOG_DEBUG, "removed \"%s\", left by a process that is gone", path);
		arena_restore(context->arena, mark);
	}
	closedir(entries);
	return !tfm_failed(context);
}
