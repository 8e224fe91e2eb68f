package modules

import (
	"slices"
	"strings"
	"time"

	"cvsplay/engine"
)

// Whether the run that launched a container is still going on can be told by whoever looks at the host, whatever controller the run was started from:
// the shells of a run carry its id. The container's labels say where and when those shells could be seen.

// The labels that tell it, and whose a container is.
const (
	labelBoot  = "cvsplay.boot"  // id of the host's boot in which it was launched
	labelPIDNS = "cvsplay.pidns" // the PID namespace in which its run's shells are seen
	labelBy    = "cvsplay.by"    // who started the run, and from where
	labelKept  = "cvsplay.kept"  // "true" where the run was asked to leave it
)

// lookForRuns is sh that defines runs_here: the ids of the runs that have a shell on this host, one a line. No process that it starts has a word of its own
// that looks like a shell's.
const lookForRuns = `runs_here() {
	cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\000' '\n' | sed -n 's/^` + engine.SignOfLife + `//p' | sort -u
}
boot_here() {
	life_boot= life_pidns=
	{ read -r life_boot </proc/sys/kernel/random/boot_id && life_pidns=$(readlink /proc/self/ns/pid); } 2>/dev/null || :
}
`

// lifeQuestion asks which runs have shells on the host, and whether all that are there can be seen.
var lifeQuestion = engine.Shell{Text: lookForRuns + `boot_here
all=no
{ true </proc/1/cmdline; } 2>/dev/null && all=yes
printf 'life boot %s\nlife pidns %s\nlife all %s\n' "$life_boot" "$life_pidns" "$all"
runs_here | sed 's/^/life run /'
echo 'life end'
`}

// lifeFacts are the answer to lifeQuestion.
type lifeFacts struct {
	boot  string // id of the host's boot; "": it cannot be told
	pidns string // the PID namespace whose processes were looked at; "": it cannot be told
	all   bool   // the processes of other accounts can be seen
	runs  []string
}

// readLife reads the answer to a lifeQuestion; nil: it is none.
func readLife(a engine.Answer) *lifeFacts {
	text := a.Stdout.String()
	if a.Code != 0 || !strings.HasPrefix(text, "life ") || !strings.HasSuffix(text, "\nlife end\n") {
		return nil
	}
	f := &lifeFacts{}
	for line := range strings.Lines(text) {
		what, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "life "), " ")
		switch what {
		case "boot":
			f.boot = value
		case "pidns":
			f.pidns = value
		case "all":
			f.all = value == "yes"
		case "run":
			f.runs = append(f.runs, value)
		}
	}
	return f
}

// A life is what is known of the run that launched a container.
type life int

const (
	lifeUnclear life = iota // it cannot be told: nothing of it is touched
	lifeOver                // it has ended, or was killed
	lifeGoing               // it is going on, here or on another host of the fleet
)

// lifeOf tells whether the run that launched a container of this host is still going on, and where that cannot be told why.
func (f *containerFleet) lifeOf(h *containerHost, c *containerInspect) (life, string) {
	run, boot, pidns := c.run(), c.Config.Labels[labelBoot], c.Config.Labels[labelPIDNS]
	if run == h.Run || slices.ContainsFunc(f.hosts, func(other *containerHost) bool { return other.life != nil && slices.Contains(other.life.runs, run) }) {
		return lifeGoing, ""
	}
	look := h.life
	switch {
	case run == "":
		return lifeUnclear, "it does not say of which run it is"
	case boot == "" || pidns == "":
		return lifeUnclear, "it was launched by a version that left no sign of life"
	case look == nil || look.boot == "" || look.pidns == "":
		return lifeUnclear, "the host does not show its processes"
	case look.boot != boot:
		return lifeOver, ""
	case look.pidns != pidns:
		return lifeUnclear, "it was launched from another PID namespace of the host"
	case !look.all:
		return lifeUnclear, "the host hides the processes of other accounts: hidepid"
	case !slices.Contains(look.runs, h.Run): // who does not even see itself has no right to call others dead
		return lifeUnclear, "the host does not show the shells of runs"
	}
	return lifeOver, ""
}

// hasSign tells whether a container says where the shells of its run could be seen.
func (c containerInspect) hasSign() bool {
	return c.Config.Labels[labelBoot] != "" && c.Config.Labels[labelPIDNS] != ""
}

// whose says of which run a container is, who started that, from where, and since when. The time is that of the earliest container of the run in the
// fleet, so that hosts in the same case are told together.
func (f *containerFleet) whose(c *containerInspect) string {
	words := "run " + c.run()
	if by := c.Config.Labels[labelBy]; by != "" {
		words += ", by " + by
	}
	first := ""
	for _, h := range f.hosts {
		for _, other := range h.strangers() {
			if since := other.since(); other.run() == c.run() && since != "" && (first == "" || since < first) {
				first = since
			}
		}
	}
	if first != "" {
		words += ", since " + first
	}
	return words
}

// since is when a container was made, as text that sorts by time; "" where the runtime does not tell.
func (c containerInspect) since() string {
	t, err := time.Parse(time.RFC3339Nano, c.Created)
	if err != nil {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}
