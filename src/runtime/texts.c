/*
 * texts.c
 *	  What a checkpoint has for texts, in an image: its tokenizer and its chat templates.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/texts.h"

#include <string.h>

#include "base/file.h"
#include "checkpoint/fingerprint.h"
#include "runtime/gguf_tokenizer.h"

/* Of a checkpoint of one file, or of a directory's files. */
static bool
compile_tokenizer(tfm_context *context, const char *path, bool lower_case, buffer *blob)
{
	if (ckpt_is_gguf(path))
		return run_compile_gguf_tokenizer(context, path, blob);
	return tok_compile(context, path, lower_case, blob);
}

/* Whether the checkpoint itself says which tokenizer it has. */
static bool
names_tokenizer(tfm_context *context, const char *path)
{
	static const char *const files[] = {"tokenizer.json", "tokenizer_config.json"};

	for (int i = 0; i < 2; i++)
	{
		const char *said = ckpt_is_gguf(path) ? path : file_join(context, path, files[i]);

		if (said != NULL && file_exists(said))
			return true;
	}
	return false;
}

/* The tokenizer, or NULL with an error that leaves the model without one. */
static const tok_tokenizer *
make_tokenizer(tfm_context *context, const char *path, bool lower_case, int64_t words, buffer *blob)
{
	const tok_tokenizer *tokenizer;

	if (!compile_tokenizer(context, path, lower_case, blob))
		return NULL;
	tokenizer = tok_open(context, blob->data, blob->length);
	if (tokenizer == NULL || tok_id_limit(tokenizer) <= words || names_tokenizer(context, path))
		return tokenizer;
	tfm_fail(context, TFM_FILE_NOT_FOUND, "there is no tokenizer in \"%s\"", path);
	return NULL;
}

bool
run_write_tokenizer(tfm_context *context, image_writer *writer, const char *path, bool lower_case,
					int64_t words, const tok_tokenizer **tokenizer, tfm_error *why)
{
	buffer *blob = buffer_create(context);
	const char *own = file_join(context, path, "generator_tokenizer");
	const char *config = own == NULL ? NULL : file_join(context, own, "tokenizer_config.json");

	/* RAG has two, of which the generator's is for texts */
	if (config != NULL && !ckpt_is_gguf(path) && file_exists(config))
		path = own;
	*tokenizer = blob == NULL ? NULL : make_tokenizer(context, path, lower_case, words, blob);
	if (tfm_failed(context))
	{
		if (context->error.kind != TFM_FILE_NOT_FOUND && context->error.kind != TFM_UNSUPPORTED)
			return false;
		*why = context->error;
		tfm_clear_error(context);
		return image_add_section(writer, IMAGE_TOKENIZER_ERROR, why->message, strlen(why->message));
	}
	return *tokenizer != NULL &&
		   image_add_section(writer, IMAGE_TOKENIZER, blob->data, blob->length);
}

bool
run_write_templates(tfm_context *context, image_writer *writer, const char *path)
{
	buffer *templates = buffer_create(context);

	if (templates == NULL)
		return false;
	if (ckpt_is_gguf(path) ? !run_collect_gguf_templates(context, path, templates)
						   : !run_collect_templates(context, path, templates))
		return false;
	return templates->length == 0 ||
		   image_add_section(writer, IMAGE_TEMPLATES, templates->data, templates->length);
}

bool
run_open_texts(tfm_context *context, run_model *model)
{
	size_t length;
	const void *blob = image_section(model->image, IMAGE_TOKENIZER, &length);
	const char *message;

	if (blob != NULL)
		model->tokenizer = tok_open(context, blob, length);
	message = image_section(model->image, IMAGE_TOKENIZER_ERROR, &length);
	if (message != NULL)
		model->tokenizer_error = tfm_strndup(context, message, length);
	model->templates.bytes = image_section(model->image, IMAGE_TEMPLATES, &model->templates.length);
	if (model->templates.bytes == NULL)
		model->templates.length = 0;
	return !tfm_failed(context);
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
