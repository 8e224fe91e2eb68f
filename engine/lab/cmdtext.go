package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// textCommands are those that pass text through.
func textCommands() map[string]Command {
	return map[string]Command{
		"head":  headTail("n,lines= c,bytes= q,quiet,silent v,verbose", headCommand),
		"tail":  headTail("n,lines= c,bytes= q,quiet,silent v,verbose f,follow? F s,sleep-interval= pid=", tailCommand),
		"wc":    command("l,lines w,words c,bytes m,chars L,max-line-length", 1, wcCommand),
		"tr":    command("+ d,delete s,squeeze-repeats c,C,complement t,truncate-set1", 1, trCommand),
		"cut":   command("d,delimiter= f,fields= c,characters= b,bytes= s,only-delimited complement output-delimiter=", 1, cutCommand),
		"paste": command("d,delimiters= s,serial", 1, pasteCommand),
		"tac":   command("", 1, tacCommand),
		"rev":   command("", 1, revCommand),
		"nl":    command("b,body-numbering= w,number-width= s,number-separator=", 1, nlCommand),
		"seq":   seqCommand,
		"yes":   yesCommand,
	}
}

// headTail lets -5 stand for -n 5.
func headTail(spec string, run func(c *cmdline) int) Command {
	inner := command(spec, 1, run)
	return func(ctx context.Context, p *Process, argv []string) int {
		if len(argv) > 1 && len(argv[1]) > 1 && argv[1][0] == '-' && argv[1][1] >= '0' && argv[1][1] <= '9' {
			argv = append([]string{argv[0], "-n", argv[1][1:]}, argv[2:]...)
		}
		return inner(ctx, p, argv)
	}
}

// eachInput shows the headings of head and tail.
func (c *cmdline) eachInput(visit func(w *bufio.Writer, r io.Reader) error) int {
	return c.buffered(func(w *bufio.Writer) int {
		shown := 0
		return c.inputs(func(name string, r io.Reader) error {
			if (len(c.args) > 1 && !c.has("q")) || c.has("v") {
				if shown > 0 {
					_ = w.WriteByte('\n')
				}
				fmt.Fprintf(w, "==> %s <==\n", strings.Replace(name, "-", "standard input", map[bool]int{true: 1}[name == "-"]))
			}
			shown++
			return visit(w, r)
		})
	})
}

func (c *cmdline) count(fallback string) (n int64, sign byte, bytes bool, ok bool) {
	text := c.last("n", fallback)
	if c.lastOf("n", "c") == "c" {
		text, bytes = c.last("c", ""), true
	}
	full := text
	if text != "" && (text[0] == '-' || text[0] == '+') {
		sign, text = text[0], text[1:]
	}
	n, ok = parseSize(text)
	if !ok {
		what := "lines"
		if bytes {
			what = "bytes"
		}
		c.p.Errorf("invalid number of %s: %s", what, gnuQuote(full))
	}
	return n, sign, bytes, ok
}

func headCommand(c *cmdline) int {
	n, sign, inBytes, ok := c.count("10")
	if !ok {
		return 1
	}
	return c.eachInput(func(w *bufio.Writer, r io.Reader) error {
		switch {
		case inBytes && sign != '-':
			_, err := io.CopyN(w, r, n)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		case inBytes:
			data, err := io.ReadAll(r)
			_, _ = w.Write(data[:max(0, int64(len(data))-n)])
			return err
		case sign == '-':
			var held []string
			return eachLine(r, func(line string) bool {
				held = append(held, line)
				if int64(len(held)) > n {
					_, _ = w.WriteString(held[0])
					held = held[1:]
				}
				return true
			})
		}
		if n == 0 {
			return nil
		}
		left := n
		return eachLine(r, func(line string) bool {
			_, _ = w.WriteString(line)
			left--
			return left > 0
		})
	})
}

func tailCommand(c *cmdline) int {
	n, sign, inBytes, ok := c.count("10")
	if !ok {
		return 1
	}
	code := c.eachInput(func(w *bufio.Writer, r io.Reader) error {
		data, err := io.ReadAll(r)
		if inBytes {
			from := int64(len(data)) - n
			if sign == '+' {
				from = n - 1
			}
			_, _ = w.Write(data[min(max(0, from), int64(len(data))):])
			return err
		}
		lines := bytes.SplitAfter(data, []byte("\n"))
		if len(lines[len(lines)-1]) == 0 {
			lines = lines[:len(lines)-1]
		}
		from := int64(len(lines)) - n
		if sign == '+' {
			from = n - 1
		}
		for _, line := range lines[min(max(0, from), int64(len(lines))):] {
			_, _ = w.Write(line)
		}
		return err
	})
	if (c.has("f") || c.has("F")) && len(c.args) > 0 {
		c.follow(c.args[len(c.args)-1])
	}
	return code
}

// follow is tail -f, until the process is killed.
func (c *cmdline) follow(path string) {
	seen := int64(-1)
	for c.p.sleep(50 * time.Millisecond) {
		data, err := c.p.ReadFile(path)
		if err != nil {
			continue
		}
		if seen >= 0 && int64(len(data)) > seen {
			_, _ = c.p.Stdout().Write(data[seen:])
		}
		seen = int64(len(data))
	}
}

func wcCommand(c *cmdline) int {
	type counts struct{ lines, words, chars, bytes, longest int }
	all := !c.has("l") && !c.has("w") && !c.has("c") && !c.has("m") && !c.has("L")
	var rows []counts
	var names []string
	var total counts
	code := c.inputs(func(name string, r io.Reader) error {
		data, err := io.ReadAll(r)
		n := counts{lines: bytes.Count(data, []byte("\n")), words: len(bytes.Fields(data)), chars: len(data), bytes: len(data)}
		for line := range bytes.Lines(data) {
			n.longest = max(n.longest, utf8.RuneCount(bytes.TrimRight(line, "\n")))
		}
		total.lines += n.lines
		total.words += n.words
		total.chars += n.chars
		total.bytes += n.bytes
		total.longest = max(total.longest, n.longest)
		rows = append(rows, n)
		if len(c.args) == 0 {
			name = ""
		}
		names = append(names, name)
		return err
	})
	if len(c.args) > 1 {
		rows, names = append(rows, total), append(names, "total")
	}
	pick := func(n counts) []int {
		var out []int
		for _, f := range []struct {
			on    bool
			value int
		}{{all || c.has("l"), n.lines}, {all || c.has("w"), n.words}, {c.has("m"), n.chars}, {all || c.has("c"), n.bytes}, {c.has("L"), n.longest}} {
			if f.on {
				out = append(out, f.value)
			}
		}
		return out
	}
	width := 1
	if len(pick(total)) > 1 || len(rows) > 1 {
		width = len(strconv.Itoa(total.bytes))
		if len(c.args) == 0 {
			width = 7
		}
	}
	return max(code, c.buffered(func(w *bufio.Writer) int {
		for i, row := range rows {
			for j, value := range pick(row) {
				if j > 0 {
					_ = w.WriteByte(' ')
				}
				fmt.Fprintf(w, "%*d", width, value)
			}
			if names[i] != "" {
				_, _ = w.WriteString(" " + names[i])
			}
			_ = w.WriteByte('\n')
		}
		return 0
	}))
}

// characterSet expands a set of tr: ranges, classes, escapes.
func characterSet(spec string) ([]byte, bool) {
	spec, _ = formatEscapes(spec, escapesFormat)
	var out []byte
	for i := 0; i < len(spec); i++ {
		if strings.HasPrefix(spec[i:], "[:") {
			if end := strings.Index(spec[i:], ":]"); end > 0 {
				class, ok := characterClass(spec[i+2 : i+end])
				if !ok {
					return nil, false
				}
				out = append(out, class...)
				i += end + 1
				continue
			}
		}
		if i+2 < len(spec) && spec[i+1] == '-' {
			if spec[i] > spec[i+2] {
				return nil, false
			}
			for c := int(spec[i]); c <= int(spec[i+2]); c++ {
				out = append(out, byte(c))
			}
			i += 2
			continue
		}
		out = append(out, spec[i])
	}
	return out, true
}

func characterClass(name string) ([]byte, bool) {
	tests := map[string]func(c int) bool{
		"upper":  func(c int) bool { return c >= 'A' && c <= 'Z' },
		"lower":  func(c int) bool { return c >= 'a' && c <= 'z' },
		"alpha":  func(c int) bool { return c|32 >= 'a' && c|32 <= 'z' },
		"digit":  func(c int) bool { return c >= '0' && c <= '9' },
		"alnum":  func(c int) bool { return c >= '0' && c <= '9' || c|32 >= 'a' && c|32 <= 'z' },
		"xdigit": func(c int) bool { return c >= '0' && c <= '9' || c|32 >= 'a' && c|32 <= 'f' },
		"space":  func(c int) bool { return c == ' ' || c >= 9 && c <= 13 },
		"blank":  func(c int) bool { return c == ' ' || c == 9 },
		"cntrl":  func(c int) bool { return c < 32 || c == 127 },
		"print":  func(c int) bool { return c >= 32 && c < 127 },
		"graph":  func(c int) bool { return c > 32 && c < 127 },
		"punct":  func(c int) bool { return c > 32 && c < 127 && (c < '0' || c > '9') && (c|32 < 'a' || c|32 > 'z') },
	}
	test, ok := tests[name]
	if !ok {
		return nil, false
	}
	var out []byte
	for c := range 256 {
		if test(c) {
			out = append(out, byte(c))
		}
	}
	return out, true
}

func trCommand(c *cmdline) int {
	if !c.need(1) {
		return 1
	}
	from, ok := characterSet(c.args[0])
	var to []byte
	if ok && len(c.args) > 1 {
		to, ok = characterSet(c.args[1])
	}
	if !ok {
		c.p.Errorf("invalid set")
		return 1
	}
	if len(c.args) < 2 && !c.has("d") && !c.has("s") {
		c.need(2)
		return 1
	}
	if c.has("c") {
		var rest []byte
		for b := range 256 {
			if bytes.IndexByte(from, byte(b)) < 0 {
				rest = append(rest, byte(b))
			}
		}
		from = rest
	}
	var table [256]byte
	var drop, squeeze [256]bool
	for i := range table {
		table[i] = byte(i)
	}
	squeezed := from
	if c.has("d") {
		for _, b := range from {
			drop[b] = true
		}
		squeezed = to
	} else if len(to) > 0 {
		for i, b := range from {
			if i >= len(to) && c.has("t") {
				break
			}
			table[b] = to[min(i, len(to)-1)]
		}
		squeezed = to
	}
	if c.has("s") {
		for _, b := range squeezed {
			squeeze[b] = true
		}
	}
	return c.translate(&table, &drop, &squeeze)
}

func (c *cmdline) translate(table *[256]byte, drop, squeeze *[256]bool) int {
	last := -1
	buf, back := c.p.world.lab().work.buffer()
	defer back()
	for {
		n, err := c.p.Stdin().Read(buf)
		out := buf[:0]
		for _, b := range buf[:n] {
			if drop[b] {
				continue
			}
			b = table[b]
			if squeeze[b] && last == int(b) {
				continue
			}
			last = int(b)
			out = append(out, b)
		}
		if len(out) > 0 {
			if _, werr := c.p.Stdout().Write(out); werr != nil {
				return 1
			}
		}
		if err != nil {
			return 0
		}
	}
}

// ranges is a list such as 1,3-5,7-.
type ranges [][2]int

func parseRanges(text string) (ranges, bool) {
	var out ranges
	for part := range strings.SplitSeq(text, ",") {
		from, to, dash := strings.Cut(part, "-")
		r := [2]int{1, 1 << 30}
		var err error
		if from != "" {
			r[0], err = strconv.Atoi(from)
		}
		if err == nil && to != "" {
			r[1], err = strconv.Atoi(to)
		}
		if !dash {
			r[1] = r[0]
		}
		if err != nil || r[0] < 1 || r[1] < r[0] || part == "-" {
			return nil, false
		}
		out = append(out, r)
	}
	return out, true
}

func (r ranges) has(n int) bool {
	for _, x := range r {
		if n >= x[0] && n <= x[1] {
			return true
		}
	}
	return false
}

func cutCommand(c *cmdline) int {
	kind := c.lastOf("f", "c", "b")
	if kind == "" {
		c.p.Errorf("you must specify a list of bytes, characters, or fields")
		c.tryHelp()
		return 1
	}
	list, ok := parseRanges(c.last(kind, ""))
	if !ok {
		c.p.Errorf("invalid field value %s", gnuQuote(c.last(kind, "")))
		return 1
	}
	part := c.cutBytes
	if kind == "f" {
		part = c.cutFields
	}
	return c.buffered(func(w *bufio.Writer) int {
		return c.inputs(func(_ string, r io.Reader) error {
			return eachLine(r, func(line string) bool {
				if text, ok := part(strings.TrimSuffix(line, "\n"), list); ok {
					_, _ = w.WriteString(text + "\n")
				}
				return true
			})
		})
	})
}

func (c *cmdline) cutBytes(line string, list ranges) (string, bool) {
	var out []byte
	for i := range len(line) {
		if list.has(i+1) != c.has("complement") {
			out = append(out, line[i])
		}
	}
	return string(out), true
}

// cutFields is false of a line without fields if -s leaves such lines out.
func (c *cmdline) cutFields(line string, list ranges) (string, bool) {
	delim := c.last("d", "\t")
	if !strings.Contains(line, delim) {
		return line, !c.has("s")
	}
	var out []string
	for i, field := range strings.Split(line, delim) {
		if list.has(i+1) != c.has("complement") {
			out = append(out, field)
		}
	}
	return strings.Join(out, c.last("output-delimiter", delim)), true
}

func pasteCommand(c *cmdline) int {
	var columns [][]string
	code := c.inputs(func(_ string, r io.Reader) error {
		var lines []string
		err := eachLine(r, func(line string) bool {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
			return true
		})
		columns = append(columns, lines)
		return err
	})
	rows := columns
	if !c.has("s") {
		rows = transposed(columns)
	}
	delims, _ := formatEscapes(c.last("d", "\t"), escapesFormat)
	return max(code, c.buffered(func(w *bufio.Writer) int {
		for _, row := range rows {
			for i, cell := range row {
				if i > 0 && delims != "" {
					_, _ = w.WriteString(string(delims[(i-1)%len(delims)]))
				}
				_, _ = w.WriteString(cell)
			}
			_ = w.WriteByte('\n')
		}
		return 0
	}))
}

// transposed makes rows of columns; a column that is too short is empty further down.
func transposed(columns [][]string) [][]string {
	height := 0
	for _, col := range columns {
		height = max(height, len(col))
	}
	rows := make([][]string, height)
	for i := range rows {
		rows[i] = make([]string, len(columns))
		for j, col := range columns {
			if i < len(col) {
				rows[i][j] = col[i]
			}
		}
	}
	return rows
}

func tacCommand(c *cmdline) int {
	return c.buffered(func(w *bufio.Writer) int {
		return c.inputs(func(_ string, r io.Reader) error {
			data, err := io.ReadAll(r)
			lines := bytes.SplitAfter(data, []byte("\n"))
			for i := len(lines) - 1; i >= 0; i-- {
				_, _ = w.Write(lines[i])
			}
			return err
		})
	})
}

func revCommand(c *cmdline) int {
	return c.buffered(func(w *bufio.Writer) int {
		return c.inputs(func(_ string, r io.Reader) error {
			return eachLine(r, func(line string) bool {
				text := strings.TrimSuffix(line, "\n")
				for i := len(text) - 1; i >= 0; i-- {
					_ = w.WriteByte(text[i])
				}
				_, _ = w.WriteString(line[len(text):])
				return true
			})
		})
	})
}

func nlCommand(c *cmdline) int {
	width, _ := strconv.Atoi(c.last("w", "6"))
	sep := c.last("s", "\t")
	return c.buffered(func(w *bufio.Writer) int {
		n := 0
		return c.inputs(func(_ string, r io.Reader) error {
			return eachLine(r, func(line string) bool {
				if line == "\n" && c.last("b", "t") != "a" {
					fmt.Fprintf(w, "%*s\n", width+len(sep), "")
					return true
				}
				n++
				fmt.Fprintf(w, "%*d%s%s", width, n, sep, line)
				return true
			})
		})
	})
}

// sequence is the numbers of one seq, and how they are written.
type sequence struct {
	first, step, last float64
	decimals, width   int
	separator         string
}

func seqCommand(_ context.Context, p *Process, argv []string) int {
	s, err := parseSequence(argv[1:])
	if err != nil {
		p.Errorf("%v", err)
		return 1
	}
	w := bufio.NewWriter(p.Stdout())
	if s.write(p.ctx, w) != nil || w.Flush() != nil {
		return 1
	}
	return 0
}

func parseSequence(args []string) (sequence, error) {
	s := sequence{first: 1, step: 1, separator: "\n"}
	pad := false
	for len(args) > 0 && (args[0] == "-w" || strings.HasPrefix(args[0], "-s")) {
		if args[0] == "-w" {
			pad, args = true, args[1:]
			continue
		}
		if args[0] == "-s" && len(args) > 1 {
			s.separator, args = args[1], args[2:]
		} else {
			s.separator, args = args[0][2:], args[1:]
		}
	}
	var nums []float64
	for _, a := range args {
		n, err := strconv.ParseFloat(a, 64)
		if err != nil {
			return s, fmt.Errorf("invalid floating point argument: %s", gnuQuote(a))
		}
		if i := strings.IndexByte(a, '.'); i >= 0 {
			s.decimals = max(s.decimals, len(a)-i-1)
		}
		nums = append(nums, n)
	}
	switch len(nums) {
	case 1:
		s.last = nums[0]
	case 2:
		s.first, s.last = nums[0], nums[1]
	case 3:
		s.first, s.step, s.last = nums[0], nums[1], nums[2]
	default:
		return s, errors.New("missing operand")
	}
	if s.step == 0 {
		return s, errors.New("invalid Zero increment value: '0'")
	}
	if pad {
		s.width = max(len(strconv.FormatFloat(s.first, 'f', s.decimals, 64)), len(strconv.FormatFloat(s.last, 'f', s.decimals, 64)))
	}
	return s, nil
}

// write writes the numbers until ctx ends.
func (s sequence) write(ctx context.Context, w *bufio.Writer) error {
	for i := 0; ctx.Err() == nil; i++ {
		x := s.first + float64(i)*s.step
		if (s.step > 0 && x > s.last+1e-9) || (s.step < 0 && x < s.last-1e-9) {
			if i > 0 {
				_ = w.WriteByte('\n')
			}
			return nil
		}
		if i > 0 {
			if _, err := w.WriteString(s.separator); err != nil {
				return err
			}
		}
		fmt.Fprintf(w, "%0*.*f", s.width, s.decimals, x)
	}
	return nil
}

func yesCommand(_ context.Context, p *Process, argv []string) int {
	line := "y\n"
	if len(argv) > 1 {
		line = strings.Join(argv[1:], " ") + "\n"
	}
	block := []byte(strings.Repeat(line, 1+4096/len(line)))
	for p.ctx.Err() == nil {
		if _, err := p.Stdout().Write(block); err != nil {
			return 1
		}
	}
	return 1
}

// sleep waits; false if the process was killed meanwhile.
func (p *Process) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.ctx.Done():
		return false
	}
}
