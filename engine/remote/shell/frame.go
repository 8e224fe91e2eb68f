package shell

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"cvsplay/engine/remote"
)

// FrameVar is the environment variable that marks every process of a script, so that the script's whole tree can be found and
// killed, wherever its processes moved. Its value is random and no secret. Whoever carries a script somewhere the environment does
// not follow (into a container) should hand it on.
const FrameVar = "CVSPLAY_FRAME"

// prelude is the first text of every session. Our own text must mean the same on every host: nothing that the environment brought
// along may trace it, translate it, or make it start elsewhere than at home; and the words of its own command line are not its arguments.
const prelude = "set +xv; set --; LC_ALL=C; export LC_ALL; unset CDPATH ENV BASH_ENV; { cd || cd /; } >/dev/null 2>&1; " + chainVar + "=; " + takeHold

// A frame is one script on its way through a session.
//
// It is written as one brace group, which a shell begins to run only when it has read its end: a frame cut off by a
// broken connection never runs, not even in part.
type frame struct {
	script *remote.Script
	id     string // the value of FrameVar
}

// invalid says why a script cannot be carried by a shell at all; nil where it can.
func invalid(s *remote.Script) error {
	if strings.IndexByte(s.Text, 0) >= 0 {
		return errors.New("the script's text holds a NUL byte")
	}
	if strings.IndexByte(s.Dir, 0) >= 0 {
		return errors.New("the working directory holds a NUL byte")
	}
	for i, arg := range s.Args {
		if strings.IndexByte(arg, 0) >= 0 {
			return fmt.Errorf("argument %d holds a NUL byte", i+1)
		}
	}
	for _, v := range s.Env {
		if !isName(v.Name) {
			return fmt.Errorf("%q is no name of an environment variable", v.Name)
		}
		if strings.IndexByte(v.Value, 0) >= 0 {
			return fmt.Errorf("environment variable %s holds a NUL byte", v.Name)
		}
	}
	return nil
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// render writes the frame to a program: the script in a subshell, then what end writes, which must print the end
// marker.
func (f frame) render(b *bytes.Buffer, mark string, number int) {
	b.WriteString("{\n")
	if link := f.script.Link; link != nil {
		f.link(b, *link, mark, number)
	} else {
		f.body(b)
		end(b, mark, number, " $?\n")
		end(b, mark, number, " 0 >&2\n")
	}
	b.WriteString("}\n")
}

// end writes what prints a plain end marker; rest is the exit code and where it goes.
func end(b *bytes.Buffer, mark string, number int, rest string) {
	b.WriteString("echo ")
	b.WriteString(mark)
	b.WriteString(" e ")
	b.Write(strconv.AppendInt(b.AvailableBuffer(), int64(number), 10))
	b.WriteString(rest)
}

func (f frame) body(b *bytes.Buffer) {
	if f.script.Foreign {
		f.foreign(b)
	} else {
		f.own(b)
	}
}

// own runs a text of ours in a subshell, which costs no process to start. It goes through eval so that a syntax error ends the
// subshell and not the session, and so that a here-document of its own is not nested in ours.
func (f frame) own(b *bytes.Buffer) {
	b.WriteString("(\n")
	f.setting(b)
	f.arguments(b, f.script.Args)
	in := f.stdin()
	if in.piped {
		// A line on which a here-document begins must not hold a quoted newline: not every parser takes that.
		b.WriteString(textVar + "=")
		quote(b, f.script.Text)
		b.WriteByte('\n')
		b.WriteString("base64 -d <<'" + in.delimiter + "' | eval \"$" + textVar + "\"\n")
		in.write(b)
		b.WriteString(")\n")
		return
	}
	b.WriteString("eval ")
	quote(b, f.script.Text)
	b.WriteString("\n)")
	in.redirect(b)
	b.WriteByte('\n')
	in.write(b)
}

// textVar holds a text of ours where it cannot stand in its place.
const textVar = "CVSPLAY_TEXT"

// foreign gives a person's text a process of its own: its interpreter reads it from descriptor 3.
func (f frame) foreign(b *bytes.Buffer) {
	in, text := f.stdin(), heredoc{delimiter: Nonce(), body: []byte(f.script.Text)}
	interpreter, option := f.shebang()
	args := f.script.Args
	if interpreter == "/bin/sh" && oversized(args) {
		// One argument of exec is at most 128 KiB on Linux; a builtin has no such limit.
		line := bytes.NewBufferString("set --")
		words(line, args)
		line.WriteString("; ")
		text.body = append(line.Bytes(), text.body...)
		args = nil
	}
	b.WriteString("(\n")
	f.setting(b)
	f.arguments(b, args)
	if in.piped {
		b.WriteString("base64 -d <<'" + in.delimiter + "' | ")
	}
	b.WriteString("exec " + Quote(interpreter))
	if option != "" {
		b.WriteString(" " + Quote(option))
	}
	b.WriteString(" /dev/fd/3")
	if len(args) > 0 {
		b.WriteString(` "$@"`)
	}
	if !in.piped {
		in.redirect(b)
	}
	b.WriteString(" 3<<'" + text.delimiter + "'\n")
	in.write(b)
	text.write(b)
	b.WriteString(")\n")
}

// arguments makes args the positional parameters.
func (f frame) arguments(b *bytes.Buffer, args []string) {
	if len(args) > 0 {
		b.WriteString("set --")
		words(b, args)
		b.WriteByte('\n')
	}
}

// setting writes what stands before a script of either kind: its mark, its directory, its environment.
func (f frame) setting(b *bytes.Buffer) {
	if f.script.Link != nil {
		b.WriteString(ownProcess)
	}
	b.WriteString(FrameVar + "=")
	b.WriteString(f.id)
	b.WriteString("; export " + FrameVar + "\n")
	if dir := f.script.Dir; dir != "" {
		if dir[0] == '-' {
			dir = "./" + dir
		}
		fmt.Fprintf(b, "cd %s || exit 126\n", Quote(dir))
	}
	for _, v := range f.script.Env {
		fmt.Fprintf(b, "%s=%s%s%s; export %s\n", v.Name, own(v.Name, v.OwnBefore), Quote(v.Value), own(v.Name, v.OwnAfter), v.Name)
	}
}

// own is the value that a variable has already, where it is wanted.
func own(name string, wanted bool) string {
	if !wanted {
		return ""
	}
	return "${" + name + "-}"
}

// maxArg is Linux's MAX_ARG_STRLEN without the NUL.
const maxArg = 128<<10 - 1

func oversized(args []string) bool {
	total := 0
	for _, a := range args {
		if len(a) > maxArg {
			return true
		}
		total += len(a)
	}
	return total > 1<<20
}

func words(b *bytes.Buffer, args []string) {
	for _, a := range args {
		b.WriteByte(' ')
		quote(b, a)
	}
}

// shebang is what the kernel would read of a script's first line: an interpreter and at most one argument, blanks and all.
func (f frame) shebang() (interpreter, option string) {
	line, _, _ := strings.Cut(f.script.Text, "\n")
	rest, found := strings.CutPrefix(line, "#!")
	rest = strings.Trim(rest, " \t\r")
	if !found || rest == "" {
		return "/bin/sh", ""
	}
	if i := strings.IndexAny(rest, " \t"); i >= 0 {
		return rest[:i], strings.TrimLeft(rest[i:], " \t")
	}
	return rest, ""
}

// A stdin is where a script's standard input comes from: nothing, a here-document, or, for bytes that no here-document carries (NUL, no
// newline at the end), a here-document in base64 through a pipe.
type stdin struct {
	heredoc
	piped bool
}

func (f frame) stdin() stdin {
	in := f.script.Stdin
	if len(in) == 0 {
		return stdin{}
	}
	doc := heredoc{delimiter: Nonce(), body: in}
	if in[len(in)-1] == '\n' && bytes.IndexByte(in, 0) < 0 {
		return stdin{heredoc: doc}
	}
	doc.body = encode(in)
	return stdin{heredoc: doc, piped: true}
}

// redirect gives a command its standard input, unless that is a pipe; without it, the command would read the session's own program.
func (s stdin) redirect(b *bytes.Buffer) {
	if s.delimiter == "" {
		b.WriteString(" </dev/null")
	} else {
		b.WriteString(" <<'" + s.delimiter + "'")
	}
}

// encode is base64 in lines, which every decoder takes.
func encode(in []byte) []byte {
	const line = 57 * 64 // bytes that make one line, a multiple of 3
	var out bytes.Buffer
	out.Grow(base64.StdEncoding.EncodedLen(len(in)) + len(in)/line + 1)
	for len(in) > 0 {
		n := min(line, len(in))
		out.WriteString(base64.StdEncoding.EncodeToString(in[:n]))
		out.WriteByte('\n')
		in = in[n:]
	}
	return out.Bytes()
}

// A heredoc is a here-document; nothing in it is expanded.
type heredoc struct {
	delimiter string // random: no body can hold it
	body      []byte
}

// write writes the body and its end; nothing for no here-document at all.
func (h heredoc) write(b *bytes.Buffer) {
	if h.delimiter == "" {
		return
	}
	b.Write(h.body)
	if len(h.body) > 0 && h.body[len(h.body)-1] != '\n' {
		b.WriteByte('\n')
	}
	b.WriteString(h.delimiter + "\n")
}

// beginning is the marker before the first frame of a program; it carries the shell's process id.
func beginning(mark string) string {
	return "echo " + mark + " b 0 $$; echo " + mark + " b 0 0 >&2\n"
}

// A marker is one line that the session's shell printed for us.
type marker struct {
	kind   byte // 'b': begin; 'e', 's', 'x', 'w': end of a frame
	number int  // of the frame, but for 'b'
	value  int  // 'b': process id of the shell, else exit code; both on stdout only
}

// parseMarker reads what follows the nonce on a marker's line.
func parseMarker(rest []byte) (marker, error) {
	fields := strings.Fields(string(rest))
	if len(fields) != 3 || len(fields[0]) != 1 {
		return marker{}, fmt.Errorf("marker %.40q", rest)
	}
	number, err1 := strconv.Atoi(fields[1])
	value, err2 := strconv.Atoi(fields[2])
	if err := errors.Join(err1, err2); err != nil {
		return marker{}, fmt.Errorf("marker %.40q: %w", rest, err)
	}
	return marker{kind: fields[0][0], number: number, value: value}, nil
}
