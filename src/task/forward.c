/*
 * forward.c
 *	  The raw forward pass: JSON tensors in, JSON tensors out.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/forward.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "runtime/loaded.h"

#define MAX_INPUT_TOKENS (1 << 24)

#define MAX_INPUT_RANK 4

/*
 * A tensor of the caller's: whole numbers [rows, columns] or [examples, choices, columns], or floats
 * with one dimension more.
 */
typedef struct input
{
	bool is_float;
	bool any_rank;
	int rank; /* 0: not given */
	int64_t shape[MAX_INPUT_RANK];
	int32_t *data; /* whole numbers */
	float *floats;
} input;

/* What the encoder, or the only part of a model, is given, and what the decoder is. */
typedef struct part_arguments
{
	input ids;
	input embeds;
	input attention_mask;
	input token_type_ids;
	input position_ids;
	bool is_decoder;
} part_arguments;

typedef struct arguments
{
	part_arguments encoder, decoder;
	const char *main_input; /* another name of the ids, or of the rows in their place; or NULL */
	const nn_input_kind *kinds; /* of the family's own inputs, or NULL */
	input *own;					/* one for each */
	bool output_hidden_states;
} arguments;

/* ---- Reading arguments ---- */

static bool
fail_argument(tfm_context *context, const char *name, const char *what)
{
	return tfm_fail(context, TFM_INVALID_ARGUMENT, "argument \"%s\" %s", name, what);
}

static bool
allocate_input(tfm_context *context, int64_t count, input *t)
{
	if (t->is_float)
		t->floats = tfm_alloc_array(context, (size_t) count, sizeof(float));
	else
		t->data = tfm_alloc_array(context, (size_t) count, sizeof(int32_t));
	return !tfm_failed(context);
}

static bool
set_element(tfm_context *context, const char *name, json value, input *t, int64_t i)
{
	int64_t number;

	if (t->is_float)
	{
		t->floats[i] = (float) json_as_number(value);
		return json_is_number(value) || fail_argument(context, name, "must hold numbers");
	}
	if (json_is_bool(value))
		number = json_as_bool(value);
	else if (!json_to_int(value, INT32_MIN, INT32_MAX, &number))
		return fail_argument(context, name, "must hold whole numbers");
	t->data[i] = (int32_t) number;
	return true;
}

/* {"dtype", "shape", "data"} */
static bool
read_flat_tensor(tfm_context *context, const char *name, json value, input *t)
{
	json shape = json_member(value, "shape");
	json data = json_member(value, "data");
	int64_t count = 1, i = 0;

	for (json size = json_first(shape); json_present(size); size = json_next(size))
	{
		if (t->rank == MAX_INPUT_RANK)
			return fail_argument(context, name, "has too many dimensions");
		if (!json_to_int(size, 0, MAX_INPUT_TOKENS, &t->shape[t->rank]))
			return fail_argument(context, name, "has a shape that is not allowed");
		count *= t->shape[t->rank++];
		if (count > MAX_INPUT_TOKENS)
			return fail_argument(context, name, "is too large");
	}
	if (!json_is_array(shape) || !json_is_array(data) || (int64_t) json_size(data) != count)
		return fail_argument(context, name, "must have as much \"data\" as its \"shape\" says");
	if (!allocate_input(context, count, t))
		return false;
	for (json e = json_first(data); json_present(e); e = json_next(e))
		if (!set_element(context, name, e, t, i++))
			return false;
	return true;
}

/* Fill the part of a nested array at depth; all arrays of a depth have the same length. */
static bool
fill_nested(tfm_context *context, const char *name, json value, int depth, input *t, int64_t *used)
{
	if (depth == t->rank)
		return set_element(context, name, value, t, (*used)++);
	if (!json_is_array(value) || (int64_t) json_size(value) != t->shape[depth])
		return fail_argument(context, name, "must be an array whose rows have one length");
	for (json child = json_first(value); json_present(child); child = json_next(child))
		if (!fill_nested(context, name, child, depth + 1, t, used))
			return false;
	return true;
}

static bool
read_nested_tensor(tfm_context *context, const char *name, json value, input *t)
{
	int64_t count = 1, used = 0;

	for (json level = value; json_is_array(level); level = json_first(level))
	{
		if (t->rank == MAX_INPUT_RANK)
			return fail_argument(context, name, "has too many dimensions");
		t->shape[t->rank] = (int64_t) json_size(level);
		if (t->shape[t->rank] > MAX_INPUT_TOKENS)
			return fail_argument(context, name, "is too large");
		count *= t->shape[t->rank++];
		if (count > MAX_INPUT_TOKENS)
			return fail_argument(context, name, "is too large");
	}
	return allocate_input(context, count, t) && fill_nested(context, name, value, 0, t, &used);
}

static bool
read_tensor(tfm_context *context, const char *name, json value, input *t)
{
	bool read = json_is_object(value) ? read_flat_tensor(context, name, value, t)
									  : read_nested_tensor(context, name, value, t);
	int least = t->is_float ? 3 : 2;

	if (!read)
		return false;
	if (t->any_rank ? t->rank == 0 : t->rank < least || t->rank > least + 1)
		return fail_argument(context, name, "has the wrong number of dimensions");
	for (int i = 0; i < t->rank; i++)
		if (t->shape[i] == 0)
			return fail_argument(context, name, "is empty");
	return true;
}

/* A plain argument that must have the value that we compute with anyway. */
static bool
read_fixed(tfm_context *context, const char *name, json value)
{
	bool fixed = strcmp(name, "return_dict") == 0;

	if (json_is_bool(value) && json_as_bool(value) == fixed)
		return true;
	return tfm_fail(context, TFM_UNSUPPORTED, "argument \"%s\" can only be %s", name,
					fixed ? "true" : "false");
}

static size_t
count_dimensions(json value)
{
	size_t depth = 0;

	if (json_is_object(value))
		return json_size(json_member(value, "shape"));
	for (; json_is_array(value); value = json_first(value))
		depth++;
	return depth;
}

/* Where the tensor of a name goes; NULL if there is none of that name. */
static input *
find_input(arguments *a, const char *name, json value)
{
	const struct
	{
		const char *name;
		input *place;
	} inputs[] = {
		{"input_ids", &a->encoder.ids},
		{"inputs_embeds", &a->encoder.embeds},
		{"attention_mask", &a->encoder.attention_mask},
		{"token_type_ids", &a->encoder.token_type_ids},
		{"position_ids", &a->encoder.position_ids},
		{"decoder_input_ids", &a->decoder.ids},
		{"decoder_inputs_embeds", &a->decoder.embeds},
		{"decoder_attention_mask", &a->decoder.attention_mask},
	};

	if (a->main_input != NULL && strcmp(a->main_input, name) == 0)
		return count_dimensions(value) <= 2 ? &a->encoder.ids : &a->encoder.embeds;
	for (int i = 0; a->kinds != NULL && a->kinds[i].name != NULL; i++)
		if (strcmp(a->kinds[i].name, name) == 0)
			return &a->own[i];
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
		if (strcmp(inputs[i].name, name) == 0)
			return inputs[i].place;
	return NULL;
}

/* Pictures [rows, colours, height, width] become rows of pixels, [rows, height * width, colours]. */
static bool
flatten_pictures(tfm_context *context, input *t)
{
	int64_t colours = t->shape[1], pixels = t->shape[2] * t->shape[3];
	int64_t count = t->shape[0] * colours * pixels;
	float *rows = tfm_alloc_array(context, (size_t) count, sizeof(float));

	for (int64_t i = 0; rows != NULL && i < count; i++)
	{
		int64_t row = i / (colours * pixels), pixel = i / colours % pixels, colour = i % colours;

		rows[i] = t->floats[(row * colours + colour) * pixels + pixel];
	}
	t->floats = rows;
	t->rank = 3;
	t->shape[1] = pixels;
	t->shape[2] = colours;
	return rows != NULL;
}

static bool
read_argument(tfm_context *context, json value, arguments *a)
{
	const char *name = json_key(value);
	input *t = find_input(a, name, value);

	if (!json_is_array(value) && !json_is_object(value) && !json_is_bool(value) &&
		!json_is_number(value) && !json_is_string(value))
		return true; /* null: as if it were not given */
	if (t != NULL && !read_tensor(context, name, value, t))
		return false;
	if (t == &a->encoder.embeds && t->rank == 4 && a->main_input != NULL)
		return flatten_pictures(context, t);
	if (t != NULL)
		return true;
	if (strcmp(name, "output_hidden_states") == 0 && json_is_bool(value))
	{
		a->output_hidden_states = json_as_bool(value);
		return true;
	}
	if (strcmp(name, "return_dict") == 0 || strcmp(name, "output_attentions") == 0 ||
		strcmp(name, "use_cache") == 0)
		return read_fixed(context, name, value);
	return tfm_fail(context, TFM_UNSUPPORTED, "argument \"%.64s\" is not supported", name);
}

/* Room for the inputs that only this family has. */
static bool
allocate_own_inputs(tfm_context *context, const nn_family *family, arguments *a)
{
	size_t count = 0;

	a->main_input = family->main_input;
	a->kinds = family->inputs;
	while (a->kinds != NULL && a->kinds[count].name != NULL)
		count++;
	a->own = tfm_alloc_zero(context, count * sizeof(input));
	for (size_t i = 0; a->own != NULL && i < count; i++)
	{
		a->own[i].is_float = a->kinds[i].is_float;
		a->own[i].any_rank = true;
	}
	return a->own != NULL;
}

static bool
read_arguments(tfm_context *context, const nn_family *family, tfm_text text, arguments *a)
{
	json object = json_parse(context, text.data, text.length, "inputs");

	if (tfm_failed(context))
	{
		if (context->error.kind == TFM_CORRUPTED)
			context->error.kind = TFM_INVALID_ARGUMENT;
		return false;
	}
	if (!json_is_object(object))
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "inputs must be a JSON object");
	a->encoder.embeds.is_float = a->decoder.embeds.is_float = true;
	a->decoder.is_decoder = true;
	if (!allocate_own_inputs(context, family, a))
		return false;
	for (json value = json_first(object); json_present(value); value = json_next(value))
		if (!read_argument(context, value, a))
			return false;
	if ((a->encoder.ids.rank == 0) == (a->encoder.embeds.rank == 0))
		return tfm_fail(
			context, TFM_INVALID_ARGUMENT,
			"exactly one of the arguments \"input_ids\" and \"inputs_embeds\" is needed");
	if (a->decoder.ids.rank != 0 && a->decoder.embeds.rank != 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"the arguments \"decoder_input_ids\" and \"decoder_inputs_embeds\" cannot "
						"both be given");
	return true;
}

/* ---- Rows to a batch ---- */

/* The caller's rows: what outputs are padded back to. */
typedef struct grid
{
	int64_t rows, columns, choices;
	const uint8_t *mask; /* [rows, columns], or NULL */
} grid;

/* A tensor beside the ids: one value for each cell, or one row for all; absent is fine. */
static bool
check_shape(tfm_context *context, const char *name, const grid *g, input *t)
{
	int64_t rows = 1;
	int32_t *data;

	if (t->rank == 0)
		return true;
	for (int i = 0; i < t->rank - 1; i++)
		rows *= t->shape[i];
	if (t->shape[t->rank - 1] != g->columns || (rows != 1 && rows != g->rows))
		return fail_argument(context, name, "must have the shape of the input");
	if (rows == g->rows)
		return true;
	data = tfm_alloc_array(context, (size_t) (g->rows * g->columns), sizeof(int32_t));
	for (int64_t i = 0; data != NULL && i < g->rows * g->columns; i++)
		data[i] = t->data[i % g->columns];
	t->data = data;
	return data != NULL;
}

static bool
make_grid(tfm_context *context, part_arguments *a, grid *g)
{
	const char *mask_name = a->is_decoder ? "decoder_attention_mask" : "attention_mask";
	const input *main_input = a->ids.rank != 0 ? &a->ids : &a->embeds;
	int rank = main_input->is_float ? main_input->rank - 1 : main_input->rank;
	const int64_t *shape = main_input->shape;
	int64_t cells;
	uint8_t *mask;

	*g = (grid) {
		.rows = rank == 3 ? shape[0] * shape[1] : shape[0],
		.columns = shape[rank - 1],
		.choices = rank == 3 ? shape[1] : 1,
	};
	cells = g->rows * g->columns;
	if (!check_shape(context, mask_name, g, &a->attention_mask) ||
		!check_shape(context, "token_type_ids", g, &a->token_type_ids) ||
		!check_shape(context, "position_ids", g, &a->position_ids))
		return false;
	if (a->attention_mask.rank == 0)
		return true;
	mask = tfm_alloc(context, (size_t) cells);
	for (int64_t i = 0; mask != NULL && i < cells; i++)
		mask[i] = a->attention_mask.data[i] != 0;
	g->mask = mask;
	return mask != NULL;
}

static bool
make_sequences(tfm_context *context, const run_model *loaded, const part_arguments *a,
			   const grid *g, run_sequence **result)
{
	run_sequence *sequences = tfm_alloc_array(context, (size_t) g->rows, sizeof(run_sequence));
	const input *embeds = &a->embeds;
	int64_t hidden = embeds->rank == 0 ? 0 : embeds->shape[embeds->rank - 1];

	if (sequences == NULL)
		return false;
	if (hidden != 0 && hidden != nn_embedding_size(run_config(loaded)))
		return fail_argument(context, a->is_decoder ? "decoder_inputs_embeds" : "inputs_embeds",
							 "does not have the model's hidden size");
	for (int64_t i = 0; i < g->rows; i++)
	{
		int64_t start = i * g->columns;

		sequences[i] = (run_sequence) {
			.ids = hidden != 0 ? NULL : a->ids.data + start,
			.embeds = hidden != 0 ? embeds->floats + start * hidden : NULL,
			.count = g->columns,
			.mask = g->mask == NULL ? NULL : g->mask + start,
			.types = a->token_type_ids.rank == 0 ? NULL : a->token_type_ids.data + start,
			.positions = a->position_ids.rank == 0 ? NULL : a->position_ids.data + start,
		};
	}
	*result = sequences;
	return true;
}

/* One of the family's own inputs as the engine takes it. */
static bool
convert_input(tfm_context *context, const nn_input_kind *kind, const grid *g, const input *from,
			  nn_input *to)
{
	int64_t count = 1, width = kind->width;

	*to = (nn_input) {.rank = from->rank, .ints = from->data, .floats = from->floats};
	for (int i = 0; i < from->rank; i++)
		count *= to->shape[i] = from->shape[i];
	if (from->rank == 0 || !kind->per_token)
		return true;
	if (width == 0)
		width = from->shape[from->rank - 1];
	if (count != g->rows * g->columns * width ||
		from->shape[from->rank - 1] != (width == 1 ? g->columns : width))
		return fail_argument(context, kind->name, "must have the shape of the input");
	*to = (nn_input) {.rank = 2,
					  .shape = {g->rows * g->columns, width},
					  .ints = from->data,
					  .floats = from->floats};
	return true;
}

static bool
add_own_inputs(tfm_context *context, const run_model *loaded, const arguments *a, const grid *g,
			   const run_sequence *sequences, nn_batch *batch)
{
	nn_input *inputs;
	size_t count = 0;

	while (a->kinds != NULL && a->kinds[count].name != NULL)
		count++;
	if (count == 0)
		return true;
	inputs = tfm_alloc_array(context, count, sizeof(nn_input));
	for (size_t i = 0; inputs != NULL && i < count; i++)
		if (!convert_input(context, &a->kinds[i], g, &a->own[i], &inputs[i]))
			return false;
	return inputs != NULL && run_add_inputs(context, loaded, sequences, inputs, batch);
}

static bool
make_batch(tfm_context *context, const run_model *loaded, arguments *a, grid *g, nn_batch *batch)
{
	run_sequence *sequences;

	if (!make_grid(context, &a->encoder, g) ||
		!make_sequences(context, loaded, &a->encoder, g, &sequences) ||
		!run_make_batch(context, loaded, sequences, g->rows, batch) ||
		!add_own_inputs(context, loaded, a, g, sequences, batch))
		return false;
	batch->choices = g->choices;
	batch->output_hidden_states = a->output_hidden_states;
	return true;
}

/* The decoder's ids where the caller gives none, if the family makes them of the encoder's. */
static bool
make_decoder_ids(tfm_context *context, const run_model *loaded, arguments *a, const grid *g)
{
	const nn_family *family = loaded->class.family;
	const input *ids = &a->encoder.ids;
	input *made = &a->decoder.ids;

	if (made->rank != 0 || a->decoder.embeds.rank != 0 || family->make_decoder_ids == NULL ||
		ids->rank != 2)
		return true;
	*made = *ids;
	if (!allocate_input(context, g->rows * g->columns, made))
		return false;
	for (int64_t i = 0; i < g->rows; i++)
		family->make_decoder_ids(loaded->config, ids->data + i * g->columns, g->columns,
								 made->data + i * g->columns);
	return true;
}

/* The decoder's batch, if it is given or made; none (batch->decoder stays NULL) is fine here. */
static bool
make_decoder_batch(tfm_context *context, const run_model *loaded, arguments *a, const grid *encoder,
				   grid *g, nn_batch *batch)
{
	nn_batch *decoder = tfm_alloc_zero(context, sizeof(nn_batch));
	run_sequence *sequences;

	if (decoder == NULL || !make_decoder_ids(context, loaded, a, encoder))
		return false;
	if (a->decoder.ids.rank == 0 && a->decoder.embeds.rank == 0)
		return true;
	if (loaded->class.family->memory_layers == NULL)
		return tfm_fail(context, TFM_UNSUPPORTED, "the model has no decoder to be given inputs");
	if (!make_grid(context, &a->decoder, g))
		return false;
	if (g->rows != encoder->rows)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"the decoder must have as many rows as the encoder, %lld, not %lld",
						(long long) encoder->rows, (long long) g->rows);
	if (!make_sequences(context, loaded, &a->decoder, g, &sequences) ||
		!run_make_decoder_batch(context, loaded, sequences, g->rows, decoder))
		return false;
	batch->decoder = decoder;
	return true;
}

/* ---- Writing outputs ---- */

static bool
write_number(tfm_context *context, buffer *b, float value)
{
	if (isnan(value))
		return buffer_append_string(context, b, "\"NaN\"");
	if (isinf(value))
		return buffer_append_string(context, b, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	/* jsonb would make an integer of so large a number */
	return buffer_printf(context, b, fabsf(value) > 1e30F ? "%.1f" : "%.9g", (double) value);
}

static bool
write_row(tfm_context *context, buffer *b, const float *row, int64_t count, bool first)
{
	for (int64_t i = 0; i < count; i++)
	{
		if (!(first && i == 0) && !buffer_append(context, b, ",", 1))
			return false;
		if (!(row == NULL ? buffer_append(context, b, "0", 1) : write_number(context, b, row[i])) ||
			((i & 0xFFFF) == 0xFFFF && tfm_stopped(context)))
			return false;
	}
	return true;
}

/* Rows of a per-token result at their places in the grid, zeros where the mask is 0. */
static bool
write_padded(tfm_context *context, buffer *b, const nn_batch *batch, const grid *g,
			 const tensor *value, int64_t features)
{
	int64_t t = 0;

	for (int64_t i = 0; i < g->rows * g->columns; i++)
	{
		bool kept = t < batch->offsets[i / g->columns + 1] && batch->columns[t] == i % g->columns;
		const float *row = NULL;

		if (kept)
		{
			if (g->mask == NULL || g->mask[i] != 0)
				row = (const float *) value->data + t * features;
			t++;
		}
		if (!write_row(context, b, row, features, i == 0) || tfm_stopped(context))
			return false;
	}
	return true;
}

static bool
write_shape(tfm_context *context, buffer *b, const nn_output *output, const grid *g)
{
	const tensor *value = &output->value;

	if (output->axis == NN_AS_SHAPED)
	{
		for (int i = 0; i < value->rank; i++)
			buffer_printf(context, b, i == 0 ? "%lld" : ",%lld", (long long) value->shape[i]);
		return !tfm_failed(context);
	}
	if (output->axis == NN_PER_CHOICE)
		buffer_printf(context, b, "%lld,%lld", (long long) (g->rows / g->choices),
					  (long long) g->choices);
	else if (output->axis == NN_PER_TOKEN || output->axis == NN_PER_DECODER_TOKEN)
		buffer_printf(context, b, "%lld,%lld", (long long) g->rows, (long long) g->columns);
	else
		buffer_printf(context, b, "%lld", (long long) value->shape[0]);
	if (output->axis != NN_PER_CHOICE && value->rank == 2)
		buffer_printf(context, b, ",%lld", (long long) value->shape[1]);
	return !tfm_failed(context);
}

/* A row of whole numbers, places for one. */
static bool
write_integers(tfm_context *context, buffer *b, const int64_t *row, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		buffer_printf(context, b, i == 0 ? "%lld" : ",%lld", (long long) row[i]);
	return !tfm_failed(context);
}

static bool
write_output(tfm_context *context, buffer *b, const nn_batch *batch, const grid *g,
			 const nn_output *output)
{
	const tensor *value = &output->value;
	int64_t features = value->rank == 2 ? value->shape[1] : 1;

	json_append_string(context, b, output->name, strlen(output->name));
	buffer_printf(context, b, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name(value->dtype));
	write_shape(context, b, output, g);
	buffer_append_string(context, b, "],\"data\":[");
	if (value->dtype == DTYPE_I64)
		write_integers(context, b, value->data, tensor_count(value));
	else if (output->axis == NN_PER_TOKEN || output->axis == NN_PER_DECODER_TOKEN)
		write_padded(context, b, batch, g, value, features);
	else
		write_row(context, b, value->data, tensor_count(value), true);
	return buffer_append_string(context, b, "]}") && !tfm_failed(context);
}

bool
task_forward(tfm_context *context, const run_model *model, tfm_text inputs, buffer *outputs)
{
	arguments a = {0};
	const nn_output *first;
	nn_batch batch;
	grid g, decoder_grid = {0};

	if (!run_check_weights(context, model) ||
		!read_arguments(context, model->class.family, inputs, &a) ||
		!make_batch(context, model, &a, &g, &batch) ||
		!make_decoder_batch(context, model, &a, &g, &decoder_grid, &batch) ||
		!run_forward(context, model, &batch, &first))
		return false;
	buffer_append(context, outputs, "{", 1);
	for (const nn_output *output = first; output != NULL; output = output->next)
	{
		bool decoder = output->axis == NN_PER_DECODER_TOKEN;

		if (output != first)
			buffer_append(context, outputs, ",", 1);
		if (!write_output(context, outputs, decoder ? batch.decoder : &batch,
						  decoder ? &decoder_grid : &g, output))
			return false;
	}
	return buffer_append(context, outputs, "}", 1);
}
