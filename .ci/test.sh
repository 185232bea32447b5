#!/bin/sh
# `make test`: everything that can fail.
set -eu
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}

sh .ci/peers.sh
PATH=$PWD/target/peers/bin:$PATH
export PATH

"$CARGO" fmt --all --check
"$CARGO" clippy --workspace --all-targets --locked --quiet -- -D warnings
"$CARGO" xtask tidy
# The program as the tests have it: another selection of packages would build the libraries twice.
"$CARGO" test --workspace --locked --quiet --no-run
BUILT=1 sh docs/generate.sh --check
BUILT=1 PROFILE=dev CHECK=1 sh demo/run.sh
BUILT=1 PROFILE=dev CHECK=1 sh demo/attack.sh
# The same inputs in every run of this: what others find is for `PROPTEST_RNG_SEED=$RANDOM`, and for
# the fuzzers.
PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-20261123}
export PROPTEST_RNG_SEED
# Many tests wait for others (a client that stalls, a server that starts): more of them than cores
# keep the cores busy.
RUST_TEST_THREADS=${RUST_TEST_THREADS:-4}
export RUST_TEST_THREADS
exec "$CARGO" test --workspace --locked --no-fail-fast
