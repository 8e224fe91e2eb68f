package shell_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"cvsplay/engine/remote"
	"cvsplay/engine/remote/remotetest"
	"cvsplay/engine/remote/shell"
)

// The word is there for everybody to see, and nothing of it reaches a script.
func TestSignOfLife(t *testing.T) {
	for _, name := range shells {
		t.Run(name, func(t *testing.T) {
			remotetest.Need(t, name)
			command := starter{remotetest.Command(name)}
			if name == "busybox" {
				command = append(command, "sh")
			}
			plain := shell.NewHost(command, shell.Options{})
			signed := shell.NewHost(append(command, shell.Command("run-7")[1:]...), shell.Options{Run: "run-7"})
			defer plain.Close()
			defer signed.Close()
			scripts := []remote.Script{
				{Text: `echo "$#,$@,$1"; echo "$0" | sed 's,.*/,,'`},
				{Text: `echo "$#,$@"`, Args: []string{"a b", "-c"}},
				{Text: `cat; read -r more; echo "$?"`, Stdin: []byte("input\n")},
				{Foreign: true, Text: `echo "$#,$@"; cat`, Args: []string{"a"}, Stdin: []byte("x\x00y")},
				{Foreign: true, Text: "echo \"$#\""},
			}
			without, with := plain.Run(t.Context(), scripts), signed.Run(t.Context(), scripts)
			for i := range scripts {
				if show(with[i]) != show(without[i]) || with[i].State != remote.Ended {
					t.Errorf("script %d: %s, without the sign %s", i, show(with[i]), show(without[i]))
				}
			}
			look := remote.Script{Text: `tr '\0' '\n' </proc/$$/cmdline | tail -n 2`}
			if e := signed.Run(t.Context(), []remote.Script{look})[0]; string(e.Stdout.Bytes) != "-s\ncvsplay-run:run-7\n" {
				t.Errorf("the shell's words end in %s", show(e))
			}
		})
	}
}

func TestCommandLine(t *testing.T) {
	for run, want := range map[string]string{"": "/bin/sh", "r-1": "/bin/sh -s cvsplay-run:r-1", "it's": `/bin/sh -s 'cvsplay-run:it'\''s'`} {
		if got := shell.CommandLine(run); got != want {
			t.Errorf("run %q: %s, want %s", run, got, want)
		}
		out, err := exec.Command("/bin/sh", "-c", "for w in "+shell.CommandLine(run)+"; do echo \"$w\"; done").Output()
		if err != nil || strings.TrimSuffix(string(out), "\n") != strings.Join(shell.Command(run), "\n") {
			t.Errorf("run %q: %q, %v; want %q", run, out, err, fmt.Sprint(shell.Command(run)))
		}
	}
}
