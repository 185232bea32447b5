#!/bin/sh
# `make bench-windows`: spend, visits, return, and churn of Online Retail beside LightGBM and simpler
# guesses, on the same customers and the same split, in the same run. Figures go to stdout.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
data=${TWINKEEP_DATA:-../shared/data}/online-retail
file=$data/online_retail_2010-12_2011-09.csv.gz
[ -e "$file" ] || { echo "put online_retail_2010-12_2011-09.csv.gz into $data, or set TWINKEEP_DATA" >&2; exit 3; }
venv=target/peers
[ -x $venv/bin/python3 ] || python3 -m venv $venv
$venv/bin/python3 -c 'import lightgbm, numpy' 2>/dev/null ||
    $venv/bin/pip install --quiet --disable-pip-version-check lightgbm numpy
"$CARGO" build --release --locked --quiet --package twinkeep
bin=${CARGO_TARGET_DIR:-$PWD/target}/release/twinkeep
$venv/bin/python3 benches/windows/windows.py "$bin" "$file" "$@"
