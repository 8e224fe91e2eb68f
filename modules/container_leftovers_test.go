package modules

import (
	"fmt"
	"strings"
	"testing"
)

// What other runs left, or are about to use: each row is a fleet and what happens there, as in TestContainerFleetTable. A container is "of" a run, launched
// "at" this boot and PID namespace of the host (here), in an earlier boot (before), or from another PID namespace (elsewhere).
func TestContainerLeftoversTable(t *testing.T) {
	tests := []struct {
		row   string
		args  func(*containerArgs)
		hosts []string
		want  string
	}{
		{"our name, of a dead run", lifetimeIs(perRun), []string{"running of=dead at=here", "absent"}, `
n1: act: remove stale container, launch container
n2: act: launch container
n[1-2]: done`},
		{"our name, of a live run", lifetimeIs(perRun), []string{"running of=live at=here runs=live", "running of=live at=here runs=live", "absent"}, `
n[1-3]: refused: container box belongs to a run that is still going on, so this one does nothing
  n[1-2]: box, of run live, by ops@login1, since 2026-11-22 04:05 UTC
  wait until it is over, or end it with Ctrl-C where it was started; or give the step another name
  if it was killed and only a hanging shell of it is left, end that on these hosts: pkill -f cvsplay-run:live`},
		{"our name, of a live run that has lost its connection to this host", lifetimeIs(perRun), []string{"running of=live at=here", "absent runs=live"}, `
n[1-2]: refused: container box belongs to a run that is still going on, so this one does nothing
  n1: box, of run live, by ops@login1, since 2026-11-22 04:05 UTC
  wait until it is over, or end it with Ctrl-C where it was started; or give the step another name
  if it was killed and only a hanging shell of it is left, end that on these hosts: pkill -f cvsplay-run:live`},
		{"our name, of a live run that has restarted the host", lifetimeIs(perRun), []string{"running of=live at=before runs=live"}, `
n1: refused: container box belongs to a run that is still going on, so this one does nothing
  n1: box, of run live, by ops@login1, since 2026-11-22 04:05 UTC
  wait until it is over, or end it with Ctrl-C where it was started; or give the step another name
  if it was killed and only a hanging shell of it is left, end that on these hosts: pkill -f cvsplay-run:live`},
		{"our name, of a run before the host was restarted", lifetimeIs(perRun), []string{"exited of=dead at=before"}, `
n1: act: remove stale container, launch container
n1: done`},
		{"our name, of a run before the host was restarted, processes hidden", lifetimeIs(perRun), []string{"exited of=dead at=before hides"}, `
n1: act: remove stale container, launch container
n1: done`},
		{"our name, from another PID namespace", lifetimeIs(perRun), []string{"running of=other at=elsewhere", "absent"}, `
n[1-2]: refused: container box is of another run, and whether that is still going on cannot be told, so this one does nothing
  n1: box, of run other, by ops@login1, since 2026-11-22 04:05 UTC: it was launched from another PID namespace of the host
  if it is over: adopt = true takes the container over, and a container_absent step removes it`},
		{"our name, processes hidden", lifetimeIs(perRun), []string{"running of=other at=here hides", "running of=other at=here hides"}, `
n[1-2]: refused: container box is of another run, and whether that is still going on cannot be told, so this one does nothing
  n[1-2]: box, of run other, by ops@login1, since 2026-11-22 04:05 UTC: the host hides the processes of other accounts: hidepid
  if it is over: adopt = true takes the container over, and a container_absent step removes it`},
		{"our name, the host does not even show our own shell", lifetimeIs(perRun), []string{"running of=other at=here blind"}, `
n1: refused: container box is of another run, and whether that is still going on cannot be told, so this one does nothing
  n1: box, of run other, by ops@login1, since 2026-11-22 04:05 UTC: the host does not show the shells of runs
  if it is over: adopt = true takes the container over, and a container_absent step removes it`},
		{"our name, cannot be told, adopted", func(a *containerArgs) { a.Adopt = true }, []string{"running of=other at=elsewhere"}, `
n1: act: remove stale container, launch container
n1: done`},
		{"our name, live, adopt takes nothing from a live run", func(a *containerArgs) { a.Adopt = true }, []string{"running of=live at=here runs=live"}, `
n1: refused: container box belongs to a run that is still going on, so this one does nothing
  n1: box, of run live, by ops@login1, since 2026-11-22 04:05 UTC
  wait until it is over, or end it with Ctrl-C where it was started; or give the step another name
  if it was killed and only a hanging shell of it is left, end that on these hosts: pkill -f cvsplay-run:live`},
		{"our name, of an older version", lifetimeIs(perRun), []string{"running"}, `
n1: act: remove stale container, launch container
n1: done`},
		{"our name, comes to life while it is removed", lifetimeIs(perRun), []string{"running of=lost at=here revived=lost", "absent"}, `
n1: act: remove stale container, launch container
n2: act: launch container
n2: act: roll back
n1: failed: remove stale container: exit code 75
    run lost is there again
n2: refused: container box: the launch was called off, and what it had launched was removed, because it failed on 1 host
  failed: n1 (remove stale container: exit code 75)`},
		{"our provisional name, of a live run", withSetup(perRun), []string{"absent left=live:here runs=live"}, `
n1: refused: container box belongs to a run that is still going on, so this one does nothing
  n1: box.new, of run live, by ops@login1, since 2026-11-22 04:05 UTC
  wait until it is over, or end it with Ctrl-C where it was started; or give the step another name
  if it was killed and only a hanging shell of it is left, end that on these hosts: pkill -f cvsplay-run:live`},

		{"other names, of a dead run", lifetimeIs(perRun), []string{"absent other=a:dead:here other=b.new:dead:here", "absent other=c:dead:before"}, `
n[1-2]: act: remove leftover of run dead, by ops@login1, since 2026-11-22 04:05 UTC, launch container
n[1-2]: done`},
		{"other names, of two dead runs", lifetimeIs(perRun), []string{"absent other=a:dead1:here other=b:dead2:here"}, `
n1: act: remove leftover of run dead1, by ops@login1, since 2026-11-22 04:05 UTC, remove leftover of run dead2, by ops@login1, since 2026-11-22 04:05 UTC, launch container
n1: done`},
		{"other names, of a live run", lifetimeIs(perRun), []string{"absent other=a:live:here runs=live"}, `
n1: act: launch container
n1: done`},
		{"other names, of our own run", lifetimeIs(perRun), []string{"absent other=a:run-1:here"}, `
n1: act: launch container
n1: done`},
		{"other names, cannot be told", lifetimeIs(perRun), []string{"absent other=a:other:elsewhere", "absent other=a:other:here hides"}, `
n[1-2]: act: launch container
n1: done [warn: container a is of run other, by ops@login1, since 2026-11-22 04:05 UTC, and whether that is still going on cannot be told (it was launched from another PID namespace of the host): it is left as it is; if it is over, a container_absent step removes it]
n2: done [warn: container a is of run other, by ops@login1, since 2026-11-22 04:05 UTC, and whether that is still going on cannot be told (the host hides the processes of other accounts: hidepid): it is left as it is; if it is over, a container_absent step removes it]`},
		{"other names, of an older version", lifetimeIs(perRun), []string{"absent other=a:older:"}, `
n1: act: launch container
n1: done [warn: container a is of run older, by ops@login1, since 2026-11-22 04:05 UTC, and whether that is still going on cannot be told (it was launched by a version that left no sign of life): it is left as it is; if it is over, a container_absent step removes it]`},
		{"other names, kept on purpose", lifetimeIs(perRun), []string{"absent other=a:dead:here kept"}, `
n1: act: launch container
n1: done`},
		{"other names, persistent", lifetimeIs(perRun), []string{"absent persistent=a"}, `
n1: act: launch container
n1: done`},
		{"other names, an unfinished persistent launch", lifetimeIs(perRun), []string{"absent persistent=a.new"}, `
n1: act: remove leftover of run old-run, by ops@login1, since 2026-11-22 04:05 UTC, launch container
n1: done`},
		{"other names, comes to life while it is removed", lifetimeIs(perRun), []string{"absent other=a:lost:here revived=lost"}, `
n1: act: remove leftover of run lost, by ops@login1, since 2026-11-22 04:05 UTC, launch container
n1: done`},
		{"other names, removal fails", lifetimeIs(perRun), []string{"absent other=a:dead:here fails=remove+leftover+of+run+dead,+by+ops@login1,+since+2026-11-22+04:05+UTC", "absent"}, `
n1: act: remove leftover of run dead, by ops@login1, since 2026-11-22 04:05 UTC, launch container
n2: act: launch container
n2: act: roll back
n1: failed: remove leftover of run dead, by ops@login1, since 2026-11-22 04:05 UTC: exit code 7
    it broke
n2: refused: container box: the launch was called off, and what it had launched was removed, because it failed on 1 host
  failed: n1 (remove leftover of run dead, by ops@login1, since 2026-11-22 04:05 UTC: exit code 7)`},
		{"other names, the removal was lost and did not come through", lifetimeIs(perRun), []string{"absent other=a:dead:here loses=remove+leftover+of+run+dead,+by+ops@login1,+since+2026-11-22+04:05+UTC:not"}, `
n1: act: remove leftover of run dead, by ops@login1, since 2026-11-22 04:05 UTC, launch container
n1: act: remove leftover of run dead, by ops@login1, since 2026-11-22 04:05 UTC, launch container
n1: done`},

		{"persistent, .new of a live run", lifetimeIs(persistent), []string{"absent left=live:here runs=live", "absent"}, `
n[1-2]: refused: container box belongs to a run that is still going on, so this one does nothing
  n1: box.new, of run live, by ops@login1, since 2026-11-22 04:05 UTC
  wait until it is over, or end it with Ctrl-C where it was started; or give the step another name
  if it was killed and only a hanging shell of it is left, end that on these hosts: pkill -f cvsplay-run:live`},
		{"persistent, .new of a dead run", lifetimeIs(persistent), []string{"absent left=dead:here", "absent"}, `
n1: act: remove leftover container, launch container, (name container)
n2: act: launch container, (name container)
n[1-2]: act: name container
n[1-2]: done`},
		{"persistent, .new, cannot be told", lifetimeIs(persistent), []string{"absent left=other:elsewhere", "absent"}, `
n[1-2]: refused: container box is of another run, and whether that is still going on cannot be told, so this one does nothing
  n1: box.new, of run other, by ops@login1, since 2026-11-22 04:05 UTC: it was launched from another PID namespace of the host
  if it is over: adopt = true takes the container over, and a container_absent step removes it`},
		{"persistent, another run's container for itself", lifetimeIs(persistent), []string{"running of=live at=here runs=live"}, `
n1: refused: container box belongs to a run that is still going on, so this one does nothing
  n1: box, of run live, by ops@login1, since 2026-11-22 04:05 UTC
  wait until it is over, or end it with Ctrl-C where it was started; or give the step another name
  if it was killed and only a hanging shell of it is left, end that on these hosts: pkill -f cvsplay-run:live`},
		{"persistent, left by a dead run that had it for itself", lifetimeIs(persistent), []string{"running of=dead at=here"}, `
n1: done [warn: container box: it was launched for one run alone, so that a later run may remove it; declared persistent]`},
		{"persistent, other names are not its business", lifetimeIs(persistent), []string{"running other=a:dead:here"}, `
n1: done`},
		{"no_launch, another run's container for itself", lifetimeIs(noLaunch), []string{"running of=live at=here runs=live"}, `
n1: done`},
	}
	for _, tt := range tests {
		t.Run(tt.row, func(t *testing.T) {
			args := simArgs(tt.args)
			var hosts []*simHost
			for i, spec := range tt.hosts {
				hosts = append(hosts, newSim(t, fmt.Sprintf("n%d", i+1), spec, args))
			}
			got := strings.TrimSpace(play(t, hosts))
			if want := strings.TrimSpace(tt.want); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
