/*
 * families.c
 *	  Prints what the library runs, for script/make-models: for each class of Transformers a line of
 *	  "class", family, model type, kind, class prefix, class suffix, task; for each pipeline "pipeline"
 *	  and its names; with tabs between.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "nn/family.h"
#include "task/pipeline.h"

static bool
has_task(const nn_family *family, const char *task)
{
	for (const nn_head *head = family->heads; head->suffix != NULL; head++)
		if (strcmp(head->task, task) == 0)
			return true;
	return false;
}

/* An encoder that can be told to be a decoder, as BERT, is an encoder. */
static const char *
kind_of(const nn_family *family)
{
	if (family->memory_layers != NULL)
		return "encoder-decoder";
	return has_task(family, "text-generation") && !has_task(family, "fill-mask") ? "decoder"
																				 : "encoder";
}

static void
print_classes(const nn_family *family)
{
	for (const nn_variant *v = family->variants; v->model_type != NULL; v++)
		for (const nn_head *head = family->heads; head->suffix != NULL; head++)
			printf("class\t%s\t%s\t%s\t%s\t%s\t%s\n", family->name, v->model_type, kind_of(family),
				   v->class_prefix, head->suffix, head->task);
}

int
main(void)
{
	for (const nn_family *const *family = nn_families; *family != NULL; family++)
		print_classes(*family);
	for (const pipeline_task *const *pipeline = task_pipelines; *pipeline != NULL; pipeline++)
	{
		printf("pipeline");
		for (const char *const *name = (*pipeline)->names; *name != NULL; name++)
			printf("\t%s", *name);
		printf("\n");
	}
	return 0;
}
