/*
 * classes.c
 *	  The classes of a classifier: their names, their scores, the best of them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/classes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/loaded.h"

/* ---- Names ---- */

/* The number that a key of id2label is; -1 for another. */
static int64_t
read_id(const char *key)
{
	char *end;
	long long id = strtoll(key, &end, 10);

	return *key == '\0' || *end != '\0' || id < 0 ? -1 : id;
}

const tfm_text *
task_read_labels(tfm_context *context, const run_model *model, int64_t count)
{
	json config = run_model_json(context, model, "config.json");
	tfm_text *labels = tfm_alloc_zero(context, ((size_t) count + 1) * sizeof(tfm_text));

	if (labels == NULL || tfm_failed(context))
		return NULL;
	for (json label = json_first(json_member(config, "id2label")); json_present(label);
		 label = json_next(label))
	{
		int64_t id = read_id(json_key(label));
		const char *name = json_as_string(label);

		if (id >= 0 && id < count && json_is_string(label))
			labels[id] = (tfm_text) {name, strlen(name)};
	}
	for (int64_t i = 0; i < count; i++)
		if (labels[i].data == NULL)
		{
			const char *name = tfm_sprintf(context, "LABEL_%lld", (long long) i);

			if (name == NULL)
				return NULL;
			labels[i] = (tfm_text) {name, strlen(name)};
		}
	return labels;
}

static bool
begins(const char *name, const char *prefix)
{
	return strncasecmp(name, prefix, strlen(prefix)) == 0;
}

int64_t
task_find_label(tfm_context *context, const run_model *model, const char *prefix)
{
	json config = run_model_json(context, model, "config.json");
	json ids = json_member(config, "label2id"), labels = json_member(config, "id2label");
	int64_t id;

	for (json item = json_first(ids); json_present(item); item = json_next(item))
		if (begins(json_key(item), prefix) && json_to_int(item, 0, INT32_MAX, &id))
			return id;
	for (json item = json_first(labels); !json_present(ids) && json_present(item);
		 item = json_next(item))
		if (json_is_string(item) && begins(json_as_string(item), prefix))
			return read_id(json_key(item));
	return -1;
}

/* ---- Scores ---- */

void
task_softmax(float *row, int64_t count)
{
	float most = count > 0 ? row[task_largest(row, count)] : 0;
	double sum = 0;

	for (int64_t i = 0; i < count; i++)
		sum += row[i] = expf(row[i] - most);
	for (int64_t i = 0; i < count; i++)
		row[i] = (float) (row[i] / sum);
}

void
task_sigmoid(float *row, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		row[i] = 1 / (1 + expf(-row[i]));
}

int64_t
task_largest(const float *row, int64_t count)
{
	int64_t largest = 0;

	for (int64_t i = 1; i < count; i++)
		if (row[i] > row[largest])
			largest = i;
	return largest;
}

/* ---- The best: a heap whose root is the best of those that are left ---- */

typedef struct ranking
{
	const float *row;
	bool last_first;
} ranking;

static bool
is_better(const ranking *r, int32_t a, int32_t b)
{
	if (r->row[a] != r->row[b])
		return r->row[a] > r->row[b];
	return (a < b) != r->last_first;
}

static void
sift_down(const ranking *r, int32_t *heap, int64_t count, int64_t at)
{
	int32_t moved = heap[at];

	for (int64_t child; (child = 2 * at + 1) < count; at = child)
	{
		if (child + 1 < count && is_better(r, heap[child + 1], heap[child]))
			child++;
		if (!is_better(r, heap[child], moved))
			break;
		heap[at] = heap[child];
	}
	heap[at] = moved;
}

int32_t *
task_best(tfm_context *context, const float *row, int64_t count, int64_t most, bool last_first)
{
	const ranking r = {.row = row, .last_first = last_first};
	int64_t wanted = most < count ? most : count;
	int32_t *best = tfm_alloc_array(context, (size_t) wanted + 1, sizeof(int32_t));
	int32_t *heap = tfm_alloc_array(context, (size_t) count + 1, sizeof(int32_t));

	if (best == NULL || heap == NULL)
		return NULL;
	for (int64_t i = 0; i < count; i++)
		heap[i] = (int32_t) i;
	for (int64_t i = count / 2; i-- > 0;)
	{
		if ((i & 0xFFFF) == 0xFFFF && tfm_stopped(context))
			return NULL;
		sift_down(&r, heap, count, i);
	}
	for (int64_t i = 0; i < wanted; i++)
	{
		if ((i & 0xFFFF) == 0xFFFF && tfm_stopped(context))
			return NULL;
		best[i] = heap[0];
		heap[0] = heap[count - 1 - i];
		sift_down(&r, heap, count - 1 - i, 0);
	}
	return best;
}
