/*
 * jinja.c
 *	  Templates against jinja2 (test/oracle/jinja.py makes the data), and what they may not do.
 *
 * golden/jinja/cases.jsonl: the first line is the context of the templates after it.
 * golden/jinja/chats.jsonl: special tokens, conversations by name, and what the templates of
 * golden/jinja/templates make of them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/chat.h"

#include "base/json.h"
#include "oom.h"
#include "scratch.h"

/* The oracle's clock: Thursday, 2026-01-15 09:30:05. */
static const struct tm now = {.tm_year = 126,
							  .tm_mon = 0,
							  .tm_mday = 15,
							  .tm_hour = 9,
							  .tm_min = 30,
							  .tm_sec = 5,
							  .tm_wday = 4,
							  .tm_yday = 14};

static tfm_text
text_of(const char *string)
{
	return (tfm_text) {.data = string, .length = string != NULL ? strlen(string) : 0};
}

static tfm_text
text_member(json row, const char *key)
{
	json member = json_member(row, key);

	return json_is_string(member) ? text_of(json_as_string(member)) : (tfm_text) {NULL, 0};
}

static const char *
golden_path(tfm_context *context, const char *name)
{
	const char *directory = getenv("TFM_GOLDEN");

	return tfm_sprintf(context, "%s/jinja/%s",
					   directory != NULL && *directory != '\0' ? directory : "test/golden", name);
}

/* Each line of a file to check, with its number. */
static void
each_line(scratch *s, const char *name, void (*check)(scratch *, json, int, void *), void *argument)
{
	size_t length, start = 0;
	char *text = file_read(&s->context, golden_path(&s->context, name), (size_t) 16 << 20, &length);
	int line = 0;

	assert_good(&s->context);
	while (start < length)
	{
		const char *end = memchr(text + start, '\n', length - start);
		size_t size = (size_t) (end - (text + start));

		check(s, json_parse(&s->context, text + start, size, name), ++line, argument);
		assert_good(&s->context);
		start += size + 1;
	}
	assert_true(line > 100);
}

/* The rendering is what the row says: its text, or an error with that line and message. */
static void
check_result(tfm_context *context, json row, bool good, tfm_text found, const char *where)
{
	json wanted = json_member(row, "out"), line = json_member(row, "line");
	char place[32] = "";

	if (json_present(wanted))
	{
		const char *text = json_as_string(wanted);

		if (!good)
			fail_msg("%s: %s", where, context->error.message);
		if (strlen(text) != found.length || memcmp(text, found.data, found.length) != 0)
			fail_msg("%s: \"%.*s\", not \"%s\"", where, (int) found.length, found.data, text);
		return;
	}
	if (good)
		fail_msg("%s: \"%.*s\", not an error", where, (int) found.length, found.data);
	assert_true(context->error.kind == TFM_INVALID_ARGUMENT);
	if (json_present(line) && json_as_number(line) > 0)
		snprintf(place, sizeof(place), "line %d: ", (int) json_as_number(line));
	if (strncmp(context->error.message, place, strlen(place)) != 0 ||
		strstr(context->error.message, json_as_string(json_member(row, "error"))) == NULL)
		fail_msg("%s: \"%s\", not \"%s%s\"", where, context->error.message, place,
				 json_as_string(json_member(row, "error")));
	tfm_clear_error(context);
}

static void
check_case(scratch *s, json row, int line, void *argument)
{
	tfm_text *values = argument, rendered = {NULL, 0};
	jinja_request request = {.source = text_member(row, "template"), .now = &now};
	const char *where;
	bool good;

	if (line == 1)
	{
		*values = text_member(row, "context");
		return;
	}
	request.values = *values;
	where = tfm_sprintf(&s->context, "cases.jsonl:%d: %s", line, request.source.data);
	good = jinja_render(&s->context, &request, &rendered);
	check_result(&s->context, row, good, rendered, where);
}

static void
cases_are_jinja2s(void **state)
{
	tfm_text values = {NULL, 0};

	each_line(*state, "cases.jsonl", check_case, &values);
}

/* ---- Chats ---- */

typedef struct chats
{
	tfm_text special;
	json named[32];
	size_t count;
	const char *file; /* of the template that is loaded */
	tfm_text source;
} chats;

static tok_chat
make_chat(const chats *c, json row)
{
	json field = json_member(row, "continue");

	return (tok_chat) {
		.special_tokens = c->special,
		.messages = text_member(row, "messages"),
		.tools = text_member(row, "tools"),
		.documents = text_member(row, "documents"),
		.kwargs = text_member(row, "kwargs"),
		.continue_final_message = json_present(field),
		.continue_field = json_is_string(field) ? json_as_string(field) : NULL,
		.now = &now,
	};
}

static void
load_template(scratch *s, chats *c, const char *template)
{
	char name[256];
	size_t length;

	if (c->file != NULL && strcmp(c->file, template) == 0)
		return;
	snprintf(name, sizeof(name), "templates/%s", template);
	c->source.data =
		file_read(&s->context, golden_path(&s->context, name), (size_t) 1 << 20, &length);
	assert_good(&s->context);
	c->source.length = length;
	c->file = template;
}

static void
check_chat(scratch *s, json row, int line, void *argument)
{
	chats *c = argument;
	tok_chat chat = make_chat(c, row);
	tfm_text rendered = {NULL, 0};
	const char *use = json_as_string(json_member(row, "use"));
	bool good;

	if (line == 1)
		c->special = text_member(row, "special");
	else if (json_present(json_member(row, "use")))
	{
		for (size_t i = 0; i < c->count; i++)
			if (strcmp(json_as_string(json_member(c->named[i], "chat")), use) == 0)
				chat = make_chat(c, c->named[i]);
		load_template(s, c, json_as_string(json_member(row, "template")));
		chat.source = c->source;
	}
	else if (json_present(json_member(row, "source")))
		chat.source = text_member(row, "source");
	else
	{
		assert_true(c->count < 32);
		c->named[c->count++] = row;
	}
	if (chat.source.data == NULL)
		return;
	chat.add_generation_prompt = json_as_bool(json_member(row, "gen"));
	good = tok_render_chat(&s->context, &chat, &rendered);
	if (!good)
		tfm_detail(&s->context, "%s", s->context.error.message);
	if (!json_present(json_member(row, "out")) && !good)
	{
		/* What the template itself says is what raise_exception was given. */
		assert_true(s->context.error.kind == TFM_INVALID_ARGUMENT);
		tfm_clear_error(&s->context);
		return;
	}
	check_result(&s->context, row, good, rendered,
				 tfm_sprintf(&s->context, "chats.jsonl:%d: %s", line, use));
}

static void
chats_are_transformers(void **state)
{
	chats c = {.count = 0};

	each_line(*state, "chats.jsonl", check_chat, &c);
}

/* ---- What goes wrong ---- */

static bool
render_text(tfm_context *context, const char *source, const char *values, tfm_text *rendered)
{
	jinja_request request = {.source = text_of(source), .values = text_of(values)};

	return jinja_render(context, &request, rendered);
}

static void
assert_fails(scratch *s, const char *source, const char *values, tfm_error_kind kind,
			 const char *says)
{
	tfm_text rendered;

	assert_false(render_text(&s->context, source, values, &rendered));
	assert_failed(&s->context, kind, says);
}

static void
values_must_be_json(void **state)
{
	static const char *const bad[] = {"[1]",
									  "5",
									  "null",
									  "{",
									  "{\"a\"}",
									  "{\"a\":1,}",
									  "{a:1}",
									  "{\"a\":01}",
									  "{} x",
									  "{\"a\":\"",
									  "{\"a\":\"\n\"}",
									  "{\"a\":\"\\x\"}",
									  "{\"a\":+1}",
									  "{\"a\":[1 2]}",
									  "{\"a\":-}",
									  "{\"a\":tru}",
									  "{\"a\":\"\\ud800\"}",
									  "{\"a\":\"\xff\"}"};
	scratch *s = *state;
	tfm_text rendered;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(s, "x", bad[i], TFM_INVALID_ARGUMENT, "JSON");
	assert_true(render_text(&s->context, "{{ a }}{{ b }}",
							"{\"a\":1,\"b\":[1.0,1e2,-0,\"\\u00e9\"],\"a\":2}", &rendered));
	assert_string_equal(rendered.data, "2[1.0, 100.0, 0, 'é']");
	assert_fails(s, "\xff", "", TFM_INVALID_ARGUMENT, "UTF-8");
	assert_fails(s, "{{ '\\0' }}", "", TFM_INVALID_ARGUMENT, "NUL");
}

static void
overrides_and_names(void **state)
{
	scratch *s = *state;
	jinja_request request = {.source = text_of("{{ a }}{{ b }}\n{{ c.d.e }}"),
							 .values = text_of("{\"a\":1,\"b\":2,\"c\":{\"d\":{\"e\":3}}}"),
							 .overrides = text_of("{\"b\":5}"),
							 .name = "chat"};
	tfm_text rendered;

	assert_true(jinja_render(&s->context, &request, &rendered));
	assert_string_equal(rendered.data, "15\n3");
	request.values = text_of("{\"a\":1}");
	assert_false(jinja_render(&s->context, &request, &rendered));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "template \"chat\", line 2: 'c' is undefined");
}

static void
what_is_not_repeatable_is_refused(void **state)
{
	scratch *s = *state;

	assert_fails(s, "{{ [1] | random }}", "", TFM_UNSUPPORTED, "random");
	assert_fails(s, "{{ lipsum() }}", "", TFM_UNSUPPORTED, "lipsum");
	assert_fails(s, "{{ 'a'.encode() }}", "", TFM_UNSUPPORTED, "encode");
	assert_fails(s, "{{ strftime_now('%Y') }}", "", TFM_UNSUPPORTED, "time");
	assert_fails(s, "{{ (-8) ** 0.5 }}", "", TFM_UNSUPPORTED, "complex");
}

/* ---- Limits ---- */

static char *
repeated(scratch *s, const char *head, const char *part, int count, const char *tail)
{
	size_t size = strlen(part);
	char *text = tfm_alloc(&s->context, strlen(head) + size * (size_t) count + strlen(tail) + 1);
	char *p = text;

	p = stpcpy(p, head);
	for (int i = 0; i < count; i++)
		p = stpcpy(p, part);
	strcpy(p, tail);
	return text;
}

static void
limits_hold(void **state)
{
	static const char *const greedy[] = {
		"{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
		"{{ 'a' * 10000000000 }}",
		"{{ ('a' * 1000000) * 1000000 }}",
		"{{ [1] * 10000000000 }}",
		"{% set ns = namespace(s='a') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% "
		"endfor %}",
		"{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% "
		"endfor %}",
		"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
		"{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
		"{% for a in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
		"{% block a %}{{ self.a() }}{% endblock %}",
		"{% set ns = namespace(l=[]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% endfor "
		"%}{{ ns.l }}",
		"{% set ns = namespace(l=[]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% endfor "
		"%}{{ ns.l | tojson }}",
		"{% set ns = namespace(l=[]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% endfor "
		"%}{{ ns.l == [ns.l] }}",
		"{% set ns = namespace(l=(1,)) %}{% for i in range(5000) %}{% set ns.l = (ns.l,) %}{% "
		"endfor %}{{ {ns.l: 1} }}",
		"{% set ns = namespace(l=[1]) %}{% for i in range(5000) %}{% set ns.l = ns.l | "
		"map('string') %}{% endfor %}{{ ns.l | list }}",
		"{{ 10 ** 100000000 }}",
		"{{ '%1000000000d' % 1 }}",
		"{{ '{:1000000000}'.format(1) }}",
		"{{ 'a'.center(10000000000) }}",
		"{{ 'a' | indent(10000000000, true) }}",
		"{{ '%.2000f' % 1 }}",
		"{{ [1] | tojson(indent=10000000000) }}",
		"{{ 'a\tb'.expandtabs(10000000000) }}",
		"{{ '1'.zfill(10000000000) }}",
		"{{ [1] | batch(10000000000, 1) | list }}",
		"{{ [1] | slice(10000000000) | list | length }}",
		"{% set ns = namespace(s='aaaaaaaaaa') %}{% for i in range(20) %}{% set ns.s = "
		"ns.s.replace('a', 'aaaa') %}{% endfor %}",
	};
	scratch *s = *state;
	tfm_text rendered;

	for (size_t i = 0; i < sizeof(greedy) / sizeof(greedy[0]); i++)
	{
		jinja_request request = {
			.source = text_of(greedy[i]),
			.limits = {.steps = 3000000, .memory = (size_t) 32 << 20, .output = (size_t) 8 << 20}};

		if (jinja_render(&s->context, &request, &rendered))
			fail_msg("no limit for %s", greedy[i]);
		if (s->context.error.kind != TFM_LIMIT_EXCEEDED)
			fail_msg("%s: %s", greedy[i], s->context.error.message);
		tfm_clear_error(&s->context);
	}
}

static void
limits_can_be_set(void **state)
{
	scratch *s = *state;
	jinja_request request = {.source = text_of("{% for i in range(1000) %}{{ [i] }}{% endfor %}")};
	tfm_text rendered;

	assert_true(jinja_render(&s->context, &request, &rendered));
	request.limits = (jinja_limits) {.steps = 1000};
	assert_false(jinja_render(&s->context, &request, &rendered));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "steps");
	request.limits = (jinja_limits) {.memory = 20000};
	assert_false(jinja_render(&s->context, &request, &rendered));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "memory");
	request.limits = (jinja_limits) {.output = 1000};
	assert_false(jinja_render(&s->context, &request, &rendered));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "text");
	request.limits = (jinja_limits) {.depth = 3};
	assert_false(jinja_render(&s->context, &request, &rendered));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "");
}

/* Deep nesting is refused, never followed until the stack ends; what is nested less is rendered. */
static void
nesting_is_bounded(void **state)
{
	static const struct
	{
		const char *head, *part, *tail;
	} nested[] = {
		{"{{ ", "(", ""},
		{"{{ ", "[", ""},
		{"{{ ", "{1:", ""},
		{"{{ ", "- ", "1 }}"},
		{"{{ ", "not ", "1 }}"},
		{"{{ ", "a(", ""},
		{"{{ ", "a[", ""},
		{"{{ a", ".a", " }}"},
		{"{{ a", "[0]", " }}"},
		{"{{ a", "()", " }}"},
		{"{{ a", " | upper", " }}"},
		{"{{ a", " + a", " }}"},
		{"{{ a", " ** a", " }}"},
		{"{{ a", " and a", " }}"},
		{"{{ a", " if a else a", " }}"},
		{"{{ a", " is a", " }}"},
		{"", "{% if a %}", ""},
		{"", "{% for a in a %}", ""},
		{"", "{% macro a() %}", ""},
		{"", "{% set a %}", ""},
		{"", "{% filter upper %}", ""},
		{"", "{% with %}", ""},
		{"", "{% call a() %}", ""},
		{"", "{% generation %}", ""},
		{"{% set ", "(", ""},
	};
	scratch *s = *state;
	tfm_text rendered;

	for (size_t i = 0; i < sizeof(nested) / sizeof(nested[0]); i++)
	{
		assert_false(render_text(
			&s->context, repeated(s, nested[i].head, nested[i].part, 100000, nested[i].tail), "",
			&rendered));
		tfm_clear_error(&s->context);
	}
	assert_fails(s, "x", repeated(s, "{\"a\":", "[", 100000, "}"), TFM_LIMIT_EXCEEDED, "depth");
	assert_fails(s, "x", repeated(s, "", "{\"a\":", 100000, "}"), TFM_LIMIT_EXCEEDED, "depth");
	assert_true(
		render_text(&s->context, repeated(s, "{{ 1", " ~ 1", 100000, " }}"), "", &rendered));
	assert_true(render_text(&s->context, repeated(s, "{{ 1", " + 1", 200, " }}"), "", &rendered));
	assert_string_equal(rendered.data, "201");
	assert_true(render_text(&s->context,
							repeated(s, "{% if 0 %}a", "{% elif 0 %}b", 10000, "{% endif %}"), "",
							&rendered));
}

/* ---- Interrupts, memory ---- */

static bool
stop_later(void *argument)
{
	return --*(int *) argument < 0;
}

static void
interrupts_are_heeded(void **state)
{
	scratch *s = *state;
	int polls = 3;
	tfm_text rendered;

	s->context.interrupted = stop_later;
	s->context.interrupted_argument = &polls;
	assert_false(
		render_text(&s->context,
					"{% for a in range(10000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
					"", &rendered));
	assert_true(s->context.error.kind == TFM_CANCELLED);
	assert_true(polls < 0);
}

static bool
render_much(tfm_context *context, void *argument)
{
	static const char source[] =
		"{% macro m(a, b=2) %}{{ a ~ b ~ varargs ~ kwargs }}{{ caller() }}{% endmacro %}"
		"{% set ns = namespace(s='') %}{% for k, v in d.items() if v %}{% set ns.s = ns.s + k | "
		"upper %}"
		"{{ loop.last }}{{ v | tojson(indent=2) }}{{ l | map('string') | sort | join(',') }}{% "
		"endfor %}"
		"{% call m(1, 2, 3, c=4) %}{% filter indent %}a\nb{% endfilter %}{% endcall %}"
		"{{ '%05.2f %s' % (1.5, 'x') }}{{ '{:>5}'.format(2 ** 100) }}{{ strftime_now('%Y') }}"
		"{{ l | batch(2) | list }}{{ d | pprint }}{{ 'a b' | wordwrap(1) | title }}{{ d | dictsort "
		"}}"
		"{% autoescape true %}{{ '<' ~ ns.s }}{% endautoescape %}{% block x scoped %}{{ self.x is "
		"defined }}"
		"{% endblock %}{% for x in [l] recursive %}{{ loop(x) if x is iterable else x }}{% endfor "
		"%}";
	jinja_request request = {.source = text_of(source),
							 .values =
								 text_of("{\"d\":{\"a\":[1,2.5],\"b\":\"\\u00e9\",\"c\":null},"
										 "\"l\":[3,1,2]}"),
							 .now = &now};
	tfm_text rendered;

	(void) argument;
	return jinja_render(context, &request, &rendered);
}

static bool
render_failing(tfm_context *context, void *argument)
{
	tfm_text rendered;

	(void) argument;
	return render_text(context, "{% for x in [1] %}{{ x.y.z }}{% endfor %}", "{}", &rendered);
}

static bool
render_conversation(tfm_context *context, void *argument)
{
	tok_chat chat = {
		.source = text_of("{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}"),
		.special_tokens = text_of("{\"bos_token\":\"<s>\"}"),
		.messages = text_of("[{\"role\":\"a\",\"content\":\"b\",\"thinking\":\"c\"}]"),
		.tools = text_of("[{\"a\":1}]"),
		.kwargs = text_of("{\"x\":1}"),
		.continue_final_message = true};
	tfm_text rendered;

	(void) argument;
	return tok_render_chat(context, &chat, &rendered);
}

static void
every_allocation_may_fail(void **state)
{
	(void) state;
	assert_int_equal(oom_run_all(render_much, NULL), TFM_OK);
	assert_int_equal(oom_run_all(render_failing, NULL), TFM_INVALID_ARGUMENT);
	assert_int_equal(oom_run_all(render_conversation, NULL), TFM_OK);
}

/* The arena gives no more than its limit at each place in turn, too: chunks are few. */
static void
memory_may_end_anywhere(void **state)
{
	(void) state;
	for (size_t limit = 512;; limit += limit / 16)
	{
		tfm_context context = {.arena = arena_create(limit)};
		bool good;

		assert_non_null(context.arena);
		good = render_much(&context, NULL);
		if (!good)
			assert_true(context.error.kind == TFM_OUT_OF_MEMORY);
		arena_destroy(context.arena);
		if (good)
			break;
		assert_true(limit < (size_t) 64 << 20);
	}
}

/* And the rendering's own limit, byte by byte, so that each of its allocations is refused once. */
static void
memory_limit_may_hit_anywhere(void **state)
{
	scratch *s = *state;
	jinja_request request = {
		.source = text_of("{% set a | upper %}{{ [1, 'x'] | map('string') | join('-') }}"
						  "{% endset %}{{ a }}{% macro m(x) %}{{ x | tojson }}"
						  "{% endmacro %}{{ m({'k': a.split('-')}) }}{{ 2 ** 70 }}")};
	tfm_text rendered;

	for (size_t limit = 16;; limit += 16)
	{
		bool good;

		request.limits.memory = limit;
		good = jinja_render(&s->context, &request, &rendered);
		if (good)
			break;
		assert_true(s->context.error.kind == TFM_LIMIT_EXCEEDED);
		tfm_clear_error(&s->context);
		assert_true(limit < 1 << 20);
	}
	assert_string_equal(rendered.data, "1-X{\"k\": [\"1\", \"X\"]}1180591620717411303424");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(cases_are_jinja2s),
		scratch_test(chats_are_transformers),
		scratch_test(values_must_be_json),
		scratch_test(overrides_and_names),
		scratch_test(what_is_not_repeatable_is_refused),
		scratch_test(limits_hold),
		scratch_test(limits_can_be_set),
		scratch_test(nesting_is_bounded),
		scratch_test(interrupts_are_heeded),
		scratch_test(every_allocation_may_fail),
		scratch_test(memory_may_end_anywhere),
		scratch_test(memory_limit_may_hit_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
