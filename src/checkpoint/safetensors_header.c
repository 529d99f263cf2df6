/*
 * safetensors_header.c
 *	  The header of a safetensors file, with every claim in it checked.
 *
 * A file is eight bytes with the length of the header (little-endian), the header,
 * and the data, in which the tensors lie one after another.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/safetensors_header.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/size.h"

#define MAX_HEADER_LENGTH ((size_t) 100000000)	   /* the format's own limit */
#define MAX_WHOLE_NUMBER (((int64_t) 1 << 53) - 1) /* what a JSON number holds exactly */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors are little-endian");

/* The format's types; bits is 0, and the length unknown, for a name that is not among them. */
typedef struct stored_type
{
	const char *name;
	tfm_dtype dtype; /* 0: we know its size only */
	int bits;
} stored_type;

static const stored_type stored_types[] = {
	{"F32", DTYPE_F32, 32},	 {"F16", DTYPE_F16, 16}, {"BF16", DTYPE_BF16, 16},
	{"F64", DTYPE_F64, 64},	 {"I64", DTYPE_I64, 64}, {"I32", DTYPE_I32, 32},
	{"I16", DTYPE_I16, 16},	 {"I8", DTYPE_I8, 8},	 {"U8", DTYPE_U8, 8},
	{"BOOL", DTYPE_BOOL, 8}, {"U16", 0, 16},		 {"U32", 0, 32},
	{"U64", 0, 64},			 {"C64", 0, 64},		 {"F8_E4M3", 0, 8},
	{"F8_E5M2", 0, 8},		 {"F8_E8M0", 0, 8},		 {"F6_E2M3", 0, 6},
	{"F6_E3M2", 0, 6},		 {"F4", 0, 4},
};

static stored_type
find_stored_type(const char *name)
{
	for (size_t i = 0; i < sizeof(stored_types) / sizeof(stored_types[0]); i++)
		if (strcmp(stored_types[i].name, name) == 0)
			return stored_types[i];
	return (stored_type) {.name = name};
}

static bool
fail_tensor(tfm_context *context, const char *source, const char *name, const char *what)
{
	return tfm_fail(context, TFM_CORRUPTED, "\"%s\": tensor \"%s\" %s", source, name, what);
}

/* Read "shape" into the tensor; *elements is its product. */
static bool
read_shape(tfm_context *context, json entry, ckpt_tensor *t, size_t *elements)
{
	json shape = json_member(entry, "shape");

	if (!json_is_array(shape))
		return fail_tensor(context, entry.source, t->name, "has no shape");
	*elements = 1;
	for (json item = json_first(shape); json_present(item); item = json_next(item))
	{
		int64_t dimension;

		if (!json_to_int(item, 0, MAX_WHOLE_NUMBER, &dimension))
			return fail_tensor(context, entry.source, t->name,
							   "has a dimension that is not a whole number");
		if (t->rank == TENSOR_MAX_RANK)
			return tfm_fail(context, TFM_UNSUPPORTED,
							"\"%s\": tensor \"%s\" has more than %d dimensions", entry.source,
							t->name, TENSOR_MAX_RANK);
		t->shape[t->rank++] = dimension;
		if (!size_multiply(*elements, (size_t) dimension, elements) || *elements > INT64_MAX)
			return fail_tensor(context, entry.source, t->name, "is too large");
	}
	return true;
}

/* Read "data_offsets", relative to the data, and check that they lie within it. */
static bool
read_offsets(tfm_context *context, json entry, size_t data_length, ckpt_tensor *t)
{
	json offsets = json_member(entry, "data_offsets");
	json begin_item = json_first(offsets);
	json end_item = json_next(begin_item);
	int64_t begin, end;

	if (!json_is_array(offsets) || !json_to_int(begin_item, 0, MAX_WHOLE_NUMBER, &begin) ||
		!json_to_int(end_item, 0, MAX_WHOLE_NUMBER, &end) || json_present(json_next(end_item)))
		return fail_tensor(context, entry.source, t->name, "has no valid data_offsets");
	if (begin > end)
		return fail_tensor(context, entry.source, t->name, "ends before it begins");
	if ((size_t) end > data_length)
	{
		fail_tensor(context, entry.source, t->name, "lies beyond the end of the file");
		return tfm_detail(context, "It ends at byte %lld of %zu bytes of data.", (long long) end,
						  data_length);
	}
	t->offset = (size_t) begin;
	t->length = (size_t) (end - begin);
	return true;
}

static bool
read_entry(tfm_context *context, json entry, size_t data_length, ckpt_tensor *t)
{
	json dtype = json_member(entry, "dtype");
	size_t elements = 1, bits;
	stored_type type;

	t->name = t->stored_name = json_key(entry);
	if (!json_is_string(dtype))
		return fail_tensor(context, entry.source, t->name, "has no dtype");
	type = find_stored_type(json_as_string(dtype));
	t->stored_type = type.name;
	t->dtype = type.dtype;
	if (!read_shape(context, entry, t, &elements) || !read_offsets(context, entry, data_length, t))
		return false;
	if (type.bits == 0)
		return true;
	if (!size_multiply(elements, (size_t) type.bits, &bits) || bits % 8 != 0 ||
		bits / 8 != t->length)
	{
		fail_tensor(context, entry.source, t->name, "is not as long as its shape says");
		return tfm_detail(context, "It has %zu bytes for %zu elements of type %s.", t->length,
						  elements, type.name);
	}
	return true;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const ckpt_tensor *) a)->name, ((const ckpt_tensor *) b)->name);
}

bool
ckpt_sort_header(tfm_context *context, ckpt_header *header, const char *source)
{
	if (header->count > 0)
		qsort(header->tensors, header->count, sizeof(ckpt_tensor), compare_names);
	for (size_t i = 1; i < header->count; i++)
		if (strcmp(header->tensors[i - 1].name, header->tensors[i].name) == 0)
			return fail_tensor(context, source, header->tensors[i].name, "is there twice");
	return true;
}

const ckpt_tensor *
ckpt_search_header(const ckpt_header *header, const char *name)
{
	ckpt_tensor key = {.name = name};

	if (header->count == 0)
		return NULL;
	return bsearch(&key, header->tensors, header->count, sizeof(ckpt_tensor), compare_names);
}

static int
compare_offsets(const void *a, const void *b)
{
	const ckpt_tensor *s = *(ckpt_tensor *const *) a, *t = *(ckpt_tensor *const *) b;

	if (s->offset != t->offset)
		return s->offset < t->offset ? -1 : 1;
	return s->length < t->length ? -1 : s->length > t->length;
}

/* The tensors must cover the data, without overlap or hole. */
static bool
check_cover(tfm_context *context, const char *source, const ckpt_header *header, size_t data_length)
{
	ckpt_tensor **order = tfm_alloc_array(context, header->count, sizeof(ckpt_tensor *));
	size_t end = 0;

	if (order == NULL)
		return false;
	for (size_t i = 0; i < header->count; i++)
		order[i] = &header->tensors[i];
	qsort(order, header->count, sizeof(ckpt_tensor *), compare_offsets);
	for (size_t i = 0; i < header->count; i++)
	{
		if (order[i]->offset < end)
			return fail_tensor(context, source, order[i]->name, "overlaps another tensor");
		if (order[i]->offset > end)
			return fail_tensor(context, source, order[i]->name, "follows a hole in the data");
		end += order[i]->length;
	}
	if (end != data_length)
		return tfm_fail(context, TFM_CORRUPTED,
						"\"%s\": tensors end at byte %zu of %zu bytes of data", source, end,
						data_length);
	return true;
}

bool
ckpt_parse_header(tfm_context *context, const char *text, size_t length, const char *source,
				  size_t data_offset, size_t data_length, ckpt_header *header)
{
	json root = json_parse(context, text, length, source);

	if (tfm_failed(context))
		return false;
	if (!json_is_object(root))
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\": the header is not a JSON object", source);
	header->count = 0;
	header->tensors = tfm_alloc_array(context, json_size(root), sizeof(ckpt_tensor));
	if (header->tensors == NULL)
		return false;
	for (json entry = json_first(root); json_present(entry); entry = json_next(entry))
	{
		ckpt_tensor *t = &header->tensors[header->count];

		if (strcmp(json_key(entry), "__metadata__") == 0)
			continue;
		*t = (ckpt_tensor) {0};
		if (!read_entry(context, entry, data_length, t))
			return false;
		header->count++;
	}
	if (!ckpt_sort_header(context, header, source) ||
		!check_cover(context, source, header, data_length))
		return false;
	for (size_t i = 0; i < header->count; i++)
		header->tensors[i].offset += data_offset;
	return true;
}

bool
ckpt_read_header(tfm_context *context, const file *f, ckpt_header *header)
{
	uint64_t length;
	char *text;

	if (f->size < sizeof(length))
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\" is too short for a safetensors file",
						f->path);
	if (!file_read_at(context, f, 0, &length, sizeof(length)))
		return false;
	if (length > f->size - sizeof(length) || length > MAX_HEADER_LENGTH)
	{
		tfm_fail(context, TFM_CORRUPTED, "\"%s\" is truncated or not a safetensors file", f->path);
		return tfm_detail(context, "The header should have %llu bytes; the file has %zu.",
						  (unsigned long long) length, f->size);
	}
	text = tfm_alloc(context, (size_t) length);
	if (text == NULL || !file_read_at(context, f, sizeof(length), text, (size_t) length))
		return false;
	if (!ckpt_parse_header(context, text, (size_t) length, f->path,
						   sizeof(length) + (size_t) length,
						   f->size - sizeof(length) - (size_t) length, header))
		return false;
	for (size_t i = 0; i < header->count; i++)
		header->tensors[i].file = f;
	return true;
}
