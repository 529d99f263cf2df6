/*
 * constraint.c
 *	  Constrained output: what grammars, regular expressions, choices and schemas accept, which
 *	  tokens they allow, and that whatever is made of allowed tokens is valid.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/constraint.h"

#include <math.h>

#include "base/utf8.h"
#include "generate/schema.h"
#include "generate/vocabulary.h"
#include "oom.h"
#include "scratch.h"
#include "tokenizers.h"

/* Tokens beside those of one byte each, which come before them. */
static const char *const words[] = {
	"\"",		"\": ",
	"\", \"",	"{\"",
	"\"}",		"},{",
	"[]",		"true",
	"false",	"null",
	" the",		"the",
	"name",		"name\": ",
	"-1",		"00",
	"123",		"1.5",
	"\n  ",		"\n\t\t",
	"e+5",		"\\n",
	"\\u00",	"\\\"",
	"\xC3\xA9", "\xC3\xA9t\xC3\xA9",
	"\xE2\x82", "\xF0\x9F\x98\x80",
	"abc",		"aaaaaaaa",
	"ab\"",		"yes",
	"yes, no",	"2024-",
	"-01-",		"]}",
	"a\nb",		"x\xE2\x82\xAC\"",
	"        ",
};

#define WORDS (sizeof(words) / sizeof(words[0]))
#define END (256 + WORDS)
#define SIZE (END + 1)

static gen_vocabulary *
make_vocabulary(tfm_context *context)
{
	static char bytes[256];
	static tfm_text tokens[SIZE];

	for (int i = 0; i < 256; i++)
	{
		bytes[i] = (char) i;
		tokens[i] = (tfm_text) {&bytes[i], 1};
	}
	for (size_t i = 0; i < WORDS; i++)
		tokens[256 + i] = text_of(words[i]);
	tokens[END] = text_of("");
	return gen_vocabulary_of_tokens(context, tokens, SIZE);
}

static gen_constraint *
constrain(tfm_context *context, char kind, const char *source)
{
	json schema;
	tfm_text choices[8];
	size_t count = 0;

	if (kind == 'g')
		return gen_constrain_grammar(context, text_of(source));
	if (kind == 'r')
		return gen_constrain_regex(context, text_of(source));
	if (kind == 's')
	{
		schema = json_parse(context, source, strlen(source), "schema");
		return tfm_failed(context) ? NULL : gen_constrain_schema(context, schema);
	}
	for (const char *at = source;; at = strchr(at, '|') + 1)
	{
		choices[count++] = (tfm_text) {at, strcspn(at, "|")};
		if (strchr(at, '|') == NULL)
			return gen_constrain_choices(context, choices, count);
	}
}

/* Whether the constraint accepts the whole text. */
static bool
is_accepted(scratch *s, const gen_constraint *constraint, const gen_vocabulary *vocabulary,
			const char *text)
{
	gen_matcher *matcher = gen_matcher_create(&s->context, constraint, vocabulary);
	bool good;

	assert_good(&s->context);
	good = gen_matcher_accept_bytes(&s->context, matcher, text, strlen(text)) &&
		   gen_matcher_may_end(matcher);
	if (tfm_failed(&s->context))
		assert_int_equal(s->context.error.kind, TFM_INVALID_ARGUMENT);
	tfm_clear_error(&s->context);
	return good;
}

/* A constraint, texts that it accepts and texts that it does not, each list ended by NULL. */
typedef struct example
{
	char kind;
	const char *source;
	const char *accepted[10];
	const char *rejected[16];
} example;

static const example grammars[] = {
	{'g', "root ::= \"yes\" | \"no\"", {"yes", "no"}, {"", "y", "yesno", "Yes"}},
	{'g',
	 "# c\nroot ::= a+ (\",\" a)* # d\n\na ::= [a-c] |\n  [^a-z\\n\\]]{2}\n",
	 {"a", "abc", "a,b", "XY,Z ", "\xC3\xA9\xE2\x82\xAC"},
	 {"", "d", "a,", "X", "XY]", "\xC3\xA9", "X\n"}},
	{'g',
	 "root ::= \"\\x41\\u00e9\\U0001F600\\\"\\\\\\n\" .",
	 {"A\xC3\xA9\xF0\x9F\x98\x80\"\\\nx"},
	 {"A"}},
	{'g',
	 "root ::= \"a\"{2} \"b\"{1,2} \"c\"{,1} \"d\"{1,}",
	 {"aabd", "aabbcddd"},
	 {"abd", "aabbbd", "aab"}},
	{'g', "root ::= (\"a\" | \"b\"? \"c\")? \"d\"", {"d", "ad", "bcd", "cd"}, {"bd", "acd"}},
	{'g', "root ::= \"(\" root \")\" | \"x\"", {"x", "((x))"}, {"(x", "x)", "()"}},
	{'g', "root ::= item\nroot-2 ::= \"z\"\nitem ::= \"x\" item | root-2", {"xxz", "z"}, {"x", ""}},
	{'g', "root ::= (\"a\"*)* \"b\"", {"b", "aaab"}, {"a", "ba"}},
	{'g',
	 "root ::= [\\x00-\\x7f] [\xC3\xA0-\xC3\xBF] [\xE2\x82\xAC]",
	 {"a\xC3\xA9\xE2\x82\xAC"},
	 {"a\xC3\x9F\xE2\x82\xAC"}},
};

static const example regexes[] = {
	{'r', "^a(b|c)*d?$", {"a", "abcbc", "acd"}, {"", "ad d", "b", "add"}},
	{'r',
	 "\\d{3}-\\w+?\\s",
	 {"123-a_9 "},
	 {"12-a ", "123- ", "123-\xC3\xA9 ", "\xD9\xA1\xD9\xA2\xD9\xA3-a "}},
	{'r', "[^\\d\\s]+|\\D", {"ab\xC3\xA9", " "}, {"1", "a 1"}},
	{'r', "(?:x{2,3}|y{2,}|z{0,1})+", {"xx", "xxyyy", "z", ""}, {"x", "y"}},
	{'r', "(?P<n>[[a-c\\]-]+).\\.\\x41\\u00e9", {"a]-[x.A\xC3\xA9"}, {"d..A\xC3\xA9", "ax.A"}},
	{'r', "(?i)straw", {"STRAW", "sTrAw"}, {"straw "}},
	{'r', "a|^b|c$|^(?:d)$", {"a", "b", "c", "d"}, {"ab"}},
};

static const example choices[] = {
	{'c', "yes|no|yes, no|", {"yes", "no", "yes, no", ""}, {"y", "yes,", "yes, no "}},
	{'c', "a|a|ab|abc|b", {"a", "ab", "abc", "b"}, {"", "c", "abcd"}},
};

static const example schemas[] = {
	{'s',
	 "true",
	 {"1", "null", "\"a\"", "[1, {\"a\":[]}]", "{}", "-0.5e+10"},
	 {"", "01", "nul", "[1,]", "{a:1}", "1.", " 1"}},
	{'s',
	 "{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
	 {"\"ab\"", "\"\xF0\x9F\x98\x80\\n\\u00e9\"", "\"\\\"\\\\\""},
	 {"\"a\"", "\"abcd\"", "\"\xC3\"", "\"a\nb\"", "\"\\u0000a\"", "\"\\ud800a\"", "\"\\x41\"",
	  "\"\\u12\""}},
	{'s',
	 "{\"type\":\"integer\",\"minimum\":-12,\"exclusiveMaximum\":105}",
	 {"-12", "-9", "-1", "0", "7", "99", "100", "104"},
	 {"-13", "-20", "-0", "105", "110", "1000", "00", "1.0", "-"}},
	{'s',
	 "{\"type\":\"number\",\"minimum\":0.25,\"maximum\":3}",
	 {"0.25", "0.3", "1", "2.999999", "3", "3.0", "1.50"},
	 {"0", "0.2", "0.24", "3.1", "3.000001", "-1", "4", "1."}},
	{'s',
	 "{\"type\":\"number\",\"exclusiveMinimum\":-2,\"exclusiveMaximum\":-1}",
	 {"-1.5", "-1.999999", "-1.000001"},
	 {"-2", "-1", "-1.0", "0", "-2.5"}},
	{'s',
	 "{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":1,\"maximum\":30}",
	 {"7", "28"},
	 {"0", "8", "35"}},
	{'s',
	 "{\"type\":\"string\",\"pattern\":\"^[a-c\\\"]{2}$\"}",
	 {"\"ab\"", "\"\\\"c\""},
	 {"\"a\"", "\"ad\"", "\"\"a\"", "\"abc\""}},
	{'s',
	 "{\"pattern\":\"^ab\",\"type\":\"string\"}",
	 {"\"ab\"", "\"abxyz\""},
	 {"\"ba\"", "\"a\""}},
	{'s',
	 "{\"type\":\"string\",\"pattern\":\"^a+b*$\",\"minLength\":3,\"maxLength\":4}",
	 {"\"aaa\"", "\"aaab\""},
	 {"\"ab\"", "\"aaaab\""}},
	{'s',
	 "{\"format\":\"date\"}",
	 {"\"2024-01-31\"", "\"1999-02-28\""},
	 {"\"2024-02-30\"", "\"2024-13-01\"", "\"0000-01-01\"", "\"2024-04-31\""}},
	{'s',
	 "{\"enum\":[\"a\\\"\",1,null,{\"b\":[true,0.5]}]}",
	 {"\"a\\\"\"", "1", "null", "{\"b\": [true, 0.5]}"},
	 {"2", "\"a\"", "{}"}},
	{'s', "{\"const\":null}", {"null"}, {"0"}},
	{'s',
	 "{\"type\":\"string\",\"enum\":[1,\"x\",\"longer\"],\"maxLength\":3}",
	 {"\"x\""},
	 {"1", "\"longer\""}},
	{'s', "{\"type\":[\"integer\",\"null\"]}", {"1", "null"}, {"\"a\"", "1.5"}},
	{'s',
	 "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"boolean\"},\"b\":{\"type\":\"null\"},"
	 "\"c\":{\"const\":1}},\"required\":[\"b\"]}",
	 {"{\"b\":null}", "{\"a\": true, \"b\": null}", "{\n  \"b\": null,\n  \"c\": 1\n}",
	  "{\"a\":false,\"b\":null,\"c\":1}"},
	 {"{}", "{\"a\":true}", "{\"b\":null,\"a\":true}", "{\"b\":null,}", "{\"b\":null,\"d\":1}",
	  "{\"b\":null,\"b\":null}", "{,\"b\":null}"}},
	{'s',
	 "{\"properties\":{\"a\":{\"const\":1},\"ab\":{\"const\":2}},\"additionalProperties\":{"
	 "\"const\":3}}",
	 {"{}", "{\"a\":1,\"x\":3}", "{\"aa\":3,\"abc\":3}", "{\"\xC3\xA9\":3}", "{\"ab\":2}"},
	 {"{\"a\":3}", "{\"ab\":3}", "{\"x\":1}", "{\"\\u0061\":3}", "{\"x\":3,\"a\":1}"}},
	{'s',
	 "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"null\"},\"minProperties\":1,"
	 "\"maxProperties\":2}",
	 {"{\"a\":null}", "{\"\": null, \"b\\n\":null}"},
	 {"{}", "{\"a\":null,\"b\":null,\"c\":null}", "{\"a\":1}"}},
	{'s',
	 "{\"properties\":{\"a\":{},\"b\":{},\"c\":{}},\"minProperties\":2,\"type\":\"object\"}",
	 {"{\"a\":1,\"c\":1}", "{\"a\":1,\"b\":1,\"c\":1}"},
	 {"{}", "{\"b\":1}"}},
	{'s',
	 "{\"patternProperties\":{\"^s_\":{\"type\":\"null\"},\"^i_\":{\"const\":1}},"
	 "\"additionalProperties\":false}",
	 {"{}", "{\"s_a\": null,\"i_\":1}"},
	 {"{\"s_a\":1}", "{\"x\":1}"}},
	{'s',
	 "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1,\"maxItems\":3}",
	 {"[1]", "[1, 2,3]", "[\n 1\n]"},
	 {"[]", "[1,2,3,4]", "[1 2]", "[null]"}},
	{'s',
	 "{\"prefixItems\":[{\"const\":1},{\"const\":2}],\"items\":{\"const\":3},\"minItems\":1}",
	 {"[1]", "[1,2]", "[1,2,3,3]"},
	 {"[]", "[2]", "[1,3]"}},
	{'s',
	 "{\"type\":\"array\",\"items\":{\"enum\":[1,2,3]},\"uniqueItems\":true,\"minItems\":2}",
	 {"[1,2]", "[1,3]", "[1,2,3]"},
	 {"[1]", "[1,1]", "[]"}},
	{'s',
	 "{\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"n\":{\"$ref\":\"#/$defs/"
	 "n\"}}}},\"$ref\":\"#/$defs/n\"}",
	 {"{}", "{\"n\":{\"n\":{}}}"},
	 {"{\"n\":1}", "{\"n\":{}"}},
	{'s',
	 "{\"allOf\":[{\"properties\":{\"a\":{\"minimum\":3,\"type\":\"integer\"}},\"required\":[\"a\"]"
	 "},{\"properties\":{\"a\":{\"maximum\":4}}}]}",
	 {"{\"a\":3}", "{\"a\":4}"},
	 {"{\"a\":2}", "{\"a\":5}", "{}"}},
	{'s',
	 "{\"type\":\"object\",\"anyOf\":[{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},{"
	 "\"properties\":{\"b\":{\"const\":2}},\"required\":[\"b\"]}]}",
	 {"{\"a\":1}", "{\"b\":2}"},
	 {"{}", "{\"a\":2}"}},
	{'s',
	 "{\"oneOf\":[{\"type\":\"null\"},{\"type\":\"integer\",\"minimum\":5,\"maximum\":6}]}",
	 {"null", "5"},
	 {"4"}},
	{'s', "{\"type\":[\"string\",\"boolean\"],\"not\":{\"type\":\"string\"}}", {"true"}, {"\"a\""}},
	{'s',
	 "{\"properties\":{\"k\":{\"enum\":[1,2]},\"v\":{}},\"required\":[\"k\",\"v\"],\"if\":{"
	 "\"properties\":{\"k\":{\"const\":1}}},\"then\":{\"properties\":{\"v\":{\"const\":\"x\"}}},"
	 "\"else\":{\"properties\":{\"v\":{\"type\":\"null\"}}}}",
	 {"{\"k\":1,\"v\":\"x\"}", "{\"k\":2,\"v\":null}"},
	 {"{\"k\":1,\"v\":null}", "{\"k\":2,\"v\":\"x\"}"}},
};

static void
try_examples(scratch *s, const example *examples, size_t count)
{
	gen_vocabulary *vocabulary = make_vocabulary(&s->context);

	for (size_t i = 0; i < count; i++)
	{
		const example *e = &examples[i];
		gen_constraint *constraint = constrain(&s->context, e->kind, e->source);

		if (constraint == NULL)
			fail_msg("%s: %s", e->source, s->context.error.message);
		for (const char *const *text = e->accepted; *text != NULL; text++)
			if (!is_accepted(s, constraint, vocabulary, *text))
				fail_msg("%s does not accept %s", e->source, *text);
		for (const char *const *text = e->rejected; *text != NULL; text++)
			if (is_accepted(s, constraint, vocabulary, *text))
				fail_msg("%s accepts %s", e->source, *text);
	}
}

#define EXAMPLES(examples) (examples), sizeof(examples) / sizeof((examples)[0])

static void
grammars_accept_what_they_say(void **state)
{
	try_examples(*state, EXAMPLES(grammars));
}

static void
regexes_accept_what_they_say(void **state)
{
	try_examples(*state, EXAMPLES(regexes));
}

static void
choices_are_themselves(void **state)
{
	try_examples(*state, EXAMPLES(choices));
}

static void
schemas_accept_what_is_valid(void **state)
{
	try_examples(*state, EXAMPLES(schemas));
}

/* ---- Errors ---- */

static void
wrong_ones_are_refused(void **state)
{
	static const struct
	{
		char kind;
		const char *source;
		tfm_error_kind error;
		const char *says;
	} cases[] = {
		{'g', "root ::= root \"a\" | \"b\"", TFM_INVALID_ARGUMENT,
		 "\"root\" may begin with itself"},
		{'g', "root ::= a\na ::= \"x\"? b\nb ::= a \"y\" | \"z\"", TFM_INVALID_ARGUMENT,
		 "may begin with itself"},
		{'g', "root ::= a", TFM_INVALID_ARGUMENT, "rule \"a\" is not defined"},
		{'g', "a ::= \"b\"", TFM_INVALID_ARGUMENT, "no rule \"root\""},
		{'g', "root ::= \"b\n", TFM_INVALID_ARGUMENT, "ends in the middle"},
		{'g', "root ::= \"b\"\nroot ::= \"c\"", TFM_INVALID_ARGUMENT, "defined twice in line 2"},
		{'g', "root ::= [b-a]", TFM_INVALID_ARGUMENT, "range is empty"},
		{'g', "root ::= (\"a\"", TFM_INVALID_ARGUMENT, "has no end"},
		{'g', "root ::= \"a\"{3,2}", TFM_INVALID_ARGUMENT, "swapped"},
		{'g', "root ::= \"a\"{99999999}", TFM_LIMIT_EXCEEDED, "more than"},
		{'g', "root ::= \"a\" root", TFM_INVALID_ARGUMENT, "no text matches"},
		{'g', "root = \"a\"", TFM_INVALID_ARGUMENT, "\"::=\" is expected"},
		{'r', "a(", TFM_INVALID_ARGUMENT, "without an end"},
		{'r', "(a)\\1", TFM_UNSUPPORTED, "back reference"},
		{'r', "a(?=b)", TFM_UNSUPPORTED, "look around"},
		{'r', "a\\bb", TFM_UNSUPPORTED, "word bound"},
		{'r', "a^b", TFM_UNSUPPORTED, "anchor"},
		{'r', "[^\\x{0}-\\x{10FFFF}]", TFM_INVALID_ARGUMENT, "no text matches"},
		{'s', "3", TFM_INVALID_ARGUMENT, "neither an object"},
		{'s', "false", TFM_INVALID_ARGUMENT, "no text matches"},
		{'s', "{\"type\":\"strin\"}", TFM_INVALID_ARGUMENT, "type \"strin\" is unknown"},
		{'s', "{\"$ref\":\"#/a\"}", TFM_INVALID_ARGUMENT, "\"#/a\" names nothing"},
		{'s', "{\"$ref\":\"other.json\"}", TFM_UNSUPPORTED, "\"other.json\" is not supported"},
		{'s', "{\"type\":\"array\",\"contains\":{}}", TFM_UNSUPPORTED, "\"contains\""},
		{'s', "{\"type\":\"string\",\"format\":\"zip\"}", TFM_UNSUPPORTED, "\"zip\""},
		{'s', "{\"type\":\"array\",\"items\":{},\"uniqueItems\":true}", TFM_UNSUPPORTED,
		 "\"uniqueItems\""},
		{'s', "{\"oneOf\":[{\"type\":\"string\"},{\"minLength\":1}]}", TFM_UNSUPPORTED,
		 "\"oneOf\""},
		{'s', "{\"type\":\"integer\",\"minimum\":3,\"maximum\":2}", TFM_INVALID_ARGUMENT,
		 "no text matches"},
		{'s', "{\"type\":\"string\",\"pattern\":\"(\"}", TFM_INVALID_ARGUMENT,
		 "regular expression"},
		{'s', "{\"type\":\"string\",\"maxLength\":-1}", TFM_INVALID_ARGUMENT,
		 "\"maxLength\" is no count"},
		{'s', "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}",
		 TFM_INVALID_ARGUMENT, "no text matches"},
	};
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		if (constrain(&s->context, cases[i].kind, cases[i].source) != NULL)
			fail_msg("%s is not refused", cases[i].source);
		assert_failed(&s->context, cases[i].error, cases[i].says);
	}
}

static void
ambiguity_is_limited(void **state)
{
	scratch *s = *state;
	gen_vocabulary *vocabulary = make_vocabulary(&s->context);
	gen_constraint *constraint = constrain(&s->context, 'g', "root ::= (\"a\"?){900000} \"b\"");

	assert_null(gen_matcher_create(&s->context, constraint, vocabulary));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "too ambiguous");
}

/* ---- Masks ---- */

static uint32_t
next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) (*seed >> 33);
}

/* Every token is allowed exactly if its bytes may come. */
static void
check_mask(scratch *s, gen_matcher *matcher, const float *scores)
{
	for (size_t id = 0; id < END; id++)
	{
		char byte = (char) id;
		tfm_text text = id < 256 ? (tfm_text) {&byte, 1} : text_of(words[id - 256]);
		gen_matcher *copy = gen_matcher_copy(&s->context, matcher);
		bool may = gen_matcher_accept_bytes(&s->context, copy, text.data, text.length);

		tfm_clear_error(&s->context);
		if (may != (scores[id] == 1))
			fail_msg("token %zu is %s", id, may ? "masked" : "not masked");
	}
	assert_true((scores[END] == 1) == gen_matcher_may_end(matcher));
}

/* One of the allowed tokens, those that go on with strings less often late in the text. */
static int32_t
pick(const float *scores, int step, uint64_t *seed)
{
	static const char closing[] = "\"}],0";
	int32_t picked = -1;
	uint32_t count = 0;

	for (const char *c = closing; step > 20 && *c != '\0'; c++)
		if (scores[(unsigned char) *c] == 1 && next_random(seed) % 4 != 0)
			return (unsigned char) *c;
	for (int32_t id = 0; id < (int32_t) SIZE; id++)
		if (scores[id] == 1 && next_random(seed) % ++count == 0)
			picked = id;
	return picked;
}

/* A text made of allowed tokens; NULL if it has no end after so many. */
static buffer *
walk(scratch *s, const gen_constraint *constraint, gen_vocabulary *vocabulary, uint64_t *seed,
	 bool checks)
{
	static const int32_t ends[] = {END};
	gen_matcher *matcher = gen_matcher_create(&s->context, constraint, vocabulary);
	buffer *text = buffer_create(&s->context);
	float scores[SIZE];

	for (int step = 0; step < 200; step++)
	{
		int32_t id;

		for (size_t i = 0; i < SIZE; i++)
			scores[i] = 1;
		assert_true(gen_matcher_mask(&s->context, matcher, scores, ends, 1));
		if (checks)
			check_mask(s, matcher, scores);
		id = step > 30 && scores[END] == 1 ? (int32_t) END : pick(scores, step, seed);
		assert_true(id >= 0);
		if (id == (int32_t) END)
			return text;
		assert_true(gen_matcher_accept(&s->context, matcher, id));
		buffer_append(&s->context, text, vocabulary->bytes + vocabulary->starts[id],
					  vocabulary->starts[id + 1] - vocabulary->starts[id]);
	}
	return NULL;
}

static void
masks_are_what_bytes_say(void **state)
{
	scratch *s = *state;
	gen_vocabulary *vocabulary = make_vocabulary(&s->context);
	uint64_t seed = 3;

	for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i += 3)
		walk(s, constrain(&s->context, 's', schemas[i].source), vocabulary, &seed, true);
	for (size_t i = 0; i < sizeof(grammars) / sizeof(grammars[0]); i++)
		walk(s, constrain(&s->context, 'g', grammars[i].source), vocabulary, &seed, true);
	for (size_t i = 0; i < sizeof(regexes) / sizeof(regexes[0]); i++)
		walk(s, constrain(&s->context, 'r', regexes[i].source), vocabulary, &seed, true);
	assert_good(&s->context);
}

/* Of each schema several texts, which are JSON, and valid. */
static void
all_texts_are_valid(void **state)
{
	scratch *s = *state;
	gen_vocabulary *vocabulary = make_vocabulary(&s->context);
	uint64_t seed = 1;
	int finished = 0;

	for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++)
	{
		const char *source = schemas[i].source;
		gen_constraint *constraint = constrain(&s->context, 's', source);
		json schema = json_parse(&s->context, source, strlen(source), "schema");
		schema_compiler compiler = {.context = &s->context, .root = schema};

		for (int turn = 0; turn < 10; turn++)
		{
			buffer *text = walk(s, constraint, vocabulary, &seed, false);
			bool holds;
			json value;

			if (text == NULL)
				continue;
			finished++;
			value = json_parse(&s->context, text->data, text->length, "text");
			assert_good(&s->context);
			assert_true(schema_holds(&compiler, schema, value, 0, &holds));
			if (!holds)
				fail_msg("%s gives %s", source, buffer_text(&s->context, text));
		}
	}
	assert_true(finished > 200);
}

/* The text must end where nothing may come any more; ends are masked before. */
static void
ends_come_at_the_end(void **state)
{
	static const int32_t ends[] = {END, -5, 'y'};
	scratch *s = *state;
	gen_vocabulary *vocabulary = make_vocabulary(&s->context);
	gen_matcher *matcher =
		gen_matcher_create(&s->context, constrain(&s->context, 'c', "yes|yes, no"), vocabulary);
	float scores[SIZE] = {0};

	assert_true(gen_matcher_mask(&s->context, matcher, scores, ends, 1));
	assert_true(scores[END] == -INFINITY && scores['y'] == 0 && scores['n'] == -INFINITY);
	assert_true(gen_matcher_mask(&s->context, matcher, scores, ends, 3));
	assert_true(scores['y'] == -INFINITY);
	assert_false(gen_matcher_may_end(matcher) || gen_matcher_must_end(matcher));
	assert_false(gen_matcher_accept(&s->context, matcher, END));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "adds nothing");
	assert_false(gen_matcher_accept(&s->context, matcher, 'n'));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "does not match");
	for (const char *c = "yes"; *c != '\0'; c++)
		assert_true(gen_matcher_accept(&s->context, matcher, *c));
	assert_true(gen_matcher_may_end(matcher) && !gen_matcher_must_end(matcher));
	for (const char *c = ", no"; *c != '\0'; c++)
		assert_true(gen_matcher_accept(&s->context, matcher, *c));
	assert_true(gen_matcher_may_end(matcher) && gen_matcher_must_end(matcher));
	scores[END] = 7;
	assert_true(gen_matcher_mask(&s->context, matcher, scores, ends, 1));
	assert_true(scores[END] == 7 && scores['y'] == -INFINITY);
}

/* However few tokens there are, if they are enough for one text, the text comes to its end. */
static void
texts_end_in_time(void **state)
{
	static const int32_t ends[] = {END};
	scratch *s = *state;
	gen_vocabulary *vocabulary = make_vocabulary(&s->context);
	gen_constraint *constraint = constrain(&s->context, 's',
										   "{\"properties\":{\"ab\":{\"type\":\"string\","
										   "\"minLength\":3},\"c\":{\"type\":\"array\",\"items\":"
										   "{}},\"d\":{}},\"required\":[\"ab\",\"c\"]}");
	uint64_t seed = 5;

	/* {"ab":"xxx","c":[]} has 19 bytes. */
	for (int left = 19; left < 60; left++)
	{
		gen_matcher *matcher = gen_matcher_create(&s->context, constraint, vocabulary);

		for (int step = 0; step < left && !gen_matcher_must_end(matcher); step++)
		{
			float scores[SIZE] = {0};
			int32_t id;

			for (size_t i = 0; i < SIZE; i++)
				scores[i] = 1;
			gen_matcher_limit(matcher, left - step);
			assert_true(gen_matcher_mask(&s->context, matcher, scores, ends, 1));
			id = pick(scores, 0, &seed);
			assert_true(id >= 0 && id != (int32_t) END);
			assert_true(gen_matcher_accept(&s->context, matcher, id));
		}
		assert_true(gen_matcher_may_end(matcher));
	}
}

static void
vocabulary_may_lack_bytes(void **state)
{
	scratch *s = *state;
	tfm_text tokens[] = {text_of("a"), text_of("b")};
	gen_vocabulary *vocabulary = gen_vocabulary_of_tokens(&s->context, tokens, 2);
	gen_matcher *matcher =
		gen_matcher_create(&s->context, constrain(&s->context, 'r', "ac"), vocabulary);
	float scores[2] = {0, 0};

	assert_true(gen_matcher_mask(&s->context, matcher, scores, NULL, 0));
	assert_true(scores[0] == 0 && scores[1] == -INFINITY);
	assert_true(gen_matcher_accept(&s->context, matcher, 0));
	assert_false(gen_matcher_mask(&s->context, matcher, scores, NULL, 0));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "no token of the vocabulary");
}

/* More states than are kept: matchers stay where they are. */
static void
what_is_forgotten_is_found_again(void **state)
{
	scratch *s = *state;
	gen_vocabulary *vocabulary = make_vocabulary(&s->context);
	gen_constraint *constraint =
		constrain(&s->context, 'g', "root ::= \"(\" \"a\"{0,40000} (\"b\" | \"c\" root)? \")\"");
	gen_matcher *early = gen_matcher_create(&s->context, constraint, vocabulary), *late;
	float scores[SIZE] = {0};

	assert_true(gen_matcher_accept_bytes(&s->context, early, "(aac(", 5));
	late = gen_matcher_copy(&s->context, early);
	assert_true(gen_matcher_mask(&s->context, early, scores, NULL, 0));
	for (int i = 0; i < 40000; i++)
		assert_true(gen_matcher_accept_bytes(&s->context, late, "a", 1));
	assert_false(gen_matcher_accept_bytes(&s->context, late, "a", 1));
	tfm_clear_error(&s->context);
	assert_true(gen_matcher_accept_bytes(&s->context, late, "b))", 3));
	assert_true(gen_matcher_must_end(late));
	assert_true(gen_matcher_accept_bytes(&s->context, early, "aab))", 5));
	assert_true(gen_matcher_must_end(early));
	assert_true(is_accepted(s, constraint, vocabulary, "(a)"));
}

/* ---- Vocabularies ---- */

/* Tokens of tokenizers add what decoding them in the middle of a text adds. */
static void
tokens_add_their_bytes(void **state)
{
	static const struct
	{
		const char *tokenizer;
		const char *bytes[6];
	} cases[] = {
		{"{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"a\",\"continuing_subword_prefix\":\"##"
		 "\","
		 "\"max_input_chars_per_word\":9,\"vocab\":{\"a\":0,\"##b\":1,\"[X]\":2}},\"added_tokens\":"
		 "[{\"id\":2,"
		 "\"content\":\"[X]\",\"special\":true,\"single_word\":false,\"lstrip\":false,\"rstrip\":"
		 "false,"
		 "\"normalized\":false}],\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":"
		 "false}}",
		 {" a", "b", ""}},
		{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\xC3\x83\":0,\"\xC4\xA0x\":1,\"\xE2\x82\xAC\":"
		 "2},\"merges\":[]},"
		 "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"
		 "\"use_regex\":true}}",
		 {"\xC3", " x", "\xE2\x82\xAC"}},
		{"{\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":{\"\xE2\x96\x81"
		 "a\":0,\"<0xE2>\":1,\"b\":2},"
		 "\"merges\":[]},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\","
		 "\"pattern\":"
		 "{\"String\":\"\xE2\x96\x81\"},\"content\":\" "
		 "\"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"
		 "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}}",
		 {" a", "\xE2", "b"}},
		{"{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"a\",\"vocab\":{\"a\":0,\"b\":1,\"c\":"
		 "2}}}",
		 {" a", " b", " c"}},
	};
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const tok_tokenizer *tokenizer = open_text(&s->context, text_of(cases[i].tokenizer));
		gen_vocabulary *v;

		assert_good(&s->context);
		v = gen_vocabulary_create(&s->context, tokenizer, 5);
		assert_good(&s->context);
		for (int id = 0; id < 5; id++)
		{
			const char *bytes = id < 3 ? cases[i].bytes[id] : "";

			assert_int_equal(v->starts[id + 1] - v->starts[id], strlen(bytes));
			assert_memory_equal(v->bytes + v->starts[id], bytes, strlen(bytes));
		}
	}
}

static bool
use_all(tfm_context *context, void *argument)
{
	const char *source = argument;
	gen_constraint *constraint = constrain(context, source[0], source + 1);
	gen_vocabulary *vocabulary = make_vocabulary(context);
	gen_matcher *matcher;
	float scores[SIZE] = {0};

	if (constraint == NULL || vocabulary == NULL)
		return false;
	matcher = gen_matcher_create(context, constraint, vocabulary);
	return matcher != NULL && gen_matcher_mask(context, matcher, scores, NULL, 0) &&
		   gen_matcher_accept_bytes(context, matcher, "{\"a", 3) &&
		   gen_matcher_mask(context, matcher, scores, NULL, 0);
}

static void
lack_of_memory_is_an_error(void **state)
{
	static const char *const sources[] = {
		"s{\"properties\":{\"ab\":{\"anyOf\":[{\"pattern\":\"^a\"},{\"minimum\":2}]}},\"required\":"
		"[\"ab\"]}",
		"groot ::= \"{\" (\"\\\"\" [a-z]+ | \"b\"){1,5} \"}\"",
	};

	(void) state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(oom_run_all(use_all, (void *) (uintptr_t) sources[i]), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(grammars_accept_what_they_say), scratch_test(regexes_accept_what_they_say),
		scratch_test(choices_are_themselves),		 scratch_test(schemas_accept_what_is_valid),
		scratch_test(wrong_ones_are_refused),		 scratch_test(ambiguity_is_limited),
		scratch_test(masks_are_what_bytes_say),		 scratch_test(all_texts_are_valid),
		scratch_test(ends_come_at_the_end),			 scratch_test(texts_end_in_time),
		scratch_test(vocabulary_may_lack_bytes),	 scratch_test(what_is_forgotten_is_found_again),
		scratch_test(tokens_add_their_bytes),		 scratch_test(lack_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
