/*
 * templates.c
 *	  The chat templates of a checkpoint: where they stand, and which one is meant.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/templates.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "checkpoint/fingerprint.h"
#include "checkpoint/gguf.h"

#define TEMPLATE_MAX ((size_t) 16 * 1024 * 1024)
#define CONFIG_MAX ((size_t) 64 * 1024 * 1024)
#define DEFAULT_FILE "chat_template.jinja"
#define FOLDER "additional_chat_templates/"
#define SUFFIX ".jinja"
#define GGUF_KEY "tokenizer.chat_template"

/* ---- Collecting ---- */

bool
run_add_template(tfm_context *context, buffer *templates, tfm_text name, tfm_text source,
				 const char *source_name)
{
	if (memchr(name.data, '\0', name.length) != NULL ||
		memchr(source.data, '\0', source.length) != NULL)
		return tfm_fail(context, TFM_CORRUPTED, "chat template in \"%s\" has a zero byte",
						source_name);
	if (!utf8_valid(name.data, name.length) || !utf8_valid(source.data, source.length))
		return tfm_fail(context, TFM_CORRUPTED, "chat template in \"%s\" is not valid UTF-8",
						source_name);
	return buffer_append(context, templates, name.data, name.length) &&
		   buffer_append_zeros(context, templates, 1) &&
		   buffer_append(context, templates, source.data, source.length) &&
		   buffer_append_zeros(context, templates, 1);
}

static bool
add_string(tfm_context *context, buffer *templates, const char *name, const char *source,
		   const char *origin)
{
	return run_add_template(context, templates, (tfm_text) {name, strlen(name)},
							(tfm_text) {source, strlen(source)}, origin);
}

static bool
add_file(tfm_context *context, const ckpt_file *item, const char *name, size_t name_length,
		 buffer *templates)
{
	tfm_text source;

	source.data = file_read(context, item->path, TEMPLATE_MAX, &source.length);
	return source.data != NULL &&
		   run_add_template(context, templates, (tfm_text) {name, name_length}, source, item->path);
}

/* The name of a template among others, of a file in their folder; false if it is none. */
static bool
is_named_template(const ckpt_file *item, size_t *length)
{
	size_t folder = strlen(FOLDER);

	if (strncmp(item->name, FOLDER, folder) != 0)
		return false;
	*length = strlen(item->name) - folder - strlen(SUFFIX);
	return true;
}

/* Transformers reads the default first, so that a file called default.jinja takes its place. */
static bool
add_files(tfm_context *context, const ckpt_files *files, buffer *templates)
{
	const ckpt_file *single = NULL;
	bool named = false, named_default = false;
	size_t length;

	for (size_t i = 0; i < files->count; i++)
	{
		const ckpt_file *item = &files->items[i];

		if (strcmp(item->name, DEFAULT_FILE) == 0)
			single = item;
		if (!is_named_template(item, &length))
			continue;
		named = true;
		named_default |= strcmp(item->name, FOLDER "default" SUFFIX) == 0;
		if (!add_file(context, item, item->name + strlen(FOLDER), length, templates))
			return false;
	}
	if (single == NULL || named_default)
		return true;
	return add_file(context, single, "default", named ? strlen("default") : 0, templates);
}

static bool
fail_config(tfm_context *context, json value)
{
	return tfm_fail(context, TFM_CORRUPTED,
					"\"%s\": \"chat_template\" must be a text, or a list of objects with \"name\" "
					"and \"template\"",
					value.source);
}

/* What tokenizer_config.json has under chat_template. */
static bool
add_config(tfm_context *context, json value, buffer *templates)
{
	if (!json_present(value))
		return true;
	if (json_is_string(value))
		return add_string(context, templates, "", json_as_string(value), value.source);
	if (!json_is_array(value) && !json_is_object(value))
		return fail_config(context, value);
	for (json item = json_first(value); json_present(item); item = json_next(item))
	{
		json name = json_member(item, "name");
		json source = json_is_array(value) ? json_member(item, "template") : item;

		if (!json_is_string(source) || (json_is_array(value) && !json_is_string(name)))
			return fail_config(context, value);
		if (!add_string(context, templates,
						json_is_array(value) ? json_as_string(name) : json_key(item),
						json_as_string(source), value.source))
			return false;
	}
	return true;
}

/* The member chat_template of a file; absent if there is none. */
static json
read_member(tfm_context *context, const char *directory, const char *name)
{
	char *path = file_join(context, directory, name);
	json root = {.node = NULL};
	tfm_text text;

	if (path == NULL)
		return root;
	text.data = file_read_optional(context, path, CONFIG_MAX, &text.length);
	if (text.data != NULL)
		root = json_parse(context, text.data, text.length, path);
	return json_member(root, "chat_template");
}

bool
run_collect_templates(tfm_context *context, const char *directory, buffer *templates)
{
	size_t before = templates->length;
	ckpt_files files;

	if (!ckpt_list_files(context, directory, &files) || !add_files(context, &files, templates))
		return false;
	if (templates->length == before &&
		!add_config(context, read_member(context, directory, "tokenizer_config.json"), templates))
		return false;
	if (templates->length == before)
		add_config(context, read_member(context, directory, "chat_template.json"), templates);
	return !tfm_failed(context);
}

/* The name of a GGUF key that is a template among others: what follows the dot; false if it is not. */
static bool
is_named_key(tfm_text key, tfm_text *name)
{
	size_t prefix = strlen(GGUF_KEY ".");

	if (key.length <= prefix || memcmp(key.data, GGUF_KEY ".", prefix) != 0)
		return false;
	*name = (tfm_text) {key.data + prefix, key.length - prefix};
	return true;
}

bool
run_collect_gguf_templates(tfm_context *context, const char *path, buffer *templates)
{
	const ckpt_gguf *gguf = ckpt_open_gguf(context, path);
	const ckpt_gguf_value *single;
	bool named = false;
	tfm_text name;

	for (size_t i = 0; gguf != NULL && i < gguf->entry_count; i++)
	{
		const ckpt_gguf_value *value = &gguf->entries[i].value;

		if (value->type != GGUF_STRING || !is_named_key(gguf->entries[i].key, &name))
			continue;
		named = true;
		if (!run_add_template(context, templates, name, (tfm_text) {value->bytes, value->length},
							  path))
			return false;
	}
	if (gguf == NULL || (single = ckpt_gguf_find(gguf, GGUF_KEY)) == NULL)
		return gguf != NULL;
	if (single->type != GGUF_STRING)
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\": key \"" GGUF_KEY "\" is not a string",
						path);
	return run_add_template(context, templates, (tfm_text) {"default", named ? 7 : 0},
							(tfm_text) {single->bytes, single->length}, path);
}

/* ---- Finding ---- */

/* The string at *offset, which moves behind it; NULL at the end, or where the bytes are damaged. */
static const char *
next_string(const run_templates *templates, size_t *offset)
{
	const char *string = templates->bytes + *offset;
	const char *end =
		*offset >= templates->length ? NULL : memchr(string, '\0', templates->length - *offset);

	if (end == NULL)
		return NULL;
	*offset += (size_t) (end - string) + 1;
	return string;
}

/* The last template of that name (as in Python's dictionary); NULL if there is none. */
static const char *
find_name(const run_templates *templates, const char *wanted)
{
	const char *name, *source, *found = NULL;
	size_t offset = 0;

	while ((name = next_string(templates, &offset)) != NULL &&
		   (source = next_string(templates, &offset)) != NULL)
		if (strcmp(name, wanted) == 0)
			found = source;
	return found;
}

static bool
fail_no_default(tfm_context *context, const run_templates *templates)
{
	buffer *names = buffer_create(context);
	size_t offset = 0;
	const char *name;

	tfm_fail(context, TFM_UNDEFINED,
			 "the model has several chat templates and none is \"default\"");
	while (names != NULL && (name = next_string(templates, &offset)) != NULL)
	{
		buffer_printf(context, names, "%s\"%s\"", names->length > 0 ? ", " : "", name);
		next_string(templates, &offset);
	}
	return names != NULL && tfm_hint(context, "Name one of them, or give a template: %s.",
									 buffer_text(context, names));
}

bool
run_find_template(tfm_context *context, const run_templates *templates, const char *wanted,
				  bool has_tools, tfm_text *source)
{
	const char *only = find_name(templates, "");
	const char *found = NULL;

	if (wanted != NULL)
		found = only == NULL ? find_name(templates, wanted) : NULL;
	else if (only != NULL)
		found = only;
	else
	{
		if (has_tools)
			found = find_name(templates, "tool_use");
		if (found == NULL)
			found = find_name(templates, "default");
	}
	if (found == NULL && wanted == NULL)
	{
		if (templates->length > 0)
			return fail_no_default(context, templates);
		tfm_fail(context, TFM_UNDEFINED, "the model has no chat template");
		return tfm_hint(context, "Give one as chat_template.");
	}
	if (found == NULL)
		found = wanted;
	*source = (tfm_text) {found, strlen(found)};
	return true;
}
