/*
 * queue.c
 *	  Calls that wait, and which of them are computed next.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve/queue.h"

#include <string.h>

/* Bytes of text that a token has, about; what a text has beside its own tokens. */
#define TOKEN_BYTES 4
#define SPECIAL_TOKENS 2

/* For so many delays after a batch its callers are expected to come again. */
#define DELAYS_EXPECTED 4

serve_queue
serve_queue_create(const serve_queue_options *options)
{
	return (serve_queue) {.options = *options};
}

int64_t
serve_queue_estimate(const serve_queue *queue, const serve_request *request, size_t input)
{
	const task_call *call = &request->call;
	size_t bytes = call->inputs[input].length;
	int64_t tokens;

	if (call->seconds != NULL)
		bytes += call->seconds[input].length;
	tokens = (int64_t) (bytes / TOKEN_BYTES) + SPECIAL_TOKENS;
	return tokens < queue->options.batch_tokens ? tokens : queue->options.batch_tokens;
}

static int64_t
estimate_rest(const serve_queue *queue, const serve_job *job)
{
	int64_t tokens = 0;

	for (size_t i = job->next; i < job->request->call.count; i++)
		tokens += serve_queue_estimate(queue, job->request, i);
	return tokens;
}

bool
serve_queue_same(const serve_request *a, const serve_request *b)
{
	return a->compute == b->compute && a->isa == b->isa && a->max_memory == b->max_memory &&
		   strcmp(a->image, b->image) == 0 && task_call_same(&a->call, &b->call);
}

/* ---- Sessions' turns ---- */

static serve_lane *
lane_of(serve_queue *queue, const serve_job *job)
{
	const task_call *call = &job->request->call;

	return task_kind_generates(call->kind, call->task) ? &queue->generating : &queue->batched;
}

/* The first call of a session; NULL if none of it waits. */
static serve_job *
find_first(const serve_lane *lane, uint64_t session)
{
	serve_job *job = lane->turn;

	if (job == NULL)
		return NULL;
	do
	{
		if (job->request->session == session)
			return job;
		job = job->after;
	} while (job != lane->turn);
	return NULL;
}

/* A new session gets its turn after all others. */
static void
join_ring(serve_lane *lane, serve_job *job)
{
	serve_job *turn = lane->turn;

	if (turn == NULL)
	{
		job->before = job->after = lane->turn = job;
		return;
	}
	job->before = turn->before;
	job->after = turn;
	turn->before->after = job;
	turn->before = job;
}

/* The first call of a session goes; its next one has its place, if there is one. */
static void
leave_ring(serve_lane *lane, serve_job *job)
{
	serve_job *later = job->later;
	bool alone = job->after == job;

	if (later != NULL)
	{
		later->last = later == job->last ? NULL : job->last;
		later->before = alone ? later : job->before;
		later->after = alone ? later : job->after;
		later->before->after = later->after->before = later;
	}
	else
	{
		job->before->after = job->after;
		job->after->before = job->before;
	}
	if (lane->turn == job)
		lane->turn = later != NULL ? later : alone ? NULL : job->after;
}

/* A call that is not its session's first goes. */
static void
leave_session(serve_job *first, serve_job *job)
{
	serve_job *before = first;

	while (before->later != job)
		before = before->later;
	before->later = job->later;
	if (first->last == job)
		first->last = before == first ? NULL : before;
}

static void
leave(serve_queue *queue, serve_job *job)
{
	serve_lane *lane = lane_of(queue, job);

	if (job->after != NULL)
		leave_ring(lane, job);
	else
		leave_session(find_first(lane, job->request->session), job);
	lane->calls--;
	job->waiting = false;
	job->before = job->after = job->later = job->last = NULL;
}

/* ---- Coming and going ---- */

void
serve_queue_add(serve_queue *queue, serve_job *job, double now)
{
	serve_lane *lane = lane_of(queue, job);
	serve_job *first = find_first(lane, job->request->session);

	*job = (serve_job) {.request = job->request, .waiting = true};
	if (first == NULL)
		join_ring(lane, job);
	else
	{
		(first->last == NULL ? first : first->last)->later = job;
		first->last = job;
	}
	lane->calls++;
	if (lane != &queue->batched)
		return;
	if (lane->calls == 1)
		queue->since = now;
	queue->tokens += estimate_rest(queue, job);
}

void
serve_queue_remove(serve_queue *queue, serve_job *job)
{
	if (!job->waiting)
		return;
	if (lane_of(queue, job) == &queue->batched)
		queue->tokens -= estimate_rest(queue, job);
	leave(queue, job);
}

/* ---- Batches ---- */

double
serve_queue_wait(const serve_queue *queue, double now)
{
	const serve_queue_options *o = &queue->options;
	double waited = now - queue->since;

	if (queue->batched.calls == 0)
		return -1;
	if (now - queue->ended > DELAYS_EXPECTED * o->delay ||
		queue->batched.calls >= queue->expected || queue->tokens >= o->batch_tokens ||
		waited >= o->delay)
		return 0;
	return o->delay - waited;
}

/* Whether a call is of the batch's kind; found out once in a batch. */
static bool
joins_batch(serve_queue *queue, const serve_request *kind, serve_job *job)
{
	if (job->seen != queue->number)
	{
		job->seen = queue->number;
		job->joins = serve_queue_same(kind, job->request);
		job->count = 0;
	}
	return job->joins;
}

/* Hand out the next input of a call, if it has one; a call whose last one it is goes. */
static void
hand_out(serve_queue *queue, serve_job *job)
{
	if (job->count == 0)
		job->first = job->next;
	if (job->next < job->request->call.count)
	{
		job->next++;
		job->count++;
	}
	if (job->next == job->request->call.count)
		leave(queue, job);
}

/* A batch under way. */
typedef struct batch
{
	const serve_request *kind;
	serve_job *first, *last;
	int64_t tokens;
	bool full;
} batch;

/* An input of a call joins the batch, if the call is of its kind and there is room; whether it did. */
static bool
take_input(serve_queue *queue, batch *b, serve_job *job)
{
	int64_t tokens = 0;

	if (!joins_batch(queue, b->kind, job))
		return false;
	if (job->next < job->request->call.count)
		tokens = serve_queue_estimate(queue, job->request, job->next);
	b->full = b->first != NULL && b->tokens + tokens > queue->options.batch_tokens;
	if (b->full)
		return false;
	if (job->count == 0)
	{
		job->batch_next = NULL;
		if (b->first == NULL)
			b->first = job;
		else
			b->last->batch_next = job;
		b->last = job;
	}
	b->tokens += tokens;
	hand_out(queue, job);
	return true;
}

/* An input of each session that joins, from the one whose turn it is on; whether there was any. */
static bool
take_round(serve_queue *queue, batch *b)
{
	serve_job *job = queue->batched.turn;
	bool any = false;
	int64_t sessions = 1;

	if (job == NULL)
		return false;
	for (const serve_job *other = job->after; other != job; other = other->after)
		sessions++;
	while (sessions-- > 0 && !b->full)
	{
		serve_job *next = job->after;

		any |= take_input(queue, b, job);
		job = next;
	}
	return any;
}

/* The session that came first in this batch comes last in the next. */
static void
pass_turn(serve_queue *queue, uint64_t session)
{
	serve_lane *lane = &queue->batched;

	if (lane->turn != NULL && lane->turn->request->session == session)
		lane->turn = lane->turn->after;
}

serve_job *
serve_queue_take(serve_queue *queue)
{
	batch b = {0};
	uint64_t session;

	if (queue->batched.turn == NULL)
		return NULL;
	b.kind = queue->batched.turn->request;
	session = b.kind->session;
	queue->number++;
	while (!b.full && take_round(queue, &b))
		;
	queue->tokens -= b.tokens;
	pass_turn(queue, session);
	return b.first;
}

void
serve_queue_end(serve_queue *queue, int64_t calls, double now)
{
	queue->expected = calls;
	queue->ended = now;
}

serve_job *
serve_queue_take_generating(serve_queue *queue)
{
	serve_lane *lane = &queue->generating;
	serve_job *job = lane->turn;

	if (job == NULL)
		return NULL;
	lane->turn = job->after;
	job->count = 0;
	hand_out(queue, job);
	return job;
}
