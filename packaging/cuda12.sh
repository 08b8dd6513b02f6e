#!/usr/bin/env bash
# Puts CUDA 12's compiler into a folder, and changes nothing else: packaging/cuda12.sh FOLDER
#
# A wheel must run with every driver that torch >= 2.10 runs with, from 525 on, and so be built with
# CUDA 12. No registry has all of it: the compiler comes from Debian's packages, which need no Debian
# to run, its headers from PyPI, and so does the runtime, as the static library that only CUDA 12.9's
# package has (it is compatible with all of CUDA 12). Needs apt-get, dpkg and python3 with pip. Where
# /usr/local/cuda-12.x is, `CUDA_HOME=/usr/local/cuda-12.x make wheel` does without this.
set -euo pipefail

mkdir -p "$1"
folder=$(cd "$1" && pwd)
test -e "$folder/complete" && exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

bash "$(dirname "$0")/debian.sh" "$work/packages" "trixie non-free" \
  nvidia-cuda-toolkit=12.4.131~12.4.1-2 || {
  echo "packaging/cuda12.sh: set CUDA_HOME to a CUDA 12 instead" >&2
  exit 1
}
mkdir -p "$work/headers"
python3 -m pip --disable-pip-version-check install --quiet --no-deps --no-compile \
  --target "$work/headers" nvidia-cuda-nvcc-cu12==12.4.131 nvidia-cuda-runtime-cu12==12.4.127 \
  nvidia-cuda-cccl-cu12==12.4.127.post1
python3 -m pip --disable-pip-version-check install --quiet --no-deps --no-compile \
  --target "$work/runtime" nvidia-cuda-runtime-cu12==12.9.79

mkdir -p "$folder"/{bin,include,lib,nvvm}
cp -r "$work"/packages/usr/lib/nvidia-cuda-toolkit/bin/{nvcc,cicc,crt} "$folder/bin"
cp "$work"/packages/usr/bin/{cudafe++,fatbinary,nvlink,ptxas,bin2c} "$folder/bin"
cp -r "$work"/packages/usr/lib/nvidia-cuda-toolkit/libdevice "$folder/nvvm"
cp -r "$work"/headers/nvidia/*/include/. "$folder/include"
cp "$work"/runtime/nvidia/cuda_runtime/lib/libcudart_static.a "$folder/lib"
# nvcc's linker asks for this one, too, which no kernel here calls, and refuses that of 12.9.
ar rc "$folder/lib/libcudadevrt.a"
cat > "$folder/bin/nvcc.profile" <<'PROFILE'
TOP                = $(_HERE_)/..
NVVMIR_LIBRARY_DIR = $(TOP)/nvvm/libdevice
PATH              += $(_HERE_):
INCLUDES          += "-I$(TOP)/include" $(_SPACE_)
LIBRARIES         =+ $(_SPACE_) "-L$(TOP)/lib"
PROFILE
"$folder/bin/nvcc" --version
touch "$folder/complete"
