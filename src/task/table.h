/*
 * table.h
 *	  Tables that are asked questions: JSON to texts of columns and cells, and how TAPAS and TAPEX
 *	  see them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_TABLE_H
#define TFM_TASK_TABLE_H

#include "base/json.h"
#include "runtime/forward.h"

typedef struct task_table
{
	size_t columns, rows;
	const tfm_text *names; /* [columns] */
	const tfm_text *cells; /* [rows * columns], row after row */
} task_table;

static inline tfm_text
task_table_cell(const task_table *table, size_t row, size_t column)
{
	return table->cells[row * table->columns + column];
}

/*
 * The table of a JSON value: {"column": [cell, ...], ...}, as Transformers takes it; a list of objects,
 * one for each row; {"columns": [...], "data": [[...], ...]}; or a list of lists, the names first.
 * Numbers and truth values are their JSON text, null is empty.  Everything is in the context's arena.
 * INVALID_ARGUMENT for what is no table, has no rows, or rows of another length.
 */
extern bool task_read_table(tfm_context *context, json value, task_table *table);

/* ---- TAPAS ---- */

/* The types of a token, in the order of token_type_ids. */
enum
{
	TAPAS_SEGMENT,
	TAPAS_COLUMN,
	TAPAS_ROW,
	TAPAS_PREVIOUS,
	TAPAS_RANK,
	TAPAS_INVERSE_RANK,
	TAPAS_RELATION,
	TAPAS_TYPES
};

/* A table, tokenized, with its numbers. */
typedef struct tapas_table tapas_table;

/* INVALID_ARGUMENT for a table with too many columns. */
extern tapas_table *tapas_table_create(tfm_context *context, const run_model *model,
									   const task_table *table);

/*
 * A question and the table as tokens: ids [count], types [count, TAPAS_TYPES].  truncates: rows and
 * ends of cells are left out where the model has no place for them.
 */
extern bool tapas_encode(tfm_context *context, const tapas_table *table, tfm_text query,
						 bool truncates, run_sequence *sequence, int32_t **types);

/* ---- TAPEX ---- */

/* A question and the table as one text. */
extern bool tapex_flatten(tfm_context *context, const run_model *model, const task_table *table,
						  tfm_text query, tfm_text *text);

#endif
