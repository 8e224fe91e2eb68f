package lab

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"
)

// piece is a part of a word on its way to fields.
type piece struct {
	text   string
	quoted bool // no splitting, no pattern
	split  bool // the result of an expansion: IFS splits it
	brk    bool // a new field begins here, whatever IFS is: between the elements of "$@"
}

// quoting says in what a word part stands.
type quoting int

const (
	bare quoting = iota
	doubleQuoted
	hereDocument
)

func literal(s string) string { return strings.ReplaceAll(s, carriageReturn, "\r") }

// parts expands word parts to pieces.
func (sh *shell) parts(list []syntax.WordPart, q quoting) ([]piece, error) {
	var out []piece
	for i, part := range list {
		switch part := part.(type) {
		case *syntax.Lit:
			text := literal(part.Value)
			if i == 0 && q == bare {
				var home []piece
				home, text = sh.tilde(text, len(list) == 1)
				out = append(out, home...)
			}
			out = append(out, unescape(text, q)...)
		case *syntax.SglQuoted:
			out = append(out, sh.singleQuoted(part, q))
		case *syntax.DblQuoted:
			inner, err := sh.doubleQuotes(part)
			if err != nil {
				return nil, err
			}
			out = append(out, inner...)
		case *syntax.ParamExp:
			inner, err := sh.param(part, q)
			if err != nil {
				return nil, err
			}
			out = append(out, inner...)
		case *syntax.CmdSubst:
			text, err := sh.commandSubstitution(part)
			if err != nil {
				return nil, err
			}
			out = append(out, result(text, q))
		case *syntax.ArithmExp:
			n, err := sh.arithmetic(part.X)
			if err != nil {
				return nil, err
			}
			out = append(out, result(strconv.Itoa(n), q))
		default:
			return nil, failure("unsupported expansion")
		}
	}
	return out, nil
}

// result is the piece that an expansion gives.
func result(text string, q quoting) piece {
	return piece{text: text, quoted: q != bare, split: q == bare}
}

func (sh *shell) singleQuoted(part *syntax.SglQuoted, q quoting) piece {
	text := literal(part.Value)
	if q != bare { // inside "${x-'…'}" the quotes are just characters
		return piece{text: "'" + text + "'", quoted: true}
	}
	if part.Dollar {
		text, _ = formatEscapes(text, escapesFormat)
	}
	return piece{text: text, quoted: true}
}

func (sh *shell) doubleQuotes(part *syntax.DblQuoted) ([]piece, error) {
	inner, err := sh.parts(part.Parts, doubleQuoted)
	if err != nil {
		return nil, err
	}
	if len(inner) > 0 {
		return inner, nil
	}
	onlyParams := len(part.Parts) > 0
	for _, p := range part.Parts {
		pe, ok := p.(*syntax.ParamExp)
		onlyParams = onlyParams && ok && pe.Param != nil && pe.Param.Value == "@"
	}
	if onlyParams {
		return nil, nil // "$@" without parameters is no field at all
	}
	return []piece{{quoted: true}}, nil
}

// unescape takes the backslashes out of literal text as the quoting around it demands.
func unescape(text string, q quoting) []piece {
	if !strings.Contains(text, `\`) {
		return []piece{{text: text, quoted: q != bare}}
	}
	special := ""
	switch q {
	case doubleQuoted:
		special = "$`\"\\\n"
	case hereDocument:
		special = "$`\\\n"
	}
	var out []piece
	var run strings.Builder
	flush := func() {
		if run.Len() > 0 {
			out = append(out, piece{text: run.String(), quoted: q != bare})
			run.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			run.WriteByte(text[i])
			continue
		}
		next := text[i+1]
		switch {
		case q == bare:
			i++
			flush()
			if next != '\n' {
				out = append(out, piece{text: string(next), quoted: true})
			}
		case strings.IndexByte(special, next) >= 0:
			i++
			if next != '\n' {
				run.WriteByte(next)
			}
		default:
			run.WriteByte('\\')
		}
	}
	flush()
	return out
}

// tilde expands a leading ~ or ~user.
func (sh *shell) tilde(text string, whole bool) ([]piece, string) {
	if !strings.HasPrefix(text, "~") {
		return nil, text
	}
	name, rest := text[1:], ""
	if i := strings.IndexByte(text, '/'); i >= 0 {
		name, rest = text[1:i], text[i:]
	} else if !whole {
		return nil, text
	}
	home, ok := "", false
	if name == "" {
		home, ok = sh.get("HOME")
	} else if u, found := sh.p.world.LookupUser(name); found {
		home, ok = u.Home, true
	}
	if !ok {
		return nil, text
	}
	return []piece{{text: home, quoted: true}}, rest
}

// param expands $x and ${x…}.
func (sh *shell) param(pe *syntax.ParamExp, q quoting) ([]piece, error) {
	if pe.Param == nil || pe.Excl || pe.Slice != nil || pe.Repl != nil || pe.Index != nil || pe.Names != 0 {
		return nil, failure("Bad substitution")
	}
	name := pe.Param.Value
	value, set := sh.get(name)
	list := name == "@" || name == "*"
	if pe.Length {
		if list {
			return []piece{result(strconv.Itoa(len(sh.params)), q)}, nil
		}
		if !set && sh.opts.nounset {
			return nil, failure("%s: parameter not set", name)
		}
		return []piece{result(strconv.Itoa(len(value)), q)}, nil
	}
	if pe.Exp != nil {
		return sh.paramOperator(pe, value, set, q)
	}
	if list {
		return sh.allParams(name, q), nil
	}
	if !set && sh.opts.nounset {
		return nil, failure("%s: parameter not set", name)
	}
	if value == "" && q == bare {
		return nil, nil
	}
	return []piece{result(value, q)}, nil
}

// allParams is $@ and $*.
func (sh *shell) allParams(name string, q quoting) []piece {
	if name == "*" && q != bare {
		sep := " "
		if ifs, set := sh.get("IFS"); set {
			sep = ifs[:min(1, len(ifs))]
		}
		return []piece{result(strings.Join(sh.params, sep), q)}
	}
	var out []piece
	for i, p := range sh.params {
		if i > 0 {
			out = append(out, piece{brk: true})
		}
		out = append(out, result(p, q))
	}
	return out
}

// paramOperator is ${x-…}, ${x=…}, ${x?…}, ${x+…}, ${x#…} and ${x%…}.
func (sh *shell) paramOperator(pe *syntax.ParamExp, value string, set bool, q quoting) ([]piece, error) {
	name := pe.Param.Value
	word := func() ([]piece, error) { return sh.alternative(pe.Exp.Word, q) }
	plain := func() []piece {
		if name == "@" || name == "*" {
			return sh.allParams(name, q)
		}
		return []piece{result(value, q)}
	}
	op := pe.Exp.Op
	given := set && (value != "" || !nullIsUnset(op))
	switch op {
	case syntax.AlternateUnset, syntax.AlternateUnsetOrNull:
		if given {
			return word()
		}
		return nil, nil
	case syntax.DefaultUnset, syntax.DefaultUnsetOrNull:
		if given {
			return plain(), nil
		}
		return word()
	case syntax.AssignUnset, syntax.AssignUnsetOrNull:
		if given {
			return plain(), nil
		}
		list, err := word()
		if err != nil {
			return nil, err
		}
		if !syntax.ValidName(name) {
			return nil, failure("%s: bad variable name", name)
		}
		value = join(list)
		return []piece{result(value, q)}, sh.set(name, value)
	case syntax.ErrorUnset, syntax.ErrorUnsetOrNull:
		if given {
			return plain(), nil
		}
		list, err := word()
		if err != nil {
			return nil, err
		}
		text := orDefault(join(list), "parameter not set")
		if text == "parameter not set" && op == syntax.ErrorUnsetOrNull {
			text += " or null"
		}
		return nil, failure("%s: %s", name, text)
	case syntax.RemSmallPrefix, syntax.RemLargePrefix, syntax.RemSmallSuffix, syntax.RemLargeSuffix:
		if !set && sh.opts.nounset && name != "@" && name != "*" {
			return nil, failure("%s: parameter not set", name)
		}
		pat, err := sh.pattern(pe.Exp.Word)
		if err != nil {
			return nil, err
		}
		return []piece{result(sh.p.world.lab().regexes.trim(value, pat, op), q)}, nil
	}
	return nil, failure("Bad substitution")
}

// nullIsUnset tells the operators with a colon, to which an empty parameter is as good as none.
func nullIsUnset(op syntax.ParExpOperator) bool {
	switch op {
	case syntax.AlternateUnsetOrNull, syntax.DefaultUnsetOrNull, syntax.AssignUnsetOrNull, syntax.ErrorUnsetOrNull:
		return true
	}
	return false
}

// alternative expands the word of ${x-word}: what is unquoted in it is split like any expansion.
func (sh *shell) alternative(word *syntax.Word, q quoting) ([]piece, error) {
	if word == nil {
		return nil, nil
	}
	list, err := sh.parts(word.Parts, q)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if !list[i].quoted {
			list[i].split = true
		}
	}
	return list, nil
}

func join(list []piece) string {
	if len(list) == 1 && !list[0].brk {
		return list[0].text
	}
	var b strings.Builder
	for _, p := range list {
		if p.brk {
			b.WriteByte(' ')
		}
		b.WriteString(p.text)
	}
	return b.String()
}

// word expands a word to one string: an assigned value, a redirection's target, a case word.
func (sh *shell) word(w *syntax.Word) (string, error) {
	if w == nil {
		return "", nil
	}
	list, err := sh.parts(w.Parts, bare)
	return join(list), err
}

// assigned expands the value of an assignment, in which ~ counts after a colon too.
func (sh *shell) assigned(w *syntax.Word) (string, error) {
	if w == nil {
		return "", nil
	}
	var out []piece
	for i, part := range w.Parts {
		lit, ok := part.(*syntax.Lit)
		if !ok || !strings.Contains(lit.Value, ":~") {
			list, err := sh.parts(w.Parts[i:i+1], bare)
			if err != nil {
				return "", err
			}
			if ok && i > 0 {
				list = unescape(literal(lit.Value), bare)
			}
			out = append(out, list...)
			continue
		}
		for j, chunk := range strings.SplitAfter(literal(lit.Value), ":") {
			var home []piece
			if i == 0 || j > 0 {
				home, chunk = sh.tilde(strings.TrimSuffix(chunk, ":"), true)
				if lit := literal(lit.Value); strings.Count(lit, ":") > j {
					chunk += ":"
				}
			}
			out = append(append(out, home...), unescape(chunk, bare)...)
		}
	}
	return join(out), nil
}

// document expands the body of a here-document.
func (sh *shell) document(w *syntax.Word) (string, error) {
	if w == nil {
		return "", nil
	}
	list, err := sh.parts(w.Parts, hereDocument)
	return join(list), err
}

// pattern expands a word to a pattern in which everything quoted is literal.
func (sh *shell) pattern(w *syntax.Word) (string, error) {
	if w == nil {
		return "", nil
	}
	list, err := sh.parts(w.Parts, bare)
	if err != nil {
		return "", err
	}
	return globText(list), nil
}

func globText(list []piece) string {
	var b strings.Builder
	for _, p := range list {
		if p.quoted {
			b.WriteString(pattern.QuoteMeta(p.text, 0))
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// fields expands words to the arguments of a command: with field splitting and pathname expansion.
func (sh *shell) fields(words []*syntax.Word) ([]string, error) {
	var out []string
	for _, w := range words {
		if lit, ok := plainWord(w); ok {
			out = append(out, lit)
			continue
		}
		expanded := []*syntax.Word{w}
		if sh.bash {
			c := *w
			if syntax.SplitBraces(&c) {
				expanded = expand.Braces(&c) //nolint:staticcheck // its successor refuses long sequences, which bash takes
			}
		}
		for _, w := range expanded {
			list, err := sh.parts(w.Parts, bare)
			if err != nil {
				return nil, err
			}
			for _, field := range sh.splitFields(list) {
				out = append(out, sh.glob(field)...)
			}
		}
	}
	return out, nil
}

// plainWord is the fast path: a word of one literal without anything special.
func plainWord(w *syntax.Word) (string, bool) {
	if len(w.Parts) != 1 {
		return "", false
	}
	lit, ok := w.Parts[0].(*syntax.Lit)
	if !ok || strings.ContainsAny(lit.Value, "\\~*?[{") {
		return "", false
	}
	return literal(lit.Value), true
}

// splitter cuts pieces into fields along IFS.
type splitter struct {
	space, other  string // the IFS characters that are white space, and the rest
	out           [][]piece
	cur           []piece
	open          bool // a field has begun
	closedBySpace bool
}

func (s *splitter) end() {
	s.out = append(s.out, s.cur)
	s.cur, s.open = nil, false
}

func (s *splitter) add(text string) {
	start := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		blank := strings.IndexByte(s.space, c) >= 0
		if !blank && strings.IndexByte(s.other, c) < 0 {
			s.open, s.closedBySpace = true, false
			continue
		}
		if i > start {
			s.cur = append(s.cur, piece{text: text[start:i]})
		}
		start = i + 1
		switch {
		case s.open:
			s.end()
			s.closedBySpace = blank
		case blank:
		case s.closedBySpace:
			s.closedBySpace = false
		default:
			s.end()
		}
	}
	if start < len(text) {
		s.cur = append(s.cur, piece{text: text[start:]})
	}
}

func (sh *shell) splitFields(list []piece) [][]piece {
	ifs, set := sh.get("IFS")
	if !set {
		ifs = " \t\n"
	}
	var s splitter
	for _, c := range []byte(ifs) {
		if c == ' ' || c == '\t' || c == '\n' {
			s.space += string(c)
		} else {
			s.other += string(c)
		}
	}
	for _, p := range list {
		switch {
		case p.brk:
			if s.open {
				s.end()
			}
		case p.split:
			s.add(p.text)
		case p.text != "" || p.quoted:
			s.cur = append(s.cur, p)
			s.open, s.closedBySpace = true, false
		}
	}
	if s.open {
		s.end()
	}
	return s.out
}

// glob is pathname expansion of one field.
func (sh *shell) glob(field []piece) []string {
	text := join(field)
	if sh.opts.noglob || !slices.ContainsFunc(field, func(p piece) bool { return !p.quoted && strings.ContainsAny(p.text, "*?[") }) {
		return []string{text}
	}
	pat := globText(field)
	if !pattern.HasMeta(pat, 0) {
		return []string{text}
	}
	found := globPaths(sh.p.view(), sh.p.world.lab().regexes, pat)
	if len(found) == 0 {
		return []string{text}
	}
	return found
}

// globPaths lists the paths that match a pattern, sorted.
func globPaths(v view, known *regexes, pat string) []string {
	found := []string{""}
	if strings.HasPrefix(pat, "/") {
		found[0] = "/"
	}
	parts := strings.Split(strings.Trim(pat, "/"), "/")
	for i, part := range parts {
		last := i == len(parts)-1
		var next []string
		for _, dir := range found {
			next = append(next, globStep(v, known, dir, part)...)
		}
		if !last || strings.HasSuffix(pat, "/") {
			next = slices.DeleteFunc(next, func(path string) bool {
				info, err := v.stat(path, true)
				return err != nil || !info.IsDir()
			})
			for j := range next {
				next[j] += "/"
			}
		}
		found = next
	}
	slices.Sort(found)
	return found
}

func globStep(v view, known *regexes, dir, part string) []string {
	if !pattern.HasMeta(part, 0) {
		path := dir + strings.ReplaceAll(part, `\`, "")
		if _, err := v.stat(path, false); err != nil {
			return nil
		}
		return []string{path}
	}
	re, err := known.whole(part)
	if err != nil {
		return nil
	}
	entries, err := v.readDir(orDefault(dir, "."))
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if strings.HasPrefix(e.Base, ".") && !strings.HasPrefix(part, ".") && !strings.HasPrefix(part, `\.`) {
			continue
		}
		if re.MatchString(e.Base) {
			out = append(out, dir+e.Base)
		}
	}
	return out
}

// commandSubstitution runs $(…) in a subshell.
func (sh *shell) commandSubstitution(cs *syntax.CmdSubst) (string, error) {
	r, w := newPipeEnds()
	files := sh.p.files()
	files[1] = w
	c := sh.subshell(files, func(sub *shell) { sub.stmts(cs.Stmts, lastCommand) })
	w.release()
	out, err := io.ReadAll(streamReader{sh.p.ctx, r})
	r.release()
	if err != nil {
		return "", &shellError{text: strerror(err), code: 130}
	}
	sh.subst = sh.p.wait(c).shell()
	if sh.bash || bytes.IndexByte(out, 0) >= 0 {
		out = bytes.ReplaceAll(out, []byte{0}, nil)
	}
	return strings.TrimRight(string(out), "\n"), nil
}

func (sh *shell) arithmetic(x syntax.ArithmExpr) (int, error) {
	cfg := &expand.Config{
		Env:     arithmeticEnv{sh},
		NoUnset: sh.opts.nounset,
		CmdSubst: func(w io.Writer, cs *syntax.CmdSubst) error {
			text, err := sh.commandSubstitution(cs)
			if err == nil {
				_, err = io.WriteString(w, text)
			}
			return err
		},
	}
	n, err := expand.Arithm(cfg, x)
	if err != nil {
		return 0, failure("arithmetic expression: %v", err)
	}
	return n, nil
}
