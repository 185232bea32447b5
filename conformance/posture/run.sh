#!/bin/sh
# Reports of the posture as others read them: OSCAL by compliance-trestle, OCSF by py-ocsf-models,
# SARIF by its schema. FACTS names a file of facts (`twinkeep scan --format facts`); SARIF_SCHEMA a
# copy of the schema, which otherwise comes from GitHub at a fixed commit; POSTURE_PYTHON a Python
# that has the packages.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
COMMIT=e0583813964ec43cea53b6b531b402866095ed1f
work=$PWD/target/conformance/posture
mkdir -p "$work"
python=${POSTURE_PYTHON:-$work/venv/bin/python3}
"$python" -c 'import trestle, py_ocsf_models, jsonschema' 2>/dev/null || {
    echo "installing compliance-trestle, py-ocsf-models, and jsonschema"
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check compliance-trestle==5.2.0 py-ocsf-models==0.10.0 jsonschema==4.26.0 || {
        echo "they cannot be installed: name a Python that has them by POSTURE_PYTHON" >&2
        exit 3
    }
}
schema=${SARIF_SCHEMA:-$work/sarif-schema-2.1.0.json}
[ -s "$schema" ] || curl --silent --show-error --fail --location --output "$schema" \
    "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/$COMMIT/sarif-2.1/schema/sarif-schema-2.1.0.json" || {
    echo "the schema cannot be fetched: name a copy of it by SARIF_SCHEMA" >&2
    exit 3
}
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
"$CARGO" run --quiet --locked --package twinkeep-posture --example forms -- "${FACTS:-conformance/posture/facts.json}" "$reports"
"$python" conformance/posture/validate.py "$reports" "$schema"
