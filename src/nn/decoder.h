/*
 * decoder.h
 *	  The decoder that most language models share: embeddings, layers of causal attention and
 *	  feed-forward parts, a norm, and the heads on top.
 *
 * A family fills a decoder_config, a recipe, from its configuration, as the first member of its own,
 * and lists the heads below in its table.  A layer is, with the parts that a family has not left out,
 *
 *		x += residual_scale * attention_post_norm(attention(attention_norm(x)))
 *		x += residual_scale * mlp_post_norm(mlp(mlp_norm(x)))
 *
 * or, where parallel is set, both of one x; where norm_after is set, attention_norm and mlp_norm are of
 * the sums instead.  Biases are taken where the checkpoint has them ("<name>.bias").
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_DECODER_H
#define TFM_NN_DECODER_H

#include "nn/family.h"
#include "nn/layers.h"
#include "nn/moe.h"
#include "nn/rope.h"
#include "nn/summary.h"

/* What the weights are called, relative to the base model; of a layer, relative to the layer. */
typedef struct decoder_names
{
	const char *layer; /* printf format with the layer's number: "layers.%d" */
	const char *attention_norm, *attention_post_norm; /* NULL: none, as below */
	const char *query, *key, *value;
	const char *qkv; /* all three in one weight, instead */
	const char *query_norm, *key_norm;
	const char *attention_output;
	const char *mlp_norm, *mlp_post_norm;
	const char *gate, *up, *down; /* gate NULL: down(activation(up(x))); all NULL: no such part */
	const char *gate_up;		  /* gate and up in one weight, instead */
	const char *final_norm;
	const char *project_in, *project_out; /* between embeddings and layers, if they are there */
	const char *lm_head;
	const char *lm_head_bias; /* its whole name; NULL: "<lm_head>.bias" */
	const char *score;		  /* of classifiers; NULL: "score" */
	const char *token_score;  /* of classifiers of tokens; NULL: as score */
} decoder_names;

/* LLaMA's names of all but the norms of a layer and the feed-forward part, for tables that begin so. */
#define DECODER_LLAMA_ATTENTION                                                                    \
	.layer = "layers.%d", .query = "self_attn.q_proj", .key = "self_attn.k_proj",                  \
	.value = "self_attn.v_proj", .attention_output = "self_attn.o_proj", .final_norm = "norm",     \
	.lm_head = "lm_head"
#define DECODER_LLAMA_NORMS                                                                        \
	.attention_norm = "input_layernorm", .mlp_norm = "post_attention_layernorm"
#define DECODER_LLAMA_MLP .gate = "mlp.gate_proj", .up = "mlp.up_proj", .down = "mlp.down_proj"
#define DECODER_HEAD_NORMS .query_norm = "self_attn.q_norm", .key_norm = "self_attn.k_norm"

/* LLaMA's names. */
extern const decoder_names decoder_llama_names;

/* The same, without a gate. */
extern const decoder_names decoder_ungated_names;

/* LLaMA's, with norms of queries and keys. */
extern const decoder_names decoder_normed_names;

/* What the heads of queries and keys are normed by. */
typedef enum decoder_head_norm
{
	HEADS_SHARE,  /* each head by one weight [head size] */
	HEADS_OWN,	  /* each head by its own: weight [heads, head size] */
	HEADS_LISTED, /* each head by its own: weights "<name>.norms.<head>" [head size] */
	HEADS_WHOLE	  /* all heads as one row, weight [heads * head size] */
} decoder_head_norm;

/* What differs from layer to layer. */
typedef struct decoder_layer
{
	int64_t window;			   /* tokens that a token sees, itself included; 0: all */
	int rope;				   /* index into ropes; -1: none */
	bool no_attention_norm;	   /* attention is of x as it is */
	bool mixture;			   /* moe in place of the feed-forward part */
	int64_t intermediate_size; /* 0: the configuration's */
	int64_t state; /* floats that a layer without keys keeps of a sequence; 0: it has keys */
} decoder_layer;

#define DECODER_MAX_ROPES 2
#define DECODER_ANY_LENGTH (1 << 20) /* positions of those that count none */

typedef struct decoder_config
{
	nn_config common;
	const decoder_names *names;
	embedding embedding;
	int layers;
	const decoder_layer *each; /* [layers]; NULL: all as a layer of zeros */
	bool transposed;		   /* the layers' weights are [k, n], as Conv1D has them */

	normalization norm;
	double final_norm_eps; /* 0: as norm has it */
	bool parallel;
	bool norm_after;
	bool states_after;	   /* hidden_states.0 is what the first layer makes, not what it is given */
	double residual_scale; /* 0: 1 */

	attention attention; /* layer and window are filled in */
	bool bidirectional;	 /* a token sees those after it, too; in layers with windows, within them */
	int head_dim;
	/*
	 * In names.qkv the heads may stand in groups, each with its queries, keys, values; 1: no groups.
	 */
	int qkv_groups;
	bool value_before_key;
	double clip_qkv; /* what limits queries, keys and values; 0: nothing */
	decoder_head_norm head_norm_of;
	normalization head_norm; /* of names.query_norm and key_norm */
	bool norm_after_rope;	 /* these come after the rotation */
	rope ropes[DECODER_MAX_ROPES];

	int64_t intermediate_size;
	op_activation activation;
	moe moe;
	const decoder_names *shared_expert; /* gate, up and down of a part beside it; NULL: none */
	const char
		*shared_expert_gate; /* [1, hidden] whose sigmoid it is multiplied with; NULL: none */
	int64_t shared_intermediate_size;

	double embedding_scale; /* of what the layers begin with; 0: 1 */
	double logit_scale;		/* 0: 1 */
	double logit_soft_cap;	/* 0: none */
	summary choice;			/* what decoder_double_heads scores choices by */

	/* In place of the parts above; NULL: as described. */
	tensor (*embed)(nn_model *m, const struct decoder_config *c); /* -> [tokens, hidden] */
	tensor (*attend)(nn_model *m, tensor x, const struct decoder_config *c, int layer);
	tensor (*feed_forward)(nn_model *m, tensor x, const struct decoder_config *c, int layer);

	/* What is made of the last layer's result [tokens, hidden], after the norm; NULL: nothing. */
	tensor (*finish)(nn_model *m, tensor x, const struct decoder_config *c);

	/*
	 * Between attention and the feed-forward part, of x in its place: attention to the batch's memory.
	 * NULL: none.
	 */
	tensor (*look_back)(nn_model *m, tensor x, const struct decoder_config *c, int layer);

	/* What is done to a layer's result, in its place; NULL: nothing. */
	void (*end_layer)(nn_model *m, tensor x, const struct decoder_config *c, int layer);
} decoder_config;

/* ---- Configuration ---- */

typedef struct decoder_sizes
{
	int64_t hidden;
	int64_t intermediate; /* 0: 4 hidden */
	int layers, heads;
	int kv_heads; /* 0: heads */
} decoder_sizes;

/* A family's keys of config.json where they are not LLaMA's, and its defaults. */
typedef struct decoder_defaults
{
	/*
	 * Keys; NULL: LLaMA's, which count as well where the family's own are absent; "": none, the
	 * default counts.
	 */
	const char *hidden_size_key, *layers_key, *heads_key, *kv_heads_key, *intermediate_size_key,
		*max_positions_key, *activation_key, *norm_eps_key;
	int64_t vocab_size;
	decoder_sizes sizes;
	int head_dim; /* 0: hidden size / heads */
	int64_t max_positions;
	const char *activation; /* NULL: "silu" */
	double norm_eps;
	int64_t pad_token_id; /* -1: none */
	bool tie_word_embeddings;
} decoder_defaults;

/* What LLaMA's smallest model has, and others after it. */
#define DECODER_LLAMA_SIZES                                                                        \
	.sizes = {.hidden = 4096, .intermediate = 11008, .layers = 32, .heads = 32},                   \
	.max_positions = 2048

/*
 * Read the sizes, the activation, epsilon, labels, ties; c has what else the family sets.  Fills the
 * sizes of embedding, too.
 */
extern void decoder_read_config(tfm_context *context, json file, const decoder_defaults *defaults,
								decoder_config *c);

/*
 * Begin *c as LLaMA has it but for the names: words in "embed_tokens", norms (of heads, too, where names
 * has them) by root mean squares.  Reads what decoder_read_config does.
 */
extern void decoder_read_llama(tfm_context *context, json file, const decoder_names *names,
							   const decoder_defaults *defaults, decoder_config *c);

/* Rotary positions of all layers; without partial factor, theta 0 is 10000. */
extern void decoder_read_rope(tfm_context *context, json file, const rope_defaults *defaults,
							  decoder_config *c);

/*
 * An array for c->each, all layers alike: zeros.  NULL after an error.
 */
extern decoder_layer *decoder_make_layers(tfm_context *context, decoder_config *c);

/* "sliding_window" of all layers; window where it is absent, 0 where it is null: none. */
extern void decoder_read_window(tfm_context *context, json file, int64_t window, decoder_config *c);

/*
 * "sliding_window" of the layers that "layer_types" calls "sliding_attention"; without layer_types, of
 * those that is_sliding says.
 */
extern void decoder_read_layer_types(tfm_context *context, json file, int64_t window,
									 bool (*is_sliding)(tfm_context *context, json file, int layer),
									 decoder_config *c);

/*
 * After these, rotary positions of two kinds: of layers with windows those that "rope_parameters" has for
 * "sliding_attention", ropes[1]; of the others those for "full_attention", ropes[0].  Older files have
 * their base and scaling for the latter alone.
 */
extern void decoder_read_two_ropes(tfm_context *context, json file, double theta,
								   double sliding_theta, decoder_config *c);

/* After these, layers without windows do not turn. */
extern void decoder_turn_with_windows(decoder_config *c);

/* is_sliding by "sliding_window_pattern": every so manieth layer (fallback) sees all, from the end. */
extern bool decoder_slides_by_pattern(tfm_context *context, json file, int layer, int64_t fallback);

/*
 * All layers keep a state of so many floats in place of keys and values; sequences may be of any
 * length.
 */
extern void decoder_keep_states(tfm_context *context, decoder_config *c, int64_t state);

/*
 * The mixture of all layers but those that each says otherwise: how many experts there are and how
 * many a token goes to, checked, under their keys.
 */
extern void decoder_read_experts(tfm_context *context, json file, const char *experts_key,
								 int64_t experts, const char *chosen_key, int64_t chosen,
								 decoder_config *c);

/*
 * After these, the layers that have a feed-forward part instead: Qwen's "decoder_sparse_step" and
 * "mlp_only_layers".
 */
extern void decoder_read_dense_layers(tfm_context *context, json file, decoder_config *c);

/* nn_family's cache_layers. */
extern int decoder_cache_layers(const void *config, kv_layer *layers);

/* ---- The pass ---- */

/* nn_family's hidden_states: embeddings, layers, the last norm -> [tokens, hidden]. */
extern tensor decoder_hidden_states(nn_model *m, const void *config);

/* The rows of c->embedding, projected where there is a projection. */
extern tensor decoder_embed(nn_model *m, const decoder_config *c);

/* c->attention for a layer: its number, its window. */
extern attention decoder_attention(const decoder_config *c, int layer);

/* Rotate heads of x, whose rows are stride elements apart (0: side by side), as the layer has it. */
extern void decoder_rotate(nn_model *m, const decoder_config *c, int layer, tensor x,
						   int64_t stride, int heads);

/* Attention of the layer up to its output projection: x [tokens, hidden], normed. */
extern tensor decoder_attend(nn_model *m, tensor x, const decoder_config *c, int layer);

/*
 * The feed-forward part of n columns between its products, by gate, up and down of names: x [tokens,
 * hidden] -> [tokens, hidden], a new tensor, or residual with it added, unless that is empty.
 */
extern tensor decoder_feed_forward(nn_model *m, tensor x, const decoder_config *c,
								   const decoder_names *names, int64_t n, tensor residual);

/* ---- Heads, for an nn_head's forward; config starts with a decoder_config ---- */

extern void decoder_base_model(nn_model *m, const void *config);

/*
 * Scores of the vocabulary: of all tokens, or of batch->wanted, and then with the last hidden states
 * of the same tokens beside them (last_hidden_state).
 */
extern void decoder_causal_lm(nn_model *m, const void *config);

extern void decoder_sequence_classification(nn_model *m, const void *config);
extern void decoder_token_classification(nn_model *m, const void *config);
extern void decoder_question_answering(nn_model *m, const void *config);

/*
 * Scores of the vocabulary and, by c->choice and "multiple_choice_head", one of each row as a choice; the
 * family has keeps_last and these inputs: the token of each row that is looked at.
 */
extern void decoder_double_heads(nn_model *m, const void *config);
extern const nn_input_kind decoder_choice_inputs[];

/* Read c->choice with GPT's defaults. */
extern void decoder_read_choice(tfm_context *context, json file, decoder_config *c);

/* The five heads above, by their usual names; ends with a NULL suffix. */
extern const nn_head decoder_heads[];

/* The same without that for answers to questions, and without that for tokens. */
extern const nn_head decoder_heads_of_tokens[], decoder_heads_of_answers[];

/* What an nn_family has whose configuration is a decoder_config and no more. */
#define DECODER_FAMILY                                                                             \
	.config_size = sizeof(decoder_config), .cache_layers = decoder_cache_layers,                   \
	.hidden_states = decoder_hidden_states

/* Scores of the vocabulary of rows x [rows, hidden] -> [rows, vocabulary]. */
extern tensor decoder_predict_words(nn_model *m, const decoder_config *c, tensor x);

#endif
