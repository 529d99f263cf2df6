/*
 * config.c
 *	  GenerationConfig's keys: their defaults, how each is read, what must fit together.
 *
 * A key is a row of a table: its name, its place in gen_config, what values it takes.  Lists and
 * other shapes are read in config_lists.c.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/config.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "generate/config_lists.h"

typedef enum key_kind
{
	KEY_BOOL,
	KEY_INT,
	KEY_ID, /* int32_t */
	KEY_DOUBLE,
	KEY_IDS,	 /* an id or a list of them: gen_ids */
	KEY_READ,	 /* by a function of its own */
	KEY_IGNORED, /* has no effect on what is generated */
	KEY_REFUSED	 /* of something that is not there: only null and false will do */
} key_kind;

/* Ends of a range that do not belong to it. */
enum
{
	ABOVE = 1, /* minimum */
	BELOW = 2  /* maximum */
};

typedef struct key_row
{
	const char *name;
	key_kind kind;
	size_t place;
	double minimum, maximum;
	double none; /* what null makes of it */
	int open;
	bool (*read)(tfm_context *context, json value, gen_config *config);
} key_row;

#define PLACE(field) offsetof(gen_config, field)
#define ROW(key, is, ...)                                                                          \
	{                                                                                              \
		.name = #key, .kind = is, __VA_ARGS__                                                      \
	}
#define RANGE(key, from, to, null) .place = PLACE(key), .minimum = from, .maximum = to, .none = null
#define BOOL(key) ROW(key, KEY_BOOL, .place = PLACE(key))
#define INT(key, from, to, null) ROW(key, KEY_INT, RANGE(key, from, to, null))
#define ID(key) ROW(key, KEY_ID, RANGE(key, -1, INT32_MAX, -1))
#define REAL(key, from, to, null) ROW(key, KEY_DOUBLE, RANGE(key, from, to, null))
#define OPEN(key, from, to, null, ends)                                                            \
	ROW(key, KEY_DOUBLE, RANGE(key, from, to, null), .open = ends)
#define IDS(key) ROW(key, KEY_IDS, .place = PLACE(key))
#define READ(key, function) ROW(key, KEY_READ, .read = function)
#define IGNORED(key) ROW(key, KEY_IGNORED, .place = 0)
#define REFUSED(key) ROW(key, KEY_REFUSED, .place = 0)

#define MANY GEN_MAX_TOKENS
#define LARGEST FLT_MAX

static const key_row keys[] = {
	INT(max_length, 1, MANY, 0),
	INT(max_new_tokens, 1, MANY, 0),
	INT(min_length, 0, MANY, 0),
	INT(min_new_tokens, 0, MANY, 0),
	REAL(max_time, 0, LARGEST, 0),
	READ(stop_strings, gen_read_stop_strings),

	BOOL(do_sample),
	INT(num_beams, 1, GEN_MAX_BEAMS, 1),
	INT(num_beam_groups, 1, GEN_MAX_BEAMS, 1),
	REAL(diversity_penalty, -LARGEST, LARGEST, 0),
	REAL(length_penalty, -1000, 1000, 1),
	READ(early_stopping, gen_read_early_stopping),
	INT(num_return_sequences, 1, GEN_MAX_RETURN_SEQUENCES, 1),
	REAL(penalty_alpha, 0, 1, 0),
	INT(prompt_lookup_num_tokens, 1, 1024, 0),
	INT(max_matching_ngram_size, 1, 1024, 2),
	INT(num_assistant_tokens, 1, 1024, 20),
	READ(num_assistant_tokens_schedule, gen_read_schedule),
	REAL(assistant_confidence_threshold, 0, 1, 0),
	OPEN(assistant_ensemble_weight, 0, 1, 0, ABOVE | BELOW),
	READ(force_words_ids, gen_read_force_words),

	REAL(temperature, 0, LARGEST, 1),
	INT(top_k, 0, MANY, 0),
	REAL(top_p, 0, 1, 1),
	REAL(min_p, 0, 1, 0),
	OPEN(top_h, 0, 1, 0, ABOVE),
	OPEN(typical_p, 0, 1, 1, ABOVE),
	OPEN(epsilon_cutoff, 0, 1, 0, BELOW),
	OPEN(eta_cutoff, 0, 1, 0, BELOW),
	OPEN(repetition_penalty, 0, LARGEST, 1, ABOVE),
	OPEN(encoder_repetition_penalty, 0, LARGEST, 1, ABOVE),
	INT(no_repeat_ngram_size, 0, MANY, 0),
	INT(encoder_no_repeat_ngram_size, 0, MANY, 0),
	READ(bad_words_ids, gen_read_bad_words),
	READ(sequence_bias, gen_read_sequence_bias),
	BOOL(renormalize_logits),
	BOOL(remove_invalid_values),
	ID(forced_bos_token_id),
	IDS(forced_eos_token_id),
	IDS(suppress_tokens),
	IDS(begin_suppress_tokens),
	READ(exponential_decay_length_penalty, gen_read_decay),
	REAL(guidance_scale, -LARGEST, LARGEST, 1),
	ROW(negative_prompt_ids, KEY_IDS, .place = PLACE(negative_prompt)),
	BOOL(token_healing),
	READ(watermarking_config, gen_read_watermark),

	ID(pad_token_id),
	ID(bos_token_id),
	ID(decoder_start_token_id),
	IDS(eos_token_id),

	BOOL(output_scores),
	BOOL(output_logits),
	INT(seed, 0, 9007199254740991.0, 0),

	IGNORED(use_cache),
	IGNORED(cache_implementation),
	IGNORED(cache_config),
	IGNORED(max_cache_len),
	IGNORED(return_legacy_cache),
	IGNORED(output_attentions),
	IGNORED(output_hidden_states),
	IGNORED(return_dict_in_generate),
	IGNORED(compile_config),
	IGNORED(disable_compile),
	IGNORED(continuous_batching_config),
	IGNORED(low_memory),
	IGNORED(prefill_chunk_size),
	IGNORED(is_assistant),
	IGNORED(assistant_lookbehind),
	IGNORED(target_lookbehind),
	IGNORED(transformers_version),
	IGNORED(_from_model_config),
	IGNORED(_commit_hash),

	REFUSED(constraints),
	REFUSED(dola_layers),
	REFUSED(use_mtp),
	REFUSED(assistant_early_exit),
	REFUSED(speculation_type),
};

void
gen_config_init(gen_config *config)
{
	*config = (gen_config) {
		.num_beams = 1,
		.num_beam_groups = 1,
		.length_penalty = 1,
		.num_return_sequences = 1,
		.max_matching_ngram_size = 2,
		.num_assistant_tokens = 20,
		.assistant_confidence_threshold = 0.4,
		.temperature = 1,
		.top_k = 50,
		.top_p = 1,
		.typical_p = 1,
		.repetition_penalty = 1,
		.encoder_repetition_penalty = 1,
		.forced_bos_token_id = -1,
		.exponential_decay_start = -1,
		.guidance_scale = 1,
		.pad_token_id = -1,
		.bos_token_id = -1,
		.decoder_start_token_id = -1,
	};
}

static bool
fail_value(tfm_context *context, json value, const key_row *key)
{
	const char *what = key->kind == KEY_DOUBLE ? "a number" : "a whole number";

	if (key->maximum >= MANY)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "\"%s\": \"%s\" must be %s %s %g",
						value.source, key->name, what, key->open & ABOVE ? "above" : "of at least",
						key->minimum);
	return tfm_fail(context, TFM_INVALID_ARGUMENT, "\"%s\": \"%s\" must be %s from %g to %g%s",
					value.source, key->name, what, key->minimum, key->maximum,
					key->open ? ", its ends excluded" : "");
}

static bool
read_int(tfm_context *context, json value, const key_row *key, int64_t *result)
{
	if (!json_to_int(value, (int64_t) key->minimum, (int64_t) key->maximum, result))
		return fail_value(context, value, key);
	return true;
}

static bool
read_double(tfm_context *context, json value, const key_row *key, double *result)
{
	double number = json_as_number(value);

	if (!json_is_number(value) || !isfinite(number) || number < key->minimum ||
		number > key->maximum || (number == key->minimum && key->open & ABOVE) ||
		(number == key->maximum && key->open & BELOW && number != key->none))
		return fail_value(context, value, key);
	*result = number;
	return true;
}

static bool
read_bool(tfm_context *context, json value, const key_row *key, bool *result)
{
	if (!json_is_bool(value))
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "\"%s\": \"%s\" must be true or false",
						value.source, key->name);
	*result = json_as_bool(value);
	return true;
}

static bool
refuse(tfm_context *context, json value, const key_row *key)
{
	if (json_is_bool(value) && !json_as_bool(value))
		return true;
	return tfm_fail(context, TFM_UNSUPPORTED, "\"%s\": \"%s\" is not supported", value.source,
					key->name);
}

static bool
read_value(tfm_context *context, json value, const key_row *key, gen_config *config)
{
	void *place = (char *) config + key->place;
	int64_t id;

	switch (key->kind)
	{
		case KEY_BOOL:
			return read_bool(context, value, key, place);
		case KEY_INT:
			return read_int(context, value, key, place);
		case KEY_ID:
			if (!read_int(context, value, key, &id))
				return false;
			*(int32_t *) place = (int32_t) id;
			return true;
		case KEY_DOUBLE:
			return read_double(context, value, key, place);
		case KEY_IDS:
			return gen_read_ids(context, value, key->name, place);
		case KEY_READ:
			return key->read(context, value, config);
		case KEY_IGNORED:
			return true;
		case KEY_REFUSED:
			return refuse(context, value, key);
	}
	return true;
}

/* What null makes of a key. */
static bool
clear_value(tfm_context *context, json value, const key_row *key, gen_config *config)
{
	void *place = (char *) config + key->place;

	switch (key->kind)
	{
		case KEY_BOOL:
			*(bool *) place = false;
			return true;
		case KEY_INT:
			*(int64_t *) place = (int64_t) key->none;
			return true;
		case KEY_ID:
			*(int32_t *) place = (int32_t) key->none;
			return true;
		case KEY_DOUBLE:
			*(double *) place = key->none;
			return true;
		case KEY_IDS:
			*(gen_ids *) place = (gen_ids) {0};
			return true;
		case KEY_READ:
			return key->read(context, value, config);
		default:
			return true;
	}
}

static const key_row *
find_key(const char *name)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

bool
gen_config_knows(const char *key)
{
	return find_key(key) != NULL;
}

bool
gen_config_read(tfm_context *context, json object, bool strict, gen_config *config)
{
	if (!json_is_object(object))
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "\"%s\" must be a JSON object",
						object.source);
	for (json child = json_first(object); json_present(child) && !tfm_failed(context);
		 child = json_next(child))
	{
		const char *name = json_key(child);
		const key_row *key = find_key(name);
		json value = json_member(object, name);

		if (key == NULL && strict)
		{
			tfm_fail(context, TFM_INVALID_ARGUMENT, "\"%s\": \"%s\" is no option of generation",
					 object.source, name);
			tfm_hint(context, "The options have the names of Transformers' GenerationConfig.");
		}
		if (key != NULL && json_present(value))
			read_value(context, value, key, config);
		else if (key != NULL && strict)
			clear_value(context, value, key, config);
	}
	return !tfm_failed(context);
}

/* Whether all of some forced ids are suppressed: nothing would be left to choose. */
static bool
is_suppressed(const gen_config *config, gen_ids forced)
{
	for (size_t i = 0; i < forced.count; i++)
		if (!gen_has_id(config->suppress_tokens, forced.ids[i]))
			return false;
	return forced.count > 0;
}

static bool
check_forced(tfm_context *context, const gen_config *config)
{
	gen_ids bos = {.count = config->forced_bos_token_id >= 0, .ids = &config->forced_bos_token_id};

	if (is_suppressed(config, bos) || is_suppressed(config, config->forced_eos_token_id))
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"every token of \"%s\" is also in \"suppress_tokens\"",
						is_suppressed(config, bos) ? "forced_bos_token_id" : "forced_eos_token_id");
	if (config->exponential_decay_start >= 0 && config->eos_token_id.count == 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"\"exponential_decay_length_penalty\" needs an \"eos_token_id\"");
	return true;
}

static bool
check_groups(tfm_context *context, const gen_config *config)
{
	if (config->num_beam_groups == 1)
		return true;
	if (config->num_beams % config->num_beam_groups != 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"\"num_beams\" must be a multiple of \"num_beam_groups\"");
	if (config->do_sample)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"groups of beams cannot be sampled: \"do_sample\" must be false");
	return true;
}

static bool
check_words(tfm_context *context, const gen_config *config)
{
	if (config->force_words.count == 0)
		return true;
	if (config->num_beams == 1 || config->num_beam_groups > 1 || config->do_sample)
		return tfm_fail(
			context, TFM_INVALID_ARGUMENT,
			"\"force_words_ids\" needs \"num_beams\" above 1, no groups and no sampling");
	return true;
}

bool
gen_config_check(tfm_context *context, const gen_config *config)
{
	if (config->eos_token_id.count > GEN_MAX_ENDS)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED, "\"eos_token_id\" has more than %d elements",
						GEN_MAX_ENDS);
	if (config->do_sample && config->temperature == 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"\"temperature\" must be above 0 where \"do_sample\" is true");
	if (config->num_return_sequences > 1 && config->num_beams == 1 && !config->do_sample)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"\"num_return_sequences\" above 1 needs \"do_sample\" or \"num_beams\"");
	if (config->num_beams > 1 && config->num_return_sequences > config->num_beams)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"\"num_return_sequences\" must not be above \"num_beams\"");
	if (config->watermark == WATERMARK_SYNTHID && config->num_beams > 1)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"SynthID's watermark does not go with beams");
	return check_forced(context, config) && check_groups(context, config) &&
		   check_words(context, config);
}

int32_t
gen_config_pad(const gen_config *config)
{
	if (config->pad_token_id >= 0)
		return config->pad_token_id;
	return config->eos_token_id.count > 0 ? config->eos_token_id.ids[0] : 0;
}

/* Beam search takes a padding of 0 for none, and fills with -1 where nothing ends a sequence. */
int32_t
gen_config_fill(const gen_config *config)
{
	if (config->num_beams == 1 || config->num_beam_groups > 1 || config->force_words.count > 0)
		return gen_config_pad(config);
	if (config->eos_token_id.count == 0)
		return -1;
	return config->pad_token_id > 0 ? config->pad_token_id : config->eos_token_id.ids[0];
}
