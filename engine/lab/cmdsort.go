package lab

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// sortCommands are those that order lines.
func sortCommands() map[string]Command {
	return map[string]Command{
		"sort": command("n,numeric-sort r,reverse u,unique V,version-sort h,human-numeric-sort k,key= t,field-separator= o,output= c,check? C z,zero-terminated b,ignore-leading-blanks f,ignore-case s,stable g,general-numeric-sort m,merge S= T= parallel=", 2, sortCommand),
		"uniq": command("c,count d,repeated u,unique i,ignore-case f,skip-fields=", 1, uniqCommand),
		"comm": command("1 2 3 nocheck-order check-order", 1, commCommand),
		"shuf": command("n,head-count= e", 1, shufCommand),
	}
}

// sortKey is one -k, or the whole line.
type sortKey struct {
	from, fromChar, to, toChar int
	flags                      string
}

func parseKey(text string) (sortKey, bool) {
	k := sortKey{}
	start, end, _ := strings.Cut(text, ",")
	var ok bool
	if k.from, k.fromChar, ok = k.position(start); !ok || k.from < 1 {
		return k, false
	}
	if end != "" {
		k.to, k.toChar, ok = k.position(end)
	}
	return k, ok
}

func (k *sortKey) position(text string) (field, char int, ok bool) {
	digits := strings.TrimRight(text, "bdfghinRrV")
	k.flags += text[len(digits):]
	f, c, dotted := strings.Cut(digits, ".")
	field, err := strconv.Atoi(f)
	if err != nil {
		return 0, 0, false
	}
	if dotted {
		if char, err = strconv.Atoi(c); err != nil {
			return 0, 0, false
		}
	}
	return field, char, true
}

// extract cuts the key out of a line.
func (k sortKey) extract(line, sep string) string {
	if k.from == 0 {
		return line
	}
	var fields []string
	if sep != "" {
		fields = strings.SplitAfter(line, sep)
	} else {
		fields = blankFields(line)
	}
	if k.from > len(fields) {
		return ""
	}
	last := len(fields)
	if k.to > 0 && k.to < last {
		last = k.to
	}
	if last < k.from {
		return ""
	}
	text := strings.Join(fields[k.from-1:last], "")
	if sep != "" && k.to > 0 {
		text = strings.TrimSuffix(text, sep)
	}
	if k.fromChar > 1 {
		text = text[min(k.fromChar-1, len(text)):]
	}
	return text
}

// blankFields cuts a line where blanks begin: they belong to the field that follows.
func blankFields(line string) []string {
	var out []string
	start := 0
	for i := 1; i < len(line); i++ {
		blank := line[i] == ' ' || line[i] == '\t'
		before := line[i-1] == ' ' || line[i-1] == '\t'
		if blank && !before {
			out = append(out, line[start:i])
			start = i
		}
	}
	return append(out, line[start:])
}

// leadingNumber is the number a string begins with.
func leadingNumber(s string) float64 {
	s = strings.TrimLeft(s, " \t")
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.' || (end == 0 && (s[0] == '-' || s[0] == '+'))) {
		end++
	}
	n, _ := strconv.ParseFloat(s[:end], 64)
	return n
}

func humanNumber(s string) float64 {
	n := leadingNumber(s)
	trimmed := strings.TrimLeft(strings.TrimLeft(s, " \t"), "-+0123456789.")
	if trimmed != "" {
		for range strings.IndexByte("KMGTPE", strings.ToUpper(trimmed)[0]) + 1 {
			n *= 1024
		}
	}
	return n
}

func (k sortKey) compare(a, b, sep, global string) int {
	a, b = k.extract(a, sep), k.extract(b, sep)
	flags := k.flags
	if strings.Trim(flags, "b") == "" {
		flags += global
	}
	if strings.Contains(flags, "b") {
		a, b = strings.TrimLeft(a, " \t"), strings.TrimLeft(b, " \t")
	}
	if strings.Contains(flags, "f") {
		a, b = strings.ToUpper(a), strings.ToUpper(b)
	}
	result := 0
	switch {
	case strings.Contains(flags, "V"):
		result = compareVersions(a, b)
	case strings.Contains(flags, "h"):
		result = cmp.Compare(humanNumber(a), humanNumber(b))
	case strings.ContainsAny(flags, "ng"):
		result = cmp.Compare(leadingNumber(a), leadingNumber(b))
	default:
		result = strings.Compare(a, b)
	}
	if strings.Contains(flags, "r") {
		return -result
	}
	return result
}

// ordering is how one sort compares lines.
type ordering struct {
	*cmdline
	keys   []sortKey
	global string // the flags of keys that have none
}

func (c *cmdline) ordering() (ordering, bool) {
	o := ordering{cmdline: c}
	for _, text := range c.value["k"] {
		k, ok := parseKey(text)
		if !ok {
			c.p.Errorf("invalid number at field start: invalid count at start of %s", gnuQuote(text))
			return o, false
		}
		o.keys = append(o.keys, k)
	}
	if len(o.keys) == 0 {
		o.keys = append(o.keys, sortKey{})
	}
	for _, f := range []string{"n", "r", "V", "h", "b", "f", "g"} {
		if c.has(f) {
			o.global += f
		}
	}
	return o, true
}

func (o ordering) byKeys(a, b string) int {
	for _, k := range o.keys {
		if d := k.compare(a, b, o.last("t", ""), o.global); d != 0 {
			return d
		}
	}
	return 0
}

// compare goes by the whole lines where the keys are equal, unless equal lines keep their order.
func (o ordering) compare(a, b string) int {
	d := o.byKeys(a, b)
	if d != 0 || o.has("s") || o.has("u") {
		return d
	}
	if o.has("r") {
		return strings.Compare(b, a)
	}
	return strings.Compare(a, b)
}

// check is sort -c and -C.
func (o ordering) check(lines []string) int {
	for i := 1; i < len(lines); i++ {
		if d := o.compare(lines[i-1], lines[i]); d > 0 || (d == 0 && o.has("u")) {
			if o.has("c") {
				o.p.Errorf("-:%d: disorder: %s", i+1, lines[i])
			}
			return 1
		}
	}
	return 0
}

func sortCommand(c *cmdline) int {
	order, ok := c.ordering()
	if !ok {
		return 2
	}
	end := "\n"
	if c.has("z") {
		end = "\x00"
	}
	var lines []string
	code := 2 * c.inputs(func(_ string, r io.Reader) error {
		data, err := io.ReadAll(r)
		text := strings.TrimSuffix(string(data), end)
		if len(data) > 0 {
			lines = append(lines, strings.Split(text, end)...)
		}
		return err
	})
	if code != 0 {
		return code
	}
	if c.has("c") || c.has("C") {
		return order.check(lines)
	}
	slices.SortStableFunc(lines, order.compare)
	if c.has("u") {
		lines = slices.CompactFunc(lines, func(a, b string) bool { return order.byKeys(a, b) == 0 })
	}
	return c.writeSorted(lines, end)
}

func (c *cmdline) writeSorted(lines []string, end string) int {
	text := strings.Join(lines, end)
	if len(lines) > 0 {
		text += end
	}
	if out := c.last("o", ""); out != "" {
		f, err := c.p.Create(out, os.O_TRUNC, 0o666)
		if err != nil {
			c.p.Errorf("open failed: %s: %s", out, strerror(err))
			return 2
		}
		defer func() { _ = f.Close() }()
		if _, err := io.WriteString(f, text); err != nil {
			c.p.Errorf("write failed: %s: %s", out, strerror(err))
			return 2
		}
		return 0
	}
	if _, err := io.WriteString(c.p.Stdout(), text); err != nil {
		return 2
	}
	return 0
}

// compareVersions orders as GNU's version sort: runs of digits by value, the rest by character, ~ before everything.
func compareVersions(a, b string) int {
	x, y := a, b
	for x != "" || y != "" {
		nx, ny := nonDigits(x), nonDigits(y)
		if d := compareNonDigits(x[:nx], y[:ny]); d != 0 {
			return d
		}
		x, y = x[nx:], y[ny:]
		dx, dy := digits(x), digits(y)
		nx, ny = len(dx), len(dy)
		dx, dy = strings.TrimLeft(dx, "0"), strings.TrimLeft(dy, "0")
		if d := cmp.Or(cmp.Compare(len(dx), len(dy)), strings.Compare(dx, dy)); d != 0 {
			return d
		}
		x, y = x[nx:], y[ny:]
	}
	return strings.Compare(a, b)
}

func nonDigits(s string) int {
	i := strings.IndexAny(s, "0123456789")
	if i < 0 {
		return len(s)
	}
	return i
}

func digits(s string) string {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i]
}

func compareNonDigits(a, b string) int {
	order := func(s string, i int) int {
		switch {
		case i >= len(s):
			return 0
		case s[i] == '~':
			return -1
		case s[i]|32 >= 'a' && s[i]|32 <= 'z':
			return int(s[i])
		}
		return int(s[i]) + 256
	}
	for i := range max(len(a), len(b)) {
		if d := cmp.Compare(order(a, i), order(b, i)); d != 0 {
			return d
		}
	}
	return 0
}

func uniqCommand(c *cmdline) int {
	in := c.p.Stdin()
	out := c.p.Stdout()
	if len(c.args) > 0 && c.args[0] != "-" {
		f, err := c.p.Open(c.args[0])
		if err != nil {
			c.p.Errorf("%s: %s", c.args[0], strerror(err))
			return 1
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	if len(c.args) > 1 {
		f, err := c.p.Create(c.args[1], os.O_TRUNC, 0o666)
		if err != nil {
			c.p.Errorf("%s: %s", c.args[1], strerror(err))
			return 1
		}
		defer func() { _ = f.Close() }()
		out = f
	}
	skip, _ := strconv.Atoi(c.last("f", "0"))
	key := func(line string) string {
		fields := blankFields(line)
		if skip > 0 {
			line = strings.Join(fields[min(skip, len(fields)):], "")
		}
		if c.has("i") {
			line = strings.ToLower(line)
		}
		return line
	}
	w := bufio.NewWriter(out)
	count, have, prev := 0, false, ""
	flush := func() {
		if !have || (c.has("d") && count < 2) || (c.has("u") && count > 1) {
			return
		}
		if c.has("c") {
			fmt.Fprintf(w, "%7d ", count)
		}
		_, _ = w.WriteString(prev + "\n")
	}
	err := eachLine(in, func(line string) bool {
		line = strings.TrimSuffix(line, "\n")
		if have && key(line) == key(prev) {
			count++
			return true
		}
		flush()
		prev, count, have = line, 1, true
		return true
	})
	flush()
	if err != nil || w.Flush() != nil {
		return 1
	}
	return 0
}

func commCommand(c *cmdline) int {
	if len(c.args) != 2 {
		c.need(2)
		return 1
	}
	var sides [2][]string
	for i, name := range c.args {
		err := c.input(name, func(_ string, r io.Reader) error {
			return eachLine(r, func(line string) bool {
				sides[i] = append(sides[i], strings.TrimSuffix(line, "\n"))
				return true
			})
		})
		if err != nil {
			c.p.Errorf("%s: %s", name, strerror(err))
			return 1
		}
	}
	return c.buffered(func(w *bufio.Writer) int {
		a, b := sides[0], sides[1]
		show := func(column int, line string) {
			if c.has(strconv.Itoa(column)) {
				return
			}
			for i := 1; i < column; i++ {
				if !c.has(strconv.Itoa(i)) {
					_ = w.WriteByte('\t')
				}
			}
			_, _ = w.WriteString(line + "\n")
		}
		for len(a) > 0 || len(b) > 0 {
			switch {
			case len(b) == 0 || (len(a) > 0 && a[0] < b[0]):
				show(1, a[0])
				a = a[1:]
			case len(a) == 0 || b[0] < a[0]:
				show(2, b[0])
				b = b[1:]
			default:
				show(3, a[0])
				a, b = a[1:], b[1:]
			}
		}
		return 0
	})
}

func shufCommand(c *cmdline) int {
	var lines []string
	if c.has("e") {
		lines = c.args
	} else {
		code := c.inputs(func(_ string, r io.Reader) error {
			return eachLine(r, func(line string) bool {
				lines = append(lines, strings.TrimSuffix(line, "\n"))
				return true
			})
		})
		if code != 0 {
			return code
		}
	}
	type keyed struct{ key, line string }
	var list []keyed
	for _, l := range lines {
		list = append(list, keyed{randomLetters(8), l})
	}
	slices.SortFunc(list, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	n, err := strconv.Atoi(c.last("n", strconv.Itoa(len(list))))
	if err != nil {
		return 1
	}
	return c.buffered(func(w *bufio.Writer) int {
		for _, k := range list[:min(n, len(list))] {
			_, _ = w.WriteString(k.line + "\n")
		}
		return 0
	})
}
