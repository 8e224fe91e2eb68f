package report

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"
)

func TestWrap(t *testing.T) {
	for _, tc := range []struct {
		text  string
		width int
		want  string
	}{
		{"", 10, ""},
		{"fits", 4, "fits"},
		{"one two three", 8, "one two|three"},
		{"node[001-002,004-006,008]: failed", 16, "node[001-002,|004-006,008]:|failed"},
		{"averyveryverylongword", 8, "averyver|yverylon|gword"},
		{"a averyveryverylongword b", 8, "a|averyver|yverylon|gword b"},
		{"日本語日本語", 5, "日本|語日|本語"},
		{"the option --limit stays whole", 12, "the option|--limit|stays whole"},
	} {
		if got := strings.Join(wrap(tc.text, tc.width), "|"); got != tc.want {
			t.Errorf("wrap(%q, %d) = %s; want %s", tc.text, tc.width, got, tc.want)
		}
	}
}

func TestWrapFitsAndLosesNothing(t *testing.T) {
	word := rapid.StringMatching(`[a-z\[,0-9日本-]{1,12}`)
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(word, 1, 8).Draw(t, "words"), " ")
		width := rapid.IntRange(2, 20).Draw(t, "width")
		lines := wrap(text, width)
		for _, line := range lines {
			if ansi.StringWidth(line) > width {
				t.Fatalf("%q is wider than %d", line, width)
			}
		}
		bare := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if got := strings.Join(lines, ""); bare(got) != bare(text) {
			t.Fatalf("%q became %q", text, lines)
		}
	})
}

func TestElapsed(t *testing.T) {
	for in, want := range map[time.Duration]string{
		0: "0.0s", 1234 * time.Millisecond: "1.2s", 9960 * time.Millisecond: "10s", 59*time.Second + 600*time.Millisecond: "1m00s", 61 * time.Second: "1m01s",
		time.Hour - time.Second: "59m59s", 25*time.Hour + 3*time.Minute: "25h03m",
	} {
		if got := elapsed(in); got != want {
			t.Errorf("elapsed(%v) = %s; want %s", in, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 hosts", 1: "1 host", 2: "2 hosts", 999: "999 hosts", 1000: "1,000 hosts", 1234567: "1,234,567 hosts"} {
		if got := count(n, "host"); got != want {
			t.Errorf("count(%d) = %s; want %s", n, got, want)
		}
	}
}

func TestAlike(t *testing.T) {
	for _, tc := range []struct{ text, host, want string }{
		{"no space on node1", "node1", "no space on <host>"},
		{"node1: node10 and xnode1 are others", "node1", "<host>: node10 and xnode1 are others"},
		{"dial tcp 10.0.0.7:22: i/o timeout", "n", "dial tcp <address>: i/o timeout"},
		{"dial tcp [fe80::1%eth0]:22: refused", "n", "dial tcp <address>: refused"},
		{"version 1.3.0 is too old", "n", "version 1.3.0 is too old"},
		{"300.1.1.1 is no address", "n", "300.1.1.1 is no address"},
		{"a list [1] and [abc]", "n", "a list [1] and [abc]"},
		{"exit code 1", "", "exit code 1"},
	} {
		if got := alike(tc.text, tc.host); got != tc.want {
			t.Errorf("alike(%q, %q) = %q; want %q", tc.text, tc.host, got, tc.want)
		}
	}
}

func TestWithoutHost(t *testing.T) {
	for reason, want := range map[string]string{
		"node1: it is full":                "it is full",
		"node1:22: connection refused":     "node1:22: connection refused",
		"node10: it is another":            "node10: it is another",
		"the disk of node1: is it full?":   "the disk of node1: is it full?",
		"node1:\nmore than one line of it": "node1:\nmore than one line of it",
	} {
		if got := withoutHost(reason, "node1"); got != want {
			t.Errorf("withoutHost(%q) = %q; want %q", reason, got, want)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var tl tail
	for i := range 100 {
		tl.add(strings.Repeat("x", i*10))
	}
	lines, left := tl.last(5)
	if len(lines) != 5 || left != 95 || len(lines[4]) > tailBytes+len("…") || !strings.HasSuffix(lines[4], "…") {
		t.Errorf("%d lines after %d, the last of %d bytes", len(lines), left, len(lines[4]))
	}
	if len(tl.lines) != tailLines {
		t.Errorf("%d lines are kept; want %d", len(tl.lines), tailLines)
	}
}
