/*
 * rewriter.c
 *	  PythonRewriter: MyT5's bytes, rewritten by rules before they are tokens, and back in decoding.
 *
 * Follows ByteRewriter of tokenization_myt5.py: at each place the longest rule is taken, else the byte
 * stays.  A text goes through the rules that decompose and then those that merge, a decoded one
 * through the reverse of these in the other order.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "text/compile.h"
#include "text/python/set.h"
#include "text/python/text.h"

#define FIRST_ID 3
#define OUTPUT_MAX 1000 /* bytes that a rule writes */

/*
 * Then the tries of both sets of rules, whose keys are bytes as hexadecimal digits, what they write,
 * in the order in which they are used, and the decoder's set of added tokens.
 */
typedef struct header
{
	uint32_t nodes[2];
	uint32_t outputs[2]; /* bytes: the length in two, and what is written */
} header;

typedef struct rules
{
	trie keys;
	const unsigned char *outputs;
	uint32_t length;
} rules;

static int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* The bytes of "e3 81" to the end of the buffer, as they are or as digits. */
static bool
append_bytes(tok_compiler *compiler, const char *string, bool as_digits, buffer *out)
{
	size_t length = strlen(string);

	if (length % 3 != 2 || length / 3 >= OUTPUT_MAX)
		length = 0;
	for (size_t i = 0; i < length; i += 3)
	{
		int high = hex_value(string[i]), low = hex_value(string[i + 1]);
		char byte = (char) (high * 16 + low);

		if (high < 0 || low < 0 || (i + 2 < length && string[i + 2] != ' '))
		{
			length = 0;
			break;
		}
		if (!(as_digits ? buffer_append(compiler->context, out, string + i, 2)
						: buffer_append(compiler->context, out, &byte, 1)))
			return false;
	}
	return length > 0 || tfm_fail(compiler->context, TFM_CORRUPTED,
								  "\"%s\": \"%.100s\" is not a row of bytes in hexadecimal digits",
								  compiler->source, string);
}

/* The key of a rule, and what it writes. */
static bool
compile_rule(tok_compiler *compiler, const char *from, const char *to, trie_key *key,
			 buffer *outputs)
{
	tfm_context *context = compiler->context;
	buffer *digits = buffer_create(context);
	size_t place = outputs->length, length;
	char width[2] = {0, 0};

	if (digits == NULL || !append_bytes(compiler, from, true, digits) ||
		!buffer_append(context, outputs, width, 2) || !append_bytes(compiler, to, false, outputs))
		return false;
	length = outputs->length - place - 2;
	outputs->data[place] = (char) (length & 0xFF);
	outputs->data[place + 1] = (char) (length >> 8);
	key->bytes = digits->data;
	key->length = (uint32_t) digits->length;
	key->value = (uint32_t) place;
	return outputs->length < INT32_MAX ||
		   tfm_fail(context, TFM_LIMIT_EXCEEDED, "\"%s\" has too many rules", compiler->source);
}

/* Of rules for the same bytes the last one counts. */
static bool
compile_rules(tok_compiler *compiler, json map, bool reverse, buffer *nodes, buffer *outputs)
{
	size_t count = json_size(map), i = 0;
	trie_key *keys = tfm_alloc_array(compiler->context, count, sizeof(trie_key));

	for (json item = json_first(map); keys != NULL && json_present(item);
		 item = json_next(item), i++)
	{
		const char *from = json_key(item), *to = json_is_string(item) ? json_as_string(item) : "";

		keys[i].rank = (uint32_t) (count - i);
		if (!compile_rule(compiler, reverse ? to : from, reverse ? from : to, &keys[i], outputs) ||
			tfm_stopped(compiler->context))
			return false;
	}
	return keys != NULL && tok_trie_build(compiler->context, keys, count, nodes);
}

static bool
compile_sets(tok_compiler *compiler, json spec, bool reverse, buffer *payload)
{
	static const char *const names[] = {"decompose", "merge"};
	tfm_context *context = compiler->context;
	buffer *nodes = buffer_create(context), *outputs = buffer_create(context);
	header h = {.nodes = {0, 0}};

	for (int i = 0; nodes != NULL && outputs != NULL && i < 2; i++)
	{
		size_t first_node = nodes->length, first_output = outputs->length;
		buffer *own = buffer_create(context);
		json map = json_member(spec, names[reverse ? 1 - i : i]);

		if (own == NULL || !compile_rules(compiler, map, reverse, nodes, own) ||
			!buffer_append(context, outputs, own->data == NULL ? "" : own->data, own->length))
			return false;
		h.nodes[i] = (uint32_t) ((nodes->length - first_node) / sizeof(trie_node));
		h.outputs[i] = (uint32_t) (outputs->length - first_output);
	}
	if (nodes == NULL || outputs == NULL || !buffer_append(context, payload, &h, sizeof(h)) ||
		!buffer_append(context, payload, nodes->data == NULL ? "" : nodes->data, nodes->length) ||
		!buffer_append(context, payload, outputs->data == NULL ? "" : outputs->data,
					   outputs->length))
		return false;
	return buffer_append_zeros(context, payload, (8 - payload->length % 8) % 8);
}

/* The offset of what follows the rules; 0 if the payload is too short for them. */
static size_t
open_sets(tok_payload payload, rules sets[2])
{
	const header *h = payload.bytes;
	uint64_t nodes, outputs;

	if (payload.length < sizeof(*h))
		return 0;
	nodes = ((uint64_t) h->nodes[0] + h->nodes[1]) * sizeof(trie_node);
	outputs = (uint64_t) h->outputs[0] + h->outputs[1];
	if (sizeof(*h) + nodes + outputs > payload.length)
		return 0;
	for (int i = 0; i < 2; i++)
	{
		sets[i].keys.nodes =
			(const trie_node *) (const void *) (h + 1) + (i == 0 ? 0 : h->nodes[0]);
		sets[i].keys.count = h->nodes[i];
		sets[i].outputs = (const unsigned char *) (h + 1) + nodes + (i == 0 ? 0 : h->outputs[0]);
		sets[i].length = h->outputs[i];
	}
	return (sizeof(*h) + nodes + outputs + 7) / 8 * 8;
}

/* What the text begins with becomes: what a rule writes, or its first byte. */
static tfm_text
rewrite(const rules *r, const char *bytes, size_t length, size_t *consumed)
{
	static const char hex[] = "0123456789abcdef";
	tfm_text out = {.data = bytes, .length = 1};
	uint32_t node = TRIE_ROOT;

	*consumed = 1;
	for (size_t i = 0; i < length && r->keys.count > 0; i++)
	{
		unsigned char byte = (unsigned char) bytes[i];
		const char digits[2] = {hex[byte >> 4], hex[byte & 15]};
		uint32_t place;

		node = tok_trie_walk(&r->keys, node, digits, 2);
		if (node == TRIE_NONE)
			break;
		place = trie_value(&r->keys, node);
		if (place < r->length && r->length - place >= 2)
		{
			size_t width = r->outputs[place] | (size_t) r->outputs[place + 1] << 8;

			if (width > r->length - place - 2)
				break;
			out = (tfm_text) {.data = (const char *) r->outputs + place + 2, .length = width};
			*consumed = i + 1;
		}
	}
	return out;
}

/* ---- The model ---- */

static bool
compile_model(tok_compiler *compiler, json spec, buffer *payload)
{
	return tok_compile_token_map(compiler, json_member(spec, "vocab")) &&
		   compile_sets(compiler, spec, false, payload);
}

static bool
check_model(tfm_context *context, const tok_tokenizer *tokenizer, tok_payload payload)
{
	rules sets[2];

	return (open_sets(payload, sets) > 0 && tokenizer->settings->id_limit >= FIRST_ID + 256) ||
		   tok_fail_damaged(context);
}

/* Bytes start..end of the string, decomposed, to the next one. */
static bool
decompose(tok_work *work, const rules *r, size_t start, size_t end)
{
	tok_string *next = &work->next;
	size_t consumed;

	for (; start < end; start += consumed)
	{
		tfm_text out = rewrite(r, work->string.bytes + start, end - start, &consumed);

		if (!tok_reserve_string(work, next, out.length))
			return false;
		memcpy(next->bytes + next->length, out.data, out.length);
		for (size_t i = 0; next->keeps_sources && i < out.length; i++)
			next->sources[next->length + i] = tok_source(&work->string, start);
		next->length += out.length;
	}
	return !tfm_stopped(work->context);
}

static bool
merge(tok_work *work, const rules *r, int32_t word)
{
	size_t consumed;

	for (size_t i = 0; i < work->string.length; i += consumed)
	{
		tfm_text out = rewrite(r, work->string.bytes + i, work->string.length - i, &consumed);

		if (!tok_reserve_pieces(work, out.length))
			return false;
		for (size_t j = 0; j < out.length; j++)
			tok_push_piece(work, FIRST_ID + (unsigned char) out.data[j], i, i + consumed, word);
	}
	return !tfm_stopped(work->context);
}

/* What is merged is the next string, which takes the other's place for the time. */
static bool
run_model(tok_work *work, tok_payload payload, uint32_t start, uint32_t end, int32_t word)
{
	rules sets[2];
	size_t length = work->string.length;
	bool ok;

	if (open_sets(payload, sets) == 0)
		return tok_fail_damaged(work->context);
	work->next.length = 0;
	if (!decompose(work, &sets[0], start, end))
		return false;
	tok_swap_strings(work);
	ok = merge(work, &sets[1], word);
	tok_swap_strings(work);
	work->string.length = length;
	return ok;
}

/* ---- The decoder ---- */

static bool
compile_decoder(tok_compiler *compiler, json spec, buffer *payload)
{
	return compile_sets(compiler, spec, true, payload) &&
		   tok_strings_compile(compiler->context, json_member(spec, "added"), payload);
}

static bool
rewrite_all(tfm_context *context, const rules *r, const buffer *in, buffer *out)
{
	size_t consumed;

	for (size_t i = 0; i < in->length; i += consumed)
	{
		tfm_text part = rewrite(r, in->data + i, in->length - i, &consumed);

		if (!buffer_append(context, out, part.data, part.length))
			return false;
	}
	return true;
}

/* The bytes between added tokens. */
static bool
flush(tfm_context *context, const rules sets[2], buffer *bytes, buffer *middle, buffer *out)
{
	bool ok = rewrite_all(context, &sets[0], bytes, middle) &&
			  rewrite_all(context, &sets[1], middle, out);

	bytes->length = middle->length = 0;
	return ok;
}

static bool
run_decoder(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	rules sets[2];
	size_t offset = open_sets(payload, sets);
	buffer *bytes = buffer_create(context), *middle = buffer_create(context);
	buffer *out = buffer_create(context), *text = buffer_create(context);
	tok_payload added = tok_strings_after(payload, offset);

	if (offset == 0)
		return tok_fail_damaged(context);
	for (size_t i = 0; text != NULL && !tfm_failed(context) && i < *count; i++)
	{
		int high = texts[i].length == 2 ? hex_value(texts[i].data[0]) : -1;
		int low = texts[i].length == 2 ? hex_value(texts[i].data[1]) : -1;
		char byte = (char) (high * 16 + low);

		if (high >= 0 && low >= 0 && !tok_strings_has(added, texts[i].data, texts[i].length))
			buffer_append(context, bytes, &byte, 1);
		else if (flush(context, sets, bytes, middle, out))
			buffer_append(context, out, texts[i].data, texts[i].length);
	}
	if (tfm_failed(context) || !flush(context, sets, bytes, middle, out) ||
		!tok_python_decode_utf8(context, out, false, text))
		return false;
	if (*count == 0)
		return true;
	if (buffer_text(context, text) == NULL)
		return false;
	texts[0] = (tfm_text) {.data = text->data, .length = text->length};
	*count = 1;
	return true;
}

const tok_model tok_model_python_rewriter = {
	.row = {"PythonRewriter", compile_model},
	.check = check_model,
	.run = run_model,
};
const tok_decoder tok_decoder_python_rewriter = {
	.row = {"PythonRewriter", compile_decoder},
	.run = run_decoder,
};
