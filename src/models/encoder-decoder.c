/*
 * encoder-decoder.c
 *	  Any encoder with any decoder that looks back at it (Rothe et al. 2019).
 *	  Follows transformers/models/encoder_decoder/modeling_encoder_decoder.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/part.h"
#include "nn/seq2seq.h"

typedef struct pair_config
{
	seq2seq_config seq2seq;
	nn_part encoder, decoder;
	const nn_head *head; /* the decoder's */
	bool projects;		 /* the encoder's states have other columns than the decoder's */
} pair_config;

/* ---- Parts ---- */

static tensor
encode_batch(nn_model *m, const void *config)
{
	return part_hidden_states(m, &((const pair_config *) config)->encoder);
}

/* The batch, whose memory is what the decoder sees of the encoder's states. */
static nn_batch
project_memory(nn_model *m, const pair_config *c, nn_memory *memory)
{
	nn_batch batch = *m->batch;

	*memory = *batch.memory;
	if (c->projects && memory->states.rank != 0)
		memory->states = linear(m, memory->states, "enc_to_dec_proj",
								.columns = part_config(&c->decoder)->hidden_size);
	batch.memory = memory;
	return batch;
}

/* Run a function of the decoder's family over the batch, which is the decoder's. */
static tensor
run_decoder(nn_model *m, const pair_config *c, tensor (*run)(nn_model *m, const pair_config *c))
{
	const nn_batch *kept = m->batch;
	nn_memory memory;
	nn_batch batch;
	part_pass pass;
	tensor x;

	batch = project_memory(m, c, &memory);
	m->batch = &batch;
	part_enter(m, &c->decoder, &pass);
	x = run(m, c);
	part_leave(m, &pass);
	m->batch = kept;
	return x;
}

static tensor
run_states(nn_model *m, const pair_config *c)
{
	return c->decoder.family->hidden_states(m, c->decoder.config);
}

static tensor
run_remember(nn_model *m, const pair_config *c)
{
	c->decoder.family->remember(m, c->decoder.config);
	return (tensor) {0};
}

/* The decoder's head gives the scores, which here are of the decoder's tokens. */
static tensor
run_head(nn_model *m, const pair_config *c)
{
	nn_output **last = &m->outputs;

	while (*last != NULL)
		last = &(*last)->next;
	c->head->forward(m, c->decoder.config);
	for (nn_output *output = *last; output != NULL; output = output->next)
		if (output->axis == NN_PER_TOKEN)
			output->axis = NN_PER_DECODER_TOKEN;
	return (tensor) {0};
}

static tensor
decode_batch(nn_model *m, const void *config)
{
	return run_decoder(m, config, run_head);
}

static tensor
hidden_states(nn_model *m, const void *config)
{
	return m->batch->memory != NULL ? run_decoder(m, config, run_states) : encode_batch(m, config);
}

static void
remember(nn_model *m, const void *config)
{
	run_decoder(m, config, run_remember);
}

static void
generation(nn_model *m, const void *config)
{
	tensor encoded;

	seq2seq_run_parts(m, config, &encoded);
	seq2seq_emit_encoded(m, encoded);
}

/* ---- Configuration ---- */

static void
read_config(tfm_context *context, json file, void *config)
{
	static const char *const suffixes[] = {"ForCausalLM", "LMHeadModel", NULL};
	pair_config *c = config;
	nn_config *common = &c->seq2seq.common;
	const nn_config *encoder, *decoder;

	*c = (pair_config) {
		.seq2seq = {.eos_token_id = -1,
					.decoder_start_token_id = -1,
					.encode = encode_batch,
					.decode = decode_batch},
		.encoder = {.name = "encoder"},
		.decoder = {.name = "decoder"},
	};
	common->pad_token_id = -1;
	seq2seq_read_config(context, file, &c->seq2seq);
	if (!part_read(context, file, &c->encoder) || !part_read(context, file, &c->decoder))
		return;
	c->head = part_find_head(&c->decoder, suffixes);
	if (c->head == NULL || c->decoder.family->remember == NULL)
		tfm_fail(context, TFM_UNSUPPORTED, "model type \"%s\" cannot be the decoder of another one",
				 c->decoder.variant->model_type);
	encoder = part_config(&c->encoder);
	decoder = part_config(&c->decoder);
	common->vocab_size = encoder->vocab_size;
	common->decoder_vocab_size = nn_output_words(decoder);
	common->hidden_size = encoder->hidden_size;
	common->embedding_size = encoder->embedding_size;
	common->any_position = encoder->any_position && decoder->any_position;
	common->max_positions = encoder->max_positions < decoder->max_positions
								? encoder->max_positions
								: decoder->max_positions;
	c->projects =
		encoder->hidden_size != decoder->hidden_size &&
		!json_present(json_member(json_member(file, "decoder"), "cross_attention_hidden_size"));
}

static void
count_positions(const nn_part *part, const int32_t *ids, const uint8_t *mask, int64_t count,
				int32_t *positions)
{
	for (int64_t i = 0; i < count; i++)
		positions[i] = (int32_t) i;
	if (part->family->make_positions != NULL)
		part->family->make_positions(part->config, ids, mask, count, positions);
}

static void
make_positions(const void *config, const int32_t *ids, const uint8_t *mask, int64_t count,
			   int32_t *positions)
{
	count_positions(&((const pair_config *) config)->encoder, ids, mask, count, positions);
}

static void
make_decoder_positions(const void *config, const int32_t *ids, const uint8_t *mask, int64_t count,
					   int32_t *positions)
{
	count_positions(&((const pair_config *) config)->decoder, ids, mask, count, positions);
}

static int
cache_layers(const void *config, kv_layer *layers)
{
	return part_cache_layers(&((const pair_config *) config)->decoder, layers);
}

static int
memory_layers(const void *config, kv_layer *layers)
{
	return part_memory_layers(&((const pair_config *) config)->decoder, layers);
}

static const nn_variant variants[] = {
	{"encoder-decoder", "EncoderDecoder", "encoder_decoder"},
	{0},
};

static const nn_head heads[] = {
	{"Model", "text2text-generation", generation},
	{0},
};

const nn_family family_encoder_decoder = {
	.name = "encoder-decoder",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(pair_config),
	.read_config = read_config,
	.make_positions = make_positions,
	.make_decoder_positions = make_decoder_positions,
	.cache_layers = cache_layers,
	.memory_layers = memory_layers,
	.remember = remember,
	.hidden_states = hidden_states,
};
