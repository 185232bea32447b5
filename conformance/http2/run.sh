#!/bin/sh
# `make conformance-http2`: h2spec against a running gate; every case must pass.
# h2spec is not part of this repository: H2SPEC names one that is built already, or it is built from
# GitHub at a fixed commit with Debian's Go. TWINKEEP names a program that is built already.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
COMMIT=af83a65f0b6273ef38bf778d400d98892e7653d8
work=$PWD/target/h2spec
h2spec=${H2SPEC:-$work/h2spec}
if [ ! -x "$h2spec" ]; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends golang-go git \
        golang-golang-x-net-dev golang-github-fatih-color-dev golang-github-spf13-cobra-dev >/dev/null
    source=$work/go/src/github.com/summerwind/h2spec
    mkdir -p "$source"
    git -C "$source" init --quiet
    git -C "$source" fetch --quiet --depth 1 https://github.com/summerwind/h2spec "$COMMIT" || {
        echo "h2spec cannot be fetched: without a network, name a built one by H2SPEC" >&2
        exit 3
    }
    git -C "$source" checkout --quiet FETCH_HEAD
    (cd "$source" && GO111MODULE=off GOPATH="$work/go:/usr/share/gocode" go build -o "$h2spec" ./cmd/h2spec)
fi
if [ -z "${TWINKEEP:-}" ]; then
    "$CARGO" build --quiet --locked --package twinkeep
    TWINKEEP=${CARGO_TARGET_DIR:-$PWD/target}/debug/twinkeep
fi
place=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$place"' EXIT
server=
export XDG_STATE_HOME="$place/state"
"$TWINKEEP" init "$place/keep" --pack icu --key-file "$place/keep.kek" --json >/dev/null
# It asks more often than anybody may.
sed -i 's/^rate_per_second = .*/rate_per_second = 100000/; s/^rate_burst = .*/rate_burst = 100000/' \
    "$place/keep/twinkeep.toml"
"$TWINKEEP" serve --keep "$place/keep" --listen 127.0.0.1:0 --json >"$place/started" &
server=$!
while ! grep -q listening "$place/started"; do
    kill -0 "$server"
    sleep 0.1
done
port=$(sed -n 's/.*"listening":"[^"]*:\([0-9]*\)".*/\1/p' "$place/started")
"$h2spec" --tls --insecure --host 127.0.0.1 --port "$port" --path /healthz --timeout 10 >"$place/report" || {
    cat "$place/report"
    exit 1
}
tail -n 1 "$place/report"
