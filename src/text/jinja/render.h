/*
 * render.h
 *	  The steps of a rendering, for who prepares its values by hand.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_JINJA_RENDER_H
#define TFM_TEXT_JINJA_RENDER_H

#include "text/jinja/program.h"

/*
 * Begin with the globals as variables; jinja_end, which follows whether this fails or not, frees all
 * that the rendering made.  In between the state's values live in the scratch of the context's arena.
 */
extern bool jinja_begin(tfm_context *context, jinja_state *s, const jinja_limits *limits,
						const char *name, const struct tm *now);
extern void jinja_end(jinja_state *s);

/* Add the members of a JSON object (an empty text has none) to the variables. */
extern bool jinja_add_variables(jinja_state *s, tfm_text json, const char *what);

/* Run a template; the text lives as long as the state. */
extern bool jinja_run_source(jinja_state *s, tfm_text source, tfm_text *rendered);

/* Copy text to the context's arena; it must not have a NUL character, which no SQL text can have. */
extern bool jinja_keep(tfm_context *context, tfm_text text, tfm_text *kept);

#endif
