/*
 * json.c
 *	  Reading JSON with errors that name file and key.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/json_check.h"
#include "base/utf8.h"

static void
delete_tree(void *argument)
{
	cJSON_Delete(argument);
}

json
json_parse(tfm_context *context, const char *text, size_t length, const char *source)
{
	json result = {.node = NULL, .source = source};
	const char *wrong;
	size_t offset;
	cJSON *tree;

	if (tfm_failed(context))
		return result;
	if (!utf8_valid(text, length))
	{
		tfm_fail(context, TFM_CORRUPTED, "\"%s\" is not valid UTF-8", source);
		return result;
	}
	wrong = json_check(text, length, &offset);
	if (wrong != NULL)
	{
		tfm_fail(context, TFM_CORRUPTED, "\"%s\" is not valid JSON", source);
		tfm_detail(context, "There is %s at byte %zu of %zu.", wrong, offset, length);
		return result;
	}
	tree = cJSON_ParseWithLength(text, length);
	if (tree == NULL)
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory while parsing \"%s\"", source);
		return result;
	}
	if (!arena_on_release(context->arena, delete_tree, tree))
	{
		cJSON_Delete(tree);
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return result;
	}
	result.node = tree;
	return result;
}

json
json_read(tfm_context *context, const char *path, size_t limit)
{
	size_t length;
	char *text = file_read(context, path, limit, &length);
	char *source = text == NULL ? NULL : tfm_strdup(context, path);

	if (source == NULL)
		return (json) {.node = NULL, .source = path};
	return json_parse(context, text, length, source);
}

json
json_member(json object, const char *key)
{
	cJSON *node =
		cJSON_IsObject(object.node) ? cJSON_GetObjectItemCaseSensitive(object.node, key) : NULL;

	return (json) {.node = cJSON_IsNull(node) ? NULL : node, .source = object.source};
}

json
json_first(json parent)
{
	bool has_children = cJSON_IsArray(parent.node) || cJSON_IsObject(parent.node);

	return (json) {.node = has_children ? parent.node->child : NULL, .source = parent.source};
}

json
json_next(json child)
{
	return (json) {.node = child.node == NULL ? NULL : child.node->next, .source = child.source};
}

const char *
json_key(json child)
{
	return child.node == NULL || child.node->string == NULL ? "" : child.node->string;
}

size_t
json_size(json parent)
{
	size_t n = 0;

	for (json child = json_first(parent); json_present(child); child = json_next(child))
		n++;
	return n;
}

bool
json_is_object(json value)
{
	return cJSON_IsObject(value.node);
}

bool
json_is_array(json value)
{
	return cJSON_IsArray(value.node);
}

bool
json_is_string(json value)
{
	return cJSON_IsString(value.node);
}

bool
json_is_number(json value)
{
	return cJSON_IsNumber(value.node);
}

bool
json_is_bool(json value)
{
	return cJSON_IsBool(value.node);
}

const char *
json_as_string(json value)
{
	return cJSON_IsString(value.node) ? value.node->valuestring : "";
}

double
json_as_number(json value)
{
	return cJSON_IsNumber(value.node) ? value.node->valuedouble : 0;
}

bool
json_as_bool(json value)
{
	return cJSON_IsTrue(value.node);
}

bool
json_to_int(json value, int64_t minimum, int64_t maximum, int64_t *result)
{
	double number = json_as_number(value);

	/* From 2^53 on a double no longer tells neighbours apart. */
	if (!json_is_number(value) || number != floor(number) || fabs(number) >= 9007199254740992.0)
		return false;
	if (number < (double) minimum || number > (double) maximum)
		return false;
	*result = (int64_t) number;
	return true;
}

static void
fail_type(tfm_context *context, json object, const char *key, const char *wanted)
{
	tfm_fail(context, TFM_CORRUPTED, "\"%s\": key \"%s\" must be %s", object.source, key, wanted);
}

int64_t
json_int(tfm_context *context, json object, const char *key, int64_t fallback, int64_t minimum,
		 int64_t maximum)
{
	json value = json_member(object, key);
	int64_t result = fallback;

	if (json_present(value) && !json_to_int(value, minimum, maximum, &result))
	{
		tfm_fail(context, TFM_CORRUPTED,
				 "\"%s\": key \"%s\" must be a whole number from %lld to %lld", object.source, key,
				 (long long) minimum, (long long) maximum);
		return fallback;
	}
	return result;
}

double
json_double(tfm_context *context, json object, const char *key, double fallback)
{
	json value = json_member(object, key);

	if (!json_present(value))
		return fallback;
	if (!json_is_number(value))
	{
		fail_type(context, object, key, "a number");
		return fallback;
	}
	return json_as_number(value);
}

bool
json_bool(tfm_context *context, json object, const char *key, bool fallback)
{
	json value = json_member(object, key);

	if (!json_present(value))
		return fallback;
	if (!json_is_bool(value))
	{
		fail_type(context, object, key, "true or false");
		return fallback;
	}
	return json_as_bool(value);
}

const char *
json_string(tfm_context *context, json object, const char *key, const char *fallback)
{
	json value = json_member(object, key);

	if (!json_present(value))
		return fallback;
	if (!json_is_string(value))
	{
		fail_type(context, object, key, "a string");
		return fallback;
	}
	return json_as_string(value);
}

static bool
require(tfm_context *context, json object, const char *key)
{
	if (json_present(json_member(object, key)))
		return true;
	return tfm_fail(context, TFM_CORRUPTED, "\"%s\": key \"%s\" is missing", object.source, key);
}

int64_t
json_require_int(tfm_context *context, json object, const char *key, int64_t minimum,
				 int64_t maximum)
{
	require(context, object, key);
	return json_int(context, object, key, minimum, minimum, maximum);
}

const char *
json_require_string(tfm_context *context, json object, const char *key)
{
	require(context, object, key);
	return json_string(context, object, key, "");
}

bool
json_append_string(tfm_context *context, buffer *b, const char *text, size_t length)
{
	buffer_append(context, b, "\"", 1);
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c == '"' || c == '\\')
			buffer_printf(context, b, "\\%c", c);
		else if (c >= '\b' && c <= '\r' && c != '\v')
			buffer_printf(context, b, "\\%c", "btn.fr"[c - '\b']);
		else if (c == 0)
			buffer_append_string(context, b, "\xEF\xBF\xBD");
		else if (c < 0x20)
			buffer_printf(context, b, "\\u%04x", c);
		else
			buffer_append(context, b, text + i, 1);
	}
	buffer_append(context, b, "\"", 1);
	return !tfm_failed(context);
}

bool
json_graft(tfm_context *context, json object, const char *key, json value)
{
	/* A tree is only constant to its readers; both are ours. */
	cJSON *parent = (cJSON *) (uintptr_t) object.node, *item;

	if (tfm_failed(context))
		return false;
	/* cJSON_AddItemReferenceToObject would lose the item where there is no memory for the key. */
	item = cJSON_CreateNull();
	if (item != NULL)
	{
		*item = *value.node;
		item->type = (item->type & ~cJSON_StringIsConst) | cJSON_IsReference;
		item->string = NULL;
		item->next = item->prev = NULL;
	}
	if (item == NULL || !cJSON_AddItemToObject(parent, key, item))
	{
		cJSON_Delete(item);
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	}
	return true;
}

/* The shortest form that is read as the same number. */
static bool
append_number(tfm_context *context, buffer *b, double number)
{
	char text[40];

	if (number == floor(number) && fabs(number) < 1e15)
		snprintf(text, sizeof(text), "%.0f", number == 0 ? 0.0 : number);
	else
	{
		snprintf(text, sizeof(text), "%.15g", number);
		if (strtod(text, NULL) != number)
			snprintf(text, sizeof(text), "%.17g", number);
	}
	return buffer_append_string(context, b, text);
}

static bool
append_children(tfm_context *context, buffer *b, json parent)
{
	bool keys = json_is_object(parent), first = true;

	if (!buffer_append_string(context, b, keys ? "{" : "["))
		return false;
	for (json child = json_first(parent); json_present(child); child = json_next(child))
	{
		if (!first && !buffer_append_string(context, b, ", "))
			return false;
		first = false;
		if (keys && (!json_append_string(context, b, json_key(child), strlen(json_key(child))) ||
					 !buffer_append_string(context, b, ": ")))
			return false;
		if (!json_append(context, b, child))
			return false;
	}
	return buffer_append_string(context, b, keys ? "}" : "]");
}

bool
json_append(tfm_context *context, buffer *b, json value)
{
	const char *text = json_as_string(value);

	if (json_is_object(value) || json_is_array(value))
		return append_children(context, b, value);
	if (json_is_string(value))
		return json_append_string(context, b, text, strlen(text));
	if (json_is_number(value))
		return append_number(context, b, json_as_number(value));
	return buffer_append_string(context, b,
								json_is_bool(value) ? json_truth(json_as_bool(value)) : "null");
}
