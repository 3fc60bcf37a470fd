# What a newcomer types. `make demo` alone, on a fresh Debian or Ubuntu with a Rust toolchain, sets up and runs the
# main job; `make test` alone sets up and passes the tests.

CARGO ?= cargo

.PHONY: help deps build demo faults nemesis kills report test lint loom fuzz clean

help:
	@echo 'make demo    the main job, for real, in a minute: records a clip, kills the recorder in the middle'
	@echo 'make faults  everything that is done to it, tried once, in a few minutes (part of make test)'
	@echo 'make nemesis a random victim every few seconds, for half an hour: MINUTES=30 SEED=… VICTIMS=… OUTPUT=file.json'
	@echo 'make kills   the recorder killed a hundred times: what it costs, in frames and time; KILLS=500 SEED=…'
	@echo 'make report  the results in docs/benchmarks as pictures, and as one page in target/report.html'
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

# What docs/faults.md lists, as far as it can be tried in minutes. Without losing frames to a slow build: the cameras
# are small, and the reserve is large.
faults: deps
	$(CARGO) build --workspace --bins
	$(CARGO) test -p proto
	$(CARGO) test -p trials --test faults

# For as long as one likes; not part of the tests. The seed is printed first, and repeats the same blows.
MINUTES ?= 30
VICTIMS ?=
OUTPUT ?=
SEED ?=
nemesis: build
	@target/release/nemesis --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(VICTIMS),--victims $(VICTIMS)) \
		$(if $(OUTPUT),--output $(OUTPUT))

# The intervals leave a standby the time to come up; what comes sooner is VICTIMS=recorder-killed-twice of the nemesis.
KILLS ?= 100
kills: build
	@target/release/nemesis --victims recorder-killed --blows $(KILLS) --every-ms 1300-2500 \
		--trigger-every-ms 300-1500 --seed $(or $(SEED),1) $(if $(OUTPUT),--output $(OUTPUT))

# What docs/benchmarks.md shows, drawn anew from the results beside it; and all of it as one page.
report: build
	@target/release/benchmark report docs/benchmarks/*.json --output target/report.html --pictures docs/benchmarks

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
