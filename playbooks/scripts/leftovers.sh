# shellcheck shell=sh
# Prints what is on this host of what cvsplay's playbooks put there, one thing a line: containers that cvsplay launched, the image, and where it
# may look into them the folder of our sshd and root's keys.
#
# $1  reference of the image
set -u

# Where a container runtime is installed it has to answer: what it does not tell is not gone.
for runtime in docker podman; do
  command -v "$runtime" >/dev/null || continue
  if said=$("$runtime" ps 2>&1); then
    sudo=''
  elif said=$(sudo -n "$runtime" ps 2>&1); then
    sudo='sudo -n'
  else
    echo "$runtime does not answer: $said" >&2
    exit 1
  fi
  $sudo "$runtime" ps --all --filter label=cvsplay.owner=cvsplay --format 'container {{.Names}}, from {{.Image}}' || exit
  if $sudo "$runtime" image inspect "$1" >/dev/null 2>&1; then echo "image $1"; fi
done

if [ -d /etc/ssh/cvsplay ]; then echo "folder /etc/ssh/cvsplay"; fi
if [ -r /root/.ssh/id_ed25519.pub ] && grep -q ' cvsplay$' /root/.ssh/id_ed25519.pub; then
  echo "key /root/.ssh/id_ed25519"
fi
for known in /root/.ssh/known_hosts /root/.ssh/known_hosts2; do
  if [ -r "$known" ] && grep -q ' cvsplay:[^ ]*$' "$known"; then
    echo "host keys of the nodes in /root/.ssh"
    break
  fi
done
