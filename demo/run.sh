#!/bin/sh
# The main job, end to end, on made-up patients: synthesize, seal, ingest, train, release,
# forecast, serve. `CHECK=1` calls the server itself, stops, and fails if any step did not hold.
# Everything it makes is under target/demo, which it empties first.
set -eu

cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}
CHECK=${CHECK:-}
STAYS=${STAYS:-600}
PORT=${PORT:-8443}
PROFILE=${PROFILE:-release}
DIR=target/demo
KEEP=$DIR/keep
started=$(date +%s)

. demo/parts.sh

build

make_keep

step "Make up $STAYS stays in intensive care, with 40 bad rows among them, and seal them"
run synth "$DIR/monday.tar.gz" --stays "$STAYS" --poisoned 40
seal "$DIR/monday.tar.gz"

step "A forged feed: one byte is changed"
cp "$DIR/monday.tar.gz.sealed" "$DIR/forged.sealed"
size=$(wc -c <"$DIR/forged.sealed")
printf '\377' | dd of="$DIR/forged.sealed" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
cmp -s "$DIR/monday.tar.gz.sealed" "$DIR/forged.sealed" &&
    printf '\000' | dd of="$DIR/forged.sealed" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
refused feed-segment-forged --keep "$KEEP" ingest "$DIR/forged.sealed"

step "A feed of somebody whom the keep does not know"
run identity new mallory --dir "$DIR" --key-file "$DIR/mallory.kek" >/dev/null
run seal "$DIR/monday.tar.gz" --identity "$DIR/mallory.identity" --key-file "$DIR/mallory.kek" \
    --to "$KEEP/public/keep.identity.pub" --out "$DIR/mallory.sealed" >/dev/null
refused feed-unknown-sender --keep "$KEEP" ingest "$DIR/mallory.sealed"

step "The real feed"
run --keep "$KEEP" ingest "$DIR/monday.tar.gz.sealed"

step "The same feed again"
refused feed-replayed --keep "$KEEP" ingest "$DIR/monday.tar.gz.sealed"

step "Where the refused rows are"
feed=$("$BIN" --keep "$KEEP" --json feed list | json id)
run --keep "$KEEP" feed quarantine "$feed" | head -n 12

step "Train: errors against carry-forward, on patients that the model never saw"
run --keep "$KEEP" train
version=$("$BIN" --keep "$KEEP" --json model list | json version)
run --keep "$KEEP" model verify "$version"
run --keep "$KEEP" model release "$version" --reason "first release of the demo"

step "One twin, and its forecast"
run --keep "$KEEP" twin list --limit 5
twin=$("$BIN" --keep "$KEEP" --json twin list --limit 1 | json subject)
run --keep "$KEEP" twin forecast "$twin" --target HR --svg "$DIR/heart-rate.svg"

step "Serve"
"$BIN" --keep "$KEEP" key new demo --out "$DIR/api.key"
sed 's/.*/header = "Authorization: Bearer &"/' "$DIR/api.key" >"$DIR/curl.conf"
chmod 600 "$DIR/curl.conf"
"$BIN" --keep "$KEEP" serve --listen "127.0.0.1:$PORT" &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT INT TERM

cat >"$DIR/request.json" <<'JSON'
{"events": [
  {"time": 0, "code": "Age", "value": 67}, {"time": 0.5, "code": "HR", "value": 104},
  {"time": 2, "code": "HR", "value": 98}, {"time": 3, "code": "Lactate", "value": 3.1},
  {"time": 4, "code": "SysABP", "value": 96}, {"time": 5, "code": "HR", "value": 95},
  {"time": 6, "code": "MAP", "value": 64}, {"time": 6, "code": "Temp", "value": 38.4}
 ], "horizons_hours": [1, 6, 24]}
JSON
base=https://localhost:$PORT
call="curl --silent --show-error --fail --cacert $KEEP/public/ca.pem --config $DIR/curl.conf"
one="$call '$base/api/v1/twins?limit=3'"
two="$call $base/api/v1/twins/$twin/forecast"
three="$call --json @$DIR/request.json $base/predict"

wait_until_it_serves

printf '\nThree calls that work as printed, from this folder:\n\n  %s\n\n  %s\n\n  %s\n' "$one" "$two" "$three"
printf '\nOpen %s/ in a browser and sign in with the key in %s\n' "$base" "$DIR/api.key"
printf '(the browser does not know the keep: import %s, or accept the warning).\n' "$KEEP/public/ca.pem"
printf 'A fan chart: %s   The ledger: twinkeep --keep %s ledger show\n' "$DIR/heart-rate.svg" "$KEEP"
printf 'This took %s s.\n' "$(($(date +%s) - started))"

if [ -z "$CHECK" ]; then
    printf 'The server runs until you press Ctrl-C.\n'
    wait "$server"
    exit 0
fi

step "Check"
holds() { printf '  %-60s' "$1"; shift; if "$@" >"$DIR/check.log" 2>&1; then echo ok; else echo FAILED; cat "$DIR/check.log"; fail "a step did not hold"; fi; }
holds "twins are listed" sh -c "$one | grep -q '\"subject\":\"sub-'"
holds "a twin is forecast" sh -c "$two | grep -q '\"horizon_hours\"'"
holds "a history in the request is forecast" sh -c "$three | grep -q '\"code\":\"HR\"'"
holds "without a key there is no answer" sh -c "curl -s -o /dev/null -w '%{http_code}' --cacert $KEEP/public/ca.pem $base/api/v1/twins | grep -q 401"
# By one program, at once: on a slow machine, one after the other would be seldom enough.
holds "too many requests are refused" sh -c "curl -s --parallel -o /dev/null -w '%{http_code}\n' --cacert $KEEP/public/ca.pem --config $DIR/curl.conf '$base/api/v1/twins?limit=[1-40]' | grep -q 429"
holds "the page is there" sh -c "curl -s --fail --cacert $KEEP/public/ca.pem $base/ | grep -qi '<html'"
kill -TERM "$server"
holds "the server stops when told to" wait "$server"
trap - EXIT INT TERM
holds "the ledger verifies" "$BIN" --keep "$KEEP" ledger verify
holds "a ledger with one changed byte does not" sh -c "cp -r $KEEP $DIR/tampered && f=\$(find $DIR/tampered/ledger/tile/entries -type f | head -n 1) && printf 'x' | dd of=\$f bs=1 seek=40 conv=notrunc 2>/dev/null && ! $BIN --keep $DIR/tampered ledger verify"
holds "a model with one changed byte does not load" sh -c "f=\$(find $DIR/tampered/models -name '*.enc' | head -n 1) && printf 'x' | dd of=\$f bs=1 seek=4000 conv=notrunc 2>/dev/null && ! $BIN --keep $DIR/tampered model verify $version"
holds "no plaintext of a person lies in the keep" sh -c "! grep -rlaE 'RecordID|00:00,Age' $KEEP/store $KEEP/models $KEEP/ledger"
printf '\ndemo: every step held\n'
