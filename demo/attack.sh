#!/bin/sh
# Attacks on a running keep, one after the other, while somebody asks it for forecasts all the time.
# Says of each after how long it was noticed, by what, what was done about it, what was lost, and where
# the proof is. `CHECK=1` makes everything smaller, stops afterwards, and fails if anything was not
# noticed, not contained, or lost. Everything it makes is under target/demo-attack, emptied first.
set -eu

cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}
CHECK=${CHECK:-}
STAYS=${STAYS:-600}
PORT=${PORT:-8453}
PROFILE=${PROFILE:-release}
DIR=target/demo-attack
KEEP=$DIR/keep
base=https://localhost:$PORT
started=$(date +%s)

. demo/parts.sh

now_ms() { date +%s%3N; }
number() { sed -n "s/.*\"$1\":\(-\{0,1\}[0-9]*\).*/\1/p" | head -n 1; }
incidents() { "$BIN" --keep "$KEEP" --json incident list --all; }

# Waits until there is an incident of this detector whose playbook is done, and says what came of it.
# `what was lost` is a command that prints nothing if nothing was.
report() {
    detector=$1 lost=$2
    tries=0
    while :; do
        incident=$(incidents | grep "\"detector\":\"$detector\"" | grep '"contained":"' | tail -n 1 || true)
        [ -n "$incident" ] && break
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || { incidents >&2; fail "nobody noticed: there is no incident of $detector"; }
        sleep 0.1
    done
    id=$(printf '%s' "$incident" | json id)
    entry=$(printf '%s' "$incident" | number ledger_entry)
    noticed=$("$BIN" --keep "$KEEP" ledger export --format ocsf |
        grep '"incident.opened"' | grep "\"incident\":\"$id\"" | number time)
    done_after=$(printf '%s' "$incident" | number contained_after_us)
    actions=$(printf '%s' "$incident" | grep -o '"action":"[a-z-]*","on":"[^"]*","state":"done"' |
        sed 's/"action":"\([a-z-]*\)".*/\1/' | paste -sd, | sed 's/,/, /g')
    before=$(printf '%s' "$incident" | grep -o '"action":"[a-z-]*","on":"[^"]*","state":"skipped","at":"[^"]*","code":"in-place"' |
        sed 's/"action":"\([a-z-]*\)".*/\1 (held already)/' | paste -sd, | sed 's/,/, /g')
    printf '  noticed     after %s ms, by %s\n' "$((noticed - began))" "$detector"
    printf '  contained   %s ms later: %s\n' "$((done_after / 1000))" "${before:+$before, }${actions:-nothing was to be done}"
    gone=$($lost)
    printf '  lost        %s\n' "${gone:-nothing}"
    printf '  proof       %s, entry %s of the ledger: twinkeep incident show %s\n' "$id" "$entry" "$id"
    [ -z "$CHECK" ] || [ -z "$gone" ] || fail "something was lost"
}

# Somebody asks for a forecast three times a second; what was not answered, or not in full, is lost.
ask_all_the_time() {
    while :; do
        code=$(curl --silent --output "$DIR/answer.json" --write-out '%{http_code}' --max-time 60 \
            --cacert "$KEEP/public/ca.pem" --config "$DIR/curl.conf" \
            --json @"$DIR/request.json" "$base/predict") || code=none
        ! grep -qE '"(coarse|labels_only)":true' "$DIR/answer.json" || code=coarse
        echo "$code" >>"$DIR/answers"
        sleep 0.33
    done
}
begin() { step "$1"; : >"$DIR/answers"; began=$(now_ms); }
unanswered() {
    sleep 1
    asked=$(wc -l <"$DIR/answers")
    not=$(grep -vc '^200$' "$DIR/answers" || true)
    [ "$not" -eq 0 ] || echo "$not of $asked forecasts were not answered in full"
}

command -v python3 >/dev/null || fail "python3 is missing: it asks what attackers ask"
build
"$BIN" incident list --help >/dev/null 2>&1 || fail "this program knows no incidents: build a newer one"
if [ -n "$CHECK" ]; then
    # Three targets are learned in seconds, and attacked like thirty-seven.
    PACK=$DIR/few-targets.toml
    awk '/^\[/ { skip = ($0 == "[privacy]" || $0 == "[[target]]") } skip { next }
        /^code = / { code = $3 } /^target = true/ && code !~ /"(HR|MAP|Temp)"/ { print "target = false"; next }
        { print }' packs/icu.toml >"$PACK"
fi
make_keep

step "Two versions: one serves, and the one before stands by"
run synth "$DIR/monday.tar.gz" --stays "$STAYS"
seal "$DIR/monday.tar.gz"
run --keep "$KEEP" ingest "$DIR/monday.tar.gz.sealed"
for seed in 1 2; do
    "$BIN" --keep "$KEEP" --quiet --json train --seed "$seed" >"$DIR/trained.json"
    version=$(json version <"$DIR/trained.json")
    run --keep "$KEEP" model release "$version" --reason "version $seed of the demo"
done

# Serves from now on; `$1` is what becomes of others who touch the files of models: off, or deny.
serve() {
    sed -i "s/^files = .*/files = \"$1\"/" "$KEEP/twinkeep.toml"
    "$BIN" --keep "$KEEP" serve --listen "127.0.0.1:$PORT" &
    server=$!
    wait_until_it_serves
    ask_all_the_time &
    asking=$!
}
stop() {
    kill "$asking" 2>/dev/null || true
    wait "$asking" 2>/dev/null || true
    kill -TERM "$server"
    wait "$server" || fail "the server did not stop as it should"
}

step "Serve, and look at models every second"
# With the rates as they are, attackers are slowed to five questions a second: not what is shown here.
sed -i -e 's/^verify_every_seconds = .*/verify_every_seconds = 1/' \
    -e 's/^rate_per_second = .*/rate_per_second = 10000/' "$KEEP/twinkeep.toml"
cat >>"$KEEP/twinkeep.toml" <<TOML

[[alert]]
name = "collector"
kind = "ocsf-file"
file = "$PWD/$DIR/alerts.jsonl"
severity = "informational"
TOML
"$BIN" --keep "$KEEP" --json key new demo >"$DIR/key.json"
printf 'header = "Authorization: Bearer %s"\n' "$(json key <"$DIR/key.json")" >"$DIR/curl.conf"
chmod 600 "$DIR/curl.conf" "$DIR/key.json"
cat >"$DIR/request.json" <<'JSON'
{"events": [
  {"time": 0, "code": "Age", "value": 67}, {"time": 0.5, "code": "HR", "value": 104},
  {"time": 2, "code": "HR", "value": 98}, {"time": 4, "code": "SysABP", "value": 96},
  {"time": 5, "code": "HR", "value": 95}, {"time": 6, "code": "MAP", "value": 64}
 ], "horizons_hours": [1, 6, 24]}
JSON
server='' asking=''
trap 'kill $server $asking 2>/dev/null || true' EXIT INT TERM
serve off

begin "A poisoned feed: from the second day on, each heart rate is mirrored, and plausible by itself"
run synth "$DIR/clean.tar.gz" --stays 120 --seed 99 >/dev/null
tar xzf "$DIR/clean.tar.gz" -C "$DIR"
for file in "$DIR"/synth/*.txt; do
    awk -F, -v OFS=, '$2 == "HR" && substr($1, 1, 2) + 0 >= 24 { $3 = 180 - $3 < 30 ? 30 : 180 - $3 } { print }' \
        "$file" >"$DIR/line.part" && mv "$DIR/line.part" "$file"
done
tar czf "$DIR/poisoned.tar.gz" -C "$DIR" synth
seal "$DIR/poisoned.tar.gz" >/dev/null
began=$(now_ms)
"$BIN" --keep "$KEEP" ingest "$DIR/poisoned.tar.gz.sealed" >"$DIR/poisoned.txt" 2>&1 && fail "the poisoned feed was let in"
grep -E 'suspect|held|sender:' "$DIR/poisoned.txt"
used() { "$BIN" --keep "$KEEP" --json feed list | grep '"id":"feed-2"' | grep -q '"state":"held"' || echo "the feed is used"; }
report feed-poisoning used

begin "A flipped bit in the model that serves"
file=$(find "$KEEP/models/$version" -name '*.enc' | head -n 1)
printf 'the version that serves is %s\n' "$version"
byte=$(od -An -tu1 -j4000 -N1 "$file" | tr -d ' ')
# shellcheck disable=SC2059
printf "\\$(printf '%03o' $((byte ^ 1)))" | dd of="$file" bs=1 seek=4000 conv=notrunc 2>/dev/null
report model-integrity unanswered
printf '  now serves  %s\n' "$("$BIN" --keep "$KEEP" --json model list | grep '"state":"in-service"' | json version)"

# Whether the kernel lets this user refuse files to others.
can_deny() {
    [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || return 1
    "$BIN" --keep "$KEEP" --json watch --deny >"$DIR/watch.json" 2>/dev/null &
    trying=$!
    for _ in $(seq 300); do
        { grep -q '"denies"' "$DIR/watch.json" || ! kill -0 "$trying" 2>/dev/null; } && break
        sleep 0.1
    done
    kill -TERM "$trying" 2>/dev/null || true
    wait "$trying" || true
    grep -q '"denies":true' "$DIR/watch.json"
}
if can_deny; then
    step "The same, with the files of models refused to everybody but the keep"
    stop
    serve deny
    begin "A copy of a model by another user, who may read everything"
    file=$(find "$KEEP/models" -name '*.enc' | sort | head -n 1)
    setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps +dac_read_search \
        --ambient-caps +dac_read_search sh -c "cat '$file' >/dev/null" && fail "it was read" ||
        printf 'it was refused: user 65534 has nothing\n'
    report file-access unanswered
else
    step "A copy of a model by another user"
    printf 'left out: it takes root (CAP_SYS_ADMIN) and setpriv to be another user here, and to refuse files\n'
fi

# Others attack over HTTPS, each from an address of their own, and with a key of their own.
attack() {
    what=$1 source=$2 count=$3; shift 3
    "$BIN" --keep "$KEEP" --quiet --json key new "$what" --out "$DIR/$what.key" >"$DIR/$what.json"
    caller=key:$(json id <"$DIR/$what.json")
    began=$(now_ms)
    python3 demo/attack.py "$what" "$PORT" "$KEEP/public/ca.pem" "$source" "$count" "$DIR/$what.key" "$@" ||
        fail "the attack was not stopped"
}
is_refused() {
    "$BIN" --keep "$KEEP" --json probe list | grep "\"caller\":\"$caller\"" | grep -q '"tier":"refused"' ||
        fail "$caller is not among those who get nothing"
    printf '  answers     none for a day: twinkeep probe show %s\n' "$caller"
}
if [ -n "$CHECK" ]; then questions=150 steps=150 guesses=60; else questions=10000 steps=300 guesses=2000; fi

begin "A copy of the model by its answers: $questions random histories, with a key that is right"
attack copy 127.0.0.2 "$questions"
report extraction unanswered
is_refused

begin "Did this patient teach the model? Somebody has their record, and asks with small changes"
"$BIN" --keep "$KEEP" --json twin list --limit 50 | grep -o '"subject":"[^"]*","event_count":[0-9]*,"split":"train"' |
    sort -t : -k 3,3nr >"$DIR/taught"
"$BIN" --keep "$KEEP" --json twin history "$(json subject <"$DIR/taught")" --limit 1000 >"$DIR/person.json"
attack member 127.0.0.3 "$steps" "$DIR/person.json"
report membership-probing unanswered
is_refused

begin "A storm of forged keys and unsigned tokens"
attack guess 127.0.0.4 "$guesses"
report authentication-failures unanswered

begin "Winter comes to another hospital: more people who are old and very sick"
run identity new st-elsewhere --dir "$DIR" --key-file "$DIR/elsewhere.kek" >/dev/null
run --keep "$KEEP" sender add "$DIR/st-elsewhere.identity.pub" >/dev/null
run synth "$DIR/winter.tar.gz" --stays 200 --seed 7 --season winter >/dev/null
run seal "$DIR/winter.tar.gz" --identity "$DIR/st-elsewhere.identity" --key-file "$DIR/elsewhere.kek" \
    --to "$KEEP/public/keep.identity.pub" >/dev/null
"$BIN" --keep "$KEEP" --json ingest "$DIR/winter.tar.gz.sealed" >"$DIR/winter.json" 2>/dev/null || true
feed=$(json feed <"$DIR/winter.json")
if grep -q '"state":"held"' "$DIR/winter.json"; then
    printf 'the feed is held, because it is not like those before; somebody looks, and lets it in\n'
    "$BIN" --keep "$KEEP" feed release "$feed" --reason "it is winter" >/dev/null
fi
began=$(now_ms)
"$BIN" --keep "$KEEP" drift --source "$feed" 2>/dev/null | grep -E 'ALARM|people of' || true
report drift unanswered

step "All of it"
"$BIN" --keep "$KEEP" incident list --all
printf 'The alerts are in %s: %s of them.\n' "$DIR/alerts.jsonl" "$(wc -l <"$DIR/alerts.jsonl" 2>/dev/null || echo 0)"
run --keep "$KEEP" ledger verify
printf 'This took %s s.\n' "$(($(date +%s) - started))"
if [ -z "$CHECK" ]; then
    printf 'The server runs at %s until you press Ctrl-C.\n' "$base"
    wait "$server"
    exit 0
fi
stop
trap - EXIT INT TERM
printf '\ndemo: every attack was noticed and contained, and nothing was lost\n'
