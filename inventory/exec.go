package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Exec is the source of a program that prints Ansible's --list JSON:
//
//	source "exec" "slurm" {
//	  command = ["${path.inventory}/bin/slurm-inventory", "--list"]
//	  env     = { SLURM_CONF = "/etc/slurm/slurm.conf" } # besides that of cvsplay
//	  timeout = "1m"
//	  cache   = "10m" # what it printed counts for so long; 0 where it is left out
//	}
//
// The program runs in the folder of the inventory file; a relative path to it is relative to that, a plain name is looked up in
// PATH. One that fails, prints something else or takes too long is an error that shows what it said.
type Exec struct {
	Env func(string) (string, bool) // looks up HOME and the like; the program inherits the whole environment of the process
}

// How much a program may say, and how long it may take unless its block tells otherwise.
const (
	maxList     = 64 << 20
	maxStderr   = 4 << 10
	execTimeout = time.Minute
	execGrace   = 2 * time.Second // from the signal to the end of waiting for its output
)

var execSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
	{Name: "command", Required: true}, {Name: "env"}, {Name: "timeout"}, {Name: "cache"},
}}

// Open runs the program.
func (x Exec) Open(ctx context.Context, block SourceBlock) (Found, hcl.Diagnostics) {
	args := newArguments(block.Body, block.Eval, execSchema)
	command := args.texts("command")
	env := args.textMap("env")
	limit, cache := args.duration("timeout", execTimeout), args.duration("cache", 0)
	if !args.diags.HasErrors() && (len(command) == 0 || command[0] == "") {
		args.fail("command", "The command is empty. Give the program and its arguments as a list.")
	}
	if args.diags.HasErrors() {
		return Found{}, args.diags
	}
	at := args.content.Attributes["command"].Expr.Range()
	list, err := listed(ctx, program{command: command, dir: block.Dir, env: env, limit: limit, cache: cacheFor(block, cache)}, readAnsible)
	if failed, ok := errors.AsType[*programError](err); ok {
		return Found{}, hcl.Diagnostics{problem(at, "Source failed", "The program %s %s.%s", command[0], failed, said(err))}
	}
	if err != nil {
		return Found{}, hcl.Diagnostics{problem(at, "Not an inventory", "The program %s printed no inventory as of ansible-inventory --list: %s.", command[0], err)}
	}
	found, notes := list.found()
	var diags hcl.Diagnostics
	for _, n := range notes {
		d := problem(at, n.summary, "The program %s: %s", command[0], n.detail)
		d.Severity = n.severity
		diags = append(diags, d)
	}
	return found, diags
}

// A program is what a source runs.
type program struct {
	command []string
	dir     string
	env     map[string]string
	limit   time.Duration
	cache   programCache
}

// A programError is why a program gave nothing. Its text goes on the sentence "The program X".
type programError struct {
	why    string
	err    error
	stderr *bounded
}

// Error tells what the program did.
func (e *programError) Error() string {
	if e.err != nil {
		return e.why + ": " + e.err.Error()
	}
	return e.why
}

// Unwrap gives the cause.
func (e *programError) Unwrap() error { return e.err }

// run gives what the program printed. An error is a *programError.
func run(ctx context.Context, p program) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	name := p.command[0]
	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		abs, err := filepath.Abs(filepath.Join(p.dir, name))
		if err != nil {
			return nil, &programError{why: "cannot be found", err: err}
		}
		name = abs
	}
	stdout, stderr := &bounded{max: maxList}, &bounded{max: maxStderr}
	cmd := exec.CommandContext(ctx, name, p.command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, stdout, stderr
	cmd.Env = os.Environ()
	for key, value := range p.env {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its children end with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = execGrace
	err := cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, &programError{why: fmt.Sprintf("took longer than %s and was stopped; set timeout where it needs more", p.limit), stderr: stderr}
	case ctx.Err() != nil:
		return nil, &programError{why: "was interrupted", err: context.Cause(ctx)}
	case stdout.lost > 0:
		return nil, &programError{why: fmt.Sprintf("printed more than %d MiB", maxList>>20)}
	case err != nil:
		return nil, &programError{why: "failed", err: err, stderr: stderr}
	}
	return stdout.buf.Bytes(), nil
}

// said quotes what a program wrote on standard error.
func said(err error) string {
	var failed *programError
	if !errors.As(err, &failed) || failed.stderr == nil {
		return ""
	}
	b := failed.stderr
	text := strings.TrimSpace(strings.ToValidUTF8(b.buf.String(), "\uFFFD"))
	if text == "" {
		return ""
	}
	if b.lost > 0 {
		text += " …"
	}
	return " It said:\n" + text
}

// A bounded keeps the beginning of what is written to it.
type bounded struct {
	buf  bytes.Buffer
	max  int
	lost int
}

// Write never fails, so that the program can go on.
func (b *bounded) Write(p []byte) (int, error) {
	keep := min(len(p), b.max-b.buf.Len())
	b.buf.Write(p[:keep])
	b.lost += len(p) - keep
	return len(p), nil
}
