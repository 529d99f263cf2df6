/*
 * support.c
 *	  What the planner is told of functions that models compute: costs and rows.
 *
 * A cost is that of the tokens that go through the model, by the model's size.  Nothing is opened for
 * it: the size is that of the image's file, where the model is registered and compiled, or that of a
 * model which the session has used; any other is taken for a small one.  The length of a text is that
 * of a constant, or the average of a column.
 *
 * A unit of cost stands for a tenth of a millisecond of computing here, ten times what it means for a
 * page.  That is enough for cheap conditions to run first and for parallel plans to be found worth
 * while, and keeps plans that are cheap beside their model from being compiled (jit_above_cost).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <math.h>
#include <sys/stat.h>

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "checkpoint/fingerprint.h"
#include "pg/call.h"
#include "pg/images.h"
#include "pg/registry.h"
#include "pg/server.h"
#include "pg/settings.h"
#include "task/generate.h"

PG_FUNCTION_INFO_V1(tfm_support);

/* Parameters of a model of which nothing is known: those of all-MiniLM-L6-v2. */
#define USUAL_PARAMETERS 23e6

/*
 * What a token costs there, in operators (cpu_operator_cost, 0.0025): a unit.  One that is generated
 * reads all weights for itself alone, which takes four times as long.
 */
#define TOKEN_COST 400.0
#define NEW_TOKEN_FACTOR 4.0

/* What making it of text costs, and the call around it. */
#define TEXT_TOKEN_COST 4.0
#define CALL_COST 100.0

/*
 * From here on costs grow by their logarithm only, and end at most at the second: below what parallel
 * workers cost to start (parallel_setup_cost), so that they are not started for a row.
 */
#define COST_KNEE 80000.0
#define COST_MOST 600000.0

/* Texts whose length is not known, and arrays of them. */
#define USUAL_BYTES 100.0
#define USUAL_ELEMENTS 10.0

/* Labels of a classifier, entities in a text. */
#define USUAL_LABELS 5.0
#define USUAL_ENTITIES 5.0

/* The longest input of most encoders; what is beyond is cut. */
#define ENCODER_TOKENS 512.0

/* Of the tokens that may be generated, as many are, about, where the call does not say how many. */
#define USUAL_NEW_TOKENS (GENERATE_NEW_TOKENS / 4)

typedef enum work
{
	WORK_TEXT, /* tokenizers */
	WORK_ENCODE,
	WORK_READ, /* a prompt, and the scores of what may follow */
	WORK_GENERATE
} work;

typedef enum rows
{
	ROWS_ONE,
	ROWS_TOKENS,
	ROWS_ELEMENTS,
	ROWS_CHUNKS,
	ROWS_LABELS,
	ROWS_ENTITIES, /* some for each text */
	ROWS_TOP_K,	   /* as many as top_k says for each text */
	ROWS_NEW_TOKENS
} rows;

/* A family of functions by how their C symbols begin; the first that fits. */
typedef struct function_family
{
	const char *symbol;
	work work;
	const char *setting; /* of the forms without a model */
	rows rows;
} function_family;

static const function_family families[] = {
	{"tfm_embed", WORK_ENCODE, EMBED_SETTING, ROWS_ONE},
	{"tfm_similarity", WORK_ENCODE, EMBED_SETTING, ROWS_ONE},
	{"tfm_rerank", WORK_ENCODE, RERANK_SETTING, ROWS_ONE},
	{"tfm_forward", WORK_ENCODE, NULL, ROWS_ONE},
	{"tfm_count_tokens", WORK_TEXT, EMBED_SETTING, ROWS_ONE},
	{"tfm_tokenize_array", WORK_TEXT, EMBED_SETTING, ROWS_ELEMENTS},
	{"tfm_tokenize", WORK_TEXT, EMBED_SETTING, ROWS_ONE},
	{"tfm_tokens_words", WORK_TEXT, EMBED_SETTING, ROWS_ELEMENTS},
	{"tfm_tokens", WORK_TEXT, EMBED_SETTING, ROWS_TOKENS},
	{"tfm_chunk", WORK_TEXT, EMBED_SETTING, ROWS_CHUNKS},
	{"tfm_classify_all_text", WORK_ENCODE, NULL, ROWS_LABELS},
	{"tfm_classify_all_labels", WORK_ENCODE, NULL, ROWS_LABELS},
	{"tfm_classify_all", WORK_READ, GENERATE_SETTING, ROWS_LABELS},
	{"tfm_classify_text", WORK_ENCODE, CLASSIFY_SETTING, ROWS_ONE},
	{"tfm_classify_pair", WORK_ENCODE, NULL, ROWS_ONE},
	{"tfm_classify_labels", WORK_ENCODE, NULL, ROWS_ONE},
	{"tfm_classify", WORK_READ, GENERATE_SETTING, ROWS_ONE},
	{"tfm_choose", WORK_ENCODE, NULL, ROWS_ONE},
	{"tfm_next_sentence", WORK_ENCODE, NULL, ROWS_ONE},
	{"tfm_entities", WORK_ENCODE, NULL, ROWS_ENTITIES},
	{"tfm_tag_tokens", WORK_ENCODE, NULL, ROWS_TOKENS},
	{"tfm_answer_table_all", WORK_ENCODE, NULL, ROWS_ELEMENTS},
	{"tfm_answer_table", WORK_ENCODE, NULL, ROWS_ONE},
	{"tfm_answer_all", WORK_ENCODE, NULL, ROWS_TOP_K},
	{"tfm_answer", WORK_ENCODE, NULL, ROWS_ONE},
	{"tfm_fill_mask", WORK_ENCODE, NULL, ROWS_TOP_K},
	{"tfm_filter", WORK_READ, GENERATE_SETTING, ROWS_ONE},
	{"tfm_generate_stream", WORK_GENERATE, NULL, ROWS_NEW_TOKENS},
	{"tfm_generate", WORK_GENERATE, GENERATE_SETTING, ROWS_ONE},
	{"tfm_extract", WORK_GENERATE, GENERATE_SETTING, ROWS_ONE},
	{"tfm_chat", WORK_GENERATE, NULL, ROWS_ONE},
	{"tfm_summarize", WORK_GENERATE, GENERATE_SETTING, ROWS_ONE},
	{"tfm_rag", WORK_GENERATE, NULL, ROWS_ONE},
	{"tfm_translate", WORK_GENERATE, NULL, ROWS_ONE},
	{"tfm_pipeline", WORK_ENCODE, NULL, ROWS_ONE},
};

/* Arguments that are texts for the model. */
static const char *const text_arguments[] = {
	"input",   "inputs",   "prompt",  "prompts", "messages", "query",	  "document",
	"a",	   "b",		   "pair",	  "pairs",	 "words",	 "condition", "question",
	"context", "contexts", "queries", "table",	 "passages",
};

/* A call as the planner has it. */
typedef struct planned_call
{
	PlannerInfo *root; /* may be NULL */
	List *arguments;
	const char **names; /* of the arguments */
	int name_count;
	const function_family *family;
} planned_call;

/* ---- The function ---- */

static const function_family *
find_family(const char *symbol)
{
	for (size_t i = 0; i < lengthof(families); i++)
	{
		size_t length = strlen(families[i].symbol);

		if (strncmp(symbol, families[i].symbol, length) == 0 &&
			(symbol[length] == '\0' || symbol[length] == '_'))
			return &families[i];
	}
	return NULL;
}

static void
read_names(HeapTuple tuple, planned_call *call)
{
	bool is_null;
	Datum array = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proargnames, &is_null);
	Datum *elements;

	if (is_null)
		return;
	deconstruct_array(DatumGetArrayTypePCopy(array), TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  NULL, &call->name_count);
	call->names = palloc(sizeof(char *) * Max(call->name_count, 1));
	for (int i = 0; i < call->name_count; i++)
		call->names[i] = TextDatumGetCString(elements[i]);
}

/* What is known of a call; false if it is none of ours. */
static bool
read_call(PlannerInfo *root, Oid function, Node *node, planned_call *call)
{
	HeapTuple tuple;
	bool is_null;
	Datum symbol;

	memset(call, 0, sizeof(*call));
	if (node == NULL || !IsA(node, FuncExpr))
		return false;
	call->root = root;
	call->arguments = ((FuncExpr *) node)->args;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return false;
	symbol = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &is_null);
	if (!is_null)
		call->family = find_family(TextDatumGetCString(symbol));
	read_names(tuple, call);
	ReleaseSysCache(tuple);
	return call->family != NULL;
}

/* The argument of that name, NULL if there is none. */
static Node *
find_argument(const planned_call *call, const char *name)
{
	for (int i = 0; i < Min(call->name_count, list_length(call->arguments)); i++)
		if (strcmp(call->names[i], name) == 0)
			return strip_implicit_coercions(list_nth(call->arguments, i));
	return NULL;
}

/* The value of an argument that is an integer and known; fallback if it is not. */
static double
integer_argument(const planned_call *call, const char *name, double fallback)
{
	const Const *value = (const Const *) find_argument(call, name);

	if (value == NULL || !IsA(value, Const) || value->constisnull || value->consttype != INT4OID)
		return fallback;
	return Max(DatumGetInt32(value->constvalue), 1);
}

/* ---- Lengths ---- */

/* The average width of a column; 0 if it is not known. */
static double
column_width(PlannerInfo *root, const Var *column)
{
	RangeTblEntry *entry;

	if (root == NULL || column->varlevelsup > 0 || column->varno <= 0 ||
		column->varno >= root->simple_rel_array_size || column->varattno <= 0)
		return 0;
	entry = planner_rt_fetch(column->varno, root);
	return entry->rtekind == RTE_RELATION ? get_attavgwidth(entry->relid, column->varattno) : 0;
}

static bool
is_array(Node *node)
{
	return OidIsValid(get_element_type(exprType(node)));
}

/* About how many elements an array has. */
static double
count_elements(Node *node)
{
	if (IsA(node, ArrayExpr))
		return list_length(((ArrayExpr *) node)->elements);
	if (IsA(node, Const) && !((Const *) node)->constisnull && is_array(node))
	{
		ArrayType *array = DatumGetArrayTypeP(((Const *) node)->constvalue);

		return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	}
	return USUAL_ELEMENTS;
}

/* The widths of the columns in an expression, or what is usual. */
static double
count_columns(PlannerInfo *root, Node *node)
{
	List *columns = pull_var_clause(node, PVC_RECURSE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS |
											  PVC_RECURSE_PLACEHOLDERS);
	double bytes = 0;
	ListCell *cell;

	foreach (cell, columns)
		bytes += column_width(root, lfirst_node(Var, cell));
	if (bytes > 0)
		return bytes;
	return is_array(node) ? USUAL_BYTES * USUAL_ELEMENTS : USUAL_BYTES;
}

/* About how many bytes of text an argument has. */
static double
count_bytes(PlannerInfo *root, Node *node)
{
	if (IsA(node, Const) && ((Const *) node)->constisnull)
		return 0;
	if (IsA(node, Const) && ((Const *) node)->constlen == -1)
		return toast_raw_datum_size(((Const *) node)->constvalue) - VARHDRSZ;
	if (IsA(node, ArrayExpr))
	{
		double bytes = 0;
		ListCell *cell;

		foreach (cell, ((ArrayExpr *) node)->elements)
			bytes += count_bytes(root, strip_implicit_coercions(lfirst(cell)));
		return bytes;
	}
	return count_columns(root, node);
}

/* About how many tokens the texts of a call have. */
static double
count_tokens(const planned_call *call)
{
	double tokens = 0;

	for (size_t i = 0; i < lengthof(text_arguments); i++)
	{
		Node *argument = find_argument(call, text_arguments[i]);
		double texts, added;

		if (argument == NULL)
			continue;
		texts = is_array(argument) ? count_elements(argument) : 1;
		added =
			count_bytes(call->root, argument) / CALL_BYTES_PER_TOKEN + CALL_TOKENS_AROUND * texts;
		if (call->family->work == WORK_ENCODE)
			added = Min(added, ENCODER_TOKENS * texts);
		tokens += added;
	}
	return tokens;
}

static double
count_new_tokens(const planned_call *call)
{
	Node *prompts = find_argument(call, "prompts");
	double texts;

	if (prompts == NULL)
		prompts = find_argument(call, "inputs");
	texts = prompts != NULL && is_array(prompts) ? count_elements(prompts) : 1;

	return texts * integer_argument(call, "max_new_tokens", USUAL_NEW_TOKENS);
}

/* ---- The model ---- */

/* The name of the call's model, NULL if it is not known now. */
static const char *
find_model(const planned_call *call)
{
	const Const *model = (const Const *) find_argument(call, "model");
	const char *name;

	if (model != NULL)
		return IsA(model, Const) && !model->constisnull && model->consttype == TEXTOID
				   ? TextDatumGetCString(model->constvalue)
				   : NULL;
	name =
		call->family->setting != NULL ? GetConfigOption(call->family->setting, true, false) : NULL;
	return name == NULL || name[0] == '\0' ? NULL : name;
}

/* Bytes of a weight in an image; a GGUF file has blocks of some four bits mostly. */
static double
weight_bytes(const server_model *server, tfm_dtype dtype)
{
	switch ((int) dtype)
	{
		case DTYPE_F16:
		case DTYPE_BF16:
			return 2;
		case DTYPE_I8:
		case DTYPE_Q8_0:
			return 1;
		case 0:
			return server->path != NULL && ckpt_is_gguf_name(server->path) ? 0.7 : 4;
		default:
			return dtype == DTYPE_F32 ? 4 : 0.6;
	}
}

/* About how many parameters a model has, without opening it. */
static double
count_parameters(const char *name)
{
	server_model server;
	struct stat status;
	tfm_dtype dtype;
	double known;

	if (name == NULL)
		return USUAL_PARAMETERS;
	if (!server_find(name, &server))
	{
		known = (double) registry_known_parameters(name);
		return known > 0 ? known : USUAL_PARAMETERS;
	}
	if (server.content == NULL)
		return USUAL_PARAMETERS;
	dtype = server_precision(&server).dtype;
	if (stat(images_path(server.content, dtype), &status) != 0)
		return USUAL_PARAMETERS;
	return (double) status.st_size / weight_bytes(&server, dtype);
}

/* ---- What the planner asks ---- */

/* In operators. */
static double
estimate_cost(const planned_call *call)
{
	double tokens = count_tokens(call), cost = CALL_COST + tokens * TEXT_TOKEN_COST;

	if (call->family->work == WORK_TEXT)
		return cost;
	if (call->family->work == WORK_GENERATE)
		tokens += count_new_tokens(call) * NEW_TOKEN_FACTOR;
	cost += tokens * TOKEN_COST * count_parameters(find_model(call)) / USUAL_PARAMETERS;
	if (cost > COST_KNEE)
		cost = Min(COST_KNEE * (1 + log(cost / COST_KNEE)), COST_MOST);
	return cost;
}

static Node *
answer_cost(SupportRequestCost *request)
{
	planned_call call;

	if (!read_call(request->root, request->funcid, request->node, &call))
		return NULL;
	request->startup = 0;
	request->per_tuple = estimate_cost(&call) * cpu_operator_cost;
	return (Node *) request;
}

/* Texts of a call: the elements of an array of them, or one. */
static double
count_texts(const planned_call *call)
{
	Node *texts = find_argument(call, "inputs");

	if (texts == NULL)
		texts = find_argument(call, "contexts");
	return texts != NULL && is_array(texts) ? count_elements(texts) : 1;
}

/* Rows of a set; 0 if they are as its definition says. */
static double
estimate_rows(const planned_call *call)
{
	Node *elements;

	switch (call->family->rows)
	{
		case ROWS_TOKENS:
			return count_tokens(call);
		case ROWS_CHUNKS:
			return ceil(count_tokens(call) / integer_argument(call, "max_tokens", ENCODER_TOKENS));
		case ROWS_LABELS:
			elements = find_argument(call, "labels");
			return count_texts(call) * (elements != NULL ? count_elements(elements) : USUAL_LABELS);
		case ROWS_ENTITIES:
			return count_texts(call) * USUAL_ENTITIES;
		case ROWS_TOP_K:
			return count_texts(call) * integer_argument(call, "top_k", 1);
		case ROWS_ELEMENTS:
			elements = find_argument(call, "inputs");
			if (elements == NULL)
				elements = find_argument(call, "words");
			if (elements == NULL)
				elements = find_argument(call, "queries");
			return elements != NULL ? count_elements(elements) : 0;
		case ROWS_NEW_TOKENS:
			return count_new_tokens(call);
		default:
			return 0;
	}
}

static Node *
answer_rows(SupportRequestRows *request)
{
	planned_call call;
	double estimate;

	if (!read_call(request->root, request->funcid, request->node, &call))
		return NULL;
	estimate = estimate_rows(&call);
	if (estimate <= 0)
		return NULL;
	request->rows = clamp_row_est(estimate);
	return (Node *) request;
}

/* tfm_support(internal) returns internal */
Datum
tfm_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);
	Node *answer = NULL;

	if (IsA(request, SupportRequestCost))
		answer = answer_cost((SupportRequestCost *) request);
	else if (IsA(request, SupportRequestRows))
		answer = answer_rows((SupportRequestRows *) request);
	PG_RETURN_POINTER(answer);
}
