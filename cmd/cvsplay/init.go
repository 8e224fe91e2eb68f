package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"cvsplay/engine"
	"cvsplay/engine/report"
)

// starter is what init writes.
//
//go:embed starter/playbook.hcl starter/inventory.hcl
var starter embed.FS

func starterFiles() []string { return []string{"playbook.hcl", "inventory.hcl"} }

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init [FOLDER]",
		Short: "Write a small playbook and an inventory to begin with",
		Long: "Write playbook.hcl and inventory.hcl into a folder, by default the current one; it is made where it is not there. They run as they\n" +
			"stand, on simulated hosts, and say what to change for machines of your own. A file that is there already is never overwritten: then\n" +
			"nothing is written at all, and the exit code is 2.",
		Args: takes(0, 1, "one folder, or none: without one it is this folder"),
		RunE: func(_ *cobra.Command, args []string) error { return a.init(strings.Join(args, "")) },
	}
}

func (a *app) init(folder string) error {
	folder = filepath.Clean(folder)
	for _, name := range starterFiles() {
		switch _, err := os.Lstat(filepath.Join(folder, name)); {
		case err == nil:
			return fmt.Errorf("%s is there already, and is left as it is; nothing was written. Name another folder: cvsplay init FOLDER", filepath.Join(folder, name))
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	for _, name := range starterFiles() {
		text, err := starter.ReadFile("starter/" + name)
		if err == nil {
			err = writeNew(filepath.Join(folder, name), text)
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(a.stdout, "wrote "+report.Safe(filepath.Join(folder, name)))
	}
	next := "cvsplay check playbook.hcl"
	if folder != "." {
		next = "cd " + engine.Quote(folder) + " && " + next
	}
	fmt.Fprintf(a.stdout, "\nThey run as they stand, on simulated hosts:\n\n    %s\n    cvsplay run playbook.hcl\n", report.Safe(next))
	return nil
}

// writeNew writes a file that was not there; one that came meanwhile is left alone.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
