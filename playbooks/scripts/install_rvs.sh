# shellcheck shell=sh
# Installs RVS from the package sources. Each command has ten minutes.
set -u
exec 2>&1 # one stream: what went wrong stands behind what led to it
export DEBIAN_FRONTEND=noninteractive

run() {
  timeout 600 apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" && return
  code=$?
  echo "apt-get $* ended with $code"
  exit "$code"
}

run update
run install libpci3 libpci-dev doxygen unzip cmake git libyaml-cpp-dev
run install rocblas rocm-smi-lib
run install --reinstall rocm-validation-suite # which brings back what somebody removed of one that is installed
