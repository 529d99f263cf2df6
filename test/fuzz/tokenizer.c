/*
 * tokenizer.c
 *	  Any files as a tokenizer, any text through it, and a compiled tokenizer with damage.
 *
 * An input is a letter and fields with 0xFF, which UTF-8 never has, between them:
 *		J tokenizer.json, text, tokenizer_config.json
 *		V vocab.txt, text, tokenizer_config.json
 *		D damage, text		four bytes each: an offset in the compiled tokenizer (of three bytes,
 *							little endian) and the value to put there
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tokens.h"

#define MEMORY_LIMIT ((size_t) 512 * 1024 * 1024)
#define FIELDS 3

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* What is damaged: a bit of everything. */
static const char sound[] =
	"{\"added_tokens\":[{\"id\":0,\"content\":\"[UNK]\",\"single_word\":false,\"lstrip\":false,"
	"\"rstrip\":false,\"normalized\":false,\"special\":true},{\"id\":9,\"content\":\"Foo\","
	"\"single_word\":true,\"lstrip\":true,\"rstrip\":true,\"normalized\":true,\"special\":false}],"
	"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},"
	"{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
	"\"strip_accents\":null,\"lowercase\":true}]},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"
	","
	"\"post_processor\":{\"type\":\"RobertaProcessing\",\"sep\":[\"b\",2],\"cls\":[\"a\",1],"
	"\"trim_offsets\":true,\"add_prefix_space\":false},\"decoder\":{\"type\":\"WordPiece\","
	"\"prefix\":\"##\",\"cleanup\":true},\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
	"\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,\"vocab\":{\"[UNK]\":0,"
	"\"a\":1,\"b\":2,\"##b\":3,\"abc\":4,\"##c\":5,\"\xc3\xa9\":6,\"!\":7,\"##\xc3\xa9\":8}}}";

/* The same text in several ways; ids alone must be those of the full encoding. */
static void
encode(tfm_context *context, const tok_tokenizer *tokenizer, tfm_text text, bool sound_blob)
{
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	tfm_text second = {text.data, text.length / 2};
	tok_encoding plain, full;

	while (second.length > 0 && ((unsigned char) text.data[second.length] & 0xC0) == 0x80)
		second.length--;
	if (!tok_encode(context, tokenizer, text, NULL, &options, &plain))
		return;
	options.want = TOK_WANT_TYPE_IDS | TOK_WANT_OFFSETS | TOK_WANT_WORDS | TOK_WANT_SPECIAL_MASK |
				   TOK_WANT_SEQUENCES | TOK_WANT_TOKENS;
	if (!tok_encode(context, tokenizer, text, NULL, &options, &full))
		return;
	expect(plain.count == full.count);
	expect(plain.count == 0 || memcmp(plain.ids, full.ids, plain.count * sizeof(int32_t)) == 0);
	if (sound_blob)
		check_encoding(&full, tokenizer, text.length);
	decode(context, tokenizer, &full);
	tfm_clear_error(context);
	options.max_length = text.length == 0 ? 5 : 1 + (unsigned char) text.data[0] % 16;
	options.stride = options.max_length / 3;
	options.truncation = (tok_truncation) (text.length % 3);
	options.direction = (tok_direction) (text.length % 2);
	options.want |= text.length < 300 ? TOK_WANT_OVERFLOWING : 0;
	if (tok_encode(context, tokenizer, text, &second, &options, &full) && sound_blob)
		check_encoding(&full, tokenizer, text.length);
}

static void
try_tokenizer(tfm_context *context, char kind, const tfm_text fields[FIELDS])
{
	buffer *blob = buffer_create(context);
	const tok_tokenizer *tokenizer;

	if (blob == NULL)
		return;
	if (kind == 'J')
		tok_compile_json(context, fields[0], "input", fields[2], "config", blob);
	else if (kind == 'V')
		tok_compile_vocabulary(context, fields[0], "input", fields[2], "config", blob);
	else
		expect(tok_compile_json(context, (tfm_text) {sound, sizeof(sound) - 1}, "sound",
								(tfm_text) {NULL, 0}, "none", blob));
	if (tfm_failed(context))
		return;
	if (kind == 'D')
		damage(blob, fields[0]);
	tokenizer = tok_open(context, blob->data, blob->length);
	expect(tokenizer != NULL || kind == 'D' || context->error.kind == TFM_OUT_OF_MEMORY);
	if (tokenizer != NULL)
		encode(context, tokenizer, fields[1], kind != 'D');
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	tfm_context context = {.arena = arena_create(MEMORY_LIMIT)};
	tfm_text fields[FIELDS] = {{NULL, 0}};
	const char *rest = (const char *) bytes + 1;
	char kind = length == 0 ? 0 : (char) bytes[0];

	for (int i = 0; i < FIELDS && length > 0 && rest <= (const char *) bytes + length; i++)
	{
		size_t left = (size_t) ((const char *) bytes + length - rest);
		const char *end = kind == 'D' && i == 0 ? NULL : memchr(rest, 0xFF, left);

		/* Damage has any bytes: the first quarter of the input. */
		if (kind == 'D' && i == 0)
			end = rest + left / 4;
		fields[i].data = rest;
		fields[i].length = end == NULL ? left : (size_t) (end - rest);
		rest += fields[i].length + 1;
	}
	if (kind == 'J' || kind == 'V' || kind == 'D')
		try_tokenizer(&context, kind, fields);
	expect(context.error.kind != TFM_INTERNAL);
	arena_destroy(context.arena);
	return 0;
}
