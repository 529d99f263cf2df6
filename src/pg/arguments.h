/*
 * arguments.h
 *	  Arguments of SQL functions as JSON, for the engine.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_ARGUMENTS_H
#define TFM_PG_ARGUMENTS_H

#include "postgres.h"

#include "lib/stringinfo.h"

/*
 * Append a value as JSON, in the database's encoding: integers, float8, boolean, text, text[], float8[],
 * json and jsonb; an array's NULLs are an error.  name is the argument's, for messages.
 */
extern void arguments_append(StringInfo to, const char *name, Oid type, Datum value);

#endif
