package lab

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// needs are the shared libraries of programs, beside those that are always there.
var needs = map[string][]string{
	"rvs": {"librvslib.so.1", "libyaml-cpp.so.0.7", "libpci.so.3", "librocm_smi64.so.7"},
}

// A linked library is one that a program needs, and where it was found.
type linked struct {
	name string
	path string // "": nowhere
}

// libraries finds the shared libraries that the program at a path needs, as the dynamic linker does: where LD_LIBRARY_PATH says, beside the
// program, and with the system's. The host may lack some of the latter, whatever packages say.
func (p *Process) libraries(exe string) []linked {
	data, err := p.ReadFile(exe)
	name, ours := bytes.CutPrefix(data, []byte(programMagic))
	if err != nil || !ours {
		return nil
	}
	var dirs []string
	for dir := range strings.SplitSeq(p.Getenv("LD_LIBRARY_PATH"), ":") {
		if dir != "" {
			dirs = append(dirs, dir)
		}
	}
	dirs = append(dirs, path.Join(path.Dir(path.Dir(exe)), "lib"), systemLibs)
	var out []linked
	for _, lib := range needs[strings.TrimSpace(string(name))] {
		found := linked{name: lib}
		for _, dir := range dirs {
			if dir == systemLibs && slices.Contains(p.Host().spec.Lacks, lib) {
				continue
			}
			if info, err := p.Stat(path.Join(dir, lib)); err == nil && !info.IsDir() {
				found.path = path.Join(dir, lib)
				break
			}
		}
		out = append(out, found)
	}
	return out
}

// unresolved are the libraries that a program needs and nobody has.
func (p *Process) unresolved(exe string) []string {
	var out []string
	for _, l := range p.libraries(exe) {
		if l.path == "" {
			out = append(out, l.name)
		}
	}
	return out
}

// showLibraries prints them as ldd does.
func (p *Process) showLibraries(w io.Writer, exe string) {
	for i, l := range p.libraries(exe) {
		if l.path == "" {
			fmt.Fprintf(w, "\t%s => not found\n", l.name)
			continue
		}
		fmt.Fprintf(w, "\t%s => %s (0x%016x)\n", l.name, l.path, 0x7f0000400000+i*0x100000)
	}
}
