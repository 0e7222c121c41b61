#!/usr/bin/env bash
# Fails where a dependency has a known vulnerability: tests/audit.sh [--even-unasked]
# RustSec's database lies on GitHub, npm's in its registry, and neither answers everywhere. That fails too, or is told and
# nothing more with --even-unasked.
set -euo pipefail
cd "$(dirname "$0")/.."

even_unasked=${1:-}
result=0

unasked() {
    printf 'audit: %s could not be asked, so nobody knows of vulnerabilities there\n' "$1" >&2
    [ "$even_unasked" = --even-unasked ] || result=1
}

if cargo deny --workspace fetch db >/dev/null 2>&1; then
    cargo deny --workspace check --disable-fetch advisories || result=1
else
    unasked "RustSec's database"
fi

cd admin-ui
report=$(npm audit --omit=dev --json 2>/dev/null) && found=0 || found=1
if ! jq -e .vulnerabilities >/dev/null 2>&1 <<<"$report"; then
    unasked "npm's registry"
elif [ "$found" -eq 1 ]; then
    npm audit --omit=dev || true
    result=1
fi

exit "$result"
