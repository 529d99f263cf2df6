/*
 * file.c
 *	  Files, with errors that name them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool
file_fail(tfm_context *context, int error_number, const char *action, const char *path)
{
	tfm_error_kind kind = TFM_IO;

	if (error_number == ENOENT || error_number == ENOTDIR)
		kind = TFM_FILE_NOT_FOUND;
	else if (error_number == EACCES || error_number == EPERM)
		kind = TFM_PERMISSION_DENIED;
	else if (error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG)
		kind = TFM_DISK_FULL;
	else if (error_number == ENOMEM)
		kind = TFM_OUT_OF_MEMORY;
	return tfm_fail(context, kind, "could not %s file \"%s\": %s", action, path,
					strerror(error_number));
}

char *
file_join(tfm_context *context, const char *directory, const char *name)
{
	return tfm_sprintf(context, "%s/%s", directory, name);
}

bool
file_name_is_plain(const char *name)
{
	return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
		   strcmp(name, "..") != 0;
}

bool
file_exists(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0;
}

static void
close_file(void *argument)
{
	close(((file *) argument)->descriptor);
}

/* Where an open file is, in the arena; NULL if that cannot be told. */
static char *
real_path(tfm_context *context, const file *f)
{
	char link[64], found[PATH_MAX];
	struct stat here, there;
	ssize_t length;

	/* What the descriptor stands for; a path may lead elsewhere by now. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", f->descriptor);
	length = readlink(link, found, sizeof(found) - 1);
	if (length > 0)
	{
		found[length] = '\0';
		return tfm_strdup(context, found);
	}
	if (realpath(f->path, found) == NULL || lstat(found, &there) != 0 ||
		fstat(f->descriptor, &here) != 0 || here.st_ino != there.st_ino ||
		here.st_dev != there.st_dev)
		return NULL;
	return tfm_strdup(context, found);
}

/*
 * Whether a file lies where the context wants it: what a checkpoint's author puts there must not lead
 * to what only the server may read.
 */
static bool
check_root(tfm_context *context, const file *f)
{
	const char *root = context->root;
	size_t length = root == NULL ? 0 : strlen(root);
	const char *real = root == NULL ? NULL : real_path(context, f);

	if (root == NULL || (real != NULL && strncmp(real, root, length) == 0 && real[length] == '/'))
		return !tfm_failed(context);
	tfm_fail(context, TFM_CORRUPTED, "\"%s\" leads out of its checkpoint", f->path);
	return tfm_hint(context, "Put the file itself there, or a link to one that lies below \"%s\".",
					root);
}

file *
file_open(tfm_context *context, const char *path)
{
	file *f = tfm_alloc_zero(context, sizeof(file));
	struct stat status;

	if (f == NULL || (f->path = tfm_strdup(context, path)) == NULL)
		return NULL;
	/* O_NONBLOCK: opening a pipe that somebody left there must not wait for its writer. */
	f->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->descriptor < 0)
	{
		file_fail(context, errno, "open", path);
		return NULL;
	}
	if (!arena_on_release(context->arena, close_file, f))
	{
		close(f->descriptor);
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	if (fstat(f->descriptor, &status) != 0)
	{
		file_fail(context, errno, "stat", path);
		return NULL;
	}
	if (!S_ISREG(status.st_mode))
	{
		tfm_fail(context, TFM_INVALID_ARGUMENT, "\"%s\" is not a regular file", path);
		return NULL;
	}
	if (!check_root(context, f))
		return NULL;
	f->size = (size_t) status.st_size;
	return f;
}

bool
file_read_at(tfm_context *context, const file *f, size_t offset, void *bytes, size_t length)
{
	char *p = bytes;

	while (length > 0)
	{
		ssize_t n = pread(f->descriptor, p, length, (off_t) offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_fail(context, errno, "read", f->path);
		if (n == 0)
			return tfm_fail(context, TFM_CORRUPTED, "file \"%s\" ends at byte %zu", f->path,
							offset);
		p += n;
		offset += (size_t) n;
		length -= (size_t) n;
	}
	return true;
}

char *
file_read(tfm_context *context, const char *path, size_t limit, size_t *length)
{
	file *f = file_open(context, path);
	char *text;

	if (f == NULL)
		return NULL;
	if (f->size > limit)
	{
		tfm_fail(context, TFM_LIMIT_EXCEEDED, "file \"%s\" is too large", path);
		tfm_detail(context, "It has %zu bytes; at most %zu are read.", f->size, limit);
		return NULL;
	}
	text = tfm_alloc(context, f->size + 1);
	if (text == NULL || !file_read_at(context, f, 0, text, f->size))
		return NULL;
	text[f->size] = '\0';
	*length = f->size;
	return text;
}

char *
file_read_optional(tfm_context *context, const char *path, size_t limit, size_t *length)
{
	struct stat status;

	*length = 0;
	if (stat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR))
		return NULL;
	return file_read(context, path, limit, length);
}

typedef struct mapping
{
	void *address;
	size_t length;
} mapping;

static void
unmap_file(void *argument)
{
	mapping *m = argument;

	if (m->address != NULL)
		munmap(m->address, m->length);
}

const void *
file_map(tfm_context *context, const char *path, size_t *length)
{
	file *f = file_open(context, path);
	mapping *m = f == NULL ? NULL : tfm_alloc_zero(context, sizeof(mapping));
	void *address;

	if (m == NULL)
		return NULL;
	if (f->size == 0)
	{
		tfm_fail(context, TFM_CORRUPTED, "file \"%s\" is empty", path);
		return NULL;
	}
	if (!arena_on_release(context->arena, unmap_file, m))
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	address = mmap(NULL, f->size, PROT_READ, MAP_SHARED, f->descriptor, 0);
	if (address == MAP_FAILED)
	{
		file_fail(context, errno, "map", path);
		return NULL;
	}
	m->address = address;
	m->length = f->size;
	*length = f->size;
	return address;
}
