package shell

import "sync"

// Leftovers remembers scripts that may still run on a host because the connection to them was lost. It outlives connections: the
// first session that a later one opens for the same account kills them. The zero value is empty.
type Leftovers struct {
	mu     sync.Mutex
	frames map[string][]string // account → marks
	shells map[string][]int    // account → process ids of shells that have more to do
}

func (l *Leftovers) add(account string, frames ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frames == nil {
		l.frames = map[string][]string{}
	}
	l.frames[account] = append(l.frames[account], frames...)
}

func (l *Leftovers) addShell(account string, pid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shells == nil {
		l.shells = map[string][]int{}
	}
	l.shells[account] = append(l.shells[account], pid)
}

func (l *Leftovers) any(account string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.frames[account]) > 0
}

func (l *Leftovers) take(account string) (frames []string, shells []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	frames, shells = l.frames[account], l.shells[account]
	delete(l.frames, account)
	delete(l.shells, account)
	return frames, shells
}
