/*
 * filters.h
 *	  The filters by their files; filters.c has the table.
 *
 * Each is given its parameters in a[], MISSING where the template gives none.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_JINJA_FILTERS_H
#define TFM_TEXT_JINJA_FILTERS_H

#include "text/jinja/program.h"
#include "text/jinja/text.h"

/* filters_text.c */
extern jinja_value jinja_filter_capitalize(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_center(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_indent(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_lower(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_replace(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_string(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_title(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_trim(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_truncate(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_upper(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_urlencode(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_wordcount(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_format(jinja_state *s, jinja_value self, const jinja_call *call);

/* filters_wrap.c */
extern jinja_value jinja_filter_wordwrap(jinja_state *s, const jinja_value *a);

/* filters_html.c */
extern jinja_value jinja_filter_escape(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_forceescape(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_safe(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_striptags(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_xmlattr(jinja_state *s, const jinja_value *a);

/* filters_urlize.c */
extern jinja_value jinja_filter_urlize(jinja_state *s, const jinja_value *a);

/* filters_number.c */
extern jinja_value jinja_filter_abs(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_filesizeformat(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_float(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_int(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_round(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_sum(jinja_state *s, const jinja_value *a);

/* filters_sequence.c */
extern jinja_value jinja_filter_first(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_join(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_last(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_length(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_list(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_reverse(jinja_state *s, const jinja_value *a);

/* filters_sort.c */
extern jinja_value jinja_filter_dictsort(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_groupby(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_max(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_min(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_sort(jinja_state *s, const jinja_value *a);

/* filters_lazy.c */
extern jinja_value jinja_filter_batch(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_items(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_map(jinja_state *s, jinja_value self, const jinja_call *call);
extern jinja_value jinja_filter_reject(jinja_state *s, jinja_value self, const jinja_call *call);
extern jinja_value jinja_filter_rejectattr(jinja_state *s, jinja_value self,
										   const jinja_call *call);
extern jinja_value jinja_filter_select(jinja_state *s, jinja_value self, const jinja_call *call);
extern jinja_value jinja_filter_selectattr(jinja_state *s, jinja_value self,
										   const jinja_call *call);
extern jinja_value jinja_filter_slice(jinja_state *s, const jinja_value *a);
extern jinja_value jinja_filter_unique(jinja_state *s, const jinja_value *a);

/*
 * The member of an item that an attribute ("a.b.0", a number, or none) names, each missing one
 * replaced by a default unless that is MISSING or none.
 */
extern jinja_value jinja_get_attribute(jinja_state *s, jinja_value item, jinja_value attribute,
									   jinja_value fallback);

/* A string in lower case, anything else as it is. */
extern jinja_value jinja_ignore_case(jinja_state *s, jinja_value value);

/* Whether a flag that may not be given is set. */
static inline bool
jinja_flag(jinja_state *s, jinja_value value, bool fallback)
{
	return value.type == JINJA_MISSING ? fallback : jinja_truth(s, value);
}

#endif
