#!/bin/sh
# `make docs`: writes docs/reference/commands.md from the program's own help.
# With `--check` it writes nothing, and fails if the page is not what the program says.
# BUILT=1: the program is built already.
set -eu
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}
page=docs/reference/commands.md
[ -n "${BUILT:-}" ] || "$CARGO" build --quiet --locked --package twinkeep
BIN=${CARGO_TARGET_DIR:-target}/debug/twinkeep

help_of() { printf '\n## `twinkeep%s`\n\n```text\n' "$1"; "$BIN" $1 --help </dev/null; printf '```\n'; }
subcommands() { "$BIN" $1 --help | sed -n '/^Commands:/,/^$/p' | sed -n 's/^  \([a-z-]*\) .*/\1/p' | grep -v '^help$' || true; }

render() {
    printf '# Commands\n\nThis page is written by `make docs` from what the program says of itself.\n'
    help_of ""
    for command in $(subcommands ""); do
        help_of " $command"
        for inner in $(subcommands "$command"); do
            help_of " $command $inner"
            for last in $(subcommands "$command $inner"); do help_of " $command $inner $last"; done
        done
    done
}

rules=docs/reference/rules.md
render_rules() {
    printf '# Rules of the posture\n\nThis page is written by `make docs` from what the program says of its rules.\n'
    "$BIN" scan explain --json | sed 's/^{"id":"\([a-z0-9-]*\)".*/\1/' | while read -r rule; do
        printf '\n## `%s`\n\n```text\n' "$rule"; "$BIN" scan explain "$rule"; printf '```\n'
    done
}

if [ "${1:-}" = --check ]; then
    render_rules | diff -u "$rules" - || { echo "run \`make docs\` and commit $rules" >&2; exit 1; }
    render | diff -u "$page" - || { echo "run \`make docs\` and commit $page" >&2; exit 1; }
else
    mkdir -p docs/reference
    render >"$page.part"
    mv "$page.part" "$page"
    render_rules >"$rules.part"
    mv "$rules.part" "$rules"
    echo "wrote $page and $rules"
fi
