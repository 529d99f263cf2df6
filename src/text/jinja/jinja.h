/*
 * jinja.h
 *	  Jinja templates, rendered as Transformers renders chat templates.
 *
 * The language is that of jinja2 3.1.6 in Transformers' environment: an ImmutableSandboxedEnvironment
 * with trim_blocks and lstrip_blocks, the loop controls, {% generation %}, a tojson that formats as
 * Python's json.dumps, raise_exception and strftime_now.  There is no loader: what includes, imports
 * or extends another template is an error, as it is there.  A template sees the values it is given,
 * the clock if it is given one, and nothing else.
 *
 *		source -> lexer -> parser -> resolve (names to slots, as Jinja's compiler does) -> statements
 *		values (JSON) -> json_value ------------------------------------------------------^
 *
 * Templates and values are untrusted: steps, memory, output and depth are bounded, and the interrupt
 * callback is polled.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_JINJA_JINJA_H
#define TFM_TEXT_JINJA_JINJA_H

#include <time.h>

#include "base/context.h"

/* What a rendering may use; 0 is the default of each. */
typedef struct jinja_limits
{
	uint64_t steps; /* expressions and statements evaluated, and items or 64 bytes handled */
	size_t memory;	/* bytes of values, the template's tree and captured text */
	size_t output;	/* bytes of the rendered text */
	int depth;		/* nesting of expressions, statements, macro calls and values */
} jinja_limits;

#define JINJA_DEFAULT_LIMITS                                                                       \
	((jinja_limits) {.steps = 100000000,                                                           \
					 .memory = (size_t) 512 << 20,                                                 \
					 .output = (size_t) 64 << 20,                                                  \
					 .depth = 1000})

typedef struct jinja_request
{
	tfm_text source;	/* the template */
	const char *name;	/* of the template, for messages; NULL: messages tell the line alone */
	tfm_text values;	/* a JSON object whose members are the template's variables; empty: none */
	tfm_text overrides; /* another, whose members take precedence; empty: none */
	const struct tm *now; /* the local time of strftime_now; NULL: using it is an error */
	jinja_limits limits;
} jinja_request;

/*
 * Render a template.  The text is UTF-8 in the context's arena.
 * Errors: INVALID_ARGUMENT with Jinja's (or Python's) own message after the line: "line 3: 'x' is
 * undefined", for the template's syntax, for what its statements do, for raise_exception, and for
 * values that are no JSON object; LIMIT_EXCEEDED; UNSUPPORTED (what Jinja has and this has not: the
 * filter random, lipsum); CANCELLED.
 */
extern bool jinja_render(tfm_context *context, const jinja_request *request, tfm_text *rendered);

#endif
