#!/bin/sh
# `make bench-gate`: the gate beside Debian's nginx on loopback. Figures go to stdout;
# docs/benchmarks.md keeps them. PROFILE=dev measures the development profile.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
for peer in wrk h2load:nghttp2-client openssl python3; do
    command -v "${peer%%:*}" >/dev/null 2>&1 || { apt-get update -qq && apt-get install -y -qq "${peer##*:}"; }
done
nginx=target/peers/nginx/usr/sbin/nginx
[ -x "$nginx" ] || nginx=$(command -v nginx) || sh .ci/peers.sh
[ -x "$nginx" ] || nginx=target/peers/nginx/usr/sbin/nginx
profile=${PROFILE:-release}
folder=$profile
[ "$profile" = dev ] && folder=debug
"$CARGO" build --quiet --locked --workspace --bins --example gate-client --profile "$profile"
built=${CARGO_TARGET_DIR:-target}/$folder
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -H -n)"
exec python3 benches/gate/gate.py "$built/twinkeep" "$built/examples/gate-client" "$nginx"
