/*
 * oom.h
 *	  Making the N-th allocation fail.
 *
 * Include it in one file of a test program: it catches the allocations of the engine and
 * of the test (allocations.h); cJSON, a shared library, is given ours by its hooks.
 *
 *	assert_int_equal(oom_run_all(work, argument), TFM_OK);
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEST_UNIT_OOM_H
#define TFM_TEST_UNIT_OOM_H

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "allocations.h"
#include "base/context.h"

static long oom_countdown; /* the allocation that brings it to 0 fails; 0: none does */
static long oom_failures;

static bool
allocation_fails(void)
{
	if (oom_countdown == 0 || --oom_countdown > 0)
		return false;
	oom_failures++;
	return true;
}

/*
 * Run work in a new context whose n-th allocation fails, and release the context.  Returns the
 * error's kind: TFM_OUT_OF_MEMORY as long as n is at most the number of allocations of the work,
 * then what the work comes to.  A failed allocation that is no error ends the loop too soon; it is
 * TFM_INTERNAL.
 */
static tfm_error_kind
oom_run(long n, bool (*work)(tfm_context *, void *), void *argument)
{
	cJSON_Hooks hooks = {.malloc_fn = __wrap_malloc, .free_fn = free};
	tfm_context context = {0};
	tfm_error_kind kind = TFM_OUT_OF_MEMORY;

	cJSON_InitHooks(&hooks);
	oom_failures = 0;
	oom_countdown = n;
	context.arena = arena_create(0);
	if (context.arena != NULL)
	{
		bool good = work(&context, argument);

		kind = context.error.kind;
		if (good != (kind == TFM_OK) || (oom_failures > 0 && kind == TFM_OK))
			kind = TFM_INTERNAL;
	}
	oom_countdown = 0;
	arena_destroy(context.arena);
	return kind;
}

/* Let every allocation of work fail once; TFM_OK if each became TFM_OUT_OF_MEMORY. */
static inline tfm_error_kind
oom_run_all(bool (*work)(tfm_context *, void *), void *argument)
{
	tfm_error_kind kind = TFM_OUT_OF_MEMORY;

	for (long n = 1; kind == TFM_OUT_OF_MEMORY; n++)
		kind = oom_run(n, work, argument);
	return kind;
}

#endif
