/*
 * seq2seq.c
 *	  Encoder-decoders by steps: after one encoding, what each step gives is what the golden pass over
 *	  the whole has at its place; and what a caller may not give them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "base/json.h"
#include "oom.h"
#include "runtime/forward.h"
#include "runtime/session.h"
#include "scratch.h"
#include "task/forward.h"

#define FILE_LIMIT (1 << 24)
#define MAX_ROWS 4
#define TOLERANCE 1e-5 /* as a share of the largest score */

/* A golden case: what both parts are given, and the scores of the decoder's tokens. */
typedef struct golden_case
{
	const run_model *model;
	int64_t rows, columns, decoder_columns, words;
	int32_t *ids, *mask, *decoder_ids;
	float *logits; /* [rows, decoder_columns, words] */
	double largest;
} golden_case;

static const char *
golden_path(const char *name, const char *part)
{
	static char path[512];
	const char *golden = getenv("TFM_GOLDEN");

	snprintf(path, sizeof(path), "%s/%s%s", golden == NULL ? "test/golden" : golden, name, part);
	return path;
}

static const run_model *
open_model(scratch *s, const char *name)
{
	const char *image = scratch_path(s, "image");
	const run_model *model;

	run_compile(&s->context, golden_path(name, ""), image, NULL);
	model = run_model_open(&s->context, image, COMPUTE_F32);
	if (model == NULL)
		fail_msg("%s", s->context.error.message);
	return model;
}

/* {"shape": [rows, columns], "data": [...]}; NULL if it is not there. */
static int32_t *
read_ids(tfm_context *context, json given, int64_t *rows, int64_t *columns)
{
	json data = json_member(given, "data"), shape = json_member(given, "shape");
	int32_t *ids = tfm_alloc_array(context, json_size(data), sizeof(int32_t));
	int64_t count = 0;

	if (!json_present(given))
		return NULL;
	*rows = (int64_t) json_as_number(json_first(shape));
	*columns = (int64_t) json_as_number(json_next(json_first(shape)));
	for (json number = json_first(data); json_present(number); number = json_next(number))
		ids[count++] = (int32_t) json_as_number(number);
	assert_int_equal(count, *rows * *columns);
	return ids;
}

static golden_case
read_case(scratch *s, const char *name)
{
	golden_case g = {.model = open_model(s, name)};
	json inputs = json_read(&s->context, golden_path(name, "/inputs.json"), FILE_LIMIT);
	json expected = json_read(&s->context, golden_path(name, "/expected.json"), FILE_LIMIT);
	json data = json_member(json_member(expected, "logits"), "data");
	int64_t count = 0;

	g.ids = read_ids(&s->context, json_member(inputs, "input_ids"), &g.rows, &g.columns);
	g.mask = read_ids(&s->context, json_member(inputs, "attention_mask"), &g.rows, &g.columns);
	g.decoder_ids = read_ids(&s->context, json_member(inputs, "decoder_input_ids"), &g.rows,
							 &g.decoder_columns);
	g.logits = tfm_alloc_array(&s->context, json_size(data), sizeof(float));
	for (json number = json_first(data); json_present(number); number = json_next(number))
	{
		g.logits[count++] = (float) json_as_number(number);
		g.largest = fmax(g.largest, fabs(json_as_number(number)));
	}
	assert_in_range(g.rows, 1, MAX_ROWS);
	g.words = count / (g.rows * g.decoder_columns);
	assert_true(g.words > 1 && g.largest > 0);
	return g;
}

static run_session *
encode_case(tfm_context *context, const golden_case *g, int32_t *sequences)
{
	run_session *session = run_session_create(context, g->model, &(run_session_options) {0});
	run_sequence inputs[MAX_ROWS] = {0};

	for (int64_t i = 0; i < g->rows; i++)
	{
		uint8_t *mask = tfm_alloc_array(context, (size_t) g->columns, 1);

		for (int64_t j = 0; mask != NULL && j < g->columns; j++)
			mask[j] = g->mask == NULL || g->mask[i * g->columns + j] != 0;
		inputs[i] =
			(run_sequence) {.ids = g->ids + i * g->columns, .count = g->columns, .mask = mask};
	}
	if (session == NULL || tfm_failed(context) ||
		!run_session_encode(context, session, inputs, g->rows, sequences))
		return NULL;
	return session;
}

/* The scores after token at of a row. */
static void
check_scores(const golden_case *g, int64_t row, int64_t at, const float *scores)
{
	const float *expected = g->logits + (row * g->decoder_columns + at) * g->words;

	for (int64_t i = 0; i < g->words; i++)
		if (!(fabs((double) scores[i] - expected[i]) <= TOLERANCE * g->largest))
			fail_msg("row %d, token %d: score %d is %.9g, expected %.9g", (int) row, (int) at,
					 (int) i, (double) scores[i], (double) expected[i]);
}

/* Row i begins i steps after the first one, which is given its first two tokens at once. */
static void
check_case(scratch *s, const char *name)
{
	golden_case g = read_case(s, name);
	int32_t sequences[MAX_ROWS];
	run_session *session = encode_case(&s->context, &g, sequences);

	assert_non_null(session);
	assert_true(run_session_has_encoder(session));
	assert_int_equal(run_session_vocabulary(session), g.words);
	for (int64_t tick = 0; tick < g.decoder_columns + g.rows; tick++)
	{
		run_step steps[MAX_ROWS];
		int64_t rows[MAX_ROWS], places[MAX_ROWS], count = 0;
		float *logits;

		for (int64_t i = 0; i < g.rows; i++)
		{
			int64_t at = tick - i + (i == 0 && tick > 0), tokens = i == 0 && tick == 0 ? 2 : 1;

			if (at < 0 || at >= g.decoder_columns)
				continue;
			rows[count] = i;
			places[count] = at + tokens - 1;
			steps[count++] = (run_step) {.sequence = sequences[i],
										 .ids = g.decoder_ids + i * g.decoder_columns + at,
										 .count = tokens,
										 .wanted = 1};
		}
		if (count == 0)
			continue;
		assert_true(run_session_step(&s->context, session, steps, count, &logits, NULL));
		for (int64_t i = 0; i < count; i++)
			check_scores(&g, rows[i], places[i], logits + i * g.words);
	}
}

static void
steps_give_what_a_whole_pass_gives(void **state)
{
	static const char *const names[] = {
		"bart/BartForConditionalGeneration-bias",
		"mbart/MBartForConditionalGeneration",
		"led/LEDForConditionalGeneration",
		"bigbird_pegasus/BigBirdPegasusForConditionalGeneration",
		"pegasus_x/PegasusXForConditionalGeneration",
		"longt5/LongT5ForConditionalGeneration",
		"pegasus/PegasusForConditionalGeneration",
		"m2m_100/M2M100ForConditionalGeneration-no_pads",
		"blenderbot/BlenderbotForConditionalGeneration",
		"blenderbot-small/BlenderbotSmallForConditionalGeneration",
		"marian/MarianMTModel-two_vocabularies",
		"t5/T5ForConditionalGeneration",
		"t5/T5ForConditionalGeneration-1_1",
		"t5/T5ForConditionalGeneration-long",
		"mt5/MT5ForConditionalGeneration",
		"umt5/UMT5ForConditionalGeneration",
		"mvp/MvpForConditionalGeneration",
		"plbart/PLBartForConditionalGeneration",
		"nllb-moe/NllbMoeForConditionalGeneration-no_pads",
		"switch_transformers/SwitchTransformersForConditionalGeneration",
		"prophetnet/ProphetNetForConditionalGeneration-steps",
		"encoder-decoder/EncoderDecoderModel-roberta",
		"encoder-decoder/EncoderDecoderModel-bart",
		"encoder-decoder/EncoderDecoderModel-gpt2",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		check_case(*state, names[i]);
}

/* A copy that goes on otherwise leaves the sequence as it was, and the other way round. */
static void
copies_go_their_own_ways(void **state)
{
	scratch *s = *state;
	golden_case g = read_case(s, "t5/T5ForConditionalGeneration");
	int32_t sequences[MAX_ROWS], copy, other = 7;
	run_session *session = encode_case(&s->context, &g, sequences);
	run_step step = {.ids = g.decoder_ids, .count = 2, .wanted = 1};
	float *logits;

	assert_non_null(session);
	step.sequence = sequences[0];
	assert_true(run_session_step(&s->context, session, &step, 1, &logits, NULL));
	copy = run_session_fork(&s->context, session, sequences[0]);
	assert_true(copy >= 0);
	assert_true(run_session_step(&s->context, session,
								 &(run_step) {.sequence = copy, .ids = &other, .count = 1}, 1,
								 &logits, NULL));
	run_session_close(session, copy, false);
	step.ids += 2;
	step.count = 1;
	copy = run_session_fork(&s->context, session, sequences[0]);
	assert_true(run_session_step(&s->context, session, &step, 1, &logits, NULL));
	check_scores(&g, 0, 2, logits);
	run_session_close(session, sequences[0], false);
	step.sequence = copy;
	assert_true(run_session_step(&s->context, session, &step, 1, &logits, NULL));
	check_scores(&g, 0, 2, logits);
}

static void
refuse(scratch *s, const run_model *model, const char *inputs, tfm_error_kind kind,
	   const char *message)
{
	buffer *outputs = buffer_create(&s->context);

	assert_false(task_forward(&s->context, model, (tfm_text) {inputs, strlen(inputs)}, outputs));
	assert_int_equal(s->context.error.kind, kind);
	if (strstr(s->context.error.message, message) == NULL)
		fail_msg("%s", s->context.error.message);
	tfm_clear_error(&s->context);
}

static void
what_does_not_fit_is_refused(void **state)
{
	scratch *s = *state;
	const run_model *model = open_model(s, "m2m_100/M2M100ForConditionalGeneration");

	refuse(s, model, "{\"input_ids\": [[5, 6]]}", TFM_INVALID_ARGUMENT, "decoder_input_ids");
	refuse(s, model, "{\"input_ids\": [[5, 6]], \"decoder_input_ids\": [[5], [6]]}",
		   TFM_INVALID_ARGUMENT, "as many rows as the encoder");
	refuse(s, model, "{\"input_ids\": [[5, 6]], \"decoder_input_ids\": [[26]]}",
		   TFM_INVALID_ARGUMENT, "outside the model's vocabulary");
	refuse(s, model,
		   "{\"input_ids\": [[5, 6]], \"decoder_input_ids\": [[5]], "
		   "\"decoder_inputs_embeds\": [[[1]]]}",
		   TFM_INVALID_ARGUMENT, "cannot both be given");
	refuse(s, model,
		   "{\"input_ids\": [[5, 6]], \"decoder_input_ids\": [[5, 6]], "
		   "\"decoder_attention_mask\": [[1]]}",
		   TFM_INVALID_ARGUMENT, "\"decoder_attention_mask\" must have the shape");
	model = open_model(s, "bart/BartForSequenceClassification");
	refuse(s, model, "{\"input_ids\": [[5, 2], [5, 6]]}", TFM_INVALID_ARGUMENT,
		   "the end of a text");
	model = open_model(s, "bart/BartModel");
	refuse(s, model,
		   "{\"input_ids\": [[5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]]}",
		   TFM_INVALID_ARGUMENT, "positions for 20");
	model = open_model(s, "bert/BertModel");
	refuse(s, model, "{\"input_ids\": [[5]], \"decoder_input_ids\": [[5]]}", TFM_UNSUPPORTED,
		   "no decoder");
}

/* Everything that a first call does, in one context. */
static bool
generate_once(tfm_context *context, void *argument)
{
	const char *image = argument;
	int32_t ids[] = {5, 6, 7}, sequences[MAX_ROWS];
	golden_case g = {.rows = 1, .columns = 3, .ids = ids};
	run_session *session;
	float *logits;

	run_compile(context, golden_path("t5/T5ForConditionalGeneration", ""), image, NULL);
	g.model = tfm_failed(context) ? NULL : run_model_open(context, image, COMPUTE_F32);
	session = g.model == NULL ? NULL : encode_case(context, &g, sequences);
	return session != NULL &&
		   run_session_step(
			   context, session,
			   &(run_step) {.sequence = sequences[0], .ids = ids, .count = 3, .wanted = 1}, 1,
			   &logits, NULL);
}

static void
memory_runs_out(void **state)
{
	assert_int_equal(oom_run_all(generate_once, (void *) scratch_path(*state, "image")), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(steps_give_what_a_whole_pass_gives, scratch_setup,
										scratch_teardown),
		cmocka_unit_test_setup_teardown(copies_go_their_own_ways, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused, scratch_setup,
										scratch_teardown),
		cmocka_unit_test_setup_teardown(memory_runs_out, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
