// Package event is the one stream of small values that a run is. Everything a person or a program sees of a run (the live
// view, the recap, NDJSON) is a fold over it; nothing else leaves the engine.
package event

import (
	"encoding/json"
	"time"
)

// Version is the version of the stream's schema, told in run_started. It grows when a field changes its meaning or goes away; new fields
// do not change it.
const Version = 1

// A Kind says what happened.
type Kind string

// The kinds of events, in the order in which a run can tell them.
const (
	RunStarted   Kind = "run_started"   // V, Version, Playbook, Inventory, Check, Limit, Tags, Hosts (all, in inventory order), Simulated
	PlayStarted  Kind = "play_started"  // Play, Hosts, Steps
	BatchStarted Kind = "batch_started" // Play, Batch, Hosts: the next batch of the play; only where a play has batches
	StepStarted  Kind = "step_started"  // Play, Step, Module, Host: a host begins a step that takes a round trip
	Out          Kind = "output"        // Play, Step, Key, Host, Stream, Line: one line a person's script printed
	Retry        Kind = "retry"         // Play, Step, Key, Host, Attempt (the one that failed), Message, Seconds (until the next)
	Warning      Kind = "warning"       // Message; Play, Step, Host where it belongs to one
	RoundTrip    Kind = "round_trip"    // Play, Step (that waits for it), Host, Asked, Acted, Seconds; only where asked for
	StepDone     Kind = "step_done"     // Play, Step, Key, Module, Host, Status, Ignored, Reason, Changes, Results, Seconds
	Rescued      Kind = "rescued"       // Play, Step (that had failed), Host, Name (of the block that rescued it)
	Stopping     Kind = "stopping"      // Play, Message: why no other step starts
	HostDone     Kind = "host_done"     // Play, Host, Status (worst), Message, NotReached
	CleanupDone  Kind = "cleanup_done"  // Play, Step (that owes it), Module, Host, Status, Reason, Changes: what is owed to the end of the run
	PlayDone     Kind = "play_done"     // Play, Seconds
	Timings      Kind = "timings"       // Play, Seconds, Phases; only where asked for
	OutputValue  Kind = "output_value"  // Name, Value, Reason (why it is not known, or not all of it), Message (the output's description)
	RunDone      Kind = "run_done"      // Recap, ExitCode, Seconds; always the last
)

// A Status is how a step ended on a host.
type Status string

// The states of a step on a host.
const (
	OK          Status = "ok"
	Changed     Status = "changed"
	WouldChange Status = "would_change" // check mode: a run would change it
	Skipped     Status = "skipped"
	Refused     Status = "refused" // a decision not to act; Reason tells the ways out
	Failed      Status = "failed"
	Unreachable Status = "unreachable" // nothing was started on the host
	Unknown     Status = "unknown"     // something was started whose outcome nobody knows
	Cancelled   Status = "cancelled"
)

// Statuses in the order in which reports list them.
func Statuses() []Status {
	return []Status{OK, Changed, WouldChange, Skipped, Refused, Failed, Unreachable, Unknown, Cancelled}
}

// Bad tells whether a host that ended a step with s has failed.
func (s Status) Bad() bool {
	return s == Refused || s == Failed || s == Unreachable || s == Unknown
}

// An Event is one thing that happened in a run. Which fields are set follows from Kind; empty ones are left out of the JSON.
// All strings are valid UTF-8 and free of secrets; they may hold control characters, which whoever prints them has to escape.
type Event struct {
	V    int       `json:"v,omitempty"`
	Seq  int64     `json:"seq"` // from 1, without gaps
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`
	Run  string    `json:"run,omitempty"` // the run's id

	Play   string   `json:"play,omitempty"`
	Batch  int      `json:"batch,omitempty"`
	Step   string   `json:"step,omitempty"`
	Key    string   `json:"key,omitempty"` // of a for_each instance
	Module string   `json:"module,omitempty"`
	Host   string   `json:"host,omitempty"`
	On     string   `json:"on,omitempty"`
	Hosts  []string `json:"hosts,omitempty"`

	Status     Status          `json:"status,omitempty"`
	Ignored    bool            `json:"ignored,omitempty"`
	Reason     string          `json:"reason,omitempty"` // why it is skipped, refused, failed …
	Changes    []Change        `json:"changes,omitempty"`
	Results    json.RawMessage `json:"results,omitempty"` // object of the step's results; unknown ones left out
	Message    string          `json:"message,omitempty"`
	Diagnostic *Diagnostic     `json:"diagnostic,omitempty"`
	Attempt    int             `json:"attempt,omitempty"`
	NotReached int             `json:"not_reached,omitempty"` // steps a failed host did not reach

	Stream  string `json:"stream,omitempty"` // stdout, stderr
	Line    string `json:"line,omitempty"`   // without its line end
	LineB64 []byte `json:"line_b64,omitempty"`

	Name    string          `json:"name,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Seconds float64         `json:"seconds,omitempty"`

	Version   string     `json:"version,omitempty"`
	Playbook  string     `json:"playbook,omitempty"`
	Inventory []string   `json:"inventory,omitempty"`
	Check     bool       `json:"check,omitempty"`
	Limit     string     `json:"limit,omitempty"`
	Tags      []string   `json:"tags,omitempty"`
	Simulated bool       `json:"simulated,omitempty"`
	Steps     []StepInfo `json:"steps,omitempty"`

	Asked  []string `json:"asked,omitempty"`  // steps whose questions travelled together; "host.facts" for facts
	Acted  []string `json:"acted,omitempty"`  // steps whose changes travelled together
	Phases []Phase  `json:"phases,omitempty"` // where the time of a play went

	Recap    map[string]Counts `json:"recap,omitempty"`
	ExitCode *int              `json:"exit_code,omitempty"`
}

// A StepInfo names one step of a play.
type StepInfo struct {
	Step   string `json:"step"`
	Module string `json:"module"`         // "check" for a check block
	Once   bool   `json:"once,omitempty"` // one step_done for all hosts (run_once)

	Handler bool `json:"handler,omitempty"` // it runs where it was notified, at each place where handlers do
}

// A Change is one difference between what is and what is declared.
type Change struct {
	What string `json:"what"`
	Have string `json:"have,omitempty"`
	Want string `json:"want,omitempty"`
	Diff string `json:"diff,omitempty"` // unified diff; only with --diff
}

// A Phase is one thing that the time of a play went to.
type Phase struct {
	Step string `json:"step,omitempty"` // "": no step's, such as a connection
	Name string `json:"name"`           // queue, place, dial, handshake, ask, decide, act, retry, wait, cleanup, close; see docs/events.md

	// Path is the play's own time that went to it: at each barrier, that of the host which came last. The paths of all phases are the time of the
	// play.
	Path   float64 `json:"path,omitempty"`
	Hosts  int     `json:"hosts,omitempty"`  // that spent time on it
	Median float64 `json:"median,omitempty"` // seconds of these
	Max    float64 `json:"max,omitempty"`

	// Slowest are the hosts that spent most on it, the first the slowest; of wait those that the others waited for, and by how much they came later than
	// the median host.
	Slowest []HostSeconds `json:"slowest,omitempty"`
	With    string        `json:"with,omitempty"` // ask: nobody waited for the step's questions, which travelled with this step's
}

// HostSeconds is the time that one host spent.
type HostSeconds struct {
	Host    string  `json:"host"`
	Seconds float64 `json:"seconds"`
}

// Counts are how many steps of a host ended in each state.
type Counts map[Status]int

// A Diagnostic is a message about a place in a file. Lines and columns count from 1, columns in characters as a person sees them
// (hcl.Pos counts alike); 0 is not known.
type Diagnostic struct {
	Severity  string `json:"severity"` // error, warning
	Summary   string `json:"summary"`
	Detail    string `json:"detail,omitempty"`
	Context   string `json:"context,omitempty"` // what the place is in: step "exec_script" "install"
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
	Column    int    `json:"column,omitempty"`
	EndLine   int    `json:"end_line,omitempty"`
	EndColumn int    `json:"end_column,omitempty"` // behind the last character
	Snippet   string `json:"snippet,omitempty"`    // whole source lines, the first of them Line
}

// A Sink takes the events of a run, one at a time, in order of Seq. It must not block for long: the run waits for it.
type Sink interface {
	Handle(Event)
}
