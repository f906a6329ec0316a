#!/usr/bin/env bash
# Everything on a machine with a CUDA device: tests, kernels, steps, and PyTorch beside them.
#
# usage: benchmarks/cuda/run.sh [--deps DIR] [--output DIR] [--build DIR]
#
# Needs the CUDA toolkit, CMake, a C++20 compiler and python3; no network and no model. Headers that the machine lacks (Eigen 3.4,
# Catch2) come from DIR, a prefix such as `dpkg -x libeigen3-dev_*.deb DIR` makes. Writes measured.jsonl, peers.jsonl, tests.xml, cuda.md
# and cuda-kernels.svg into the output folder (default: build/cuda/output). Under 8 minutes on an H100.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
deps="" output="" build="$root/build/cuda"
while [ $# -gt 0 ]; do
  case $1 in
    --deps) deps=$(realpath "$2"); shift 2 ;;
    --output) output=$2; shift 2 ;;
    --build) build=$2; shift 2 ;;
    *) echo "run.sh: $1 is not known; [--deps DIR] [--output DIR] [--build DIR]" >&2; exit 2 ;;
  esac
done
output=${output:-$build/output}
mkdir -p "$output"

architecture=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2> /dev/null | head -1 | tr -d .)
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release ${deps:+"-DCMAKE_PREFIX_PATH=$deps;$deps/usr"} \
  "-DCMAKE_CUDA_ARCHITECTURES=${architecture:-90}" -DLIMBECK_BUILD_EXAMPLES=OFF -DLIMBECK_INSTALL=OFF > "$output/configure.log"
cmake --build "$build" --target test_cuda cuda_measure --parallel "$(nproc)" > "$output/build.log"

failed=0
(cd "$build" && ctest -L cuda --output-junit "$output/tests.xml" --output-on-failure) | tee "$output/tests.log" || failed=1
"$build/benchmarks/cuda/cuda_measure" > "$output/measured.jsonl"
if python3 "$here/peers.py" > "$output/peers.jsonl"; then
  python3 "$here/report.py" "$output/measured.jsonl" "$output/peers.jsonl" --output "$output"
else
  echo "run.sh: measured without PyTorch" >&2
  python3 "$here/report.py" "$output/measured.jsonl" --output "$output"
fi
exit $failed
