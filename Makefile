# What a newcomer types. `make demo` alone, on a fresh Debian or Ubuntu with a Rust toolchain, sets up and runs the
# main job; `make test` alone sets up and passes the tests.

CARGO ?= cargo
# GigE Vision cameras (capture-aravis), where their library is. Looked for when a command needs it, since make deps may have just
# installed it.
HAS_ARAVIS = $(shell pkg-config --exists 'aravis-0.8 >= 0.8.25' 2>/dev/null && echo yes)
FEATURES = $(if $(HAS_ARAVIS),--features capture/aravis)
TEST_FEATURES = $(if $(HAS_ARAVIS),--features $(ARAVIS_TESTS))
ARAVIS_TESTS = capture/aravis,trials/aravis

.PHONY: help deps build install uninstall demo faults sends stops nemesis kills vm players report test lint loom fuzz clean

help:
	@echo 'make demo    the main job, for real, in a minute: records a clip, kills the recorder in the middle'
	@echo 'make faults  everything that is done to it, tried once, in a few minutes (part of make test)'
	@echo 'make stops   a start stopped every 5 ms of its first second, in every way, about 12 minutes; STEP_MS=20 for less'
	@echo 'make sends   sends and receives between the processes that fail, one at a time (a sample is part of make test)'
	@echo 'make nemesis a random victim every few seconds, for half an hour: MINUTES=30 SEED=… VICTIMS=… AS=ordinary-user OUTPUT=file.json'
	@echo 'make kills   the recorder killed a hundred times: what it costs, in frames and time; KILLS=500 SEED=…'
	@echo 'make vm      V4L2 cameras in a virtual machine: the kernel'"'"'s test driver, and USB cameras that are programs; fetches QEMU'
	@echo 'make players clips of copied H.264 in ffmpeg, OpenCV, Chromium, mpv and GStreamer: what each shows first and last; installs them'
	@echo 'make report  the results in docs/benchmarks as pictures, and as one page in target/report.html'
	@echo 'make build   release executables, in target/release'
	@echo 'make install the result of make build, under PREFIX (/usr/local); make uninstall removes it again'
	@echo 'make test    all tests'
	@echo 'make lint    formatting and clippy'
	@echo 'make loom    the ring'"'"'s protocol under a model checker (part of make test)'
	@echo 'make fuzz    the fuzzers, a minute each; needs a nightly toolchain and cargo-fuzz'
	@echo 'make deps    system packages, if any are missing (part of all of these); with aravis, for GigE Vision cameras'

deps:
	@bash .ci/deps

build: deps
	$(CARGO) build --release --workspace --bins $(FEATURES)

# Installs the result of make build; builds nothing itself, so that root need not. PREFIX is where it will be used, DESTDIR is put
# before every path for whoever makes a package, BUILD is the folder of the executables.
#   bin/               the program under its two names
#   libexec/preroll/   the processes that it starts, and the oracle, which judges clips of simulated cameras. demo, nemesis and
#                      benchmark need the source tree and stay there
#   share/preroll/     configs to copy from. /etc is the administrator's: it is neither written nor emptied
# A list of the installed files is kept beside the configs, for make uninstall and for the next version's make install. A file that
# is there and not in the list is somebody else's: it stops the install before anything is written, unless FORCE=1.
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= target/release
FORCE ?=
COMMANDS = preroll supervisor
PROGRAMS = recorder preroll-media capture capture-libav capture-rtsp oracle
# Missing where Preroll was built without OpenCV or aravis.
OPTIONAL_PROGRAMS = capture-opencv capture-aravis
DOCS = README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE $(wildcard docs/*.md docs/cameras/*.md docs/decisions/*.md docs/benchmarks/* docs/schemas/*)
# PREFIX in one spelling, whatever slashes and dots it was typed with.
AT = $(patsubst %/,%,$(abspath $(PREFIX)))
SHARE = $(AT)/share/preroll
UNIT = $(AT)/lib/systemd/system/preroll.service
LIST = $(SHARE)/installed-files
# What neither the unit nor the commands below can hold in a path.
ODD = $(strip $(foreach mark,% | & ; \ ' " * ?,$(findstring $(mark),$(PREFIX))) $(word 2,$(PREFIX)))
REFUSE_ODD = $(if $(ODD),$(error PREFIX="$(PREFIX)" holds a space or one of % | & ; \ ' " * ?: choose another folder))

# The list of an install that is under way, installed-files.new, holds the old files and the new ones, so that make uninstall can
# undo an install that was interrupted.
install:
	$(REFUSE_ODD)
	@for name in $(COMMANDS) $(PROGRAMS); do \
	  test -x "$(BUILD)/$$name" || { echo "$(BUILD)/$$name is missing: run make build first" >&2; exit 1; }; \
	done
	@set -e; umask 022; root="$(DESTDIR)"; list="$$root$(LIST)"; \
	plan() { \
	  for name in $(COMMANDS); do echo "755 $(AT)/bin/$$name $(BUILD)/$$name"; done; \
	  for name in $(PROGRAMS) $(OPTIONAL_PROGRAMS); do \
	    test ! -x "$(BUILD)/$$name" || echo "755 $(AT)/libexec/preroll/$$name $(BUILD)/$$name"; \
	  done; \
	  for file in configs/*.yaml; do echo "644 $(SHARE)/$$file $$file"; done; \
	  for file in $(DOCS); do echo "644 $(AT)/share/doc/preroll/$$file $$file"; done; \
	  echo "644 $(UNIT) systemd/preroll.service"; \
	}; \
	old=$$(cat "$$list" "$$list.new" 2>/dev/null | tr -s /); new=$$(plan | cut -d' ' -f2); foreign=; \
	for file in $$new; do \
	  if test -e "$$root$$file" || test -L "$$root$$file"; then \
	    printf '%s\n' "$$old" | grep -qxF "$$file" || foreign="$$foreign $$root$$file"; \
	  fi; \
	done; \
	if test -n "$$foreign" && test -z "$(FORCE)"; then \
	  echo "Nothing is installed: these files exist and no make install has put them there:$$foreign." >&2; \
	  echo "Move them away, choose another PREFIX, or replace them with: make install FORCE=1" >&2; exit 1; \
	fi; \
	install -d "$$root$(SHARE)"; \
	printf '%s\n' "$$old" $$new "$(LIST)" | grep . | sort -u > "$$list.new"; \
	printf '%s\n' "$$old" | grep . | while read -r file; do rm -f "$$root$$file"; done; \
	plan | while read -r mode file source; do install -D -m "$$mode" "$$source" "$$root$$file"; done; \
	sed 's|/usr/local/bin/|$(AT)/bin/|' systemd/preroll.service > "$$root$(UNIT)"; \
	printf '%s\n' $$new "$(LIST)" > "$$list"; rm -f "$$list.new"
	@echo 'Installed $(AT)/bin/preroll. Configs to begin with are in $(SHARE)/configs.'

# Removes the files that are in the list, and the folders that are Preroll's alone. Configs in /etc and recordings stay.
uninstall:
	$(REFUSE_ODD)
	@set -e; root="$(DESTDIR)"; list="$$root$(LIST)"; \
	if ! test -f "$$list" && ! test -f "$$list.new"; then echo "Preroll is not installed under $$root$(AT)."; exit 0; fi; \
	cat "$$list" "$$list.new" 2>/dev/null | grep . | while read -r file; do rm -f "$$root$$file"; done; \
	rm -f "$$list" "$$list.new"; \
	for dir in "$(AT)/libexec/preroll" "$(SHARE)" "$(AT)/share/doc/preroll"; do \
	  test ! -d "$$root$$dir" || find "$$root$$dir" -depth -type d -empty -delete; \
	done; \
	echo "Uninstalled from $$root$(AT)."

demo: build
	@target/release/demo

# What docs/faults.md lists, as far as it can be tried in minutes. Without losing frames to a slow build: the cameras
# are small, and the reserve is large.
faults: deps
	$(CARGO) build --workspace --bins $(TEST_FEATURES)
	$(CARGO) test -p proto
	$(CARGO) test -p trials --test faults $(if $(HAS_ARAVIS),--features aravis)

# The rows of stopped starts, which make test tries every 50 ms.
STEP_MS ?= 5
stops: deps
	$(CARGO) build --workspace --bins
	PREROLL_STOPS_STEP_MS=$(STEP_MS) $(CARGO) test -p trials --test faults f60 -- --nocapture

# Four errors in each of the first two dozen sends and receives of supervisor and recorder, and in the first six of each process at a
# start. make test tries a sample.
sends: deps
	$(CARGO) build --workspace --bins
	PREROLL_SENDS_ALL=1 $(CARGO) test -p trials --test faults -- f80_

# For as long as one likes; not part of the tests. The seed is printed first, and repeats the same blows.
MINUTES ?= 30
VICTIMS ?=
AS ?=
OUTPUT ?=
SEED ?=
nemesis: build
	$(CARGO) build --release -p trials --example failing_calls
	@target/release/nemesis --failing-calls target/release/examples/libfailing_calls.so --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(VICTIMS),--victims $(VICTIMS)) \
		$(if $(AS),--as-$(AS)) $(if $(OUTPUT),--output $(OUTPUT))

# The intervals leave a standby the time to come up; what comes sooner is VICTIMS=recorder-killed-twice of the nemesis.
KILLS ?= 100
kills: build
	@target/release/nemesis --victims recorder-killed --blows $(KILLS) --every-ms 1300-2500 \
		--trigger-every-ms 300-1500 --seed $(or $(SEED),1) $(if $(OUTPUT),--output $(OUTPUT))

# Fetches QEMU and a kernel into target/vm the first time (Debian, 90 MB), installs nothing. TEST=part_of_a_name runs some;
# VM_ACCEL=tcg emulates the processor.
TEST ?=
vm: deps
	$(CARGO) build --workspace --bins
	@trials/vm/run "$$($(CARGO) test -p trials --test vm --no-run 2>&1 | sed -n 's,.*Executable tests/vm/main.rs (\(.*\)),\1,p')" $(TEST)

# Installs ffmpeg, mpv, Chromium, OpenCV for Python and GStreamer, where apt-get may (Debian, 200 MB).
players: deps
	@trials/players/install
	$(CARGO) build --workspace --bins
	$(CARGO) test -p trials --test players -- --ignored --nocapture

# What docs/benchmarks.md shows, drawn anew from the results beside it; and all of it as one page.
report: build
	@target/release/benchmark report docs/benchmarks/*.json --output target/report.html --pictures docs/benchmarks

# The end-to-end tests run the executables, so those are built first.
test: deps loom
	$(CARGO) build --workspace --bins $(TEST_FEATURES)
	$(CARGO) test --workspace $(TEST_FEATURES)

loom:
	RUSTFLAGS='--cfg loom' $(CARGO) test -p proto --no-default-features --release --target-dir target/loom --test loom

# FUZZ_SECONDS=600 for longer. What a fuzzer finds is in fuzz/artifacts, and belongs among fuzz/seeds when it is mended.
FUZZ_SECONDS ?= 60
fuzz:
	cd fuzz && for target in control config ring stream; do \
	  mkdir -p corpus/$$target && $(CARGO) +nightly fuzz run -O -a $$target corpus/$$target seeds/$$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=4096 $$(test $$target != config || echo -dict=config.dict) || exit 1; \
	done

lint: deps
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets $(TEST_FEATURES) -- -D warnings

clean:
	$(CARGO) clean
