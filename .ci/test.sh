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
CARGO="$CARGO" sh docs/generate.sh --check
PROFILE=dev CHECK=1 CARGO="$CARGO" sh demo/run.sh
exec "$CARGO" test --workspace --locked --no-fail-fast
