/*
 * info.c
 *	  The SQL function tfm_info: what this build is, and what it runs with here.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <unistd.h>

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/tuplestore.h"

#include "pg/backend.h"
#include "pg/images.h"
#include "pg/registry.h"
#include "pg/settings.h"
#include "pg/stat_counts.h"
#include "runtime/precision.h"

PG_FUNCTION_INFO_V1(tfm_info);

#ifndef TFM_VERSION
#define TFM_VERSION "unknown"
#endif

static void
put_value(ReturnSetInfo *result, const char *name, const char *value)
{
	bool nulls[2] = {false, value == NULL};
	Datum values[2] = {CStringGetTextDatum(name)};

	if (value != NULL)
		values[1] = CStringGetTextDatum(value);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_number(ReturnSetInfo *result, const char *name, int64 value)
{
	put_value(result, name, psprintf(INT64_FORMAT, value));
}

/* A setting of ours, NULL where this build does not have it. */
static void
put_setting(ReturnSetInfo *result, const char *name, const char *setting)
{
	put_value(result, name, GetConfigOption(setting, true, false));
}

/* ---- What it is ---- */

static const char *
compiler(void)
{
#if defined(__clang__)
	return "clang " __clang_version__;
#elif defined(__GNUC__)
	return "gcc " __VERSION__;
#else
	return "unknown";
#endif
}

static void
put_build(ReturnSetInfo *result)
{
	put_value(result, "version", TFM_VERSION);
	put_value(result, "compiler", compiler());
	put_value(result, "PostgreSQL built for", PG_VERSION);
	put_value(result, "PostgreSQL", GetConfigOption("server_version", false, false));
	put_number(result, "bits of a pointer", (int64) sizeof(void *) * BITS_PER_BYTE);
	put_number(result, "bytes of a page of memory", sysconf(_SC_PAGESIZE));
}

/* ---- What computes ---- */

/* Set 0 stands for the best there is; the others are numbered from the least. */
static const char *
best_isa(void)
{
	const char *best = NULL;

	for (int set = 1; run_isa_name(set) != NULL; set++)
		if (run_has_isa(set))
			best = run_isa_name(set);
	return best;
}

static void
put_processor(ReturnSetInfo *result)
{
	put_value(result, "device", "processor");
	put_value(result, "GPU", "none");
	put_value(result, "matrix products", "own kernels");
	put_value(result, "instruction sets", settings_instruction_sets());
	put_value(result, "instruction set in use",
			  tfm_backend.cpu_isa == 0 ? best_isa() : run_isa_name(tfm_backend.cpu_isa));
	put_number(result, "processors", settings_processors());
	put_number(result, "threads", settings_threads());
	put_setting(result, "executor", "tfm.executor");
	put_setting(result, "workers", "tfm.workers");
	put_setting(result, "batching", "tfm.batching");
	put_value(result, "preloaded", stat_counts_shared() ? "yes" : "no");
	put_value(result, "statistics of", stat_counts_shared() ? "all sessions" : "this session");
}

/* ---- What there is ---- */

static void
put_memory(ReturnSetInfo *result)
{
	int64 count, bytes = images_total(&count);

	put_number(result, "images", count);
	put_number(result, "bytes of images", bytes);
	put_number(result, "models open in this session", registry_count_open());
	put_number(result, "bytes of working memory of this session",
			   tfm_backend.scratch == NULL ? 0 : (int64) arena_held(tfm_backend.scratch));
}

/* tfm_info() returns table (name text, value text) */
Datum
tfm_info(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	put_build(result);
	put_processor(result);
	put_memory(result);
	return (Datum) 0;
}
