/*
 * model.h
 *	  One forward pass as a family sees it: weights by name, a ragged batch, outputs.
 *
 * A family's forward pass is plain C over the blocks of this folder.  Each block
 * asks for its weights by name, checks their shapes, allocates its result in the
 * arena and calls an op.  After the first error every block returns an empty
 * tensor at once, so that a family has no error handling.
 *
 * In a dry run there are shapes but no data: nothing is computed, and what is
 * asked for tells which weights a family reads, in which layout, and how much
 * memory the pass needs.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_MODEL_H
#define TFM_NN_MODEL_H

#include "tensor/cache.h"
#include "tensor/tensor.h"

#define NN_NAME_MAX 256

/* An input that only some families take: boxes on a page, entities, columns of a table. */
typedef struct nn_input
{
	int rank;			 /* 0: not given */
	int64_t shape[4];	 /* one with a value, or a row, for each token: [tokens, width] */
	const int32_t *ints; /* or NULL: */
	const float *floats;
} nn_input;

/*
 * Sequences without padding, one after the other.  Sequence i has the tokens offsets[i] to
 * offsets[i + 1] - 1.  All arrays are checked by the blocks that use them as indexes.
 */
typedef struct nn_batch
{
	int64_t sequences;
	int64_t tokens;
	const int32_t *offsets;	   /* [sequences + 1] */
	const int32_t *ids;		   /* [tokens] */
	const float *embeds;	   /* [tokens, hidden size] in place of the words' rows; or NULL */
	const int32_t *types;	   /* [tokens], or NULL for zeros: none was given */
	const int32_t *positions;  /* [tokens]: indexes into a table of positions */
	const int32_t *columns;	   /* [tokens]: the token's place in its row of input_ids */
	const uint8_t *hidden;	   /* [tokens], not 0: no token attends to it; NULL: none */
	int64_t choices;		   /* sequences that make one example; 1 but for multiple choice */
	bool output_hidden_states; /* also output the hidden states of all layers */
	const nn_input *inputs; /* one for each of nn_family.inputs, whose order they have; or NULL */
	const struct nn_input_kind *input_kinds; /* nn_family.inputs, where there are inputs */

	/*
	 * Generation: sequence i goes on where sequence cached[i] of the cache ends; places in the
	 * sequence are counted from its beginning.  NULL: there is nothing before the batch.
	 */
	kv_cache *cache;
	const int32_t *cached;

	/* The tokens after which the next one's scores are wanted, ascending; NULL: all. */
	const int32_t *wanted; /* [wanted_count] */
	int64_t wanted_count;

	/*
	 * Of an encoder-decoder.  The batch of its encoder has, for who runs both in one pass, that of its
	 * decoder; the batch of its decoder has what it looks back at.  NULL: none.
	 */
	const struct nn_batch *decoder;
	const struct nn_memory *memory;
} nn_batch;

/*
 * What the decoder's sequences look back at: sequence i at the rows offsets[i] .. offsets[i + 1] - 1
 * of the encoder's result, or at sequence cached[i] of a cache, to which run_encode has put what each
 * layer makes of them.
 */
typedef struct nn_memory
{
	tensor states;			/* [memory tokens, hidden]; empty: all is in the cache */
	const int32_t *offsets; /* [sequences + 1] of states */
	const uint8_t *hidden;	/* [memory tokens], as nn_batch's; NULL: none */
	kv_cache *cache;		/* NULL: none */
	const int32_t *cached;	/* [sequences] */
} nn_memory;

/* Where weights come from, by name: whether there is one, and the weight, NULL if there is none. */
typedef struct nn_weights
{
	bool (*has)(void *source, const char *name);
	const weight *(*find)(void *source, const char *name, weight_layout layout);
	void *source;
} nn_weights;

/* How the first dimension of an output relates to the batch. */
typedef enum nn_axis
{
	NN_PER_TOKEN,		  /* [tokens, ...]: padded to [rows, columns, ...] for the caller */
	NN_PER_SEQUENCE,	  /* [sequences, ...] */
	NN_PER_CHOICE,		  /* [sequences, 1]: [examples, choices] for the caller */
	NN_PER_DECODER_TOKEN, /* as NN_PER_TOKEN, of the decoder's batch */
	NN_AS_SHAPED		  /* any: the caller gets value's own shape */
} nn_axis;

/* A named result, as in Transformers' ModelOutput. */
typedef struct nn_output
{
	struct nn_output *next;
	const char *name;
	nn_axis axis;
	/* f32, or i64 but per token: [tokens or sequences, features], or rank 1 without features */
	tensor value;
} nn_output;

typedef struct nn_model
{
	tfm_context *context;
	nn_weights weights;
	const nn_batch *batch;
	bool dry;				 /* shapes only */
	tfm_compute compute;	 /* of all products */
	char scope[NN_NAME_MAX]; /* prefix of all names, "encoder.layer.3.", or empty */
	const char *part; /* "encoder", "decoder": whose hidden states are output; NULL: the model's */
	nn_output *outputs; /* in the order in which they were made */
	size_t bytes, peak; /* dry run: memory in use, and the most of it */
} nn_model;

/* A part of the model: its prefix, and the memory that its intermediates take. */
typedef struct nn_scope
{
	size_t length; /* of the prefix around it */
	size_t bytes;
	arena_mark mark;
} nn_scope;

/* Begin the memory of a part of a layer. */
extern nn_scope nn_begin(nn_model *m);

/* The same, and add a prefix to all names; name is formatted as by printf, "layer.%d". */
extern nn_scope nn_enter(nn_model *m, const char *name, ...) TFM_PRINTF(2, 3);

/*
 * End a layer or a part: its result takes the place of its input, which has the same shape, and all
 * memory taken since it began is free.  Returns input's tensor.
 */
extern tensor nn_leave(nn_model *m, nn_scope scope, tensor input, tensor result);

/* A new f32 tensor [rows, columns] in the arena; empty after an error. */
extern tensor nn_matrix(nn_model *m, int64_t rows, int64_t columns);

/* Whether the blocks have something to compute: neither a dry run nor after an error. */
static inline bool
nn_live(const nn_model *m)
{
	return !m->dry && !tfm_failed(m->context);
}

/*
 * Append to a name in text[NN_NAME_MAX], *length characters long; false, with text as it was, if that
 * is too long.  A pass makes hundreds of names: snprintf would take a tenth of a short text's time.
 */
extern bool nn_append_name(char *text, size_t *length, const char *more);

/* Whether there is a weight called name (within the scope). */
extern bool nn_has_weight(nn_model *m, const char *name);

/*
 * The weight called name (within the scope), which must have the shape [rows, columns], or [columns]
 * if rows is 0; a negative number matches any.  Of one with more dimensions, those after the first
 * count as one: a convolution's [channels, 1, width] is [channels, width].  NULL with CORRUPTED
 * recorded if there is none or its shape differs.
 */
extern const weight *nn_weight(nn_model *m, const char *name, weight_layout layout, int64_t rows,
							   int64_t columns);

/* Add a result.  value must not be freed by an nn_leave afterwards. */
extern void nn_emit(nn_model *m, const char *name, nn_axis axis, tensor value);

/*
 * Add a copy of x, of now, as hidden_states.<index>, or <part>_hidden_states.<index>, if the caller
 * wants hidden states.
 */
extern void nn_emit_hidden_state(nn_model *m, int index, tensor x);

/* The same of tokens that are not the batch's, of which each sequence has as many: UNSUPPORTED else. */
extern void nn_emit_other_state(nn_model *m, int index, tensor x);

/* Add a copy of states of such tokens: [sequences, tokens of each, columns]. */
extern void nn_emit_other_tokens(nn_model *m, const char *name, tensor x);

#endif
