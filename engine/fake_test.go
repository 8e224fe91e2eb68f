package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"cvsplay/engine/remote"
	"cvsplay/inventory"
)

// A fakeFleet is hosts that are a map each. It speaks the commands of fakeHost.command, counts round trips, and injects faults.
type fakeFleet struct {
	hosts     map[string]*fakeHost
	interrupt func() // Ctrl-C, once
	kill      func() // Ctrl-C, twice
}

// A fakeHost is one of them.
type fakeHost struct {
	fleet *fakeFleet
	name  string

	mu       sync.Mutex
	held     bool // Hold was called: no further link starts
	state    map[string]string
	faults   []*fault
	dead     bool     // refuses every connection
	trips    int      // calls of Run
	dials    int      // connections made
	asked    int      // scripts that ran
	did      []string // commands that changed something, in order
	gathered []string // families of facts that were asked, in order
	sent     []string // text and arguments of every script, as the host's process list would show them
}

// A fault happens when a command that begins with on runs.
type fault struct {
	kind   string
	on     string
	always bool
	after  int // how many such commands pass before
	spent  bool
}

func newFakeFleet(names []string) *fakeFleet {
	f := &fakeFleet{hosts: map[string]*fakeHost{}, interrupt: func() {}, kill: func() {}}
	for _, name := range names {
		f.hosts[name] = &fakeHost{fleet: f, name: name, state: map[string]string{}}
	}
	return f
}

// set reads "HOST KEY=VALUE …" lines; HOST * is every host.
func (f *fakeFleet) set(text string) error {
	return f.eachLine(text, func(h *fakeHost, rest string) error {
		for _, pair := range strings.Fields(rest) {
			key, value, ok := strings.Cut(pair, "=")
			if !ok {
				return fmt.Errorf("state: %q is not KEY=VALUE", pair)
			}
			h.state[key] = value
		}
		return nil
	})
}

// breakBy reads "HOST KIND [always] [after=N] [on COMMAND]" lines. The kinds:
//
//	refuse       no connection can be made
//	cut-before   the connection breaks before the command took effect; the script, and those behind it, are lost
//	cut-after    the same after it
//	die-before   as cut-before, and from then on no connection can be made
//	die-after    as cut-after, and from then on no connection can be made
//	unstarted    the connection breaks before anything was sent
//	timeout      the command takes longer than it may
//	denied       the account cannot be become
//	hang         the command runs until the run is cancelled
//	interrupt    Ctrl-C is pressed while it runs
//	kill         Ctrl-C is pressed twice while it runs, and it is killed
func (f *fakeFleet) breakBy(text string) error {
	kinds := []string{"refuse", "cut-before", "cut-after", "die-before", "die-after", "unstarted", "timeout", "denied", "hang", "interrupt", "kill"}
	return f.eachLine(text, func(h *fakeHost, rest string) error {
		head, on, _ := strings.Cut(rest, " on ")
		words := strings.Fields(head)
		if !slices.Contains(kinds, words[0]) {
			return fmt.Errorf("faults: unknown kind %q", words[0])
		}
		broken := &fault{kind: words[0], on: strings.TrimSpace(on), always: slices.Contains(words, "always")}
		if n, ok := strings.CutPrefix(words[len(words)-1], "after="); ok {
			broken.after, _ = strconv.Atoi(n)
		}
		h.faults = append(h.faults, broken)
		h.dead = h.dead || words[0] == "refuse"
		return nil
	})
}

func (f *fakeFleet) eachLine(text string, do func(*fakeHost, string) error) error {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		for _, h := range f.hosts {
			if name != h.name && name != "*" {
				continue
			}
			if err := do(h, rest); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget makes counts and records start again.
func (f *fakeFleet) forget() {
	for _, h := range f.hosts {
		h.trips, h.dials, h.asked, h.did, h.gathered, h.sent = 0, 0, 0, nil, nil, nil
	}
}

func (f *fakeFleet) dial(_ context.Context, host *inventory.Host) (remote.Conn, error) {
	h := f.hosts[host.Name]
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead {
		return nil, &remote.Unreachable{Host: h.name, Addr: h.name + ":22", Cause: "connection refused"}
	}
	h.dials++
	return &fakeConn{host: h}, nil
}

// A fakeConn is one connection to a fakeHost.
type fakeConn struct {
	host *fakeHost
	mu   sync.Mutex
	gone bool
}

func (c *fakeConn) Upload(context.Context, string, io.Reader) error {
	return errors.New("a fake host takes no uploads")
}

func (c *fakeConn) Hold(context.Context) {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	c.host.held = true
}

func (c *fakeConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	return nil
}

func (c *fakeConn) broken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

func (c *fakeConn) Run(ctx context.Context, scripts []remote.Script) []remote.Exit {
	c.host.mu.Lock()
	c.host.trips++
	c.host.mu.Unlock()
	exits := make([]remote.Exit, len(scripts))
	defer func() {
		for i, s := range scripts {
			if s.Ended != nil {
				s.Ended(exits[i])
			}
		}
	}()
	chain, late := "", false
	for i, s := range scripts {
		if s.Ahead && late {
			exits[i] = remote.Exit{State: remote.Withheld}
			continue
		}
		if s.Link != nil && s.Link.First {
			chain = s.Link.Chain
		}
		if s.Link != nil && (chain != s.Link.Chain || c.host.isHeld()) {
			exits[i] = remote.Exit{State: remote.Withheld}
			continue
		}
		if c.broken() {
			exits[i] = remote.Exit{State: remote.NotStarted, Why: "the connection is closed", Err: errors.New("closed")}
			continue
		}
		exits[i] = c.run(ctx, s)
		late = late || exits[i].State == remote.TimedOut
		if s.Link != nil && !s.Link.Any && (exits[i].State != remote.Ended || !met(s.Link.Want, exits[i].Code, string(exits[i].Stdout.Bytes))) {
			chain = ""
		}
		if exits[i].State == remote.Lost || (exits[i].State == remote.NotStarted && exits[i].Err != nil) {
			for k := i + 1; k < len(scripts); k++ { // what was sent behind it may have run, for all that anybody knows
				exits[k] = exits[i]
			}
			return exits
		}
	}
	return exits
}

// run runs one script, or has happen to it what a fault says.
func (c *fakeConn) run(ctx context.Context, s remote.Script) remote.Exit {
	h := c.host
	command, inner := commandOf(s)
	lost := remote.Exit{State: remote.Lost, Why: "connection reset"}
	h.mu.Lock()
	h.sent = append(h.sent, s.Text+" "+strings.Join(s.Args, " "))
	h.mu.Unlock()
	switch kind := h.fault(command); kind {
	case "cut-before":
		return lost
	case "cut-after":
		h.shell(s, command, inner)
		return lost
	case "die-before", "die-after":
		if kind == "die-after" {
			h.shell(s, command, inner)
		}
		h.mu.Lock()
		h.dead = true
		h.mu.Unlock()
		return lost
	case "unstarted":
		return remote.Exit{State: remote.NotStarted, Why: "broken pipe", Err: errors.New("broken pipe")}
	case "timeout":
		return remote.Exit{State: remote.TimedOut, Why: fmt.Sprintf("not done after %s", s.Limit)}
	case "denied":
		return remote.Exit{State: remote.Refused, Why: "sudo: a password is required"}
	case "hang":
		<-ctx.Done()
		return remote.Exit{State: remote.Lost, Why: "cancelled"}
	case "interrupt":
		h.fleet.interrupt()
	case "kill":
		h.fleet.interrupt()
		h.fleet.kill()
		<-ctx.Done()
		return remote.Exit{State: remote.Lost, Why: "cancelled"}
	}
	if ctx.Err() != nil {
		return remote.Exit{State: remote.NotStarted, Why: "cancelled"}
	}
	return h.shell(s, command, inner)
}

// commandOf finds the command in a script: its first line, or the one inside of the program that goes into a container.
func commandOf(s remote.Script) (command string, inside bool) {
	if !strings.Contains(s.Text, "ctr exec") {
		return strings.TrimSpace(strings.SplitN(s.Text, "\n", 2)[0]), false
	}
	for line := range strings.Lines(string(s.Stdin)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if slices.Contains([]string{"get", "set", "del", "say", "fail", "noop"}, word) {
			return strings.TrimSpace(line), true
		}
	}
	return "fail 99 no command found", true
}

// facts answers a question for facts: those of a small node where the host says nothing else.
func (h *fakeHost) facts(family string) (code int, out, words string) {
	usual := map[string]string{"os": "ubuntu", "kernel": "ubuntu", "cpu": "epyc", "memory": "node", "gpu": "none", "rocm": "none", "ib": "none"}
	name := usual[family]
	if own, ok := h.state["facts:"+family]; ok {
		name = own
	}
	h.gathered = append(h.gathered, family)
	archive, err := txtar.ParseFile("testdata/facts/" + family + "_" + name + ".txtar")
	if err != nil {
		return 127, "", err.Error() + "\n"
	}
	code, _ = strconv.Atoi(strings.TrimSpace(section(archive, "code")))
	return code, section(archive, "stdout"), section(archive, "stderr")
}

// fault finds what is to happen to a command.
func (h *fakeHost) fault(command string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.faults {
		if f.kind == "refuse" || f.spent || !strings.HasPrefix(command, f.on) {
			continue
		}
		if f.after > 0 {
			f.after--
			continue
		}
		f.spent = !f.always
		return f.kind
	}
	return ""
}

// shell runs a command, inside of a container where the script says so.
func (h *fakeHost) shell(s remote.Script, command string, inside bool) remote.Exit {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	if !inside {
		code, out, words := h.command(command, s.Stdin)
		return exitOf(s, code, out, words)
	}
	name := containerOf(s.Text)
	if h.state["container:"+name] == "" {
		return exitOf(s, 1, "", "Error: No such container: "+name+"\n")
	}
	mark, _, _ := strings.Cut(strings.TrimPrefix(string(s.Stdin), "echo "), " ")
	verb, rest, _ := strings.Cut(command, " ")
	if verb == "get" || verb == "set" || verb == "del" {
		rest = name + "/" + rest
	}
	code, out, words := h.command(verb+" "+rest, nil)
	return exitOf(s, code, out, mark+"\n"+words)
}

func containerOf(text string) string {
	_, after, _ := strings.Cut(text, "ctr exec -i ")
	words := strings.Fields(after)
	return words[len(words)-3] // … NAME /bin/sh -s
}

func exitOf(s remote.Script, code int, out, words string) remote.Exit {
	if s.Output != nil && out != "" {
		s.Output(remote.Stdout, []byte(out))
	}
	if s.Output != nil && words != "" {
		s.Output(remote.Stderr, []byte(words))
	}
	return remote.Exit{
		State: remote.Ended, Code: code, Duration: time.Millisecond,
		Stdout: remote.Output{Bytes: []byte(out), Size: int64(len(out))}, Stderr: remote.Output{Bytes: []byte(words), Size: int64(len(words))},
	}
}

// command carries out one of
//
//	get KEY          prints the value; exit code 1 where there is none
//	set KEY VALUE    put KEY (the value from standard input)    del KEY    add KEY (counts up)
//	noop             a change that has no effect
//	say WORDS        prints
//	fail CODE WORDS  prints on standard error, and exits so
//	# facts: FAMILY  prints what an archive of testdata/facts says, FAMILY_CASE with the value of facts:FAMILY for CASE
func (h *fakeHost) command(line string, stdin []byte) (code int, out, words string) {
	verb, rest, _ := strings.Cut(line, " ")
	key, value, _ := strings.Cut(rest, " ")
	if slices.Contains([]string{"set", "put", "del", "add", "noop"}, verb) {
		h.did = append(h.did, line)
	}
	switch verb {
	case "#":
		return h.facts(strings.TrimPrefix(rest, "facts: "))
	case "get":
		v, ok := h.state[key]
		if !ok {
			return 1, "", ""
		}
		return 0, v, ""
	case "set":
		h.state[key] = value
	case "put":
		h.state[key] = string(stdin)
	case "del":
		delete(h.state, key)
	case "add":
		n, _ := strconv.Atoi(h.state[key])
		h.state[key] = strconv.Itoa(n + 1)
	case "noop":
	case "say":
		return 0, rest + "\n", ""
	case "fail":
		n, _ := strconv.Atoi(key)
		return n, "", value + "\n"
	default:
		return 127, "", verb + ": not found\n"
	}
	return 0, "", ""
}

func (h *fakeHost) isHeld() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held
}

// met tells whether a script gave what was wanted, as a host decides for itself.
func met(w *remote.Want, code int, stdout string) bool {
	if w == nil {
		return code == 0
	}
	if code != w.Code {
		return false
	}
	if w.Stdout == nil {
		return true
	}
	if w.Whole() {
		return stdout == w.Stdout[0]
	}
	first, last := w.Stdout[0], w.Stdout[len(w.Stdout)-1]
	if len(stdout) < len(first)+len(last) || !strings.HasPrefix(stdout, first) || !strings.HasSuffix(stdout, last) {
		return false
	}
	rest := stdout[len(first) : len(stdout)-len(last)]
	for _, piece := range w.Stdout[1 : len(w.Stdout)-1] {
		i := strings.Index(rest, piece)
		if i < 0 {
			return false
		}
		rest = rest[i+len(piece):]
	}
	return true
}
