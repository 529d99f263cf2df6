/*
 * worker_stat.c
 *	  The view tfm_stat_workers: how workers stand, and what their engine processes say of themselves.
 *
 * An engine process is asked by the session that looks, over the connection that it computes with.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "pg/border.h"
#include "pg/connection.h"
#include "pg/worker.h"

/* An engine process answers at once; how long one that does not is waited for, in milliseconds. */
#define STATUS_TIMEOUT 2000

#define COLUMNS 13

/* What an engine process says; false if it does not answer. */
static bool
ask_status(int worker, int64 generation, serve_status *status)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), STATUS_TIMEOUT);
	connection *c = connection_get(worker);
	tfm_context *context;
	buffer *frame;
	serve_kind kind;
	tfm_text data;
	bool answered;

	if (!connection_open(c, generation, until))
		return false;
	context = border_begin(NULL);
	frame = buffer_create(context);
	answered = frame != NULL && serve_write(context, frame, SERVE_STATUS, ++c->id, NULL, 0) &&
			   connection_send(c, frame->data, frame->length) &&
			   connection_receive(c, context, until, &kind, &data) == CONNECTION_OK &&
			   kind == SERVE_STATUS && serve_read_status(context, data, status);
	border_abandon(context);
	return answered;
}

/* What is known of a worker without asking it: the first nine columns. */
static void
fill_state(int worker, const worker_slot *slot, Datum *values, bool *nulls)
{
	values[0] = Int32GetDatum(worker + 1);
	values[1] = Int32GetDatum(slot->supervisor);
	nulls[1] = slot->supervisor == 0;
	values[2] = Int32GetDatum(slot->engine);
	nulls[2] = nulls[4] = slot->engine == 0;
	values[3] = CStringGetTextDatum(worker_state_name(slot->state));
	values[4] = TimestampTzGetDatum(slot->started);
	values[5] = Int64GetDatum(slot->restarts);
	values[6] = Int64GetDatum(slot->lost);
	values[7] = Int64GetDatum(slot->waiting);
	values[8] = Int64GetDatum(slot->running);
}

/* What its engine process says: the other columns. */
static void
fill_status(int worker, const worker_slot *slot, Datum *values, bool *nulls)
{
	serve_status status;

	if (slot->state != WORKER_READY || !ask_status(worker, slot->generation, &status))
	{
		nulls[9] = nulls[10] = nulls[11] = nulls[12] = true;
		return;
	}
	values[9] = Int64GetDatum(status.calls);
	values[10] = Int64GetDatum(status.passes);
	values[11] = Int64GetDatum(status.models);
	values[12] = Int64GetDatum(status.memory);
}

PG_FUNCTION_INFO_V1(tfm_stat_workers_rows);
Datum
tfm_stat_workers_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; worker_memory != NULL && i < worker_memory->workers; i++)
	{
		worker_slot slot = worker_look(i);
		Datum values[COLUMNS];
		bool nulls[COLUMNS] = {false};

		fill_state(i, &slot, values, nulls);
		fill_status(i, &slot, values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}
