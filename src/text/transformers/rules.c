/*
 * rules.c
 *	  What classes do with lists of special tokens and with SentencePiece vocabularies.
 *
 * Follows the __init__ of models/<name>/tokenization_<name>.py and the methods convert_from_spm of
 * transformers/convert_slow_tokenizer.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/transformers/rules.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define EXTRA_IDS_MAX 10000

/* Languages of mBART-50; the first MBART_LANGUAGES are mBART's. */
#define MBART_LANGUAGES 25
static const char *const mbart_languages[] = {
	"ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN",
	"hi_IN", "it_IT", "ja_XX", "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP",
	"nl_XX", "ro_RO", "ru_RU", "si_LK", "tr_TR", "vi_VN", "zh_CN", "af_ZA", "az_AZ",
	"bn_IN", "fa_IR", "he_IL", "hr_HR", "id_ID", "ka_GE", "km_KH", "mk_MK", "ml_IN",
	"mn_MN", "mr_IN", "pl_PL", "ps_AF", "pt_XX", "sv_SE", "sw_KE", "ta_IN", "te_IN",
	"th_TH", "tl_XX", "uk_UA", "ur_PK", "xh_ZA", "gl_ES", "sl_SI",
};

static const char *const nllb_languages[] = {
	"ace_Arab", "ace_Latn", "acm_Arab", "acq_Arab", "aeb_Arab", "afr_Latn", "ajp_Arab", "aka_Latn",
	"amh_Ethi", "apc_Arab", "arb_Arab", "ars_Arab", "ary_Arab", "arz_Arab", "asm_Beng", "ast_Latn",
	"awa_Deva", "ayr_Latn", "azb_Arab", "azj_Latn", "bak_Cyrl", "bam_Latn", "ban_Latn", "bel_Cyrl",
	"bem_Latn", "ben_Beng", "bho_Deva", "bjn_Arab", "bjn_Latn", "bod_Tibt", "bos_Latn", "bug_Latn",
	"bul_Cyrl", "cat_Latn", "ceb_Latn", "ces_Latn", "cjk_Latn", "ckb_Arab", "crh_Latn", "cym_Latn",
	"dan_Latn", "deu_Latn", "dik_Latn", "dyu_Latn", "dzo_Tibt", "ell_Grek", "eng_Latn", "epo_Latn",
	"est_Latn", "eus_Latn", "ewe_Latn", "fao_Latn", "pes_Arab", "fij_Latn", "fin_Latn", "fon_Latn",
	"fra_Latn", "fur_Latn", "fuv_Latn", "gla_Latn", "gle_Latn", "glg_Latn", "grn_Latn", "guj_Gujr",
	"hat_Latn", "hau_Latn", "heb_Hebr", "hin_Deva", "hne_Deva", "hrv_Latn", "hun_Latn", "hye_Armn",
	"ibo_Latn", "ilo_Latn", "ind_Latn", "isl_Latn", "ita_Latn", "jav_Latn", "jpn_Jpan", "kab_Latn",
	"kac_Latn", "kam_Latn", "kan_Knda", "kas_Arab", "kas_Deva", "kat_Geor", "knc_Arab", "knc_Latn",
	"kaz_Cyrl", "kbp_Latn", "kea_Latn", "khm_Khmr", "kik_Latn", "kin_Latn", "kir_Cyrl", "kmb_Latn",
	"kon_Latn", "kor_Hang", "kmr_Latn", "lao_Laoo", "lvs_Latn", "lij_Latn", "lim_Latn", "lin_Latn",
	"lit_Latn", "lmo_Latn", "ltg_Latn", "ltz_Latn", "lua_Latn", "lug_Latn", "luo_Latn", "lus_Latn",
	"mag_Deva", "mai_Deva", "mal_Mlym", "mar_Deva", "min_Latn", "mkd_Cyrl", "plt_Latn", "mlt_Latn",
	"mni_Beng", "khk_Cyrl", "mos_Latn", "mri_Latn", "zsm_Latn", "mya_Mymr", "nld_Latn", "nno_Latn",
	"nob_Latn", "npi_Deva", "nso_Latn", "nus_Latn", "nya_Latn", "oci_Latn", "gaz_Latn", "ory_Orya",
	"pag_Latn", "pan_Guru", "pap_Latn", "pol_Latn", "por_Latn", "prs_Arab", "pbt_Arab", "quy_Latn",
	"ron_Latn", "run_Latn", "rus_Cyrl", "sag_Latn", "san_Deva", "sat_Beng", "scn_Latn", "shn_Mymr",
	"sin_Sinh", "slk_Latn", "slv_Latn", "smo_Latn", "sna_Latn", "snd_Arab", "som_Latn", "sot_Latn",
	"spa_Latn", "als_Latn", "srd_Latn", "srp_Cyrl", "ssw_Latn", "sun_Latn", "swe_Latn", "swh_Latn",
	"szl_Latn", "tam_Taml", "tat_Cyrl", "tel_Telu", "tgk_Cyrl", "tgl_Latn", "tha_Thai", "tir_Ethi",
	"taq_Latn", "taq_Tfng", "tpi_Latn", "tsn_Latn", "tso_Latn", "tuk_Latn", "tum_Latn", "tur_Latn",
	"twi_Latn", "tzm_Tfng", "uig_Arab", "ukr_Cyrl", "umb_Latn", "urd_Arab", "uzn_Latn", "vec_Latn",
	"vie_Latn", "war_Latn", "wol_Latn", "xho_Latn", "ydd_Hebr", "yor_Latn", "yue_Hant", "zho_Hans",
	"zho_Hant", "zul_Latn",
};

/*
 * Lists of special tokens
 */

static bool
append_given(tok_builder *builder)
{
	for (size_t i = 0; i < builder->given.count; i++)
		if (!tok_has_token(&builder->extras, builder->given.items[i].content) &&
			!tok_append_token(builder, &builder->extras, builder->given.items[i]))
			return false;
	return true;
}

static bool
append_names(tok_builder *builder, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!tok_append_plain(builder, &builder->extras, names[i]))
			return false;
	return true;
}

bool
tok_list_nllb_languages(tok_builder *builder)
{
	if (builder->has_given)
		return append_given(builder);
	return append_names(builder, nllb_languages, COUNT(nllb_languages));
}

bool
tok_list_mbart_languages(tok_builder *builder)
{
	return append_names(builder, mbart_languages, MBART_LANGUAGES) && append_given(builder);
}

bool
tok_list_mbart50_languages(tok_builder *builder)
{
	return append_given(builder) && append_names(builder, mbart_languages, COUNT(mbart_languages));
}

static int64_t
count_extra_ids(tok_builder *builder)
{
	return json_int(builder->context, builder->files->config, "extra_ids", 100, 0, EXTRA_IDS_MAX);
}

static bool
append_numbered(tok_builder *builder, const char *begin, int64_t first, int64_t limit)
{
	for (int64_t i = first; i < limit; i++)
		if (!tok_append_plain(builder, &builder->extras,
							  tfm_sprintf(builder->context, "%s%lld>", begin, (long long) i)))
			return false;
	return true;
}

/* <extra_id_0> ..., unless the files list such tokens. */
bool
tok_list_extra_ids(tok_builder *builder)
{
	for (size_t i = 0; i < builder->given.count; i++)
		if (strstr(builder->given.items[i].content, "<extra_id_") != NULL)
			return append_given(builder);
	return append_given(builder) &&
		   append_numbered(builder, "<extra_id_", 0, count_extra_ids(builder));
}

static int64_t
find_pegasus_offset(tok_builder *builder)
{
	return json_int(builder->context, builder->files->config, "offset", 103, 2, EXTRA_IDS_MAX);
}

/* <mask_1> is there once more if the files list it: the list is then left out. */
bool
tok_list_pegasus_masks(tok_builder *builder)
{
	const char *mask = tok_string_option(builder, "mask_token_sent");

	if (mask != NULL && !tok_has_token(&builder->given, mask) &&
		!tok_append_plain(builder, &builder->extras, mask))
		return false;
	return append_numbered(builder, "<unk_", 2, find_pegasus_offset(builder));
}

/*
 * Vocabularies
 */

typedef struct unit_list
{
	tok_extra_unit *items;
	size_t count;
} unit_list;

static bool
begin_units(tok_builder *builder, unit_list *list, size_t limit)
{
	*list = (unit_list) {.items = tfm_alloc_array(builder->context, limit, sizeof(tok_extra_unit))};
	return list->items != NULL;
}

static void
append_unit(unit_list *list, const char *text, double score)
{
	list->items[list->count++] = (tok_extra_unit) {.text = text, .score = score};
}

/* What fairseq's vocabularies begin with, in place of SentencePiece's own first three. */
static bool
begin_fairseq(tok_builder *builder, const char *first, tok_sentencepiece_options *options)
{
	unit_list list;

	if (!begin_units(builder, &list, 4))
		return false;
	append_unit(&list, tok_content_or(builder, first, "<s>"), 0);
	append_unit(&list, tok_content_or(builder, "pad_token", "<pad>"), 0);
	append_unit(&list, tok_content_or(builder, "eos_token", "</s>"), 0);
	append_unit(&list, tok_content_or(builder, "unk_token", "<unk>"), 0);
	options->first = list.items;
	options->first_count = list.count;
	options->skip = 3;
	return true;
}

/* And what they end with: languages and the mask. */
static bool
end_fairseq(tok_builder *builder, size_t languages, tok_sentencepiece_options *options)
{
	unit_list list;

	if (!begin_units(builder, &list, languages + 1))
		return false;
	for (size_t i = 0; i < languages; i++)
		append_unit(&list, mbart_languages[i], 0);
	append_unit(&list, tok_content_or(builder, "mask_token", "<mask>"), 0);
	options->last = list.items;
	options->last_count = list.count;
	return true;
}

bool
tok_change_fairseq_units(tok_builder *builder, tok_sentencepiece_options *options)
{
	return begin_fairseq(builder, "bos_token", options) && end_fairseq(builder, 0, options);
}

bool
tok_change_mbart_units(tok_builder *builder, tok_sentencepiece_options *options)
{
	return begin_fairseq(builder, "bos_token", options) &&
		   end_fairseq(builder, MBART_LANGUAGES, options);
}

bool
tok_change_mbart50_units(tok_builder *builder, tok_sentencepiece_options *options)
{
	return begin_fairseq(builder, "cls_token", options) &&
		   end_fairseq(builder, COUNT(mbart_languages), options);
}

bool
tok_change_nllb_units(tok_builder *builder, tok_sentencepiece_options *options)
{
	options->distinct = true;
	if (!begin_fairseq(builder, "bos_token", options))
		return false;
	options->skip = 0;
	return true;
}

bool
tok_change_seamless_units(tok_builder *builder, tok_sentencepiece_options *options)
{
	unit_list list;

	if (!begin_units(builder, &list, 1))
		return false;
	append_unit(&list, "<pad>", 0);
	options->first = list.items;
	options->first_count = list.count;
	return true;
}

bool
tok_change_camembert_units(tok_builder *builder, tok_sentencepiece_options *options)
{
	unit_list list;

	if (!begin_units(builder, &list, 5) || !end_fairseq(builder, 0, options))
		return false;
	append_unit(&list, "<s>NOTUSED", 0);
	append_unit(&list, tok_content_or(builder, "pad_token", "<pad>"), 0);
	append_unit(&list, "</s>NOTUSED", 0);
	append_unit(&list, tok_content_or(builder, "unk_token", "<unk>"), 0);
	append_unit(&list, "<unk>NOTUSED", -100);
	options->first = list.items;
	options->first_count = list.count;
	options->skip = 1;
	return true;
}

bool
tok_change_pegasus_units(tok_builder *builder, tok_sentencepiece_options *options)
{
	const char *mask = tok_content_or(builder, "mask_token", "<mask_1>");
	const char *sentence =
		json_string(builder->context, builder->files->config, "mask_token_sent", "<mask_2>");
	int64_t offset = find_pegasus_offset(builder);
	unit_list list;

	if (!begin_units(builder, &list, (size_t) offset + 4))
		return false;
	append_unit(&list, tok_content_or(builder, "pad_token", "<pad>"), 0);
	append_unit(&list, tok_content_or(builder, "eos_token", "</s>"), 0);
	if (strcmp(mask, "None") != 0)
		append_unit(&list, mask, 0);
	if (strcmp(sentence, mask) != 0)
		append_unit(&list, sentence, 0);
	for (int64_t i = 2; i < offset; i++)
		append_unit(&list, tfm_sprintf(builder->context, "<unk_%lld>", (long long) i), -100);
	options->first = list.items;
	options->first_count = list.count;
	options->skip = 2;
	return !tfm_failed(builder->context);
}

/* Sentinels, from the last to the first. */
bool
tok_change_t5_units(tok_builder *builder, tok_sentencepiece_options *options)
{
	int64_t count = count_extra_ids(builder);
	unit_list list;

	if (!begin_units(builder, &list, (size_t) count + 1))
		return false;
	for (int64_t i = count - 1; i >= 0; i--)
		append_unit(&list, tfm_sprintf(builder->context, "<extra_id_%lld>", (long long) i), 0);
	options->last = list.items;
	options->last_count = list.count;
	return !tfm_failed(builder->context);
}
