/*
 * runtime.c
 *	  From a checkpoint to an embedding with memory that runs out at any moment, by malloc and by the
 *	  arena's limit; that no call but the first takes any; and configurations that do not fit their
 *	  weights.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/model.h"

#include "base/threads.h"
#include "checkpoint/fingerprint.h"
#include "oom.h"
#include "scratch.h"
#include "task/chunk.h"
#include "task/embed.h"
#include "task/forward.h"
#include "task/tokenize.h"

#define TEXT(literal) ((tfm_text) {literal, sizeof(literal) - 1})

/* The tiny checkpoint with pooling, a dense layer and prompts. */
static const char *
golden_checkpoint(void)
{
	static char path[512];
	const char *golden = getenv("TFM_GOLDEN");

	snprintf(path, sizeof(path), "%s/sentence/dense", golden == NULL ? "test/golden" : golden);
	return path;
}

typedef struct work
{
	const char *checkpoint;
	const char *image;
	tfm_dtype dtype;
} work;

/* Everything that a first call does, in one context. */
static bool
do_all(tfm_context *context, void *argument)
{
	const work *w = argument;
	const tfm_text texts[] = {TEXT("a query"), TEXT(""), TEXT("the document, a little longer")};
	embed_options options = EMBED_DEFAULTS;
	buffer *outputs = buffer_create(context);
	run_model *model;
	const tokenize_plan plan = {.encode = {.want = TOK_WANT_OFFSETS}};
	task_chunks chunks;
	const tokenize_input input = {.text = texts[2]};
	tok_encoding *tokens;
	float *embeddings;
	int dimensions;

	if (outputs == NULL ||
		!run_compile(context, w->checkpoint, w->image, &(run_compile_options) {.dtype = w->dtype}))
		return false;
	model = run_model_open(context, w->image, COMPUTE_AUTO);
	return model != NULL &&
		   task_embed(context, model, texts, 3, &options, &dimensions, &embeddings) &&
		   task_tokenize(context, model, &input, 1, &plan, &tokens) &&
		   task_chunk_text(context, model, texts[2], 5, 1, &chunks) &&
		   task_forward(context, model, TEXT("{\"input_ids\": [[1, 2, 3], [4, 5, 6]]}"), outputs);
}

static void
memory_runs_out_in_malloc(void **state)
{
	scratch *s = *state;
	work w = {golden_checkpoint(), scratch_path(s, "image"), 0};

	assert_int_equal(oom_run_all(do_all, &w), TFM_OK);
	w.dtype = DTYPE_I8;
	assert_int_equal(oom_run_all(do_all, &w), TFM_OK);
}

/* Allocations of the calls that a session makes again and again. */
static long
count_allocations(tfm_context *context, const run_model *model)
{
	const tfm_text texts[] = {TEXT("a query"), TEXT("caf\u00e9 [MASK] a longer one, and then"),
							  TEXT("")};
	const embed_options prompted = {.normalize = -1, .prompt = "query: "};
	arena_mark mark = arena_save(context->arena);
	const long before = oom_countdown = 1000000;
	float *embeddings;
	int dimensions;
	long after;

	assert_true(task_embed(context, model, texts, 3, &EMBED_DEFAULTS, &dimensions, &embeddings));
	assert_true(task_embed(context, model, texts, 1, &prompted, &dimensions, &embeddings));
	after = oom_countdown;
	oom_countdown = 0;
	arena_restore(context->arena, mark);
	return before - after;
}

static void
embedding_again_allocates_nothing(void **state)
{
	scratch *s = *state;
	char *image = scratch_path(s, "image");
	run_model *model;

	assert_true(run_compile(&s->context, golden_checkpoint(), image, NULL));
	model = run_model_open(&s->context, image, COMPUTE_AUTO);
	assert_non_null(model);
	for (int threads = 1; threads <= 2; threads++)
	{
		s->context.threads = threads;
		s->context.pool = threads_create(threads);
		/* What compiling has left in the arena is given back: the first call finds none. */
		arena_trim(s->context.arena, 0);
		assert_true(count_allocations(&s->context, model) > 0);
		assert_int_equal(count_allocations(&s->context, model), 0);
		threads_destroy(s->context.pool);
		s->context.pool = NULL;
	}
}

static tfm_error_kind
run_with_limit(const work *w, size_t limit, size_t *peak)
{
	tfm_context context = {.arena = arena_create(limit)};
	bool done = do_all(&context, (void *) w);
	tfm_error_kind kind = context.error.kind;

	assert_int_equal(done, kind == TFM_OK);
	*peak = arena_peak(context.arena);
	arena_destroy(context.arena);
	return kind;
}

static void
memory_runs_out_in_the_arena(void **state)
{
	scratch *s = *state;
	work w = {golden_checkpoint(), scratch_path(s, "image"), 0};
	size_t peak, used, step;

	assert_int_equal(run_with_limit(&w, 0, &peak), TFM_OK);
	/* Allocations are multiples of the alignment; at most two thousand of the limits are tried. */
	step = peak / 2000 / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
	if (step == 0)
		step = ARENA_ALIGNMENT;
	for (size_t limit = ARENA_ALIGNMENT; limit < peak; limit += step)
		assert_int_equal(run_with_limit(&w, limit, &used), TFM_OUT_OF_MEMORY);
	assert_int_equal(run_with_limit(&w, peak, &used), TFM_OK);
}

/* Copy the checkpoint with one string of its config.json replaced. */
static char *
edited_checkpoint(scratch *s, const char *from, const char *to)
{
	char command[2048];
	char *directory = scratch_path(s, "edited");

	snprintf(command, sizeof(command),
			 "rm -rf '%s' && cp -rL '%s' '%s' && chmod -R u+w '%s' && "
			 "sed -i 's/%s/%s/' '%s/config.json'",
			 directory, golden_checkpoint(), directory, directory, from, to, directory);
	assert_int_equal(system(command), 0);
	return directory;
}

static void
shapes_must_fit_the_configuration(void **state)
{
	static const struct
	{
		const char *from, *to, *says;
	} edits[] = {
		{"\"hidden_size\": *[0-9]*", "\"hidden_size\": 8", "word_embeddings.weight"},
		{"\"intermediate_size\": *[0-9]*", "\"intermediate_size\": 7", "intermediate.dense.weight"},
		{"\"max_position_embeddings\": *[0-9]*", "\"max_position_embeddings\": 9",
		 "position_embeddings.weight"},
		{"\"type_vocab_size\": *[0-9]*", "\"type_vocab_size\": 5", "token_type_embeddings.weight"},
		{"\"num_attention_heads\": *[0-9]*", "\"num_attention_heads\": 5", "attention"},
		{"\"num_hidden_layers\": *[0-9]*", "\"num_hidden_layers\": 3", "encoder.layer."},
	};
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++)
	{
		char *directory = edited_checkpoint(s, edits[i].from, edits[i].to);

		tfm_clear_error(&s->context);
		assert_false(run_compile(&s->context, directory, scratch_path(s, "image"), NULL));
		assert_int_equal(s->context.error.kind, TFM_CORRUPTED);
		assert_non_null(strstr(s->context.error.message, edits[i].says));
		assert_false(file_exists(scratch_path(s, "image")));
	}
}

/* The content that is expected is what is compiled, whether or not the signature saves hashing it. */
static void
only_the_expected_content_is_compiled(void **state)
{
	scratch *s = *state;
	const char *directory = golden_checkpoint();
	char *image = scratch_path(s, "image");
	char content[CKPT_HEX_LENGTH + 1], signature[CKPT_HEX_LENGTH + 1];
	char other[] = "0000000000000000000000000000000000000000000000000000000000000000";
	const run_compile_options wrong[] = {{other, NULL, 0}, {other, content, 0}};
	const run_compile_options right[] = {
		{content, NULL, 0}, {content, other, 0}, {content, signature, 0}};

	assert_true(ckpt_fingerprint(&s->context, directory, content));
	assert_true(ckpt_signature(&s->context, directory, signature));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
	{
		assert_false(run_compile(&s->context, directory, image, &wrong[i]));
		assert_failed(&s->context, TFM_CHANGED, "changed while it was read");
		assert_false(file_exists(image));
	}
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
	{
		run_model *model;

		assert_true(run_compile(&s->context, directory, image, &right[i]));
		model = run_model_open(&s->context, image, COMPUTE_AUTO);
		assert_non_null(model);
		assert_string_equal(run_model_describe(model)->content, content);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(memory_runs_out_in_malloc, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(memory_runs_out_in_the_arena, scratch_setup,
										scratch_teardown),
		scratch_test(embedding_again_allocates_nothing),
		cmocka_unit_test_setup_teardown(only_the_expected_content_is_compiled, scratch_setup,
										scratch_teardown),
		cmocka_unit_test_setup_teardown(shapes_must_fit_the_configuration, scratch_setup,
										scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
