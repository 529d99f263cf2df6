/*
 * pipeline.h
 *	  What the parts of the tokenizer pipeline share: the opened tokenizer, the work of one encoding,
 *	  and the tables of component types.
 *
 * A component type ("BertNormalizer", "WordPiece", ...) is one row: how it is compiled from its JSON
 * object to a payload in the blob, and how it runs on that payload.  To add one, write its row in a
 * file of its own and name it in components.h and in the table of its stage in components.c.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_PIPELINE_H
#define TFM_TEXT_PIPELINE_H

#include "base/json.h"
#include "base/utf8.h"
#include "text/tokenizer.h"
#include "text/trie.h"

/* The source of what was put before a character, and stems from none; and back. */
#define TOK_BEFORE(character) (-1 - (character))

/*
 * The text in work, as bytes and, for each byte, the original character that it stems from (alignment
 * in the library: always one character).  Sources are kept only where offsets are wanted.
 */
typedef struct tok_string
{
	char *bytes;
	size_t length;
	size_t capacity;  /* of bytes, and of sources */
	int32_t *sources; /* NULL unless kept */
	bool keeps_sources;
} tok_string;

/* A part of the string: a word, or an added token. */
typedef struct tok_span
{
	uint32_t start, end; /* bytes of the string */
	int32_t added;		 /* id of an added token; -1: text that is still to be tokenized */
} tok_span;

typedef struct tok_spans
{
	tok_span *items;
	size_t count;
	size_t capacity;
} tok_spans;

/* A token as the model makes it. */
typedef struct tok_piece
{
	int32_t id;
	int32_t word;
	int32_t start, end; /* characters of the original text; 0 unless wanted */
	const char *text;	/* NULL unless wanted; zero-terminated in the blob, or in the arena */
	uint32_t text_length;
} tok_piece;

typedef struct tok_pieces
{
	tok_piece *items;
	size_t count;
	size_t capacity;
} tok_pieces;

/* A decomposed character that waits for its place in canonical order. */
typedef struct tok_mark
{
	uint32_t character;
	int32_t source;
	uint8_t class;
	bool first; /* of its decomposition */
} tok_mark;

typedef struct tok_marks
{
	tok_mark *items;
	size_t count;
	size_t capacity;
} tok_marks;

/* What one tok_encode works with; all arrays are in the scratch, which tok_work_end rolls back. */
typedef struct tok_work
{
	tfm_context *context;
	arena *scratch;
	arena_mark mark; /* of the scratch, as it was before */
	const tok_tokenizer *tokenizer;
	tok_string string; /* the text as normalised so far */
	tok_string next;   /* where a step writes to, before the two are swapped */
	size_t string_max; /* the most bytes that the string may become; 0: no limit */
	tok_spans spans;   /* its parts */
	size_t span;	   /* the one that the model is given */
	tok_spans next_spans;
	tok_spans raw;		 /* parts of the raw text */
	int32_t *characters; /* the character of each byte of the raw text; NULL unless wanted */
	tok_pieces pieces;	 /* tokens made so far */
	tok_marks marks;	 /* the normalizers' own */
	tok_marks unsorted;
	void *room; /* what tok_work_room gave last */
	size_t room_size;
	void *python;  /* the text that Python's passes rewrite; NULL at first */
	size_t wanted; /* pieces after which nothing more is needed */
	bool offsets;
	bool texts;
	bool at_start; /* the part in work begins where its text does */
	int32_t words; /* words made so far */
} tok_work;

/* Payload of a component: bytes in the blob, 8-byte aligned, whose length was only bounds-checked. */
typedef struct tok_payload
{
	const void *bytes;
	size_t length;
} tok_payload;

struct tok_compiler;

/* A component in a file being compiled: its spec, and where its payload goes. */
typedef bool (*tok_compile_function)(struct tok_compiler *compiler, json spec, buffer *payload);

/* What the rows of all tables begin with. */
typedef struct tok_row
{
	const char *type;			  /* as in tokenizer.json */
	tok_compile_function compile; /* NULL: there is no payload */
} tok_row;

/* Rewrites work->string (a text between added tokens) to work->next and swaps them. */
typedef struct tok_normalizer
{
	tok_row row;
	bool (*run)(tok_work *work, tok_payload payload);
} tok_normalizer;

/* Splits work->spans that are not added tokens; may rewrite the string as well. */
typedef struct tok_pre_tokenizer
{
	tok_row row;
	bool (*run)(tok_work *work, tok_payload payload);
	bool (*needs_sources)(tok_payload payload); /* even where no offsets are wanted; NULL: never */
} tok_pre_tokenizer;

/* Appends the pieces of a word, bytes start..end of work->string, all with that word number. */
typedef struct tok_model
{
	tok_row row;
	bool (*check)(tfm_context *context, const tok_tokenizer *tokenizer, tok_payload payload);
	bool (*run)(tok_work *work, tok_payload payload, uint32_t start, uint32_t end, int32_t word);
} tok_model;

/* Works on the compiler's layouts of special tokens around the texts; runs as data (layout.c). */
typedef struct tok_post_processor
{
	tok_row row;
} tok_post_processor;

/* Rewrites the texts of tokens, which are in the arena; at the end they are joined. */
typedef struct tok_decoder
{
	tok_row row;
	bool (*run)(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count);
} tok_decoder;

/* Resolved components of a stage, in the order in which they run. */
typedef struct tok_component
{
	union
	{
		const tok_normalizer *normalizer;
		const tok_pre_tokenizer *pre_tokenizer;
		const tok_model *model;
		const tok_decoder *decoder;
	} type;
	tok_payload payload;
} tok_component;

typedef struct tok_components
{
	tok_component *items;
	size_t count;
} tok_components;

/* Flags of an added token, and of an id. */
#define TOK_ADDED_SINGLE_WORD 1u
#define TOK_ADDED_LSTRIP 2u
#define TOK_ADDED_RSTRIP 4u
#define TOK_ADDED_NORMALIZED 8u
#define TOK_ADDED_SPECIAL 16u
#define TOK_ID_SKIPPED 1u /* left out by decode(skip_special_tokens = true) */
#define TOK_ID_SPECIAL 2u

/* An added token in the blob. */
typedef struct tok_added
{
	uint32_t content; /* offset of its zero-terminated content in the section of strings */
	uint32_t id;
	uint32_t flags;
	uint32_t padding;
} tok_added;

/*
 * A segment of what the post-processors make: a special token, or the tokens of a text.  Segments
 * that were made together are a part, which has at most one text; where an overflowing piece of that
 * text is laid out, the whole part is as it says for overflowing ones.
 */
typedef struct tok_look
{
	int32_t type_id;
	uint32_t ranges; /* bit n: it is in the part's range of sequence n */
} tok_look;

typedef struct tok_segment
{
	int32_t sequence; /* 0, 1; -1: a special token */
	int32_t id;		  /* of the special token */
	uint32_t text;	  /* of the special token: offset in the section of strings */
	uint32_t part;	  /* number of its part, from 0 */
	int32_t owner;	  /* number in the layout of the segment that is its part's text; -1: none */
	uint32_t special; /* 1: counts as special in the mask */
	uint32_t trims; /* TOK_TRIM_..., 4 bits for each time that offsets are trimmed, lowest first */
	uint32_t flags; /* TOK_SEGMENT_... */
	tok_look looks[2]; /* as it is, and for overflowing pieces */
} tok_segment;

#define TOK_SEGMENT_ONCE 1u /* left out where the text before it ends with that token already */

#define TOK_TRIM_SPACES 1u		 /* offsets leave out spaces at the ends of a token */
#define TOK_TRIM_PREFIX_SPACE 2u /* but not the one space that was put before the text */
#define TOK_TRIM_FIRST 4u		 /* the text is what its part begins with */

/* The layouts: of a text, a pair, each with special tokens, each without. */
#define TOK_LAYOUT_PAIR 1
#define TOK_LAYOUT_PLAIN 2
#define TOK_LAYOUT_COUNT 4

/* What Transformers does to what the decoders give. */
#define TOK_DECODE_CLEAN_UP 1u	 /* clean_up_tokenization_spaces */
#define TOK_DECODE_WORD_ENDS 2u	 /* CLIP: </w> is a space, no spaces at the ends */
#define TOK_DECODE_GROUPS 4u	 /* CTC: the same id in a row counts once, padding not at all */
#define TOK_DECODE_TIMESTAMPS 8u /* Whisper: no timestamps, and no prompt if special tokens go */

/* That it is one of Transformers' tokenizers in Python alone. */
#define TOK_PYTHON_ALONE 1u /* splits at added tokens and truncates as tokenization_python.py */
#define TOK_PYTHON_EARLY 2u /* the first normalizer runs before added tokens are looked for */

#define TOK_SIDE_PADS_LEFT 1u
#define TOK_SIDE_TRUNCATES_LEFT 2u

/* Whether type ids are given to the model: in Transformers 5, and where 4 is followed. */
#define TOK_TRAIT_TYPES 1u
#define TOK_TRAIT_TYPES_BEFORE 2u
#define TOK_TRAIT_SUBWORDS 4u /* the model marks tokens within a word by a prefix */

/* The settings in the blob. */
typedef struct tok_settings
{
	int64_t model_max_length;
	int32_t vocabulary_size;
	int32_t id_limit;
	int32_t special_ids[TOK_SPECIAL_COUNT];
	uint32_t segments[TOK_LAYOUT_COUNT]; /* of each layout */
	int32_t added_tokens[2]; /* that the post-processors say they add to a text, a pair */
	uint32_t trims;			 /* 1: some layout trims offsets */
	uint32_t decode_flags;	 /* TOK_DECODE_... */
	uint32_t sides;			 /* TOK_SIDE_... */
	uint32_t python;		 /* TOK_PYTHON_... */
	uint32_t traits;		 /* TOK_TRAIT_... */
} tok_settings;

/* The sections of the blob, in this order. */
typedef enum tok_section
{
	TOK_SECTION_SETTINGS,		  /* tok_settings */
	TOK_SECTION_STRINGS,		  /* zero-terminated strings */
	TOK_SECTION_TOKENS,			  /* uint32_t[id_limit]: offset in the strings; UINT32_MAX: none */
	TOK_SECTION_ID_FLAGS,		  /* uint8_t[id_limit] */
	TOK_SECTION_VOCABULARY,		  /* trie of the model's tokens to ids */
	TOK_SECTION_ADDED,			  /* tok_added[] */
	TOK_SECTION_ADDED_RAW,		  /* trie of those to be found in the raw text, to indexes */
	TOK_SECTION_ADDED_NORMALIZED, /* trie of those to be found in the normalised text */
	TOK_SECTION_SEGMENTS,		  /* tok_segment[] */
	TOK_SECTION_NORMALIZERS,	  /* component records */
	TOK_SECTION_PRE_TOKENIZERS,
	TOK_SECTION_MODEL,
	TOK_SECTION_DECODERS,
	TOK_SECTION_SPECIAL_TOKENS, /* JSON text: an object of names and contents */
	TOK_SECTION_TARGETS,		/* uint32_t[]: as the tokens, to decode with; empty: the same */
	TOK_SECTION_COUNT
} tok_section;

/* A trie of added tokens, with the first bytes that its keys have. */
typedef struct tok_matcher
{
	trie keys; /* to indexes of tok_added */
	bool starts[256];
	int only_start; /* the one first byte there is; -1: several */
} tok_matcher;

struct tok_tokenizer
{
	const tok_settings *settings;
	const char *strings;
	size_t strings_length;
	const uint32_t *tokens;
	const uint8_t *id_flags;
	const uint32_t *targets; /* what ids are decoded as */
	size_t target_count;	 /* 0: as their tokens */
	trie vocabulary;
	const tok_added *added;
	size_t added_count;
	tok_matcher raw, normalized;
	const tok_segment *segments;
	bool needs_sources; /* of characters, even where no offsets are wanted */
	tok_components normalizers, pre_tokenizers, models, decoders;
	tfm_text special_tokens; /* JSON text */
};

/* A string of the section of strings; "" for an offset outside. */
extern const char *tok_string_at(const tok_tokenizer *tokenizer, uint32_t offset);

/* The records of a section's components, resolved; fails for an unknown type. */
extern bool tok_resolve_components(tfm_context *context, tok_section section, const void *bytes,
								   size_t length, tok_components *components);

/*
 * work.c: taking and giving back the scratch of the context's arena, growing the parts of the work;
 * false with an error recorded.  A work that has begun ends, in success or not.
 */
extern bool tok_work_begin(tok_work *work, tfm_context *context);
extern void tok_work_end(tok_work *work);
extern void *tok_work_alloc(tok_work *work, size_t size); /* NULL on failure */

/* memcpy that stops, and is then false, when the call is cancelled; to may be as large as a text. */
extern bool tok_work_copy(tok_work *work, void *to, const void *from, size_t size);
extern void *tok_work_room(tok_work *work, size_t size); /* the same each time, if it is enough */
extern bool tok_reserve_string(tok_work *work, tok_string *string, size_t more);
extern bool tok_reserve_spans(tok_work *work, tok_spans *spans, size_t more);
extern bool tok_reserve_pieces(tok_work *work, size_t more);
extern bool tok_append_mark(tok_work *work, tok_marks *marks, tok_mark mark);
extern bool tok_append_span(tok_work *work, tok_spans *spans, size_t start, size_t end,
							int32_t added);
extern char *tok_copy_string(tok_work *work); /* of work->string, in the arena, zero-terminated */
extern void tok_swap_strings(tok_work *work);
extern void tok_swap_spans(tok_work *work);

/* Append a character that stems from the original character source. */
static inline bool
tok_append_character(tok_work *work, tok_string *string, uint32_t character, int32_t source)
{
	int width;

	if (string->capacity - string->length < 4 && !tok_reserve_string(work, string, 4))
		return false;
	width = utf8_encode(character, string->bytes + string->length);
	if (string->keeps_sources)
		for (int i = 0; i < width; i++)
			string->sources[string->length + (size_t) i] = source;
	string->length += (size_t) width;
	return true;
}

/* The original character of a byte of the string; 0 where sources are not kept. */
static inline int32_t
tok_source(const tok_string *string, size_t byte)
{
	return string->keeps_sources ? string->sources[byte] : 0;
}

/* Run the normalizers over work->string. */
extern bool tok_normalize(tok_work *work, const tok_components *normalizers);

/* Append a token for bytes start..end of the work's string.  Reserve first. */
extern void tok_push_piece(tok_work *work, int32_t id, size_t start, size_t end, int32_t word);

/* layout.c: truncate the pieces of the text (the first first_count) and the pair, and lay them out. */
extern bool tok_lay_out(tok_work *work, size_t first_count, bool pair,
						const tok_encode_options *options, tok_encoding *encoding);

/* truncate.c: the parts that remain of count tokens: the one kept, then those that overflow. */
typedef struct tok_part
{
	size_t start, stop;
} tok_part;

typedef struct tok_parts
{
	tok_part *items;
	size_t count;
} tok_parts;

extern bool tok_truncate(tfm_context *context, const tok_encode_options *options, int32_t added,
						 const size_t counts[2], bool pair, bool python, tok_parts parts[2]);

/* decode.c: what an id is decoded as, its token or that of the target's vocabulary; NULL if there is none. */
extern const char *tok_decoded_text(const tok_tokenizer *tokenizer, int32_t id);

/* decode_rules.c: TOK_DECODE_... before and after the decoders; ids may be left out in place. */
extern bool tok_filter_ids(tfm_context *context, const tok_tokenizer *tokenizer, int32_t *ids,
						   size_t *count, bool skip_special_tokens);
extern bool tok_polish(tfm_context *context, const tok_tokenizer *tokenizer, tok_cleaning cleaning,
					   tfm_text *text);

/* added.c: split a text at added tokens; spans of it in order, none for an empty text. */
extern bool tok_find_added(tok_work *work, const tok_matcher *matcher, const char *text,
						   size_t length, tok_spans *spans);
extern void tok_open_matcher(tok_matcher *matcher);

/*
 * python/added.c: the same as the tokenize() of Python tokenizers does it; what lies between spans is
 * left out.  The text becomes a copy, in the context, where a token and a word have become neighbours.
 * TOK_CUT as a trie's value is no token, but cuts the text.
 */
#define TOK_CUT 0x7FFFFFFEu
extern bool tok_find_added_python(tok_work *work, const tok_matcher *matcher, tfm_text *text,
								  tok_spans *spans);

#endif
