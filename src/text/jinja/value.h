/*
 * value.h
 *	  Values of templates: Python's, as far as a template can meet them.
 *
 * A value is small and copied; what it points to lives until the rendering ends and, but for
 * namespaces, loops, iterators, cyclers and joiners, never changes once made: the sandbox lets no
 * template change a list or a dict.
 *
 * Errors are sticky in the context: a function that fails records the error and returns none (or
 * NULL, or false), and who loops or dereferences looks at it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_JINJA_VALUE_H
#define TFM_TEXT_JINJA_VALUE_H

#include "text/jinja/jinja.h"

typedef enum jinja_type
{
	JINJA_MISSING, /* no value: a variable not set, an argument not given */
	JINJA_UNDEFINED,
	JINJA_NONE,
	JINJA_BOOL,
	JINJA_INT,
	JINJA_BIG, /* an integer beyond int64 */
	JINJA_FLOAT,
	JINJA_STRING,
	JINJA_LIST,
	JINJA_TUPLE,
	JINJA_DICT,
	JINJA_VIEW, /* a dict's keys, values or items */
	JINJA_RANGE,
	JINJA_ITERATOR, /* what generators and reversed() give: runs once */
	JINJA_NAMESPACE,
	JINJA_MACRO,
	JINJA_LOOP,
	JINJA_CYCLER,
	JINJA_JOINER,
	JINJA_METHOD,	/* of a value, bound to it */
	JINJA_FUNCTION, /* a global function */
	JINJA_TEMPLATE, /* "self" */
	JINJA_BLOCK		/* a member of "self" */
} jinja_type;

struct jinja_value;
struct jinja_state;

typedef struct jinja_string
{
	const char *data; /* valid UTF-8, not zero-terminated */
	size_t bytes;
	size_t count;				 /* characters; equal to bytes: all are ASCII */
	bool markup;				 /* MarkupSafe's Markup: not to be escaped again */
	struct jinja_region *region; /* NULL, or the memory in which it may be extended */
} jinja_string;

typedef struct jinja_list
{
	struct jinja_value *items;
	size_t count;
	size_t capacity;
	bool group; /* the (grouper, list) of the filter groupby */
} jinja_list;

typedef struct jinja_undefined
{
	const jinja_string *hint;	/* the whole message, or NULL */
	const jinja_string *name;	/* what is missing, or NULL: index */
	struct jinja_value *object; /* NULL: a variable; else what has no such member */
	struct jinja_value *index;	/* a subscript that is no string, or NULL */
} jinja_undefined;

typedef struct jinja_range
{
	int64_t start, stop, step, count;
} jinja_range;

typedef struct jinja_cycler
{
	jinja_list *items;
	size_t position;
} jinja_cycler;

typedef struct jinja_joiner
{
	struct jinja_value *separator;
	bool used;
} jinja_joiner;

typedef struct jinja_view
{
	struct jinja_dict *dict;
	enum
	{
		JINJA_KEYS,
		JINJA_VALUES,
		JINJA_ITEMS
	} kind;
} jinja_view;

typedef struct jinja_value
{
	jinja_type type;
	union
	{
		bool boolean;
		int64_t integer;
		double number;
		const struct jinja_big *big;
		const jinja_string *string;
		jinja_list *list;
		struct jinja_dict *dict;
		jinja_view *view;
		jinja_range *range;
		struct jinja_iterator *iterator;
		struct jinja_namespace *names;
		struct jinja_macro *macro;
		struct jinja_loop *loop;
		jinja_cycler *cycler;
		jinja_joiner *joiner;
		struct jinja_method *method;
		const struct jinja_function *function;
		jinja_undefined *undefined;
		struct jinja_block_reference *block;
		void *object; /* any of the pointers: identity */
	};
} jinja_value;

/* A method of a value: the row of its function and the value. */
typedef struct jinja_method
{
	const struct jinja_function *function;
	jinja_value self;
} jinja_method;

/* The entries of a dict in the order in which they were put in. */
typedef struct jinja_entry
{
	jinja_value key;
	jinja_value value;
	uint64_t hash;
} jinja_entry;

typedef struct jinja_dict
{
	jinja_entry *entries;
	size_t count;
	size_t capacity;
	uint32_t *table; /* entry + 1 by hash, 0: free; NULL while there are few */
	size_t table_size;
	bool printing; /* its repr is being made: it contains itself */
} jinja_dict;

typedef struct jinja_namespace
{
	jinja_dict *attributes;
} jinja_namespace;

/*
 * One that gives values in turn.  next stores the next value and returns true, or returns false at
 * the end or on error.
 */
typedef struct jinja_iterator
{
	bool (*next)(struct jinja_state *, struct jinja_iterator *, jinja_value *);
	const char *type_name; /* Python's: "generator" */
	jinja_value source;
	struct jinja_iterator *inner; /* what a generator draws from, once begun */
	size_t position;
	bool begun;
	bool done;
	struct jinja_call *call; /* the arguments of a generator */
	void *data;
} jinja_iterator;

/* Arguments of a call. */
typedef struct jinja_call
{
	jinja_list positional;
	jinja_dict *named; /* keys are strings; NULL: none */
} jinja_call;

/*
 * A function in C: a filter, a test, a method or a global.  With parameters ("s old new count", of
 * which the first so many are required) it is called with a value for each, MISSING where none is
 * given; without, with the call itself.
 */
typedef struct jinja_function
{
	const char *name;
	const char *parameters; /* NULL: takes anything */
	int required;
	jinja_value (*bound)(struct jinja_state *, const jinja_value *);
	jinja_value (*free)(struct jinja_state *, jinja_value self, const jinja_call *);
} jinja_function;

#define JINJA_MAX_PARAMETERS 8

/* Memory in which the newest string can grow, so that appending again and again is linear. */
typedef struct jinja_region
{
	char *data;
	size_t used;
	size_t capacity;
} jinja_region;

/* The text that a statement writes. */
typedef struct jinja_output
{
	char *data;
	size_t length;
	size_t capacity;
} jinja_output;

/* A rendering. */
typedef struct jinja_state
{
	tfm_context *context;
	arena *arena;	 /* the context's scratch */
	arena_mark mark; /* where that stood before */
	char *free;		 /* the rest of the newest chunk of memory */
	size_t left;	 /* bytes of it */
	size_t memory;	 /* bytes handed out */
	uint64_t steps;	 /* taken */
	uint64_t poll;	 /* steps at which to ask for an interrupt */
	int depth;		 /* of the recursion */
	jinja_limits limits;
	const char *name;		   /* of the template; may be NULL */
	int line;				   /* of the statement at work */
	const struct tm *now;	   /* may be NULL */
	bool autoescape;		   /* inside {% autoescape true %} */
	size_t captured;		   /* bytes of text in outputs */
	jinja_dict *variables;	   /* globals and the request's values */
	struct jinja_scope *scope; /* what names that no statement has set are looked up in */
	const struct jinja_template *template;
} jinja_state;

/* ---- Errors and limits (value.c) ---- */

/* Record INVALID_ARGUMENT with "line N: " before the message.  Always returns none. */
extern jinja_value jinja_raise(jinja_state *s, const char *format, ...) TFM_PRINTF(2, 3);

/* The same for another line or another kind of error. */
extern bool jinja_fail(jinja_state *s, tfm_error_kind kind, int line, const char *format, ...)
	TFM_PRINTF(4, 5);

/* Count work; false, with an error, if there was too much of it or it is to stop. */
extern bool jinja_step(jinja_state *s, size_t work);

/* One level deeper; false, with an error, if that is too deep.  Each is left again. */
extern bool jinja_enter(jinja_state *s);
static inline void
jinja_leave(jinja_state *s)
{
	s->depth--;
}

/* "%.*s" of a string. */
#define JINJA_TEXT(string) ((int) (string)->bytes), ((string)->data)

/* ---- Memory ---- */

/* Bytes, aligned to 16, uninitialised; NULL with an error. */
extern void *jinja_alloc(jinja_state *s, size_t size);
extern void *jinja_alloc_zero(jinja_state *s, size_t size);

/* ---- Making values ---- */

static inline jinja_value
jinja_none(void)
{
	return (jinja_value) {.type = JINJA_NONE};
}

static inline jinja_value
jinja_missing(void)
{
	return (jinja_value) {.type = JINJA_MISSING};
}

static inline jinja_value
jinja_bool(bool boolean)
{
	return (jinja_value) {.type = JINJA_BOOL, .boolean = boolean};
}

static inline jinja_value
jinja_int(int64_t integer)
{
	return (jinja_value) {.type = JINJA_INT, .integer = integer};
}

static inline jinja_value
jinja_float(double number)
{
	return (jinja_value) {.type = JINJA_FLOAT, .number = number};
}

/* Any kind that is a pointer; none where it is NULL, for which an error has been recorded. */
static inline jinja_value
jinja_object(jinja_type type, const void *object)
{
	if (object == NULL)
		return jinja_none();
	return (jinja_value) {.type = type, .object = (void *) object};
}

/* A copy of bytes that are valid UTF-8; of a zero-terminated string; the bytes themselves, kept. */
extern jinja_value jinja_text(jinja_state *s, const char *bytes, size_t length);
extern jinja_value jinja_string_of(jinja_state *s, const char *text);
extern jinja_value jinja_text_kept(jinja_state *s, const char *bytes, size_t length);
extern jinja_value jinja_format(jinja_state *s, const char *format, ...) TFM_PRINTF(2, 3);

/* One string after the other, in amortised linear time. */
extern jinja_value jinja_concat(jinja_state *s, const jinja_string *a, const jinja_string *b);

/* The same characters, marked as safe or not. */
extern jinja_value jinja_marked(jinja_state *s, const jinja_string *string, bool markup);

/* The part of a string between two characters. */
extern jinja_value jinja_substring(jinja_state *s, const jinja_string *string, size_t from,
								   size_t to);

/* Byte offset of a character (at most count). */
extern size_t jinja_offset(const jinja_string *string, size_t character);

extern jinja_list *jinja_list_create(jinja_state *s, size_t capacity);
extern bool jinja_append(jinja_state *s, jinja_list *list, jinja_value value);
extern jinja_value jinja_pair(jinja_state *s, jinja_value first, jinja_value second); /* a tuple */

extern jinja_value jinja_undefined_name(jinja_state *s, const jinja_string *name);
extern jinja_value jinja_undefined_hint(jinja_state *s, const char *format, ...) TFM_PRINTF(2, 3);
extern jinja_value jinja_undefined_member(jinja_state *s, jinja_value object, jinja_value member);

/* Raise what Jinja says when this is used.  Always returns none. */
extern jinja_value jinja_raise_undefined(jinja_state *s, const jinja_undefined *undefined);

/* ---- Dicts (dict.c) ---- */

extern jinja_dict *jinja_dict_create(jinja_state *s);

/* Put a value under a key, in place of what was there; false if the key is unhashable. */
extern bool jinja_put(jinja_state *s, jinja_dict *dict, jinja_value key, jinja_value value);
extern bool jinja_put_name(jinja_state *s, jinja_dict *dict, const char *key, jinja_value value);

/* The entry of a key, or NULL; an unhashable key is a TypeError. */
extern jinja_entry *jinja_find(jinja_state *s, const jinja_dict *dict, jinja_value key);
extern jinja_entry *jinja_find_string(const jinja_dict *dict, const jinja_string *key);
extern jinja_entry *jinja_find_name(const jinja_dict *dict, const char *key);

/* Take an entry out; the order of the others stays. */
extern void jinja_remove(jinja_dict *dict, jinja_entry *entry);

extern bool jinja_is_hashable(jinja_state *s, jinja_value value);

/* ---- Comparing (compare.c) ---- */

extern bool jinja_equal(jinja_state *s, jinja_value a, jinja_value b);
extern bool jinja_same(jinja_value a, jinja_value b); /* Python's "is" */
extern bool jinja_string_equal(const jinja_string *a, const jinja_string *b);
extern bool jinja_is_text(const jinja_string *a, const char *text);

/* Python's <, <=, >, >= ('<', 'l', '>', 'g'). */
extern bool jinja_order(jinja_state *s, char operator, jinja_value a, jinja_value b);
extern bool jinja_contains(jinja_state *s, jinja_value container, jinja_value item);

/* Sort a list in place, stably; keys, if given, are what is compared, item by item. */
extern bool jinja_sort(jinja_state *s, jinja_list *list, jinja_list *keys, bool reverse);

/* ---- What a value is ---- */

extern bool jinja_truth(jinja_state *s, jinja_value value);
extern const char *jinja_type_name(jinja_value value);						  /* Python's: "str" */
extern bool jinja_length(jinja_state *s, jinja_value value, int64_t *length); /* len() */
extern bool jinja_has_length(jinja_value value);
extern bool jinja_is_callable(jinja_value value);

/* The iterator over a value; NULL with a TypeError where there is none. */
extern jinja_iterator *jinja_iterate(jinja_state *s, jinja_value value);
extern bool jinja_is_iterable(jinja_value value);
extern bool jinja_next(jinja_state *s, jinja_iterator *iterator, jinja_value *value);
extern jinja_list *jinja_to_list(jinja_state *s, jinja_value value);  /* a list of its own */
extern jinja_value jinja_reversed(jinja_state *s, jinja_value value); /* MISSING: cannot be */
extern jinja_iterator *jinja_generator(jinja_state *s,
									   bool (*next)(jinja_state *, jinja_iterator *, jinja_value *),
									   jinja_value source, const jinja_call *call);

/* Item of a list, tuple, string or range by its place, from 0; none beyond. */
extern jinja_value jinja_item(jinja_state *s, jinja_value value, size_t place);

/* ---- Text of values (print.c) ---- */

extern bool jinja_write(jinja_state *s, jinja_output *output, const char *bytes, size_t length);
extern bool jinja_write_text(jinja_state *s, jinja_output *output, const char *text);
extern bool jinja_write_string(jinja_state *s, jinja_output *output, const jinja_string *string);
extern bool jinja_write_character(jinja_state *s, jinja_output *output, uint32_t character);
extern bool jinja_write_format(jinja_state *s, jinja_output *output, const char *format, ...)
	TFM_PRINTF(3, 4);
extern bool jinja_write_str(jinja_state *s, jinja_output *output, jinja_value value);
extern bool jinja_write_repr(jinja_state *s, jinja_output *output, jinja_value value);
extern jinja_value jinja_written(jinja_state *s, jinja_output *output);	 /* as a string */
extern const jinja_string *jinja_str(jinja_state *s, jinja_value value); /* str(); NULL: error */
extern const jinja_string *jinja_repr(jinja_state *s, jinja_value value);
extern jinja_value jinja_pprint(jinja_state *s, jinja_value value);

/* HTML escaping by MarkupSafe: its escape(). */
extern jinja_value jinja_escape(jinja_state *s, jinja_value value);

#endif
