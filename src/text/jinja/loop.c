/*
 * loop.c
 *	  The variable "loop": jinja2.runtime.LoopContext.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/program.h"

jinja_loop *
jinja_loop_create(jinja_state *s, jinja_value iterable, int64_t depth0)
{
	jinja_loop *loop = jinja_alloc_zero(s, sizeof(*loop));
	jinja_iterator *iterator = jinja_iterate(s, iterable);

	if (loop == NULL || iterator == NULL)
		return NULL;
	loop->iterable = iterable;
	loop->iterator = iterator;
	loop->index0 = -1;
	loop->length = -1;
	loop->depth0 = depth0;
	loop->before = loop->current = loop->after = jinja_missing();
	return loop;
}

bool
jinja_loop_next(jinja_state *s, jinja_loop *loop, jinja_value *item)
{
	if (loop->after.type != JINJA_MISSING)
	{
		*item = loop->after;
		loop->after = jinja_missing();
	}
	else if (!jinja_next(s, loop->iterator, item))
		return false;
	loop->index0++;
	loop->before = loop->current;
	loop->current = *item;
	return true;
}

/* The item after this, taken in advance; MISSING at the end. */
static jinja_value
peek(jinja_state *s, jinja_loop *loop)
{
	jinja_value item;

	if (loop->after.type == JINJA_MISSING && jinja_next(s, loop->iterator, &item))
		loop->after = item;
	return loop->after;
}

bool
jinja_loop_length(jinja_state *s, jinja_loop *loop, int64_t *length)
{
	if (loop->length < 0 && jinja_has_length(loop->iterable))
	{
		if (!jinja_length(s, loop->iterable, &loop->length))
			return false;
	}
	else if (loop->length < 0)
	{
		/* What has no length is drawn to its end. */
		jinja_list *rest = jinja_to_list(s, jinja_object(JINJA_ITERATOR, loop->iterator));

		if (rest == NULL)
			return false;
		loop->iterator = jinja_iterate(s, jinja_object(JINJA_LIST, rest));
		if (loop->iterator == NULL)
			return false;
		loop->length =
			(int64_t) rest->count + loop->index0 + 1 + (loop->after.type != JINJA_MISSING);
	}
	*length = loop->length;
	return true;
}

/* ---- Methods ---- */

static jinja_value
cycle(jinja_state *s, jinja_value self, const jinja_call *call)
{
	int64_t count = (int64_t) call->positional.count;

	if (count == 0)
		return jinja_raise(s, "no items for cycling given");
	return call->positional.items[((self.loop->index0 % count) + count) % count];
}

static jinja_value
changed(jinja_state *s, jinja_value self, const jinja_call *call)
{
	jinja_value last = jinja_object(JINJA_TUPLE, self.loop->changed);
	jinja_list *now;

	now = jinja_list_create(s, call->positional.count);
	if (now == NULL)
		return jinja_none();
	*now = call->positional;
	if (self.loop->changed != NULL && jinja_equal(s, last, jinja_object(JINJA_TUPLE, now)))
		return jinja_bool(false);
	self.loop->changed = now;
	return jinja_bool(true);
}

static const jinja_function methods[] = {{.name = "cycle", .free = cycle},
										 {.name = "changed", .free = changed}};

static jinja_value
bind_method(jinja_state *s, const jinja_function *function, jinja_loop *loop)
{
	jinja_method *method = jinja_alloc(s, sizeof(*method));

	if (method == NULL)
		return jinja_none();
	*method = (jinja_method) {.function = function, .self = jinja_object(JINJA_LOOP, loop)};
	return jinja_object(JINJA_METHOD, method);
}

/* ---- Attributes ---- */

static jinja_value
counted(jinja_state *s, jinja_loop *loop, int64_t back)
{
	int64_t length;

	return jinja_loop_length(s, loop, &length) ? jinja_int(length - back) : jinja_none();
}

static jinja_value
next_item(jinja_state *s, jinja_loop *loop)
{
	jinja_value item = peek(s, loop);

	return item.type == JINJA_MISSING ? jinja_undefined_hint(s, "there is no next item") : item;
}

static jinja_value
previous_item(jinja_state *s, jinja_loop *loop)
{
	return loop->index0 == 0 || loop->before.type == JINJA_MISSING
			   ? jinja_undefined_hint(s, "there is no previous item")
			   : loop->before;
}

jinja_value
jinja_loop_attribute(jinja_state *s, jinja_loop *loop, const jinja_string *name)
{
	if (jinja_is_text(name, "index"))
		return jinja_int(loop->index0 + 1);
	if (jinja_is_text(name, "index0"))
		return jinja_int(loop->index0);
	if (jinja_is_text(name, "first"))
		return jinja_bool(loop->index0 == 0);
	if (jinja_is_text(name, "last"))
		return jinja_bool(peek(s, loop).type == JINJA_MISSING);
	if (jinja_is_text(name, "length"))
		return counted(s, loop, 0);
	if (jinja_is_text(name, "revindex"))
		return counted(s, loop, loop->index0);
	if (jinja_is_text(name, "revindex0"))
		return counted(s, loop, loop->index0 + 1);
	if (jinja_is_text(name, "previtem"))
		return previous_item(s, loop);
	if (jinja_is_text(name, "nextitem"))
		return next_item(s, loop);
	if (jinja_is_text(name, "depth"))
		return jinja_int(loop->depth0 + 1);
	if (jinja_is_text(name, "depth0"))
		return jinja_int(loop->depth0);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (jinja_is_text(name, methods[i].name))
			return bind_method(s, &methods[i], loop);
	return jinja_missing();
}
