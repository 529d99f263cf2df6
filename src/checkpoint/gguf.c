/*
 * gguf.c
 *	  Opening a GGUF file: reading its metadata, with every claim in it checked.
 *
 * How long the metadata is shows only when it has been read, so it comes into a buffer piece by
 * piece; until all is there, places in it are offsets.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/size.h"
#include "base/utf8.h"

#define METADATA_MAX ((size_t) 1 << 30)
#define READ_PIECE ((size_t) 1 << 20)
#define NAME_MAX_LENGTH 65535 /* of a key or a tensor's name: the format's own limit */
#define DEPTH_MAX 4			  /* of arrays in arrays */
#define DEFAULT_ALIGNMENT 32
#define ALIGNMENT_MAX 65536

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF files are little-endian");

/* What the smallest entry and tensor take: lengths and counts that claim more are lies. */
#define ENTRY_MIN 13
#define TENSOR_MIN 24

/* A file being read. */
typedef struct reader
{
	tfm_context *context;
	const file *file;
	buffer *bytes; /* of the file, from its beginning */
	size_t position;
} reader;

static const uint8_t type_sizes[GGUF_TYPE_COUNT] = {
	[GGUF_UINT8] = 1,  [GGUF_INT8] = 1,	 [GGUF_UINT16] = 2,	 [GGUF_INT16] = 2,
	[GGUF_UINT32] = 4, [GGUF_INT32] = 4, [GGUF_FLOAT32] = 4, [GGUF_BOOL] = 1,
	[GGUF_UINT64] = 8, [GGUF_INT64] = 8, [GGUF_FLOAT64] = 8,
};

static bool
fail_short(reader *r)
{
	return tfm_fail(r->context, TFM_CORRUPTED, "\"%s\" ends within its metadata", r->file->path);
}

/* Have the next length bytes in the buffer. */
static bool
need(reader *r, size_t length)
{
	size_t left = r->file->size - r->position;
	size_t have = r->bytes->length, wanted;

	if (length > left)
		return fail_short(r);
	if (r->position + length > METADATA_MAX)
		return tfm_fail(r->context, TFM_LIMIT_EXCEEDED,
						"\"%s\" has more than %zu bytes of metadata", r->file->path, METADATA_MAX);
	if (r->position + length <= have)
		return true;
	if (tfm_stopped(r->context))
		return false;
	wanted = r->position + length - have;
	if (wanted < READ_PIECE)
		wanted = r->file->size - have < READ_PIECE ? r->file->size - have : READ_PIECE;
	if (!buffer_reserve(r->context, r->bytes, wanted) ||
		!file_read_at(r->context, r->file, have, r->bytes->data + have, wanted))
		return false;
	r->bytes->length += wanted;
	return true;
}

static bool
read_number(reader *r, void *number, size_t size)
{
	if (!need(r, size))
		return false;
	memcpy(number, r->bytes->data + r->position, size);
	r->position += size;
	return true;
}

/* Where a string lies in the buffer, whose bytes may still move. */
typedef struct place
{
	size_t offset;
	size_t length;
} place;

static bool
read_string(reader *r, place *string)
{
	uint64_t length;

	if (!read_number(r, &length, sizeof(length)) || length > SIZE_MAX || !need(r, (size_t) length))
		return false;
	*string = (place) {.offset = r->position, .length = (size_t) length};
	r->position += string->length;
	return true;
}

static bool
read_name(reader *r, const char *what, place *name)
{
	if (!read_string(r, name))
		return false;
	if (name->length == 0 || name->length > NAME_MAX_LENGTH ||
		!utf8_valid(r->bytes->data + name->offset, name->length) ||
		memchr(r->bytes->data + name->offset, '\0', name->length) != NULL)
		return tfm_fail(r->context, TFM_CORRUPTED, "\"%s\": the name of a %s is not valid",
						r->file->path, what);
	return true;
}

static const char *
name_text(reader *r, place name)
{
	const char *text = tfm_strndup(r->context, r->bytes->data + name.offset, name.length);

	return text == NULL ? "" : text;
}

/* ---- Keys and values ---- */

/* An entry while offsets are all there is. */
typedef struct raw_entry
{
	place key, value;
	uint32_t type, item_type;
	uint64_t count;
} raw_entry;

static bool
skip(reader *r, size_t length)
{
	if (!need(r, length))
		return false;
	r->position += length;
	return true;
}

/* Pass over the items of an array, whose type and count have been read. */
static bool
skip_items(reader *r, uint32_t type, uint64_t count, int depth)
{
	size_t bytes;
	place string;

	if (type >= GGUF_TYPE_COUNT || depth > DEPTH_MAX)
		return tfm_fail(r->context, TFM_CORRUPTED,
						depth > DEPTH_MAX ? "\"%s\" has arrays nested too deeply"
										  : "\"%s\" has an array of an unknown type",
						r->file->path);
	if (type_sizes[type] > 0)
		return (count <= SIZE_MAX && size_multiply((size_t) count, type_sizes[type], &bytes))
				   ? skip(r, bytes)
				   : fail_short(r);
	for (uint64_t i = 0; i < count; i++)
	{
		uint32_t item_type;
		uint64_t item_count;

		if (type == GGUF_STRING ? !read_string(r, &string)
								: !read_number(r, &item_type, sizeof(item_type)) ||
									  !read_number(r, &item_count, sizeof(item_count)) ||
									  !skip_items(r, item_type, item_count, depth + 1))
			return false;
		if ((i & 0xFFFF) == 0xFFFF && tfm_stopped(r->context))
			return false;
	}
	return true;
}

static bool
read_value(reader *r, raw_entry *entry)
{
	if (!read_number(r, &entry->type, sizeof(entry->type)))
		return false;
	if (entry->type >= GGUF_TYPE_COUNT)
		return tfm_fail(r->context, TFM_CORRUPTED, "\"%s\": key \"%s\" is of the unknown type %u",
						r->file->path, name_text(r, entry->key), entry->type);
	if (entry->type == GGUF_STRING)
		return read_string(r, &entry->value);
	if (entry->type == GGUF_ARRAY &&
		(!read_number(r, &entry->item_type, sizeof(entry->item_type)) ||
		 !read_number(r, &entry->count, sizeof(entry->count))))
		return false;
	entry->value.offset = r->position;
	if (entry->type == GGUF_ARRAY ? !skip_items(r, entry->item_type, entry->count, 1)
								  : !skip(r, type_sizes[entry->type]))
		return false;
	entry->value.length = r->position - entry->value.offset;
	return true;
}

static int
compare_texts(tfm_text a, tfm_text b)
{
	size_t length = a.length < b.length ? a.length : b.length;
	int order = memcmp(a.data, b.data, length);

	return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int
compare_entries(const void *a, const void *b)
{
	return compare_texts(((const ckpt_gguf_entry *) a)->key, ((const ckpt_gguf_entry *) b)->key);
}

static raw_entry *
read_entries(reader *r, uint64_t count)
{
	raw_entry *entries;

	if (count > r->file->size / ENTRY_MIN)
	{
		fail_short(r);
		return NULL;
	}
	entries = tfm_alloc_array(r->context, (size_t) count, sizeof(raw_entry));
	if (entries == NULL)
		return NULL;
	for (uint64_t i = 0; i < count; i++)
	{
		entries[i] = (raw_entry) {.type = 0};
		if (!read_name(r, "key", &entries[i].key) || !read_value(r, &entries[i]))
			return NULL;
	}
	return entries;
}

static tfm_text
text_at(const reader *r, place p)
{
	return (tfm_text) {.data = r->bytes->data + p.offset, .length = p.length};
}

/* The entries with pointers, sorted by key. */
static bool
finish_entries(reader *r, const raw_entry *raw, ckpt_gguf *gguf)
{
	gguf->entries = tfm_alloc_array(r->context, gguf->entry_count, sizeof(ckpt_gguf_entry));
	if (gguf->entries == NULL)
		return false;
	for (size_t i = 0; i < gguf->entry_count; i++)
	{
		tfm_text value = text_at(r, raw[i].value);

		gguf->entries[i].key = text_at(r, raw[i].key);
		gguf->entries[i].value = (ckpt_gguf_value) {
			.type = (ckpt_gguf_type) raw[i].type,
			.item_type = (ckpt_gguf_type) raw[i].item_type,
			.count = raw[i].count,
			.bytes = value.data,
			.length = value.length,
		};
	}
	if (gguf->entry_count > 0)
		qsort(gguf->entries, gguf->entry_count, sizeof(ckpt_gguf_entry), compare_entries);
	for (size_t i = 1; i < gguf->entry_count; i++)
		if (compare_entries(&gguf->entries[i - 1], &gguf->entries[i]) == 0)
			return tfm_fail(r->context, TFM_CORRUPTED, "\"%s\": key \"%.*s\" is there twice",
							r->file->path, (int) gguf->entries[i].key.length,
							gguf->entries[i].key.data);
	return true;
}

/* ---- Tensors ---- */

static const ckpt_ggml_layout layouts[] = {
	[GGML_F32] = {"F32", 1, 4},
	[GGML_F16] = {"F16", 1, 2},
	[GGML_Q4_0] = {"Q4_0", 32, 18},
	[GGML_Q4_1] = {"Q4_1", 32, 20},
	[GGML_Q5_0] = {"Q5_0", 32, 22},
	[GGML_Q5_1] = {"Q5_1", 32, 24},
	[GGML_Q8_0] = {"Q8_0", 32, 34},
	[GGML_Q8_1] = {"Q8_1", 32, 36},
	[GGML_Q2_K] = {"Q2_K", 256, 84},
	[GGML_Q3_K] = {"Q3_K", 256, 110},
	[GGML_Q4_K] = {"Q4_K", 256, 144},
	[GGML_Q5_K] = {"Q5_K", 256, 176},
	[GGML_Q6_K] = {"Q6_K", 256, 210},
	[GGML_Q8_K] = {"Q8_K", 256, 292},
	[GGML_IQ2_XXS] = {"IQ2_XXS", 256, 66},
	[GGML_IQ2_XS] = {"IQ2_XS", 256, 74},
	[GGML_IQ3_XXS] = {"IQ3_XXS", 256, 98},
	[GGML_IQ1_S] = {"IQ1_S", 256, 50},
	[GGML_IQ4_NL] = {"IQ4_NL", 32, 18},
	[GGML_IQ3_S] = {"IQ3_S", 256, 110},
	[GGML_IQ2_S] = {"IQ2_S", 256, 82},
	[GGML_IQ4_XS] = {"IQ4_XS", 256, 136},
	[GGML_I8] = {"I8", 1, 1},
	[GGML_I16] = {"I16", 1, 2},
	[GGML_I32] = {"I32", 1, 4},
	[GGML_I64] = {"I64", 1, 8},
	[GGML_F64] = {"F64", 1, 8},
	[GGML_IQ1_M] = {"IQ1_M", 256, 56},
	[GGML_BF16] = {"BF16", 1, 2},
	[GGML_TQ1_0] = {"TQ1_0", 256, 54},
	[GGML_TQ2_0] = {"TQ2_0", 256, 66},
	[GGML_MXFP4] = {"MXFP4", 32, 17},
	[GGML_NVFP4] = {"NVFP4", 64, 36},
	[GGML_Q1_0] = {"Q1_0", 128, 18},
};

const ckpt_ggml_layout *
ckpt_ggml_layout_of(uint32_t type)
{
	if (type >= sizeof(layouts) / sizeof(layouts[0]) || layouts[type].name == NULL)
		return NULL;
	return &layouts[type];
}

static bool
fail_tensor(reader *r, place name, const char *what)
{
	return tfm_fail(r->context, TFM_CORRUPTED, "\"%s\": tensor \"%s\" %s", r->file->path,
					name_text(r, name), what);
}

/* The bytes of a tensor, of the layout of its type; its blocks lie along the first dimension. */
static bool
measure(reader *r, place name, ckpt_gguf_tensor *t)
{
	const ckpt_ggml_layout *layout = ckpt_ggml_layout_of(t->type);
	size_t elements = 1;

	for (int i = 0; i < t->rank; i++)
		if (!size_multiply(elements, (size_t) t->shape[i], &elements) || elements > INT64_MAX)
			return fail_tensor(r, name, "is too large");
	if (layout == NULL)
		return true;
	if ((t->rank == 0 ? 1 : t->shape[0]) % layout->block_elements != 0)
		return fail_tensor(r, name, "does not consist of whole blocks");
	if (!size_multiply(elements / layout->block_elements, layout->block_bytes, &t->length))
		return fail_tensor(r, name, "is too large");
	return true;
}

static bool
read_tensor(reader *r, ckpt_gguf_tensor *t, place *name)
{
	uint32_t rank;
	uint64_t offset;

	*t = (ckpt_gguf_tensor) {.type = 0};
	if (!read_name(r, "tensor", name) || !read_number(r, &rank, sizeof(rank)))
		return false;
	if (rank > GGUF_MAX_RANK)
		return tfm_fail(r->context, TFM_UNSUPPORTED,
						"\"%s\": tensor \"%s\" has more than %d dimensions", r->file->path,
						name_text(r, *name), GGUF_MAX_RANK);
	t->rank = (int) rank;
	for (int i = 0; i < t->rank; i++)
		if (!read_number(r, &t->shape[i], sizeof(t->shape[i])))
			return false;
		else if (t->shape[i] < 0)
			return fail_tensor(r, *name, "is too large");
	if (!read_number(r, &t->type, sizeof(t->type)) || !read_number(r, &offset, sizeof(offset)))
		return false;
	if (offset > r->file->size)
		return fail_tensor(r, *name, "lies beyond the end of the file");
	t->offset = (size_t) offset;
	return measure(r, *name, t);
}

/* Offsets of tensors count from where their data begins, which is known now. */
static bool
place_tensors(reader *r, const place *names, ckpt_gguf *gguf)
{
	size_t start = size_round_up(r->position, gguf->alignment);

	for (size_t i = 0; i < gguf->tensor_count; i++)
	{
		ckpt_gguf_tensor *t = &gguf->tensors[i];

		if (t->offset % gguf->alignment != 0)
			return fail_tensor(r, names[i], "is not aligned");
		if (start > r->file->size || t->offset > r->file->size - start ||
			t->length > r->file->size - start - t->offset)
			return fail_tensor(r, names[i], "lies beyond the end of the file");
		t->offset += start;
		t->name = text_at(r, names[i]);
	}
	return true;
}

static int
compare_tensors(const void *a, const void *b)
{
	const ckpt_gguf_tensor *const *s = a, *const *t = b;

	return compare_texts((*s)->name, (*t)->name);
}

static bool
index_tensors(tfm_context *context, ckpt_gguf *gguf)
{
	gguf->by_name = tfm_alloc_array(context, gguf->tensor_count, sizeof(ckpt_gguf_tensor *));
	if (gguf->by_name == NULL)
		return false;
	for (size_t i = 0; i < gguf->tensor_count; i++)
		gguf->by_name[i] = &gguf->tensors[i];
	if (gguf->tensor_count > 0)
		qsort(gguf->by_name, gguf->tensor_count, sizeof(ckpt_gguf_tensor *), compare_tensors);
	for (size_t i = 1; i < gguf->tensor_count; i++)
		if (compare_tensors(&gguf->by_name[i - 1], &gguf->by_name[i]) == 0)
			return tfm_fail(context, TFM_CORRUPTED, "\"%s\": tensor \"%.*s\" is there twice",
							gguf->file->path, (int) gguf->by_name[i]->name.length,
							gguf->by_name[i]->name.data);
	return true;
}

/* ---- The file ---- */

static bool
read_header(reader *r, ckpt_gguf *gguf, uint64_t *entries, uint64_t *tensors)
{
	char magic[4];

	if (r->file->size < 24 || !read_number(r, magic, sizeof(magic)) ||
		memcmp(magic, "GGUF", sizeof(magic)) != 0)
		return tfm_fail(r->context, TFM_CORRUPTED, "\"%s\" is not a GGUF file", r->file->path);
	if (!read_number(r, &gguf->version, sizeof(gguf->version)) ||
		!read_number(r, tensors, sizeof(*tensors)) || !read_number(r, entries, sizeof(*entries)))
		return false;
	if ((gguf->version & 0xFFFF) == 0)
		return tfm_fail(r->context, TFM_UNSUPPORTED, "\"%s\" is a big-endian GGUF file",
						r->file->path);
	if (gguf->version < 2 || gguf->version > 3)
		return tfm_fail(r->context, TFM_UNSUPPORTED, "\"%s\" is a GGUF file of version %u",
						r->file->path, gguf->version);
	return true;
}

static bool
read_alignment(tfm_context *context, ckpt_gguf *gguf)
{
	gguf->alignment = (size_t) ckpt_gguf_int(context, gguf, "general.alignment", DEFAULT_ALIGNMENT,
											 1, ALIGNMENT_MAX);
	if ((gguf->alignment & (gguf->alignment - 1)) != 0)
		return tfm_fail(context, TFM_CORRUPTED,
						"\"%s\": key \"general.alignment\" must be a power of two",
						gguf->file->path);
	return !tfm_failed(context);
}

/* All of it; the metadata is whole only after the tensors, so the entries are finished at the end. */
static bool
read_file(reader *r, ckpt_gguf *gguf)
{
	uint64_t entry_count = 0, tensor_count = 0;
	raw_entry *entries;
	place *names;

	if (!read_header(r, gguf, &entry_count, &tensor_count) ||
		(entries = read_entries(r, entry_count)) == NULL)
		return false;
	if (tensor_count > r->file->size / TENSOR_MIN)
		return fail_short(r);
	gguf->entry_count = (size_t) entry_count;
	gguf->tensor_count = (size_t) tensor_count;
	gguf->tensors = tfm_alloc_array(r->context, gguf->tensor_count, sizeof(ckpt_gguf_tensor));
	names = tfm_alloc_array(r->context, gguf->tensor_count, sizeof(place));
	if (gguf->tensors == NULL || names == NULL)
		return false;
	for (size_t i = 0; i < gguf->tensor_count; i++)
		if (!read_tensor(r, &gguf->tensors[i], &names[i]))
			return false;
	return finish_entries(r, entries, gguf) && read_alignment(r->context, gguf) &&
		   place_tensors(r, names, gguf) && index_tensors(r->context, gguf);
}

ckpt_gguf *
ckpt_open_gguf(tfm_context *context, const char *path)
{
	ckpt_gguf *gguf = tfm_alloc_zero(context, sizeof(ckpt_gguf));
	reader r = {.context = context};

	if (gguf == NULL)
		return NULL;
	gguf->file = r.file = file_open(context, path);
	r.bytes = r.file == NULL ? NULL : buffer_create(context);
	if (r.bytes == NULL || !read_file(&r, gguf))
		return NULL;
	return gguf;
}

const ckpt_gguf_value *
ckpt_gguf_find(const ckpt_gguf *gguf, const char *key)
{
	ckpt_gguf_entry wanted = {.key = {.data = key, .length = strlen(key)}};
	const ckpt_gguf_entry *entry = gguf->entry_count == 0
									   ? NULL
									   : bsearch(&wanted, gguf->entries, gguf->entry_count,
												 sizeof(ckpt_gguf_entry), compare_entries);

	return entry == NULL ? NULL : &entry->value;
}

const ckpt_gguf_tensor *
ckpt_gguf_find_tensor(const ckpt_gguf *gguf, const char *name)
{
	const ckpt_gguf_tensor wanted = {.name = {.data = name, .length = strlen(name)}};
	const ckpt_gguf_tensor *key = &wanted;
	const ckpt_gguf_tensor *const *found =
		gguf->tensor_count == 0 ? NULL
								: bsearch(&key, gguf->by_name, gguf->tensor_count,
										  sizeof(ckpt_gguf_tensor *), compare_tensors);

	return found == NULL ? NULL : *found;
}
