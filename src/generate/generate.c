/*
 * generate.c
 *	  generate(): which method decodes, and the steps of a run around it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/generate.h"

#include "base/clock.h"
#include "generate/run.h"

/* As GenerationConfig.get_generation_mode. */
static const gen_method *
choose_method(const gen_config *config)
{
	if (config->force_words.count > 0 || config->num_beam_groups > 1)
		return &gen_method_groups;
	if (config->num_beams > 1)
		return &gen_method_beams;
	if (!config->do_sample && config->penalty_alpha > 0 && config->top_k > 1)
		return &gen_method_contrastive;
	return &gen_method_rows;
}

static void
close_run(gen_run *run, bool keep)
{
	if (!run->over && run->state != NULL)
		run->method->close(run, keep);
	run->over = true;
}

static void
release_run(void *argument)
{
	gen_run *run = argument;

	if (run->state != NULL)
		run->method->free(run);
	run->state = NULL;
}

static bool
check_request(tfm_context *context, const gen_run *run)
{
	const gen_config *config = run->config;

	if (!gen_config_check(context, config))
		return false;
	if ((config->stop_string_count > 0 || config->token_healing) && run->request.tokenizer == NULL)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "\"%s\" needs a tokenizer",
						config->token_healing ? "token_healing" : "stop_strings");
	if (run->has_draft && run->draft.vocabulary != run->decoder.vocabulary)
		return tfm_fail(context, TFM_UNSUPPORTED,
						"the assistant's vocabulary has %lld tokens, the model's %lld",
						(long long) run->draft.vocabulary, (long long) run->decoder.vocabulary);
	if ((run->has_draft || config->prompt_lookup_num_tokens > 0) &&
		(run->decoder.keeps_states || (run->has_draft && run->draft.keeps_states)))
		return tfm_fail(
			context, TFM_UNSUPPORTED,
			"drafts are not supported by a model whose layers keep a state of the text");
	if (gen_is_guided(run) && run->decoder.has_encoder)
		return tfm_fail(context, TFM_UNSUPPORTED,
						"\"guidance_scale\" does not go with an encoder-decoder");
	return true;
}

static void
find_decoders(gen_run *run)
{
	const gen_request *request = &run->request;

	run->decoder = request->decoder != NULL ? *request->decoder : gen_decoder_of(request->session);
	run->has_draft = request->draft_decoder != NULL || request->assistant != NULL;
	if (request->draft_decoder != NULL)
		run->draft = *request->draft_decoder;
	else if (request->assistant != NULL)
		run->draft = gen_decoder_of(request->assistant);
}

static bool
prepare_run(tfm_context *context, gen_run *run)
{
	const gen_config *config = run->config;
	gen_allow allow = {.function = run->request.allow, .argument = run->request.allow_argument};

	if (!check_request(context, run) || !gen_prepare_prompts(context, run))
		return false;
	run->processors = gen_processors_create(context, config, run->decoder.vocabulary, allow,
											run->request.constraint != NULL);
	if (run->processors == NULL)
		return false;
	if (config->stop_string_count > 0)
	{
		run->stops = gen_stops_create(context, run->request.tokenizer, config);
		if (run->stops == NULL)
			return false;
	}
	if (config->max_time > 0)
		run->deadline = clock_now() + config->max_time;
	return run->method->begin(context, run);
}

gen_run *
gen_begin(tfm_context *context, const gen_request *request)
{
	gen_run *run;

	if (tfm_failed(context))
		return NULL;
	run = tfm_alloc_zero(context, sizeof(gen_run));
	if (run == NULL)
		return NULL;
	run->request = *request;
	run->settings = *request->config;
	run->config = &run->settings;
	run->keep = (tfm_context) {.arena = context->arena};
	run->method = choose_method(run->config);
	if (!arena_on_release(context->arena, release_run, run))
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	find_decoders(run);
	return prepare_run(context, run) ? run : NULL;
}

/* ---- Steps ---- */

static bool
is_expired(const gen_run *run)
{
	return run->deadline > 0 && clock_now() > run->deadline;
}

/* What the work of a step is asked: the caller may want it to stop, and time may be over. */
static bool
poll_step(void *argument)
{
	const gen_run *run = argument;
	const tfm_context *outer = run->outer;

	return (outer->interrupted != NULL && outer->interrupted(outer->interrupted_argument)) ||
		   is_expired(run);
}

/* Whether the work ended because max_time is over, not for an error or the caller's sake. */
static bool
ran_out(const gen_run *run, const tfm_context *work)
{
	const tfm_context *outer = run->outer;

	return work->error.kind == TFM_CANCELLED && is_expired(run) &&
		   !(outer->interrupted != NULL && outer->interrupted(outer->interrupted_argument));
}

/* Errors of the memory that lasts belong to the call, too. */
static void
take_error(tfm_context *context, tfm_context *work, gen_run *run)
{
	if (tfm_failed(work))
		context->error = work->error;
	else if (tfm_failed(&run->keep))
		context->error = run->keep.error;
}

bool
gen_step(tfm_context *context, gen_run *run, bool *more)
{
	tfm_context work = *context;
	arena_mark mark;

	*more = false;
	if (tfm_failed(context))
		return false;
	if (run->over)
		return true;
	work.arena = arena_scratch(context->arena);
	if (work.arena == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	run->outer = context;
	work.interrupted = poll_step;
	work.interrupted_argument = run;
	mark = arena_save(work.arena);
	run->method->step(&work, run, more);
	arena_restore(work.arena, mark);
	context->usage = work.usage;
	if (ran_out(run, &work))
	{
		*more = false;
		run->method->expire(run);
		close_run(run, false);
		return true;
	}
	take_error(context, &work, run);
	if (tfm_failed(context))
		close_run(run, false);
	return !tfm_failed(context);
}

gen_sequence
gen_partial(const gen_run *run, int64_t prompt)
{
	if (run->method->partial == NULL)
		return (gen_sequence) {.prompt = prompt};
	return run->method->partial(run, prompt);
}

bool
gen_finish_run(tfm_context *context, gen_run *run, gen_sequence **sequences, int64_t *count)
{
	*count = 0;
	close_run(run, true);
	if (tfm_failed(context) || !run->method->results(context, run, sequences, count))
		return false;
	if (run->method->partial == NULL) /* of beams, those that have won are what was made */
		for (int64_t i = 0; i < *count; i++)
			context->usage.made += (*sequences)[i].count;
	return true;
}

bool
gen_generate(tfm_context *context, const gen_request *request, gen_sequence **sequences,
			 int64_t *count)
{
	gen_run *run = gen_begin(context, request);
	bool more = run != NULL;

	*count = 0;
	while (more)
		if (!gen_step(context, run, &more))
			return false;
	return run != NULL && gen_finish_run(context, run, sequences, count);
}
