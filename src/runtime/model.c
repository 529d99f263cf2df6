/*
 * model.c
 *	  An image opened as a model.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/model.h"

#include <string.h>

#include "runtime/loaded.h"

bool
run_read_config(tfm_context *context, const run_files *files, run_model *model)
{
	json config = run_read_json(context, files, "config.json");
	void *family_config;

	if (tfm_failed(context))
		return false;
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
read_info(tfm_context *context, run_model *model, const char *path)
{
	size_t length = 0;
	const char *text = image_section(model->image, IMAGE_INFO, &length);
	run_model_info *info = &model->info;
	const char *asked;
	json file;

	if (text == NULL)
		return tfm_fail(context, TFM_CORRUPTED, "image \"%s\" is not a model's", path);
	file = json_parse(context, text, length, IMAGE_INFO);
	info->content = json_require_string(context, file, "content");
	info->family = json_require_string(context, file, "family");
	info->dtype = json_require_string(context, file, "dtype");
	asked = json_require_string(context, file, "asked_dtype");
	info->parameters = json_require_int(context, file, "parameters", 0, INT64_MAX);
	info->memory_bytes = json_require_int(context, file, "memory_bytes", 0, INT64_MAX);
	info->compile_seconds = json_double(context, file, "compile_seconds", 0);
	info->max_tokens = (int) json_require_int(context, file, "max_tokens", 0, INT32_MAX);
	info->model_type = model->class.variant->model_type;
	info->architecture = run_class_name(context, &model->class);
	info->task = model->class.head->task;
	info->image_bytes = (int64_t) image_length(model->image);
	if (tfm_failed(context))
		return false;
	if (!run_dtype_from_name(asked, &info->asked_dtype))
		return tfm_fail(context, TFM_CORRUPTED, "image \"%s\" has weights in unknown \"%s\"", path,
						asked);
	return true;
}

run_model *
run_model_open(tfm_context *context, const char *image_path, tfm_compute compute)
{
	run_model *model = tfm_alloc_zero(context, sizeof(run_model));
	size_t length = 0;
	const void *blob;

	if (model == NULL || (model->image = image_open(context, image_path)) == NULL)
		return NULL;
	if (!run_read_config(
			context, &(run_files) {.read = read_image_file, .source = model->image, .prefix = ""},
			model) ||
		!read_info(context, model, image_path))
		return NULL;
	model->precision = (run_precision) {model->info.asked_dtype, compute};
	if (!run_check_precision(context, model->precision))
		return NULL;
	model->info.compute = run_compute_name(run_choose_compute(context, model->precision));
	model->head_error = section_text(context, model->image, IMAGE_HEAD_ERROR);
	model->tokenizer_error = section_text(context, model->image, IMAGE_TOKENIZER_ERROR);
	blob = image_section(model->image, IMAGE_TOKENIZER, &length);
	if (blob != NULL)
	{
		model->tokenizer = tok_open(context, blob, length);
		model->info.dimensions =
			(int) run_sentence_dimensions(&model->sentence, run_config(model)->hidden_size);
	}
	return tfm_failed(context) ? NULL : model;
}

const run_model_info *
run_model_describe(const run_model *model)
{
	return &model->info;
}

const tok_tokenizer *
run_tokenizer(tfm_context *context, const run_model *model)
{
	if (model->tokenizer == NULL)
		tfm_fail(context, TFM_UNSUPPORTED, "%s",
				 model->tokenizer_error != NULL ? model->tokenizer_error
												: "the model has no tokenizer");
	return model->tokenizer;
}
