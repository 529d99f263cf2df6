/*
 * generation.c
 *	  generate() with tiny models against Transformers: golden/generation/cases.jsonl.
 *
 * TFM_GENERATION is a directory with other such models and cases.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generation.h"
#include "oom.h"
#include "runtime/loaded.h"

#define TOLERANCE 2e-4

/* A model that cases run with, and a session for drafts of it. */
typedef struct tested_model
{
	const run_model *model;
	run_session *session, *assistant;
} tested_model;

static tested_model
open_model(scratch *s, const char *name)
{
	tested_model m;
	char *compiled = tfm_sprintf(&s->context, "%s.image", scratch_path(s, name));

	run_compile(&s->context, generation_path(s, name), compiled, &(run_compile_options) {0});
	m.model = run_model_open(&s->context, compiled, COMPUTE_F32);
	assert_good(&s->context);
	m.session = run_session_create(&s->context, m.model, &(run_session_options) {0});
	m.assistant = run_session_create(&s->context, m.model, &(run_session_options) {0});
	assert_good(&s->context);
	return m;
}

static gen_ids *
prompts_of(scratch *s, json c, int64_t *count)
{
	json list = json_member(c, "prompts");
	gen_ids *prompts = tfm_alloc_array(&s->context, json_size(list), sizeof(gen_ids));

	assert_non_null(prompts);
	*count = 0;
	for (json ids = json_first(list); json_present(ids); ids = json_next(ids))
		prompts[(*count)++] = ids_of(s, ids);
	return prompts;
}

static void
read_config(scratch *s, json c, gen_config *config)
{
	static const int32_t ends[] = {2};

	gen_config_init(config);
	config->pad_token_id = 0;
	config->bos_token_id = 1;
	config->decoder_start_token_id = 0;
	config->eos_token_id = (gen_ids) {.count = 1, .ids = ends};
	gen_config_read(&s->context, json_member(c, "options"), true, config);
	config->output_scores = true;
	assert_good(&s->context);
}

static void
compare_numbers(const char *name, const char *what, json expected, const float *found,
				int64_t count)
{
	int64_t i = 0;

	for (json e = json_first(expected); json_present(e) && i < count; e = json_next(e), i++)
		if (fabs((double) found[i] - number_of(e)) > TOLERANCE * fmax(1, fabs(number_of(e))))
			fail_msg("%s: %s %d is %.7g, not %.7g", name, what, (int) i, (double) found[i],
					 number_of(e));
}

static void
compare_ids(const char *name, const gen_sequence *found, gen_ids expected)
{
	for (int64_t i = 0; i < found->count || i < (int64_t) expected.count; i++)
		if (i >= found->count || i >= (int64_t) expected.count || found->ids[i] != expected.ids[i])
			fail_msg("%s: of %d tokens, not %d, the %d-th is %d, not %d", name, (int) found->count,
					 (int) expected.count, (int) i, i < found->count ? found->ids[i] : -1,
					 i < (int64_t) expected.count ? expected.ids[i] : -1);
}

static void
compare_sequences(scratch *s, json c, const gen_sequence *sequences, int64_t count)
{
	const char *name = json_as_string(json_member(c, "name"));
	json expected = json_first(json_member(c, "sequences"));
	json steps = json_first(json_member(c, "transitions"));
	json score = json_first(json_member(c, "scores"));

	for (int64_t i = 0; i < count; i++)
	{
		float own = (float) sequences[i].score;

		assert_true(json_present(expected));
		compare_ids(name, &sequences[i], ids_of(s, expected));
		compare_numbers(name, "transition", steps, sequences[i].scores, sequences[i].count);
		if (json_present(score) && fabs((double) own - number_of(score)) > TOLERANCE)
			fail_msg("%s: score %.7g, not %.7g", name, (double) own, number_of(score));
		expected = json_next(expected);
		steps = json_next(steps);
		score = json_next(score);
	}
	assert_false(json_present(expected));
}

static void
run_case(scratch *s, const tested_model *m, json c)
{
	gen_config config;
	gen_request request = {.session = m->session,
						   .tokenizer = run_tokenizer(&s->context, m->model),
						   .config = &config,
						   .padded = true};
	gen_sequence *sequences;
	int64_t count;

	read_config(s, c, &config);
	request.prompts = prompts_of(s, c, &request.prompt_count);
	gen_generate(&s->context, &request, &sequences, &count);
	assert_good(&s->context);
	compare_sequences(s, c, sequences, count);
	if (config.num_beams > 1 || config.penalty_alpha > 0 || config.watermark == WATERMARK_SYNTHID)
		return;
	/* Whoever drafts, the text is the same. */
	request.assistant = m->assistant;
	gen_generate(&s->context, &request, &sequences, &count);
	assert_good(&s->context);
	compare_sequences(s, c, sequences, count);
	config.prompt_lookup_num_tokens = 4;
	gen_generate(&s->context, &request, &sequences, &count);
	assert_good(&s->context);
	compare_sequences(s, c, sequences, count);
}

static void
run_cases(scratch *s, const char *name)
{
	tested_model m = open_model(s, name);
	int ran = 0;

	for (json c = json_first(read_lines(s, "cases.jsonl")); json_present(c); c = json_next(c))
		if (strcmp(json_as_string(json_member(c, "model")), name) == 0)
		{
			run_case(s, &m, c);
			ran++;
		}
	assert_true(ran > 0);
}

static void
decoders_generate_as_transformers(void **state)
{
	run_cases(*state, "llama");
}

static void
encoder_decoders_generate_as_transformers(void **state)
{
	run_cases(*state, "t5");
}

/* A prompt whose last token could be longer is given a longer one where the model says so. */
static void
prompts_are_healed(void **state)
{
	scratch *s = *state;
	tested_model m = open_model(s, "llama");
	const tok_tokenizer *tokenizer = run_tokenizer(&s->context, m.model);
	tfm_text text = {.data = "the cat s", .length = 9};
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	tok_encoding encoding;
	gen_sequence *sequences;
	gen_config config;
	int64_t count;
	gen_ids prompt;
	gen_request request = {.session = m.session,
						   .tokenizer = tokenizer,
						   .config = &config,
						   .prompts = &prompt,
						   .prompt_count = 1};
	const char *last, *healed;

	assert_true(tok_encode(&s->context, tokenizer, text, NULL, &options, &encoding));
	prompt = (gen_ids) {.count = encoding.count, .ids = encoding.ids};
	gen_config_init(&config);
	config.token_healing = true;
	config.max_new_tokens = 1;
	gen_generate(&s->context, &request, &sequences, &count);
	assert_good(&s->context);
	assert_int_equal(sequences[0].begin.count, prompt.count);
	last = tok_id_to_token(tokenizer, prompt.ids[prompt.count - 1]);
	healed = tok_id_to_token(tokenizer, sequences[0].begin.ids[prompt.count - 1]);
	assert_true(strncmp(healed, last, strlen(last)) == 0);
	assert_memory_equal(sequences[0].begin.ids, prompt.ids, (prompt.count - 1) * sizeof(int32_t));
	request.tokenizer = NULL;
	assert_null(gen_begin(&s->context, &request));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "needs a tokenizer");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(decoders_generate_as_transformers),
		scratch_test(encoder_decoders_generate_as_transformers),
		scratch_test(prompts_are_healed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
