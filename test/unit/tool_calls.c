/*
 * tool_calls.c
 *	  What chat models write as messages: the formats of calls, and response templates, whose messages are
 *	  those that Transformers 5.23 makes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/tool_calls.h"

#include "oom.h"
#include "scratch.h"
#include "tokenizers.h"

#define CALL(name, arguments)                                                                      \
	"{\"type\": \"function\", \"function\": {\"name\": \"" name "\", \"arguments\": " arguments "}}"
#define CALLS(content, calls)                                                                      \
	"{\"role\": \"assistant\", \"content\": \"" content "\", \"tool_calls\": [" calls "]}"
#define CONTENT(content) "{\"role\": \"assistant\", \"content\": \"" content "\"}"
#define BAR "\xEF\xBD\x9C"
#define GAP "\xE2\x96\x81"

static void
check(scratch *s, const char *prompt, const char *response, const char *template,
	  const char *expected)
{
	message_request request = {.response = text_of(response), .prompt = text_of(prompt)};
	buffer *out = buffer_create(&s->context);

	if (template != NULL)
		request.response_template = json_parse(&s->context, template, strlen(template), "template");
	if (!task_parse_message(&s->context, &request, out))
		fail_msg("%s: %s", response, s->context.error.message);
	assert_string_equal(buffer_text(&s->context, out), expected);
}

static void
formats_are_recognised(void **state)
{
	static const struct
	{
		const char *response, *message;
	} cases[] = {
		{"Hello <b>there</b>.<|im_end|>\n", CONTENT("Hello <b>there</b>.")},
		{"", CONTENT("")},
		{"Sure.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, 2.5, "
		 "null]}}\n</tool_call>\n"
		 "<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call><|im_end|>",
		 CALLS("Sure.", CALL("f", "{\"a\": [1, 2.5, null]}") ", " CALL("g", "{}"))},
		{"<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"}</tool_call",
		 CONTENT("<tool_call>{\\\"name\\\": \\\"f\\\", \\\"arguments\\\": {\\\"a\\\": "
				 "\\\"}</tool_call")},
		{"<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}",
		 CALLS("", CALL("f", "{\"a\": 1}"))},
		{"{\"name\": \"f\", \"parameters\": {\"a\": \"b\"}}<|eot_id|>",
		 CALLS("", CALL("f", "{\"a\": \"b\"}"))},
		{"{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}",
		 CALLS("", CALL("f", "{}") ", " CALL("g", "{}"))},
		{"{\"name\": \"Bob\", \"age\": 3}", CONTENT("{\\\"name\\\": \\\"Bob\\\", \\\"age\\\": 3}")},
		{"```json\n{\"name\": \"f\", \"parameters\": {\"a\": 1}}\n```",
		 CALLS("", CALL("f", "{\"a\": 1}"))},
		{"<|python_tag|>{\"type\": \"function\", \"name\": \"f\", \"parameters\": {\"q\": "
		 "1}}<|eom_id|>",
		 CALLS("", CALL("f", "{\"q\": 1}"))},
		{"<|python_tag|>brave_search.call(query=\"x y\")",
		 CALLS("", CALL("brave_search.call", "{\"query\": \"x y\"}"))},
		{"[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"x\"}, {\"name\": "
		 "\"g\", \"arguments\": {}}]</s>",
		 CALLS("", CALL("f", "{\"a\": 1}") ", " CALL("g", "{}"))},
		{"Hm[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[CALL_ID]12[ARGS]{\"b\":{}}",
		 CALLS("Hm", CALL("f", "{\"a\": 1}") ", " CALL("g", "{\"b\":{}}"))},
		{"```tool_code\nprint(f(a=1, b='x\\'y', c=[True, None, {\"k\": -1.5e3}],))\n```",
		 CALLS("", CALL("f", "{\"a\": 1, \"b\": \"x'y\", \"c\": [true, null, {\"k\": -1.5e3}]}"))},
		{"[f(a=\"b\"), g()]<|eot_id|>",
		 CALLS("", CALL("f", "{\"a\": \"b\"}") ", " CALL("g", "{}"))},
		{"[f(a=b)]", CONTENT("[f(a=b)]")},
		{"functools[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]",
		 CALLS("", CALL("f", "{\"a\": 1}"))},
		{"I use functools.", CONTENT("I use functools.")},
		{"<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\nx\ny\n</"
		 "parameter>\n</function>\n</tool_call>",
		 CALLS("", CALL("f", "{\"a\": 1, \"b\": \"x\\ny\"}"))},
		{"<function=f>{\"a\": 1}</function>", CALLS("", CALL("f", "{\"a\": 1}"))},
		{"<" BAR "tool" GAP "calls" GAP "begin" BAR "><" BAR "tool" GAP "call" GAP "begin" BAR
		 ">function<" BAR "tool" GAP "sep" BAR ">f\n```json\n{\"a\": 1}\n```<" BAR "tool" GAP
		 "call" GAP "end" BAR "><" BAR "tool" GAP "calls" GAP "end" BAR ">",
		 CALLS("", CALL("f", "{\"a\": 1}"))},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(*state, "", cases[i].response, NULL, cases[i].message);
}

static void
reasoning_is_set_apart(void **state)
{
	check(*state, "", "<think>\na\n</think>\n\nb", NULL,
		  "{\"role\": \"assistant\", \"reasoning_content\": \"a\", \"content\": \"b\"}");
	check(*state, "assistant\n<think>\n", "a</think>b", NULL,
		  "{\"role\": \"assistant\", \"reasoning_content\": \"a\", \"content\": \"b\"}");
	check(*state, "assistant\n<think>\n", "a", NULL,
		  "{\"role\": \"assistant\", \"reasoning_content\": \"a\", \"content\": \"\"}");
	check(*state, "", "<think></think><tool_call>{\"name\": \"f\"}</tool_call>", NULL,
		  CALLS("", CALL("f", "{}")));
}

static const char hermes[] = "{\"start_anchor\":\"<|im_start|>assistant\\n\",\"defaults\":{"
							 "\"role\":\"assistant\"},\"fields\":{"
							 "\"thinking\":{\"open\":\"<think>\",\"close\":\"</think>\"},"
							 "\"content\":{\"close\":[\"<|im_end|>\",\"<|endoftext|>\"]},"
							 "\"tool_calls\":{\"open\":\"<tool_call>\",\"close\":\"</"
							 "tool_call>\",\"content\":\"json\",\"repeats\":true,"
							 "\"transform\":{\"type\":\"function\",\"function\":\"{content}\"}}}}";

static const char patterns[] =
	"{\"start_anchor_pattern\":\"<\\\\|turn\\\\|>\\\\w+:\",\"defaults\":{\"role\":\"assistant\","
	"\"n\":null},\"fields\":{"
	"\"note\":{\"open_pattern\":\"\\\\[note\\\\d\\\\]\",\"close\":\"[/"
	"]\",\"repeats\":true,\"join\":\"; \"},"
	"\"tool_calls\":{\"open\":\"CALLS\",\"content\":\"json\",\"transform_each\":true,\"transform\":"
	"{\"type\":"
	"\"function\",\"function\":{\"name\":\"{name}\",\"arguments\":\"{args.x}\"}}},"
	"\"n\":{\"open\":\"#\",\"close\":\"#\",\"content\":\"int\"},\"content\":{}}}";

static void
templates_are_followed(void **state)
{
	check(
		*state, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n<think>",
		"\nhm\n</think>\n\nLet me look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, "
		"null]}}\n</tool_call>\n<tool_call>{\"name\": \"g\", \"arguments\": "
		"{}}</tool_call><|im_end|>",
		hermes,
		"{\"role\": \"assistant\", \"thinking\": \"hm\", \"tool_calls\": [" CALL(
			"f", "{\"a\": [1, null]}") ", " CALL("g", "{}") "]}");
	check(*state, "", "plain", hermes, CONTENT("plain"));
	check(*state, "", "<think>only", hermes, "{\"role\": \"assistant\", \"thinking\": \"only\"}");
	check(*state, "<|turn|>user:x<|turn|>model:",
		  "a[note1] b [/]c #12# [note22]d[/]CALLS [{\"name\":\"f\",\"args\":{\"x\":{\"y\":1.5}}}]",
		  patterns,
		  "{\"role\": \"assistant\", \"n\": 12, \"content\": \"[note22]d[/]\", \"note\": \"b\", "
		  "\"tool_calls\": [" CALL("f", "{\"y\": 1.5}") "]}");
	check(*state, "x", "", patterns, "{\"role\": \"assistant\", \"n\": null, \"content\": \"x\"}");
}

static void
wrong_templates_are_refused(void **state)
{
	static const struct
	{
		const char *template;
		tfm_error_kind kind;
		const char *says;
	} cases[] = {
		{"{}", TFM_INVALID_ARGUMENT, "no fields"},
		{"{\"fields\":{\"a\":{}}}", TFM_INVALID_ARGUMENT, "\"start_anchor\" is missing"},
		{"{\"start_anchor\":\"x\",\"fields\":{\"a\":{},\"b\":{}}}", TFM_INVALID_ARGUMENT,
		 "second without"},
		{"{\"start_anchor\":\"x\",\"fields\":{\"a\":{\"open_pattern\":\"(?P<n>b)\"}}}",
		 TFM_UNSUPPORTED, "named groups"},
		{"{\"start_anchor\":\"x\",\"fields\":{\"a\":{\"content\":\"json\"}}}", TFM_INVALID_ARGUMENT,
		 "cannot be read"},
		{"{\"start_anchor\":\"x\",\"fields\":{\"a\":{\"content\":\"xml-inline\"}}}",
		 TFM_UNSUPPORTED, "content parser"},
		{"{\"start_anchor\":\"x\",\"fields\":{\"a\":{\"open\":\"y\",\"optional\":false}}}",
		 TFM_INVALID_ARGUMENT, "not in the response"},
		{"{\"start_anchor\":\"x\",\"fields\":{\"a\":{\"transform\":\"{b}\"}}}",
		 TFM_INVALID_ARGUMENT, "placeholder"},
	};
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const char *template = cases[i].template;
		message_request request = {
			.response = text_of("text"),
			.response_template = json_parse(&s->context, template, strlen(template), "template"),
		};

		assert_false(task_parse_message(&s->context, &request, buffer_create(&s->context)));
		assert_failed(&s->context, cases[i].kind, cases[i].says);
	}
}

static bool
parse_all(tfm_context *context, void *argument)
{
	message_request request = {
		.response =
			text_of("<think>a</think>[f(a=1)]<tool_call>{\"name\": \"f\", \"arguments\": {}}"
					"</tool_call>"),
	};
	buffer *out = buffer_create(context);

	(void) argument;
	if (out == NULL || !task_parse_message(context, &request, out))
		return false;
	request.response_template = json_parse(context, hermes, strlen(hermes), "template");
	return !tfm_failed(context) && task_parse_message(context, &request, out);
}

static void
lack_of_memory_is_an_error(void **state)
{
	(void) state;
	assert_int_equal(oom_run_all(parse_all, NULL), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(formats_are_recognised),	  scratch_test(reasoning_is_set_apart),
		scratch_test(templates_are_followed),	  scratch_test(wrong_templates_are_refused),
		scratch_test(lack_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
