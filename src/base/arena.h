/*
 * arena.h
 *	  A region of memory that is freed as a whole, or back to a mark.
 *
 * Blocks come from malloc and are kept for reuse when the arena is rolled back,
 * so that a loop of "mark, run a layer, release" allocates nothing after its
 * first turn.  An arena belongs to one thread at a time.
 *
 * What a function works with and what it returns end at different times, and an
 * arena ends only its newest first.  So an arena has a scratch beside it: results
 * go into the one, working memory into the other, which is rolled back.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_ARENA_H
#define TFM_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#define ARENA_ALIGNMENT 64

typedef struct arena arena;

/* A place to roll back to; valid until the arena is rolled back to an earlier one. */
typedef struct arena_mark
{
	struct arena_block *block;
	size_t used;
	size_t bytes;
	struct arena_cleanup *cleanup;
} arena_mark;

/* A new arena that hands out at most limit bytes (0: no limit); NULL if memory is out. */
extern arena *arena_create(size_t limit);

/*
 * Have room for size bytes in one block, beside what is handed out: allocations that fit lie side by
 * side, and memory of it that is never handed out costs addresses only.  False if memory is out.
 */
extern bool arena_reserve(arena *a, size_t size);

/* Run the cleanups, newest first, and free everything.  NULL is allowed. */
extern void arena_destroy(arena *a);

/* size bytes, aligned to ARENA_ALIGNMENT, uninitialised; NULL if memory or the limit is out. */
extern void *arena_alloc(arena *a, size_t size);

/* Call function(argument) when the arena is destroyed or rolled back past here; false if memory is out. */
extern bool arena_on_release(arena *a, void (*function)(void *), void *argument);

/* Where the arena stands, and back to it: what was allocated since is gone. */
extern arena_mark arena_save(const arena *a);
extern void arena_restore(arena *a, arena_mark mark);

/*
 * The scratch of an arena: an arena of its own, made at the first call and kept.  It ends with the
 * other, is trimmed with it, and what it hands out counts there.  Who takes from it rolls it back
 * before returning.  NULL if memory is out.
 */
extern arena *arena_scratch(arena *a);

/* Give blocks beyond keep bytes that nothing uses back to the system. */
extern void arena_trim(arena *a, size_t keep);

/* Bytes of all blocks, handed out or not. */
extern size_t arena_held(const arena *a);

/* Bytes handed out now, and the most ever since arena_reset_peak (alignment included). */
extern size_t arena_used(const arena *a);
extern size_t arena_peak(const arena *a);
extern void arena_reset_peak(arena *a);

/* Replace the limit given to arena_create; what it is. */
extern void arena_set_limit(arena *a, size_t limit);
extern size_t arena_limit(const arena *a);

#endif
