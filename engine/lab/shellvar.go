package lab

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// variable is a shell variable. One that is declared but not set has attributes only.
type variable struct {
	value    string
	set      bool
	exported bool
	readonly bool
}

func (sh *shell) importEnv(env []string) {
	for _, e := range env {
		if name, value, ok := strings.Cut(e, "="); ok && syntax.ValidName(name) {
			sh.vars[name] = &variable{value: value, set: true, exported: true}
		}
	}
	for name, value := range map[string]string{"IFS": " \t\n", "OPTIND": "1", "PS1": "# ", "PS2": "> ", "PS4": "+ "} {
		sh.vars[name] = &variable{value: value, set: true}
	}
	ppid, _, _ := sh.p.ids()
	sh.vars["PPID"] = &variable{value: strconv.Itoa(ppid), set: true}
	if v := sh.vars["PATH"]; v == nil {
		sh.vars["PATH"] = &variable{value: defaultPath, set: true}
	}
	sh.vars["PWD"] = &variable{value: sh.logicalDir(), set: true, exported: true}
}

// logicalDir is PWD from the environment if it is right, else where the process really is.
func (sh *shell) logicalDir() string {
	dir := sh.p.Dir()
	if v := sh.vars["PWD"]; v != nil && strings.HasPrefix(v.value, "/") {
		if real, err := sh.p.view().realpath(v.value); err == nil && real == dir {
			return v.value
		}
	}
	return dir
}

// environ is what a program started by the shell gets.
func (sh *shell) environ() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(sh.vars)) {
		if v := sh.vars[name]; v.exported && v.set {
			out = append(out, name+"="+v.value)
		}
	}
	return out
}

// get gives the value of a variable or special parameter.
func (sh *shell) get(name string) (value string, set bool) {
	switch name {
	case "@", "*":
		return strings.Join(sh.params, " "), len(sh.params) > 0
	case "#":
		return strconv.Itoa(len(sh.params)), true
	case "?":
		return strconv.Itoa(sh.status), true
	case "$":
		return strconv.Itoa(sh.pid), true
	case "!":
		if sh.lastBG == 0 {
			return "", false
		}
		return strconv.Itoa(sh.lastBG), true
	case "-":
		return sh.flagLetters(), true
	case "0":
		return sh.arg0, true
	case "LINENO":
		return strconv.Itoa(sh.line), true
	}
	if name[0] >= '1' && name[0] <= '9' {
		n, err := strconv.Atoi(name)
		if err != nil || n > len(sh.params) {
			return "", false
		}
		return sh.params[n-1], true
	}
	if v := sh.vars[name]; v != nil {
		return v.value, v.set
	}
	return "", false
}

func (sh *shell) flagLetters() string {
	var out []byte
	for letter, name := range optionLetters {
		if ref := sh.opts.ref(name, sh.bash); ref != nil && *ref {
			out = append(out, letter)
		}
	}
	slices.Sort(out)
	return string(out)
}

func (sh *shell) value(name string) string {
	v, _ := sh.get(name)
	return v
}

func (sh *shell) set(name, value string) error {
	v := sh.vars[name]
	if v == nil {
		v = &variable{}
		sh.vars[name] = v
	}
	if v.readonly {
		return failure("%s: is read only", name)
	}
	v.value, v.set = value, true
	if sh.opts.allexport {
		v.exported = true
	}
	if name == "OPTIND" {
		sh.getopts = getoptState{}
	}
	return nil
}

func (sh *shell) unset(name string) error {
	if v := sh.vars[name]; v != nil && v.readonly {
		return failure("%s: is read only", name)
	}
	delete(sh.vars, name)
	return nil
}

// keep remembers a variable, so that restore puts it back.
func (sh *shell) keep(into map[string]*variable, name string) {
	if _, done := into[name]; done {
		return
	}
	into[name] = nil
	if v := sh.vars[name]; v != nil {
		c := *v
		into[name] = &c
	}
}

func (sh *shell) restore(from map[string]*variable) {
	for name, v := range from {
		if v == nil {
			delete(sh.vars, name)
			continue
		}
		sh.vars[name] = v
	}
}

// arithmeticEnv shows the variables to the arithmetic of the expand package.
type arithmeticEnv struct{ sh *shell }

// Get implements expand.Environ.
func (e arithmeticEnv) Get(name string) expand.Variable {
	if strings.HasPrefix(name, "HOME ") {
		return expand.Variable{Set: true, Kind: expand.String} // no user database but the lab's is ever asked
	}
	value, set := e.sh.get(name)
	if !set {
		return expand.Variable{}
	}
	return expand.Variable{Set: true, Kind: expand.String, Str: value}
}

// Each implements expand.Environ.
func (e arithmeticEnv) Each(func(string, expand.Variable) bool) {}

// Set implements expand.WriteEnviron.
func (e arithmeticEnv) Set(name string, v expand.Variable) error { return e.sh.set(name, v.Str) }
