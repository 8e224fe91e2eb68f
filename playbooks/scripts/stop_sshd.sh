# shellcheck shell=sh
# Stops the sshd that sshd_ensure started on port $1 of this host. Jobs that are logged in keep their connections; the host's own sshd is
# another process.
set -eu
pidfile=/run/cvsplay-sshd-$1.pid
config=/etc/ssh/cvsplay/sshd_$1.conf

# A number from a file may by now be another process.
ours() {
  case $(readlink "/proc/$pid/exe") in */sshd | *'/sshd (deleted)') ;; *) return 1 ;; esac
  case "$(tr '\000' ' ' <"/proc/$pid/cmdline") " in *" -f $config "*) return 0 ;; esac
  return 1
}

read -r pid <"$pidfile"
case $pid in
'' | *[!0-9]*)
  echo "$pidfile holds no process id: $pid" >&2
  exit 1
  ;;
esac
if [ -d "/proc/$pid" ] && ours; then
  kill "$pid"
  tries=0
  while [ -d "/proc/$pid" ] && ours 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 50 ]; then
      echo "sshd (process $pid) was told to end, and has not after 10 s" >&2
      exit 1
    fi
    sleep 0.2
  done
fi
rm -f "$pidfile" "/run/cvsplay-sshd-$1.loaded"
