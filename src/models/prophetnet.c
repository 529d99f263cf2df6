/*
 * prophetnet.c
 *	  ProphetNet (Qi et al. 2020) and XLM-ProphetNet: an encoder as BART's, and a decoder that predicts
 *	  several tokens at once.
 *	  Follows transformers/models/prophetnet/modeling_prophetnet.py.
 *
 * Beside the text, the main stream, the decoder has a stream for each token to come: stream s stands,
 * at each place, for what is known there of the token s + 1 places further.  Rows of all streams lie
 * one after the other, [(1 + streams) * tokens, hidden].  Attention adds to its scores what the query
 * has for the distance of the key, so that each query is a call of its own.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "nn/bart.h"
#include "nn/inputs.h"
#include "tensor/attend.h"

#define NORM_EPS 1e-5
#define MAX_STREAMS 64

/* Added to the score of a key that is not seen. */
#define UNSEEN (-1e30f)

typedef struct prophetnet_config
{
	bart_config bart;
	int streams;
	int buckets, max_distance; /* of distances */
} prophetnet_config;

static const bart_names names = {
	.self = {.projections = {"self_attn.query_proj", "self_attn.key_proj", "self_attn.value_proj"},
			 .output = "self_attn.out_proj",
			 .norm = "self_attn_layer_norm"},
	.memory = {.projections = {"cross_attn.query_proj", "cross_attn.key_proj",
							   "cross_attn.value_proj"},
			   .output = "cross_attn.out_proj",
			   .norm = "cross_attn_layer_norm"},
	.fc1 = "feed_forward.intermediate",
	.fc2 = "feed_forward.output",
	.feed_forward_norm = "feed_forward_layer_norm",
};

/* ---- Configuration ---- */

static tensor encode_batch(nn_model *m, const void *config);
static tensor decode_batch(nn_model *m, const void *config);
static tensor predict_words(nn_model *m, const void *config, tensor x);

static bart_part
read_part(tfm_context *context, json file, const char *layers, const char *heads, const char *size)
{
	return (bart_part) {
		.layers = (int) json_int(context, file, layers, 12, 0, NN_MAX_LAYERS),
		.heads = (int) json_int(context, file, heads, 16, 1, NN_MAX_HEADS),
		.intermediate_size = json_int(context, file, size, 4096, 1, NN_MAX_SIZE),
	};
}

static void
read_config(tfm_context *context, json file, void *config)
{
	prophetnet_config *c = config;
	seq2seq_config *s = &c->bart.seq2seq;

	*c = (prophetnet_config) {
		.bart = {.seq2seq = {.common = {.vocab_size = 30522,
										.hidden_size = 1024,
										.max_positions = 512,
										.pad_token_id = 0},
							 .eos_token_id = 2,
							 .decoder_start_token_id = 0},
				 .encoder = read_part(context, file, "num_encoder_layers",
									  "num_encoder_attention_heads", "encoder_ffn_dim"),
				 .decoder = read_part(context, file, "num_decoder_layers",
									  "num_decoder_attention_heads", "decoder_ffn_dim"),
				 .names = &names},
		.streams = (int) json_int(context, file, "ngram", 2, 1, MAX_STREAMS),
		.buckets = (int) json_int(context, file, "num_buckets", 32, 2, NN_MAX_SIZE),
	};
	c->max_distance = (int) json_int(context, file, "relative_max_distance", 128,
									 c->buckets / 2 + 1, NN_MAX_SIZE);
	bart_read_config(context, file, "gelu", &c->bart);
	if (s->common.hidden_size % c->bart.decoder.heads != 0 ||
		s->common.hidden_size / c->bart.decoder.heads >= ATTEND_MAX_HEAD_DIM)
		tfm_fail(context, TFM_CORRUPTED, "\"%s\": key \"hidden_size\" does not fit the heads",
				 file.source);
	s->encode = encode_batch;
	s->decode = decode_batch;
	s->predict_words = predict_words;
}

/* ---- Embeddings ---- */

/* Rows of the table of positions: those of the places, further on by a number; the last for more. */
static const int32_t *
find_positions(nn_model *m, const nn_config *c, int64_t further)
{
	int64_t count = m->batch->tokens, last = c->max_positions - 1;
	int32_t *rows =
		nn_live(m) ? tfm_alloc_array(m->context, (size_t) count, sizeof(int32_t)) : NULL;

	for (int64_t t = 0; rows != NULL && t < count; t++)
	{
		int64_t row = m->batch->columns[t] + 1 + c->pad_token_id + further;

		rows[t] = (int32_t) (row < last ? row : last);
	}
	return rows;
}

static tensor
embed_words(nn_model *m, const nn_config *c, const char *const *tables)
{
	return embed(m, &(embedding) {.hidden_size = c->hidden_size,
								  .words = seq2seq_find_words(m, tables),
								  .word_count = c->vocab_size});
}

static tensor
encode_batch(nn_model *m, const void *config)
{
	static const char *const tables[] = {"encoder.word_embeddings", "word_embeddings",
										 "decoder.word_embeddings", NULL};
	const bart_config *c = config;
	const nn_config *common = config;
	tensor x = add_looked_up(m, embed_words(m, common, tables), "encoder.position_embeddings",
							 common->max_positions, find_positions(m, common, 0));

	x = layer_norm(m, x, "encoder.embeddings_layer_norm", NORM_EPS);
	return bart_run_layers(m, x, c, &c->encoder, "encoder", false);
}

/* The rows of some streams; 0 is the main one. */
static tensor
take_streams(tensor x, int first, int count, int64_t tokens)
{
	if (x.data != NULL)
		x.data = (float *) x.data + first * tokens * x.shape[1];
	x.shape[0] = count * tokens;
	return x;
}

static tensor
take_stream(tensor x, int stream, int64_t tokens)
{
	return take_streams(x, stream, 1, tokens);
}

/* Streams beside the main one that a pass has: steps of generation want the next token alone. */
static int
count_streams(const nn_model *m, const prophetnet_config *c)
{
	return m->batch->cache != NULL ? 1 : c->streams;
}

static tensor
embed_streams(nn_model *m, const prophetnet_config *c)
{
	static const char *const tables[] = {"decoder.word_embeddings", "word_embeddings",
										 "encoder.word_embeddings", NULL};
	static const char positions[] = "decoder.position_embeddings";
	const nn_config *common = &c->bart.seq2seq.common;
	int64_t tokens = m->batch->tokens, n = common->hidden_size;
	int streams = count_streams(m, c);
	tensor x = nn_matrix(m, (1 + streams) * tokens, n);
	tensor text = add_looked_up(m, embed_words(m, common, tables), positions, common->max_positions,
								find_positions(m, common, 0));
	tensor next = look_up(m, positions, common->max_positions, n, find_positions(m, common, 1));
	const weight *own =
		nn_weight(m, "decoder.ngram_embeddings.weight", LAYOUT_PLAIN, c->streams, n);

	for (int s = 0; nn_live(m) && s <= streams; s++)
	{
		/* the first stream has the last row */
		const float *row = own->data;

		row += s > 0 ? (s - 1 + c->streams - 1) % c->streams * n : 0;
		memcpy(take_stream(x, s, tokens).data, s == 0 ? text.data : next.data,
			   (size_t) (tokens * n) * sizeof(float));
		for (int64_t i = 0; s > 0 && i < tokens * n; i++)
			((float *) x.data)[s * tokens * n + i] += row[i % n];
	}
	return layer_norm(m, x, "decoder.embeddings_layer_norm", NORM_EPS);
}

/* ---- Attention ---- */

/* A layer's attention while it runs; rows are of all streams. */
typedef struct stream_attention
{
	int layer, heads;
	int64_t head_size;
	tensor q, k, v;	  /* [rows, hidden] */
	tensor distances; /* [rows, buckets * heads]: what a query has for each distance */
	tensor widened;	  /* [tokens, heads * (head_size + 1)]: the text's values, a one after each */
	tensor y;		  /* [rows, hidden] */
} stream_attention;

/* The values and, after each head's, a one: its mean tells the share that all keys have. */
static tensor
widen_values(nn_model *m, tensor v, int heads, int64_t size)
{
	int64_t tokens = m->batch->tokens;
	tensor y = nn_matrix(m, tokens, heads * (size + 1));

	for (int64_t i = 0; nn_live(m) && i < tokens * heads; i++)
	{
		float *row = (float *) y.data + i * (size + 1);

		memcpy(row, (const float *) v.data + i * size, (size_t) size * sizeof(float));
		row[size] = 1.0f;
	}
	return y;
}

static int
find_bucket(const prophetnet_config *c, int64_t distance)
{
	int exact = c->buckets / 2;
	float large;

	if (distance < exact)
		return distance < 0 ? 0 : (int) distance;
	large = logf((float) distance / (float) exact) / (float) log((double) c->max_distance / exact);
	large = (float) exact + large * (float) (c->buckets - exact);
	return large < (float) (c->buckets - 1) ? (int) large : c->buckets - 1;
}

/* One query of a pass: a token of a sequence, in a stream. */
typedef struct stream_query
{
	int64_t sequence, token;
	int stream;
	int64_t row;	/* of q and y */
	int64_t length; /* keys of the text */
} stream_query;

/*
 * What the query has for the first distance, in a head.  In passes over whole texts Transformers takes
 * that of another place, stream and head: it reshapes [tokens, streams, heads] as if it were
 * [streams, heads, tokens].  Steps of generation, of one token, are not affected.
 */
static const float *
find_distances(const nn_batch *batch, const prophetnet_config *c, const stream_attention *a,
			   const stream_query *query, int head)
{
	int64_t row = query->row, start = batch->offsets[query->sequence], flat;

	if (query->stream > 0 && batch->cache == NULL)
	{
		flat = ((query->stream - 1) * a->heads + head) * query->length + query->token - start;
		head = (int) (flat % a->heads);
		row = (1 + flat / a->heads % c->streams) * batch->tokens + start +
			  flat / (a->heads * c->streams);
	}
	return (const float *) a->distances.data + row * a->distances.shape[1] + head;
}

/* What a query adds to the scores of the text's keys: [heads, 2 * length - 1]. */
static void
fill_bias(const nn_batch *batch, const prophetnet_config *c, const stream_attention *a,
		  const stream_query *query, float *bias)
{
	const int32_t *places = batch->columns + batch->offsets[query->sequence];
	int64_t place = batch->columns[query->token];
	bool ahead = query->stream > 0;

	for (int h = 0; h < a->heads; h++, bias += 2 * query->length - 1)
	{
		const float *distances = find_distances(batch, c, a, query, h);

		for (int64_t j = 0; j < query->length; j++)
		{
			int64_t key = batch->cache == NULL ? places[j] : j;
			bool seen = key <= place + (ahead ? 1 - query->stream : 0) || (ahead && key == 0);

			bias[j] = seen ? distances[find_bucket(c, place + ahead - key) * a->heads] : UNSEEN;
		}
	}
}

/* The score of a stream's own key, which only its own place has. */
static void
score_own_key(const nn_batch *batch, const prophetnet_config *c, const stream_attention *a,
			  const stream_query *query, float *scores)
{
	const float *q = (const float *) a->q.data + query->row * a->q.shape[1];
	const float *k = (const float *) a->k.data + query->row * a->k.shape[1];

	for (int h = 0; h < a->heads; h++)
	{
		double sum = 0;

		for (int64_t i = h * a->head_size; i < (h + 1) * a->head_size; i++)
			sum += (double) q[i] * (double) k[i];
		scores[h] =
			(float) (sum / sqrt((double) a->head_size)) + *find_distances(batch, c, a, query, h);
	}
}

/* The mean of the text's values, and of a stream's own value what the others left. */
static void
mix_values(const stream_attention *a, const stream_query *query, const float *mean)
{
	const float *v = (const float *) a->v.data + query->row * a->v.shape[1];
	float *y = (float *) a->y.data + query->row * a->y.shape[1];

	for (int h = 0; h < a->heads; h++, mean += a->head_size + 1)
		for (int64_t i = 0; i < a->head_size; i++)
		{
			int64_t column = h * a->head_size + i;

			y[column] = mean[i];
			if (query->stream > 0)
				y[column] += (1.0f - mean[a->head_size]) * v[column];
		}
}

static void
attend_query(nn_model *m, const prophetnet_config *c, const stream_attention *a,
			 const stream_query *query)
{
	const nn_batch *batch = m->batch;
	int64_t start = batch->offsets[query->sequence];
	const int32_t query_offsets[] = {0, 1}, key_offsets[] = {0, (int32_t) query->length};
	float *bias = tfm_alloc_array(m->context, (size_t) (2 * query->length - 1),
								  (size_t) a->heads * sizeof(float));
	float *own = tfm_alloc_array(m->context, (size_t) a->heads, sizeof(float));
	float *mean = tfm_alloc_array(m->context, (size_t) a->widened.shape[1], sizeof(float));
	op_attend_options o = {.q = (const float *) a->q.data + query->row * a->q.shape[1],
						   .y = mean,
						   .offsets = query_offsets,
						   .batch = 1,
						   .heads = a->heads,
						   .head_dim = (int) a->head_size,
						   .value_dim = (int) a->head_size + 1,
						   .bias = bias,
						   .span = (int32_t) query->length,
						   .sinks = query->stream == 0 ? NULL : own,
						   .cache = batch->cache,
						   .layer = a->layer,
						   .compute = m->compute};

	if (tfm_failed(m->context))
		return;
	if (batch->cache != NULL)
		o.cached = batch->cached + query->sequence;
	else
	{
		o.k = (const float *) a->k.data + start * a->k.shape[1];
		o.v = (const float *) a->widened.data + start * a->widened.shape[1];
		o.key_offsets = key_offsets;
		o.hidden = batch->hidden == NULL ? NULL : batch->hidden + start;
	}
	fill_bias(batch, c, a, query, bias);
	score_own_key(batch, c, a, query, own);
	if (op_attend(m->context, &o))
		mix_values(a, query, mean);
}

/* All queries of a sequence. */
static void
attend_sequence(nn_model *m, const prophetnet_config *c, const stream_attention *a,
				int64_t sequence)
{
	const nn_batch *batch = m->batch;
	int64_t start = batch->offsets[sequence], end = batch->offsets[sequence + 1];
	int64_t length =
		batch->cache == NULL ? end - start : kv_length(batch->cache, batch->cached[sequence]);

	for (int64_t t = start; t < end; t++)
		for (int stream = 0; stream <= count_streams(m, c) && !tfm_failed(m->context); stream++)
		{
			arena_mark mark = arena_save(m->context->arena);

			attend_query(m, c, a,
						 &(stream_query) {.sequence = sequence,
										  .token = t,
										  .stream = stream,
										  .row = stream * batch->tokens + t,
										  .length = length});
			arena_restore(m->context->arena, mark);
		}
}

/* Put the text's keys and values into the cache. */
static void
append_keys(nn_model *m, const stream_attention *a)
{
	const nn_batch *batch = m->batch;
	int32_t *nobody = tfm_alloc_zero(m->context, ((size_t) batch->sequences + 1) * sizeof(int32_t));
	float nothing;

	if (nobody != NULL)
		op_attend(m->context, &(op_attend_options) {.q = &nothing,
													.y = &nothing,
													.k = a->k.data,
													.v = a->widened.data,
													.offsets = nobody,
													.key_offsets = batch->offsets,
													.batch = batch->sequences,
													.heads = a->heads,
													.head_dim = (int) a->head_size,
													.value_dim = (int) a->head_size + 1,
													.cache = batch->cache,
													.cached = batch->cached,
													.layer = a->layer,
													.compute = m->compute});
}

/* x [rows, hidden] -> [rows, hidden] */
static tensor
attend_to_streams(nn_model *m, const prophetnet_config *c, tensor x, int layer)
{
	const nn_batch *batch = m->batch;
	stream_attention a = {.layer = layer, .heads = c->bart.decoder.heads};
	tensor qkv[3];

	linear_parts(m, x, 3, names.self.projections, qkv);
	a.head_size = x.shape[1] / a.heads;
	a.q = qkv[0];
	a.k = qkv[1];
	a.v = qkv[2];
	a.distances = linear(m, x, "self_attn.relative_pos_embeddings",
						 .columns = (int64_t) c->buckets * a.heads);
	a.widened = widen_values(m, a.v, a.heads, a.head_size);
	a.y = nn_matrix(m, x.shape[0], x.shape[1]);
	if (nn_live(m) && batch->cache != NULL)
		append_keys(m, &a);
	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
		attend_sequence(m, c, &a, i);
	return a.y;
}

/* All streams look at the memory alike: x [rows, hidden] -> [rows, hidden]. */
static tensor
attend_to_memory(nn_model *m, const prophetnet_config *c, tensor x, int layer)
{
	const attention how = {.heads = c->bart.decoder.heads, .layer = layer, .cross = true};
	const tensor states = m->batch->memory->states;
	int64_t tokens = m->batch->tokens;
	tensor q = linear(m, x, names.memory.projections[0]), y = nn_matrix(m, x.shape[0], x.shape[1]);
	tensor kv[2] = {{0}};

	if (states.rank != 0)
		linear_parts(m, states, 2, names.memory.projections + 1, kv);
	for (int stream = 0; stream <= count_streams(m, c) && !tfm_failed(m->context); stream++)
	{
		nn_scope scope = nn_begin(m);

		nn_leave(m, scope, take_stream(y, stream, tokens),
				 attend(m, take_stream(q, stream, tokens), kv[0], kv[1], &how));
	}
	return y;
}

/* ---- Decoder ---- */

/* The product, the residual connection and the norm that a part of a layer ends with. */
static tensor
finish_part(nn_model *m, tensor x, tensor a, const char *name, const char *norm)
{
	return linear(m, a, name, .columns = x.shape[1], .residual = x, .replace = true, .norm = norm,
				  .norm_eps = NORM_EPS);
}

static tensor
run_layer(nn_model *m, const prophetnet_config *c, tensor x, int layer)
{
	nn_scope part = nn_begin(m);
	tensor a = attend_to_streams(m, c, x, layer);

	x = nn_leave(m, part, x, finish_part(m, x, a, names.self.output, names.self.norm));
	if (m->batch->memory != NULL)
	{
		part = nn_begin(m);
		a = attend_to_memory(m, c, x, layer);
		x = nn_leave(m, part, x, finish_part(m, x, a, names.memory.output, names.memory.norm));
	}
	part = nn_begin(m);
	a = linear(m, x, names.fc1, .columns = c->bart.decoder.intermediate_size,
			   .activation = c->bart.activation);
	return nn_leave(m, part, x, finish_part(m, x, a, names.fc2, names.feed_forward_norm));
}

/* The states of all streams, [(1 + streams) * tokens, hidden]. */
static tensor
decode_batch(nn_model *m, const void *config)
{
	const prophetnet_config *c = config;
	tensor x = embed_streams(m, c);

	for (int i = 0; i < c->bart.decoder.layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer;

		nn_emit_hidden_state(m, i, take_stream(x, 0, m->batch->tokens));
		layer = nn_enter(m, "decoder.layers.%d", i);
		x = nn_leave(m, layer, x, run_layer(m, c, x, i));
	}
	nn_emit_hidden_state(m, c->bart.decoder.layers, take_stream(x, 0, m->batch->tokens));
	return x;
}

static tensor
predict_words(nn_model *m, const void *config, tensor x)
{
	static const char *const tables[] = {"lm_head", "word_embeddings", "decoder.word_embeddings",
										 "encoder.word_embeddings", NULL};
	const nn_config *c = config;

	return linear(m, x, seq2seq_find_words(m, tables), .columns = c->vocab_size);
}

/* What embeddings are made of, or the text's states where there is no encoder to ask. */
static tensor
hidden_states(nn_model *m, const void *config)
{
	const seq2seq_config *c = config;

	if (c->decoder_alone || m->batch->memory != NULL)
		return take_stream(decode_batch(m, config), 0, m->batch->tokens);
	return encode_batch(m, config);
}

static int
cache_layers(const void *config, kv_layer *layers)
{
	const bart_config *c = config;
	int count = bart_cache_layers(config, layers);

	for (int i = 0; layers != NULL && i < count; i++)
		layers[i].value_dim = (int) (c->seq2seq.common.hidden_size / c->decoder.heads) + 1;
	return count;
}

/* ---- Heads ---- */

static const nn_batch *
decoder_batch(const nn_model *m)
{
	return m->batch->decoder == NULL ? m->batch : m->batch->decoder;
}

/*
 * Rows of some streams as [sequences, streams, columns, n], or [sequences, streams * columns, n]; zeros
 * where the caller's mask left a token out.
 */
static void
emit_streams(nn_model *m, const char *name, tensor x, int streams, bool four_dimensions)
{
	const nn_batch *batch = decoder_batch(m);
	int64_t columns = 0, n = x.shape[1];
	tensor y;

	for (int64_t t = 0; nn_live(m) && t < batch->tokens; t++)
		columns = batch->columns[t] >= columns ? batch->columns[t] + 1 : columns;
	y = nn_matrix(m, batch->sequences * streams * columns, n);
	if (nn_live(m))
		memset(y.data, 0, (size_t) tensor_count(&y) * sizeof(float));
	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
		for (int64_t s = 0; s < streams; s++)
			for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
				memcpy((float *) y.data + ((i * streams + s) * columns + batch->columns[t]) * n,
					   (const float *) x.data + (s * batch->tokens + t) * n,
					   (size_t) n * sizeof(float));
	y.rank = four_dimensions ? 4 : 3;
	y.shape[0] = batch->sequences;
	y.shape[1] = four_dimensions ? streams : streams * columns;
	y.shape[2] = four_dimensions ? columns : n;
	y.shape[3] = n;
	nn_emit(m, name, NN_AS_SHAPED, y);
}

static void
base_model(nn_model *m, const void *config)
{
	const prophetnet_config *c = config;
	int64_t tokens = decoder_batch(m)->tokens;
	tensor encoded;
	tensor x = seq2seq_run_parts(m, config, &encoded);

	nn_emit(m, "last_hidden_state", NN_PER_DECODER_TOKEN, take_stream(x, 0, tokens));
	if (m->batch->cache == NULL)
		emit_streams(m, "last_hidden_state_ngram", take_streams(x, 1, c->streams, tokens),
					 c->streams, false);
	seq2seq_emit_encoded(m, encoded);
}

/* Scores of the next token, after those that are wanted, and of the tokens after it. */
static void
emit_scores(nn_model *m, const prophetnet_config *c, tensor x, nn_axis axis)
{
	int64_t tokens = decoder_batch(m)->tokens;
	int others = c->streams - 1;

	nn_emit(m, "logits", axis,
			seq2seq_predict_wanted(m, &c->bart.seq2seq, take_stream(x, 1, tokens)));
	if (others > 0 && m->batch->cache == NULL && m->batch->wanted == NULL)
		emit_streams(m, "logits_ngram", predict_words(m, c, take_streams(x, 2, others, tokens)),
					 others, true);
}

static void
conditional_generation(nn_model *m, const void *config)
{
	tensor encoded;
	tensor x = seq2seq_run_parts(m, config, &encoded);

	emit_scores(m, config, x, NN_PER_DECODER_TOKEN);
	seq2seq_emit_encoded(m, encoded);
}

static void
causal_lm(nn_model *m, const void *config)
{
	emit_scores(m, config, decode_batch(m, config), NN_PER_TOKEN);
}

static const nn_variant variants[] = {
	{"prophetnet", "ProphetNet", "prophetnet"},
	{"xlm-prophetnet", "XLMProphetNet", "prophetnet"},
	{0},
};

static const nn_head heads[] = {
	{"Model", "feature-extraction", base_model},
	{"ForConditionalGeneration", "text2text-generation", conditional_generation},
	{"ForCausalLM", "text-generation", causal_lm},
	{0},
};

const nn_family family_prophetnet = {
	.name = "prophetnet",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(prophetnet_config),
	.read_config = read_config,
	.keeps_masked = true, /* see find_distances */
	.cache_layers = cache_layers,
	.memory_layers = bart_cache_layers,
	.remember = bart_remember,
	.hidden_states = hidden_states,
};
