/*
 * stored.c
 *	  The tables that hold checkpoints: finding, reading and writing their rows.
 *
 * They are read and written as PostgreSQL does with catalogs, which gives rows as of now in any
 * transaction, in parallel workers, and on a standby.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "common/hashfn.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "pg/border.h"
#include "pg/locks.h"
#include "pg/server.h"
#include "pg/stored.h"

#define FILES "tfm_stored_files"
#define CHUNKS "tfm_stored_chunks"

/* Columns of both tables, and of each. */
enum
{
	COLUMN_CONTENT = 1,
	COLUMN_FILE, /* its number */
	COLUMN_NAME,
	COLUMN_SIZE,
	COLUMN_SHA256,
	FILE_COLUMNS = COLUMN_SHA256,
	COLUMN_CHUNK = 3, /* its number */
	COLUMN_BYTES,
	CHUNK_COLUMNS = COLUMN_BYTES
};

/* ---- Tables ---- */

/* A table of the extension, which is where the wrapper's handler is; invalid before an upgrade. */
static Oid
find_table(const char *name)
{
	ForeignDataWrapper *wrapper = GetForeignDataWrapperByName(SERVER_WRAPPER, true);

	if (wrapper == NULL || !OidIsValid(wrapper->fdwhandler))
		return InvalidOid;
	return get_relname_relid(name, get_func_namespace(wrapper->fdwhandler));
}

static Relation
open_table(const char *name, LOCKMODE mode)
{
	Oid table = find_table(name);

	if (!OidIsValid(table))
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("table \"%s\" of the extension \"%s\" does not exist", name, "tfm"),
				errhint("Bring the extension up to date with ALTER EXTENSION tfm UPDATE."));
	return table_open(table, mode);
}

/* The index of the primary key, in whose order the rows are read. */
static Relation
open_key(Relation table)
{
	list_free(RelationGetIndexList(table));
	if (!OidIsValid(table->rd_pkindex))
		elog(ERROR, "table \"%s\" has no primary key", RelationGetRelationName(table));
	return index_open(table->rd_pkindex, AccessShareLock);
}

/* A scan of the rows of a content, or of one file of it beginning with a chunk. */
typedef struct scan
{
	Relation table;
	Relation key;
	SysScanDesc rows;
} scan;

static scan
begin_scan(const char *name, const char *content, int file, int64 chunk, LOCKMODE mode)
{
	scan s = {.table = open_table(name, mode)};
	ScanKeyData keys[3];

	s.key = open_key(s.table);
	ScanKeyInit(&keys[0], COLUMN_CONTENT, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(content));
	ScanKeyInit(&keys[1], COLUMN_FILE, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(file));
	ScanKeyInit(&keys[2], COLUMN_CHUNK, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(chunk));
	s.rows = systable_beginscan_ordered(s.table, s.key, NULL, file < 0 ? 1 : 3, keys);
	return s;
}

static HeapTuple
next_row(scan *s)
{
	return systable_getnext_ordered(s->rows, ForwardScanDirection);
}

static void
end_scan(scan *s, LOCKMODE mode)
{
	systable_endscan_ordered(s->rows);
	index_close(s->key, AccessShareLock);
	table_close(s->table, mode);
}

static Datum
row_value(const scan *s, HeapTuple row, int column)
{
	bool is_null;
	Datum value = heap_getattr(row, column, RelationGetDescr(s->table), &is_null);

	if (is_null)
		elog(ERROR, "NULL in column %d of table \"%s\"", column, RelationGetRelationName(s->table));
	return value;
}

/* ---- Reading ---- */

stored_file *
stored_list(const char *content, int *count)
{
	scan s = begin_scan(FILES, content, -1, 0, AccessShareLock);
	stored_file *files = NULL;
	HeapTuple row;
	int room = 0;

	*count = 0;
	while (HeapTupleIsValid(row = next_row(&s)))
	{
		if (DatumGetInt32(row_value(&s, row, COLUMN_FILE)) != *count)
			ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("a stored file of content %s is missing", content));
		if (*count == room)
		{
			room = room == 0 ? 16 : 2 * room;
			files = files == NULL ? palloc(room * sizeof(stored_file))
								  : repalloc(files, room * sizeof(stored_file));
		}
		files[(*count)++] = (stored_file) {
			.name = TextDatumGetCString(row_value(&s, row, COLUMN_NAME)),
			.size = DatumGetInt64(row_value(&s, row, COLUMN_SIZE)),
			.sha256 = TextDatumGetCString(row_value(&s, row, COLUMN_SHA256)),
		};
	}
	end_scan(&s, AccessShareLock);
	return files;
}

bool
stored_exists(const char *content)
{
	bool found = false;

	if (OidIsValid(find_table(FILES)))
	{
		scan s = begin_scan(FILES, content, -1, 0, AccessShareLock);

		found = HeapTupleIsValid(next_row(&s));
		end_scan(&s, AccessShareLock);
	}
	return found;
}

struct stored_reader
{
	scan scan;
	int64 next; /* number of the next chunk */
	bytea *chunk;
};

stored_reader *
stored_open(const char *content, int file, int64 chunk)
{
	stored_reader *reader = palloc0(sizeof(stored_reader));

	reader->scan = begin_scan(CHUNKS, content, file, chunk, AccessShareLock);
	reader->next = chunk;
	return reader;
}

bool
stored_read(stored_reader *reader, const char **bytes, size_t *length)
{
	scan *s = &reader->scan;
	HeapTuple row;

	CHECK_FOR_INTERRUPTS();
	row = next_row(s);
	if (reader->chunk != NULL)
		pfree(reader->chunk);
	reader->chunk = NULL;
	if (!HeapTupleIsValid(row))
		return false;
	if (DatumGetInt64(row_value(s, row, COLUMN_CHUNK)) != reader->next)
		ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("a chunk of a stored file is missing"));
	reader->next++;
	reader->chunk = DatumGetByteaPCopy(row_value(s, row, COLUMN_BYTES));
	*bytes = VARDATA_ANY(reader->chunk);
	*length = VARSIZE_ANY_EXHDR(reader->chunk);
	return true;
}

void
stored_close(stored_reader *reader)
{
	end_scan(&reader->scan, AccessShareLock);
	if (reader->chunk != NULL)
		pfree(reader->chunk);
	pfree(reader);
}

/* ---- Writing ---- */

void
stored_lock(const char *content)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) content, (int) strlen(content), 0);
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, LOCK_CONTENT);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	/* See the servers of those who had it before. */
	AcceptInvalidationMessages();
}

struct stored_writer
{
	Datum content;
	Relation files;
	Relation chunks;
	CatalogIndexState file_keys;
	CatalogIndexState chunk_keys;
	MemoryContext row; /* what writing a row allocates */
};

stored_writer *
stored_create(const char *content)
{
	stored_writer *w = palloc0(sizeof(stored_writer));

	w->content = CStringGetTextDatum(content);
	w->files = open_table(FILES, RowExclusiveLock);
	w->chunks = open_table(CHUNKS, RowExclusiveLock);
	w->file_keys = CatalogOpenIndexes(w->files);
	w->chunk_keys = CatalogOpenIndexes(w->chunks);
	w->row = AllocSetContextCreate(CurrentMemoryContext, "tfm stored row", ALLOCSET_DEFAULT_SIZES);
	return w;
}

static void
insert_row(stored_writer *w, Relation table, CatalogIndexState keys, Datum *values)
{
	bool nulls[FILE_COLUMNS] = {0};

	CatalogTupleInsertWithInfo(table, heap_form_tuple(RelationGetDescr(table), values, nulls),
							   keys);
}

void
stored_write_chunk(stored_writer *w, int file, int64 number, const char *bytes, size_t length)
{
	MemoryContext caller = MemoryContextSwitchTo(w->row);
	bytea *chunk = palloc(VARHDRSZ + length);
	Datum values[CHUNK_COLUMNS] = {
		[COLUMN_CONTENT - 1] = w->content,
		[COLUMN_FILE - 1] = Int32GetDatum(file),
		[COLUMN_CHUNK - 1] = Int64GetDatum(number),
		[COLUMN_BYTES - 1] = PointerGetDatum(chunk),
	};

	CHECK_FOR_INTERRUPTS();
	SET_VARSIZE(chunk, VARHDRSZ + length);
	memcpy(VARDATA(chunk), bytes, length);
	insert_row(w, w->chunks, w->chunk_keys, values);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(w->row);
}

void
stored_write_file(stored_writer *w, int number, const stored_file *file)
{
	MemoryContext caller = MemoryContextSwitchTo(w->row);
	Datum values[FILE_COLUMNS] = {
		[COLUMN_CONTENT - 1] = w->content,
		[COLUMN_FILE - 1] = Int32GetDatum(number),
		[COLUMN_NAME - 1] = CStringGetTextDatum(file->name),
		[COLUMN_SIZE - 1] = Int64GetDatum(file->size),
		[COLUMN_SHA256 - 1] = CStringGetTextDatum(file->sha256),
	};

	insert_row(w, w->files, w->file_keys, values);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(w->row);
}

void
stored_finish(stored_writer *w)
{
	CatalogCloseIndexes(w->chunk_keys);
	CatalogCloseIndexes(w->file_keys);
	table_close(w->chunks, NoLock);
	table_close(w->files, NoLock);
	MemoryContextDelete(w->row);
	CommandCounterIncrement();
}

/* ---- Forgetting ---- */

static void
delete_rows(const char *table, const char *content)
{
	scan s = begin_scan(table, content, -1, 0, RowExclusiveLock);
	HeapTuple row;

	while (HeapTupleIsValid(row = next_row(&s)))
	{
		CHECK_FOR_INTERRUPTS();
		CatalogTupleDelete(s.table, &row->t_self);
	}
	end_scan(&s, NoLock);
}

static void
forget_content(const char *content)
{
	if (server_points_to(content) || !stored_exists(content))
		return;
	stored_lock(content);
	if (server_points_to(content))
		return;
	delete_rows(CHUNKS, content);
	delete_rows(FILES, content);
	CommandCounterIncrement();
}

void
stored_forget(Oid server)
{
	List *contents = server_former_contents(server);
	ListCell *cell;

	foreach (cell, contents)
		forget_content(lfirst(cell));
}
