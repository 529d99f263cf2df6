/*
 * dispatch.c
 *	  Which table of kernels a context gets.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/kernels.h"

/*
 * __builtin_cpu_supports also asks whether the system saves the registers.  It does not know F16C in
 * every compiler; all processors with AVX2 have it.
 */
bool
cpu_has_isa(isa set)
{
	switch (set)
	{
		case ISA_BEST:
		case ISA_PORTABLE:
			return true;
#ifdef __x86_64__
		case ISA_AVX2:
			return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
		case ISA_AVX512:
			return cpu_has_isa(ISA_AVX2) && __builtin_cpu_supports("avx512f") &&
				   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
				   __builtin_cpu_supports("avx512dq");
		case ISA_AVX512_VNNI:
			return cpu_has_isa(ISA_AVX512) && __builtin_cpu_supports("avx512vnni");
		case ISA_AVX512_BF16:
			return cpu_has_isa(ISA_AVX512_VNNI) && __builtin_cpu_supports("avx512bf16");
#endif
		default:
			return false;
	}
}

const kernels *
cpu_kernels(const tfm_context *context)
{
#ifdef __x86_64__
	int most = context->isa == ISA_BEST ? ISA_LAST : context->isa;

	if (most >= ISA_AVX512_BF16 && cpu_has_isa(ISA_AVX512_BF16))
		return &kernels_avx512_bf16;
	if (most >= ISA_AVX512_VNNI && cpu_has_isa(ISA_AVX512_VNNI))
		return &kernels_avx512_vnni;
	if (most >= ISA_AVX512 && cpu_has_isa(ISA_AVX512))
		return &kernels_avx512;
	if (most >= ISA_AVX2 && cpu_has_isa(ISA_AVX2))
		return &kernels_avx2;
#else
	(void) context;
#endif
	return &kernels_portable;
}

bool
cpu_has_bf16(const tfm_context *context)
{
	return cpu_kernels(context)->set == ISA_AVX512_BF16;
}

const char *
isa_name(isa set)
{
	switch (set)
	{
		case ISA_BEST:
			return "best";
		case ISA_PORTABLE:
			return "portable";
		case ISA_AVX2:
			return "avx2";
		case ISA_AVX512:
			return "avx512";
		case ISA_AVX512_VNNI:
			return "avx512_vnni";
		case ISA_AVX512_BF16:
			return "avx512_bf16";
	}
	return "unknown";
}
