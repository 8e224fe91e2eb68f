package report

import "cvsplay/engine/event"

// Warnings are what was warned of, each message once.
type warnings struct {
	list  []*warning
	index map[string]*warning
}

// A warning is the hosts that warned alike.
type warning struct {
	message string
	hosts   []string
}

func (w *warnings) add(e event.Event) {
	id := alike(e.Message, e.Host)
	found := w.index[id]
	if found == nil {
		found = &warning{message: e.Message}
		if w.index == nil {
			w.index = map[string]*warning{}
		}
		w.index[id] = found
		w.list = append(w.list, found)
	} else if found.message != e.Message {
		found.message = id
	}
	if e.Host != "" {
		found.hosts = append(found.hosts, e.Host)
	}
}
