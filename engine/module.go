// Package engine is the contract between modules and the run, and the run itself: plan, ask, decide, act, ask again.
//
// This file is the contract. A module asks questions, judges the answers and returns actions, all as plain data; the engine
// does every piece of I/O. What a module and the engine say to each other is in this file and nowhere else.
package engine

import (
	"time"

	"cvsplay/engine/event"
	"cvsplay/engine/remote/shell"
)

// Args are one step's decoded arguments on one host (and for one for_each item): plain Go values, never unknown, never
// marked. They may differ from host to host.
type Args interface {
	// Ask gives the read-only questions whose answers decide the step. The same arguments give the same questions. No
	// questions: the step is proven by the outcome of its actions.
	Ask() []Question
}

// Seen is everything a decision may depend on, for one host.
type Seen struct {
	Host    string // name in the inventory
	Address string // where it is reached
	Run     string // id of the run
	By      string // who runs it, and from where: "USER@CONTROLLER"
	Keep    bool   // --keep: what is owed to the end of the run is left out
	Reach   Reach
	Why     string    // why Reach is Unreached
	Answers []Answer  // of Ask, then of each More, in order; all of this round
	Past    []Outcome // what this step did on this host in this attempt, oldest first

	Limited bool     // --limit left out hosts that the play names
	Gone    []string // hosts that the play names, and that fell out in an earlier play: they take no part, and may come back
	Once    bool     // run_once: the decision of the first host that is reached is every host's
	Diff    bool     // somebody will look at diffs: contents may be asked for
	Brief   bool     // nobody reads what a Done that follows no action results in: it may be left out
}

// Reach tells whether a host's answers are there. The zero value is unknown, and unknown is not absent.
type Reach int

// The values of Reach.
const (
	Unreached Reach = iota // nothing is known about the host; Seen.Why tells why
	Reached                // Answers holds one answer for each question
)

// On is one host's part in a fleet decision. Args is the zero value where the host fell out before they were known.
type On[A Args] struct {
	Args A
	Seen
}

// SignOfLife begins a word in the argument list of every shell that works for a run, on the hosts and readable for every account there; the run's id is
// the rest of it. A run that lost its connection has none until it connects again.
const SignOfLife = shell.SignOfLife

// ---------------------------------------------------------------------------------------------------------------------
// Questions

// A Question is one of Shell, Path, Manifest, Recall. It must be harmless on any host at any time: questions of a step are
// asked before its "when" is known.
type Question interface{ question() }

// An Action is one of Shell, WriteFile.
type Action interface{ action() }

// Shell runs a POSIX sh text, as a question (read-only) or as an action. Every value in it has to be quoted with Quote.
type Shell struct {
	Text string
	Args []string // $1 …; visible in the host's process list: no secrets
	// Stdin is what it reads; secrets travel here.
	Stdin []byte
	// Env are variables of a Foreign text, which hide those of the step's env; they travel as Stdin does, so secrets may stand in them.
	Env map[string]string
	// OnHost runs it on the host itself even if the step's place is a container.
	OnHost bool
	// Foreign marks a text that a person wrote: it gets a process of its own, the step's env, its "#!" interpreter. As a question without a
	// limit of its own it may take as long as the step's timeout says, and where it takes longer its module judges what came until then.
	Foreign bool
	// AnyCode leaves the judgement of the exit code to the module: for an action, no exit code is a failure by itself.
	AnyCode bool
	// CodeOnly promises of a question that its exit code decides, whatever it prints.
	CodeOnly bool
	Limit    time.Duration // 0: 30 s for a question; the step's timeout, else one hour, for an action
	Keep     int64         // bytes kept of each stream; 0: 1 MiB
	User     string        // "": the step's account
	Dir      string        // working directory
	// Artifact is a relative path under the run's folder for this host, on the controller, where the whole output is kept, without secrets.
	Artifact string
	// Watch holds the whole output against patterns while it comes, whatever is kept of it.
	Watch Watch
}

func (Shell) question() {}
func (Shell) action()   {}

// A Watch is patterns (RE2) for the lines of both streams: raw bytes, without their line end, of any length.
type Watch struct {
	Note []string // lines that match one of them come back: Answer.Noted
	Seek []string // whether some line matches comes back for each: Answer.Sought
}

// A Line is a line of a script's output that matched a pattern.
type Line struct {
	Stream  string // stdout, stderr
	Number  int64  // in its stream, from 1
	Text    []byte // its first 1 KiB
	Pattern int    // of Watch.Note: the first that matched
}

// Path asks what is at a path: Answer.Path. All paths of a round trip share one stat and one hash.
type Path struct {
	Path   string // absolute
	Follow bool   // follow a symbolic link at the path itself
	Hash   bool   // SHA-256 of a regular file wanted
	Read   int64  // up to so many bytes of a regular file wanted; a longer one gives none
}

func (Path) question() {}

// Manifest asks an image registry, from the controller, for what a reference names: Answer.Manifest. Asked once in a run.
type Manifest struct {
	Ref                string // normalised reference
	Platform           string // os/arch[/variant]; "": no platform digest wanted
	Username, Password string // "": the controller's docker credentials
	Insecure           bool   // plain HTTP
	Limit              time.Duration
}

func (Manifest) question() {}

// Recall asks what this controller remembers from an earlier step or run (Done.Remember): Answer.Stdout is the value, Code 1 says that it
// remembers nothing under the key. No host is asked.
type Recall struct{ Key string }

func (Recall) question() {}

// WriteFile writes a file atomically: temporary file in the same directory with its final mode and owner, fsync, rename, fsync of the
// directory. The old file is there whole until then.
type WriteFile struct {
	Path    string
	Content Blob
	Mode    string // octal; "": 0600
	Owner   string // name or id; "": the account's
	Group   string
	Backup  bool   // keep the old file beside it, with a time stamp
	Check   string // shell command that must accept the temporary file, its path for %s, before the rename
	Follow  bool   // write through a symbolic link at Path instead of refusing it
}

func (WriteFile) action() {}

// ---------------------------------------------------------------------------------------------------------------------
// Answers

// An Answer is what came back of one question or one action.
type Answer struct {
	State    AnswerState
	Why      string // where State is not Given
	Code     int    // exit code of a Shell
	Stdout   Output
	Stderr   Output
	Seconds  float64
	Path     PathInfo
	Manifest ManifestInfo
	// Survivors are processes of a timed out Shell that could not be killed, as "PID COMMAND".
	Survivors []string

	Noted    []Line // of Shell.Watch.Note: those of standard output first, 1000 at most
	NotedAll int64  // how many there were
	Sought   []bool // of Shell.Watch.Seek, one for each
}

// AnswerState tells how far a question or action came. The zero value claims nothing.
type AnswerState int

// The states of an answer.
const (
	NotStarted AnswerState = iota // never begun: safe to do again
	Given                         // answered: it ran to its end
	TimedOut                      // its limit ran out and it was killed
	Lost                          // the connection broke: it may have run to its end
	NoPlace                       // the container it should run in does not run
	NoAccount                     // the account it should run as cannot be become
	Problem                       // could not be carried out, for a reason of the host (disk full, no such directory): Why
)

// An Output is what a script wrote to one stream.
type Output struct {
	Bytes  []byte // the first Keep bytes
	Size   int64  // of all of it
	SHA256 string // hex, of all of it; set where Bytes is not all
}

// String is the output's text as far as it was kept.
func (o Output) String() string { return string(o.Bytes) }

// PathInfo is what is at a path.
type PathInfo struct {
	Kind    PathKind
	Mode    string // octal with four digits: "0644"
	Owner   string // name; the number where it has none
	Group   string
	UID     string
	GID     string
	Size    int64
	SHA256  string // hex; set where asked for and a regular file
	Target  string // of a symbolic link
	Content []byte // set where asked for and not longer than asked
	Read    bool   // Content is the whole file
}

// PathKind is what stands at a path. The zero value is "not known".
type PathKind string

// The kinds of things at a path.
const (
	PathUnknown PathKind = ""
	Absent      PathKind = "absent"
	Regular     PathKind = "file"
	Directory   PathKind = "directory"
	Symlink     PathKind = "link"
	OtherKind   PathKind = "other" // device, socket, pipe
	AnyKind     PathKind = "any"   // of a Proof alone: something is there
)

// ManifestInfo is what a registry said.
type ManifestInfo struct {
	Problem   RegistryProblem
	Words     string // the registry's own words, where there is a problem
	Digest    string // of the descriptor: the index for a multi-platform image
	Platform  string // digest of the image manifest for the platform asked for
	MediaType string
	Size      int64
}

// A RegistryProblem tells why a registry gave no digest. "" is none.
type RegistryProblem string

// The problems with a registry.
const (
	RegistryDenied   RegistryProblem = "denied"            // 401, 403
	RegistryNotFound RegistryProblem = "not found"         // 404: no such image or tag
	RegistryDown     RegistryProblem = "not reachable"     // no connection, 5xx, 429 to the end of all tries
	RegistryTimeout  RegistryProblem = "timed out"         // the limit ran out
	RegistryMismatch RegistryProblem = "digest mismatch"   // claimed digest is not that of the bytes
	RegistryPlatform RegistryProblem = "no such platform"  // the index lacks the platform
	RegistryInvalid  RegistryProblem = "invalid reference" // not a reference
)

// An Outcome is what became of one Change that was carried out.
type Outcome struct {
	What    string   // of the Change
	Answers []Answer // one for each of its actions; those after a failed one are NotStarted
	OK      bool     // all of its actions did what they should
	Why     string   // where not OK: the action that failed, and how
}

// ---------------------------------------------------------------------------------------------------------------------
// Decisions

// A Decision is one of More, Act, Done, Stop. Deciding is level-triggered: it follows from what is there, not from memory. nil is a bug and
// fails the host.
type Decision interface{ decision() }

// More asks further questions before it can be decided.
type More struct{ Ask []Question }

// Act carries out changes, in order; then the step is asked and decided again. A change that is decided again after it was
// carried out "did not converge" and has failed. In check mode the step ends here as would_change.
type Act struct {
	Changes []Change
	Finally []Final
	Results Values // results that are known already: for check mode, and for those that Done leaves out (what was there before)
}

// Done says that the host is as wanted: ok, or changed if the step acted.
type Done struct {
	Results Values
	Warn    []string
	// Remember is kept by this controller where the step ends ok or changed, for Recall; never in check mode. A value that holds a secret is
	// left out.
	Remember map[string]string
}

// Stop ends the step: State is Refused, Failed or Skipped.
type Stop struct {
	State   State
	Why     string // host, cause and the way out; may have several lines, the first says it all
	Results Values
	Warn    []string
}

func (More) decision() {}
func (Act) decision()  {}
func (Done) decision() {}
func (Stop) decision() {}

// A Change is one difference and what removes it.
type Change struct {
	What string // "start container", unique within the step and stable from check to run
	Have string // what is there
	Want string
	Diff string // unified diff of text, where Seen.Diff is set
	// Do removes the difference. None: foreseen only, a later round of this step does it (check mode shows it).
	Do []Action
	// Then is what Ask will answer once done, where that can be told: it lets later steps be decided before it is done, in check mode and for
	// steps that travel together. One for each question of Ask, or empty. What it leaves open of a path (an owner, a size) may be anything.
	Then []Answer
	// Proof is what Ask will answer once done, where the host can tell by it that the step is done, and nobody can tell its results: of a Shell the exit code
	// counts alone. Not nil and empty: that its actions end with 0 is all there is to prove. Steps that follow it travel together with it.
	Proof []Answer
	// Again says that it may be carried out again where its outcome was lost.
	Again bool
}

// A Final is owed to the end of the run from the moment the first action of the Act starts: a step like any other, asked,
// decided, done and verified, so that a tear-down that fails is reported.
type Final struct {
	Module string
	Args   Args
}

// State is how a step ended.
type State = event.Status

// The states a module may give to Stop.
const (
	Skipped = event.Skipped
	Refused = event.Refused
	Failed  = event.Failed
)

// Values are a step's results by name: strings, bools, numbers, slices and maps of them, as the schema's Results declare.
type Values map[string]any
