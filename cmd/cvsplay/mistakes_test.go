package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// A mistake is what somebody who is new here writes, and what validate says of it.
type mistake struct {
	name   string
	files  []txtar.File // the playbook is named playbook.*; an inventory inventory.*
	output string
}

func (m mistake) args() []string {
	var playbook string
	var inventory []string
	for _, f := range m.files {
		if strings.HasPrefix(f.Name, "inventory.") {
			inventory = []string{"-i", f.Name}
		} else if strings.HasPrefix(f.Name, "playbook.") {
			playbook = f.Name
		}
	}
	return append([]string{playbook}, inventory...)
}

// mistakes are the golden files: in each, the files and the output of every mistake in a folder of its own.
func mistakes(t *testing.T, archive *txtar.Archive) []mistake {
	t.Helper()
	var list []mistake
	for _, f := range archive.Files {
		folder, name := path.Split(f.Name)
		if len(list) == 0 || list[len(list)-1].name != path.Clean(folder) {
			list = append(list, mistake{name: path.Clean(folder)})
		}
		m := &list[len(list)-1]
		if name == "output" {
			m.output = string(f.Data)
			continue
		}
		m.files = append(m.files, txtar.File{Name: name, Data: f.Data})
	}
	return list
}

// TestMistakes holds what newcomers write wrongly to what validate says of it. With -update it is written down.
func TestMistakes(t *testing.T) {
	paths, err := filepath.Glob(repository(t, "cmd/cvsplay/testdata/mistakes/*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	count := 0
	for _, file := range paths {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list := mistakes(t, archive)
		count += len(list)
		for i, m := range list {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar")+"/"+m.name, func(t *testing.T) { list[i].output = m.validate(t) })
		}
		if update {
			writeMistakes(t, file, archive.Comment, list)
		}
	}
	if count < 50 {
		t.Errorf("only %d mistakes", count)
	}
}

// validate is what the command says, with and without --json.
func (m mistake) validate(t *testing.T) string {
	t.Chdir(t.TempDir())
	for _, f := range m.files {
		if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out := called(t, append([]string{"validate"}, m.args()...)...)
	if code != codeUsage {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if out != m.output && !update {
		t.Errorf("validate says\n%s\nand should say\n%s", out, m.output)
	}
	code, text := called(t, append([]string{"validate", "--json"}, m.args()...)...)
	var doc verdicts
	if err := json.Unmarshal([]byte(text), &doc); err != nil || code != codeUsage || doc.Valid || doc.ErrorCount == 0 {
		t.Fatalf("exit code %d, %v\n%s", code, err, text)
	}
	for _, d := range doc.Diagnostics {
		if d.Range == nil || d.Snippet == nil || d.Snippet.Code == "" || d.Detail == "" {
			t.Errorf("this has no place, or says nothing: %+v", d)
		}
	}
	return out
}

func writeMistakes(t *testing.T, file string, comment []byte, list []mistake) {
	t.Helper()
	archive := &txtar.Archive{Comment: comment}
	for _, m := range list {
		for _, f := range m.files {
			archive.Files = append(archive.Files, txtar.File{Name: m.name + "/" + f.Name, Data: bytes.TrimLeft(f.Data, "\n")})
		}
		archive.Files = append(archive.Files, txtar.File{Name: m.name + "/output", Data: []byte(m.output)})
	}
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
