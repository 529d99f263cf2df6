/*
 * recurrent.c
 *	  States of recurrent layers, and the recurrences that families share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/recurrent.h"

#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "tensor/scan.h"

#define CHANNELS 64 /* of one item of work */
#define TOKENS 256	/* between two looks whether to stop */

/* ---- Sharing the work ---- */

typedef struct recurrence
{
	const nn_batch *batch;
	thread_pool *pool;
	float **states; /* [sequences] */
	const bool *fresh;
	int64_t channels, blocks;
	recurrent_work work;
	const void *argument;
} recurrence;

static void
run_item(void *argument, int64_t item, int thread)
{
	const recurrence *r = argument;
	int64_t sequence = item / r->blocks, block = item % r->blocks;
	int64_t end = r->batch->offsets[sequence + 1];
	recurrent_piece piece = {
		.end = r->batch->offsets[sequence],
		.channel = block * CHANNELS,
		.last_channel = (block + 1) * CHANNELS < r->channels ? (block + 1) * CHANNELS : r->channels,
		.state = r->states[sequence],
		.fresh = r->fresh[sequence],
	};

	(void) thread;
	while (piece.end < end && !(r->pool != NULL && threads_stopping(r->pool)))
	{
		piece.first = piece.end;
		piece.end = end - piece.first < TOKENS ? end : piece.first + TOKENS;
		r->work(r->argument, &piece);
		piece.fresh = false;
	}
}

/* The cache's states of the batch's sequences; those of sequences that begin are zeros. */
static bool
find_states(nn_model *m, int layer, int64_t offset, float **states, bool *fresh)
{
	const nn_batch *batch = m->batch;

	for (int64_t i = 0; i < batch->sequences; i++)
	{
		int64_t count = batch->offsets[i + 1] - batch->offsets[i];
		float *state = kv_state(batch->cache, batch->cached[i], layer);

		if (state == NULL)
			return tfm_fail(m->context, TFM_INTERNAL, "layer %d has no state", layer);
		states[i] = state + offset;
		fresh[i] = kv_length(batch->cache, batch->cached[i]) == count;
	}
	return true;
}

/* States that are forgotten. */
static bool
make_states(nn_model *m, int64_t size, float **states, bool *fresh)
{
	int64_t sequences = m->batch->sequences;
	float *all = tfm_alloc_array(m->context, (size_t) (sequences * size), sizeof(float));

	if (all == NULL)
		return false;
	memset(all, 0, (size_t) (sequences * size) * sizeof(float));
	for (int64_t i = 0; i < sequences; i++)
	{
		states[i] = all + i * size;
		fresh[i] = true;
	}
	return true;
}

void
recur(nn_model *m, int layer, int64_t offset, int64_t size, int64_t channels, recurrent_work work,
	  const void *argument)
{
	const nn_batch *batch = m->batch;
	float **states;
	bool *fresh;
	recurrence r;

	if (!nn_live(m))
		return;
	states = tfm_alloc_array(m->context, (size_t) batch->sequences, sizeof(float *));
	fresh = tfm_alloc_array(m->context, (size_t) batch->sequences, sizeof(bool));
	if (states == NULL || fresh == NULL ||
		!(batch->cache != NULL ? find_states(m, layer, offset, states, fresh)
							   : make_states(m, size, states, fresh)))
		return;
	r = (recurrence) {
		.batch = batch,
		.pool = m->context->pool,
		.states = states,
		.fresh = fresh,
		.channels = channels,
		.blocks = (channels + CHANNELS - 1) / CHANNELS,
		.work = work,
		.argument = argument,
	};
	threads_run(m->context, run_item, &r, batch->sequences * r.blocks);
}

/* ---- Convolution ---- */

typedef struct conv_call
{
	const causal_conv *c;
	const float *weights, *bias; /* [channels, width], [channels] or NULL */
	const float *x;
	int64_t x_stride;
	float *y; /* [tokens, channels] */
} conv_call;

int64_t
causal_conv_state(const causal_conv *c)
{
	return (c->width - 1) * c->channels;
}

/* Row t of the inputs of a piece, which may be one of those before it: state [width - 1, channels]. */
static const float *
input_row(const conv_call *call, const recurrent_piece *p, int64_t t)
{
	int64_t before = call->c->width - 1;

	return t >= p->first ? call->x + t * call->x_stride
						 : p->state + (t - p->first + before) * call->c->channels;
}

static void
convolve_piece(const void *argument, const recurrent_piece *p)
{
	const conv_call *call = argument;
	int64_t channels = call->c->channels;
	int width = call->c->width;

	for (int64_t t = p->first; t < p->end; t++)
	{
		float *y = call->y + t * channels;

		for (int64_t i = p->channel; i < p->last_channel; i++)
			y[i] = call->bias == NULL ? 0 : call->bias[i];
		for (int j = 0; j < width; j++)
		{
			const float *x = input_row(call, p, t - width + 1 + j);

			for (int64_t i = p->channel; i < p->last_channel; i++)
				y[i] += call->weights[i * width + j] * x[i];
		}
	}
	/* In this order a row is read before it is written. */
	for (int64_t j = 0; j < width - 1; j++)
		memmove(p->state + j * channels + p->channel,
				input_row(call, p, p->end - width + 1 + j) + p->channel,
				(size_t) (p->last_channel - p->channel) * sizeof(float));
}

tensor
convolve(nn_model *m, tensor x, const causal_conv *c, int layer, int64_t offset)
{
	char name[NN_NAME_MAX] = "", bias_name[NN_NAME_MAX] = "";
	size_t length = 0, bias_length = 0;
	const weight *weights, *bias = NULL;
	tensor y = nn_matrix(m, x.shape[0], c->channels);

	if (!nn_append_name(name, &length, c->name) || !nn_append_name(name, &length, ".weight") ||
		!nn_append_name(bias_name, &bias_length, c->name) ||
		!nn_append_name(bias_name, &bias_length, ".bias"))
		tfm_fail(m->context, TFM_INTERNAL, "the name of weight \"%s\" is too long", c->name);
	weights = nn_weight(m, name, LAYOUT_PLAIN, c->channels, c->width);
	if (nn_has_weight(m, bias_name))
		bias = nn_weight(m, bias_name, LAYOUT_PLAIN, 0, c->channels);
	if (!nn_live(m))
		return y;
	recur(m, layer, offset, causal_conv_state(c), c->channels, convolve_piece,
		  &(conv_call) {.c = c,
						.weights = weights->data,
						.bias = bias == NULL ? NULL : bias->data,
						.x = x.data,
						.x_stride = c->x_stride == 0 ? x.shape[1] : c->x_stride,
						.y = y.data});
	activate(m, y, c->activation);
	return y;
}

/* ---- Selective scan ---- */

typedef struct scan_call
{
	const selective_scan *s;
	const float *decay; /* [heads, state] or [heads], negative */
	const float *skip;	/* [heads] */
} scan_call;

int64_t
selective_scan_state(const selective_scan *s)
{
	return s->heads * s->head_dim * s->state;
}

#define MAX_FADES 1024 /* numbers of a state that have decays of their own */

static void
scan_piece(const void *argument, const recurrent_piece *p)
{
	const scan_call *call = argument;
	const selective_scan *s = call->s;
	int64_t n = s->state, ratio = s->heads / s->groups;
	float fades[MAX_FADES], fade = 0;

	for (int64_t t = p->first; t < p->end; t++)
	{
		const float *x = (const float *) s->x.data + t * s->x_stride;
		const float *steps = (const float *) s->steps.data + t * s->steps_stride;
		const float *b = (const float *) s->b.data + t * s->b_stride;
		const float *c = (const float *) s->c.data + t * s->b_stride;
		float *y = (float *) s->y.data + t * s->y_stride;
		int64_t last = -1;

		for (int64_t i = p->channel; i < p->last_channel; i++)
		{
			int64_t head = i / s->head_dim, at = head / ratio * n;

			if (head != last && s->own_decay)
				scan_fades(steps[head], call->decay + head * n, n, fades);
			else if (head != last)
				fade = expf(steps[head] * call->decay[head]);
			last = head;
			y[i] = scan_state(p->state + i * n, s->own_decay ? fades : NULL, fade,
							  steps[head] * x[i], b + at, c + at, n) +
				   call->skip[head] * x[i];
		}
	}
}

/* -exp of a weight of the checkpoint, which is a logarithm. */
static const float *
make_decay(nn_model *m, const selective_scan *s)
{
	int64_t columns = s->own_decay ? s->state : s->heads;
	const weight *w = nn_weight(m, s->decay, LAYOUT_PLAIN, s->own_decay ? s->heads : 0, columns);
	int64_t count = s->heads * (s->own_decay ? s->state : 1);
	float *decay = nn_live(m) ? tfm_alloc_array(m->context, (size_t) count, sizeof(float)) : NULL;

	for (int64_t i = 0; decay != NULL && i < count; i++)
		decay[i] = -expf(((const float *) w->data)[i]);
	return decay;
}

void
scan_selectively(nn_model *m, const selective_scan *s, int layer, int64_t offset)
{
	const float *decay = make_decay(m, s);
	const weight *skip = nn_weight(m, s->skip, LAYOUT_PLAIN, 0, s->heads);

	if (s->own_decay && s->state > MAX_FADES)
		tfm_fail(m->context, TFM_UNSUPPORTED, "states of more than %d numbers are not supported",
				 MAX_FADES);
	if (!nn_live(m))
		return;
	recur(m, layer, offset, selective_scan_state(s), s->heads * s->head_dim, scan_piece,
		  &(scan_call) {.s = s, .decay = decay, .skip = skip->data});
}

/* ---- Elements ---- */

/* torch's softplus is the identity above 20. */
static float
soften(float x)
{
	return x > 20 ? x : log1pf(expf(x));
}

void
soften_steps(nn_model *m, tensor x, int64_t stride, const char *bias, double least, double most)
{
	const weight *w =
		bias == NULL ? NULL : nn_weight(m, bias, LAYOUT_PLAIN, 0, x.rank == 0 ? 0 : x.shape[1]);

	for (int64_t t = 0; nn_live(m) && t < x.shape[0]; t++)
	{
		float *row = (float *) x.data + t * stride;

		for (int64_t i = 0; i < x.shape[1]; i++)
		{
			float y = soften(row[i] + (w == NULL ? 0 : ((const float *) w->data)[i]));

			row[i] = fminf(fmaxf(y, (float) least), (float) most);
		}
	}
}

void
clear_hidden(nn_model *m, tensor x, int64_t stride)
{
	const uint8_t *hidden = m->batch->hidden;

	for (int64_t t = 0; nn_live(m) && hidden != NULL && t < x.shape[0]; t++)
		if (hidden[t])
			memset((float *) x.data + t * stride, 0, (size_t) x.shape[1] * sizeof(float));
}
