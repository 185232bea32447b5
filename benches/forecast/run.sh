#!/bin/sh
# `make bench-forecast`: forecasts of PhysioNet 2012 beside LightGBM and carry-forward, on the same
# stays and the same split, in the same run. Figures go to stdout; docs/benchmarks.md keeps them.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
data=${TWINKEEP_DATA:-../shared/data}/physionet2012
[ -e "$data/set-a.tar.gz" ] || { echo "put set-a.tar.gz of PhysioNet 2012 into $data, or set TWINKEEP_DATA" >&2; exit 3; }
venv=target/peers
[ -x $venv/bin/python3 ] || python3 -m venv $venv
$venv/bin/python3 -c 'import lightgbm, numpy, pyarrow' 2>/dev/null ||
    $venv/bin/pip install --quiet --disable-pip-version-check lightgbm numpy pyarrow
"$CARGO" build --release --locked --quiet --package twinkeep
bin=${CARGO_TARGET_DIR:-$PWD/target}/release/twinkeep
$venv/bin/python3 benches/forecast/forecast.py "$bin" "$data" "$@"
"$CARGO" build --release --locked --quiet --package twinkeep-app --example forecast-rows
$venv/bin/python3 benches/forecast/rows.py "${bin%/*}/examples/forecast-rows" "$data/set-a.tar.gz"
"$CARGO" run --release --locked --quiet --package twinkeep-app --example forecast-latency -- "$data/set-a.tar.gz"
