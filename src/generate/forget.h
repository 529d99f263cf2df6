/*
 * forget.h
 *	  Keeping the memory of a machine bounded.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_FORGET_H
#define TFM_GENERATE_FORGET_H

#include "generate/machine.h"

/*
 * If the machine's tables are full: forget all states but those that matchers and the path stand on,
 * which are renumbered.  LIMIT_EXCEEDED if these alone are too many.
 */
extern bool gen_machine_forget(tfm_context *context, gen_machine *machine);

/* machine.c: fill the tables of frames and states anew; put a number into one. */
extern void gen_machine_reindex(gen_machine *machine);
extern void gen_index_put(gen_index *index, uint32_t hash, uint32_t number);

#endif
