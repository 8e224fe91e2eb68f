// Command cvsplay brings clusters of machines to a declared state, and says what it changed.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	// A report whose reader went away must not end a run in the middle: what is owed to its end would not be paid.
	signal.Ignore(syscall.SIGPIPE)
	a := &app{stdout: os.Stdout, stderr: os.Stderr, stdin: os.Stdin, environ: os.Environ()}
	os.Exit(a.main(os.Args[1:]))
}

// An app is what all commands share: the streams and the environment of the process.
type app struct {
	stdout, stderr *os.File
	stdin          io.Reader
	environ        []string
	args           []string // of the command line
}

// exitCode ends a command with a code after everything there is to say has been said.
type exitCode int

func (exitCode) Error() string { return "exit" }

// codeUsage is the exit code of a wrong invocation, playbook or inventory: nothing was contacted.
const codeUsage = 2

func (a *app) main(args []string) int {
	a.args = args
	root := a.root()
	root.SetArgs(spelled(args))
	err := root.ExecuteContext(context.Background())
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	if err != nil {
		a.complain(err.Error())
		return codeUsage
	}
	return 0
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "cvsplay",
		Short: "Bring clusters of machines to a declared state",
		Long: "cvsplay runs playbooks: HCL files that list idempotent steps. It carries them out over SSH, on all hosts of an\n" +
			"inventory at once, and says for every host and step whether it was ok, changed or failed.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		Version:       versionText(),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(a.wrongFlag)
	root.AddCommand(a.runCommand(), a.checkCommand(), a.execCommand(), a.pingCommand(), a.initCommand(), a.validateCommand(), a.fmtCommand(), a.graphCommand(), a.consoleCommand(), a.inventoryCommand(), a.docsCommand(), a.labCommand(), a.versionCommand())
	root.InitDefaultCompletionCmd()
	if shells, _, err := root.Find([]string{"completion"}); err == nil && !shells.Runnable() {
		shells.Args, shells.RunE = noCommand, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	a.complete(root)
	return root
}
