package engine

import "sync"

// texts are what steps have left in a play, each once.
type texts struct {
	mu  sync.Mutex
	all map[string]string
}

// shortText is not worth to be looked for.
const shortText = 64

// forget lets go of them: whoever still has one keeps it.
func (x *texts) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = nil
}

// once gives the text that was kept first among those that are equal.
func (x *texts) once(text string) string {
	if len(text) < shortText {
		return text
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if first, ok := x.all[text]; ok {
		return first
	}
	if x.all == nil {
		x.all = map[string]string{}
	}
	x.all[text] = text
	return text
}
