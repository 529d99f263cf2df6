/*
 * decoder.c
 *	  Decoders step by step over a cache against one pass, what their configurations refuse, and what
 *	  the ops between products do.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor.h"

#include <stdio.h>
#include <unistd.h>

#include "nn/decoder.h"
#include "oom.h"
#include "runtime/forward.h"
#include "runtime/loaded.h"
#include "task/forward.h"
#include "tensor/elementwise.h"
#include "tensor/norm.h"

#define TOKENS 12

/* A golden checkpoint while it runs. */
typedef struct decoder
{
	tfm_context context;
	run_model *model;
} decoder;

static void
open_decoder(decoder *d, const char *name)
{
	const char *golden = getenv("TFM_GOLDEN");
	char path[4096], file[] = "/tmp/tfm-decoder-XXXXXX";
	int descriptor = mkstemp(file);

	assert_true(descriptor >= 0);
	close(descriptor);
	d->context = open_context(0, 1, 0);
	snprintf(path, sizeof(path), "%s/%s", golden && *golden ? golden : "test/golden", name);
	run_compile(&d->context, path, file, NULL);
	d->model = run_model_open(&d->context, file, COMPUTE_AUTO);
	unlink(file);
	if (tfm_failed(&d->context))
		fail_msg("%s: %s", name, d->context.error.message);
}

/* Logits of the tokens first .. end - 1 of a sequence, which goes on where cache ends, if there is one. */
static const float *
run_tokens(decoder *d, const int32_t *ids, int32_t first, int32_t end, kv_cache *cache,
		   const int32_t *wanted, int64_t wanted_count)
{
	int32_t offsets[] = {0, end - first}, positions[TOKENS], sequence = 0;
	nn_batch batch = {.sequences = 1,
					  .tokens = end - first,
					  .offsets = offsets,
					  .ids = ids + first,
					  .positions = positions,
					  .columns = positions,
					  .choices = 1,
					  .cache = cache,
					  .cached = &sequence,
					  .wanted = wanted,
					  .wanted_count = wanted_count};
	const nn_output *outputs = NULL;

	for (int32_t i = first; i < end; i++)
		positions[i - first] = i;
	if (!run_forward(&d->context, d->model, &batch, &outputs))
		fail_msg("%s", d->context.error.message);
	assert_string_equal(outputs->name, "logits");
	return outputs->value.data;
}

static kv_cache *
open_cache(decoder *d)
{
	kv_layer layers[8];
	const nn_family *family = d->model->class.family;
	int count = family->cache_layers(d->model->config, NULL);
	kv_cache *cache;

	assert_in_range(count, 1, 8);
	assert_int_equal(family->cache_layers(d->model->config, layers), count);
	cache = kv_create(&d->context, count, layers, DTYPE_F32, 0);
	assert_non_null(cache);
	assert_int_equal(kv_open(&d->context, cache), 0);
	return cache;
}

static void
assert_close(const float *a, const float *b, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		if (!(fabsf(a[i] - b[i]) < 2e-5f * (1 + fabsf(b[i]))))
			fail_msg("logit %lld is %g, not %g", (long long) i, (double) a[i], (double) b[i]);
}

/* All tokens at once, and some at a time over a cache, of which the last token is wanted. */
static void
check_steps(const char *name)
{
	static const int32_t ids[TOKENS] = {5, 9, 14, 6, 6, 21, 17, 8, 25, 13, 10, 7};
	static const int32_t ends[] = {4, 5, 6, 9, TOKENS};
	decoder d;
	const float *whole;
	kv_cache *cache;
	int64_t n;

	open_decoder(&d, name);
	n = run_config(d.model)->vocab_size;
	cache = open_cache(&d);
	whole = run_tokens(&d, ids, 0, TOKENS, NULL, NULL, 0);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
	{
		int32_t first = i == 0 ? 0 : ends[i - 1], last = ends[i] - first - 1;

		assert_true(kv_extend(&d.context, cache, 0, ends[i] - first));
		assert_close(run_tokens(&d, ids, first, ends[i], cache, &last, 1),
					 whole + (ends[i] - 1) * n, n);
	}
	close_context(&d.context);
}

static void
test_steps(void **state)
{
	(void) state;
	check_steps("llama/LlamaForCausalLM");
	check_steps("mistral/MistralForCausalLM");
	check_steps("qwen2/Qwen2ForCausalLM");
	check_steps("qwen2_moe/Qwen2MoeForCausalLM");
	check_steps("gemma2/Gemma2ForCausalLM");
	check_steps("gemma3_text/Gemma3ForCausalLM");
	check_steps("cohere2/Cohere2ForCausalLM");
	check_steps("jetmoe/JetMoeForCausalLM");
	check_steps("mamba/MambaForCausalLM");
	check_steps("falcon_mamba/FalconMambaForCausalLM");
	check_steps("mamba2/Mamba2ForCausalLM");
	check_steps("bert-generation/BertGenerationDecoder-causal");
	check_steps("megatron-bert/MegatronBertForCausalLM-causal");
	check_steps("jamba/JambaForCausalLM");
	check_steps("recurrent_gemma/RecurrentGemmaForCausalLM");
	check_steps("rwkv/RwkvForCausalLM");
}

static const nn_family *
find_family(const char *type)
{
	for (const nn_family *const *family = nn_families; *family != NULL; family++)
		for (const nn_variant *v = (*family)->variants; v->model_type != NULL; v++)
			if (strcmp(v->model_type, type) == 0)
				return *family;
	return NULL;
}

/* A configuration of that type with these members is refused with that kind; TFM_OK: it is taken. */
static void
check_config(const char *type, const char *text, tfm_error_kind kind)
{
	tfm_context context = open_context(0, 1, 0);
	const nn_family *family = find_family(type);
	char whole[512];
	void *config;
	json file;

	assert_non_null(family);
	snprintf(whole, sizeof(whole), "{\"model_type\": \"%s\"%s%s", type,
			 strcmp(text, "{}") == 0 ? "" : ", ", text + 1);
	file = json_parse(&context, whole, strlen(whole), "config.json");
	config = tfm_alloc_zero(&context, family->config_size);
	family->read_config(&context, file, config);
	if (context.error.kind != kind)
		fail_msg("%s of %s: %s", text, type, context.error.message);
	close_context(&context);
}

#define ROPE(parameters)                                                                           \
	"{\"hidden_size\": 64, \"num_attention_heads\": 4, \"rope_parameters\": {" parameters "}}"

static void
test_refused(void **state)
{
	static const struct
	{
		const char *type, *text;
		tfm_error_kind kind;
	} cases[] = {
		{"llama", "{}", TFM_OK},
		{"llama", "{\"hidden_size\": 2, \"num_attention_heads\": 4}", TFM_CORRUPTED},
		{"llama", "{\"num_attention_heads\": 6, \"num_key_value_heads\": 4}", TFM_CORRUPTED},
		{"llama", "{\"num_attention_heads\": 0}", TFM_CORRUPTED},
		{"llama", "{\"num_hidden_layers\": 100000}", TFM_CORRUPTED},
		{"llama", "{\"hidden_act\": \"none\"}", TFM_UNSUPPORTED},
		{"llama", ROPE("\"rope_type\": \"other\""), TFM_UNSUPPORTED},
		{"llama", ROPE("\"rope_type\": \"linear\""), TFM_CORRUPTED},
		{"llama", ROPE("\"rope_type\": \"linear\", \"factor\": -1"), TFM_CORRUPTED},
		{"llama", ROPE("\"rope_type\": \"linear\", \"factor\": 2"), TFM_OK},
		{"llama", ROPE("\"rope_theta\": 0"), TFM_CORRUPTED},
		{"llama", ROPE("\"rope_type\": \"llama3\", \"factor\": 2"), TFM_CORRUPTED},
		{"llama", ROPE("\"rope_type\": \"longrope\", \"short_factor\": [1]"), TFM_CORRUPTED},
		{"stablelm", ROPE("\"partial_rotary_factor\": 1.5"), TFM_CORRUPTED},
		{"stablelm", ROPE("\"partial_rotary_factor\": 0.01"), TFM_CORRUPTED},
		{"mistral", "{\"sliding_window\": null}", TFM_OK},
		{"mistral", "{\"sliding_window\": -1}", TFM_CORRUPTED},
		{"mixtral", "{\"num_local_experts\": 4, \"num_experts_per_tok\": 5}", TFM_CORRUPTED},
		{"qwen2_moe", "{\"num_experts\": 1000000}", TFM_CORRUPTED},
		{"gemma3_text", "{\"sliding_window_pattern\": 0}", TFM_CORRUPTED},
		{"dbrx", "{\"attn_config\": 1, \"ffn_config\": [2]}", TFM_OK},
		{"jetmoe", "{\"num_key_value_heads\": 4096, \"num_local_experts\": 8}", TFM_CORRUPTED},
		{"mamba", "{}", TFM_OK},
		{"mamba", "{\"state_size\": 16777216}", TFM_CORRUPTED},
		{"mamba", "{\"expand\": 0.0001}", TFM_CORRUPTED},
		{"mamba", "{\"expand\": -1, \"intermediate_size\": 32}", TFM_OK},
		{"mamba2", "{}", TFM_OK},
		{"mamba2", "{\"num_heads\": 4}", TFM_CORRUPTED},
		{"mamba2", "{\"n_groups\": 3}", TFM_CORRUPTED},
		{"mamba2", "{\"time_step_limit\": [0, {\"__float__\": \"Infinity\"}]}", TFM_OK},
		{"jamba", "{\"num_experts\": 1}", TFM_OK},
		{"jamba", "{\"attn_layer_period\": 0}", TFM_CORRUPTED},
		{"jamba", "{\"mamba_expand\": 0}", TFM_OK},
		{"recurrent_gemma", "{\"block_types\": []}", TFM_OK},
		{"recurrent_gemma", "{\"lru_width\": 7}", TFM_CORRUPTED},
		{"rwkv", "{\"rescale_every\": -2}", TFM_OK},
		{"cpmant", "{}", TFM_OK},
		{"cpmant", "{\"position_bias_max_distance\": 100}", TFM_CORRUPTED},
		{"xlnet", "{\"d_model\": 15, \"n_head\": 4}", TFM_CORRUPTED},
		{"xlnet", "{\"attn_type\": \"no\"}", TFM_UNSUPPORTED},
		{"transfo-xl", "{}", TFM_OK},
		{"transfo-xl", "{\"cutoffs\": [5, 5]}", TFM_CORRUPTED},
		{"transfo-xl", "{\"cutoffs\": [5, 300000]}", TFM_CORRUPTED},
		{"transfo-xl", "{\"d_embed\": 3}", TFM_CORRUPTED},
		{"transfo-xl", "{\"mem_len\": 0}", TFM_UNSUPPORTED},
		{"gptsan-japanese", "{\"num_heads\": 0}", TFM_CORRUPTED},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_config(cases[i].type, cases[i].text, cases[i].kind);
}

/* Windows, and which layers turn how. */
static void
test_layers(void **state)
{
	static const char text[] =
		"{\"model_type\": \"cohere2\", \"hidden_size\": 64, \"num_attention_heads\": 4, "
		"\"head_dim\": 16, \"num_hidden_layers\": 4, \"sliding_window\": 8, "
		"\"sliding_window_pattern\": 2}";
	tfm_context context = open_context(0, 1, 0);
	json file = json_parse(&context, text, strlen(text), "config.json");
	extern const nn_family family_gemma3_text, family_cohere;
	decoder_config c;

	(void) state;
	family_gemma3_text.read_config(&context, file, &c);
	for (int i = 0; i < 4; i++)
	{
		assert_int_equal(c.each[i].window, i % 2 == 0 ? 8 : 0);
		assert_int_equal(c.each[i].rope, i % 2 == 0);
	}
	assert_true(c.ropes[0].theta == 1e6 && c.ropes[1].theta == 1e4);
	family_cohere.read_config(&context, file, &c);
	for (int i = 0; i < 4; i++)
		assert_int_equal(c.each[i].rope, i % 2 == 0 ? 0 : -1);
	close_context(&context);
}

/* Heads in rows with something after them, each with its own weight, which is kept about 0. */
static void
test_norm_of_heads(void **state)
{
	enum
	{
		ROWS = 5,
		HEADS = 3,
		N = 7,
		STRIDE = 25
	};

	(void) state;
	FOR_EACH_ISA(set)
	{
		tfm_context context = open_context(set, 2, 0);
		float *x = numbers(ROWS * STRIDE, 1), *y = numbers(ROWS * STRIDE, 1);
		float *gain = numbers(HEADS * N, 2), alone[N], own[N];

		assert_true(op_rms_norm(&context, &(op_norm_options) {.x = y,
															  .y = y,
															  .rows = ROWS * HEADS,
															  .n = N,
															  .weight = gain,
															  .weight_offset = 1,
															  .eps = 1e-5f,
															  .group = HEADS,
															  .stride = STRIDE,
															  .own_weights = true}));
		for (int i = 0; i < ROWS * HEADS; i++)
		{
			int at = i / HEADS * STRIDE + i % HEADS * N;

			for (int j = 0; j < N; j++)
				own[j] = gain[i % HEADS * N + j] + 1;
			assert_true(op_rms_norm(
				&context,
				&(op_norm_options) {
					.x = x + at, .y = alone, .rows = 1, .n = N, .weight = own, .eps = 1e-5f}));
			assert_same_bits(y + at, alone, N);
		}
		for (int i = 0; i < ROWS; i++)
			assert_same_bits(y + i * STRIDE + HEADS * N, x + i * STRIDE + HEADS * N,
							 STRIDE - HEADS * N);
		free(x);
		free(y);
		free(gain);
		close_context(&context);
	}
}

static void
test_gate(void **state)
{
	(void) state;
	FOR_EACH_ISA(set)
	{
		tfm_context context = open_context(set, 3, 0);
		float *x = numbers(300 * 143, 1), *y = numbers(300 * 143, 1);

		assert_true(op_gate(&context, &(op_gate_options) {.activation = ACTIVATION_SILU,
														  .gate = y,
														  .up = y + 70,
														  .rows = 300,
														  .n = 70,
														  .stride = 143}));
		for (int i = 0; i < 300 * 143; i++)
		{
			double gate = x[i], up = i % 143 < 70 ? x[i + 70] : 0;

			if (i % 143 < 70)
				assert_true(fabs(y[i] - gate / (1 + exp(-gate)) * up) < 1e-6);
			else
				assert_true(y[i] == x[i]);
		}
		free(x);
		free(y);
		close_context(&context);
	}
}

static void
test_elements(void **state)
{
	float x[] = {1, -2, 3, -4, 5, 6}, y[] = {10, 20, 30, 40, 50, 60}, mixed[4];
	tfm_context context = open_context(0, 1, 0);

	(void) state;
	assert_true(op_add(&context, x, y, 0.1f, 6));
	assert_true(fabsf(x[1]) < 1e-6f && fabsf(x[4] - 10) < 1e-5f);
	assert_true(op_clip(&context, y, 2, 2, 3, 45));
	assert_true(y[1] == 20 && y[3] == 40 && y[4] == 45 && y[5] == 60);
	assert_true(op_scale(&context, y, 0.5f, 4, 1) && fabsf(y[0] - 4 * tanhf(1.25f)) < 1e-6f);
	assert_true(op_scale(&context, y + 1, 3, 0, 1) && y[1] == 60);
	/* row 0 has rows 3 and 1 of four of one element */
	assert_true(op_mix(&context, &(op_mix_options) {.x = (float[]) {1, 2, 3, 4},
													.places = (int32_t[]) {3, 1, 0, 2},
													.weights = (float[]) {0.5f, 2, 1, -1},
													.ways = 2,
													.rows = 2,
													.n = 1,
													.y = mixed}));
	assert_true(mixed[0] == 6 && mixed[1] == -2);
	assert_false(op_mix(&context, &(op_mix_options) {.x = y,
													 .places = (int32_t[]) {1},
													 .weights = y,
													 .ways = 1,
													 .rows = 1,
													 .n = 1,
													 .y = mixed}));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	close_context(&context);
}

/* Compile, open and run a checkpoint. */
static bool
run_checkpoint(tfm_context *context, void *argument)
{
	const char *golden = getenv("TFM_GOLDEN");
	static const char inputs[] = "{\"input_ids\": [[5, 9, 14], [6, 21, 17]]}";
	char path[4096], file[64];
	run_model *model;
	buffer *outputs;
	bool done;

	snprintf(path, sizeof(path), "%s/%s", golden && *golden ? golden : "test/golden",
			 (const char *) argument);
	snprintf(file, sizeof(file), "/tmp/tfm-decoder-%d", (int) getpid());
	done = run_compile(context, path, file, NULL) &&
		   (model = run_model_open(context, file, COMPUTE_AUTO)) != NULL &&
		   (outputs = buffer_create(context)) != NULL &&
		   task_forward(context, model, (tfm_text) {inputs, strlen(inputs)}, outputs);
	unlink(file);
	return done;
}

static void
test_memory_runs_out(void **state)
{
	(void) state;
	assert_int_equal(oom_run_all(run_checkpoint, "phi3/Phi3ForCausalLM-longrope"), TFM_OK);
	assert_int_equal(oom_run_all(run_checkpoint, "qwen2_moe/Qwen2MoeForCausalLM"), TFM_OK);
	assert_int_equal(oom_run_all(run_checkpoint, "jetmoe/JetMoeForCausalLM"), TFM_OK);
	assert_int_equal(oom_run_all(run_checkpoint, "jamba/JambaForCausalLM"), TFM_OK);
	assert_int_equal(
		oom_run_all(run_checkpoint, "recurrent_gemma/RecurrentGemmaForCausalLM-blocks"), TFM_OK);
	assert_int_equal(oom_run_all(run_checkpoint, "cpmant/CpmAntForCausalLM"), TFM_OK);
	assert_int_equal(oom_run_all(run_checkpoint, "xlnet/XLNetLMHeadModel"), TFM_OK);
	assert_int_equal(oom_run_all(run_checkpoint, "transfo-xl/TransfoXLLMHeadModel"), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_norm_of_heads),
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
