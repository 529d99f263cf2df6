/*
 * context.c
 *	  Errors as values, and allocation that records its failure.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/context.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/utf8.h"

/* vsnprintf into text[size]; a cut text ends at a whole character. */
static void
format_text(char *text, size_t size, const char *format, va_list arguments)
{
	int n = vsnprintf(text, size, format, arguments);

	if (n < 0)
		text[0] = '\0';
	else if ((size_t) n >= size)
		text[utf8_clip(text, size - 1)] = '\0';
}

bool
tfm_fail(tfm_context *context, tfm_error_kind kind, const char *format, ...)
{
	va_list arguments;

	if (tfm_failed(context))
		return false;
	context->error.kind = kind;
	context->error.detail[0] = '\0';
	context->error.hint[0] = '\0';
	va_start(arguments, format);
	format_text(context->error.message, sizeof(context->error.message), format, arguments);
	va_end(arguments);
	return false;
}

bool
tfm_detail(tfm_context *context, const char *format, ...)
{
	va_list arguments;

	if (!tfm_failed(context) || context->error.detail[0] != '\0')
		return false;
	va_start(arguments, format);
	format_text(context->error.detail, sizeof(context->error.detail), format, arguments);
	va_end(arguments);
	return false;
}

bool
tfm_hint(tfm_context *context, const char *format, ...)
{
	va_list arguments;

	if (!tfm_failed(context) || context->error.hint[0] != '\0')
		return false;
	va_start(arguments, format);
	format_text(context->error.hint, sizeof(context->error.hint), format, arguments);
	va_end(arguments);
	return false;
}

void
tfm_clear_error(tfm_context *context)
{
	context->error.kind = TFM_OK;
	context->error.message[0] = '\0';
	context->error.detail[0] = '\0';
	context->error.hint[0] = '\0';
}

bool
tfm_stopped(tfm_context *context)
{
	if (tfm_failed(context))
		return true;
	if (context->interrupted == NULL || !context->interrupted(context->interrupted_argument))
		return false;
	tfm_fail(context, TFM_CANCELLED, "the computation was cancelled");
	return true;
}

void
tfm_log(tfm_context *context, tfm_log_level level, const char *format, ...)
{
	char message[1024];
	va_list arguments;

	if (context->log == NULL)
		return;
	va_start(arguments, format);
	format_text(message, sizeof(message), format, arguments);
	va_end(arguments);
	context->log(context->log_argument, level, message);
}

void *
tfm_alloc(tfm_context *context, size_t size)
{
	void *p = arena_alloc(context->arena, size);

	if (p == NULL)
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory while allocating %zu bytes", size);
	return p;
}

void *
tfm_alloc_zero(tfm_context *context, size_t size)
{
	void *p = tfm_alloc(context, size);

	return p == NULL ? NULL : memset(p, 0, size);
}

void *
tfm_alloc_array(tfm_context *context, size_t count, size_t item_size)
{
	size_t size;

	if (!size_multiply(count, item_size, &size))
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY,
				 "out of memory while allocating %zu items of %zu bytes", count, item_size);
		return NULL;
	}
	return tfm_alloc(context, size);
}

char *
tfm_strdup(tfm_context *context, const char *string)
{
	return tfm_strndup(context, string, strlen(string));
}

char *
tfm_strndup(tfm_context *context, const char *string, size_t length)
{
	char *copy = tfm_alloc(context, length + 1);

	if (copy == NULL)
		return NULL;
	/* An empty text may have no data at all. */
	if (length > 0)
		memcpy(copy, string, length);
	copy[length] = '\0';
	return copy;
}

char *
tfm_sprintf(tfm_context *context, const char *format, ...)
{
	va_list arguments;
	char *text;
	int n;

	va_start(arguments, format);
	n = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	text = n < 0 ? NULL : tfm_alloc(context, (size_t) n + 1);
	if (text == NULL)
		return NULL;
	va_start(arguments, format);
	vsnprintf(text, (size_t) n + 1, format, arguments);
	va_end(arguments);
	return text;
}
