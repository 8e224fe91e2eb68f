package report

import (
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/spinner"
	"github.com/charmbracelet/x/ansi"

	"cvsplay/engine/nodeset"
)

const (
	barWidth   = 20
	liveWidth  = 79 // of the live view at most: what is not wider than the window after it shrank is not wrapped by the terminal
	maxRunning = 8  // steps shown
	fewHosts   = 3  // so many hosts still running are named
)

// Progress is how far a run is, as the live view shows it.
type progress struct {
	play    string
	steps   []stepProgress
	more    int // running steps that are not among them
	over    int // steps
	total   int // steps
	hosts   int
	left    int // hosts still in the play
	bad     int
	stopped bool
	elapsed time.Duration
}

// A stepProgress is how far one step is.
type stepProgress struct {
	label                     string
	hosts                     int
	passed, failed, beginning int // beginning: hosts that are at it now
	names                     []string
	elapsed                   time.Duration
}

// progress gives a copy of how far the run is.
func (t *transcript) progress(elapsed time.Duration, now time.Time) progress {
	p := progress{elapsed: elapsed, stopped: len(t.stopping) > 0, bad: t.badHosts()}
	if t.play == nil || t.done.Kind != "" {
		return p
	}
	p.play, p.hosts, p.left = t.play.name, t.play.hosts, t.play.left()
	p.total, p.over = len(t.play.steps), t.play.over
	for i := t.play.over; i < len(t.play.steps); i++ {
		s := &t.play.steps[i]
		if len(s.running) == 0 {
			continue
		}
		if len(p.steps) == maxRunning {
			p.more++
			continue
		}
		sp := stepProgress{
			label: label(s.Module, s.Step), hosts: t.play.hosts, passed: s.passed, failed: len(s.failed), beginning: len(s.running),
			elapsed: now.Sub(s.began),
		}
		if s.Once {
			sp.hosts = 1
		}
		if len(s.running) <= fewHosts {
			for host := range s.running {
				sp.names = append(sp.names, host)
			}
		}
		p.steps = append(p.steps, sp)
	}
	return p
}

// badHosts is how many hosts have failed.
func (t *transcript) badHosts() int { return len(t.causes.ofHost) }

// view draws the progress in so many columns and rows.
func (p progress) view(s styles, frame, width, height int) string {
	width = min(width-1, liveWidth)
	var lines []string
	wide := 0
	for _, step := range p.steps {
		wide = min(maxLabel, max(wide, ansi.StringWidth(step.label)))
	}
	room := max(1, height-3)
	for i, step := range p.steps {
		if i == room {
			p.more += len(p.steps) - i
			break
		}
		lines = append(lines, ansi.Truncate(step.line(s, frame, wide), width, "…"))
	}
	if p.more > 0 {
		lines = append(lines, s.faint.Render("  … "+count(p.more, "step")+" more"))
	}
	lines = append(lines, ansi.Truncate(p.foot(s), width, "…"))
	return strings.Join(lines, "\n")
}

// foot is the last line: the run as a whole.
func (p progress) foot(s styles) string {
	var parts []string
	if p.play == "" {
		parts = append(parts, "starting")
	} else {
		parts = append(parts, Safe(p.play), thousands(p.over)+"/"+count(p.total, "step"), thousands(p.left)+" of "+count(p.hosts, "host")+" running")
	}
	text := s.faint.Render(strings.Join(parts, " · "))
	if p.bad > 0 {
		text += s.faint.Render(" · ") + s.badBold.Render(thousands(p.bad)+" failed")
	}
	if p.stopped {
		text += s.faint.Render(" · ") + s.badBold.Render("stopping")
	}
	return text + s.faint.Render(" · "+clockTime(p.elapsed))
}

// line is a running step: how many hosts are past it, as a bar and in numbers, and who is still at it.
func (sp stepProgress) line(s styles, frame, wide int) string {
	turn := spinner.MiniDot.Frames
	text := s.changed.Render(turn[frame%len(turn)]) + " " + pad(truncate(sp.label, maxLabel), wide) + "  "
	all := thousands(sp.hosts)
	text += sp.bar(s) + " " + strings.Repeat(" ", max(0, len(all)-len(thousands(sp.passed)))) + thousands(sp.passed) + "/" + all
	if sp.failed > 0 {
		text += " " + s.badBold.Render(thousands(sp.failed)+" failed")
	}
	text += s.faint.Render(" " + clockTime(sp.elapsed))
	if sp.passed > 0 && len(sp.names) > 0 {
		text += s.faint.Render(" " + Safe(nodeset.Fold(sp.names)))
	}
	return text
}

// bar shows hosts past the step, those that failed at it, those at it, and those before it.
func (sp stepProgress) bar(s styles) string {
	if sp.hosts == 0 {
		return strings.Repeat(" ", barWidth)
	}
	share := func(n int) int {
		w := n * barWidth / sp.hosts
		if n > 0 && w == 0 {
			w = 1 // a single one among thousands is seen too
		}
		return w
	}
	failed := share(sp.failed)
	good := min(share(max(0, sp.passed-sp.failed)), barWidth-failed)
	running := min(share(sp.beginning), barWidth-failed-good)
	if sp.passed == sp.hosts {
		good, running = barWidth-failed, 0
	}
	rest := barWidth - failed - good - running
	return s.good.Render(strings.Repeat("━", good)) + s.bad.Render(strings.Repeat("━", failed)) +
		s.changed.Render(strings.Repeat("╌", running)) + s.faint.Render(strings.Repeat("·", rest))
}

// clockTime is a time in whole seconds: it changes once a second, and so does the terminal.
func clockTime(d time.Duration) string {
	if d < time.Minute {
		return thousands(max(0, int(d.Seconds()))) + "s"
	}
	return elapsed(d)
}
