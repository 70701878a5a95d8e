#!/usr/bin/env bash
# Builds every fuzz target once and runs each for a moment, two at a time, from the inputs in seeds/ and with a fixed seed. Fails
# on any finding, which it leaves in artifacts/. Arguments: the targets to run; all by default.
#
#   TACHOMETER_FUZZ_SECONDS    how long each runs; 3
#   TACHOMETER_FUZZ_SEED       of the fuzzer's choices; 1
#   TACHOMETER_FUZZ_SANITIZER  `address` to run with AddressSanitizer, which takes longer to build and to run; `none`
#   CARGO_TARGET_DIR           where to build; fuzz/target
#
# Needs a C++ compiler for libFuzzer; clang is not needed. A stable toolchain will do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds=${TACHOMETER_FUZZ_SECONDS:-3}
seed=${TACHOMETER_FUZZ_SEED:-1}
sanitizer=${TACHOMETER_FUZZ_SANITIZER:-none}
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
triple=$(rustc -vV | sed -n 's/^host: //p')
# Shards are never given back, on purpose.
export ASAN_OPTIONS="detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "installing cargo-fuzz"
    cargo install --locked --quiet cargo-fuzz
fi
# Sanitizer flags are unstable; this has a stable compiler take them. Not before, where cargo-fuzz itself is built: some
# crates try unstable features where they find that they may.
export RUSTC_BOOTSTRAP=1

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if ! cargo fuzz build --sanitizer "$sanitizer" --target-dir "$target_dir" >"$scratch/build" 2>&1; then
    cat "$scratch/build" >&2
    exit 1
fi

# Runs target $1 under the name $2.
smoke() {
    local target=$1 name=$2 log="$scratch/$2.log"
    mkdir -p "$scratch/$name" "artifacts/$target"
    local began=$SECONDS verdict="no finding" inputs=("$scratch/$name")
    if [[ -d seeds/$target ]]; then inputs+=("seeds/$target"); fi
    "$target_dir/$triple/release/$target" "${inputs[@]}" \
        -max_total_time="$seconds" -seed="$seed" -timeout=60 -print_final_stats=1 \
        -artifact_prefix="artifacts/$target/" >"$log" 2>&1 || verdict="A FINDING"
    local runs kept took=$((SECONDS - began))
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    kept=$(find "$scratch/$name" -type f | wc -l)
    echo "$name: ${runs:-0} runs in $took s, $kept inputs kept, $verdict"
    if [[ $verdict != "no finding" ]]; then
        grep -v -E '^#[0-9]+' "$log" | tail -n 60 >&2
        echo "to run this target again: fuzz/smoke.sh $target" >&2
        echo "to run the input that is named above again: $target_dir/$triple/release/$target fuzz/<its file>" >&2
        echo "to see what it says: (cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz fmt --sanitizer $sanitizer $target <its file>)" >&2
        touch "$scratch/failed"
    fi
}

# Runs target $1 under the name $2 beside one other.
beside() {
    while (($(jobs -rp | wc -l) >= 2)); do wait -n || true; done
    smoke "$@" &
}

targets=("$@")
((${#targets[@]})) || targets=(alert_config api_parameters artifact backend_answer operations histogram exposition family_key facade_names config history_log history_pack http json lines openmetrics otlp protobuf push_answer push_grpc push_response push_spool push_url query rule_file source_page traceparent)
for target in "${targets[@]}"; do
    beside "$target" "$target"
    if [[ $target == operations ]]; then
        TACHOMETER_FUZZ_FENCE=1 beside "$target" "operations-without-membarrier"
    fi
done
wait
[[ ! -e $scratch/failed ]]
