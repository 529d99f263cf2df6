/*
 * regex_match.c
 *	  Matching a compiled regular expression.
 *
 * The machine goes from instruction to instruction; where there is a choice it leaves an entry on its
 * stack, to which it comes back when it fails.  An atomic group or a look around leaves a frame: the
 * innermost is the topmost frame of the stack, and what lies above it is thrown away at its end.
 *
 * Whether it goes on from an instruction at a place to a match depends on nothing else (but in loops
 * whose turns may be empty, and in looks behind, which are left out).  So a branch that was taken
 * once, and has not led to a match, is not taken again at the same place, in this search or in the
 * next; and a loop over single characters remembers the last stretch on which going on has failed.
 * A branch in a look ahead may lead to its end many times: there it is remembered when it has failed,
 * and when it has succeeded.  Memory for branches is taken only for a text that turns out to need it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/regex.h"

#include <string.h>

#include "text/character_class.h"
#include "text/compile.h"
#include "text/regex_program.h"

#define STEPS_MAX ((uint64_t) 1 << 25)
#define STEPS_PER_BYTE 256
#define VISITED_MAX ((size_t) 64 * 1024 * 1024)
#define STACK_MAX ((size_t) 1 << 24)
#define STOCK_STEPS 0x4000

static bool
check_instruction(const regex_header *header, const regex_instruction *i)
{
	uint32_t count = header->instruction_count;

	switch (i->operation)
	{
		case REGEX_STRING:
			return i->a <= header->string_length && i->b <= header->string_length - i->a;
		case REGEX_SET:
		case REGEX_RUN:
		case REGEX_RUN_POSSESSIVE:
		case REGEX_NEXT:
		case REGEX_PREVIOUS:
			return i->a < header->set_count &&
				   (i->run < TOK_REGEX_RUNS || i->run == UINT16_MAX ||
					(i->operation != REGEX_RUN && i->operation != REGEX_RUN_POSSESSIVE));
		case REGEX_ASSERT:
			return i->a < TOK_ASSERTION_COUNT &&
				   (i->b < header->set_count ||
					(i->a != TOK_WORD_BOUND && i->a != TOK_NO_WORD_BOUND));
		case REGEX_JUMP:
		case REGEX_LOOK_AHEAD:
		case REGEX_LOOK_BEHIND:
			return i->a < count;
		case REGEX_SPLIT:
			return i->a < count && i->b < count &&
				   (i->c < header->branch_count || i->c == REGEX_NONE);
		case REGEX_LOOP_CHECK:
			return i->a < TOK_REGEX_REGISTERS && i->b < count;
		case REGEX_LOOP_MARK:
			return i->a < TOK_REGEX_REGISTERS;
		default:
			return i->operation < REGEX_OPERATION_COUNT;
	}
}

static bool
check_program(const tok_regex *regex)
{
	const regex_header *header = regex->header;

	for (uint32_t i = 0; i < header->instruction_count; i++)
		if (!check_instruction(header, &regex->instructions[i]))
			return false;
	for (uint32_t i = 0; i < header->set_count; i++)
		if (regex->sets[i].first_range > header->range_count ||
			regex->sets[i].range_count > header->range_count - regex->sets[i].first_range)
			return false;
	/* It does not run over its end. */
	return header->instruction_count > 0 &&
		   regex->instructions[header->instruction_count - 1].operation == REGEX_MATCH;
}

bool
tok_regex_open(tok_regex *regex, tfm_context *context, arena *scratch, const void *program,
			   size_t length)
{
	const regex_header *header = program;
	uint64_t needed = sizeof(*header);

	if (length < sizeof(*header))
		return tok_fail_damaged(context);
	needed += (uint64_t) header->instruction_count * sizeof(regex_instruction);
	needed += (uint64_t) header->set_count * sizeof(regex_set);
	needed += (uint64_t) header->range_count * sizeof(tok_range);
	needed += header->string_length;
	if (needed > length)
		return tok_fail_damaged(context);
	regex->context = context;
	regex->scratch = scratch;
	regex->header = header;
	regex->instructions = (const void *) (header + 1);
	regex->sets = (const void *) (regex->instructions + header->instruction_count);
	regex->ranges = (const void *) (regex->sets + header->set_count);
	regex->strings = (const void *) (regex->ranges + header->range_count);
	regex->stack = regex->first_stack;
	regex->stack_capacity = TOK_REGEX_STACK;
	memset(regex->registers, 0, sizeof(regex->registers));
	tok_regex_forget(regex);
	return check_program(regex) || tok_fail_damaged(context);
}

void
tok_regex_forget(tok_regex *regex)
{
	regex->text = NULL;
}

static bool
is_in_ranges(const tok_range *ranges, size_t count, uint32_t character)
{
	tok_set set = {.items = (tok_range *) ranges, .count = count};

	return tok_set_has(&set, character);
}

/* Whether the character at a place is in a set; its length in bytes. */
static inline bool
is_member(const tok_regex *regex, const regex_set *set, size_t at, int *width)
{
	unsigned char byte = (unsigned char) regex->text[at];
	uint32_t character;

	if (byte < 0x80)
	{
		*width = 1;
		return (set->bits[byte >> 5] >> (byte & 31) & 1) != 0;
	}
	character = tok_character_at(regex->text + at, regex->length - at, width);
	if (character < 0x100)
		return (set->bits[character >> 5] >> (character & 31) & 1) != 0;
	return (tok_character_class(character) & set->classes) != 0 ||
		   (set->range_count > 0 &&
			is_in_ranges(regex->ranges + set->first_range, set->range_count, character));
}

static inline bool
is_next(const tok_regex *regex, uint32_t set, size_t at)
{
	int width;

	return at < regex->length && is_member(regex, &regex->sets[set], at, &width);
}

/* The start of the character before a place that is not the text's start. */
static inline size_t
step_back(const tok_regex *regex, size_t at)
{
	do
		at--;
	while (at > 0 && ((unsigned char) regex->text[at] & 0xC0) == 0x80);
	return at;
}

static bool
is_previous(const tok_regex *regex, uint32_t set, size_t at)
{
	int width;

	return at > 0 && is_member(regex, &regex->sets[set], step_back(regex, at), &width);
}

static bool
holds(const tok_regex *regex, const regex_instruction *i, size_t at)
{
	size_t left = regex->length - at;

	switch (i->a)
	{
		case TOK_LINE_START:
			return at == 0 || (regex->text[at - 1] == '\n' && left > 0);
		case TOK_LINE_END:
			return left == 0 || regex->text[at] == '\n';
		case TOK_TEXT_START:
			return at == 0;
		case TOK_TEXT_END:
			return left == 0;
		case TOK_LAST_LINE_END:
			return left == 0 || (left == 1 && regex->text[at] == '\n');
		case TOK_SEARCH_START:
			return at == regex->search_start;
		default:
			return (is_next(regex, i->b, at) != is_previous(regex, i->b, at)) ==
				   (i->a == TOK_WORD_BOUND);
	}
}

static bool
grow_stack(tok_regex *regex)
{
	size_t capacity = regex->stack_capacity * 2;
	tok_regex_entry *stack;

	if (capacity > STACK_MAX)
		return tfm_fail(regex->context, TFM_LIMIT_EXCEEDED,
						"the text is too long for the tokenizer's regular expression");
	stack = arena_alloc(regex->scratch, capacity * sizeof(tok_regex_entry));
	if (stack == NULL)
		return tfm_fail(regex->context, TFM_OUT_OF_MEMORY, "out of memory while tokenizing");
	memcpy(stack, regex->stack, regex->stack_count * sizeof(tok_regex_entry));
	regex->stack = stack;
	regex->stack_capacity = capacity;
	return true;
}

static inline bool
push(tok_regex *regex, uint32_t instruction, size_t at, uint32_t extra)
{
	if (regex->stack_count == regex->stack_capacity && !grow_stack(regex))
		return false;
	regex->stack[regex->stack_count++] =
		(tok_regex_entry) {instruction, (uint32_t) at, extra, regex->frame};
	return true;
}

/* The same for an entry that is a frame. */
static bool
push_frame(tok_regex *regex, uint32_t instruction, size_t at, uint32_t extra)
{
	if (!push(regex, instruction, at, extra))
		return false;
	regex->frame = (uint32_t) regex->stack_count - 1;
	return true;
}

/* A text is not searched for ever; what is visited is remembered when it takes longer than it should. */
static bool
take_stock(tok_regex *regex)
{
	size_t bits = regex->header->branch_count;
	size_t size;

	regex->next_stock = regex->steps + STOCK_STEPS;
	if (regex->steps > STEPS_MAX + STEPS_PER_BYTE * (uint64_t) regex->length)
		return tfm_fail(regex->context, TFM_LIMIT_EXCEEDED,
						"a regular expression of the tokenizer takes too long for the text");
	if (regex->remembers || bits == 0)
		return !tfm_stopped(regex->context);
	regex->remembers = true;
	size = bits <= VISITED_MAX * 8 / (regex->length + 1) ? (bits * (regex->length + 1) + 7) / 8 : 0;
	if (size == 0)
		return !tfm_stopped(regex->context);
	regex->visited = arena_alloc(regex->scratch, size);
	regex->succeeded = arena_alloc(regex->scratch, size);
	if (regex->visited == NULL || regex->succeeded == NULL)
		return tfm_fail(regex->context, TFM_OUT_OF_MEMORY, "out of memory while tokenizing");
	memset(regex->visited, 0, size);
	memset(regex->succeeded, 0, size);
	return !tfm_stopped(regex->context);
}

static inline bool
has_bit(const unsigned char *bits, size_t bit)
{
	return (bits[bit >> 3] >> (bit & 7) & 1) != 0;
}

static inline void
set_bit(unsigned char *bits, size_t bit)
{
	bits[bit >> 3] |= (unsigned char) (1 << (bit & 7));
}

/* Note that a branch is taken at a place; false if it was before. */
static inline bool
visit(tok_regex *regex, uint32_t branch, size_t at)
{
	size_t bit;

	if (regex->visited == NULL || branch == REGEX_NONE)
		return true;
	bit = at * regex->header->branch_count + branch;
	if (has_bit(regex->visited, bit))
		return false;
	set_bit(regex->visited, bit);
	return true;
}

/* Branches taken at the end of a match did lead to one. */
static void
forget_visits(tok_regex *regex, size_t at)
{
	size_t first = at * regex->header->branch_count;

	if (regex->visited == NULL)
		return;
	for (size_t bit = first; bit < first + regex->header->branch_count; bit++)
		regex->visited[bit >> 3] &= (unsigned char) ~(1 << (bit & 7));
}

/* Where the characters of a set end, from a place on; at the limit at the latest. */
static size_t
skip_set(const tok_regex *regex, const regex_set *set, size_t at, size_t limit)
{
	int width;

	while (at < limit && is_member(regex, set, at, &width))
		at += (size_t) width;
	return at;
}

/* The same for at most so many characters. */
static size_t
skip_some(const tok_regex *regex, const regex_set *set, size_t at, uint32_t most)
{
	int width;

	for (; most > 0 && at < regex->length && is_member(regex, set, at, &width); most--)
		at += (size_t) width;
	return at;
}

/* Where a run ends; what was scanned before is not scanned again. */
static size_t
find_run_end(tok_regex *regex, const regex_instruction *i, size_t at)
{
	tok_regex_run *run;

	if (i->c != TOK_UNBOUNDED)
		return skip_some(regex, &regex->sets[i->a], at, i->c);
	if (i->run == UINT16_MAX)
		return skip_set(regex, &regex->sets[i->a], at, regex->length);
	run = &regex->runs[i->run];
	if (at < run->start || at > run->end)
	{
		bool before = at < run->start && run->start <= run->end;
		size_t known = before ? run->start : regex->length;
		size_t end = skip_set(regex, &regex->sets[i->a], at, known);

		regex->steps += (end - at) / 8;
		run->start = (uint32_t) at;
		if (!before || end < known)
			run->end = (uint32_t) end;
	}
	return run->end;
}

/*
 * Go on from a place of a run, and leave an entry for those before it; false if all have failed.  *at is
 * the last place to go on from.
 */
static bool
leave_run(tok_regex *regex, uint32_t number, size_t least, size_t *at)
{
	const regex_instruction *i = &regex->instructions[number];
	tok_regex_run *run = i->run == UINT16_MAX || i->flag == 0 ? NULL : &regex->runs[i->run];

	if (run != NULL && run->failed_from <= *at && *at <= run->failed_end)
	{
		if (run->failed_from <= least)
			return false;
		*at = step_back(regex, run->failed_from);
	}
	return push(regex, number, *at, (uint32_t) least);
}

/* Take the least of a run, then all; false if there are too few. */
static bool
enter_run(tok_regex *regex, uint32_t number, size_t *at)
{
	const regex_instruction *i = &regex->instructions[number];
	size_t end = find_run_end(regex, i, *at);
	size_t least = *at;

	for (uint32_t count = 0; count < i->b; count++)
	{
		int width;

		if (least >= end)
			return false;
		tok_character_at(regex->text + least, regex->length - least, &width);
		least += (size_t) width;
	}
	*at = end;
	return i->operation == REGEX_RUN_POSSESSIVE || leave_run(regex, number, least, at);
}

/* Come back to a run: go on from one character less. */
static bool
retry_run(tok_regex *regex, const tok_regex_entry *entry, size_t *at)
{
	const regex_instruction *i = &regex->instructions[entry->instruction];
	tok_regex_run *run = i->run == UINT16_MAX || i->flag == 0 ? NULL : &regex->runs[i->run];
	size_t failed_end;

	if (run != NULL)
	{
		/* From entry->at it has failed: lengthen what is known, or begin anew. */
		failed_end = entry->at;
		if (run->failed_from > entry->at && run->failed_from <= run->failed_end &&
			step_back(regex, run->failed_from) == entry->at)
			failed_end = run->failed_end;
		if (!(run->failed_from <= entry->at && entry->at <= run->failed_end))
		{
			run->failed_from = entry->at;
			run->failed_end = (uint32_t) failed_end;
		}
	}
	if (entry->at <= entry->extra)
		return false;
	*at = step_back(regex, entry->at);
	return leave_run(regex, entry->instruction, entry->extra, at);
}

/* The next place, going back, at which the body of a look behind may begin; false if there is none. */
static bool
retry_behind(tok_regex *regex, const tok_regex_entry *entry, size_t *at)
{
	const regex_instruction *i = &regex->instructions[entry->instruction];
	size_t start = entry->extra, origin = entry->at;

	if (start == 0)
		return false;
	start = step_back(regex, start);
	if (i->c != TOK_UNBOUNDED)
	{
		size_t characters = 0;

		for (size_t byte = start; byte < origin; byte++)
			characters += ((unsigned char) regex->text[byte] & 0xC0) != 0x80;
		if (characters > i->c)
			return false;
	}
	*at = start;
	return push_frame(regex, entry->instruction, origin, (uint32_t) start);
}

/* The first place for the body of a look behind; false if the text does not go back so far. */
static bool
enter_behind(tok_regex *regex, uint32_t number, size_t *at)
{
	size_t start = *at, origin = *at;

	for (uint32_t count = 0; count < regex->instructions[number].b; count++)
	{
		if (start == 0)
			return false;
		start = step_back(regex, start);
	}
	*at = start;
	return push_frame(regex, number, origin, (uint32_t) start);
}

/* Throw away the innermost frame and what lies above it; the frame, or NULL in a damaged program. */
static const tok_regex_entry *
pop_frame(tok_regex *regex)
{
	const tok_regex_entry *frame;

	if (regex->frame == REGEX_NONE)
		return NULL;
	frame = &regex->stack[regex->frame];
	regex->stack_count = regex->frame;
	regex->frame = frame->frame;
	return frame;
}

/* The branches above the innermost frame have led to the end of its look ahead. */
static void
note_success(tok_regex *regex)
{
	for (size_t n = regex->frame + 1; n < regex->stack_count; n++)
	{
		const tok_regex_entry *entry = &regex->stack[n];
		const regex_instruction *i = &regex->instructions[entry->instruction];

		if (i->operation == REGEX_SPLIT && i->flag != 0 && i->c != REGEX_NONE)
			set_bit(regex->succeeded, (size_t) entry->at * regex->header->branch_count + i->c);
	}
}

/* The end of a look around: it holds if it is not negated. */
static bool
end_look(tok_regex *regex, uint32_t *next, size_t *at)
{
	const tok_regex_entry *frame;
	const regex_instruction *i;

	if (regex->frame != REGEX_NONE && regex->visited != NULL)
		note_success(regex);
	frame = pop_frame(regex);
	if (frame == NULL)
		return false;
	i = &regex->instructions[frame->instruction];
	*at = frame->at;
	*next = i->a;
	return i->flag == 0;
}

/* A branch in a look ahead. */
static bool
split_looking(tok_regex *regex, const regex_instruction *i, uint32_t *next, size_t *at)
{
	size_t bit = *at * regex->header->branch_count + i->c;

	if (regex->visited != NULL && i->c != REGEX_NONE)
	{
		if (has_bit(regex->visited, bit))
			return false;
		if (has_bit(regex->succeeded, bit))
			return end_look(regex, next, at);
	}
	if (!push(regex, *next - 1, *at, 0))
		return false;
	*next = i->a;
	return true;
}

/* Come back to a branch: take the second way, or note that both have failed in a look ahead. */
static bool
retry_split(tok_regex *regex, const tok_regex_entry *entry, uint32_t *next)
{
	const regex_instruction *i = &regex->instructions[entry->instruction];

	*next = i->b;
	if (i->flag == 0 || i->c == REGEX_NONE || regex->visited == NULL)
		return true;
	if (entry->extra == 0)
		return push(regex, entry->instruction, entry->at, 1);
	set_bit(regex->visited, (size_t) entry->at * regex->header->branch_count + i->c);
	return false;
}

/* Come back to the last choice: the instruction and the place to go on from; false if there is none. */
static bool
backtrack(tok_regex *regex, uint32_t *next, size_t *at)
{
	while (regex->stack_count > 0)
	{
		tok_regex_entry entry = regex->stack[--regex->stack_count];
		const regex_instruction *i = &regex->instructions[entry.instruction];

		regex->frame = entry.frame;
		regex->steps++;
		*at = entry.at;
		switch (i->operation)
		{
			case REGEX_SPLIT:
				if (retry_split(regex, &entry, next))
					return true;
				break;
			case REGEX_RUN:
				*next = entry.instruction + 1;
				if (retry_run(regex, &entry, at))
					return true;
				break;
			case REGEX_LOOP_MARK:
				regex->registers[i->a] = entry.extra;
				break;
			case REGEX_LOOK_BEHIND:
				*next = entry.instruction + 1;
				if (retry_behind(regex, &entry, at))
					return true;
				*at = entry.at;
				/* FALLTHROUGH */
			case REGEX_LOOK_AHEAD:
				*next = i->a;
				if (i->flag != 0)
					return true;
				break;
			default:
				break;
		}
		if (tfm_failed(regex->context))
			return false;
	}
	return false;
}

/* A loop's turn begins: where, and where the one before did. */
static bool
mark_loop(tok_regex *regex, uint32_t number, size_t at)
{
	uint32_t *mark = &regex->registers[regex->instructions[number].a];

	if (!push(regex, number, at, *mark))
		return false;
	*mark = (uint32_t) at;
	return true;
}

/* Whether the innermost frame's look behind began here. */
static bool
is_origin(const tok_regex *regex, size_t at)
{
	return regex->frame != REGEX_NONE && regex->stack[regex->frame].at == at;
}

/*
 * One instruction but those of match_at itself; false if it fails.  *next is the one after it, unless it
 * goes elsewhere.
 */
static bool
step(tok_regex *regex, const regex_instruction *i, uint32_t *next, size_t *at)
{
	uint32_t number = *next - 1;

	switch (i->operation)
	{
		case REGEX_RUN:
		case REGEX_RUN_POSSESSIVE:
			return enter_run(regex, number, at);
		case REGEX_ASSERT:
			return holds(regex, i, *at);
		case REGEX_NEXT:
			return is_next(regex, i->a, *at) == (i->flag == 0);
		case REGEX_PREVIOUS:
			return is_previous(regex, i->a, *at) == (i->flag == 0);
		case REGEX_LOOK_AHEAD:
		case REGEX_ATOMIC:
			return push_frame(regex, number, *at, 0);
		case REGEX_LOOK_BEHIND:
			if (enter_behind(regex, number, at))
				return true;
			*next = i->a;
			return i->flag != 0;
		case REGEX_BEHIND_END:
			return is_origin(regex, *at) && end_look(regex, next, at);
		case REGEX_LOOK_END:
			return end_look(regex, next, at);
		case REGEX_ATOMIC_END:
			return pop_frame(regex) != NULL;
		case REGEX_LOOP_MARK:
			return mark_loop(regex, number, *at);
		case REGEX_LOOP_CHECK:
			if (regex->registers[i->a] == *at)
				*next = i->b;
			return true;
		default:
			return false;
	}
}

/* Match at a place; *at becomes the end. */
static bool
match_at(tok_regex *regex, size_t *at)
{
	uint32_t next = 0;
	int width;

	regex->stack_count = 0;
	regex->frame = REGEX_NONE;
	for (;;)
	{
		const regex_instruction *i = &regex->instructions[next++];
		bool ok;

		if (++regex->steps >= regex->next_stock && !take_stock(regex))
			return false;
		switch (i->operation)
		{
			case REGEX_MATCH:
				return true;
			case REGEX_STRING:
				ok = i->b <= regex->length - *at &&
					 memcmp(regex->text + *at, regex->strings + i->a, i->b) == 0;
				if (ok)
					*at += i->b;
				break;
			case REGEX_SET:
				ok = *at < regex->length && is_member(regex, &regex->sets[i->a], *at, &width);
				if (ok)
					*at += (size_t) width;
				break;
			case REGEX_JUMP:
				next = i->a;
				continue;
			case REGEX_SPLIT:
				if (i->flag != 0)
				{
					ok = split_looking(regex, i, &next, at);
					break;
				}
				ok = visit(regex, i->c, *at) && push(regex, next - 1, *at, 0);
				if (ok)
					next = i->a;
				break;
			default:
				ok = step(regex, i, &next, at);
		}
		if (!ok && (tfm_failed(regex->context) || !backtrack(regex, &next, at)))
			return false;
	}
}

/* What is remembered belongs to one text. */
static void
begin_text(tok_regex *regex, const char *text, size_t length)
{
	regex->text = text;
	regex->length = length;
	regex->steps = 0;
	regex->next_stock = STOCK_STEPS;
	regex->visited = NULL;
	regex->remembers = false;
	for (int i = 0; i < TOK_REGEX_RUNS; i++)
		regex->runs[i] = (tok_regex_run) {.start = 1, .failed_from = 1};
}

bool
tok_regex_find(void *argument, const char *text, size_t length, size_t from, size_t *start,
			   size_t *end)
{
	tok_regex *regex = argument;
	const uint32_t *first = regex->header->first;
	bool has_first = regex->header->has_first != 0;
	int width;

	if (regex->text != text || regex->length != length)
		begin_text(regex, text, length);
	regex->search_start = from;
	for (size_t at = from; at <= length; at += (size_t) width)
	{
		unsigned char byte = at < length ? (unsigned char) text[at] : 0;

		if (!has_first || (at < length && (first[byte >> 5] >> (byte & 31) & 1) != 0))
		{
			size_t reached = at;

			if (match_at(regex, &reached))
			{
				forget_visits(regex, reached);
				*start = at;
				*end = reached;
				return true;
			}
			if (tfm_failed(regex->context))
				return false;
		}
		if (at == length)
			break;
		tok_character_at(text + at, length - at, &width);
	}
	return false;
}
