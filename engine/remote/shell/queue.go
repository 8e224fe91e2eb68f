package shell

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"cvsplay/engine/remote"
)

// A queue is the session of one account, and the programs that wait for it.
type queue struct {
	host    *Host
	account string
	turn    chan struct{}                 // full while a program is under way
	session *session                      // nil where none is open
	coming  atomic.Pointer[chan struct{}] // closed once the shell that the last program went to is known, or the program is over
	serving atomic.Int64                  // process id of the shell that a program is under way in; 0: none
	plain   bool                          // shells here do not read a program that they are started with
}

// run brings jobs to their Exits, in as many sessions as it takes.
func (q *queue) run(ctx context.Context, jobs []*job) {
	select {
	case q.turn <- struct{}{}:
		defer func() { <-q.turn }()
	case <-ctx.Done():
	}
	for len(jobs) > 0 {
		if jobs = q.host.withheld(jobs); len(jobs) == 0 {
			return
		}
		if ctx.Err() != nil {
			settleAll(jobs, remote.NotStarted, context.Cause(ctx))
			return
		}
		p, err := q.carried(ctx, jobs)
		if err == nil && p == nil {
			err = q.open(ctx)
		}
		if err != nil {
			settleAll(jobs, refusal(err), err)
			return
		}
		if p == nil {
			p = q.session.program(jobs)
		}
		jobs = q.program(ctx, p)
	}
}

// carried starts a session with the program of the jobs in it; nil where that cannot be, or is of no use.
func (q *queue) carried(ctx context.Context, jobs []*job) (*program, error) {
	carrier, ok := q.host.starter.(Carrier)
	if !ok || q.session != nil || q.plain || q.host.opts.Leftovers.any(q.account) || slices.ContainsFunc(jobs, (*job).closed) {
		return nil, nil
	}
	s := newSession(nil)
	p := s.program(jobs)
	proc, err := carrier.Carry(ctx, q.account, p.text)
	if proc == nil || err != nil {
		return nil, err
	}
	s.proc, s.fresh = proc, true
	p.carried, p.written = true, len(p.text)
	close(p.wrote)
	q.session = s
	return p, nil
}

// closed tells whether the job's script is nobody else's to read. Our own texts hold no secret, but for what they get to read, or expect to.
func (j *job) closed() bool {
	s := j.script
	return s.Foreign || len(s.Stdin) > 0 || len(s.Env) > 0 || s.Link != nil
}

// open has a session at hand, and first ends what an earlier connection lost.
func (q *queue) open(ctx context.Context) error {
	if q.session != nil {
		return nil
	}
	p, err := q.host.starter.Start(ctx, q.account)
	if err != nil {
		return err
	}
	q.session = newSession(p)
	frames, shells := q.host.opts.Leftovers.take(q.account)
	if len(frames) == 0 {
		return nil
	}
	err = q.endShells(ctx, shells)
	if err == nil {
		k := killer{session: q.session, grace: q.host.opts.Grace}
		_, err = k.kill(ctx, newTree(0, frames...))
	}
	if err != nil {
		q.host.opts.Leftovers.add(q.account, frames...)
		for _, pid := range shells {
			q.host.opts.Leftovers.addShell(q.account, pid)
		}
		q.drop()
		return fmt.Errorf("what an earlier connection left running cannot be ended: %w", err)
	}
	return nil
}

func (q *queue) drop() {
	if q.session != nil {
		q.session.proc.Close()
		q.session = nil
	}
}

// refusal is the state of scripts for which no session could be had.
func refusal(err error) remote.State {
	if _, denied := errors.AsType[*Denied](err); denied {
		return remote.Refused
	}
	return remote.NotStarted
}

func settleAll(jobs []*job, state remote.State, err error) {
	for _, j := range jobs {
		j.settle(state, err.Error(), err)
	}
}

// program runs a program of the open session and settles its jobs, but for those it returns: they never began, and go on in a new session.
func (q *queue) program(ctx context.Context, p *program) (rest []*job) {
	coming := make(chan struct{})
	q.coming.Store(&coming)
	tell := sync.OnceFunc(func() { close(coming) })
	p.onBegin = func(pid int) {
		q.begun(ctx, pid)
		tell()
	}
	defer tell()
	defer q.serving.Store(0)
	p.start()
	end := p.follow(ctx, q.host.opts.StartLimit)
	if end == whole {
		p.sent()
		q.session.served = true
		if p.carried { // others on the host may have seen it
			q.session.mark = Nonce()
		}
		return nil
	}
	defer q.drop()
	if end != broken {
		return q.cut(ctx, p, end)
	}
	if gone := p.proc.Gone(ctx); gone != nil {
		p.release()
		q.lose(p, p.unfinished(), gone)
		return nil
	}
	if !p.clean() {
		return q.cut(ctx, p, end)
	}
	return q.died(p)
}

// died settles a program whose shell ended. All that it said was seen, so what began is certain.
func (q *queue) died(p *program) (rest []*job) {
	p.release()
	jobs := p.unfinished()
	switch {
	case !p.began && p.served:
		return jobs // an idle shell had ended
	case !p.began && p.carried:
		q.plain = true
		return jobs
	case !p.began:
		settleAll(jobs, remote.NotStarted, p.noShell())
		return nil
	case len(jobs) == 0:
		return nil
	}
	q.lose(p, jobs[:1], errors.New("the shell died in the middle of the script"))
	return jobs[1:]
}

// lose settles jobs as lost as far as they were sent, and notes that they may still run.
func (q *queue) lose(p *program, jobs []*job, err error) {
	sent := max(len(jobs)-(len(p.jobs)-p.unsent()), 0)
	for _, j := range jobs[:sent] {
		j.settle(remote.Lost, err.Error(), err)
		q.host.opts.Leftovers.add(q.account, j.id)
	}
	settleAll(jobs[sent:], remote.NotStarted, err)
	if sent > 1 && p.pid != 0 {
		q.host.opts.Leftovers.addShell(q.account, p.pid)
	}
}

// cut ends a program from outside: the limit of the job under way ran out, the shell did not come up, or the context ended.
// The whole tree is killed over a session of its own. After a time-out, what is certain never to have begun is returned.
func (q *queue) cut(ctx context.Context, p *program, end stop) (rest []*job) {
	why, at := errors.New(p.why(ctx, end)), p.current()
	// Without the shell's process id only its scripts can be killed, and their ends are our doing.
	blind := p.pid == 0
	survivors, killErr := q.kill(ctx, p)
	// The streams end once all that held them is dead; then it is certain what began. Where something survives, they may stay open.
	p.drain(time.Second)
	certain := p.over() && p.clean() && p.began
	p.release()
	jobs := p.unfinished()
	if blind {
		jobs = p.jobs
	}
	if len(jobs) == 0 {
		return nil
	}
	state := remote.Lost
	if end == expired && p.current() == at {
		state = remote.TimedOut
	}
	first, rest := jobs[0], jobs[1:]
	first.exit.Survivors = survivors
	first.settle(state, why.Error(), killErr)
	if killErr != nil {
		first.exit.Why += "; what it left running could not be killed: " + killErr.Error()
		q.host.opts.Leftovers.add(q.account, first.id)
	}
	if !certain {
		q.lose(p, rest, why)
		return nil
	}
	if end == expired {
		return slices.DeleteFunc(rest, func(j *job) bool {
			if j.script.Ahead {
				j.settle(remote.Withheld, "a script before it "+why.Error(), nil)
			}
			return j.script.Ahead
		})
	}
	settleAll(rest, remote.NotStarted, why)
	return nil
}

// kill ends the processes of a program's unfinished jobs. It works on after ctx has ended, for a bounded time.
func (q *queue) kill(ctx context.Context, p *program) (survivors []string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), q.host.opts.KillLimit)
	defer cancel()
	proc, err := q.host.starter.Start(ctx, q.account)
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	var frames []string
	for _, j := range p.jobs[p.done():] {
		frames = append(frames, j.id)
	}
	k := killer{session: newSession(proc), grace: q.host.opts.Grace}
	return k.kill(ctx, newTree(p.pid, frames...))
}
