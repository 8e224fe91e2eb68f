# shellcheck shell=sh
# Prints the folder of the RVS to use: the first that has its binary and its configuration, finds all its libraries, and runs. Where there is
# none it says what is wrong with those there are, and ends with 1.
problem="RVS is not installed below $ROCM_PATH, /opt/rocm or /opt/rocm/extras-7"

for root in "$ROCM_PATH" /opt/rocm /opt/rocm/extras-7; do
  rvs=$root/bin/rvs
  if ! [ -x "$rvs" ]; then continue; fi

  conf=$root/share/rocm-validation-suite/conf
  set -- "$conf/gst_single.conf" "$conf"/*/gst_single.conf
  if ! [ -f "$1" ] && ! [ -f "${2:-}" ]; then
    problem="there is no gst_single.conf below $conf"
    continue
  fi

  # RVS from a tarball finds neither its own libraries nor those of ROCm by itself.
  case $root in
  */extras-*) path=$root/lib:$ROCM_PATH/lib:$ROCM_PATH/lib/llvm/lib ;;
  *) path=${LD_LIBRARY_PATH:-} ;;
  esac

  # ldd ends with 0 all the same where a library is missing.
  if missing=$(LD_LIBRARY_PATH=$path ldd "$rvs" | grep 'not found'); then
    problem=$(printf '%s lacks libraries:\n%s' "$rvs" "$missing")
  elif ! said=$(LD_LIBRARY_PATH=$path "$rvs" --version 2>&1); then
    problem=$(printf '%s --version failed:\n%s' "$rvs" "$said")
  else
    echo "$root"
    exit
  fi
done

echo "$problem" >&2
exit 1
