#!/bin/sh
# `make bench-canaries`: how far answers to canaries move between versions of clean data, and of poisoned.
# SIZES, PAIRS: smaller or larger. PROFILE=dev: as built for tests.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
data=${TWINKEEP_DATA:-../shared/data}/physionet2012
[ -e "$data/set-a.tar.gz" ] || { echo "put set-a.tar.gz of PhysioNet 2012 into $data, or set TWINKEEP_DATA" >&2; exit 3; }
profile=${PROFILE:-release}
"$CARGO" build --profile "$profile" --locked --quiet --workspace --bin twinkeep
[ "$profile" = dev ] && folder=debug || folder=$profile
python3 benches/canaries/canaries.py "${CARGO_TARGET_DIR:-$PWD/target}/$folder/twinkeep" "$data"
