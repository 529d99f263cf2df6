/*
 * rag.c
 *	  Retrieval-augmented generation (Lewis et al. 2020): an encoder of questions, by which documents
 *	  are found, and an encoder-decoder that is given the question with each of them.
 *	  Follows transformers/models/rag/modeling_rag.py, without a retriever of its own.
 *
 * A caller who has no documents yet gives the question alone, and gets what they are found by.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "nn/inputs.h"
#include "nn/part.h"
#include "nn/seq2seq.h"

#define MAX_DOCUMENTS 4096

/* The family's own inputs: rows of documents * sequences; scores are [sequences, documents]. */
enum
{
	CONTEXT_IDS,
	CONTEXT_MASK,
	SCORES
};

typedef struct rag_config
{
	seq2seq_config seq2seq;
	nn_part questions, generator;
	const nn_head *question_head, *generator_head;
	int64_t documents; /* for each question */
	bool marginalizes; /* scores of tokens are those of all documents together */
} rag_config;

/* ---- Parts ---- */

static void
run_head(nn_model *m, const nn_part *part, const nn_head *head)
{
	part_pass pass;

	part_enter(m, part, &pass);
	head->forward(m, part->config);
	part_leave(m, &pass);
}

/* Run a head whose outputs are not the caller's: they are returned. */
static nn_output *
run_aside(nn_model *m, const nn_part *part, const nn_head *head)
{
	nn_output *kept = m->outputs, *own;

	m->outputs = NULL;
	run_head(m, part, head);
	own = m->outputs;
	m->outputs = kept;
	return own;
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	return part_hidden_states(m, &((const rag_config *) config)->generator);
}

static void
remember(nn_model *m, const void *config)
{
	part_remember(m, &((const rag_config *) config)->generator);
}

/* ---- Batches ---- */

/* Arrays of a batch of so many sequences and tokens; NULL after an error. */
static nn_batch *
create_batch(tfm_context *context, int64_t sequences, int64_t tokens, int32_t **offsets)
{
	nn_batch *batch = tfm_alloc_zero(context, sizeof(nn_batch));

	*offsets = tfm_alloc_array(context, (size_t) sequences + 1, sizeof(int32_t));
	if (tfm_failed(context))
		return NULL;
	*batch =
		(nn_batch) {.sequences = sequences, .tokens = tokens, .offsets = *offsets, .choices = 1};
	return batch;
}

/* Each sequence of the decoder's batch as often as there are documents. */
static nn_batch *
repeat_sequences(nn_model *m, const nn_batch *from, int64_t times, int64_t width)
{
	size_t tokens = (size_t) (from->tokens * times);
	int32_t *offsets, *positions, *columns;
	int32_t *ids = tfm_alloc_array(m->context, tokens, 3 * sizeof(int32_t));
	uint8_t *hidden = tfm_alloc_zero(m->context, tokens);
	float *embeds = from->embeds == NULL
						? NULL
						: tfm_alloc_array(m->context, tokens, (size_t) width * sizeof(float));
	nn_batch *to = create_batch(m->context, from->sequences * times, (int64_t) tokens, &offsets);
	int64_t used = 0;

	if (to == NULL)
		return NULL;
	positions = ids + tokens;
	columns = positions + tokens;
	for (int64_t i = 0; i < to->sequences; i++)
	{
		int64_t first = from->offsets[i / times], count = from->offsets[i / times + 1] - first;
		size_t bytes = (size_t) count * sizeof(int32_t);

		offsets[i] = (int32_t) used;
		memcpy(ids + used, from->ids + first, bytes);
		memcpy(positions + used, from->positions + first, bytes);
		memcpy(columns + used, from->columns + first, bytes);
		if (from->hidden != NULL)
			memcpy(hidden + used, from->hidden + first, (size_t) count);
		if (embeds != NULL)
			memcpy(embeds + used * width, from->embeds + first * width,
				   (size_t) (count * width) * sizeof(float));
		used += count;
	}
	offsets[to->sequences] = (int32_t) used;
	to->ids = ids;
	to->positions = positions;
	to->columns = columns;
	to->embeds = embeds;
	to->hidden = from->hidden == NULL ? NULL : hidden;
	return to;
}

/*
 * The generator's batch: a sequence for each document.  What the mask leaves out stays in it, hidden:
 * the states of all tokens are the caller's.
 */
static nn_batch *
make_contexts(nn_model *m, const rag_config *c)
{
	const nn_input *given = given_input(m, CONTEXT_IDS), *mask = given_input(m, CONTEXT_MASK);
	const nn_family *family = c->generator.family;
	int64_t rows = given->shape[0], columns = given->shape[1];
	size_t count = (size_t) (rows * columns);
	int32_t *offsets, *places = tfm_alloc_array(m->context, count, 2 * sizeof(int32_t));
	uint8_t *hidden = tfm_alloc_array(m->context, count, sizeof(uint8_t));
	nn_batch *batch = create_batch(m->context, rows, (int64_t) count, &offsets);

	if (batch == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
	{
		places[i] = places[count + i] = (int32_t) ((int64_t) i % columns);
		hidden[i] = mask != NULL && mask->ints[i] == 0;
	}
	for (int64_t row = 0; row <= rows; row++)
	{
		offsets[row] = (int32_t) (row * columns);
		if (row < rows && family->make_positions != NULL)
			family->make_positions(c->generator.config, given->ints + row * columns, NULL, columns,
								   places + row * columns);
	}
	batch->ids = given->ints;
	batch->positions = places;
	batch->columns = places + count;
	batch->hidden = mask == NULL ? NULL : hidden;
	return batch;
}

static bool
check_inputs(nn_model *m, const rag_config *c)
{
	const nn_batch *decoder = m->batch->decoder;
	const nn_input *ids = given_input(m, CONTEXT_IDS), *mask = given_input(m, CONTEXT_MASK);
	const nn_input *scores = given_input(m, SCORES);
	int64_t rows = m->batch->sequences * c->documents;

	if (decoder != NULL && decoder->tokens > INT32_MAX / c->documents)
		return tfm_fail(m->context, TFM_LIMIT_EXCEEDED, "a batch has too many tokens");
	if (ids->rank != 2 || ids->shape[0] != rows || ids->shape[0] * ids->shape[1] > INT32_MAX / 3)
		return tfm_fail(m->context, TFM_INVALID_ARGUMENT,
						"argument \"context_input_ids\" must have %lld rows, for each question",
						(long long) c->documents);
	if (mask != NULL &&
		(mask->rank != 2 || mask->shape[0] != rows || mask->shape[1] != ids->shape[1]))
		return tfm_fail(m->context, TFM_INVALID_ARGUMENT,
						"argument \"context_attention_mask\" must have the shape of the contexts");
	if (scores == NULL || scores->rank != 2 || scores->shape[0] != m->batch->sequences ||
		scores->shape[1] != c->documents)
		return tfm_fail(m->context, TFM_INVALID_ARGUMENT,
						"argument \"doc_scores\" must have %lld scores for each question",
						(long long) c->documents);
	return true;
}

/* ---- Outputs ---- */

/* Rows of a batch's tokens as [sequences, columns, n]; zeros where a token was left out. */
static tensor
pad_tokens(nn_model *m, const nn_batch *batch, tensor x)
{
	int64_t columns = 0, n = x.shape[1];
	tensor y;

	for (int64_t t = 0; nn_live(m) && t < batch->tokens; t++)
		columns = batch->columns[t] >= columns ? batch->columns[t] + 1 : columns;
	y = nn_matrix(m, batch->sequences * columns, n);
	if (nn_live(m))
		memset(y.data, 0, (size_t) tensor_count(&y) * sizeof(float));
	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
			memcpy((float *) y.data + (i * columns + batch->columns[t]) * n,
				   (const float *) x.data + t * n, (size_t) n * sizeof(float));
	y.rank = 3;
	y.shape[0] = batch->sequences;
	y.shape[1] = columns;
	y.shape[2] = n;
	return y;
}

/* The logarithm of the sum of e^x over count elements, stride apart. */
static double
log_sum(const float *x, int64_t count, int64_t stride)
{
	double most = x[0], sum = 0;

	for (int64_t i = 1; i < count; i++)
		most = x[i * stride] > most ? x[i * stride] : most;
	for (int64_t i = 0; i < count; i++)
		sum += exp(x[i * stride] - most);
	return most + log(sum);
}

/* Logits [sequences * documents, columns, n] of all documents together -> [sequences, columns, n]. */
static tensor
marginalize(nn_model *m, const rag_config *c, tensor x)
{
	const nn_input *scores = given_input(m, SCORES);
	int64_t columns = x.shape[1], n = x.shape[2], block = columns * n;
	tensor y = nn_matrix(m, x.shape[0] / c->documents * columns, n);

	for (int64_t row = 0; nn_live(m) && row < x.shape[0] * columns; row++)
	{
		int64_t document = row / columns;
		const float *own = scores->floats + document / c->documents * c->documents;
		float *logits = (float *) x.data + row * n;
		double shift =
			own[document % c->documents] - log_sum(own, c->documents, 1) - log_sum(logits, n, 1);

		for (int64_t i = 0; i < n; i++)
			logits[i] = (float) (logits[i] + shift);
	}
	for (int64_t i = 0; nn_live(m) && i < tensor_count(&y); i++)
		((float *) y.data)[i] =
			(float) log_sum((const float *) x.data + i / block * c->documents * block + i % block,
							c->documents, block);
	y.rank = 3;
	y.shape[0] = x.shape[0] / c->documents;
	y.shape[1] = columns;
	y.shape[2] = n;
	return y;
}

static void
emit_scores(nn_model *m, const rag_config *c)
{
	const nn_input *scores = given_input(m, SCORES);
	tensor y = nn_matrix(m, m->batch->sequences, c->documents);

	if (nn_live(m))
		memcpy(y.data, scores->floats, (size_t) tensor_count(&y) * sizeof(float));
	nn_emit(m, "doc_scores", NN_PER_SEQUENCE, y);
}

/* ---- Heads ---- */

/* What the documents of a question are found by. */
static void
encode_questions(nn_model *m, const rag_config *c)
{
	const nn_output *states = run_aside(m, &c->questions, c->question_head);

	if (states != NULL)
		nn_emit(m, "question_encoder_last_hidden_state", states->axis, states->value);
}

/* The generator over the contexts, and the decoder's ids with each. */
static void
read_documents(nn_model *m, const rag_config *c, bool marginalizes)
{
	const nn_batch *batch = m->batch;
	const nn_config *generator = part_config(&c->generator);
	nn_batch *contexts = make_contexts(m, c), *decoder = NULL;
	nn_output *outputs;

	if (batch->decoder != NULL)
		decoder = repeat_sequences(m, batch->decoder, c->documents, nn_embedding_size(generator));
	if (contexts == NULL || tfm_failed(m->context))
		return;
	contexts->decoder = decoder;
	m->batch = contexts;
	outputs = run_aside(m, &c->generator, c->generator_head);
	m->batch = batch;
	for (nn_output *output = outputs; output != NULL; output = output->next)
		if (strcmp(output->name, "logits") == 0)
		{
			tensor logits = pad_tokens(m, decoder, output->value);

			nn_emit(m, "logits", NN_AS_SHAPED, marginalizes ? marginalize(m, c, logits) : logits);
			emit_scores(m, c);
		}
		else if (strcmp(output->name, "encoder_last_hidden_state") == 0)
			nn_emit(m, "generator_enc_last_hidden_state", NN_AS_SHAPED,
					pad_tokens(m, contexts, output->value));
}

static void
run_pass(nn_model *m, const rag_config *c, bool marginalizes)
{
	if (m->batch->memory != NULL)
		run_head(m, &c->generator, c->generator_head);
	else if (m->dry)
	{
		encode_questions(m, c);
		run_aside(m, &c->generator, c->generator_head);
	}
	else if (given_input(m, CONTEXT_IDS) == NULL)
		encode_questions(m, c);
	else if (check_inputs(m, c))
		read_documents(m, c, marginalizes);
}

static void
any_model(nn_model *m, const void *config)
{
	run_pass(m, config, false);
}

static void
token_generation(nn_model *m, const void *config)
{
	const rag_config *c = config;

	run_pass(m, c, c->marginalizes);
}

/* ---- Configuration ---- */

static void
read_config(tfm_context *context, json file, void *config)
{
	static const char *const encoders[] = {"QuestionEncoder", "Model", NULL};
	static const char *const generators[] = {"ForConditionalGeneration", "MTModel", NULL};
	rag_config *c = config;

	*c = (rag_config) {
		.seq2seq = {.eos_token_id = -1, .decoder_start_token_id = -1},
		.questions = {.name = "question_encoder"},
		.generator = {.name = "generator"},
		.documents = json_int(context, file, "n_docs", 5, 1, MAX_DOCUMENTS),
		.marginalizes = json_bool(context, file, "do_marginalize", false),
	};
	if (!part_read(context, file, &c->questions) || !part_read(context, file, &c->generator))
		return;
	c->question_head = part_find_head(&c->questions, encoders);
	c->generator_head = part_find_head(&c->generator, generators);
	if (c->question_head == NULL || c->generator_head == NULL ||
		c->generator.family->memory_layers == NULL)
		tfm_fail(context, TFM_UNSUPPORTED, "model types \"%s\" and \"%s\" do not make a RAG model",
				 c->questions.variant->model_type, c->generator.variant->model_type);
	c->seq2seq.common = *part_config(&c->generator);
	if (part_config(&c->questions)->vocab_size > c->seq2seq.common.vocab_size)
		c->seq2seq.common.vocab_size = part_config(&c->questions)->vocab_size;
}

static int
cache_layers(const void *config, kv_layer *layers)
{
	return part_cache_layers(&((const rag_config *) config)->generator, layers);
}

static int
memory_layers(const void *config, kv_layer *layers)
{
	return part_memory_layers(&((const rag_config *) config)->generator, layers);
}

static const nn_variant variants[] = {{"rag", "Rag", "rag"}, {0}};

static const nn_input_kind inputs[] = {
	[CONTEXT_IDS] = {"context_input_ids", .per_token = false},
	[CONTEXT_MASK] = {"context_attention_mask", .per_token = false},
	[SCORES] = {"doc_scores", .is_float = true},
	{0},
};

static const nn_head heads[] = {
	{"Model", "text2text-generation", any_model},
	{"SequenceForGeneration", "text2text-generation", any_model},
	{"TokenForGeneration", "text2text-generation", token_generation},
	{0},
};

const nn_family family_rag = {
	.name = "rag",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(rag_config),
	.read_config = read_config,
	.inputs = inputs,
	.cache_layers = cache_layers,
	.memory_layers = memory_layers,
	.remember = remember,
	.hidden_states = hidden_states,
};
