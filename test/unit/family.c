/*
 * family.c
 *	  From config.json to the class that runs it, and what is said of names that are not known.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/family.h"

#include "base/near.h"
#include "oom.h"
#include "scratch.h"

static bool
find(scratch *s, const char *text, run_class *class)
{
	json config = json_parse(&s->context, text, strlen(text), "config.json");

	assert_good(&s->context);
	return run_find_class(&s->context, config, class);
}

/* The class is refused with this message, and a hint that begins so; "": without a hint. */
static void
refuse(scratch *s, const char *text, const char *message, const char *hint)
{
	run_class class;

	assert_false(find(s, text, &class));
	assert_null(class.family);
	assert_int_equal(s->context.error.kind, TFM_UNSUPPORTED);
	assert_string_equal(s->context.error.message, message);
	if (hint[0] == '\0')
		assert_string_equal(s->context.error.hint, "");
	else if (strncmp(s->context.error.hint, hint, strlen(hint)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", s->context.error.hint, hint);
	tfm_clear_error(&s->context);
}

/* The names in a list near to the wanted one, as one text. */
static void
assert_near(const char *wanted, const char *const *names, const char *expected)
{
	near_names near = {.wanted = wanted};
	char text[256] = "";

	for (; *names != NULL; names++)
		near_offer(&near, *names);
	for (int i = 0; i < near.count; i++)
		near_append(text, sizeof(text), near.names[i]);
	assert_string_equal(text, expected);
}

static void
class_is_found(void **state)
{
	run_class class;

	assert_true(find(*state,
					 "{\"model_type\":\"xlm-roberta\",\"architectures\":"
					 "[\"XLMRobertaForTokenClassification\"]}",
					 &class));
	assert_string_equal(class.family->name, "roberta");
	assert_string_equal(class.variant->model_type, "xlm-roberta");
	assert_string_equal(class.head->suffix, "ForTokenClassification");
	assert_true(find(*state, "{\"model_type\":\"bert\"}", &class));
	assert_string_equal(class.head->suffix, "Model");
}

static void
unknown_types_name_those_near(void **state)
{
	refuse(*state, "{\"model_type\":\"distill-bert\"}",
		   "model type \"distill-bert\" is not supported",
		   "Supported model types nearest in name: distilbert, ");
	refuse(*state, "{\"model_type\":\"XLM_Roberta\"}",
		   "model type \"XLM_Roberta\" is not supported",
		   "Supported model types nearest in name: xlm-roberta, ");
	refuse(*state, "{\"model_type\":\"zzz\"}", "model type \"zzz\" is not supported", "");
	refuse(*state, "{\"model_type\":\"zzz\",\"architectures\":[\"LlamaForCausalLM\"]}",
		   "model type \"zzz\" is not supported",
		   "Its architecture \"LlamaForCausalLM\" is that of model type \"llama\".");
	refuse(*state, "{\"model_type\":\"zzz\",\"architectures\":[7, {}]}",
		   "model type \"zzz\" is not supported", "");
}

static void
unknown_architectures_name_the_heads(void **state)
{
	refuse(*state, "{\"model_type\":\"gpt_neo\",\"architectures\":[\"GPTNeoForAnything\"]}",
		   "architecture \"GPTNeoForAnything\" of model type \"gpt_neo\" is not supported",
		   "Supported architectures: GPTNeoModel, GPTNeoForCausalLM, ");
	refuse(*state, "{\"model_type\":\"openai-gpt\",\"architectures\":[7]}",
		   "architecture \"\" of model type \"openai-gpt\" is not supported",
		   "Supported architectures: OpenAIGPTModel, OpenAIGPTLMHeadModel, ");
}

static void
names_are_sorted_by_nearness(void **state)
{
	static const char *const names[] = {"bert", "roberta", "qwen2",		"qwen3_moe",   "qwen3",
										"t5",	"phi3",	   "qwen2_moe", "gemma3_text", "gemma",
										"opt",	"qwen",	   NULL};

	(void) state;
	assert_near("qwen3_next", names, "qwen3_moe, qwen3, qwen2_moe, qwen2, qwen");
	assert_near("gemma3", names, "gemma, gemma3_text");
	assert_near("t6", names, "");
	assert_near("op", names, "opt");
	assert_near("opt2", names, "opt");
	assert_near("new-Bert", names, "bert, roberta");
	assert_near("", names, "");
	assert_near("", (const char *const[]) {"", NULL}, "");
}

static void
long_lists_end_with_dots(void **state)
{
	char text[16] = "";

	(void) state;
	near_append(text, sizeof(text), "abc");
	near_append(text, sizeof(text), "defghi");
	assert_string_equal(text, "abc, ...");
	near_append(text, sizeof(text), "j");
	assert_string_equal(text, "abc, ...");
}

static void
long_names_are_compared_by_their_beginning(void **state)
{
	char name[300];
	near_names near = {.wanted = name};

	(void) state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 2 * NEAR_MOST; i++)
		near_offer(&near, name + i);
	assert_int_equal(near.count, NEAR_MOST);
	assert_ptr_equal(near.names[0], name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(class_is_found),
		scratch_test(unknown_types_name_those_near),
		scratch_test(unknown_architectures_name_the_heads),
		cmocka_unit_test(names_are_sorted_by_nearness),
		cmocka_unit_test(long_lists_end_with_dots),
		cmocka_unit_test(long_names_are_compared_by_their_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
