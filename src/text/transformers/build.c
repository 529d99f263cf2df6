/*
 * build.c
 *	  A class and the files of a directory, made into one tokenizer.json.
 *
 * What is small is written as text, what is large (vocabulary, merges) is taken over from the parsed
 * file as it lies.  Follows the __init__ of the classes and TokenizersBackend.__init__
 * (transformers/tokenization_utils_tokenizers.py).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/python.h"

#include <stdio.h>
#include <string.h>

#define MODEL_MAX_LENGTH_SENTINEL 1e9 /* Transformers writes 1e30 for "no limit" */

/*
 * Options
 */

json
tok_option(const tok_builder *builder, const char *name)
{
	json value = json_member(builder->files->special_tokens_map, name);

	if (!json_present(value))
		value = json_member(builder->files->config, name);
	return json_present(value) ? value : json_member(builder->defaults, name);
}

bool
tok_bool_option(const tok_builder *builder, const char *name, bool fallback)
{
	bool own = json_bool(builder->context, builder->defaults, name, fallback);

	return json_bool(builder->context, builder->files->config, name, own);
}

const char *
tok_string_option(const tok_builder *builder, const char *name)
{
	json value = tok_option(builder, name);

	return json_is_string(value) ? json_as_string(value) : NULL;
}

/*
 * The parts
 */

/* The file whose parts are taken as they are; absent if the class has its own. */
static json
source_of(const tok_builder *builder)
{
	if (json_present(builder->whole))
		return builder->whole;
	if ((builder->class->flags & TOK_CLASS_AS_IS) != 0)
		return builder->files->tokenizer;
	return (json) {.node = NULL};
}

static bool
write_part(tok_builder *builder, const char *name, const char *template)
{
	buffer_printf(builder->context, builder->out, "\"%s\":", name);
	return tok_expand(builder, template == NULL ? "null" : template) &&
		   buffer_append_string(builder->context, builder->out, ",");
}

/* The post-processor that tells the beginning and the end (update_post_processor). */
static bool
write_bounds(tok_builder *builder)
{
	bool from_files = !json_present(builder->files->tokenizer);
	json defaults = builder->defaults;
	bool bos = json_bool(builder->context, defaults, "add_bos_token", false);
	bool eos = json_bool(builder->context, defaults, "add_eos_token", false);
	char single[64], pair[128];

	if (from_files)
	{
		bos = json_bool(builder->context, builder->files->config, "add_bos_token", bos);
		eos = json_bool(builder->context, builder->files->config, "add_eos_token", eos);
	}
	bos = bos && tok_named_content(builder, "bos_token") != NULL;
	eos = eos && tok_named_content(builder, "eos_token") != NULL;
	snprintf(single, sizeof(single), "%sA%s", bos ? "bos " : "", eos ? " eos" : "");
	snprintf(pair, sizeof(pair), "%s%s B:1%s", single, bos ? " bos:1" : "", eos ? " eos:1" : "");
	return tok_write_layouts(builder, single, pair);
}

/* Whether add_bos_token or add_eos_token was given; with a tokenizer.json the files' do not count. */
static bool
has_bounds(const tok_builder *builder)
{
	static const char *const names[] = {"add_bos_token", "add_eos_token"};

	for (size_t i = 0; i < 2; i++)
		if (json_present(json_member(builder->defaults, names[i])) ||
			(!json_present(builder->files->tokenizer) &&
			 json_present(json_member(builder->files->config, names[i]))))
			return true;
	return false;
}

static bool
write_own_post(tok_builder *builder)
{
	const tok_class *class = builder->class;

	if (class->write_post != NULL)
		return class->write_post(builder);
	if (class->single != NULL)
		return tok_write_layouts(builder, class->single, class->pair);
	return tok_expand(builder, class->post_processor);
}

/* Write the post-processor; *graft is the one to be taken over instead. */
static bool
write_post(tok_builder *builder, json *graft)
{
	const tok_class *class = builder->class;
	bool own = class->write_post != NULL || class->single != NULL || class->post_processor != NULL;
	bool last = own && (class->flags & TOK_CLASS_POST_BEFORE) == 0;
	json present = builder->post_processor;

	if (!json_present(present))
		present = json_member(builder->whole, "post_processor");
	*graft = (json) {.node = NULL};
	/* A tokenizer.json alone is the library's: Transformers would give it a layout. */
	if (builder->files->directory == NULL && !json_present(builder->files->config) &&
		json_present(builder->files->tokenizer))
	{
		*graft = present;
		return true;
	}
	if ((class->flags & TOK_CLASS_POST_FOR_POST) != 0)
		last = json_present(present) && !has_bounds(builder);
	if (!last && !has_bounds(builder) && (class->flags & TOK_CLASS_UPDATES_POST) == 0)
	{
		*graft = present;
		if (json_present(present))
			return true;
		last = own && (class->flags & TOK_CLASS_POST_FOR_POST) == 0;
	}
	buffer_append_string(builder->context, builder->out, "\"post_processor\":");
	return (last ? write_own_post(builder) : write_bounds(builder)) &&
		   buffer_append_string(builder->context, builder->out, ",");
}

/* Where Unigram's unknown piece stands. */
static int64_t
find_unk_id(const tok_builder *builder)
{
	const tok_class *class = builder->class;
	const char *content = tok_named_content(builder, "unk_token");
	bool by_option = class->unk_rule == TOK_UNK_BY_OPTION || class->unk_rule == TOK_UNK_BY_ENTRY;
	int64_t id = 0, fallback = class->unk_id;

	if (class->unk_rule == TOK_UNK_FIXED)
		return class->unk_id;
	if (by_option)
		fallback = builder->unk_id >= 0 ? builder->unk_id
										: json_int(builder->context, builder->files->config,
												   "unk_id", class->unk_id, 0, INT32_MAX);
	if (class->unk_rule == TOK_UNK_BY_OPTION || content == NULL)
		return fallback;
	for (json item = json_first(builder->vocabulary); json_present(item);
		 item = json_next(item), id++)
		if (strcmp(json_as_string(json_first(item)), content) == 0 &&
			(class->unk_rule == TOK_UNK_BY_TOKEN ||
			 json_as_number(json_next(json_first(item))) == 0))
			return id;
	return fallback;
}

/* The model but for its vocabulary and merges, which are taken over. */
static bool
write_model(tok_builder *builder)
{
	const char *type = builder->class->model;
	tfm_context *context = builder->context;

	if (type == NULL)
		type = json_is_array(builder->vocabulary) ? "Unigram" : "BPE";
	buffer_printf(context, builder->out, "\"model\":{\"type\":\"%s\"", type);
	if (strcmp(type, "Unigram") == 0)
		return buffer_printf(context, builder->out, ",\"unk_id\":%lld,\"byte_fallback\":false}",
							 (long long) find_unk_id(builder));
	if (builder->class->model_options != NULL &&
		(!buffer_append_string(context, builder->out, ",") ||
		 !tok_expand(builder, builder->class->model_options)))
		return false;
	if (strcmp(type, "BPE") == 0 && !json_present(builder->merges))
		buffer_append_string(context, builder->out, ",\"merges\":[]");
	return buffer_append_string(context, builder->out, "}");
}

static bool
write_own_parts(tok_builder *builder)
{
	const tok_class *class = builder->class;

	return write_part(builder, "normalizer", class->normalizer) &&
		   write_part(builder, "pre_tokenizer", class->pre_tokenizer) &&
		   write_part(builder, "decoder", class->decoder) && write_model(builder);
}

/* Take over what is there; an absent part stays absent. */
static bool
graft_parts(tok_builder *builder, json source, json root)
{
	static const char *const parts[] = {"normalizer", "pre_tokenizer", "decoder", "model"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
	{
		json part = json_member(source, parts[i]);

		if (json_present(part) && !json_graft(builder->context, root, parts[i], part))
			return false;
	}
	return true;
}

static bool
graft_vocabulary(tok_builder *builder, json root)
{
	json model = json_member(root, "model");

	return (!json_present(builder->vocabulary) ||
			json_graft(builder->context, model, "vocab", builder->vocabulary)) &&
		   (!json_present(builder->merges) || json_member(root, "model").node == NULL ||
			json_present(json_member(model, "merges")) ||
			json_graft(builder->context, model, "merges", builder->merges));
}

/* The tokenizer.json. */
static bool
write_file(tok_builder *builder, json *root)
{
	json source = source_of(builder), post;
	bool own = !json_present(source);
	const char *name = json_present(builder->files->tokenizer) ? builder->files->tokenizer.source
					   : own								   ? builder->vocabulary.source
															   : source.source;

	builder->out = buffer_create(builder->context);
	if (builder->out == NULL || !buffer_append_string(builder->context, builder->out, "{") ||
		!tok_write_added(builder) || !write_post(builder, &post) ||
		(own && !write_own_parts(builder)))
		return false;
	if (builder->out->data[builder->out->length - 1] == ',')
		builder->out->length--;
	if (!buffer_append_string(builder->context, builder->out, "}"))
		return false;
	*root = json_parse(builder->context, builder->out->data, builder->out->length, name);
	if (tfm_failed(builder->context) ||
		(json_present(post) && !json_graft(builder->context, *root, "post_processor", post)))
		return false;
	return own ? graft_vocabulary(builder, *root) : graft_parts(builder, source, *root);
}

/*
 * What else there is to know
 */

static int64_t
find_max_length(const tok_builder *builder)
{
	json length = tok_option(builder, "model_max_length");

	if (!json_present(length))
		length = json_member(builder->files->config, "max_len");
	if (!json_is_number(length) || json_as_number(length) < 1 ||
		json_as_number(length) >= MODEL_MAX_LENGTH_SENTINEL)
		return 0;
	return (int64_t) json_as_number(length);
}

static uint32_t
find_decode_flags(const tok_builder *builder, json root)
{
	const char *type = json_as_string(json_member(json_member(root, "model"), "type"));
	uint32_t flags = builder->class->decode_flags;
	bool clean = tok_bool_option(builder, "clean_up_tokenization_spaces", false);
	bool bpe = tok_bool_option(
		builder, "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
		(builder->class->flags & TOK_CLASS_CLEANS_BPE) != 0);

	if (clean && (bpe || strcmp(type, "BPE") != 0))
		flags |= TOK_DECODE_CLEAN_UP;
	return flags;
}

static bool
is_left(const tok_builder *builder, const char *name, bool fallback)
{
	const char *side = json_string(builder->context, builder->files->config, name, NULL);

	return side == NULL ? fallback : strcmp(side, "left") == 0;
}

/*
 * Whether the model is given type ids: as model_input_names says, else the class.  Of a vocabulary
 * that came without files nothing is known, and what its layouts say counts.
 */
static uint32_t
find_traits(const tok_class *class, const tok_files *files)
{
	json names = json_member(files->config, "model_input_names");
	uint32_t both = TOK_TRAIT_TYPES | TOK_TRAIT_TYPES_BEFORE;

	for (json name = json_first(names); json_present(name); name = json_next(name))
		if (strcmp(json_as_string(name), "token_type_ids") == 0)
			return both;
	if (json_is_array(names))
		return 0;
	if (files->directory == NULL && (class->flags & TOK_CLASS_AS_IS) != 0)
		return both;
	return ((class->flags & TOK_CLASS_TYPES) != 0 ? both : 0) |
		   ((class->flags & TOK_CLASS_TYPES_BEFORE) != 0 ? TOK_TRAIT_TYPES_BEFORE : 0);
}

static bool
describe(const tok_builder *builder, json root, tok_config *config)
{
	config->named = builder->named;
	config->named_count = builder->named_count;
	config->model_max_length = find_max_length(builder);
	config->decode_flags = find_decode_flags(builder, root);
	config->split_special_tokens = tok_bool_option(builder, "split_special_tokens", false);
	config->pads_left =
		is_left(builder, "padding_side", (builder->class->flags & TOK_CLASS_PADS_LEFT) != 0);
	config->truncates_left = is_left(builder, "truncation_side", false);
	return !tfm_failed(builder->context);
}

bool
tok_build(tfm_context *context, const tok_files *files, tok_config *config, json *tokenizer)
{
	tok_builder builder = {
		.context = context,
		.class = tok_resolve_class(context, files),
		.files = files,
		.unk_id = -1,
		.scratch = buffer_create(context),
	};

	if (builder.class == NULL || builder.scratch == NULL)
		return false;
	config->traits = find_traits(builder.class, files);
	if ((builder.class->flags & TOK_CLASS_PYTHON) != 0)
		return tok_build_python(context, files, builder.class->name, config, tokenizer);
	if (builder.class->options != NULL)
		builder.defaults = json_parse(context, builder.class->options,
									  strlen(builder.class->options), builder.class->name);
	return !tfm_failed(context) && tok_find_tokens(&builder) && tok_find_vocabulary(&builder) &&
		   tok_find_extras(&builder) && write_file(&builder, tokenizer) &&
		   describe(&builder, *tokenizer, config);
}
