#!/usr/bin/env bash
# Proves and measures on a GPU host, from a copy of the repository and the folders that pack.sh made.
# usage: bash ops/gpu/run.sh unpack      leg 1: TensorRT-RTX into its place, where the next call finds it
#        bash ops/gpu/run.sh             leg 2: questions, tests, benchmark; JSON and log go to $OUT (build/gpu/out)
#        bash ops/gpu/run.sh --cpu-dry-run   every step on this machine's CPU, tiny; what needs a GPU says that it is skipped
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${OUT:-build/gpu/out}
mkdir -p "$out"
pack=build/gpu
place=${TENSORRT_PLACE:-/root/trt}
python=${PYTHON:-python3}

if [ "${1:-}" = unpack ]; then
    set -e
    [ -e "$place/.complete" ] && exit 0
    mkdir -p "$place"
    tar xJf "$pack/leg1/small.tar.xz" -C "$place"
    target=$place/$(cat "$pack/leg1/libtensorrt_rtx.path")
    xz -dc "$pack/leg1/libtensorrt_rtx.so.1.xz" >"$target"
    echo "$(cat "$pack/leg1/libtensorrt_rtx.sha256")  $target" | sha256sum -c -
    touch "$place/.complete"
    exit 0
fi

export PYTHONUNBUFFERED=1 WETREAD_ENGINE_CACHE="${TMPDIR:-/tmp}/wetread-engines"
dry=
if [ "${1:-}" = --cpu-dry-run ]; then
    dry=--dry-run
    export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
else
    site=$(mktemp -d)
    "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" "$pack"/leg2/wheels/*.whl ||
        echo "the wheels of leg 2 could not be installed: steps that need them fail by name" >&2
    export PYTHONPATH="$PWD:$place:$site"
    data=$(mktemp -d)
    for archive in "$pack"/leg2/*.tar.xz; do tar -C "$data" -xJf "$archive"; done
    export WETREAD_GPU_DATA=$data
fi

# Each step by itself and bounded: one that fails or hangs costs no other. Together under nine minutes.
failed=0
step() {
    local seconds=$1 name=$2
    shift 2
    echo "== $name"
    timeout "$seconds" "$@" 2>&1 | tee -a "$out/log.txt"
    local code=${PIPESTATUS[0]}
    [ "$code" = 0 ] || { failed=1; echo "{\"step\": \"$name\", \"exit\": $code}" | tee -a "$out/gpu.jsonl"; }
}
rm -f "$out/gpu.jsonl" "$out/log.txt"
step 60 environment "$python" -m benchmarks.gpu environment --out "$out/gpu.jsonl" $dry
step 100 questions "$python" -m benchmarks.gpu questions --out "$out/gpu.jsonl" $dry
if [ -z "$dry" ]; then
    step 120 tests "$python" -m pytest -q -p no:cacheprovider --noconftest --import-mode=importlib -W ignore \
        -o "filterwarnings=ignore" --junitxml "$out/tests.xml" tests/gpu
fi
for what in roofline meshnet unet densenet resnet study; do
    step 70 "$what" "$python" -m benchmarks.gpu "$what" --out "$out/gpu.jsonl" $dry
done
"$python" -m benchmarks.gpu collect --out "$out/gpu.jsonl" $dry
exit "$failed"
