#!/usr/bin/env bash
# Packs what a GPU host without a registry lacks, into two folders, each small enough for a transfer of TRANSFER_MIB (64)
# beside the repository (see README.md beside this file).
# usage: bash ops/gpu/pack.sh [OUT [DATA]]
#   OUT    build/gpu by default, is ignored by git: TensorRT's licence forbids redistribution.
#   DATA   folder of the test series (t1-head.tar.xz, brainchop-models.tar.xz); WETREAD_TEST_DATA where it is left out,
#          else where the tests look for them (tests/conftest.py).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${1:-$root/build/gpu}
data=${2:-${WETREAD_TEST_DATA:-$root/../shared/data}}
limit=${TRANSFER_MIB:-64}
# What travels with the larger part of the library: the repository, and what is small of TensorRT-RTX.
beside=22
if [ ! -d "$data" ]; then
    echo "the folder of the test series, $data, is not there: the steps that read them would be skipped; set" \
        "WETREAD_TEST_DATA to it, or name it: bash ops/gpu/pack.sh OUT DATA" >&2
    exit 1
fi
if ! [ "$limit" -gt "$beside" ] 2>/dev/null; then
    echo "TRANSFER_MIB is $limit: give a number of MiB above $beside, which the repository and its company need" >&2
    exit 1
fi
mkdir -p "$out/packed" "$out/leg1" "$out/leg2/wheels"
out=$(cd "$out" && pwd)
python=${PYTHON:-python3}
version=1.7.1.116                       # TensorRT-RTX
platforms=(--platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64
           --platform manylinux2014_x86_64)
download=("$python" -m pip download -q --disable-pip-version-check --only-binary=:all: --implementation cp)

if [ ! -f "$out/packed/library.xz" ]; then
    echo "TensorRT-RTX $version (CUDA 13, CPython 3.12), some minutes of one core"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    "$python" -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: -d "$scratch" \
        "tensorrt-rtx-cu13-libs==$version"
    "${download[@]}" --no-deps --python-version 3.12 --platform manylinux_2_28_x86_64 -d "$scratch" \
        "tensorrt-rtx-cu13-bindings==$version"
    mkdir "$scratch/tree"
    for wheel in "$scratch"/*.whl; do "$python" -m zipfile -e "$wheel" "$scratch/tree"; done
    library=$(cd "$scratch/tree" && find . -name 'libtensorrt_rtx.so.1' | head -n 1)
    sha256sum "$scratch/tree/$library" | cut -d' ' -f1 >"$out/packed/library.sha256"
    echo "$library" >"$out/packed/library.path"
    xz --x86 --lzma2=preset=9e,dict=256MiB -c "$scratch/tree/$library" >"$out/packed/part.xz"
    rm "$scratch/tree/$library"
    tar -C "$scratch/tree" -cJf "$out/packed/small.tar.xz" .
    mv "$out/packed/part.xz" "$out/packed/library.xz"
fi
# Most of the library goes first, the rest with the wheels: whole, it might not fit beside the repository.
first=$(((limit - beside) << 20))
cp "$out"/packed/{library.sha256,library.path,small.tar.xz} "$out/leg1/"
head -c "$first" "$out/packed/library.xz" >"$out/leg1/library.xz.1"
tail -c +$((first + 1)) "$out/packed/library.xz" >"$out/leg2/library.xz.2"

echo "leg 2: wheels that the host lacks, inputs"
"${download[@]}" --python-version 3.12 "${platforms[@]}" -d "$out/leg2/wheels" \
    "pydantic>=2.9,<3" "pydantic-settings>=2.6,<3" "structlog>=24" "platformdirs>=4,<5" "pydicom>=3.0.1,<4" \
    "highdicom>=0.28,<0.29" "tomli-w>=1,<2" "babel>=2.16,<3" "reportlab>=4.2,<6"
# These are on the host, in versions that fit its PyTorch.
rm -f "$out"/leg2/wheels/{numpy,pillow,typing_extensions}-*.whl
for archive in t1-head brainchop-models; do
    if [ -f "$data/$archive.tar.xz" ]; then cp "$data/$archive.tar.xz" "$out/leg2/"; else echo "no $archive: its steps are skipped"; fi
done
repository=$(cd "$root" && git ls-files -z | xargs -0 du -cb | tail -n 1 | cut -f1)
for leg in leg1 leg2; do
    size=$(du -sb "$out/$leg" | cut -f1)
    echo "$leg: $((size >> 20)) MiB in $out/$leg, $(((size + repository) >> 20)) MiB with the repository"
    # A MiB is left for what packs the transfer.
    [ $((size + repository)) -lt $(((limit - 1) << 20)) ] || {
        echo "$leg is too large for one transfer of $limit MiB beside the repository: where more is possible, say so with" \
            "TRANSFER_MIB" >&2
        exit 1
    }
done
