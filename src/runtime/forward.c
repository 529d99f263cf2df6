/*
 * forward.c
 *	  Forward passes of a loaded model.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/forward.h"

#include <stdio.h>
#include <string.h>

#include "nn/layers.h"
#include "runtime/loaded.h"
#include "tensor/norm.h"

/* ---- Batches ---- */

/* Whether token i of a row takes part in the batch. */
static bool
is_kept(const nn_family *family, const run_sequence *s, int64_t i)
{
	return s->mask == NULL || s->mask[i] != 0 || i == 0 || family->keeps_masked ||
		   (family->keeps_last && i == s->count - 1);
}

static bool
check_sequence(tfm_context *context, const run_model *model, const run_sequence *s,
			   int64_t vocab_size)
{
	const nn_config *c = run_config(model);

	if (s->positions == NULL && model->class.family->make_positions == NULL && !c->any_position &&
		s->count > c->max_positions)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"the input has %lld tokens, but the model has positions for %lld",
						(long long) s->count, (long long) c->max_positions);
	for (int64_t i = 0; s->ids != NULL && i < s->count; i++)
		if (s->ids[i] < 0 || s->ids[i] >= vocab_size)
			return tfm_fail(context, TFM_INVALID_ARGUMENT,
							"token id %d is outside the model's vocabulary of %lld", s->ids[i],
							(long long) vocab_size);
	return true;
}

/* The arrays of a batch while it is filled. */
typedef struct batch_arrays
{
	int32_t *offsets, *ids, *types, *positions, *columns;
	uint8_t *hidden;
	float *embeds; /* NULL unless the rows have them */
	int64_t embeds_size;
	int64_t used;
} batch_arrays;

static bool
allocate_arrays(tfm_context *context, int64_t sequences, int64_t tokens, int64_t embeds_size,
				batch_arrays *a)
{
	size_t n = (size_t) tokens;

	*a = (batch_arrays) {.embeds_size = embeds_size};
	if (embeds_size > 0)
		a->embeds = tfm_alloc_array(context, n, (size_t) embeds_size * sizeof(float));
	a->offsets = tfm_alloc_array(context, (size_t) sequences + 1, sizeof(int32_t));
	a->ids = tfm_alloc_array(context, n, sizeof(int32_t));
	a->types = tfm_alloc_array(context, n, sizeof(int32_t));
	a->positions = tfm_alloc_array(context, n, sizeof(int32_t));
	a->columns = tfm_alloc_array(context, n, sizeof(int32_t));
	a->hidden = tfm_alloc_array(context, n, sizeof(uint8_t));
	return !tfm_failed(context);
}

/* Append a row; true if it has a hidden token. */
static bool
append_sequence(batch_arrays *a, const nn_family *family, const run_sequence *s,
				const int32_t *positions)
{
	bool any_hidden = false;

	for (int64_t i = 0; i < s->count; i++)
	{
		int64_t t = a->used;

		if (!is_kept(family, s, i))
			continue;
		a->ids[t] = s->ids == NULL ? 0 : s->ids[i];
		if (a->embeds != NULL)
			memcpy(a->embeds + t * a->embeds_size, s->embeds + i * a->embeds_size,
				   (size_t) a->embeds_size * sizeof(float));
		a->types[t] = s->types == NULL ? 0 : s->types[i];
		a->positions[t] = positions == NULL ? (int32_t) i : positions[i];
		a->columns[t] = (int32_t) i;
		a->hidden[t] = s->mask != NULL && s->mask[i] == 0;
		any_hidden |= a->hidden[t] != 0;
		a->used++;
	}
	return any_hidden;
}

/* Tokens that sequences bring into a batch; false if they are more than offsets can count. */
static bool
count_tokens(tfm_context *context, const run_sequence *sequences, int64_t count, int64_t *tokens,
			 int64_t *longest)
{
	*tokens = *longest = 0;
	for (int64_t i = 0; i < count; i++)
	{
		if (sequences[i].count > *longest)
			*longest = sequences[i].count;
		if (sequences[i].count > INT32_MAX - *tokens)
			return tfm_fail(context, TFM_LIMIT_EXCEEDED, "a batch has too many tokens");
		*tokens += sequences[i].count;
	}
	return true;
}

void
run_make_positions(const run_model *model, bool decoder, const run_sequence *s, int32_t *positions)
{
	const nn_family *family = model->class.family;

	if (decoder && family->make_decoder_positions != NULL)
		family->make_decoder_positions(model->config, s->ids, s->mask, s->count, positions);
	else
		family->make_positions(model->config, s->ids, s->mask, s->count, positions);
}

static bool
make_batch(tfm_context *context, const run_model *model, const run_sequence *sequences,
		   int64_t count, bool decoder, nn_batch *batch)
{
	const nn_family *family = model->class.family;
	const nn_config *c = run_config(model);
	bool has_embeds = count > 0 && sequences[0].embeds != NULL;
	int64_t tokens, longest;
	bool any_hidden = false, any_types = false;
	batch_arrays a;
	int32_t *made;

	if (!count_tokens(context, sequences, count, &tokens, &longest) ||
		!allocate_arrays(context, count, tokens, has_embeds ? nn_embedding_size(c) : 0, &a))
		return false;
	made = tfm_alloc_array(context, (size_t) longest, sizeof(int32_t));
	if (made == NULL)
		return false;
	for (int64_t i = 0; i < count; i++)
	{
		const run_sequence *s = &sequences[i];
		const int32_t *positions = s->positions;

		if (!check_sequence(context, model, s, decoder ? nn_output_words(c) : c->vocab_size))
			return false;
		if (positions == NULL && family->make_positions != NULL)
		{
			run_make_positions(model, decoder, s, made);
			positions = made;
		}
		a.offsets[i] = (int32_t) a.used;
		any_hidden |= append_sequence(&a, family, s, positions);
		any_types |= s->types != NULL;
	}
	a.offsets[count] = (int32_t) a.used;
	*batch = (nn_batch) {
		.sequences = count,
		.tokens = a.used,
		.offsets = a.offsets,
		.ids = a.ids,
		.embeds = a.embeds,
		.types = any_types ? a.types : NULL,
		.positions = a.positions,
		.columns = a.columns,
		.hidden = any_hidden ? a.hidden : NULL,
		.choices = 1,
	};
	return true;
}

bool
run_make_batch(tfm_context *context, const run_model *model, const run_sequence *sequences,
			   int64_t count, nn_batch *batch)
{
	return make_batch(context, model, sequences, count, false, batch);
}

/* Of an input of all tokens of the rows, those that take part in the batch. */
static bool
gather_input(tfm_context *context, const run_sequence *sequences, const nn_batch *batch,
			 nn_input *input)
{
	int64_t width = input->shape[1], start = 0;
	size_t element = input->floats != NULL ? sizeof(float) : sizeof(int32_t);
	const char *from =
		input->floats != NULL ? (const char *) input->floats : (const char *) input->ints;
	size_t bytes = (size_t) width * element;
	char *to = tfm_alloc_array(context, (size_t) batch->tokens, bytes);

	for (int64_t row = 0; to != NULL && row < batch->sequences; row++)
	{
		for (int64_t t = batch->offsets[row]; t < batch->offsets[row + 1]; t++)
			memcpy(to + (size_t) t * bytes, from + (size_t) (start + batch->columns[t]) * bytes,
				   bytes);
		start += sequences[row].count;
	}
	input->shape[0] = batch->tokens;
	if (input->floats != NULL)
		input->floats = (const float *) to;
	else
		input->ints = (const int32_t *) to;
	return to != NULL;
}

bool
run_add_inputs(tfm_context *context, const run_model *model, const run_sequence *sequences,
			   const nn_input *inputs, nn_batch *batch)
{
	const nn_input_kind *kinds = model->class.family->inputs;
	nn_input *added;
	size_t count = 0;

	while (kinds != NULL && kinds[count].name != NULL)
		count++;
	added = tfm_alloc_array(context, count, sizeof(nn_input));
	if (added == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
	{
		added[i] = inputs[i];
		if (inputs[i].rank != 0 && kinds[i].per_token &&
			!gather_input(context, sequences, batch, &added[i]))
			return false;
	}
	batch->inputs = added;
	batch->input_kinds = kinds;
	return true;
}

bool
run_make_decoder_batch(tfm_context *context, const run_model *model, const run_sequence *sequences,
					   int64_t count, nn_batch *batch)
{
	return make_batch(context, model, sequences, count, true, batch);
}

/* ---- Passes ---- */

static bool
has_image_weight(void *source, const char *name)
{
	static const weight_layout layouts[] = {LAYOUT_PLAIN, LAYOUT_PANELS, LAYOUT_ROWS};

	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (image_find_weight(source, name, layouts[i]) != NULL)
			return true;
	return false;
}

static const weight *
find_image_weight(void *source, const char *name, weight_layout layout)
{
	if (layout == LAYOUT_PANELS_OF_COLUMNS)
		layout = LAYOUT_PANELS;
	return image_find_weight(source, name, layout);
}

nn_model
run_begin_pass(tfm_context *context, const run_model *loaded, const nn_batch *batch)
{
	context->usage.passes++;
	context->usage.tokens += batch->tokens;
	return (nn_model) {
		.context = context,
		.weights = {.has = has_image_weight,
					.find = find_image_weight,
					.source = (void *) loaded->image},
		.batch = batch,
		.compute = run_choose_compute(context, loaded->precision),
	};
}

/* Pool x [tokens, hidden] in each way, side by side -> [sequences, hidden * ways]. */
static tensor
pool_tokens(nn_model *m, tensor x, const run_embedding_options *options)
{
	int64_t hidden = x.shape[1];
	tensor y = nn_matrix(m, m->batch->sequences, hidden * options->pooling_count);

	for (int i = 0; i < options->pooling_count && nn_live(m); i++)
		op_pool(m->context, &(op_pool_options) {.pooling = options->poolings[i],
												.x = x.data,
												.n = hidden,
												.offsets = m->batch->offsets,
												.batch = m->batch->sequences,
												.skip = options->skip,
												.y = (float *) y.data + i * hidden,
												.y_stride = hidden * options->pooling_count});
	return y;
}

static tensor
apply_dense(nn_model *m, tensor x, const run_module *module)
{
	char name[NN_NAME_MAX], residual_name[NN_NAME_MAX];
	tensor residual = {0};

	snprintf(name, sizeof(name), "%s/linear", module->path);
	snprintf(residual_name, sizeof(residual_name), "%s/residual", module->path);
	if (!tfm_failed(m->context) && x.shape[1] != module->in_features)
		tfm_fail(m->context, TFM_INVALID_ARGUMENT,
				 "the module \"%s\" takes %lld columns, but pooling gives %lld", module->path,
				 (long long) module->in_features, (long long) x.shape[1]);
	if (module->residual)
		residual = module->in_features == module->out_features
					   ? x
					   : linear(m, x, residual_name, .columns = module->out_features);
	return linear(m, x, name, .columns = module->out_features, .activation = module->activation,
				  .residual = residual);
}

static tensor
normalize_rows(nn_model *m, tensor x)
{
	if (nn_live(m))
		op_normalize(m->context, x.data, x.shape[0], x.shape[1], x.data);
	return x;
}

/* x [rows, n] -> [rows, columns], the first of each row. */
static tensor
first_columns(nn_model *m, tensor x, int64_t columns)
{
	tensor y;

	if (tfm_failed(m->context) || columns >= x.shape[1])
		return x;
	y = nn_matrix(m, x.shape[0], columns);
	for (int64_t i = 0; nn_live(m) && i < x.shape[0]; i++)
		memcpy((float *) y.data + i * columns, (const float *) x.data + i * x.shape[1],
			   (size_t) columns * sizeof(float));
	return y;
}

tensor
run_embedding_pass(nn_model *m, const run_model *loaded, const run_embedding_options *options)
{
	tensor x = loaded->class.family->hidden_states(m, loaded->config);

	x = pool_tokens(m, x, options);
	for (size_t i = 0; i < loaded->sentence.module_count; i++)
	{
		const run_module *module = &loaded->sentence.modules[i];

		if (module->kind == MODULE_DENSE)
			x = apply_dense(m, x, module);
		else if (options->normalize_modules)
			x = normalize_rows(m, x);
	}
	if (options->dimensions != 0)
		x = first_columns(m, x, options->dimensions);
	return options->normalize ? normalize_rows(m, x) : x;
}

void
run_head_pass(nn_model *m, const run_model *loaded)
{
	loaded->class.head->forward(m, loaded->config);
}

bool
run_forward(tfm_context *context, const run_model *loaded, const nn_batch *batch,
			const nn_output **outputs)
{
	nn_model m = run_begin_pass(context, loaded, batch);

	if (loaded->head_error != NULL)
		return tfm_fail(context, TFM_CORRUPTED, "%s", loaded->head_error);
	run_head_pass(&m, loaded);
	*outputs = m.outputs;
	return !tfm_failed(context);
}

bool
run_hidden_states(tfm_context *context, const run_model *loaded, const nn_batch *batch,
				  tensor *states)
{
	const nn_family *family = loaded->class.family;
	nn_model m = run_begin_pass(context, loaded, batch);

	if (batch->decoder == NULL)
		*states = family->hidden_states(&m, loaded->config);
	else
	{
		family->heads[0].forward(&m, loaded->config);
		if (!tfm_failed(context) && (m.outputs == NULL || m.outputs->axis != NN_PER_DECODER_TOKEN))
			return tfm_fail(context, TFM_INTERNAL, "a base model gave no hidden states");
		*states = m.outputs == NULL ? (tensor) {0} : m.outputs->value;
	}
	return !tfm_failed(context);
}

bool
run_has_encoder(const run_model *loaded)
{
	return loaded->class.family->memory_layers != NULL &&
		   strcmp(loaded->class.head->task, "text2text-generation") == 0;
}

/* The memory's sequences get room for their tokens. */
static bool
extend_memory(tfm_context *context, const nn_batch *batch, kv_cache *cache, const int32_t *cached)
{
	for (int64_t i = 0; i < batch->sequences; i++)
		if (!kv_extend(context, cache, cached[i], batch->offsets[i + 1] - batch->offsets[i]))
			return false;
	return true;
}

bool
run_encode(tfm_context *context, const run_model *loaded, const nn_batch *batch, kv_cache *cache,
		   const int32_t *cached, tensor *states)
{
	nn_model m = run_begin_pass(context, loaded, batch);
	nn_memory memory = {
		.states = loaded->class.family->hidden_states(&m, loaded->config),
		.offsets = batch->offsets,
		.hidden = batch->hidden,
		.cache = cache,
		.cached = cached,
	};
	int32_t *offsets = tfm_alloc_zero(context, ((size_t) batch->sequences + 1) * sizeof(int32_t));
	nn_batch nobody = {
		.sequences = batch->sequences, .offsets = offsets, .choices = 1, .memory = &memory};

	if (offsets == NULL || !extend_memory(context, batch, cache, cached))
		return false;
	m.batch = &nobody;
	loaded->class.family->remember(&m, loaded->config);
	if (states != NULL)
		*states = memory.states;
	return !tfm_failed(context);
}

bool
run_embed(tfm_context *context, const run_model *loaded, const nn_batch *batch,
		  const run_embedding_options *options, tensor *result)
{
	nn_model m = run_begin_pass(context, loaded, batch);

	*result = run_embedding_pass(&m, loaded, options);
	return !tfm_failed(context);
}
