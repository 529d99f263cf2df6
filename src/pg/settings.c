/*
 * settings.c
 *	  The settings tfm.*, a table row each.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <limits.h>
#include <sched.h>
#include <unistd.h>

#include "access/parallel.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "utils/guc.h"
#include "utils/plancache.h"

#include "base/threads.h"
#include "pg/backend.h"
#include "pg/executor.h"
#include "pg/settings.h"
#include "pg/worker.h"
#include "runtime/precision.h"
#include "utils/memutils.h"

/*
 * The most threads that tfm.threads = 0 gives a computation: as parallel query with its defaults,
 * few enough for a server with many sessions.
 */
#define AUTOMATIC_THREADS_MAX 2

typedef struct string_setting
{
	const char *name;
	const char *summary;
	const char *description;
	char **variable;
	GucContext context;
	GucStringAssignHook assign;
} string_setting;

typedef struct int_setting
{
	const char *name;
	const char *summary;
	const char *description;
	int *variable;
	int fallback;
	int minimum;
	int maximum;
	GucContext context;
	int flags;
} int_setting;

/* Ids may now mean other directories. */
static void
assign_model_path(const char *value, void *extra)
{
	tfm_backend.generation++;
}

/* An embedding that a query keeps, and the arithmetic of an open model, are of one instruction set. */
static void
assign_cpu_isa(int value, void *extra)
{
	tfm_backend.generation++;
}

/* Plans that are kept must be made anew. */
static void
assign_batching(bool value, void *extra)
{
	if (value != tfm_backend.batching)
		ResetPlanCache();
}

/* "auto" is always one. */
char *
settings_instruction_sets(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int set = 0; run_isa_name(set) != NULL; set++)
		if (run_has_isa(set))
			appendStringInfo(&names, set == 0 ? "%s" : ", %s", run_isa_name(set));
	return names.data;
}

static bool
check_cpu_isa(int *value, void **extra, GucSource source)
{
	if (run_has_isa(*value))
		return true;
	GUC_check_errmsg("this processor does not have the instruction set \"%s\"",
					 run_isa_name(*value));
	GUC_check_errdetail("It has these: %s.", settings_instruction_sets());
	return false;
}

/* The values of tfm.cpu_isa, in memory that is never freed. */
static const struct config_enum_entry *
instruction_set_entries(void)
{
	struct config_enum_entry *entries;
	int count = 0;

	while (run_isa_name(count) != NULL)
		count++;
	entries = MemoryContextAllocZero(TopMemoryContext,
									 (Size) (count + 1) * sizeof(struct config_enum_entry));
	for (int set = 0; set < count; set++)
		entries[set] = (struct config_enum_entry) {run_isa_name(set), set, false};
	return entries;
}

/* Values are tfm_dtype's. */
static const struct config_enum_entry cache_types[] = {
	{"auto", 0, false},			 {"f32", DTYPE_F32, false},	  {"f16", DTYPE_F16, false},
	{"bf16", DTYPE_BF16, false}, {"q8_0", DTYPE_Q8_0, false}, {NULL, 0, false},
};

static const struct config_enum_entry executors[] = {
	{"auto", EXECUTOR_AUTO, false},
	{"session", EXECUTOR_SESSION, false},
	{"worker", EXECUTOR_WORKER, false},
	{NULL, 0, false},
};

static const string_setting string_settings[] = {
	{
		.name = EMBED_SETTING,
		.summary = "Model of the embedding and tokenizing functions that are called without one.",
		.description = "A registered model, an id under tfm.model_path, or a directory.",
		.variable = &tfm_backend.embed_model,
		.context = PGC_USERSET,
	},
	{
		.name = GENERATE_SETTING,
		.summary = "Model of the generating functions that are called without one.",
		.description = "A registered model, an id under tfm.model_path, or a directory.",
		.variable = &tfm_backend.generate_model,
		.context = PGC_USERSET,
	},
	{
		.name = CLASSIFY_SETTING,
		.summary = "Model of the classifying functions that are called without one.",
		.description = "A registered model, an id under tfm.model_path, or a directory.",
		.variable = &tfm_backend.classify_model,
		.context = PGC_USERSET,
	},
	{
		.name = RERANK_SETTING,
		.summary = "Model of the reranking functions that are called without one.",
		.description = "A registered model, an id under tfm.model_path, or a directory.",
		.variable = &tfm_backend.rerank_model,
		.context = PGC_USERSET,
	},
	{
		.name = "tfm.model_path",
		.summary = "Directories in which model ids such as org/name are looked up.",
		.description = "Separated by colons.  A directory holds org/name itself, or is a Hugging "
					   "Face cache with models--org--name.  All users may use the models in it.",
		.variable = &tfm_backend.model_path,
		.context = PGC_SUSET,
		.assign = assign_model_path,
	},
};

static const int_setting int_settings[] = {
	{
		.name = "tfm.threads",
		.summary = "Threads that a computation may use, the backend's own included.",
		.description =
			"0 is two, or one where there is but one processor and in a parallel worker.",
		.variable = &tfm_backend.threads,
		.fallback = 0,
		.maximum = THREADS_MAX,
		.context = PGC_USERSET,
	},
	{
		.name = "tfm.max_memory",
		.summary = "Memory that a computation, or the compilation of a model, may use.",
		.description = "Weights, which all sessions share, do not count.  0 is no limit.",
		.variable = &tfm_backend.max_memory,
		.fallback = 1024 * 1024,
		.maximum = INT_MAX,
		.context = PGC_SUSET,
		.flags = GUC_UNIT_KB,
	},
	{
		.name = "tfm.prefix_cache",
		.summary = "Memory that a session keeps of prompts, for others that begin alike.",
		.description = "System prompts, examples and growing chats are computed once.  0 keeps "
					   "nothing.",
		.variable = &tfm_backend.prefix_cache,
		.fallback = 64 * 1024,
		.maximum = INT_MAX,
		.context = PGC_USERSET,
		.flags = GUC_UNIT_KB,
	},
	{
		.name = "tfm.workers",
		.summary = "Workers that compute for all sessions.",
		.description =
			"Each is a background worker that keeps an engine process running.  They need "
			"the extension in shared_preload_libraries.",
		.variable = &tfm_backend.workers,
		.fallback = 1,
		.maximum = WORKERS_MAX,
		.context = PGC_POSTMASTER,
	},
	{
		.name = "tfm.worker_threads",
		.summary = "Threads of a worker's engine process.",
		.description = "0 is one for each processor.",
		.variable = &tfm_backend.worker_threads,
		.fallback = 0,
		.maximum = THREADS_MAX,
		.context = PGC_SIGHUP,
	},
	{
		.name = "tfm.worker_delay",
		.summary = "How long a worker waits for more calls to compute together, in microseconds.",
		.description = "While it computes, calls gather by themselves; this is for one that has "
					   "nothing to do.",
		.variable = &tfm_backend.worker_delay,
		.fallback = 0,
		.maximum = 1000000,
		.context = PGC_SIGHUP,
	},
	{
		.name = "tfm.worker_memory",
		.summary = "Memory that a worker keeps of the texts it generates and of prompts.",
		.description = "Of each model.  Weights, which all sessions share, do not count.  0 is no "
					   "limit.",
		.variable = &tfm_backend.worker_memory,
		.fallback = 4 * 1024 * 1024,
		.maximum = INT_MAX,
		.context = PGC_SIGHUP,
		.flags = GUC_UNIT_KB,
	},
	{
		.name = "tfm.worker_queue",
		.summary = "Texts that a worker takes at a time.",
		.description = "Sessions with more wait until others are done, first come, first served.",
		.variable = &tfm_backend.worker_queue,
		.fallback = 1024,
		.maximum = INT_MAX,
		.context = PGC_SIGHUP,
	},
	{
		.name = "tfm.batch_tokens",
		.summary = "Tokens, about, for which calls in rows of a query are computed at once.",
		.description = "More fill the model's passes better, and take longer to give the first of "
					   "their rows.",
		.variable = &tfm_backend.batch_tokens,
		.fallback = 16384,
		.minimum = 1,
		.maximum = INT_MAX,
		.context = PGC_USERSET,
	},
	{
		.name = "tfm.job_workers",
		.summary = "Background workers that embedding jobs of a database may have.",
		.description =
			"They come and go with the work, and count in max_worker_processes.  0 starts "
			"none: see tfm_run_embedding_job.",
		.variable = &tfm_backend.job_workers,
		.fallback = 1,
		.maximum = 64,
		.context = PGC_SUSET,
	},
	{
		.name = "tfm.job_idle_time",
		.summary = "Time that a worker of embedding jobs waits for more work before it ends.",
		.description = NULL,
		.variable = &tfm_backend.job_idle_time,
		.fallback = 5000,
		.maximum = INT_MAX,
		.context = PGC_SIGHUP,
		.flags = GUC_UNIT_MS,
	},
};

/* A library that is not being preloaded may not define what only the server's start can set. */
static GucContext
possible_context(GucContext context)
{
	return context == PGC_POSTMASTER && !process_shared_preload_libraries_in_progress ? PGC_SIGHUP
																					  : context;
}

void
settings_define(void)
{
	for (size_t i = 0; i < lengthof(string_settings); i++)
	{
		const string_setting *s = &string_settings[i];

		DefineCustomStringVariable(s->name, s->summary, s->description, s->variable, "", s->context,
								   0, NULL, s->assign, NULL);
	}
	for (size_t i = 0; i < lengthof(int_settings); i++)
	{
		const int_setting *s = &int_settings[i];

		DefineCustomIntVariable(s->name, s->summary, s->description, s->variable, s->fallback,
								s->minimum, s->maximum, possible_context(s->context), s->flags,
								NULL, NULL, NULL);
	}
	DefineCustomBoolVariable(
		"tfm.batching", "Whether calls of models are computed for many rows of a query at once.",
		"Results do not depend on it.", &tfm_backend.batching, true, PGC_USERSET, 0, NULL,
		assign_batching, NULL);
	DefineCustomEnumVariable(
		"tfm.executor", "Who computes: the session, or a worker.",
		"auto is a worker for calls of few texts, where one is ready, and else the session.",
		&tfm_backend.executor, EXECUTOR_AUTO, executors, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable(
		"tfm.cpu_isa", "Instruction set of the processor that computations use.",
		"auto is the best that the processor has.  The last bits of results depend on it.",
		&tfm_backend.cpu_isa, 0, instruction_set_entries(), PGC_SUSET, 0, check_cpu_isa,
		assign_cpu_isa, NULL);
	DefineCustomEnumVariable(
		"tfm.cache_type", "How generation keeps the keys and values of earlier tokens.",
		"auto is f32 for models that compute in f32, else bf16, or f16 where the processor does "
		"not "
		"multiply it.",
		&tfm_backend.cache_type, 0, cache_types, PGC_USERSET, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("tfm");
}

void
settings_reload(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
}

int
settings_processors(void)
{
	cpu_set_t set;

	if (tfm_backend.processors > 0)
		return tfm_backend.processors;
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		tfm_backend.processors = CPU_COUNT(&set);
	else
		tfm_backend.processors = (int) Max(Min(sysconf(_SC_NPROCESSORS_ONLN), INT_MAX), 1);
	return tfm_backend.processors;
}

int
settings_threads(void)
{
	if (tfm_backend.threads > 0)
		return tfm_backend.threads;
	if (IsParallelWorker())
		return 1;
	return Min(AUTOMATIC_THREADS_MAX, settings_processors());
}

int
settings_worker_threads(void)
{
	return tfm_backend.worker_threads > 0 ? tfm_backend.worker_threads
										  : Min(THREADS_MAX, settings_processors());
}

size_t
settings_max_memory(void)
{
	return (size_t) tfm_backend.max_memory * 1024;
}

size_t
settings_prefix_cache(void)
{
	return (size_t) tfm_backend.prefix_cache * 1024;
}

const char *
settings_default_model(const char *setting)
{
	const char *model = GetConfigOption(setting, false, false);

	if (model == NULL || model[0] == '\0')
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("no model is given and setting \"%s\" is empty", setting),
				errhint("Name a model as the first argument, or set one with SET %s = '...'.",
						setting));
	return model;
}
