/*
 * seq2seq.c
 *	  The decoder after the encoder, and what stands on top of them.
 *	  Follows BartModel, T5Model and their heads in Transformers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/seq2seq.h"

#include <stdio.h>
#include <string.h>

/* ---- Configuration ---- */

/* An id, or the first of a list of them; null is none. */
static int32_t
read_token_id(tfm_context *context, json file, const char *key, int64_t fallback)
{
	json value = json_member(file, key);
	int64_t id;

	if (!json_is_array(value))
		return (int32_t) json_int(context, file, key, fallback, -1, NN_MAX_SIZE);
	return json_to_int(json_first(value), -1, NN_MAX_SIZE, &id) ? (int32_t) id : -1;
}

void
seq2seq_read_config(tfm_context *context, json file, seq2seq_config *c)
{
	nn_config *common = &c->common;
	const char *class = json_as_string(json_first(json_member(file, "architectures")));
	bool said = json_is_object(json_member(file, "id2label")) ||
				json_present(json_member(file, "num_labels"));

	if (common->num_labels == 0 || said)
		common->num_labels = nn_read_num_labels(context, file);
	c->decoder_alone = class != NULL && strstr(class, "ForCausalLM") != NULL;
	common->pad_token_id = read_token_id(context, file, "pad_token_id", common->pad_token_id);
	c->eos_token_id = read_token_id(context, file, "eos_token_id", c->eos_token_id);
	c->decoder_start_token_id =
		read_token_id(context, file, "decoder_start_token_id", c->decoder_start_token_id);
}

const char *
seq2seq_find_words(nn_model *m, const char *const *names)
{
	for (int i = 0; names[i] != NULL; i++)
	{
		char name[NN_NAME_MAX];

		snprintf(name, sizeof(name), "%s.weight", names[i]);
		if (nn_has_weight(m, name))
			return names[i];
	}
	return names[0];
}

void
seq2seq_shift_right(const void *config, const int32_t *ids, int64_t count, int32_t *decoder_ids)
{
	const seq2seq_config *c = config;

	for (int64_t i = 0; i < count; i++)
		decoder_ids[i] = i == 0 ? c->decoder_start_token_id : ids[i - 1];
}

/* ---- Both parts ---- */

tensor
seq2seq_hidden_states(nn_model *m, const void *config)
{
	const seq2seq_config *c = config;

	return c->decoder_alone || m->batch->memory != NULL ? c->decode(m, config)
														: c->encode(m, config);
}

tensor
seq2seq_run_parts(nn_model *m, const seq2seq_config *c, tensor *encoded)
{
	const nn_batch *batch = m->batch;
	nn_batch decoder;
	nn_memory memory;
	tensor x;

	*encoded = (tensor) {0};
	if (batch->memory != NULL)
		return c->decode(m, c);
	if (batch->decoder == NULL)
	{
		tfm_fail(m->context, TFM_INVALID_ARGUMENT,
				 "argument \"decoder_input_ids\" or \"decoder_inputs_embeds\" is needed");
		return *encoded;
	}
	m->part = "encoder";
	*encoded = c->encode(m, c);
	memory = (nn_memory) {.states = *encoded, .offsets = batch->offsets, .hidden = batch->hidden};
	decoder = *batch->decoder;
	decoder.memory = &memory;
	decoder.output_hidden_states = batch->output_hidden_states;
	m->batch = &decoder;
	m->part = "decoder";
	x = c->decode(m, c);
	m->batch = batch;
	m->part = NULL;
	return x;
}

void
seq2seq_emit_encoded(nn_model *m, tensor encoded)
{
	if (encoded.rank != 0)
		nn_emit(m, "encoder_last_hidden_state", NN_PER_TOKEN, encoded);
}

/* ---- Heads ---- */

void
seq2seq_base_model(nn_model *m, const void *config)
{
	tensor encoded;
	tensor x = seq2seq_run_parts(m, config, &encoded);

	nn_emit(m, "last_hidden_state", NN_PER_DECODER_TOKEN, x);
	seq2seq_emit_encoded(m, encoded);
}

tensor
seq2seq_predict_wanted(nn_model *m, const seq2seq_config *c, tensor x)
{
	if (m->batch->wanted != NULL)
		x = take_rows(m, x, m->batch->wanted, m->batch->wanted_count);
	return c->predict_words(m, c, x);
}

void
seq2seq_conditional_generation(nn_model *m, const void *config)
{
	tensor encoded;
	tensor x = seq2seq_run_parts(m, config, &encoded);

	nn_emit(m, "logits", NN_PER_DECODER_TOKEN, seq2seq_predict_wanted(m, config, x));
	seq2seq_emit_encoded(m, encoded);
}

void
seq2seq_causal_lm(nn_model *m, const void *config)
{
	const seq2seq_config *c = config;
	tensor x = c->decode(m, config);

	nn_emit(m, "logits", NN_PER_TOKEN, seq2seq_predict_wanted(m, config, x));
}

/* The place in its row of the last end of a sequence; -1 if it has none. */
static int64_t
find_end(const nn_batch *batch, int64_t sequence, int32_t end)
{
	for (int64_t t = batch->offsets[sequence + 1] - 1; t >= batch->offsets[sequence]; t--)
		if (batch->ids[t] == end && (batch->hidden == NULL || batch->hidden[t] == 0))
			return batch->columns[t];
	return -1;
}

/* The decoder's token at that place of the same sequence; -1 if there is none. */
static int32_t
find_column(const nn_batch *batch, int64_t sequence, int64_t column)
{
	for (int32_t t = batch->offsets[sequence]; t < batch->offsets[sequence + 1]; t++)
		if (batch->columns[t] == column)
			return t;
	return -1;
}

/* For each sequence the decoder's token where the encoder's ids end. */
static const int32_t *
find_ends(nn_model *m, const seq2seq_config *c)
{
	const nn_batch *batch = m->batch;
	int32_t *rows =
		nn_live(m) ? tfm_alloc_array(m->context, (size_t) batch->sequences, sizeof(int32_t)) : NULL;

	for (int64_t i = 0; rows != NULL && i < batch->sequences; i++)
	{
		int64_t column = find_end(batch, i, c->eos_token_id);

		rows[i] = column < 0 || i >= batch->decoder->sequences
					  ? -1
					  : find_column(batch->decoder, i, column);
		if (rows[i] < 0)
			tfm_fail(m->context, TFM_INVALID_ARGUMENT,
					 "each row of \"input_ids\" must have the end of a text, token %d",
					 c->eos_token_id);
	}
	return rows;
}

void
seq2seq_sequence_classification(nn_model *m, const void *config)
{
	const seq2seq_config *c = config;
	tensor encoded;
	tensor x = seq2seq_run_parts(m, config, &encoded);

	x = take_rows(m, x, find_ends(m, c), m->batch->sequences);
	x = linear(m, x, "classification_head.dense", .activation = ACTIVATION_TANH);
	x = linear(m, x, "classification_head.out_proj", .columns = c->common.num_labels);
	nn_emit(m, "logits", NN_PER_SEQUENCE, x);
	seq2seq_emit_encoded(m, encoded);
}

void
seq2seq_question_answering(nn_model *m, const void *config)
{
	tensor encoded;
	tensor x = seq2seq_run_parts(m, config, &encoded);
	tensor logits = linear(m, x, "qa_outputs", .columns = 2);

	emit_spans(m, NN_PER_DECODER_TOKEN, logits);
	seq2seq_emit_encoded(m, encoded);
}

void
seq2seq_encoder_model(nn_model *m, const void *config)
{
	const seq2seq_config *c = config;

	nn_emit(m, "last_hidden_state", NN_PER_TOKEN, c->encode(m, config));
}

void
seq2seq_token_classification(nn_model *m, const void *config)
{
	const seq2seq_config *c = config;
	tensor x = c->encode(m, config);

	nn_emit(m, "logits", NN_PER_TOKEN, linear(m, x, "classifier", .columns = c->common.num_labels));
}

const nn_head seq2seq_heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{0},
};
