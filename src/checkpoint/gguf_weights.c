/*
 * gguf_weights.c
 *	  The tensors of a GGUF checkpoint as those of the checkpoint that it was made of.
 *
 * Nothing is read here but the file's own list: names are translated (gguf_names.c), shapes turned
 * around, and each tensor notes what is to be undone when it is read.  All of that goes by whole rows,
 * which are whole blocks.
 *
 * Follows the TensorProcessors in transformers/modeling_gguf_pytorch_utils.py and llama.cpp's
 * convert_hf_to_gguf.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/gguf_weights.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "checkpoint/gguf_names.h"

#define MAX_EXPERTS 65536
#define MAX_HEADS 65536
#define MAX_WIDTH (1 << 24)

/* A list in the making. */
typedef struct collector
{
	tfm_context *context;
	const ckpt_gguf_parts *gguf;
	tfm_text architecture; /* as ckpt_gguf_translate knows it */
	int64_t heads, kv_heads, head_size;
	buffer *tensors; /* ckpt_tensor */
} collector;

static const tfm_dtype dtypes[] = {
	[GGML_F32] = DTYPE_F32,		  [GGML_F16] = DTYPE_F16,		[GGML_BF16] = DTYPE_BF16,
	[GGML_F64] = DTYPE_F64,		  [GGML_I8] = DTYPE_I8,			[GGML_I16] = DTYPE_I16,
	[GGML_I32] = DTYPE_I32,		  [GGML_I64] = DTYPE_I64,		[GGML_Q4_0] = DTYPE_Q4_0,
	[GGML_Q4_1] = DTYPE_Q4_1,	  [GGML_Q5_0] = DTYPE_Q5_0,		[GGML_Q5_1] = DTYPE_Q5_1,
	[GGML_Q8_0] = DTYPE_Q8_0,	  [GGML_Q2_K] = DTYPE_Q2_K,		[GGML_Q3_K] = DTYPE_Q3_K,
	[GGML_Q4_K] = DTYPE_Q4_K,	  [GGML_Q5_K] = DTYPE_Q5_K,		[GGML_Q6_K] = DTYPE_Q6_K,
	[GGML_IQ4_NL] = DTYPE_IQ4_NL, [GGML_IQ4_XS] = DTYPE_IQ4_XS, [GGML_MXFP4] = DTYPE_MXFP4,
};

/* ---- What the keys say ---- */

static int64_t
read_count(collector *c, const char *key, int64_t fallback)
{
	char *name =
		tfm_sprintf(c->context, "%.*s.%s", (int) c->architecture.length, c->architecture.data, key);
	const ckpt_gguf_value *value = name == NULL ? NULL : ckpt_gguf_find(c->gguf->first, name);
	size_t position = 0;
	ckpt_gguf_value item;

	if (value == NULL)
		return fallback;
	item = *value;
	/* All layers have the same, or there is no config.json. */
	if (value->type == GGUF_ARRAY && !ckpt_gguf_next(value, &position, &item))
		return fallback;
	return ckpt_gguf_as_int(&item);
}

static bool
read_heads(collector *c)
{
	int64_t width = read_count(c, "embedding_length", 0);

	c->heads = read_count(c, "attention.head_count", 1);
	c->kv_heads = read_count(c, "attention.head_count_kv", c->heads);
	if (c->heads < 1 || c->kv_heads < 1 || c->heads > MAX_HEADS || c->kv_heads > MAX_HEADS ||
		width < 0 || width > MAX_WIDTH)
		return tfm_fail(c->context, TFM_CORRUPTED,
						"\"%s\": the number or size of attention heads is out of range",
						c->gguf->first->file->path);
	c->head_size = read_count(c, "attention.key_length", width / c->heads);
	if (c->head_size < 0 || c->head_size > MAX_WIDTH)
		c->head_size = 0;
	return !tfm_failed(c->context);
}

/* Two architectures have other names for the same where a tensor is there, or is not. */
static tfm_text
names_of(const collector *c)
{
	static const struct
	{
		const char *architecture, *tensor;
		bool present;
		const char *names;
	} variants[] = {
		{"falcon", "blk.0.attn_norm_2.weight", true, "falcon with two norms"},
		{"t5", "enc.blk.0.ffn_gate.weight", false, "t5 without gates"},
	};

	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		if (c->architecture.length == strlen(variants[i].architecture) &&
			memcmp(c->architecture.data, variants[i].architecture, c->architecture.length) == 0 &&
			(ckpt_gguf_parts_find(c->gguf, variants[i].tensor) != NULL) == variants[i].present)
			return (tfm_text) {variants[i].names, strlen(variants[i].names)};
	return c->architecture;
}

/* ---- Tensors ---- */

static bool
fail_fit(collector *c, const ckpt_tensor *t)
{
	return tfm_fail(c->context, TFM_CORRUPTED,
					"\"%s\": tensor \"%s\" does not fit the number of heads or experts",
					t->file->path, t->stored_name);
}

/* A name with its "%d" or "%c" replaced. */
static char *
fill_name(tfm_context *context, const char *pattern, const char *text)
{
	const char *hole = strchr(pattern, '%');

	return hole == NULL
			   ? tfm_strdup(context, pattern)
			   : tfm_sprintf(context, "%.*s%s%s", (int) (hole - pattern), pattern, text, hole + 2);
}

static bool
add_tensor(collector *c, const ckpt_tensor *t)
{
	return t->name != NULL && buffer_append(c->context, c->tensors, t, sizeof(*t));
}

/* Add the rows row .. row + rows - 1 of a tensor as one of its own. */
static bool
add_rows(collector *c, const ckpt_tensor *t, const char *name, int64_t row, int64_t rows)
{
	size_t bytes = t->length / (size_t) t->shape[0];
	ckpt_tensor part = *t;

	part.name = name;
	part.shape[0] = rows;
	part.offset += bytes * (size_t) row;
	part.length = bytes * (size_t) rows;
	return add_tensor(c, &part);
}

static bool
split_qkv(collector *c, const ckpt_tensor *t, const char *pattern)
{
	int64_t queries = c->heads * c->head_size, keys = c->kv_heads * c->head_size;

	if (queries < 1 || queries + 2 * keys != t->shape[0])
		return fail_fit(c, t);
	return add_rows(c, t, fill_name(c->context, pattern, "q"), 0, queries) &&
		   add_rows(c, t, fill_name(c->context, pattern, "k"), queries, keys) &&
		   add_rows(c, t, fill_name(c->context, pattern, "v"), queries + keys, keys);
}

/* One tensor for each expert, of the others' dimensions. */
static bool
split_experts(collector *c, const ckpt_tensor *t, const char *pattern)
{
	int64_t experts = t->shape[0];
	ckpt_tensor part = *t;

	if (t->rank < 2 || experts < 1 || experts > MAX_EXPERTS || t->length == 0)
		return fail_fit(c, t);
	part.rank = t->rank - 1;
	memcpy(part.shape, t->shape + 1, (size_t) part.rank * sizeof(part.shape[0]));
	part.length = t->length / (size_t) experts;
	for (int64_t i = 0; i < experts && !tfm_failed(c->context); i++)
	{
		char number[24];

		snprintf(number, sizeof(number), "%lld", (long long) i);
		part.name = fill_name(c->context, pattern, number);
		if (!add_tensor(c, &part))
			return false;
		part.offset += part.length;
	}
	return !tfm_failed(c->context);
}

/* Rows in another order: note how many heads they belong to. */
static bool
reorder(collector *c, ckpt_tensor *t, ckpt_gguf_change change)
{
	int64_t unit;

	t->order = change == GGUF_QKV ? CKPT_ROWS_APART : CKPT_ROWS_INTERLEAVED;
	t->heads = change == GGUF_ROPE_Q ? c->heads : c->kv_heads;
	t->head_size = c->head_size;
	if (change != GGUF_QKV)
		t->head_size = t->shape[0] / t->heads;
	if (t->rank < 1 || t->rank > 2 || t->head_size < 1 ||
		__builtin_mul_overflow(t->heads, t->head_size, &unit) || t->shape[0] % unit != 0 ||
		(change == GGUF_QKV ? t->shape[0] / unit < 3 : t->head_size % 2 != 0))
		return fail_fit(c, t);
	return add_tensor(c, t);
}

static bool
add_translated(collector *c, ckpt_tensor *t, const ckpt_gguf_name *name)
{
	t->name = tfm_strdup(c->context, name->text);
	t->added = name->plus_one ? 1.0f : 0.0f;
	switch (name->change)
	{
		case GGUF_ROPE_Q:
		case GGUF_ROPE_K:
		case GGUF_QKV:
			return reorder(c, t, name->change);
		case GGUF_SPLIT_QKV:
			return split_qkv(c, t, name->text);
		case GGUF_EXPERTS:
			return split_experts(c, t, name->text);
		case GGUF_TRANSPOSED:
			t->turned = t->rank >= 2;
			return add_tensor(c, t);
		case GGUF_ROW:
			if (t->rank == 1)
			{
				t->shape[1] = t->shape[0];
				t->shape[0] = 1;
				t->rank = 2;
			}
			return add_tensor(c, t);
		default:
			return add_tensor(c, t);
	}
}

/* A tensor as the file has it, but for the order of its dimensions. */
static ckpt_tensor
describe(collector *c, const ckpt_gguf *part, const ckpt_gguf_tensor *from)
{
	const ckpt_ggml_layout *layout = ckpt_ggml_layout_of(from->type);
	ckpt_tensor t = {
		.stored_name = tfm_strndup(c->context, from->name.data, from->name.length),
		.stored_type =
			layout != NULL ? layout->name : tfm_sprintf(c->context, "type %u", from->type),
		.dtype = from->type < sizeof(dtypes) / sizeof(dtypes[0]) ? dtypes[from->type] : 0,
		.rank = from->rank,
		.file = part->file,
		.offset = from->offset,
		.length = from->length,
	};

	for (int i = 0; i < from->rank; i++)
		t.shape[i] = from->shape[from->rank - 1 - i];
	return t;
}

static bool
add_from(collector *c, const ckpt_gguf *part, const ckpt_gguf_tensor *from)
{
	ckpt_tensor t = describe(c, part, from);
	ckpt_gguf_name name;

	if (t.stored_name == NULL || t.stored_type == NULL)
		return false;
	t.name = t.stored_name;
	if (!ckpt_gguf_translate(names_of(c), from->name, &name))
		return add_tensor(c, &t);
	return add_translated(c, &t, &name);
}

ckpt_weights *
ckpt_open_gguf_weights(tfm_context *context, const ckpt_gguf_parts *gguf)
{
	collector c = {.context = context, .gguf = gguf, .tensors = buffer_create(context)};
	const char *path = gguf->first->file->path;
	ckpt_header header;

	c.architecture = ckpt_gguf_string(context, gguf->first, "general.architecture", "");
	if (c.tensors == NULL || tfm_failed(context) || !read_heads(&c))
		return NULL;
	for (int i = 0; i < gguf->count; i++)
		for (size_t k = 0; k < gguf->parts[i]->tensor_count; k++)
			if (!add_from(&c, gguf->parts[i], &gguf->parts[i]->tensors[k]))
				return NULL;
	header = (ckpt_header) {
		.tensors = (ckpt_tensor *) c.tensors->data,
		.count = c.tensors->length / sizeof(ckpt_tensor),
	};
	return ckpt_sort_header(context, &header, path) ? ckpt_make_weights(context, path, &header)
													: NULL;
}
