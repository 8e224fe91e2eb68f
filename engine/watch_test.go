package engine

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cvsplay/engine/eval"
	"cvsplay/engine/remote"
)

// noted is what a watcher found, as lines of "STREAM NUMBER PATTERN TEXT", then how many there were and what was sought.
func noted(a Answer) string {
	var b strings.Builder
	for _, l := range a.Noted {
		fmt.Fprintf(&b, "%s %d %d %q\n", l.Stream, l.Number, l.Pattern, l.Text)
	}
	fmt.Fprintf(&b, "%d %v", a.NotedAll, a.Sought)
	return b.String()
}

// watch shows a text to a watcher, in pieces of at most n bytes; 0: at once.
func watch(w Watch, text string, n int) Answer {
	watcher := newWatcher(w)
	for len(text) > 0 {
		size := len(text)
		if n > 0 {
			size = min(n, size)
		}
		watcher.write(remote.Stdout, []byte(text[:size]))
		text = text[size:]
	}
	var a Answer
	watcher.end(&a)
	return a
}

func TestWatchLines(t *testing.T) {
	long := strings.Repeat("x", longestWhole)
	for _, c := range []struct {
		name, text, note, seek, want string
	}{
		{"a line", "a\nx FAIL\nb\n", "FAIL", "^b$", "stdout 2 0 \"x FAIL\"\n1 [true]"},
		{"no output", "", "^$", "^$", "0 [false]"},
		{"an empty line", "\n", "^$", "^$", "stdout 1 0 \"\"\n1 [true]"},
		{"no final newline", "a\nend", "end$", "x", "stdout 2 0 \"end\"\n1 [false]"},
		{"CRLF", "bad\r\ngood\r\n", "^bad$", "d$", "stdout 1 0 \"bad\"\n1 [true]"},
		{"CR within a line", "a\rb\n", "^a\rb$", "\r", "stdout 1 0 \"a\\rb\"\n1 [true]"},
		{"CR at the end, no newline", "bad\r", "^bad$", "x", "stdout 1 0 \"bad\"\n1 [false]"},
		{"NUL", "a\x00FAIL\n", "\x00FAIL", "^a", "stdout 1 0 \"a\\x00FAIL\"\n1 [true]"},
		{"bytes that are no text", "\xff FAIL\n", "FAIL", "^\uFFFD", "stdout 1 0 \"\\xff FAIL\"\n1 [true]"},
		{"one newline does not match the next line", "a\nb\n", "a.b", "(?s)a.b", "0 [false]"},
		{"ends at 64 KiB", strings.Repeat("y", 64<<10-5) + " FAIL\nFAIL", "FAIL$", "y FAIL$", "stdout 1 0 " + fmt.Sprintf("%q", strings.Repeat("y", notedLine)) + "\nstdout 2 0 \"FAIL\"\n2 [true]"},
		{"longer than is held", long + " FAIL\nb\n", " FAIL$", "^x+ FAIL$", "stdout 1 0 " + fmt.Sprintf("%q", long[:notedLine]) + "\n1 [true]"},
		{"longer than is held, CRLF", "a" + long + " FAIL\r\nFAIL", "FAIL$", "^a", "stdout 1 0 " + fmt.Sprintf("%q", ("a" + long)[:notedLine]) + "\nstdout 2 0 \"FAIL\"\n2 [true]"},
		{"longer than is held, CR within", long + "\r\rFAIL\n", "\r\rFAIL$", "x\rFAIL", "stdout 1 0 " + fmt.Sprintf("%q", long[:notedLine]) + "\n1 [false]"},
		{"longer than is held, clean", long + "\n" + long, "FAIL", "y", "0 [false]"},
		{"longer than is held, no final newline", long + long + "z", "z$", "^z", "stdout 1 0 " + fmt.Sprintf("%q", long[:notedLine]) + "\n1 [false]"},
		{"longer than is held, bytes that are no text", long + "\xffFAIL\n", "\uFFFDFAIL", "\uFFFD", "stdout 1 0 " + fmt.Sprintf("%q", long[:notedLine]) + "\n1 [true]"},
	} {
		for _, n := range []int{0, 1, 3, 32 << 10} {
			if n > 0 && n < 100 && len(c.text) > 1<<10 {
				continue
			}
			t.Run(fmt.Sprintf("%s/in pieces of %d", c.name, n), func(t *testing.T) {
				if got := noted(watch(Watch{Note: []string{c.note}, Seek: []string{c.seek}}, c.text, n)); got != c.want {
					t.Errorf("got\n%.300s\nwant\n%.300s", got, c.want)
				}
			})
		}
	}
}

// Whatever comes, and wherever it is cut, a watcher finds what a look at the whole of it finds.
func TestWatchFindsWhatIsThere(t *testing.T) {
	patterns := []string{"ab", "^b", "a$", "b+a*\r?c", "^$", "\x00|\uFFFD"}
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.SliceOf(rapid.SampledFrom([]byte("abc\n\n\r\x00\xff"))).Draw(rt, "text")
		w := newWatcher(Watch{Note: patterns, Seek: patterns})
		for rest := text; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "n")
			w.write(remote.Stderr, rest[:n])
			rest = rest[n:]
		}
		var got Answer
		w.end(&got)
		want := Answer{Sought: make([]bool, len(patterns))}
		number := int64(0)
		for line := range bytes.Lines(text) {
			number++
			line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
			first := -1
			for i, p := range patterns {
				if regexp.MustCompile(p).Match(line) {
					want.Sought[i] = true
					if first < 0 {
						first = i
					}
				}
			}
			if first >= 0 {
				want.Noted, want.NotedAll = append(want.Noted, Line{Stream: "stderr", Number: number, Text: line, Pattern: first}), want.NotedAll+1
			}
		}
		if noted(got) != noted(want) {
			rt.Fatalf("%q: got\n%s\nwant\n%s", text, noted(got), noted(want))
		}
	})
}

func TestWatchKeepsAThousandLines(t *testing.T) {
	w := newWatcher(Watch{Note: []string{"x"}})
	for range 700 {
		w.write(remote.Stderr, []byte("ex\n"))
		w.write(remote.Stdout, []byte("ox\n"))
	}
	var a Answer
	w.end(&a)
	if len(a.Noted) != notedMost || a.NotedAll != 1400 || a.Noted[699].Stream != "stdout" || a.Noted[700].Stream != "stderr" || a.Noted[700].Number != 1 {
		t.Errorf("%d of %d, %+v", len(a.Noted), a.NotedAll, a.Noted[700])
	}
}

func TestWatchBeginsAgain(t *testing.T) {
	w := newWatcher(Watch{Note: []string{"x"}, Seek: []string{"y"}})
	w.write(remote.Stdout, []byte("x\ny\n"+strings.Repeat("x", 2*longestWhole)))
	w.again()
	w.write(remote.Stdout, []byte("x"))
	var a Answer
	w.end(&a)
	if got, want := noted(a), "stdout 1 0 \"x\"\n1 [false]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A line of any length, and any number of lines, are matched within little memory.
func TestWatchMemory(t *testing.T) {
	piece := bytes.Repeat([]byte("0123456789abcdef"), 2<<10)
	for _, c := range []struct {
		name   string
		pieces int
		end    string
	}{{"one line of 16 MB", 16 << 20 / len(piece), ""}, {"16 MB of lines", 16 << 20 / len(piece), "\n"}} {
		t.Run(c.name, func(t *testing.T) {
			base := live()
			w := newWatcher(Watch{Note: []string{"f$", "FAIL"}, Seek: []string{"PASS$"}})
			most := uint64(0)
			for i := range c.pieces {
				w.write(remote.Stdout, piece)
				w.write(remote.Stdout, []byte(c.end))
				if i%(c.pieces/4) == 0 {
					most = max(most, live()-min(base, live()))
				}
			}
			w.write(remote.Stdout, []byte("PASS\n"))
			var a Answer
			w.end(&a)
			if most > 4<<20 {
				t.Errorf("%d bytes are held", most)
			}
			if !a.Sought[0] {
				t.Error("the end was not seen")
			}
		})
	}
}

// live is how much memory is in use.
func live() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// heardBy are the lines and the artifact of a listener that hears a text in pieces of random size.
func heardBy(guard *eval.Redactor, text string, keep int64) (lines []string, artifact string, err error) {
	var kept bytes.Buffer
	l := &listener{left: keep, guard: guard, artifact: nopCloser{&kept}, line: func(_ remote.Stream, line []byte) { lines = append(lines, guard.Redact(string(line))) }}
	random := rand.New(rand.NewPCG(1, 2))
	for len(text) > 0 {
		n := min(len(text), 1+random.IntN(40<<10))
		l.write(remote.Stdout, []byte(text[:n]))
		text = text[n:]
	}
	err = l.close()
	return lines, kept.String(), err
}

// A secret is found wherever it lies in a line, also across the point where a long line is told in pieces, and where output is cut off.
func TestSecretsInLongLines(t *testing.T) {
	const secret = "s3cr3t-canary-of-some-length"
	guard := &eval.Redactor{}
	guard.Add(secret)
	for at := longestLine - len(secret) - 2; at <= longestLine+2; at++ {
		text := strings.Repeat("x", at) + secret + strings.Repeat("y", 3*longestLine) + secret[:10]
		for _, end := range []string{"", "\n"} {
			lines, artifact, err := heardBy(guard, text+end, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			want := guard.Redact(text)
			if got := strings.Join(lines, ""); got != want || artifact != want+end {
				t.Fatalf("at %d: %d bytes told and %d kept, want %d", at, len(got), len(artifact), len(want))
			}
			if len(lines) < 2 {
				t.Fatalf("%d pieces", len(lines))
			}
		}
	}
	for keep := 95; keep < 140; keep++ { // where what is told ends within the secret
		lines, _, _ := heardBy(guard, strings.Repeat("x", 100)+secret+"\n", int64(keep))
		if got := strings.Join(lines, ""); strings.Contains(got, secret[:4]) {
			t.Errorf("%d bytes told: %q", keep, got[90:])
		}
	}
}

// Secrets that overlap without end, as a line of zeros, are told and kept in bounded memory.
func TestSecretsThatOverlap(t *testing.T) {
	guard := &eval.Redactor{}
	guard.Add("00000000")
	lines, artifact, err := heardBy(guard, strings.Repeat("0", 10*longestLine), 1<<30)
	if err != nil || len(lines) < 5 || strings.Contains(strings.Join(lines, "")+artifact, "00000000") {
		t.Errorf("%d lines, %d bytes kept, %v", len(lines), len(artifact), err)
	}
}

func TestUntorn(t *testing.T) {
	guard := &eval.Redactor{}
	guard.Add("s3cr3t-canary")
	a := Answer{
		Stdout: Output{Bytes: []byte("before s3cr3t"), Size: 100},
		Stderr: Output{Bytes: []byte("before s3cr3t"), Size: 13},
		Noted:  []Line{{Text: []byte(strings.Repeat("x", notedLine-6) + "s3cr3t")}, {Text: []byte("x s3cr3t")}},
	}
	untorn(guard, &a)
	if got := a.Stdout.String(); got != "before " {
		t.Errorf("what was cut off is %q", got)
	}
	if got := a.Stderr.String(); got != "before s3cr3t" {
		t.Errorf("what is whole is %q", got)
	}
	if len(a.Noted[0].Text) != notedLine-6 || string(a.Noted[1].Text) != "x s3cr3t" {
		t.Errorf("%d, %q", len(a.Noted[0].Text), a.Noted[1].Text)
	}
}

// An artifact of a script that is sent a second time is that of the second time.
func TestListenerBeginsAgain(t *testing.T) {
	var files []*bytes.Buffer
	l := &listener{guard: &eval.Redactor{}, open: func() (io.WriteCloser, error) {
		files = append(files, &bytes.Buffer{})
		return nopCloser{files[len(files)-1]}, nil
	}}
	l.artifact, l.err = l.open()
	l.write(remote.Stdout, []byte("first\nhalf"))
	l.again()
	l.write(remote.Stdout, []byte("second"))
	if err := l.close(); err != nil || len(files) != 2 || files[1].String() != "second" {
		t.Errorf("%v, %q", err, files)
	}
}
