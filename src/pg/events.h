/*
 * events.h
 *	  What the functions of the extension's event triggers share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_EVENTS_H
#define TFM_PG_EVENTS_H

#include "postgres.h"

#include "commands/event_trigger.h"
#include "fmgr.h"

/* Throw unless a function was called by an event trigger. */
static inline void
events_check_call(FunctionCallInfo fcinfo, const char *function)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("function \"%s\" was not called by an event trigger", function));
}

#endif
