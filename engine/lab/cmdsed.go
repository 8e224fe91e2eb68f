package lab

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// sedCommands is sed: addresses, s y d D p P q Q a i c = n N g G h H x b t l : { } r w, -n -e -f -E -i -s -z.
func sedCommands() map[string]Command {
	return map[string]Command{"sed": command("n,quiet,silent e,expression= f,file= E,r,regexp-extended i,in-place! s,separate z,null-data u,unbuffered posix", 1, sedCommand)}
}

// sedAddress selects lines.
type sedAddress struct {
	line int // 0: not by number
	last bool
	step int // first~step
	plus bool
	re   *regexp.Regexp
}

// sedOp is one command of a script.
type sedOp struct {
	from, to *sedAddress
	negate   bool
	name     byte
	text     string // of a, i, c; label; file
	re       *regexp.Regexp
	with     string
	global   bool
	print    bool
	nth      int
	table    *[256]byte
	jump     int // index of the matching } or of a label
	inRange  bool
	endLine  int
	exitCode int
}

// sed is one run: the script, and the two spaces.
type sed struct {
	c        *cmdline
	ops      []*sedOp
	quiet    bool
	extended bool
	end      byte
	lines    []sedLine
	next     int
	number   int
	pattern  string
	missing  bool // the last line has no newline
	hold     string
	out      *bytes.Buffer
	queue    []string // of a and r
	replaced bool
	quit     bool
	code     int
}

type sedLine struct {
	text    string
	missing bool
}

func sedCommand(c *cmdline) int {
	s := &sed{c: c, quiet: c.has("n"), extended: c.has("E"), end: '\n', out: &bytes.Buffer{}}
	if c.has("z") {
		s.end = 0
	}
	script, ok := s.script()
	if !ok {
		return 1
	}
	p := &sedParser{text: script, extended: s.extended, regexes: c.p.world.lab().regexes}
	var err error
	if s.ops, err = p.parse(); err != nil {
		c.p.Errorf("-e expression #1, char %d: %v", p.pos, err)
		return 1
	}
	if len(p.text) >= 2 && strings.HasPrefix(p.text, "#n\n") {
		s.quiet = true
	}
	if c.has("i") || c.has("s") {
		return s.inPlace()
	}
	code := 2 * c.inputs(func(_ string, r io.Reader) error {
		data, err := io.ReadAll(r)
		s.load(data)
		return err
	})
	s.run()
	if _, err := c.p.Stdout().Write(s.out.Bytes()); err != nil {
		return 4
	}
	return max(code, s.code)
}

func (s *sed) script() (string, bool) {
	c := s.c
	var parts []string
	parts = append(parts, c.value["e"]...)
	for _, f := range c.value["f"] {
		data, err := c.p.ReadFile(f)
		if err != nil {
			c.p.Errorf("couldn't open file %s: %s", f, strerror(err))
			return "", false
		}
		parts = append(parts, strings.TrimSuffix(string(data), "\n"))
	}
	if len(parts) == 0 {
		if len(c.args) == 0 {
			fmt.Fprintf(c.p.Stderr(), "Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...\n")
			return "", false
		}
		parts, c.args = c.args[:1], c.args[1:]
	}
	return strings.Join(parts, "\n"), true
}

func (s *sed) load(data []byte) {
	for len(data) > 0 {
		i := bytes.IndexByte(data, s.end)
		if i < 0 {
			s.lines = append(s.lines, sedLine{string(data), true})
			return
		}
		s.lines = append(s.lines, sedLine{text: string(data[:i])})
		data = data[i+1:]
	}
}

func (s *sed) inPlace() int {
	code := 0
	for _, path := range s.c.args {
		data, err := s.c.p.ReadFile(path)
		if err != nil {
			s.c.p.Errorf("can't read %s: %s", path, strerror(err))
			code = 2
			continue
		}
		one := &sed{c: s.c, ops: s.ops, quiet: s.quiet, end: s.end, out: &bytes.Buffer{}}
		one.load(data)
		one.run()
		code = max(code, one.code)
		if !s.c.has("i") {
			_, _ = s.c.p.Stdout().Write(one.out.Bytes())
			continue
		}
		if err := s.replaceFile(path, data, one.out.Bytes()); err != nil {
			s.c.p.Errorf("couldn't open temporary file: %s", strerror(err))
			return 4
		}
	}
	return code
}

// replaceFile puts a new file with the old one's mode and owner in its place.
func (s *sed) replaceFile(path string, old, data []byte) error {
	v := s.c.p.view()
	info, err := v.stat(path, true)
	if err != nil {
		return err
	}
	if suffix := s.c.last("i", ""); suffix != "" {
		if err := s.c.p.WriteFile(path+suffix, old, info.Bits.Perm()); err != nil {
			return err
		}
	}
	temp := dirOf(s.c.p.Abs(path)) + "/sed" + randomLetters(6)
	st, _, err := v.open(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = st.write(s.c.p.ctx, data)
	_ = st.close()
	if err == nil {
		_ = v.chown(temp, info.UserID, info.GroupID, false)
		_ = v.chmod(temp, info.Bits, true)
		err = v.rename(temp, path)
	}
	if err != nil {
		_ = v.unlink(temp)
	}
	return err
}

func (s *sed) isLast() bool { return s.next >= len(s.lines) }

func (s *sed) run() {
	for s.next < len(s.lines) && !s.quit {
		s.read()
		deleted := s.cycle()
		if !deleted && !s.quiet {
			s.emit(s.pattern)
		}
		s.flush()
	}
}

func (s *sed) read() {
	s.pattern, s.missing = s.lines[s.next].text, s.lines[s.next].missing
	s.next++
	s.number++
	s.replaced = false
}

func (s *sed) emit(text string) {
	s.out.WriteString(text)
	if !s.missing || s.next < len(s.lines) {
		s.out.WriteByte(s.end)
	}
}

func (s *sed) flush() {
	for _, text := range s.queue {
		if s.out.Len() > 0 && s.out.Bytes()[s.out.Len()-1] != '\n' {
			s.out.WriteByte('\n')
		}
		s.out.WriteString(text)
	}
	s.queue = nil
}

func (a *sedAddress) matches(s *sed) bool {
	switch {
	case a.re != nil:
		return a.re.MatchString(s.pattern)
	case a.last:
		return s.isLast()
	case a.step > 0:
		return s.number >= a.line && (s.number-a.line)%a.step == 0
	}
	return s.number == a.line
}

func (s *sed) selects(op *sedOp) bool {
	switch {
	case op.from == nil:
		return true
	case op.to == nil:
		return op.from.matches(s)
	case op.inRange:
		switch {
		case op.endLine > 0 && s.number >= op.endLine:
			op.inRange = false
			return s.number == op.endLine
		case op.endLine == 0 && op.to.matches(s):
			op.inRange = false
		}
		return true
	case op.from.matches(s):
		op.endLine = 0
		switch {
		case op.to.plus:
			op.endLine = s.number + op.to.line
		case op.to.re == nil && !op.to.last:
			op.endLine = op.to.line
		}
		op.inRange = (op.endLine == 0 && !s.isLast()) || op.endLine > s.number
		return true
	}
	return false
}

// cycle runs the script on the pattern space; deleted says that it is not to be printed.
func (s *sed) cycle() (deleted bool) {
	for pc := 0; pc < len(s.ops); pc++ {
		op := s.ops[pc]
		if s.selects(op) == op.negate {
			if op.name == '{' {
				pc = op.jump
			}
			continue
		}
		switch op.name {
		case 'd':
			return true
		case 'D':
			i := strings.IndexByte(s.pattern, '\n')
			if i < 0 {
				return true
			}
			s.pattern = s.pattern[i+1:]
			pc = -1
		case 'q', 'Q':
			s.quit, s.code = true, op.exitCode
			return op.name == 'Q'
		case 'n':
			if s.isLast() {
				s.quit = true
				return false
			}
			if !s.quiet {
				s.emit(s.pattern)
			}
			s.flush()
			s.read()
		case 'N':
			if s.isLast() {
				return false
			}
			held := s.pattern
			s.read()
			s.pattern = held + "\n" + s.pattern
		case 'c':
			if op.to == nil || !op.inRange {
				s.out.WriteString(op.text)
			}
			return true
		case 'b':
			pc = op.jump
		case 't':
			if s.replaced {
				s.replaced = false
				pc = op.jump
			}
		default:
			s.edit(op)
		}
	}
	return false
}

// edit runs a command that does not change the flow.
func (s *sed) edit(op *sedOp) {
	switch op.name {
	case 's':
		s.substitute(op)
	case 'y':
		b := []byte(s.pattern)
		for i := range b {
			b[i] = op.table[b[i]]
		}
		s.pattern = string(b)
	case 'p':
		s.emit(s.pattern)
	case 'P':
		line, _, _ := strings.Cut(s.pattern, "\n")
		s.out.WriteString(line + "\n")
	case '=':
		s.out.WriteString(strconv.Itoa(s.number) + "\n")
	case 'a':
		s.queue = append(s.queue, op.text)
	case 'i':
		s.out.WriteString(op.text)
	case 'r':
		if data, err := s.c.p.ReadFile(op.text); err == nil {
			s.queue = append(s.queue, string(data))
		}
	case 'w':
		if f, err := s.c.p.Create(op.text, os.O_APPEND, 0o666); err == nil {
			_, _ = io.WriteString(f, s.pattern+"\n")
			_ = f.Close()
		}
	case 'g':
		s.pattern = s.hold
	case 'G':
		s.pattern += "\n" + s.hold
	case 'h':
		s.hold = s.pattern
	case 'H':
		s.hold += "\n" + s.pattern
	case 'x':
		s.pattern, s.hold = s.hold, s.pattern
	}
}

func (s *sed) substitute(op *sedOp) {
	var b strings.Builder
	pos, n, done := 0, 0, false
	for _, loc := range op.re.FindAllStringSubmatchIndex(s.pattern, -1) {
		n++
		if n < op.nth || (done && !op.global) {
			continue
		}
		b.WriteString(s.pattern[pos:loc[0]])
		expandReplacement(&b, op.with, s.pattern, loc)
		pos = loc[1]
		done = true
	}
	if !done {
		return
	}
	b.WriteString(s.pattern[pos:])
	s.pattern, s.replaced = b.String(), true
	if op.print {
		s.emit(s.pattern)
	}
	if op.text != "" {
		if f, err := s.c.p.Create(op.text, os.O_APPEND, 0o666); err == nil {
			_, _ = io.WriteString(f, s.pattern+"\n")
			_ = f.Close()
		}
	}
}

// expandReplacement writes the right side of s: & and \1 are parts of the match.
func expandReplacement(b *strings.Builder, with, text string, loc []int) {
	group := func(n int) {
		if 2*n+1 < len(loc) && loc[2*n] >= 0 {
			b.WriteString(text[loc[2*n]:loc[2*n+1]])
		}
	}
	for i := 0; i < len(with); i++ {
		switch {
		case with[i] == '&':
			group(0)
		case with[i] == '\\' && i+1 < len(with):
			i++
			switch c := with[i]; {
			case c >= '0' && c <= '9':
				group(int(c - '0'))
			case c == 'n':
				b.WriteByte('\n')
			case c == 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(c)
			}
		default:
			b.WriteByte(with[i])
		}
	}
}
