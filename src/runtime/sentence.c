/*
 * sentence.c
 *	  What sentence-transformers' files say of a model.
 *	  Follows sentence_transformers' Transformer, Pooling, Dense and Normalize modules.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/sentence.h"

#include <string.h>

#include "base/file.h"

#define MAX_DIMENSIONS (1 << 20)

/* Keys of a file that are known; others are an error. */
static bool
check_keys(tfm_context *context, json object, const char *const *known)
{
	for (json child = json_first(object); json_present(child); child = json_next(child))
	{
		const char *const *key = known;

		while (*key != NULL && strcmp(*key, json_key(child)) != 0)
			key++;
		if (*key == NULL)
			return tfm_fail(context, TFM_UNSUPPORTED, "\"%s\": key \"%.64s\" is not supported",
							object.source, json_key(child));
	}
	return !tfm_failed(context);
}

json
run_read_json(tfm_context *context, const run_files *files, const char *name)
{
	size_t length;
	const char *text =
		tfm_failed(context) ? NULL : files->read(context, files->source, name, &length);
	const char *source = text == NULL ? NULL : tfm_sprintf(context, "%s%s", files->prefix, name);
	json object = {.node = NULL, .source = name};

	if (source == NULL)
		return object;
	object = json_parse(context, text, length, source);
	if (json_present(object) && !json_is_object(object) && !json_is_array(object))
		tfm_fail(context, TFM_CORRUPTED, "\"%s\" is not a JSON object", source);
	return object;
}

static json
read_module_config(tfm_context *context, const run_files *files, const char *path)
{
	const char *name = tfm_sprintf(context, "%s/config.json", path);

	return name == NULL ? (json) {0} : run_read_json(context, files, name);
}

static bool
add_pooling(tfm_context *context, json config, const char *name, run_sentence *s)
{
	op_pooling pooling;

	if (!op_pooling_from_name(name, &pooling))
		return tfm_fail(context, TFM_UNSUPPORTED, "\"%s\": pooling mode \"%.64s\" is not supported",
						config.source, name);
	if (s->pooling_count == SENTENCE_MAX_POOLINGS)
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\": too many pooling modes", config.source);
	s->poolings[s->pooling_count++] = pooling;
	return true;
}

/* The older spelling: one true or false for each mode, joined in this order. */
static bool
read_pooling_flags(tfm_context *context, json config, run_sentence *s)
{
	static const char *const flags[][2] = {
		{"pooling_mode_cls_token", "cls"},
		{"pooling_mode_max_tokens", "max"},
		{"pooling_mode_mean_tokens", "mean"},
		{"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"},
		{"pooling_mode_weightedmean_tokens", "weightedmean"},
		{"pooling_mode_lasttoken", "lasttoken"},
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (json_bool(context, config, flags[i][0], false))
			add_pooling(context, config, flags[i][1], s);
	return !tfm_failed(context);
}

static bool
read_pooling(tfm_context *context, const run_files *files, const char *path, run_sentence *s)
{
	static const char *const known[] = {"word_embedding_dimension",
										"embedding_dimension",
										"pooling_mode",
										"include_prompt",
										"pooling_mode_cls_token",
										"pooling_mode_max_tokens",
										"pooling_mode_mean_tokens",
										"pooling_mode_mean_sqrt_len_tokens",
										"pooling_mode_weightedmean_tokens",
										"pooling_mode_lasttoken",
										NULL};
	json config = read_module_config(context, files, path);
	json mode = json_member(config, "pooling_mode");

	if (!json_present(config) && !tfm_failed(context))
		return tfm_fail(context, TFM_CORRUPTED, "the checkpoint has no file \"%s/config.json\"",
						path);
	if (!check_keys(context, config, known))
		return false;
	s->pooling_count = 0;
	s->include_prompt = json_bool(context, config, "include_prompt", true);
	if (json_is_string(mode))
		add_pooling(context, config, json_as_string(mode), s);
	else if (json_is_array(mode))
		for (json item = json_first(mode); json_present(item); item = json_next(item))
			add_pooling(context, config, json_as_string(item), s);
	else if (json_present(mode))
		tfm_fail(context, TFM_CORRUPTED,
				 "\"%s\": key \"pooling_mode\" must be a string or an array", config.source);
	else
		read_pooling_flags(context, config, s);
	if (s->pooling_count == 0)
		add_pooling(context, config, "mean", s);
	return !tfm_failed(context);
}

/* A key that may only name the sentence embedding. */
static void
check_feature(tfm_context *context, json config, const char *key)
{
	if (strcmp(json_string(context, config, key, "sentence_embedding"), "sentence_embedding") != 0)
		tfm_fail(context, TFM_UNSUPPORTED,
				 "\"%s\": only \"sentence_embedding\" is supported as \"%s\"", config.source, key);
}

/* The last part of a dotted name. */
static const char *
last_part(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot == NULL ? name : dot + 1;
}

static op_activation
read_dense_activation(tfm_context *context, json config)
{
	static const struct
	{
		const char *name;
		op_activation activation;
	} known[] = {
		{"Tanh", ACTIVATION_TANH}, {"Identity", ACTIVATION_NONE},	{"ReLU", ACTIVATION_RELU},
		{"GELU", ACTIVATION_GELU}, {"Sigmoid", ACTIVATION_SIGMOID}, {"SiLU", ACTIVATION_SILU},
		{"Mish", ACTIVATION_MISH}, {"ReLU6", ACTIVATION_RELU6},
	};
	const char *name = json_string(context, config, "activation_function", "torch.nn.Tanh");

	for (size_t i = 0; strncmp(name, "torch.nn.", 9) == 0 && i < sizeof(known) / sizeof(known[0]);
		 i++)
		if (strcmp(last_part(name), known[i].name) == 0)
			return known[i].activation;
	tfm_fail(context, TFM_UNSUPPORTED, "\"%s\": activation function \"%.64s\" is not supported",
			 config.source, name);
	return ACTIVATION_NONE;
}

static bool
read_dense(tfm_context *context, const run_files *files, run_module *module)
{
	static const char *const known[] = {
		"in_features",		 "out_features",	   "bias",		   "activation_function",
		"module_input_name", "module_output_name", "use_residual", NULL};
	json config = read_module_config(context, files, module->path);

	if (!json_present(config) && !tfm_failed(context))
		return tfm_fail(context, TFM_CORRUPTED, "the checkpoint has no file \"%s/config.json\"",
						module->path);
	if (!check_keys(context, config, known))
		return false;
	module->kind = MODULE_DENSE;
	module->in_features = json_require_int(context, config, "in_features", 1, MAX_DIMENSIONS);
	module->out_features = json_require_int(context, config, "out_features", 1, MAX_DIMENSIONS);
	module->residual = json_bool(context, config, "use_residual", false);
	module->activation = read_dense_activation(context, config);
	check_feature(context, config, "module_input_name");
	check_feature(context, config, "module_output_name");
	return !tfm_failed(context);
}

static bool
read_normalize(tfm_context *context, const run_files *files, run_module *module)
{
	static const char *const known[] = {"module_input_name", "module_output_name", NULL};
	json config = read_module_config(context, files, module->path);

	module->kind = MODULE_NORMALIZE;
	if (!check_keys(context, config, known))
		return false;
	check_feature(context, config, "module_input_name");
	check_feature(context, config, "module_output_name");
	return !tfm_failed(context);
}

static bool
read_module(tfm_context *context, const run_files *files, json entry, size_t index, run_sentence *s)
{
	const char *type = json_require_string(context, entry, "type");
	run_module *module = &s->modules[s->module_count];

	module->path = json_string(context, entry, "path", "");
	if (tfm_failed(context))
		return false;
	if (module->path[0] != '\0' && !file_name_is_plain(module->path))
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\": path \"%.64s\" is not a plain name",
						entry.source, module->path);
	if (module->path[0] != '\0')
		s->paths[s->path_count++] = module->path;
	if (strncmp(type, "sentence_transformers.", 22) == 0)
	{
		const char *name = last_part(type);

		if (index == 0 && strcmp(name, "Transformer") == 0 && module->path[0] == '\0')
			return true;
		if (index == 1 && strcmp(name, "Pooling") == 0)
			return read_pooling(context, files, module->path, s);
		if (index > 1 && strcmp(name, "Dropout") == 0)
			return true;
		if (index > 1 && strcmp(name, "Dense") == 0)
			return read_dense(context, files, module) && ++s->module_count;
		if (index > 1 && strcmp(name, "Normalize") == 0)
			return read_normalize(context, files, module) && ++s->module_count;
	}
	return tfm_fail(context, TFM_UNSUPPORTED,
					"\"modules.json\": module \"%.128s\" at place %zu is not supported", type,
					index);
}

static bool
read_modules(tfm_context *context, json list, const run_files *files, run_sentence *s)
{
	size_t index = 0;

	if (!json_is_array(list))
		return tfm_fail(context, TFM_CORRUPTED, "\"modules.json\" is not a JSON array");
	s->modules = tfm_alloc_zero(context, (json_size(list) + 1) * sizeof(run_module));
	s->paths = tfm_alloc_zero(context, (json_size(list) + 1) * sizeof(char *));
	for (json entry = json_first(list); json_present(entry) && !tfm_failed(context);
		 entry = json_next(entry))
		read_module(context, files, entry, index++, s);
	if (index < 2)
		return tfm_fail(context, TFM_UNSUPPORTED, "\"modules.json\" has no pooling");
	return !tfm_failed(context);
}

/* sentence_bert_config.json: the first module's settings. */
static bool
read_transformer(tfm_context *context, const run_files *files, run_sentence *s)
{
	static const char *const known[] = {"max_seq_length",	  "do_lower_case",
										"transformer_task",	  "modality_config",
										"module_output_name", "unpad_inputs",
										"query_length",		  "document_length",
										"query_expansion",	  NULL};
	json config = run_read_json(context, files, "sentence_bert_config.json");
	const char *task = json_string(context, config, "transformer_task", "feature-extraction");
	const char *output = json_string(context, config, "module_output_name", "token_embeddings");

	if (!check_keys(context, config, known))
		return false;
	if (strcmp(task, "feature-extraction") != 0 || strcmp(output, "token_embeddings") != 0 ||
		json_present(json_member(config, "query_expansion")))
		return tfm_fail(context, TFM_UNSUPPORTED, "\"%s\" describes another task than embedding",
						config.source);
	s->max_seq_length = json_int(context, config, "max_seq_length", 0, 1, INT32_MAX);
	s->lower_case = json_bool(context, config, "do_lower_case", false);
	return !tfm_failed(context);
}

static bool
read_prompts(tfm_context *context, const run_files *files, run_sentence *s)
{
	json config = run_read_json(context, files, "config_sentence_transformers.json");
	const char *name = json_string(context, config, "default_prompt_name", NULL);

	s->prompts = json_member(config, "prompts");
	for (json prompt = json_first(s->prompts); json_present(prompt); prompt = json_next(prompt))
		json_string(context, s->prompts, json_key(prompt), NULL);
	if (name != NULL)
		s->default_prompt = json_string(context, s->prompts, name, NULL);
	return !tfm_failed(context);
}

/* Of a cross-encoder, which has it in config.json, in two spellings. */
static void
read_score_activation(tfm_context *context, const run_files *files, run_sentence *sentence)
{
	json config = run_read_json(context, files, "config.json");
	json name = json_member(json_member(config, "sentence_transformers"), "activation_fn");

	if (!json_is_string(name))
		name = json_member(config, "sbert_ce_default_activation_function");
	if (json_is_string(name))
		sentence->score_activation = json_as_string(name);
}

bool
run_read_sentence(tfm_context *context, const run_files *files, run_sentence *sentence)
{
	json list = run_read_json(context, files, "modules.json");

	*sentence = (run_sentence) {.include_prompt = true};
	sentence->poolings[sentence->pooling_count++] = POOLING_MEAN;
	read_score_activation(context, files, sentence);
	if (tfm_failed(context) || !json_present(list))
		return !tfm_failed(context);
	sentence->present = true;
	if (!read_modules(context, list, files, sentence) ||
		!read_transformer(context, files, sentence))
		return false;
	return read_prompts(context, files, sentence);
}

int64_t
run_sentence_dimensions(const run_sentence *sentence, int64_t hidden)
{
	int64_t dimensions = hidden * sentence->pooling_count;

	for (size_t i = 0; i < sentence->module_count; i++)
		if (sentence->modules[i].kind == MODULE_DENSE)
			dimensions = sentence->modules[i].out_features;
	return dimensions;
}
