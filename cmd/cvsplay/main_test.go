package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cvsplay": main})
}

// The race detector has every process wait for a second before it ends, if it is not told otherwise. The command is run hundreds of times.
const atOnce = "GORACE=atexit_sleep_ms=0"

// TestScripts runs the command as a user does: each file in testdata/script is a session in a folder of its own.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("NO_COLOR", "1")
			e.Vars = append(e.Vars, atOnce)
			return nil
		},
		RequireExplicitExec: true,
		UpdateScripts:       update,
	})
}
