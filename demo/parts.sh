# What the demos share: running the program so that one sees it, and a keep with a sender. Read by
# the shell (`. demo/parts.sh`) from the root of the repository, with DIR and KEEP set.

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
run() { printf '$ twinkeep %s\n' "$*" >&2; "$BIN" "$@"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# Runs a command that must be refused with this code, and shows how it is refused.
refused() {
    code=$1; shift
    printf '$ twinkeep %s\n' "$*"
    if "$BIN" --json "$@" >"$DIR/refusal" 2>&1; then fail "this was accepted: twinkeep $*"; fi
    grep -q "\"code\":\"$code\"" "$DIR/refusal" || { cat "$DIR/refusal" >&2; fail "expected a refusal with $code"; }
    "$BIN" "$@" || true
}

# The text of a field, from the first line of JSON that has it.
json() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }

# Builds the program, and empties the folder: what is in there is the demo's own, state included.
build() {
    step "Build"
    [ -n "${BUILT:-}" ] || "$CARGO" build --quiet --locked --package twinkeep --profile "$PROFILE"
    case $PROFILE in dev) out=debug ;; *) out=$PROFILE ;; esac
    BIN=$PWD/${CARGO_TARGET_DIR:-target}/$out/twinkeep
    [ -x "$BIN" ] || BIN=${CARGO_TARGET_DIR:-target}/$out/twinkeep
    rm -rf "$DIR"
    mkdir -p "$DIR"
    chmod 700 "$DIR"
    XDG_STATE_HOME=$PWD/$DIR/state
    export XDG_STATE_HOME
}

make_keep() {
    step "Make a keep, and a sender that it accepts"
    run init "$KEEP" --pack "${PACK:-icu}" --key-file "$DIR/keep.kek"
    run identity new general-hospital --dir "$DIR" --key-file "$DIR/hospital.kek"
    run --keep "$KEEP" sender add "$DIR/general-hospital.identity.pub"
}

# Seals a file as the hospital, to the keep.
seal() {
    run seal "$1" --identity "$DIR/general-hospital.identity" --key-file "$DIR/hospital.kek" \
        --to "$KEEP/public/keep.identity.pub"
}

# Waits for the server whose process is in `server`, at `base`.
wait_until_it_serves() {
    command -v curl >/dev/null || fail "curl is missing: install it, or open the address below by hand"
    for _ in $(seq 600); do
        curl --silent --fail --cacert "$KEEP/public/ca.pem" "$base/healthz" >/dev/null 2>&1 && return
        kill -0 "$server" 2>/dev/null || fail "the server stopped"
        sleep 0.1
    done
    fail "the server did not answer within 60 s"
}
