# tfm: Hugging Face Transformers as SQL functions.
#
# src/pg is built by PGXS against the server's headers; everything else is the
# engine, a static library that knows nothing of PostgreSQL.

EXTENSION = tfm
VERSION = 0.1.0
MODULE_big = tfm

# Pieces of the install script, in the order in which they need each other.
INSTALL_SQL = vector models tokenize embed forward
DATA_built = sql/tfm--$(VERSION).sql

ENGINE_SRCS = $(sort $(wildcard src/base/*.c src/tensor/*.c src/tensor/cpu/*.c src/nn/*.c \
	src/models/*.c src/text/*.c src/checkpoint/*.c src/runtime/*.c src/task/*.c))
ENGINE_OBJS = $(ENGINE_SRCS:.c=.o)
ENGINE = libtfm.a
ENGINE_LIBS = -lcjson -licui18n -licuuc -lcrypto -lpthread -lm

OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/pg/*.c)))
SHLIB_LINK = $(ENGINE) $(ENGINE_LIBS)
EXTRA_CLEAN = $(ENGINE) $(ENGINE_OBJS)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

WARNINGS = -Wall -Wextra -Wshadow -Wvla
ENGINE_CFLAGS = -std=gnu11 -O2 -g -fPIC -fvisibility=hidden $(WARNINGS) -fno-math-errno

# The engine does not see the server's headers.
$(ENGINE_OBJS): override CPPFLAGS = -Isrc
$(ENGINE_OBJS): override CFLAGS = $(ENGINE_CFLAGS) $(CFLAGS_EXTRA)
