package shell

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"cvsplay/engine/remote"
)

// Options are what a Host may be told. The zero value is for production use.
type Options struct {
	Grace      time.Duration // between TERM and KILL; 0: 5 s
	StartLimit time.Duration // for a shell to come up; 0: 60 s
	KillLimit  time.Duration // for the killing of one tree, all told; 0: 20 s more than Grace
	Leftovers  *Leftovers    // what earlier connections to the same host lost; may be nil
	Run        string        // id of the run that the shells work for; "": they carry no sign of life
}

func (o Options) withDefaults() Options {
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.StartLimit == 0 {
		o.StartLimit = time.Minute
	}
	if o.KillLimit == 0 {
		o.KillLimit = o.Grace + 20*time.Second
	}
	if o.Leftovers == nil {
		o.Leftovers = &Leftovers{}
	}
	return o
}

// A Host keeps one session for each account open, and runs scripts on them as remote.Conn says.
type Host struct {
	starter Starter
	opts    Options

	ended  context.Context // done when the Host is closed: running scripts are killed
	end    context.CancelFunc
	mu     sync.Mutex
	queues map[string]*queue
	closed bool
	held   atomic.Bool // Hold was called
	runs   sync.WaitGroup
}

// NewHost returns a Host whose shells come from starter.
func NewHost(starter Starter, opts Options) *Host {
	h := &Host{starter: starter, opts: opts.withDefaults(), queues: map[string]*queue{}}
	h.ended, h.end = context.WithCancel(context.Background())
	return h
}

// ErrClosed is why nothing runs on a connection that was closed.
var ErrClosed = errors.New("connection closed")

// Run is remote.Conn's Run. The scripts of one account run in order in one session; accounts run side by side.
func (h *Host) Run(ctx context.Context, scripts []remote.Script) []remote.Exit {
	exits := make([]remote.Exit, len(scripts))
	jobs := map[string][]*job{}
	for i := range scripts {
		s := &scripts[i]
		if err := invalid(s); err != nil {
			exits[i] = remote.Exit{Why: err.Error(), Err: err}
			continue
		}
		jobs[s.Account] = append(jobs[s.Account], newJob(s, &exits[i]))
	}
	if !h.enter() {
		for _, js := range jobs {
			settleAll(js, remote.NotStarted, ErrClosed)
		}
		return exits
	}
	defer h.runs.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.ended, func() { cancel(ErrClosed) })()
	var side sync.WaitGroup
	n := 0
	for account, js := range jobs {
		if n++; n == len(jobs) {
			h.queue(account).run(ctx, js)
			break
		}
		side.Go(func() { h.queue(account).run(ctx, js) })
	}
	side.Wait()
	return exits
}

func (h *Host) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.runs.Add(1)
	return true
}

func (h *Host) queue(account string) *queue {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := h.queues[account]
	if q == nil {
		q = &queue{host: h, account: account, turn: make(chan struct{}, 1)}
		h.queues[account] = q
	}
	return q
}

// Close kills what runs, waits for it, and lets go of all sessions.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.end()
	h.runs.Wait()
	for _, q := range h.queues {
		q.drop()
	}
	return nil
}
