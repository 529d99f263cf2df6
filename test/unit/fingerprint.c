/*
 * fingerprint.c
 *	  What changes the identity of a checkpoint, and what does not.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/fingerprint.h"

#include <fcntl.h>
#include <time.h>

#include "base/sha256.h"
#include "oom.h"
#include "scratch.h"

static void
write_checkpoint(scratch *s)
{
	scratch_write_text(s, "config.json", "{}");
	scratch_write_text(s, "model.safetensors", "weights");
	scratch_write_text(s, "tokenizer.json", "{}");
	scratch_write_text(s, "modules.json",
					   "[{\"path\":\"\"},{\"path\":\"1_Pooling\"},{\"path\":\"2_Normalize\"}]");
	mkdir(scratch_path(s, "1_Pooling"), 0700);
	scratch_write_text(s, "1_Pooling/config.json", "{\"pooling_mode\":\"mean\"}");
}

static const char *
fingerprint(scratch *s)
{
	char *hex = tfm_alloc(&s->context, CKPT_HEX_LENGTH + 1);

	assert_true(ckpt_fingerprint(&s->context, s->directory, hex));
	assert_true(s->context.progress.total > 0);
	assert_int_equal(s->context.progress.done, s->context.progress.total);
	assert_int_equal(strlen(hex), CKPT_HEX_LENGTH);
	return hex;
}

static const char *
signature(scratch *s)
{
	char *hex = tfm_alloc(&s->context, CKPT_HEX_LENGTH + 1);

	assert_true(ckpt_signature(&s->context, s->directory, hex));
	return hex;
}

static void
files_are_listed_in_order(void **state)
{
	static const char *const expected[] = {
		"1_Pooling/config.json",
		"additional_chat_templates/tool_use.jinja",
		"chat_template.jinja",
		"config.json",
		"model.safetensors",
		"modules.json",
		"qwen.tiktoken",
		"sentence_bert_config.json",
		"source.spm",
		"spiece.model",
		"tokenizer.json",
		"vocab-src.json",
		"x.safetensors.index.json",
	};
	scratch *s = *state;
	ckpt_files files;

	write_checkpoint(s);
	scratch_write_text(s, "x.safetensors.index.json", "");
	scratch_write_text(s, "chat_template.jinja", "");
	scratch_write_text(s, "sentence_bert_config.json", "");
	scratch_write_text(s, "spiece.model", "");
	scratch_write_text(s, "source.spm", "");
	scratch_write_text(s, "qwen.tiktoken", "");
	scratch_write_text(s, "vocab-src.json", "");
	mkdir(scratch_path(s, "additional_chat_templates"), 0700);
	scratch_write_text(s, "additional_chat_templates/tool_use.jinja", "");
	scratch_write_text(s, "additional_chat_templates/config.json", "");
	scratch_write_text(s, "weights.gguf", "");
	scratch_write_text(s, "README.md", "");
	scratch_write_text(s, "pytorch_model.bin", "");
	scratch_write_text(s, "old_config.json", "");
	mkdir(scratch_path(s, "directory.model"), 0700);
	mkdir(scratch_path(s, "onnx"), 0700);
	scratch_write_text(s, "onnx/config.json", "");
	assert_true(ckpt_list_files(&s->context, s->directory, &files));
	assert_int_equal(files.count, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < files.count; i++)
		assert_string_equal(files.items[i].name, expected[i]);
	assert_string_equal(files.items[0].path, scratch_path(s, "1_Pooling/config.json"));
}

static void
fingerprint_is_of_names_and_bytes(void **state)
{
	scratch *s = *state;
	const char *first, *changed;

	write_checkpoint(s);
	first = fingerprint(s);
	scratch_write_text(s, "README.md", "not part of the model");
	scratch_write_text(s, "config.json", "{}");
	assert_string_equal(fingerprint(s), first);

	scratch_write_text(s, "1_Pooling/config.json", "{\"pooling_mode\":\"cls\"}");
	changed = fingerprint(s);
	assert_string_not_equal(changed, first);
	scratch_write_text(s, "1_Pooling/config.json", "{\"pooling_mode\":\"mean\"}");
	assert_string_equal(fingerprint(s), first);

	/* The same bytes under another name, or divided otherwise between two files. */
	rename(scratch_path(s, "model.safetensors"), scratch_path(s, "modem.safetensors"));
	assert_string_not_equal(fingerprint(s), first);
	scratch_write_text(s, "vocab.json", "ab");
	scratch_write_text(s, "vocab.txt", "c");
	changed = fingerprint(s);
	scratch_write_text(s, "vocab.json", "a");
	scratch_write_text(s, "vocab.txt", "bc");
	assert_string_not_equal(fingerprint(s), changed);
}

/* The definition, so that it does not change unseen: models are registered by it. */
static void
fingerprint_is_stable(void **state)
{
	scratch *s = *state;
	const char bytes[] = "config.json\0\2\0\0\0\0\0\0\0{}";
	sha256 *hash = sha256_create(&s->context);
	char hex[SHA256_HEX_LENGTH + 1];

	scratch_write_text(s, "config.json", "{}");
	assert_true(sha256_update(&s->context, hash, bytes, sizeof(bytes) - 1));
	assert_true(sha256_finish(&s->context, hash, hex));
	assert_string_equal(fingerprint(s), hex);
}

static void
signature_sees_every_change(void **state)
{
	scratch *s = *state;
	const char *first, *second;
	char *path;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000000000}};

	write_checkpoint(s);
	first = signature(s);
	assert_string_equal(signature(s), first);
	path = scratch_path(s, "1_Pooling/config.json");
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	second = signature(s);
	assert_string_not_equal(second, first);
	/* The same length, the same time of modification: the time of change tells. */
	usleep(20000);
	scratch_write_text(s, "1_Pooling/config.json", "{\"pooling_mode\":\"last\"}");
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_string_not_equal(signature(s), second);
	second = signature(s);
	scratch_write_text(s, "merges.txt", "");
	assert_string_not_equal(signature(s), second);
}

static void
links_are_followed(void **state)
{
	scratch *s = *state;
	const char *plain;

	scratch_write_text(s, "config.json", "{}");
	plain = fingerprint(s);
	rename(scratch_path(s, "config.json"), scratch_path(s, "blob"));
	assert_int_equal(symlink("blob", scratch_path(s, "config.json")), 0);
	assert_string_equal(fingerprint(s), plain);
	unlink(scratch_path(s, "blob"));
	assert_false(ckpt_fingerprint(&s->context, s->directory, (char[65]) {0}));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "config.json");
}

/* A cache of Hugging Face: its snapshots hold links to its blobs. */
static void
links_stay_in_the_checkpoint(void **state)
{
	scratch *s = *state;
	char hex[CKPT_HEX_LENGTH + 1];
	char *repository = tfm_sprintf(&s->context, "%s/models--a--b", s->directory);
	char *snapshot = tfm_sprintf(&s->context, "%s/snapshots/1", repository);
	char *link = tfm_sprintf(&s->context, "%s/config.json", snapshot);

	scratch_write_text(s, "secret", "{}");
	mkdir(repository, 0700);
	mkdir(tfm_sprintf(&s->context, "%s/blobs", repository), 0700);
	mkdir(tfm_sprintf(&s->context, "%s/snapshots", repository), 0700);
	mkdir(snapshot, 0700);
	scratch_write_text(s, "models--a--b/blobs/1", "{}");
	scratch_write_text(s, "models--a--b/snapshots/1/merges.txt", "");
	assert_int_equal(symlink("../../blobs/1", link), 0);
	assert_true(ckpt_fingerprint(&s->context, snapshot, hex));
	assert_null(s->context.root);
	unlink(link);
	assert_int_equal(symlink("../../../secret", link), 0);
	assert_false(ckpt_fingerprint(&s->context, snapshot, hex));
	assert_failed(&s->context, TFM_CORRUPTED, "config.json\" leads out of its checkpoint");
	assert_null(s->context.root);
	/* Of what is no cache, the directory alone. */
	rename(repository, scratch_path(s, "other"));
	snapshot = scratch_path(s, "other/snapshots/1");
	unlink(scratch_path(s, "other/snapshots/1/config.json"));
	assert_true(ckpt_fingerprint(&s->context, snapshot, hex));
	assert_int_equal(symlink("../../blobs/1", scratch_path(s, "other/snapshots/1/config.json")), 0);
	assert_false(ckpt_fingerprint(&s->context, snapshot, hex));
	assert_failed(&s->context, TFM_CORRUPTED, "leads out of its checkpoint");
	/* The directory itself may be reached by a link. */
	unlink(scratch_path(s, "other/snapshots/1/config.json"));
	scratch_write_text(s, "other/snapshots/1/config.json", "{}");
	assert_int_equal(symlink("other/snapshots/1", scratch_path(s, "linked")), 0);
	assert_true(ckpt_fingerprint(&s->context, scratch_path(s, "linked"), hex));
}

static void
directories_are_checked(void **state)
{
	scratch *s = *state;
	char *path = scratch_write_text(s, "vocab.txt", "x");
	ckpt_files files;

	assert_true(ckpt_check_path(&s->context, s->directory));
	assert_true(ckpt_list_files(&s->context, s->directory, &files));
	assert_int_equal(files.count, 1);
	assert_false(ckpt_check_path(&s->context, "/nonexistent/x"));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "\"/nonexistent/x\" does not exist");
	assert_false(ckpt_check_path(&s->context, path));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "not a directory");
	assert_false(ckpt_list_files(&s->context, "/nonexistent/x", &files));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "\"/nonexistent/x\" does not exist");
	assert_false(ckpt_list_files(&s->context, path, &files));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "not a directory");
	if (geteuid() == 0)
		return;
	chmod(s->directory, 0);
	assert_false(ckpt_list_files(&s->context, s->directory, &files));
	assert_failed(&s->context, TFM_PERMISSION_DENIED, s->directory);
	chmod(s->directory, 0700);
}

static void
one_file_is_a_checkpoint(void **state)
{
	scratch *s = *state;
	char *path = scratch_write_text(s, "a.gguf", "x");
	char first[CKPT_HEX_LENGTH + 1], second[CKPT_HEX_LENGTH + 1];
	ckpt_files files;

	assert_true(ckpt_check_path(&s->context, path));
	assert_true(ckpt_list_files(&s->context, path, &files));
	assert_int_equal(files.count, 1);
	assert_string_equal(files.items[0].name, "a.gguf");
	assert_true(ckpt_fingerprint(&s->context, path, first));
	scratch_write_text(s, "a.gguf", "y");
	assert_true(ckpt_fingerprint(&s->context, path, second));
	assert_string_not_equal(first, second);
	mkdir(scratch_path(s, "b.gguf"), 0700);
	assert_false(ckpt_is_gguf(scratch_path(s, "b.gguf")));
	assert_false(ckpt_is_gguf(scratch_path(s, "c.gguf")));
	assert_false(ckpt_check_path(&s->context, scratch_path(s, "c.gguf")));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "does not exist");
}

static const struct
{
	const char *text;
	const char *says;
} modules[] = {
	{"{}", "list of modules"},
	{"[", "modules.json"},
	{"[{\"path\":3}]", "\"path\" must be a string"},
	{"[{\"path\":\"..\"}]", "plain name"},
	{"[{\"path\":\"a/../..\"}]", "plain name"},
	{"[{\"path\":\"/etc\"}]", "plain name"},
};

/* Names that come from elsewhere than a directory: what cannot be in a list, or leads out of it. */
static void
relative_names_are_checked(void **state)
{
	static const char *const good[] = {"config.json",
									   "model-00001-of-00002.safetensors",
									   "tokenizer.json",
									   "1_Pooling/config.json",
									   "model.gguf",
									   "additional_chat_templates/tools.jinja",
									   "vocab.txt",
									   "0_Transformer/model.safetensors",
									   "model-00001-of-00002.gguf"};
	static const char *const bad[] = {"",
									  ".",
									  "..",
									  "/",
									  "/config.json",
									  "../config.json",
									  "./config.json",
									  "config.json/",
									  "a//config.json",
									  "a/b/config.json",
									  "a/../config.json",
									  "tokenizer/../../x",
									  "tokenizer\n",
									  "a\x7f/config.json",
									  "README.md",
									  "a/model.gguf",
									  "additional_chat_templates/config.json",
									  "onnx/model.onnx"};
	char long_name[400];

	(void) state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(ckpt_is_relative_name(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(ckpt_is_relative_name(bad[i]));
	memset(long_name, 'x', sizeof(long_name));
	strcpy(long_name + 300, "/config.json");
	assert_false(ckpt_is_relative_name(long_name));
}

/* Who has the files elsewhere finds the same fingerprint. */
static void
fingerprint_can_be_made_of_headings(void **state)
{
	scratch *s = *state;
	sha256 *hash = sha256_create(&s->context);
	char hex[CKPT_HEX_LENGTH + 1];
	ckpt_files files;

	write_checkpoint(s);
	assert_true(ckpt_list_files(&s->context, s->directory, &files));
	for (size_t i = 0; i < files.count; i++)
	{
		assert_true(ckpt_is_relative_name(files.items[i].name));
		assert_true(ckpt_hash_heading(&s->context, hash, files.items[i].name,
									  (uint64_t) files.items[i].status.st_size));
		assert_true(sha256_update_file(&s->context, hash, files.items[i].path));
	}
	assert_true(sha256_finish(&s->context, hash, hex));
	assert_string_equal(hex, fingerprint(s));
}

static void
modules_are_checked(void **state)
{
	scratch *s = *state;

	write_checkpoint(s);
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
	{
		ckpt_files files;

		scratch_write_text(s, "modules.json", modules[i].text);
		assert_false(ckpt_list_files(&s->context, s->directory, &files));
		assert_failed(&s->context, TFM_CORRUPTED, modules[i].says);
	}
}

static void
shared_modules_count_once(void **state)
{
	scratch *s = *state;
	ckpt_files files;

	write_checkpoint(s);
	scratch_write_text(s, "modules.json", "[{\"path\":\"1_Pooling\"},{\"path\":\"1_Pooling\"},{}]");
	assert_true(ckpt_list_files(&s->context, s->directory, &files));
	assert_int_equal(files.count, 5);
}

static void
crowded_directories_are_refused(void **state)
{
	scratch *s = *state;
	char name[32];
	ckpt_files files;

	for (int n = 0; n < 10000; n++)
	{
		arena_mark mark = arena_save(s->context.arena);

		snprintf(name, sizeof(name), "%d", n);
		scratch_write_text(s, name, "");
		arena_restore(s->context.arena, mark);
	}
	assert_false(ckpt_list_files(&s->context, s->directory, &files));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "too many entries");
}

static bool
always(void *argument)
{
	(void) argument;
	return true;
}

static void
fingerprint_can_be_cancelled(void **state)
{
	scratch *s = *state;
	char hex[CKPT_HEX_LENGTH + 1];

	write_checkpoint(s);
	s->context.interrupted = always;
	assert_false(ckpt_fingerprint(&s->context, s->directory, hex));
	assert_failed(&s->context, TFM_CANCELLED, "");
}

static bool
take_fingerprint(tfm_context *context, void *directory)
{
	char hex[CKPT_HEX_LENGTH + 1];

	return ckpt_check_path(context, directory) && ckpt_fingerprint(context, directory, hex) &&
		   ckpt_signature(context, directory, hex);
}

static void
memory_may_run_out(void **state)
{
	scratch *s = *state;

	write_checkpoint(s);
	assert_int_equal(oom_run_all(take_fingerprint, s->directory), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(files_are_listed_in_order),
		scratch_test(fingerprint_is_of_names_and_bytes),
		scratch_test(fingerprint_is_stable),
		scratch_test(signature_sees_every_change),
		scratch_test(links_are_followed),
		scratch_test(directories_are_checked),
		scratch_test(relative_names_are_checked),
		scratch_test(fingerprint_can_be_made_of_headings),
		scratch_test(one_file_is_a_checkpoint),
		scratch_test(modules_are_checked),
		scratch_test(shared_modules_count_once),
		scratch_test(crowded_directories_are_refused),
		scratch_test(fingerprint_can_be_cancelled),
		scratch_test(memory_may_run_out),
		scratch_test(links_stay_in_the_checkpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
