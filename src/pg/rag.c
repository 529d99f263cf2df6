/*
 * rag.c
 *	  The SQL function tfm_rag: questions answered from passages that a query has found.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/pipeline.h"

const call_function rag_functions[] = {
	{.symbol = "tfm_rag",
	 .kind = TASK_PIPELINE,
	 .task = "retrieval-augmented-generation",
	 .input = 1,
	 .required = 2,
	 .prepare = pipeline_prepare,
	 .result = pipeline_make_text},
	{0},
};

/* tfm_rag(model text, question text, passages text[], ...) returns text */
CALL_ENTRY(tfm_rag)
