/*
 * pipeline.h
 *	  What SQL functions over the engine's pipelines share: named arguments as parameters, results
 *	  as rows.
 *
 * A function of its own for a pipeline is a row of a table (call.h) with the pipeline's name in task:
 * its other arguments are parameters by their own names, one called options is an object of more; the
 * columns of its result have the names of the keys of the pipeline's JSON.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_PIPELINE_H
#define TFM_PG_PIPELINE_H

#include "pg/call.h"

/* call_function.prepare: the arguments but model and texts. */
extern void pipeline_prepare(const call_site *site, tfm_context *context,
							 const call_arguments *arguments, task_call *call);

/*
 * call_function.result: the object that the pipeline gives, or the first of an array of them, as a
 * row of the function's result type; a key that it lacks is NULL.  jsonb: generate_make_jsonb.
 */
extern Datum pipeline_make_row(call_site *site, const task_call *call, const task_answer *answer,
							   size_t row);

/* The same for functions that return a text: the first value of the object. */
extern Datum pipeline_make_text(call_site *site, const task_call *call, const task_answer *answer,
								size_t row);

/* The same for functions that return double precision: the object's "score". */
extern Datum pipeline_make_score(call_site *site, const task_call *call, const task_answer *answer,
								 size_t row);

/* The arguments of a call for each element of the array that is the argument input; *count of them. */
extern call_arguments *pipeline_spread(const call_arguments *all, int input, int *count);

/*
 * A function of text[] that returns text[], of the same shape and with NULL where there was one; the
 * argument of f->input is the array, whose elements are computed together.
 */
extern Datum pipeline_array(FunctionCallInfo fcinfo, const call_function *f);

/*
 * A function that returns a set: a row for each object of the pipeline's array.  f needs no result.
 * Where the argument of f->input is text[], all its elements are computed together, and the first
 * column is the number of the element, from 1.
 */
extern Datum pipeline_rows(FunctionCallInfo fcinfo, const call_function *f);

#endif
