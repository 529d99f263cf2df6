/*
 * encoder.c
 *	  The post-norm encoder of BERT (Devlin et al. 2018), and its heads.
 *	  Follows transformers/models/bert/modeling_bert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

const encoder_names encoder_bert_names = {
	.layer = "encoder.layer.%d",
	.query = "attention.self.query",
	.key = "attention.self.key",
	.value = "attention.self.value",
	.attention_output = "attention.output.dense",
	.attention_norm = "attention.output.LayerNorm",
	.intermediate = "intermediate.dense",
	.output = "output.dense",
	.output_norm = "output.LayerNorm",
};

void
encoder_read_config(tfm_context *context, json file, encoder_config *c, int64_t position_offset)
{
	nn_config *common = &c->common;

	common->vocab_size = json_int(context, file, "vocab_size", common->vocab_size, 1, NN_MAX_SIZE);
	common->hidden_size = json_int(context, file, "hidden_size", 768, 1, NN_MAX_SIZE);
	common->num_labels = nn_read_num_labels(context, file);
	common->tie_word_embeddings = json_bool(context, file, "tie_word_embeddings", true);
	c->layers = (int) json_int(context, file, "num_hidden_layers", 12, 0, NN_MAX_LAYERS);
	c->intermediate_size = json_int(context, file, "intermediate_size", 3072, 1, NN_MAX_SIZE);
	c->activation = nn_activation(context, json_string(context, file, "hidden_act", "gelu"));
	c->norm_eps = json_double(context, file, "layer_norm_eps", 1e-12);
	c->attention.heads = (int) json_int(context, file, "num_attention_heads", 12, 1, NN_MAX_HEADS);
	c->attention.causal = json_bool(context, file, "is_decoder", false);
	c->embedding.position_count =
		json_int(context, file, "max_position_embeddings", 512, position_offset + 1, NN_MAX_SIZE);
	c->embedding.type_count = json_int(context, file, "type_vocab_size", 2, 0, NN_MAX_SIZE);
	encoder_finish_config(c, position_offset);
}

void
encoder_finish_config(encoder_config *c, int64_t position_offset)
{
	c->common.max_positions = c->embedding.position_count - position_offset;
	c->embedding.hidden_size = c->common.hidden_size;
	c->embedding.word_count = c->common.vocab_size;
	c->embedding.norm_eps = c->norm_eps;
}

/* Attention, and the residual connection and norm after it. */
static tensor
attend_to_self(nn_model *m, tensor x, const encoder_config *c, const attention *how)
{
	const encoder_names *names = c->names;
	const char *const projections[] = {names->query, names->key, names->value};
	tensor qkv[3], a;

	linear_parts(m, x, 3, projections, qkv);
	a = attend(m, qkv[0], qkv[1], qkv[2], how);
	return linear(m, a, names->attention_output, .residual = x, .replace = true,
				  .norm = names->attention_norm, .norm_eps = c->norm_eps);
}

static tensor
feed_forward(nn_model *m, tensor x, const encoder_config *c)
{
	const encoder_names *names = c->names;
	tensor a = linear(m, x, names->intermediate, .columns = c->intermediate_size,
					  .activation = c->activation);

	return linear(m, a, names->output, .columns = c->common.hidden_size, .residual = x,
				  .replace = true, .norm = names->output_norm, .norm_eps = c->norm_eps);
}

/* Each half ends what it allocated: a batch's memory is that of the larger one. */
static tensor
encode_layer(nn_model *m, tensor x, const encoder_config *c, const attention *how)
{
	nn_scope half = nn_begin(m);

	x = nn_leave(m, half, x, attend_to_self(m, x, c, how));
	half = nn_begin(m);
	return nn_leave(m, half, x, feed_forward(m, x, c));
}

tensor
encode(nn_model *m, tensor x, const encoder_config *c, const attention *a)
{
	nn_emit_hidden_state(m, 0, x);
	for (int i = 0; i < c->layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer = nn_enter(m, c->names->layer, i);

		x = nn_leave(m, layer, x, encode_layer(m, x, c, a));
		nn_emit_hidden_state(m, i + 1, x);
	}
	return x;
}

tensor
encoder_hidden_states(nn_model *m, const void *config)
{
	const encoder_config *c = config;

	return encode(m, embed(m, &c->embedding), c, &c->attention);
}

tensor
encoder_pool(nn_model *m, tensor x)
{
	return linear(m, first_tokens(m, x), "pooler.dense", .activation = ACTIVATION_TANH);
}

tensor
encoder_predict_words(nn_model *m, const encoder_config *c, tensor x)
{
	const lm_head *head = &c->lm_head;

	x = linear(m, x, head->dense, .activation = head->activation);
	x = layer_norm(m, x, head->norm, c->norm_eps);
	return linear(m, x, head->decoder, .columns = c->common.vocab_size, .bias = head->decoder_bias,
				  .tied = c->common.tie_word_embeddings ? c->embedding.words : NULL);
}

void
encoder_base_model(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = c->hidden_states(m, config);

	nn_emit(m, "last_hidden_state", NN_PER_TOKEN, x);
	/* Saved without add_pooling_layer, as sentence encoders often are, there is no pooler. */
	if (nn_has_weight(m, "pooler.dense.weight"))
		nn_emit(m, "pooler_output", NN_PER_SEQUENCE, encoder_pool(m, x));
}

void
encoder_masked_lm(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = c->hidden_states(m, config);

	nn_emit(m, "logits", NN_PER_TOKEN, encoder_predict_words(m, c, x));
}

void
encoder_sequence_classification(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor pooled = encoder_pool(m, c->hidden_states(m, config));

	nn_emit(m, "logits", NN_PER_SEQUENCE,
			linear(m, pooled, "classifier", .columns = c->common.num_labels));
}

void
encoder_first_token_classification(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = first_tokens(m, c->hidden_states(m, config));

	x = linear(m, x, "classifier.dense", .activation = ACTIVATION_TANH);
	nn_emit(m, "logits", NN_PER_SEQUENCE,
			linear(m, x, "classifier.out_proj", .columns = c->common.num_labels));
}

void
encoder_multiple_choice(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor pooled = encoder_pool(m, c->hidden_states(m, config));

	nn_emit(m, "logits", NN_PER_CHOICE, linear(m, pooled, "classifier", .columns = 1));
}

void
encoder_token_classification(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = c->hidden_states(m, config);

	nn_emit(m, "logits", NN_PER_TOKEN, linear(m, x, "classifier", .columns = c->common.num_labels));
}

void
encoder_question_answering(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = c->hidden_states(m, config);
	tensor logits = linear(m, x, "qa_outputs", .columns = c->common.num_labels);

	nn_emit(m, "start_logits", NN_PER_TOKEN, take_column(m, logits, 0));
	nn_emit(m, "end_logits", NN_PER_TOKEN, take_column(m, logits, 1));
}

void
encoder_positions_after_padding(int64_t padding_id, const int32_t *ids, int64_t count,
								int32_t *positions)
{
	int32_t seen = 0;

	for (int64_t i = 0; i < count; i++)
		positions[i] = (int32_t) padding_id + (ids != NULL && ids[i] == padding_id ? 0 : ++seen);
}
