# jdiag: see README.md. `make help` lists the targets.
#
# Variables for the user: CC, CFLAGS, LDFLAGS, BUILD (output directory), V=1 (show commands),
# WERROR=1 (warnings are errors), SANITIZE=1 (ASan and UBSan; use with another BUILD),
# DESTDIR, PREFIX (install).

BUILD   ?= build
PREFIX  ?= /usr/local
ARCH    := $(shell uname -m)
VERSION := 0.1.0
PKG_CONFIG ?= pkg-config

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2);)

CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wvla -Wformat=2 -Wundef \
           -Wpointer-arith -Wwrite-strings -Wno-format-truncation $(if $(WERROR),-Werror)
HARDEN  := $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fno-strict-aliasing
SAN     := $(if $(SANITIZE),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
comma   := ,
BASE    := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DJDIAG_VERSION='"$(VERSION)"' -I. \
           $(WARN) $(HARDEN) $(SAN)

# The helper: static, unless the sanitizers (which have no static form) are in it.
HELPER_CFLAGS  := $(if $(SANITIZE),-fPIE,-fno-pie) -ffunction-sections -fdata-sections
HELPER_LDFLAGS := $(if $(SANITIZE),-pie,-static -no-pie) -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,noexecstack
HELPER_LIBS    := -l:libcrypto.a
JDIAG_PKGS     := libssh2 libcurl jansson libarchive libcrypto yaml-0.1
JDIAG_CFLAGS   := -fPIE $(shell $(PKG_CONFIG) --cflags $(JDIAG_PKGS) 2>/dev/null)
JDIAG_LDFLAGS  := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
JDIAG_LIBS     := $(shell $(PKG_CONFIG) --libs $(JDIAG_PKGS) 2>/dev/null)

SHARED_SRC := $(wildcard remote/base/*.c remote/wire/*.c remote/hprof/*.c)
REMOTE_SRC := $(filter-out remote/main.c,$(wildcard remote/*.c remote/attach/*.c remote/capture/*.c))
JDIAG_SRC  := $(filter-out jdiag/main.c,$(wildcard jdiag/*.c jdiag/*/*.c))
UNIT_SRC   := $(wildcard tests/unit/test_*.c)
UNIT_BIN   := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))

# Objects: the helper's and the shared ones are compiled twice, once for each program.
r_objs = $(patsubst %.c,$(BUILD)/remote-obj/%.o,$(1))
j_objs = $(patsubst %.c,$(BUILD)/jdiag-obj/%.o,$(1))

HELPER := $(BUILD)/jdiag-helper-$(ARCH)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

.PHONY: all
all: $(BUILD)/jdiag ## build build/jdiag with the helper inside it (the default)

$(BUILD)/libremote.a: $(call r_objs,$(REMOTE_SRC) $(SHARED_SRC))
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(BUILD)/libjdiag.a: $(call j_objs,$(JDIAG_SRC) $(SHARED_SRC)) $(BUILD)/jdiag-obj/embed.o
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

$(HELPER): $(call r_objs,remote/main.c) $(BUILD)/libremote.a
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SAN) $(HELPER_LDFLAGS) $(LDFLAGS) -o $@ $^ $(HELPER_LIBS) && \
		cp $@ $@.debug && strip $@

$(BUILD)/jdiag: $(call j_objs,jdiag/main.c) $(BUILD)/libjdiag.a
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SAN) $(JDIAG_LDFLAGS) $(LDFLAGS) -o $@ $^ $(JDIAG_LIBS)

$(BUILD)/jdiag-obj/embed.o: jdiag/helper/embed.S $(HELPER)
	$(call say,AS,$@)mkdir -p $(@D) && $(CC) -DHELPER_X86_64='"$(BUILD)/jdiag-helper-x86_64"' -c -o $@ $<

$(BUILD)/remote-obj/%.o: %.c
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(BASE) $(HELPER_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/jdiag-obj/%.o: %.c
	$(call say,CC,$<)mkdir -p $(@D) && $(CC) $(BASE) $(JDIAG_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# A unit test links against one program's library; `remote` in its first line means the helper's.
$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/libremote.a $(BUILD)/libjdiag.a
	$(call say,TEST,$@)mkdir -p $(@D) && \
	if head -n 1 $< | grep -q remote; \
	then $(CC) $(BASE) $(CFLAGS) -MMD -MP -o $@ $< $(BUILD)/libremote.a $(HELPER_LIBS) -lcmocka; \
	else $(CC) $(BASE) $(CFLAGS) -MMD -MP -o $@ $< $(BUILD)/libjdiag.a $(JDIAG_LIBS) -lcmocka; fi

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: unit-bins
unit-bins: $(UNIT_BIN)

.PHONY: clean
clean: ## remove the build directory
	rm -rf $(BUILD)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-zA-Z0-9_-]*:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
