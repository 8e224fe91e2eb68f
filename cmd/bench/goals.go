//go:build linux

package main

// A goal is a figure to reach.
type goal struct {
	what     string
	unit     string
	goal     float64
	moonshot float64
	atLeast  bool // the more the better
}

// goals are all rows, by their ids. A letter tells apart what one row of the project's goals says of several things.
var goals = map[string]goal{
	"P1":  {what: "control CPU ÷ floor", goal: 1.5, moonshot: 1.15},
	"P2":  {what: "wall ÷ floor", goal: 1.25, moonshot: 1.10},
	"P3":  {what: "wall, Ansible ÷ cvsplay", goal: 40, moonshot: 100, atLeast: true},
	"P4":  {what: "control CPU, Ansible ÷ cvsplay", goal: 200, moonshot: 400, atLeast: true},
	"P5":  {what: "Mitogen for Ansible ÷ cvsplay", goal: 20, moonshot: 45, atLeast: true},
	"P6":  {what: "slope of wall over added round-trip time, one host, cold", unit: "round trips", goal: 10, moonshot: 6},
	"P7":  {what: "memory per connected idle host", unit: "KiB", goal: 96, moonshot: 40},
	"P8":  {what: "growth exponent", goal: 1.05, moonshot: 1.01},
	"P9":  {what: "errors and drops", goal: 0, moonshot: 0},
	"P10": {what: "one host hangs for 10 s: change of the others' 99th percentile", unit: "%", goal: 5, moonshot: 1},
	"P11": {what: "start", unit: "ms CPU", goal: 30, moonshot: 15},
	"P12": {what: "1 GiB to one host, wall ÷ scp", goal: 1.1, moonshot: 1.0},
}

// order is that of the rows.
var rowOrder = []string{"P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "P12"}

// The second halves of rows that ask for two things.
var (
	mitogenCPU = goal{what: "Mitogen for Ansible ÷ cvsplay", goal: 200, moonshot: 450, atLeast: true}
	allChanges = goal{what: goals["P6"].what, unit: goals["P6"].unit, goal: 14, moonshot: 8}
)

// A figure is what was measured for one row.
type figure struct {
	Row      string  `json:"row"`
	What     string  `json:"what"`
	Unit     string  `json:"unit,omitempty"`
	Goal     float64 `json:"goal,omitempty"`
	Moonshot float64 `json:"moonshot,omitempty"`
	AtLeast  bool    `json:"at_least,omitempty"`
	Figure   *spread `json:"figure,omitempty"`   // nil: not measured
	Verdict  string  `json:"verdict"`            // "moonshot", "goal", "missed"; "": there is none to reach; else why it was not measured
	Unsteady bool    `json:"unsteady,omitempty"` // some run alone would have a worse verdict
	Note     string  `json:"note,omitempty"`     // what is behind the figure
	Between  string  `json:"between,omitempty"`
}

// against makes a figure of a row's goal.
func (g goal) against(row, about string, values []float64, note string) figure {
	f := figure{Row: row, What: g.what, Unit: g.unit, Goal: g.goal, Moonshot: g.moonshot, AtLeast: g.atLeast, Note: note}
	if about != "" {
		f.What += ", " + about
	}
	s := spreadOf(values)
	f.Figure, f.Verdict = &s, g.verdict(s.Median)
	worst := s.High
	if g.atLeast {
		worst = s.Low
	}
	f.Unsteady = f.Verdict != g.verdict(worst)
	return f
}

func (g goal) verdict(v float64) string {
	reached := func(limit float64) bool { return v == limit || v > limit == g.atLeast }
	switch {
	case reached(g.moonshot):
		return "moonshot"
	case reached(g.goal):
		return "goal"
	}
	return "missed"
}

// without is a row that could not be measured.
func (g goal) without(row, about, why string) figure {
	f := figure{Row: row, What: g.what, Unit: g.unit, Goal: g.goal, Moonshot: g.moonshot, AtLeast: g.atLeast, Verdict: why}
	if about != "" {
		f.What += ", " + about
	}
	return f
}

// beside is a figure that no goal is set for.
func beside(row, what, unit string, values []float64, note string) figure {
	s := spreadOf(values)
	return figure{Row: row, What: what, Unit: unit, Figure: &s, Note: note}
}

// stands tells what is between a missed goal and the figure.
func (f figure) stands(why string) figure {
	if f.Verdict == "missed" {
		f.Between = why
	}
	return f
}
