/*
 * batch.c
 *	  Calls that are computed together.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve/batch.h"

#include <string.h>

#include "serve/lanes.h"

tfm_context
serve_device_context(const serve_device *device, arena *memory, const serve_request *request)
{
	arena_set_limit(memory, (size_t) request->max_memory);
	return (tfm_context) {
		.arena = memory,
		.pool = device->pool,
		.threads = device->threads,
		.isa = request->isa,
	};
}

/* A batch as it is computed: the portions of some calls, linked. */
typedef struct portions
{
	serve_device *device;
	serve_job *first;
	int calls;
	size_t inputs;
	size_t bytes; /* of the texts */
} portions;

static size_t
text_bytes(const task_call *call, size_t input)
{
	return call->inputs[input].length + (call->seconds == NULL ? 0 : call->seconds[input].length);
}

static size_t
portion_bytes(const serve_job *job)
{
	size_t bytes = 0;

	for (size_t i = 0; i < job->count; i++)
		bytes += text_bytes(&job->request->call, job->first + i);
	return bytes;
}

/* Whether nobody wants the batch any more. */
static bool
is_unwanted(void *argument)
{
	const portions *p = argument;

	if (atomic_load_explicit(p->device->stop, memory_order_relaxed))
		return true;
	for (serve_job *job = p->first; job != NULL; job = job->batch_next)
		if (!serve_call_cancelled(serve_call_of(job)))
			return false;
	return true;
}

/* The inputs of all as those of one call. */
static bool
join_calls(tfm_context *context, const portions *p, task_call *joint)
{
	tfm_text *inputs = tfm_alloc_array(context, p->inputs, sizeof(tfm_text));
	tfm_text *seconds = tfm_alloc_array(context, p->inputs, sizeof(tfm_text));
	size_t n = 0;

	if (inputs == NULL || seconds == NULL)
		return false;
	*joint = p->first->request->call;
	for (const serve_job *job = p->first; job != NULL; job = job->batch_next)
	{
		const task_call *call = &job->request->call;

		for (size_t i = 0; i < job->count; i++, n++)
		{
			inputs[n] = call->inputs[job->first + i];
			if (call->seconds != NULL)
				seconds[n] = call->seconds[job->first + i];
		}
	}
	joint->count = p->inputs;
	joint->inputs = inputs;
	if (joint->seconds != NULL)
		joint->seconds = seconds;
	return true;
}

/*
 * Each call's rows, and its share of the work: tokens by the bytes of its texts; a pass is counted to
 * one call alone, so that sums are right.
 */
static void
split_answer(const portions *p, const task_answer *answer, const tfm_usage *usage)
{
	tfm_usage left = *usage;
	size_t row = 0, bytes = p->bytes;

	for (serve_job *job = p->first; job != NULL; job = job->batch_next)
	{
		serve_call *call = serve_call_of(job);
		size_t own = portion_bytes(job);
		tfm_usage share = {.passes = left.passes};

		share.tokens = job->batch_next == NULL || bytes == 0
						   ? left.tokens
						   : (int64_t) ((double) left.tokens * (double) own / (double) bytes);
		left.passes = 0;
		left.tokens -= share.tokens;
		bytes -= own;
		serve_call_put(call, job->first, job->count, answer, row);
		serve_call_count(call, &share, p->calls - 1);
		row += job->count;
	}
}

/* Compute a call by threads that each have some of its inputs, where it suits; else all together. */
static bool
run_call(tfm_context *context, serve_device *device, const task_models *models,
		 const task_call *call, task_answer *answer)
{
	if (serve_lanes_suit(device, call))
	{
		if (serve_lanes_run(context, device, models, call, answer))
			return true;
		if (context->error.kind == TFM_CANCELLED)
			return false;
		tfm_clear_error(context);
	}
	return task_call_run(context, models, call, answer);
}

/* Compute all together. */
static bool
run_joint(tfm_context *context, portions *p)
{
	const serve_request *request = p->first->request;
	serve_model *model =
		serve_models_open(context, p->device->models, request->image, request->compute);
	task_models models = {0};
	task_call joint;
	task_answer answer;

	if (model == NULL)
		return false;
	models.model = serve_model_get(model);
	if (join_calls(context, p, &joint) && run_call(context, p->device, &models, &joint, &answer))
		split_answer(p, &answer, &context->usage);
	serve_models_close(p->device->models, model);
	return !tfm_failed(context);
}

static portions
gather(serve_device *device, serve_job *batch)
{
	portions p = {.device = device, .first = batch};

	for (const serve_job *job = batch; job != NULL; job = job->batch_next)
	{
		p.calls++;
		p.inputs += job->count;
		p.bytes += portion_bytes(job);
	}
	return p;
}

/* Whether it went well; the error of a single call is that call's. */
static bool
run_portions(serve_device *device, serve_job *batch)
{
	arena_mark mark = arena_save(device->scratch);
	portions p = gather(device, batch);
	tfm_context context = serve_device_context(device, device->scratch, batch->request);
	bool done;

	context.interrupted = is_unwanted;
	context.interrupted_argument = &p;
	done = run_joint(&context, &p);
	device->passes += context.usage.passes;
	arena_restore(device->scratch, mark);
	if (!done && p.calls == 1)
		serve_call_fail(serve_call_of(batch), &context.error);
	return done;
}

/* Leave out what is not wanted any more. */
static serve_job *
drop_cancelled(serve_job *batch)
{
	serve_job **link = &batch;

	while (*link != NULL)
		if (serve_call_cancelled(serve_call_of(*link)))
			*link = (*link)->batch_next;
		else
			link = &(*link)->batch_next;
	return batch;
}

void
serve_batch_run(serve_device *device, serve_job *batch)
{
	batch = drop_cancelled(batch);
	if (batch == NULL || run_portions(device, batch) || batch->batch_next == NULL)
		return;
	for (serve_job *next; batch != NULL; batch = next)
	{
		next = batch->batch_next;
		batch->batch_next = NULL;
		if (!serve_call_cancelled(serve_call_of(batch)))
			run_portions(device, batch);
	}
}
