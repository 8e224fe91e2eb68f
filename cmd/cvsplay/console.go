package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/term"

	"cvsplay/engine"
	"cvsplay/engine/config"
	"cvsplay/engine/eval"
)

type consoleFlags struct {
	inputFlags
	host, play, hostKeys string
}

func (a *app) consoleCommand() *cobra.Command {
	var f consoleFlags
	cmd := &cobra.Command{
		Use:   "console [PLAYBOOK]",
		Short: "Try expressions against a host's values",
		Long: "Read expressions, one a line, and print their values, as a step would see them before anything has run: var, local, path, run, group, hosts,\n" +
			"functions, and host, which is chosen with --host or a line such as\n\n    :host gpu001\n\n" +
			"An expression may span several lines: it ends where its brackets and heredocs are closed. A host is contacted where host.facts are read, and\n" +
			"no other. Without a playbook there are no var and local; of its plays, the only one's locals are seen too, or those of --play.\n\n" +
			"From a pipe nothing but the values is printed; the exit code is 1 where an expression was wrong.",
		Args: takes(0, 1, "one playbook, or none"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.console(cmd.Context(), strings.Join(args, ""), f)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.host, "host", "", "what host stands for: a `name` of the inventory")
	cmd.Flags().StringVar(&f.play, "play", "", "the `play` whose locals are seen")
	cmd.Flags().StringVar(&f.hostKeys, "host-keys", "", "strict (the default), accept-new or off")
	return cmd
}

func (a *app) console(ctx context.Context, playbook string, f consoleFlags) error {
	policy, err := (&runFlags{hostKeys: f.hostKeys}).policy()
	if err != nil {
		return err
	}
	if playbook == "" && len(f.vars)+len(f.varFiles) > 0 {
		return errors.New("--var and --var-file are for the variables of a playbook: cvsplay console PLAYBOOK")
	}
	l, ok := a.consoleInput(ctx, playbook, f)
	if !ok {
		return exitCode(codeUsage)
	}
	defer l.close()
	play, err := playNamed(l.plan, f.play)
	if err != nil {
		return err
	}
	board := newSwitchboard(l.inv, policy, l.runID)
	defer board.close()
	guard := &eval.Redactor{}
	for _, secret := range l.inv.Secrets() {
		guard.Add(secret)
	}
	c := &consoleSession{app: a, files: l.files, guard: guard, loaded: l, console: l.plan.Console(play, engine.RunOptions{
		Dial: board.dial, Registry: &engine.Registry{Transport: l.inv.Registry}, Redactor: guard, Files: l.files, Now: time.Now,
	})}
	defer c.console.Close()
	if err := c.choose(f.host); err != nil {
		return err
	}
	return c.talk(ctx)
}

// consoleInput loads what expressions can see; without a playbook, an empty one.
func (a *app) consoleInput(ctx context.Context, playbook string, f consoleFlags) (*loaded, bool) {
	from := a.errand(errand{name: "console"}, runFlags{inputFlags: f.inputFlags})
	if playbook != "" {
		from = a.playbook(playbook, runFlags{inputFlags: f.inputFlags})
	}
	l, diags, ok := from(ctx)
	if rest := withoutHints(diags); ok && len(rest) > 0 {
		a.diagnose(rest, l.files)
	}
	return l, ok
}

// playNamed is the play whose locals are seen: the one that is named, or the only one; nil where there are several.
func playNamed(plan *engine.Plan, name string) (*engine.Play, error) {
	var names []string
	for _, play := range plan.Plays {
		if play.Name == name || name == "" && len(plan.Plays) == 1 {
			return play, nil
		}
		names = append(names, play.Name)
	}
	if name == "" {
		return nil, nil
	}
	return nil, fmt.Errorf("--play: there is no play %q.%s", name, eval.DidYouMean(name, names))
}

// A consoleSession is one conversation.
type consoleSession struct {
	app     *app
	loaded  *loaded
	files   *config.Files
	guard   *eval.Redactor
	console *engine.Console
	host    string

	read  []byte // all that was read, which diagnostics point into
	line  int    // lines of it
	wrong bool   // some expression was
}

const consoleFile = "input"

// choose makes host stand for a host; "" for none.
func (c *consoleSession) choose(name string) error {
	if _, ok := c.loaded.inv.Host(name); !ok && name != "" {
		return fmt.Errorf("the inventory has no host %q.%s", name, eval.DidYouMean(name, c.loaded.inv.Names()))
	}
	c.host = name
	return nil
}

// talk reads and answers until there is nothing more to read.
func (c *consoleSession) talk(ctx context.Context) error {
	lines := lineReader(&pipeLines{in: bufio.NewReader(c.app.stdin)})
	terminal := isTerminal(c.app.stdin) && isTerminal(c.app.stdout)
	if terminal {
		lines = newTerminalLines(c.app.stdin.(*os.File), c.app.stdout)
		if c.loaded.inv.Simulated {
			fmt.Fprintln(c.app.stdout, "The hosts are simulated (an embedded lab).")
		}
		fmt.Fprintln(c.app.stdout, "Expressions, one a line; :host NAME chooses a host, :help tells more, Ctrl-D ends.")
	}
	for {
		text, err := c.entry(lines)
		start := c.note(text)
		if strings.TrimSpace(text) != "" && !c.answer(ctx, text, start) {
			return nil
		}
		switch {
		case errors.Is(err, io.EOF) && c.wrong && !terminal:
			return exitCode(1)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// entry reads lines until brackets and heredocs are closed.
func (c *consoleSession) entry(lines lineReader) (string, error) {
	var text strings.Builder
	prompt := c.host + "> "
	for {
		line, err := lines.next(prompt, text.Len() > 0)
		if err != nil {
			if errors.Is(err, errDropped) {
				return "", nil
			}
			return text.String() + line, err
		}
		text.WriteString(line + "\n")
		if strings.HasPrefix(strings.TrimSpace(text.String()), ":") || !unfinished(text.String()) {
			return text.String(), nil
		}
		prompt = strings.Repeat(".", len(c.host)) + ". "
	}
}

// unfinished tells whether brackets or heredocs are open at the end of a text.
func unfinished(text string) bool {
	tokens, _ := hclsyntax.LexExpression([]byte(text), consoleFile, hcl.InitialPos)
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOParen, hclsyntax.TokenOBrack, hclsyntax.TokenOBrace, hclsyntax.TokenOHeredoc,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCBrace, hclsyntax.TokenCHeredoc,
			hclsyntax.TokenTemplateSeqEnd:
			depth--
		}
	}
	return depth > 0
}

// note remembers what was read, and gives where that begins.
func (c *consoleSession) note(text string) hcl.Pos {
	start := hcl.Pos{Line: c.line + 1, Column: 1, Byte: len(c.read)}
	c.read = append(c.read, text...)
	c.line += strings.Count(text, "\n")
	return start
}

// answer does what an entry says; false: it ends the conversation.
func (c *consoleSession) answer(ctx context.Context, text string, start hcl.Pos) bool {
	words := strings.Fields(text)
	switch first := words[0]; {
	case first == "exit" || first == "quit" || first == ":quit" || first == ":exit":
		return false
	case strings.HasPrefix(first, "#") || strings.HasPrefix(first, "//"):
		return true
	case strings.HasPrefix(first, ":"):
		c.command(first, words[1:])
		return true
	}
	c.files.Add(consoleFile, &hcl.File{Bytes: c.read, Body: hcl.EmptyBody()})
	v, diags := c.value(ctx, text, start)
	if len(diags) > 0 {
		c.app.diagnose(diags, c.files)
	}
	if diags.HasErrors() {
		c.wrong = true
		return true
	}
	fmt.Fprintln(c.app.stdout, c.guard.Redact(prettyValue(v)))
	return true
}

// value evaluates an expression. Ctrl-C ends what it waits for, and not the conversation.
func (c *consoleSession) value(ctx context.Context, text string, start hcl.Pos) (v cty.Value, diags hcl.Diagnostics) {
	if diags := config.CheckExpression([]byte(text), consoleFile); diags.HasErrors() {
		return v, diags
	}
	if !strings.Contains(text, "<<") { // a heredoc needs its last line end; without one, what is missing is missing on this line
		text = strings.TrimRight(text, "\n")
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), consoleFile, start)
	if diags.HasErrors() {
		return v, diags
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	return c.console.Value(ctx, c.host, expr)
}

// command carries out a line that begins with a colon.
func (c *consoleSession) command(name string, args []string) {
	switch {
	case name == ":host" && len(args) <= 1:
		if err := c.choose(strings.Join(args, "")); err != nil {
			c.wrong = true
			c.app.complain(err.Error())
		}
	case name == ":help":
		fmt.Fprintln(c.app.stdout, ":host NAME   host stands for this one; without a name, for none\n:quit        ends, as Ctrl-D does\n"+
			"Anything else is an expression: host.vars, [for n in group.all : upper(n)], host.facts.gpu. cvsplay docs functions lists the functions.")
	default:
		c.wrong = true
		c.app.complain(fmt.Sprintf("%s is none of :host NAME, :help, :quit", name))
	}
}

// A lineReader gives lines, without their ends. The last may come with io.EOF. within tells that the line goes on with an entry.
type lineReader interface {
	next(prompt string, within bool) (string, error)
}

// errDropped says that the person gave up an entry of several lines.
var errDropped = errors.New("dropped")

// pipeLines reads what no person types.
type pipeLines struct{ in *bufio.Reader }

func (p *pipeLines) next(string, bool) (string, error) {
	line, err := p.in.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// terminalLines reads what a person types, with the line editing of a terminal that is raw while it does.
type terminalLines struct {
	in  *os.File
	out io.Writer
	t   *term.Terminal
}

func newTerminalLines(in *os.File, out io.Writer) *terminalLines {
	return &terminalLines{in: in, out: out, t: newTerminal(in, out)}
}

func newTerminal(in io.Reader, out io.Writer) *term.Terminal {
	return term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "")
}

func (l *terminalLines) next(prompt string, within bool) (string, error) {
	if columns, rows, err := term.GetSize(int(l.in.Fd())); err == nil && columns > 0 {
		_ = l.t.SetSize(columns, rows) // redraws; what is wrong shows when it is written to next
	}
	cooked, err := term.MakeRaw(int(l.in.Fd()))
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(int(l.in.Fd()), cooked) }() // there is no other way to give it back
	l.t.SetPrompt(prompt)
	line, err := l.t.ReadLine()
	if errors.Is(err, io.EOF) {
		fmt.Fprint(l.out, "\r\n")
		if within { // Ctrl-C; a terminal that has seen it says nothing else any more
			earlier := l.t.History
			l.t = newTerminal(l.in, l.out)
			l.t.History = earlier
			return "", errDropped
		}
	}
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	return line, err
}
