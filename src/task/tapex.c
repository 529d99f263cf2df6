/*
 * tapex.c
 *	  A question and a table as one text: what year ... col : year | city row 1 : 1896 | athens ...
 *	  Follows tokenization_tapex.py of Transformers 4.57.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "base/utf8.h"
#include "runtime/loaded.h"
#include "task/table.h"
#include "text/python/unicode.h"

/* Tokens of a cell where the files do not say how many. */
#define USUAL_CELL_LENGTH 15

/* A cell of no more than so many tokens. */
static bool
append_cell(tfm_context *context, const tok_tokenizer *tokenizer, int64_t most, tfm_text cell,
			buffer *b)
{
	tok_encoding encoding;

	if (!tok_encode(context, tokenizer, cell, NULL, &(tok_encode_options) {0}, &encoding))
		return false;
	if (encoding.count >= (size_t) most && encoding.count > 0 &&
		!tok_decode(context, tokenizer, encoding.ids, (size_t) most, false, &cell))
		return false;
	return buffer_append(context, b, cell.data, cell.length);
}

/* str.lower() */
static bool
lower_text(tfm_context *context, tfm_text *text)
{
	char *lowered = tfm_alloc_array(context, 3 * text->length + 1, 4);
	size_t length = 0;

	if (lowered == NULL)
		return false;
	for (size_t i = 0; i < text->length;)
	{
		uint32_t lower[3];
		int width, count;

		count = tok_python_lower(utf8_decode(text->data + i, &width), lower);
		for (int j = 0; j < count; j++)
			length += (size_t) utf8_encode(lower[j], lowered + length);
		i += (size_t) width;
	}
	*text = (tfm_text) {lowered, length};
	return true;
}

bool
tapex_flatten(tfm_context *context, const run_model *model, const task_table *table, tfm_text query,
			  tfm_text *text)
{
	json file = run_model_json(context, model, "tokenizer_config.json");
	int64_t most = json_int(context, file, "max_cell_length", USUAL_CELL_LENGTH, 0, INT32_MAX);
	bool lowers = json_bool(context, file, "do_lower_case", true);
	buffer *b = buffer_create(context);

	if (b == NULL || tfm_failed(context))
		return false;
	buffer_append(context, b, query.data, query.length);
	buffer_append_string(context, b, query.length > 0 ? " col : " : "col : ");
	for (size_t c = 0; c < table->columns; c++)
	{
		buffer_append_string(context, b, c > 0 ? " | " : "");
		buffer_append(context, b, table->names[c].data, table->names[c].length);
	}
	for (size_t r = 0; r < table->rows && !tfm_stopped(context); r++)
	{
		buffer_printf(context, b, " row %zu : ", r + 1);
		for (size_t c = 0; c < table->columns; c++)
		{
			buffer_append_string(context, b, c > 0 ? " | " : "");
			if (!append_cell(context, model->tokenizer, most, task_table_cell(table, r, c), b))
				return false;
		}
	}
	*text = (tfm_text) {b->data, tok_trim_end(b->data, b->length, tok_python_is_space)};
	return !tfm_failed(context) && (!lowers || lower_text(context, text));
}
