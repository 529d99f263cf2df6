/*
 * moe.h
 *	  Mixtures of experts: a router gives each token to a few of many feed-forward parts.
 *
 * Tokens are grouped by expert, so that each expert is one product over the rows that it got.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_MOE_H
#define TFM_NN_MOE_H

#include "nn/layers.h"

#define MOE_MAX_EXPERTS 4096
#define MOE_MAX_CHOSEN 128

/*
 * What the experts' weights are called, relative to the mixture.  "%" stands for the number of the
 * expert; where there is none, one tensor has the experts one after the other in its first dimension.
 */
typedef struct moe_names
{
	const char *gate, *up; /* of gate and up, or of both in one, gate first: */
	const char *gate_up;
	const char *down;
	bool gate_transposed, down_transposed; /* the checkpoint has them as [k, n] */
} moe_names;

/* Where experts are named like LLaMA's feed-forward parts: both spellings, ended by an empty one. */
extern const moe_names moe_llama_names[];

/* How the router's scores become weights. */
typedef enum moe_scoring
{
	MOE_SOFTMAX,		 /* over all experts, then the best */
	MOE_SOFTMAX_OF_BEST, /* over the best alone */
	MOE_SIGMOID			 /* of each score, then the best */
} moe_scoring;

typedef struct moe
{
	int experts;
	int chosen;		  /* for each token */
	int64_t capacity; /* the first so many tokens of a sequence that an expert takes, the others get
						 nothing of it; 0: all */
	bool keeps_rest;  /* the others are to it as they are */
	const char *router;
	moe_scoring scoring;
	double norm_power; /* weights are divided by their norm of that power; 0: they are not */
	double scale;	   /* of the weights at the end; 0: 1 */
	const moe_names
		*names; /* spellings: the first that the checkpoint has; ends with a NULL down */
	bool gated; /* gate and up; else up alone */
	op_activation activation;
	int64_t intermediate_size;
} moe;

/* A mixture in the place of LLaMA's feed-forward part, with the router that most have. */
#define MOE_LLAMA_EXPERTS                                                                          \
	.router = "mlp.gate", .scoring = MOE_SOFTMAX, .names = moe_llama_names, .gated = true

/* Which experts the tokens of a batch go to, grouped by expert. */
typedef struct moe_route
{
	int ways; /* experts for each token */
	int64_t tokens;
	int32_t *offsets; /* [experts + 1] rows of each */
	int32_t *rows;	  /* [tokens * ways] the token of each row */
	int32_t *places;  /* [tokens, ways] the row of each token's part, ascending */
	float *weights;	  /* [tokens, ways] of the same */
} moe_route;

/*
 * Route x [tokens, hidden] by c->router.  In a dry run, and after an error, the arrays are NULL.
 */
extern moe_route moe_choose(nn_model *m, tensor x, const moe *c);

/* The rows that the experts get: x [tokens, n] -> [tokens * ways, n]. */
extern tensor moe_spread(nn_model *m, tensor x, const moe_route *route);

/* The sum of what the experts made of a token: x [tokens * ways, n] -> [tokens, n]. */
extern tensor moe_gather(nn_model *m, tensor x, const moe_route *route);

/* Products of each expert's rows with its weights "<name>" [columns, k], the results side by side. */
typedef struct moe_product
{
	int count;			  /* 1 or 2 */
	const char *names[2]; /* as in moe_names */
	int64_t columns;	  /* of each */
	bool transposed;
	int64_t stride; /* elements from one row of x to the next; 0: its columns */
} moe_product;

/* x [tokens * ways, k] -> [tokens * ways, count * columns] */
extern tensor moe_linear(nn_model *m, tensor x, const moe *c, const moe_route *route,
						 const moe_product *product);

/* The whole: x [tokens, hidden] -> [tokens, hidden], a new tensor. */
extern tensor mixture(nn_model *m, tensor x, const moe *c);

#endif
