#!/bin/sh
# `make bench-mark`: copy a served model by its coarse answers, and see whether the copies are told to be
# copies, of whose answers, and whether models that have nothing to do with it are not.
# PROFILE=dev: as built for tests.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
data=${TWINKEEP_DATA:-../shared/data}/physionet2012
[ -e "$data/set-a.tar.gz" ] || { echo "put set-a.tar.gz of PhysioNet 2012 into $data, or set TWINKEEP_DATA" >&2; exit 3; }
venv=target/peers
[ -x $venv/bin/python3 ] || python3 -m venv $venv
$venv/bin/python3 -c 'import lightgbm, numpy' 2>/dev/null ||
    $venv/bin/pip install --quiet --disable-pip-version-check lightgbm numpy
profile=${PROFILE:-release}
"$CARGO" build --profile "$profile" --locked --quiet --workspace --bin twinkeep
[ "$profile" = dev ] && folder=debug || folder=$profile
$venv/bin/python3 benches/mark/mark.py "${CARGO_TARGET_DIR:-$PWD/target}/$folder/twinkeep" "$data"
