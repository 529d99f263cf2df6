/*
 * response_template.h
 *	  The response_template of a tokenizer: how Transformers 5 reads a response.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_RESPONSE_TEMPLATE_H
#define TFM_TASK_RESPONSE_TEMPLATE_H

#include "task/tool_calls.h"

/*
 * Append the message that the template makes of prompt and response.  UNSUPPORTED for anchors with named
 * groups and for content parsers that are not known; INVALID_ARGUMENT where Transformers raises an error.
 */
extern bool task_parse_by_template(tfm_context *context, const message_request *request,
								   buffer *message);

#endif
