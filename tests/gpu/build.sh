#!/bin/sh
# A CUDA toolkit from Python packages in, the program with `--features cuda` out. Needs no GPU and no driver.
# With an installed toolkit (nvcc on the PATH) none of this is needed: cargo build --release --features cuda
#
#   tests/gpu/build.sh [TARGET_DIR]      CUDA_COMPUTE_CAP=90 (the default) is Hopper, 89 Ada, 80 Ampere
set -eu
cd "$(dirname "$0")/../.."
target=${1:-target/cuda}
mkdir -p "$target"
target=$(cd "$target" && pwd)
toolkit=$target/toolkit

if [ ! -e "$toolkit/ready" ]; then
  python3 -m venv "$toolkit"
  "$toolkit/bin/pip" install -q 'nvidia-cuda-nvcc==13.0.*' 'nvidia-nvvm==13.0.*' 'nvidia-cuda-crt==13.0.*' \
    'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cccl==13.0.*' 'nvidia-cuda-nvrtc==13.0.*' 'nvidia-cublas==13.0.*' \
    'nvidia-curand==10.4.0.*'
  home=$(echo "$toolkit"/lib/python3*/site-packages/nvidia/cu13)
  # The linker wants names without a version.
  for library in "$home"/lib/lib*.so.*; do
    name=${library%%.so.*}.so
    [ -e "$name" ] || ln -s "$(basename "$library")" "$name"
  done
  ln -sfn lib "$home/lib64"
  # The driver's library comes with the driver. To link, a library with its names is enough.
  mkdir -p "$home/lib/stubs"
  grep -ohE '\bcu[A-Z][A-Za-z0-9]*(_v[0-9]+)?(_ptsz|_ptds)?\b' "$home/include/cuda.h" | sort -u |
    grep -vE '^cuda|_t$' | sed 's/.*/void &(void) {}/' > "$toolkit/stub.c"
  cc -shared -fPIC -w -Wl,-soname,libcuda.so.1 -o "$home/lib/stubs/libcuda.so" "$toolkit/stub.c"
  touch "$toolkit/ready"
fi

home=$(echo "$toolkit"/lib/python3*/site-packages/nvidia/cu13)
export CUDA_HOME="$home" PATH="$home/bin:$PATH" LIBRARY_PATH="$home/lib:$home/lib/stubs"
export CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-90}" CARGO_TARGET_DIR="$target"
exec cargo build --release --features cuda
