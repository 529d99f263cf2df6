/*
 * dict.c
 *	  Dicts that keep the order of their keys, with Python's idea of equal keys.
 *
 * A few entries are searched one after the other; more have a table of open addressing over them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja/number.h"

#define FEW 8

static uint64_t
mix(uint64_t hash)
{
	hash ^= hash >> 32;
	hash *= 0x9E3779B97F4A7C15u;
	return hash ^ hash >> 29;
}

static uint64_t
hash_bytes(const char *bytes, size_t length)
{
	uint64_t hash = 0xCBF29CE484222325u ^ length;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char) bytes[i]) * 0x100000001B3u;
	return mix(hash);
}

/* Equal numbers have equal hashes, whatever their types. */
static uint64_t
hash_number(jinja_value value)
{
	value = jinja_as_int(value);
	if (value.type == JINJA_FLOAT)
	{
		if (!(fabs(value.number) < 9.2e18))
			return 1;
		if (value.number != trunc(value.number))
			return mix((uint64_t) (int64_t) (value.number * 1024) + 3);
		value = jinja_int((int64_t) value.number);
	}
	return value.type == JINJA_INT && llabs(value.integer) < 9200000000000000000
			   ? mix((uint64_t) value.integer)
			   : 1;
}

static bool hash_value(jinja_state *s, jinja_value value, uint64_t *hash);

static bool
hash_tuple(jinja_state *s, const jinja_list *list, uint64_t *hash)
{
	bool good = jinja_enter(s);

	*hash = 7;
	for (size_t i = 0; good && i < list->count; i++)
	{
		uint64_t item;

		good = hash_value(s, list->items[i], &item) && jinja_step(s, 1);
		*hash = good ? mix(*hash ^ item) : 0;
	}
	jinja_leave(s);
	return good;
}

/* False for what cannot be hashed, or where a limit is hit. */
static bool
hash_value(jinja_state *s, jinja_value value, uint64_t *hash)
{
	*hash = (uint64_t) value.type;
	if (value.type == JINJA_STRING)
	{
		*hash = hash_bytes(value.string->data, value.string->bytes);
		return jinja_step(s, value.string->bytes / 64);
	}
	if (jinja_is_number(value))
		*hash = hash_number(value);
	else if (value.type == JINJA_TUPLE)
		return hash_tuple(s, value.list, hash);
	return value.type != JINJA_LIST && value.type != JINJA_DICT &&
		   (value.type != JINJA_VIEW || value.view->kind == JINJA_VALUES);
}

bool
jinja_is_hashable(jinja_state *s, jinja_value value)
{
	uint64_t hash;

	return hash_value(s, value, &hash);
}

/* Say which part of a value is at fault. */
static void
raise_unhashable(jinja_state *s, jinja_value key)
{
	for (size_t i = 0; key.type == JINJA_TUPLE && i < key.list->count; i++)
		if (!jinja_is_hashable(s, key.list->items[i]))
		{
			key = key.list->items[i];
			i = (size_t) -1;
		}
	jinja_raise(s, "unhashable type: '%s'", jinja_type_name(key));
}

/* ---- Looking up ---- */

typedef struct probe
{
	jinja_state *s; /* NULL: the key is a string */
	jinja_value key;
	uint64_t hash;
} probe;

static bool
matches(const probe *p, const jinja_entry *entry)
{
	if (entry->hash != p->hash || entry->key.type == JINJA_MISSING)
		return false;
	if (p->key.type == JINJA_STRING && entry->key.type == JINJA_STRING)
		return jinja_string_equal(p->key.string, entry->key.string);
	return p->s != NULL &&
		   (jinja_same(p->key, entry->key) || jinja_equal(p->s, p->key, entry->key));
}

static jinja_entry *
search(const jinja_dict *dict, const probe *p)
{
	if (dict->table == NULL)
	{
		for (size_t i = 0; i < dict->count; i++)
			if (matches(p, &dict->entries[i]))
				return &dict->entries[i];
		return NULL;
	}
	for (size_t i = p->hash & (dict->table_size - 1); dict->table[i] != 0;
		 i = (i + 1) & (dict->table_size - 1))
		if (matches(p, &dict->entries[dict->table[i] - 1]))
			return &dict->entries[dict->table[i] - 1];
	return NULL;
}

jinja_entry *
jinja_find_string(const jinja_dict *dict, const jinja_string *key)
{
	probe p = {.key = {.type = JINJA_STRING, .string = key},
			   .hash = hash_bytes(key->data, key->bytes)};

	return search(dict, &p);
}

jinja_entry *
jinja_find_name(const jinja_dict *dict, const char *key)
{
	jinja_string string = {.data = key, .bytes = strlen(key)};

	return jinja_find_string(dict, &string);
}

jinja_entry *
jinja_find(jinja_state *s, const jinja_dict *dict, jinja_value key)
{
	probe p = {.s = s, .key = key};

	if (!hash_value(s, key, &p.hash))
	{
		raise_unhashable(s, key);
		return NULL;
	}
	jinja_step(s, 1);
	return search(dict, &p);
}

/* ---- Changing ---- */

jinja_dict *
jinja_dict_create(jinja_state *s)
{
	return jinja_alloc_zero(s, sizeof(jinja_dict));
}

static void
enter_in_table(jinja_dict *dict, size_t entry)
{
	size_t i = dict->entries[entry].hash & (dict->table_size - 1);

	while (dict->table[i] != 0)
		i = (i + 1) & (dict->table_size - 1);
	dict->table[i] = (uint32_t) entry + 1;
}

static void
fill_table(jinja_dict *dict)
{
	memset(dict->table, 0, dict->table_size * sizeof(*dict->table));
	for (size_t i = 0; i < dict->count; i++)
		enter_in_table(dict, i);
}

static bool
grow(jinja_state *s, jinja_dict *dict)
{
	size_t capacity = dict->capacity > 0 ? dict->capacity * 2 : 4;
	jinja_entry *entries;
	uint32_t *table = NULL;

	if (capacity > UINT32_MAX / 4)
		return jinja_fail(s, TFM_LIMIT_EXCEEDED, s->line, "a dict is too big");
	entries = jinja_alloc(s, capacity * sizeof(*entries));
	if (capacity > FEW)
		table = jinja_alloc(s, capacity * 2 * sizeof(*table));
	if (entries == NULL || (capacity > FEW && table == NULL) || !jinja_step(s, capacity))
		return false;
	if (dict->count > 0)
		memcpy(entries, dict->entries, dict->count * sizeof(*entries));
	dict->entries = entries;
	dict->capacity = capacity;
	dict->table = table;
	dict->table_size = capacity * 2;
	if (table != NULL)
		fill_table(dict);
	return true;
}

bool
jinja_put(jinja_state *s, jinja_dict *dict, jinja_value key, jinja_value value)
{
	jinja_entry *entry;

	if (dict == NULL)
		return false;
	entry = jinja_find(s, dict, key);
	if (tfm_failed(s->context))
		return false;
	if (entry != NULL)
	{
		entry->value = value;
		return true;
	}
	if (dict->count == dict->capacity && !grow(s, dict))
		return false;
	dict->entries[dict->count] = (jinja_entry) {.key = key, .value = value};
	if (!hash_value(s, key, &dict->entries[dict->count].hash))
		return false;
	dict->count++;
	if (dict->table != NULL)
		enter_in_table(dict, dict->count - 1);
	return true;
}

bool
jinja_put_name(jinja_state *s, jinja_dict *dict, const char *key, jinja_value value)
{
	jinja_value name = jinja_string_of(s, key);

	return name.type == JINJA_STRING && jinja_put(s, dict, name, value);
}

void
jinja_remove(jinja_dict *dict, jinja_entry *entry)
{
	size_t place = (size_t) (entry - dict->entries);

	memmove(entry, entry + 1, (dict->count - place - 1) * sizeof(*entry));
	dict->count--;
	if (dict->table != NULL)
		fill_table(dict);
}
