/*
 * image.c
 *	  The model image: what is written is found again, and nothing else is taken for it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/image.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "checkpoint/image_format.h"
#include "oom.h"
#include "scratch.h"

static const float values[] = {1, 2, 3, 4, 5, 6};
static const char panels[256] = "packed"; /* [1][ceil(3 / 2)][32][2] of two bytes */
static const char rows[2 * 8] = "scale,bytes";

static weight
make_weight(const char *name, weight_layout layout)
{
	static const tfm_dtype dtypes[] = {
		[LAYOUT_PLAIN] = DTYPE_F32, [LAYOUT_PANELS] = DTYPE_BF16, [LAYOUT_ROWS] = DTYPE_I8};
	const void *data[] = {[LAYOUT_PLAIN] = values, [LAYOUT_PANELS] = panels, [LAYOUT_ROWS] = rows};

	return (weight) {
		.name = name,
		.dtype = dtypes[layout],
		.layout = layout,
		.rank = 2,
		.shape = {2, 3},
		.data = data[layout],
	};
}

/* A small image with everything in it. */
static bool
write_small(tfm_context *context, void *path)
{
	image_writer *w = image_create(context, path);
	weight plain = make_weight("a.weight", LAYOUT_PLAIN);
	weight packed = make_weight("a.weight", LAYOUT_PANELS);
	weight table = make_weight("a.weight", LAYOUT_ROWS);
	weight empty = {.name = "none", .dtype = DTYPE_F32, .layout = LAYOUT_PLAIN, .rank = 1};

	image_add_section(w, "config.json", "{\"x\":1}", 7);
	image_add_weight(w, &plain, sizeof(values));
	image_begin_section(w, "tokenizer", 4096);
	image_write(w, "abc", 3);
	image_write(w, "def", 3);
	image_end_section(w);
	image_add_weight(w, &packed, sizeof(panels));
	image_add_weight(w, &table, sizeof(rows));
	image_add_weight(w, &empty, 0);
	image_add_section(w, "empty", NULL, 0);
	return image_finish(w);
}

static bool
write_and_read_small(tfm_context *context, void *path)
{
	image *i = write_small(context, path) ? image_open(context, path) : NULL;

	return i != NULL && image_find_weight(i, "a.weight", LAYOUT_PLAIN) != NULL;
}

/* Number of files in the directory. */
static int
count_files(const scratch *s)
{
	DIR *entries = opendir(s->directory);
	int count = 0;

	assert_non_null(entries);
	while (readdir(entries) != NULL)
		count++;
	closedir(entries);
	return count - 2;
}

static void
what_is_written_is_found(void **state)
{
	scratch *s = *state;
	char *path = scratch_path(s, "small.image");
	struct stat status;
	const weight *w;
	size_t length;
	image *i;

	assert_true(write_small(&s->context, path));
	assert_int_equal(count_files(s), 1);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	i = image_open(&s->context, path);
	assert_good(&s->context);
	assert_int_equal(image_length(i), status.st_size);

	assert_memory_equal(image_section(i, "config.json", &length), "{\"x\":1}", 7);
	assert_int_equal(length, 7);
	assert_memory_equal(image_section(i, "tokenizer", &length), "abcdef", 6);
	assert_int_equal(length, 6);
	assert_int_equal((uintptr_t) image_section(i, "tokenizer", &length) % 4096, 0);
	assert_non_null(image_section(i, "empty", &length));
	assert_int_equal(length, 0);
	assert_null(image_section(i, "a.weight", &length));

	assert_int_equal(image_weight_count(i), 4);
	w = image_find_weight(i, "a.weight", LAYOUT_PLAIN);
	assert_ptr_equal(w, image_weight_at(i, 0));
	assert_memory_equal(w->data, values, sizeof(values));
	assert_int_equal((uintptr_t) w->data % IMAGE_WEIGHT_ALIGNMENT, 0);
	assert_int_equal(w->dtype, DTYPE_F32);
	assert_int_equal(w->rank, 2);
	assert_int_equal(w->shape[1], 3);
	w = image_find_weight(i, "a.weight", LAYOUT_PANELS);
	assert_memory_equal(w->data, panels, sizeof(panels));
	assert_int_equal(image_weight_length(i, w), sizeof(panels));
	w = image_find_weight(i, "a.weight", LAYOUT_ROWS);
	assert_memory_equal(w->data, rows, sizeof(rows));
	assert_int_equal(w->dtype, DTYPE_I8);
	assert_null(image_find_weight(i, "a.weigh", LAYOUT_PLAIN));
	assert_null(image_find_weight(i, "none", LAYOUT_PANELS));
	assert_non_null(image_find_weight(i, "none", LAYOUT_PLAIN));
}

static void
empty_image_is_good(void **state)
{
	scratch *s = *state;
	char *path = scratch_path(s, "empty.image");
	size_t length;
	image *i;

	assert_true(image_finish(image_create(&s->context, path)));
	i = image_open(&s->context, path);
	assert_non_null(i);
	assert_null(image_section(i, "x", &length));
	assert_null(image_find_weight(i, "x", LAYOUT_PLAIN));
}

/* Writes of every size up to beyond the writer's buffer arrive in order. */
static void
large_sections_are_whole(void **state)
{
	enum
	{
		LENGTH = 5000000
	};
	scratch *s = *state;
	char *path = scratch_path(s, "large.image");
	unsigned char *bytes = malloc(LENGTH);
	image_writer *w = image_create(&s->context, path);
	size_t written = 0, length = 0;

	assert_non_null(bytes);
	for (uint32_t n = 0; n < LENGTH; n++)
		bytes[n] = (unsigned char) (n * 2654435761u >> 24);
	assert_true(image_begin_section(w, "large", 64));
	for (size_t n = 1; written < LENGTH; n = n * 3 + 1)
	{
		size_t next = n < LENGTH - written ? n : LENGTH - written;

		assert_true(image_write(w, bytes + written, next));
		written += next;
	}
	assert_true(image_end_section(w) && image_finish(w));
	assert_memory_equal(image_section(image_open(&s->context, path), "large", &length), bytes,
						LENGTH);
	assert_int_equal(length, LENGTH);
	free(bytes);
}

static void
many_weights_are_found(void **state)
{
	scratch *s = *state;
	char *path = scratch_path(s, "many.image");
	image_writer *w = image_create(&s->context, path);
	char name[64];
	image *i;

	for (int n = 0; n < 1000; n++)
	{
		weight row = make_weight(name, LAYOUT_PLAIN);
		float numbers[6] = {(float) n};

		snprintf(name, sizeof(name), "encoder.layer.%d.attention.self.query.weight", n);
		row.data = numbers;
		assert_true(image_add_weight(w, &row, sizeof(numbers)));
	}
	assert_true(image_finish(w));
	i = image_open(&s->context, path);
	assert_non_null(i);
	for (int n = 0; n < 1000; n++)
	{
		snprintf(name, sizeof(name), "encoder.layer.%d.attention.self.query.weight", n);
		assert_int_equal(*(const float *) image_find_weight(i, name, LAYOUT_PLAIN)->data, n);
	}
}

/* ---- Damage ---- */

/* The bytes of the small image, aligned as a mapping is. */
static char *
read_small(scratch *s, size_t *length)
{
	char *path = scratch_path(s, "small.image");
	char *bytes, *aligned;

	assert_true(write_small(&s->context, path));
	bytes = file_read(&s->context, path, 100000, length);
	assert_non_null(bytes);
	aligned = aligned_alloc(4096, size_round_up(*length, 4096));
	assert_non_null(aligned);
	return memcpy(aligned, bytes, *length);
}

static void
every_truncation_is_seen(void **state)
{
	scratch *s = *state;
	size_t length;
	char *bytes = read_small(s, &length);

	for (size_t n = 0; n < length; n += n < 256 || length - n < 600 ? 1 : 97)
	{
		arena_mark mark = arena_save(s->context.arena);

		assert_null(image_open(&s->context, scratch_write(s, "cut.image", bytes, n)));
		assert_failed(&s->context, TFM_CORRUPTED,
					  n == 0					 ? "is empty"
					  : n < sizeof(image_header) ? "too short"
												 : "its length");
		arena_restore(s->context.arena, mark);
	}
	assert_non_null(image_open(&s->context, scratch_write(s, "cut.image", bytes, length)));
	free(bytes);
}

static void
every_flip_is_seen(void **state)
{
	scratch *s = *state;
	size_t length;
	char *bytes = read_small(s, &length);
	size_t directory = ((image_header *) bytes)->directory_offset;

	for (size_t n = 0; n < length; n = n + 1 == sizeof(image_header) ? directory : n + 1)
		for (int bit = 0; bit < 8; bit++)
		{
			arena_mark mark = arena_save(s->context.arena);

			bytes[n] ^= (char) (1 << bit);
			assert_null(image_open_bytes(&s->context, bytes, length, "flip.image"));
			assert_failed(&s->context, TFM_CORRUPTED, "flip.image");
			bytes[n] ^= (char) (1 << bit);
			arena_restore(s->context.arena, mark);
		}
	assert_non_null(image_open_bytes(&s->context, bytes, length, "flip.image"));
	free(bytes);
}

/* A directory that lies, with the right checksum. */
static void
assert_lie_is_seen(scratch *s, char *bytes, size_t length, void *field, size_t size, int64_t lie)
{
	image_header *header = (image_header *) bytes;
	char saved[8], digest[SHA256_HEX_LENGTH + 1];

	memcpy(saved, field, size);
	memcpy(field, &lie, size);
	assert_true(image_digest(&s->context, header, bytes + header->directory_offset,
							 length - header->directory_offset, digest));
	memcpy(header->digest, digest, SHA256_HEX_LENGTH);
	assert_null(image_open_bytes(&s->context, bytes, length, "lie.image"));
	assert_failed(&s->context, TFM_CORRUPTED, "lie.image");
	memcpy(field, saved, size);
}

static void
lies_are_seen(void **state)
{
	scratch *s = *state;
	size_t length;
	char *bytes = read_small(s, &length);
	image_header *header = (image_header *) bytes;
	image_section_row *section = (image_section_row *) (bytes + header->directory_offset);
	image_weight_row *row = (image_weight_row *) (section + header->section_count);
	image_slot *slot = (image_slot *) (row + header->weight_count);

#define LIE(field, value) assert_lie_is_seen(s, bytes, length, &(field), sizeof(field), value)
	LIE(section->offset, 0);
	LIE(section->offset, (int64_t) header->directory_offset + 64);
	LIE(section->offset, -64);
	LIE(section->length, (int64_t) header->directory_offset);
	LIE(section->length, -1);
	LIE(section->name, header->names_length);
	LIE(row->offset, (int64_t) row->offset + 4);
	LIE(row->offset, INT64_MIN);
	LIE(row->length, (int64_t) row->length + 1);
	LIE(row->length, -1);
	LIE(row->shape[0], 3);
	LIE(row->shape[0], -2);
	LIE(row->shape[0], INT64_MAX);
	LIE(row->name, header->names_length);
	LIE(row->dtype, 0);
	LIE(row->dtype, 77);
	LIE(row->layout, 0);
	LIE(row->layout, 4);
	LIE(row->dtype, DTYPE_BF16); /* plain ones are f32 */
	LIE(row->rank, 7);
	LIE(row[1].length, sizeof(panels) - 1);
	LIE(row[1].length, sizeof(panels) + 64);
	LIE(row[1].dtype, DTYPE_F32);
	LIE(row[1].layout, LAYOUT_ROWS);
	LIE(row[1].rank, 1);
	LIE(row[2].length, sizeof(rows) - 1);
	LIE(row[2].layout, LAYOUT_PANELS);
	LIE(*slot, header->weight_count + 1);
	LIE(bytes[length - 1], 'x');
#undef LIE
	free(bytes);
}

/* A table without a free slot must not make a search endless. */
static void
full_table_ends_search(void **state)
{
	scratch *s = *state;
	size_t length;
	char *bytes = read_small(s, &length);
	image_header *header = (image_header *) bytes;
	char digest[SHA256_HEX_LENGTH + 1];
	image_slot *slot = (image_slot *) (bytes + header->directory_offset +
									   header->section_count * sizeof(image_section_row) +
									   header->weight_count * sizeof(image_weight_row));
	image *i;

	for (uint32_t n = 0; n < header->slot_count; n++)
		slot[n] = 1;
	assert_true(image_digest(&s->context, header, bytes + header->directory_offset,
							 length - header->directory_offset, digest));
	memcpy(header->digest, digest, SHA256_HEX_LENGTH);
	i = image_open_bytes(&s->context, bytes, length, "full.image");
	assert_non_null(i);
	assert_null(image_find_weight(i, "absent", LAYOUT_PLAIN));
	free(bytes);
}

static void
other_files_are_refused(void **state)
{
	scratch *s = *state;
	size_t length;
	char *bytes = read_small(s, &length);

	assert_null(image_open(&s->context, scratch_path(s, "absent")));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "absent");
	assert_null(image_open(&s->context, s->directory));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "not a regular file");
	((image_header *) bytes)->version++;
	assert_null(image_open(&s->context, scratch_write(s, "new.image", bytes, length)));
	assert_non_null(strstr(s->context.error.hint, "Load the model again"));
	assert_failed(&s->context, TFM_CORRUPTED, "another version");
	free(bytes);
}

/* ---- Writing that fails ---- */

static void
wrong_order_is_refused(void **state)
{
	scratch *s = *state;
	weight w = make_weight("w", LAYOUT_PLAIN);
	char *path = scratch_path(s, "wrong.image");

#define REFUSED(says, ...)                                                                         \
	do                                                                                             \
	{                                                                                              \
		image_writer *writer = image_create(&s->context, path);                                    \
		assert_non_null(writer);                                                                   \
		__VA_ARGS__;                                                                               \
		assert_false(image_finish(writer));                                                        \
		assert_failed(&s->context, TFM_INTERNAL, says);                                            \
	} while (0)
	REFUSED("outside of a section", image_write(writer, "x", 1));
	REFUSED("has not begun", image_end_section(writer));
	REFUSED("last section ended", image_begin_section(writer, "x", 64));
	REFUSED("before the last one ended", image_begin_section(writer, "x", 64);
			image_begin_section(writer, "y", 64));
	REFUSED("no name", image_begin_section(writer, "", 64));
	REFUSED("wrong alignment", image_begin_section(writer, "x", 48));
	REFUSED("wrong alignment", image_begin_section(writer, "x", 8192));
	REFUSED("used twice", image_add_section(writer, "x", "", 0);
			image_add_section(writer, "x", "", 0));
	REFUSED("written twice", image_add_weight(writer, &w, 24); image_add_weight(writer, &w, 24));
	REFUSED("with 23 bytes", image_add_weight(writer, &w, 23));
#undef REFUSED
	assert_false(file_exists(path));
}

/* What is not finished leaves nothing, and an image that is there stays. */
static void
unfinished_writers_leave_nothing(void **state)
{
	scratch *s = *state;
	char *path = scratch_path(s, "small.image");
	arena_mark mark;

	assert_true(write_small(&s->context, path));
	mark = arena_save(s->context.arena);
	assert_true(image_add_section(image_create(&s->context, path), "x", "y", 1));
	assert_int_equal(count_files(s), 2);
	arena_restore(s->context.arena, mark);
	assert_int_equal(count_files(s), 1);
	assert_non_null(image_open(&s->context, path));
}

static bool
always(void *argument)
{
	(void) argument;
	return true;
}

static void
writing_can_be_cancelled(void **state)
{
	scratch *s = *state;
	char *bytes = calloc(1, 2000000);
	image_writer *w = image_create(&s->context, scratch_path(s, "x.image"));

	assert_non_null(bytes);
	s->context.interrupted = always;
	assert_false(image_add_section(w, "x", bytes, 2000000));
	assert_failed(&s->context, TFM_CANCELLED, "");
	free(bytes);
}

/* Every size at which the disk may be full. */
static void
full_disk_is_an_error(void **state)
{
	scratch *s = *state;
	char *path = scratch_path(s, "small.image");
	struct rlimit limit, saved;
	struct stat status;

	assert_true(write_small(&s->context, path));
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(unlink(path), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &saved), 0);
	limit = saved;
	for (off_t size = 0; size <= status.st_size; size += status.st_size - size < 300 ? 1 : 101)
	{
		bool good;

		limit.rlim_cur = (rlim_t) size;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		good = write_small(&s->context, path);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &saved), 0);
		assert_int_equal(good, size == status.st_size);
		assert_int_equal(count_files(s), good ? 1 : 0);
		if (!good)
			assert_failed(&s->context, TFM_DISK_FULL, "small.image");
	}
}

static void
directory_must_be_writable(void **state)
{
	scratch *s = *state;

	assert_null(image_create(&s->context, "/nonexistent/x.image"));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "/nonexistent/x.image");
	if (geteuid() == 0)
		return;
	assert_int_equal(chmod(s->directory, 0500), 0);
	assert_null(image_create(&s->context, scratch_path(s, "x.image")));
	assert_int_equal(chmod(s->directory, 0700), 0);
	assert_failed(&s->context, TFM_PERMISSION_DENIED, "x.image");
}

/* ---- Several processes ---- */

static void
two_writers_do_not_meet(void **state)
{
	scratch *s = *state;
	char *path = scratch_path(s, "small.image");
	pid_t children[2];
	int status;

	for (int n = 0; n < 2; n++)
	{
		children[n] = fork();
		assert_true(children[n] >= 0);
		if (children[n] == 0)
		{
			int good = 1;

			for (int turn = 0; turn < 20; turn++)
				good =
					good && write_small(&s->context, path) && image_open(&s->context, path) != NULL;
			_exit(good ? 0 : 1);
		}
	}
	for (int n = 0; n < 2; n++)
	{
		assert_int_equal(waitpid(children[n], &status, 0), children[n]);
		assert_int_equal(status, 0);
	}
	/* Two in one process do not meet either. */
	assert_non_null(image_create(&s->context, path));
	assert_true(write_small(&s->context, path));
	assert_non_null(image_open(&s->context, path));
	assert_int_equal(count_files(s), 2);
}

/* A writer that is killed leaves its temporary file, which the next one removes. */
static void
leftovers_are_removed(void **state)
{
	scratch *s = *state;
	char *path = scratch_path(s, "small.image");
	char own[100];
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
	{
		image_create(&s->context, path);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(count_files(s), 1);
	snprintf(own, sizeof(own), "x.image.%ld.0.tmp", (long) getpid());
	scratch_write_text(s, own, "");
	scratch_write_text(s, "x.image.1.0.tmp", "");		 /* init lives */
	scratch_write_text(s, "notes.tmp", "");				 /* not ours */
	scratch_write_text(s, "x.12345678901234.0.tmp", ""); /* no process */
	scratch_write_text(s, "x.0.0.tmp", "");
	scratch_write_text(s, ".99999999.0.tmp", "");
	assert_true(image_remove_leftovers(&s->context, s->directory));
	assert_int_equal(count_files(s), 6);
	assert_true(file_exists(scratch_path(s, own)));
	assert_false(image_remove_leftovers(&s->context, "/nonexistent/x"));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "/nonexistent/x");
}

/* The same of a folder with a checkpoint in it; what a link points to is not in it. */
static void
folders_are_removed(void **state)
{
	scratch *s = *state;

	mkdir(scratch_path(s, "x.image.999999999.0.tmp"), 0700);
	mkdir(scratch_path(s, "x.image.999999999.0.tmp/1_Pooling"), 0700);
	mkdir(scratch_path(s, "kept"), 0700);
	scratch_write_text(s, "kept/config.json", "{}");
	scratch_write_text(s, "x.image.999999999.0.tmp/config.json", "{}");
	scratch_write_text(s, "x.image.999999999.0.tmp/1_Pooling/config.json", "{}");
	assert_int_equal(
		symlink(scratch_path(s, "kept"), scratch_path(s, "x.image.999999999.0.tmp/link")), 0);
	assert_int_equal(symlink(scratch_path(s, "kept"), scratch_path(s, "y.image.999999999.0.tmp")),
					 0);
	assert_true(image_remove_leftovers(&s->context, s->directory));
	assert_false(file_exists(scratch_path(s, "x.image.999999999.0.tmp")));
	assert_false(file_exists(scratch_path(s, "y.image.999999999.0.tmp")));
	assert_true(file_exists(scratch_path(s, "kept/config.json")));
	assert_true(image_remove_folder(scratch_path(s, "kept")));
	assert_false(image_remove_folder(scratch_path(s, "kept")));
}

/* ---- Lack of memory ---- */

static void
memory_may_run_out(void **state)
{
	scratch *s = *state;

	assert_int_equal(oom_run_all(write_and_read_small, scratch_path(s, "small.image")), TFM_OK);
	assert_int_equal(count_files(s), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(what_is_written_is_found),
		scratch_test(empty_image_is_good),
		scratch_test(large_sections_are_whole),
		scratch_test(many_weights_are_found),
		scratch_test(every_truncation_is_seen),
		scratch_test(every_flip_is_seen),
		scratch_test(lies_are_seen),
		scratch_test(full_table_ends_search),
		scratch_test(other_files_are_refused),
		scratch_test(wrong_order_is_refused),
		scratch_test(unfinished_writers_leave_nothing),
		scratch_test(writing_can_be_cancelled),
		scratch_test(full_disk_is_an_error),
		scratch_test(directory_must_be_writable),
		scratch_test(two_writers_do_not_meet),
		scratch_test(leftovers_are_removed),
		scratch_test(folders_are_removed),
		scratch_test(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
