/*
 * tapas_numbers.h
 *	  Numbers and dates in questions and tables, as TAPAS sees them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_TAPAS_NUMBERS_H
#define TFM_TASK_TAPAS_NUMBERS_H

#include "base/context.h"

/* Parts of a date. */
enum
{
	TAPAS_YEAR,
	TAPAS_MONTH,
	TAPAS_DAY,
	TAPAS_DATE_PARTS
};

/* What a text says: a number, or a date some parts of which are not known. */
typedef struct tapas_value
{
	bool is_date;
	double number;
	int parts[TAPAS_DATE_PARTS]; /* -1: not known */
} tapas_value;

/* All values in a text, lower case, in their order; [*count] in the context's arena. */
extern bool tapas_parse(tfm_context *context, tfm_text text, tapas_value **values, size_t *count);

/*
 * What all of count values have: the parts that make dates comparable, as bits 1 << TAPAS_YEAR ...; 0
 * for numbers.  False if they cannot be compared.
 */
extern bool tapas_comparable(const tapas_value *const *values, size_t count, int *parts);

/* Below, equal or above zero, by those parts. */
extern int tapas_compare(const tapas_value *a, const tapas_value *b, int parts);

/*
 * The values of a column: of each of count rows (values[i], of counts[i]) the first that is of the
 * kind which most rows have, NULL for none; all are NULL where fewer than seven of ten rows have it.
 */
extern void tapas_consolidate(const tapas_value *const *values, const size_t *counts, size_t count,
							  const tapas_value **column);

#endif
