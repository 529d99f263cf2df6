/*
 * table.c
 *	  Tables as JSON.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/table.h"

#include <string.h>

#include "base/buffer.h"

#define MAX_CELLS (1 << 22)

/* A table while it is read. */
typedef struct reader
{
	tfm_context *context;
	tfm_text *names;
	tfm_text *cells;
	size_t columns, rows;
} reader;

static bool
fail_table(tfm_context *context, const char *why)
{
	tfm_fail(context, TFM_INVALID_ARGUMENT, "%s", why);
	return tfm_hint(context,
					"A table is {\"column\": [cell, ...], ...}, a list of objects with the "
					"same keys, or a list of rows with the columns' names first.");
}

/* A value as the text of a cell. */
static bool
read_cell(tfm_context *context, json value, bool is_null, tfm_text *cell)
{
	buffer *b;

	*cell = (tfm_text) {"", 0};
	if (tfm_stopped(context))
		return false;
	if (is_null)
		return true;
	if (json_is_string(value))
	{
		*cell = (tfm_text) {json_as_string(value), strlen(json_as_string(value))};
		return true;
	}
	if (json_is_object(value) || json_is_array(value))
		return fail_table(context, "a cell of the table is no text");
	b = buffer_create(context);
	if (b == NULL || !json_append(context, b, value))
		return false;
	if (!json_is_number(value) && !json_is_bool(value)) /* null */
		return true;
	*cell = (tfm_text) {b->data, b->length};
	return true;
}

static bool
make_room(reader *r, size_t columns, size_t rows)
{
	if (columns == 0 || rows == 0)
		return fail_table(r->context, "the table is empty");
	if (columns > MAX_CELLS || rows > MAX_CELLS / columns)
		return tfm_fail(r->context, TFM_LIMIT_EXCEEDED, "the table has more than %d cells",
						MAX_CELLS);
	r->columns = columns;
	r->rows = rows;
	r->names = tfm_alloc_array(r->context, columns, sizeof(tfm_text));
	r->cells = tfm_alloc_zero(r->context, columns * rows * sizeof(tfm_text));
	return r->names != NULL && r->cells != NULL;
}

/* Names, or cells, from a list of just so many. */
static bool
read_list(tfm_context *context, json list, size_t count, tfm_text *texts)
{
	if (!json_is_array(list) || json_size(list) != count)
		return fail_table(context, "the rows of the table do not have the same length");
	for (json v = json_first(list); json_present(v); v = json_next(v))
		if (!read_cell(context, v, false, texts++))
			return false;
	return true;
}

static bool
read_lists(reader *r, json names, json first)
{
	size_t rows = 0;

	for (json v = first; json_present(v); v = json_next(v))
		rows++;
	if (!make_room(r, json_size(names), rows) ||
		!read_list(r->context, names, r->columns, r->names))
		return false;
	for (size_t i = 0; i < r->rows; i++, first = json_next(first))
		if (!read_list(r->context, first, r->columns, r->cells + i * r->columns))
			return false;
	return true;
}

/* {"a": [1, 2], "b": [3, 4]} */
static bool
read_columns(reader *r, json object)
{
	size_t column = 0;

	if (!make_room(r, json_size(object), json_size(json_first(object))))
		return false;
	for (json c = json_first(object); json_present(c); c = json_next(c), column++)
	{
		size_t row = 0;

		r->names[column] = (tfm_text) {json_key(c), strlen(json_key(c))};
		if ((!json_is_array(c) && !json_is_object(c)) || json_size(c) != r->rows)
			return fail_table(r->context, "the columns of the table do not have the same length");
		for (json v = json_first(c); json_present(v); v = json_next(v), row++)
			if (!read_cell(r->context, v, false, &r->cells[row * r->columns + column]))
				return false;
	}
	return true;
}

/* [{"a": 1, "b": 3}, {"a": 2, "b": 4}]: the columns are those of the first. */
static bool
read_objects(reader *r, json list)
{
	json first = json_first(list);
	size_t row = 0, column = 0;

	if (!make_room(r, json_size(first), json_size(list)))
		return false;
	for (json c = json_first(first); json_present(c); c = json_next(c), column++)
		r->names[column] = (tfm_text) {json_key(c), strlen(json_key(c))};
	for (json o = first; json_present(o); o = json_next(o), row++)
	{
		if (!json_is_object(o) || json_size(o) != r->columns)
			return fail_table(r->context, "the rows of the table do not have the same columns");
		for (column = 0; column < r->columns; column++)
		{
			json value = json_member(o, r->names[column].data);

			if (!read_cell(r->context, value, !json_present(value),
						   &r->cells[row * r->columns + column]))
				return false;
		}
	}
	return true;
}

bool
task_read_table(tfm_context *context, json value, task_table *table)
{
	reader r = {.context = context};
	json first = json_first(value), inner = json_member(value, "table");
	json names = json_member(value, "columns"), data = json_member(value, "data");
	bool done = false;

	if (json_is_object(value) && json_size(value) == 1 && json_is_object(inner))
		return task_read_table(context, inner, table);
	if (!json_is_object(value) && !json_is_array(value))
		fail_table(context, "the table is neither a JSON object nor a list");
	else if (json_is_object(value) && json_size(value) == 2 && json_is_array(names) &&
			 json_is_array(json_first(data)))
		done = read_lists(&r, names, json_first(data));
	else if (json_is_object(value))
		done = read_columns(&r, value);
	else if (json_is_array(first))
		done = read_lists(&r, first, json_next(first));
	else
		done = read_objects(&r, value);
	*table =
		(task_table) {.columns = r.columns, .rows = r.rows, .names = r.names, .cells = r.cells};
	return done;
}
