package engine

import (
	"bytes"
	"fmt"
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
}

func (s setting) key() string {
	if s.place == nil {
		return "host\x00" + s.account
	}
	return "in\x00" + s.place.runtime + "\x00" + s.place.name + "\x00" + s.account
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
		script.Env = s.env
	}
	if s.place == nil || sh.OnHost {
		if sh.OnHost && s.place != nil {
			script.Account = sh.User
		}
		return frame{script: script, read: answerOf}
	}
	return s.place.enter(script)
}

// login is the account that a shell is run by on the host itself.
func (s setting) login(sh Shell) string {
	switch {
	case s.place != nil && !sh.OnHost:
		return "" // the container's runtime finds out about sudo by itself
	case s.place != nil || sh.User != "":
		return sh.User
	}
	return s.account
}

// enter makes a script run inside the container. Everything, the program itself too, crosses on standard input; the first
// thing that the shell inside prints is a mark on standard error, since "no such container" and the script's own exit 1 look the same from outside.
func (p place) enter(script remote.Script) frame {
	nonce := shell.Nonce()
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
		Text:  fmt.Sprintf("%s\nctr exec -i -e %s=\"$%s\" %s\n", RuntimePrelude(p.runtime), shell.FrameVar, shell.FrameVar, QuoteAll(words...)),
		Stdin: []byte(program),
		Limit: script.Limit,
		Keep:  script.Keep,
	}
	mark := []byte(nonce + "\n")
	if script.Output != nil {
		outer.Output = withoutMark(mark, script.Output)
	}
	return frame{script: outer, read: func(e remote.Exit) Answer { return p.answer(mark, e) }}
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

// withoutMark keeps the mark out of what a person sees. It may come in the middle of a chunk, never split over more than the first few.
func withoutMark(mark []byte, out func(remote.Stream, []byte)) func(remote.Stream, []byte) {
	var held []byte
	seen := false
	return func(s remote.Stream, chunk []byte) {
		if s != remote.Stderr || seen {
			out(s, chunk)
			return
		}
		held = append(held, chunk...)
		before, after, found := bytes.Cut(held, mark)
		if !found {
			return
		}
		seen = true
		if rest := append(bytes.Clone(before), after...); len(rest) > 0 {
			out(s, rest)
		}
		held = nil
	}
}

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
