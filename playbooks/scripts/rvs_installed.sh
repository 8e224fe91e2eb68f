# shellcheck shell=sh
# Ends with 0 where RVS is installed: its binary is there, and the configuration of gst_single.
for root in "$ROCM_PATH" /opt/rocm /opt/rocm/extras-7; do
  conf=$root/share/rocm-validation-suite/conf
  for file in "$conf/gst_single.conf" "$conf"/*/gst_single.conf; do
    if [ -x "$root/bin/rvs" ] && [ -f "$file" ]; then exit 0; fi
  done
done
exit 1
