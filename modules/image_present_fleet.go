package modules

import (
	"fmt"
	"slices"
	"strings"

	"cvsplay/engine"
)

// An imageFleet is the hosts that are to get one image of one archive.
type imageFleet struct {
	hosts  []*imageHost
	failed []*imageHost // have their decision: the image could not be brought to them
}

func (f *imageFleet) add(h *imageHost) {
	switch {
	case h.decision == nil:
		f.hosts = append(f.hosts, h)
	case h.outcome(changeUpload) != nil:
		f.failed = append(f.failed, h)
	}
}

// decide takes the hosts one round further. What the next round does follows from who has the image, who serves it and who has keys; the same
// reckoning, carried on with every copy taken for done, tells in the first round what all the others will do.
func (f *imageFleet) decide() {
	if len(f.hosts) == 0 || f.refused() {
		return
	}
	plan := f.plan()
	now := plan.round()
	coming := plan.foresee(now)
	for i, h := range f.hosts {
		h.decision = h.decideCopy(plan, plan.parts[i], now[i], coming[i])
	}
}

// refused ends the step where the archive went to several hosts and came to be an image on none: it would not on the others.
func (f *imageFleet) refused() bool {
	const several = 3
	if len(f.failed) < max(several, f.hosts[0].Args.Seeds) || slices.ContainsFunc(f.hosts, (*imageHost).has) {
		return false
	}
	var names []string
	for _, h := range f.failed {
		names = append(names, h.Host)
	}
	why := f.failed[0].outcome(changeUpload).Why
	for _, h := range f.hosts {
		h.decision = engine.Stop{State: engine.Refused, Why: fmt.Sprintf("%s failed on all hosts that it was tried on, %s, so it is not tried here\n  on %s: %s",
			changeUpload, engine.FoldHosts(names), f.failed[0].Host, orText(why, "another image came"))}
		if len(h.folders) > 0 && h.outcome(changeTidy) == nil {
			h.decision = engine.Act{Changes: []engine.Change{h.change(changeTidy, true, removeFolder(h.folder))}}
		}
	}
	return true
}

func (h *imageHost) decideCopy(plan *copyPlan, part *copyPart, now, coming []copyTask) engine.Decision {
	act := engine.Act{Results: engine.Values{"ref": h.ref.String()}}
	if h.has() {
		act.Results = h.results()
	}
	for _, t := range now {
		act.Changes = append(act.Changes, h.change(t.what, true, plan.actions(part, t)...))
	}
	if len(h.Past) == 0 {
		for _, t := range coming {
			act.Changes = append(act.Changes, h.change(t.what, false))
		}
	}
	tidy := len(now)+len(coming) == 0 && plan.over && len(h.folders) > 0
	if tidy || len(h.Past) == 0 && part.makesKeys(now, coming) {
		act.Changes = append(act.Changes, h.change(changeTidy, tidy, removeFolder(h.folder)))
	}
	if len(act.Changes) > 0 {
		act.Finally = []engine.Final{{Module: imageCopyAbsentSchema.Name, Args: imageCopyAbsentArgs{Run: h.Run}}}
		return act
	}
	if !h.has() { // it waits for others; where they never come to an end, nobody takes it for done
		return failedStop("no host came to have %s from which it could be copied here", h.ref)
	}
	return engine.Done{Results: h.results(), Warn: h.copyWarnings()}
}

// copyWarnings tells what did not go as planned, though the host has the image.
func (h *imageHost) copyWarnings() []string {
	var out []string
	for _, what := range fetches {
		if h.fetchFailed(what) {
			a, _ := h.said(what)
			out = append(out, fmt.Sprintf("copying %s from %s failed: %s", h.ref, h.fetchedFrom(what), saidWrong(a)))
		}
	}
	if len(out) > 0 && h.did(changeUpload) {
		out[len(out)-1] += "; it came from the controller"
	}
	if a, ok := h.said(changeUpload); ok && a.Stdout.Size > 0 {
		out = append(out, fmt.Sprintf("%s came from the controller and not from another host: %s", h.ref, strings.TrimSpace(a.Stdout.String())))
	}
	if h.serveFailed() {
		a, _ := h.said(changeServe)
		out = append(out, fmt.Sprintf("%s could not be served to other hosts from here: %s", h.ref, saidWrong(a)))
	}
	return out
}

// serveFailed tells whether the host could not serve the image though it had it.
func (h *imageHost) serveFailed() bool {
	_, ok := h.said(changeServe)
	return !ok && h.outcome(changeServe) != nil && !slices.ContainsFunc(fetches, h.fetchFailed)
}

func saidWrong(a engine.Answer) string {
	if a.State != engine.Given {
		return orText(a.Why, "the connection was lost")
	}
	return strings.ReplaceAll(orText(strings.TrimSpace(a.Stderr.String()), fmt.Sprintf("exit code %d", a.Code)), "\n", "; ")
}

// failedFrom are the hosts from which copying has failed here.
func (h *imageHost) failedFrom() []string {
	var out []string
	for _, what := range fetches {
		if h.fetchFailed(what) {
			out = append(out, h.fetchedFrom(what))
		}
	}
	return out
}
