package modules

// sshdInstallScript installs the package with whatever installs packages there. RUNLEVEL keeps Debian from starting a daemon of the package's own
// inside a container. $1 is the directory that some packages bring and others do not: it is there afterwards, so that what is left to do can be foreseen.
const sshdInstallScript = `export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
if command -v apt-get >/dev/null; then
  apt-get update -q && apt-get install -y -q --no-install-recommends openssh-server openssh-client
elif command -v dnf >/dev/null; then dnf install -y -q openssh-server openssh-clients
elif command -v microdnf >/dev/null; then microdnf install -y openssh-server openssh-clients
elif command -v yum >/dev/null; then yum install -y -q openssh-server openssh-clients
elif command -v zypper >/dev/null; then zypper --non-interactive install openssh
elif command -v apk >/dev/null; then apk add openssh
else echo "no package manager that is known here (apt-get, dnf, yum, zypper, apk)" >&2; exit 1
fi || exit
umask 022; mkdir -p -- "$1" && chown root "$1" && chmod 00755 "$1"
`

// sshdKeyScript makes a key pair, or only the public half where that is missing. $1 the key, $2 ssh-keygen.
const sshdKeyScript = `umask 077
if ! [ -s "$1" ]; then
  rm -f -- "$1" "$1.pub"
  "$2" -q -t ed25519 -N '' -C cvsplay -f "$1" </dev/null || exit
fi
if ! [ -s "$1.pub" ]; then
  "$2" -y -f "$1" </dev/null >"$1.pub.new" || exit
  mv -f -- "$1.pub.new" "$1.pub" || exit
fi
chmod 0600 "$1" && chmod 0644 "$1.pub"
`

// sshdStartScript starts our sshd, or has it load its configuration anew ($8 is its pid), and waits until the process of the pid file listens: the
// exit code of a daemon tells nothing. $1 sshd, $2 configuration, $3 pid file, $4 the loaded file, $5 hash of the configuration, $6 public host
// key, $7 port in hex.
const sshdStartScript = `sshd=$1 conf=$2 pidfile=$3 loaded=$4 sum=$5 pub=$6 hex=$7 running=$8
listens() {
  pid=
  if [ -r "$pidfile" ]; then read -r pid <"$pidfile"; fi
  case $pid in ''|*[!0-9]*) return 1 ;; esac
  fds=$(ls -l "/proc/$pid/fd" 2>/dev/null) || return 1
  for f in /proc/net/tcp /proc/net/tcp6; do
    [ -r "$f" ] || continue
    while read -r _ at _ state _ _ _ _ _ inode _; do
      case "$at $state" in *":$hex 0A") case $fds in *"socket:[$inode]"*) return 0 ;; esac ;; esac
    done <"$f"
  done
  return 1
}
umask 022
"$sshd" -t -f "$conf" || exit
rm -f -- "$loaded" "$pidfile"
if [ -n "$running" ]; then
  kill -HUP "$running" || exit
elif ! "$sshd" -f "$conf" </dev/null; then
  # A daemon tells the system's log why it ends; the second try tells us.
  "$sshd" -e -f "$conf" </dev/null || exit
fi
n=0
until listens; do
  n=$((n+1))
  if [ "$n" -gt 50 ]; then
    echo "sshd was started, and after 10 s it does not listen" >&2
    if command -v timeout >/dev/null; then timeout 2 "$sshd" -D -e -f "$conf" </dev/null; fi # it tells us why, as a daemon it tells the log
    exit 1
  fi
  sleep 0.2 2>/dev/null || sleep 1
done
read -r type key _ <"$pub"
echo "$sum $type $key" >"$loaded"
`
