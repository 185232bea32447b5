#!/bin/sh
# Finds data of people in generated files, beside Presidio. Installs Presidio (400 MB) into target.
#   PROFILE=dev: as built for tests.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
profile=${PROFILE:-release}
folder=$profile
[ "$profile" = dev ] && folder=debug
$CARGO build --quiet --locked --profile "$profile" --package twinkeep-posture --example phi
venv=target/presidio
[ -x "$venv/bin/python3" ] || python3 -m venv "$venv"
"$venv/bin/python3" -c 'import presidio_analyzer' 2>/dev/null ||
    "$venv/bin/pip" install --quiet --disable-pip-version-check presidio-analyzer
"$venv/bin/python3" benches/posture-phi/compare.py "${CARGO_TARGET_DIR:-target}/$folder/examples/phi" "${ROWS:-20000}"
