package modules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cvsplay/engine"
)

// Leftovers are containers that a run launched for itself and then could not remove: it was killed, or lost its host. They hold devices and ports, so
// every step that launches for one run looks for them under all names.

// askForLeftovers adds to a containerQuestion all containers that carry our owner's label. What is not an id is a warning that the runtime printed.
const askForLeftovers = `	out=$(ctr ps -a -q --no-trunc --filter label=` + labelOwner + `=` + ownerName + ` 2>&1 </dev/null); rc=$?
	if [ "$rc" != 0 ]; then
		printf '%s\nleftovers %s\n' "$out" "$rc"
	else
		ours=
		for id in $out; do
			case $id in *[!0-9a-f]*) ;; *) ours="$ours $id" ;; esac
		done
		if [ -n "$ours" ]; then
			out=$(ctr container inspect --format 'leftover {{json .}}' $ours 2>&1 </dev/null); rc=$?
			printf '%s\nleftovers %s\n' "$out" "$rc"
		fi
	fi
`

// strangers are the containers of this host, of other runs, of which the step has to know whether their run is still going on.
func (h *containerHost) strangers() []*containerInspect {
	var out []*containerInspect
	add := func(c *containerInspect) {
		if c != nil && c.ours() && c.run() != h.Run && !slices.ContainsFunc(out, func(have *containerInspect) bool { return have.ID == c.ID }) {
			out = append(out, c)
		}
	}
	switch h.Args.Lifetime {
	case perRun:
		add(h.box)
		add(h.fresh)
		for i := range h.facts.Others {
			if h.facts.Others[i].mayBeLeft() {
				add(&h.facts.Others[i])
			}
		}
	case persistent:
		if h.box != nil && h.box.lifetime() == perRun {
			add(h.box)
		}
		add(h.fresh)
	}
	return out
}

// mayBeLeft tells whether a container was to go at the end of its run: one for that run alone, which nobody asked to keep, or one whose launch is not over.
func (c containerInspect) mayBeLeft() bool {
	unfinished := strings.HasSuffix(c.Name, provisionalSuffix)
	return unfinished || (c.lifetime() == perRun && c.Config.Labels[labelKept] == "")
}

// isNamed tells whether a container has one of the two names that the step is about.
func (h *containerHost) isNamed(c *containerInspect) bool {
	return (h.box != nil && h.box.ID == c.ID) || (h.fresh != nil && h.fresh.ID == c.ID)
}

func (f *containerFleet) hasStrangers() bool {
	return slices.ContainsFunc(f.hosts, func(h *containerHost) bool { return len(h.strangers()) > 0 })
}

// looksForLife asks all hosts which runs are there, where a container of another run is in question on any of them: a run that is going on is seen on
// another host even while it has lost its connection to this one.
func (f *containerFleet) looksForLife() bool {
	if !f.hasStrangers() {
		return false
	}
	asking := false
	for _, h := range f.known() {
		if !h.looked {
			h.decision = engine.More{Ask: []engine.Question{lifeQuestion}}
			asking = true
		}
	}
	if asking {
		f.wait()
	}
	return asking
}

// refusedToTake refuses a step whose name is taken by a run that is still going on, or of which that cannot be told. Of two runs under one name exactly one
// goes on.
func (f *containerFleet) refusedToTake() bool {
	if f.refusedOver(lifeGoing, fmt.Sprintf("container %s belongs to a run that is still going on, so this one does nothing", f.name()),
		"wait until it is over, or end it with Ctrl-C where it was started; or give the step another name",
		"if it was killed and only a hanging shell of it is left, end that on these hosts: pkill -f %s") {
		return true
	}
	return f.refusedOver(lifeUnclear, fmt.Sprintf("container %s is of another run, and whether that is still going on cannot be told, so this one does nothing", f.name()),
		"if it is over: adopt = true takes the container over, and a container_absent step removes it", "")
}

func (f *containerFleet) refusedOver(want life, words, wayOut, perRunWayOut string) bool {
	type stranger struct{ host, words, run string }
	var found []stranger
	for _, h := range f.known() {
		for _, c := range h.strangers() {
			is, why := f.lifeOf(h, c)
			if is != want || !h.isNamed(c) || (is == lifeUnclear && (h.Args.Adopt || !c.hasSign())) { // an older version's under our own name is stale, as it was for that version
				continue
			}
			what := fmt.Sprintf("%s, of %s", c.Name, f.whose(c))
			if why != "" {
				what += ": " + why
			}
			found = append(found, stranger{h.Host, what, c.run()})
		}
	}
	if len(found) == 0 {
		return false
	}
	groups, runs := map[string][]string{}, map[string]bool{}
	for _, s := range found {
		groups[s.words] = append(groups[s.words], s.host)
		runs[s.run] = true
	}
	for _, what := range slices.Sorted(maps.Keys(groups)) {
		words += fmt.Sprintf("\n  %s: %s", engine.FoldHosts(groups[what]), what)
	}
	words += "\n  " + wayOut
	for _, run := range slices.Sorted(maps.Keys(runs)) {
		if perRunWayOut != "" {
			words += "\n  " + fmt.Sprintf(perRunWayOut, engine.SignOfLife+run)
		}
	}
	f.refuse(words)
	return true
}

// A deadRun is what a run that has ended left on one host under names that are none of the step's.
type deadRun struct {
	run        string
	containers []*containerInspect
}

// leftBehind are the leftovers that the step removes on this host, by run.
func (f *containerFleet) leftBehind(h *containerHost) []deadRun {
	var out []deadRun
	for _, c := range h.strangers() {
		if is, _ := f.lifeOf(h, c); is != lifeOver || h.isNamed(c) {
			continue
		}
		i := slices.IndexFunc(out, func(d deadRun) bool { return d.run == c.run() })
		if i < 0 {
			i, out = len(out), append(out, deadRun{run: c.run()})
		}
		out[i].containers = append(out[i].containers, c)
	}
	slices.SortFunc(out, func(a, b deadRun) int { return strings.Compare(a.run, b.run) })
	return out
}

// leftoverWarnings tell of the containers that may be leftovers and were left alone, since that cannot be told.
func (f *containerFleet) leftoverWarnings(h *containerHost) []string {
	var out []string
	for _, c := range h.strangers() {
		is, why := f.lifeOf(h, c)
		if is != lifeUnclear || h.isNamed(c) {
			continue
		}
		out = append(out, fmt.Sprintf("container %s is of %s, and whether that is still going on cannot be told (%s): it is left as it is; if it is over, a container_absent step removes it",
			c.Name, f.whose(c), why))
	}
	return out
}

// changeLeftBehind begins the name of the changes that remove leftovers of a run under other names.
const changeLeftBehind = "remove leftover of "

func isAbout(what, run string) bool {
	rest, ok := strings.CutPrefix(what, changeLeftBehind+"run "+run)
	return ok && (rest == "" || rest[0] == ',')
}

// removeLeftBehind are the changes that remove them. One that was begun is not decided again: what it left alone has come to life.
func (f *containerFleet) removeLeftBehind(h *containerHost) []engine.Change {
	var out []engine.Change
	for _, d := range f.leftBehind(h) {
		if slices.ContainsFunc(h.Past, func(o engine.Outcome) bool { return begun(o) && !lost(o) && isAbout(o.What, d.run) }) {
			continue
		}
		var have, ids []string
		for _, c := range d.containers {
			have, ids = append(have, fmt.Sprintf("%s (%s)", c.Name, c.State.Status)), append(ids, c.ID)
		}
		slices.Sort(have)
		out = append(out, engine.Change{
			What: changeLeftBehind + f.whose(d.containers[0]), Have: strings.Join(have, ", "), Want: "absent", Again: true,
			Do: []engine.Action{removeOfDeadRun(h.Args.Runtime, d.run, leaveAlive, ids...)},
		})
	}
	return out
}

// removeStranger removes a container of another run that has one of the step's names.
func (f *containerFleet) removeStranger(h *containerHost, c *containerInspect) engine.Action {
	if c.ours() && c.run() != h.Run {
		if is, _ := f.lifeOf(h, c); is == lifeOver {
			return removeOfDeadRun(h.Args.Runtime, c.run(), failAlive, c.ID)
		}
	}
	return removeContainer(h.Args.Runtime, "", c.ID)
}

// What removeOfDeadRun does where the run comes to life again.
const (
	leaveAlive = "0"  // leave its containers: they are none of ours
	failAlive  = "75" // fail: it wants the same name as we do
)

// removeOfDeadRun removes containers by their ids, once their run has shown no sign of life for some seconds more: one that lost its connection is back
// by then.
func removeOfDeadRun(runtime, run, alive string, ids ...string) engine.Shell {
	sh := removeContainer(runtime, "", ids...)
	sh.Text = lookForRuns + waitForLife + sh.Text
	sh.Args = append([]string{run, alive}, ids...)
	return sh
}

const waitForLife = `line='
'
for second in 1 2 3 4 5; do
	case $line$(runs_here)$line in
	*"$line$1$line"*)
		printf 'run %s is there again: its containers are left to it\n' "$1" >&2
		exit "$2"
		;;
	esac
	[ "$second" = 5 ] || sleep 1
done
shift 2
`

func (c containerInspect) lifetime() string { return c.Config.Labels[labelLifetime] }
