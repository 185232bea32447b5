#!/bin/sh
# Scans the same buckets of a moto server with Prowler and with our own collector and rules, and
# prints both verdicts where they differ, with time and memory. BUCKETS=N plants that many more
# plain buckets. Prowler takes 2.3 GB of disk and minutes to install; PROWLER names an installed one.
set -eu
cd "$(dirname "$0")/../.."
CARGO="${CARGO:-cargo}"
venv=target/bench-posture
if [ -n "${PROWLER:-}" ]; then
    python="$(dirname "$PROWLER")/python3"
else
    PROWLER="$venv/bin/prowler"
    python="$venv/bin/python3"
    [ -x "$PROWLER" ] || {
        echo "installing prowler (2.3 GB)"
        [ -x "$python" ] || python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check prowler==5.46.0
    }
fi
moto=$(command -v moto_server || echo target/peers/bin/moto_server)
[ -x "$moto" ] || { echo "moto_server is not installed: run .ci/peers.sh"; exit 1; }
if [ "${PROFILE:-release}" = dev ]; then flag=; else flag=--release; fi
# shellcheck disable=SC2086
$CARGO build --quiet $flag --locked --package twinkeep-posture --example s3
target="${CARGO_TARGET_DIR:-target}/$([ -n "$flag" ] && echo release || echo debug)"
exec "$python" benches/posture-s3/compare.py "$moto" "$PROWLER" "$target/examples/s3" "${BUCKETS:-0}"
