/*
 * generation_config.c
 *	  GenerationConfig from JSON: what is read, what null does, what is refused.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/config.h"

#include "oom.h"
#include "scratch.h"

static json
parse(scratch *s, const char *text)
{
	json object = json_parse(&s->context, text, strlen(text), "options");

	assert_good(&s->context);
	return object;
}

static void
keys_are_read(void **state)
{
	scratch *s = *state;
	gen_config config;

	gen_config_init(&config);
	assert_int_equal(config.max_length, 0);
	assert_int_equal(config.top_k, 50);
	gen_config_read(&s->context,
					parse(s, "{\"max_new_tokens\": 7, \"do_sample\": true, \"temperature\": 0.5,"
							 "\"top_k\": 3, \"early_stopping\": \"never\", \"eos_token_id\": 9,"
							 "\"suppress_tokens\": [4, 5], \"pad_token_id\": -1,"
							 "\"bad_words_ids\": [[1], [2, 3]],"
							 "\"sequence_bias\": [[[6], -1.5], [[7, 8], 2]],"
							 "\"stop_strings\": [\"a\", \"bc\"],"
							 "\"exponential_decay_length_penalty\": [3, 1.5],"
							 "\"force_words_ids\": [[1, 2], [[3], [4, 5]]],"
							 "\"watermarking_config\": {\"bias\": 1.5},"
							 "\"use_cache\": false, \"dola_layers\": null, \"seed\": 77}"),
					true, &config);
	assert_good(&s->context);
	assert_int_equal(config.max_new_tokens, 7);
	assert_true(config.do_sample && config.temperature == 0.5);
	assert_int_equal(config.early_stopping, EARLY_STOPPING_NEVER);
	assert_true(gen_has_id(config.eos_token_id, 9) && config.eos_token_id.count == 1);
	assert_true(gen_has_id(config.suppress_tokens, 5));
	assert_int_equal(config.bad_words.count, 2);
	assert_int_equal(gen_list(&config.bad_words, 1).ids[1], 3);
	assert_int_equal(gen_list(&config.sequence_bias, 1).count, 2);
	assert_true(config.sequence_biases[0] == -1.5f);
	assert_int_equal(config.stop_string_count, 2);
	assert_int_equal(config.stop_strings[1].length, 2);
	assert_int_equal(config.exponential_decay_start, 3);
	assert_int_equal(config.force_words.count, 2);
	assert_int_equal(config.force_words.starts[2], 3);
	assert_int_equal(gen_list(&config.force_words.lists, 2).ids[1], 5);
	assert_int_equal(config.watermark, WATERMARK_LEFTHASH);
	assert_true(config.watermark_greenlist_ratio == 0.25 && config.watermark_bias == 1.5);
	assert_int_equal(config.seed, 77);
	assert_int_equal(gen_config_pad(&config), 9);
}

/* A file's null says nothing, a caller's switches off. */
static void
nulls_switch_off(void **state)
{
	scratch *s = *state;
	json nulls = parse(s, "{\"eos_token_id\": null, \"top_k\": null, \"stop_strings\": null,"
						  "\"max_new_tokens\": null, \"temperature\": null,"
						  "\"sequence_bias\": null, \"do_sample\": null}");
	gen_config config;

	gen_config_init(&config);
	gen_config_read(&s->context,
					parse(s, "{\"eos_token_id\": [4], \"max_new_tokens\": 5, \"do_sample\": true,"
							 "\"stop_strings\": \"x\", \"temperature\": 2}"),
					false, &config);
	gen_config_read(&s->context, nulls, false, &config);
	assert_int_equal(config.eos_token_id.count, 1);
	assert_int_equal(config.top_k, 50);
	gen_config_read(&s->context, nulls, true, &config);
	assert_good(&s->context);
	assert_int_equal(config.eos_token_id.count, 0);
	assert_int_equal(config.top_k, 0);
	assert_int_equal(config.max_new_tokens, 0);
	assert_int_equal(config.stop_string_count, 0);
	assert_true(config.temperature == 1 && !config.do_sample);
}

/* Options, and what the error says. */
static const struct
{
	const char *options, *says;
	tfm_error_kind kind;
} refused[] = {
	{"{\"no_such_key\": 1}", "\"no_such_key\" is no option", TFM_INVALID_ARGUMENT},
	{"[]", "must be a JSON object", TFM_INVALID_ARGUMENT},
	{"{\"num_beams\": 0}", "\"num_beams\" must be a whole number from 1 to 256",
	 TFM_INVALID_ARGUMENT},
	{"{\"num_beams\": 2.5}", "num_beams", TFM_INVALID_ARGUMENT},
	{"{\"num_beams\": 1e9}", "num_beams", TFM_INVALID_ARGUMENT},
	{"{\"max_new_tokens\": -1}", "of at least 1", TFM_INVALID_ARGUMENT},
	{"{\"top_p\": 1.5}", "\"top_p\" must be a number from 0 to 1", TFM_INVALID_ARGUMENT},
	{"{\"top_p\": \"a\"}", "top_p", TFM_INVALID_ARGUMENT},
	{"{\"typical_p\": 0}", "typical_p", TFM_INVALID_ARGUMENT},
	{"{\"epsilon_cutoff\": 1}", "epsilon_cutoff", TFM_INVALID_ARGUMENT},
	{"{\"repetition_penalty\": 0}", "above 0", TFM_INVALID_ARGUMENT},
	{"{\"do_sample\": 1}", "must be true or false", TFM_INVALID_ARGUMENT},
	{"{\"early_stopping\": \"now\"}", "\"never\"", TFM_INVALID_ARGUMENT},
	{"{\"eos_token_id\": -2}", "eos_token_id", TFM_INVALID_ARGUMENT},
	{"{\"eos_token_id\": [1, \"2\"]}", "token ids", TFM_INVALID_ARGUMENT},
	{"{\"bad_words_ids\": [1]}", "lists of token ids", TFM_INVALID_ARGUMENT},
	{"{\"bad_words_ids\": [[]]}", "not empty", TFM_INVALID_ARGUMENT},
	{"{\"sequence_bias\": [[1, 2]]}", "[[token ids], bias]", TFM_INVALID_ARGUMENT},
	{"{\"sequence_bias\": [[[1], 1e39]]}", "[[token ids], bias]", TFM_INVALID_ARGUMENT},
	{"{\"force_words_ids\": []}", "force_words_ids", TFM_INVALID_ARGUMENT},
	{"{\"force_words_ids\": [[[1], 2]]}", "force_words_ids", TFM_INVALID_ARGUMENT},
	{"{\"stop_strings\": [\"\"]}", "stop_strings", TFM_INVALID_ARGUMENT},
	{"{\"stop_strings\": 4}", "stop_strings", TFM_INVALID_ARGUMENT},
	{"{\"exponential_decay_length_penalty\": [1]}", "a factor", TFM_INVALID_ARGUMENT},
	{"{\"watermarking_config\": {\"seeding_scheme\": \"x\"}}", "selfhash", TFM_INVALID_ARGUMENT},
	{"{\"watermarking_config\": {\"greenlist_ratio\": 2}}", "from 0 to 1", TFM_INVALID_ARGUMENT},
	{"{\"watermarking_config\": {\"ngram_len\": 5, \"keys\": []}}", "keys", TFM_INVALID_ARGUMENT},
	{"{\"dola_layers\": \"high\"}", "\"dola_layers\" is not supported", TFM_UNSUPPORTED},
};

static void
nonsense_is_refused(void **state)
{
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		gen_config config;

		gen_config_init(&config);
		if (gen_config_read(&s->context, parse(s, refused[i].options), true, &config))
			fail_msg("%s is read", refused[i].options);
		assert_failed(&s->context, refused[i].kind, refused[i].says);
	}
}

static const struct
{
	const char *options, *says;
} unfit[] = {
	{"{\"do_sample\": true, \"temperature\": 0}", "\"temperature\" must be above 0"},
	{"{\"num_return_sequences\": 2}", "needs \"do_sample\""},
	{"{\"num_beams\": 2, \"num_return_sequences\": 3}", "must not be above \"num_beams\""},
	{"{\"num_beams\": 4, \"num_beam_groups\": 3}", "a multiple of"},
	{"{\"force_words_ids\": [[1]]}", "needs \"num_beams\""},
	{"{\"forced_eos_token_id\": 2, \"suppress_tokens\": [2, 3]}", "also in \"suppress_tokens\""},
	{"{\"exponential_decay_length_penalty\": [1, 2.0]}", "needs an \"eos_token_id\""},
};

static void
parts_must_fit(void **state)
{
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++)
	{
		gen_config config;

		gen_config_init(&config);
		gen_config_read(&s->context, parse(s, unfit[i].options), true, &config);
		assert_good(&s->context);
		assert_false(gen_config_check(&s->context, &config));
		assert_failed(&s->context, TFM_INVALID_ARGUMENT, unfit[i].says);
	}
}

static bool
read_all(tfm_context *context, void *argument)
{
	const char *text = argument;
	gen_config config;

	gen_config_init(&config);
	return gen_config_read(context, json_parse(context, text, strlen(text), "options"), true,
						   &config);
}

static void
memory_may_be_out(void **state)
{
	(void) state;
	assert_int_equal(
		oom_run_all(read_all, "{\"force_words_ids\": [[1, 2], [[3], [4]]], \"eos_token_id\": [1],"
							  "\"sequence_bias\": [[[1], 2]], \"stop_strings\": [\"a\", \"b\"],"
							  "\"watermarking_config\": {\"ngram_len\": 3, \"keys\": [1, 2]}}"),
		TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(keys_are_read),	   scratch_test(nulls_switch_off),
		scratch_test(nonsense_is_refused), scratch_test(parts_must_fit),
		scratch_test(memory_may_be_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
