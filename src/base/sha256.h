/*
 * sha256.h
 *	  SHA-256 (by OpenSSL), the name of a checkpoint's content.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_SHA256_H
#define TFM_BASE_SHA256_H

#include "base/context.h"

#define SHA256_HEX_LENGTH 64

typedef struct sha256 sha256;

/* A new hash, freed with the context's arena; NULL on error. */
extern sha256 *sha256_create(tfm_context *context);

/* Hash more bytes. */
extern bool sha256_update(tfm_context *context, sha256 *hash, const void *bytes, size_t length);

/* Hash the whole of a file in pieces, polling for interrupts. */
extern bool sha256_update_file(tfm_context *context, sha256 *hash, const char *path);

/* The digest in lower-case hexadecimal, zero-terminated; ends the hash. */
extern bool sha256_finish(tfm_context *context, sha256 *hash, char hex[SHA256_HEX_LENGTH + 1]);

#endif
