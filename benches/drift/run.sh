#!/bin/sh
# `make bench-drift`: our detectors of drift beside Evidently, NannyML, and River, on the same tables
# and streams in the same run. Figures go to stdout. NannyML would report its use to its makers; it
# is told not to.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
venv=target/drift-peers
[ -x $venv/bin/python3 ] || python3 -m venv $venv
$venv/bin/python3 -c 'import evidently, river' 2>/dev/null ||
    $venv/bin/pip install --quiet --disable-pip-version-check 'pandas<3' evidently==0.7.23 river==0.26.1
$venv/bin/python3 -c 'import nannyml' 2>/dev/null ||
    $venv/bin/pip install --quiet --disable-pip-version-check nannyml==0.13.1 statsmodels ||
    echo "NannyML cannot be installed here, and is left out" >&2
case ${PROFILE:-release} in
dev) "$CARGO" build --workspace --locked --quiet --examples; folder=debug ;;
*) "$CARGO" build --release --locked --quiet --package twinkeep-watch --example drift; folder=release ;;
esac
NML_DISABLE_USAGE_LOGGING=1 DO_NOT_TRACK=1 $venv/bin/python3 benches/drift/drift.py \
    "${CARGO_TARGET_DIR:-$PWD/target}/$folder/examples/drift" "$@"
