#!/bin/sh
# `make test`: everything that can fail.
set -eu
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}

sh .ci/peers.sh
PATH=$PWD/target/peers/bin:$PATH
export PATH

# PostgreSQL and sshd are started by the tests, on loopback.
if ! command -v initdb >/dev/null 2>&1 && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    echo "installing postgresql"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql
fi
command -v sshd >/dev/null 2>&1 || [ -x /usr/sbin/sshd ] || {
    echo "installing openssh-server"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openssh-server openssh-client
}

"$CARGO" fmt --all --check
"$CARGO" clippy --workspace --all-targets --locked --quiet -- -D warnings
"$CARGO" xtask tidy
CARGO="$CARGO" sh docs/generate.sh --check
PROFILE=dev CHECK=1 CARGO="$CARGO" sh demo/run.sh
exec "$CARGO" test --workspace --locked --no-fail-fast
