#!/bin/sh
# `make bench-incident`: from detection to contained, with load on the gate. Figures go to stdout;
# docs/benchmarks.md keeps them. PROFILE=dev measures the development profile.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
profile=${PROFILE:-release}
folder=$profile
[ "$profile" = dev ] && folder=debug
[ -n "${BUILT:-}" ] || "$CARGO" build --quiet --locked --workspace --bins --profile "$profile"
exec python3 benches/incident/incident.py "${CARGO_TARGET_DIR:-target}/$folder/twinkeep"
