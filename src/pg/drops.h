/*
 * drops.h
 *	  What DROP EXTENSION takes along: the images that no other database uses.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_DROPS_H
#define TFM_PG_DROPS_H

/* Watch what is dropped, and the ends of transactions; for _PG_init. */
extern void drops_install(void);

#endif
