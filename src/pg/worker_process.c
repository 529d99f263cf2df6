/*
 * worker_process.c
 *	  An engine process: started, ended, told of.
 *
 * It is a child of the supervisor and, once the program runs, no process of the server's: it has none
 * of its descriptors but the log's, none of its memory, and its own process group, since the server
 * signals those of its processes.  It must not outlive the supervisor, however that ends: its standard
 * input is a pipe that ends then, and where the system can, it is killed.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "common/file_utils.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "port.h"
#include "storage/fd.h"

#include "pg/backend.h"
#include "pg/settings.h"
#include "pg/worker.h"

#define PROGRAM "tfm_engine"

/* Connections that may wait to be accepted. */
#define BACKLOG 1024

/* How long a process may take to end, in milliseconds, and how often it is looked after. */
#define END_TIMEOUT 2000
#define END_PAUSE 10

/* What a program that cannot be run ends with; shells do, too. */
#define EXIT_NOT_RUN 127

/* Where the program finds its socket; standard input, output and error are before it. */
#define SOCKET_DESCRIPTOR 3

/*
 * Backups and pg_rewind leave out files that begin so, and would complain of a socket otherwise.
 */
void
worker_socket_path(int worker, char path[WORKER_PATH_SIZE])
{
	snprintf(path, WORKER_PATH_SIZE, "tfm/" PG_TEMP_FILE_PREFIX "_worker.%d", worker + 1);
}

/* ---- Starting ---- */

/* A socket that listens; -1 with the reason logged. */
static int
create_listener(int worker)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t mask;
	bool bound;

	worker_socket_path(worker, address.sun_path);
	if (MakePGDirectory("tfm") != 0 && errno != EEXIST)
		ereport(LOG, (errcode_for_file_access(), errmsg("could not create directory \"tfm\": %m")));
	unlink(address.sun_path);
	mask = umask(S_IRWXG | S_IRWXO | S_IXUSR);
	bound = listener >= 0 && bind(listener, (struct sockaddr *) &address, sizeof(address)) == 0 &&
			listen(listener, BACKLOG) == 0;
	umask(mask);
	if (bound)
		return listener;
	ereport(LOG, (errcode_for_socket_access(),
				  errmsg("could not listen on socket \"%s\": %m", address.sun_path)));
	if (listener >= 0)
		close(listener);
	return -1;
}

/* Let the system choose this process rather than the postmaster when it is out of memory. */
static void
offer_to_oom_killer(void)
{
#ifdef __linux__
	int file = open("/proc/self/oom_score_adj", O_WRONLY);

	if (file < 0)
		return;
	if (write(file, "500", 3) < 0)
		(void) 0; /* it is an offer */
	close(file);
#endif
}

static void
close_descriptors(int first)
{
	struct rlimit limit;
	int last = 65536;

#if defined(__linux__) && defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
	if (close_range((unsigned) first, ~0U, 0) == 0)
		return;
#endif
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < (rlim_t) last)
		last = (int) limit.rlim_cur;
	for (int i = first; i < last; i++)
		close(i);
}

/* Signals as a program expects them: handlers go with the old program, but what was ignored stays. */
static void
reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		if (i != SIGKILL && i != SIGSTOP)
			signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * What the child does, between fork and the program; nothing but calls of the system, since it has the
 * parent's memory in whatever state.
 */
static _Noreturn void
run_program(const char *path, char *const arguments[], int lifeline, int listener, pid_t parent)
{
	static const char message[] = "could not run " PROGRAM "\n";
	int high;

	setpgid(0, 0);
#ifdef __linux__
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_NOT_RUN);
#endif
	offer_to_oom_killer();
	high = fcntl(listener, F_DUPFD, SOCKET_DESCRIPTOR + 1);
	if (dup2(lifeline, STDIN_FILENO) >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 && high >= 0 &&
		dup2(high, SOCKET_DESCRIPTOR) >= 0)
	{
		close_descriptors(SOCKET_DESCRIPTOR + 1);
		reset_signals();
		execv(path, arguments);
	}
	if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0)
		_exit(EXIT_NOT_RUN);
	_exit(EXIT_NOT_RUN);
}

/* Arguments that are the same for all workers. */
char *
worker_program_arguments(void)
{
	return psprintf("--threads=%d --delay=%d --max-memory=%lld", settings_worker_threads(),
					tfm_backend.worker_delay, (long long) tfm_backend.worker_memory * 1024);
}

/* The arguments of a worker's program. */
static char **
program_arguments(int worker)
{
	static const char *const separators = " ";
	char **arguments = palloc0(sizeof(char *) * 16);
	char *rest = worker_program_arguments(), *next;
	int count = 0;

	arguments[count++] = psprintf(PROGRAM);
	arguments[count++] = psprintf("--socket=%d", SOCKET_DESCRIPTOR);
	arguments[count++] = psprintf("--name=worker %d", worker + 1);
	while ((next = strsep(&rest, separators)) != NULL && count < 15)
		arguments[count++] = next;
	return arguments;
}

/* Whether there is a program to run; if not, that is logged. */
static bool
check_program(const char *path)
{
	if (access(path, X_OK) == 0)
		return true;
	ereport(LOG, (errcode_for_file_access(), errmsg("could not run program \"%s\": %m", path),
				  errhint("It is installed with the extension.")));
	return false;
}

/* Fork with all signals blocked, so that the child runs none of our handlers. */
static pid_t
fork_program(int worker, const char *path, int lifeline, int listener)
{
	char **arguments = program_arguments(worker);
	pid_t parent = getpid(), child;
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	child = fork();
	if (child == 0)
		run_program(path, arguments, lifeline, listener, parent);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (child < 0)
		ereport(LOG, (errmsg("could not fork an engine process: %m")));
	return child;
}

bool
worker_start_process(int worker, worker_process *process)
{
	char path[MAXPGPATH];
	int lifeline[2], listener;

	snprintf(path, sizeof(path), "%s/%s", pkglib_path, PROGRAM);
	if (!check_program(path) || (listener = create_listener(worker)) < 0)
		return false;
	if (pipe2(lifeline, O_CLOEXEC) != 0)
	{
		ereport(LOG, (errcode_for_socket_access(), errmsg("could not create a pipe: %m")));
		close(listener);
		return false;
	}
	process->pid = fork_program(worker, path, lifeline[0], listener);
	process->lifeline = lifeline[1];
	close(lifeline[0]);
	close(listener);
	if (process->pid > 0)
		return true;
	close(lifeline[1]);
	process->pid = 0;
	return false;
}

/* ---- Ending ---- */

bool
worker_has_ended(worker_process *process, int *status)
{
	if (waitpid(process->pid, status, WNOHANG) != process->pid)
		return false;
	close(process->lifeline);
	process->pid = 0;
	return true;
}

void
worker_end_process(worker_process *process)
{
	int status;

	if (process->pid == 0)
		return;
	kill(process->pid, SIGTERM);
	for (int waited = 0; waited < END_TIMEOUT; waited += END_PAUSE)
	{
		if (worker_has_ended(process, &status))
			return;
		pg_usleep(END_PAUSE * 1000L);
	}
	kill(process->pid, SIGKILL);
	while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	close(process->lifeline);
	process->pid = 0;
}

char *
worker_describe_exit(int status)
{
	if (WIFSIGNALED(status))
		return psprintf("was terminated by signal %d: %s", WTERMSIG(status),
						pg_strsignal(WTERMSIG(status)));
	return psprintf("exited with exit code %d", WEXITSTATUS(status));
}
