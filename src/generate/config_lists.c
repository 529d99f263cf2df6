/*
 * config_lists.c
 *	  Keys of GenerationConfig that are more than a number: lists of ids, words, strings, watermarks.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/config_lists.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define MAX_STOP_STRINGS 256
#define MAX_STOP_STRING 65536 /* bytes */

static bool
fail_shape(tfm_context *context, json value, const char *name, const char *wanted)
{
	return tfm_fail(context, TFM_INVALID_ARGUMENT, "\"%s\": \"%s\" must be %s", value.source, name,
					wanted);
}

static bool
fail_count(tfm_context *context, json value, const char *name, int limit)
{
	return tfm_fail(context, TFM_LIMIT_EXCEEDED, "\"%s\": \"%s\" has more than %d elements",
					value.source, name, limit);
}

/* A list of ids into ids[], which has room for all of them. */
static bool
read_list(tfm_context *context, json value, const char *name, int32_t *ids)
{
	if (!json_is_array(value))
		return fail_shape(context, value, name, "made of lists of token ids");
	for (json child = json_first(value); json_present(child); child = json_next(child))
	{
		int64_t id;

		if (!json_to_int(child, 0, INT32_MAX, &id))
			return fail_shape(context, value, name, "made of token ids, whole numbers from 0 on");
		*ids++ = (int32_t) id;
	}
	return true;
}

bool
gen_read_ids(tfm_context *context, json value, const char *name, gen_ids *ids)
{
	size_t count = json_is_array(value) ? json_size(value) : 1;
	int32_t *items;
	int64_t id;

	if (count > GEN_MAX_WORDS)
		return fail_count(context, value, name, GEN_MAX_WORDS);
	items = tfm_alloc_array(context, count + 1, sizeof(int32_t));
	if (items == NULL)
		return false;
	if (json_is_array(value))
	{
		if (!read_list(context, value, name, items))
			return false;
	}
	else if (json_to_int(value, 0, INT32_MAX, &id))
		items[0] = (int32_t) id;
	else
		return fail_shape(context, value, name, "a token id or a list of token ids");
	*ids = (gen_ids) {.count = count, .ids = items};
	return true;
}

/* ---- Lists of lists ---- */

/* What a list of lists is read into; room is counted first. */
typedef struct lists_maker
{
	int32_t *ids;
	size_t *starts;
	size_t count, used;
} lists_maker;

static bool
make_lists(tfm_context *context, lists_maker *maker, json value, const char *name, size_t lists,
		   size_t ids)
{
	if (lists > GEN_MAX_WORDS || ids > GEN_MAX_WORDS)
		return fail_count(context, value, name, GEN_MAX_WORDS);
	*maker = (lists_maker) {.ids = tfm_alloc_array(context, ids + 1, sizeof(int32_t)),
							.starts = tfm_alloc_array(context, lists + 1, sizeof(size_t))};
	if (maker->ids == NULL || maker->starts == NULL)
		return false;
	maker->starts[0] = 0;
	return true;
}

static bool
add_list(tfm_context *context, lists_maker *maker, json value, const char *name)
{
	size_t length = json_size(value);

	if (length == 0 && json_is_array(value))
		return fail_shape(context, value, name, "made of lists that are not empty");
	if (!read_list(context, value, name, maker->ids + maker->used))
		return false;
	maker->used += length;
	maker->starts[++maker->count] = maker->used;
	return true;
}

static gen_lists
made_lists(const lists_maker *maker)
{
	return (gen_lists) {.count = maker->count, .ids = maker->ids, .starts = maker->starts};
}

bool
gen_read_bad_words(tfm_context *context, json value, gen_config *config)
{
	lists_maker maker;
	size_t ids = 0;

	config->bad_words = (gen_lists) {0};
	if (!json_present(value))
		return true;
	if (!json_is_array(value))
		return fail_shape(context, value, "bad_words_ids", "a list of lists of token ids");
	for (json word = json_first(value); json_present(word); word = json_next(word))
		ids += json_size(word);
	if (!make_lists(context, &maker, value, "bad_words_ids", json_size(value), ids))
		return false;
	for (json word = json_first(value); json_present(word); word = json_next(word))
		if (!add_list(context, &maker, word, "bad_words_ids"))
			return false;
	config->bad_words = made_lists(&maker);
	return true;
}

static bool
is_nested(json word)
{
	return json_is_array(json_first(word));
}

static bool
add_word(tfm_context *context, lists_maker *maker, json word)
{
	if (!is_nested(word))
		return add_list(context, maker, word, "force_words_ids");
	for (json one = json_first(word); json_present(one); one = json_next(one))
		if (!add_list(context, maker, one, "force_words_ids"))
			return false;
	return true;
}

bool
gen_read_force_words(tfm_context *context, json value, gen_config *config)
{
	size_t lists = 0, ids = 0, words = json_size(value), *starts;
	lists_maker maker;

	config->force_words = (gen_words) {0};
	if (!json_present(value))
		return true;
	if (words == 0 || !json_is_array(value))
		return fail_shape(context, value, "force_words_ids", "a list of lists of token ids");
	for (json word = json_first(value); json_present(word); word = json_next(word))
	{
		lists += is_nested(word) ? json_size(word) : 1;
		if (!is_nested(word))
			ids += json_size(word);
		for (json one = json_first(word); is_nested(word) && json_present(one);
			 one = json_next(one))
			ids += json_size(one);
	}
	if (lists > GEN_MAX_FORCED)
		return fail_count(context, value, "force_words_ids", GEN_MAX_FORCED);
	starts = tfm_alloc_array(context, words + 1, sizeof(size_t));
	if (starts == NULL || !make_lists(context, &maker, value, "force_words_ids", lists, ids))
		return false;
	words = 0;
	for (json word = json_first(value); json_present(word); word = json_next(word))
	{
		starts[words++] = maker.count;
		if (!add_word(context, &maker, word))
			return false;
	}
	starts[words] = maker.count;
	config->force_words =
		(gen_words) {.count = words, .starts = starts, .lists = made_lists(&maker)};
	return true;
}

/* [[ids], bias] */
static bool
add_bias(tfm_context *context, lists_maker *maker, json pair, float *bias)
{
	json ids = json_first(pair), number = json_next(ids);

	if (json_size(pair) != 2 || !json_is_array(ids) || !json_is_number(number) ||
		fabs(json_as_number(number)) > FLT_MAX)
		return fail_shape(context, pair, "sequence_bias", "a list of [[token ids], bias]");
	*bias = (float) json_as_number(number);
	return add_list(context, maker, ids, "sequence_bias");
}

bool
gen_read_sequence_bias(tfm_context *context, json value, gen_config *config)
{
	lists_maker maker;
	size_t ids = 0, count = json_size(value);
	float *biases;

	config->sequence_bias = (gen_lists) {0};
	if (!json_present(value))
		return true;
	if (!json_is_array(value) || count == 0)
		return fail_shape(context, value, "sequence_bias", "a list of [[token ids], bias]");
	for (json pair = json_first(value); json_present(pair); pair = json_next(pair))
		ids += json_size(json_first(pair));
	if (!make_lists(context, &maker, value, "sequence_bias", count, ids))
		return false;
	biases = tfm_alloc_array(context, count, sizeof(float));
	if (biases == NULL)
		return false;
	for (json pair = json_first(value); json_present(pair); pair = json_next(pair))
		if (!add_bias(context, &maker, pair, &biases[maker.count]))
			return false;
	config->sequence_bias = made_lists(&maker);
	config->sequence_biases = biases;
	return true;
}

/* ---- Others ---- */

bool
gen_read_stop_strings(tfm_context *context, json value, gen_config *config)
{
	size_t count = json_is_array(value) ? json_size(value) : 1, n = 0;
	json first = json_is_array(value) ? json_first(value) : value;
	tfm_text *strings;

	config->stop_string_count = 0;
	if (!json_present(value))
		return true;
	if (count > MAX_STOP_STRINGS)
		return fail_count(context, value, "stop_strings", MAX_STOP_STRINGS);
	strings = tfm_alloc_array(context, count + 1, sizeof(tfm_text));
	if (strings == NULL)
		return false;
	for (json string = first; n < count; string = json_next(string))
	{
		const char *text = json_as_string(string);
		size_t length = strlen(text);

		if (length == 0 || length > MAX_STOP_STRING)
			return fail_shape(context, value, "stop_strings",
							  "a string or a list of strings, none of them empty");
		text = tfm_strndup(context, text, length);
		if (text == NULL)
			return false;
		strings[n++] = (tfm_text) {.data = text, .length = length};
	}
	config->stop_strings = strings;
	config->stop_string_count = n;
	return true;
}

bool
gen_read_early_stopping(tfm_context *context, json value, gen_config *config)
{
	if (!json_present(value))
		config->early_stopping = EARLY_STOPPING_FALSE;
	else if (json_is_bool(value))
		config->early_stopping = json_as_bool(value) ? EARLY_STOPPING_TRUE : EARLY_STOPPING_FALSE;
	else if (strcmp(json_as_string(value), "never") == 0)
		config->early_stopping = EARLY_STOPPING_NEVER;
	else
		return fail_shape(context, value, "early_stopping", "true, false or \"never\"");
	return true;
}

bool
gen_read_schedule(tfm_context *context, json value, gen_config *config)
{
	const char *name = json_as_string(value);

	if (!json_present(value) || strcmp(name, "constant") == 0)
		config->num_assistant_tokens_schedule = ASSISTANT_CONSTANT;
	else if (strcmp(name, "heuristic") == 0 || strcmp(name, "heuristic_transient") == 0)
		config->num_assistant_tokens_schedule = ASSISTANT_HEURISTIC;
	else
		return fail_shape(context, value, "num_assistant_tokens_schedule",
						  "\"constant\", \"heuristic\" or \"heuristic_transient\"");
	return true;
}

bool
gen_read_decay(tfm_context *context, json value, gen_config *config)
{
	json start = json_first(value), factor = json_next(start);

	config->exponential_decay_start = -1;
	if (!json_present(value))
		return true;
	if (!json_is_array(value) || json_size(value) != 2 ||
		!json_to_int(start, 0, GEN_MAX_TOKENS, &config->exponential_decay_start) ||
		!json_is_number(factor) || !isfinite(json_as_number(factor)))
		return fail_shape(context, value, "exponential_decay_length_penalty",
						  "a list of a whole number and a factor");
	config->exponential_decay_factor = json_as_number(factor);
	return true;
}

/* ---- Watermarks ---- */

static bool
read_watermark_number(tfm_context *context, json value, const char *name, double fallback,
					  double minimum, double maximum, double *result)
{
	json member = json_member(value, name);

	*result = json_present(member) ? json_as_number(member) : fallback;
	if (json_present(member) &&
		(!json_is_number(member) || !(*result >= minimum && *result <= maximum)))
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"\"%s\": \"watermarking_config\": \"%s\" must be a number from %g to %g",
						value.source, name, minimum, maximum);
	return true;
}

static bool
read_watermark_int(tfm_context *context, json value, const char *name, int64_t fallback,
				   int64_t minimum, int64_t maximum, int64_t *result)
{
	double number;

	if (!read_watermark_number(context, value, name, (double) fallback, (double) minimum,
							   (double) maximum, &number))
		return false;
	*result = (int64_t) number;
	return true;
}

static bool
read_greenlist(tfm_context *context, json value, gen_config *config)
{
	json scheme = json_member(value, "seeding_scheme");
	const char *name = json_present(scheme) ? json_as_string(scheme) : "lefthash";

	if (strcmp(name, "lefthash") == 0)
		config->watermark = WATERMARK_LEFTHASH;
	else if (strcmp(name, "selfhash") == 0)
		config->watermark = WATERMARK_SELFHASH;
	else
		return fail_shape(context, value, "seeding_scheme", "\"lefthash\" or \"selfhash\"");
	return read_watermark_number(context, value, "greenlist_ratio", 0.25, 0, 1,
								 &config->watermark_greenlist_ratio) &&
		   read_watermark_number(context, value, "bias", 2, -FLT_MAX, FLT_MAX,
								 &config->watermark_bias) &&
		   read_watermark_int(context, value, "hashing_key", 15485863, 0, 9007199254740991,
							  &config->watermark_hashing_key) &&
		   read_watermark_int(context, value, "context_width", 1, 1, 1024,
							  &config->watermark_context_width);
}

static bool
read_synthid(tfm_context *context, json value, gen_config *config)
{
	json keys = json_member(value, "keys"), skip = json_member(value, "skip_first_ngram_calls");
	size_t count = json_size(keys), n = 0;
	int64_t *items;

	if (!json_is_array(keys) || count == 0 || count > 256)
		return fail_shape(context, value, "keys", "a list of 1 to 256 whole numbers");
	items = tfm_alloc_array(context, count, sizeof(int64_t));
	if (items == NULL)
		return false;
	for (json key = json_first(keys); json_present(key); key = json_next(key))
		if (!json_to_int(key, INT64_MIN, INT64_MAX, &items[n++]))
			return fail_shape(context, value, "keys", "a list of 1 to 256 whole numbers");
	config->watermark = WATERMARK_SYNTHID;
	config->watermark_keys = items;
	config->watermark_key_count = count;
	config->watermark_skip_first_ngram_calls = json_as_bool(skip);
	return read_watermark_int(context, value, "ngram_len", 0, 2, 1024,
							  &config->watermark_ngram_len) &&
		   read_watermark_int(context, value, "context_history_size", 1024, 1, 65536,
							  &config->watermark_context_history_size) &&
		   read_watermark_int(context, value, "sampling_table_size", 65536, 1, 1 << 24,
							  &config->watermark_sampling_table_size) &&
		   read_watermark_int(context, value, "sampling_table_seed", 0, 0, 9007199254740991,
							  &config->watermark_sampling_table_seed);
}

bool
gen_read_watermark(tfm_context *context, json value, gen_config *config)
{
	config->watermark = WATERMARK_NONE;
	if (!json_present(value))
		return true;
	if (!json_is_object(value))
		return fail_shape(context, value, "watermarking_config", "an object");
	return json_present(json_member(value, "ngram_len")) ? read_synthid(context, value, config)
														 : read_greenlist(context, value, config);
}
