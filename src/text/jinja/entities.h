/*
 * entities.h
 *	  HTML's named characters.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_JINJA_ENTITIES_H
#define TFM_TEXT_JINJA_ENTITIES_H

#include "base/context.h"

/* The length of the name (with its semicolon) that text, behind "&", begins with; 0 if none. */
extern size_t jinja_find_entity(const char *text, size_t length, uint32_t *character);

#endif
