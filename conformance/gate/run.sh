#!/bin/sh
# `make conformance-gate`: what others' tools find at a running gate.
# testssl.sh is Debian's; sslyze and schemathesis come from PyPI into target/conformance, at fixed
# versions. TWINKEEP names a program that is built already; TOOLS chooses among
# "testssl sslyze schemathesis"; PYTHON_TOOLS names a folder with the last two.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
TOOLS=${TOOLS:-testssl sslyze schemathesis}
tools=${PYTHON_TOOLS:-$PWD/target/conformance/bin}
here=$PWD/conformance/gate

wanted() { case " $TOOLS " in *" $1 "*) true ;; *) false ;; esac; }
if wanted testssl && ! command -v testssl >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        testssl.sh bsdextrautils dnsutils >/dev/null
fi
if [ ! -x "$tools/schemathesis" ]; then
    python3 -m venv target/conformance
    target/conformance/bin/pip install --quiet --disable-pip-version-check \
        schemathesis==4.32.5 sslyze==6.3.1
fi
if [ -z "${TWINKEEP:-}" ]; then
    "$CARGO" build --quiet --locked --package twinkeep
    TWINKEEP=${CARGO_TARGET_DIR:-$PWD/target}/debug/twinkeep
fi

place=$(mktemp -d)
server=
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$place"' EXIT
export XDG_STATE_HOME="$place/state"
cd "$place"
keep() { "$TWINKEEP" "$@" --json; }
keep init keep --pack icu --key-file keep.kek >/dev/null
# It asks more often than anybody may, and the certificate names the place of the list.
sed -i 's/^rate_per_second = .*/rate_per_second = 100000/; s/^rate_burst = .*/rate_burst = 100000/' \
    keep/twinkeep.toml
sed -i 's|^\[gate\]$|[gate]\npublic_url = "https://localhost"\nadmin_listen = "127.0.0.1:0"|' keep/twinkeep.toml
keep identity new hospital --key-file hospital.kek >/dev/null
keep sender add hospital.identity.pub >/dev/null
keep synth feed.tar.gz --stays 240 --seed 42 >/dev/null
keep seal feed.tar.gz --identity hospital.identity --key-file hospital.kek \
    --to keep/public/keep.identity.pub >/dev/null
keep ingest feed.tar.gz.sealed >/dev/null
keep train >/dev/null
version=$(keep model list | sed -n 's/.*"version":"\([^"]*\)".*/\1/p')
keep model release "$version" --reason conformance >/dev/null
key=$(keep key new conformance --scope predict --scope twins:read --scope events:write \
    --scope feeds:write --scope feeds:read --scope feeds:decide --scope ledger:read \
    --scope subjects:export --scope subjects:erase | sed -n 's/.*"key":"\([^"]*\)".*/\1/p')
keep cert issue operator --scope admin --out . >/dev/null
cat operator.pem operator.key >operator.both
"$TWINKEEP" serve --listen 127.0.0.1:0 --json >started 2>serve.err &
server=$!
while ! grep -q listening started; do
    kill -0 "$server"
    sleep 0.1
done
port() { sed -n "s/.*\"$1\":\"[^\"]*:\([0-9]*\)\".*/\1/p" started; }
public=localhost:$(port listening)
admin=localhost:$(port admin)
failed=0

if wanted testssl; then
    echo "== testssl.sh"
    testssl --warnings off --color 0 --quiet --add-ca keep/public/ca.pem \
        --jsonfile testssl.json "$public" >testssl.txt 2>&1 || true
    python3 "$here/testssl.py" testssl.json || failed=1
fi
if wanted sslyze; then
    echo "== sslyze, Mozilla modern"
    "$tools/sslyze" --mozilla_config modern --certinfo_ca_file keep/public/ca.pem "$public" \
        >sslyze.txt 2>&1 || failed=1
    sed -n '/COMPLIANCE AGAINST/,$p' sslyze.txt
fi
if wanted schemathesis; then
    for listener in public admin; do
        echo "== schemathesis, $listener"
        if [ "$listener" = public ]; then
            # Answers that go on have no end to be checked.
            set -- --exclude-path-regex '/changes$' --header "Authorization: Bearer $key" --url "https://$public" "$here/../../crates/twinkeep-gate/openapi.json"
        else
            # It would revoke the certificate that it shows.
            set -- --exclude-operation-id revokeCertificate --request-cert operator.both "$here/../../crates/twinkeep-gate/admin-openapi.json"
            set -- --url "https://$admin" "$@"
        fi
        REQUESTS_CA_BUNDLE=$place/keep/public/ca.pem SCHEMATHESIS_HOOKS="$here/hooks.py" \
            "$tools/schemathesis" --config-file "$here/schemathesis.toml" run "$@" \
            >"schemathesis-$listener.txt" 2>&1 || failed=1
        [ "$failed" = 0 ] || cat "schemathesis-$listener.txt"
        tail -n 25 "schemathesis-$listener.txt"
    done
fi
[ -z "${KEEP_RESULTS:-}" ] || cp ./*.txt "$KEEP_RESULTS"
exit $failed
