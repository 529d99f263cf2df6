/*
 * text_generation.c
 *	  The pipeline "text-generation": prompts that go on, and conversations.
 *	  Follows pipelines/text_generation.py of Transformers 5.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "runtime/loaded.h"
#include "task/pipeline_generation.h"
#include "task/tool_calls.h"

/* What stands before the prompts of XLNet and Transformer-XL where nobody says otherwise. */
static const char xl_prefix[] =
	"\n    In 1991, the remains of Russian Tsar Nicholas II and his family (except for Alexei and "
	"Maria) are discovered. The\n    voice of Nicholas's young son, Tsarevich Alexei Nikolaevich, "
	"narrates the remainder of the story. 1883 Western\n    Siberia, a young Grigori Rasputin is "
	"asked by his father and a group of men to perform magic. Rasputin has a vision\n    and "
	"denounces one of the men as a horse thief. Although his father initially slaps him for making "
	"such an\n    accusation, Rasputin watches as the man is chased outside and beaten. Twenty "
	"years later, Rasputin sees a vision of\n    the Virgin Mary, prompting him to become a "
	"priest. Rasputin quickly becomes famous, with people, even a bishop,\n    begging for his "
	"blessing. <eod> </s> <eos>\n    ";

static const char *const own_parameters[] = {"return_full_text",
											 "return_tensors",
											 "return_text",
											 "clean_up_tokenization_spaces",
											 "prefix",
											 "handle_long_generation",
											 "stop_sequence",
											 "truncation",
											 "padding",
											 "add_special_tokens",
											 "continue_final_message",
											 "skip_special_tokens",
											 "tokenizer_encode_kwargs",
											 "tools",
											 "documents",
											 NULL};

typedef enum return_kind
{
	RETURN_FULL_TEXT,
	RETURN_NEW_TEXT,
	RETURN_TENSORS
} return_kind;

/* A call, planned. */
typedef struct generation_call
{
	const pipeline_call *call;
	pipeline_generation generation;
	return_kind returned;
	tok_cleaning cleaning;
	bool skips_special;
	bool leaves_hole;		/* long prompts lose their beginning */
	json response_template; /* of the tokenizer; absent mostly */
	tok_encode_options encode;
} generation_call;

/* An input: a text, or a conversation. */
typedef struct generation_input
{
	tfm_text text;
	json messages; /* absent: the text */
	bool continues;
} generation_input;

static bool
is_message(json value)
{
	return json_is_object(value) && json_present(json_member(value, "role")) &&
		   json_present(json_member(value, "content"));
}

/* A list of messages is one conversation. */
static bool
is_list(json inputs)
{
	return json_is_array(inputs) && !is_message(json_first(inputs));
}

/* ---- Parameters ---- */

static bool
plan_result(tfm_context *context, generation_call *g)
{
	const pipeline_call *call = g->call;
	bool says_full = json_present(task_parameter(call, "return_full_text"));
	bool says_tensors = json_present(task_parameter(call, "return_tensors"));
	bool says_text = json_present(task_parameter(call, "return_text"));

	if (says_full + says_tensors + says_text > 1)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"only one of \"return_full_text\", \"return_tensors\" and \"return_text\" "
						"can be given");
	if (says_tensors)
		g->returned = RETURN_TENSORS;
	else if (says_full && !task_bool_parameter(context, call, "return_full_text", true))
		g->returned = RETURN_NEW_TEXT;
	g->cleaning = task_cleaning(context, call, TOK_CLEAN_BY_FILES);
	if (g->cleaning == TOK_CLEAN_ALWAYS && tok_is_bpe(g->generation.plan.tokenizer))
		g->cleaning = TOK_CLEAN_BY_FILES;
	g->response_template = json_member(
		run_model_json(context, call->models->model, "tokenizer_config.json"), "response_template");
	g->skips_special = task_bool_parameter(context, call, "skip_special_tokens", true) &&
					   !json_present(g->response_template);
	return !tfm_failed(context);
}

static bool
plan_stop(tfm_context *context, const pipeline_call *call, gen_config *config)
{
	json stop = task_parameter(call, "stop_sequence");
	json first = json_is_array(stop) ? json_first(stop) : stop;
	size_t count = json_is_array(stop) ? json_size(stop) : 1;
	tfm_text *texts;

	if (!json_present(stop))
		return true;
	texts = tfm_alloc_array(context, count, sizeof(tfm_text));
	if (texts == NULL)
		return false;
	config->stop_strings = texts;
	config->stop_string_count = count;
	for (size_t i = 0; i < count; i++, first = json_is_array(stop) ? json_next(first) : first)
	{
		if (!json_is_string(first))
			return tfm_fail(context, TFM_INVALID_ARGUMENT,
							"the parameter \"stop_sequence\" is neither a string nor a list of "
							"strings");
		texts[i] = (tfm_text) {json_as_string(first), strlen(json_as_string(first))};
	}
	return true;
}

/* A parameter of the tokenizer, which tokenizer_encode_kwargs may have, too. */
static json
tokenizer_parameter(const pipeline_call *call, const char *name)
{
	json value = json_member(task_parameter(call, "tokenizer_encode_kwargs"), name);

	return json_present(value) ? value : task_parameter(call, name);
}

static bool
plan_encoding(tfm_context *context, generation_call *g)
{
	const tok_tokenizer *tokenizer = g->generation.plan.tokenizer;
	json special = tokenizer_parameter(g->call, "add_special_tokens");
	json length = tokenizer_parameter(g->call, "max_length");
	int64_t most = tok_model_max_length(tokenizer);
	const char *handling = task_string_parameter(context, g->call, "handle_long_generation", NULL);

	if (handling != NULL && strcmp(handling, "hole") != 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"the parameter \"handle_long_generation\" is not \"hole\"");
	g->leaves_hole = handling != NULL;
	g->encode = TOK_ENCODE_DEFAULTS;
	if (json_is_bool(special))
		g->encode.add_special_tokens = json_as_bool(special);
	if (tok_truncates_left(tokenizer))
		g->encode.direction = TOK_TRUNCATE_LEFT;
	if (!task_truncates(context, tokenizer_parameter(g->call, "truncation")))
		return !tfm_failed(context);
	if (json_present(length) && !json_to_int(length, 1, INT32_MAX, &most))
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"the parameter \"max_length\" is not a whole number above 0");
	if (most > 0 && most < INT32_MAX)
		g->encode.max_length = (int32_t) most;
	return true;
}

/* A total length, as opposed to a number of new tokens, has to include the prefix. */
static bool
plan_prefix(tfm_context *context, generation_call *g)
{
	const char *architecture = g->call->models->model->info.architecture;
	bool is_xl = architecture != NULL && (strcmp(architecture, "XLNetLMHeadModel") == 0 ||
										  strcmp(architecture, "TransfoXLLMHeadModel") == 0);
	const char *given = task_string_parameter(context, g->call, "prefix", NULL);
	gen_config *config = &g->generation.plan.config;
	tok_encoding encoding;

	if (given == NULL && is_xl && g->generation.prefix.length == 0)
		given = xl_prefix;
	if (given != NULL)
		g->generation.prefix = (tfm_text) {given, strlen(given)};
	if (tfm_failed(context) || g->generation.prefix.length == 0)
		return !tfm_failed(context);
	if (!tok_encode(context, g->generation.plan.tokenizer, g->generation.prefix, NULL,
					&(tok_encode_options) {0}, &encoding))
		return false;
	if (config->max_length > 0 && config->max_new_tokens == 0)
		config->max_length += (int64_t) encoding.count;
	if (config->min_length > 0 && config->min_new_tokens == 0)
		config->min_length += (int64_t) encoding.count;
	return true;
}

static bool
plan_call(tfm_context *context, const pipeline_call *call, generation_call *g)
{
	*g = (generation_call) {.call = call, .response_template = {.node = NULL}};
	return task_plan_generation(context, call, own_parameters, true, &g->generation) &&
		   plan_result(context, g) && plan_encoding(context, g) &&
		   plan_stop(context, call, &g->generation.plan.config) && plan_prefix(context, g);
}

/* ---- Prompts ---- */

static json
last_of(json list)
{
	json last = json_first(list);

	for (json next = last; json_present(next); next = json_next(next))
		last = next;
	return last;
}

static bool
read_input(tfm_context *context, const generation_call *g, const pipeline_input *from,
		   generation_input *input)
{
	json role;

	*input = (generation_input) {.messages = {.node = NULL}};
	if (!json_is_array(from->value))
		return task_input_text(context, from, "text", &input->text);
	for (json m = json_first(from->value); json_present(m); m = json_next(m))
		if (!is_message(m))
			return tfm_fail(context, TFM_INVALID_ARGUMENT,
							"a message has no \"role\" or no \"content\"");
	if (json_size(from->value) == 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "a conversation has no messages");
	input->messages = from->value;
	role = json_member(last_of(from->value), "role");
	input->continues =
		task_bool_parameter(context, g->call, "continue_final_message",
							json_is_string(role) && strcmp(json_as_string(role), "assistant") == 0);
	return !tfm_failed(context);
}

/* A value as JSON text, empty where it is absent. */
static bool
print_json(tfm_context *context, json value, tfm_text *text)
{
	buffer *b;

	*text = (tfm_text) {"", 0};
	if (!json_present(value))
		return true;
	b = buffer_create(context);
	if (b == NULL || !json_append(context, b, value))
		return false;
	*text = (tfm_text) {b->data, b->length};
	return true;
}

static bool
render_chat(tfm_context *context, const generation_call *g, const generation_input *input,
			tfm_text *prompt)
{
	chat_request chat = {.add_generation_prompt = !input->continues,
						 .continue_final_message = input->continues};

	return print_json(context, input->messages, &chat.messages) &&
		   print_json(context, task_parameter(g->call, "tools"), &chat.tools) &&
		   print_json(context, task_parameter(g->call, "documents"), &chat.documents) &&
		   task_apply_chat_template(context, g->call->models->model, &chat, prompt);
}

/* Leave out first tokens, so that there are positions for those that follow. */
static bool
leave_hole(tfm_context *context, const generation_call *g, gen_ids *ids)
{
	const gen_config *config = &g->generation.plan.config;
	int64_t most = tok_model_max_length(g->generation.plan.tokenizer);
	int64_t count = (int64_t) ids->count, fresh = config->max_new_tokens;

	if (fresh == 0)
		fresh = config->max_length - count;
	if (fresh < 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"how many new tokens are expected is not known");
	if (most == 0 || count + fresh <= most)
		return true;
	if (fresh >= most)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED,
						"%lld new tokens are more than the model's longest text",
						(long long) fresh);
	if (count > most - fresh)
	{
		ids->ids += count - (most - fresh);
		ids->count = (size_t) (most - fresh);
	}
	return true;
}

static bool
encode_input(tfm_context *context, const generation_call *g, const generation_input *input,
			 gen_ids *ids)
{
	tok_encode_options options = g->encode;
	tok_encoding encoding;
	tfm_text prompt;

	if (json_present(input->messages))
	{
		options.add_special_tokens = false;
		if (!render_chat(context, g, input, &prompt))
			return false;
	}
	else if (!generate_plan_join(context, g->generation.prefix, input->text, &prompt))
		return false;
	if (!tok_encode(context, g->generation.plan.tokenizer, prompt, NULL, &options, &encoding))
		return false;
	*ids = (gen_ids) {.ids = encoding.ids, .count = encoding.count};
	return !g->leaves_hole || leave_hole(context, g, ids);
}

/* ---- Results ---- */

/* The message that the assistant adds. */
static bool
append_reply(tfm_context *context, const generation_call *g, const pipeline_row *row, tfm_text text,
			 buffer *b)
{
	message_request request = {.response = text, .response_template = g->response_template};

	if (!json_present(g->response_template))
	{
		buffer_append_string(context, b, "{\"role\":\"assistant\",\"content\":");
		json_append_string(context, b, text.data, text.length);
		return buffer_append_string(context, b, "}");
	}
	return tok_decode(context, g->generation.plan.tokenizer, row->ids, row->prompt, false,
					  &request.prompt) &&
		   task_parse_message(context, &request, b);
}

/* The last message with a text behind it. */
static bool
append_continued(tfm_context *context, json message, tfm_text text, buffer *b)
{
	json content = json_member(message, "content");
	tfm_text before;

	if (!json_is_string(content))
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"the message that is to be continued is no text");
	before = (tfm_text) {json_as_string(content), strlen(json_as_string(content))};
	if (!generate_plan_join(context, before, text, &text))
		return false;
	buffer_append_string(context, b, "{\"role\":");
	json_append(context, b, json_member(message, "role"));
	buffer_append_string(context, b, ",\"content\":");
	json_append_string(context, b, text.data, text.length);
	return buffer_append_string(context, b, "}");
}

static bool
append_chat(tfm_context *context, const generation_call *g, const generation_input *input,
			const pipeline_row *row, tfm_text text, buffer *b)
{
	buffer_append_string(context, b, "[");
	for (json m = json_first(input->messages); json_present(m); m = json_next(m))
	{
		if (input->continues && !json_present(json_next(m)))
			return append_continued(context, m, text, b) && buffer_append_string(context, b, "]");
		json_append(context, b, m);
		buffer_append_string(context, b, ",");
	}
	return append_reply(context, g, row, text, b) && buffer_append_string(context, b, "]");
}

static bool
append_text(tfm_context *context, const generation_call *g, const generation_input *input,
			const pipeline_row *row, buffer *b)
{
	tfm_text text;

	if (!tok_decode_cleaned(context, g->generation.plan.tokenizer, row->ids + row->prompt,
							row->count - row->prompt, g->skips_special, g->cleaning, &text))
		return false;
	if (g->returned == RETURN_FULL_TEXT && json_present(input->messages))
		return append_chat(context, g, input, row, text, b);
	if (g->returned == RETURN_FULL_TEXT && !generate_plan_join(context, input->text, text, &text))
		return false;
	return json_append_string(context, b, text.data, text.length);
}

static bool
write_result(tfm_context *context, const generation_call *g, const generation_input *input,
			 const pipeline_row *rows, size_t count, tfm_text *result)
{
	buffer *b = buffer_create(context);

	for (size_t i = 0; b != NULL && i < count; i++)
	{
		buffer_append_string(context, b, i == 0 ? "[{" : ",{");
		if (g->returned == RETURN_TENSORS)
		{
			buffer_append_string(context, b, "\"generated_token_ids\":");
			task_append_ids(context, b, rows[i].ids, rows[i].count);
		}
		else
		{
			buffer_append_string(context, b, "\"generated_text\":");
			if (!append_text(context, g, input, &rows[i], b))
				return false;
		}
		buffer_append_string(context, b, "}");
	}
	if (b == NULL || !buffer_append_string(context, b, "]"))
		return false;
	*result = (tfm_text) {b->data, b->length};
	return true;
}

static bool
run_text_generation(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	generation_input *inputs = tfm_alloc_array(context, call->count, sizeof(generation_input));
	gen_ids *prompts = tfm_alloc_array(context, call->count, sizeof(gen_ids));
	pipeline_row *rows;
	generation_call g;
	size_t each;

	if (inputs == NULL || prompts == NULL || !plan_call(context, call, &g))
		return false;
	for (size_t i = 0; i < call->count; i++)
		if (!read_input(context, &g, &call->inputs[i], &inputs[i]) ||
			!encode_input(context, &g, &inputs[i], &prompts[i]))
			return false;
	rows = task_generate_rows(context, &g.generation, prompts, call->count);
	each = (size_t) g.generation.plan.config.num_return_sequences;
	for (size_t i = 0; rows != NULL && i < call->count; i++)
		if (!write_result(context, &g, &inputs[i], rows + i * each, each, &results[i]))
			return false;
	return rows != NULL;
}

static const char *const names[] = {"text-generation", NULL};
static const char *const heads[] = {"text-generation", NULL};

const pipeline_task task_text_generation = {
	.names = names,
	.heads = heads,
	.generates = true,
	.is_list = is_list,
	.run = run_text_generation,
};
