# jdiag: see README.md. `make help` lists the targets.
#
# Variables for the user: CC, CFLAGS, LDFLAGS, BUILD (output directory), V=1 (show commands),
# WERROR=1 (warnings are errors), SANITIZE=1 (ASan and UBSan; use with another BUILD),
# ARM64_CC (the cross compiler), DESTDIR, PREFIX (install).

BUILD   ?= build
PREFIX  ?= /usr/local
ARCH    := $(shell uname -m)
VERSION := 0.1.0
PKG_CONFIG ?= pkg-config
STRIP   ?= strip

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2);)

CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wvla -Wformat=2 -Wundef \
           -Wpointer-arith -Wwrite-strings -Wno-format-truncation $(if $(WERROR),-Werror)
HARDEN  := $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fno-strict-aliasing
comma   := ,
SAN     := $(if $(SANITIZE),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
BASE    := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DJDIAG_VERSION='"$(VERSION)"' -I. \
           $(WARN) $(HARDEN) $(SAN)

# For another machine (the recipe of jdiag-helper-aarch64): where its libraries and headers are.
TARGET_ROOT :=
TARGET_CFLAGS  := $(if $(TARGET_ROOT),-isystem $(TARGET_ROOT)/usr/include -isystem $(TARGET_ROOT)/usr/include/$(ARCH)-linux-gnu)
TARGET_LDFLAGS := $(if $(TARGET_ROOT),-L$(TARGET_ROOT)/usr/lib/$(ARCH)-linux-gnu)

# The helper: static, unless the sanitizers (which have no static form) are in it.
HELPER_CFLAGS  := $(TARGET_CFLAGS) $(if $(SANITIZE),-fPIE,-fno-pie) -ffunction-sections -fdata-sections
HELPER_LDFLAGS := $(TARGET_LDFLAGS) $(if $(SANITIZE),-pie,-static -no-pie) -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,noexecstack
HELPER_LIBS    := -l:libcrypto.a -l:libdeflate.a -l:libzstd.a
JDIAG_PKGS     := libssh2 libcurl jansson libarchive libcrypto yaml-0.1 libdeflate libzstd zlib libpcre2-8 libmicrohttpd
JDIAG_CFLAGS   := -fPIE $(shell $(PKG_CONFIG) --cflags $(JDIAG_PKGS) 2>/dev/null)
JDIAG_LDFLAGS  := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
JDIAG_LIBS     := $(shell $(PKG_CONFIG) --libs $(JDIAG_PKGS) 2>/dev/null)

SHARED_SRC := $(wildcard remote/base/*.c remote/wire/*.c remote/hprof/*.c remote/codec/*.c)
REMOTE_SRC := $(filter-out remote/main.c,$(wildcard remote/*.c remote/attach/*.c remote/capture/*.c remote/spool/*.c remote/drain/*.c remote/upload/*.c remote/runtime/*.c remote/place/*.c))
JDIAG_SRC  := $(filter-out jdiag/main.c,$(wildcard jdiag/*.c jdiag/*/*.c))
UNIT_SRC   := $(wildcard tests/unit/test_*.c)
UNIT_BIN   := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))

# Objects: the helper's and the shared ones are compiled twice, once for each program.
r_objs = $(patsubst %.c,$(BUILD)/remote-obj/%.o,$(1))
j_objs = $(patsubst %.c,$(BUILD)/jdiag-obj/%.o,$(1))

HELPER := $(BUILD)/jdiag-helper-$(ARCH)
ARM64_CC    ?= aarch64-linux-gnu-gcc
ARM64_CFLAGS ?= -O2 -g
ARM64_BUILD ?= $(BUILD)/aarch64
ARM64_MAKE   = $(MAKE) --no-print-directory ARCH=aarch64 SANITIZE= BUILD=$(ARM64_BUILD) CC=$(ARM64_CC) \
               STRIP=$(ARM64_CC:gcc=strip) CFLAGS="$(ARM64_CFLAGS)" LDFLAGS=

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

.PHONY: all
all: $(BUILD)/jdiag ## build build/jdiag with the helper inside it (the default)

$(BUILD)/libremote.a: $(call r_objs,$(REMOTE_SRC) $(SHARED_SRC))
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(BUILD)/libjdiag.a: $(call j_objs,$(JDIAG_SRC) $(SHARED_SRC)) $(BUILD)/jdiag-obj/embed.o \
                     $(BUILD)/jdiag-obj/man_prose.o
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(HELPER): $(call r_objs,remote/main.c) $(BUILD)/libremote.a
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SAN) $(HELPER_LDFLAGS) $(LDFLAGS) -o $@ $^ $(HELPER_LIBS) && \
		cp $@ $@.debug && $(STRIP) $@

$(BUILD)/jdiag: $(call j_objs,jdiag/main.c) $(BUILD)/libjdiag.a
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SAN) $(JDIAG_LDFLAGS) $(LDFLAGS) -o $@ $^ $(JDIAG_LIBS)

# The helper for the other kind of node: by a cross compiler, and without one empty. Then the file is
# old, so that the next build tries again.
ifneq ($(ARCH),aarch64)
$(BUILD)/jdiag-helper-aarch64: Makefile scripts/arm64-libs $(wildcard remote/*.[ch] remote/*/*.[ch])
	+@mkdir -p $(@D) && if root=$$(ARM64_CC=$(ARM64_CC) scripts/arm64-libs); then \
		$(ARM64_MAKE) TARGET_ROOT=$$root helper && cp $(ARM64_BUILD)/jdiag-helper-aarch64 $@; \
	else \
		: >$@ && touch -d @0 $@; \
	fi
endif

ifneq ($(ARCH),x86_64)
$(BUILD)/jdiag-helper-x86_64:
	@echo "  this build has no helper for x86_64 nodes"; mkdir -p $(@D) && : >$@
endif

.PHONY: helper
helper: $(HELPER)

$(BUILD)/jdiag-obj/embed.o: jdiag/helper/embed.S $(BUILD)/jdiag-helper-x86_64 $(BUILD)/jdiag-helper-aarch64
	$(call say,AS,$@)mkdir -p $(@D) && $(CC) -DHELPER_X86_64='"$(BUILD)/jdiag-helper-x86_64"' \
		-DHELPER_AARCH64='"$(BUILD)/jdiag-helper-aarch64"' -c -o $@ $<

$(BUILD)/remote-obj/%.o: %.c
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(BASE) $(HELPER_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/jdiag-obj/%.o: %.c
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(BASE) $(JDIAG_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The prose of the manual pages, as C.
$(BUILD)/gen/man_prose.c: jdiag/man/embed.awk $(sort $(wildcard jdiag/man/*.txt))
	$(call say,GEN,$@)mkdir -p $(@D) && LC_ALL=C awk -f $^ > $@

$(BUILD)/jdiag-obj/man_prose.o: $(BUILD)/gen/man_prose.c
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(BASE) $(JDIAG_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# A unit test links against one program's library; `remote` in its first line means the helper's.
$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/libremote.a $(if $(TARGET_ROOT),,$(BUILD)/libjdiag.a)
	$(call say,TEST,$@)mkdir -p $(@D) && \
	if head -n 1 $< | grep -q remote; \
	then $(CC) $(BASE) $(TARGET_CFLAGS) $(CFLAGS) $(if $(SANITIZE),,-no-pie) -MMD -MP -o $@ $< $(BUILD)/libremote.a $(TARGET_LDFLAGS) $(HELPER_LIBS) -lcmocka; \
	else $(CC) $(BASE) $(CFLAGS) -MMD -MP -o $@ $< $(BUILD)/libjdiag.a $(JDIAG_LIBS) -lssl -lcmocka; fi

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: unit-bins
unit-bins: $(UNIT_BIN)

# Programs for the tests of the programs.
TOOL_SRC := $(wildcard tests/tools/*.c)
TOOL_BIN := $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(TOOL_SRC))

$(BUILD)/tools/%: tests/tools/%.c $(BUILD)/libremote.a $(BUILD)/libjdiag.a
	$(call say,TOOL,$@)mkdir -p $(@D) && \
	if head -n 1 $< | grep -q remote; \
	then $(CC) $(BASE) $(CFLAGS) $(if $(SANITIZE),,-no-pie) -MMD -MP -o $@ $< $(BUILD)/libremote.a $(HELPER_LIBS); \
	else $(CC) $(BASE) $(CFLAGS) -MMD -MP -o $@ $< $(BUILD)/libjdiag.a $(JDIAG_LIBS); fi

# --- fuzzers: both programs' code once more, by clang, with coverage for libFuzzer ---------------

# Seed 0: another one each time.
FUZZ_SECONDS ?= 10
FUZZ_SEED    ?= 0
FUZZ_LIMIT   ?= -max_total_time=$(FUZZ_SECONDS)
# The same inputs on every machine: what leads a fuzzer on depends on addresses, too.
FUZZ_ALIKE   := FUZZ_LIMIT=-runs=50000 FUZZ_SEED=1 FUZZ_UNDER="setarch -R"
FUZZ_CC    := clang
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined
FUZZ_SRC   := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN   := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))
FUZZ_BASE  := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DJDIAG_VERSION='"$(VERSION)"' -I. $(JDIAG_CFLAGS)
f_objs      = $(patsubst %.c,$(BUILD)/fuzz-obj/%.o,$(1))

$(BUILD)/fuzz-obj/%.o: %.c
	$(call say,FUZZ-CC,$<)mkdir -p $(@D) && $(FUZZ_CC) $(FUZZ_BASE) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(BUILD)/fuzz-obj/libremote.a: $(call f_objs,$(REMOTE_SRC) $(SHARED_SRC))
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

# The embedded helper has nothing to fuzz in it: the fuzzers of jdiag link without.
$(BUILD)/fuzz-obj/libjdiag.a: $(call f_objs,$(JDIAG_SRC) $(SHARED_SRC)) $(BUILD)/jdiag-obj/embed.o \
                              $(BUILD)/jdiag-obj/man_prose.o
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/fuzz-obj/libremote.a $(BUILD)/fuzz-obj/libjdiag.a
	$(call say,FUZZ,$@)mkdir -p $(@D) && \
	if head -n 1 $< | grep -q remote; \
	then $(FUZZ_CC) $(FUZZ_BASE) $(FUZZ_FLAGS) -fsanitize=fuzzer -MMD -MP -o $@ $< $(BUILD)/fuzz-obj/libremote.a -lcrypto -ldeflate -lzstd; \
	else $(FUZZ_CC) $(FUZZ_BASE) $(FUZZ_FLAGS) -fsanitize=fuzzer -MMD -MP -o $@ $< $(BUILD)/fuzz-obj/libjdiag.a $(JDIAG_LIBS); fi

.PHONY: fuzz
fuzz: $(BUILD)/fuzz.list ## run every fuzzer for FUZZ_SECONDS (10)
	@ci/run-tests fuzz $< && ci/run-tests --total $<

# --- tests: see tests/README.md -------------------------------------------------------------------

ASAN := $(BUILD)/asan

# The helper of arm64 under qemu-user: its unit tests, but for those that qemu-user cannot run (tests/README.md
# says why), and what it says over a pipe (tests/bats/arm64).
NOT_QEMU   := test_creds test_curl test_drain_faults test_ending test_enter test_enter_trace test_jvm test_mount \
              test_place test_port_probe test_procfs test_procref test_rootpath test_runtime
ARM64_UNIT := $(filter-out $(NOT_QEMU),$(patsubst tests/unit/%.c,%,$(shell grep -l '^/\* remote' $(UNIT_SRC))))
QEMU        = qemu-aarch64-static -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=$$root/usr/lib/aarch64-linux-gnu

.PHONY: $(BUILD)/arm64.list arm64-unit-bins test-arm64
$(BUILD)/arm64.list: $(BUILD)/jdiag
	+@root=$$(ARM64_CC=$(ARM64_CC) scripts/arm64-libs --test) && \
	$(ARM64_MAKE) TARGET_ROOT=$$root $(ARM64_UNIT:%=$(ARM64_BUILD)/unit/%) && { \
	for t in $(ARM64_UNIT); do echo "tap $$t CMOCKA_MESSAGE_OUTPUT=TAP $(QEMU) $(ARM64_BUILD)/unit/$$t"; done; \
	for t in tests/bats/arm64/*.bats; do \
		echo "tap arm64/$${t##*/} BATS_TEST_TIMEOUT=300 JDIAG_BUILD=$(abspath $(BUILD)) tests/rig/own-node bats --tap $$t"; \
	done; } >$@

test-arm64: $(BUILD)/arm64.list ## the helper of arm64, under qemu-user
	@ci/run-tests arm64 $< && ci/run-tests --total $<
BATS := $(wildcard tests/bats/*.bats)

# The lists of jobs for ci/run-tests.
.PHONY: $(BUILD)/check.list $(BUILD)/fuzz.list $(BUILD)/unit.list $(BUILD)/bats.list
$(BUILD)/check.list:
	@mkdir -p $(@D) && for c in format layers text; do echo "exit check-$$c ci/check-$$c"; done >$@

$(BUILD)/fuzz.list: $(FUZZ_BIN)
	@mkdir -p $(@D) && for f in $(FUZZ_BIN); do \
		echo "exit $${f##*/} $(FUZZ_UNDER) $$f $(FUZZ_LIMIT) -seed=$(FUZZ_SEED) -rss_limit_mb=2048 -timeout=60 -print_final_stats=1 -artifact_prefix=$$f-"; \
	done >$@

$(BUILD)/unit.list: $(UNIT_BIN)
	@mkdir -p $(@D) && for t in $(UNIT_BIN); do echo "tap $${t##*/} CMOCKA_MESSAGE_OUTPUT=TAP $$t"; done >$@

$(BUILD)/bats.list: $(BUILD)/jdiag $(TOOL_BIN)
	@for t in $(BATS); do echo "tap $${t##*/} BATS_TEST_TIMEOUT=300 LINK_CUTS=$(if $(SANITIZE),20,200) JDIAG_BUILD=$(abspath $(BUILD)) tests/rig/own-node bats --tap $$t"; done >$@

.PHONY: deps check test test-unit test-bats test-sanitize test-pass rig
deps: ## install the Debian packages for building, testing and the demo (as root)
	@scripts/deps

check: $(BUILD)/check.list ## format, layers, text
	@ci/run-tests check $< && ci/run-tests --total $<

test-unit: $(BUILD)/unit.list ## the unit tests
	@ci/run-tests unit $< && ci/run-tests --total $<

test-bats: $(BUILD)/bats.list rig ## the tests of the programs: sshd, API, bucket, containers, JVMs (as root)
	@ci/run-tests bats $< && ci/run-tests --total $<

rig: ## fetch the JVMs, the exporters and the independent dump reader for the tests, make the agents, once
	@tests/rig/jvm.sh all >/dev/null && tests/rig/read_dump.sh --prepare && tests/rig/agents.sh >/dev/null && tests/rig/exporter.sh all >/dev/null

# One pass, without the total.
test-pass: $(BUILD)/unit.list $(BUILD)/bats.list rig
	@ci/run-tests $(PASS) $(BUILD)/unit.list
	@ci/run-tests $(PASS) $(BUILD)/bats.list

test-sanitize: ## unit tests and bats under ASan and UBSan
	@$(MAKE) --no-print-directory test-pass PASS=asan SANITIZE=1 BUILD=$(ASAN)
	@ci/run-tests --total $(ASAN)/unit.list $(ASAN)/bats.list

TEST_LISTS := $(BUILD)/check.list $(BUILD)/unit.list $(BUILD)/bats.list $(ASAN)/unit.list $(ASAN)/bats.list \
	$(BUILD)/arm64.list $(BUILD)/fuzz.list

# The closing line counts all passes, so a pass that fails does not stop the next one.
test: ## everything: checks, unit tests, fuzzers, bats, all again under the sanitizers (as root)
	@rm -rf $(BUILD)/*.list* $(ASAN)/*.list*
	-@$(MAKE) --no-print-directory $(BUILD)/check.list && ci/run-tests check $(BUILD)/check.list
	-@$(MAKE) --no-print-directory test-pass PASS=plain
	-@$(MAKE) --no-print-directory test-pass PASS=asan SANITIZE=1 BUILD=$(ASAN) ARM64_BUILD=$(ARM64_BUILD)
	-@$(MAKE) --no-print-directory $(BUILD)/arm64.list && ci/run-tests arm64 $(BUILD)/arm64.list
	-@$(MAKE) --no-print-directory $(BUILD)/fuzz.list $(FUZZ_ALIKE) && ci/run-tests fuzz $(BUILD)/fuzz.list
	@ci/run-tests --total $(TEST_LISTS)

# --- a real cluster: see tests/cluster/run ----------------------------------------------------------

CLUSTER_BATS := $(wildcard tests/cluster/*.bats)

.PHONY: test-cluster test-total $(BUILD)/cluster.list
$(BUILD)/cluster.list: $(BUILD)/jdiag $(BUILD)/tools/crc32c installable
	@rm -rf $@ $@.logs && for t in $(CLUSTER_BATS); do echo "tap $${t##*/} BATS_TEST_TIMEOUT=300 bats --tap $$t"; done >$@

test-cluster: $(BUILD)/cluster.list rig ## pods of a real cluster; builds one, once, in 10 minutes (as root)
	@export JDIAG_BUILD=$(abspath $(BUILD)) && tests/cluster/run ci/run-tests cluster $< || \
		{ mkdir -p $<.logs && echo "not ok the cluster, or what it leaves" >$<.logs/run.results; }
	@ci/run-tests --total $<

test-total: ## the closing line of test and test-cluster together
	@ci/run-tests --total $(TEST_LISTS) $(BUILD)/cluster.list

.PHONY: demo bench
demo: all $(BUILD)/tools/crc32c ## see a heap dump travel from a pod name to a bucket (as root, under 3 minutes)
	@tests/rig/demo.sh

bench: all $(filter %/crc32c %/hprof-bench,$(TOOL_BIN)) ## pauses, the whole job, memory, disk, speed: ratios and their limits (as root)
	@JDIAG_BUILD=$(abspath $(BUILD)) tests/rig/bench.sh $(BENCH_OPTIONS)

# Manual pages and completions: jdiag prints them itself.
VERBS     := $(sort $(patsubst jdiag/cmd_%.c,%,$(wildcard jdiag/cmd_*.c)))
MAN_PAGES := $(BUILD)/man/jdiag.1 $(VERBS:%=$(BUILD)/man/jdiag-%.1)
SHELLS    := bash zsh fish kubectl

.PHONY: man
man: $(MAN_PAGES) ## write the manual pages to build/man

$(BUILD)/man/jdiag.1: $(BUILD)/jdiag
	$(call say,MAN,$@)mkdir -p $(@D) && $< man > $@

$(BUILD)/man/jdiag-%.1: $(BUILD)/jdiag
	$(call say,MAN,$@)mkdir -p $(@D) && $< man $* > $@

$(BUILD)/completion/%: $(BUILD)/jdiag
	$(call say,GEN,$@)mkdir -p $(@D) && $< completion $* > $@

BINDIR  := $(DESTDIR)$(PREFIX)/bin
SHARE   := $(DESTDIR)$(PREFIX)/share
BASHDIR := $(SHARE)/bash-completion/completions
ZSHDIR  := $(SHARE)/zsh/site-functions
FISHDIR := $(SHARE)/fish/vendor_completions.d

.PHONY: install installable
installable: $(BUILD)/jdiag $(MAN_PAGES) $(SHELLS:%=$(BUILD)/completion/%)

install: installable ## install below DESTDIR/PREFIX
	install -d $(BINDIR) $(SHARE)/man/man1 $(BASHDIR) $(ZSHDIR) $(FISHDIR)
	install -m 755 $(BUILD)/jdiag $(BINDIR)/jdiag
	@$(BUILD)/jdiag version -o json
	ln -sf jdiag $(BINDIR)/kubectl-jdiag
	install -m 755 $(BUILD)/completion/kubectl $(BINDIR)/kubectl_complete-jdiag
	install -m 644 $(MAN_PAGES) $(SHARE)/man/man1
	install -m 644 $(BUILD)/completion/bash $(BASHDIR)/jdiag
	ln -sf jdiag $(BASHDIR)/kubectl-jdiag
	install -m 644 $(BUILD)/completion/zsh $(ZSHDIR)/_jdiag
	install -m 644 $(BUILD)/completion/fish $(FISHDIR)/jdiag.fish

.PHONY: uninstall
uninstall: ## remove what install put there
	rm -f $(BINDIR)/jdiag $(BINDIR)/kubectl-jdiag $(BINDIR)/kubectl_complete-jdiag
	rm -f $(patsubst $(BUILD)/man/%,$(SHARE)/man/man1/%,$(MAN_PAGES))
	rm -f $(BASHDIR)/jdiag $(BASHDIR)/kubectl-jdiag $(ZSHDIR)/_jdiag $(FISHDIR)/jdiag.fish

.PHONY: clean
clean: ## remove the build directory
	rm -rf $(BUILD)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-zA-Z0-9_-]*:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
