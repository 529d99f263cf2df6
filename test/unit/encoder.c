/*
 * encoder.c
 *	  BERT's kin: what their configurations and their own inputs are refused for, and that memory may
 *	  run out at any point of those that are more than a recipe.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor.h"

#include <stdio.h>
#include <unistd.h>

#include "nn/family.h"
#include "oom.h"
#include "runtime/forward.h"
#include "scratch.h"
#include "task/forward.h"

/* A golden checkpoint, and what it is given. */
typedef struct golden_run
{
	const char *name, *inputs;
} golden_run;

static bool
run_golden(tfm_context *context, void *argument)
{
	const golden_run *run = argument;
	const char *golden = getenv("TFM_GOLDEN");
	char path[4096], image[64];
	run_model *model;
	buffer *outputs;
	bool done;

	snprintf(path, sizeof(path), "%s/%s", golden && *golden ? golden : "test/golden", run->name);
	snprintf(image, sizeof(image), "/tmp/tfm-encoder-%d", (int) getpid());
	done = run_compile(context, path, image, NULL) &&
		   (model = run_model_open(context, image, COMPUTE_AUTO)) != NULL &&
		   (outputs = buffer_create(context)) != NULL &&
		   task_forward(context, model, (tfm_text) {run->inputs, strlen(run->inputs)}, outputs);
	unlink(image);
	return done;
}

#define IDS "\"input_ids\": [[5, 9, 14], [6, 21, 17]]"

/* The message begins with that; NULL: the inputs are taken. */
static void
check_inputs(const char *name, const char *inputs, const char *message)
{
	golden_run run = {name, inputs};
	tfm_context context = open_context(0, 1, 0);
	bool done = run_golden(&context, &run);

	if (message == NULL && !done)
		fail_msg("%s: %s", name, context.error.message);
	if (message != NULL && (done || strncmp(context.error.message, message, strlen(message)) != 0))
		fail_msg("%s: \"%s\", not \"%s\"", name, context.error.message, message);
	close_context(&context);
}

static void
test_inputs(void **state)
{
	(void) state;
	check_inputs("splinter/SplinterForPreTraining",
				 "{" IDS ", \"question_positions\": [[0, 2], [1, 1]]}", NULL);
	check_inputs("splinter/SplinterForPreTraining",
				 "{" IDS ", \"question_positions\": [[0, 3], [1, 1]]}",
				 "\"question_positions\" has 3, which is no place in its row");
	check_inputs("splinter/SplinterForPreTraining",
				 "{" IDS ", \"question_positions\": [[0], [-1]]}",
				 "\"question_positions\" has -1, which is no place in its row");
	check_inputs("splinter/SplinterForPreTraining", "{" IDS ", \"question_positions\": [[0, 1]]}",
				 "");
	check_inputs("xmod/XmodModel", "{" IDS ", \"lang_ids\": [[0, 1, 0], [1, 1, 1]]}", NULL);
	check_inputs("xmod/XmodModel", "{" IDS ", \"lang_ids\": [7, -1]}", NULL);
	check_inputs("xmod/XmodModel", "{" IDS ", \"lang_ids\": [0]}", "");
	check_inputs("ernie/ErnieModel", "{" IDS ", \"task_type_ids\": [[0, 1, 9], [1, 1, 1]]}", "");
	check_inputs("realm/RealmScorer", "{" IDS "}", "\"candidate_input_ids\" must have the shape");
	check_inputs("realm/RealmScorer", "{" IDS ", \"candidate_input_ids\": [[5, 6], [7, 8]]}",
				 "\"candidate_input_ids\" must have the shape");
	check_inputs("realm/RealmScorer",
				 "{" IDS ", \"candidate_input_ids\": [[[5, 6]], [[7, 8]]], "
				 "\"candidate_attention_mask\": [[[1]], [[1]]]}",
				 "\"candidate_input_ids\" must have the shape");
	check_inputs("realm/RealmReader", "{" IDS ", \"relevance_score\": [0.5, 1.5]}",
				 "\"relevance_score\" must have the shape");
	check_inputs("realm/RealmReader",
				 "{" IDS ", \"relevance_score\": [0.5, 1.5], "
				 "\"block_mask\": [[false, true, true], [false, true, true]]}",
				 NULL);
	check_inputs("realm/RealmReader",
				 "{\"input_ids\": [[5, 9]], \"relevance_score\": [0.5], "
				 "\"block_mask\": [[false, true]]}",
				 "rows must have \"max_span_width\" tokens");
}

/* A copy of a golden checkpoint, with members before those of its config.json. */
static void
copy_checkpoint(scratch *s, const char *name, const char *members)
{
	static const char *const files[] = {"config.json", "model.safetensors"};
	const char *golden = getenv("TFM_GOLDEN");
	char *directory =
		tfm_sprintf(&s->context, "%s/%s", golden && *golden ? golden : "test/golden", name);

	for (int i = 0; i < 2; i++)
	{
		size_t length = 0;
		char *bytes =
			file_read(&s->context, file_join(&s->context, directory, files[i]), 1 << 20, &length);

		assert_good(&s->context);
		if (i == 0)
		{
			bytes = tfm_sprintf(&s->context, "{%s%s", members, bytes + 1);
			length = strlen(bytes);
		}
		scratch_write(s, files[i], bytes, length);
	}
}

/* A decoder without a memory looks at none, whatever other inputs its family has. */
static void
test_absent_memory(void **state)
{
	scratch *s = *state;
	const char *inputs = "{" IDS ", \"task_type_ids\": [[0, 1, 0], [1, 1, 1]]}";
	char *image = scratch_path(s, "image");
	buffer *outputs = buffer_create(&s->context);
	run_model *model;

	copy_checkpoint(s, "ernie/ErnieModel", "\"is_decoder\": true, \"add_cross_attention\": true,");
	run_compile(&s->context, s->directory, image, NULL);
	model = run_model_open(&s->context, image, COMPUTE_AUTO);
	assert_good(&s->context);
	task_forward(&s->context, model, (tfm_text) {inputs, strlen(inputs)}, outputs);
	assert_good(&s->context);
}

/* A configuration is refused with that kind; TFM_OK: it is taken. */
static void
check_config(const char *type, const char *text, tfm_error_kind kind)
{
	tfm_context context = open_context(0, 1, 0);
	const nn_family *const *family = nn_families;
	void *config;

	while (*family != NULL && strcmp((*family)->name, type) != 0)
		family++;
	assert_non_null(*family);
	config = tfm_alloc_zero(&context, (*family)->config_size);
	(*family)->read_config(&context, json_parse(&context, text, strlen(text), "config.json"),
						   config);
	if (context.error.kind != kind)
		fail_msg("%s of %s: %s", text, type, context.error.message);
	close_context(&context);
}

static void
test_configurations(void **state)
{
	static const struct
	{
		const char *type, *text;
		tfm_error_kind kind;
	} cases[] = {
		{"bert", "{\"num_attention_heads\": 0}", TFM_CORRUPTED},
		{"roberta", "{\"max_position_embeddings\": 2}", TFM_CORRUPTED},
		{"albert", "{\"num_hidden_groups\": 0}", TFM_CORRUPTED},
		{"albert", "{\"inner_group_num\": 2, \"num_hidden_groups\": 3}", TFM_OK},
		{"electra", "{\"summary_type\": \"attn\"}", TFM_UNSUPPORTED},
		{"electra", "{\"summary_type\": \"mean\", \"summary_activation\": null}", TFM_OK},
		{"ibert", "{\"quant_mode\": true, \"force_dequant\": \"gelu\"}", TFM_OK},
		{"mobilebert", "{\"hidden_size\": 8, \"embedding_size\": 16}", TFM_CORRUPTED},
		{"nezha", "{\"hidden_size\": 4096, \"num_attention_heads\": 4}", TFM_UNSUPPORTED},
		{"nezha", "{\"max_relative_position\": -1}", TFM_CORRUPTED},
		{"qdqbert", "{\"position_embedding_type\": \"relative_key\"}", TFM_UNSUPPORTED},
		{"roc_bert", "{\"concat_input\": false}", TFM_UNSUPPORTED},
		{"squeezebert", "{\"q_groups\": 0}", TFM_CORRUPTED},
		{"xmod", "{\"hidden_size\": 12, \"adapter_reduction_factor\": 13}", TFM_CORRUPTED},
		{"xmod", "{\"languages\": [1, {}], \"default_language\": \"de_DE\"}", TFM_OK},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_config(cases[i].type, cases[i].text, cases[i].kind);
}

static void
test_memory_runs_out(void **state)
{
	golden_run runs[] = {
		{"splinter/SplinterForPreTraining", "{" IDS "}"},
		{"xmod/XmodModel", "{" IDS "}"},
		{"mobilebert/MobileBertForPreTraining", "{" IDS "}"},
		{"nezha/NezhaForPreTraining", "{" IDS "}"},
		{"qdqbert/QDQBertModel-uncalibrated", "{" IDS "}"},
		{"ibert/IBertForTokenClassification-quantized", "{" IDS "}"},
		{"realm/RealmScorer", "{" IDS ", \"candidate_input_ids\": [[[5, 6]], [[7, 8]]]}"},
		{"funnel/FunnelForPreTraining", "{" IDS "}"},
		{"reformer/ReformerModel", "{" IDS "}"},
		{"mra/MraModel", "{" IDS "}"},
		{"tapas/TapasModel", "{" IDS "}"},
		{"luke/LukeModel", "{" IDS "}"},
		{"prophetnet/ProphetNetModel", "{" IDS ", \"decoder_input_ids\": [[5, 9], [6, 7]]}"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		assert_int_equal(oom_run_all(run_golden, &runs[i]), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inputs),
		scratch_test(test_absent_memory),
		cmocka_unit_test(test_configurations),
		cmocka_unit_test(test_memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
