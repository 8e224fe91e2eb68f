package lab

import (
	"fmt"
	"slices"
	"strconv"
)

// awkNode is a node of the tree of an awk program: an expression or a statement, by op.
type awkNode struct {
	op    string
	text  string // name, string, operator
	num   float64
	kids  []*awkNode
	other *awkNode // the target of a redirection, the else branch
}

// awkRule is one pattern with its action.
type awkRule struct {
	pattern, until *awkNode // until: the end of a range
	action         []*awkNode
	inRange        bool
	printAll       bool // there is no action
}

// awkFunction is a function of the program.
type awkFunction struct {
	params []string
	body   []*awkNode
}

// awkProgram is a parsed program.
type awkProgram struct {
	begin, end []*awkNode
	hasEnd     bool
	rules      []*awkRule
	funcs      map[string]*awkFunction
}

// awkParser reads a program by recursive descent. Errors come as panics of awkError and are caught in parseAwk.
type awkParser struct {
	toks []awkToken
	pos  int
	noIn bool // inside for(…: `in` is no operator
	noGT bool // inside print: > is a redirection
	prog *awkProgram
}

type awkError struct{ error }

func parseAwk(text string) (prog *awkProgram, err error) {
	toks, err := awkTokens(text)
	if err != nil {
		return nil, err
	}
	p := &awkParser{toks: toks, prog: &awkProgram{funcs: map[string]*awkFunction{}}}
	defer func() {
		if r := recover(); r != nil {
			ae, ok := r.(awkError)
			if !ok {
				panic(r)
			}
			err = ae.error
		}
	}()
	for p.skipLines(); p.tok().kind != awkEOF; p.skipLines() {
		p.item()
	}
	return p.prog, nil
}

func (p *awkParser) tok() awkToken { return p.toks[p.pos] }

func (p *awkParser) fail() {
	t := p.tok()
	panic(awkError{fmt.Errorf("syntax error at source line %d near %q", t.line, t.text)})
}

func (p *awkParser) is(text string) bool {
	t := p.tok()
	return (t.kind == awkOp || t.kind == awkKeyword) && t.text == text
}

func (p *awkParser) accept(text string) bool {
	if p.is(text) {
		p.pos++
		return true
	}
	return false
}

func (p *awkParser) expect(text string) {
	if !p.accept(text) {
		p.fail()
	}
}

func (p *awkParser) skipLines() {
	for p.tok().kind == awkNewline || p.is(";") {
		p.pos++
	}
}

func (p *awkParser) newlines() {
	for p.tok().kind == awkNewline {
		p.pos++
	}
}

func (p *awkParser) item() {
	switch {
	case p.accept("BEGIN"):
		p.newlines()
		p.prog.begin = append(p.prog.begin, p.block()...)
	case p.accept("END"):
		p.newlines()
		p.prog.end = append(p.prog.end, p.block()...)
		p.prog.hasEnd = true
	case p.is("function") || p.is("func"):
		p.pos++
		name := p.tok().text
		p.pos++
		p.expect("(")
		f := &awkFunction{}
		for !p.is(")") {
			f.params = append(f.params, p.tok().text)
			p.pos++
			if !p.accept(",") {
				break
			}
			p.newlines()
		}
		p.expect(")")
		p.newlines()
		f.body = p.block()
		p.prog.funcs[name] = f
	default:
		r := &awkRule{}
		if !p.is("{") {
			r.pattern = p.expr()
			if p.accept(",") {
				p.newlines()
				r.until = p.expr()
			}
		}
		if p.is("{") {
			r.action = p.block()
		} else {
			r.printAll = true
		}
		p.prog.rules = append(p.prog.rules, r)
	}
}

func (p *awkParser) block() []*awkNode {
	p.expect("{")
	var list []*awkNode
	for p.skipLines(); !p.is("}"); p.skipLines() {
		list = append(list, p.statement())
	}
	p.expect("}")
	return list
}

// body is the statement of a loop or condition.
func (p *awkParser) body() *awkNode {
	p.newlines()
	if p.accept(";") {
		return &awkNode{op: "block"}
	}
	return p.statement()
}

func (p *awkParser) endStatement() {
	if p.is("}") || p.tok().kind == awkEOF {
		return
	}
	if p.tok().kind == awkNewline || p.is(";") {
		p.pos++
		return
	}
	p.fail()
}

func (p *awkParser) statement() *awkNode {
	switch {
	case p.is("{"):
		return &awkNode{op: "block", kids: p.block()}
	case p.accept("if"):
		return p.ifStatement()
	case p.accept("while"):
		p.expect("(")
		cond := p.expr()
		p.expect(")")
		return &awkNode{op: "while", kids: []*awkNode{cond, p.body()}}
	case p.accept("do"):
		body := p.body()
		p.skipLines()
		p.expect("while")
		p.expect("(")
		cond := p.expr()
		p.expect(")")
		p.endStatement()
		return &awkNode{op: "do", kids: []*awkNode{cond, body}}
	case p.accept("for"):
		return p.forStatement()
	}
	n := p.simpleStatement()
	p.endStatement()
	return n
}

func (p *awkParser) ifStatement() *awkNode {
	p.expect("(")
	cond := p.expr()
	p.expect(")")
	n := &awkNode{op: "if", kids: []*awkNode{cond, p.body()}}
	at := p.pos
	p.skipLines()
	if p.accept("else") {
		n.other = p.body()
	} else {
		p.pos = at
	}
	return n
}

func (p *awkParser) forStatement() *awkNode {
	p.expect("(")
	if p.tok().kind == awkName && p.toks[p.pos+1].text == "in" && p.toks[p.pos+1].kind == awkKeyword && p.toks[p.pos+3].text == ")" {
		n := &awkNode{op: "forin", text: p.tok().text, other: &awkNode{op: "array", text: p.toks[p.pos+2].text}}
		p.pos += 4
		n.kids = []*awkNode{p.body()}
		return n
	}
	part := func(end string) *awkNode {
		if p.accept(end) {
			return nil
		}
		n := p.simpleStatement()
		p.newlines()
		p.expect(end)
		return n
	}
	init := part(";")
	p.newlines()
	var cond *awkNode
	if !p.accept(";") {
		cond = p.expr()
		p.expect(";")
	}
	p.newlines()
	step := part(")")
	return &awkNode{op: "for", kids: []*awkNode{init, cond, step, p.body()}}
}

func (p *awkParser) simpleStatement() *awkNode {
	t := p.tok()
	if t.kind == awkKeyword {
		switch t.text {
		case "print", "printf":
			return p.printStatement()
		case "next", "nextfile", "break", "continue":
			p.pos++
			return &awkNode{op: t.text}
		case "exit", "return":
			p.pos++
			n := &awkNode{op: t.text}
			if !p.is("}") && !p.is(";") && p.tok().kind != awkNewline && p.tok().kind != awkEOF {
				n.kids = []*awkNode{p.expr()}
			}
			return n
		case "delete":
			p.pos++
			n := &awkNode{op: "delete", text: p.tok().text}
			p.pos++
			if p.accept("[") {
				n.kids = p.list("]")
			}
			return n
		}
	}
	return &awkNode{op: "expr", kids: []*awkNode{p.expr()}}
}

func (p *awkParser) printStatement() *awkNode {
	n := &awkNode{op: p.tok().text}
	p.pos++
	p.noGT = true
	if !p.is("}") && !p.is(";") && !p.is(">") && !p.is(">>") && !p.is("|") && p.tok().kind != awkNewline && p.tok().kind != awkEOF {
		n.kids = append(n.kids, p.expr())
		if n.kids[0].op == "group" && len(n.kids[0].kids) > 1 {
			n.kids = n.kids[0].kids
		}
		for p.accept(",") {
			p.newlines()
			n.kids = append(n.kids, p.expr())
		}
	}
	p.noGT = false
	for _, op := range []string{">>", ">", "|"} {
		if p.accept(op) {
			n.text, n.other = op, p.concat()
			break
		}
	}
	return n
}

// list reads expressions up to a closing token.
func (p *awkParser) list(end string) []*awkNode {
	var out []*awkNode
	oldGT, oldIn := p.noGT, p.noIn
	p.noGT, p.noIn = false, false
	for p.newlines(); !p.is(end); p.newlines() {
		out = append(out, p.expr())
		p.newlines()
		if !p.accept(",") {
			break
		}
	}
	p.noGT, p.noIn = oldGT, oldIn
	p.expect(end)
	return out
}

func (p *awkParser) expr() *awkNode {
	left := p.ternary()
	for _, op := range []string{"=", "+=", "-=", "*=", "/=", "%=", "^="} {
		if p.is(op) {
			if !slices.Contains([]string{"var", "index", "field"}, left.op) {
				p.fail()
			}
			p.pos++
			p.newlines()
			return &awkNode{op: "assign", text: op[:len(op)-1], kids: []*awkNode{left, p.expr()}}
		}
	}
	return left
}

func (p *awkParser) ternary() *awkNode {
	cond := p.orExpr()
	if !p.accept("?") {
		return cond
	}
	p.newlines()
	yes := p.expr()
	p.newlines()
	p.expect(":")
	p.newlines()
	return &awkNode{op: "?", kids: []*awkNode{cond, yes, p.expr()}}
}

func (p *awkParser) orExpr() *awkNode {
	left := p.andExpr()
	for p.accept("||") {
		p.newlines()
		left = &awkNode{op: "||", kids: []*awkNode{left, p.andExpr()}}
	}
	return left
}

func (p *awkParser) andExpr() *awkNode {
	left := p.inExpr()
	for p.accept("&&") {
		p.newlines()
		left = &awkNode{op: "&&", kids: []*awkNode{left, p.inExpr()}}
	}
	return left
}

func (p *awkParser) inExpr() *awkNode {
	left := p.matchExpr()
	for !p.noIn && p.is("in") {
		p.pos++
		kids := []*awkNode{left}
		if left.op == "group" {
			kids = left.kids
		}
		left = &awkNode{op: "in", text: p.tok().text, kids: kids}
		p.pos++
	}
	return left
}

func (p *awkParser) matchExpr() *awkNode {
	left := p.comparison()
	for p.is("~") || p.is("!~") {
		op := p.tok().text
		p.pos++
		left = &awkNode{op: op, kids: []*awkNode{left, p.comparison()}}
	}
	return left
}

func (p *awkParser) comparison() *awkNode {
	left := p.concat()
	for _, op := range []string{"<=", ">=", "==", "!=", "<", ">"} {
		if p.is(op) && (op != ">" || !p.noGT) {
			p.pos++
			return &awkNode{op: "compare", text: op, kids: []*awkNode{left, p.concat()}}
		}
	}
	return left
}

func (p *awkParser) startsValue() bool {
	t := p.tok()
	switch t.kind {
	case awkNumber, awkString, awkName, awkBuiltin:
		return true
	case awkOp:
		return slices.Contains([]string{"$", "!", "(", "-", "+", "++", "--"}, t.text)
	}
	return false
}

func (p *awkParser) concat() *awkNode {
	left := p.additive()
	for p.startsValue() && !p.is("in") {
		left = &awkNode{op: "concat", kids: []*awkNode{left, p.additive()}}
	}
	for p.is("|") && p.toks[p.pos+1].text == "getline" {
		p.pos += 2
		left = &awkNode{op: "getline", text: "|", other: left, kids: p.lvalueIf()}
	}
	return left
}

func (p *awkParser) binary(ops []string, next func() *awkNode) *awkNode {
	left := next()
	for slices.ContainsFunc(ops, p.is) {
		op := p.tok().text
		p.pos++
		left = &awkNode{op: "arith", text: op, kids: []*awkNode{left, next()}}
	}
	return left
}

func (p *awkParser) additive() *awkNode {
	return p.binary([]string{"+", "-"}, func() *awkNode { return p.binary([]string{"*", "/", "%"}, p.unary) })
}

func (p *awkParser) unary() *awkNode {
	for _, op := range []string{"!", "-", "+"} {
		if p.accept(op) {
			return &awkNode{op: "unary", text: op, kids: []*awkNode{p.unary()}}
		}
	}
	return p.power()
}

func (p *awkParser) power() *awkNode {
	base := p.postfix()
	if p.accept("^") {
		return &awkNode{op: "arith", text: "^", kids: []*awkNode{base, p.unary()}}
	}
	return base
}

func (p *awkParser) postfix() *awkNode {
	for _, op := range []string{"++", "--"} {
		if p.accept(op) {
			return &awkNode{op: "pre", text: op, kids: []*awkNode{p.primary()}}
		}
	}
	n := p.primary()
	for _, op := range []string{"++", "--"} {
		if slices.Contains([]string{"var", "index", "field"}, n.op) && p.accept(op) {
			return &awkNode{op: "post", text: op, kids: []*awkNode{n}}
		}
	}
	return n
}

func (p *awkParser) lvalueIf() []*awkNode {
	if p.tok().kind == awkName || p.is("$") {
		return []*awkNode{p.primary()}
	}
	return nil
}

func (p *awkParser) primary() *awkNode {
	t := p.tok()
	p.pos++
	switch {
	case t.kind == awkNumber:
		n, _ := strconv.ParseFloat(t.text, 64)
		return &awkNode{op: "number", num: n}
	case t.kind == awkString:
		return &awkNode{op: "string", text: t.text}
	case t.kind == awkRegex:
		return &awkNode{op: "regex", text: t.text}
	case t.kind == awkBuiltin:
		n := &awkNode{op: "builtin", text: t.text}
		if p.accept("(") {
			n.kids = p.list(")")
		}
		return n
	case t.kind == awkName && t.glued:
		p.expect("(")
		return &awkNode{op: "call", text: t.text, kids: p.list(")")}
	case t.kind == awkName:
		if p.accept("[") {
			return &awkNode{op: "index", text: t.text, kids: p.list("]")}
		}
		return &awkNode{op: "var", text: t.text}
	case t.text == "$":
		if p.is("++") || p.is("--") || p.is("-") {
			return &awkNode{op: "field", kids: []*awkNode{p.unary()}}
		}
		return &awkNode{op: "field", kids: []*awkNode{p.primary()}}
	case t.text == "(":
		kids := p.list(")")
		if len(kids) == 0 {
			p.fail()
		}
		return &awkNode{op: "group", kids: kids}
	case t.text == "getline":
		n := &awkNode{op: "getline", kids: p.lvalueIf()}
		if p.accept("<") {
			n.text, n.other = "<", p.primary()
		}
		return n
	case t.text == "-" || t.text == "+" || t.text == "!":
		return &awkNode{op: "unary", text: t.text, kids: []*awkNode{p.unary()}}
	}
	p.pos--
	p.fail()
	return nil
}
