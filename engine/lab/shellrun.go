package lab

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/syntax"
)

// runFlags say in which position a command stands.
type runFlags uint8

const (
	tested      runFlags = 1 << iota // its status decides something: errexit does not count
	lastCommand                      // nothing follows in this process: the program may take its place
)

func (sh *shell) stmts(list []*syntax.Stmt, fl runFlags) {
	for i, st := range list {
		f := fl
		if i < len(list)-1 {
			f &^= lastCommand
		}
		sh.stmt(st, f)
		if sh.stopped() {
			return
		}
	}
}

func (sh *shell) stmt(st *syntax.Stmt, fl runFlags) {
	sh.runTraps()
	if sh.stopped() || sh.opts.noexec {
		return
	}
	if st.Coprocess || st.Disown {
		sh.fail(failure("Syntax error: unsupported operator"))
		return
	}
	if st.Background {
		sh.background(st)
		return
	}
	if st.Negated {
		sh.command(st, fl&^lastCommand|tested)
		if sh.jump.kind == goOn {
			sh.status = boolStatus(sh.status != 0)
		}
		return
	}
	sh.command(st, fl)
	sh.runTraps()
}

// boolStatus is the exit status that says yes or no.
func boolStatus(yes bool) int {
	if yes {
		return 0
	}
	return 1
}

// check is errexit: a leaf of the tree has failed.
func (sh *shell) check(fl runFlags) {
	if sh.opts.errexit && sh.status != 0 && fl&tested == 0 && sh.jump.kind == goOn {
		sh.exitWith(sh.status)
	}
}

// command runs a statement's command with its redirections.
func (sh *shell) command(st *syntax.Stmt, fl runFlags) {
	if pos := st.Pos(); pos.IsValid() {
		sh.line = int(pos.Line())
	}
	switch cm := st.Cmd.(type) {
	case nil:
		sh.call(&syntax.CallExpr{}, st.Redirs, fl)
		return
	case *syntax.CallExpr:
		sh.call(cm, st.Redirs, fl)
		return
	case *syntax.DeclClause:
		sh.declare(cm, st.Redirs, fl)
		return
	}
	moved, err := sh.redirect(st.Redirs)
	defer moved.undo()
	if err != nil {
		sh.errorf("%v", err)
		sh.status = 2
		sh.check(fl)
		return
	}
	if len(st.Redirs) > 0 {
		fl &^= lastCommand
	}
	sh.compound(st.Cmd, fl)
}

func (sh *shell) compound(cmd syntax.Command, fl runFlags) {
	switch cm := cmd.(type) {
	case *syntax.Block:
		sh.stmts(cm.Stmts, fl)
	case *syntax.Subshell:
		c := sh.subshell(nil, func(sub *shell) { sub.stmts(cm.Stmts, fl&tested|lastCommand) })
		sh.status = sh.foreground(c)
		sh.check(fl)
	case *syntax.BinaryCmd:
		sh.binary(cm, fl)
	case *syntax.IfClause:
		sh.ifClause(cm, fl)
	case *syntax.WhileClause:
		sh.while(cm, fl)
	case *syntax.ForClause:
		sh.forClause(cm, fl)
	case *syntax.CaseClause:
		sh.caseClause(cm, fl)
	case *syntax.FuncDecl:
		if len(cm.Name.Value) > 0 {
			sh.funcs[cm.Name.Value] = cm.Body
		}
		sh.status = 0
	case *syntax.TestClause:
		sh.testClause(cm)
		sh.check(fl)
	case *syntax.ArithmCmd:
		n, err := sh.arithmetic(cm.X)
		if err != nil {
			sh.fail(err)
			return
		}
		sh.status = boolStatus(n != 0)
		sh.check(fl)
	case *syntax.TimeClause:
		sh.stmt(cm.Stmt, fl&^lastCommand)
	default:
		sh.fail(failure("Syntax error: unsupported command"))
	}
}

func (sh *shell) binary(cm *syntax.BinaryCmd, fl runFlags) {
	switch cm.Op {
	case syntax.AndStmt, syntax.OrStmt:
		sh.stmt(cm.X, fl&^lastCommand|tested)
		if !sh.stopped() && (sh.status == 0) == (cm.Op == syntax.AndStmt) {
			sh.stmt(cm.Y, fl)
		}
	case syntax.Pipe, syntax.PipeAll:
		sh.pipeline(cm, fl)
		sh.check(fl)
	default:
		sh.fail(failure("Syntax error: unsupported operator"))
	}
}

// stage is one command of a pipeline.
type stage struct {
	stmt   *syntax.Stmt
	stderr bool // goes into the pipe too
}

func stages(cm *syntax.BinaryCmd) []stage {
	var out []stage
	if x, ok := cm.X.Cmd.(*syntax.BinaryCmd); ok && (x.Op == syntax.Pipe || x.Op == syntax.PipeAll) && len(cm.X.Redirs) == 0 && !cm.X.Negated {
		out = stages(x)
	} else {
		out = []stage{{stmt: cm.X}}
	}
	out[len(out)-1].stderr = cm.Op == syntax.PipeAll
	return append(out, stage{stmt: cm.Y})
}

func (sh *shell) pipeline(cm *syntax.BinaryCmd, fl runFlags) {
	var children []*Process
	var in *descriptor
	list := stages(cm)
	for i, st := range list {
		files := sh.p.files()
		if in != nil {
			files[0] = in
		}
		var next, out *descriptor
		if i < len(list)-1 {
			next, out = newPipeEnds()
			files[1] = out
			if st.stderr {
				files[2] = out
			}
		}
		children = append(children, sh.subshell(files, func(sub *shell) { sub.stmt(st.stmt, fl&tested|lastCommand) }))
		for _, d := range []*descriptor{in, out} {
			if d != nil {
				d.release()
			}
		}
		in = next
	}
	sh.status = 0
	failed := 0
	for _, c := range children {
		sh.status = sh.foreground(c)
		if sh.status != 0 {
			failed = sh.status
		}
	}
	if sh.opts.pipefail && failed != 0 {
		sh.status = failed
	}
}

// foreground waits for a child and says what killed it, if something did.
func (sh *shell) foreground(c *Process) int {
	st := sh.p.wait(c)
	if sh.p.ctx.Err() == nil && st.signal != 0 && st.signal != SIGINT && st.signal != SIGPIPE {
		fmt.Fprintln(sh.p.Stderr(), signalText(st.signal))
	}
	return st.shell()
}

func signalText(sig Signal) string {
	switch sig {
	case SIGHUP:
		return "Hangup"
	case SIGKILL:
		return "Killed"
	case SIGTERM:
		return "Terminated"
	case SIGQUIT:
		return "Quit"
	}
	return "Signal " + sig.String()
}

func (sh *shell) background(st *syntax.Stmt) {
	c := *st
	c.Background = false
	files := sh.p.files()
	null := newDescriptor(nullDevice{}, "/dev/null")
	files[0] = null
	child := sh.p.fork(spawn{files: files})
	null.release()
	child.ignore(SIGINT, true)
	child.ignore(SIGQUIT, true)
	sub := sh.fork(child)
	child.run(func(*Process) int {
		sub.stmt(&c, lastCommand)
		return sub.finish()
	})
	sh.lastBG = child.pid
	sh.jobs[child.pid] = child
	sh.status = 0
}

func (sh *shell) ifClause(cm *syntax.IfClause, fl runFlags) {
	for ; cm != nil; cm = cm.Else {
		if !cm.ThenPos.IsValid() { // a plain else
			sh.stmts(cm.Then, fl)
			return
		}
		sh.stmts(cm.Cond, tested)
		if sh.stopped() {
			return
		}
		if sh.status == 0 {
			sh.stmts(cm.Then, fl)
			return
		}
	}
	sh.status = 0
}

// iterate runs a loop's body once and says whether the loop goes on.
func (sh *shell) iterate(body []*syntax.Stmt, fl runFlags) bool {
	sh.loops++
	sh.stmts(body, fl&^lastCommand)
	sh.loops--
	if sh.jump.kind != jumpBreak && sh.jump.kind != jumpContinue {
		return !sh.stopped()
	}
	sh.jump.depth--
	if sh.jump.depth > 0 {
		return false // it concerns a loop further out
	}
	again := sh.jump.kind == jumpContinue
	sh.jump = jump{}
	return again
}

func (sh *shell) while(cm *syntax.WhileClause, fl runFlags) {
	status := 0
	for !sh.stopped() {
		sh.loops++
		sh.stmts(cm.Cond, tested)
		sh.loops--
		if sh.jump.kind == jumpBreak || sh.jump.kind == jumpContinue {
			if sh.jump.depth--; sh.jump.depth > 0 {
				return
			}
			again := sh.jump.kind == jumpContinue
			sh.jump = jump{}
			if again {
				continue
			}
			break
		}
		if sh.stopped() {
			return
		}
		if (sh.status == 0) == cm.Until {
			break
		}
		again := sh.iterate(cm.Do, fl)
		status = sh.status
		if !again {
			break
		}
	}
	if sh.jump.kind == goOn {
		sh.status = status
	}
}

func (sh *shell) forClause(cm *syntax.ForClause, fl runFlags) {
	iter, ok := cm.Loop.(*syntax.WordIter)
	if !ok || cm.Select {
		sh.fail(failure("Syntax error: unsupported loop"))
		return
	}
	items := slices.Clone(sh.params)
	if iter.InPos.IsValid() {
		var err error
		if items, err = sh.fields(iter.Items); err != nil {
			sh.fail(err)
			return
		}
	}
	sh.status = 0
	for _, item := range items {
		if err := sh.set(iter.Name.Value, item); err != nil {
			sh.fail(err)
			return
		}
		if !sh.iterate(cm.Do, fl) {
			return
		}
	}
}

func (sh *shell) caseClause(cm *syntax.CaseClause, fl runFlags) {
	text, err := sh.word(cm.Word)
	if err != nil {
		sh.fail(err)
		return
	}
	sh.status = 0
	for _, item := range cm.Items {
		for _, w := range item.Patterns {
			pat, err := sh.pattern(w)
			if err != nil {
				sh.fail(err)
				return
			}
			if sh.p.world.lab().regexes.match(pat, text) {
				sh.stmts(item.Stmts, fl)
				return
			}
		}
	}
}

// specialBuiltin says that errors of the command end the shell, and that assignments before it stay.
func specialBuiltin(name string) bool {
	switch name {
	case "break", ":", "continue", ".", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "times", "trap", "unset":
		return true
	}
	return false
}

// call runs a simple command.
func (sh *shell) call(cm *syntax.CallExpr, redirs []*syntax.Redirect, fl runFlags) {
	sh.subst = 0
	args, err := sh.argumentWords(cm.Args)
	if err != nil {
		sh.fail(err)
		return
	}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	if _, builtin := sh.builtin(name); name != "" && !builtin && sh.funcs[name] == nil {
		sh.trace(cm, args)
		sh.withAssigned(cm.Assigns, func() { sh.program(args, redirs, fl) })
		sh.check(fl)
		return
	}
	moved, err := sh.redirect(redirs)
	if err != nil {
		moved.undo()
		if specialBuiltin(name) && sh.funcs[name] == nil {
			sh.fail(err)
			return
		}
		sh.errorf("%v", err)
		sh.status = 2
		sh.check(fl)
		return
	}
	if name == "exec" && sh.funcs[name] == nil {
		sh.exec(cm.Assigns, args[1:], moved)
		return
	}
	defer moved.undo()
	sh.trace(cm, args)
	if len(args) == 0 {
		if sh.assign(cm.Assigns, nil) {
			sh.status = sh.subst
			sh.check(fl)
		}
		return
	}
	sh.simple(cm.Assigns, args, fl)
	sh.check(fl)
}

// argumentWords expands a command's words; those of the declaring commands are not split.
func (sh *shell) argumentWords(words []*syntax.Word) ([]string, error) {
	if len(words) < 2 {
		return sh.fields(words)
	}
	switch words[0].Lit() {
	case "local", "export", "readonly":
	default:
		return sh.fields(words)
	}
	out := []string{words[0].Lit()}
	for _, w := range words[1:] {
		lit, ok := w.Parts[0].(*syntax.Lit)
		name, _, eq := "", "", false
		if ok {
			name, _, eq = strings.Cut(lit.Value, "=")
		}
		if !eq || !syntax.ValidName(name) {
			list, err := sh.fields([]*syntax.Word{w})
			if err != nil {
				return nil, err
			}
			out = append(out, list...)
			continue
		}
		rest := *lit
		rest.Value = lit.Value[len(name)+1:]
		value, err := sh.assigned(&syntax.Word{Parts: append([]syntax.WordPart{&rest}, w.Parts[1:]...)})
		if err != nil {
			return nil, err
		}
		out = append(out, name+"="+value)
	}
	return out, nil
}

// assign carries out the assignments before a command. Those kept in undo are to be taken back.
func (sh *shell) assign(list []*syntax.Assign, undo map[string]*variable) bool {
	for _, as := range list {
		if as.Array != nil || as.Index != nil {
			sh.fail(failure("Syntax error: arrays are not supported"))
			return false
		}
		value, err := sh.assigned(as.Value)
		if err == nil && as.Append {
			value = sh.value(as.Name.Value) + value
		}
		if undo != nil {
			sh.keep(undo, as.Name.Value)
		}
		if err == nil {
			err = sh.set(as.Name.Value, value)
		}
		if err != nil {
			sh.fail(err)
			return false
		}
	}
	return true
}

// simple runs a command that has a name.
func (sh *shell) simple(assigns []*syntax.Assign, args []string, fl runFlags) {
	name := args[0]
	run, _ := sh.builtin(name)
	body := sh.funcs[name]
	sh.context = fl & tested
	if specialBuiltin(name) && body == nil {
		if sh.assign(assigns, nil) {
			sh.status = run(args)
		}
		return
	}
	sh.withAssigned(assigns, func() {
		if body != nil {
			sh.function(body, args, fl)
		} else {
			sh.status = run(args)
		}
	})
}

// withAssigned runs a command with the assignments before it, which are gone afterwards.
func (sh *shell) withAssigned(assigns []*syntax.Assign, run func()) {
	undo := map[string]*variable{}
	defer func() { sh.restore(undo) }()
	if !sh.assign(assigns, undo) {
		return
	}
	for _, as := range assigns {
		sh.vars[as.Name.Value].exported = true
	}
	run()
}

func (sh *shell) function(body *syntax.Stmt, args []string, fl runFlags) {
	if len(sh.scopes) > 500 {
		sh.fail(failure("Maximum function recursion depth (500) reached"))
		return
	}
	oldParams, oldLoops := sh.params, sh.loops
	sh.params, sh.loops = args[1:], 0
	sh.calls++
	sh.scopes = append(sh.scopes, map[string]*variable{})
	sh.stmt(body, fl&tested)
	sh.restore(sh.scopes[len(sh.scopes)-1])
	sh.scopes = sh.scopes[:len(sh.scopes)-1]
	sh.calls--
	sh.params, sh.loops = oldParams, oldLoops
	if sh.jump.kind == jumpReturn {
		sh.jump = jump{}
	}
}

// program runs a program of the file system, in a child or, where nothing follows, in the shell's place.
func (sh *shell) program(args []string, redirs []*syntax.Redirect, fl runFlags) {
	env := sh.environ()
	who := sh.speaker()
	c := sh.p
	inPlace := fl&lastCommand != 0 && !sh.trapped()
	if inPlace {
		c.mu.Lock()
		c.env = env
		c.mu.Unlock()
	} else {
		c = sh.p.fork(spawn{env: env})
	}
	moved, err := sh.redirectIn(c, redirs)
	moved.settle()
	if err != nil {
		who.errorf(c, "%v", err)
		if !inPlace {
			c.finish(exitStatus{code: 2})
		}
		sh.status = 2
		if inPlace {
			sh.exitWith(2)
		}
		return
	}
	if inPlace {
		sh.exitWith(who.run(c, args))
		return
	}
	c.run(func(c *Process) int { return who.run(c, args) })
	sh.status = sh.foreground(c)
}

// launcher is what a shell gives a child on its way: nothing of the shell itself, which goes on.
type launcher struct {
	arg0 string
	line int
	path string // to look programs up
	bash bool
}

func (l *launcher) errorf(p *Process, format string, args ...any) {
	where := strconv.Itoa(l.line)
	if l.bash {
		where = "line " + where
	}
	fmt.Fprintf(p.Stderr(), "%s: %s: %s\n", l.arg0, where, fmt.Sprintf(format, args...))
}

// run finds a program and runs it in a process, or says what a shell says.
func (l *launcher) run(p *Process, args []string) int {
	path, err := p.lookPath(args[0], l.path)
	var img image
	if err == nil {
		img, err = p.load(path, args)
	}
	switch {
	case err == nil:
		return p.become(path, img)
	case reason(err) == syscall.ENOENT && l.bash:
		l.errorf(p, "%s: command not found", args[0])
		return 127
	case reason(err) == syscall.ENOENT:
		l.errorf(p, "%s: not found", args[0])
		return 127
	}
	l.errorf(p, "%s: %s", args[0], strerror(err))
	return 126
}

// exec is the exec builtin: the redirections stay, and a program takes the shell's place.
func (sh *shell) exec(assigns []*syntax.Assign, args []string, moved *redirection) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	moved.settle()
	if !sh.assign(assigns, nil) {
		return
	}
	if len(args) == 0 {
		sh.status = 0
		return
	}
	for _, as := range assigns {
		sh.vars[as.Name.Value].exported = true
	}
	env := sh.environ()
	sh.p.mu.Lock()
	sh.p.env = env
	sh.p.mu.Unlock()
	sh.trapMu.Lock()
	clear(sh.traps) // a program that takes the shell's place has no traps, the EXIT one included
	sh.trapMu.Unlock()
	who := sh.speaker()
	sh.exitWith(who.run(sh.p, args))
}

func (sh *shell) trace(cm *syntax.CallExpr, args []string) {
	if !sh.opts.xtrace {
		return
	}
	var b strings.Builder
	b.WriteString(sh.value("PS4"))
	for _, as := range cm.Assigns {
		value, _ := sh.assigned(as.Value)
		fmt.Fprintf(&b, "%s=%s ", as.Name.Value, value)
	}
	b.WriteString(strings.Join(args, " "))
	_, _ = io.WriteString(sh.p.Stderr(), strings.TrimRight(b.String(), " ")+"\n")
}

// declare is export and readonly, which the parser knows by name.
func (sh *shell) declare(cm *syntax.DeclClause, redirs []*syntax.Redirect, fl runFlags) {
	words := []*syntax.Word{{Parts: []syntax.WordPart{&syntax.Lit{Value: cm.Variant.Value}}}}
	for _, as := range cm.Args {
		switch {
		case as.Name == nil:
			words = append(words, as.Value)
		case as.Naked:
			words = append(words, &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: as.Name.Value}}})
		case as.Array != nil:
			sh.fail(failure("Syntax error: arrays are not supported"))
			return
		default:
			parts := []syntax.WordPart{&syntax.Lit{Value: as.Name.Value + "="}}
			if as.Value != nil {
				parts = append(parts, as.Value.Parts...)
				if lit, ok := as.Value.Parts[0].(*syntax.Lit); ok {
					parts = append([]syntax.WordPart{&syntax.Lit{Value: as.Name.Value + "=" + lit.Value}}, as.Value.Parts[1:]...)
				}
			}
			words = append(words, &syntax.Word{Parts: parts})
		}
	}
	sh.call(&syntax.CallExpr{Args: words}, redirs, fl)
}
