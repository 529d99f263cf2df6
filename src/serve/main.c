/*
 * main.c
 *	  tfm_engine: the program that computes for many sessions.
 *
 * A supervisor starts it with a socket that listens, and keeps the other end of its standard input
 * open: once that ends, nobody wants the process any more.  SIGTERM lets it finish what was asked
 * for, for a moment.  What it has to say goes to standard error, a line each.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <unistd.h>

#include "base/threads.h"
#include "serve/loop.h"

#define PROGRAM "tfm_engine"

/* What a signal tells the loop through. */
static int stop_pipe[2] = {-1, -1};

typedef struct program
{
	const char *name; /* in what it says */
	const char *path; /* of a socket to listen at; NULL: it is given one */
	bool supervised;  /* standard input is the supervisor's */
	serve_loop_options loop;
} program;

static void
say(void *argument, tfm_log_level level, const char *message)
{
	const program *p = argument;

	(void) level;
	fprintf(stderr, PROGRAM "[%d] %s: %s\n", (int) getpid(), p->name, message);
}

/* ---- Options ---- */

static const char usage[] =
	"Usage: " PROGRAM " --socket=DESCRIPTOR | --listen=PATH [OPTION]...\n"
	"Computes calls of models for sessions of a server, which starts it.\n\n"
	"  --socket=DESCRIPTOR    a socket that listens already\n"
	"  --listen=PATH          listen at this path\n"
	"  --name=TEXT            what it is called in what it says\n"
	"  --threads=N            threads of a pass (1)\n"
	"  --delay=MICROSECONDS   how long a batch may wait for others to join it (1000)\n"
	"  --batch-tokens=N       tokens of a batch, about (512)\n"
	"  --sequences=N          texts that are generated at once, at most (32)\n"
	"  --models=N             models that stay open while nobody uses them (8)\n"
	"  --max-memory=BYTES     caches of a model that generates (no limit)\n"
	"  --waiting-memory=BYTES calls that wait, before long ones must wait outside (1 GB)\n"
	"  --grace=MILLISECONDS   to finish in after SIGTERM (1000)\n"
	"  --unsupervised         do not end with standard input\n";

enum
{
	OPTION_SOCKET = 1,
	OPTION_LISTEN,
	OPTION_NAME,
	OPTION_THREADS,
	OPTION_DELAY,
	OPTION_BATCH_TOKENS,
	OPTION_SEQUENCES,
	OPTION_MODELS,
	OPTION_MAX_MEMORY,
	OPTION_WAITING_MEMORY,
	OPTION_GRACE,
	OPTION_UNSUPERVISED,
	OPTION_HELP
};

static const struct option options[] = {
	{"socket", required_argument, NULL, OPTION_SOCKET},
	{"listen", required_argument, NULL, OPTION_LISTEN},
	{"name", required_argument, NULL, OPTION_NAME},
	{"threads", required_argument, NULL, OPTION_THREADS},
	{"delay", required_argument, NULL, OPTION_DELAY},
	{"batch-tokens", required_argument, NULL, OPTION_BATCH_TOKENS},
	{"sequences", required_argument, NULL, OPTION_SEQUENCES},
	{"models", required_argument, NULL, OPTION_MODELS},
	{"max-memory", required_argument, NULL, OPTION_MAX_MEMORY},
	{"waiting-memory", required_argument, NULL, OPTION_WAITING_MEMORY},
	{"grace", required_argument, NULL, OPTION_GRACE},
	{"unsupervised", no_argument, NULL, OPTION_UNSUPERVISED},
	{"help", no_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0},
};

/* The number that an option is given; false with what is wrong said. */
static bool
read_number(const char *text, int64_t least, int64_t most, int64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoll(text, &end, 10);
	if (errno == 0 && end != text && *end == '\0' && *number >= least && *number <= most)
		return true;
	fprintf(stderr, PROGRAM ": \"%s\" is not a number from %lld to %lld\n", text, (long long) least,
			(long long) most);
	return false;
}

static bool
set_number(program *p, int option, const char *text)
{
	serve_engine_options *engine = &p->loop.engine;
	const int64_t least = option == OPTION_DELAY || option == OPTION_MODELS ||
								  option == OPTION_MAX_MEMORY || option == OPTION_GRACE ||
								  option == OPTION_SOCKET
							  ? 0
							  : 1;
	const bool is_size = option == OPTION_MAX_MEMORY || option == OPTION_WAITING_MEMORY;
	int64_t n;

	if (!read_number(text, least, is_size ? INT64_MAX : INT_MAX, &n))
		return false;
	if (option == OPTION_SOCKET)
		p->loop.listener = (int) n;
	else if (option == OPTION_THREADS)
		engine->threads = n < THREADS_MAX ? (int) n : THREADS_MAX;
	else if (option == OPTION_DELAY)
		engine->queue.delay = (double) n * 1e-6;
	else if (option == OPTION_BATCH_TOKENS)
		engine->queue.batch_tokens = n;
	else if (option == OPTION_SEQUENCES)
		engine->sequences = (int) n;
	else if (option == OPTION_MODELS)
		engine->models = (int) n;
	else if (option == OPTION_MAX_MEMORY)
		engine->max_memory = (size_t) n;
	else if (option == OPTION_WAITING_MEMORY)
		p->loop.waiting_bytes = (size_t) n;
	else
		p->loop.grace = (double) n * 1e-3;
	return true;
}

/* Whether the program is to go on; if not, *status is what it ends with. */
static bool
read_options(program *p, int count, char **arguments, int *status)
{
	int option;

	*status = EXIT_FAILURE;
	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1)
		switch (option)
		{
			case OPTION_HELP:
				fputs(usage, stdout);
				*status = EXIT_SUCCESS;
				return false;
			case OPTION_LISTEN:
				p->path = optarg;
				break;
			case OPTION_NAME:
				p->name = optarg;
				break;
			case OPTION_UNSUPERVISED:
				p->supervised = false;
				break;
			case '?':
				return false;
			default:
				if (!set_number(p, option, optarg))
					return false;
		}
	if (optind == count && (p->path != NULL) != (p->loop.listener >= 0))
		return true;
	fputs(usage, stderr);
	return false;
}

/* ---- Signals ---- */

static void
stop(int signal_number)
{
	int saved = errno;
	ssize_t written = write(stop_pipe[1], "", 1);

	(void) signal_number;
	(void) written;
	errno = saved;
}

static bool
prepare_signals(tfm_context *context)
{
	struct sigaction action = {.sa_handler = stop};
	sigset_t none;

	if (pipe(stop_pipe) != 0 || fcntl(stop_pipe[1], F_SETFL, O_NONBLOCK) != 0)
		return tfm_fail(context, TFM_IO, "could not create a pipe: %s", strerror(errno));
	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return true;
}

/* Should the parent end while some other process has its end of the pipe. */
static void
die_with_parent(void)
{
#ifdef __linux__
	int chosen = 0;

	if (prctl(PR_GET_PDEATHSIG, &chosen) == 0 && chosen == 0)
		prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
}

/* ---- The program ---- */

static bool
serve(tfm_context *context, program *p)
{
	bool served;

	if (!prepare_signals(context))
		return false;
	p->loop.stop = stop_pipe[0];
	p->loop.watched = p->supervised ? STDIN_FILENO : -1;
	if (p->path != NULL)
		p->loop.listener = serve_listen(context, p->path);
	if (tfm_failed(context))
		return false;
	tfm_log(context, TFM_LOG_INFO, "serving with %d threads", p->loop.engine.threads);
	served = serve_loop_run(context, &p->loop);
	if (p->path != NULL)
		unlink(p->path);
	return served;
}

int
main(int count, char **arguments)
{
	program p = {.name = "engine", .supervised = true, .loop = SERVE_LOOP_DEFAULTS};
	tfm_context context = {.log = say, .log_argument = &p};
	int status;

	die_with_parent();
#ifdef __GLIBC__
	/* Threads come and go, but hardly ever allocate at the same time: few arenas waste less. */
	mallopt(M_ARENA_MAX, 2);
#endif
	if (!read_options(&p, count, arguments, &status))
		return status;
	if (serve(&context, &p))
		return EXIT_SUCCESS;
	say(&p, TFM_LOG_WARNING, context.error.message);
	return EXIT_FAILURE;
}
