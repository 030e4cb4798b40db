# The two commands of the README are `make demo` and `make test`.

ARCH := $(shell uname -m)
TRIPLE := $(ARCH)-unknown-linux-gnu
CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
MAX_BYTES := 8388608

# musl where that target and a C compiler for it are installed, glibc linked statically elsewhere.
ifneq ($(wildcard $(shell rustc --print sysroot)/lib/rustlib/$(ARCH)-unknown-linux-musl),)
ifneq ($(shell command -v musl-gcc),)
TRIPLE := $(ARCH)-unknown-linux-musl
endif
endif

.PHONY: build sample demo test crash bench load lint tools test-tools matrix fuzz packages dist clean

## One static, stripped binary at dist/emqx, and emqx_ctl as its second name. Where the crates lie
## on this machine is not for the binary: two builds of the same sources give the same bytes. A panic
## ends the process, so nothing unwinds, and the tables for that would be half a megabyte.
build:
	$(CARGO) fetch --quiet --locked
	flags="$(RUSTFLAGS) -C target-feature=+crt-static -C force-unwind-tables=no"; \
	for crates in "$${CARGO_HOME:-$$HOME/.cargo}"/registry/src/*; do \
	    case $$crates in *" "*) ;; *) flags="$$flags --remap-path-prefix=$$crates=crates" ;; esac; \
	done; \
	RUSTFLAGS="$$flags" \
	    $(CARGO) build --release --locked --package launcher --target $(TRIPLE)
	mkdir -p dist
	cp -f $(TARGET_DIR)/$(TRIPLE)/release/emqx dist/emqx.new
	mv -f dist/emqx.new dist/emqx
	ln -sf emqx dist/emqx_ctl
	@if ldd dist/emqx >/dev/null 2>&1 && ! ldd dist/emqx | grep -q 'statically linked'; then \
	    echo "ERROR: dist/emqx is not static" >&2; exit 1; fi
	@size=$$(stat -c %s dist/emqx); echo "dist/emqx: $$size bytes"; \
	    [ $$size -le $(MAX_BYTES) ] || { echo "ERROR: more than $(MAX_BYTES) bytes" >&2; exit 1; }

tools:
	tests/install-tools

test-tools:
	tests/install-tools test
	tests/ansible/install

## The sample release in three versions, with its hops, and in the shape of 4.x in dist/sample4;
## BIG=1 makes one as big as a real one, in dist/sample-big.
sample: tools
	tests/sample/build $(if $(BIG),--big dist/sample-big,dist/sample)
	$(if $(BIG),,tests/sample/build --four dist/sample4)

## The main job, told step by step; RELEASE=<tarball> TARGET=<tarball> runs it on your own.
demo: build sample
	$(CARGO) run --quiet --locked --package e2e --bin demo -- $(if $(RELEASE),'$(RELEASE)' '$(TARGET)')

## Everything that CI runs.
test: test-tools lint build sample
	tests/run

## Kills, power cuts and faults at every system call of the relup commands, all of them; `make test`
## tries a sample. Needs strace; as root it also counts the files that are opened.
crash: test-tools build sample
	CRASH_FULL=1 tests/crash/run

lint: test-tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	tests/lint

## Ratios against the old way, side by side in one run; writes dist/bench.json.
bench: test-tools build sample
	tests/sample/build --big dist/sample-big
	$(CARGO) run --quiet --locked --release --package e2e --bin bench

## 1,000 MQTT clients and ten hops back and forth: nobody is cut off and nothing lost; prints the
## delivery gaps next to those without an upgrade. CLIENTS and HOPS change the numbers.
load: build sample
	ulimit -n 20000; $(CARGO) run --quiet --locked --release --package e2e --bin load -- \
	    $(or $(CLIENTS),1000) $(or $(HOPS),10)

## Every fuzz target for FUZZ_SECONDS (60) under a coverage-guided engine; finds go to dist/fuzz.
## What it has kept is part of `test`.
fuzz:
	tests/fuzz/run

## What is published of a version, in dist/release: a tarball, the overlay packages, the list of crates
## and digests. Two builds of the same commit give the same bytes, wherever they are.
dist: build
	packaging/dist

## Packages built, checked, installed, upgraded and removed on machines of their own, as in `make test`;
## and what takes longer: `make dist` in two clones.
packages: test-tools build sample
	PACKAGES_FULL=1 $(CARGO) test --locked --package packages -- --nocapture

## The suites on another Erlang/OTP, in a root of another Debian release: 27 unless
## SUITES="trixie forky" names them. Needs root and the network; never part of `test`.
matrix: build
	tests/otp-matrix/run $(SUITES)

clean:
	rm -rf dist target
