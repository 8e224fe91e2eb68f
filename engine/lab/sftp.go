package lab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pkg/sftp"
)

// serveSFTP is the sftp-server of a lab host: it sees what its user may see.
func serveSFTP(p *Process, out io.Writer, in *pipe) int {
	files := sftpFiles{p}
	conn := newSyncExtension(out, streamReader{p.ctx, readEnd{in}})
	server := sftp.NewRequestServer(conn, sftp.Handlers{FileGet: files, FilePut: files, FileCmd: files, FileList: files},
		sftp.WithStartDirectory(p.Dir()))
	if err := server.Serve(); err != nil && !errors.Is(err, io.EOF) {
		return 1
	}
	return 0
}

// sftpFiles answers the requests of a session.
type sftpFiles struct{ p *Process }

func sftpError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrNotExist):
		return sftp.ErrSSHFxNoSuchFile
	case errors.Is(err, os.ErrPermission):
		return sftp.ErrSSHFxPermissionDenied
	}
	return reason(err) // the server makes a failure with the text of it
}

// Fileread implements sftp.FileReader.
func (s sftpFiles) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	f, err := s.open(r.Filepath, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Filewrite implements sftp.FileWriter.
func (s sftpFiles) Filewrite(r *sftp.Request) (io.WriterAt, error) { return s.OpenFile(r) }

// OpenFile implements sftp.OpenFileWriter.
func (s sftpFiles) OpenFile(r *sftp.Request) (sftp.WriterAtReaderAt, error) {
	asked := r.Pflags()
	flags := os.O_WRONLY
	if asked.Read {
		flags = os.O_RDWR
	}
	for flag, yes := range map[int]bool{os.O_APPEND: asked.Append, os.O_CREATE: asked.Creat, os.O_TRUNC: asked.Trunc, os.O_EXCL: asked.Excl} {
		if yes {
			flags |= flag
		}
	}
	return s.open(r.Filepath, flags)
}

func (s sftpFiles) open(path string, flags int) (sftpFile, error) {
	st, _, err := s.p.view().open(path, flags, 0o666)
	if err != nil {
		return sftpFile{}, sftpError(err)
	}
	f, ok := st.(*File)
	if !ok {
		data, err := io.ReadAll(io.LimitReader(streamReader{s.p.ctx, st}, 1<<20))
		return sftpFile{ReaderAt: bytes.NewReader(data)}, sftpError(err)
	}
	return sftpFile{ReaderAt: f, file: f}, nil
}

// sftpFile is an open file with errors that the protocol knows.
type sftpFile struct {
	io.ReaderAt
	file *File
}

// WriteAt implements io.WriterAt.
func (f sftpFile) WriteAt(p []byte, off int64) (int, error) {
	if f.file == nil {
		return 0, syscall.EACCES
	}
	if f.file.flags&os.O_APPEND != 0 {
		n, err := f.file.Write(p)
		return n, sftpError(err)
	}
	n, err := f.file.WriteAt(p, off)
	return n, sftpError(err)
}

// Close implements io.Closer.
func (f sftpFile) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// Filecmd implements sftp.FileCmder.
func (s sftpFiles) Filecmd(r *sftp.Request) error {
	v := s.p.view()
	switch r.Method {
	case "Setstat":
		return sftpError(s.setstat(v, r))
	case "Rename": // of the old protocol: does not replace
		if _, err := v.stat(r.Target, false); err == nil {
			return syscall.EEXIST
		}
		return sftpError(v.rename(r.Filepath, r.Target))
	case "Rmdir":
		return sftpError(v.rmdir(r.Filepath))
	case "Remove":
		return sftpError(v.unlink(r.Filepath))
	case "Mkdir":
		return sftpError(v.mkdir(r.Filepath, 0o777))
	case "Link":
		return sftpError(v.link(r.Filepath, r.Target, false))
	case "Symlink":
		return sftpError(v.symlink(r.Filepath, r.Target))
	}
	return sftp.ErrSSHFxOpUnsupported
}

func (s sftpFiles) setstat(v view, r *sftp.Request) error {
	asked, attrs := r.AttrFlags(), r.Attributes()
	if asked.Size {
		st, _, err := v.open(r.Filepath, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer func() { _ = st.close() }()
		f, ok := st.(*File)
		if !ok {
			return syscall.EINVAL
		}
		if err := f.Truncate(int64(attrs.Size)); err != nil {
			return err
		}
	}
	if asked.UidGid {
		if err := v.chown(r.Filepath, int(attrs.UID), int(attrs.GID), true); err != nil {
			return err
		}
	}
	if asked.Permissions {
		if err := v.chmod(r.Filepath, Mode(attrs.Mode)&PermMask, true); err != nil {
			return err
		}
	}
	if asked.Acmodtime {
		return v.chtimes(r.Filepath, time.Unix(int64(attrs.Atime), 0), time.Unix(int64(attrs.Mtime), 0), true)
	}
	return nil
}

// PosixRename implements sftp.PosixRenameFileCmder.
func (s sftpFiles) PosixRename(r *sftp.Request) error {
	return sftpError(s.p.view().rename(r.Filepath, r.Target))
}

// Filelist implements sftp.FileLister.
func (s sftpFiles) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	v := s.p.view()
	switch r.Method {
	case "List":
		infos, err := v.readDir(r.Filepath)
		return sftpList(infos), sftpError(err)
	case "Stat":
		info, err := v.stat(r.Filepath, true)
		return sftpList{info}, sftpError(err)
	}
	return nil, sftp.ErrSSHFxOpUnsupported
}

// Lstat implements sftp.LstatFileLister.
func (s sftpFiles) Lstat(r *sftp.Request) (sftp.ListerAt, error) {
	info, err := s.p.view().stat(r.Filepath, false)
	return sftpList{info}, sftpError(err)
}

// RealPath implements sftp.RealPathFileLister.
func (s sftpFiles) RealPath(path string) (string, error) {
	real, err := s.p.view().realpath(orDefault(path, "."))
	return real, sftpError(err)
}

// Readlink implements sftp.ReadlinkFileLister.
func (s sftpFiles) Readlink(path string) (string, error) {
	target, err := s.p.view().readLink(path)
	return target, sftpError(err)
}

// LookupUserName implements sftp.NameLookupFileLister.
func (s sftpFiles) LookupUserName(id string) string { return id }

// LookupGroupName implements sftp.NameLookupFileLister.
func (s sftpFiles) LookupGroupName(id string) string { return id }

type sftpList []Info

// ListAt implements sftp.ListerAt.
func (l sftpList) ListAt(out []os.FileInfo, off int64) (int, error) {
	if off >= int64(len(l)) {
		return 0, io.EOF
	}
	n := 0
	for ; n < len(out) && int(off)+n < len(l); n++ {
		out[n] = l[int(off)+n]
	}
	if n < len(out) {
		return n, io.EOF
	}
	return n, nil
}

// syncExtension adds fsync@openssh.com to a server that does not know it: the answer to it is always that all is well,
// since there is nothing slower than memory here.
type syncExtension struct {
	io.Reader

	mu   sync.Mutex
	w    io.Writer
	part []byte // of a packet that is being written
}

const (
	sftpVersion  = 2
	sftpStatus   = 101
	sftpExtended = 200
	fsyncName    = "fsync@openssh.com"
)

func newSyncExtension(w io.Writer, r io.Reader) *syncExtension {
	pr, pw := io.Pipe()
	s := &syncExtension{Reader: pr, w: w}
	go func() { _ = pw.CloseWithError(s.filter(r, pw)) }()
	return s
}

// filter passes on every packet but fsync's, which it answers.
func (s *syncExtension) filter(r io.Reader, w io.Writer) error {
	var head [4]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		size := binary.BigEndian.Uint32(head[:])
		if size > 1<<20 {
			return io.ErrUnexpectedEOF
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(r, body); err != nil {
			return err
		}
		if size > 9 && body[0] == sftpExtended && strings.HasPrefix(string(body[9:]), fsyncName) {
			if err := s.allWell(body[1:5]); err != nil {
				return err
			}
			continue
		}
		if _, err := w.Write(append(head[:], body...)); err != nil {
			return err
		}
	}
}

func (s *syncExtension) allWell(id []byte) error {
	packet := append([]byte{sftpStatus}, id...)
	packet = append(packet, make([]byte, 12)...) // SSH_FX_OK, no message, no language
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send(packet)
}

func (s *syncExtension) send(packet []byte) error {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(packet)))
	_, err := s.w.Write(append(out, packet...))
	return err
}

// Write collects whole packets, so that answers of both servers do not mix.
func (s *syncExtension) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.part = append(s.part, p...)
	for len(s.part) >= 4 {
		size := int(binary.BigEndian.Uint32(s.part))
		if len(s.part) < 4+size {
			break
		}
		packet := append([]byte(nil), s.part[4:4+size]...)
		s.part = s.part[4+size:]
		if size > 0 && packet[0] == sftpVersion {
			for _, text := range []string{fsyncName, "1"} {
				packet = binary.BigEndian.AppendUint32(packet, uint32(len(text)))
				packet = append(packet, text...)
			}
		}
		if err := s.send(packet); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Close implements io.Closer.
func (s *syncExtension) Close() error {
	if c, ok := s.Reader.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

var _ interface {
	sftp.OpenFileWriter
	sftp.PosixRenameFileCmder
	sftp.LstatFileLister
	sftp.RealPathFileLister
	sftp.ReadlinkFileLister
} = sftpFiles{}
