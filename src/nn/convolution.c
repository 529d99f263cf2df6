/*
 * convolution.c
 *	  Convolutions over tokens: what each sees side by side, and a product; or, where groups see but some
 *	  columns each, sums of few products.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/convolution.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/threads.h"

/* Tokens of an item of work. */
#define ITEM 16

/* The token offset places after t in the sequence start .. end - 1; -1: there is none. */
static int64_t
neighbour(const nn_batch *batch, int64_t start, int64_t end, int64_t t, int64_t offset)
{
	const int32_t *columns = batch->columns;
	int64_t wanted = columns[t] + offset, j = t + offset;

	/* where tokens are left out it is nearer than its place */
	j = j < start ? start : j >= end ? end - 1 : j;
	while (columns[j] > wanted && j > start)
		j--;
	while (columns[j] < wanted && j < end - 1)
		j++;
	return columns[j] == wanted ? j : -1;
}

/* Of each token the tokens that it sees: [tokens, width], -1 for none. */
static int32_t *
find_windows(nn_model *m, int64_t width)
{
	const nn_batch *batch = m->batch;
	int32_t *windows =
		tfm_alloc_array(m->context, (size_t) batch->tokens, (size_t) width * sizeof(int32_t));

	for (int64_t i = 0; windows != NULL && i < batch->sequences; i++)
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
			for (int64_t k = 0; k < width; k++)
				windows[t * width + k] = (int32_t) neighbour(
					batch, batch->offsets[i], batch->offsets[i + 1], t, k - (width - 1) / 2);
	return windows;
}

typedef struct convolve_call
{
	const float *x;
	int64_t tokens, n;
	const int32_t *windows;
	const convolution *how;
	const float *kernel, *bias;
	float *y;
} convolve_call;

/* A row is ordered as the kernel is: [n, width]. */
static void
unfold_item(void *argument, int64_t item, int thread)
{
	const convolve_call *call = argument;
	int64_t width = call->how->width, end = (item + 1) * ITEM;

	(void) thread;
	for (int64_t t = item * ITEM; t < end && t < call->tokens; t++)
		for (int64_t k = 0; k < width; k++)
		{
			int32_t from = call->windows[t * width + k];

			for (int64_t i = 0; i < call->n; i++)
				call->y[(t * call->n + i) * width + k] =
					from < 0 ? 0.0f : call->x[from * call->n + i];
		}
}

/* All that tokens see: x [tokens, n] -> [tokens, n * width]. */
static tensor
unfold(nn_model *m, tensor x, const convolution *how)
{
	tensor y = nn_matrix(m, x.shape[0], x.shape[1] * how->width);
	convolve_call call = {
		.x = x.data, .tokens = x.shape[0], .n = x.shape[1], .how = how, .y = y.data};

	if (!nn_live(m))
		return y;
	call.windows = find_windows(m, how->width);
	if (call.windows != NULL)
		threads_run(m->context, unfold_item, &call, (call.tokens + ITEM - 1) / ITEM);
	return y;
}

static void
convolve_row(const convolve_call *call, int64_t t)
{
	const convolution *how = call->how;
	int64_t inputs = call->n / how->groups, outputs = how->channels / how->groups;

	for (int64_t c = 0; c < how->channels; c++)
	{
		const float *kernel = call->kernel + c * inputs * how->width;
		int64_t first = c / outputs * inputs;
		float sum = call->bias == NULL ? 0.0f : call->bias[c];

		for (int64_t k = 0; k < how->width; k++)
		{
			int32_t from = call->windows[t * how->width + k];

			for (int64_t i = 0; from >= 0 && i < inputs; i++)
				sum += kernel[i * how->width + k] * call->x[from * call->n + first + i];
		}
		call->y[t * how->channels + c] = sum;
	}
}

static void
convolve_item(void *argument, int64_t item, int thread)
{
	const convolve_call *call = argument;
	int64_t end = (item + 1) * ITEM;

	(void) thread;
	for (int64_t t = item * ITEM; t < end && t < call->tokens; t++)
		convolve_row(call, t);
}

static tensor
convolve_groups(nn_model *m, tensor x, const char *name, const convolution *how)
{
	char text[NN_NAME_MAX];
	tensor y = nn_matrix(m, x.shape[0], how->channels);
	convolve_call call = {
		.x = x.data, .tokens = x.shape[0], .n = x.shape[1], .how = how, .y = y.data};
	const weight *kernel, *bias = NULL;

	snprintf(text, sizeof(text), "%s.weight", name);
	kernel = nn_weight(m, text, LAYOUT_PLAIN, how->channels, x.shape[1] / how->groups * how->width);
	snprintf(text, sizeof(text), "%s.bias", name);
	if (nn_has_weight(m, text))
		bias = nn_weight(m, text, LAYOUT_PLAIN, 0, how->channels);
	if (!nn_live(m))
		return y;
	call.kernel = kernel->data;
	call.bias = bias == NULL ? NULL : bias->data;
	call.windows = find_windows(m, how->width);
	if (call.windows != NULL)
		threads_run(m->context, convolve_item, &call, (call.tokens + ITEM - 1) / ITEM);
	return y;
}

/* ---- Kernels of tokens ---- */

typedef struct score_call
{
	const float *x, *scores;
	int64_t tokens, n, width; /* n columns of a head */
	int heads;
	const int32_t *windows;
	float *y; /* zeros */
} score_call;

/* A head of a token: the sum of what it sees, weighted. */
static void
weigh_window(const score_call *call, const int32_t *window, const float *scores, int head, float *y)
{
	float most = -INFINITY;
	double sum = 0.0;

	for (int64_t k = 0; k < call->width; k++)
		most = fmaxf(most, scores[k]);
	for (int64_t k = 0; k < call->width; k++)
		sum += expf(scores[k] - most);
	for (int64_t k = 0; k < call->width; k++)
	{
		float share = expf(scores[k] - most) / (float) sum;
		const float *x = call->x + (window[k] * (int64_t) call->heads + head) * call->n;

		for (int64_t i = 0; window[k] >= 0 && i < call->n; i++)
			y[i] += share * x[i];
	}
}

static void
weigh_item(void *argument, int64_t item, int thread)
{
	const score_call *call = argument;
	int64_t end = (item + 1) * ITEM;

	(void) thread;
	for (int64_t t = item * ITEM; t < end && t < call->tokens; t++)
		for (int head = 0; head < call->heads; head++)
			weigh_window(call, call->windows + t * call->width,
						 call->scores + (t * call->heads + head) * call->width, head,
						 call->y + (t * call->heads + head) * call->n);
}

tensor
convolve_by_scores(nn_model *m, tensor x, tensor scores, int heads, int64_t width)
{
	tensor y = nn_matrix(m, x.shape[0], x.shape[1]);
	score_call call = {.x = x.data,
					   .scores = scores.data,
					   .tokens = x.shape[0],
					   .n = x.shape[1] / heads,
					   .width = width,
					   .heads = heads,
					   .y = y.data};

	if (!nn_live(m))
		return y;
	memset(y.data, 0, (size_t) tensor_count(&y) * sizeof(float));
	call.windows = find_windows(m, width);
	if (call.windows != NULL)
		threads_run(m->context, weigh_item, &call, (call.tokens + ITEM - 1) / ITEM);
	return y;
}

tensor
convolve_around(nn_model *m, tensor x, const char *name, const convolution *how)
{
	convolution c = *how;

	c.groups = c.groups == 0 ? 1 : c.groups;
	if (tfm_failed(m->context))
		return (tensor) {0};
	if (c.width < 1 || c.channels < 1 || x.shape[1] % c.groups != 0 || c.channels % c.groups != 0)
	{
		tfm_fail(m->context, TFM_UNSUPPORTED,
				 "the convolution \"%s%s\" of %lld tokens in %lld groups is not supported",
				 m->scope, name, (long long) c.width, (long long) c.groups);
		return (tensor) {0};
	}
	if (c.groups > 1)
		return convolve_groups(m, x, name, &c);
	return linear(m, c.width == 1 ? x : unfold(m, x, &c), name, .columns = c.channels);
}
