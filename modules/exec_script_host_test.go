package modules_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"cvsplay/engine/event"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/modules"
	"cvsplay/modules/modtest"
)

// onHosts runs a test on a simulated host and on a real sshd.
func onHosts(t *testing.T, test func(t *testing.T, inventory string)) {
	t.Run("lab", func(t *testing.T) { test(t, modtest.LabFleet(t, 1).Inventory()) })
	t.Run("sshd", func(t *testing.T) { test(t, sshdInventory(t, remotetest.Sshd(t), 0)) })
}

// sshdInventory is the path of an inventory of this machine, reached through a real sshd; port stands for the server's own where it is not 0.
func sshdInventory(t *testing.T, s *remotetest.Server, port int) string {
	t.Helper()
	if port == 0 {
		port = s.Port
	}
	known := filepath.Join(t.TempDir(), "known_hosts")
	text := fmt.Sprintf("host \"node1\" {\n  address = %q\n  ssh {\n    user = \"root\"\n    port = %d\n    identity_files = [%q]\n    known_hosts_files = [%q]\n    config = false\n  }\n}\n",
		s.Host, port, s.IdentityFile, known)
	path := filepath.Join(t.TempDir(), "inventory.hcl")
	for file, content := range map[string]string{known: fmt.Sprintf("[%s]:%d %s\n", s.Host, port, s.HostKey), path: text} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// perform carries steps out on all hosts.
func perform(t *testing.T, inventory, steps string, mode modtest.Mode) modtest.Played {
	t.Helper()
	text := "variable \"secret\" {\n  type = string\n  default = \"hunter2 hunter2\"\n  sensitive = true\n}\nplay \"p\" {\n  hosts = group.all\n" + steps + "\n}\n"
	return modtest.Play{Modules: modules.All(), Inventory: inventory, Text: text, Mode: mode}.Do(t)
}

// execStep is one exec_script step.
func execStep(name, arguments string) string {
	return fmt.Sprintf("step \"exec_script\" %q {\n%s\n}\n", name, arguments)
}

// outcome is how a step ended: its status, why, and the results that are asked for, as JSON.
func outcome(e event.Event, results ...string) string {
	var have map[string]json.RawMessage
	_ = json.Unmarshal(e.Results, &have) // a step without results has none of those asked for
	out := string(e.Status)
	if e.Reason != "" {
		out += ": " + e.Reason
	}
	for _, name := range results {
		out += "; " + name + " " + string(have[name])
	}
	return out
}

// Every argument and every result, on a simulated and on a real host. dry is how check mode ends, run how a run does, with the results named.
func TestExecOnHosts(t *testing.T) {
	rows := []struct {
		name, setup, step string
		results           []string
		dry, run          string
	}{
		// In check mode what fails behind a change that is foreseen is not judged: so this is the first.
		{"read_only: fails", "", "script = \"exit 3\"\nread_only = true", []string{"rc"}, "failed: the script ended with 3; rc 3", "failed: the script ended with 3; rc 3"},
		{"script: without #! it is sh", "", `script = "echo \"$0\" \"$#\"; echo err >&2; exit 0"`, []string{"ran", "rc", "stderr", "truncated", "matches"},
			"would_change", `changed; ran true; rc 0; stderr "err\n"; truncated false; matches []`},
		{"script: #! chooses the interpreter", "", `script = "#!/usr/bin/env sh\necho y"`, []string{"stdout"}, "would_change", `changed; stdout "y\n"`},
		{"script: #! with an argument", "", `script = "#!/bin/sh -e\nfalse\necho no"`, []string{"rc", "stdout"}, "would_change", `failed: the script ended with 1; rc 1; stdout ""`},
		{"script: of awk", "", "script = \"#!/usr/bin/awk -f\\nBEGIN { print 6 * 7 }\"\n", []string{"stdout"}, "would_change", `changed; stdout "42\n"`},
		{"script: its interpreter is not there", "", `script = "#!/no/such/program\nx"`, []string{"rc"}, "would_change", `failed: the script ended with 127; rc 127`},
		{"script: what does not parse", "", `script = "if"`, nil, "would_change", "failed: the script ended with 2"},
		{"script: half a megabyte", "", `script = "x=1\n${join("", [for i in range(1000) : "# ${i} ${format("%0500d", i)}\n"])}echo $x"`, []string{"stdout"}, "would_change", `changed; stdout "1\n"`},
		{"script: words of a here-document", "", "script = \"cat <<'EOF'\\n$x `id`\\nEOF\\n\"", []string{"stdout"}, "would_change", "changed; stdout \"$x `id`\\n\""},
		{"command: one argv, no shell", "", `command = ["printf", "<%s>", "a b", "", "$HOME", "it's", "*"]`, []string{"stdout"}, "would_change", `changed; stdout "<a b><><$HOME><it's><*>"`},
		{"command: not there", "", `command = ["/no/such/program"]`, []string{"rc"}, "would_change", "failed: /no/such/program ended with 127; rc 127"},
		{"args", "", "script = \"printf '<%s>' \\\"$@\\\"\"\nargs = [\"-n\", \"a b\", \"\", \"two\\nlines\", \"ü'\\\"\"]", []string{"stdout"}, "would_change", `changed; stdout "<-n><a b><><two\nlines><ü'\">"`},
		{"stdin: sensitive, not in any argv", "", "script = \"read -r x; echo $${#x}; cat /proc/[0-9]*/cmdline | grep -c 'hunter2[ ]hunter2'\"\nstdin = \"${var.secret}\\nmore\"\nok_codes = [1]", []string{"stdout"}, "would_change", `changed; stdout "15\n0\n"`},
		{"stdin: none", "", `command = ["cat"]`, []string{"stdout"}, "would_change", `changed; stdout ""`},
		{"stdin: no final newline", "", "script = \"cat; echo .\"\nstdin = \"x\"", []string{"stdout"}, "would_change", `changed; stdout "x.\n"`},
		{"workdir", "", "script = \"pwd\"\nworkdir = \"/usr/bin\"", []string{"stdout"}, "would_change", `changed; stdout "/usr/bin\n"`},
		{"workdir: not there", "", "script = \"pwd\"\nworkdir = \"/no/such\"", []string{"rc"}, "would_change", "failed: the script ended with 126; rc 126"},
		{"env", "", "script = \"echo \\\"$A\\\" \\\"$${PATH##*:}\\\"\"\nenv = { A = \"x  y\", PATH = \"$PATH:/opt/x\" }", []string{"stdout"}, "would_change", `changed; stdout "x  y /opt/x\n"`},
		{"user", "", "script = \"id -un; id -u\"\nuser = \"nobody\"", []string{"stdout"}, "would_change", `changed; stdout "nobody\n65534\n"`},
		{"user: not there", "", "script = \"id\"\nuser = \"nosuchuser\"", nil, "would_change", "failed: cannot become nosuchuser*"},

		{"read_only: runs in check mode", "", "script = \"echo x\"\nread_only = true", []string{"ran", "stdout"}, `ok; ran true; stdout "x\n"`, `ok; ran true; stdout "x\n"`},
		{"changed_when: not run in check mode", "", "script = \"echo x\"\nchanged_when = false", []string{"ran"}, "skipped: not run in check mode; ran true", "ok; ran true"},

		{"creates: there", "touch DIR/f", "script = \"exit 1\"\ncreates = \"DIR/f\"", []string{"ran", "rc", "stdout", "stderr", "duration", "truncated", "matches"},
			"ok; ran false; rc null; stdout null; stderr null; duration null; truncated null; matches null", "ok; ran false; rc null; stdout null; stderr null; duration null; truncated null; matches null"},
		{"creates: made", "", "script = \"touch DIR/f\"\ncreates = \"DIR/f\"", []string{"ran"}, "would_change; ran true", "changed; ran true"},
		{"creates: not made", "", "script = \"true\"\ncreates = \"DIR/f\"", nil, "would_change", "failed: did not converge: the script ended with 0, and still DIR/f does not exist"},
		{"creates: a glob", "touch 'DIR/core 6.4'", "script = \"exit 1\"\ncreates = \"DIR/core [0-9].*\"", []string{"ran"}, "ok; ran false", "ok; ran false"},
		{"creates: a glob that nothing matches", "touch DIR/cord", "script = \"exit 1\"\ncreates = \"DIR/core*\"", []string{"rc"}, "would_change; rc ", "failed: the script ended with 1; rc 1"},
		{"creates: a link that leads nowhere", "ln -s nowhere DIR/l", "script = \"exit 1\"\ncreates = \"DIR/l\"", nil, "ok", "ok"},
		{"removes: not there", "", "script = \"exit 1\"\nremoves = \"DIR/f\"", []string{"ran"}, "ok; ran false", "ok; ran false"},
		{"removes: there", "touch DIR/f", "script = \"rm DIR/f\"\nremoves = \"DIR/f\"", nil, "would_change", "changed"},
		{"removes: a glob", "touch DIR/f1 DIR/f2", "script = \"rm DIR/f1\"\nremoves = \"DIR/f?\"", nil, "would_change",
			"failed: did not converge: the script ended with 0, and still DIR/f? exists"},
		{"unless: holds", "", "script = \"exit 1\"\nunless = \"#!/bin/sh\\ntest -d /tmp\"", []string{"ran"}, "ok; ran false", "ok; ran false"},
		{"unless: does not hold", "", "script = \"touch DIR/f\"\nunless = \"test -e DIR/f\"", nil, "would_change", "changed"},
		{"only_if: does not hold", "", "script = \"exit 1\"\nonly_if = \"false\"", []string{"ran"}, "ok; ran false", "ok; ran false"},
		{"only_if: holds", "", "script = \"true\"\nonly_if = \"true\"", []string{"ran"}, "would_change; ran true", "changed; ran true"},
		{"version: there", "", "script = \"exit 1\"\nversion {\n  command = \"echo tool v1.2\"\n  want = \"1.2\"\n}", []string{"ran"}, "ok; ran false", "ok; ran false"},
		{"version: another", "echo 1.1 >DIR/v", "script = \"echo 1.2 >DIR/v\"\nversion {\n  command = \"cat DIR/v\"\n  want = \"1.2\"\n}", nil, "would_change", "changed"},

		{"ok_codes", "", "script = \"exit 3\"\nok_codes = [0, 3]", []string{"rc"}, "would_change", "changed; rc 3"},
		{"ok_codes: another", "", "script = \"exit 0\"\nok_codes = [3]", nil, "would_change", "failed: the script ended with 0 (wanted 3)"},
		{"ended by a signal", "", "script = \"kill -s KILL $$\"", []string{"rc"}, "would_change", "failed: the script ended with 137; rc 137"},
		{"fail_regex", "", "script = \"echo ok; echo 'x FAIL' >&2\"\nfail_regex = [\"nope\", \"FAIL$\"]", []string{"rc", "matches"}, "would_change",
			"failed: an output line matches fail_regex\nstderr line 1: x FAIL; rc 0; matches [{\"line\":\"x FAIL\",\"number\":1,\"pattern\":\"FAIL$\",\"stream\":\"stderr\"}]"},
		{"fail_regex: beyond max_output", "", "script = \"i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done\"\nfail_regex = [\"^line 2999$\"]\nmax_output = 10", []string{"stdout", "truncated"}, "would_change",
			"failed: an output line matches fail_regex\nstdout line 3000: line 2999; stdout \"line 0\\nlin\"; truncated true"},
		{"fail_regex: NUL, CR, no final newline", "", "script = \"printf 'a\\\\000b\\\\r\\\\nend'\"\nfail_regex = [\"^a.b$\", \"end$\"]", nil, "would_change", "failed: 2 output lines match fail_regex\nstdout line 1: a\x00b"},
		{"ok_regex", "", "script = \"echo PASS\"\nok_regex = [\"^PASS$\"]", nil, "would_change", "changed"},
		{"ok_regex: beyond max_output", "", "script = \"i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done\"\nok_regex = [\"^line 2999$\"]\nmax_output = 10", []string{"truncated"}, "would_change", "changed; truncated true"},
		{"ok_regex: not there", "", "script = \"true\"\nok_regex = [\"x\"]", nil, "would_change", "failed: no output line matches ok_regex x"},
		{"bytes that are no text", "", "script = \"printf 'a\\\\377b'\"", []string{"stdout"}, "would_change", `changed; stdout "a\ufffdb"`},
		{"max_output: exactly", "", "script = \"printf 12345\"\nmax_output = 5", []string{"stdout", "truncated"}, "would_change", `changed; stdout "12345"; truncated false`},
	}
	onHosts(t, func(t *testing.T, inventory string) {
		dir := fmt.Sprintf("/tmp/cvsplay-exec-%d", os.Getpid())
		in := func(i int, text string) string { return strings.ReplaceAll(text, "DIR", fmt.Sprintf("%s/%d", dir, i)) }
		setup, steps := "set -e\n", ""
		for i, c := range rows {
			setup += in(i, "mkdir -p DIR\n"+c.setup+"\n")
			steps += execStep(fmt.Sprintf("s%d", i), in(i, c.step)+"\nignore_errors = true")
		}
		if done := perform(t, inventory, execStep("setup", fmt.Sprintf("script = %q", setup)), modtest.Run); done.ExitCode != 0 {
			t.Fatal(done)
		}
		dry, run := perform(t, inventory, steps, modtest.Check), perform(t, inventory, steps, modtest.Run)
		for i, c := range rows {
			t.Run(c.name, func(t *testing.T) {
				for _, m := range []struct {
					played modtest.Played
					want   string
				}{{dry, c.dry}, {run, c.run}} {
					results := c.results
					if m.want == "would_change" {
						results = nil
					}
					got, want := outcome(m.played.Ends(fmt.Sprintf("s%d", i))["node1"], results...), in(i, m.want)
					if start, cut := strings.CutSuffix(want, "*"); got != want && !(cut && strings.HasPrefix(got, start)) {
						t.Errorf("%s: got\n%s\nwant\n%s", m.played.Mode, got, want)
					}
				}
			})
		}
		perform(t, inventory, execStep("clear", fmt.Sprintf("command = [\"rm\", \"-rf\", %q]", dir)), modtest.Run)
	})
}

// Artifacts hold all of the output, in check mode too where the script ran, and no secret.
func TestExecArtifacts(t *testing.T) {
	onHosts(t, func(t *testing.T, inventory string) {
		const script = "script = \"i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; printf %s \\\"$1\\\" >&2\"\nargs = [nonsensitive(var.secret)]\nmax_output = 10\nartifact = \"logs/it.log\"\n"
		var want strings.Builder
		for i := range 2000 {
			fmt.Fprintf(&want, "line %d\n", i)
		}
		for _, c := range []struct {
			name, step string
			mode       modtest.Mode
			kept       bool
		}{
			{"run", script, modtest.Run, true}, {"check mode does not run it", script, modtest.Check, false},
			{"read_only", script + "read_only = true", modtest.Run, true}, {"read_only, check mode", script + "read_only = true", modtest.Check, true},
			{"read_only, timeout", script + "read_only = true\ntimeout = \"1m\"", modtest.Check, true},
			{"left out by when", script + "read_only = true\nwhen = host.name != \"node1\"", modtest.Run, false},
		} {
			t.Run(c.name, func(t *testing.T) {
				done := perform(t, inventory, execStep("it", c.step), c.mode)
				text, err := os.ReadFile(filepath.Join(done.Artifacts, "node1", "logs", "it.log"))
				if !c.kept {
					if err == nil {
						t.Errorf("%d bytes were kept", len(text))
					}
					return
				}
				lines := strings.Replace(string(text), "(sensitive)", "", 1)
				if err != nil || lines != want.String() || lines == string(text) {
					t.Errorf("%v: %d bytes, want %d\n%s", err, len(text), want.Len(), done)
				}
			})
		}
	})
}

// However much a script prints, a host takes little memory, while nobody reads what it says and at its end; every line is searched, and what is
// not kept is counted.
func TestExecMemory(t *testing.T) {
	inventory := sshdInventory(t, remotetest.Sshd(t), 0)
	const long = "l=$(head -c 2000 /dev/zero | tr '\\000' y)\n" // of which few are told: the test keeps all that is
	play := func(script string, see func(event.Event)) modtest.Played {
		text := "play \"p\" {\n  hosts = group.all\n" + execStep("it",
			fmt.Sprintf("script = %q\nfail_regex = [\"x y\", \"FAIL$\"]\nok_regex = [\"^END$\"]\nartifact = \"it.log\"", script)) + "}\n"
		return modtest.Play{Modules: modules.All(), Inventory: inventory, Text: text, Mode: modtest.Run, See: see}.Do(t)
	}
	base := uint64(0)
	play("echo END", func(event.Event) { base = max(base, live()) })
	for _, c := range []struct{ name, script string }{
		{"lines", long + "yes $l | head -c 64M; echo; echo END"},
		{"one line", "head -c 16M /dev/zero | tr '\\000' x; echo; echo END"},
		{"both streams", long + "yes $l | head -c 32M & yes $l | head -c 32M >&2; wait; echo; echo END"},
	} {
		t.Run(c.name, func(t *testing.T) {
			told, stopped, ended := 0, uint64(0), uint64(0)
			done := play(c.script, func(e event.Event) {
				before := told
				told += len(e.Line)
				switch {
				case before < 900<<10 && told >= 900<<10: // from here on nothing moves, but into the connection's own buffers
					for was := uint64(0); stopped == 0 || stopped > was+16<<10; {
						was, stopped = stopped, settled()
					}
				case e.Kind == event.StepDone:
					ended = live()
				}
			})
			if got := outcome(done.Ends("it")["node1"], "truncated"); got != "changed; truncated true" {
				t.Error(got)
			}
			if stopped < base || stopped > base+8<<20 || ended > base+8<<20 {
				t.Errorf("it took %d KiB while nobody read, %d KiB at its end, beside %d KiB", (stopped-base)>>10, (ended-base)>>10, base>>10)
			}
			if info, err := os.Stat(filepath.Join(done.Artifacts, "node1", "it.log")); err != nil || info.Size() < 16<<20 {
				t.Errorf("the artifact: %v, %v", info, err)
			}
		})
	}
}

// settled is how much memory is in use a moment later.
func settled() uint64 {
	time.Sleep(100 * time.Millisecond)
	return live()
}

// live is how much memory is in use.
func live() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// naps are the seconds that the processes of this test program sleep, but for their last digit: others may be running it too.
var naps = fmt.Sprint(100_000_000 + os.Getpid())

// spawning starts a child, one in a session of its own, one whose parents are gone, one that ignores TERM, and waits.
var spawning = strings.ReplaceAll(`sleep NAP1 &
command -v setsid >/dev/null && setsid sleep NAP2 &
( ( sleep NAP3 & ) & )
sh -c 'trap "" TERM; while :; do sleep NAP4; done' &
echo begun
sleep NAP5
`, "NAP", naps)

// counting tells which of them live.
var counting = `for c in /proc/[0-9]*/cmdline; do { tr '\000' ' ' <$c; echo; } 2>/dev/null; done | grep '^sleep ` + naps + `' | sort; :`

func TestExecTimeoutLeavesNothing(t *testing.T) {
	onHosts(t, func(t *testing.T, inventory string) {
		t.Parallel()
		for _, readOnly := range []bool{false, true} {
			t.Run(fmt.Sprintf("read_only %v", readOnly), func(t *testing.T) {
				done := perform(t, inventory, execStep("it", fmt.Sprintf("script = %q\ntimeout = \"1s\"\nread_only = %v\nignore_errors = true\nfail_regex = [\"beg\"]", spawning, readOnly))+
					execStep("left", fmt.Sprintf("read_only = true\nscript = %q", counting)), modtest.Run)
				if got, want := outcome(done.Ends("it")["node1"], "ran", "rc", "stdout", "matches"),
					`failed: took longer than 1s; ran true; rc null; stdout "begun\n"; matches [{"line":"begun","number":1,"pattern":"beg","stream":"stdout"}]`; got != want {
					t.Errorf("got %s\nwant %s", got, want)
				}
				if got := outcome(done.Ends("left")["node1"], "stdout"); got != `ok; stdout ""` {
					t.Errorf("left: %s", got)
				}
			})
		}
	})
}

// The same inside of a container, whose processes the account may not signal on the host: they are the container engine's.
func TestExecTimeoutInsideLeavesNothing(t *testing.T) {
	t.Parallel()
	inside := func(t *testing.T, inventory, image, runtime string) {
		box := fmt.Sprintf("step \"container_ensure\" \"box\" {\n  name = \"exec_timeout\"\n  image = %q\n  runtime = %q\n  lifetime = \"persistent\"\n}\n", image, runtime)
		in := "inside = step.box\nhosts = [\"node1\"]\n"
		done := perform(t, inventory, box+
			execStep("it", fmt.Sprintf("%stimeout = \"2s\"\nignore_errors = true\nscript = %q", in, spawning))+
			execStep("left", fmt.Sprintf("%sread_only = true\nscript = %q", in, counting)), modtest.Run)
		if got, want := outcome(done.Ends("it")["node1"], "stdout"), `failed: took longer than 2s; stdout "begun\n"`; got != want {
			t.Errorf("got %s\nwant %s\n%s", got, want, done)
		}
		if got := outcome(done.Ends("left")["node1"], "stdout"); got != `ok; stdout ""` {
			t.Errorf("left: %s", got)
		}
	}
	t.Run("lab", func(t *testing.T) {
		t.Parallel()
		fleet := modtest.LabFleet(t, 1)
		inside(t, fleet.Inventory(), fleet.Image(), "docker")
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		c := remotetest.UseCluster(t)
		for _, who := range []struct{ name, inventory, runtime string }{
			{"root, docker", c.Inventory, "docker"}, {"an account with sudo, docker", c.AsAmd, "docker"}, {"root, podman", c.Inventory, "podman"},
		} {
			t.Run(who.name, func(t *testing.T) { inside(t, who.inventory, c.Registry+"/rocm/cvs:latest", who.runtime) })
		}
	})
}

// A run that a person kills leaves nothing inside of a container either.
func TestExecKilledInsideLeavesNothing(t *testing.T) {
	fleet := modtest.LabFleet(t, 1)
	box := fmt.Sprintf("step \"container_ensure\" \"box\" {\n  name = \"exec_killed\"\n  image = %q\n  lifetime = \"persistent\"\n}\n", fleet.Image())
	ctx, kill := context.WithCancel(t.Context())
	text := "play \"p\" {\n  hosts = group.all\n" + box + execStep("it", fmt.Sprintf("inside = step.box\nscript = %q", spawning)) + "}\n"
	done := modtest.Play{Modules: modules.All(), Inventory: fleet.Inventory(), Text: text, Mode: modtest.Run, Context: ctx, See: func(e event.Event) {
		if e.Kind == event.Out && e.Line == "begun" {
			kill()
		}
	}}.Do(t)
	if got := outcome(done.Ends("it")["node1"]); got != "cancelled: stopped while it ran: run script" {
		t.Errorf("%s\n%s", got, done)
	}
	left := perform(t, fleet.Inventory(), box+execStep("left", fmt.Sprintf("inside = step.box\nread_only = true\nscript = %q", counting)), modtest.Run)
	if got := outcome(left.Ends("left")["node1"], "stdout"); got != `ok; stdout ""` {
		t.Errorf("left: %s", got)
	}
}

// What the account may not end is named.
func TestExecTimeoutNamesSurvivors(t *testing.T) {
	t.Parallel()
	c := remotetest.UseCluster(t)
	script := strings.ReplaceAll("sudo -n sh -c 'trap \"\" TERM; sleep NAP6; :' &\necho begun\nsleep NAP7\n", "NAP", naps)
	done := perform(t, c.AsAmd, execStep("it", fmt.Sprintf("hosts = [\"node1\"]\ntimeout = \"2s\"\nscript = %q", script)), modtest.Run)
	c.Exec("node1", "for p in /proc/[0-9]*; do case $(tr '\\000' ' ' <$p/cmdline 2>/dev/null || :) in 'sleep "+naps+"6 ') kill -s KILL ${p#/proc/} ;; esac; done")
	got := outcome(done.Ends("it")["node1"], "stdout")
	if !strings.HasPrefix(got, "failed: took longer than 2s\nstill running, could not be killed: ") || !strings.Contains(got, " sleep") || !strings.HasSuffix(got, `; stdout "begun\n"`) {
		t.Error(got)
	}
}

// A connection that breaks while a script runs leaves it unknown; it runs again only where something tells that it may.
func TestExecConnectionLost(t *testing.T) {
	server := remotetest.Sshd(t)
	for _, c := range []struct {
		name, step, want string
		runs             int
	}{
		{"no guard", "", "unknown: the connection was lost while \"run script\" ran, which may have come to its end or not", 1},
		{"retry_unknown", "retry_unknown = true", "changed", 2},
		{"creates: it had come to its end", "creates = \"DIR/runs\"", "changed", 1},
		{"creates: it had not", "creates = \"DIR/second\"", "changed", 2},
		{"only_if proves nothing", "only_if = \"true\"", "unknown: the connection was lost while \"run script\" ran; it is still needed, and is not run a second time: look at what it left, and run again", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			runs, running := filepath.Join(dir, "runs"), filepath.Join(dir, "running")
			if err := syscall.Mkfifo(running, 0o600); err != nil {
				t.Fatal(err)
			}
			proxy := remotetest.NewProxy(t, fmt.Sprintf("%s:%d", server.Host, server.Port))
			go func() {
				if _, err := os.ReadFile(running); err == nil { // once the script has opened and closed it
					proxy.Reset()
				}
			}()
			script := fmt.Sprintf("echo x >>%[1]s\nif [ \"$(wc -l <%[1]s)\" -gt 1 ]; then touch %[2]s/second; exit 0; fi\necho x >%[3]s\nsleep %[4]s\n", runs, dir, running, naps)
			step := fmt.Sprintf("script = %q\n%s", script, strings.ReplaceAll(c.step, "DIR", dir))
			done := perform(t, sshdInventory(t, server, proxy.Port), execStep("it", step), modtest.Run)
			if got := outcome(done.Ends("it")["node1"]); !strings.HasPrefix(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			text, err := os.ReadFile(runs)
			if err != nil || strings.Count(string(text), "x") != c.runs {
				t.Errorf("it ran %d times, want %d (%v)", strings.Count(string(text), "x"), c.runs, err)
			}
			// A host that is asked again is asked once what ran there has ended; else that goes on, and is not this run's any more.
			left := perform(t, sshdInventory(t, server, 0), execStep("left", fmt.Sprintf("script = %q", counting+"\ngrep -s -l -a "+naps+" /proc/[0-9]*/cmdline | while IFS=/ read -r _ _ p _; do case $(readlink /proc/$p/exe) in */sleep) kill $p ;; esac; done")), modtest.Run)
			if got := outcome(left.Ends("left")["node1"], "stdout"); got != `changed; stdout ""` && c.name != "no guard" {
				t.Errorf("left: %s", got)
			}
		})
	}
}
