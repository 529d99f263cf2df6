/*
 * backend.h
 *	  All that the extension keeps in a backend, in one struct.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_BACKEND_H
#define TFM_PG_BACKEND_H

#include "postgres.h"

#include "base/context.h"
#include "datatype/timestamp.h"
#include "pg/stat.h"

typedef struct backend_state
{
	/* settings.c */
	char *embed_model;	  /* tfm.embed_model */
	char *generate_model; /* tfm.generate_model */
	char *classify_model; /* tfm.classify_model */
	char *rerank_model;	  /* tfm.rerank_model */
	int cache_type;		  /* tfm.cache_type: a tfm_dtype, 0 for auto */
	int prefix_cache;	  /* tfm.prefix_cache, in kB */
	char *model_path;	  /* tfm.model_path */
	int threads;		  /* tfm.threads */
	int max_memory;		  /* tfm.max_memory, in kB */
	int cpu_isa;		  /* tfm.cpu_isa, as tfm_context has it */
	int processors;		  /* settings_processors(); 0: not asked yet */
	bool batching;		  /* tfm.batching */
	int batch_tokens;	  /* tfm.batch_tokens */
	int executor;		  /* tfm.executor: an executor_choice */

	/* stored_import.c */
	const char *importing; /* content whose files the user has imported; for the validator */

	int workers;		/* tfm.workers */
	int worker_threads; /* tfm.worker_threads */
	int worker_delay;	/* tfm.worker_delay, in microseconds */
	int worker_queue;	/* tfm.worker_queue, in texts */
	int worker_memory;	/* tfm.worker_memory, in kB */

	/* border.c */
	arena *scratch;			   /* what calls allocate; NULL before the first */
	struct thread_pool *pool;  /* NULL until a call wants more than one thread */
	struct border_call *calls; /* the open calls, innermost first */

	/* stat*.c; the first two are in shared memory where there is some */
	struct stat_table *stat_table;
	struct stat_slot *stat_slots; /* [MaxBackends], or NULL */
	struct stat_slot *stat_slot;  /* this backend's; NULL before the first use */
	bool stat_computing;		  /* between stat_begin and stat_end, since then: */
	double stat_started;
	uint32 wait_events[STAT_WAITS];

	/* registry.c */
	MemoryContext registry; /* the open models; NULL before the first */
	MemoryContext bindings_memory;
	struct open_model *models;
	struct binding *bindings;	/* what names mean, in this statement */
	TimestampTz statement;		/* the statement that the bindings are of */
	uint64 generation;			/* counts what may change the meaning of a name */
	uint64 bindings_generation; /* generation that the bindings are of */

	/* drops.c */
	int drop_level; /* level of the transaction that has dropped the extension; 0: none */
	struct List *dropped_files; /* what its commit removes */

	/* connection.c, worker_places.c */
	struct connection *connections; /* [WORKERS_MAX]; NULL before the first */
	bool worker_exit_registered;

	/* jobs_*.c */
	int job_workers;					/* tfm.job_workers */
	int job_idle_time;					/* tfm.job_idle_time, in ms */
	bool job_queued;					/* this transaction has queued rows */
	bool job_watches;					/* commits are looked at */
	Oid job_keeper;						/* owner of the extension, InvalidOid: it is not there; */
	char job_schema[NAMEDATALEN];		/* its schema; */
	TimestampTz job_statement;			/* both as of this statement */
	struct job_plan *job_plans;			/* commands that are prepared, */
	char job_plans_schema[NAMEDATALEN]; /* for this schema */
	int job_worker;						/* process ID of the worker last seen; 0: none */
} backend_state;

extern backend_state tfm_backend;

#endif
