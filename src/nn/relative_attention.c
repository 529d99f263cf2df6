/*
 * relative_attention.c
 *	  Attention by content and distance.
 *
 * What a query has for each row of K, and a key for each row of Q, are matrix products; op_attend
 * asks for what a pair has of them.  The products of all tokens with all rows would be large: some
 * sequences, or of a long one some heads, are attended to at a time.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/relative_attention.h"

#include <math.h>
#include <string.h>

#include "tensor/attend.h"
#include "tensor/linear.h"
#include "tensor/pack.h"

/* Elements of the products that there are at a time, unless a single head takes more. */
#define MAX_PRODUCTS ((int64_t) 8 << 20)

/* A call, and the part of it in work: heads of the queries and keys of some sequences. */
typedef struct relative_call
{
	nn_model *m;
	const relative_attention *how;
	tensor q, k, v, y;
	int64_t head_size;
	double scale;
	relative_tokens queries, keys;
	int64_t sequence, end; /* first sequence of the part, and after its last */
	int head, heads;
	const float *by_query; /* [queries][heads][rows of K], or NULL */
	const float *by_key;   /* [keys][heads][rows of Q] */
	const float *by_type;  /* [queries][heads][2] */
} relative_call;

tensor
add_head_bias(nn_model *m, tensor x, const char *name, int heads)
{
	int64_t n = x.shape[1];
	const weight *w = nn_weight(m, name, LAYOUT_PLAIN, heads, n / heads);
	tensor y = nn_matrix(m, x.shape[0], n);

	for (int64_t i = 0; nn_live(m) && i < tensor_count(&x); i++)
		((float *) y.data)[i] = ((const float *) x.data)[i] + ((const float *) w->data)[i % n];
	return y;
}

/* ---- Scores of pairs ---- */

static int32_t
row_of(const relative_attention *how, int64_t distance)
{
	int64_t most = how->span - 1;

	distance = distance > most ? most : distance < -most ? -most : distance;
	return how->rows[distance + most];
}

static bool
is_same_type(const relative_call *call, int64_t query, int64_t key)
{
	int32_t a = call->queries.types == NULL ? 0 : call->queries.types[query];
	int32_t b = call->keys.types == NULL ? 0 : call->keys.types[key];

	return a == b || a == call->how->any_type || b == call->how->any_type;
}

/* The rows of the distances from a key to some queries. */
static void
find_rows(const relative_call *call, int64_t query, int queries, int64_t key, int32_t *rows)
{
	const int32_t *places = call->queries.places + query;
	int64_t place = call->keys.places[key];

	for (int i = 0; i < queries; i++)
		rows[i] = row_of(call->how, places[i] - place);
}

/* What the products have for a key and some queries. */
static void
fill_key(const relative_call *call, int head, int64_t query, int queries, int64_t key,
		 float *scores)
{
	const relative_attention *how = call->how;
	int64_t query_rows = how->position_keys.shape[0], key_rows = how->position_queries.shape[0];
	int64_t at = (query - call->queries.offsets[call->sequence]) * call->heads + head;
	int64_t key_at = (key - call->keys.offsets[call->sequence]) * call->heads + head;
	int32_t rows[ATTEND_QUERIES] = {0};

	if (how->span > 0)
		find_rows(call, query, queries, key, rows);
	for (int i = 0; i < queries; i++)
		scores[i] = call->by_key == NULL ? 0.0f : call->by_key[key_at * key_rows + rows[i]];
	if (call->by_query != NULL)
		for (int i = 0; i < queries; i++)
			scores[i] += call->by_query[(at + (int64_t) i * call->heads) * query_rows + rows[i]];
	if (call->by_type != NULL)
		for (int i = 0; i < queries; i++)
			scores[i] += call->by_type[(at + (int64_t) i * call->heads) * 2 +
									   (is_same_type(call, query + i, key) ? 0 : 1)];
	if (how->more != NULL)
		how->more(how->more_argument, query, queries, key, scores);
}

/* Whether a token is the first of one of the part's sequences. */
static bool
is_first(const relative_call *call, const int32_t *offsets, int64_t token)
{
	int64_t low = call->sequence, high = call->end;

	while (high - low > 1)
	{
		int64_t middle = low + (high - low) / 2;

		if (offsets[middle] <= token)
			low = middle;
		else
			high = middle;
	}
	return offsets[low] == token;
}

static void
fill_scores(const void *argument, int head, int64_t query, int queries, int64_t key, int64_t keys,
			float *scores)
{
	const relative_call *call = argument;
	bool apart = call->how->first_apart;
	bool first_query = apart && is_first(call, call->queries.offsets, query);

	for (int64_t j = 0; j < keys; j++)
	{
		float *own = scores + j * ATTEND_QUERIES;

		if (apart && is_first(call, call->keys.offsets, key + j))
			memset(own, 0, ATTEND_QUERIES * sizeof(float));
		else
			fill_key(call, head, query, queries, key + j, own);
		if (first_query)
			own[0] = 0.0f;
	}
}

/* ---- Products ---- */

/* A head of a table [rows, heads * head size], times the scale, as op_linear takes it. */
static const float *
pack_head(const relative_call *call, tensor table, int head)
{
	tfm_context *context = call->m->context;
	int64_t rows = table.shape[0], n = call->head_size;
	const float *from = (const float *) table.data + head * n;
	size_t size;
	float *copy, *packed;

	if (!weight_size(DTYPE_F32, LAYOUT_PANELS, 2, (int64_t[]) {rows, n}, &size))
		return NULL;
	packed = tfm_alloc(context, size);
	copy = tfm_alloc_array(context, (size_t) rows, (size_t) n * sizeof(float));
	if (packed == NULL || copy == NULL)
		return NULL;
	for (int64_t row = 0; row < rows; row++)
		for (int64_t i = 0; i < n; i++)
			copy[row * n + i] = (float) call->scale * from[row * table.shape[1] + i];
	pack_weight(DTYPE_F32, LAYOUT_PANELS, copy, rows, n, packed);
	return packed;
}

/* The part's rows of x, from first on, times its heads of a table -> [count][heads][rows]. */
static const float *
multiply(const relative_call *call, tensor x, int64_t first, int64_t count, tensor table)
{
	nn_model *m = call->m;
	int64_t rows = table.shape[0];
	float *y;

	if (table.rank == 0)
		return NULL;
	y = tfm_alloc_array(m->context, (size_t) count, (size_t) (call->heads * rows) * sizeof(float));
	for (int h = 0; h < call->heads && !tfm_failed(m->context); h++)
	{
		arena_mark mark = arena_save(m->context->arena);
		op_linear_options o = {
			.x = (const float *) x.data + first * x.shape[1] + (call->head + h) * call->head_size,
			.x_stride = x.shape[1],
			.rows = count,
			.k = call->head_size,
			.compute = m->compute,
		};

		o.parts[0] = (op_linear_part) {.panels = pack_head(call, table, call->head + h),
									   .n = rows,
									   .y = y + h * rows,
									   .y_stride = call->heads * rows};
		op_linear(m->context, &o);
		arena_restore(m->context->arena, mark);
	}
	return y;
}

/* ---- Parts ---- */

static tensor
or_query(const relative_call *call, tensor x)
{
	return x.rank == 0 ? call->q : x;
}

static void
attend_part(relative_call *call)
{
	const relative_attention *how = call->how;
	tfm_context *context = call->m->context;
	arena_mark mark = arena_save(context->arena);
	int64_t query = call->queries.offsets[call->sequence], key = call->keys.offsets[call->sequence];
	int64_t queries = call->queries.offsets[call->end] - query, at = call->head * call->head_size;

	call->by_query =
		multiply(call, or_query(call, how->position_x), query, queries, how->position_keys);
	call->by_key =
		multiply(call, call->k, key, call->keys.offsets[call->end] - key, how->position_queries);
	call->by_type = multiply(call, or_query(call, how->type_x), query, queries, how->type_keys);
	op_attend(context, &(op_attend_options) {
						   .q = (const float *) call->q.data + at,
						   .k = (const float *) call->k.data + at,
						   .v = (const float *) call->v.data + at,
						   .y = (float *) call->y.data + at,
						   .q_stride = call->q.shape[1],
						   .k_stride = call->k.shape[1],
						   .v_stride = call->v.shape[1],
						   .y_stride = call->y.shape[1],
						   .offsets = call->queries.offsets + call->sequence,
						   .key_offsets = call->keys.offsets + call->sequence,
						   .batch = call->end - call->sequence,
						   .heads = call->heads,
						   .head_dim = (int) call->head_size,
						   .scale = (float) call->scale,
						   .causal = how->causal,
						   .hidden = call->keys.hidden,
						   .scores = fill_scores,
						   .scores_argument = call,
						   .compute = call->m->compute,
					   });
	arena_restore(context->arena, mark);
}

/* Elements of the products of one head of a sequence. */
static int64_t
count_products(const relative_call *call, int64_t sequence)
{
	const relative_attention *how = call->how;
	int64_t queries = call->queries.offsets[sequence + 1] - call->queries.offsets[sequence];
	int64_t keys = call->keys.offsets[sequence + 1] - call->keys.offsets[sequence];

	return queries * (how->position_keys.shape[0] + how->type_keys.shape[0]) +
		   keys * how->position_queries.shape[0];
}

static void
attend_all(relative_call *call)
{
	int all = call->how->heads;

	for (int64_t i = 0; i < call->m->batch->sequences && nn_live(call->m); i = call->end)
	{
		int64_t products = count_products(call, i), fit;

		call->sequence = i;
		call->end = i + 1;
		while (call->end < call->m->batch->sequences &&
			   (products + count_products(call, call->end)) * all <= MAX_PRODUCTS)
			products += count_products(call, call->end++);
		fit = products == 0 ? all : MAX_PRODUCTS / products;
		call->heads = fit >= all ? all : fit < 1 ? 1 : (int) fit;
		for (call->head = 0; call->head < all; call->head += call->heads)
		{
			if (call->heads > all - call->head)
				call->heads = all - call->head;
			attend_part(call);
		}
	}
}

/* In a dry run: the memory that parts take. */
static void
count_memory(nn_model *m, const relative_attention *how)
{
	int64_t rows =
		how->position_keys.shape[0] + how->position_queries.shape[0] + how->type_keys.shape[0];
	int64_t most = m->batch->tokens * rows, all = most * how->heads;
	nn_scope part = nn_begin(m);

	if (all > MAX_PRODUCTS)
		all = most > MAX_PRODUCTS ? most : MAX_PRODUCTS;
	nn_matrix(m, 1, all);
	m->bytes = part.bytes;
}

static relative_tokens
tokens_or_batch(const nn_model *m, const relative_tokens *given)
{
	const nn_batch *batch = m->batch;
	relative_tokens tokens = *given;

	if (tokens.offsets != NULL)
		return tokens;
	return (relative_tokens) {.offsets = batch->offsets,
							  .places = batch->columns,
							  .types = batch->types,
							  .hidden = batch->hidden};
}

/* Whether a table or what meets it, if there is one, has the queries' columns. */
static bool
has_width(tensor t, int64_t width)
{
	return t.rank == 0 || t.shape[1] == width;
}

static bool
check_sizes(nn_model *m, const relative_call *call)
{
	const relative_attention *how = call->how;
	int64_t width = call->q.shape[1];

	if (how->heads >= 1 && width % how->heads == 0 && call->head_size <= ATTEND_MAX_HEAD_DIM &&
		has_width(call->k, width) && has_width(call->v, width) &&
		has_width(how->position_keys, width) && has_width(how->position_x, width) &&
		has_width(how->position_queries, width) && has_width(how->type_keys, width) &&
		has_width(how->type_x, width))
		return true;
	return tfm_fail(m->context, TFM_CORRUPTED,
					"the sizes of \"%sattention\" do not fit each other, or are too large",
					m->scope);
}

tensor
attend_relative(nn_model *m, tensor q, tensor k, tensor v, const relative_attention *how)
{
	relative_call call = {.m = m,
						  .how = how,
						  .q = q,
						  .k = k,
						  .v = v,
						  .scale = how->scale,
						  .queries = tokens_or_batch(m, &how->queries),
						  .keys = tokens_or_batch(m, &how->keys)};

	if (tfm_failed(m->context))
		return (tensor) {0};
	call.head_size = q.shape[1] / (how->heads < 1 ? 1 : how->heads);
	if (call.scale == 0.0)
		call.scale = 1.0 / sqrt((double) call.head_size);
	if (!check_sizes(m, &call))
		return (tensor) {0};
	call.y = nn_matrix(m, q.shape[0], q.shape[1]);
	if (m->dry)
		count_memory(m, how);
	attend_all(&call);
	return call.y;
}
