package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"mvdan.cc/sh/v3/syntax"
)

// shell is a running POSIX shell as dash is one, or bash as far as the lab has it. It is one process's program; a
// subshell is another shell in another process.
type shell struct {
	p      *Process
	arg0   string
	params []string
	vars   map[string]*variable
	scopes []map[string]*variable // what `local` hid, innermost last
	funcs  map[string]*syntax.Stmt
	opts   options
	bash   bool

	status  int
	line    int // of the command that runs
	jump    jump
	loops   int
	calls   int      // functions and dot scripts that `return` can leave
	context runFlags // of the builtin that runs: what eval and . pass on
	subst   int      // status of the last command substitution
	lastBG  int
	jobs    map[int]*Process
	pipes   map[int]int // status of jobs that were waited for with others
	getopts getoptState
	aliases map[string]string
	pid     int // $$: that of the shell, in its subshells too
	sub     bool

	trapMu  sync.Mutex
	traps   map[Signal]string
	pending []Signal
	wakeup  chan struct{} // a trapped signal has come
	inTrap  bool
}

// options are what `set` sets.
type options struct {
	errexit, nounset, xtrace, noglob, noexec, verbose, allexport, noclobber, pipefail bool
}

var optionLetters = map[byte]string{
	'e': "errexit", 'u': "nounset", 'x': "xtrace", 'f': "noglob", 'n': "noexec", 'v': "verbose", 'a': "allexport", 'C': "noclobber",
	'm': "", 'i': "", 'I': "", 'b': "", 'V': "", 'E': "",
}

// ref finds an option by its long name.
func (o *options) ref(name string, bash bool) *bool {
	all := map[string]*bool{
		"errexit": &o.errexit, "nounset": &o.nounset, "xtrace": &o.xtrace, "noglob": &o.noglob, "noexec": &o.noexec,
		"verbose": &o.verbose, "allexport": &o.allexport, "noclobber": &o.noclobber,
	}
	if bash {
		all["pipefail"] = &o.pipefail
	}
	return all[name]
}

// jump is a way out of the normal flow.
type jump struct {
	kind  jumpKind
	depth int // loops to leave
}

type jumpKind int

const (
	goOn jumpKind = iota
	jumpBreak
	jumpContinue
	jumpReturn
	jumpExit
)

// shellError is what ends a shell, or one command, with a message.
type shellError struct {
	text string
	code int
}

func (e *shellError) Error() string { return e.text }

func failure(format string, args ...any) *shellError {
	return &shellError{text: fmt.Sprintf(format, args...), code: 2}
}

func newShell(p *Process, arg0 string) *shell {
	sh := &shell{
		p: p, arg0: arg0, vars: map[string]*variable{}, funcs: map[string]*syntax.Stmt{}, jobs: map[int]*Process{},
		pipes: map[int]int{}, traps: map[Signal]string{}, wakeup: make(chan struct{}, 1), pid: p.pid,
	}
	sh.importEnv(p.Environ())
	return sh
}

// fork makes the shell of a subshell, whose process is c.
func (sh *shell) fork(c *Process) *shell {
	sub := &shell{
		p: c, arg0: sh.arg0, params: sh.params, opts: sh.opts, bash: sh.bash, status: sh.status, line: sh.line, loops: sh.loops,
		calls: sh.calls, lastBG: sh.lastBG, getopts: sh.getopts, pid: sh.pid, sub: true,
		vars: make(map[string]*variable, len(sh.vars)), funcs: maps.Clone(sh.funcs), aliases: sh.aliases, jobs: map[int]*Process{},
		pipes: map[int]int{}, traps: map[Signal]string{}, wakeup: make(chan struct{}, 1),
	}
	for name, v := range sh.vars {
		c := *v
		sub.vars[name] = &c
	}
	sh.trapMu.Lock()
	for sig, action := range sh.traps {
		if action == "" {
			sub.traps[sig] = ""
		}
	}
	sh.trapMu.Unlock()
	return sub
}

// subshell runs body in a child of the shell.
func (sh *shell) subshell(files map[int]*descriptor, body func(sub *shell)) *Process {
	c := sh.p.fork(spawn{files: files})
	sub := sh.fork(c)
	c.run(func(*Process) int {
		body(sub)
		return sub.finish()
	})
	return c
}

// finish runs the EXIT trap and gives the exit status.
func (sh *shell) finish() int {
	sh.runTraps()
	sh.trapMu.Lock()
	action := sh.traps[0]
	delete(sh.traps, 0)
	sh.trapMu.Unlock()
	if action != "" && sh.p.ctx.Err() == nil {
		code := sh.status
		sh.jump = jump{}
		sh.inTrap = true
		sh.text(action, 0)
		if sh.jump.kind != jumpExit {
			sh.status = code
		}
	}
	return sh.status & 0xff
}

// stopped says that nothing more is to be run here.
func (sh *shell) stopped() bool {
	if sh.jump.kind == goOn && sh.p.ctx.Err() != nil {
		sh.exitWith(130)
	}
	return sh.jump.kind != goOn
}

func (sh *shell) exitWith(code int) {
	sh.status = code
	sh.jump = jump{kind: jumpExit}
}

func (sh *shell) errorf(format string, args ...any) {
	sh.speaker().errorf(sh.p, format, args...)
}

// speaker is what a shell's messages begin with.
func (sh *shell) speaker() *launcher {
	return &launcher{arg0: sh.arg0, line: sh.line, path: sh.value("PATH"), bash: sh.bash}
}

// fail ends the shell after an error that a non-interactive shell does not survive.
func (sh *shell) fail(err error) {
	se, ok := errors.AsType[*shellError](err)
	if !ok {
		se = failure("%v", err)
	}
	sh.errorf("%s", se.text)
	sh.exitWith(se.code)
}

// carriageReturn stands for CR on its way through the parser, which takes CR for white space.
const carriageReturn = "\U000F000D"

// sourceReader prepares program text for the parser: whole, and ended by a newline.
type sourceReader struct {
	r    io.Reader
	rest []byte
	last byte
	eof  bool
	buf  []byte
}

func (s *sourceReader) Read(p []byte) (int, error) {
	if len(s.rest) == 0 && !s.eof {
		if s.buf == nil {
			s.buf = make([]byte, 8192) // dash reads its input in blocks of that size
		}
		n, err := s.r.Read(s.buf)
		text := s.buf[:n]
		if n > 0 {
			s.last = text[n-1]
		}
		if slices.Contains(text, '\r') {
			text = []byte(strings.ReplaceAll(string(text), "\r", carriageReturn))
		}
		s.rest = text
		if err != nil {
			s.eof = true
			if s.last != '\n' && s.last != 0 {
				s.rest = append(append([]byte(nil), s.rest...), '\n')
			}
		}
	}
	if len(s.rest) == 0 && s.eof {
		return 0, io.EOF
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// source runs program text from a stream, each complete command as soon as it has been read.
func (sh *shell) source(r io.Reader) {
	parser, base := newParser(sh.bash), sh.context
	for list, err := range parser.InteractiveSeq(&sourceReader{r: r}) {
		if sh.stopped() {
			return
		}
		if err != nil {
			sh.syntaxError(err)
			return
		}
		if parser.Incomplete() || len(list) == 0 {
			continue
		}
		if sh.stmts(list, base); sh.stopped() {
			return
		}
	}
}

// text runs program text that is there as a whole. Where nothing follows it in this process (it is that of -c), its last command may replace the shell.
func (sh *shell) text(text string, fl runFlags) {
	parsed, base := sh.p.world.lab().texts.parse(text, sh.bash), sh.context
	for i, list := range parsed.lists {
		if sh.stopped() {
			return
		}
		f := base
		if i == len(parsed.lists)-1 && parsed.err == nil && len(sh.scopes) == 0 && !sh.trapped() {
			f |= fl
		}
		sh.stmts(list, f)
	}
	if parsed.err != nil && !sh.stopped() {
		sh.syntaxError(parsed.err)
	}
}

func (sh *shell) syntaxError(err error) {
	text := err.Error()
	if pe, ok := errors.AsType[syntax.ParseError](err); ok {
		sh.line = int(pe.Pos.Line())
		text = pe.Text
	}
	if le, ok := errors.AsType[syntax.LangError](err); ok {
		sh.line = int(le.Pos.Line())
		text = le.Feature
	}
	sh.errorf("Syntax error: %s", strings.ReplaceAll(text, carriageReturn, "\r"))
	sh.exitWith(2)
}

func shellCommands() map[string]Command {
	return map[string]Command{
		"sh":   func(_ context.Context, p *Process, argv []string) int { return shellMain(p, argv, false) },
		"bash": func(_ context.Context, p *Process, argv []string) int { return shellMain(p, argv, true) },
	}
}

// invocation is the command line of a shell.
type invocation struct {
	command bool // -c
	stdin   bool // -s
	rest    []string
}

func shellMain(p *Process, argv []string, bash bool) int {
	sh := newShell(p, argv[0])
	sh.bash = bash
	inv, err := sh.arguments(argv[1:])
	if err != nil {
		fmt.Fprintf(p.Stderr(), "%s: 0: %v\n", argv[0], err)
		return 2
	}
	sh.readProfile(inv)
	switch {
	case inv.command:
		if len(inv.rest) == 0 {
			fmt.Fprintf(p.Stderr(), "%s: 0: -c requires an argument\n", argv[0])
			return 2
		}
		if len(inv.rest) > 1 {
			sh.arg0, sh.params = inv.rest[1], inv.rest[2:]
		}
		sh.text(inv.rest[0], lastCommand)
	case inv.stdin || len(inv.rest) == 0:
		sh.params = inv.rest
		sh.source(p.Stdin())
	default:
		d, err := p.openFile(inv.rest[0], os.O_RDONLY, 0)
		if err != nil {
			fmt.Fprintf(p.Stderr(), "%s: 0: cannot open %s: %s\n", argv[0], inv.rest[0], openText(err))
			return 2
		}
		defer d.release()
		sh.arg0, sh.params = inv.rest[0], inv.rest[1:]
		sh.source(streamReader{p.ctx, d})
	}
	return sh.finish()
}

// readProfile is bash's habit to read ~/.bashrc when it seems to be started by sshd.
func (sh *shell) readProfile(inv invocation) {
	_, remote := sh.get("SSH_CLIENT")
	_, nested := sh.get("SHLVL")
	if !sh.bash || !inv.command || !remote || nested {
		return
	}
	_ = sh.set("SHLVL", "1")
	sh.vars["SHLVL"].exported = true
	d, err := sh.p.openFile(sh.value("HOME")+"/.bashrc", os.O_RDONLY, 0)
	if err != nil {
		return
	}
	defer d.release()
	sh.calls++
	sh.source(streamReader{sh.p.ctx, d})
	sh.calls--
	if sh.jump.kind == jumpReturn {
		sh.jump = jump{}
	}
}

// arguments reads the options of a shell's command line.
func (sh *shell) arguments(args []string) (invocation, error) {
	var inv invocation
	for len(args) > 0 {
		arg := args[0]
		if arg == "-" || arg == "--" {
			args = args[1:]
			break
		}
		if len(arg) < 2 || (arg[0] != '-' && arg[0] != '+') {
			break
		}
		args = args[1:]
		if strings.HasPrefix(arg, "--") {
			if sh.bash && (arg == "--norc" || arg == "--noprofile" || arg == "--login" || arg == "--posix") {
				continue
			}
			return inv, failure("Illegal option %s", arg)
		}
		var err error
		if args, err = sh.letters(&inv, arg, args); err != nil {
			return inv, err
		}
	}
	inv.rest = args
	return inv, nil
}

// letters reads one argument of single-letter options, and gives back what is left of the arguments after it.
func (sh *shell) letters(inv *invocation, arg string, args []string) ([]string, error) {
	on := arg[0] == '-'
	for i := 1; i < len(arg); i++ {
		switch arg[i] {
		case 'c':
			inv.command = true
		case 's':
			inv.stdin = true
		case 'l':
		case 'o':
			if len(args) == 0 {
				return nil, failure("Illegal option -o")
			}
			if err := sh.setOption(args[0], on); err != nil {
				return nil, err
			}
			args = args[1:]
		default:
			if err := sh.setLetter(arg[i], on); err != nil {
				return nil, err
			}
		}
	}
	return args, nil
}

func (sh *shell) setLetter(letter byte, on bool) error {
	name, ok := optionLetters[letter]
	if !ok {
		return failure("Illegal option -%c", letter)
	}
	if name == "" {
		return nil
	}
	return sh.setOption(name, on)
}

func (sh *shell) setOption(name string, on bool) error {
	switch name {
	case "monitor", "notify", "vi", "emacs", "nolog", "ignoreeof", "debug", "interactive", "privileged":
		return nil
	}
	ref := sh.opts.ref(name, sh.bash)
	if ref == nil {
		return failure("Illegal option -o %s", name)
	}
	*ref = on
	return nil
}
