#!/bin/sh
# Judges the templates that the tests of Checkov and of AWS's registry of rules for cfn-guard are
# made of, with those two and with our rules, and prints where verdicts differ, with time and memory.
# REGISTRY and CHECKOV_SOURCE name copies of the repositories, which otherwise come from GitHub at
# fixed commits; CFN_PYTHON a Python that has both peers (400 MB).
set -eu
cd "$(dirname "$0")/../.."
CARGO="${CARGO:-cargo}"
work=$PWD/target/bench-posture-cfn
mkdir -p "$work"
python=${CFN_PYTHON:-$work/venv/bin/python3}
"$python" -c 'import checkov, cfn_guard_rs' 2>/dev/null || {
    echo "installing checkov and cfn-guard-rs (400 MB)"
    [ -x "$work/venv/bin/python3" ] || python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check checkov==3.3.30 cfn-guard-rs==0.3.3
}
# copy REPOSITORY COMMIT FOLDER: only the files of one commit.
copy() {
    [ -d "$work/$3" ] || {
        git init --quiet "$work/$3.part"
        git -C "$work/$3.part" fetch --quiet --depth 1 "https://github.com/$1" "$2"
        git -C "$work/$3.part" checkout --quiet FETCH_HEAD
        mv "$work/$3.part" "$work/$3"
    }
    echo "$work/$3"
}
REGISTRY=${REGISTRY:-$(copy aws-cloudformation/aws-guard-rules-registry 7f7340c26ae5d5e8874651dbffeb12e0e9f505b6 registry)}
CHECKOV_SOURCE=${CHECKOV_SOURCE:-$(copy bridgecrewio/checkov 03d5fdad8d6154b1565799a7b1fb8070c158866f checkov)}
if [ "${PROFILE:-release}" = dev ]; then flag=; else flag=--release; fi
# shellcheck disable=SC2086
$CARGO build --quiet $flag --locked --package twinkeep-posture --example cfn
target="${CARGO_TARGET_DIR:-target}/$([ -n "$flag" ] && echo release || echo debug)"
exec "$python" benches/posture-cfn/compare.py "$target/examples/cfn" "$REGISTRY" "$CHECKOV_SOURCE"
