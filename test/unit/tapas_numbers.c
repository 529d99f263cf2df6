/*
 * tapas_numbers.c
 *	  Numbers and dates as TAPAS sees them, against what tokenization_tapas.py gives.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "task/tapas_numbers.h"
#include "text/unicode.h"

static tfm_context context;

/* The values of a text, as "1 2.5 2001-05-" and so on. */
static const char *
describe(const char *text)
{
	static char all[1024];
	tapas_value *values;
	size_t count, used = 0;

	assert_true(tapas_parse(&context, (tfm_text) {text, strlen(text)}, &values, &count));
	all[0] = '\0';
	for (size_t i = 0; i < count; i++)
	{
		const tapas_value *v = &values[i];

		used += (size_t) snprintf(all + used, sizeof(all) - used, "%s", i > 0 ? " " : "");
		if (!v->is_date)
			used += (size_t) snprintf(all + used, sizeof(all) - used, "%g", v->number);
		for (int p = 0; v->is_date && p < TAPAS_DATE_PARTS; p++)
			used +=
				(size_t) snprintf(all + used, sizeof(all) - used, v->parts[p] < 0 ? "%s_" : "%s%d",
								  p > 0 ? "-" : "", v->parts[p]);
	}
	return all;
}

static void
test_numbers(void **state)
{
	(void) state;
	assert_string_equal(describe(""), "");
	assert_string_equal(describe("no number"), "");
	assert_string_equal(describe("12 and 3.5"), "12 3.5");
	assert_string_equal(describe("-5 or +.5, not a-5"), "-5 0.5 5");
	assert_string_equal(describe("1,234,567 1,23"), "1.23457e+06 1 23");
	assert_string_equal(describe("$69.83."), "69.83");
	assert_string_equal(describe("5. of 2nd, 21st 3th"), "5 2 21 3");
	assert_string_equal(describe("Two twelfth zeroth thirteen"), "2 12 0");
	assert_string_equal(describe("1e5 1e999 inf nan 12abc"), "100000 1 999 12");
	assert_string_equal(describe("\xd9\xa3\xd9\xa4"), "34"); /* Arabic digits */
}

static void
test_dates(void **state)
{
	(void) state;
	assert_string_equal(describe("7 February 1967"), "1967-2-7");
	assert_string_equal(describe("february 7, 1967"), "1967-2-7");
	assert_string_equal(describe("feb 7, 1967 x"), "1967-2-7");
	assert_string_equal(describe("1967-02-07"), "1967-2-7");
	assert_string_equal(describe("02-07-1967"), "1967-2-7");
	assert_string_equal(describe("07.02.1967"), "1967-2-7");
	assert_string_equal(describe("in may"), "_-5-_");
	assert_string_equal(describe("may 2010"), "2010-5-_");
	assert_string_equal(describe("Monday, may 5"), "_-5-5");
	assert_string_equal(describe("5 may"), "_-5-5");
	assert_string_equal(describe("1990s"), "1990-_-_");
	assert_string_equal(describe("1990"), "1990 1990-_-_");
	assert_string_equal(describe("2017"), "2017");
	assert_string_equal(describe("29 february 1900"), "29 1900-2-_");
	assert_string_equal(describe("29 february 2000"), "2000-2-29");
	assert_string_equal(describe("31 april"), "31 _-4-_");
	assert_string_equal(describe("\xd9\xa1\xd9\xa2 may"), "12 _-5-_");
}

static void
test_columns(void **state)
{
	tapas_value number = {.number = 3}, other = {.number = 4};
	tapas_value date = {.is_date = true, .parts = {2001, 5, -1}};
	tapas_value year = {.is_date = true, .parts = {2000, -1, -1}};
	const tapas_value both[] = {number, date};
	const tapas_value *rows[] = {both, &other, NULL};
	const size_t counts[] = {2, 1, 0};
	const tapas_value *column[3];
	const tapas_value *mixed[] = {&number, &date}, *numbers[] = {&number, &other};
	const tapas_value *dates[] = {&date, &year};
	int parts;

	(void) state;
	assert_false(tapas_comparable(mixed, 2, &parts));
	assert_true(tapas_comparable(numbers, 2, &parts));
	assert_true(tapas_compare(&number, &other, parts) < 0);
	assert_true(tapas_comparable(dates, 2, &parts));
	assert_int_equal(parts, 1 << TAPAS_YEAR);
	assert_true(tapas_compare(&date, &year, parts) > 0);
	tapas_consolidate(rows, counts, 2, column);
	assert_ptr_equal(column[0], &both[0]);
	assert_ptr_equal(column[1], &other);
	tapas_consolidate(rows, counts, 3, column); /* two of three are too few */
	assert_null(column[0]);
	tapas_consolidate(rows, counts, 1, column); /* of equally many a date */
	assert_ptr_equal(column[0], &both[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_columns),
	};
	int failed;

	context.arena = arena_create(0);
	tok_unicode_load(&context);
	failed = cmocka_run_group_tests_name("tapas_numbers", tests, NULL, NULL);
	arena_destroy(context.arena);
	return failed;
}
