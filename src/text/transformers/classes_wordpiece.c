/*
 * classes_wordpiece.c
 *	  The classes around WordPiece, from vocab.txt.
 *
 * Each row follows transformers/models/<name>/tokenization_<name>.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/transformers/class.h"

#define NORMALIZER(clean_text, lowercase)                                                          \
	"{\"type\":\"BertNormalizer\",\"clean_text\":" clean_text                                      \
	",\"handle_chinese_chars\":$tokenize_chinese_chars,\"strip_accents\":$strip_accents,"          \
	"\"lowercase\":" lowercase "}"
#define BERT_NORMALIZER NORMALIZER("true", "$do_lower_case")
#define BERT_PRE_TOKENIZER "{\"type\":\"BertPreTokenizer\"}"
#define WORDPIECE_DECODER "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}"
#define WORDPIECE                                                                                  \
	"\"unk_token\":$unk_token,\"continuing_subword_prefix\":\"##\","                               \
	"\"max_input_chars_per_word\":100"

#define CASE_OPTIONS "\"do_lower_case\":true,\"tokenize_chinese_chars\":true,"
#define BERT_TOKENS                                                                                \
	"\"unk_token\":\"[UNK]\",\"sep_token\":\"[SEP]\",\"pad_token\":\"[PAD]\","                     \
	"\"cls_token\":\"[CLS]\",\"mask_token\":\"[MASK]\""

#define BERT_SINGLE "cls A sep"
#define BERT_PAIR "cls A sep B:1 sep:1"

/* What all rows share. */
#define WORDPIECE_CLASS                                                                            \
	.model = "WordPiece", .vocabulary = "vocab.txt", .model_options = WORDPIECE,                   \
	.pre_tokenizer = BERT_PRE_TOKENIZER
#define BERT_PARTS .normalizer = BERT_NORMALIZER, .decoder = WORDPIECE_DECODER
#define BERT_LAYOUT                                                                                \
	.options = "{" CASE_OPTIONS BERT_TOKENS "}", .single = BERT_SINGLE, .pair = BERT_PAIR
#define BERT_CLASS WORDPIECE_CLASS, BERT_PARTS, BERT_LAYOUT

/* Does not hand do_lower_case on. */
#define DPR_CLASS                                                                                  \
	WORDPIECE_CLASS, BERT_LAYOUT, .normalizer = NORMALIZER("true", "true"),                        \
								  .decoder = WORDPIECE_DECODER

const tok_class tok_classes_wordpiece[] = {
	{.name = "BertTokenizer", BERT_CLASS, .flags = TOK_CLASS_TYPES},
	{.name = "DistilBertTokenizer", BERT_CLASS},
	{.name = "DPRContextEncoderTokenizer", DPR_CLASS, .flags = TOK_CLASS_TYPES},
	{.name = "DPRQuestionEncoderTokenizer", DPR_CLASS, .flags = TOK_CLASS_TYPES},
	{.name = "DPRReaderTokenizer", DPR_CLASS},
	/* Has no __init__ of its own, so that it takes tokenizer.json, but lays out as BERT does. */
	{.name = "ConvBertTokenizer", BERT_CLASS, .flags = TOK_CLASS_AS_IS | TOK_CLASS_TYPES},
	{
		.name = "LayoutLMv2Tokenizer",
		WORDPIECE_CLASS,
		BERT_PARTS,
		.options = "{" CASE_OPTIONS "\"model_max_length\":512," BERT_TOKENS "}",
		.single = BERT_SINGLE,
		.pair = BERT_PAIR,
		.flags = TOK_CLASS_TYPES,
	},
	{
		.name = "FunnelTokenizer",
		WORDPIECE_CLASS,
		.normalizer = NORMALIZER("$clean_text", "$do_lower_case"),
		.options = "{" CASE_OPTIONS "\"clean_text\":true,"
				   "\"unk_token\":\"<unk>\",\"sep_token\":\"<sep>\",\"pad_token\":\"<pad>\","
				   "\"cls_token\":\"<cls>\",\"mask_token\":\"<mask>\",\"bos_token\":\"<s>\","
				   "\"eos_token\":\"</s>\",\"wordpieces_prefix\":\"##\"}",
		.decoder = "{\"type\":\"WordPiece\",\"prefix\":$wordpieces_prefix,\"cleanup\":true}",
		.single = "cls:2 A sep",
		.pair = "cls:2 A sep B:1 sep:1",
		.flags = TOK_CLASS_TYPES_BEFORE,
	},
	{
		.name = "MPNetTokenizer",
		WORDPIECE_CLASS,
		BERT_PARTS,
		.options = "{" CASE_OPTIONS
				   "\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":{\"content\":\"</s>\"},"
				   "\"sep_token\":{\"content\":\"</s>\"},\"cls_token\":{\"content\":\"<s>\"},"
				   "\"unk_token\":{\"content\":\"[UNK]\"},\"pad_token\":{\"content\":\"<pad>\"},"
				   "\"mask_token\":{\"content\":\"<mask>\",\"lstrip\":true}}",
		.post_processor = "{\"type\":\"RobertaProcessing\",\"sep\":[$sep_token],"
						  "\"cls\":[$cls_token],\"trim_offsets\":true,"
						  "\"add_prefix_space\":false}",
	},
	{
		.name = "SplinterTokenizer",
		WORDPIECE_CLASS,
		BERT_PARTS,
		.options = "{" CASE_OPTIONS BERT_TOKENS ",\"question_token\":\"[QUESTION]\","
				   "\"padding_side\":\"right\"}",
		.single = BERT_SINGLE,
		.pair = "cls A question '.' sep B:1 sep:1",
		.flags = TOK_CLASS_TYPES_BEFORE,
	},
	{.name = NULL},
};
