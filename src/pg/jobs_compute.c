/*
 * jobs_compute.c
 *	  Computing a batch of an embedding job, outside of transactions.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/jobs.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pg/border.h"
#include "pg/embed.h"
#include "pg/registry.h"
#include "pg/server.h"
#include "pg/vector.h"
#include "task/chunk.h"

char *
job_made_with(const job *j, const registry_handle *model)
{
	StringInfoData said;
	server_model server;

	if (!server_find(j->model, &server) || server.content == NULL)
		return pstrdup(run_model_describe(model->model)->content);
	initStringInfo(&said);
	appendStringInfoString(&said, server.content);
	if (server.dtype != NULL)
		appendStringInfo(&said, " %s", server.dtype);
	if (server.compute != NULL)
		appendStringInfo(&said, " %s", server.compute);
	return said.data;
}

/* ---- Results ---- */

/* The whole text of a row is its only result, which has no content. */
static void
take_whole(job_row *row)
{
	row->chunks = 1;
	row->results = palloc0(sizeof(job_chunk));
}

static void
take_chunks(tfm_context *context, const job *j, const registry_handle *model, job_row *row)
{
	tfm_text input = border_string(context, row->source, strlen(row->source));
	task_chunks chunks;

	task_chunk_text(context, model->model, input, j->chunk, j->overlap, &chunks);
	border_check(context);
	row->chunks = (int) chunks.count;
	row->results = palloc0(sizeof(job_chunk) * Max(chunks.count, 1));
	for (size_t i = 0; i < chunks.count; i++)
	{
		const task_chunk *chunk = &chunks.items[i];

		row->results[i].content =
			border_to_cstring(input.data + chunk->start, chunk->end - chunk->start);
		row->results[i].start = chunk->first_char;
		row->results[i].end = chunk->past_char;
	}
}

/* ---- Embedding ---- */

static text *
to_text(const char *string)
{
	return string != NULL ? cstring_to_text(string) : NULL;
}

/* argument is where the results are. */
static void
keep_embedding(void *argument, int row, const float *embedding, int dimensions)
{
	job_chunk **results = argument;

	results[row]->embedding = vector_from_floats(embedding, dimensions);
}

static void
embed_results(const job *j, const registry_handle *model, job_row *rows, int count)
{
	embed_values values = {
		.pooling = to_text(j->pooling),
		.prompt = to_text(j->prompt),
		.normalize = j->normalize,
		.dimensions = j->dimensions,
	};
	int most = 0, used = 0;
	text **texts;
	job_chunk **results;

	for (int i = 0; i < count; i++)
		most += rows[i].chunks;
	texts = palloc(sizeof(text *) * Max(most, 1));
	results = palloc(sizeof(job_chunk *) * Max(most, 1));
	for (int i = 0; i < count; i++)
		for (int k = 0; k < rows[i].chunks; k++)
		{
			job_chunk *result = &rows[i].results[k];

			texts[used] = to_text(result->content != NULL ? result->content : rows[i].source);
			results[used++] = result;
		}
	embed_texts(model, texts, used, &values, keep_embedding, results);
}

/* Chunks and embeddings of rows, or an error thrown. */
static void
compute_rows(const job *j, const registry_handle *model, job_row *rows, int count)
{
	for (int i = 0; i < count; i++)
	{
		rows[i].chunks = 0;
		if (rows[i].source == NULL)
			continue;
		if (j->chunk > 0)
		{
			tfm_context *context = border_begin(model->name);

			take_chunks(context, j, model, &rows[i]);
			border_end(context);
		}
		else
			take_whole(&rows[i]);
	}
	embed_results(j, model, rows, count);
}

/*
 * The error of computing rows, or NULL.  What is called here leaves nothing behind that only the end
 * of a transaction would clear.
 */
static ErrorData *
try_rows(const job *j, const registry_handle *model, job_row *rows, int count)
{
	MemoryContext memory = CurrentMemoryContext;
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		compute_rows(j, model, rows, count);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	return error;
}

/* Whether an error says nothing of the row that was computed. */
static bool
is_general(int sqlstate)
{
	int category = ERRCODE_TO_CATEGORY(sqlstate);

	return sqlstate != ERRCODE_OUT_OF_MEMORY &&
		   (category == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
			category == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
			category == ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR) ||
			category == ERRCODE_TO_CATEGORY(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE));
}

static ErrorData *
compute_part(const job *j, const registry_handle *model, job_row *rows, int first, int count)
{
	ErrorData *error = try_rows(j, model, rows + first, count);

	if (error == NULL || is_general(error->sqlerrcode))
		return error;
	if (count == 1)
	{
		rows[first].error = error;
		return NULL;
	}
	error = compute_part(j, model, rows, first, count / 2);
	if (error != NULL)
		return error;
	return compute_part(j, model, rows, first + count / 2, count - count / 2);
}

/* Texts of other encodings are converted by functions of the catalog. */
static bool
needs_transaction(void)
{
	return !IsTransactionState() && GetDatabaseEncoding() != PG_UTF8 &&
		   GetDatabaseEncoding() != PG_SQL_ASCII;
}

ErrorData *
job_compute(const job *j, const registry_handle *model, job_row *rows, int first, int count)
{
	MemoryContext memory = CurrentMemoryContext;
	bool starts = needs_transaction();
	ErrorData *error;

	if (starts)
	{
		StartTransactionCommand();
		MemoryContextSwitchTo(memory);
	}
	error = count > 0 ? compute_part(j, model, rows, first, count) : NULL;
	if (starts)
	{
		CommitTransactionCommand();
		MemoryContextSwitchTo(memory);
	}
	return error;
}
