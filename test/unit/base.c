/*
 * base.c
 *	  Arena, context, buffer, files, UTF-8, SHA-256 and torch's random numbers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <errno.h>
#include <math.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/sha256.h"
#include "base/size.h"
#include "base/torch_random.h"
#include "base/utf8.h"
#include "oom.h"
#include "scratch.h"

/* ---- Arena ---- */

static void
arena_gives_aligned_memory(void **state)
{
	arena *a = arena_create(0);
	char *last = NULL;

	(void) state;
	for (size_t size = 0; size < 100000; size = size * 2 + 1)
	{
		char *p = arena_alloc(a, size);

		assert_non_null(p);
		assert_int_equal((uintptr_t) p % ARENA_ALIGNMENT, 0);
		assert_ptr_not_equal(p, last);
		memset(p, 1, size);
		last = p;
	}
	assert_null(arena_alloc(a, SIZE_MAX));
	assert_null(arena_alloc(a, SIZE_MAX - 64));
	arena_destroy(a);
	arena_destroy(NULL);
}

static void
arena_keeps_its_limit(void **state)
{
	arena *a = arena_create(1000);
	arena_mark mark;

	(void) state;
	assert_null(arena_alloc(a, 1001));
	assert_non_null(arena_alloc(a, 500));
	mark = arena_save(a);
	assert_non_null(arena_alloc(a, 300));
	assert_null(arena_alloc(a, 300));
	arena_restore(a, mark);
	assert_non_null(arena_alloc(a, 300));
	assert_int_equal(arena_used(a), 512 + 320);
	arena_set_limit(a, 0);
	assert_non_null(arena_alloc(a, 10000));
	arena_destroy(a);
}

/* A loop of mark, work, release takes memory from the system in its first turn only. */
static void
arena_reuses_its_blocks(void **state)
{
	arena *a = arena_create(0);
	arena_mark mark;

	(void) state;
	arena_alloc(a, 100);
	mark = arena_save(a);
	for (int turn = 0; turn < 3; turn++)
	{
		oom_countdown = turn == 0 ? 0 : 1;
		for (int i = 0; i < 100; i++)
			assert_non_null(arena_alloc(a, 5000));
		oom_countdown = 0;
		arena_restore(a, mark);
	}
	assert_int_equal(arena_used(a), 128);
	assert_int_equal(arena_peak(a), 128 + 100 * 5056);
	arena_reset_peak(a);
	assert_int_equal(arena_peak(a), 128);
	arena_trim(a, 0);
	oom_countdown = 1;
	assert_null(arena_alloc(a, 100000));
	oom_countdown = 0;
	assert_non_null(arena_alloc(a, 100000));
	arena_destroy(a);
}

static void
arena_reserves_one_block(void **state)
{
	arena *a = arena_create(0);
	char *first, *second;

	(void) state;
	assert_true(arena_reserve(a, 100000));
	assert_int_equal(arena_used(a), 0);
	first = arena_alloc(a, 60000);
	second = arena_alloc(a, 39000);
	assert_in_range(second - first, 60032, 60096); /* side by side but for a sanitizer's gap */
	assert_int_equal(arena_held(a), 100000);
	assert_non_null(arena_alloc(a, 1000));
	assert_true(arena_held(a) > 101000);
	assert_false(arena_reserve(a, SIZE_MAX));
	arena_destroy(a);
}

/* A scratch is rolled back by itself, and counts with its owner. */
static void
arena_has_a_scratch(void **state)
{
	arena *a = arena_create(100000), *side = arena_scratch(a);
	arena_mark mark = arena_save(side);
	char *result;

	(void) state;
	assert_ptr_equal(arena_scratch(a), side);
	assert_non_null(arena_alloc(side, 6400));
	result = memset(arena_alloc(a, 640), 1, 640);
	assert_int_equal(arena_used(a), 7040);
	assert_null(arena_alloc(side, 93000));
	assert_null(arena_alloc(a, 93000));
	arena_restore(side, mark);
	assert_int_equal(arena_used(a), 640);
	assert_int_equal(arena_peak(a), 7040);
	memset(arena_alloc(side, 6400), 2, 6400);
	assert_int_equal(result[0] + result[639], 2);
	arena_restore(side, mark);
	arena_reset_peak(a);
	assert_int_equal(arena_peak(a), 640);
	assert_non_null(arena_alloc(side, 99000));
	assert_true(arena_held(a) >= 99000 + 640);
	arena_restore(side, mark);
	arena_trim(a, 20000);
	assert_true(arena_held(a) <= 20000);
	arena_destroy(a);
}

static char cleanups[8];

static void
note_cleanup(void *name)
{
	strncat(cleanups, name, 1);
}

static void
arena_cleans_up_newest_first(void **state)
{
	arena *a = arena_create(0);
	arena_mark mark;

	(void) state;
	cleanups[0] = '\0';
	assert_true(arena_on_release(a, note_cleanup, "a"));
	mark = arena_save(a);
	assert_true(arena_on_release(a, note_cleanup, "b"));
	assert_true(arena_on_release(a, note_cleanup, "c"));
	arena_restore(a, mark);
	assert_string_equal(cleanups, "cb");
	arena_restore(a, mark);
	assert_string_equal(cleanups, "cb");
	assert_true(arena_on_release(a, note_cleanup, "d"));
	arena_destroy(a);
	assert_string_equal(cleanups, "cbda");
}

/* ---- Context ---- */

static void
first_error_stays(void **state)
{
	scratch *s = *state;
	tfm_context *c = &s->context;

	tfm_detail(c, "nothing to add to");
	assert_string_equal(c->error.detail, "");
	assert_false(tfm_fail(c, TFM_CORRUPTED, "first \"%s\"", "x"));
	tfm_hint(c, "hint %d", 1);
	tfm_hint(c, "hint %d", 2);
	tfm_detail(c, "detail");
	assert_false(tfm_fail(c, TFM_IO, "second"));
	assert_int_equal(c->error.kind, TFM_CORRUPTED);
	assert_string_equal(c->error.message, "first \"x\"");
	assert_string_equal(c->error.hint, "hint 1");
	tfm_clear_error(c);
	assert_false(tfm_failed(c));
	assert_false(tfm_fail(c, TFM_IO, "second"));
	assert_string_equal(c->error.detail, "");
}

static void
long_messages_end_at_a_character(void **state)
{
	scratch *s = *state;
	char text[2001];

	for (int shift = 0; shift < 3; shift++)
	{
		const char *message = s->context.error.message;

		memset(text, 'x', (size_t) shift);
		for (size_t i = (size_t) shift; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "漢", 4);
		tfm_fail(&s->context, TFM_IO, "%s", text);
		assert_true(strlen(message) >= 1020 && strlen(message) <= 1023);
		assert_true(utf8_valid(message, strlen(message)));
		tfm_clear_error(&s->context);
	}
}

static bool
is_set(void *flag)
{
	return *(bool *) flag;
}

static void
interrupts_are_errors(void **state)
{
	scratch *s = *state;
	bool flag = false;

	assert_false(tfm_stopped(&s->context));
	s->context.interrupted = is_set;
	s->context.interrupted_argument = &flag;
	assert_false(tfm_stopped(&s->context));
	flag = true;
	assert_true(tfm_stopped(&s->context));
	flag = false;
	assert_true(tfm_stopped(&s->context));
	assert_failed(&s->context, TFM_CANCELLED, "cancelled");
}

static void
allocation_records_its_failure(void **state)
{
	scratch *s = *state;
	tfm_context *c = &s->context;
	char *p;

	assert_null(tfm_alloc_array(c, SIZE_MAX / 2, 3));
	assert_failed(c, TFM_OUT_OF_MEMORY, "items");
	assert_null(tfm_alloc(c, SIZE_MAX));
	assert_failed(c, TFM_OUT_OF_MEMORY, "bytes");
	arena_set_limit(c->arena, 1);
	assert_null(tfm_strdup(c, "x"));
	assert_failed(c, TFM_OUT_OF_MEMORY, "bytes");
	arena_set_limit(c->arena, 0);
	p = tfm_alloc_zero(c, 100);
	assert_true(p[0] == 0 && memcmp(p, p + 1, 99) == 0);
	assert_string_equal(tfm_strndup(c, "abc", 2), "ab");
	assert_string_equal(tfm_strndup(c, NULL, 0), "");
	assert_string_equal(tfm_sprintf(c, "%d-%s", 5, "x"), "5-x");
}

static char logged[100];

static void
keep_log(void *argument, tfm_log_level level, const char *message)
{
	snprintf(logged, sizeof(logged), "%s%d %s", (const char *) argument, level, message);
}

static void
messages_are_logged(void **state)
{
	scratch *s = *state;

	tfm_log(&s->context, TFM_LOG_INFO, "to nobody");
	s->context.log = keep_log;
	s->context.log_argument = "level ";
	tfm_log(&s->context, TFM_LOG_WARNING, "%d %s", 3, "things");
	assert_string_equal(logged, "level 2 3 things");
}

/* ---- Buffer ---- */

static bool
fill_buffer(tfm_context *c, void *unused)
{
	buffer *b = buffer_create(c);

	(void) unused;
	if (b == NULL)
		return false;
	for (int i = 0; i < 1000; i++)
		if (!buffer_append(c, b, "ab", 2) || !buffer_printf(c, b, "%03d", i) ||
			!buffer_append_zeros(c, b, 1) || !buffer_append_string(c, b, "."))
			return false;
	for (int i = 0; i < 1000; i++)
	{
		char expected[8];

		snprintf(expected, sizeof(expected), "ab%03d", i);
		assert_memory_equal(b->data + 7 * i, expected, 6);
		assert_int_equal(b->data[7 * i + 6], '.');
	}
	return buffer_text(c, b) != NULL && b->data[7000] == '\0';
}

static void
buffers_grow(void **state)
{
	scratch *s = *state;
	buffer *b = buffer_create(&s->context);

	assert_true(fill_buffer(&s->context, NULL));
	assert_int_equal(oom_run_all(fill_buffer, NULL), TFM_OK);
	assert_true(buffer_append(&s->context, b, "x", 1));
	assert_true(buffer_append(&s->context, b, NULL, 0));
	assert_false(buffer_reserve(&s->context, b, SIZE_MAX));
	assert_failed(&s->context, TFM_OUT_OF_MEMORY, "");
	assert_int_equal(b->length, 1);
}

/* ---- Files ---- */

static void
system_errors_have_kinds(void **state)
{
	static const struct
	{
		int number;
		tfm_error_kind kind;
	} kinds[] = {
		{ENOENT, TFM_FILE_NOT_FOUND},
		{ENOTDIR, TFM_FILE_NOT_FOUND},
		{EACCES, TFM_PERMISSION_DENIED},
		{EPERM, TFM_PERMISSION_DENIED},
		{ENOSPC, TFM_DISK_FULL},
		{EDQUOT, TFM_DISK_FULL},
		{EFBIG, TFM_DISK_FULL},
		{ENOMEM, TFM_OUT_OF_MEMORY},
		{EIO, TFM_IO},
	};
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		assert_false(file_fail(&s->context, kinds[i].number, "read", "/x"));
		assert_failed(&s->context, kinds[i].kind, "could not read file \"/x\": ");
	}
}

static void
files_are_read_whole(void **state)
{
	scratch *s = *state;
	char *path = scratch_write(s, "x", "a\0b", 3);
	size_t length;
	char *text = file_read(&s->context, path, 3, &length);

	assert_int_equal(length, 3);
	assert_memory_equal(text, "a\0b", 4);
	assert_null(file_read(&s->context, path, 2, &length));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, path);
	assert_null(file_read_optional(&s->context, scratch_path(s, "absent"), 9, &length));
	assert_good(&s->context);
	assert_null(file_read(&s->context, scratch_path(s, "absent"), 9, &length));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "absent");
	assert_null(file_read_optional(&s->context, s->directory, 9, &length));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "not a regular file");
	assert_true(file_exists(path));
	assert_true(file_name_is_plain("..."));
	assert_false(file_name_is_plain("") || file_name_is_plain(".") || file_name_is_plain(".."));
	assert_false(file_name_is_plain("a/b") || file_name_is_plain("/"));
	assert_false(file_exists(scratch_path(s, "absent")));
}

static void
files_are_read_in_parts(void **state)
{
	scratch *s = *state;
	char *path = scratch_write(s, "x", "0123456789", 10);
	file *f = file_open(&s->context, path);
	char bytes[4];

	assert_int_equal(f->size, 10);
	assert_true(file_read_at(&s->context, f, 6, bytes, 4));
	assert_memory_equal(bytes, "6789", 4);
	assert_false(file_read_at(&s->context, f, 7, bytes, 4));
	assert_failed(&s->context, TFM_CORRUPTED, "ends at byte 10");
	/* A pipe must not make the opener wait. */
	assert_int_equal(mkfifo(scratch_path(s, "pipe"), 0600), 0);
	assert_null(file_open(&s->context, scratch_path(s, "pipe")));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "not a regular file");
}

static bool
map_file(tfm_context *c, void *path)
{
	size_t length;
	const char *bytes = file_map(c, path, &length);

	return bytes != NULL && length == 5 && memcmp(bytes, "mapped", 5) == 0;
}

static void
files_are_mapped(void **state)
{
	scratch *s = *state;
	size_t length;

	assert_int_equal(oom_run_all(map_file, scratch_write_text(s, "x", "mappe")), TFM_OK);
	assert_null(file_map(&s->context, scratch_write_text(s, "empty", ""), &length));
	assert_failed(&s->context, TFM_CORRUPTED, "is empty");
}

/* ---- UTF-8 ---- */

static void
every_character_survives(void **state)
{
	(void) state;
	for (uint32_t character = 0; character <= 0x110000; character++)
	{
		char text[4];
		int length = utf8_encode(character, text), width;

		if ((character >= 0xD800 && character <= 0xDFFF) || character == 0x110000)
		{
			assert_false(utf8_valid(text, (size_t) length));
			continue;
		}
		assert_true(utf8_valid(text, (size_t) length));
		assert_int_equal(utf8_decode(text, &width), character);
		assert_int_equal(width, length);
		for (int cut = 1; cut < length; cut++)
		{
			assert_false(utf8_valid(text, (size_t) cut));
			assert_int_equal(utf8_clip(text, (size_t) cut), 0);
		}
		assert_int_equal(utf8_clip(text, (size_t) length), length);
	}
}

static void
bad_sequences_are_refused(void **state)
{
	static const char *const bad[] = {
		"\x80",		"\xbf",			"\xc0\x80",			"\xc1\xbf",			"\xc3",
		"\xc3(",	"\xe0\x80\x80", "\xe0\x9f\xbf",		"\xed\xa0\x80",		"\xf0\x8f\xbf\xbf",
		"\xe2\x82", "\xe2(\xa1",	"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
	assert_true(utf8_valid("", 0));
	assert_int_equal(utf8_clip("ab\xe2\x82", 4), 2);
	assert_int_equal(utf8_clip("ab", 2), 2);
	assert_int_equal(utf8_clip("", 0), 0);
}

/* ---- Sizes and SHA-256 ---- */

static void
sizes_do_not_wrap(void **state)
{
	size_t result;

	(void) state;
	assert_true(size_multiply(SIZE_MAX / 2, 2, &result));
	assert_false(size_multiply(SIZE_MAX / 2 + 1, 2, &result));
	assert_true(size_add(SIZE_MAX - 1, 1, &result));
	assert_false(size_add(SIZE_MAX, 1, &result));
	assert_int_equal(size_round_up(65, 64), 128);
	assert_int_equal(size_round_up(0, 64), 0);
}

/* The vectors of FIPS 180-2, and a file longer than one piece. */
static void
digests_are_right(void **state)
{
	scratch *s = *state;
	char hex[SHA256_HEX_LENGTH + 1];
	char *million = malloc(1000000);
	sha256 *hash = sha256_create(&s->context);

	assert_true(sha256_update(&s->context, hash, "a", 1) &&
				sha256_update(&s->context, hash, "bc", 2) && sha256_finish(&s->context, hash, hex));
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_non_null(million);
	memset(million, 'a', 1000000);
	hash = sha256_create(&s->context);
	assert_true(
		sha256_update_file(&s->context, hash, scratch_write(s, "million", million, 1000000)) &&
		sha256_finish(&s->context, hash, hex));
	assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
	hash = sha256_create(&s->context);
	assert_false(sha256_update_file(&s->context, hash, scratch_path(s, "absent")));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "absent");
}

/* ---- Torch's random numbers ---- */

/* As torch.manual_seed(7) and torch.randn(5), torch.randn(21) give them. */
static void
normal_numbers_are_torchs(void **state)
{
	static const double few[] = {-0.1467950940132141, 0.7861412763595581, 0.9468216300010681,
								 -1.1143440008163452, 1.6907901763916016};
	torch_random random;
	float numbers[21];

	(void) state;
	torch_random_seed(&random, 7);
	torch_random_normal(&random, 5, numbers);
	for (int i = 0; i < 5; i++)
		assert_true(fabs((double) numbers[i] - few[i]) < 2e-6);
	torch_random_seed(&random, 7);
	torch_random_normal(&random, 21, numbers);
	assert_true(fabs((double) numbers[0] + 0.8201345205307007) < 2e-6);
	assert_true(fabs((double) numbers[4] + 0.16699601709842682) < 2e-6);
	assert_true(fabs((double) numbers[5] - 0.7820726633071899) < 2e-6);
	assert_true(fabs((double) numbers[20] - 1.0955804586410522) < 2e-6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_gives_aligned_memory),
		cmocka_unit_test(arena_keeps_its_limit),
		cmocka_unit_test(arena_reuses_its_blocks),
		cmocka_unit_test(arena_has_a_scratch),
		cmocka_unit_test(arena_reserves_one_block),
		cmocka_unit_test(arena_cleans_up_newest_first),
		scratch_test(first_error_stays),
		scratch_test(long_messages_end_at_a_character),
		scratch_test(interrupts_are_errors),
		scratch_test(allocation_records_its_failure),
		scratch_test(messages_are_logged),
		scratch_test(buffers_grow),
		scratch_test(system_errors_have_kinds),
		scratch_test(files_are_read_whole),
		scratch_test(files_are_read_in_parts),
		scratch_test(files_are_mapped),
		cmocka_unit_test(every_character_survives),
		cmocka_unit_test(bad_sequences_are_refused),
		cmocka_unit_test(sizes_do_not_wrap),
		scratch_test(digests_are_right),
		cmocka_unit_test(normal_numbers_are_torchs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
