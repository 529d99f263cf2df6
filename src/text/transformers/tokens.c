/*
 * tokens.c
 *	  Special and added tokens: what the files and the class say of them, and in which order they are
 *	  added.
 *
 * Follows PreTrainedTokenizerBase._from_pretrained, its __init__, and TokenizersBackend.__init__
 * (transformers/tokenization_utils_base.py, tokenization_utils_tokenizers.py).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/transformers/class.h"

#include <stdlib.h>
#include <string.h>

/* SPECIAL_TOKENS_ATTRIBUTES: the names that every tokenizer has, in this order. */
static const char *const attributes[] = {"bos_token", "eos_token", "unk_token", "sep_token",
										 "pad_token", "cls_token", "mask_token"};

#define ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

/* Of an AddedToken that was not told whether it is normalized: it is if it is not special. */
#define OPEN 0x100u

static bool
is_attribute(const char *name)
{
	for (size_t i = 0; i < ATTRIBUTES; i++)
		if (strcmp(attributes[i], name) == 0)
			return true;
	return false;
}

static bool
is_token_name(const char *name)
{
	size_t length = strlen(name);

	return length > 6 && strcmp(name + length - 6, "_token") == 0;
}

/*
 * Lists of tokens, with a table of the last place of each content
 */

static uint32_t
hash_content(const char *content)
{
	uint32_t hash = 2166136261u;

	for (; *content != '\0'; content++)
		hash = (hash ^ (unsigned char) *content) * 16777619u;
	return hash;
}

/* The slot of a content: 0 in it, or the place of the token plus 1. */
static uint32_t *
find_slot(const tok_token_list *list, const char *content)
{
	uint32_t mask = (uint32_t) (list->capacity * 2) - 1;
	uint32_t at = hash_content(content) & mask;

	while (list->slots[at] != 0 && strcmp(list->items[list->slots[at] - 1].content, content) != 0)
		at = (at + 1) & mask;
	return &list->slots[at];
}

/* Room for one more; capacities are powers of two, with two slots for each item. */
static bool
grow_list(tok_builder *builder, tok_token_list *list)
{
	tok_token_list larger = {.count = list->count,
							 .capacity = list->capacity == 0 ? 16 : list->capacity * 2};

	if (list->count < list->capacity)
		return true;
	if (larger.capacity > (size_t) 1 << 24)
		return tfm_fail(builder->context, TFM_LIMIT_EXCEEDED,
						"\"%s\": there are too many added tokens", builder->files->config.source);
	larger.items = tfm_alloc_array(builder->context, larger.capacity, sizeof(tok_token));
	larger.slots = tfm_alloc_zero(builder->context, larger.capacity * 2 * sizeof(uint32_t));
	if (larger.items == NULL || larger.slots == NULL)
		return false;
	if (list->count > 0)
		memcpy(larger.items, list->items, list->count * sizeof(tok_token));
	for (size_t i = 0; i < list->count; i++)
		*find_slot(&larger, larger.items[i].content) = (uint32_t) i + 1;
	*list = larger;
	return !tfm_stopped(builder->context);
}

bool
tok_append_token(tok_builder *builder, tok_token_list *list, tok_token token)
{
	if (token.content == NULL)
		return !tfm_failed(builder->context);
	if (!grow_list(builder, list))
		return false;
	list->items[list->count++] = token;
	*find_slot(list, token.content) = (uint32_t) list->count;
	return true;
}

bool
tok_append_plain(tok_builder *builder, tok_token_list *list, const char *content)
{
	return tok_append_token(builder, list, (tok_token) {.content = content, .plain = true});
}

/* The last token with a content; NULL if there is none. */
static const tok_token *
find_token(const tok_token_list *list, const char *content)
{
	uint32_t slot = list->count == 0 ? 0 : *find_slot(list, content);

	return slot == 0 ? NULL : &list->items[slot - 1];
}

bool
tok_has_token(const tok_token_list *list, const char *content)
{
	return find_token(list, content) != NULL;
}

/* The flags as they count. */
static unsigned
settle(unsigned flags)
{
	if ((flags & OPEN) != 0 && (flags & TOK_ADDED_SPECIAL) == 0)
		flags |= TOK_ADDED_NORMALIZED;
	return flags & ~OPEN;
}

static bool
same_token(const tok_token *one, const tok_token *other)
{
	return one->plain == other->plain && settle(one->flags) == settle(other->flags);
}

/*
 * Values
 */

/* AddedToken(content, ...): what it is not told, it takes from special. */
static tok_token
read_token(tok_builder *builder, json value, bool special)
{
	tfm_context *context = builder->context;
	tok_token token = {.content = NULL};

	if (json_is_string(value))
		return (tok_token) {.content = json_as_string(value), .plain = true};
	if (!json_is_object(value) || !json_is_string(json_member(value, "content")))
		return token;
	token.content = json_as_string(json_member(value, "content"));
	special = json_bool(context, value, "special", special);
	token.flags = (json_bool(context, value, "single_word", false) ? TOK_ADDED_SINGLE_WORD : 0) |
				  (json_bool(context, value, "lstrip", false) ? TOK_ADDED_LSTRIP : 0) |
				  (json_bool(context, value, "rstrip", false) ? TOK_ADDED_RSTRIP : 0) |
				  (json_bool(context, value, "normalized", false) ? TOK_ADDED_NORMALIZED : 0) |
				  (json_present(json_member(value, "normalized")) ? 0 : OPEN) |
				  (special ? TOK_ADDED_SPECIAL : 0);
	return token;
}

/* A member even if it is null, which json_member does not tell from nothing. */
static bool
has_key(json object, const char *key)
{
	for (json item = json_first(object); json_present(item); item = json_next(item))
		if (strcmp(json_key(item), key) == 0)
			return true;
	return false;
}

static bool
append_list(tok_builder *builder, tok_token_list *list, json values, bool special)
{
	for (json item = json_first(values); json_present(item); item = json_next(item))
		if (!tok_append_token(builder, list, read_token(builder, item, special)))
			return false;
	return true;
}

/*
 * The tokens that stand with their ids: "added_tokens_decoder", or the older files
 */

typedef struct numbered_token
{
	int64_t id;
	size_t place;
	tok_token token;
} numbered_token;

static int
compare_numbers(const void *left, const void *right)
{
	const numbered_token *a = left, *b = right;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

/* Sort by ids; of several with an id the last counts. */
static bool
list_numbered(tok_builder *builder, numbered_token *tokens, size_t count)
{
	if (count > 1)
		qsort(tokens, count, sizeof(numbered_token), compare_numbers);
	for (size_t i = 0; i < count; i++)
		if ((i + 1 == count || tokens[i + 1].id != tokens[i].id) &&
			!tok_append_token(builder, &builder->listed, tokens[i].token))
			return false;
	return true;
}

static bool
read_decoder(tok_builder *builder, json decoder)
{
	size_t count = 0;
	numbered_token *tokens =
		tfm_alloc_array(builder->context, json_size(decoder), sizeof(numbered_token));

	if (tokens == NULL)
		return false;
	for (json item = json_first(decoder); json_present(item); item = json_next(item), count++)
	{
		tokens[count] = (numbered_token) {.id = strtoll(json_key(item), NULL, 10),
										  .place = count,
										  .token = read_token(builder, item, false)};
		if (tokens[count].token.content == NULL || tokens[count].token.plain)
			return tfm_fail(builder->context, TFM_CORRUPTED,
							"\"%s\": a token of \"added_tokens_decoder\" has no content",
							decoder.source);
	}
	return list_numbered(builder, tokens, count);
}

/* Whether the files (not the class) name a token special. */
static bool
is_special_by_files(tok_builder *builder, const char *content)
{
	for (size_t i = 0; i < ATTRIBUTES; i++)
	{
		json value = json_member(builder->files->special_tokens_map, attributes[i]);
		tok_token token;

		if (!json_present(value))
			value = json_member(builder->files->config, attributes[i]);
		token = read_token(builder, value, true);
		if (token.content != NULL && strcmp(token.content, content) == 0)
			return true;
	}
	return builder->has_extras && tok_has_token(&builder->extras, content);
}

/* added_tokens.json, then the added tokens of tokenizer.json. */
static bool
read_older_files(tok_builder *builder)
{
	json before = builder->files->added_tokens;
	json own = json_member(builder->files->tokenizer, "added_tokens");
	size_t count = 0;
	numbered_token *tokens = tfm_alloc_array(builder->context, json_size(before) + json_size(own),
											 sizeof(numbered_token));

	if (tokens == NULL)
		return false;
	for (json item = json_first(before); json_present(item); item = json_next(item), count++)
	{
		bool special = is_special_by_files(builder, json_key(item));

		tokens[count] = (numbered_token) {
			.id = (int64_t) json_as_number(item),
			.place = count,
			.token = {.content = json_key(item),
					  .flags = special ? TOK_ADDED_SPECIAL : TOK_ADDED_NORMALIZED},
		};
	}
	for (json item = json_first(own); json_present(item); item = json_next(item), count++)
	{
		int64_t id = json_int(builder->context, item, "id", (int64_t) count, 0, INT32_MAX - 1);

		tokens[count] =
			(numbered_token) {.id = id, .place = count, .token = read_token(builder, item, false)};
		if (tfm_failed(builder->context))
			return false;
	}
	return list_numbered(builder, tokens, count);
}

/*
 * Named tokens
 */

static bool
name_token(tok_builder *builder, const char *name, tok_token token)
{
	for (size_t i = 0; i < builder->named_count; i++)
		if (strcmp(builder->named[i].name, name) == 0)
		{
			builder->named[i].token = token;
			return true;
		}
	if (builder->named_count == builder->named_capacity)
		return tfm_fail(builder->context, TFM_LIMIT_EXCEEDED,
						"\"%s\": there are too many named special tokens",
						builder->files->config.source);
	builder->named[builder->named_count++] = (tok_named_token) {.name = name, .token = token};
	return !tfm_failed(builder->context);
}

/* A token that the files name, as the listed one with its content; then what the class makes of it. */
static tok_token
find_attribute(tok_builder *builder, const char *name)
{
	const tok_files *files = builder->files;
	json own = json_member(builder->defaults, name);
	json of_map = json_member(files->special_tokens_map, name);
	tok_token token = read_token(builder, own, false);
	const tok_token *listed;

	if (json_present(of_map))
		token = read_token(builder, of_map, true);
	else if (has_key(files->config, name))
		token = read_token(builder, json_member(files->config, name), false);
	else
		return token;
	listed = token.content == NULL ? NULL : find_token(&builder->listed, token.content);
	if (listed != NULL)
		return *listed;
	if (token.content != NULL && token.plain && json_is_object(own))
	{
		token.plain = false;
		token.flags = read_token(builder, own, false).flags;
	}
	return token;
}

/* Names beside the attributes: those of an object. */
static bool
name_all(tok_builder *builder, json object, bool tokens_only)
{
	for (json item = json_first(object); json_present(item); item = json_next(item))
	{
		tok_token token;

		if (tokens_only && (!is_token_name(json_key(item)) || is_attribute(json_key(item))))
			continue;
		token = read_token(builder, item, false);
		if (token.content != NULL && !name_token(builder, json_key(item), token))
			return false;
	}
	return true;
}

static bool
find_named(tok_builder *builder)
{
	const tok_files *files = builder->files;
	json extra = json_member(files->config, "extra_special_tokens");
	json map_extra = json_member(files->special_tokens_map, "extra_special_tokens");
	json specific = json_member(files->config, "model_specific_special_tokens");

	builder->named_capacity = ATTRIBUTES + json_size(files->config) + json_size(extra) +
							  json_size(specific) + json_size(files->special_tokens_map) +
							  json_size(map_extra) + json_size(builder->defaults);
	builder->named =
		tfm_alloc_array(builder->context, builder->named_capacity, sizeof(tok_named_token));
	if (builder->named == NULL)
		return false;
	for (size_t i = 0; i < ATTRIBUTES; i++)
		if (!name_token(builder, attributes[i], find_attribute(builder, attributes[i])))
			return false;
	return name_all(builder, builder->defaults, true) &&
		   name_all(builder, files->special_tokens_map, true) &&
		   name_all(builder, specific, false) && name_all(builder, files->config, true) &&
		   (!json_is_object(extra) || name_all(builder, extra, false)) &&
		   (!json_is_object(map_extra) || name_all(builder, map_extra, false));
}

const char *
tok_named_content(const tok_builder *builder, const char *name)
{
	for (size_t i = 0; i < builder->named_count; i++)
		if (strcmp(builder->named[i].name, name) == 0)
			return builder->named[i].token.content;
	return NULL;
}

const char *
tok_content_or(const tok_builder *builder, const char *name, const char *fallback)
{
	const char *content = tok_named_content(builder, name);

	if (!has_key(builder->files->config, name) &&
		!has_key(builder->files->special_tokens_map, name))
		return fallback;
	return content == NULL ? "None" : content; /* str(None) */
}

/* A special token that a SentencePiece model names, where the files do not. */
bool
tok_name_default(tok_builder *builder, const char *name, const char *content)
{
	tok_token token = {.content = content, .plain = true};

	return has_key(builder->files->config, name) ||
		   has_key(builder->files->special_tokens_map, name) || name_token(builder, name, token);
}

/* Lists of further special tokens, by their new and their old name, as the class is given them. */
static bool
find_given(tok_builder *builder)
{
	const tok_files *files = builder->files;
	json extra = json_member(files->config, "extra_special_tokens");
	json additional = json_member(files->config, "additional_special_tokens");
	json map_extra = json_member(files->special_tokens_map, "extra_special_tokens");
	json map_additional = json_member(files->special_tokens_map, "additional_special_tokens");

	builder->has_extras = has_key(files->config, "extra_special_tokens") && !json_is_object(extra);
	if (has_key(files->config, "additional_special_tokens") && json_size(extra) == 0)
	{
		extra = additional;
		additional = (json) {.node = NULL};
		builder->has_extras = true;
	}
	if (json_is_array(map_extra))
		builder->has_extras = true;
	if (json_present(map_additional))
		additional = map_additional;
	builder->has_given = json_present(additional);
	return (!json_is_array(extra) || append_list(builder, &builder->extras, extra, false)) &&
		   (!json_is_array(map_extra) || append_list(builder, &builder->extras, map_extra, true)) &&
		   append_list(builder, &builder->given, additional, true);
}

bool
tok_find_tokens(tok_builder *builder)
{
	json decoder = json_member(builder->files->config, "added_tokens_decoder");

	return find_given(builder) &&
		   (json_is_object(decoder) ? read_decoder(builder, decoder) : read_older_files(builder)) &&
		   find_named(builder) && !tfm_failed(builder->context);
}

/* What the class itself adds to the list that it was given (additional_special_tokens). */
bool
tok_find_extras(tok_builder *builder)
{
	const tok_class *class = builder->class;
	json own = class->extras == NULL ? (json) {.node = NULL}
									 : json_parse(builder->context, class->extras,
												  strlen(class->extras), class->name);
	bool always = (class->flags & TOK_CLASS_EXTRAS_ALWAYS) != 0;
	tok_token_list list = {.items = NULL};

	if (builder->has_extras && !always)
		return !tfm_failed(builder->context);
	if (class->list_extras != NULL)
		return class->list_extras(builder);
	if ((class->flags & TOK_CLASS_EXTRAS_REPLACE) != 0 && builder->has_given)
		own = (json) {.node = NULL};
	if (always)
		list = builder->extras;
	for (size_t i = 0; i < builder->given.count; i++)
		if (!tok_append_token(builder, &list, builder->given.items[i]))
			return false;
	for (json item = json_first(own); json_present(item); item = json_next(item))
	{
		tok_token token = read_token(builder, item, false);

		if (!tok_has_token(&list, token.content) && !tok_append_token(builder, &list, token))
			return false;
	}
	builder->extras = list;
	return !tfm_failed(builder->context);
}

/*
 * Writing
 */

static bool
is_named(const tok_builder *builder, const char *content)
{
	for (size_t i = 0; i < builder->named_count; i++)
		if (builder->named[i].token.content != NULL &&
			strcmp(builder->named[i].token.content, content) == 0)
			return true;
	return false;
}

static bool
write_token(tok_builder *builder, tok_token token)
{
	static const struct
	{
		const char *name;
		unsigned flag;
	} flags[] = {{"single_word", TOK_ADDED_SINGLE_WORD},
				 {"lstrip", TOK_ADDED_LSTRIP},
				 {"rstrip", TOK_ADDED_RSTRIP},
				 {"normalized", TOK_ADDED_NORMALIZED},
				 {"special", TOK_ADDED_SPECIAL}};
	buffer *out = builder->out;

	token.flags = settle(token.flags);
	buffer_append_string(builder->context, out, out->data[out->length - 1] == '[' ? "{" : ",{");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		buffer_printf(builder->context, out, "\"%s\":%s,", flags[i].name,
					  (token.flags & flags[i].flag) != 0 ? "true" : "false");
	buffer_append_string(builder->context, out, "\"content\":");
	return tok_append_quoted(builder, token.content) &&
		   buffer_append_string(builder->context, out, "}");
}

/* A token as add_tokens gets it. */
static bool
write_new(tok_builder *builder, tok_token token)
{
	if (token.plain || is_named(builder, token.content))
		token.flags |= TOK_ADDED_SPECIAL;
	return write_token(builder, token);
}

/* Special tokens that were not added yet. */
static bool
append_missing(tok_builder *builder, tok_token_list *added, size_t known, tok_token token)
{
	const tok_token *before;

	if (token.content == NULL)
		return true;
	before = find_token(added, token.content);
	if (before != NULL && ((size_t) (before - added->items) < known || same_token(before, &token)))
		return true;
	return tok_append_token(builder, added, token);
}

/* What TokenizersBackend.__init__ adds: the listed, the named, the further special tokens. */
static bool
write_missing(tok_builder *builder, const tok_token_list *present)
{
	tok_token_list added = {.items = NULL};
	size_t known;

	for (size_t i = 0; i < present->count; i++)
		if (!tok_append_token(builder, &added, present->items[i]))
			return false;
	for (size_t i = 0; i < builder->listed.count; i++)
	{
		const tok_token *token = &builder->listed.items[i];
		const tok_token *before = find_token(present, token->content);

		if ((before == NULL || !same_token(before, token)) &&
			!tok_append_token(builder, &added, *token))
			return false;
	}
	known = added.count;
	for (size_t i = 0; i < builder->named_count; i++)
		if (!append_missing(builder, &added, known, builder->named[i].token))
			return false;
	for (size_t i = 0; i < builder->extras.count; i++)
		if (!append_missing(builder, &added, known, builder->extras.items[i]))
			return false;
	for (size_t i = present->count; i < added.count; i++)
		if (!write_new(builder, added.items[i]))
			return false;
	return true;
}

/* Named and further special tokens once more: as plain strings, or as they are. */
static bool
write_again(tok_builder *builder, bool plain)
{
	for (size_t i = 0; i < builder->named_count + builder->extras.count; i++)
	{
		tok_token token = i < builder->named_count
							  ? builder->named[i].token
							  : builder->extras.items[i - builder->named_count];

		if (token.content == NULL)
			continue;
		token.flags = (plain || token.plain ? 0 : token.flags) | TOK_ADDED_SPECIAL;
		if (!write_token(builder, token))
			return false;
	}
	return true;
}

/* A token of tokenizer.json has all that an added token has. */
static bool
check_present(tok_builder *builder, json list)
{
	static const char *const keys[] = {"single_word", "lstrip", "rstrip", "normalized", "special"};

	for (json item = json_first(list); json_present(item); item = json_next(item))
	{
		json_require_string(builder->context, item, "content");
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (!json_present(json_member(item, keys[i])))
				tfm_fail(builder->context, TFM_CORRUPTED, "\"%s\": key \"%s\" is missing",
						 list.source, keys[i]);
		if (tfm_failed(builder->context))
			return false;
	}
	return true;
}

bool
tok_write_added(tok_builder *builder)
{
	bool as_is = (builder->class->flags & TOK_CLASS_AS_IS) != 0;
	json own = json_member(
		json_present(builder->whole) ? builder->whole : builder->files->tokenizer, "added_tokens");
	tok_token_list present = {.items = NULL};

	buffer_append_string(builder->context, builder->out, "\"added_tokens\":[");
	if ((as_is || json_present(builder->whole)) &&
		(!check_present(builder, own) || !append_list(builder, &present, own, false)))
		return false;
	for (size_t i = 0; i < present.count; i++)
		if (!write_token(builder, present.items[i]))
			return false;
	if (!write_missing(builder, &present))
		return false;
	if ((builder->class->flags & TOK_CLASS_ADDS_AGAIN) != 0 && !write_again(builder, true))
		return false;
	if ((builder->class->flags & TOK_CLASS_POST_INIT) != 0 && !write_again(builder, false))
		return false;
	return buffer_append_string(builder->context, builder->out, "],");
}

bool
tok_knows_token(const tok_builder *builder, const char *content)
{
	bool pairs = json_is_array(builder->vocabulary);

	if (tok_has_token(&builder->listed, content) || tok_has_token(&builder->extras, content) ||
		is_named(builder, content))
		return true;
	for (json item = json_first(builder->vocabulary); json_present(item); item = json_next(item))
		if (strcmp(pairs ? json_as_string(json_first(item)) : json_key(item), content) == 0)
			return true;
	return false;
}
