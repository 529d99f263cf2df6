/*
 * gguf_values.c
 *	  The values of a GGUF file's keys, by type.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/gguf.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"

static bool
fail_value(tfm_context *context, const ckpt_gguf *gguf, const char *key, const char *what)
{
	return tfm_fail(context, TFM_CORRUPTED, "\"%s\": key \"%s\" must be %s", gguf->file->path, key,
					what);
}

bool
ckpt_gguf_is_int(ckpt_gguf_type type)
{
	return type <= GGUF_INT32 || type == GGUF_UINT64 || type == GGUF_INT64;
}

static bool
is_number(ckpt_gguf_type type)
{
	return ckpt_gguf_is_int(type) || type == GGUF_FLOAT32 || type == GGUF_FLOAT64;
}

int64_t
ckpt_gguf_as_int(const ckpt_gguf_value *value)
{
	uint64_t bits = 0;
	double number;

	switch (value->type)
	{
		case GGUF_STRING:
		case GGUF_ARRAY:
			return 0;
		case GGUF_FLOAT32:
		case GGUF_FLOAT64:
			number = ckpt_gguf_as_double(value);
			if (isnan(number))
				return 0;
			return number >= 0x1p63 ? INT64_MAX : number < -0x1p63 ? INT64_MIN : (int64_t) number;
		default:
			break;
	}
	memcpy(&bits, value->bytes, value->length);
	switch (value->type)
	{
		case GGUF_INT8:
			return (int8_t) bits;
		case GGUF_INT16:
			return (int16_t) bits;
		case GGUF_INT32:
			return (int32_t) bits;
		case GGUF_UINT64:
			return bits > INT64_MAX ? INT64_MAX : (int64_t) bits;
		default:
			return (int64_t) bits;
	}
}

double
ckpt_gguf_as_double(const ckpt_gguf_value *value)
{
	float single;
	double number;

	switch (value->type)
	{
		case GGUF_FLOAT32:
			memcpy(&single, value->bytes, sizeof(single));
			return single;
		case GGUF_FLOAT64:
			memcpy(&number, value->bytes, sizeof(number));
			return number;
		default:
			return (double) ckpt_gguf_as_int(value);
	}
}

int64_t
ckpt_gguf_int(tfm_context *context, const ckpt_gguf *gguf, const char *key, int64_t fallback,
			  int64_t minimum, int64_t maximum)
{
	const ckpt_gguf_value *value = ckpt_gguf_find(gguf, key);
	int64_t number;

	if (value == NULL)
		return fallback;
	number = ckpt_gguf_as_int(value);
	if (!ckpt_gguf_is_int(value->type) || number < minimum || number > maximum)
	{
		tfm_fail(context, TFM_CORRUPTED,
				 "\"%s\": key \"%s\" must be a whole number from %lld to %lld", gguf->file->path,
				 key, (long long) minimum, (long long) maximum);
		return fallback;
	}
	return number;
}

double
ckpt_gguf_double(tfm_context *context, const ckpt_gguf *gguf, const char *key, double fallback)
{
	const ckpt_gguf_value *value = ckpt_gguf_find(gguf, key);

	if (value == NULL)
		return fallback;
	if (!is_number(value->type))
	{
		fail_value(context, gguf, key, "a number");
		return fallback;
	}
	return ckpt_gguf_as_double(value);
}

bool
ckpt_gguf_bool(tfm_context *context, const ckpt_gguf *gguf, const char *key, bool fallback)
{
	const ckpt_gguf_value *value = ckpt_gguf_find(gguf, key);

	if (value == NULL)
		return fallback;
	if (value->type != GGUF_BOOL)
	{
		fail_value(context, gguf, key, "true or false");
		return fallback;
	}
	return value->bytes[0] != 0;
}

tfm_text
ckpt_gguf_string(tfm_context *context, const ckpt_gguf *gguf, const char *key, const char *fallback)
{
	const ckpt_gguf_value *value = ckpt_gguf_find(gguf, key);
	tfm_text text = {.data = fallback, .length = fallback == NULL ? 0 : strlen(fallback)};

	if (value == NULL)
		return text;
	if (value->type != GGUF_STRING || !utf8_valid(value->bytes, value->length))
		fail_value(context, gguf, key, "a string of valid UTF-8");
	else
		text = (tfm_text) {.data = value->bytes, .length = value->length};
	return text;
}

/* ---- Arrays ---- */

/* A number where the file has it, perhaps not aligned. */
#define TAKE(variable)                                                                             \
	do                                                                                             \
	{                                                                                              \
		memcpy(&(variable), array->bytes + *position, sizeof(variable));                           \
		*position += sizeof(variable);                                                             \
	} while (0)

static size_t
number_size(ckpt_gguf_type type)
{
	static const uint8_t sizes[GGUF_TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

	return sizes[type];
}

/* Where an array's items end, which the file was checked to have. */
static size_t
items_length(const ckpt_gguf_value *array)
{
	size_t position = 0;
	ckpt_gguf_value item;

	if (number_size(array->item_type) > 0)
		return (size_t) array->count * number_size(array->item_type);
	for (uint64_t i = 0; i < array->count && ckpt_gguf_next(array, &position, &item);)
		i++;
	return position;
}

bool
ckpt_gguf_next(const ckpt_gguf_value *array, size_t *position, ckpt_gguf_value *item)
{
	uint64_t length;
	uint32_t type;

	if (array->type != GGUF_ARRAY || *position >= array->length)
		return false;
	*item = (ckpt_gguf_value) {.type = array->item_type};
	if (array->item_type == GGUF_STRING)
	{
		TAKE(length);
		item->length = (size_t) length;
	}
	else if (array->item_type == GGUF_ARRAY)
	{
		TAKE(type);
		TAKE(item->count);
		item->item_type = (ckpt_gguf_type) type;
		item->bytes = array->bytes + *position;
		item->length = array->length - *position;
		item->length = items_length(item);
	}
	else
		item->length = number_size(array->item_type);
	item->bytes = array->bytes + *position;
	*position += item->length;
	return true;
}

/* The array of a key, NULL if it is absent or no array of such items. */
static const ckpt_gguf_value *
find_array(tfm_context *context, const ckpt_gguf *gguf, const char *key, bool strings,
		   size_t *count)
{
	const ckpt_gguf_value *array = ckpt_gguf_find(gguf, key);

	*count = 0;
	if (array == NULL || tfm_failed(context))
		return NULL;
	if (array->type != GGUF_ARRAY ||
		!(strings ? array->item_type == GGUF_STRING : is_number(array->item_type)))
	{
		fail_value(context, gguf, key, strings ? "an array of strings" : "an array of numbers");
		return NULL;
	}
	*count = (size_t) array->count;
	return array;
}

tfm_text *
ckpt_gguf_strings(tfm_context *context, const ckpt_gguf *gguf, const char *key, size_t *count)
{
	const ckpt_gguf_value *array = find_array(context, gguf, key, true, count);
	tfm_text *texts = array == NULL ? NULL : tfm_alloc_array(context, *count, sizeof(tfm_text));
	size_t position = 0, i = 0;
	ckpt_gguf_value item;

	for (; texts != NULL && ckpt_gguf_next(array, &position, &item); i++)
	{
		if (!utf8_valid(item.bytes, item.length))
		{
			tfm_fail(context, TFM_CORRUPTED, "\"%s\": item %zu of key \"%s\" is not valid UTF-8",
					 gguf->file->path, i, key);
			return NULL;
		}
		texts[i] = (tfm_text) {.data = item.bytes, .length = item.length};
		if ((i & 0xFFFF) == 0xFFFF && tfm_stopped(context))
			return NULL;
	}
	return texts;
}

int32_t *
ckpt_gguf_ints(tfm_context *context, const ckpt_gguf *gguf, const char *key, size_t *count)
{
	const ckpt_gguf_value *array = find_array(context, gguf, key, false, count);
	int32_t *numbers = array == NULL ? NULL : tfm_alloc_array(context, *count, sizeof(int32_t));
	size_t position = 0, i = 0;
	ckpt_gguf_value item;

	for (; numbers != NULL && ckpt_gguf_next(array, &position, &item); i++)
	{
		int64_t number = ckpt_gguf_as_int(&item);

		if (number < INT32_MIN || number > INT32_MAX)
		{
			tfm_fail(context, TFM_CORRUPTED, "\"%s\": item %zu of key \"%s\" is out of range",
					 gguf->file->path, i, key);
			return NULL;
		}
		numbers[i] = (int32_t) number;
	}
	return numbers;
}

float *
ckpt_gguf_floats(tfm_context *context, const ckpt_gguf *gguf, const char *key, size_t *count)
{
	const ckpt_gguf_value *array = find_array(context, gguf, key, false, count);
	float *numbers = array == NULL ? NULL : tfm_alloc_array(context, *count, sizeof(float));
	size_t position = 0, i = 0;
	ckpt_gguf_value item;

	for (; numbers != NULL && ckpt_gguf_next(array, &position, &item); i++)
		numbers[i] = (float) ckpt_gguf_as_double(&item);
	return numbers;
}
