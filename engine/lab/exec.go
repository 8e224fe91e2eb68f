package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

const programMagic = "\x7fELF\x02\x01\x01lab program "

// Program is the content of an executable file that runs the Command called name. On a host a command is there where
// such a file is, and nowhere else.
func Program(name string) []byte { return []byte(programMagic + name + "\n") }

// LookPath finds a program as a shell does. EACCES says that there is a file that may not be executed.
func (p *Process) LookPath(name string) (string, error) { return p.lookPath(name, p.Getenv("PATH")) }

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (p *Process) lookPath(name, path string) (string, error) {
	v := p.view()
	if strings.Contains(name, "/") {
		return name, v.executable(name)
	}
	if path == "" {
		path = defaultPath
	}
	result := syscall.ENOENT
	for dir := range strings.SplitSeq(path, ":") {
		file := orDefault(dir, ".") + "/" + name
		s, err := v.walk(file, true)
		if err != nil || !s.found || s.node.mode.IsDir() {
			continue
		}
		if v.may(&s.node, mayExec) {
			return file, nil
		}
		result = syscall.EACCES
	}
	return "", pathError("exec", name, result)
}

func (v view) executable(path string) error {
	s, err := v.find(path, true)
	if err == nil && (s.node.mode.IsDir() || !v.may(&s.node, mayExec)) {
		err = pathError("exec", path, syscall.EACCES)
	}
	return err
}

// image is a program that is ready to run.
type image struct {
	path string
	argv []string // with the interpreter of a script in front
	run  Command
}

var errNoInterpreter = errors.New("bad interpreter")

// load reads the program at path, as execve(2) does.
func (p *Process) load(path string, argv []string) (image, error) {
	v := p.view()
	for range 4 {
		if err := v.executable(path); err != nil {
			return image{}, err
		}
		data, err := rootView(v.root).withLooker(v).readFile(path)
		if err != nil {
			return image{}, err
		}
		if name, ok := bytes.CutPrefix(data, []byte(programMagic)); ok {
			run := p.world.lab().commands[strings.TrimSpace(string(name))]
			if run == nil {
				return image{}, pathError("exec", path, syscall.ENOEXEC)
			}
			return image{path: path, argv: argv, run: run}, nil
		}
		line, _, _ := bytes.Cut(data, []byte("\n"))
		interpreter, ok := strings.CutPrefix(string(line), "#!")
		if !ok {
			if bytes.HasPrefix(data, []byte("\x7fELF")) || bytes.IndexByte(line, 0) >= 0 {
				return image{}, pathError("exec", path, syscall.ENOEXEC)
			}
			interpreter = "/bin/sh"
		}
		words := strings.SplitN(strings.TrimSpace(interpreter), " ", 2)
		script := append([]string{}, words...)
		if len(script) == 2 {
			script[1] = strings.TrimSpace(script[1])
		}
		argv = append(append(script, path), argv[1:]...)
		path = words[0]
		if err := v.executable(path); err != nil {
			return image{}, fmt.Errorf("%w: %w", errNoInterpreter, err)
		}
	}
	return image{}, pathError("exec", path, syscall.ELOOP)
}

// withLooker keeps root's rights for somebody else's path: a program may be executed without being readable.
func (v view) withLooker(w view) view {
	v.cwd, v.proc = w.cwd, w.proc
	return v
}

// Exec replaces the process's program, as execve(2) does after a PATH lookup, and gives the exit status. Where the
// program cannot be run it says so and gives 127 or 126.
func (p *Process) Exec(argv []string) int {
	path, err := p.LookPath(argv[0])
	if err != nil {
		return p.cannotExec(argv[0], err)
	}
	return p.execPath(path, argv)
}

func (p *Process) execPath(path string, argv []string) int {
	img, err := p.load(path, argv)
	if err != nil {
		return p.cannotExec(argv[0], err)
	}
	return p.become(path, img)
}

// become runs a loaded program in the process.
func (p *Process) become(path string, img image) int {
	p.mu.Lock()
	p.argv, p.exe = img.argv, img.path
	if img.path == "" {
		p.exe = path
	}
	p.handler = nil
	p.mu.Unlock()
	if code, ended := p.Host().faults.meet(p, img.argv); ended {
		return code
	}
	return img.run(p.ctx, p, img.argv)
}

func (p *Process) cannotExec(name string, err error) int {
	p.Errorf("%s: %s", name, strerror(err))
	if reason(err) == syscall.ENOENT {
		return 127
	}
	return 126
}

// Run is a child to be run to its end: by a command such as xargs, or from outside.
type Run struct {
	Argv   []string
	Env    []string  // nil: the parent's
	Dir    string    // "": the parent's
	Stdin  io.Reader // nil: the parent's
	Stdout io.Writer
	Stderr io.Writer
}

// Run runs a program as a child of p and gives its exit status.
func (p *Process) Run(r Run) int {
	return p.wait(p.launch(r)).shell()
}

func (p *Process) launch(r Run) *Process {
	files := p.files()
	var own []*descriptor
	put := func(n int, s stream) {
		d := newDescriptor(s, "pipe:[1]")
		files[n] = d
		own = append(own, d)
	}
	if r.Stdin != nil {
		put(0, goStream{r: r.Stdin})
	}
	if r.Stdout != nil {
		put(1, goStream{w: r.Stdout})
	}
	if r.Stderr != nil {
		put(2, goStream{w: r.Stderr})
	}
	c := p.fork(spawn{argv: r.Argv, env: r.Env, files: files})
	for _, d := range own {
		d.release() // the child has its own reference
	}
	if r.Dir != "" {
		c.cwd = r.Dir
	}
	c.run(func(c *Process) int { return c.Exec(r.Argv) })
	return c
}

// goStream makes a stream of a reader or writer.
type goStream struct {
	r io.Reader
	w io.Writer
}

func (s goStream) read(_ context.Context, p []byte) (int, error) {
	if s.r == nil {
		return 0, syscall.EBADF
	}
	return s.r.Read(p)
}

func (s goStream) write(_ context.Context, p []byte) (int, error) {
	if s.w == nil {
		return 0, syscall.EBADF
	}
	return s.w.Write(p)
}

func (s goStream) close() error { return nil }

// Create opens a file for writing with the process's rights and umask.
func (p *Process) Create(path string, flags int, mode Mode) (io.WriteCloser, error) {
	d, err := p.openFile(path, flags|os.O_WRONLY|os.O_CREATE, mode)
	if err != nil {
		return nil, err
	}
	return openedFile{channelOf{p, d}}, nil
}

// Open opens a file for reading with the process's rights.
func (p *Process) Open(path string) (io.ReadCloser, error) {
	d, err := p.openFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return openedFile{channelOf{p, d}}, nil
}

// channelOf is a descriptor that is in no table.
type channelOf struct {
	p *Process
	d *descriptor
}

func (c channelOf) Read(b []byte) (int, error)  { return c.d.read(c.p.ctx, b) }
func (c channelOf) Write(b []byte) (int, error) { return c.d.write(c.p.ctx, b) }

type openedFile struct{ channelOf }

func (f openedFile) Close() error {
	f.d.release()
	return nil
}
