package engine

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/shell"
)

// A setting is where, as whom and with which environment a step's questions and actions run on one host. It is the engine's
// business, put around what the module returns.
type setting struct {
	place   *place // nil: the host itself
	account string // "": the login user; inside a container: its default user
	env     []remote.EnvVar
	timeout time.Duration // of an action; 0: one hour
}

// A place is a container to run in.
type place struct {
	name    string
	runtime string // auto, docker, podman
	keeper  string // whose containers it is among: the account that asks the runtime; "": the login user
}

func (s setting) key() string {
	if s.place == nil {
		return "host\x00" + s.account
	}
	return "in\x00" + s.place.runtime + "\x00" + s.place.keeper + "\x00" + s.place.name + "\x00" + s.account
}

const (
	questionLimit = 30 * time.Second
	actionLimit   = time.Hour
	defaultKeep   = 1 << 20
)

// A frame is one remote script and how its exit becomes an answer.
type frame struct {
	script remote.Script
	read   func(remote.Exit) Answer
	again  []func() // called before it is sent a second time: what was seen of it is void
	reaper *reaper  // ends what it left running inside a container; nil: it ran on the host itself
}

// renew makes the frame ready to be sent a second time.
func (f frame) renew() {
	for _, again := range f.again {
		again()
	}
}

// shellFrame puts a Shell where its step runs. output, if not nil, gets what the script prints, as it comes.
func (s setting) shellFrame(sh Shell, limit time.Duration, output func(remote.Stream, []byte)) frame {
	if sh.Limit > 0 {
		limit = sh.Limit
	}
	script := remote.Script{
		Text: sh.Text, Args: sh.Args, Stdin: sh.Stdin, Account: s.account, Dir: sh.Dir,
		Foreign: sh.Foreign, Limit: limit, Keep: sh.Keep, Output: output,
	}
	if script.Keep == 0 {
		script.Keep = defaultKeep
	}
	if sh.User != "" {
		script.Account = sh.User
	}
	if sh.Foreign {
		script.Env = s.envWith(sh.Env)
	}
	if s.place == nil || sh.OnHost {
		if sh.OnHost && s.place != nil {
			script.Account = sh.User
		}
		return watching(newWatcher(sh.Watch), script, func(script remote.Script) frame { return frame{script: script, read: answerOf} })
	}
	return watching(newWatcher(sh.Watch), script, s.place.enter)
}

// envWith are the step's variables and a text's own, which come last.
func (s setting) envWith(own map[string]string) []remote.EnvVar {
	if len(own) == 0 {
		return s.env
	}
	out := slices.DeleteFunc(slices.Clone(s.env), func(v remote.EnvVar) bool { _, hidden := own[v.Name]; return hidden })
	for _, name := range slices.Sorted(maps.Keys(own)) {
		out = append(out, remote.EnvVar{Name: name, Value: own[name]})
	}
	return out
}

// watching is a script's frame with all that it prints seen by a watcher, if there is one.
func watching(w *watcher, script remote.Script, put func(remote.Script) frame) frame {
	if w == nil {
		return put(script)
	}
	told := script.Output
	script.Output = func(s remote.Stream, chunk []byte) {
		w.write(s, chunk)
		if told != nil {
			told(s, chunk)
		}
	}
	f := put(script)
	read := f.read
	f.again = append(f.again, w.again)
	f.read = func(e remote.Exit) Answer {
		a := read(e)
		w.end(&a)
		return a
	}
	return f
}

// login is the account that a shell is run by on the host itself.
func (s setting) login(sh Shell) string {
	switch {
	case s.place != nil && !sh.OnHost:
		return s.place.keeper
	case s.place != nil || sh.User != "":
		return sh.User
	}
	return s.account
}

// enter makes a script run inside the container. Everything, the program itself too, crosses on standard input; the first
// thing that the shell inside prints is a mark on standard error, since "no such container" and the script's own exit 1 look the same from outside.
func (p place) enter(script remote.Script) frame {
	nonce, reap := shell.Nonce(), newReaper(p)
	inner := script
	inner.Foreign = true
	program := "echo " + nonce + " >&2\n" + shell.Enclose(inner) + "\n"

	var words []string
	if script.Account != "" {
		words = append(words, "-u", script.Account)
	}
	if script.Dir != "" {
		words = append(words, "-w", script.Dir)
	}
	words = append(words, p.name, "/bin/sh", "-s")
	outer := remote.Script{
		// The mark of the frame is handed on by value: sudo drops the environment.
		Text: fmt.Sprintf("%s\nctr exec -i -e %s=\"$%s\" -e %s=%s %s\n",
			RuntimePrelude(p.runtime), shell.FrameVar, shell.FrameVar, placeVar, reap.mark, QuoteAll(words...)),
		Stdin:   []byte(program),
		Account: p.keeper,
		Limit:   script.Limit,
		Keep:    script.Keep,
	}
	mark := []byte(nonce + "\n")
	f := frame{script: outer, read: func(e remote.Exit) Answer { return p.answer(mark, e) }, reaper: reap}
	if script.Output != nil {
		m := &marked{mark: mark, out: script.Output}
		f.script.Output, f.again = m.write, []func(){m.again}
	}
	return f
}

func (p place) answer(mark []byte, e remote.Exit) Answer {
	a := answerOf(e)
	before, after, entered := bytes.Cut(a.Stderr.Bytes, mark)
	if !entered {
		if a.State == Given {
			a.State = NoPlace
			a.Why = fmt.Sprintf("container %s does not run (%s); a container step above would start it", p.name, firstLine(a.Stderr.String()))
		}
		return a
	}
	a.Stderr.Bytes = append(bytes.Clone(before), after...)
	a.Stderr.Size -= int64(len(mark))
	return a
}

// marked is output that begins with a mark on standard error, which it keeps from a person's eyes. It may come in pieces.
type marked struct {
	mark []byte
	out  func(remote.Stream, []byte)
	held []byte
	seen bool
}

func (m *marked) write(s remote.Stream, chunk []byte) {
	if s != remote.Stderr || m.seen {
		m.out(s, chunk)
		return
	}
	m.held = append(m.held, chunk...)
	before, after, found := bytes.Cut(m.held, m.mark)
	if !found {
		return
	}
	m.seen = true
	if rest := append(bytes.Clone(before), after...); len(rest) > 0 {
		m.out(s, rest)
	}
	m.held = nil
}

func (m *marked) again() { m.held, m.seen = nil, false }

// answerOf tells what an exit means for a question or an action.
func answerOf(e remote.Exit) Answer {
	a := Answer{
		Why: e.Why, Code: e.Code, Seconds: e.Duration.Seconds(), Survivors: e.Survivors,
		Stdout: outputOf(e.Stdout), Stderr: outputOf(e.Stderr),
	}
	switch e.State {
	case remote.Ended:
		a.State = Given
	case remote.TimedOut:
		a.State = TimedOut
	case remote.Lost:
		a.State = Lost
	case remote.Refused:
		a.State = NoAccount
	default:
		a.State = NotStarted
	}
	return a
}

func outputOf(o remote.Output) Output {
	return Output{Bytes: o.Bytes, Size: o.Size, SHA256: o.SHA256}
}

func firstLine(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = s[:i]
	}
	return s
}
