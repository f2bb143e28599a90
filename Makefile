# Everything a fresh machine needs: `make demo` shows rcl at work, `make test` proves it.

export CARGO_TERM_COLOR ?= auto

# Tests mostly wait for servers, so more of them run at a time than there are cores. Those of simulated clusters
# compute without a break, and servers beside them would miss each other's pings: these run on their own.
SERVER_TEST_THREADS ?= 5

# Tests in which rcl meets no servers, or none but those that it starts: once is enough.
NO_SERVERS = sim_ mistakes:: desired:: check:: layers:: docs:: help:: conf:: plans:: readme:: lab:: init:: secrets:: security::

# Tests that name the version of their servers: with Valkey in Redis's part they would show nothing new.
NAMED_SERVERS = valkey redis clock:: access:: export:: faults:: hostile:: nat:: roles:: verdicts_newcomers:: \
	a_primary_came_back_with_its_keys

# Tests with users of their own, which can't be run with rcl as the least user that docs/security.md gives.
OWN_USERS = access:: harness:: verdicts_newcomers:: reading::a_password_is_wanted reading::a_right_is_missing

.PHONY: demo test soak bench fuzz build lint doc

## Form, use and grow a cluster on local servers.
demo:
	@.ci/demo

## Get the servers that the tests need, and run all tests.
test:
	@.ci/servers
	RUST_TEST_THREADS=$(SERVER_TEST_THREADS) cargo test --locked -- --skip sim_properties --skip sim_redraw --skip faults::
	RCL_TEST_ACL=1 RUST_TEST_THREADS=2 cargo test --locked --test it -- faults:: --nocapture
	RCL_TEST_VALKEY=1 RUST_TEST_THREADS=$(SERVER_TEST_THREADS) cargo test --locked --test it -- \
		$(addprefix --skip ,$(NO_SERVERS) $(NAMED_SERVERS))
	RCL_TEST_ACL=1 RUST_TEST_THREADS=$(SERVER_TEST_THREADS) cargo test --locked --test it -- \
		$(addprefix --skip ,$(NO_SERVERS) $(OWN_USERS) faults::)
	cargo test --locked --test it -- sim_properties sim_redraw

## Every fault at every moment of every story, beside redis-cli, and rcl's end at more commands of a move: takes hours,
## and leaves tables in target/soak.
## RCL_SOAK_MOMENTS=1 takes one moment of the four, RCL_SOAK_ABREAST=4 runs four rows side by side instead of two, and
## SOAK_THREADS=2 two stories.
SOAK_THREADS ?= 1
soak:
	@.ci/servers
	RCL_SOAK=target/soak RUST_TEST_THREADS=$(SOAK_THREADS) cargo test --locked --test it -- faults:: cut_short:: --nocapture

## Compare with redis-cli on the same servers, in one run.
bench:
	@.ci/servers
	cargo bench --locked --bench cluster -- --runs 3 --tools redis-cli,rcl,native
	cargo bench --locked --bench cluster -- --runs 3 --grow 1000000
	cargo bench --locked --bench cluster -- --runs 2 --grow 1000000 --kind valkey-8.1
	cargo bench --locked --bench cluster -- --runs 5 --grow 1000000 --kind valkey-9.1 --tools rcl,native
	cargo bench --locked --bench cluster -- --grow 1000000 --delay 1
	cargo bench --locked --bench cluster -- --grow 200000 --paces
	cargo bench --locked --bench cluster -- --runs 3 --empty --tools redis-cli,rcl,native

## Feed the parsers what nobody sends: ten minutes each, or as long as one says.
FUZZ_SECONDS ?= 600
fuzz:
	@.ci/fuzz $(FUZZ_SECONDS)

build:
	cargo build --release --locked

lint:
	cargo fmt --check
	cargo fmt --check --manifest-path tests/fuzz/Cargo.toml
	CLIPPY_CONF_DIR=.ci cargo clippy --locked --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
