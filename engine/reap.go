package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/shell"
)

// A reaper ends what a script left running inside a container. A time limit ends the processes on the host that the account may signal, and
// those inside of a container are not among them: its engine started them, as root, and they outlive the command that asked for them.
type reaper struct {
	place place
	mark  string // in the environment of all that the script starts
}

// placeVar is the environment variable that marks every process of a script inside of a container. Its value is random and no secret.
const placeVar = "CVSPLAY_PLACE"

func newReaper(p place) *reaper { return &reaper{place: p, mark: shell.Nonce()} }

// reapLimit bounds the ending of what one script left: TERM, five seconds, KILL, and the way there and back.
const reapLimit = 40 * time.Second

// reapScript runs inside of the container. $1 is the mark. Who carries it, and all descendants of those, get TERM and after five seconds KILL;
// who lives on is printed as "PID COMMAND", and then "end". A process is known by its number and the time of its start.
const reapScript = `mark=$1
command -v grep >/dev/null || { echo "there is no grep" >&2; exit 1; }
known=' ' kin=' '
look() {
  procs= living= pids=
  for s in /proc/[0-9]*/stat; do
    line=
    { read -r line <"$s"; } 2>/dev/null
    set -- ${line##*") "}
    [ $# -ge 20 ] && [ "$1" != Z ] && [ "$1" != X ] || continue
    p=${s#/proc/}
    procs="$procs ${p%/stat}:$2:${20}"
  done
  for e in $(grep -s -l -F "` + placeVar + `=$mark" /proc/[0-9]*/environ); do
    e=${e#/proc/}
    kin="$kin${e%/environ} "
  done
  grew=yes
  while [ -n "$grew" ]; do
    grew=
    for e in $procs; do
      p=${e%%:*} e=${e#*:}
      parent=${e%%:*} start=${e#*:}
      case $known in *" $p:$start "*) continue ;; esac
      case $kin in *" $p "* | *" $parent "*) known="$known$p:$start " kin="$kin$p " grew=yes ;; esac
    done
  done
  for e in $procs; do
    p=${e%%:*}
    case $known in *" $p:${e##*:} "*) living="$living $p" ;; esac
  done
}
wait_for() {
  n=0
  while [ -n "$living" ] && [ "$n" -lt "$1" ]; do
    if sleep 0.1 2>/dev/null; then n=$((n+1)); else sleep 1; n=$((n+10)); fi
    look
  done
}
look
if [ -n "$living" ]; then
  { kill -s TERM $living; kill -s CONT $living; } 2>/dev/null
  wait_for 50
fi
tries=0
while [ -n "$living" ] && [ "$tries" -lt 10 ]; do
  kill -s KILL $living 2>/dev/null
  tries=$((tries+1))
  wait_for 2
done
for p in $living; do
  name=
  { read -r name <"/proc/$p/comm"; } 2>/dev/null
  echo "$p $name"
done
echo end
`

// script ends what is left inside, and tells which of some processes of the host, by number, live on.
func (r *reaper) script(pids []string) remote.Script {
	return remote.Script{
		Text: fmt.Sprintf("%s\nctr exec -i -u 0 %s\nfor p do if [ -d \"/proc/$p\" ]; then echo \"host $p\"; fi; done\n",
			RuntimePrelude(r.place.runtime), QuoteAll(r.place.name, "/bin/sh", "-s", r.mark)),
		Args: pids, Stdin: []byte(reapScript), Account: r.place.keeper, Limit: reapLimit, Keep: defaultKeep,
	}
}

// reap ends what a script left running inside of its container, where its time was up or nobody knows how it ended, and mends the list of
// survivors: a command on the host that waited for the container ends with what it waited for. It works on after ctx has ended, for a bounded time.
func (n *node) reap(ctx context.Context, f frame, e *remote.Exit) {
	if f.reaper == nil || (e.State != remote.TimedOut && e.State != remote.Lost) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reapLimit+10*time.Second)
	defer cancel()
	hold := n.hold
	n.hold = nil
	defer func() { n.hold = hold }()
	byPID := map[string]string{}
	var pids []string
	for _, who := range e.Survivors {
		pid, _, _ := strings.Cut(who, " ")
		byPID[pid] = who
		pids = append(pids, pid)
	}
	done := n.exchange(ctx, []remote.Script{f.reaper.script(pids)})[0]
	inside, rest, found := strings.Cut("\n"+string(done.Stdout.Bytes), "\nend\n")
	if !found {
		if why := done.Why + strings.TrimSpace(string(done.Stderr.Bytes)); why != "" {
			e.Why += fmt.Sprintf("; what it left running inside container %s could not be ended: %s", f.reaper.place.name, firstLine(why))
		}
		return
	}
	e.Survivors = nil
	for line := range strings.Lines(rest) {
		if pid, is := strings.CutPrefix(strings.TrimSpace(line), "host "); is {
			e.Survivors = append(e.Survivors, byPID[pid])
		}
	}
	for line := range strings.Lines(inside) {
		if who := strings.TrimSpace(line); who != "" {
			e.Survivors = append(e.Survivors, who+" (inside "+f.reaper.place.name+")")
		}
	}
}
