package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"cvsplay/engine"
	"cvsplay/engine/report"
)

// mayConfirm tells what keeps --step from asking: there has to be a person, and what is printed must stand still for the question.
func (a *app) mayConfirm(f runFlags) error {
	switch {
	case !f.step:
		return nil
	case !isTerminal(a.stdin) || !isTerminal(a.stderr):
		return errors.New("--step asks before each step, and needs a terminal to ask on; without one, choose steps with --tags, --skip-tags or --start-at")
	case f.output == "live":
		return errors.New("--step and --output live: the live view leaves no room for questions; leave --output out")
	}
	return nil
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// A confirmer asks a person before each step.
type confirmer struct {
	out   io.Writer
	lines <-chan string   // what the person types; closed at its end
	soft  <-chan struct{} // closed once the run is interrupted
	quit  func()          // interrupts it
	all   bool            // no more questions: every step may begin
	none  bool            // no more questions: no step may begin
}

// confirm gives what asks before each step; nil where nobody is to be asked.
func (a *app) confirm(f runFlags, soft <-chan struct{}, quit func()) engine.Confirm {
	if !f.step {
		return nil
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(a.stdin); in.Scan(); {
			lines <- in.Text()
		}
	}()
	return (&confirmer{out: a.stderr, lines: lines, soft: soft, quit: quit}).ask
}

func (c *confirmer) ask(ctx context.Context, play string, s *engine.Step, hosts []string) bool {
	soft, quit := c.soft, c.quit
	select {
	case <-soft: // what is done in any case is asked about, too; once more is too much
		soft, quit = nil, func() { c.none = true }
	default:
	}
	for !c.all && !c.none {
		what := fmt.Sprintf("%s %s", s.Module, s.Name)
		fmt.Fprintf(c.out, "play %s: %s on %s? [y]es, [n]o, [c]ontinue without asking, [q]uit: ", report.Safe(play), report.Safe(what), report.Safe(folded(hosts)))
		select {
		case line, more := <-c.lines:
			if !more {
				fmt.Fprintln(c.out)
				line = "q"
			}
			switch strings.ToLower(strings.TrimSpace(line)) {
			case "y", "yes":
				return true
			case "n", "no":
				return false
			case "c", "continue":
				c.all = true
			case "q", "quit":
				quit()
				if soft != nil {
					<-soft
				}
				return false
			}
		case <-soft:
			fmt.Fprintln(c.out)
			return false
		case <-ctx.Done():
			fmt.Fprintln(c.out)
			return false
		}
	}
	return c.all
}
