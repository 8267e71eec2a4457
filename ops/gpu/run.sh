#!/usr/bin/env bash
# Proves and measures on a GPU host, from a copy of the repository and the folders that pack.sh made.
# usage: bash ops/gpu/run.sh unpack      leg 1: most of TensorRT-RTX into its place ($TENSORRT_PLACE, else below
#                                        ~/.cache/wetread), where the next call finds it
#        bash ops/gpu/run.sh             leg 2: the rest of it, questions, tests, benchmark; JSON and log go to $OUT (build/gpu/out)
#        bash ops/gpu/run.sh --cpu-dry-run   every step on this machine's CPU, tiny; what needs a GPU says that it is skipped
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${OUT:-build/gpu/out}
mkdir -p "$out"
pack=build/gpu
place=${TENSORRT_PLACE:-${HOME:-/tmp}/.cache/wetread/trt}
python=${PYTHON:-python3}

if [ "${1:-}" = unpack ]; then
    set -e
    mkdir -p "$place/.leg1"
    cp "$pack"/leg1/* "$place/.leg1/"
    exit 0
fi

export PYTHONUNBUFFERED=1 WETREAD_ENGINE_CACHE="${TMPDIR:-/tmp}/wetread-engines"
dry=
if [ "${1:-}" = --cpu-dry-run ]; then
    dry=--dry-run
    export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
else
    # In a function of its own, so that a missing leg 1 costs TensorRT's steps and no other.
    join() {
        [ -e "$place/.complete" ] && return
        tar xJf "$place/.leg1/small.tar.xz" -C "$place" || return
        target=$place/$(cat "$place/.leg1/library.path")
        cat "$place/.leg1/library.xz.1" "$pack/leg2/library.xz.2" | xz -dc >"$target" || return
        echo "$(cat "$place/.leg1/library.sha256")  $target" | sha256sum -c - && touch "$place/.complete"
    }
    join || echo "TensorRT-RTX is not complete: run 'ops/gpu/run.sh unpack' with leg 1 first" >&2
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
