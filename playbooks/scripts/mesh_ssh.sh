# shellcheck shell=sh
# Logs in from this node to the others, with strict host keys and without a password, and prints a line for each that it does not reach: the
# node's name, and why. Where all are reached it prints nothing. It ends with 0 unless it could not try.
#
# $1  name of this node
# $2  port
# $3  how many of the others to try: the next ones in the list, which is a ring; 0 stands for all
# $4  how many at a time
# $5  seconds to wait for a connection
# $6… all nodes, as NAME=ADDRESS
set -u
self=$1 port=$2 count=$3 at_once=$4 seconds=$5
shift 5

for program in ssh timeout; do
  if ! command -v "$program" >/dev/null; then
    echo "there is no $program here" >&2
    exit 1
  fi
done

# Each node begins with the one behind it, so that they do not all knock at the same door.
before='' after='' found=''
for node; do
  if [ "${node%%=*}" = "$self" ]; then
    found=yes
  elif [ "$found" ]; then
    after="$after $node"
  else
    before="$before $node"
  fi
done
if ! [ "$found" ]; then
  echo "$self is not among the nodes" >&2
  exit 1
fi
set -f
# shellcheck disable=SC2086 # names and addresses have no blanks
set -- $after $before

# An sshd that lets in and then hangs is found by the limit on the whole, three times that on the connection.
try() { # NODE
  said=$(timeout "$((3 * seconds))" ssh -n -p "$port" -o BatchMode=yes -o StrictHostKeyChecking=yes -o "ConnectTimeout=$seconds" \
    "root@${1#*=}" true 2>&1) && return
  code=$?
  why=$(printf '%s\n' "$said" | tr -d '\r' | sed -e '/^ *$/d' -e 's/^ssh: connect to host .* port [0-9]*: //' -e 's/^root@[^ ]*: //' | tail -n 1)
  if [ "$code" = 124 ]; then why="no answer within $((3 * seconds)) s"; fi
  echo "${1%%=*} ${why:-ssh ended with $code}"
}

# A worker tries every at_once-th node, from its own number on: a slow one holds up that worker alone.
worker() { # NUMBER NODE…
  number=$1 place=0
  shift
  for node; do
    if [ "$count" -gt 0 ] && [ "$place" -ge "$count" ]; then break; fi
    if [ "$((place % at_once))" -eq "$number" ]; then try "$node"; fi
    place=$((place + 1))
  done
}

number=0
while [ "$number" -lt "$at_once" ]; do
  worker "$number" "$@" &
  number=$((number + 1))
done
wait
