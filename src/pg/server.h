/*
 * server.h
 *	  Models as foreign servers: finding one and reading its options.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_SERVER_H
#define TFM_PG_SERVER_H

#include "postgres.h"

#include "runtime/precision.h"

#define SERVER_WRAPPER "tfm"

/* A registered model; strings in the memory context that was current. */
typedef struct server_model
{
	Oid server;
	const char *name;
	const char *path;	 /* absolute directory, or id under tfm.model_path; NULL: stored */
	const char *dtype;	 /* NULL: auto */
	const char *compute; /* NULL: auto */
	const char *content; /* pinned fingerprint of the checkpoint; NULL: not pinned */
	bool stored;		 /* its files are in the database, under content */
} server_model;

/* Throw invalid_parameter_value if a path, dtype or compute is no value of its option. */
extern void server_check_options(const server_model *model);

/* The precision that dtype and compute stand for; throws likewise, also if they do not go together. */
extern run_precision server_precision(const server_model *model);

/* The registered model of that name; false if no server of our wrapper is called so. */
extern bool server_find(const char *name, server_model *model);

/* The same by the server's OID. */
extern bool server_find_oid(Oid server, server_model *model);

/* Whether the current user has USAGE on the server. */
extern bool server_is_usable(Oid server);

/* Throw insufficient_privilege unless the current user may make servers of our wrapper. */
extern void server_check_creation(void);

/* Throw insufficient_privilege unless the current user has USAGE on (owns) the server. */
extern void server_check_usage(const server_model *model);
extern void server_check_owner(const server_model *model);

/* Throw insufficient_privilege unless the current user may read the server's files; what says for what. */
extern void server_check_files(const char *what);

/* Throw undefined_object for a name that is no model, with names near to it as a hint. */
extern void server_throw_unknown(const char *name) __attribute__((noreturn));

/* The images of what servers of this database have pinned: a List of their names. */
struct List;
extern struct List *server_pinned_images(void);

/* Whether a server of this database points to the stored files of a content. */
extern bool server_points_to(const char *content);

/*
 * The contents of stored files that a server points to or did: a List of strings.  Found in what the
 * catalog still has of it, of which there is at least what this transaction has changed or dropped.
 */
extern struct List *server_former_contents(Oid server);

#endif
