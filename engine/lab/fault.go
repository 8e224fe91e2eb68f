package lab

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Fault is something that goes wrong on a host. Which fields count depends on the kind:
//
//	unreachable                    connections are refused
//	silent    [times]              connections are accepted, and nothing is ever said
//	slow      delay                every command, and every piece of program text that comes over a connection, waits
//	hang      match [times]        a command whose command line matches never ends
//	fail      match [code text times]  … ends with the code (1) and the text on standard error, doing nothing
//	cut       match [times]        … kills the connection that it came over, doing nothing
//	disk_full path                 nothing below path can grow
//	read_only path                 nothing below path can change
//	no_sftp                        there is no sftp subsystem
//	odd_image [text]               the container image this host has locally is another one than that of the others
//	offline                        no registry of images answers
//	meanwhile match text [times]   before a command whose command line matches, somebody else runs the script text as root on the host
//	engine_stop match [text delay times]
//	                               Docker's engine stops while a docker command whose line matches waits for its answer: before it has done
//	                               anything; or after, where text is "done". It is back after the delay; without one it stays away
//	busy      match [times]        docker or podman cannot remove the container that a matching command removes: it is dead from then on
//
// Match is an RE2 expression over the command line, words joined by blanks. Times limits how often it happens; 0 is
// always. What a meanwhile script runs meets the other faults, not its own.
type Fault struct {
	Kind  string
	Match string
	Path  string
	Text  string
	Code  int
	Times int
	Delay time.Duration
}

// The kinds of faults.
const (
	Unreachable = "unreachable"
	Silent      = "silent"
	Slow        = "slow"
	Hang        = "hang"
	Fail        = "fail"
	Cut         = "cut"
	DiskFull    = "disk_full"
	ReadOnly    = "read_only"
	NoSFTP      = "no_sftp"
	OddImage    = "odd_image"
	Offline     = "offline"
	Meanwhile   = "meanwhile"
	EngineStop  = "engine_stop"
	Busy        = "busy"
)

var faultKinds = []string{Unreachable, Silent, Slow, Hang, Fail, Cut, DiskFull, ReadOnly, NoSFTP, OddImage, Offline, Meanwhile, EngineStop, Busy}

// EngineDone is the text of an engine_stop that happens when the work is done, and nobody is told.
const EngineDone = "done"

// Validate says what is wrong with the fault, in words for the person who wrote it.
func (f Fault) Validate() error {
	if !slices.Contains(faultKinds, f.Kind) {
		return fmt.Errorf("fault: unknown kind %q, want one of %s", f.Kind, strings.Join(faultKinds, ", "))
	}
	matching := slices.Contains([]string{Hang, Fail, Cut, Meanwhile, EngineStop, Busy}, f.Kind)
	switch {
	case matching && f.Match == "":
		return fmt.Errorf("fault %q: needs match, an expression over the command line", f.Kind)
	case !matching && f.Match != "":
		return fmt.Errorf("fault %q: match means nothing here", f.Kind)
	case f.Kind == Slow && f.Delay <= 0:
		return fmt.Errorf("fault %q: needs delay, a duration above zero", f.Kind)
	case f.Kind != Slow && f.Kind != EngineStop && f.Delay != 0:
		return fmt.Errorf("fault %q: delay means nothing here", f.Kind)
	case (f.Kind == DiskFull || f.Kind == ReadOnly) != (f.Path != ""):
		return fmt.Errorf("fault %q: path is for %s and %s, which need it", f.Kind, DiskFull, ReadOnly)
	case f.Path != "" && !strings.HasPrefix(f.Path, "/"):
		return fmt.Errorf("fault %q: path %q is not absolute", f.Kind, f.Path)
	case f.Kind == Meanwhile && f.Text == "":
		return fmt.Errorf("fault %q: needs text, a script for the host's shell", f.Kind)
	case f.Kind == EngineStop && f.Text != "" && f.Text != EngineDone:
		return fmt.Errorf("fault %q: text is %q or nothing", f.Kind, EngineDone)
	case f.Delay < 0:
		return fmt.Errorf("fault %q: delay must not be negative", f.Kind)
	case f.Kind != Fail && f.Code != 0:
		return fmt.Errorf("fault %q: code is for %s", f.Kind, Fail)
	case f.Code < 0 || f.Code > 255:
		return fmt.Errorf("fault %q: code %d is not an exit status", f.Kind, f.Code)
	case f.Times < 0:
		return fmt.Errorf("fault %q: times must not be negative", f.Kind)
	}
	if _, err := regexp.Compile(f.Match); err != nil {
		return fmt.Errorf("fault %q: match: %w", f.Kind, err)
	}
	return nil
}

// faults are those of one host. They may change while it runs.
type faults struct {
	mu   sync.Mutex
	list []*armedFault
}

type armedFault struct {
	Fault
	match *regexp.Regexp
	met   int
	busy  bool // its script runs
}

func (fs *faults) set(list []Fault) error {
	armed := make([]*armedFault, 0, len(list))
	for _, f := range list {
		if err := f.Validate(); err != nil {
			return err
		}
		armed = append(armed, &armedFault{Fault: f, match: regexp.MustCompile(f.Match)})
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = armed
	return nil
}

// find gives the first fault of one of the kinds.
func (fs *faults) find(kinds ...string) (Fault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		if slices.Contains(kinds, f.Kind) {
			return f.Fault, true
		}
	}
	return Fault{}, false
}

// hit gives the first fault of one of the kinds that a command line meets, and counts it.
func (fs *faults) hit(line string, kinds ...string) (*armedFault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		if f.busy || !slices.Contains(kinds, f.Kind) || (f.Times > 0 && f.met >= f.Times) || !f.match.MatchString(line) {
			continue
		}
		f.met++
		f.busy = f.Kind == Meanwhile
		return f, true
	}
	return nil, false
}

// meet lets a process that is about to run argv meet a fault. ended says that the command is over, with code.
func (fs *faults) meet(p *Process, argv []string) (code int, ended bool) {
	fs.mu.Lock()
	none := len(fs.list) == 0
	fs.mu.Unlock()
	if none {
		return 0, false
	}
	line := strings.Join(argv, " ")
	if f, ok := fs.hit(line, Meanwhile); ok {
		fs.interfere(p, f)
	}
	f, ok := fs.hit(line, Hang, Fail, Cut)
	if !ok {
		return 0, false
	}
	switch f.Kind {
	case Hang:
		<-p.ctx.Done()
		return 1, true
	case Cut:
		p.Host().cut(p)
		return 255, true
	}
	if f.Text != "" {
		_, _ = io.WriteString(p.Stderr(), strings.TrimSuffix(f.Text, "\n")+"\n")
	}
	return orDefault(f.Code, 1), true
}

// interfere runs what somebody else does before p goes on.
func (fs *faults) interfere(p *Process, f *armedFault) {
	other := p.Host().world.Start(Launch{Argv: []string{"sh", "-c", f.Text}, Env: []string{"PATH=" + defaultPath, "HOME=/root"}, Dir: "/root", Parent: 1})
	select {
	case <-other.Done():
	case <-p.ctx.Done():
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.busy = false
}

// guard refuses changes of a file system that a fault forbids.
func (fs *faults) guard(path string, grow bool) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		if f.Path == "" || !within(path, f.Path) {
			continue
		}
		if f.Kind == ReadOnly {
			return pathError("write", path, syscall.EROFS)
		}
		if f.Kind == DiskFull && grow {
			return pathError("write", path, syscall.ENOSPC)
		}
	}
	return nil
}

func within(path, dir string) bool {
	dir = strings.TrimSuffix(dir, "/")
	return path == dir || strings.HasPrefix(path, dir+"/")
}
