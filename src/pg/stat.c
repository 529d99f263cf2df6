/*
 * stat.c
 *	  What models have computed, and what sessions compute now.
 *
 * A piece of work is seen in the session's slot while it lasts (stat_activity.c) and added to the
 * counters at its end (stat_counts.c); the SQL functions are in stat_views.c.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/stat.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "pg/backend.h"
#include "pg/stat_activity.h"
#include "pg/stat_counts.h"

/* ---- What is seen ---- */

/* A copy cut at a character's end. */
static void
copy_name(char *to, const char *name, size_t size)
{
	size_t length = strlen(name);

	if (length >= size)
		length = (size_t) pg_mbcliplen(name, (int) length, (int) size - 1);
	memcpy(to, name, length);
	to[length] = '\0';
}

/* Rows of earlier calls count in the statement that they were of. */
static void
begin_statement(stat_slot *slot)
{
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (slot->statement == statement)
		return;
	slot->statement = statement;
	slot->rows_done = 0;
}

stat_phase
stat_set_phase(stat_phase phase, const char *model)
{
	stat_slot *slot = stat_slot_own();
	stat_phase outer = slot->phase;
	TimestampTz now = GetCurrentTimestamp();

	stat_slot_begin_change(slot);
	slot->phase = phase;
	slot->started = now;
	slot->bytes_done = slot->bytes_total = 0;
	if (model != NULL)
		copy_name(slot->model, model, sizeof(slot->model));
	stat_slot_end_change(slot);
	return outer;
}

void
stat_set_model(const char *model, bool registered)
{
	stat_slot *slot = stat_slot_own();

	stat_slot_begin_change(slot);
	copy_name(slot->model, model, sizeof(slot->model));
	slot->registered = registered;
	slot->kind[0] = '\0';
	slot->rows = slot->tokens = slot->made = 0;
	begin_statement(slot);
	stat_slot_end_change(slot);
}

void
stat_poll(const tfm_context *context)
{
	stat_slot *slot = tfm_backend.stat_slot;

	if (slot == NULL || slot->phase == STAT_IDLE ||
		(slot->tokens == context->usage.tokens && slot->made == context->usage.made &&
		 slot->bytes_done == context->progress.done))
		return;
	stat_slot_begin_change(slot);
	slot->tokens = context->usage.tokens;
	slot->made = context->usage.made;
	slot->bytes_done = context->progress.done;
	slot->bytes_total = context->progress.total;
	stat_slot_end_change(slot);
}

/* ---- What is counted ---- */

static stat_work
start(const tfm_context *context, stat_phase outer)
{
	stat_work work = {
		.started = clock_now(),
		.before = context->usage,
		.used = arena_used(context->arena),
		.outer = outer,
	};

	arena_reset_peak(context->arena);
	return work;
}

double
stat_elapsed(const stat_work *work)
{
	return 1000 * (clock_now() - work->started);
}

static void
count(const tfm_context *context, const stat_work *work, const stat_key *key, int64 calls,
	  int64 rows, int64 image_bytes)
{
	const tfm_usage *usage = &context->usage, *before = &work->before;
	size_t peak = arena_peak(context->arena);
	double elapsed = stat_elapsed(work);
	stat_counters more = {
		.calls = calls,
		.rows = rows,
		.passes = usage->passes - before->passes,
		.tokens = usage->tokens - before->tokens,
		.reused = usage->reused - before->reused,
		.made = usage->made - before->made,
		.errors = tfm_failed(context) ? 1 : 0,
		.total_time = elapsed,
		.max_time = elapsed,
		.peak_bytes = peak > work->used ? (int64) (peak - work->used) : 0,
		.image_bytes = image_bytes,
	};

	stat_counts_add(key, &more);
}

static stat_key
make_key(const char *model, bool registered, const char *kind)
{
	stat_key key;

	memset(&key, 0, sizeof(key));
	key.database = MyDatabaseId;
	key.registered = registered;
	strlcpy(key.kind, kind, sizeof(key.kind));
	copy_name(key.model, model, sizeof(key.model));
	return key;
}

stat_work
stat_begin(tfm_context *context, const registry_handle *model, const char *kind, int64 rows)
{
	stat_slot *slot = stat_slot_own();
	stat_phase outer = stat_set_phase(STAT_COMPUTING, model->name);
	stat_work work;

	stat_slot_begin_change(slot);
	slot->registered = model->registered;
	strlcpy(slot->kind, kind, sizeof(slot->kind));
	slot->rows = rows;
	slot->tokens = slot->made = 0;
	begin_statement(slot);
	stat_slot_end_change(slot);
	work = start(context, outer);
	tfm_backend.stat_computing = true;
	tfm_backend.stat_started = work.started;
	return work;
}

void
stat_end(tfm_context *context, const registry_handle *model, const stat_work *work,
		 const char *kind, int64 rows)
{
	stat_slot *slot = stat_slot_own();
	stat_key key = make_key(model->name, model->registered, kind);

	count(context, work, &key, rows > 0 ? 1 : 0, rows,
		  run_model_describe(model->model)->image_bytes);
	tfm_backend.stat_computing = false;
	stat_slot_begin_change(slot);
	slot->phase = work->outer;
	slot->rows_done += rows;
	stat_slot_end_change(slot);
}

stat_work
stat_begin_image(tfm_context *context, stat_phase phase)
{
	context->progress = (tfm_progress) {0};
	return start(context, stat_set_phase(phase, NULL));
}

void
stat_end_image(tfm_context *context, const stat_work *work, const char *kind, int64 image_bytes)
{
	const stat_slot *slot = stat_slot_own();
	stat_key key = make_key(slot->model, slot->registered, kind);

	count(context, work, &key, 1, 0, image_bytes);
	context->progress = (tfm_progress) {0};
	stat_set_phase(work->outer, NULL);
}

/* Count what an error that was thrown has ended: all that is known of it is what was seen. */
static void
count_thrown(const stat_slot *slot)
{
	stat_work work = {.started = tfm_backend.stat_started};
	stat_key key = make_key(slot->model, slot->registered, slot->kind);
	double elapsed = stat_elapsed(&work);
	stat_counters more = {
		.calls = slot->rows > 0 ? 1 : 0,
		.rows = slot->rows,
		.tokens = slot->tokens,
		.made = slot->made,
		.errors = 1,
		.total_time = elapsed,
		.max_time = elapsed,
	};

	stat_counts_add(&key, &more);
}

void
stat_rest(void)
{
	stat_slot *slot = tfm_backend.stat_slot;

	if (slot == NULL || slot->phase == STAT_IDLE)
		return;
	if (tfm_backend.stat_computing)
		count_thrown(slot);
	tfm_backend.stat_computing = false;
	stat_slot_begin_change(slot);
	slot->phase = STAT_IDLE;
	stat_slot_end_change(slot);
}

/* ---- Waiting ---- */

uint32
stat_wait_event(stat_wait wait)
{
#if PG_VERSION_NUM >= 170000
	static const char *const names[STAT_WAITS] = {
		[STAT_WAIT_WORKER] = "TfmWorkerReply",
		[STAT_WAIT_QUEUE] = "TfmWorkerQueue",
		[STAT_WAIT_SUPERVISOR] = "TfmSupervisorMain",
		[STAT_WAIT_JOBS] = "TfmJobsMain",
	};

	/* The server knows the name already where another process has asked for it. */
	if (tfm_backend.wait_events[wait] == 0)
		tfm_backend.wait_events[wait] = WaitEventExtensionNew(names[wait]);
	return tfm_backend.wait_events[wait];
#else
	return PG_WAIT_EXTENSION;
#endif
}
