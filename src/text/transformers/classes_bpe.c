/*
 * classes_bpe.c
 *	  The backend itself, and the classes around BPE: byte-level ones from vocab.json and merges.txt,
 *	  others from SentencePiece models.
 *
 * Each row follows transformers/models/<name>/tokenization_<name>.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/transformers/rules.h"

/* Members of the model: its unknown token, its suffix, and whether they fuse and fall back. */
#define BPE(unk, suffix, fuse, bytes)                                                              \
	"\"dropout\":null,\"unk_token\":" unk                                                          \
	",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":" suffix ",\"fuse_unk\":" fuse     \
	",\"byte_fallback\":" bytes ",\"ignore_merges\":false"
#define BYTE_LEVEL_BPE BPE("null", "null", "false", "false")

/* Qwen's patterns, which differ in what goes with letters. */
#define QWEN_PATTERN(letters, others)                                                              \
	"{\"Regex\":\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?" letters             \
	"+|\\\\p{N}| ?[^\\\\s" others                                                                  \
	"\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}"
#define CLIP_PATTERN                                                                               \
	"{\"Regex\":\"<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|'s|'t|'re|'ve|'m|'ll|'d|"          \
	"[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+\"}"
#define NOUGAT_PATTERN                                                                             \
	"{\"String\":\"[\\\\(\\\\)\\\\[\\\\]\\\\{\\\\}]|([!\\\\\\\"#\\\\$$%\\\\&'\\\\*\\\\+,"          \
	"\\\\-\\\\./:;<=>\\\\?\\\\\\\\\\\\^_`\\\\|\\\\~])\\\\1*\"}"

#define ROBERTA_PROCESSING(trim, prefix)                                                           \
	"{\"type\":\"RobertaProcessing\",\"sep\":[$sep_token],\"cls\":[$cls_token],"                   \
	"\"trim_offsets\":" trim ",\"add_prefix_space\":" prefix "}"
#define ENDOFTEXT                                                                                  \
	"\"unk_token\":\"<|endoftext|>\",\"bos_token\":\"<|endoftext|>\","                             \
	"\"eos_token\":\"<|endoftext|>\""
#define GEMMA_TOKENS                                                                               \
	"{\"unk_token\":\"<unk>\",\"bos_token\":\"<bos>\",\"eos_token\":\"<eos>\","                    \
	"\"pad_token\":\"<pad>\",\"mask_token\":\"<mask>\"}"

#define BYTE_LEVEL_CLASS                                                                           \
	.model = "BPE", .vocabulary = "vocab.json", .model_options = BYTE_LEVEL_BPE,                   \
	.decoder = BYTE_LEVEL_DECODER
#define PREFIXED_CLASS BYTE_LEVEL_CLASS, .pre_tokenizer = BYTE_LEVEL("$add_prefix_space", "true")
#define QWEN_CLASS(letters, others)                                                                \
	BYTE_LEVEL_CLASS,                                                                              \
		.normalizer = TYPE("NFC"),                                                                 \
		.options = "{\"unk_token\":\"<|endoftext|>\",\"add_prefix_space\":false,"                  \
				   "\"eos_token\":\"<|endoftext|>\","                                              \
				   "\"pad_token\":\"<|endoftext|>\"}",                                             \
		.pre_tokenizer =                                                                           \
			SEQUENCE("pretokenizers", SPLIT(QWEN_PATTERN(letters, others), "Isolated",             \
											"false") "," BYTE_LEVEL("$add_prefix_space", "false"))
#define GEMMA_CLASS                                                                                \
	.model = "BPE", .model_options = BPE("$unk_token", "null", "true", "true"),                    \
	.pre_tokenizer = SPLIT("{\"String\":\" \"}", "MergedWithPrevious", "false"),                   \
	.decoder = SEQUENCE("decoders", UNSPACE), .options = GEMMA_TOKENS

const tok_class tok_classes_bpe[] = {
	{.name = "TokenizersBackend", .flags = TOK_CLASS_AS_IS},
	{
		.name = "ParakeetTokenizer",
		.flags = TOK_CLASS_AS_IS,
		.decode_flags = TOK_DECODE_GROUPS,
	},
	{
		.name = "GPT2Tokenizer",
		PREFIXED_CLASS,
		.options = "{" ENDOFTEXT ",\"add_prefix_space\":false}",
	},
	{
		.name = "CodeGenTokenizer",
		PREFIXED_CLASS,
		.options = "{" ENDOFTEXT ",\"add_prefix_space\":false}",
		.post_processor = "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
						  "\"trim_offsets\":false,\"use_regex\":true}",
		.flags = TOK_CLASS_POST_BEFORE,
	},
	{
		.name = "GPTNeoXTokenizer",
		BYTE_LEVEL_CLASS,
		.options = "{" ENDOFTEXT ",\"pad_token\":\"<|padding|>\",\"add_prefix_space\":false,"
				   "\"trim_offsets\":true}",
		.normalizer = TYPE("NFC"),
		.pre_tokenizer = "{\"type\":\"ByteLevel\",\"add_prefix_space\":$add_prefix_space,"
						 "\"trim_offsets\":$trim_offsets,\"use_regex\":true}",
		.flags = TOK_CLASS_UPDATES_POST,
	},
	{
		.name = "WhisperTokenizer",
		PREFIXED_CLASS,
		.options = "{\"unk_token\":{\"content\":\"<|endoftext|>\",\"special\":true},"
				   "\"bos_token\":{\"content\":\"<|endoftext|>\",\"special\":true},"
				   "\"eos_token\":{\"content\":\"<|endoftext|>\",\"special\":true},"
				   "\"add_prefix_space\":false}",
		.write_post = tok_write_whisper_post,
		.take_ranks = tok_take_whisper_ranks,
		.decode_flags = TOK_DECODE_TIMESTAMPS,
	},
	{
		.name = "RobertaTokenizer",
		PREFIXED_CLASS,
		.options = "{" ROBERTA_TOKENS ",\"mask_token\":\"<mask>\",\"add_prefix_space\":false,"
				   "\"trim_offsets\":true}",
		.post_processor = ROBERTA_PROCESSING("$trim_offsets", "$add_prefix_space"),
	},
	{
		.name = "LayoutLMv3Tokenizer",
		PREFIXED_CLASS,
		.options = "{" ROBERTA_TOKENS ",\"mask_token\":\"<mask>\",\"add_prefix_space\":true}",
		.post_processor = ROBERTA_PROCESSING("true", "$add_prefix_space"),
	},
	{
		.name = "LukeTokenizer",
		PREFIXED_CLASS,
		.options = "{" ROBERTA_TOKENS ",\"mask_token\":\"<mask>\",\"add_prefix_space\":false,"
				   "\"entity_1_token\":\"<ent>\",\"entity_2_token\":\"<ent2>\","
				   "\"entity_unk_token\":\"[UNK]\",\"entity_pad_token\":\"[PAD]\","
				   "\"entity_mask_token\":\"[MASK]\",\"entity_mask2_token\":\"[MASK2]\"}",
		.post_processor = ROBERTA_PROCESSING("true", "true"),
		.extras = "[{\"content\":\"<ent>\"},{\"content\":\"<ent2>\"}]",
		.flags = TOK_CLASS_EXTRAS_ALWAYS | TOK_CLASS_CLEANS_BPE,
	},
	{
		.name = "MarkupLMTokenizer",
		PREFIXED_CLASS,
		.options = "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":{\"content\":\"</s>\"},"
				   "\"sep_token\":{\"content\":\"</s>\"},\"cls_token\":{\"content\":\"<s>\"},"
				   "\"unk_token\":{\"content\":\"<unk>\"},\"pad_token\":{\"content\":\"<pad>\"},"
				   "\"mask_token\":{\"content\":\"<mask>\",\"lstrip\":true},"
				   "\"add_prefix_space\":false}",
		.single = "cls A sep",
		.pair = "cls A sep B sep",
		.flags = TOK_CLASS_TYPES,
	},
	{
		.name = "BlenderbotTokenizer",
		PREFIXED_CLASS,
		.options = "{" ROBERTA_TOKENS ",\"mask_token\":{\"content\":\"<mask>\",\"lstrip\":true,"
				   "\"normalized\":false},\"add_prefix_space\":true}",
	},
	{
		.name = "DebertaTokenizer",
		PREFIXED_CLASS,
		.options = "{\"bos_token\":\"[CLS]\",\"eos_token\":\"[SEP]\",\"sep_token\":\"[SEP]\","
				   "\"cls_token\":\"[CLS]\",\"unk_token\":\"[UNK]\",\"pad_token\":\"[PAD]\","
				   "\"mask_token\":\"[MASK]\",\"add_prefix_space\":false}",
		.single = "cls A sep",
		.pair = "cls A sep sep B sep",
		.flags = TOK_CLASS_TYPES,
	},
	{
		.name = "CohereTokenizer",
		.model = "BPE",
		.vocabulary = "vocab.json",
		.model_options = BYTE_LEVEL_BPE,
		.options = "{\"unk_token\":\"<UNK>\",\"bos_token\":\"<BOS_TOKEN>\","
				   "\"eos_token\":\"<|END_OF_TURN_TOKEN|>\",\"pad_token\":\"<PAD>\","
				   "\"cls_token\":\"<CLS>\",\"sep_token\":\"<SEP>\","
				   "\"mask_token\":\"<MASK_TOKEN>\",\"add_prefix_space\":false}",
		.normalizer = TYPE("NFC"),
		.pre_tokenizer = SEQUENCE("pretokenizers",
								  "{\"type\":\"Digits\",\"individual_digits\":true}," BYTE_LEVEL(
									  "$add_prefix_space", "true")),
		.decoder = BYTE_LEVEL_DECODER,
		.flags = TOK_CLASS_PADS_LEFT | TOK_CLASS_POST_INIT,
	},
	{.name = "Qwen2Tokenizer", QWEN_CLASS("\\\\p{L}", "\\\\p{L}"), .flags = TOK_CLASS_ADDS_AGAIN},
	{.name = "Qwen3_5Tokenizer", QWEN_CLASS("[\\\\p{L}\\\\p{M}]", "\\\\p{L}\\\\p{M}")},
	{
		.name = "CLIPTokenizer",
		.model = "BPE",
		.vocabulary = "vocab.json",
		.model_options = BPE("$unk_token", "\"</w>\"", "false", "false"),
		.options = "{\"unk_token\":\"<|endoftext|>\",\"bos_token\":\"<|startoftext|>\","
				   "\"eos_token\":\"<|endoftext|>\",\"pad_token\":\"<|endoftext|>\"}",
		.normalizer = SEQUENCE("normalizers", TYPE("NFC") "," REPLACE("\"Regex\":\"\\\\s+\"",
																	  " ") "," TYPE("Lowercase")),
		.pre_tokenizer = SEQUENCE("pretokenizers", SPLIT(CLIP_PATTERN, "Removed",
														 "true") "," BYTE_LEVEL("false", "true")),
		.decoder = BYTE_LEVEL_DECODER,
		.post_processor = "{\"type\":\"RobertaProcessing\",\"sep\":[$eos_token],"
						  "\"cls\":[$bos_token],\"trim_offsets\":false,"
						  "\"add_prefix_space\":false}",
		.decode_flags = TOK_DECODE_WORD_ENDS,
	},
	{
		.name = "NougatTokenizer",
		BYTE_LEVEL_CLASS,
		.options = "{\"unk_token\":\"<unk>\",\"bos_token\":\"<s>\",\"eos_token\":\"</s>\","
				   "\"pad_token\":\"<pad>\"}",
		.normalizer = TYPE("NFKC"),
		.pre_tokenizer = SEQUENCE(
			"pretokenizers",
			SPLIT("{\"String\":\"SPL1T-TH1S-Pl3A5E\"}", "Removed",
				  "false") ","
						   "{\"type\":\"Digits\",\"individual_digits\":true}," SPLIT(
							   NOUGAT_PATTERN, "Isolated",
							   "false") "," SPLIT("{\"String\":\"\\n\"}", "Isolated",
												  "false") "," BYTE_LEVEL("false", "true")),
		.single = "bos A eos",
		.pair = "A B:1",
	},
	{
		.name = "OpenAIGPTTokenizer",
		.model = "BPE",
		.vocabulary = "vocab.json",
		.model_options = BPE("$unk_token", "\"</w>\"", "false", "false"),
		.options = "{\"unk_token\":\"<unk>\"}",
		.normalizer = "{\"type\":\"BertNormalizer\",\"clean_text\":true,"
					  "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true}",
		.pre_tokenizer = TYPE("BertPreTokenizer"),
		.decoder = "{\"type\":\"BPEDecoder\",\"suffix\":\"</w>\"}",
	},
	{
		.name = "HerbertTokenizer",
		.model = "BPE",
		.vocabulary = "vocab.json",
		.model_options = BPE("$unk_token", "\"</w>\"", "false", "false"),
		.options = "{\"cls_token\":\"<s>\",\"unk_token\":\"<unk>\",\"pad_token\":\"<pad>\","
				   "\"mask_token\":\"<mask>\",\"sep_token\":\"</s>\"}",
		.normalizer = "{\"type\":\"BertNormalizer\",\"clean_text\":true,"
					  "\"handle_chinese_chars\":true,\"strip_accents\":false,"
					  "\"lowercase\":false}",
		.pre_tokenizer = TYPE("BertPreTokenizer"),
		.decoder = "{\"type\":\"BPEDecoder\",\"suffix\":\"</w>\"}",
		/* These ids stand in the class. */
		.post_processor = "{\"type\":\"BertProcessing\",\"sep\":[$sep_token,2],"
						  "\"cls\":[$cls_token,0]}",
		.flags = TOK_CLASS_TYPES_BEFORE,
	},
	{
		.name = "EsmcTokenizer",
		.model = "BPE",
		.model_options = BPE("$unk_token", "null", "false", "false"),
		.options = "{\"unk_token\":\"<unk>\",\"cls_token\":\"<cls>\",\"bos_token\":\"<cls>\","
				   "\"pad_token\":\"<pad>\",\"mask_token\":\"<mask>\",\"eos_token\":\"<eos>\","
				   "\"chain_break_token\":\"|\"}",
		.fixed_vocabulary =
			"{\"<cls>\":0,\"<pad>\":1,\"<eos>\":2,\"<unk>\":3,\"L\":4,\"A\":5,\"G\":6,\"V\":7,"
			"\"S\":8,\"E\":9,\"R\":10,\"T\":11,\"I\":12,\"D\":13,\"P\":14,\"K\":15,\"Q\":16,"
			"\"N\":17,\"F\":18,\"Y\":19,\"M\":20,\"H\":21,\"W\":22,\"C\":23,\"X\":24,\"B\":25,"
			"\"U\":26,\"Z\":27,\"O\":28,\".\":29,\"-\":30,\"|\":31,\"<mask>\":32}",
		.single = "cls A eos",
		.pair = "A B:1",
	},
	{
		.name = "LlamaTokenizer",
		.model = "BPE",
		.vocabulary = "tokenizer.model",
		.model_options = BPE("null", "null", "true", "true"),
		.options = "{\"unk_token\":\"<unk>\",\"bos_token\":\"<s>\",\"eos_token\":\"</s>\","
				   "\"legacy\":false,\"add_prefix_space\":true}",
		.pre_tokenizer = METASPACE("$?add_prefix_space($?legacy(always$|first$)$|never$)", "false"),
		.decoder = SEQUENCE("decoders", UNSPACE "$?add_prefix_space(," STRIP_LEFT "$)"),
		.flags = TOK_CLASS_PADS_LEFT,
	},
	{
		.name = "CodeLlamaTokenizer",
		.model = "BPE",
		.vocabulary = "tokenizer.model",
		.model_options = BPE("$unk_token", "null", "true", "true"),
		.options = "{\"unk_token\":\"<unk>\",\"bos_token\":\"<s>\",\"eos_token\":\"</s>\","
				   "\"prefix_token\":\"▁<PRE>\",\"middle_token\":\"▁<MID>\","
				   "\"suffix_token\":\"▁<SUF>\",\"eot_token\":\"▁<EOT>\","
				   "\"fill_token\":\"<FILL_ME>\",\"add_prefix_space\":true,"
				   "\"add_bos_token\":true}",
		.pre_tokenizer = METASPACE("$?add_prefix_space(first$|never$)", "false"),
		.decoder = SEQUENCE("decoders", UNSPACE "," STRIP_LEFT),
		.extras = "[\"▁<PRE>\",\"▁<MID>\",\"▁<SUF>\",\"▁<EOT>\",\"<FILL_ME>\"]",
		.flags = TOK_CLASS_PADS_LEFT,
	},
	{
		.name = "GemmaTokenizer",
		GEMMA_CLASS,
		.normalizer = REPLACE("\"String\":\" \"", "▁"),
		.flags = TOK_CLASS_PADS_LEFT,
	},
	{
		.name = "Siglip2Tokenizer",
		GEMMA_CLASS,
		.normalizer =
			SEQUENCE("normalizers", TYPE("Lowercase") "," REPLACE("\"String\":\" \"", "▁")),
		.flags = TOK_CLASS_PADS_LEFT,
	},
	{
		.name = "Tipsv2Tokenizer",
		.model = "BPE",
		.vocabulary = "tokenizer.model",
		.model_options = BPE("null", "null", "true", "true"),
		.options = "{\"unk_token\":\"<unk>\",\"pad_token\":\"<pad>\",\"model_max_length\":64,"
				   "\"do_lower_case\":true}",
		.normalizer = SEQUENCE(
			"normalizers", "$?do_lower_case(" TYPE("Lowercase") "$?charsmap(,$)"
																"$)$?charsmap(" PRECOMPILED "$)"),
		.pre_tokenizer =
			SEQUENCE("pretokenizers", TYPE("WhitespaceSplit") "," METASPACE("always", "true")),
		.decoder = SEQUENCE("decoders",
							METASPACE("always", "true") "," TYPE("ByteFallback") "," TYPE("Fuse")),
	},
	{
		.name = "ReformerTokenizer",
		.model = "BPE",
		.vocabulary = "spiece.model",
		.model_options = BPE("$unk_token", "null", "true", "false"),
		.options = "{\"eos_token\":\"</s>\",\"unk_token\":\"<unk>\"}",
		.normalizer = "$?charsmap(" SEQUENCE("normalizers", PRECOMPILED
											 "," REPLACE("\"Regex\":\" {2,}\"", " ")) "$|null$)",
		.pre_tokenizer = METASPACE("always", "true"),
		.decoder = METASPACE("always", "true"),
		.flags = TOK_CLASS_POST_INIT,
	},
	{
		.name = "NllbTokenizer",
		.model = "BPE",
		.vocabulary = "sentencepiece.bpe.model",
		.model_options = BPE("$unk_token", "null", "true", "false"),
		.options = "{" ROBERTA_TOKENS ",\"mask_token\":{\"content\":\"<mask>\",\"lstrip\":true,"
				   "\"normalized\":true,\"special\":true},\"src_lang\":\"eng_Latn\","
				   "\"legacy_behaviour\":false}",
		.normalizer = "$?charsmap(" SEQUENCE("normalizers", PRECOMPILED
											 "," REPLACE("\"Regex\":\" {2,}\"", " ")) "$|null$)",
		.pre_tokenizer = METASPACE("always", "true"),
		.decoder = METASPACE("always", "true"),
		.single = "$?legacy_behaviour(A eos src_lang$|src_lang A eos$)",
		.pair = "$?legacy_behaviour(A B eos src_lang$|src_lang A B eos$)",
		.list_extras = tok_list_nllb_languages,
		.change_units = tok_change_nllb_units,
	},
	{
		.name = "SeamlessM4TTokenizer",
		.model = "BPE",
		.vocabulary = "sentencepiece.bpe.model",
		.model_options = BPE("$unk_token", "null", "true", "false"),
		.options = "{" ROBERTA_TOKENS ",\"src_lang\":\"eng\",\"tgt_lang\":\"fra\"}",
		.normalizer = SEQUENCE(
			"normalizers",
			REPLACE("\"Regex\":\"[\\\\n\\\\r\\\\t]\"", " ") "," TYPE(
				"NFKC") ","
						"{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true}," REPLACE(
							"\"Regex\":\" +▁\"",
							"▁") "," REPLACE("\"Regex\":\"^▁+$$\"",
											 "") "," REPLACE("\"Regex\":\" {2,}\"", "▁")),
		.pre_tokenizer = METASPACE("first", "true"),
		.decoder = METASPACE("first", "true"),
		.single = "src_lang A eos",
		.pair = "src_lang A B eos",
		.change_units = tok_change_seamless_units,
		.flags = TOK_CLASS_WRAPS_LANGUAGES,
	},
	{.name = NULL},
};
