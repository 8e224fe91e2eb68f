package shell

import "sync"

// Leftovers remembers scripts that may still run on a host because the connection to them was lost. It outlives connections: the
// first session that a later one opens for the same account kills them. The zero value is empty.
type Leftovers struct {
	mu     sync.Mutex
	frames map[string][]string // account → marks
}

func (l *Leftovers) add(account string, frames ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frames == nil {
		l.frames = map[string][]string{}
	}
	l.frames[account] = append(l.frames[account], frames...)
}

func (l *Leftovers) take(account string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	frames := l.frames[account]
	delete(l.frames, account)
	return frames
}
