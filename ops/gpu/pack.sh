#!/usr/bin/env bash
# Packs what a GPU host without a registry lacks, into two folders that each travel beside the repository in one transfer
# of 64 MiB (see README.md beside this file).
# usage: bash ops/gpu/pack.sh [OUT]   OUT, build/gpu by default, is ignored by git: TensorRT's licence forbids redistribution.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${1:-$root/build/gpu}
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
# Most of the library goes first, the rest with what is small: whole, it would not fit beside the repository.
cp "$out"/packed/{library.sha256,library.path,small.tar.xz} "$out/leg1/"
head -c 44040192 "$out/packed/library.xz" >"$out/leg1/library.xz.1"
tail -c +44040193 "$out/packed/library.xz" >"$out/leg2/library.xz.2"

echo "leg 2: wheels that the host lacks, inputs"
"${download[@]}" --python-version 3.12 "${platforms[@]}" -d "$out/leg2/wheels" \
    "pydantic>=2.9,<3" "pydantic-settings>=2.6,<3" "structlog>=24" "platformdirs>=4,<5" "pydicom>=3.0.1,<4" \
    "highdicom>=0.28,<0.29" "tomli-w>=1,<2" "babel>=2.16,<3" "reportlab>=4.2,<6"
# These are on the host, in versions that fit its PyTorch.
rm -f "$out"/leg2/wheels/{numpy,pillow,typing_extensions}-*.whl
data=${WETREAD_TEST_DATA:-$root/../shared/data}
for archive in t1-head brainchop-models; do
    if [ -f "$data/$archive.tar.xz" ]; then cp "$data/$archive.tar.xz" "$out/leg2/"; else echo "no $archive: its steps are skipped"; fi
done
repository=$(cd "$root" && git ls-files -z | xargs -0 du -cb | tail -n 1 | cut -f1)
for leg in leg1 leg2; do
    size=$(du -sb "$out/$leg" | cut -f1)
    echo "$leg: $((size >> 20)) MiB in $out/$leg, $(((size + repository) >> 20)) MiB with the repository"
    [ $((size + repository)) -lt $((63 << 20)) ] ||
        { echo "$leg is too large for one transfer of 64 MiB beside the repository" >&2; exit 1; }
done
