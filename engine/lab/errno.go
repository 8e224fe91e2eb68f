package lab

import (
	"errors"
	"io/fs"
	"syscall"
)

// The errors of the simulated kernel are errno values in an *fs.PathError, so that errors.Is works with fs.ErrNotExist
// and its like. strerror gives the text that programs of a GNU system print.
var errnoText = map[syscall.Errno]string{
	syscall.EPERM:        "Operation not permitted",
	syscall.ENOENT:       "No such file or directory",
	syscall.ESRCH:        "No such process",
	syscall.EINTR:        "Interrupted system call",
	syscall.EIO:          "Input/output error",
	syscall.ENXIO:        "No such device or address",
	syscall.EBADF:        "Bad file descriptor",
	syscall.EAGAIN:       "Resource temporarily unavailable",
	syscall.EACCES:       "Permission denied",
	syscall.EBUSY:        "Device or resource busy",
	syscall.EEXIST:       "File exists",
	syscall.EXDEV:        "Invalid cross-device link",
	syscall.ENOTDIR:      "Not a directory",
	syscall.EISDIR:       "Is a directory",
	syscall.EINVAL:       "Invalid argument",
	syscall.ENOSPC:       "No space left on device",
	syscall.ESPIPE:       "Illegal seek",
	syscall.EROFS:        "Read-only file system",
	syscall.EPIPE:        "Broken pipe",
	syscall.ENAMETOOLONG: "File name too long",
	syscall.ENOTEMPTY:    "Directory not empty",
	syscall.ELOOP:        "Too many levels of symbolic links",
	syscall.ECONNREFUSED: "Connection refused",
	syscall.EADDRINUSE:   "Address already in use",
	syscall.ENOEXEC:      "Exec format error",
}

// strerror is the message of err as a program on a lab host prints it.
func strerror(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		if text, ok := errnoText[errno]; ok {
			return text
		}
		return errno.Error()
	}
	return err.Error()
}

func pathError(op, path string, errno syscall.Errno) error {
	return &fs.PathError{Op: op, Path: path, Err: errno}
}

// reason is the errno inside err: 0 for nil, EIO where there is none.
func reason(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return syscall.EIO
}
