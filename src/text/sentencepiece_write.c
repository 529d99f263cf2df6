/*
 * sentencepiece_write.c
 *	  The tokenizer.json that stands for a SentencePiece model.
 *
 * Follows transformers/tokenization_utils_tokenizers.py (_convert_from_sentencepiece) and
 * convert_slow_tokenizer.py (SentencePieceExtractor, build_tokenizer_from_spm_proto).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/sentencepiece.h"

#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "text/trie.h"

#define REPLACE_SPACE                                                                              \
	"{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xE2\x96\x81\"}"
#define REPLACE_META                                                                               \
	"{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xE2\x96\x81\"},\"content\":\" \"}"

typedef struct writer
{
	tfm_context *context;
	const tok_sentencepiece *model;
	const tok_sentencepiece_options *options;
	buffer *out;
	trie units;		 /* of BPE: texts to ids; of equal texts the last */
	bool *is_repeat; /* of BPE: whether the unit's text stands before it */
	size_t written;	 /* tokens of the vocabulary */
} writer;

static bool
append(writer *w, const char *text)
{
	return buffer_append_string(w->context, w->out, text);
}

static bool
append_quoted(writer *w, const char *text)
{
	return json_append_string(w->context, w->out, text, strlen(text));
}

static bool
falls_back(const writer *w)
{
	return w->options->byte_fallback == 0 ? w->model->byte_fallback : w->options->byte_fallback > 0;
}

/* A token of Unigram with its score, or of BPE with its id. */
static bool
append_token(writer *w, const char *text, double score, bool scored)
{
	size_t id = w->written++;

	if (!append(w, id == 0 ? "" : ",") || (scored && !append(w, "[")) || !append_quoted(w, text))
		return false;
	return scored ? buffer_printf(w->context, w->out, ",%.17g]", score)
				  : buffer_printf(w->context, w->out, ":%zu", id);
}

static bool
is_first(const writer *w, const char *text)
{
	for (size_t i = 0; i < w->options->first_count; i++)
		if (strcmp(w->options->first[i].text, text) == 0)
			return true;
	return false;
}

static bool
append_vocabulary(writer *w, bool scored)
{
	const tok_sentencepiece_options *o = w->options;

	for (size_t i = 0; i < o->first_count; i++)
		if (!append_token(w, o->first[i].text, o->first[i].score, scored))
			return false;
	for (size_t i = o->skip; i < w->model->count; i++)
	{
		const tok_unit *unit = &w->model->units[i];

		if (!scored && o->distinct && (w->is_repeat[i] || is_first(w, unit->text)))
			continue;
		if (!append_token(w, unit->text, unit->score, scored) ||
			((i & 0xFFF) == 0xFFF && tfm_stopped(w->context)))
			return false;
	}
	for (size_t i = 0; i < o->last_count; i++)
		if (!append_token(w, o->last[i].text, o->last[i].score, scored))
			return false;
	return true;
}

static bool
write_unigram(writer *w)
{
	int32_t unknown = w->options->has_unk_id ? w->options->unk_id : w->model->unk_id;

	buffer_printf(w->context, w->out,
				  "{\"type\":\"Unigram\",\"exact_scores\":%s,\"byte_fallback\":%s,\"unk_id\":",
				  json_truth(w->options->exact_scores), json_truth(falls_back(w)));
	if (unknown < 0)
		append(w, "null");
	else
		buffer_printf(w->context, w->out, "%d", unknown);
	return append(w, ",\"vocab\":[") && append_vocabulary(w, true) && append(w, "]}");
}

/* The trie of the units, and which texts come again. */
static bool
index_units(writer *w)
{
	size_t count = w->model->count;
	trie_key *keys = tfm_alloc_array(w->context, count, sizeof(trie_key));
	buffer *nodes = buffer_create(w->context);

	w->is_repeat = tfm_alloc_array(w->context, count, sizeof(bool));
	if (keys == NULL || nodes == NULL || w->is_repeat == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		keys[i] = (trie_key) {
			.bytes = w->model->units[i].text,
			.length = (uint32_t) strlen(w->model->units[i].text),
			.value = (uint32_t) i,
			.rank = (uint32_t) (count - i),
		};
	if (!tok_trie_build(w->context, keys, count, nodes))
		return false;
	w->units = (trie) {
		.nodes = (const trie_node *) (const void *) nodes->data,
		.count = (uint32_t) (nodes->length / sizeof(trie_node)),
	};
	for (size_t i = 0; i < count; i++)
		w->is_repeat[keys[i].value] =
			i + 1 < count && strcmp(keys[i].bytes, keys[i + 1].bytes) == 0;
	return true;
}

/* The merges that make a unit: all ways to part it into two units, the shortest left one first. */
static bool
append_merges(writer *w, const char *text, bool *any)
{
	size_t length = strlen(text);
	uint32_t node = TRIE_ROOT;

	for (size_t i = 0; i + 1 < length; i++)
	{
		node = trie_step(&w->units, node, (unsigned char) text[i]);
		if (node == TRIE_NONE)
			break;
		if (trie_value(&w->units, node) == TRIE_NONE ||
			tok_trie_find(&w->units, text + i + 1, length - i - 1) == TRIE_NONE)
			continue;
		if (!append(w, *any ? ",[" : "[") || !json_append_string(w->context, w->out, text, i + 1) ||
			!append(w, ",") || !append_quoted(w, text + i + 1) || !append(w, "]"))
			return false;
		*any = true;
	}
	return true;
}

/*
 * generate_merges sorts by the id of what is made, then by the lengths of the parts.  Texts of units
 * are whole characters, so that two of them never part one.
 */
static bool
write_merges(writer *w)
{
	bool any = false;

	for (size_t i = 0; i < w->model->count; i++)
	{
		const char *text = w->model->units[i].text;

		if (tok_trie_find(&w->units, text, strlen(text)) == i && !append_merges(w, text, &any))
			return false;
		if ((i & 0xFFF) == 0xFFF && tfm_stopped(w->context))
			return false;
	}
	return true;
}

static bool
write_bpe(writer *w)
{
	const char *unknown =
		w->options->unk_token == NULL ? w->model->unk_piece : w->options->unk_token;

	if (!index_units(w))
		return false;
	buffer_printf(w->context, w->out,
				  "{\"type\":\"BPE\",\"dropout\":null,\"continuing_subword_prefix\":null,"
				  "\"end_of_word_suffix\":null,\"fuse_unk\":true,\"byte_fallback\":%s,"
				  "\"ignore_merges\":false,\"unk_token\":",
				  json_truth(falls_back(w)));
	return (*unknown == '\0' ? append(w, "null") : append_quoted(w, unknown)) &&
		   append(w, ",\"vocab\":{") && append_vocabulary(w, false) &&
		   append(w, "},\"merges\":[") && write_merges(w) && append(w, "]}");
}

/* Models of words and characters become BPE as well, as they do in Transformers. */
static bool
write_model(writer *w)
{
	tok_sentencepiece_type type = w->options->type == 0 ? w->model->type : w->options->type;

	if (tfm_failed(w->context))
		return false;
	return type == TOK_SENTENCEPIECE_UNIGRAM ? write_unigram(w) : write_bpe(w);
}

bool
tok_write_units(tfm_context *context, const tok_sentencepiece *model,
				const tok_sentencepiece_options *options, buffer *out)
{
	writer w = {.context = context, .model = model, .options = options, .out = out};

	return write_model(&w) && !tfm_failed(context);
}

bool
tok_write_charsmap(tfm_context *context, const tok_sentencepiece *model, buffer *out)
{
	if (model->charsmap.length == 0)
		return buffer_append_string(context, out, "null");
	return buffer_append_string(context, out,
								"{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"") &&
		   base64_encode(context, model->charsmap.data, model->charsmap.length, out) &&
		   buffer_append_string(context, out, "\"}");
}

/* A component of the options, with the charsmap put in. */
static bool
write_template(writer *w, const char *text)
{
	static const char mark[] = "%charsmap%";
	const char *found;

	while ((found = strstr(text, mark)) != NULL)
	{
		if (!buffer_append(w->context, w->out, text, (size_t) (found - text)))
			return false;
		text = found + strlen(mark);
		if (w->model->charsmap.length == 0 && *text == ',')
			text++;
		else if (!tok_write_charsmap(w->context, w->model, w->out))
			return false;
	}
	return append(w, text);
}

static bool
append_special(writer *w, size_t id, const char *text, bool special, bool *any)
{
	buffer_printf(w->context, w->out, "%s{\"id\":%zu,\"content\":", *any ? "," : "", id);
	*any = true;
	return append_quoted(w, text) &&
		   buffer_printf(w->context, w->out,
						 ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
						 "\"normalized\":false,\"special\":%s}",
						 json_truth(special));
}

bool
tok_write_special_units(tfm_context *context, const tok_sentencepiece *model, buffer *out)
{
	writer w = {.context = context, .model = model, .out = out};
	bool any = false;

	if (tfm_failed(context) || !append(&w, "["))
		return false;
	if (model->unk_id >= 0 &&
		!append_special(&w, (size_t) model->unk_id, model->unk_piece, true, &any))
		return false;
	for (size_t i = 0; i < model->count; i++)
	{
		const tok_unit *unit = &model->units[i];

		if ((unit->type == TOK_UNIT_CONTROL || unit->type == TOK_UNIT_USER_DEFINED) &&
			!append_special(&w, i, unit->text, unit->type == TOK_UNIT_CONTROL, &any))
			return false;
	}
	return append(&w, "]") && !tfm_failed(context);
}

bool
tok_write_sentencepiece(tfm_context *context, const tok_sentencepiece *model,
						const tok_sentencepiece_options *options, buffer *out)
{
	writer w = {.context = context, .model = model, .options = options, .out = out};
	const char *normalizer = options->normalizer, *decoder = options->decoder;

	if (normalizer == NULL)
		normalizer = "{\"type\":\"Sequence\",\"normalizers\":[%charsmap%," REPLACE_SPACE "]}";
	if (decoder == NULL)
		decoder = falls_back(&w) ? "{\"type\":\"Sequence\",\"decoders\":[" REPLACE_META
								   ",{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]}"
								 : "{\"type\":\"Sequence\",\"decoders\":[" REPLACE_META "]}";
	if (tfm_failed(context) || !append(&w, "{\"added_tokens\":"))
		return false;
	if (options->added_tokens != NULL)
		append(&w, options->added_tokens);
	else
		tok_write_special_units(context, model, out);
	append(&w, ",\"normalizer\":");
	write_template(&w, normalizer);
	append(&w, ",\"pre_tokenizer\":");
	append(&w, options->pre_tokenizer == NULL ? "null" : options->pre_tokenizer);
	append(&w, ",\"post_processor\":");
	append(&w, options->post_processor == NULL ? "null" : options->post_processor);
	append(&w, ",\"decoder\":");
	append(&w, decoder);
	return append(&w, ",\"model\":") && write_model(&w) && append(&w, "}") && !tfm_failed(context);
}
