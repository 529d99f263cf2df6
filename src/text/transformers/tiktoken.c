/*
 * tiktoken.c
 *	  Vocabularies that are ranks of byte strings: Tiktoken's files and Mistral's tekken.json.
 *
 * Such a file has no merges; they are all the ways in which a token is made of two others, in the
 * order of the ranks.  Follows TikTokenConverter (transformers/convert_slow_tokenizer.py) and
 * MistralConverter (transformers/integrations/mistral/tokenizer.py).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/transformers/class.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/utf8.h"

/* Splitting a token takes the square of its length. */
#define TOKEN_MAX 4096

/* A token, as the byte-level alphabet writes it. */
typedef struct ranked
{
	const char *text;
	uint32_t length; /* of text */
	uint32_t rank;
} ranked;

typedef struct ranks
{
	ranked *items;
	size_t count;
	trie places;	 /* of texts, to ranks */
	uint32_t offset; /* of the ids from the ranks */
} ranks;

typedef struct split
{
	uint32_t left, right; /* ranks */
	uint32_t at;		  /* byte of the text */
} split;

/* The character that stands for a byte in byte-level vocabularies. */
static uint32_t
byte_character(unsigned char byte)
{
	uint32_t before = 0;

	if ((byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE)
		return byte;
	for (uint32_t b = 0; b < byte; b++)
		before += !((b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE);
	return 256 + before;
}

/* A token from text of base 64; false if it is none.  Whisper's file has an empty one, "=". */
static bool
read_base64(tok_builder *builder, const char *digits, size_t length, ranked *token)
{
	tfm_context *context = builder->context;
	bool empty = length == 1 && digits[0] == '=';
	buffer *bytes = builder->scratch;
	char *text;

	bytes->length = 0;
	if (length == 0 || length / 4 * 3 > TOKEN_MAX ||
		(!empty && !base64_decode(context, digits, length, bytes)) ||
		(text = tfm_alloc(context, bytes->length * 2 + 1)) == NULL)
		return false;
	*token = (ranked) {.text = text};
	for (size_t i = 0; i < bytes->length; i++)
		token->length += (uint32_t) utf8_encode(byte_character((unsigned char) bytes->data[i]),
												text + token->length);
	text[token->length] = '\0';
	return true;
}

static int
compare_ranks(const void *left, const void *right)
{
	const ranked *a = left, *b = right;

	return a->rank < b->rank ? -1 : a->rank > b->rank;
}

static int
compare_splits(const void *left, const void *right)
{
	const split *a = left, *b = right;

	if (a->left != b->left)
		return a->left < b->left ? -1 : 1;
	return a->right < b->right ? -1 : a->right > b->right;
}

static bool
index_ranks(tok_builder *builder, ranks *r)
{
	trie_key *keys = tfm_alloc_array(builder->context, r->count, sizeof(trie_key));
	buffer *nodes = keys == NULL ? NULL : buffer_create(builder->context);

	if (nodes == NULL)
		return false;
	qsort(r->items, r->count, sizeof(ranked), compare_ranks);
	for (size_t i = 0; i < r->count; i++)
		keys[i] = (trie_key) {.bytes = r->items[i].text,
							  .length = r->items[i].length,
							  .value = r->items[i].rank,
							  .rank = (uint32_t) i};
	if (!tok_trie_build(builder->context, keys, r->count, nodes))
		return false;
	r->places.nodes = (const trie_node *) (const void *) nodes->data;
	r->places.count = (uint32_t) (nodes->length / sizeof(trie_node));
	return true;
}

/* The ways to make a token of two others; their number. */
static size_t
find_splits(const ranks *r, const ranked *token, split *splits)
{
	uint32_t node = TRIE_ROOT;
	size_t count = 0;

	for (uint32_t at = 0; at < token->length;)
	{
		do
			node = trie_step(&r->places, node, (unsigned char) token->text[at++]);
		while (node != TRIE_NONE && at < token->length &&
			   ((unsigned char) token->text[at] & 0xC0) == 0x80);
		if (node == TRIE_NONE || at >= token->length)
			break;
		splits[count].left = trie_value(&r->places, node);
		if (splits[count].left == TRIE_NONE)
			continue;
		splits[count].right = tok_trie_find(&r->places, token->text + at, token->length - at);
		splits[count].at = at;
		if (splits[count].right != TRIE_NONE)
			count++;
	}
	if (count > 1)
		qsort(splits, count, sizeof(split), compare_splits);
	return count;
}

static bool
write_merges(tok_builder *builder, const ranks *r, buffer *out)
{
	tfm_context *context = builder->context;
	split *splits = tfm_alloc_array(context, TOKEN_MAX, sizeof(split));
	bool first = true;

	if (splits == NULL)
		return false;
	buffer_append_string(context, out, "\"merges\":[");
	for (size_t i = 0; i < r->count; i++)
	{
		const ranked *token = &r->items[i];
		size_t count = find_splits(r, token, splits);

		for (size_t s = 0; s < count; s++, first = false)
		{
			buffer_append_string(context, out, first ? "[" : ",[");
			json_append_string(context, out, token->text, splits[s].at);
			buffer_append_string(context, out, ",");
			json_append_string(context, out, token->text + splits[s].at,
							   token->length - splits[s].at);
			buffer_append_string(context, out, "]");
		}
		if ((i & 0xFF) == 0 && tfm_stopped(context))
			return false;
	}
	return buffer_append_string(context, out, "]");
}

/* What comes before the added tokens. */
static bool
begin_file(tok_builder *builder, const char *pattern, buffer *out)
{
	tfm_context *context = builder->context;

	buffer_append_string(context, out,
						 "{\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Sequence\","
						 "\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":");
	json_append_string(context, out, pattern, strlen(pattern));
	return buffer_append_string(
		context, out,
		"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","
		"\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}]},"
		"\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"
		"\"use_regex\":true},\"post_processor\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
		"\"trim_offsets\":false,\"use_regex\":true},\"added_tokens\":[");
}

static bool
append_special(tfm_context *context, buffer *out, const char *content)
{
	buffer_append_string(context, out, out->data[out->length - 1] == '[' ? "{" : ",{");
	buffer_append_string(context, out,
						 "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
						 "\"normalized\":false,\"special\":true,\"content\":");
	return json_append_string(context, out, content, strlen(content)) &&
		   buffer_append_string(context, out, "}");
}

/* The tokens and their ids; special tokens that have ids of their own, from 0, come behind them. */
static bool
write_tokens(tok_builder *builder, const ranks *r, const tok_token_list *specials, buffer *out)
{
	tfm_context *context = builder->context;
	bool first = true;

	for (size_t i = 0; i < r->count; i++, first = false)
	{
		const ranked *token = &r->items[i];

		buffer_append_string(context, out, first ? "" : ",");
		json_append_string(context, out, token->text, token->length);
		if (!buffer_printf(context, out, ":%u", token->rank + r->offset))
			return false;
	}
	for (size_t i = 0; specials != NULL && i < specials->count; i++, first = false)
	{
		buffer_append_string(context, out, first ? "" : ",");
		json_append_string(context, out, specials->items[i].content,
						   strlen(specials->items[i].content));
		buffer_printf(context, out, ":%zu", i);
	}
	return !tfm_failed(context);
}

static bool
write_model(tok_builder *builder, const ranks *r, const tok_token_list *specials, buffer *out)
{
	tfm_context *context = builder->context;

	buffer_append_string(context, out,
						 "],\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
						 "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
						 "\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":true,"
						 "\"vocab\":{");
	return write_tokens(builder, r, specials, out) && buffer_append_string(context, out, "},") &&
		   write_merges(builder, r, out) && buffer_append_string(context, out, "}}");
}

/* Lines of a token in base 64 and its rank. */
static bool
read_lines(tok_builder *builder, tfm_text file, const char *source, ranks *r)
{
	size_t lines = 1, line = 0;

	for (size_t i = 0; i < file.length; i++)
		lines += file.data[i] == '\n';
	r->items = tfm_alloc_array(builder->context, lines, sizeof(ranked));
	if (r->items == NULL)
		return false;
	for (size_t start = 0; start < file.length; line++)
	{
		const char *text = file.data + start;
		const char *end = memchr(text, '\n', file.length - start);
		size_t length = end == NULL ? file.length - start : (size_t) (end - text);
		const char *space = memchr(text, ' ', length);
		char digits[16] = "", *rest = digits;
		size_t digit_count = space == NULL ? 0 : length - (size_t) (space + 1 - text);
		unsigned long rank;

		start += length + 1;
		if (length == 0 || (length == 1 && text[0] == '\r'))
			continue;
		if (digit_count > 0 && digit_count < sizeof(digits))
			memcpy(digits, space + 1, digit_count);
		rank = strtoul(digits, &rest, 10);
		if (rest == digits || (*rest != '\0' && *rest != '\r') || rank >= INT32_MAX / 2 ||
			!read_base64(builder, text, (size_t) (space - text), &r->items[r->count]))
			return tfm_fail(builder->context, TFM_CORRUPTED,
							"\"%s\": line %zu is not a token in base 64 and its rank", source,
							line + 1);
		r->items[r->count++].rank = (uint32_t) rank;
		if ((line & 0xFFF) == 0 && tfm_stopped(builder->context))
			return false;
	}
	return index_ranks(builder, r);
}

bool
tok_write_ranks(tok_builder *builder, tfm_text file, const char *source, buffer *out)
{
	tfm_context *context = builder->context;
	ranks r = {.items = NULL};

	if (!read_lines(builder, file, source, &r))
		return false;
	buffer_append_string(context, out, "{\"vocab\":{");
	return write_tokens(builder, &r, NULL, out) && buffer_append_string(context, out, "},") &&
		   write_merges(builder, &r, out) && buffer_append_string(context, out, "}");
}

/*
 * Special tokens behind the ranks: those of added_tokens_decoder with what fills the gaps between
 * their ids, then the others that the files list.
 */
static bool
write_specials(tok_builder *builder, size_t base, buffer *out)
{
	json decoder = json_member(builder->files->config, "added_tokens_decoder");
	tok_token_list specials = {.items = NULL};
	int64_t last = 0;

	for (json item = json_first(decoder); json_present(item); item = json_next(item))
		last = strtoll(json_key(item), NULL, 10) > last ? strtoll(json_key(item), NULL, 10) : last;
	if (last > (int64_t) base + 1000000)
		return tfm_fail(builder->context, TFM_LIMIT_EXCEEDED, "\"%s\": token id %lld is too large",
						builder->files->config.source, (long long) last);
	for (int64_t id = (int64_t) base; last >= (int64_t) base && id <= last; id++)
	{
		char *key = tfm_sprintf(builder->context, "%lld", (long long) id);
		json token = key == NULL ? decoder : json_member(decoder, key);
		const char *content = json_as_string(json_member(token, "content"));

		if (*content == '\0')
			content = tfm_sprintf(builder->context, "<|reserved_token_%lld|>", (long long) id);
		if (content == NULL || !tok_append_plain(builder, &specials, content) ||
			!append_special(builder->context, out, content))
			return false;
	}
	for (size_t i = 0; builder->has_extras && i < builder->extras.count; i++)
		if (!tok_has_token(&specials, builder->extras.items[i].content) &&
			!append_special(builder->context, out, builder->extras.items[i].content))
			return false;
	return true;
}

bool
tok_write_tiktoken(tok_builder *builder, tfm_text file, const char *source, buffer *out)
{
	static const char pattern[] =
		"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
		" ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
	ranks r = {.items = NULL};

	return read_lines(builder, file, source, &r) && begin_file(builder, pattern, out) &&
		   write_specials(builder, r.count, out) && write_model(builder, &r, NULL, out);
}

/* The special tokens of a tekken.json, by rank, filled up to as many as it is to have. */
static bool
read_tekken_specials(tok_builder *builder, json tekken, tok_token_list *specials, int64_t wanted)
{
	tfm_context *context = builder->context;
	/* Of files that do not list them. */
	static const char *const older[] = {
		"<unk>",
		"<s>",
		"</s>",
		"[INST]",
		"[/INST]",
		"[AVAILABLE_TOOLS]",
		"[/AVAILABLE_TOOLS]",
		"[TOOL_RESULTS]",
		"[/TOOL_RESULTS]",
		"[TOOL_CALLS]",
		"[IMG]",
		"<pad>",
		"[IMG_BREAK]",
		"[IMG_END]",
		"[PREFIX]",
		"[MIDDLE]",
		"[SUFFIX]",
		"[SYSTEM_PROMPT]",
		"[/SYSTEM_PROMPT]",
		"[TOOL_CONTENT]",
	};
	json list = json_member(tekken, "special_tokens");
	size_t count = json_size(list);
	const char **names = tfm_alloc_zero(context, (count + 1) * sizeof(char *));

	if (names == NULL)
		return false;
	for (size_t i = 0; !json_is_array(list) && i < sizeof(older) / sizeof(older[0]); i++)
		if (!tok_append_plain(builder, specials, older[i]))
			return false;
	for (json item = json_first(list); json_present(item); item = json_next(item))
	{
		int64_t rank = json_require_int(context, item, "rank", 0, (int64_t) count - 1);
		const char *name = json_require_string(context, item, "token_str");

		if (tfm_failed(context))
			return false;
		names[rank] = name;
	}
	for (size_t i = 0; i < count; i++)
		if (names[i] == NULL)
			return tfm_fail(context, TFM_CORRUPTED,
							"\"%s\": the ranks of \"special_tokens\" must be contiguous",
							tekken.source);
		else if (!tok_append_plain(builder, specials, names[i]))
			return false;
	for (int64_t i = (int64_t) specials->count; i < wanted; i++)
		if (!tok_append_plain(builder, specials,
							  tfm_sprintf(context, "<SPECIAL_%lld>", (long long) i)))
			return false;
	return true;
}

/* The first tokens of a tekken.json; their ranks are their places. */
static bool
read_tekken_ranks(tok_builder *builder, json tekken, int64_t limit, ranks *r)
{
	json vocabulary = json_member(tekken, "vocab");

	r->items = tfm_alloc_array(builder->context, json_size(vocabulary), sizeof(ranked));
	if (r->items == NULL)
		return false;
	for (json item = json_first(vocabulary); json_present(item) && (int64_t) r->count < limit;
		 item = json_next(item))
	{
		const char *digits = json_require_string(builder->context, item, "token_bytes");

		if (tfm_failed(builder->context) ||
			!read_base64(builder, digits, strlen(digits), &r->items[r->count]))
			return tfm_fail(builder->context, TFM_CORRUPTED,
							"\"%s\": \"token_bytes\" of token %zu is not text of base 64",
							tekken.source, r->count);
		r->items[r->count].rank = (uint32_t) r->count;
		r->count++;
	}
	return index_ranks(builder, r);
}

bool
tok_write_tekken(tok_builder *builder, json tekken, buffer *out)
{
	tfm_context *context = builder->context;
	json config = json_member(tekken, "config");
	const char *pattern = json_require_string(context, config, "pattern");
	int64_t specials_count =
		json_int(context, config, "default_num_special_tokens", -1, 0, 1000000);
	int64_t size = json_int(context, config, "default_vocab_size", INT32_MAX, 0, INT32_MAX);
	tok_token_list specials = {.items = NULL};
	ranks r = {.items = NULL};

	if (tfm_failed(context) || !read_tekken_specials(builder, tekken, &specials, specials_count))
		return false;
	if (specials_count < 0)
		specials_count = (int64_t) specials.count;
	r.offset = (uint32_t) specials_count;
	if (!read_tekken_ranks(builder, tekken, size - specials_count, &r) ||
		!begin_file(builder, pattern, out))
		return false;
	for (size_t i = 0; i < specials.count; i++)
		if (!append_special(context, out, specials.items[i].content))
			return false;
	return write_model(builder, &r, &specials, out);
}
