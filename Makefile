# Every target installs what it needs and this machine lacks; see tests/setup.sh.

# Clones share one target directory, so that a fresh clone finds its dependencies built.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/tollgate/target
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

SETUP := tests/setup.sh
CRATES := gateway migrations plugins tests

# Cargo tells whether our own crates changed by file times alone, and names them alike in every clone: after another
# clone's build it would take that clone's newer output for ours. So whoever comes next marks its sources as changed.
define own_target
	@mkdir -p "$$CARGO_TARGET_DIR"
	@[ "$$(cat "$$CARGO_TARGET_DIR/.clone" 2>/dev/null)" = "$(CURDIR)" ] || \
		{ find $(CRATES) -name '*.rs' -exec touch {} + && echo "$(CURDIR)" > "$$CARGO_TARGET_DIR/.clone"; }
endef

# What the admin UI is built of: its own sources, the REST's description, and the rules that it offers as templates.
UI := admin-ui
UI_SOURCES := $(shell find $(UI)/src $(UI)/public scripts -type f ! -name schema.d.ts 2>/dev/null) docs/openapi.json \
	$(addprefix $(UI)/,index.html vite.config.ts tsconfig.json compress.mjs package.json)

.DEFAULT_GOAL := help
.PHONY: help run test browser-test property-test fault fuzz soak lint audit fmt ui ui-build bench bench-quick clean

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

# npm, only when the lock has changed.
%/node_modules/.package-lock.json: %/package-lock.json
	@$(SETUP) ui
	cd $* && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(UI)/dist/index.html: $(UI)/node_modules/.package-lock.json $(UI_SOURCES)
	cd $(UI) && npm run --silent build

ui-build: $(UI)/dist/index.html ## Build the admin UI; cargo puts it into the binary

ui: $(UI)/node_modules/.package-lock.json ## The admin UI with reload on change, beside a running `make run`
	cd $(UI) && npm run --silent dev

run: ui-build ## Build and start the demo: a gateway with one merchant, a rule and a webhook inspector
	@$(SETUP) build
	$(own_target)
	cargo build --workspace --bin tollgate
	"$$CARGO_TARGET_DIR/debug/tollgate" demo

# Schemathesis, pinned with all that it needs, only when the list has changed.
PROPERTY := tests/openapi
$(PROPERTY)/.venv/.done: $(PROPERTY)/requirements.txt
	@$(SETUP) test
	python3 -m venv $(PROPERTY)/.venv
	$(PROPERTY)/.venv/bin/pip install --quiet --disable-pip-version-check -r $(PROPERTY)/requirements.txt
	@touch $@

ASK_ALL = python3 $(PROPERTY)/property.py --tollgate "$$CARGO_TARGET_DIR/debug/tollgate" --schemathesis $(PROPERTY)/.venv/bin/schemathesis

test: ui-build tests/browser/node_modules/.package-lock.json $(PROPERTY)/.venv/.done ## Every test, on SQLite and on a private PostgreSQL
	@$(SETUP) test
	$(own_target)
	cargo build --workspace --bins --tests
	cargo run --quiet -p e2e --bin with-postgres -- cargo nextest run --workspace
	cargo test --quiet --doc -p plugin-sdk --features testing
	cd $(UI) && npm run --silent test
	cd tests/browser && TOLLGATE="$$CARGO_TARGET_DIR/debug/tollgate" npm run --silent test
	$(ASK_ALL) --phases fuzzing --seconds 30
	@if grep -rqE --include='*.rs' '^ *//[/!] ```' $(CRATES); then cargo test --doc --workspace; fi

browser-test: ui-build tests/browser/node_modules/.package-lock.json ## Only the walks through the admin UI
	@$(SETUP) test
	$(own_target)
	cargo build --workspace --bin tollgate
	cd tests/browser && TOLLGATE="$$CARGO_TARGET_DIR/debug/tollgate" npm run --silent test

# `make fault` is 200 seeds, `make fault SEEDS=20 FIRST=400` some others, `make fault SEED=17` that one.
SEEDS ?= 200
FIRST ?= 1

fault: ## Nodes, databases, networks and links break by 200 seeds' plans; the books must agree (1 to 2 hours)
	@$(SETUP) test
	$(own_target)
	cargo build --release --workspace --bin tollgate --bin fault
	"$$CARGO_TARGET_DIR/release/fault" --first $(or $(SEED),$(FIRST)) --seeds $(if $(SEED),1,$(SEEDS)) \
		--keep "$$CARGO_TARGET_DIR/fault-runs"

# `make fuzz SECONDS=60 TARGETS="terminal urls"` gives those a minute each.
SECONDS ?= 600
TARGETS ?=

fuzz: ## Ten minutes for each parser of strangers' bytes, led by the code that they reach; the corpus grows
	@$(SETUP) build
	tests/fuzz/run.sh $(SECONDS) $(TARGETS)

# `make soak MINUTES=5` is shorter.
MINUTES ?= 30

soak: ## Half an hour at half load: memory, files, queues and database over time, as docs/images/soak.svg
	@$(SETUP) test
	$(own_target)
	cargo build --release --workspace --bin tollgate --bin soak
	"$$CARGO_TARGET_DIR/release/soak" --minutes $(MINUTES) --output docs/images

property-test: $(PROPERTY)/.venv/.done ## Ask every operation of the REST what its description allows, for half an hour
	$(own_target)
	cargo build --workspace --bin tollgate
	$(ASK_ALL) --phases coverage,fuzzing --seconds 600 --examples 100

lint: $(UI)/node_modules/.package-lock.json ## Formatting, clippy, types; licences, sources and known vulnerabilities of dependencies
	@$(SETUP) lint
	cd $(UI) && npm run --silent check
	$(own_target)
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo deny --workspace check --hide-inclusion-graph bans licenses sources
	tests/audit.sh --even-unasked

audit: ## Known vulnerabilities in dependencies, by RustSec's database and npm's registry; fails where one does not answer
	@$(SETUP) lint
	tests/audit.sh

fmt: ## Format the Rust code
	cargo fmt --all

BENCH := "$$CARGO_TARGET_DIR/release"

define bench_binaries
	@$(SETUP) bench
	$(own_target)
	cargo build --release --workspace --bin tollgate --bin constant --bin pace --bin post --example decisions
endef

bench: ## Compare with nginx, HAProxy, pgbench, php-fpm and others on this machine; writes tests/bench/*.md (about 1 hour)
	$(bench_binaries)
	python3 tests/bench/bench.py --tollgate $(BENCH)/tollgate --constant $(BENCH)/constant --output tests/bench/RESULTS.md
	python3 tests/bench/decisions.py --decisions $(BENCH)/examples/decisions --output tests/bench/DECISIONS.md
	python3 tests/bench/merchants.py --tollgate $(BENCH)/tollgate --output tests/bench/MERCHANTS.md
	python3 tests/bench/neighbours.py --tollgate $(BENCH)/tollgate --pace $(BENCH)/pace --output tests/bench/NEIGHBOURS.md
	python3 tests/bench/guards.py --tollgate $(BENCH)/tollgate --pace $(BENCH)/pace --constant $(BENCH)/constant --output tests/bench/GUARDS.md
	python3 tests/bench/tls.py --tollgate $(BENCH)/tollgate --output tests/bench/TLS.md
	python3 tests/bench/api.py --tollgate $(BENCH)/tollgate --output tests/bench/API.md
	python3 tests/bench/webhooks.py --tollgate $(BENCH)/tollgate --post $(BENCH)/post --output tests/bench/WEBHOOKS.md
	python3 tests/bench/latency.py --tollgate $(BENCH)/tollgate --output tests/bench/LATENCY.md
	python3 tests/bench/footprint.py --tollgate $(BENCH)/tollgate --output tests/bench/FOOTPRINT.md
	python3 tests/bench/millions.py --tollgate $(BENCH)/tollgate --output tests/bench/MILLIONS.md

bench-quick: ## What is short of it, one short round, printed only: tells that it works, and about how fast
	$(bench_binaries)
	python3 tests/bench/bench.py --tollgate $(BENCH)/tollgate --constant $(BENCH)/constant --quick
	python3 tests/bench/decisions.py --decisions $(BENCH)/examples/decisions --quick
	for part in tls api footprint; do \
		python3 tests/bench/$$part.py --tollgate $(BENCH)/tollgate --quick || exit 1; done

clean: ## Remove what was built, for all clones that share the target directory
	cargo clean
