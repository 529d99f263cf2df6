/*
 * stored.h
 *	  Checkpoints whose files are in the database: two tables of the extension.
 *
 *		tfm_stored_files	a row for each file of a checkpoint: name, size, SHA-256
 *		tfm_stored_chunks	its bytes, STORED_CHUNK of them in each row but the last
 *
 * A checkpoint is known by its content, the fingerprint of its files, to which a server with the
 * option "stored" points; servers of the same content share the rows.  Rows are never changed, and go
 * when the last server that points to them does.
 *
 * These functions reach the tables below SQL: no privileges are asked for, no triggers run, and no
 * search_path is looked at.  Callers check what the user may do with a model.  The rows are looked at
 * as of now, whatever the snapshot of the transaction, as it is with a catalog.  Errors are thrown.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_STORED_H
#define TFM_PG_STORED_H

#include "postgres.h"

#include "base/context.h"

#define STORED_CHUNK 1048576 /* bytes */

/* A file; palloc'ed strings. */
typedef struct stored_file
{
	char *name; /* relative to the checkpoint's directory, in the database's encoding */
	int64 size;
	char *sha256;
} stored_file;

/* The files of a checkpoint, by their numbers from 0; NULL with a count of 0 if it is not stored. */
extern stored_file *stored_list(const char *content, int *count);

/* Whether it is stored. */
extern bool stored_exists(const char *content);

/* ---- Reading ---- */

typedef struct stored_reader stored_reader;

/* Start to read a file at the chunk of that number. */
extern stored_reader *stored_open(const char *content, int file, int64 chunk);

/* The next chunk, valid until the next call; false at the file's end. */
extern bool stored_read(stored_reader *reader, const char **bytes, size_t *length);

extern void stored_close(stored_reader *reader);

/*
 * Write the files of a checkpoint into a new folder, checking that they are those of its content.
 * Returns the path of the checkpoint, which is the folder or a GGUF file in it, in the context's arena.
 * The folder is removed with that arena unless keep is set, and in any case if something fails.
 * NULL with the error in context: FILE_NOT_FOUND if the checkpoint is not stored, CORRUPTED if its
 * rows are not what was stored, and those of the file system.
 */
extern const char *stored_unpack(tfm_context *context, const char *content, const char *folder,
								 bool keep);

/* ---- Writing and forgetting ---- */

/*
 * Wait until no other transaction stores or forgets a checkpoint, or points a server to it, and keep
 * others from it until the end of this one.
 */
extern void stored_lock(const char *content);

typedef struct stored_writer stored_writer;

/* Store a checkpoint that is not, by one who has the lock: chunks in any order, each file, the end. */
extern stored_writer *stored_create(const char *content);
extern void stored_write_chunk(stored_writer *writer, int file, int64 number, const char *bytes,
							   size_t length);
extern void stored_write_file(stored_writer *writer, int number, const stored_file *file);
extern void stored_finish(stored_writer *writer);

/*
 * Delete the checkpoints that a server pointed to before this transaction, or this command, changed
 * or dropped it, and that no server points to now.
 */
extern void stored_forget(Oid server);

#endif
