/*
 * regex_length.h
 *	  Regular expressions whose texts are to have some length.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_REGEX_LENGTH_H
#define TFM_GENERATE_REGEX_LENGTH_H

#include "text/regex_parse.h"

/*
 * Change the tree so that all that it matches has minimum to maximum characters (TOK_UNBOUNDED): it
 * matches the same or less.  Where several parts vary, each is given a share, so that not all texts of
 * such a length remain.  False if none was found.
 */
extern bool gen_fit_length(tok_node *node, uint32_t minimum, uint32_t maximum);

#endif
