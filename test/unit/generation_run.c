/*
 * generation_run.c
 *	  Runs of generate() over a language model that is a hash of the last tokens: what is chosen, when
 *	  it ends, who owns what.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/scores.h"
#include "generate/vocabulary.h"
#include "generation.h"
#include "oom.h"

#define WORDS 40
#define STATES 6
#define SEQUENCES 512
#define LONGEST 128
#define END 2

/* A model: sequences are their ids. */
typedef struct fake
{
	int32_t ids[SEQUENCES][LONGEST];
	int64_t lengths[SEQUENCES]; /* -1: closed */
	int open, steps, forks;
	uint64_t noise; /* what the scores of another model are off by */
	int fail_at;	/* the step that fails; 0: none */
	bool windowed;	/* sequences cannot be cut back */
} fake;

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
	return x ^ (x >> 31);
}

/* A number of -1 to 1 that depends on the last two tokens. */
static float
hash_score(const int32_t *ids, int64_t count, int64_t what, uint64_t seed)
{
	uint64_t x = (uint64_t) ids[count - 1] * 1000 + (count > 1 ? (uint64_t) ids[count - 2] : 77);

	x = mix(x * 0x9E3779B97F4A7C15u + (uint64_t) what * 31 + seed);
	return (float) (x >> 40) / (float) (1 << 23) - 1;
}

static void
score(const fake *f, const int32_t *ids, int64_t count, float *logits)
{
	for (int64_t i = 0; i < WORDS; i++)
		logits[i] = 4 * hash_score(ids, count, i, 5) +
					(f->noise > 0 ? hash_score(ids, count, i, f->noise) : 0);
}

static int32_t
fake_open(tfm_context *context, void *argument, const int32_t *ids, int64_t count, int64_t *reused)
{
	fake *f = argument;

	(void) ids, (void) count;
	if (tfm_failed(context))
		return -1;
	for (int32_t i = 0; i < SEQUENCES; i++)
		if (f->lengths[i] < 0)
		{
			f->lengths[i] = 0;
			f->open++;
			if (reused != NULL)
				*reused = 0;
			return i;
		}
	fail_msg("too many sequences are open");
	return -1;
}

static int32_t
fake_fork(tfm_context *context, void *argument, int32_t sequence)
{
	fake *f = argument;
	int32_t made = fake_open(context, argument, NULL, 0, NULL);

	if (made < 0)
		return -1;
	assert_true(f->lengths[sequence] >= 0);
	memcpy(f->ids[made], f->ids[sequence], sizeof(f->ids[made]));
	f->lengths[made] = f->lengths[sequence];
	f->forks++;
	return made;
}

static bool
fake_truncate(tfm_context *context, void *argument, int32_t sequence, int64_t length)
{
	fake *f = argument;

	assert_true(length <= f->lengths[sequence]);
	if (f->windowed)
		return tfm_fail(context, TFM_INTERNAL, "a window has moved on");
	f->lengths[sequence] = length;
	return !tfm_failed(context);
}

static bool
give_tokens(tfm_context *context, fake *f, const run_step *step, float **logits, float **states)
{
	int32_t *ids = f->ids[step->sequence];

	assert_true(f->lengths[step->sequence] >= 0 && step->count > 0);
	for (int64_t i = 0; i < step->count; i++)
	{
		int64_t count = ++f->lengths[step->sequence];

		if (count > LONGEST)
			return tfm_fail(context, TFM_LIMIT_EXCEEDED, "no more positions");
		ids[count - 1] = step->ids[i];
		if (i < step->count - step->wanted)
			continue;
		score(f, ids, count, *logits);
		*logits += WORDS;
		for (int64_t k = 0; states != NULL && k < STATES; k++)
			*(*states)++ = hash_score(ids, count, k, 9);
	}
	return true;
}

static bool
fake_step(tfm_context *context, void *argument, const run_step *steps, int64_t count,
		  float **logits, float **states)
{
	fake *f = argument;
	int64_t wanted = 0;
	float *scores, *hidden;

	for (int64_t i = 0; i < count; i++)
		wanted += steps[i].wanted;
	*logits = scores = tfm_alloc_array(context, (size_t) wanted * WORDS + 1, sizeof(float));
	hidden = tfm_alloc_array(context, (size_t) wanted * STATES + 1, sizeof(float));
	if (scores == NULL || hidden == NULL || tfm_stopped(context))
		return false;
	if (++f->steps == f->fail_at)
		return tfm_fail(context, TFM_INTERNAL, "this step fails");
	if (states != NULL)
		*states = hidden;
	for (int64_t i = 0; i < count; i++)
		if (!give_tokens(context, f, &steps[i], &scores, states == NULL ? NULL : &hidden))
			return false;
	return true;
}

static void
fake_close(void *argument, int32_t sequence, bool keep)
{
	fake *f = argument;

	(void) keep;
	assert_true(f->lengths[sequence] >= 0);
	f->lengths[sequence] = -1;
	f->open--;
}

static bool
fake_room(void *argument, int64_t count, int64_t tokens)
{
	(void) argument, (void) tokens;
	return count <= 24;
}

static gen_decoder
make_decoder(fake *f, uint64_t noise)
{
	memset(f, 0, sizeof(*f));
	f->noise = noise;
	for (int i = 0; i < SEQUENCES; i++)
		f->lengths[i] = -1;
	return (gen_decoder) {.argument = f,
						  .vocabulary = WORDS,
						  .max_length = LONGEST,
						  .open = fake_open,
						  .fork = fake_fork,
						  .truncate = fake_truncate,
						  .step = fake_step,
						  .close = fake_close,
						  .has_room = fake_room,
						  .state_size = STATES};
}

/* ---- What is run ---- */

static const int32_t end_ids[] = {END};
static const int32_t first_ids[] = {1, 7, 9}, second_ids[] = {1, 30, 4, 8, 22, 11, 6},
					 third_ids[] = {1};
static const gen_ids prompts[] = {{3, first_ids}, {7, second_ids}, {1, third_ids}};

static fake model, draft;
static gen_decoder decoder, draft_decoder;

static void
read_options(tfm_context *context, const char *options, gen_config *config)
{
	gen_config_init(config);
	config->eos_token_id = (gen_ids) {1, end_ids};
	config->pad_token_id = 0;
	config->max_new_tokens = 12;
	gen_config_read(context, json_parse(context, options, strlen(options), "options"), true,
					config);
}

static gen_request
make_request(const gen_config *config, const gen_ids *of, int64_t count)
{
	decoder = make_decoder(&model, 0);
	draft_decoder = make_decoder(&draft, 3);
	return (gen_request) {
		.decoder = &decoder, .config = config, .prompts = of, .prompt_count = count};
}

static int64_t
count_made(const gen_sequence *sequences, int64_t count)
{
	int64_t made = 0;

	for (int64_t i = 0; i < count; i++)
		made += sequences[i].count;
	return made;
}

static gen_sequence *
generate(scratch *s, const char *options, const gen_ids *of, int64_t prompt_count, bool drafts,
		 int64_t *count)
{
	gen_sequence *sequences;
	gen_config *config = tfm_alloc(&s->context, sizeof(gen_config));
	gen_request request;

	assert_non_null(config);
	read_options(&s->context, options, config);
	assert_good(&s->context);
	request = make_request(config, of, prompt_count);
	if (drafts)
		request.draft_decoder = &draft_decoder;
	s->context.usage.made = 0;
	gen_generate(&s->context, &request, &sequences, count);
	assert_good(&s->context);
	assert_int_equal(s->context.usage.made, count_made(sequences, *count));
	assert_int_equal(model.open, 0);
	assert_int_equal(draft.open, 0);
	return sequences;
}

static void
assert_equal(const gen_sequence *a, const gen_sequence *b)
{
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->finish, b->finish);
	assert_memory_equal(a->ids, b->ids, (size_t) a->count * sizeof(int32_t));
}

/* Ways to decode; all of a kind that end. */
static const char *const ways[] = {
	"{}",
	"{\"do_sample\": true, \"seed\": 4, \"top_k\": 10}",
	"{\"do_sample\": true, \"seed\": 5, \"top_k\": 0, \"num_return_sequences\": 3}",
	"{\"do_sample\": true, \"top_k\": 0, \"top_p\": 0.7, \"temperature\": 1.5}",
	"{\"num_beams\": 4, \"num_return_sequences\": 2}",
	"{\"num_beams\": 3, \"do_sample\": true, \"num_return_sequences\": 3}",
	"{\"num_beams\": 4, \"num_beam_groups\": 2, \"diversity_penalty\": 1.0}",
	"{\"num_beams\": 3, \"force_words_ids\": [[12, 13], [[5], [6, 7]]]}",
	"{\"penalty_alpha\": 0.5, \"top_k\": 4}",
	"{\"prompt_lookup_num_tokens\": 4}",
	"{\"guidance_scale\": 1.5}",
	"{\"num_beams\": 2, \"guidance_scale\": 1.5}",
};

#define WAYS ((int) (sizeof(ways) / sizeof(ways[0])))

static void
greedy_takes_the_best(void **state)
{
	scratch *s = *state;
	int64_t count;
	gen_sequence *found = generate(s, "{}", prompts, 1, false, &count);
	int32_t ids[LONGEST] = {1, 7, 9};
	float logits[WORDS];

	assert_int_equal(count, 1);
	assert_true(found->count > 2);
	assert_memory_equal(found->begin.ids, first_ids, sizeof(first_ids));
	for (int64_t i = 0; i < found->count; i++)
	{
		score(&model, ids, 3 + i, logits);
		ids[3 + i] = (int32_t) gen_argmax(logits, WORDS);
		assert_int_equal(found->ids[i], ids[3 + i]);
	}
	assert_int_equal(found->finish, found->count == 12 ? GEN_LENGTH : GEN_STOPPED);
}

/* A prompt gives the same alone and among others, whatever joins and leaves. */
static void
company_does_not_matter(void **state)
{
	scratch *s = *state;
	gen_ids many[90];

	for (int i = 0; i < 90; i++)
		many[i] = prompts[i % 3];
	for (int w = 0; w < WAYS; w++)
	{
		gen_sequence *alone[3], *among;
		int64_t each = 0, count;

		for (int i = 0; i < 3; i++)
			alone[i] = generate(s, ways[w], &prompts[i], 1, false, &each);
		among = generate(s, ways[w], many, 90, false, &count);
		assert_int_equal(count, 90 * each);
		for (int64_t i = 0; i < count; i++)
			assert_equal(&among[i], &alone[i / each % 3][i % each]);
	}
}

static void
drafts_do_not_change_the_text(void **state)
{
	scratch *s = *state;
	int64_t count;
	gen_sequence *plain = generate(s, "{}", prompts, 3, false, &count), *drafted;
	int steps = model.steps;

	drafted = generate(s, "{\"assistant_confidence_threshold\": 0}", prompts, 3, true, &count);
	for (int i = 0; i < 3; i++)
		assert_equal(&plain[i], &drafted[i]);
	assert_true(model.steps < steps);
	drafted =
		generate(s, "{\"num_assistant_tokens_schedule\": \"heuristic\"}", prompts, 3, true, &count);
	for (int i = 0; i < 3; i++)
		assert_equal(&plain[i], &drafted[i]);
	drafted = generate(s, "{\"prompt_lookup_num_tokens\": 5}", prompts, 3, false, &count);
	for (int i = 0; i < 3; i++)
		assert_equal(&plain[i], &drafted[i]);
}

/* Where a draft cannot be taken back the sequence is begun anew. */
static void
drafts_go_with_windows(void **state)
{
	scratch *s = *state;
	int64_t count;
	gen_sequence *plain = generate(s, "{}", prompts, 3, false, &count), *sequences;
	gen_config config;
	gen_request request;

	read_options(&s->context, "{\"assistant_confidence_threshold\": 0}", &config);
	request = make_request(&config, prompts, 3);
	request.draft_decoder = &draft_decoder;
	model.windowed = draft.windowed = true;
	gen_generate(&s->context, &request, &sequences, &count);
	assert_good(&s->context);
	for (int i = 0; i < 3; i++)
		assert_equal(&plain[i], &sequences[i]);
	assert_int_equal(model.open + draft.open, 0);
}

/* Options that the vocabulary, or a prompt, has no tokens for. */
static void
strange_tokens_are_refused(void **state)
{
	scratch *s = *state;
	static const char *const strange[] = {
		"{\"bad_words_ids\": [[40]]}",
		"{\"sequence_bias\": [[[1, 41], 1.0]]}",
		"{\"forced_bos_token_id\": 40}",
		"{\"forced_eos_token_id\": [2, 40]}",
		"{\"num_beams\": 2, \"force_words_ids\": [[1], [40]]}",
	};
	const int32_t negative[] = {1, -5};
	gen_ids prompt = {2, negative};
	gen_config config;
	gen_request request;

	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
	{
		read_options(&s->context, strange[i], &config);
		request = make_request(&config, prompts, 1);
		assert_null(gen_begin(&s->context, &request));
		assert_failed(&s->context, TFM_INVALID_ARGUMENT, "the vocabulary ends at 39");
	}
	read_options(&s->context, "{}", &config);
	request = make_request(&config, &prompt, 1);
	assert_null(gen_begin(&s->context, &request));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "has a token -5");
}

/* ---- Sampling ---- */

#define DRAWS 4000

/* How often each token comes second after a prompt, of DRAWS. */
static void
count_tokens(scratch *s, const char *options, bool drafts, int place, int *counts)
{
	gen_config config;
	gen_request request;

	read_options(&s->context, options, &config);
	config.max_new_tokens = 3;
	config.eos_token_id = (gen_ids) {0};
	assert_good(&s->context);
	memset(counts, 0, WORDS * sizeof(int));
	for (int i = 0; i < DRAWS; i++)
	{
		arena_mark mark = arena_save(s->context.arena);
		gen_sequence *sequences;
		int64_t count;

		config.seed = (uint64_t) i;
		request = make_request(&config, prompts, 1);
		request.draft_decoder = drafts ? &draft_decoder : NULL;
		gen_generate(&s->context, &request, &sequences, &count);
		assert_good(&s->context);
		counts[sequences[0].ids[place]]++;
		arena_restore(s->context.arena, mark);
	}
}

static void
tokens_are_drawn_by_their_probabilities(void **state)
{
	scratch *s = *state;
	const char *options = "{\"do_sample\": true, \"top_k\": 6, \"temperature\": 2.0}";
	int32_t ids[] = {1, 7, 9};
	int counts[WORDS];
	int32_t best[6];
	float logits[WORDS];
	double sum = 0;

	count_tokens(s, options, false, 0, counts);
	score(&model, ids, 3, logits);
	gen_pick(logits, WORDS, 6, best);
	for (int i = 0; i < 6; i++)
		sum += exp((double) logits[best[i]] / 2);
	for (int i = 0; i < 6; i++)
	{
		double p = exp((double) logits[best[i]] / 2) / sum;
		double deviation = sqrt(DRAWS * p * (1 - p));

		assert_true(fabs(counts[best[i]] - DRAWS * p) < 4 * deviation);
		counts[best[i]] = 0;
	}
	for (int i = 0; i < WORDS; i++)
		assert_int_equal(counts[i], 0);
}

/* Drafts change how tokens are drawn, not how often. */
static void
drafts_are_drawn_alike(void **state)
{
	scratch *s = *state;
	const char *options = "{\"do_sample\": true, \"top_k\": 5, \"temperature\": 3.0,"
						  " \"assistant_confidence_threshold\": 0}";
	int plain[WORDS], drafted[WORDS];

	count_tokens(s, options, false, 1, plain);
	count_tokens(s, options, true, 1, drafted);
	for (int i = 0; i < WORDS; i++)
	{
		double p = (plain[i] + drafted[i]) / (2.0 * DRAWS);

		assert_true(fabs((double) plain[i] - drafted[i]) <= 4 * sqrt(2 * DRAWS * p * (1 - p)) + 1);
	}
}

static void
seeds_repeat(void **state)
{
	scratch *s = *state;
	const char *options = "{\"do_sample\": true, \"seed\": 8, \"num_return_sequences\": 3}";
	int64_t count;
	gen_sequence *first = generate(s, options, prompts, 1, false, &count);
	gen_sequence *again = generate(s, options, prompts, 1, false, &count);
	gen_sequence *other =
		generate(s, "{\"do_sample\": true, \"seed\": 9}", prompts, 1, false, &count);

	for (int i = 0; i < 3; i++)
		assert_equal(&first[i], &again[i]);
	assert_memory_not_equal(first[0].ids, first[1].ids, 3 * sizeof(int32_t));
	assert_memory_not_equal(first[0].ids, other[0].ids, 3 * sizeof(int32_t));
}

/* ---- Steps and ends ---- */

static void
texts_grow_step_by_step(void **state)
{
	scratch *s = *state;
	tfm_context other = {.arena = arena_create(0)};
	gen_config config;
	gen_sequence *sequences, *whole;
	int64_t count, before = 0;
	bool more = true;
	gen_request request;
	gen_run *run;

	whole = generate(s, "{}", prompts, 1, false, &count);
	read_options(&s->context, "{}", &config);
	request = make_request(&config, prompts, 1);
	run = gen_begin(&s->context, &request);
	assert_non_null(run);
	while (more)
	{
		gen_sequence partial;

		assert_true(gen_step(&other, run, &more));
		partial = gen_partial(run, 0);
		assert_int_equal(partial.count, ++before);
		assert_memory_equal(partial.ids, whole->ids, (size_t) before * sizeof(int32_t));
		assert_int_equal(arena_used(other.arena), 0);
	}
	assert_true(gen_finish_run(&s->context, run, &sequences, &count));
	assert_equal(sequences, whole);
	arena_destroy(other.arena);
}

/* A run that is given up leaves no sequence open. */
static void
runs_may_be_given_up(void **state)
{
	scratch *s = *state;

	for (int w = 0; w < WAYS; w++)
	{
		gen_config config;
		gen_sequence *sequences;
		gen_request request;
		gen_run *run;
		int64_t count;
		bool more;

		read_options(&s->context, ways[w], &config);
		request = make_request(&config, prompts, 3);
		run = gen_begin(&s->context, &request);
		assert_good(&s->context);
		assert_true(gen_step(&s->context, run, &more));
		assert_true(gen_step(&s->context, run, &more));
		assert_true(model.open > 0);
		assert_true(gen_finish_run(&s->context, run, &sequences, &count));
		assert_int_equal(model.open, 0);
	}
}

static bool
stop_now(void *argument)
{
	int *left = argument;

	return (*left)-- <= 0;
}

static void
errors_close_sequences(void **state)
{
	scratch *s = *state;

	for (int w = 0; w < WAYS; w++)
		for (int at = 1; at < 6; at++)
		{
			gen_config config;
			gen_sequence *sequences;
			gen_request request;
			int64_t count;
			int left = at;

			read_options(&s->context, ways[w], &config);
			request = make_request(&config, prompts, 3);
			model.fail_at = at;
			assert_false(gen_generate(&s->context, &request, &sequences, &count));
			assert_failed(&s->context, TFM_INTERNAL, "this step fails");
			assert_int_equal(model.open, 0);
			request = make_request(&config, prompts, 3);
			s->context.interrupted = stop_now;
			s->context.interrupted_argument = &left;
			assert_false(gen_generate(&s->context, &request, &sequences, &count));
			s->context.interrupted = NULL;
			assert_failed(&s->context, TFM_CANCELLED, "");
			assert_int_equal(model.open, 0);
		}
}

static void
time_is_an_end(void **state)
{
	scratch *s = *state;

	for (int w = 0; w < WAYS; w++)
	{
		gen_config config;
		gen_sequence *sequences;
		gen_request request;
		int64_t count;

		read_options(&s->context, ways[w], &config);
		config.max_time = 1e-9;
		request = make_request(&config, prompts, 3);
		assert_true(gen_generate(&s->context, &request, &sequences, &count));
		assert_int_equal(model.open, 0);
		assert_int_equal(count, 3 * config.num_return_sequences);
		for (int64_t i = 0; i < count; i++)
			assert_true(sequences[i].count <= 1);
	}
}

static void
positions_are_an_end(void **state)
{
	scratch *s = *state;
	int32_t ids[LONGEST + 1];
	gen_ids prompt = {.count = LONGEST - 3, .ids = ids};
	gen_config config;
	gen_sequence *sequences;
	gen_request request;
	int64_t count;

	for (int i = 0; i <= LONGEST; i++)
		ids[i] = 3 + i % 7;
	for (int w = 0; w < WAYS; w++)
	{
		read_options(&s->context, ways[w], &config);
		config.eos_token_id = (gen_ids) {0};
		request = make_request(&config, &prompt, 1);
		gen_generate(&s->context, &request, &sequences, &count);
		assert_good(&s->context);
		assert_int_equal(sequences[0].count, config.penalty_alpha > 0 ? 3 : 4);
		assert_int_equal(sequences[0].finish, GEN_LENGTH);
	}
	prompt.count = LONGEST + 1;
	assert_null(gen_begin(&s->context, &request));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "has positions for 128");
	prompt.count = 0;
	assert_null(gen_begin(&s->context, &request));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "prompt 0 is empty");
	prompt.count = 30;
	config.max_new_tokens = 0;
	config.max_length = 30;
	assert_null(gen_begin(&s->context, &request));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "\"max_length\" is 30");
}

/* In a padded batch lengths are the longest prompt's, else each has its own. */
static void
padding_counts_if_asked(void **state)
{
	scratch *s = *state;
	gen_config config;
	gen_sequence *sequences;
	gen_request request;
	int64_t count;

	read_options(&s->context, "{\"max_length\": 10, \"max_new_tokens\": null}", &config);
	config.eos_token_id = (gen_ids) {0};
	request = make_request(&config, prompts, 3);
	assert_true(gen_generate(&s->context, &request, &sequences, &count));
	assert_int_equal(sequences[0].count, 7);
	assert_int_equal(sequences[1].count, 3);
	request = make_request(&config, prompts, 3);
	request.padded = true;
	assert_true(gen_generate(&s->context, &request, &sequences, &count));
	assert_int_equal(sequences[0].count, 3);
	assert_int_equal(sequences[0].begin.count, 3);
	assert_int_equal(sequences[1].count, 3);
}

/* ---- Constraints ---- */

static void
choices_are_kept_to(void **state)
{
	scratch *s = *state;
	static const char *const wanted[] = {"ab", "bca", "cc"};
	tfm_text tokens[WORDS] = {{0}}, choices[3];
	char letters[] = "abcdefg";

	for (int i = 0; i < 7; i++)
		tokens[10 + i] = (tfm_text) {.data = &letters[i], .length = 1};
	for (int i = 0; i < 3; i++)
		choices[i] = (tfm_text) {.data = wanted[i], .length = strlen(wanted[i])};
	for (int w = 0; w < 7; w++)
	{
		gen_config config;
		gen_sequence *sequences;
		gen_request request;
		int64_t count;

		read_options(&s->context, ways[w], &config);
		request = make_request(&config, prompts, 3);
		request.vocabulary = gen_vocabulary_of_tokens(&s->context, tokens, WORDS);
		request.constraint = gen_constrain_choices(&s->context, choices, 3);
		assert_good(&s->context);
		gen_generate(&s->context, &request, &sequences, &count);
		assert_good(&s->context);
		for (int64_t i = 0; i < count; i++)
		{
			char text[8] = "";
			bool found = false;

			assert_in_range(sequences[i].count, 2, 4);
			assert_int_equal(sequences[i].finish, GEN_STOPPED);
			for (int64_t j = 0; j < sequences[i].count; j++)
				if (sequences[i].ids[j] != END)
					strncat(text, &letters[sequences[i].ids[j] - 10], 1);
			for (int k = 0; k < 3; k++)
				found |= strcmp(text, wanted[k]) == 0;
			if (!found)
				fail_msg("%s: \"%s\" is none of the choices", ways[w], text);
		}
	}
}

/* ---- Memory ---- */

static bool
generate_once(tfm_context *context, void *argument)
{
	gen_config config;
	gen_sequence *sequences;
	gen_request request;
	int64_t count;
	bool good;

	read_options(context, argument, &config);
	request = make_request(&config, prompts, 2);
	good = !tfm_failed(context) && gen_generate(context, &request, &sequences, &count);
	assert_int_equal(model.open, 0);
	return good;
}

static void
memory_may_be_out(void **state)
{
	(void) state;
	for (int w = 0; w < WAYS; w++)
		assert_int_equal(oom_run_all(generate_once, (void *) (uintptr_t) ways[w]), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(greedy_takes_the_best),
		scratch_test(company_does_not_matter),
		scratch_test(drafts_do_not_change_the_text),
		scratch_test(drafts_go_with_windows),
		scratch_test(strange_tokens_are_refused),
		scratch_test(tokens_are_drawn_by_their_probabilities),
		scratch_test(drafts_are_drawn_alike),
		scratch_test(seeds_repeat),
		scratch_test(texts_grow_step_by_step),
		scratch_test(runs_may_be_given_up),
		scratch_test(errors_close_sequences),
		scratch_test(time_is_an_end),
		scratch_test(positions_are_an_end),
		scratch_test(padding_counts_if_asked),
		scratch_test(choices_are_kept_to),
		scratch_test(memory_may_be_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
