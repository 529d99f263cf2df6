/*
 * gguf_parts.c
 *	  A GGUF checkpoint in one file or in several, which are found by their names.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/gguf_parts.h"

#include <stdio.h>
#include <string.h>

#define NAME_END "-00001-of-00001.gguf" /* the form of it; digits stand for any */
#define NAME_END_LENGTH (sizeof(NAME_END) - 1)

/* The number of five digits at text; -1 if they are none. */
static int
read_digits(const char *text)
{
	int number = 0;

	for (int i = 0; i < 5; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return -1;
		number = number * 10 + (text[i] - '0');
	}
	return number;
}

/* What a name says of a part, from 1 on, and of their number; false if it says nothing. */
static bool
read_part_name(const char *path, int *part, int *count)
{
	size_t length = strlen(path);
	const char *end;

	if (length < NAME_END_LENGTH)
		return false;
	end = path + length - NAME_END_LENGTH;
	*part = read_digits(end + 1);
	*count = read_digits(end + 10);
	return end[0] == '-' && memcmp(end + 6, "-of-", 4) == 0 && strcmp(end + 15, ".gguf") == 0 &&
		   *part >= 1 && *count >= *part;
}

int
ckpt_gguf_count_parts(const char *path)
{
	int part, count;

	return read_part_name(path, &part, &count) ? count : 1;
}

const char *
ckpt_gguf_part_path(tfm_context *context, const char *path, int part)
{
	int own, count;

	if (!read_part_name(path, &own, &count))
		return path;
	return tfm_sprintf(context, "%.*s-%05d-of-%05d.gguf", (int) (strlen(path) - NAME_END_LENGTH),
					   path, part, count);
}

/* ---- Opening ---- */

/* Whether a file is what its name says of it, or, of one that has no such name, whole. */
static bool
check_part(tfm_context *context, const ckpt_gguf *gguf, int part, int count)
{
	int64_t own = ckpt_gguf_int(context, gguf, "split.no", 0, 0, UINT16_MAX);
	int64_t all = ckpt_gguf_int(context, gguf, "split.count", 1, 0, UINT16_MAX);

	if (tfm_failed(context))
		return false;
	if (all == 0)
		all = 1;
	if (all == count && own == part - 1)
		return true;
	tfm_fail(context, TFM_CORRUPTED, "\"%s\" is part %lld of a model in %lld parts",
			 gguf->file->path, (long long) own + 1, (long long) all);
	return count == 1 ? tfm_hint(context, "Its name must end in -%05lld-of-%05lld.gguf.",
								 (long long) own + 1, (long long) all)
					  : false;
}

static const ckpt_gguf *
open_part(tfm_context *context, const char *path, int part, int count)
{
	const char *own = ckpt_gguf_part_path(context, path, part);
	const ckpt_gguf *gguf = own == NULL ? NULL : ckpt_open_gguf(context, own);

	if (gguf == NULL && context->error.kind == TFM_FILE_NOT_FOUND && count > 1)
		tfm_detail(context, "It is part %d of a model in %d parts.", part, count);
	return gguf != NULL && check_part(context, gguf, part, count) ? gguf : NULL;
}

static bool
check_tensor_count(tfm_context *context, const ckpt_gguf_parts *parts)
{
	int64_t wanted = ckpt_gguf_int(context, parts->first, "split.tensors.count", -1, 0, INT32_MAX);
	int64_t found = 0;

	for (int i = 0; i < parts->count; i++)
		found += (int64_t) parts->parts[i]->tensor_count;
	if (tfm_failed(context) || parts->count == 1 || wanted < 0 || wanted == found)
		return !tfm_failed(context);
	return tfm_fail(context, TFM_CORRUPTED, "the parts of \"%s\" have %lld tensors instead of %lld",
					parts->first->file->path, (long long) found, (long long) wanted);
}

ckpt_gguf_parts *
ckpt_open_gguf_parts(tfm_context *context, const char *path)
{
	ckpt_gguf_parts *parts = tfm_alloc_zero(context, sizeof(ckpt_gguf_parts));
	int count = ckpt_gguf_count_parts(path);

	if (parts == NULL)
		return NULL;
	if (count > GGUF_MAX_PARTS)
	{
		tfm_fail(context, TFM_LIMIT_EXCEEDED, "\"%s\" is one of more than %d parts", path,
				 GGUF_MAX_PARTS);
		return NULL;
	}
	parts->parts = tfm_alloc_array(context, (size_t) count, sizeof(ckpt_gguf *));
	for (int i = 0; i < count && !tfm_failed(context); i++)
		parts->parts[parts->count++] = open_part(context, path, i + 1, count);
	if (tfm_failed(context))
		return NULL;
	parts->first = parts->parts[0];
	return check_tensor_count(context, parts) ? parts : NULL;
}

const ckpt_gguf_tensor *
ckpt_gguf_parts_find(const ckpt_gguf_parts *parts, const char *name)
{
	const ckpt_gguf_tensor *found = NULL;

	for (int i = 0; i < parts->count && found == NULL; i++)
		found = ckpt_gguf_find_tensor(parts->parts[i], name);
	return found;
}
