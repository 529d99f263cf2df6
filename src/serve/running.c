/*
 * running.c
 *	  The sequences that generate at the same time.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve/running.h"

#include <stdlib.h>

bool
serve_running_create(serve_running *r)
{
	r->most = r->limit;
	r->sequences = calloc(r->limit, sizeof(serve_sequence *));
	return r->sequences != NULL;
}

/* ---- The end of a sequence ---- */

/* A sequence waits behind those that wait already. */
static void
append_put(serve_running *r, serve_sequence *s)
{
	s->next = NULL;
	if (r->first_put == NULL)
		r->first_put = s;
	else
		r->last_put->next = s;
	r->last_put = s;
}

/* It waits until one of those that ran with it, so many with itself, has ended. */
static void
put_off(serve_running *r, serve_sequence *s, size_t together)
{
	serve_sequence_reset(s);
	append_put(r, s);
	if (r->most >= together)
		r->most = together - 1;
	r->good = 0;
}

static void
allow_more(serve_running *r)
{
	if (++r->good < r->most || r->most >= r->limit)
		return;
	r->most++;
	r->good = 0;
}

static void
finish(serve_running *r, serve_sequence *s)
{
	serve_call *call = s->call;

	serve_sequence_tell(s);
	serve_sequence_destroy(s);
	r->ended(r->argument, call);
}

/* A sequence has ended, of so many that ran; it is not in the list of those that do any more. */
static void
end_sequence(serve_running *r, serve_sequence *s, size_t together)
{
	if (s->crowded && tfm_failed(&s->context) && together > 1 && serve_sequence_is_wanted(s))
	{
		put_off(r, s, together);
		return;
	}
	allow_more(r);
	finish(r, s);
}

/* Those that were put off and are not wanted any more end. */
static void
drop_unwanted(serve_running *r)
{
	serve_sequence *put = r->first_put;

	r->first_put = r->last_put = NULL;
	for (serve_sequence *s = put, *next; s != NULL; s = next)
	{
		next = s->next;
		if (!serve_sequence_is_wanted(s))
		{
			tfm_clear_error(&s->context);
			tfm_fail(&s->context, TFM_CANCELLED, "the call was cancelled");
			finish(r, s);
			continue;
		}
		append_put(r, s);
	}
}

/* ---- Running ---- */

/* Those that were put off come first. */
static serve_sequence *
next_sequence(serve_running *r)
{
	serve_sequence *s = r->first_put;

	if (s == NULL)
		return r->take(r->argument);
	r->first_put = s->next;
	return s;
}

void
serve_running_start(serve_running *r)
{
	serve_sequence *s;

	drop_unwanted(r);
	while (r->count < r->most && (s = next_sequence(r)) != NULL)
		if (serve_sequence_begin(s))
			r->sequences[r->count++] = s;
		else
			end_sequence(r, s, r->count + 1);
}

void
serve_running_step(serve_running *r)
{
	serve_sequence *ended = NULL;
	size_t together = r->count, count = 0;

	if (together == 0)
		return;
	serve_sequences_step(r->device, r->sequences, together);
	for (size_t i = 0; i < together; i++)
	{
		serve_sequence *s = r->sequences[i];

		if (!s->step.over || serve_sequence_resume(s))
			r->sequences[count++] = s;
		else
		{
			s->next = ended;
			ended = s;
		}
	}
	r->count = count;
	for (serve_sequence *s = ended, *next; s != NULL; s = next)
	{
		next = s->next;
		end_sequence(r, s, together);
	}
}

void
serve_running_destroy(serve_running *r)
{
	while (r->count > 0)
		serve_running_step(r);
	drop_unwanted(r);
	free(r->sequences);
	r->sequences = NULL;
}
