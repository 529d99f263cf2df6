/*
 * machine.h
 *	  Where texts stand in a grammar: a pushdown machine whose states are found as they are needed.
 *
 * A place is an expression, how far it has come (parts passed, times repeated, bytes), the beginning of
 * a character, and the frames that it returns to.  A state is a set of places: all in which a text may
 * be, as a grammar need not be deterministic.  Equal frames and states are one, so that a state is a number
 * and what a byte leads to is remembered in a table.
 *
 * Memory is bounded: where it is full, what no matcher stands on is forgotten.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_MACHINE_H
#define TFM_GENERATE_MACHINE_H

#include "generate/constraint.h"
#include "generate/grammar.h"
#include "generate/vocabulary.h"

#define GEN_STATE_UNKNOWN 0
#define GEN_STATE_DEAD 1
#define GEN_STATES_MAX 16384
#define GEN_FRAMES_MAX 262144
#define GEN_PLACES_MAX 524288	   /* of all states */
#define GEN_STATE_PLACES_MAX 16384 /* of one */
#define GEN_DEPTH_MAX 512		   /* frames that a place returns to */
#define GEN_MASK_BYTES (4u << 20)  /* of the masks that are kept */

typedef struct gen_frame
{
	gen_expression expression;
	uint32_t count;
	uint32_t parent; /* 0: none */
	uint32_t depth;
	uint32_t shortest; /* bytes that it and those that it returns to need at least */
} gen_frame;

typedef struct gen_place
{
	gen_expression expression;
	uint32_t count;
	uint32_t partial; /* of a character (characters.h) */
	uint32_t frame;
} gen_place;

typedef struct gen_state
{
	uint32_t first, count; /* its places */
	uint32_t hash;
	int32_t mask;	   /* number of its mask; -1: none */
	uint32_t shortest; /* bytes that are needed at least until the text may end */
	bool accepts;	   /* the text may end */
	uint16_t next[256];
} gen_state;

/* The tokens that may come in a state. */
typedef struct gen_mask
{
	uint32_t state; /* GEN_STATE_UNKNOWN: unused */
	bool any;
	uint32_t longest; /* the most bytes that may be needed at least after one of the tokens */
	uint64_t *bits;	  /* by id */
} gen_mask;

/* Equal things are one: a table of their numbers by hash. */
typedef struct gen_index
{
	uint32_t *slots; /* 0: free */
	uint32_t capacity, used;
} gen_index;

typedef struct gen_machine
{
	const gen_grammar *grammar;
	const gen_vocabulary *vocabulary;
	gen_state *states;
	gen_frame *frames;
	gen_place *places;
	uint32_t state_count, state_capacity;
	uint32_t frame_count, frame_capacity;
	uint32_t place_count, place_capacity;
	gen_index state_index, frame_index;
	gen_mask *masks;
	uint64_t *mask_bits;
	uint32_t mask_count, mask_next;
	uint32_t start;
	uint32_t path[GEN_TOKEN_MAX + 2]; /* states that a walk stands on */
	uint32_t path_count;
	struct gen_matcher *matchers; /* all that stand on its states */
	struct gen_closing *closing;  /* closing.c's own */
	struct gen_machine *next;
} gen_machine;

/* NULL on error.  Its memory is freed with the context's arena. */
extern gen_machine *gen_machine_create(tfm_context *context, const gen_grammar *grammar,
									   const gen_vocabulary *vocabulary);

/*
 * The state that a byte leads to from a state, GEN_STATE_DEAD if none does, GEN_STATE_UNKNOWN on an
 * error.  It may move states: those of the matchers and of the path are renumbered, and with them
 * *state, which must be one of these.
 */
extern uint32_t gen_machine_find(tfm_context *context, gen_machine *machine, const uint32_t *state,
								 unsigned char byte);

static inline uint32_t
gen_machine_step(tfm_context *context, gen_machine *machine, const uint32_t *state,
				 unsigned char byte)
{
	uint32_t next = machine->states[*state].next[byte];

	return next != GEN_STATE_UNKNOWN ? next : gen_machine_find(context, machine, state, byte);
}

/* Bytes that are needed at least from a place on. */
extern uint32_t gen_machine_rest(const gen_machine *machine, const gen_place *place);

/* Where a text stands; in the list of its machine. */
struct gen_matcher
{
	gen_machine *machine;
	uint32_t state;
	int64_t left; /* tokens that may come; negative: any number */
	struct gen_matcher *previous, *next;
};

/*
 * closing.c: the places at which a machine waits for a byte, from places that may be at the end of their
 * expressions.
 */
typedef struct gen_closing
{
	gen_place *places; /* found */
	uint32_t count, capacity;
	gen_place *work; /* to be looked at */
	uint32_t work_count, work_capacity;
	gen_place *seen; /* a table of what was looked at */
	uint32_t *stamps;
	uint32_t seen_capacity, seen_count, stamp;
	bool accepts;
	bool too_deep; /* some place was left out */
} gen_closing;

extern gen_closing *gen_closing_create(tfm_context *context);
extern void gen_closing_free(gen_closing *closing);
extern void gen_closing_begin(gen_closing *closing);

/* Add a place, and do what there is to do; false with an error. */
extern bool gen_closing_enter(tfm_context *context, gen_closing *closing, gen_place place);
extern bool gen_closing_run(tfm_context *context, gen_machine *machine, gen_closing *closing);

/* A place that waits for bytes of a character. */
extern bool gen_closing_wait(tfm_context *context, gen_closing *closing, gen_place place);

/* frames: the number of a frame; 0 with an error, or where it lies too deep (then without). */
extern uint32_t gen_machine_frame(tfm_context *context, gen_machine *machine, gen_frame frame);

#endif
