/*
 * safetensors.c
 *	  The weights of a checkpoint: opening one file or a set of shards, and finding tensors.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"

#define MAX_INDEX_LENGTH ((size_t) 100000000)
#define MAX_SHARDS 1000 /* each takes a file descriptor */

struct ckpt_weights
{
	const char *source;
	ckpt_header all;
};

/* An entry of an index's weight_map. */
typedef struct index_entry
{
	const char *tensor;
	const char *shard;
} index_entry;

ckpt_weights *
ckpt_open_file(tfm_context *context, const char *path)
{
	ckpt_weights *weights = tfm_alloc_zero(context, sizeof(ckpt_weights));
	const file *f = weights == NULL ? NULL : file_open(context, path);

	if (f == NULL || !ckpt_read_header(context, f, &weights->all))
		return NULL;
	weights->source = f->path;
	return weights;
}

ckpt_weights *
ckpt_make_weights(tfm_context *context, const char *source, const ckpt_header *all)
{
	ckpt_weights *weights = tfm_alloc(context, sizeof(ckpt_weights));

	if (weights != NULL)
		*weights = (ckpt_weights) {.source = source, .all = *all};
	return weights;
}

/* ---- Sharded checkpoints ---- */

static int
compare_entries(const void *a, const void *b)
{
	const index_entry *s = a, *t = b;
	int order = strcmp(s->shard, t->shard);

	return order != 0 ? order : strcmp(s->tensor, t->tensor);
}

/* The entries of the index, sorted by shard; NULL on error. */
static index_entry *
read_index(tfm_context *context, const char *path, size_t *count)
{
	json map = json_member(json_read(context, path, MAX_INDEX_LENGTH), "weight_map");
	index_entry *entries;
	size_t n = 0;

	if (tfm_failed(context))
		return NULL;
	if (!json_is_object(map))
	{
		tfm_fail(context, TFM_CORRUPTED, "\"%s\": key \"weight_map\" must be an object", path);
		return NULL;
	}
	*count = json_size(map);
	entries = tfm_alloc_array(context, *count, sizeof(index_entry));
	if (entries == NULL)
		return NULL;
	for (json item = json_first(map); json_present(item); item = json_next(item))
	{
		/* A shard must be a file beside the index, not a path that leads elsewhere. */
		if (!json_is_string(item) || !file_name_is_plain(json_as_string(item)))
		{
			tfm_fail(context, TFM_CORRUPTED,
					 "\"%s\": tensor \"%s\" is not mapped to the plain name of a file", path,
					 json_key(item));
			return NULL;
		}
		entries[n++] = (index_entry) {.tensor = json_key(item), .shard = json_as_string(item)};
	}
	qsort(entries, n, sizeof(index_entry), compare_entries);
	return entries;
}

/* Add the tensors of the first entries, which name one shard; returns how many entries there are. */
static size_t
add_shard(tfm_context *context, const char *directory, const index_entry *entries, size_t count,
		  ckpt_weights *weights)
{
	char *path = file_join(context, directory, entries[0].shard);
	const file *f = path == NULL ? NULL : file_open(context, path);
	ckpt_header header;
	size_t n = 0;

	if (f == NULL || !ckpt_read_header(context, f, &header))
		return count;
	for (; n < count && strcmp(entries[n].shard, entries[0].shard) == 0; n++)
	{
		const ckpt_tensor *t = ckpt_search_header(&header, entries[n].tensor);

		if (t == NULL)
		{
			tfm_fail(context, TFM_CORRUPTED, "\"%s\" lacks tensor \"%s\", which \"%s\" maps to it",
					 f->path, entries[n].tensor, weights->source);
			return count;
		}
		weights->all.tensors[weights->all.count++] = *t;
	}
	return n;
}

static ckpt_weights *
open_shards(tfm_context *context, const char *directory, const char *index_path)
{
	ckpt_weights *weights = tfm_alloc_zero(context, sizeof(ckpt_weights));
	size_t count, shards = 0;
	index_entry *entries = weights == NULL ? NULL : read_index(context, index_path, &count);

	if (entries == NULL)
		return NULL;
	weights->source = index_path;
	weights->all.tensors = tfm_alloc_array(context, count, sizeof(ckpt_tensor));
	for (size_t i = 0; i < count && !tfm_stopped(context); shards++)
	{
		if (shards == MAX_SHARDS)
			tfm_fail(context, TFM_LIMIT_EXCEEDED, "\"%s\" names more than %d files", index_path,
					 MAX_SHARDS);
		else
			i += add_shard(context, directory, entries + i, count - i, weights);
	}
	if (tfm_failed(context) || !ckpt_sort_header(context, &weights->all, index_path))
		return NULL;
	return weights;
}

static void
fail_no_weights(tfm_context *context, const char *directory)
{
	char *pytorch = file_join(context, directory, "pytorch_model.bin");
	char *pytorch_index = file_join(context, directory, "pytorch_model.bin.index.json");

	tfm_fail(context, TFM_FILE_NOT_FOUND, "\"%s\" has no model.safetensors", directory);
	if (pytorch != NULL && pytorch_index != NULL &&
		(file_exists(pytorch) || file_exists(pytorch_index)))
		tfm_hint(context, "Its weights are in PyTorch's own format, which can run code when it is "
						  "read. Save the model as safetensors with Transformers' "
						  "save_pretrained().");
}

/* Whether there is nothing at path; what cannot be seen for another reason is left to open. */
static bool
is_absent(const char *path)
{
	struct stat status;

	return stat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

bool
ckpt_has_weights(tfm_context *context, const char *directory)
{
	char *single = file_join(context, directory, "model.safetensors");
	char *index_path = file_join(context, directory, "model.safetensors.index.json");

	return single == NULL || index_path == NULL || !is_absent(single) || !is_absent(index_path);
}

ckpt_weights *
ckpt_open_weights(tfm_context *context, const char *directory)
{
	char *single = file_join(context, directory, "model.safetensors");
	char *index_path = file_join(context, directory, "model.safetensors.index.json");

	if (single == NULL || index_path == NULL)
		return NULL;
	if (!is_absent(single))
		return ckpt_open_file(context, single);
	if (!is_absent(index_path))
		return open_shards(context, directory, index_path);
	fail_no_weights(context, directory);
	return NULL;
}

/* ---- Finding ---- */

const ckpt_tensor *
ckpt_find(const ckpt_weights *weights, const char *name)
{
	return ckpt_search_header(&weights->all, name);
}

size_t
ckpt_count(const ckpt_weights *weights)
{
	return weights->all.count;
}

const ckpt_tensor *
ckpt_at(const ckpt_weights *weights, size_t index)
{
	return &weights->all.tensors[index];
}

const char *
ckpt_source(const ckpt_weights *weights)
{
	return weights->source;
}
