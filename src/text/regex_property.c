/*
 * regex_property.c
 *	  The named sets of characters that regular expressions have.
 *
 * General categories come from our own table.  For scripts, blocks and binary properties ICU is asked,
 * for the characters that Oniguruma's Unicode version has; what an older ICU does not know of them
 * stands in a table.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/regex_set.h"

#include <string.h>

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include "text/character_class.h"

#define NAME_MAX_LENGTH 63
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const posix_names[TOK_POSIX_COUNT] = {
	"alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
	"lower", "print", "punct", "space", "upper", "word",  "xdigit",
};

/* ICU's general categories, in the order of its enumeration, as our classes. */
static const uint32_t classes[] = {
	[U_UNASSIGNED] = TOK_CN,
	[U_UPPERCASE_LETTER] = TOK_LU,
	[U_LOWERCASE_LETTER] = TOK_LL,
	[U_TITLECASE_LETTER] = TOK_LT,
	[U_MODIFIER_LETTER] = TOK_LM,
	[U_OTHER_LETTER] = TOK_LO,
	[U_NON_SPACING_MARK] = TOK_MN,
	[U_ENCLOSING_MARK] = TOK_ME,
	[U_COMBINING_SPACING_MARK] = TOK_MC,
	[U_DECIMAL_DIGIT_NUMBER] = TOK_ND,
	[U_LETTER_NUMBER] = TOK_NL,
	[U_OTHER_NUMBER] = TOK_NO,
	[U_SPACE_SEPARATOR] = TOK_ZS,
	[U_LINE_SEPARATOR] = TOK_ZL,
	[U_PARAGRAPH_SEPARATOR] = TOK_ZP,
	[U_CONTROL_CHAR] = TOK_CONTROL,
	[U_FORMAT_CHAR] = TOK_CF,
	[U_PRIVATE_USE_CHAR] = TOK_CO,
	[U_SURROGATE] = 0,
	[U_DASH_PUNCTUATION] = TOK_PD,
	[U_START_PUNCTUATION] = TOK_PS,
	[U_END_PUNCTUATION] = TOK_PE,
	[U_CONNECTOR_PUNCTUATION] = TOK_PC,
	[U_OTHER_PUNCTUATION] = TOK_PO,
	[U_MATH_SYMBOL] = TOK_SM,
	[U_CURRENCY_SYMBOL] = TOK_SC,
	[U_MODIFIER_SYMBOL] = TOK_SK,
	[U_OTHER_SYMBOL] = TOK_SO,
	[U_INITIAL_PUNCTUATION] = TOK_PI,
	[U_FINAL_PUNCTUATION] = TOK_PF,
};

/* Whether the character is one that ICU does not know, but Oniguruma does. */
static bool
is_new(uint32_t c)
{
	return u_charType((UChar32) c) == U_UNASSIGNED && tok_character_class(c) != TOK_CN;
}

/* The properties that we know to be as Oniguruma has them, with the table below. */
static const UProperty known_properties[] = {
	UCHAR_ALPHABETIC,
	UCHAR_UPPERCASE,
	UCHAR_LOWERCASE,
	UCHAR_CASED,
	UCHAR_ID_START,
	UCHAR_ID_CONTINUE,
	UCHAR_XID_START,
	UCHAR_XID_CONTINUE,
	UCHAR_WHITE_SPACE,
	UCHAR_HEX_DIGIT,
	UCHAR_ASCII_HEX_DIGIT,
	UCHAR_IDEOGRAPHIC,
	UCHAR_EMOJI,
	UCHAR_EMOJI_PRESENTATION,
	UCHAR_UNIFIED_IDEOGRAPH,
	UCHAR_EMOJI_MODIFIER,
	UCHAR_EMOJI_MODIFIER_BASE,
	UCHAR_EXTENDED_PICTOGRAPHIC,
	UCHAR_JOIN_CONTROL,
	UCHAR_QUOTATION_MARK,
	UCHAR_VARIATION_SELECTOR,
	UCHAR_REGIONAL_INDICATOR,
	UCHAR_BIDI_CONTROL,
};

/* What Unicode 16 has otherwise than what is said below, or than an older ICU has. */
static const struct
{
	UProperty property;
	uint32_t first, last;
	bool has;
} corrections[] = {
	{UCHAR_ALPHABETIC, 0x363, 0x36F, true},		 {UCHAR_ALPHABETIC, 0x1DD3, 0x1DE6, true},
	{UCHAR_ALPHABETIC, 0x10D6A, 0x10D6D, false}, {UCHAR_ALPHABETIC, 0x113CE, 0x113D0, false},
	{UCHAR_ALPHABETIC, 0x113D2, 0x113D2, false}, {UCHAR_ALPHABETIC, 0x113E1, 0x113E2, false},
	{UCHAR_ALPHABETIC, 0x11F5A, 0x11F5A, false}, {UCHAR_ALPHABETIC, 0x1612F, 0x1612F, false},
	{UCHAR_ALPHABETIC, 0x1E5EE, 0x1E5EF, false}, {UCHAR_ID_CONTINUE, 0x200C, 0x200D, true},
	{UCHAR_ID_CONTINUE, 0x30FB, 0x30FB, true},	 {UCHAR_ID_CONTINUE, 0xFF65, 0xFF65, true},
	{UCHAR_XID_CONTINUE, 0x200C, 0x200D, true},	 {UCHAR_XID_CONTINUE, 0x30FB, 0x30FB, true},
	{UCHAR_XID_CONTINUE, 0xFF65, 0xFF65, true},	 {UCHAR_IDEOGRAPHIC, 0x18CFF, 0x18CFF, true},
	{UCHAR_IDEOGRAPHIC, 0x2EBF0, 0x2EE5D, true}, {UCHAR_UNIFIED_IDEOGRAPH, 0x2EBF0, 0x2EE5D, true},
	{UCHAR_EMOJI, 0x1FA89, 0x1FA89, true},		 {UCHAR_EMOJI, 0x1FA8F, 0x1FA8F, true},
	{UCHAR_EMOJI, 0x1FABE, 0x1FABE, true},		 {UCHAR_EMOJI, 0x1FAC6, 0x1FAC6, true},
	{UCHAR_EMOJI, 0x1FADC, 0x1FADC, true},		 {UCHAR_EMOJI, 0x1FADF, 0x1FADF, true},
	{UCHAR_EMOJI, 0x1FAE9, 0x1FAE9, true},
};

/* The scripts of the characters of Unicode 15.1 and 16, but those of scripts that are new. */
static const struct
{
	UScriptCode script;
	uint32_t first, last;
} new_scripts[] = {
	{USCRIPT_COMMON, 0x2427, 0x2429},
	{USCRIPT_COMMON, 0x2FFC, 0x2FFF},
	{USCRIPT_COMMON, 0x31E4, 0x31E5},
	{USCRIPT_COMMON, 0x31EF, 0x31EF},
	{USCRIPT_COMMON, 0x1CC00, 0x1CCF9},
	{USCRIPT_COMMON, 0x1CD00, 0x1CEB3},
	{USCRIPT_COMMON, 0x1F8B2, 0x1F8BB},
	{USCRIPT_COMMON, 0x1F8C0, 0x1F8C1},
	{USCRIPT_COMMON, 0x1FA89, 0x1FA89},
	{USCRIPT_COMMON, 0x1FA8F, 0x1FA8F},
	{USCRIPT_COMMON, 0x1FABE, 0x1FABE},
	{USCRIPT_COMMON, 0x1FAC6, 0x1FAC6},
	{USCRIPT_COMMON, 0x1FADC, 0x1FADC},
	{USCRIPT_COMMON, 0x1FADF, 0x1FADF},
	{USCRIPT_COMMON, 0x1FAE9, 0x1FAE9},
	{USCRIPT_COMMON, 0x1FBCB, 0x1FBEF},
	{USCRIPT_ARABIC, 0x897, 0x897},
	{USCRIPT_ARABIC, 0x10EC2, 0x10EC4},
	{USCRIPT_ARABIC, 0x10EFC, 0x10EFC},
	{USCRIPT_CYRILLIC, 0x1C89, 0x1C8A},
	{USCRIPT_HAN, 0x2EBF0, 0x2EE5D},
	{USCRIPT_LATIN, 0xA7CB, 0xA7CD},
	{USCRIPT_LATIN, 0xA7DA, 0xA7DC},
	{USCRIPT_MYANMAR, 0x116D0, 0x116E3},
	{USCRIPT_BALINESE, 0x1B4E, 0x1B4F},
	{USCRIPT_BALINESE, 0x1B7F, 0x1B7F},
	{USCRIPT_EGYPTIAN_HIEROGLYPHS, 0x13460, 0x143FA},
	{USCRIPT_KHITAN_SMALL_SCRIPT, 0x18CFF, 0x18CFF},
	{USCRIPT_KAWI, 0x11F5A, 0x11F5A},
};

/* By the definition of the properties, without what the table above has. */
static bool
has_new_property(uint32_t c, UProperty property)
{
	uint32_t class = tok_character_class(c);

	switch (property)
	{
		case UCHAR_ALPHABETIC:
			return (class & (TOK_LETTER | TOK_NL | TOK_MARK)) != 0;
		case UCHAR_ID_START:
		case UCHAR_XID_START:
			return (class & (TOK_LETTER | TOK_NL)) != 0;
		case UCHAR_ID_CONTINUE:
		case UCHAR_XID_CONTINUE:
			return (class & (TOK_LETTER | TOK_NL | TOK_MN | TOK_MC | TOK_ND | TOK_PC)) != 0;
		case UCHAR_UPPERCASE:
			return class == TOK_LU;
		case UCHAR_LOWERCASE:
			return class == TOK_LL;
		case UCHAR_CASED:
			return (class & (TOK_LU | TOK_LL | TOK_LT)) != 0;
		default:
			return false;
	}
}

static bool
has_property(uint32_t c, int32_t property)
{
	UProperty which = (UProperty) property;

	for (size_t i = 0; i < COUNT(corrections); i++)
		if (c - corrections[i].first <= corrections[i].last - corrections[i].first &&
			(corrections[i].property == which ||
			 (corrections[i].property == UCHAR_EMOJI && which == UCHAR_EMOJI_PRESENTATION)))
			return corrections[i].has;
	if (tok_character_class(c) == TOK_CN)
		return which == UCHAR_EXTENDED_PICTOGRAPHIC && u_hasBinaryProperty((UChar32) c, which);
	return u_hasBinaryProperty((UChar32) c, which) || (is_new(c) && has_new_property(c, which));
}

static bool
is_known_property(UProperty property)
{
	for (size_t i = 0; i < COUNT(known_properties); i++)
		if (known_properties[i] == property)
			return true;
	return false;
}

static UScriptCode
find_script(uint32_t c)
{
	UErrorCode status = U_ZERO_ERROR;

	if (tok_character_class(c) == TOK_CN)
		return USCRIPT_UNKNOWN;
	for (size_t i = 0; is_new(c) && i < COUNT(new_scripts); i++)
		if (new_scripts[i].first <= c && c <= new_scripts[i].last)
			return new_scripts[i].script;
	/* What is left are letters of scripts that ICU has no name for. */
	return is_new(c) ? USCRIPT_INVALID_CODE : uscript_getScript((UChar32) c, &status);
}

static bool
has_script(uint32_t c, int32_t script)
{
	return find_script(c) == (UScriptCode) script;
}

static bool
has_block(uint32_t c, int32_t block)
{
	return ublock_getCode((UChar32) c) == (UBlockCode) block;
}

tok_posix
tok_find_posix(const char *name, size_t length)
{
	for (int i = 0; i < TOK_POSIX_COUNT; i++)
		if (strlen(posix_names[i]) == length && memcmp(posix_names[i], name, length) == 0)
			return (tok_posix) i;
	return TOK_POSIX_COUNT;
}

static bool
add_property(tfm_context *context, tok_set *set, UProperty property, uint32_t mask)
{
	return tok_set_add_where(context, set, has_property, property) &&
		   (mask == 0 || tok_set_add_classes(context, set, mask));
}

/* Oniguruma's: all but spaces, control characters and what is unassigned. */
#define GRAPH (~(TOK_SPACE | TOK_CONTROL | TOK_CN))

bool
tok_set_add_posix(tfm_context *context, tok_set *set, tok_posix which)
{
	switch (which)
	{
		case TOK_POSIX_ALNUM:
			return add_property(context, set, UCHAR_ALPHABETIC, TOK_ND);
		case TOK_POSIX_ALPHA:
			return add_property(context, set, UCHAR_ALPHABETIC, 0);
		case TOK_POSIX_ASCII:
			return tok_set_add(context, set, 0, 0x7F);
		case TOK_POSIX_BLANK:
			return tok_set_add(context, set, '\t', '\t') &&
				   tok_set_add_classes(context, set, TOK_ZS);
		case TOK_POSIX_CNTRL:
			return tok_set_add_classes(context, set, TOK_CONTROL);
		case TOK_POSIX_DIGIT:
			return tok_set_add_classes(context, set, TOK_ND);
		case TOK_POSIX_GRAPH:
			return tok_set_add_classes(context, set, GRAPH);
		case TOK_POSIX_LOWER:
			return add_property(context, set, UCHAR_LOWERCASE, 0);
		case TOK_POSIX_PRINT:
			return tok_set_add_classes(context, set, GRAPH | TOK_ZS);
		case TOK_POSIX_PUNCT:
			return tok_set_add_classes(context, set, TOK_PUNCTUATION | TOK_SYMBOL);
		case TOK_POSIX_SPACE:
			return tok_set_add_classes(context, set, TOK_SPACE);
		case TOK_POSIX_UPPER:
			return add_property(context, set, UCHAR_UPPERCASE, 0);
		case TOK_POSIX_WORD:
			return add_property(context, set, UCHAR_ALPHABETIC, TOK_MARK | TOK_ND | TOK_PC);
		default:
			return tok_set_add(context, set, '0', '9') && tok_set_add(context, set, 'A', 'F') &&
				   tok_set_add(context, set, 'a', 'f');
	}
}

/* The name without what does not count, in lower case; false if it is none. */
static bool
simplify(const char *name, size_t length, char simple[NAME_MAX_LENGTH + 1])
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++)
	{
		char c = name[i] >= 'A' && name[i] <= 'Z' ? (char) (name[i] + ('a' - 'A')) : name[i];

		if (c == ' ' || c == '-' || c == '_')
			continue;
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) || used == NAME_MAX_LENGTH)
			return false;
		simple[used++] = c;
	}
	simple[used] = '\0';
	return used > 0;
}

static bool
add_category(tfm_context *context, tok_set *set, uint32_t icu_mask)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < COUNT(classes); i++)
		if ((icu_mask & U_MASK(i)) != 0)
			mask |= classes[i];
	return tok_set_add_classes(context, set, mask);
}

/* The names that are not those of Unicode; *found is left as it is if this is none of them. */
static bool
add_own_name(tfm_context *context, tok_set *set, const char *name, bool *found)
{
	tok_posix posix = tok_find_posix(name, strlen(name));

	*found = true;
	if (strcmp(name, "any") == 0)
		return tok_set_add(context, set, 0, TOK_LAST_CHARACTER);
	if (strcmp(name, "assigned") == 0)
		return tok_set_add_classes(context, set, ~(uint32_t) TOK_CN);
	if (strcmp(name, "posixpunct") == 0)
		return tok_set_add_posix(context, set, TOK_POSIX_PUNCT);

	/* Outside of brackets some characters of Latin-1 are of a word, too. */
	if (posix == TOK_POSIX_WORD)
		return tok_set_add_posix(context, set, posix) && tok_set_add(context, set, 0xB2, 0xB3) &&
			   tok_set_add(context, set, 0xB9, 0xB9) && tok_set_add(context, set, 0xBC, 0xBE);
	if (posix != TOK_POSIX_COUNT && posix != TOK_POSIX_PUNCT)
		return tok_set_add_posix(context, set, posix);
	*found = false;
	return true;
}

bool
tok_set_add_property(tfm_context *context, tok_set *set, const char *name, size_t length,
					 bool *found)
{
	char simple[NAME_MAX_LENGTH + 1];
	int32_t value;
	UProperty property;

	*found = false;
	if (!simplify(name, length, simple))
		return true;
	if (!add_own_name(context, set, simple, found) || *found)
		return *found;
	*found = true;
	value = u_getPropertyValueEnum(UCHAR_GENERAL_CATEGORY_MASK, simple);
	if (value != UCHAR_INVALID_CODE)
		return add_category(context, set, (uint32_t) value);
	value = u_getPropertyValueEnum(UCHAR_SCRIPT, simple);
	if (value != UCHAR_INVALID_CODE)
		return tok_set_add_where(context, set, has_script, value);
	property = u_getPropertyEnum(simple);
	if (is_known_property(property))
		return tok_set_add_where(context, set, has_property, property);
	value = strncmp(simple, "in", 2) == 0 ? u_getPropertyValueEnum(UCHAR_BLOCK, simple + 2)
										  : UCHAR_INVALID_CODE;
	if (value != UCHAR_INVALID_CODE)
		return tok_set_add_where(context, set, has_block, value);
	*found = false;
	return true;
}
