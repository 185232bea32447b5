#!/bin/sh
# `make test`: everything that can fail. The peers it needs come from the system or from Debian.
set -eu
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}

# Peers: openssl shows what a sealed feed must not accept; curl calls the demo's server.
for peer in openssl curl; do
    command -v "$peer" >/dev/null 2>&1 || {
        echo "installing $peer"
        apt-get update -qq && apt-get install -y -qq "$peer"
    }
done

"$CARGO" fmt --all --check
"$CARGO" clippy --workspace --all-targets --locked --quiet -- -D warnings
"$CARGO" xtask tidy
CARGO="$CARGO" sh docs/generate.sh --check
PROFILE=dev CHECK=1 CARGO="$CARGO" sh demo/run.sh
exec "$CARGO" test --workspace --locked --no-fail-fast
