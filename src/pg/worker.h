/*
 * worker.h
 *	  Inference workers: background workers that each keep an engine process running.
 *
 * A worker is a supervisor and does no arithmetic.  It starts the program tfm_engine, which holds
 * models and computes what all sessions ask of it (serve/protocol.h), watches it, and starts it again
 * when it ends.  The engine process is none of the server's: whatever ends it, kill -9 included, ends
 * nothing else.
 *
 *		worker.c			the supervisor
 *		worker_process.c	an engine process: started, ended, told of
 *		worker_places.c		shared memory: how workers stand, and whose turn it is
 *		worker_stat.c		the view tfm_stat_workers
 *		connection.c		a session's connection to an engine process
 *		executor.c			who computes a call
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_WORKER_H
#define TFM_PG_WORKER_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "pg/shared.h"

/* Most workers: there are few devices. */
#define WORKERS_MAX 64

/* How long a session waits for a worker that is being started, in milliseconds. */
#define WORKER_START_TIMEOUT 10000

/* How a worker stands; worker_state_name names them. */
typedef enum worker_state
{
	WORKER_STOPPED,	 /* no supervisor */
	WORKER_WAITING,	 /* the engine process ended; the next one is started soon */
	WORKER_STARTING, /* the engine process does not answer yet */
	WORKER_READY,
	WORKER_DRAINING /* finishes what it computes, then starts again with other settings */
} worker_state;

/* One worker, in shared memory; under the lock of worker_shared. */
typedef struct worker_slot
{
	worker_state state;
	pid_t supervisor; /* 0: none */
	pid_t engine;	  /* 0: none */
	Latch *latch;	  /* the supervisor's; NULL: none */
	bool idle;		  /* the supervisor wants its latch set when there is work again */
	int64 generation; /* counts the engine processes, never 0 for one that runs */
	int64 restarts;	  /* of engine processes that ended by themselves, since the server started */
	TimestampTz started;
	int running; /* calls */
	int waiting; /* calls */
	int64 running_texts;
	int64 waiting_texts;
	int64 lost;		/* calls that engine processes took with them, since the server started */
	int64 lost_now; /* those of this generation, which are known to be */
} worker_slot;

/* What a backend wants of a worker, in shared memory; a backend has one call at a time. */
typedef struct worker_place
{
	int worker; /* -1: it wants nothing */
	bool running;
	int64 asked; /* generation of the engine process that has the call; 0: none */
	int texts;
	uint64 ticket; /* order of arrival */
} worker_place;

typedef struct worker_shared
{
	LWLock lock;
	ConditionVariable changed; /* a worker's state, or places were given back to those who wait */
	uint64 tickets;
	int workers;
	worker_slot slots[WORKERS_MAX];
	worker_place places[FLEXIBLE_ARRAY_MEMBER]; /* by number of process */
} worker_shared;

extern const shared_part worker_part;
extern worker_shared *worker_memory; /* NULL without preloading */

/* Register the background workers; for tfm.c, does nothing unless the library is being preloaded. */
extern void worker_install(void);

/* Path of a worker's socket, relative to the data directory; static size is enough for any. */
#define WORKER_PATH_SIZE 64
extern void worker_socket_path(int worker, char path[WORKER_PATH_SIZE]);

extern const char *worker_state_name(worker_state state);

/* ---- Places (worker_places.c) ---- */

/* Whether there are workers, and whether one of them answers. */
extern bool worker_exist(void);
extern bool worker_is_ready(void);

/*
 * Take a place for a call of so many texts in the worker that has least to do, waiting for those who
 * came before where it has as many as tfm.worker_queue says.  -1 where none is ready.  Its engine
 * process is that of *generation.  Whoever has a place gives it back, in PG_CATCH too; a session that
 * ends does so by itself.
 */
extern int worker_take_place(int texts, int64 *generation);

/* The engine process of that generation has the call now. */
extern void worker_note_asked(int64 generation);

/* Calls that a worker's engine process had, when it has ended; some of those sessions may know by now. */
extern int64 worker_count_lost(int worker);

/* Give it back; lost: the engine process ended with the call in it. */
extern void worker_give_place_back(bool lost);

/*
 * Wait until a worker is ready whose engine process is not that of (worker, generation), which may be
 * dead without anybody having noticed; false after the time until.
 */
extern bool worker_wait_ready(int worker, int64 generation, TimestampTz until);

/* A worker's slot as it is now. */
extern worker_slot worker_look(int worker);

/* ---- Engine processes (worker_process.c) ---- */

typedef struct worker_process
{
	pid_t pid;	  /* 0: none */
	int lifeline; /* end of a pipe that is the process's standard input: it ends when this is closed */
} worker_process;

/*
 * Start the engine process of a worker, with a new socket on which it listens.  False if it could not
 * be, with the reason in the log.
 */
extern bool worker_start_process(int worker, worker_process *process);

/*
 * Whether the process has ended; *status is waitpid's then.  The process of a program that cannot be
 * run ends, too.
 */
extern bool worker_has_ended(worker_process *process, int *status);

/* End it: it is asked to, and after WORKER_END_TIMEOUT made to.  Does not throw. */
extern void worker_end_process(worker_process *process);

/* How a process ended, from waitpid's status: "was terminated by signal 9: Killed"; palloc'ed. */
extern char *worker_describe_exit(int status);

/* Arguments of the program that follow from settings, in one string; palloc'ed. */
extern char *worker_program_arguments(void);

#endif
