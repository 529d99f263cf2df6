/*
 * moe.c
 *	  Mixtures of experts: routing, and products of the rows that each expert got.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/moe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/elementwise.h"

const moe_names moe_llama_names[] = {
	{.gate = "mlp.experts.%.gate_proj",
	 .up = "mlp.experts.%.up_proj",
	 .down = "mlp.experts.%.down_proj"},
	{.gate_up = "mlp.experts.gate_up_proj", .down = "mlp.experts.down_proj"},
	{0},
};

/* ---- Routing ---- */

/* Scores of count experts become their softmax, in place. */
static void
soften(float *scores, int count)
{
	float most = scores[0], sum = 0;

	for (int i = 1; i < count; i++)
		most = scores[i] > most ? scores[i] : most;
	for (int i = 0; i < count; i++)
		sum += scores[i] = expf(scores[i] - most);
	for (int i = 0; i < count; i++)
		scores[i] /= sum;
}

/* The best of scores, best first; of equal ones the first goes before. */
static void
pick_best(const float *scores, int experts, int ways, int32_t *best)
{
	int picked = 0;

	for (int32_t i = 0; i < experts; i++)
	{
		int place = picked < ways ? picked++ : ways;

		while (place > 0 && scores[i] > scores[best[place - 1]])
		{
			if (place < ways)
				best[place] = best[place - 1];
			place--;
		}
		if (place < ways)
			best[place] = i;
	}
}

static void
normalize_weights(float *weights, int ways, double power)
{
	double sum = 0;

	for (int j = 0; j < ways; j++)
		sum += power == 1 ? (double) weights[j] : pow(fabs((double) weights[j]), power);
	if (power != 1)
		sum = pow(sum, 1 / power);
	for (int j = 0; j < ways; j++)
		weights[j] = (float) ((double) weights[j] / sum);
}

/* The experts of one token, best first, and their weights. */
static void
choose_experts(const moe *c, float *scores, int32_t *best, float *weights)
{
	if (c->scoring == MOE_SOFTMAX)
		soften(scores, c->experts);
	for (int i = 0; c->scoring == MOE_SIGMOID && i < c->experts; i++)
		scores[i] = 1.0f / (1.0f + expf(-scores[i]));
	pick_best(scores, c->experts, c->chosen, best);
	for (int j = 0; j < c->chosen; j++)
		weights[j] = scores[best[j]];
	if (c->scoring == MOE_SOFTMAX_OF_BEST)
		soften(weights, c->chosen);
	if (c->norm_power != 0)
		normalize_weights(weights, c->chosen, c->norm_power);
	for (int j = 0; c->scale != 0 && j < c->chosen; j++)
		weights[j] *= (float) c->scale;
}

/* Experts of a token in ascending order, so that their parts are added as Transformers does. */
static void
sort_experts(int32_t *experts, float *weights, int ways)
{
	for (int i = 1; i < ways; i++)
		for (int j = i; j > 0 && experts[j] < experts[j - 1]; j--)
		{
			int32_t expert = experts[j];
			float share = weights[j];

			experts[j] = experts[j - 1];
			weights[j] = weights[j - 1];
			experts[j - 1] = expert;
			weights[j - 1] = share;
		}
}

/*
 * places has the experts of each token: of a sequence's tokens that are too many for one, no weight; or,
 * where they are kept, their weights are negative until keep_rest.
 */
static void
limit_experts(nn_model *m, const moe *c, moe_route *route)
{
	const int32_t *offsets = m->batch->offsets;
	int64_t *taken = tfm_alloc_array(m->context, (size_t) c->experts, sizeof(int64_t));

	for (int64_t i = 0; taken != NULL && i < m->batch->sequences; i++)
	{
		memset(taken, 0, (size_t) c->experts * sizeof(int64_t));
		for (int64_t place = offsets[i] * route->ways; place < offsets[i + 1] * route->ways;
			 place++)
			if (taken[route->places[place]]++ >= c->capacity)
				route->weights[place] = c->keeps_rest ? -route->weights[place] : 0;
	}
}

/* places has the experts of each token: make it the rows that they get. */
static void
group_rows(const moe *c, moe_route *route)
{
	int64_t count = route->tokens * route->ways;

	memset(route->offsets, 0, ((size_t) c->experts + 1) * sizeof(int32_t));
	for (int64_t i = 0; i < count; i++)
		route->offsets[route->places[i] + 1]++;
	for (int i = 0; i < c->experts; i++)
		route->offsets[i + 1] += route->offsets[i];
	for (int64_t i = 0; i < count; i++)
	{
		int32_t row = route->offsets[route->places[i]]++;

		route->rows[row] = (int32_t) (i / route->ways);
		route->places[i] = row;
	}
	for (int i = c->experts; i > 0; i--)
		route->offsets[i] = route->offsets[i - 1];
	route->offsets[0] = 0;
}

static bool
allocate_route(nn_model *m, const moe *c, moe_route *route)
{
	size_t count;

	if (__builtin_mul_overflow((size_t) route->tokens, (size_t) route->ways, &count) ||
		count > INT32_MAX)
		return tfm_fail(m->context, TFM_LIMIT_EXCEEDED, "a batch has too many tokens");
	route->offsets = tfm_alloc_array(m->context, (size_t) c->experts + 1, sizeof(int32_t));
	route->rows = tfm_alloc_array(m->context, count, sizeof(int32_t));
	route->places = tfm_alloc_array(m->context, count, sizeof(int32_t));
	route->weights = tfm_alloc_array(m->context, count, sizeof(float));
	return !tfm_failed(m->context);
}

moe_route
moe_choose(nn_model *m, tensor x, const moe *c)
{
	moe_route route = {.ways = c->chosen, .tokens = x.shape[0]};
	tensor scores = linear(m, x, c->router, .columns = c->experts);

	if (!nn_live(m) || !allocate_route(m, c, &route))
		return (moe_route) {.ways = c->chosen, .tokens = x.shape[0]};
	for (int64_t t = 0; t < route.tokens; t++)
	{
		int32_t *best = route.places + t * route.ways;
		float *weights = route.weights + t * route.ways;

		if (t % 256 == 0 && tfm_stopped(m->context))
			return (moe_route) {.ways = c->chosen, .tokens = x.shape[0]};
		choose_experts(c, (float *) scores.data + t * c->experts, best, weights);
		sort_experts(best, weights, route.ways);
	}
	if (c->capacity > 0)
		limit_experts(m, c, &route);
	group_rows(c, &route);
	return route;
}

/* ---- Rows ---- */

tensor
moe_spread(nn_model *m, tensor x, const moe_route *route)
{
	return take_rows(m, x, route->rows, route->tokens * route->ways);
}

tensor
moe_gather(nn_model *m, tensor x, const moe_route *route)
{
	tensor y;

	if (tfm_failed(m->context))
		return (tensor) {0};
	y = nn_matrix(m, route->tokens, x.shape[1]);
	if (nn_live(m))
		op_mix(m->context, &(op_mix_options) {.x = x.data,
											  .places = route->places,
											  .weights = route->weights,
											  .ways = route->ways,
											  .rows = route->tokens,
											  .n = x.shape[1],
											  .y = y.data});
	return y;
}

/* ---- Products ---- */

/* The name of an expert's weight. */
static const char *
expert_name(char text[NN_NAME_MAX], const char *pattern, int expert, int experts)
{
	const char *place = strchr(pattern, '%');

	if (place == NULL)
		snprintf(text, NN_NAME_MAX, "%s[%d/%d]", pattern, expert, experts);
	else
		snprintf(text, NN_NAME_MAX, "%.*s%d%s", (int) (place - pattern), pattern, expert,
				 place + 1);
	return text;
}

/* The rows of x, stride elements apart, that an expert got; in a dry run all, for the weights' sake. */
static tensor
expert_rows(const moe_route *route, tensor x, int64_t stride, int expert)
{
	if (route->offsets == NULL)
		return x;
	x.data = (float *) x.data + route->offsets[expert] * stride;
	x.shape[0] = route->offsets[expert + 1] - route->offsets[expert];
	return x;
}

tensor
moe_linear(nn_model *m, tensor x, const moe *c, const moe_route *route, const moe_product *product)
{
	int64_t stride = product->stride == 0 ? x.shape[1] : product->stride;
	int64_t width = product->columns * product->count;
	tensor y = nn_matrix(m, x.shape[0], width);

	for (int expert = 0; expert < c->experts && !tfm_failed(m->context); expert++)
	{
		tensor own = expert_rows(route, x, stride, expert);
		char texts[2][NN_NAME_MAX];
		linear_row row = {.count = product->count,
						  .x_stride = stride,
						  .transposed = product->transposed,
						  .into = expert_rows(route, y, width, expert)};

		for (int i = 0; i < product->count; i++)
		{
			row.names[i] = expert_name(texts[i], product->names[i], expert, c->experts);
			row.columns[i] = product->columns;
		}
		if (own.shape[0] > 0)
			linear_side_by_side(m, own, &row);
	}
	return y;
}

/* Whether the checkpoint has the first expert under that name. */
static bool
has_expert(nn_model *m, const moe *c, const char *pattern)
{
	char name[NN_NAME_MAX], full[2 * NN_NAME_MAX];

	snprintf(full, sizeof(full), "%s.weight", expert_name(name, pattern, 0, c->experts));
	return strlen(full) < NN_NAME_MAX && nn_has_weight(m, full);
}

/* The spelling that the checkpoint has; the first if it has none, for the message. */
static const moe_names *
find_names(nn_model *m, const moe *c)
{
	for (const moe_names *names = c->names; names->down != NULL; names++)
		if (has_expert(m, c, names->down))
			return names;
	return c->names;
}

/* Gate and up, side by side, or up alone: x [tokens * ways, hidden] -> [tokens * ways, n or 2 n]. */
static tensor
enter_experts(nn_model *m, tensor x, const moe *c, const moe_route *route, const moe_names *names)
{
	moe_product product = {.count = 1,
						   .names = {names->up},
						   .columns = c->intermediate_size,
						   .transposed = names->gate_transposed};

	if (c->gated && names->gate_up != NULL)
	{
		product.names[0] = names->gate_up;
		product.columns *= 2;
	}
	else if (c->gated)
	{
		product.count = 2;
		product.names[0] = names->gate;
		product.names[1] = names->up;
	}
	return moe_linear(m, x, c, route, &product);
}

/* What was too much for its expert becomes itself again, in y [tokens * ways, hidden]. */
static void
keep_rest(nn_model *m, tensor y, tensor x, const moe_route *route)
{
	size_t size = (size_t) x.shape[1] * sizeof(float);

	for (int64_t i = 0; nn_live(m) && i < route->tokens * route->ways; i++)
		if (route->weights[i] < 0)
		{
			memcpy((float *) y.data + route->places[i] * x.shape[1],
				   (const float *) x.data + i / route->ways * x.shape[1], size);
			route->weights[i] = -route->weights[i];
		}
}

tensor
mixture(nn_model *m, tensor x, const moe *c)
{
	int64_t n = c->intermediate_size, hidden = x.shape[1];
	const moe_names *names;
	moe_route route;
	tensor y;

	if (tfm_failed(m->context))
		return (tensor) {0};
	names = find_names(m, c);
	route = moe_choose(m, x, c);
	y = enter_experts(m, moe_spread(m, x, &route), c, &route, names);
	if (c->gated)
		gate(m, y, take_columns(y, n, n), n, 2 * n, c->activation);
	else
		activate(m, y, c->activation);
	y = moe_linear(m, take_columns(y, 0, n), c, &route,
				   &(moe_product) {.count = 1,
								   .names = {names->down},
								   .columns = hidden,
								   .transposed = names->down_transposed,
								   .stride = c->gated ? 2 * n : n});
	if (c->keeps_rest)
		keep_rest(m, y, x, &route);
	return moe_gather(m, y, &route);
}
