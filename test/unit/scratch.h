/*
 * scratch.h
 *	  A test's context, and a directory of its own that goes away with it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEST_UNIT_SCRATCH_H
#define TFM_TEST_UNIT_SCRATCH_H

#include <fts.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

typedef struct scratch
{
	tfm_context context;
	char directory[64];
} scratch;

static inline int
scratch_setup(void **state)
{
	scratch *s = calloc(1, sizeof(scratch));

	assert_non_null(s);
	strcpy(s->directory, "/tmp/tfm-unit-XXXXXX");
	assert_non_null(mkdtemp(s->directory));
	s->context.arena = arena_create(0);
	assert_non_null(s->context.arena);
	*state = s;
	return 0;
}

static inline void
remove_tree(char *directory)
{
	char *roots[] = {directory, NULL};
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;

	assert_non_null(tree);
	while ((entry = fts_read(tree)) != NULL)
		if (entry->fts_info != FTS_D)
			remove(entry->fts_path);
	fts_close(tree);
}

static inline int
scratch_teardown(void **state)
{
	scratch *s = *state;

	arena_destroy(s->context.arena);
	remove_tree(s->directory);
	free(s);
	return 0;
}

/* The path of a name in the directory. */
static inline char *
scratch_path(scratch *s, const char *name)
{
	char *path = tfm_sprintf(&s->context, "%s/%s", s->directory, name);

	assert_non_null(path);
	return path;
}

/* Make (or replace) a file; returns its path. */
static inline char *
scratch_write(scratch *s, const char *name, const void *bytes, size_t length)
{
	char *path = scratch_path(s, name);
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, length, f), length);
	assert_int_equal(fclose(f), 0);
	return path;
}

static inline char *
scratch_write_text(scratch *s, const char *name, const char *text)
{
	return scratch_write(s, name, text, strlen(text));
}

/* The context failed with this kind and says (in message or detail) this; forget the error. */
static inline void
assert_failed(tfm_context *context, tfm_error_kind kind, const char *says)
{
	if (context->error.kind != kind || (strstr(context->error.message, says) == NULL &&
										strstr(context->error.detail, says) == NULL))
		fail_msg("expected %d \"%s\", found %d \"%s\" \"%s\"", kind, says, context->error.kind,
				 context->error.message, context->error.detail);
	tfm_clear_error(context);
}

static inline void
assert_good(const tfm_context *context)
{
	if (tfm_failed(context))
		fail_msg("%d \"%s\" \"%s\"", context->error.kind, context->error.message,
				 context->error.detail);
}

#define scratch_test(function)                                                                     \
	cmocka_unit_test_setup_teardown(function, scratch_setup, scratch_teardown)

#endif
