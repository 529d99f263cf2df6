/*
 * stored_unpack.c
 *	  The files of a stored checkpoint, written into a folder.
 *
 * What is in the tables is not trusted, since a dump may come from anywhere: names are checked, and
 * the fingerprint of what is written must be the content that it is stored under.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "base/file.h"
#include "base/sha256.h"
#include "checkpoint/fingerprint.h"
#include "checkpoint/image.h"
#include "pg/border.h"
#include "pg/stored.h"

/* What is kept may be read by all, as a file that COPY writes. */
#define KEPT_FOLDER_MODE 0755
#define KEPT_FILE_MODE 0644

typedef struct unpacking
{
	tfm_context *context;
	const char *content;
	char *folder;
	sha256 *hash;
	bool keep;
	bool done;
} unpacking;

static void
release_folder(void *argument)
{
	unpacking *u = argument;

	if (!u->keep || !u->done)
		(void) image_remove_folder(u->folder);
}

static bool
make_folder(tfm_context *context, const char *path, bool keep)
{
	if (MakePGDirectory(path) != 0)
		return file_fail(context, errno, "create", path);
	return !keep || chmod(path, KEPT_FOLDER_MODE) == 0 || file_fail(context, errno, "change", path);
}

/* Make the folder, to be removed with the arena. */
static unpacking *
begin_unpacking(tfm_context *context, const char *content, const char *folder, bool keep)
{
	unpacking *u = tfm_alloc_zero(context, sizeof(unpacking));

	if (u == NULL)
		return NULL;
	u->context = context;
	u->content = content;
	u->folder = tfm_strdup(context, folder);
	u->keep = keep;
	u->hash = sha256_create(context);
	if (u->folder == NULL || u->hash == NULL || !make_folder(context, folder, keep))
		return NULL;
	if (arena_on_release(context->arena, release_folder, u))
		return u;
	rmdir(folder);
	tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	return NULL;
}

/* The path of a file, whose folder, if it is in one, is made. */
static const char *
file_path(unpacking *u, const char *name)
{
	const char *slash = strchr(name, '/');
	const char *folder;

	if (!ckpt_is_relative_name(name))
	{
		tfm_fail(u->context, TFM_CORRUPTED, "stored file \"%s\" cannot be one of a checkpoint",
				 name);
		return NULL;
	}
	if (slash != NULL)
	{
		folder = tfm_sprintf(u->context, "%s/%.*s", u->folder, (int) (slash - name), name);
		if (folder == NULL || (!file_exists(folder) && !make_folder(u->context, folder, u->keep)))
			return NULL;
	}
	return file_join(u->context, u->folder, name);
}

static bool
write_all(int descriptor, const char *bytes, size_t length)
{
	while (length > 0)
	{
		ssize_t written = write(descriptor, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			errno = written == 0 ? ENOSPC : errno;
			return false;
		}
		bytes += written;
		length -= (size_t) written;
	}
	return true;
}

/* Copy the chunks of a file; bytes written, -1 with the error in the context. */
static int64
copy_chunks(unpacking *u, int number, int descriptor, const char *path)
{
	stored_reader *reader = stored_open(u->content, number, 0);
	const char *bytes;
	size_t length;
	int64 size = 0;

	while (size >= 0 && stored_read(reader, &bytes, &length))
	{
		size += (int64) length;
		if (!write_all(descriptor, bytes, length))
			file_fail(u->context, errno, "write", path);
		else
			sha256_update(u->context, u->hash, bytes, length);
		u->context->progress.done += (int64_t) length;
		if (tfm_stopped(u->context))
			size = -1;
	}
	stored_close(reader);
	return size;
}

static bool
unpack_file(unpacking *u, int number, const stored_file *f)
{
	const char *name = border_string(u->context, f->name, strlen(f->name)).data;
	const char *path = file_path(u, name);
	int descriptor;
	int64 size;

	if (path == NULL || !ckpt_hash_heading(u->context, u->hash, name, (uint64) f->size))
		return false;
	descriptor = OpenTransientFile(path, O_CREAT | O_EXCL | O_WRONLY);
	if (descriptor < 0)
		return file_fail(u->context, errno, "create", path);
	size = copy_chunks(u, number, descriptor, path);
	if (size >= 0 && u->keep && fchmod(descriptor, KEPT_FILE_MODE) != 0)
		file_fail(u->context, errno, "change", path);
	if (CloseTransientFile(descriptor) != 0)
		file_fail(u->context, errno, "close", path);
	if (!tfm_failed(u->context) && size != f->size)
		tfm_fail(u->context, TFM_CORRUPTED,
				 "stored file \"%s\" has %lld bytes, and should have %lld", name, (long long) size,
				 (long long) f->size);
	return !tfm_failed(u->context);
}

/* What belongs to the checkpoint on disk must be all that was stored, or else its hash is another. */
static bool
check_files(unpacking *u, const char *checkpoint, const stored_file *files, int count)
{
	ckpt_files listed;
	char content[SHA256_HEX_LENGTH + 1];
	size_t found = 0;

	if (!ckpt_list_files(u->context, checkpoint, &listed))
		return false;
	for (int i = 0; i < count; i++)
	{
		const char *name = border_string(u->context, files[i].name, strlen(files[i].name)).data;

		if (found == listed.count || strcmp(listed.items[found++].name, name) != 0)
			return tfm_fail(u->context, TFM_CORRUPTED, "file \"%s\" is no part of the checkpoint",
							name);
	}
	if (!sha256_finish(u->context, u->hash, content))
		return false;
	if (strcmp(content, u->content) == 0)
		return true;
	tfm_fail(u->context, TFM_CORRUPTED, "the stored files are not those that were imported");
	return tfm_detail(u->context, "Their content is %s instead of %s.", content, u->content);
}

static bool
fail_not_stored(tfm_context *context, const char *content)
{
	tfm_fail(context, TFM_FILE_NOT_FOUND, "the files of the model are not in the database");
	tfm_detail(context, "Their content is %s.", content);
	return tfm_hint(context, "Restore the tables tfm_stored_files and tfm_stored_chunks, or import "
							 "the model again with tfm_import_model(..., replace => true).");
}

const char *
stored_unpack(tfm_context *context, const char *content, const char *folder, bool keep)
{
	int count;
	stored_file *files = stored_list(content, &count);
	const char *checkpoint = folder;
	unpacking *u;

	if (count == 0)
	{
		fail_not_stored(context, content);
		return NULL;
	}
	u = begin_unpacking(context, content, folder, keep);
	if (u == NULL)
		return NULL;
	context->progress = (tfm_progress) {0};
	for (int i = 0; i < count; i++)
		context->progress.total += files[i].size;
	for (int i = 0; i < count && !tfm_stopped(context); i++)
		unpack_file(u, i, &files[i]);
	if (!tfm_failed(context) && ckpt_is_gguf_name(files[0].name))
		checkpoint = file_join(context, folder,
							   border_string(context, files[0].name, strlen(files[0].name)).data);
	u->done = !tfm_failed(context) && check_files(u, checkpoint, files, count);
	if (u->done)
		return checkpoint == folder ? u->folder : checkpoint;
	release_folder(u);
	return NULL;
}
