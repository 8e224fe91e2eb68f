package shell_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/shell"
)

// chained makes scripts the links of one chain.
func chained(scripts ...remote.Script) []remote.Script {
	scripts = slices.Clone(scripts)
	for i := range scripts {
		link := remote.Link{}
		if scripts[i].Link != nil {
			link = *scripts[i].Link
		}
		link.Chain, link.First = "c0ffee", i == 0
		scripts[i].Link = &link
	}
	return scripts
}

func wants(text string, w *remote.Want) remote.Script {
	return remote.Script{Text: text, Link: &remote.Link{Want: w}}
}

func TestChains(t *testing.T) {
	does := func(text string) remote.Script { return remote.Script{Text: text} }
	awkward := everyByte() + "\n'$HOME' `x` \\ * ? [a] \"\n\n\n"
	awkwardScript := remote.Script{Text: "printf %s \"$1\"", Args: []string{awkward}}
	awkwardScript.Link = &remote.Link{Want: remote.Exactly(0, awkward)}
	withStdin := remote.Script{Text: "cat <<X\na\nX\ncat", Stdin: []byte("in\n"), Link: &remote.Link{Want: remote.Exactly(0, "a\nin\n")}}
	for _, c := range []struct {
		name    string
		scripts []remote.Script
		want    []string
	}{
		{"all go well", []remote.Script{does("echo a"), does("echo b; echo e >&2"), does("echo c")},
			[]string{`ended 0 "a\n" ""`, `ended 0 "b\n" "e\n"`, `ended 0 "c\n" ""`}},
		{"one fails", []remote.Script{does("echo a"), does("echo b; exit 3"), does("echo c"), does("echo d")},
			[]string{`ended 0 "a\n" ""`, `ended 3 "b\n" ""`, `withheld 0 "" ""`, `withheld 0 "" ""`}},
		{"the first fails", []remote.Script{does("exit 1"), does("echo c")}, []string{`ended 1 "" ""`, `withheld 0 "" ""`}},
		{"a code that is wanted", []remote.Script{wants("exit 4", &remote.Want{Code: 4}), does("echo c")}, []string{`ended 4 "" ""`, `ended 0 "c\n" ""`}},
		{"any code", []remote.Script{{Text: "exit 4", Link: &remote.Link{Any: true}}, does("echo c")}, []string{`ended 4 "" ""`, `ended 0 "c\n" ""`}},
		{"output as wanted", []remote.Script{wants("echo a; echo w >&2", remote.Exactly(0, "a\n")), does("echo c")}, []string{`ended 0 "a\n" "w\n"`, `ended 0 "c\n" ""`}},
		{"no output, as wanted", []remote.Script{wants(":", remote.Exactly(0, "")), does("echo c")}, []string{`ended 0 "" ""`, `ended 0 "c\n" ""`}},
		{"other output", []remote.Script{wants("echo b", remote.Exactly(0, "a\n")), does("echo c")}, []string{`ended 0 "b\n" ""`, `withheld 0 "" ""`}},
		{"other output, any", []remote.Script{{Text: "echo b", Link: &remote.Link{Any: true, Want: remote.Exactly(0, "a\n")}}, does("echo c")},
			[]string{`ended 0 "b\n" ""`, `ended 0 "c\n" ""`}},
		{"a newline less", []remote.Script{wants("printf a", remote.Exactly(0, "a\n")), does("echo c")}, []string{`ended 0 "a" ""`, `withheld 0 "" ""`}},
		{"a newline more", []remote.Script{wants("printf 'a\n\n'", remote.Exactly(0, "a\n")), does("echo c")}, []string{`ended 0 "a\n\n" ""`, `withheld 0 "" ""`}},
		{"output as wanted, other code", []remote.Script{wants("echo a; exit 2", remote.Exactly(0, "a\n")), does("echo c")}, []string{`ended 2 "a\n" ""`, `withheld 0 "" ""`}},
		{"pieces", []remote.Script{wants("echo 'S 0644|7|x'", &remote.Want{Stdout: []string{"S 0644|", "|x\n"}}), does("echo c")},
			[]string{`ended 0 "S 0644|7|x\n" ""`, `ended 0 "c\n" ""`}},
		{"other pieces", []remote.Script{wants("echo 'S 0600|7|x'", &remote.Want{Stdout: []string{"S 0644|", "|x\n"}}), does("echo c")},
			[]string{`ended 0 "S 0600|7|x\n" ""`, `withheld 0 "" ""`}},
		{"patterns are no patterns", []remote.Script{wants("echo ab", remote.Exactly(0, "a*\n")), does("echo c")}, []string{`ended 0 "ab\n" ""`, `withheld 0 "" ""`}},
		{"every byte", []remote.Script{awkwardScript, does("echo c")}, []string{fmt.Sprintf(`ended 0 %q ""`, awkward), `ended 0 "c\n" ""`}},
		{"every byte, not as wanted", []remote.Script{{Text: awkwardScript.Text, Args: awkwardScript.Args, Link: &remote.Link{Want: remote.Exactly(0, "a")}}, does("echo c")},
			[]string{fmt.Sprintf(`ended 0 %q ""`, awkward), `withheld 0 "" ""`}},
		{"here-documents", []remote.Script{withStdin, does("echo c")}, []string{`ended 0 "a\nin\n" ""`, `ended 0 "c\n" ""`}},
		{"a person's scripts", []remote.Script{{Foreign: true, Text: "echo a; cat", Stdin: []byte("in\n")}, {Foreign: true, Text: "exit 5"}, does("echo c")},
			[]string{`ended 0 "a\nin\n" ""`, `ended 5 "" ""`, `withheld 0 "" ""`}},
		{"a script that ends the shell", []remote.Script{does("kill -KILL $$"), does("echo c")}, []string{"lost", `withheld 0 "" ""`}},
		{"syntax error", []remote.Script{does("echo 'unclosed"), does("echo c")}, []string{"ended", `withheld 0 "" ""`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachShell(t, func(t *testing.T, h *shell.Host) {
				scripts := chained(c.scripts...)
				var told []string
				for i := range scripts {
					scripts[i].Ended = func(e remote.Exit) { told = append(told, fmt.Sprint(i, e.State)) }
				}
				for i, e := range h.Run(t.Context(), scripts) {
					e.Why = ""
					if got := show(e); !strings.HasPrefix(got, c.want[i]) {
						t.Errorf("script %d: %s, want %s", i, got, c.want[i])
					}
					if want := fmt.Sprint(i, e.State); told[i] != want {
						t.Errorf("told %s, want %s", told[i], want)
					}
				}
				if e := h.Run(t.Context(), []remote.Script{{Text: "echo after"}})[0]; string(e.Stdout.Bytes) != "after\n" {
					t.Errorf("after the chain: %s", show(e))
				}
			})
		})
	}
}

// A chain that was broken by a time-out does not go on in the next session.
func TestChainTimesOut(t *testing.T) {
	eachShell(t, func(t *testing.T, h *shell.Host) {
		scripts := chained(remote.Script{Text: "sleep 60", Limit: 200 * time.Millisecond}, remote.Script{Text: "echo b"})
		exits := h.Run(t.Context(), append(scripts, remote.Script{Text: "echo c"}))
		if exits[0].State != remote.TimedOut || exits[1].State != remote.Withheld || string(exits[2].Stdout.Bytes) != "c\n" {
			t.Errorf("%s; %s; %s", show(exits[0]), show(exits[1]), show(exits[2]))
		}
	})
}

// Hold lets the script that runs come to its end, and starts no other link of the chain.
func TestHold(t *testing.T) {
	eachShell(t, func(t *testing.T, h *shell.Host) {
		held := filepath.Join(t.TempDir(), "held")
		var begun sync.WaitGroup // on both streams: what stands before a script's output has been read then
		begun.Add(2)
		var once [2]sync.Once
		first := remote.Script{
			Text:   fmt.Sprintf("echo begun; echo begun >&2; until [ -e %s ]; do sleep 0.02; done; echo a", held),
			Output: func(s remote.Stream, _ []byte) { once[s].Do(begun.Done) },
		}
		scripts := append(chained(first, remote.Script{Text: "echo b"}), remote.Script{Text: "echo c"})
		go func() {
			begun.Wait()
			h.Hold(context.WithoutCancel(t.Context()))
			_ = os.WriteFile(held, nil, 0o600)
		}()
		exits := h.Run(t.Context(), scripts)
		if string(exits[0].Stdout.Bytes) != "begun\na\n" || exits[1].State != remote.Withheld || string(exits[2].Stdout.Bytes) != "c\n" {
			t.Errorf("%s; %s; %s", show(exits[0]), show(exits[1]), show(exits[2]))
		}
		again := h.Run(t.Context(), chained(remote.Script{Text: "echo a"}))
		if again[0].State != remote.Withheld {
			t.Errorf("a chain that begins after Hold: %s", show(again[0]))
		}
	})
}
