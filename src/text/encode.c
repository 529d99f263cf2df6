/*
 * encode.c
 *	  The way of a text through the pipeline.
 *
 * The text is first split at the added tokens that are found in it raw; each part between them is
 * then normalised, split at those that are found normalised, split into words, and tokenized.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/pipeline.h"

#include <string.h>

#include "base/utf8.h"

#define TEXT_MAX ((size_t) 256 * 1024 * 1024)

/* What normalizers may make of a text: many times its length, but no more than that, which a few
 * that replace a character by two could. */
#define STRING_FLOOR ((size_t) 4 * 1024 * 1024)
#define STRING_GROWTH 64

/* Bytes that are numbered between two looks at whether to stop. */
#define NUMBERED_AT_ONCE ((size_t) 1 << 20)

/* Number the characters of the text, one entry for each byte. */
static bool
number_characters(tok_work *work, tfm_text text)
{
	int32_t character = -1;

	work->characters = tok_work_alloc(work, text.length * sizeof(int32_t));
	if (work->characters == NULL)
		return false;
	for (size_t i = 0; i < text.length; i++)
	{
		character += ((unsigned char) text.data[i] & 0xC0) != 0x80;
		work->characters[i] = character;
		if (i % NUMBERED_AT_ONCE == NUMBERED_AT_ONCE - 1 && tfm_stopped(work->context))
			return false;
	}
	return true;
}

/* A part of the raw text becomes the string in work. */
static bool
load_string(tok_work *work, const char *text, tok_span span)
{
	size_t length = span.end - span.start;

	work->string.length = work->next.length = 0;
	if (!tok_reserve_string(work, &work->string, length) ||
		!tok_work_copy(work, work->string.bytes, text + span.start, length))
		return false;
	if (work->string.keeps_sources &&
		!tok_work_copy(work, work->string.sources, work->characters + span.start,
					   length * sizeof(int32_t)))
		return false;
	work->string.length = length;
	return true;
}

/* The strings of the tokens from first on; those of added tokens were set before. */
static void
set_texts(tok_work *work, size_t first)
{
	for (size_t i = first; i < work->pieces.count; i++)
	{
		tok_piece *piece = &work->pieces.items[i];

		if (piece->text == NULL)
		{
			const char *token = tok_id_to_token(work->tokenizer, piece->id);

			piece->text = token == NULL ? "" : token;
			piece->text_length = (uint32_t) strlen(piece->text);
		}
	}
}

static bool
push_raw_added(tok_work *work, const char *text, tok_span span)
{
	tok_piece *piece;

	if (!tok_reserve_pieces(work, 1))
		return false;
	piece = &work->pieces.items[work->pieces.count++];
	*piece = (tok_piece) {.id = span.added, .word = work->words++};
	if (work->offsets)
	{
		piece->start = work->characters[span.start];
		piece->end = work->characters[span.end - 1] + 1;
	}
	/* In Python several contents may have one id, which stands for the last of them. */
	if (work->texts && (work->tokenizer->settings->python & TOK_PYTHON_ALONE) != 0)
		set_texts(work, work->pieces.count - 1);
	else if (work->texts)
	{
		piece->text = text + span.start;
		piece->text_length = span.end - span.start;
	}
	return true;
}

/* Tokenize the words and added tokens that the string in work has been split into. */
static bool
tokenize_spans(tok_work *work, const char *kept)
{
	const tok_component *model = &work->tokenizer->models.items[0];

	for (size_t i = 0; i < work->spans.count && work->pieces.count < work->wanted; i++)
	{
		tok_span span = work->spans.items[i];

		work->span = i;
		if (span.added < 0)
		{
			if (!model->type.model->run(work, model->payload, span.start, span.end, work->words++))
				return false;
		}
		else
		{
			if (!tok_reserve_pieces(work, 1))
				return false;
			tok_push_piece(work, span.added, span.start, span.end, work->words++);
			if (work->texts)
			{
				tok_piece *piece = &work->pieces.items[work->pieces.count - 1];

				piece->text = kept + span.start;
				piece->text_length = span.end - span.start;
			}
		}
		if ((i & 0x3FF) == 0x3FF && tfm_stopped(work->context))
			return false;
	}
	return true;
}

/*
 * The normalizers of a part of the text.  The first one of a Python tokenizer may have run on all of
 * the text before added tokens were looked for.
 */
static bool
normalize_part(tok_work *work)
{
	tok_components normalizers = work->tokenizer->normalizers;

	if ((work->tokenizer->settings->python & TOK_PYTHON_EARLY) != 0 && normalizers.count > 0)
	{
		normalizers.items++;
		normalizers.count--;
	}
	return tok_normalize(work, &normalizers);
}

/* A part of the raw text between added tokens. */
static bool
tokenize_part(tok_work *work, const char *text, tok_span part)
{
	const tok_tokenizer *t = work->tokenizer;
	size_t first = work->pieces.count;
	const char *kept = NULL;

	work->at_start = part.start == 0;
	if (!load_string(work, text, part))
		return false;
	if (!normalize_part(work))
		return false;
	work->spans.count = work->next_spans.count = 0;
	if (!tok_find_added(work, &t->normalized, work->string.bytes, work->string.length,
						&work->spans))
		return false;
	for (size_t i = 0; i < t->pre_tokenizers.count; i++)
	{
		const tok_component *component = &t->pre_tokenizers.items[i];

		if (!component->type.pre_tokenizer->run(work, component->payload) ||
			tfm_stopped(work->context))
			return false;
	}
	/* Texts of added tokens point into a copy that stays. */
	if (work->texts && t->normalized.keys.count > 0)
	{
		kept = tok_copy_string(work);
		if (kept == NULL)
			return false;
	}
	if (!tokenize_spans(work, kept))
		return false;
	if (work->texts)
		set_texts(work, first);
	return true;
}

/* The text becomes what the first normalizer makes of it. */
static bool
normalize_early(tok_work *work, tfm_text *text)
{
	tok_components first = work->tokenizer->normalizers;
	tok_string *string = &work->string;

	if (first.count == 0)
		return true;
	first.count = 1;
	if (!load_string(work, text->data, (tok_span) {.end = (uint32_t) text->length}) ||
		!tok_normalize(work, &first))
		return false;
	if (string->keeps_sources)
	{
		work->characters = tok_work_alloc(work, string->length * sizeof(int32_t));
		if (work->characters == NULL || !tok_work_copy(work, work->characters, string->sources,
													   string->length * sizeof(int32_t)))
			return false;
	}
	text->data = tok_copy_string(work);
	text->length = string->length;
	return text->data != NULL;
}

static bool
find_added(tok_work *work, tfm_text *text)
{
	const tok_tokenizer *t = work->tokenizer;

	if ((t->settings->python & TOK_PYTHON_ALONE) != 0)
		return tok_find_added_python(work, &t->raw, text, &work->raw);
	return tok_find_added(work, &t->raw, text->data, text->length, &work->raw);
}

static bool
tokenize_text(tok_work *work, tfm_text text)
{
	if (text.length > TEXT_MAX)
		return tfm_fail(work->context, TFM_LIMIT_EXCEEDED,
						"a text of %zu bytes is too long to tokenize", text.length);
	if (!utf8_valid(text.data, text.length))
		return tfm_fail(work->context, TFM_INVALID_ARGUMENT, "the text is not valid UTF-8");
	work->string_max = STRING_FLOOR + text.length * STRING_GROWTH;
	work->words = 0;
	work->raw.count = 0;
	if (work->string.keeps_sources && !number_characters(work, text))
		return false;
	if ((work->tokenizer->settings->python & TOK_PYTHON_EARLY) != 0 &&
		!normalize_early(work, &text))
		return false;
	if (!find_added(work, &text))
		return false;
	for (size_t i = 0; i < work->raw.count && work->pieces.count < work->wanted; i++)
	{
		tok_span span = work->raw.items[i];
		bool ok = span.added >= 0 ? push_raw_added(work, text.data, span)
								  : tokenize_part(work, text.data, span);

		if (!ok || ((i & 0x3FF) == 0x3FF && tfm_stopped(work->context)))
			return false;
	}
	return true;
}

/* Words that were split before: each is a text of its own, and all its tokens have its number. */
static bool
tokenize_words(tok_work *work, const tok_words *words)
{
	for (size_t i = 0; i < words->count && work->pieces.count < work->wanted; i++)
	{
		size_t first = work->pieces.count;

		if (!tokenize_text(work, words->items[i]))
			return false;
		for (size_t piece = first; piece < work->pieces.count; piece++)
			work->pieces.items[piece].word = (int32_t) i;
		if ((i & 0xFF) == 0xFF && tfm_stopped(work->context))
			return false;
	}
	return true;
}

static bool
tokenize_input(tok_work *work, const tok_words *input, bool split)
{
	return split ? tokenize_words(work, input) : tokenize_text(work, input->items[0]);
}

static bool
encode(tok_work *work, const tok_words *first, const tok_words *second, bool split,
	   const tok_encode_options *options, tok_encoding *encoding)
{
	size_t first_count;

	if (tfm_stopped(work->context) || !tokenize_input(work, first, split))
		return false;
	first_count = work->pieces.count;
	if (second != NULL && !tokenize_input(work, second, split))
		return false;
	return tok_lay_out(work, first_count, second != NULL, options, encoding);
}

static bool
encode_inputs(tfm_context *context, const tok_tokenizer *tokenizer, const tok_words *first,
			  const tok_words *second, bool split, const tok_encode_options *options,
			  tok_encoding *encoding)
{
	bool offsets = (options->want & TOK_WANT_OFFSETS) != 0;
	bool keeps_sources = offsets || tokenizer->needs_sources;
	bool trims = tokenizer->settings->trims != 0;
	tok_work work = {
		.tokenizer = tokenizer,
		.string = {.keeps_sources = keeps_sources},
		.next = {.keeps_sources = keeps_sources},
		.wanted = SIZE_MAX,
		.offsets = offsets,
		.texts = (options->want & TOK_WANT_TOKENS) != 0 || (offsets && trims),
	};
	bool ok;

	*encoding = (tok_encoding) {.count = 0};

	/* One token more than is kept shows that the text is too long; the others are not looked at. */
	if (options->max_length > 0 &&
		options->max_length >= tok_added_count(tokenizer, second != NULL) && second == NULL &&
		options->direction == TOK_TRUNCATE_RIGHT && (options->want & TOK_WANT_OVERFLOWING) == 0)
		work.wanted = (size_t) options->max_length + 1;
	if (!tok_work_begin(&work, context))
		return false;
	ok = encode(&work, first, second, split, options, encoding);
	tok_work_end(&work);
	return ok;
}

bool
tok_encode(tfm_context *context, const tok_tokenizer *tokenizer, tfm_text first,
		   const tfm_text *second, const tok_encode_options *options, tok_encoding *encoding)
{
	const tok_words inputs[2] = {{.items = &first, .count = 1}, {.items = second, .count = 1}};

	return encode_inputs(context, tokenizer, &inputs[0], second == NULL ? NULL : &inputs[1], false,
						 options, encoding);
}

bool
tok_encode_words(tfm_context *context, const tok_tokenizer *tokenizer, tok_words first,
				 const tok_words *second, const tok_encode_options *options, tok_encoding *encoding)
{
	return encode_inputs(context, tokenizer, &first, second, true, options, encoding);
}
