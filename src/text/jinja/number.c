/*
 * number.c
 *	  Integers of any size: int64 where they fit, limbs of 32 bits where they do not.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/number.h"

#include <math.h>
#include <string.h>

/* Beyond Python's own limit of 4300 digits for text of integers. */
#define MAX_LIMBS 1024

/* Sign and magnitude of any integer; small ones lie in own. */
typedef struct magnitude
{
	bool negative;
	uint32_t count;
	const uint32_t *limbs;
	uint32_t own[2];
} magnitude;

static void
get_magnitude(jinja_value value, magnitude *m)
{
	uint64_t absolute;

	value = jinja_as_int(value);
	if (value.type == JINJA_BIG)
	{
		m->negative = value.big->negative;
		m->count = value.big->count;
		m->limbs = value.big->limbs;
		return;
	}
	m->negative = value.integer < 0;
	absolute = m->negative ? 0 - (uint64_t) value.integer : (uint64_t) value.integer;
	m->own[0] = (uint32_t) absolute;
	m->own[1] = (uint32_t) (absolute >> 32);
	m->limbs = m->own;
	m->count = m->own[1] != 0 ? 2 : m->own[0] != 0 ? 1 : 0;
}

static jinja_big *
new_big(jinja_state *s, uint32_t count)
{
	jinja_big *big;

	if (count > MAX_LIMBS)
	{
		jinja_fail(s, TFM_LIMIT_EXCEEDED, s->line, "an integer is too big");
		return NULL;
	}
	big = jinja_alloc_zero(s, sizeof(*big) + count * sizeof(uint32_t));
	if (big == NULL || !jinja_step(s, count))
		return NULL;
	big->count = count;
	return big;
}

/* The value of a big integer: an int if it fits. */
static jinja_value
normalize(jinja_big *big)
{
	uint64_t absolute = 0;

	if (big == NULL)
		return jinja_none();
	while (big->count > 0 && big->limbs[big->count - 1] == 0)
		big->count--;
	if (big->count > 2)
		return jinja_object(JINJA_BIG, big);
	for (uint32_t i = big->count; i-- > 0;)
		absolute = absolute << 32 | big->limbs[i];
	if (absolute > (uint64_t) INT64_MAX + big->negative)
		return jinja_object(JINJA_BIG, big);
	return jinja_int((int64_t) (big->negative ? 0 - absolute : absolute));
}

static int
compare_magnitudes(const magnitude *a, const magnitude *b)
{
	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	for (uint32_t i = a->count; i-- > 0;)
		if (a->limbs[i] != b->limbs[i])
			return a->limbs[i] < b->limbs[i] ? -1 : 1;
	return 0;
}

/* |a| + |b|, or |a| - |b| where |a| >= |b|. */
static jinja_big *
combine(jinja_state *s, const magnitude *a, const magnitude *b, bool subtract)
{
	uint32_t count = (a->count > b->count ? a->count : b->count) + 1;
	jinja_big *big = new_big(s, count);
	int64_t carry = 0;

	if (big == NULL)
		return NULL;
	for (uint32_t i = 0; i < count; i++)
	{
		int64_t left = i < a->count ? a->limbs[i] : 0;
		int64_t right = i < b->count ? b->limbs[i] : 0;
		int64_t sum = left + (subtract ? -right : right) + carry;

		big->limbs[i] = (uint32_t) sum;
		carry = sum >> 32;
	}
	return big;
}

jinja_value
jinja_integer_add(jinja_state *s, jinja_value a, jinja_value b, bool subtract)
{
	magnitude left, right;
	jinja_big *big;
	int64_t sum;

	a = jinja_as_int(a);
	b = jinja_as_int(b);
	if (a.type == JINJA_INT && b.type == JINJA_INT &&
		!(subtract ? __builtin_sub_overflow(a.integer, b.integer, &sum)
				   : __builtin_add_overflow(a.integer, b.integer, &sum)))
		return jinja_int(sum);
	get_magnitude(a, &left);
	get_magnitude(b, &right);
	right.negative ^= subtract;
	if (left.negative == right.negative)
		big = combine(s, &left, &right, false);
	else if (compare_magnitudes(&left, &right) >= 0)
		big = combine(s, &left, &right, true);
	else
	{
		big = combine(s, &right, &left, true);
		left.negative = right.negative;
	}
	if (big != NULL)
		big->negative = left.negative;
	return normalize(big);
}

jinja_value
jinja_integer_multiply(jinja_state *s, jinja_value a, jinja_value b)
{
	magnitude left, right;
	jinja_big *big;
	int64_t product;

	a = jinja_as_int(a);
	b = jinja_as_int(b);
	if (a.type == JINJA_INT && b.type == JINJA_INT &&
		!__builtin_mul_overflow(a.integer, b.integer, &product))
		return jinja_int(product);
	get_magnitude(a, &left);
	get_magnitude(b, &right);
	big = new_big(s, left.count + right.count);
	if (big == NULL || !jinja_step(s, (size_t) left.count * right.count / 8))
		return jinja_none();
	big->negative = left.negative != right.negative;
	for (uint32_t i = 0; i < left.count; i++)
	{
		uint64_t carry = 0;

		for (uint32_t j = 0; j < right.count; j++)
		{
			carry += (uint64_t) left.limbs[i] * right.limbs[j] + big->limbs[i + j];
			big->limbs[i + j] = (uint32_t) carry;
			carry >>= 32;
		}
		big->limbs[i + right.count] = (uint32_t) carry;
	}
	return normalize(big);
}

/* Divide limbs in place by a small number; returns the remainder. */
static uint32_t
divide_small(uint32_t *limbs, uint32_t count, uint32_t divisor)
{
	uint64_t remainder = 0;

	for (uint32_t i = count; i-- > 0;)
	{
		remainder = remainder << 32 | limbs[i];
		limbs[i] = (uint32_t) (remainder / divisor);
		remainder %= divisor;
	}
	return (uint32_t) remainder;
}

/* rest -= factor * divisor at a place; adds divisor back while that was too much.  Returns factor. */
static uint32_t
subtract_multiple(uint32_t *rest, const uint32_t *divisor, uint32_t count, uint64_t factor)
{
	int64_t borrow = 0;
	uint64_t carry = 0;

	for (uint32_t i = 0; i <= count; i++)
	{
		carry += i < count ? factor * divisor[i] : 0;
		borrow += (int64_t) rest[i] - (int64_t) (uint32_t) carry;
		rest[i] = (uint32_t) borrow;
		borrow >>= 32;
		carry >>= 32;
	}
	while (borrow < 0)
	{
		carry = 0;
		factor--;
		for (uint32_t i = 0; i <= count; i++)
		{
			carry += (uint64_t) rest[i] + (i < count ? divisor[i] : 0);
			rest[i] = (uint32_t) carry;
			carry >>= 32;
		}
		borrow += (int64_t) carry;
	}
	return (uint32_t) factor;
}

static void
shift_left(uint32_t *to, const uint32_t *from, uint32_t count, int bits)
{
	uint32_t carry = 0;

	for (uint32_t i = 0; i < count; i++)
	{
		to[i] = from[i] << bits | carry;
		carry = bits > 0 ? from[i] >> (32 - bits) : 0;
	}
	to[count] = carry;
}

/* Knuth's algorithm D: quotient of magnitudes; rest has a->count + 1 limbs and becomes the remainder. */
static bool
divide_magnitudes(jinja_state *s, const magnitude *a, const magnitude *b, uint32_t *quotient,
				  uint32_t *rest)
{
	int bits = __builtin_clz(b->limbs[b->count - 1]);
	uint32_t *divisor = jinja_alloc(s, (b->count + 1) * sizeof(uint32_t));
	uint32_t n = b->count;

	if (divisor == NULL || !jinja_step(s, (size_t) a->count * n / 8))
		return false;
	shift_left(divisor, b->limbs, n, bits);
	shift_left(rest, a->limbs, a->count, bits);
	for (uint32_t i = a->count - n + 1; i-- > 0;)
	{
		uint64_t top = (uint64_t) rest[i + n] << 32 | rest[i + n - 1];
		uint64_t guess = top / divisor[n - 1];

		if (guess > UINT32_MAX)
			guess = UINT32_MAX;
		quotient[i] = subtract_multiple(rest + i, divisor, n, guess);
	}
	for (uint32_t i = 0; i < n && bits > 0; i++)
		rest[i] = rest[i] >> bits | rest[i + 1] << (32 - bits);
	return true;
}

static bool
divide_big(jinja_state *s, const magnitude *a, const magnitude *b, jinja_value *quotient,
		   jinja_value *remainder)
{
	jinja_big *q = new_big(s, a->count >= b->count ? a->count - b->count + 1 : 1);
	jinja_big *r = new_big(s, a->count + 1);

	if (q == NULL || r == NULL)
		return false;
	if (compare_magnitudes(a, b) < 0)
		memcpy(r->limbs, a->limbs, a->count * sizeof(uint32_t));
	else if (b->count == 1)
	{
		memcpy(q->limbs, a->limbs, a->count * sizeof(uint32_t));
		r->limbs[0] = divide_small(q->limbs, a->count, b->limbs[0]);
	}
	else if (!divide_magnitudes(s, a, b, q->limbs, r->limbs))
		return false;
	if (r->count > b->count)
		r->count = b->count; /* what is above is no part of the remainder */
	q->negative = a->negative != b->negative;
	r->negative = a->negative;
	*quotient = normalize(q);
	*remainder = normalize(r);
	return true;
}

bool
jinja_integer_divide(jinja_state *s, jinja_value a, jinja_value b, jinja_value *quotient,
					 jinja_value *remainder)
{
	magnitude left, right;

	a = jinja_as_int(a);
	b = jinja_as_int(b);
	if (a.type == JINJA_INT && b.type == JINJA_INT && !(a.integer == INT64_MIN && b.integer == -1))
	{
		*quotient = jinja_int(a.integer / b.integer);
		*remainder = jinja_int(a.integer % b.integer);
	}
	else
	{
		get_magnitude(a, &left);
		get_magnitude(b, &right);
		if (!divide_big(s, &left, &right, quotient, remainder))
			return false;
	}
	/* Python's quotient is the floor, and its remainder has the divisor's sign. */
	if (jinja_integer_sign(*remainder) * jinja_integer_sign(b) < 0)
	{
		*quotient = jinja_integer_add(s, *quotient, jinja_int(1), true);
		*remainder = jinja_integer_add(s, *remainder, b, false);
	}
	return !tfm_failed(s->context);
}

jinja_value
jinja_integer_power(jinja_state *s, jinja_value a, uint64_t exponent)
{
	jinja_value result = jinja_int(1), square = jinja_as_int(a);

	if (square.type == JINJA_INT && square.integer >= -1 && square.integer <= 1)
		return exponent == 0 ? jinja_int(1)
							 : jinja_int(exponent % 2 == 0 ? square.integer * square.integer
														   : square.integer);
	while (exponent > 0 && !tfm_failed(s->context))
	{
		if (exponent & 1)
			result = jinja_integer_multiply(s, result, square);
		exponent >>= 1;
		if (exponent > 0)
			square = jinja_integer_multiply(s, square, square);
	}
	return result;
}

jinja_value
jinja_integer_negate(jinja_state *s, jinja_value a)
{
	return jinja_integer_add(s, jinja_int(0), a, true);
}

int
jinja_integer_sign(jinja_value a)
{
	a = jinja_as_int(a);
	if (a.type == JINJA_BIG)
		return a.big->negative ? -1 : 1;
	return (a.integer > 0) - (a.integer < 0);
}

double
jinja_to_double(jinja_value number)
{
	magnitude m;
	uint64_t top = 0;
	uint32_t i;
	double result;
	bool rest = false;

	number = jinja_as_int(number);
	if (number.type == JINJA_FLOAT)
		return number.number;
	if (number.type == JINJA_INT)
		return (double) number.integer;
	get_magnitude(number, &m);
	/* The highest 64 bits, the last of which stands for all below: then one rounding is right. */
	i = m.count;
	top = (uint64_t) m.limbs[i - 1] << 32 | m.limbs[i - 2];
	if (i > 2)
	{
		int bits = __builtin_clz(m.limbs[i - 1]);

		if (bits > 0)
			top = top << bits | m.limbs[i - 3] >> (32 - bits);
		rest = bits == 0 ? m.limbs[i - 3] != 0 : (m.limbs[i - 3] << bits) != 0;
		for (uint32_t j = 0; j + 3 < i; j++)
			rest = rest || m.limbs[j] != 0;
		result = ldexp((double) (top | rest), (int) (i - 2) * 32 - bits);
	}
	else
		result = (double) top;
	return m.negative ? -result : result;
}

jinja_value
jinja_truncate_float(jinja_state *s, double number)
{
	jinja_big *big;
	uint64_t mantissa;
	int exponent, limb;

	number = trunc(number);
	if (fabs(number) < 9.2e18)
		return jinja_int((int64_t) number);
	mantissa = (uint64_t) ldexp(frexp(fabs(number), &exponent), 53);
	exponent -= 53;
	limb = exponent / 32;
	big = new_big(s, (uint32_t) limb + 3);
	if (big == NULL)
		return jinja_none();
	big->negative = number < 0;
	for (int i = 0; i < 3; i++)
	{
		int shift = exponent % 32 - 32 * i;

		big->limbs[limb + i] = (uint32_t) (shift >= 0	 ? mantissa << shift
										   : shift > -64 ? mantissa >> -shift
														 : 0);
	}
	return normalize(big);
}

static int
compare_integers(jinja_value a, jinja_value b)
{
	magnitude left, right;
	int order;

	get_magnitude(a, &left);
	get_magnitude(b, &right);
	if (left.negative != right.negative)
		return left.negative ? -1 : 1;
	order = compare_magnitudes(&left, &right);
	return left.negative ? -order : order;
}

int
jinja_number_compare(jinja_value a, jinja_value b)
{
	a = jinja_as_int(a);
	b = jinja_as_int(b);
	if (a.type == JINJA_FLOAT || b.type == JINJA_FLOAT)
	{
		/* An int64 is exact in a long double; bigger ones are compared as floats. */
		long double x = a.type == JINJA_INT ? (long double) a.integer : jinja_to_double(a);
		long double y = b.type == JINJA_INT ? (long double) b.integer : jinja_to_double(b);

		return isnan(x) || isnan(y) ? 2 : (x > y) - (x < y);
	}
	if (a.type == JINJA_INT && b.type == JINJA_INT)
		return (a.integer > b.integer) - (a.integer < b.integer);
	return compare_integers(a, b);
}

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return (c | 0x20) - 'a' + 10;
}

jinja_value
jinja_integer_parse(jinja_state *s, const char *digits, size_t length, int base, bool negative)
{
	uint32_t count = (uint32_t) (length / 5 + 2); /* base 36 needs 5.2 bits a digit */
	int64_t small = 0;
	jinja_big *big;

	if (length <= 10)
	{
		for (size_t i = 0; i < length; i++)
			small = small * base + digit_value(digits[i]);
		return jinja_int(negative ? -small : small);
	}
	if (length > MAX_LIMBS * 32)
		count = MAX_LIMBS + 1;
	big = new_big(s, count);
	if (big == NULL || !jinja_step(s, length * count / 8))
		return jinja_none();
	big->negative = negative;
	for (size_t i = 0; i < length; i++)
	{
		uint64_t carry = (uint64_t) digit_value(digits[i]);

		for (uint32_t j = 0; j < count; j++)
		{
			carry += (uint64_t) big->limbs[j] * (uint32_t) base;
			big->limbs[j] = (uint32_t) carry;
			carry >>= 32;
		}
	}
	return normalize(big);
}

bool
jinja_write_integer(jinja_state *s, jinja_output *output, jinja_value integer, int base)
{
	magnitude m;
	uint32_t *limbs;
	size_t place = MAX_LIMBS * 32 + 1;
	char *digits;
	uint32_t count;

	get_magnitude(integer, &m);
	limbs = jinja_alloc(s, (m.count + 1) * sizeof(*limbs));
	place = (size_t) m.count * 32 + 2;
	digits = jinja_alloc(s, place);
	if (limbs == NULL || digits == NULL || !jinja_step(s, (size_t) m.count * m.count))
		return false;
	count = m.count;
	memcpy(limbs, m.limbs, count * sizeof(*limbs));
	do
	{
		/* As many digits at once as a limb of that base has room for. */
		uint32_t unit = base == 10	? 1000000000
						: base == 8 ? 1u << 30
						: base == 2 ? 1u << 31
									: 1u << 28;
		uint32_t rest = divide_small(limbs, count, unit);

		while (count > 0 && limbs[count - 1] == 0)
			count--;
		for (uint32_t left = unit; left > 1 && (count > 0 || rest > 0); left /= (uint32_t) base)
		{
			digits[--place] = "0123456789abcdef"[rest % (uint32_t) base];
			rest /= (uint32_t) base;
		}
	} while (count > 0);
	if (m.count == 0)
		digits[--place] = '0';
	if (m.negative)
		digits[--place] = '-';
	return jinja_write(s, output, digits + place, (size_t) m.count * 32 + 2 - place);
}
