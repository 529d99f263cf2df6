/*
 * classes_unigram.c
 *	  The classes around Unigram, from SentencePiece models.
 *
 * Each row follows transformers/models/<name>/tokenization_<name>.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/transformers/rules.h"

#define SPACES REPLACE("\"Regex\":\" {2,}\"", " ")
#define QUOTES REPLACE("\"String\":\"``\"", "\\\"") "," REPLACE("\"String\":\"''\"", "\\\"")
#define NO_ACCENTS TYPE("NFKD") "," TYPE("StripAccents")
#define PREFIX_SCHEME "$?add_prefix_space(always$|never$)"
#define WORDS(scheme)                                                                              \
	SEQUENCE("pretokenizers", TYPE("WhitespaceSplit") "," METASPACE(scheme, "true"))

/* Runs of white space to one space, composed, without any at the end. */
#define ONE_LINE                                                                                   \
	REPLACE("\"Regex\":\"\\\\s{2,}|[\\\\n\\\\r\\\\t]\"", " ")                                      \
	"," TYPE("NFC") ",{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true}"

#define MASK_LSTRIP ",\"mask_token\":{\"content\":\"<mask>\",\"lstrip\":true}"
#define ALBERT_TOKENS                                                                              \
	"\"bos_token\":\"[CLS]\",\"eos_token\":\"[SEP]\",\"sep_token\":\"[SEP]\","                     \
	"\"pad_token\":\"<pad>\",\"cls_token\":\"[CLS]\",\"mask_token\":\"[MASK]\""

#define T5_CLASS                                                                                   \
	.model = "Unigram", .vocabulary = "spiece.model",                                              \
	.options = "{\"eos_token\":\"</s>\",\"unk_token\":\"<unk>\",\"pad_token\":\"<pad>\"}",         \
	.normalizer = "$?charsmap(" PRECOMPILED "$|null$)", .pre_tokenizer = WORDS("always"),          \
	.decoder = METASPACE("always", "true"), .list_extras = tok_list_extra_ids

#define ALBERT_CLASS                                                                               \
	.model = "Unigram", .vocabulary = "spiece.model",                                              \
	.options = "{" ALBERT_TOKENS ",\"unk_token\":\"<unk>\",\"do_lower_case\":true,"                \
			   "\"keep_accents\":false,\"add_prefix_space\":true}",                                \
	.normalizer = SEQUENCE("normalizers",                                                          \
						   QUOTES "$?keep_accents($|," NO_ACCENTS                                  \
								  "$)$?do_lower_case(," TYPE("Lowercase") "$)$?charsmap("          \
																		  "," PRECOMPILED "$)"),   \
	.pre_tokenizer = WORDS(PREFIX_SCHEME), .decoder = METASPACE(PREFIX_SCHEME, "true"),            \
	.unk_id = 1

const tok_class tok_classes_unigram[] = {
	{
		.name = "T5Tokenizer",
		T5_CLASS,
		.single = "A eos",
		.pair = "A eos B eos",
		.change_units = tok_change_t5_units,
		.unk_id = 2,
	},
	{
		.name = "LasrTokenizer",
		T5_CLASS,
		.single = "A eos",
		.pair = "A eos B eos",
		.unk_id = 3,
		.decode_flags = TOK_DECODE_GROUPS,
	},
	{
		.name = "VideoPrismTokenizer",
		T5_CLASS,
		.change_units = tok_change_t5_units,
		.unk_id = 2,
	},
	{
		.name = "UdopTokenizer",
		.model = "Unigram",
		.vocabulary = "spiece.model",
		.options = "{\"eos_token\":\"</s>\",\"sep_token\":\"</s>\",\"unk_token\":\"<unk>\","
				   "\"pad_token\":\"<pad>\"}",
		.pre_tokenizer = WORDS("always"),
		.decoder = METASPACE("always", "true"),
		.single = "A eos",
		.pair = "A eos B eos",
		.unk_id = 2,
		.unk_rule = TOK_UNK_BY_TOKEN,
	},
	{
		.name = "XLMRobertaTokenizer",
		.model = "Unigram",
		.vocabulary = "sentencepiece.bpe.model",
		.options = "{" ROBERTA_TOKENS ",\"mask_token\":\"<mask>\",\"add_prefix_space\":true}",
		.normalizer = "$?charsmap(" PRECOMPILED "$|null$)",
		.pre_tokenizer = WORDS(PREFIX_SCHEME),
		.decoder = METASPACE(PREFIX_SCHEME, "true"),
		.single = "bos A eos",
		.pair = "bos A eos eos B eos",
		.change_units = tok_change_fairseq_units,
		.unk_id = 3,
	},
	{
		.name = "LayoutXLMTokenizer",
		.model = "Unigram",
		.vocabulary = "sentencepiece.bpe.model",
		.options = "{" ROBERTA_TOKENS MASK_LSTRIP ",\"add_prefix_space\":true}",
		.normalizer =
			SEQUENCE("normalizers",
					 "{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true}," REPLACE(
						 "\"Regex\":\" {2,}\"", "▁")),
		.pre_tokenizer = METASPACE(PREFIX_SCHEME, "true"),
		.decoder = METASPACE(PREFIX_SCHEME, "true"),
		.single = "cls A sep",
		.pair = "cls A sep sep B sep",
		.change_units = tok_change_fairseq_units,
		.unk_id = 3,
	},
	{
		.name = "MLukeTokenizer",
		.vocabulary = "sentencepiece.bpe.model",
		.options = "{" ROBERTA_TOKENS MASK_LSTRIP
				   ",\"entity_1_token\":\"▁<ent>\",\"entity_2_token\":\"▁<ent2>\","
				   "\"entity_unk_token\":\"[UNK]\",\"entity_pad_token\":\"[PAD]\","
				   "\"entity_mask_token\":\"[MASK]\",\"entity_mask2_token\":\"[MASK2]\"}",
		.normalizer = SEQUENCE("normalizers", QUOTES),
		.pre_tokenizer = METASPACE("always", "true"),
		.decoder = METASPACE("always", "true"),
		.single = "cls A sep",
		.pair = "cls A sep sep B:1 sep:1",
		.extras =
			"[{\"content\":\"▁<ent>\"},{\"content\":\"▁<ent2>\"},"
			"{\"content\":\"[UNK]\",\"special\":true},{\"content\":\"[PAD]\",\"special\":true},"
			"{\"content\":\"[MASK]\",\"special\":true},"
			"{\"content\":\"[MASK2]\",\"special\":true}]",
		.flags = TOK_CLASS_EXTRAS_ALWAYS | TOK_CLASS_CLEANS_BPE | TOK_CLASS_POST_INIT,
	},
	{
		.name = "XGLMTokenizer",
		.model = "Unigram",
		.options = "{" ROBERTA_TOKENS ",\"add_prefix_space\":true}",
		.normalizer = SEQUENCE("normalizers", "$?charsmap(" PRECOMPILED ",$)" SPACES),
		.pre_tokenizer = METASPACE(PREFIX_SCHEME, "true"),
		.decoder = METASPACE(PREFIX_SCHEME, "true"),
		.single = "eos A",
		.pair = "eos A eos eos B",
		.extras = "[\"<madeupword0>\",\"<madeupword1>\",\"<madeupword2>\",\"<madeupword3>\","
				  "\"<madeupword4>\",\"<madeupword5>\",\"<madeupword6>\"]",
		.unk_id = 3,
	},
	{
		.name = "MBartTokenizer",
		.model = "Unigram",
		.vocabulary = "sentencepiece.bpe.model",
		.options = "{" ROBERTA_TOKENS MASK_LSTRIP ",\"src_lang\":\"en_XX\"}",
		.pre_tokenizer = WORDS("always"),
		.decoder = METASPACE("always", "true"),
		.single = "A eos src_lang",
		.pair = "A B eos src_lang",
		.list_extras = tok_list_mbart_languages,
		.change_units = tok_change_mbart_units,
		.unk_id = 3,
	},
	{
		.name = "MBart50Tokenizer",
		.model = "Unigram",
		.vocabulary = "sentencepiece.bpe.model",
		.options = "{\"eos_token\":\"</s>\",\"sep_token\":\"</s>\",\"cls_token\":\"<s>\","
				   "\"unk_token\":\"<unk>\",\"pad_token\":\"<pad>\"" MASK_LSTRIP
				   ",\"src_lang\":\"en_XX\"}",
		.normalizer = SEQUENCE("normalizers", "$?charsmap(" PRECOMPILED ",$)" SPACES),
		.pre_tokenizer = METASPACE("always", "true"),
		.decoder = METASPACE("always", "true"),
		.single = "src_lang A eos",
		.pair = "src_lang A B eos",
		.list_extras = tok_list_mbart50_languages,
		.change_units = tok_change_mbart50_units,
		.unk_id = 3,
	},
	{
		.name = "CamembertTokenizer",
		.vocabulary = "sentencepiece.bpe.model",
		.options = "{" ROBERTA_TOKENS ",\"mask_token\":{\"content\":\"<mask>\",\"lstrip\":true,"
				   "\"special\":true},\"add_prefix_space\":true}",
		.normalizer = "$?charsmap(" PRECOMPILED "$|null$)",
		.pre_tokenizer = WORDS(PREFIX_SCHEME),
		.decoder = METASPACE(PREFIX_SCHEME, "true"),
		.single = "bos A eos",
		.pair = "bos A eos eos B eos",
		.extras = "[\"<s>NOTUSED\",\"</s>NOTUSED\",\"<unk>NOTUSED\"]",
		.change_units = tok_change_camembert_units,
		.unk_rule = TOK_UNK_BY_TOKEN,
		.flags = TOK_CLASS_EXTRAS_REPLACE,
	},
	{
		.name = "BarthezTokenizer",
		.vocabulary = "sentencepiece.bpe.model",
		.options = "{" ROBERTA_TOKENS MASK_LSTRIP ",\"add_prefix_space\":true}",
		.normalizer = SEQUENCE("normalizers", ONE_LINE),
		.pre_tokenizer = METASPACE(PREFIX_SCHEME, "true"),
		.decoder = METASPACE(PREFIX_SCHEME, "true"),
		.unk_id = 3,
	},
	{
		.name = "PegasusTokenizer",
		.model = "Unigram",
		.vocabulary = "spiece.model",
		.options = "{\"pad_token\":\"<pad>\",\"eos_token\":\"</s>\",\"unk_token\":\"<unk>\","
				   "\"mask_token\":\"<mask_2>\",\"mask_token_sent\":\"<mask_1>\"}",
		.normalizer = SEQUENCE("normalizers", "$?charsmap(" PRECOMPILED "$|" REPLACE(
												  "\"Regex\":\"\\\\n\"", " ") "$)," SPACES),
		.pre_tokenizer = METASPACE("always", "true"),
		.decoder = METASPACE("always", "true"),
		.single = "A eos",
		.pair = "A B eos",
		.list_extras = tok_list_pegasus_masks,
		.change_units = tok_change_pegasus_units,
		.unk_rule = TOK_UNK_BY_SCORE,
	},
	{
		.name = "AlbertTokenizer",
		ALBERT_CLASS,
		.single = "cls A sep",
		.pair = "cls A sep B:1 sep:1",
		.flags = TOK_CLASS_POST_BEFORE | TOK_CLASS_TYPES_BEFORE,
	},
	{.name = "FNetTokenizer", ALBERT_CLASS, .flags = TOK_CLASS_AS_IS | TOK_CLASS_TYPES},
	{
		.name = "BigBirdTokenizer",
		.model = "Unigram",
		.vocabulary = "spiece.model",
		.options = "{\"unk_token\":{\"content\":\"<unk>\"},\"bos_token\":{\"content\":\"<s>\"},"
				   "\"eos_token\":{\"content\":\"</s>\"},\"pad_token\":{\"content\":\"<pad>\"},"
				   "\"sep_token\":{\"content\":\"[SEP]\"},\"cls_token\":{\"content\":\"[CLS]\"},"
				   "\"mask_token\":{\"content\":\"[MASK]\",\"lstrip\":true},"
				   "\"add_prefix_space\":true}",
		.normalizer =
			SEQUENCE("normalizers",
					 "{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":false}," REPLACE(
						 "\"Regex\":\" {2,}\"", "▁")),
		.pre_tokenizer = METASPACE(PREFIX_SCHEME, "true"),
		.decoder = METASPACE(PREFIX_SCHEME, "true"),
		.single = "cls A sep",
		.pair = "cls A sep B:1 sep:1",
		.unk_id = 100,
		.unk_rule = TOK_UNK_BY_SCORE,
	},
	{
		.name = "RemBertTokenizer",
		.model = "Unigram",
		.vocabulary = "sentencepiece.model",
		.options = "{" ALBERT_TOKENS ",\"unk_token\":\"<unk>\",\"do_lower_case\":false,"
				   "\"keep_accents\":true,\"add_prefix_space\":true}",
		.normalizer =
			SEQUENCE("normalizers", QUOTES
					 "," SPACES "$?keep_accents($|," NO_ACCENTS
					 "$)$?do_lower_case(," TYPE("Lowercase") "$)$?charsmap(," PRECOMPILED "$)"),
		.pre_tokenizer = METASPACE(PREFIX_SCHEME, "true"),
		.decoder = METASPACE(PREFIX_SCHEME, "true"),
		.single = "cls A sep",
		.pair = "cls A sep B:1 sep:1",
		.unk_id = 2,
		.flags = TOK_CLASS_POST_INIT | TOK_CLASS_POST_FOR_POST | TOK_CLASS_TYPES_BEFORE,
	},
	{
		.name = "XLNetTokenizer",
		.model = "Unigram",
		.vocabulary = "spiece.model",
		.options =
			"{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\",\"unk_token\":\"<unk>\","
			"\"sep_token\":\"<sep>\",\"pad_token\":\"<pad>\",\"cls_token\":\"<cls>\"" MASK_LSTRIP
			",\"do_lower_case\":false}",
		.normalizer = SEQUENCE("normalizers", QUOTES "," NO_ACCENTS "$?do_lower_case(," TYPE(
												  "Lowercase") "$)$?charsmap(," PRECOMPILED "$)"),
		.pre_tokenizer = WORDS("always"),
		.decoder = METASPACE("always", "true"),
		.single = "A sep cls:2",
		.pair = "A sep B:1 sep:1 cls:2",
		.extras = "[\"<eop>\",\"<eod>\"]",
		.unk_rule = TOK_UNK_BY_OPTION,
		.flags = TOK_CLASS_PADS_LEFT | TOK_CLASS_EXTRAS_REPLACE | TOK_CLASS_TYPES_BEFORE,
	},
	{
		.name = "DebertaV2Tokenizer",
		.model = "Unigram",
		.vocabulary = "spm.model",
		.options = "{\"bos_token\":\"[CLS]\",\"eos_token\":\"[SEP]\",\"unk_token\":\"[UNK]\","
				   "\"sep_token\":\"[SEP]\",\"pad_token\":\"[PAD]\",\"cls_token\":\"[CLS]\","
				   "\"mask_token\":\"[MASK]\",\"do_lower_case\":false,\"split_by_punct\":false,"
				   "\"add_prefix_space\":true}",
		.normalizer = SEQUENCE("normalizers", "$?do_lower_case(" TYPE("Lowercase") ",$)" ONE_LINE),
		.pre_tokenizer =
			SEQUENCE("pretokenizers", "$?split_by_punct({\"type\":\"Punctuation\","
									  "\"behavior\":\"Isolated\"},$)" METASPACE(
										  "$?add_prefix_space(always$|first$)", "true")),
		.decoder = METASPACE("$?add_prefix_space(always$|first$)", "true"),
		.single = "cls A sep",
		.pair = "cls A sep B:1 sep:1",
		.unk_id = 1,
		.unk_rule = TOK_UNK_BY_ENTRY,
		.flags = TOK_CLASS_TYPES,
	},
	{.name = NULL},
};
