/*
 * generation_processors.c
 *	  Logits processors against Transformers': golden/generation/processors.jsonl has options, what
 *	  was said, scores and what becomes of them.
 *
 * TFM_GENERATION is a directory with other such files (default: golden/generation).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/processors.h"
#include "generate/watermark.h"
#include "generation.h"
#include "oom.h"

#define TOLERANCE 1e-5

static bool
is_near(float a, float b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	return a == b || fabsf(a - b) <= (float) TOLERANCE * fmaxf(1, fabsf(b));
}

static int
compare_floats(const void *a, const void *b)
{
	float x = *(const float *) a, y = *(const float *) b;

	return (x > y) - (x < y);
}

/* Scores by index; where equal ones are cut, which of them does not matter. */
static void
assert_scores(const char *name, float *found, float *expected, size_t count, bool any_order)
{
	if (any_order)
	{
		qsort(found, count, sizeof(float), compare_floats);
		qsort(expected, count, sizeof(float), compare_floats);
	}
	for (size_t i = 0; i < count; i++)
		if (!is_near(found[i], expected[i]))
			fail_msg("%s: score %zu is %.9g, not %.9g", name, i, (double) found[i],
					 (double) expected[i]);
}

static gen_scores
process(scratch *s, json c, const gen_config *config)
{
	json scores_json = json_member(c, "scores");
	gen_ids ids = ids_of(s, json_member(c, "ids"));
	int64_t count = (int64_t) ids.count;
	gen_prefix prefix = {
		.ids = ids.ids,
		.count = count,
		.padding = json_int(&s->context, c, "padding", 0, 0, count),
		.prompt_length = json_int(&s->context, c, "prompt_length", count, 0, 1000),
		.min_length = config->min_length,
		.max_length = json_int(&s->context, c, "max_length", 1000, 0, 1000),
		.encoder = ids_of(s, json_member(c, "encoder")),
	};
	gen_scores scores = {.values = floats_of(s, scores_json),
						 .count = (int64_t) json_size(scores_json)};
	gen_processors *all =
		gen_processors_create(&s->context, config, scores.count, (gen_allow) {0}, false);

	assert_good(&s->context);
	if (config->watermark == WATERMARK_SYNTHID)
		prefix.watermark = gen_synthid_state_create(&s->context, config);
	assert_true(gen_process(&s->context, all, GEN_ALL, &prefix, &scores, 1));
	return scores;
}

/* The list of what was kept is all that is finite, best first. */
static void
assert_kept(const char *name, const gen_scores *scores)
{
	int64_t finite = 0;

	if (scores->kept == NULL)
		return;
	for (int64_t i = 0; i < scores->count; i++)
		finite += scores->values[i] > -INFINITY;
	if (finite != scores->kept_count)
		fail_msg("%s: %d kept, %d finite", name, (int) scores->kept_count, (int) finite);
	for (int64_t i = 1; i < scores->kept_count; i++)
		if (scores->values[scores->kept[i]] > scores->values[scores->kept[i - 1]])
			fail_msg("%s: kept scores are not sorted", name);
}

static void
processors_do_as_transformers(void **state)
{
	scratch *s = *state;
	json cases = read_lines(s, "processors.jsonl");

	for (json c = json_first(cases); json_present(c); c = json_next(c))
	{
		const char *name = json_string(&s->context, c, "name", "");
		gen_config config;
		gen_scores scores;

		gen_config_init(&config);
		gen_config_read(&s->context, json_member(c, "options"), true, &config);
		assert_good(&s->context);
		scores = process(s, c, &config);
		assert_kept(name, &scores);
		assert_scores(name, scores.values, floats_of(s, json_member(c, "expected")),
					  (size_t) scores.count, json_bool(&s->context, c, "any_order", false));
	}
}

/* ---- Scores ---- */

#define WIDE 5000

static void
wide_scores_are_searched(void **state)
{
	static float values[WIDE];
	int32_t best[300];

	(void) state;
	for (int i = 0; i < WIDE; i++)
		values[i] = (float) ((i * 7919) % 1009);
	for (int64_t count = 1; count < WIDE; count += 97)
	{
		int64_t expected = 0, k = gen_pick(values, count, 300, best);

		for (int64_t i = 0; i < count; i++)
			if (values[i] > values[expected])
				expected = i;
		assert_int_equal(gen_argmax(values, count), expected);
		assert_int_equal(best[0], expected);
		assert_int_equal(k, count < 300 ? count : 300);
		for (int64_t i = 1; i < k; i++)
			assert_true(values[best[i]] < values[best[i - 1]] ||
						(values[best[i]] == values[best[i - 1]] && best[i] > best[i - 1]));
	}
	values[4000] = NAN;
	assert_int_equal(gen_argmax(values, WIDE), 4000);
	for (int i = 0; i < WIDE; i++)
		values[i] = -INFINITY;
	assert_int_equal(gen_argmax(values, WIDE), 0);
}

/* Warp WIDE scores, of which many are needed for the mass. */
static gen_scores
warp_wide(scratch *s, const char *options)
{
	gen_scores scores = {.count = WIDE,
						 .values = tfm_alloc_array(&s->context, WIDE, sizeof(float))};
	gen_prefix prefix = {.max_length = 1000};
	gen_config config;
	gen_processors *all;

	assert_non_null(scores.values);
	for (int i = 0; i < WIDE; i++)
		scores.values[i] = (float) ((i * 7919) % 4999) / 1500;
	gen_config_init(&config);
	gen_config_read(&s->context, json_parse(&s->context, options, strlen(options), "options"), true,
					&config);
	all = gen_processors_create(&s->context, &config, WIDE, (gen_allow) {0}, false);
	assert_good(&s->context);
	assert_true(gen_process(&s->context, all, GEN_ALL, &prefix, &scores, 1));
	return scores;
}

/* The mass of what is left, that of it with the least likely taken off, and the best that was cut. */
static void
wide_vocabularies_are_cut(void **state)
{
	scratch *s = *state;
	gen_scores all = warp_wide(s, "{\"do_sample\": true, \"top_k\": 0}");
	gen_scores nucleus = warp_wide(s, "{\"do_sample\": true, \"top_k\": 0, \"top_p\": 0.6}");
	gen_scores typical = warp_wide(s, "{\"do_sample\": true, \"top_k\": 0, \"typical_p\": 0.6}");
	double logarithm = gen_log_sum_exp(&all), mass = 0, entropy = 0, least = INFINITY;
	double best_cut = -INFINITY, nearest_cut = INFINITY, farthest = 0, typical_mass = 0, last = 0;

	for (int i = 0; i < WIDE; i++)
		entropy -= exp(all.values[i] - logarithm) * (all.values[i] - logarithm);
	for (int i = 0; i < WIDE; i++)
	{
		double p = exp(all.values[i] - logarithm);
		double distance = fabs(-(all.values[i] - logarithm) - entropy);

		if (nucleus.values[i] > -INFINITY)
		{
			mass += p;
			least = fmin(least, p);
		}
		else
			best_cut = fmax(best_cut, p);
		if (typical.values[i] > -INFINITY)
		{
			typical_mass += p;
			last = distance > farthest ? p : last;
			farthest = fmax(farthest, distance);
		}
		else
			nearest_cut = fmin(nearest_cut, distance);
	}
	assert_true(mass >= 0.6 - 1e-6 && mass - least < 0.6 + 1e-6);
	assert_true(best_cut <= least);
	assert_true(typical_mass >= 0.6 - 1e-6 && typical_mass - 3 * last < 0.6 + 1e-6);
	assert_true(farthest <= nearest_cut + 1e-6);
}

static void
sums_of_exponentials_are_exact(void **state)
{
	static float values[WIDE], terms[WIDE];
	double expected = 0, sum;

	(void) state;
	for (int i = 0; i < WIDE; i++)
	{
		values[i] = -(float) i / 37;
		expected += exp((double) values[i]);
	}
	sum = gen_sum_exp(values, WIDE, 0, terms);
	assert_true(fabs(sum - expected) < 1e-6 * expected);
	for (int i = 0; i < WIDE; i++)
		assert_true(fabs((double) terms[i] - exp((double) values[i])) <=
					3e-7 * exp((double) values[i]) + 1e-37);
	values[0] = -INFINITY;
	assert_true(gen_sum_exp(values, 1, 0, terms) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(processors_do_as_transformers),
		scratch_test(wide_scores_are_searched),
		scratch_test(wide_vocabularies_are_cut),
		scratch_test(sums_of_exponentials_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
