/*
 * truncate.c
 *	  Which tokens of a text or a pair are kept, and which go to overflowing pieces.
 *
 * Follows truncate_encodings and Encoding::truncate.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/pipeline.h"

/* How many tokens of two texts are kept by TOK_LONGEST_FIRST. */
static void
share_length(size_t budget, const size_t counts[2], size_t keep[2])
{
	bool swap = counts[0] > counts[1];
	size_t shorter = swap ? counts[1] : counts[0];
	size_t longer;

	if (shorter > budget)
		longer = shorter;
	else
		longer = budget - shorter > shorter ? budget - shorter : shorter;
	if (shorter + longer > budget)
	{
		shorter = budget / 2;
		longer = shorter + budget % 2;
	}
	keep[0] = swap ? longer : shorter;
	keep[1] = swap ? shorter : longer;
}

/* The parts, of at most keep tokens, that count tokens are cut into. */
static bool
cut(tfm_context *context, const tok_encode_options *options, size_t count, size_t keep,
	tok_parts *parts)
{
	size_t stride = (size_t) options->stride;
	size_t step, most, start = 0, stop;

	if (keep >= count)
		keep = count;
	else if (keep > 0 && stride >= keep)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"the stride of %d must be less than the %zu tokens that are kept",
						options->stride, keep);
	step = keep == count || keep == 0 ? 1 : keep - stride;
	most = keep == count ? 1 : keep == 0 ? 2 : count / step + 1;
	if ((options->want & TOK_WANT_OVERFLOWING) == 0)
		most = 1;
	parts->items = tfm_alloc_array(context, most, sizeof(tok_part));
	if (parts->items == NULL)
		return false;
	parts->count = 0;
	if (keep == 0 && count > 0)
	{
		parts->items[parts->count++] = (tok_part) {0, 0};
		if (most > 1)
			parts->items[parts->count++] = (tok_part) {0, count};
		return true;
	}
	for (size_t i = 0; parts->count < most; i += step)
	{
		if (options->direction == TOK_TRUNCATE_LEFT)
		{
			stop = count - i;
			start = stop > keep ? stop - keep : 0;
		}
		else
		{
			start = i;
			stop = count - start > keep ? start + keep : count;
		}
		parts->items[parts->count++] = (tok_part) {start, stop};
		if (options->direction == TOK_TRUNCATE_LEFT ? start == 0 : stop == count)
			break;
	}
	return true;
}

/* How many tokens of each text to keep when there are more than the budget. */
static bool
choose_lengths(tfm_context *context, tok_truncation truncation, size_t budget,
			   const size_t counts[2], bool pair, size_t keep[2])
{
	size_t excess = counts[0] + counts[1] - budget;
	int target = truncation == TOK_ONLY_SECOND;

	if (budget == 0)
	{
		keep[0] = keep[1] = 0;
		return true;
	}
	if (truncation == TOK_LONGEST_FIRST)
	{
		if (pair)
			share_length(budget, counts, keep);
		else
			keep[0] = budget;
		return true;
	}
	if (target == 1 && !pair)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "there is no second text to truncate");
	if (counts[target] <= excess)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"the %s text is too short to be truncated to a total of %zu tokens",
						target == 0 ? "first" : "second", budget);
	keep[target] = counts[target] - excess;
	return true;
}

static size_t
subtract(size_t count, size_t removed)
{
	return removed < count ? count - removed : 0;
}

/* As truncate_sequences of tokenization_python.py, which takes more than there is without a word. */
static void
choose_python_lengths(const tok_encode_options *options, size_t total, const size_t counts[2],
					  bool pair, size_t keep[2])
{
	size_t excess = subtract(total, (size_t) options->max_length);
	size_t difference = counts[0] > counts[1] ? counts[0] - counts[1] : counts[1] - counts[0];
	size_t first = difference < excess ? difference : excess;

	if (options->truncation == TOK_ONLY_FIRST ||
		(options->truncation == TOK_LONGEST_FIRST && !pair))
		keep[0] = subtract(counts[0], excess);
	else if (options->truncation == TOK_ONLY_SECOND)
		keep[1] = subtract(counts[1], excess);
	else
	{
		size_t second = excess - first, half = second / 2;

		keep[0] = subtract(counts[0], counts[0] > counts[1] ? first + half : half);
		keep[1] =
			subtract(counts[1], counts[0] > counts[1] ? second - half : first + second - half);
	}
}

bool
tok_truncate(tfm_context *context, const tok_encode_options *options, int32_t added,
			 const size_t counts[2], bool pair, bool python, tok_parts parts[2])
{
	size_t keep[2] = {counts[0], counts[1]};
	size_t budget;

	if (options->max_length < 0 || options->stride < 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"max_length and stride must not be negative");
	if (python && options->max_length > 0)
		choose_python_lengths(options, counts[0] + counts[1] + (size_t) added, counts, pair, keep);
	/* A max_length that has no room for the special tokens does nothing: the library's overflows. */
	else if (options->max_length > 0 && options->max_length >= added)
	{
		budget = (size_t) (options->max_length - added);
		if (counts[0] + counts[1] > budget &&
			!choose_lengths(context, options->truncation, budget, counts, pair, keep))
			return false;
	}
	return cut(context, options, counts[0], keep[0], &parts[0]) &&
		   cut(context, options, counts[1], keep[1], &parts[1]);
}
