#!/usr/bin/env bash
# Gives each target of tests/fuzz bytes of libFuzzer's for a time: tests/fuzz/run.sh SECONDS [TARGET...]
# Works with the stable compiler: the counters that libFuzzer goes by are a pass of LLVM. What reached new code is merged
# into corpus/; what broke something is kept in the folder of the build, and named.
set -euo pipefail

cd "$(dirname "$0")"
seconds=${1:?usage: run.sh SECONDS [TARGET...]}
shift
targets=("$@")
if [ "${#targets[@]}" -eq 0 ]; then
    mapfile -t targets < <(sed -n 's/^    target("\([a-z0-9_]*\)".*/\1/p' src/lib.rs)
fi

host=$(rustc -vV | sed -n 's/^host: //p')
build=${CARGO_TARGET_DIR:-$PWD/../../target}/fuzz
counters="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
counters+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
counters+=" -Cllvm-args=-sanitizer-coverage-trace-compares"
CARGO_TARGET_DIR=$build RUSTFLAGS="$counters" \
    cargo build --quiet --release --locked --manifest-path engine/Cargo.toml --target "$host"
engine=$build/$host/release/engine

failed=()
for target in "${targets[@]}"; do
    work=$build/work/$target
    found=$build/found/$target/
    mkdir -p "$work" "$found" "corpus/$target"
    log=$build/$target.log
    if FUZZ_TARGET=$target "$engine" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$found" "$work" "corpus/$target" >"$log" 2>&1; then
        executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        reached=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
        echo "$target: $executed inputs in $seconds s, $reached places of the code reached, nothing broken"
    else
        failed+=("$target")
        echo "$target: broken; see $log and $found"
        grep -m 3 -E "panicked|ERROR|Test unit" "$log" || true
    fi
    FUZZ_TARGET=$target "$engine" -merge=1 -use_counters=0 -max_len=512 "corpus/$target" "$work" >>"$log" 2>&1 || true
done
[ "${#failed[@]}" -eq 0 ] || exit 1
