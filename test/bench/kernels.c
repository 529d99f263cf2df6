/*
 * kernels.c
 *	  Speed of the ops on one thread beside the processor's peak, measured in the same run.
 *
 * For each instruction set: a loop of nothing but multiply-adds, then linear layers and attention of
 * common shapes, in GFLOP/s and as a part of that peak.  Each figure is the best of some runs,
 * in time of the processor, so that what else the machine does counts little.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tensor/attend.h"
#include "tensor/kernels.h"
#include "tensor/linear.h"
#include "tensor/norm.h"
#include "tensor/pack.h"

#define RUNS 9
#define RUN_SECONDS 0.02

typedef struct bench
{
	tfm_context context;
	void (*run)(struct bench *); /* once */
	op_linear_options linear;
	op_attend_options attend;
	op_norm_options norm;
	double flops; /* of one run */
} bench;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* Seconds of one run, the least of RUNS measurements of about RUN_SECONDS. */
static double
measure(bench *b)
{
	double best = 1e30;
	int repeat = 1;

	for (int i = 0; i < RUNS;)
	{
		double start = now(), seconds;

		for (int j = 0; j < repeat; j++)
			b->run(b);
		seconds = now() - start;
		if (seconds < RUN_SECONDS / 2 && repeat < 1 << 24)
		{
			repeat *= 2;
			continue;
		}
		if (seconds / repeat < best)
			best = seconds / repeat;
		i++;
	}
	return best;
}

static float *
numbers(int64_t count)
{
	float *x = aligned_alloc(64, ((size_t) count * sizeof(float) + 63) & ~(size_t) 63);

	if (x == NULL)
		exit(1);
	for (int64_t i = 0; i < count; i++)
		x[i] = (float) (i * 7919 % 2001 - 1000) / 1000.0f;
	return x;
}

/* As many rows as a tile has, all in the first level cache: the kernel at its best. */
static void
run_peak(bench *b)
{
	static const float a[KERNEL_MAX_ROWS * 64], panel[64 * KERNEL_COLUMNS];
	float c[KERNEL_MAX_ROWS * KERNEL_COLUMNS] __attribute__((aligned(64)));
	const kernels *table = cpu_kernels(&b->context);

	for (int i = 0; i < 100; i++)
		table->multiply(table->rows, 64, a, 64, panel, false, c, KERNEL_COLUMNS);
}

#ifdef __x86_64__
#include <immintrin.h>

#include "tensor/cpu/vector.h"

#ifdef __clang__
#define OPTIMISE(set) __attribute__((target(set)))
#else
#define OPTIMISE(set) __attribute__((target(set), optimize("O3")))
#endif

/* Multiply-adds on registers alone; the compiler must not know what is in them. */
#define PEAK_LOOP(type, set1, fma, chains)                                                         \
	type sum[chains], x = set1(1.0f), y = set1(1e-9f);                                             \
	__asm__ volatile("" : "+v"(x), "+v"(y));                                                       \
	for (int j = 0; j < (chains); j++)                                                             \
		sum[j] = set1((float) j);                                                                  \
	for (int i = 0; i < 100000; i++)                                                               \
	{                                                                                              \
		UNROLL for (int j = 0; j < (chains); j++) sum[j] = fma(sum[j], x, y);                      \
	}                                                                                              \
	UNROLL for (int j = 0; j < (chains); j++) __asm__ volatile("" : : "v"(sum[j]))

OPTIMISE("avx2,fma") static void peak_avx2(bench *b)
{
	PEAK_LOOP(__m256, _mm256_set1_ps, _mm256_fmadd_ps, 12);
	b->flops = 100000.0 * 12 * 8 * 2;
}

OPTIMISE("avx512f") static void peak_avx512(bench *b)
{
	PEAK_LOOP(__m512, _mm512_set1_ps, _mm512_fmadd_ps, 16);
	b->flops = 100000.0 * 16 * 16 * 2;
}
#endif

static double
peak(bench *b)
{
	double seconds;

	b->run = run_peak;
	b->flops = 100.0 * cpu_kernels(&b->context)->rows * KERNEL_COLUMNS * 64 * 2;
#ifdef __x86_64__
	if (b->context.isa == ISA_AVX2)
		b->run = peak_avx2;
	else if (b->context.isa >= ISA_AVX512)
		b->run = peak_avx512;
#endif
	seconds = measure(b);
	return b->flops / seconds;
}

static void
run_linear(bench *b)
{
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

static void
report(bench *b, const char *what, double best)
{
	double rate = b->flops / measure(b);

	printf("%-9s %-36s %7.1f GFLOP/s  %3.0f %%\n", isa_name((isa) b->context.isa), what,
		   rate * 1e-9, rate / best * 100.0);
}

static void
bench_linear(bench *b, double best, int64_t rows, int64_t k, int64_t n, op_activation activation)
{
	float *x = numbers(rows * k), *y = numbers(rows * n), *bias = numbers(n);
	float *w = numbers(n * k), *panels = numbers((n + 31) / 32 * 32 * k);
	char what[64];

	pack_weight(DTYPE_F32, LAYOUT_PANELS, w, n, k, panels);
	b->linear = (op_linear_options) {.x = x, .rows = rows, .k = k, .activation = activation};
	b->linear.parts[0] = (op_linear_part) {.panels = panels, .n = n, .bias = bias, .y = y};
	b->run = run_linear;
	b->flops = 2.0 * (double) rows * (double) k * (double) n;
	snprintf(what, sizeof(what), "linear %lld x %lld x %lld%s", (long long) rows, (long long) k,
			 (long long) n, activation == ACTIVATION_NONE ? "" : " gelu");
	report(b, what, best);
	free(x);
	free(y);
	free(bias);
	free(w);
	free(panels);
}

static void
bench_attend(bench *b, double best, int32_t length, int batch, int heads, int head_dim)
{
	int64_t width = (int64_t) heads * head_dim, tokens = (int64_t) length * batch;
	float *qkv = numbers(tokens * width * 3), *y = numbers(tokens * width);
	int32_t *offsets = malloc(((size_t) batch + 1) * sizeof(int32_t));
	char what[64];

	if (offsets == NULL)
		exit(1);
	for (int i = 0; i <= batch; i++)
		offsets[i] = i * length;
	b->attend = (op_attend_options) {.q = qkv, .k = qkv + width, .v = qkv + 2 * width, .y = y};
	b->attend.q_stride = b->attend.k_stride = b->attend.v_stride = 3 * width;
	b->attend.offsets = offsets, b->attend.batch = batch;
	b->attend.heads = heads, b->attend.head_dim = head_dim;
	b->run = run_attend;
	b->flops = 4.0 * (double) tokens * length * (double) width;
	snprintf(what, sizeof(what), "attend %d x %d tokens, %d x %d", batch, length, heads, head_dim);
	report(b, what, best);
	free(qkv);
	free(y);
	free(offsets);
}

static void
bench_norm(bench *b, double best, int64_t rows, int64_t n)
{
	float *x = numbers(rows * n), *y = numbers(rows * n), *gain = numbers(n);
	char what[64];

	b->norm = (op_norm_options) {.x = x, .rows = rows, .n = n, .weight = gain, .bias = gain};
	b->norm.residual = x, b->norm.eps = 1e-12f, b->norm.y = y;
	b->run = run_norm;
	b->flops = 8.0 * (double) rows * (double) n;
	snprintf(what, sizeof(what), "layer norm %lld x %lld", (long long) rows, (long long) n);
	report(b, what, best);
	free(x);
	free(y);
	free(gain);
}

static void
bench_isa(isa set)
{
	bench b = {.context = {.isa = set, .threads = 1, .arena = arena_create(0)}};
	double best;

	if (b.context.arena == NULL)
		exit(1);
	best = peak(&b);
	printf("%-9s %-36s %7.1f GFLOP/s\n", isa_name(set), "peak", best * 1e-9);
	bench_linear(&b, best, 512, 384, 1536, ACTIVATION_NONE);
	bench_linear(&b, best, 512, 384, 1536, ACTIVATION_GELU);
	bench_linear(&b, best, 512, 1536, 384, ACTIVATION_NONE);
	bench_linear(&b, best, 512, 384, 384, ACTIVATION_NONE);
	bench_linear(&b, best, 512, 768, 3072, ACTIVATION_NONE);
	bench_linear(&b, best, 512, 3072, 768, ACTIVATION_NONE);
	bench_linear(&b, best, 512, 1024, 4096, ACTIVATION_NONE);
	bench_linear(&b, best, 512, 4096, 1024, ACTIVATION_NONE);
	bench_linear(&b, best, 16, 384, 1536, ACTIVATION_NONE);
	bench_linear(&b, best, 1, 384, 1536, ACTIVATION_NONE);
	bench_attend(&b, best, 16, 32, 12, 32);
	bench_attend(&b, best, 64, 8, 12, 32);
	bench_attend(&b, best, 200, 4, 12, 32);
	bench_attend(&b, best, 512, 1, 12, 64);
	bench_attend(&b, best, 2048, 1, 12, 64);
	bench_norm(&b, best, 512, 384);
	arena_destroy(b.context.arena);
}

int
main(void)
{
	for (int set = ISA_LAST; set >= ISA_PORTABLE; set--)
		if (cpu_has_isa((isa) set))
			bench_isa((isa) set);
	return 0;
}
