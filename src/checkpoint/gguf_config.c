/*
 * gguf_config.c
 *	  The keys of a GGUF file as a config.json.
 *
 * Keys are named "<architecture>.<what>".  Most mean the same everywhere and stand in one table;
 * architectures have rows of their own beside it, and a function for what follows from several keys
 * or from tensors.  Names are those of the checkpoints that people publish, older spellings of
 * Transformers 5's where both are read.
 *
 * Follows GGUF_CONFIG_MAPPING in transformers/integrations/ggml.py and gguf-py's constants.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/gguf_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/near.h"
#include "checkpoint/gguf_maker.h"

typedef struct config_rules
{
	const char *architecture; /* of the file */
	const char *model_type;
	const char *class_name;
	const ckpt_config_key *keys;   /* beside those of all; ends with a NULL key; or NULL */
	void (*finish)(ckpt_maker *m); /* NULL: nothing is left */
} config_rules;

/* ---- Rotary positions ---- */

/* The part of a head that is rotated: a fraction whose product with the head's size is the size. */
static void
put_rotary_fraction(ckpt_maker *m, const char *name)
{
	int64_t whole = ckpt_maker_head_size(m),
			rotated = ckpt_maker_size(m, "rope.dimension_count", 0);
	double fraction;

	if (whole == 0 || rotated == 0 || rotated > whole)
		return;
	fraction = (double) rotated / (double) whole;
	if ((int64_t) (fraction * (double) whole) < rotated)
		fraction = nextafter(fraction, 1);
	ckpt_put_number(m, name, fraction);
}

/* The values of a tensor of factors, one for each frequency. */
static void
put_factors(ckpt_maker *m, const char *name, const char *tensor)
{
	const ckpt_gguf_tensor *t = ckpt_gguf_parts_find(m->gguf, tensor);
	const file *f = NULL;
	float *values;

	for (int i = 0; i < m->gguf->count; i++)
		if (ckpt_gguf_find_tensor(m->gguf->parts[i], tensor) == t)
			f = m->gguf->parts[i]->file;
	if (t->type != GGML_F32 || t->rank != 1 || t->shape[0] > GGUF_SIZE_MOST)
	{
		tfm_fail(m->context, TFM_UNSUPPORTED, "\"%s\": tensor \"%s\" is not a list of F32", f->path,
				 tensor);
		return;
	}
	values = tfm_alloc(m->context, t->length);
	if (values == NULL || !file_read_at(m->context, f, t->offset, values, t->length))
		return;
	ckpt_put_name(m, name);
	for (int64_t i = 0; i < t->shape[0] && !tfm_failed(m->context); i++)
		buffer_printf(m->context, m->out, "%s%.9g", i == 0 ? "[" : ", ",
					  isfinite(values[i]) ? (double) values[i] : 1.0);
	buffer_append_string(m->context, m->out, t->shape[0] == 0 ? "[]" : "]");
}

/* Factors of frequencies that the file has ready: as long-rope has them, for all lengths the same. */
static void
put_ready_factors(ckpt_maker *m)
{
	ckpt_begin_object(m, "rope_scaling");
	ckpt_put_string(m, "rope_type", "longrope");
	put_factors(m, "short_factor", "rope_freqs.weight");
	put_factors(m, "long_factor", "rope_freqs.weight");
	ckpt_put_number(m, "attention_factor", 1.0);
	ckpt_put_number(m, "factor", 1.0);
	ckpt_put_int(m, "original_max_position_embeddings", ckpt_maker_size(m, "context_length", 0));
	ckpt_end_object(m);
}

/* Two lists of factors, for short and long inputs. */
static void
put_long_rope(ckpt_maker *m)
{
	int64_t context_length = ckpt_maker_size(m, "context_length", 0);
	int64_t original = ckpt_maker_size(m, "rope.scaling.original_context_length", context_length);

	ckpt_put_int(m, "original_max_position_embeddings", original);
	ckpt_begin_object(m, "rope_scaling");
	ckpt_put_string(m, "type", "longrope");
	ckpt_put_string(m, "rope_type", "longrope");
	put_factors(m, "short_factor", "rope_factors_short.weight");
	put_factors(m, "long_factor", "rope_factors_long.weight");
	ckpt_put_key(m, "rope.scaling.attn_factor", "attention_factor");
	ckpt_put_int(m, "original_max_position_embeddings", original);
	ckpt_end_object(m);
}

static void
put_scaling(ckpt_maker *m, const char *type, double factor)
{
	ckpt_begin_object(m, "rope_scaling");
	ckpt_put_string(m, "rope_type", type);
	ckpt_put_number(m, "factor", factor);
	if (strcmp(type, "yarn") == 0)
	{
		ckpt_put_key(m, "rope.scaling.original_context_length", "original_max_position_embeddings");
		ckpt_put_key(m, "rope.scaling.yarn_beta_fast", "beta_fast");
		ckpt_put_key(m, "rope.scaling.yarn_beta_slow", "beta_slow");
	}
	ckpt_end_object(m);
}

/* Base and scaling of rotary positions. */
static void
put_rope(ckpt_maker *m)
{
	char key[GGUF_KEY_MAX];
	tfm_text type = ckpt_gguf_string(m->context, m->gguf->first,
									 ckpt_maker_key(m, "rope.scaling.type", key), "");
	double factor =
		ckpt_maker_number(m, "rope.scaling.factor", ckpt_maker_number(m, "rope.scale_linear", 0));

	ckpt_put_number(m, "rope_theta", ckpt_maker_number(m, "rope.freq_base", 10000));
	if (ckpt_maker_has_tensor(m, "rope_factors_long.weight") &&
		ckpt_maker_has_tensor(m, "rope_factors_short.weight"))
		put_long_rope(m);
	else if (ckpt_maker_has_tensor(m, "rope_freqs.weight"))
		put_ready_factors(m);
	else if (type.length == 4 && memcmp(type.data, "yarn", 4) == 0 && factor > 0)
		put_scaling(m, "yarn", factor);
	else if (factor > 0 && factor != 1 && (type.length == 0 || type.data[0] == 'l'))
		put_scaling(m, "linear", factor);
}

/* ---- Architectures ---- */

static const ckpt_config_key common_keys[] = {
	{"context_length", "max_position_embeddings"},
	{"block_count", "num_hidden_layers"},
	{"embedding_length", "hidden_size"},
	{"feed_forward_length", "intermediate_size"},
	{"attention.head_count", "num_attention_heads"},
	{"attention.head_count_kv", "num_key_value_heads"},
	{"attention.key_length", "head_dim"},
	{"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
	{"attention.layer_norm_epsilon", "layer_norm_epsilon"},
	{NULL, NULL},
};

static const ckpt_config_key norm_keys[] = {
	{"attention.layer_norm_epsilon", "layer_norm_eps"},
	{"use_parallel_residual", "use_parallel_residual"},
	{"logit_scale", "logit_scale"},
	{NULL, NULL},
};

static const ckpt_config_key named_norm_keys[] = {
	{"attention.layer_norm_epsilon", "norm_epsilon"},
	{NULL, NULL},
};

static const ckpt_config_key expert_keys[] = {
	{"expert_count", "num_experts"},
	{"expert_used_count", "num_experts_per_tok"},
	{"attention.clamp_kqv", "clip_qkv"},
	{NULL, NULL},
};

static const ckpt_config_key gpt2_keys[] = {
	{"context_length", "n_positions"},	{"embedding_length", "n_embd"},
	{"block_count", "n_layer"},			{"attention.head_count", "n_head"},
	{"feed_forward_length", "n_inner"}, {NULL, NULL},
};

static const ckpt_config_key bloom_keys[] = {
	{"context_length", "seq_length"},
	{"block_count", "n_layer"},
	{"attention.head_count", "n_head"},
	{NULL, NULL},
};

static const ckpt_config_key gemma_keys[] = {
	{"attn_logit_softcapping", "attn_logit_softcapping"},
	{"final_logit_softcapping", "final_logit_softcapping"},
	{"rope.freq_base_swa", "rope_local_base_freq"},
	{NULL, NULL},
};

static const ckpt_config_key granite_keys[] = {
	{"embedding_scale", "embedding_multiplier"},
	{"residual_scale", "residual_multiplier"},
	{"attention.scale", "attention_multiplier"},
	{"logit_scale", "logits_scaling"},
	{"expert_count", "num_local_experts"},
	{"expert_used_count", "num_experts_per_tok"},
	{NULL, NULL},
};

static const ckpt_config_key t5_keys[] = {
	{"context_length", "n_positions"},
	{"block_count", "num_layers"},
	{"feed_forward_length", "d_ff"},
	{"embedding_length", "d_model"},
	{"attention.key_length", "d_kv"},
	{"attention.head_count", "num_heads"},
	{"attention.relative_buckets_count", "relative_attention_num_buckets"},
	{"attention.layer_norm_rms_epsilon", "layer_norm_epsilon"},
	{"decoder_start_token_id", "decoder_start_token_id"},
	{NULL, NULL},
};

static void
put_sliding_window(ckpt_maker *m)
{
	int64_t window = ckpt_maker_size(m, "attention.sliding_window", 0);

	if (window > 0)
		ckpt_put_int(m, "sliding_window", window);
}

static void
finish_rotary(ckpt_maker *m)
{
	put_rope(m);
	put_sliding_window(m);
}

static void
finish_granite(ckpt_maker *m)
{
	finish_rotary(m);
	if (ckpt_maker_has_tensor(m, "blk.0.ffn_gate_shexp.weight"))
		tfm_fail(m->context, TFM_UNSUPPORTED,
				 "\"%s\": experts that all tokens pass are not supported in GGUF files of Granite",
				 m->gguf->first->file->path);
}

/* Llama's and Mixtral's. */
static void
finish_llama(ckpt_maker *m)
{
	finish_rotary(m);
	ckpt_put_bool(m, "attention_bias", ckpt_maker_has_tensor(m, "blk.0.attn_q.bias"));
	ckpt_put_bool(m, "mlp_bias", ckpt_maker_has_tensor(m, "blk.0.ffn_up.bias"));
	if (ckpt_maker_size(m, "attention.key_length", 0) == 0)
		ckpt_put_key(m, "rope.dimension_count", "head_dim");
	if (ckpt_maker_size(m, "expert_count", 0) == 0)
		return;
	ckpt_put_key(m, "expert_count", "num_local_experts");
	ckpt_put_key(m, "expert_used_count", "num_experts_per_tok");
}

static void
finish_partly_rotary(ckpt_maker *m)
{
	finish_rotary(m);
	put_rotary_fraction(m, "partial_rotary_factor");
}

static void
finish_gpt_neox(ckpt_maker *m)
{
	finish_rotary(m);
	ckpt_put_key(m, "rope.freq_base", "rotary_emb_base");
	put_rotary_fraction(m, "rotary_pct");
}

static void
finish_stablelm(ckpt_maker *m)
{
	finish_partly_rotary(m);
	ckpt_put_bool(m, "use_qkv_bias", ckpt_maker_has_tensor(m, "blk.0.attn_q.bias"));
	ckpt_put_bool(m, "qk_layernorm", ckpt_maker_has_tensor(m, "blk.0.attn_q_norm.weight"));
	if (ckpt_maker_value(m, "use_parallel_residual") == NULL)
		ckpt_put_bool(m, "use_parallel_residual",
					  !ckpt_maker_has_tensor(m, "blk.0.ffn_norm.weight"));
}

static void
finish_nemotron(ckpt_maker *m)
{
	finish_partly_rotary(m);
	ckpt_put_number(
		m, "norm_eps",
		ckpt_maker_number(m, "attention.layer_norm_epsilon",
						  ckpt_maker_number(m, "attention.layer_norm_rms_epsilon", 1e-5)));
}

/*
 * The largest of a generation divides the scores by another root than that of a head's size, which
 * the file does not say; llama.cpp knows it by its layers as well.
 */
static void
finish_gemma(ckpt_maker *m)
{
	int64_t layers = ckpt_maker_size(m, "block_count", 0),
			heads = ckpt_maker_size(m, "attention.head_count", 1);
	bool second = strcmp(m->architecture, "gemma2") == 0;

	finish_rotary(m);
	if (strcmp(m->architecture, "gemma") == 0)
		return;
	if (layers == (second ? 46 : 62) && heads > 0)
		ckpt_put_int(m, "query_pre_attn_scalar", ckpt_maker_size(m, "embedding_length", 0) / heads);
	else
		ckpt_put_int(m, "query_pre_attn_scalar", ckpt_maker_head_size(m));
}

static void
finish_falcon(ckpt_maker *m)
{
	int64_t heads = ckpt_maker_size(m, "attention.head_count", 0);
	int64_t kv_heads = ckpt_maker_size(m, "attention.head_count_kv", 1);
	bool two_norms = ckpt_maker_has_tensor(m, "blk.0.attn_norm_2.weight");

	finish_rotary(m);
	ckpt_put_bool(m, "new_decoder_architecture", two_norms || (kv_heads > 1 && kv_heads < heads));
	ckpt_put_int(m, "num_kv_heads", kv_heads);
	ckpt_put_int(m, "num_ln_in_parallel_attn", two_norms ? 2 : 1);
	ckpt_put_key(m, "feed_forward_length", "ffn_hidden_size");
	ckpt_put_bool(m, "multi_query", kv_heads == 1);
	ckpt_put_bool(m, "parallel_attn", true);
	ckpt_put_bool(m, "alibi", false);
	ckpt_put_bool(m, "bias", ckpt_maker_has_tensor(m, "blk.0.attn_qkv.bias"));
}

static void
finish_starcoder(ckpt_maker *m)
{
	ckpt_put_bool(m, "multi_query", ckpt_maker_size(m, "attention.head_count_kv", 1) == 1);
}

static void
finish_starcoder2(ckpt_maker *m)
{
	finish_rotary(m);
	ckpt_put_bool(m, "use_bias", ckpt_maker_has_tensor(m, "blk.0.attn_q.bias"));
}

static void
finish_command_r(ckpt_maker *m)
{
	finish_rotary(m);
	ckpt_put_bool(m, "use_qk_norm", ckpt_maker_has_tensor(m, "blk.0.attn_q_norm.weight"));
}

static void
finish_mpt(ckpt_maker *m)
{
	double bias = ckpt_maker_number(m, "attention.max_alibi_bias", 0);
	int64_t width = ckpt_maker_size(m, "embedding_length", 0);

	ckpt_put_key(m, "context_length", "max_seq_len");
	ckpt_put_int(m, "d_model", width);
	ckpt_put_key(m, "attention.head_count", "n_heads");
	ckpt_put_key(m, "block_count", "n_layers");
	if (width > 0)
		ckpt_put_number(m, "expansion_ratio",
						(double) ckpt_maker_size(m, "feed_forward_length", 4 * width) /
							(double) width);
	ckpt_put_bool(m, "no_bias", !ckpt_maker_has_tensor(m, "blk.0.attn_qkv.bias"));
	ckpt_begin_object(m, "attn_config");
	ckpt_put_bool(m, "alibi", bias > 0);
	ckpt_put_number(m, "alibi_bias_max", bias);
	if (ckpt_maker_number(m, "attention.clamp_kqv", 0) > 0)
		ckpt_put_key(m, "attention.clamp_kqv", "clip_qkv");
	ckpt_end_object(m);
}

static void
finish_dbrx(ckpt_maker *m)
{
	ckpt_put_key(m, "embedding_length", "d_model");
	ckpt_put_key(m, "attention.head_count", "n_heads");
	ckpt_put_key(m, "block_count", "n_layers");
	ckpt_put_key(m, "context_length", "max_seq_len");
	ckpt_begin_object(m, "attn_config");
	ckpt_put_key(m, "attention.head_count_kv", "kv_n_heads");
	ckpt_put_key(m, "attention.clamp_kqv", "clip_qkv");
	ckpt_put_key(m, "rope.freq_base", "rope_theta");
	ckpt_end_object(m);
	ckpt_begin_object(m, "ffn_config");
	ckpt_put_key(m, "feed_forward_length", "ffn_hidden_size");
	ckpt_put_key(m, "expert_count", "moe_num_experts");
	ckpt_put_key(m, "expert_used_count", "moe_top_k");
	ckpt_end_object(m);
}

/* Older files do not say how wide an expert is, which its tensors show. */
static void
finish_experts(ckpt_maker *m)
{
	int64_t width = ckpt_maker_tensor_size(m, "blk.0.ffn_gate_exps.weight", 1);
	int64_t shared = ckpt_maker_tensor_size(m, "blk.0.ffn_gate_shexp.weight", 1);

	finish_rotary(m);
	ckpt_put_int(m, "moe_intermediate_size",
				 ckpt_maker_size(m, "expert_feed_forward_length", width));
	if (shared > 0)
		ckpt_put_int(m, "shared_expert_intermediate_size",
					 ckpt_maker_size(m, "expert_shared_feed_forward_length", shared));
	if (strcmp(m->architecture, "qwen3moe") == 0)
		ckpt_put_bool(m, "norm_topk_prob", true);
}

static void
finish_t5(ckpt_maker *m)
{
	ckpt_put_int(m, "num_decoder_layers",
				 ckpt_maker_size(m, "decoder_block_count", ckpt_maker_size(m, "block_count", 0)));
	ckpt_put_string(m, "feed_forward_proj",
					ckpt_maker_has_tensor(m, "enc.blk.0.ffn_gate.weight") ? "gated-gelu" : "relu");
	ckpt_put_bool(m, "is_encoder_decoder", strcmp(m->architecture, "t5") == 0);
}

static const config_rules architectures[] = {
	{"llama", "llama", "LlamaForCausalLM", NULL, finish_llama},
	{"qwen2", "qwen2", "Qwen2ForCausalLM", NULL, finish_rotary},
	{"qwen3", "qwen3", "Qwen3ForCausalLM", NULL, finish_rotary},
	{"qwen2moe", "qwen2_moe", "Qwen2MoeForCausalLM", expert_keys, finish_experts},
	{"qwen3moe", "qwen3_moe", "Qwen3MoeForCausalLM", expert_keys, finish_experts},
	{"gemma", "gemma", "GemmaForCausalLM", NULL, finish_gemma},
	{"gemma2", "gemma2", "Gemma2ForCausalLM", gemma_keys, finish_gemma},
	{"gemma3", "gemma3_text", "Gemma3ForCausalLM", gemma_keys, finish_gemma},
	{"phi2", "phi", "PhiForCausalLM", norm_keys, finish_partly_rotary},
	{"phi3", "phi3", "Phi3ForCausalLM", NULL, finish_partly_rotary},
	{"gpt2", "gpt2", "GPT2LMHeadModel", gpt2_keys, NULL},
	{"starcoder", "gpt_bigcode", "GPTBigCodeForCausalLM", gpt2_keys, finish_starcoder},
	{"starcoder2", "starcoder2", "Starcoder2ForCausalLM", named_norm_keys, finish_starcoder2},
	{"gptneox", "gpt_neox", "GPTNeoXForCausalLM", norm_keys, finish_gpt_neox},
	{"falcon", "falcon", "FalconForCausalLM", NULL, finish_falcon},
	{"bloom", "bloom", "BloomForCausalLM", bloom_keys, NULL},
	{"mpt", "mpt", "MptForCausalLM", NULL, finish_mpt},
	{"stablelm", "stablelm", "StableLmForCausalLM", norm_keys, finish_stablelm},
	{"olmo", "olmo", "OlmoForCausalLM", expert_keys, finish_rotary},
	{"olmo2", "olmo2", "Olmo2ForCausalLM", NULL, finish_rotary},
	{"olmoe", "olmoe", "OlmoeForCausalLM", expert_keys, finish_rotary},
	{"granite", "granite", "GraniteForCausalLM", granite_keys, finish_granite},
	{"granitemoe", "granitemoe", "GraniteMoeForCausalLM", granite_keys, finish_granite},
	{"command-r", "cohere", "CohereForCausalLM", norm_keys, finish_command_r},
	{"nemotron", "nemotron", "NemotronForCausalLM", NULL, finish_nemotron},
	{"persimmon", "persimmon", "PersimmonForCausalLM", norm_keys, finish_partly_rotary},
	{"dbrx", "dbrx", "DbrxForCausalLM", NULL, finish_dbrx},
	{"t5", "t5", "T5ForConditionalGeneration", t5_keys, finish_t5},
};

static void
hint_near_architectures(ckpt_maker *m)
{
	near_names near = {.wanted = m->architecture};
	char text[128] = "";

	for (size_t i = 0; i < sizeof(architectures) / sizeof(architectures[0]); i++)
		near_offer(&near, architectures[i].architecture);
	for (int i = 0; i < near.count; i++)
		near_append(text, sizeof(text), near.names[i]);
	if (text[0] != '\0')
		tfm_hint(m->context, "Supported architectures nearest in name: %s.", text);
}

/* ---- The whole ---- */

static const config_rules *
find_rules(ckpt_maker *m)
{
	tfm_text name = ckpt_gguf_string(m->context, m->gguf->first, "general.architecture", "");

	if (tfm_failed(m->context))
		return NULL;
	snprintf(m->architecture, sizeof(m->architecture), "%.*s",
			 (int) (name.length < GGUF_ARCHITECTURE_MAX ? name.length : GGUF_ARCHITECTURE_MAX - 1),
			 name.data);
	for (size_t i = 0; i < sizeof(architectures) / sizeof(architectures[0]); i++)
		if (strcmp(architectures[i].architecture, m->architecture) == 0)
			return &architectures[i];
	tfm_fail(m->context, TFM_UNSUPPORTED,
			 "weights of GGUF files of architecture \"%s\" are not supported", m->architecture);
	hint_near_architectures(m);
	return NULL;
}

static const ckpt_config_key other_ids[] = {
	{"tokenizer.ggml.bos_token_id", "bos_token_id"},
	{"tokenizer.ggml.padding_token_id", "pad_token_id"},
	{NULL, NULL},
};

static const ckpt_config_key end_ids[] = {
	{"tokenizer.ggml.eos_token_id", "eos_token_id"},
	{NULL, NULL},
};

/* The ids that the file has, each of keys. */
static void
put_ids(ckpt_maker *m, const ckpt_config_key *keys)
{
	for (; keys->key != NULL; keys++)
	{
		int64_t id = ckpt_maker_id(m, keys->key);

		if (id >= 0)
			ckpt_put_int(m, keys->name, id);
	}
}

static bool
has_name(const ckpt_maker *m, const char *part)
{
	tfm_text name = ckpt_gguf_string(m->context, m->gguf->first, "general.name", "");
	size_t length = strlen(part);

	for (size_t i = 0; i + length <= name.length; i++)
		if (strncasecmp(name.data + i, part, length) == 0)
			return true;
	return false;
}

/* Which class it is. */
static void
put_class(ckpt_maker *m, const config_rules *rules)
{
	const char *model_type = rules->model_type, *class_name = rules->class_name;

	if (strcmp(m->architecture, "llama") == 0 && ckpt_maker_size(m, "expert_count", 0) > 0)
	{
		model_type = "mixtral";
		class_name = "MixtralForCausalLM";
	}
	if (strcmp(m->architecture, "t5") == 0 && has_name(m, "umt5"))
	{
		model_type = "umt5";
		class_name = "UMT5ForConditionalGeneration";
	}
	ckpt_put_string(m, "model_type", model_type);
	ckpt_put_name(m, "architectures");
	buffer_printf(m->context, m->out, "[\"%s\"]", class_name);
}

const char *
ckpt_gguf_config(tfm_context *context, const ckpt_gguf_parts *gguf, size_t *length)
{
	ckpt_maker m = {.context = context, .gguf = gguf, .out = buffer_create(context)};
	const config_rules *rules = m.out == NULL ? NULL : find_rules(&m);

	if (rules == NULL)
		return NULL;
	buffer_append_string(context, m.out, "{");
	put_class(&m, rules);
	ckpt_put_keys(&m, common_keys);
	ckpt_put_keys(&m, rules->keys);
	if (rules->finish != NULL)
		rules->finish(&m);
	ckpt_put_int(&m, "vocab_size", ckpt_maker_tensor_size(&m, "token_embd.weight", 1));
	ckpt_put_bool(&m, "tie_word_embeddings", !ckpt_maker_has_tensor(&m, "output.weight"));
	put_ids(&m, end_ids);
	put_ids(&m, other_ids);
	ckpt_end_object(&m);
	if (tfm_failed(context))
		return NULL;
	*length = m.out->length;
	return buffer_text(context, m.out);
}

/* ---- Generation ---- */

/* Tokens that end a turn, by the names that chat models give them. */
static bool
ends_turn(tfm_text token)
{
	static const char *const names[] = {"<end_of_turn>", "<|im_end|>", "<|eot_id|>", "<|end|>",
										"<|eom_id|>"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (token.length == strlen(names[i]) && memcmp(token.data, names[i], token.length) == 0)
			return true;
	return false;
}

/* Add an id to the list of those that end a text, which begins with the first. */
static void
put_end(ckpt_maker *m, int64_t id, bool *begun)
{
	if (!*begun)
		ckpt_put_name(m, "eos_token_id");
	buffer_printf(m->context, m->out, "%s%lld", *begun ? ", " : "[", (long long) id);
	*begun = true;
}

/* All ids that end a text: the one that the file names first. */
static void
put_ends(ckpt_maker *m)
{
	int64_t named = ckpt_maker_id(m, "tokenizer.ggml.eos_token_id");
	int64_t turn = ckpt_maker_id(m, "tokenizer.ggml.eot_token_id");
	bool begun = false;
	size_t count = 0;
	tfm_text *tokens =
		ckpt_gguf_strings(m->context, m->gguf->first, "tokenizer.ggml.tokens", &count);

	if (named >= 0)
		put_end(m, named, &begun);
	for (size_t i = 0; tokens != NULL && i < count; i++)
		if ((int64_t) i != named && ((int64_t) i == turn || ends_turn(tokens[i])))
			put_end(m, (int64_t) i, &begun);
	if (begun)
		buffer_append_string(m->context, m->out, "]");
}

const char *
ckpt_gguf_generation_config(tfm_context *context, const ckpt_gguf_parts *gguf, size_t *length)
{
	ckpt_maker m = {.context = context, .gguf = gguf, .out = buffer_create(context)};
	int64_t start = -1;

	if (m.out == NULL || find_rules(&m) == NULL)
		return NULL;
	buffer_append_string(context, m.out, "{");
	put_ends(&m);
	put_ids(&m, other_ids);
	start = ckpt_maker_size(&m, "decoder_start_token_id", -1);
	if (start >= 0)
		ckpt_put_int(&m, "decoder_start_token_id", start);
	ckpt_end_object(&m);
	if (tfm_failed(context))
		return NULL;
	*length = m.out->length;
	return buffer_text(context, m.out);
}
