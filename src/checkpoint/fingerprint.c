/*
 * fingerprint.c
 *	  Which files make a checkpoint, and its identity.
 *
 * One list serves both identities: the fingerprint hashes the files' bytes, the
 * signature only what stat tells of them.  Files that no loader of ours reads
 * (README.md, weights in other formats) are not in it, so that a change of theirs
 * does not make a model stale.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/fingerprint.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/json.h"
#include "checkpoint/gguf_parts.h"

#define MAX_ENTRIES 10000 /* of all directories together */
#define MAX_MODULES_LENGTH ((size_t) 1024 * 1024)

/* Names that count: the whole name, or how it begins and ends. */
static const char *const whole_names[] = {
	"config.json",
	"generation_config.json",
	"special_tokens_map.json",
	"added_tokens.json",
	"merges.txt",
	"tekken.json",
	"normalizer.json",
	"dict.txt",
	"modules.json",
	"config_sentence_transformers.json",
	"preprocessor_config.json",
	"processor_config.json",
};

static const struct
{
	const char *prefix;
	const char *suffix;
} name_patterns[] = {
	{"", ".safetensors"}, {"", ".safetensors.index.json"},
	{"tokenizer", ""},	  {"chat_template", ""},
	{"vocab", ""},		  {"entity_vocab", ""},
	{"", ".model"},		  {"", ".tiktoken"},
	{"", ".spm"},		  {"", ".codes"},
	{"", ".tokenizer"},	  {"sentence_", "_config.json"},
};

/* The folder of named chat templates, in which these count. */
#define TEMPLATES "additional_chat_templates"
#define TEMPLATE_SUFFIX ".jinja"

/* The folder of RAG's tokenizer for what it reads and writes. */
#define GENERATOR_TOKENIZER "generator_tokenizer"

/* The whole checkpoint in one file, or in its parts. */
#define GGUF_SUFFIX ".gguf"

static bool
matches_pattern(const char *name, const char *prefix, const char *suffix)
{
	size_t length = strlen(name), before = strlen(prefix), after = strlen(suffix);

	return length >= before + after && strncmp(name, prefix, before) == 0 &&
		   strcmp(name + length - after, suffix) == 0;
}

bool
ckpt_is_file_name(const char *name)
{
	for (size_t i = 0; i < sizeof(whole_names) / sizeof(whole_names[0]); i++)
		if (strcmp(name, whole_names[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(name_patterns) / sizeof(name_patterns[0]); i++)
		if (matches_pattern(name, name_patterns[i].prefix, name_patterns[i].suffix))
			return true;
	return false;
}

/* The same in a folder below, or NULL. */
static bool
is_checkpoint_file(const char *name, const char *subdirectory)
{
	if (subdirectory != NULL && strcmp(subdirectory, TEMPLATES) == 0)
		return matches_pattern(name, "", TEMPLATE_SUFFIX);
	return ckpt_is_file_name(name);
}

bool
ckpt_is_gguf_name(const char *name)
{
	return matches_pattern(name, "", GGUF_SUFFIX);
}

/* A name of one part that no terminal or shell takes for anything else. */
static bool
is_safe_part(const char *name)
{
	for (const char *c = name; *c != '\0'; c++)
		if ((unsigned char) *c < ' ' || *c == 0x7f)
			return false;
	return file_name_is_plain(name);
}

bool
ckpt_is_relative_name(const char *name)
{
	const char *slash = strchr(name, '/');
	const char *last = slash == NULL ? name : slash + 1;
	char folder[256];

	if (!is_safe_part(last))
		return false;
	if (slash == NULL)
		return ckpt_is_file_name(name) || ckpt_is_gguf_name(name);
	if ((size_t) (slash - name) >= sizeof(folder))
		return false;
	memcpy(folder, name, (size_t) (slash - name));
	folder[slash - name] = '\0';
	return is_safe_part(folder) && is_checkpoint_file(last, folder);
}

/* ---- The list ---- */

/* A list in the making. */
typedef struct file_list
{
	tfm_context *context;
	const char *root;
	buffer *files; /* ckpt_file */
	size_t entries;
} file_list;

static bool
fail_directory(tfm_context *context, int error_number, const char *directory)
{
	if (error_number == ENOENT)
		return tfm_fail(context, TFM_FILE_NOT_FOUND, "directory \"%s\" does not exist", directory);
	if (error_number == ENOTDIR)
		return tfm_fail(context, TFM_FILE_NOT_FOUND, "\"%s\" is not a directory", directory);
	return file_fail(context, error_number, "read", directory);
}

/* Add a file by its name relative to the root, if it is a regular file. */
static bool
add_file(file_list *list, const char *name)
{
	ckpt_file added = {.name = name, .path = file_join(list->context, list->root, name)};

	if (added.path == NULL)
		return false;
	if (stat(added.path, &added.status) != 0)
		return file_fail(list->context, errno, "stat", added.path);
	if (!S_ISREG(added.status.st_mode))
		return true;
	return buffer_append(list->context, list->files, &added, sizeof(added));
}

/* Add the files among the entries of an open directory, which is the root or, named, below it. */
static bool
add_entries(file_list *list, DIR *entries, const char *subdirectory)
{
	struct dirent *entry;

	while (!tfm_stopped(list->context) && (entry = readdir(entries)) != NULL)
	{
		char *name;

		if (++list->entries > MAX_ENTRIES)
			return tfm_fail(list->context, TFM_LIMIT_EXCEEDED,
							"directory \"%s\" has too many entries for a checkpoint", list->root);
		if (!is_checkpoint_file(entry->d_name, subdirectory))
			continue;
		name = subdirectory == NULL ? tfm_strdup(list->context, entry->d_name)
									: file_join(list->context, subdirectory, entry->d_name);
		if (name == NULL || !add_file(list, name))
			return false;
	}
	return !tfm_failed(list->context);
}

static bool
add_root(file_list *list)
{
	DIR *entries = opendir(list->root);

	if (entries == NULL)
		return fail_directory(list->context, errno, list->root);
	add_entries(list, entries, NULL);
	closedir(entries);
	return !tfm_failed(list->context);
}

/* What is optional, such as a module without weights or configuration, may have no directory. */
static bool
add_subdirectory(file_list *list, const char *name)
{
	char *path = file_join(list->context, list->root, name);
	DIR *entries = path == NULL ? NULL : opendir(path);

	if (path == NULL)
		return false;
	if (entries == NULL)
		return errno == ENOENT || fail_directory(list->context, errno, path);
	add_entries(list, entries, name);
	closedir(entries);
	return !tfm_failed(list->context);
}

static bool
add_modules(file_list *list)
{
	char *path = file_join(list->context, list->root, "modules.json");
	json modules;

	if (path == NULL || !file_exists(path))
		return path != NULL;
	modules = json_read(list->context, path, MAX_MODULES_LENGTH);
	if (tfm_failed(list->context))
		return false;
	if (!json_is_array(modules))
		return tfm_fail(list->context, TFM_CORRUPTED, "\"%s\" must be a list of modules", path);
	for (json module = json_first(modules); json_present(module); module = json_next(module))
	{
		const char *name = json_string(list->context, module, "path", "");

		/* A module's path is empty (the root) or must not lead out of the checkpoint. */
		if (name[0] != '\0' && !file_name_is_plain(name))
			return tfm_fail(list->context, TFM_CORRUPTED,
							"\"%s\": module path \"%s\" is not the plain name of a directory", path,
							name);
		if (tfm_failed(list->context) || (name[0] != '\0' && !add_subdirectory(list, name)))
			return false;
	}
	return true;
}

static int
compare_files(const void *a, const void *b)
{
	return strcmp(((const ckpt_file *) a)->name, ((const ckpt_file *) b)->name);
}

/* A file of a checkpoint that is no directory is known by its own name. */
static bool
describe_file(tfm_context *context, const char *path, ckpt_file *described)
{
	const char *slash = path == NULL ? NULL : strrchr(path, '/');

	if (path == NULL)
		return false;
	described->name = slash == NULL ? path : slash + 1;
	described->path = path;
	return stat(path, &described->status) == 0 || file_fail(context, errno, "stat", path);
}

/* A GGUF file and the others that belong to it, in their order, which is that of their names. */
static bool
list_gguf(tfm_context *context, const char *path, ckpt_files *files)
{
	int count = ckpt_gguf_count_parts(path);

	if (count > GGUF_MAX_PARTS)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED, "\"%s\" is one of more than %d parts", path,
						GGUF_MAX_PARTS);
	files->items = tfm_alloc_zero(context, (size_t) count * sizeof(ckpt_file));
	files->count = 0;
	if (files->items == NULL)
		return false;
	for (int i = 0; i < count; i++)
	{
		if (!describe_file(context, ckpt_gguf_part_path(context, path, i + 1), &files->items[i]))
			return tfm_detail(context, "\"%s\" is a model in %d parts.", path, count);
		files->count++;
	}
	return true;
}

bool
ckpt_is_gguf(const char *path)
{
	struct stat status;

	return ckpt_is_gguf_name(path) && stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* The folder of a model in a Hugging Face cache, if path is that of a snapshot in it; else NULL. */
static char *
find_repository(char *path)
{
	char *snapshot = strrchr(path, '/'), *snapshots, *name;

	*snapshot = '\0';
	snapshots = strrchr(path, '/');
	if (snapshots == NULL || strcmp(snapshots, "/snapshots") != 0)
		return NULL;
	*snapshots = '\0';
	name = strrchr(path, '/');
	return name != NULL && strncmp(name, "/models--", strlen("/models--")) == 0 ? path : NULL;
}

bool
ckpt_confine(tfm_context *context, const char *directory)
{
	char real[PATH_MAX], above[PATH_MAX];
	const char *repository;

	context->root = NULL;
	if (ckpt_is_gguf(directory))
		return true;
	if (realpath(directory, real) == NULL)
		return fail_directory(context, errno, directory);
	strcpy(above, real);
	repository = find_repository(above);
	context->root = tfm_strdup(context, repository != NULL ? repository : real);
	return context->root != NULL;
}

bool
ckpt_list_files(tfm_context *context, const char *directory, ckpt_files *files)
{
	file_list list = {.context = context, .root = directory};
	size_t count, kept = 0;

	if (ckpt_is_gguf(directory))
		return list_gguf(context, directory, files);
	list.files = buffer_create(context);
	if (list.files == NULL || !add_root(&list) || !add_subdirectory(&list, TEMPLATES) ||
		!add_subdirectory(&list, GENERATOR_TOKENIZER) || !add_modules(&list))
		return false;
	files->items = (ckpt_file *) list.files->data;
	files->count = 0;
	count = list.files->length / sizeof(ckpt_file);
	if (count == 0)
		return true;
	qsort(files->items, count, sizeof(ckpt_file), compare_files);
	/* Two modules may share a directory. */
	for (size_t i = 1; i < count; i++)
		if (strcmp(files->items[kept].name, files->items[i].name) != 0)
			files->items[++kept] = files->items[i];
	files->count = kept + 1;
	return true;
}

bool
ckpt_check_path(tfm_context *context, const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return fail_directory(context, errno, path);
	return S_ISDIR(status.st_mode) || ckpt_is_gguf(path) || fail_directory(context, ENOTDIR, path);
}

/* ---- The identities ---- */

static bool
hash_number(tfm_context *context, sha256 *hash, uint64_t number)
{
	unsigned char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char) (number >> 8 * i);
	return sha256_update(context, hash, bytes, sizeof(bytes));
}

/* Name and size tell where a file's bytes begin and end among those of all. */
bool
ckpt_hash_heading(tfm_context *context, sha256 *hash, const char *name, uint64_t size)
{
	return sha256_update(context, hash, name, strlen(name) + 1) && hash_number(context, hash, size);
}

static bool
hash_status(tfm_context *context, sha256 *hash, const struct stat *status)
{
	return hash_number(context, hash, (uint64_t) status->st_mtim.tv_sec) &&
		   hash_number(context, hash, (uint64_t) status->st_mtim.tv_nsec) &&
		   hash_number(context, hash, (uint64_t) status->st_ctim.tv_sec) &&
		   hash_number(context, hash, (uint64_t) status->st_ctim.tv_nsec) &&
		   hash_number(context, hash, (uint64_t) status->st_ino) &&
		   hash_number(context, hash, (uint64_t) status->st_dev);
}

static int64_t
count_bytes(const ckpt_files *files)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < files->count; i++)
		bytes += (int64_t) files->items[i].status.st_size;
	return bytes;
}

static bool
hash_files(tfm_context *context, const char *directory, bool contents, char *hex)
{
	ckpt_files files;
	sha256 *hash;

	if (!ckpt_list_files(context, directory, &files))
		return false;
	hash = sha256_create(context);
	if (contents)
		context->progress = (tfm_progress) {.total = count_bytes(&files)};
	for (size_t i = 0; i < files.count && hash != NULL && !tfm_stopped(context); i++)
	{
		ckpt_hash_heading(context, hash, files.items[i].name,
						  (uint64_t) files.items[i].status.st_size);
		if (contents)
			sha256_update_file(context, hash, files.items[i].path);
		else
			hash_status(context, hash, &files.items[i].status);
	}
	return !tfm_failed(context) && sha256_finish(context, hash, hex);
}

bool
ckpt_fingerprint(tfm_context *context, const char *directory, char content[CKPT_HEX_LENGTH + 1])
{
	arena_mark mark = arena_save(context->arena);
	const char *root = context->root;

	if (ckpt_confine(context, directory))
		hash_files(context, directory, true, content);
	context->root = root;
	arena_restore(context->arena, mark);
	return !tfm_failed(context);
}

bool
ckpt_signature(tfm_context *context, const char *directory, char signature[CKPT_HEX_LENGTH + 1])
{
	arena_mark mark = arena_save(context->arena);
	const char *root = context->root;

	if (ckpt_confine(context, directory))
		hash_files(context, directory, false, signature);
	context->root = root;
	arena_restore(context->arena, mark);
	return !tfm_failed(context);
}
