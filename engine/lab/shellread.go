package lab

import (
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// read is the builtin: one line, split along IFS. It takes its input byte by byte, so that what follows is still there.
func (sh *shell) read(args []string) int {
	args = args[1:]
	raw := false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && len(args[0]) > 1 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			break
		}
		if arg == "-p" && len(args) > 0 {
			_, _ = sh.p.Stderr().Write([]byte(args[0]))
			args = args[1:]
			continue
		}
		if strings.Trim(arg[1:], "r") != "" {
			sh.errorf("read: Illegal option %s", arg)
			return 2
		}
		raw = true
	}
	if len(args) == 0 {
		if !sh.bash {
			sh.fail(failure("read: arg count"))
			return 2
		}
		args = []string{"REPLY"}
	}
	for _, name := range args {
		if !syntax.ValidName(name) {
			sh.errorf("read: %s: bad variable name", name)
			return 2
		}
	}
	line, escaped, whole := sh.readLine(raw)
	for i, value := range sh.splitLine(line, escaped, len(args)) {
		if err := sh.set(args[i], value); err != nil {
			sh.fail(err)
			return 2
		}
	}
	return boolStatus(whole)
}

// readLine reads to the newline. escaped marks the bytes that a backslash protects; whole is false at the end of input.
func (sh *shell) readLine(raw bool) (line []byte, escaped []bool, whole bool) {
	in := sh.p.Stdin()
	var b [1]byte
	protect := false
	for {
		n, err := in.Read(b[:])
		if n == 0 && err != nil {
			return line, escaped, false
		}
		if n == 0 {
			continue
		}
		c := b[0]
		switch {
		case protect:
			protect = false
			if c == '\n' {
				continue
			}
			line, escaped = append(line, c), append(escaped, true)
		case c == '\\' && !raw:
			protect = true
		case c == '\n':
			return line, escaped, true
		case c == 0:
		default:
			line, escaped = append(line, c), append(escaped, false)
		}
	}
}

// splitLine splits a line into n values, the last of which takes the rest.
func (sh *shell) splitLine(line []byte, escaped []bool, n int) []string {
	ifs, set := sh.get("IFS")
	if !set {
		ifs = " \t\n"
	}
	isSep := func(i int) bool { return !escaped[i] && strings.IndexByte(ifs, line[i]) >= 0 }
	isBlank := func(i int) bool { return isSep(i) && strings.IndexByte(" \t\n", line[i]) >= 0 }
	out := make([]string, n)
	i, end := 0, len(line)
	for i < end && isBlank(i) {
		i++
	}
	for end > i && isBlank(end-1) {
		end--
	}
	for k := range out {
		if k == n-1 {
			out[k] = sh.lastValue(line, i, end, isSep)
			break
		}
		start := i
		for i < end && !isSep(i) {
			i++
		}
		out[k] = string(line[start:i])
		for i < end && isBlank(i) {
			i++
		}
		if i < end && isSep(i) && !isBlank(i) {
			for i++; i < end && isBlank(i); i++ {
			}
		}
	}
	return out
}

// lastValue is the rest of the line, without a single separator at its end.
func (sh *shell) lastValue(line []byte, i, end int, isSep func(int) bool) string {
	if end > i && isSep(end-1) && !slices.ContainsFunc(indexes(i, end-1), isSep) {
		end--
	}
	return string(line[i:end])
}

func indexes(from, to int) []int {
	var out []int
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

// getoptState is where getopts is inside a word of clustered options.
type getoptState struct{ index, pos int }

// getoptsBuiltin is getopts.
func (sh *shell) getoptsBuiltin(args []string) int {
	if len(args) < 3 {
		sh.fail(failure("getopts: Usage: getopts optstring var [arg...]"))
		return 2
	}
	spec, name := args[1], args[2]
	words := sh.params
	if len(args) > 3 {
		words = args[3:]
	}
	state := sh.getopts
	index, _ := strconv.Atoi(sh.value("OPTIND"))
	index = max(index, 1)
	if state.pos > 0 {
		index = state.index
	}
	opt, value, hasValue, status := "?", "", false, 0
	quiet := strings.HasPrefix(spec, ":")
	switch {
	case index > len(words) || (state.pos == 0 && (len(words[index-1]) < 2 || words[index-1][0] != '-')):
		status = 1
	case words[index-1] == "--" && state.pos == 0:
		index++
		status = 1
	default:
		opt, value, hasValue, index, state = sh.nextOption(spec, words, index, state, quiet)
	}
	_ = sh.set(name, opt)
	state.index = index
	if state.pos > 0 {
		index++ // OPTIND is beyond the word that is being taken apart
	}
	_ = sh.set("OPTIND", strconv.Itoa(index))
	sh.getopts = state
	if status == 1 {
		sh.getopts = getoptState{}
	}
	if hasValue {
		_ = sh.set("OPTARG", value)
	} else {
		_ = sh.unset("OPTARG")
	}
	return status
}

func (sh *shell) nextOption(spec string, words []string, index int, state getoptState, quiet bool) (opt, value string, hasValue bool, next int, after getoptState) {
	word := words[index-1]
	if state.pos == 0 {
		state.pos = 1
	}
	c := word[state.pos]
	state.pos++
	at := strings.IndexByte(spec, c)
	takes := at >= 0 && at+1 < len(spec) && spec[at+1] == ':'
	switch {
	case at < 0 || c == ':':
		opt, value, hasValue = "?", string(c), quiet
		if !quiet {
			sh.plainError("Illegal option -" + string(c))
		}
	case takes && state.pos < len(word):
		opt, value, hasValue = string(c), word[state.pos:], true
		state.pos = len(word)
	case takes && index < len(words):
		opt, value, hasValue = string(c), words[index], true
		index++
	case takes:
		opt, value, hasValue = "?", "", false
		if quiet {
			opt, value, hasValue = ":", string(c), true
		} else {
			sh.plainError("No arg for -" + string(c) + " option")
		}
	default:
		opt = string(c)
	}
	if state.pos >= len(word) {
		state.pos = 0
		index++
	}
	return opt, value, hasValue, index, state
}

func (sh *shell) plainError(text string) {
	_, _ = sh.p.Stderr().Write([]byte(text + "\n"))
}
