/*
 * blob.h
 *	  The outer form of a compiled tokenizer.
 *
 * A header with a table of sections, then the sections, each at a multiple of 8 bytes.  Numbers are
 * little endian.  A section of components is a row of records: header, payload, padding to 8 bytes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_BLOB_H
#define TFM_TEXT_BLOB_H

#include "text/pipeline.h"

#define BLOB_MAGIC "TFMTOKEN"
#define BLOB_VERSION 3u /* to be raised whenever a section, a payload or a property table changes */

typedef struct blob_section
{
	uint64_t offset; /* from the header's start */
	uint64_t length;
} blob_section;

typedef struct blob_header
{
	char magic[8];
	uint32_t version;
	uint32_t section_count;
	uint64_t length; /* of the whole */
	blob_section sections[TOK_SECTION_COUNT];
} blob_header;

typedef struct blob_record
{
	char type[40]; /* name of the component's type, zero-terminated */
	uint64_t length;
} blob_record;

#endif
