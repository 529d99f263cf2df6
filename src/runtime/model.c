/*
 * model.c
 *	  An image opened as a model.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/model.h"

#include <stdio.h>

#include "runtime/loaded.h"
#include "runtime/texts.h"

bool
run_read_config(tfm_context *context, const run_files *files, run_model *model)
{
	json config = run_read_json(context, files, "config.json");
	void *family_config;

	if (tfm_failed(context))
		return false;
	if (!json_present(config))
		return tfm_fail(context, TFM_FILE_NOT_FOUND, "\"%sconfig.json\" does not exist",
						files->prefix);
	if (!json_is_object(config))
		return tfm_fail(context, TFM_CORRUPTED, "\"%sconfig.json\" is not a JSON object",
						files->prefix);
	if (!run_find_class(context, config, &model->class))
		return false;
	family_config = tfm_alloc_zero(context, model->class.family->config_size);
	if (family_config == NULL)
		return false;
	model->class.family->read_config(context, config, family_config);
	model->config = family_config;
	return !tfm_failed(context) && run_read_sentence(context, files, &model->sentence);
}

/* A file of the checkpoint that was copied into the image. */
static const char *
read_image_file(tfm_context *context, const void *source, const char *name, size_t *length)
{
	char *section = tfm_sprintf(context, IMAGE_FILES "%s", name);

	*length = 0;
	return section == NULL ? NULL : image_section(source, section, length);
}

/* The text of a section, zero-terminated; NULL if there is none. */
static const char *
section_text(tfm_context *context, const image *i, const char *name)
{
	size_t length;
	const char *text = image_section(i, name, &length);

	return text == NULL ? NULL : tfm_strndup(context, text, length);
}

static bool
fail_not_a_model(tfm_context *context, const char *path)
{
	return tfm_fail(context, TFM_CORRUPTED, "image \"%s\" is not a model's", path);
}

/* Why a model has no weights, as run_compile wrote it. */
static bool
read_no_weights(tfm_context *context, json error, run_model *model)
{
	tfm_error *why = tfm_alloc_zero(context, sizeof(tfm_error));

	if (why == NULL)
		return false;
	why->kind = (tfm_error_kind) json_require_int(context, error, "kind", TFM_OK + 1, TFM_INTERNAL);
	snprintf(why->message, sizeof(why->message), "%s", json_string(context, error, "message", ""));
	snprintf(why->detail, sizeof(why->detail), "%s", json_string(context, error, "detail", ""));
	snprintf(why->hint, sizeof(why->hint), "%s", json_string(context, error, "hint", ""));
	model->no_weights = why;
	return !tfm_failed(context);
}

/* What the image says of the weights and of the computation. */
static bool
read_weights_info(tfm_context *context, json file, run_model *model)
{
	run_model_info *info = &model->info;

	info->family = json_require_string(context, file, "family");
	info->dtype = json_require_string(context, file, "dtype");
	info->parameters = json_require_int(context, file, "parameters", 0, INT64_MAX);
	info->memory_bytes = json_require_int(context, file, "memory_bytes", 0, INT64_MAX);
	info->max_tokens = (int) json_require_int(context, file, "max_tokens", 0, INT32_MAX);
	return run_read_config(
		context, &(run_files) {.read = read_image_file, .source = model->image, .prefix = ""},
		model);
}

static bool
read_info(tfm_context *context, run_model *model, const char *path)
{
	size_t length = 0;
	const char *text = image_section(model->image, IMAGE_INFO, &length);
	run_model_info *info = &model->info;
	const char *asked;
	json file, error;

	if (text == NULL)
		return fail_not_a_model(context, path);
	file = json_parse(context, text, length, IMAGE_INFO);
	info->content = json_require_string(context, file, "content");
	asked = json_require_string(context, file, "asked_dtype");
	info->compile_seconds = json_double(context, file, "compile_seconds", 0);
	info->model_type = json_string(context, file, "model_type", NULL);
	info->architecture = json_string(context, file, "architecture", NULL);
	info->task = "tokenizer";
	info->image_bytes = (int64_t) image_length(model->image);
	error = json_member(file, "no_weights");
	if (tfm_failed(context) || !(json_present(error) ? read_no_weights(context, error, model)
													 : read_weights_info(context, file, model)))
		return false;
	if (!run_dtype_from_name(asked, &info->asked_dtype))
		return tfm_fail(context, TFM_CORRUPTED, "image \"%s\" has weights in unknown \"%s\"", path,
						asked);
	return true;
}

/* What follows from the configuration of a model with weights. */
static bool
describe_weights(tfm_context *context, run_model *model)
{
	run_model_info *info = &model->info;

	info->model_type = model->class.variant->model_type;
	info->architecture = run_class_name(context, &model->class);
	info->task = model->class.head->task;
	info->compute = run_compute_name(run_choose_compute(context, model->precision));
	model->head_error = section_text(context, model->image, IMAGE_HEAD_ERROR);
	if (model->tokenizer != NULL)
		info->dimensions =
			(int) run_sentence_dimensions(&model->sentence, run_config(model)->hidden_size);
	return !tfm_failed(context);
}

run_model *
run_model_open(tfm_context *context, const char *image_path, tfm_compute compute)
{
	run_model *model = tfm_alloc_zero(context, sizeof(run_model));

	if (model == NULL || (model->image = image_open(context, image_path)) == NULL ||
		!read_info(context, model, image_path))
		return NULL;
	model->precision = (run_precision) {model->info.asked_dtype, compute};
	if (model->no_weights == NULL)
		model->precision.dtype = run_kept_dtype(model->info.asked_dtype, model->info.dtype);
	if (!run_check_precision(context, model->precision) || !run_open_texts(context, model))
		return NULL;
	if (model->no_weights == NULL)
		return describe_weights(context, model) ? model : NULL;
	if (model->tokenizer != NULL)
	{
		int64_t longest = tok_model_max_length(model->tokenizer);

		model->info.max_tokens = longest > INT32_MAX ? 0 : (int) longest;
	}
	return model;
}

json
run_model_json(tfm_context *context, const run_model *model, const char *name)
{
	return run_read_json(
		context, &(run_files) {.read = read_image_file, .source = model->image, .prefix = ""},
		name);
}

const run_model_info *
run_model_describe(const run_model *model)
{
	return &model->info;
}

const tfm_error *
run_model_no_weights(const run_model *model)
{
	return model->no_weights;
}

bool
run_check_weights(tfm_context *context, const run_model *model)
{
	const tfm_error *why = model->no_weights;

	if (why == NULL)
		return true;
	tfm_fail(context, why->kind, "%s", why->message);
	if (why->detail[0] != '\0')
		tfm_detail(context, "%s", why->detail);
	return why->hint[0] != '\0' && tfm_hint(context, "%s", why->hint);
}
