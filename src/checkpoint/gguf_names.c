/*
 * gguf_names.c
 *	  Tables of names: a stem of a GGUF file, "attn_q", and of the checkpoint, "self_attn.q_proj".
 *
 * A name is looked for in an architecture's own rows and then in those that it shares; what is behind
 * the stem (".weight", ".bias") stays.  Rows of layers stand for "blk.<n>." followed by the stem.
 *
 * Follows gguf-py's tensor_mapping.py and llama.cpp's convert_hf_to_gguf.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/gguf_names.h"

#include <stdio.h>
#include <string.h>

typedef struct name_row
{
	const char *gguf;
	const char *name;
	ckpt_gguf_change change;
} name_row;

typedef struct name_table
{
	const char *architecture;
	const char *layers;		/* in place of "blk." */
	const name_row *rows;	/* of layers, its own; or NULL */
	const name_row *shared; /* of layers; or NULL */
	const name_row *root;	/* of the whole model */
	bool norms_plus_one;	/* weights of norms are stored so */
} name_table;

/* ---- Of the whole model ---- */

static const name_row model_root[] = {
	{"token_embd", "model.embed_tokens", 0},
	{"output_norm", "model.norm", 0},
	{"output", "lm_head", 0},
	{NULL, NULL, 0},
};

static const name_row phi_root[] = {
	{"token_embd", "model.embed_tokens", 0},
	{"output_norm", "model.final_layernorm", 0},
	{"output", "lm_head", 0},
	{NULL, NULL, 0},
};

static const name_row transformer_root[] = {
	{"token_embd", "transformer.wte", 0},
	{"position_embd", "transformer.wpe", 0},
	{"output_norm", "transformer.ln_f", 0},
	{"output", "lm_head", 0},
	{NULL, NULL, 0},
};

static const name_row bloom_root[] = {
	{"token_embd", "transformer.word_embeddings", 0},
	{"token_embd_norm", "transformer.word_embeddings_layernorm", 0},
	{"output_norm", "transformer.ln_f", 0},
	{"output", "lm_head", 0},
	{NULL, NULL, 0},
};

static const name_row norm_f_root[] = {
	{"token_embd", "transformer.wte", 0},
	{"output_norm", "transformer.norm_f", 0},
	{"output", "lm_head", 0},
	{NULL, NULL, 0},
};

static const name_row neox_root[] = {
	{"token_embd", "gpt_neox.embed_in", 0},
	{"output_norm", "gpt_neox.final_layer_norm", 0},
	{"output", "embed_out", 0},
	{NULL, NULL, 0},
};

static const name_row t5_root[] = {
	{"token_embd", "shared", 0},
	{"enc.output_norm", "encoder.final_layer_norm", 0},
	{"dec.output_norm", "decoder.final_layer_norm", 0},
	{"output", "lm_head", 0},
	{NULL, NULL, 0},
};

/* ---- Of layers ---- */

static const name_row decoder_rows[] = {
	{"attn_norm", "input_layernorm", 0},
	{"attn_q", "self_attn.q_proj", 0},
	{"attn_k", "self_attn.k_proj", 0},
	{"attn_v", "self_attn.v_proj", 0},
	{"attn_output", "self_attn.o_proj", 0},
	{"attn_q_norm", "self_attn.q_norm", 0},
	{"attn_k_norm", "self_attn.k_norm", 0},
	{"ffn_norm", "post_attention_layernorm", 0},
	{"ffn_gate", "mlp.gate_proj", 0},
	{"ffn_up", "mlp.up_proj", 0},
	{"ffn_down", "mlp.down_proj", 0},
	{"ffn_gate_inp", "mlp.gate", 0},
	{"ffn_gate_exps", "mlp.experts.%d.gate_proj", GGUF_EXPERTS},
	{"ffn_up_exps", "mlp.experts.%d.up_proj", GGUF_EXPERTS},
	{"ffn_down_exps", "mlp.experts.%d.down_proj", GGUF_EXPERTS},
	{"ffn_gate_inp_shexp", "mlp.shared_expert_gate", GGUF_ROW},
	{"ffn_gate_shexp", "mlp.shared_expert.gate_proj", 0},
	{"ffn_up_shexp", "mlp.shared_expert.up_proj", 0},
	{"ffn_down_shexp", "mlp.shared_expert.down_proj", 0},
	{NULL, NULL, 0},
};

static const name_row llama_rows[] = {
	{"attn_q", "self_attn.q_proj", GGUF_ROPE_Q},
	{"attn_k", "self_attn.k_proj", GGUF_ROPE_K},
	{"ffn_gate_inp", "block_sparse_moe.gate", 0},
	{"ffn_gate_exps", "block_sparse_moe.experts.%d.w1", GGUF_EXPERTS},
	{"ffn_down_exps", "block_sparse_moe.experts.%d.w2", GGUF_EXPERTS},
	{"ffn_up_exps", "block_sparse_moe.experts.%d.w3", GGUF_EXPERTS},
	{NULL, NULL, 0},
};

static const name_row granite_moe_rows[] = {
	{"attn_q", "self_attn.q_proj", GGUF_ROPE_Q},
	{"attn_k", "self_attn.k_proj", GGUF_ROPE_K},
	{"ffn_gate_inp", "block_sparse_moe.router.layer", 0},
	{"ffn_gate_exps", "block_sparse_moe.experts.%d.w1", GGUF_EXPERTS},
	{"ffn_down_exps", "block_sparse_moe.experts.%d.w2", GGUF_EXPERTS},
	{"ffn_up_exps", "block_sparse_moe.experts.%d.w3", GGUF_EXPERTS},
	{NULL, NULL, 0},
};

static const name_row dbrx_rows[] = {
	{"attn_norm", "norm_attn_norm.norm_1", 0},
	{"attn_qkv", "norm_attn_norm.attn.Wqkv", 0},
	{"attn_output", "norm_attn_norm.attn.out_proj", 0},
	{"attn_output_norm", "norm_attn_norm.norm_2", 0},
	{"ffn_gate_inp", "ffn.router.layer", 0},
	{"ffn_gate_exps", "ffn.experts.mlp.w1", 0},
	{"ffn_up_exps", "ffn.experts.mlp.v1", 0},
	{"ffn_down_exps", "ffn.experts.mlp.w2", GGUF_TRANSPOSED},
	{NULL, NULL, 0},
};

static const name_row rotated_rows[] = {
	{"attn_q", "self_attn.q_proj", GGUF_ROPE_Q},
	{"attn_k", "self_attn.k_proj", GGUF_ROPE_K},
	{NULL, NULL, 0},
};

static const name_row four_norms_rows[] = {
	{"post_attention_norm", "post_attention_layernorm", 0},
	{"ffn_norm", "pre_feedforward_layernorm", 0},
	{"post_ffw_norm", "post_feedforward_layernorm", 0},
	{NULL, NULL, 0},
};

static const name_row phi_rows[] = {
	{"attn_qkv", "self_attn.%c_proj", GGUF_SPLIT_QKV},
	{"attn_output", "self_attn.dense", 0},
	{"ffn_up", "mlp.fc1", 0},
	{"ffn_down", "mlp.fc2", 0},
	{NULL, NULL, 0},
};

static const name_row phi3_rows[] = {
	{"attn_qkv", "self_attn.qkv_proj", 0},
	{"ffn_up", "mlp.gate_up_proj", 0},
	{NULL, NULL, 0},
};

static const name_row starcoder2_rows[] = {
	{"ffn_up", "mlp.c_fc", 0},
	{"ffn_down", "mlp.c_proj", 0},
	{NULL, NULL, 0},
};

static const name_row stablelm_rows[] = {
	{"attn_q_norm", "self_attn.q_layernorm.norms.%d", GGUF_EXPERTS},
	{"attn_k_norm", "self_attn.k_layernorm.norms.%d", GGUF_EXPERTS},
	{NULL, NULL, 0},
};

static const name_row persimmon_rows[] = {
	{"attn_qkv", "self_attn.query_key_value", 0},
	{"attn_output", "self_attn.dense", 0},
	{"attn_q_norm", "self_attn.q_layernorm", 0},
	{"attn_k_norm", "self_attn.k_layernorm", 0},
	{"ffn_up", "mlp.dense_h_to_4h", 0},
	{"ffn_down", "mlp.dense_4h_to_h", 0},
	{NULL, NULL, 0},
};

static const name_row gpt2_rows[] = {
	{"attn_norm", "ln_1", 0},
	{"attn_qkv", "attn.c_attn", GGUF_TRANSPOSED},
	{"attn_output", "attn.c_proj", GGUF_TRANSPOSED},
	{"ffn_norm", "ln_2", 0},
	{"ffn_up", "mlp.c_fc", GGUF_TRANSPOSED},
	{"ffn_down", "mlp.c_proj", GGUF_TRANSPOSED},
	{NULL, NULL, 0},
};

static const name_row starcoder_rows[] = {
	{"attn_norm", "ln_1", 0}, {"attn_qkv", "attn.c_attn", 0}, {"attn_output", "attn.c_proj", 0},
	{"ffn_norm", "ln_2", 0},  {"ffn_up", "mlp.c_fc", 0},	  {"ffn_down", "mlp.c_proj", 0},
	{NULL, NULL, 0},
};

static const name_row neox_rows[] = {
	{"attn_norm", "input_layernorm", 0},
	{"attn_qkv", "attention.query_key_value", GGUF_QKV},
	{"attn_output", "attention.dense", 0},
	{"ffn_norm", "post_attention_layernorm", 0},
	{"ffn_up", "mlp.dense_h_to_4h", 0},
	{"ffn_down", "mlp.dense_4h_to_h", 0},
	{NULL, NULL, 0},
};

static const name_row bloom_rows[] = {
	{"attn_norm", "input_layernorm", 0},
	{"attn_qkv", "self_attention.query_key_value", GGUF_QKV},
	{"attn_output", "self_attention.dense", 0},
	{"ffn_norm", "post_attention_layernorm", 0},
	{"ffn_up", "mlp.dense_h_to_4h", 0},
	{"ffn_down", "mlp.dense_4h_to_h", 0},
	{NULL, NULL, 0},
};

static const name_row mpt_rows[] = {
	{"attn_norm", "norm_1", 0},
	{"attn_qkv", "attn.Wqkv", 0},
	{"attn_output", "attn.out_proj", 0},
	{"ffn_norm", "norm_2", 0},
	{"ffn_up", "ffn.up_proj", 0},
	{"ffn_down", "ffn.down_proj", 0},
	{NULL, NULL, 0},
};

static const name_row t5_encoder_rows[] = {
	{"attn_norm", "layer.0.layer_norm", 0},
	{"attn_q", "layer.0.SelfAttention.q", 0},
	{"attn_k", "layer.0.SelfAttention.k", 0},
	{"attn_v", "layer.0.SelfAttention.v", 0},
	{"attn_o", "layer.0.SelfAttention.o", 0},
	{"attn_rel_b", "layer.0.SelfAttention.relative_attention_bias", 0},
	{"ffn_norm", "layer.1.layer_norm", 0},
	{"ffn_gate", "layer.1.DenseReluDense.wi_0", 0},
	{"ffn_up", "layer.1.DenseReluDense.wi_1", 0},
	{"ffn_down", "layer.1.DenseReluDense.wo", 0},
	{NULL, NULL, 0},
};

static const name_row t5_decoder_rows[] = {
	{"attn_norm", "layer.0.layer_norm", 0},
	{"attn_q", "layer.0.SelfAttention.q", 0},
	{"attn_k", "layer.0.SelfAttention.k", 0},
	{"attn_v", "layer.0.SelfAttention.v", 0},
	{"attn_o", "layer.0.SelfAttention.o", 0},
	{"attn_rel_b", "layer.0.SelfAttention.relative_attention_bias", 0},
	{"cross_attn_norm", "layer.1.layer_norm", 0},
	{"cross_attn_q", "layer.1.EncDecAttention.q", 0},
	{"cross_attn_k", "layer.1.EncDecAttention.k", 0},
	{"cross_attn_v", "layer.1.EncDecAttention.v", 0},
	{"cross_attn_o", "layer.1.EncDecAttention.o", 0},
	{"ffn_norm", "layer.2.layer_norm", 0},
	{"ffn_gate", "layer.2.DenseReluDense.wi_0", 0},
	{"ffn_up", "layer.2.DenseReluDense.wi_1", 0},
	{"ffn_down", "layer.2.DenseReluDense.wo", 0},
	{NULL, NULL, 0},
};

/* T5's first version, which has no gates. */
static const name_row ungated_encoder_rows[] = {
	{"ffn_up", "layer.1.DenseReluDense.wi", 0},
	{NULL, NULL, 0},
};

static const name_row ungated_decoder_rows[] = {
	{"ffn_up", "layer.2.DenseReluDense.wi", 0},
	{NULL, NULL, 0},
};

/* Falcon's norm is called otherwise where there are two. */
static const name_row two_norms_rows[] = {
	{"attn_norm", "ln_mlp", 0},
	{"attn_norm_2", "ln_attn", 0},
	{NULL, NULL, 0},
};

/* ---- Architectures ---- */

static const name_table tables[] = {
	{"llama", "model.layers.", llama_rows, decoder_rows, model_root, false},
	{"qwen2", "model.layers.", NULL, decoder_rows, model_root, false},
	{"qwen3", "model.layers.", NULL, decoder_rows, model_root, false},
	{"qwen2moe", "model.layers.", NULL, decoder_rows, model_root, false},
	{"qwen3moe", "model.layers.", NULL, decoder_rows, model_root, false},
	{"gemma", "model.layers.", NULL, decoder_rows, model_root, true},
	{"gemma2", "model.layers.", four_norms_rows, decoder_rows, model_root, true},
	{"gemma3", "model.layers.", four_norms_rows, decoder_rows, model_root, true},
	{"phi2", "model.layers.", phi_rows, decoder_rows, phi_root, false},
	{"phi3", "model.layers.", phi3_rows, decoder_rows, model_root, false},
	{"gpt2", "transformer.h.", gpt2_rows, NULL, transformer_root, false},
	{"starcoder", "transformer.h.", starcoder_rows, NULL, transformer_root, false},
	{"starcoder2", "model.layers.", starcoder2_rows, decoder_rows, model_root, false},
	{"gptneox", "gpt_neox.layers.", neox_rows, NULL, neox_root, false},
	{"falcon", "transformer.h.", bloom_rows, NULL, bloom_root, false},
	{"falcon with two norms", "transformer.h.", two_norms_rows, bloom_rows, bloom_root, false},
	{"bloom", "transformer.h.", bloom_rows, NULL, bloom_root, false},
	{"mpt", "transformer.blocks.", mpt_rows, NULL, norm_f_root, false},
	{"stablelm", "model.layers.", stablelm_rows, decoder_rows, model_root, false},
	{"olmo", "model.layers.", rotated_rows, decoder_rows, model_root, false},
	{"olmo2", "model.layers.", four_norms_rows, decoder_rows, model_root, false},
	{"olmoe", "model.layers.", NULL, decoder_rows, model_root, false},
	{"granite", "model.layers.", rotated_rows, decoder_rows, model_root, false},
	{"granitemoe", "model.layers.", granite_moe_rows, decoder_rows, model_root, false},
	{"command-r", "model.layers.", NULL, decoder_rows, model_root, false},
	{"nemotron", "model.layers.", NULL, decoder_rows, model_root, true},
	{"persimmon", "model.layers.", persimmon_rows, decoder_rows, phi_root, false},
	{"dbrx", "transformer.blocks.", dbrx_rows, NULL, norm_f_root, false},
	{"t5", NULL, NULL, NULL, t5_root, false},
	{"t5 without gates", NULL, ungated_encoder_rows, ungated_decoder_rows, t5_root, false},
};

static bool
equals(tfm_text text, const char *string)
{
	return text.length == strlen(string) && memcmp(text.data, string, text.length) == 0;
}

/* Take prefix off the beginning of a text, if it begins so. */
static bool
take_prefix(tfm_text *text, const char *prefix)
{
	size_t length = strlen(prefix);

	if (text->length < length || memcmp(text->data, prefix, length) != 0)
		return false;
	text->data += length;
	text->length -= length;
	return true;
}

/* Take the number of a layer and its dot off the beginning of a text. */
static bool
take_layer(tfm_text *text, int *layer)
{
	size_t digits = 0;

	*layer = 0;
	for (; digits < text->length && digits < 5; digits++)
	{
		char c = text->data[digits];

		if (c < '0' || c > '9')
			break;
		*layer = *layer * 10 + (c - '0');
	}
	if (digits == 0 || digits == text->length || text->data[digits] != '.')
		return false;
	text->data += digits + 1;
	text->length -= digits + 1;
	return true;
}

static const name_row *
find_row(const name_row *rows, tfm_text stem)
{
	for (; rows != NULL && rows->gguf != NULL; rows++)
		if (equals(stem, rows->gguf))
			return rows;
	return NULL;
}

static bool
ends_with(tfm_text text, const char *end)
{
	size_t length = strlen(end);

	return text.length >= length && memcmp(text.data + text.length - length, end, length) == 0;
}

/*
 * The rows and the name of the stack of layers that a tensor stands in, which is taken off its name;
 * false if it is in none.  A table without layers is of two stacks, and has own rows of each.
 */
static bool
find_stack(const name_table *table, tfm_text *tensor, const name_row *rows[2], const char **layers)
{
	rows[0] = table->rows;
	rows[1] = table->shared;
	*layers = table->layers;
	if (*layers != NULL)
		return take_prefix(tensor, "blk.");
	rows[1] = t5_encoder_rows;
	*layers = "encoder.block.";
	if (take_prefix(tensor, "enc.blk."))
		return true;
	rows[0] = table->shared;
	rows[1] = t5_decoder_rows;
	*layers = "decoder.block.";
	return take_prefix(tensor, "dec.blk.");
}

/* The row of a stem in a layer: own ones first. */
static const name_row *
find_layer_row(const name_row *const rows[2], tfm_text stem)
{
	const name_row *row = find_row(rows[0], stem);

	return row != NULL ? row : find_row(rows[1], stem);
}

/*
 * The row of a tensor of one expert, "ffn_gate.3", as older files have them: that of all experts in
 * one; *number is the expert's.
 */
static const name_row *
find_expert_row(const name_row *const rows[2], tfm_text stem, tfm_text *number)
{
	char all[64];
	size_t length = stem.length;

	while (length > 0 && stem.data[length - 1] >= '0' && stem.data[length - 1] <= '9')
		length--;
	*number = (tfm_text) {stem.data + length, stem.length - length};
	if (number->length == 0 || number->length > 5 || length < 2 || length > 32 ||
		stem.data[length - 1] != '.')
		return NULL;
	snprintf(all, sizeof(all), "%.*s_exps", (int) (length - 1), stem.data);
	return find_layer_row(rows, (tfm_text) {all, strlen(all)});
}

/* Divide "attn_q.weight" at its last dot; false if the end is of no weight. */
static bool
divide(tfm_text tensor, tfm_text *stem, tfm_text *suffix)
{
	*stem = tensor;
	while (stem->length > 0 && stem->data[stem->length - 1] != '.')
		stem->length--;
	if (stem->length == 0)
		return false;
	stem->length--;
	*suffix = (tfm_text) {stem->data + stem->length, tensor.length - stem->length};
	return equals(*suffix, ".weight") || equals(*suffix, ".bias");
}

static bool
translate_in_layer(const name_row *const rows[2], const char *layers, int layer, tfm_text stem,
				   tfm_text suffix, ckpt_gguf_name *name)
{
	const name_row *row = find_layer_row(rows, stem);
	tfm_text number = {"", 0};
	const char *hole;
	int before;

	if (row == NULL)
		row = find_expert_row(rows, stem, &number);
	if (row == NULL)
		return false;
	name->change = number.length > 0 ? GGUF_SAME : row->change;
	hole = number.length > 0 ? strchr(row->name, '%') : NULL;
	before = hole == NULL ? (int) strlen(row->name) : (int) (hole - row->name);
	return snprintf(name->text, sizeof(name->text), "%s%d.%.*s%.*s%s%.*s", layers, layer, before,
					row->name, (int) number.length, number.data, hole == NULL ? "" : hole + 2,
					(int) suffix.length, suffix.data) < (int) sizeof(name->text);
}

static bool
translate(const name_table *table, tfm_text tensor, ckpt_gguf_name *name)
{
	tfm_text whole = tensor, stem, suffix;
	const name_row *rows[2], *row;
	const char *layers;
	int layer = -1;

	name->plus_one = table->norms_plus_one && ends_with(whole, "norm.weight");
	if (find_stack(table, &tensor, rows, &layers) && !take_layer(&tensor, &layer))
		return false;
	if (!divide(tensor, &stem, &suffix))
		return false;
	if (layer >= 0)
		return translate_in_layer(rows, layers, layer, stem, suffix, name);
	row = find_row(table->root, stem);
	if (row == NULL)
		return false;
	name->change = row->change;
	return snprintf(name->text, sizeof(name->text), "%s%.*s", row->name, (int) suffix.length,
					suffix.data) < (int) sizeof(name->text);
}

bool
ckpt_gguf_translate(tfm_text architecture, tfm_text tensor, ckpt_gguf_name *name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (equals(architecture, tables[i].architecture))
			return translate(&tables[i], tensor, name);
	return false;
}
