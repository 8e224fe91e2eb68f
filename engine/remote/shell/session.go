package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"cvsplay/engine/remote"
)

// A session is one open shell. It runs one program at a time; between programs it holds no goroutine and no buffer.
type session struct {
	proc   Process
	mark   string // the nonce of its markers: never in an environment, an argument, or a file
	pid    int    // of the shell, 0 before its first marker
	next   int    // number of the next frame
	fresh  bool   // nothing was sent yet
	served bool   // it ran a program to its end
}

func newSession(p Process) *session {
	return &session{proc: p, mark: Nonce(), fresh: true}
}

// A job is a script, what was seen of it, and the Exit it will have.
type job struct {
	script *remote.Script
	exit   *remote.Exit
	id     string
	out    [2]capture
	begun  time.Time
	end    byte // kind of the end marker on stdout
}

func newJob(s *remote.Script, e *remote.Exit) *job {
	return &job{script: s, exit: e, id: Nonce(), out: [2]capture{newCapture(s.Keep), newCapture(s.Keep)}}
}

// settle writes the job's Exit.
func (j *job) settle(state remote.State, why string, err error) {
	j.exit.State, j.exit.Why, j.exit.Err = state, why, err
	j.exit.Stdout, j.exit.Stderr = j.out[remote.Stdout].output(), j.out[remote.Stderr].output()
	if !j.begun.IsZero() && j.exit.Duration == 0 {
		j.exit.Duration = time.Since(j.begun)
	}
	if j.script.Ended != nil {
		j.script.Ended(*j.exit)
	}
}

// ended settles the job as its end marker says.
func (j *job) ended(kind byte) {
	switch kind {
	case endWithheld:
		j.settle(remote.Withheld, "a script before it did not give what was wanted", nil)
		return
	case endAsWanted:
		j.out[remote.Stdout].write([]byte(j.script.Link.Want.Stdout[0]))
	case endCompared:
		j.out[remote.Stdout].trim(len("x\n"))
	}
	j.settle(remote.Ended, "", nil)
}

// A sight is something a reader saw: a marker, or the end of its stream (done, with err nil where the program was over).
type sight struct {
	stream remote.Stream
	marker marker
	at     time.Time
	done   bool
	err    error
}

// A program is some jobs on their way through a session.
type program struct {
	*session
	jobs   []*job
	buffer *bytes.Buffer // lent; nil once it was given back
	text   []byte
	ends   []int // where each job's frame ends in text
	base   int   // number of the first frame
	sights chan sight
	output sync.Mutex // one Output call at a time

	carried   bool          // the shell was started with it
	wrote     chan struct{} // closed when the writer returned
	written   int           // bytes handed to the process; read after wrote
	writeErr  error
	ended     [2]int   // frames whose end marker was seen, by stream
	streams   int      // readers that returned
	streamErr [2]error // why
	began     bool     // the begin marker was seen on stdout
	onBegin   func(pid int)
	turned    time.Time // when the last marker was seen on stdout: the begin of the job under way
}

func (s *session) program(jobs []*job) *program {
	b := programs.Get().(*bytes.Buffer)
	b.Reset()
	if s.fresh {
		b.WriteString(prelude)
	}
	b.WriteString(beginning(s.mark))
	p := &program{session: s, buffer: b, jobs: jobs, base: s.next, wrote: make(chan struct{}), ends: make([]int, 0, len(jobs))}
	for i, j := range jobs {
		frame{script: j.script, id: j.id}.render(b, s.mark, s.next+i)
		p.ends = append(p.ends, b.Len())
	}
	p.text = b.Bytes()
	// No reader ever waits for room: a begin marker, an end marker for each job, and the end of the stream.
	p.sights = make(chan sight, 2*(len(jobs)+2))
	s.fresh = false
	s.next += len(jobs)
	return p
}

// programs are buffers for texts of programs, which are of use until they were sent.
var programs = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// sent gives the buffer back once the text was written.
func (p *program) sent() {
	const most = 64 << 10 // of what is kept for others
	<-p.wrote
	if p.buffer.Cap() <= most {
		programs.Put(p.buffer)
	}
	p.buffer, p.text = nil, nil
}

// start sends the program and begins to read what comes back.
func (p *program) start() {
	if !p.carried {
		go p.write()
	}
	go p.read(remote.Stdout, p.proc.Stdout())
	go p.read(remote.Stderr, p.proc.Stderr())
}

func (p *program) write() {
	defer close(p.wrote)
	p.written, p.writeErr = p.proc.Stdin().Write(p.text)
}

// unsent is the first job of which no byte can have reached the shell as a whole frame. The transport may have sent a packet that it
// reports as failed.
func (p *program) unsent() int {
	<-p.wrote
	if p.writeErr == nil {
		return len(p.jobs)
	}
	const packet = 64 << 10
	for i, end := range p.ends {
		if end > p.written+packet {
			return i
		}
	}
	return len(p.jobs)
}

// noise is how much of what came before the first marker is kept, to explain why no shell came up.
const noise = 1024

func (p *program) read(stream remote.Stream, r io.Reader) {
	current := -1 // before the begin marker: what is left of a program before it, or a login file's words
	var before []byte
	s := splitter{
		nonce: []byte(p.mark),
		data: func(b []byte) {
			switch {
			case len(b) == 0:
			case current < 0:
				before = append(before, b[max(0, len(b)-noise):]...)
				before = before[max(0, len(before)-noise):]
			default:
				p.deliver(p.jobs[current], stream, b)
			}
		},
	}
	var wrong error
	s.marker = func(m marker) bool {
		begins := m.kind == 'b' && current < 0
		ends := m.kind != 'b' && current >= 0 && m.number == p.base+current && p.jobs[current].mayEnd(m.kind)
		if !begins && !ends {
			wrong = errMarker
			return false
		}
		current++
		p.sights <- sight{stream: stream, marker: m, at: time.Now()}
		return current < len(p.jobs)
	}
	err := errors.Join(s.run(r), wrong)
	if errors.Is(err, io.EOF) && current < 0 {
		err = &NoShell{Said: strings.ToValidUTF8(strings.TrimSpace(string(before)), "?")}
	}
	p.sights <- sight{stream: stream, done: true, err: err}
}

func (p *program) deliver(j *job, stream remote.Stream, b []byte) {
	j.out[stream].write(b)
	if j.script.Output == nil {
		return
	}
	p.output.Lock()
	defer p.output.Unlock()
	j.script.Output(stream, b)
}

// done is how many jobs have ended on both streams.
func (p *program) done() int { return min(p.ended[0], p.ended[1]) }

// current is the job under way: the first that has not ended on stdout, where its shell speaks.
func (p *program) current() int { return p.ended[remote.Stdout] }

// over tells whether nothing more is to be seen.
func (p *program) over() bool { return p.streams == 2 }

// see takes note of a sight.
func (p *program) see(s sight) {
	if s.done {
		p.streams++
		p.streamErr[s.stream] = s.err
		return
	}
	if s.marker.kind == 'b' {
		if s.stream == remote.Stdout {
			p.began, p.pid, p.turned = true, s.marker.value, s.at
			if p.onBegin != nil {
				p.onBegin(p.pid)
			}
			p.begin(0)
		}
		return
	}
	i := p.ended[s.stream]
	p.ended[s.stream]++
	if s.stream == remote.Stdout {
		p.jobs[i].exit.Code, p.jobs[i].end = s.marker.value, s.marker.kind
		p.jobs[i].exit.Duration = s.at.Sub(p.turned)
		p.turned = s.at
		p.begin(i + 1)
	}
	if p.done() > i {
		p.jobs[i].ended(p.jobs[i].end)
	}
}

func (p *program) begin(i int) {
	if i < len(p.jobs) {
		p.jobs[i].begun = p.turned
	}
}

// drain goes on seeing until the streams ended or the time is up.
func (p *program) drain(limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for !p.over() {
		select {
		case s := <-p.sights:
			p.see(s)
		case <-timer.C:
			return
		}
	}
}

// release closes the process and waits for the readers and the writer, so that nothing touches the jobs any more.
func (p *program) release() {
	p.proc.Close()
	for !p.over() {
		p.see(<-p.sights)
	}
	<-p.wrote
}

// A stop is why a program came to rest.
type stop int

const (
	whole   stop = iota // every job ended; the session goes on
	broken              // the streams ended, or what came made no sense
	expired             // the job under way took longer than its limit
	stuck               // the shell did not print its first marker in time
	dropped             // the context ended
)

// follow watches the program until it comes to rest.
func (p *program) follow(ctx context.Context, startLimit time.Duration) stop {
	timer := time.NewTimer(startLimit)
	defer timer.Stop()
	for {
		end := dropped
		select {
		case s := <-p.sights:
			p.see(s)
			if !s.done && s.stream == remote.Stdout {
				p.arm(timer)
			}
			if !p.over() && p.clean() {
				continue
			}
			end = broken
		case <-timer.C:
			end = expired
		case <-ctx.Done():
		}
		p.catchUp()
		switch {
		case p.over() && p.done() == len(p.jobs):
			return whole
		case end == expired && !p.began:
			return stuck
		case end == expired && !p.late():
			p.arm(timer) // it ended just in time, and the next one has its own limit
			continue
		}
		return end
	}
}

// catchUp sees what there is to see without a wait.
func (p *program) catchUp() {
	for {
		select {
		case s := <-p.sights:
			p.see(s)
		default:
			return
		}
	}
}

// late tells whether the job under way has used up its limit.
func (p *program) late() bool {
	i := p.current()
	if i == len(p.jobs) {
		return false
	}
	limit := p.jobs[i].script.Limit
	return limit > 0 && time.Since(p.turned) >= limit
}

// arm sets the timer to the limit of the job under way.
func (p *program) arm(timer *time.Timer) {
	timer.Stop()
	if i := p.current(); i < len(p.jobs) && p.jobs[i].script.Limit > 0 {
		timer.Reset(p.jobs[i].script.Limit - time.Since(p.turned))
	}
}

// clean tells whether the streams, which are over, ended because the shell did.
func (p *program) clean() bool {
	for _, err := range p.streamErr {
		if err != nil && !isNoShell(err) && !errors.Is(err, io.EOF) {
			return false
		}
	}
	return true
}

// unfinished are the jobs that did not end, once nothing more is to be seen. The end on stdout counts: the shell may have
// been killed before it could say the same on stderr.
func (p *program) unfinished() []*job {
	for i := p.done(); i < p.current(); i++ {
		p.jobs[i].ended(p.jobs[i].end)
	}
	return p.jobs[p.current():]
}

// noShell says why no shell came up, in the words of the first stream that has any.
func (p *program) noShell() error {
	none := &NoShell{}
	for _, err := range p.streamErr {
		if n, ok := errors.AsType[*NoShell](err); ok && none.Said == "" {
			none = n
		}
	}
	return none
}

// why says for a person why a program came to rest.
func (p *program) why(ctx context.Context, end stop) string {
	switch end {
	case expired:
		return fmt.Sprintf("took longer than %s", p.jobs[p.current()].script.Limit)
	case stuck:
		return "the shell did not come up in time"
	case dropped:
		return context.Cause(ctx).Error()
	}
	if err := errors.Join(p.streamErr[0], p.streamErr[1]); err != nil {
		return err.Error()
	}
	return "the shell ended"
}

func isNoShell(err error) bool {
	_, ok := errors.AsType[*NoShell](err)
	return ok
}
