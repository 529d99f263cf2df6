/*
 * resolve.c
 *	  Which class AutoTokenizer.from_pretrained takes for a directory.
 *
 * Follows transformers/models/auto/tokenization_auto.py.  Code that a checkpoint brings along
 * ("auto_map") is not run: what is left without it is Transformers' own class.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/transformers/class.h"

#include <string.h>

#include "base/file.h"

#define BACKEND "TokenizersBackend"

/* TOKENIZER_MAPPING_NAMES, sorted. */
static const struct
{
	const char *model_type, *class;
} model_types[] = {
	{"EvollaModel", "TokenizersBackend"},
	{"aimv2", "CLIPTokenizer"},
	{"albert", "AlbertTokenizer"},
	{"align", "BertTokenizer"},
	{"arctic", "TokenizersBackend"},
	{"aria", "TokenizersBackend"},
	{"audioflamingo3", "Qwen2Tokenizer"},
	{"aya_vision", "CohereTokenizer"},
	{"bark", "BertTokenizer"},
	{"bart", "RobertaTokenizer"},
	{"barthez", "BarthezTokenizer"},
	{"bartpho", "BartphoTokenizer"},
	{"beam", "TokenizersBackend"},
	{"bert", "BertTokenizer"},
	{"bert-generation", "BertGenerationTokenizer"},
	{"bert-japanese", "BertJapaneseTokenizer"},
	{"bertweet", "BertweetTokenizer"},
	{"big_bird", "BigBirdTokenizer"},
	{"bigbird_pegasus", "TokenizersBackend"},
	{"biogpt", "BioGptTokenizer"},
	{"blenderbot", "BlenderbotTokenizer"},
	{"blenderbot-small", "BlenderbotSmallTokenizer"},
	{"blip", "BertTokenizer"},
	{"blip-2", "GPT2Tokenizer"},
	{"bridgetower", "RobertaTokenizer"},
	{"bros", "BertTokenizer"},
	{"byt5", "ByT5Tokenizer"},
	{"camembert", "CamembertTokenizer"},
	{"camembertv2-base", "TokenizersBackend"},
	{"canary", "TokenizersBackend"},
	{"canine", "CanineTokenizer"},
	{"chatlm", "TokenizersBackend"},
	{"chinese_clip", "BertTokenizer"},
	{"clap", "RobertaTokenizer"},
	{"clip", "CLIPTokenizer"},
	{"clipseg", "CLIPTokenizer"},
	{"clvp", "ClvpTokenizer"},
	{"code_llama", "CodeLlamaTokenizer"},
	{"codegen", "GPT2Tokenizer"},
	{"cohere", "CohereTokenizer"},
	{"cohere2", "CohereTokenizer"},
	{"cohere_asr", "TokenizersBackend"},
	{"colqwen2", "Qwen2Tokenizer"},
	{"convbert", "BertTokenizer"},
	{"cosmos3_omni", "Qwen2Tokenizer"},
	{"cpm", "CpmTokenizer"},
	{"cpmant", "CpmAntTokenizer"},
	{"ctrl", "CTRLTokenizer"},
	{"data2vec-audio", "Wav2Vec2CTCTokenizer"},
	{"data2vec-text", "RobertaTokenizer"},
	{"dbrx", "GPT2Tokenizer"},
	{"deberta", "DebertaTokenizer"},
	{"deberta-v2", "DebertaV2Tokenizer"},
	{"dia", "DiaTokenizer"},
	{"diffusion_gemma", "GemmaTokenizer"},
	{"distilbert", "BertTokenizer"},
	{"dots3_note", "Qwen2Tokenizer"},
	{"dpr", "DPRQuestionEncoderTokenizer"},
	{"electra", "BertTokenizer"},
	{"emu3", "GPT2Tokenizer"},
	{"ernie", "BertTokenizer"},
	{"ernie4_5", "TokenizersBackend"},
	{"ernie4_5_moe", "TokenizersBackend"},
	{"esm", "EsmTokenizer"},
	{"esmc", "EsmcTokenizer"},
	{"esmfold2", "EsmcTokenizer"},
	{"falcon_mamba", "GPTNeoXTokenizer"},
	{"flaubert", "FlaubertTokenizer"},
	{"flava", "BertTokenizer"},
	{"flex_olmo", "TokenizersBackend"},
	{"florence2", "BartTokenizer"},
	{"fnet", "FNetTokenizer"},
	{"fsmt", "FSMTTokenizer"},
	{"fun_asr_nano", "Qwen2Tokenizer"},
	{"funnel", "FunnelTokenizer"},
	{"fuyu", "TokenizersBackend"},
	{"gemma", "GemmaTokenizer"},
	{"gemma2", "GemmaTokenizer"},
	{"gemma3", "GemmaTokenizer"},
	{"gemma3_text", "GemmaTokenizer"},
	{"gemma3n", "GemmaTokenizer"},
	{"gemma3n_text", "GemmaTokenizer"},
	{"git", "BertTokenizer"},
	{"glm", "TokenizersBackend"},
	{"glm4", "TokenizersBackend"},
	{"glm4_moe", "TokenizersBackend"},
	{"glm4_moe_lite", "TokenizersBackend"},
	{"glm4v", "TokenizersBackend"},
	{"glm4v_moe", "TokenizersBackend"},
	{"glm_image", "TokenizersBackend"},
	{"glmasr", "TokenizersBackend"},
	{"got_ocr2", "TokenizersBackend"},
	{"gpt-sw3", "GPTSw3Tokenizer"},
	{"gpt2", "GPT2Tokenizer"},
	{"gpt_bigcode", "TokenizersBackend"},
	{"gpt_neo", "GPT2Tokenizer"},
	{"gpt_neox", "GPTNeoXTokenizer"},
	{"gpt_neox_japanese", "GPTNeoXJapaneseTokenizer"},
	{"gptj", "GPT2Tokenizer"},
	{"gradium_phonon_tts", "TokenizersBackend"},
	{"granite", "TokenizersBackend"},
	{"granite_speech5_ctc", "ParakeetTokenizer"},
	{"granitemoe", "TokenizersBackend"},
	{"granitemoehybrid", "TokenizersBackend"},
	{"granitemoeshared", "TokenizersBackend"},
	{"grounding-dino", "BertTokenizer"},
	{"groupvit", "CLIPTokenizer"},
	{"gte", "XLMRobertaTokenizer"},
	{"h2ovl_chat", "TokenizersBackend"},
	{"herbert", "HerbertTokenizer"},
	{"hubert", "Wav2Vec2CTCTokenizer"},
	{"hunyuan_vl", "Qwen2Tokenizer"},
	{"hyperclovax", "TokenizersBackend"},
	{"hyperclovax_vision_v2", "GPT2Tokenizer"},
	{"hyperclovax_vlm", "TokenizersBackend"},
	{"ibert", "RobertaTokenizer"},
	{"idefics", "LlamaTokenizer"},
	{"idefics2", "LlamaTokenizer"},
	{"instructblip", "GPT2Tokenizer"},
	{"instructblipvideo", "GPT2Tokenizer"},
	{"internlm2", "TokenizersBackend"},
	{"internlm3", "TokenizersBackend"},
	{"internvl", "Qwen2Tokenizer"},
	{"iquestcoder", "TokenizersBackend"},
	{"jais2", "GPT2Tokenizer"},
	{"jamba", "TokenizersBackend"},
	{"jina_embeddings_v3", "XLMRobertaTokenizer"},
	{"kimi_k25", "TokenizersBackend"},
	{"kimi_linear", "TokenizersBackend"},
	{"kosmos-2", "TokenizersBackend"},
	{"lasr_ctc", "LasrTokenizer"},
	{"lasr_encoder", "LasrTokenizer"},
	{"layoutlm", "BertTokenizer"},
	{"layoutlmv2", "LayoutLMv2Tokenizer"},
	{"layoutlmv3", "LayoutLMv3Tokenizer"},
	{"layoutxlm", "LayoutXLMTokenizer"},
	{"led", "LEDTokenizer"},
	{"lighton_ocr", "Qwen2Tokenizer"},
	{"lilt", "RobertaTokenizer"},
	{"llava", "TokenizersBackend"},
	{"llava_next", "TokenizersBackend"},
	{"longformer", "RobertaTokenizer"},
	{"luke", "LukeTokenizer"},
	{"lxmert", "LxmertTokenizer"},
	{"m2m_100", "M2M100Tokenizer"},
	{"mamba", "GPTNeoXTokenizer"},
	{"mamba2", "GPTNeoXTokenizer"},
	{"marian", "MarianTokenizer"},
	{"markuplm", "MarkupLMTokenizer"},
	{"mbart", "MBartTokenizer"},
	{"mbart50", "MBart50Tokenizer"},
	{"mega", "RobertaTokenizer"},
	{"megatron-bert", "BertTokenizer"},
	{"metaclip_2", "XLMRobertaTokenizer"},
	{"mgp-str", "MgpstrTokenizer"},
	{"mimo_v2_flash", "TokenizersBackend"},
	{"minicpm3", "TokenizersBackend"},
	{"minicpm_ocr", "TokenizersBackend"},
	{"minicpmv", "TokenizersBackend"},
	{"minicpmv4_6", "TokenizersBackend"},
	{"minicpmv4_7", "TokenizersBackend"},
	{"minimax_m2", "TokenizersBackend"},
	{"ministral", "TokenizersBackend"},
	{"ministral3", "TokenizersBackend"},
	{"mistral", "TokenizersBackend"},
	{"mistral3", "TokenizersBackend"},
	{"mistral_large4", "TokenizersBackend"},
	{"mixtral", "TokenizersBackend"},
	{"mluke", "MLukeTokenizer"},
	{"mm-grounding-dino", "BertTokenizer"},
	{"mobilebert", "MobileBertTokenizer"},
	{"modernbert", "TokenizersBackend"},
	{"modernbert-decoder", "TokenizersBackend"},
	{"molmo", "TokenizersBackend"},
	{"molmo2", "TokenizersBackend"},
	{"moss_transcribe_diarize", "Qwen2Tokenizer"},
	{"mpnet", "MPNetTokenizer"},
	{"mpt", "GPTNeoXTokenizer"},
	{"mra", "RobertaTokenizer"},
	{"mt5", "T5Tokenizer"},
	{"musicgen", "T5Tokenizer"},
	{"musicgen_melody", "T5Tokenizer"},
	{"mvp", "MvpTokenizer"},
	{"myt5", "MyT5Tokenizer"},
	{"nemo_speechlm", "TokenizersBackend"},
	{"nemotron", "TokenizersBackend"},
	{"nemotron3_5_asr", "ParakeetTokenizer"},
	{"nemotron_asr_streaming", "ParakeetTokenizer"},
	{"nezha", "BertTokenizer"},
	{"nllb", "NllbTokenizer"},
	{"nllb-moe", "NllbTokenizer"},
	{"nomic_bert", "BertTokenizer"},
	{"nougat", "NougatTokenizer"},
	{"nvfp4", "TokenizersBackend"},
	{"nystromformer", "TokenizersBackend"},
	{"olmo", "GPTNeoXTokenizer"},
	{"olmo2", "TokenizersBackend"},
	{"olmo3", "TokenizersBackend"},
	{"olmo_hybrid", "TokenizersBackend"},
	{"olmoe", "GPTNeoXTokenizer"},
	{"omdet-turbo", "CLIPTokenizer"},
	{"oneformer", "CLIPTokenizer"},
	{"openai-gpt", "OpenAIGPTTokenizer"},
	{"opencua", "TokenizersBackend"},
	{"openvla", "TokenizersBackend"},
	{"opt", "GPT2Tokenizer"},
	{"ovis2", "Qwen2Tokenizer"},
	{"owlv2", "CLIPTokenizer"},
	{"owlvit", "CLIPTokenizer"},
	{"paddleocr_vl", "TokenizersBackend"},
	{"parakeet_ctc", "ParakeetTokenizer"},
	{"parakeet_rnnt", "ParakeetTokenizer"},
	{"parakeet_tdt", "ParakeetTokenizer"},
	{"pegasus", "PegasusTokenizer"},
	{"pegasus_x", "TokenizersBackend"},
	{"perceiver", "PerceiverTokenizer"},
	{"persimmon", "TokenizersBackend"},
	{"phi", "GPT2Tokenizer"},
	{"phi3", "TokenizersBackend"},
	{"phi3_v", "TokenizersBackend"},
	{"phimoe", "TokenizersBackend"},
	{"phobert", "PhobertTokenizer"},
	{"pix2struct", "TokenizersBackend"},
	{"pixtral", "TokenizersBackend"},
	{"plbart", "PLBartTokenizer"},
	{"pocket_tts", "TokenizersBackend"},
	{"pp_formulanet", "NougatTokenizer"},
	{"prophetnet", "ProphetNetTokenizer"},
	{"qdqbert", "BertTokenizer"},
	{"qianfan_ocr", "Qwen2Tokenizer"},
	{"qwen2", "Qwen2Tokenizer"},
	{"qwen2_5_omni", "Qwen2Tokenizer"},
	{"qwen2_5_vl", "Qwen2Tokenizer"},
	{"qwen2_audio", "Qwen2Tokenizer"},
	{"qwen2_moe", "Qwen2Tokenizer"},
	{"qwen2_vl", "Qwen2Tokenizer"},
	{"qwen3", "Qwen2Tokenizer"},
	{"qwen3_5", "Qwen3_5Tokenizer"},
	{"qwen3_5_moe", "Qwen3_5Tokenizer"},
	{"qwen3_5_moe_text", "Qwen3_5Tokenizer"},
	{"qwen3_5_text", "Qwen3_5Tokenizer"},
	{"qwen3_asr", "Qwen2Tokenizer"},
	{"qwen3_moe", "Qwen2Tokenizer"},
	{"qwen3_next", "Qwen2Tokenizer"},
	{"qwen3_omni_moe", "Qwen2Tokenizer"},
	{"qwen3_vl", "Qwen2Tokenizer"},
	{"qwen3_vl_moe", "Qwen2Tokenizer"},
	{"qwen4_exp", "Qwen3_5Tokenizer"},
	{"rag", "RagTokenizer"},
	{"realm", "BertTokenizer"},
	{"recurrent_gemma", "GemmaTokenizer"},
	{"reformer", "ReformerTokenizer"},
	{"rembert", "RemBertTokenizer"},
	{"retribert", "BertTokenizer"},
	{"roberta", "RobertaTokenizer"},
	{"roberta-prelayernorm", "RobertaTokenizer"},
	{"roc_bert", "RoCBertTokenizer"},
	{"roformer", "RoFormerTokenizer"},
	{"rwkv", "GPTNeoXTokenizer"},
	{"sam3", "CLIPTokenizer"},
	{"sam3_video", "CLIPTokenizer"},
	{"seamless_m4t", "SeamlessM4TTokenizer"},
	{"seamless_m4t_v2", "SeamlessM4TTokenizer"},
	{"shieldgemma2", "GemmaTokenizer"},
	{"siglip", "SiglipTokenizer"},
	{"siglip2", "Siglip2Tokenizer"},
	{"smolvlm", "TokenizersBackend"},
	{"speech_to_text", "Speech2TextTokenizer"},
	{"speecht5", "SpeechT5Tokenizer"},
	{"splinter", "SplinterTokenizer"},
	{"squeezebert", "BertTokenizer"},
	{"stablelm", "TokenizersBackend"},
	{"starcoder2", "GPT2Tokenizer"},
	{"step3_vl", "TokenizersBackend"},
	{"switch_transformers", "T5Tokenizer"},
	{"t5", "T5Tokenizer"},
	{"t5gemma", "GemmaTokenizer"},
	{"tapas", "TapasTokenizer"},
	{"tipsv2", "Tipsv2Tokenizer"},
	{"trocr", "XLMRobertaTokenizer"},
	{"tvp", "BertTokenizer"},
	{"udop", "UdopTokenizer"},
	{"umt5", "TokenizersBackend"},
	{"unispeech", "Wav2Vec2CTCTokenizer"},
	{"unispeech-sat", "Wav2Vec2CTCTokenizer"},
	{"vibevoice", "Qwen2Tokenizer"},
	{"videoprism", "VideoPrismTokenizer"},
	{"vilt", "BertTokenizer"},
	{"vipllava", "TokenizersBackend"},
	{"visual_bert", "BertTokenizer"},
	{"vits", "VitsTokenizer"},
	{"voxtral", "TokenizersBackend"},
	{"voxtral_realtime", "TokenizersBackend"},
	{"wav2vec2", "Wav2Vec2CTCTokenizer"},
	{"wav2vec2-bert", "Wav2Vec2CTCTokenizer"},
	{"wav2vec2-conformer", "Wav2Vec2CTCTokenizer"},
	{"wav2vec2_phoneme", "Wav2Vec2PhonemeCTCTokenizer"},
	{"whisper", "WhisperTokenizer"},
	{"xclip", "CLIPTokenizer"},
	{"xglm", "XGLMTokenizer"},
	{"xlm", "XLMTokenizer"},
	{"xlm-roberta", "XLMRobertaTokenizer"},
	{"xlm-roberta-xl", "TokenizersBackend"},
	{"xlnet", "XLNetTokenizer"},
	{"xlstm", "GPTNeoXTokenizer"},
	{"xmod", "XLMRobertaTokenizer"},
	{"yoso", "AlbertTokenizer"},
	{"zaya", "GemmaTokenizer"},
};

/* MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS */
static const char *const incorrect[] = {
	"arctic",
	"camembertv2-base",
	"chatlm",
	"cohere_asr",
	"ernie4_5",
	"ernie4_5_moe",
	"fuyu",
	"h2ovl_chat",
	"hyperclovax",
	"hyperclovax_vision_v2",
	"hyperclovax_vlm",
	"internlm2",
	"internlm3",
	"iquestcoder",
	"jamba",
	"llava",
	"llava_next",
	"minicpm3",
	"minicpmv",
	"minimax_m2",
	"modernbert",
	"modernbert-decoder",
	"molmo",
	"molmo2",
	"nemotron",
	"nvfp4",
	"opencua",
	"openvla",
	"paddleocr_vl",
	"phi3",
	"phi3_v",
	"phimoe",
	"qwen2",
	"qwen3_5",
	"qwen3_5_moe",
	"qwen3_5_moe_text",
	"qwen4_exp",
	"siglip2",
	"smolvlm",
	"step3_vl",
	"vipllava",
};

/* Names that stand for another class. */
static const struct
{
	const char *name, *class;
} aliases[] = {
	{"BartTokenizer", "RobertaTokenizer"},	   {"BloomTokenizer", BACKEND},
	{"ElectraTokenizer", "BertTokenizer"},	   {"LEDTokenizer", "RobertaTokenizer"},
	{"LayoutLMTokenizer", "BertTokenizer"},	   {"LongformerTokenizer", "RobertaTokenizer"},
	{"LxmertTokenizer", "BertTokenizer"},	   {"MobileBertTokenizer", "BertTokenizer"},
	{"MvpTokenizer", "RobertaTokenizer"},	   {"Phi3Tokenizer", "LlamaTokenizer"},
	{"PreTrainedTokenizer", BACKEND},		   {"PythonBackend", BACKEND},
	{"SqueezeBertTokenizer", "BertTokenizer"}, {"TapexTokenizer", "RobertaTokenizer"},
};

/* Classes that are not made of the library's parts (or, as RoFormer's, not of those alone). */
static const tok_class python_classes[] = {
	{.name = "BartphoTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "BertGenerationTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "BertJapaneseTokenizer", .flags = TOK_CLASS_PYTHON | TOK_CLASS_TYPES_BEFORE},
	{.name = "BertweetTokenizer", .flags = TOK_CLASS_PYTHON | TOK_CLASS_TYPES_BEFORE},
	{.name = "BioGptTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "BlenderbotSmallTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "ByT5Tokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "CTRLTokenizer", .flags = TOK_CLASS_PYTHON | TOK_CLASS_TYPES_BEFORE},
	{.name = "CanineTokenizer", .flags = TOK_CLASS_PYTHON | TOK_CLASS_TYPES},
	{.name = "ClvpTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "CpmAntTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "CpmTokenizer", .flags = TOK_CLASS_PYTHON | TOK_CLASS_TYPES_BEFORE},
	{.name = "DiaTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "EsmTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "FSMTTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "FastSpeech2ConformerTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "FlaubertTokenizer", .flags = TOK_CLASS_PYTHON | TOK_CLASS_TYPES_BEFORE},
	{.name = "GPTNeoXJapaneseTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "GPTSw3Tokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "M2M100Tokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "MarianTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "MgpstrTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "MyT5Tokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "PLBartTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "PerceiverTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "PhobertTokenizer", .flags = TOK_CLASS_PYTHON | TOK_CLASS_TYPES_BEFORE},
	{.name = "ProphetNetTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "RagTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "RoCBertTokenizer", .flags = TOK_CLASS_PYTHON | TOK_CLASS_TYPES_BEFORE},
	{.name = "RoFormerTokenizer", .flags = TOK_CLASS_PYTHON | TOK_CLASS_TYPES_BEFORE},
	{.name = "SiglipTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "Speech2TextTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "SpeechT5Tokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "TapasTokenizer", .flags = TOK_CLASS_PYTHON | TOK_CLASS_TYPES},
	{.name = "VitsTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "Wav2Vec2CTCTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "Wav2Vec2PhonemeCTCTokenizer", .flags = TOK_CLASS_PYTHON},
	{.name = "XLMTokenizer", .flags = TOK_CLASS_PYTHON | TOK_CLASS_TYPES_BEFORE},
	{.name = NULL},
};

static const tok_class *const tables[] = {
	tok_classes_bpe,
	tok_classes_unigram,
	tok_classes_wordpiece,
	python_classes,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Whether two names are the same but for a "Fast" at their ends. */
static bool
same_class(const char *one, const char *other)
{
	size_t lengths[2] = {strlen(one), strlen(other)};

	for (int i = 0; i < 2; i++)
		if (lengths[i] > 4 && strcmp((i == 0 ? one : other) + lengths[i] - 4, "Fast") == 0)
			lengths[i] -= 4;
	return lengths[0] == lengths[1] && memcmp(one, other, lengths[0]) == 0;
}

/* tokenizer_class_from_name: NULL for a name that Transformers does not know. */
static const tok_class *
find_class(const char *name)
{
	if (same_class(name, "PreTrainedTokenizer"))
		name = BACKEND;
	for (size_t i = 0; i < COUNT(aliases); i++)
		if (same_class(name, aliases[i].name))
			name = aliases[i].class;
	for (size_t i = 0; i < COUNT(tables); i++)
		for (const tok_class *row = tables[i]; row->name != NULL; row++)
			if (same_class(name, row->name))
				return row;
	return NULL;
}

static bool
is_backend(const char *name)
{
	return same_class(name, BACKEND) || same_class(name, "PreTrainedTokenizer") ||
		   same_class(name, "PythonBackend");
}

/* The class of a model type; NULL if Transformers has none for it. */
static const char *
class_of_model_type(const char *model_type)
{
	for (size_t i = 0; model_type != NULL && i < COUNT(model_types); i++)
		if (strcmp(model_types[i].model_type, model_type) == 0)
			return model_types[i].class;
	return NULL;
}

static bool
is_incorrect(const char *name)
{
	for (size_t i = 0; name != NULL && i < COUNT(incorrect); i++)
		if (strcmp(incorrect[i], name) == 0)
			return true;
	return false;
}

static bool
has_type(json value, const char *type, int depth)
{
	if (json_is_string(value) && strcmp(json_as_string(value), type) == 0)
		return true;
	if (depth > 8 || (!json_is_array(value) && !json_is_object(value)))
		return false;
	for (json item = json_first(value); json_present(item); item = json_next(item))
		if (has_type(item, type, depth + 1))
			return true;
	return false;
}

/* Whether tokenizer.json speaks of ByteLevel; only these parts can. */
static bool
has_byte_level(const tok_files *files)
{
	static const char *const parts[] = {"normalizer", "pre_tokenizer", "post_processor", "decoder"};

	for (size_t i = 0; i < COUNT(parts); i++)
		if (has_type(json_member(files->tokenizer, parts[i]), "ByteLevel", 0))
			return true;
	return false;
}

/* Whether tokenizer_config.json names code of its own. */
static bool
has_code(json config)
{
	json map = json_member(config, "auto_map");

	return json_is_array(map) || json_present(json_member(map, "AutoTokenizer"));
}

/* The class's name, or NULL for the backend itself, where files and model type disagree. */
static const char *
choose_between(const char *declared, const char *registered, bool wrong)
{
	const char *name = wrong ? registered : declared;
	const tok_class *class;

	if (is_backend(registered))
		return NULL;
	class = find_class(name);
	return class == NULL || is_backend(class->name) ? NULL : name;
}

static const char *
choose_class(tfm_context *context, const tok_files *files)
{
	json config = files->model_config;
	const char *of_config = json_string(context, config, "tokenizer_class", NULL);
	const char *declared = json_string(context, files->config, "tokenizer_class", of_config);
	const char *model_type = json_string(context, config, "model_type", NULL);
	const char *registered = class_of_model_type(model_type);
	bool wrong =
		is_incorrect(model_type) || is_incorrect(json_string(context, config, "model_name", NULL));

	if (declared != NULL && !has_code(files->config))
	{
		/* LlamaTokenizer's pipeline is not that of byte-level files, which say so all the same. */
		if (same_class(declared, "LlamaTokenizer") && !wrong && has_byte_level(files))
			return BACKEND;
		if (registered != NULL && !same_class(declared, registered))
			return choose_between(declared, registered, wrong);
	}
	if (declared != NULL)
		return declared;
	if (model_type != NULL && strcmp(model_type, "encoder-decoder") == 0)
		return class_of_model_type(
			json_string(context, json_member(config, "encoder"), "model_type", NULL));
	return registered;
}

static bool
has_file(tfm_context *context, const tok_files *files, const char *name)
{
	char *path = files->directory == NULL ? NULL : file_join(context, files->directory, name);

	return path != NULL && file_exists(path);
}

/*
 * A directory of plain vocabulary files and nothing that names a class, which AutoTokenizer cannot
 * read, has the class whose files they are.
 */
static const char *
class_of_files(tfm_context *context, const tok_files *files)
{
	static const struct
	{
		const char *file, *class;
	} known[] = {
		{"tokenizer.model", BACKEND},		   {"tekken.json", BACKEND},
		{"tiktoken.model", BACKEND},		   {"vocab.txt", "BertTokenizer"},
		{"merges.txt", "GPT2Tokenizer"},	   {"multilingual.tiktoken", "WhisperTokenizer"},
		{"gpt2.tiktoken", "WhisperTokenizer"},
	};

	if (json_present(files->tokenizer))
		return BACKEND;
	if (files->vocabulary.data != NULL)
		return "BertTokenizer";
	for (size_t i = 0; i < COUNT(known); i++)
		if (has_file(context, files, known[i].file))
			return known[i].class;
	return BACKEND;
}

const tok_class *
tok_resolve_class(tfm_context *context, const tok_files *files)
{
	const char *name = choose_class(context, files);
	const tok_class *class = name == NULL ? NULL : find_class(name);

	if (tfm_failed(context))
		return NULL;
	if (class == NULL || is_backend(class->name))
		class = find_class(class_of_files(context, files));
	return class;
}
