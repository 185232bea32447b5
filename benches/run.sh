#!/bin/sh
# `make bench`: measures against real peers in the same run. Peers are installed where they are
# missing; Python ones into .cache/bench-venv. Figures go to stdout; docs/benchmarks.md keeps them.
set -eu
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}
for peer in openssl age python3; do
    command -v "$peer" >/dev/null 2>&1 || { apt-get update -qq && apt-get install -y -qq "$peer"; }
done
venv=.cache/bench-venv
[ -x $venv/bin/python ] || python3 -m venv $venv
[ -x $venv/bin/MEDS_transform-pipeline ] ||
    $venv/bin/pip install --quiet --disable-pip-version-check pandas pyarrow pandera MEDS-transforms
"$CARGO" build --release --locked --quiet --package twinkeep
bin=$PWD/${CARGO_TARGET_DIR:-target}/release/twinkeep
[ -x $venv/bin/model_signing ] ||
    $venv/bin/pip install --quiet --disable-pip-version-check model-signing==1.1.1 pyOpenSSL
$venv/bin/python benches/seal.py "$bin"
$venv/bin/python benches/model_signing.py "$bin" $venv/bin/model_signing
$venv/bin/python benches/ingest.py "$bin"
$venv/bin/python benches/ingest_meds.py "$bin"
$venv/bin/python benches/memory.py "$bin"
