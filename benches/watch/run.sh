#!/bin/sh
# `make bench-watch`: what it costs to open, read, and close a file of a keep, beside nobody who
# watches and beside auditd; and how fast audit logs are searched, beside ausearch. As root.
set -eu
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}
PROFILE=${PROFILE:-release}
"$CARGO" build --quiet --locked --profile "$PROFILE" --workspace --bin twinkeep --example opens
dir=${CARGO_TARGET_DIR:-target}/$PROFILE
[ "$PROFILE" = dev ] && dir=${CARGO_TARGET_DIR:-target}/debug
bin=$(realpath "$dir/twinkeep")
opens=$(realpath "$dir/examples/opens")
audit=$(realpath target/peers/auditd 2>/dev/null || true)
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
export XDG_STATE_HOME="$work/state"
"$bin" init keep --pack icu --key-file keep.kek --quiet >/dev/null
file=keep/keys/root.key

echo "microseconds for one open, read, and close (best of 3 runs of 20,000):"
echo "  nobody watches           $("$opens" "$file")"
"$bin" watch --json >seen 2>&1 &
pid=$!
until grep -q began seen 2>/dev/null; do sleep 0.1; done
echo "  twinkeep watch           $("$opens" "$file")"
echo "  a file beside, unwatched $("$opens" keep/pack.toml)"
kill "$pid"
wait "$pid" || true
pid=
echo "  lines told of 60,000 opens and reads: $(grep -c '"saw"' seen)"

[ -x "$audit/sbin/auditd" ] || { echo "auditd: not unpacked (.ci/peers.sh)"; exit 0; }
export LD_LIBRARY_PATH="$audit/lib/$(ls "$audit/lib" | grep -- -linux-)"
if "$audit/sbin/auditctl" -s 2>/dev/null | grep -q '^pid 0'; then
    mkdir conf logs
    cp "$audit"/etc/audit/auditd.conf conf/
    sed -i "s#^log_file.*#log_file = $work/logs/audit.log#; s/^log_group.*/log_group = root/; s/^max_log_file = .*/max_log_file = 1000/" conf/auditd.conf
    was=$("$audit/sbin/auditctl" -s | sed -n 's/^enabled //p')
    backlog=$("$audit/sbin/auditctl" -s | sed -n 's/^backlog_limit //p')
    "$audit/sbin/auditd" -n -c "$work/conf" >/dev/null 2>&1 &
    pid=$!
    sleep 1
    "$audit/sbin/auditctl" -b 8192 >/dev/null
    "$bin" watch rules --load --quiet >/dev/null
    echo "  auditd, watched          $("$opens" "$file")"
    "$bin" watch rules --unload --quiet >/dev/null
    "$audit/sbin/auditctl" -b "$backlog" >/dev/null
    "$audit/sbin/auditctl" -e "$was" >/dev/null
    sleep 1
    kill "$pid"
    wait "$pid" || true
    pid=
    log=logs/audit.log
    echo "searching $(wc -c <$log) bytes of it for a key, seconds of processor:"
    seconds() { /usr/bin/env bash -c 'TIMEFORMAT=%U; time "$@" >/dev/null 2>&1 </dev/null' bash "$@" 2>&1; }
    echo "  ausearch --raw           $(seconds "$audit/sbin/ausearch" -k model_access --raw -if $log)"
    echo "  twinkeep watch search    $(seconds "$bin" watch search -k model_access --json --log $log)"
    theirs=$("$audit/sbin/ausearch" -k model_access --raw -if $log </dev/null 2>/dev/null | grep -o 'audit([^)]*)' | sort -u | wc -l)
    ours=$("$bin" watch search -k model_access --json --quiet --log $log | wc -l)
    echo "  events found: $theirs and $ours"
fi
