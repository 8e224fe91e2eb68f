package lab

import (
	"io/fs"
	"time"
)

// Mode holds the bits of a file's type and permissions as stat(2) gives them.
type Mode uint32

// The types and special bits of a Mode.
const (
	TypeMask    Mode = 0o170000
	TypeSocket  Mode = 0o140000
	TypeSymlink Mode = 0o120000
	TypeRegular Mode = 0o100000
	TypeBlock   Mode = 0o060000
	TypeDir     Mode = 0o040000
	TypeChar    Mode = 0o020000
	TypeFifo    Mode = 0o010000

	SetUID   Mode = 0o4000
	SetGID   Mode = 0o2000
	Sticky   Mode = 0o1000
	PermMask Mode = 0o7777
)

// Type is the file type alone.
func (m Mode) Type() Mode { return m & TypeMask }

// IsDir says whether m is a directory's.
func (m Mode) IsDir() bool { return m.Type() == TypeDir }

// IsRegular says whether m is a plain file's.
func (m Mode) IsRegular() bool { return m.Type() == TypeRegular }

// Perm is the permission bits with set-id and sticky.
func (m Mode) Perm() Mode { return m & PermMask }

// FileMode is m in Go's notation.
func (m Mode) FileMode() fs.FileMode {
	out := fs.FileMode(m & 0o777)
	for bit, to := range map[Mode]fs.FileMode{SetUID: fs.ModeSetuid, SetGID: fs.ModeSetgid, Sticky: fs.ModeSticky} {
		if m&bit != 0 {
			out |= to
		}
	}
	switch m.Type() {
	case TypeDir:
		out |= fs.ModeDir
	case TypeSymlink:
		out |= fs.ModeSymlink
	case TypeChar:
		out |= fs.ModeDevice | fs.ModeCharDevice
	case TypeBlock:
		out |= fs.ModeDevice
	case TypeFifo:
		out |= fs.ModeNamedPipe
	case TypeSocket:
		out |= fs.ModeSocket
	}
	return out
}

// inode is one file. Those of a frozen layer are shared and never change; an FS copies one before its first change.
type inode struct {
	ino                 uint64
	mode                Mode
	uid, gid            int
	nlink               int
	mtime, ctime, atime int64 // nanoseconds since 1970

	data    []byte            // of a regular file
	owned   bool              // data has no other user and may be written in place
	entries map[string]uint64 // of a directory
	parent  uint64            // of a directory
	target  string            // of a symbolic link
	major   int               // of a device
	minor   int
	dyn     *dynamic // of a file whose content is made when it is looked at
}

// dynamic is a file without a place in the tables: those below /proc. Its functions are given the process that looks.
type dynamic struct {
	lookup func(p *Process, name string) *inode // nil result: no such entry
	list   func(p *Process) []string
	read   func(p *Process) []byte
	write  func(p *Process, data []byte) error
	link   func(p *Process) string
	open   func(p *Process) (stream, error) // another description altogether: /proc/self/fd/N
}

func (n *inode) size() int64 {
	switch {
	case n.mode.IsDir():
		return 4096
	case n.mode.Type() == TypeSymlink:
		return int64(len(n.target))
	}
	return int64(len(n.data))
}

// Info is what stat tells about a file. It is an fs.FileInfo.
type Info struct {
	Base         string
	Bits         Mode
	UserID       int
	GroupID      int
	Links        int
	Ino          uint64
	Bytes        int64
	Major, Minor int
	Modified     time.Time
	Changed      time.Time
	Accessed     time.Time
	Target       string // of a symbolic link
	dev          *FS
}

func (n *inode) info(base string, dev *FS) Info {
	return Info{
		Base: base, Bits: n.mode, UserID: n.uid, GroupID: n.gid, Links: n.nlink, Ino: n.ino, Bytes: n.size(),
		Major: n.major, Minor: n.minor, Target: n.target, dev: dev,
		Modified: time.Unix(0, n.mtime), Changed: time.Unix(0, n.ctime), Accessed: time.Unix(0, n.atime),
	}
}

// Name is the last element of the path that was looked up.
func (i Info) Name() string { return i.Base }

// Size is the length in bytes.
func (i Info) Size() int64 { return i.Bytes }

// Mode is the mode in Go's notation.
func (i Info) Mode() fs.FileMode { return i.Bits.FileMode() }

// ModTime is the time of the last change of the content.
func (i Info) ModTime() time.Time { return i.Modified }

// IsDir says whether it is a directory.
func (i Info) IsDir() bool { return i.Bits.IsDir() }

// Sys is nil: there is no system below.
func (i Info) Sys() any { return nil }

// Uid is the owner, in the spelling that pkg/sftp asks for.
func (i Info) Uid() uint32 { return uint32(i.UserID) } //nolint:revive // the interface of pkg/sftp

// Gid is the group, in the spelling that pkg/sftp asks for.
func (i Info) Gid() uint32 { return uint32(i.GroupID) }

// same says whether both are one file.
func (i Info) same(o Info) bool { return i.dev == o.dev && i.Ino == o.Ino }
