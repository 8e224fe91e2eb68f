# shellcheck shell=sh
# Prints where ROCm is: the folder given as $1, else the newest /opt/rocm/core-*, else /opt/rocm.
set -eu

if [ "${1:-}" ]; then
  echo "$1"
  exit
fi
newest=$(
  for core in /opt/rocm/core-*; do
    if [ -d "$core" ]; then echo "$core"; fi
  done | sort -V | tail -n 1
)
echo "${newest:-/opt/rocm}"
