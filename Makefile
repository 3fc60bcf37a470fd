# What a newcomer types. `make demo` alone, on a fresh Debian or Ubuntu with a Rust toolchain, sets up and runs the
# main job; `make test` alone sets up and passes the tests.

CARGO ?= cargo

.PHONY: help deps build demo kills test lint loom fuzz clean

help:
	@echo 'make demo    the main job, for real, in a minute: records a clip, kills the recorder in the middle'
	@echo 'make kills   a hundred clips whose recorder is killed at random: what it costs, in frames and time'
	@echo 'make build   release executables, in target/release'
	@echo 'make test    all tests'
	@echo 'make lint    formatting and clippy'
	@echo 'make loom    the ring'"'"'s protocol under a model checker (part of make test)'
	@echo 'make fuzz    the fuzzers, a minute each; needs a nightly toolchain and cargo-fuzz'
	@echo 'make deps    system packages, if any are missing (part of all of these)'

deps:
	@bash .ci/deps

build: deps
	$(CARGO) build --release --workspace --bins

demo: build
	@target/release/demo

# Takes as long as its clips, about a second each; not part of the tests.
kills: build
	@target/release/kills --clips 100 --seed 1

# The end-to-end tests run the executables, so those are built first.
test: deps loom
	$(CARGO) build --workspace --bins
	$(CARGO) test --workspace

loom:
	RUSTFLAGS='--cfg loom' $(CARGO) test -p proto --no-default-features --release --target-dir target/loom --test loom

# FUZZ_SECONDS=600 for longer. What a fuzzer finds is in fuzz/artifacts, and belongs among fuzz/seeds when it is mended.
FUZZ_SECONDS ?= 60
fuzz:
	cd fuzz && for target in control config ring; do \
	  mkdir -p corpus/$$target && $(CARGO) +nightly fuzz run -O -a $$target corpus/$$target seeds/$$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=4096 $$(test $$target != config || echo -dict=config.dict) || exit 1; \
	done

lint: deps
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

clean:
	$(CARGO) clean
