#!/bin/sh
# Verifies 10,000 signed commits, beside `git verify-commit`. PROFILE=dev: as built for tests.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
profile=${PROFILE:-release}
folder=$profile
[ "$profile" = dev ] && folder=debug
"$CARGO" build --quiet --locked --profile "$profile" --package twinkeep-posture --example commits
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${CARGO_TARGET_DIR:-target}/$folder/examples/commits" "$work" "${COMMITS:-10000}" "${SAMPLE:-200}"
