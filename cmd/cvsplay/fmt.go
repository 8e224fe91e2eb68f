package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"cvsplay/engine/config"
	"cvsplay/engine/report"
)

type fmtFlags struct{ check, diff, recursive bool }

func (a *app) fmtCommand() *cobra.Command {
	var f fmtFlags
	cmd := &cobra.Command{
		Use:   "fmt FILE…|-",
		Short: "Format playbooks and inventories",
		Long: "Format .hcl files in place and print the names of those that changed; - formats standard input to standard output. With --check\n" +
			"nothing is written, and the exit code is 1 where a file is not formatted. One dash, as in -check, does as well.",
		RunE: func(_ *cobra.Command, args []string) error { return a.format(args, f) },
	}
	cmd.Flags().BoolVar(&f.check, "check", false, "write nothing; exit with 1 where a file is not formatted")
	cmd.Flags().BoolVar(&f.diff, "diff", false, "print what differs")
	cmd.Flags().BoolVar(&f.recursive, "recursive", false, "look for files in the folders below, too")
	return cmd
}

func (a *app) format(args []string, f fmtFlags) error {
	if len(args) == 0 {
		return errors.New("fmt takes files, folders, or - for standard input")
	}
	if len(args) == 1 && args[0] == "-" {
		return a.formatStdin(f)
	}
	files, err := formattable(args, f.recursive)
	if err != nil {
		return err
	}
	changed, bad := false, false
	for _, path := range files {
		switch did, err := a.formatFile(path, f); {
		case errors.Is(err, exitCode(codeUsage)):
			bad = true
		case err != nil:
			return err
		default:
			changed = changed || did
		}
	}
	switch {
	case bad:
		return exitCode(codeUsage)
	case changed && f.check:
		return exitCode(1)
	}
	return nil
}

func (a *app) formatStdin(f fmtFlags) error {
	src, err := io.ReadAll(a.stdin)
	if err != nil {
		return err
	}
	out, ok := a.formatted(src, "standard input")
	if !ok {
		return exitCode(codeUsage)
	}
	same := bytes.Equal(src, out)
	switch {
	case f.diff && !same:
		a.printDiff("standard input", src, out)
	case !f.check && !f.diff:
		_, err = a.stdout.Write(out)
	}
	if err == nil && f.check && !same {
		return exitCode(1)
	}
	return err
}

func (a *app) printDiff(name string, src, out []byte) {
	for line := range strings.Lines(udiff.Unified(name, name, string(src), string(out))) {
		fmt.Fprintln(a.stdout, report.Safe(strings.TrimSuffix(line, "\n")))
	}
}

// formatted gives the formatted text; what is wrong with it has been printed when ok is false.
func (a *app) formatted(src []byte, name string) (out []byte, ok bool) {
	out, diags := config.Format(src, name)
	if !diags.HasErrors() {
		return out, true
	}
	files := &config.Files{}
	if file, _ := config.Parse(src, name); file != nil {
		files.Add(name, file)
	}
	a.diagnose(diags, files)
	return nil, false
}

// formatFile formats one file; it tells whether that made a difference.
func (a *app) formatFile(path string, f fmtFlags) (bool, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	out, ok := a.formatted(src, path)
	if !ok {
		return false, exitCode(codeUsage)
	}
	if bytes.Equal(src, out) {
		return false, nil
	}
	fmt.Fprintln(a.stdout, report.Safe(path))
	if f.diff {
		a.printDiff(path, src, out)
	}
	if f.check {
		return true, nil
	}
	return true, replaceFile(path, out)
}

// replaceFile writes beside the file and renames, so that no crash leaves half of it.
func replaceFile(path string, content []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	t, err := os.CreateTemp(filepath.Dir(path), ".cvsplay-fmt-*")
	if err != nil {
		return err
	}
	defer os.Remove(t.Name())
	_, err = t.Write(content)
	if err = errors.Join(err, t.Chmod(info.Mode().Perm()), t.Sync(), t.Close()); err != nil {
		return err
	}
	return os.Rename(t.Name(), path)
}

// formattable finds the files that arguments stand for.
func formattable(args []string, recursive bool) ([]string, error) {
	var out []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			out = append(out, arg)
			continue
		}
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && path != arg && (!recursive || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir
			}
			if !d.IsDir() && strings.HasSuffix(path, ".hcl") {
				out = append(out, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
