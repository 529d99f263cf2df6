/*
 * compile.c
 *	  A checkpoint compiled to an image.
 *
 * Dry runs of the passes tell which tensors are read and in which layout; these
 * are then copied, packed, into the image.  So no list of tensors is kept
 * anywhere, a missing one is an error here and not at the first use, and what
 * nobody reads is reported.
 *
 * Matrices and tables are kept in the type that is asked for, or in their own;
 * what is but added or multiplied element by element, in f32.
 *
 * A tensor is looked for under the name that the family uses, under the same
 * behind the base model's prefix (a head's checkpoint has "bert.encoder...", the
 * base model's "encoder..."), and in the spelling of TensorFlow's first
 * checkpoints ("gamma", "beta").
 *
 * Where nothing can be computed (no weights, or a model that no family here runs) the tokenizer and
 * the chat templates are all that the image gets, beside the reason.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "checkpoint/fingerprint.h"
#include "checkpoint/gguf_config.h"
#include "checkpoint/gguf_weights.h"
#include "checkpoint/safetensors.h"
#include "runtime/texts.h"
#include "runtime/weights.h"

#define MAX_CONFIG_BYTES ((size_t) 16 * 1024 * 1024)

/* A tensor that a pass has asked for. */
typedef struct wanted
{
	struct wanted *next;
	const ckpt_tensor *tensor;
	ckpt_tensor slice; /* of the tensor, or all of it */
	bool transposed;
	weight weight; /* name as the pass knows it; no data */
} wanted;

/* Weights in a file of their own: the model's, or a module's. */
typedef struct part
{
	struct part *next;
	const char *path; /* "" or "2_Dense" */
	const ckpt_weights *weights;
} part;

typedef struct compiler
{
	tfm_context *context;
	const char *directory;
	const ckpt_gguf_parts *gguf; /* what directory is, if it is a GGUF file; NULL: it is none */
	tfm_dtype dtype;			 /* as in run_compile_options */
	run_model model;			 /* without image */
	tfm_error no_weights;		 /* what model.no_weights points to */
	part *parts;				 /* the model's own is the last */
	wanted *first, **end;
	size_t peak;						 /* bytes that the passes take for one longest input */
	double start;						 /* clock_now() when it began */
	char signature[CKPT_HEX_LENGTH + 1]; /* of the directory before it was read */
	char content[CKPT_HEX_LENGTH + 1];	 /* its hash */
} compiler;

/* ---- Finding tensors ---- */

/* name with its last part replaced, "x.weight" -> "x.gamma"; NULL if it ends otherwise. */
static const char *
old_spelling(char text[NN_NAME_MAX], const char *name)
{
	static const char *const pairs[][2] = {{".weight", ".gamma"}, {".bias", ".beta"}};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		size_t length = strlen(name), end = strlen(pairs[i][0]);

		if (length < end || length >= NN_NAME_MAX || strcmp(name + length - end, pairs[i][0]) != 0)
			continue;
		memcpy(text, name, length - end);
		strcpy(text + length - end, pairs[i][1]); /* not longer than what it replaces */
		return text;
	}
	return NULL;
}

/* The tensor of a part under any of its names. */
static const ckpt_tensor *
find_spelling(const ckpt_weights *weights, const run_class *class, const char *name)
{
	/* Transformers' question answering heads keep the base model under the older name. */
	const char *const prefixes[] = {class->variant->base_prefix, "transformer"};
	char prefixed[2 * NN_NAME_MAX];
	const ckpt_tensor *t = ckpt_find(weights, name);

	for (int i = 0; t == NULL && i < 2; i++)
	{
		snprintf(prefixed, sizeof(prefixed), "%s.%s", prefixes[i], name);
		t = ckpt_find(weights, prefixed);
	}
	return t;
}

static const ckpt_tensor *
find_whole_tensor(const compiler *c, const char *name)
{
	const run_class *class = &c->model.class;
	char old[NN_NAME_MAX];

	for (const part *p = c->parts; p != NULL; p = p->next)
	{
		size_t length = strlen(p->path);
		const ckpt_tensor *t;

		if (length > 0 && (strncmp(name, p->path, length) != 0 || name[length] != '/'))
			continue;
		if (length > 0)
			return ckpt_find(p->weights, name + length + 1);
		t = find_spelling(p->weights, class, name);
		if (t == NULL && old_spelling(old, name) != NULL)
			t = find_spelling(p->weights, class, old);
		return t;
	}
	return NULL;
}

/*
 * A name "experts[2/8].weight" stands for the third of eight equal parts that the first dimension of
 * the tensor "experts.weight", or "experts", falls into.
 */
typedef struct slice
{
	char name[NN_NAME_MAX]; /* of the tensor */
	char short_name[NN_NAME_MAX];
	int64_t number, count;
} slice;

/* Whether name is a slice's. */
static bool
parse_slice(const char *name, slice *s)
{
	const char *open = strchr(name, '['), *close = open == NULL ? NULL : strchr(open, ']');
	char *slash, *end;
	size_t length;

	if (close == NULL || strlen(name) >= NN_NAME_MAX)
		return false;
	length = (size_t) (open - name);
	s->number = strtoll(open + 1, &slash, 10);
	s->count = *slash == '/' ? strtoll(slash + 1, &end, 10) : 0;
	memcpy(s->short_name, name, length);
	s->short_name[length] = '\0';
	snprintf(s->name, sizeof(s->name), "%.*s%s", (int) length, name, close + 1);
	return s->count > 0 && end == close && s->number >= 0 && s->number < s->count;
}

/* The part of a tensor; of a matrix one of as many parts as it has rows loses its first dimension. */
static bool
cut_slice(const ckpt_tensor *t, const slice *s, ckpt_tensor *cut)
{
	*cut = *t;
	if (t->rank < 1 || t->shape[0] % s->count != 0)
		return false;
	cut->length = t->length / (size_t) s->count;
	cut->offset += cut->length * (size_t) s->number;
	cut->shape[0] = t->shape[0] / s->count;
	if (cut->shape[0] > 1 || t->rank == 1)
		return true;
	cut->rank--;
	memmove(cut->shape, cut->shape + 1, (size_t) cut->rank * sizeof(cut->shape[0]));
	return true;
}

static const ckpt_tensor *
find_sliced_tensor(const compiler *c, const char *name, ckpt_tensor *cut)
{
	const ckpt_tensor *t = find_whole_tensor(c, name);
	slice s;

	if (t != NULL)
		*cut = *t;
	if (t != NULL || !parse_slice(name, &s))
		return t;
	t = find_whole_tensor(c, s.name);
	if (t == NULL && strcmp(strchr(name, ']'), "].weight") == 0)
		t = find_whole_tensor(c, s.short_name);
	return t != NULL && cut_slice(t, &s, cut) ? t : NULL;
}

/*
 * The tensor under any of its names, and the part of it that is meant.  That of a convolution over one
 * token at a time is a matrix, [n, k, 1].
 */
static const ckpt_tensor *
find_tensor(const compiler *c, const char *name, ckpt_tensor *cut)
{
	const ckpt_tensor *t = find_sliced_tensor(c, name, cut);

	if (t != NULL && cut->rank == 3 && cut->shape[2] == 1)
		cut->rank = 2;
	return t;
}

static bool
has_tensor(void *source, const char *name)
{
	ckpt_tensor cut;

	return find_tensor(source, name, &cut) != NULL;
}

/* The type in which a tensor with rows of k elements is kept. */
static tfm_dtype
kept_dtype(const compiler *c, const ckpt_tensor *t, weight_layout layout, int64_t k)
{
	if (layout == LAYOUT_PLAIN)
		return DTYPE_F32;
	if (c->dtype != 0)
		return run_fitting_dtype(c->dtype, k);
	return t->dtype == DTYPE_F64 ? DTYPE_F32 : t->dtype;
}

/* A convolution's kernel as the matrix that its products are with. */
static void
flatten(ckpt_tensor *t)
{
	for (; t->rank > 2; t->rank--)
		t->shape[1] *= t->shape[t->rank - 1];
}

/* A pass asks for a weight: note it, once for each layout. */
static const weight *
want_tensor(void *source, const char *name, weight_layout layout)
{
	compiler *c = source;
	bool transposed = layout == LAYOUT_PANELS_OF_COLUMNS;
	const ckpt_tensor *t;
	ckpt_tensor cut;
	wanted *w;

	if (transposed)
		layout = LAYOUT_PANELS;
	for (w = c->first; w != NULL; w = w->next)
		if (w->weight.layout == layout && strcmp(w->weight.name, name) == 0)
			return &w->weight;
	t = find_tensor(c, name, &cut);
	if (t != NULL && !ckpt_is_float(t->dtype))
		tfm_fail(c->context, TFM_UNSUPPORTED,
				 "tensor \"%s\" has type \"%.16s\", which is not supported", t->stored_name,
				 t->stored_type);
	w = t == NULL || tfm_failed(c->context) ? NULL : tfm_alloc_zero(c->context, sizeof(wanted));
	if (w == NULL)
		return NULL;
	if (layout != LAYOUT_PLAIN)
		flatten(&cut);
	w->tensor = t;
	w->slice = cut;
	w->transposed = transposed && cut.rank == 2 && !cut.turned;
	w->weight = (weight) {
		.name = tfm_strdup(c->context, name),
		.layout = layout,
		.rank = cut.rank,
	};
	if (w->weight.name == NULL)
		return NULL;
	memcpy(w->weight.shape, cut.shape, sizeof(w->weight.shape));
	if (w->transposed)
	{
		w->weight.shape[0] = cut.shape[1];
		w->weight.shape[1] = cut.shape[0];
	}
	w->weight.dtype = kept_dtype(c, t, layout, w->weight.shape[1]);
	*c->end = w;
	c->end = &w->next;
	return &w->weight;
}

static bool
add_part(compiler *c, const char *path, const ckpt_weights *weights)
{
	part *p = weights == NULL ? NULL : tfm_alloc(c->context, sizeof(part));

	if (p == NULL)
		return false;
	*p = (part) {.next = c->parts, .path = path, .weights = weights};
	c->parts = p;
	return true;
}

static bool
open_parts(compiler *c)
{
	const run_sentence *s = &c->model.sentence;

	if (!add_part(c, "",
				  c->gguf != NULL ? ckpt_open_gguf_weights(c->context, c->gguf)
								  : ckpt_open_weights(c->context, c->directory)))
		return false;
	for (size_t i = 0; i < s->module_count; i++)
	{
		char *name;

		if (s->modules[i].kind != MODULE_DENSE)
			continue;
		name = tfm_sprintf(c->context, "%s/%s/model.safetensors", c->directory, s->modules[i].path);
		if (name == NULL || !add_part(c, s->modules[i].path, ckpt_open_file(c->context, name)))
			return false;
	}
	return true;
}

/* ---- Dry runs ---- */

static nn_model
begin_dry_run(compiler *c, const nn_batch *batch)
{
	return (nn_model) {
		.context = c->context,
		.weights = {.has = has_tensor, .find = want_tensor, .source = c},
		.batch = batch,
		.dry = true,
	};
}

/*
 * Run all passes dry for one sequence of tokens tokens.  A sentence-transformers checkpoint may
 * name a head in its config.json whose weights it does not have; that only matters to who asks for
 * the head.
 */
static bool
run_dry(compiler *c, int64_t tokens)
{
	tfm_context *context = c->context;
	nn_batch decoder = {.sequences = 1, .tokens = tokens, .choices = 1};
	nn_batch batch = {.sequences = 1, .tokens = tokens, .choices = 1, .decoder = &decoder};
	run_embedding_options options = {
		.poolings = c->model.sentence.poolings,
		.pooling_count = c->model.sentence.pooling_count,
	};
	nn_model m = begin_dry_run(c, &batch);

	run_embedding_pass(&m, &c->model, &options);
	if (tfm_failed(context))
		return false;
	c->peak = m.peak;
	m = begin_dry_run(c, &batch);
	run_head_pass(&m, &c->model);
	if (m.peak > c->peak)
		c->peak = m.peak;
	if (c->model.sentence.present && context->error.kind == TFM_CORRUPTED)
	{
		c->model.head_error = tfm_strdup(context, context->error.message);
		tfm_clear_error(context);
	}
	return !tfm_failed(context);
}

/* Report tensors that no pass asks for. */
static void
report_unread(compiler *c)
{
	const ckpt_weights *weights;
	const part *own = c->parts;

	while (own->next != NULL)
		own = own->next;
	weights = own->weights;
	for (size_t i = 0; i < ckpt_count(weights); i++)
	{
		const ckpt_tensor *t = ckpt_at(weights, i);
		const wanted *w = c->first;

		while (w != NULL && w->tensor != t)
			w = w->next;
		if (w == NULL)
			tfm_log(c->context, TFM_LOG_INFO, "tensor \"%s\" of \"%s\" is not used", t->name,
					ckpt_source(weights));
	}
}

/* ---- Writing ---- */

static bool
write_weights(compiler *c, image_writer *writer)
{
	tfm_progress *progress = &c->context->progress;

	*progress = (tfm_progress) {0};
	for (const wanted *w = c->first; w != NULL; w = w->next)
		progress->total += (int64_t) w->slice.length;
	for (const wanted *w = c->first; w != NULL; w = w->next)
	{
		arena_mark mark = arena_save(c->context->arena);
		bool written = run_write_weight(c->context, writer, &w->slice, &w->weight, w->transposed);

		arena_restore(c->context->arena, mark);
		if (!written)
			return false;
		progress->done += (int64_t) w->slice.length;
	}
	return true;
}

/* A file of the checkpoint, or what a GGUF file has in its place; the source is the compiler. */
static const char *
read_checkpoint_file(tfm_context *context, const void *source, const char *name, size_t *length)
{
	const compiler *c = source;
	char *path;

	if (c->gguf != NULL && strcmp(name, "config.json") == 0)
		return ckpt_gguf_config(context, c->gguf, length);
	if (c->gguf != NULL && strcmp(name, "generation_config.json") == 0)
		return ckpt_gguf_generation_config(context, c->gguf, length);
	path = c->gguf != NULL ? NULL : file_join(context, c->directory, name);
	return path == NULL ? NULL : file_read_optional(context, path, MAX_CONFIG_BYTES, length);
}

/* Copy a file of the checkpoint into the image, if it is there. */
static bool
write_file(compiler *c, image_writer *writer, const char *name)
{
	size_t length;
	const char *text = read_checkpoint_file(c->context, c, name, &length);
	char *section = tfm_sprintf(c->context, IMAGE_FILES "%s", name);

	if (tfm_failed(c->context))
		return false;
	return text == NULL || image_add_section(writer, section, text, length);
}

/*
 * tokenizer_config.json without what is compiled elsewhere and large: pipelines look for the class of
 * the tokenizer, and how it treats languages and tables.
 */
static bool
write_tokenizer_config(compiler *c, image_writer *writer)
{
	const char *name = "tokenizer_config.json";
	size_t length;
	const char *text = read_checkpoint_file(c->context, c, name, &length);
	buffer *kept = text == NULL ? NULL : buffer_create(c->context);
	json config;

	if (kept == NULL)
		return !tfm_failed(c->context);
	config = json_parse(c->context, text, length, name);
	for (json member = json_first(config); json_present(member); member = json_next(member))
	{
		if (strcmp(json_key(member), "added_tokens_decoder") == 0 ||
			strcmp(json_key(member), "chat_template") == 0)
			continue;
		buffer_append_string(c->context, kept, kept->length == 0 ? "{" : ",");
		json_append_string(c->context, kept, json_key(member), strlen(json_key(member)));
		buffer_append_string(c->context, kept, ":");
		json_append(c->context, kept, member);
	}
	if (tfm_failed(c->context) || kept->length == 0)
		return !tfm_failed(c->context);
	buffer_append_string(c->context, kept, "}");
	return image_add_section(writer, IMAGE_FILES "tokenizer_config.json", kept->data, kept->length);
}

static bool
write_files(compiler *c, image_writer *writer)
{
	const run_sentence *s = &c->model.sentence;

	if (!write_file(c, writer, "config.json") || !write_file(c, writer, "generation_config.json") ||
		!write_file(c, writer, "modules.json") ||
		!write_file(c, writer, "sentence_bert_config.json") ||
		!write_file(c, writer, "config_sentence_transformers.json") ||
		!write_tokenizer_config(c, writer))
		return false;
	for (size_t i = 0; i < s->path_count; i++)
	{
		char *name = tfm_sprintf(c->context, "%s/config.json", s->paths[i]);

		if (name == NULL || !write_file(c, writer, name))
			return false;
	}
	return true;
}

/* Why there is neither a model nor a tokenizer. */
static bool
fail_useless(compiler *c, const tfm_error *no_tokenizer)
{
	if (c->no_weights.kind != TFM_FILE_NOT_FOUND)
		c->context->error = c->no_weights;
	else if (no_tokenizer->kind != TFM_FILE_NOT_FOUND)
		c->context->error = *no_tokenizer;
	else
		tfm_fail(c->context, TFM_FILE_NOT_FOUND,
				 "\"%s\" is not a checkpoint: it has neither config.json with weights nor a "
				 "tokenizer",
				 c->directory);
	return false;
}

/*
 * The tokenizer.  Of a kind that is not supported yet it leaves the model without one, not without
 * its forward pass.
 */
static bool
write_tokenizer(compiler *c, image_writer *writer)
{
	tfm_context *context = c->context;
	int64_t words = c->model.no_weights != NULL ? INT64_MAX : run_config(&c->model)->vocab_size;
	const tok_tokenizer *tokenizer;
	tfm_error why;

	if (!run_write_tokenizer(context, writer, c->directory, c->model.sentence.lower_case, words,
							 &tokenizer, &why))
		return false;
	if (c->model.no_weights != NULL)
		return tokenizer != NULL || fail_useless(c, &why);
	c->model.tokenizer = tokenizer;
	if (tokenizer == NULL || tok_id_limit(tokenizer) <= words)
		return true;
	tfm_fail(context, TFM_CORRUPTED,
			 "the tokenizer has ids up to %d, but \"vocab_size\" in \"config.json\" is %lld",
			 tok_id_limit(tokenizer) - 1, (long long) words);
	return tfm_detail(context, "The checkpoint is in \"%s\".", c->directory);
}

/* Longest input: what sentence-transformers' files or the tokenizer say, within the positions. */
static int64_t
longest_input(const compiler *c)
{
	int64_t positions = run_config(&c->model)->max_positions;
	int64_t said = c->model.sentence.max_seq_length;

	if (said == 0 && c->model.tokenizer != NULL)
		said = tok_model_max_length(c->model.tokenizer);
	return said > 0 && said < positions ? said : positions;
}

static int64_t
count_parameters(const compiler *c)
{
	int64_t count = 0;

	for (const wanted *w = c->first; w != NULL; w = w->next)
	{
		const wanted *before = c->first;

		while (before != w && before->tensor != w->tensor)
			before = before->next;
		if (before == w)
			count += ckpt_count_elements(w->tensor);
	}
	return count;
}

/* The type that most elements of matrices and tables are kept in. */
static tfm_dtype
main_dtype(const compiler *c)
{
	int64_t counts[DTYPE_LAST + 1] = {0};
	tfm_dtype most = DTYPE_F32;

	for (const wanted *w = c->first; w != NULL; w = w->next)
		if (w->weight.layout != LAYOUT_PLAIN)
			counts[w->weight.dtype] += w->weight.shape[0] * w->weight.shape[1];
	for (tfm_dtype dtype = DTYPE_F32; dtype <= DTYPE_LAST; dtype++)
		if (counts[dtype] > counts[most])
			most = dtype;
	return most;
}

/* What run_model_open reads of weights, and of the passes over them. */
static bool
append_weights_info(compiler *c, buffer *info)
{
	/* Once more, for the length that is known now. */
	return run_dry(c, longest_input(c)) &&
		   buffer_printf(c->context, info,
						 ", \"family\": \"%s\", \"dtype\": \"%s\", \"parameters\": %lld, "
						 "\"max_tokens\": %lld, \"memory_bytes\": %zu",
						 c->model.class.family->name, dtype_name(main_dtype(c)),
						 (long long) count_parameters(c), (long long) longest_input(c), c->peak);
}

static bool
append_member(tfm_context *context, buffer *info, const char *key, const char *value)
{
	return value == NULL || (buffer_printf(context, info, ", \"%s\": ", key) &&
							 json_append_string(context, info, value, strlen(value)));
}

/* What is known without weights: what config.json, if there is one, says of itself, and why. */
static bool
append_reason(compiler *c, buffer *info)
{
	tfm_context *context = c->context;
	size_t length;
	const char *text =
		c->gguf == NULL ? read_checkpoint_file(context, c, "config.json", &length) : NULL;
	json config = {.node = NULL};
	const char *first;

	if (text != NULL)
		config = json_parse(context, text, length, "config.json");
	first = json_as_string(json_first(json_member(config, "architectures")));
	return !tfm_failed(context) &&
		   append_member(context, info, "model_type",
						 json_as_string(json_member(config, "model_type"))) &&
		   append_member(context, info, "architecture", first) &&
		   buffer_printf(context, info, ", \"no_weights\": {\"kind\": %d", c->no_weights.kind) &&
		   append_member(context, info, "message", c->no_weights.message) &&
		   append_member(context, info, "detail", c->no_weights.detail) &&
		   append_member(context, info, "hint", c->no_weights.hint) &&
		   buffer_append_string(context, info, "}");
}

static bool
write_info(compiler *c, image_writer *writer)
{
	buffer *info = buffer_create(c->context);

	if (info == NULL ||
		!buffer_printf(c->context, info, "{\"content\": \"%s\", \"asked_dtype\": \"%s\"",
					   c->content, run_dtype_name(c->dtype)))
		return false;
	return (c->model.no_weights == NULL ? append_weights_info(c, info) : append_reason(c, info)) &&
		   buffer_printf(c->context, info, ", \"compile_seconds\": %.6f}",
						 clock_now() - c->start) &&
		   image_add_section(writer, IMAGE_INFO, info->data, info->length);
}

static bool
fail_changed(compiler *c)
{
	return tfm_fail(c->context, TFM_CHANGED, "the checkpoint in \"%s\" changed while it was read",
					c->directory);
}

/* Learn the directory's signature and content, and whether it is what is expected. */
static bool
identify(compiler *c, const run_compile_options *options)
{
	if (!ckpt_check_path(c->context, c->directory) ||
		!ckpt_signature(c->context, c->directory, c->signature))
		return false;
	if (options->signature != NULL && strcmp(options->signature, c->signature) == 0)
	{
		snprintf(c->content, sizeof(c->content), "%s", options->content);
		return true;
	}
	if (!ckpt_fingerprint(c->context, c->directory, c->content))
		return false;
	if (options->content != NULL && strcmp(options->content, c->content) != 0)
		return fail_changed(c);
	return true;
}

/* What was read must be what was hashed: nobody may have changed it meanwhile. */
static bool
check_unchanged(compiler *c)
{
	char after[CKPT_HEX_LENGTH + 1];

	if (!ckpt_signature(c->context, c->directory, after))
		return false;
	return strcmp(c->signature, after) == 0 || fail_changed(c);
}

static bool
write_image(compiler *c, const char *image_path)
{
	image_writer *writer = image_create(c->context, image_path);
	const char *head_error = c->model.head_error;
	bool weights = c->model.no_weights == NULL;

	if (writer == NULL || (weights && (!write_weights(c, writer) || !write_files(c, writer))) ||
		!write_tokenizer(c, writer) || !run_write_templates(c->context, writer, c->directory))
		return false;
	if (head_error != NULL &&
		!image_add_section(writer, IMAGE_HEAD_ERROR, head_error, strlen(head_error)))
		return false;
	return write_info(c, writer) && check_unchanged(c) && image_finish(writer);
}

/* ---- The whole ---- */

/* Open a checkpoint that is a GGUF file; one of a vocabulary alone has no tensors. */
static bool
open_gguf(compiler *c)
{
	int64_t tensors = 0;

	if (!ckpt_is_gguf(c->directory))
		return true;
	c->gguf = ckpt_open_gguf_parts(c->context, c->directory);
	for (int i = 0; c->gguf != NULL && i < c->gguf->count; i++)
		tensors += (int64_t) c->gguf->parts[i]->tensor_count;
	if (c->gguf != NULL && tensors == 0)
		tfm_fail(c->context, TFM_FILE_NOT_FOUND, "\"%s\" has no tensors", c->directory);
	return !tfm_failed(c->context);
}

/* Read the configuration and run the passes dry. */
static bool
compile_passes(compiler *c)
{
	run_files files = {
		.read = read_checkpoint_file,
		.source = c,
		.prefix = tfm_sprintf(c->context, "%s/", c->directory),
	};

	if (files.prefix == NULL)
		return false;
	if (!open_gguf(c))
		return false;
	if (!run_read_config(c->context, &files, &c->model) || !open_parts(c) || !run_dry(c, 1))
		return false;
	report_unread(c);
	return true;
}

/*
 * Whether what has failed leaves the tokenizer: there is no config.json, or no weights at all, or
 * nothing here runs them.  What is broken is not left out in silence.
 */
static bool
lacks_weights(const compiler *c)
{
	tfm_error_kind kind = c->context->error.kind;

	if (c->model.class.family == NULL)
		return (kind == TFM_FILE_NOT_FOUND || kind == TFM_UNSUPPORTED) &&
			   (c->gguf != NULL || !ckpt_is_gguf(c->directory));
	return kind == TFM_FILE_NOT_FOUND && c->parts == NULL &&
		   !ckpt_has_weights(c->context, c->directory);
}

/* The error that has been recorded becomes what the image says to who wants weights. */
static void
note_no_weights(compiler *c)
{
	tfm_error *why = &c->no_weights;

	*why = c->context->error;
	c->model.no_weights = why;
	tfm_clear_error(c->context);
	if (why->kind != TFM_FILE_NOT_FOUND)
		return;
	snprintf(why->detail, sizeof(why->detail), "%.1000s.", why->message);
	snprintf(why->message, sizeof(why->message), "the model has no weights, only a tokenizer");
}

static bool
compile(compiler *c, const char *image_path)
{
	if (!compile_passes(c))
	{
		if (!lacks_weights(c))
			return false;
		note_no_weights(c);
	}
	return write_image(c, image_path);
}

bool
run_compile(tfm_context *context, const char *directory, const char *image_path,
			const run_compile_options *options)
{
	arena_mark mark = arena_save(context->arena);
	const run_compile_options defaults = {0};
	const char *root = context->root;
	compiler c = {.context = context};

	if (options == NULL)
		options = &defaults;
	if (run_dtype_name(options->dtype) == NULL)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "weights cannot be kept in \"%s\"",
						dtype_name(options->dtype));
	c.dtype = options->dtype;
	c.start = clock_now();
	c.end = &c.first;
	/* The tokenizer is in the first part of a split file. */
	c.directory = ckpt_is_gguf(directory) ? ckpt_gguf_part_path(context, directory, 1) : directory;
	if (c.directory == NULL)
		return false;
	if (ckpt_confine(context, c.directory) && identify(&c, options))
		compile(&c, image_path);
	context->root = root;
	arena_restore(context->arena, mark);
	return !tfm_failed(context);
}
