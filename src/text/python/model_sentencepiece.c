/*
 * model_sentencepiece.c
 *	  PythonSentencePiece: what the sentencepiece library itself encodes, for the classes that use it.
 *
 * Text is normalised (normalizer.cc), cut into pieces by Unigram, BPE or characters (unigram_model.cc,
 * bpe_model.cc, char_model.cc), and each piece looked up in the vocabulary of the class, which may be
 * another than that of the model.  Scores are added as the library does it, in floats.
 *
 * Where the model puts no space before a text, Transformers keeps the text's own one by encoding it
 * behind a prefix, the unknown token, whose pieces it then drops.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _GNU_SOURCE /* memmem */
#include "text/components.h"

#include <float.h>
#include <string.h>

#include "text/python/models.h"
#include "text/python/sentencepiece.h"
#include "text/sentencepiece.h"

#define UNKNOWN_PENALTY 10.0f
#define NONE UINT32_MAX
#define PREFIX_SIZE 64
#define SPACE "\xE2\x96\x81"
#define SPACE_LENGTH 3

/* Then: pieces, trie of pieces, trie of user-defined ones, units of the charsmap, its strings. */
typedef struct header
{
	int64_t unknown; /* of the vocabulary */
	uint32_t type;	 /* tok_sentencepiece_type */
	uint32_t flags;
	uint32_t unknown_piece;
	float lowest, highest; /* scores of normal pieces */
	uint32_t pieces, nodes, user_nodes, units, strings;
	uint32_t padding;
	char prefix[PREFIX_SIZE]; /* zero-terminated */
} header;

#define ADDS_PREFIX 1u
#define REMOVES_SPACES 2u
#define ESCAPES_SPACES 4u
#define SUFFIX 8u
#define FALLS_BACK 16u
#define CODES 32u			/* Marian: >>code<< at the beginning is a token */
#define PREFIXES_SPACES 64u /* what begins with a space is encoded behind the prefix */
#define PREFIXES_ALL 128u
#define LEAVES_SPACE                                                                               \
	256u /* SigLIP: without the space that is all there is before a special token */

typedef struct piece
{
	float score;
	uint32_t type; /* tok_unit_type */
} piece;

typedef struct model
{
	const header *header;
	const piece *pieces;
	trie keys, users;
	const uint32_t *units;
	const char *strings;
} model;

/* ---- Compiling ---- */

static float
min(float a, float b)
{
	return a < b ? a : b;
}

/* Pieces that text may become, and those that are taken as they are. */
static bool
compile_pieces(tok_compiler *compiler, const tok_sentencepiece *file, header *h, buffer *payload)
{
	tfm_context *context = compiler->context;
	trie_key *keys = tfm_alloc_array(context, file->count, sizeof(trie_key));
	trie_key *users = tfm_alloc_array(context, file->count, sizeof(trie_key));
	size_t count = 0, user_count = 0, before;

	h->lowest = FLT_MAX;
	h->highest = FLT_MIN;
	for (size_t i = 0; keys != NULL && users != NULL && i < file->count; i++)
	{
		const tok_unit *unit = &file->units[i];
		piece p = {.score = unit->score, .type = unit->type};
		trie_key key = {
			.bytes = unit->text,
			.length = (uint32_t) strlen(unit->text),
			.value = (uint32_t) i,
			.rank = (uint32_t) i,
		};

		if (!tok_check_token(compiler, unit->text) ||
			!buffer_append(context, payload, &p, sizeof(p)))
			return false;
		if (unit->type == TOK_UNIT_UNKNOWN)
			h->unknown_piece = (uint32_t) i;
		if (unit->type == TOK_UNIT_NORMAL)
		{
			h->lowest = min(h->lowest, unit->score);
			h->highest = -min(-h->highest, -unit->score);
		}
		if (key.length > 0 && (unit->type == TOK_UNIT_NORMAL || unit->type == TOK_UNIT_UNUSED ||
							   unit->type == TOK_UNIT_USER_DEFINED))
			keys[count++] = key;
		if (key.length > 0 && unit->type == TOK_UNIT_USER_DEFINED)
			users[user_count++] = key;
	}
	before = payload->length;
	if (tfm_failed(context) || !tok_trie_build(context, keys, count, payload))
		return false;
	h->nodes = (uint32_t) ((payload->length - before) / sizeof(trie_node));
	before = payload->length;
	if (!tok_trie_build(context, users, user_count, payload))
		return false;
	h->user_nodes = (uint32_t) ((payload->length - before) / sizeof(trie_node));
	return true;
}

static uint32_t
read_number(const char *bytes)
{
	const unsigned char *b = (const unsigned char *) bytes;

	return (uint32_t) b[0] | (uint32_t) b[1] << 8 | (uint32_t) b[2] << 16 | (uint32_t) b[3] << 24;
}

/* The length of the double array in bytes, the array, and zero-terminated strings. */
static bool
compile_charsmap(tok_compiler *compiler, const tok_sentencepiece *file, header *h, buffer *payload)
{
	tfm_context *context = compiler->context;
	tfm_text map = file->charsmap;
	uint32_t size = map.length < 4 ? 0 : read_number(map.data);

	if (map.length == 0)
		return true;
	if (map.length < 4 || size > map.length - 4 || size % 4 != 0)
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\": \"precompiled_charsmap\" is damaged",
						file->source);
	h->units = size / 4;
	h->strings = (uint32_t) (map.length - 4 - size);
	for (uint32_t i = 0; i < h->units; i++)
	{
		uint32_t unit = read_number(map.data + 4 + 4 * i);

		if (!buffer_append(context, payload, &unit, sizeof(unit)))
			return false;
	}
	return buffer_append(context, payload, map.data + 4 + size, h->strings);
}

/* Which texts are encoded behind the prefix. */
static bool
compile_prefix(tok_compiler *compiler, json spec, header *h)
{
	const char *prefix = json_string(compiler->context, spec, "prefix", NULL);
	const char *prefixed = json_string(compiler->context, spec, "prefixed", "");

	if (prefix == NULL)
		return !tfm_failed(compiler->context);
	if (strlen(prefix) >= PREFIX_SIZE)
		return tfm_fail(compiler->context, TFM_LIMIT_EXCEEDED,
						"\"%s\": the unknown token \"%s\" is too long", compiler->source, prefix);
	memcpy(h->prefix, prefix, strlen(prefix));
	h->flags |= strcmp(prefixed, "all") == 0 ? PREFIXES_ALL : PREFIXES_SPACES;
	return !tfm_failed(compiler->context);
}

static bool
compile_sentencepiece(tok_compiler *compiler, json spec, buffer *payload)
{
	tfm_context *context = compiler->context;
	const tok_sentencepiece *file = tok_python_read_model(compiler, spec);
	header h = {.type = 0};

	if (file == NULL || !tok_compile_token_map(compiler, json_member(spec, "vocab")))
		return false;
	h.type = file->type;
	h.flags =
		(file->add_dummy_prefix && !json_bool(context, spec, "no_dummy_prefix", false) ? ADDS_PREFIX
																					   : 0) |
		(file->remove_extra_whitespaces ? REMOVES_SPACES : 0) |
		(file->escape_whitespaces ? ESCAPES_SPACES : 0) |
		(file->treat_whitespace_as_suffix ? SUFFIX : 0) | (file->byte_fallback ? FALLS_BACK : 0) |
		(json_bool(context, spec, "leaves_space", false) ? LEAVES_SPACE : 0) |
		(json_bool(context, spec, "codes", false) ? CODES : 0);
	h.unknown = tok_python_unknown(compiler, spec);
	h.pieces = (uint32_t) file->count;
	if (file->type == TOK_SENTENCEPIECE_WORD)
		return tfm_fail(context, TFM_UNSUPPORTED,
						"\"%s\": SentencePiece models of words are not supported",
						compiler->source);
	if (!compile_prefix(compiler, spec, &h) || !buffer_append(context, payload, &h, sizeof(h)) ||
		!compile_pieces(compiler, file, &h, payload) ||
		!compile_charsmap(compiler, file, &h, payload))
		return false;
	memcpy(payload->data, &h, sizeof(h));
	return true;
}

static bool
open_model(tok_payload payload, model *m)
{
	const header *h = payload.bytes;
	uint64_t length;

	if (payload.length < sizeof(*h))
		return false;
	length = sizeof(*h) + (uint64_t) h->pieces * sizeof(piece) +
			 ((uint64_t) h->nodes + h->user_nodes) * sizeof(trie_node) + (uint64_t) h->units * 4 +
			 h->strings;
	if (length > payload.length)
		return false;
	m->header = h;
	m->pieces = (const piece *) (h + 1);
	m->keys.nodes = (const trie_node *) (const void *) (m->pieces + h->pieces);
	m->keys.count = h->nodes;
	m->users.nodes = m->keys.nodes + h->nodes;
	m->users.count = h->user_nodes;
	m->units = (const uint32_t *) (const void *) (m->users.nodes + h->user_nodes);
	m->strings = (const char *) (m->units + h->units);
	return true;
}

static bool
check_sentencepiece(tfm_context *context, const tok_tokenizer *tokenizer, tok_payload payload)
{
	model m;

	if (!open_model(payload, &m) || m.header->unknown < -1 ||
		memchr(m.header->prefix, '\0', PREFIX_SIZE) == NULL ||
		m.header->unknown >= tokenizer->settings->id_limit ||
		(m.header->strings > 0 && m.strings[m.header->strings - 1] != '\0'))
		return tok_fail_damaged(context);
	return true;
}

/* ---- Normalising ---- */

/* The longest key of the charsmap that the text begins with; its replacement, or NULL. */
static const char *
find_replacement(const model *m, const char *text, size_t length, size_t *matched)
{
	const char *found = NULL;
	size_t node = 0;
	uint32_t unit;

	if (m->header->units == 0)
		return NULL;
	unit = m->units[0];
	node ^= (unit >> 10) << ((unit & (1u << 9)) >> 6);
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) text[i];

		node ^= c;
		if (node >= m->header->units)
			break;
		unit = m->units[node];
		if ((unit & ((1u << 31) | 0xFF)) != c)
			break;
		node ^= (unit >> 10) << ((unit & (1u << 9)) >> 6);
		if (((unit >> 8) & 1) != 0 && node < m->header->units)
		{
			uint32_t value = m->units[node] & ((1u << 31) - 1);

			if (value < m->header->strings)
			{
				found = m->strings + value;
				*matched = i + 1;
			}
		}
	}
	return found;
}

/* What the text begins with becomes: a user-defined piece, a replacement, or its first character. */
static tfm_text
normalize_prefix(const model *m, const char *text, size_t length, size_t *consumed)
{
	const char *replacement;
	int width;

	if (m->users.count > 0 &&
		trie_longest(&m->users, TRIE_ROOT, text, length, consumed) != TRIE_NONE)
		return (tfm_text) {.data = text, .length = *consumed};
	replacement = find_replacement(m, text, length, consumed);
	if (replacement != NULL)
		return (tfm_text) {.data = replacement, .length = strlen(replacement)};
	utf8_decode(text, &width);
	*consumed = (size_t) width;
	return (tfm_text) {.data = text, .length = (size_t) width};
}

static bool
append(tok_work *work, const char *bytes, size_t length, int32_t source)
{
	tok_string *next = &work->next;

	if (!tok_reserve_string(work, next, length))
		return false;
	memcpy(next->bytes + next->length, bytes, length);
	for (size_t i = 0; next->keeps_sources && i < length; i++)
		next->sources[next->length + i] = source;
	next->length += length;
	return true;
}

static bool
append_space(tok_work *work, const model *m, int32_t source)
{
	bool escapes = (m->header->flags & ESCAPES_SPACES) != 0;

	return append(work, escapes ? SPACE : " ", escapes ? SPACE_LENGTH : 1, source);
}

static bool
append_normalized(tok_work *work, const model *m, tfm_text text, int32_t source)
{
	for (size_t i = 0; i < text.length; i++)
		if (text.data[i] == ' ' ? !append_space(work, m, source)
								: !append(work, text.data + i, 1, source))
			return false;
	return true;
}

static void
drop_last_spaces(tok_work *work, const model *m)
{
	bool escapes = (m->header->flags & ESCAPES_SPACES) != 0;
	size_t width = escapes ? SPACE_LENGTH : 1;
	tok_string *next = &work->next;

	while (next->length >= width &&
		   memcmp(next->bytes + next->length - width, escapes ? SPACE : " ", width) == 0)
		next->length -= width;
}

/* Normalizer::Normalize of bytes start..end of the string, to the end of the next one. */
static bool
normalize(tok_work *work, const model *m, size_t start, size_t end)
{
	uint32_t flags = m->header->flags;
	bool removes = (flags & REMOVES_SPACES) != 0, after_space = removes;
	const char *bytes = work->string.bytes;
	size_t consumed = 0;

	while (removes && start < end)
	{
		tfm_text first = normalize_prefix(m, bytes + start, end - start, &consumed);

		if (first.length != 1 || first.data[0] != ' ')
			break;
		start += consumed;
	}
	if (start == end)
		return true;
	if ((flags & (SUFFIX | ADDS_PREFIX)) == ADDS_PREFIX &&
		!append_space(work, m, tok_source(&work->string, start)))
		return false;
	for (; start < end; start += consumed)
	{
		tfm_text part = normalize_prefix(m, bytes + start, end - start, &consumed);

		for (; after_space && part.length > 0 && part.data[0] == ' '; part.length--)
			part.data++;
		if (part.length > 0)
		{
			if (!append_normalized(work, m, part, tok_source(&work->string, start)))
				return false;
			after_space = part.data[part.length - 1] == ' ';
		}
		after_space = after_space && removes;
	}
	if (removes)
		drop_last_spaces(work, m);
	return (flags & (SUFFIX | ADDS_PREFIX)) != (SUFFIX | ADDS_PREFIX) ||
		   append_space(work, m, tok_source(&work->string, end - 1));
}

/* ---- Pieces to tokens ---- */

/* Tokens of what was encoded, one piece after the other; unknown ones in a row are one token. */
typedef struct output
{
	tok_work *work;
	const model *model;
	size_t start, end; /* of unknown text that is not a token yet */
	int32_t word;
} output;

static bool
push_token(output *o, size_t start, size_t end, const char *text, size_t length)
{
	int32_t id = tok_python_id(o->work, text, length, "", (int32_t) o->model->header->unknown);

	if (id < 0 || !tok_reserve_pieces(o->work, 1))
		return false;
	tok_push_piece(o->work, id, start, end, o->word);
	return true;
}

static bool
flush_unknown(output *o)
{
	size_t start = o->start;

	o->start = o->end;
	return start == o->end ||
		   push_token(o, start, o->end, o->work->string.bytes + start, o->end - start);
}

static bool
push_piece(output *o, size_t start, size_t end, bool unknown)
{
	static const char hex[] = "0123456789ABCDEF";
	const char *bytes = o->work->string.bytes;

	if (unknown && (o->model->header->flags & FALLS_BACK) == 0)
	{
		if (o->start == o->end)
			o->start = start;
		o->end = end;
		return true;
	}
	if (!flush_unknown(o))
		return false;
	if (!unknown)
		return push_token(o, start, end, bytes + start, end - start);
	for (size_t i = start; i < end; i++)
	{
		unsigned char byte = (unsigned char) bytes[i];
		const char token[] = {'<', '0', 'x', hex[byte >> 4], hex[byte & 15], '>'};

		if (!push_token(o, i, i + 1, token, sizeof(token)))
			return false;
	}
	return true;
}

static size_t
width_of(const char *text)
{
	int width;

	utf8_decode(text, &width);
	return (size_t) width;
}

/* ---- Unigram: EncodeOptimized ---- */

typedef struct way
{
	float score;
	uint32_t from; /* NONE: nobody has come here */
	uint32_t unknown;
} way;

static void
offer(way *w, double score, uint32_t from, bool unknown)
{
	if (w->from == NONE || score > (double) w->score)
		*w = (way) {.score = (float) score, .from = from, .unknown = unknown};
}

static void
lengthen(const model *m, const char *text, size_t length, size_t from, way *ways)
{
	const header *h = m->header;
	double before = ways[from].score;
	size_t width = width_of(text + from);
	bool single = false;
	uint32_t node = TRIE_ROOT;

	for (size_t at = from; at < length && h->nodes > 0; at++)
	{
		uint32_t id;

		node = trie_step(&m->keys, node, (unsigned char) text[at]);
		if (node == TRIE_NONE)
			break;
		id = trie_value(&m->keys, node);
		if (id >= h->pieces || m->pieces[id].type == TOK_UNIT_UNUSED)
			continue;
		offer(&ways[at + 1],
			  (m->pieces[id].type == TOK_UNIT_USER_DEFINED
				   ? (double) ((float) (at + 1 - from) * h->highest) - 0.1
				   : (double) m->pieces[id].score) +
				  before,
			  (uint32_t) from, false);
		single = single || at + 1 - from == width;
	}
	if (!single)
		offer(&ways[from + width], (double) (h->lowest - UNKNOWN_PENALTY + ways[from].score),
			  (uint32_t) from, true);
}

static bool
encode_unigram(output *o, size_t start, size_t length)
{
	tok_work *work = o->work;
	const char *text = work->string.bytes + start;
	way *ways = tok_work_alloc(work, (length + 1) * sizeof(way));
	uint32_t *ends = tok_work_alloc(work, (length + 1) * sizeof(uint32_t));
	size_t at = length;

	if (ways == NULL || ends == NULL)
		return false;
	for (size_t i = 0; i <= length; i++)
		ways[i] = (way) {.from = i == 0 ? 0 : NONE};
	for (size_t i = 0, polled = 0; i < length; i += width_of(text + i))
	{
		lengthen(o->model, text, length, i, ways);
		if ((++polled & 0xFFF) == 0 && tfm_stopped(work->context))
			return false;
	}
	/* Back from the end, then forth. */
	for (; at > 0; at = ways[at].from)
		ends[ways[at].from] = (uint32_t) at;
	for (; at < length; at = ends[at])
		if (!push_piece(o, start + at, start + ends[at], ways[ends[at]].unknown != 0))
			return false;
	return true;
}

/* ---- BPE: the pair with the best score first ---- */

typedef struct symbol
{
	uint32_t start, end;
	uint32_t previous, next; /* NONE */
	bool frozen;
} symbol;

typedef struct pair
{
	float score;
	uint32_t left, right, length;
} pair;

typedef struct bpe
{
	output *o;
	const char *text;
	symbol *symbols;
	pair *heap;
	size_t count;
} bpe;

static bool
is_better(const pair *a, const pair *b)
{
	return a->score != b->score ? a->score > b->score : a->left < b->left;
}

static void
push_pair(bpe *b, pair p)
{
	size_t i = b->count++;

	for (; i > 0 && is_better(&p, &b->heap[(i - 1) / 2]); i = (i - 1) / 2)
		b->heap[i] = b->heap[(i - 1) / 2];
	b->heap[i] = p;
}

static pair
pop_pair(bpe *b)
{
	pair top = b->heap[0], last = b->heap[--b->count];
	size_t i = 0;

	for (;;)
	{
		size_t child = 2 * i + 1;

		if (child >= b->count)
			break;
		if (child + 1 < b->count && is_better(&b->heap[child + 1], &b->heap[child]))
			child++;
		if (!is_better(&b->heap[child], &last))
			break;
		b->heap[i] = b->heap[child];
		i = child;
	}
	b->heap[i] = last;
	return top;
}

static uint32_t
find_piece(const model *m, const char *text, size_t length)
{
	uint32_t id = m->header->nodes == 0 ? TRIE_NONE : tok_trie_find(&m->keys, text, length);

	return id < m->header->pieces ? id : NONE;
}

static void
note_pair(bpe *b, uint32_t left, uint32_t right)
{
	const symbol *l, *r;
	uint32_t id;

	if (left == NONE || right == NONE)
		return;
	l = &b->symbols[left];
	r = &b->symbols[right];
	if (l->frozen || r->frozen)
		return;
	id = find_piece(b->o->model, b->text + l->start, r->end - l->start);
	if (id != NONE)
		push_pair(b, (pair) {.score = b->o->model->pieces[id].score,
							 .left = left,
							 .right = right,
							 .length = r->end - l->start});
}

static uint32_t
list_symbols(bpe *b, size_t length)
{
	const model *m = b->o->model;
	uint32_t count = 0;

	for (size_t i = 0; i < length; count++)
	{
		size_t width = 0;
		bool frozen = m->users.count > 0 && trie_longest(&m->users, TRIE_ROOT, b->text + i,
														 length - i, &width) != TRIE_NONE;

		if (!frozen)
			width = width_of(b->text + i);
		b->symbols[count] = (symbol) {
			.start = (uint32_t) i,
			.end = (uint32_t) (i + width),
			.previous = count == 0 ? NONE : count - 1,
			.next = i + width >= length ? NONE : count + 1,
			.frozen = frozen,
		};
		i += width;
	}
	return count;
}

/* A merged symbol whose piece is unused falls apart again, at the place where it was merged. */
static bool
push_symbol(output *o, size_t start, size_t end)
{
	const model *m = o->model;
	const char *bytes = o->work->string.bytes;
	uint32_t id = find_piece(m, bytes + start, end - start);

	if (id != NONE && m->pieces[id].type == TOK_UNIT_UNUSED)
		return tfm_fail(o->work->context, TFM_UNSUPPORTED,
						"SentencePiece models of BPE with unused pieces are not supported");
	return push_piece(o, start, end, id == NONE);
}

static bool
encode_bpe(output *o, size_t start, size_t length)
{
	tok_work *work = o->work;
	bpe b = {
		.o = o,
		.text = work->string.bytes + start,
		.symbols = tok_work_alloc(work, length * sizeof(symbol)),
		.heap = tok_work_alloc(work, 3 * length * sizeof(pair)),
	};
	uint32_t count, polled = 0;

	if (b.symbols == NULL || b.heap == NULL)
		return false;
	count = list_symbols(&b, length);
	for (uint32_t i = 0; i < count; i++)
		note_pair(&b, i, b.symbols[i].next);
	while (b.count > 0)
	{
		pair p = pop_pair(&b);
		symbol *l = &b.symbols[p.left], *r = &b.symbols[p.right];

		if (l->start == l->end || r->start == r->end ||
			l->end - l->start + r->end - r->start != p.length)
			continue;
		l->end = r->end;
		l->next = r->next;
		if (r->next != NONE)
			b.symbols[r->next].previous = p.left;
		r->end = r->start;
		note_pair(&b, l->previous, p.left);
		note_pair(&b, p.left, l->next);
		if ((++polled & 0xFFFF) == 0 && tfm_stopped(work->context))
			return false;
	}
	for (uint32_t i = 0; i != NONE; i = b.symbols[i].next)
		if (!push_symbol(o, start + b.symbols[i].start, start + b.symbols[i].end))
			return false;
	return true;
}

static bool
encode_characters(output *o, size_t start, size_t length)
{
	const model *m = o->model;

	for (size_t i = start, width = 0; i < start + length; i += width)
	{
		const char *text = o->work->string.bytes + i;

		if (m->users.count == 0 ||
			trie_longest(&m->users, TRIE_ROOT, text, start + length - i, &width) == TRIE_NONE)
			width = width_of(text);
		if (!push_piece(o, i, i + width, find_piece(m, text, width) == NONE))
			return false;
	}
	return true;
}

static bool
encode(output *o, size_t start, size_t length)
{
	bool ok;

	o->start = o->end = start;
	switch (o->model->header->type)
	{
		case TOK_SENTENCEPIECE_UNIGRAM:
			ok = encode_unigram(o, start, length);
			break;
		case TOK_SENTENCEPIECE_BPE:
			ok = encode_bpe(o, start, length);
			break;
		default:
			ok = encode_characters(o, start, length);
	}
	return ok && flush_unknown(o);
}

/* The length of the language code that the word begins with; 0 if there is none. */
static uint32_t
find_code(const tok_work *work, uint32_t start, uint32_t end)
{
	const char *word = work->string.bytes + start;
	const char *stop =
		end - start < 2 || memcmp(word, ">>", 2) != 0 ? NULL : memmem(word, end - start, "<<", 2);

	return stop == NULL ? 0 : (uint32_t) (stop + 2 - word);
}

static bool
encode_normalized(output *o)
{
	tok_work *work = o->work;
	arena_mark mark;
	bool ok;

	if (work->string.length == 0)
		return true;
	if (!tok_reserve_pieces(work, work->string.length))
		return false;
	mark = arena_save(work->scratch);
	ok = encode(o, 0, work->string.length);
	arena_restore(work->scratch, mark);
	return ok;
}

/* What is encoded is the next string, which takes the other's place for the time. */
static bool
encode_part(output *o, size_t start, size_t end)
{
	size_t length = o->work->string.length;
	bool ok;

	o->work->next.length = 0;
	if (!normalize(o->work, o->model, start, end))
		return false;
	tok_swap_strings(o->work);
	ok = encode_normalized(o);
	tok_swap_strings(o->work);
	o->work->string.length = length;
	return ok;
}

static bool
begins_with_space(const tok_work *work, size_t start, size_t end)
{
	const char *text = work->string.bytes + start;

	return start < end && (*text == ' ' ||
						   (end - start >= SPACE_LENGTH && memcmp(text, SPACE, SPACE_LENGTH) == 0));
}

/* Put bytes at the end of the work's string that stem from where the source does. */
static bool
extend_string(tok_work *work, const char *bytes, size_t length, size_t source)
{
	tok_string *string = &work->string;

	if (!tok_reserve_string(work, string, length))
		return false;
	memcpy(string->bytes + string->length, bytes == NULL ? string->bytes + source : bytes, length);
	for (size_t i = 0; string->keeps_sources && i < length; i++)
		string->sources[string->length + i] = tok_source(string, source + (bytes == NULL ? i : 0));
	string->length += length;
	return true;
}

/* The text behind the prefix, whose pieces are those that it has alone, goes to the string's end. */
static bool
encode_prefixed(output *o, size_t start, size_t end)
{
	tok_work *work = o->work;
	tok_pieces *pieces = &work->pieces;
	size_t length = work->string.length, first = pieces->count, dropped;
	const char *prefix = o->model->header->prefix;
	bool ok;

	if (!extend_string(work, prefix, strlen(prefix), start) ||
		!encode_part(o, length, work->string.length))
		return false;
	dropped = pieces->count - first;
	pieces->count = first;
	ok = extend_string(work, NULL, end - start, start) &&
		 encode_part(o, length, work->string.length);
	work->string.length = length;
	if (!ok || pieces->count - first < dropped)
		return ok;
	pieces->count -= dropped;
	memmove(pieces->items + first, pieces->items + first + dropped,
			(pieces->count - first) * sizeof(tok_piece));
	return true;
}

/* Whether the pieces from first on are the one space that the text has before a special token. */
static bool
is_lone_space(const tok_work *work, size_t first, int32_t word)
{
	const tok_tokenizer *t = work->tokenizer;
	const tok_spans *raw = &work->raw;
	const char *token;

	if (word != 0 || work->pieces.count != first + 1 || raw->count < 2 || raw->items[1].added < 0 ||
		!tok_is_special(t, raw->items[1].added))
		return false;
	token = tok_id_to_token(t, work->pieces.items[first].id);
	return token != NULL && strcmp(token, SPACE) == 0;
}

static bool
run_sentencepiece(tok_work *work, tok_payload payload, uint32_t start, uint32_t end, int32_t word)
{
	model m;
	output o = {.work = work, .model = &m, .word = word};
	size_t first = work->pieces.count;
	uint32_t code, flags;

	if (!open_model(payload, &m))
		return tok_fail_damaged(work->context);
	flags = m.header->flags;
	code = (flags & CODES) != 0 ? find_code(work, start, end) : 0;
	if (code > 0 && !push_token(&o, start, start + code, work->string.bytes + start, code))
		return false;
	if ((flags & PREFIXES_ALL) != 0 ||
		((flags & PREFIXES_SPACES) != 0 && begins_with_space(work, start, end)))
	{
		if (!encode_prefixed(&o, start, end))
			return false;
	}
	else if (!encode_part(&o, start + code, end))
		return false;
	if ((flags & LEAVES_SPACE) != 0 && is_lone_space(work, first, word))
		work->pieces.count = first;
	return true;
}

const tok_model tok_model_python_sentencepiece = {
	.row = {"PythonSentencePiece", compile_sentencepiece},
	.check = check_sentencepiece,
	.run = run_sentencepiece,
};
