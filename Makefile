# SPDX-License-Identifier: Apache-2.0
# Shorthands over CMake; see CONTRIBUTING.md. The first target builds.
PRESET ?= release
BUILD = build/$(PRESET)
SBX = $(BUILD)/sbx
ARGS ?= -- sh examples/contained.sh
PACKAGES = build-essential cmake ninja-build pkg-config libseccomp-dev libjansson-dev libcap-ng-dev libcriterion-dev uthash-dev \
	libunwind-dev python3
TEST_PACKAGES = git gdb strace
LINT_PACKAGES = clang clang-tidy clang-format

.PHONY: all deps test-deps build run test unit guests cli attack bench install format check-style clean

all: build

# Installs what Debian carries and this machine lacks; without rights to do so it says what is missing.
deps:
	@tools/install-packages $(PACKAGES)

# What the tests run besides.
test-deps: deps
	@tools/install-packages $(TEST_PACKAGES)

build: deps
	@cmake --preset $(PRESET) $(if $(wildcard $(BUILD)/CMakeCache.txt),>/dev/null)
	@cmake --build --preset $(PRESET)

run: build
	$(SBX) run $(ARGS)

test: PRESET = debug
test: test-deps
	@$(MAKE) --no-print-directory build PRESET=debug
	@tests/run-all build/debug

unit guests cli attack: build
	@tests/run-$@ $(BUILD)

bench: build
	@if [ -x bench/run ]; then bench/run $(SBX); else echo "bench/run: not there"; exit 1; fi

install: build
	cmake --install $(BUILD) $(if $(DESTDIR),--prefix $(DESTDIR)/usr/local)

format:
	@tools/install-packages clang-format
	git ls-files '*.c' '*.h' | xargs clang-format -i

check-style:
	@tools/install-packages $(LINT_PACKAGES)
	tools/check-style

clean:
	rm -rf build
