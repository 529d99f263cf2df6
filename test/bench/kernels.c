/*
 * kernels.c
 *	  Speed of the ops on one thread beside the processor's peak, measured in the same run.
 *
 * usage: kernels [json] [<instruction set>]
 *
 * For each instruction set: loops of nothing but the instruction that multiplies and adds, then linear
 * layers and attention of common shapes, in Gop/s and as a part of the peak of the unit that they run
 * on, where there is one.  Each is measured some times, in time of the processor, so that what else
 * the machine does counts little: the peak is the greatest of them, an op's figure the median.  One
 * row times weights that no cache holds is measured in bytes of weights, beside a loop that reads.  With
 * "json" a line for each, for part_kernels.py.  All sets that the machine has, or the one named.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tensor/attend.h"
#include "tensor/kernels.h"
#include "tensor/linear.h"
#include "tensor/norm.h"
#include "tensor/pack.h"

#define RUNS 9
#define LEAST_RUNS 3
#define RUN_SECONDS 0.02
#define MOST_SECONDS 0.5

/* Weights of several layers: more than the caches hold. */
#define STREAM_BYTES ((size_t) 256 << 20)

/* A loop that keeps one unit of the processor busy. */
typedef struct unit
{
	const char *name;
	double flops; /* of one run */
	void (*run)(void);
} unit;

typedef struct bench
{
	tfm_context context;
	bool json;
	const char *dtype;			 /* as printed */
	const char *rate;			 /* what rates are in: "Gop/s", "GB/s" */
	void (*run)(struct bench *); /* once */
	const unit *unit;
	op_linear_options linear;
	op_attend_options attend;
	op_norm_options norm;
	char *memory; /* STREAM_BYTES, or NULL */
	size_t size;  /* of weights that lie there one after the other; 0: they lie elsewhere */
	size_t place; /* of those of the next run */
	double flops; /* of one run, or bytes */
	double peak;  /* of the unit that the op runs on, a second; 0: none is known */
	int runs;
	double rates[RUNS]; /* flops a second of each measurement, in order */
} bench;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static int
compare_rates(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Fill rates: RUNS measurements of about RUN_SECONDS, fewer of what takes longer. */
static void
measure(bench *b)
{
	double begin = now();
	int repeat = 1;

	b->runs = 0;
	while (b->runs < LEAST_RUNS || (b->runs < RUNS && now() - begin < MOST_SECONDS))
	{
		double start = now(), seconds;

		for (int j = 0; j < repeat; j++)
			b->run(b);
		seconds = now() - start;
		if (seconds < RUN_SECONDS / 2 && repeat < 1 << 24)
			repeat *= 2;
		else
			b->rates[b->runs++] = b->flops * repeat / seconds;
	}
	qsort(b->rates, (size_t) b->runs, sizeof(double), compare_rates);
}

static void
report(bench *b, const char *what)
{
	const char *set = isa_name((isa) b->context.isa);
	double median, part;

	measure(b);
	median = b->rates[b->runs / 2];
	part = b->peak > 0 ? median / b->peak : 0;
	if (b->json)
	{
		printf("{\"isa\": \"%s\", \"dtype\": \"%s\", \"what\": \"%s\", \"unit\": \"%s\", ", set,
			   b->dtype, what, b->rate);
		if (part > 0)
			printf("\"peak\": %.1f, \"of_peak\": %.3f, ", b->peak * 1e-9, part);
		for (int i = 0; i < b->runs; i++)
			printf("%s%.2f", i == 0 ? "\"rates\": [" : ", ", b->rates[i] * 1e-9);
		puts("]}");
		return;
	}
	printf("%-11s %-5s %-36s %7.1f %-5s (%.1f-%.1f)", set, b->dtype, what, median * 1e-9, b->rate,
		   b->rates[0] * 1e-9, b->rates[b->runs - 1] * 1e-9);
	if (part > 0)
		printf("  %3.0f %%", part * 100.0);
	puts("");
}

static void *
memory(size_t size)
{
	void *p = aligned_alloc(64, (size + 63) & ~(size_t) 63);

	if (p == NULL)
		exit(1);
	return p;
}

static float *
numbers(int64_t count)
{
	float *x = memory((size_t) count * sizeof(float));

	for (int64_t i = 0; i < count; i++)
		x[i] = (float) (i * 7919 % 2001 - 1000) / 1000.0f;
	return x;
}

/* ---- Peaks ---- */

#ifdef __x86_64__
#include <immintrin.h>

#include "tensor/cpu/vector.h"

#ifdef __clang__
#define OPTIMISE(set) __attribute__((target(set)))
#else
#define OPTIMISE(set) __attribute__((target(set), optimize("O3")))
#endif

#define TURNS 100000

/*
 * Multiply-adds on registers alone; the compiler must not know what is in them.  step(sum, x, y) adds
 * to one of so many sums that no instruction waits for the one before.
 */
#define PEAK_LOOP(type, zero, factor_type, factor, chains, step)                                   \
	type sum[chains];                                                                              \
	factor_type x = (factor_type) factor, y = x;                                                   \
	__asm__ volatile("" : "+v"(x), "+v"(y));                                                       \
	UNROLL for (int j = 0; j < (chains); j++)                                                      \
	{                                                                                              \
		sum[j] = zero;                                                                             \
		__asm__ volatile("" : "+v"(sum[j]));                                                       \
	}                                                                                              \
	for (int i = 0; i < TURNS; i++)                                                                \
	{                                                                                              \
		UNROLL for (int j = 0; j < (chains); j++) sum[j] = step(sum[j], x, y);                     \
	}                                                                                              \
	UNROLL for (int j = 0; j < (chains); j++) __asm__ volatile("" : : "v"(sum[j]))

#define ADD_PRODUCT_AVX2(sum, x, y) _mm256_fmadd_ps(x, y, sum)
#define ADD_PRODUCT_AVX512(sum, x, y) _mm512_fmadd_ps(x, y, sum)

OPTIMISE("avx2,fma") static void peak_avx2(void)
{
	PEAK_LOOP(__m256, _mm256_setzero_ps(), __m256, _mm256_set1_ps(1e-3f), 12, ADD_PRODUCT_AVX2);
}

OPTIMISE("avx512f") static void peak_avx512(void)
{
	PEAK_LOOP(__m512, _mm512_setzero_ps(), __m512, _mm512_set1_ps(1e-3f), 16, ADD_PRODUCT_AVX512);
}

OPTIMISE("avx512f,avx512bw,avx512vnni") static void peak_vnni(void)
{
	PEAK_LOOP(__m512i, _mm512_setzero_si512(), __m512i, _mm512_set1_epi8(1), 16,
			  _mm512_dpbusd_epi32);
}

OPTIMISE("avx512f,avx512bw,avx512bf16") static void peak_bf16(void)
{
	PEAK_LOOP(__m512, _mm512_setzero_ps(), __m512bh, _mm512_set1_epi16(0x3a83), 16,
			  _mm512_dpbf16_ps);
}

/* Read memory and do next to nothing with it. */
OPTIMISE("avx2") static void run_read(bench *b)
{
	const __m256i *from = (const __m256i *) b->memory;
	__m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
					  _mm256_setzero_si256()};

	for (size_t i = 0; i < STREAM_BYTES / sizeof(__m256i); i += 4)
	{
		__builtin_prefetch(from + i + 256, 0, 2);
		__builtin_prefetch(from + i + 258, 0, 2);
		UNROLL for (size_t j = 0; j < 4; j++) sum[j] =
			_mm256_xor_si256(sum[j], _mm256_load_si256(from + i + j));
	}
	UNROLL for (int j = 0; j < 4; j++) __asm__ volatile("" : : "v"(sum[j]));
}

static const unit unit_avx2 = {"fma, 256 bits", TURNS * 12.0 * 8 * 2, peak_avx2};
static const unit unit_avx512 = {"fma, 512 bits", TURNS * 16.0 * 16 * 2, peak_avx512};
static const unit unit_vnni = {"vpdpbusd", TURNS * 16.0 * 64 * 2, peak_vnni};
static const unit unit_bf16 = {"vdpbf16ps", TURNS * 16.0 * 32 * 2, peak_bf16};

/* What products of an arithmetic run on; NULL where it is no single instruction. */
static const unit *
find_unit(int set, tfm_compute compute)
{
	if (compute == COMPUTE_INT8)
		return set >= ISA_AVX512_VNNI ? &unit_vnni : NULL;
	if (compute == COMPUTE_BF16 && set >= ISA_AVX512_BF16)
		return &unit_bf16;
	return set >= ISA_AVX512 ? &unit_avx512 : set == ISA_AVX2 ? &unit_avx2 : NULL;
}
#else
static const unit *
find_unit(int set, tfm_compute compute)
{
	(void) set;
	(void) compute;
	return NULL;
}

static void
run_read(bench *b)
{
	const uint64_t *words = (const uint64_t *) b->memory;
	uint64_t sum = 0;

	for (size_t i = 0; i < STREAM_BYTES / sizeof(uint64_t); i++)
		sum ^= words[i];
	__asm__ volatile("" : : "r"(sum));
}
#endif

static void
run_unit(bench *b)
{
	b->unit->run();
}

/* Measure and print the peak of what comes next. */
static void
measure_peak(bench *b, tfm_compute compute)
{
	char what[64];

	b->peak = 0;
	b->unit = find_unit(b->context.isa, compute);
	if (b->unit == NULL)
		return;
	b->run = run_unit;
	b->flops = b->unit->flops;
	snprintf(what, sizeof(what), "peak: %s", b->unit->name);
	report(b, what);
	b->peak = b->rates[b->runs - 1];
}

/* ---- Ops ---- */

static void
run_linear(bench *b)
{
	op_linear(&b->context, &b->linear);
}

/* With the next of the weights in memory. */
static void
run_stream(bench *b)
{
	b->linear.parts[0].panels = b->memory + b->place;
	b->place += b->size;
	if (b->place + b->size > STREAM_BYTES)
		b->place = 0;
	op_linear(&b->context, &b->linear);
}

static void
run_attend(bench *b)
{
	op_attend(&b->context, &b->attend);
}

static void
run_norm(bench *b)
{
	op_layer_norm(&b->context, &b->norm);
}

/* A way to keep weights and to multiply them. */
typedef struct arithmetic
{
	const char *name;
	tfm_dtype dtype;
	tfm_compute compute;
} arithmetic;

static const arithmetic arithmetics[] = {{"f32", DTYPE_F32, COMPUTE_F32},
										 {"f16", DTYPE_F16, COMPUTE_F32},
										 {"bf16", DTYPE_BF16, COMPUTE_BF16},
										 {"int8", DTYPE_I8, COMPUTE_INT8}};

/* rows x k x n, so many products of the same rows, with what is done to the sums. */
typedef struct shape
{
	int64_t rows, k, n;
	int parts;
	bool gelu;
	bool norm; /* with the residual before */
} shape;

static const shape shapes[] = {
	{512, 384, 1536, 1, false, false},	{512, 384, 1536, 1, true, false},
	{512, 1536, 384, 1, false, false},	{512, 1536, 384, 1, false, true},
	{512, 384, 384, 1, false, false},	{512, 384, 384, 3, false, false},
	{2048, 384, 1536, 1, true, false},	{512, 768, 3072, 1, false, false},
	{512, 3072, 768, 1, false, false},	{512, 1024, 4096, 1, false, false},
	{512, 4096, 1024, 1, false, false}, {16, 384, 1536, 1, false, false},
	{1, 384, 1536, 1, false, false},
};

/* Too slow to be waited for where there are no vectors of 256 bits. */
#define LARGE(s) ((s)->k * (s)->n > 1 << 20)

static void
name_shape(const shape *s, char *what, size_t size)
{
	char parts[16] = "";

	if (s->parts > 1)
		snprintf(parts, sizeof(parts), "%d x ", s->parts);
	snprintf(what, size, "linear %lld x %lld x %s%lld%s%s", (long long) s->rows, (long long) s->k,
			 parts, (long long) s->n, s->gelu ? ", gelu" : "", s->norm ? ", norm" : "");
}

static void
bench_linear(bench *b, const arithmetic *how, const shape *s)
{
	int64_t sizes[] = {s->n, s->k};
	float *x = numbers(s->rows * s->k), *bias = numbers(s->n), *w = numbers(s->n * s->k);
	float *y = numbers(s->rows * s->n * s->parts);
	void *panels[LINEAR_MAX_PARTS] = {NULL};
	char what[64];
	size_t size;

	if (!weight_size(how->dtype, LAYOUT_PANELS, 2, sizes, &size))
		exit(1);
	b->linear = (op_linear_options) {.x = x, .rows = s->rows, .k = s->k, .compute = how->compute};
	for (int i = 0; i < s->parts; i++)
	{
		panels[i] = memory(size);
		pack_weight(how->dtype, LAYOUT_PANELS, w, s->n, s->k, panels[i]);
		b->linear.parts[i] = (op_linear_part) {.panels = panels[i],
											   .dtype = how->dtype,
											   .n = s->n,
											   .bias = bias,
											   .y = y + i * s->rows * s->n};
	}
	if (s->gelu)
		b->linear.activation = ACTIVATION_GELU;
	if (s->norm)
		b->linear.residual = y, b->linear.norm_weight = b->linear.norm_bias = bias,
		b->linear.norm_eps = 1e-12f;
	b->run = run_linear;
	b->flops = 2.0 * (double) s->parts * (double) s->rows * (double) s->k * (double) s->n;
	name_shape(s, what, sizeof(what));
	report(b, what);
	free(x);
	free(y);
	free(bias);
	free(w);
	for (int i = 0; i < s->parts; i++)
		free(panels[i]);
}

/* ---- Quantised weights ---- */

static const arithmetic quantised[] = {{"q4_1", DTYPE_Q4_1, COMPUTE_INT8},
									   {"q8_0", DTYPE_Q8_0, COMPUTE_INT8},
									   {"q4_k", DTYPE_Q4_K, COMPUTE_INT8},
									   {"q6_k", DTYPE_Q6_K, COMPUTE_INT8}};

/* One row, which waits for memory, a batch of single tokens, and a prompt. */
static const shape quantised_shapes[] = {{1, 1536, 3072, 1, false, false},
										 {8, 1536, 3072, 1, false, false},
										 {128, 1536, 3072, 1, false, false}};

/* Any bytes are weights; small ones, so that scales are numbers. */
static void
fill_blocks(char *to)
{
	for (size_t i = 0; i < STREAM_BYTES; i++)
		to[i] = (char) (i * 7919 >> 3 & 0x3b);
}

/* Reading memory is the peak of what comes next. */
static void
measure_reading(bench *b)
{
	b->rate = "GB/s";
	b->run = run_read;
	b->peak = 0;
	b->flops = (double) STREAM_BYTES;
	report(b, "peak: read");
	b->peak = b->rates[b->runs - 1];
}

static void
bench_quantised_shape(bench *b, const arithmetic *how, const shape *s)
{
	float *x = numbers(s->rows * s->k), *y = numbers(s->rows * s->n);
	char what[64];

	if (!weight_size(how->dtype, LAYOUT_PANELS, 2, (int64_t[]) {s->n, s->k}, &b->size))
		exit(1);
	b->linear = (op_linear_options) {.x = x, .rows = s->rows, .k = s->k, .compute = how->compute};
	b->linear.parts[0] =
		(op_linear_part) {.panels = b->memory, .dtype = how->dtype, .n = s->n, .y = y};
	if (s->rows == 1)
		measure_reading(b);
	else
		measure_peak(b, how->compute);
	b->run = s->rows == 1 ? run_stream : run_linear;
	b->flops =
		s->rows == 1 ? (double) b->size : 2.0 * (double) s->rows * (double) s->k * (double) s->n;
	name_shape(s, what, sizeof(what));
	report(b, what);
	b->rate = "Gop/s";
	free(x);
	free(y);
}

static void
bench_quantised(bench *b)
{
	b->memory = memory(STREAM_BYTES);
	fill_blocks(b->memory);
	for (size_t i = 0; i < sizeof(quantised) / sizeof(quantised[0]); i++)
	{
		b->dtype = quantised[i].name;
		for (size_t j = 0; j < sizeof(quantised_shapes) / sizeof(quantised_shapes[0]); j++)
			bench_quantised_shape(b, &quantised[i], &quantised_shapes[j]);
	}
	free(b->memory);
}

static void
bench_attend(bench *b, tfm_compute compute, int32_t length, int batch, int heads, int head_dim)
{
	int64_t width = (int64_t) heads * head_dim, tokens = (int64_t) length * batch;
	float *qkv = numbers(tokens * width * 3), *y = numbers(tokens * width);
	int32_t *offsets = memory(((size_t) batch + 1) * sizeof(int32_t));
	char what[64];

	for (int i = 0; i <= batch; i++)
		offsets[i] = i * length;
	b->attend = (op_attend_options) {.q = qkv, .k = qkv + width, .v = qkv + 2 * width, .y = y};
	b->attend.q_stride = b->attend.k_stride = b->attend.v_stride = 3 * width;
	b->attend.offsets = offsets, b->attend.batch = batch;
	b->attend.heads = heads, b->attend.head_dim = head_dim, b->attend.compute = compute;
	b->run = run_attend;
	b->flops = 4.0 * (double) tokens * length * (double) width;
	snprintf(what, sizeof(what), "attend %d x %d tokens, %d x %d", batch, length, heads, head_dim);
	report(b, what);
	free(qkv);
	free(y);
	free(offsets);
}

static void
bench_norm(bench *b, int64_t rows, int64_t n)
{
	float *x = numbers(rows * n), *y = numbers(rows * n), *gain = numbers(n);
	char what[64];

	b->norm = (op_norm_options) {.x = x, .rows = rows, .n = n, .weight = gain, .bias = gain};
	b->norm.residual = x, b->norm.eps = 1e-12f, b->norm.y = y;
	b->run = run_norm;
	b->flops = 8.0 * (double) rows * (double) n;
	snprintf(what, sizeof(what), "layer norm %lld x %lld", (long long) rows, (long long) n);
	report(b, what);
	free(x);
	free(y);
	free(gain);
}

static void
bench_attends(bench *b, tfm_compute compute)
{
	for (int head_dim = 32; head_dim <= 64; head_dim *= 2)
	{
		bench_attend(b, compute, 16, 32, 12, head_dim);
		bench_attend(b, compute, 64, 8, 12, head_dim);
		bench_attend(b, compute, 64, 32, 12, head_dim);
		bench_attend(b, compute, 200, 4, 12, head_dim);
		bench_attend(b, compute, 512, 1, 12, head_dim);
	}
	bench_attend(b, compute, 2048, 1, 12, 64);
}

static void
bench_isa(bool json, isa set)
{
	bench b = {.json = json,
			   .rate = "Gop/s",
			   .context = {.isa = set, .threads = 1, .arena = arena_create(0)}};

	if (b.context.arena == NULL)
		exit(1);
	for (size_t i = 0; i < sizeof(arithmetics) / sizeof(arithmetics[0]); i++)
	{
		b.dtype = arithmetics[i].name;
		measure_peak(&b, arithmetics[i].compute);
		for (size_t j = 0; j < sizeof(shapes) / sizeof(shapes[0]); j++)
			if (set > ISA_PORTABLE || !LARGE(&shapes[j]))
				bench_linear(&b, &arithmetics[i], &shapes[j]);
		/* Attention knows no bytes, and keeps no weights. */
		if (arithmetics[i].compute == COMPUTE_BF16 || arithmetics[i].dtype == DTYPE_F32)
			bench_attends(&b, arithmetics[i].compute);
		if (arithmetics[i].dtype == DTYPE_F32)
			bench_norm(&b, 512, 384);
	}
	if (set > ISA_PORTABLE)
		bench_quantised(&b);
	if (tfm_failed(&b.context))
	{
		fprintf(stderr, "kernels: %s\n", b.context.error.message);
		exit(1);
	}
	arena_destroy(b.context.arena);
}

int
main(int argc, char **argv)
{
	bool json = argc > 1 && strcmp(argv[1], "json") == 0;
	const char *only = argc > 1 + json ? argv[1 + json] : NULL;

	for (int set = ISA_LAST; set >= ISA_PORTABLE; set--)
		if (cpu_has_isa((isa) set) && (only == NULL || strcmp(only, isa_name((isa) set)) == 0))
			bench_isa(json, (isa) set);
	return 0;
}
