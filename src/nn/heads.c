/*
 * heads.c
 *	  Heads one by one, products within them, convolution along a sequence.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/heads.h"

#include <math.h>
#include <string.h>

#include "base/threads.h"

#define COLUMNS KERNEL_COLUMNS
#define ALIGNED 16			/* floats */
#define CONVOLVED_TOKENS 64 /* of an item */
#define QUERIES 64			/* that attend at a time */

/* ---- Heads ---- */

typedef struct head_call
{
	const nn_batch *batch;
	const head_plan *plan;
	head first; /* what all have in common */
	int64_t scratch_floats, panel_floats;
	float *scratch;
} head_call;

static void
run_head(void *argument, int64_t item, int thread)
{
	const head_call *call = argument;
	const nn_batch *batch = call->batch;
	int heads = call->plan->heads;
	int64_t start = batch->offsets[item / heads], column;
	head h = call->first;

	h.thread = thread;
	h.sequence = item / heads;
	h.number = (int) (item % heads);
	h.tokens = batch->offsets[h.sequence + 1] - start;
	column = h.number * h.size;
	h.q += start * h.stride + column;
	h.k += start * h.stride + column;
	h.v += start * h.stride + column;
	h.y += start * h.y_stride + column;
	h.hidden = batch->hidden == NULL ? NULL : batch->hidden + start;
	h.scratch = call->scratch + thread * (call->scratch_floats + call->panel_floats);
	h.panel = h.scratch + call->scratch_floats;
	if (h.tokens > 0)
		call->plan->run(&h);
}

/* What a thread works with, for the longest sequence; false after an error. */
static bool
allocate_scratch(nn_model *m, head_call *call)
{
	const nn_batch *batch = m->batch;
	int64_t longest = call->first.size, threads = cpu_threads(m->context), floats;

	for (int64_t i = 0; i < batch->sequences; i++)
		if (batch->offsets[i + 1] - batch->offsets[i] > longest)
			longest = batch->offsets[i + 1] - batch->offsets[i];
	if (longest < call->plan->most_keys)
		call->panel_floats = (call->plan->most_keys + KERNEL_MAX_ROWS) * COLUMNS;
	else
		call->panel_floats = (longest + KERNEL_MAX_ROWS) * COLUMNS;
	call->scratch_floats = call->plan->scratch(call->plan->config, longest, call->first.size);
	/* whatever is in a thread's part is aligned */
	call->scratch_floats = (call->scratch_floats + ALIGNED - 1) / ALIGNED * ALIGNED;
	call->panel_floats = (call->panel_floats + ALIGNED - 1) / ALIGNED * ALIGNED;
	floats = call->scratch_floats + call->panel_floats;
	call->scratch = tfm_alloc_array(m->context, (size_t) (threads * floats), sizeof(float));
	return call->scratch != NULL;
}

tensor
run_heads(nn_model *m, const tensor qkv[3], const head_plan *plan)
{
	int64_t width = qkv[0].shape[1];
	head_call call = {.batch = m->batch, .plan = plan};
	tensor y;

	if (tfm_failed(m->context))
		return (tensor) {0};
	if (width % plan->heads != 0 || m->batch->cache != NULL)
	{
		tfm_fail(m->context, TFM_UNSUPPORTED, "%d heads of %lld columns are not supported",
				 plan->heads, (long long) width);
		return (tensor) {0};
	}
	y = nn_matrix(m, qkv[0].shape[0], width);
	if (!nn_live(m))
		return y;
	memset(y.data, 0, (size_t) tensor_count(&y) * sizeof(float));
	call.first = (head) {.config = plan->config,
						 .table = cpu_kernels(m->context),
						 .context = m->context,
						 .batch = m->batch,
						 .size = width / plan->heads,
						 .q = qkv[0].data,
						 .k = qkv[1].data,
						 .v = qkv[2].data,
						 .stride = width,
						 .y = y.data,
						 .y_stride = width};
	if (allocate_scratch(m, &call))
		threads_run(m->context, run_head, &call, m->batch->sequences * plan->heads);
	return y;
}

tensor
attend_by_plan(nn_model *m, const void *plan, const attention *how, tensor x, const tensor qkv[3])
{
	head_plan own = *(const head_plan *) plan;

	(void) x;
	own.heads = how->heads;
	return run_heads(m, qkv, &own);
}

bool
head_stopping(const head *h)
{
	if (h->thread == 0)
		return tfm_stopped(h->context);
	return threads_stopping(h->context->pool);
}

/* ---- Products ---- */

/* Columns first .. first + count - 1 of c = a times the panel [k][32]. */
static void
multiply_panel(const head *h, head_matrix a, int64_t rows, int64_t k, int64_t first, int64_t count,
			   float *c, int64_t c_stride)
{
	float *tile = h->panel + k * COLUMNS;

	for (int64_t r = 0; r < rows; r += h->table->rows)
	{
		int n = (int) (rows - r < h->table->rows ? rows - r : h->table->rows);

		h->table->multiply(n, k, a.at + r * a.stride, a.stride, h->panel, NULL, false, tile,
						   COLUMNS);
		for (int i = 0; i < n; i++)
			memcpy(c + (r + i) * c_stride + first, tile + i * COLUMNS,
				   (size_t) count * sizeof(float));
	}
}

void
head_scores(const head *h, head_matrix a, head_matrix b, int64_t rows, int64_t n, int64_t k,
			float *c, int64_t c_stride)
{
	for (int64_t first = 0; first < n; first += COLUMNS)
	{
		int64_t count = n - first < COLUMNS ? n - first : COLUMNS;

		h->table->pack(k, (int) count, b.at + first * b.stride, b.stride, h->panel);
		multiply_panel(h, a, rows, k, first, count, c, c_stride);
	}
}

void
head_product(const head *h, head_matrix a, head_matrix b, int64_t rows, int64_t n, int64_t k,
			 float *c, int64_t c_stride)
{
	for (int64_t first = 0; first < n; first += COLUMNS)
	{
		int64_t count = n - first < COLUMNS ? n - first : COLUMNS;

		memset(h->panel, 0, (size_t) (k * COLUMNS) * sizeof(float));
		for (int64_t i = 0; i < k; i++)
			memcpy(h->panel + i * COLUMNS, b.at + i * b.stride + first,
				   (size_t) count * sizeof(float));
		multiply_panel(h, a, rows, k, first, count, c, c_stride);
	}
}

float
head_soften(float *scores, int64_t n)
{
	float most = -INFINITY, sum = 0;

	for (int64_t i = 0; i < n; i++)
		most = fmaxf(most, scores[i]);
	if (most == -INFINITY)
	{
		memset(scores, 0, (size_t) n * sizeof(float));
		return most;
	}
	for (int64_t i = 0; i < n; i++)
		sum += scores[i] = expf(scores[i] - most);
	for (int64_t i = 0; i < n; i++)
		scores[i] /= sum;
	return most + logf(sum);
}

/* ---- Attention ---- */

int64_t
head_scratch_of_queries(const void *config, int64_t tokens, int64_t size)
{
	(void) config;
	(void) size;
	return QUERIES * tokens;
}

void
head_attend(const head *h,
			bool (*take_shares)(const head *h, int64_t first, int64_t count, float *scores))
{
	float *scores = h->scratch;

	for (int64_t first = 0; first < h->tokens && !head_stopping(h); first += QUERIES)
	{
		int64_t count = h->tokens - first < QUERIES ? h->tokens - first : QUERIES;

		head_scores(h, (head_matrix) {h->q + first * h->stride, h->stride},
					(head_matrix) {h->k, h->stride}, count, h->tokens, h->size, scores, h->tokens);
		if (take_shares(h, first, count, scores))
			head_product(h, (head_matrix) {scores, h->tokens}, (head_matrix) {h->v, h->stride},
						 count, h->size, h->tokens, h->y + first * h->y_stride, h->y_stride);
	}
}

/* ---- Convolution ---- */

typedef struct convolution
{
	const nn_batch *batch;
	const float *weights; /* [heads, width] */
	int heads;
	int64_t width, size;
	bool masked;
	const float *v;
	float *y;
} convolution;

/* y of a token += what its neighbour gives. */
static void
add_neighbour(const convolution *c, int64_t to, int64_t from, int64_t place)
{
	int64_t row = c->heads * c->size;

	for (int h = 0; h < c->heads; h++)
	{
		const float *v = c->v + from * row + h * c->size;
		float *y = c->y + to * row + h * c->size, w = c->weights[h * c->width + place];

		for (int64_t i = 0; i < c->size; i++)
			y[i] += w * v[i];
	}
}

static void
convolve_sequence(const convolution *c, int64_t sequence, int64_t first, int64_t end)
{
	int64_t start = c->batch->offsets[sequence], stop = c->batch->offsets[sequence + 1];
	const uint8_t *hidden = c->masked ? c->batch->hidden : NULL;

	for (int64_t t = first > start ? first : start; t < (end < stop ? end : stop); t++)
		for (int64_t j = 0; j < c->width; j++)
		{
			int64_t from = t + j - c->width / 2;

			if (from >= start && from < stop && (hidden == NULL || hidden[from] == 0))
				add_neighbour(c, t, from, j);
		}
}

static void
convolve_item(void *argument, int64_t item, int thread)
{
	const convolution *c = argument;
	int64_t first = item * CONVOLVED_TOKENS;

	(void) thread;
	for (int64_t i = 0; i < c->batch->sequences; i++)
		convolve_sequence(c, i, first, first + CONVOLVED_TOKENS);
}

void
convolve_heads(nn_model *m, tensor y, tensor v, const char *name, int heads, int64_t width,
			   bool masked)
{
	char full[NN_NAME_MAX] = "";
	size_t length = 0;
	const weight *w;
	convolution c = {.batch = m->batch, .heads = heads, .width = width, .masked = masked};

	nn_append_name(full, &length, name);
	nn_append_name(full, &length, ".weight");
	w = nn_weight(m, full, LAYOUT_PLAIN, heads, width);
	if (w == NULL || !nn_live(m))
		return;
	c.weights = w->data;
	c.size = v.shape[1] / heads;
	c.v = v.data;
	c.y = y.data;
	threads_run(m->context, convolve_item, &c,
				(m->batch->tokens + CONVOLVED_TOKENS - 1) / CONVOLVED_TOKENS);
}
