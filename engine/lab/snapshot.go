package lab

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Snapshot is the host's whole state as text, so that a test can tell what changed: every file with its mode, owner and
// hash, packages, listeners, and what other parts (the container engine) add. What changes by itself is left out:
// times, pids, /proc, /run, /tmp, logs.
func (h *Host) Snapshot() string {
	var b strings.Builder
	b.WriteString("# files\n")
	b.WriteString(h.FS().Tree("/"))
	b.WriteString("# packages\n")
	have := installed(h.FS())
	names := make([]string, 0, len(have))
	for name := range have {
		names = append(names, name+" "+have[name])
	}
	slices.Sort(names)
	b.WriteString(strings.Join(names, "\n"))
	b.WriteString("\n# listeners\n")
	for _, l := range h.world.net.Listeners() {
		fmt.Fprintf(&b, "%s:%d %s\n", l.Address, l.Port, strings.Join(l.Process.Argv(), " "))
	}
	for _, part := range h.parts {
		b.WriteString(part())
	}
	return b.String()
}

// volatile are the places that a snapshot leaves out.
var volatile = []string{"/proc", "/run", "/tmp", "/var/log", "/var/tmp", "/dev/shm", "/var/lib/docker", "/var/lib/containers"}

// Tree is the files at and below path, one line each: mode, owner, group, links, path, and the SHA-256 of the content
// or the target of a link.
func (f *FS) Tree(path string) string {
	var b strings.Builder
	_ = f.Walk(path, func(path string, info Info) error {
		if slices.Contains(volatile, path) {
			return fs.SkipDir
		}
		fmt.Fprintf(&b, "%06o %d:%d %d %q", uint32(info.Bits), info.UserID, info.GroupID, info.Links, path)
		switch info.Bits.Type() {
		case TypeRegular:
			if data, err := f.ReadFile(path); err == nil {
				fmt.Fprintf(&b, " %x", sha256.Sum256(data))
			}
		case TypeSymlink:
			fmt.Fprintf(&b, " -> %q", info.Target)
		case TypeChar, TypeBlock:
			fmt.Fprintf(&b, " %d,%d", info.Major, info.Minor)
		}
		b.WriteByte('\n')
		return nil
	})
	return b.String()
}
