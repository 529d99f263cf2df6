/*
 * call.h
 *	  SQL functions that a model computes, one row at a time or many together.
 *
 * Such a function is a row of a table: which argument is the model, which are the texts, how the
 * other arguments become a task_call, and how an answer becomes a datum.  The function itself
 * (call_function), the batching scan (batch.h) and whatever else has many rows to compute go the
 * same way, call_rows: so they cannot differ.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_CALL_H
#define TFM_PG_CALL_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"
#include "pg/registry.h"
#include "task/call.h"

struct call_site;

/* The arguments of one call of a SQL function, in its order; NULL where a form does not have one. */
typedef struct call_arguments
{
	const NullableDatum *values;
	int count;
} call_arguments;

typedef struct call_function
{
	const char *symbol; /* the C function, pg_proc.prosrc: "tfm_embed" */
	task_kind kind;
	const char *task;	 /* TASK_PIPELINE: the pipeline's name; NULL: argument 0 is it */
	const char *setting; /* names the model where no argument does; NULL: an argument names it */
	int model;			 /* which, where setting is NULL; its type is text */
	int input;			 /* the argument that is the text; its type is text */
	bool is_json;		 /* or jsonb */
	int second;			 /* that of a pair's second text; 0: no pairs */
	bool may_be_single;	 /* where that is NULL there is no pair; else the result is NULL */
	int required;		 /* another argument that makes the result NULL; 0: there is none */
	int assistant;		 /* that which names a model of drafts, NULL for none; 0: there is none */

	/*
	 * What is common to calls: the arguments but model and texts -> *call, in the context's arena.
	 * May throw.  NULL: nothing is to be told.
	 */
	void (*prepare)(const struct call_site *site, tfm_context *context,
					const call_arguments *arguments, task_call *call);

	/* The part of row of an answer as the function's result, palloc'ed.  May throw. */
	Datum (*result)(struct call_site *site, const task_call *call, const task_answer *answer,
					size_t row);
} call_function;

/* One place of a query that calls a function; all of it lives in owner. */
typedef struct call_site
{
	const call_function *function;
	MemoryContext owner;
	Oid function_oid; /* of pg_proc, for its result type */
	registry_handle *model;
	registry_handle *assistant;
	bool assisted;	 /* the last call had an assistant */
	tfm_usage usage; /* of all its calls */
	struct call_types *types;
	TupleDesc row_type;				 /* call_row_type's; NULL before */
	struct AttInMetadata *row_input; /* call_row_input's; NULL before */
	void *sink;						 /* where a result that is no datum goes; the caller's */
	struct call_kept *kept;			 /* the last result of call_one; NULL: none */
} call_site;

extern call_site *call_site_create(MemoryContext owner, const call_function *function,
								   Oid function_oid);

/* The function of an OID, NULL if it is none that is computed so.  Looks into the catalog. */
extern const call_function *call_find(Oid function_oid);

/*
 * Inputs handed to the engine at once: enough to sort them by length and to fill its batches, few
 * enough that what they give is small beside the model.
 */
#define CALL_PORTION 512

/* Bytes of a token of text, about; and tokens of a text beyond those. */
#define CALL_BYTES_PER_TOKEN 4
#define CALL_TOKENS_AROUND 2

/*
 * Evaluate count calls, with rows[i].count >= the function's arguments: results[i], a NULL where the
 * model or a text is NULL, palloc'ed in the current memory context.  Rows of the same model and the
 * same other arguments are computed together.
 *
 * Errors of arguments and models are thrown.  With lenient, an error that the engine meets is not
 * thrown but returns false, and no result is set: each row alone will throw what is its own.
 */
extern bool call_rows(call_site *site, const call_arguments *rows, int count, bool lenient,
					  NullableDatum *results);

/* About how many tokens a call has, from the sizes of its texts, which are not fetched for it. */
extern int64 call_estimate_tokens(const call_function *function, const call_arguments *arguments);

/* The SQL function: one row. */
extern Datum call_one(FunctionCallInfo fcinfo);

/* Define the C function of a symbol in the table. */
#define CALL_ENTRY(symbol)                                                                         \
	PG_FUNCTION_INFO_V1(symbol);                                                                   \
	Datum symbol(PG_FUNCTION_ARGS)                                                                 \
	{                                                                                              \
		return call_one(fcinfo);                                                                   \
	}

/* The type of the rows that the function returns, and what makes them of its columns' texts. */
extern TupleDesc call_row_type(call_site *site);
extern struct AttInMetadata *call_row_input(call_site *site);

/* Whether an argument is no text of an input: what it says is said for all inputs of a group. */
extern bool call_is_common(const call_function *f, int argument);

/* Number, names (empty: none) and types of the function's arguments. */
extern int call_argument_count(const call_site *site);
extern const char *call_argument_name(const call_site *site, int argument);
extern Oid call_argument_type(const call_site *site, int argument);

/* The functions of each file, ended by a NULL symbol; call.c lists them. */
extern const call_function embed_functions[];
extern const call_function generate_functions[];
extern const call_function chat_functions[];
extern const call_function classify_functions[];
extern const call_function answer_functions[];
extern const call_function semantic_functions[];
extern const call_function tokenize_functions[];
extern const call_function pipeline_functions[];
extern const call_function text2text_functions[];
extern const call_function answer_table_functions[];
extern const call_function rag_functions[];

#endif
