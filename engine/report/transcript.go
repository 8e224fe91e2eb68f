package report

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"cvsplay/engine/event"
	"cvsplay/engine/nodeset"
)

const (
	statusWidth = 12 // "would change"
	maxLabel    = 30 // of module and step
	maxHosts    = 28 // of folded host names in a line; more are counted
	maxRest     = 3  // changes of a step, and lines of each, unless everything is asked for
	gap         = 2
)

// A transcript is the fold from events to lines of text: what the plain report writes and what scrolls up above the live view. It keeps no
// line and no more of a run than its recap needs.
type transcript struct {
	styles  styles
	width   int
	verbose int
	diff    bool
	quiet   bool     // failures and the recap alone
	answers *answers // of a command run by itself; nil where steps are told

	lines   []string // what the event at hand has to tell
	printed bool     // something was told

	started   event.Event
	done      event.Event
	order     map[string]int // of the inventory
	play      *play
	plays     int
	folds     map[string]*stepFold
	memo      nodeset.Memo
	pending   warnings // of hosts, outside of steps
	tails     map[place]*tail
	tally     event.Tally
	causes    *causes
	outputs   []event.Event
	valueless []event.Event // warnings: the outputs that have no value
	times     []playTimes
	stopping  []string

	labelWidth, hostsWidth int
}

func newTranscript(w io.Writer, o Options) *transcript {
	width, _ := o.size(w)
	var folded *answers
	if o.Answers {
		folded = newAnswers()
	}
	return &transcript{
		answers: folded,
		styles:  newStyles(w, o), width: width, verbose: o.Verbose, diff: o.Diff,
		order: map[string]int{}, folds: map[string]*stepFold{}, tails: map[place]*tail{}, causes: newCauses(),
	}
}

// handle gives the lines that e has to tell.
func (t *transcript) handle(e event.Event) []string {
	t.lines = nil
	t.tally.Handle(e)
	if t.play != nil {
		t.play.handle(e)
	}
	switch e.Kind {
	case event.RunStarted:
		t.runStarted(e)
	case event.PlayStarted, event.BatchStarted:
		t.playStarted(e)
	case event.Out:
		t.output(e)
	case event.Retry:
		t.retry(e)
	case event.Warning:
		if e.Name != "" {
			t.valueless = append(t.valueless, e)
		}
		t.warning(e)
	case event.RoundTrip:
		if t.verbose > 0 {
			t.fold(e).trips.add(e)
		}
	case event.Timings:
		t.times = append(t.times, playTimes{Event: e, play: t.play})
	case event.StepDone:
		t.stepDone(e)
	case event.CleanupDone: // told like a step of its own, after those of the play; one that found nothing to do is no news
		if e.Status == event.OK && t.verbose == 0 {
			break
		}
		e.Step = strings.TrimSpace(e.Step + " cleanup")
		t.stepDone(e)
	case event.Rescued:
		t.causes.rescue(e)
	case event.Stopping:
		t.stopping = append(t.stopping, e.Message)
		t.told("stopping", t.styles.badBold.Render, e.Message)
	case event.HostDone:
		if t.answers != nil {
			t.answers.end(e.Host, e.Status, e.Message)
		}
		t.causes.leave(e, t.tally.Bad(e.Host))
	case event.PlayDone:
		t.flush()
	case event.OutputValue:
		t.outputs = append(t.outputs, e)
	case event.RunDone:
		t.flush()
		t.done = e
		t.recap()
		t.timings()
	}
	if t.play != nil {
		for s, over := t.play.next(); over; s, over = t.play.next() {
			t.stepOver(s)
		}
	}
	return t.lines
}

func (t *transcript) print(line string) {
	if line == "" && !t.printed {
		return // nothing to stand apart from
	}
	t.printed = true
	t.lines = append(t.lines, strings.TrimRight(line, " "))
}

// detail prints what is of no interest where failures alone are asked for.
func (t *transcript) detail(line string) {
	if !t.quiet {
		t.print(line)
	}
}

// told prints a word in the column of the states, and a text that belongs to no step.
func (t *transcript) told(word string, style func(...string) string, text string) {
	indent := statusWidth + gap
	for i, line := range safeLines(text) {
		for j, part := range wrap(line, t.width-indent) {
			if i+j == 0 {
				t.print(style(pad(word, indent)) + part)
			} else {
				t.print(strings.Repeat(" ", indent) + part)
			}
		}
	}
}

func (t *transcript) runStarted(e event.Event) {
	t.started = e
	for i, host := range e.Hosts {
		t.order[host] = i
	}
	text := cmp.Or(Safe(e.Playbook), "run") + " on " + count(len(e.Hosts), "host")
	if len(e.Inventory) > 0 {
		text += " of " + Safe(strings.Join(e.Inventory, ", "))
	}
	if e.Limit != "" {
		text += ", limited to " + Safe(e.Limit)
	}
	if len(e.Tags) > 0 {
		text += ", tags " + Safe(strings.Join(e.Tags, ","))
	}
	if e.Check {
		text += ", check mode"
	}
	if e.Simulated {
		text += "; these hosts are simulated (an embedded lab)"
	}
	for _, line := range wrap(text, t.width) {
		t.detail(t.styles.bold.Render(line))
	}
}

func (t *transcript) playStarted(e event.Event) {
	t.flush()
	steps := e.Steps
	title := "play " + e.Play
	if e.Kind == event.BatchStarted {
		title += ", batch " + thousands(e.Batch)
		if len(steps) == 0 && t.play != nil {
			for _, s := range t.play.steps {
				steps = append(steps, s.StepInfo)
			}
		}
	} else {
		t.plays++
	}
	t.play = newPlay(e.Play, e.Hosts, steps)
	t.labelWidth = 0
	for _, s := range steps {
		t.labelWidth = min(maxLabel, max(t.labelWidth, ansi.StringWidth(label(s.Module, s.Step))))
	}
	t.hostsWidth = min(maxHosts, ansi.StringWidth(Safe(t.memo.Fold(e.Hosts))))
	if t.answers != nil {
		return
	}
	if e.Kind == event.PlayStarted || e.Batch > 1 { // the first batch stands right below its play
		t.detail("")
	}
	t.detail(t.styles.bold.Render(Safe(title)) + t.styles.faint.Render(": "+t.hosts(e.Hosts, t.width-ansi.StringWidth(title)-14)))
}

// label names a step as its playbook does.
func label(module, step string) string { return Safe(strings.TrimSpace(module + " " + step)) }

// hosts folds names and counts them; too many are counted alone.
func (t *transcript) hosts(names []string, width int) string {
	text := count(len(names), "host")
	if fold := Safe(t.memo.Fold(names)); fold != "" && ansi.StringWidth(fold) <= width {
		text += ", " + fold
	}
	return text
}

func (t *transcript) output(e event.Event) {
	if t.answers != nil {
		t.answers.add(e)
	}
	line := safeLine(e)
	at := place{e.Host, e.Step, e.Key}
	if t.tails[at] == nil {
		t.tails[at] = &tail{}
	}
	t.tails[at].add(line)
	if t.verbose < 2 {
		return
	}
	bar := "│ "
	if e.Stream == "stderr" {
		bar = "┆ "
	}
	t.detail(t.styles.faint.Render(Safe(e.Host)+" "+bar) + line)
}

func (t *transcript) retry(e event.Event) {
	delete(t.tails, place{e.Host, e.Step, e.Key})
	if t.answers != nil {
		t.answers.again(e.Host)
	}
	if t.verbose < 1 {
		return
	}
	text := "attempt " + thousands(e.Attempt) + " failed: " + e.Message
	if e.Seconds > 0 {
		text += "; next in " + elapsed(seconds(e.Seconds))
	}
	t.stepLine(line{word: "retry", style: t.styles.warn, label: t.label(e), hosts: []string{e.Host}, rest: []string{text}, all: true})
}

func (t *transcript) warning(e event.Event) {
	switch {
	case t.quiet:
	case e.Diagnostic != nil:
		t.lines = append(t.lines, t.styles.diagnostic(*e.Diagnostic, t.width)...)
	case e.Step != "" && t.play != nil && !t.play.isOver(e.Step):
		t.fold(e).warnings.add(e)
	case e.Host != "":
		t.pending.add(e)
	default:
		t.told("warning", t.styles.warn.Render, e.Message)
	}
}

func (t *transcript) fold(e event.Event) *stepFold {
	f := t.folds[e.Step]
	if f == nil {
		f = newStepFold(e)
		t.folds[e.Step] = f
	}
	return f
}

func (t *transcript) label(e event.Event) string {
	module := e.Module
	if module == "" && t.play != nil {
		if i, ok := t.play.index[e.Step]; ok {
			module = t.play.steps[i].Module
		}
	}
	return label(module, e.Step) + keys([]string{e.Key})
}

func (t *transcript) stepDone(e event.Event) {
	at := place{e.Host, e.Step, e.Key}
	end := t.tails[at]
	delete(t.tails, at)
	if t.answers != nil {
		t.answers.end(e.Host, e.Status, e.Reason)
		if e.Status.Bad() {
			t.causes.add(e, e.Reason, end)
		}
		return
	}
	f := t.fold(e)
	g := f.add(e)
	if !e.Status.Bad() || e.Ignored {
		return
	}
	if end == nil {
		end = resultTail(e.Results)
	}
	c, first := t.causes.add(e, e.Reason, end)
	if f.told == maxNow || (!first && t.quiet) {
		return
	}
	f.told++
	g.told++
	why := withoutHost(e.Reason, e.Host)
	if !first {
		why = "as " + c.hosts[0]
	}
	t.stepLine(line{
		word: word(e.Status), style: t.styles.status(e.Status, false), label: t.label(e), hosts: []string{e.Host}, rest: []string{why}, all: true,
	})
	if first {
		t.tail(end, liveTail, statusWidth+gap)
	}
}

// tail prints the end of what a failed script printed.
func (t *transcript) tail(end *tail, n, indent int) {
	lines, left := end.last(n)
	margin := strings.Repeat(" ", indent) + t.styles.faint.Render("│ ")
	if left > 0 {
		t.print(margin + t.styles.faint.Render("… "+count(left, "line")+" before"))
	}
	for _, text := range lines {
		t.print(margin + truncate(text, t.width-indent-2))
	}
}

// flush tells the steps that are not over for all hosts: their play is.
func (t *transcript) flush() {
	if t.play != nil {
		for ; t.play.over < len(t.play.steps); t.play.over++ {
			t.stepOver(t.play.steps[t.play.over].StepInfo)
		}
	}
	late := make([]string, 0, len(t.folds))
	for name := range t.folds {
		late = append(late, name)
	}
	slices.SortFunc(late, nodeset.Compare)
	for _, name := range late {
		t.stepOver(event.StepInfo{Step: name})
	}
	t.flushWarnings("", &t.pending)
	clear(t.tails)
}

// stepOver tells how a step ended on all its hosts.
func (t *transcript) stepOver(s event.StepInfo) {
	t.flushWarnings("", &t.pending)
	f := t.folds[s.Step]
	if f == nil {
		return
	}
	delete(t.folds, s.Step)
	name := label(cmp.Or(s.Module, f.module), s.Step)
	all := t.verbose > 0
	for _, g := range f.lines(all) {
		if (t.quiet && !(g.status.Bad() && !g.ignored)) || !g.untold() {
			continue
		}
		t.stepLine(line{
			word: word(g.status), style: t.styles.status(g.status, g.ignored), label: name + keys(g.keys),
			hosts: g.hosts, rest: t.words(g), all: all,
		})
		if all {
			t.changes(g)
		}
		if t.diff {
			t.diffs(g)
		}
	}
	t.trips(&f.trips, f.hosts())
	t.flushWarnings(name, &f.warnings)
}

// words are why or what, as they stand in a group's line; with -v the changes follow on lines of their own.
func (t *transcript) words(g *group) []string {
	if t.verbose > 0 {
		if g.reason == "" && !g.ignored {
			return nil
		}
		return g.words(describe)
	}
	return g.words(func(c event.Change) string { return describeIn(c, t.width-statusWidth-gap) })
}

func (t *transcript) flushWarnings(step string, w *warnings) {
	if t.quiet {
		return
	}
	for _, one := range w.list {
		if step == "" {
			text := one.message
			if len(one.hosts) > 0 {
				text = nodeset.Fold(one.hosts) + ": " + text
			}
			t.told("warning", t.styles.warn.Render, text)
			continue
		}
		t.stepLine(line{
			word: "warning", style: t.styles.warn, label: step, hosts: one.hosts, rest: []string{one.message}, all: true,
		})
	}
	*w = warnings{}
}

// changes prints every change of a group.
func (t *transcript) changes(g *group) {
	indent := strings.Repeat(" ", statusWidth+gap)
	for _, c := range g.changes {
		for i, text := range wrap(clip(describe(c)), t.width-len(indent)-2) {
			mark := "  "
			if i == 0 {
				mark = "• "
			}
			t.print(indent + t.styles.faint.Render(mark) + text)
		}
	}
}

func (t *transcript) diffs(g *group) {
	indent := strings.Repeat(" ", 4)
	for _, c := range g.changes {
		for _, text := range safeLines(c.Diff) {
			style := t.styles.plain
			switch {
			case strings.HasPrefix(text, "+++"), strings.HasPrefix(text, "---"), strings.HasPrefix(text, "@@"):
				style = t.styles.faint
			case strings.HasPrefix(text, "+"):
				style = t.styles.good
			case strings.HasPrefix(text, "-"):
				style = t.styles.bad
			}
			t.print(indent + style.Render(text))
		}
	}
}
