package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

func (a *awk) block(list []*awkNode) awkFlow {
	for _, n := range list {
		if flow := a.exec(n); flow != awkGo {
			return flow
		}
	}
	return awkGo
}

// exec runs a statement.
func (a *awk) exec(n *awkNode) awkFlow {
	if a.p.ctx.Err() != nil {
		return awkExit
	}
	switch n.op {
	case "block":
		return a.block(n.kids)
	case "expr":
		a.eval(n.kids[0])
	case "print", "printf":
		a.print(n)
	case "if":
		if a.truth(a.eval(n.kids[0])) {
			return a.exec(n.kids[1])
		}
		if n.other != nil {
			return a.exec(n.other)
		}
	case "while", "do", "for", "forin":
		return a.loop(n)
	case "break":
		return awkBreak
	case "continue":
		return awkContinue
	case "next":
		return awkNext
	case "nextfile":
		return awkNextFile
	case "exit":
		if len(n.kids) > 0 {
			a.code = int(a.number(a.eval(n.kids[0]))) & 0xff
		}
		if len(a.prog.end) > 0 && !a.ending() {
			end := a.prog.end
			a.prog.end = nil
			a.block(end)
		}
		return awkExit
	case "return":
		f := a.frame()
		if f != nil && len(n.kids) > 0 {
			f.result = a.eval(n.kids[0])
		}
		return awkReturn
	case "delete":
		if n.kids == nil {
			clear(a.array(n.text))
		} else {
			delete(a.array(n.text), a.key(n.kids))
		}
	}
	return awkGo
}

// ending says that the END actions have begun.
func (a *awk) ending() bool { return a.prog.end == nil }

// loop runs a loop; a break has done its work where it ends.
func (a *awk) loop(n *awkNode) awkFlow {
	flow := awkGo
	switch n.op {
	case "while":
		flow = a.repeat(n.kids[0], n.kids[1], nil)
	case "do":
		if flow = a.exec(n.kids[1]); !flow.leaves() {
			flow = a.repeat(n.kids[0], n.kids[1], nil)
		}
	case "for":
		if n.kids[0] != nil {
			a.exec(n.kids[0])
		}
		flow = a.repeat(n.kids[1], n.kids[3], n.kids[2])
	case "forin":
		flow = a.forIn(n)
	}
	if flow == awkBreak {
		return awkGo
	}
	return flow
}

// repeat runs body, and next after it, while condition holds; nil is a condition that always does.
func (a *awk) repeat(condition, body, next *awkNode) awkFlow {
	for condition == nil || a.truth(a.eval(condition)) {
		if flow := a.exec(body); flow.leaves() {
			return flow
		}
		if next != nil {
			a.exec(next)
		}
	}
	return awkGo
}

func (a *awk) forIn(n *awkNode) awkFlow {
	for _, key := range slices.Sorted(maps.Keys(a.array(n.other.text))) {
		a.set(n.text, awkInput(key))
		if flow := a.exec(n.kids[0]); flow.leaves() {
			return flow
		}
	}
	return awkGo
}

// leaves says whether a loop ends with what its body gave.
func (flow awkFlow) leaves() bool { return flow != awkGo && flow != awkContinue }

func (a *awk) print(n *awkNode) {
	values := make([]awkValue, len(n.kids))
	for i, k := range n.kids {
		values[i] = a.eval(k)
	}
	var text string
	switch {
	case n.op == "printf":
		if len(values) > 0 {
			text = awkFormat(a.str(values[0]), values[1:], a)
		}
	case len(values) == 0:
		text = a.record() + a.str(a.vars["ORS"])
	default:
		parts := make([]string, len(values))
		for i, v := range values {
			parts[i] = a.str(v)
			if v.isNum && v.num != math.Trunc(v.num) {
				parts[i] = awkFormat(a.str(a.vars["OFMT"]), []awkValue{v}, a)
			}
		}
		text = strings.Join(parts, a.str(a.vars["OFS"])) + a.str(a.vars["ORS"])
	}
	if n.other == nil {
		_, _ = a.out.WriteString(text)
		return
	}
	_, _ = a.output(n.text, a.str(a.eval(n.other))).Write([]byte(text))
}

// eval gives the value of an expression.
func (a *awk) eval(n *awkNode) awkValue {
	switch n.op {
	case "number":
		return awkNum(n.num)
	case "string":
		return awkText(n.text)
	case "regex":
		return awkTruth(a.regex(n.text).MatchString(a.record()))
	case "var":
		return a.get(n.text)
	case "index":
		m, key := a.array(n.text), a.key(n.kids)
		v, ok := m[key]
		if !ok {
			v = awkValue{unset: true}
			m[key] = v
		}
		return v
	case "field":
		return a.field(int(a.number(a.eval(n.kids[0]))))
	case "group":
		return a.eval(n.kids[len(n.kids)-1])
	case "concat":
		left := a.str(a.eval(n.kids[0]))
		return awkText(left + a.str(a.eval(n.kids[1])))
	case "builtin":
		return a.builtin(n)
	case "call":
		return a.call(n)
	case "getline":
		return a.getline(n)
	}
	return a.operator(n)
}

func (a *awk) operator(n *awkNode) awkValue {
	switch n.op {
	case "assign":
		v := a.eval(n.kids[1])
		if n.text != "" {
			v = awkNum(arithmetic(n.text, a.number(a.eval(n.kids[0])), a.number(v)))
		}
		a.store(n.kids[0], v)
		return v
	case "?":
		if a.truth(a.eval(n.kids[0])) {
			return a.eval(n.kids[1])
		}
		return a.eval(n.kids[2])
	case "||":
		return awkTruth(a.truth(a.eval(n.kids[0])) || a.truth(a.eval(n.kids[1])))
	case "&&":
		return awkTruth(a.truth(a.eval(n.kids[0])) && a.truth(a.eval(n.kids[1])))
	case "in":
		_, ok := a.array(n.text)[a.key(n.kids)]
		return awkTruth(ok)
	case "~", "!~":
		text := a.str(a.eval(n.kids[0]))
		return awkTruth(a.regex(a.pattern(n.kids[1])).MatchString(text) == (n.op == "~"))
	case "compare":
		d := a.compare(a.eval(n.kids[0]), a.eval(n.kids[1]))
		return awkTruth(map[string]bool{"<": d < 0, "<=": d <= 0, "==": d == 0, "!=": d != 0, ">": d > 0, ">=": d >= 0}[n.text])
	case "arith":
		left := a.number(a.eval(n.kids[0]))
		right := a.number(a.eval(n.kids[1]))
		if right == 0 && (n.text == "/" || n.text == "%") {
			panic(awkError{fmt.Errorf("division by zero")})
		}
		return awkNum(arithmetic(n.text, left, right))
	case "unary":
		v := a.eval(n.kids[0])
		switch n.text {
		case "!":
			return awkTruth(!a.truth(v))
		case "-":
			return awkNum(-a.number(v))
		}
		return awkNum(a.number(v))
	case "pre", "post":
		old := a.number(a.eval(n.kids[0]))
		now := old + 1
		if n.text == "--" {
			now = old - 1
		}
		a.store(n.kids[0], awkNum(now))
		if n.op == "pre" {
			return awkNum(now)
		}
		return awkNum(old)
	}
	return awkValue{unset: true}
}

func arithmetic(op string, x, y float64) float64 {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		return x / y
	case "%":
		return math.Mod(x, y)
	}
	return math.Pow(x, y)
}

// pattern is an expression used as a regular expression.
func (a *awk) pattern(n *awkNode) string {
	if n.op == "regex" {
		return n.text
	}
	return a.str(a.eval(n))
}

func (a *awk) call(n *awkNode) awkValue {
	fn := a.prog.funcs[n.text]
	if fn == nil {
		panic(awkError{fmt.Errorf("function %s never defined", n.text)})
	}
	if len(a.frames) > 1000 {
		panic(awkError{fmt.Errorf("function call nesting too deep")})
	}
	f := &awkFrame{vars: map[string]awkValue{}, arrays: map[string]map[string]awkValue{}, names: fn.params, result: awkValue{unset: true}}
	for i, k := range n.kids {
		if i >= len(fn.params) {
			break
		}
		if k.op == "var" && a.isArray(k.text, fn, fn.params[i]) {
			f.arrays[fn.params[i]] = a.array(k.text)
			continue
		}
		f.vars[fn.params[i]] = a.eval(k)
	}
	a.frames = append(a.frames, f)
	flow := a.block(fn.body)
	a.frames = a.frames[:len(a.frames)-1]
	if flow == awkExit {
		panic(awkError{fmt.Errorf("exit inside a function is not simulated")})
	}
	return f.result
}

// isArray says whether an argument is handed over as an array: it is one, or the function uses its parameter as one.
func (a *awk) isArray(name string, fn *awkFunction, param string) bool {
	if f := a.frame(); f != nil && slices.Contains(f.names, name) {
		if f.arrays[name] != nil {
			return true
		}
	} else if a.arrays[name] != nil {
		return true
	}
	return usesAsArray(fn.body, param)
}

func usesAsArray(list []*awkNode, name string) bool {
	return slices.ContainsFunc(list, func(n *awkNode) bool {
		if n == nil {
			return false
		}
		if n.text == name && (n.op == "index" || n.op == "in" || n.op == "delete" || n.op == "array") {
			return true
		}
		if n.op == "builtin" && n.text == "split" && len(n.kids) > 1 && n.kids[1].text == name {
			return true
		}
		return usesAsArray(n.kids, name) || usesAsArray([]*awkNode{n.other}, name)
	})
}

func (a *awk) getline(n *awkNode) awkValue {
	var r *bufio.Reader
	if n.other == nil {
		if len(n.kids) == 0 {
			return awkTruth(a.readRecord())
		}
		line := a.record()
		ok := a.readRecord()
		if ok {
			fresh := a.record()
			a.setRecord(line)
			a.store(n.kids[0], awkInput(fresh))
		}
		return awkTruth(ok)
	}
	name := a.str(a.eval(n.other))
	if r = a.readers[name]; r == nil {
		if n.text == "<" {
			data, err := a.p.ReadFile(name)
			if err != nil {
				return awkNum(-1)
			}
			r = bufio.NewReader(bytes.NewReader(data))
		} else {
			_ = a.out.Flush()
			var out bytes.Buffer
			a.p.Run(Run{Argv: []string{"/bin/sh", "-c", name}, Stdout: &out})
			r = bufio.NewReader(&out)
		}
		a.readers[name] = r
	}
	text, ok := a.readFrom(r)
	if !ok {
		return awkNum(0)
	}
	if n.text == "|" {
		a.nr++
	}
	if len(n.kids) > 0 {
		a.store(n.kids[0], awkInput(text))
	} else {
		a.setRecord(text)
	}
	return awkNum(1)
}

func (a *awk) builtin(n *awkNode) awkValue {
	arg := func(i int) string {
		if i < len(n.kids) {
			return a.str(a.eval(n.kids[i]))
		}
		return ""
	}
	num := func(i int) float64 {
		if i < len(n.kids) {
			return a.number(a.eval(n.kids[i]))
		}
		return 0
	}
	switch n.text {
	case "length":
		return a.length(n)
	case "substr":
		return a.substr(arg(0), num(1), num(2), len(n.kids) > 2)
	case "index":
		text := arg(0)
		return awkNum(float64(strings.Index(text, arg(1)) + 1))
	case "split":
		return a.splitBuiltin(n)
	case "sub", "gsub":
		return a.substitute(n)
	case "match":
		loc := a.regex(a.pattern(n.kids[1])).FindStringIndex(arg(0))
		if loc == nil {
			loc = []int{-1, -2}
		}
		a.vars["RSTART"], a.vars["RLENGTH"] = awkNum(float64(loc[0]+1)), awkNum(float64(loc[1]-loc[0]))
		return a.vars["RSTART"]
	case "sprintf":
		values := make([]awkValue, len(n.kids))
		for i, k := range n.kids {
			values[i] = a.eval(k)
		}
		return awkText(awkFormat(a.str(values[0]), values[1:], a))
	case "tolower":
		return awkText(strings.ToLower(arg(0)))
	case "toupper":
		return awkText(strings.ToUpper(arg(0)))
	case "int":
		return awkNum(math.Trunc(num(0)))
	case "atan2":
		return awkNum(math.Atan2(num(0), num(1)))
	case "rand":
		return awkNum(rand.Float64()) //nolint:gosec // awk's rand is no secret
	case "srand":
		return awkNum(0)
	case "system":
		_ = a.out.Flush()
		return awkNum(float64(a.p.Run(Run{Argv: []string{"/bin/sh", "-c", arg(0)}})))
	case "close":
		return awkNum(float64(a.closeFile(arg(0))))
	case "fflush":
		_ = a.out.Flush()
		return awkNum(0)
	}
	functions := map[string]func(float64) float64{"sin": math.Sin, "cos": math.Cos, "exp": math.Exp, "log": math.Log, "sqrt": math.Sqrt}
	return awkNum(functions[n.text](num(0)))
}

func (a *awk) length(n *awkNode) awkValue {
	if len(n.kids) == 0 {
		return awkNum(float64(len(a.record())))
	}
	if k := n.kids[0]; k.op == "var" {
		f := a.frame()
		local := f != nil && slices.Contains(f.names, k.text)
		if (local && f.arrays[k.text] != nil) || (!local && a.arrays[k.text] != nil) {
			return awkNum(float64(len(a.array(k.text))))
		}
	}
	return awkNum(float64(len(a.str(a.eval(n.kids[0])))))
}

func (a *awk) substr(text string, from, size float64, bounded bool) awkValue {
	start := math.Round(from)
	end := math.Inf(1)
	if bounded {
		end = start + math.Round(size)
	}
	i := int(max(1, start)) - 1
	j := int(min(end-1, float64(len(text))))
	if i >= j {
		return awkText("")
	}
	return awkText(text[i:j])
}

func (a *awk) splitBuiltin(n *awkNode) awkValue {
	text := a.str(a.eval(n.kids[0]))
	sep := a.str(a.vars["FS"])
	if len(n.kids) > 2 {
		sep = a.pattern(n.kids[2])
	}
	var parts []string
	if len(n.kids) > 2 && n.kids[2].op == "regex" {
		if text != "" {
			parts = a.regex(sep).Split(text, -1)
		}
	} else {
		parts = a.splitText(text, sep)
	}
	m := a.array(n.kids[1].text)
	clear(m)
	for i, p := range parts {
		m[strconv.Itoa(i+1)] = awkInput(p)
	}
	return awkNum(float64(len(parts)))
}

func (a *awk) substitute(n *awkNode) awkValue {
	re := a.regex(a.pattern(n.kids[0]))
	with := a.str(a.eval(n.kids[1]))
	target := &awkNode{op: "field", kids: []*awkNode{{op: "number"}}}
	if len(n.kids) > 2 {
		target = n.kids[2]
	}
	text := a.str(a.eval(target))
	limit := -1
	if n.text == "sub" {
		limit = 1
	}
	locs := re.FindAllStringIndex(text, limit)
	if len(locs) == 0 {
		return awkNum(0)
	}
	var b strings.Builder
	pos := 0
	for _, loc := range locs {
		b.WriteString(text[pos:loc[0]])
		for i := 0; i < len(with); i++ {
			switch {
			case with[i] == '\\' && i+1 < len(with) && (with[i+1] == '&' || with[i+1] == '\\'):
				i++
				b.WriteByte(with[i])
			case with[i] == '&':
				b.WriteString(text[loc[0]:loc[1]])
			default:
				b.WriteByte(with[i])
			}
		}
		pos = loc[1]
	}
	b.WriteString(text[pos:])
	a.store(target, awkText(b.String()))
	return awkNum(float64(len(locs)))
}

// awkFormat is sprintf.
func awkFormat(format string, args []awkValue, a *awk) string {
	var b strings.Builder
	next := func() awkValue {
		if len(args) == 0 {
			return awkValue{unset: true}
		}
		v := args[0]
		args = args[1:]
		return v
	}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		spec := "%"
		for i++; i < len(format)-1 && strings.IndexByte("-+ #0123456789.*", format[i]) >= 0; i++ {
			if format[i] == '*' {
				spec += strconv.Itoa(int(a.number(next())))
				continue
			}
			spec += string(format[i])
		}
		switch c := format[i]; c {
		case '%':
			b.WriteByte('%')
		case 'd', 'i':
			fmt.Fprintf(&b, spec+"d", int64(a.number(next())))
		case 'o', 'x', 'X', 'u':
			fmt.Fprintf(&b, spec+strings.Replace(string(c), "u", "d", 1), uint64(a.number(next())))
		case 'c':
			v := next()
			text := a.str(v)
			if v.isNum {
				text = string(rune(int(v.num)))
			}
			fmt.Fprintf(&b, spec+"s", text[:min(1, len(text))])
		case 's':
			fmt.Fprintf(&b, spec+"s", a.str(next()))
		case 'e', 'f', 'g', 'E', 'F', 'G':
			b.WriteString(cFloat(spec, c, a.number(next())))
		default:
			b.WriteString(spec + string(c))
		}
	}
	return b.String()
}

// cFloat formats as C does; Go's %g knows no default precision of six.
func cFloat(spec string, verb byte, n float64) string {
	if (verb == 'g' || verb == 'G') && !strings.Contains(spec, ".") {
		spec += ".6"
	}
	return fmt.Sprintf(spec+string(verb), n)
}
