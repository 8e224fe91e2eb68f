package inventory

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"cvsplay/engine/config"
)

// Options say how an inventory is read. The zero value reads from the current folder, with the environment of the process.
type Options struct {
	Dir     string                      // what relative paths are relative to; "": the current folder
	Env     func(string) (string, bool) // looks up environment variables; os.LookupEnv by default
	Lab     int                         // how many hosts each lab source has, whatever its block says; 0: as the block says
	Sources map[string]Source           // source types besides lab and exec, or instead of them
	Idle    bool                        // the hosts will not be contacted: lab sources name their hosts and start none
}

// Load reads an inventory from files, or folders of files (*.hcl and *.hcl.json in the order of their names). A file named *.json is a
// CVS cluster file. Without any it
// reads $CVSPLAY_INVENTORY, else inventory.hcl, else inventory/default.hcl, else the copy of the latter that the binary carries.
//
// Everything is evaluated for every host, so that what is wrong is known before any of them is contacted. The inventory is nil
// where the diagnostics have an error, and whatever a source had started is ended then; otherwise it must be closed.
func Load(ctx context.Context, paths []string, o Options) (*Inventory, *config.Files, hcl.Diagnostics) {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	l := &loader{o: o, decl: newDeclarations(), inv: &Inventory{}, files: &config.Files{}}
	for _, src := range l.search(paths) {
		l.read(ctx, src)
	}
	if l.verdict.diags.HasErrors() {
		return l.fail()
	}
	if l.o.Lab > 0 && !l.decl.hasLab() {
		l.verdict.add(problem(hcl.Range{}, "No lab", "--lab says how many hosts a lab has, and this inventory has no source \"lab\". Name one that has with -i."))
	}
	if err := ctx.Err(); err != nil {
		l.verdict.add(problem(hcl.Range{}, "Interrupted", "Reading the inventory was interrupted: %s.", context.Cause(ctx)))
		return l.fail()
	}
	l.decl.link(&l.verdict)
	if l.verdict.diags.HasErrors() {
		return l.fail()
	}
	l.build()
	if l.verdict.diags.HasErrors() {
		return l.fail()
	}
	return l.inv, l.files, l.verdict.result()
}

// A loader reads the files of one inventory.
type loader struct {
	o       Options
	decl    *declarations
	inv     *Inventory
	files   *config.Files
	verdict verdict
	scopes  map[string]*fileScope
}

// fail ends what was started.
func (l *loader) fail() (*Inventory, *config.Files, hcl.Diagnostics) {
	if err := l.inv.Close(); err != nil {
		l.verdict.add(problem(hcl.Range{}, "Source not ended", "%s.", err))
	}
	return nil, l.files, l.verdict.result()
}

// A source is one file to read; text is there where the binary carries it.
type textFile struct {
	path string
	text []byte
}

// search finds the files that stand for the paths given.
func (l *loader) search(paths []string) []textFile {
	if len(paths) > 0 {
		var out []textFile
		for _, p := range paths {
			out = append(out, l.expand(p)...)
		}
		return out
	}
	if p, ok := l.o.Env("CVSPLAY_INVENTORY"); ok && p != "" {
		return l.expand(p)
	}
	for _, p := range []string{"inventory.hcl", defaultPath} {
		if _, err := os.Stat(l.at(p)); !errors.Is(err, fs.ErrNotExist) {
			return l.expand(p)
		}
	}
	l.inv.Files = []string{defaultPath + " (built in)"}
	return []textFile{{path: defaultPath, text: defaultSource}}
}

func (l *loader) at(path string) string {
	if filepath.IsAbs(path) || l.o.Dir == "" {
		return path
	}
	return filepath.Join(l.o.Dir, path)
}

// expand gives a file, or the files of a folder.
func (l *loader) expand(path string) []textFile {
	l.inv.Files = append(l.inv.Files, path)
	full := l.at(path)
	info, err := os.Stat(full)
	if err != nil || !info.IsDir() {
		return []textFile{{path: full}}
	}
	entries, err := os.ReadDir(full) // sorted by name
	if err != nil {
		l.verdict.add(problem(hcl.Range{}, "Folder cannot be read", "%s.", err))
		return nil
	}
	var out []textFile
	for _, e := range entries {
		if name := e.Name(); !e.IsDir() && isInventory(name) && !strings.HasPrefix(name, ".") {
			out = append(out, textFile{path: filepath.Join(full, name)})
		}
	}
	if len(out) == 0 {
		l.verdict.add(problem(hcl.Range{}, "No inventory files", "The folder %s has no file whose name ends in .hcl or .hcl.json.", path))
	}
	return out
}

func isInventory(name string) bool {
	return strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json")
}

// isCluster tells whether a file is one of CVS by its name. In a folder such files are left alone.
func isCluster(name string) bool {
	return strings.HasSuffix(name, ".json") && !isInventory(name)
}

// read takes in one file.
func (l *loader) read(ctx context.Context, src textFile) {
	cluster := isCluster(src.path)
	if !isInventory(src.path) && !cluster && src.text == nil {
		if _, err := os.Stat(src.path); err == nil {
			l.verdict.add(notInventory(src.path))
			return
		}
	}
	var file *hcl.File
	var diags hcl.Diagnostics
	if src.text != nil {
		file, diags = config.Parse(src.text, src.path)
	} else {
		file, diags = config.ReadFile(src.path)
	}
	l.files.Add(src.path, file)
	l.verdict.add(diags...)
	if file == nil || diags.HasErrors() {
		return
	}
	if cluster {
		l.decodeCluster(file.Bytes, src.path)
		return
	}
	l.decode(ctx, file.Body, l.scope(filepath.Dir(src.path)))
}

// decodeCluster takes in a CVS cluster file.
func (l *loader) decodeCluster(text []byte, path string) {
	s, diags := readCluster(text, path, l.o.Env)
	l.verdict.add(diags...)
	if !diags.HasErrors() {
		l.takeSketch(s)
	}
}

// scope is what the files of a folder see.
func (l *loader) scope(dir string) *fileScope {
	if l.scopes == nil {
		l.scopes = map[string]*fileScope{}
	}
	if l.scopes[dir] == nil {
		l.scopes[dir] = newFileScope(dir, l.o.Env)
	}
	return l.scopes[dir]
}

// notInventory tells what to do with a file of another format.
func notInventory(path string) *hcl.Diagnostic {
	why := "The name of an inventory ends in .hcl or .hcl.json, that of a CVS cluster file in .json."
	switch filepath.Ext(path) {
	case ".ini", ".yml", ".yaml", "":
		why += " Ansible's inventories are not supported yet as they are: let ansible-inventory print one, with" +
			` source "exec" "NAME" { command = ["ansible-inventory", "-i", "FILE", "--list"] }.`
	}
	return problem(hcl.Range{}, "Not an inventory", "%s cannot be read as an inventory. %s", path, why)
}
