package lab

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/syntax"
)

// redirection is what redirections have replaced.
type redirection struct {
	p     *Process
	saved map[int]*descriptor
}

func (r *redirection) put(n int, d *descriptor) {
	old := r.p.setFD(n, d)
	if _, twice := r.saved[n]; twice {
		if old != nil {
			old.release()
		}
		return
	}
	if r.saved == nil {
		r.saved = map[int]*descriptor{}
	}
	r.saved[n] = old
}

// undo puts everything back.
func (r *redirection) undo() {
	for n, d := range r.saved {
		if now := r.p.setFD(n, d); now != nil {
			now.release()
		}
	}
	r.saved = nil
}

// settle makes it permanent.
func (r *redirection) settle() {
	for _, d := range r.saved {
		if d != nil {
			d.release()
		}
	}
	r.saved = nil
}

// redirect carries out redirections on the shell's own descriptors. The result has to be undone or settled, also after
// an error.
func (sh *shell) redirect(list []*syntax.Redirect) (*redirection, error) {
	return sh.redirectIn(sh.p, list)
}

// redirectIn carries them out on the descriptors of another process: a child that is about to run a program.
func (sh *shell) redirectIn(p *Process, list []*syntax.Redirect) (*redirection, error) {
	r := &redirection{p: p}
	for _, rd := range list {
		if err := sh.redirectOne(p, rd, r.put); err != nil {
			return r, err
		}
	}
	return r, nil
}

// defaultFD is the descriptor that an operator means without a number.
func defaultFD(op syntax.RedirOperator) int {
	switch op {
	case syntax.RdrIn, syntax.RdrInOut, syntax.DplIn, syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
		return 0
	}
	return 1
}

func (sh *shell) redirectOne(p *Process, rd *syntax.Redirect, put func(int, *descriptor)) error {
	n := defaultFD(rd.Op)
	if rd.N != nil {
		var err error
		if n, err = strconv.Atoi(rd.N.Value); err != nil {
			return failure("Syntax error: Bad fd number")
		}
	}
	switch rd.Op {
	case syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
		text, err := sh.hereDocument(rd)
		if err != nil {
			return err
		}
		put(n, newHereDocument([]byte(text)))
		return nil
	case syntax.DplIn, syntax.DplOut:
		return sh.duplicate(p, rd, n, put)
	}
	path, err := sh.word(rd.Word)
	if err != nil {
		return err
	}
	d, err := sh.openRedirect(p, rd.Op, path)
	if err != nil {
		return err
	}
	put(n, d)
	if rd.Op == syntax.RdrAll || rd.Op == syntax.AppAll {
		put(2, d.dup())
	}
	return nil
}

func (sh *shell) openRedirect(p *Process, op syntax.RedirOperator, path string) (*descriptor, error) {
	flags := os.O_RDONLY
	verb := "open"
	switch op {
	case syntax.RdrIn:
	case syntax.RdrInOut:
		flags = os.O_RDWR | os.O_CREATE
	case syntax.AppOut, syntax.AppAll:
		flags, verb = os.O_WRONLY|os.O_CREATE|os.O_APPEND, "create"
	case syntax.RdrOut, syntax.RdrClob, syntax.RdrAll:
		flags, verb = os.O_WRONLY|os.O_CREATE|os.O_TRUNC, "create"
		if op == syntax.RdrOut && sh.opts.noclobber {
			if info, err := p.Stat(path); err == nil && info.Bits.IsRegular() {
				return nil, failure("cannot create %s: File exists", path)
			}
		}
	default:
		return nil, failure("Syntax error: unsupported redirection")
	}
	d, err := p.openFile(path, flags, 0o666)
	if err != nil {
		text := openText(err)
		if verb == "create" && errors.Is(err, syscall.ENOENT) {
			text = "Directory nonexistent"
		}
		return nil, failure("cannot %s %s: %s", verb, path, text)
	}
	return d, nil
}

// openText is how dash spells the reason why a file cannot be opened.
func openText(err error) string {
	if errors.Is(err, syscall.ENOENT) {
		return "No such file"
	}
	return strerror(err)
}

func (sh *shell) duplicate(p *Process, rd *syntax.Redirect, n int, put func(int, *descriptor)) error {
	arg, err := sh.word(rd.Word)
	if err != nil {
		return err
	}
	if arg == "-" {
		put(n, nil)
		return nil
	}
	from, err := strconv.Atoi(arg)
	if err != nil {
		return failure("Syntax error: Bad fd number")
	}
	d := p.fd(from)
	if d == nil {
		return failure("%d: Bad file descriptor", from)
	}
	put(n, d.dup())
	return nil
}

// hereDocument is the text of a << redirection.
func (sh *shell) hereDocument(rd *syntax.Redirect) (string, error) {
	if rd.Op == syntax.WordHdoc {
		text, err := sh.word(rd.Word)
		return text + "\n", err
	}
	if rd.Hdoc == nil {
		return "", nil
	}
	body := rd.Hdoc
	if rd.Op == syntax.DashHdoc {
		body = withoutTabs(body)
	}
	if quotedDelimiter(rd.Word) {
		return literal(body.Lit()), nil
	}
	return sh.document(body)
}

// quotedDelimiter says that the body is literal.
func quotedDelimiter(w *syntax.Word) bool {
	for _, part := range w.Parts {
		lit, ok := part.(*syntax.Lit)
		if !ok || strings.Contains(lit.Value, `\`) {
			return true
		}
	}
	return false
}

// withoutTabs takes the tabs off the beginnings of the lines of a <<- document.
func withoutTabs(w *syntax.Word) *syntax.Word {
	out := &syntax.Word{}
	start := true
	for _, part := range w.Parts {
		lit, ok := part.(*syntax.Lit)
		if !ok {
			out.Parts = append(out.Parts, part)
			start = false
			continue
		}
		var b strings.Builder
		for line := range strings.Lines(lit.Value) {
			if start {
				line = strings.TrimLeft(line, "\t")
			}
			b.WriteString(line)
			start = strings.HasSuffix(line, "\n")
		}
		c := *lit
		c.Value = b.String()
		out.Parts = append(out.Parts, &c)
	}
	return out
}
