# shellcheck shell=sh
# Installs the OpenSSH server in a container. Where there is one already it does nothing.
set -eu

if [ -x /usr/sbin/sshd ] || command -v sshd >/dev/null; then
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y --no-install-recommends install openssh-server
