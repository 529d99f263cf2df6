/*
 * fingerprint.h
 *	  Which files make a checkpoint, and its identity by content and by file status.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_CHECKPOINT_FINGERPRINT_H
#define TFM_CHECKPOINT_FINGERPRINT_H

#include <sys/stat.h>

#include "base/context.h"
#include "base/sha256.h"

#define CKPT_HEX_LENGTH 64

typedef struct ckpt_file
{
	const char *name; /* relative to the directory: "config.json", "1_Pooling/config.json" */
	const char *path;
	struct stat status; /* of what a symbolic link points to */
} ckpt_file;

typedef struct ckpt_files
{
	ckpt_file *items; /* sorted by name, bytewise */
	size_t count;
} ckpt_files;

/* Whether a file of that name belongs to the checkpoint in whose directory it is. */
extern bool ckpt_is_file_name(const char *name);

/*
 * Whether a name, relative to a checkpoint's directory, can be in its list: of such a file there or
 * in a folder below, or of a GGUF file.  Whether a folder is one of the checkpoint's own, its
 * modules.json tells.
 */
extern bool ckpt_is_relative_name(const char *name);

/* Whether a name ends in ".gguf". */
extern bool ckpt_is_gguf_name(const char *name);

/* Whether path is a regular file whose name ends in ".gguf": a checkpoint of one file, or a part. */
extern bool ckpt_is_gguf(const char *path);

/* Record TFM_FILE_NOT_FOUND unless path is a directory or a GGUF file. */
extern bool ckpt_check_path(tfm_context *context, const char *path);

/*
 * From now on the context opens no files but those of the checkpoint in a directory: what lies in it,
 * or, where it is a snapshot in a Hugging Face cache, in the folder of that model, whose blobs its
 * links lead to.  A GGUF file may lie anywhere, as nothing but GGUF is read of it.  The caller takes
 * context->root back to what it was, before the arena is.
 */
extern bool ckpt_confine(tfm_context *context, const char *directory);

/*
 * List the files of a directory that a loaded model depends on: configurations, weights, tokenizer
 * files and chat templates, and the same in the subdirectories named by modules.json.  Where the
 * path is a GGUF file, that is the list, with all its parts if it is one of several.  Allocated in the context's arena.  Errors: FILE_NOT_FOUND, PERMISSION_DENIED; CORRUPTED for a broken modules.json;
 * LIMIT_EXCEEDED for a directory with very many entries.
 */
extern bool ckpt_list_files(tfm_context *context, const char *directory, ckpt_files *files);

/*
 * The identity of the content: SHA-256 in hexadecimal over name, size and bytes of each file.  Reads
 * everything, polling for interrupts.
 */
extern bool ckpt_fingerprint(tfm_context *context, const char *directory,
							 char content[CKPT_HEX_LENGTH + 1]);

/*
 * Hash what comes before a file's bytes in the fingerprint, for who has the files elsewhere: those
 * of the list, by bytes of their relative names in ascending order.
 */
extern bool ckpt_hash_heading(tfm_context *context, sha256 *hash, const char *name, uint64_t size);

/*
 * A cheap stand-in that reads no content but modules.json: SHA-256 over name, size, times of change
 * (nanoseconds), inode and device of each file.  While it is the same, so is the fingerprint.
 */
extern bool ckpt_signature(tfm_context *context, const char *directory,
						   char signature[CKPT_HEX_LENGTH + 1]);

#endif
