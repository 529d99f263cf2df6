/*
 * generate.h
 *	  What the functions that generate share: the models of a place in a query, named arguments.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_GENERATE_H
#define TFM_PG_GENERATE_H

#include "postgres.h"

#include <time.h>

#include "fmgr.h"
#include "pg/call.h"
#include "pg/registry.h"
#include "task/generate.h"

/* The models of a place in a query; all of it lives in owner. */
typedef struct generate_site
{
	MemoryContext owner;
	registry_handle *model;
	registry_handle *assistant;
} generate_site;

/* Arguments that all generating functions have, from max_new_tokens to options. */
#define GENERATE_ARGUMENTS 13
#define GENERATE_ASSISTANT 11 /* the one of them that names a model of drafts */

/* The site of a call, kept in fn_extra. */
extern generate_site *generate_site_of(FunctionCallInfo fcinfo);

/* A new site in a memory context. */
extern generate_site *generate_site_create(MemoryContext owner);

/*
 * Begin a call of the engine with the model (NULL: the setting's) and the named arguments from first
 * on (-1: none), which become *request.
 */
extern tfm_context *generate_begin(FunctionCallInfo fcinfo, generate_site *site, const text *model,
								   int first, generate_request *request);

/*
 * The named arguments, from max_new_tokens to options, as the engine takes them: a JSON object of
 * GenerationConfig's names, and the options.
 */
extern void generate_read_arguments(tfm_context *context, const NullableDatum *arguments,
									tfm_text *object, tfm_text *options);

/* The text of a row of an answer, for call_function. */
extern Datum generate_make_text(call_site *site, const task_call *call, const task_answer *answer,
								size_t row);

/* The same, as jsonb. */
extern Datum generate_make_jsonb(call_site *site, const task_call *call, const task_answer *answer,
								 size_t row);

/* A jsonb argument as the engine's JSON; empty for a NULL. */
extern tfm_text chat_json_argument(tfm_context *context, const NullableDatum *argument);

/* The argument chat_template of a request; a NULL leaves the model's own. */
extern void chat_read_template(tfm_context *context, const NullableDatum *argument,
							   chat_request *request);

/* The start of the statement as local time; its zone's name lives as long as the session's. */
extern struct tm chat_statement_time(void);

#endif
