#!/bin/sh
# `make bench-probe`: probe a served model over HTTPS as those do who copy models, and let 200 clients
# ask who do nothing of the kind. PROFILE=dev: as built for tests.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
data=${TWINKEEP_DATA:-../shared/data}/physionet2012
[ -e "$data/set-a.tar.gz" ] || { echo "put set-a.tar.gz of PhysioNet 2012 into $data, or set TWINKEEP_DATA" >&2; exit 3; }
profile=${PROFILE:-release}
"$CARGO" build --profile "$profile" --locked --quiet --workspace --bin twinkeep
[ "$profile" = dev ] && folder=debug || folder=$profile
python3 benches/probe/probe.py "${CARGO_TARGET_DIR:-$PWD/target}/$folder/twinkeep" "$data"
