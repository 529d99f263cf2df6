/*
 * family.h
 *	  What a file in src/models/ tells of itself; everything that differs between families.
 *
 * The list of families is generated from the names of the files: models/x.c must
 * define "const nn_family family_x" (with _ for what C does not allow in a name).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_FAMILY_H
#define TFM_NN_FAMILY_H

#include "base/json.h"
#include "nn/model.h"

/* Bounds of what a config.json may say, far beyond any model and far below overflow. */
#define NN_MAX_SIZE (1 << 24)
#define NN_MAX_LAYERS 4096
#define NN_MAX_HEADS 4096

/*
 * What the engine wants to know of any configuration of a text model.  The first member of a
 * family's own configuration, filled by its read_config.
 */
typedef struct nn_config
{
	int64_t vocab_size;
	int64_t decoder_vocab_size; /* of a decoder that has words of its own; 0: vocab_size */
	int64_t hidden_size;
	int64_t embedding_size; /* of rows in place of words' embeddings; 0: hidden_size */
	int64_t max_positions;	/* longest sequence in tokens */
	bool any_position;		/* longer ones can be computed, too: positions are not a table's rows */
	int64_t num_labels;		/* of classifiers */
	int64_t pad_token_id;	/* -1: none */
	bool tie_word_embeddings;
} nn_config;

/* Words that scores are of. */
static inline int64_t
nn_output_words(const nn_config *c)
{
	return c->decoder_vocab_size == 0 ? c->vocab_size : c->decoder_vocab_size;
}

/* Columns of what a caller may give in place of words' embeddings. */
static inline int64_t
nn_embedding_size(const nn_config *c)
{
	return c->embedding_size == 0 ? c->hidden_size : c->embedding_size;
}

/* A model_type of config.json that the family runs. */
typedef struct nn_variant
{
	const char *model_type;	  /* "xlm-roberta" */
	const char *class_prefix; /* of Transformers' classes: "XLMRoberta" */
	const char *base_prefix;  /* Transformers' base_model_prefix: "roberta" */
} nn_variant;

/* A class on top of the base model: class_prefix followed by suffix. */
typedef struct nn_head
{
	const char *suffix; /* "Model" (the base model itself), "ForMaskedLM", ... */
	const char *task;	/* of the pipelines that run it: "fill-mask" */
	void (*forward)(nn_model *m, const void *config);
} nn_head;

/* An input beside ids, types, positions and the mask, or in place of one of them. */
typedef struct nn_input_kind
{
	const char *name; /* Transformers' argument: "bbox" */
	bool per_token;	  /* [rows, columns, width], or [rows, columns] where width is 1; else any shape
						 whose first size is the rows' */
	int64_t width;	  /* of a token's; 0: any */
	bool is_float;
} nn_input_kind;

typedef struct nn_family
{
	const char *name;			/* of the file: "bert" */
	const nn_variant *variants; /* ends with a NULL model_type */
	const nn_head *heads;		/* the base model first; ends with a NULL suffix */
	size_t config_size;			/* of the family's configuration, which starts with an nn_config */

	/* Fill config from config.json with Transformers' names, aliases and defaults. */
	void (*read_config)(tfm_context *context, json file, void *config);

	/*
	 * The position ids of one row of input_ids (NULL: unknown) and its attention_mask (NULL: ones);
	 * a NULL function: 0, 1, 2, ...
	 */
	void (*make_positions)(const void *config, const int32_t *ids, const uint8_t *mask,
						   int64_t count, int32_t *positions);

	/* The same of a row that a decoder is given after an encoder; NULL: make_positions. */
	void (*make_decoder_positions)(const void *config, const int32_t *ids, const uint8_t *mask,
								   int64_t count, int32_t *positions);

	/* The decoder's ids of one row of input_ids where the caller gives none; NULL: he must. */
	void (*make_decoder_ids)(const void *config, const int32_t *ids, int64_t count,
							 int32_t *decoder_ids);

	/* What Transformers calls the input: ids, or rows in their place; NULL: "input_ids". */
	const char *main_input;

	const nn_input_kind *inputs; /* that the family takes; ends with a NULL name; NULL: none */

	/* A head looks at the last token of each row, be it masked or not. */
	bool keeps_last;

	/*
	 * What a token becomes depends on masked ones beside it: all tokens of a row take part, and
	 * nn_batch.hidden tells which are masked.
	 */
	bool keeps_masked;

	/*
	 * What a cache of this configuration has for each layer, layers of them; returns the number of
	 * layers, with layers NULL it but counts; negative where its tokens see those that come after
	 * them ("is_decoder" is false).  NULL: the family does not generate.
	 */
	int (*cache_layers)(const void *config, kv_layer *layers);

	/*
	 * Of an encoder-decoder, else NULL: the same of the cache of what its decoder looks back at, and
	 * what puts there what each layer makes of the encoder's states, the batch's memory.  A family
	 * that can be the decoder after another's encoder has the latter alone; the layers are then those
	 * of its own cache.
	 */
	int (*memory_layers)(const void *config, kv_layer *layers);
	void (*remember)(nn_model *m, const void *config);

	/*
	 * The hidden states alone, [tokens, hidden], for embeddings; no heads, no pooler.  Of an
	 * encoder-decoder those of its encoder, but of its decoder where the batch has a memory.
	 */
	tensor (*hidden_states)(nn_model *m, const void *config);
} nn_family;

/* All families, ended by NULL; generated. */
extern const nn_family *const nn_families[];

/*
 * Number of labels of a config.json, as Transformers' PreTrainedConfig has it: the entries of
 * id2label, else num_labels, else 2.
 */
extern int64_t nn_read_num_labels(tfm_context *context, json file);

/*
 * The place in a family's variants of a config.json's model_type, for those with defaults of their own;
 * 0 where it is none of them.
 */
extern int nn_which_variant(json file, const nn_variant *variants);

/* Whether a key is there and null: Transformers' None, where its absence means a default. */
extern bool nn_is_null(json file, const char *key);

#endif
