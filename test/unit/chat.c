/*
 * chat.c
 *	  Chat templates: where they are found, which one is taken, and what Transformers renders with
 *	  them (test/golden/chat).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/chat.h"

#include "base/file.h"
#include "base/json.h"
#include "oom.h"
#include "runtime/templates.h"
#include "scratch.h"

#include <cjson/cJSON.h>

#define TEXT(literal) ((tfm_text) {literal, sizeof(literal) - 1})

static const char *
golden_path(tfm_context *context, const char *name)
{
	const char *golden = getenv("TFM_GOLDEN");

	return tfm_sprintf(context, "%s/chat/%s", golden == NULL ? "test/golden" : golden, name);
}

static run_templates
collect(scratch *s)
{
	buffer *bytes = buffer_create(&s->context);

	assert_true(run_collect_templates(&s->context, s->directory, bytes));
	return (run_templates) {bytes->data, bytes->length};
}

static const char *
find(scratch *s, const char *wanted, bool has_tools)
{
	run_templates templates = collect(s);
	tfm_text source;

	if (!run_find_template(&s->context, &templates, wanted, has_tools, &source))
		return NULL;
	assert_int_equal(strlen(source.data), source.length);
	return source.data;
}

static void
files_come_before_the_configuration(void **state)
{
	scratch *s = *state;

	assert_null(find(s, NULL, false));
	assert_failed(&s->context, TFM_UNDEFINED, "no chat template");
	assert_string_equal(find(s, "{{ x }}", false), "{{ x }}");
	scratch_write_text(s, "chat_template.json", "{\"chat_template\": \"processor\"}");
	assert_string_equal(find(s, NULL, false), "processor");
	scratch_write_text(s, "tokenizer_config.json", "{\"chat_template\": \"config\"}");
	assert_string_equal(find(s, NULL, true), "config");
	scratch_write_text(s, "chat_template.jinja", "file");
	assert_string_equal(find(s, NULL, true), "file");
	/* The only one has no name. */
	assert_string_equal(find(s, "default", true), "default");
	mkdir(scratch_path(s, "additional_chat_templates"), 0700);
	scratch_write_text(s, "additional_chat_templates/tool_use.jinja", "tools");
	assert_string_equal(find(s, NULL, true), "tools");
	assert_string_equal(find(s, NULL, false), "file");
	assert_string_equal(find(s, "default", true), "file");
	assert_string_equal(find(s, "tool_use", false), "tools");
	assert_string_equal(find(s, "other", false), "other");
	scratch_write_text(s, "additional_chat_templates/default.jinja", "another");
	assert_string_equal(find(s, NULL, false), "another");
}

static void
lists_have_names(void **state)
{
	scratch *s = *state;

	scratch_write_text(s, "tokenizer_config.json",
					   "{\"chat_template\": [{\"name\": \"a\", \"template\": \"A\"}, "
					   "{\"name\": \"tool_use\", \"template\": \"T\"}]}");
	assert_string_equal(find(s, "a", false), "A");
	assert_string_equal(find(s, NULL, true), "T");
	assert_null(find(s, NULL, false));
	assert_string_equal(s->context.error.hint,
						"Name one of them, or give a template: \"a\", \"tool_use\".");
	assert_failed(&s->context, TFM_UNDEFINED, "none is \"default\"");
}

static void
broken_files_are_refused(void **state)
{
	static const char *const configs[] = {
		"{\"chat_template\": 3}",
		"{\"chat_template\": [3]}",
		"{\"chat_template\": [{\"name\": \"a\"}]}",
		"{\"chat_template\": [{\"template\": \"a\"}]}",
		"{\"chat_template\": {\"a\": 1}}",
	};
	scratch *s = *state;
	buffer *bytes = buffer_create(&s->context);

	for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++)
	{
		scratch_write_text(s, "tokenizer_config.json", configs[i]);
		assert_false(run_collect_templates(&s->context, s->directory, bytes));
		assert_failed(&s->context, TFM_CORRUPTED, "\"chat_template\" must be a text, or a list");
	}
	scratch_write(s, "chat_template.jinja", "a\0b", 3);
	assert_false(run_collect_templates(&s->context, s->directory, bytes));
	assert_failed(&s->context, TFM_CORRUPTED, "zero byte");
	scratch_write(s, "chat_template.jinja", "a\xFF", 2);
	assert_false(run_collect_templates(&s->context, s->directory, bytes));
	assert_failed(&s->context, TFM_CORRUPTED, "not valid UTF-8");
}

static void
damaged_bytes_are_no_template(void **state)
{
	static const tfm_text damaged[] = {TEXT(""), {"a", 1}, {"a\0b", 3}, {"default\0x", 9}};
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++)
	{
		run_templates templates = {damaged[i].data, damaged[i].length};
		tfm_text source;

		assert_false(run_find_template(&s->context, &templates, NULL, true, &source));
		assert_failed(&s->context, TFM_UNDEFINED, "chat template");
	}
}

/* A string of a GGUF file: its length and its bytes. */
static void
put_string(tfm_context *context, buffer *out, const char *string)
{
	uint64_t length = strlen(string);

	buffer_append(context, out, &length, sizeof(length));
	buffer_append_string(context, out, string);
}

/* A GGUF file with so many pairs of keys and strings, and nothing else. */
static char *
write_gguf(scratch *s, const char *const pairs[][2], uint64_t count)
{
	const uint32_t version = 3, string_type = 8;
	const uint64_t tensors = 0;
	buffer *out = buffer_create(&s->context);

	buffer_append_string(&s->context, out, "GGUF");
	buffer_append(&s->context, out, &version, sizeof(version));
	buffer_append(&s->context, out, &tensors, sizeof(tensors));
	buffer_append(&s->context, out, &count, sizeof(count));
	for (uint64_t i = 0; i < count; i++)
	{
		put_string(&s->context, out, pairs[i][0]);
		buffer_append(&s->context, out, &string_type, sizeof(string_type));
		put_string(&s->context, out, pairs[i][1]);
	}
	return scratch_write(s, "a.gguf", out->data, out->length);
}

static void
gguf_files_have_templates(void **state)
{
	static const char *const pairs[][2] = {
		{"tokenizer.chat_template", "plain"},
		{"tokenizer.chat_template.tool_use", "tools"},
		{"general.name", "x"},
	};
	scratch *s = *state;
	buffer *bytes = buffer_create(&s->context);
	run_templates templates;
	tfm_text source;

	assert_true(run_collect_gguf_templates(&s->context, write_gguf(s, pairs + 2, 1), bytes));
	assert_int_equal(bytes->length, 0);
	assert_true(run_collect_gguf_templates(&s->context, write_gguf(s, pairs, 1), bytes));
	templates = (run_templates) {bytes->data, bytes->length};
	assert_true(run_find_template(&s->context, &templates, NULL, true, &source));
	assert_string_equal(source.data, "plain");
	bytes->length = 0;
	assert_true(run_collect_gguf_templates(&s->context, write_gguf(s, pairs, 3), bytes));
	templates = (run_templates) {bytes->data, bytes->length};
	assert_true(run_find_template(&s->context, &templates, NULL, true, &source));
	assert_string_equal(source.data, "tools");
	assert_true(run_find_template(&s->context, &templates, "default", true, &source));
	assert_string_equal(source.data, "plain");
}

/* ---- What Transformers renders ---- */

static tfm_text
member_text(json row, const char *key)
{
	json value = json_member(row, key);
	char *text = json_present(value) ? cJSON_PrintUnformatted(value.node) : NULL;

	return (tfm_text) {text, text == NULL ? 0 : strlen(text)};
}

static void
compare_case(scratch *s, json row)
{
	tfm_context *context = &s->context;
	const char *directory = json_string(context, row, "directory", NULL);
	const char *expected = json_string(context, row, "text", NULL);
	char *image = scratch_path(s, directory);
	chat_request request = {
		.messages = member_text(row, "messages"),
		.tools = member_text(row, "tools"),
		.documents = member_text(row, "documents"),
		.kwargs = member_text(row, "kwargs"),
		.chat_template = json_string(context, row, "chat_template", NULL),
		.add_generation_prompt = json_bool(context, row, "add_generation_prompt", false),
		.continue_final_message = json_bool(context, row, "continue_final_message", false),
	};
	const run_model *model;
	tfm_text rendered;

	assert_true(run_compile(context, golden_path(context, directory), image, NULL));
	model = run_model_open(context, image, COMPUTE_AUTO);
	assert_non_null(model);
	assert_non_null(run_model_no_weights(model));
	if (task_apply_chat_template(context, model, &request, &rendered))
	{
		assert_non_null(expected);
		assert_int_equal(rendered.length, strlen(expected));
		assert_memory_equal(rendered.data, expected, rendered.length);
	}
	else
	{
		assert_null(expected);
		assert_failed(context, TFM_UNDEFINED, "chat template");
	}
	free((char *) request.messages.data);
	free((char *) request.tools.data);
	free((char *) request.documents.data);
	free((char *) request.kwargs.data);
}

static void
prompts_are_those_of_transformers(void **state)
{
	scratch *s = *state;
	tfm_context *context = &s->context;
	size_t length;
	char *line = file_read(context, golden_path(context, "cases.jsonl"), 1 << 20, &length);
	int count = 0;

	assert_non_null(line);
	for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1, count++)
	{
		*end = '\0';
		compare_case(s, json_parse(context, line, (size_t) (end - line), "cases.jsonl"));
	}
	assert_true(count >= 40);
}

static bool
render_once(tfm_context *context, void *directory)
{
	buffer *bytes = buffer_create(context);
	tfm_text source, rendered;

	return bytes != NULL && run_collect_templates(context, directory, bytes) &&
		   run_find_template(context, &(run_templates) {bytes->data, bytes->length}, NULL, false,
							 &source) &&
		   task_render(context, source,
					   TEXT("{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], "
							"\"eos_token\": \"\"}"),
					   NULL, &rendered);
}

static void
memory_may_run_out(void **state)
{
	scratch *s = *state;
	const char *path = golden_path(&s->context, "files");

	assert_int_equal(oom_run_all(render_once, (void *) path), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(files_come_before_the_configuration),
		scratch_test(lists_have_names),
		scratch_test(broken_files_are_refused),
		scratch_test(damaged_bytes_are_no_template),
		scratch_test(gguf_files_have_templates),
		scratch_test(prompts_are_those_of_transformers),
		scratch_test(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
