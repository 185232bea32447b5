#!/bin/sh
# `make conformance`: the public conformance suite of OpenSSF Model Signing against the program.
# The suite is not part of this repository: it comes from GitHub at a fixed commit, or from the folder
# that OMS_CONFORMANCE names. TWINKEEP names a program that is built already.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
COMMIT=114b0f72da8d7502cfdc3c83003c9d2d4a30682e
# The schemas that it checks bundles by.
SCHEMAS=a0c91e2c930298efb8e8445bf475e4fa217d89cd
adapter=$PWD/conformance/model-signing/adapter
work=$PWD/target/conformance
suite=${OMS_CONFORMANCE:-$work/suite}

if [ ! -d "$suite/test" ]; then
    mkdir -p "$suite"
    git -C "$suite" init --quiet
    git -C "$suite" fetch --quiet --depth 1 https://github.com/sampras343/model-signing-conformance "$COMMIT" || {
        echo "the suite cannot be fetched: without a network, name a copy of it by OMS_CONFORMANCE" >&2
        exit 3
    }
    git -C "$suite" checkout --quiet FETCH_HEAD
fi
if [ -n "${OMS_PYTEST:-}" ]; then
    pytest=$OMS_PYTEST
else
    pytest=$work/venv/bin/pytest
    [ -x "$pytest" ] || {
        python3 -m venv "$work/venv"
        "$work/venv/bin/pip" install --quiet --disable-pip-version-check pytest pytest-json-report jsonschema referencing \
            "oms-schemas @ git+https://github.com/ossf/model-signing-spec@$SCHEMAS" || {
            echo "the suite's requirements cannot be installed: name a pytest that has them by OMS_PYTEST" >&2
            exit 3
        }
    }
fi
if [ -z "${TWINKEEP:-}" ]; then
    "$CARGO" build --quiet --locked --package twinkeep
    TWINKEEP=${CARGO_TARGET_DIR:-$PWD/target}/debug/twinkeep
fi
export TWINKEEP
cd "$suite"
exec "$pytest" test/ -q --entrypoint="$adapter"
