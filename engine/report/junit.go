package report

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"cvsplay/engine/event"
)

// JUnit writes a run as JUnit XML when it is closed, for systems that show tests: a play is a suite, and each step that a host reached is a case of
// the class PLAY.HOST, in the order of the play's hosts. What failed or was refused is a failure; what was unreachable or unknown is an error, since
// nothing is known of what was to be tested; skipped and cancelled are skipped. A failure that the playbook ignores is none.
//
// A run that ended badly has a failure or an error in any case, in a suite of its own where no host is to blame.
func JUnit(w io.Writer) Report {
	return &junit{w: w, index: map[string]*junitSuite{}, tails: map[place]*tail{}}
}

type junit struct {
	w      io.Writer
	suites []*junitSuite
	index  map[string]*junitSuite
	tails  map[place]*tail
	tally  event.Tally
	began  event.Event
	done   *event.Event
	notes  []string // what belongs to no host
}

// A junitSuite is one play.
type junitSuite struct {
	Name      string       `xml:"name,attr"`
	Tests     int          `xml:"tests,attr"`
	Failures  int          `xml:"failures,attr"`
	Errors    int          `xml:"errors,attr"`
	Skipped   int          `xml:"skipped,attr"`
	Time      junitTime    `xml:"time,attr"`
	Timestamp string       `xml:"timestamp,attr,omitempty"`
	Cases     []*junitCase `xml:"testcase"`

	order map[string]int  // of the play's hosts
	bad   map[string]bool // hosts with a failure or an error
}

// A junitCase is one step on one host.
type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    junitTime     `xml:"time,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Error   *junitMessage `xml:"error,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
	Out     *junitText    `xml:"system-out,omitempty"`

	host, step string
}

// A junitMessage says why a case did not pass.
type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",cdata"`
}

// A junitText is lines, each safe to print.
type junitText struct {
	Text string `xml:",cdata"`
}

// A junitTime is seconds. XML's decimals have no exponent.
type junitTime float64

// MarshalXMLAttr writes them to the millisecond.
func (t junitTime) MarshalXMLAttr(name xml.Name) (xml.Attr, error) {
	return xml.Attr{Name: name, Value: strconv.FormatFloat(float64(t), 'f', 3, 64)}, nil
}

// junitFile is the whole document.
type junitFile struct {
	XMLName  xml.Name      `xml:"testsuites"`
	Name     string        `xml:"name,attr"`
	Tests    int           `xml:"tests,attr"`
	Failures int           `xml:"failures,attr"`
	Errors   int           `xml:"errors,attr"`
	Skipped  int           `xml:"skipped,attr"`
	Time     junitTime     `xml:"time,attr"`
	Suites   []*junitSuite `xml:"testsuite"`
}

// Handle takes e.
func (r *junit) Handle(e event.Event) {
	r.tally.Handle(e)
	at := place{e.Host, e.Step, e.Key}
	switch e.Kind {
	case event.RunStarted:
		r.began = e
	case event.PlayStarted:
		s := r.suite(e.Play)
		s.Timestamp = e.Time.UTC().Format("2006-01-02T15:04:05")
		for i, host := range e.Hosts {
			s.order[host] = i
		}
	case event.Out:
		if r.tails[at] == nil {
			r.tails[at] = &tail{}
		}
		r.tails[at].add(safeLine(e))
	case event.Retry:
		delete(r.tails, at)
	case event.StepDone:
		end := r.tails[at]
		delete(r.tails, at)
		r.suite(e.Play).add(e, label(e.Module, e.Step)+keys([]string{e.Key}), end)
	case event.CleanupDone:
		r.suite(e.Play).add(e, label(e.Module, e.Step)+" cleanup", nil)
	case event.HostDone: // one that is lost where its own steps do not tell, such as by a step that is done once for all
		if s := r.suite(e.Play); e.Status.Bad() && r.tally.Bad(e.Host) && !s.bad[e.Host] {
			e.Reason = e.Message
			s.add(e, "play", nil)
		}
	case event.Rescued:
		r.suite(e.Play).rescue(e)
	case event.Stopping:
		r.notes = append(r.notes, e.Message)
	case event.Warning:
		if e.Host == "" {
			r.notes = append(r.notes, e.Message)
		}
	case event.PlayDone:
		r.suite(e.Play).Time = junitTime(e.Seconds)
	case event.RunDone:
		r.done = &e
	}
}

// Close writes the document.
func (r *junit) Close() error {
	doc := junitFile{Name: cmp.Or(Safe(r.began.Playbook), "run"), Suites: r.suites}
	if r.done != nil {
		doc.Time = junitTime(r.done.Seconds)
	}
	if why := r.ending(); why != "" {
		doc.Suites = append(doc.Suites, &junitSuite{Name: "run", Cases: []*junitCase{{
			Class: "run", Name: "run", Time: doc.Time, Error: &junitMessage{Message: why, Text: inXML(r.noted())},
		}}})
	}
	for _, s := range doc.Suites {
		s.count()
		doc.Tests += s.Tests
		doc.Failures += s.Failures
		doc.Errors += s.Errors
		doc.Skipped += s.Skipped
	}
	text, err := xml.MarshalIndent(doc, "", "  ")
	if err == nil {
		_, err = io.WriteString(r.w, xml.Header+string(text)+"\n")
	}
	return err
}

// ending is why the run as a whole did not end well, where no case tells.
func (r *junit) ending() string {
	blamed := slices.ContainsFunc(r.suites, func(s *junitSuite) bool {
		for _, bad := range s.bad {
			if bad {
				return true
			}
		}
		return false
	})
	switch {
	case r.done == nil:
		return "the run did not come to its end"
	case r.done.ExitCode != nil && *r.done.ExitCode == 130:
		return "interrupted"
	case r.done.ExitCode != nil && *r.done.ExitCode != 0 && !blamed:
		return "exit code " + thousands(*r.done.ExitCode)
	}
	return ""
}

// noted is what was told of the run as a whole.
func (r *junit) noted() []string {
	var out []string
	for _, note := range r.notes {
		out = append(out, safeLines(note)...)
	}
	return out
}

func (r *junit) suite(play string) *junitSuite {
	s := r.index[play]
	if s == nil {
		s = &junitSuite{Name: Safe(play), order: map[string]int{}, bad: map[string]bool{}}
		r.index[play] = s
		r.suites = append(r.suites, s)
	}
	return s
}

// rescue lets the cases pass that a block made up for.
func (s *junitSuite) rescue(e event.Event) {
	s.bad[e.Host] = false
	for _, c := range s.Cases {
		switch {
		case c.host != e.Host:
		case c.step == e.Step && c.Failure != nil:
			c.Out = &junitText{inXML([]string{fmt.Sprintf("failed, which the block %s rescued: %s", Safe(e.Name), c.Failure.Message)})}
			c.Failure = nil
		default:
			s.bad[e.Host] = s.bad[e.Host] || c.Failure != nil || c.Error != nil
		}
	}
}

// add makes a case of how a step ended; end is what it printed last.
func (s *junitSuite) add(e event.Event, name string, end *tail) {
	c := &junitCase{Class: s.Name + "." + Safe(e.Host), Name: name, Time: junitTime(e.Seconds), host: e.Host, step: e.Step}
	s.Cases = append(s.Cases, c)
	m := messageOf(e)
	switch e.Status {
	case event.OK:
	case event.Changed, event.WouldChange:
		c.Out = &junitText{changeText(e)}
	case event.Skipped, event.Cancelled:
		c.Skipped = m
	case event.Unreachable, event.Unknown:
		s.bad[e.Host] = true
		c.Error = m
	default: // failed, refused
		if e.Ignored {
			c.Out = &junitText{inXML([]string{"failed, which the playbook ignores: " + m.Message})}
			return
		}
		if end == nil {
			end = resultTail(e.Results)
		}
		s.bad[e.Host] = true
		m.printed(end)
		c.Failure = m
	}
}

// messageOf is why a step ended as it did.
func messageOf(e event.Event) *junitMessage {
	m := &junitMessage{Message: word(e.Status), Type: Safe(string(e.Status))}
	if lines := safeLines(withoutHost(e.Reason, e.Host)); len(lines) > 0 {
		m.Message, m.Text = lines[0], inXML(lines[1:])
	}
	return m
}

// printed adds the end of what a script printed.
func (m *junitMessage) printed(end *tail) {
	lines, left := end.last(tailLines)
	if len(lines) == 0 {
		return
	}
	if left > 0 {
		lines = append([]string{"… " + count(left, "line") + " before"}, lines...)
	}
	if m.Text != "" {
		m.Text += "\n\n"
	}
	m.Text += inXML(lines)
}

// changeText says what changed, or would, a line each.
func changeText(e event.Event) string {
	lines := []string{word(e.Status)}
	if reason := Safe(e.Reason); reason != "" {
		lines[0] += ": " + reason
	}
	for _, c := range e.Changes {
		lines = append(lines, clip(describe(c)))
	}
	return inXML(lines)
}

// inXML joins safe lines, without the two characters that are text to a terminal and none to XML.
func inXML(lines []string) string {
	return strings.NewReplacer("\ufffe", "\ufffd", "\uffff", "\ufffd").Replace(strings.Join(lines, "\n"))
}

// count sorts the cases by host and counts them. Those of one host stay in the order in which they ended.
func (s *junitSuite) count() {
	slices.SortStableFunc(s.Cases, func(a, b *junitCase) int { return cmp.Compare(s.order[a.host], s.order[b.host]) })
	for _, c := range s.Cases {
		s.Tests++
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
	}
}
