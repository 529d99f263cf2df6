/*
 * directory.c
 *	  Any files as a directory of a tokenizer or a GGUF file, texts through it, and damage to what was
 *	  compiled of them.
 *
 * An input is fields, each begun by 0xFF and a letter: a file of the table below, or
 *		X, Y	a text, and the one that makes it a pair
 *		Z		damage: four bytes each, an offset in the compiled tokenizer (of three bytes, little
 *				endian) and the value to put there
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _GNU_SOURCE
#include "tokens.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/gguf_tokenizer.h"

#define MEMORY_LIMIT ((size_t) 256 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const char *const names[128] = {
	['a'] = "added_tokens.json",
	['b'] = "bpe.codes",
	['c'] = "tokenizer_config.json",
	['d'] = "spm_char.model",
	['e'] = "sentencepiece.model",
	['f'] = "spiece.model",
	['g'] = "model.gguf",
	['h'] = "target.spm",
	['i'] = "vocab-src.json",
	['j'] = "vocab-tgt.json",
	['k'] = "tiktoken.model",
	['l'] = "gpt2.tiktoken",
	['m'] = "merges.txt",
	['n'] = "tokenizer.model",
	['o'] = "config.json",
	['p'] = "sentencepiece.bpe.model",
	['q'] = "source.spm",
	['r'] = "tekken.json",
	['s'] = "special_tokens_map.json",
	['t'] = "tokenizer.json",
	['u'] = "target_vocab.json",
	['v'] = "vocab.json",
	['w'] = "vocab.txt",
	['x'] = "spm.model",
	['y'] = "multilingual.tiktoken",
	['z'] = "prophetnet.tokenizer",
	['A'] = "word_shape.json",
	['B'] = "word_pronunciation.json",
};

#define DIRECTORY_NAMES 128

/* The fields of an input by their letters. */
typedef struct input
{
	tfm_text fields[DIRECTORY_NAMES];
} input;

/* 0xFF and any other byte is part of a field. */
static void
read_input(const uint8_t *bytes, size_t length, input *in)
{
	tfm_text *field = NULL;

	memset(in, 0, sizeof(*in));
	for (size_t i = 0; i < length; i++)
	{
		if (bytes[i] == 0xFF && i + 1 < length && bytes[i + 1] < DIRECTORY_NAMES &&
			(names[bytes[i + 1]] != NULL || (bytes[i + 1] >= 'X' && bytes[i + 1] <= 'Z')))
		{
			field = &in->fields[bytes[++i]];
			*field = (tfm_text) {(const char *) bytes + i + 1, 0};
		}
		else if (field != NULL)
			field->length++;
	}
}

static char path_of_directory[64];

static void
remove_directory(void)
{
	rmdir(path_of_directory);
}

/* A directory of this process; other than /dev/shm would wear out a disk. */
static const char *
directory(void)
{
	char *path = path_of_directory;

	if (path[0] == '\0')
	{
		snprintf(path, sizeof(path_of_directory), "%s/tfm-fuzz-XXXXXX",
				 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		expect(mkdtemp(path) != NULL && atexit(remove_directory) == 0);
	}
	return path;
}

static void
write_files(const input *in)
{
	for (int i = 0; i < DIRECTORY_NAMES; i++)
	{
		char path[128];
		int descriptor;

		if (names[i] == NULL || in->fields[i].data == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory(), names[i]);
		descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		expect(descriptor >= 0 && write(descriptor, in->fields[i].data, in->fields[i].length) ==
									  (ssize_t) in->fields[i].length);
		close(descriptor);
	}
}

static void
remove_files(const input *in)
{
	for (int i = 0; i < DIRECTORY_NAMES; i++)
	{
		char path[128];

		if (names[i] == NULL || in->fields[i].data == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory(), names[i]);
		unlink(path);
	}
	rmdir(directory());
	expect(mkdir(directory(), 0700) == 0);
}

/* A pair cut short, padded. */
static void
encode_pair(tfm_context *context, const tok_tokenizer *tokenizer, tfm_text first, tfm_text second,
			bool sound)
{
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	tok_padding padding = {.multiple = 8, .side = TOK_PADDING_LEFT, .token = {"[PAD]", 5}};
	tok_encoding e;

	options.want = TOK_WANT_OFFSETS | TOK_WANT_TYPE_IDS;
	options.max_length = first.length == 0 ? 5 : 1 + (unsigned char) first.data[0] % 16;
	options.stride = options.max_length / 3;
	options.truncation = (tok_truncation) (first.length % 3);
	options.direction = (tok_direction) (first.length % 2);
	options.add_special_tokens = second.length % 4 != 3;
	options.want |= first.length < 300 ? TOK_WANT_OVERFLOWING : 0;
	if (!tok_encode(context, tokenizer, first, &second, &options, &e))
		return;
	if (sound)
		check_encoding(&e, tokenizer, first.length + second.length);
	tok_pad(context, &e, 1, &padding);
}

/* A text in several ways; ids alone must be those of the full encoding. */
static void
encode(tfm_context *context, const tok_tokenizer *tokenizer, tfm_text text, bool sound)
{
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	tok_encoding plain, full;

	if (!tok_encode(context, tokenizer, text, NULL, &options, &plain))
		return;
	options.want = TOK_WANT_TYPE_IDS | TOK_WANT_OFFSETS | TOK_WANT_WORDS | TOK_WANT_SPECIAL_MASK |
				   TOK_WANT_SEQUENCES | TOK_WANT_TOKENS;
	if (!tok_encode(context, tokenizer, text, NULL, &options, &full))
		return;
	expect(plain.count == full.count);
	expect(plain.count == 0 || memcmp(plain.ids, full.ids, plain.count * sizeof(int32_t)) == 0);
	if (sound)
		check_encoding(&full, tokenizer, text.length);
	decode(context, tokenizer, &full);
}

static void
try_tokenizer(tfm_context *context, const input *in)
{
	bool sound = in->fields['Z'].length == 0;
	buffer *blob = buffer_create(context);
	const tok_tokenizer *tokenizer;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory(), names['g']);
	if (blob == NULL ||
		!(in->fields['g'].data != NULL ? run_compile_gguf_tokenizer(context, path, blob)
									   : tok_compile(context, directory(), false, blob)))
	{
		expect(tfm_failed(context));
		return;
	}
	expect(!tfm_failed(context));
	damage(blob, in->fields['Z']);
	tokenizer = tok_open(context, blob->data, blob->length);
	expect(tokenizer != NULL || !sound || context->error.kind == TFM_OUT_OF_MEMORY);
	if (tokenizer == NULL)
		return;
	encode(context, tokenizer, in->fields['X'], sound);
	tfm_clear_error(context);
	encode_pair(context, tokenizer, in->fields['X'], in->fields['Y'], sound);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	tfm_context context = {.arena = arena_create(MEMORY_LIMIT)};
	input in;

	read_input(bytes, length, &in);
	write_files(&in);
	try_tokenizer(&context, &in);
	expect(context.error.kind != TFM_INTERNAL && context.error.kind != TFM_IO);
	arena_destroy(context.arena);
	remove_files(&in);
	return 0;
}
