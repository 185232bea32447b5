#!/bin/sh
# `make bench-attack`: attack a served model over its own HTTPS API with the Adversarial Robustness
# Toolbox (ART), SACRO-ML, and a student of scikit-learn, and compare with `twinkeep attack`.
# ART and SACRO-ML bring PyTorch, 6 GB on disk: a bench of its own, never part of `make test`.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
data=${TWINKEEP_DATA:-../shared/data}/physionet2012
[ -e "$data/set-a.tar.gz" ] || { echo "put set-a.tar.gz of PhysioNet 2012 into $data, or set TWINKEEP_DATA" >&2; exit 3; }
venv=.cache/bench-attack
[ -x $venv/bin/python3 ] || python3 -m venv $venv
$venv/bin/python3 -c 'import art, sacroml, pyarrow' 2>/dev/null ||
    $venv/bin/pip install --quiet --disable-pip-version-check \
        adversarial-robustness-toolbox==1.20.1 sacroml==2.0.1 packaging pyarrow
"$CARGO" build --release --locked --quiet --package twinkeep
bin=${CARGO_TARGET_DIR:-$PWD/target}/release/twinkeep
$venv/bin/python3 benches/attack/attack.py "$bin" "$data" "$@"
