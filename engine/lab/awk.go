package lab

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// awkCommands is awk under its names: the language of POSIX.
func awkCommands() map[string]Command {
	return map[string]Command{"awk": awkCommand, "mawk": awkCommand}
}

// awkValue is a number or a string; a string that came from outside and looks like a number is both.
type awkValue struct {
	text    string
	num     float64
	isNum   bool
	isInput bool // compares as a number if it looks like one
	unset   bool
}

func awkNum(n float64) awkValue  { return awkValue{num: n, isNum: true} }
func awkText(s string) awkValue  { return awkValue{text: s} }
func awkInput(s string) awkValue { return awkValue{text: s, isInput: true} }
func awkTruth(yes bool) awkValue { return awkNum(float64(1 - boolStatus(yes))) }

// awk is one run.
type awk struct {
	p       *Process
	prog    *awkProgram
	vars    map[string]awkValue
	arrays  map[string]map[string]awkValue
	frames  []*awkFrame
	line    string
	fields  []string
	split   bool // fields are up to date
	rebuilt bool // line is up to date
	nr, fnr float64
	out     *bufio.Writer
	files   map[string]*awkFile
	readers map[string]*bufio.Reader
	regexes map[string]*regexp.Regexp
	args    []string
	in      *bufio.Reader
	close   func()
	code    int
}

// awkFrame holds what is local to a function call.
type awkFrame struct {
	vars   map[string]awkValue
	arrays map[string]map[string]awkValue
	names  []string
	result awkValue
}

type awkFile struct {
	w       io.Writer
	command string
	buffer  *bytes.Buffer
	close   func()
}

// awkFlow is how a statement ends.
type awkFlow int

const (
	awkGo awkFlow = iota
	awkBreak
	awkContinue
	awkNext
	awkNextFile
	awkExit
	awkReturn
)

func awkCommand(_ context.Context, p *Process, argv []string) (code int) {
	c, ok := parse(p, argv, "+ F,field-separator= v,assign= f,file= W=")
	if !ok {
		return 2
	}
	text := ""
	if c.has("f") {
		for _, f := range c.value["f"] {
			data, err := p.ReadFile(f)
			if err != nil {
				p.Errorf("cannot open %q (%s)", f, strerror(err))
				return 2
			}
			text += string(data) + "\n"
		}
	} else if len(c.args) > 0 {
		text, c.args = c.args[0], c.args[1:]
	} else {
		p.Errorf("usage: awk [-F value] [-v var=value] 'program' [file ...]")
		return 2
	}
	prog, err := parseAwk(text)
	if err != nil {
		p.Errorf("%v", err)
		return 2
	}
	a := &awk{
		p: p, prog: prog, vars: map[string]awkValue{}, arrays: map[string]map[string]awkValue{"ENVIRON": {}}, out: bufio.NewWriter(p.Stdout()),
		files: map[string]*awkFile{}, readers: map[string]*bufio.Reader{}, regexes: map[string]*regexp.Regexp{}, args: c.args,
	}
	for name, value := range map[string]string{"FS": " ", "OFS": " ", "ORS": "\n", "RS": "\n", "SUBSEP": "\x1c", "CONVFMT": "%.6g", "OFMT": "%.6g", "FILENAME": ""} {
		a.vars[name] = awkText(value)
	}
	for _, e := range p.Environ() {
		name, value, _ := strings.Cut(e, "=")
		a.arrays["ENVIRON"][name] = awkInput(value)
	}
	if fs, given := c.value["F"]; given {
		text, _ := formatEscapes(fs[len(fs)-1], escapesFormat)
		if text == "t" {
			text = "\t"
		}
		a.vars["FS"] = awkText(text)
	}
	for _, v := range c.value["v"] {
		a.assignOperand(v)
	}
	defer func() {
		if r := recover(); r != nil {
			ae, ok := r.(awkError)
			if !ok {
				panic(r)
			}
			_ = a.out.Flush()
			p.Errorf("%v", ae.error)
			code = 2
		}
	}()
	return a.run()
}

func (a *awk) assignOperand(text string) bool {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r != '_' && (r|32 < 'a' || r|32 > 'z') && (r < '0' || r > '9') }) {
		return false
	}
	value, _ = formatEscapes(value, escapesFormat)
	a.vars[name] = awkInput(value)
	return true
}

func (a *awk) run() int {
	argv := map[string]awkValue{"0": awkText("awk")}
	for i, arg := range a.args {
		argv[strconv.Itoa(i+1)] = awkInput(arg)
	}
	a.arrays["ARGV"] = argv
	a.vars["ARGC"] = awkNum(float64(len(a.args) + 1))
	flow := a.block(a.prog.begin)
	if flow != awkExit && (len(a.prog.rules) > 0 || a.prog.hasEnd) {
		flow = a.records()
	}
	if flow != awkExit {
		a.block(a.prog.end)
	}
	for name := range a.files {
		a.closeFile(name)
	}
	if err := a.out.Flush(); err != nil && a.code == 0 {
		return 2
	}
	return a.code
}

func (a *awk) records() awkFlow {
	for a.readRecord() {
		if a.p.ctx.Err() != nil {
			return awkExit
		}
		switch a.rules() {
		case awkExit:
			return awkExit
		case awkNextFile:
			a.in = nil
		}
	}
	return awkGo
}

func (a *awk) rules() awkFlow {
	for _, r := range a.prog.rules {
		if !a.matches(r) {
			continue
		}
		if r.printAll {
			_, _ = a.out.WriteString(a.record() + a.str(a.vars["ORS"]))
			continue
		}
		if flow := a.block(r.action); flow != awkGo {
			return flow
		}
	}
	return awkGo
}

func (a *awk) matches(r *awkRule) bool {
	switch {
	case r.pattern == nil:
		return true
	case r.until == nil:
		return a.truth(a.eval(r.pattern))
	case r.inRange:
	case !a.truth(a.eval(r.pattern)):
		return false
	}
	r.inRange = !a.truth(a.eval(r.until))
	return true
}

// readRecord takes the next record of the input.
func (a *awk) readRecord() bool {
	for {
		if a.in == nil && !a.nextInput() {
			return false
		}
		text, ok := a.readFrom(a.in)
		if ok {
			a.setRecord(text)
			a.nr++
			a.fnr++
			return true
		}
		a.close()
		a.in = nil
	}
}

// nextInput opens the next operand; assignments among them are carried out.
func (a *awk) nextInput() bool {
	if a.args == nil {
		return false
	}
	for len(a.args) > 0 {
		name := a.args[0]
		a.args = a.args[1:]
		if name == "" || a.assignOperand(name) {
			continue
		}
		if name == "-" {
			a.in, a.close = bufio.NewReader(a.p.Stdin()), func() {}
			a.fnr = 0
			a.vars["ARGIND"] = awkNum(1)
			return true
		}
		f, err := a.p.Open(name)
		if err != nil {
			a.p.Errorf("cannot open %q (%s)", name, strerror(err))
			a.code = 2
			continue
		}
		a.in, a.close = bufio.NewReader(f), func() { _ = f.Close() }
		a.fnr = 0
		a.vars["FILENAME"] = awkText(name)
		a.vars["ARGIND"] = awkNum(1)
		return true
	}
	a.args = nil
	if _, used := a.vars["ARGIND"]; used || a.code != 0 {
		return false
	}
	a.in, a.close = bufio.NewReader(a.p.Stdin()), func() {}
	return true
}

// readFrom reads one record as RS says: a line, a paragraph, or up to a character.
func (a *awk) readFrom(r *bufio.Reader) (string, bool) {
	rs := a.str(a.vars["RS"])
	switch {
	case rs == "":
		return readParagraph(r)
	case len(rs) > 1:
		data, _ := io.ReadAll(r)
		if len(data) == 0 {
			return "", false
		}
		loc := a.regex(rs).FindIndex(data)
		if loc == nil {
			return strings.TrimSuffix(string(data), "\n"), true
		}
		r.Reset(bytes.NewReader(data[loc[1]:]))
		return string(data[:loc[0]]), true
	}
	text, err := r.ReadString(rs[0])
	if text == "" && err != nil {
		return "", false
	}
	return strings.TrimSuffix(text, rs), true
}

func readParagraph(r *bufio.Reader) (string, bool) {
	var lines []string
	for {
		line, err := r.ReadString('\n')
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line != "":
			lines = append(lines, line)
		case len(lines) > 0:
			return strings.Join(lines, "\n"), true
		}
		if err != nil {
			return strings.Join(lines, "\n"), len(lines) > 0
		}
	}
}

func (a *awk) setRecord(text string) {
	a.line, a.split, a.rebuilt = text, false, true
}

// record is $0.
func (a *awk) record() string {
	if !a.rebuilt {
		a.line, a.rebuilt = strings.Join(a.fields, a.str(a.vars["OFS"])), true
	}
	return a.line
}

func (a *awk) splitFields() {
	if !a.split {
		a.fields = a.splitText(a.line, a.str(a.vars["FS"]))
		a.split = true
	}
}

// splitText splits as FS does: a blank means runs of white space, a single character itself, else an expression.
func (a *awk) splitText(text, sep string) []string {
	switch {
	case sep == " ":
		return strings.Fields(text)
	case text == "":
		return nil
	case sep == "":
		return strings.Split(text, "")
	case len(sep) == 1 && sep != "\\" && strings.IndexByte(".^$*+?()[]{}|", sep[0]) < 0, sep == "|":
		if a.str(a.vars["RS"]) == "" {
			return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || string(r) == sep })
		}
		return strings.Split(text, sep)
	case len(sep) == 1:
		return strings.Split(text, sep)
	}
	return a.regex(sep).Split(text, -1)
}

func (a *awk) field(n int) awkValue {
	if n == 0 {
		return awkInput(a.record())
	}
	a.splitFields()
	if n < 0 || n > len(a.fields) {
		return awkValue{unset: true}
	}
	return awkInput(a.fields[n-1])
}

func (a *awk) setField(n int, text string) {
	if n == 0 {
		a.setRecord(text)
		return
	}
	a.splitFields()
	for len(a.fields) < n {
		a.fields = append(a.fields, "")
	}
	a.fields[n-1] = text
	a.rebuilt = false
}

func (a *awk) regex(text string) *regexp.Regexp {
	if re := a.regexes[text]; re != nil {
		return re
	}
	re, err := a.p.world.lab().regexes.compile(text, true, false)
	if err != nil {
		panic(awkError{fmt.Errorf("regular expression compile failed (%w) %s", err, text)})
	}
	a.regexes[text] = re
	return re
}

// str is a value as a string; mawk writes integers of more than 31 bits by CONVFMT.
func (a *awk) str(v awkValue) string {
	if !v.isNum {
		return v.text
	}
	if v.num == math.Trunc(v.num) && math.Abs(v.num) < 1<<31 {
		return strconv.FormatInt(int64(v.num), 10)
	}
	return awkFormat(a.vars["CONVFMT"].text, []awkValue{v}, a)
}

// number is a value as a number: what it begins with.
func (a *awk) number(v awkValue) float64 {
	if v.isNum {
		return v.num
	}
	s := strings.TrimLeft(v.text, " \t\n")
	for end := len(s); end > 0; end-- {
		if n, err := strconv.ParseFloat(s[:end], 64); err == nil && !strings.ContainsAny(s[:end], "xXiInN_pP") {
			return n
		}
		if end > 40 {
			end = 41
		}
	}
	return 0
}

func looksNumeric(s string) bool {
	s = strings.TrimSpace(s)
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && !strings.ContainsAny(s, "xXiInN_pP")
}

func (a *awk) truth(v awkValue) bool {
	switch {
	case v.unset:
		return false
	case v.isNum:
		return v.num != 0
	case v.isInput && looksNumeric(v.text):
		return a.number(v) != 0
	}
	return v.text != ""
}

func (a *awk) compare(x, y awkValue) int {
	numeric := func(v awkValue) bool { return v.isNum || v.unset || (v.isInput && looksNumeric(v.text)) }
	if numeric(x) && numeric(y) {
		m, n := a.number(x), a.number(y)
		switch {
		case m < n:
			return -1
		case m > n:
			return 1
		}
		return 0
	}
	return strings.Compare(a.str(x), a.str(y))
}

func (a *awk) frame() *awkFrame {
	if len(a.frames) == 0 {
		return nil
	}
	return a.frames[len(a.frames)-1]
}

func (a *awk) get(name string) awkValue {
	if f := a.frame(); f != nil && slices.Contains(f.names, name) {
		v, ok := f.vars[name]
		v.unset = v.unset || !ok
		return v
	}
	switch name {
	case "NF":
		a.splitFields()
		return awkNum(float64(len(a.fields)))
	case "NR":
		return awkNum(a.nr)
	case "FNR":
		return awkNum(a.fnr)
	}
	v, ok := a.vars[name]
	v.unset = v.unset || !ok
	return v
}

func (a *awk) set(name string, v awkValue) {
	if f := a.frame(); f != nil && slices.Contains(f.names, name) {
		f.vars[name] = v
		return
	}
	switch name {
	case "NF":
		a.splitFields()
		n := max(0, int(a.number(v)))
		for len(a.fields) < n {
			a.fields = append(a.fields, "")
		}
		a.fields = a.fields[:n]
		a.rebuilt = false
	case "NR":
		a.nr = a.number(v)
	case "FNR":
		a.fnr = a.number(v)
	default:
		a.vars[name] = v
	}
}

// array finds an array by its name, and makes it.
func (a *awk) array(name string) map[string]awkValue {
	arrays := a.arrays
	if f := a.frame(); f != nil && slices.Contains(f.names, name) {
		arrays = f.arrays
	}
	if arrays[name] == nil {
		arrays[name] = map[string]awkValue{}
	}
	return arrays[name]
}

func (a *awk) key(kids []*awkNode) string {
	parts := make([]string, len(kids))
	for i, k := range kids {
		parts[i] = a.str(a.eval(k))
	}
	return strings.Join(parts, a.str(a.vars["SUBSEP"]))
}

// store assigns to a variable, an element or a field.
func (a *awk) store(n *awkNode, v awkValue) {
	v.unset = false
	switch n.op {
	case "var":
		a.set(n.text, v)
	case "index":
		a.array(n.text)[a.key(n.kids)] = v
	case "field":
		a.setField(int(a.number(a.eval(n.kids[0]))), a.str(v))
	case "group":
		a.store(n.kids[0], v)
	}
}

// output finds where a redirected print goes.
func (a *awk) output(op, name string) io.Writer {
	if f := a.files[name]; f != nil {
		return f.w
	}
	f := &awkFile{}
	switch {
	case op == "|":
		f.command, f.buffer = name, &bytes.Buffer{}
		f.w = f.buffer
	case name == "/dev/stdout" || name == "-":
		f.w = a.out
	case name == "/dev/stderr":
		f.w = a.p.Stderr()
	default:
		flags := os.O_TRUNC
		if op == ">>" {
			flags = os.O_APPEND
		}
		file, err := a.p.Create(name, flags, 0o666)
		if err != nil {
			panic(awkError{fmt.Errorf("cannot open %q for output", name)})
		}
		f.w, f.close = file, func() { _ = file.Close() }
	}
	a.files[name] = f
	return f.w
}

// closeFile ends a redirection; a command gets its input now.
func (a *awk) closeFile(name string) int {
	delete(a.readers, name)
	f := a.files[name]
	if f == nil {
		return -1
	}
	delete(a.files, name)
	if f.close != nil {
		f.close()
	}
	if f.command == "" {
		return 0
	}
	_ = a.out.Flush()
	return a.p.Run(Run{Argv: []string{"/bin/sh", "-c", f.command}, Stdin: bytes.NewReader(f.buffer.Bytes())})
}
