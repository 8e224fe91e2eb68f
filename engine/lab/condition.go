package lab

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// condition evaluates an expression of test(1).
type condition struct {
	p    *Process
	args []string
	pos  int
}

// testCommand is test and [, the builtin and the program.
func testCommand(p *Process, args []string, report func(string, ...any)) int {
	name, list := args[0], args[1:]
	if strings.HasSuffix(name, "[") {
		if len(list) == 0 || list[len(list)-1] != "]" {
			report("[: missing ]")
			return 2
		}
		list = list[:len(list)-1]
	}
	c := &condition{p: p, args: list}
	yes, err := c.evaluate()
	if err != nil {
		report("%s: %v", name, err)
		return 2
	}
	return boolStatus(yes)
}

var binaryTests = []string{"=", "!=", "<", ">", "-eq", "-ne", "-gt", "-ge", "-lt", "-le", "-nt", "-ot", "-ef"}

func isBinary(op string) bool { return slices.Contains(binaryTests, op) }

func isUnary(op string) bool {
	return len(op) == 2 && op[0] == '-' && strings.IndexByte("bcdefghkLnOGprsStuwxz", op[1]) >= 0
}

// evaluate follows the rules that depend on the number of arguments, and the grammar beyond four.
func (c *condition) evaluate() (bool, error) {
	a := c.args
	switch {
	case len(a) == 0:
		return false, nil
	case len(a) == 1:
		return a[0] != "", nil
	case len(a) == 2 && a[0] == "!":
		return a[1] == "", nil
	case len(a) == 3 && isBinary(a[1]):
		return c.binary(a[0], a[1], a[2])
	case len(a) == 4 && a[0] == "!" && isBinary(a[2]):
		yes, err := c.binary(a[1], a[2], a[3])
		return !yes, err
	}
	yes, err := c.or()
	if err == nil && c.pos < len(a) {
		return false, fmt.Errorf("%s: unexpected operator", a[c.pos])
	}
	return yes, err
}

func (c *condition) peek(n int) string {
	if c.pos+n < len(c.args) {
		return c.args[c.pos+n]
	}
	return ""
}

func (c *condition) or() (bool, error) {
	yes, err := c.and()
	for err == nil && c.peek(0) == "-o" {
		c.pos++
		var right bool
		right, err = c.and()
		yes = yes || right
	}
	return yes, err
}

func (c *condition) and() (bool, error) {
	yes, err := c.not()
	for err == nil && c.peek(0) == "-a" {
		c.pos++
		var right bool
		right, err = c.not()
		yes = yes && right
	}
	return yes, err
}

func (c *condition) not() (bool, error) {
	if c.peek(0) == "!" && c.pos+1 < len(c.args) && !isBinary(c.peek(1)) {
		c.pos++
		yes, err := c.not()
		return !yes, err
	}
	return c.primary()
}

func (c *condition) primary() (bool, error) {
	if c.pos >= len(c.args) {
		return false, errors.New("argument expected")
	}
	op := c.peek(0)
	switch {
	case c.pos+2 < len(c.args) && isBinary(c.peek(1)):
		left, op, right := op, c.peek(1), c.peek(2)
		c.pos += 3
		return c.binary(left, op, right)
	case op == "(":
		c.pos++
		yes, err := c.or()
		if err == nil && c.peek(0) != ")" {
			err = errors.New("closing paren expected")
		}
		c.pos++
		return yes, err
	case isUnary(op) && c.pos+1 < len(c.args):
		arg := c.peek(1)
		c.pos += 2
		return c.unary(op[1], arg)
	}
	c.pos++
	return op != "", nil
}

func testNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("Illegal number: %s", text) //nolint:staticcheck // dash's words
	}
	return n, nil
}

func (c *condition) binary(left, op, right string) (bool, error) {
	switch op {
	case "=":
		return left == right, nil
	case "!=":
		return left != right, nil
	case "<":
		return left < right, nil
	case ">":
		return left > right, nil
	case "-nt", "-ot", "-ef":
		return c.compareFiles(left, op, right), nil
	}
	a, err := testNumber(left)
	if err != nil {
		return false, err
	}
	b, err := testNumber(right)
	if err != nil {
		return false, err
	}
	switch op {
	case "-eq":
		return a == b, nil
	case "-ne":
		return a != b, nil
	case "-gt":
		return a > b, nil
	case "-ge":
		return a >= b, nil
	case "-lt":
		return a < b, nil
	}
	return a <= b, nil
}

func (c *condition) compareFiles(left, op, right string) bool {
	a, aerr := c.p.Stat(left)
	b, berr := c.p.Stat(right)
	switch op {
	case "-ef":
		return aerr == nil && berr == nil && a.same(b)
	case "-nt":
		return aerr == nil && berr == nil && a.Modified.After(b.Modified)
	}
	return aerr == nil && berr == nil && b.Modified.After(a.Modified)
}

func (c *condition) unary(op byte, arg string) (bool, error) {
	switch op {
	case 'n':
		return arg != "", nil
	case 'z':
		return arg == "", nil
	case 't':
		_, err := testNumber(arg)
		return false, err // nothing here is a terminal
	case 'r', 'w', 'x':
		right := map[byte]Mode{'r': mayRead, 'w': mayWrite, 'x': mayExec}[op]
		return c.p.view().access(arg, right) == nil, nil
	case 'h', 'L':
		info, err := c.p.Lstat(arg)
		return err == nil && info.Bits.Type() == TypeSymlink, nil
	}
	info, err := c.p.Stat(arg)
	if err != nil {
		return false, nil
	}
	switch op {
	case 'e':
		return true, nil
	case 's':
		return info.Bytes > 0, nil
	case 'u':
		return info.Bits&SetUID != 0, nil
	case 'g':
		return info.Bits&SetGID != 0, nil
	case 'k':
		return info.Bits&Sticky != 0, nil
	case 'O':
		return info.UserID == c.p.User().UID, nil
	case 'G':
		return info.GroupID == c.p.User().GID, nil
	}
	types := map[byte]Mode{'f': TypeRegular, 'd': TypeDir, 'p': TypeFifo, 'S': TypeSocket, 'b': TypeBlock, 'c': TypeChar}
	return info.Bits.Type() == types[op], nil
}

// testClause is [[ … ]] of bash.
func (sh *shell) testClause(cm *syntax.TestClause) {
	yes, err := sh.testExpr(cm.X)
	if err != nil {
		sh.errorf("%v", err)
		sh.status = 2
		return
	}
	sh.status = boolStatus(yes)
}

func (sh *shell) testExpr(x syntax.TestExpr) (bool, error) {
	c := &condition{p: sh.p}
	switch x := x.(type) {
	case *syntax.Word:
		text, err := sh.word(x)
		return text != "", err
	case *syntax.ParenTest:
		return sh.testExpr(x.X)
	case *syntax.UnaryTest:
		if x.Op == syntax.TsNot {
			yes, err := sh.testExpr(x.X)
			return !yes, err
		}
		w, ok := x.X.(*syntax.Word)
		if !ok {
			return false, failure("unsupported test")
		}
		text, err := sh.word(w)
		if err != nil {
			return false, err
		}
		if x.Op == syntax.TsVarSet {
			_, set := sh.get(orDefault(text, "_"))
			return set, nil
		}
		return c.unary(x.Op.String()[1], text)
	case *syntax.BinaryTest:
		return sh.testBinary(c, x)
	}
	return false, failure("unsupported test")
}

func (sh *shell) testBinary(c *condition, x *syntax.BinaryTest) (bool, error) {
	if x.Op == syntax.AndTest || x.Op == syntax.OrTest {
		yes, err := sh.testExpr(x.X)
		if err != nil || yes == (x.Op == syntax.OrTest) {
			return yes, err
		}
		return sh.testExpr(x.Y)
	}
	lw, lok := x.X.(*syntax.Word)
	rw, rok := x.Y.(*syntax.Word)
	if !lok || !rok {
		return false, failure("unsupported test")
	}
	left, err := sh.word(lw)
	if err != nil {
		return false, err
	}
	switch x.Op {
	case syntax.TsMatch, syntax.TsMatchShort, syntax.TsNoMatch:
		pat, err := sh.pattern(rw)
		return sh.p.world.lab().regexes.match(pat, left) == (x.Op != syntax.TsNoMatch), err
	}
	right, err := sh.word(rw)
	if err != nil {
		return false, err
	}
	if x.Op == syntax.TsReMatch {
		re, err := regexp.Compile(right)
		if err != nil {
			return false, failure("invalid regular expression %s", right)
		}
		return re.MatchString(left), nil
	}
	return c.binary(left, x.Op.String(), right)
}
