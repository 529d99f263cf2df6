/*
 * images.c
 *	  The compiled images of checkpoints: a folder "tfm" in the data directory.
 *
 * An image appears whole by rename, so readers take no lock.  The lock that compiling sessions take
 * only saves them doing the same work twice.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/lock.h"

#include "base/file.h"
#include "checkpoint/fingerprint.h"
#include "checkpoint/image.h"
#include "pg/border.h"
#include "pg/claims.h"
#include "pg/images.h"
#include "pg/locks.h"
#include "pg/stat.h"
#include "pg/stored.h"

#define DIRECTORY IMAGES_DIRECTORY
#define SOURCES DIRECTORY "/sources"
#define SUFFIX ".tfm"

char *
images_name(const char *content, tfm_dtype dtype)
{
	return psprintf("%s%s%s-%d%s", content, dtype == 0 ? "" : "-",
					dtype == 0 ? "" : run_dtype_name(dtype), IMAGE_VERSION, SUFFIX);
}

char *
images_path(const char *content, tfm_dtype dtype)
{
	return psprintf("%s/%s", DIRECTORY, images_name(content, dtype));
}

bool
images_exist(const char *content, tfm_dtype dtype)
{
	return file_exists(images_path(content, dtype));
}

static bool
make_directories(tfm_context *context)
{
	static const char *const directories[] = {DIRECTORY, SOURCES};

	for (size_t i = 0; i < lengthof(directories); i++)
		if (MakePGDirectory(directories[i]) != 0 && errno != EEXIST)
			return file_fail(context, errno, "create", directories[i]);
	return true;
}

/* ---- Fingerprints ---- */

bool
images_is_content(const char *text)
{
	return strspn(text, "0123456789abcdef") == SHA256_HEX_LENGTH && text[SHA256_HEX_LENGTH] == '\0';
}

/* The fingerprint remembered for a signature; false if there is none. */
static bool
recall_source(const char *signature, image_content content)
{
	int descriptor = OpenTransientFile(psprintf("%s/%s", SOURCES, signature), O_RDONLY);
	ssize_t length;

	if (descriptor < 0)
		return false;
	length = read(descriptor, content, SHA256_HEX_LENGTH);
	CloseTransientFile(descriptor);
	if (length != SHA256_HEX_LENGTH)
		return false;
	content[length] = '\0';
	return images_is_content(content);
}

/* Remember a fingerprint.  A failure costs the next session some time and nothing else. */
static void
remember_source(tfm_context *context, const char *signature, const char *content)
{
	char *path = psprintf("%s/%s", SOURCES, signature);
	char *temporary = psprintf("%s.%d.tmp", path, MyProcPid);
	int descriptor;
	bool written;

	if (!make_directories(context))
	{
		tfm_clear_error(context);
		return;
	}
	descriptor = OpenTransientFile(temporary, O_CREAT | O_TRUNC | O_WRONLY);
	if (descriptor < 0)
		return;
	written = write(descriptor, content, SHA256_HEX_LENGTH) == SHA256_HEX_LENGTH;
	CloseTransientFile(descriptor);
	if (!written || rename(temporary, path) != 0)
		unlink(temporary);
}

bool
images_fingerprint(tfm_context *context, const char *directory, bool reread, image_content content)
{
	char before[CKPT_HEX_LENGTH + 1], after[CKPT_HEX_LENGTH + 1];
	stat_work work;

	if (!ckpt_signature(context, directory, before))
		return false;
	if (!reread && recall_source(before, content))
		return true;
	work = stat_begin_image(context, STAT_READING);
	ckpt_fingerprint(context, directory, content);
	stat_end_image(context, &work, "read", 0);
	if (tfm_failed(context) || !ckpt_signature(context, directory, after))
		return false;
	if (strcmp(before, after) == 0)
		remember_source(context, before, content);
	return true;
}

/* ---- Compiling ---- */

/* The lock on making an image, for the whole cluster. */
static LOCKTAG
compile_lock(const char *path)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) path, (int) strlen(path), 0);
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, InvalidOid, (uint32) (hash >> 32), (uint32) hash, LOCK_IMAGE);
	return tag;
}

static int64
file_size(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 ? (int64) status.st_size : 0;
}

/* Compile, seen and counted, with a line for the server's log: it takes a while, and happens once. */
static bool
compile_seen(tfm_context *context, const char *directory, const char *path,
			 const run_compile_options *options)
{
	stat_work work = stat_begin_image(context, STAT_COMPILING);
	bool compiled = run_compile(context, directory, path, options);
	int64 size = compiled ? file_size(path) : 0;

	if (compiled)
		ereport(
			LOG,
			errmsg("compiled checkpoint \"%s\" to image \"%s\"", border_message(directory), path),
			errdetail_log("It took %.3f s with %d threads and made " INT64_FORMAT " bytes.",
						  stat_elapsed(&work) / 1000, context->threads, size),
			errhidestmt(true), errhidecontext(true));
	stat_end_image(context, &work, "compile", size);
	return compiled;
}

/* Compile, knowing that nobody else does. */
static bool
compile(tfm_context *context, const char *directory, const char *content, tfm_dtype dtype)
{
	run_compile_options options = {.content = content, .dtype = dtype};
	char signature[CKPT_HEX_LENGTH + 1];
	image_content known;

	image_remove_leftovers(context, DIRECTORY);
	if (!ckpt_signature(context, directory, signature))
		return false;
	if (recall_source(signature, known) && strcmp(known, content) == 0)
		options.signature = signature;
	return compile_seen(context, directory, images_path(content, dtype), &options);
}

/* Compile what is stored in the database, in a folder beside the images that is removed again. */
static bool
compile_stored(tfm_context *context, const char *content, tfm_dtype dtype)
{
	arena_mark mark = arena_save(context->arena);
	const char *path = images_path(content, dtype);
	const char *folder = psprintf("%s.%d.0.tmp", path, MyProcPid);
	run_compile_options options = {.content = content, .dtype = dtype};
	char signature[CKPT_HEX_LENGTH + 1];
	const char *checkpoint;
	stat_work work;

	image_remove_leftovers(context, DIRECTORY);
	/* One of our number may have been killed. */
	(void) image_remove_folder(folder);
	work = stat_begin_image(context, STAT_READING);
	checkpoint = stored_unpack(context, content, folder, false);
	stat_end_image(context, &work, "unpack", 0);
	if (checkpoint != NULL && ckpt_signature(context, checkpoint, signature))
	{
		options.signature = signature;
		compile_seen(context, checkpoint, path, &options);
	}
	arena_restore(context->arena, mark);
	return !tfm_failed(context);
}

/* Compile under the lock; unless again, only if no other session has done it meanwhile. */
static bool
compile_locked(tfm_context *context, const char *directory, const char *content, tfm_dtype dtype,
			   bool again)
{
	LOCKTAG tag = compile_lock(images_path(content, dtype));
	bool made;

	if (!make_directories(context))
		return false;
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	made = (!again && images_exist(content, dtype)) ||
		   (directory != NULL ? compile(context, directory, content, dtype)
							  : compile_stored(context, content, dtype));
	LockRelease(&tag, ExclusiveLock, false);
	return made;
}

bool
images_make(tfm_context *context, const char *directory, const char *content, tfm_dtype dtype)
{
	return images_exist(content, dtype) ||
		   compile_locked(context, directory, content, dtype, false);
}

bool
images_remake(tfm_context *context, const char *directory, const char *content, tfm_dtype dtype)
{
	return compile_locked(context, directory, content, dtype, true);
}

/* Whether an open image is what its name says. */
static bool
check_identity(tfm_context *context, const run_model *model, const char *path, const char *content,
			   tfm_dtype dtype)
{
	const run_model_info *info = run_model_describe(model);

	if (strcmp(info->content, content) == 0 && info->asked_dtype == dtype)
		return true;
	return tfm_fail(context, TFM_CORRUPTED, "image \"%s\" is of another checkpoint", path);
}

/* Open an image while nobody may remove it, and note the use. */
static run_model *
open_claimed(tfm_context *context, const char *path, const char *name, tfm_compute compute)
{
	run_model *model;

	claims_lock(ShareLock);
	model = run_model_open(context, path, compute);
	if (model != NULL)
	{
		utime(path, NULL); /* for images_prune */
		claims_add(name);
	}
	claims_unlock(ShareLock);
	return model;
}

run_model *
images_open(tfm_context *context, const char *content, run_precision precision)
{
	const char *path = images_path(content, precision.dtype);
	stat_work work = stat_begin_image(context, STAT_OPENING);
	run_model *model =
		open_claimed(context, path, images_name(content, precision.dtype), precision.compute);

	if (context->error.kind == TFM_FILE_NOT_FOUND) /* it is to be made first */
		stat_set_phase(work.outer, NULL);
	else
	{
		stat_end_image(context, &work, "open",
					   model != NULL ? run_model_describe(model)->image_bytes : 0);
		elog(DEBUG1, "opened image \"%s\" in %.3f ms", path, stat_elapsed(&work));
	}
	if (model != NULL && !check_identity(context, model, path, content, precision.dtype))
		model = NULL;
	if (model == NULL && context->error.kind == TFM_CORRUPTED)
	{
		ereport(LOG, errmsg("removed image \"%s\", which is damaged or of another version", path),
				errdetail_log("%s.", border_message(context->error.message)), errhidestmt(true),
				errhidecontext(true));
		unlink(path);
		tfm_clear_error(context);
		tfm_fail(context, TFM_FILE_NOT_FOUND, "image \"%s\" was damaged and is removed", path);
	}
	return model;
}

/* ---- All of them ---- */

int64
images_total(int64 *count)
{
	List *names = claims_list_names(DIRECTORY);
	int64 bytes = 0;
	ListCell *cell;

	*count = 0;
	foreach (cell, names)
	{
		const char *name = lfirst(cell);
		size_t length = strlen(name);

		if (length <= strlen(SUFFIX) || strcmp(name + length - strlen(SUFFIX), SUFFIX) != 0)
			continue;
		bytes += file_size(psprintf("%s/%s", DIRECTORY, name));
		++*count;
	}
	return bytes;
}

static bool
is_kept(const char *name, List *kept)
{
	ListCell *cell;

	foreach (cell, kept)
		if (strcmp(name, lfirst(cell)) == 0)
			return true;
	return false;
}

static bool
is_image_kept(const char *name, List *kept)
{
	return is_kept(name, kept) || claims_of_others(name);
}

/* Remove what is old in one directory, but for what keeps says; bytes freed. */
static int64
prune_directory(const char *path, time_t since, bool (*keeps)(const char *name, List *kept),
				List *kept)
{
	DIR *directory = AllocateDir(path);
	struct dirent *entry;
	int64 freed = 0;

	if (directory == NULL && errno == ENOENT)
		return 0;
	while ((entry = ReadDir(directory, path)) != NULL)
	{
		char *name = psprintf("%s/%s", path, entry->d_name);
		struct stat status;

		if (stat(name, &status) != 0 || !S_ISREG(status.st_mode) || status.st_mtime > since ||
			keeps(entry->d_name, kept))
			continue;
		if (unlink(name) == 0)
			freed += status.st_size;
	}
	FreeDir(directory);
	return freed;
}

int64
images_prune(tfm_context *context, time_t since, List *kept)
{
	int64 freed;

	claims_lock(ExclusiveLock);
	image_remove_leftovers(context, DIRECTORY);
	claims_forget_dropped();
	prune_directory(claims_directory(), since, is_kept, kept);
	freed = prune_directory(DIRECTORY, since, is_image_kept, kept);
	freed += prune_directory(SOURCES, since, is_kept, NIL);
	claims_unlock(ExclusiveLock);
	return freed;
}

/* Whether an image of content is there that is not among the files to be removed. */
static bool
remains_image(const char *content, List *images, List *removed)
{
	ListCell *cell;

	foreach (cell, images)
	{
		const char *name = lfirst(cell);

		if (strncmp(name, content, SHA256_HEX_LENGTH) == 0 &&
			!is_kept(psprintf("%s/%s", DIRECTORY, name), removed))
			return true;
	}
	return false;
}

List *
images_list_dropped(List *kept)
{
	tfm_context *context = border_begin(NULL);
	List *claims = claims_list();
	List *removed = NIL;
	List *sources = claims_list_names(SOURCES);
	List *images = claims_list_names(DIRECTORY);
	ListCell *cell;

	image_remove_leftovers(context, DIRECTORY);
	border_abandon(context);
	foreach (cell, claims)
	{
		const char *name = lfirst(cell);

		if (is_kept(name, kept))
			continue;
		removed = lappend(removed, psprintf("%s/%s", claims_directory(), name));
		if (!claims_of_others(name))
			removed = lappend(removed, psprintf("%s/%s", DIRECTORY, name));
	}
	foreach (cell, sources)
	{
		image_content content;

		if (!recall_source(lfirst(cell), content) || !remains_image(content, images, removed))
			removed = lappend(removed, psprintf("%s/%s", SOURCES, (char *) lfirst(cell)));
	}
	return lappend(removed, claims_directory());
}
