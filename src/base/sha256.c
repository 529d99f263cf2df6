/*
 * sha256.c
 *	  SHA-256 by OpenSSL's EVP interface.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/file.h"

#define PIECE_SIZE ((size_t) 1024 * 1024)

struct sha256
{
	EVP_MD_CTX *digest;
};

static void
release_digest(void *argument)
{
	EVP_MD_CTX_free(((sha256 *) argument)->digest);
}

sha256 *
sha256_create(tfm_context *context)
{
	sha256 *hash = tfm_alloc_zero(context, sizeof(sha256));

	if (hash == NULL)
		return NULL;
	hash->digest = EVP_MD_CTX_new();
	if (hash->digest == NULL || !arena_on_release(context->arena, release_digest, hash))
	{
		EVP_MD_CTX_free(hash->digest);
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	if (EVP_DigestInit_ex(hash->digest, EVP_sha256(), NULL) != 1)
	{
		tfm_fail(context, TFM_INTERNAL, "could not start SHA-256");
		return NULL;
	}
	return hash;
}

bool
sha256_update(tfm_context *context, sha256 *hash, const void *bytes, size_t length)
{
	if (EVP_DigestUpdate(hash->digest, bytes, length) != 1)
		return tfm_fail(context, TFM_INTERNAL, "could not compute SHA-256");
	return true;
}

bool
sha256_update_file(tfm_context *context, sha256 *hash, const char *path)
{
	arena_mark mark = arena_save(context->arena);
	file *f = file_open(context, path);
	char *piece = f == NULL ? NULL : tfm_alloc(context, PIECE_SIZE);
	size_t offset = 0;

	while (piece != NULL && offset < f->size && !tfm_stopped(context))
	{
		size_t n = f->size - offset < PIECE_SIZE ? f->size - offset : PIECE_SIZE;

		if (!file_read_at(context, f, offset, piece, n) || !sha256_update(context, hash, piece, n))
			break;
		offset += n;
		context->progress.done += (int64_t) n;
	}
	arena_restore(context->arena, mark);
	return !tfm_failed(context);
}

bool
sha256_finish(tfm_context *context, sha256 *hash, char hex[SHA256_HEX_LENGTH + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[SHA256_HEX_LENGTH / 2];

	if (EVP_DigestFinal_ex(hash->digest, bytes, NULL) != 1)
		return tfm_fail(context, TFM_INTERNAL, "could not compute SHA-256");
	for (size_t i = 0; i < sizeof(bytes); i++)
	{
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[SHA256_HEX_LENGTH] = '\0';
	return true;
}
