/*
 * chunk.c
 *	  tfm_chunk: a text cut into chunks that fit a model.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "pg/border.h"
#include "pg/registry.h"
#include "pg/settings.h"
#include "task/chunk.h"

PG_FUNCTION_INFO_V1(tfm_chunk);

#define CHUNK_COLUMNS 5

static void
put_chunk(ReturnSetInfo *result, tfm_text input, const task_chunk *chunk, size_t number)
{
	text *content = border_to_text(input.data + chunk->start, chunk->end - chunk->start);
	bool nulls[CHUNK_COLUMNS] = {false};
	Datum values[CHUNK_COLUMNS] = {
		Int32GetDatum((int32) number + 1), PointerGetDatum(content),
		Int32GetDatum(chunk->first_char),  Int32GetDatum(chunk->past_char),
		Int32GetDatum(chunk->tokens),
	};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	pfree(content);
}

/* tfm_chunk([model text,] input text, max_tokens integer, overlap integer) returns table */
Datum
tfm_chunk(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int first = PG_NARGS() - 3;
	const registry_handle *handle;
	tfm_context *context;
	task_chunks chunks;
	tfm_text input;

	InitMaterializedSRF(fcinfo, 0);
	handle = registry_use(fcinfo, first > 0 ? PG_GETARG_TEXT_PP(0) : NULL, EMBED_SETTING);
	context = border_begin(handle->name);
	input = border_text(context, PG_GETARG_TEXT_PP(first));
	task_chunk_text(context, handle->model, input, PG_GETARG_INT32(first + 1),
					PG_GETARG_INT32(first + 2), &chunks);
	border_check(context);
	for (size_t i = 0; i < chunks.count; i++)
	{
		put_chunk(result, input, &chunks.items[i], i);
		CHECK_FOR_INTERRUPTS();
	}
	border_end(context);
	return (Datum) 0;
}
