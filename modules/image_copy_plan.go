package modules

import (
	"fmt"
	"slices"
	"strings"

	"cvsplay/engine"
)

// A copyPlan reckons with what hosts have and can do. It has no memory but the hosts' outcomes.
type copyPlan struct {
	parts   []*copyPart
	seeds   int
	fanout  int
	giveUp  string // why nothing is copied from host to host any more; "": it is
	over    bool   // no host lacks the image
	because map[*copyPart]string
}

// A copyPart is one host in the reckoning.
type copyPart struct {
	host       *imageHost
	has        bool
	keys       bool
	serves     bool
	canServe   bool
	canReceive bool
	failed     []string // names of hosts from which copying has failed
	unfit      string   // why it cannot receive
}

// A copyTask is something to do on a host.
type copyTask struct {
	what string
	from *copyPart // of a copy
}

func (part *copyPart) makesKeys(tasks ...[]copyTask) bool {
	return slices.ContainsFunc(slices.Concat(tasks...), func(t copyTask) bool { return t.what == changeMakeKeys })
}

func (f *imageFleet) plan() *copyPlan {
	p := &copyPlan{seeds: f.hosts[0].Args.Seeds, fanout: f.hosts[0].Args.Fanout}
	var failures, mute []*imageHost
	copied, served := false, false
	for _, h := range f.hosts {
		part := h.part()
		p.parts = append(p.parts, part)
		copied = copied || slices.ContainsFunc(fetches, func(what string) bool { return h.outcome(what) != nil && !h.fetchFailed(what) })
		if len(part.failed) > 0 {
			failures = append(failures, h)
		}
		if served = served || part.serves; h.serveFailed() {
			mute = append(mute, h)
		}
	}
	if len(mute) > 1 && !served {
		a, _ := mute[0].said(changeServe)
		p.giveUp = fmt.Sprintf("no host could serve it; on %s: %s", mute[0].Host, saidWrong(a))
	}
	untried := slices.ContainsFunc(p.parts, func(part *copyPart) bool {
		return part.has && part.canServe && !slices.ContainsFunc(failures, func(h *imageHost) bool { return slices.Contains(h.failedFrom(), part.host.Host) })
	})
	if len(failures) > 1 && !copied && (!untried || manySources(failures)) {
		a, _ := failures[0].said(changeFetch)
		p.giveUp = fmt.Sprintf("copying from host to host failed on all %d hosts that tried, on %s: %s", len(failures), failures[0].Host, saidWrong(a))
	}
	// Waves of copies are rounds of the step, which are bounded.
	const waves = 6
	for reached := 0; ; p.fanout++ {
		reached = p.seeds
		for range waves {
			reached *= p.fanout + 1
		}
		if reached >= len(f.hosts) {
			return p
		}
	}
}

// manySources tells whether copying has failed from more than one host: then it is not that host.
func manySources(failures []*imageHost) bool {
	var from []string
	for _, h := range failures {
		from = append(from, h.failedFrom()...)
	}
	slices.Sort(from)
	return len(slices.Compact(from)) > 1
}

// part is what the host is now.
func (h *imageHost) part() *copyPart {
	part := &copyPart{host: h, has: h.has(), keys: h.keys != nil, failed: h.failedFrom()}
	_, part.serves = h.said(changeServe)
	keyless := h.keys == nil && h.outcome(changeMakeKeys) != nil
	part.canServe = h.tools["sshd"] != "" && h.tools["timeout"] != "" && h.tools["ssh-keygen"] != "" && !keyless && (part.serves || h.outcome(changeServe) == nil)
	switch {
	case h.tools["ssh"] == "":
		part.unfit = "no ssh on this host"
	case h.tools["ssh-keygen"] == "":
		part.unfit = "no ssh-keygen on this host"
	case keyless:
		a, _ := h.said(changeMakeKeys)
		part.unfit = "no keys could be made: " + saidWrong(a)
	}
	part.canReceive = part.unfit == "" && len(part.failed) < 2
	return part
}

func (p *copyPlan) where(is func(*copyPart) bool) []*copyPart {
	var out []*copyPart
	for _, part := range p.parts {
		if is(part) {
			out = append(out, part)
		}
	}
	return out
}

// round tells what every host does in the next round.
func (p *copyPlan) round() [][]copyTask {
	r := &copyRound{plan: p, tasks: map[*copyPart][]copyTask{}}
	p.because = map[*copyPart]string{}
	lacking := p.where(func(part *copyPart) bool { return !part.has })
	p.over = len(lacking) == 0
	r.divide(lacking)
	if len(r.receivers) > 0 {
		r.copies()
	}
	if len(r.tasks) == 0 { // copying has come to its end, and some still lack it
		for _, part := range r.receivers {
			r.direct(part, "no host that has the image could serve it")
		}
	}
	out := make([][]copyTask, len(p.parts))
	for i, part := range p.parts {
		out[i] = r.tasks[part]
	}
	return out
}

// A copyRound is what hosts do at the same time.
type copyRound struct {
	plan      *copyPlan
	receivers []*copyPart // will get it from another host
	tasks     map[*copyPart][]copyTask
}

func (r *copyRound) do(part *copyPart, t copyTask) { r.tasks[part] = append(r.tasks[part], t) }

// direct lets a host have the image from the controller. why is "" for a seed.
func (r *copyRound) direct(part *copyPart, why string) {
	r.plan.because[part] = why
	r.do(part, copyTask{what: changeUpload})
}

// divide tells who gets the image from the controller and who from other hosts.
func (r *copyRound) divide(lacking []*copyPart) {
	p := r.plan
	holders := p.where(func(part *copyPart) bool { return part.has && part.canServe })
	if len(holders) == 0 && len(lacking) <= p.seeds && p.giveUp == "" {
		for _, part := range lacking {
			r.direct(part, "")
		}
		return
	}
	var direct []*copyPart
	for _, part := range lacking {
		if p.giveUp != "" || !part.canReceive || len(part.failed) > 0 && !elsewhere(part, holders) && len(holders) > 0 {
			direct = append(direct, part)
		} else {
			r.receivers = append(r.receivers, part)
		}
	}
	servers := slices.ContainsFunc(direct, func(part *copyPart) bool { return part.canServe })
	if len(holders) == 0 && !servers {
		r.receivers = slices.DeleteFunc(r.receivers, func(part *copyPart) bool {
			seed := part.canServe && len(r.tasks) < p.seeds
			if seed {
				r.keys(part, len(lacking)-len(direct) > p.seeds)
				r.direct(part, "")
			}
			return seed
		})
		if len(r.tasks) == 0 {
			direct, r.receivers = append(direct, r.receivers...), nil
		}
	}
	for _, part := range direct {
		r.keys(part, part.canServe && len(holders) == 0 && len(r.receivers) > 0)
		r.direct(part, r.whyDirect(part, holders))
	}
}

// whyDirect says why a host that is no seed gets the image from the controller.
func (r *copyRound) whyDirect(part *copyPart, holders []*copyPart) string {
	switch {
	case len(part.failed) > 0: // told by what failed
		return ""
	case r.plan.giveUp != "":
		return r.plan.giveUp
	case part.unfit != "":
		return part.unfit
	case len(holders) == 0:
		return "no host could serve it: that takes sshd, ssh-keygen and timeout"
	}
	return "no other host serves it"
}

// elsewhere tells whether there is a host from which copying has not failed yet.
func elsewhere(part *copyPart, holders []*copyPart) bool {
	return slices.ContainsFunc(holders, func(h *copyPart) bool { return !slices.Contains(part.failed, h.host.Host) })
}

// keys has a host make keys where it has none and is to have some.
func (r *copyRound) keys(part *copyPart, wanted bool) {
	if wanted && !part.keys {
		r.do(part, copyTask{what: changeMakeKeys})
	}
}

// copies lets receivers and those who serve them go on: first all have keys, then some serve, then the others copy, and of these some serve too.
func (r *copyRound) copies() {
	p := r.plan
	servers := p.where(func(part *copyPart) bool { return part.has && part.canServe && part.serves })
	idle := p.where(func(part *copyPart) bool { return part.has && part.canServe && !part.serves })
	more := max(0, atLeast(len(r.receivers), p.fanout)-len(servers))
	if slices.ContainsFunc(r.receivers, func(part *copyPart) bool { return !elsewhere(part, servers) }) {
		more = max(more, 1)
	}
	idle = idle[:min(more, len(idle))]
	keyless := false
	for _, part := range r.receivers {
		keyless = keyless || !part.keys
		r.keys(part, true)
	}
	for _, part := range idle {
		r.keys(part, true)
		if !keyless {
			r.do(part, copyTask{what: changeServe})
		}
	}
	if keyless {
		return
	}
	copying := r.assign(servers)
	left := len(r.receivers) - len(copying)
	more = atLeast(left, p.fanout) - len(servers) - len(idle)
	for _, part := range copying {
		if more > 0 && part.canServe {
			r.do(part, copyTask{what: changeServe})
			more--
		}
	}
}

// assign gives receivers a host to copy from, as many to each as it may serve at a time, evenly.
func (r *copyRound) assign(servers []*copyPart) []*copyPart {
	var copying []*copyPart
	load := map[*copyPart]int{}
	for _, part := range r.receivers {
		var best *copyPart
		for _, s := range servers {
			if load[s] < r.plan.fanout && !slices.Contains(part.failed, s.host.Host) && (best == nil || load[s] < load[best]) {
				best = s
			}
		}
		if best == nil {
			continue
		}
		load[best]++
		what := changeFetch
		if len(part.failed) > 0 {
			what = changeFetchAgain
		}
		r.do(part, copyTask{what: what, from: best})
		copying = append(copying, part)
	}
	return copying
}

// atLeast is how many hosts serve n others, each so many at a time.
func atLeast(n, each int) int { return (n + each - 1) / each }

// foresee carries the plan on as if all went well, and tells what every host will have to do after this round.
func (p *copyPlan) foresee(now [][]copyTask) [][]copyTask {
	ahead := *p
	ahead.parts = nil
	for _, part := range p.parts {
		next := *part
		ahead.parts = append(ahead.parts, &next)
	}
	out := make([][]copyTask, len(p.parts))
	const enough = 64
	for range enough {
		busy := false
		for i, tasks := range now {
			for _, t := range tasks {
				ahead.parts[i].take(t)
				busy = true
			}
		}
		if !busy {
			return out
		}
		now = ahead.round()
		for i, tasks := range now {
			out[i] = append(out[i], tasks...)
		}
	}
	return out
}

// take makes a task done.
func (part *copyPart) take(t copyTask) {
	switch t.what {
	case changeMakeKeys:
		part.keys = true
	case changeServe:
		part.serves = true
	default:
		part.has = true
	}
}

// actions carry a task out.
func (p *copyPlan) actions(part *copyPart, t copyTask) []engine.Action {
	h := part.host
	switch t.what {
	case changeMakeKeys:
		return []engine.Action{h.makeKeys()}
	case changeUpload:
		return h.upload(p.because[part])
	case changeServe:
		return []engine.Action{h.serve(p.authorized(part), !part.has)}
	}
	return []engine.Action{h.fetch(t.from.host)}
}

// authorized are the keys of all hosts that lack the image, but a host's own. That any of them may come to any that serves lets a receiver change to
// another host at once when one fails.
func (p *copyPlan) authorized(but *copyPart) string {
	var b strings.Builder
	for _, part := range p.parts {
		if part != but && !part.has && part.host.keys != nil {
			fmt.Fprintf(&b, "restrict %s %s\n", part.host.keys.id, part.host.Host)
		}
	}
	return b.String()
}
