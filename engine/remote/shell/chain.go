package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"cvsplay/engine/remote"
)

// The ways a frame may end, as its end marker says.
const (
	endPlain    = 'e'
	endAsWanted = 's' // its standard output was exactly what was wanted, and was not sent
	endCompared = 'x' // its standard output was held back to be compared; "x" and a newline were added to it
	endWithheld = 'w' // it did not run
)

// mayEnd tells whether a script may end so: a marker that makes no sense ends the session.
func (j *job) mayEnd(kind byte) bool {
	link := j.script.Link
	switch kind {
	case endPlain:
		return true
	case endWithheld:
		return link != nil
	case endCompared:
		return link != nil && link.Want != nil
	case endAsWanted:
		return link != nil && link.Want.Whole()
	}
	return false
}

// The session's variables of a chain. None is exported.
const (
	chainVar = "CVSPLAY_CHAIN" // the chain that goes on; anything else: none does
	codeVar  = "CVSPLAY_CODE"
	outVar   = "CVSPLAY_OUT"
)

// held is the chain of a session that Hold has reached: none can begin any more.
const held = "held"

// takeHold is what a session does on the signal by which Hold reaches it. A shell takes it when the script that runs has ended.
const takeHold = "trap '" + chainVar + "=" + held + "' USR1\n"

// ownProcess makes ksh93 run a subshell as a process, which it puts off until it has to: else the signal of Hold would end the script that runs.
const ownProcess = `case "${KSH_VERSION-}" in *" 93"*) ulimit -S -c "$(ulimit -S -c)" ;; esac` + "\n"

// link writes a script that is a link of a chain.
func (f frame) link(b *bytes.Buffer, link remote.Link, mark string, number int) {
	if link.First {
		fmt.Fprintf(b, "[ \"$%s\" = %s ] || %s=%s\n", chainVar, held, chainVar, link.Chain)
	}
	fmt.Fprintf(b, "case \"$%s\" in\n%s)\n", chainVar, link.Chain)
	if link.Want == nil || link.Want.Stdout == nil {
		f.body(b)
		fmt.Fprintf(b, "%s=$?\n", codeVar)
		if !link.Any {
			want := 0
			if link.Want != nil {
				want = link.Want.Code
			}
			fmt.Fprintf(b, "[ $%s -eq %d ] || [ \"$%s\" = %s ] || %s=\n", codeVar, want, chainVar, held, chainVar)
		}
		fmt.Fprintf(b, "echo %s %c %d $%s\n", mark, endPlain, number, codeVar)
	} else {
		f.compare(b, link, mark, number)
	}
	fmt.Fprintf(b, "echo %s %c %d 0 >&2\n;;\n", mark, endPlain, number)
	fmt.Fprintf(b, "*)\necho %s %c %d 0; echo %s %c %d 0 >&2\n;;\nesac\n", mark, endWithheld, number, mark, endPlain, number)
}

// compare runs a script with its standard output held back, which is sent only where it is not known already. An "x" behind it keeps the newlines
// at its end.
func (f frame) compare(b *bytes.Buffer, link remote.Link, mark string, number int) {
	fmt.Fprintf(b, "%s=$(\n", outVar)
	f.body(b)
	fmt.Fprintf(b, "%s=$?; echo x; exit $%s\n)\n%s=$?\n", codeVar, codeVar, codeVar)
	fmt.Fprintf(b, "case \"$%s $%s\" in\n", codeVar, outVar)
	b.WriteString(Quote(fmt.Sprintf("%d ", link.Want.Code)))
	for i, piece := range link.Want.Stdout {
		if i > 0 {
			b.WriteByte('*')
		}
		b.WriteString(Quote(piece))
	}
	b.WriteString("x)\n")
	if link.Want.Whole() {
		fmt.Fprintf(b, "echo %s %c %d $%s\n;;\n*)\n", mark, endAsWanted, number, codeVar)
	} else {
		f.print(b, mark, number)
		b.WriteString(";;\n*)\n")
	}
	if !link.Any {
		fmt.Fprintf(b, "[ \"$%s\" = %s ] || %s=\n", chainVar, held, chainVar)
	}
	f.print(b, mark, number)
	b.WriteString(";;\nesac\n")
}

// withheld settles the links that cannot run any more, once Hold was called.
func (h *Host) withheld(jobs []*job) []*job {
	if !h.held.Load() {
		return jobs
	}
	return slices.DeleteFunc(jobs, func(j *job) bool {
		if j.script.Link != nil {
			j.ended(endWithheld)
		}
		return j.script.Link != nil
	})
}

// endShells ends shells whose connection was lost in the middle of a chain, which they would go on with. A process is known for one of them by its run's
// sign of life.
func (q *queue) endShells(ctx context.Context, pids []int) error {
	if q.host.opts.Run == "" || len(pids) == 0 {
		return nil
	}
	var args []string
	for _, pid := range pids {
		args = append(args, strconv.Itoa(pid))
	}
	script := &remote.Script{Limit: holdLimit, Args: append([]string{SignOfLife + q.host.opts.Run}, args...), Text: `sign=$1
shift
for pid do
  words=$(tr '\0' '\n' <"/proc/$pid/cmdline") 2>/dev/null || continue
  case "$words
" in *"
$sign
"*) kill -s KILL "$pid" ;; esac
done
:`}
	p := q.session.program([]*job{newJob(script, &remote.Exit{})})
	p.start()
	if end := p.follow(ctx, holdLimit); end != whole {
		p.release()
		return errors.New(p.why(ctx, end))
	}
	<-p.wrote
	return nil
}

// print sends what was held back. Only a here-document takes any text to the output unchanged, and through no argument list.
func (f frame) print(b *bytes.Buffer, mark string, number int) {
	doc := Nonce()
	fmt.Fprintf(b, "cat <<%s\n${%s}\n%s\necho %s %c %d $%s\n", doc, outVar, doc, mark, endCompared, number, codeVar)
}

// Hold is remote.Conn's Hold.
func (h *Host) Hold(ctx context.Context) {
	h.held.Store(true)
	h.mu.Lock()
	var queues []*queue
	for _, q := range h.queues {
		queues = append(queues, q)
	}
	h.mu.Unlock()
	for _, q := range queues {
		q.hold(ctx)
	}
}

const holdLimit = 20 * time.Second

// begun notes the shell that a program is under way in.
func (q *queue) begun(ctx context.Context, pid int) {
	q.serving.Store(int64(pid))
	if q.host.held.Load() {
		q.host.runs.Go(func() { q.hold(context.WithoutCancel(ctx)) })
	}
}

// hold breaks the chain of the program under way, if there is one.
func (q *queue) hold(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, holdLimit)
	defer cancel()
	if coming := q.coming.Load(); coming != nil {
		select {
		case <-*coming:
		case <-ctx.Done():
		}
	}
	pid := int(q.serving.Load())
	if pid == 0 {
		return // none is under way; or its shell has not come up, and begun does the same once it has
	}
	proc, err := q.host.starter.Start(ctx, q.account)
	if err != nil {
		return
	}
	defer proc.Close()
	script := &remote.Script{Text: fmt.Sprintf("kill -s USR1 %d", pid), Limit: holdLimit}
	p := newSession(proc).program([]*job{newJob(script, &remote.Exit{})})
	p.start()
	if p.follow(ctx, holdLimit) != whole {
		p.release()
		return
	}
	<-p.wrote
}
