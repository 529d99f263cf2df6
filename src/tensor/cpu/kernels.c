/*
 * kernels.c
 *	  The inner loops of the ops for the CPU, compiled once for each instruction set.
 *
 * The Makefile gives KERNELS, the name of the table, and the flags of the set; vector.h turns these
 * into vectors.  Sums run in an order that depends on the length of what is summed alone: rows of a
 * tile do not touch each other, and parts of a vector are treated as whole ones.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/kernels.h"

#include "tensor/cpu/vector.h"

/* Registers: TILE_ROWS x TILE_VECTORS sums, TILE_VECTORS of the panel, one element of a. */
#define TILE_VECTORS 2
#if VEC_WIDTH == 16
#define TILE_ROWS 14
#elif VEC_WIDTH == 8
#define TILE_ROWS 6
#else
#define TILE_ROWS 4
#endif

#if defined(__AVX512BF16__)
#define KERNELS_ISA ISA_AVX512_BF16
#elif defined(__AVX512VNNI__)
#define KERNELS_ISA ISA_AVX512_VNNI
#elif defined(__AVX512F__)
#define KERNELS_ISA ISA_AVX512
#elif defined(__AVX2__)
#define KERNELS_ISA ISA_AVX2
#else
#define KERNELS_ISA ISA_PORTABLE
#endif

#include "tensor/cpu/attention.h"
#include "tensor/cpu/blocks.h"
#include "tensor/cpu/attention_rows.h"
#include "tensor/cpu/pages.h"
#include "tensor/cpu/products.h"
#include "tensor/cpu/rope.h"
#include "tensor/cpu/rows.h"

const kernels KERNELS = {
	.set = KERNELS_ISA,
	.rows = TILE_ROWS,
	.block_rows = BLOCK_ROWS,
	.multiply = multiply,
	.multiply_halves = multiply_halves,
#ifdef __AVX512BF16__
	.multiply_bf16 = multiply_bf16,
#endif
	.multiply_i8 = multiply_i8,
	.multiply_blocks = multiply_blocks,
	.multiply_unpacked = multiply_unpacked,
	.unpack_blocks = unpack_blocks,
	.quantize_groups = quantize_groups,
	.gate = gate,
	.unpack = unpack,
	.pack_bf16 = pack_bf16,
	.to_bf16 = to_bf16,
	.round_bf16 = round_bf16,
	.quantize = quantize,
	.pack = pack,
	.finish_linear = finish_linear,
	.finish_linear_i8 = finish_linear_i8,
	.activate = activate,
	.take_row = take_row,
	.layer_norm = layer_norm,
	.rms_norm = rms_norm,
	.attend = run_attend_tile,
	.pack_attend_queries = pack_attend_queries,
	.pack_attend_keys = pack_attend_keys,
	.pack_attend_values = pack_attend_values,
	.load_page_keys = load_page_keys,
	.load_page_values = load_page_values,
	.store_page_keys = store_page_keys,
	.store_page_values = store_page_values,
	.pack_attend_row = pack_attend_row,
	.attend_rows = run_attend_rows,
	.merge_rows = merge_rows,
	.finish_rows = finish_rows,
	.rope_angles = rope_angles,
	.rope_turn = turn_heads,
};
