/*
 * model_unigram.c
 *	  Unigram: of all ways to cut a word into tokens, the one whose scores have the greatest sum.
 *
 * The search is the library's encode_optimized, which is SentencePiece's: from each character on, all
 * tokens that begin there lengthen the best way to it.  A character that is no token itself may be
 * unknown, at a score below all others; unknown characters in a row are one token.
 *
 * Tokens are walked in a copy of the vocabulary's trie that has their scores.  Scores of ways are kept
 * only as far as a token reaches.  Most words are a token, and for most tokens nothing is better than
 * they themselves; which those are is found out when the vocabulary is compiled.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/compile.h"

#define UNKNOWN_PENALTY 10.0

/* Sums of scores below it are finite in a text of any length. */
#define SCORE_MAX 1e290

/* Then follow node_count nodes. */
typedef struct unigram_payload
{
	int32_t unknown_id; /* -1: none */
	uint32_t node_count;
	uint32_t longest;	   /* bytes of a token */
	uint32_t falls_back;   /* to tokens of bytes, where there are */
	double unknown_score;  /* of a character that is no token */
	int32_t byte_ids[256]; /* of the tokens <0x00> to <0xFF>; -1: none */
} unigram_payload;

/*
 * A node of the vocabulary's trie, in the same place, with the score of the token that ends there, or
 * -INFINITY: no way is better by a token that is none, so that nothing has to be asked.
 */
typedef struct scored_node
{
	uint32_t base; /* and NODE_WHOLE: a word that ends here is one token */
	uint32_t check;
	double score;
} scored_node;

#define NODE_WHOLE TRIE_TERMINAL

/* The last token of the best way to a place in the word. */
typedef struct step
{
	uint32_t node;	 /* where it ends in the trie; TRIE_NONE: an unknown character */
	uint32_t length; /* in bytes; 0: there is no way to here yet */
} step;

/* A search under way. */
typedef struct search
{
	tfm_context *context;
	tok_work *work; /* NULL while compiling */
	const unigram_payload *model;
	const scored_node *nodes;
	trie vocabulary;
	const char *text; /* the word */
	size_t length;
	step *steps;	/* length + 1 */
	double *scores; /* of the best ways to the next places: [place & mask]; else -INFINITY */
	size_t mask;
} search;

/* The number of bytes of the character that begins with this byte. */
static inline size_t
character_width(unsigned char first)
{
	return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* Note a way to a place, if it is the best so far. */
static inline void
reach(search *s, size_t place, double score, step last)
{
	double *best = &s->scores[place & s->mask];
	bool better = score > *best;

	*best = better ? score : *best;
	s->steps[place] = better ? last : s->steps[place];
}

/* Go on from a place with each token that begins there; true if its first character is one. */
static inline bool
follow_tokens(search *s, size_t start, size_t width)
{
	const scored_node *nodes = s->nodes;
	const unsigned char *text = (const unsigned char *) s->text + start;
	double before = s->scores[start & s->mask];
	size_t end = s->length - start > s->model->longest ? s->model->longest : s->length - start;
	uint32_t node = TRIE_ROOT;
	bool found = false;

	if (s->vocabulary.count == 0)
		return false;
	for (size_t i = 0; i < end && text[i] != 0;)
	{
		uint32_t child = (nodes[node].base & ~NODE_WHOLE) ^ text[i++];

		if (child >= s->vocabulary.count || nodes[child].check != node)
			break;
		node = child;
		reach(s, start + i, nodes[node].score + before,
			  (step) {.node = node, .length = (uint32_t) i});
		found |= i == width && nodes[node].score > -INFINITY;
	}
	return found;
}

static bool
fail_unknown(tfm_context *context)
{
	return tfm_fail(context, TFM_CORRUPTED,
					"a character is not in the vocabulary, which has no unknown token");
}

/* Find the best way to each place. */
static bool
find_ways(search *s)
{
	size_t polled = 0;

	memset(s->steps, 0, (s->length + 1) * sizeof(step));
	for (size_t i = 0; i <= s->mask && i <= s->length; i++)
		s->scores[i] = -INFINITY;
	s->scores[0] = 0;
	for (size_t place = 0; place < s->length;)
	{
		size_t width = character_width((unsigned char) s->text[place]);

		if (width > s->length - place)
			width = s->length - place;
		if (!follow_tokens(s, place, width))
		{
			double score = s->model->unknown_score + s->scores[place & s->mask];

			reach(s, place + width, score, (step) {.node = TRIE_NONE, .length = (uint32_t) width});
			if (s->model->unknown_id < 0 && s->steps[place + width].node == TRIE_NONE)
				return fail_unknown(s->context);
		}
		for (; width > 0; width--)
			s->scores[place++ & s->mask] = -INFINITY;
		if ((++polled & 0x3FF) == 0 && tfm_stopped(s->context))
			return false;
	}
	return true;
}

/* The number of places that the scores are kept of: more than a token or a character is long. */
static size_t
window_of(const unigram_payload *model)
{
	size_t window = 8;

	while (window <= model->longest)
		window *= 2;
	return window;
}

/* Put the arrays of a search into room for search_size bytes. */
static void
place_arrays(search *s, void *room)
{
	size_t window = window_of(s->model);

	s->mask = window - 1;
	s->scores = room;
	s->steps = (step *) (void *) (s->scores + window);
}

static size_t
search_size(const unigram_payload *model, size_t length)
{
	return window_of(model) * sizeof(double) + (length + 1) * sizeof(step);
}

/*
 * A score as the library reads it.  Its JSON parser (serde_json) takes the digits as a whole number
 * and multiplies or divides it by a power of ten, which is not always the number that is nearest.
 * The digits are those of the shortest number that reads back, which is what writers write.
 */
static double
read_score(double score)
{
	char text[40], power[32];
	const char *end = NULL;
	uint64_t digits = 0;
	long exponent;
	double result;

	for (int precision = DBL_DIG - 1; precision < DBL_DIG + 2; precision++)
	{
		snprintf(text, sizeof(text), "%.*e", precision, fabs(score));
		if (strtod(text, NULL) == fabs(score))
			break;
	}
	end = strchr(text, 'e');
	exponent = end == NULL ? 0 : strtol(end + 1, NULL, 10) + 1;
	while (end != NULL && end > text && end[-1] <= '0')
		end--;
	for (const char *p = text; end != NULL && p < end; p++)
		if (*p >= '0' && *p <= '9')
		{
			digits = digits * 10 + (uint64_t) (*p - '0');
			exponent--;
		}
	result = (double) digits;
	for (; exponent < -308; exponent += 308)
		result /= 1e308;
	snprintf(power, sizeof(power), "1e%ld", labs(exponent));
	if (exponent < 0)
		result /= strtod(power, NULL);
	else
		result *= strtod(power, NULL);
	return score < 0 ? -result : result;
}

/* An entry of the vocabulary, [token, score]. */
static bool
read_entry(tok_compiler *compiler, json entry, const char **token, double *score)
{
	json first = json_first(entry), second = json_next(first);

	if (!json_is_array(entry) || json_size(entry) != 2 || !json_is_string(first) ||
		!json_is_number(second) || !(fabs(json_as_number(second)) < SCORE_MAX))
		return tfm_fail(compiler->context, TFM_CORRUPTED,
						"\"%s\": \"vocab\" must be a list of tokens with their scores",
						compiler->source);
	*token = json_as_string(first);
	*score = json_as_number(second);
	return tok_check_token(compiler, *token);
}

/* The tokens; of equal ones the last counts.  scores[i] becomes that of token i. */
static bool
compile_tokens(tok_compiler *compiler, json vocabulary, bool exact, double *scores,
			   unigram_payload *model)
{
	tfm_context *context = compiler->context;
	size_t count = json_size(vocabulary), i = 0;
	trie_key *keys = tfm_alloc_array(context, count, sizeof(trie_key));

	if (keys == NULL)
		return false;
	compiler->model_size = compiler->settings.vocabulary_size = (int32_t) count;
	model->unknown_score = INFINITY;
	for (json entry = json_first(vocabulary); json_present(entry); entry = json_next(entry), i++)
	{
		const char *token = NULL;

		if (!read_entry(compiler, entry, &token, &scores[i]) ||
			!tok_compile_token(compiler, (int64_t) i, token))
			return false;
		if (!exact)
			scores[i] = read_score(scores[i]);
		if (scores[i] < model->unknown_score)
			model->unknown_score = scores[i];
		keys[i] = (trie_key) {
			.bytes = token,
			.length = (uint32_t) strlen(token),
			.value = (uint32_t) i,
			.rank = (uint32_t) (count - i),
		};
		if (keys[i].length > model->longest)
			model->longest = keys[i].length;
		if ((i & 0xFFF) == 0xFFF && tfm_stopped(context))
			return false;
	}
	model->unknown_score -= UNKNOWN_PENALTY;
	return tok_trie_build(context, keys, count, compiler->sections[TOK_SECTION_VOCABULARY]);
}

static void
find_bytes(const trie *vocabulary, unigram_payload *model)
{
	for (int byte = 0; byte < 256; byte++)
	{
		char token[8];

		snprintf(token, sizeof(token), "<0x%02X>", (unsigned) byte & 0xFF);
		model->byte_ids[byte] = (int32_t) tok_trie_find(vocabulary, token, strlen(token));
	}
}

static bool
append_nodes(tok_compiler *compiler, const trie *vocabulary, const double *scores, buffer *payload)
{
	for (uint32_t i = 0; i < vocabulary->count; i++)
	{
		uint32_t id = trie_value(vocabulary, i);
		scored_node node = {
			.base = vocabulary->nodes[i].base & ~TRIE_TERMINAL,
			.check = vocabulary->nodes[i].check,
			.score = id < (uint32_t) compiler->model_size ? scores[id] : -INFINITY,
		};

		if (!buffer_append(compiler->context, payload, &node, sizeof(node)))
			return false;
	}
	return true;
}

/* Mark the nodes of tokens that are the best way through themselves. */
static bool
mark_whole(tok_compiler *compiler, const trie *vocabulary, json tokens, buffer *payload)
{
	search s = {
		.context = compiler->context,
		.model = (const unigram_payload *) (const void *) payload->data,
		.vocabulary = *vocabulary,
	};
	scored_node *nodes = (scored_node *) (void *) (payload->data + sizeof(unigram_payload));
	void *room = tfm_alloc(compiler->context, search_size(s.model, s.model->longest));

	if (room == NULL)
		return false;
	s.nodes = nodes;
	place_arrays(&s, room);
	for (json entry = json_first(tokens); json_present(entry); entry = json_next(entry))
	{
		step last;

		s.text = json_as_string(json_first(entry));
		s.length = strlen(s.text);
		if (!find_ways(&s))
		{
			/* Of what is unknown in a token: nothing is known of it. */
			if (compiler->context->error.kind != TFM_CORRUPTED)
				return false;
			tfm_clear_error(compiler->context);
			continue;
		}
		last = s.steps[s.length];
		if (s.length > 0 && last.length == s.length && last.node != TRIE_NONE &&
			trie_value(vocabulary, last.node) != (uint32_t) s.model->unknown_id)
			nodes[last.node].base |= NODE_WHOLE;
	}
	return true;
}

static bool
compile_unigram(tok_compiler *compiler, json spec, buffer *payload)
{
	tfm_context *context = compiler->context;
	json vocabulary = json_member(spec, "vocab");
	size_t count = json_size(vocabulary);
	unigram_payload model = {
		.unknown_id = (int32_t) json_int(context, spec, "unk_id", -1, 0, INT32_MAX - 1),
		.falls_back = json_bool(context, spec, "byte_fallback", false),
	};

	bool exact = json_bool(context, spec, "exact_scores", compiler->config->exact_scores);
	double *scores = tfm_alloc_array(context, count, sizeof(double));
	trie tokens;

	if (scores == NULL || tfm_failed(context))
		return false;
	if (!json_is_array(vocabulary) || count > INT32_MAX / 2)
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\": key \"vocab\" must be a list",
						compiler->source);
	if (model.unknown_id >= (int64_t) count)
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\": \"unk_id\" is beyond the vocabulary",
						compiler->source);
	if (!compile_tokens(compiler, vocabulary, exact, scores, &model))
		return false;
	tokens = tok_compiled_trie(compiler, TOK_SECTION_VOCABULARY);
	model.node_count = tokens.count;
	find_bytes(&tokens, &model);
	return buffer_append(context, payload, &model, sizeof(model)) &&
		   append_nodes(compiler, &tokens, scores, payload) &&
		   mark_whole(compiler, &tokens, vocabulary, payload);
}

static bool
check_unigram(tfm_context *context, const tok_tokenizer *tokenizer, tok_payload payload)
{
	const unigram_payload *model = payload.bytes;
	int32_t limit = tokenizer->settings->id_limit;

	if (payload.length < sizeof(*model) || model->unknown_id < -1 || model->unknown_id >= limit ||
		model->longest > TOK_TOKEN_MAX || model->node_count != tokenizer->vocabulary.count ||
		(payload.length - sizeof(*model)) / sizeof(scored_node) < model->node_count)
		return tok_fail_damaged(context);
	for (int byte = 0; byte < 256; byte++)
		if (model->byte_ids[byte] < -1 || model->byte_ids[byte] >= limit)
			return tok_fail_damaged(context);
	return true;
}

/* The id of the last token of the best way to a place. */
static int32_t
id_at(const search *s, size_t place)
{
	uint32_t node = s->steps[place].node;
	uint32_t id = node == TRIE_NONE ? TRIE_NONE : trie_value(&s->vocabulary, node);

	return id < (uint32_t) s->work->tokenizer->settings->id_limit ? (int32_t) id
																  : s->model->unknown_id;
}

static bool
has_bytes(const search *s, size_t start, size_t end)
{
	for (size_t i = start; s->model->falls_back != 0 && i < end; i++)
		if (s->model->byte_ids[(unsigned char) s->text[i]] < 0)
			return false;
	return s->model->falls_back != 0;
}

/* One token for bytes start..end of the word.  It is shown as it stands in the text. */
static bool
push_token(search *s, int32_t id, size_t offset, size_t start, size_t end, int32_t word)
{
	tok_work *work = s->work;
	const char *token;
	tok_piece *piece;

	if (id < 0)
		return tok_fail_damaged(work->context);
	if (!tok_reserve_pieces(work, 1))
		return false;
	tok_push_piece(work, id, offset + start, offset + end, word);
	if (!work->texts)
		return true;
	token = tok_id_to_token(work->tokenizer, id);
	piece = &work->pieces.items[work->pieces.count - 1];
	piece->text_length = (uint32_t) (end - start);
	if (token != NULL && strncmp(token, s->text + start, end - start) == 0 &&
		token[end - start] == '\0')
		piece->text = token;
	else
		piece->text = tfm_strndup(work->context, s->text + start, end - start);
	return piece->text != NULL;
}

/* What is unknown: a token of the vocabulary after all, tokens of its bytes, or the unknown one. */
static bool
push_unknown(search *s, size_t offset, size_t start, size_t end, int32_t word)
{
	tok_work *work = s->work;
	uint32_t id = tok_trie_find(&s->vocabulary, s->text + start, end - start);

	if (id < (uint32_t) work->tokenizer->settings->id_limit)
		return push_token(s, (int32_t) id, offset, start, end, word);
	if (!has_bytes(s, start, end))
		return push_token(s, s->model->unknown_id, offset, start, end, word);
	if (!tok_reserve_pieces(work, end - start))
		return false;
	for (size_t i = end; i > start; i--)
		tok_push_piece(work, s->model->byte_ids[(unsigned char) s->text[i - 1]], offset + start,
					   offset + end, word);
	return true;
}

static void
reverse_pieces(tok_pieces *pieces, size_t first)
{
	for (size_t i = first, j = pieces->count; i + 1 < j; i++)
	{
		tok_piece piece = pieces->items[--j];

		pieces->items[j] = pieces->items[i];
		pieces->items[i] = piece;
	}
}

/* The tokens of the best way, from the end of the word back to its start. */
static bool
push_way(search *s, size_t offset, int32_t word)
{
	tok_work *work = s->work;
	size_t first = work->pieces.count;

	for (size_t end = s->length; end > 0;)
	{
		int32_t id = id_at(s, end);
		size_t start = end - s->steps[end].length;

		if (start >= end)
			return tok_fail_damaged(work->context);
		if (id == s->model->unknown_id)
		{
			while (start > 0 && id_at(s, start) == s->model->unknown_id &&
				   s->steps[start].length > 0 && s->steps[start].length <= start)
				start -= s->steps[start].length;
			if (!push_unknown(s, offset, start, end, word))
				return false;
		}
		else if (!push_token(s, id, offset, start, end, word))
			return false;
		end = start;
	}
	reverse_pieces(&work->pieces, first);
	return true;
}

/* The token that the whole word is, if nothing is better; -1: none, or it is to be found out. */
static int32_t
find_whole(const search *s)
{
	const scored_node *nodes = s->nodes;
	uint32_t node = TRIE_ROOT, id;

	if (s->length > s->model->longest)
		return -1;
	for (size_t i = 0; i < s->length; i++)
	{
		unsigned char byte = (unsigned char) s->text[i];
		uint32_t child = (nodes[node].base & ~NODE_WHOLE) ^ byte;

		if (child >= s->vocabulary.count || nodes[child].check != node || byte == 0)
			return -1;
		node = child;
	}
	if ((nodes[node].base & NODE_WHOLE) == 0)
		return -1;
	id = trie_value(&s->vocabulary, node);
	return id < (uint32_t) s->work->tokenizer->settings->id_limit ? (int32_t) id : -1;
}

static bool
run_unigram(tok_work *work, tok_payload payload, uint32_t start, uint32_t end, int32_t word)
{
	const unigram_payload *model = payload.bytes;
	search s = {
		.context = work->context,
		.work = work,
		.model = model,
		.nodes = (const scored_node *) (const void *) (model + 1),
		.vocabulary = work->tokenizer->vocabulary,
		.text = work->string.bytes + start,
		.length = end - start,
	};
	int32_t whole = s.vocabulary.count == 0 ? -1 : find_whole(&s);
	void *room;

	if (whole >= 0)
		return push_token(&s, whole, start, 0, s.length, word);
	room = tok_work_room(work, search_size(model, s.length));
	if (room == NULL)
		return false;
	place_arrays(&s, room);
	return find_ways(&s) && push_way(&s, start, word);
}

const tok_model tok_model_unigram = {
	.row = {"Unigram", compile_unigram},
	.check = check_unigram,
	.run = run_unigram,
};
