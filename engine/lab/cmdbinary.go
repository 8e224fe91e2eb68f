package lab

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// binaryCommands are those that show, encode and copy bytes.
func binaryCommands() map[string]Command {
	return map[string]Command{
		"base64":  command("d,decode w,wrap=", 1, base64Command),
		"od":      command("A,address-radix= t,format= v,output-duplicates N,read-bytes= j,skip-bytes= c x b d o", 1, odCommand),
		"hexdump": command("C,canonical v n,length= s,skip=", 1, hexdumpCommand),
		"xxd":     command("p,ps,plain r l=", 1, xxdCommand),
		"dd":      command("", 1, ddCommand),
		"strings": command("n,bytes=", 1, stringsCommand),
	}
}

func base64Command(c *cmdline) int {
	if len(c.args) == 0 {
		c.args = []string{"-"}
	}
	var data []byte
	err := c.input(c.args[0], func(_ string, r io.Reader) error {
		var err error
		data, err = io.ReadAll(r)
		return err
	})
	if err != nil {
		c.p.Errorf("%s: %s", c.args[0], strerror(err))
		return 1
	}
	if c.has("d") {
		text := strings.NewReplacer("\n", "").Replace(string(data))
		out, err := base64.StdEncoding.DecodeString(text)
		_, _ = c.p.Stdout().Write(out)
		if err != nil {
			c.p.Errorf("invalid input")
			return 1
		}
		return 0
	}
	width, err := strconv.Atoi(c.last("w", "76"))
	if err != nil {
		c.p.Errorf("invalid wrap size: %s", gnuQuote(c.last("w", "")))
		return 1
	}
	text := base64.StdEncoding.EncodeToString(data)
	return c.buffered(func(w *bufio.Writer) int {
		for width > 0 && text != "" {
			n := min(width, len(text))
			_, _ = w.WriteString(text[:n] + "\n")
			text = text[n:]
		}
		_, _ = w.WriteString(text)
		return 0
	})
}

// all reads every operand one after the other.
func (c *cmdline) all() ([]byte, int) {
	var data []byte
	code := c.inputs(func(_ string, r io.Reader) error {
		more, err := io.ReadAll(r)
		data = append(data, more...)
		return err
	})
	return data, code
}

// window cuts the part out that -j and -N, or -s and -n, ask for.
func window(data []byte, skip, limit string) ([]byte, int64) {
	off, _ := parseSize(orDefault(skip, "0"))
	off = min(off, int64(len(data)))
	data = data[off:]
	if n, ok := parseSize(limit); ok && limit != "" {
		data = data[:min(n, int64(len(data)))]
	}
	return data, off
}

func odCommand(c *cmdline) int {
	data, code := c.all()
	data, off := window(data, c.last("j", ""), c.last("N", ""))
	kind := c.last("t", "o2")
	switch c.lastOf("t", "c", "x", "b", "d", "o", "a") {
	case "c":
		kind = "c"
	case "x":
		kind = "x2"
	case "b":
		kind = "o1"
	case "d":
		kind = "u2"
	}
	cell, width, ok := odCell(kind)
	if !ok {
		c.p.Errorf("type %s is not simulated", gnuQuote(kind))
		return 1
	}
	address := func(n int64) string {
		switch c.last("A", "o") {
		case "n":
			return ""
		case "x":
			return fmt.Sprintf("%06x", n)
		case "d":
			return fmt.Sprintf("%07d", n)
		}
		return fmt.Sprintf("%07o", n)
	}
	return max(code, c.buffered(func(w *bufio.Writer) int {
		var last []byte
		starred := false
		for i := 0; i < len(data); i += 16 {
			row := data[i:min(i+16, len(data))]
			if !c.has("v") && bytes.Equal(row, last) && len(row) == 16 {
				if !starred {
					_, _ = w.WriteString("*\n")
				}
				starred = true
				continue
			}
			last, starred = row, false
			_, _ = w.WriteString(address(off + int64(i)))
			for j := 0; j < len(row); j += width {
				_, _ = w.WriteString(cell(row[j:min(j+width, len(row))]))
			}
			_ = w.WriteByte('\n')
		}
		if end := address(off + int64(len(data))); end != "" {
			_, _ = w.WriteString(end + "\n")
		}
		return 0
	}))
}

// odCell formats one unit of a type of od.
func odCell(kind string) (func(b []byte) string, int, bool) {
	little := func(b []byte) uint64 {
		var n uint64
		for i := len(b) - 1; i >= 0; i-- {
			n = n<<8 | uint64(b[i])
		}
		return n
	}
	switch kind {
	case "c":
		return odCharacter, 1, true
	case "x1", "xC":
		return func(b []byte) string { return fmt.Sprintf(" %02x", b[0]) }, 1, true
	case "o1", "oC":
		return func(b []byte) string { return fmt.Sprintf(" %03o", b[0]) }, 1, true
	case "u1", "uC":
		return func(b []byte) string { return fmt.Sprintf(" %3d", b[0]) }, 1, true
	case "d1":
		return func(b []byte) string { return fmt.Sprintf(" %4d", int8(b[0])) }, 1, true
	case "x2":
		return func(b []byte) string { return fmt.Sprintf(" %04x", little(b)) }, 2, true
	case "o2":
		return func(b []byte) string { return fmt.Sprintf(" %06o", little(b)) }, 2, true
	case "u2", "d2":
		return func(b []byte) string { return fmt.Sprintf(" %5d", little(b)) }, 2, true
	case "x4", "x":
		return func(b []byte) string { return fmt.Sprintf(" %08x", little(b)) }, 4, true
	case "u4", "u":
		return func(b []byte) string { return fmt.Sprintf(" %10d", little(b)) }, 4, true
	case "x8":
		return func(b []byte) string { return fmt.Sprintf(" %016x", little(b)) }, 8, true
	case "u8":
		return func(b []byte) string { return fmt.Sprintf(" %20d", little(b)) }, 8, true
	}
	return nil, 0, false
}

func odCharacter(b []byte) string {
	names := map[byte]string{0: `\0`, '\a': `\a`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\v': `\v`}
	if name, ok := names[b[0]]; ok {
		return "  " + name
	}
	if b[0] >= ' ' && b[0] < 0x7f {
		return "   " + string(rune(b[0]))
	}
	return fmt.Sprintf(" %03o", b[0])
}

func hexdumpCommand(c *cmdline) int {
	if !c.has("C") {
		c.p.Errorf("only hexdump -C is simulated")
		return 1
	}
	data, code := c.all()
	data, _ = window(data, c.last("s", ""), c.last("n", ""))
	_, _ = io.WriteString(c.p.Stdout(), hex.Dump(data))
	if len(data) > 0 {
		fmt.Fprintf(c.p.Stdout(), "%08x\n", len(data))
	}
	return code
}

func xxdCommand(c *cmdline) int {
	data, code := c.all()
	switch {
	case c.has("r") && c.has("p"):
		out, err := hex.DecodeString(strings.Join(strings.Fields(string(data)), ""))
		_, _ = c.p.Stdout().Write(out)
		if err != nil {
			return 1
		}
	case c.has("p"):
		data, _ = window(data, "", c.last("l", ""))
		text := hex.EncodeToString(data)
		for text != "" {
			n := min(60, len(text))
			fmt.Fprintln(c.p.Stdout(), text[:n])
			text = text[n:]
		}
	default:
		c.p.Errorf("only xxd -p is simulated")
		return 1
	}
	return code
}

// ddJob is one dd.
type ddJob struct {
	in, out          string
	block            int64
	count            int64
	skip, seek       int64
	keep, quiet      bool
	append, fullRead bool
	noCreate         bool
}

func (c *cmdline) ddOperands() (ddJob, bool) {
	j := ddJob{block: 512, count: -1}
	for _, arg := range c.args {
		key, value, _ := strings.Cut(arg, "=")
		var err bool
		number := func(into *int64) {
			n, ok := parseSize(value)
			*into, err = n, !ok
		}
		switch key {
		case "if":
			j.in = value
		case "of":
			j.out = value
		case "bs", "ibs", "obs":
			number(&j.block)
		case "count":
			number(&j.count)
		case "skip", "iseek":
			number(&j.skip)
		case "seek", "oseek":
			number(&j.seek)
		case "status":
			j.quiet = value == "none"
		case "conv":
			for word := range strings.SplitSeq(value, ",") {
				j.keep = j.keep || word == "notrunc"
				j.noCreate = j.noCreate || word == "nocreat"
			}
		case "iflag", "oflag":
			j.append = j.append || strings.Contains(value, "append")
			j.fullRead = j.fullRead || strings.Contains(value, "fullblock")
		default:
			c.p.Errorf("unrecognized operand %s", gnuQuote(arg))
			return j, false
		}
		if err {
			c.p.Errorf("invalid number: %s", gnuQuote(value))
			return j, false
		}
	}
	return j, j.block > 0
}

func ddCommand(c *cmdline) int {
	j, ok := c.ddOperands()
	if !ok {
		return 1
	}
	in, out := c.p.Stdin(), c.p.Stdout()
	if j.in != "" {
		f, err := c.p.Open(j.in)
		if err != nil {
			c.p.Errorf("failed to open %s: %s", gnuQuote(j.in), strerror(err))
			return 1
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	if j.out != "" {
		flags := os.O_TRUNC
		if j.keep || j.seek > 0 {
			flags = 0
		}
		if j.append {
			flags |= os.O_APPEND
		}
		f, err := c.p.Create(j.out, flags, 0o666)
		if err != nil {
			c.p.Errorf("failed to open %s: %s", gnuQuote(j.out), strerror(err))
			return 1
		}
		defer func() { _ = f.Close() }()
		if of, ok := f.(openedFile); ok && j.seek > 0 {
			if file, ok := of.d.stream.(*File); ok {
				_, _ = file.Seek(j.seek*j.block, io.SeekStart)
			}
		}
		out = f
	}
	_, _ = io.CopyN(io.Discard, in, j.skip*j.block)
	return c.ddCopy(j, in, out)
}

func (c *cmdline) ddCopy(j ddJob, in io.Reader, out io.Writer) int {
	buf := make([]byte, j.block)
	var full, partial, total int64
	code := 0
	for (j.count < 0 || full+partial < j.count) && c.p.ctx.Err() == nil {
		var n int
		var err error
		if j.fullRead {
			n, err = io.ReadFull(in, buf)
		} else {
			n, err = in.Read(buf)
		}
		if n > 0 {
			if int64(n) == j.block {
				full++
			} else {
				partial++
			}
			total += int64(n)
			if _, werr := out.Write(buf[:n]); werr != nil {
				c.p.Errorf("error writing %s: %s", gnuQuote(orDefault(j.out, "standard output")), strerror(werr))
				code = 1
				break
			}
		}
		if err != nil {
			break
		}
	}
	if !j.quiet {
		fmt.Fprintf(c.p.Stderr(), "%d+%d records in\n%d+%d records out\n%d bytes copied, 0.001 s\n", full, partial, full, partial, total)
	}
	return code
}

func stringsCommand(c *cmdline) int {
	least, _ := strconv.Atoi(c.last("n", "4"))
	data, code := c.all()
	return max(code, c.buffered(func(w *bufio.Writer) int {
		start := 0
		for i := 0; i <= len(data); i++ {
			if i < len(data) && (data[i] >= ' ' && data[i] < 0x7f || data[i] == '\t') {
				continue
			}
			if i-start >= least {
				_, _ = w.Write(append(append([]byte{}, data[start:i]...), '\n'))
			}
			start = i + 1
		}
		return 0
	}))
}
