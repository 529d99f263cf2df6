/*
 * schema_number.c
 *	  Integers and numbers within bounds, digit by digit.
 *
 * Numbers are looked at in steps: a whole number of 1, or of 10^-6 where they may have a fraction.  Bounds are
 * moved inwards to the next step, so that what is written never lies outside.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/schema.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 15 /* of a number without bounds */
#define LARGEST INT64_C(999999999999999)
#define BOUND_MAX 9e17
#define FRACTION 6 /* digits */
#define FRACTION_STEPS INT64_C(1000000)
#define FRACTION_BOUND 9e11
#define MULTIPLES_MAX 4000

typedef struct limits
{
	double least, most; /* -infinity, infinity: none */
	bool above, below;	/* they themselves are outside */
	double multiple;	/* 0: none */
} limits;

/* ---- Digits ---- */

/* A run of digits: as many as the bounds have, or less where the rest are zeros. */
typedef struct digits
{
	gen_grammar *g;
	const char *least, *most;
	size_t count;
	bool may_stop; /* a fraction: what is left out are zeros */
} digits;

static gen_expression
digit_range(gen_grammar *g, char first, char last, uint32_t minimum, uint32_t maximum)
{
	tok_set set = {0};

	if (!tok_set_add(g->context, &set, (uint32_t) first, (uint32_t) last))
		return 0;
	return gen_characters(g, &set, minimum, maximum, 0);
}

static bool
are_zeros(const char *text)
{
	return strspn(text, "0") == strlen(text);
}

/* The digits from one on; low, high: those before are the bounds' own. */
static gen_expression
go_on(const digits *d, size_t at, bool low, bool high)
{
	gen_grammar *g = d->g;
	uint32_t left = (uint32_t) (d->count - at);
	char first = low ? d->least[at] : '0', last = high ? d->most[at] : '9';
	gen_list list = {0};

	if (!low && !high)
		return digit_range(g, '0', '9', d->may_stop && at > 0 ? 0 : left, left);
	if (left == 0)
		return gen_string(g, "");
	if (d->may_stop && at > 0 && (!low || are_zeros(d->least + at)))
		gen_list_add(g, &list, gen_string(g, ""));
	if (first == last && low && high)
	{
		gen_list_add(g, &list,
					 gen_all_of(g, gen_literal(g, &first, 1), go_on(d, at + 1, true, true)));
		return gen_either(g, list.items, list.count);
	}
	if (low)
		gen_list_add(g, &list,
					 gen_all_of(g, gen_literal(g, &first, 1), go_on(d, at + 1, true, false)));
	if (high)
		gen_list_add(g, &list,
					 gen_all_of(g, gen_literal(g, &last, 1), go_on(d, at + 1, false, true)));
	first = (char) (first + low);
	last = (char) (last - high);
	if (first <= last)
		gen_list_add(
			g, &list,
			gen_all_of(g, digit_range(g, first, last, 1, 1), go_on(d, at + 1, false, false)));
	return gen_either(g, list.items, list.count);
}

/* Whole numbers from least, 0 or more, to most. */
static gen_expression
whole_range(gen_grammar *g, int64_t least, int64_t most)
{
	gen_list list = {0};
	char low[24], high[24];

	for (int64_t first = least, power = 10; first <= most; power *= 10)
	{
		int64_t last = power - 1 < most ? power - 1 : most;
		digits d = {.g = g, .least = low, .most = high};

		if (first <= last)
		{
			snprintf(low, sizeof(low), "%" PRId64, first);
			snprintf(high, sizeof(high), "%" PRId64, last);
			d.count = strlen(low);
			if (!gen_list_add(g, &list, go_on(&d, 0, true, true)))
				return 0;
			first = last + 1;
		}
		if (power > INT64_MAX / 100)
			break;
	}
	return gen_either(g, list.items, list.count);
}

/* Whole numbers with a sign. */
static gen_expression
integer_range(gen_grammar *g, int64_t least, int64_t most)
{
	gen_list list = {0};

	if (most >= 0)
		gen_list_add(g, &list, whole_range(g, least > 0 ? least : 0, most));
	if (least < 0)
		gen_list_add(
			g, &list,
			gen_all_of(g, gen_string(g, "-"), whole_range(g, most < 0 ? -most : 1, -least)));
	return tfm_failed(g->context) ? 0 : gen_either(g, list.items, list.count);
}

/* A whole part with a fraction of so many steps. */
static gen_expression
fraction_range(gen_grammar *g, int64_t whole, int64_t least, int64_t most)
{
	char low[24], high[24], text[24];
	digits d = {.g = g, .least = low, .most = high, .count = FRACTION, .may_stop = true};
	gen_expression fraction;

	snprintf(low, sizeof(low), "%06" PRId64, least);
	snprintf(high, sizeof(high), "%06" PRId64, most);
	snprintf(text, sizeof(text), "%" PRId64, whole);
	fraction = gen_all_of(g, gen_string(g, "."), go_on(&d, 0, true, true));
	if (least == 0)
		fraction = gen_one_of(g, gen_string(g, ""), fraction);
	return gen_all_of(g, gen_string(g, text), fraction);
}

/* Numbers of steps from least, 0 or more, to most. */
static gen_expression
decimal_range(gen_grammar *g, int64_t least, int64_t most)
{
	int64_t first = least / FRACTION_STEPS, last = most / FRACTION_STEPS;
	int64_t first_rest = least % FRACTION_STEPS, last_rest = most % FRACTION_STEPS;
	gen_expression any;
	gen_list list = {0};

	if (first == last)
		return fraction_range(g, first, first_rest, last_rest);
	any = gen_repeat(g, gen_all_of(g, gen_string(g, "."), digit_range(g, '0', '9', 1, FRACTION)), 0,
					 1);
	gen_list_add(g, &list, fraction_range(g, first, first_rest, FRACTION_STEPS - 1));
	gen_list_add(g, &list, fraction_range(g, last, 0, last_rest));
	if (first + 1 <= last - 1)
		gen_list_add(g, &list, gen_all_of(g, whole_range(g, first + 1, last - 1), any));
	return tfm_failed(g->context) ? 0 : gen_either(g, list.items, list.count);
}

/* ---- Bounds ---- */

static bool
read_bound(schema_compiler *s, json schema, const char *keyword, const char *exclusive, int sign,
		   double *bound, bool *outside)
{
	json plain = schema_member(schema, keyword), strict = schema_member(schema, exclusive);
	bool is_strict = json_is_bool(strict) && json_as_bool(strict); /* as draft 4 has it */

	if (json_present(plain) && !json_is_number(plain))
		return schema_fail(s, TFM_INVALID_ARGUMENT, keyword, "is no number") != 0;
	if (json_present(strict) && !json_is_number(strict) && !json_is_bool(strict))
		return schema_fail(s, TFM_INVALID_ARGUMENT, exclusive, "is no number") != 0;
	if (json_is_number(plain) && sign * json_as_number(plain) >= sign * *bound)
	{
		*outside = is_strict || (*outside && json_as_number(plain) == *bound);
		*bound = json_as_number(plain);
	}
	if (json_is_number(strict) && sign * json_as_number(strict) >= sign * *bound)
	{
		*outside = true;
		*bound = json_as_number(strict);
	}
	return true;
}

static bool
read_limits(schema_compiler *s, const schema_set *set, limits *l)
{
	*l = (limits) {.least = -INFINITY, .most = INFINITY};
	for (size_t i = 0; i < set->count; i++)
	{
		json schema = set->items[i].schema, multiple = schema_member(schema, "multipleOf");

		if ((set->items[i].flags & (SCHEMA_NEGATED | SCHEMA_NEGATED_PROPERTY)) != 0)
			continue;
		if (!read_bound(s, schema, "minimum", "exclusiveMinimum", 1, &l->least, &l->above) ||
			!read_bound(s, schema, "maximum", "exclusiveMaximum", -1, &l->most, &l->below))
			return false;
		if (json_present(multiple) &&
			(!json_is_number(multiple) || !(json_as_number(multiple) > 0)))
			return schema_fail(s, TFM_INVALID_ARGUMENT, "multipleOf", "is no number above 0") != 0;
		if (json_present(multiple) && l->multiple != 0 && l->multiple != json_as_number(multiple))
			return schema_fail(s, TFM_UNSUPPORTED, "multipleOf", "is not supported twice") != 0;
		l->multiple = json_present(multiple) ? json_as_number(multiple) : l->multiple;
	}
	return true;
}

static bool
is_inside(const limits *l, double number)
{
	return (l->above ? number > l->least : number >= l->least) &&
		   (l->below ? number < l->most : number <= l->most);
}

/* Bounds in steps, moved inwards; what there is no bound for ends somewhere. */
static bool
count_steps(const limits *l, double steps, double bound, int64_t *least, int64_t *most)
{
	double low = l->least < -bound ? -bound : l->least, high = l->most > bound ? bound : l->most;

	if (low > bound || high < -bound)
		return false;
	*least = (int64_t) ceil(low * steps);
	*most = (int64_t) floor(high * steps);
	/* What is written is read again as the nearest number, which is what counts. */
	while (*least > -INT64_MAX / 4 && is_inside(l, (double) (*least - 1) / steps) &&
		   (double) (*least - 1) / steps >= low)
		--*least;
	while (*least <= *most && !is_inside(l, (double) *least / steps))
		++*least;
	while (*most >= *least && !is_inside(l, (double) *most / steps))
		--*most;
	return *least <= *most;
}

static gen_expression
compile_integers(schema_compiler *s, limits l)
{
	int64_t least, most;

	if (l.least == -INFINITY)
		l.least = l.most < -(double) LARGEST ? l.most * 10 : -(double) LARGEST;
	if (l.most == INFINITY)
		l.most = l.least > (double) LARGEST ? l.least * 10 : (double) LARGEST;
	if (!count_steps(&l, 1, BOUND_MAX, &least, &most))
		return gen_either(s->g, NULL, 0);
	return integer_range(s->g, least, most);
}

/* Any number: digits, a fraction and an exponent are bounded. */
static gen_expression
compile_any_number(schema_compiler *s)
{
	gen_grammar *g = s->g;
	gen_expression sign = gen_repeat(g, gen_string(g, "-"), 0, 1);
	gen_expression signs = gen_one_of(g, gen_string(g, ""), gen_string(g, "+"), gen_string(g, "-"));
	gen_expression e = gen_one_of(g, gen_string(g, "e"), gen_string(g, "E"));

	return gen_all_of(
		g, sign,
		gen_one_of(g, gen_string(g, "0"),
				   gen_all_of(g, digit_range(g, '1', '9', 1, 1),
							  digit_range(g, '0', '9', 0, DIGITS_MAX - 1))),
		gen_repeat(g, gen_all_of(g, gen_string(g, "."), digit_range(g, '0', '9', 1, DIGITS_MAX)), 0,
				   1),
		gen_repeat(g, gen_all_of(g, e, signs, digit_range(g, '0', '9', 1, 2)), 0, 1));
}

static gen_expression
compile_numbers(schema_compiler *s, const limits *l)
{
	gen_grammar *g = s->g;
	gen_list list = {0};
	int64_t least, most;

	if (l->least == -INFINITY && l->most == INFINITY)
		return compile_any_number(s);
	if (l->least > FRACTION_BOUND || l->most < -FRACTION_BOUND)
		return compile_integers(s, *l);
	if (!count_steps(l, FRACTION_STEPS, FRACTION_BOUND, &least, &most))
		return schema_fail(s, TFM_UNSUPPORTED, "minimum",
						   "and \"maximum\" are too close together, which is not supported");
	if (most >= 0)
		gen_list_add(g, &list, decimal_range(g, least > 0 ? least : 0, most));
	if (least < 0)
		gen_list_add(
			g, &list,
			gen_all_of(g, gen_string(g, "-"), decimal_range(g, most < 0 ? -most : 1, -least)));
	return tfm_failed(g->context) ? 0 : gen_either(g, list.items, list.count);
}

/* ---- Multiples ---- */

/* Whether validators find a number to be a multiple. */
static bool
is_multiple(double number, double multiple)
{
	return number == 0 ||
		   (fmod(number, multiple) == 0 && floor(number / multiple) == number / multiple);
}

/* The multiples within the limits, or so many of them around 0. */
static gen_expression
compile_multiples(schema_compiler *s, const limits *l, bool whole)
{
	tfm_text *texts = tfm_alloc_array(s->context, MULTIPLES_MAX + 1, sizeof(tfm_text));
	double first = ceil(l->least / l->multiple), last = floor(l->most / l->multiple);
	size_t count = 0;

	if (texts == NULL)
		return 0;
	if (first < -MULTIPLES_MAX / 2 && last > MULTIPLES_MAX / 2)
		first = -MULTIPLES_MAX / 2;
	else if (first == -INFINITY)
		first = last - MULTIPLES_MAX;
	if (!(fabs(first) < 1e15))
		return schema_fail(s, TFM_UNSUPPORTED, "multipleOf", "is too small beside the bounds");
	for (double k = first; k <= last && k - first < MULTIPLES_MAX; k++)
	{
		char text[64];
		double number;

		snprintf(text, sizeof(text), "%.15g", k * l->multiple);
		number = strtod(text, NULL);
		if (!is_inside(l, number) || !is_multiple(number, l->multiple) ||
			(whole && floor(number) != number) || strchr(text, 'e') != NULL)
			continue;
		texts[count].data = tfm_strdup(s->context, strcmp(text, "-0") == 0 ? "0" : text);
		if (texts[count].data == NULL)
			return 0;
		texts[count].length = strlen(texts[count].data);
		count++;
	}
	return gen_choice(s->g, texts, count);
}

gen_expression
schema_number(schema_compiler *s, const schema_set *set, uint32_t types)
{
	bool whole = (types & SCHEMA_FRACTION) == 0;
	limits l;

	if (!read_limits(s, set, &l))
		return 0;
	if (l.multiple != 0 && !(whole && l.multiple == 1))
		return compile_multiples(s, &l, whole);
	return whole ? compile_integers(s, l) : compile_numbers(s, &l);
}
