/*
 * gguf_model.c
 *	  GGUF files as checkpoints: names, configuration, parts, types, and files that lie.
 *
 * That the models compute what Transformers does is golden.c's.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "base/json.h"
#include "checkpoint/fingerprint.h"
#include "checkpoint/gguf_config.h"
#include "checkpoint/gguf_names.h"
#include "checkpoint/gguf_weights.h"
#include "checkpoint/image.h"
#include "oom.h"
#include "runtime/precision.h"
#include "scratch.h"
#include "tensor/blocks.h"
#include "tensor/pack.h"

#define FILE_LIMIT (1 << 24)

static const char *
golden_file(scratch *s, const char *name)
{
	const char *golden = getenv("TFM_GOLDEN");
	char *path =
		tfm_sprintf(&s->context, "%s/gguf/%s", golden != NULL ? golden : "test/golden", name);

	assert_non_null(path);
	return path;
}

/* A golden file's bytes, to be changed. */
static char *
read_golden(scratch *s, const char *name, size_t *length)
{
	char *bytes = file_read(&s->context, golden_file(s, name), FILE_LIMIT, length);

	assert_non_null(bytes);
	return bytes;
}

/* Where a text stands behind its length, as keys and names do; what follows it. */
static char *
find_behind(char *bytes, size_t length, const char *text)
{
	size_t size = strlen(text);
	uint64_t said;

	for (size_t i = 8; i + size <= length; i++)
	{
		memcpy(&said, bytes + i - 8, 8);
		if (said == size && memcmp(bytes + i, text, size) == 0)
			return bytes + i + size;
	}
	fail_msg("there is no \"%s\"", text);
	return NULL;
}

static bool
compile_as(scratch *s, const char *path, tfm_dtype dtype)
{
	return run_compile(&s->context, path, scratch_path(s, "image"),
					   &(run_compile_options) {.dtype = dtype});
}

static json
config_of(scratch *s, const char *path)
{
	const ckpt_gguf_parts *gguf = ckpt_open_gguf_parts(&s->context, path);
	size_t length = 0;
	const char *text = gguf == NULL ? NULL : ckpt_gguf_config(&s->context, gguf, &length);

	return text == NULL ? (json) {.node = NULL}
						: json_parse(&s->context, text, length, "config.json");
}

/* ---- Names ---- */

static void
names_are_translated(void **state)
{
	static const struct
	{
		const char *architecture, *tensor, *name;
		ckpt_gguf_change change;
		bool plus_one;
	} cases[] = {
		{"llama", "token_embd.weight", "model.embed_tokens.weight", GGUF_SAME, false},
		{"llama", "blk.12.attn_q.bias", "model.layers.12.self_attn.q_proj.bias", GGUF_ROPE_Q,
		 false},
		{"llama", "blk.3.ffn_up.7.weight", "model.layers.3.block_sparse_moe.experts.7.w3.weight",
		 GGUF_SAME, false},
		{"llama", "blk.3.ffn_up_exps.weight",
		 "model.layers.3.block_sparse_moe.experts.%d.w3.weight", GGUF_EXPERTS, false},
		{"gemma2", "blk.0.ffn_norm.weight", "model.layers.0.pre_feedforward_layernorm.weight",
		 GGUF_SAME, true},
		{"phi2", "blk.0.attn_qkv.weight", "model.layers.0.self_attn.%c_proj.weight", GGUF_SPLIT_QKV,
		 false},
		{"falcon", "blk.0.attn_norm.weight", "transformer.h.0.input_layernorm.weight", GGUF_SAME,
		 false},
		{"t5", "dec.blk.1.cross_attn_o.weight", "decoder.block.1.layer.1.EncDecAttention.o.weight",
		 GGUF_SAME, false},
		{"t5", "enc.output_norm.weight", "encoder.final_layer_norm.weight", GGUF_SAME, false},
		{"llama", "rope_freqs.weight", NULL, GGUF_SAME, false},
		{"llama", "blk.x.attn_q.weight", NULL, GGUF_SAME, false},
		{"llama", "blk.1", NULL, GGUF_SAME, false},
		{"llama", "blk.123456.attn_q.weight", NULL, GGUF_SAME, false},
		{"llama", "blk.0.attn_q.scale", NULL, GGUF_SAME, false},
		{"llama", "output", NULL, GGUF_SAME, false},
		{"nothing", "output.weight", NULL, GGUF_SAME, false},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		tfm_text architecture = {cases[i].architecture, strlen(cases[i].architecture)};
		tfm_text stored = {cases[i].tensor, strlen(cases[i].tensor)};
		ckpt_gguf_name name;

		assert_int_equal(ckpt_gguf_translate(architecture, stored, &name), cases[i].name != NULL);
		if (cases[i].name == NULL)
			continue;
		assert_string_equal(name.text, cases[i].name);
		assert_int_equal(name.change, cases[i].change);
		assert_int_equal(name.plus_one, cases[i].plus_one);
	}
}

/* ---- Configuration ---- */

static void
keys_become_a_config(void **state)
{
	scratch *s = *state;
	tfm_context *context = &s->context;
	json c = config_of(s, golden_file(s, "llama/model.gguf")), scaling;

	assert_string_equal(json_as_string(json_member(c, "model_type")), "llama");
	assert_int_equal(json_int(context, c, "num_key_value_heads", 0, 0, 99), 2);
	assert_int_equal(json_int(context, c, "vocab_size", 0, 0, 99), 40);
	assert_true(json_double(context, c, "rope_theta", 0) == 5000);
	assert_true(json_double(context, c, "rms_norm_eps", 0) == (double) 1e-6f);
	assert_false(json_bool(context, c, "tie_word_embeddings", true));

	c = config_of(s, golden_file(s, "llama-linear/model.gguf"));
	scaling = json_member(c, "rope_scaling");
	assert_string_equal(json_as_string(json_member(scaling, "rope_type")), "linear");
	assert_true(json_double(context, scaling, "factor", 0) == 4);
	assert_true(json_bool(context, c, "tie_word_embeddings", false));

	c = config_of(s, golden_file(s, "mixtral/model.gguf"));
	assert_string_equal(json_as_string(json_member(c, "model_type")), "mixtral");
	assert_int_equal(json_int(context, c, "num_local_experts", 0, 0, 99), 3);
	assert_false(tfm_failed(context));
}

static void
what_a_key_says_is_checked(void **state)
{
	static const struct
	{
		const char *key;
		uint32_t value;
		tfm_error_kind kind;
		const char *says;
	} cases[] = {
		{"llama.attention.head_count", 0, TFM_CORRUPTED, "heads"},
		{"llama.attention.head_count", UINT32_MAX, TFM_CORRUPTED, "head"},
		{"llama.attention.head_count", 3, TFM_CORRUPTED, "heads"},
		{"llama.attention.head_count_kv", 3, TFM_CORRUPTED, "heads"},
		{"llama.embedding_length", 0x7fffffff, TFM_CORRUPTED, "hidden_size"},
		{"llama.embedding_length", 16, TFM_CORRUPTED, "shape"},
		{"llama.block_count", 3, TFM_CORRUPTED, "layers.2"},
	};
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t length;
		char *bytes = read_golden(s, "llama/model.gguf", &length);

		memcpy(find_behind(bytes, length, cases[i].key) + 4, &cases[i].value, 4);
		assert_false(compile_as(s, scratch_write(s, "x.gguf", bytes, length), 0));
		assert_failed(&s->context, cases[i].kind, cases[i].says);
	}
}

/* Without weights that anybody runs, what is left is the tokenizer, and there is none here. */
static void
another_architecture_is_refused(void **state)
{
	scratch *s = *state;
	size_t length;
	char *bytes = read_golden(s, "llama/model.gguf", &length);
	char *value = find_behind(bytes, length, "general.architecture") + 12;

	assert_memory_equal(value, "llama", 5);
	memcpy(value, "xlama", 5);
	assert_false(compile_as(s, scratch_write(s, "x.gguf", bytes, length), 0));
	assert_non_null(strstr(s->context.error.hint, "nearest in name: llama"));
	assert_failed(&s->context, TFM_UNSUPPORTED, "\"xlama\"");
}

/* ---- Types ---- */

static void
a_type_without_kernels_is_named(void **state)
{
	scratch *s = *state;
	const uint32_t other = GGML_IQ2_XXS;
	size_t length;
	char *bytes = read_golden(s, "llama-types/model.gguf", &length);

	/* a number of dimensions, two of these, and the type */
	memcpy(find_behind(bytes, length, "blk.1.attn_q.weight") + 4 + 16, &other, 4);
	assert_false(compile_as(s, scratch_write(s, "x.gguf", bytes, length), 0));
	assert_non_null(strstr(s->context.error.message, "IQ2_XXS"));
	assert_failed(&s->context, TFM_UNSUPPORTED, "\"blk.1.attn_q.weight\"");
}

static void
blocks_stay_as_they_are(void **state)
{
	scratch *s = *state;
	const char *path = golden_file(s, "llama-types/model.gguf");
	const ckpt_weights *weights =
		ckpt_open_gguf_weights(&s->context, ckpt_open_gguf_parts(&s->context, path));
	int matrices = 0;
	const image *i;

	assert_true(compile_as(s, path, 0));
	i = image_open(&s->context, scratch_path(s, "image"));
	for (size_t n = 0; n < image_weight_count(i); n++)
	{
		const weight *w = image_weight_at(i, n);
		char *prefixed = tfm_sprintf(&s->context, "model.%s", w->name);
		const ckpt_tensor *t = ckpt_find(weights, prefixed);
		float *row, *all;

		if (t == NULL)
			t = ckpt_find(weights, w->name);
		assert_non_null(t);
		if (w->layout == LAYOUT_PLAIN)
			continue;
		assert_int_equal(w->dtype, t->dtype);
		row = tfm_alloc_array(&s->context, (size_t) w->shape[1], sizeof(float));
		all = tfm_alloc_array(&s->context, (size_t) ckpt_count_elements(t), sizeof(float));
		assert_true(ckpt_read_f32(&s->context, t, all));
		for (int64_t r = 0; r < w->shape[0]; r++)
		{
			pack_read_row(w->dtype, w->layout, w->data, r, w->shape[1], row);
			assert_memory_equal(row, all + r * w->shape[1], (size_t) w->shape[1] * sizeof(float));
		}
		matrices++;
	}
	assert_int_equal(matrices, 2 * 7 + 2);
}

/* Rows of 256 elements go into each of the types, those of 32 into some. */
static void
weights_are_quantised_when_asked(void **state)
{
	static const struct
	{
		const char *file;
		tfm_dtype asked;
		const char *most;
	} cases[] = {
		{"llama-types/model.gguf", DTYPE_Q4_K, "Q4_K"},
		{"llama-types/model.gguf", DTYPE_Q4_0, "Q4_0"},
		{"llama-types/model.gguf", DTYPE_Q8_0, "Q8_0"},
		{"llama-types/model.gguf", DTYPE_F32, "float32"},
		{"llama-types/model.gguf", DTYPE_I8, "int8"},
		{"llama/model.gguf", DTYPE_Q4_K, "Q4_0"},
		{"../bert/BertModel", DTYPE_Q8_0, "float16"},
	};
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const run_model *model;
		const run_model_info *info;

		assert_true(compile_as(s, golden_file(s, cases[i].file), cases[i].asked));
		model = run_model_open(&s->context, scratch_path(s, "image"), COMPUTE_AUTO);
		assert_non_null(model);
		info = run_model_describe(model);
		assert_string_equal(info->dtype, cases[i].most);
		assert_int_equal(info->asked_dtype, cases[i].asked);
		assert_string_equal(info->compute, cases[i].asked == DTYPE_F32 ? "f32" : "int8");
	}
}

static void
blocks_are_multiplied_by_bytes(void **state)
{
	scratch *s = *state;
	const run_model *model;

	assert_true(compile_as(s, golden_file(s, "qwen2/model.gguf"), 0));
	model = run_model_open(&s->context, scratch_path(s, "image"), COMPUTE_AUTO);
	assert_string_equal(run_model_describe(model)->compute, "int8");
	assert_string_equal(run_model_describe(model)->dtype, "Q8_0");
	model = run_model_open(&s->context, scratch_path(s, "image"), COMPUTE_INT8);
	assert_string_equal(run_model_describe(model)->compute, "int8");
	model = run_model_open(&s->context, scratch_path(s, "image"), COMPUTE_F32);
	assert_string_equal(run_model_describe(model)->compute, "f32");
}

static void
what_blocks_cannot_hold_is_refused(void **state)
{
	scratch *s = *state;
	const float huge = 1e6f;
	size_t length;
	char *bytes = read_golden(s, "llama/model.gguf", &length);
	const ckpt_gguf *gguf = ckpt_open_gguf(&s->context, golden_file(s, "llama/model.gguf"));
	const ckpt_gguf_tensor *norm = ckpt_gguf_find_tensor(gguf, "output_norm.weight");

	/* A norm is no matrix: it may hold anything. */
	memcpy(bytes + norm->offset, &huge, 4);
	assert_true(compile_as(s, scratch_write(s, "x.gguf", bytes, length), DTYPE_Q8_0));
	/* The scale of the first block. */
	memset(bytes + ckpt_gguf_find_tensor(gguf, "output.weight")->offset, 0x7c, 2);
	assert_false(compile_as(s, scratch_write(s, "x.gguf", bytes, length), DTYPE_Q4_0));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "lm_head");
}

/* ---- Parts ---- */

/* Copy some of three parts into the directory; returns the path of the one that is number. */
static const char *
copy_parts(scratch *s, const bool present[3], int number)
{
	const char *path = NULL;

	for (int i = 0; i < 3; i++)
	{
		char *name = tfm_sprintf(&s->context, "model-%05d-of-00003.gguf", i + 1);
		char *golden = tfm_sprintf(&s->context, "llama-split/%s", name);
		size_t length;
		char *bytes = read_golden(s, golden, &length);

		if (present[i])
			scratch_write(s, name, bytes, length);
		if (i + 1 == number)
			path = scratch_path(s, name);
	}
	return path;
}

static void
any_part_stands_for_all(void **state)
{
	scratch *s = *state;
	char first[CKPT_HEX_LENGTH + 1], second[CKPT_HEX_LENGTH + 1];
	const char *path = copy_parts(s, (bool[]) {true, true, true}, 3);
	FILE *f;

	assert_true(compile_as(s, path, 0));
	assert_true(ckpt_fingerprint(&s->context, path, first));
	path = scratch_path(s, "model-00001-of-00003.gguf");
	assert_true(ckpt_fingerprint(&s->context, path, second));
	assert_string_equal(first, second);
	/* The content is that of all of them. */
	f = fopen(scratch_path(s, "model-00002-of-00003.gguf"), "r+b");
	assert_int_equal(fseek(f, -1, SEEK_END), 0);
	assert_int_equal(fputc('x', f), 'x');
	fclose(f);
	assert_true(ckpt_fingerprint(&s->context, path, second));
	assert_string_not_equal(first, second);
}

static void
a_missing_part_is_named(void **state)
{
	scratch *s = *state;
	const char *path = copy_parts(s, (bool[]) {true, true, false}, 1);

	assert_false(compile_as(s, path, 0));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "model-00003-of-00003.gguf");
	assert_null(ckpt_open_gguf_parts(&s->context, path));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "model-00003-of-00003.gguf");
}

static void
parts_must_be_what_their_names_say(void **state)
{
	scratch *s = *state;
	const char *path = copy_parts(s, (bool[]) {true, true, true}, 1);
	size_t length;
	char *bytes = read_golden(s, "llama-split/model-00002-of-00003.gguf", &length);

	assert_false(compile_as(s, scratch_write(s, "other.gguf", bytes, length), 0));
	assert_failed(&s->context, TFM_CORRUPTED, "part 2 of a model in 3");
	scratch_write(s, "model-00003-of-00003.gguf", bytes, length);
	assert_false(compile_as(s, path, 0));
	assert_failed(&s->context, TFM_CORRUPTED, "part 2 of a model in 3");
}

/* ---- Damage ---- */

static void
a_file_cut_anywhere_is_refused(void **state)
{
	scratch *s = *state;
	size_t length;
	char *bytes = read_golden(s, "qwen2/model.gguf", &length);

	for (size_t end = 0; end < length; end += 331)
	{
		assert_false(compile_as(s, scratch_write(s, "x.gguf", bytes, end), 0));
		assert_int_equal(s->context.error.kind, TFM_CORRUPTED);
		tfm_clear_error(&s->context);
	}
}

/* Whatever a byte of the metadata becomes, there is a model or an error. */
static void
a_changed_byte_does_no_harm(void **state)
{
	scratch *s = *state;
	size_t length, end;
	char *bytes = read_golden(s, "qwen2moe/model.gguf", &length);
	const ckpt_gguf *gguf = ckpt_open_gguf(&s->context, golden_file(s, "qwen2moe/model.gguf"));

	end = gguf->tensors[0].offset;
	for (size_t i = 24; i < end; i += 3)
	{
		arena_mark mark = arena_save(s->context.arena);

		bytes[i] ^= (char) (1 << i % 8);
		compile_as(s, scratch_write(s, "x.gguf", bytes, length), 0);
		assert_int_not_equal(s->context.error.kind, TFM_INTERNAL);
		tfm_clear_error(&s->context);
		bytes[i] ^= (char) (1 << i % 8);
		arena_restore(s->context.arena, mark);
	}
}

static bool
compile_golden(tfm_context *context, void *argument)
{
	scratch *s = argument;
	char path[256], to[128];

	snprintf(path, sizeof(path), "%s/gguf/phi3-longrope/model.gguf",
			 getenv("TFM_GOLDEN") != NULL ? getenv("TFM_GOLDEN") : "test/golden");
	snprintf(to, sizeof(to), "%s/image", s->directory);
	return run_compile(context, path, to, NULL);
}

static void
memory_runs_out_anywhere(void **state)
{
	assert_int_equal(oom_run_all(compile_golden, *state), TFM_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_are_translated),
		TEST(keys_become_a_config),
		TEST(what_a_key_says_is_checked),
		TEST(another_architecture_is_refused),
		TEST(a_type_without_kernels_is_named),
		TEST(blocks_stay_as_they_are),
		TEST(weights_are_quantised_when_asked),
		TEST(blocks_are_multiplied_by_bytes),
		TEST(what_blocks_cannot_hold_is_refused),
		TEST(any_part_stands_for_all),
		TEST(a_missing_part_is_named),
		TEST(parts_must_be_what_their_names_say),
		TEST(a_file_cut_anywhere_is_refused),
		TEST(a_changed_byte_does_no_harm),
		TEST(memory_runs_out_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
