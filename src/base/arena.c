/*
 * arena.c
 *	  A region of memory that is freed as a whole, or back to a mark.
 *
 * Blocks form a chain in the order of use: everything before "current" is full
 * or skipped, everything after it is empty and waits for reuse.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

/*
 * The address sanitizer knows what is handed out, and so finds who reads or writes beside it: between
 * two allocations lie some bytes that belong to none.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define REDZONE ARENA_ALIGNMENT
#else
#define ASAN_POISON_MEMORY_REGION(start, size) ((void) (start), (void) (size))
#define ASAN_UNPOISON_MEMORY_REGION(start, size) ((void) (start), (void) (size))
#define REDZONE 0
#endif

#define FIRST_BLOCK_SIZE ((size_t) 16 * 1024)
#define MAX_BLOCK_SIZE ((size_t) 16 * 1024 * 1024)

typedef struct arena_block
{
	struct arena_block *next;
	size_t size; /* bytes of data */
	size_t used; /* bytes handed out, a multiple of ARENA_ALIGNMENT */
	char *data;	 /* aligned start */
} arena_block;

typedef struct arena_cleanup
{
	struct arena_cleanup *next; /* the one registered before */
	void (*function)(void *);
	void *argument;
} arena_cleanup;

struct arena
{
	arena_block *first;
	arena_block *current;	/* where the next allocation is tried; NULL before the first */
	arena_cleanup *cleanup; /* newest first */
	size_t bytes;			/* handed out now */
	size_t held;			/* of all blocks */
	arena *scratch;			/* NULL until it is asked for, and in a scratch */
	arena *owner;			/* of a scratch: whose it is; else NULL */

	/* Of both together; not used in a scratch. */
	size_t limit; /* 0: none */
	size_t peak;
};

arena *
arena_create(size_t limit)
{
	arena *a = calloc(1, sizeof(arena));

	if (a != NULL)
		a->limit = limit;
	return a;
}

static void
run_cleanups(arena *a, const arena_cleanup *until)
{
	while (a->cleanup != until)
	{
		arena_cleanup *c = a->cleanup;

		a->cleanup = c->next;
		c->function(c->argument);
	}
}

void
arena_destroy(arena *a)
{
	if (a == NULL)
		return;
	run_cleanups(a, NULL);
	arena_destroy(a->scratch);
	for (arena_block *b = a->first, *next; b != NULL; b = next)
	{
		next = b->next;
		free(b);
	}
	free(a);
}

/* Size of a new block for size bytes: each is twice as large as the one before. */
static size_t
block_size(const arena *a, size_t size)
{
	size_t wanted = a->current == NULL ? FIRST_BLOCK_SIZE : a->current->size * 2;

	if (wanted > MAX_BLOCK_SIZE)
		wanted = MAX_BLOCK_SIZE;
	return wanted < size ? size : wanted;
}

/* A block with room for wanted bytes, linked in after the current one. */
static arena_block *
add_block(arena *a, size_t wanted)
{
	arena_block *b;

	if (wanted > SIZE_MAX - sizeof(arena_block) - ARENA_ALIGNMENT)
		return NULL;
	b = malloc(sizeof(arena_block) + ARENA_ALIGNMENT + wanted);
	if (b == NULL)
		return NULL;
	b->data =
		(char *) (((uintptr_t) (b + 1) + ARENA_ALIGNMENT - 1) & ~(uintptr_t) (ARENA_ALIGNMENT - 1));
	b->size = wanted;
	b->used = 0;
	ASAN_POISON_MEMORY_REGION(b->data, b->size);
	a->held += wanted;
	if (a->current == NULL)
	{
		b->next = a->first;
		a->first = b;
	}
	else
	{
		b->next = a->current->next;
		a->current->next = b;
	}
	return b;
}

/* Whose limit and peak count. */
static arena *
owner_of(arena *a)
{
	return a->owner != NULL ? a->owner : a;
}

static bool
is_within_limit(arena *a, size_t size)
{
	const arena *owner = owner_of(a);
	size_t used = arena_used(owner);

	return owner->limit == 0 ||
		   (size <= owner->limit && used <= owner->limit && size <= owner->limit - used);
}

static void
count_bytes(arena *a, size_t size)
{
	arena *owner = owner_of(a);

	a->bytes += size;
	if (arena_used(owner) > owner->peak)
		owner->peak = arena_used(owner);
}

void *
arena_alloc(arena *a, size_t size)
{
	size_t asked = size;
	arena_block *b;
	void *p;

	if (size > SIZE_MAX - ARENA_ALIGNMENT - REDZONE)
		return NULL;
	size = (size + ARENA_ALIGNMENT - 1) & ~(size_t) (ARENA_ALIGNMENT - 1);
	if (size == 0)
		size = ARENA_ALIGNMENT;
	if (!is_within_limit(a, size))
		return NULL;
	b = a->current != NULL ? a->current : a->first;
	while (b != NULL && b->size - b->used < size + REDZONE)
		b = b->next;
	if (b == NULL)
		b = add_block(a, block_size(a, size + REDZONE));
	if (b == NULL)
		return NULL;
	a->current = b;
	p = b->data + b->used;
	b->used += size + REDZONE;
	count_bytes(a, size);
	ASAN_UNPOISON_MEMORY_REGION(p, asked);
	return p;
}

bool
arena_reserve(arena *a, size_t size)
{
	return add_block(a, size) != NULL;
}

bool
arena_on_release(arena *a, void (*function)(void *), void *argument)
{
	arena_cleanup *c = arena_alloc(a, sizeof(arena_cleanup));

	if (c == NULL)
		return false;
	c->next = a->cleanup;
	c->function = function;
	c->argument = argument;
	a->cleanup = c;
	return true;
}

arena_mark
arena_save(const arena *a)
{
	return (arena_mark) {
		.block = a->current,
		.used = a->current != NULL ? a->current->used : 0,
		.bytes = a->bytes,
		.cleanup = a->cleanup,
	};
}

/* Take back what a block has handed out beyond used. */
static void
take_back(arena_block *b, size_t used)
{
	ASAN_POISON_MEMORY_REGION(b->data + used, b->size - used);
	b->used = used;
}

void
arena_restore(arena *a, arena_mark mark)
{
	run_cleanups(a, mark.cleanup);
	for (arena_block *b = mark.block != NULL ? mark.block->next : a->first; b != NULL; b = b->next)
		take_back(b, 0);
	if (mark.block != NULL)
		take_back(mark.block, mark.used);
	a->current = mark.block;
	a->bytes = mark.bytes;
}

arena *
arena_scratch(arena *a)
{
	if (a->scratch == NULL && (a->scratch = arena_create(0)) != NULL)
		a->scratch->owner = a;
	return a->scratch;
}

void
arena_trim(arena *a, size_t keep)
{
	arena_block **link = &a->first;
	size_t kept = 0;

	while (*link != NULL)
	{
		arena_block *b = *link;

		if (b->used == 0 && b != a->current && kept + b->size > keep)
		{
			*link = b->next;
			a->held -= b->size;
			free(b);
			continue;
		}
		kept += b->size;
		link = &b->next;
	}
	if (a->scratch != NULL)
		arena_trim(a->scratch, kept < keep ? keep - kept : 0);
}

size_t
arena_held(const arena *a)
{
	return a->held + (a->scratch != NULL ? a->scratch->held : 0);
}

size_t
arena_used(const arena *a)
{
	return a->bytes + (a->scratch != NULL ? a->scratch->bytes : 0);
}

size_t
arena_peak(const arena *a)
{
	return a->peak;
}

void
arena_reset_peak(arena *a)
{
	a->peak = arena_used(a);
}

void
arena_set_limit(arena *a, size_t limit)
{
	a->limit = limit;
}

size_t
arena_limit(const arena *a)
{
	return a->limit;
}
