package lab

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/syntax"
)

// builtin finds a builtin of the shell. It gets its name as args[0] and gives the status.
func (sh *shell) builtin(name string) (func(args []string) int, bool) {
	switch name {
	case ":", "true":
		return func([]string) int { return 0 }, true
	case "false":
		return func([]string) int { return 1 }, true
	case "break", "continue":
		return sh.leaveLoop, true
	case ".":
		return sh.dot, true
	case "eval":
		return sh.eval, true
	case "exec":
		return func(args []string) int { sh.exec(nil, args[1:], &redirection{}); return sh.status }, true
	case "exit", "return":
		return sh.leave, true
	case "export", "readonly":
		return sh.mark, true
	case "local":
		return sh.local, true
	case "set":
		return sh.setBuiltin, true
	case "shift":
		return sh.shift, true
	case "times":
		return func([]string) int { sh.print("0m0.000000s 0m0.000000s\n0m0.000000s 0m0.000000s\n"); return 0 }, true
	case "trap":
		return sh.trap, true
	case "unset":
		return sh.unsetBuiltin, true
	}
	return sh.regularBuiltin(name)
}

func (sh *shell) regularBuiltin(name string) (func(args []string) int, bool) {
	switch name {
	case "cd":
		return sh.cd, true
	case "pwd":
		return sh.pwd, true
	case "command":
		return sh.commandBuiltin, true
	case "type":
		return sh.typeBuiltin, true
	case "echo":
		return sh.echo, true
	case "printf":
		return func(args []string) int { return printf(sh.p, args, sh.errorf) }, true
	case "test", "[":
		return func(args []string) int { return testCommand(sh.p, args, sh.errorf) }, true
	case "read":
		return sh.read, true
	case "umask":
		return sh.umask, true
	case "ulimit":
		return func([]string) int { sh.print("unlimited\n"); return 0 }, true
	case "kill":
		return sh.kill, true
	case "wait":
		return sh.wait, true
	case "jobs":
		return func([]string) int { return 0 }, true
	case "getopts":
		return sh.getoptsBuiltin, true
	case "hash", "alias", "unalias":
		return func([]string) int { return 0 }, true
	case "bg", "fg":
		return func(args []string) int { sh.errorf("%s: job control is off", args[0]); return 2 }, true
	}
	if sh.bash {
		switch name {
		case "source":
			return sh.dot, true
		case "shopt", "declare", "typeset":
			return func(args []string) int { sh.errorf("%s: not supported", args[0]); return 2 }, true
		}
	}
	return nil, false
}

// print writes to standard output in one piece; false if that failed.
func (sh *shell) print(text string) bool {
	if text == "" {
		return true
	}
	_, err := io.WriteString(sh.p.Stdout(), text)
	return err == nil
}

func (sh *shell) leaveLoop(args []string) int {
	depth := 1
	if len(args) > 1 {
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 1 {
			sh.fail(failure("%s: Illegal number: %s", args[0], args[1]))
			return 2
		}
		depth = n
	}
	if sh.loops == 0 {
		return 0
	}
	kind := jumpBreak
	if args[0] == "continue" {
		kind = jumpContinue
	}
	sh.jump = jump{kind: kind, depth: min(depth, sh.loops)}
	return 0
}

func (sh *shell) leave(args []string) int {
	code := sh.status
	if len(args) > 1 {
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 0 {
			sh.fail(failure("%s: Illegal number: %s", args[0], args[1]))
			return 2
		}
		code = n & 0xff
	}
	if args[0] == "return" && sh.calls > 0 {
		sh.jump = jump{kind: jumpReturn}
		return code
	}
	sh.exitWith(code)
	return code
}

func (sh *shell) dot(args []string) int {
	if len(args) < 2 {
		return 0
	}
	path := args[1]
	if !strings.Contains(path, "/") {
		found := false
		for dir := range strings.SplitSeq(sh.value("PATH"), ":") {
			file := orDefault(dir, ".") + "/" + path
			if info, err := sh.p.Stat(file); err == nil && !info.IsDir() {
				path, found = file, true
				break
			}
		}
		if !found {
			sh.fail(failure(".: %s: not found", path))
			return 2
		}
	}
	d, err := sh.p.openFile(path, os.O_RDONLY, 0)
	if err != nil {
		sh.fail(failure(".: cannot open %s: %s", path, openText(err)))
		return 2
	}
	defer d.release()
	sh.status = 0
	sh.calls++
	loops := sh.loops
	sh.loops = 0
	sh.source(streamReader{sh.p.ctx, d})
	sh.calls--
	sh.loops = loops
	if sh.jump.kind == jumpReturn {
		sh.jump = jump{}
	}
	return sh.status
}

func (sh *shell) eval(args []string) int {
	sh.status = 0
	line := sh.line
	sh.text(strings.Join(args[1:], " "), 0)
	sh.line = line
	return sh.status
}

// mark is export and readonly.
func (sh *shell) mark(args []string) int {
	names := args[1:]
	if len(names) == 0 || (len(names) == 1 && names[0] == "-p") {
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(sh.vars)) {
			v := sh.vars[name]
			if (args[0] == "export" && !v.exported) || (args[0] == "readonly" && !v.readonly) {
				continue
			}
			b.WriteString(args[0] + " " + name)
			if v.set {
				b.WriteString("=" + shellQuote(v.value))
			}
			b.WriteByte('\n')
		}
		sh.print(b.String())
		return 0
	}
	for _, arg := range names {
		if arg == "--" {
			continue
		}
		name, value, eq := strings.Cut(arg, "=")
		if !syntax.ValidName(name) {
			sh.fail(failure("%s: %s: bad variable name", args[0], name))
			return 2
		}
		if eq {
			if err := sh.set(name, value); err != nil {
				sh.fail(err)
				return 2
			}
		}
		v := sh.vars[name]
		if v == nil {
			v = &variable{}
			sh.vars[name] = v
		}
		if args[0] == "export" {
			v.exported = true
		} else {
			v.readonly = true
		}
	}
	return 0
}

func (sh *shell) local(args []string) int {
	if len(sh.scopes) == 0 {
		sh.fail(failure("local: not in a function"))
		return 2
	}
	scope := sh.scopes[len(sh.scopes)-1]
	for _, arg := range args[1:] {
		name, value, eq := strings.Cut(arg, "=")
		if !syntax.ValidName(name) {
			sh.fail(failure("local: %s: bad variable name", name))
			return 2
		}
		sh.keep(scope, name)
		if eq {
			if err := sh.set(name, value); err != nil {
				sh.fail(err)
				return 2
			}
		}
	}
	return 0
}

func (sh *shell) setBuiltin(args []string) int {
	args = args[1:]
	if len(args) == 0 {
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(sh.vars)) {
			if v := sh.vars[name]; v.set {
				b.WriteString(name + "=" + shellQuote(v.value) + "\n")
			}
		}
		sh.print(b.String())
		return 0
	}
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			sh.params = slices.Clone(args[1:])
			return 0
		}
		if arg == "-" {
			args = args[1:]
			break
		}
		if len(arg) < 2 || (arg[0] != '-' && arg[0] != '+') {
			break
		}
		args = args[1:]
		for i := 1; i < len(arg); i++ {
			var err error
			switch {
			case arg[i] != 'o':
				err = sh.setLetter(arg[i], arg[0] == '-')
			case len(args) == 0:
				return 0
			default:
				err = sh.setOption(args[0], arg[0] == '-')
				args = args[1:]
			}
			if err != nil {
				sh.fail(failure("set: %v", err))
				return 2
			}
		}
	}
	if len(args) > 0 {
		sh.params = slices.Clone(args)
	}
	return 0
}

func (sh *shell) shift(args []string) int {
	n := 1
	if len(args) > 1 {
		var err error
		if n, err = strconv.Atoi(args[1]); err != nil || n < 0 {
			sh.fail(failure("shift: Illegal number: %s", args[1]))
			return 2
		}
	}
	if n > len(sh.params) {
		sh.fail(failure("shift: can't shift that many"))
		return 2
	}
	sh.params = sh.params[n:]
	return 0
}

func (sh *shell) unsetBuiltin(args []string) int {
	names, funcs := args[1:], false
	for len(names) > 0 && strings.HasPrefix(names[0], "-") {
		funcs = names[0] == "-f"
		names = names[1:]
	}
	for _, name := range names {
		if funcs {
			delete(sh.funcs, name)
			continue
		}
		if err := sh.unset(name); err != nil {
			sh.fail(failure("unset: %v", err))
			return 2
		}
	}
	return 0
}

func (sh *shell) cd(args []string) int {
	args = args[1:]
	physical := false
	for len(args) > 0 && (args[0] == "-P" || args[0] == "-L" || args[0] == "--") {
		physical = args[0] == "-P"
		args = args[1:]
	}
	dir, show := sh.value("HOME"), false
	if len(args) > 0 {
		dir = args[0]
	}
	if dir == "-" {
		dir, show = sh.value("OLDPWD"), true
	}
	if dir == "" {
		return 0
	}
	logical := dir
	if !strings.HasPrefix(dir, "/") {
		logical = strings.TrimSuffix(sh.value("PWD"), "/") + "/" + dir
	}
	logical = cleanPath(logical)
	target := logical
	if physical {
		target = dir
	}
	v := sh.p.view()
	real, err := v.realpath(target)
	if err == nil {
		var info Info
		if info, err = v.stat(target, true); err == nil && !info.IsDir() {
			err = syscall.ENOTDIR
		}
		if err == nil {
			err = v.access(target, mayExec)
		}
	}
	if err != nil {
		sh.errorf("cd: can't cd to %s", dir)
		return 2
	}
	if physical {
		logical = real
	}
	sh.p.mu.Lock()
	sh.p.cwd = real
	sh.p.mu.Unlock()
	_ = sh.set("OLDPWD", sh.value("PWD"))
	_ = sh.set("PWD", logical)
	if show {
		sh.print(logical + "\n")
	}
	return 0
}

// cleanPath takes the dots out of an absolute path without looking at links.
func cleanPath(path string) string {
	var out []string
	for _, e := range elements(path) {
		if e == ".." {
			out = out[:max(0, len(out)-1)]
			continue
		}
		out = append(out, e)
	}
	return "/" + strings.Join(out, "/")
}

func (sh *shell) pwd(args []string) int {
	dir := sh.value("PWD")
	if len(args) > 1 && args[1] == "-P" {
		dir = sh.p.Dir()
	}
	sh.print(dir + "\n")
	return 0
}

// describe says what a name means to the shell: the word itself, or a path.
func (sh *shell) describe(name string) (kind, what string) {
	if isKeyword(name) {
		return "keyword", name
	}
	if sh.funcs[name] != nil {
		return "function", name
	}
	if _, ok := sh.builtin(name); ok {
		return "builtin", name
	}
	path, err := sh.p.lookPath(name, sh.value("PATH"))
	if err != nil {
		return "", ""
	}
	return "file", path
}

func isKeyword(name string) bool {
	return slices.Contains(strings.Fields("! case do done elif else esac fi for if in then until while { }"), name)
}

func (sh *shell) commandBuiltin(args []string) int {
	args = args[1:]
	show := byte(0)
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if args[0] == "--" {
			args = args[1:]
			break
		}
		switch args[0] {
		case "-v", "-V":
			show = args[0][1]
		case "-p":
		default:
			sh.fail(failure("command: Illegal option %s", args[0]))
			return 2
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return 0
	}
	if show == 0 {
		if run, ok := sh.builtin(args[0]); ok {
			return run(args)
		}
		sh.program(args, nil, 0)
		return sh.status
	}
	status := 0
	for _, name := range args[:1] { // dash looks at the first name only
		kind, what := sh.describe(name)
		switch {
		case kind == "":
			status = 127
			if show == 'V' {
				sh.print(name + ": not found\n")
			}
		case show == 'v':
			sh.print(what + "\n")
		default:
			sh.print(describeText(name, kind, what))
		}
	}
	return status
}

func describeText(name, kind, what string) string {
	switch kind {
	case "keyword":
		return name + " is a shell keyword\n"
	case "function":
		return name + " is a shell function\n"
	case "builtin":
		if specialBuiltin(name) {
			return name + " is a special shell builtin\n"
		}
		return name + " is a shell builtin\n"
	}
	return name + " is " + what + "\n"
}

func (sh *shell) typeBuiltin(args []string) int {
	status := 0
	for _, name := range args[1:] {
		kind, what := sh.describe(name)
		if kind == "" {
			sh.print(name + ": not found\n")
			status = 127
			continue
		}
		sh.print(describeText(name, kind, what))
	}
	return status
}

// echo is dash's: -n is its only option, and backslashes count.
func (sh *shell) echo(args []string) int {
	args = args[1:]
	newline := true
	if len(args) > 0 && args[0] == "-n" {
		newline, args = false, args[1:]
	}
	text, goes := strings.Join(args, " "), true
	if !sh.bash {
		text, goes = formatEscapes(text, escapesEcho)
	}
	if newline && goes {
		text += "\n"
	}
	if !sh.print(text) {
		sh.errorf("echo: I/O error")
		return 1
	}
	return 0
}

func (sh *shell) umask(args []string) int {
	mask := sh.p.view().umask
	args = args[1:]
	symbolic := len(args) > 0 && args[0] == "-S"
	if symbolic {
		args = args[1:]
	}
	if len(args) == 0 {
		if symbolic {
			sh.print(fmt.Sprintf("u=%s,g=%s,o=%s\n", rwx(7&^(mask>>6)), rwx(7&^(mask>>3)), rwx(7&^mask)))
		} else {
			sh.print(fmt.Sprintf("%04o\n", mask))
		}
		return 0
	}
	if n, err := strconv.ParseUint(args[0], 8, 32); err == nil {
		mask = Mode(n) & 0o777
	} else if mode, ok := parseMode(args[0], 0o777&^mask, 0, false); ok {
		mask = 0o777 &^ mode
	} else {
		sh.fail(failure("umask: Illegal mode: %s", args[0]))
		return 2
	}
	sh.p.mu.Lock()
	sh.p.umask = mask
	sh.p.mu.Unlock()
	return 0
}

func rwx(bits Mode) string {
	out := ""
	for i, c := range "rwx" {
		if bits&(4>>uint(i)) != 0 {
			out += string(c)
		}
	}
	return out
}
