/*
 * stat_counts.c
 *	  The counters behind the view tfm_stat_models.
 *
 * One table for all sessions in shared memory, or one of the session's own without it.  Counters
 * that are there are found under a shared lock and changed under a spinlock of their own; the
 * exclusive lock is for adding and forgetting them.
 *
 * A server that stops cleanly writes them to a file, and reads and removes it at its next start: so
 * after a crash they begin anew.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/stat_counts.h"

#include <unistd.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/backend.h"

/* The file, and what it begins with: to be changed with stat_count. */
#define STAT_FILE "tfm/statistics"
#define STAT_FILE_VERSION 0x54464D01

typedef struct stat_row
{
	uint64 hash; /* of count.key */
	slock_t mutex;
	stat_count count;
} stat_row;

typedef struct stat_table
{
	LWLock lock;
	bool shared;
	int count;
	stat_row rows[STAT_COUNTS_MAX];
} stat_table;

/* ---- Keeping them over a restart ---- */

typedef struct file_header
{
	uint32 version;
	uint32 row_size;
	int32 count;
	int32 server_version;
} file_header;

static const file_header expected = {
	.version = STAT_FILE_VERSION,
	.row_size = sizeof(stat_count),
	.server_version = PG_VERSION_NUM / 10000,
};

static bool
write_rows(FILE *file, const stat_table *table)
{
	file_header header = expected;

	header.count = table->count;
	if (fwrite(&header, sizeof(header), 1, file) != 1)
		return false;
	for (int i = 0; i < table->count; i++)
		if (fwrite(&table->rows[i].count, sizeof(stat_count), 1, file) != 1)
			return false;
	return true;
}

/* At the end of the postmaster; of a crash nothing is kept. */
static void
save_table(int code, Datum argument)
{
	const stat_table *table = tfm_backend.stat_table;
	FILE *file;
	bool written;

	if (code != 0 || table == NULL || table->count == 0)
		return;
	file = AllocateFile(STAT_FILE ".tmp", PG_BINARY_W);
	if (file == NULL) /* no model has been compiled here: there is no folder either */
		return;
	written = write_rows(file, table);
	if (FreeFile(file) != 0 || !written)
		unlink(STAT_FILE ".tmp");
	else
		(void) durable_rename(STAT_FILE ".tmp", STAT_FILE, LOG);
}

static uint64
hash_string(const char *string, uint64 seed)
{
	return hash_bytes_extended((const unsigned char *) string, (int) strlen(string), seed);
}

static uint64
hash_key(const stat_key *key)
{
	return hash_string(key->model, hash_string(key->kind, key->database));
}

static stat_row *
append_row(stat_table *table, const stat_count *count)
{
	stat_row *row = &table->rows[table->count++];

	row->hash = hash_key(&count->key);
	SpinLockInit(&row->mutex);
	row->count = *count;
	return row;
}

static void
read_rows(FILE *file, stat_table *table)
{
	file_header header;
	stat_count count;

	if (fread(&header, sizeof(header), 1, file) != 1 || header.version != expected.version ||
		header.row_size != expected.row_size || header.server_version != expected.server_version)
		return;
	while (table->count < Min(header.count, STAT_COUNTS_MAX) &&
		   fread(&count, sizeof(count), 1, file) == 1)
	{
		count.key.kind[STAT_KIND_SIZE - 1] = count.key.model[STAT_MODEL_SIZE - 1] = '\0';
		append_row(table, &count);
	}
}

static void
load_table(stat_table *table)
{
	FILE *file = AllocateFile(STAT_FILE, PG_BINARY_R);

	if (file == NULL)
		return;
	read_rows(file, table);
	FreeFile(file);
	unlink(STAT_FILE);
}

/* ---- The table ---- */

static Size
table_size(void)
{
	return sizeof(stat_table);
}

static void
initialize_table(void *memory)
{
	stat_table *table = memory;
	int tranche = LWLockNewTrancheId();

	LWLockRegisterTranche(tranche, "tfm_statistics");
	LWLockInitialize(&table->lock, tranche);
	table->shared = true;
	load_table(table);
	if (!IsUnderPostmaster)
		on_shmem_exit(save_table, (Datum) 0);
}

const shared_part stat_counts_part = {
	.name = "tfm statistics",
	.size = table_size,
	.initialize = initialize_table,
	.pointer = (void **) &tfm_backend.stat_table,
};

static stat_table *
own_table(void)
{
	stat_table *table = tfm_backend.stat_table;

	if (table != NULL)
		return table;
	table = MemoryContextAlloc(TopMemoryContext, sizeof(stat_table));
	table->shared = false;
	table->count = 0;
	return tfm_backend.stat_table = table;
}

static void
lock_table(stat_table *table, LWLockMode mode)
{
	if (table->shared)
		LWLockAcquire(&table->lock, mode);
}

static void
unlock_table(stat_table *table)
{
	if (table->shared)
		LWLockRelease(&table->lock);
}

bool
stat_counts_shared(void)
{
	return own_table()->shared;
}

/* ---- Counting ---- */

static stat_row *
find_row(stat_table *table, const stat_key *key, uint64 hash)
{
	for (int i = 0; i < table->count; i++)
	{
		stat_row *row = &table->rows[i];

		if (row->hash == hash && memcmp(&row->count.key, key, sizeof(*key)) == 0)
			return row;
	}
	return NULL;
}

/* Forget a row; the last one takes its place. */
static void
remove_row(stat_table *table, stat_row *row)
{
	const stat_row *last = &table->rows[--table->count];

	row->hash = last->hash;
	row->count = last->count;
}

static stat_row *
find_oldest(stat_table *table)
{
	stat_row *oldest = &table->rows[0];

	for (int i = 1; i < table->count; i++)
		if (table->rows[i].count.counters.last_used < oldest->count.counters.last_used)
			oldest = &table->rows[i];
	return oldest;
}

static stat_row *
find_or_add_row(stat_table *table, const stat_key *key, uint64 hash, TimestampTz now)
{
	stat_row *row = find_row(table, key, hash);
	stat_count fresh;

	if (row != NULL)
		return row;
	if (table->count == STAT_COUNTS_MAX)
		remove_row(table, find_oldest(table));
	memset(&fresh, 0, sizeof(fresh));
	fresh.key = *key;
	fresh.counters.since = now;
	return append_row(table, &fresh);
}

static void
add_counters(stat_counters *to, const stat_counters *more, TimestampTz now)
{
	to->calls += more->calls;
	to->rows += more->rows;
	to->passes += more->passes;
	to->tokens += more->tokens;
	to->reused += more->reused;
	to->made += more->made;
	to->errors += more->errors;
	to->total_time += more->total_time;
	to->max_time = Max(to->max_time, more->max_time);
	to->peak_bytes = Max(to->peak_bytes, more->peak_bytes);
	if (more->image_bytes > 0)
		to->image_bytes = more->image_bytes;
	to->last_used = now;
}

void
stat_counts_add(const stat_key *key, const stat_counters *more)
{
	stat_table *table = own_table();
	uint64 hash = hash_key(key);
	TimestampTz now = GetCurrentTimestamp();
	stat_row *row;

	lock_table(table, LW_SHARED);
	row = find_row(table, key, hash);
	if (row == NULL)
	{
		unlock_table(table);
		lock_table(table, LW_EXCLUSIVE);
		row = find_or_add_row(table, key, hash, now);
	}
	SpinLockAcquire(&row->mutex);
	add_counters(&row->count.counters, more, now);
	SpinLockRelease(&row->mutex);
	unlock_table(table);
}

int
stat_counts_copy(stat_count **counts)
{
	stat_table *table = own_table();
	int count;

	*counts = palloc(sizeof(stat_count) * STAT_COUNTS_MAX);
	lock_table(table, LW_SHARED);
	count = table->count;
	for (int i = 0; i < count; i++)
	{
		stat_row *row = &table->rows[i];

		SpinLockAcquire(&row->mutex);
		(*counts)[i] = row->count;
		SpinLockRelease(&row->mutex);
	}
	unlock_table(table);
	return count;
}

void
stat_counts_reset(const char *model)
{
	stat_table *table = own_table();

	lock_table(table, LW_EXCLUSIVE);
	for (int i = table->count - 1; i >= 0; i--)
	{
		const stat_key *key = &table->rows[i].count.key;

		if (model == NULL || (key->database == MyDatabaseId && strcmp(key->model, model) == 0))
			remove_row(table, &table->rows[i]);
	}
	unlock_table(table);
}
